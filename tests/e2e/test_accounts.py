"""A client that is named from certificates: one entry of the configuration, and an account for each name."""

import json
import ssl

import pytest

from support.config import client, reach, write_config
from support.control import CONTROL, Control
from support.plain import PlainClient
from support.pki import common_names
from support.proxy import run
from support.scale import count, eventually
from support.wire import connect_head

pytestmark = pytest.mark.protocols("h1", "h2")

TEMPLATE = "agent-{uri.path[2]}"
ID = "spiffe://example.test/ns/prod/"
MATCH = [{"uri": ID + "*", "trust": "staff"}]


def agent(pki, name, **options):
    """A certificate of the agent `name`: another one each time."""
    return pki.ca.leaf(f"leaf-{name}", uri=(ID + name,), **options)


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def fleet(start, server):
    """A proxy with a control socket, for the agents; `clients` come first."""

    def make(*clients, before=(), **changes):
        own = changes.pop("own", {})
        proxy = start(*before, entry(server, **own), *clients, control=CONTROL, **changes)
        proxy.control = Control(proxy)
        proxy.target = f"origin.test:{server.port}"
        return proxy

    return make


def entry(server, name=TEMPLATE, match=tuple(MATCH), **more):
    return client(reach("origin.test", server.port), name=name, match=match, **more)


OID = "1.3.6.1.4.1.99999.1"


def test_a_name_may_come_from_the_extension_that_every_entry_names(fleet, pki):
    match = [{"extension": {"oid": OID, "equals": "{uri.path[2]}"}, "trust": "staff"}]
    proxy = fleet(own={"name": "agent-{extension}", "match": match, "limits": {"tunnels": 1}})
    named = agent(pki, "anna", extensions=((OID, b"\x0c\x04anna", False),))
    tunnel = proxy.tunnel(proxy.target, named)
    assert proxy.decision(tunnel.id)["client"]["name"] == "agent-anna"
    proxy.assert_refused(proxy.ask(proxy.target, named), 429, "limit_tunnels", action="error")
    for other in (agent(pki, "anna"), agent(pki, "bert", extensions=((OID, b"\x0c\x04anna", False),))):
        proxy.assert_refused(proxy.ask(proxy.target, other), 403, "no_client")


@pytest.mark.parametrize(
    "match",
    [
        [{"any": True, "trust": "staff"}],
        [{"extension": {"oid": OID, "text": "a"}, "trust": "staff"}, {"cn": "b", "trust": "staff"}],
        [{"extension": {"oid": oid, "text": "a"}, "trust": "staff"} for oid in (OID, OID + ".1")],
    ],
)
def test_a_name_from_an_extension_needs_the_same_one_in_every_entry(start, match):
    bad = client(reach("origin.test", 443), name="agent-{extension}", match=match)
    proxy = start(client(reach("origin.test", 443)))
    path = proxy.folder / "bad.yaml"
    write_config(path, {**proxy.config, "clients": [bad]})
    result = run("check", "--config", path)
    assert result.returncode != 0
    assert "named from an extension" in result.stderr + result.stdout


def test_200_agents_under_one_rule_have_each_their_own_limit(fleet, pki):
    proxy = fleet(own={"accounts": 200, "limits": {"tunnels": 1}})
    total = count(200, 40)
    agents = [agent(pki, f"{number:03}") for number in range(total)]
    tunnels = [proxy.tunnel(proxy.target, each) for each in agents]
    for number in (0, total // 2, total - 1):
        answer = proxy.ask(proxy.target, agents[number])
        proxy.assert_refused(answer, 429, "limit_tunnels", action="error")
        assert f" for agent-{number:03} (id " in answer.reason
        tunnels[number].close()
        proxy.audit.wait("close", id=tunnels[number].id)
        tunnels[number] = proxy.tunnel(proxy.target, agents[number])
    names = {record["client"]["name"] for record in proxy.audit.records("decision")}
    assert names == {f"agent-{number:03}" for number in range(total)}
    assert {record["client"]["entry"] for record in proxy.audit.records("decision")} == {TEMPLATE}
    status = proxy.control.status()
    assert status["clients_not_listed"] == max(0, total - 100)
    assert {each["tunnels"] for each in status["clients"]} == {1}


def test_two_certificates_of_one_agent_are_one_account(fleet, pki):
    proxy = fleet(own={"limits": {"tunnels": 1}})
    proxy.tunnel(proxy.target, agent(pki, "7"))
    answer = proxy.ask(proxy.target, agent(pki, "7"))
    proxy.assert_refused(answer, 429, "limit_tunnels", action="error")


BAD = {
    "bad_characters": {"uri": (ID + "a~b",)},
    "percent": {"uri": (ID + "a%41",)},
    "too_long": {"uri": (ID + "x" * 27,)},
    "two_uris": {"uri": (ID + "a", "https://example.test/ns/prod/b")},
    "two_uris_alike": {"uri": (ID + "a", ID + "a")},
    "dot": {"uri": (ID + "..",)},
    "empty_segment": {"uri": (ID + "/a",)},
    "query": {"uri": (ID + "a?b",)},
}


@pytest.mark.parametrize("case", [case for case, names in BAD.items() if names])
def test_a_certificate_that_gives_no_account_is_refused_and_nobody_else(fleet, server, pki, case):
    everybody = client(reach("origin.test", server.port), name="everybody")
    proxy = fleet(everybody)
    leaf = pki.ca.leaf("bad", **BAD[case])
    answer = proxy.ask(proxy.target, leaf)
    if answer.status == 200:  # an id that is malformed fits no `uri` at all, and so the next client
        assert proxy.decision(answer.id)["client"]["name"] == "everybody"
        assert case in ("two_uris", "two_uris_alike")
        return
    proxy.assert_refused(answer, 403, "bad_account")
    record = proxy.decision(answer.id)
    assert record["client"]["name"] is None and record["client"]["entry"] == TEMPLATE
    assert server.accepted == 0


@pytest.mark.parametrize(
    "names", [{}, {"dns": ("a.example", "b.example")}, {"dns": ("a.example", "a.example")}],
    ids=["none", "two", "two_alike"],
)
def test_a_part_that_is_not_there_exactly_once_gives_no_account(fleet, pki, names):
    proxy = fleet(own={"name": "{dns[0]}", "match": [{"any": True, "trust": "staff"}]})
    proxy.assert_refused(proxy.ask(proxy.target, pki.ca.leaf("odd", **names)), 403, "bad_account")


def test_a_dns_name_is_one_account_however_its_letters_are_written(fleet, pki):
    by_name = [{"any": True, "trust": "staff"}]
    proxy = fleet(own={"name": "{dns[0]}", "match": by_name, "limits": {"tunnels": 1}})
    lower, upper = (pki.ca.leaf("one", dns=(name,)) for name in ("w.example", "W.Example"))
    tunnel = proxy.tunnel(proxy.target, lower)
    proxy.assert_refused(proxy.ask(proxy.target, upper), 429, "limit_tunnels", action="error")
    # Nothing can be blocked that no certificate gives: it would look like a block.
    proxy.control.run("block", "W.Example", expected=1)
    proxy.control.block("w.example")
    proxy.assert_closed(tunnel.id, "blocked")
    for identity in (lower, upper):
        assert "ACCESS_DENIED" in proxy.dial(identity).refusal()


def test_two_common_names_give_no_account(fleet, pki):
    proxy = fleet(own={"name": "cn-{cn}", "match": [{"any": True, "trust": "staff"}]})
    two = pki.ca.leaf("two", subject=common_names("a", "b"))
    proxy.assert_refused(proxy.ask(proxy.target, two), 403, "bad_account")
    one = proxy.tunnel(proxy.target, pki.ca.leaf("a"))
    assert proxy.decision(one.id)["client"]["name"] == "cn-a"


def test_a_name_of_another_client_is_refused_wherever_that_stands(fleet, server, pki):
    rule = reach("origin.test", server.port)
    before = [client(rule, name="agent-first", match=[{"cn": "nobody"}])]
    after = client(rule, name="agent-last", match=[{"cn": "nobody"}])
    also = client(rule, name="{cn}", match=[{"any": True, "trust": "staff"}])
    proxy = fleet(after, also, before=before)
    for name in ("first", "last"):
        answer = proxy.ask(proxy.target, agent(pki, name))
        proxy.assert_refused(answer, 403, "bad_account")
    # A template that comes later does not give a name that an earlier one can give.
    proxy.assert_refused(proxy.ask(proxy.target, pki.ca.leaf("agent-5")), 403, "bad_account")
    assert proxy.ask(proxy.target, agent(pki, "5")).status == 200
    assert proxy.ask(proxy.target, pki.ca.leaf("other")).status == 200


def test_many_at_once_get_exactly_as_many_accounts_as_there_are(fleet, pki):
    places = 5
    proxy = fleet(own={"accounts": places}, workers=4)
    waiting = [proxy.dial(agent(pki, f"{number}")) for number in range(count(40, 16))]
    for each in waiting:
        each.handshake()
    for each in waiting:
        each.send(connect_head(proxy.target))
    answers = [each.read_answer() for each in waiting]
    assert sorted(answer.status for answer in answers) == [200] * places + [403] * (
        len(waiting) - places
    )
    refused = [answer for answer in answers if answer.status == 403]
    for answer in refused:
        assert "limit_accounts" in answer.reason
    proxy.assert_refused(refused[0], 403, "limit_accounts")
    record = proxy.decision(refused[0].id)["client"]
    assert record["name"].startswith("agent-") and record["entry"] == TEMPLATE

    # One that ends makes room for one other.
    first = next(at for at, answer in enumerate(answers) if answer.status == 200)
    waiting[first].close()
    proxy.audit.wait("close", id=answers[first].id)
    late = agent(pki, "late")
    eventually(lambda: proxy.ask(proxy.target, late).status == 200, "a place for the late one")


def test_an_account_that_is_in_use_takes_no_second_place(fleet, pki):
    proxy = fleet(own={"accounts": 1})
    proxy.tunnel(proxy.target, agent(pki, "1"))
    assert proxy.ask(proxy.target, agent(pki, "1")).status == 200
    proxy.assert_refused(proxy.ask(proxy.target, agent(pki, "2")), 403, "limit_accounts")


def test_a_kill_ends_the_tunnels_of_one_account_or_of_all(fleet, pki):
    proxy = fleet()
    tunnels = {name: proxy.tunnel(proxy.target, agent(pki, name)) for name in ("1", "2", "3")}
    proxy.control.run("kill", "client", "agent-2")
    proxy.assert_closed(tunnels["2"].id, "killed")
    tunnels["1"].echo(b"alive")
    proxy.control.run("kill", "client", TEMPLATE)
    for name in ("1", "3"):
        proxy.assert_closed(tunnels[name].id, "killed")
    proxy.control.run("kill", "client", "agent-9")
    proxy.control.run("kill", "client", "nobody", expected=1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_block_shuts_one_account_out_also_with_a_ticket(fleet, pki, version):
    proxy = fleet()
    only = {"minimum": version, "maximum": version}
    bad, good = agent(pki, "bad"), agent(pki, "good")
    tunnel, other = proxy.tunnel(proxy.target, bad, **only), proxy.tunnel(proxy.target, good)
    first = proxy.connect(bad, **only)
    first.ask("nowhere.test:443")
    session = first.tls.session
    proxy.control.block("agent-bad")
    proxy.assert_closed(tunnel.id, "blocked")
    proxy.assert_cut_off(first, proxy.target, "blocked")
    for options in ({}, {"session": session}):
        assert "ACCESS_DENIED" in proxy.dial(bad, **only, **options).refusal()
    other.echo(b"alive")
    proxy.control.run("block", "nobody", expected=1)
    proxy.control.unblock("agent-bad")
    assert proxy.ask(proxy.target, bad).status == 200


def test_a_resumed_session_is_the_same_account(fleet, pki):
    proxy = fleet(own={"limits": {"tunnels": 1}})
    one = agent(pki, "1")
    first = proxy.connect(one)
    first.ask("nowhere.test:443")
    proxy.tunnel(proxy.target, one)
    again = proxy.connect(one, session=first.tls.session)
    answer = again.ask(proxy.target)
    proxy.assert_refused(answer, 429, "limit_tunnels", action="error")
    assert proxy.decision(answer.id)["tls"]["resumed"] is True
    assert proxy.decision(answer.id)["client"]["name"] == "agent-1"


def test_a_reload_that_changes_nothing_keeps_every_account_in_its_place(fleet, server, pki):
    proxy = fleet(own={"accounts": 2, "limits": {"tunnels": 1}})
    tunnels = [proxy.tunnel(proxy.target, agent(pki, name)) for name in "12"]
    proxy.reload(entry(server, accounts=2, limits={"tunnels": 1}))
    for tunnel in tunnels:
        tunnel.echo(b"alive")
    answer = proxy.ask(proxy.target, agent(pki, "1"))
    proxy.assert_refused(answer, 429, "limit_tunnels", action="error")
    proxy.assert_refused(proxy.ask(proxy.target, agent(pki, "3")), 403, "limit_accounts")
    # A lower number lets those stay that are there.
    proxy.reload(entry(server, accounts=1, limits={"tunnels": 2}))
    for tunnel in tunnels:
        tunnel.echo(b"alive")
    proxy.assert_refused(proxy.ask(proxy.target, agent(pki, "3")), 403, "limit_accounts")


def test_a_reload_to_another_name_judges_everybody_again(fleet, server, pki):
    proxy = fleet(own={"accounts": 3})
    tunnels = [proxy.tunnel(proxy.target, agent(pki, name)) for name in "123"]
    idle = proxy.connect(agent(pki, "1"))
    idle.ask("nowhere.test:443")
    proxy.reload(entry(server, name="{uri.path[1]}-{uri.path[2]}", accounts=2))
    closes = eventually(lambda: proxy.audit.records("close", status=200), "one that has no place")
    assert [close["reason"] for close in closes] == ["policy_changed"]
    alive = [tunnel for tunnel in tunnels if tunnel.id != closes[0]["id"]]
    for tunnel in alive:
        tunnel.echo(b"alive")
    names = {each["name"] for each in proxy.control.status()["clients"]}
    assert len(names & {f"prod-{name}" for name in "123"}) == 2, names
    # And to one that no certificate completes: nobody has an account any more.
    proxy.reload(entry(server, name="{dns[0]}"))
    for tunnel in alive:
        proxy.assert_closed(tunnel.id, "policy_changed")
    proxy.assert_refused(proxy.ask(proxy.target, agent(pki, "1")), 403, "bad_account")


def test_a_name_that_becomes_a_plain_client_is_taken_away_at_once(fleet, server, pki):
    proxy = fleet()
    tunnel, other = (proxy.tunnel(proxy.target, agent(pki, name)) for name in "12")
    proxy.reload(
        entry(server), client(reach("x.test", 1), name="agent-1", match=[{"cn": "nobody"}])
    )
    proxy.assert_closed(tunnel.id, "policy_changed")
    other.echo(b"alive")


def test_whoami_tells_the_account(fleet, pki):
    proxy = fleet()
    requester = PlainClient(proxy.connect(agent(pki, "1")))
    who = json.loads(requester.get("http://sallyport.internal/whoami").body)
    assert (who["client"], who["entry"]) == ("agent-1", TEMPLATE)
    proxy.audit.wait("decision", decision__reason="whoami", client__name="agent-1")


def test_explain_tells_the_account_or_why_there_is_none(fleet):
    proxy = fleet(own={"limits": {"tunnels": 1}})

    def explain(uri, *more):
        asked = ("--to", proxy.target, "--address", "127.0.0.1", *more)
        return run("explain", "-c", proxy.config_path, "--as", f"uri:{uri}", *asked)

    good = explain(ID + "7")
    assert good.returncode == 0 and "account    agent-7\n" in good.stdout, good.stdout
    assert json.loads(explain(ID + "7", "--json").stdout)["client"]["account"] == "agent-7"
    bad = explain(ID + "a~b")
    assert bad.returncode == 1 and "answer     deny: bad_account" in bad.stdout, bad.stdout
    assert "account    none: a part of the name holds a character" in bad.stdout
    said = json.loads(explain(ID + "a~b", "--json").stdout)
    assert said["client"]["account"] is None and said["decision"]["reason"] == "bad_account"


def test_the_log_of_a_fleet_is_replayed_and_summed_up_by_its_entry(fleet, server, pki):
    proxy = fleet()
    for name in ("1", "2", "a~b"):
        proxy.audit.wait("close", id=proxy.ask(proxy.target, agent(pki, name)).id)
    log = proxy.folder / "audit.jsonl"
    same = run("audit", "replay", "-c", proxy.config_path, "--strict", log)
    assert same.returncode == 0, same.stdout + same.stderr
    path = proxy.folder / "other.yaml"
    write_config(path, {**proxy.config, "clients": [{**entry(server), "allow": []}]})
    changed = run("audit", "replay", "-c", path, log).stdout.splitlines()
    assert len(changed) == 1 and changed[0].split()[:2] == ["2", TEMPLATE], changed
    for name, wanted in ((TEMPLATE, "3 requests, of which 2"), ("agent-1", "1 requests, of which 1")):
        said = run("audit", "suggest", "--client", name, log)
        assert said.returncode == 0 and wanted in said.stdout, said.stdout + said.stderr


def test_check_finds_names_that_two_clients_give_and_uris_of_any_host(fleet, server):
    proxy = fleet()
    path = proxy.folder / "other.yaml"
    by_name = [{"cn": "x", "trust": "staff"}]
    clients = [
        entry(server),
        entry(server, name="agent-{cn}", match=by_name),
        entry(server, name="bot-{cn}", match=by_name),
        entry(server, name="uri-{uri.path[0]}", match=by_name),
    ]
    write_config(path, {**proxy.config, "clients": clients})
    result = run("check", "-c", path)
    said = result.stdout + result.stderr
    assert said.count("can give a name that") == 1, said
    assert f"client `agent-{{cn}}` can give a name that `{TEMPLATE}`" in said, said
    assert said.count("has no `uri`") == 1, said


CONFIG_MISTAKES = {
    "trust": ({"match": [{"uri": ID + "*"}]}, "must name the same trust profile"),
    "one_without": ({"match": [*MATCH, {"cn": "x"}]}, "match[1] must name the same trust"),
    "anonymous": ({"match": [*MATCH, {"anonymous": True}]}, "match[1] must name the same trust"),
    "unknown_part": ({"name": "a-{serial}"}, "a part in `{}` is one of"),
    "open": ({"name": "a-{cn"}, "without its `}`"),
    "closed": ({"name": "a-cn}"}, "without its `{`"),
    "letters": ({"name": "a/{cn}"}, "A-Z a-z 0-9"),
    "too_long": ({"name": "x" * 32 + "{cn}"}, "32 characters or less"),
    "no_accounts": ({"accounts": 0}, "accounts"),
    "too_many": ({"accounts": 100001}, "accounts"),
    "plain": ({"name": "plain", "accounts": 5}, "`plain` is one account"),
}


@pytest.mark.parametrize("case", CONFIG_MISTAKES)
def test_a_mistake_in_a_template_is_one_of_the_configuration(fleet, server, case):
    changes, message = CONFIG_MISTAKES[case]
    proxy = fleet()
    path = proxy.folder / "other.yaml"
    write_config(path, {**proxy.config, "clients": [entry(server, **changes)]})
    result = run("check", "-c", path)
    assert result.returncode != 0
    assert message in result.stdout + result.stderr, result.stdout + result.stderr
