"""Listening, and being found."""

import re
import socket
import subprocess
import sys
import threading
import time
from urllib.request import urlopen

import pytest

from web import samples
from yoto.errors import YotoError
from yoto.web import serve, server


@pytest.fixture
def address(compression, caplog):
    """A server that runs; nothing may appear in its log."""
    listening, begun = serve.bound("127.0.0.1", 0), threading.Event()
    service = serve.made(server.create({"compression": compression}, warm=False), begun.set)
    thread = threading.Thread(target=service.run, args=([listening],), daemon=True)
    thread.start()
    assert begun.wait(30)
    yield listening.getsockname()
    service.should_exit = True
    thread.join(30)
    listening.close()
    assert not thread.is_alive()
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def sent(address, *parts, wait=True):
    """What a server answers to bytes on a connection of their own."""
    with socket.create_connection(address, timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        return connection.recv(4096) if wait else b""


def whole(address, text):
    """All that a server answers, up to its end."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(text.encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def alive(address):
    with urlopen(f"http://127.0.0.1:{address[1]}/icon.svg", timeout=30) as response:
        return response.status == 200


def test_a_taken_port_is_refused():
    with serve.bound("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(YotoError, match=rf"cannot listen on 127.0.0.1:{port}: .*Give another --port or --host"):
            serve.bound("127.0.0.1", port)


def test_without_a_port_the_first_free_one_is_taken(monkeypatch):
    with serve.bound("127.0.0.1", 0) as first:
        first.listen()
        monkeypatch.setattr(serve, "PORT", first.getsockname()[1])
        with serve.bound("127.0.0.1", None) as second:
            assert 0 < second.getsockname()[1] - first.getsockname()[1] < serve.ELSEWHERE


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.1", "not an address"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(YotoError, match="The server cannot listen on"):
        serve.bound(host, 0)


def test_a_port_out_of_range_is_refused():
    with pytest.raises(YotoError, match="cannot listen"):
        serve.bound("127.0.0.1", 70_000)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123/"),
        ("0.0.0.0", "http://127.0.0.1:8123/"),
        ("::", "http://[::1]:8123/"),
        ("::1", "http://[::1]:8123/"),
        ("localhost", "http://localhost:8123/"),
        ("box.lan", "http://box.lan:8123/"),
    ],
)
def test_the_address_can_be_opened_on_this_machine(host, expected):
    class Listening:
        def getsockname(self):
            return (host, 8123)

    assert serve.address(Listening(), host) == expected


def test_names_are_this_machines_own_unless_others_are_let_in():
    assert serve.allowed_on("127.0.0.1") is serve.allowed_on("::1") is server.local
    assert not server.local("192.168.0.7")
    allowed = serve.allowed_on("0.0.0.0")
    assert all(map(allowed, ("localhost", "192.168.0.7", "[fe80::1]", socket.gethostname())))
    host = socket.gethostname()
    assert all(map(allowed, (host.upper(), f"{host.partition('.')[0]}.local", f"{host.partition('.')[0]}.LOCAL.")))
    assert not allowed("evil.local")
    assert not allowed("evil.example")
    assert not allowed("")
    assert server.local("LocalHost")
    assert serve.allowed_on("Box.lan")("bOX.LAN")


def test_addresses_of_the_network_are_told_where_others_are_let_in(monkeypatch):
    monkeypatch.setattr(serve, "own_addresses", lambda: ["192.168.0.7", "fd00::7"])
    with serve.bound("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert serve.reachable(listening, "127.0.0.1") == serve.reachable(listening, "localhost") == []
        expected = [f"http://192.168.0.7:{port}/", f"http://[fd00::7]:{port}/"]
        assert serve.reachable(listening, "0.0.0.0") == expected
        assert serve.reachable(listening, "192.168.0.9") == [f"http://192.168.0.9:{port}/"]
    monkeypatch.undo()
    assert all(not name.startswith("127.") for name in serve.own_addresses())


def test_the_command_says_that_there_is_no_login_where_others_are_let_in():
    command = [sys.executable, "-m", "yoto", "demo", "--host", "0.0.0.0", "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = process.stderr.readline() + process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert re.match(r"yoto demo: http://127\.0\.0\.1:\d+/ ", said)
    assert "neither login nor encryption" in said


def test_head_is_answered_and_a_mistyped_address_for_people(address):
    ask = "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept: {}\r\nConnection: close\r\n\r\n".format
    for path in ("/index.html", "/icon.svg", "/api/samples.json"):
        answer = sent(address, ask("HEAD", path, address[1], "*/*").encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert body == b""
    assert b"There is nothing at this address" in whole(address, ask("GET", "/mistyped", address[1], "text/html"))
    for path, kind in (("/mistyped", "*/*"), ("/api/x", "text/html")):
        assert b'{"error":"There is nothing here."}' in whole(address, ask("GET", path, address[1], kind))


def test_a_check_loads_every_page(compression):
    found = serve.check_pages({"compression": compression}, "127.0.0.1", None, pytest.fail)
    names = {url.partition("/")[2].rpartition("/")[2] for url in found}
    assert names >= {"compression.html", "compression.json", "compression.js", "viewer.js", "start.html", "guide.html"}
    assert compression.codec is not None


def test_a_check_fails_where_a_page_does(compression, monkeypatch):
    monkeypatch.setattr(server.site, "page", lambda *arguments: 1 / 0)
    with pytest.raises(YotoError, match="should answer with a page. Found: HTTP Error 500"):
        serve.check_pages({"compression": compression}, "127.0.0.1", 0, pytest.fail)


def test_a_client_that_leaves_in_the_middle_of_an_upload_is_no_error(address):
    head = b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
    for _ in range(3):
        sent(address, head, samples.png()[:500], wait=False)
    time.sleep(0.3)
    assert alive(address)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /icon.svg HTTP/1.1\r\n\r\n",
        b"GET /icon.svg HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000,
        b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://127.0.0.1/../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
    ids=range(12),
)
def test_broken_requests_are_refused_and_the_server_goes_on(address, data):
    try:
        answer = sent(address, data)
    except ConnectionError:
        answer = b""
    assert not answer or answer.split()[1] in (b"400", b"404", b"422", b"431")
    assert alive(address)


def test_the_server_is_there_before_torch_is():
    code = (
        "import sys; from yoto.web import pages, server; server.create(pages.all_pages(), warm=False); "
        "print('torch' in sys.modules)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "False"
