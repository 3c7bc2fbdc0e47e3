"""Connections by http and https to servers that may send anything, at any speed, for ever."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.request
from functools import partial
from typing import Any


class Watch:
    """Looks, whenever one mirror is listened to, whether it is to be given up.

    The time limit of a socket is one of each byte, and http.client reads headers, answers that say "100 Continue" and
    what follows the last chunk for as long as they come. So it is asked below all of them.

    Attributes:
        received: bytes of the file, counted by whoever reads them.
    """

    def __init__(self, window: float, least_rate: float, longest: float):
        self._window, self._least_rate, self._longest = window, least_rate, longest
        self._begin = self._since = time.monotonic()
        self._before = self.received = 0

    def check(self) -> None:
        """Raise `TimeoutError`, which says why, where the mirror is to be given up."""
        now = time.monotonic()
        if now - self._begin > self._longest:
            raise TimeoutError(f"not there after {self._longest:g} s")
        if now - self._since > self._window:
            if self.received - self._before < self._least_rate * (now - self._since):
                raise TimeoutError(f"slower than {self._least_rate:g} bytes a second")
            self._since, self._before = now, self.received

    def watched(self, kind: type[socket.socket]) -> type:
        """Sockets of that kind that ask first."""
        watch = self

        class Watched(kind):
            def recv_into(self, *args: Any, **options: Any) -> int:
                watch.check()
                return super().recv_into(*args, **options)

        return Watched

    def connect(self, *args: Any, **options: Any) -> socket.socket:
        """What `socket.create_connection` gives, watched."""
        made = socket.create_connection(*args, **options)
        timeout = made.gettimeout()
        watched = self.watched(socket.socket)(fileno=made.detach())
        watched.settimeout(timeout)
        return watched


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects without reading what comes with them, which may have no end."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Called by urllib, under five names."""
        fp.close()
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _handlers(watch: Watch) -> tuple[urllib.request.BaseHandler, ...]:
    """Those of http and https, whose connections are watched from the first byte."""
    context = ssl.create_default_context()
    context.sslsocket_class = watch.watched(ssl.SSLSocket)

    def watched(kind: type[http.client.HTTPConnection], host: str, **options: Any) -> http.client.HTTPConnection:
        connection = kind(host, **options)
        connection._create_connection = watch.connect  # pyright: ignore[reportAttributeAccessIssue]
        return connection

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(partial(watched, http.client.HTTPConnection), req)  # pyright: ignore

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(partial(watched, http.client.HTTPSConnection, context=context), req)  # pyright: ignore

    return Http(), Https()


def open_url(url: str, start: int, timeout: float, watch: Watch) -> http.client.HTTPResponse:
    """The answer of a server, asked for the bytes from `start` on; `timeout` is that of each wait.

    Raises:
        OSError, http.client.HTTPException, ValueError: there is none, or `watch` has given it up.
    """
    headers = {"User-Agent": "bstdg", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    # urllib's own opener would also follow a redirect to ftp: this one knows http and https only.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        *_handlers(watch),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)  # noqa: S310 (see above)
