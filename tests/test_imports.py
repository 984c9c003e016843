"""What imports what: layers, and modules that must stay free of torch."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from yoto import registry

PACKAGE = Path(__file__).parents[1] / "src" / "yoto"

# From the ground up: a module imports from earlier lines, from its own line, and never in a circle.
FLOORS = [
    ["errors", "support"],
    ["space"],
    ["conditioning"],
    ["objective"],
    ["optim"],
    ["data"],
    ["task", "registry"],
    ["recipe", "build", "bundle", "export"],
    ["drawing"],
    ["curves"],
    ["report"],
    ["training"],
    ["comparison"],
    ["cli", "web", "notebook"],
    ["apps"],
    ["codec", "stylize"],
    ["pillow", "__main__"],
]
ROWS = {name: registry.row(value) for name, value in registry.BUILT_IN.items()}
# Imported without any of HEAVY: these, and of every application its row, its options and its commands.
LIGHT = [
    "yoto",
    "yoto.errors",
    "yoto.support.files",
    "yoto.space",
    "yoto.recipe",
    "yoto.task",
    "yoto.bundle",
    "yoto.cli.program",
    "yoto.web",
    "yoto.web.describe",
    "yoto.curves.curve",
    "yoto.codec",
    "yoto.stylize",
    "yoto.apps.codec.format.container",
    "yoto.apps.style.painting.bank",
    *(
        path.partition(":")[0]
        for name, row in ROWS.items()
        for path in (registry.BUILT_IN[name], row.options, row.commands)
        if path is not None
    ),
]
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
OWN = dict.fromkeys(["web.server", "web.serve", "web.service", "web.guard", "web.own_routes"], WEB)
HEAVY = TORCH_FAMILY | OPTIONAL | {"numpy", "PIL", "rich"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py" and PACKAGE / "assets" not in path.parents
}
OWN |= dict.fromkeys((name for name in MODULES if re.fullmatch(r"apps\.\w+\.routes", name)), WEB)


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


def floor(module: str) -> int:
    """The line of FLOORS on which a module stands."""
    for number, line in enumerate(FLOORS):
        if module.partition(".")[0] in line:
            return number
    pytest.fail(f"{module} should have a place in FLOORS")


def application(module: str) -> str:
    """The application that a module belongs to, or ""."""
    return module.split(".")[1] if module.startswith("apps.") else ""


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_nothing_from_higher_floors(module):
    assert not {other for other in own_imports(MODULES[module]) if floor(other) > floor(module)}


@pytest.mark.parametrize("module", [name for name in MODULES if application(name)])
def test_applications_never_import_each_other(module):
    assert {application(other) for other in own_imports(MODULES[module])} <= {"", application(module)}


# Applications, and their public faces: nothing else knows them by name, but for the table of registry.py.
FACES = {"codec": "codec", "stylize": "style", "pillow": "codec"}
NAMES = set(registry.BUILT_IN)
ELSEWHERE = [name for name in MODULES if not application(name) and name not in FACES]


@pytest.mark.parametrize("module", ELSEWHERE)
def test_nothing_outside_applications_imports_or_names_one(module):
    assert not {other for other in own_imports(MODULES[module]) if other.partition(".")[0] in {"apps", *FACES}}
    nodes = list(ast.walk(tree(MODULES[module])))
    if module == "registry":
        (table,) = [n.value for n in nodes if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "BUILT_IN"]
        nodes = [node for node in nodes if node not in set(ast.walk(table))]
    assert not {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)} & NAMES


@pytest.mark.parametrize(("face", "name"), FACES.items())
def test_a_face_shows_its_own_application(face, name):
    assert {application(other) for other in own_imports(MODULES[face])} <= {"", name}


def test_no_module_imports_itself_in_a_circle():
    uses = {module: sorted(own_imports(path)) for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        if module in way:
            pytest.fail(" -> ".join((*way[way.index(module) :], module)))
        if module not in done:
            for other in uses[module]:
                visit(other, (*way, module))
            done.add(module)

    for module in uses:
        visit(module, ())


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
