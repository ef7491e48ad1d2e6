"""What stands behind the proxy: TCP servers with a habit each, and ports that do not answer.

Each server counts its connections, so that a test can say that nobody was here.
"""

import contextlib
import hashlib
import socket
import struct
import threading

from support.scale import PATIENCE

threading.stack_size(256 * 1024)  # a thousand connections, a thread each

CHUNK = 64 * 1024


def pattern(size, seed=0):
    """Yields `size` bytes in chunks, not compressible into anything regular, the same each time."""
    block = hashlib.shake_256(bytes([seed])).digest(CHUNK)
    while size:
        yield block[:size]
        size -= min(size, CHUNK)


def pattern_sha256(size, seed=0):
    digest = hashlib.sha256()
    for chunk in pattern(size, seed):
        digest.update(chunk)
    return digest.hexdigest()


def reset(conn):
    """Closes with RST instead of FIN."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


class Origin:
    """A TCP server that runs `habit(connection)` in a thread for each connection."""

    def __init__(self, habit, address="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=2048)
        self.address, self.port = self._listener.getsockname()[:2]
        self._habit = habit
        self._open = set()
        self.accepted = 0
        self.finished = 0
        self.peak = 0  # connections at a time
        self.failures = []
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def live(self):
        return self.accepted - self.finished

    def wait_accepted(self, count=1):
        self._wait(lambda: self.accepted >= count, f"{count} connections")

    def wait_idle(self):
        self._wait(lambda: self.live == 0, "all connections to end")

    def stop(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for conn in list(self._open):
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)

    def _wait(self, condition, what):
        with self._changed:
            done = self._changed.wait_for(condition, PATIENCE)
        assert done, f"waited for {what}; {self.accepted} came, {self.live} are open"

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.accepted += 1
                self.peak = max(self.peak, self.live)
                self._open.add(conn)
                self._changed.notify_all()
            threading.Thread(target=self._run, args=(conn,), daemon=True).start()

    def _run(self, conn):
        try:
            self._habit(conn)
        except OSError as problem:
            self.failures.append(problem)
        finally:
            conn.close()
            with self._changed:
                self._open.discard(conn)
                self.finished += 1
                self._changed.notify_all()


def take_head(conn):
    """A head with its empty line, and what came with it; None for the head: the peer has ended before."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(CHUNK)
        if not more:
            return None, data
        data += more
    end = data.index(b"\r\n\r\n") + 4
    return data[:end], data[end:]


def echo(conn):
    """Sends back what comes, at once."""
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := conn.recv(CHUNK):
        conn.sendall(data)


def echo_after_end(conn):
    """Reads to the end, and only then sends everything back: needs a half-closed connection."""
    chunks = []
    while data := conn.recv(CHUNK):
        chunks.append(data)
    conn.sendall(b"".join(chunks))


def silence(conn):
    """Takes everything and says nothing."""
    while conn.recv(CHUNK):
        pass


def source(size):
    """Sends `size` bytes of the pattern and ends."""

    def habit(conn):
        for chunk in pattern(size):
            conn.sendall(chunk)

    return habit


def greet(text):
    """Speaks first, then waits for the end."""

    def habit(conn):
        conn.sendall(text)
        silence(conn)

    return habit


def both_ways(size):
    """Sends `size` bytes while it takes whatever comes, then sends the SHA-256 of what came."""

    def habit(conn):
        sender = threading.Thread(target=send_pattern, args=(conn, size))
        sender.start()
        digest = hashlib.sha256()
        while data := conn.recv(CHUNK):
            digest.update(data)
        sender.join()
        conn.sendall(digest.hexdigest().encode())

    return habit


def send_pattern(conn, size):
    for chunk in pattern(size, seed=1):
        conn.sendall(chunk)


def noting_end(ended):
    """Takes everything, and notes in a list how it has ended: "fin" or "reset"."""

    def habit(conn):
        try:
            silence(conn)
            ended.append("fin")
        except ConnectionResetError:
            ended.append("reset")

    return habit


def reset_after(count):
    """Resets the connection once `count` bytes have come; 0: at once."""

    def habit(conn):
        seen = 0
        while seen < count:
            data = conn.recv(CHUNK)
            if not data:
                break
            seen += len(data)
        reset(conn)

    return habit


def end_first(conn):
    """Ends its own direction at once and goes on reading; keeps what came."""
    conn.shutdown(socket.SHUT_WR)
    silence(conn)


@contextlib.contextmanager
def dead_port(address="127.0.0.1"):
    """A port that is taken and refuses every connection."""
    with socket.socket() as holder:
        holder.bind((address, 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def blackhole(address="127.0.0.1", port=0):
    """A port on which connecting neither succeeds nor fails: its queue is full."""
    with full_queue(address, port) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def full_queue(address="127.0.0.1", port=0, filled_from=None):
    """The listening socket of a black hole; accepting from it lets those who wait connect.

    `filled_from`: the address of those that fill it, by which they can be told from others.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            if filled_from:
                filler.bind((filled_from, 0))
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener


def connecting(proxy, port):
    """How many connects to `port` are under way."""
    with open(f"/proc/{proxy.pid}/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)
