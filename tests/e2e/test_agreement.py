"""The proxy, `audit replay` and a second reading of the rules (support/model.py) say the same about random
requests: identities, those that a proxy passes on, sources, targets, ways through parents, and answers of DNS and of the
authorizer, drawn again for every run from a seed that is told.
"""

import base64
import itertools
import json
import os
import random
from datetime import datetime

import pytest

from cryptography.hazmat.primitives.serialization import Encoding

from support.authorizer import NO, YES, Authorizer, http
from support.config import write_config
from support.model import DAYS, answered, decide, speak
from support.proxy import run
from support.scale import count
from support.wire import connect_head

pytestmark = pytest.mark.protocols("h1")  # the log is read the same

REQUESTS = count(10000, 600)
SEED = int(os.environ.get("SALLYPORT_SEED") or random.SystemRandom().randrange(1 << 32))

# Where nothing answers: within the tests' namespace every connect fails at once, or is refused.
ADDRESSES = [
    *("93.184.216.34", "8.8.4.4", "1.0.0.1", "2606:2800:220:1::1", "2a00:1450::1"),
    *("10.1.2.3", "10.2.0.9", "192.168.7.7", "172.20.1.1", "100.64.9.9", "203.0.113.7"),
    *("127.0.0.9", "::1", "fd12::7", "2001:db8::5", "64:ff9b::a01:203", "64:ff9b::808:404"),
    *("2002:a01:203::1", "169.254.1.1", "169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"),
    *("0.0.0.0", "224.0.0.5", "255.255.255.255", "ff02::1"),
]
PREFIXES = [
    *("public", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "192.168.0.0/16", "0.0.0.0/0", "::/0"),
    *("127.0.0.0/8", "::1/128", "fd00::/8", "64:ff9b::/96", "2002::/16", "93.184.216.34/32"),
    *("8.0.0.0/7", "2606:2800::/32", "100.64.0.0/10", "2001:db8::/32", "203.0.113.0/24"),
]
HOSTS = [
    *("a.example", "b.example", "deep.a.example", "very.deep.a.example", "other.test", "x.test"),
    *("db.internal", "nothing.example"),
]
PATTERNS = [*HOSTS, "*.example", "*.a.example", "*.test", "*"]
PATTERNS += ["deep.*.example", "very.*.*.example", "*.deep.*.example"]
PORTS = [443, 80, 8080, 8443, 5432]
RANGES = [443, 80, "any", "8000-8999", "1-1023", 5432]
WAYS = [["pa"], ["pb", "direct"], ["pa", "pb", "direct"], ["direct"]]
# What the authorizer says, and how the log calls it.
# No yes has a ttl: one that has it is for equal requests, too (test_consent.py), and each question is drawn for itself.
SAID = [(YES, "yes"), ({"result": True, "decision_id": "7"}, "yes"), (NO, "no"), (http({}, "500 Broken"), "none"), ({"result": "true"}, "none")]
SOURCES = ["127.0.0.1", "127.0.0.2", "127.0.5.5"]


def some(dice, values, most=3):
    return dice.sample(values, dice.randint(1, most))


def draw_rule(dice, is_allow, name):
    rule = {}
    kinds = dice.choice([("hosts",), ("hosts", "addresses"), ("addresses",)])
    if "hosts" in kinds:
        rule["hosts"] = some(dice, PATTERNS)
    if "addresses" in kinds:
        rule["addresses"] = some(dice, PREFIXES)
    if dice.random() < 0.7:
        rule["ports"] = some(dice, RANGES)
    if not is_allow and dice.random() < 0.1:
        rule = {"ports": some(dice, RANGES[1:], 1)}
    if dice.random() < 0.2:
        rule["name"] = name
    return rule


def draw_times(dice):
    """Times of a client or an allow: about half of them hold now."""
    times = {}
    if dice.random() < 0.5:
        first, last = sorted(dice.sample(["2020-01-01", "2024-06-01", "2090-01-01", "2095-01-01"], 2))
        times["valid"] = dice.choice([{"from": first, "until": last}, {"from": first}, {"until": last}])
    if not times or dice.random() < 0.5:
        first, last = dice.sample(range(24), 2)
        hours = {"from": f"{first:02}:00", "to": f"{last:02}:00", "zone": dice.choice(["UTC", "Europe/Zurich"])}
        times["hours"] = {**hours, "days": some(dice, DAYS, 6)}
    return times


def draw_clients(dice, matches):
    clients = []
    for number, match in enumerate(matches):
        name = f"c{number}"
        client = {"name": name, "match": [match], "mode": dice.choice(["enforce"] * 4 + ["report", "open"])}
        client["allow"] = [draw_rule(dice, True, f"{name}-a{i}") for i in range(dice.randint(0, 5))]
        for owner in [*client["allow"], client]:
            if dice.random() < 0.4:
                owner["via"] = dice.choice(WAYS)
            if owner is not client and dice.random() < 0.3:
                owner["ask"] = True
        for owner in [rule for rule in client["allow"] if dice.random() < 0.3] + [client] * (dice.random() < 0.15):
            owner.update(draw_times(dice))
        if dice.random() < 0.5:
            client["deny"] = [draw_rule(dice, False, f"{name}-d{i}") for i in range(2)]
        if dice.random() < 0.3:
            client["sources"] = some(dice, ["127.0.0.0/30", "127.0.5.0/24", "127.0.0.0/8"], 2)
        if match in SPEAKERS and dice.random() < 0.9:
            client["speaks_for"] = {"trust": "staff"}
        clients.append(client)
    return clients


def draw_files(dice, folder, clients):
    """Moves the last clients into files that the main file includes, and gives those that it keeps. For the second reading of
    the rules, what a file denies comes first among what its clients are denied."""
    for file, part in (("a", clients[4:5]), ("b", clients[5:])):
        deny = [draw_rule(dice, False, "") | {"name": f"{file}{i}"} for i in range(dice.randint(0, 2))]
        for client in part:
            client["mode"] = client["mode"].replace("open", "report")
            for i, rule in enumerate(client.get("deny", [])):
                rule["name"] = f"{client['name']}-d{i}"
        write_config(folder / f"{file}.yaml", {"clients": part, "deny": deny})
        for client in part:
            client["deny"] = [*deny, *client.get("deny", [])]
    return clients[:4]


SPEAKERS = [{"cn": "edge"}, {"cn": "other edge"}]
MATCHES = [
    *SPEAKERS,
    {"uri": "spiffe://example.org/team/*"},
    {"dns": "*.machines.example"},
    {"cn": "alone"},
    {"uri": "spiffe://example.org/exact", "cn": "both"},
    {"dns": "box.example"},
]
IDENTITIES = [
    {"cn": "one", "uri": ["spiffe://example.org/team/a"], "dns": []},
    {"cn": "two", "uri": ["spiffe://example.org/exact"], "dns": ["x.machines.example"]},
    {"cn": "alone", "uri": [], "dns": ["box.example"]},
    {"cn": "both", "uri": ["spiffe://example.org/exact"], "dns": []},
    {"cn": "box", "uri": [], "dns": ["box.example", "www.example"]},
    {"cn": "nobody", "uri": ["spiffe://example.org/team"], "dns": ["machines.example"]},
    {"cn": "edge", "uri": [], "dns": []},
    {"cn": "other edge", "uri": [], "dns": []},
]
EDGES = [len(IDENTITIES) - 2, len(IDENTITIES) - 1]


def draw_answers(dice, dns):
    """What DNS says of each name, for the whole test: at most four addresses, A records first."""
    answers = {}
    for host in HOSTS[:-1]:
        chosen = some(dice, ADDRESSES, 4)
        answers[host] = chosen
        dns.addresses(host, *chosen)
    answers[HOSTS[-1]] = []
    return answers


@pytest.fixture(scope="module")
def asked(protocol, start_shared, dns, pki, tmp_path_factory):
    """A proxy that was asked about everything, and what each question was."""
    print(f"SALLYPORT_SEED={SEED}")
    dice = random.Random(SEED)
    answers = draw_answers(dice, dns)
    # One that leaves something to decide: few names, or few addresses.
    global_deny = [
        {"hosts": some(dice, HOSTS, 2), "addresses": some(dice, PREFIXES, 2), "name": "g0"},
        {"hosts": ["very.deep.a.example"], "name": "g1"},
        {"addresses": some(dice, ["10.2.0.0/16", "2002::/16", "8.8.4.4/32", "fd00::/8"], 1)},
    ]
    said = {}

    def say(question):
        answer, called = said_by.choice(SAID)
        said[question["id"]] = (called, question)
        return answer

    said_by = random.Random(SEED + 2)
    authorizer = Authorizer(say)
    clients = draw_clients(dice, MATCHES)
    folder = tmp_path_factory.mktemp("teams")
    proxy = start_shared(
        *draw_files(dice, folder, clients),
        include=[f"{folder}/*.yaml"],
        deny=global_deny,
        parents=[{"name": name, "to": ["http://127.0.0.1:9"]} for name in ("pa", "pb")],
        authorizer={"url": authorizer.url, "timeout": "10s"},
    )
    proxy.config = {**proxy.config, "clients": clients}  # as one file would say it
    del proxy.config["include"]
    leaves = [
        pki.ca.leaf(who["cn"], uri=tuple(who["uri"]), dns=tuple(who["dns"])) for who in IDENTITIES
    ]
    passed_on = ["Client-Cert: :" + base64.b64encode(leaf.certificate.public_bytes(Encoding.DER)).decode() + ":" for leaf in leaves]
    connections = {}
    questions = {}
    for _ in range(REQUESTS):
        who, source = dice.randrange(len(IDENTITIES)), dice.choice(SOURCES)
        port = dice.choice(PORTS)
        host = dice.choice(HOSTS) if dice.random() < 0.6 else None
        address = None if host else dice.choice(ADDRESSES)
        written = host or (f"[{address}]" if ":" in address else address)
        edge = dice.choice(EDGES) if dice.random() < 0.25 else None
        connected = who if edge is None else edge
        client = connections.get((connected, source))
        if client is None or client.ending:
            client = proxy.dial(identity=leaves[connected], source=source).handshake()
            connections[connected, source] = client
        client.send(connect_head(f"{written}:{port}", *([] if edge is None else [passed_on[who]])))
        answer = client.read_answer()
        if answer.status == 200 or answer.fields.get("connection") == "close":
            client.close()
            del connections[connected, source]
        questions[answer.id] = (who, edge, source, host, port, answers[host] if host else [address])
    for client in connections.values():
        client.close()
    proxy.stop()
    authorizer.stop()
    proxy.questions, proxy.said = questions, said
    return proxy


def decisions(proxy):
    lines = (proxy.folder / "audit.jsonl").read_text().splitlines()
    records = map(json.loads, lines)
    return {record["id"]: record for record in records if record["event"] == "decision"}


def when(record):
    return datetime.fromisoformat(record["ts"].replace("Z", "+00:00"))


def first_family(addresses):
    """Those that came with the first answer of DNS: one that comes later, while it is asked about the others, is not dialled."""
    return list(itertools.takewhile(lambda each: (":" in each) == (":" in addresses[0]), addresses))


def identity_of(who):
    return None if who is None else IDENTITIES[who]


def question_of(verdict):
    return verdict.asked, verdict.dialled if verdict.asked else ()


@pytest.mark.protocols("h1", "h2")
def test_the_proxy_and_a_second_reading_of_the_rules_agree(asked):
    records = decisions(asked)
    assert records.keys() == asked.questions.keys()
    seen = set()
    for id, (who, edge, source, host, port, addresses) in asked.questions.items():
        record = records[id]
        speaker = identity_of(edge)
        client, via = (edge, None) if record.get("passed_on") else (who, edge)
        assert record["client"]["cn"] == IDENTITIES[client]["cn"], record
        assert record.get("via_client", {}).get("cn") == (via and IDENTITIES[via]["cn"]), record
        # In the order in which DNS gave them; an answer of the other family may have come too late.
        given = record["addresses"] or addresses
        assert set(given) <= set(addresses), record
        expected = decide(asked.config, IDENTITIES[who], source, host, port, given, when(record), speaker)
        answer, question = asked.said.get(id, (None, {}))
        assert answer == record.get("authorizer", {}).get("answer"), record
        told = (question.get("rule"), tuple(question.get("addresses", ())))
        early = decide(asked.config, IDENTITIES[who], source, host, port, first_family(given), when(record), speaker)
        expected = next((each for each in (expected, early) if told == question_of(each)), None)
        assert expected, f"SALLYPORT_SEED={SEED} {told} {record}"
        expected = answered(expected, answer)
        if expected.action == "allow":
            assert tuple(record.get("via", ("direct",))) == expected.via, f"SALLYPORT_SEED={SEED} {record}"
        verdict = record["decision"]
        found = (verdict["action"], verdict["reason"], verdict["rule"], verdict["would_deny"])
        wanted = (expected.action, expected.reason, expected.rule, expected.would_deny)
        assert found == wanted, f"SALLYPORT_SEED={SEED} {host or addresses}:{port} {record}"
        seen.add(verdict["reason"])
    assert len(seen) >= 4, f"SALLYPORT_SEED={SEED} decides too little: {seen}"


def test_replaying_the_log_under_the_same_configuration_changes_nothing(asked):
    result = run("audit", "replay", "--json", "--config", asked.config_path, asked.folder / "audit.jsonl")
    assert result.stdout == ""
    assert result.returncode == 0, result.stderr
    assert f"{REQUESTS} decisions: 0 would change" in result.stderr


def test_explaining_each_request_gives_the_decision_that_was_made(asked):
    """What was denied before DNS has no addresses in the log, and needs none."""
    result = run("explain", "-c", asked.config_path, "--json", "--log", asked.folder / "audit.jsonl")
    assert result.returncode == 1, result.stderr  # some were denied
    found = {one["id"]: one for one in map(json.loads, result.stdout.splitlines())}
    records = decisions(asked)
    # Of a certificate that was refused as that of a proxy the record does not say enough.
    unknown = {id for id, record in records.items() if record["decision"]["reason"] == "not_spoken_for"}
    assert found.keys() == records.keys() - unknown
    for id in found:
        record, told = records[id], found[id]
        made = record["decision"]
        if record.get("authorizer", {}).get("answer") in ("no", "none"):  # who had the last word after an allow
            assert told["recorded"] == {key: made[key] for key in ("action", "reason", "rule")}, record
            made = {**made, "action": "allow", "reason": "rule", "rule": told["decision"]["rule"]}
            assert any(each.get("asks") and each["rule"] == record["decision"]["rule"] for each in told["addresses"])
        assert told["decision"] == made, f"SALLYPORT_SEED={SEED} {record}"
        ways = [each.get("via") for each in told.get("addresses", []) if each["admitted"]]
        if record["decision"]["action"] == "allow":
            assert ways[0] == record.get("via"), f"SALLYPORT_SEED={SEED} {record} {told}"


def test_replaying_under_another_configuration_finds_what_a_second_reading_finds(asked, dns):
    """The clients are drawn again; the log's addresses stay."""
    dice = random.Random(SEED + 1)
    config = {**asked.config, "clients": draw_clients(dice, MATCHES)}
    other = asked.folder / "other.yaml"
    write_config(other, config)
    result = run("audit", "replay", "--each", "--json", "--config", other, asked.folder / "audit.jsonl")
    changed = {change["id"]: change for change in map(json.loads, result.stdout.splitlines())}
    for id, record in decisions(asked).items():
        who, edge, source, host, port, addresses = asked.questions[id]
        before = record["decision"]
        known = record["addresses"] or (addresses if host is None else [])
        after = decide(config, IDENTITIES[who], source, host, port, known, when(record), identity_of(edge))
        if record.get("passed_on"):  # the record does not say for whom
            is_judged = before["reason"] not in ("not_spoken_for", "bad_request")
            is_change = is_judged and not speak(config, IDENTITIES[edge], None, source, when(record))
        elif after.reason == "bad_request":
            is_change = before["action"] != "deny"
        elif host and not known and after.action == "error":
            is_change = before["action"] == "deny"  # only its addresses could tell
        elif before["reason"] == "not_authorized" and after.asked:
            is_change = False  # what it said is taken from the record
        elif before["action"] == "error":
            is_change = after.action == "deny"
        else:
            is_change = after.action != before["action"]
        assert is_change == (id in changed), f"SALLYPORT_SEED={SEED} {record} {after}"
