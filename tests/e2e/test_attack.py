"""Hostile code in a process of the program: what it tries is refused by the kernel, or is the end of the process.

The program under test is //tests/e2e:attacked; with any other there is nothing to do.
"""

import contextlib
import errno
import mmap
import os
import shutil
import signal
import socket
import ssl
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.control import CONTROL, Control
from support.proxy import BINARY, BY_SIGNAL, children, run
from support.scale import PATIENCE, eventually
from support.sidecar import Sidecar

pytestmark = pytest.mark.skipif(Path(BINARY).name != "attacked", reason="needs the program that attacks")

ATTACKS_MAX = 64
HEAD = struct.Struct(f"4Q{ATTACKS_MAX}Q{ATTACKS_MAX}q4096s")
WORKER, KEEPER, HOLDER, SIDECAR, ANYBODY = range(5)
ATTACKS = """read_file write_file remove_file execute begin_process open_packet_socket open_netlink_socket trace read_memory
    signal_other make_user_namespace raise_capabilities become_root map_code load_bpf ring undo_dumpable get_holder
    open_other_pair signal_by_file truncate_file open_to_all open_to_all_by_file set_times open_internet_socket
    open_local_socket open_crypto_socket make_device open_by_handle make_process_in_namespace mount_files
    get_many_holders""".split()


class Attack:
    """The numbers of attack.c."""

    def __init__(self, folder):
        path = folder / "attack"
        path.write_bytes(bytes(HEAD.size))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.environment = {"SALLYPORT_ATTACK": str(path)}
        self._count = 0

    def begin(self, *names, path="", pid=0, who=WORKER):
        self._count = len(names)
        numbers = [ATTACKS.index(name) + 1 for name in names]
        rest = [0] * (2 * ATTACKS_MAX - len(numbers))
        HEAD.pack_into(self._map, 0, 0, 0, who, pid, *numbers, *rest, str(path).encode())
        struct.pack_into("Q", self._map, 0, len(names))

    def is_done(self):
        left, is_done, *_ = HEAD.unpack_from(self._map)
        return left == 0 and is_done == 1

    def results(self):
        """What each has come to, as an errno; 0: it has succeeded."""
        assert self.is_done(), "it was not tried"
        return list(HEAD.unpack_from(self._map)[4 + ATTACKS_MAX :][: self._count])

    def result(self):
        return self.results()[0]


@pytest.fixture
def attack(tmp_path):
    return Attack(tmp_path)


@pytest.fixture
def attacked(start, attack, tmp_path):
    """Starts a proxy in whose worker there is somebody else."""

    def make(sandbox="on"):
        folder = tmp_path / sandbox
        folder.mkdir()
        return start(
            folder=folder,
            workers=1,
            cage={"sandbox": sandbox},
            process={"environment": attack.environment},
        )

    return make


def try_it(proxy, attack, name, **options):
    """What an attack has come to, as an errno; 0: it has succeeded."""
    attack.begin(name, **options)
    proxy.ask("nowhere.test:443")
    return attack.result()


def test_what_it_may_not_have_it_does_not_get(attacked, attack, tmp_path):
    proxy = attacked()
    keeper = proxy.process.pid
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    ca_key = secret / "ca.key"
    ca_key.write_text("the key of the CA")
    (secret / "more").write_text("to be removed")
    own = proxy.config_path  # which it may read
    before = own.stat()
    refused = {
        ("read_file", "/etc/shadow"): errno.EACCES,
        ("read_file", str(ca_key)): errno.EACCES,
        ("read_file", f"/proc/{keeper}/environ"): errno.EACCES,
        ("read_file", "/root"): errno.EACCES,
        ("write_file", str(secret / "new")): errno.EACCES,
        ("write_file", "/tmp/sallyport-was-here"): errno.EACCES,
        ("remove_file", str(secret / "more")): errno.EACCES,
        ("open_packet_socket", ""): errno.EAFNOSUPPORT,
        ("open_netlink_socket", ""): errno.EAFNOSUPPORT,
        ("map_code", ""): errno.EACCES,
        ("signal_other", ""): errno.EPERM,
        ("undo_dumpable", ""): errno.EPERM,
        ("open_other_pair", ""): errno.EAFNOSUPPORT,
        ("signal_by_file", ""): errno.EPERM,
        ("truncate_file", str(own)): errno.EACCES,
        ("open_to_all", str(own)): errno.ENOSYS,
        ("open_to_all_by_file", str(own)): errno.EPERM,
        ("set_times", str(own)): errno.ENOSYS,
    }
    for (name, path), error in refused.items():
        assert try_it(proxy, attack, name, path=path, pid=keeper) == error, (name, path)
    assert try_it(proxy, attack, "read_file", path=proxy.config_path) == 0  # its own it can
    assert try_it(proxy, attack, "write_file", path=proxy.folder / "more") == 0
    assert sorted(path.name for path in secret.iterdir()) == ["ca.key", "more"]
    assert (own.stat().st_mode, own.stat().st_size, own.stat().st_mtime) == (before.st_mode, before.st_size, before.st_mtime)
    assert proxy.process.poll() is None


def test_it_comes_neither_to_the_file_nor_to_the_memory_of_a_key_that_is_apart(start, attack, pki, tmp_path):
    folder = tmp_path / "tls"
    proxy = start(
        folder=_made(tmp_path / "proxy"),
        workers=1,
        listeners=_keys_alone(pki, folder),
        cage={"sandbox": "on", "keys": "apart"},
        process={"environment": attack.environment},
    )
    [holder] = set(children(proxy.process.pid)) - {proxy.pid}
    for name in ("key", "chain"):
        assert try_it(proxy, attack, "read_file", path=folder / name) == errno.EACCES
    for name in ("mem", "maps", "environ"):
        assert try_it(proxy, attack, "read_file", path=f"/proc/{holder}/{name}") == errno.EACCES
    assert try_it(proxy, attack, "signal_other", pid=holder) == errno.EPERM
    assert set(children(proxy.process.pid)) == {holder, proxy.pid}


def test_the_keeper_gives_it_no_holder_that_opens_what_the_proxy_did_not(attacked, start, attack, pki, tmp_path):
    secret = _made(tmp_path / "elsewhere") / "ca.pem"
    shutil.copy(pki.server.chain, secret)
    without = attacked()
    assert try_it(without, attack, "get_holder", path=secret) == errno.EPIPE
    assert children(without.process.pid) == [without.pid]
    assert "was to begin without one" in without.stderr.text()
    apart = start(
        folder=_made(tmp_path / "proxy"),
        workers=1,
        listeners=_keys_alone(pki, tmp_path / "tls"),
        cage={"sandbox": "on", "keys": "apart"},
        timeouts={"handshake": "5s"},
        process={"environment": attack.environment},
    )

    def get_holder(path):  # the proxy gets another one for itself, sooner or later: then this one ends
        return try_it(apart, attack, "get_holder", path=path)

    eventually(lambda: get_holder(tmp_path / "tls" / "chain") == 0, "a holder that opens what the proxy has opened")
    refused = eventually(lambda: {get_holder(secret)} - {errno.EPIPE}, "a holder that answers")
    assert refused == {errno.EACCES}
    with contextlib.suppress(ssl.SSLError):  # the proxy may have none left for this handshake
        try_it(apart, attack, "get_many_holders")
    apart.stderr.wait("there were 30 within 60 s already")
    assert 0 < apart.stderr.text().count("has asked for another key holder") <= 30


def test_a_folder_that_is_named_opens_nothing_beside_it(start, attack, tmp_path):
    folder = _made(tmp_path / "proxy")
    cache, beside = _made(folder / "cache"), _made(tmp_path / "beside")
    inner = _made(beside / "inner")
    for each in (beside, inner):
        (each / "file").write_text("x")
    _made(folder / "log")
    learned = {"from": "cdp", "under": ["http://pki.test/"]}
    proxy = start(
        folder=folder,
        workers=1,
        cage={"sandbox": "on", "paths": [str(inner), str(tmp_path / "not-there")]},
        trust={"staff": {"crl": [learned], "crl_cache": str(cache)}},
        audit={"file": "log/audit.jsonl"},
        process={"environment": attack.environment},
    )
    expected = {
        ("write_file", folder / "new"): errno.EACCES,
        ("write_file", cache / "new"): 0,
        ("write_file", folder / "log" / "new"): 0,
        ("read_file", inner / "file"): 0,
        ("read_file", beside / "file"): errno.EACCES,
        ("read_file", tmp_path / "attack"): errno.EACCES,
    }
    for (name, path), error in expected.items():
        attack.begin(name, path=path)
        proxy.dial().close()
        eventually(attack.is_done, "it to be tried")
        assert attack.result() == error, (name, path)


FATAL = [
    "execute",
    "begin_process",
    "trace",
    "read_memory",
    "make_user_namespace",
    "raise_capabilities",
    "become_root",
    "load_bpf",
    "ring",
]


def test_what_only_an_attacker_does_is_the_end_of_the_process(attack, start, tmp_path):
    marker = tmp_path / "was-here"
    program = _script(tmp_path / "program", marker)
    for number, name in enumerate(FATAL):
        proxy = start(
            folder=_made(tmp_path / str(number)),
            workers=1,
            cage={"sandbox": "on"},
            process={"environment": attack.environment},
        )
        attack.begin(name, path=program, pid=proxy.process.pid)
        client = proxy.dial()
        assert proxy.wait_exit() == BY_SIGNAL + signal.SIGSYS, name
        client.close()
        assert "was ended by signal 31 (Bad system call)" in proxy.stderr.text()
        proxy.stop(expected=BY_SIGNAL + signal.SIGSYS)
    assert not marker.exists()


def _script(path, marker):
    path.write_text(f"#!/bin/sh\ntouch {marker}\n")
    path.chmod(0o755)
    return path


def _made(folder):
    folder.mkdir()
    return folder


def _keys_alone(pki, folder):
    """Listeners whose key is in a folder that has nothing else."""
    _made(folder)
    for name, path in (("chain", pki.server.chain), ("key", pki.server.key)):
        shutil.copy(path, folder / name)
        (folder / name).chmod(0o600)
    certificates = [{"chain": str(folder / "chain"), "key": str(folder / "key")}]
    return [{"name": "main", "address": "127.0.0.1:0", "certificates": certificates, "trust": "staff"}]


# What the key holder has no business with, at no time, and what comes of it.
NOT_OF_A_HOLDER = {
    "write_file": errno.EACCES,
    "remove_file": errno.ENOSYS,
    "truncate_file": errno.EACCES,
    "open_to_all": errno.ENOSYS,
    "set_times": errno.ENOSYS,
    "open_internet_socket": errno.ENOSYS,
    "open_local_socket": errno.ENOSYS,
    "open_netlink_socket": errno.ENOSYS,
    "map_code": errno.EACCES,
    "signal_other": errno.ENOSYS,
}


def with_holder(start, attack, pki, tmp_path, **options):
    return start(
        folder=_made(tmp_path / "proxy"),
        workers=1,
        listeners=_keys_alone(pki, tmp_path / "tls"),
        cage={"sandbox": "on", "keys": "apart"},
        process={"environment": attack.environment},
        control=CONTROL,
        **options,
    )


def test_a_key_holder_has_lost_the_world_before_it_hears_a_byte(start, attack, pki, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    attack.begin(*NOT_OF_A_HOLDER, path=secret, pid=os.getpid(), who=HOLDER)
    with_holder(start, attack, pki, tmp_path)
    assert dict(zip(NOT_OF_A_HOLDER, attack.results())) == NOT_OF_A_HOLDER
    assert secret.read_text() == "x"


def test_a_key_holder_reads_its_folders_and_nothing_else(start, attack, pki, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    proxy = with_holder(start, attack, pki, tmp_path)
    later = {**NOT_OF_A_HOLDER, "read_file": errno.EACCES, "undo_dumpable": errno.ENOSYS}
    attack.begin(*later, path=secret, pid=proxy.process.pid, who=HOLDER)
    proxy.ask("nowhere.test:443")
    assert dict(zip(later, attack.results())) == later
    attack.begin("read_file", path=tmp_path / "tls" / "key", who=HOLDER)
    proxy.ask("nowhere.test:443")
    assert attack.result() == 0
    assert secret.read_text() == "x"


def test_what_only_an_attacker_does_is_the_end_of_a_key_holder(start, attack, pki, tmp_path):
    marker = tmp_path / "was-here"
    program = _script(tmp_path / "program", marker)
    proxy = with_holder(start, attack, pki, tmp_path)
    for number, name in enumerate(("execute", "begin_process", "trace", "become_root"), 1):
        attack.begin(name, path=program, pid=proxy.pid, who=HOLDER)
        assert proxy.ask("nowhere.test:443").status == 403  # by the next one
        assert not attack.is_done(), name
        eventually(lambda: Control(proxy).status()["keys"]["restarts"] == number, name)
    assert not marker.exists()


# What the keeper, and a version that it starts, has no business with. It may start programs: it is what does.
NOT_OF_A_KEEPER = """trace read_memory make_user_namespace make_process_in_namespace load_bpf ring open_packet_socket
    open_crypto_socket open_by_handle make_device mount_files""".split()


def test_a_keeper_cannot_look_into_others_or_leave_its_namespaces(start, attack, tmp_path):
    proxy = start(folder=_made(tmp_path / "proxy"), process={"environment": attack.environment})
    attack.begin(*NOT_OF_A_KEEPER, path=tmp_path / "new", pid=os.getpid(), who=KEEPER)
    proxy.reload()  # the keeper is told, for the service manager
    eventually(attack.is_done, "it to be tried")
    results = dict(zip(NOT_OF_A_KEEPER, attack.results()))
    assert set(results.values()) <= {errno.EPERM, errno.EAFNOSUPPORT}, results
    assert not (tmp_path / "new").exists()
    assert proxy.ask("nowhere.test:443").status == 403


NOT_OF_A_SIDECAR = {
    "read_file": errno.EACCES,
    "write_file": errno.EACCES,
    "remove_file": errno.ENOSYS,
    "truncate_file": errno.EACCES,
    "open_to_all": errno.ENOSYS,
    "open_to_all_by_file": errno.EACCES,
    "set_times": errno.ENOSYS,
    "open_netlink_socket": errno.EAFNOSUPPORT,
    "open_packet_socket": errno.EAFNOSUPPORT,
    "map_code": errno.EACCES,
    "signal_other": errno.EPERM,
    "undo_dumpable": errno.EPERM,
}


@pytest.fixture
def connected(pki, tmp_path, attack):
    """Starts a sidecar in whose worker there is somebody else; the proxy is nowhere."""
    started = []

    def make(mode):
        files = tmp_path / f"files-{len(started)}"
        files.mkdir()
        own = SimpleNamespace(chain=files / "chain", key=files / "key")
        shutil.copy(pki.worker.chain, own.chain)
        shutil.copy(pki.worker.key, own.key)
        started.append(Sidecar(pki, "https://127.0.0.1:9", own, ["--sandbox", mode], attack.environment))
        return started[-1].wait_ready(), own

    yield make
    for one in started:
        one.kill()


def dial(one):
    socket.create_connection(one.address, PATIENCE).close()


def test_a_sidecar_reads_its_files_and_nothing_else(connected, attack, tmp_path):
    secret = tmp_path / "secret"
    for mode, expected in (("on", NOT_OF_A_SIDECAR), ("off", dict.fromkeys(NOT_OF_A_SIDECAR, 0))):
        names = sorted(NOT_OF_A_SIDECAR, key="remove_file".__eq__)  # what can be done only once comes last
        if mode == "off":
            names = [name for name in names if name not in ("signal_other", "open_packet_socket")]
        one, own = connected(mode)
        secret.write_text("x")
        attack.begin(*names, path=secret, pid=os.getpid(), who=SIDECAR)
        dial(one)
        eventually(attack.is_done, "it to be tried")
        assert dict(zip(names, attack.results())) == {name: expected[name] for name in names}, mode
        attack.begin("read_file", path=own.key, who=SIDECAR)
        dial(one)
        eventually(attack.is_done, "it to be tried")
        assert attack.result() == 0
        one.stop()


def test_what_only_an_attacker_does_is_the_end_of_a_sidecar(connected, attack, tmp_path):
    marker = tmp_path / "was-here"
    program = _script(tmp_path / "program", marker)
    for name in ("execute", "begin_process", "trace"):
        one, _ = connected("on")
        attack.begin(name, path=program, pid=os.getpid(), who=SIDECAR)
        dial(one)
        one.process.wait(PATIENCE)
        one.stop(expected=-signal.SIGSYS)
    assert not marker.exists()


def test_without_a_sandbox_these_attacks_are_attacks(attacked, attack, tmp_path):
    """That they are refused says something only if they can be done."""
    proxy = attacked(sandbox="off")
    secret = tmp_path / "secret"
    secret.write_text("x")
    assert try_it(proxy, attack, "read_file", path=secret) == 0
    assert try_it(proxy, attack, "write_file", path=tmp_path / "new") == 0
    for name in ("signal_by_file", "truncate_file", "open_to_all", "open_to_all_by_file", "set_times"):
        assert try_it(proxy, attack, name, path=secret, pid=proxy.process.pid) == 0, name
    assert try_it(proxy, attack, "remove_file", path=secret) == 0
    assert try_it(proxy, attack, "map_code") == 0
    assert try_it(proxy, attack, "open_netlink_socket") == 0
    assert try_it(proxy, attack, "make_user_namespace") in (errno.EINVAL, errno.EPERM)  # it has threads
    assert not secret.exists() and (tmp_path / "new").exists()


def test_without_lists_these_attacks_are_attacks_in_any_process(attack, tmp_path):
    """Done by the same program before its main has given up anything."""
    secret, marker = tmp_path / "secret", tmp_path / "was-here"
    environment = {**os.environ, **attack.environment}

    def done(*names, path=secret):
        secret.write_text("x")
        attack.begin(*names, path=path, who=ANYBODY)
        run("version", env=environment)

    names = [name for name in NOT_OF_A_HOLDER if name != "signal_other"] + ["read_file", "begin_process", "undo_dumpable"]
    names.sort(key="remove_file".__eq__)
    done(*names)
    assert dict(zip(names, attack.results())) == dict.fromkeys(names, 0)
    done(*NOT_OF_A_KEEPER, path=tmp_path / "new")  # what a container, or no right to it, forbids depends on the machine
    assert set(attack.results()) - {errno.EPERM, errno.EAFNOSUPPORT}, attack.results()
    done("execute", path=_script(tmp_path / "program", marker))
    assert marker.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_as_another_user_it_cannot_read_what_is_roots_either(start, attack, tmp_path, pki):
    with open("/proc/self/uid_map", encoding="ascii") as file:
        if not any(int(line.split()[2]) > 65534 for line in file):
            pytest.skip("there is no other user in this namespace")
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o011)
    folder = _made(tmp_path / "shared")
    os.chown(folder, 65534, 65534)
    for name, path in {"chain": pki.server.chain, "key": pki.server.key, "ca": pki.ca.path}.items():
        shutil.copy(path, folder / name)
        (folder / name).chmod(0o600 if name == "key" else 0o644)
    (tmp_path / "attack").chmod(0o666)
    listener = {
        "name": "main",
        "address": "127.0.0.1:0",
        "certificates": [{"chain": str(folder / "chain"), "key": str(folder / "key")}],
        "trust": "staff",
    }
    proxy = start(
        folder=folder,
        workers=1,
        listeners=[listener],
        trust={"staff": {"ca": [str(folder / "ca")]}},
        cage={"user": "nobody", "sandbox": "on"},
        process={"environment": attack.environment},
    )
    assert try_it(proxy, attack, "read_file", path="/etc/shadow") == errno.EACCES
    assert try_it(proxy, attack, "read_file", path=folder / "key") == errno.EACCES  # root's, beside its own
    assert try_it(proxy, attack, "signal_other", pid=proxy.process.pid) == errno.EPERM
    assert proxy.process.poll() is None
