import pytest

from tests.docs.pages import generate


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


def test_the_page_on_recipes_is_up_to_date():
    path = generate.DOCS / "recipes.md"
    assert path.read_text(encoding="utf-8") == generate.recipes(), "run make docs"


def test_the_page_on_weights_is_up_to_date():
    path = generate.DOCS / "weights.md"
    assert path.read_text(encoding="utf-8") == generate.weights(), "run make docs"


@pytest.mark.parametrize("name", generate.lab_results())
def test_pages_of_experiments_are_up_to_date(name):
    path = generate.LAB / f"{name}.md"
    assert path.read_text(encoding="utf-8") == generate.lab_page(name), "run make docs"
    assert all((generate.LAB / picture).is_file() for picture in generate.lab_pictures(name))


def test_the_index_of_experiments_is_up_to_date_and_no_page_is_left_over():
    path = generate.LAB / "README.md"
    assert path.read_text(encoding="utf-8") == generate.lab_index(), "run make docs"
    pages = {path.stem for path in generate.LAB.glob("*.md")} - {"README"}
    assert pages == set(generate.lab_results())


def test_claims_that_did_not_hold_are_among_the_errata():
    text = (generate.DOCS / "errata.md").read_text(encoding="utf-8")
    assert text.endswith(generate.errata()), "run make docs"
    assert generate.lab_errata() in text


def test_the_page_on_results_is_up_to_date():
    assert generate.README.read_text(encoding="utf-8") == generate.readme(), "run make docs"
    path = generate.DOCS / "results.md"
    assert path.read_text(encoding="utf-8") == generate.report.page(), "run make docs"


def test_the_page_on_training_beside_pytorch_is_up_to_date():
    path = generate.DOCS / "peer_training.md"
    assert path.read_text(encoding="utf-8") == generate.peer_training.page(), "run make docs"


def test_the_page_on_learning_is_up_to_date():
    path = generate.DOCS / generate.learning.PAGE
    assert path.read_text(encoding="utf-8") == generate.learning.page(), "run make docs"


def test_every_family_has_a_table_and_no_page_is_left_over():
    networks = {table.get("network", name) for name, table in generate.tables().items()}
    assert {generate.kerasnets.info(name).family for name in networks} == set(generate.families())
    assert {path.stem for path in generate.FOLDER.glob("*.md")} == set(generate.families())


def test_the_index_is_up_to_date():
    path = generate.DOCS / "README.md"
    assert path.read_text(encoding="utf-8") == generate.index(), "run make docs"


def test_the_names_that_editors_complete_are_up_to_date():
    assert generate.NAMES.read_text(encoding="utf-8") == generate.names(), "run make docs"


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


def test_rows_stand_for_a_layer_for_a_start_or_for_a_pattern():
    rows = generate.layers("resnet20_cifar")
    first = [row.name for row in generate.select(rows, "stage1_block1")]
    assert first[0] == "stage1_block1_conv1"
    assert first[-1] == "stage1_block1_act"
    parameters = [generate.built(rows, f"stage1_block{place}")[1] for place in (1, "[23]_*", "*")]
    assert parameters[0] + parameters[1] == parameters[2]
    assert generate.built(rows, "stem_conv") != generate.built(rows, "stem_conv_bn")
