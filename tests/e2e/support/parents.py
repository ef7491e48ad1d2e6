"""Proxies that a proxy goes through: how it is told of them, and one of ours that answers as a test wants."""

import contextlib
import socket
import ssl

import h2.config
import h2.connection
import h2.events

from support.origin import Origin, take_head
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
        self.is_silent = False  # to those that connect
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
        while self.is_silent and conn.recv(65536):
            pass
        before, self.before_tls = self.before_tls, None
        if before:
            before()
        with contextlib.suppress(OSError):
            with self._context.wrap_socket(conn, server_side=True) if self._context else conn as spoken:
                self._speak(spoken)

    def _speak(self, conn):
        head, early = take_head(conn)
        if head is None:
            return
        self.asked.append(head[:-4].decode("latin-1"))
        before, self.before_answer = self.before_answer, None
        if before:
            before()
        if self.answer is None:
            conn.recv(1)
            return
        conn.sendall(self.answer)
        if self.ends:  # nothing that comes now may make a reset of it
            conn.shutdown(socket.SHUT_WR)
            while conn.recv(65536):
                pass
            return
        if early:
            conn.sendall(early)
        while data := conn.recv(65536):
            conn.sendall(data)
        if self._context:
            conn.unwrap()  # TLS wants an end to be said


class Http2Parent(Origin):
    """A parent that speaks HTTP/2, and does with each CONNECT what `habit(session, stream, authority)` does.

    `lost` counts the streams that were reset before they were answered.
    """

    def __init__(self, leaf, ca, habit):
        self.habit = habit
        self.lost = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(leaf.chain, leaf.key)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(ca)
        self.context.set_alpn_protocols(["h2"])
        super().__init__(self._serve)

    def _serve(self, conn):
        conn.settimeout(PATIENCE * 2)
        with contextlib.suppress(OSError), self.context.wrap_socket(conn, server_side=True) as tls:
            Http2Children(self, tls).run()


class Http2Children:
    """A connection to such a parent."""

    def __init__(self, parent, tls):
        self._parent = parent
        self._tls = tls
        rules = h2.config.H2Configuration(
            client_side=False,
            header_encoding="utf-8",
            validate_inbound_headers=False,  # it demands a path of a CONNECT, too
            validate_outbound_headers=False,
        )
        self._http2 = h2.connection.H2Connection(rules)
        self._http2.initiate_connection()
        self._open = set()  # tunnels
        self.hears = {}  # by stream; what is done with its first bytes, in place of an echo

    def run(self):
        self.flush()
        while data := self._tls.recv(65536):
            for event in self._http2.receive_data(data):
                self._take(event)
            self.flush()

    def flush(self):
        self._tls.sendall(self._http2.data_to_send())

    def answer(self, stream, status=200):
        is_tunnel = status < 300
        self._http2.send_headers(stream, [(":status", str(status))], end_stream=not is_tunnel)
        if is_tunnel:
            self._open.add(stream)

    def reset(self, stream, code):
        self._http2.reset_stream(stream, code)

    def say(self, data):
        """Sends bytes as they are."""
        self.flush()
        self._tls.sendall(data)

    def _take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self._parent.habit(self, event.stream_id, dict(event.headers)[":authority"])
        elif isinstance(event, h2.events.DataReceived):
            self._http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.hears.pop(event.stream_id, self._echo)(event.stream_id, event.data)
        elif isinstance(event, h2.events.StreamEnded):
            self._http2.end_stream(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self._parent.lost += event.stream_id not in self._open

    def _echo(self, stream, data):
        self._http2.send_data(stream, data)
