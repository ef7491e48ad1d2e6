"""The process that starts the one that serves, and ends with it."""

import json
import os
import shutil
import signal
import socket
import struct
import sys
import time

import pytest

from support.config import client, reach
from support.control import CONTROL
from support.proxy import BINARY, BY_SIGNAL, children
from support.scale import PATIENCE, eventually
from support.upgrades import is_alive, listens

DENIED = "nowhere.test:443"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


def held(pid):
    """What the descriptors of a process lead to."""
    folder = f"/proc/{pid}/fd"
    return {name: os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}


def test_the_keeper_listens_to_nobody_and_holds_nothing_of_the_proxy(start):
    proxy = start()
    assert proxy.ask(DENIED).status == 403
    assert children(proxy.process.pid) == [proxy.pid]
    assert listens(proxy.pid) and not listens(proxy.process.pid)
    others = [target for name, target in held(proxy.process.pid).items() if int(name) > 2]
    others.remove(os.path.realpath(BINARY))  # the file that the process that serves runs, for a key holder of the same version
    assert sorted(target.split(":")[0] for target in others) == ["anon_inode", "socket"], others
    assert len(os.listdir(f"/proc/{proxy.process.pid}/task")) == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_crash_is_said_and_is_the_end_of_the_keeper_too(start, form):
    proxy = start(log={"format": form})
    os.kill(proxy.pid, signal.SIGABRT)
    assert proxy.wait_exit() == BY_SIGNAL + signal.SIGABRT
    last = proxy.stderr.text().splitlines()[-1]
    said = f"the process that served, {proxy.pid}, was ended by signal 6 (Aborted)"
    if form == "json":
        line = json.loads(last)
        assert (line["level"], line["event"], line["detail"]) == ("error", "keeper", said)
    else:
        assert last.endswith(said)
    proxy.stop(expected=BY_SIGNAL + signal.SIGABRT)


def test_who_starts_it_may_ignore_the_end_of_children(start):
    proxy = start(process={"before": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)})
    os.kill(proxy.pid, signal.SIGABRT)
    assert proxy.wait_exit() == BY_SIGNAL + signal.SIGABRT
    proxy.stop(expected=BY_SIGNAL + signal.SIGABRT)


def test_who_has_lost_its_keeper_ends_with_all_its_records(start, server):
    proxy = start(client(reach("origin.test", server.port)))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    serving = proxy.pid
    proxy.process.kill()
    proxy.assert_closed(tunnel.id, "killed")
    eventually(lambda: not is_alive(serving), "the process that served to end")
    assert "the keeper is gone" in proxy.stderr.text()
    proxy.stop(expected=-signal.SIGKILL)


def message(kind, number=0, text=b""):
    return struct.pack(">BB6xqq232s", 1, kind, 0, number, text)


SERVING, NOTIFY, START, SIGNAL = range(4)

# A new process that asks the keeper for what it may not have, and then ends.
DEMANDING = """#!{python}
import os, socket
link = socket.socket(fileno=int(os.environ["SALLYPORT_KEEPER"]))
for each in {messages!r}:
    link.send(each)
os._exit(7)
"""


def test_the_keeper_does_no_more_than_it_knows_whoever_asks(upgradable, tmp_path):
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(name)
        notify.settimeout(PATIENCE)
        made = upgradable(process={"environment": {"NOTIFY_SOCKET": name}})
        assert notify.recv(4096) == b"READY=1"
        asked = [
            b"junk",
            message(NOTIFY, text=b"MAINPID=1"),
            message(NOTIFY, text=b"STOPPING=1"),  # known, but it does not serve
            message(START),  # without a link
            struct.pack(">BB6xqq232s", 1, SIGNAL, made.proxy.pid, signal.SIGKILL, b""),
            struct.pack(">BB6xqq232s", 1, SIGNAL, 1, signal.SIGTERM, b""),
            message(99),
        ]
        made.write_program(DEMANDING.format(python=sys.executable, messages=asked))
        assert "exit status 7" in made.fail()
        assert notify.recv(4096).startswith(b"RELOADING=1")
        assert notify.recv(4096) == b"READY=1"
    said = made.proxy.stderr.text()
    assert said.count("the keeper does not do what process") == 4, said
    assert made.proxy.ask(DENIED).status == 403
    made.upgrade()
    assert made.proxy.ask(DENIED).status == 403


# A new process that gives the keeper the last descriptor of a socket whose close waits for its peer, and says much.
LINGERING = """#!{python}
import os, socket
link = socket.socket(fileno=int(os.environ["SALLYPORT_KEEPER"]))
made = socket.create_connection(("127.0.0.1", {port}))
made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 200, 0, 0, 0]))
made.setblocking(False)
try:
    while True:
        made.send(bytes(65536))
except BlockingIOError:
    pass
link.setblocking(True)
socket.send_fds(link, [b"junk"], [made.fileno()])
for number in range(100):
    link.send(b"junk")
os._exit(7)
"""


def test_nothing_that_it_is_given_or_told_keeps_the_keeper_from_its_work(upgradable):
    made = upgradable()
    with socket.create_server(("127.0.0.1", 0)) as server:
        made.write_program(LINGERING.format(python=sys.executable, port=server.getsockname()[1]))
        assert "exit status 7" in made.fail()
        peer = server.accept()[0]
        made.write_program(f"#!{sys.executable}\nraise SystemExit(7)\n")
        begin = time.monotonic()
        answers = [made.fail() for _ in range(31)]  # one more than within a minute
        assert "exit status 7" in answers[0]
        if time.monotonic() - begin < 50:  # a slow machine does not come that far
            assert any("there were 30 within 60 s already" in each for each in answers)
        peer.close()
    said = made.proxy.stderr.text()
    assert 1 < said.count("the keeper does not do what process") <= 16 and "no more is said of it" in said
    assert made.proxy.ask(DENIED).status == 403


def test_as_the_first_process_of_a_container_it_takes_leave_of_orphans(start, tmp_path):
    program, gate = tmp_path / "sallyport", tmp_path / "gate"
    shutil.copy(BINARY, program)
    os.mkfifo(gate)
    outside = tmp_path / "outside"
    outside.write_text(f'#!/bin/sh\nexec unshare --pid --fork --kill-child {program} "$@"\n')
    outside.chmod(0o755)
    proxy = start(control=CONTROL, process={"program": str(outside)}, is_ready=False)
    proxy.wait_ready()
    keeper = children(proxy.process.pid)[0]
    [proxy.pid] = children(keeper)
    orphaning = tmp_path / "new"
    orphaning.write_text(f"#!/bin/sh\ncat <{gate} >/dev/null 2>&1 &\nexit 7\n")
    orphaning.chmod(0o755)
    orphaning.rename(program)
    os.kill(keeper, signal.SIGUSR2)
    proxy.stderr.wait("upgrade: failed.*exit status 7")
    with open(gate, "w", encoding="ascii"):
        eventually(lambda: len(children(keeper)) == 2, "the orphan to be adopted")
    eventually(lambda: children(keeper) == [proxy.pid], "the orphan to be taken leave of")
    assert proxy.ask(DENIED).status == 403
    os.kill(keeper, signal.SIGTERM)
    assert proxy.wait_exit() == 0
    proxy.stop()
