"""A fleet as tests use it: a real store that can go away and come back, and the proxies that share it."""

import secrets
import shutil
import socket
import subprocess

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.scale import PATIENCE, eventually

PREFIX = "sallyport:"


class RedisError(Exception):
    pass


class Redis:
    """A redis-server in `folder`, on a port of its own, that keeps nothing on the disk by itself."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process = None
        self._connection = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        program = shutil.which("redis-server")
        if program is None:
            pytest.fail("no redis-server: tools/install test")
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "appendonly": "no", "daemonize": "no"}
        command = [program, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        self._process = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
        eventually(self._answers, "the store to answer")
        return self

    def _answers(self):
        try:
            return self.ask("PING") == b"PONG"
        except (OSError, RedisError):
            self._forget()
            return False

    def stop(self):
        """Ends it at once; what it had is lost."""
        self._forget()
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def _forget(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(self, *words):
        """The answer to a command, as bytes, an integer, None or a list."""
        if self._connection is None:
            raw = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            self._connection = raw.makefile("rwb")
            raw.close()
        data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self._connection.write(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in data))
        self._connection.flush()
        return self._read()

    def _read(self):
        line = self._connection.readline()
        if not line:
            raise RedisError("the store has gone")
        kind, rest = line[:1], line[1:].rstrip()
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"$":
            if rest == b"-1":
                return None
            return self._connection.read(int(rest) + 2)[:-2]
        return [self._read() for _ in range(int(rest))]

    def hash(self, name):
        flat = self.ask("HGETALL", PREFIX + name)
        return dict(zip(flat[::2], flat[1::2]))


class Fleet:
    """Starts proxies that share one store. Each has the clients `guests` (the leaf `guest`) and `workers`."""

    def __init__(self, start, server, tmp_path):
        self._start = start
        self._folder = tmp_path
        self._port = server.port
        self.target = f"origin.test:{server.port}"
        self.store = Redis(tmp_path)
        self.key_file = self.make_key("fleet.key")

    def make_key(self, name):
        path = self._folder / name
        path.write_text(secrets.token_hex(32) + "\n")
        path.chmod(0o600)
        return path

    def shared(self, **changes):
        return {"valkey": self.store.address, "key_file": str(self.key_file), **changes}

    def proxy(self, is_synchronised=True, shared=None, **options):
        rule = reach("origin.test", self._port)
        clients = (client(rule, name="guests", match=[{"cn": "guest"}]), client(rule))
        made = self._start(*clients, control=CONTROL, shared=shared or self.shared(), **options)
        made.control = Control(made)
        made.target = self.target
        if is_synchronised:
            eventually(lambda: fleet_of(made)["blocks"]["compared"], "the proxy to have read the store's blocks")
            eventually(lambda: state_of(made)["v"] == 2 and state_of(made)["store"], "its file to say so")
        return made


def fleet_of(proxy):
    """What `status` says of the fleet."""
    return proxy.control.status()["fleet"]


def state_of(proxy):
    return proxy.control.state()


def blocks_of(proxy):
    return sorted(each["block"] for each in proxy.control.status()["blocks"])


def wait_blocks(wanted, *proxies):
    for proxy in proxies:
        eventually(lambda: blocks_of(proxy) == sorted(wanted), f"the blocks {wanted}, not {blocks_of(proxy)}")


def wait_members(count, *proxies):
    for proxy in proxies:
        eventually(lambda: fleet_of(proxy)["members_count"] == count, f"{count} members")
