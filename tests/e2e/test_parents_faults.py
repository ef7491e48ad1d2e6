"""Parents that break, lie or fall silent in the middle of a request."""

import threading

import pytest

from support import frames
from support.config import client, reach
from support.dns import NOERROR, NXDOMAIN, SERVFAIL
from support.http2 import Http2
from support.origin import echo
from support.parents import Http2Parent, ScriptedParent, parent
from support.pki import SERVER_AUTH
from support.plain import PlainClient
from support.scale import PATIENCE, eventually
from support.wire import Ending, connect_head

OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture(autouse=True)
def names(dns):
    dns.addresses("origin.test", "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


@pytest.fixture
def make(pki):
    """Makes parents of ours: `http2(habit)` over HTTP/2, `plain(answer)` over HTTP/1.1."""

    class Make:
        made = []

        def http2(self, habit):
            self.made.append(Http2Parent(pki.server, pki.ca.path, habit))
            return self.made[-1]

        def plain(self, answer=OK, **options):
            self.made.append(ScriptedParent(answer, **options))
            return self.made[-1]

    making = Make()
    yield making
    for each in making.made:
        each.stop()


def through(start, pki, server, above, *via, ports=(), **changes):
    """A proxy whose client goes through this parent, and then these ways."""
    allowed = reach("origin.test", server.port, *ports)
    return start(client(allowed, via=["paris", *via]), parents=[parent(pki, above.port)], **changes)


def tunnel_all(session, stream, _authority):
    session.answer(stream)


def test_a_plain_request_ends_with_the_connection_of_its_parent(start, pki, server, make):
    def habit(session, stream, _authority):
        session.hears[stream] = lambda *_: session.say(frames.data(0, b"of no stream"))
        session.answer(stream)

    proxy = through(start, pki, server, make.http2(habit))
    one = PlainClient(proxy.connect())
    answer = one.get(f"http://origin.test:{server.port}/")
    assert answer.status == 502, answer
    assert proxy.audit.wait("close")["reason"] == "upstream_reset"


def test_an_http2_parent_that_was_asked_is_not_passed_by(start, pki, server, make):
    def habit(session, stream, authority):
        if len(asked) == 0:
            session.answer(stream)
        elif len(asked) == 1:
            session.reset(stream, frames.CANCEL)
        asked.append(authority)

    asked = []
    above = make.http2(habit)
    proxy = through(start, pki, server, above, "direct", workers=1, timeouts={"connect": "2s"})
    target = f"origin.test:{server.port}"
    tunnel = proxy.tunnel(target)  # it is reached
    for status, number in ((502, 2), (504, 3)):
        answer = proxy.ask(target)
        assert (answer.status, len(asked)) == (status, number), answer
        assert proxy.audit.wait("close", id=answer.id)["reason"] == "parent_bad_answer"
    tunnel.echo(b"goes on")
    tunnel.close()
    assert server.accepted == 0


def test_a_proxy_of_a_parent_that_hangs_in_the_handshake_is_passed_by(start, pki, server, make):
    hung, sound = make.plain(), make.http2(tunnel_all)
    hung.is_silent = True
    paris = parent(pki, hung.port, sound.port)
    proxy = start(client(reach("origin.test", server.port), via=["paris"]), parents=[paris], timeouts={"attempt": "2s"})
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"through the second one")
    tunnel.close()
    assert proxy.audit.wait("close", id=tunnel.id)["parent"]["port"] == sound.port


@pytest.mark.parametrize("speaks", ["http", "https"])
def test_the_next_request_begins_with_another_proxy_than_the_one_that_was_silent(start, pki, server, make, speaks):
    first = make.http2(lambda *_: None) if speaks == "https" else make.plain(None)
    second = make.http2(tunnel_all) if speaks == "https" else make.plain()
    paris = parent(pki, first.port, second.port, scheme=speaks)
    timeouts = {"attempt": "2s", "connect": "2s"}
    allowed = client(reach("origin.test", server.port), via=["paris"])
    proxy = start(allowed, parents=[paris], timeouts=timeouts, workers=1)
    target = f"origin.test:{server.port}"
    answer = proxy.ask(target)
    assert answer.status == 504, "it was asked, and may have acted on it"
    assert proxy.audit.wait("close", id=answer.id)["parent"]["port"] == first.port
    tunnel = proxy.tunnel(target)
    tunnel.echo(b"through the second one")
    tunnel.close()
    assert proxy.audit.wait("close", id=tunnel.id)["parent"]["port"] == second.port


def test_a_connection_to_a_parent_that_many_have_left_is_used_no_more(start, pki, server, make):
    def habit(session, stream, _authority):
        asked.append(stream)
        if above.lost >= 200:
            session.answer(stream)

    asked = []
    above = make.http2(habit)
    proxy = through(start, pki, server, above, workers=1)
    target = f"origin.test:{server.port}"
    session = Http2(proxy.connect(alpn=("h2",)))
    for number in range(200):
        stream = session.connect(target)
        session.flush()
        eventually(lambda count=number: len(asked) > count, "the parent to be asked")
        stream.cancel()
        session.flush()
        eventually(lambda count=number: above.lost > count, "the parent to be left")
    assert above.accepted == 1
    tunnel = proxy.tunnel(target)
    tunnel.echo(b"over another one")
    assert above.accepted == 2
    tunnel.close()


def test_a_parent_that_is_out_of_service_gets_no_connections_without_end(start, pki, server, make):
    def habit(session, stream, authority):
        session.answer(stream, 200 if authority.endswith(f":{server.port}") else 503)

    above = make.http2(habit)
    proxy = through(start, pki, server, above, ports=[1], workers=1)
    tunnels = []
    for _ in range(30):
        tunnels.append(proxy.tunnel(f"origin.test:{server.port}"))
        assert proxy.ask("origin.test:1").status == 503
    assert above.accepted <= 8
    for each in tunnels:
        each.echo(b"goes on")
        each.close()


def test_an_https_parent_that_ends_without_a_word_of_tls_has_broken_off(start, pki, server, make):
    plain = OK + b"HTTP/1.1 200 OK\r\n"
    cases = {
        "a tunnel": (OK + b"a part", Ending.RESET, "upstream_truncated"),
        "an answer up to the end": (plain + b"\r\nfirst", Ending.RESET, "upstream_truncated"),
        "an answer with a length": (plain + b"Content-Length: 5\r\n\r\nfirst", Ending.CLOSE_NOTIFY, "completed"),
        "half an answer": (plain + b"Content-Length: 6\r\n\r\nfirst", Ending.RESET, "upstream_truncated"),
        "no answer": (OK, Ending.CLOSE_NOTIFY, "upstream_truncated"),
    }
    above = make.plain(leaf=pki.server, ca=pki.ca.path)
    above.ends = True
    proxy = through(start, pki, server, above)
    for number, (title, (said, ending, reason)) in enumerate(cases.items()):
        above.answer = said
        one = proxy.connect()
        method = "CONNECT" if title == "a tunnel" else "GET"
        url = f"origin.test:{server.port}" if title == "a tunnel" else f"http://origin.test:{server.port}/"
        one.send(f"{method} {url} HTTP/1.1\r\nHost: origin.test:{server.port}\r\nConnection: close\r\n\r\n".encode())
        assert one.read_to_end()[1] == ending, title
        assert proxy.audit.wait_count(number + 1, "close")[-1]["reason"] == reason, title


def test_a_parent_in_the_clear_is_never_looked_for_where_it_was_once(start, pki, dns, server, make):
    above = make.plain()
    dns.addresses("parent.test", "127.0.0.1")
    paris = {"name": "paris", "to": [f"http://parent.test:{above.port}"]}
    proxy = start(client(reach("origin.test", server.port), via=["paris"]), parents=[paris], workers=1)
    target = f"origin.test:{server.port}"
    proxy.tunnel(target).close()
    for code in (NXDOMAIN, SERVFAIL):
        dns.reply("parent.test", code=code)
        answer = proxy.ask(target)
        assert answer.status == 502, answer
        assert proxy.audit.wait("close", id=answer.id)["reason"] == "parent_unreachable"
    assert len(above.asked) == 1


def test_an_https_parent_is_looked_for_where_it_was_while_dns_fails(start, pki, dns, server, make):
    above = make.plain(leaf=pki.server_ca.leaf("parent.test", dns=("parent.test",), usages=(SERVER_AUTH,)), ca=pki.ca.path)
    dns.addresses("parent.test", "127.0.0.1")
    paris = {**parent(pki, above.port), "to": [f"https://parent.test:{above.port}"]}
    proxy = start(client(reach("origin.test", server.port), via=["paris"]), parents=[paris], workers=1)
    for code in (NOERROR, NXDOMAIN, SERVFAIL):
        proxy.tunnel(f"origin.test:{server.port}").close()
        dns.reply("parent.test", code=code)
    assert len(above.asked) == 3


def test_a_client_that_is_no_more_does_not_go_past_a_parent(start, pki, server, origin):
    def wait(conn):
        released.wait(PATIENCE)
        conn.close()

    released = threading.Event()
    above = origin(wait)
    ways = ["paris", "direct"]
    proxy = through(start, pki, server, above, "direct", workers=1)
    one = proxy.connect()
    one.send(connect_head(f"origin.test:{server.port}"))
    above.wait_accepted()
    proxy.reload(client(reach("origin.test", server.port), name="others", match=[{"cn": "nobody"}], via=ways))
    released.set()
    assert one.read_answer().status == 403
    assert server.accepted == 0
