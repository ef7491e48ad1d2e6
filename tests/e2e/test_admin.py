"""Metrics and health: who is told what, that it is true, and that nobody who asks can do harm."""

import contextlib
import json
import os
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from support.admin import exchange, get, parse, read_metrics, value
from support.config import client, reach
from support.control import CONTROL, Control
from support.scale import PATIENCE, eventually

UNIX = "unix:admin.sock"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def watched(start, server):
    """Starts a proxy with `admin`; gives it with its `admin`, the place to ask."""

    def make(*clients, admin=None, **changes):
        given = clients or (client(reach("origin.test", server.port)),)
        admin = {"address": UNIX, **(admin or {})}
        proxy = start(*given, **{"admin": admin, **changes})
        proxy.admin = place_of(proxy, admin)
        proxy.target = f"origin.test:{server.port}"
        return proxy

    return make


def place_of(proxy, admin, after=0):
    """Where it says that it can be asked."""
    said = proxy.stderr.wait(r"admin: metrics and health at (?:unix:(.*)|https?://(.*):(\d+)/)$", after=after)
    return said[1] or (said[2].strip("[]"), int(said[3]))


def metrics(proxy):
    page = get(proxy.admin, "/metrics")
    assert page.status == 200
    return read_metrics(page.body)


# -- what is told ----------------------------------------------------------------------------------


def test_no_descriptor_goes_into_a_program_that_is_started(watched):
    proxy = watched(control=CONTROL, audit={"also": [{"lines": "tcp:127.0.0.1:9"}]})
    tunnel = proxy.tunnel(proxy.target)
    get(proxy.admin, "/metrics")
    folder = Path(f"/proc/{proxy.pid}")
    seen = 0
    for info in (folder / "fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the sink closes one now and then
            flags = int(re.search(r"^flags:\s+(\d+)", info.read_text(), re.MULTILINE)[1], 8)
            assert int(info.name) < 3 or flags & os.O_CLOEXEC, os.readlink(folder / "fd" / info.name)
            seen += 1
    assert seen > 10
    tunnel.close()


def test_a_proxy_that_serves_is_healthy_and_ready(watched):
    proxy = watched()
    assert get(proxy.admin, "/healthz")[::2] == (200, "ok\n")
    assert get(proxy.admin, "/readyz")[::2] == (200, "ready\n")
    page = get(proxy.admin, "/metrics")
    assert page.fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert page.fields["Cache-Control"] == "no-store"
    status = json.loads(get(proxy.admin, "/status.json").body)
    assert status["state"] == "serving" and status["admin"].endswith("admin.sock")


def test_what_clients_do_is_in_the_metrics(watched, server):
    proxy = watched()
    before = metrics(proxy)
    tunnel = proxy.tunnel(proxy.target)
    tunnel.send(b"x" * 1000)
    assert tunnel.read_exactly(1000) == b"x" * 1000
    assert proxy.ask("nowhere.test:443").status == 403
    during = metrics(proxy)
    risen = {
        key: during[key] - before.get(key, 0) for key in during if during[key] != before.get(key, 0)
    }
    for name, labels, wanted in (
        ("sallyport_connections_accepted_total", {}, 2),
        ("sallyport_handshakes_total", {}, 2),
        ("sallyport_requests_total", {"decision": "allow", "reason": "rule"}, 1),
        ("sallyport_requests_total", {"decision": "deny", "reason": "no_rule"}, 1),
        ("sallyport_tunnels_opened_total", {}, 1),
        ("sallyport_requests_open", {"state": "tunnel"}, 1),
        ("sallyport_connects_total", {"result": "connected"}, 1),
        ("sallyport_connect_duration_seconds_count", {}, 1),
        ("sallyport_handshake_duration_seconds_count", {}, 2),
        ("sallyport_dns_duration_seconds_count", {}, 2),
        ("sallyport_client_requests_total", {"client": "workers", "decision": "allow"}, 1),
        ("sallyport_client_requests_total", {"client": "workers", "decision": "deny"}, 1),
        ("sallyport_client_tunnels", {"client": "workers"}, 1),
        ("sallyport_client_transferred_bytes_total", {"client": "workers", "direction": "up"}, 1000),
        ("sallyport_transferred_bytes_total", {"direction": "up"}, 1000),
    ):
        assert value(risen, name, **labels) == wanted, (name, labels, risen)
    tunnel.close()
    proxy.close_record(tunnel.id)
    after = metrics(proxy)
    assert value(after, "sallyport_requests_open", state="tunnel") == 0
    assert value(after, "sallyport_tunnel_duration_seconds_count") == 1
    assert value(after, "sallyport_transferred_bytes_total", direction="up") == 1000


def test_refused_handshakes_are_counted_by_their_reason(watched, pki):
    proxy = watched()
    stranger = proxy.dial(None)
    with contextlib.suppress(OSError):
        stranger.handshake()
    proxy.audit.wait("handshake_refused", reason="no_certificate")
    assert value(metrics(proxy), "sallyport_handshakes_refused_total", reason="no_certificate") == 1
    assert value(metrics(proxy), "sallyport_handshakes_refused_total", reason="revoked") == 0


def test_certificates_are_there_with_their_end(watched):
    proxy = watched()
    ends = {
        dict(labels)["kind"]: end
        for (name, labels), end in metrics(proxy).items()
        if name == "sallyport_certificate_not_after_timestamp_seconds"
    }
    assert set(ends) == {"server", "anchor"} and min(ends.values()) > time.time()


def test_each_metric_is_on_the_page_for_operators_and_the_other_way_round(watched):
    there = set(re.findall(r"^# TYPE (\S+)", get(watched().admin, "/metrics").body, re.MULTILINE))
    page = (Path(__file__).parents[2] / "docs/OPERATIONS.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith(("| `sallyport_", "| `process_"))]
    named = set()
    for name in re.findall(r"`(\w+)`", "".join(rows)):
        named.add(name if not name.startswith("_") else "sallyport_connections" + name)
    assert named == there


def test_openmetrics_comes_to_those_who_ask_for_it(watched):
    proxy = watched()
    page = get(
        proxy.admin, "/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    )
    assert page.fields["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert page.body.endswith("\n# EOF\n")
    assert "# TYPE sallyport_build info\n" in page.body
    assert "# TYPE sallyport_handshakes counter\n" in page.body


def test_clients_can_be_left_out_and_accounts_are_never_in(watched, server):
    agents = client(
        reach("origin.test", server.port), name="{cn}", accounts=10, match=[{"any": True, "trust": "staff"}]
    )
    proxy = watched(agents)
    tunnel = proxy.tunnel(proxy.target)
    names = {
        dict(labels)["client"] for (name, labels) in metrics(proxy) if name.startswith("sallyport_client_")
    }
    assert names == {"{cn}"}
    tunnel.close()
    proxy.reload(admin={"metrics": {"clients": False}})
    assert not any(name.startswith("sallyport_client_") for name, _ in metrics(proxy))


def test_reloads_show_and_counts_go_on_over_them(watched, server):
    proxy = watched()
    tunnel = proxy.tunnel(proxy.target)
    proxy.reload(client(reach("origin.test", server.port)), client(name="others"))
    good = metrics(proxy)
    assert value(good, "sallyport_config_reloads_total", result="good") == 1
    assert value(good, "sallyport_config_last_reload_successful") == 1
    assert value(good, "sallyport_client_requests_total", client="workers", decision="allow") == 1
    assert ("sallyport_client_tunnels", frozenset({("client", "others")})) in good
    proxy.config_path.write_text("nonsense")
    proxy.send_signal(1)
    proxy.stderr.wait("reload failed")
    bad = metrics(proxy)
    assert value(bad, "sallyport_config_last_reload_successful") == 0
    assert value(bad, "sallyport_config_reloads_total", result="failed") == 1
    assert get(proxy.admin, "/readyz").status == 200
    tunnel.close()


def test_a_drain_and_a_failing_audit_are_told_by_readyz(watched):
    proxy = watched()
    tunnel = proxy.tunnel(proxy.target)
    proxy.send_signal(15)
    eventually(lambda: get(proxy.admin, "/readyz").status == 503, "the drain to show")
    assert "draining" in get(proxy.admin, "/readyz").body
    assert get(proxy.admin, "/healthz").status == 200
    assert value(metrics(proxy), "sallyport_ready") == 0
    tunnel.close()
    proxy.stop()


def test_an_expired_list_makes_it_unready_where_that_refuses(watched, pki):
    staff = {"crl": [str(pki.ca.crl(begins=-2, ends=-1))]}
    proxy = watched(trust={"staff": staff})
    page = get(proxy.admin, "/readyz")
    assert page.status == 503 and "has expired: its clients are refused" in page.body
    proxy.reload(trust={"staff": {**staff, "crl_expired": "keep"}})
    assert get(proxy.admin, "/readyz").status == 200


# -- who is told -----------------------------------------------------------------------------------


def test_anything_but_a_plain_look_is_refused(watched):
    proxy = watched(admin={"address": "127.0.0.1:0", "names": ["proxy.example.org"]})
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"):
        assert get(proxy.admin, "/metrics", method=method).status == 405, method
    head = get(proxy.admin, "/metrics", method="HEAD")
    assert head.status == 200 and head.body == "" and int(head.fields["Content-Length"]) > 1000
    for path in ("/index.html", "/metrics/", "//metrics", "/metrics.", "/%6detrics", "*", "http://localhost/metrics"):
        assert get(proxy.admin, path).status == 404, path
    for request, status in (
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    ):
        assert parse(exchange(proxy.admin, request)).status == status, request
    for host, status in (
        ("localhost", 200),
        ("LOCALHOST:9443", 200),
        ("127.0.0.1", 200),
        ("[::1]:1", 200),
        ("proxy.example.org:80", 200),
        ("evil.example", 403),
        ("evil.localhost", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost:x", 403),
        ("::1", 403),
        ("", 403),
    ):
        assert get(proxy.admin, "/healthz", host=host).status == status, host


def test_others_than_this_machine_see_what_is_open_to_them(watched):
    proxy = watched(
        admin={"address": "0.0.0.0:0", "open": ["healthz", "metrics"], "from": ["127.0.0.2/32"]}
    )
    port = proxy.admin[1]

    def ask(source, path):
        with socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) as peer:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                peer.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                data = b""
                while more := peer.recv(65536):
                    data += more
                return parse(data).status if data else None
        return None

    assert [ask("127.0.0.2", f"/{page}") for page in ("healthz", "metrics", "readyz", "status.json", "nothing")] == [
        200, 200, 403, 403, 403,
    ]
    assert [ask(source, "/healthz") for source in ("127.0.0.1", "127.0.0.3")] == [None, None]
    said = "gets no answer: it is in no network of `admin.from`"
    proxy.stderr.wait(f"warning admin: 127.0.0.1 {said}")
    assert ask("127.0.0.2", "/healthz") == 200
    assert proxy.stderr.text().count(said) == 1  # a minute


def test_over_tls_a_certificate_of_the_profile_opens_everything(watched, pki):
    operators = pki.authority("Operators CA")
    revoked = operators.leaf("gone")
    proxy = watched(
        client(match=[{"any": True, "trust": "staff"}]),
        admin={
            "address": "127.0.0.1:0",
            "certificates": [{"chain": pki.server.chain, "key": pki.server.key}],
            "trust": "operators",
        },
        trust={"operators": {"ca": [operators.path], "crl": [operators.crl(revoked)]}},
        control=CONTROL,
    )

    def status(leaf, path="/status.json"):
        context = ssl.create_default_context(cafile=pki.server_ca.path)
        if leaf:
            context.load_cert_chain(leaf.chain, leaf.key)
        try:
            return get(proxy.admin, path, context=context).status
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError, IndexError):
            return None

    operator = operators.leaf("operator")
    assert [status(operator, path) for path in ("/status.json", "/", "/metrics", "/nothing")] == [200, 200, 200, 404]
    assert [status(each) for each in (None, revoked, pki.worker, operators.leaf("old", ends=-0.001))] == [None] * 4
    assert parse(exchange(proxy.admin, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") or b"x 0\r\n\r\n").status == 0
    proxy.reload(admin={"open": ["readyz"], "from": ["127.0.0.1"]})
    assert [status(None, path) for path in ("/readyz", "/metrics", "/")] == [200, 403, 403]
    assert status(operator) == 200
    Control(proxy).block(f"sha256:{operator.certificate.fingerprint(hashes.SHA256()).hex()}")
    assert status(operator) is None
    proxy.audit.wait_count(6, "handshake_refused")
    refused = proxy.audit.records("handshake_refused")
    assert {record["listener"] for record in refused} == {"admin"}
    assert [(record["reason"], record["client"]["address"], record.get("presented", {}).get("subject")) for record in refused] == [
        ("no_certificate", "127.0.0.1", None),
        ("revoked", "127.0.0.1", "CN=gone"),
        ("unknown_ca", "127.0.0.1", "CN=worker-1"),
        ("expired", "127.0.0.1", "CN=old"),
        ("plain_http", "127.0.0.1", None),
        ("blocked", "127.0.0.1", "CN=operator"),
    ]
    socket.create_connection(proxy.admin).close()  # it says nothing, and is no client
    with ThreadPoolExecutor(20) as many:
        assert set(many.map(lambda _: status(revoked), range(60))) == {None}
    assert status(None, "/readyz") == 200
    eventually(lambda: any(record["count"] > 1 for record in proxy.audit.records("handshake_refused")), "the counted ones")


def test_no_tunnel_leads_to_it(watched, server):
    proxy = watched(
        client({"addresses": ["127.0.0.0/8"], "ports": ["1-65535"]}),
        admin={"address": "127.0.0.1:0"},
    )
    answer = proxy.ask(f"127.0.0.1:{proxy.admin[1]}")
    proxy.assert_refused(answer, 403, "own_listener")


def test_those_who_are_slow_or_many_stop_nobody(watched):
    proxy = watched()
    idle = []
    for _ in range(40):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(proxy.admin)
        idle.append(peer)
    tunnel = proxy.tunnel(proxy.target)
    assert proxy.ask("nowhere.test:443").status == 403
    assert get(proxy.admin, "/healthz").status == 200
    idle[0].settimeout(PATIENCE)
    assert idle[0].recv(1) == b"", "the one that has waited longest has made room"
    idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert idle[-1].recv(100).startswith(b"HTTP/1.1 200 ")
    for peer in idle:
        peer.close()
    tunnel.close()


def test_one_who_comes_often_takes_nobodys_place(watched):
    proxy = watched(admin={"address": "0.0.0.0:0", "open": ["healthz"], "from": ["127.0.0.0/30"]})
    port = proxy.admin[1]

    def come(source):
        return socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))

    with contextlib.ExitStack() as stack:
        early = stack.enter_context(come("127.0.0.2"))
        many = [stack.enter_context(come("127.0.0.3")) for _ in range(64)]
        assert many[31].recv(1) == b"", "its own have made room"
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert early.recv(100).startswith(b"HTTP/1.1 200 ")


def test_those_who_leave_early_do_no_harm(watched):
    proxy = watched()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(proxy.admin)
            peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert get(proxy.admin, "/metrics").status == 200


# -- where it is -----------------------------------------------------------------------------------


def test_a_reload_moves_it_and_takes_it_away(watched):
    proxy = watched(**{"control": CONTROL})
    first = proxy.admin
    said = proxy.stderr.count()
    proxy.reload(admin={"address": "127.0.0.1:0"})
    proxy.admin = place_of(proxy, {}, after=said)
    assert get(proxy.admin, "/healthz").status == 200
    with pytest.raises(OSError):
        exchange(first, b"")
    kept = proxy.admin
    proxy.reload(admin={"names": ["proxy.example.org"]})
    assert get(kept, "/healthz", host="proxy.example.org").status == 200
    proxy.reload(admin=...)
    with pytest.raises(OSError):
        exchange(kept, b"")


def test_a_reload_makes_a_removed_path_again(watched):
    proxy = watched()
    Path(proxy.admin).unlink()
    proxy.reload()
    assert get(proxy.admin, "/healthz").status == 200
    inode = Path(proxy.admin).stat().st_ino
    proxy.reload()
    assert Path(proxy.admin).stat().st_ino == inode, "one that is there stays"


def test_a_reload_to_a_place_that_is_taken_changes_nothing(watched):
    proxy = watched()
    with socket.create_server(("127.0.0.1", 0)) as other:
        from support.config import merge, write_config

        bad = merge(proxy.config, {"admin": {"address": f"127.0.0.1:{other.getsockname()[1]}"}})
        write_config(proxy.config_path, bad)
        proxy.send_signal(1)
        proxy.stderr.wait("reload failed.*has this address")
    assert get(proxy.admin, "/healthz").status == 200
