"""Who gets past the handshake, and how those are told who do not: by alert and by audit record."""

import socket
import ssl
import struct
import threading

import pytest
from cryptography import x509
from OpenSSL import SSL

from support.config import client, listener_of, reach
from support.control import CONTROL, Control
from support.pki import CLIENT_AUTH, SERVER_AUTH, days, now
from support.rawtls import HANDSHAKE_FAILURE, RawClient
from support.scale import count, eventually
from support.wire import Ending, only, speak_plain

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])


@VERSIONS
def test_a_good_certificate_opens_a_tunnel(start, dns, origin, version):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    tunnel = proxy.tunnel(f"origin.test:{server.port}", **only(version))
    tunnel.echo(b"hello")
    recorded = proxy.decision(tunnel.id)["tls"]
    assert recorded["version"] == {TLS12: "1.2", TLS13: "1.3"}[version]
    assert recorded["cipher"] == tunnel.tls.cipher()[0] or recorded["cipher"].startswith("TLS_")


# What is wrong with a leaf -> the reason recorded, and OpenSSL's name of the alert, where one fits.
DEFECTS = {
    "expired": (dict(begins=-20, ends=-1), "expired", "CERTIFICATE_EXPIRED"),
    "not yet valid": (dict(begins=1, ends=20), "not_yet_valid", None),
    "serverAuth only": (dict(usages=(SERVER_AUTH,)), "bad_purpose", None),
    "a usage that is neither": (
        dict(usages=(x509.oid.ExtendedKeyUsageOID.CODE_SIGNING,)),
        "bad_purpose",
        None,
    ),
    "a key that may not sign": (dict(signs=False), "bad_purpose", None),
    "a spoilt signature": (dict(tampered=True), "bad_signature", None),
    "RSA of 1024 bits": (dict(key="rsa1024"), "weak_key", None),
    "SHA-1": (dict(sha1=True), "weak_key", None),
}


@VERSIONS
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_bad_leaf_is_refused_with_its_reason(start, pki, defect, version):
    options, reason, alert = DEFECTS[defect]
    leaf = pki.ca.leaf("bad-" + defect.replace(" ", "-"), **options)
    proxy = start()
    refusal = proxy.dial(leaf, **only(version)).refusal()
    assert "ALERT" in refusal and (alert or "") in refusal, refusal
    record = proxy.audit.wait("handshake_refused")
    assert record["reason"] == reason
    if defect == "a key that may not sign" and version == TLS13:
        return  # BoringSSL refuses it before it keeps the certificate
    assert record["presented"]["cn"] == "bad-" + defect.replace(" ", "-")
    assert record["presented"]["serial"].lstrip("0") == leaf.serial.lstrip("0")


@VERSIONS
def test_no_certificate_is_refused(start, version):
    proxy = start()
    refusal = proxy.dial(None, **only(version)).refusal()
    expected = {
        TLS12: "SSLV3_ALERT_HANDSHAKE_FAILURE",
        TLS13: "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    }
    assert refusal == expected[version]
    record = proxy.audit.wait("handshake_refused", reason="no_certificate")
    assert record.get("presented") is None


@VERSIONS
def test_a_certificate_of_another_ca_is_refused(start, pki, version):
    proxy = start()
    stranger = pki.authority("Other CA").leaf("worker-1")
    assert proxy.dial(stranger, **only(version)).refusal() == "TLSV1_ALERT_UNKNOWN_CA"
    proxy.audit.wait("handshake_refused", reason="unknown_ca")


def test_a_self_signed_certificate_is_refused(start, pki):
    proxy = start()
    lonely = pki.authority("lonely")
    leaf = lonely.leaf("lonely", sends=(lonely,))
    assert "UNKNOWN_CA" in proxy.dial(leaf).refusal()
    proxy.audit.wait("handshake_refused", reason="unknown_ca")


def test_a_ca_of_the_same_name_is_another_ca(start, pki):
    proxy = start()
    impostor = pki.authority("Clients CA", label="impostor")
    leaf = impostor.leaf("worker-1", sends=(impostor,))
    assert "ALERT" in proxy.dial(leaf).refusal()
    record = proxy.audit.wait("handshake_refused")
    assert record["reason"] in ("unknown_ca", "bad_signature")


def test_a_chain_through_an_intermediate_is_good_when_it_is_sent(start, pki, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    middle = pki.authority("Middle CA", issuer=pki.ca)
    proxy.tunnel(f"origin.test:{server.port}", middle.leaf("below", sends=(middle,)))


def test_a_missing_intermediate_is_refused(start, pki):
    proxy = start()
    leaf = pki.authority("Middle CA", issuer=pki.ca).leaf("alone")
    assert "ALERT" in proxy.dial(leaf).refusal()
    record = proxy.audit.wait("handshake_refused")
    assert record["reason"] in ("missing_intermediate", "unknown_ca")


def test_an_intermediate_of_the_config_helps(start, pki, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    middle = pki.authority("Middle CA", issuer=pki.ca)
    proxy = start(
        client(reach("origin.test", server.port)),
        trust={"staff": {"intermediates": [middle.path]}},
    )
    proxy.tunnel(f"origin.test:{server.port}", middle.leaf("alone"))


def test_an_intermediate_of_the_config_is_no_anchor(start, pki):
    middle = pki.authority("Foreign Middle", issuer=pki.authority("Other CA"))
    proxy = start(trust={"staff": {"intermediates": [middle.path]}})
    assert "ALERT" in proxy.dial(middle.leaf("foreign")).refusal()
    proxy.audit.wait("handshake_refused")


def test_a_leaf_is_no_issuer(start, pki):
    """A client that signs another certificate with its own key gains nothing."""
    proxy = start()
    holder = pki.authority("worker-9", issuer=pki.ca, is_ca=False)
    assert "ALERT" in proxy.dial(holder.leaf("child", sends=(holder,))).refusal()
    proxy.audit.wait("handshake_refused")


def test_a_chain_deeper_than_max_depth_is_refused(start, pki):
    proxy = start(trust={"staff": {"max_depth": 1}})
    first = pki.authority("Depth 1", issuer=pki.ca)
    second = pki.authority("Depth 2", issuer=first)
    assert proxy.connect(first.leaf("shallow", sends=(first,)))
    assert "ALERT" in proxy.dial(second.leaf("deep", sends=(second, first))).refusal()
    proxy.audit.wait("handshake_refused", reason="chain_too_long")


def test_a_leaf_outside_the_name_constraints_is_refused(start, pki):
    constraints = x509.NameConstraints([x509.DNSName("inside.test")], None)
    narrow = pki.authority("Narrow CA", issuer=pki.ca, constraints=constraints)
    proxy = start()
    assert proxy.connect(narrow.leaf("in", dns=("a.inside.test",), sends=(narrow,)))
    outside = narrow.leaf("out", dns=("outside.test",), sends=(narrow,))
    assert "ALERT" in proxy.dial(outside).refusal()
    proxy.audit.wait("handshake_refused", reason="name_constraint")


def test_a_leaf_issued_for_longer_than_allowed_is_refused(start, pki):
    proxy = start(trust={"staff": {"max_lifetime": "10d"}})
    assert proxy.connect(pki.ca.leaf("short", ends=9))
    assert "ALERT" in proxy.dial(pki.ca.leaf("long", ends=11)).refusal()
    proxy.audit.wait("handshake_refused", reason="too_long_lived")


def test_more_certificates_than_a_chain_may_have_are_refused(start, pki):
    proxy = start()
    crowd = tuple(pki.authority(f"Crowd {n}") for n in range(17))
    assert "ALERT" in proxy.dial(pki.ca.leaf("crowd", sends=crowd)).refusal()
    proxy.audit.wait("handshake_refused", reason="work_limit")


@pytest.mark.parametrize("key", ["p384", "p521", "ed25519", "rsa2048"])
def test_every_key_of_the_list_is_good(start, pki, dns, origin, key):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    proxy.tunnel(f"origin.test:{server.port}", pki.ca.leaf("key-" + key, key=key))


def test_a_leaf_without_extended_key_usage_is_good(start, pki, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    proxy.tunnel(f"origin.test:{server.port}", pki.ca.leaf("any-use", usages=None))
    both = pki.ca.leaf("both", usages=(SERVER_AUTH, CLIENT_AUTH))
    proxy.tunnel(f"origin.test:{server.port}", both)


READABLE = {
    "no certificate": (lambda pki: None, "TLSV13_ALERT_CERTIFICATE_REQUIRED", "no_certificate"),
    "expired": (
        lambda pki: pki.ca.leaf("late", begins=-20, ends=-1),
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "expired",
    ),
    "unknown ca": (
        lambda pki: pki.authority("Other CA").leaf("worker-1"),
        "TLSV1_ALERT_UNKNOWN_CA",
        "unknown_ca",
    ),
}


@pytest.mark.parametrize("kind", READABLE)
def test_the_alert_is_readable_every_time(start, pki, kind):
    """A TLS 1.3 client has sent its request before it is refused: closing at once would reset."""
    make, alert, reason = READABLE[kind]
    leaf = make(pki)
    proxy = start()
    total = count(150, 40)
    refusals = []
    for number in range(total):
        stranger = proxy.dial(leaf, **only(TLS13))
        refusals.append(stranger.refusal(is_slow=number % 2))
        stranger.close()
    assert refusals == [alert] * total
    eventually(
        lambda: sum(r["count"] for r in proxy.audit.records("handshake_refused", reason=reason))
        == total,
        lambda: f"{total} refusals in {proxy.audit.tail()}",
    )


def test_a_storm_of_refusals_becomes_few_records(start):
    proxy = start()
    total = count(150, 60)
    for _ in range(total):
        stranger = proxy.dial(None)
        stranger.refusal()
        stranger.close()
    proxy.stop()
    records = proxy.audit.records("handshake_refused")
    assert sum(record["count"] for record in records) == total
    assert len(records) < total


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(start, pki, version):
    proxy = start()
    assert "ALERT" in proxy.dial(**only(version)).refusal()
    proxy.audit.wait("handshake_refused", reason="protocol")


WEAK_SCHEMES = {
    "rsa_pkcs1_sha1": ("rsa2048", [0x0201]),
    "ecdsa_sha1": ("p256", [0x0203]),
    "MD5 and SHA-1": ("rsa2048", [0x0101, 0x0201]),
    "no extension, which means SHA-1": ("rsa2048", []),
    "no extension, with ECDSA": ("p256", []),
}


@pytest.mark.parametrize("kind", WEAK_SCHEMES)
def test_nothing_is_signed_with_sha_1(start, pki, kind):
    """What the proxy signs has the same floor as what it verifies."""
    key, schemes = WEAK_SCHEMES[kind]
    leaf = pki.server_ca.leaf(f"proxy.test-{key}", key=key, usages=(SERVER_AUTH,), dns=("proxy.test",))
    listener = {
        "name": "main",
        "address": "127.0.0.1:0",
        "certificates": [{"chain": leaf.chain, "key": leaf.key}],
        "trust": "staff",
    }
    proxy = start(listeners=[listener])
    weak = RawClient(proxy.address, schemes=schemes)
    assert weak.read_alert() == HANDSHAKE_FAILURE
    weak.close()
    proxy.audit.wait("handshake_refused", reason="protocol")
    RawClient(proxy.address).read_server_hello().close()


def test_a_listener_may_ask_for_tls_1_3(start, pki):
    listener = listener_of(pki, tls={"min": "1.3"})
    proxy = start(listeners=[listener])
    assert "ALERT" in proxy.dial(**only(TLS12)).refusal()
    assert proxy.connect(**only(TLS13))


def test_renegotiation_is_refused(start, pki):
    proxy = start()
    context = SSL.Context(SSL.TLSv1_2_METHOD)
    context.use_certificate_chain_file(pki.worker.chain)
    context.use_privatekey_file(pki.worker.key)
    with socket.create_connection(proxy.address, 20) as sock:
        sock.setblocking(True)
        connection = SSL.Connection(context, sock)
        connection.set_connect_state()
        connection.do_handshake()
        connection.renegotiate()
        with pytest.raises(SSL.Error):
            connection.do_handshake()
            connection.recv(1)
    proxy.stop()


@pytest.mark.parametrize(
    "offer, chosen",
    [(["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2"], "h2"), (None, None)],
)
def test_alpn_chooses_http2_where_it_is_offered(start, offer, chosen):
    assert start().connect(alpn=offer).tls.selected_alpn_protocol() == chosen


def test_alpn_without_anything_we_speak_is_refused(start):
    proxy = start()
    assert "NO_APPLICATION_PROTOCOL" in proxy.dial(alpn=["h3"]).refusal()
    proxy.audit.wait("handshake_refused", reason="protocol")


def test_a_client_without_sni_is_served(start, pki):
    proxy = start()
    assert proxy.connect(server_name=None).ask("nowhere.test:443").status == 403


PLAIN = [
    b"CONNECT origin.test:443 HTTP/1.0\r\n\r\n",
    b"CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n",
    b"GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n",
    b"POST http://origin.test/ HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
]


@pytest.mark.parametrize("data", PLAIN, ids=["connect1.0", "connect1.1", "get", "post"])
def test_plain_http_on_the_tls_port_is_told_to_use_https(start, data):
    proxy = start()
    received, ending = speak_plain(proxy.address, data)
    status_line = received.split(b"\r\n")[0]
    assert status_line.startswith(b"HTTP/1.1 400 ") and b"https" in status_line, received
    assert ending is Ending.FIN
    proxy.audit.wait("handshake_refused", reason="plain_http")


JUNK = {
    "zeros": bytes(64),
    "smtp in lower case": b"ehlo client.test\r\n",
    "sslv2": bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0"),
    "a record that is no hello": bytes.fromhex("1703030005") + b"hello",
    "a hello of zeros": bytes.fromhex("1603010040") + bytes(64),
    "an oversized record": bytes.fromhex("160301ffff") + bytes(70000),
    "a plain alert": bytes.fromhex("15030100020100"),
}


@pytest.mark.parametrize("kind", JUNK)
def test_junk_is_closed(start, kind):
    proxy = start()
    received, _ = speak_plain(proxy.address, JUNK[kind])
    assert not received.startswith(b"HTTP")
    proxy.audit.wait("handshake_refused", reason="protocol")


def test_a_connection_without_a_byte_leaves_no_record(start):
    proxy = start()
    socket.create_connection(proxy.address).close()
    proxy.ask("nowhere.test:443")  # what comes later is recorded, so that is not just late
    proxy.stop()
    assert not proxy.audit.records("handshake_refused")


def test_a_hello_cut_in_two_is_waited_for(start):
    """Hellos of browsers span two segments."""
    proxy = start()
    split = proxy.dial()
    hello = split.first_flight()
    split.sock.sendall(hello[:40])
    split.sock.sendall(hello[40:])
    assert split.handshake().ask("nowhere.test:443").status == 403


def test_a_hello_byte_by_byte_is_understood(start):
    proxy = start()
    slow = proxy.dial()
    for byte in slow.first_flight():
        slow.sock.sendall(bytes([byte]))
    assert slow.handshake().ask("nowhere.test:443").status == 403


def test_a_certificate_that_runs_out_on_a_live_connection_is_worth_nothing_more(start, pki):
    """The clock of the certificate is the event that is waited for here."""
    seconds = 1 / 86400
    leaf = pki.ca.leaf("brief", ends=3 * seconds)
    proxy = start(client(name="brief"))
    requester = proxy.connect(leaf)
    assert "no_rule" in requester.ask("nowhere.test:443").reason
    eventually(lambda: now() > leaf.certificate.not_valid_after + 2 * seconds * days(1), "its end")
    answer = requester.ask("nowhere.test:443")
    assert answer.status == 403 and "expired" in answer.reason
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)


def unacknowledged(sock):
    """How many segments of ours wait to be acknowledged: tcpi_unacked of the kernel's struct tcp_info."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 24)[0]


@pytest.mark.parametrize("is_resumed", [False, True], ids=["full", "resumed"])
@VERSIONS
def test_the_end_of_a_handshake_is_acknowledged_before_a_request_comes(start, version, is_resumed):
    """Nagle's algorithm keeps the first request back until it is, which else takes some 40 ms."""
    proxy = start(control=CONTROL)
    control = Control(proxy)
    session = None
    if is_resumed:
        first = proxy.connect(**only(version))
        assert first.ask("nowhere.test:443").status == 403
        session = first.tls.session
        first.close()
    for _ in range(10):
        eventually(lambda: control.status()["sessions"]["serving"] == 0, "the last session")
        again = proxy.dial(session=session, **only(version))
        again.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        again.handshake()
        assert again.tls.session_reused == is_resumed
        eventually(lambda: control.status()["sessions"]["serving"] == 1, "the session")
        assert unacknowledged(again.sock) == 0
        assert again.ask("nowhere.test:443").status == 403
        again.close()


def test_many_handshakes_at_once_all_succeed(start):
    proxy = start()
    total, statuses = count(200, 40), []

    def one():
        statuses.append(proxy.ask("nowhere.test:443").status)

    threads = [threading.Thread(target=one) for _ in range(total)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [403] * total


PURPOSES = {
    "any": (["any"], (x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), (CLIENT_AUTH,)),
    "server_auth": (["server_auth", "client_auth"], (SERVER_AUTH,), ()),
    "client_auth alone": (["client_auth"], (CLIENT_AUTH,), ()),
    "none alone": (["none"], (), (CLIENT_AUTH,)),
}


@pytest.mark.parametrize("chosen", PURPOSES)
def test_a_profile_takes_the_purposes_that_are_chosen_and_no_other(start, pki, chosen):
    purposes, good, bad = PURPOSES[chosen]
    proxy = start(trust={"staff": {"ca": [pki.ca.path], "purposes": purposes}})
    answer = proxy.ask("nowhere.test:443", pki.ca.leaf("of a chosen purpose", usages=good))
    proxy.assert_refused(answer, 403, "no_client")
    assert proxy.dial(pki.ca.leaf("of another purpose", usages=bad)).refusal()
    assert proxy.audit.wait("handshake_refused", reason="bad_purpose")


def shake(proxy, **options):
    """A handshake that fails, by Python's own TLS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    if options.get("is_trusting", True):
        context.verify_mode = ssl.CERT_NONE
    context.maximum_version = options.get("maximum", TLS12)
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    if "protocols" in options:
        context.set_alpn_protocols(options["protocols"])
    with socket.create_connection(proxy.address) as plain:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="proxy.test").recv(1)


def speak(proxy, data):
    with socket.create_connection(proxy.address) as plain:
        plain.sendall(data)
        while plain.recv(4096):
            pass


FAILURES = {
    "no shared cipher": (
        # With a curve that suits: newer BoringSSLs look at that first.
        lambda proxy: shake(proxy, ciphers="ECDHE-ECDSA-AES128-SHA256"),
        ("protocol", "no_shared_cipher", "no cipher suite that is allowed here"),
    ),
    "another protocol by ALPN": (
        lambda proxy: shake(proxy, protocols=["spdy/3"]),
        ("protocol", "no_application_protocol", "by ALPN no protocol that is spoken here"),
    ),
    "a CA that the client does not know": (
        lambda proxy: shake(proxy, is_trusting=False, maximum=TLS12),
        ("client_aborted", "tlsv1_alert_unknown_ca", "does not know the CA of the proxy's certificate"),
    ),
    "a CA that the client does not know, in TLS 1.3": (
        lambda proxy: shake(proxy, is_trusting=False, maximum=TLS13),
        ("protocol", "bad_packet_length", "do not accept the proxy's certificate"),
    ),
    "plain HTTP": (
        lambda proxy: speak(proxy, b"GET / HTTP/1.1\r\n\r\n"),
        ("plain_http", "plain_http", "must begin with https://"),
    ),
    "another protocol": (
        lambda proxy: speak(proxy, b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("protocol", "not_tls", "the other side speaks another protocol on this port"),
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_handshake_has_a_sentence_beside_its_token(start, failure):
    proxy = start()
    fail, (reason, code, sentence) = FAILURES[failure]
    fail(proxy)
    record = proxy.audit.wait_count(1, "handshake_refused")[-1]
    assert (record["reason"], record["code"]) == (reason, code), record
    assert sentence in record["detail"]

