"""Out of memory: each call of the allocator fails in turn, and what it ends is that connection, never the process.

The program under test is //tests/e2e:starved; with any other there is nothing to do.
"""

import contextlib
import itertools
import mmap
import os
import random
import signal
import socket
import ssl
import struct
from pathlib import Path

import h2.exceptions
import pytest

from support.admin import get, read_metrics, value
from support.config import client, merge, write_config
from support.control import CONTROL, Control
from support.http2 import Http2
from support.plain import PlainClient, StrictOrigin, head, ok, url
from support.proxy import BINARY, run
from support.publisher import Publisher, answer
from support.scale import IS_SMALL, eventually
from support.wire import connect_head

pytestmark = [
    pytest.mark.skipif(Path(BINARY).name != "starved", reason="needs the program with an allocator that can fail"),
    pytest.mark.xfail(
        not run("version").stdout.count("c-ares 1.18"),
        reason="without memory, c-ares 1.34 forgets a question's connection, and uses it when the time is over",
        strict=False,
    ),
    pytest.mark.xfail(
        not run("version").stdout.count("BoringSSL: Debian 14."),
        reason="without memory for a name, BoringSSL from 2025 on ends the process (x509_name_get_cache)",
        strict=False,
    ),
]

NUMBERS = struct.Struct("3Q")
REFUSED_STREAM = 7
# A client that meets the lack sees its connection end in one of these ways.
ENDED = (OSError, ssl.SSLError, AssertionError, EOFError, IndexError)
# With a stride the calls that fail are others in each run; `tools/test --long` takes each.
STRIDE = int(os.environ.get("SALLYPORT_STARVE_STRIDE", 7 if IS_SMALL else 4))


class Allocator:
    """The numbers of starve.c."""

    def __init__(self, folder):
        path = folder / "starving"
        path.write_bytes(bytes(NUMBERS.size))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.environment = {"SALLYPORT_STARVE": str(path)}

    def fail(self, first, span):
        NUMBERS.pack_into(self._map, 0, 0, first, span)

    def relent(self):
        """Lets every call succeed again; how many there were since `fail`."""
        count = NUMBERS.unpack_from(self._map)[0]
        NUMBERS.pack_into(self._map, 0, 0, 0, 0)
        return count


@pytest.fixture
def starved(request, start, tmp_path, origin, dns):
    """A proxy with one worker (or as many as the test says), whose allocator is in the test's hands, and its targets: each name is new."""
    server = origin()
    allocator = Allocator(tmp_path)
    rule = {"hosts": ["*"], "addresses": ["127.0.0.0/8"], "ports": ["any"]}
    proxy = start(
        client(rule, {"addresses": ["127.0.0.0/8"], "ports": ["any"]}),
        process={"environment": allocator.environment},
        workers=getattr(request, "param", 1),
        control=CONTROL,
        cage={"sandbox": "off"},  # lists that are fetched later go elsewhere
        admin={"address": "unix:admin.sock"},
        resolver={"timeout": "1s", "tries": 1},
    )

    def next_target():
        name = f"n{next(numbers)}.test"
        dns.addresses(name, "127.0.0.1")
        return f"{name}:{server.port}"

    numbers = itertools.count()
    proxy.allocator, proxy.next_target = allocator, next_target
    return proxy


def sweep(proxy, act, span, judge=None, least=100):
    """Does `act` again and again, with the next call of the allocator failing each time, until none is left to fail."""
    first, failures = random.randrange(STRIDE) + 1, 0
    act()  # what is made once for all
    while True:
        proxy.allocator.fail(first, span)
        try:
            act()
        except ENDED:
            failures += 1
        count = proxy.allocator.relent()
        assert proxy.process.poll() is None, f"died at call {first}: {proxy.stderr.text()[-2000:]}"
        if judge:
            judge()
        if count < first:
            break
        first += STRIDE
    act()  # as if nothing had been
    assert first > least
    return failures


def test_who_looks_at_metrics_and_the_page_is_told_all_or_nothing(starved):
    place = starved.folder / "admin.sock"
    opened = starved.tunnel(starved.next_target())

    def look():
        for path in ("/metrics", "/", "/status.json", "/readyz"):
            page = get(place, path)
            assert page.status == 200
            if path == "/metrics":
                told.append(value(read_metrics(page.body), "sallyport_client_tunnels", client="workers"))

    told = []
    sweep(starved, look, 1, least=10)
    assert set(told) == {1}
    opened.echo(b"still here")
    opened.close()


def tunnel(proxy, **options):
    opened = proxy.dial(**options)
    opened.sock.settimeout(10)
    try:
        opened.handshake()
        opened.tunnel(proxy.next_target())
        opened.echo(b"hello")
    finally:
        opened.sock.close()


SPANS = pytest.mark.parametrize("span", [1, 3, 1000])
VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"]
)


@SPANS
@VERSIONS
def test_a_tunnel_for_which_there_is_no_memory_ends_alone(starved, span, version):
    options = {"minimum": version, "maximum": version}
    assert sweep(starved, lambda: tunnel(starved, **options), span) > 0


@SPANS
def test_a_plain_request_for_which_there_is_no_memory_ends_alone(starved, span):
    server = StrictOrigin(lambda request: ok(b"hello"))
    target = url(server, host="127.0.0.1")

    def ask():
        opened = starved.dial()
        opened.sock.settimeout(5)
        try:
            requester = PlainClient(opened.handshake())
            requester.send(head("POST", target, "Content-Length: 5") + b"hello")
            assert requester.read("POST").body == b"hello"
        finally:
            opened.sock.close()

    try:
        assert sweep(starved, ask, span) > 0
    finally:
        server.stop()


def test_records_that_come_together_for_one_of_which_there_is_no_memory_end_their_connection(starved):
    def ask():
        opened = starved.dial()
        opened.sock.settimeout(10)
        try:
            request = connect_head(starved.next_target())
            opened.handshake().sock.sendall(opened.seal(request[:20]) + opened.seal(request[20:]))
            answer = opened.read_answer()
            if answer.status == 408:
                raise RuntimeError("the proxy waits for what it had")
            assert answer.status == 200
        finally:
            opened.sock.close()

    assert sweep(starved, ask, 1) > 0


@SPANS
def test_streams_for_which_there_is_no_memory_end_alone_or_with_their_connection(starved, span):
    server = StrictOrigin(lambda request: ok(b"hello"))
    authority = f"127.0.0.1:{server.port}"
    other = starved.dial()
    other.handshake().tunnel(starved.next_target())
    before = starved.descriptors()

    def ask():
        opened = starved.dial(alpn=("h2",))
        opened.sock.settimeout(10)
        session = None
        try:
            session = Http2(opened.handshake())
            tunnels = [session.connect(starved.next_target()) for _ in range(2)]
            asked = session.get(authority, method="POST", end=False)
            asked.send(b"hello", end=True)
            for tunnel in tunnels:
                assert tunnel.status == 200
                tunnel.send(b"hello")
                assert tunnel.read(5) == b"hello"
            assert asked.status == 200
            assert asked.read_to_end() == (b"hello", "end")
        except TimeoutError as error:
            if session is None:
                raise  # in the handshake: as in the tests above
            raise RuntimeError("a stream has neither an answer nor an end") from error
        except h2.exceptions.ProtocolError as error:
            if session is None or session.goaway is None:
                raise
            raise ConnectionResetError("the connection was given up") from error
        finally:
            opened.sock.close()

    try:
        assert sweep(starved, ask, span, lambda: other.echo(b"still here")) > 0
        starved.wait_descriptors(before)
    finally:
        server.stop()
    other.close()
    starved.stop()  # each stream has its records


def test_a_stream_that_is_refused_for_want_of_memory_is_recorded_or_counted(starved):
    session, refused, sessions = None, [], []
    for first in itertools.count(1):  # each call, for only some of them refuse the stream
        if session is None or session.ended or session.goaway is not None:
            session = Http2(starved.connect(alpn=("h2",)))
            session.tunnel(starved.next_target())
            sessions.append(session)
        starved.allocator.fail(first, 1)
        stream = session.connect(starved.next_target())
        with contextlib.suppress(ConnectionError):
            session.wait(lambda stream=stream: stream.heads or stream.reset is not None)
        count = starved.allocator.relent()
        if stream.reset == REFUSED_STREAM:
            refused.append((session.client.local_port, stream.id))
        if count < first:
            break
    for session in sessions:
        session.client.close()
    starved.stop()
    decisions = starved.audit.records("decision")
    recorded = {(each["client"]["port"], each["request"]["stream"]) for each in decisions}
    counted = starved.audit.records("requests_refused", reason="no_memory")
    missing = len(set(refused) - recorded)  # for want of memory for their records
    assert 0 < missing < len(refused) and missing == sum(each["count"] for each in counted)


def test_the_page_about_the_client_is_recorded_as_sent_only_where_there_is_memory_for_it(start, tmp_path):
    allocator = Allocator(tmp_path)
    failed = 0
    for first in itertools.count(1):
        # A new process each time: no buffer is left over from another page.
        proxy = start(client(), process={"environment": allocator.environment}, workers=1)
        opened = proxy.dial()
        opened.sock.settimeout(5)
        requester = PlainClient(opened.handshake())
        allocator.fail(first, 1000)
        answer = None
        try:
            answer = requester.get("http://sallyport.internal/whoami")
        except ENDED:
            failed += 1
        count = allocator.relent()
        opened.sock.close()
        proxy.stop()
        for close in proxy.audit.records("close"):
            (decision,) = proxy.audit.records("decision", id=close["id"])
            assert (close["reason"] == "completed") == (answer is not None), (decision, close)
            if close["reason"] == "no_memory":
                assert decision["decision"]["action"] == "error", (decision, close)
        if count < first:
            break
    assert failed > 0


@pytest.mark.parametrize("span", [1, 1000])
def test_a_reload_for_which_there_is_no_memory_changes_nothing(starved, span):
    control = Control(starved)
    tunnel(starved)

    sweep(starved, lambda: control.run("reload"), span, lambda: tunnel(starved))


@pytest.mark.parametrize("starved", [2], indirect=True)
def test_a_reload_that_a_worker_has_no_memory_for_is_no_good_one(starved):
    control = Control(starved)
    said = []

    def reload():
        result = run("reload", "-c", starved.config_path)
        said.append("no memory to hand" in result.stdout + result.stderr)
        assert result.returncode == 0, result.stderr

    sweep(starved, reload, 1)
    log = starved.stderr.text()
    missed = log.count("reload: no memory to hand")
    assert sum(said) == missed
    # What takes trust away is handed over after each reload that was refused, and can lack memory too.
    assert log.count("no memory for a new state") >= missed
    assert missed > 0 or STRIDE > 1, "with strides the one call that matters may be passed over"
    reloads = control.status()["reloads"]
    assert reloads["failed"] >= missed and reloads["failing_since"] is None  # the last one was good


def listening(port):
    """How many sockets listen on this port: each worker has one."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def add_listener_until(starved, message):
    """Reloads with a new listener, and another call of the allocator fails each time, until it says this; its port."""
    main = starved.config["listeners"][0]

    def add(first):
        """Reloads with a new listener; its port, and how often the allocator was called."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        added = dict(main, name="added", address=f"127.0.0.1:{port}")
        write_config(starved.config_path, {**starved.config, "listeners": [main, added]})
        starved.allocator.fail(first, 1)
        run("reload", "-c", starved.config_path)
        return port, starved.allocator.relent()

    add(0)
    calls = add(0)[1] + 4  # their number varies with the turns of the workers
    for first in 20 * list(range(calls, max(calls - 60, 0), -1)):  # it is handed over last
        port = add(first)[0]
        if message in starved.stderr.text():
            return port
    raise AssertionError(f"no call that failed led to: {message}")


@pytest.mark.parametrize("starved", [2], indirect=True)
@pytest.mark.parametrize("is_reloaded", [False, True], ids=["alone", "reloaded"])
def test_a_new_listener_that_a_worker_has_no_memory_for_reaches_it_all_the_same(
    starved, is_reloaded
):
    port = add_listener_until(starved, "no memory for a new state")
    if is_reloaded:
        Control(starved).run("reload")
    eventually(lambda: listening(port) == 2, "a socket for each worker")


@pytest.mark.parametrize("starved", [2], indirect=True)
def test_a_new_listener_that_a_worker_cannot_open_for_lack_of_memory_is_served_after_the_next_reload(
    starved,
):
    port = add_listener_until(starved, "does not serve it")
    Control(starved).run("reload")
    assert listening(port) == 2  # the connections are spread over both
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(b"no TLS")
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                sock.recv(1)  # it was accepted, and refused


def test_a_resolver_that_there_was_no_memory_for_is_made_a_little_later(starved, pki, tmp_path):
    publisher, folder = Publisher(), tmp_path / "crls"
    folder.mkdir()
    publisher.said = answer(pki.ca.crl(number=1))
    port = starved.next_target().split(":")[1]
    lists = {"crl": [{"url": publisher.url, "every": "1s"}], "crl_cache": str(folder)}

    def reload(number, failing):
        """Reloads with a resolver that alone knows these names, and a call of the allocator fails meanwhile."""
        hosts = {name: ["127.0.0.1"] for name in ("pki.test", f"late{number}.test") if number}
        config = merge(starved.config, {"trust": {"staff": lists}, "resolver": {"hosts": hosts}})
        write_config(starved.config_path, config)
        starved.allocator.fail(failing, 1)
        run("reload", "-c", starved.config_path)
        return starved.allocator.relent()

    def is_fetched():
        (state,) = Control(starved).status()["crl_fetches"]
        return state["good_at"] and state["failing_since"] is None

    def is_known(name):
        with contextlib.suppress(AssertionError):
            starved.tunnel(f"{name}:{port}").close()
            return True

    missing = ["worker 0: the old resolver stays for now", "no memory to fetch all"]
    try:
        reload(1, 0)
        eventually(is_fetched, "the first list")
        reload(0, 0)
        for number in range(2, 400):  # this is done near the end
            if not missing:
                break
            back = (number - 2) % 40
            if back == 0:  # the number of calls varies with what else is done meanwhile
                calls = reload(1, 0)
                reload(0, 0)
                calls = min(calls, reload(1, 0)) + 4
            reload(0, 0)
            said = len(starved.stderr.text())
            reload(number, calls - back)
            for words in [each for each in missing if each in starved.stderr.text()[said:]]:
                missing.remove(words)
                eventually(lambda name=f"late{number}.test": is_known(name), f"{words}: DNS")
                eventually(is_fetched, f"{words}: the list")
        assert not missing, "no call that failed led there"
    finally:
        publisher.close()


@pytest.mark.parametrize("starved", [2], indirect=True)
def test_a_block_that_a_worker_has_no_memory_for_reaches_it_all_the_same(starved):
    control, tunnels = Control(starved), []
    for first in itertools.count(1):
        missing = 6 - len(tunnels)  # so many that each worker has one
        tunnels += [starved.tunnel(starved.next_target()) for _ in range(missing)]
        starved.allocator.fail(first, 1)
        result = run("block", "-c", starved.config_path, "workers")
        count = starved.allocator.relent()
        if result.returncode == 0 or "not in force everywhere" in result.stderr:
            for one in tunnels:
                starved.assert_closed(one.id, "blocked")
            tunnels.clear()
        if "no memory for a new state" in starved.stderr.text():
            return
        assert count >= first, "no call was left to fail"
        run("unblock", "-c", starved.config_path, "workers")


@pytest.mark.parametrize("starved", [2], indirect=True)
def test_a_denial_that_a_worker_has_no_memory_for_reaches_it_all_the_same(starved, pki):
    bad, good = pki.ca.leaf("to-be-denied"), dict(starved.config)
    (profile, trust), = good["trust"].items()
    denying = {**trust, "denied": [{"sha256": bad.sha256}]}
    refused = {**good, "nonsense": 1, "trust": {profile: denying}}

    def deny(first):
        """Has a configuration refused that denies the certificate; how often the allocator was called until it was in force."""
        said = starved.stderr.count()
        write_config(starved.config_path, refused)
        starved.allocator.fail(first, 1)
        starved.send_signal(signal.SIGHUP)
        starved.stderr.wait("in force all the same", after=said)
        count = starved.allocator.relent()
        for _ in range(6):  # by either worker
            assert starved.dial(bad).refusal()
        write_config(starved.config_path, good)
        Control(starved).run("reload")
        return count

    for first in range(deny(0), 0, -1):  # it is handed over last
        deny(first)
        if "no memory for a new state" in starved.stderr.text():
            return
    raise AssertionError("no call was the hand-over's")


def test_no_memory_at_all_is_survived(starved):
    tunnel(starved)
    for _ in range(20):
        starved.allocator.fail(1, 1 << 40)
        with pytest.raises(ENDED):
            tunnel(starved)
        starved.allocator.relent()
        assert starved.process.poll() is None, starved.stderr.text()
        tunnel(starved)
