"""Who a certificate is: each key of `match`, and which client is chosen when several could be."""

import json

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from support.config import client, listener_of
from support.pki import common_names
from support.proxy import run

pytestmark = pytest.mark.protocols("h1", "h2", repeats="handshakes")

# A target that nobody may reach: the answer then names the client, "no_rule for NAME".
TARGET = "nowhere.test:443"


def identified_as(proxy, leaf):
    """The client's name in the decision; None when no client fits."""
    answer = proxy.ask(TARGET, leaf)
    decision = proxy.decision(answer.id)
    name = decision["client"]["name"]
    expected = "no_rule" if name else "no_client"
    proxy.assert_refused(answer, 403, expected)
    if name:
        assert answer.reason == f"Denied: no_rule for {name} (id {answer.id})"
    return name


SCRAPER = "spiffe://example.test/scraper/eu-1"
SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc."),
        x509.NameAttribute(NameOID.COMMON_NAME, "eu-1"),
    ]
)

OID = "1.3.6.1.4.1.99999.1"


def units(organization, *names):
    """A subject of an organization with these units."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, name) for name in names]
    return x509.Name(attributes)


def extension(value):
    return (OID, value, False)


# certificatePolicies and qcStatements, as DER: QCP-n-qscd of ETSI, another policy, anyPolicy.
QUALIFIED = "0.4.0.194112.1.4"
QUALIFIED_DER = b"\x30\x09\x06\x07\x04\x00\x8b\xec\x40\x01\x04"
OTHER_DER = b"\x30\x04\x06\x02\x2a\x03"
ANY_DER = b"\x30\x06\x06\x04\x55\x1d\x20\x00"


def policies(*elements, critical=False):
    """A certificatePolicies of these."""
    whole = b"".join(elements)
    return ("2.5.29.32", bytes([0x30, len(whole)]) + whole, critical)


def statements(*elements, critical=False):
    """A qcStatements of these."""
    return ("1.3.6.1.5.5.7.1.3", policies(*elements)[1], critical)


# match entry -> the options of a leaf that fits, and those of leaves that do not.
KEYS = {
    "uri": (
        {"uri": SCRAPER},
        dict(uri=(SCRAPER,)),
        [
            dict(uri=("spiffe://example.test/scraper/EU-1",)),
            dict(uri=(SCRAPER + "/",)),
            dict(uri=(SCRAPER, "spiffe://example.test/other")),
            dict(dns=("example.test",)),
            dict(),
        ],
    ),
    "uri with a final star": (
        {"uri": "spiffe://example.test/scraper/*"},
        dict(uri=(SCRAPER,)),
        [
            dict(uri=("spiffe://example.test/scraper/",)),
            dict(uri=("spiffe://example.test/scrapers/eu-1",)),
            dict(uri=("spiffe://example.test.evil/scraper/eu-1",)),
        ],
    ),
    "dns": (
        {"dns": "Worker-7.example.test"},
        dict(dns=("worker-7.EXAMPLE.test",)),
        [
            dict(dns=("worker-8.example.test",)),
            dict(dns=("*.example.test",)),
            dict(uri=("worker-7.example.test",)),
            dict(email=("worker-7.example.test",)),
            dict(subject=common_names("worker-7.example.test")),
        ],
    ),
    "dns with a star": (
        {"dns": "*.example.test"},
        dict(dns=("a.b.example.test",)),
        [dict(dns=("example.test",)), dict(dns=("*.example.test",))],
    ),
    "email": (
        {"email": "ann@Example.test"},
        dict(email=("ann@example.TEST",)),
        [dict(email=("Ann@example.test",)), dict(subject=common_names("ann@example.test"))],
    ),
    "ip": (
        {"ip": "192.0.2.7"},
        dict(ip=("192.0.2.7",)),
        [dict(ip=("192.0.2.8",)), dict(ip=("::ffff:192.0.2.7",)), dict(dns=("192.0.2.7",))],
    ),
    "cn": (
        {"cn": "eu-1"},
        dict(subject=common_names("eu-1")),
        [
            dict(subject=common_names("EU-1")),
            dict(subject=common_names("eu-1", "eu-2")),
            dict(subject=common_names("eu-1\x00.evil")),
            dict(subject=common_names("eu-1 ")),
            dict(subject=x509.Name([]), dns=("eu-1",)),
        ],
    ),
    "subject": (
        {"subject": r"CN=eu-1,O=Example\, Inc.,C=DE"},
        dict(subject=SUBJECT),
        [
            dict(subject=common_names("eu-1")),
            dict(subject=x509.Name(list(SUBJECT)[::-1])),
            dict(subject=common_names(r"eu-1,O=Example\, Inc.,C=DE")),
        ],
    ),
    "ou": (
        {"ou": "search"},
        dict(subject=units("Example", "build", "search")),
        [
            dict(subject=units("Example", "Search")),
            dict(subject=units("search", "build")),
            dict(subject=common_names("search")),
            dict(subject=common_names("OU=search")),
            dict(dns=("search",)),
        ],
    ),
    "o": (
        {"o": "Example", "ou": "search"},
        dict(subject=units("Example", "search")),
        [
            dict(subject=units("Example", "build")),
            dict(subject=units("example", "search")),
            dict(subject=x509.Name(list(units("Example", "search")) + list(units("Other")))),
        ],
    ),
    "text of an extension": (
        {"extension": {"oid": OID, "text": "team/*"}},
        dict(extensions=(extension(b"\x0c\x06team/x"),)),
        [
            dict(extensions=(extension(b"\x0c\x05team/"),)),
            dict(extensions=(extension(b"\x0c\x06Team/x"),)),
            dict(extensions=(extension(b"\x0c\x06team/*"),)),
            dict(extensions=(extension(b"\x0c\x06team/x\x05\x00"),)),
            dict(extensions=(extension(b"team/x"),)),
            dict(extensions=((OID + ".1", b"\x0c\x06team/x", False),)),
            dict(uri=("team:team/x",), subject=common_names("team/x")),
            dict(),
        ],
    ),
    "one of the texts of an extension": (
        {"extension": {"oid": OID, "text": "b"}},
        dict(extensions=(extension(b"\x30\x06\x0c\x01a\x16\x01b"),)),
        [
            dict(extensions=(extension(b"\x30\x06\x0c\x01a\x16\x01c"),)),
            dict(extensions=(extension(b"\x30\x06\x02\x01a\x16\x01b"),)),
        ],
    ),
    "bytes of an extension": (
        {"extension": {"oid": OID, "der": "02:01:07"}},
        dict(extensions=(extension(b"\x02\x01\x07"),)),
        [
            dict(extensions=(extension(b"\x02\x01\x08"),)),
            dict(extensions=(extension(b"\x02\x01\x07\x00"),)),
            dict(),
        ],
    ),
    "an extension that equals the URI": (
        {"extension": {"oid": OID, "equals": "{uri.path[1]}"}},
        dict(uri=(SCRAPER,), extensions=(extension(b"\x04\x04eu-1"),)),
        [
            dict(uri=(SCRAPER,), extensions=(extension(b"\x04\x04eu-2"),)),
            dict(uri=(SCRAPER,)),
            dict(extensions=(extension(b"\x04\x04eu-1"),)),
            dict(uri=(SCRAPER, "https://a.example/eu-1"), extensions=(extension(b"\x04\x04eu-1"),)),
        ],
    ),
    "a critical extension that is named": (
        {"extension": {"oid": OID, "text": "team/x"}},
        dict(extensions=((OID, b"\x0c\x06team/x", True),)),
        [dict(extensions=((OID, b"\x0c\x06team/y", True),))],
    ),
    "policies": (
        {"policies": ["1.2.4", QUALIFIED]},
        dict(extensions=(policies(OTHER_DER, QUALIFIED_DER, critical=True),)),
        [
            dict(extensions=(policies(OTHER_DER),)),
            dict(extensions=(policies(ANY_DER),)),
            dict(extensions=(statements(QUALIFIED_DER),)),
            dict(extensions=(extension(policies(QUALIFIED_DER)[1]),)),
            dict(),
        ],
    ),
    "qc": (
        {"qc": [QUALIFIED]},
        dict(extensions=(statements(OTHER_DER, QUALIFIED_DER, critical=True),)),
        [
            dict(extensions=(statements(OTHER_DER),)),
            dict(extensions=(statements(QUALIFIED_DER[:-1]),)),
            dict(extensions=(policies(QUALIFIED_DER),)),
            dict(),
        ],
    ),
    "issuer": ({"issuer": "CN=Clients CA"}, dict(), []),
    "serial": (
        {"serial": "00:4F:01", "issuer": "CN=Clients CA"},
        dict(serial=0x4F01),
        [dict(serial=0x4F02), dict()],
    ),
    "trust": ({"trust": "staff", "cn": "eu-1"}, dict(subject=common_names("eu-1")), []),
    "all of an entry": (
        {"cn": "eu-1", "dns": "eu-1.test"},
        dict(subject=common_names("eu-1"), dns=("eu-1.test",)),
        [dict(subject=common_names("eu-1")), dict(dns=("eu-1.test",))],
    ),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_match_key_fits_what_it_says_and_nothing_else(start, pki, key):
    entry, fitting, others = KEYS[key]
    label = key.replace(" ", "-")
    proxy = start(client(name="chosen", match=[entry]))
    assert identified_as(proxy, pki.ca.leaf(f"{label}-fits", **fitting)) == "chosen"
    for number, options in enumerate(others):
        leaf = pki.ca.leaf(f"{label}-{number}", **options)
        assert identified_as(proxy, leaf) is None, options


@pytest.mark.parametrize("key", ["sha256", "spki_sha256"])
def test_a_digest_fits_one_certificate(start, pki, key):
    digest = getattr(pki.worker, key).upper()
    spelled = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    proxy = start(client(name="chosen", match=[{key: spelled}]))
    assert identified_as(proxy, pki.worker) == "chosen"
    assert identified_as(proxy, pki.ca.leaf("worker-2")) is None


def test_any_of_several_entries_is_enough(start, pki):
    proxy = start(client(name="chosen", match=[{"cn": "eu-1"}, {"cn": "eu-2"}]))
    assert identified_as(proxy, pki.ca.leaf("eu-2")) == "chosen"
    assert identified_as(proxy, pki.ca.leaf("eu-3")) is None


def test_the_first_client_in_the_file_is_the_client(start, pki, dns, origin):
    """There is no second try: what a later client may do does not help."""
    dns.addresses("origin.test", "127.0.0.1")
    port = origin().port
    rule = {"hosts": ["origin.test"], "addresses": ["127.0.0.0/8"], "ports": [port]}
    proxy = start(
        client(name="narrow", match=[{"cn": "worker-1"}]),
        client(rule, name="wide"),
    )
    refused = proxy.ask(f"origin.test:{port}", pki.worker)
    assert refused.reason == f"Denied: no_rule for narrow (id {refused.id})"
    assert proxy.ask(f"origin.test:{port}", pki.ca.leaf("worker-2")).status == 200


def test_without_clients_everybody_is_denied(start):
    proxy = start()
    proxy.assert_refused(proxy.ask(TARGET), 403, "no_client")
    assert "every request will be denied" in proxy.stderr.text()


def test_the_same_name_from_another_ca_is_another_client(start, pki):
    other = pki.authority("Partners CA")
    proxy = start(
        client(name="staff-1", match=[{"cn": "worker-1", "trust": "staff"}]),
        client(name="partner-1", match=[{"cn": "worker-1", "trust": "partners"}]),
        listeners=[
            listener_of(pki, name=name, trust=name)
            for name in ("staff", "partners")
        ],
        trust={"partners": {"ca": [other.path]}},
    )
    answer = proxy.ask(TARGET, pki.worker, listener="staff")
    assert "for staff-1 " in answer.reason
    assert proxy.decision(answer.id)["client"]["trust"] == "staff"
    answer = proxy.ask(TARGET, other.leaf("worker-1"), listener="partners")
    assert "for partner-1 " in answer.reason
    assert proxy.decision(answer.id)["listener"] == "partners"
    crossing = proxy.dial(other.leaf("worker-1"), listener="staff")
    assert crossing.refusal() == "TLSV1_ALERT_UNKNOWN_CA"


def test_sources_are_a_condition_not_a_choice(start, pki, dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    port = origin().port
    rule = {"hosts": ["origin.test"], "addresses": ["127.0.0.0/8"], "ports": [port]}
    proxy = start(
        client(rule, name="homebound", match=[{"cn": "worker-1"}], sources=["127.0.0.2/32"]),
        client(rule, name="wide"),
    )
    assert proxy.ask(f"origin.test:{port}", source="127.0.0.2").status == 200
    answer = proxy.ask(f"origin.test:{port}", source="127.0.0.3")
    proxy.assert_refused(answer, 403, "source_not_allowed")
    assert proxy.decision(answer.id)["client"]["name"] == "homebound"


def test_an_ipv4_source_on_an_ipv6_listener_is_ipv4(start, pki):
    proxy = start(
        client(name="homebound", sources=["127.0.0.0/8"]),
        listeners=[listener_of(pki, address="[::]:0")],
    )
    port = proxy.address[1]
    proxy.addresses = {"v4": ("127.0.0.1", port), "v6": ("::1", port)}
    answer = proxy.ask(TARGET, listener="v4")
    proxy.assert_refused(answer, 403, "no_rule")
    assert proxy.decision(answer.id)["client"]["address"] == "127.0.0.1"
    proxy.assert_refused(proxy.ask(TARGET, listener="v6"), 403, "source_not_allowed")


def test_the_audit_tells_the_identity_in_full(start, pki):
    leaf = pki.ca.leaf("eu-1", dns=("eu-1.test",), uri=(SCRAPER,), serial=0x4F01)
    proxy = start(client(name="scrapers"))
    recorded = proxy.decision(proxy.ask(TARGET, leaf).id)["client"]
    assert recorded["name"] == "scrapers"
    assert recorded["trust"] == "staff"
    assert recorded["subject"] == "CN=eu-1"
    assert recorded["cn"] == "eu-1"
    assert recorded["san_uri"] == [SCRAPER]
    assert recorded["san_dns"] == ["eu-1.test"]
    assert recorded["serial"] == "4f01"
    assert recorded["issuer"] == "CN=Clients CA"
    assert recorded["sha256"] == leaf.sha256
    assert recorded["not_after"] == leaf.certificate.not_valid_after.isoformat() + "Z"


ODD_NAMES = {
    "newline": 'a\r\n{"v":1}',
    "quote and backslash": '"\\',
    "escape": "\x1b[31mred",
    "line separator": "a\u2028b",
    "nul": "a\x00b",
    "long": "x" * 64,
    "right to left": "\u202eabc\u200f\u2066\ufeff",
}


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_an_odd_name_stays_one_record(start, pki, kind):
    leaf = pki.ca.leaf(f"odd-{kind.replace(' ', '-')}", subject=common_names(ODD_NAMES[kind]))
    proxy = start(client())
    answer = proxy.ask(TARGET, leaf)
    assert proxy.decision(answer.id)["client"]["subject"]
    raw = proxy.audit.path.read_bytes()
    assert not any(byte < 0x20 and byte != 0x0A for byte in raw)
    assert not any(mark.encode() in raw for mark in "\u2028\u202e\u200f\u2066\ufeff")


@pytest.mark.parametrize(
    "field", ["X-Forwarded-For: 10.0.0.1", "X-Client-CN: root", "Via: 1.1 x", "Forwarded: for=::1"]
)
def test_a_header_changes_nobodys_identity(start, field):
    proxy = start(client(sources=["10.0.0.1/32"]))
    head = f"CONNECT {TARGET} HTTP/1.1\r\nHost: {TARGET}\r\n{field}\r\n\r\n"
    requester = proxy.connect()
    requester.send(head.encode())
    answer = requester.read_answer()
    proxy.assert_refused(answer, 403, "source_not_allowed")
    assert proxy.decision(answer.id)["client"]["address"] == "127.0.0.1"


def test_a_name_counts_wherever_it_stands_among_many(start, pki):
    many = tuple(f"n{number}.example" for number in range(300))
    proxy = start(client(name="late", match=[{"dns": "last.example"}]))
    assert identified_as(proxy, pki.ca.leaf("many-names", dns=(*many, "last.example"))) == "late"
    assert identified_as(proxy, pki.ca.leaf("as-many-others", dns=many)) is None


def test_more_names_than_are_looked_at_are_refused_and_not_half_read(start, pki):
    proxy = start(client(name="first", match=[{"dns": "n0.x"}]))
    leaf = pki.ca.leaf("too-many-names", dns=tuple(f"n{number}.x" for number in range(1025)))
    assert proxy.dial(leaf).refusal()
    record = proxy.audit.wait("handshake_refused", reason="bad_certificate")
    assert "more than 1,024 names" in record["detail"]


# -- extensions -----------------------------------------------------------------------------------


def naming(**wanted):
    return client(name="chosen", match=[{"extension": {"oid": OID, **wanted}}])


def test_a_critical_extension_that_nobody_names_refuses_the_certificate(start, pki):
    critical = (OID, b"\x0c\x01a", True)
    leaf = pki.ca.leaf("critical", extensions=(critical,))
    other = pki.ca.leaf("critical-two", extensions=(critical, (OID + ".2", b"\x05\x00", True)))
    proxy = start()
    assert proxy.dial(leaf).refusal() == "SSLV3_ALERT_BAD_CERTIFICATE"
    proxy.reload(naming(text="a"))
    assert identified_as(proxy, leaf) == "chosen"
    assert proxy.dial(other).refusal() == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_a_critical_extension_is_understood_under_the_profile_of_its_entry_only(start, pki):
    partners = pki.authority("Critical Partners CA")
    critical = ((OID, b"\x0c\x01a", True),)
    certificates = [{"chain": pki.server.chain, "key": pki.server.key}]
    named = {"extension": {"oid": OID, "text": "a"}}
    others = client(name="partners", match=[{"any": True, "trust": "partners"}])
    proxy = start(
        client(name="chosen", match=[{**named, "trust": "staff"}]),
        others,
        listeners=[
            {"name": name, "address": "127.0.0.1:0", "certificates": certificates, "trust": name}
            for name in ("staff", "partners")
        ],
        trust={"partners": {"ca": [partners.path]}},
    )
    good, bad = pki.ca.leaf("critical-staff", extensions=critical), partners.leaf("critical-partner", extensions=critical)
    assert "for chosen" in proxy.ask(TARGET, good, listener="staff").reason
    assert proxy.dial(bad, listener="partners").refusal() == "SSLV3_ALERT_BAD_CERTIFICATE"
    # An entry that is for certificates of every profile gives it a meaning in each.
    proxy.reload(client(name="one", match=[{**named, "sha256": bad.sha256}]), others)
    assert "for one" in proxy.ask(TARGET, bad, listener="partners").reason
    proxy.reload(client(name="chosen", match=[{**named, "trust": "staff"}]), others)
    assert proxy.dial(bad, listener="partners").refusal() == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_a_reload_that_no_longer_names_an_extension_ends_what_it_let_in(start, pki):
    leaf = pki.ca.leaf("critical-then", extensions=((OID, b"\x0c\x01a", True),))
    proxy = start(naming(text="a"))
    held = proxy.connect(leaf)
    assert held.ask(TARGET).status == 403
    proxy.reload(client(name="all", match=[{"any": True}]))
    if proxy.protocol == "h2":
        proxy.assert_cut_off(held, TARGET, None)
    else:
        answer = held.ask(TARGET)
        assert answer is None or answer.status == 403 and "all" not in (answer.reason or "")
    assert proxy.dial(leaf).refusal() == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_a_reload_judges_live_connections_by_extensions_that_are_named_since(start, pki):
    leaf = pki.ca.leaf("named-since", extensions=(extension(b"\x0c\x06team/x"),))
    proxy = start(client(name="all", match=[{"any": True}]))
    held = proxy.connect(leaf)
    first = held.ask(TARGET)
    assert first.reason == f"Denied: no_rule for all (id {first.id})"
    assert "extensions" not in proxy.decision(first.id)["client"]
    proxy.reload(naming(text="team/*"), client(name="all", match=[{"any": True}]))
    then = held.ask(TARGET)
    assert then.reason == f"Denied: no_rule for chosen (id {then.id})"
    assert proxy.decision(then.id)["client"]["extensions"] == [
        {"oid": OID, "der": "0c067465616d2f78", "text": "team/x"}
    ]
    other = proxy.ask(TARGET, pki.ca.leaf("without-it"))
    assert proxy.decision(other.id)["client"]["extensions"] == [{"oid": OID}]


# -- policies -------------------------------------------------------------------------------------

# What an intermediate asserts -> whether its leaf has the policy.
INTERMEDIATES = {
    "the policy": ((policies(QUALIFIED_DER),), True),
    "any policy": ((policies(ANY_DER),), True),
    "another policy": ((policies(OTHER_DER),), False),
    "nothing": ((), False),
    "any policy, and inhibits it": ((policies(ANY_DER), ("2.5.29.54", b"\x02\x01\x05", True)), False),
    "the policy, and maps it": (
        (policies(QUALIFIED_DER), ("2.5.29.33", b"\x30\x0a\x30\x08\x06\x02\x2a\x03\x06\x02\x2a\x04", True)),
        False,
    ),
}


@pytest.mark.parametrize("asserts", INTERMEDIATES)
def test_a_policy_counts_if_each_intermediate_has_it(start, pki, asserts):
    extensions, counts = INTERMEDIATES[asserts]
    issuer = pki.authority(f"Issuing {asserts}", issuer=pki.ca, extensions=extensions)
    leaf = issuer.leaf("partner", extensions=(policies(QUALIFIED_DER),), sends=(issuer,))
    proxy = start(client(name="partners", match=[{"policies": [QUALIFIED]}]), client(name="all", match=[{"any": True}]))
    answer = proxy.ask(TARGET, leaf)
    assert answer.reason == f"Denied: no_rule for {'partners' if counts else 'all'} (id {answer.id})"
    assert proxy.decision(answer.id)["client"]["policies"] == ([QUALIFIED] if counts else [])


def test_a_certificate_that_has_a_policy_twice_is_refused(start, pki):
    twice = policies(QUALIFIED_DER, QUALIFIED_DER)
    issuer = pki.authority("Issuing twice", issuer=pki.ca, extensions=(twice,))
    proxy = start(client(name="partners", match=[{"policies": [QUALIFIED]}]))
    proxy.dial(pki.ca.leaf("twice", extensions=(twice,))).refusal()
    proxy.audit.wait("handshake_refused", reason="bad_certificate")
    leaf = issuer.leaf("below", extensions=(policies(QUALIFIED_DER),), sends=(issuer,))
    assert proxy.dial(leaf).refusal() == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_critical_statements_are_understood_while_the_config_names_some(start, pki):
    leaf = pki.ca.leaf("qualified", extensions=(statements(OTHER_DER, critical=True),))
    proxy = start(client(name="chosen", match=[{"qc": ["1.2.3"]}]))
    held = proxy.connect(leaf)
    first = held.ask(TARGET)
    assert first.reason == f"Denied: no_rule for chosen (id {first.id})"
    assert proxy.decision(first.id)["client"]["qc"] == ["1.2.3"]
    proxy.reload(client(name="all", match=[{"any": True}]))
    assert proxy.dial(leaf).refusal() == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_check_cert_shows_the_extensions_that_it_is_told_of_and_takes_critical_ones(pki):
    leaf = pki.ca.leaf("shown", extensions=((OID, b"\x0c\x06team/x", True), policies(QUALIFIED_DER)))
    chain = ("check-cert", "--ca", pki.ca.path, "--chain", leaf.chain)
    assert json.loads(run(*chain).stdout)["reason"] == "bad_certificate"
    said = json.loads(run(*chain, "--extension", OID, "--extension", "2.5.29.32").stdout)
    assert said["result"] == "accept", said
    [shown] = said["identity"]["extensions"]
    assert (shown["oid"], shown["text"]) == (OID, "team/x")
    assert said["identity"]["policies"] == [QUALIFIED]


@pytest.mark.parametrize("options", [("--extension", "x"), [f"--extension=1.2.{number}" for number in range(9)]])
def test_check_cert_takes_no_more_oids_than_a_configuration(pki, options):
    leaf = pki.ca.leaf("plain")
    said = run("check-cert", "--ca", pki.ca.path, "--chain", leaf.chain, *options)
    assert said.returncode == 2 and "--extension" in said.stderr
