"""A client that says over HTTP/2 what a test writes in HTTP/1.1, so that one test body holds for both protocols.

It is used as a wire.Client is. These are the only differences that it bridges:
- A head opens a stream of the one connection; what follows a CONNECT is its DATA. Pipelined requests are streams.
- The end of a stream is `Ending.CLOSE_NOTIFY`, its reset is `Ending.RESET`. half_close(), reset() and close() of a
  tunnel are those of its stream; the connection ends after close() and reset().
- HTTP/2 has no reason phrase. The proxy says the same sentence in the body of its own answers; it is the reason here.
- A body without a length becomes chunks.
- A head is sent once it is whole. One that a reset leaves unfinished is begun before it: HEADERS without END_HEADERS.
"""

import contextlib
import http
import re
import ssl
import threading

import h2.exceptions

from support.http2 import Http2
from support.origin import pattern
from support.scale import PATIENCE
from support.wire import Ending, Speaker

LEFT_OUT = {"host", "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}
SWALLOWED = 64 * 1024  # bytes that may still come to a tunnel that was closed; after them it is reset


def request_fields(head):
    """The pseudo-fields and fields of a head in HTTP/1.1, and how its content is framed."""
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target = re.fullmatch("([^ ]+) (.*) HTTP/1.[01]", line).groups()
    fields = [tuple(part.strip() for part in each.split(":", 1)) for each in lines]
    fields = [(name.lower(), value) for name, value in fields]
    by_name = dict(fields)
    kept = [(name, value) for name, value in fields if name not in LEFT_OUT]
    if method == "CONNECT":
        return [(":method", method), (":authority", target), *kept], "tunnel"
    scheme, authority, path = re.fullmatch(r"([a-z]+)://([^/?]*)(.*)", target).groups()
    if not path.startswith("/"):
        path = "*" if method == "OPTIONS" and not path else "/" + path
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    framing = "chunked" if "transfer-encoding" in by_name else int(by_name.get("content-length", 0))
    return pseudo + kept, framing


class Exchange:
    """One request on its stream, and its answer as HTTP/1.1."""

    def __init__(self, stream, method, framing):
        self.stream, self.method = stream, method
        self.framing = framing  # what is still to be sent: "tunnel", "chunked", or a number of bytes
        self.status = None
        self.ending = None
        self.answer = self._read()

    @property
    def is_tunnel(self):
        return self.framing == "tunnel" and (self.status or 200) < 300

    @property
    def is_over(self):
        return self.stream.has_end or self.stream.reset is not None or self.stream.session.ended

    def _wait(self, is_so):
        self.stream.session.wait(lambda: is_so() or self.is_over)

    def _read(self):
        stream = self.stream
        seen = 0
        while self.status is None:
            self._wait(lambda: len(stream.heads) > seen)
            if len(stream.heads) == seen:
                self._end()
                return
            fields = [pair for pair in stream.heads[seen] if not pair[0].startswith(":")]
            status = int(dict(stream.heads[seen])[":status"])
            seen += 1
            if status >= 200:
                self.status = status
            yield self._head(status, fields)
        has_length = self.framing == "tunnel" or "content-length" in dict(fields) or self._is_empty()
        while True:
            self._wait(lambda: stream.data)
            if not stream.data:
                break
            data, stream.data = stream.data, b""
            yield data if has_length else b"%x\r\n%b\r\n" % (len(data), data)
        self._end()
        if not has_length and stream.has_end:
            trailers = "".join(f"{name}: {value}\r\n" for name, value in stream.trailers or ())
            yield f"0\r\n{trailers}\r\n".encode("latin-1")

    def _is_empty(self):
        return self.method == "HEAD" or self.status in (204, 304)

    def _head(self, status, fields):
        names = dict(fields)
        reason = http.HTTPStatus(status).phrase if status in http.HTTPStatus._value2member_map_ else ""
        if status > 200 and "x-request-id" in names and names.get("proxy-status", "").startswith("sallyport"):
            self._wait(lambda: False)
            reason = self.stream.data.decode("ascii").splitlines()[0] if self.stream.data else reason
        lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in fields]
        if status >= 200 and self.framing != "tunnel" and "content-length" not in names and not self._is_empty():
            lines.append("transfer-encoding: chunked")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _end(self):
        if self.stream.has_end:
            self.ending = Ending.CLOSE_NOTIFY
        elif self.stream.reset is not None:
            self.ending = Ending.RESET
        else:
            cut = self.stream.session.client.ending
            self.ending = Ending.RESET if cut is Ending.CLOSE_NOTIFY else cut


class Http2Client(Speaker):
    """Says what it is told to over `client`, a wire.Client that offers h2 and nothing else."""

    def __init__(self, client):
        self.client = client
        self.session = None
        self.ending = None
        self._plain = b""
        self._unsent = b""
        self._sending = None  # the exchange whose content comes next
        self._asked = []  # exchanges whose answers are not read yet
        self._is_closed = False
        self._gives_credit = True
        self.stream_id = None  # of the last request

    def __getattr__(self, name):
        return getattr(self.client, name)  # its socket, TLS, alert

    def handshake(self):
        self.client.handshake()
        self.session = Http2(self.client)
        return self

    # -- what is sent -------------------------------------------------------------------------

    def send(self, data):
        self._unsent += data
        while self._unsent and self._send_some():
            pass
        return self

    def _send_some(self):
        sending = self._sending
        if sending and (sending.is_tunnel or sending.framing == "chunked" or sending.framing):
            if sending.framing == "tunnel" and sending.status is not None and not sending.is_tunnel:
                self._sending = None  # it was refused: what comes is the next request
                return True
            return self._send_content(sending)
        if b"\r\n\r\n" not in self._unsent:
            return False
        head, self._unsent = self._unsent.split(b"\r\n\r\n", 1)
        fields, framing = request_fields(head)
        if self.session.ended:
            raise ConnectionResetError(f"the connection has ended: {self.client.ending}")
        self.ending = None
        stream = self.session.request(fields, end=framing == 0)
        stream.gives_credit = self._gives_credit
        self.stream_id = stream.id
        self._sending = Exchange(stream, fields[0][1], framing)
        self._asked.append(self._sending)
        return True

    def _send_content(self, sending):
        if sending.framing == "tunnel":
            piece, self._unsent = self._unsent, b""
            sending.stream.check_alive()
            with contextlib.suppress(ConnectionResetError):  # what a socket has taken is lost as quietly
                sending.stream.send(piece)
            return True
        if sending.framing == "chunked":
            return self._send_chunk(sending)
        piece, self._unsent = self._unsent[: sending.framing], self._unsent[sending.framing :]
        sending.framing -= len(piece)
        sending.stream.send(piece, end=sending.framing == 0)
        return True

    def _send_chunk(self, sending):
        line, found, rest = self._unsent.partition(b"\r\n")
        size = int(line.split(b";")[0], 16) if found else None  # HTTP/2 has no extensions
        if size is None or (len(rest) < size + 2 if size else b"\r\n\r\n" not in found + rest):
            return False
        if size:
            sending.stream.send(rest[:size])
            self._unsent = rest[size + 2 :]
            return True
        lines, self._unsent = (found + rest).split(b"\r\n\r\n", 1)
        trailers = [each.decode("latin-1").split(": ", 1) for each in lines.split(b"\r\n") if each]
        if trailers:
            self.session.h2.send_headers(
                sending.stream.id, [(name.lower(), value) for name, value in trailers], end_stream=True
            )
            self.session.flush()
        else:
            sending.stream.send(b"", end=True)
        sending.framing = 0
        return True

    def send_what_fits(self, data):
        """Sends until the window stays closed. What is left is for send_rest()."""
        h2, stream = self.session.h2, self._sending.stream
        room = lambda: h2.local_flow_control_window(stream.id)
        while data and self.session.wait_for(lambda: room() > 0, seconds=0.2):
            piece, data = data[: room()], data[room() :]
            stream.send(piece)
        return data

    def send_rest(self, unsent):
        self.send(unsent)

    def fill_up(self, block, still):
        """Sends `block` again and again, until the window stays closed for so many seconds. Nothing is left to be sent."""
        h2, sending = self.session.h2, self._sending
        room = lambda: not sending.is_over and h2.local_flow_control_window(sending.stream.id)
        while self.session.wait_for(lambda: room() or sending.is_over, still):
            sending.stream.send(block[: room()])
        return b""

    def stall(self):
        """Gives the streams that it opens no credit beyond their first window."""
        self._gives_credit = False

    def resume(self):
        self._gives_credit = True
        for each in self._asked:
            each.stream.give_credit()

    def fill(self):
        """Sends until the window stays closed."""
        self.sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                self._sending.stream.send(b"x" * 16_000)
        self.sock.settimeout(PATIENCE)

    def half_close(self):
        if self._sending is None:
            self.client.half_close()
        elif not self._sending.stream.has_said_end:
            self._sending.stream.send(b"", end=True)

    def begin_head(self):
        id = self.session.h2.get_next_available_stream_id()
        self.client.send(b"\0\0\1\1\0" + id.to_bytes(4, "big") + b"\x83")  # :method
        self._unsent = b""
        return self

    def reset(self):
        if self._unsent and self._sending is None:
            self.begin_head()
        open_ones = [each for each in self._asked if not each.is_over]
        for each in open_ones:
            each.stream.cancel()
        if open_ones:
            self.client.close()
        else:
            self.client.reset()
        self._is_closed = True

    def close(self):
        """Ends its tunnels, and the connection once they have ended on the other side, too."""
        if self._is_closed or self.client.sock.fileno() < 0:
            return
        self._is_closed = True
        tunnels = [each for each in self._asked if each.is_tunnel and not each.is_over]
        if not tunnels:
            self.client.close()
            return
        with contextlib.suppress(OSError, ssl.SSLError):
            for each in tunnels:
                if not each.stream.has_said_end:
                    each.stream.send(b"", end=True)
        threading.Thread(target=self._linger, args=(tunnels,), daemon=True).start()

    def _linger(self, tunnels):
        with contextlib.suppress(OSError, ValueError, ssl.SSLError, h2.exceptions.H2Error):
            for each in tunnels:
                each.stream.session.wait(lambda each=each: each.is_over or len(each.stream.data) > SWALLOWED)
                if not each.is_over:
                    each.stream.cancel()
        self.client.close()

    # -- what is read -------------------------------------------------------------------------

    def read(self):
        if self._plain:
            data, self._plain = self._plain, b""
            return data
        if self.ending:
            return b""
        if self.session is None:  # its handshake came to no end
            data = self.client.read()
            self.ending = self.client.ending
            return data
        while self._asked:
            exchange = self._asked[0]
            data = next(exchange.answer, b"")
            if data:
                return data
            self._asked.pop(0)
            if not self._asked or exchange.ending is not Ending.CLOSE_NOTIFY:
                self.ending = exchange.ending
                return b""
        self.session.wait(lambda: False)
        self.ending = self.client.ending
        return b""

    def exchange(self, size):
        """As that of a wire.Client."""
        for chunk in pattern(size):
            self.send(chunk)
        self.half_close()
        return self.read_to_end()[0]


class StreamClient(Http2Client):
    """A request or more on a connection that others use, too, and that stays as it is when this one leaves."""

    def __init__(self, session):
        super().__init__(session.client)
        self.session = session

    def handshake(self):
        return self

    def reset(self):
        for each in self._asked:
            if not each.is_over:
                each.stream.cancel()
        self._is_closed = True

    def close(self):
        """Ends its direction, and wants nothing more."""
        for each in self._asked:
            if not each.is_over and not each.stream.has_said_end:
                each.stream.send(b"", end=True)
        self.reset()
