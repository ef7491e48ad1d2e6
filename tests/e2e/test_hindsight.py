"""`sallyport audit`: what a log tells afterwards, and what another policy would have said."""

import json

import pytest

from support import config as configs
from support.config import client, reach
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


def test_a_whole_log_has_no_fault(past):
    result = run("audit", "verify", past.log)
    assert result.returncode == 0, result.stderr
    assert "5 decisions, 5 closes" in result.stdout
    assert "nothing is wrong" in result.stdout


def spoil(past, change):
    lines = past.log.read_text().splitlines()
    change(lines)
    past.log.write_text("\n".join(lines) + "\n")
    result = run("audit", "verify", "--json", past.log)
    assert result.returncode == 1
    return json.loads(result.stdout), result.stderr


def close_at(lines):
    return next(i for i, line in enumerate(lines) if '"event":"close"' in line)


def test_a_torn_line_is_named_with_its_number(past):
    def tear(lines):
        lines[0] = lines[0][:40]

    sums, talk = spoil(past, tear)
    assert sums["problems"] == 2  # the line, and the close whose decision it was
    assert "audit.jsonl:1: is not JSON" in talk
    assert "a close without a decision" in talk


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
    assert "the close stands before the decision" in talk


def test_lost_records_are_a_fault(past):
    def lose(lines):
        lines.append('{"v":1,"ts":"2026-11-22T05:44:28.601Z","event":"records_lost","count":7}')

    sums, talk = spoil(past, lose)
    assert sums["lost"] == 7
    assert "7 records were lost" in talk


def test_a_decision_without_a_close_is_told_and_no_fault(past):
    lines = past.log.read_text().splitlines()
    del lines[close_at(lines)]
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


def test_a_log_that_is_not_there_is_named(tmp_path):
    result = run("audit", "verify", tmp_path / "none.jsonl")
    assert result.returncode == 3
    assert "none.jsonl: cannot be opened: No such file" in result.stderr


# -- replay ---------------------------------------------------------------------------------------


def test_the_same_policy_changes_nothing(past):
    result, changes = replay(past, past.folder / "sallyport.yaml")
    assert result.returncode == 0, result.stderr
    assert changes == []
    assert "5 decisions: 0 would change" in result.stderr


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
    assert replay(past, config)[0].returncode == 0


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
        {"ports": [past.port], "requests": 1, "addresses": local},
        {"ports": [past.port], "requests": 1, "hosts": ["two.test"], "addresses": local},
        {"ports": [past.port], "requests": 2, "hosts": ["one.test"], "addresses": local},
    ]


def test_what_was_denied_is_added_when_asked_for(past):
    hosts = {host for rule in suggest(past, "--denied")["allow"] for host in rule.get("hosts", [])}
    assert hosts == {"one.test", "two.test", "other.test"}


def test_the_suggestion_is_a_policy_that_changes_nothing(past):
    rules = [{k: v for k, v in rule.items() if k != "requests"} for rule in suggest(past)["allow"]]
    result, changes = replay(past, other_policy(past, *rules))
    assert changes == []
    assert result.returncode == 0


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
