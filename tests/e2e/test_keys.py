"""Private keys apart (process.keys): another process signs, and the one that strangers speak to has no key."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from support.config import client, reach, write_config
from support.control import CONTROL, Control
from support.parents import parent
from support.pki import SERVER_AUTH, KEYS
from support.proxy import BINARY, children, run
from support.scale import IS_SMALL, PATIENCE, eventually

DENIED = "nowhere.test:443"
ADDRESSES = {"dns": ("proxy.test", "localhost"), "ip": ("127.0.0.1",), "usages": (SERVER_AUTH,)}


@pytest.fixture(autouse=True)
def names(dns):
    dns.addresses("origin.test", "127.0.0.1")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tls"


def copy_into(folder, leaf):
    folder.mkdir(exist_ok=True)
    for name, source in (("tls.crt", leaf.chain), ("tls.key", leaf.key)):
        shutil.copy(source, folder / (name + ".new"))
        os.rename(folder / (name + ".new"), folder / name)
    return folder


def listener(folder, name="main", **more):
    pair = {"chain": str(folder / "tls.crt"), "key": str(folder / "tls.key")}
    return {"name": name, "address": "127.0.0.1:0", "certificates": [pair], "trust": "staff", **more}


def holder_of(proxy):
    """The number of the process that has the keys; its socket is the only thing that it has beside them."""

    def find():
        for pid in children(proxy.process.pid):
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read().strip() == "sallyport-keys":
                    return pid
        return None

    return eventually(find, "a key holder")


def show(proxy, listener="main", version=ssl.TLSVersion.TLSv1_3):
    """The serial of the certificate that a full handshake shows."""
    context = ssl.create_default_context(cafile=proxy.pki.server_ca.path)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(proxy.pki.worker.chain, proxy.pki.worker.key)
    with socket.create_connection(proxy.addresses[listener], PATIENCE) as conn:
        with context.wrap_socket(conn, server_hostname="proxy.test") as tls:
            return int(tls.getpeercert()["serialNumber"], 16)


def memory_of(pid):
    """All that a process has in memory and can write."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, rights, *_ = line.split()
            begin, end = (int(each, 16) for each in span.split("-"))
            if rights.startswith("rw"):
                memory.seek(begin)
                try:
                    found.append(memory.read(end - begin))
                except OSError:
                    pass  # a guard page
    return b"".join(found)


def secrets_of(path):
    """The secret number of a key as a program may have it in memory, and the text of its file."""
    with open(path, "rb") as file:
        text = file.read()
    key = serialization.load_pem_private_key(text, None)
    size = 32
    number = key.private_numbers().private_value
    return [number.to_bytes(size, "big"), number.to_bytes(size, "little"), text.splitlines()[2][:40]]


def has_key(pid, leaf):
    memory = memory_of(pid)
    return any(secret in memory for secret in secrets_of(leaf.key))


# -- handshakes -----------------------------------------------------------------------------------


def test_every_kind_of_key_signs_in_both_versions(start, pki, tmp_path):
    kinds = ("p256", "p384", "p521", "ed25519", "rsa2048")
    listeners = []
    for kind in kinds:
        leaf = pki.server_ca.leaf("proxy.test", key=kind, **ADDRESSES)
        listeners.append(listener(copy_into(tmp_path / kind, leaf), kind))
    proxy = start(cage={"keys": "apart"}, listeners=listeners, control=CONTROL)
    for kind in kinds:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert show(proxy, kind, version), kind
    held = Control(proxy).status()["keys"]
    assert (held["place"], held["pid"], held["held"], held["restarts"]) == ("apart", holder_of(proxy), 5, 0), held
    assert held["signatures"] >= 2 * len(kinds), held


@pytest.mark.parametrize("versions", [("1.2", "1.2"), ("1.3", "1.3")])
def test_a_parent_sees_a_certificate_whose_key_is_apart(start, pki, origin, versions):
    server = origin()
    rule = {"addresses": ["127.0.0.0/8"], "ports": [server.port]}
    pair = {"chain": pki.server.chain, "key": pki.server.key}
    above = start(
        client(rule, name="edges", match=[{"uri": "spiffe://example.test/edge"}]),
        listeners=[
            {
                "name": "main",
                "address": "127.0.0.1:0",
                "certificates": [pair],
                "trust": "staff",
                "tls": {"min": versions[0], "max": versions[1]},
            }
        ],
    )
    paris = parent(pki, above.address[1], health={"every": "1s"})
    allowed = reach("origin.test", server.port)
    proxy = start(client(allowed, via=["paris"]), parents=[paris], cage={"keys": "apart"}, control=CONTROL)
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"signed twice" * 100)
    tunnel.close()
    assert above.audit.wait("decision")["client"]["san_uri"] == ["spiffe://example.test/edge"]
    eventually(lambda: Control(proxy).status()["parents"][0]["state"] == "up", "main's own check of the parent")


# -- what is not there ----------------------------------------------------------------------------


# A sanitizer maps terabytes beside a program's memory.
LOOKS_AT_MEMORY = pytest.mark.skipif(IS_SMALL, reason="the memory of a program under a sanitizer cannot be read whole")


@LOOKS_AT_MEMORY
def test_the_serving_process_never_has_the_key(start, pki, folder):
    first, second = (pki.server_ca.leaf("proxy.test", serial=serial, **ADDRESSES) for serial in (2001, 2002))
    copy_into(folder, first)
    for place in ("here", "apart"):
        copy_into(folder, first)
        proxy = start(cage={"keys": place}, listeners=[listener(folder)])
        assert show(proxy) == 2001
        assert has_key(proxy.pid, first) == (place == "here"), place
        copy_into(folder, second)
        eventually(lambda: show(proxy) == 2002, "the renewed certificate")
        assert has_key(proxy.pid, second) == (place == "here"), place
        assert not has_key(proxy.process.pid, second)
    holder = holder_of(proxy)
    assert has_key(holder, second)


@LOOKS_AT_MEMORY
def test_a_key_in_one_file_with_its_certificate_stays_apart(start, pki, tmp_path):
    leaf = pki.server_ca.leaf("proxy.test", **ADDRESSES)
    bundle = tmp_path / "bundle.pem"
    bundle.touch(0o600)
    with open(leaf.key, "rb") as key, open(leaf.chain, "rb") as chain:
        bundle.write_bytes(key.read() + chain.read())
    pair = {"chain": str(bundle), "key": str(bundle)}
    proxy = start(
        cage={"keys": "apart"},
        listeners=[{"name": "main", "address": "127.0.0.1:0", "certificates": [pair], "trust": "staff"}],
    )
    assert show(proxy) == leaf.certificate.serial_number
    assert not has_key(proxy.pid, leaf)


def test_the_holder_is_closed_to_others_and_has_no_rights(start):
    proxy = start(cage={"keys": "apart"})
    holder = holder_of(proxy)
    with open(f"/proc/{holder}/status", encoding="ascii") as file:
        status = dict(line.split(":\t") for line in file if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1"
    assert int(status["CapEff"], 16) & ~(1 << 2) == 0, status["CapEff"]  # but to read files
    if not IS_SMALL:  # sanitizers need more than the filter lets through
        assert status["Seccomp"].strip() == "2"
    for name in ("mem", "maps"):
        result = subprocess.run(
            ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "cat", f"/proc/{holder}/{name}"],
            capture_output=True,
            check=False,
        )
        assert result.returncode != 0 and b"denied" in result.stderr, result.stderr
    links = [os.readlink(f"/proc/{holder}/fd/{fd}") for fd in os.listdir(f"/proc/{holder}/fd")]
    known = re.compile(r"socket:|/dev/null|/memfd:sallyport-(keys|history)|pipe:")
    assert all(known.match(link) for link in links), links


# -- errors ---------------------------------------------------------------------------------------


def spoil_mode(folder):
    os.chmod(folder / "tls.key", 0o644)


def spoil_text(folder):
    (folder / "tls.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def take_away(folder):
    os.remove(folder / "tls.key")


def swap(folder):
    os.rename(folder / "tls.crt", folder / "other")
    os.rename(folder / "tls.key", folder / "tls.crt")
    os.rename(folder / "other", folder / "tls.key")


def empty_chain(folder):
    (folder / "tls.crt").write_text("")


def cut_chain(folder):
    text = (folder / "tls.crt").read_text()
    (folder / "tls.crt").write_text(text[: len(text) // 2])


def test_a_start_that_fails_says_the_same_wherever_keys_are(start, pki, folder, tmp_path):
    leaf = pki.server_ca.leaf("proxy.test", **ADDRESSES)
    other = pki.server_ca.leaf("other.test", **ADDRESSES)

    def exchange(folder):
        shutil.copy(other.key, folder / "tls.key")

    for spoil in (spoil_mode, spoil_text, take_away, swap, empty_chain, cut_chain, exchange):
        said = {}
        for place in ("here", "apart"):
            copy_into(folder, leaf)
            spoil(folder)
            proxy = start(cage={"keys": place}, listeners=[listener(folder)], is_ready=False)
            proxy.wait_exit()
            proxy.stop(expected=3)
            said[place] = proxy.stderr.text().replace(str(proxy.folder), "")
            assert "tls." in said[place]
        assert said["here"] == said["apart"], spoil


def test_a_key_in_another_folder_waits_for_a_restart(start, pki, folder, tmp_path):
    leaf = pki.server_ca.leaf("proxy.test", serial=2003, **ADDRESSES)
    copy_into(folder, leaf)
    proxy = start(cage={"keys": "apart"}, listeners=[listener(folder)], control=CONTROL)
    elsewhere = copy_into(tmp_path / "elsewhere", leaf)
    write_config(proxy.config_path, {**proxy.config, "listeners": [listener(elsewhere)]})
    said = Control(proxy).run("reload", expected=3).stderr
    assert "no file in a folder that had no key when it started" in said, said
    assert "restart the proxy" in said
    os.symlink(elsewhere / "tls.key", folder / "linked.key")  # a link does not help
    pair = {"chain": str(folder / "tls.crt"), "key": str(folder / "linked.key")}
    write_config(proxy.config_path, {**proxy.config, "listeners": [{**listener(folder), "certificates": [pair]}]})
    assert "linked.key" in Control(proxy).run("reload", expected=3).stderr
    assert show(proxy) == 2003


def test_a_folder_in_key_paths_may_have_keys_later(start, pki, folder, tmp_path):
    leaf = pki.server_ca.leaf("proxy.test", serial=2004, **ADDRESSES)
    copy_into(folder, leaf)
    elsewhere = copy_into(tmp_path / "elsewhere", pki.server_ca.leaf("proxy.test", serial=2005, **ADDRESSES))
    proxy = start(cage={"keys": "apart", "paths": [str(elsewhere)]}, listeners=[listener(folder)], control=CONTROL)
    write_config(proxy.config_path, {**proxy.config, "listeners": [listener(elsewhere)]})
    assert "add the folder to `process.key_paths`" in Control(proxy).run("reload", expected=3).stderr  # `paths` has no keys
    proxy.stop()
    proxy = start(cage={"keys": "apart", "key_paths": [str(elsewhere)]}, listeners=[listener(folder)])
    assert show(proxy) == 2004
    proxy.reload(listeners=[listener(elsewhere)])
    assert show(proxy) == 2005


def test_folders_for_keys_that_are_not_apart_are_an_error(start, folder):
    config = start(cage={"keys": "here"}).config_path
    config.write_text(config.read_text().replace('"keys": "here"', f'"keys": "here", "key_paths": ["{folder}"]'))
    checked = run("check", "-c", config)
    assert checked.returncode == 3 and "`key_paths` is for keys that are apart" in checked.stderr, checked


@pytest.mark.parametrize("place", [".", ".."])
def test_relative_paths_begin_where_they_do_with_keys_here(start, pki, tmp_path, place):
    gate = tmp_path / "gate"
    gate.mkdir()
    for name, serial in (("first", 2006), ("later", 2007)):
        copy_into(gate / name, pki.server_ca.leaf("proxy.test", serial=serial, **ADDRESSES))
    proxy = start(
        listeners=[listener(Path("first"))],
        cage={"keys": "apart", "key_paths": ["later"]},
        folder=gate,
        process={"cwd": gate / place},
        control=CONTROL,
    )
    assert show(proxy) == 2006
    os.kill(holder_of(proxy), signal.SIGKILL)
    eventually(lambda: Control(proxy).status()["keys"]["restarts"] == 1, "another holder")
    assert show(proxy) == 2006
    proxy.reload(listeners=[listener(Path("later"))])
    assert show(proxy) == 2007
    proxy.reload(listeners=[listener(Path("../gate/first"))])  # in the same folder, by another way
    assert show(proxy) == 2006
    named = os.path.relpath(proxy.config_path, gate / place)
    checked = run("check", "-c", named, cwd=gate / place, program=os.path.abspath(BINARY))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_keys_are_given_back_with_each_reload(start, tmp_path):
    sign = tmp_path / "sign.key"
    assert run("audit", "keygen", "--name", "gate-1", sign).returncode == 0
    proxy = start(cage={"keys": "apart"}, folder=tmp_path, audit={"chain": {"key": str(sign)}}, control=CONTROL)
    for _ in range(20):
        proxy.reload()
    # One for TLS, one for the next audit log, and the one that the audit log has had from the start.
    eventually(lambda: Control(proxy).status()["keys"]["held"] == 3, "the old keys' end")
    assert Control(proxy).status()["keys"]["restarts"] == 0
    assert show(proxy)


def test_moving_the_keys_takes_a_restart(start):
    proxy = start(cage={"keys": "here"}, control=CONTROL)
    write_config(proxy.config_path, {**proxy.config, "process": {"keys": "apart"}})
    said = Control(proxy).run("reload").stderr
    assert "restart" in said, said
    assert Control(proxy).status()["keys"]["place"] == "here"


# -- a holder that ends, or does not answer -------------------------------------------------------


def test_a_holder_that_is_killed_is_started_again_and_nothing_is_lost(start, origin):
    server = origin()
    proxy = start(client(reach("origin.test", server.port)), cage={"keys": "apart"}, control=CONTROL)
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    problems = []
    must_stop = threading.Event()

    def load():
        while not must_stop.is_set():
            try:
                show(proxy)
            except OSError as error:
                problems.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for round_ in range(1, 3):
        before = holder_of(proxy)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: Control(proxy).status()["keys"]["restarts"] == round_, "another holder")
        assert holder_of(proxy) != before
        assert show(proxy)
    must_stop.set()
    for thread in threads:
        thread.join()
    assert not problems
    tunnel.echo(b"still there" * 100)
    tunnel.close()
    assert "is started again" in proxy.stderr.text()


def test_clients_of_a_holder_that_is_stopped_wait_leave_and_time_out(start):
    proxy = start(cage={"keys": "apart"}, timeouts={"handshake": "2s"})
    holder = holder_of(proxy)
    assert show(proxy)
    os.kill(holder, signal.SIGSTOP)
    try:
        context = ssl.create_default_context(cafile=proxy.pki.server_ca.path)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="proxy.test")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        hello = outgoing.read()
        leaving = socket.create_connection(proxy.address, PATIENCE)
        leaving.sendall(hello)
        port = leaving.getsockname()[1]
        leaving.close()  # while its signature is asked for
        refused = proxy.audit.wait("handshake_refused", reason="client_aborted")
        assert refused["client"]["port"] == port, refused
        waiting = socket.create_connection(proxy.address, PATIENCE)
        waiting.sendall(hello)
        late = proxy.audit.wait("handshake_refused", reason="timeout")
        assert late["client"]["port"] == waiting.getsockname()[1]
        waiting.close()
        answers = []
        patient = threading.Thread(target=lambda: answers.append(show(proxy)))
        patient.start()
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has hung for too long
            os.kill(holder, signal.SIGCONT)
    patient.join(PATIENCE)
    assert answers
    assert show(proxy)


def test_a_holder_that_hangs_is_noticed_and_another_one_takes_its_place(start):
    proxy = start(cage={"keys": "apart"}, timeouts={"handshake": "60s"}, control=CONTROL)
    holder = holder_of(proxy)
    os.kill(holder, signal.SIGSTOP)
    assert show(proxy)  # by another one, which is started while this client waits
    held = Control(proxy).status()["keys"]
    assert held["restarts"] == 1 and held["pid"] != holder, held


def test_a_revocation_does_not_wait_for_a_holder_that_hangs(start, pki, origin, tmp_path):
    server = origin()
    crl = tmp_path / "staff.crl"
    shutil.copy(pki.ca.crl(number=1), crl)
    proxy = start(
        client(reach("origin.test", server.port)),
        cage={"keys": "apart"},
        trust={"staff": {"crl": [str(crl)]}},
    )
    next_leaf = pki.ca.leaf("revoked-while-a-reload-waits")
    tunnels = [proxy.tunnel(f"origin.test:{server.port}", leaf) for leaf in (pki.worker, next_leaf)]
    holder = holder_of(proxy)
    os.kill(holder, signal.SIGSTOP)
    try:
        for number, tunnel in enumerate(tunnels, 2):  # the second one while the reload waits for keys
            shutil.copy(pki.ca.crl(*(pki.worker, next_leaf)[: number - 1], number=number), tmp_path / "new.crl")
            os.rename(tmp_path / "new.crl", crl)
            closed = proxy.assert_closed(tunnel.id, "revoked")
            proxy.stderr.wait("does not answer")
        given_up = re.search(r"(\S+) .*has ended: it is started again", proxy.stderr.text())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, signal.SIGCONT)
    assert not given_up or closed["ts"] < given_up[1]
    proxy.stderr.wait("the private keys are waited for")
    proxy.stderr.wait("reloaded: ")


def holders_of(proxy):
    """The numbers of all key holders of a proxy."""
    found = []
    for pid in children(proxy.process.pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read().strip() == "sallyport-keys":
                    found.append(pid)
        except FileNotFoundError:
            pass  # it has just ended
    return found


def test_an_old_process_keeps_its_own_holder_until_it_ends(start, origin):
    server = origin()
    proxy = start(client(reach("origin.test", server.port)), cage={"keys": "apart"}, control=CONTROL)
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    before = holder_of(proxy)
    Control(proxy).run("upgrade")
    assert len(holders_of(proxy)) == 2
    assert Control(proxy).status()["keys"]["pid"] not in (None, before)
    assert show(proxy)
    tunnel.echo(b"through the old process")
    tunnel.close()
    eventually(lambda: before not in holders_of(proxy), "the old holder's end")
    assert len(holders_of(proxy)) == 1


# -- the audit log --------------------------------------------------------------------------------


def test_the_holder_signs_the_audit_log(start, pki, tmp_path):
    sign = tmp_path / "sign.key"
    assert run("audit", "keygen", "--name", "gate-1", sign).returncode == 0
    proxy = start(
        cage={"keys": "apart"},
        folder=tmp_path,
        audit={"chain": {"key": str(sign), "every": "1s"}},
        control=CONTROL,
    )
    proxy.ask(DENIED)
    proxy.audit.wait("checkpoint")
    os.kill(holder_of(proxy), signal.SIGKILL)
    eventually(lambda: Control(proxy).status()["keys"]["restarts"] == 1, "another holder")
    proxy.ask(DENIED)
    secret = sign.read_text().split("+", 4)[4].strip()  # what follows has such signs too
    if not IS_SMALL:
        assert secret.encode()[:30] not in memory_of(proxy.pid)
    proxy.stop()
    verified = run("audit", "verify", "--key", tmp_path / "sign.key.pub", proxy.audit.path)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def message(kind, number, body):
    """A message of key_message.h."""
    data = struct.pack(">BQ", kind, number) + body
    return struct.pack(">I", len(data)) + data


class Holder:
    """A key holder that this test has started, in the keeper's place."""

    OPEN, CHECKPOINT, SEAL, ANSWER_KEY, ANSWER_SIGNATURE, ANSWER_FAILED = 0, 3, 6, 8, 11, 13
    SIGNER = 2

    def __init__(self, history):
        self._number = 0
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(PATIENCE)
        notes = os.memfd_create("notes", os.MFD_ALLOW_SEALING)
        fds = (theirs.fileno(), notes, history)
        environment = {**os.environ, "SALLYPORT_KEY_HOLDER": ":".join(map(str, fds))}
        self._process = subprocess.Popen([BINARY, "key-holder"], pass_fds=fds, env=environment)
        theirs.close()
        os.close(notes)

    def ask(self, kind, body=b""):
        self._number += 1
        self._socket.sendall(message(kind, self._number, body))
        (size,) = struct.unpack(">I", self._take(4))
        answer = self._take(size)
        assert struct.unpack(">Q", answer[1:9]) == (self._number,)
        return answer[0], answer[9:]

    def _take(self, count):
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            assert more, "the holder has ended"
            data += more
        return data

    def checkpoint(self, name, size, root):
        body = name + struct.pack(">IQ", 7, size) + root * 32 + b"\0"
        return self.ask(self.CHECKPOINT, body)[0] == self.ANSWER_SIGNATURE

    def end(self, how):
        self._process.send_signal(how)
        self._socket.close()
        self._process.wait(PATIENCE)


def test_a_further_holder_signs_no_shorter_log(tmp_path):
    sign = tmp_path / "sign.key"
    assert run("audit", "keygen", "--name", "gate-1", sign).returncode == 0
    history = os.memfd_create("history")
    os.ftruncate(history, 512 * 1024)
    answers = []
    for sizes in ([(10, b"a"), (9, b"a")], [(9, b"b"), (10, b"b"), (10, b"a"), (11, b"b")], [(10, b"a")]):
        holder = Holder(history)
        kind, said = holder.ask(Holder.OPEN, bytes([Holder.SIGNER]) + str(sign).encode())
        assert kind == Holder.ANSWER_KEY, said
        holder.ask(Holder.SEAL)
        answers.append([holder.checkpoint(said[:32], size, root) for size, root in sizes])
        holder.end(signal.SIGKILL)
    os.close(history)
    assert answers == [[True, False], [False, False, True, True], [False]]


def history_of(holder):
    """The file that a holder shares with those after it."""
    folder = Path(f"/proc/{holder}/fd")
    [found] = [os.stat(each).st_ino for each in folder.iterdir() if "sallyport-history" in os.readlink(each)]
    return found


def test_all_holders_of_a_keeper_have_the_same_history(start):
    proxy = start(cage={"keys": "apart"}, control=CONTROL)
    before = holder_of(proxy)
    history = history_of(before)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: Control(proxy).status()["keys"]["restarts"] == 1, "another holder")
    assert history_of(Control(proxy).status()["keys"]["pid"]) == history
    Control(proxy).run("upgrade")
    status = Control(proxy).status()
    assert history_of(status["keys"]["pid"]) == history
    for each in Path(f"/proc/{status['pid']}/fd").iterdir():  # who serves has it not
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            assert "sallyport-history" not in os.readlink(each)
