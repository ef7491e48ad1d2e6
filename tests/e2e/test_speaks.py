"""Whose request it is, passed on from proxy to proxy: `identity: client_cert` of a parent, and `speaks_for` of a client."""

import base64
import json

import pytest

from cryptography.hazmat.primitives.serialization import Encoding

from support.clocks import Clock
from support.config import base_config, client, merge, reach, write_config
from support.control import CONTROL, Control
from support.http2 import Http2
from support.origin import echo
from support.parents import ScriptedParent, parent
from support.pki import SERVER_AUTH
from support.plain import PlainClient, Reader, StrictOrigin, head, url
from support.proxy import run
from support.responder import TRY_LATER, Responder, unsuccessful
from support.scale import IS_SMALL, eventually
from support.wire import connect_head

BOTH = pytest.mark.protocols("h1", "h2")


@pytest.fixture(autouse=True)
def names(dns):
    dns.addresses("origin.test", "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


def sequence(*certificates):
    """A list of byte sequences (RFC 8941)."""
    return ", ".join(f":{base64.b64encode(each.public_bytes(Encoding.DER)).decode()}:" for each in certificates)


def sequence_of_pem(path):
    with open(path) as file:
        return ":" + "".join(line.strip() for line in file if "-----" not in line) + ":"


def fields_of(head):
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


def telling(pki, *ports, **more):
    return parent(pki, *ports, **{"identity": None, **more}) | {"identity": "client_cert"}


def test_a_parent_is_told_the_certificates_of_the_client(start, pki, server):
    scripted = ScriptedParent(leaf=pki.server_ca.leaf("p.test", ip=("127.0.0.1",), usages=(SERVER_AUTH,)), ca=pki.ca.path)
    lower = pki.authority("Lower CA", issuer=pki.ca)
    guest = lower.leaf("guest", sends=(lower,))
    listeners = [{**base_config(pki, "127.0.0.1:53")["listeners"][0], "client_certificate": "optional", "max_chain": "64KiB"}]
    rule = reach("origin.test", server.port)
    plain = telling(pki, scripted.port)
    nobody = client(rule, name="nobody", match=[{"anonymous": True}], via=["paris", "direct"])
    proxy = start(client(rule, via=["paris"]), nobody, parents=[plain], listeners=listeners)
    target = f"origin.test:{server.port}"
    proxy.tunnel(target).close()
    proxy.tunnel(target, guest).close()
    own, with_chain = (fields_of(head) for head in scripted.asked)
    assert own["Client-Cert"] == sequence(pki.worker.certificate) and "Client-Cert-Chain" not in own, own
    assert with_chain["Client-Cert"] == sequence(guest.certificate), with_chain
    assert with_chain["Client-Cert-Chain"] == sequence(lower.certificate), with_chain
    large = lower.leaf("large", sends=(lower,) * 15, dns=tuple(f"{n}.{'x' * 60}.{'y' * 60}.test" for n in range(250)))
    for who in (None, large):
        answer = proxy.ask(target, who)
        assert answer.status == 403, answer
        assert proxy.audit.wait("close", id=answer.id)["reason"] == "identity_untold"
    proxy.reload(parents=[plain | {"identity": "none"}])
    proxy.tunnel(target, None).close()
    assert "Client-Cert" not in fields_of(scripted.asked[2]) and len(scripted.asked) == 3, scripted.asked
    scripted.stop()
    assert server.accepted == 0


# -- what a proxy is told -------------------------------------------------------------------------


@pytest.fixture
def edge_ca(pki):
    """The CA of proxies that speak for others; of nobody else."""
    return pki.authority("Edge CA")


@pytest.fixture
def edge(edge_ca):
    return edge_ca.leaf("edge")


@pytest.fixture
def told(start, pki, edge_ca):
    """Starts a proxy that clients come to by way of an edge only: the listener knows edges, and they speak for staff."""

    def make(*clients, speaker=None, staff=None, **changes):
        edges = client(name="edges", match=[{"any": True, "trust": "edges"}], speaks_for={"trust": "staff"}, **(speaker or {}))
        listener = {**base_config(pki, "127.0.0.1:53")["listeners"][0], "trust": "edges", "max_chain": "20KiB"}
        trust = {"edges": {"ca": [edge_ca.path]}, "staff": {"ca": [pki.ca.path], **(staff or {})}}
        return start(*clients, edges, trust=trust, **{"listeners": [listener], **changes})

    return make


def told_of(*certificates):
    """The fields that say so."""
    leaf, *others = certificates
    chain = [f"Client-Cert-Chain: {sequence(*others)}"] if others else []
    return [f"Client-Cert: {sequence(leaf)}", *chain]


def reload(proxy, **changes):
    """Where blocks count among the generations, too."""
    proxy.config = merge(proxy.config, changes)
    write_config(proxy.config_path, proxy.config)
    Control(proxy).run("reload")


def speak(proxy, speaker, target, *fields):
    """A connection of a speaker, and the answer to its request."""
    one = proxy.connect(speaker)
    one.send(connect_head(target, *fields))
    one.answer = one.read_answer()
    one.id = one.answer.id
    return one


def workers(server, name="workers", cn="worker-1", **more):
    return client(reach("origin.test", server.port), name=name, match=[{"cn": cn, "trust": "staff"}], **more)


@BOTH
def test_the_client_of_a_request_is_whose_certificate_is_passed_on(told, pki, server, edge, protocol):
    lower = pki.authority("Lower CA", issuer=pki.ca)
    below, other = lower.leaf("below", sends=(lower,)), pki.ca.leaf("other")
    second = pki.ca.leaf("edge-2", subject=None)
    proxy = told(
        workers(server),
        workers(server, "guests", "below"),
        workers(server, "speakers", "edge-2", speaks_for={"trust": "staff"}),
        speaker={"sources": ["127.0.0.1"]},
    )
    target = f"origin.test:{server.port}"
    for leaf, chain, name in ((pki.worker, (), "workers"), (below, (lower,), "guests")):
        one = speak(proxy, edge, target, *told_of(leaf.certificate, *(ca.certificate for ca in chain)))
        assert one.answer.status == 200, one.answer
        one.echo(b"for another")
        decision = proxy.audit.wait("decision", id=one.id)
        assert (decision["client"]["name"], decision["client"]["sha256"]) == (name, leaf.sha256), decision
        assert decision["client"]["trust"] == "staff" and decision["client"]["address"] == "127.0.0.1", decision
        assert (decision["via_client"]["name"], decision["via_client"]["sha256"]) == ("edges", edge.sha256), decision
        one.close()
    old = pki.ca.leaf("worker-1", begins=-9, ends=-1)
    server_only = pki.ca.leaf("worker-1", usages=(SERVER_AUTH,))
    spoilt = pki.ca.leaf("worker-1", tampered=True)
    good = told_of(pki.worker.certificate)[0]
    large = pki.ca.leaf("worker-1", dns=tuple(f"{n}.{'x' * 60}.{'y' * 60}.test" for n in range(160)))
    rows = (
        ([], 403, "no_rule", None),
        (told_of(other.certificate), 403, "no_client", other),
        (told_of(old.certificate), 403, "expired", None),
        (told_of(server_only.certificate), 403, "bad_purpose", None),
        (["Client-Cert: " + sequence_of_pem(spoilt.chain)], 403, "bad_signature", None),
        (told_of(below.certificate), 403, "unknown_ca", None),
        (told_of(edge.certificate), 403, "unknown_ca", None),
        (told_of(second.certificate), 403, "not_spoken_for", None),
        (told_of(large.certificate), 403, "work_limit", None),
        (["Client-Cert: :AAEC:"], 403, "bad_certificate", None),
        ([good[:-3] + "AAA=:"], 400, "bad_request", None),
        ([good, good], 400, "bad_request", None),
        ([good, "Client-Cert-Chain:"], 400, "bad_request", None),
        ([good + ";q=1"], 400, "bad_request", None),
        (["Client-Cert:"], 400, "bad_request", None),
        (["Client-Cert-Chain" + good[11:]], 400, "bad_request", None),
        ([good, good.replace("Client-Cert", "Client_Cert")], 400, "bad_request", None),
    )
    for fields, status, reason, whose in rows:
        one = speak(proxy, edge, target, *fields)
        assert one.answer.status == status, (fields, one.answer)
        decision = proxy.audit.wait("decision", id=one.id)
        assert decision["decision"]["reason"] == reason, (fields, decision)
        assert decision["client"]["sha256"] == (whose or edge).sha256, (fields, decision)
        assert ("via_client" in decision) == bool(whose), (fields, decision)
        one.close()
    presented = proxy.audit.wait("decision", **{"decision.reason": "expired"})["presented"]
    assert presented["sha256"] == old.sha256, presented


def test_what_is_wrong_with_an_edge_is_not_said_of_its_client(told, pki, server, edge):
    proxy = told(workers(server), speaker={"sources": ["192.0.2.1"]})
    one = speak(proxy, edge, f"origin.test:{server.port}", *told_of(pki.worker.certificate))
    assert one.answer.status == 403, one.answer
    decision = proxy.audit.wait("decision", id=one.id)
    assert decision["decision"]["reason"] == "source_not_allowed", decision
    assert decision["client"]["sha256"] == edge.sha256, decision
    assert "presented" not in decision and "detail" not in decision, decision


def test_many_bad_certificates_on_one_connection_are_each_refused(told, pki, server, edge):
    bad = [pki.ca.leaf(f"bad-{number}", tampered=True) for number in range(4)]
    proxy = told(workers(server), workers=1)
    session = Http2(proxy.connect(edge, alpn=("h2",)))
    asked = [(":method", "CONNECT"), (":authority", f"origin.test:{server.port}")]
    fields = [sequence_of_pem(bad[number % len(bad)].chain) for number in range(48)]
    streams = [session.request([*asked, ("client-cert", field)], end=False) for field in [*fields, sequence(pki.worker.certificate)]]
    assert [stream.status for stream in streams] == [403] * len(fields) + [200]


@BOTH
def test_nobody_else_says_whose_request_it_is(start, pki, server, protocol):
    web = StrictOrigin()
    rule = reach("origin.test", server.port, web.port)
    proxy = start(client(rule, match=[{"cn": "worker-1"}]))
    guest = told_of(pki.ca.leaf("guest").certificate)
    for fields in (guest, ["Client-Cert-Chain: x"], ["client_cert: x"]):
        one = speak(proxy, pki.worker, f"origin.test:{server.port}", *fields)
        assert one.answer.status == 400, one.answer
        assert proxy.audit.wait("decision", id=one.id)["decision"]["reason"] == "bad_request"
        one.close()
    plain = PlainClient(proxy.connect())
    assert plain.get(url(web), *guest, "X-Own: 1").status == 200
    [seen] = web.wait_requests(1)
    assert seen.get("x-own") == "1" and seen.get("client-cert") is None, seen.fields
    web.stop()
    assert server.accepted == 0 and not web.violations


@BOTH
def test_plain_requests_and_upgrades_are_the_guests_too(told, pki, server, edge, protocol):
    web = StrictOrigin()
    proxy = told(workers(web), workers(web, "guests", "guest", mode="enforce"), workers=1)
    guest = pki.ca.leaf("guest")
    plain = PlainClient(proxy.connect(edge))
    for who, name in ((pki.worker, "workers"), (guest, "guests"), (pki.worker, "workers")):
        assert plain.get(url(web), *told_of(who.certificate)).status == 200
    assert [each["client"]["name"] for each in proxy.audit.wait_count(3, "decision")] == ["workers", "guests", "workers"]
    assert plain.get(url(web)).status == 403
    requests = web.wait_requests(3)
    assert all(each.get("client-cert") is None for each in requests)
    assert web.accepted == 3, "no connection serves two"
    web.stop()
    assert not web.violations


def test_a_websocket_is_the_guests_and_ends_with_it(told, pki, edge, origin):
    def habit(conn):
        Reader(lambda: conn.recv(65536)).request()
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        echo(conn)

    web = origin(habit)
    proxy = told(workers(web), workers(web, "guests", "guest"), control=CONTROL)
    guest = pki.ca.leaf("guest")
    fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: k")
    target = url(web).replace("http://", "ws://")
    opened = []
    for who in (pki.worker, guest):
        one = PlainClient(proxy.connect(edge))
        one.send(head("GET", target, *fields, *told_of(who.certificate)))
        assert one.read().status == 101
        opened.append(one)
    one = PlainClient(proxy.connect(edge))
    one.send(head("GET", target, *fields))
    assert one.read().status == 403, "the edge has no rule of its own"
    decision = proxy.audit.wait("decision", **{"client.sha256": guest.sha256})
    assert (decision["client"]["name"], decision["via_client"]["name"]) == ("guests", "edges"), decision
    Control(proxy).block("client:guests")
    proxy.assert_closed(decision["id"], "blocked", status=101)
    opened[0].send(b"goes on")
    assert opened[0].reader.take(7) == b"goes on"


# -- what the tools say of it ---------------------------------------------------------------------


AGENT = "spiffe://example.org/agent"


def explained(proxy, target, *options):
    result = run("explain", "-c", proxy.config_path, "--to", target, "--address", "127.0.0.1", "--json", *options)
    assert result.returncode in (0, 1), result.stderr
    people = run("explain", "-c", proxy.config_path, "--to", target, "--address", "127.0.0.1", *options)
    found = json.loads(result.stdout)
    assert f"answer     {found['decision']['action']}: {found['decision']['reason']}" in people.stdout, people
    return found, people.stdout


def replayed(proxy, config=None):
    result = run("audit", "replay", "-c", config or proxy.config_path, "--strict", "--each", "--json", proxy.audit.path)
    assert result.returncode in (0, 1), result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_explain_and_replay_say_of_a_passed_on_certificate_what_the_proxy_says(told, pki, server, edge, edge_ca, tmp_path):
    lower = pki.authority("Lower CA", issuer=pki.ca)
    other_edge, quiet = edge_ca.leaf("edge-2"), edge_ca.leaf("quiet")
    guests = {
        "workers": pki.worker,
        "agent-seven": pki.ca.leaf("seven", uri=(AGENT,)),
        "bad_account": pki.ca.leaf("no account", uri=(AGENT,)),
        "no_client": pki.ca.leaf("nobody"),
        "not_spoken_for": pki.ca.leaf("speaker"),
        "source_not_allowed": pki.ca.leaf("elsewhere"),
        "not_valid_now": pki.ca.leaf("asleep"),
        "expired": pki.ca.leaf("worker-1", begins=-9, ends=-1),
        "bad_purpose": pki.ca.leaf("worker-1", usages=(SERVER_AUTH,)),
        "unknown_ca": pki.authority("Foreign CA").leaf("worker-1"),
        "no_rule": lower.leaf("below", sends=(lower,)),
    }
    elsewhere = {"sources": ["192.0.2.0/24"]}
    speaks = {"speaks_for": {"trust": "staff"}}
    at = [{"cn": "edge-2", "trust": "edges"}]
    proxy = told(
        workers(server),
        workers(server, "agent-{cn}") | {"match": [{"uri": AGENT, "trust": "staff"}]},
        workers(server, "speakers", "speaker", **speaks),
        workers(server, "elsewhere", "elsewhere", **elsewhere),
        workers(server, "asleep", "asleep", valid={"until": "2020-01-01"}),
        client({"hosts": ["x.test"]}, name="below", match=[{"cn": "below", "trust": "staff"}]),
        client({"hosts": ["x.test"]}, name="quiet", match=[{"cn": "quiet", "trust": "edges"}]),
        client(name="far-edges", match=at, **speaks, **elsewhere),
    )
    target = f"origin.test:{server.port}"
    rows = [(edge, guest, name) for name, guest in guests.items()]
    rows += [(other_edge, pki.worker, "source_not_allowed"), (other_edge, guests["expired"], "expired"), (quiet, pki.worker, "bad_request")]
    for speaker, guest, wanted in rows:
        one = speak(proxy, speaker, target, *told_of(guest.certificate, *([lower.certificate] if wanted == "no_rule" else [])))
        one.close()
        made = proxy.audit.wait("decision", id=one.id)
        found, text = explained(proxy, target, "--cert", speaker.chain, "--trust", "edges", "--from", "127.0.0.1", "--for", guest.chain)
        assert found["decision"] == made["decision"], (wanted, made, text)
        if made["decision"]["action"] == "allow":
            assert made["client"]["name"] == wanted == found["client"].get("account", found["client"]["name"]), text
        else:
            assert made["decision"]["reason"] == wanted, made
        assert found["via_client"]["name"] in text, text
        logged = run("explain", "-c", proxy.config_path, "--json", "--log", proxy.audit.path, "--id", one.id)
        if speaker is edge and wanted in ("bad_purpose", "expired", "not_spoken_for", "unknown_ca"):
            assert "the record does not say for whom" in logged.stderr, logged
        elif wanted != "expired":
            assert json.loads(logged.stdout)["decision"] == made["decision"], logged
    assert replayed(proxy) == []
    found, text = explained(proxy, target, "--as", "cn:edge", "--trust", "edges", "--from", "127.0.0.1", "--for-as", f"uri:{AGENT}", "--for-as", "cn:eight")
    assert found["client"]["account"] == "agent-eight" and "edge       edges, which speaks for clients of the profile staff" in text, text
    for name, change, wanted in (
        ("edges", {"speaks_for": ...}, {"error (bad_request)"}),
        ("far-edges", {"sources": ["127.0.0.0/8"]}, {"allow? (whose request it was decides)"}),
    ):
        clients = [merge(each, change) if each["name"] == name else each for each in proxy.config["clients"]]
        write_config(tmp_path / "other.yaml", {**proxy.config, "clients": clients})
        changes = replayed(proxy, tmp_path / "other.yaml")
        assert {each["after"] for each in changes} == wanted, changes


@pytest.mark.parametrize(
    "options, status, said",
    [
        (("--for-as", "anonymous"), 2, "nobody speaks for a client without certificate"),
        (("--for-as", "cn:x", "--for", "y"), 2, "for whom?"),
        (("--for-as", "worker"), 3, "--for-as: `worker` is not one of"),
        (("--for", "no-such-file"), 3, "no-such-file"),
    ],
)
def test_a_question_for_somebody_that_cannot_be_read_is_refused(pki, tmp_path, options, status, said):
    edges = client(name="edges", match=[{"cn": "edge"}], speaks_for={"trust": "staff"})
    config = base_config(pki, "127.0.0.1:53") | {"clients": [edges]}
    write_config(tmp_path / "sallyport.yaml", config)
    result = run("explain", "-c", tmp_path / "sallyport.yaml", "--as", "cn:edge", "--to", "a.test:443", *options)
    assert result.returncode == status and said in result.stderr, result


@BOTH
def test_who_may_speak_later_is_told_when(told, pki, server, edge, protocol):
    proxy = told(workers(server), speaker={"valid": {"from": "2090-01-01"}})
    one = speak(proxy, edge, f"origin.test:{server.port}", *told_of(pki.worker.certificate))
    assert one.answer.status == 403 and b"2090-01-01" in one.answer.body, one.answer
    assert proxy.audit.wait("decision", id=one.id)["decision"]["reason"] == "not_valid_now"
    assert proxy.audit.wait("decision", id=one.id)["passed_on"] is True


# -- while a tunnel lives -------------------------------------------------------------------------


@BOTH
def test_a_plain_request_of_a_guest_goes_by_the_new_names_of_guest_and_edge(told, pki, edge):
    size, server = 300_000, StrictOrigin()
    told_fields = told_of(pki.ca.leaf("guest").certificate)

    def guests(name):
        return workers(server, name, "guest", limits={"tunnels": 1})

    proxy = told(guests("guests"))
    edges = {**proxy.config["clients"][-1], "name": "others"}
    one = PlainClient(proxy.connect(edge))
    one.send(head("POST", url(server), f"Content-Length: {size}", *told_fields) + b"x" * 40_000)
    server.wait_accepted(1)
    proxy.reload(guests("renamed"), edges)
    other = PlainClient(proxy.connect(edge))
    # A worker that has not judged it yet leaves room for a moment.
    eventually(lambda: other.get(url(server), *told_fields).status == 429, "it to be counted")
    one.client.send(b"x" * (size - 40_000))
    assert one.read().status == 200
    assert b"x" * size in [request.body for request in server.requests]
    proxy.audit.wait("close", reason="completed", bytes__up=size)
    assert other.get(url(server), *told_fields).status == 200
    server.stop()


def test_what_ends_the_guest_or_its_edge_ends_the_tunnel(told, pki, server, edge, edge_ca):
    guest, other_edge = pki.ca.leaf("guest"), edge_ca.leaf("edge-2")
    limits = {"limits": {"tunnels": 3}}
    clients = [workers(server), workers(server, "guests", "guest", **limits)]
    proxy = told(*clients, control=CONTROL)
    control = Control(proxy)
    target = f"origin.test:{server.port}"

    def opened(who=guest, through=edge):
        one = speak(proxy, through, target, *told_of(who.certificate))
        assert one.answer.status == 200, one.answer
        one.echo(b"before")
        return one

    kept = opened(pki.worker)
    for by, reason in (("client:guests", "killed"), ("client:edges", "killed")):
        one = opened(through=other_edge)
        control.run("kill", by)
        proxy.assert_closed(one.id, reason)
    kept = opened(pki.worker)
    for who in ("client:guests", f"sha256:{guest.sha256}", f"sha256:{other_edge.sha256}"):
        one = opened(through=other_edge)
        control.block(who)
        proxy.assert_closed(one.id, "blocked")
        if who != f"sha256:{other_edge.sha256}":
            assert speak(proxy, other_edge, target, *told_of(guest.certificate)).answer.status == 403
        control.unblock(who)
    for name in ("workers", "edges"):
        listed = json.loads(control.run("top", "--client", name, "--json").stdout)["tunnels"]
        assert (kept.id, "workers") in [(each["id"], each["client"]) for each in listed], listed
    for profile, crl in (("staff", pki.ca.crl(guest)), ("edges", edge_ca.crl(other_edge))):
        one = opened(through=other_edge)
        reload(proxy, trust={profile: {"crl": [crl]}})
        proxy.assert_closed(one.id, "revoked")
        reload(proxy, trust={profile: {"crl": ...}})
    one = opened()
    reload(proxy, clients=[*clients, client(reach("x.test", 1), name="edges", match=[{"any": True, "trust": "edges"}])])
    proxy.assert_closed(one.id, "policy_changed")
    proxy.assert_closed(kept.id, "policy_changed")


@pytest.mark.skipif(IS_SMALL, reason="the probe of the clock and a sanitizer both want to be loaded first")
def test_a_tunnel_ends_with_the_certificate_of_its_client_also_when_the_clock_was_set(told, pki, server, edge, tmp_path):
    clock = Clock(tmp_path)
    guest = pki.ca.leaf("worker-1", ends=1)
    proxy = told(workers(server), control=CONTROL, process={"environment": clock.environment})
    one = speak(proxy, edge, f"origin.test:{server.port}", *told_of(guest.certificate))
    assert one.answer.status == 200, one.answer
    clock.jump(86400 - 4)
    proxy.stderr.wait("the machine's clock was set")
    one.echo(b"still good")
    proxy.assert_closed(one.id, "expired")


@BOTH
def test_ocsp_is_asked_about_whom_a_proxy_speaks_for(told, pki, server, edge, protocol):
    responder = Responder(pki.ca)
    good, revoked, ending = (pki.ca.leaf(name) for name in ("ocsp-good", "ocsp-revoked", "ocsp-ending"))
    responder.knows(good, revoked, ending).revoke(revoked)
    responder.life = 3
    asks = {"ocsp": {"mode": "require", "responder": responder.url, "timeout": "9s"}}
    everybody = client(reach("origin.test", server.port), match=[{"any": True, "trust": "staff"}])
    proxy = told(everybody, staff=asks)
    target = f"origin.test:{server.port}"
    responder.gate.clear()
    waiting = []
    for leaf in (good, revoked):
        one = proxy.connect(edge)
        one.send(connect_head(target, *told_of(leaf.certificate)))
        waiting.append(one)
        responder.wait_asked(leaf)
    assert proxy.audit.records("decision") == []
    responder.gate.set()
    assert [one.read_answer().status for one in waiting] == [200, 403]
    waiting[0].echo(b"good")
    assert proxy.audit.wait("decision", **{"decision.reason": "revoked"})["client"]["sha256"] == revoked.sha256
    assert proxy.audit.wait("decision", **{"decision.action": "allow"})["client"]["ocsp"] == "good"
    one = speak(proxy, edge, target, *told_of(ending.certificate))
    responder.revoke(ending)
    proxy.assert_closed(one.id, "revoked")
    waiting[0].echo(b"still good")
    # An answer that is over ends nothing, and lets nobody new in.
    responder.habit = lambda *_: unsuccessful(TRY_LATER)

    def is_over():
        return speak(proxy, edge, target, *told_of(good.certificate)).answer.status == 403

    eventually(is_over, "the end of the answer")
    refusal = proxy.audit.wait("decision", **{"decision.reason": "ocsp_unavailable"})
    assert refusal["client"]["sha256"] == good.sha256 and refusal["detail"] == "try_later"
    waiting[0].echo(b"nobody knows")
    responder.stop()


@BOTH
def test_what_nobody_has_answered_about_is_said_of_whom_a_proxy_speaks_for(told, pki, server, edge, protocol):
    responder = Responder(pki.ca)
    guest = pki.ca.leaf("ocsp-silent")
    responder.gate.clear()
    asks = {"ocsp": {"mode": "soft", "responder": responder.url, "timeout": "500ms"}}
    proxy = told(client(reach("origin.test", server.port), match=[{"any": True, "trust": "staff"}]), staff=asks)
    one = speak(proxy, edge, f"origin.test:{server.port}", *told_of(guest.certificate))
    assert one.answer.status == 200, one.answer
    assert proxy.audit.wait("decision", id=one.id)["client"]["ocsp"] == "unanswered"
    responder.gate.set()
    responder.stop()


def test_streams_of_one_connection_speak_for_different_clients(told, pki, server, edge):
    guests = [pki.ca.leaf(f"guest-{number}") for number in range(20)]
    each_own = client(reach("origin.test", server.port), name="{cn}", match=[{"any": True, "trust": "staff"}])
    proxy = told(each_own, control=CONTROL, workers=1)
    session = Http2(proxy.connect(edge, alpn=("h2",)))
    asked = [(":method", "CONNECT"), (":authority", f"origin.test:{server.port}")]
    streams = [session.request([*asked, ("client-cert", sequence(guest.certificate))], end=False) for guest in guests]
    assert [stream.status for stream in streams] == [200] * len(streams)
    decisions = proxy.audit.wait_count(len(guests), "decision")
    assert {each["client"]["name"]: each["client"]["sha256"] for each in decisions} == {
        f"guest-{number}": guest.sha256 for number, guest in enumerate(guests)
    }
    control = Control(proxy)
    control.block("client:guest-7")
    assert streams[7].read_to_end()[1] != "end"
    for number, stream in enumerate(streams):
        if number != 7:
            stream.send(b"other")
            assert stream.read(5) == b"other"
    control.block("client:edges")
    for number, stream in enumerate(streams):
        assert number == 7 or stream.read_to_end()[1] != "end"
    assert {each["reason"] for each in proxy.audit.wait_count(len(guests), "close")} == {"blocked"}


# -- three in a row -------------------------------------------------------------------------------


@pytest.fixture
def chain(start, told, pki, server, edge, edge_ca):
    """Three proxies: clients come to the first one, the last one goes to the server."""
    rule = {"addresses": ["127.0.0.0/8"], "ports": [server.port]}
    by = {"identity": "client_cert", "certificate": {"chain": edge.chain, "key": edge.key}}
    known = [{"cn": "worker-1", "trust": "staff"}]
    everybody = [{"any": True, "trust": "staff"}]
    last = told(client(rule, match=known), control=CONTROL)
    above = parent(pki, last.address[1]) | by
    middle = told(client(rule, match=everybody, via=["paris"]), parents=[above], control=CONTROL)
    above = parent(pki, middle.address[1]) | by
    named = reach("origin.test", server.port)
    first = start(client(named, via=["paris"]), parents=[above], control=CONTROL)
    return first, middle, last


@BOTH
def test_the_last_of_three_proxies_decides_by_the_certificate_of_the_first_ones_client(chain, pki, server, protocol):
    target = f"origin.test:{server.port}"
    first, middle, last = chain
    refused = first.ask(target, pki.ca.leaf("unknown-to-the-last"))
    assert refused.status == 403 and "no_client" in refused.fields["proxy-status"], refused
    last.audit.wait("decision", **{"decision.reason": "no_client"})
    assert server.accepted == 0
    revoked, nobody = ({"staff": {"crl": crl}} for crl in ([pki.ca.crl(pki.worker)], ...))
    count = 0
    for at in (last, first):
        for end, back, reason in (
            (lambda: Control(at).block("client:workers"), lambda: Control(at).unblock("client:workers"), "blocked"),
            (lambda: reload(at, trust=revoked), lambda: reload(at, trust=nobody), "revoked"),
        ):
            tunnel = first.tunnel(target)
            tunnel.echo(b"through three")
            count += 1
            allow = {"decision.action": "allow", "client.sha256": pki.worker.sha256}
            decisions = {proxy: proxy.audit.wait_count(count, "decision", **allow)[-1] for proxy in chain}
            assert [decisions[proxy].get("via_client", {}).get("name") for proxy in chain] == [None, "edges", "edges"]
            end()
            for proxy in chain:
                close = proxy.audit.wait("close", id=decisions[proxy]["id"])
                wanted = (reason,) if proxy is at else ("client_reset", "client_closed", "upstream_reset", "upstream_closed")
                assert close["reason"] in wanted, (reason, close)
            tunnel.read_to_end()
            back()
