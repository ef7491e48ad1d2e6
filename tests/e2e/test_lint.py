"""What `sallyport check` finds in a policy that is written correctly and is probably not meant."""

import json

import pytest

from support import config as configs
from support.proxy import run


@pytest.fixture
def findings(pki, tmp_path):
    """Checks a configuration with these clients; gives the severity, line and text of each finding."""

    def check(*clients, status=0, options=(), tells_silence=False, **changes):
        config = configs.base_config(pki, "127.0.0.1:53")
        config = configs.merge(config, {"clients": list(clients), **changes})
        path = tmp_path / "sallyport.yaml"
        rest = {key: value for key, value in config.items() if key != "clients"}
        lines = [f"{key}: {json.dumps(value)}" for key, value in rest.items()]
        lines += ["clients:"]
        for one in clients:
            lines += [f"  - {json.dumps(one)}"]
        path.write_text("\n".join(lines) + "\n")
        result = run("check", "-c", path, "--json", *options)
        assert result.returncode == status, result.stdout + result.stderr
        found = json.loads(result.stdout)["findings"]
        assert all(one["hint"] for one in found if one["severity"] == "warning"), found
        first = len(lines) - len(clients) + 1
        return [
            (one["severity"], one["line"] - first, one["message"])
            for one in found
            if not any(words in one["message"] for words in ("no `crl`", "days", "checked as root"))
            and ("the name inside the tunnels" not in one["message"] or tells_silence)
        ]

    return check


def client(*allow, name="one", match=({"cn": "one"},), **more):
    return {"name": name, "match": list(match), "allow": list(allow), **more}


def test_a_policy_that_says_what_is_meant_has_no_finding(findings):
    assert not findings(
        client({"hosts": ["www.example.com", "*.example.com"]}, {"hosts": ["a.internal"], "ports": [80]}),
        client({"hosts": ["*.example.com"]}, name="two", match=[{"cn": "two"}]),
        deny=[{"hosts": ["*.tracker.example"]}],
    )


# -- who speaks for others ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edge_trust", "guest", "words"),
    [
        ("edges", {"trust": "staff"}, None),
        ("edges", {"trust": "staff", "sources": ["10.0.0.0/8"]}, "`sources` of client `guests` is about the address of the proxy"),
        ("edges", {"trust": "edges"}, "everybody that client `edges` speaks for is refused"),
        ("edges", {"trust": "staff", "speaks_for": {"trust": "staff"}}, "everybody that client `edges` speaks for is refused"),
        ("staff", {"trust": "staff"}, "client `edges` speaks for nobody: no listener takes its certificates"),
    ],
)
def test_a_client_that_speaks_in_vain_is_found(findings, pki, edge_trust, guest, words):
    listener = {**configs.base_config(pki, "127.0.0.1:53")["listeners"][0], "trust": "edges"}
    found = findings(
        {"name": "edges", "match": [{"cn": "edge", "trust": edge_trust}], "speaks_for": {"trust": "staff"}},
        client({"hosts": ["a.example"]}, name="guests", match=[{"cn": "x", "trust": guest["trust"]}])
        | {key: value for key, value in guest.items() if key != "trust"},
        trust={"edges": {"ca": [pki.ca.path]}},
        listeners=[listener],
    )
    assert [words] * bool(words) == [words for _, _, text in found[:1] if words in text], found
    assert bool(found) == bool(words), found


# -- what can never be reached --------------------------------------------------------------------

NEVER = "never lets anybody reach"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"hosts": ["localhost"]}, "`localhost`: that is at 127.0.0.1 (loopback)"),
        ({"hosts": ["example.com", "api.localhost"]}, "`api.localhost`: that is at 127.0.0.1 (loopback)"),
        ({"hosts": ["localhost"], "addresses": ["10.0.0.0/8"]}, "`localhost`: that is at"),
        ({"hosts": ["localhost"], "addresses": ["0.0.0.0/0"]}, "`localhost`: that is at"),
        ({"hosts": ["db.internal"]}, "`db.internal`: that is at 10.1.2.3 (private use)"),
        ({"hosts": ["meta.internal"], "addresses": ["169.254.0.0/16"]}, "`meta.internal`: that is at 169.254.169.254"),
    ],
)
def test_a_name_that_a_rule_can_never_admit_is_found(findings, rule, words):
    hosts = {"db.internal": ["10.1.2.3"], "meta.internal": ["169.254.169.254"]}
    found = [one for one in findings(client(rule), resolver={"hosts": hosts}) if NEVER in one[2]]
    [(severity, line, message)] = found
    assert (severity, line) == ("warning", 0) and words in message


@pytest.mark.parametrize(
    "rule",
    [
        {"hosts": ["localhost"], "addresses": ["127.0.0.1/32"]},
        {"hosts": ["localhost"], "addresses": ["::1/128"]},
        {"hosts": ["db.internal"], "addresses": ["10.0.0.0/8"]},
        {"hosts": ["both.internal"]},
        {"hosts": ["elsewhere.internal", "*.localhost"]},
    ],
)
def test_a_name_that_a_rule_admits_at_one_address_is_not_a_finding(findings, rule):
    hosts = {"db.internal": ["10.1.2.3"], "both.internal": ["10.1.2.3", "93.184.216.34"]}
    assert not [one for one in findings(client(rule), resolver={"hosts": hosts}) if NEVER in one[2]]


@pytest.mark.parametrize(
    ("rule", "is_found"),
    [
        ({"addresses": ["169.254.169.254/32"]}, True),
        ({"addresses": ["224.0.0.0/8", "0.0.0.0/32"]}, True),
        ({"hosts": ["a.example"], "addresses": ["ff00::/8"]}, True),
        ({"addresses": ["169.254.169.254/32", "10.0.0.0/8"]}, False),
        ({"addresses": ["169.254.0.0/16"]}, False),
        ({"addresses": ["0.0.0.0/0"]}, False),
    ],
)
def test_a_rule_whose_addresses_are_always_closed_allows_nothing(findings, rule, is_found):
    found = [one for one in findings(client(rule)) if "no rule opens any of its `addresses`" in one[2]]
    assert bool(found) == is_found


# -- rules ----------------------------------------------------------------------------------------

ADDS_NOTHING = "adds nothing"


@pytest.mark.parametrize(
    "wide, narrow",
    [
        ({"hosts": ["*.example.com"]}, {"hosts": ["www.example.com"]}),
        ({"hosts": ["*.example.com"]}, {"hosts": ["*.deep.example.com"]}),
        ({"hosts": ["a.example"], "ports": ["1-1000"]}, {"hosts": ["a.example"], "ports": [80, 443]}),
        ({"addresses": ["203.0.113.0/24"]}, {"addresses": ["203.0.113.7/32"]}),
        (
            {"hosts": ["a.example"], "addresses": ["public", "10.1.0.0/16"]},
            {"hosts": ["a.example"], "addresses": ["10.1.2.0/24"]},
        ),
        ({"hosts": ["a.example"], "addresses": ["public"]}, {"hosts": ["a.example"]}),
    ],
)
def test_a_rule_that_another_one_contains_adds_nothing(findings, wide, narrow):
    for order in ([wide, narrow], [narrow, wide]):
        found = [one for one in findings(client(*order)) if ADDS_NOTHING in one[2]]
        (finding,) = found
        assert finding[0] == "warning"
        assert f"`one.allow[{order.index(narrow)}]` adds" in finding[2]


@pytest.mark.parametrize(
    "one, other",
    [
        ({"hosts": ["*.example.com"]}, {"hosts": ["example.com"]}),
        ({"hosts": ["*.deep.example.com"]}, {"hosts": ["*.example.org"]}),
        ({"hosts": ["a.example"]}, {"hosts": ["a.example"], "ports": [80]}),
        ({"hosts": ["a.example"]}, {"hosts": ["a.example"], "addresses": ["10.1.2.0/24"]}),
        ({"addresses": ["10.0.0.0/7"]}, {"addresses": ["10.1.2.0/24"]}),  # a wide one opens no special
        ({"hosts": ["*"]}, {"addresses": ["203.0.113.7/32"]}),
        ({"hosts": ["a.example"], "ports": ["8000-8010"]}, {"hosts": ["a.example"], "ports": ["8005-8020"]}),
    ],
)
def test_rules_that_each_say_something_are_left_alone(findings, one, other):
    assert not [found for found in findings(client(one, other)) if ADDS_NOTHING in found[2]]


def test_a_rule_whose_inner_counts_because_it_comes_first_is_left_alone(findings):
    narrow = {"hosts": ["a.example"], "inner": {"tls": "require"}}
    assert not findings(client(narrow, {"hosts": ["*.example"], "inner": {"tls": "any"}}))
    found = findings(client({"hosts": ["*.example"], "inner": {"tls": "any"}}, narrow))
    assert any("`one.allow[1]` adds nothing" in text and "comes first" in text for _, _, text in found)


def test_of_two_rules_that_are_alike_one_is_found(findings):
    rule = {"hosts": ["a.example"]}
    (found,) = findings(client(rule, dict(rule)))
    assert "`one.allow[1]` adds nothing: `one.allow[0]`" in found[2]


@pytest.mark.parametrize(
    "deny",
    [
        {"hosts": ["*.example.com"]},
        {"ports": [443]},
        {"addresses": ["public"]},
        {"hosts": ["*"], "ports": ["any"]},
    ],
)
def test_a_rule_that_a_deny_closes_altogether_is_found(findings, deny):
    rule = {"hosts": ["www.example.com"]}
    for place in ({"deny": [deny]}, {}):
        everybody = {} if place else {"deny": [deny]}
        found = findings(client(rule, **place), **everybody)
        assert any("`one.allow[0]` allows nothing" in text for _, _, text in found), found


@pytest.mark.parametrize(
    "deny",
    [
        {"hosts": ["example.com"]},
        {"hosts": ["*.example.com"], "ports": [80]},
        {"addresses": ["10.0.0.0/8"]},
        {"hosts": ["*.example.com"], "addresses": ["10.0.0.0/8"]},
    ],
)
def test_a_deny_that_leaves_something_is_no_finding(findings, deny):
    assert not findings(client({"hosts": ["www.example.com"]}, deny=[deny]))


@pytest.mark.parametrize("suffix", ["com", "co.uk", "github.io"])
def test_a_wildcard_under_a_public_suffix_is_found(findings, suffix):
    (found,) = findings(client({"hosts": [f"*.{suffix}"]}))
    assert found[0] == "warning"
    assert f"`*.{suffix}`, which is a public suffix" in found[2]


@pytest.mark.parametrize("name", ["example.com", "internal", "corp.example", "mine.github.io"])
def test_a_wildcard_under_a_domain_of_somebody_is_no_finding(findings, name):
    assert not findings(client({"hosts": [f"*.{name}"]}))


def test_a_wide_door_to_a_special_range_is_a_warning_and_a_narrow_one_a_note(findings):
    (wide,) = findings(client({"hosts": ["db.internal"], "addresses": ["10.0.0.0/8"]}))
    assert wide[0] == "warning"
    assert "opens 10.0.0.0 to 10.255.255.255 (private use)" in wide[2]
    (narrow,) = findings(client({"hosts": ["db.internal"], "addresses": ["10.1.2.3/32"]}))
    assert narrow[0] == "note"


def test_a_deny_of_names_that_a_written_address_walks_round_is_found(findings):
    walker = client({"addresses": ["203.0.113.0/24"]}, {"hosts": ["*"]}, deny=[{"hosts": ["a.example"]}])
    assert any("a client that knows the address" in text for _, _, text in findings(walker))
    walker["deny"] = [{"hosts": ["a.example"]}, {"addresses": ["203.0.113.7/32"]}]
    walker["allow"] = [{"hosts": ["*"]}]
    assert not any("a client that knows the address" in text for _, _, text in findings(walker))


# -- what is inside tunnels -----------------------------------------------------------------------

HOST = {"hosts": ["a.example"]}


def inner(**words):
    return {"inner": words}


def silent(findings, *clients):
    return [one for one in findings(*clients, tells_silence=True) if "the name inside the tunnels" in one[2]]


def test_a_config_that_says_nothing_of_tunnels_has_one_note_for_all_its_clients(findings):
    clients = [client(HOST, name=f"c{i}", match=[{"cn": f"c{i}"}]) for i in range(9)]
    clients[3] |= inner(tls="observe")
    (found,) = silent(findings, *clients)
    assert found[:2] == ("note", 0)
    assert "tunnels of clients `c0`, `c1`, `c2`, `c4`, `c5` and 3 more" in found[2]


@pytest.mark.parametrize(
    "one",
    [
        client(HOST, **inner(tls="any")),
        client(HOST, **inner(tls="observe")),
        client(HOST, **inner(tls="require")),
        client({**HOST, **inner(tls="any")}),
        client(),
    ],
)
def test_a_client_that_says_what_its_tunnels_may_carry_is_no_finding(findings, one):
    assert not silent(findings, one)


@pytest.mark.parametrize(
    "one",
    [
        client({**HOST, **inner(tls="require")}, {"hosts": ["b.example"]}),
        client({**HOST, **inner(tls="require")}, mode="report"),
        client(mode="open"),
    ],
)
def test_a_client_that_says_it_of_some_of_its_tunnels_is_found(findings, one):
    assert len(silent(findings, one)) == 1


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        ("cloudfront.net", "is a public suffix"),
        ("akamaized.net", "is a"),
        ("s3.eu-west-1.amazonaws.com", "is a"),
        ("amazonaws.com", "is a front that many share"),
        ("azure.com", "is a front that many share"),
        ("global.fastly.net", "is a front that many share"),
    ],
)
@pytest.mark.parametrize("tls", ["any", "require"])
def test_a_wildcard_of_a_front_is_found_whatever_is_asked_of_the_name(findings, suffix, words, tls):
    (found,) = findings(client({"hosts": [f"*.{suffix}"], **inner(tls=tls)}))
    assert found[0] == "warning" and f"`*.{suffix}`, which {words}" in found[2]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("ec2.*.amazonaws.com", "`amazonaws.com`, which is a front that many share"),
        ("*.ecr.*.amazonaws.com", "`*.ecr.*.amazonaws.com`, which is"),
        ("www.*.com", "`com`, which is a public suffix"),
        ("a.*.b.*.co.uk", "`co.uk`, which is a public suffix"),
        ("a.*.github.io", "`github.io`, which is a public suffix"),
        ("*.a.*.com", "`com`, which is a public suffix"),
    ],
)
def test_a_star_inside_a_name_that_strangers_can_fill_is_found(findings, host, words):
    (found,) = findings(client({"hosts": [host]}))
    assert found[0] == "warning" and "anybody can have a name" in found[2] and words in found[2]


@pytest.mark.parametrize(
    ("wide", "narrow", "is_found"),
    [
        ("a.*.b.example", "a.1.b.example", True),
        ("*.example", "a.*.b.example", True),
        ("*.b.example", "a.*.b.example", True),
        ("a.*.*.example", "a.*.b.example", True),
        ("*.a.*.example", "1.a.*.example", True),
        ("a.*.b.example", "a.1.2.b.example", False),
        ("a.*.b.example", "*.a.*.b.example", False),
    ],
)
def test_a_name_with_a_star_inside_covers_what_fits_it(findings, wide, narrow, is_found):
    found = findings(client({"hosts": [wide]}, {"hosts": [narrow]}))
    assert [ADDS_NOTHING in one[2] for one in found] == [True] * is_found, found


@pytest.mark.parametrize("host", ["a.*.mine.example", "d1.cloudfront.net", "*.mine.workers.dev", "*.notfastly.net", "*.example.net"])
def test_a_name_that_somebody_has_at_a_front_is_no_finding(findings, host):
    assert not findings(client({"hosts": [host], **inner(tls="require")}))


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ([22], "port 22 with `inner_timeout`: in SSH the server speaks first"),
        ([443, 587], "port 587 with `inner_timeout`: in SMTP"),
        (["3306-3306"], "port 3306 with `inner_timeout`: in MySQL"),
        ([5432], "port 5432 with `inner_not_tls`: in PostgreSQL TLS does not come first"),
    ],
)
def test_a_port_of_a_protocol_that_require_always_ends_is_found(findings, ports, words):
    rule = {**HOST, "ports": ports}
    for one in (client(rule, **inner(tls="require")), client({**rule, **inner(tls="require")})):
        (found,) = findings(one)
        assert found[:2] == ("warning", 0) and words in found[2]


@pytest.mark.parametrize(
    "rule",
    [
        {**HOST, "ports": [22], **inner(tls="any")},
        {**HOST, "ports": ["1-1023"]},
        {**HOST, "ports": [8443]},
        HOST,
    ],
)
def test_a_port_that_require_can_be_held_to_is_no_finding(findings, rule):
    assert not findings(client(rule, {"hosts": ["b.example"], "ports": [993]}, **inner(tls="require")))


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        ({"tls": "observe", "plain": "deny"}, True),
        ({"tls": "require", "plain": "deny"}, True),
        ({"tls": "require"}, True),
        ({"tls": "require", "plain": "check"}, False),
        ({"tls": "observe"}, False),
    ],
)
def test_a_rule_for_port_80_whose_tunnels_may_not_carry_http_is_a_note(findings, words, is_found):
    found = findings(client({**HOST, "ports": [80, 443], "inner": words}))
    assert [one[0] for one in found] == ["note"] * is_found
    assert not is_found or "names port 80" in found[0][2]


def test_ech_deny_is_said_once_to_refuse_browsers(findings):
    words = inner(tls="require", ech="deny")
    (found,) = findings(client(HOST, {"hosts": ["b.example"], **words}, **words))
    assert found[0] == "note" and "`one`, `one.allow[1]` refuses Chromium and Firefox" in found[2]
    assert not findings(client(HOST, **inner(tls="require", ech="allow")))


def test_addresses_whose_tunnels_need_a_name_that_no_rule_has_are_found(findings):
    rule = {"addresses": ["93.184.216.34/32"]}
    (found,) = findings(client(rule, **inner(tls="require")))
    assert found[0] == "warning" and "none has `hosts`" in found[2]
    assert not findings(client(rule, HOST, **inner(tls="require")))
    assert not findings(client(rule, **inner(tls="require", names="any")))
    assert not findings(client(rule, **inner(tls="observe")))


def test_an_inner_that_never_counts_is_found(findings):
    own = {**HOST, **inner(tls="require")}
    (found,) = findings(client(own, **inner(tls="observe")))
    assert found[0] == "warning" and "`inner` of client `one` never counts" in found[2]
    assert not findings(client(own, {"hosts": ["b.example"]}, **inner(tls="observe")))
    assert not any("never counts" in one[2] for one in findings(client(own, mode="open", **inner(tls="observe"))))
    assert not any("never counts" in one[2] for one in findings(client(own, **inner(route="name"))))


def test_a_timeout_for_first_flights_that_nothing_waits_for_is_found(findings):
    timeouts = {"timeouts": {"inner": "2s"}}
    (found,) = findings(client(HOST, **inner(tls="observe")), **timeouts)
    assert found[0] == "warning" and "`timeouts.inner` never counts" in found[2]
    assert not findings(client({**HOST, **inner(tls="require")}), **timeouts)


# -- clients --------------------------------------------------------------------------------------


def two(first, second, **more):
    rule = {"hosts": ["a.example"]}
    return (
        client(rule, name="first", match=[first]),
        client(rule, name="second", match=[second], **more),
    )


@pytest.mark.parametrize(
    "first, second",
    [
        ({"any": True}, {"cn": "x"}),
        ({"cn": "x"}, {"cn": "x"}),
        ({"cn": "x"}, {"cn": "x", "dns": "a.example"}),
        ({"uri": "spiffe://x/*"}, {"uri": "spiffe://x/a"}),
        ({"uri": "spiffe://x/*"}, {"uri": "spiffe://x/a/*"}),
        ({"dns": "*.example"}, {"dns": "a.EXAMPLE"}),
        ({"sha256": "ab" * 32}, {"sha256": "AB" * 32}),
        ({"serial": "4f01"}, {"serial": "00:4f:01", "cn": "x"}),
    ],
)
def test_a_client_that_an_earlier_one_hides_can_never_match(findings, first, second):
    found = findings(*two(first, second))
    assert any("`second` can never match" in text for _, _, text in found), found
    (reached,) = [one for one in found if "is never reached" in one[2]]
    assert reached[:2] == ("warning", 1)
    assert "client `first` (line " in reached[2]


@pytest.mark.parametrize(
    "first, second",
    [
        ({"cn": "x"}, {"any": True}),
        ({"cn": "x"}, {"cn": "X"}),
        ({"cn": "x", "dns": "a.example"}, {"cn": "x"}),
        ({"uri": "spiffe://x/a"}, {"uri": "spiffe://x/*"}),
        ({"uri": "spiffe://x/a/*"}, {"uri": "spiffe://x/ab"}),
        ({"dns": "x.example"}, {"cn": "x.example"}),
        ({"dns": "*.example"}, {"dns": "example"}),
        ({"anonymous": True}, {"any": True}),
    ],
)
def test_a_client_that_somebody_can_still_be_is_no_finding(findings, first, second):
    assert not [one for one in findings(*two(first, second)) if "never" in one[2]]


def test_an_entry_for_a_profile_that_no_listener_uses_fits_nobody(findings, pki):
    found = findings(
        client({"hosts": ["a.example"]}, match=[{"cn": "x", "trust": "unused"}]),
        trust={"unused": {"ca": [pki.ca.path]}},
    )
    assert any("no listener uses the trust profile `unused`" in text for _, _, text in found)


# -- how it is told -------------------------------------------------------------------------------


def test_strict_turns_warnings_into_a_failure(findings):
    rule = {"hosts": ["*.com"]}
    findings(client(rule))
    findings(client(rule), status=1, options=["--strict"])


def test_strict_lets_notes_pass(findings):
    findings(client({"hosts": ["db.internal"], "addresses": ["10.1.2.3/32"]}), options=["--strict"])


def test_many_clients_are_looked_at_in_bounded_work(findings):
    clients = [client({"hosts": ["a.example"]}, name=f"c{i}", match=[{"cn": f"c{i}"}]) for i in range(3000)]
    clients += [client({"hosts": ["a.example"]}, name="last", match=[{"cn": "c1500"}])]
    found = findings(*clients)
    assert any("`last` can never match" in text for _, _, text in found)


# -- trust domains --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "is_found"),
    [
        ("spiffe://example.org/a", False),
        ("spiffe://example.org/*", False),
        ("spiffe://example.org/a/*", False),
        ("https://example.net/a", False),
        ("spiffe://example.net/a", True),
        ("spiffe://example.net/*", True),
        ("spiffe://example.org", True),
        ("spiffe://example.org/a//b", True),
        ("spiffe://example.org:443/*", True),
    ],
)
def test_an_entry_for_another_trust_domain_is_found(findings, uri, is_found):
    found = findings(client({"hosts": ["a.example"]}, match=[{"uri": uri}]), trust={"staff": {"spiffe": "example.org"}})
    assert bool([one for one in found if "no SPIFFE ID of example.org" in one[2]]) == is_found, found
    assert bool([one for one in found if "can never match" in one[2]]) == is_found, found


def test_with_several_profiles_one_that_is_bound_to_no_trust_domain_is_noted(findings, pki):
    listeners = configs.base_config(pki, "127.0.0.1:53")["listeners"]
    other = {**listeners[0], "name": "other", "trust": "other"}
    trust = {"staff": {"spiffe": "example.org"}, "other": {"ca": [str(pki.authority("Other CA").path)]}}
    found = findings(
        client({"hosts": ["a.example"]}, match=[{"uri": "spiffe://example.org/a", "trust": "staff"}]),
        client({"hosts": ["a.example"]}, name="two", match=[{"uri": "spiffe://example.net/a", "trust": "other"}]),
        listeners=[*listeners, other],
        trust=trust,
    )
    [(severity, line, message)] = [one for one in found if "trust domain" in one[2]]
    assert (severity, line) == ("note", 1) and "`other` is bound to no trust domain" in message


@pytest.mark.parametrize("inner, advises_any", [({"tls": "require"}, True), ({"route": "name"}, False)])
def test_who_is_routed_by_name_is_not_advised_to_take_any_name(findings, tmp_path, inner, advises_any):
    findings(client({"addresses": ["203.0.113.7/32"]}, inner=inner))
    found = json.loads(run("check", "-c", tmp_path / "sallyport.yaml", "--json").stdout)["findings"]
    [hint] = [one["hint"] for one in found if "none has `hosts`" in one["message"]]
    assert ("names: any" in hint) == advises_any


# -- PROXY headers that a client could forge -------------------------------------------------------

TOLD = {"hosts": ["db.example.com"], "ports": [5432], "send_proxy": "v2"}
FORGED = "the target believes it"


@pytest.mark.parametrize(
    ("rule", "is_found"),
    [
        ({"hosts": ["db.example.com"], "ports": [5432]}, True),
        ({"hosts": ["*.example.com"], "ports": ["any"]}, True),
        ({"hosts": ["db.example.com"], "ports": [5433]}, False),
        ({"hosts": ["www.example.com"], "ports": [5432]}, False),
        (TOLD, False),
    ],
)
def test_a_target_that_is_told_is_reached_by_another_client_without_it(findings, rule, is_found):
    found = findings(client(TOLD), client(rule, name="two", match=[{"cn": "two"}]))
    assert [FORGED in one[2] for one in found] == [True] * is_found, found
    assert all(one[:2] == ("warning", 1) and "`two.allow[0]`" in one[2] for one in found)


def test_the_rule_of_a_client_that_comes_first_decides_whether_a_target_is_told(findings):
    wide = {"hosts": ["*.example.com"], "ports": ["any"]}
    assert not findings(client(TOLD, wide))
    found = findings(client(wide, TOLD))
    assert any(FORGED in one[2] and "`one.allow[0]`" in one[2] for one in found), found
    assert any("adds nothing" in one[2] and "`one.allow[1]`" in one[2] for one in found), found
