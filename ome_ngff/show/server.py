"""A web server for one page on this machine: who knows the address may read what it answers, and nobody else.

It listens on the loopback address alone, below a path that nobody can guess, and answers nothing to a page of another
origin: not by its own address, and not by a name that somebody has made to lead here (`Host` is checked).
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from ..exceptions import OptionError

#: from a path below the token to a type and bytes; None: there is nothing
Answer = Callable[[str], tuple[str, bytes] | None]

_BELOW = "/v/"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' data: blob:; "
        "form-action 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Accept-Ranges": "bytes",
}


class PageServer:
    """Serve what a function answers, in threads of this process, until it is closed."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        """Begin to listen.

        Args:
            answer: see `Answer`. port: 0 takes any that is free.

        Raises:
            OptionError: the port cannot be used.
        """
        self._answer, self._token = answer, secrets.token_urlsafe(24)
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError, TypeError) as error:
            raise OptionError(f"The port {port} cannot be used ({error}); take another one, or 0 for any.") from None
        self._server.page = self
        Thread(target=self._server.serve_forever, name="ome-ngff viewer", daemon=True).start()

    @property
    def url(self) -> str:
        """Address of the page, its secret included."""
        return f"http://{self.host}{_BELOW}{self._token}/"

    @property
    def host(self) -> str:
        """What `Host` has to say."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop, also for pages whose connection stays open; the port is free again."""
        self._answer = lambda path: None
        self._server.shutdown()
        self._server.server_close()

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Return what a request for a path gets."""
        below = unquote(urlsplit(path).path)
        token, slash, key = below.removeprefix(_BELOW).partition("/")
        known = below.startswith(_BELOW) and secrets.compare_digest(token.encode(), self._token.encode())
        return self._answer(key) if known and slash else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let another program listen at the same port
    page: PageServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a page that no longer waits for an answer, as viewers do whenever something moves."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ome-ngff", ""
    timeout = 60
    server: _Server

    def do_GET(self) -> None:  # the name is that of the standard library
        self._reply()

    do_HEAD = do_GET

    def _reply(self) -> None:
        if self.headers.get("Host") != self.server.page.host:
            return self._send(403, "text/plain", b"This server answers to its own address alone.")
        try:
            found = self.server.page.find(self.path)
        except Exception as error:  # whatever a store raises; the others are still served
            return self._send(500, "text/plain; charset=utf-8", str(error).encode())
        if found is None:
            return self._send(404, "text/plain", b"There is nothing here.")
        kind, body = found
        wanted = self.headers.get("Range")
        part = _part(wanted, len(body)) if wanted else None
        if part is None:
            return self._send(200, kind, body)
        low, high = part
        if low >= high:
            return self._send(416, "text/plain", b"", {"Content-Range": f"bytes */{len(body)}"})
        return self._send(206, kind, body[low:high], {"Content-Range": f"bytes {low}-{high - 1}/{len(body)}"})

    def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **(headers or {}), "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the address is a secret."""


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """Read one range of bytes as from and to; None where all is to be sent, as for what is not understood."""
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", wanted.strip(), re.ASCII)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    high = size if not last else min(size, int(last) + 1)
    return None if last and int(last) < int(first) else (int(first), high)
