"""Clients that an OCSP responder is asked about: let in, refused, ended while they live. The responder is OpenSSL's, or
ours, which is hostile."""

import itertools
import socket
import ssl
import struct
import subprocess

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.config import client, merge, reach, write_config
from support.control import CONTROL, Control
from support.origin import full_queue
from support.proxy import run
from support.responder import TRY_LATER, UNAUTHORIZED, Responder, unsuccessful
from support.scale import eventually
from support.upgrades import start_upgradable
from support.wire import connect_head

ORIGIN = "origin.test"
REVOKED = "SSLV3_ALERT_CERTIFICATE_REVOKED"
OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING


@pytest.fixture
def responder(pki):
    server = Responder(pki.ca)
    yield server
    server.stop()


@pytest.fixture
def asking(start, dns, origin, pki):
    """Starts a proxy whose profile asks a responder."""
    server = origin()
    dns.addresses(ORIGIN, "127.0.0.1")

    def make(url, mode="require", changes=None, trust=None, **keys):
        asks = {"mode": mode, **({"responder": url} if url else {}), **keys}
        profile = {"ca": [pki.ca.path], "ocsp": asks, **(trust or {})}
        waits = {"timeouts": {"handshake": "20s"}}  # longer than any `timeout` here
        proxy = start(
            client(reach(ORIGIN, server.port), match=[{"any": True}]),
            trust={"staff": profile},
            **merge(waits, changes or {}),
        )
        proxy.target = f"{ORIGIN}:{server.port}"
        return proxy

    return make


NUMBERS = itertools.count(1)


@pytest.fixture
def leaf(pki):
    """A client of this test alone."""
    return pki.ca.leaf(f"asked-about-{next(NUMBERS)}")


def refused(proxy, leaf, reason, alert="ALERT"):
    assert alert in proxy.dial(leaf).refusal()
    return proxy.audit.wait("handshake_refused", reason=reason)


# -- the ordinary -------------------------------------------------------------------------------


def test_openssls_responder_is_asked_and_believed(asking, pki, tmp_path):
    good, revoked = pki.ca.leaf("good-of-openssl"), pki.ca.leaf("revoked-of-openssl")
    signer = pki.ca.leaf("responder-of-openssl", usages=(OCSP_SIGNING,))
    key = tmp_path / "ca.key"
    key.write_bytes(open(signer.key, "rb").read())
    index = tmp_path / "index.txt"
    index.write_text(
        f"V\t300101000000Z\t\t{good.serial.upper()}\tunknown\t/CN=good\n"
        f"R\t300101000000Z\t250101000000Z,keyCompromise\t{revoked.serial.upper()}\tunknown\t/CN=r\n"
    )
    command = ["openssl", "ocsp", "-port", "0", "-index", str(index), "-CA", pki.ca.path]
    command += ["-rsigner", signer.chain, "-rkey", str(key), "-nmin", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            line = process.stdout.readline().decode()
            while "ACCEPT" not in line:
                assert line, "the responder has ended"
                line = process.stdout.readline().decode()
            port = int(line.split(":")[-1].split()[0])
            proxy = asking(f"http://127.0.0.1:{port}/", nonce=True)
            proxy.tunnel(proxy.target, good).echo(b"hello")
            assert proxy.audit.wait("decision")["client"]["ocsp"] == "good"
            refused(proxy, revoked, "revoked", REVOKED)
            refused(proxy, pki.ca.leaf("unknown-to-openssl"), "ocsp_unknown")
        finally:
            process.kill()


@pytest.mark.protocols("h1", "h2")
def test_a_client_is_asked_about_once_and_its_answer_serves_all(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url)
    for _ in range(3):
        proxy.tunnel(proxy.target, leaf).echo(b"hello")
    assert responder.asked(leaf) == 1


def test_one_question_serves_all_who_wait_for_it(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url, timeout="10s")
    responder.gate.clear()
    clients = [proxy.connect(leaf) for _ in range(4)]
    responder.wait_asked(leaf)
    responder.gate.set()
    for one in clients:
        one.close()
    proxy.tunnel(proxy.target, leaf).echo(b"hello")
    assert responder.asked(leaf) == 1


def test_a_ticket_is_worth_something_only_with_a_cached_answer(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url, mode="soft")
    versions = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

    def come(version, session=None):
        one = proxy.dial(leaf, session=session, minimum=version, maximum=version).handshake()
        record = proxy.decision(one.ask("nowhere.test:443").id)
        one.close()
        return one.tls.session, record["tls"]["resumed"]

    responder.life = 4
    sessions = {version: come(version)[0] for version in versions}
    assert all(come(version, session)[1] for version, session in sessions.items())
    responder.habit = try_later
    for version, session in sessions.items():
        eventually(lambda v=version, s=session: come(v, s)[1] is False, "the answer to end")
        assert come(version, session)[1] is False  # it is let in, but not by its ticket


# -- nobody answers -----------------------------------------------------------------------------


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_without_an_answer_soft_lets_in_and_says_so_and_require_refuses(asking, leaf):
    url = f"http://127.0.0.1:{closed_port()}/"
    soft = asking(url, mode="soft")
    soft.tunnel(soft.target, leaf).echo(b"hello")
    assert soft.audit.wait("decision")["client"]["ocsp"] == "unanswered"
    record = refused(asking(url), leaf, "ocsp_unavailable")
    assert record["detail"].endswith("the responder cannot be reached")


def html(responder, question, handler):
    handler.say(b"<html>It works!</html>", kind="text/html")


def huge(responder, question, handler):
    handler.say(b"\x30" * 1_000_000)


def missing(responder, question, handler):
    handler.say(b"", status=404)


def moved(responder, question, handler):
    handler.send_response(302)
    handler.send_header("Location", responder.url)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def chunks_for_ever(responder, question, handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"1\r\n0\r\n")


def hang_up(responder, question, handler):
    handler.close_connection = True


def slow(responder, question, handler):
    handler.rfile.read(1)  # until the proxy has had enough
    handler.close_connection = True


def old(responder, question, handler):
    return responder.answer(question, age=7200, life=3600)


def undated_and_old(responder, question, handler):
    return responder.answer(question, age=1200, life=0)


def of_the_future(responder, question, handler):
    return responder.answer(question, age=-3600)


def about_another(responder, question, handler):
    return responder.answer(question, serial=question.serial_number + 1)


def signed_by_another_ca(responder, question, handler):
    return responder.answer(question, signer=responder.stranger)


def signed_by_a_client(responder, question, handler):
    return responder.answer(question, signer=responder.client)


def without_nonce(responder, question, handler):
    return responder.answer(question, nonce=False)


def try_later(responder, question, handler):
    return unsuccessful(TRY_LATER)


def unauthorized(responder, question, handler):
    return unsuccessful(UNAUTHORIZED)


def cut(responder, question, handler):
    return responder.answer(question)[:-1]


HOSTILE = [html, huge, missing, moved, chunks_for_ever, hang_up, slow, old, undated_and_old]
HOSTILE += [of_the_future, about_another, signed_by_another_ca, signed_by_a_client]
HOSTILE += [without_nonce, try_later, unauthorized, cut]


def test_no_hostile_answer_is_a_yes(asking, responder, pki):
    other = pki.authority("Another responder's CA")
    a_client = pki.ca.leaf("no-responder")
    responder.stranger = (other.certificate, other.key)
    responder.client = (a_client.certificate, key_of(a_client))
    responder.certificates = [a_client.certificate]
    proxy = asking(responder.url, timeout="1s", nonce=True)
    for habit in HOSTILE:
        leaf = pki.ca.leaf(f"meets-{habit.__name__}")
        responder.knows(leaf).habit = habit
        assert "ALERT" in proxy.dial(leaf).refusal(), habit.__name__
        assert responder.asked(leaf) >= 1 or habit is hang_up, habit.__name__
    proxy.audit.wait_count(len(HOSTILE), "handshake_refused", reason="ocsp_unavailable")
    responder.habit = None
    leaf = pki.ca.leaf("meets-nobody-hostile")
    responder.knows(leaf)
    eventually(lambda: is_let_in(proxy, leaf), "an honest answer")
    proxy.stderr.wait(f"info OCSP: {responder.url} answers again")


def is_let_in(proxy, leaf):
    try:
        proxy.tunnel(proxy.target, leaf).echo(b"hello")
    except (AssertionError, OSError):
        return False  # on a slow machine an answer may take longer than the proxy waits
    return True


def key_of(leaf):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with open(leaf.key, "rb") as file:
        return load_pem_private_key(file.read(), None)


def test_a_dead_responder_costs_the_clients_of_another_nothing(asking, responder, pki):
    dead_ca = pki.authority("CA of a dead responder")
    dead = Responder(dead_ca)
    dead.gate.clear()
    prefixes = [dead.url, responder.url]
    waiting = [dead_ca.leaf(f"waits-{i}", extensions=(aia(dead.url),)) for i in range(20)]
    lively = pki.ca.leaf("of-a-lively-responder", extensions=(aia(responder.url),))
    responder.knows(lively)
    trust = {"ca": [pki.ca.path, dead_ca.path]}
    proxy = asking(None, aia=prefixes, timeout="10s", trust=trust)
    held_up = [proxy.connect(leaf) for leaf in waiting]
    dead.wait_asked(waiting[0])
    proxy.tunnel(proxy.target, lively).echo(b"hello")
    assert not proxy.audit.records("handshake_refused")
    for one in held_up:
        one.close()
    dead.stop()


def aia(url):
    """The extension with which a certificate names its responder: OID, DER, not critical."""
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    access = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
    )
    return ("1.3.6.1.5.5.7.1.1", x509.AuthorityInformationAccess([access]).public_bytes(), False)


def test_a_responder_that_no_prefix_allows_is_not_asked(asking, responder, pki):
    leaf = pki.ca.leaf("names-a-responder", extensions=(aia(responder.url + "elsewhere"),))
    proxy = asking(None, aia=[responder.url + "here/"])
    refused(proxy, leaf, "ocsp_unavailable")
    assert responder.questions == []


def test_every_certificate_below_the_anchor_is_asked_about_or_the_clients_alone(
    asking, responder, pki
):
    middle = pki.authority("OCSP Middle CA", issuer=pki.ca, extensions=(aia(responder.url),))
    below = Responder(middle)
    leaf = middle.leaf("below-an-asked-ca", sends=(middle,), extensions=(aia(below.url),))
    below.knows(leaf)
    responder.knows(middle)
    places = {"aia": [responder.url, below.url]}
    proxy = asking(None, **places)
    proxy.tunnel(proxy.target, leaf).echo(b"hello")
    assert (responder.asked(middle), below.asked(leaf)) == (1, 1)
    responder.revoke(middle)
    refused(asking(None, **places), leaf, "revoked", REVOKED)
    alone = asking(None, scope="leaf", **places)
    alone.tunnel(alone.target, leaf).echo(b"hello")
    assert (responder.asked(middle), below.asked(leaf)) == (2, 3)
    below.stop()


def sign_with(responder, delegate):
    responder.signer = (delegate.certificate, key_of(delegate))
    responder.certificates = [delegate.certificate]


def test_a_good_that_was_signed_by_a_revoked_delegate_is_no_answer(asking, pki):
    ca = pki.authority("CA of delegates")
    listed, denied, blocked, last = (ca.leaf(f"responder-{n}", usages=(OCSP_SIGNING,)) for n in range(4))
    leaf, other = ca.leaf("below-delegates"), ca.leaf("also-below-delegates")
    responder = Responder(ca).knows(leaf, other)
    sign_with(responder, listed)
    proxy = asking(responder.url, trust={"ca": [ca.path], "crl": [ca.crl()]}, timeout="10s", changes={"control": CONTROL})
    there, requester = proxy.tunnel(proxy.target, leaf), proxy.connect(leaf)
    session = proxy.connect(leaf).tls.session
    crl, denials = ca.crl(listed, number=2), [{"sha256": denied.sha256}]
    proxy.reload(trust={"staff": {"crl": [crl], "denied": denials}})
    refused(proxy, leaf, "ocsp_unavailable")
    assert b"ocsp_unavailable" in requester.ask("nowhere.test:443").body
    assert "ALERT" in proxy.dial(leaf, session=session).refusal()
    there.echo(b"nobody knows: that ends nothing")
    sign_with(responder, denied)
    refused(proxy, other, "ocsp_unavailable")
    Control(proxy).block("sha256:" + blocked.sha256)
    sign_with(responder, blocked)
    refused(proxy, other, "ocsp_unavailable")
    sign_with(responder, last)
    eventually(lambda: is_let_in(proxy, leaf), "the delegate that may speak")
    responder.stop()


# -- while a handshake waits --------------------------------------------------------------------


def test_a_client_that_leaves_while_it_waits_is_noticed(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url, timeout="10s")
    responder.gate.clear()
    waiting = proxy.connect(leaf)
    responder.wait_asked(leaf)
    waiting.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    waiting.close()
    proxy.audit.wait("handshake_refused", reason="client_aborted")


def test_a_request_that_came_before_the_answer_is_served(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url, timeout="10s")
    responder.gate.clear()
    waiting = proxy.connect(leaf)
    waiting.send(f"CONNECT {proxy.target} HTTP/1.1\r\nHost: {proxy.target}\r\n\r\n".encode())
    responder.wait_asked(leaf)
    responder.gate.set()
    assert waiting.read_answer().status == 200


def test_who_is_blocked_while_waiting_is_refused(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url, timeout="10s", changes={"control": CONTROL})
    responder.gate.clear()
    waiting = proxy.connect(leaf)
    responder.wait_asked(leaf)
    Control(proxy).block("sha256:" + leaf.sha256)
    responder.gate.set()
    assert "ALERT" in waiting.refusal()
    proxy.audit.wait("handshake_refused", reason="blocked")


def test_bytes_that_drip_in_while_a_handshake_waits_do_not_have_it_judged_again(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url, timeout="10s", changes={"control": CONTROL})
    responder.gate.clear()
    waiting = proxy.connect(leaf)
    responder.wait_asked(leaf)
    # Who is blocked would be refused at the next byte, were its chain judged with each.
    Control(proxy).block("sha256:" + leaf.sha256)
    for _ in range(50):
        waiting.sock.sendall(b"\x17")
        proxy.wait_read()
    assert not proxy.audit.records("handshake_refused")
    responder.gate.set()
    proxy.audit.wait("handshake_refused", reason="blocked")


def test_who_is_revoked_while_its_request_waits_gets_no_tunnel(asking, dns, responder, leaf):
    responder.life = 3
    proxy = asking(responder.knows(leaf).url)
    port = proxy.target.split(":")[1]
    proxy.reload(client(reach(ORIGIN, port), reach("slow.test", port), match=[{"any": True}]))
    target = f"slow.test:{port}"
    released = dns.hold("slow.test", "127.0.0.1")
    there, waiting = proxy.tunnel(proxy.target, leaf), proxy.connect(leaf)
    waiting.send(connect_head(target))
    dns.wait_asked("slow.test")
    responder.revoke(leaf)
    proxy.assert_closed(there.id, "revoked")
    released.set()
    proxy.assert_refused(waiting.read_answer(), 403, "revoked")


def test_who_is_revoked_while_its_target_is_dialled_gets_no_tunnel(asking, responder, leaf):
    responder.life = 3
    with full_queue() as hole:
        port = hole.getsockname()[1]
        proxy = asking(responder.knows(leaf).url, changes={"timeouts": {"attempt": "30s", "connect": "30s"}})
        there, waiting = proxy.tunnel(proxy.target, leaf), proxy.connect(leaf)
        rules = reach(ORIGIN, proxy.target.split(":")[1]), reach(ORIGIN, port)
        proxy.reload(client(*rules, match=[{"any": True}]))
        waiting.send(connect_head(f"{ORIGIN}:{port}"))
        record = proxy.audit.wait("decision", **{"request.port": port})
        responder.revoke(leaf)
        proxy.assert_closed(there.id, "revoked")
        hole.listen(64)  # room for the next retransmission
        assert waiting.read_answer().status == 403
        assert proxy.close_record(record["id"])["reason"] == "revoked"


# -- live tunnels -------------------------------------------------------------------------------


@pytest.mark.protocols("h1", "h2")
def test_a_revocation_ends_the_live_tunnels_of_that_certificate_alone(asking, responder, pki, leaf):
    good = pki.ca.leaf("asked-and-good")
    proxy = asking(responder.knows(leaf, good).url)
    responder.life = 3
    ending, staying = proxy.tunnel(proxy.target, leaf), proxy.tunnel(proxy.target, good)
    responder.revoke(leaf)
    proxy.assert_closed(ending.id, "revoked")
    staying.echo(b"untouched")
    refused(proxy, leaf, "revoked", REVOKED)


def test_a_responder_that_goes_silent_ends_nothing_and_lets_nobody_new_in(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url)
    responder.life = 3
    tunnel, requester = proxy.tunnel(proxy.target, leaf), proxy.connect(leaf)
    responder.habit = try_later
    proxy.stderr.wait("no answer of .*tryLater")
    eventually(
        lambda: b"the responder says tryLater" in requester.ask("nowhere.test:443").body,
        "the answer to end",
    )
    refusal = proxy.audit.wait("decision", **{"decision.reason": "ocsp_unavailable"})
    assert refusal["detail"] == "try_later"
    record = refused(proxy, leaf, "ocsp_unavailable")
    assert record["detail"].endswith("the responder says tryLater")
    tunnel.echo(b"untouched")


def test_a_reload_that_asks_judges_those_who_are_there(asking, start, dns, origin, pki, responder):
    good, bad = pki.ca.leaf("there-and-good"), pki.ca.leaf("there-and-revoked")
    responder.knows(good, bad).revoke(bad)
    proxy = asking(responder.url, mode="off")
    staying, ending = proxy.tunnel(proxy.target, good), proxy.tunnel(proxy.target, bad)
    assert responder.questions == []
    proxy.reload(trust={"staff": {"ocsp": {"mode": "require"}}})
    proxy.assert_closed(ending.id, "revoked")
    staying.echo(b"untouched")
    assert responder.asked(good) == 1


def test_a_revocation_reaches_the_process_before_an_upgrade(
    start, dns, origin, pki, responder, leaf, tmp_path
):
    server = origin()
    dns.addresses(ORIGIN, "127.0.0.1")
    asks = {"mode": "require", "responder": responder.knows(leaf).url}
    made = start_upgradable(
        start,
        tmp_path,
        client(reach(ORIGIN, server.port), match=[{"any": True}]),
        trust={"staff": {"ca": [pki.ca.path], "ocsp": asks}},
    )
    try:
        responder.life = 3
        old = made.proxy.tunnel(f"{ORIGIN}:{server.port}", leaf)
        made.upgrade()
        responder.revoke(leaf)
        made.proxy.assert_closed(old.id, "revoked")
        made.wait_old_ended()
        refused(made.proxy, leaf, "revoked", REVOKED)
    finally:
        made.proxy.stop(expected=None)
        made.kill()


@pytest.mark.usefixtures("dns")
def test_who_was_revoked_stays_so_over_a_reload_and_an_upgrade_while_nobody_answers(
    start, pki, responder, leaf, tmp_path
):
    stranger = pki.ca.leaf("nobody-was-ever-asked-about")
    asks = {"mode": "soft", "responder": responder.knows(leaf).url}
    responder.revoke(leaf)
    made = start_upgradable(
        start,
        tmp_path,
        client(reach(ORIGIN, 443), match=[{"any": True}]),
        trust={"staff": {"ca": [pki.ca.path], "ocsp": asks}},
    )

    def is_refused(count):
        assert REVOKED in made.proxy.dial(leaf).refusal()
        made.proxy.audit.wait_count(count, "handshake_refused", reason="revoked")

    try:
        is_refused(1)
        responder.stop()
        is_refused(2)
        made.proxy.reload(trust={"staff": {"ocsp": {"responder": responder.url + "elsewhere"}}})
        is_refused(3)
        made.proxy.reload(trust={"staff": {"ocsp": {"responder": ..., "aia": ["http://127.0.0.1:1/"]}}})
        is_refused(4)  # though its certificate names nobody below that
        made.upgrade()
        is_refused(5)
        assert made.proxy.connect(stranger).ask("nowhere.test:443").status == 403
        assert made.proxy.audit.wait("decision")["client"]["ocsp"] == "unanswered"
    finally:
        made.proxy.stop(expected=None)
        made.kill()


# -- what the commands say ----------------------------------------------------------------------


def test_check_explain_and_status_say_who_is_asked(asking, responder, leaf):
    proxy = asking(responder.knows(leaf).url, changes={"control": CONTROL})
    said = run("check", "-c", proxy.config_path)
    assert f"OCSP (require), asks {responder.url}" in said.stdout + said.stderr
    command = ("explain", "-c", proxy.config_path, "--cert", leaf.chain, "--to", proxy.target)
    assert f"OCSP (require) asks {responder.url} about its certificate" in run(*command).stdout
    by_aia = merge(proxy.config, {"trust": {"staff": {"ocsp": {"responder": ..., "aia": ["http://ocsp.test/"]}}}})
    for mode, status, words in (
        ("require", 1, "would be refused: ocsp_unavailable: "),
        ("soft", 0, "OCSP (soft) asks nobody about its certificate"),
    ):
        write_config(proxy.folder / "aia.yaml", merge(by_aia, {"trust": {"staff": {"ocsp": {"mode": mode}}}}))
        told = run("explain", "-c", proxy.folder / "aia.yaml", *command[3:])
        assert told.returncode == status and words in told.stdout, told
    assert responder.questions == []
    proxy.tunnel(proxy.target, leaf).echo(b"hello")
    known = Control(proxy).status()["ocsp"]
    assert (known["certificates"], known["in_use"], known["good"]) == (1, 1, 1)
    assert known["bytes"] < 1024 * 1024 and known["unanswered"] == known["crowded"] == 0


def test_admin_takes_no_profile_that_asks(start, pki, responder):
    site = {"certificates": [{"chain": pki.server.chain, "key": pki.server.key}], "trust": "staff"}
    proxy = start(
        admin={"address": "127.0.0.1:0", **site},
        trust={"staff": {"ocsp": {"mode": "soft", "responder": responder.url}}},
        is_ready=False,
    )
    assert proxy.wait_exit() == 3
    proxy.stop(expected=3)
    assert "`admin` asks nobody" in proxy.stderr.text()
