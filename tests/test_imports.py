"""What may import what, and what importing costs."""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "kerasnets"
FILES = sorted(path for suffix in ("py", "pyi") for path in PACKAGE.rglob(f"*.{suffix}"))

# From the top of the page's table down; a package may import itself and those before it.
ORDER = re.findall(
    r"^\| `(\w+)` \|", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.M
)


def module_name(path: pathlib.Path) -> str:
    words = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(words).removesuffix(".__init__")


@functools.cache
def parsed(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def written_imports(path: pathlib.Path) -> dict[str, str]:
    """What a file's imports bind, anywhere in it: the name, and the full name that it stands for."""
    package = path.relative_to(ROOT).parent.parts
    names = {}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*base, *([node.module] if node.module else [])])
            names |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
    return names


def used_attributes(path: pathlib.Path) -> set[str]:
    """``kerasnets.weights.load`` and the like, written out in an expression."""
    attributes = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute))
    written = {ast.unparse(node) for node in attributes}
    return {name for name in written if re.fullmatch(r"kerasnets(\.\w+)+", name)}


# What the lazy packages give under a name, and where their stubs say that it is defined.
DEFINED = {
    f"{module_name(path)}.{name}": full
    for path in FILES
    if path.suffix == ".pyi"
    for name, full in written_imports(path).items()
}


@functools.cache
def imported(path: pathlib.Path) -> set[str]:
    """The full names of all modules, or of names defined in modules, that a file uses anywhere."""
    found = set()
    for name in {*written_imports(path).values(), *used_attributes(path)}:
        while DEFINED.get(name, name) != name:
            name = DEFINED[name]
        found |= {name, name.rpartition(".")[0]} - {""}
    return found


def part(module: str) -> str | None:
    words = module.split(".")
    return words[1] if words[0] == "kerasnets" and len(words) > 1 else None


def test_every_package_has_its_line_in_the_architecture():
    parts = {path.relative_to(PACKAGE).parts[0].partition(".")[0] for path in FILES}
    assert parts - {"__init__"} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


def test_imports_point_upwards_in_the_table():
    wrong = [
        f"{module_name(path)} imports {module}"
        for path in FILES
        if (own := part(module_name(path))) is not None  # kerasnets itself names all of them
        for module in imported(path)
        if part(module) in ORDER and ORDER.index(part(module)) > ORDER.index(own)
    ]
    assert not wrong


def test_there_is_no_circle():
    """Neither among the files of one package; imports inside functions count too."""
    modules = {module_name(path): path for path in FILES if path.stem != "__init__"}
    arrows = {name: imported(path) & set(modules) - {name} for name, path in modules.items()}
    while free := {name for name, others in arrows.items() if not others & set(arrows)}:
        arrows = {name: others for name, others in arrows.items() if name not in free}
    assert not arrows, f"circles among {sorted(arrows)}"


def test_layers_and_models_import_no_backend():
    for path in FILES:
        if part(module_name(path)) in ("layers", "models"):
            roots = {module.split(".")[0] for module in imported(path)}
            assert not roots & {"tensorflow", "jax", "torch"}, path


def test_private_modules_of_others_are_imported_in_one_place():
    """Keras' and TensorFlow's; `kerasnets.private` says why."""
    inner = r"(keras\.src|tensorflow\.python)"
    users = {module_name(path) for path in FILES if any(re.match(inner, x) for x in imported(path))}
    assert users == {"kerasnets.private"}


def test_pictures_leave_the_backend_of_matplotlib_alone():
    """The one that a user has chosen: only pyplot has any."""
    for path in PACKAGE.rglob("*.py"):
        assert not imported(path) & {"matplotlib.pyplot", "matplotlib.use"}, path
        assert "matplotlib.use(" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    "code",
    [
        "import kerasnets; kerasnets.list_models(); kerasnets.info('lenet5')",
        "from kerasnets.cli.main import parse; parse(['list'])",
        # What a resumed run's own values are read with.
        "import kerasnets.runs.run",
        "import kerasnets.data, kerasnets.training, kerasnets.export, kerasnets.fast, "
        "kerasnets.layers, kerasnets.prediction, kerasnets.serving",
    ],
)
def test_importing_loads_no_framework(code):
    check = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{check}"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(result.stdout.split())
    assert "kerasnets" in loaded
    assert not loaded & {"keras", "tensorflow", "jax", "torch", "matplotlib", "sklearn"}
