"""The pages in a real browser when things break, or are not as usual; and what axe finds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from web import names, toys
from web.tabs import PHONE, WIDE, Tab
from yoto import LogUniform, LossSpace, bundle, condition, load
from yoto.web import site
from yoto.web.pages import all_pages

AXE = Path(__file__).parents[2] / "build" / "web" / "node_modules" / "axe-core" / "axe.min.js"
"""Where `make web` puts it."""
SETTLED = "document.getAnimations().every((a) => !(a instanceof CSSTransition) || a.playState === 'finished')"
SIZE = "() => [document.querySelector('#viewer img').naturalWidth, document.querySelector('#viewer img').naturalHeight]"


class Service:
    """`yoto demo` at a port of its own, to be stopped and started."""

    def __init__(self):
        self.port, self.process = 0, None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "yoto", "demo", "--port", str(self.port), "--no-browser"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        line = self.process.stderr.readline()
        found = re.match(r"yoto demo: (http://127\.0\.0\.1:(\d+)/)", line)
        self.port = int(found[2])
        return found[1]

    def stop(self):
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def service():
    made = Service()
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.mark.slow
def test_a_server_that_is_gone_is_said_until_it_is_back_and_the_picture_is_sent_again(visit, service, small):
    base = service.start()
    tab = visit("compression.html", base=base, allowed=["ERR_CONNECTION", "ERR_EMPTY", "status of 404"])
    tab.upload("#upload", small)
    shown = tab.shown
    failed = []
    tab.page.on("requestfailed", lambda request: failed.append(request.url))
    service.stop()
    tab.page.locator("#slider-quality").press("End")
    tab.until(lambda: tab.page.locator("#connection").is_visible(), "the message")
    assert "Not connected" in tab.text("#connection")
    tried = len(failed)
    tab.until(lambda: len(failed) > tried + 1, "other tries")
    assert tab.page.locator("#connection").is_visible()
    assert tab.page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    done = tab.done
    service.start()
    tab.page.evaluate("document.querySelector('#connection button').click()")  # it may be back by itself already
    tab.until(lambda: tab.done > done, "a result after the restart")
    assert tab.page.locator("#connection").is_hidden()
    assert tab.page.evaluate(SIZE) == [144, 96]
    assert tab.shown != shown
    assert tab.figures("yoto")[2] > 30


def test_what_cannot_be_loaded_is_said_and_no_frame_is_empty(visit):
    tab = visit("style.html", allowed=["status of 404"])
    tab.page.route("**/api/results/*.png", lambda route: route.fulfill(status=404, json={"error": "It is gone."}))
    tab.page.locator("#slider-strength").press("ArrowRight")
    tab.until(lambda: tab.problem == "It is gone.", known="It is gone.")
    assert tab.page.evaluate("[...document.querySelectorAll('#viewer img')].every((i) => i.naturalWidth > 0)")
    tab.page.unroute("**/api/results/*.png")
    tab.press("#slider-strength", "ArrowRight")


def test_originals_come_as_small_files(visit):
    tab = visit("compression.html", wait=False)
    sizes = {}
    tab.page.on("response", lambda r: sizes.update({r.url: int(r.headers.get("content-length", 0))}))
    tab.page.reload()
    tab.until(lambda: tab.done)
    originals = {url: size for url, size in sizes.items() if "/api/pictures/" in url}
    first = next(iter(originals))
    assert first.endswith(".webp")
    assert 0 < originals[first] < 200_000


@pytest.mark.slow
def test_nothing_jumps_while_a_result_is_made(visit):
    tab = visit("readme.html")
    held = []
    tab.page.route("**/api/pictures/**", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    tab.page.goto(f"{tab.base}compression.html")
    tab.until(lambda: held, "the first picture is on its way")
    tab.until(lambda: tab.page.locator("#gallery img").count() > 6)
    assert tab.text("#viewer .tools output") == "fit"
    tops = """() => ['#slider-quality', '#figures', '#plot', '#gallery', '#replaces']
      .map((s) => document.querySelector(s).getBoundingClientRect().top)"""
    before = tab.page.evaluate(tops)
    held[0].continue_()
    tab.until(lambda: tab.done)
    assert tab.page.evaluate(tops) == pytest.approx(before, abs=1)
    tab.until(lambda: tab.page.locator("#plot .other").count() == 3)
    assert tab.page.evaluate(tops) == pytest.approx(before, abs=1)
    tab.drag("#slider-quality", 0.5, 0.8)
    assert tab.page.evaluate(tops) == pytest.approx(before, abs=1)
    tab.until(lambda: tab.page.locator("#plot .other").count() == 3)
    assert tab.page.evaluate(tops) == pytest.approx(before, abs=1)


@pytest.mark.parametrize("name", ["index", "style"])
def test_without_javascript_the_page_says_what_to_do(visit, name):
    tab = visit(f"{name}.html", wait=False, java_script_enabled=False)
    assert tab.page.locator("noscript").first.is_visible()
    assert "JavaScript" in tab.page.locator(".needs.now").text_content()


@pytest.mark.slow
def test_a_copy_that_is_opened_as_a_file_says_what_to_do(browser, tmp_path):
    pages = {name: page for name, page in all_pages().items() if page.alone}
    for address, path in site.files(pages).items():
        (tmp_path / address).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / address).write_bytes(path.read_bytes())
    (tmp_path / "style.html").write_text(site.page("style", pages, mode="static"), "utf-8")
    page = browser.new_context(viewport=WIDE).new_page()
    page.goto((tmp_path / "style.html").as_uri())
    page.locator(".needs.late").wait_for(state="visible", timeout=30_000)
    assert "python -m http.server" in page.locator(".needs.late").text_content()
    page.context.close()


def test_a_mistyped_address_is_answered_for_people(visit):
    tab = visit("nothing/at/all", allowed=["status of 404"], wait=False)
    assert "nothing at this address" in tab.text("h1")
    tab.page.locator("main a", has_text="start page").click()
    tab.until(lambda: tab.page.url.endswith("/index.html") and tab.done)


# ---- a model from anybody's own loop


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A network that no task of the package knows, saved with its curve."""
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    points = [{"size": value} for value in (0.1, 1.0, 10.0, 100.0)]
    made = toys.curve(["size"], points, ("fit", "size"))
    made["terms"] = {"fit": [1.0, 2.0, 4.0, 9.0], "size": [8.0, 4.0, 2.0, 1.0]}
    made["info"]["symbols"] = {}
    path = tmp_path_factory.mktemp("plain") / "plain.safetensors"
    bundle.save(condition(net, LossSpace(fit=1.0, size=LogUniform(0.1, 100.0))), path, curve=made)
    return path, net


def test_a_model_of_somebodys_own_loop_has_a_truthful_page(browser, plain):
    path, net = plain
    process = subprocess.Popen(
        [sys.executable, "-m", "yoto", "demo", str(path), "--port", "0", "--no-browser"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        base = re.match(r"yoto demo: (http://127\.0\.0\.1:\d+/)", process.stderr.readline())[1]
        tab = Tab(browser.new_context(viewport=WIDE).new_page(), base, ())
        tab.page.goto(base)
        tab.until(lambda: tab.done, "the first result")
        assert "trained in a loop of your own" in tab.text("#about")
        assert "no picture" in tab.text("#output")
        assert tab.page.locator("#plot .hit").count() == 4
        tab.after(lambda: tab.page.locator("#plot .hit").nth(2).press("Enter"))
        assert tab.value("#slider-size-number") == 10
        assert "fit ≈ 4" in tab.text("#values")
        tab.page.locator("#reach-value").fill("2")
        tab.after(lambda: tab.page.locator("#reach button", has_text="Go").click())
        assert tab.value("#slider-size-number") == pytest.approx(1, rel=0.01)
        assert tab.text("#code-shell") == ""
        python = tab.text("#code-python")
        found = {"net": net}
        exec(compile(python, "copied", "exec"), found)  # as its reader would, who has the network
        assert str(found["plain"]) == str(load(path, net=net).conditional.bake(size=1.0))
        assert tab.problems == []
        tab.page.context.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)


# ---- accessibility


def findings(tab):
    """What axe finds in a page as it stands."""
    tab.page.evaluate(AXE.read_text("utf-8"))
    return tab.page.evaluate(
        "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 160))]))"
    )


@pytest.mark.slow
@pytest.mark.skipif(not AXE.is_file(), reason="make web was not run")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "model", *names.PAGES, "readme", "guide"])
def test_axe_finds_nothing(visit, name, scheme):
    view = WIDE if scheme == "light" else PHONE
    tab = visit(f"{name}.html", color_scheme=scheme, viewport=view, bypass_csp=True)
    tab.page.evaluate("document.querySelectorAll('details:not(#blend)').forEach((e) => { e.open = true; })")
    tab.until(lambda: not tab.page.evaluate("'stale' in document.documentElement.dataset"))
    tab.until(lambda: tab.page.evaluate(SETTLED), "what was greyed is black again")
    assert findings(tab) == []


@pytest.mark.slow
@pytest.mark.skipif(not AXE.is_file(), reason="make web was not run")
def test_axe_finds_nothing_in_a_question_and_at_a_mistyped_address(visit):
    tab = visit("style.html", bypass_csp=True)
    tab.page.locator("button.byeye").click()
    tab.until(lambda: tab.page.locator(".choosing:not([data-busy])").count(), "a question")
    tab.until(lambda: tab.page.evaluate(SETTLED), "pictures in full colour")
    assert findings(tab) == []
    assert findings(visit("nothing/at/all", bypass_csp=True, allowed=["status of 404"], wait=False)) == []
