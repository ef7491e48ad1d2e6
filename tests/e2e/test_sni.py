"""Several certificates on a listener, and server names with their own trust and certificates."""

import json
import re
import ssl
import subprocess

import pytest

from support.config import base_config, client, listener_of, reach, write_config
from support.pki import SERVER_AUTH
from support.proxy import run
from support.scale import PATIENCE
from support.wire import only

pytestmark = pytest.mark.protocols("h1", "h2", repeats="handshakes")

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
# What a client says that can verify one kind of key only.
KINDS = {"p256": "ECDSA+SHA256", "rsa2048": "rsa_pss_rsae_sha256:RSA+SHA256"}
DENIED = "nowhere.test:443"


def served(leaf):
    return {"chain": leaf.chain, "key": leaf.key}


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def partners(pki):
    return pki.authority("Partners CA")


def leaf(pki, name, key="p256", dns=None):
    return pki.server_ca.leaf(name, dns=dns or (name,), usages=(SERVER_AUTH,), key=key)


def listener(pki, *certificates, **more):
    certificates = certificates or (pki.server,)
    return listener_of(pki, certificates=[served(one) for one in certificates], **more)


def der(leaf):
    return ssl.PEM_cert_to_DER_cert(open(leaf.chain, encoding="ascii").read())


def hello(proxy, server_name, *options):
    """What openssl tells about a handshake, of which only the beginning has to succeed."""
    name = ["-servername", server_name] if server_name else ["-noservername"]
    place = "{}:{}".format(*proxy.address)
    command = ["openssl", "s_client", "-connect", place, *name, *options]
    result = subprocess.run(
        command, input="", capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return result.stdout + result.stderr


def certificate_in(text):
    """The first certificate in what openssl has told; None: there is none."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if begin not in text:
        return None
    body = text.split(begin, 1)[1].split(end, 1)[0]
    return ssl.PEM_cert_to_DER_cert(begin + body + end + "\n")


def certificate_for(proxy, server_name=None, *options):
    """The certificate that a client gets which asks for this name, and cares for nothing else."""
    text = hello(proxy, server_name, *options)
    got = certificate_in(text)
    assert got is not None, text
    return got


def partner_sni(pki, partners, **more):
    """A listener for staff where the name partners.test is for partners."""
    sni = {"names": ["partners.test", "*.partners.test"], "trust": "partners", **more}
    own = leaf(pki, "proxy.test", dns=("proxy.test", "partners.test", "*.partners.test"))
    return {
        "listeners": [listener(pki, own, sni=[sni])],
        "trust": {"staff": {"ca": [pki.ca.path]}, "partners": {"ca": [partners.path]}},
    }


def match(trust):
    return [{"any": True, "trust": trust}]


# -- certificates -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("order", [("p256", "rsa2048"), ("rsa2048", "p256")], ids=["ec", "rsa"])
@pytest.mark.parametrize("name", ["proxy.test", "other.test", None])
def test_of_several_with_the_same_names_the_first_that_the_client_can_verify_is_served(
    start, pki, version, order, name
):
    certificates = [leaf(pki, "proxy.test", key) for key in order]
    proxy = start(listeners=[listener(pki, *certificates)])
    assert certificate_for(proxy, name, version) == der(certificates[0])
    for key, signatures in KINDS.items():
        got = certificate_for(proxy, name, version, "-sigalgs", signatures)
        assert got == der(certificates[order.index(key)]), signatures


def test_in_tls_1_2_the_cipher_suite_has_to_fit_the_key(start, pki):
    certificates = [leaf(pki, "proxy.test", key) for key in ("p256", "rsa2048")]
    proxy = start(listeners=[listener(pki, *certificates)])
    got = certificate_for(proxy, None, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    assert got == der(certificates[1])


def test_a_certificate_is_chosen_by_the_name_asked_for(start, pki):
    first = leaf(pki, "proxy.test")
    exact = leaf(pki, "second.test")
    wild = leaf(pki, "wild.test", dns=("*.wild.test",))
    proxy = start(listeners=[listener(pki, first, exact, wild)])
    wanted = {
        "proxy.test": first,
        "second.test": exact,
        "SECOND.test": exact,
        "a.wild.test": wild,
        "a.b.wild.test": first,
        "wild.test": first,
        "unknown.test": first,
        None: first,
    }
    for name, expected in wanted.items():
        assert certificate_for(proxy, name) == der(expected), name


def test_a_certificate_with_another_name_is_not_served_for_its_key_alone(start, pki):
    first, second = leaf(pki, "proxy.test"), leaf(pki, "second.test", "rsa2048")
    proxy = start(listeners=[listener(pki, first, second)])
    text = hello(proxy, "proxy.test", "-tls1_3", "-sigalgs", KINDS["rsa2048"])
    # BoringSSL shows the one that fits the name, or, since 2024, none that the client cannot use.
    assert certificate_in(text) == der(first) or "alert handshake failure" in text, text


# -- trust ------------------------------------------------------------------------------------


@VERSIONS
def test_a_name_with_its_own_trust_lets_its_own_clients_in(start, pki, partners, server, version):
    rules = reach("origin.test", server.port)
    proxy = start(
        client(rules, name="staff", match=match("staff")),
        client(rules, name="partners", match=match("partners")),
        **partner_sni(pki, partners),
    )
    visits = {
        "proxy.test": ("staff", pki.worker),
        "partners.test": ("partners", partners.leaf("partner-1")),
        "eu.partners.test": ("partners", partners.leaf("partner-1")),
    }
    for name, (trust, identity) in visits.items():
        place = f"origin.test:{server.port}"
        tunnel = proxy.tunnel(place, identity, server_name=name, **only(version))
        tunnel.echo(b"hello")
        recorded = proxy.decision(tunnel.id)["client"]
        assert (recorded["name"], recorded["trust"]) == (trust, trust)


@VERSIONS
@pytest.mark.parametrize("name", ["partners.test", "eu.partners.test"])
def test_a_client_of_the_listeners_trust_is_refused_on_a_name_with_another(
    start, pki, partners, version, name
):
    proxy = start(**partner_sni(pki, partners))
    refusal = proxy.dial(server_name=name, **only(version)).refusal()
    assert refusal == "TLSV1_ALERT_UNKNOWN_CA"
    proxy.audit.wait("handshake_refused", reason="unknown_ca")


@VERSIONS
@pytest.mark.parametrize("name", ["proxy.test", None, "xpartners.test"])
def test_a_client_of_a_names_trust_is_refused_elsewhere(start, pki, partners, version, name):
    config = partner_sni(pki, partners)
    names = ("proxy.test", "xpartners.test")
    config["listeners"][0]["certificates"] = [served(leaf(pki, "proxy.test", dns=names))]
    proxy = start(**config)
    dialled = proxy.dial(partners.leaf("partner-1"), server_name=name, **only(version))
    assert dialled.refusal() == "TLSV1_ALERT_UNKNOWN_CA"
    proxy.audit.wait("handshake_refused", reason="unknown_ca")


@VERSIONS
def test_no_certificate_is_refused_on_every_name(start, pki, partners, version):
    proxy = start(**partner_sni(pki, partners))
    for name in ("proxy.test", "partners.test"):
        assert "ALERT" in proxy.dial(None, server_name=name, **only(version)).refusal()
    proxy.audit.wait_count(2, "handshake_refused", reason="no_certificate")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_names_of_the_cas_asked_for_are_those_of_the_name(start, pki, partners, version):
    proxy = start(**partner_sni(pki, partners))
    for name, ca in {"proxy.test": "Clients CA", "partners.test": "Partners CA"}.items():
        text = hello(proxy, name, version)
        listed = text.split("Acceptable client certificate CA names")[1].split("Requested")[0]
        listed = [line for line in listed.splitlines() if "CN" in line]
        assert len(listed) == 1 and ca in listed[0], text


@VERSIONS
def test_the_lowest_version_holds_for_every_name(start, pki, partners, version):
    config = partner_sni(pki, partners)
    config["listeners"][0]["tls"] = {"min": "1.3"}
    proxy = start(**config)
    dialled = proxy.dial(partners.leaf("partner-1"), server_name="partners.test", **only(version))
    if version == TLS12:
        assert "PROTOCOL_VERSION" in dialled.refusal()
    else:
        dialled.handshake().ask(DENIED)


def test_an_entry_can_have_its_own_certificate_and_the_listeners_trust(start, pki):
    own = leaf(pki, "second.test")
    entry = {"names": ["second.test"], "certificates": [served(own)]}
    proxy = start(listeners=[listener(pki, sni=[entry])])
    assert certificate_for(proxy, "second.test") == der(own)
    assert certificate_for(proxy, "proxy.test") == der(pki.server)
    assert proxy.connect(server_name="second.test").ask(DENIED).status == 403


def test_an_exact_name_goes_before_a_wildcard_and_a_longer_wildcard_before_a_shorter(start, pki):
    certificates = {name: leaf(pki, name) for name in ("short.test", "long.test", "exact.test")}
    names = {"short.test": "*.test", "long.test": "*.a.test", "exact.test": "x.a.test"}
    entries = [
        {"names": [names[name]], "certificates": [served(certificates[name])]} for name in names
    ]
    proxy = start(listeners=[listener(pki, sni=entries)])
    wanted = {"b.test": "short.test", "y.a.test": "long.test", "x.a.test": "exact.test"}
    for asked, expected in wanted.items():
        assert certificate_for(proxy, asked) == der(certificates[expected])


# -- reload -----------------------------------------------------------------------------------


def test_a_name_that_changes_its_trust_ends_the_tunnels_of_those_it_no_longer_trusts(
    start, pki, partners, server
):
    rules = reach("origin.test", server.port)
    config = partner_sni(pki, partners)
    both = [client(rules, name=name, match=match(name)) for name in ("staff", "partners")]
    proxy = start(*both, **config)
    place = f"origin.test:{server.port}"
    partner = proxy.tunnel(place, partners.leaf("partner-1"), server_name="partners.test")
    worker = proxy.tunnel(place)
    config["listeners"][0]["sni"][0]["trust"] = "staff"
    proxy.reload(listeners=config["listeners"])
    proxy.assert_closed(partner.id, "policy_changed")
    worker.echo(b"untouched")


# -- configuration ----------------------------------------------------------------------------

MISTAKES = {
    "a name twice in an entry": ([{"names": ["a.test", "A.test"]}], "appears twice"),
    "a name in two entries": ([{"names": ["a.test"]}, {"names": ["a.test"]}], "appears twice"),
    "a wildcard twice": ([{"names": ["*.a.test"]}, {"names": ["*.a.test"]}], "appears twice"),
    "no names": ([{"trust": "staff"}], "no `names`"),
    "an empty list of names": ([{"names": [], "trust": "staff"}], "empty"),
    "every name": ([{"names": ["*"], "trust": "staff"}], "not a server name"),
    "an address": ([{"names": ["192.0.2.1"], "trust": "staff"}], "address"),
    "a wildcard in the middle": ([{"names": ["a.*.test"], "trust": "staff"}], r"\*"),
    "an unknown profile": ([{"names": ["a.test"], "trust": "stafff"}], "did you mean"),
    "an unknown key": ([{"names": ["a.test"], "tls": {}}], "tls"),
    "a file that is not there": (
        [{"names": ["a.test"], "certificates": [{"chain": "no.crt", "key": "no.key"}]}],
        "No such file",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_sni_is_found(tmp_path, pki, mistake):
    entries, expected = MISTAKES[mistake]
    path = tmp_path / "sallyport.yaml"
    config = {**base_config(pki, "127.0.0.1:53"), "listeners": [listener(pki, sni=entries)]}
    write_config(path, config)
    result = run("check", "-c", path)
    assert result.returncode == 3, result.stdout + result.stderr
    assert re.search(expected, result.stdout + result.stderr), result.stdout + result.stderr


def test_check_lists_the_other_names_and_certificates(tmp_path, pki):
    """What a listener serves under which name, with whose trust."""
    path = tmp_path / "sallyport.yaml"
    config = base_config(pki, "127.0.0.1:53")
    other = pki.server_ca.leaf("also.test", dns=("also.test",), usages=(SERVER_AUTH,))
    pair = {"chain": other.chain, "key": other.key}
    config["listeners"][0]["certificates"].append(pair)
    config["listeners"][0]["sni"] = [
        {"names": ["partners.test", "*.partners.test"], "trust": "partners", "certificates": [pair]}
    ]
    config["trust"]["partners"] = {"ca": [pki.authority("Partners CA").path]}
    write_config(path, config)
    said = run("check", "-c", path).stdout
    assert "also the certificate of CN=also.test (" in said, said
    assert f"as partners.test *.partners.test: trust partners, certificate {other.chain}" in said
    (entry,) = json.loads(run("check", "-c", path, "--json").stdout)["summary"]["listeners"][0][
        "sni"
    ]
    assert entry["names"] == ["partners.test", "*.partners.test"]
    assert (entry["trust"], entry["chain"]) == ("partners", other.chain)
    assert entry["days_left"] in (29, 30)  # issued for thirty, seconds or minutes ago


def test_check_warns_of_anonymous_clients_whom_no_listener_lets_in(tmp_path, pki):
    path = tmp_path / "sallyport.yaml"
    config = base_config(pki, "127.0.0.1:53")
    config["clients"] = [{"name": "strangers", "match": [{"anonymous": True}], "allow": []}]
    for wanted, is_warned in (("required", True), ("optional", False)):
        config["listeners"][0]["client_certificate"] = wanted
        write_config(path, config)
        result = run("check", "-c", path)
        warned = "every listener requires a certificate" in result.stdout + result.stderr
        assert warned is is_warned, result
