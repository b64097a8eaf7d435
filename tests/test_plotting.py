"""Pictures: formats, fonts for all characters, plain numbers on logarithmic axes."""

import logging

import pytest
from matplotlib.figure import Figure

from kerasnets import UserError, plotting


@pytest.fixture
def fonts(tmp_path, monkeypatch):
    """What is installed: a font with one Chinese character, or nothing."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = [".notdef", "cat"]
    font = FontBuilder(1000)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord("猫"): "cat"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": "Only Cats", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(tmp_path / "cats.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"none")

    def install(*files: str) -> None:
        paths = tuple(str(tmp_path / file) for file in files)
        monkeypatch.setattr(plotting, "_installed", lambda: paths)
        plotting.fonts_for.cache_clear()
        plotting._drawable.cache_clear()

    yield install
    plotting.fonts_for.cache_clear()
    plotting._drawable.cache_clear()


@pytest.mark.parametrize("ending", plotting.ENDINGS)
def test_characters_of_an_installed_font_are_drawn(fonts, tmp_path, ending, caplog):
    """Where a glyph is missing Matplotlib warns, and a warning is an error here."""
    fonts("broken.ttf", "cats.ttf")
    figure = Figure()
    axes = figure.subplots()
    axes.set_yticks([0, 1], plotting.drawable(["a 猫", "é"]))
    axes.set_title("猫 → α")
    plotting.save_figure(figure, tmp_path / f"a{ending}")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a 猫", "é"]
    assert "Only Cats" in axes.get_yticklabels()[0].get_fontfamily()
    assert not caplog.records


def test_names_that_no_font_draws_are_indices(fonts, tmp_path, caplog):
    fonts("broken.ttf", "cats.ttf")
    caplog.set_level(logging.WARNING, "kerasnets")
    names = ["猫", "개", "plain", "犬"]
    with caplog.at_level(logging.WARNING):
        logging.getLogger("kerasnets").addHandler(caplog.handler)
        assert plotting.drawable(names) == ("猫", "1", "plain", "3")
        assert plotting.drawable(names) == ("猫", "1", "plain", "3")
        logging.getLogger("kerasnets").removeHandler(caplog.handler)
    messages = {record.getMessage() for record in caplog.records}
    assert messages == {
        "No installed font draws 2 of the class names, such as '개'; pictures show their indices."
    }
    figure = Figure()
    figure.suptitle("猫 and 犬")
    plotting.save_figure(figure, tmp_path / "a.png")
    assert figure.get_suptitle() == "猫 and ?"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.05, "0.05"),
        (1e-5, "0.00001"),
        (1, "1"),
        (2000, "2,000"),
        (5e6, "5,000,000"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers_are_plain(value, shown):
    assert plotting.plain(value) == shown


@pytest.mark.parametrize(("low", "high"), [(0.002, 3), (0.31, 0.42), (40, 47)])
def test_logarithmic_ticks_are_plain_numbers(low, high, tmp_path):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [low, high])
    axes.set_yscale("log")
    plotting.plain_log_ticks(axes.yaxis)
    plotting.save_figure(figure, tmp_path / "a.svg")
    ends = axes.get_ylim()
    inside = [
        label.get_text()
        for label, tick in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
        if ends[0] <= tick <= ends[1]
    ]
    assert len(inside) >= 2
    assert all(float(text.replace(",", "")) > 0 and "e" not in text for text in inside)
    assert len([t for t in plotting.log_ticks(low, high) if low <= t <= high]) >= 2


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--out must end in .png, .svg, .pdf"):
        plotting.check_picture(tmp_path / "a.gif")
    with pytest.raises(UserError, match="There is no folder"):
        plotting.check_picture(tmp_path / "none" / "a.png")
