"""Trust and rules that change while much is going on: nobody fails who should not, a client that lost its
right is gone, and nothing is left behind."""

import pytest

from support.config import client, reach
from support.load import Load
from support.loops import LoopProbe
from support.scale import IS_SMALL, PATIENCE, count, spread
from support.wire import Ending

ORIGIN = "origin.test"
DENIED = "nowhere.test:443"
MIB = 1024 * 1024
CLIENTS = 20
LISTS = 8


@pytest.fixture
def server(dns, origin):
    dns.addresses(ORIGIN, "127.0.0.1")
    return origin()


@pytest.fixture
def load():
    """Makes loads, and leaves none behind."""
    made = []

    def make(*arguments):
        made.append(Load(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_a_thousand_reloads_under_load_fail_no_request_and_leave_nothing(start, server, pki, load):
    """Names, rules, lists and lifetimes change; what the clients do is allowed in each state."""
    total, warm_up = count(1000, 200), count(200, 50)
    revoked = pki.ca.leaf("revoked-in-every-list")
    lists = [pki.ca.crl(revoked, number=number) for number in range(1, LISTS + 1)]

    def state(turn):
        rules = [reach("other.test", 1)] * (turn % 3) + [reach(ORIGIN, server.port)]
        trust = {"crl": [lists[turn * LISTS // (total + 1)]], "max_lifetime": f"{60 + turn % 5}d"}
        return [client(*rules, name=f"n-{turn % 7}")], {"trust": {"staff": trust}}

    clients, changes = state(0)
    proxy = start(*clients, **changes)
    proxy.ask(DENIED)
    before = proxy.descriptors()
    running = load(proxy, pki.worker, f"{ORIGIN}:{server.port}", DENIED, CLIENTS)
    settled = 0
    for turn in range(1, total + 1):
        clients, changes = state(turn)
        proxy.reload(*clients, **changes)
        if turn == warm_up:
            settled = proxy.resident()
    grown = proxy.resident() - settled
    done = running.stop(PATIENCE)
    print(
        f"{total} reloads, {done['opened']} tunnels, {done['resumed']} resumed, {grown} bytes more"
    )
    assert done["failures"] == []
    assert done["opened"] >= CLIENTS and done["resumed"] > 0
    proxy.wait_descriptors(before)
    closed = proxy.audit.wait_count(done["opened"], "close", status=200)
    assert {record["reason"] for record in closed} == {"client_closed"}
    assert "REVOKED" in proxy.dial(revoked).refusal()
    if not IS_SMALL:  # sanitizers keep freed memory for a while
        assert grown < 4 * MIB


@pytest.mark.protocols("h1", "h2")
def test_a_revocation_ends_one_tunnel_and_a_thousand_others_lose_no_byte(start, server, pki):
    """Each of the others has data on its way in both directions while the list is exchanged."""
    total, certificates = count(1000, 150), count(50, 10)
    leaves = [pki.ca.leaf(f"upheaval-{number}") for number in range(certificates)]
    leaving = pki.ca.leaf("upheaval-leaving")
    proxy = start(
        client(reach(ORIGIN, server.port)), trust={"staff": {"crl": [pki.ca.crl(number=1)]}}
    )
    target = f"{ORIGIN}:{server.port}"
    ending = [proxy.tunnel(target, leaving) for _ in range(3)]
    staying = [None] * total

    def open_one(number):
        staying[number] = proxy.tunnel(target, leaves[number % certificates])

    def data(number, turn):
        return b"%d in %d;" % (number, turn) * 800

    spread(total, open_one)
    spread(total, lambda number: staying[number].send(data(number, 0)))
    proxy.reload(trust={"staff": {"crl": [pki.ca.crl(leaving, number=2)]}})
    spread(total, lambda number: staying[number].send(data(number, 1)))
    for tunnel in ending:
        proxy.assert_closed(tunnel.id, "revoked")
        assert tunnel.read_to_end() == (b"", Ending.RESET)
    spread(total, lambda number: staying[number].send(data(number, 2)))

    def read_one(number):
        expected = b"".join(data(number, turn) for turn in range(3))
        assert staying[number].read_exactly(len(expected)) == expected

    spread(total, read_one)
    assert not proxy.audit.records("close", reason="policy_changed")
    assert len(proxy.audit.records("close")) == len(ending)
    assert server.live == total


@pytest.mark.protocols("h1", "h2")
def test_whoever_is_revoked_goes_before_chains_are_verified_anew(start, server, pki):
    """The CAs are issued again in the same breath: only signatures tell who is still good."""
    gone, total = pki.authority("Upheaval CA"), count(200, 50)
    leaving = pki.ca.leaf("upheaval-last")
    trust = {"ca": [pki.ca.path, gone.path], "denied": []}
    proxy = start(client(reach(ORIGIN, server.port)), workers=1, trust={"staff": trust})
    target = f"{ORIGIN}:{server.port}"
    leaf = gone.leaf("upheaval-below")
    tunnels = [proxy.tunnel(target, leaf) for _ in range(total)]
    staying = proxy.tunnel(target)
    ending = proxy.tunnel(target, leaving)
    trust = {"ca": [pki.ca.issued_again("upheaval")], "denied": [{"sha256": leaving.sha256}]}
    proxy.reload(trust={"staff": trust})
    proxy.audit.wait_count(total, "close", reason="policy_changed")
    assert [record["id"] for record in proxy.audit.records("close")][0] == ending.id
    assert all(tunnel.read_to_end() == (b"", Ending.RESET) for tunnel in [ending, *tunnels])
    proxy.assert_closed(ending.id, "revoked")
    staying.echo(b"untouched")


@pytest.mark.skipif(IS_SMALL, reason="the probe and a sanitizer both want to be loaded first")
def test_judging_a_thousand_tunnels_again_leaves_the_worker_time_for_others(
    start, server, pki, tmp_path
):
    """In processor time, which is the same on a busy machine; tests/bench/sweep.py has 10,000."""
    total, gone = 1000, pki.authority("Upheaval CA")
    probe = LoopProbe(tmp_path)
    proxy = start(
        client(reach(ORIGIN, server.port)),
        workers=1,
        trust={"staff": {"ca": [pki.ca.path, gone.path]}},
        process={"environment": probe.environment},
    )
    target = f"{ORIGIN}:{server.port}"
    staying = [None] * total

    def open_one(number):
        staying[number] = proxy.tunnel(target)

    spread(total, open_one)
    last = proxy.tunnel(target, gone.leaf("upheaval-below"))
    probe.reset()
    proxy.reload(trust={"staff": {"ca": [pki.ca.issued_again("upheaval-turns")]}})
    proxy.assert_closed(last.id, "policy_changed")
    passes = probe.read()
    assert passes.longest_cpu_ms < passes.total_cpu_ms / 5, passes
    spread(total, lambda number: staying[number].echo(b"untouched"))
