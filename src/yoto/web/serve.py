"""Starting the server, opening the browser, and checking that every page loads."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from yoto.errors import YotoError
from yoto.web import documents, server, site, start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI

    from yoto.web.page import Page

PORT = 8000
ELSEWHERE = 20
"""Ports that are tried from the default one on."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses at which only this machine reaches the server."""
CONNECTIONS = 256
"""Open at a time; more are answered 503."""
PATIENCE = 60.0
"""Seconds until a check gives up."""


def bound(host: str, port: int | None) -> socket.socket:
    """A listening socket.

    Args:
        port: None for the first free one from 8000 on, 0 for any.

    Raises:
        YotoError: If the port is taken, or the address is none of this machine.
    """
    tried = range(PORT, PORT + ELSEWHERE) if port is None else [port]
    reason = ""
    for number in tried:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name != "nt"))
        try:
            found.bind((host, number))
            found.listen()
        except (OSError, OverflowError) as error:
            found.close()
            reason = str(error)
            continue
        return found
    where = f"{host}:{tried[0]}" if port is not None else f"{host}, ports {PORT} to {PORT + ELSEWHERE - 1}"
    raise YotoError(f"The server cannot listen on {where}: {reason}. Give another --port or --host.")


def address(listening: socket.socket, host: str) -> str:
    """The address for a browser on this machine."""
    port = listening.getsockname()[1]
    near = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - as the user gave it
    shown = f"[{near}]" if ":" in near else near
    return f"http://{shown}:{port}/"


def allowed_on(host: str) -> Callable[[str], bool]:
    """Which host names requests may use, without their port, on the address that the server listens on.

    On an address of the network these are addresses in numbers, this machine's own names, that with ".local" among
    them, and the given one: a web site that would reach the server under a name of its own has another.
    """
    if host.lower() in LOOPBACK:
        return server.local
    own = {socket.gethostname().lower(), socket.getfqdn().lower()}
    names = {"localhost", host.lower(), *own, *(f"{name.partition('.')[0]}.local" for name in own)}

    def allowed(name: str) -> bool:
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name.lower().rstrip(".") in names
        return True

    return allowed


def reachable(listening: socket.socket, host: str) -> list[str]:
    """The addresses by which other machines reach the server; none where it listens to this machine alone."""
    if host.lower() in LOOPBACK:
        return []
    port = listening.getsockname()[1]
    found = [host] if host not in ("0.0.0.0", "", "::") else own_addresses()  # noqa: S104 - as the user gave it
    return [f"http://{f'[{name}]' if ':' in name else name}:{port}/" for name in found]


def exposure(addresses: list[str]) -> str:
    """What to know where other machines can reach the server."""
    where = f"from other machines {', '.join(addresses)}. " if addresses else ""
    return f"{where}There is neither login nor encryption: anybody on the network can use this page."


def own_addresses() -> list[str]:
    """This machine's addresses on its networks in numbers, as far as they can be told."""
    found: dict[str, None] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # of a network for documentation: nothing is sent
        found[probe.getsockname()[0]] = None
    with suppress(OSError):
        for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
            found[str(entry[4][0])] = None
    return [name for name in found if not ipaddress.ip_address(name).is_loopback]


class Announced(uvicorn.Server):
    """A server that says when it can be reached."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End at the first signal; a second one would end the application in the middle, with a traceback."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


def made(app: FastAPI, ready: Callable[[], None]) -> Announced:
    """A server for an application, silent but for errors."""
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15, timeout_graceful_shutdown=2, h11_max_incomplete_event_size=64 * 1024, ws="none",
    )  # fmt: skip
    return Announced(config, ready)


def run(
    pages: Mapping[str, Page],
    host: str,
    port: int | None,
    *,
    browser: bool,
    say: Callable[[str], object],
    warn: Callable[[str], object],
    refused: Callable[[str], object],
) -> None:
    """Serve until interrupted.

    Args:
        browser: Whether a browser is opened, where there is a display.
        say: Called with the address once it can be reached.
        warn: Called with what to know where other machines can reach it.
        refused: Called with what is wrong with an application's page, which is left out.
    """
    listening = bound(host, port)
    url = address(listening, host)

    def ready() -> None:
        say(url)
        if host.lower() not in LOOPBACK:
            warn(exposure(reachable(listening, host)))
        if browser and displayed():
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    with listening:
        made(server.create(pages, allowed=allowed_on(host), refused=refused), ready).run([listening])


def displayed() -> bool:
    """Whether a browser window could be seen."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def check_pages(pages: Mapping[str, Page], host: str, port: int | None, refused: Callable[[str], object]) -> list[str]:
    """Start, load every page with its files and facts once, and stop; the addresses that were loaded.

    Args:
        refused: Called with what is wrong with an application's page, which is left out.

    Raises:
        YotoError: If one does not load.
    """
    listening = bound(host, 0 if port is None else port)
    begun = threading.Event()
    app = server.create(pages, allowed=allowed_on(host), warm=False, refused=refused)
    service = made(app, begun.set)
    thread = threading.Thread(target=service.run, args=([listening],), daemon=True)
    thread.start()
    try:
        if not begun.wait(PATIENCE):
            raise YotoError("The server did not start within a minute.")
        base = address(listening, host)
        pages = app.state.server.pages
        kinds = ("{}.html", "api/{}.json")
        found = [kind.format(name) for kind in kinds for name in (*pages, start.NAME)]
        found += [f"{name}.html" for name in documents.documents()]
        files = [name for name in site.files(pages) if not name.startswith("vendor/")]
        answered = [loaded(base + path) for path in ("", *found, "api/samples.json", *files)]
        for page in pages.values():
            for load in page.loads():
                load()
        return answered
    finally:
        service.should_exit = True
        thread.join(PATIENCE)
        listening.close()


def loaded(url: str) -> str:
    """The address itself, once it has answered with something.

    Raises:
        YotoError: If it does not.
    """
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(url, timeout=PATIENCE) as response:
            if response.status != 200 or not response.read():
                raise YotoError(f"{url} should answer with a page. Found status {response.status}.")
    except OSError as error:
        raise YotoError(f"{url} should answer with a page. Found: {error}.") from None
    return url
