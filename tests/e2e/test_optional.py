"""Listeners where a client may be nobody: anonymous is who shows no certificate, and nobody else."""

import ssl

import pytest

from support.config import base_config, client, reach
from support.pki import SERVER_AUTH
from support.http2 import Http2
from support.wire import Ending, connect_head, only

pytestmark = pytest.mark.protocols("h1", "h2")

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
DENIED = "nowhere.test:443"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def listeners(pki):
    base = base_config(pki, "127.0.0.1:53")["listeners"][0]
    return [{**base, "client_certificate": "optional"}]


def place(server):
    return f"origin.test:{server.port}"


def anonymous(server, **more):
    rules = reach("origin.test", server.port)
    return client(rules, name="nobody", match=[{"anonymous": True}], **more)


@VERSIONS
def test_a_client_without_certificate_is_anonymous(start, listeners, server, version):
    proxy = start(anonymous(server), listeners=listeners)
    tunnel = proxy.tunnel(place(server), None, **only(version))
    tunnel.echo(b"hello")
    recorded = proxy.decision(tunnel.id)["client"]
    assert recorded["name"] == "nobody" and recorded["san_uri"] == []
    for key in "trust subject cn serial issuer sha256 not_after".split():
        assert recorded[key] is None, key


@VERSIONS
def test_a_client_with_a_certificate_is_itself(start, pki, listeners, server, version):
    proxy = start(
        anonymous(server), client(reach("origin.test", server.port)), listeners=listeners
    )
    tunnel = proxy.tunnel(place(server), **only(version))
    recorded = proxy.decision(tunnel.id)["client"]
    assert (recorded["name"], recorded["sha256"]) == ("workers", pki.worker.sha256)


@VERSIONS
def test_a_certificate_does_not_fit_anonymous(start, listeners, server, version):
    proxy = start(anonymous(server), listeners=listeners)
    requester = proxy.connect(**only(version))
    proxy.assert_refused(requester.ask(place(server)), 403, "no_client")


@VERSIONS
@pytest.mark.parametrize("match", [{"any": True}, {"cn": "worker-1"}, {"any": True, "trust": "staff"}])
def test_nobody_fits_nothing_but_anonymous(start, listeners, server, version, match):
    proxy = start(client(reach("origin.test", server.port), match=[match]), listeners=listeners)
    requester = proxy.connect(None, **only(version))
    proxy.assert_refused(requester.ask(place(server)), 403, "no_client")


@VERSIONS
def test_a_bad_certificate_is_refused_and_not_anonymous(start, pki, listeners, server, version):
    proxy = start(anonymous(server), listeners=listeners)
    bad = {
        "expired": pki.ca.leaf("late", begins=-20, ends=-1),
        "unknown_ca": pki.authority("Other CA").leaf("stranger"),
        "bad_purpose": pki.ca.leaf("server-only", usages=(SERVER_AUTH,)),
    }
    for reason, leaf in bad.items():
        assert "ALERT" in proxy.dial(leaf, **only(version)).refusal()
        proxy.audit.wait("handshake_refused", reason=reason)
    assert not proxy.audit.records("decision")


@VERSIONS
def test_anonymous_is_refused_on_a_required_listener_beside_it(start, listeners, server, version):
    required = {**listeners[0], "name": "strict", "client_certificate": "required"}
    proxy = start(anonymous(server), listeners=[*listeners, required])
    assert "ALERT" in proxy.dial(None, listener="strict", **only(version)).refusal()
    proxy.audit.wait("handshake_refused", reason="no_certificate", listener="strict")


@VERSIONS
def test_an_sni_entry_is_as_optional_as_its_listener(start, pki, listeners, server, version):
    own = pki.server_ca.leaf("b.test", dns=("b.test",), usages=(SERVER_AUTH,))
    entry = {"names": ["b.test"], "certificates": [{"chain": own.chain, "key": own.key}]}
    for need, is_in in (("optional", True), ("required", False)):
        listener = {**listeners[0], "client_certificate": need, "sni": [entry]}
        proxy = start(anonymous(server), listeners=[listener])
        dialled = proxy.dial(None, server_name="b.test", **only(version))
        if is_in:
            assert dialled.handshake().ask(place(server)).status == 200
        else:
            assert "ALERT" in dialled.refusal()


def test_sources_hold_for_anonymous_too(start, listeners, server):
    proxy = start(anonymous(server, sources=["192.0.2.0/24"]), listeners=listeners)
    answer = proxy.ask(place(server), None)
    proxy.assert_refused(answer, 403, "source_not_allowed")


def test_a_listener_that_becomes_required_ends_anonymous_tunnels(start, listeners, server):
    proxy = start(
        anonymous(server), client(reach("origin.test", server.port)), listeners=listeners
    )
    idle = proxy.connect(None)
    assert idle.ask(DENIED).status == 403
    nobody, somebody = proxy.tunnel(place(server), None), proxy.tunnel(place(server))
    proxy.reload(listeners=[{**listeners[0], "client_certificate": "required"}])
    proxy.assert_closed(nobody.id, "policy_changed")
    somebody.echo(b"untouched")
    proxy.assert_cut_off(idle, place(server), "no_certificate")


def test_a_reload_that_changes_nothing_for_them_leaves_anonymous_tunnels(start, listeners, server):
    proxy = start(anonymous(server), listeners=listeners)
    tunnel = proxy.tunnel(place(server), None)
    proxy.reload(anonymous(server, sources=["127.0.0.0/8"]))
    tunnel.echo(b"hello")
    tunnel.exchange(1000)


@VERSIONS
def test_an_anonymous_session_is_resumed_as_anonymous(start, listeners, server, version):
    proxy = start(anonymous(server), listeners=listeners)
    first = proxy.connect(None, **only(version))
    first.ask(DENIED)
    again = proxy.dial(None, session=first.tls.session, **only(version)).handshake()
    record = proxy.decision(again.ask(place(server)).id)
    assert record["tls"]["resumed"] and record["client"]["name"] == "nobody"


@VERSIONS
def test_an_anonymous_ticket_is_worth_nothing_once_a_certificate_is_required(
    start, listeners, server, version
):
    proxy = start(anonymous(server), listeners=listeners)
    first = proxy.connect(None, **only(version))
    first.ask(DENIED)
    proxy.reload(listeners=[{**listeners[0], "client_certificate": "required"}])
    dialled = proxy.dial(None, session=first.tls.session, **only(version))
    assert "ALERT" in dialled.refusal()
    proxy.audit.wait("handshake_refused", reason="no_certificate")


@VERSIONS
def test_the_ticket_of_a_certificate_that_was_taken_away_does_not_make_anonymous(
    start, pki, listeners, server, version
):
    proxy = start(anonymous(server), listeners=listeners)
    first = proxy.connect(**only(version))
    first.ask(DENIED)
    proxy.reload(trust={"staff": {"ca": [pki.authority("Other CA").path]}})
    dialled = proxy.dial(session=first.tls.session, **only(version))
    assert "ALERT" in dialled.refusal()
    proxy.audit.wait("handshake_refused", reason="unknown_ca")


# -- refuse_with: http ------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BAD = {
    "no_certificate": lambda pki: None,
    "expired": lambda pki: pki.ca.leaf("late", begins=-20, ends=-1),
    "unknown_ca": lambda pki: pki.authority("Other CA").leaf("stranger"),
    "bad_purpose": lambda pki: pki.ca.leaf("server-only", usages=(SERVER_AUTH,)),
    "bad_signature": lambda pki: pki.ca.leaf("tampered", tampered=True),
}


@pytest.fixture
def in_http(listeners):
    return [{**listeners[0], "client_certificate": "required", "refuse_with": "http"}]


def everything(server):
    """Clients for whom nothing is denied."""
    rules = reach("origin.test", server.port)
    return client(rules, name="all", match=[{"any": True}, {"anonymous": True}])


def assert_told(proxy, refused, reason):
    """One answer with the reason, and the end; one record, with the same id."""
    answer = refused.read_answer()
    assert answer.status == 403 and f": {reason} " in answer.reason, answer
    assert refused.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    record = proxy.audit.wait("handshake_refused", reason=reason)
    assert record["id"] == answer.id
    assert len(proxy.audit.records()) == 1


@VERSIONS
@pytest.mark.parametrize("reason", BAD)
def test_the_reason_is_told_in_http(start, pki, in_http, server, version, reason):
    proxy = start(everything(server), listeners=in_http)
    refused = proxy.connect(BAD[reason](pki), **only(version))
    refused.send(connect_head(place(server)) * 2)
    assert_told(proxy, refused, reason)
    assert not server.accepted


@pytest.mark.protocols("h1")
@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01junk\r\n\r\n", b"A" * 40000],
    ids=["get", "junk", "too long"],
)
def test_whatever_is_asked_the_answer_is_the_same(start, in_http, server, request_bytes):
    proxy = start(everything(server), listeners=in_http)
    refused = proxy.connect(None)
    refused.send(request_bytes)
    assert_told(proxy, refused, "no_certificate")


@VERSIONS
@pytest.mark.parametrize("reason", BAD)
def test_the_reason_is_told_over_http_2(start, pki, in_http, server, version, reason):
    """Each request that has come is answered alike, and then the connection ends."""
    proxy = start(everything(server), listeners=in_http)
    refused = Http2(proxy.connect(BAD[reason](pki), alpn=("h2", "http/1.1"), **only(version)))
    flush, refused.flush = refused.flush, lambda: None
    streams = [refused.connect(place(server)), refused.get(place(server))]
    refused.flush = flush
    refused.flush()
    for stream in streams:
        assert stream.status == 403 and reason in stream.fields["proxy-status"]
        body, end = stream.read_to_end()
        assert reason in body.decode() and end == "end"
    refused.wait(lambda: refused.ended)
    assert refused.goaway == 0
    record = proxy.audit.wait("handshake_refused", reason=reason)
    assert {stream.fields["x-request-id"] for stream in streams} == {record["id"]}
    assert len(proxy.audit.records()) == 1 and not server.accepted


@pytest.mark.parametrize(
    "said",
    [b"", PREFACE, PREFACE + bytes.fromhex("000000040000000000"), PREFACE + b"\0\0\x40\x01\0\0\0\0\x01", b"GET / HTTP/1.1\r\n"],
    ids=["nothing", "preface", "settings", "part of a head", "no HTTP/2"],
)
def test_who_asks_nothing_over_http_2_is_closed(start, in_http, server, said):
    proxy = start(everything(server), listeners=in_http, timeouts={"request": "300ms"})
    refused = proxy.connect(None, alpn=("h2",))
    refused.send(said)
    assert refused.read_to_end()[1] is Ending.CLOSE_NOTIFY
    proxy.audit.wait("handshake_refused", reason="no_certificate")


def test_who_asks_nothing_is_closed_after_a_while(start, in_http, server):
    proxy = start(everything(server), listeners=in_http, timeouts={"request": "300ms"})
    refused = proxy.connect(None)
    assert refused.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    proxy.audit.wait("handshake_refused", reason="no_certificate")


@VERSIONS
def test_a_good_certificate_is_served_where_others_are_told_in_http(
    start, in_http, server, version
):
    proxy = start(everything(server), listeners=in_http)
    proxy.tunnel(place(server), **only(version)).echo(b"hello")


@VERSIONS
@pytest.mark.parametrize("reason", BAD)
def test_a_refused_client_has_no_session_to_resume(start, pki, in_http, server, version, reason):
    proxy = start(everything(server), listeners=in_http)
    leaf = BAD[reason](pki)
    first = proxy.connect(leaf, **only(version))
    first.send(connect_head(place(server)))
    first.read_answer()
    again = proxy.dial(leaf, session=first.tls.session, **only(version)).handshake()
    again.send(connect_head(place(server)))
    assert again.read_answer().status == 403
    assert not again.tls.session_reused
    assert not proxy.audit.records("decision")


@VERSIONS
def test_with_an_optional_certificate_only_a_bad_one_is_told(start, pki, in_http, server, version):
    listener = {**in_http[0], "client_certificate": "optional"}
    proxy = start(everything(server), listeners=[listener])
    proxy.tunnel(place(server), None, **only(version)).echo(b"hello")
    refused = proxy.connect(BAD["expired"](pki), **only(version))
    refused.send(connect_head(place(server)))
    assert refused.read_answer().status == 403
    proxy.audit.wait("handshake_refused", reason="expired")
