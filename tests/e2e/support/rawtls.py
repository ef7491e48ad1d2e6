"""A TLS 1.2 client that shows any bytes as its certificates, and goes no further.

Up to the Certificate message a TLS 1.2 handshake is in the clear, so no cryptography is needed: the
proxy judges the chain as soon as it is there, and the alert can be read.
"""

import os
import socket
import struct

from support.scale import PATIENCE

HANDSHAKE, ALERT = 22, 21
HANDSHAKE_FAILURE = 40
SERVER_HELLO_DONE = 14
RECORD = 16 * 1024


def vector(size, *parts):
    """`parts` behind their length in `size` bytes."""
    body = b"".join(parts)
    return len(body).to_bytes(size, "big") + body


def extension(kind, data):
    return struct.pack("!H", kind) + vector(2, data)


SCHEMES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0401, 0x0807)


def client_hello(server_name, schemes=SCHEMES):
    """`schemes` are those of signature_algorithms; none at all: without that extension."""
    suites = struct.pack("!3H", 0xC02B, 0xC02F, 0x00FF)
    listed = struct.pack(f"!{len(schemes)}H", *schemes)
    extensions = [
        extension(0, vector(2, b"\0" + vector(2, server_name.encode()))),
        extension(10, vector(2, struct.pack("!2H", 0x001D, 0x0017))),
        extension(11, vector(1, b"\0")),
        extension(23, b""),
    ]
    if schemes:
        extensions.append(extension(13, vector(2, listed)))
    return b"".join(
        [b"\x03\x03", os.urandom(32), vector(1), vector(2, suites), vector(1, b"\0")]
        + [vector(2, *extensions)]
    )


class RawClient:
    """One connection; `show` is all that it can do."""

    def __init__(self, address, server_name="proxy.test", schemes=SCHEMES):
        self._sock = socket.create_connection(address, PATIENCE)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._messages = b""
        self._send(1, client_hello(server_name, schemes))

    def read_server_hello(self):
        """Waits for the server's whole first flight."""
        while self._next_message() != SERVER_HELLO_DONE:
            pass
        return self

    def show(self, *certificates):
        """Sends these as the chain, each as bytes."""
        self._send(11, vector(3, *(vector(3, der) for der in certificates)))

    def read_alert(self):
        """The number of the alert that the proxy ends the handshake with; None: it hung up."""
        while (record := self._next_record()) is not None:
            if record[0] == ALERT:
                return record[1][1]
        return None

    def close(self):
        self._sock.close()

    def _send(self, kind, body):
        message = bytes([kind]) + vector(3, body)
        for at in range(0, len(message), RECORD):
            self._sock.sendall(b"\x16\x03\x03" + vector(2, message[at : at + RECORD]))

    def _next_record(self):
        while len(self._data) < 5 or len(self._data) < 5 + int.from_bytes(self._data[3:5], "big"):
            try:
                more = self._sock.recv(65536)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self._data += more
        end = 5 + int.from_bytes(self._data[3:5], "big")
        kind, body, self._data = self._data[0], self._data[5:end], self._data[end:]
        return kind, body

    def _next_message(self):
        while len(self._messages) < 4 or len(self._messages) < 4 + int.from_bytes(
            self._messages[1:4], "big"
        ):
            record = self._next_record()
            assert record and record[0] == HANDSHAKE, f"no ServerHelloDone, but {record}"
            self._messages += record[1]
        kind, end = self._messages[0], 4 + int.from_bytes(self._messages[1:4], "big")
        self._messages = self._messages[end:]
        return kind
