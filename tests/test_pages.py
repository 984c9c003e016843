"""What the written pages point at exists: files behind links, commands, their options, targets of make, scripts."""

import ast
import itertools
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parent.parent
PAGES = [
    path
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "results").rglob("*.md")),
    )
    if "/runs/" not in path.as_posix()  # written by runs, not part of the repository
]
CODE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings in links, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(page):
    prose = CODE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), target


def commands(page: Path) -> list[list[str]]:
    """The command lines that a page quotes, in blocks and between backquotes, as words."""
    text = page.read_text("utf-8")
    lines = [line for language, block in CODE.findall(text) if language in ("", "sh") for line in block.splitlines()]
    lines += re.findall(r"`([^`]+)`", CODE.sub("", text).replace("\n", " "))
    found = []
    for line in lines:
        for part in re.split(r"\s\|\s|&&|;", re.sub(r"\s#.*", "", line)):
            try:
                words = shlex.split(part)
            except ValueError:  # an apostrophe of prose
                continue
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if len(words) > 1 and words[0] in ("yoto", "make", "python", "python3"):
                words = [word.lstrip("[") for word in words if word.strip("[…]")]
                found.append([word if "[" in word else word.rstrip("]…") for word in words])
    return found


@cache
def program() -> dict[str, set[str]]:
    """The options of every command of `yoto`."""
    from yoto.cli.program import app

    group = typer.main.get_command(app)
    return {
        name: {"--help", "-h", *(option for parameter in command.params for option in parameter.opts)}
        for name, command in group.commands.items()
    }


@cache
def script_options(path: Path) -> set[str]:
    """The options that a script's argument parser knows, or that of a module beside it which it imports."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    beside = [script_options(other) for name in names if (other := path.with_name(f"{name}.py")).is_file()]
    return set().union(*beside) | {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


def options(words: list[str]) -> set[str]:
    """The options among the words of a command."""
    return {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}


TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_command_exists_with_its_options(page):
    for words in commands(page):
        match words:
            case ["make", *targets]:
                assert {word for word in targets if "=" not in word} <= TARGETS, words
            case ["yoto", "CMD", "--help"]:
                pass
            case ["yoto", name, *rest]:
                assert name in program(), words
                assert options(rest) <= program()[name], words
            case ["python" | "python3", "-m", *_] | ["python" | "python3", "-c", *_]:
                pass
            case [_, script, *rest]:
                assert (ROOT / script).is_file(), words
                assert options(rest) <= script_options(ROOT / script), words


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_recipe_exists_with_its_keys(page):
    from yoto import recipe

    for words in commands(page):
        match words:
            case ["yoto", "train" | "compare", name, *rest] if "/" in name and name.islower() and "runs" not in name:
                given = itertools.takewhile(lambda word: not word.startswith("-"), rest)
                recipe.read(name, [word for word in given if not re.search(r"=[A-Z]+$", word)])


def test_the_pages_are_found():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = {ROOT / name for name in listed.stdout.split() if not name.startswith(("src/", "tests/"))}
    assert tracked <= set(PAGES)
    assert sum(len(commands(page)) for page in PAGES) > 60
