"""The pages in a real browser: what people move, click, open and take home."""

import ast
import io
import re
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

from web import names, samples
from web.tabs import PHONE
from yoto import cli, codec
from yoto.data.pixels import psnr_of

PAGES = ("model", *names.PAGES)
SLIDERS = {"model": "kl", "compression": "quality", "style": None, "vae": "beta"}
"""What is moved on each page before its texts are copied; on that of style transfer several."""
NAMELESS = """() => {
  const text = (e) => (e?.textContent ?? '').trim()
    || [...(e?.querySelectorAll('img') ?? [])].map((i) => i.alt).join('');
  const name = (e) => e.getAttribute('aria-label') || text(document.getElementById(e.getAttribute('aria-labelledby')))
    || [...(e.labels ?? [])].map(text).join('') || (e.matches('input, select') ? '' : text(e));
  const roles = ['button', 'slider', 'radio'].map((role) => `[role=${role}]`);
  const all = ['input, button, select, textarea, summary, a[href], [tabindex="0"]', ...roles].join();
  return [...document.querySelectorAll(all)].filter((e) => !name(e).trim()).map((e) => e.outerHTML.slice(0, 200));
}"""
PICTURES_WITHOUT_TEXT = """() => [...document.querySelectorAll('img, [role=img]')]
  .filter((e) => e.matches('img') ? e.alt === '' && !e.closest('label, button') || !e.hasAttribute('alt')
    : !e.getAttribute('aria-label')).map((e) => e.outerHTML.slice(0, 200))"""
TWICE = "() => [...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)"
PIXELS = "(id) => [...document.querySelectorAll(`#${id} canvas`)].map((c) => c.toDataURL()).join()"


# ---- every page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_and_names_what_can_be_moved(visit, name):
    tab = visit(f"{name}.html")
    page = tab.page
    assert "yoto" in page.title()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    assert page.locator("h1").is_visible()
    assert page.locator("nav a").count() == len(PAGES)
    assert page.locator("nav a[aria-current=page]").get_attribute("href") == f"{name}.html"
    assert page.locator("#problem").is_hidden()
    assert tab.text("#replaces")
    assert page.locator("#plot svg .now").count() == 1
    page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    tab.until(lambda: page.locator("#code-shell").is_visible())
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(PICTURES_WITHOUT_TEXT) == []
    assert page.evaluate(TWICE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_in_the_dark(visit, name):
    tab = visit(f"{name}.html", viewport=PHONE, color_scheme="dark", has_touch=True)
    page = tab.page
    page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    tab.until(lambda: page.locator("#code-shell").is_visible())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    colours = page.evaluate(
        "(() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]; })()"
    )
    ground, letters = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert ground < 150 < 500 < letters


@pytest.mark.slow
def test_pages_lead_to_each_other(visit):
    tab = visit("", wait=False)
    assert tab.page.url.endswith("/model.html")
    tab.page.locator("a.brand").click()
    tab.until(lambda: tab.page.url.endswith("/index.html") and tab.done)
    for name in ("vae", "compression"):
        tab.page.locator(f"nav a[href='{name}.html']").click()
        tab.until(lambda name=name: tab.page.url.endswith(f"/{name}.html") and tab.done)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "slider", "picture", "least", "path"),
    [
        ("compression", "#slider-quality", "#viewer .layer:nth-child(2) img", 12, "/api/compression/encode"),
        ("style", "#slider-strength", "#viewer .layer:nth-child(2) img", 15, "/api/style/paint"),
        ("vae", "#slider-beta", "#reconstructions canvas", 25, "/api/vae/show"),
        ("model", "#slider-kl", "#output img", 25, "/api/model/show"),
    ],
)
def test_every_preview_is_shown_while_the_slider_is_dragged(visit, name, slider, picture, least, path):
    tab = visit(f"{name}.html")
    answers = []
    tab.page.on("response", lambda r: answers.append(r.url) if r.url.endswith(path) else None)
    tab.shown_while_dragging(slider, picture, least)
    assert len(answers) <= 1.25 * least + 3, "previews were made that nobody saw"


# ---- compression


def test_the_quality_follows_keys_and_mouse(visit, small):
    tab = visit("compression.html")
    previews = []
    tab.page.on(
        "request", lambda r: previews.append('"preview":true' in (r.post_data or "")) if "encode" in r.url else None
    )
    tab.upload("#upload", small)
    seen = {}
    for key in ("End", "Home", "ArrowRight"):
        before = tab.shown
        tab.press("#slider-quality", key)
        assert tab.shown != before
        seen[key] = [tab.value("#slider-quality-number"), *tab.figures("yoto")]
    assert [seen[key][0] for key in ("Home", "End")] == [0, 100]
    assert 0 < seen["ArrowRight"][0] <= 2
    assert seen["Home"][1] <= seen["ArrowRight"][1] < seen["End"][1]
    assert seen["Home"][3] < seen["End"][3] - 5
    before, traces = tab.shown, tab.page.locator("#plot .trace").count()
    previews.clear()
    tab.after(lambda: tab.drag("#slider-quality", 0.02, 0.7))
    assert previews[0]
    assert not previews[-1]
    assert tab.shown != before
    assert 60 < tab.value("#slider-quality-number") < 80
    assert tab.page.locator("#plot .trace").count() == traces + 1


@pytest.mark.slow
def test_a_picture_is_taken_home_as_a_file_and_opened_again(visit, small, tmp_path):
    tab = visit("compression.html")
    tab.upload("#upload", small)
    assert tab.page.evaluate("document.querySelector('#viewer img').naturalWidth") == 144
    tab.page.locator("#slider-quality-number").fill("37")
    tab.after(lambda: tab.page.locator("#slider-quality-number").press("Enter"))
    data, name = tab.download()
    assert name == "small-q37.yoto"
    with Image.open(small) as image:
        assert data == codec.compress(image, quality=37)
    assert tab.figures("yoto")[0] == len(data)
    assert codec.decompress(data).size == (144, 96)
    file = tmp_path / "again.yoto"
    file.write_bytes(data)
    shown = tab.shown
    tab.upload("#decode", file)
    assert "144×96" in tab.text("#decoded")
    assert tab.shown != shown
    assert tab.page.locator("#download").is_disabled()
    assert tab.page.locator("#png").is_enabled()
    assert tab.page.locator("#figures tr").count() == 0
    tab.upload("#upload", small)
    assert tab.figures("yoto")[0] > 0


@pytest.mark.slow
def test_a_target_is_reached_and_other_formats_stand_beside(visit, small):
    tab = visit("compression.html")
    tab.upload("#upload", small)
    tab.page.select_option("#target-kind", "psnr")
    tab.page.locator("#target-value").fill("30")
    tab.after(lambda: tab.page.locator("#target button").click())
    assert tab.figures("yoto")[2] == pytest.approx(30, abs=0.3)
    tab.page.locator("#figures tr[data-kind=WebP] button").wait_for()
    tab.page.locator("#figures tr[data-kind=AVIF] button").wait_for()
    assert tab.page.locator("#plot .other").count() == 3
    for kind in ("JPEG", "WebP", "AVIF"):
        assert tab.figures(kind)[0] <= tab.figures("yoto")[0]
    own = tab.shown
    for kind in ("JPEG", "WebP", "AVIF", "yoto"):
        button = f"#figures tr[data-kind={kind}] button"
        tab.page.locator(button).click()
        tab.until(lambda button=button: tab.attribute(button, "aria-pressed") == "true")
        assert tab.page.locator("#figures [aria-pressed=true]").count() == 1
        assert (tab.shown == own) == (kind == "yoto")
    tab.page.select_option("#target-kind", "size")
    tab.page.locator("#target-value").fill("2500")
    tab.after(lambda: tab.page.locator("#target-value").press("Enter"))
    assert tab.figures("yoto")[0] <= 2500


@pytest.mark.slow
def test_a_target_out_of_reach_before_any_file_is_there_leaves_one_at_the_sliders_quality(visit):
    tab = visit("compression.html", allowed=("422",))
    held = []
    tab.page.route("**/api/compression/encode*", lambda route: route.continue_() if held else held.append(route))
    tab.page.locator("#gallery button").nth(3).click()
    tab.until(lambda: held, "the picture is on its way")
    tab.page.select_option("#target-kind", "psnr")
    tab.page.locator("#target-value").fill("60")
    tab.page.locator("#target-value").press("Enter")
    tab.until(lambda: tab.text("#margin").startswith("A PSNR of 60 is out of this codec's reach"), "the refusal")
    assert tab.page.locator("#download").is_enabled()
    assert tab.figures("yoto")[0] > 0
    assert tab.page.locator("#plot .bound").count() == 1
    tab.page.locator("#target-value").fill("0")
    tab.page.locator("#target-value").press("Enter")
    tab.until(lambda: tab.text("#margin") == "A number above 0, please.")
    assert tab.page.locator("#plot .bound").count() == 0


@pytest.mark.slow
def test_a_target_that_is_asked_for_while_a_picture_changes_is_met_on_that_picture(visit, small, tmp_path):
    tab = visit("compression.html")
    tab.upload("#upload", small)
    (tmp_path / "other.png").write_bytes(samples.png(60, 90, seed=3))
    held = []
    tab.page.route("**/api/pictures", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it calls
    tab.page.set_input_files("#upload", tmp_path / "other.png")
    tab.until(lambda: held, "the picture is on its way")
    tab.page.locator("#target-value").fill("29")
    tab.page.locator("#target-value").press("Enter")
    tab.frames()
    assert tab.page.evaluate("document.querySelector('#viewer img').naturalWidth") == 144
    held[0].continue_()
    tab.until(lambda: re.search(r"gives (29|28\.9)\S* dB", tab.text("#margin")), "the target", tab.text("#margin"))
    assert tab.page.evaluate("document.querySelector('#viewer img').naturalWidth") == 90
    picture = np.asarray(Image.open(tmp_path / "other.png").convert("RGB"))
    nearest = np.asarray(codec.decompress(codec.compress(picture, psnr=29)))
    assert tab.figures("yoto")[2] == pytest.approx(psnr_of(picture, nearest), abs=0.006)
    quality = tab.page.locator("#slider-quality-number").input_value()
    assert tab.text("#viewer .tag.right") == f"decoded, quality {quality}"
    assert f"quality={quality})" in tab.text("#code-python")


@pytest.mark.slow
def test_the_number_that_is_said_of_a_quality_codes_the_same_file(visit):
    tab = visit("readme.html")
    said = tab.page.evaluate(
        "import('/js/knots.js').then((m) => Array.from({ length: 256 }, (_, level) => m.named(level / 2.55)))"
    )
    assert [round(number * 2.55) for number in said] == list(range(256))  # as yoto.codec rounds
    assert set(range(101)) <= set(said)


@pytest.mark.slow
def test_a_knee_lies_on_the_better_side(visit):
    tab = visit("compression.html")
    found = tab.page.evaluate(
        """import('/js/scale.js').then(({ kneeOf }) => {
          const x = [0, 1, 2, 3, 4], inward = [8, 2, 1, 0.3, 0], outward = [8, 7.8, 7.4, 6, 0];
          const bend = [0, 6, 7.4, 7.8, 8];
          return [kneeOf(x, inward), kneeOf(x, outward), kneeOf(x, [8, 6, 4, 2, 0]),
            kneeOf(x, bend, "lower", "higher"), kneeOf(x, inward.toReversed(), "lower", "higher"),
            kneeOf(x.toReversed(), inward.toReversed()), kneeOf(x, outward, "higher", "higher")];
        })"""
    )
    assert found == [1, -1, -1, 1, -1, 3, 3]


@pytest.mark.slow
def test_the_divider_and_the_zoom(visit):
    tab = visit("compression.html")
    for key, expected in (("Home", "0"), ("ArrowRight", "5"), ("End", "100"), ("ArrowLeft", "95")):
        tab.page.locator("#viewer .divider").press(key)
        assert tab.attribute("#viewer .divider", "aria-valuenow") == expected
    tab.page.locator("#viewer .divider").press("Home")
    box, divider = (tab.page.locator(s).bounding_box() for s in ("#viewer .viewer", "#viewer .divider"))
    y = box["y"] + box["height"] / 3
    tab.page.mouse.move(divider["x"] + divider["width"] / 2, y)
    tab.page.mouse.down()
    for share in (0.1, 0.4, 0.75):
        tab.page.mouse.move(box["x"] + share * box["width"], y)
    tab.page.mouse.up()
    assert abs(int(tab.attribute("#viewer .divider", "aria-valuenow")) - 75) <= 1
    tab.page.mouse.move(box["x"] + 5, y)  # it no longer follows
    assert abs(int(tab.attribute("#viewer .divider", "aria-valuenow")) - 75) <= 1


@pytest.mark.slow
def test_samples_and_dropped_pictures_are_taken(visit):
    tab = visit("compression.html")
    first = tab.attribute("#viewer img", "src")
    second = tab.page.locator("#gallery button").nth(1)
    tab.after(second.click)
    assert second.get_attribute("aria-pressed") == "true"
    assert tab.page.locator("#gallery [aria-pressed=true]").count() == 1
    assert tab.attribute("#viewer img", "src") != first
    drop = """(bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], 'x.png', { type: 'image/png' }));
      const options = { dataTransfer: data, bubbles: true, cancelable: true };
      document.querySelector('#viewer').dispatchEvent(new DragEvent('drop', options));
    }"""
    tab.after(lambda: tab.page.evaluate(drop, list(samples.png(32, 40))))
    assert tab.page.evaluate("document.querySelector('#viewer img').naturalWidth") == 40
    assert tab.page.locator("#gallery [aria-pressed=true] img").get_attribute("alt") == "x.png"


@pytest.mark.slow
def test_a_broken_picture_is_refused_and_the_page_goes_on(visit, small, tmp_path):
    tab = visit("compression.html", allowed=["status of 422"])
    shown = tab.shown
    broken = tmp_path / "broken.png"
    broken.write_bytes(small.read_bytes()[:200])
    for selector, file in (("#upload", broken), ("#decode", broken)):
        tab.page.set_input_files(selector, file)
        tab.page.locator("#problem").wait_for(state="visible")
        assert len(tab.problem) > 20
        assert tab.shown == shown
        tab.press("#slider-quality", "ArrowRight")
        shown = tab.shown
    tab.upload("#upload", small)
    assert tab.page.evaluate("document.querySelector('#viewer img').naturalWidth") == 144


# ---- style


@pytest.mark.slow
def test_a_painting_follows_every_control(visit, small):
    tab = visit("style.html")
    tab.upload("#upload", small)
    for act in (
        tab.page.locator("#styles label:not(:has(:checked))").first.click,
        lambda: tab.page.locator("#slider-strength").press("Home"),
        lambda: tab.page.locator("#slider-strength").press("End"),
        lambda: tab.page.locator("#slider-strength").press("ArrowLeft"),
        lambda: tab.drag("#slider-strength", 0.98, 0.4),
        lambda: tab.page.locator("#colours").check(),
        lambda: tab.page.locator("#colours").uncheck(),
        lambda: tab.page.locator("#blend summary").click(),
        lambda: tab.page.locator("#slider-mix").press("End"),
        lambda: tab.page.select_option("#second", index=2),
    ):
        before = tab.shown
        tab.after(act)
        assert tab.shown != before
    assert tab.page.locator("#styles input:checked").count() == 1
    assert 0.3 < tab.value("#slider-strength-number") < 0.5
    tab.unfold("#layers")
    ranges = tab.page.locator("#sliders input[type=range]")
    assert ranges.count() == 5
    for slider in ranges.all():
        before = tab.shown
        number = tab.page.locator(f"#{slider.get_attribute('id')}-number")
        tab.after(lambda slider=slider: slider.press("End"))
        assert tab.shown != before
        highest = float(number.input_value())
        tab.after(lambda slider=slider: slider.press("ArrowLeft"))
        assert float(number.input_value()) < highest
    assert "144×96" in tab.text("#facts")


def test_the_painting_is_taken_home_in_full_size(visit, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(samples.png(300, 500))
    tab = visit("style.html")
    tab.upload("#upload", large)
    data, name = tab.download()
    assert name.endswith(".png")
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("PNG", (500, 300))
        assert (np.asarray(image.convert("RGB")) != np.asarray(samples.picture(300, 500))).any()


@pytest.mark.slow
def test_points_of_the_style_curve_set_the_strength(visit, small):
    tab = visit("style.html")
    tab.upload("#upload", small)
    hits = tab.page.locator("#plot .hit")
    tab.after(lambda: hits.first.press("Enter"))
    assert tab.value("#slider-strength-number") < 0.1
    tab.after(lambda: hits.last.press("Enter"))
    assert tab.value("#slider-strength-number") > 0.9


# ---- β-VAE


def test_pictures_follow_beta(visit):
    tab = visit("vae.html")
    assert tab.page.locator("#originals button").count() == 12
    assert tab.page.locator("#samples canvas").count() == 12
    for act in (
        lambda: tab.page.locator("#slider-beta").press("Home"),
        lambda: tab.page.locator("#slider-beta").press("End"),
        lambda: tab.page.locator("#slider-beta").press("ArrowLeft"),
        lambda: tab.drag("#slider-beta", 0.98, 0.4),
        lambda: tab.page.locator("#plot .hit").nth(1).press("Enter"),
    ):
        before = {name: tab.page.evaluate(PIXELS, name) for name in ("originals", "reconstructions", "samples")}
        numbers = tab.text("#facts"), tab.value("#slider-beta-number")
        tab.after(act)
        after = {name: tab.page.evaluate(PIXELS, name) for name in before}
        assert after["originals"] == before["originals"]
        assert after["reconstructions"] != before["reconstructions"]
        assert after["samples"] != before["samples"]
        assert tab.text("#facts") != numbers[0]
        assert tab.value("#slider-beta-number") != numbers[1]


@pytest.mark.parametrize(("typed", "expected"), [("1e9", 128), ("0", 0.5), ("-3", 0.5), ("3.21", 3.21)])
def test_a_typed_beta_is_kept_within_its_range(visit, typed, expected):
    tab = visit("vae.html")
    box = tab.page.locator("#slider-beta-number")
    box.fill(typed)
    tab.after(lambda: box.press("Enter"))
    assert float(box.input_value()) == expected


@pytest.mark.slow
def test_other_pictures_samples_and_models(visit, small):
    tab = visit("vae.html")
    latents = tab.page.evaluate(PIXELS, "traversals")
    third = tab.page.locator("#originals button").nth(2)
    tab.after(third.click)
    assert third.get_attribute("aria-pressed") == "true"
    assert tab.page.locator("#originals [aria-pressed=true]").count() == 1
    assert tab.page.evaluate(PIXELS, "traversals") != latents
    drawn, copies = (tab.page.evaluate(PIXELS, name) for name in ("samples", "reconstructions"))
    tab.after(tab.page.locator("#again").click)
    assert tab.page.evaluate(PIXELS, "samples") != drawn
    assert tab.page.evaluate(PIXELS, "reconstructions") == copies
    originals = tab.page.evaluate(PIXELS, "originals")
    tab.upload("#own", small)
    assert tab.page.evaluate(PIXELS, "originals") != originals
    assert tab.attribute("#originals button", "aria-pressed") == "true"
    tab.after(lambda: tab.page.select_option("#model", "vae/shapes"))
    assert tab.page.locator("#originals canvas").first.get_attribute("width") == "64"
    assert tab.page.locator("#beta input[type=range]").count() == 1
    tab.press("#slider-beta", "End")
    tab.after(lambda: tab.page.select_option("#model", "vae/fashion-mnist"))
    assert tab.page.locator("#originals canvas").first.get_attribute("width") == "28"


def test_a_busy_server_is_asked_again(visit):
    tab = visit("vae.html", allowed=["status of 503"])
    answers = [503, 503]

    def busy(route):
        if answers:
            route.fulfill(status=answers.pop(), headers={"Retry-After": "0"}, json={"error": "Busy."})
        else:
            route.continue_()

    tab.page.route("**/api/vae/show", busy)
    tab.press("#slider-beta", "ArrowRight")
    assert not answers


# ---- the user's model


def test_points_of_the_curve_move_the_slider(visit):
    tab = visit("model.html")
    hits = tab.page.locator("#plot .hit")
    assert hits.count() == 4
    for number, beta in ((3, 8), (0, 0.125), (2, 2)):
        before = tab.attribute("#output img", "src")
        tab.after(lambda number=number: hits.nth(number).click(force=True))
        assert tab.value("#slider-kl-number") == beta
        assert tab.attribute("#output img", "src") != before
    now = tab.page.locator("#plot .now")
    place, picture = now.get_attribute("cx"), tab.attribute("#output img", "src")
    tab.press("#slider-kl", "Home")
    assert tab.value("#slider-kl-number") == 0.125
    assert now.get_attribute("cx") != place
    assert tab.attribute("#output img", "src") != picture
    tab.after(lambda: tab.drag("#slider-kl", 0.02, 0.6))
    assert 0.5 < tab.value("#slider-kl-number") < 4


@pytest.mark.slow
def test_weights_with_a_fixed_sum_and_choices_have_controls(visit, mixed):
    tab = visit("model.html", base=mixed)
    weights = [f"#slider-{name}-number" for name in "abc"]
    for key, first in (("End", 1.0), ("Home", 0.0), ("ArrowRight", 0.0)):
        tab.press("#slider-a", key)
        values = [tab.value(box) for box in weights]
        assert sum(values) == pytest.approx(1, abs=2e-3)
        assert values[0] == pytest.approx(first, abs=0.03)
        assert values[1] == pytest.approx(values[2], abs=1e-3)
    tab.press("#slider-b", "End")
    assert tab.value(weights[1]) > 0.95
    tab.after(lambda: tab.page.select_option("#choice-kind", "y"))
    tab.after(lambda: tab.page.locator("#plot .hit").nth(0).press("Enter"))
    assert tab.page.locator("#choice-kind").input_value() == "x"
    assert [tab.value(box) for box in weights] == pytest.approx([0.1, 0.45, 0.45])
    assert tab.value("#slider-kl-number") == 1
    assert tab.page.locator("#output img").count() == 0
    assert tab.page.evaluate(NAMELESS) == []


# ---- texts to take along


def pixels_of(data):
    """What is in a picture's file; of a `.yoto` file all of it."""
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as image:
            return image.size, image.convert("RGB").tobytes()
    return data


@pytest.mark.slow
@pytest.mark.parametrize("name", SLIDERS)
def test_the_texts_that_are_copied_run(visit, name, small, digits, tmp_path, monkeypatch):
    tab = visit(f"{name}.html", permissions=["clipboard-read", "clipboard-write"])
    pictured = name in ("compression", "style")  # these make the same file, by both texts, as the page
    with Image.open(small) as image:
        image.convert("RGB").save(tmp_path / "photo.jpg")
    if pictured:
        tab.upload("#upload", tmp_path / "photo.jpg")
    if name == "style":
        tab.after(lambda: tab.page.locator("#blend summary").click())
        tab.unfold("#layers")
        tab.press("#sliders input[type=range] >> nth=0", "End")
        tab.after(lambda: tab.page.locator("#colours").check())
    else:
        tab.press(f"#slider-{SLIDERS[name]}", "ArrowRight")
    python, shell = tab.text("#code-python"), tab.text("#code-shell")
    tab.unfold("#copy details")
    for button, text in zip(tab.page.locator("#copy button").all(), (python, shell), strict=True):
        button.click()
        tab.until(lambda text=text: tab.page.evaluate("navigator.clipboard.readText()") == text)
    shown = tab.download()[0] if pictured else b""
    shutil.copy(digits, tmp_path / digits.name)
    monkeypatch.chdir(tmp_path)
    made = set(tmp_path.iterdir())
    ast.parse(python)
    exec(compile(python, "copied", "exec"), {})  # as its reader would
    program, *arguments = shlex.split(shell)
    assert program == "yoto"
    by_python = {path: path.read_bytes() for path in set(tmp_path.iterdir()) - made}
    assert cli.run([*arguments, *(["--force"] if by_python else [])]) == 0
    new = set(tmp_path.iterdir()) - made
    assert new
    for path, data in by_python.items() if pictured else ():
        assert pixels_of(data) == pixels_of(path.read_bytes()) == pixels_of(shown)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compression", "style"])
def test_the_texts_of_a_sample_run_beside_its_file(visit, name, tmp_path, monkeypatch):
    tab = visit(f"{name}.html")
    tab.unfold("#copy details")
    with tab.page.expect_download() as waiting:
        tab.page.locator("#copy a").click()
    waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    assert [path.name for path in tmp_path.iterdir()] == ["roman-colosseum.webp"]
    shown = tab.download()[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(tab.text("#code-python"), "copied", "exec"), {})
    (made,) = set(tmp_path.iterdir()) - {tmp_path / "roman-colosseum.webp"}
    assert pixels_of(made.read_bytes()) == pixels_of(shown)
    made.unlink()
    assert cli.run(shlex.split(tab.text("#code-shell"))[1:]) == 0
    assert pixels_of(made.read_bytes()) == pixels_of(shown)


CANVASES = """(id) => {
  const all = [...document.querySelectorAll(`#${id} canvas`)];
  const whole = document.createElement('canvas');
  [whole.width, whole.height] = [all.length * all[0].width, all[0].height];
  all.forEach((canvas, i) => whole.getContext('2d').drawImage(canvas, i * canvas.width, 0));
  return whole.toDataURL();
}"""


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vae/fashion-mnist", "vae/shapes"])
def test_python_and_command_draw_the_samples_of_the_page(visit, model, tmp_path, monkeypatch):
    tab = visit(f"vae.html?model={model}&seed=3")
    (tmp_path / "my coat.png").write_bytes(samples.png(60, 90))
    tab.upload("#own", tmp_path / "my coat.png")
    drawn = {name: samples.inline(tab.page.evaluate(CANVASES, name)) for name in ("samples", "reconstructions")}
    monkeypatch.chdir(tmp_path)
    exec(compile(tab.text("#code-python"), "copied", "exec"), {})
    side = drawn["samples"].shape[0]
    strip = np.asarray(Image.open(tmp_path / "samples.png").convert("RGB")).astype(int)
    own = np.asarray(Image.open(tmp_path / "reconstruction.png").convert("RGB")).astype(int)
    assert abs(strip - drawn["samples"]).max() <= 1
    assert abs(own - drawn["reconstructions"][:, :side]).max() <= 1
    lines = tab.text("#code-shell").splitlines()
    assert len(lines) == 2
    for line in lines:
        assert cli.run([*shlex.split(line)[1:], "--force"]) == 0
    sheet = np.asarray(Image.open(tmp_path / "samples.png")).astype(int)
    factor = max(1, -(-56 // side))
    tiles = sheet[4 : 4 + factor * side : factor, -12 * (factor * side + 4) :: factor]  # beside its label
    tiles = tiles.reshape(side, 12, -1, 3)[:, :, :side].reshape(side, -1, 3)
    assert abs(tiles - strip).max() <= 1
