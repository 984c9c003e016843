"""Uploads and requests that nobody means well, from a seed."""

import json
import random

from web import samples

ROUTES = (
    "/api/pictures", "/api/compression/decode", "/api/compression/encode", "/api/compression/classic",
    "/api/style/paint", "/api/vae/show", "/api/model/picture",
)  # fmt: skip
NAMES = (
    "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/pyproject.toml", "..\\..\\server.py", "%00", "a%0d%0aSet-Cookie:x=1",
    "%ff%fe", "server.py", "css", "css/", "js//common.js", "frame.html", "x" * 3000, "%c0%ae%c0%ae/x",
    "api/pictures/..%2f..%2fserver.py.png", "api/results/%2e%2e.png", "api/results/x.exe",
    "api/samples/..%2fSOURCES.jpg", "api/styles/..%2f..%2fx.jpg", "api/pictures/sample-..%2f..%2fSOURCES.png",
    "api/%F0%9F%98%80.json", "css%2fapp.css%00", "C:/Windows/win.ini", "file:///etc/passwd", "//etc/passwd",
)  # fmt: skip
VALUES = (
    None, True, -1, 0, 1, 1e308, -1e308, 10**400, 2**63, "", "x", "\0", "\u202e", "😀" * 50, "sample-canyon-wren", [],
    [[]], {}, {"x": 1}, {"": 0}, {"quality": 50}, {"quality": "50"}, {"psnr": 1e-300}, {"size": 1e300}, {"size": -5},
    {"bpp": 0}, {"dots": 0}, {"dots": 1e308, "stripes": 1e308}, "vae/shapes", "../../x", "JPEG", "GIF",
)  # fmt: skip
FIELDS = (
    "picture", "target", "quality", "side", "parts", "preview", "kind", "size", "style", "strength", "layers",
    "smoothness", "keep_colours",
    "model", "beta", "seed", "traverse", "values", "__proto__", "", "x" * 500,
)  # fmt: skip
WHOLE = {
    "/api/compression/encode": {"picture": "sample-canyon-wren", "target": {"quality": 1}, "preview": True},
    "/api/compression/figures": {"picture": "sample-canyon-wren", "quality": 1},
    "/api/compression/classic": {"picture": "nothing", "kind": "JPEG", "size": 1000},
    "/api/style/paint": {"picture": "sample-canyon-wren", "style": {"dots": 1}, "strength": 0.5, "preview": True},
    "/api/vae/show": {"model": "vae/fashion-mnist", "beta": 2.0},
    "/api/model/picture": {"values": {"kl": 1.0}},
}
BROKEN = (
    b"", b"{", b"[" * 50_000, b"nul", b"\xff\xfe{}", b'{"a":' * 5000, b'{"picture": NaN}', b'{"picture": "\\ud800"}',
    b'{"\\ud800": 1}', b'{"target": {"quality": 1e999}}', b'{"seed": ' + b"9" * 6000 + b"}", b"{}" * 9000, b"1", b'"x"',
    b'{"model": "\\ud800", "beta": 2}', b'{"picture": "x", "style": {"\\udfff": 1}, "strength": 0.5}',
    b'{"values": {"\\ud800": 1}}', b'{"values": {"kl": "\\ud800"}}', b'{"values": {"kl": {"\\ud800": 1}}}',
)  # fmt: skip
HEADERS = (
    {}, {"X-Yoto-Client": "x" * 5000}, {"X-Yoto-Client": "../../etc"},
    {"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": "text/html"},
    {"Content-Type": "application/json; charset=utf-16"}, {"Content-Encoding": "gzip"},
    {"Range": "bytes=0-99999999999"}, {"Cookie": "a=b; " * 200},
    {"Transfer-Encoding": "identity"}, {"Expect": "nothing"},
    {"Content-Disposition": 'attachment; filename="../../x"'},
    {"Accept": "\xff\xfe"}, {"X-Forwarded-For": "' OR 1=1"},
)  # fmt: skip


def files(small, coded):
    """Well-formed files to damage."""
    image = samples.picture(24, 32)
    made = [samples.coded(image, kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF")]
    return [*made, samples.coded(image.convert("P"), "GIF"), small, coded]


def damaged(rng, whole):
    """A file that is cut, or some of whose bytes are others."""
    data = bytearray(rng.choice(whole))
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(data[: rng.randrange(len(data) + 1)])
    if kind == 1:
        start = rng.randrange(len(data))
        return bytes(data[:start] + data[start + rng.randrange(40) :])
    if kind == 2:
        return bytes(data[: rng.randrange(len(data))]) + rng.randbytes(rng.randrange(500))
    for _ in range(rng.choice((1, 2, 8, 64))):
        data[rng.randrange(min(len(data), rng.choice((32, 64, len(data)))))] = rng.randrange(256)
    return bytes(data)


def request(rng, whole):
    """Method, path, headers and body of a request."""
    kind = rng.randrange(6)
    headers = {name: value.encode("latin-1") for name, value in rng.choice(HEADERS).items()}
    if kind == 0:
        return (
            rng.choice(("GET", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST")),
            "/" + rng.choice(NAMES),
            headers,
            b"",
        )
    if kind in (1, 2):
        return "POST", rng.choice(ROUTES[:2]), headers, damaged(rng, whole)
    path = rng.choice(ROUTES[2:])
    if kind == 3:
        return "POST", path, headers, rng.choice(BROKEN)
    body = dict(WHOLE[path])
    for _ in range(rng.choice((1, 1, 2))):
        field = rng.choice([*body, rng.choice(FIELDS)])
        if rng.random() < 0.2:
            body.pop(field, None)
        else:
            body[field] = rng.choice(VALUES)
    return "POST", path, {"Content-Type": b"application/json", **headers}, json.dumps(body).encode()


def requests(seed, count):
    """Many of them."""
    rng = random.Random(seed)
    whole = files(samples.png(3, 3), samples.coded(samples.picture(24, 32).convert("CMYK"), "JPEG"))
    return [request(rng, whole) for _ in range(count)]
