"""Requests that go through other proxies: `parents` and `via`."""

import json

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.inner import hello
from support.origin import dead_port, echo
from support.parents import parent
from support.pki import SERVER_AUTH
from support.plain import PlainClient, StrictOrigin, url
from support.proxy import run
from support.readers import free_port
from support.wire import Ending, connect_head

BOTH = pytest.mark.protocols("h1", "h2")


@pytest.fixture(autouse=True)
def names(dns):
    for name in ("origin.test", *(f"{number}.origin.test" for number in range(6))):
        dns.addresses(name, "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


def upstairs(start, server, **changes):
    """A parent of the same kind, which lets our certificate reach the server by its address."""
    rule = {"addresses": ["127.0.0.0/8"], "ports": [server.port]}
    return start(client(rule, name="edges", match=[{"uri": "spiffe://example.test/edge"}]), **changes)


def downstairs(start, server, *parents, via=None, **changes):
    """A proxy whose client goes through these."""
    allowed = reach("origin.test", server.port)
    names = [each["name"] for each in parents] if via is None else via
    return start(client(allowed, via=names), parents=list(parents), **changes)


@BOTH
def test_a_tunnel_goes_through_a_parent_that_knows_us_by_our_certificate(start, pki, server, protocol):
    above = upstairs(start, server)
    proxy = downstairs(start, server, parent(pki, above.address[1]))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    assert tunnel.id
    tunnel.echo(b"through two proxies" * 1000)
    tunnel.close()
    close = proxy.audit.wait("close", id=tunnel.id)
    assert close["parent"] == {"name": "paris", "host": "127.0.0.1", "port": above.address[1], "protocol": "h2"}
    assert close["upstream"] == {"address": "127.0.0.1", "port": server.port, "attempts": 1}, close
    assert proxy.audit.wait("decision", id=tunnel.id)["via"] == ["paris"]
    seen = above.audit.wait("decision")
    assert seen["client"]["san_uri"] == ["spiffe://example.test/edge"], seen
    assert (seen["request"]["host"], seen["request"]["protocol"]) == ("127.0.0.1", "h2"), seen


def test_a_parent_without_http2_gets_a_connection_for_each_tunnel(start, pki, server):
    above = upstairs(start, server, listeners=[{**_listener(pki), "http2": False}])
    proxy = downstairs(start, server, parent(pki, above.address[1]))
    tunnels = [proxy.tunnel(f"origin.test:{server.port}") for _ in range(3)]
    for number, tunnel in enumerate(tunnels):
        tunnel.echo(b"%d" % number * 100000)
    assert len({each["session"] for each in above.audit.wait_count(3, "decision")}) == 3
    tunnels[0].close()
    assert proxy.audit.wait("close", id=tunnels[0].id)["parent"]["protocol"] == "h1"


def _listener(pki):
    certificates = [{"chain": pki.server.chain, "key": pki.server.key}]
    return {"name": "main", "address": "127.0.0.1:0", "certificates": certificates, "trust": "staff"}


def test_many_tunnels_share_few_connections_to_a_parent(start, pki, server):
    above = upstairs(start, server)
    proxy = downstairs(start, server, parent(pki, above.address[1]), workers=1)
    tunnels = [proxy.tunnel(f"origin.test:{server.port}") for _ in range(20)]
    for number, tunnel in enumerate(tunnels):
        tunnel.send(b"%d" % (number % 10) * 50000)
    for number, tunnel in enumerate(tunnels):
        assert tunnel.read_exactly(50000) == b"%d" % (number % 10) * 50000
    assert len({each["session"] for each in above.audit.wait_count(20, "decision")}) <= 4




def test_ends_are_passed_on_through_a_parent(start, pki, server):
    above = upstairs(start, server)
    proxy = downstairs(start, server, parent(pki, above.address[1]))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.send(b"the last words")
    tunnel.half_close()
    assert tunnel.read_to_end() == (b"the last words", Ending.CLOSE_NOTIFY)


def test_a_refusal_of_a_parent_is_passed_on_and_says_which_hop_it_was(start, pki, server):
    above = start(client({"addresses": ["127.0.0.0/8"], "ports": [1]}, name="edges"))
    proxy = downstairs(start, server, parent(pki, above.address[1]))
    answer = proxy.ask(f"origin.test:{server.port}")
    assert answer.status == 403, answer
    first, second = answer.fields["proxy-status"].split(", ")
    assert first.startswith("sallyport; error=http_request_denied; details=\"no_rule"), answer
    assert second.startswith("sallyport; error=http_request_denied; received-status=403; details=\"parent_refused"), answer
    close = proxy.audit.wait("close", id=answer.id)
    assert (close["status"], close["reason"], close["parent"]["name"]) == (403, "parent_refused", "paris"), close
    assert server.accepted == 0


OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    # what it says: status, reason
    b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n\r\n": (502, "parent_refused"),
    b"HTTP/1.1 302 There\r\nLocation: http://evil.test/\r\n\r\n": (502, "parent_refused"),
    b"HTTP/1.1 500 No\r\n\r\n": (502, "parent_refused"),
    b"HTTP/1.1 599 No\r\n\r\n": (502, "parent_refused"),
    b"HTTP/1.1 403 No\r\n\r\n": (403, "parent_refused"),
    b"HTTP/1.1 429 No\r\nRetry-After: 7\r\n\r\n": (429, "parent_refused"),
    b"HTTP/1.1 502 No\r\n\r\n": (502, "parent_refused"),
    b"HTTP/1.1 503 No\r\nProxy-Status: far; details=\"busy\"\r\n\r\n": (503, "parent_refused"),
    b"HTTP/1.1 504 No\r\n\r\n": (504, "parent_refused"),
    b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n": (502, "parent_bad_answer"),
    b"HTTP/1.1 103 Early\r\n\r\n" * 9 + OK + b"\r\n": (502, "parent_bad_answer"),
    b"HTTP/1.1 103 Early\r\n\r\n" * 8: (502, "parent_bad_answer"),
    b"HTTP/2 200\r\n\r\n": (502, "parent_bad_answer"),
    b"SSH-2.0-OpenSSH\r\n": (502, "parent_bad_answer"),
    b"\x15\x03\x01\x00\x02\x02\x28": (502, "parent_bad_answer"),
    OK + b"X: " + b"a" * 20000 + b"\r\n\r\n": (502, "parent_bad_answer"),
    OK + b"X: a\r\n" * 4000 + b"\r\n": (502, "parent_bad_answer"),
    OK + b"X : a\r\n\r\n": (502, "parent_bad_answer"),
    OK + b"X: a\n\r\n": (502, "parent_bad_answer"),
    OK + b" folded: a\r\n\r\n": (502, "parent_bad_answer"),
    OK + b"X: a": (502, "parent_bad_answer"),
    b"": (502, "parent_bad_answer"),
}


def test_a_strange_answer_of_a_parent_is_never_a_tunnel(start, pki, server, scripted):
    strange = scripted()
    strange.ends = True
    proxy = downstairs(start, server, parent(pki, strange.port, scheme="http"))
    for said, (status, reason) in ANSWERS.items():
        strange.answer = said
        answer = proxy.ask(f"origin.test:{server.port}")
        assert answer.status == status, (said[:80], answer)
        assert proxy.audit.wait("close", id=answer.id)["reason"] == reason, said[:80]
        assert "proxy-authenticate" not in answer.fields and "location" not in answer.fields, answer
        assert answer.fields.get("retry-after") == ("7" if status == 429 else None), answer
        assert ("far; details=\"busy\"" in answer.fields["proxy-status"]) == (b"far" in said), answer
    assert server.accepted == 0


def test_bytes_after_the_answer_belong_to_the_tunnel(start, pki, server, scripted):
    generous = scripted(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + b"first")
    proxy = downstairs(start, server, parent(pki, generous.port, scheme="http"))
    tunnel = proxy.connect()
    tunnel.send(connect_head(f"origin.test:{server.port}") + b"early")
    assert tunnel.read_answer().status == 200
    assert tunnel.read_exactly(10) == b"firstearly"
    tunnel.echo(b"and then")
    assert generous.asked[0].split("\r\n")[:2] == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    tunnel.close()


def test_a_parent_with_a_bad_certificate_learns_nothing(start, pki, server, scripted):
    other_ca = pki.authority("Other CA")
    cases = {
        "another CA": other_ca.leaf("proxy.test", ip=("127.0.0.1",), usages=(SERVER_AUTH,)),
        "another name": pki.server_ca.leaf("b.test", dns=("b.test",), usages=(SERVER_AUTH,)),
        "no server": pki.server_ca.leaf("c.test", ip=("127.0.0.1",)),
        "expired": pki.server_ca.leaf("d.test", ip=("127.0.0.1",), usages=(SERVER_AUTH,), begins=-9, ends=-1),
    }
    made = {title: scripted(leaf=leaf, ca=pki.ca.path) for title, leaf in cases.items()}
    parents = [parent(pki, each.port, name=f"p{number}") for number, each in enumerate(made.values())]
    allowed = [reach("origin.test", server.port, via=[each["name"], "direct"]) for each in parents]
    rules = [{**rule, "hosts": [f"{number}.origin.test"]} for number, rule in enumerate(allowed)]
    proxy = start(client(*rules), parents=parents)
    for number, (title, each) in enumerate(made.items()):
        answer = proxy.ask(f"{number}.origin.test:{server.port}")
        assert answer.status == 502, (title, answer)
        assert proxy.audit.wait("close", id=answer.id)["reason"] == "parent_untrusted", title
        proxy.assert_detail(answer)
        assert each.asked == [], title
    assert server.accepted == 0


def test_a_parent_that_refuses_our_certificate_is_named(start, pki, server):
    above = upstairs(start, server)
    stranger = pki.authority("Other CA").leaf("stranger")
    proxy = downstairs(start, server, parent(pki, above.address[1], identity=stranger))
    answer = proxy.ask(f"origin.test:{server.port}")
    assert answer.status == 502 and "unknown_ca" in answer.fields["proxy-status"], answer
    close = proxy.audit.wait("close", id=answer.id)
    assert (close["reason"], close["detail"]) == ("parent_refused", "unknown_ca")
    assert "answered" not in close["parent"]


def test_the_next_way_is_taken_only_where_a_parent_cannot_be_reached(start, pki, server, scripted):
    refusing = scripted(b"HTTP/1.1 503 No\r\n\r\n")
    refusing.ends = True
    living = scripted()
    with dead_port() as dead, dead_port() as dead_too:
        ways = [
            parent(pki, dead, name="dead", scheme="http"),
            parent(pki, dead_too, dead, name="dead-too"),
            parent(pki, refusing.port, name="refusing", scheme="http"),
            parent(pki, dead, living.port, name="living", scheme="http"),
        ]
        expected = {
            ("dead",): 502,
            ("dead", "dead-too"): 502,
            ("refusing", "living", "direct"): 503,
            ("dead", "refusing", "direct"): 503,
            ("dead", "living"): 200,
            ("dead", "dead-too", "direct"): 200,
        }
        rules = [reach(f"{n}.origin.test", server.port, via=list(via)) for n, via in enumerate(expected)]
        proxy = start(client(*rules), parents=ways)
        for number, (via, status) in enumerate(expected.items()):
            before = server.accepted
            answer = proxy.ask(f"{number}.origin.test:{server.port}")
            assert answer.status == status, (via, answer)
            close = proxy.audit.wait("close", id=answer.id)
            assert server.accepted - before == (1 if via[-1] == "direct" and status == 200 else 0), via
            if status == 502:
                assert (close["reason"], close["detail"]) == ("parent_unreachable", "connection_refused"), (via, close)
                proxy.assert_detail(answer)
                assert proxy.stderr.wait(f"parent {via[-1]}: none of its proxies can be reached")
            if status == 503:
                assert (close["reason"], close["parent"]["answered"]) == ("parent_refused", 503), close
            assert ("parent" in close) == (status != 200 or "living" in via), (via, close)


def test_a_circle_of_proxies_is_refused(start, pki, server):
    ports = [free_port(), free_port()]
    for here, there in (ports, ports[::-1]):
        allowed = {"addresses": ["127.0.0.0/8"], "ports": [server.port]}
        listener = {**_listener(pki), "address": f"127.0.0.1:{here}"}
        last = start(client(allowed, via=["paris"]), parents=[parent(pki, there)], listeners=[listener])
    answer = last.ask(f"127.0.0.1:{server.port}")
    assert answer.status == 502 and "proxy_loop_detected" in answer.fields["proxy-status"], answer
    looped = last.audit.wait("decision", **{"decision.reason": "loop"})
    assert last.audit.wait("close", id=looped["id"])["status"] == 508


def test_a_request_that_has_come_through_eight_proxies_goes_no_further(start, pki, server, scripted):
    above = scripted()
    proxy = downstairs(start, server, parent(pki, above.port, scheme="http"))
    target = f"origin.test:{server.port}"
    via = "Via: 1.1 a (x, y), 1.0 \"b\", 1.1 c"
    for fields, status in (([via] * 2, 200), ([via] * 3, 508), (["Via: " + "a" * 600], 508)):
        client = proxy.connect()
        client.send(connect_head(target, *fields))
        assert client.read_answer().status == status, fields
        client.close()
    said = next(line for line in above.asked[0].split("\r\n") if line.startswith("Via: "))
    assert said.startswith("Via: 1.1 a (x, y), 1.0 \"b\", 1.1 c, 1.1 a (x, y), 1.0 \"b\", 1.1 c, 1.1 sallyport-"), said
    assert len(above.asked) == 1


def test_only_the_tunnels_of_a_parent_that_dies_end(start, pki, server):
    first, second = upstairs(start, server), upstairs(start, server)
    proxy = downstairs(start, server, parent(pki, first.address[1], second.address[1]), workers=1)
    target = f"origin.test:{server.port}"
    lost = [proxy.tunnel(target) for _ in range(5)]
    first.crash()
    for tunnel in lost:
        assert tunnel.read_to_end()[1] in (Ending.RESET, Ending.FIN, Ending.ALERT)
        assert proxy.audit.wait("close", id=tunnel.id)["reason"] in ("upstream_reset", "upstream_closed")
    kept = [proxy.tunnel(target) for _ in range(5)]
    for tunnel in kept:
        tunnel.echo(b"over the other one")
    first._is_checked = True


def test_a_reload_ends_the_tunnels_whose_way_is_gone(start, pki, server):
    above = upstairs(start, server)
    paris = parent(pki, above.address[1])
    allowed = reach("origin.test", server.port)
    proxy = start(client(allowed, via=["paris"]), parents=[paris])
    target = f"origin.test:{server.port}"
    tunnel = proxy.tunnel(target)
    renewed = parent(pki, above.address[1], identity=pki.ca.leaf("edge-2", uri=("spiffe://example.test/edge",)))
    proxy.reload(client(allowed, via=["paris"]), parents=[renewed])
    tunnel.echo(b"its way is there")
    proxy.reload(client(allowed, via="direct"))
    assert proxy.audit.wait("close", id=tunnel.id)["reason"] == "policy_changed"
    direct = proxy.tunnel(target)
    proxy.reload(client(allowed, via=["paris"]))
    assert proxy.audit.wait("close", id=direct.id)["reason"] == "policy_changed"
    through = proxy.tunnel(target)
    other = upstairs(start, server)
    proxy.reload(client(allowed, via=["paris"]), parents=[parent(pki, other.address[1])])
    assert proxy.audit.wait("close", id=through.id)["reason"] == "policy_changed"
    last = proxy.tunnel(target)
    last.echo(b"and through the new one")
    last.close()


def test_each_try_goes_to_a_parent_as_it_is_configured_by_then(start, pki, server, scripted, dns):
    dns.addresses("two.test", "127.0.0.1", "127.0.0.2")
    allowed = client(reach("two.test", server.port), via=["paris"])
    good = pki.server_ca.leaf("proxy.test", ip=("127.0.0.1",), usages=(SERVER_AUTH,))
    old, new = (scripted(leaf=good, ca=pki.ca.path) for _ in range(2))
    to_old, to_new = (parent(pki, each.port) for each in (old, new))
    untrusting = {**to_old, "ca": [pki.authority("Other CA").path]}
    proxy = start(allowed, parents=[to_old])
    old.answer = b"HTTP/1.1 502 No\r\n\r\n"

    def outcome(**hooks):
        proxy.reload(allowed, parents=[to_old])
        before = len(old.asked), len(new.asked)
        for name, ways in hooks.items():
            setattr(old, name, lambda ways=ways: proxy.reload(allowed, parents=ways))
        answer = proxy.ask(f"two.test:{server.port}")
        return len(old.asked) - before[0], len(new.asked) - before[1], answer.status

    assert outcome() == (2, 0, 502)
    assert outcome(before_answer=[to_new]) == (1, 1, 200)
    assert outcome(before_tls=[to_new]) == (0, 1, 200)
    assert outcome(before_answer=[untrusting]) == (1, 0, 502)
    assert outcome(before_tls=[untrusting]) == (0, 0, 502)


def test_a_parent_that_a_reload_takes_from_a_client_is_not_asked_any_more(start, pki, server, scripted):
    above = scripted(leaf=pki.server, ca=pki.ca.path)
    paris = parent(pki, above.port)
    proxy = downstairs(start, server, paris)
    allowed = reach("origin.test", server.port)
    above.before_tls = lambda: proxy.reload(client(allowed, via="direct"), parents=[paris])
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"straight there")
    tunnel.close()
    assert above.asked == [] and "parent" not in proxy.audit.wait("close", id=tunnel.id)


def test_a_tunnel_whose_parent_answers_after_its_client_was_renamed_counts_for_the_new_name(start, pki, server, scripted):
    above = scripted(leaf=pki.server, ca=pki.ca.path)
    target = f"origin.test:{server.port}"

    def named(name):
        return client(reach("origin.test", server.port), name=name, via=["paris"], limits={"tunnels": 1})

    proxy = start(named("alice"), parents=[parent(pki, above.port)])
    above.before_answer = lambda: proxy.reload(named("carol"))
    tunnel = proxy.tunnel(target)
    assert proxy.audit.wait("decision", id=tunnel.id)["client"]["name"] == "alice"
    proxy.assert_refused(proxy.ask(target), 429, "limit_tunnels", action="error")
    tunnel.echo(b"through the parent")
    assert len(above.asked) == 1


def test_a_parent_that_was_out_of_reach_is_tried_after_the_others(start, pki, server, scripted):
    first, second = scripted(), scripted()
    first.is_silent = True
    ways = [parent(pki, first.port), parent(pki, second.port, name="rome", scheme="http")]
    proxy = downstairs(start, server, *ways, timeouts={"attempt": "1s"}, workers=1)
    assert proxy.ask(f"origin.test:{server.port}").status == 200
    second.stop()
    answer = proxy.ask(f"origin.test:{server.port}")
    assert (answer.status, proxy.audit.wait("close", id=answer.id)["parent"]["name"]) == (504, "paris"), answer


@BOTH
def test_a_plain_request_goes_through_a_parent_with_its_host(start, pki, protocol):
    web = StrictOrigin()
    above = upstairs(start, web)
    proxy = downstairs(start, web, parent(pki, above.address[1]))
    one = PlainClient(proxy.connect())
    for _ in range(2):
        assert one.get(url(web)).status == 200
    assert [each.get("host") for each in web.wait_requests(2)] == [f"origin.test:{web.port}"] * 2
    assert above.audit.wait("decision")["request"]["method"] == "CONNECT"
    web.stop()
    assert not web.violations, web.violations


def test_explain_and_replay_know_the_way(start, pki, server, tmp_path):
    above = upstairs(start, server)
    paris = parent(pki, above.address[1])
    allowed = reach("origin.test", server.port, name="it")
    proxy = start(client(allowed, via=["paris", "direct"]), parents=[paris])
    proxy.tunnel(f"origin.test:{server.port}").close()
    proxy.audit.wait("close")
    log = proxy.folder / "audit.jsonl"
    question = ("--as", "cn:worker-1", "--to", f"origin.test:{server.port}", "--address", "127.0.0.1")
    said = run("explain", "-c", proxy.config_path, *question)
    assert "\nvia        paris, direct\n" in said.stdout, said.stdout
    said = json.loads(run("explain", "-c", proxy.config_path, *question, "--json").stdout)
    assert said["addresses"][0]["via"] == ["paris", "direct"], said
    same = run("audit", "replay", "-c", proxy.config_path, "--strict", log)
    assert same.returncode == 0, same
    for way, text in ((["paris"], "allow (it, via paris)"), ("direct", "allow (it)")):
        other = tmp_path / "other.yaml"
        other.write_text(json.dumps({**proxy.config, "clients": [client(allowed, via=way)]}))
        changed = run("audit", "replay", "-c", other, "--strict", log).stdout
        assert f"allow (it, via paris, direct) -> {text}" in changed, changed

def test_what_ends_a_tunnel_ends_one_through_a_parent(start, pki, server):
    above = upstairs(start, server)
    guest = pki.ca.leaf("guest")
    rule = reach("origin.test", server.port)
    clients = [client(rule, name="guests", match=[{"cn": "guest"}], via=["paris"]), client(rule, via=["paris"])]
    proxy = start(*clients, parents=[parent(pki, above.address[1])], control=CONTROL)
    control = Control(proxy)
    target = f"origin.test:{server.port}"
    kept = proxy.tunnel(target)
    for command, reason in ((("kill", "client:guests"), "killed"), (("block", "client:guests"), "blocked")):
        tunnel = proxy.tunnel(target, guest)
        tunnel.echo(b"before")
        control.run(*command)
        assert tunnel.read_to_end()[1] in (Ending.RESET, Ending.ALERT, Ending.CLOSE_NOTIFY)
        close = proxy.audit.wait("close", id=tunnel.id)
        assert (close["reason"], close["parent"]["name"]) == (reason, "paris"), close
    kept.echo(b"nobody else's")
    kept.close()


def test_what_a_tunnel_carries_is_looked_at_before_a_parent_gets_it(start, pki, origin):
    seen = origin(echo)
    above = upstairs(start, seen)
    rule = reach("origin.test", seen.port)
    proxy = start(client(rule, via=["paris"], inner={"tls": "require"}), parents=[parent(pki, above.address[1])])
    good, bad = (proxy.tunnel(f"origin.test:{seen.port}") for _ in range(2))
    flight = hello("origin.test")
    good.send(flight)
    assert good.read_exactly(len(flight)) == flight
    bad.send(hello("evil.test"))
    bad.read_to_end()
    close = proxy.audit.wait("close", id=bad.id)
    assert (close["reason"], close["inner"]["sni"], close["bytes"]["up"]) == ("inner_mismatch", "evil.test", 0), close
    assert close["parent"]["protocol"] == "h2", close
    good.close()


BAD = {
    "no scheme": ({"to": ["127.0.0.1:1"]}, "neither https:// nor http://"),
    "no port": ({"to": ["https://a.test"]}, "no port"),
    "userinfo": ({"to": ["https://u@a.test:1"]}, "a port, and nothing else"),
    "a path": ({"to": ["https://a.test:1/x"]}, "a port, and nothing else"),
    "both schemes": ({"to": ["https://a.test:1", "http://a.test:1"]}, "in one list"),
    "nothing": ({"to": []}, "`to`"),
    "no CA": ({"ca": ...}, "needs `ca`"),
    "an empty CA": ({"ca": []}, "`ca`"),
    "a certificate in the clear": ({"to": ["http://127.0.0.1:1"], "ca": ...}, "`certificate` has no meaning"),
    "the name of no parent": ({"name": "direct"}, "no name for a parent"),
    "told by nobody": ({"identity": "client_cert", "certificate": ...}, "needs `certificate`"),
    "told in the clear": ({"identity": "client_cert", "to": ["http://127.0.0.1:1"]}, "and http://"),
    "health: too often": ({"health": {"every": "1ms"}}, "`every`"),
    "health: never": ({"health": {"fall": 0}}, "`fall`"),
    "a service that is none": ({"to": [{"srv": "p.tcp.a.test"}]}, "its first label is no service"),
    "a service of UDP": ({"to": [{"srv": "_p._udp.a.test"}]}, "its second label is not _tcp"),
    "a service of nobody": ({"to": [{"srv": "_p._tcp"}]}, "its second label is not _tcp"),
    "a service of no name": ({"to": [{"srv": "_p._tcp.1.2.3.4"}]}, "no name of DNS"),
    "two services": ({"to": [{"srv": "_p._tcp.a.test"}, {"srv": "_p._tcp.b.test"}]}, "a service stands alone"),
    "a service beside a proxy": ({"to": ["https://a.test:1", {"srv": "_p._tcp.a.test"}]}, "a service stands alone"),
    "a service that may lead anywhere": ({"to": [{"srv": "_p._tcp.a.test", "targets": ["*"]}]}, "any name at all"),
    "a service without a name": ({"to": [{"targets": ["a.test"]}]}, "`srv`"),
    "a service and a port": ({"to": [{"srv": "_p._tcp.a.test", "port": 1}]}, "port"),
    "a service without a CA": ({"to": [{"srv": "_p._tcp.a.test"}], "ca": ...}, "needs `ca`"),
    "an unknown key": ({"timeout": "1s"}, "timeout"),
}
BAD_VIA = {
    "unknown": (["rome"], "there is none of that name"),
    "twice": (["paris", "paris"], "appears twice"),
    "after direct": (["direct", "paris"], "nothing can come after"),
    "nothing": ([], "`via`"),
    "a word": ("paris", "is not a list of parents"),
}


def test_check_refuses_parents_that_could_not_be_used(start, pki, tmp_path):
    proxy = start(client(reach("origin.test", 443), via=["paris"]), parents=[parent(pki, 1)])
    config = tmp_path / "bad.yaml"

    def said(parents, ways, **rule):
        changed = {**proxy.config, "parents": parents}
        changed["clients"] = [client(reach("origin.test", 443, **rule), via=ways)]
        config.write_text(json.dumps(changed))
        result = run("check", "-c", config, "--json")
        return [each["message"] for each in json.loads(result.stdout)["findings"] if each["severity"] == "error"]

    good = parent(pki, 1)
    assert said([good], ["paris", "direct"]) == []
    for title, (changes, expected) in BAD.items():
        bad = {key: value for key, value in {**good, **changes}.items() if value is not ...}
        found = said([bad], ["direct"])
        assert any(expected in each for each in found), (title, found)
    for title, (via, expected) in BAD_VIA.items():
        found = said([good], via)
        assert any(expected in each for each in found), (title, found)
    for title, leaf, expected in (
        ("expired", pki.ca.leaf("old", begins=-9, ends=-1), "has expired"),
        ("early", pki.ca.leaf("early", begins=9), "is not valid before"),
        ("a server's", pki.server, "is not a client's certificate"),
    ):
        found = said([parent(pki, 1, identity=leaf)], ["paris"])
        assert any(expected in each for each in found), (title, found)
    other = {"chain": pki.worker.chain, "key": pki.server.key}
    assert any("does not belong" in each for each in said([{**good, "certificate": other}], ["paris"]))
    assert any("`send_proxy` and `via`" in each for each in said([good], ["paris"], send_proxy="v2"))
    assert said([good], ["paris"], send_proxy="v2", via="direct") == []
