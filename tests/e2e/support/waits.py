"""Every wait of a request, held open until the test lets it go on.

A Stage is a proxy with everything that can be waited for: names, targets, a disk that can be full. A Wait
is one client of it: `begin` returns once the proxy waits, `release` gives what it waits for, `finish` sees
the request to its natural end.
"""

import contextlib
import itertools
import queue
import select
import signal
import socket
import threading

from support.config import client as config_client
from support.config import merge, write_config
from support.control import CONTROL, Control
from support.origin import Origin, full_queue, reset, take_head
from support.plain import ok
from support.scale import PATIENCE, eventually
from support.wire import SMALL_BUFFER, Ending, connect_head, parse_head, send_until_blocked

STILL = 0.15  # seconds without room for a byte after which a way counts as blocked
BLOCK = b"x" * SMALL_BUFFER
BODY = b"0123456789abcdefghij"
NAMES = "*.held.test"
NUMBERS = itertools.count()  # no name is asked for twice
FILLER = "127.0.0.9"  # of connections that are not the proxy's


class Puppet(Origin):
    """A target that does nothing by itself: `take` gives the test its next connection."""

    def __init__(self, **options):
        self._given = queue.SimpleQueue()
        self._is_over = threading.Event()
        super().__init__(self._hand_over, **options)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)

    def take(self):
        return self._given.get(timeout=PATIENCE)

    def stop(self):
        super().stop()
        self._is_over.set()

    def _hand_over(self, conn):
        conn.settimeout(PATIENCE)
        self._given.put(conn)
        self._is_over.wait()


class Disk:
    """The audit's place: a link to a file, or to a device that is always full."""

    def __init__(self, folder):
        self.link = folder / "audit.jsonl"
        self._file = folder / "kept.jsonl"
        self._file.touch()
        self._point_to(self._file)

    def fill(self, proxy):
        self._move(proxy, "/dev/full")

    def empty(self, proxy):
        self._move(proxy, self._file)

    def _move(self, proxy, place):
        self._point_to(place)
        proxy.send_signal(signal.SIGUSR1)

    def _point_to(self, place):
        fresh = self.link.with_suffix(".fresh")
        fresh.symlink_to(place)
        fresh.replace(self.link)


def held_rule(name="before"):
    """Lets every name and target of this file be."""
    return {"name": name, "hosts": [NAMES], "addresses": ["127.0.0.0/8"], "ports": "any"}


def held_client(name="before", rule="before", *others):
    return config_client(*others, held_rule(rule), name=name)


class Stage:
    """A proxy and what its clients wait for. `stop` ends what is not the proxy's."""

    def __init__(self, start, dns, folder, disk=None, **changes):
        self.dns = dns
        self.folder = folder
        self.disk = disk or Disk(folder)
        self._stack = contextlib.ExitStack()
        config = {
            "control": CONTROL,
            "timeouts": {"drain": "1h", "attempt": "30s", "connect": "30s", "resolve": "30s"},
            "resolver": {"timeout": "30s", "tries": 1},
        }
        clients = changes.pop("clients", [held_client()])
        # In a sandbox the full device would be somewhere else.
        self.proxy = start(*clients, folder=folder, cage={"sandbox": "off"}, **merge(config, changes))
        # Read from the file itself: what goes into the device is gone.
        self.proxy.audit.path = folder / "kept.jsonl"
        self.control = Control(self.proxy)
        self.config = self.proxy.config
        self.stranger = self.proxy.pki.ca.leaf("waits-stranger")  # for questions of the test itself

    def puppet(self):
        server = Puppet()
        self._stack.callback(server.stop)
        return server

    def full_queue(self):
        return self._stack.enter_context(full_queue(filled_from=FILLER))

    def configure(self, *clients, **changes):
        """Another configuration, laid over the one of the start; in force when this returns."""
        if clients:
            changes["clients"] = list(clients)
        write_config(self.proxy.config_path, merge(self.config, changes))
        answer = self.control.ask(b"reload\n")[-1]
        assert answer["exit"] == 0, answer

    def fill_disk(self):
        """Returns once the proxy knows that nothing can be written."""
        self.disk.fill(self.proxy)
        eventually(lambda: self.proxy.ask("full.test:443", self.stranger).status == 503, "a 503")

    def empty_disk(self):
        """Returns once requests are served again."""
        self.disk.empty(self.proxy)
        eventually(lambda: self.proxy.ask("full.test:443", self.stranger).status != 503, "room")

    def settle(self):
        """Returns once every worker has seen what was there when this was called."""
        for _ in range(2):
            self.control.status()

    def wait_closed(self):
        """Until every connection is closed, and counted so."""

        def is_closed():
            status = self.control.status()
            counters, live = status["counters"], sum(status["sessions"].values())
            left = [status["http2"]["streams"], *status["requests"].values()]
            left += [client[kind] for client in status["clients"] for kind in ("tunnels", "sessions")]
            return live == 0 and counters["connections"] == counters["connections_closed"] and not any(left)

        eventually(is_closed, lambda: f"all to be closed: {self.control.status()}")

    def stop(self):
        self._stack.close()


class Wait:
    """One client. The status that it has read is kept; so is each connection to its target."""

    kind = None  # its word in WAITS
    has_target = False  # the target is connected while it waits

    def __init__(self, stage, leaf, client=None):
        """`client`: one that can still ask; else it is made."""
        self.stage = stage
        self.leaf = leaf
        self.name = f"w{next(NUMBERS)}.held.test"
        self.client = client or stage.proxy.dial(leaf)
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        self.server = None
        self.conn = None  # the target's end
        self.answer = None
        self.has_ended = False  # the client has said all that it has to say
        self._is_named = False

    def begin(self):
        """Returns once the proxy waits."""
        raise NotImplementedError

    def release(self):
        """Gives what is waited for."""

    def finish(self):
        """Sees it to its natural end, as both sides would."""
        self._finish_tunnel()

    def reset_target(self):
        reset(self.conn)

    def end(self, is_truncated=False):
        """The client ends its direction, with a close_notify or without."""
        if not self.has_ended:
            (self.client.fin if is_truncated else self.client.half_close)()
        self.has_ended = True

    def close(self):
        """The client hangs up in an orderly way."""
        self.client.close()
        self.has_ended = True

    def read_answer(self):
        self.answer = self.client.read_answer()

    def read_end(self):
        """How the connection ends; what comes before that is dropped."""
        try:
            return self.client.read_to_end()[1]
        except ConnectionError:
            return Ending.RESET

    @property
    def status(self):
        return self.answer.status if self.answer else None

    def let_go(self):
        """Gives back what is held open for it alone."""
        if self.server:
            self.server.stop()

    # -- what the waits are made of -----------------------------------------------------------

    def _target(self):
        """The place of this client's target, whose name leads there."""
        self.server = self.server or self.stage.puppet()
        if not self._is_named:
            self.stage.dns.addresses(self.name, self.server.address)
            self._is_named = True
        return f"{self.name}:{self.server.port}"

    def _ask(self, target):
        self.client.handshake().send(connect_head(target))

    def _open(self):
        self._ask(self._target())
        self.read_answer()
        self.conn = self.server.take()

    def _finish_tunnel(self):
        self.read_answer()
        assert self.answer.status == 200, self.answer
        self.conn = self.conn or self.server.take()
        self._echo_and_end()

    def _echo_and_end(self):
        if not self.has_ended:
            self.client.send(b"ping")
            assert take(self.conn, 4) == b"ping"
        self.conn.sendall(b"pong")
        assert self.client.read_exactly(4) == b"pong"
        self.end()
        self._end_target()

    def _end_target(self):
        """The target ends, having read to the end."""
        while self.conn.recv(65536):
            pass
        self.conn.close()
        assert self.client.read_to_end() == (b"", Ending.CLOSE_NOTIFY)


def take(conn, size):
    data = b""
    while len(data) < size:
        more = conn.recv(size - len(data))
        assert more, f"only {data!r}"
        data += more
    return data


class Handshake(Wait):
    """The proxy has said all that it can; the client's certificate is to come."""

    def begin(self):
        self.client.sock.sendall(self.client.first_flight())
        assert select.select([self.client.sock], [], [], PATIENCE)[0]

    def release(self):
        self.client.handshake().send(connect_head(self._target()))


class Head(Wait):
    """A request's head has begun."""

    def begin(self):
        head = connect_head(self._target())
        self._rest = head[20:]
        self.client.handshake().send(head[:20])
        self.stage.settle()

    def release(self):
        self.client.send(self._rest)


class Dns(Wait):
    """Neither family has been answered."""

    def begin(self):
        self.server = self.stage.puppet()
        self._is_named = True
        self._released = self.stage.dns.hold(self.name, "127.0.0.1")
        self._ask(self._target())
        self.stage.dns.wait_asked(self.name, 2)

    def release(self):
        self._released.set()

    def let_go(self):
        self._released.set()
        super().let_go()


class SecondFamily(Dns):
    """One family is there and is denied; the other may still be allowed."""

    def begin(self):
        self.server = self.stage.puppet()
        self._is_named = True
        self._released = self.stage.dns.hold(self.name, "127.0.0.1", "fd00::1", held="A")
        self._ask(self._target())
        self.stage.dns.wait_asked(self.name, 2)
        self.stage.dns.wait_answered(self.name, 28)
        self.stage.settle()


class Dial(Wait):
    """The target's queue is full: connecting neither succeeds nor fails."""

    def begin(self):
        self._hole = self.stage.full_queue()
        self.stage.dns.addresses(self.name, "127.0.0.1")
        self._ask(f"{self.name}:{self._hole.getsockname()[1]}")
        self.stage.proxy.audit.wait("decision", request__host=self.name, decision__action="allow")

    def release(self):
        if self._hole.fileno() >= 0:
            self._hole.listen(64)  # room for the next retransmission

    def finish(self):
        self.read_answer()
        assert self.answer.status == 200, self.answer
        self.conn = self._accept()
        self._echo_and_end()

    def reset_target(self):
        self._hole.close()

    def let_go(self):
        self._hole.close()

    def _accept(self):
        """The proxy's connection, among those that fill the queue."""
        self._hole.settimeout(PATIENCE)
        peer = FILLER
        while peer == FILLER:
            conn, (peer, _) = self._hole.accept()
        conn.settimeout(PATIENCE)
        return conn


class Plain(Wait):
    """A plain request, which the target has read as far as it has come."""

    has_target = True
    method = "GET"
    body = b""  # what of the body comes with the head
    _data = b""  # what the client has read

    def begin(self):
        target = self._target()
        length = f"Content-Length: {len(BODY)}\r\n" if self.method == "POST" else ""
        head = f"{self.method} http://{target}/ HTTP/1.1\r\nHost: {target}\r\n{length}\r\n"
        self.client.handshake().send(head.encode() + self.body)
        self.conn = self.server.take()
        head, body = take_head(self.conn)
        assert head, f"only {body!r}"
        assert (body + take(self.conn, len(self.body) - len(body))) == self.body

    def release(self):
        self.conn.sendall(ok(BODY))

    def finish(self):
        self._read_response()
        self.end()
        assert self.client.read_to_end()[1] is Ending.CLOSE_NOTIFY

    def _read_response(self):
        self._read_until(BODY)
        assert self.answer.status == 200, self.answer

    def _read_until(self, end):
        while not self._data.endswith(end):
            more = self.client.read()
            assert more, f"only {self._data!r}, then {self.client.ending}"
            self._data += more
        self.answer = parse_head(self._data.split(b"\r\n\r\n")[0])


class Response(Plain):
    """The target has the request and says nothing."""


class BodyUp(Plain):
    """Half of the request's body is still with the client."""

    method = "POST"
    body = BODY[:5]

    def begin_large_upload(self):
        """A body without end, of which the target reads nothing: all buffers on the way are full."""
        target = self._target()
        head = f"POST http://{target}/ HTTP/1.1\r\nHost: {target}\r\nContent-Length: {10**12}\r\n\r\n"
        self.client.handshake().send(head.encode())
        self.conn = self.server.take()
        assert take_head(self.conn)[0]
        self.client.fill_up(BLOCK, STILL)

    def release(self):
        self.client.send(BODY[5:])
        assert take(self.conn, len(BODY) - 5) == BODY[5:]
        self.conn.sendall(ok(BODY))


class BodyDown(Plain):
    """Half of the response is still with the target."""

    def begin(self):
        super().begin()
        whole = ok(BODY)
        self.conn.sendall(whole[: -len(BODY) // 2])
        self._read_until(BODY[: len(BODY) // 2])

    def release(self):
        self.conn.sendall(BODY[len(BODY) // 2 :])


class Tunnel(Wait):
    """Nobody says anything."""

    has_target = True

    def begin(self):
        self._open()

    def finish(self):
        self._echo_and_end()


class Upload(Wait):
    """The target reads nothing, and all buffers on the way to it are full."""

    has_target = True

    def begin(self):
        self._open()
        self._left = self.client.fill_up(BLOCK, STILL)

    def release(self):
        drain = threading.Thread(target=self._drain, daemon=True)
        drain.start()

    def _drain(self):
        with contextlib.suppress(OSError):
            while self.conn.recv(65536):
                pass
            self.conn.close()

    def finish(self):
        if not self.has_ended:
            self.client.send_rest(self._left)
        self.end()
        assert self.client.read_to_end() == (b"", Ending.CLOSE_NOTIFY)


class Download(Wait):
    """The client reads nothing, and all buffers on the way to it are full."""

    has_target = True

    def begin(self):
        self.client.stall()
        self._open()
        send_until_blocked(self.conn, lambda: BLOCK, STILL)

    def finish(self):
        self.client.resume()
        self.conn.shutdown(socket.SHUT_WR)
        assert self.client.read_to_end()[1] is Ending.CLOSE_NOTIFY
        self.end()
        while self.conn.recv(65536):
            pass
        self.conn.close()


WAITS = {
    "handshake": Handshake,
    "head": Head,
    "dns": Dns,
    "second_family": SecondFamily,
    "dial": Dial,
    "response": Response,
    "body_up": BodyUp,
    "body_down": BodyDown,
    "tunnel": Tunnel,
    "upload": Upload,
    "download": Download,
}
for _kind, _wait in WAITS.items():
    _wait.kind = _kind
