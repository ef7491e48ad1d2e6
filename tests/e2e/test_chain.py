"""The audit log that proves itself: numbers, hashes, signed checkpoints, and what `audit verify` makes of them."""

import base64
import gzip
import hashlib
import itertools
import json
import os
import pathlib
import resource
import signal
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from support import config as configs
from support.clocks import Clock
from support.config import client, reach
from support.control import CONTROL, Control, read_lines
from support.proxy import BINARY, BY_SIGNAL, run
from support.scale import IS_SMALL, PATIENCE, eventually
from support.upgrades import start_upgradable

DENIED = "nowhere.test:443"


def keygen(folder, name="sign.key"):
    result = run("audit", "keygen", "--name", "gate-1", folder / name)
    assert result.returncode == 0, result.stderr
    return folder / f"{name}.pub"


def chained(every="1h", key="sign.key"):
    return {"chain": {"key": key, "every": every}}


@pytest.fixture
def key(tmp_path):
    return keygen(tmp_path)


def ask(proxy, count):
    for _ in range(count):
        proxy.close_record(proxy.ask(DENIED).id)


def verify(key, *arguments):
    result = run("audit", "verify", "--json", "--key", key, *arguments)
    return (json.loads(result.stdout) if result.stdout else None), result


def rotate(proxy, name):
    """Moves the file away as logrotate does, and gives its new path."""
    old = proxy.folder / name
    proxy.audit.path.rename(old)
    proxy.send_signal(signal.SIGUSR1)
    eventually(proxy.audit.path.exists, "the new file")
    return old


# -- the key --------------------------------------------------------------------------------------


def test_a_key_is_made_for_its_owner_and_never_over_another(tmp_path):
    public = keygen(tmp_path)
    secret = tmp_path / "sign.key"
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    assert secret.read_text().startswith("PRIVATE+KEY+sallyport/gate-1+")
    assert public.read_text().startswith("sallyport/gate-1+")
    before = secret.read_bytes(), public.read_bytes()
    for gone in (None, secret, public):
        if gone is not None:
            gone.unlink()
        result = run("audit", "keygen", "--name", "gate-1", secret)
        assert (result.returncode, gone is not None and gone.exists()) == (1, False), result.stderr
        if gone is not None:
            gone.write_bytes(before[gone == public])
    assert (secret.read_bytes(), public.read_bytes()) == before
    assert run("audit", "keygen", "--name", "a b", tmp_path / "other").returncode == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.chmod(0o644), "is named as a private key, and others have access"),
        (lambda path: path.write_text("junk\n"), "is not a key that signs audit logs"),
        (lambda path: path.write_bytes(path.with_name("sign.key.pub").read_bytes()), "is not a key that signs"),
        (lambda path: path.unlink(), "cannot open"),
    ],
)
def test_a_key_that_cannot_be_used_is_an_error_of_the_configuration(start, tmp_path, key, spoil, message):
    spoil(tmp_path / "sign.key")
    proxy = start(is_ready=False, folder=tmp_path, audit=chained())
    assert proxy.wait_exit() == 3
    assert message in proxy.stderr.text()
    proxy.stop(expected=3)


# -- the log --------------------------------------------------------------------------------------


def root_of(leaves):
    """RFC 9162, 2.1.1, as it is written there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root_of(leaves[:half]) + root_of(leaves[half:])).digest()


def test_each_record_names_the_one_before_and_checkpoints_sign_all(start, tmp_path, key):
    """Judged by other code than ours, as the page describes it."""
    proxy = start(folder=tmp_path, audit=chained("1s"))
    assert "key sallyport/gate-1, signed every 1 s" in run("check", "-c", proxy.config_path).stdout
    ask(proxy, 5)
    proxy.audit.wait("checkpoint")
    ask(proxy, 3)
    proxy.stop()
    name, key_id, material = key.read_text().strip().split("+", 2)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(material)[1:])
    assert hashlib.sha256(name.encode() + b"\n" + base64.b64decode(material)).hexdigest()[:8] == key_id
    leaves = []
    before = None
    ends = []
    for seq, line in enumerate(proxy.audit.lines()):
        record = json.loads(line)
        assert (record["seq"], record["prev"]) == (seq, before), record
        if record["event"] == "checkpoint":
            text, signature = record["note"].split("\n\n")
            origin, size, root, *more = text.split("\n")
            assert origin == f"sallyport/gate-1/{record['instance']}" and int(size) == seq
            assert base64.b64decode(root) == root_of(leaves)
            dash, signer, value = signature.strip().split(" ")
            value = base64.b64decode(value)
            assert (dash, signer, value[:4].hex()) == ("\u2014", name, key_id)
            public.verify(value[4:], text.encode() + b"\n")
            ends.append(more)
        before = hashlib.sha256(line).hexdigest()
        leaves.append(hashlib.sha256(b"\0" + hashlib.sha256(line).digest()).digest())
    assert ends[-1] == ["end"] and set(map(tuple, ends[:-1])) == {()}
    sums, result = verify(key, proxy.audit.path)
    assert (result.returncode, sums["complete"], result.stderr) == (0, "yes", "")


def test_without_a_chain_records_have_numbers_and_a_new_instance_names_what_it_found(start, tmp_path):
    proxy = start(folder=tmp_path)
    ask(proxy, 2)
    proxy.stop()
    first = proxy.audit.records()
    assert [record["seq"] for record in first] == [0, 1, 2, 3]
    assert first[0]["after"] is None and "prev" not in first[1]
    last = hashlib.sha256(proxy.audit.lines()[-1]).hexdigest()
    proxy = start(folder=tmp_path)
    ask(proxy, 1)
    proxy.stop()
    found = {"instance": first[0]["instance"], "seq": 3, "sha256": last}
    assert proxy.audit.records()[4]["after"] == found
    proxy.audit.path.write_bytes(b"\n".join(proxy.audit.lines()[:3] + proxy.audit.lines()[4:]) + b"\n")
    result = run("audit", "verify", proxy.audit.path)
    assert result.returncode == 1
    assert "audit.jsonl:3: 1 line is missing after this one" in result.stderr


def test_rotated_files_are_verified_in_any_order_and_compressed(start, tmp_path, key):
    proxy = start(folder=tmp_path, audit=chained())
    old = []
    for name in ("audit.1", "audit.2"):
        ask(proxy, 4)
        path = rotate(proxy, name)
        eventually(lambda: b'"event":"checkpoint"' in path.read_bytes().split(b"\n")[-2], "a checkpoint")
        old.append(path)
    ask(proxy, 2)
    proxy.stop()
    packed = tmp_path / "audit.1.gz"
    packed.write_bytes(gzip.compress(old[0].read_bytes()))
    sums, result = verify(key, proxy.audit.path, packed, old[1])
    assert (result.returncode, sums["complete"], sums["numbered"]) == (0, "yes", 8 + 1 + 8 + 1 + 4 + 1), result.stderr
    sums, result = verify(key, proxy.audit.path, old[1])
    assert result.returncode == 1 and "its beginning" in result.stderr
    sums, result = verify(key, "--rotated", proxy.audit.path, old[1])
    assert (result.returncode, sums["problems"]) == (0, 0), result.stderr
    halves = old[0].read_bytes()[:3000], old[0].read_bytes()[3000:]
    whole = b"".join(map(gzip.compress, halves))
    packed.write_bytes(whole)
    sums, result = verify(key, proxy.audit.path, packed, old[1])
    assert (result.returncode, sums["complete"]) == (0, "yes"), result.stderr
    for more in (b"more", b"\n", b"\x1f", b"\0" * 512, old[1].read_bytes()):
        packed.write_bytes(whole + more)
        result = run("audit", "verify", packed)
        assert result.returncode == 3 and f"from byte {len(whole) + 1} on" in result.stderr, result.stderr
    packed.write_bytes(whole[:-9])
    assert run("audit", "verify", packed).returncode == 3
    lines = old[1].read_bytes().replace(b'"status":403', b'"status":200', 1)
    old[1].write_bytes(lines)
    number = next(i for i, line in enumerate(lines.split(b"\n"), 1) if b'"status":200' in line)
    sums, result = verify(key, "--rotated", proxy.audit.path, old[1])
    assert result.returncode == 1 and f"audit.2:{number}: this line was changed" in result.stderr, result.stderr


def test_who_waits_for_a_drain_is_answered_when_the_last_record_is_written(start, tmp_path, key):
    proxy = start(folder=tmp_path, control=CONTROL, audit=chained())
    ask(proxy, 2)
    with Control(proxy).connect(b"tail\n") as tail:
        assert Control(proxy).ask(b"drain wait\n")[-1]["exit"] == 0
        lines = proxy.audit.path.read_bytes().splitlines()
        followed = read_lines(tail)
    last, end = map(json.loads, lines[-2:])
    assert (last["event"], last["command"], end["event"]) == ("admin", "drain", "checkpoint")
    assert followed[-3:-1] == [last, end]
    _, result = verify(key, proxy.audit.path)
    assert result.returncode == 0 and "has not ended" not in result.stderr, result.stderr
    assert proxy.wait_exit() == 0
    proxy.stop()


@pytest.mark.parametrize("head", [b"\n" * 100, b"no record\n" * 100], ids=["blank lines", "other lines"])
def test_what_stands_in_front_of_the_first_record_does_not_change_the_order_of_files(tmp_path, head):
    for name, year in (("older", 2025), ("newer", 2026)):
        record = {"v": 1, "ts": f"{year}-11-29T12:00:00.000Z", "event": "records_lost", "count": 1}
        line = json.dumps(record, separators=(",", ":")).encode()
        (tmp_path / name).write_bytes((head if name == "newer" else b"") + line + b"\n")
    said = run("audit", "verify", tmp_path / "newer", tmp_path / "older").stderr
    assert 0 <= said.index("/older:1:") < said.index("/newer:"), said[:1000]


@pytest.mark.skipif(IS_SMALL, reason="the probe of the clock and a sanitizer both want to be loaded first")
def test_a_clock_that_was_set_back_does_not_change_the_order_of_files(start, tmp_path, key):
    """An instance that ended in the second file and one that began there tie the three together."""
    clock = Clock(tmp_path)
    proxy = start(folder=tmp_path, control=CONTROL, audit=chained(), process={"environment": clock.environment})
    ask(proxy, 2)
    first = rotate(proxy, "audit.1")
    ask(proxy, 2)
    audit = {"file": "audit.jsonl", **chained("30m")}
    configs.write_config(proxy.config_path, {**proxy.config, "audit": audit})
    Control(proxy).run("reload")
    ask(proxy, 2)
    second = rotate(proxy, "audit.2")
    clock.jump(-600)
    proxy.stderr.wait("the machine's clock was set")
    ask(proxy, 2)
    proxy.stop()
    third = proxy.audit.path
    assert json.loads(third.read_bytes().split(b"\n")[1])["ts"] < json.loads(first.read_bytes().split(b"\n")[0])["ts"]
    for files in itertools.permutations((first, second, third)):
        sums, result = verify(key, *files)
        assert (result.returncode, sums["complete"], sums["instances"]) == (0, "yes", 2), result.stderr


def test_rotated_excuses_the_beginning_of_the_first_file_and_of_no_other(start, tmp_path, key):
    proxy = start(folder=tmp_path, audit=chained())
    ask(proxy, 2)
    rotate(proxy, "audit.1")
    ask(proxy, 2)
    proxy.stop()
    proxy = start(folder=tmp_path, audit=chained())
    ask(proxy, 3)
    proxy.stop()
    path = proxy.audit.path
    lines = path.read_bytes().splitlines(keepends=True)
    sums, result = verify(key, "--rotated", path)
    assert (result.returncode, sums["complete"]) == (0, "yes"), result.stderr
    instances = [json.loads(line)["instance"] for line in lines]
    begin = instances.index(instances[-1])
    for count, said in ((1, "1 line is missing before this one: record 0"), (3, "3 lines are missing before this one: records 0 to 2")):
        path.write_bytes(b"".join(lines[:begin] + lines[begin + count :]))
        sums, result = verify(key, "--rotated", path)
        assert result.returncode == 1 and f"audit.jsonl:{begin + 1}: {said}" in result.stderr, result.stderr
    path.write_bytes(b"".join(lines[1:]))
    assert verify(key, "--rotated", path)[1].returncode == 0
    assert verify(key, path)[1].returncode == 1
    first = next(i for i, line in enumerate(lines) if b'"event":"checkpoint"' in line)
    path.write_bytes(b"".join(lines[1 : first + 1]))
    sums, result = verify(key, "--rotated", path)
    assert (result.returncode, sums["uncovered"]) == (1, first), "lines of older files are not counted"
    assert "needs two: give the file before it" in result.stderr


def test_a_killed_proxy_is_covered_by_the_next_and_a_cut_end_by_a_kept_checkpoint(start, tmp_path, key):
    proxy = start(folder=tmp_path, audit=chained())
    ask(proxy, 3)
    proxy.crash()
    proxy.stop(expected=BY_SIGNAL + signal.SIGKILL)
    sums, result = verify(key, proxy.audit.path)
    assert (result.returncode, sums["complete"], sums["uncovered"]) == (1, "no", 6)
    assert "has not ended" in result.stderr and "nothing is proved" in result.stderr
    proxy = start(folder=tmp_path, audit=chained("1s"))
    proxy.is_audit_whole = False
    ask(proxy, 3)
    proxy.audit.wait("checkpoint")
    ask(proxy, 2)
    proxy.stop()
    sums, result = verify(key, proxy.audit.path)
    assert (result.returncode, sums["complete"], sums["uncovered"]) == (0, "yes", 0), result.stderr
    kept = tmp_path / "kept"
    kept.write_text(proxy.audit.records("checkpoint")[-1]["note"])
    lines = proxy.audit.lines()
    first = next(i for i, line in enumerate(lines) if b'"event":"checkpoint"' in line)
    proxy.audit.path.write_bytes(b"\n".join(lines[: first + 1]) + b"\n")
    sums, result = verify(key, proxy.audit.path)
    assert result.returncode == 0 and "its end was cut off" in result.stderr
    sums, result = verify(key, "--kept", kept, proxy.audit.path)
    assert result.returncode == 1 and "lines are missing after this one" in result.stderr
    kept.write_text(kept.read_text().replace("\n", "\n1", 1))
    assert verify(key, "--kept", kept, proxy.audit.path)[1].returncode == 3
    proxy.audit.path.write_bytes(b"\n".join(lines) + b"\n")


def test_both_programs_of_an_upgrade_write_to_one_log_that_holds_together(start, tmp_path, dns, origin, key):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    made = start_upgradable(start, tmp_path, client(reach("origin.test", server.port)), audit=chained(key=str(tmp_path / "sign.key")))
    try:
        kept = made.proxy.tunnel(f"origin.test:{server.port}")
        made.upgrade()
        ask(made.proxy, 3)
        kept.close()
        made.proxy.close_record(kept.id)
        ask(made.proxy, 1)
    finally:
        made.proxy.stop(expected=None)
        made.kill()
    instances = {record["instance"] for record in made.proxy.audit.records()}
    sums, result = verify(key, made.proxy.audit.path)
    assert (result.returncode, sums["instances"], len(instances)) == (0, 2, 2), result.stderr


@pytest.mark.skipif("TSAN_OPTIONS" in os.environ, reason="ThreadSanitizer's own memory is a file")
def test_what_found_no_room_for_a_while_is_in_the_chain_all_the_same(start, tmp_path, key):
    """Also the record that was cut in the middle."""
    limit = (resource.RLIMIT_FSIZE, (16 * 1024, resource.RLIM_INFINITY))
    proxy = start(folder=tmp_path, process={"limits": limit}, audit={"on_full": "drop", **chained("1s")})
    for _ in range(60):
        assert proxy.ask(DENIED).status == 403
    proxy.stderr.wait("audit")
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    proxy.audit.wait_count(60, "close")
    proxy.stop()
    sums, result = verify(key, proxy.audit.path)
    assert (result.returncode, sums["complete"], sums["torn"]) == (0, "yes", 0), result.stderr


def test_another_key_proves_nothing(start, tmp_path, key):
    proxy = start(folder=tmp_path, audit=chained())
    ask(proxy, 2)
    proxy.stop()
    other = keygen(tmp_path, "other.key")
    sums, result = verify(other, proxy.audit.path)
    assert result.returncode == 1 and "is signed with another key" in result.stderr
    assert verify(other, "--key", key, proxy.audit.path)[1].returncode == 0


def test_a_reload_changes_the_chain_and_begins_another_instance(start, tmp_path, key):
    proxy = start(folder=tmp_path, control=CONTROL)
    control = Control(proxy)

    def reload(chain):
        audit = {"file": "audit.jsonl", **({} if chain is None else chain)}
        configs.write_config(proxy.config_path, {**proxy.config, "audit": audit})
        control.run("reload")
        ask(proxy, 2)

    other = keygen(tmp_path, "other.key")
    for chain in (None, chained(), chained(key="other.key"), chained("2s", key="other.key"), None):
        reload(chain)
    status = control.status()["audit"]
    assert status["chain"] is None
    proxy.stop()
    assert status["instance"] == proxy.audit.records()[-1]["instance"]
    seen = []
    for record in proxy.audit.records():
        if not seen or seen[-1]["instance"] != record["instance"]:
            assert record["seq"] == 0
            seen.append(record)
    assert len(seen) == 5
    assert ["prev" in record for record in seen] == [False, True, True, True, False]
    assert [record["after"]["instance"] for record in seen[1:]] == [record["instance"] for record in seen[:-1]]
    sums, result = verify(key, "--key", other, proxy.audit.path)
    assert result.returncode == 1
    assert result.stderr.count("is not chained") == sums["problems"] == 2, result.stderr


def test_an_idle_log_does_not_grow_and_a_used_one_is_signed_in_time(start, tmp_path, key):
    proxy = start(folder=tmp_path, audit=chained("1s"))
    ask(proxy, 1)
    proxy.audit.wait("checkpoint")
    ask(proxy, 1)
    proxy.audit.wait_count(2, "checkpoint")
    signs = [record["event"] == "checkpoint" for record in proxy.audit.records()]
    assert signs == [False, False, True, False, False, True]
    proxy.stop()
    assert [record["event"] for record in proxy.audit.records()][6:] == ["checkpoint"]


# -- proofs, and the live log ----------------------------------------------------------------------


def test_one_record_is_proved_without_the_others(start, tmp_path, key):
    proxy = start(folder=tmp_path, audit=chained())
    ask(proxy, 9)
    old = rotate(proxy, "audit.1")
    ask(proxy, 5)
    asked = proxy.ask(DENIED)
    proxy.close_record(asked.id)
    early = run("audit", "prove", asked.id, "--key", key, old, proxy.audit.path)
    assert early.returncode == 1 and "cannot be proved" in early.stderr
    proxy.stop()
    for logs in ([old, proxy.audit.path], [proxy.audit.path, old]):
        proof = run("audit", "prove", asked.id, "--key", key, *logs)
        assert proof.returncode == 0, proof.stderr
    path = tmp_path / "proof"
    path.write_text(proof.stdout)
    shown = [json.loads(line) for line in proof.stdout.splitlines()]
    assert [json.loads(one["line"])["event"] for one in shown] == ["decision", "close"]
    result = run("audit", "verify", "--key", key, "--proof", path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [one["line"] for one in shown]
    path.write_text(proof.stdout.replace("nowhere.test", "elsewhere.test", 1))
    result = run("audit", "verify", "--key", key, "--proof", path)
    assert result.returncode == 1 and "proof:1: proves nothing" in result.stderr
    other = keygen(tmp_path, "other.key")
    assert run("audit", "verify", "--key", other, "--proof", path).returncode == 1
    assert run("audit", "prove", "0" * 16, "--key", key, old).returncode == 1


def test_a_live_log_is_followed_over_rotation(start, tmp_path, key):
    proxy = start(folder=tmp_path, audit=chained("1s"))
    ask(proxy, 2)
    talk = tmp_path / "talk"
    with talk.open("wb") as stderr:
        follower = subprocess.Popen(
            [BINARY, "audit", "verify", "--follow", "--json", "--key", key, proxy.audit.path],
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    fds = pathlib.Path(f"/proc/{follower.pid}/fd")
    try:
        eventually(lambda: str(proxy.audit.path) in map(os.readlink, fds.iterdir()), "the follower has the file")
        rotate(proxy, "audit.1")
        ask(proxy, 2)
        with proxy.audit.path.open("ab") as log:
            log.write(b'{"v":1,"ts":"2026-11-29T10:00:00.000Z","event":"admin"}\n')
        eventually(lambda: b"this line was added" in talk.read_bytes(), "the line that was added")
        follower.send_signal(signal.SIGINT)
        out, _ = follower.communicate(timeout=PATIENCE)
    finally:
        if follower.poll() is None:
            follower.kill()
    proxy.is_audit_whole = False
    assert follower.returncode == 1
    assert json.loads(out)["problems"] == 1, talk.read_text()
    lines = [line for line in proxy.audit.lines() if b'"event":"admin"' not in line]
    proxy.audit.path.rename(tmp_path / "audit.2")
    proxy.audit.path.write_bytes(b"".join(line + b"\n" for line in lines))
