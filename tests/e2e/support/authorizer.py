"""An authorizer: an HTTP server in the shape of OPA's data API, and one that says what it likes."""

import json

from support.origin import Origin
from support.plain import Reader
from support.scale import eventually

YES = {"result": True}
NO = {"result": False}


def allow(ttl):
    return {"result": {"allow": True, "ttl": ttl}}


def http(body, status="200 OK", *fields):
    """The bytes of an answer."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode() + body


class Authorizer(Origin):
    """Keeps what it is asked in `asked`. `says(input)` gives a value for JSON, bytes that are sent as they are, or None:
    nothing is said, and the connection stays open. With `context` it speaks TLS."""

    def __init__(self, says=lambda _: YES, context=None):
        self.says = says
        self.context = context
        self.asked = []
        self.paths = []
        super().__init__(self._answer)

    @property
    def url(self):
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}/v1/data/egress"

    def wait_asked(self, count):
        eventually(lambda: len(self.asked) >= count, lambda: f"{count} questions; there are {len(self.asked)}")

    def _answer(self, conn):
        if self.context is None:
            self._serve(conn)
            return
        with self.context.wrap_socket(conn, server_side=True) as secure:
            self._serve(secure)

    def _serve(self, conn):
        reader = Reader(lambda: conn.recv(65536))
        while True:
            request, body = self._read(reader)
            if request is None:
                return
            self.paths.append(request)
            asked = json.loads(body)["input"]
            self.asked.append(asked)
            answer = self.says(asked)
            if answer is None:
                conn.recv(1)  # up to its end
                return
            conn.sendall(answer if isinstance(answer, bytes) else http(answer))

    def _read(self, reader):
        try:
            message = reader.request()
        except (OSError, EOFError):
            return None, None
        if message is None:
            return None, None
        assert message.method == "POST", message.method
        return message.target, message.body
