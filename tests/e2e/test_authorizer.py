"""Rules with `ask: true`: the authorizer has the last word, and silence is no yes."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

from support.admin import get, read_metrics, value
from support.authorizer import NO, YES, Authorizer, allow, http
from support.config import client, merge, reach, write_config
from support.origin import dead_port, echo
from support.pages import PAGES
from support.parents import ScriptedParent, parent
from support.plain import PlainClient, Reader, StrictOrigin, head, url
from support.proxy import BINARY, run
from support.readers import free_port
from support.scale import eventually
from support.wire import connect_head

BOTH = pytest.mark.protocols("h1", "h2")
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(autouse=True)
def names(dns):
    for name in ("origin.test", "free.test"):
        dns.addresses(name, "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


@pytest.fixture
def authorizer():
    """Makes authorizers, and stops them."""
    made = []

    def make(says=lambda _: YES, context=None):
        made.append(Authorizer(says, context))
        return made[-1]

    yield make
    for each in made:
        each.stop()
        assert not [problem for problem in each.failures if isinstance(problem, AssertionError)]


def asking(port, **more):
    return client(reach("origin.test", port, ask=True), reach("free.test", port), **more)


def settings(asked, **more):
    return {"authorizer": {"url": asked.url, "timeout": "10s", **more}}


@BOTH
def test_a_tunnel_that_needs_a_yes_gets_one_and_the_question_says_who_goes_where(start, server, authorizer, pki, protocol):
    asked = authorizer()
    proxy = start(asking(server.port), **settings(asked))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"after a yes")
    (question,) = asked.asked
    decision = proxy.decision(tunnel.id)
    assert asked.paths == ["/v1/data/egress"]
    assert question["client"] == decision["client"], "what the audit says of the client"
    assert question["client"]["name"] == "workers" and len(question["client"]["sha256"]) == 64
    assert question["target"] == {"host": "origin.test", "port": server.port}
    assert question["addresses"] == ["127.0.0.1"]
    assert question["method"] == "CONNECT" and question["protocol"] == protocol
    assert (question["rule"], question["id"], question["again"]) == ("workers.allow[0]", tunnel.id, False)
    assert (question["session"], question["config"]) == (decision["session"], decision["config"])
    assert decision["authorizer"]["answer"] == "yes" and decision["authorizer"]["ttl"] == 300
    assert (decision["decision"]["action"], decision["decision"]["rule"]) == ("allow", "workers.allow[0]")


@BOTH
def test_a_no_is_a_refusal_and_nothing_is_dialled(start, server, authorizer):
    asked = authorizer(lambda _: NO)
    proxy = start(asking(server.port), **settings(asked))
    answer = proxy.ask(f"origin.test:{server.port}")
    proxy.assert_refused(answer, 403, "not_authorized", rule="workers.allow[0]")
    assert proxy.decision(answer.id)["authorizer"]["answer"] == "no"
    assert server.accepted == 0


@BOTH
def test_what_needs_no_yes_or_is_denied_anyway_is_not_asked(start, server, authorizer):
    asked = authorizer(lambda _: YES)
    proxy = start(asking(server.port, deny=[{"hosts": ["origin.test"]}]), **settings(asked))
    proxy.tunnel(f"free.test:{server.port}").echo(b"free")
    answer = proxy.ask(f"origin.test:{server.port}")
    proxy.assert_refused(answer, 403, "denied_by_rule", rule="workers.deny[0]")
    assert asked.asked == []


@BOTH
def test_each_plain_request_is_asked_also_on_a_kept_connection(start, authorizer):
    said = [YES, YES, NO, YES]
    asked = authorizer(lambda _: said[len(asked.asked) - 1])
    web = StrictOrigin()
    proxy = start(asking(web.port), **settings(asked))
    one = PlainClient(proxy.connect())
    assert [one.get(url(web, f"/{number}")).status for number in range(4)] == [200, 200, 403, 200]
    assert [each["method"] for each in asked.asked] == ["GET"] * 4
    assert [request.connection for request in web.requests][:2] == [1, 1]
    web.stop()


def test_what_goes_through_a_parent_is_asked_about_before_the_parent_hears_of_it(start, server, authorizer, pki):
    said = [NO, YES]
    asked = authorizer(lambda _: said[len(asked.asked) - 1])
    above = ScriptedParent()
    rule = reach("origin.test", server.port, ask=True)
    proxy = start(client(rule, via=["paris"]), parents=[parent(pki, above.port, scheme="http")], **settings(asked))
    place = f"origin.test:{server.port}"
    proxy.assert_refused(proxy.ask(place), 403, "not_authorized", rule="workers.allow[0]")
    assert above.accepted == 0
    proxy.tunnel(place).echo(b"through the parent, after a yes")
    assert above.accepted == 1 and server.accepted == 0
    assert [(each["target"]["host"], each["addresses"]) for each in asked.asked] == [("origin.test", ["127.0.0.1"])] * 2
    above.stop()


def test_a_websocket_is_asked_about_before_and_while_it_is_open(start, origin, authorizer):
    def habit(conn):
        Reader(lambda: conn.recv(65536)).request()
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        echo(conn)

    web = origin(habit)
    said = [NO, YES, NO]
    asked = authorizer(lambda _: said[len(asked.asked) - 1])
    proxy = start(asking(web.port), **settings(asked))
    fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: k")
    one = PlainClient(proxy.connect())
    one.send(head("GET", url(web).replace("http://", "ws://"), *fields))
    assert one.read().status == 403
    assert web.accepted == 0
    one.send(head("GET", url(web).replace("http://", "ws://"), *fields))
    assert one.read().status == 101
    one.send(b"frames")
    assert one.reader.take(6) == b"frames"
    proxy.reload(**settings(asked, ttl_max="1h"))
    asked.wait_asked(3)
    proxy.assert_closed(asked.asked[1]["id"], "not_authorized", status=101)
    assert [(each["method"], each["again"]) for each in asked.asked] == [("GET", False), ("GET", False), ("GET", True)]


def place_of(proxy):
    return proxy.stderr.wait(r"admin: metrics and health at unix:(.*)$")[1]


USELESS = {
    "status 500": http(YES, "500 Internal Server Error"),
    "status 403": http(YES, "403 Forbidden"),
    "status 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a redirect": http(YES, "302 Found", "Location: /v1/data/other"),
    "html": http(b"<html><body>true</body></html>"),
    "empty": http(b""),
    "no result": http({}),
    "a text": http({"result": "true"}),
    "allow is a text": http({"result": {"allow": "yes", "ttl": 60}}),
    "allow without ttl": http({"result": {"allow": True}}),
    "twice": http(b'{"result": false, "result": true}'),
    "cut short": http(b'{"result": tr'),
    "something follows": http(b'{"result": true} {"result": false}'),
    "huge": http(b'{"result": true}' + b" " * (1 << 20)),
    "huge and endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"20000\r\n" + b" " * 0x20000,
    "no http": b"yes\r\n\r\n",
    "compressed": http(YES, "200 OK", "Content-Encoding: gzip"),
    "framed twice": http(YES, "200 OK", "Content-Length: 3"),
}


def test_no_usable_answer_is_no_yes(start, server, authorizer):
    saying = []
    asked = authorizer(lambda _: saying[-1])
    admin = {"admin": {"address": "unix:admin.sock"}}
    proxy = start(asking(server.port), **settings(asked), **admin)
    for name, answer in USELESS.items():
        saying.append(answer)
        refused = proxy.ask(f"origin.test:{server.port}")
        proxy.assert_refused(refused, 503, "authorizer_failed", "error", rule="workers.allow[0]")
        recorded = proxy.decision(refused.id)["authorizer"]
        assert recorded["answer"] == "none" and recorded["why"], name
    assert server.accepted == 0
    saying.append(YES)
    proxy.tunnel(f"origin.test:{server.port}").echo(b"it has recovered")
    samples = read_metrics(get(place_of(proxy), "/metrics").body)
    counted = {answer: value(samples, "sallyport_authorizer_answers_total", answer=answer) for answer in ("yes", "no", "none")}
    assert counted == {"yes": 1, "no": 0, "none": len(USELESS)}
    assert value(samples, "sallyport_authorizer_duration_seconds_count") == len(USELESS) + 1


def test_silence_and_nobody_there_are_no_yes(start, server, authorizer):
    asked = authorizer(lambda _: None)
    proxy = start(asking(server.port), **settings(asked, timeout="100ms"))
    refused = proxy.ask(f"origin.test:{server.port}")
    proxy.assert_refused(refused, 503, "authorizer_failed", "error", rule="workers.allow[0]")
    assert proxy.decision(refused.id)["authorizer"]["why"] == "timeout"
    with dead_port() as port:
        proxy.reload(authorizer={"url": f"http://127.0.0.1:{port}/"})
        refused = proxy.ask(f"origin.test:{server.port}")
    proxy.assert_refused(refused, 503, "authorizer_failed", "error", rule="workers.allow[0]")
    assert proxy.decision(refused.id)["authorizer"]["why"] == "refused"
    assert server.accepted == 0


@BOTH
def test_a_live_tunnel_is_asked_about_again_and_a_no_ends_it(start, server, authorizer):
    asked = authorizer(lambda question: NO if question["again"] and len(asked.asked) > 2 else allow(1))
    proxy = start(asking(server.port), **settings(asked))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"while it may")
    asked.wait_asked(3)
    proxy.assert_closed(tunnel.id, "not_authorized")
    assert [each["again"] for each in asked.asked] == [False, True, True]
    assert {each["id"] for each in asked.asked} == {tunnel.id}
    assert asked.asked[1]["addresses"] == ["127.0.0.1"]


def test_a_live_tunnel_ends_with_its_last_yes_when_nobody_answers_any_more(start, server, authorizer):
    asked = authorizer(lambda question: None if question["again"] else allow(2))
    proxy = start(asking(server.port), **settings(asked, timeout="100ms"))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    proxy.assert_closed(tunnel.id, "authorizer_failed")
    assert len(asked.asked) >= 2


def test_a_reload_asks_anew_about_live_tunnels(start, server, authorizer):
    asked = authorizer(lambda question: NO if question["again"] else allow(3600))
    proxy = start(asking(server.port), **settings(asked, ttl_max="1h"))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    free = proxy.tunnel(f"free.test:{server.port}")
    proxy.reload(**settings(asked, ttl_max="30m"))
    proxy.assert_closed(tunnel.id, "not_authorized")
    free.echo(b"nobody asks about this one")
    proxy.reload(client(reach("free.test", server.port, ask=True)))
    proxy.assert_closed(free.id, "not_authorized")


def test_one_clients_flood_of_questions_leaves_another_its_place_in_each_worker(start, server, authorizer, pki):
    """Half of the places of a worker, however many it has in others. Each connection asks for another port."""
    asked = authorizer(lambda question: None if question["client"]["name"] == "flood" else YES)
    anywhere = reach("origin.test", "1-65535", ask=True)
    flood = client(anywhere, name="flood", match=[{"cn": "worker-2"}])
    proxy = start(flood, asking(server.port), workers=2, **settings(asked, timeout="10s"))
    other, connections = pki.ca.leaf("worker-2"), 120
    flooding = [proxy.connect(other) for _ in range(connections)]
    for number, one in enumerate(flooding):
        one.send(connect_head(f"origin.test:{number + 1}"))
    limited = proxy.audit.wait_count(connections - 64, "decision", **{"decision.reason": "limit_questions"})
    assert {each["client"]["name"] for each in limited} == {"flood"}
    asked.wait_asked(64)
    proxy.tunnel(f"origin.test:{server.port}").echo(b"not a place was missing")
    assert len([each for each in asked.asked if each["client"]["name"] == "flood"]) == 64


def test_a_client_that_leaves_takes_its_question_along(start, server, authorizer):
    asked = authorizer(lambda _: None)
    proxy = start(asking(server.port), **settings(asked))
    one = proxy.connect()
    one.send(connect_head(f"origin.test:{server.port}"))
    asked.wait_asked(1)
    one.reset()
    assert proxy.audit.wait("decision")["decision"]["reason"] == "client_reset"
    asked.wait_idle()


def over_tls(pki, asks_for_certificate=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server.chain, pki.server.key)
    if asks_for_certificate:
        context.load_verify_locations(pki.ca.path)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_over_https_its_certificate_is_checked_and_ours_is_shown(start, server, authorizer, pki):
    asked = authorizer(context=over_tls(pki))
    ours = {"chain": pki.worker.chain, "key": pki.worker.key}
    proxy = start(asking(server.port), **settings(asked, ca=pki.server_ca.path, certificate=ours))
    proxy.tunnel(f"origin.test:{server.port}").echo(b"a yes over TLS")
    for change in ({"certificate": ...}, {"certificate": ours, "ca": pki.ca.path}):
        proxy.reload(authorizer=change)
        refused = proxy.ask(f"origin.test:{server.port}")
        proxy.assert_refused(refused, 503, "authorizer_failed", "error", rule="workers.allow[0]")
    assert proxy.decision(refused.id)["authorizer"]["why"] == "untrusted", "by that CA"
    assert [each["again"] for each in asked.asked].count(False) == 1


def test_its_files_are_watched_and_their_ends_are_told(start, server, authorizer, pki, tmp_path):
    asked = authorizer(context=over_tls(pki))
    soon = pki.ca.leaf("soon", ends=3 + 6 / 86400)  # the word of this day comes once the proxy is up
    ca = tmp_path / "authorizer-ca.crt"
    shutil.copy(pki.ca.path, ca)
    files = settings(asked, ca=str(ca), certificate={"chain": soon.chain, "key": soon.key})
    proxy = start(asking(server.port), admin={"address": "127.0.0.1:0"}, **files)
    said = proxy.stderr.wait(r"metrics and health at http://(.*):(\d+)/")
    target = f"origin.test:{server.port}"
    proxy.assert_refused(proxy.ask(target), 503, "authorizer_failed", "error", rule="workers.allow[0]")
    shutil.copy(pki.server_ca.path, tmp_path / "new")
    os.replace(tmp_path / "new", ca)
    eventually(lambda: proxy.ask(target).status == 200, "the new CA")
    proxy.stderr.wait(r"authorizer: our certificate CN=soon expires in 7\d hours; renew it")
    place = (said[1], int(said[2]))
    ends = re.findall(r'not_after_timestamp_seconds{kind="(authorizer\w*)",of="authorizer",.*subject="([^"]*)"}', get(place, "/metrics").body)
    assert ends == [("authorizer", "CN=soon"), ("authorizer_anchor", "CN=Servers CA")], ends
    assert '"kind":"authorizer","of":"authorizer","subject":"CN=soon"' in get(place, "/status.json").body.replace(": ", ":")
    assert "certificate shown to the authorizer" in get(place, "/").body
    checked = run("check", "-c", proxy.config_path)
    assert "has 2 days left" in checked.stderr and f"authorizer {asked.url}" in checked.stdout, checked


def test_it_may_be_one_that_the_cas_of_the_system_vouch_for(start, server, authorizer, pki, tmp_path):
    asked = authorizer(context=over_tls(pki, asks_for_certificate=False))
    script = tmp_path / "with-a-bundle"
    script.write_text(f'#!/bin/sh\nexec unshare -rm sh -c \'mount --bind "{pki.server_ca.path}" {SYSTEM_CAS} && exec {BINARY} "$@"\' sh "$@"\n')
    script.chmod(0o755)
    if not os.path.exists(SYSTEM_CAS):
        pytest.skip("this machine has no bundle of CAs")
    process = {"program": str(script)}
    proxy = start(asking(server.port), process=process, **settings(asked, system_cas=True))
    assert proxy.ask(f"origin.test:{server.port}").status == 200


def test_explain_says_that_the_authorizer_decides(start, server, authorizer):
    asked = authorizer()
    proxy = start(asking(server.port), **settings(asked))
    said = run("explain", "-c", proxy.config_path, "--as", "cn:worker-1", "--to", f"origin.test:{server.port}",
               "--address", "127.0.0.1")
    assert "the authorizer decides" in said.stdout and said.returncode == 0, said
    assert asked.asked == []
    question = ("explain", "-c", proxy.config_path, "--cert", proxy.pki.worker.chain, "--address", "127.0.0.1", "--to")
    for answer, says, status, words in (
        ("yes", YES, 0, "the authorizer says yes"),
        ("no", NO, 1, "the authorizer says no"),
        ("none", http({}, "500 Broken"), 1, "the authorizer says nothing that is a yes or a no"),
    ):
        asked.says = lambda _, says=says: says
        made = proxy.audit.wait("decision", id=proxy.ask(f"origin.test:{server.port}").id)
        target = f"origin.test:{server.port}"
        said = run(*question, target, "--answer", answer)
        found = json.loads(run(*question, target, "--answer", answer, "--json").stdout)
        assert said.returncode == status and words in said.stdout, said
        assert found["decision"] == made["decision"] and found["authorizer"] == {"rule": "workers.allow[0]", "answer": answer}, (found, made)
        assert run(*question, f"free.test:{server.port}", "--answer", answer).returncode == 0, "nobody asks about this one"
    assert run(*question, target, "--answer", "perhaps").returncode == 2


def test_explain_asks_only_about_what_is_dialled(start, server, authorizer):
    rules = [
        reach("origin.test", server.port, addresses=["127.0.0.1/32"], via=["paris"], ask=True, name="first"),
        reach("origin.test", server.port, addresses=["127.0.0.2/32"], ask=True, name="other-way"),
        reach("origin.test", server.port, addresses=["127.0.0.3/32"], via=["paris"], ask=True, name="other-question"),
        reach("origin.test", server.port, addresses=["127.0.0.4/32"], via=["paris"], name="unasked"),
    ]
    parents = [{"name": "paris", "to": ["http://127.0.0.1:9"]}]
    proxy = start(client(*rules), parents=parents, **settings(authorizer()))
    question = ("explain", "-c", proxy.config_path, "--as", "cn:worker-1", "--to", f"origin.test:{server.port}")
    addresses = [word for number in range(1, 5) for word in ("--address", f"127.0.0.{number}")]
    said = run(*question, *addresses).stdout
    assert re.findall("before ([0-9.]+) is dialled", said) == ["127.0.0.1"], said
    assert "127.0.0.2 (loopback): is not dialled, since the request takes another way, rule other-way" in said, said
    assert "127.0.0.3 (loopback): is not dialled, since a request is asked about because of one rule" in said, said
    found = json.loads(run(*question, *addresses, "--json").stdout)["addresses"]
    assert [each["dialled"] for each in found] == [True, False, False, True], found
    assert all(each["admitted"] for each in found), found


def test_a_suggestion_keeps_asking(start, server, authorizer):
    asked = authorizer(lambda _: YES if len(asked.asked) == 1 else NO)
    proxy = start(asking(server.port), **settings(asked))
    assert proxy.ask(f"origin.test:{server.port}").status == 200
    assert proxy.ask(f"free.test:{server.port}").status == 200
    assert proxy.ask(f"origin.test:{server.port}").status == 403
    proxy.stop()
    options = ("audit", "suggest", "--client", "workers", "--denied")
    said = run(*options, proxy.audit.path).stdout
    assert re.search(r'hosts: \["origin.test"\].*, ask: true', said), said
    assert not re.search(r'"free.test".*ask', said), said
    assert "lead to special ranges" not in said, "the rule is there, and somebody said no"
    rules = json.loads(run(*options, "--json", proxy.audit.path).stdout)["allow"]
    assert [rule.get("ask") for rule in sorted(rules, key=lambda rule: rule["hosts"])] == [None, True]


def test_explain_tells_what_the_record_says_beside_the_policy(start, server, authorizer):
    proxy = start(asking(server.port), **settings(authorizer(lambda _: NO)))
    refused = proxy.ask(f"origin.test:{server.port}")
    proxy.assert_refused(refused, 403, "not_authorized", rule="workers.allow[0]")
    options = ("explain", "-c", proxy.config_path, "--log", proxy.audit.path, "--id", refused.id)
    said = run(*options).stdout
    assert "the record says deny: not_authorized workers.allow[0]" in said, said
    told = json.loads(run(*options, "--json").stdout)
    assert told["recorded"] == {"action": "deny", "reason": "not_authorized", "rule": "workers.allow[0]"}


def test_the_authorizer_of_the_page_for_configurations_answers(start, server, dns):
    [page] = re.findall(r"```python\n(.*?)```", PAGES["docs/CONFIG.md"].read_text(encoding="utf-8"), re.S)
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", page.replace("8181", str(port))], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: is_accepting(port), "the authorizer to listen")
        rules = [reach(name, server.port, ask=True) for name in ("db.example.org", "origin.test")]
        dns.addresses("db.example.org", "127.0.0.1")
        url = f"http://127.0.0.1:{port}/v1/data/egress/allow"
        proxy = start(client(*rules, name="scrapers"), authorizer={"url": url, "timeout": "10s"})
        proxy.tunnel(f"db.example.org:{server.port}").echo(b"allowed")
        proxy.assert_refused(proxy.ask(f"origin.test:{server.port}"), 403, "not_authorized", rule="scrapers.allow[1]")
    finally:
        process.kill()
        process.wait()


def is_accepting(port):
    with socket.socket() as conn:
        return conn.connect_ex(("127.0.0.1", port)) == 0


def test_check_notes_a_rule_that_comes_before_one_that_asks(start, server):
    first = reach("origin.test", 443)
    proxy = start(client(first, reach("origin.test", 443, 80, ask=True)), authorizer={"url": "http://127.0.0.1:8181/"})
    said = run("check", "-c", proxy.config_path)
    assert "nobody asks the authorizer about what rule `workers.allow[0]` admits" in said.stdout + said.stderr, said


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"authorizer": ...}, "there is no `authorizer` to ask"),
        ({"authorizer": {"url": "http://localhost:8181/"}}, "write http://127.0.0.1"),
        ({"authorizer": {"url": "https://127.0.0.1/", "ca": ["ca.crt"]}}, "without brackets"),
        ({"authorizer": {"url": "http://192.0.2.1/"}}, "is not an address of this machine"),
        ({"authorizer": {"url": "http://192.0.2.1/", "clear": True}}, "may answer yes"),
        ({"authorizer": {"url": "https://192.0.2.1/"}}, "or `system_cas: true`"),
        ({"authorizer": {"url": "https://192.0.2.1/", "ca": "ca.crt", "system_cas": True}}, "and not both"),
        ({"authorizer": {"url": "http://127.0.0.1/", "system_cas": True}}, "no meaning with http://"),
        ({"authorizer": {"url": "http://127.0.0.1/", "ca": "ca.crt"}}, "no meaning with http://"),
        ({"authorizer": {"url": "ftp://127.0.0.1/"}}, "`url`"),
        ({"authorizer": {"url": "http://127.0.0.1/", "timeout": "0s"}}, "`timeout`"),
        ({"clients": [client(reach("free.test", 443))]}, "is never asked"),
    ],
)
def test_check_says_what_is_wrong(start, server, authorizer, tmp_path, change, expected):
    from support import config as configs

    proxy = start(asking(server.port), authorizer={"url": "http://127.0.0.1:8181/"})
    path = tmp_path / "changed.yaml"
    changed = configs.merge({**proxy.config, **({} if "clients" in change else {"authorizer": {}})}, change)
    configs.write_config(path, changed)
    said = run("check", "-c", str(path))
    assert expected in said.stdout + said.stderr, said


def test_replay_knows_that_only_addresses_of_the_way_that_is_taken_are_asked_about(start, server, authorizer, dns):
    dns.addresses("two.test", "127.0.0.1", "127.0.0.2")
    no = authorizer(lambda _: NO)
    proxy = start(client(reach("two.test", server.port, ask=True)), **settings(no))
    proxy.assert_refused(proxy.ask(f"two.test:{server.port}"), 403, "not_authorized", rule="workers.allow[0]")
    proxy.stop()
    parent = {"parents": [{"name": "paris", "to": ["http://127.0.0.1:9"]}]}
    for way, status in ({"via": ["paris"]}, 1), ({}, 0):
        first = reach("two.test", server.port, addresses=["127.0.0.1/32"], **way)
        second = reach("two.test", server.port, addresses=["127.0.0.2/32"], ask=True)
        config = merge(proxy.config, {"clients": [client(first, second)], **parent})
        write_config(proxy.folder / "other.yaml", config)
        result = run("audit", "replay", "--config", proxy.folder / "other.yaml", proxy.audit.path)
        assert result.returncode == status, result.stdout + result.stderr
