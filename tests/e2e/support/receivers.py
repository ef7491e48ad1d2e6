"""Receivers of audit records, over TCP and TLS: good ones, and some that are up to no good."""

import contextlib
import socket
import ssl
import threading


class Receiver:
    """Takes lines over TCP, a Unix stream, or with `context` TLS. Each connection keeps its bytes."""

    def __init__(self, path=None, port=0, context=None):
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(str(path) if path else ("127.0.0.1", port))
        self.listener.listen()
        self.port = None if path else self.listener.getsockname()[1]
        self.place = f"unix:{path}" if path else f"tcp:127.0.0.1:{self.port}"
        self.context = context
        self.connections = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            taken = Taken(connection)
            self.connections.append(taken)
            while piece := connection.recv(65536):
                taken.data += piece
            taken.is_over = True

    @property
    def data(self):
        return b"".join(each.data for each in self.connections)

    def lines(self):
        return self.data.split(b"\n")[:-1]

    def close(self):
        """Nobody listens there any more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Taken:
    """What has come over one connection."""

    def __init__(self, connection):
        self.data = b""
        self.is_over = False
        self.subject = None
        if isinstance(connection, ssl.SSLSocket):
            shown = connection.getpeercert() or {}
            self.subject = dict(pair[0] for pair in shown.get("subject", ())).get("commonName")


class Silent(Receiver):
    """Accepts, and then neither reads nor says anything."""

    def serve(self, connection):
        self.connections.append(connection)


class Talker(Receiver):
    """Says this, without TLS, and hangs up."""

    def __init__(self, said):
        self.said = said
        super().__init__()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.sendall(self.said)
            connection.recv(1)


def server_context(leaf, clients=None):
    """TLS of a receiver with this certificate; `clients` is the file of the CA that senders must have a certificate of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.chain, leaf.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def syslog_messages(data):
    """The messages of a stream that counts octets (RFC 6587, 3.4.1)."""
    messages = []
    while data:
        length, _, rest = data.partition(b" ")
        messages.append(rest[: int(length)])
        data = rest[int(length) :]
    return messages
