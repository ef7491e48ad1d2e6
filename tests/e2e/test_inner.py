"""What a tunnel carries: the name inside TLS is held to what was asked for, before a byte has reached the target.

The first flights and what becomes of each are tables: support/flights.py. One proxy and one canary serve them all; the
name that a test asks for chooses the rule.
"""

import contextlib
import queue
import ssl
import threading

import pytest

from support import flights
from support.config import client, reach
from support.flights import CLEAR, EVIL, HOSTILE, ODD, SECONDS, extension, hello
from support.origin import Origin, greet
from support.scale import PATIENCE, count
from support.wire import Ending

REQUIRE = {"tls": "require"}



def part(table):
    """The titles of a table whose flights another test has tried too: under a sanitizer some of them."""
    return list(table)[:: count(1, 5)]


# The names that a client may ask for, and what `inner` says about each.
RULES = {
    "good.example": REQUIRE,
    "listed.example": {"tls": "require", "names": "listed"},
    "free.example": {"tls": "require", "names": "any"},
    "fleet.example": {"tls": "require", "ech": "deny"},
    "seen.example": {"tls": "observe"},
    "checked.example": {"tls": "observe", "plain": "check"},
    "tls-only.example": {"plain": "deny"},
    "both.example": {"tls": "require", "plain": "check"},
    "unseen.example": {"tls": "any"},
}


class Capture:
    """What one connection to the canary has brought."""

    def __init__(self):
        self.got = b""
        self.ended = threading.Event()
        self._changed = threading.Condition()

    def gather(self, conn):
        with contextlib.suppress(OSError):
            while piece := conn.recv(65536):
                with self._changed:
                    self.got += piece
                    self._changed.notify_all()
        self.ended.set()

    def wait(self, size):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= size, PATIENCE), self.got


class Canary:
    """An origin that keeps all it gets, and answers nothing. Its connections come in the order of the tunnels."""

    def __init__(self):
        self._captures = queue.Queue()
        self._server = Origin(self._run)
        self.port, self.stop = self._server.port, self._server.stop

    def _run(self, conn):
        capture = Capture()
        self._captures.put(capture)
        capture.gather(conn)

    def take(self):
        return self._captures.get(timeout=PATIENCE)


@pytest.fixture(scope="module")
def canary():
    made = Canary()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def proxy(start_shared, dns, canary):
    """A proxy with a rule for each of RULES."""
    for name in RULES:
        dns.addresses(name, "127.0.0.1")
    rules = [{**reach(name, canary.port), "inner": inner} for name, inner in RULES.items()]
    return start_shared(client(*rules))


@pytest.fixture
def tunnel_to(proxy, canary):
    """Makes a tunnel to the canary by this name, and gives what the canary gets."""
    made = []

    def make(name):
        made.append(proxy.tunnel(f"{name}:{canary.port}"))
        return made[-1], canary.take()

    yield make
    for tunnel in made:
        tunnel.close()


def send(tunnel, data, piece=0, ends=False):
    """Sends in writes of `piece` bytes. A tunnel that is reset meanwhile is no failure."""
    piece = piece or len(data) or 1
    try:
        for at in range(0, len(data), piece):
            tunnel.send(data[at : at + piece])
        if ends:
            tunnel.half_close()
    except (BrokenPipeError, ConnectionResetError):
        tunnel.ending = Ending.RESET


def assert_passes(proxy, tunnel, capture, data, piece=0):
    """All of it reaches the target unchanged. Gives what was recorded."""
    send(tunnel, data, piece, ends=True)
    assert capture.ended.wait(PATIENCE)
    assert capture.got == data
    assert tunnel.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    tunnel.close()
    close = proxy.assert_closed(tunnel.id, "client_closed")
    return close["inner"]


def assert_ends(proxy, tunnel, capture, reason, passed=b""):
    """The tunnel ends with a reset, and the target has got no more than `passed`. Gives what was recorded."""
    assert tunnel.read_to_end() == (b"", Ending.RESET)
    close = proxy.assert_closed(tunnel.id, reason)
    assert capture.ended.wait(PATIENCE)
    assert capture.got == passed
    return close["inner"]


# -- first flights ----------------------------------------------------------------------------


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_flight_ends_before_the_target_has_seen_a_byte(proxy, tunnel_to, what):
    flight = HOSTILE[what]
    tunnel, capture = tunnel_to("good.example")
    send(tunnel, flight.build("good.example"), flight.piece, flight.ends)
    inner = assert_ends(proxy, tunnel, capture, flight.reason)
    assert (inner["tls"], inner["sni"]) == (flight.kind, flight.sni("good.example")), inner
    assert not inner["matches"] or flight.kind == "http"


@pytest.mark.parametrize("what", ODD)
def test_an_odd_but_honest_flight_passes_unchanged(proxy, tunnel_to, what):
    flight = ODD[what]
    tunnel, capture = tunnel_to("good.example")
    inner = assert_passes(proxy, tunnel, capture, flight.build("good.example"), flight.piece)
    assert (inner["tls"], inner["sni"], inner["matches"]) == ("tls", "good.example", True), inner


@pytest.mark.parametrize("what", part(HOSTILE | ODD))
def test_observe_passes_every_flight_unchanged_and_records_it(proxy, tunnel_to, what):
    flight = (HOSTILE | ODD)[what]
    tunnel, capture = tunnel_to("seen.example")
    inner = assert_passes(proxy, tunnel, capture, flight.build("seen.example"), flight.piece)
    assert (inner["tls"], inner["sni"]) == (flight.kind, flight.sni("seen.example")), inner


def test_the_record_says_what_a_hello_offers(proxy, tunnel_to):
    tunnel, capture = tunnel_to("good.example")
    inner = assert_passes(proxy, tunnel, capture, hello("good.example", flights.ech_grease()))
    assert inner == {
        "tls": "tls", "sni": "good.example", "host": None, "alpn": "h2", "version": "1.3",
        "ech": True, "matches": True,
    }  # fmt: skip


def test_a_flight_passes_wherever_it_is_cut(proxy, tunnel_to):
    data = flights.records(flights.message(flights.server_name("good.example")))
    for at in range(1, len(data), count(1, 9)):
        tunnel, capture = tunnel_to("good.example")
        tunnel.send(data[:at])
        send(tunnel, data[at:], ends=True)
        assert capture.ended.wait(PATIENCE) and capture.got == data, at


def test_a_flight_of_another_name_ends_wherever_it_is_cut(proxy, tunnel_to):
    data = flights.records(flights.message(flights.server_name(EVIL)))
    for at in range(1, len(data), count(1, 9)):
        tunnel, capture = tunnel_to("good.example")
        tunnel.send(data[:at])
        send(tunnel, data[at:])
        assert_ends(proxy, tunnel, capture, "inner_mismatch")


def test_the_begin_of_a_flight_and_an_end_is_no_tls(proxy, tunnel_to):
    data = flights.records(flights.message(flights.server_name("good.example")))
    for size in range(1, len(data), count(5, 20)):
        tunnel, capture = tunnel_to("good.example")
        send(tunnel, data[:size], ends=True)
        assert_ends(proxy, tunnel, capture, "inner_not_tls")


def test_an_end_without_a_byte_ends_the_tunnel_in_order(proxy, tunnel_to):
    tunnel, capture = tunnel_to("good.example")
    inner = assert_passes(proxy, tunnel, capture, b"")
    assert inner["tls"] == "none"


@pytest.mark.parametrize("hang_up", ["close", "reset", "fin"])
def test_a_hello_and_a_hang_up_is_no_trouble(proxy, tunnel_to, hang_up):
    data = hello("good.example")
    tunnel, capture = tunnel_to("good.example")
    tunnel.send(data)
    getattr(tunnel, hang_up)()
    assert capture.ended.wait(PATIENCE) and data.startswith(capture.got)
    assert proxy.close_record(tunnel.id)["status"] == 200


@pytest.mark.parametrize("hang_up", ["close", "reset", "fin"])
@pytest.mark.parametrize("size", [0, 1, 60])
def test_a_hang_up_before_the_flight_is_whole_lets_nothing_pass(proxy, tunnel_to, size, hang_up):
    tunnel, capture = tunnel_to("good.example")
    send(tunnel, hello("good.example")[:size])
    getattr(tunnel, hang_up)()
    assert capture.ended.wait(PATIENCE) and capture.got == b""
    assert proxy.close_record(tunnel.id)["status"] == 200


def test_the_first_flight_may_come_with_the_request(proxy, canary):
    for name, passes in (("good.example", True), (EVIL, False)):
        tunnel = proxy.connect()
        data = hello(name)
        tunnel.id = tunnel.ask(f"good.example:{canary.port}", extra=data).id
        capture = canary.take()
        if passes:
            capture.wait(len(data))
            assert capture.got == data
            tunnel.close()
        else:
            assert_ends(proxy, tunnel, capture, "inner_mismatch")


# -- a second hello ---------------------------------------------------------------------------


@pytest.mark.parametrize("what", SECONDS)
def test_a_second_hello_is_held_to_the_first(proxy, tunnel_to, what):
    second = SECONDS[what]
    tunnel, capture = tunnel_to("good.example")
    first = second.first("good.example")
    tunnel.send(first)
    capture.wait(len(first))
    data = second.build("good.example")
    send(tunnel, data[: second.passes], second.piece)
    capture.wait(len(first) + second.passes)
    send(tunnel, data[second.passes :], second.piece, second.ends)
    inner = assert_ends(proxy, tunnel, capture, second.reason, first + data[: second.passes])
    assert inner["sni"] == "good.example"


@pytest.mark.parametrize("what", part(SECONDS))
def test_a_second_hello_in_the_same_write_takes_the_first_with_it(proxy, tunnel_to, what):
    second = SECONDS[what]
    tunnel, capture = tunnel_to("good.example")
    data = second.first("good.example") + second.build("good.example")
    send(tunnel, data, ends=second.ends)
    assert_ends(proxy, tunnel, capture, second.reason)


def test_observe_looks_at_no_second_hello(proxy, tunnel_to):
    tunnel, capture = tunnel_to("seen.example")
    inner = assert_passes(proxy, tunnel, capture, hello("seen.example") + hello(EVIL))
    assert inner["sni"] == "seen.example"


# -- what rules say ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, reason",
    [
        ("listed.example", None),
        ("good.example", None),
        ("GOOD.example.", None),
        (EVIL, "inner_mismatch"),
        ("denied.example", "inner_mismatch"),
        ("elsewhere.example", "inner_mismatch"),
        ("other-port.example", "inner_mismatch"),
        ("127.0.0.1", "inner_mismatch"),
        (None, "inner_no_name"),
    ],
)
def test_a_listed_name_is_one_that_the_whole_policy_allows_here(start, dns, canary, said, reason):
    names = ("listed.example", "good.example", "denied.example", "elsewhere.example", "other-port.example")
    for name in names:
        dns.addresses(name, "127.0.0.1")
    listed = [reach(name, canary.port, inner=RULES["listed.example"]) for name in names[:3]]
    elsewhere = reach("elsewhere.example", canary.port, addresses=["127.0.0.9/32"])
    other_port = reach("other-port.example", 1)
    proxy = start(client(*listed, elsewhere, other_port, deny=[{"hosts": ["denied.example"]}]))
    tunnel = proxy.tunnel(f"listed.example:{canary.port}")
    capture = canary.take()
    data = hello(said)
    if reason is None:
        assert_passes(proxy, tunnel, capture, data)
    else:
        send(tunnel, data)
        assert_ends(proxy, tunnel, capture, reason)


def test_a_second_hello_after_a_listed_name_must_name_that_one(proxy, tunnel_to):
    for second, reason in (("good.example", None), ("listed.example", "inner_mismatch")):
        tunnel, capture = tunnel_to("listed.example")
        data = hello("good.example") + hello(second)
        if reason is None:
            assert_passes(proxy, tunnel, capture, data)
        else:
            send(tunnel, data)
            assert_ends(proxy, tunnel, capture, reason)


@pytest.mark.parametrize("said", ["free.example", EVIL, None])
def test_any_name_or_none_passes_where_names_are_free(proxy, tunnel_to, said):
    tunnel, capture = tunnel_to("free.example")
    assert_passes(proxy, tunnel, capture, hello(said))


@pytest.mark.parametrize("what", ["no extensions", "an empty block of extensions", "nothing but GREASE"])
def test_a_hello_without_a_name_passes_where_names_are_free(proxy, tunnel_to, what):
    tunnel, capture = tunnel_to("free.example")
    assert_passes(proxy, tunnel, capture, HOSTILE[what].build("free.example"))


@pytest.mark.parametrize("what", part(flights.AMBIGUOUS | flights.FRAMING | flights.OTHERS))
def test_what_is_no_good_tls_ends_where_names_are_free_too(proxy, tunnel_to, what):
    flight = HOSTILE[what]
    tunnel, capture = tunnel_to("free.example")
    send(tunnel, flight.build("free.example"), flight.piece, flight.ends)
    assert_ends(proxy, tunnel, capture, flight.reason)


@pytest.mark.parametrize(
    "offer", [flights.ech_grease(), extension(flights.ECH, b"\1"), extension(flights.ECH, b"")]
)
def test_ech_ends_where_it_is_denied(proxy, tunnel_to, offer):
    tunnel, capture = tunnel_to("fleet.example")
    send(tunnel, hello("fleet.example", offer))
    assert_ends(proxy, tunnel, capture, "inner_ech")
    tunnel, capture = tunnel_to("fleet.example")
    send(tunnel, hello("fleet.example") + hello("fleet.example", offer))
    assert_ends(proxy, tunnel, capture, "inner_ech")
    tunnel, capture = tunnel_to("fleet.example")
    assert_passes(proxy, tunnel, capture, hello("fleet.example"))


def test_nothing_is_looked_at_where_anything_goes(proxy, tunnel_to):
    tunnel, capture = tunnel_to("unseen.example")
    assert assert_passes_unseen(proxy, tunnel, capture, hello(EVIL)) is None


def assert_passes_unseen(proxy, tunnel, capture, data):
    send(tunnel, data, ends=True)
    assert capture.ended.wait(PATIENCE) and capture.got == data
    tunnel.close()
    return proxy.close_record(tunnel.id).get("inner")


# -- HTTP in the clear ------------------------------------------------------------------------


@pytest.mark.parametrize("what", CLEAR)
def test_a_request_in_the_clear_is_held_to_its_host(proxy, tunnel_to, what):
    clear = CLEAR[what]
    tunnel, capture = tunnel_to("checked.example")
    data = clear.build("checked.example")
    if clear.passes:
        inner = assert_passes(proxy, tunnel, capture, data, clear.piece)
        if clear.is_http:
            assert (inner["tls"], inner["host"], inner["matches"]) == ("http", "checked.example", True)
        return
    send(tunnel, data, clear.piece, clear.ends)
    inner = assert_ends(proxy, tunnel, capture, "inner_plain")
    assert inner["tls"] == "http" and not inner["matches"]


@pytest.mark.parametrize("what", part(CLEAR))
def test_no_request_in_the_clear_passes_where_it_is_denied(proxy, tunnel_to, what):
    clear = CLEAR[what]
    tunnel, capture = tunnel_to("tls-only.example")
    data = clear.build("tls-only.example")
    if not clear.is_http:
        assert_passes(proxy, tunnel, capture, data)
        return
    send(tunnel, data, clear.piece, clear.ends)
    assert_ends(proxy, tunnel, capture, "inner_plain")


def test_a_good_request_or_a_good_hello_passes_where_both_are_checked(proxy, tunnel_to):
    for data in (hello("both.example"), flights.request("Host: both.example")):
        tunnel, capture = tunnel_to("both.example")
        assert_passes(proxy, tunnel, capture, data)
    for data, reason in (
        (hello(EVIL), "inner_mismatch"),
        (flights.request(f"Host: {EVIL}"), "inner_plain"),
        (b"EHLO both.example\r\n", "inner_not_tls"),
    ):
        tunnel, capture = tunnel_to("both.example")
        send(tunnel, data)
        assert_ends(proxy, tunnel, capture, reason)


# -- time -------------------------------------------------------------------------------------

UNFINISHED = {
    "nothing": b"",
    "one byte": b"\x16",
    "half a header": b"\x16\x03\x01",
    "half a hello": hello("good.example")[:90],
    "all but the last byte": hello("good.example")[:-1],
    "a record of two": hello("good.example", piece=100)[:105],
    "half a request": b"GET / HTTP/1.1\r\nHost: good",
    "a method": b"GET",
    "empty lines": b"\r\n\r\n",
}


def test_a_flight_that_is_not_whole_in_time_ends_the_tunnel(start, dns, canary):
    dns.addresses("good.example", "127.0.0.1")
    proxy = start(client(reach("good.example", canary.port, inner=REQUIRE)), timeouts={"inner": "500ms"})
    waiting = []
    for data in UNFINISHED.values():
        tunnel = proxy.tunnel(f"good.example:{canary.port}")
        waiting.append((tunnel, canary.take()))
        send(tunnel, data)
    for tunnel, capture in waiting:
        assert_ends(proxy, tunnel, capture, "inner_timeout")


def test_observe_waits_for_nobody(start, dns, canary):
    dns.addresses("seen.example", "127.0.0.1")
    rule = reach("seen.example", canary.port, inner=RULES["seen.example"])
    proxy = start(client(rule), timeouts={"inner": "300ms"})
    for data in UNFINISHED.values():
        tunnel = proxy.tunnel(f"seen.example:{canary.port}")
        capture = canary.take()
        tunnel.send(data)
        capture.wait(len(data))
        assert_passes(proxy, tunnel, Joined(capture, data), b"")


class Joined:
    """A capture of which the first bytes are known."""

    def __init__(self, capture, known):
        self.ended, self._capture, self._known = capture.ended, capture, known

    @property
    def got(self):
        assert self._capture.got.startswith(self._known)
        return self._capture.got[len(self._known) :]


def test_nothing_of_a_target_that_speaks_first_reaches_the_client(start, dns, origin):
    server = origin(greet(b"220 mail\r\n"))
    dns.addresses("mail.example", "127.0.0.1")
    proxy = start(client(reach("mail.example", server.port, inner=REQUIRE)), timeouts={"inner": "300ms"})
    tunnel = proxy.tunnel(f"mail.example:{server.port}")
    assert tunnel.read_to_end() == (b"", Ending.RESET)
    proxy.assert_closed(tunnel.id, "inner_timeout")


# -- a real server that asks again ------------------------------------------------------------


class Retrying:
    """A TLS server that echoes. Clients send no key share for its only group: it sends a HelloRetryRequest."""

    def __init__(self, leaf):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(leaf.chain, leaf.key)
        self._context.set_ecdh_curve("secp384r1")
        self.got = b""

    def __call__(self, conn):
        theirs, ours = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(theirs, ours, server_side=True)
        step = tls.do_handshake
        while True:
            try:
                said = step()
                step = tls.read
                if said:
                    tls.write(said)
            except ssl.SSLWantReadError:
                if out := ours.read():
                    conn.sendall(out)
                if not (piece := conn.recv(65536)):
                    return
                self.got += piece
                theirs.write(piece)


@pytest.fixture
def retrying(start, dns, origin, pki):
    habit = Retrying(pki.server)
    server = origin(habit)
    dns.addresses("good.example", "127.0.0.1")
    proxy = start(client(reach("good.example", server.port, inner=REQUIRE)))
    return proxy, proxy.tunnel(f"good.example:{server.port}"), habit


def read_retry(tunnel):
    """The HelloRetryRequest of the server: a ServerHello with a random of its own (RFC 8446, 4.1.3)."""
    head = tunnel.read_exactly(5)
    answer = head + tunnel.read_exactly(int.from_bytes(head[3:5], "big"))
    assert bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891") in answer


def test_a_handshake_with_a_hello_retry_request_passes(retrying):
    _, tunnel, habit = retrying
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    theirs, ours = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(theirs, ours, server_hostname="good.example")
    sent = b""
    step, said = tls.do_handshake, None
    while said != b"hello":
        try:
            said = step()
            if step == tls.do_handshake:
                tls.write(b"hello")
            step = tls.read
        except ssl.SSLWantReadError:
            said = None
        if out := ours.read():
            sent += out
            tunnel.send(out)
        elif said is None:
            theirs.write(tunnel.read())
    assert habit.got == sent and sent.count(b"good.example") == 2


@pytest.mark.parametrize("said", [EVIL, None])
def test_a_second_hello_of_another_name_never_reaches_a_server_that_asked_for_it(retrying, said):
    proxy, tunnel, habit = retrying
    first = flights.records(
        flights.message(
            flights.server_name("good.example"),
            extension(flights.GROUPS, flights.vector(2, flights.words(0x001D, 0x0018))),
            extension(13, flights.vector(2, flights.words(0x0403, 0x0804))),
            flights.versions(0x0304),
            flights.key_share(),
        )
    )
    tunnel.send(first)
    read_retry(tunnel)
    send(tunnel, flights.CCS + hello(said))
    tunnel.read_to_end()
    proxy.assert_closed(tunnel.id, "inner_mismatch")
    assert habit.got in (first, first + flights.CCS)


# -- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, reason",
    [
        ("good.example", None),
        ("other.example", "inner_mismatch"),
        ("gone.example", "inner_mismatch"),
        ("127.0.0.1", "inner_mismatch"),
        (None, "inner_no_name"),
    ],
)
def test_an_address_needs_a_name_that_is_allowed_and_leads_to_it(start, dns, canary, name, reason):
    dns.addresses("good.example", "127.0.0.1")
    dns.addresses("gone.example", "127.0.0.9")
    hosts = ["good.example", "gone.example"]
    rule = {"hosts": hosts, "addresses": ["127.0.0.0/8"], "ports": [canary.port]}
    address = {"addresses": ["127.0.0.1/32"], "ports": [canary.port], "inner": REQUIRE}
    proxy = start(client(rule, address))
    tunnel = proxy.tunnel(f"127.0.0.1:{canary.port}")
    capture = canary.take()
    data = hello(name)
    if reason is None:
        assert_passes(proxy, tunnel, capture, data)
    else:
        send(tunnel, data)
        assert_ends(proxy, tunnel, capture, reason)


def test_a_client_that_resets_while_its_name_is_looked_up_has_gone_at_once(start, dns, canary):
    released = dns.hold("slow.example", "127.0.0.1")
    address = {"addresses": ["127.0.0.1/32"], "ports": [canary.port], "inner": REQUIRE}
    proxy = start(client(reach("slow.example", canary.port), address))
    tunnel = proxy.tunnel(f"127.0.0.1:{canary.port}")
    capture = canary.take()
    tunnel.send(hello("slow.example"))
    dns.wait_asked("slow.example")
    tunnel.reset()
    proxy.assert_closed(tunnel.id, "client_reset")
    assert capture.ended.wait(PATIENCE) and capture.got == b""
    released.set()
