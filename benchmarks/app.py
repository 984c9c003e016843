"""The page with the sliders, measured in a real browser: times, many clients at once, hostile uploads, screenshots.

    python benchmarks/app.py [-o results/app] [--before DIR] [--seconds 60] [--clients 50] [--uploads 500] [--pictures]

Needs the `dev` extra and a Chromium (Debian: apt install chromium; or YOTO_CHROMIUM=PATH). Every time is that of a
browser on this machine which shares its cores with the server. With `--before`, a checkout of an earlier commit, every
time is taken of both in turn, so that whatever else the machine does falls on both. Seed 0.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from yoto.support import cores
from yoto.support.files import write_atomic
from yoto.training.machine import processor

ROOT = Path(__file__).parents[1]
PAGES = ("index", "compression", "style", "vae", "model")
MODEL = "vae/fashion-mnist"
"""Bundled model that the page of a user's own model is shown with."""
LIMITS = {"compression": 0.6, "style": 1.0, "vae": 0.2, "model": None, "first page": 2.0, "start to page": 8.0}
"""Seconds that are asked for."""
VIEWS = {
    "light": ("light", 1280, 860, 1), "dark": ("dark", 1280, 860, 1), "phone": ("light", 390, 844, 1),
    "zoom": ("light", 640, 430, 2),
}  # fmt: skip
"""Colours, width and height of the window in CSS pixels, and pixels of the screen in each: the last is 200 %."""
QUALITY = 80


def chromium() -> str:
    """The browser's path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("YOTO_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        sys.exit("A Chromium is needed: apt install chromium, or YOTO_CHROMIUM=PATH.")
    return found


@contextmanager
def served(*arguments: str, root: Path = ROOT) -> Iterator[tuple[str, subprocess.Popen[str], float]]:
    """A server of its own, of the checkout at `root`: its address, its process, and the time of its start."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "yoto", "demo", *arguments, "--port", "0", "--no-browser"]
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=root, env=env)  # noqa: S603 - ours
    assert process.stderr is not None
    line = process.stderr.readline()
    threading.Thread(target=process.stderr.read, daemon=True).start()
    address = re.search(r"http://\S+/", line)
    if address is None:
        sys.exit(f"The server did not start: {line}")
    try:
        yield address.group(), process, begin
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=sandbox)
        yield browser
        browser.close()


def counted(page: Page) -> int:
    """How many results at full size the page has shown."""
    return int(page.evaluate("Number(document.documentElement.dataset.done ?? 0)"))


def open_page(page: Page, url: str) -> float:
    """Seconds until a page shows its first result."""
    begin = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("html[data-done]", timeout=60_000)
    return time.perf_counter() - begin


ORIGINAL = """() => new Promise((done) => {
    const look = () => document.querySelector("#viewer img")?.naturalWidth ? done() : setTimeout(look, 10);
    look();
})"""
"""Waits until the picture to work on is shown."""


def released(page: Page, slider: str, position: int) -> float:
    """Seconds from letting a slider go at a position until the new picture is shown, as the page's clock has it."""
    seconds: float = page.evaluate(
        """([id, position]) => new Promise((done) => {
            const root = document.documentElement;
            const before = root.dataset.done;
            const input = document.getElementById(id);
            input.value = position;
            input.dispatchEvent(new Event("input"));
            const begin = performance.now();
            new MutationObserver((_, observer) => {
                if (root.dataset.done === before) return;
                observer.disconnect();
                requestAnimationFrame(() => done((performance.now() - begin) / 1000));
            }).observe(root, { attributes: true, attributeFilter: ["data-done"] });
            input.dispatchEvent(new Event("change"));
        })""",
        [f"slider-{slider}", position],
    )
    return seconds


SLIDERS = {"compression": "quality", "style": "strength", "vae": "beta", "model": "kl"}
PICTURES = {
    "compression": "#viewer .layer:nth-child(2) img", "style": "#viewer .layer:nth-child(2) img",
    "vae": "#reconstructions canvas", "model": "#output img",
}  # fmt: skip
STARTS = 3
DRAG = 2.5
"""Seconds that a slider is dragged."""
DRAGGED = """([id, selector, seconds]) => new Promise((done) => {
    const input = document.getElementById(id);
    let [last, changes, begin] = [null, -1, performance.now()];
    const look = () => {
        const seen = document.querySelector(selector);
        const now = seen?.toDataURL ? seen.toDataURL() : seen?.complete ? seen.currentSrc : last;
        if (now !== last) [last, changes] = [now, changes + 1];
        const passed = (performance.now() - begin) / 1000;
        if (passed > seconds) {
            input.dispatchEvent(new Event("change"));
            return done(changes);
        }
        input.value = Math.round(50 - 45 * Math.cos(3 * passed));
        input.dispatchEvent(new Event("input"));
        requestAnimationFrame(look);
    };
    look();
})"""
"""Moves a slider to and fro; how often a picture on the screen changed meanwhile."""


def starts(root: Path) -> dict[str, float]:
    """Seconds until a picture is there: of a server that just starts, and of one that listens."""
    with browsing() as browser:
        with served(root=root) as (address, _, begin):
            page = browser.new_page()
            page.goto(f"{address}compression.html")
            page.wait_for_selector("#gallery img")
            cold = time.perf_counter() - begin
        with served(MODEL, root=root) as (address, _, _):
            page = browser.new_page()
            begin = time.perf_counter()
            page.goto(f"{address}compression.html")
            page.wait_for_selector("#gallery img")
            page.evaluate(ORIGINAL)
            return {"start to page": cold, "first page": time.perf_counter() - begin}


def releases(name: str, repeats: int, addresses: list[str]) -> list[list[float]]:
    """Seconds from release to picture, in turn at the page of each address."""
    found: list[list[float]] = [[] for _ in addresses]
    with browsing() as browser:
        pages = []
        for address in addresses:
            pages.append(browser.new_page(viewport={"width": 1280, "height": 860}))
            open_page(pages[-1], f"{address}{name}.html")
        for page in pages:
            page.wait_for_timeout(2500)
            released(page, SLIDERS[name], 40)
            page.wait_for_timeout(2500)
        for number in range(repeats):
            order = range(len(pages)) if number % 2 else reversed(range(len(pages)))
            for index in order:
                pages[index].bring_to_front()
                found[index].append(released(pages[index], SLIDERS[name], 20 + (number * 37) % 70))
                pages[index].wait_for_timeout(1500)  # the files beside it are made meanwhile
    return found


def dragged(name: str, address: str, drags: int = 3) -> int:
    """Pictures that a drag of `DRAG` seconds shows, the most of a few drags."""
    with browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        open_page(page, f"{address}{name}.html")
        shown = []
        for _ in range(drags):
            page.wait_for_timeout(2500)
            shown.append(page.evaluate(DRAGGED, [f"slider-{SLIDERS[name]}", PICTURES[name], DRAG]))
    return max(shown)


def times(repeats: int, before: Path | None) -> dict[str, Any]:
    """Seconds of a 768x512 photograph and the bundled models; beside them those of the commit before."""
    roots = [ROOT, *([before] if before is not None else [])]
    begun: list[list[dict[str, float]]] = [[] for _ in roots]
    for _ in range(STARTS):
        for root, each in zip(roots, begun, strict=True):
            each.append(starts(root))
    result: dict[str, Any] = {name: compared([[row[name] for row in each] for each in begun]) for name in begun[0][0]}
    with ExitStack() as servers:
        addresses = [servers.enter_context(served(MODEL, root=root))[0] for root in roots]
        for name in SLIDERS:
            row = compared(releases(name, repeats, addresses))
            result[name] = row | {"pictures in a drag": dragged(name, addresses[0])}
    return result


def compared(found: list[list[float]]) -> dict[str, Any]:
    """Median and maximum of the first times; where there are others, theirs and the median of the ratios in turn."""
    row: dict[str, Any] = {"median": statistics.median(found[0]), "worst": max(found[0]), "repeats": len(found[0])}
    if len(found) > 1:
        row["before"] = statistics.median(found[1])
        row["ratio"] = statistics.median(now / then for now, then in zip(*found, strict=True))
    return row


def resident(process: subprocess.Popen[str]) -> float:
    """Memory of a process now, MiB; 0 where the system does not tell."""
    file = Path(f"/proc/{process.pid}/status")
    if not file.exists():
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", file.read_text())
    return int(found.group(1)) / 1024 if found else 0.0


async def one_client(
    client: httpx.AsyncClient, number: int, end: float, seen: Counter[str], waits: list[float]
) -> None:
    """A user who moves sliders without a pause, waits where the server is busy, and looks at each picture."""
    draw = random.Random(number)  # noqa: S311
    headers = {"X-Yoto-Client": f"benchmark-{number:04d}"}
    names = ("roman-colosseum", "oakland-zoo-otters", "lake-sherburne")
    while time.perf_counter() < end:
        picture = f"sample-{draw.choice(names)}"
        kind = draw.choice(("compression", "style", "vae"))
        path, body = {
            "compression": (
                "api/compression/encode",
                {"picture": picture, "target": {"quality": draw.uniform(0, 100)}, "preview": draw.random() < 0.5},
            ),
            "style": (
                "api/style/paint",
                {
                    "picture": picture, "style": {"great-wave": 1.0}, "strength": draw.random(),
                    "preview": draw.random() < 0.5,
                },
            ),
            "vae": ("api/vae/show", {"model": "vae/fashion-mnist", "beta": draw.uniform(0.5, 128)}),
        }[kind]  # fmt: skip
        begin = time.perf_counter()
        try:
            answer = await client.post(path, json=body, headers=headers)
        except httpx.HTTPError as error:
            seen[f"failed: {type(error).__name__}"] += 1
            continue
        if answer.status_code == 503 and "error" in answer.json():
            seen["busy"] += 1
            await asyncio.sleep(float(answer.headers["Retry-After"]) * draw.uniform(0.5, 1.5))
            continue
        if answer.status_code != 200:
            seen[f"failed: {answer.status_code}"] += 1
            continue
        seen["done"] += 1
        waits.append(time.perf_counter() - begin)
        if "id" in answer.json():
            shown = await client.get(f"api/results/{answer.json()['id']}.png")
            kinds = {200: "shown", 404: "evicted"}
            seen[kinds.get(shown.status_code, f"failed: {shown.status_code}")] += 1


def load(clients: int, seconds: float) -> dict[str, Any]:
    """Many clients at once."""

    async def everyone(address: str, process: subprocess.Popen[str]) -> dict[str, Any]:
        seen: Counter[str] = Counter()
        waits: list[float] = []
        memory = [resident(process)]
        end = time.perf_counter() + seconds
        limits = httpx.Limits(max_connections=clients + 4)
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
            work = [asyncio.ensure_future(one_client(client, n, end, seen, waits)) for n in range(clients)]
            while any(not task.done() for task in work):
                await asyncio.sleep(1)
                memory.append(resident(process))
            await asyncio.gather(*work)
            alive = (await client.get("api/samples.json")).status_code == 200
        return {
            "clients": clients, "seconds": seconds, "answers": dict(sorted(seen.items())), "alive": alive,
            "failed": sum(n for name, n in seen.items() if name.startswith("failed")),
            "wait_median": statistics.median(waits), "wait_worst": max(waits),
            "memory_start": memory[0], "memory_half": max(memory[: len(memory) // 2]), "memory_peak": max(memory),
        }  # fmt: skip

    with served() as (address, process, _):
        httpx.post(f"{address}api/compression/encode", json=first(), timeout=60)
        return asyncio.run(everyone(address, process))


def first() -> dict[str, Any]:
    """A request that loads the codec."""
    return {"picture": "sample-casa-mila", "target": {"quality": 50}}


def picture_bytes(draw: random.Random, kind: str) -> bytes:
    """A small valid picture."""
    buffer = io.BytesIO()
    pixels = bytes(draw.randrange(256) for _ in range(48 * 32 * 3))
    Image.frombytes("RGB", (48, 32), pixels).save(buffer, kind)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def bomb(width: int, height: int) -> bytes:
    """A PNG file of a few hundred bytes that claims a size, filled with one compressed run of zeros."""
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def hostile(draw: random.Random, number: int, coded: bytes) -> tuple[str, str, bytes, dict[str, str]]:
    """What it is, the path, the body and headers of a bad upload or request."""
    kind = draw.choice(("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"))
    good = picture_bytes(draw, kind)
    name = draw.choice(("../../etc/passwd", "..\\..\\x", "/tmp/x", "a" * 4000, "x\u202egnp.exe"))  # noqa: S108
    match number % 10:
        case 0:
            return "truncated", "api/pictures", good[: draw.randrange(1, max(2, len(good) // 3))], {}
        case 1:
            return "bomb", "api/pictures", bomb(draw.randrange(5_000, 60_000), draw.randrange(5_000, 60_000)), {}
        case 2:
            return "wrong type", "api/pictures", draw.choice((b"%PDF-1.7\n", b"%!PS\nquit\n", b"MZ\0\0", b"<svg/>")), {}
        case 3:
            return "random bytes", "api/pictures", draw.randbytes(draw.randrange(5000)), {}
        case 4:
            return "path as name", f"api/pictures/{name.replace('/', '%2f')[:200]}.png", b"", {"X-Get": "1"}
        case 5:
            return (
                "path in a request",
                "api/compression/encode",
                json.dumps({"picture": name[:300], "target": {"quality": 50}}).encode(),
                {"Content-Type": "application/json"},
            )
        case 6:
            damaged = bytearray(coded)
            for _ in range(draw.randrange(1, 6)):
                damaged[draw.randrange(len(damaged))] ^= draw.randrange(1, 256)
            return "damaged .yoto", "api/compression/decode", bytes(damaged), {}
        case 7:
            return "truncated .yoto", "api/compression/decode", coded[: draw.randrange(len(coded))], {}
        case 8:
            return (
                "bad JSON",
                "api/style/paint",
                draw.choice((b"{", b"[]", b"null", b'{"picture": 1}', b"\xff")),
                {"Content-Type": "application/json"},
            )
        case _:
            return "too large", "api/pictures", b"", {"Content-Length": str(draw.randrange(33, 4000) * 2**20)}


def stated(address: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and text of a request that states a length which it does not send."""
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=60)
    connection.putrequest("POST", f"/{path}")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def attack(uploads: int) -> dict[str, Any]:
    """Hostile uploads, one after another; each has to be refused in plain words."""
    draw = random.Random(0)  # noqa: S311
    kinds: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    with served() as (address, process, _), httpx.Client(base_url=address, timeout=60) as client:
        made = client.post("api/compression/encode", json=first()).json()
        coded = client.get(f"api/results/{made['id']}.yoto").content
        before, peak = resident(process), 0.0
        for number in range(uploads):
            kind, path, body, headers = hostile(draw, number, coded)
            get = headers.pop("X-Get", None)
            if "Content-Length" in headers:
                status, text = stated(address, path, headers)
            else:
                answer = client.get(path) if get else client.post(path, content=body, headers=headers)
                status, text = answer.status_code, answer.text
            kinds[kind] += 1
            statuses[status] += 1
            peak = max(peak, resident(process))
            if not 400 <= status < 500 or "error" not in json.loads(text):
                wrong.append(f"{kind}: {status} {text[:80]}")
        alive = client.post("api/compression/encode", json=first()).status_code == 200
    return {
        "uploads": uploads, "kinds": dict(kinds), "statuses": {str(k): v for k, v in sorted(statuses.items())},
        "not_refused": wrong, "alive": alive, "memory_before": before, "memory_peak": peak,
    }  # fmt: skip


def screenshots(folder: Path) -> list[str]:
    """Every page in light, dark, on a phone and at 200 %, as WebP files."""
    names = []
    with served(MODEL) as (address, _, _), browsing() as browser:
        for view, (scheme, width, height, ratio) in VIEWS.items():
            size = {"width": width, "height": height}
            context = browser.new_context(color_scheme=scheme, viewport=size, device_scale_factor=ratio)  # type: ignore[arg-type]
            for name in PAGES:
                page = context.new_page()
                open_page(page, f"{address}{name}.html")
                page.wait_for_timeout(6000)  # files of other formats, the original's own pixels
                data = page.screenshot()
                with Image.open(io.BytesIO(data)) as image:
                    buffer = io.BytesIO()
                    image.convert("RGB").save(buffer, "WEBP", quality=QUALITY, method=6)
                write_atomic(folder / f"{name}-{view}.webp", buffer.getvalue())
                names.append(f"{name}-{view}.webp")
                page.close()
            context.close()
    return names


def report(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["# The page with the sliders", "", "`python benchmarks/app.py -o results/app --before DIR --pictures`", ""]
    load = found.get("load_average")
    busy = "" if load is None else f" Processes that wanted a core at the beginning: {load:.0f}."
    lines += [f"{found['machine']}, {found['cores']} cores. Seed 0.{busy}", ""]
    if "times" in found:
        lines += ["## Times", "", "Seconds in the browser; from letting a slider go to the new picture (768x512). The"]
        lines += ["commit before was measured in turn with this one; the ratio is the median of those of neighbours."]
        lines += [f"Pictures: how often the one on the screen changed in a drag of {DRAG} s, the best of three.", ""]
        rows = [
            (
                name, *(f"{row[key]:.2f}" if key in row else "" for key in ("median", "worst", "before", "ratio")),
                LIMITS[name] or "", row.get("pictures in a drag", ""),
            )
            for name, row in found["times"].items()
        ]  # fmt: skip
        titles = ("what", "median", "worst", "before: median", "ratio", "asked: under", "pictures")
        lines += [table_of(titles, rows), ""]
    if "load" in found:
        row = found["load"]
        answers = ", ".join(f"{n} {name}" for name, n in row["answers"].items())
        waiting = f"{row['wait_median']:.2f} s in the median, {row['wait_worst']:.2f} s at most"
        memory = (
            f"{row['memory_start']:.0f} MiB before, {row['memory_half']:.0f} MiB at most in the first half, "
            f"{row['memory_peak']:.0f} MiB in all"
        )
        lines += [f"## {row['clients']} clients for {row['seconds']:g} s", ""]
        lines += [f"Answers: {answers}. Failed: {row['failed']}. Waiting: {waiting}. Memory: {memory}.", ""]
    if "hostile" in found:
        row = found["hostile"]
        kinds = ", ".join(f"{n} {name}" for name, n in row["kinds"].items())
        statuses = ", ".join(f"{name} ({n})" for name, n in row["statuses"].items())
        lines += [f"## {row['uploads']} hostile uploads", ""]
        lines += [f"{kinds}. Statuses: {statuses}. Not refused: {len(row['not_refused'])}."]
        lines += [f"The server went on: {'yes' if row['alive'] else 'no'}."]
        lines += [f"Memory: {row['memory_before']:.0f} MiB before, {row['memory_peak']:.0f} MiB at most.", ""]
    return "\n".join(lines)


def table_of(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A Markdown table."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="folder for report.md, measures.json and pictures")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier commit, timed in turn with this one")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--pictures", action="store_true", help="write screenshots too")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": processor(), "cores": cores.available(), "seed": 0}
    if hasattr(os, "getloadavg"):
        found["load_average"] = os.getloadavg()[0]
    found["times"] = times(arguments.repeats, arguments.before)
    found["load"] = load(arguments.clients, arguments.seconds)
    found["hostile"] = attack(arguments.uploads)
    print(report(found))
    if arguments.output is not None:
        if arguments.pictures:
            found["pictures"] = screenshots(arguments.output)
        write_atomic(arguments.output / "measures.json", json.dumps(found, indent=1) + "\n")
        write_atomic(arguments.output / "report.md", report(found) + "\n")


if __name__ == "__main__":
    main()
