"""Tickets: they save the client a handshake, and grant nothing that its certificate would not."""

import os
import re
import secrets
import ssl
import subprocess
import time

import pytest

from support.config import base_config, client, reach, write_config
from support.pki import SERVER_AUTH
from support.proxy import run
from support.scale import PATIENCE, eventually
from support.wire import Client, only

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
DENIED = "nowhere.test:443"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


def place(server):
    return f"origin.test:{server.port}"


def take(proxy, version, identity="worker", **options):
    """The session of a connection that is over, with its ticket."""
    first = proxy.connect(identity, **only(version), **options)
    assert proxy.decision(first.ask(DENIED).id)["tls"]["resumed"] is False
    assert not first.tls.session_reused
    session = first.tls.session
    assert session and session.has_ticket
    first.close()
    return session


def come_again(proxy, version, session, identity="worker", **options):
    """A connection that offers the session."""
    return proxy.dial(identity, session=session, **only(version), **options)


def assert_resumes(proxy, version, session, **options):
    again = come_again(proxy, version, session, **options).handshake()
    record = proxy.decision(again.ask(DENIED).id)
    assert again.tls.session_reused
    assert record["tls"]["resumed"] is True
    return record


def assert_starts_anew(proxy, version, session, **options):
    """The ticket is worth nothing, the certificate is."""
    again = come_again(proxy, version, session, **options).handshake()
    record = proxy.decision(again.ask(DENIED).id)
    assert not again.tls.session_reused
    assert record["tls"]["resumed"] is False
    return record


def assert_refused(proxy, version, session, reason, **options):
    """Neither ticket nor certificate is worth anything, and the record says why."""
    assert "ALERT" in come_again(proxy, version, session, **options).refusal()
    record = proxy.audit.wait("handshake_refused", reason=reason)
    assert record["tls"]["resumed"] is False


# -- what works -------------------------------------------------------------------------------


@VERSIONS
def test_a_session_is_resumed_and_its_client_known(start, pki, server, version):
    proxy = start(client(reach("origin.test", server.port)))
    session = take(proxy, version)
    record = assert_resumes(proxy, version, session)
    assert record["client"]["name"] == "workers"
    assert record["client"]["sha256"] == pki.worker.sha256
    tunnel = come_again(proxy, version, session).handshake()
    tunnel.tunnel(place(server))
    tunnel.echo(b"hello")
    assert tunnel.tls.session_reused


@VERSIONS
def test_every_worker_takes_the_tickets_of_every_other(start, version):
    proxy = start(workers=4)
    session = take(proxy, version)
    for _ in range(24):
        assert_resumes(proxy, version, session)


@VERSIONS
def test_a_reload_does_not_end_resumption(start, server, version):
    proxy = start(client(reach("origin.test", server.port)))
    session = take(proxy, version)
    proxy.reload(client(reach("origin.test", server.port), name="renamed"))
    assert assert_resumes(proxy, version, session)["client"]["name"] == "renamed"


def test_a_resumed_session_is_judged_again_at_a_reload(start, pki, server):
    proxy = start(client(reach("origin.test", server.port)))
    session = take(proxy, TLS13)
    tunnel = come_again(proxy, TLS13, session).handshake()
    tunnel.id = tunnel.tunnel(place(server)).id
    proxy.reload(trust={"staff": {"ca": [pki.authority("Other CA").path]}})
    proxy.assert_closed(tunnel.id, "policy_changed")


def test_the_ticket_of_a_resumed_connection_resumes_too(start):
    proxy = start()
    session = take(proxy, TLS13)
    for _ in range(3):
        again = come_again(proxy, TLS13, session).handshake()
        again.ask(DENIED)
        assert again.tls.session_reused
        session = again.tls.session


def test_one_ticket_is_given_and_it_lives_at_most_two_hours(start, pki):
    proxy = start()
    assert take(proxy, TLS13).ticket_lifetime_hint <= 7200
    short = pki.ca.leaf("short", ends=0.01)  # 864 s
    assert take(proxy, TLS13, short).ticket_lifetime_hint <= 864


@VERSIONS
def test_a_chain_of_unusual_size_costs_the_ticket_and_not_the_connection(start, pki, version):
    big = pki.ca.leaf("big", dns=tuple(f"{i:03}.{'x' * 60}.test" for i in range(200)))
    proxy = start()
    first = proxy.connect(big, **only(version))
    assert first.ask(DENIED).status == 403
    session = first.tls.session
    assert_starts_anew(proxy, version, session, identity=big)


def test_curl_resumes_for_its_second_url(start, pki, dns, server):
    """With TLS 1.3: for 1.2 curl with OpenSSL asks for no tickets."""
    dns.addresses("other.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port), reach("other.test", server.port)))
    command = ["curl", "-q", "-sS", "-p", "--max-time", "5"]
    command += ["--proxy", "https://proxy.test:{1}".format(*proxy.address)]
    command += ["--resolve", "proxy.test:{1}:{0}".format(*proxy.address)]
    command += ["--proxy-cacert", pki.server_ca.path]
    command += ["--proxy-cert", pki.worker.chain, "--proxy-key", pki.worker.key]
    command += [f"http://origin.test:{server.port}/", f"http://other.test:{server.port}/"]
    subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    records = proxy.audit.wait_count(2, "decision")
    assert [record["tls"]["resumed"] for record in records] == [False, True]


# -- what grants nothing ----------------------------------------------------------------------


@VERSIONS
def test_a_ticket_from_before_its_ca_was_removed_opens_nothing(start, pki, version):
    proxy = start()
    session = take(proxy, version)
    proxy.reload(trust={"staff": {"ca": [pki.authority("Other CA").path]}})
    assert_refused(proxy, version, session, "unknown_ca")


@VERSIONS
def test_a_ticket_from_before_a_revocation_opens_nothing(start, pki, version):
    leaf, other = pki.ca.leaf(f"revoked-{version}"), pki.ca.leaf(f"spared-{version}")
    proxy = start(trust={"staff": {"crl": [pki.ca.crl(number=21)]}})
    session, spared = take(proxy, version, leaf), take(proxy, version, other)
    proxy.reload(trust={"staff": {"crl": [pki.ca.crl(leaf, number=22, label=str(version))]}})
    assert_refused(proxy, version, session, "revoked", identity=leaf)
    assert_resumes(proxy, version, spared, identity=other)


@VERSIONS
def test_a_ticket_from_before_its_critical_extension_lost_its_meaning_opens_nothing(start, pki, version):
    oid = "1.3.6.1.4.1.99999.1"
    leaf = pki.ca.leaf(f"critical-{version}", extensions=((oid, b"\x0c\x01a", True),))
    proxy = start(client(match=[{"extension": {"oid": oid, "text": "a"}}]))
    session = take(proxy, version, leaf)
    assert_resumes(proxy, version, session, identity=leaf)
    proxy.reload(client())
    assert_refused(proxy, version, session, "bad_certificate", identity=leaf)


@VERSIONS
def test_a_resumed_client_is_matched_by_its_extension(start, pki, version):
    oid = "1.3.6.1.4.1.99999.1"
    leaf = pki.ca.leaf(f"extended-{version}", extensions=((oid, b"\x0c\x01a", False),))
    proxy = start()
    session = take(proxy, version, leaf)
    named = client(name="named", match=[{"extension": {"oid": oid, "text": "a"}}])
    proxy.reload(named, client())
    assert assert_resumes(proxy, version, session, identity=leaf)["client"]["name"] == "named"


@VERSIONS
def test_a_ticket_from_before_its_certificate_was_denied_opens_nothing(start, pki, version):
    leaf = pki.ca.leaf(f"denied-{version}")
    proxy = start()
    session = take(proxy, version, leaf)
    proxy.reload(trust={"staff": {"denied": [{"sha256": leaf.sha256}]}})
    assert_refused(proxy, version, session, "denied_certificate", identity=leaf)


@VERSIONS
def test_a_ticket_opens_nothing_when_nobody_knows_of_revocations_any_more(start, pki, version):
    leaf = pki.ca.leaf(f"unknown-{version}")
    proxy = start()
    session = take(proxy, version, leaf)
    proxy.reload(trust={"staff": {"crl": [pki.authority("Other CA").crl(number=1)]}})
    assert_refused(proxy, version, session, "crl_missing", identity=leaf)


@VERSIONS
def test_a_ticket_from_before_its_client_was_removed_opens_nothing(start, server, version):
    proxy = start(client(reach("origin.test", server.port)))
    session = take(proxy, version)
    proxy.reload(client(reach("origin.test", server.port), match=[{"cn": "somebody-else"}]))
    again = come_again(proxy, version, session).handshake()
    proxy.assert_refused(again.ask(place(server)), 403, "no_client")


@VERSIONS
def test_a_ticket_from_before_a_change_of_policy_opens_nothing(start, server, version):
    proxy = start(client(reach("origin.test", server.port)))
    session = take(proxy, version)
    proxy.reload(client(reach("other.test", server.port)))
    again = come_again(proxy, version, session).handshake()
    proxy.assert_refused(again.ask(place(server)), 403, "no_rule")


@VERSIONS
def test_a_ticket_from_before_a_shorter_max_lifetime_opens_nothing(start, version):
    proxy = start()
    session = take(proxy, version)
    proxy.reload(trust={"staff": {"max_lifetime": "1d"}})
    assert_refused(proxy, version, session, "too_long_lived")


@VERSIONS
def test_a_ticket_opens_nothing_when_its_certificate_has_expired(start, pki, version):
    leaf = pki.ca.leaf(f"brief-{version}", ends=3 / 86400)
    proxy = start()
    session = take(proxy, version, leaf)
    over = leaf.certificate.not_valid_after.timestamp() - time.timezone + 1
    eventually(lambda: time.time() > over, lambda: "the end of a certificate")
    assert_refused(proxy, version, session, "expired", identity=leaf)


def two_listeners(pki, **second):
    base = base_config(pki, "127.0.0.1:53")["listeners"][0]
    return [base, {**base, "name": "second", **second}]


@VERSIONS
def test_a_ticket_of_one_listener_opens_nothing_on_another(start, pki, version):
    other = pki.authority("Other CA")
    proxy = start(
        listeners=two_listeners(pki, trust="others"),
        trust={"staff": {"ca": [pki.ca.path]}, "others": {"ca": [other.path]}},
    )
    session = take(proxy, version, listener="main")
    assert_refused(proxy, version, session, "unknown_ca", listener="second")


@VERSIONS
def test_a_ticket_of_one_listener_is_ignored_on_another_with_the_same_trust(start, pki, version):
    proxy = start(listeners=two_listeners(pki))
    session = take(proxy, version, listener="main")
    assert_starts_anew(proxy, version, session, listener="second")
    assert_resumes(proxy, version, session, listener="main")


def name_with_trust(pki, trust):
    names = ("proxy.test", "other.test")
    own = pki.server_ca.leaf("proxy.test", dns=names, usages=(SERVER_AUTH,))
    base = base_config(pki, "127.0.0.1:53")["listeners"][0]
    return {
        "listeners": [
            {
                **base,
                "certificates": [{"chain": own.chain, "key": own.key}],
                "sni": [{"names": ["other.test"], "trust": trust}],
            }
        ],
        "trust": {
            "staff": {"ca": [pki.ca.path]},
            "others": {"ca": [pki.authority("Other CA").path]},
        },
    }


@VERSIONS
def test_a_ticket_of_one_server_name_opens_nothing_on_another(start, pki, version):
    proxy = start(**name_with_trust(pki, "others"))
    session = take(proxy, version)
    assert_refused(proxy, version, session, "unknown_ca", server_name="other.test")


@VERSIONS
def test_a_ticket_of_a_server_name_opens_nothing_on_the_listeners_own(start, pki, version):
    proxy = start(**name_with_trust(pki, "others"))
    leaf = pki.authority("Other CA").leaf("other-1")
    session = take(proxy, version, leaf, server_name="other.test")
    assert_refused(proxy, version, session, "unknown_ca", identity=leaf)


@VERSIONS
def test_a_ticket_is_ignored_under_another_name_even_with_the_same_trust(start, pki, version):
    proxy = start(**name_with_trust(pki, "staff"))
    session = take(proxy, version)
    assert_starts_anew(proxy, version, session, server_name="other.test")


@VERSIONS
def test_a_ticket_is_ignored_when_its_listener_has_another_profile(start, pki, version):
    trust = {"staff": {"ca": [pki.ca.path]}, "again": {"ca": [pki.ca.path]}}
    proxy = start(trust=trust)
    session = take(proxy, version)
    listeners = [{**proxy.config["listeners"][0], "trust": "again"}]
    proxy.reload(listeners=listeners)
    assert_starts_anew(proxy, version, session)


# -- keys -------------------------------------------------------------------------------------


def with_tickets(pki, **tickets):
    base = base_config(pki, "127.0.0.1:53")["listeners"][0]
    return [{**base, "tls": {"tickets": tickets}}]


def write_keys(path, *keys):
    path.write_text("".join(key + "\n" for key in keys))
    path.chmod(0o600)
    return str(path)


def test_a_ticket_outlives_one_rotation_and_not_two(start, pki):
    period = 4
    proxy = start(listeners=with_tickets(pki, rotate=f"{period}s"))

    def wait_for(number):
        # The proxy reads a coarser clock.
        eventually(lambda: (time.time() - 0.1) // period >= number, lambda: "the next period")

    wait_for(time.time() // period + 1)
    begun = time.time() // period
    first, second = take(proxy, TLS12), take(proxy, TLS12)  # using one renews it
    wait_for(begun + 1)
    assert_resumes(proxy, TLS12, first)
    wait_for(begun + 2)
    assert_starts_anew(proxy, TLS12, second)


@VERSIONS
def test_proxies_with_the_same_file_take_each_others_tickets(start, pki, tmp_path, version):
    keys = write_keys(tmp_path / "tickets.key", secrets.token_hex(32))
    first, second = [start(listeners=with_tickets(pki, file=keys)) for _ in range(2)]
    session = take(first, version)
    context = first.context(pki.worker, has_name=True, **only(version))
    again = Client(second.address, context, session=session).handshake()
    record = second.decision(again.ask(DENIED).id)
    assert again.tls.session_reused and record["tls"]["resumed"]
    again.close()


@VERSIONS
def test_proxies_without_a_common_file_do_not(start, pki, version):
    first, second = start(), start()
    session = take(first, version)
    context = first.context(pki.worker, has_name=True, **only(version))
    again = Client(second.address, context, session=session).handshake()
    again.ask(DENIED)
    assert not again.tls.session_reused
    again.close()


def test_a_new_key_goes_first_and_the_old_one_still_opens_until_it_is_gone(start, pki, tmp_path):
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    path = tmp_path / "tickets.key"
    proxy = start(listeners=with_tickets(pki, file=write_keys(path, old)))
    session = take(proxy, TLS12)
    write_keys(path, new, old)
    proxy.reload(client(name="a"))
    assert_resumes(proxy, TLS12, session)
    write_keys(path, new)
    proxy.reload(client(name="b"))
    assert_starts_anew(proxy, TLS12, session)


MISTAKES = {
    "an empty file": ("", 0o600, "not a file of ticket keys"),
    "a short key": ("ab" * 31 + "\n", 0o600, "not a file of ticket keys"),
    "a long key": ("ab" * 33 + "\n", 0o600, "not a file of ticket keys"),
    "four keys": (("ab" * 32 + "\n") * 4, 0o600, "not a file of ticket keys"),
    "no hexadecimal": ("xy" * 32 + "\n", 0o600, "not a file of ticket keys"),
    "an empty line": ("ab" * 32 + "\n\n", 0o600, "not a file of ticket keys"),
    "a file that others may read": ("ab" * 32 + "\n", 0o644, "chmod"),
}


def check(tmp_path, pki, listeners):
    path = tmp_path / "sallyport.yaml"
    config = {**base_config(pki, "127.0.0.1:53"), "listeners": listeners}
    write_config(path, config)
    result = run("check", "-c", path)
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bad_file_of_keys_is_refused_and_its_content_never_shown(tmp_path, pki, mistake):
    text, mode, expected = MISTAKES[mistake]
    path = tmp_path / "tickets.key"
    path.write_text(text)
    os.chmod(path, mode)
    code, said = check(tmp_path, pki, with_tickets(pki, file=str(path)))
    assert code == 3 and re.search(expected, said), said
    assert "abab" not in said and "xyxy" not in said


def test_listeners_with_different_tickets_are_refused(tmp_path, pki):
    listeners = two_listeners(pki, tls={"tickets": {"rotate": "1h"}})
    listeners[0] = {**listeners[0], "tls": {"tickets": {"rotate": "2h"}}}
    code, said = check(tmp_path, pki, listeners)
    assert code == 3 and "differs from that of another listener" in said, said


@pytest.mark.parametrize("rotate", ["0s", "500ms", "1500ms", "8d", "12"])
def test_a_period_out_of_bounds_is_refused(tmp_path, pki, rotate):
    code, said = check(tmp_path, pki, with_tickets(pki, rotate=rotate))
    assert code == 3 and "rotate" in said, said
