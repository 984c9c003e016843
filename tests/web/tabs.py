"""A page in a real browser, as tests use it."""

import math
import os
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 180.0
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ZOOMED = {"width": 640, "height": 450}
"""A window of 1280x900 at 200 %."""


def executable():
    """The browser, or a skipped test; a failed one where the browser has to be there."""
    given = os.environ.get("YOTO_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None or shutil.which(found) is None:
        missing = "The pages' tests need Chromium (Debian: apt install chromium), or its path in YOTO_CHROMIUM. "
        missing += f"Found {'no ' + given if given else 'none'}."
        if os.environ.get("YOTO_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


WATCH = """(selector) => {
  globalThis.watched = { changes: -1, last: null };
  const look = () => {
    const seen = document.querySelector(selector);
    const now = seen?.toDataURL ? seen.toDataURL() : seen?.complete ? seen.currentSrc : watched.last;
    if (now !== watched.last) [watched.last, watched.changes] = [now, watched.changes + 1];
    requestAnimationFrame(look);
  };
  look();
}"""

FRAMES = """(count) => new Promise((done) => {
  const next = () => (count-- > 0 ? requestAnimationFrame(next) : done());
  next();
})"""
RESTS = """(selector) => new Promise((done) => {
  let [last, same] = [null, 0];
  const look = () => {
    const { left, top } = document.querySelector(selector).getBoundingClientRect();
    same = last === `${left} ${top}` ? same + 1 : 0;
    last = `${left} ${top}`;
    return same < 12 ? requestAnimationFrame(look) : done();
  };
  look();
})"""


def between_pages(look):
    """What a look at a page finds; None while one page gives way to another."""
    from playwright.sync_api import Error

    try:
        return look()
    except Error as error:
        if "context was destroyed" not in str(error):
            raise
        return None


class Tab:
    """A page under test."""

    def __init__(self, page, base, allowed):
        self.page, self.base, self.problems = page, base, []
        page.set_default_timeout(1000 * PATIENCE)
        page.on("console", lambda m: self.note(m.type, m.text, allowed))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self.asked)

    def note(self, kind, text, allowed):
        if kind in ("error", "warning") and not any(part in text for part in allowed):
            self.problems.append(text)

    def asked(self, request):
        parts = urlsplit(request.url)
        if parts.scheme not in ("blob", "data") and parts.netloc != urlsplit(self.base).netloc:
            self.problems.append(f"asked {request.url}")

    @property
    def problem(self):
        """What the page says that went wrong."""
        return self.page.evaluate("document.getElementById('problem')?.textContent ?? ''")

    def until(self, condition, what="it", known=""):
        """Wait for a condition, by asking again and again: the page's security policy allows no other way."""
        end = time.monotonic() + PATIENCE
        while not (found := between_pages(condition)):
            said = between_pages(lambda: self.problem) or ""
            assert time.monotonic() < end, (what, self.problems, said)
            if said not in ("", known):
                found = between_pages(condition)  # it may have come true meanwhile, by just that message
                assert found, (what, said)
                break
            self.page.wait_for_timeout(15)
        return found

    def frames(self, count=20):
        """Let the browser draw so often."""
        self.page.evaluate(FRAMES, count)

    def rests(self, selector):
        """Wait until an element has not moved for some frames: until scrolling, by itself too, has come to rest."""
        self.page.evaluate(RESTS, selector)

    @property
    def done(self):
        return int(self.page.evaluate("document.documentElement?.dataset.done ?? 0"))

    def after(self, act):
        """Do something, and wait until a full-size result is shown for it."""
        before, known = self.done, self.problem
        act()
        self.until(lambda: self.done > before, "a result", known)
        assert self.page.locator("#problem").is_hidden()

    def press(self, selector, key):
        self.after(lambda: self.page.locator(selector).press(key))

    def drag(self, selector, start, end, steps=6):
        """Drag with the mouse between two shares of an element's width."""
        box = self.page.locator(selector).bounding_box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + start * box["width"], y)
        self.page.mouse.down()
        for step in range(1, steps + 1):
            share = start + (end - start) * step / steps
            self.page.mouse.move(box["x"] + share * box["width"], y)
            self.page.wait_for_timeout(20)
        self.page.mouse.up()

    def shown_while_dragging(self, slider, picture, least):
        """Drag a slider to and fro until a picture on the screen has changed so often; the seconds that it took."""
        self.page.evaluate(WATCH, picture)
        box = self.page.locator(slider).bounding_box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + 0.02 * box["width"], y)
        self.page.mouse.down()
        begin, step = time.monotonic(), 0
        while (changes := self.page.evaluate("watched.changes")) < least:
            assert time.monotonic() < begin + PATIENCE, (changes, self.problem)
            step += 1
            self.page.mouse.move(box["x"] + (0.5 - 0.45 * math.cos(step / 40)) * box["width"], y)
            self.page.wait_for_timeout(8)
        took = time.monotonic() - begin
        self.after(self.page.mouse.up)
        return took

    def unfold(self, selector):
        """Open a part of the page that is folded away."""
        if not self.page.locator(selector).evaluate("e => e.open"):
            self.page.locator(f"{selector} > summary").click()
        self.until(lambda: self.page.locator(selector).evaluate("e => e.open"))

    def value(self, selector):
        return float(self.page.locator(selector).input_value())

    def attribute(self, selector, name):
        return self.page.locator(selector).first.get_attribute(name)

    def text(self, selector):
        return self.page.locator(selector).text_content()

    def upload(self, selector, file):
        self.after(lambda: self.page.set_input_files(selector, file))

    @property
    def shown(self):
        """Address of the right picture."""
        return self.page.locator("#viewer img").nth(1).get_attribute("src")

    def figures(self, kind):
        """Bytes, bits per pixel and PSNR in the table."""
        cells = self.page.locator(f"#figures tr[data-kind={kind}] td").all_text_contents()
        return [float(cell.replace(",", "")) for cell in cells[1:4]]

    def download(self):
        with self.page.expect_download() as waiting:
            self.page.locator("#download").click()
        return Path(waiting.value.path()).read_bytes(), waiting.value.suggested_filename
