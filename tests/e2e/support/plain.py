"""Plain HTTP/1.1 at both ends of the proxy: an origin that reads requests strictly and keeps the raw bytes, and
a client's strict reading of responses.

Strict means: what this origin takes for a request is one by the letter of RFC 9112, in the one form that the
proxy promises to write. Anything else is a violation, kept and asserted on at the end.
"""

import re
import threading
from dataclasses import dataclass, field

from support.origin import Origin
from support.scale import PATIENCE

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") (\*|/[!-~]*) HTTP/1\.1")
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t -~\x80-\xff]*)")
FIELD = re.compile(rb"(" + TOKEN + rb"): ([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?|)")


class Violation(Exception):
    """What came is not what a strict reader takes."""


@dataclass
class Message:
    """One request or response as a strict reader reads it."""

    start: tuple  # method and target, or status and reason
    fields: list  # (name in lower case, value), in order
    body: bytes = b""
    trailers: list = field(default_factory=list)
    raw: bytes = b""  # head and body as they came
    connection: int = 0  # of the origin, counted from 1
    is_cut: bool = False

    @property
    def status(self):
        return self.start[0]

    @property
    def reason(self):
        return self.start[1]

    @property
    def method(self):
        return self.start[0]

    @property
    def target(self):
        return self.start[1]

    def get(self, name):
        """The value of the one field of this name, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands twice: {self.fields}"
        return values[0] if values else None

    def all(self, name):
        return [value for key, value in self.fields if key == name]


class Reader:
    """Takes messages off a source of bytes, `read()`, which gives b"" at the end."""

    CHUNK = re.compile(rb"[0-9a-f]{1,16}")

    def __init__(self, read):
        self._read = read
        self.data = b""
        self.is_ended = False
        self.taken = b""

    def fill(self):
        more = self._read()
        self.is_ended = not more
        self.data += more
        return bool(more)

    def take(self, size):
        while len(self.data) < size:
            if not self.fill():
                raise EOFError(f"{len(self.data)} of {size} bytes: {self.data[:200]!r}")
        taken, self.data = self.data[:size], self.data[size:]
        self.taken += taken
        return taken

    def line(self):
        while b"\n" not in self.data:
            if not self.fill():
                raise EOFError(f"no line: {self.data[:200]!r}")
        line = self.take(self.data.index(b"\n") + 1)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise Violation(f"line end: {line!r}")
        return line[:-2]

    def fields(self):
        fields = []
        while line := self.line():
            found = FIELD.fullmatch(line)
            if not found:
                raise Violation(f"field: {line!r}")
            fields.append((found[1].decode().lower(), found[2].decode("latin-1")))
        return fields

    def chunks(self):
        body = b""
        while True:
            line = self.line()
            if not self.CHUNK.fullmatch(line):
                raise Violation(f"chunk size: {line!r}")
            size = int(line, 16)
            if size == 0:
                return body, self.fields()
            body += self.take(size)
            if self.take(2) != b"\r\n":
                raise Violation("no line end after a chunk")

    def framing(self, fields):
        """The length of the body, "chunked", or None."""
        lengths = [value for name, value in fields if name == "content-length"]
        codings = [value for name, value in fields if name == "transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            raise Violation(f"framed twice: {fields}")
        if codings:
            if codings != ["chunked"]:
                raise Violation(f"coding: {codings}")
            return "chunked"
        if lengths and not re.fullmatch(r"0|[1-9][0-9]{0,18}", lengths[0]):
            raise Violation(f"length: {lengths}")
        return int(lengths[0]) if lengths else None

    def request(self):
        """The next request, or None at an end between two."""
        self.taken = b""
        if not self.data and not self.fill():
            return None
        found = REQUEST_LINE.fullmatch(self.line())
        if not found:
            raise Violation(f"request line: {self.taken!r}")
        message = Message((found[1].decode(), found[2].decode()), self.fields())
        if len(message.all("host")) != 1:
            raise Violation(f"hosts: {message.fields}")
        framing = self.framing(message.fields)
        return self.body(message, framing or 0)

    def body(self, message, framing):
        try:
            if framing == "chunked":
                message.body, message.trailers = self.chunks()
            else:
                message.body = self.take(framing)
        except EOFError:
            message.is_cut = True
            message.body = self.data
        message.raw = self.taken
        return message

    def response(self, method="GET"):
        """The next response, interim or not. A body that ends with the connection is read to there."""
        self.taken = b""
        found = STATUS_LINE.fullmatch(self.line())
        if not found:
            raise Violation(f"status line: {self.taken!r}")
        message = Message((int(found[1]), found[2].decode("latin-1")), self.fields())
        framing = self.framing(message.fields)
        if method == "HEAD" or message.status < 200 or message.status in (204, 304):
            message.raw = self.taken
            return message
        if framing is not None:
            return self.body(message, framing)
        while self.fill():
            pass
        return self.body(message, len(self.data))


def ok(body=b"yes", *fields, status="200 OK"):
    """A response with a length."""
    head = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


class StrictOrigin(Origin):
    """Answers each request with `answer(request)`: the bytes to send; None ends the connection."""

    def __init__(self, answer=lambda request: ok(), reader=Reader, **options):
        self._reader = reader
        self.requests = []
        self.violations = []
        self._answer = answer
        self._lock = threading.Lock()
        self._count = 0
        super().__init__(self._serve, **options)

    def _serve(self, conn):
        conn.settimeout(PATIENCE * 2)
        with self._lock:
            self._count += 1
            number = self._count
        reader = self._reader(lambda: conn.recv(65536))
        while True:
            try:
                request = reader.request()
            except (Violation, EOFError) as problem:
                self.violations.append(f"{problem!r} in {reader.taken + reader.data!r}"[:2000])
                return
            if request is None:
                return
            request.connection = number
            with self._changed:
                self.requests.append(request)
                self._changed.notify_all()
            answer = None if request.is_cut else self._answer(request)
            if answer is None:
                return
            conn.sendall(answer)

    def wait_requests(self, count):
        self._wait(lambda: len(self.requests) >= count, f"{count} requests")
        return self.requests[:count]


def url(server, path="/", host="origin.test"):
    return f"http://{host}:{server.port}{path}"


def head(method, target, *fields, host=None, version="HTTP/1.1"):
    """A plain request's head as clients send it; the Host is the URL's unless it is given."""
    if host is None:
        host = target.split("://", 1)[1].split("/", 1)[0].split("?", 1)[0]
    lines = [f"{method} {target} {version}", f"Host: {host}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


class PlainClient:
    """Requests over one connection to the proxy (a wire.Client)."""

    def __init__(self, client):
        self.client = client
        self.reader = Reader(client.read)
        self.asked = 0  # requests whose heads were sent in one piece

    def send(self, data):
        self.asked += data.count(b" HTTP/1.1\r\n") + data.count(b" HTTP/1.0\r\n")
        self.client.send(data)
        return self

    def read(self, method="GET"):
        return self.reader.response(method)

    def get(self, target, *fields):
        return self.send(head("GET", target, *fields)).read()

    def end(self):
        """What is left up to the end, and how it ended."""
        while not self.reader.is_ended and self.reader.fill():
            pass
        return self.reader.data, self.client.ending
