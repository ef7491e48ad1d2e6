"""HTTP/2 frames by hand: a client that says exactly what it is told, and reads what comes."""

import struct
from dataclasses import dataclass, field

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 1, 1, 4, 8, 32

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(6, 12)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b"", size=None):
    """`size`: what the header says, where it is not the payload's own."""
    size = len(payload) if size is None else size
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(value, bits, first=0):
    """An integer of HPACK (RFC 7541 5.1), `first` in the upper bits of its first byte."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    data, value = [first | most], value - most
    while value >= 128:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return number(len(value), 7) + value


def field_line(name, value):
    """A literal without indexing, its name written out."""
    return b"\0" + text(name) + text(value)


def block(*fields):
    return b"".join(field_line(name, value) for name, value in fields)


def connect_fields(target):
    return ((":method", "CONNECT"), (":authority", target))


def get_fields(authority, method="GET", path="/"):
    return ((":method", method), (":scheme", "http"), (":authority", authority), (":path", path))


def headers(stream, *fields, end=False, flags=END_HEADERS):
    return frame(HEADERS, flags | (END_STREAM if end else 0), stream, block(*fields))


def data(stream, payload=b"", end=False):
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window(stream, more):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", more))


def settings(*pairs, flags=0):
    return frame(SETTINGS, flags, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(payload=b"\0" * 8, flags=0):
    return frame(PING, flags, 0, payload)


@dataclass
class Seen:
    """What a client has seen of one stream."""

    status: int = None
    fields: dict = field(default_factory=dict)
    content: bytes = b""
    has_end: bool = False
    code: int = None  # of a reset

    @property
    def is_over(self):
        return self.has_end or self.code is not None


class Frames:
    """A connection. `client` is a wire.Client whose handshake offered h2."""

    def __init__(self, client, preface=True, acknowledges=True):
        assert client.tls.selected_alpn_protocol() == "h2"
        self.client = client
        self.acknowledges = acknowledges
        self.streams = {}
        self.settings = {}
        self.goaway = None  # the error code
        self.pings = []  # payloads of acknowledgements
        self.credit = {}  # by WINDOW_UPDATE frames
        self.is_ended = False
        self._data = b""
        if preface:
            self.send(PREFACE + settings())

    def send(self, *frames):
        """Sends them in one piece; a proxy that has ended the connection meanwhile has had its say."""
        try:
            self.client.send(b"".join(frames))
        except OSError:
            pass
        return self

    def of(self, stream):
        return self.streams.setdefault(stream, Seen())

    def wait(self, is_so=lambda: False):
        """Reads until it is so, or the connection has ended."""
        while not is_so() and not self.is_ended:
            more = self.client.read()
            self.is_ended = not more
            self._data += more
            while len(self._data) >= 9 and len(self._data) >= 9 + int.from_bytes(self._data[:3], "big"):
                size = int.from_bytes(self._data[:3], "big")
                head, payload = self._data[:9], self._data[9 : 9 + size]
                self._data = self._data[9 + size :]
                self._take(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)
        return self

    def sync(self):
        """Waits until the proxy has read all that was sent, and answers what it has to say about it."""
        mark = len(self.pings)
        self.send(ping(b"in sync?"))
        return self.wait(lambda: len(self.pings) > mark)

    def _take(self, kind, flags, id, payload):
        if kind == HEADERS:
            self._take_block(self.of(id), payload)
        elif kind == DATA:
            self.of(id).content += payload
            if payload:
                self.send(window(0, len(payload)))
        elif kind == RST_STREAM:
            self.of(id).code = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == PING and flags & ACK:
            self.pings.append(payload)
        elif kind == WINDOW_UPDATE:
            self.credit[id] = self.credit.get(id, 0) + int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            pairs = [payload[at : at + 6] for at in range(0, len(payload), 6)]
            self.settings |= dict(struct.unpack(">HI", pair) for pair in pairs)
            if self.acknowledges:
                self.send(settings(flags=ACK))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.of(id).has_end = True

    def _take_block(self, seen, payload):
        if not hasattr(self, "_decoder"):
            import hpack

            self._decoder = hpack.Decoder()
        fields = dict(self._decoder.decode(payload))
        seen.fields |= fields
        seen.status = int(fields.get(":status", seen.status or 0))
