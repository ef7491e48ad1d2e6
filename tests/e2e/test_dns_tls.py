"""Names asked over TLS (RFC 7858): of a server that proves who it is, and in no other way."""

import struct

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.dns import DnsServer, decode_question, encode_answer, Reply, address_records
from support.origin import Origin, dead_port, echo
from support.pki import SERVER_AUTH
from support.proxy import run
from support.config import base_config, merge, write_config

NAME = "dns.test"


@pytest.fixture(scope="module")
def target():
    server = Origin(echo)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def leaf(pki):
    return pki.server_ca.leaf(NAME, dns=(NAME,), ip=("127.0.0.2",), usages=(SERVER_AUTH,))


@pytest.fixture
def serve(leaf):
    """Makes DNS servers that speak TLS; `leaf=None` for one that does not."""
    made = []

    def make(**options):
        made.append(DnsServer(**{"leaf": leaf, **options}))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def over_tls(server, name=NAME):
    return f"tls://{server.endpoint}#{name}"


@pytest.fixture
def proxy(start, pki, target):
    """Starts a proxy with these servers, whose CA is the one for servers."""

    def make(*servers, **changes):
        resolver = {"servers": list(servers), "ca": [pki.server_ca.path], "timeout": "5s", "tries": 1, **changes}
        return start(client(reach("*", target.port, addresses=["127.0.0.0/8"])), workers=1, resolver=resolver, control=CONTROL)

    return make


def refuses_dns(proxy, target, name="a.test"):
    answer = proxy.ask(f"{name}:{target.port}")
    assert answer.status in (502, 504), answer
    proxy.assert_refused(answer, answer.status, "dns_failed", action="error")


# -- what works -----------------------------------------------------------------------------------


def test_a_name_is_asked_over_one_connection_and_its_length_says_nothing(proxy, serve, target):
    server = serve()
    names = ["a.test", "b" * 60 + ".test", ".".join(["c" * 60] * 4)[:240] + ".test"]
    started = proxy(over_tls(server))
    for name in names:
        server.addresses(name, "127.0.0.1")
        started.tunnel(f"{name}:{target.port}").echo(b"hello")
    assert {query.transport for query in server.queries} == {"tls"}
    assert {query.length % 128 for query in server.queries} == {0}
    assert server.connections == 1


def test_the_name_may_be_an_address_of_the_certificate(proxy, serve, target):
    server = serve()
    server.addresses("a.test", "127.0.0.1")
    proxy(over_tls(server, "127.0.0.2")).tunnel(f"a.test:{target.port}").echo(b"hello")


def test_answers_may_come_in_any_order(proxy, serve, target):
    server = serve()
    started = proxy(over_tls(server))
    released = server.hold("late.test", "127.0.0.1")
    late = started.connect()
    late.send(f"CONNECT late.test:{target.port} HTTP/1.1\r\n\r\n".encode())
    server.wait_asked("late.test", 2)
    server.addresses("early.test", "127.0.0.1")
    started.tunnel(f"early.test:{target.port}").echo(b"hello")
    released.set()
    assert late.read_answer().status == 200
    assert server.connections == 1


def test_a_server_may_end_the_connection_after_each_answer(proxy, serve, target):
    def one_answer(connection):
        with connection.makefile("rb") as file:
            message = file.read(struct.unpack("!H", file.read(2))[0])
            name, kind, _ = decode_question(message)
            answer = encode_answer(message, Reply(records=address_records(name, ["127.0.0.1"])), kind, False)
            connection.sendall(struct.pack("!H", len(answer)) + answer)
        connection.unwrap()

    server = serve(habit=one_answer)
    started = proxy(over_tls(server))
    for name in ("a.test", "b.test", "c.test"):
        started.tunnel(f"{name}:{target.port}").echo(b"hello")
    assert server.connections >= 3


def test_an_answer_may_come_byte_by_byte_beside_those_that_nobody_asked_for(proxy, serve, target):
    def slowly(connection):
        with connection.makefile("rb") as file:
            while head := file.read(2):
                message = file.read(struct.unpack("!H", head)[0])
                name, kind, _ = decode_question(message)
                answer = encode_answer(message, Reply(records=address_records(name, ["127.0.0.1"])), kind, False)
                strange = struct.pack("!H", struct.unpack("!H", answer[:2])[0] ^ 0x0101) + answer[2:]
                for byte in b"".join(struct.pack("!H", len(one)) + one for one in (strange, answer)):
                    connection.sendall(bytes([byte]))

    proxy(over_tls(serve(habit=slowly))).tunnel(f"a.test:{target.port}").echo(b"hello")


def test_names_that_nobody_answers_hold_up_no_others(proxy, serve, target):
    server = serve()
    server.reply("*.silent.test", is_silent=True)
    server.addresses("a.test", "127.0.0.1")
    started = proxy(over_tls(server))
    herd = [started.connect() for _ in range(130)]
    for number, requester in enumerate(herd):
        requester.send(f"CONNECT n{number}.silent.test:{target.port} HTTP/1.1\r\n\r\n".encode())
    server.wait_asked("*.silent.test", 2 * len(herd))
    started.tunnel(f"a.test:{target.port}").echo(b"hello")


# -- what is refused ------------------------------------------------------------------------------


def test_a_server_with_another_name_is_asked_nothing_and_the_log_says_why(proxy, serve, target):
    server = serve()
    server.addresses("a.test", "127.0.0.1")
    started = proxy(over_tls(server, "other.test"))
    refuses_dns(started, target)
    assert not server.queries
    (row,) = Control(started).status()["dns"]
    assert row["server"] == f"tls://{server.endpoint}" and row["answered"] == 0, row
    assert "is not for other.test" in row["warning"] and row["warning"] == row["last_error"], row
    assert started.stderr.wait(r"DNS server tls://127.0.0.1.*is not for other.test")


@pytest.mark.parametrize("fault", ["of another CA", "expired", "for clients"])
def test_a_server_with_a_bad_certificate_is_asked_nothing(proxy, serve, target, pki, fault):
    leaves = {
        "of another CA": lambda: pki.authority("Strangers CA").leaf(NAME, dns=(NAME,), usages=(SERVER_AUTH,)),
        "expired": lambda: pki.server_ca.leaf("old", dns=(NAME,), usages=(SERVER_AUTH,), begins=-9, ends=-1),
        "for clients": lambda: pki.server_ca.leaf("client", dns=(NAME,)),
    }
    words = {"of another CA": "unknown_ca", "expired": "expired", "for clients": "bad_purpose"}
    server = serve(leaf=leaves[fault]())
    started = proxy(over_tls(server))
    refuses_dns(started, target)
    assert not server.queries
    assert started.stderr.wait(rf"DNS server tls://.*{words[fault]}")


def test_a_server_without_tls_gets_no_name(proxy, serve, target):
    seen = []

    def listens(connection):
        while data := connection.recv(4096):
            seen.append(data)

    server = serve(leaf=None, habit=listens)
    started = proxy(over_tls(server), timeout="300ms")
    refuses_dns(started, target, "secret-name.test")
    assert seen and not any(b"secret-name" in data for data in seen)
    assert not server.queries


NONSENSE = {
    "a message of no bytes": b"\0\0",
    "a message of eleven bytes": b"\0\x0b" + bytes(11),
    "a web page": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "half a message, and the end": b"\x02\0" + bytes(100),
    "nothing, and the end": b"",
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_ends_the_question_and_the_next_server_is_asked(proxy, serve, target, kind):
    def habit(connection):
        connection.recv(4096)
        connection.sendall(NONSENSE[kind])

    good = serve()
    good.addresses("a.test", "127.0.0.1")
    started = proxy(over_tls(serve(habit=habit)), over_tls(good))
    started.tunnel(f"a.test:{target.port}").echo(b"hello")


def test_a_silent_server_is_asked_last(proxy, serve, target):
    good = serve()
    for name in ("a.test", "b.test"):
        good.addresses(name, "127.0.0.1")

    def silent(connection):
        while connection.recv(4096):
            pass

    bad = serve(habit=silent)
    mute = serve(leaf=None, habit=silent)
    started = proxy(over_tls(bad), over_tls(mute), over_tls(good), timeout="200ms")
    for name in ("a.test", "b.test"):
        started.tunnel(f"{name}:{target.port}").echo(b"hello")
    assert (bad.connections, mute.connections) == (1, 1)


def test_a_server_that_leaves_one_name_unanswered_and_answers_others_is_still_the_first(proxy, serve, target):
    first, second = serve(), serve()
    first.reply("silent.test", is_silent=True)
    second.addresses("silent.test", "127.0.0.1")
    for name in ("a.test", "b.test", "c.test"):
        first.addresses(name, "127.0.0.1")
    started = proxy(over_tls(first), over_tls(second), timeout="3s")
    requester = started.connect()
    requester.send(f"CONNECT silent.test:{target.port} HTTP/1.1\r\n\r\n".encode())
    first.wait_asked("silent.test")
    for name in ("a.test", "b.test"):  # while it says nothing about the other name
        started.tunnel(f"{name}:{target.port}").echo(b"hello")
    assert requester.read_answer().status == 200
    assert second.asked("silent.test")
    started.tunnel(f"c.test:{target.port}").echo(b"hello")
    assert first.asked("c.test") and not second.asked("c.test")


def test_a_server_that_is_not_there_is_named_once_and_so_is_its_return(proxy, serve, target):
    with dead_port() as port:
        started = proxy(f"tls://127.0.0.1:{port}#{NAME}")
        refuses_dns(started, target)
        refuses_dns(started, target, "b.test")
    server = serve(port=port)
    server.addresses("c.test", "127.0.0.1")
    started.tunnel(f"c.test:{target.port}").echo(b"hello")
    assert started.stderr.wait(r"DNS server tls://127.0.0.1.*works again")
    assert started.stderr.text().count("cannot be reached") == 1


# -- what the configuration may say ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolver", "words"),
    [
        ({"servers": ["tls://192.0.2.53"]}, "which name must its certificate have?"),
        ({"servers": ["tls://192.0.2.53#"]}, "after the # stands no name"),
        ({"servers": ["tls://192.0.2.53#*.test"]}, "after the # stands no name"),
        ({"servers": ["tls://dns.test#dns.test"]}, "tls://dns.test#dns.test"),
        ({"servers": ["tls://192.0.2.53:0#dns.test"]}, "no server can be there"),
        ({"servers": ["https://192.0.2.53#dns.test"]}, "https://"),
        ({"servers": ["192.0.2.53:53"], "ca": ["ca.crt"]}, "no server in `servers` is asked over TLS"),
        ({"ca": ["ca.crt"]}, "`ca` belongs to `servers`"),
        ({"servers": ["tls://192.0.2.53#dns.test"], "ca": ["missing.crt"]}, "missing.crt"),
        ({"servers": ["tls://192.0.2.53#dns.test"], "ca": []}, "`ca`"),
    ],
)
def test_what_is_written_wrongly_is_an_error(pki, tmp_path, resolver, words):
    config = merge(base_config(pki, "127.0.0.1:53"), {"resolver": {"servers": ..., **resolver}})
    write_config(tmp_path / "sallyport.yaml", config)
    result = run("check", "-c", tmp_path / "sallyport.yaml")
    assert result.returncode == 3 and words in result.stdout + result.stderr, result


def test_servers_of_both_kinds_are_a_warning(pki, tmp_path):
    mixed = ["tls://192.0.2.53#dns.test", "192.0.2.53:53", "tls://[2001:db8::53]:8853#dns.test"]
    resolver = {"servers": mixed, "ca": [pki.server_ca.path]}
    write_config(tmp_path / "sallyport.yaml", merge(base_config(pki, "127.0.0.1:53"), {"resolver": resolver}))
    result = run("check", "-c", tmp_path / "sallyport.yaml")
    assert result.returncode == 0 and "names go out in the clear" in result.stdout + result.stderr, result
