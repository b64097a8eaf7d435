import pytest

from kerasnets import UserError
from kerasnets.cli.quantities import BYTES, COUNT, SECONDS, quantity


@pytest.mark.parametrize(
    ("text", "units", "value"),
    [
        ("50ms", SECONDS, 0.05),
        ("0.2 s", SECONDS, 0.2),
        ("20MB", BYTES, 20e6),
        ("1.5gb", BYTES, 1.5e9),
        ("5M", COUNT, 5e6),
        ("300000", COUNT, 300_000),
        ("1e6", COUNT, 1e6),
    ],
)
def test_numbers_with_units(text, units, value):
    assert quantity(text, units, "--x") == pytest.approx(value)


@pytest.mark.parametrize("text", ["50", "ms", "-5ms", "0ms", "5 m s", "1.2.3ms", "5kg", ""])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UserError, match=r"--latency must be .* \(us, ms, s\), such as 50ms. Rec"):
        quantity(text, SECONDS, "--latency")
