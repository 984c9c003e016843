"""The copy of the pages in a real browser, which runs the networks itself."""

import base64
import io
import os
import shutil
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from yoto.web import static_copy

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.skipif(
        not all((static_copy.VENDOR / name).is_file() for name in static_copy.RUNTIME), reason="make web was not run"
    ),
]
LEFT, RIGHT = ".viewer .layer:nth-child(1) img", ".viewer .layer:nth-child(2) img"
DONE = "Number(document.documentElement.dataset.done ?? 0)"
SLIDE = """([id, position, kinds]) => {
  const range = document.getElementById(id);
  range.value = position;
  for (const kind of kinds) range.dispatchEvent(new Event(kind));
}"""
SHOT = """(selector) => [...document.querySelectorAll(selector)].map((picture) => {
  const [width, height] = [picture.naturalWidth ?? picture.width, picture.naturalHeight ?? picture.height];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas.toDataURL("image/png");
})"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where a copy is served, in a folder of a host."""
    pytest.importorskip("onnxscript")
    root = tmp_path_factory.mktemp("host")
    static_copy.write_copy(root / "some" / "place")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/some/place/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Tab:
    """A page, what it complained about, and what it asked for."""

    def __init__(self, page, address):
        self.page, self.address, self.complaints, self.asked = page, address, [], []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, name):
        self.page.goto(self.address + name)
        return self

    def until(self, expression, seconds=90):
        """Wait; the pages' policy keeps Playwright's own way of waiting out."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, (expression, self.complaints, self.page.text_content("#problem"))
            time.sleep(0.05)

    def after(self, act):
        """Do something and wait until the page has shown its final result."""
        before = self.page.evaluate(DONE)
        act()
        self.until(f"{DONE} > {before}")

    def slide(self, name, position, *kinds):
        self.page.evaluate(SLIDE, [f"slider-{name}", position, kinds or ("input", "change")])

    def pictures(self, selector):
        """Pixels [H, W, 3] of images or canvases of the page."""
        urls = self.page.evaluate(SHOT, selector)
        data = [base64.b64decode(url.partition(",")[2]) for url in urls]
        return [np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in data]

    def strip(self, name, columns):
        tiles = self.pictures(f"#{name} canvas")
        rows = [np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
        return np.concatenate(rows)

    def clean(self):
        own = (self.address, "blob:", "data:")
        assert [url for url in self.asked if not url.startswith(own)] == []
        assert self.complaints == []


@pytest.fixture
def tab(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield Tab(context.new_page(), address)
    context.close()


def apart(one, other):
    assert one.shape == other.shape
    return np.abs(one.astype(int) - other).mean()


@pytest.mark.parametrize("keep", [False, True])
def test_a_painted_picture_is_that_of_the_package(tab, keep):
    from yoto import stylize

    pytest.importorskip("onnxruntime")
    tab.open("style.html")
    tab.until(f"{DONE} > 0")
    if keep:
        tab.after(lambda: tab.page.check("#colours"))
    tab.page.evaluate("document.getElementById('layers').open = true")
    tab.after(lambda: tab.slide("coarse", 80))
    tab.after(lambda: tab.slide("strength", 90))
    values = {n: float(tab.page.input_value(f"#slider-{n}-number")) for n in ("coarse", "smoothness")}
    (photograph,) = tab.pictures(LEFT)
    (painted,) = tab.pictures(RIGHT)
    wanted = stylize.load(engine="onnxruntime")(
        photograph, tab.page.input_value("input[name=style]:checked"), strength=0.9,
        layers={"coarse": values["coarse"]}, smoothness=values["smoothness"], keep_colours=keep,
    )  # fmt: skip
    assert photograph.shape == (512, 768, 3)
    assert apart(painted, wanted) <= 1
    assert apart(painted, photograph) > 4
    tab.clean()


def test_sliders_and_styles_change_the_painting(tab):
    tab.open("style.html")
    tab.until(f"{DONE} > 0")
    (first,) = tab.pictures(RIGHT)
    tab.slide("strength", 10, "input")
    tab.until("document.querySelector('.tag.right').textContent.endsWith('(preview)')")
    (preview,) = tab.pictures(RIGHT)
    assert max(preview.shape) == 384
    tab.after(lambda: tab.slide("strength", 10, "change"))
    (second,) = tab.pictures(RIGHT)
    assert apart(first, second) > 4
    tab.after(lambda: tab.page.evaluate("document.querySelector('input[value=checkerboard]').click()"))
    assert apart(second, tab.pictures(RIGHT)[0]) > 1
    with tab.page.expect_download() as download:
        tab.page.click("#download")
    assert download.value.suggested_filename == "roman-colosseum-checkerboard-0.1.png"
    with Image.open(download.value.path()) as image:
        assert image.size == (768, 512)
    tab.clean()


def test_small_and_large_pictures_of_the_users(tab, tmp_path):
    tab.open("style.html")
    tab.until(f"{DONE} > 0")
    noise = np.random.default_rng(0).integers(0, 256, (75, 112, 3), dtype=np.uint8)
    for size, shown in (((20, 11), "20×11 pixels"), ((1500, 1000), "1024×683 pixels")):
        path = tmp_path / f"{size[0]}.png"
        Image.fromarray(noise).resize(size).save(path)
        tab.after(lambda path=path: tab.page.set_input_files("#upload", path))
        assert tab.page.text_content("#facts").startswith(shown)
        assert tab.pictures(RIGHT)[0].shape[1::-1] == tuple(map(int, shown.split()[0].split("×")))
    tab.clean()


@pytest.mark.parametrize("name", ["vae/fashion-mnist", "vae/shapes"])
def test_strips_are_those_of_the_package(tab, name):
    from yoto.apps.vae.page import Autoencoders

    tab.open("vae.html")
    tab.until(f"{DONE} > 0")
    if name != "vae/fashion-mnist":
        tab.after(lambda: tab.page.select_option("#model", name))
    page = Autoencoders()
    before = None
    for position, traverse, seed in ((20, 0, 0), (90, 3, 1)):
        tab.after(lambda position=position: tab.slide("beta", position))
        if traverse:
            tab.after(lambda: tab.page.click("#originals button:nth-child(4)"))
            tab.after(lambda: tab.page.click("#again"))
        beta = float(tab.page.input_value("#slider-beta-number"))
        facts, strips = page.show(name, beta, seed=seed, traverse=traverse)
        for part, columns in (("originals", 12), ("reconstructions", 12), ("samples", 12), ("traversals", 9)):
            assert apart(tab.strip(part, columns), strips[part]) <= 0.5, part
        assert f"{facts['psnr']:.1f} dB PSNR" in tab.page.text_content("#facts")
        assert f"{facts['active']} of" in tab.page.text_content("#facts")
        assert before is None or apart(before, tab.strip("reconstructions", 12)) > 1
        before = tab.strip("reconstructions", 12)
    tab.clean()


def test_a_picture_of_the_users_goes_through_the_autoencoder(tab, tmp_path):
    from yoto.apps.vae.page import Autoencoders
    from yoto.data import images

    x, y = np.meshgrid(np.arange(200), np.arange(120))
    Image.fromarray(np.stack([x, 2 * y, 255 - x], -1).astype(np.uint8)).save(tmp_path / "own.png")
    tab.open("vae.html")
    tab.until(f"{DONE} > 0")
    tab.after(lambda: tab.page.set_input_files("#own", tmp_path / "own.png"))
    beta = float(tab.page.input_value("#slider-beta-number"))
    _, strips = Autoencoders().show("vae/fashion-mnist", beta, picture=images.read_picture(tmp_path / "own.png"))
    for part in ("originals", "reconstructions"):
        assert apart(tab.strip(part, 12), strips[part]) <= 2
    tab.clean()


@pytest.mark.parametrize(("name", "slider", "low"), [("style", "strength", 0.8), ("vae", "beta", 60)])
def test_a_setting_is_chosen_by_eye(tab, name, slider, low):
    tab.open(f"{name}.html")
    tab.until(f"{DONE} > 0")
    tab.page.click("button.byeye")
    for number in range(1, 8):
        tab.until(f"document.querySelector('.choosing .note').textContent.startsWith('{number} of 7')")
        if number < 7:
            tab.page.keyboard.press("2")
    first, second = tab.pictures(".choosing img")
    assert apart(first, second) > 1
    tab.after(lambda: tab.page.keyboard.press("2"))
    assert float(tab.page.input_value(f"#slider-{slider}-number")) > low
    tab.clean()


def test_a_browser_without_webassembly_is_told(tab):
    tab.page.add_init_script("delete globalThis.WebAssembly")
    tab.open("style.html")
    tab.until("!document.getElementById('problem').hidden")
    assert "WebAssembly" in tab.page.text_content("#problem")
    tab.clean()


def test_a_missing_network_is_told_and_tried_again(tab):
    tab.page.route("**/models/style.onnx", lambda route: route.fulfill(status=404))
    tab.open("style.html")
    tab.until("!document.getElementById('problem').hidden")
    assert "style.onnx is not there (404)" in tab.page.text_content("#problem")
    tab.page.unroute("**/models/style.onnx")
    tab.after(lambda: tab.slide("strength", 50))
    assert tab.page.locator("#problem").is_hidden()


def test_the_pages_lead_to_each_other(tab):
    tab.open("")
    tab.page.click("nav a[href='vae.html']")
    tab.until(f"{DONE} > 0")
    assert tab.page.url == tab.address + "vae.html"
    tab.page.click("a.brand")
    tab.until(f"{DONE} > 0")
    assert tab.page.url == tab.address + "index.html"
    assert tab.page.locator("nav a").count() == 2
    assert tab.page.locator(".card canvas").count() == 2
    tab.page.click("footer a[href='guide.html']")
    tab.until(f"{DONE} > 0 && document.querySelector('article h1')")
    tab.clean()


def test_transparency_is_kept(tab, tmp_path):
    from yoto import stylize
    from yoto.data import images

    x, y = np.meshgrid(np.arange(120), np.arange(80))
    pixels = np.stack([2 * x, 3 * y, 255 - x, np.where(x < 60, 255, 0)], -1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "sprite.png")
    tab.open("style.html")
    tab.until(f"{DONE} > 0")
    tab.after(lambda: tab.page.set_input_files("#upload", tmp_path / "sprite.png"))
    with tab.page.expect_download() as download:
        tab.page.click("#download")
    with Image.open(download.value.path()) as image:
        found = np.asarray(image)
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])
    assert "putalpha" in tab.page.text_content("#code-python")
    wanted = stylize.load(engine="onnxruntime")(
        images.read_picture(tmp_path / "sprite.png"), tab.page.input_value("input[name=style]:checked"), strength=0.7
    )
    assert apart(found[:, :60, :3], wanted[:, :60]) <= 2
    tab.clean()
