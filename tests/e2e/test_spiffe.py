"""Trust domains: a profile that is bound to one accepts no SPIFFE ID of another, at the front door, with a ticket, and
after a reload."""

import base64
import json
import os
import signal
import ssl

import pytest

from support.config import base_config, client, merge, reach, write_config
from support.pki import write_bundle
from support.proxy import run
from support.wire import Ending, only

pytestmark = pytest.mark.protocols("h1", "h2")

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
DENIED = "nowhere.test:443"
EVERYBODY = [{"any": True}]


def bound(domain):
    return {"staff": {"spiffe": domain}}


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


def place(server):
    return f"origin.test:{server.port}"


def svid(pki, *uris, name="svid"):
    return pki.ca.leaf(name, uri=uris)


def assert_wrong(proxy, identity, domain="example.org", **options):
    """Whatever it asks is answered with a 403 that names the domain, and no decision is made."""
    answer = proxy.ask(DENIED, identity, **options)
    assert answer.status == 403 and "wrong_trust_domain" in answer.reason, answer
    assert f"trust domain {domain}," in answer.body.decode()
    record = proxy.audit.wait("handshake_refused", reason="wrong_trust_domain", id=answer.id)
    assert f"trust domain {domain}," in record["detail"]
    assert not proxy.audit.records("decision", id=answer.id)
    return record


@VERSIONS
def test_an_id_of_the_domain_is_let_in(start, server, pki, version):
    proxy = start(
        client(reach("origin.test", server.port), match=[{"uri": "spiffe://example.org/a"}]), trust=bound("example.org")
    )
    proxy.tunnel(place(server), svid(pki, "spiffe://example.org/a"), **only(version)).echo(b"hello")


@VERSIONS
def test_an_id_of_another_domain_fits_nothing_and_reads_why(start, server, pki, version):
    proxy = start(client(reach("origin.test", server.port), match=EVERYBODY, mode="open"), trust=bound("example.org"))
    record = assert_wrong(proxy, svid(pki, "spiffe://example.net/a"), **only(version))
    assert record["presented"]["san_uri"] == ["spiffe://example.net/a"]


ODD = {
    "no path": ["spiffe://example.org"],
    "a port": ["spiffe://example.org:443/a"],
    "upper case": ["spiffe://EXAMPLE.org/a"],
    "the scheme in upper case": ["SPIFFE://example.org/a"],
    "an empty segment": ["spiffe://example.org//a"],
    "a dot segment": ["spiffe://example.org/a/../b"],
    "a query": ["spiffe://example.org/a?b"],
    "two IDs": ["spiffe://example.org/a", "spiffe://example.org/b"],
    "another URI beside it": ["spiffe://example.org/a", "https://example.org/a"],
}


@pytest.mark.parametrize("kind", ODD)
def test_an_id_that_is_not_well_formed_fits_nothing(start, pki, kind):
    proxy = start(client(match=EVERYBODY), trust=bound("example.org"))
    assert_wrong(proxy, svid(pki, *ODD[kind], name=kind.replace(" ", "-")))


def test_a_certificate_without_an_id_is_judged_as_ever(start, server, pki):
    proxy = start(client(reach("origin.test", server.port), match=[{"cn": "svid"}]), trust=bound("example.org"))
    proxy.tunnel(place(server), svid(pki, "https://example.net/a")).echo(b"hello")


@pytest.mark.protocols("h1")
def test_a_client_that_sends_no_request_is_told_after_its_first_bytes(start, pki):
    proxy = start(client(match=EVERYBODY), trust=bound("example.org"))
    requester = proxy.connect(svid(pki, "spiffe://example.net/a"))
    requester.send(b"nonsense\r\n\r\n")
    assert requester.read_answer().status == 403
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)


@VERSIONS
def test_a_ticket_from_before_the_binding_opens_nothing(start, pki, version):
    leaf = svid(pki, "spiffe://example.net/a")
    proxy = start(client(match=EVERYBODY))
    first = proxy.connect(leaf, **only(version))
    assert "no_rule" in first.ask(DENIED).reason
    session = first.tls.session
    first.close()
    proxy.reload(trust=bound("example.org"))
    again = proxy.dial(leaf, session=session, **only(version)).handshake()
    assert not again.tls.session_reused
    assert "wrong_trust_domain" in again.ask(DENIED).reason


@VERSIONS
def test_a_refused_client_has_no_session_to_resume(start, pki, version):
    leaf = svid(pki, "spiffe://example.net/a")
    proxy = start(client(match=EVERYBODY), trust=bound("example.org"))
    first = proxy.connect(leaf, **only(version))
    assert first.ask(DENIED).status == 403
    again = proxy.dial(leaf, session=first.tls.session, **only(version)).handshake()
    assert again.ask(DENIED).status == 403
    assert not again.tls.session_reused
    assert not proxy.audit.records("decision")


def test_a_reload_with_another_domain_ends_tunnels_and_requests(start, server, pki):
    everybody = client(reach("origin.test", server.port), match=EVERYBODY)
    one, other = svid(pki, "spiffe://example.org/a", name="one"), svid(pki, "spiffe://example.net/a", name="other")
    proxy = start(everybody, trust=bound("example.org"))
    tunnel, waiting = proxy.tunnel(place(server), one), proxy.connect(one)
    assert "no_rule" in waiting.ask(DENIED).reason
    proxy.reload(trust=bound("example.net"))
    assert tunnel.read_to_end()[1] is Ending.RESET
    proxy.assert_closed(tunnel.id, "policy_changed")
    proxy.assert_cut_off(waiting, DENIED, "wrong_trust_domain")
    assert_wrong(proxy, one, "example.net")
    proxy.tunnel(place(server), other).echo(b"hello")


def test_a_reload_with_the_same_domain_ends_nothing(start, server, pki):
    proxy = start(client(reach("origin.test", server.port), match=EVERYBODY))
    tunnel = proxy.tunnel(place(server), svid(pki, "spiffe://example.org/a"))
    proxy.reload(trust=bound("example.org"))
    tunnel.echo(b"hello")


def test_explain_says_what_the_handshake_would_say(pki, tmp_path):
    path = tmp_path / "sallyport.yaml"
    changes = {"clients": [client(match=EVERYBODY)], "trust": bound("example.org")}
    write_config(path, merge(base_config(pki, "127.0.0.1:53"), changes))
    leaf = svid(pki, "spiffe://example.net/a")
    for who in (("--as", "uri:spiffe://example.net/a"), ("--cert", leaf.chain)):
        said = run("explain", "-c", path, *who, "--to", "a.test:443")
        assert said.returncode == 1
        assert "the handshake would be refused: wrong_trust_domain: " in said.stdout
        assert "example.org" in said.stdout


def test_check_cert_has_the_same_key(pki):
    leaf = svid(pki, "spiffe://example.net/a")
    for domain, status, reason in (("example.net", 0, "accepted"), ("example.org", 1, "wrong_trust_domain")):
        said = run("check-cert", "--ca", pki.ca.path, "--chain", leaf.chain, "--spiffe", domain)
        assert (said.returncode, json.loads(said.stdout)["reason"]) == (status, reason)
    assert run("check-cert", "--ca", pki.ca.path, "--chain", leaf.chain, "--spiffe", "A").returncode == 2


# -- SPIFFE bundles -------------------------------------------------------------------------------


def of_bundle(path):
    return {"staff": {"ca": [path], "spiffe": "example.org"}}


def test_a_bundle_is_a_file_of_cas(start, server, pki, tmp_path):
    path = write_bundle(tmp_path / "bundle.json", pki.ca)
    proxy = start(client(reach("origin.test", server.port), match=EVERYBODY), trust=of_bundle(path))
    proxy.tunnel(place(server), svid(pki, "spiffe://example.org/a")).echo(b"hello")
    assert_wrong(proxy, svid(pki, "spiffe://example.net/a", name="other"))
    stranger = pki.authority("Stranger CA").leaf("stranger", uri=("spiffe://example.org/a",))
    assert "UNKNOWN_CA" in proxy.dial(stranger).refusal()


def test_a_ca_that_comes_and_goes_in_a_bundle_is_noticed(start, server, pki, tmp_path):
    other = pki.authority("Rotated CA")
    new, old = other.leaf("new", uri=("spiffe://example.org/a",)), svid(pki, "spiffe://example.org/a")
    path = tmp_path / "bundle.json"
    write_bundle(path, pki.ca)
    proxy = start(client(reach("origin.test", server.port), match=EVERYBODY), trust=of_bundle(str(path)))
    assert "UNKNOWN_CA" in proxy.dial(new).refusal()
    ending = proxy.tunnel(place(server), old)
    write_bundle(path, pki.ca, other)
    proxy.stderr.wait("reloaded: .* generation 1$")
    staying = proxy.tunnel(place(server), new)
    ending.echo(b"hello")
    write_bundle(path, other)
    proxy.assert_closed(ending.id, "policy_changed")
    staying.echo(b"hello")


def test_a_ca_that_leaves_a_bundle_goes_also_while_reloads_are_rejected(start, server, pki, tmp_path):
    other = pki.authority("Remaining CA")
    path = tmp_path / "bundle.json"
    write_bundle(path, pki.ca, other)
    proxy = start(client(reach("origin.test", server.port), match=EVERYBODY), trust=of_bundle(str(path)))
    ending = proxy.tunnel(place(server), svid(pki, "spiffe://example.org/a"))
    proxy.config_path.write_text("version: 1\nnonsense: 1\n")
    write_bundle(path, other)
    proxy.send_signal(signal.SIGHUP)
    proxy.assert_closed(ending.id, "policy_changed")


def test_a_broken_bundle_keeps_the_old_state_and_says_which_key(start, server, pki, tmp_path):
    path = tmp_path / "bundle.json"
    write_bundle(path, pki.ca)
    proxy = start(client(reach("origin.test", server.port), match=EVERYBODY), trust=of_bundle(str(path)))
    write_bundle(path)
    proxy.stderr.wait("reload failed, the old configuration")
    path.write_text('{"keys": [{"kty": "EC", "use": "x509-svid", "x5c": ["AA", "AA"]}]}')
    proxy.stderr.wait("`ca`: .*bundle.json: key 1 of the SPIFFE bundle: `x5c` is no list of exactly one certificate")
    proxy.tunnel(place(server), svid(pki, "spiffe://example.org/a")).echo(b"hello")


def test_check_cert_takes_a_bundle(pki, tmp_path):
    path = write_bundle(tmp_path / "bundle.json", pki.ca)
    said = run("check-cert", "--ca", path, "--chain", svid(pki, "spiffe://example.org/a").chain)
    assert json.loads(said.stdout)["result"] == "accept"
