"""A fleet as tests use it: a real store that can go away and come back, and the proxies that share it."""

import json
import pathlib
import secrets

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from support.config import client, reach
from support.control import CONTROL, Control
from support.scale import eventually
from support.store import Store

PREFIX = "sallyport:"


def mark_of(shared):
    """What a file of state says of the fleet that it belongs to (proxy/fleet/fleet_key.c)."""
    secret = bytes.fromhex(pathlib.Path(shared["key_file"]).read_text().split()[0])
    about = b"mark\0" + shared.get("prefix", PREFIX).encode()
    return HKDF(SHA256(), 16, b"sallyport fleet", about).derive(secret).hex()


def mark_known(path, shared):
    """Writes a file of state, where there is none, of a proxy that has read the store of this fleet before."""
    if not path.exists() and pathlib.Path(shared["key_file"]).exists():
        path.write_text(json.dumps({"v": 2, "store": mark_of(shared), "tickets": 0, "newest": 0, "blocks": []}))


class Redis(Store):
    """A store whose hashes a test looks at."""

    def stop(self):
        self.kill()

    def put(self, command, name, *words):
        """Writes something in the place of what is there, in one step: proxies write there, too."""
        text = "redis.call('DEL', KEYS[1]) return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))"
        self.ask("EVAL", text, 1, PREFIX + name, command, *words)

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

    def make_key(self, name, text=None):
        path = self._folder / name
        path.write_text(text or secrets.token_hex(32) + "\n")
        path.chmod(0o600)
        return path

    def shared(self, **changes):
        return {"valkey": self.store.address, "key_file": str(self.key_file), **changes}

    def proxy(self, is_synchronised=True, shared=None, is_ready=True, **options):
        rule = reach("origin.test", self._port)
        clients = (client(rule, name="guests", match=[{"cn": "guest"}]), client(rule))
        made = self._start(*clients, control=CONTROL, shared=shared or self.shared(), is_ready=is_ready, **options)
        made.control = Control(made)
        made.target = self.target
        if is_synchronised and is_ready:
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
