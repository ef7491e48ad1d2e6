"""What a client says first inside a tunnel, and an origin that shows what has reached it."""

import contextlib
import ssl
import threading

from support.scale import PATIENCE


def hello(name, alpn=None):
    """The ClientHello of a real library for a server of this name; None: without one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(alpn)
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(ours, theirs, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return theirs.read()


class Canary:
    """An origin's habit that keeps all it gets, and answers nothing."""

    def __init__(self):
        self.got = b""
        self.ended = threading.Event()
        self._changed = threading.Condition()

    def __call__(self, conn):
        try:
            while piece := conn.recv(65536):
                with self._changed:
                    self.got += piece
                    self._changed.notify_all()
        except OSError:
            pass
        self.ended.set()

    def wait_got(self, size):
        """Until so many bytes have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= size, PATIENCE), self.got
