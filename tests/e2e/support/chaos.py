"""A run of the proxy in which everything goes on at once: waits are held open while it is reloaded, told to
block and to kill, its disk fills, and clients and targets break off. More than a half of the clients speak HTTP/2;
most of these share a connection with others.

A seed makes a run: the same seed draws the same steps. What each client got to see and what was in force
when is kept, and held against the records at the end. Give SALLYPORT_CHAOS_SEED to have a run again.
"""

import contextlib
import hashlib
import json
import os
import random
import select
import signal
import socket
import threading
import time
from dataclasses import dataclass

import h2.exceptions

from support.audit import check_records
from support.config import client as config_client
from support.config import listener_of, reach
from support.http2 import Http2
from support.http2_client import StreamClient
from support.proxy import run as run_program
from support.scale import PATIENCE, eventually
from support.waits import WAITS, Stage, held_rule
from support.wire import parse_head

PEOPLE = ("ann", "bob", "eve", "joe")
HELD_MAX = 12
# What a peer finds that somebody else has broken off.
NOT_NOTICED = (OSError, AssertionError, h2.exceptions.H2Error)
# What a stream of a shared connection can wait for: the rest is the connection's.
SHARED_WAITS = sorted(set(WAITS) - {"handshake", "head"})


def play(start, dns, folder, pki, audit, steps, seed=None):
    """One run from this seed, or one of its own; SALLYPORT_CHAOS_SEED goes before both. It is said where it fails."""
    given = os.environ.get("SALLYPORT_CHAOS_SEED", seed)
    seed = int.from_bytes(os.urandom(4), "big") if given is None else int(given)
    chaos = Chaos(start, dns, folder, pki, seed, audit)
    try:
        chaos.play(steps)
    finally:
        print(f"SALLYPORT_CHAOS_SEED={seed}, after: {' '.join(chaos.steps)}")


@dataclass
class Version:
    """One configuration, and when it was in force: it may be between the two moments."""

    rights: dict  # person -> the name of its client, where it may have what it wants
    names: dict  # person -> the name of its client
    has_extra: bool
    id: str = ""
    begins: float = 0.0
    ends: float = float("inf")


@dataclass
class Seen:
    """What is known of one client after it was let go."""

    person: str
    kind: str
    address: str  # each connection comes from one of its own
    stream: object  # of HTTP/2; None: HTTP/1.1
    begins: float
    ends: float = 0.0
    answer: object = None
    may_be_silent: bool = False  # it ended without a request, which leaves no record


def rule_of(client_name):
    return f"rule-of-{client_name}"


@dataclass(eq=False)
class Shared:
    """A connection with streams of several clients."""

    person: str
    listener: str
    address: str
    http2: Http2


def is_shared(wait):
    return isinstance(wait.client, StreamClient)


def vanish(wait):
    """How it goes without a word: a stream can only be reset."""
    return wait.client.reset if is_shared(wait) else wait.client.sock.close


class Pipe:
    """An audit "file" that can be left unread: what the proxy writes waits in its memory."""

    def __init__(self, folder):
        self.kept = folder / "kept.jsonl"
        path = folder / "audit.jsonl"
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDWR)
        self._is_read = threading.Event()
        self._is_read.set()
        self._is_over = False
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def fill(self, _proxy):
        self._is_read.clear()

    def empty(self, _proxy):
        self._is_read.set()

    def stop(self):
        """Reads what is left, once nobody writes any more."""
        self._is_read.set()
        self._is_over = True
        self._thread.join(PATIENCE)
        os.close(self._reader)

    def _pump(self):
        with open(self.kept, "ab", buffering=0) as out:
            while True:
                self._is_read.wait()
                if select.select([self._reader], [], [], 0.05)[0]:
                    out.write(os.read(self._reader, 65536))
                elif self._is_over:
                    return


class Chaos:
    """One run."""

    def __init__(self, start, dns, folder, pki, seed, audit="disk"):
        self.random = random.Random(seed)
        self.pki = pki
        self.leaves = {person: pki.ca.leaf(f"chaos-{person}") for person in PEOPLE}
        self.pipe = Pipe(folder) if audit == "pipe" else None
        self.versions = []
        self.held = {}  # Wait -> Seen
        self.shared = []  # connections with streams of several clients
        self.connections = 0
        self.seen = []
        self.blocked = set()
        self.is_full = False
        self.steps = []
        self.crl_number = 0
        self.listener = listener_of(pki)
        version, changes = self._draw_version()
        self.stage = Stage(start, dns, folder, disk=self.pipe, **changes)
        self.proxy = self.stage.proxy
        self._enter(version, time.monotonic())

    # -- the run ----------------------------------------------------------------------------------

    def play(self, steps):
        before = self.proxy.descriptors()
        for _ in range(steps):
            self.step()
        self.settle()
        self.proxy.wait_descriptors(before)
        self.stage.wait_closed()
        self.end()

    def step(self):
        weights = {
            self.begin: 10 if len(self.held) < HELD_MAX else 0,
            self.conclude: 5,
            self.reload: 3,
            self.break_off: 3,
            self.break_connection: 1 if self.shared else 0,
            self.reset_target: 2,
            self.kill: 1,
            self.block: 1,
            self.unblock: 2,
            self.fill_or_empty: 1,
            self.count: 1,
        }
        action = self.random.choices(list(weights), list(weights.values()))[0]
        self.steps.append(action.__name__)
        action()

    def settle(self):
        """Brings everything that is held to its end, and the proxy back to where it began."""
        while self.blocked:
            self.unblock()
        if self.is_full:
            self.fill_or_empty()
        while self.held:
            self.conclude()
        while self.shared:
            self.break_connection()
        if self.versions[-1].has_extra:
            self.reload(has_extra=False)

    def end(self):
        """A drain while some wait; it ends by itself when they have."""
        for _ in range(4):
            self.begin()
        self.proxy.send_signal(signal.SIGTERM)
        self.proxy.stderr.wait("draining")
        for wait, seen in self.held.items():
            # Its handshake may be done just before the worker ends those that have nothing under way.
            seen.may_be_silent = wait.kind == "handshake"
        while self.held:
            self.conclude()
        while self.shared:
            self.break_connection()
        assert self.proxy.wait_exit() == 0, self.proxy.stderr.text()
        self.proxy.stop()
        self.stage.stop()
        if self.pipe:
            self.pipe.stop()
        self.check()

    # -- what can happen --------------------------------------------------------------------------

    def begin(self):
        """Somebody comes and waits."""
        version = self.versions[-1]
        people = sorted(set(version.rights) - self.blocked)
        kinds = list(WAITS)
        if self.is_full:
            kinds = ["handshake"] if not self.pipe else [k for k in kinds if k != "dial"]
        if not people:
            return
        kind, person = self.random.choice(kinds), self.random.choice(people)
        listener = self.random.choice(["main", "extra"]) if version.has_extra else "main"
        way = self.random.choice(["h1", "h1", "h2", "shared", "shared"])
        if way == "shared" and kind in SHARED_WAITS:
            self._begin_shared(kind, person, listener, people)
            return
        address = self._next_address()
        is_http2 = way != "h1" and kind != "head"  # which the client of HTTP/2 sends in one piece
        client = self._dial(person, listener, address, "h2" if is_http2 else "h1")
        self._begin(Seen(person, kind, address, 1 if is_http2 else None, time.monotonic()), client)

    def conclude(self):
        """What somebody waits for comes, and it leaves in some way."""
        wait = self._pick()
        if wait is None:
            return
        if wait.kind == "dial":  # the next SYN may be far away
            self._let_go(wait, wait.client.reset)
            return
        with contextlib.suppress(*NOT_NOTICED):
            wait.release()
        if wait.answer is None:
            self._read_answer(wait)
        self._let_go(wait, self.random.choice([wait.client.reset, wait.close, vanish(wait)]))

    def break_off(self):
        """A client leaves in the middle, or ends its direction and stays."""
        wait = self._pick()
        if wait is None:
            return
        is_cut = wait.kind == "body_up" and self.held[wait].stream  # over HTTP/2 such an end is a wrong length
        if self.random.random() < 0.3 and wait.kind not in ("handshake", "upload") and not is_cut:
            is_truncated = self.random.random() < 0.5
            with contextlib.suppress(*NOT_NOTICED):
                wait.end(is_truncated and not is_shared(wait))
            return
        self._let_go(wait, self.random.choice([wait.client.reset, vanish(wait)]))

    def break_connection(self):
        """A shared connection ends in some way, with all that is on it."""
        shared = self.shared.pop(self.random.randrange(len(self.shared)))
        leave = self.random.choice([shared.http2.client.reset, shared.http2.client.close, shared.http2.client.sock.close])
        with contextlib.suppress(OSError, ValueError):
            leave()
        shared.http2.client.sock.close()
        shared.http2.ended = True
        for wait in [each for each in self.held if is_shared(each) and each.client.session is shared.http2]:
            self._let_go(wait, lambda: None)

    def reset_target(self):
        wait = self._pick(lambda wait: wait.has_target and wait.conn is not None)
        if wait is not None:
            with contextlib.suppress(OSError):
                wait.reset_target()

    def reload(self, has_extra=None):
        version, changes = self._draw_version(has_extra)
        begins = time.monotonic()
        self.stage.configure(**changes)
        self._enter(version, begins)

    def kill(self):
        person = self.random.choice(PEOPLE)
        name = self.versions[-1].names[person]
        assert self.stage.control.ask(f"kill client:{name}\n".encode())[-1]["exit"] == 0

    def block(self):
        person = self.random.choice(PEOPLE)
        self.blocked.add(person)
        self._tell("block", person)

    def unblock(self):
        if self.blocked:
            person = self.random.choice(sorted(self.blocked))
            self._tell("unblock", person)
            self.blocked.remove(person)

    def fill_or_empty(self):
        self.is_full = not self.is_full
        if not self.is_full:
            self.stage.empty_disk()
        elif self.pipe:
            self.pipe.fill(self.proxy)
        else:
            self.stage.fill_disk()

    def count(self):
        """The counters hold at any moment: what came is closed or still there."""

        def holds():
            status = self.stage.control.status()
            counters, live = status["counters"], sum(status["sessions"].values())
            return counters["connections"] == counters["connections_closed"] + live

        eventually(holds, "accepted to be closed and live together")

    # -- inside -----------------------------------------------------------------------------------

    def _next_address(self):
        self.connections += 1
        return f"127.1.{self.connections // 200}.{self.connections % 200 + 1}"

    def _dial(self, person, listener, address, protocol):
        return self.proxy.dial(self.leaves[person], listener=listener, source=address, protocol=protocol)

    def _begin(self, seen, client):
        wait = WAITS[seen.kind](self.stage, self.leaves[seen.person], client)
        self.held[wait] = seen
        self.seen.append(seen)
        wait.begin()
        seen.answer = wait.answer

    def _begin_shared(self, kind, person, listener, people):
        """Mostly on a connection that is there and on which the proxy takes more, whosever it is; else on a new one."""
        listeners = ("main", "extra") if self.versions[-1].has_extra else ("main",)
        found = [each for each in self.shared if each.person in people and each.listener in listeners]
        found = [each for each in found if each.http2.can_ask()]
        draw = self.random.random()
        is_new = not found or draw < 0.2
        shared = self._make_shared(person, listener) if is_new else found[int(draw * len(found))]
        id = shared.http2.h2.get_next_available_stream_id()
        seen = Seen(shared.person, kind, shared.address, id, time.monotonic())
        client = StreamClient(shared.http2)
        if is_new:
            self._begin(seen, client)
            return
        try:
            self._begin(seen, client)
        except NOT_NOTICED:  # the proxy was just ending it
            wait = next(each for each in self.held if self.held[each] is seen)
            seen.may_be_silent = True
            self._let_go(wait, client.reset)

    def _make_shared(self, person, listener):
        address = self._next_address()
        client = self._dial(person, listener, address, "h2").handshake()
        self.shared.append(Shared(person, listener, address, client.session))
        return self.shared[-1]

    def _draw_version(self, has_extra=None):
        """A configuration and its changes: other names, order, rules, limits, listeners, CAs, lists."""
        number = len(self.versions)
        draw = self.random
        may = [person for person in PEOPLE if draw.random() < 0.8]
        revoked = tuple(person for person in PEOPLE if draw.random() < 0.1)
        names = {person: f"{person}-{number}" for person in PEOPLE}
        clients = [self._draw_client(names[p], p, p in may) for p in PEOPLE]
        draw.shuffle(clients)
        self.crl_number += 1
        leaves = [self.leaves[person] for person in revoked]
        trust = {"ca": [self.pki.ca.path], "crl": [self.pki.ca.crl(*leaves, number=self.crl_number)]}
        if draw.random() < 0.5:
            trust["ca"].insert(0, self.pki.authority("Chaos CA").path)
        extra = draw.random() < 0.5 if has_extra is None else has_extra
        rights = {person: names[person] for person in may if person not in revoked}
        version = Version(rights, names, bool(self.versions) and extra)
        listeners = [self.listener]
        if version.has_extra:
            listeners.append(dict(self.listener, name="extra"))
            draw.shuffle(listeners)
        changes = {"clients": clients, "trust": {"staff": trust}, "listeners": listeners}
        return version, changes

    def _draw_client(self, name, person, may):
        draw = self.random
        rules = [reach(f"other-{n}.test", 1) for n in range(draw.randrange(4))]
        rules.append(held_rule(rule_of(name)) if may else reach("other.test", 1))
        limits = {"tunnels": draw.randrange(100, 200), "age": f"{draw.randrange(1, 9)}h"}
        more = {"limits": limits} if draw.random() < 0.5 else {}
        return config_client(*rules, name=name, match=[{"cn": f"chaos-{person}"}], **more)

    def _enter(self, version, begins):
        digest = hashlib.sha256(self.proxy.config_path.read_bytes()).hexdigest()
        version.id, version.begins = digest[:16], begins
        if self.versions:
            self.versions[-1].ends = time.monotonic()
        self.versions.append(version)
        for listener in self.stage.control.status()["listeners"]:
            host, port = listener["address"].rsplit(":", 1)
            self.proxy.addresses[listener["name"]] = (host, int(port))

    def _tell(self, word, person):
        line = f"{word} sha256:{self.leaves[person].sha256}\n"
        assert self.stage.control.ask(line.encode())[-1]["exit"] == 0

    def _pick(self, fits=lambda wait: True):
        waits = [wait for wait in self.held if fits(wait)]
        return self.random.choice(waits) if waits else None

    def _read_answer(self, wait):
        """The answer of the proxy, or of the target; or the end that came in its place."""
        seen, data = self.held[wait], b""
        with contextlib.suppress(OSError, h2.exceptions.H2Error):
            while b"\r\n\r\n" not in data:
                more = wait.client.read()
                if not more:
                    return
                data += more
            seen.answer = parse_head(data.split(b"\r\n\r\n")[0])

    def _let_go(self, wait, leave):
        seen = self.held.pop(wait)
        with contextlib.suppress(OSError, ValueError, h2.exceptions.H2Error):
            leave()
        if not is_shared(wait):
            with contextlib.suppress(OSError):
                wait.client.sock.close()
        for sock in filter(None, [wait.conn]):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        wait.let_go()
        # Of one that ended in an orderly way nobody can tell whether it still waits for its answer.
        seen.ends = float("inf") if wait.has_ended else time.monotonic()

    # -- what must be true ------------------------------------------------------------------------

    def check(self):
        records = [json.loads(line) for line in self.proxy.audit.lines()]
        check_records(records)
        decisions, closes = {}, {}
        for record in records:
            if record["event"] == "decision":
                place = record["client"]["address"], record["request"].get("stream")
                decisions.setdefault(place, []).append(record)
            elif record["event"] == "close":
                closes[record["id"]] = record
        refused = {r["client"]["address"] for r in records if r["event"] == "handshake_refused"}
        for seen in self.seen:
            found = decisions.get((seen.address, seen.stream), [])
            assert len(found) <= 1, f"decided more than once: {seen}: {found}"
            is_told = found or seen.address in refused or seen.may_be_silent
            assert is_told, f"nothing was recorded of {seen}"
            for decision in found:
                self._check_decision(seen, decision)
            self._check_answer(seen, found, closes)
        places = {(seen.address, seen.stream) for seen in self.seen}
        strange = [place for place in decisions if place[0].startswith("127.1.") and place not in places]
        assert not strange, f"nobody has asked: {[decisions[place] for place in strange]}"
        self._verify()

    def _check_decision(self, seen, decision):
        found = [version for version in self.versions if version.id == decision["config"]]
        assert found, f"of no configuration: {decision}"
        version = found[0]
        assert version.begins <= seen.ends and seen.begins <= version.ends, (seen, version, decision)
        said = decision["decision"]
        name = version.names[seen.person]
        assert decision["client"]["name"] == name, (version, decision)
        assert said["rule"] == (rule_of(name) if said["reason"] == "rule" else None), decision

    @staticmethod
    def _check_answer(seen, found, closes):
        if seen.answer is None or "x-request-id" not in seen.answer.fields:
            return
        assert seen.answer.id in [decision["id"] for decision in found], (seen, found)
        assert closes[seen.answer.id]["status"] == seen.answer.status, (seen, found)

    def _verify(self):
        """The program's own reader finds nothing wrong."""
        path = self.pipe.kept if self.pipe else self.stage.folder / "audit.jsonl"
        result = run_program("audit", "verify", path)
        assert result.returncode == 0, result.stdout + result.stderr
