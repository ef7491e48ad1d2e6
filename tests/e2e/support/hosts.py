"""Hosts on one switch, each with a network of its own: cables that a test pulls, and filters that lose what it names.

A host is a network namespace that a descriptor holds: neither a name below /run nor a process is needed, and root of this
namespace's user is enough. `with host:` whatever this thread opens or starts is there, and the threads too that it starts."""

import ctypes
import os
import shutil
import subprocess
import threading

import pytest

NEW_NETWORK = 0x40000000  # CLONE_NEWNET
NET = "192.0.2"

_libc = ctypes.CDLL(None, use_errno=True)
_left = threading.local()  # the networks that this thread has left, to go back to


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _open_own():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Host:
    """A machine without a cable; `address` is what it gets with one."""

    def __init__(self, name, address=None):
        self.name, self.address = name, address
        before = _open_own()
        _call("unshare", NEW_NETWORK)
        try:
            self.fd = _open_own()
            self.run("ip", "link", "set", "lo", "up")
        finally:
            _call("setns", before, NEW_NETWORK)
            os.close(before)

    def __enter__(self):
        _left.__dict__.setdefault("networks", []).append(_open_own())
        _call("setns", self.fd, NEW_NETWORK)
        return self

    def __exit__(self, *_):
        before = _left.networks.pop()
        _call("setns", before, NEW_NETWORK)
        os.close(before)

    def run(self, *command, text=None):
        """A command there; what it says."""
        with self:
            done = subprocess.run(command, check=False, capture_output=True, text=True, input=text)
        assert done.returncode == 0, f"{' '.join(command)} {text or ''}: {done.stderr}"
        return done.stdout

    def close(self):
        """It goes when nothing runs there any more. Does nothing a second time."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    # -- filters ------------------------------------------------------------------------------

    def lose(self, *rules):
        """What fits one of the rules is lost, in either direction where a rule says nothing of it: `ip saddr ADDRESS`,
        `tcp dport PORT`. Takes the place of what was lost before."""
        lines = "".join(f"add rule inet lost {chain} oif != lo {rule} drop\n" for rule in rules for chain in ("in", "out"))
        lines = lines.replace("in oif", "in iif")
        program = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin")
        if program is None:
            pytest.fail("no nft: tools/test installs it, nftables")
        chains = "".join(
            f"add chain inet lost {chain} {{ type filter hook {chain}put priority 0; }}\n" for chain in ("in", "out")
        )
        self.run(program, "-f", "-", text=f"add table inet lost\ndelete table inet lost\nadd table inet lost\n{chains}{lines}")

    def lose_nothing(self):
        self.lose()


class Network:
    """A switch, and the hosts on it."""

    def __init__(self):
        self.switch = Host("switch")
        self.switch.run("ip", "link", "add", "switch", "type", "bridge")
        self.switch.run("ip", "link", "set", "switch", "up")
        self.hosts = []

    def host(self, name):
        """Another host, with a cable."""
        number = len(self.hosts) + 1
        made = Host(name, f"{NET}.{number}")
        end = f"/proc/{os.getpid()}/fd/{made.fd}"
        self.switch.run(
            "ip",
            "-batch",
            "-",
            text=f"link add {name} type veth peer name cable netns {end}\nlink set {name} master switch up\n",
        )
        made.run("ip", "-batch", "-", text=f"address add {made.address}/24 dev cable\nlink set cable up\n")
        self.hosts.append(made)
        return made

    def pull(self, *hosts):
        """Pulls their cables, at the switch."""
        self._set("down", hosts)

    def plug(self, *hosts):
        self._set("up", hosts)

    def _set(self, state, hosts):
        self.switch.run("ip", "-batch", "-", text="".join(f"link set {host.name} {state}\n" for host in hosts))

    def close(self):
        for host in (*self.hosts, self.switch):
            host.close()
