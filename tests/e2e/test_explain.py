"""`sallyport explain`: why a request is, or would be, allowed or denied, told by the code that decides."""

import json

import pytest

from support import config as configs
from support.config import client, reach
from support.proxy import run


@pytest.fixture
def explain(pki, dns, tmp_path):
    """Explains one question to a configuration with these clients; gives status and object."""

    def ask(clients, *options, **changes):
        config = configs.merge(configs.base_config(pki, dns.endpoint), {"clients": clients, **changes})
        path = tmp_path / "sallyport.yaml"
        configs.write_config(path, config)
        result = run("explain", "-c", path, "--json", *options)
        assert result.returncode in (0, 1), result.stderr
        found = json.loads(result.stdout)
        verdict = found["decision"]
        assert (verdict["action"] == "allow") == (result.returncode == 0)
        people = run("explain", "-c", path, *options)
        assert people.returncode == result.returncode
        assert f"answer     {verdict['action']}: {verdict['reason']}" in people.stdout
        return verdict, found, people.stdout

    return ask


WORKER = ("--as", "cn:worker")


def test_an_allowed_request_names_client_entry_rule_and_address(explain, dns):
    dns.addresses("a.example", "93.184.216.34")
    clients = [
        client({"hosts": ["b.example"]}, name="other", match=[{"cn": "x"}, {"dns": "y.example"}]),
        client({"hosts": ["b.example"]}, {"hosts": ["*.example"], "name": "all"}, match=[{"cn": "worker"}]),
    ]
    verdict, found, text = explain(clients, *WORKER, "--to", "a.example:443")
    assert verdict == {
        "action": "allow",
        "reason": "rule",
        "rule": "all",
        "mode": "enforce",
        "would_deny": False,
    }
    assert found["client"].pop("file").endswith(".yaml") and found["client"].pop("line") > 1
    assert found["client"] == {"name": "workers", "entry": 0, "mode": "enforce"}
    assert found["misfits"] == [
        {"client": "other", "entry": 0, "misfit": "cn"},
        {"client": "other", "entry": 1, "misfit": "dns"},
    ]
    assert [(rule["rule"], rule["result"]) for rule in found["rules"]] == [
        ("workers.allow[0]", "hosts"),
        ("all", "fits"),
    ]
    (address,) = found["addresses"]
    assert (address["address"], address["admitted"], address["rule"]) == ("93.184.216.34", True, "all")
    assert found["addresses_from"] == "dns"
    assert "not other, match[1]: its `dns` does not fit" in text


def test_a_denied_name_says_which_rules_were_about_something_else_and_asks_no_dns(explain, dns):
    clients = [client({"hosts": ["a.example"]}, {"hosts": ["b.example"], "ports": [80]})]
    verdict, found, text = explain(clients, *WORKER, "--to", "b.example:443")
    assert (verdict["action"], verdict["reason"]) == ("deny", "no_rule")
    assert [rule["result"] for rule in found["rules"]] == ["hosts", "ports"]
    assert "addresses" not in found
    assert not dns.asked("b.example")
    assert "add a rule to the client's `allow`" in text


def test_each_address_has_its_verdict_and_what_it_carries(explain):
    clients = [client({"hosts": ["a.example"], "addresses": ["public", "10.1.0.0/16"], "name": "r"})]
    verdict, found, text = explain(
        clients, *WORKER, "--to", "a.example:443",
        "--address", "10.1.2.3", "--address", "10.9.9.9", "--address", "64:ff9b::a09:909",
        "--address", "169.254.169.254", "--address", "8.8.4.4",
    )  # fmt: skip
    assert verdict["action"] == "allow"
    seen = {one["address"]: (one["admitted"], one["reason"], one["range"]) for one in found["addresses"]}
    assert seen == {
        "10.1.2.3": (True, "rule", "private use"),
        "10.9.9.9": (False, "special_range", "private use"),
        "64:ff9b::a09:909": (False, "special_range", seen["64:ff9b::a09:909"][2]),
        "169.254.169.254": (False, "metadata", seen["169.254.169.254"][2]),
        "8.8.4.4": (True, "rule", None),
    }
    assert found["addresses_from"] == "given"
    assert "8.8.4.4: may be dialled, rule r" in text


def test_a_deny_is_named_and_wins(explain):
    clients = [client({"hosts": ["*"]}, deny=[{"addresses": ["8.8.0.0/16"], "name": "no-dns"}])]
    verdict, found, _ = explain(clients, *WORKER, "--to", "a.example:443", "--address", "8.8.4.4")
    assert (verdict["action"], verdict["reason"], verdict["rule"]) == ("deny", "denied_by_rule", "no-dns")
    assert {"rule": "no-dns", "result": "denies"} in found["addresses"][0]["rules"]


def test_nobody_is_told_so_with_what_every_entry_wanted(explain):
    clients = [client({"hosts": ["*"]}, match=[{"uri": "spiffe://x/y"}, {"anonymous": True}])]
    verdict, found, text = explain(clients, *WORKER, "--to", "a.example:443")
    assert (verdict["action"], verdict["reason"]) == ("deny", "no_client")
    assert [one["misfit"] for one in found["misfits"]] == ["uri", "anonymous"]
    assert found["client"] is None
    assert "client     none" in text


def test_the_source_is_judged_where_the_client_has_sources(explain, tmp_path):
    clients = [client({"hosts": ["a.example"]}, sources=["10.0.0.0/8"])]
    question = [*WORKER, "--to", "a.example:443", "--address", "8.8.4.4"]
    assert explain(clients, *question, "--from", "10.1.1.1")[0]["action"] == "allow"
    verdict, found, _ = explain(clients, *question, "--from", "11.1.1.1")
    assert verdict["reason"] == "source_not_allowed"
    assert found["source"] == {"address": "11.1.1.1", "fits": False}
    result = run("explain", "-c", tmp_path / "sallyport.yaml", *question)
    assert result.returncode == 2
    assert "--from" in result.stderr


def test_report_mode_says_that_it_would_deny(explain):
    clients = [client({"hosts": ["b.example"]}, mode="report")]
    verdict, _, text = explain(clients, *WORKER, "--to", "a.example:443", "--address", "8.8.4.4")
    assert (verdict["action"], verdict["would_deny"]) == ("allow", True)
    assert "only because the mode is report" in text


def test_a_name_without_addresses_is_an_error_of_dns(explain):
    clients = [client({"hosts": ["missing.example"]})]
    verdict, found, text = explain(clients, *WORKER, "--to", "missing.example:443")
    assert (verdict["action"], verdict["reason"]) == ("error", "dns_failed")
    assert found["dns"] == "name_not_found"
    assert "DNS says name_not_found" in text


@pytest.mark.parametrize(
    "claim, match",
    [
        ("uri:spiffe://example.org/a", {"uri": "spiffe://example.org/*"}),
        ("dns:a.example", {"dns": "*.example"}),
        ("email:joe@a.example", {"email": "joe@A.example"}),
        ("ip:10.0.0.7", {"ip": "10.0.0.7"}),
        ("cn:a, b", {"cn": "a, b"}),
        ("ou:a, b", {"ou": "a, b"}),
        ("o:Example", {"o": "Example"}),
        ("extension:1.3.6.1.4.1.99999.1=team/x", {"extension": {"oid": "1.3.6.1.4.1.99999.1", "text": "team/*"}}),
        ("extension:1.3.6.1.4.1.99999.1=#020107", {"extension": {"oid": "1.3.6.1.4.1.99999.1", "der": "020107"}}),
        ("policy:0.4.0.194112.1.4", {"policies": ["1.2.3", "0.4.0.194112.1.4"]}),
        ("qc:0.4.0.1862.1.1", {"qc": ["0.4.0.1862.1.1"]}),
        ("subject:CN=a,O=b", {"subject": "CN=a,O=b"}),
        ("issuer:CN=ca", {"issuer": "CN=ca"}),
        ("serial:f01", {"serial": "0F:01"}),
        ("sha256:" + "ab" * 32, {"sha256": "AB" * 32}),
        ("spki_sha256:" + "cd" * 32, {"spki_sha256": "CD" * 32}),
        ("anonymous", {"anonymous": True}),
    ],
)
def test_every_key_of_match_can_be_claimed(explain, claim, match):
    clients = [client({"hosts": ["a.example"]}, match=[match])]
    verdict, found, _ = explain(clients, "--as", claim, "--to", "a.example:443", "--address", "8.8.4.4")
    assert verdict["action"] == "allow"
    assert found["client"]["name"] == "workers"
    other = [client({"hosts": ["a.example"]}, match=[{"cn": "somebody-else"}])]
    assert explain(other, "--as", claim, "--to", "a.example:443")[0]["reason"] == "no_client"


def test_several_parts_of_a_subject_can_be_claimed(explain):
    question = ("--to", "a.example:443", "--address", "8.8.4.4")
    clients = [client({"hosts": ["a.example"]}, match=[{"cn": "a", "ou": "search", "o": "Example"}])]
    said = ("--as", "cn:a", "--as", "ou:build", "--as", "ou:search", "--as", "o:Example")
    assert explain(clients, *said, *question)[0]["action"] == "allow"
    assert explain(clients, *said, "--as", "o:Other", *question)[0]["reason"] == "no_client"
    assert explain(clients, *said, "--as", "cn:b", *question)[0]["reason"] == "no_client"


def test_a_certificate_is_judged_as_a_listener_would(explain, pki, tmp_path):
    clients = [client({"hosts": ["a.example"]})]
    question = ["--to", "a.example:443", "--address", "8.8.4.4"]
    verdict, found, text = explain(clients, "--cert", pki.worker.chain, *question)
    assert verdict["action"] == "allow"
    assert found["certificate"]["sha256"] == pki.worker.sha256
    assert "good today" in text
    for leaf, reason in ((pki.ca.leaf("old", ends=-0.001, begins=-2), "expired"), (pki.server, "")):
        result = run("explain", "-c", tmp_path / "sallyport.yaml", "--cert", leaf.chain, *question)
        assert result.returncode == 1
        assert f"the handshake would be refused: {reason}" in result.stdout


def test_a_request_of_the_log_is_explained_by_its_id(start, dns, origin):
    server = origin()
    dns.addresses("a.test", "127.0.0.1", "10.1.1.1")
    proxy = start(client(reach("a.test", server.port, name="the-rule")))
    allowed = proxy.tunnel(f"a.test:{server.port}")
    allowed.close()
    denied = proxy.ask("b.test:443")
    proxy.stop()
    log = ["--log", proxy.folder / "audit.jsonl"]
    one = run("explain", "-c", proxy.config_path, *log, "--id", denied.id)
    assert one.returncode == 1
    assert f"id         {denied.id}" in one.stdout
    assert "answer     deny: no_rule" in one.stdout and "it ended" not in one.stderr
    ended = run("explain", "-c", proxy.config_path, *log, "--id", allowed.id)
    assert "it ended with client_" in ended.stderr
    every = run("explain", "-c", proxy.config_path, *log, "--json")
    found = {found["id"]: found for found in map(json.loads, every.stdout.splitlines())}
    assert found.keys() == {allowed.id, denied.id}
    assert found[allowed.id]["decision"]["rule"] == "the-rule"
    judged = {one["address"]: one["admitted"] for one in found[allowed.id]["addresses"]}
    assert judged == {"127.0.0.1": True, "10.1.1.1": False}
    none = run("explain", "-c", proxy.config_path, *log, "--id", "0" * 16)
    assert none.returncode == 3
    assert "no decision has this id" in none.stderr and "rotated" in none.stderr


def test_the_id_of_a_refused_handshake_leads_to_its_reason(start, pki):
    proxy = start()
    assert proxy.dial(pki.authority("Other CA").leaf("stranger")).refusal()
    refused = proxy.audit.wait("handshake_refused")
    proxy.stop()
    log = ["--log", proxy.folder / "audit.jsonl"]
    result = run("explain", "-c", proxy.config_path, *log, "--id", refused["id"])
    assert result.returncode == 1
    assert f"refused in the handshake: {refused['reason']}" in result.stderr


@pytest.mark.parametrize(
    "options, says",
    [
        ([], "-c FILE"),
        (["-c", "x", "--to", "a:443"], "--cert FILE, or --as"),
        (["-c", "x", "--as", "cn:a"], "--to"),
        (["-c", "x", "--as", "cn:a", "--cert", "y", "--to", "a:443"], "who asks?"),
        (["-c", "x", "--as", "cn:a", "--to", "a:443", "--address", "10.1"], "`10.1` is not an address"),
        (["-c", "x", "--as", "cn:a", "--to", "a:443", "--from", "here"], "`here` is not an address"),
        (["-c", "x", "--log", "y", "--to", "a:443"], "leave the others out"),
        (["-c", "x", "--id", "12"], "16 hex digits"),
        (["-c", "x", "--frob"], "--frob"),
    ],
)
def test_a_wrong_call_says_what_is_missing(options, says):
    result = run("explain", *options)
    assert result.returncode == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    "options, status, says",
    [
        (["--as", "cn:a", "--to", "a"], 2, "`a` is not HOST:PORT"),
        (["--as", "cn:a", "--to", "127.1:443"], 2, "`127.1:443` is not HOST:PORT"),
        (["--as", "colour:red", "--to", "a.example:443"], 3, "`colour:red` is not one of"),
        (["--as", "spiffe://a/b", "--to", "a.example:443"], 3, "did you mean `uri:spiffe://a/b`?"),
        (["--as", "ip:", "--to", "a.example:443"], 3, "`ip:` is not one of"),
        (["--as", "subject:nonsense", "--to", "a.example:443"], 3, ""),
        (["--as", "cn:a", "--trust", "nobody", "--to", "a.example:443"], 3, "no trust profile `nobody`"),
        (["--cert", "/nowhere.pem", "--to", "a.example:443"], 3, "/nowhere.pem"),
    ],
)
def test_a_question_that_cannot_be_put_is_refused(pki, tmp_path, options, status, says):
    path = tmp_path / "sallyport.yaml"
    configs.write_config(path, configs.base_config(pki, "127.0.0.1:53"))
    result = run("explain", "-c", path, *options)
    assert result.returncode == status, result.stdout + result.stderr
    assert says in result.stderr
    assert result.stdout == ""


# -- with the running proxy -----------------------------------------------------------------------


@pytest.fixture
def blocked():
    """Clients that are blocked before the proxy starts."""
    return []


@pytest.fixture
def live(start, dns, origin, tmp_path, blocked):
    """A proxy with a control socket, one tunnel open, and the question that this tunnel was."""
    server = origin()
    dns.addresses("a.test", "127.0.0.1")
    blocks = [{"block": f"client:{name}", "since": 1, "uid": 0} for name in blocked]
    (tmp_path / "state.json").write_text(json.dumps({"v": 1, "blocks": blocks}) + "\n")
    proxy = start(
        client(reach("a.test", server.port), limits={"tunnels": 2}),
        control={"socket": str(tmp_path / "control.sock"), "state": str(tmp_path / "state.json")},
    )
    proxy.target = f"a.test:{server.port}"
    proxy.open = [proxy.tunnel(proxy.target)]

    def ask(target=proxy.target):
        options = ["-c", proxy.config_path, "--live", "--json"]
        result = run("explain", *options, "--cert", proxy.pki.worker.chain, "--to", target)
        return result.returncode, json.loads(result.stdout)["decision"] if result.stdout else result.stderr

    proxy.explain = ask
    return proxy


def test_a_live_proxy_agrees_with_its_file(live):
    status, verdict = live.explain()
    assert status == 0
    assert verdict["reason"] == "rule"


@pytest.mark.parametrize("who", ["workers", "sha256"])
def test_a_block_has_the_last_word(live, who):
    name = f"sha256:{live.pki.worker.sha256}" if who == "sha256" else who
    assert run("block", "-c", live.config_path, name).returncode == 0
    status, verdict = live.explain()
    assert (status, verdict["action"], verdict["reason"]) == (1, "deny", "blocked")
    assert run("unblock", "-c", live.config_path, name).returncode == 0
    assert live.explain()[0] == 0


@pytest.mark.parametrize("blocked", [[f"b{number}" for number in range(1000)]], ids=["1000"])
def test_an_allow_is_unknown_when_there_are_more_blocks_than_the_proxy_lists(live):
    """The proxy lists 1,000, and the one that matters may be another."""
    assert live.explain()[0] == 0
    certificate = f"sha256:{live.pki.worker.sha256}"
    assert run("block", "-c", live.config_path, certificate).returncode == 0
    status, talk = live.explain()
    assert status == 3, talk
    assert "unknown" in talk and "1 block that it does not list" in talk and "state.json" in talk
    status, verdict = live.explain("a.test:1")
    assert (status, verdict["action"], verdict["reason"]) == (1, "deny", "no_rule")
    assert run("block", "--force", "-c", live.config_path, "a-client").returncode == 0
    assert "2 blocks that it does not list" in live.explain()[1]


def test_tunnels_that_are_all_in_use_are_said(live):
    live.open.append(live.tunnel(live.target))
    status, verdict = live.explain()
    assert (status, verdict["action"], verdict["reason"]) == (1, "error", "limit_tunnels")
    assert live.ask(live.target).status == 429


def test_a_file_that_is_not_in_force_is_no_answer(live):
    live.config_path.write_text(live.config_path.read_text() + "\n")
    status, talk = live.explain()
    assert status == 3
    assert "reload it first" in talk


def test_without_a_proxy_there_is_no_live_answer(live):
    for tunnel in live.open:
        tunnel.close()
    live.stop()
    assert live.explain()[0] == 4


# -- what the tunnel carries ----------------------------------------------------------------------

TO = (*WORKER, "--to", "a.example:443", "--address", "93.184.216.34")
REQUIRE = {"tls": "require"}


def inside(explain, inner, *options, ask=TO, allow=({"hosts": ["a.example"]},), **more):
    verdict, found, text = explain([client(*allow, inner=inner, **more)], *ask, *options)
    assert ("inside" in found) == ("inside     " in text)
    return verdict, found.get("inside"), text


def test_the_inner_of_the_rule_that_admits_an_address_is_told(explain):
    rules = [{"hosts": ["a.example"], "inner": REQUIRE}, {"hosts": ["b.example"]}]
    verdict, found, text = explain([client(*rules, inner={"tls": "observe"})], *TO)
    assert verdict["action"] == "allow" and "inside" not in found
    assert found["addresses"][0]["inner"] == {"tls": "require", "names": "same", "ech": "allow", "plain": "allow"}
    assert "inner      {tls: require, names: same, ech: allow, plain: allow} at 93.184.216.34" in text
    _, found, text = explain([client(*rules[1:])], *WORKER, "--to", "b.example:443", "--address", "8.8.4.4")
    assert found["addresses"][0]["inner"] == {"tls": "any"} and "inner      {tls: any} at" in text


@pytest.mark.parametrize(
    ("inner", "options", "reason"),
    [
        (REQUIRE, ["--inner-sni", "A.example"], None),
        (REQUIRE, ["--inner-sni", "b.example"], "inner_mismatch"),
        (REQUIRE, ["--inner-sni", "-"], "inner_no_name"),
        (REQUIRE, ["--inner-host", "a.example"], "inner_not_tls"),
        ({"tls": "require", "names": "any"}, ["--inner-sni", "b.example"], None),
        ({"tls": "observe"}, ["--inner-sni", "b.example"], None),
        ({"tls": "observe", "plain": "check"}, ["--inner-host", "a.example"], None),
        ({"tls": "observe", "plain": "check"}, ["--inner-host", "b.example"], "inner_plain"),
        ({"tls": "observe", "plain": "check"}, ["--inner-host", "-"], "inner_plain"),
    ],
)
def test_what_a_tunnel_carries_is_judged_as_in_the_tunnel(explain, inner, options, reason):
    verdict, told, text = inside(explain, inner, *options)
    assert told["passes"] == (reason is None) and told["reason"] == reason
    assert (verdict["action"], verdict["reason"]) == (("deny", reason) if reason else ("allow", "rule"))
    assert ("inside     goes on" in text) == (reason is None)


@pytest.mark.parametrize(
    ("name", "more", "action", "reason"),
    [
        ("b.example", {}, "allow", "rule"),
        ("c.example", {}, "deny", "no_rule"),
        ("b.example", {"deny": [{"hosts": ["b.example"]}]}, "deny", "denied_by_rule"),
        ("b.example", {"deny": [{"addresses": ["93.184.216.34/32"], "hosts": ["b.example"]}]}, "deny", "denied_by_rule"),
    ],
)
def test_a_listed_name_is_asked_of_the_whole_policy(explain, name, more, action, reason):
    verdict, told, text = inside(
        explain, {**REQUIRE, "names": "listed"}, "--inner-sni", name, allow=[{"hosts": ["a.example", "b.example"]}], **more
    )
    assert (told["decision"]["action"], told["decision"]["reason"]) == (action, reason)
    assert verdict["reason"] == ("rule" if action == "allow" else "inner_mismatch")
    assert f"{name}: the policy {'allows' if action == 'allow' else 'does not allow'}" in text


@pytest.mark.parametrize(
    ("given", "answer", "passes"),
    [
        (["93.184.216.34"], None, True),
        (["8.8.4.4", "93.184.216.34"], None, True),
        (["8.8.4.4"], None, False),
        ([], "93.184.216.34", True),
        ([], "8.8.4.4", False),
        ([], None, False),
    ],
)
def test_a_name_in_a_tunnel_to_an_address_must_lead_to_it(explain, dns, given, answer, passes):
    if answer:
        dns.addresses("a.example", answer)
    ask = (*WORKER, "--to", "93.184.216.34:443", *[word for one in given for word in ("--address", one)])
    allow = [{"addresses": ["93.184.216.34/32"]}, {"hosts": ["a.example"]}]
    verdict, told, text = inside(explain, REQUIRE, "--inner-sni", "a.example", ask=ask, allow=allow)
    assert told["passes"] == passes == (verdict["action"] == "allow")
    assert ("does not lead to the address" in text) == (not passes)


def test_report_mode_lets_the_tunnel_go_on_and_says_so(explain):
    verdict, told, text = inside(explain, REQUIRE, "--inner-sni", "b.example", mode="report")
    assert verdict["action"] == "allow" and told["reason"] == "inner_mismatch"
    assert "goes on only because the mode is report" in text


@pytest.mark.parametrize(
    "options",
    [
        ["--inner-sni", "10.0.0.1"],
        ["--inner-sni", "a..b"],
        ["--inner-sni", "a.example", "--inner-host", "a.example"],
        ["--inner-host", "a.example:80"],
    ],
)
def test_what_no_tunnel_can_carry_is_wrong_usage(pki, dns, tmp_path, options):
    path = tmp_path / "sallyport.yaml"
    configs.write_config(path, configs.base_config(pki, dns.endpoint))
    assert run("explain", "-c", path, *TO, *options).returncode == 2


ROUTE = {"route": "name"}
BY_ADDRESS = (*WORKER, "--to", "198.51.100.7:443", "--address", "93.184.216.34")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--inner-sni", "a.example"], "rule"),
        (["--inner-sni", "b.example"], "no_rule"),
        (["--inner-sni", "-"], "inner_no_name"),
        (["--inner-host", "a.example"], "inner_not_tls"),
    ],
)
def test_the_name_inside_is_the_target_of_a_client_that_is_routed_by_it(explain, options, reason):
    verdict, found, text = explain([client({"hosts": ["a.example"]}, inner=ROUTE)], *BY_ADDRESS, *options)
    assert verdict["reason"] == reason
    assert ("routed_to" in found) == ("the name inside is the target" in text) == (not reason.startswith("inner"))
    assert not found.get("addresses") or found["addresses"][0]["address"] == "93.184.216.34"


def test_a_client_that_is_routed_by_name_has_no_answer_without_one(pki, dns, tmp_path):
    path = tmp_path / "sallyport.yaml"
    clients = [client({"hosts": ["a.example"]}, inner=ROUTE)]
    configs.write_config(path, configs.merge(configs.base_config(pki, dns.endpoint), {"clients": clients}))
    result = run("explain", "-c", path, *BY_ADDRESS)
    assert result.returncode == 2 and "--inner-sni" in result.stderr
