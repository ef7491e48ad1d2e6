"""Proxies that share a store act as one: blocks, orders and tickets; and whatever the store does, nothing is lost or believed."""

import contextlib
import os
import pathlib
import re
import secrets
import signal
import time

import pytest

from support.clocks import Clock
from support.config import listener_of, write_config
from support.fleet import Fleet, Redis, blocks_of, fleet_of, mark_of, state_of, wait_blocks, wait_members
from support.pki import SERVER_AUTH
from support.proxy import BY_SIGNAL, run
from support.scale import IS_SMALL, eventually
from support.store import Meddler, parse
from support.wire import Ending

DENIED = "nowhere.test:443"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def guest(pki):
    return pki.ca.leaf("guest")


@pytest.fixture
def fleet(start, server, tmp_path):
    made = Fleet(start, server, tmp_path)
    made.store.start()
    yield made
    made.store.stop()


def assert_shut_out(proxy, leaf):
    assert "ACCESS_DENIED" in proxy.dial(leaf).refusal()


def test_a_block_on_one_holds_on_all_and_on_those_that_start_later(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    there, other = two.tunnel(fleet.target, guest), two.tunnel(fleet.target)
    one.control.block("guests")
    two.assert_closed(there.id, "blocked")
    assert there.read_to_end() == (b"", Ending.RESET)
    for proxy in one, two:
        assert_shut_out(proxy, guest)
    for number in range(30):
        one.control.ask(b"block force client:b%d\n" % number)
    eventually(lambda: len(fleet.store.hash("blocks")) == 31, "the store to have them")
    later = fleet.proxy()
    assert_shut_out(later, guest)
    # Each proxy has a record of what holds there, the first ones one by one.
    told = two.audit.wait("admin", command="block", argument="client:guests")
    assert told["by"] == {"uid": os.getuid(), "instance": fleet_of(one)["instance"]} and told["result"] == "ok"
    assert later.audit.wait("admin", command="block", by=None)["count"] == 11
    assert len(later.audit.records("admin", command="block")) == 21
    for number in range(30):
        one.control.ask(b"unblock client:b%d\n" % number)
    assert two.stderr.wait(r"blocked client:guests, by uid \d+ at instance ([0-9a-f]{16})")[1] == fleet_of(one)["instance"]
    other.echo(b"untouched")
    two.control.unblock("guests")
    wait_blocks([], one, two, later)
    assert one.audit.wait("admin", command="unblock", argument="client:guests", by={"uid": os.getuid(), "instance": fleet_of(two)["instance"]})
    for proxy in one, later:
        proxy.tunnel(fleet.target, guest).echo(b"back again")
    assert {each["op"] for each in state_of(later)["blocks"]} == {"unblock"}


def test_what_is_changed_while_the_store_is_away_is_merged_and_an_empty_store_loses_nothing(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    one.control.block("--force", "before")
    one.control.block("--force", "lifted")
    wait_blocks(["client:before", "client:lifted"], two)
    fleet.store.stop()
    for proxy in one, two:
        proxy.stderr.wait("the store does not answer")
    alone = "but on this proxy alone: the store does not answer"
    assert alone in one.control.block("guests", expected=1).stderr
    two.control.block("--force", "elsewhere", expected=1)
    assert alone in two.control.unblock("lifted", expected=1).stderr
    assert "nobody was told" in two.control.run("kill", "--fleet", "client:guests", expected=1).stderr
    assert_shut_out(one, guest)
    assert fleet_of(two)["blocks"]["waiting"] >= 2
    two.tunnel(fleet.target, guest).echo(b"nobody has told it yet")
    fleet.store.start()  # it has lost everything
    wait_blocks(["client:before", "client:elsewhere", "client:guests"], one, two)
    assert_shut_out(two, guest)
    eventually(lambda: len(fleet.store.hash("blocks")) == 4, "the store to have all of it again")
    assert sum(fleet_of(proxy)["blocks"]["vanished"] for proxy in (one, two)) >= 1
    assert any("was restarted, emptied or restored, there is nothing to do" in proxy.stderr.text() for proxy in (one, two))
    later = fleet.proxy()
    wait_blocks(["client:before", "client:elsewhere", "client:guests"], later)


def test_a_block_that_the_store_does_not_take_is_said_to_hold_here_alone(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    tunnel = two.tunnel(fleet.target, guest)
    fleet.store.ask("CONFIG", "SET", "maxmemory", 1)
    said = one.control.block("guests", expected=1).stderr
    assert "blocked: client:guests; but on this proxy alone: " in said and "OOM" in said, said
    said = one.control.block("guests", expected=1).stderr
    assert "already; but on this proxy alone: " in said and "OOM" in said, said
    assert_shut_out(one, guest)
    tunnel.echo(b"nobody has told it yet")
    fleet.store.ask("CONFIG", "SET", "maxmemory", 0)
    two.assert_closed(tunnel.id, "blocked")
    one.control.unblock("guests")
    assert [each["op"] for each in state_of(one)["blocks"]] == ["unblock"]
    fleet.store.hold()  # nobody has noticed yet
    try:
        assert "blocked: client:guests; but on this proxy alone: " in one.control.block("guests", expected=1).stderr
    finally:
        fleet.store.release()
    wait_blocks(["client:guests"], two)


def test_a_block_that_is_confirmed_outdoes_an_end_that_was_given_elsewhere_meanwhile(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    one.control.block("guests")
    wait_blocks(["client:guests"], two)
    eventually(lambda: all(each["shared"] == 1 for each in state_of(one)["blocks"]), "it to be kept")
    fleet.store.stop()
    for proxy in one, two:
        proxy.stderr.wait("the store does not answer")
    two.control.unblock("guests", expected=1)
    assert "already; but on this proxy alone" in one.control.block("guests", expected=1).stderr
    wait_blocks([], two)
    fleet.store.start()
    wait_blocks(["client:guests"], two)
    assert_shut_out(one, guest)
    assert_shut_out(two, guest)


def test_what_an_interrupted_comparison_has_brought_holds_after_the_next(fleet, guest):
    between = Meddler(fleet.store)
    one, two = fleet.proxy(), fleet.proxy(shared=fleet.shared(valkey=between.address_and_port))
    tunnel = two.tunnel(fleet.target, guest)
    pages = []

    def interrupt(words, raw):
        """The first page is followed by one that never comes, and what is asked by name has no answer."""
        if words[2:6] == [b"3", b"sallyport:blocks", b"sallyport:rev", b"sallyport:news"] and len(words[6]) < 10:
            return b"*2\r\n$1\r\n0\r\n:0\r\n"
        if words[2:4] != [b"1", b"sallyport:blocks"]:
            return raw
        if words[4] == b"0":
            if not pages and raw.startswith(b"*4\r\n$1\r\n0\r\n:0\r\n"):
                pages.append(raw)
                return raw.replace(b"$1\r\n0", b"$1\r\n7", 1)
            return raw
        between.spoil = None
        return None

    between.spoil = interrupt
    one.control.block("guests")
    two.assert_closed(tunnel.id, "blocked")
    assert pages and between.spoil is None
    wait_blocks(["client:guests"], two)
    assert_shut_out(two, guest)


def test_what_is_forged_or_older_in_the_store_changes_nothing_and_is_said(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    one.control.block("guests")
    wait_blocks(["client:guests"], two)
    (name, blocked), = fleet.store.hash("blocks").items()
    two.control.unblock("guests")
    wait_blocks([], one)
    eventually(lambda: fleet.store.hash("blocks")[name] != blocked, "the store to have the end")
    one.control.block("guests")
    wait_blocks(["client:guests"], two)
    eventually(lambda: all(each["shared"] == 1 for proxy in (one, two) for each in state_of(proxy)["blocks"]), "it to be kept")

    def put(value, *more):
        fleet.store.ask("HSET", "sallyport:blocks", name, value, *more)
        fleet.store.ask("INCR", "sallyport:rev")

    put(blocked)  # an older one, that was good once
    for kind in "rolled_back", "forged":
        eventually(lambda: sum(fleet_of(proxy)["blocks"][kind] for proxy in (one, two)) >= 1, kind)
        eventually(lambda: fleet.store.hash("blocks")[name] not in (blocked, b"forged"), "it to be repaired")
        assert_shut_out(one, guest)
        if kind == "rolled_back":
            # The same words under another name are forged, too.
            put(b"forged", "0" * 64, blocked)
    said = one.stderr.text() + two.stderr.text()
    assert f"rolled back ({name.decode()})" in said, said  # what they are about
    assert re.search(rf"forged \([0-9a-f, ]*{'0' * 64}", said), said
    wait_blocks(["client:guests"], one, two)


# What stands unsealed in the store: a number, or something that is called by name, and what somebody may put there.
SPOILT = {
    "a number below none": ("SET", "rev", "-5"),
    "no number": ("SET", "rev", "abc"),
    "the last number": ("SET", "rev", 2**63 - 1),
    "another kind": ("RPUSH", "rev", "x"),
    "no number of orders": ("SET", "orders:n", "abc"),
    "the last number of orders": ("SET", "orders:n", 2**63 - 1),
    "orders of another kind": ("SET", "orders", "x"),
    "a clock of another kind": ("SET", "clock", "x"),
    "a clock that tells no time": ("HSET", "clock", "last", "abc", "fleet", "9e300"),
    "proxies of another kind": ("SET", "alive", "x"),
    "connections of another kind": ("SET", "epochs", "x"),
    "scarce ones of another kind": ("SET", "scarce", "x"),
    "members of another kind": ("SET", "members", "x"),
    "blocks of another kind": ("SET", "blocks", "x"),
    "secrets of another kind": ("RPUSH", "tickets", "x"),
}


def test_nonsense_in_the_store_makes_nobody_deaf_and_is_said_and_mended(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    wait_members(2, one, two)
    one.control.block("--force", "always")
    for title, (command, key, *words) in SPOILT.items():
        if command == "HSET":
            fleet.store.ask(command, f"sallyport:{key}", *words)
        else:
            fleet.store.put(command, key, *words)
        one.control.block("--force", "somebody")
        wait_blocks(["client:always", "client:somebody"], two)
        two.control.unblock("somebody")
        wait_blocks(["client:always"], one)
        if key in ("orders", "orders:n", "members"):
            # Who is there has to be said once more; until then it fails, and says so.
            told = lambda: run("kill", "-c", one.config_path, "--fleet", "client:guests").stdout
            eventually(lambda: told().count("killed: 0") == 2, title)
    for proxy in one, two:
        assert fleet_of(proxy)["tickets"]["shared"] and fleet_of(proxy)["store"]["state"] == "ready"
    assert fleet_of(one)["store"]["mended"] + fleet_of(two)["store"]["mended"] >= 5  # what is mended first by something else is not counted
    assert any("made no sense" in proxy.stderr.text() for proxy in (one, two))
    assert len(fleet.store.hash("blocks")) == 2


FLOOD = """for i = 1, 5000 do redis.call('HSET', KEYS[1], string.format('%060x', i) .. ARGV[1], 'forged') end
for i = 1, 20 do redis.call('HSET', KEYS[1], string.format('%060x', 5000 + i) .. ARGV[1], string.rep('x', 12900)) end"""


def test_a_flood_of_forged_entries_is_removed_and_keeps_no_block_from_spreading_and_nobody_from_starting(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    tunnel = two.tunnel(fleet.target, guest)
    for part in range(14):
        fleet.store.ask("EVAL", FLOOD, 1, "sallyport:blocks", f"{part:04x}")
    one.control.block("guests")
    two.assert_closed(tunnel.id, "blocked")
    fresh = fleet.proxy(is_known=False, is_synchronised=False)
    eventually(lambda: fleet_of(fresh)["blocks"]["known"], "it to be known who is blocked")
    assert_shut_out(fresh, guest)
    eventually(lambda: len(fleet.store.hash("blocks")) == 1, "what is forged to be removed")
    eventually(lambda: sum(fleet_of(each)["blocks"]["removed"] for each in (one, two)) >= 60000, "that to be counted")
    assert any("forged" in proxy.stderr.text() for proxy in (one, two))


def test_a_comparison_that_does_not_end_is_said_and_blocks_go_both_ways_meanwhile(fleet, guest):
    between = Meddler(fleet.store)
    one, two = fleet.proxy(), fleet.proxy(shared=fleet.shared(valkey=between.address_and_port))
    tunnel = two.tunnel(fleet.target, guest)
    pages = []

    def go_on(words, raw):
        if words[2:4] != [b"1", b"sallyport:blocks"]:
            return raw
        pages.append(b"%05d" % (len(pages) + 10000))
        return b"*2\r\n$5\r\n%s\r\n:0\r\n" % pages[-1]

    between.spoil = go_on
    one.control.block("guests")
    two.assert_closed(tunnel.id, "blocked")
    eventually(lambda: "take long to compare" in (fleet_of(two)["blocks"]["problem"] or ""), "that to be said")
    two.control.block("--force", "somebody")
    wait_blocks(["client:guests", "client:somebody"], one)
    two.stderr.wait("error fleet: .* take long to compare")
    between.spoil = lambda words, raw: None
    two.stderr.wait("the store does not answer")
    two.control.block("--force", "alone", expected=1)
    between.spoil = go_on
    wait_blocks(["client:alone", "client:guests", "client:somebody"], one)
    # One that knows by its file who is blocked goes on likewise, though it has compared nothing yet.
    third = fleet.proxy(is_synchronised=False, shared=fleet.shared(valkey=between.address_and_port))
    assert fleet_of(third)["blocks"]["compared"] is None
    third.control.block("--force", "third")
    wait_blocks(["client:alone", "client:guests", "client:somebody", "client:third"], one, two, third)
    assert fleet_of(third)["blocks"]["compared"] is None
    between.spoil = None
    eventually(lambda: fleet_of(two)["blocks"]["problem"] is None, "the comparison to come to its end")
    wait_blocks(["client:alone", "client:guests", "client:somebody", "client:third"], two, third)


def test_a_beat_that_is_no_answer_counts_as_a_store_that_is_lost_and_blocks_go_on_by_time(fleet, guest):
    between = Meddler(fleet.store)
    one, two = fleet.proxy(), fleet.proxy(shared=fleet.shared(valkey=between.address_and_port))
    between.spoil = lambda words, raw: b":1\r\n" if is_beat(words) else raw
    two.stderr.wait("the store's answer to a beat makes no sense")
    assert "makes no sense" in fleet_of(two)["store"]["problem"]
    tunnel = two.tunnel(fleet.target, guest)
    one.control.block("guests")
    two.assert_closed(tunnel.id, "blocked")
    eventually(lambda: fleet_of(two)["limits"]["asks"] is False, "limits to count it as lost")
    between.spoil = None
    two.stderr.wait("the store answers beats again")
    assert fleet_of(two)["store"]["problem"] is None


def test_nobody_is_served_before_it_is_known_who_is_blocked(fleet, guest):
    fleet.store.stop()
    fresh = fleet.proxy(is_synchronised=False, is_known=False)
    refused = fresh.ask(fleet.target)
    fresh.assert_refused(refused, 503, "store_lost", action="error")
    assert fleet_of(fresh)["blocks"]["known"] is False
    fleet.store.start()
    eventually(lambda: fleet_of(fresh)["blocks"]["known"], "the store to be read")
    fresh.tunnel(fleet.target, guest).echo(b"now it is known")
    fresh.control.block("guests")
    eventually(lambda: state_of(fresh)["store"] and len(fleet.store.hash("blocks")) == 1, "it to be kept")
    fresh.stop()
    fleet.store.stop()
    again = fleet.proxy(is_synchronised=False, folder=fresh.folder)  # it goes on by what it knows
    assert_shut_out(again, guest)
    again.tunnel(fleet.target).echo(b"served")
    assert fleet_of(again)["store"]["state"] != "ready"


def test_a_start_ends_and_blocks_are_known_also_where_the_store_answers_no_beat(fleet, guest):
    fleet.store.ask("ACL", "SETUSER", "default", "-zrevrange")  # as a rule that is older than the program
    fresh = fleet.proxy(is_known=False, is_synchronised=False)
    eventually(lambda: fleet_of(fresh)["blocks"]["known"], "the blocks to be read")
    fresh.tunnel(fleet.target, guest).echo(b"served")
    assert "answers a beat with an error" in fleet_of(fresh)["store"]["problem"] and not fleet_of(fresh)["limits"]["asks"]
    fleet.store.ask("ACL", "SETUSER", "default", "+zrevrange")
    eventually(lambda: fleet_of(fresh)["limits"]["asks"], "the store to be heard again")


def test_another_key_is_said_and_destroys_nothing(fleet, guest):
    one = fleet.proxy()
    one.control.block("guests")
    eventually(lambda: len(fleet.store.hash("blocks")) == 1, "the store to have it")
    before = fleet.store.hash("blocks")
    wrong = fleet.proxy(is_synchronised=False, is_known=False, shared=fleet.shared(key_file=str(fleet.make_key("other.key"))))
    assert "give all proxies the same key_file" in wrong.stderr.wait("does not open with `shared.key_file`.*")[0]
    wrong.assert_refused(wrong.ask(fleet.target), 503, "store_lost", action="error")
    assert "same key_file" in fleet_of(wrong)["store"]["problem"]
    assert fleet.store.ask("ZCARD", "sallyport:alive") == 1 and fleet_of(one)["limits"]["members"] == 1  # it writes nothing there
    for command in ("block", "--force", "stray"), ("kill", "--fleet", "client:guests"), ("status", "--fleet"):
        assert "does not open with `shared.key_file`" in wrong.control.run(*command, expected=1).stderr
    assert fleet.store.hash("blocks") == before
    wait_blocks(["client:guests"], one)
    write_config(wrong.config_path, {**wrong.config, "shared": fleet.shared()})
    wrong.control.run("reload")
    wrong.stderr.wait("opens with `shared.key_file` now")
    wait_blocks(["client:guests", "client:stray"], one, wrong)


@contextlib.contextmanager
def asleep(*proxies):
    """While these do nothing."""
    numbers = [proxy.control.status()["pid"] for proxy in proxies]
    try:
        for number in numbers:
            os.kill(number, signal.SIGSTOP)
        for number in numbers:
            status = pathlib.Path(f"/proc/{number}/status")
            eventually(lambda: "(stopped)" in status.read_text(), "it to stop")
        yield
    finally:
        for number in numbers:
            os.kill(number, signal.SIGCONT)


def test_another_key_does_not_take_over_a_store_that_was_emptied(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    one.control.block("guests")
    wait_blocks(["client:guests"], two)
    wrong = fleet.proxy(is_synchronised=False, shared=fleet.shared(key_file=str(fleet.make_key("other.key"))))
    wrong.stderr.wait("does not open with `shared.key_file`")
    with asleep(one, two):
        fleet.store.ask("FLUSHALL")
        wrong.stderr.wait("the store was empty")  # it is the first to come
        stray = fleet.store.ask("GET", "sallyport:key")
    eventually(lambda: fleet.store.ask("GET", "sallyport:key") not in (None, stray), "another greeting")
    eventually(lambda: "same key_file" in (fleet_of(wrong)["store"]["problem"] or ""), "it to see that")
    eventually(lambda: len(fleet.store.hash("blocks")) == 1, "the store to have it again")
    one.control.block("--force", "later")
    wait_blocks(["client:guests", "client:later"], two)


def test_one_that_knows_nothing_does_not_take_an_empty_store_for_nobody_is_blocked(fleet, guest):
    one = fleet.proxy()
    one.control.block("guests")
    eventually(lambda: len(fleet.store.hash("blocks")) == 1, "the store to have it")
    with asleep(one):
        fleet.store.ask("FLUSHALL")
        fresh = fleet.proxy(is_known=False, is_ready=False)
        fresh.stderr.wait("the store was empty, and nothing is known here of this fleet")
    fresh.wait_ready()
    eventually(lambda: fleet_of(fresh)["blocks"]["known"], "the other one to write again what it knows")
    assert_shut_out(fresh, guest)
    with asleep(one, fresh):
        fleet.store.ask("DEL", "sallyport:blocks", "sallyport:rev")
        second = fleet.proxy(is_known=False, is_synchronised=False)
        second.stderr.wait("instance .* says that there are 1 blocks, and the store has 0")
    eventually(lambda: fleet_of(second)["blocks"]["known"], "the store to have it again")
    assert_shut_out(second, guest)


def test_one_that_knows_nothing_does_not_take_what_is_spoilt_for_nobody_is_blocked(fleet, guest):
    fleet.proxy().stop()  # the store has a greeting
    fleet.store.ask("HSET", "sallyport:blocks", "0" * 64, b"spoilt")
    fleet.store.ask("SET", "sallyport:rev", "1")
    fresh = fleet.proxy(is_known=False, is_synchronised=False)
    fresh.assert_refused(fresh.ask(fleet.target), 503, "store_lost", action="error")
    problem = fleet_of(fresh)["blocks"]["problem"]
    assert f"1 of the store's entries on blocks do not open ({'0' * 64})" in problem and "HDEL sallyport:blocks NAME" in problem
    fleet.proxy()  # that knows of no such block, and removes it
    eventually(lambda: fleet_of(fresh)["blocks"]["known"], "it to be known")
    assert fleet.store.hash("blocks") == {}
    fresh.tunnel(fleet.target, guest).echo(b"served")


def test_a_reload_to_another_fleet_brings_blocks_there_and_nothing_else(fleet, guest, tmp_path):
    (tmp_path / "there").mkdir()
    elsewhere = Redis(tmp_path / "there").start()
    shared = fleet.shared(valkey=elsewhere.address, key_file=str(fleet.make_key("there.key")))
    one, there = fleet.proxy(), fleet.proxy(shared=shared)
    one.control.block("guests")
    there.control.block("--force", "there")
    eventually(lambda: len(elsewhere.hash("blocks")) == 1 and fleet_of(there)["tickets"]["shared"], "it to be shared there")
    tickets = elsewhere.ask("GET", "sallyport:tickets")
    for _ in range(3):  # newer ones here than there
        fleet.store.ask("SET", "sallyport:tickets", b"spoilt")
        eventually(lambda: fleet.store.ask("GET", "sallyport:tickets") != b"spoilt", "new ones")
    write_config(one.config_path, {**one.config, "shared": shared})
    one.control.run("reload")
    wait_blocks(["client:guests", "client:there"], one, there)
    assert_shut_out(there, guest)
    eventually(lambda: state_of(one)["store"] == mark_of(shared), "its file to say so")
    assert fleet.store.ask("ZSCORE", "sallyport:alive", fleet_of(one)["instance"]) == b"0"  # it has said there that it leaves
    eventually(lambda: fleet_of(one)["tickets"]["shared"], "the secrets that are there")
    assert elsewhere.ask("GET", "sallyport:tickets") == tickets
    assert fleet_of(one)["tickets"]["refused"] <= 3
    elsewhere.stop()


def test_the_key_is_changed_in_three_steps_and_nothing_is_lost_or_called_forged(fleet, guest):
    """The steps of FLEET.md."""
    old, new = fleet.key_file.read_text(), secrets.token_hex(32) + "\n"
    files = [fleet.make_key("one.key"), fleet.make_key("two.key")]
    for file in files:
        file.write_text(old)
    one, two = proxies = [fleet.proxy(shared=fleet.shared(key_file=str(file))) for file in files]
    one.control.block("guests")
    wait_blocks(["client:guests"], two)
    for step, text in enumerate((old + new, new + old, new)):
        for proxy, file in zip(proxies, files):
            file.write_text(text)
            proxy.control.run("reload")
            two.control.block("--force", f"step{step}{proxy.pid}")
            wait_blocks(blocks_of(two), one)
        eventually(lambda: all(fleet_of(proxy)["blocks"]["other_secret"] == 0 for proxy in proxies), "all to be sealed by the first")
        eventually(lambda: all(state_of(proxy)["store"] == mark_of({"key_file": str(file)}) for proxy, file in zip(proxies, files)), "the files")
    third = fleet.proxy(shared=fleet.shared(key_file=str(fleet.make_key("third.key", new))), is_known=False)
    assert_shut_out(third, guest)
    wait_blocks(blocks_of(two), third)
    for proxy in one, two, third:
        told = fleet_of(proxy)
        assert told["blocks"]["forged"] == told["tickets"]["refused"] == 0 and told["store"]["problem"] is None
        assert told["tickets"]["shared"] and " error " not in proxy.stderr.text()


def test_kill_and_drain_reach_all_or_one_once_and_are_recorded_on_both_sides(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    wait_members(2, one, two)
    mine, theirs, other = one.tunnel(fleet.target, guest), two.tunnel(fleet.target, guest), two.tunnel(fleet.target)
    said = one.control.run("kill", "--fleet", "client:guests").stdout
    assert said.count("killed: 1") == 2, said
    for proxy, tunnel in (one, mine), (two, theirs):
        proxy.assert_closed(tunnel.id, "killed")
    told = two.audit.wait("admin", command="kill")
    assert told["by"]["instance"] == fleet_of(one)["instance"] and told["argument"] == "client:guests"
    assert told["order"] in one.control.admin("kill")["detail"] and "(here: killed: 1)" in one.control.admin("kill")["detail"]
    assert one.control.admin("kill")["argument"] == "fleet client:guests"

    # As at one proxy: nobody has it on any of them.
    for unknown, why in ("client:guest", "did you mean `guests`"), ("session:" + "0" * 16, "no connection that is served"):
        assert why in one.control.run("kill", "--fleet", unknown, expected=1).stderr
    only = two.tunnel(fleet.target, guest)
    said = one.control.run("kill", "--fleet", only.id)
    assert "done by 1 of 2 proxies" in said.stderr + said.stdout and "nobody" in said.stdout
    two.assert_closed(only.id, "killed")
    orders = len(two.audit.records("admin"))
    assert "no other proxy was meant" in one.control.run("kill", "--on", fleet_of(one)["instance"], "client:guests").stderr

    # Shown once more by the store, it is not done again.
    order = fleet.store.ask("LINDEX", "sallyport:orders", -1)
    again = two.tunnel(fleet.target, guest)
    fleet.store.ask("RPUSH", "sallyport:orders", order)
    fleet.store.ask("RPUSH", "sallyport:orders", order[:16] + b"forged" + order[22:])
    fleet.store.ask("INCR", "sallyport:orders:n")
    two.stderr.wait("an order in the store is forged, .* it begins with " + order[:16].decode())
    again.echo(b"still here")
    other.echo(b"never meant")
    assert len(two.audit.records("admin")) == orders

    told = run("kill", "-c", one.config_path, "--on", "0000", "client:guests")
    assert told.returncode == 1 and "no proxy has an instance that begins with `0000`" in told.stderr
    again.close()
    other.close()
    one.control.run("drain", "--on", fleet_of(two)["instance"][:8])
    assert two.wait_exit() == 0
    one.tunnel(fleet.target).echo(b"not meant")


def is_beat(words):
    return b"sallyport:alive" in words and b"sallyport:rev" in words


def test_an_order_is_heard_whatever_comes_between_the_beat_and_the_question(fleet, guest):
    between = Meddler(fleet.store)
    one, two = fleet.proxy(), fleet.proxy(shared=fleet.shared(valkey=between.address_and_port))
    wait_members(2, one, two)

    def add(words, raw):
        """Another one comes as soon as a beat has told of the first."""
        if is_beat(words) and parse(raw)[0][4] == 1:
            fleet.store.ask("RPUSH", "sallyport:orders", b"another")
            fleet.store.ask("INCR", "sallyport:orders:n")
            between.spoil = None
        return raw

    def lose(words, raw):
        """The first question after orders has no good answer."""
        if b"sallyport:orders" not in words:
            return raw
        between.spoil = None
        return b"-ERR lost\r\n"

    for spoil in add, lose:
        tunnel = two.tunnel(fleet.target, guest)
        between.spoil = spoil
        assert "killed: 1" in one.control.run("kill", "--fleet", "client:guests").stdout
        two.assert_closed(tunnel.id, "killed")
        assert between.spoil is None


def test_an_order_fails_as_long_as_somebody_lives_who_has_not_said_who_it_is(fleet):
    between = Meddler(fleet.store)
    one = fleet.proxy(shared=fleet.shared(valkey=between.address_and_port))
    wait_members(1, one)

    def earlier(words, raw):
        """Beats know only of the one that was there before."""
        return b"\r\n".join([*raw.split(b"\r\n")[:3], b":1", *raw.split(b"\r\n")[4:]]) if is_beat(words) else raw

    between.spoil = earlier
    score = fleet.store.ask("ZSCORE", "sallyport:alive", fleet_of(one)["instance"])
    fleet.store.ask("ZADD", "sallyport:alive", score, "0123456789abcdef")
    told = one.control.run("kill", "--fleet", "client:guests", expected=1)
    assert "more proxies live that have not said who they are: ask again" in told.stdout + told.stderr
    fleet.store.ask("ZADD", "sallyport:alive", 0, "0123456789abcdef")  # it has ended, and nobody has noticed yet
    told = one.control.run("kill", "--fleet", "client:guests")
    assert "done by 1 of 1 proxies" in told.stdout + told.stderr


@pytest.mark.skipif(IS_SMALL, reason="a sanitizer wants to be loaded before the clock's library")
def test_a_proxy_whose_clock_is_wrong_obeys_no_order_and_says_why(fleet, guest, tmp_path):
    clock = Clock(tmp_path)
    one = fleet.proxy()
    wrong = fleet.proxy(process={"environment": clock.environment})
    clock.jump(3600)
    wait_members(2, one, wrong)
    tunnel = wrong.tunnel(fleet.target, guest)
    told = run("kill", "-c", one.config_path, "--fleet", "client:guests")
    assert told.returncode == 1 and "the clocks of the proxies have to agree" in told.stdout + told.stderr
    tunnel.echo(b"it lives")
    assert wrong.audit.wait("admin", command="kill")["result"] == "failed"
    eventually(lambda: "its clock differs" in one.control.run("status", "--fleet").stdout, "the clock to be marked")
    wrong.control.block("guests")  # blocks go by versions, and by no clock
    wait_blocks(["client:guests"], one)


def in_days(count):
    """A time as `status` writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + count * 86400))


def test_status_tells_of_all_and_where_their_configurations_differ(fleet, pki):
    first = pki.server_ca.leaf("first.test", dns=("first.test",), usages=(SERVER_AUTH,), ends=9)
    served = {"names": ["first.test"], "certificates": [{"chain": first.chain, "key": first.key}]}
    listeners = [listener_of(pki, sni=[served])]
    one, two = fleet.proxy(listeners=listeners), fleet.proxy(listeners=listeners)
    wait_members(2, one, two)
    members = one.control.ask(b"status fleet\n")[0]["fleet"]["members"]
    assert {each["instance"] for each in members} == {fleet_of(one)["instance"], fleet_of(two)["instance"]}
    assert [each["instance"] for each in members if each["self"]] == [fleet_of(one)["instance"]]
    assert {each["pid"] for each in members} == {one.pid, two.pid}
    # An instance begins with what its records are called by.
    assert all(each["instance"].startswith(each["audit_instance"]) for each in members)
    for proxy in one, two:
        assert proxy.ask(DENIED).status == 403
    assert all(fleet_of(each)["instance"][:8] == each.audit.wait("decision")["instance"] for each in (one, two))
    told = run("audit", "replay", "--config", one.config_path, one.audit.path, two.audit.path)
    assert "2 decisions: 0 would change" in told.stdout + told.stderr, told
    assert len({each["address"] for each in members}) == 2 and not any(each["silent_s"] for each in members)
    assert all(each["state"] == "serves" and each["version"] for each in members)
    assert all(each["certificate_ends"] < in_days(10) for each in members)
    two.reload(timeouts={"idle": "9m"})
    eventually(lambda: fleet_of(one)["configs"] == 2, "the difference to be seen")
    said = one.control.run("status", "--fleet").stdout
    assert said.count("! config") == 2 and fleet_of(two)["instance"][:8] in said
    assert "for less than a minute yet" in said
    # One's own line is counted when it is asked for.
    two.control.run("drain", "--lame-duck", "1h")
    assert "lame_duck" in two.control.run("status", "--fleet").stdout
    assert re.search(r"lame_duck; started 0d 00:0\d:\d\d ago", two.control.run("status").stdout)


def test_a_ticket_of_one_is_good_at_another_and_an_older_set_is_not_taken(fleet):
    one, two = fleet.proxy(), fleet.proxy()
    eventually(lambda: fleet_of(two)["tickets"]["shared"] and fleet_of(one)["tickets"]["shared"], "secrets")
    two._contexts = one._contexts  # one client, to which both are the same server
    first = one.connect()
    assert first.ask(DENIED).status == 403
    session = first.tls.session
    first.close()
    again = two.dial(session=session).handshake()
    assert two.decision(again.ask(DENIED).id)["tls"]["resumed"] is True
    good = fleet.store.ask("GET", "sallyport:tickets")
    fleet.store.ask("SET", "sallyport:tickets", b"forged" + good)
    eventually(lambda: fleet.store.ask("GET", "sallyport:tickets") not in (None, b"forged" + good), "the set to be repaired")
    eventually(lambda: sum(fleet_of(proxy)["tickets"]["refused"] for proxy in (one, two)) >= 1, "it to be said")
    assert two.decision(two.dial(session=session).handshake().ask(DENIED).id)["tls"]["resumed"] is True


def test_ticket_secrets_of_the_fleet_go_over_an_upgrade_while_the_store_is_away(fleet):
    one, two = fleet.proxy(), fleet.proxy()
    eventually(lambda: fleet_of(two)["tickets"]["shared"] and fleet_of(one)["tickets"]["shared"], "secrets")
    two._contexts = one._contexts
    number = fleet_of(one)["tickets"]["number"]
    first = one.connect()
    assert first.ask(DENIED).status == 403
    session = first.tls.session
    first.close()
    fleet.store.hold()
    one.control.run("upgrade")
    one.pid = one.control.status()["pid"]
    assert fleet_of(one)["tickets"] == {"shared": True, "number": number, "refused": 0}
    again = one.dial(session=session).handshake()
    assert one.decision(again.ask(DENIED).id)["tls"]["resumed"] is True
    session = again.tls.session
    fleet.store.release()
    assert two.decision(two.dial(session=session).handshake().ask(DENIED).id)["tls"]["resumed"] is True


def test_one_that_was_in_another_fleet_takes_the_secrets_of_its_own_for_what_they_are(fleet):
    """The number of the newest ones counts in the fleet whose they are, over upgrades and restarts."""
    one, two = fleet.proxy(), fleet.proxy()
    eventually(lambda: fleet_of(two)["tickets"]["shared"] and fleet_of(one)["tickets"]["shared"], "secrets")
    home, good = one.config["shared"], fleet.store.ask("GET", "sallyport:tickets")

    def move(shared):
        write_config(one.config_path, {**one.config, "shared": shared})
        one.control.run("upgrade")
        one.pid = one.control.status()["pid"]
        eventually(lambda: state_of(one)["store"] == mark_of(shared), "it to be at home there")
        return eventually(lambda: fleet_of(one)["tickets"]["shared"] and fleet_of(one)["tickets"], "secrets")

    move({**home, "prefix": "other:"})
    for _ in range(3):
        fleet.store.ask("SET", "other:tickets", b"spoilt")
        eventually(lambda: fleet.store.ask("GET", "other:tickets") != b"spoilt", "new ones")
    assert move(home)["refused"] == 0
    assert fleet.store.ask("GET", "sallyport:tickets") == good
    assert state_of(one)["tickets"] == fleet_of(two)["tickets"]["number"]


def test_blocks_of_the_fleet_go_over_an_upgrade_and_hold_in_the_old_process(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy()
    one.control.block("--force", "earlier")
    wait_blocks(["client:earlier"], two)
    old = two.tunnel(fleet.target, guest)
    two.control.run("upgrade")
    two.pid = two.control.status()["pid"]
    wait_blocks(["client:earlier"], two)
    new = two.tunnel(fleet.target, guest)
    eventually(lambda: fleet_of(one)["members_count"] == 3, "the old process to be known beside the new one")
    eventually(lambda: " retired, " in one.control.run("status", "--fleet").stdout, "it to say what it is")
    assert "; 2 proxies" in one.control.run("status", "--fleet").stdout
    one.control.block("guests")
    for tunnel in old, new:
        two.assert_closed(tunnel.id, "blocked")
    wait_blocks(["client:earlier", "client:guests"], two)
    two.control.unblock("earlier")
    wait_blocks(["client:guests"], one)


def test_an_old_process_whose_successor_is_gone_goes_by_the_fleet_itself(fleet, guest):
    one, two = fleet.proxy(), fleet.proxy(timeouts={"drain": "10m"})
    victim, target, other = two.tunnel(fleet.target, guest), two.tunnel(fleet.target), two.tunnel(fleet.target)
    two.control.run("upgrade")
    two.pid = two.control.status()["pid"]
    eventually(lambda: " retired, " in one.control.run("status", "--fleet").stdout, "the old process to be known")
    two.control.block("--force", "alone")
    two.control.unblock("alone")
    wait_blocks([], one)
    eventually(lambda: all(each["shared"] == 1 for each in state_of(one)["blocks"]), "it to be kept")
    before = fleet.store.hash("blocks")
    two.crash()
    two.stderr.wait("the process that serves has ended: this old process drains")
    eventually(lambda: " drains, " in one.control.run("status", "--fleet").stdout, "it to say what it is now")
    one.control.run("kill", "--fleet", target.id, expected=(0, 1))  # 1 while the one that was killed may still live
    two.assert_closed(target.id, "killed")
    one.control.block("guests")
    two.assert_closed(victim.id, "blocked")
    one.control.unblock("guests")
    other.echo(b"untouched")
    after = fleet.store.hash("blocks")
    assert {name: after[name] for name in before} == before and len(after) == 2  # it writes nothing there
    one.control.run("kill", "--fleet", other.id, expected=(0, 1))
    two.assert_closed(other.id, "killed")
    two.stop(expected=BY_SIGNAL + signal.SIGKILL)


def test_an_old_process_does_not_write_the_file_of_the_one_that_serves(fleet, guest):
    one = fleet.proxy()
    tunnel = one.tunnel(fleet.target)
    old = one.pid
    one.control.run("upgrade")
    one.pid = one.control.status()["pid"]
    eventually(lambda: state_of(one)["store"], "the file of the new process")
    one.control.block("guests")
    assert [each["block"] for each in state_of(one)["blocks"]] == ["client:guests"]
    write_config(one.config_path, {name: value for name, value in one.config.items() if name != "shared"})
    said = one.stderr.count()
    os.kill(old, signal.SIGHUP)
    one.stderr.wait("it does not come into force here", after=said)
    assert [each["block"] for each in state_of(one)["blocks"]] == ["client:guests"]
    assert state_of(one)["v"] == 2
    assert_shut_out(one, guest)
    tunnel.echo(b"it goes on")
