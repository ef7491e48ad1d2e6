"""Receivers of the audit log over TLS, good ones and bad ones; and sinks that a reload changes."""

import contextlib
import json
import os
import re
import shutil
import socket
import ssl

import pytest

from support import config as configs
from support.admin import get
from support.pki import SERVER_AUTH
from support.proxy import run
from support.receivers import Receiver, Silent, Talker, server_context, syslog_messages
from support.scale import PATIENCE, eventually

DENIED = "nowhere.test:443"


def ask(proxy, count):
    for _ in range(count):
        proxy.close_record(proxy.ask(DENIED).id)


def says(proxy, receiver, words, after=0):
    proxy.stderr.wait(rf"sink {receiver.place} of the audit log: .*{words}", after=after)


@pytest.fixture
def tls(pki):
    """`tls` of a sink, as the proxy of these tests has it."""
    own = pki.worker
    return {"ca": pki.server_ca.path, "certificate": {"chain": own.chain, "key": own.key}}


def sinks(*also):
    return {"file": "audit.jsonl", "also": list(also)}


def test_receivers_over_tls_get_what_the_file_gets_from_a_client_that_they_know(start, pki, tls):
    context = server_context(pki.server, clients=pki.ca.path)
    old = server_context(pki.server, clients=pki.ca.path)
    old.maximum_version = old.minimum_version = ssl.TLSVersion.TLSv1_2
    lines, syslog, named = Receiver(context=context), Receiver(context=context), Receiver(context=old)
    proxy = start(
        audit=sinks(
            {"lines": lines.place, "tls": tls},
            {"syslog": syslog.place, "tls": tls, "required": True},
            {"lines": named.place, "tls": {**tls, "name": "proxy.test"}},
        )
    )
    ask(proxy, 5)
    proxy.stop()
    written = proxy.audit.lines()
    for each in (lines, named):
        eventually(lambda each=each: each.lines() == written, "the lines")
    eventually(lambda: [each.partition(b" - ")[2] for each in syslog_messages(syslog.data)] == written, "messages")
    assert {each.subject for place in (lines, syslog, named) for each in place.connections} == {"worker-1"}
    assert all(each.is_over for each in lines.connections)


def test_nobody_but_the_right_receiver_gets_a_record_and_the_log_says_why(start, pki, tls):
    """Each of them keeps nobody waiting; the proxy's requests and its file go on."""
    server = pki.server_ca
    names = {"ip": ("127.0.0.1",), "usages": (SERVER_AUTH,)}
    wrong = {
        "not for 127.0.0.1: configure the name that it is for": server_context(pki.origin),
        "refused \\(expired\\): .*is the clock right": server_context(server.leaf("past", begins=-9, ends=-1, **names)),
        "refused \\(unknown_ca\\): is its CA in": server_context(pki.ca.leaf("other", **names)),
        "refused \\(bad_purpose\\): .*serverAuth": server_context(server.leaf("client", ip=("127.0.0.1",))),
    }
    cases = {words: Receiver(context=context) for words, context in wrong.items()}
    silent, mute = Silent(), Talker(b"")
    lacking = Receiver(context=server_context(pki.server, clients=pki.ca.path))
    plain = Talker(b"220 mail.test ESMTP\r\n")
    more = {
        "its TLS handshake takes too long": silent,
        "ended the TLS handshake without a word": mute,
        "does it want a certificate of ours": lacking,
        "what it says is not TLS": plain,
    }
    bare = {"ca": tls["ca"]}
    proxy = start(audit=sinks(*({"lines": each.place, "tls": tls} for each in cases.values())))
    for words, receiver in cases.items():
        says(proxy, receiver, words)
    proxy.reload(audit=sinks(*({"lines": each.place, "tls": bare} for each in more.values())))
    ask(proxy, 3)
    for words, receiver in more.items():
        says(proxy, receiver, words)
    # While one of them keeps the sink in a handshake, a reload brings another list.
    good = Receiver(context=server_context(pki.server))
    noisy = Talker(b"\x15\x03\x03\x00\x02\x01\x00" * 100)  # warnings that mean nothing
    proxy.reload(audit=sinks(*({"lines": each.place, "tls": bare} for each in (good, noisy))))
    ask(proxy, 1)
    says(proxy, noisy, "the TLS handshake failed: [^;]")
    eventually(lambda: len(good.lines()) > 1, "records")
    proxy.audit.wait("sink_lost", sink=silent.place)
    proxy.stop()
    assert not any(each.data for each in (*cases.values(), lacking))
    assert good.lines() == [line for line in proxy.audit.lines()][-len(good.lines()) :]


def test_a_reload_changes_sinks_and_those_that_stay_keep_their_connection(start, pki, tls, tmp_path):
    context = server_context(pki.server, clients=pki.ca.path)
    own = {name: tmp_path / name for name in ("chain", "key", "ca")}

    def show(leaf):
        for name, path in (("chain", leaf.chain), ("key", leaf.key), ("ca", pki.server_ca.path)):
            shutil.copy(path, f"{own[name]}.new")
            os.rename(f"{own[name]}.new", own[name])

    show(pki.worker)
    shown = {"ca": str(own["ca"]), "certificate": {"chain": str(own["chain"]), "key": str(own["key"])}}
    stays, renewed, leaves, comes = (Receiver(context=context) for _ in range(4))
    always = [{"lines": stays.place, "tls": tls}, {"lines": renewed.place, "tls": shown}]
    proxy = start(audit=sinks(*always, {"lines": leaves.place, "tls": tls}))
    ask(proxy, 2)
    proxy.reload(audit=sinks({"lines": comes.place, "tls": tls}, *reversed(always)))
    ask(proxy, 2)
    eventually(lambda: leaves.connections and leaves.connections[0].is_over, "the end of what was removed")
    assert leaves.lines() == proxy.audit.lines()[:4]
    # Another certificate for one of them: the watcher of files sees it.
    said = proxy.stderr.count()
    show(pki.ca.leaf("worker-2"))
    proxy.stderr.wait("reloaded: ", after=said)
    ask(proxy, 2)
    proxy.stop()
    written = proxy.audit.lines()
    eventually(lambda: comes.lines() == written[4:], "the lines of what was added")
    for each in (stays, renewed):
        eventually(lambda each=each: each.lines() == written, "all lines")
    assert [len(each.connections) for each in (stays, renewed, comes)] == [1, 2, 1]
    assert [each.subject for each in renewed.connections] == ["worker-1", "worker-2"]


def test_what_a_removed_receiver_did_not_get_is_counted(start):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = "tcp:127.0.0.1:%d" % probe.getsockname()[1]
    other = Receiver()
    proxy = start(audit=sinks({"lines": place, "required": True}, {"lines": other.place}))
    eventually(lambda: proxy.ask(DENIED).status == 503, "a required one that is away")
    proxy.close_record(proxy.ask(DENIED).id)
    before = len(proxy.audit.lines())
    proxy.reload(audit=sinks({"lines": other.place}))
    eventually(lambda: proxy.ask(DENIED).status == 403, "an optional one")
    lost = proxy.audit.wait("sink_lost", sink=place)
    assert lost["count"] == before
    proxy.stop()
    eventually(lambda: other.lines() == proxy.audit.lines(), "the lines")


def test_who_takes_lines_and_hangs_up_does_not_empty_the_queue(start):
    """A connection that does not last is followed by a wait."""

    class Rude(Receiver):
        def serve(self, connection):
            with connection, contextlib.suppress(OSError):
                self.connections.append(connection)
                connection.recv(65536)

    rude = Rude()
    proxy = start(audit=sinks({"lines": rude.place}))
    ask(proxy, 40)
    says(proxy, rude, "ended the connection")
    assert len(rude.connections) < 20
    proxy.stop()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"lines": "unix:/x", "tls": {}}, "a Unix socket needs no `tls`"),
        ({"clear": True}, "`tls` or `clear: true`, and not both"),
        ({"tls": {"name": "not a name"}}, "neither a host name nor an address"),
        ({"tls": {"ca": "missing.crt"}}, "missing.crt"),
        ({"tls": {"ca": "key"}}, "private key"),
        ({"tls": {"certificate": {"chain": "chain"}}}, "`key`"),
        ({"tls": {"certificate": {"chain": "chain", "key": "other"}}}, "does not belong"),
        ({"tls": {"certificate": {"chain": "chain", "key": "open"}}}, "chmod 600"),
        ({"tls": {"certificate": {"chain": "empty", "key": "key"}}}, "empty"),
        ({"tls": {"certificate": {"chain": "key", "key": "key"}}}, "certificate"),
    ],
)
def test_a_sink_with_tls_that_cannot_be_is_an_error_before_the_start(start_shared, pki, tmp_path, entry, words):
    proxy = start_shared()
    other = pki.ca.leaf("another")
    for name, path in (("chain", pki.worker.chain), ("key", pki.worker.key), ("other", other.key), ("open", other.key)):
        shutil.copy(path, tmp_path / name)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "empty").write_bytes(b"")
    own = {"ca": pki.server_ca.path}
    sink = {"lines": "tcp:192.0.2.1:6514", **entry, "tls": {**own, **entry.get("tls", {})}}
    path = tmp_path / "config.yaml"
    configs.write_config(path, {**proxy.config, "audit": sinks(sink)})
    result = run("check", "-c", path)
    assert result.returncode == 3 and words in result.stderr, result.stderr


def test_check_tells_how_long_the_certificates_of_a_sink_are_good(start_shared, pki, tls, tmp_path):
    soon = pki.ca.leaf("soon", ends=3, usages=(SERVER_AUTH,))
    certificate = {"chain": soon.chain, "key": soon.key}
    sink = {"syslog": "tcp:192.0.2.1:6514", "tls": {**tls, "certificate": certificate, "name": "log.test"}}
    path = tmp_path / "config.yaml"
    configs.write_config(path, {**start_shared().config, "audit": sinks(sink)})
    result = run("check", "-c", path)
    assert result.returncode == 0
    assert re.search(r"\(CN=soon\) has \d days left", result.stderr), result.stderr
    assert "lacks clientAuth" in result.stderr
    configs.write_config(path, {**start_shared().config, "audit": sinks(sink, sink)})
    result = run("check", "-c", path, patience=PATIENCE)
    assert result.returncode == 3 and "twice" in result.stderr


def test_an_operator_sees_how_sinks_are_and_when_their_certificates_end(start, pki, tls, tmp_path):
    """In the metrics, in `status`, on the page, and in the log before something ends."""
    good = Receiver(context=server_context(pki.server, clients=pki.ca.path))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = "tcp:127.0.0.1:%d" % probe.getsockname()[1]
    soon = pki.ca.leaf("soon", ends=3 + 6 / 86400)  # the word of this day comes once the proxy is up
    own = {"chain": soon.chain, "key": soon.key}
    sink = {"lines": good.place, "tls": {**tls, "certificate": own}}
    proxy = start(audit=sinks(sink, {"syslog": away}), admin={"address": "127.0.0.1:0"})
    said = proxy.stderr.wait(r"metrics and health at http://(.*):(\d+)/")
    proxy.stderr.wait(rf"sink {good.place}: our certificate CN=soon expires in 7\d hours; renew it")
    proxy.stderr.wait(f"sink {away} of the audit log: Connection refused")
    ask(proxy, 2)
    eventually(lambda: len(good.lines()) == 4, "the lines")

    def read(path):
        return get((said[1], int(said[2])), path).body

    def has(text):
        return lambda: re.search(text, read("/metrics"), re.MULTILINE)

    eventually(has(rf'^sallyport_sink_up{{sink="{good.place}",form="lines"}} 1$'), "one that is up")
    eventually(has(rf'^sallyport_sink_queued_bytes{{sink="{good.place}",form="lines"}} 0$'), "nothing waits")
    metrics = read("/metrics")
    place = re.escape(away)
    assert re.search(rf'^sallyport_sink_up{{sink="{place}",form="syslog"}} 0$', metrics, re.MULTILINE)
    waits = int(re.search(rf'^sallyport_sink_queued_bytes{{sink="{place}",form="syslog"}} (\d+)$', metrics, re.MULTILINE)[1])
    assert waits == sum(map(len, proxy.audit.lines()))
    assert re.search(rf'^sallyport_sink_lost_total{{sink="{place}",form="syslog"}} 0$', metrics, re.MULTILINE)
    ends = re.findall(r'not_after_timestamp_seconds{kind="(sink\w*)",of="([^"]*)",.*subject="([^"]*)"}', metrics)
    assert ("sink", f"lines {good.place}", "CN=soon") in ends
    assert {kind for kind, *_ in ends} == {"sink", "sink_anchor"}
    state = json.loads(read("/status.json"))
    assert [(each["sink"], each["up"], each["lost"]) for each in state["sinks"]] == [(good.place, True, 0), (away, False, 0)]
    assert {each["kind"] for each in state["certificates"]} == {"server", "anchor", "sink", "sink_anchor"}
    page = read("/")
    assert "takes records" in page and "away" in page and "certificate shown to the sink" in page
