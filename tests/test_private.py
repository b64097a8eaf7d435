"""Private names of Keras and TensorFlow appear in `kerasnets.private` alone."""

from __future__ import annotations

import ast
import pathlib

PACKAGE = pathlib.Path(__file__).parent.parent / "kerasnets"
HOME = PACKAGE / "private.py"
FILES = sorted(PACKAGE.rglob("*.py"))
# Methods of named tuples, public in spite of their names.
PUBLIC = {"_asdict", "_replace", "_fields"}
# Names that Keras calls: a class that defines one has changed what Keras does inside.
HOOKS = {
    "_all_reduce_sum_gradients",
    "_backend_update_step",
    "_maybe_symbolic_build",
    "_symbolic_build",
    "make_train_function",
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def defined(tree: ast.AST) -> set[str]:
    """Names that a file gives to functions, classes, variables and attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names - HOOKS


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
OWN = set().union(*(defined(tree) for path, tree in TREES.items() if path != HOME))


def private_names(tree: ast.AST) -> set[str]:
    """Private names that a file uses and none of ours has given."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (is_private(node.attr) or node.attr in HOOKS):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef) and node.name in HOOKS:
            found.add(node.name)
    return found - OWN


def test_other_libraries_private_names_are_in_one_module():
    users = {path: names for path, tree in TREES.items() if (names := private_names(tree))}
    assert set(users) == {HOME}, users
