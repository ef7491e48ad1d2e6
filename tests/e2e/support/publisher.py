"""A server that publishes a revocation list over HTTP, and says other things when a test wants that."""

import contextlib
import re
import ssl
import threading

from support.origin import Origin, take_head
from support.scale import eventually


def answer(body, status="200 OK", **fields):
    """An answer with this body, bytes or the path of a file."""
    data = body if isinstance(body, bytes) else open(body, "rb").read()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{more}\r\n".encode() + data


class Publisher:
    """Each connection gets one answer: bytes as they are, then the end; None: silence until `close`; a function: what it
    does with the connection. `leaf`: over TLS, with its certificate."""

    def __init__(self, port=0, leaf=None):
        self._context = None
        if leaf:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(leaf.chain, leaf.key)
        self.said = b""
        self.said_at = {}  # by path, in place of `said`
        self.tag = None  # the ETag of what is published: who knows it gets a 304
        self.requests = []
        self._is_over = threading.Event()
        self._origin = Origin(self._serve, port=port)
        self.port = self._origin.port
        self.url = self.url_of("ca.crl")

    def url_of(self, name):
        return f"http{'s' if self._context else ''}://pki.test:{self.port}/crl/{name}"

    def publish(self, path, tag=None):
        """Says this list from now on, and returns when somebody has fetched it."""
        self.say(answer(path, **({"ETag": tag} if tag else {})))
        self.tag = tag

    def say(self, data):
        """Says this from now on, and returns when somebody has heard it."""
        self.tag = None
        self.said = data
        self.wait_asked()

    def wait_asked(self, more=1):
        count = len(self.requests) + more
        eventually(lambda: len(self.requests) >= count, "the publisher to be asked")

    def close(self):
        self._is_over.set()
        self._origin.stop()

    def _serve(self, conn):
        if not self._context:
            self._answer(conn)
            return
        with contextlib.suppress(OSError):  # who does not believe us
            with self._context.wrap_socket(conn, server_side=True) as secure:
                self._answer(secure)

    def _answer(self, conn):
        head, _ = take_head(conn)
        if head is None:
            return
        path = head.split()[1].decode()
        said, tag = self.said_at.get(path, self.said), self.tag
        self.requests.append(head.decode())
        if said is None:
            self._is_over.wait()
            return
        known = re.search(rb"If-None-Match: (\S+)", head)
        if tag and known and known[1].decode() == tag:
            said = b"HTTP/1.1 304 Not Modified\r\n\r\n"
        with contextlib.suppress(OSError):
            if callable(said):
                said(conn)
            else:
                conn.sendall(said)
