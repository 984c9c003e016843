"""What imports what: layers, and modules that must stay free of torch."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "yoto"

# From the top: a module imports from lower lines only, or from its own package.
LAYERS = [
    ["__main__"],
    ["cli", "pillow"],
    ["app"],
    ["codec", "stylize"],
    ["tasks.vae", "tasks.compression", "tasks.style", "comparison"],
    ["training"],
    ["evaluation"],
    ["bundle", "export"],
    ["recipe"],
    ["task"],
    ["objective", "data"],
    ["conditional"],
    ["film"],
    ["space"],
    ["files", "schema", "cores", "precision"],
    ["errors"],
]
# Modules that were split off another and share its place.
PARTS = {
    "distributions": "space",
    "simplex": "space",
    "folding": "film",
    "sites": "film",
}
# Imported without any of HEAVY.
LIGHT = ["yoto", "yoto.errors", "yoto.files", "yoto.space", "yoto.recipe", "yoto.task", "yoto.bundle", "yoto.cli"]
LIGHT += ["yoto.tasks.vae.options", "yoto.tasks.compression.options", "yoto.evaluation.curve"]
LIGHT += ["yoto.app", "yoto.app.describe"]
LIGHT += ["yoto.codec", "yoto.codec.container", "yoto.tasks.style.options", "yoto.stylize", "yoto.stylize.bank"]
TORCH_FAMILY = {"torch", "lightning_fabric", "pytorch_lightning", "torchmetrics"}
OPTIONAL = {
    "matplotlib",
    "sklearn",
    "scipy",
    "h5py",
    "pooch",
    "moocore",
    "tensorboard",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "constriction",
    "fastapi",
    "starlette",
    "uvicorn",
}
WEB = {"fastapi", "starlette", "uvicorn"}
# Modules that are the use of an optional library: a command imports them once it knows that it is there.
OWN = {"app.server": WEB, "app.serve": WEB}
HEAVY = TORCH_FAMILY | OPTIONAL | {"numpy", "PIL", "rich"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


def unit(module: str) -> str:
    """The entry of LAYERS that a module belongs to."""
    head = module.split(".")
    name = ".".join(head[:2]) if head[0] == "tasks" and len(head) > 1 else head[0]
    return PARTS.get(name, name)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> list[str]:
    """Names of the modules that an import statement brings in, as far as its text tells."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def own_imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    result = set()
    for node in ast.walk(tree(path)):
        for name in imported(node):
            if name.startswith("yoto."):
                inner = name.removeprefix("yoto.")
                while inner and inner not in MODULES:
                    inner = inner.rpartition(".")[0]
                if inner:
                    result.add(inner)
    return result


def rank(module: str) -> int:
    for index, line in enumerate(LAYERS):
        if unit(module) in line:
            return index
    pytest.fail(f"{module} should have a place in LAYERS")


@pytest.mark.parametrize("module", [name for name in MODULES if name != "tasks"])
def test_a_module_imports_only_from_layers_further_down(module):
    wrong = {
        other for other in own_imports(MODULES[module]) if unit(other) != unit(module) and rank(other) <= rank(module)
    }
    assert not wrong


def top_level(path: Path) -> set[str]:
    """First names of what a file imports when it is imported itself."""
    found = set()

    def visit(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                visit(node.orelse)
                continue
            found.update(name.partition(".")[0] for name in imported(node))
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for field in ("body", "orelse", "finalbody"):
                    visit(getattr(node, field, []))

    visit(tree(path).body)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_optional_libraries_are_imported_where_they_are_used(module):
    optional = (OPTIONAL | TORCH_FAMILY - {"torch"}) - OWN.get(module, set())
    assert not top_level(MODULES[module]) & optional


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_neither_torch_nor_the_like(module):
    code = f"import json, sys, {module}; print(json.dumps([m for m in sys.modules if '.' not in m]))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(json.loads(loaded))


def test_every_public_name_is_where_the_package_says():
    import yoto

    for name in yoto.__all__:
        assert getattr(yoto, name) is not None
        assert name in dir(yoto)
