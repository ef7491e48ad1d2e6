"""Targets that are told whose connection they get: `send_proxy` of a rule."""

import json
import subprocess

import pytest

from support.balancer import UNKNOWN, free_port, read_v2, v2
from support.config import client, listener_of, reach
from support.origin import dead_port, echo, reset
from support.plain import PlainClient, StrictOrigin, url
from support.proxy import run
from support.readers import answers
from support.scale import PATIENCE, eventually

CLIENT = "127.0.0.5"
BOTH = pytest.mark.protocols("h1", "h2")


class Told(StrictOrigin):
    """A strict origin that reads a PROXY header first, and keeps what it says in `told`."""

    def __init__(self, **options):
        self.told = []
        super().__init__(**options)

    def _serve(self, conn):
        self.told.append(read_v2(conn))
        super()._serve(conn)


def telling(told, habit=echo):
    """A habit that begins with the header."""

    def habit_with_header(conn):
        told.append(read_v2(conn))
        habit(conn)

    return habit_with_header


def sending(port, **more):
    return reach("origin.test", port, send_proxy="v2", **more)


@pytest.fixture
def web(dns):
    dns.addresses("origin.test", "127.0.0.1")
    made = Told()
    yield made
    made.stop()
    assert not made.violations, made.violations


@pytest.fixture
def told(dns):
    dns.addresses("origin.test", "127.0.0.1")
    return []


@BOTH
def test_the_target_of_a_tunnel_is_told_who_is_there(start, origin, told):
    server = origin(telling(told))
    proxy = start(client(sending(server.port)))
    one = proxy.connect(source=CLIENT)
    answer = one.tunnel(f"origin.test:{server.port}")
    one.echo(b"after the header")
    client_port = getattr(one, "client", one).local_port
    assert told == [
        {
            "source": (CLIENT, client_port),
            "target": ("127.0.0.1", server.port),
            "id": answer.id,
            "flags": 0x07,
            "verify": 0,
            "version": "TLSv1.3",
            "cn": "worker-1",
            "cipher": proxy.decision(answer.id)["tls"]["cipher"],
        }
    ]
    one.close()
    close = proxy.close_record(answer.id)
    assert close["bytes"] == {"up": 16, "down": 16}, "the header is not the client's"


@BOTH
def test_each_plain_request_has_a_connection_of_its_own(start, web):
    proxy = start(client(sending(web.port)))
    one = PlainClient(proxy.connect(source=CLIENT))
    for path in ("/one", "/two", "/three"):
        assert one.get(url(web, path)).body == b"yes"
    assert [each.connection for each in web.requests] == [1, 2, 3]
    ids = [each["id"] for each in proxy.audit.wait_count(3, "decision")]
    assert sorted(each["id"] for each in web.told) == sorted(ids)
    assert all(each["source"][0] == CLIENT for each in web.told)


def test_a_connection_that_was_kept_before_is_not_used_for_it(start, dns):
    dns.addresses("origin.test", "127.0.0.1")
    seen = []

    class Either(StrictOrigin):
        """Awaits a header once it is told to."""

        def _serve(self, conn):
            seen.append(read_v2(conn)["id"] if proxy.reloads else None)
            super()._serve(conn)

    server = Either()
    proxy = start(client(reach("origin.test", server.port)))
    one = PlainClient(proxy.connect())
    one.get(url(server, "/kept"))
    one.get(url(server, "/kept"))
    assert seen == [None]
    proxy.reload(client(sending(server.port)))
    one.get(url(server, "/told"))
    assert len(seen) == 2 and seen[1]
    server.stop()
    assert not server.violations


def test_what_lives_goes_on_where_a_reload_changes_it(start, origin, told):
    server = origin(telling(told))
    proxy = start(client(sending(server.port)))
    one = proxy.tunnel(f"origin.test:{server.port}")
    proxy.reload(client(reach("origin.test", server.port)))
    one.echo(b"still there")


def test_the_client_that_a_balancer_names_is_the_one_that_is_told(start, origin, told, pki):
    server = origin(telling(told))
    listener = listener_of(pki, proxy_protocol={"from": ["127.0.0.9"]})
    proxy = start(client(sending(server.port)), listeners=[listener])
    for header in (v2("192.0.2.7", port=999), v2("2001:db8::7", port=999), UNKNOWN):
        one = proxy.dial(source="127.0.0.9")
        one.sock.sendall(header)
        one.handshake().tunnel(f"origin.test:{server.port}")
        one.echo(b"through three")
    assert [each["source"] for each in told] == [("192.0.2.7", 999), ("2001:db8::7", 999), None]
    assert told[1]["target"] == ("::ffff:127.0.0.1", server.port)


def test_a_client_without_a_certificate_has_no_name(start, origin, told, pki):
    server = origin(telling(told))
    listener = listener_of(pki, client_certificate="optional")
    proxy = start(client(sending(server.port), match=[{"anonymous": True}]), listeners=[listener])
    proxy.tunnel(f"origin.test:{server.port}", identity=None).echo(b"nobody")
    assert (told[0]["flags"], told[0]["verify"], told[0]["cn"]) == (0x01, 1, None)


def test_a_resumed_session_is_said(start, origin, told):
    server = origin(telling(told))
    proxy = start(client(sending(server.port)))
    first = proxy.tunnel(f"origin.test:{server.port}")
    first.echo(b"with a certificate")
    second = proxy.dial(session=first.tls.session).handshake()
    second.tunnel(f"origin.test:{server.port}")
    second.echo(b"with a ticket")
    assert [each["flags"] for each in told] == [0x07, 0x05]


def test_a_target_that_waits_for_the_header_may_speak_first(start, origin, told):
    server = origin(telling(told, lambda conn: (conn.sendall(b"220 ready"), echo(conn))))
    proxy = start(client(sending(server.port), inner={"tls": "observe"}))
    one = proxy.tunnel(f"origin.test:{server.port}")
    assert one.read_exactly(9) == b"220 ready"
    one.echo(b"\x16\x03\x01 and what follows")


def test_a_rule_speaks_for_its_own_targets_only(start, origin, told, dns):
    dns.addresses("bare.test", "127.0.0.1")
    server, bare = origin(telling(told)), origin()
    proxy = start(client(sending(server.port), reach("bare.test", bare.port)))
    proxy.tunnel(f"bare.test:{bare.port}").echo(b"nothing in front")
    proxy.tunnel(f"origin.test:{server.port}").echo(b"a header in front")
    assert len(told) == 1
    said = run("explain", "-c", proxy.config_path, "--as", "cn:worker-1", "--to", f"origin.test:{server.port}",
               "--address", "127.0.0.1")
    assert "send_proxy v2 to 127.0.0.1" in said.stdout, said.stdout
    said = run("explain", "-c", proxy.config_path, "--as", "cn:worker-1", "--to", f"bare.test:{bare.port}",
               "--address", "127.0.0.1", "--json")
    assert "send_proxy" not in json.dumps(json.loads(said.stdout)), said.stdout


def test_a_target_that_is_not_there_or_resets_is_an_end_like_any_other(start, origin, dns):
    dns.addresses("origin.test", "127.0.0.1")
    server = origin(reset)
    with dead_port() as port:
        proxy = start(client(sending(server.port), sending(port)))
        assert proxy.ask(f"origin.test:{port}").status == 502
        answer = proxy.ask(f"origin.test:{server.port}")
        assert answer.status in (200, 502), answer
        reason = proxy.close_record(answer.id)["reason"]
        assert reason in ("upstream_reset", "connect_failed", "client_closed"), reason


# -- real receivers -----------------------------------------------------------------------------

HAPROXY = """
defaults
    mode http
    timeout client 20s
    timeout server 20s
    timeout connect 20s
frontend target
    bind 127.0.0.1:{port} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[fc_pp_unique_id]"
"""

NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; user root root; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections 64; }}
stream {{ server {{ listen 127.0.0.1:{port} proxy_protocol; return "$proxy_protocol_addr $proxy_protocol_port"; }} }}
"""


@pytest.fixture
def receiver(tmp_path, dns):
    dns.addresses("origin.test", "127.0.0.1")
    made = []

    def make(text, *command):
        port = free_port()
        config = tmp_path / "receiver.conf"
        config.write_text(text.format(port=port, folder=tmp_path))
        with open(tmp_path / "receiver.out", "wb") as output:
            made.append(subprocess.Popen([*command, str(config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output))
        eventually(lambda: answers(port) or made[-1].poll() is not None, "the target to listen")
        assert made[-1].poll() is None, (tmp_path / "receiver.out").read_text()
        return port

    yield make
    for process in made:
        process.terminate()
        process.wait(PATIENCE)


def test_haproxy_reads_it(start, receiver):
    port = receiver(HAPROXY, "/usr/sbin/haproxy", "-db", "-f")
    proxy = start(client(sending(port)))
    one = PlainClient(proxy.connect(source=CLIENT))
    body = one.get(f"http://origin.test:{port}/").body.decode()
    decision = proxy.audit.wait("decision")
    assert body == f"{CLIENT} {one.client.local_port} {decision['id']}"


def test_nginx_reads_it(start, receiver):
    port = receiver(NGINX, "/usr/sbin/nginx", "-e", "/dev/null", "-c")
    proxy = start(client(sending(port)))
    one = proxy.tunnel(f"origin.test:{port}", source=CLIENT)
    assert one.read_to_end()[0].decode() == f"{CLIENT} {one.local_port}"
