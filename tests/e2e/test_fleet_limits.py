"""Limits with `scope: fleet`: several proxies, one real store, and what happens when either goes away."""

import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest

from support import admin
from support.config import client, reach, write_config
from support.control import CONTROL, Control
from support.fleet import Fleet, fleet_of
from support.origin import source
from support.proxy import BY_SIGNAL, run
from support.scale import eventually
from support.store import Meddler
from support.upgrades import start_upgradable
from support.wire import connect_head

ALICE = "spiffe://example.org/alice"
AGENTS = "spiffe://example.test/ns/prod/"


class Members:
    """Proxies of which the client `alice` has limits in common."""

    def __init__(self, fleet, start, pki, port):
        self.store = fleet.store
        self._fleet, self._start, self._port = fleet, start, port
        self.leaf = pki.ca.leaf("alice", uri=(ALICE,))
        self.target = f"origin.test:{port}"
        self.open = []

    def use(self, port):
        """Another target."""
        self._port, self.target = port, f"origin.test:{port}"

    def client(self, **limits):
        rule = reach("origin.test", self._port)
        return client(rule, name="alice", match=[{"uri": ALICE}], limits={"scope": "fleet", **limits})

    def start(self, count, shared=None, **limits):
        made = [self.start_one(shared, **limits) for _ in range(count)]
        return [self.ready(proxy, count) for proxy in made]

    def agents(self, **changes):
        """A client of many names, two at a time."""
        limits = {"scope": "fleet", "tunnels": 10, **changes}
        rule, match = reach("origin.test", self._port), [{"uri": AGENTS + "*", "trust": "staff"}]
        return client(rule, name="agent-{uri.path[2]}", accounts=2, match=match, limits=limits)

    def start_one(self, shared=None, options=None, who=None, **limits):
        """Whether it reaches the store or not."""
        made = self._start(who or self.client(**limits), control=CONTROL, shared=self._fleet.shared(**(shared or {})), **(options or {}))
        made.control = Control(made)
        return made

    def start_upgradable(self, where, **limits):
        made = start_upgradable(self._start, where, self.client(**limits), shared=self._fleet.shared())
        made.proxy.control = Control(made.proxy)
        return made

    def ready(self, proxy, count=1):
        self.wait_asking(proxy)
        eventually(lambda: fleet_of(proxy)["limits"]["members"] >= count, "all proxies to know each other")
        return proxy

    def reload(self, proxy, **limits):
        proxy.reloads = proxy.control.status()["config"]["generation"]  # the store's blocks made some, too
        proxy.reload(self.client(**limits))

    def refused(self, proxy):
        """What a proxy says when there is no room; that it does not know, on a busy machine, is no answer."""
        answers = []
        eventually(lambda: answers.append(self.ask(proxy)[0]) or answers[-1].status != 503, "a known answer")
        return answers[-1]

    def spend(self, least, *proxies):
        """Asks all at once, until so many were admitted and one was refused; both, and how long it took."""
        begun, refused = time.monotonic(), {}

        def is_spent():
            for proxy, answer in zip(proxies * 10, self.ask(*(proxies * 10))):
                if answer.status == 429:
                    refused[proxy] = answer
            return refused and len(self.open) >= least

        eventually(is_spent, lambda: f"{least} tunnels and a refusal; there are {len(self.open)}, {refused}")
        return len(self.open), refused, time.monotonic() - begun

    def wait_asking(self, proxy, asks=True):
        eventually(lambda: fleet_of(proxy)["limits"]["asks"] == asks, f"the proxy's asking to be {asks}")

    def ask(self, *proxies):
        """Asks each for a tunnel, all at once; the answers."""
        askers = [proxy.connect(self.leaf) for proxy in proxies]
        for asker in askers:
            asker.send(connect_head(self.target))
        answers = [asker.read_answer() for asker in askers]
        for asker, answer in zip(askers, answers):
            if answer.status == 200:
                self.open.append(asker)
            else:
                asker.close()
        return answers

    def tunnel(self, proxy):
        """Asks until there is one."""
        eventually(lambda: self.ask(proxy)[0].status == 200, "a tunnel")
        return self.open[-1]

    def close(self, tunnel):
        self.open.remove(tunnel)
        tunnel.close()

    def fill(self, limit, *proxies):
        """Asks all in turn until the limit is reached: no proxy keeps what another one needs."""

        def is_full():
            self.ask(*proxies)
            assert len(self.open) <= limit
            return len(self.open) == limit

        eventually(is_full, lambda: f"{limit} tunnels; there are {len(self.open)}")

    def count_leases(self):
        """How often proxies have got leases, of the store itself: no other script adds to a set."""
        text = self.store.ask("INFO", "commandstats").decode()
        found = re.search(r"cmdstat_sadd:calls=(\d+)", text)
        return 0 if found is None else int(found[1])


@pytest.fixture
def members(start, dns, origin, pki, tmp_path):
    dns.addresses("origin.test", "127.0.0.1")
    server = origin()
    fleet = Fleet(start, server, tmp_path)
    fleet.store.start()
    # As if it had not just lost everything: then it grants nothing for three seconds.
    fleet.store.ask("HSET", "sallyport:clock", "fleet", 1_000_000, "last", time.time_ns() // 1_000_000)
    yield Members(fleet, start, pki, server.port)
    fleet.store.stop()


def assert_limited(proxy, answer, reason="limit_tunnels"):
    proxy.assert_refused(answer, 429, reason, action="error")
    assert int(answer.fields["retry-after"]) >= 1


def assert_lost(proxy, answer):
    proxy.assert_refused(answer, 503, "store_lost", action="error")
    # It says whether the store is lost, has an error, or was too slow.
    why = "the store (is lost|cannot say now|took over 50 ms)"
    assert re.search(f"Not known now: store_lost, {why}", answer.reason), answer.reason
    assert re.fullmatch(why, proxy.decision(answer.id)["detail"])
    assert answer.fields["retry-after"] == "1"


@pytest.mark.protocols("h1", "h2")
def test_three_proxies_have_exactly_as_many_tunnels_as_one_may(members):
    three = members.start(3, tunnels=20)
    members.ask(*(three * 21))
    assert len(members.open) <= 20
    members.fill(20, *three)
    assert_limited(three[0], members.refused(three[0]))
    for tunnel in members.open:
        tunnel.echo(b"works")
    # Each that ends makes room for exactly one, on any of them.
    for tunnel in members.open[:7]:
        members.close(tunnel)
    members.fill(20, three[0])
    for proxy in three:
        assert_limited(proxy, members.refused(proxy))
    status = fleet_of(three[1])["limits"]
    assert status["refused"] > 0 and status["losses"] == 0
    said = three[1].control.run("status").stdout
    assert re.search(r"^fleet limits places held here \d+, clients 1; without the store: on_lost local$", said, re.M), said


def test_the_store_is_asked_seldom(members):
    (one, two) = members.start(2, tunnels=400)
    for proxy in one, two:
        members.tunnel(proxy)
    for _ in range(3):
        members.ask(*([one, two] * 10))
    # What is closed makes room here: no further question.
    before = members.count_leases()
    for _ in range(100):
        members.close(members.open[-1])
        assert members.ask(one)[0].status == 200
    assert (members.count_leases() - before) / 100 < 0.05


def test_rates_hold_over_all(members):
    pair = members.start(2, new_tunnels="10/s", burst=12, requests="1000/s", requests_burst=1000)
    admitted, refused, passed = members.spend(12, *pair)
    assert admitted <= 12 + 10 * (passed + 1) + 1  # what is in hand may be a second old
    for proxy, answer in refused.items():
        assert_limited(proxy, answer, "limit_new_tunnels")


def test_requests_of_any_kind_have_one_rate_over_all(members):
    pair = members.start(2, requests="5/s", requests_burst=9)
    admitted, refused, passed = members.spend(9, *pair)
    assert admitted <= 9 + 5 * (passed + 1) + 1
    for proxy, answer in refused.items():
        assert_limited(proxy, answer, "limit_requests")


def test_a_proxy_that_is_killed_gives_back_what_it_had(members):
    one, two = members.start(2, tunnels=10)
    members.fill(10, one)
    assert_limited(two, members.refused(two))
    one.crash()
    members.open.clear()
    members.fill(10, two)
    one.is_audit_whole = False
    one.stop(expected=BY_SIGNAL + signal.SIGKILL)


def test_a_proxy_that_drains_or_ends_gives_back_what_it_had_at_once(members):
    one, two = members.start(2, tunnels=10)
    tunnel = members.tunnel(one)
    name = fleet_of(one)["instance"].encode()
    eventually(lambda: int(members.store.hash("t:alice")[name]) > 1, "places ahead of need")
    one.control.run("drain")
    eventually(lambda: int(members.store.hash("t:alice")[name]) == 1, "what is spare to be given back")
    tunnel.echo(b"still here")
    os.kill(two.pid, signal.SIGSTOP)  # so that nobody finds out who is dead
    members.close(tunnel)
    one.stop()
    eventually(lambda: members.store.ask("ZSCORE", "sallyport:alive", name) == b"0", "it to have said that it ends")
    os.kill(two.pid, signal.SIGCONT)
    eventually(lambda: name not in members.store.hash("t:alice"), "its places to be free")
    members.fill(10, two)


def test_without_the_store_each_has_its_share_and_afterwards_nobody_more(members):
    one, two = members.start(2, tunnels=10)
    members.fill(4, one)
    members.store.stop()
    for proxy in one, two:
        members.wait_asking(proxy, False)
    assert "! the store is lost: this proxy has a share of 1 in 2" in one.control.run("status").stdout
    tunnels = list(members.open)
    eventually(lambda: members.ask(one)[0].status == 429, "the share to be full")
    eventually(lambda: members.ask(two)[0].status == 429, "the share to be full")
    # What was leased may be used until it ends, and five are the share of either: one has ten at most, and the other five then.
    assert 10 <= len(members.open) <= 10 + 5
    for tunnel in tunnels:
        tunnel.echo(b"still here")
    members.store.start()  # it has lost everything
    for proxy in one, two:
        members.wait_asking(proxy)
    held = len(members.open)
    eventually(
        lambda: sum(fleet_of(proxy)["limits"]["granted"] for proxy in (one, two)) == held, "all that is open to be claimed"
    )
    for proxy in one, two:
        assert_limited(proxy, members.refused(proxy))
    while len(members.open) > 3:
        members.close(members.open[-1])
    members.fill(10, one, two)


def test_an_error_of_the_store_is_no_loop_and_the_loss_counts_until_it_answers_again(members):
    pair = members.start(2, tunnels=10)
    members.store.ask("ACL", "SETUSER", "default", "-sadd")
    before = fleet_of(pair[0])["limits"]["questions"]
    eventually(lambda: members.ask(pair[0])[0].status == 429, "the share of the first to be full")
    assert len(members.open) == 5
    for _ in range(50):
        assert members.ask(pair[0])[0].status == 429
    limits = fleet_of(pair[0])["limits"]
    assert limits["asks"] and limits["unheard"] == 1 and limits["questions"] - before < 40
    pair[0].stderr.wait("the store cannot say what `alice` may have of its tunnels: .*`on_lost` counts")
    members.store.ask("ACL", "SETUSER", "default", "+sadd")
    members.fill(10, *pair)
    eventually(lambda: fleet_of(pair[0])["limits"]["unheard"] == 0, "the store to be heard again")


def test_what_makes_no_sense_among_the_counts_is_written_again(members):
    (one,) = members.start(1, tunnels=10, new_tunnels="100/s", burst=100)
    inst = fleet_of(one)["instance"]
    for words in (
        ("SET", "t:alice", "x"),
        ("HSET", "t:alice", "+", "abc", inst, "-500"),
        ("HSET", "t:alice", inst, "9e300"),
        ("SET", "scarce", "x"),
        ("SET", f"held:{inst}", "x"),
        ("SET", "r:alice", "nan"),
        ("HSET", "r:alice", "x", "y"),
    ):
        members.store.put(*words)
        members.tunnel(one)
        members.close(members.open[0])
    members.fill(10, one)
    assert_limited(one, members.refused(one))


def test_a_store_that_loses_everything_grants_nothing_until_all_have_claimed_what_is_open(members):
    one, two = members.start(2, tunnels=10)
    members.fill(10, one)
    members.store.ask("FLUSHALL")
    for proxy in two, one:
        assert_limited(proxy, members.refused(proxy))
    assert int(members.store.hash("t:alice")[b"+"]) == len(members.open) == 10
    members.close(members.open[0])
    members.fill(10, two)


def test_with_refuse_new_ones_are_told_that_the_store_is_lost(members, dns, pki):
    (one,) = members.start(1, shared={"on_lost": "refuse"}, tunnels=10)
    tunnel = members.tunnel(one)
    members.store.stop()
    members.wait_asking(one, False)
    said = one.control.run("status").stdout
    assert "on_lost refuse" in said and "! the store is lost: new requests of clients with `scope: fleet` are refused" in said
    eventually(lambda: (answer := members.ask(one)[0]).status == 503 and not assert_lost(one, answer), "to be refused")
    dns.addresses("proxy.test", "127.0.0.1")
    leaf, way = members.leaf, f"https://proxy.test:{one.address[1]}"
    words = ["--proxy", way, "--resolver", dns.endpoint, "--ca", pki.server_ca.path, "--cert", leaf.chain, "--key", leaf.key]
    told = run("doctor", *words, "--to", members.target)
    assert told.returncode == 1 and "\ncause: store_lost: the store that the proxy shares does not answer" in told.stdout, told.stdout
    assert "`sallyport status` says" in told.stdout
    tunnel.echo(b"still here")
    members.store.start()
    members.wait_asking(one)
    members.fill(10, one)


def test_with_refuse_readyz_says_no_for_as_long_as_new_ones_are_refused(members):
    """Whatever the reason: here the store answers beats, and does not show that it is ours."""
    between = Meddler(members.store)
    between.spoil = lambda words, raw: b":1\r\n" if b"sallyport:fresh" in words else raw
    shared = {"on_lost": "refuse", "valkey": between.address_and_port}
    one = members.start_one(shared, {"admin": {"address": "unix:admin.sock"}}, tunnels=10)
    ready = lambda: admin.get(one.folder / "admin.sock", "/readyz")
    eventually(lambda: fleet_of(one)["store"]["state"] == "ready", "the connection")
    assert_lost(one, members.ask(one)[0])
    assert ready().status == 503 and "the store was not read yet, and `shared.on_lost` is refuse" in ready().body
    between.spoil = None
    members.ready(one)
    assert ready().status == 200
    members.tunnel(one)
    asked = []

    def doubt(words, raw):
        asked.append(words)
        return b":1\r\n" if b"sallyport:fresh" in words else raw

    def hang_up(words, raw):
        between.spoil = doubt

    between.spoil = hang_up
    eventually(lambda: any(b"sallyport:fresh" in words for words in asked), "another connection to be doubted")
    members.ask(*[one] * 12)
    assert ready().status == 503
    assert not any(b"sallyport:alive" in words or b"sallyport:t:alice" in words for words in asked)  # nothing is written there


def test_a_reload_that_leads_to_the_same_store_gives_up_no_place_that_is_open(members):
    one, two = members.start(2, tunnels=10)
    members.fill(10, one)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = [f"127.0.0.1:{silent.getsockname()[1]}", members.store.address]
        write_config(one.config_path, {**one.config, "shared": {**one.config["shared"], "valkey": places}})
        one.control.run("reload")
        assert not fleet_of(one)["limits"]["asks"]  # the first place says nothing for two seconds

        def is_back():
            assert members.ask(two)[0].status != 200
            return fleet_of(one)["limits"]["asks"]

        eventually(is_back, "the store to be asked again")


def test_a_store_that_is_stopped_for_long_takes_nobody_for_dead(members):
    one, two = members.start(2, tunnels=10)
    members.fill(10, one)
    members.store.hold()
    members.wait_asking(one, False)
    members.wait_asking(two, False)
    eventually(lambda: fleet_of(one)["limits"]["losses"] == 1, "the lease to end")
    members.store.release()
    for proxy in one, two:
        members.wait_asking(proxy)
    assert_limited(two, members.refused(two))
    members.close(members.open[0])
    members.fill(10, two)


def test_names_that_have_gone_make_room_for_others_while_the_store_is_away_and_after_it_was_left(members, pki):
    one = members.ready(members.start_one(who=members.agents()))
    tunnel = lambda name: one.tunnel(members.target, pki.ca.leaf(f"agent-{name}", uri=(AGENTS + name,)))
    answer = lambda name: one.ask(members.target, pki.ca.leaf(f"agent-{name}", uri=(AGENTS + name,)))
    held = [tunnel("a"), tunnel("b")]
    one.assert_refused(answer("c"), 403, "limit_accounts")
    members.store.hold()
    for each in held:
        each.close()
    eventually(lambda: answer("c").status == 200 and answer("d").status == 200, "room for other names")
    members.store.release()
    members.wait_asking(one)
    eventually(lambda: not any(members.store.hash(f"t:agent-{name}") for name in "ab"), "what was of the first to be given back")
    held = [tunnel("c"), tunnel("d")]
    alone = {name: value for name, value in one.config.items() if name != "shared"}
    write_config(one.config_path, {**alone, "clients": [members.agents(scope="machine")]})
    one.control.run("reload")
    for each in held:
        each.close()
    eventually(lambda: answer("e").status == 200 and answer("f").status == 200, "room for yet others")


def test_an_upgrade_counts_nothing_twice(members, tmp_path):
    upgrades = members.start_upgradable(tmp_path, tunnels=10)
    (two,) = members.start(1, tunnels=10)
    one = members.ready(upgrades.proxy, 2)
    members.fill(6, one)
    upgrades.upgrade()
    members.wait_asking(one)
    members.fill(10, one, two)
    for proxy in one, two:
        assert_limited(proxy, members.refused(proxy))
    for tunnel in members.open:
        tunnel.echo(b"through both processes")


def test_a_reload_changes_the_scope_and_counts_what_is_open(members):
    (one, two) = members.start(2, tunnels=10)
    members.fill(4, one)
    members.reload(one, tunnels=6, scope="machine")
    members.fill(5, one)
    eventually(lambda: not members.store.hash("t:alice"), "the lease to be given back")
    members.reload(one, tunnels=6)
    members.fill(6, one)
    assert_limited(one, members.refused(one))
    eventually(lambda: int(members.store.hash("t:alice")[b"+"]) >= 6, "the store to know of all")
    for tunnel in list(members.open):
        members.close(tunnel)
    members.fill(10, two)


def test_a_client_that_leaves_while_it_waits_is_forgotten(members):
    (one,) = members.start(1, tunnels=10)
    members.store.hold()
    for _ in range(5):
        asker = one.connect(members.leaf)
        asker.send(connect_head(members.target))
        asker.close()
    members.store.release()
    members.wait_asking(one)
    members.fill(10, one)
    one.stop()


def test_a_kill_a_reload_a_drain_and_an_end_come_while_requests_wait(members):
    one, two = members.start(2, tunnels=10)
    tunnel = members.tunnel(one)

    def wait_for_store():
        members.store.hold()
        askers = [one.connect(members.leaf) for _ in range(8)]
        for asker in askers:
            assert asker.ask("nowhere.test:443").status == 403  # now the proxy has seen the end of the handshake
            asker.send(connect_head(members.target))
        return askers

    askers = wait_for_store()
    one.control.run("kill", "client:alice")
    for asker in askers:
        with contextlib.suppress(OSError, ValueError):  # it was killed
            asker.half_close()  # a request that was answered before that leaves its connection open
        asker.read_to_end()
        asker.close()
    tunnel.read_to_end()
    members.open.clear()
    members.store.release()
    members.wait_asking(one)
    askers = wait_for_store()
    members.reload(one, tunnels=12)
    for asker in askers:
        assert asker.read_answer().status in (200, 503)
        asker.close()
    members.store.release()
    members.wait_asking(one)
    askers = wait_for_store()
    one.control.run("drain")
    for asker in askers:  # some have had a place that was spare
        asker.close()
    one.stop()
    members.store.release()
    members.fill(10, two)


class Download:
    """Reads as fast as it can, through a tunnel, and leaves little in the buffers on the way."""

    def __init__(self, tunnel):
        self._tunnel = tunnel
        self.count = 0
        tunnel.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError):
            while got := self._tunnel.sock.recv(1 << 16):
                self.count += len(got)

    def end(self):
        self._tunnel.sock.shutdown(socket.SHUT_RDWR)
        self._reading.join()
        self._tunnel.close()


def test_bandwidth_follows_use(members, origin):
    bulk = origin(source(1 << 40))
    members.use(bulk.port)
    pair = members.start(2, bandwidth_down="4MB/s")

    def shares():
        """What the store has: its sums, with their time, and when each proxy has asked last."""
        known = members.store.hash("b:alice:down")
        said = known.pop(b"=", b"0 0 0 0").split()
        return [int(number) for number in said], [int(each.split()[1]) for each in known.values()]

    def sums():
        """How many have a demand, the sum of those that want little, how many want all."""
        return shares()[0][1:]

    downloads = []
    for count, proxy in enumerate(pair, 1):
        downloads.append(Download(members.tunnel(proxy)))
        eventually(lambda: sums() == [count, 0, count], f"{count} proxies that want all")
    known_ms = shares()[0][0]
    eventually(lambda: min(shares()[1]) > known_ms, "both to hear that there are two")

    def received():
        return sum(download.count for download in downloads)

    slack = 2 << 20  # what was in buffers, and a twentieth of a second of the limit
    before, begun = received(), time.monotonic()
    eventually(lambda: received() - before >= 6 * slack, "bytes")
    assert received() - before <= 4_000_000 * (time.monotonic() - begun) + slack  # both together
    downloads[0].end()
    eventually(lambda: sums()[0] == 1, "the other one to have it alone")
    downloads[1].end()


def test_limits_of_the_fleet_without_a_store_are_an_error(members, start):
    (one,) = members.start(1, tunnels=10)
    config = {**one.config, "shared": None}
    del config["shared"]
    path = one.folder / "alone.yaml"
    write_config(path, config)
    result = run("check", "-c", path)
    assert result.returncode != 0 and "`scope: fleet` needs a store" in result.stdout + result.stderr
    assert "limits: scope fleet" not in result.stdout
    good = run("check", "-c", one.config_path)
    assert good.returncode == 0 and "tunnels 10, scope fleet" in good.stdout
