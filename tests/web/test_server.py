"""The server's answers: pages, jobs, refusals, and that nobody can harm it."""

import asyncio
import io
import json
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from web import hostile, samples
from web.names import PAGES
from yoto import codec
from yoto.apps.codec.page import classic
from yoto.web import server, site, uploads
from yoto.web.desk import Desk
from yoto.web.pages import all_pages
from yoto.web.store import Store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer starlettes prefer a successor of httpx, older ones know httpx alone
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8000"
ENCODE = {"picture": "sample-canyon-wren", "target": {"quality": 20}, "preview": True}
PAINT = {"picture": "sample-canyon-wren", "style": {"dots": 1.0}, "strength": 0.5, "preview": True}
SHOW = {"model": "vae/fashion-mnist", "beta": 2.0}


def client_for(app):
    return TestClient(app, base_url=BASE, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(scope="module")
def pages(compression, style, vae, own):
    return {"model": own} | all_pages() | {"compression": compression, "style": style, "vae": vae}


@pytest.fixture(scope="module")
def client(pages):
    with client_for(server.create(pages, warm=False)) as made:
        yield made


@pytest.fixture
def blocked(pages):
    """A server that has no place for any job."""
    app = server.create(pages, desk=Desk(places=0), warm=False)
    with client_for(app) as made:
        yield made


def opened(response):
    assert response.status_code == 200
    with Image.open(io.BytesIO(response.content)) as image:
        return np.asarray(image.convert("RGB"))


def upload(client, data):
    response = client.post("/api/pictures", content=data)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(response, status):
    """The message of an answer that refuses, which is one line of JSON."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    message = response.json()["error"]
    assert message
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def secured(response):
    for name, value in server.HEADERS.items():
        assert response.headers[name] == value
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"]
    assert "server" not in response.headers
    assert "access-control-allow-origin" not in response.headers


# ---- pages


@pytest.mark.parametrize("page", ["model", *PAGES])
def test_every_page_comes_with_its_facts(client, page):
    response = client.get(f"/{page}.html")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert f'data-page="{page}"' in response.text
    assert "{{" not in response.text
    assert "<!--" not in response.text
    assert response.text.count("aria-current=page") == 1
    facts = client.get(f"/api/{page}.json")
    assert facts.status_code == 200
    assert json.loads(facts.text, parse_constant=pytest.fail)


def test_the_first_page_is_that_of_the_users_model(client):
    response = client.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/model.html")


def test_pages_without_a_model_are_not_there(compression):
    with client_for(server.create({"compression": compression}, warm=False)) as client:
        assert client.get("/").headers["location"] == "/index.html"
        assert "style.html" not in client.get("/index.html").text
        assert [page["name"] for page in client.get("/api/start.json").json()["pages"]] == ["compression"]
        assert "style.html" not in client.get("/compression.html").text
        for path in ("/style.html", "/api/style.json", "/api/styles/great-wave.jpg"):
            refusal(client.get(path), 404)
        assert client.post("/api/style/paint", json=PAINT).status_code in (404, 405)


def test_static_files_have_their_kinds(client):
    for path, kind in {
        "/css/app.css": "text/css; charset=utf-8",
        "/js/common.js": "text/javascript; charset=utf-8",
        "/icon.svg": "image/svg+xml",
    }.items():
        response = client.get(path)
        assert (response.status_code, response.headers["content-type"]) == (200, kind)
        assert response.content == (site.STATIC / path[1:]).read_bytes()


def test_pages_ask_nobody_else(client):
    for path in sorted(Path(site.__file__).parents[1].rglob("static/**/*")):
        if path.suffix in (".html", ".css", ".js", ".svg"):
            text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
            for word in ("http:", "https:", "src=//", "@import"):
                assert word not in text, (path.name, word)
    for page in ("model", *PAGES):
        text = client.get(f"/{page}.html").text
        assert "<script>" not in text  # which the security policy would not run
        assert " style=" not in text
        assert " onclick=" not in text


def test_sample_pictures_have_thumbnails_and_licences(client):
    found = client.get("/api/samples.json").json()
    assert len(found) == 12
    for sample in found[:3]:
        assert sample["licence"]
        name = sample["id"].removeprefix("sample-")
        assert max(opened(client.get(f"/api/samples/{name}.jpg")).shape) == 160
        file = client.get(f"/{sample['url']}")
        assert file.content == uploads.samples()[name].read_bytes()
        assert file.headers["content-type"] == "image/webp"
        assert sample["file"] == f"{name}.webp"
        assert max(opened(client.get(f"/api/pictures/{sample['id']}.png")).shape) == 768
    refusal(client.get("/api/samples/nothing.webp"), 404)


def test_thumbnails_of_styles(client, style):
    for each in style.info()["styles"]:
        assert opened(client.get(f"/api/styles/{each['name']}.jpg")).ndim == 3
    refusal(client.get("/api/styles/nothing.jpg"), 404)


# ---- guards


def test_every_kind_of_answer_is_secured(client, blocked):
    secured(client.get("/"))
    for path in ("/compression.html", "/api/vae.json", "/css/app.css", "/api/pictures/sample-canyon-wren.png"):
        response = client.get(path)
        assert response.status_code == 200
        secured(response)
    made = client.post("/api/compression/encode", json=ENCODE | {"preview": False})
    secured(made)
    secured(client.get(f"/api/results/{made.json()['id']}.png"))
    for response, status in (
        (client.get("/nothing"), 404),
        (client.delete("/compression.html"), 405),
        (client.post("/api/pictures", content=b"no picture"), 422),
        (client.post("/api/vae/show", json={}), 422),
        (client.post("/api/vae/show", content=b" " * 70_000), 413),
        (client.post("/api/vae/show", json=SHOW, headers={"Origin": "http://evil.example"}), 403),
        (blocked.post("/api/vae/show", json=SHOW), 503),
    ):
        refusal(response, status)
        secured(response)
    secured(client.get("/compression.html", headers={"Host": "evil.example"}))


def test_an_error_of_ours_is_said_without_its_inside(pages, monkeypatch, caplog):
    monkeypatch.setattr(pages["vae"], "shown", lambda *a, **k: 1 / 0)
    with client_for(server.create(pages, warm=False)) as client:
        response = client.post("/api/vae/show", json=SHOW)
    assert "log" in refusal(response, 500)
    assert "ZeroDivision" not in response.text
    secured(response)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "0.0.0.0", "169.254.169.254:8000"])
def test_other_names_of_the_server_are_refused(client, host):
    refusal(client.get("/compression.html", headers={"Host": host}), 400)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "127.0.0.1:12345", "[::1]:8000"])
def test_its_own_names_are_taken(client, host):
    assert client.get("/icon.svg", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_cannot_even_ask(client, site):
    for path in ("/api/pictures/sample-canyon-wren.png", "/api/vae.json"):
        refusal(client.get(path, headers={"Sec-Fetch-Site": site}), 403)
    assert client.get("/vae.html", headers={"Sec-Fetch-Site": site}).status_code == 200  # a link to the page is fine


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9", "null", ""])
def test_other_sites_cannot_make_it_work(client, origin):
    refusal(client.post("/api/pictures", content=samples.png(), headers={"Origin": origin}), 403)
    refusal(client.post("/api/vae/show", json=SHOW, headers={"Origin": origin}), 403)


def test_its_own_pages_can(client):
    assert client.post("/api/vae/show", json=SHOW, headers={"Origin": BASE}).status_code == 200


@pytest.mark.parametrize("name", hostile.NAMES)
def test_nothing_but_its_files_is_served(client, name):
    response = client.get(f"/{name}")
    assert response.status_code in (404, 422)
    refusal(response, response.status_code)


@pytest.mark.parametrize("name", ["frame.html", "js", "../server.py", "css/../icon.svg", "__init__.py"])
def test_only_finished_files_are_served(client, name):
    # The client would tidy these paths up: the server gets them as they are.
    found = []

    async def ask():
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": f"/{name}", "raw_path": f"/{name}".encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        waiting = asyncio.Event()

        async def receive():
            if found:
                await waiting.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            found.append(message)

        await client.app(scope, receive, send)

    asyncio.run(ask())
    assert found[0]["status"] == 404


# ---- limits


def endless(total, part=16 * 1024):
    for _ in range(total // part):
        yield b" " * part


def test_a_long_body_of_json_is_refused(client):
    assert "64 kB" in refusal(client.post("/api/vae/show", content=b" " * 70_000), 413)


def test_a_long_body_without_a_length_is_refused(client):
    assert "64 kB" in refusal(client.post("/api/vae/show", content=endless(2**20)), 413)
    assert "32 MB" in refusal(client.post("/api/pictures", content=endless(34 * 2**20, 2**20)), 413)


def test_an_upload_that_states_too_great_a_length_is_refused_unread(client):
    response = client.post("/api/pictures", content=b"x", headers={"Content-Length": str(33 * 2**20)})
    assert "32 MB" in refusal(response, 413)
    response = client.post("/api/compression/decode", content=b"x", headers={"Content-Length": str(65 * 2**20)})
    assert "64 MB" in refusal(response, 413)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/compression/encode", ENCODE | {"more": 1}),
        ("/api/compression/encode", ENCODE | {"target": {}}),
        ("/api/compression/encode", ENCODE | {"target": {"quality": 1, "bpp": 1}}),
        ("/api/compression/encode", ENCODE | {"target": {"colour": 1}}),
        ("/api/compression/encode", ENCODE | {"target": {"quality": 101}}),
        ("/api/compression/encode", ENCODE | {"target": {"quality": "50"}}),
        ("/api/compression/encode", ENCODE | {"target": {"psnr": 0}}),
        ("/api/compression/encode", ENCODE | {"target": {"size": 1}}),
        ("/api/compression/encode", ENCODE | {"preview": 1}),
        ("/api/compression/encode", ENCODE | {"picture": "x" * 200}),
        ("/api/compression/encode", {}),
        ("/api/compression/encode", [1]),
        ("/api/compression/classic", {"picture": "sample-canyon-wren", "kind": "GIF", "size": 9}),
        ("/api/compression/classic", {"picture": "sample-canyon-wren", "kind": "JPEG", "size": 0}),
        ("/api/compression/classic", {"picture": "sample-canyon-wren", "kind": "JPEG", "size": 1.5}),
        ("/api/style/paint", PAINT | {"strength": 1.01}),
        ("/api/style/paint", PAINT | {"strength": -0.01}),
        ("/api/style/paint", PAINT | {"style": {}}),
        ("/api/style/paint", PAINT | {"style": {"dots": 1, "stripes": 1, "third": 1}}),
        ("/api/style/paint", PAINT | {"style": {"nothing": 1}}),
        ("/api/style/paint", PAINT | {"style": "dots"}),
        ("/api/style/paint", PAINT | {"layers": {"fine": 1e9}}),
        ("/api/style/paint", PAINT | {"smoothness": -1}),
        ("/api/vae/show", SHOW | {"beta": 0}),
        ("/api/vae/show", SHOW | {"beta": 1e9}),
        ("/api/vae/show", SHOW | {"beta": True}),
        ("/api/vae/show", SHOW | {"model": "vae/nothing"}),
        ("/api/vae/show", SHOW | {"seed": -1}),
        ("/api/vae/show", SHOW | {"seed": 2**40}),
        ("/api/vae/show", SHOW | {"traverse": 101}),
        ("/api/model/picture", {"values": {}}),
        ("/api/model/picture", {"values": {"kl": 1e9}}),
        ("/api/model/picture", {"values": {"kl": 1.0, "other": 1.0}}),
        ("/api/model/picture", {"values": {"kl": [1.0]}}),
        ("/api/model/picture", {"values": {str(i): 1.0 for i in range(65)}}),
    ],
)
def test_unfit_requests_are_refused_in_one_line(client, path, body):
    refusal(client.post(path, json=body), 422)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(client, number):
    for path, body in {
        "/api/vae/show": '{"model": "vae/fashion-mnist", "beta": %s}',
        "/api/compression/encode": '{"picture": "sample-canyon-wren", "target": {"quality": %s}}',
        "/api/style/paint": '{"picture": "sample-canyon-wren", "style": {"dots": %s}, "strength": 0.5}',
        "/api/model/picture": '{"values": {"kl": %s}}',
    }.items():
        refusal(client.post(path, content=body % number, headers={"Content-Type": "application/json"}), 422)


# ---- turns


def test_a_full_queue_says_when_to_come_again(blocked):
    response = blocked.post("/api/vae/show", json=SHOW)
    assert "Too many" in refusal(response, 503)
    assert response.headers["retry-after"] == "2"


def test_a_client_has_one_job_at_a_time(pages, monkeypatch):
    hold, begun, first = threading.Event(), threading.Event(), []

    def shown(*arguments, **options):
        begun.set()
        assert hold.wait(30)
        return {}

    monkeypatch.setattr(pages["vae"], "shown", shown)
    names = [{"X-Yoto-Client": "a" * 12}, {"X-Yoto-Client": "b" * 12}]
    with client_for(server.create(pages, desk=Desk(places=1), warm=False)) as client:
        thread = threading.Thread(
            target=lambda: first.append(client.post("/api/vae/show", json=SHOW, headers=names[0])), daemon=True
        )
        thread.start()
        assert begun.wait(30)
        own = client.post("/api/vae/show", json=SHOW, headers=names[0])
        other = client.post("/api/vae/show", json=SHOW, headers=names[1])
        assert client.get("/api/vae.json").status_code == 200  # pages come all the while
        hold.set()
        thread.join(30)
        assert "still being computed" in refusal(own, 503)
        assert own.headers["retry-after"] == "1"
        assert "Too many" in refusal(other, 503)
        assert first[0].status_code == 200
        assert client.post("/api/vae/show", json=SHOW, headers=names[1]).status_code == 200


@pytest.mark.parametrize("given", ["short", "x" * 65, "a b c d e f", "ünïcödé-name"])
def test_odd_names_of_clients_are_passed_over(client, given):
    headers = {"X-Yoto-Client": given.encode("utf-8")}
    assert client.post("/api/vae/show", json=SHOW, headers=headers).status_code == 200


# ---- jobs


def test_a_picture_goes_through_the_codec_and_back(client):
    data = samples.png(50, 70, seed=4)
    kept = upload(client, data)
    assert (kept["width"], kept["height"]) == (70, 50)
    pixels = np.asarray(samples.picture(50, 70, seed=4))
    np.testing.assert_array_equal(opened(client.get(f"/api/pictures/{kept['id']}.png")), pixels)
    made = client.post("/api/compression/encode", json={"picture": kept["id"], "target": {"quality": 70}}).json()
    file = client.get(f"/api/results/{made['id']}.yoto")
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.content == codec.compress(Image.fromarray(pixels), quality=70)
    assert made["bytes"] == len(file.content)
    decoded = np.asarray(codec.decompress(file.content))
    np.testing.assert_array_equal(opened(client.get(f"/api/results/{made['id']}.png")), decoded)
    back = client.post("/api/compression/decode", content=file.content).json()
    np.testing.assert_array_equal(opened(client.get(f"/api/results/{back['id']}.png")), decoded)
    for kind in ("JPEG", "WebP"):
        other = client.post("/api/compression/classic", json={"picture": kept["id"], "kind": kind, "size": 2000}).json()
        expected = classic(pixels, kind, 2000)
        assert other["bytes"] == len(expected.file) <= 2000
        assert client.get(f"/api/results/{other['id']}.png").content == expected.picture
        refusal(client.get(f"/api/results/{other['id']}.yoto"), 404)


def test_a_damaged_file_is_refused(client):
    data = bytearray(codec.compress(samples.picture(), quality=50))
    data[len(data) // 2] ^= 255
    refusal(client.post("/api/compression/decode", content=bytes(data)), 422)


def test_a_picture_is_painted(client, style):
    kept = upload(client, samples.png(40, 60))
    body = {"picture": kept["id"], "style": {"dots": 0.5, "stripes": 0.5}, "strength": 0.4, "layers": {"fine": 1.2}}
    made = client.post("/api/style/paint", json=body).json()
    expected = style.ready()(
        np.asarray(samples.picture(40, 60)), {"dots": 0.5, "stripes": 0.5}, strength=0.4, layers={"fine": 1.2}
    )
    np.testing.assert_array_equal(opened(client.get(f"/api/results/{made['id']}.png")), expected)
    refusal(client.get(f"/api/results/{made['id']}.yoto"), 404)


def test_the_autoencoder_shows_its_strips(client, vae):
    kept = upload(client, samples.png())
    body = {"model": "vae/fashion-mnist", "beta": 2.5, "seed": 1, "picture": kept["id"], "traverse": 3}
    made = client.post("/api/vae/show", json=body).json()
    assert set(made["strips"]) == {"originals", "reconstructions", "samples", "traversals"}
    album = client.app.state.server.album
    expected = vae.show("vae/fashion-mnist", 2.5, seed=1, picture=album.get(kept["id"]), traverse=3)[1]
    for name, result in made["strips"].items():
        np.testing.assert_array_equal(samples.inline(result), expected[name])
    few = client.post("/api/vae/show", json=body | {"parts": ["samples"]}).json()
    assert few["strips"] == {"samples": made["strips"]["samples"]}


def test_the_users_model_draws(client, own):
    made = client.post("/api/model/picture", json={"values": {"kl": 3.0}}).json()
    assert made["drawn"]
    np.testing.assert_array_equal(samples.inline(made["inline"]), own.drawn_at(own.header.space.point(kl=3.0)))


def test_what_is_gone_is_said_to_be_gone(client):
    for path in ("/api/pictures/nothing.png", "/api/results/nothing.png", "/api/pictures/sample-nothing.png"):
        refusal(client.get(path), 404)
    for path, body in {
        "/api/compression/encode": ENCODE | {"picture": "nothing"},
        "/api/style/paint": PAINT | {"picture": "nothing"},
        "/api/vae/show": SHOW | {"picture": "nothing"},
    }.items():
        assert "is no longer kept here. Open it again." in refusal(client.post(path, json=body), 404)


def test_pictures_and_results_are_dropped(client, monkeypatch):
    shared, now = client.app.state.server, [0.0]
    monkeypatch.setattr(shared, "results", Store("result", 10**9, 12, 60.0, lambda: now[0]))
    monkeypatch.setattr(shared.album, "store", Store("picture", 10**9, 2, 60.0, lambda: now[0]))
    kept = upload(client, samples.png())
    made = client.post("/api/compression/encode", json=ENCODE | {"picture": kept["id"], "preview": False}).json()
    assert client.get(f"/api/results/{made['id']}.png").status_code == 200
    now[0] = 61.0
    refusal(client.get(f"/api/results/{made['id']}.png"), 404)
    refusal(client.get(f"/api/pictures/{kept['id']}.png"), 404)


# ---- ill will


def survive(client, seed, count):
    for method, path, headers, body in hostile.requests(seed, count):
        shown = (method, path[:80], headers, body[:200])
        response = client.request(method, path, headers=headers, content=body)
        assert 200 <= response.status_code < 500 or response.status_code == 503, (shown, response.text)
        for name, value in server.HEADERS.items():
            assert response.headers[name] == value, shown
        if response.status_code >= 400 and method != "HEAD":
            assert list(response.json()) == ["error"], shown
        assert "set-cookie" not in response.headers, shown
    upload(client, samples.png())
    assert client.post("/api/compression/encode", json=ENCODE).status_code == 200


@pytest.mark.parametrize("seed", range(3))
def test_ill_will_is_answered_and_the_server_goes_on(client, seed):
    survive(client, seed, 60)


@pytest.mark.slow
def test_much_ill_will_is_answered_and_the_server_goes_on(client):
    survive(client, 99, 500)


@pytest.mark.parametrize("body", hostile.BROKEN, ids=range(len(hostile.BROKEN)))
def test_broken_json_is_refused_everywhere(client, body):
    for path in hostile.ROUTES[2:]:
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        refusal(response, response.status_code)
        assert response.status_code in (400, 404, 413, 422), (path, response.text)


@pytest.mark.parametrize("made", [samples.text_bomb, samples.profile_bomb, samples.many_texts])
def test_bombs_are_refused_soon(client, made):
    data = made()
    begun = time.monotonic()
    refusal(client.post("/api/pictures", content=data), 422)
    assert time.monotonic() - begun < 20
