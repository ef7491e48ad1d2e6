"""What the process that serves gives up at its start: user, groups, capabilities. Most of it needs to be root to be seen."""

import grp
import itertools
import os
import pwd
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.config import client, reach, write_config
from support.control import CONTROL, Control
from support.proxy import run
from support.scale import eventually
from support.sidecar import Sidecar
from support.unit_calls import HEADER, restriction
from support.upgrades import start_upgradable

DENIED = "nowhere.test:443"
UNITS = Path("tools/deliver/systemd").resolve()
if not UNITS.exists():  # outside of Bazel
    UNITS = Path(__file__).resolve().parents[2] / "tools/deliver/systemd"
NOBODY = pwd.getpwnam("nobody")
IS_ROOT = os.geteuid() == 0


def has_others():
    """Whether there is anybody else whom root can become here; not in a namespace of one user."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return any(int(line.split()[2]) > NOBODY.pw_uid for line in file)


needs_root = pytest.mark.skipif(not (IS_ROOT and has_others()), reason="needs root, and other users")


def status(pid):
    """What the kernel says about a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def capabilities(pid, kind="Prm"):
    return int(status(pid)["Cap" + kind], 16)


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def shared(tmp_path, pki):
    """A folder of nobody's, with files that nobody can read, and a key that nobody cannot."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o011)
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    for name, path in {"chain": pki.server.chain, "key": pki.server.key, "ca": pki.ca.path}.items():
        shutil.copy(path, folder / name)
        (folder / name).chmod(0o600 if name == "key" else 0o644)
    return folder


def as_nobody(shared, **changes):
    certificates = [{"chain": str(shared / "chain"), "key": str(shared / "key")}]
    listener = {"name": "main", "address": "127.0.0.1:0", "certificates": certificates, "trust": "staff"}
    return {
        "folder": shared,
        "listeners": [listener],
        "trust": {"staff": {"ca": [str(shared / "ca")]}},
        "cage": {"user": "nobody"},
        **changes,
    }


def test_who_serves_has_no_capability_and_cannot_get_one(start):
    proxy = start()
    for kind in ("Prm", "Eff", "Inh", "Amb", "Bnd") if IS_ROOT else ("Prm", "Eff", "Inh", "Amb"):
        assert capabilities(proxy.pid, kind) == 0, kind
    for pid in (proxy.pid, proxy.process.pid):
        assert status(pid)["NoNewPrivs"] == "1"
    assert proxy.ask(DENIED).status == 403
    if IS_ROOT:
        proxy.stderr.wait("warning the proxy runs as root, though without its capabilities")
        needed = {1 << number for number in (2, 5, 6, 7, 8, 10)}  # to start others, and to end them
        assert capabilities(proxy.process.pid) & ~sum(needed) == 0


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to bind it")
def test_a_low_port_keeps_the_one_capability_that_a_reload_needs_for_it(start):
    proxy = start(admin={"address": "127.0.0.1:923"})
    assert capabilities(proxy.pid) == 1 << 10
    proxy.reload(admin={"address": "127.0.0.1:924"})
    proxy.stderr.wait("metrics and health at http://127.0.0.1:924/")


def test_a_user_that_is_not_there_is_an_error_that_says_how_to_make_it(start):
    proxy = start(cage={"user": "no-such-user"}, is_ready=False)
    assert proxy.wait_exit() == 3
    assert "there is no user no-such-user on this machine; run: useradd" in proxy.stderr.text()
    proxy.stop(expected=3)
    result = run("check", "-c", proxy.config_path)
    assert result.returncode == 3 and "no-such-user" in result.stderr


def test_the_proxy_is_not_made_root_by_name(start):
    proxy = start(cage={"user": "root"}, is_ready=False)
    assert proxy.wait_exit() == 3
    assert "is root, whom the proxy is not to be" in proxy.stderr.text()
    proxy.stop(expected=3)


@needs_root
def test_another_user_cannot_be_become_by_an_ordinary_one(shared, pki, dns, start):
    proxy = start(**as_nobody(shared))
    text = proxy.config_path.read_text().replace('"nobody"', '"daemon"')
    proxy.config_path.with_name("other.yaml").write_text(text)
    (shared / "key").chmod(0o600)
    os.chown(shared / "key", NOBODY.pw_uid, NOBODY.pw_gid)
    program = shutil.copy(os.environ.get("SALLYPORT_BIN", "bazel-bin/proxy/sallyport"), shared)
    result = run("serve", "-c", shared / "other.yaml", program=program, user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
    assert result.returncode == 3 and "cannot become that one" in result.stderr


@needs_root
def test_started_as_root_it_becomes_the_user_for_good(shared, start, server):
    proxy = start(client(reach("origin.test", server.port)), **as_nobody(shared, control=CONTROL))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"as nobody")
    tunnel.close()
    for task in os.listdir(f"/proc/{proxy.pid}/task"):
        said = status(f"{proxy.pid}/task/{task}")
        assert said["Uid"].split() == [str(NOBODY.pw_uid)] * 4, task
        assert said["Gid"].split() == [str(NOBODY.pw_gid)] * 4, task
        assert {int(each) for each in said["Groups"].split()} <= {NOBODY.pw_gid}
        assert int(said["CapPrm"], 16) == 0
    if sandbox_of(proxy)["missing"] != "this is a build with a sanitizer":
        assert os.stat(f"/proc/{proxy.pid}/mem").st_uid == 0  # it stays closed to others of that user
    assert status(proxy.process.pid)["Uid"].split()[0] == "0"
    for path in (proxy.audit.path, shared / "control.sock"):
        assert path.stat().st_uid == NOBODY.pw_uid


@needs_root
def test_a_key_that_only_root_can_read_serves_and_a_reload_says_what_it_needs(shared, start):
    proxy = start(**as_nobody(shared, control=CONTROL))
    proxy.stderr.wait(rf"warning {shared / 'key'} cannot be read by user nobody: .*chgrp {grp.getgrgid(NOBODY.pw_gid).gr_name}, ")
    assert proxy.ask(DENIED).status == 403
    result = Control(proxy).run("reload", expected=3)
    assert f"Permission denied; this is user {NOBODY.pw_uid}: let it" in result.stderr and str(shared / "key") in result.stderr
    checked = run("check", "-c", proxy.config_path)
    assert f"{shared / 'key'} cannot be read by user nobody" in checked.stderr
    assert proxy.ask(DENIED).status == 403
    os.chown(shared / "key", 0, NOBODY.pw_gid)
    (shared / "key").chmod(0o640)
    Control(proxy).run("reload")
    assert proxy.ask(DENIED).status == 403


@needs_root
def test_a_key_for_the_group_of_the_user_is_taken_at_the_start(shared, start):
    group = grp.getgrgid(NOBODY.pw_gid)
    os.chown(shared / "key", 0, group.gr_gid)
    (shared / "key").chmod(0o640)
    proxy = start(**as_nobody(shared))
    assert proxy.ask(DENIED).status == 403
    assert "cannot be read" not in proxy.stderr.text()
    checked = run("check", "-c", proxy.config_path)  # by root, who is not in that group
    assert checked.returncode == 0 and "cannot be read" not in checked.stderr, checked.stderr
    proxy.config_path.write_text(proxy.config_path.read_text().replace('"user": "nobody"', ""))
    checked = run("check", "-c", proxy.config_path)
    assert checked.returncode == 3 and "name that user (`process: {user: USER}`)" in checked.stderr, checked.stderr


@needs_root
def test_a_key_for_the_group_is_taken_by_every_key_holder(shared, start):
    os.chown(shared / "key", 0, NOBODY.pw_gid)
    (shared / "key").chmod(0o640)
    cage = {"user": "nobody", "keys": "apart", "sandbox": "auto"}
    proxy = start(**as_nobody(shared, control=CONTROL, cage=cage))
    assert proxy.ask(DENIED).status == 403
    holder = Control(proxy).status()["keys"]["pid"]
    assert status(holder)["Uid"].split()[0] == "0" and int(status(holder)["Gid"].split()[0]) == NOBODY.pw_gid
    assert capabilities(holder) & ~(1 << 2) == 0
    said = f"the private key {shared / 'key'} can be read by the process that serves"
    proxy.stderr.wait(said)
    assert said in run("check", "-c", proxy.config_path).stderr
    (shared / "key").chmod(0o600)
    checked = run("check", "-c", proxy.config_path).stderr
    assert said not in checked and "cannot be read by user nobody" not in checked  # it is the holder's
    (shared / "key").chmod(0o640)
    os.kill(holder, signal.SIGKILL)
    eventually(lambda: Control(proxy).status()["keys"]["restarts"] == 1, "another holder")
    assert "; started again 1 times" in " ".join(Control(proxy).run("status").stdout.split())
    assert proxy.ask(DENIED).status == 403
    assert int(status(Control(proxy).status()["keys"]["pid"])["Gid"].split()[0]) == NOBODY.pw_gid


@needs_root
def test_an_upgrade_begins_as_root_and_becomes_the_user_too(shared, start, server):
    made = start_upgradable(start, shared, client(reach("origin.test", server.port)), **as_nobody(shared))
    tunnel = made.proxy.tunnel(f"origin.test:{server.port}")
    made.upgrade()
    assert status(made.now.pid)["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    made.control.block("workers")  # it reaches the old process, too
    made.proxy.assert_closed(tunnel.id, "blocked")
    made.proxy.send_signal(signal.SIGTERM)
    eventually(lambda: made.proxy.process.poll() is not None, "the keeper to end")


# -- files ------------------------------------------------------------------------------------


def sandbox_of(proxy):
    return Control(proxy).status()["sandbox"]


@pytest.fixture
def sandboxed(start):
    """Starts a proxy in a sandbox; there is none in builds with a sanitizer, or where the kernel has none."""

    def make(*clients, **changes):
        cage = {"sandbox": "on", **changes.pop("cage", {})}
        proxy = start(*clients, cage=cage, is_ready=False, **{"control": CONTROL, **changes})
        if proxy.stderr.wait(r"`process.sandbox` is on, and cannot be had: |serving with").group(0).startswith("`"):
            proxy.wait_exit()
            proxy.stop(expected=1)
            pytest.skip(proxy.stderr.text())
        return proxy.wait_ready()

    return make


def replace(path, text):
    """As who renews a file does: the name leads to another one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def test_a_reload_reads_what_is_new_below_its_folders_and_says_what_it_needs_elsewhere(sandboxed, server, tmp_path):
    inside, elsewhere = tmp_path / "inside", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    replace(inside / "hosts", "origin.test\n")
    rule = {**reach("origin.test", server.port), "hosts": [{"file": str(inside / "hosts")}]}
    proxy = sandboxed(client(rule))
    assert proxy.ask(f"origin.test:{server.port}").status == 200
    replace(inside / "hosts", "other.test\n")
    eventually(lambda: proxy.ask(f"origin.test:{server.port}").status == 403, "the renamed file to be read")
    (inside / "more").mkdir()
    for folder, said in ((inside / "more", None), (elsewhere, "has not opened it, or the folder of it; add that to `process.paths`, and `sallyport upgrade`")):
        replace(folder / "hosts", "origin.test\n")
        text = proxy.config_path.read_text().replace(rule["hosts"][0]["file"], str(folder / "hosts"))
        rule["hosts"][0]["file"] = str(folder / "hosts")
        proxy.config_path.write_text(text)
        result = Control(proxy).run("reload", expected=3 if said else 0)
        assert not said or (said in result.stderr and str(folder) in result.stderr), result.stderr
        assert proxy.ask(f"origin.test:{server.port}").status == 200
    proxy.stop()
    proxy = sandboxed(client({**rule, "hosts": ["nowhere.test"]}), cage={"paths": [str(elsewhere)]})
    proxy.config["clients"] = [client(rule)]
    proxy.reload()
    assert proxy.ask(f"origin.test:{server.port}").status == 200


def test_a_reload_says_that_the_sandbox_closes_an_included_folder(sandboxed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    proxy = sandboxed()
    write_config(proxy.config_path, {**proxy.config, "include": [f"{elsewhere}/*.yaml"]})
    said = Control(proxy).run("reload", expected=3).stderr
    assert f"cannot read {elsewhere}: the sandbox of this process has not opened it" in said
    assert "`process.paths`, and `sallyport upgrade`" in said


def test_a_reload_that_changes_what_counts_at_the_start_warns_each_time(sandboxed, tmp_path):
    proxy = sandboxed()
    changes = {"sandbox": "auto", "paths": [str(tmp_path)]}
    for turn in (1, 2):
        write_config(proxy.config_path, {**proxy.config, "process": {"sandbox": "on", **changes}})
        Control(proxy).run("reload")
        for key in changes:
            said = f"`process.{key}` cannot change in a reload: `sallyport upgrade`, or restart the proxy"
            assert proxy.stderr.text().count(said) == turn


def test_a_reload_that_would_write_elsewhere_is_refused_before_anything_changes(sandboxed, tmp_path):
    proxy = sandboxed()
    good = proxy.config_path.read_text()
    proxy.config_path.write_text(good.replace('"audit.jsonl"', f'"{tmp_path}/audit.jsonl"'))
    result = Control(proxy).run("reload", expected=3)
    assert f"cannot write to the folder of {tmp_path}/audit.jsonl" in result.stderr
    assert not (tmp_path / "audit.jsonl").exists()
    assert proxy.ask(DENIED).status == 403
    proxy.config_path.write_text(good)


def test_links_are_followed_as_those_who_renew_certificates_make_them(sandboxed, pki, tmp_path):
    archive, live = tmp_path / "archive", tmp_path / "live"
    for folder in (archive, live):
        folder.mkdir()
    for number in (1, 2):
        for name, path in (("chain", pki.server.chain), ("key", pki.server.key)):
            shutil.copy(path, archive / f"{name}{number}")
            (archive / f"{name}{number}").chmod(0o600)
    for name in ("chain", "key"):
        (live / name).symlink_to(f"../archive/{name}1")
    certificates = [{"chain": str(live / "chain"), "key": str(live / "key")}]
    listener = {"name": "main", "address": "127.0.0.1:0", "certificates": certificates, "trust": "staff"}
    proxy = sandboxed(listeners=[listener])
    for name in ("chain", "key"):
        (live / "new").symlink_to(f"../archive/{name}2")
        (live / "new").rename(live / name)
    Control(proxy).run("reload")
    assert proxy.ask(DENIED).status == 403


def test_status_and_check_say_what_is_in_force(sandboxed, start):
    proxy = sandboxed()
    said = sandbox_of(proxy)
    assert said["landlock"] > 0 and said["seccomp"] and said["missing"] is None and said["user"] == os.geteuid(), said
    assert f"Landlock {said['landlock']}" in Control(proxy).run("status").stdout
    assert f"sandbox: Landlock {said['landlock']}" in run("check", "-c", proxy.config_path).stdout
    free = start(control=CONTROL, cage={"sandbox": "off"})
    assert sandbox_of(free)["missing"] == "`process.sandbox` is off"
    apart = start(control=CONTROL, cage={"keys": "apart"})
    said = Control(apart).status()["keys"]["sandbox"]
    assert said["landlock"] > 0 and said["seccomp"] and said["missing"] is None, said
    assert f"; Landlock {said['landlock']}, system calls restricted" in Control(apart).run("status").stdout
    assert "`process.sandbox` is off" in Control(free).run("status").stdout


def test_what_is_written_directly_into_a_wide_folder_is_refused_or_a_warning(sandboxed, start):
    sandboxed().stop()  # or there is none here
    path = f"/tmp/sallyport-{os.getpid()}.jsonl"
    said = f"{path} is directly in /tmp, all of which the sandbox would open"
    for sandbox, expected in (("on", 3), ("auto", 0)):
        proxy = start(audit={"file": path}, cage={"sandbox": sandbox}, is_ready=False)
        proxy.stderr.wait(said)
        checked = run("check", "-c", proxy.config_path)
        assert said in checked.stderr and checked.returncode == expected, checked
        if expected:
            assert proxy.wait_exit() == expected
        proxy.stop(expected=expected)
    os.unlink(path)


def test_devices_and_pipes_are_opened_again_and_nothing_beside_them(sandboxed, tmp_path):
    for place in ("/dev/null", "/dev/full", "/dev/stdout"):
        proxy = sandboxed(audit={"file": place}, limits={"sessions": 7})
        proxy.reload(limits={"sessions": 8})
        assert "directly in" not in proxy.stderr.text()
        proxy.is_audit_whole = False


def test_a_named_pipe_as_stdout_is_opened_again_for_the_log_alone(sandboxed, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    try:
        proxy = sandboxed(audit={"file": "-"}, process={"stdout": pipe})
        folder = Path(f"/proc/{proxy.pid}/fd")
        opened = [each.name for each in folder.iterdir() if os.readlink(each) == str(path)]
        flags = [re.search(r"flags:\s+(\d+)", (folder.parent / "fdinfo" / name).read_text()).group(1) for name in opened]
        assert len(opened) > 1 and sum(int(each, 8) & os.O_NONBLOCK != 0 for each in flags) == 1, flags
        proxy.stop()
    finally:
        os.close(pipe)


def test_a_reload_that_moves_control_keeps_it_and_takes_the_rest(sandboxed, tmp_path):
    proxy = sandboxed()
    elsewhere = {"socket": str(tmp_path / "other.sock"), "state": str(tmp_path / "other.state")}
    good = proxy.config
    proxy.reload(control=elsewhere)
    proxy.stderr.wait("`control` cannot change without a restart; it stays")
    assert not (tmp_path / "other.sock").exists()
    proxy.config = good
    proxy.reload()


def keys_alone(pki, tmp_path):
    """Listeners whose key is in a folder that has nothing else, and that folder."""
    tls = tmp_path / "tls"
    tls.mkdir()
    for name, path in (("chain", pki.server.chain), ("key", pki.server.key)):
        shutil.copy(path, tls / name)
        (tls / name).chmod(0o600)
    certificates = [{"chain": str(tls / "chain"), "key": str(tls / "key")}]
    return [{"name": "main", "address": "127.0.0.1:0", "certificates": certificates, "trust": "staff"}], tls


def test_a_key_that_is_apart_and_can_be_read_all_the_same_is_refused_or_a_warning(sandboxed, start, pki, tmp_path):
    sandboxed().stop()  # or there is none here
    beside = tmp_path / "beside"
    beside.mkdir()
    listeners, tls = keys_alone(pki, tmp_path)
    said = f"the private key {tls / 'key'} can be read by the process that serves"
    cage = {"keys": "apart", "paths": [str(tmp_path)]}
    proxy = sandboxed(listeners=listeners, cage={**cage, "sandbox": "auto"})
    proxy.stderr.wait(said)
    checked = run("check", "-c", proxy.config_path)
    assert checked.returncode == 0 and said in checked.stderr, checked
    proxy.stop()
    proxy = start(listeners=listeners, cage={**cage, "sandbox": "on"}, is_ready=False)
    assert proxy.wait_exit() == 3 and said in proxy.stderr.text()
    proxy.stop(expected=3)
    checked = run("check", "-c", proxy.config_path)
    assert checked.returncode == 3 and said in checked.stderr, checked
    proxy = sandboxed(listeners=listeners, cage={**cage, "paths": [str(beside)]})
    checked = run("check", "-c", proxy.config_path)
    assert checked.returncode == 0
    assert said not in proxy.stderr.text() + checked.stderr


def test_a_reload_that_opens_a_key_to_the_process_that_serves_is_refused(sandboxed, pki, tmp_path):
    sandboxed().stop()  # or there is none here
    listeners, tls = keys_alone(pki, tmp_path)
    beside = tmp_path / "beside"
    beside.mkdir()
    proxy = sandboxed(listeners=listeners, cage={"keys": "apart", "paths": [str(beside)], "key_paths": [str(beside)], "sandbox": "auto"})
    folder_said = f"{beside} is in `process.key_paths`, and the process that serves can open it"
    proxy.stderr.wait(folder_said)
    assert folder_said in run("check", "-c", proxy.config_path).stderr
    for name in ("chain", "key"):
        shutil.copy(tls / name, beside / name)
        (beside / name).chmod(0o600)
    pair = {"chain": str(beside / "chain"), "key": str(beside / "key")}
    proxy.reload(listeners=[{**listeners[0], "certificates": [pair]}])
    said = f"the private key {beside / 'key'} can be read by the process that serves"
    proxy.stderr.wait(said)
    proxy.stop()
    proxy = sandboxed(listeners=listeners, cage={"keys": "apart", "key_paths": [str(beside)]})
    assert folder_said not in proxy.stderr.text()
    proxy.reload(listeners=[{**listeners[0], "certificates": [pair]}])
    assert said not in proxy.stderr.text()


@pytest.mark.skipif(not HEADER.exists(), reason="needs the numbers of x86_64's system calls")
def test_what_the_kernel_has_not_is_said_of_the_key_holder_too(sandboxed, start, pki, tmp_path):
    sandboxed().stop()  # or there is none here
    listeners, _ = keys_alone(pki, tmp_path)
    old_kernel = {"before": restriction("SystemCallFilter=@system-service")}
    proxy = start(listeners=listeners, cage={"keys": "apart", "sandbox": "auto"}, control=CONTROL, process=old_kernel)
    status = Control(proxy).status()
    for said in (status["sandbox"], status["keys"]["sandbox"]):
        assert (said["landlock"], said["seccomp"]) == (0, False), said
        assert "has no Landlock" in said["missing"] and "has no seccomp filters" in said["missing"], said
    proxy.stderr.wait("no whole sandbox for the process that holds the private keys: this kernel has no Landlock")
    shown = Control(proxy).run("status").stdout
    assert re.search(r"keys +apart, in process \d+; ! this kernel has no Landlock", shown), shown
    proxy.stop()
    proxy = start(listeners=listeners, cage={"keys": "apart", "sandbox": "on"}, is_ready=False, process=old_kernel)
    assert proxy.wait_exit() == 1
    assert "`process.sandbox` is on, and cannot be had: this kernel has no Landlock" in proxy.stderr.text()
    proxy.stop(expected=1)


@pytest.mark.skipif(not HEADER.exists(), reason="needs the numbers of x86_64's system calls")
@pytest.mark.parametrize("keys", ["here", "apart"])
def test_with_the_system_calls_of_the_unit_it_has_its_whole_sandbox(sandboxed, server, pki, tmp_path, keys):
    target = f"origin.test:{server.port}"
    allowed = client(reach("origin.test", server.port))
    sandboxed(allowed).stop()  # or there is none here
    cage = {"keys": keys}
    restricted = {"before": restriction((UNITS / "sallyport.service").read_text(encoding="utf-8"))}
    listeners, _ = keys_alone(pki, tmp_path)
    proxy = sandboxed(allowed, cage=cage, listeners=listeners, process=restricted)
    said = sandbox_of(proxy)
    assert said["landlock"] > 0 and said["seccomp"] and said["missing"] is None, said
    assert capabilities(proxy.pid) == 0
    tunnel = proxy.tunnel(target)
    tunnel.echo(b"under the unit")
    tunnel.close()
    proxy.reload()
    assert proxy.ask(DENIED).status == 403
    proxy.stop()
    assert "not permitted" not in proxy.stderr.text(), proxy.stderr.text()


# -- the sidecar ------------------------------------------------------------------------------


@pytest.fixture
def connect(pki, tmp_path, sandboxed):
    """Starts sidecars with a certificate of their own; there is a sandbox here."""
    sandboxed().stop()
    started = []
    number = itertools.count()

    def make(mode, folder=None, is_ready=True, **options):
        folder = folder or tmp_path / f"files-{next(number)}"
        folder.mkdir(exist_ok=True)
        own = SimpleNamespace(chain=folder / f"sallyport-{os.getpid()}.crt", key=folder / f"sallyport-{os.getpid()}.key")
        shutil.copy(pki.worker.chain, own.chain)
        shutil.copy(pki.worker.key, own.key)
        one = Sidecar(pki, "https://127.0.0.1:9", own, ["--sandbox", mode], **options)
        started.append((one, own))
        return one.wait_ready() if is_ready else one, own

    yield make
    for one, own in started:
        one.kill()
        own.chain.unlink(missing_ok=True)
        own.key.unlink(missing_ok=True)


def renew(own, leaf):
    for path, new in ((own.key, leaf.key), (own.chain, leaf.chain)):
        shutil.copy(new, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)


def test_a_sidecar_in_a_sandbox_sees_a_renewed_certificate(connect, pki):
    one, own = connect("on")
    renew(own, pki.ca.leaf("worker-2"))
    assert one.stderr.wait("renewed: new connections use the new files")
    one.stop()


def test_a_sidecar_with_files_in_a_folder_with_much_else_warns_and_sees_them_renewed(connect, pki):
    one, own = connect("auto", folder=Path("/tmp"))
    assert one.stderr.wait(f"{own.chain} is directly in /tmp, all of which the sandbox opens for reading")
    renew(own, pki.ca.leaf("worker-2"))
    assert one.stderr.wait("renewed: new connections use the new files")
    one.stop()
    one, own = connect("on", folder=Path("/tmp"), is_ready=False)
    assert one.stderr.wait(f"error {own.chain} is directly in /tmp")
    one.process.wait()
    one.stop(expected=1)


def test_a_sandbox_that_a_sidecar_cannot_have_is_a_warning_or_an_error(connect):
    wrong = run("connect", "--proxy", "https://x.test:1", "--cert", "a", "--key", "b", "--ca", "c", "--sandbox", "maybe")
    assert wrong.returncode == 2 and "--sandbox: 'maybe' is neither auto, on nor off" in wrong.stderr
    if not HEADER.exists():
        return
    old_kernel = restriction("SystemCallFilter=@system-service")
    one, _ = connect("auto", before=old_kernel)
    assert one.stderr.wait("no whole sandbox: this kernel has no Landlock")
    one.stop()
    one, _ = connect("on", before=old_kernel, is_ready=False)
    assert one.stderr.wait("--sandbox is on, and cannot be had: this kernel has no Landlock")
    one.process.wait()
    one.stop(expected=1)
    one, _ = connect("on", before=restriction((UNITS / "sallyport-connect.service").read_text(encoding="utf-8")))
    one.stop()
