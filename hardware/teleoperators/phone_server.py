"""The page for the phone and its stream of messages: one TLS server on one address.

The page is that of the package `teleop` (SpesRobotics). Its own server is not used: it has a
certificate whose key is public, listens on every network, lets anybody drive, and cannot be ended.
Here the certificate is the operator's, the address is one of this machine's, and only who has
opened the secret link of this session may connect, one at a time.
"""

from __future__ import annotations

import http
import logging
import secrets
import ssl
import threading
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hardware.install import cannot_import
from recordings.errors import RobotError, SystemSetupError

COOKIE = "ptrctl-phone"
SECRET_BYTES = 6
"""Short enough to type, and 2**48 tries long."""
MAX_MESSAGE_BYTES = 4096
PING_S = 5.0
"""A phone that does not answer for so long makes room for another."""
CLOSE_S = 1.0


class PhoneServer:
    """Serves the page and hands on what the phone says.

    Args:
        host: Address of one network interface of this machine.
        port: TCP port; 0 takes a free one.
        certificate, private_key: Paths of PEM files.
        on_message: Gets each message, in a thread of the server.
        on_gone: Called when the phone has disconnected.
    """

    def __init__(
        self,
        host: str,
        port: int,
        certificate: str,
        private_key: str,
        on_message: Callable[[str], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._host, self._port = host, port
        self._certificate, self._private_key = certificate, private_key
        self._on_message, self._on_gone = on_message, on_gone
        self._secret = secrets.token_hex(SECRET_BYTES)
        self._taken = threading.Lock()
        self._folder = Path()
        self._connection: Any = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def link(self) -> str:
        """What to open on the phone; known once started."""
        return f"https://{self._host}:{self._port}/{self._secret}"

    def start(self) -> None:
        """Begin to serve.

        Raises:
            SystemSetupError: A package, the certificate or its key is missing or wrong.
            RobotError: The address is not this machine's, or the port is in use.
        """
        self._folder = _page_folder()
        quiet = logging.getLogger("ptrctl.phone")
        quiet.propagate = False
        quiet.addHandler(logging.NullHandler())
        try:
            self._server = import_module("websockets.sync.server").serve(
                self._drive,
                self._host,
                self._port,
                ssl=self._tls(),
                process_request=self._answer,
                max_size=MAX_MESSAGE_BYTES,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                close_timeout=CLOSE_S,
                compression=None,
                logger=quiet,
            )
        except OSError as problem:
            raise RobotError(
                f"The phone's page cannot be served on {self._host}:{self._port}: {problem}.",
                "The address is one of this machine's, and the port is free.",
                "Correct `host` or `port` under [teleoperator.options] in ptrctl.toml.",
            ) from problem
        self._port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the connection and the server; safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        connection = self._connection
        if connection is not None:
            connection.close()
        assert self._thread is not None
        self._thread.join(2 * CLOSE_S)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Tickets come while the other side already writes. A Python client that reads in one
        # thread and writes in another then hangs in about one of a thousand handshakes, for
        # `ssl` of Python before 3.13 has no lock; nobody here resumes a TLS session.
        context.num_tickets = 0
        try:
            context.load_cert_chain(self._certificate, self._private_key)
        except (OSError, ssl.SSLError) as problem:
            raise SystemSetupError(
                f"The certificate `{self._certificate}` with the key `{self._private_key}` "
                f"cannot be used: {problem}.",
                "A browser gives the phone's pose only to a page with a certificate.",
                "Make one: `openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=ptrctl "
                "-keyout phone-key.pem -out phone-cert.pem`, and set `certificate` and "
                "`private_key` under [teleoperator.options] in ptrctl.toml.",
            ) from problem
        return context

    def _answer(self, connection: Any, request: Any) -> Any:
        """A page, a refusal, or None to let a websocket through."""
        path = request.path.strip("/")
        if path == "ws":
            origin = request.headers.get("Origin")
            if not self._knows_secret(request) or origin != f"https://{self._host}:{self._port}":
                return connection.respond(http.HTTPStatus.FORBIDDEN, "Open the link first.\n")
            if self._taken.locked():
                return connection.respond(http.HTTPStatus.CONFLICT, "Another phone drives.\n")
            return None
        if path == "assets/teleop-ui.js":
            return self._file(connection, path, "text/javascript")
        if secrets.compare_digest(path.encode(), self._secret.encode()):
            page = self._file(connection, "index.html", "text/html")
            page.headers["Set-Cookie"] = f"{COOKIE}={self._secret}; Secure; HttpOnly; Path=/"
            return page
        return connection.respond(http.HTTPStatus.NOT_FOUND, "Use the link that ptrctl shows.\n")

    def _knows_secret(self, request: Any) -> bool:
        try:
            cookies = SimpleCookie(request.headers.get("Cookie", ""))
        except CookieError:
            return False
        cookie = cookies.get(COOKIE)
        return cookie is not None and secrets.compare_digest(
            cookie.value.encode(), self._secret.encode()
        )

    def _file(self, connection: Any, name: str, kind: str) -> Any:
        text = (self._folder / name).read_text(encoding="utf-8")
        response = connection.respond(http.HTTPStatus.OK, text)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = f"{kind}; charset=utf-8"
        return response

    def _drive(self, connection: Any) -> None:
        """One phone, until it goes."""
        closed = import_module("websockets.exceptions").ConnectionClosed
        if not self._taken.acquire(blocking=False):
            return
        try:
            self._connection = connection
            while True:
                message = connection.recv()
                if isinstance(message, str):
                    self._on_message(message)
        except closed:
            return
        finally:
            self._connection = None
            self._taken.release()
            self._on_gone()


def _page_folder() -> Path:
    spec = find_spec("teleop")
    if spec is None or spec.origin is None or find_spec("websockets") is None:
        raise cannot_import("not installed", "The phone's page", "phone", "teleop", "websockets")
    return Path(spec.origin).parent
