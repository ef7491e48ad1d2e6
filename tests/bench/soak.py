#!/usr/bin/python3
"""A mixed load for a long time: does anything grow, get lost, or go wrong? Called by tools/bench --soak.

    soak.py [MINUTES] [--rounds N]

Owns: what is done to the proxy and what must be true of it. In each round clients come and go (full and
resumed handshakes, echoes that are compared, resets, refusals, handshakes that are given up), others
hold tunnels and use them, others move bytes and then vanish, while the configuration is reloaded again
and again. A half of them speak HTTP/2, many streams on a connection. Then everything is closed, the log is rotated, and the round is judged: every tunnel held,
every byte right, every decision with its one close, as many records as there were requests, no reason
that is not the client's doing, no descriptor left open, no memory that grows from round to round.
"""

import argparse
import collections
import json
import os
import shutil
import signal
import sys
import tempfile
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(os.path.dirname(FOLDER), "e2e")]

# pylint: disable=wrong-import-position
from credentials import Credentials  # noqa: E402
from load import Clients, Origin  # noqa: E402
from measure import descriptors, pss_bytes  # noqa: E402
from peers import Sallyport  # noqa: E402

# Ends that a client brings about. Anything else is the proxy's, or the machine's.
CLIENTS_DOING = {"client_closed", "client_reset", "client_truncated", "refused"}
PATIENCE_S = 60
DESCRIPTORS_MAX = 48  # of a proxy with two workers that nobody uses
GROWTH_MAX = 1.10  # of PSS, from the first rounds to the last ones
GROWTH_FLOOR = 2 * 1024 * 1024  # bytes; smaller ones are no growth
STREAMS = 50  # on a connection of HTTP/2


class Failed(Exception):
    """Something that must be true is not."""


def check(truth, text):
    if not truth:
        raise Failed(text)


def wait_for(condition, text):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        check(time.monotonic() < until, "waited in vain: " + text)
        time.sleep(0.02)


class Crew:
    """Three kinds of clients that speak one protocol."""

    def __init__(self, binary, port, leaf, is_http2):
        self.is_http2 = is_http2
        mode = f"h2={STREAMS}" if is_http2 else ""
        self.comers, self.holders, self.movers = self.all = [Clients(binary, port, leaf, mode) for _ in range(3)]

    def come(self, expected):
        """What the comers did since they were begun."""
        came = self.comers.answer()
        check(came["failed"] == 0 and came["unfinished"] == 0, f"mixed: {came}")
        check(came["echoed"] > 0, f"nothing came of it: {came}")
        check(self.is_http2 or came["resumed"] > 0, f"nobody has resumed: {came}")
        expected["allow"] += came["closed"] + came["echoed"] + came["reset"]
        expected["deny"] += came["refused"]
        # Who gives up in the handshake does so over HTTP/2 once the stream is there.
        expected["allow" if self.is_http2 else "left"] += came["left"]
        if self.is_http2:
            self.comers.ask("close")


class Soak:
    """The proxy, its origin, and its clients."""

    def __init__(self, folder, binary, options):
        pki = os.path.join(folder, "pki")
        work = os.path.join(folder, "proxy")
        os.mkdir(pki)
        os.mkdir(work)
        self.options = options
        self.credentials = Credentials(pki)
        self.origin = Origin(binary)
        self.proxy = Sallyport(work, self.credentials, self.origin).start()
        self.echo = self.origin.target("echo")
        self.crews = [
            Crew(binary, self.proxy.port, self.credentials.client, is_http2) for is_http2 in (False, True)
        ]
        self.audit = os.path.join(work, "audit.jsonl")
        self.reloads = 0
        self.pss = []
        self.totals = collections.Counter()
        # None until the first round is over: what a proxy opens once, it opens with the first client at the latest.
        self.descriptors = None

    # -- one round ----------------------------------------------------------------------------

    def clients(self):
        return [clients for crew in self.crews for clients in crew.all]

    def ask(self, clients, *words):
        answer = clients.ask(*words)
        check(answer["failed"] == 0, f"{' '.join(map(str, words))}: {answer}")
        return answer

    def use_tunnels(self, until, expected):
        """Holders echo, movers move and vanish, the configuration is reloaded; until it is time."""
        turn = 0
        while time.monotonic() < until:
            for crew in self.crews:
                for size in (1, 64, 1500, 16384, 70000):
                    self.ask(crew.holders, "echo", size, 16)
                self.ask(crew.movers, "open", self.echo, 4)
                expected["allow"] += 4
                crew.movers.begin("bulk", ("both", "up", "down")[turn % 3], 0.3)
            self.proxy.reload()
            self.reloads += 1
            for crew in self.crews:
                answer = crew.movers.answer()
                check(answer["failed"] == 0, f"bulk: {answer}")
                crew.movers.ask("abort" if turn % 2 else "close")
            turn += 1

    def round(self, seconds):
        expected = collections.Counter()
        held, rate = self.options.tunnels // 2, self.options.rate / 2
        for crew in self.crews:
            self.ask(crew.holders, "open", self.echo, held)
            expected["allow"] += held
            crew.comers.begin("storm", "mixed", self.echo, seconds, 16, rate, "127.0.0.1:1")
        self.use_tunnels(time.monotonic() + seconds, expected)
        for crew in self.crews:
            crew.come(expected)
            crew.holders.ask("close")
        return expected

    # -- what must be true --------------------------------------------------------------------

    def rotate(self):
        """Gives the records since the last time; the file is begun again."""
        old = self.audit + ".old"
        os.rename(self.audit, old)
        self.proxy.processes[0].send_signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(self.audit), "the log is begun again")
        return old

    def judge_records(self, path, expected):
        found, open_ids = collections.Counter(), set()
        with open(path, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                event = record["event"]
                check(event != "records_lost", f"records were lost: {record}")
                if event == "decision":
                    check(record["id"] not in open_ids, f"two of one id: {record}")
                    open_ids.add(record["id"])
                    found[record["decision"]["action"]] += 1
                    found[record["request"]["protocol"]] += 1
                elif event == "close":
                    check(record["id"] in open_ids, f"a close without its decision: {record}")
                    open_ids.remove(record["id"])
                    check(record["reason"] in CLIENTS_DOING, f"not the client's doing: {record}")
                elif event == "handshake_refused":
                    check(record["reason"] == "client_aborted", f"a refused handshake: {record}")
                    found["left"] += record["count"]
        check(not open_ids, f"{len(open_ids)} decisions without a close")
        for kind in ("allow", "deny", "left"):
            check(found[kind] == expected[kind],
                  f"{found[kind]} records of {kind}, {expected[kind]} requests")
        check(found["error"] == 0, f"{found['error']} requests ended in an error")
        check(found["h1"] > 0 and found["h2"] > 0, f"not both protocols: {dict(found)}")
        self.totals += found

    def count_records(self):
        """(closes, refused handshakes) in the log; of the latter a record may stand for several."""
        closes, left = 0, 0
        with open(self.audit, "rb") as file:
            for line in file:
                if b'"event":"close"' in line:
                    closes += 1
                elif b'"event":"handshake_refused"' in line and line.endswith(b"\n"):
                    left += json.loads(line)["count"]
        return closes, left

    def are_written(self, requests, left):
        closes, refused = self.count_records()
        return closes >= requests and refused >= left

    def judge(self, expected):
        pids = self.proxy.pids()
        if self.descriptors is None:
            wait_for(lambda: descriptors(pids) <= DESCRIPTORS_MAX, "the descriptors of clients are closed")
            self.descriptors = descriptors(pids)
        wait_for(
            lambda: descriptors(pids) <= self.descriptors,
            f"all descriptors are closed: {descriptors(pids)} are open, of at most {self.descriptors}",
        )
        requests = expected["allow"] + expected["deny"]
        # Those of refused handshakes are counted, and come a second or two later.
        wait_for(lambda: self.are_written(requests, expected["left"]),
                 f"records of {requests} requests and {expected['left']} refused handshakes")
        path = self.rotate()
        self.judge_records(path, expected)
        os.remove(path)
        self.pss.append(pss_bytes(pids))

    def judge_growth(self):
        if len(self.pss) < 3 or self.options.no_memory:
            return
        # Of two rounds each, for what a round leaves in the allocator differs by megabytes.
        first, last = max(self.pss[1:3]), min(self.pss[-2:])
        check(last <= max(first * GROWTH_MAX, first + GROWTH_FLOOR),
              f"memory grows from round to round: {[pss // 1024 for pss in self.pss]} KiB")

    def stop(self):
        for clients in self.clients():
            clients.stop()
        process = self.proxy.processes[0]
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE_S)
        said = self.proxy.said()
        check(status == 0, f"exit status {status}: {said[-2000:]}")
        check("Sanitizer" not in said and "runtime error" not in said, said[-4000:])

    def end(self):
        for clients in self.clients():
            if clients.process.poll() is None:
                clients.process.kill()
        self.proxy.stop()
        self.origin.stop()

    def run(self):
        self.judge(self.round(min(3.0, self.options.seconds)))  # allocates what stays
        for number in range(self.options.rounds):
            self.judge(self.round(self.options.seconds))
            print(f"round {number + 1} of {self.options.rounds}: {dict(self.totals)} requests, "
                  f"{self.reloads} reloads, {self.pss[-1] // 1024} KiB", flush=True)
        self.judge_growth()
        self.stop()


def run(options):
    """Runs it; raises Failed."""
    folder = tempfile.mkdtemp(prefix="sallyport-soak.")
    os.chmod(folder, 0o755)
    soak = None
    try:
        soak = Soak(folder, os.environ["BENCH_LOAD"], options)
        soak.run()
    finally:
        if soak:
            soak.end()
        shutil.rmtree(folder, ignore_errors=True)


def parse(argv):
    parser = argparse.ArgumentParser(prog="tools/bench --soak")
    parser.add_argument("minutes", nargs="?", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, help="that the time is cut into (default: one in 30 s)")
    parser.add_argument("--tunnels", type=int, default=200, help="that are held (default 200)")
    parser.add_argument("--rate", type=int, default=200, help="new clients a second (default 200)")
    parser.add_argument("--no-memory", action="store_true",
                        help="do not look at growth: a sanitizer keeps what is freed")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or max(3, int(options.minutes * 2))
    options.seconds = options.minutes * 60 / options.rounds
    return options


def main(argv):
    """The command: 0 when all is well, 1 when not."""
    try:
        run(parse(argv))
    except Failed as problem:
        print(f"FAILED: {problem}")
        return 1
    print("nothing grew, nothing was lost, nothing went wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
