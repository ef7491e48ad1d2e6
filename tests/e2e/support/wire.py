"""A client that does exactly what it is told, down to the byte and the way it hangs up.

TLS runs over memory BIOs, so that a test can cut a flight anywhere, end one direction and go on
reading, and tell a close_notify, a bare FIN, a reset and an alert apart.
"""

import contextlib
import enum
import hashlib
import re
import select
import socket
import ssl
from dataclasses import dataclass

from support.origin import pattern, reset
from support.scale import PATIENCE

RECORD = 16 * 1024
SMALL_BUFFER = 16 * 1024
LARGE_BUFFER = 1024 * 1024


class Ending(enum.Enum):
    """How the other side stopped sending."""

    CLOSE_NOTIFY = "close_notify"
    FIN = "fin"  # without close_notify
    RESET = "reset"
    ALERT = "alert"


@dataclass(frozen=True)
class Answer:
    """One response head with its body."""

    version: str
    status: int
    reason: str
    fields: dict  # names in lower case
    body: bytes = b""

    @property
    def id(self):
        return self.fields["x-request-id"]


def parse_head(head):
    lines = head.decode("ascii").split("\r\n")
    version, status, reason = lines[0].split(" ", 2)
    fields = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        assert name.lower() not in fields, f"a field stands twice: {head}"
        fields[name.lower()] = value.strip()
    return Answer(version, int(status), reason, fields)


def check_answer(answer):
    """What every answer of the proxy has to be."""
    assert answer.version == "HTTP/1.1"
    assert re.fullmatch(r"[0-9a-f]{16}", answer.fields["x-request-id"]), answer
    # Ours is the last one: those further on stand before it (RFC 9209 2).
    assert re.search(r"(^|, )sallyport\b[^,]*$", answer.fields["proxy-status"], re.I), answer
    assert re.fullmatch(r"[ -~]{1,80}", answer.reason), answer
    if answer.status == 200:
        assert "content-length" not in answer.fields, answer
        assert "transfer-encoding" not in answer.fields, answer
    else:
        assert f"(id {answer.id})" in answer.reason, answer
        assert "content-length" in answer.fields, answer


def client_context(
    ca,
    identity=None,
    minimum=ssl.TLSVersion.TLSv1_2,
    maximum=ssl.TLSVersion.TLSv1_3,
    alpn=None,
    has_name=True,
):
    """A context that trusts `ca` (a path) and shows `identity` (a pki.Leaf, or None)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = has_name
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that weak keys and old versions can be offered
    context.minimum_version, context.maximum_version = minimum, maximum
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.load_verify_locations(ca)
    if identity:
        context.load_cert_chain(identity.chain, identity.key)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def alert_name(problem):
    """OpenSSL's name of an alert; Python does not know every one."""
    return problem.reason or str(problem).upper().replace(" ", "_")


class Speaker:
    """What can be said by who can send() and read(). Bytes that were read too early are in `_plain`."""

    def read_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            more = self.read()
            assert more, f"only {len(data)} of {size} bytes, then {self.ending}"
            data += more
        self._plain = bytes(data[size:]) + self._plain
        return bytes(data[:size])

    def begin_head(self):
        """Has what was written of a head on its way, be it whole or not."""
        return self

    def read_to_end(self):
        """Everything up to the end, and how it ended."""
        data = bytearray()
        while more := self.read():
            data += more
        return bytes(data), self.ending

    def refusal(self, is_slow=False):
        """The alert with which the proxy refuses this client, as the client gets to read it.

        A TLS 1.3 client speaks before it knows that it is refused: at once or, when `is_slow`,
        after the alert has come. A proxy that has closed by then resets, and the writing fails.
        """
        try:
            self.handshake()
            if is_slow:
                select.select([self.sock], [], [], PATIENCE)
            for _ in range(2):
                self.send(connect_head("origin.test:443"))
        except ssl.SSLError as problem:
            return alert_name(problem)
        data, ending = self.read_to_end()
        assert ending is Ending.ALERT, f"{data!r}, then {ending}"
        return self.alert

    # -- HTTP ---------------------------------------------------------------------------------

    def read_answer(self):
        """The next response, checked. Bytes after it stay to be read."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.read()
            assert more, f"no whole answer: {data!r}, then {self.ending}"
            data += more
        head, self._plain = data.split(b"\r\n\r\n", 1)
        answer = parse_head(head)
        check_answer(answer)
        size = int(answer.fields.get("content-length", "0"))
        body = self.read_exactly(size) if size else b""
        return Answer(answer.version, answer.status, answer.reason, answer.fields, body)

    def ask(self, target, extra=b""):
        """CONNECT to `target`, with `extra` bytes in the same record, and the answer."""
        self.send(connect_head(target) + extra)
        return self.read_answer()

    def tunnel(self, target):
        answer = self.ask(target)
        assert answer.status == 200, answer
        return answer

    def echo(self, data):
        """Sends `data` and expects it back."""
        self.send(data)
        assert self.read_exactly(len(data)) == data


class Client(Speaker):
    """One TLS connection to the proxy. Methods raise what Python's ssl and socket raise."""

    def __init__(self, address, context, server_name="proxy.test", source=None, session=None):
        source_address = (source, 0) if source else None
        self.sock = socket.create_connection(address, PATIENCE, source_address=source_address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._in, self._out, server_hostname=server_name, session=session
        )
        self._plain = b""
        self.ending = None
        self.alert = None  # OpenSSL's name of it, with Ending.ALERT

    @property
    def local_port(self):
        return self.sock.getsockname()[1]

    # -- the connection -----------------------------------------------------------------------

    def handshake(self):
        self._run(self.tls.do_handshake)
        self.flush()
        return self

    def first_flight(self):
        """The ClientHello, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self._out.read()

    def read_flight(self):
        """Reads what the server says to the first flight, and answers nothing."""
        while True:
            try:
                return self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._fill()

    def flush(self):
        data = self._out.read()
        if data:
            self.sock.sendall(data)

    def send(self, data):
        for at in range(0, len(data), RECORD):
            self.tls.write(data[at : at + RECORD])
        self.flush()
        return self

    def seal(self, data):
        """`data` as TLS records, not sent."""
        self.tls.write(data)
        return self._out.read()

    def send_what_fits(self, data):
        """Sends until nobody takes any more. What is left is for send_rest()."""
        self.sock.settimeout(0.2)
        sealed = b"".join(self.seal(data[at : at + RECORD]) for at in range(0, len(data), RECORD))
        with contextlib.suppress(TimeoutError):
            while sealed:
                sealed = sealed[self.sock.send(sealed) :]
        self.sock.settimeout(PATIENCE)
        return sealed

    def send_rest(self, unsent):
        self.sock.sendall(unsent)

    def fill_up(self, block, still):
        """Sends `block` again and again, until nobody takes a byte for so many seconds. What is left is for send_rest()."""
        return send_until_blocked(self.sock, lambda: self.seal(block), still)

    def stall(self):
        """Has room for little; before the handshake. It does not read for a while."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)

    def resume(self):
        """It will read now."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LARGE_BUFFER)

    def fill(self):
        """Sends until nobody takes any more."""
        self.sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                self.sock.sendall(self.seal(b"x" * 16_000))

    def half_close(self):
        """Sends close_notify and stays able to read."""
        self._begin_close()
        self.flush()

    def fin(self):
        """Ends the sending direction of TCP without a close_notify."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        reset(self.sock)

    def close(self):
        """Hangs up as a well-behaved client does; harmless when it has already ended."""
        if self.sock.fileno() < 0:
            return
        try:
            self.sock.setblocking(False)
            self.half_close()
        except (OSError, ValueError):
            pass
        self.sock.close()

    # -- bytes --------------------------------------------------------------------------------

    def read(self):
        """Some bytes, or b"" at the end, which is then in `ending`."""
        if self._plain:
            return self._take_plain()
        if self.ending:
            return b""
        try:
            return self._run(self._read_once)
        except ConnectionResetError:
            self.ending = Ending.RESET
            return b""

    def exchange(self, size):
        """Sends `size` bytes of the pattern while reading; half-closes; gives what came."""
        chunks = pattern(size)
        received = bytearray()
        pending = b""
        self._drain()
        received += self._take_plain()
        is_open = True
        self.sock.setblocking(False)
        while not self.ending:
            if is_open and not pending:
                chunk = next(chunks, None)
                if chunk is None:
                    self._begin_close()
                    is_open = False
                else:
                    self.tls.write(chunk)
                pending = self._out.read()
            ready = select.select([self.sock], [self.sock] if pending else [], [], PATIENCE)
            assert ready[0] or ready[1], f"stuck after {len(received)} bytes"
            if ready[1]:
                pending = pending[self.sock.send(pending) :]
            if ready[0]:
                self._pull()
                received += self._take_plain()
        self.sock.settimeout(PATIENCE)
        return bytes(received)

    # -- inside -------------------------------------------------------------------------------

    def _begin_close(self):
        self._drain()  # unwrap fails on data that it finds
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass

    def _run(self, step):
        """Runs one TLS operation, moving bytes until it is done."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                self._fill()
            except ssl.SSLError:
                self._flush_alert()
                raise

    def _flush_alert(self):
        try:
            self.flush()
        except OSError:
            pass

    def _fill(self):
        data = self.sock.recv(256 * 1024)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def _pull(self):
        """Takes what the socket has and decrypts it; sets `ending` at the end."""
        try:
            self._fill()
        except ConnectionResetError:
            self.ending = Ending.RESET
            return
        self._drain()

    def _drain(self):
        """Decrypts everything that is here, without waiting for more."""
        while not self.ending:
            try:
                self._plain += self._read_once()
            except ssl.SSLWantReadError:
                return

    def _read_once(self):
        """Decrypted bytes, or b"" with `ending` set. SSLWantReadError: more has to come first."""
        try:
            data = self.tls.read(RECORD)
            if not data:
                self.ending = Ending.CLOSE_NOTIFY
            return data
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLZeroReturnError:
            self.ending = Ending.CLOSE_NOTIFY
        except ssl.SSLError as problem:
            is_cut = problem.reason == "UNEXPECTED_EOF_WHILE_READING"
            self.ending = Ending.FIN if is_cut else Ending.ALERT
            self.alert = alert_name(problem)
        return b""

    def _take_plain(self):
        data, self._plain = self._plain, b""
        return data


def send_until_blocked(sock, data, still):
    """Sends `data()` again and again until there is no room for so many seconds; what of it is left."""
    sock.setblocking(False)
    left = b""
    while select.select([], [sock], [], still)[1]:
        left = left or data()
        left = left[sock.send(left) :]
    sock.settimeout(PATIENCE)
    return left


def connect_head(target, *fields, version="HTTP/1.1"):
    """A CONNECT head as clients send it."""
    lines = [f"CONNECT {target} {version}", f"Host: {target}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def only(version):
    """Options of a client that speaks this version of TLS alone."""
    return {"minimum": version, "maximum": version}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def speak_plain(address, data):
    """What a peer that speaks no TLS gets: all bytes up to the end, and how it ended."""
    with socket.create_connection(address, PATIENCE) as sock:
        sock.sendall(data)
        received = b""
        try:
            while more := sock.recv(65536):
                received += more
        except ConnectionResetError:
            return received, Ending.RESET
        return received, Ending.FIN
