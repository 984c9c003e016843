"""README and guide as pages."""

import re
import tomllib

import pytest

from yoto.web import documents

CHECKOUT = documents.ROOT / "pyproject.toml"


@pytest.mark.parametrize("name", documents.documents())
def test_links_lead_to_what_is_there(name):
    html, pictures = documents.rendered(name)
    pages = {f"{other}.html": documents.rendered(other)[0] for other in documents.documents()}
    for href in re.findall(r'<a href="([^"]*)"', html):
        if href == documents.PAPER:
            continue
        page, _, anchor = href.partition("#")
        target = pages[page] if page else html
        assert not anchor or f'id="{anchor}"' in target, href
    assert set(re.findall(r'<img src="([^"]*)"', html)) == set(pictures)
    assert all(path.is_file() for path in pictures.values())
    assert "<script" not in html


def test_headings_are_named_as_code_hosts_name_them():
    assert documents.slug("Does it match separately trained networks?") == "does-it-match-separately-trained-networks"
    assert documents.slug("`yoto demo`, and λ") == "yoto-demo-and-λ"


def test_links_that_lead_nowhere_from_here_are_text():
    assert documents.leads("src/yoto/task.py", "README.md") is None
    assert documents.leads("https://example.org/", "README.md") is None
    assert documents.leads("docs/guide.md#which-layers", "README.md") == "guide.html#which-layers"
    assert documents.leads("../README.md", "docs/guide.md") == "readme.html"
    assert documents.leads(documents.PAPER, "README.md") == documents.PAPER


@pytest.mark.skipif(not CHECKOUT.is_file(), reason="not a checkout")
def test_a_wheel_holds_the_documents_and_their_pictures():
    settings = tomllib.loads(CHECKOUT.read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    shown = {
        path.relative_to(documents.ROOT).as_posix() for path in documents.pictures_of(documents.documents()).values()
    }
    wanted = {*documents.SOURCES.values(), *shown}
    packed = settings["wheel"]["force-include"]
    assert packed == {name: f"yoto/web/{documents.PACKED.name}/{name}" for name in wanted}
    assert {f"/{name}" for name in wanted} <= set(settings["sdist"]["include"])
