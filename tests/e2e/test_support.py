"""The fixtures themselves: a test that stands on a wrong one proves nothing."""

import socket
import ssl
import struct
import subprocess
import threading

import pytest

from support import dns as dns_module
from support.audit import check_inside, check_records
from support.origin import Origin, blackhole, dead_port, echo_after_end, reset_after
from support.web import Website, clean_environment
from support.wire import Client, Ending, client_context


def ask(server, name, kind, over_tcp=False):
    """Rcode, truncation and addresses in the server's answer."""
    question = dns_module.encode_name(name) + struct.pack("!HH", kind, 1)
    message = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + question
    if over_tcp:
        with socket.create_connection(("127.0.0.1", server.port), 5) as sock:
            sock.sendall(struct.pack("!H", len(message)) + message)
            answer = sock.makefile("rb").read(struct.unpack("!H", sock.recv(2))[0])
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(message, ("127.0.0.1", server.port))
            answer = sock.recv(4096)
    flags, _, count = struct.unpack("!HHH", answer[2:8])
    return flags & 15, bool(flags & 0x200), count, answer


def test_dns_gives_addresses_by_type_and_nxdomain_for_the_rest(dns):
    dns.addresses("a.test", "127.0.0.1", "127.0.0.2", "::1")
    assert ask(dns, "a.test", dns_module.A)[:3] == (0, False, 2)
    assert ask(dns, "A.test", dns_module.AAAA)[:3] == (0, False, 1)
    assert ask(dns, "b.test", dns_module.A)[:3] == (3, False, 0)
    assert len(dns.asked("a.test")) == 2


def test_dns_truncates_over_udp_only(dns):
    dns.addresses("cut.test", "127.0.0.1", is_truncated=True)
    assert ask(dns, "cut.test", dns_module.A)[:3] == (0, True, 0)
    assert ask(dns, "cut.test", dns_module.A, over_tcp=True)[:3] == (0, False, 1)


def test_dns_holds_an_answer_until_it_is_released(dns):
    released = dns.hold("held.test", "127.0.0.1")
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(ask(dns, "held.test", dns_module.A)[2])
    )
    thread.start()
    dns.wait_asked("held.test")
    assert not answers
    released.set()
    thread.join(5)
    assert answers == [1]


def test_dns_sends_noise_before_the_answer(dns):
    dns.addresses("noisy.test", "127.0.0.1", noise=[dns_module.wrong_id])
    answer = ask(dns, "noisy.test", dns_module.A)[3]
    assert struct.unpack("!H", answer[:2])[0] == 7 ^ 0xFFFF


def test_origins_echo_and_count(origin):
    server = origin()
    with socket.create_connection((server.address, server.port)) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
    server.wait_accepted(1)
    server.wait_idle()


def test_an_origin_resets(origin):
    server = origin(reset_after(1))
    with socket.create_connection((server.address, server.port)) as sock:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_dead_port_refuses_and_a_blackhole_does_not_answer():
    with dead_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    with blackhole() as port, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", port), 0.3)


class TlsEcho:
    """A TLS server that sends back all it got, and then ends as it is told."""

    def __init__(self, pki, ending):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pki.server.chain, pki.server.key)
        self.ending = ending

    def __call__(self, conn):
        with self.context.wrap_socket(conn, server_side=True) as tls:
            data = b""
            while more := tls.recv(65536):
                data += more
            tls.sendall(data)
            if self.ending is Ending.CLOSE_NOTIFY:
                tls.unwrap()
            elif self.ending is Ending.FIN:
                tls.shutdown(socket.SHUT_RDWR)
            else:
                reset_after(0)(tls)


@pytest.mark.parametrize("ending", [Ending.CLOSE_NOTIFY, Ending.FIN, Ending.RESET])
def test_the_client_half_closes_and_tells_the_endings_apart(pki, origin, ending):
    server = origin(TlsEcho(pki, ending))
    client = Client(("127.0.0.1", server.port), client_context(pki.server_ca.path))
    client.handshake().send(b"x" * 100_000)
    client.half_close()
    data, ended = client.read_to_end()
    assert ended is ending, client.alert
    assert ending is Ending.RESET or data == b"x" * 100_000
    client.close()


def test_the_client_exchanges_both_ways_at_once(pki, origin):
    server = origin(TlsEcho(pki, Ending.CLOSE_NOTIFY))
    client = Client(("127.0.0.1", server.port), client_context(pki.server_ca.path))
    assert len(client.handshake().exchange(300_000)) == 300_000


def numbered(*records):
    """As their writer would have them, after the first record of all."""
    return [{**record, "instance": "01234567", "seq": 1 + index} for index, record in enumerate(records)]


def test_audit_checks_find_a_decision_without_its_close(audit_pair):
    decision, close = audit_pair
    check_records(numbered(decision, close))
    for wrong in ([decision], [decision, close, close], [decision, decision, close, close]):
        with pytest.raises(AssertionError):
            check_records(numbered(*wrong))


def test_audit_checks_find_a_number_that_is_missing(audit_pair):
    first, second = numbered(*audit_pair)
    with pytest.raises(AssertionError):
        check_records([first, {**second, "seq": 3}])


@pytest.fixture
def audit_pair():
    who = dict.fromkeys("name trust subject cn san_uri serial issuer sha256 not_after".split(), "x")
    stamp = {"v": 1, "ts": "2026-11-22T03:00:00.123Z", "id": "0123456789abcdef"}
    decision = {
        **stamp,
        "event": "decision",
        "listener": "main",
        "client": {"address": "127.0.0.1", "port": 1, **who},
        "tls": {"version": "1.3", "cipher": "x", "resumed": False},
        "session": "0123456789abcdef",
        "request": {"protocol": "h1", "method": "CONNECT", "host": "a.test", "port": 443},
        "decision": {
            "action": "allow",
            "mode": "enforce",
            "would_deny": False,
            "reason": "rule",
            "rule": "x",
        },
        "config": "00",
    }
    close = {
        **stamp,
        "event": "close",
        "upstream": None,
        "status": 200,
        "bytes": {"up": 0, "down": 0},
        "ms": {"resolve": 0, "connect": 0, "total": 0},
        "reason": "client_closed",
    }
    return decision, close


def test_local_addresses_can_be_served(local_address):
    address = local_address("93.184.216.34")
    server = Origin(echo_after_end, address=address)
    socket.create_connection((address, server.port), 5).close()
    server.stop()


def test_the_website_serves_pages_and_repositories(pki, tmp_path):
    site = Website(pki, repositories=str(tmp_path))
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "empty.git"], check=True)
    resolve = f"http.curloptResolve=origin.test:{site.port}:127.0.0.1"
    result = subprocess.run(
        ["git", "-c", resolve, "-c", f"http.sslCAInfo={pki.server_ca.path}", "clone", "-q"]
        + [f"https://origin.test:{site.port}/empty.git", tmp_path / "clone"],
        capture_output=True,
        check=False,
        env=clean_environment(tmp_path),
    )
    site.stop()
    assert result.returncode == 0, result.stderr
    assert any("info/refs" in path for path in site.seen)


@pytest.mark.parametrize(
    "inner, reason, is_good",
    [
        ({"tls": "tls", "matches": True}, "client_closed", True),
        ({"tls": "none", "matches": False}, "client_closed", True),
        (None, "completed", True),
        ({"tls": "tls", "matches": False}, "client_closed", False),
        ({"tls": "none", "matches": False}, "inner_timeout", False),
    ],
)
def test_a_tunnel_that_carried_another_name_is_found(inner, reason, is_good):
    records = [{"reason": reason, **({"inner": inner} if inner else {})}]
    if is_good:
        check_inside(records)
    else:
        with pytest.raises(AssertionError):
            check_inside(records)
