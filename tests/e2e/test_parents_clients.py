"""Other proxies as parents: Squid, which demands a certificate, and tinyproxy in the clear."""

import contextlib
import os
import shutil
import socket
import subprocess

import pytest

from support.config import client, reach
from support.origin import dead_port, echo
from support.parents import parent
from support.plain import PlainClient, StrictOrigin, url
from support.proxy import Lines
from support.readers import free_port
from support.scale import PATIENCE, eventually
from support.wire import Ending

# Neither is in everybody's PATH.
SQUID = shutil.which("squid", path=os.environ["PATH"] + ":/usr/sbin")
TINYPROXY = shutil.which("tinyproxy", path=os.environ["PATH"] + ":/usr/sbin")


@contextlib.contextmanager
def running(name, command, port):
    """A program that listens at a port until the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = Lines(process.stderr)

    def is_ready():
        with socket.socket() as probe:
            return process.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(is_ready, lambda: f"{name}: {lines.text()}")
        assert process.poll() is None, f"{name}: {lines.text()}"
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def squid(pki, tmp_path):
    """A Squid that lets in who has a certificate of the clients' CA, and nobody else, and passes on to any port but 1."""
    assert SQUID, "no squid here: see PACKAGES_CLIENTS in tools/lib.sh"
    port = free_port()
    authority = shutil.copy(pki.ca.path, tmp_path / "clients-ca.crt")  # a path without blanks
    config = tmp_path / "squid.conf"
    config.write_text(
        f"https_port 127.0.0.1:{port} tls-cert={pki.server.chain} tls-key={pki.server.key} "
        f"clientca={authority}\n"
        "acl ours user_cert CN edge\nacl shut port 1\nhttp_access deny shut\nhttp_access allow ours\nhttp_access deny all\n"
        f"pid_filename none\ncache_log {tmp_path}/cache.log\naccess_log none\ncoredump_dir {tmp_path}\n"
        "shutdown_lifetime 1 seconds\nvisible_hostname squid.test\nnetdb_filename none\nlogfile_rotate 0\n"
        "max_filedescriptors 1024\ncache deny all\nvia on\npinger_enable off\n"
    )
    # Not as root: it would change its user, which a namespace of the tests does not allow.
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", SQUID, "-N", "-f", str(config)]
    with running("Squid", command, port):
        yield port


@pytest.fixture
def tinyproxy(tmp_path):
    """A tinyproxy in the clear, which lets everybody go everywhere."""
    assert TINYPROXY, "no tinyproxy here: see PACKAGES_CLIENTS in tools/lib.sh"
    port = free_port()
    config = tmp_path / "tinyproxy.conf"
    config.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Critical\nAllow 127.0.0.1\n")
    with running("tinyproxy", [TINYPROXY, "-d", "-c", str(config)], port):
        yield port


@pytest.fixture(autouse=True)
def names(dns):
    dns.addresses("origin.test", "127.0.0.1")


def last_words(conn):
    conn.sendall(b"the last words")


def check_parent(proxy, server, web):
    """What works through a parent of any kind."""
    tunnels = [proxy.tunnel(f"origin.test:{server.port}") for _ in range(3)]
    for number, tunnel in enumerate(tunnels):
        tunnel.echo(b"%d" % number * 200000)
        tunnel.close()
        close = proxy.audit.wait("close", id=tunnel.id)
        assert close["parent"]["protocol"] == "h1", close
    one = PlainClient(proxy.connect())
    assert one.get(url(web)).status == 200
    assert web.wait_requests(1)[0].get("host") == f"origin.test:{web.port}"


@pytest.fixture
def server(origin):
    return origin(echo)


@pytest.fixture
def web():
    made = StrictOrigin()
    yield made
    made.stop()
    assert not made.violations, made.violations


def test_squid_lets_our_certificate_through(start, pki, server, web, origin, squid):
    ending = origin(last_words)
    allowed = [reach("origin.test", server.port, web.port, ending.port, 1)]
    proxy = start(client(*allowed, via=["squid"]), parents=[parent(pki, squid, name="squid")])
    check_parent(proxy, server, web)
    tunnel = proxy.tunnel(f"origin.test:{ending.port}")
    assert tunnel.read_to_end() == (b"the last words", Ending.CLOSE_NOTIFY)
    answer = proxy.ask("origin.test:1")
    assert answer.status == 403, answer
    assert proxy.audit.wait("close", id=answer.id)["reason"] == "parent_refused"


def test_squid_that_does_not_want_our_certificate_is_no_way(start, pki, server, squid):
    others = {
        "without one": parent(pki, squid, name="squid", certificate=...),
        "of another name": parent(pki, squid, name="squid", identity=pki.ca.leaf("somebody")),
        "of another CA": parent(pki, squid, name="squid", identity=pki.authority("Other CA").leaf("edge")),
    }
    for title, entry in others.items():
        entry = {key: value for key, value in entry.items() if value is not ...}
        proxy = start(client(reach("origin.test", server.port), via=["squid", "direct"]), parents=[entry])
        answer = proxy.ask(f"origin.test:{server.port}")
        assert answer.status in (403, 502), (title, answer)
        assert proxy.audit.wait("close", id=answer.id)["reason"] == "parent_refused", title
    assert server.accepted == 0


def test_tinyproxy_is_a_parent_in_the_clear(start, pki, server, web, tinyproxy):
    entry = parent(pki, tinyproxy, name="tiny", scheme="http")
    allowed = [reach("origin.test", server.port, web.port)]
    proxy = start(client(*allowed, via=["tiny"]), parents=[entry])
    check_parent(proxy, server, web)


def test_what_tinyproxy_cannot_reach_is_a_bad_gateway(start, pki, tinyproxy):
    with dead_port() as dead:
        entry = parent(pki, tinyproxy, name="tiny", scheme="http")
        proxy = start(client(reach("origin.test", dead), via=["tiny", "direct"]), parents=[entry])
        answer = proxy.ask(f"origin.test:{dead}")
        assert answer.status == 502, answer
        assert proxy.audit.wait("close", id=answer.id)["reason"] == "parent_refused"
