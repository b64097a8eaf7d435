"""What may import what, and what importing costs."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "kerasnets"

# From the bottom up; a part may import those before it.
ORDER = (
    "errors", "lazy", "files", "inputs", "registry", "layers", "models", "weights",
    "inspection", "inference", "data", "export", "training", "serving", "benchmark", "cli",
)  # fmt: skip


def imported(path: pathlib.Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(module: str) -> str | None:
    words = module.split(".")
    return words[1] if words[0] == "kerasnets" and len(words) > 1 else None


# The one place each where a lower part calls a higher one, inside a function.
ALLOWED = {("models", "weights"), ("export", "training")}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/*.py")) + sorted(PACKAGE.glob("*.py")))
def test_imports_point_downwards(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for module in imported(path):
        other = part(module)
        if other in ORDER and (own, other) not in ALLOWED:
            assert ORDER.index(other) <= ORDER.index(own), f"{own} imports {module}"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "layers").glob("*.py")) + sorted((PACKAGE / "models").glob("*.py"))
)
def test_layers_and_models_import_no_backend(path):
    roots = {module.split(".")[0] for module in imported(path)}
    assert not roots & {"tensorflow", "jax", "torch"}
    assert not {module for module in imported(path) if module.startswith("keras.src")}


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
        "import kerasnets.training.run",
        "import kerasnets.data, kerasnets.training, kerasnets.export, kerasnets.inference, "
        "kerasnets.serving",
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
