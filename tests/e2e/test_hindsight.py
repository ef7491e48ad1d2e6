"""`sallyport audit`: what a log tells afterwards, and what another policy would have said."""

import json
import pathlib
import re
from collections import Counter

import pytest

from support import config as configs
from support.config import client, reach
from support.control import CONTROL, Control
from support.flights import EVIL, hello
from support.pki import common_names
from support.proxy import run


@pytest.fixture
def past(start, dns, origin):
    """A proxy that has ended, and what it was asked: two names allowed, one not, one address."""
    server = origin()
    for name in ("one.test", "two.test", "other.test"):
        dns.addresses(name, "127.0.0.1")
    proxy = start(
        client(
            reach("one.test", server.port, name="first"),
            reach("two.test", server.port),
            {"addresses": ["127.0.0.1/32"], "ports": [server.port]},
        )
    )
    for target in ("one.test", "one.test", "two.test", "127.0.0.1"):
        tunnel = proxy.tunnel(f"{target}:{server.port}")
        tunnel.echo(b"x")
        tunnel.close()
    proxy.ask(f"other.test:{server.port}")
    proxy.stop()
    proxy.log = proxy.folder / "audit.jsonl"
    proxy.port = server.port
    return proxy


def other_policy(past, *allow, **more):
    """The same proxy's configuration with these rules instead."""
    path = past.folder / "other.yaml"
    configs.write_config(path, configs.merge(past.config, {"clients": [client(*allow, **more)]}))
    return path


def replay(past, config, *options):
    result = run("audit", "replay", "--config", config, "--json", *options, past.log)
    return result, [json.loads(line) for line in result.stdout.splitlines()]


# -- verify ---------------------------------------------------------------------------------------


@pytest.mark.protocols("h1", "h2")
def test_a_whole_log_has_no_fault(past):
    result = run("audit", "verify", past.log)
    assert result.returncode == 0, result.stderr
    assert "5 decisions, 5 closes" in result.stdout
    assert "no fault in what is there" in result.stdout


def test_a_log_from_which_a_request_was_cut_out_is_not_called_whole(past):
    """The numbers show it, but at the end; and without a key `verify` says what it cannot tell."""
    lines = past.log.read_text().splitlines()
    past.log.write_text("".join(f"{line}\n" for line in lines[:2] + lines[4:]))
    result = run("audit", "verify", past.log)
    assert result.returncode == 1
    assert "audit.jsonl:3: 2 lines are missing before this one: records 2 to 3 of" in result.stderr
    past.log.write_text("".join(f"{line}\n" for line in lines[:-2]))
    result = run("audit", "verify", past.log)
    assert result.returncode == 0, result.stderr
    left = Counter(json.loads(line)["event"] for line in lines[:-2])
    assert f"{left['decision']} decisions, {left['close']} closes" in result.stdout
    assert "nothing is wrong" not in result.stdout
    assert "without --key nobody knows whether records were removed" in result.stdout
    result = run("audit", "verify", "--json", past.log)
    assert json.loads(result.stdout)["complete"] == "unknown"


def spoil(past, change):
    lines = past.log.read_text().splitlines()
    change(lines)
    past.log.write_text("\n".join(lines) + "\n")
    result = run("audit", "verify", "--json", past.log)
    assert result.returncode == 1
    return json.loads(result.stdout), result.stderr


def close_at(lines):
    return next(i for i, line in enumerate(lines) if '"event":"close"' in line)


def test_a_line_that_was_cut_by_hand_is_named_and_its_close_is_a_fault(past):
    def tear(lines):
        lines[0] = lines[0][:40]

    sums, talk = spoil(past, tear)
    # The close whose decision it was; and no writer leaves such a line and goes on.
    assert (sums["torn"], sums["problems"]) == (1, 2)
    assert "audit.jsonl:1: is torn" in talk
    assert "a close without a decision" in talk


@pytest.mark.parametrize("is_last", [True, False])
def test_the_torn_line_that_a_kill_leaves_is_told_and_no_fault(past, is_last):
    """At the end as the kill left it; in the middle where the proxy was started again."""
    lines = past.log.read_text().splitlines()
    torn = lines[0].replace(json.loads(lines[0])["id"], "0123456789abcdef")[:-30]
    if is_last:
        past.log.write_text("\n".join([*lines, torn]))
    else:
        past.log.write_text("\n".join([torn, *lines]) + "\n")
    number = len(lines) + 1 if is_last else 1
    result = run("audit", "verify", "--json", past.log)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["torn"] == 1
    assert f"audit.jsonl:{number}: is torn: the proxy was killed" in result.stderr
    result, changes = replay(past, past.folder / "sallyport.yaml")
    assert (result.returncode, changes) == (0, []), result.stderr
    assert f"audit.jsonl:{number}: is torn" in result.stderr
    assert run("audit", "suggest", "--client", "workers", past.log).returncode == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line + "x",
        lambda line: line.replace(",", ";", 1),
        lambda line: line[:60] + "\0" + line[61:],
        lambda line: line[30:],
        lambda line: line[:-20] + line,
    ],
)
def test_a_damaged_line_is_no_torn_one(past, damage):
    def spoil_last(lines):
        lines.append(damage(lines[0]))

    sums, _ = spoil(past, spoil_last)
    assert sums["torn"] == 0


def test_a_record_that_stands_twice_is_a_fault(past):
    def repeat(lines):
        lines.append(lines[0])

    sums, talk = spoil(past, repeat)
    assert sums["problems"] >= 1
    assert "there is more than one decision" in talk


def test_a_close_before_its_decision_is_a_fault(past):
    def swap(lines):
        lines.insert(0, lines.pop(close_at(lines)))

    _, talk = spoil(past, swap)
    assert "the close comes before the decision" in talk


def test_lost_records_are_a_fault(past):
    def lose(lines):
        lines.append('{"v":1,"ts":"2026-11-22T05:44:28.601Z","event":"records_lost","count":7}')

    sums, talk = spoil(past, lose)
    assert sums["lost"] == 7
    assert "7 records were lost" in talk


def test_a_decision_without_a_close_is_told_and_no_fault(past):
    lines = past.log.read_text().splitlines()
    del lines[-1]  # a close: the proxy was killed before
    past.log.write_text("\n".join(lines) + "\n")
    result = run("audit", "verify", "--json", past.log)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["open"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        '{"v":2,"ts":"x","event":"close","id":"0000000000000001"}',
        '{"v":1,"ts":"x","event":"close","id":"000000000000000G"}',
        '{"v":1,"v":1,"ts":"x","event":"records_lost","count":1}',
        '{"v":1,"ts":"x","event":"decision","id":"0000000000000001"}',
        '"' + "a" * 70000 + '"',
        "[" * 5000,
    ],
)
def test_a_line_that_is_no_record_is_a_fault(past, line):
    past.log.write_text(line + "\n")
    result = run("audit", "verify", past.log)
    assert result.returncode == 1
    assert "audit.jsonl:1: " in result.stderr


LOUD = "\x1b[31m\u009b31m\u202e\r\nX"


def make_loud(record, *path):
    *way, last = path
    for key in way:
        record = record[key]
    record[last] = LOUD


def test_nothing_in_a_log_speaks_to_the_terminal_of_who_reads_it(past):
    decision, close = (json.loads(line) for line in past.log.read_text().splitlines()[:2])
    logs = [f"{LOUD}\n", f'"{LOUD}\n']
    for path in (("client", "subject"), ("client", "name"), ("decision", "rule"), ("request", "host")):
        loud = json.loads(json.dumps(decision))
        make_loud(loud, *path)
        logs.append(f"{json.dumps(loud)}\n{json.dumps(close)}\n")
    make_loud(close, "reason")
    logs.append(f"{json.dumps(decision)}\n{json.dumps(close)}\n")
    config = past.config_path
    for log in logs:
        past.log.write_bytes(log.encode())
        for command in (
            ("audit", "verify"),
            ("audit", "replay", "--config", config),
            ("audit", "suggest", "--client", "workers"),
            ("explain", "-c", config, "--id", decision["id"], "--log"),
        ):
            said = run(*command, past.log)
            said = said.stdout + said.stderr
            assert "\n" in said and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]|^X", said, re.M), (command, said)


def test_a_log_that_is_not_there_is_named(tmp_path):
    result = run("audit", "verify", tmp_path / "none.jsonl")
    assert result.returncode == 3
    assert "none.jsonl: cannot be opened: No such file" in result.stderr


# -- what the product writes, it reads ------------------------------------------------------------

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "AUDIT.md"


def examples():
    """The records that the page shows, by event, each in one line."""
    blocks = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    records = [json.loads(block) for block in blocks]
    return {record["event"]: record for record in records}


def words(heading):
    """The reason words of the table under `heading`."""
    table = PAGE.read_text().split(f"### {heading}\n")[1].split("\n#")[0]
    cells = re.findall(r"^\| (`[^|]*`)[^|]*\|", table, re.M)
    return [word for cell in cells for word in re.findall(r"`([a-z_]+)`", cell)]


def log_of_the_page():
    """A log that holds every event of docs/AUDIT.md, and every word in each event that may have it."""
    shown = examples()
    records = [shown["admin"]]
    for word in words("Why a handshake was refused"):
        records.append({**shown["handshake_refused"], "reason": word})
    numbers = iter(range(1, 1000))
    for word in words("What was decided"):
        name = f"{next(numbers):016x}"
        verdict = {**shown["decision"]["decision"], "action": "deny", "reason": word}
        records.append({**shown["decision"], "id": name, "decision": verdict})
        records.append({**shown["close"], "id": name})
        records.append({**shown["requests_refused"], "reason": word})
    for word in words("How it ended"):
        name = f"{next(numbers):016x}"
        records.append({**shown["decision"], "id": name})
        records.append({**shown["close"], "id": name, "reason": word})
    return records


def test_the_page_shows_each_event_that_it_names():
    named = re.search(r"^\| `event` \|.*$", PAGE.read_text(), re.M).group()
    assert set(re.findall(r"`([a-z_]+)`", named)) - {"event"} == set(examples())
    assert len(words("Why a handshake was refused")) > 20
    assert {"no_rule", "whoami"} < set(words("What was decided"))
    assert {"client_reset", "policy_changed"} < set(words("How it ended"))


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_every_event_and_word_of_the_page_is_read_by_every_reader(past, form):
    log = past.folder / "page.jsonl"
    log.write_text("".join(json.dumps(record) + "\n" for record in log_of_the_page()))
    result = run("audit", "verify", *form, log)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    result = run("audit", "replay", "--config", past.folder / "sallyport.yaml", *form, log)
    assert result.returncode in (0, 1), result.stderr
    assert "0 lines could not be read" in result.stderr
    result = run("audit", "suggest", "--client", "scrapers", "--denied", *form, log)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr


def test_a_nul_in_the_name_of_a_certificate_keeps_nobody_from_reading_the_log(start, dns, origin, pki):
    server = origin()
    dns.addresses("one.test", "127.0.0.1")
    proxy = start(client(reach("one.test", server.port)))
    odd = dict(subject=common_names("a\0b"))
    assert proxy.dial(pki.authority("Other CA").leaf("nul", **odd)).refusal()
    refused = proxy.audit.wait("handshake_refused")
    assert refused["presented"]["cn"] == "a\0b"
    proxy.tunnel(f"one.test:{server.port}", pki.ca.leaf("nul", **odd)).close()
    proxy.stop()
    proxy.log = proxy.folder / "audit.jsonl"
    result, changes = replay(proxy, proxy.config_path)
    assert (result.returncode, changes) == (0, []), result.stderr
    assert "1 decisions: 0 would change" in result.stderr
    result, changes = replay(proxy, other_policy(proxy, reach("one.test", server.port), match=[{"cn": "a"}]))
    assert [change["after"] for change in changes] == ["deny (no_client)"], result.stderr
    assert run("audit", "verify", proxy.log).returncode == 0
    assert suggest(proxy)["covered"] == 1
    log = ["--log", proxy.log]
    assert run("explain", "-c", proxy.config_path, *log).returncode == 0
    result = run("explain", "-c", proxy.config_path, *log, "--id", refused["id"])
    assert f"refused in the handshake: {refused['reason']}" in result.stderr


def test_lost_records_are_the_one_event_that_is_a_fault(past):
    log = past.folder / "lost.jsonl"
    log.write_text(json.dumps(examples()["records_lost"]) + "\n")
    result = run("audit", "verify", log)
    assert result.returncode == 1
    assert "476 records were lost" in result.stderr


def test_the_log_of_a_proxy_with_a_control_socket_has_no_fault(past, start):
    """Each request at the socket is an `admin` record, which has no id."""
    proxy = start(control=CONTROL)
    Control(proxy).run("status")
    proxy.audit.wait("admin", command="status")
    proxy.stop()
    result = run("audit", "verify", proxy.audit.path)
    assert (result.returncode, result.stderr) == (0, "")


# -- replay ---------------------------------------------------------------------------------------


def test_the_same_policy_changes_nothing(past):
    result, changes = replay(past, past.folder / "sallyport.yaml")
    assert result.returncode == 0, result.stderr
    assert changes == []
    assert "5 decisions: 0 would change" in result.stderr


@pytest.mark.protocols("h1", "h2")
def test_a_rule_that_is_gone_is_found_with_how_often_it_was_used(past):
    config = other_policy(
        past,
        reach("two.test", past.port),
        {"addresses": ["127.0.0.1/32"], "ports": [past.port]},
    )
    result, changes = replay(past, config)
    assert result.returncode == 1
    (change,) = changes
    assert change["host"] == "one.test"
    assert change["count"] == 2
    assert change["before"] == "allow (first)"
    assert change["after"] == "deny (no_rule)"
    assert change["change"] == "stricter"


@pytest.mark.protocols("h1", "h2")
def test_each_request_can_be_listed_alone(past):
    result, changes = replay(past, other_policy(past), "--each")
    assert result.returncode == 1
    assert [change["count"] for change in changes] == [1, 1, 1, 1]
    assert len({change["id"] for change in changes}) == 4


def test_what_was_denied_before_dns_and_would_not_be_now_is_left_to_its_addresses(past):
    config = other_policy(
        past,
        reach("*.test", past.port),
        {"addresses": ["127.0.0.1/32"], "ports": [past.port]},
    )
    result, changes = replay(past, config)
    assert result.returncode == 1
    (change,) = changes
    assert change["host"] == "other.test"
    assert change["after"].startswith("allow?")
    assert change["change"] == "wider"


def test_another_rule_for_the_same_outcome_is_no_change(past):
    config = other_policy(
        past,
        reach("one.test", past.port, name="renamed"),
        reach("two.test", past.port),
        {"addresses": ["127.0.0.1/32"], "ports": [past.port]},
    )
    result, changes = replay(past, config)
    assert (result.returncode, changes) == (0, [])
    assert "0 would change, 2 would stay for another reason" in result.stderr
    result, changes = replay(past, config, "--strict")
    assert result.returncode == 1
    assert [(change["before"], change["after"]) for change in changes] == [
        ("allow (first)", "allow (renamed)")
    ]


def test_a_client_that_nobody_would_be_any_more_is_denied(past):
    config = other_policy(past, match=[{"cn": "somebody-else"}])
    result, changes = replay(past, config)
    assert result.returncode == 1
    assert {change["after"] for change in changes} == {"deny (no_client)"}
    assert all(change["client_after"] is None for change in changes)


def test_a_configuration_that_cannot_be_loaded_is_no_answer(past):
    path = past.folder / "broken.yaml"
    path.write_text("version: 2\n")
    result = run("audit", "replay", "--config", path, past.log)
    assert result.returncode == 3
    assert "broken.yaml:1" in result.stderr


# -- replay of what tunnels carried --------------------------------------------------------------

OBSERVE, REQUIRE = {"tls": "observe"}, {"tls": "require"}
CLEAR = b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n"


@pytest.fixture
def carried(start, dns, origin):
    """Runs a proxy for one client, opens tunnels with these (target, first flight), and gives the proxy, ended."""
    server = origin()

    def run_it(tunnels, *rules, **more):
        for name in ("one.test", "two.test"):
            dns.addresses(name, "127.0.0.1")
        rules = rules or (reach("*.test", server.port), {"addresses": ["127.0.0.1/32"], "ports": [server.port]})
        proxy = start(client(*rules, **{"inner": OBSERVE, **more}))
        for target, flight in tunnels:
            tunnel = proxy.tunnel(f"{target}:{server.port}")
            if flight:
                tunnel.send(flight)
            if flight and more.get("inner", OBSERVE)["tls"] != "require":
                assert tunnel.read_exactly(len(flight)) == flight
            elif flight:
                tunnel.read()  # the echo, or the end
            tunnel.close()
            proxy.audit.wait("close", id=tunnel.id)
        proxy.stop()
        proxy.log, proxy.port = proxy.folder / "audit.jsonl", server.port
        return proxy

    run_it.port = server.port
    return run_it


def names(past):
    return reach("*.test", past.port), {"addresses": ["127.0.0.1/32"], "ports": [past.port]}


@pytest.mark.parametrize(
    "flight, inner, after",
    [
        (hello("one.test"), REQUIRE, None),
        (hello(EVIL), REQUIRE, "end (inner_mismatch)"),
        (hello("two.test"), REQUIRE, "end (inner_mismatch)"),
        (hello("two.test"), {**REQUIRE, "names": "listed"}, None),
        (hello(EVIL), {**REQUIRE, "names": "listed"}, "end (inner_mismatch)"),
        (hello(EVIL), {**REQUIRE, "names": "any"}, None),
        (hello(EVIL), OBSERVE, None),
        (hello(None), REQUIRE, "end (inner_no_name)"),
        (b"SSH-2.0-x\r\n", REQUIRE, "end (inner_not_tls)"),
        (CLEAR, {"plain": "check"}, None),
        (CLEAR.replace(b"one", b"two"), {"plain": "check"}, "end (inner_plain)"),
        (CLEAR, {"plain": "deny"}, "end (inner_plain)"),
        (b"", REQUIRE, None),
    ],
)
def test_a_tunnel_that_would_end_for_what_it_carried_is_a_change(carried, flight, inner, after):
    past = carried([("one.test", flight)])
    result, changes = replay(past, other_policy(past, *names(past), inner=inner))
    assert [change["after"] for change in changes] == ([after] if after else []), result.stderr
    assert result.returncode == bool(after)
    assert "unknown" not in result.stderr
    for change in changes:
        assert (change["change"], change["host"]) == ("stricter", "one.test")


def test_the_name_that_a_tunnel_carried_is_shown(carried):
    past = carried([("one.test", hello(EVIL)), ("one.test", hello(EVIL)), ("one.test", hello("one.test"))])
    config = other_policy(past, *names(past), inner=REQUIRE)
    _, [change] = replay(past, config)
    assert (change["inside"], change["count"]) == (EVIL, 2)
    text = run("audit", "replay", "--config", config, past.log).stdout
    assert f"one.test:{past.port} (inside: {EVIL})  allow (workers.allow[0]) -> end (inner_mismatch)" in text


def test_what_a_tunnel_carried_is_unknown_where_nobody_looked(carried):
    past = carried([("one.test", hello(EVIL))], inner={"tls": "any"})
    result, changes = replay(past, other_policy(past, *names(past), inner=REQUIRE))
    assert (result.returncode, changes) == (0, [])
    assert "unknown: `inner` would judge 1 tunnels more" in result.stderr


def test_a_tunnel_that_ended_then_and_would_not_now_is_a_change(carried):
    past = carried([("one.test", hello(EVIL)), ("one.test", b"SSH-2.0-x\r\n")], inner=REQUIRE)
    result, changes = replay(past, past.config_path)
    assert (result.returncode, changes) == (0, []), result.stderr
    result, changes = replay(past, other_policy(past, *names(past)))
    assert {(change["change"], change["before"]) for change in changes} == {
        ("wider", "end (inner_mismatch)"),
        ("wider", "end (inner_not_tls)"),
    }


def test_mode_report_ends_nothing(carried):
    past = carried([("one.test", hello(EVIL))])
    config = other_policy(past, *names(past), inner=REQUIRE, mode="report")
    assert replay(past, config)[1] == []


@pytest.mark.parametrize("name, after", [("one.test", None), (EVIL, "end (inner_mismatch)")])
def test_of_a_name_inside_a_tunnel_to_an_address_the_policy_is_asked_and_dns_is_not(carried, name, after):
    past = carried([("127.0.0.1", hello(name))])
    result, changes = replay(past, other_policy(past, *names(past), inner=REQUIRE))
    assert [change["after"] for change in changes] == ([after] if after else []), result.stderr
    assert ("unknown" in result.stderr) == (after is None)


ROUTE = {"route": "name"}


@pytest.mark.parametrize(
    "flight, after",
    [
        (hello("one.test"), None),
        (hello(EVIL), "deny (no_rule)"),
        (hello(None), "deny (inner_no_name)"),
        (b"SSH-2.0-x\r\n", "deny (inner_not_tls)"),
    ],
)
def test_a_client_that_would_be_routed_by_name_is_judged_by_the_name_inside(carried, flight, after):
    past = carried([("127.0.0.1", flight)])
    result, changes = replay(past, other_policy(past, reach("one.test", past.port), inner=ROUTE))
    assert [change["after"] for change in changes] == ([after] if after else []), result.stderr
    assert ("unknown" in result.stderr) == (after is None)


@pytest.fixture
def routed(carried):
    flights = (hello("one.test"), hello(EVIL), hello(None))
    rules = (reach("one.test", carried.port),)
    return carried([("127.0.0.1", flight) for flight in flights], *rules, inner={**REQUIRE, **ROUTE})


def test_the_policy_that_routed_by_name_changes_nothing(routed):
    result, changes = replay(routed, routed.config_path)
    assert (result.returncode, changes) == (0, []), result.stderr
    assert "unknown" not in result.stderr


def test_without_the_route_the_address_that_was_asked_for_is_judged(routed):
    result, changes = replay(routed, other_policy(routed, *names(routed), inner=REQUIRE))
    assert (result.returncode, changes) == (0, []), result.stderr  # resolved then: it leads there
    assert "unknown" not in result.stderr
    result, changes = replay(routed, other_policy(routed, reach("one.test", routed.port)))
    [change] = changes
    assert (change["host"], change["after"]) == ("127.0.0.1", "deny (no_rule)")
    result, changes = replay(routed, other_policy(routed, *names(routed)))
    assert {change["change"] for change in changes} == {"wider"}


@pytest.mark.parametrize("order", ["alone", "before", "never", "twice"])
def test_closes_in_odd_order_make_tunnels_unknown_and_no_more(carried, order):
    past = carried([("one.test", hello(EVIL))])
    decision, close = past.log.read_text().splitlines()
    lines = {
        "alone": [close],
        "before": [close, decision],
        "never": [decision],
        "twice": [decision, decision, close, close],
    }[order]
    past.log.write_text("".join(f"{line}\n" for line in lines))
    result, changes = replay(past, other_policy(past, *names(past), inner=REQUIRE))
    assert len(changes) == (order == "twice"), result.stderr
    assert ("unknown" in result.stderr) == (order != "alone")


@pytest.mark.parametrize(
    "inner",
    [
        [],
        "tls",
        {},
        {"tls": "odd"},
        {"tls": 7},
        {"tls": "tls", "sni": 7},
        {"tls": "tls", "sni": "not a name"},
        {"tls": "tls", "sni": "a\0b"},
        {"tls": "http", "sni": EVIL},
        {"tls": "tls", "host": EVIL},
        {"tls": "http", "host": "a b"},
    ],
)
def test_what_no_proxy_writes_of_a_tunnel_counts_as_unknown(carried, inner):
    past = carried([("one.test", hello(EVIL))])
    decision, close = past.log.read_text().splitlines()
    past.log.write_text(f"{decision}\n{json.dumps({**json.loads(close), 'inner': inner})}\n")
    result, changes = replay(past, other_policy(past, *names(past), inner=REQUIRE))
    assert (result.returncode, changes) == (0, []), result.stderr
    assert "unknown" in result.stderr


# -- suggest --------------------------------------------------------------------------------------


def suggest(past, *options):
    result = run("audit", "suggest", "--client", "workers", "--json", *options, past.log)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_suggestion_holds_what_was_used_and_no_more(past):
    found = suggest(past)
    assert (found["requests"], found["covered"], found["denied"]) == (5, 4, 1)
    rules = sorted(found["allow"], key=json.dumps)
    local = ["127.0.0.1/32"]
    assert rules == [
        {"ports": [past.port], "requests": 1, "addresses": local, "special": local},
        {"ports": [past.port], "requests": 1, "hosts": ["two.test"], "addresses": local, "special": local},
        {"ports": [past.port], "requests": 2, "hosts": ["one.test"], "addresses": local, "special": local},
    ]
    text = run("audit", "suggest", "--client", "workers", past.log).stdout
    assert text.count("special addresses: leave them out unless they are intended") == 3


def test_what_was_denied_is_added_when_asked_for(past):
    found = suggest(past, "--denied")
    hosts = {host for rule in found["allow"] for host in rule.get("hosts", [])}
    assert hosts == {"one.test", "two.test", "other.test"}
    assert (found["covered"], found["unresolved"], found["denied"]) == (4, 1, 0)
    text = run("audit", "suggest", "--client", "workers", "--denied", past.log).stdout
    assert "4 are covered" in text
    assert "# 1 more were denied before DNS: the rules let them pass at ordinary addresses only" in text


def test_a_denied_name_that_leads_to_special_addresses_alone_is_not_called_covered(start, dns, origin):
    """In mode `report` the addresses of what no rule allows are known."""
    dns.addresses("inside.test", "127.0.0.1")
    proxy = start(client(reach("one.test", 443), mode="report"))
    assert proxy.ask("inside.test:443").status == 403
    proxy.stop()
    proxy.log = proxy.folder / "audit.jsonl"
    result = run("audit", "suggest", "--client", "workers", "--denied", "--json", proxy.log)
    found = json.loads(result.stdout)
    assert found["allow"] == [] and found["covered"] == 0
    assert (found["unreachable"], found["denied"]) == (1, 0)


def test_a_denied_address_in_a_special_range_is_marked(start):
    proxy = start(client(reach("one.test", 443)))
    assert proxy.ask("127.0.0.1:443").status == 403
    proxy.stop()
    proxy.log = proxy.folder / "audit.jsonl"
    result = run("audit", "suggest", "--client", "workers", "--denied", "--json", proxy.log)
    for rule in json.loads(result.stdout)["allow"]:
        assert rule["special"] == rule["addresses"] == ["127.0.0.1/32"]


@pytest.mark.protocols("h1", "h2")
def test_the_suggestion_is_a_policy_that_changes_nothing(past):
    told = ("requests", "special")
    rules = [{k: v for k, v in rule.items() if k not in told} for rule in suggest(past)["allow"]]
    result, changes = replay(past, other_policy(past, *rules))
    assert changes == []
    assert result.returncode == 0
    assert "5 decisions: 0 would change, " in result.stderr


def test_the_suggestion_for_a_week_of_report_changes_reasons_and_no_outcome(
    start, dns, origin, local_address
):
    address = local_address("8.8.4.4")
    server = origin(address=address)
    dns.addresses("one.test", address)
    proxy = start(client(mode="report"))
    for _ in range(3):
        proxy.tunnel(f"one.test:{server.port}").close()
    proxy.stop()
    proxy.log, proxy.port = proxy.folder / "audit.jsonl", server.port
    rules = [{k: v for k, v in rule.items() if k != "requests"} for rule in suggest(proxy)["allow"]]
    config = other_policy(proxy, *rules)
    result, changes = replay(proxy, config)
    assert (result.returncode, changes) == (0, []), result.stderr
    assert "0 would change, 3 would stay for another reason (--strict lists them)" in result.stderr
    result, changes = replay(proxy, config, "--strict")
    assert result.returncode == 1
    (change,) = changes
    assert (change["change"], change["count"]) == ("reason", 3)
    assert change["before"] == "allow (mode report, would deny)"


def test_the_suggestion_is_yaml_that_the_configuration_takes(past):
    result = run("audit", "suggest", "--client", "workers", past.log)
    assert result.returncode == 0
    text = (past.folder / "sallyport.yaml").read_text()
    config = {**json.loads(text), "clients": []}
    path = past.folder / "pasted.yaml"
    pasted = "".join(f"    {line}\n" for line in result.stdout.splitlines())
    rest = "\n".join(f"{key}: {json.dumps(value)}" for key, value in config.items() if value != [])
    path.write_text(f"{rest}\nclients:\n  - name: workers\n    match: [{{any: true}}]\n{pasted}")
    checked = run("check", "-c", path)
    assert checked.returncode == 0, checked.stderr
    assert run("audit", "replay", "--config", path, past.log).returncode == 0


def test_nothing_is_suggested_for_a_client_that_did_nothing(past):
    result = run("audit", "suggest", "--client", "nobody", past.log)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "`nobody`" in result.stderr


def policy_of(past, found):
    """The configuration that a suggestion stands for."""
    rules = [{k: v for k, v in rule.items() if k not in ("requests", "special")} for rule in found["allow"]]
    return other_policy(past, *rules, inner=found.get("inner", OBSERVE))


def inner_of(found):
    return {name: rule.get("inner") for rule in found["allow"] for name in rule.get("hosts", rule["addresses"])}


def test_require_is_suggested_where_all_that_was_seen_is_right(carried):
    past = carried([("one.test", hello("one.test")), ("one.test", b""), ("two.test", b"SSH-2.0-x\r\n")])
    found = suggest(past)
    assert inner_of(found) == {"one.test": REQUIRE, "two.test": None}
    assert (found["questions"], found["unseen"]) == ([], 0)
    assert replay(past, policy_of(past, found))[1] == []
    text = run("audit", "suggest", "--client", "workers", past.log).stdout
    assert "inner: {tls: require}}" in text
    assert "# ? two.test carried no TLS with a server name in 1 tunnels" in text


def test_names_that_are_allowed_too_are_suggested_as_listed(carried):
    past = carried([("one.test", hello("two.test")), ("two.test", hello("two.test"))])
    found = suggest(past)
    assert inner_of(found) == {"one.test": {**REQUIRE, "names": "listed"}, "two.test": REQUIRE}
    result, changes = replay(past, policy_of(past, found))
    assert (result.returncode, changes) == (0, []), result.stderr


def test_a_name_that_nobody_allows_is_a_question_and_no_rule(carried):
    past = carried([("one.test", hello("one.test")), ("one.test", hello(EVIL)), ("one.test", hello(EVIL))])
    found = suggest(past)
    assert inner_of(found) == {"one.test": None}
    assert found["questions"] == [{"host": "one.test", "port": past.port, "inside": EVIL, "tunnels": 2}]
    text = run("audit", "suggest", "--client", "workers", past.log).stdout
    assert f"# ? one.test:{past.port} carried `{EVIL}` (2), which no rule here allows" in text
    assert all(line.startswith("#") for line in text.splitlines() if EVIL in line)


def test_nothing_is_suggested_for_tunnels_that_nobody_looked_into(carried):
    past = carried([("one.test", hello("one.test"))], inner={"tls": "any"})
    found = suggest(past)
    assert (inner_of(found), found["unseen"]) == ({"one.test": None}, 1)
    text = run("audit", "suggest", "--client", "workers", past.log).stdout
    assert "# nobody looked into 1 tunnels: `inner: {tls: observe}`" in text


def test_a_client_that_asks_for_addresses_is_suggested_the_names_inside(carried):
    past = carried([("127.0.0.1", hello("one.test")), ("127.0.0.1", hello("two.test")), ("one.test", b"")])
    found = suggest(past)
    assert found["inner"] == ROUTE
    assert inner_of(found) == {"one.test": None, "two.test": None}
    result, changes = replay(past, policy_of(past, found))
    assert (result.returncode, changes) == (0, []), result.stderr
    text = run("audit", "suggest", "--client", "workers", past.log).stdout
    assert "\ninner: {route: name}\nallow:\n" in text


@pytest.mark.parametrize("odd", [("127.0.0.1", b"SSH-2.0-x\r\n"), ("one.test", hello("two.test"))])
def test_the_names_inside_replace_no_address_where_not_all_tunnels_have_one(carried, odd):
    past = carried([("127.0.0.1", hello("one.test")), odd])
    found = suggest(past)
    assert "inner" not in found
    assert "127.0.0.1/32" in {word for rule in found["allow"] if "hosts" not in rule for word in rule["addresses"]}


def test_the_suggestion_for_a_client_that_is_routed_by_name_keeps_that(routed):
    found = suggest(routed)
    assert found["inner"] == ROUTE
    assert set(inner_of(found)) == {"one.test"}
    result, changes = replay(routed, policy_of(routed, found))
    assert (result.returncode, changes) == (0, []), result.stderr


# -- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["verify"],
        ["replay", "x.jsonl"],
        ["replay", "--config", "x.yaml"],
        ["suggest", "x.jsonl"],
        ["suggest", "--client"],
        ["verify", "--frob", "x"],
    ],
)
def test_a_wrong_call_says_what_is_missing(arguments):
    result = run("audit", *arguments)
    assert result.returncode == 2
    assert "sallyport audit" in result.stderr
    assert result.stdout == ""
