"""A store that proxies share: a real redis-server that can be killed, held and demoted; and one between it and the proxy that
spoils what it says."""

import contextlib
import shutil
import signal
import socket
import subprocess

import pytest

from support.origin import Origin
from support.scale import PATIENCE, eventually


class StoreError(Exception):
    """An error that the store has answered."""


def encode(*words):
    """A command as bytes."""
    data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in data)


def read_raw(file):
    """One answer, or one command, as it came; b"" at the end."""
    line = file.readline()
    if line[:1] == b"$" and line[1:2] != b"-":
        return line + file.read(int(line[1:]) + 2)
    if line[:1] == b"*" and line[1:2] != b"-":
        return line + b"".join(read_raw(file) for _ in range(int(line[1:])))
    return line


def parse(raw):
    """An answer as bytes, an integer, None or a list; and what is left."""
    line, _, rest = raw.partition(b"\r\n")
    kind, value = line[:1], line[1:]
    if kind == b"+":
        return value, rest
    if kind == b":":
        return int(value), rest
    if kind == b"-":
        raise StoreError(value.decode())
    if value == b"-1":
        return None, rest
    if kind == b"$":
        return rest[: int(value)], rest[int(value) + 2 :]
    items = []
    for _ in range(int(value)):
        item, rest = parse(rest)
        items.append(item)
    return items, rest


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Store:
    """A redis-server in `folder`, on a port of its own, that keeps nothing on the disk by itself."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.port = free_port()
        self.options = options
        self._process = None
        self._connection = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, *before):
        """Starts it, with these words in front of the options."""
        program = shutil.which("redis-server")
        if program is None:
            pytest.fail("no redis-server: tools/install test")
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "daemonize": "no", **self.options}
        if not before:
            options.setdefault("save", "")
        command = [program, *before, *(word for name, value in options.items() for word in (f"--{name}", *str(value).split("|")))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        eventually(self._answers, "the store to answer")
        return self

    def _answers(self):
        try:
            return self.ask("PING") == b"PONG"
        except StoreError as error:
            return "NOAUTH" in str(error)
        except OSError:
            self._forget()
            return False

    def kill(self):
        """Ends it at once; what it had is lost."""
        self._forget()
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def hold(self):
        """It says nothing more, and its connections stay."""
        self._process.send_signal(signal.SIGSTOP)

    def release(self):
        self._process.send_signal(signal.SIGCONT)

    def _forget(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(self, *words):
        """The answer to a command."""
        if self._connection is None:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as raw:
                self._connection = raw.makefile("rwb")
        self._connection.write(encode(*words))
        self._connection.flush()
        raw = read_raw(self._connection)
        if not raw:
            raise ConnectionError("the store has gone")
        return parse(raw)[0]


class Meddler(Origin):
    """Between proxies and a store: each answer goes through `spoil(words, raw)`, which gives the bytes to send in its place, or an
    iterator of pieces of them. None: nothing is said any more."""

    def __init__(self, store):
        self.store = store
        self.spoil = None
        super().__init__(self._pass_on)

    @property
    def address_and_port(self):
        return f"127.0.0.1:{self.port}"

    def _pass_on(self, conn):
        with contextlib.ExitStack() as stack:
            above = stack.enter_context(socket.create_connection(("127.0.0.1", self.store.port), PATIENCE))
            above.settimeout(None)
            asked = stack.enter_context(conn.makefile("rb"))
            said = stack.enter_context(above.makefile("rb"))
            while command := read_raw(asked):
                above.sendall(command)
                raw = read_raw(said)
                spoil = self.spoil
                answer = raw if spoil is None else spoil(parse(command)[0], raw)
                if answer is None:
                    while conn.recv(65536):  # up to its end
                        pass
                    return
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    conn.sendall(piece)
