"""`sallyport connect` as a test starts it, and a plain client of it."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

from support.proxy import BINARY, SANITIZER, Lines
from support.scale import PATIENCE


class Sidecar:
    """One sidecar with its files; `options` are further arguments."""

    def __init__(self, pki, proxy, identity=None, options=(), environment=None, before=None):
        identity = identity or pki.worker
        self.process = subprocess.Popen(
            [
                *(BINARY, "connect", "--listen", "127.0.0.1:0"),
                *("--proxy", proxy, "--cert", identity.chain, "--key", identity.key),
                *("--ca", pki.server_ca.path),
                *map(str, options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
            preexec_fn=before,
        )
        self.stdout = Lines(self.process.stdout)
        self.stderr = Lines(self.process.stderr)
        self._is_checked = False

    def wait_ready(self):
        ready = self.stdout.wait(r"^ready connect=127\.0\.0\.1:(\d+)")
        assert ready, f"ended before it was ready: {self.stderr.text()}"
        self.port = int(ready.group(1))
        self.address = ("127.0.0.1", self.port)
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self, number=signal.SIGTERM, expected=0):
        """Ends it, once, and checks that it went well."""
        if self._is_checked:
            return
        self._is_checked = True
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.stderr.join()
        assert not SANITIZER.search(self.stderr.text()), self.stderr.text()
        assert code == expected, f"exit status {code}, not {expected}: {self.stderr.text()}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # -- a plain client -----------------------------------------------------------------------

    def dial(self):
        return socket.create_connection(self.address, PATIENCE)

    def say(self, data):
        """The answer to these bytes on a connection of their own, up to its end."""
        with self.dial() as sock:
            sock.sendall(data)
            return read_to_end(sock)

    def ask(self, target):
        """Status line and fields of the answer to a CONNECT."""
        with self.dial() as sock:
            sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            return read_head(sock)

    @contextlib.contextmanager
    def tunnel(self, target):
        with self.dial() as sock:
            sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            status, _ = read_head(sock)
            assert status.startswith("HTTP/1.1 200 "), status
            yield sock


def stop_all(sidecars):
    """Stops each, which checks how it ends; none outlives that."""
    try:
        for one in sidecars:
            one.stop()
    finally:
        for one in sidecars:
            one.kill()


def read_to_end(sock):
    data = b""
    while more := sock.recv(65536):
        data += more
    return data.decode()


def read_head(sock):
    """The head of an answer, byte by byte: what comes after it stays."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = sock.recv(1)
        assert more, f"no whole answer: {head!r}"
        head += more
    lines = head.decode("ascii").split("\r\n")
    return lines[0], Fields(re.split(r":\s*", line, maxsplit=1) for line in lines[1:] if line)


class Fields(dict):
    """Fields of an answer; their names are in any case (RFC 9110 5.1)."""

    def __init__(self, pairs):
        super().__init__((name.lower(), value) for name, value in pairs)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())


class TlsServer:
    """A TLS server with any certificate, such as no proxy of ours would serve. It answers one request.

    `client_ca` is what it asks client certificates of; None: it does not ask. `received` has what came
    over TLS, `failed` the handshakes that did not come about.
    """

    def __init__(self, leaf, client_ca=None, answer=b"", maximum=ssl.TLSVersion.TLSv1_3):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = maximum
        self._context.load_cert_chain(leaf.chain, leaf.key)
        if client_ca:
            self._context.load_verify_locations(client_ca)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = []
        self.failed = []
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(conn,), daemon=True).start()

    def _talk(self, conn):
        try:
            with self._context.wrap_socket(conn, server_side=True) as tls:
                self.received.append(tls.recv(65536))
                tls.sendall(self._answer)
        except (ssl.SSLError, OSError) as problem:
            self.failed.append(problem)
        finally:
            conn.close()
