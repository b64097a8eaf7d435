import importlib.util
import pathlib

import pytest

FILE = pathlib.Path(__file__).parent.parent.parent / "docs" / "generate.py"
spec = importlib.util.spec_from_file_location("docs_generate", FILE)
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.tables())
def test_networks_are_the_papers_row_by_row(name):
    rows = list(generate.compare(name, generate.tables()[name]))
    assert len(rows) > 4
    different = [f"{paper}: {part} is {found}" for paper, part, found, same in rows if not same]
    assert not different


@pytest.mark.parametrize("family", generate.families())
def test_pages_are_up_to_date(family):
    path = generate.FOLDER / f"{family}.md"
    assert path.read_text(encoding="utf-8") == generate.page(family), "run make docs"


def test_a_row_that_differs_is_seen():
    table = {
        "rows": [
            ["C1", "c1", "28x28x6", 156],
            ["S2", "s2", "14x14x7", 12],
            ["C3", "c3", "10x10x16", 1517],
        ]
    }
    assert [same for *_, same in generate.compare("lenet5", table)] == [True, False, False]
    with pytest.raises(KeyError):
        list(generate.compare("lenet5", {"rows": [["C9", "c9", "1x1x1"]]}))
