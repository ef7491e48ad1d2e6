"""Connections that balancers pass on: whose they are, and who may say so."""

import contextlib
import socket
import ssl
import subprocess

import pytest

from support.balancer import (
    HOSTILE,
    LOCAL,
    UNFINISHED,
    UNKNOWN,
    Balancer,
    part,
    summed,
    v1,
    v2,
)
from support.config import client, listener_of, reach
from support.control import CONTROL, Control
from support.proxy import run
from support.scale import PATIENCE, eventually
from support.sidecar import Sidecar
from support.web import PAGE, Website, clean_environment

BALANCER, STRANGER = "127.0.0.9", "127.0.0.6"
NEAR, FAR = "127.0.0.5", "127.0.0.7"  # of clients: where they may come from, and where not
SPEAKERS = pytest.mark.protocols("h1", "h2")


def listeners(pki, **more):
    return [listener_of(pki, **{"proxy_protocol": {"from": [BALANCER, "2001:db8:9::/48"]}, **more})]


@pytest.fixture
def target(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return f"origin.test:{origin().port}"


@pytest.fixture
def serve(start, pki, target):
    """A proxy after BALANCER whose clients may come from NEAR only."""

    def make(*clients, listener=None, **changes):
        port = int(target.split(":")[1])
        clients = clients or [client(reach("origin.test", port), sources=[NEAR, "2001:db8::/32"])]
        return start(*clients, listeners=listeners(pki, **(listener or {})), **changes)

    return make


def raw(dialled):
    """The socket of a client, whatever it speaks over it."""
    return getattr(dialled, "client", dialled).sock


def passed_on(proxy, header, pieces=(), source=BALANCER, **options):
    """A client whose connection `source` passes on with this header."""
    dialled = proxy.dial(source=source, **options)
    for at, end in zip((0, *pieces), (*pieces, len(header)), strict=True):
        raw(dialled).sendall(header[at:end])
    return dialled.handshake()


def send(proxy, data, source=BALANCER):
    sock = socket.create_connection(proxy.address, PATIENCE, source_address=(source, 0))
    sock.sendall(data)
    return sock


def is_ended(sock):
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while sock.recv(4096):
            pass
    sock.close()
    return True


def refused(proxy, reason, **wanted):
    return sum(each["count"] for each in proxy.audit.records("handshake_refused", reason=reason, **wanted))


# -- whose it is --------------------------------------------------------------------------------

HEADERS = {
    "version 1": (v1(NEAR, 41000), NEAR),
    "version 1, IPv6": (v1("2001:db8::7", 41000, "TCP6"), "2001:db8::7"),
    "IPv4 as IPv6": (v1(f"::ffff:{NEAR}", 41000, "TCP6"), NEAR),
    "version 2": (v2(NEAR, port=41000), NEAR),
    "version 2, IPv6": (v2("2001:db8::7", port=41000), "2001:db8::7"),
    "with parts": (v2(NEAR, part(0x05, b"x" * 128), part(0xEA, bytes(3000)), port=41000), NEAR),
}


@SPEAKERS
def test_a_client_is_where_its_balancer_says(serve, target):
    proxy = serve()
    for header, address in HEADERS.values():
        one = passed_on(proxy, header)
        answer = one.tunnel(target)
        one.echo(b"through both")
        at = proxy.decision(answer.id)["client"]
        assert (at["address"], at["port"], at["via"]) == (address, 41000, BALANCER), at
        assert "announced" not in at
        one.close()
        proxy.close_record(answer.id)
    for header in (v1(FAR), v2(FAR), summed(FAR)):
        one = passed_on(proxy, header)
        answer = one.ask(target)
        proxy.assert_refused(answer, 403, "source_not_allowed")
        assert proxy.decision(answer.id)["client"]["address"] == FAR
    assert not proxy.audit.records("handshake_refused")


def test_a_header_may_come_in_any_pieces_and_tls_gets_its_own_bytes(serve, target):
    proxy = serve()
    for header in (v1(NEAR), v2(NEAR, part(0x04, bytes(9)))):
        passed_on(proxy, header, pieces=range(1, len(header))).tunnel(target)
        one = proxy.dial(source=BALANCER)
        one.sock.sendall(header + one.first_flight())  # in one segment
        one.handshake()
        one.tunnel(target)
        one = proxy.dial(source=BALANCER)
        flight = header + one.first_flight()
        for at in range(len(flight)):
            one.sock.sendall(flight[at : at + 1])
        one.handshake()
        one.tunnel(target)
    assert not proxy.audit.records("handshake_refused")


def test_nobody_else_is_believed(serve, target, pki):
    proxy = serve()
    for header in (v1(NEAR), v2(NEAR), UNKNOWN):
        assert is_ended(send(proxy, header, source=STRANGER))
    eventually(lambda: refused(proxy, "protocol") == 3, "three broken handshakes")
    for record in proxy.audit.records("handshake_refused"):
        assert record["client"]["address"] == STRANGER and "via" not in record["client"]
        assert "PROXY header" in record["detail"]
    # Without a header a stranger is where its socket is, and a second header is the client's own.
    answer = proxy.ask(target, source=STRANGER)
    proxy.assert_refused(answer, 403, "source_not_allowed")
    assert "via" not in proxy.decision(answer.id)["client"]
    assert is_ended(send(proxy, v2(FAR) + v1(NEAR)))
    record = proxy.audit.wait("handshake_refused", client__via=BALANCER)
    assert (record["reason"], record["client"]["address"]) == ("protocol", FAR)


def test_parts_make_nobody_of_a_client(serve, target, pki):
    proxy = serve(
        client(reach("origin.test", int(target.split(":")[1])), name="admins", match=[{"cn": "admin"}]),
    )
    claim = part(0x20, b"\x07\0\0\0\0" + part(0x22, b"admin") + part(0x21, b"TLSv1.3"))
    answer = passed_on(proxy, v2(NEAR, claim)).ask(target)
    proxy.assert_refused(answer, 403, "no_client")


def test_a_connection_of_nobody_has_no_source(serve, target, tmp_path):
    port = int(target.split(":")[1])
    proxy = serve(
        client(
            reach("origin.test", port),
            name="near",
            match=[{"cn": "worker-1"}],
            sources=["0.0.0.0/0", "::/0", BALANCER],
        ),
        client(reach("origin.test", port), name="anywhere"),
    )
    elsewhere = proxy.pki.ca.leaf("elsewhere")
    for header in (UNKNOWN, v2(command=LOCAL), v2(FAR, command=LOCAL), v2(None, b"any bytes")):
        answer = passed_on(proxy, header).ask(target)
        proxy.assert_refused(answer, 403, "source_not_allowed")
        at = proxy.decision(answer.id)["client"]
        assert (at["address"], at["via"], at["announced"]) == (BALANCER, BALANCER, False)
        passed_on(proxy, header, identity=elsewhere).tunnel(target)
    # What is asked of the log later gets the same answer.
    replayed = run("audit", "replay", "--config", proxy.config_path, proxy.audit.path)
    assert replayed.returncode == 0, replayed.stdout
    told = run("explain", "-c", proxy.config_path, "--log", proxy.audit.path, "--id", answer.id)
    assert "source_not_allowed" in told.stdout and "not known" in told.stdout, told.stdout


def test_health_checks_leave_no_record(serve, target):
    proxy = serve(control=CONTROL)
    proxy.control = Control(proxy)
    for probe in (b"", UNKNOWN, v2(command=LOCAL), v2(NEAR)):
        send(proxy, probe).close()
    eventually(lambda: proxy.control.status()["counters"]["connections_silent"] == 4, "four silent connections")
    assert not proxy.audit.records("handshake_refused")


# -- limits -------------------------------------------------------------------------------------


def test_limits_of_a_source_are_those_of_the_client(serve, target):
    proxy = serve(limits={"source": {"half_open": 2}}, workers=1, control=CONTROL)
    proxy.control = Control(proxy)
    silent = [send(proxy, b"") for _ in range(5)]
    eventually(lambda: proxy.control.status()["sessions"]["proxy_header"] == 5, "five that wait")
    early = [send(proxy, v2(FAR)) for _ in range(2)]
    eventually(lambda: proxy.control.status()["sessions"]["handshake"] == 2, "two handshakes")
    assert is_ended(send(proxy, v2(FAR)))
    record = proxy.audit.wait("handshake_refused", reason="limit_half_open")
    assert (record["client"]["address"], record["client"]["via"]) == (FAR, BALANCER)
    passed_on(proxy, v2(NEAR)).tunnel(target)  # another source, by way of the same balancer
    for sock in (*silent, *early):
        sock.close()


def test_the_one_that_waits_longest_makes_room(serve, target):
    proxy = serve(workers=1, listener={"proxy_protocol": {"from": [BALANCER], "wait": "1m"}})
    waiting = [send(proxy, b"PROXY") for _ in range(1025)]
    assert is_ended(waiting[0])
    assert proxy.audit.wait("handshake_refused", reason="limit_proxy_headers")["client"]["address"] == BALANCER
    passed_on(proxy, v2(NEAR)).tunnel(target)
    assert is_ended(waiting[1])
    eventually(lambda: refused(proxy, "limit_proxy_headers") == 2, "two that made room")
    for sock in waiting[2:]:
        sock.close()


def test_one_that_waits_for_its_header_makes_room_for_a_session(serve, target):
    proxy = serve(
        listener={"proxy_protocol": {"from": [BALANCER], "wait": "1m"}},
        limits={"sessions": 16},
        workers=1,
        control=CONTROL,
    )
    proxy.control = Control(proxy)
    waiting = [send(proxy, b"PROXY") for _ in range(16)]
    eventually(lambda: proxy.control.status()["sessions"]["proxy_header"] == 16, "all places to be taken")

    def is_served():
        with contextlib.suppress(OSError, AssertionError):
            return passed_on(proxy, v2(NEAR)).tunnel(target)

    eventually(is_served, "one to make room")  # once it has waited a second
    assert is_ended(waiting[0])
    eventually(lambda: refused(proxy, "limit_sessions") > 0, "it to be recorded")
    for sock in waiting[1:]:
        sock.close()


def test_a_drain_waits_for_no_header(serve, target):
    proxy = serve(
        listener={"proxy_protocol": {"from": [BALANCER], "wait": "1m"}},
        timeouts={"drain": "1h"},
        control=CONTROL,
    )
    proxy.control = Control(proxy)
    waiting = [send(proxy, data) for data in (b"", b"PROXY", v2(NEAR)[:20])]
    eventually(lambda: proxy.control.status()["sessions"]["proxy_header"] == 3, "three that wait")
    proxy.stop()
    assert not proxy.audit.records("handshake_refused")
    for sock in waiting:
        sock.close()


# -- hostile headers ----------------------------------------------------------------------------


def test_hostile_headers_are_refused_within_the_wait(serve, target):
    proxy = serve()
    assert len(HOSTILE) >= 60
    unfinished = [send(proxy, data) for data in UNFINISHED]
    for data in HOSTILE:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            assert is_ended(send(proxy, data)), data
    cut = send(proxy, v2(NEAR)[:20])
    cut.shutdown(socket.SHUT_WR)
    assert is_ended(cut)
    passed_on(proxy, v2(NEAR)).tunnel(target)
    eventually(lambda: refused(proxy, "proxy_header_bad") == len(HOSTILE) + 1, "each of them to be recorded")
    for sock in unfinished:
        assert is_ended(sock)
    eventually(lambda: refused(proxy, "proxy_header_timeout") == len(UNFINISHED), "those that are not whole")
    told = {each["detail"] for each in proxy.audit.records("handshake_refused", reason="proxy_header_bad")}
    assert len(told) > 1
    for record in proxy.audit.records("handshake_refused"):
        assert record["client"]["address"] == BALANCER and "via" not in record["client"]


# -- with the rest ------------------------------------------------------------------------------


@SPEAKERS
def test_a_refusal_in_http_is_recorded_by_the_clients_address(serve, pki, target):
    proxy = serve(listener={"refuse_with": "http"})
    answer = passed_on(proxy, v2(NEAR), identity=pki.authority("Others").leaf("other")).ask(target)
    assert answer.status == 403, answer
    record = proxy.audit.wait("handshake_refused", id=answer.id)
    assert (record["reason"], record["client"]["address"]) == ("unknown_ca", NEAR)
    assert record["client"]["via"] == BALANCER


def test_what_is_open_is_listed_by_the_clients_address(serve, target):
    proxy = serve(control=CONTROL)
    proxy.control = Control(proxy)
    one = passed_on(proxy, v2(NEAR))
    one.tunnel(target)
    top = proxy.control.run("top", "--json").stdout
    assert f'"{NEAR}"' in top, top
    page = passed_on(proxy, v2(NEAR))
    page.send(b"GET http://sallyport.internal/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    body = page.read_to_end()[0].decode()
    assert f'"address":"{NEAR}"' in body and f'"via":"{BALANCER}"' in body, body


def test_a_reload_begins_and_ends_it(start, pki, target):
    plain = listeners(pki)
    del plain[0]["proxy_protocol"]
    proxy = start(client(reach("origin.test", int(target.split(":")[1]))), listeners=plain)
    proxy.tunnel(target, source=BALANCER)
    proxy.reload(listeners=listeners(pki))
    passed_on(proxy, v2(NEAR)).tunnel(target)
    assert is_ended(send(proxy, b"\x16\x03\x01"))
    proxy.audit.wait("handshake_refused", reason="proxy_header_bad")
    proxy.reload(listeners=plain)
    proxy.tunnel(target, source=BALANCER)


@SPEAKERS
def test_a_reload_that_takes_a_balancer_out_believes_it_no_more(serve, pki, target):
    proxy = serve(listener={"proxy_protocol": {"from": [BALANCER], "wait": "1m"}}, control=CONTROL)
    proxy.control = Control(proxy)
    waiting = send(proxy, b"PROXY")
    shaking = proxy.dial(source=BALANCER)
    raw(shaking).sendall(v2(NEAR))
    eventually(lambda: proxy.control.status()["sessions"]["handshake"] == 1, "a handshake")
    idle = passed_on(proxy, v2(NEAR))
    idle.ask("elsewhere.test:443")
    busy = passed_on(proxy, v2(NEAR))
    tunnel = busy.tunnel(target)
    other = listeners(pki)
    other[0]["proxy_protocol"]["from"] = ["192.0.2.1"]
    proxy.reload(listeners=other)
    assert is_ended(waiting)
    record = proxy.audit.wait("handshake_refused", reason="proxy_header_bad")
    assert (record["client"]["address"], "via" in record["client"]) == (BALANCER, False)
    proxy.assert_closed(tunnel.id, "policy_changed")
    proxy.assert_refused(shaking.handshake().ask(target), 403, "policy_changed")
    if not hasattr(idle, "client"):  # over HTTP/2 it was told to go
        proxy.assert_refused(idle.ask(target), 403, "policy_changed")
    assert proxy.ask(target, source=BALANCER).status == 403  # its own address is no client's


# -- real ones ----------------------------------------------------------------------------------


@pytest.fixture
def balancer(tmp_path):
    made = []

    def make(*arguments, **options):
        made.append(Balancer(tmp_path, *arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@SPEAKERS
@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn", None])
def test_clients_behind_a_real_balancer_are_told_apart(serve, balancer, target, send):
    proxy = serve(limits={"source": {"half_open": 2}}, control=CONTROL)
    proxy.control = Control(proxy)
    proxy.addresses["front"] = balancer(proxy.address, BALANCER, send).address
    for _ in range(3):
        one = proxy.tunnel(target, listener="front", source=NEAR)
        one.echo(b"by way of a balancer")
        at = proxy.decision(one.id)["client"]
        assert (at["address"], at["via"]) == (NEAR, BALANCER), at
        assert at["port"] == raw(one).getsockname()[1]
    proxy.assert_refused(proxy.ask(target, listener="front", source=FAR), 403, "source_not_allowed")
    # What a client says by itself comes after the balancer's header, and is no second one.
    with socket.create_connection(proxy.addresses["front"], PATIENCE, source_address=(FAR, 0)) as forger:
        forger.sendall(v1(NEAR))
        assert is_ended(forger)
    record = proxy.audit.wait("handshake_refused", reason="protocol")
    assert (record["client"]["address"], record["client"]["via"]) == (FAR, BALANCER)
    # One client that keeps handshakes open is not all clients of the balancer.
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(raw(proxy.dial(listener="front", source=FAR)))
        eventually(lambda: proxy.control.status()["sessions"]["handshake"] == 2, "two handshakes")
        assert is_ended(raw(proxy.dial(listener="front", source=FAR)))
        record = proxy.audit.wait("handshake_refused", reason="limit_half_open")
        assert (record["client"]["address"], record["client"]["via"]) == (FAR, BALANCER)
        proxy.tunnel(target, listener="front", source=NEAR).echo(b"nobody else has to wait")


def test_programs_work_by_way_of_a_balancer(serve, balancer, dns, pki, tmp_path):
    dns.addresses("origin.test", "127.0.0.1")
    site = Website(pki, repositories=str(tmp_path))
    proxy = serve(client(reach("origin.test", site.port), sources=[NEAR, "127.0.0.1"]))
    front = "https://127.0.0.1:{}".format(balancer(proxy.address, BALANCER, "send-proxy-v2").port)
    sidecar = Sidecar(pki, front).wait_ready()
    own = ["--proxy-cacert", pki.server_ca.path, "--proxy-cert", pki.worker.chain, "--proxy-key", pki.worker.key]
    ways = {
        ("h1", NEAR): ["--interface", NEAR, "-x", front, *own],
        ("h2", "127.0.0.1"): ["-x", sidecar.url],
    }
    for (protocol, address), options in ways.items():
        command = ["curl", "-sS", "--max-time", str(PATIENCE), "--cacert", pki.server_ca.path, *options]
        result = subprocess.run(
            [*command, f"https://origin.test:{site.port}/"],
            capture_output=True,
            check=False,
            env=clean_environment(proxy.folder),
        )
        assert (result.returncode, result.stdout) == (0, PAGE), result.stderr
        record = proxy.audit.wait("decision", request__protocol=protocol)
        assert (record["client"]["address"], record["client"]["via"]) == (address, BALANCER)
    sidecar.stop()
    site.stop()


def test_the_name_that_a_balancer_has_verified_is_not_the_clients(serve, balancer, target, pki, tmp_path):
    port = int(target.split(":")[1])
    proxy = serve(
        client(reach("origin.test", port), name="admins", match=[{"cn": "admin"}]),
        client(reach("origin.test", port), name="workers", match=[{"cn": "worker-1"}], sources=[NEAR]),
    )
    bundle = tmp_path / "front.pem"
    bundle.write_text("".join(open(path, encoding="ascii").read() for path in (pki.server.chain, pki.server.key)))
    front = balancer(
        proxy.address,
        BALANCER,
        "send-proxy-v2-ssl-cn",
        bind=f'ssl crt "{bundle}" ca-file "{pki.ca.path}" verify required',
    )
    proxy.addresses["front"] = front.address
    admin = pki.ca.leaf("admin")
    outer = ssl.create_default_context(cafile=pki.server_ca.path)
    outer.load_cert_chain(admin.chain, admin.key)
    one = proxy.dial(listener="front", source=NEAR)
    one.sock = outer.wrap_socket(one.sock, server_hostname="proxy.test")
    answer = one.handshake().tunnel(target)
    at = proxy.decision(answer.id)["client"]
    assert (at["name"], at["cn"], at["address"]) == ("workers", "worker-1", NEAR), at
