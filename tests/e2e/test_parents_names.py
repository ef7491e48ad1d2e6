"""Parents that resolve names themselves: `resolve: parent`."""

import json

import pytest

from support.config import client, reach
from support.origin import echo
from support.parents import ScriptedParent, parent
from support.plain import PlainClient, StrictOrigin, url
from support.proxy import run
from support.wire import connect_head

NAME = "only.up.test"  # that nobody here can resolve


@pytest.fixture
def server(origin):
    return origin(echo)


@pytest.fixture
def above():
    made = ScriptedParent()
    yield made
    made.stop()


def resolving(pki, port, **more):
    return parent(pki, port, resolve="parent", **{"scheme": "http", **more})


def named(*ports, host=NAME, **more):
    return {"hosts": [host], "ports": list(ports), **more}


def first_lines(above):
    return [head.split("\r\n")[0] for head in above.asked]


def test_a_name_goes_on_to_a_parent_that_resolves_it(start, pki, dns, above, tmp_path):
    proxy = start(client(named(443, name="it"), via=["paris"]), parents=[resolving(pki, above.port)])
    tunnel = proxy.tunnel(f"{NAME}:443")
    tunnel.echo(b"there and back")
    tunnel.close()
    assert first_lines(above) == [f"CONNECT {NAME}:443 HTTP/1.1"]
    assert dns.asked(NAME) == []
    close = proxy.audit.wait("close", id=tunnel.id)
    assert (close["upstream"], close["parent"]["name"]) == (None, "paris"), close
    decision = proxy.audit.wait("decision", id=tunnel.id)
    assert (decision["addresses"], decision["via"], decision["decision"]["rule"]) == ([], ["paris"], "it"), decision
    question = ("--as", "cn:worker-1", "--to", f"{NAME}:443")
    said = run("explain", "-c", proxy.config_path, *question)
    assert said.returncode == 0 and "the name, which the parent resolves: may be dialled, rule it\n" in said.stdout, said
    assert "no rule about addresses is kept here" in said.stdout, said
    said = json.loads(run("explain", "-c", proxy.config_path, *question, "--json").stdout)
    assert said["addresses"][0]["via"] == ["paris"] and "address" not in said["addresses"][0], said
    log = proxy.folder / "audit.jsonl"
    same = run("audit", "replay", "-c", proxy.config_path, "--strict", log)
    assert same.returncode == 0, same
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps({**proxy.config, "parents": [parent(pki, above.port, scheme="http")]}))
    changed = run("audit", "replay", "-c", other, log)
    assert "allow? (its addresses decide)" in changed.stdout, changed


def test_what_needs_an_address_is_resolved_here(start, pki, dns, above, server):
    for name in ("a.test", "b.test", "c.test", "d.test", "e.test"):
        dns.addresses(name, "127.0.0.1")
    port = server.port
    rules = [
        reach("a.test", port),  # the parent is asked for the address
        named(port, host="b.test", via="direct", addresses=["127.0.0.0/8"]),
        named(port, host="b.test"),  # of b.test, this one needs no address
        named(port, host="c.test", via="direct"),  # the first that speaks about c.test
        named(port, host="c.test"),
        named(port, host="d.test"),
        {"addresses": ["127.0.0.0/8"], "ports": [port]},
    ]
    denials = [{"hosts": ["d.test"]}, {"addresses": ["127.0.0.1/32"], "ports": [1]}]
    proxy = start(client(*rules, via=["paris"]), parents=[resolving(pki, above.port)], deny=denials)
    expected = {
        "a.test": f"127.0.0.1:{port}",
        "b.test": f"b.test:{port}",
        "c.test": None,  # a loopback address, which its rule does not have
        "d.test": None,  # denied by its name
        "127.0.0.1": f"127.0.0.1:{port}",
    }
    for host, asked in expected.items():
        above.asked.clear()
        answer = proxy.ask(f"{host}:{port}")
        assert answer.status == (200 if asked else 403), (host, answer)
        assert first_lines(above) == ([f"CONNECT {asked} HTTP/1.1"] if asked else []), host
        assert bool(dns.asked(host)) == (host in ("a.test", "c.test")), host
    assert server.accepted == 0
    said = run("check", "-c", proxy.config_path)
    assert "a parent resolves names itself" in said.stderr and "special ranges, `deny[1]`" in said.stderr, said.stderr


def test_a_mode_lets_no_name_pass_that_nobody_has_judged(start, pki, dns, above):
    dns.addresses("public.test", "127.0.0.1")
    proxy = start(client(named(443), via=["paris"], mode="open"), parents=[resolving(pki, above.port)])
    assert proxy.ask("public.test:443").status == 403
    assert len(dns.asked("public.test")) > 0 and above.asked == []


def test_a_reload_ends_tunnels_whose_name_would_be_resolved_elsewhere(start, pki, dns, server, above):
    dns.addresses(NAME, "127.0.0.1")
    by_name, by_address = resolving(pki, above.port), parent(pki, above.port, scheme="http")
    rule = named(server.port)
    proxy = start(client(rule, via=["paris"]), parents=[by_name])
    tunnel = proxy.tunnel(f"{NAME}:{server.port}")
    proxy.reload(client(rule, via=["paris"], limits={"tunnels": 7}), parents=[by_name])
    tunnel.echo(b"goes on")
    proxy.reload(client(rule, via=["paris"]), parents=[by_address])
    assert proxy.audit.wait("close", id=tunnel.id)["reason"] == "policy_changed"
    proxy.reload(client(reach(NAME, server.port), via=["paris"]), parents=[by_address])
    tunnel = proxy.tunnel(f"{NAME}:{server.port}")
    proxy.reload(client(reach(NAME, server.port), via=["paris"]), parents=[by_name])
    tunnel.echo(b"an address was judged, and is still good")
    tunnel.close()


@pytest.mark.parametrize("waits_for", ["an address", "the parent"])
def test_a_reload_while_a_name_is_resolved_has_it_resolved_where_it_is_to_be_now(start, pki, dns, above, waits_for):
    held = dns.hold(NAME, "127.0.0.1")
    rule = reach(NAME, 443)
    proxy = start(client(rule, via=["paris"]), parents=[resolving(pki, above.port)], workers=1)
    requester = proxy.connect().send(connect_head(f"{NAME}:443"))
    dns.wait_asked(NAME)
    if waits_for == "the parent":
        proxy.reload(client(named(443), via=["paris"]), parents=[resolving(pki, above.port)])
    held.set()
    answer = requester.read_answer()
    assert answer.status == 200, answer
    asked = f"{NAME}:443" if waits_for == "the parent" else "127.0.0.1:443"
    assert first_lines(above) == [f"CONNECT {asked} HTTP/1.1"]


def test_a_plain_request_goes_on_by_name_with_its_host(start, pki):
    web = StrictOrigin()
    above = start(client({"addresses": ["127.0.0.0/8"], "ports": [web.port]}, name="edges"), deny=[{"hosts": ["*.test"]}])
    proxy = start(client(named(web.port), via=["paris"]), parents=[resolving(pki, above.address[1], scheme="https")])
    one = PlainClient(proxy.connect())
    answer = one.get(url(web, host=NAME))
    assert answer.status == 403, answer  # the parent's own rules judge the name
    assert above.audit.wait("decision")["request"]["host"] == NAME
    web.stop()


@pytest.mark.parametrize(
    ("via", "rule", "expected"),
    [
        (["paris", "direct"], {}, "a parent with `resolve: parent` stands beside"),
        (["paris", "rome"], {}, "a parent with `resolve: parent` stands beside"),
        (["rome", "paris"], {}, "a parent with `resolve: parent` stands beside"),
        (["paris"], {"ask": True}, "`ask` and a parent with `resolve: parent`"),
    ],
)
def test_check_refuses_ways_that_are_of_two_kinds(start_shared, pki, tmp_path, via, rule, expected):
    config = tmp_path / "bad.yaml"
    changes = {
        "parents": [resolving(pki, 1), parent(pki, 2, name="rome", scheme="http")],
        "clients": [client(named(443, **rule), via=via)],
        "authorizer": {"url": "http://127.0.0.1:1/"},
    }
    config.write_text(json.dumps({**start_shared().config, **changes}))
    said = run("check", "-c", config)
    assert said.returncode == 3 and expected in said.stderr, said.stderr
