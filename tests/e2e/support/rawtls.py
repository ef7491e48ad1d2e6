"""TLS clients that say any bytes in the place of a handshake message, whole or not.

Up to the client's Finished a TLS 1.2 handshake is in the clear, so no cryptography is needed: the
proxy judges the chain as soon as it is there, and the alert can be read. In TLS 1.3 the secrets come from
a client of OpenSSL, which has read the server's flight.
"""

import os
import socket
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from support.scale import PATIENCE

HANDSHAKE, ALERT = 22, 21
HANDSHAKE_FAILURE = 40
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE = 1, 2, 11, 14
CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE, FINISHED = 15, 16, 20
RECORD = 16 * 1024
PIECE = 1000


def vector(size, *parts):
    """`parts` after their length in `size` bytes."""
    body = b"".join(parts)
    return len(body).to_bytes(size, "big") + body


def extension(kind, data):
    return struct.pack("!H", kind) + vector(2, data)


SCHEMES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0401, 0x0807)


def client_hello(server_name, schemes=SCHEMES, is_1_3=False, padding=0):
    """`schemes` are those of signature_algorithms; none at all: without that extension.

    `is_1_3` offers TLS 1.3 with no key share, so that the server has to ask for one.
    """
    suites = struct.pack("!4H", 0x1301, 0xC02B, 0xC02F, 0x00FF)
    listed = struct.pack(f"!{len(schemes)}H", *schemes)
    extensions = [
        extension(0, vector(2, b"\0" + vector(2, server_name.encode()))),
        extension(10, vector(2, struct.pack("!2H", 0x001D, 0x0017))),
        extension(11, vector(1, b"\0")),
        extension(23, b""),
    ]
    if schemes:
        extensions.append(extension(13, vector(2, listed)))
    if is_1_3:
        extensions += [extension(43, vector(1, b"\x03\x04")), extension(51, vector(2))]
    if padding:
        extensions.append(extension(21, bytes(padding)))
    return b"".join(
        [b"\x03\x03", os.urandom(32), vector(1), vector(2, suites), vector(1, b"\0")]
        + [vector(2, *extensions)]
    )


def message_start(kind, size, sent):
    """The header of a handshake message of `size` bytes, and `sent` of them."""
    return bytes([kind]) + size.to_bytes(3, "big") + bytes(sent)


class RawClient:
    """One connection, and what it says up to the server's verdict."""

    def __init__(self, address, server_name="proxy.test", is_silent=False, **options):
        self._sock = socket.create_connection(address, PATIENCE)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._messages = b""
        if not is_silent:
            self._send(CLIENT_HELLO, client_hello(server_name, **options))

    def read_retry(self):
        """Waits for the HelloRetryRequest."""
        assert self._next_message() == SERVER_HELLO
        return self

    def read_server_hello(self):
        """Waits for the server's whole first flight."""
        while self._next_message() != SERVER_HELLO_DONE:
            pass
        return self

    def show(self, *certificates):
        """Sends these as the chain, each as bytes."""
        self._send(CERTIFICATE, vector(3, *(vector(3, der) for der in certificates)))
        return self

    def exchange_keys(self):
        """A key share of X25519: any 32 bytes are one."""
        self._send(CLIENT_KEY_EXCHANGE, vector(1, b"\x09" + bytes(31)))
        return self

    def begin(self, kind, size):
        """All of a message of `size` bytes but the last one, and all of another record but that."""
        data = message_start(kind, size, size - 1)
        for at in range(0, len(data), PIECE):
            self._send_record(data[at : at + PIECE])
        self._sock.sendall(b"\x16\x03\x03" + RECORD.to_bytes(2, "big") + bytes(RECORD - 1))
        return self

    def say_length(self, kind, size):
        """The first bytes of a message, which say how long it is."""
        self._send_record(message_start(kind, size, 8))

    def wait_end(self):
        """Waits until the proxy has ended the connection."""
        while self._next_record() is not None:
            pass

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
            self._send_record(message[at : at + RECORD])

    def _send_record(self, data):
        self._sock.sendall(b"\x16\x03\x03" + vector(2, data))

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


SUITES = {  # how records are sealed, the key's bytes, the hash
    "TLS_AES_128_GCM_SHA256": (AESGCM, 16, hashes.SHA256),
    "TLS_AES_256_GCM_SHA384": (AESGCM, 32, hashes.SHA384),
    "TLS_CHACHA20_POLY1305_SHA256": (ChaCha20Poly1305, 32, hashes.SHA256),
}


def expand_label(digest, secret, label, length):
    """HKDF-Expand-Label (RFC 8446, 7.1) without a context."""
    info = length.to_bytes(2, "big") + vector(1, b"tls13 " + label) + vector(1)
    return HKDFExpand(digest(), length, info).derive(secret)


class RawClient13:
    """A TLS 1.3 client that has read the server's flight, and writes records of its own from there on.

    `client` is a wire.Client that has not begun, `keylog` the file that its context logs its secrets to,
    and no other's.
    """

    def __init__(self, client, keylog):
        self._client = client
        client.sock.sendall(client.first_flight())
        client.read_flight()
        lines = [line.split() for line in keylog.read_text().splitlines()]
        secret = bytes.fromhex(dict((line[0], line[2]) for line in lines)["CLIENT_HANDSHAKE_TRAFFIC_SECRET"])
        seal, size, digest = SUITES[client.tls.cipher()[0]]
        self._key = seal(expand_label(digest, secret, b"key", size))
        self._iv = int.from_bytes(expand_label(digest, secret, b"iv", 12), "big")
        self._sequence = 0

    def show(self, *certificates):
        entries = b"".join(vector(3, der) + vector(2) for der in certificates)
        body = vector(1) + vector(3, entries)
        message = bytes([CERTIFICATE]) + vector(3, body)
        self._send_records(message, RECORD)
        return self

    def begin(self, kind, size):
        """As of RawClient."""
        self._send_records(message_start(kind, size, size - 1), PIECE)
        header = b"\x17\x03\x03" + RECORD.to_bytes(2, "big")
        self._client.sock.sendall(header + bytes(RECORD - 1))
        return self

    def say_length(self, kind, size):
        self._send_records(message_start(kind, size, 8), PIECE)

    def wait_end(self):
        try:
            while self._client.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass

    def close(self):
        self._client.sock.close()

    def _send_records(self, data, size):
        for at in range(0, len(data), size):
            inner = data[at : at + size] + bytes([HANDSHAKE])
            header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
            nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
            self._client.sock.sendall(header + self._key.encrypt(nonce, inner, header))
            self._sequence += 1
