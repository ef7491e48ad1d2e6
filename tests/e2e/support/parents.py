"""Proxies that a proxy goes through: how it is told of them, and one of ours that answers as a test wants."""

import contextlib
import ssl

from support.origin import Origin
from support.scale import PATIENCE


def parent(pki, *ports, name="paris", identity=None, scheme="https", **more):
    """An entry of `parents` for proxies on these ports of loopback."""
    entry = {"name": name, "to": [f"{scheme}://127.0.0.1:{port}" for port in ports]}
    if scheme == "https":
        identity = identity or edge(pki)
        entry["ca"] = [pki.server_ca.path]
        entry["certificate"] = {"chain": identity.chain, "key": identity.key}
    return {**entry, **more}


def edge(pki):
    """Whom parents see."""
    return pki.ca.leaf("edge", uri=("spiffe://example.test/edge",))


class ScriptedParent(Origin):
    """A parent that answers each CONNECT with `answer`: bytes, which may end in the middle; None says nothing.

    Its connections echo afterwards, unless it `ends` them. `asked` has the heads that have come. With a `leaf` it speaks TLS and demands a
    certificate of `ca`. `before_tls` and `before_answer` are called once, when it is about to do that.
    """

    def __init__(self, answer=b"HTTP/1.1 200 OK\r\n\r\n", leaf=None, ca=None):
        self.answer = answer
        self.ends = False
        self.asked = []
        self.before_tls = self.before_answer = None
        self._context = None
        if leaf:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(leaf.chain, leaf.key)
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(ca)
        super().__init__(self._serve)

    def _serve(self, conn):
        conn.settimeout(PATIENCE * 2)
        before, self.before_tls = self.before_tls, None
        if before:
            before()
        with contextlib.suppress(OSError):
            with self._context.wrap_socket(conn, server_side=True) if self._context else conn as spoken:
                self._speak(spoken)

    def _speak(self, conn):
        head = b""
        while b"\r\n\r\n" not in head:
            more = conn.recv(65536)
            if not more:
                return
            head += more
        head, early = head.split(b"\r\n\r\n", 1)
        self.asked.append(head.decode("latin-1"))
        before, self.before_answer = self.before_answer, None
        if before:
            before()
        if self.answer is None:
            conn.recv(1)
            return
        conn.sendall(self.answer)
        if self.ends:
            return
        if early:
            conn.sendall(early)
        while data := conn.recv(65536):
            conn.sendall(data)
