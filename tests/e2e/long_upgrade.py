"""The program is changed twenty times while a thousand clients a second come, half of them with a ticket.

Not part of CI for its time: `tools/test --long` runs it. test_upgrade.py is the small one. The clients are the load generator of
the benchmark (tests/bench/load). It prints the longest pauses of an echo, which depend on the machine.
"""

import os
import pathlib
import sys
import time

import pytest

from support.config import client, reach
from support.proxy import run
from support.scale import eventually
from support.upgrades import start_upgradable

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))

from load import Clients  # noqa: E402
from load import Origin as Echoes  # noqa: E402

LOAD = os.environ.get("SALLYPORT_LOAD", str(ROOT / "bazel-bin" / "tests" / "bench" / "load_generator"))
TIMES = int(os.environ.get("SALLYPORT_LONG_TIMES", "20"))
RATE = int(os.environ.get("SALLYPORT_LONG_RATE", "1000"))  # new connections a second
EACH_S = float(os.environ.get("SALLYPORT_LONG_EACH_S", "1.5"))  # between two upgrades
AT_ONCE = 500  # more than are under way at a time, so that nobody has to wait for another
TUNNELS = 8
BEAT = ("beat", 64, 2)


def beat_s():
    return TIMES * EACH_S + 3


@pytest.fixture
def echoes():
    servers = Echoes(LOAD)
    yield servers
    servers.stop()


@pytest.fixture
def loads():
    """Makes client processes of the load generator."""
    made = []

    def make(proxy, leaf):
        made.append(Clients(LOAD, proxy.address[1], leaf))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def change_program(made, loads, leaf, target):
    """One upgrade, by the command; the longest pause of tunnels that the process before it had just opened."""
    fresh = loads(made.proxy, leaf)
    assert fresh.ask("open", target, TUNNELS)["held"] == TUNNELS
    fresh.begin(*BEAT, EACH_S * 0.6)
    made.upgrade()
    beat = fresh.answer()
    assert beat["held"] == TUNNELS and beat["failed"] == 0, beat
    fresh.ask("close")
    return beat["max_us"] / 1000


def test_nobody_is_refused_while_the_program_is_changed_twenty_times(start, loads, echoes, tmp_path, pki):
    key = tmp_path / "audit-sign.key"
    assert run("audit", "keygen", "--name", "gate-1", key).returncode == 0
    rule = reach("127.0.0.1", *(port for name, port in echoes.ports.items() if "echo" in name))
    del rule["hosts"]  # targets are addresses
    target = echoes.target("echo")
    made = start_upgradable(
        start, tmp_path, client(rule, name="guests", match=[{"cn": "guest"}]), client(rule), audit={"chain": {"key": str(key)}}
    )
    proxy = made.proxy
    guest = proxy.tunnel(target, pki.ca.leaf("guest"))  # in the oldest process until the end
    stays = loads(proxy, pki.worker)
    assert stays.ask("open", target, TUNNELS)["held"] == TUNNELS
    comers = [loads(proxy, pki.worker) for _ in range(2)]
    for kind, each in zip(("full", "resumed"), comers):
        each.begin("storm", kind, echoes.echoes(), beat_s(), AT_ONCE, RATE / 2)
    stays.begin(*BEAT, beat_s())
    begun = time.monotonic()
    pauses = []
    for turn in range(TIMES):
        pauses.append(change_program(made, loads, pki.worker, target))
        for old in made.old[1:]:
            old.wait_end()
            proxy.stderr.wait(f"the old process {old.pid} has ended")
            assert f"the old process {old.pid} had to cut" not in proxy.stderr.text()
        if turn < TIMES // 2:
            guest.echo(b"turn %d" % turn)
        elif turn == TIMES // 2:
            made.control.block("guests")
            proxy.assert_closed(guest.id, "blocked")
        time.sleep(max(0.0, begun + (turn + 1) * EACH_S - time.monotonic()))  # so that many come to each process
    took_s = time.monotonic() - begun
    assert "ACCESS_DENIED" in proxy.dial(pki.ca.leaf("guest")).refusal()
    full, resumed = [each.answer() for each in comers]
    stayed = stays.answer()
    print(
        f"\n{TIMES} upgrades in {took_s:.1f} s: {full['done']} full and {resumed['done']} resumed handshakes in"
        f" {full['seconds']:.1f} s; the longest pause of an echo: {stayed['max_us'] / 1000:.1f} ms in {stayed['done']}"
        f" through the oldest process (999 of 1000: {stayed['p999_us'] / 1000:.1f} ms), {max(pauses):.1f} ms through the one"
        f" that is replaced (all: {' '.join(f'{each:.1f}' for each in pauses)});"
        f" a connection took {full['p50_us'] / 1000:.1f} ms, at most {max(full['max_us'], resumed['max_us']) / 1000:.1f} ms"
    )
    assert took_s < full["seconds"], "the load ended before the last upgrade: make SALLYPORT_LONG_EACH_S longer"
    assert stayed["held"] == TUNNELS and stayed["failed"] == 0, stayed
    for comer in (full, resumed):
        assert comer["failed"] == comer["unfinished"] == comer["missed"] == 0, comer
    assert resumed["resumed"] >= resumed["done"] - AT_ONCE, resumed  # all but the first ones
    stays.ask("close")
    made.wait_old_ended()
    proxy.stop()
    done = full["done"] + resumed["done"] + TUNNELS * (TIMES + 1)
    eventually(lambda: len(proxy.audit.records("decision")) >= done, "every record")
    told = run("audit", "verify", "--key", f"{key}.pub", proxy.audit.path)
    assert told.returncode == 0, told.stdout + told.stderr
