#!/usr/bin/python3
"""Those who say what is revoked are hostile, under load: no wrong yes, no stall, nothing grows.

    hostile_revocation.py [MINUTES] [--part NAME]... [--rate N] [--seed N] [--no-probe]

Called by tools/bench --hostile-revocation. Owns: the proxy, the clients that come and go, and what must be true of the
audit log, of each loop and of memory. What is hostile is a part (hostile_part.py): an OCSP
responder (hostile_responder.py), a server of revocation lists (hostile_publisher.py). Each has a
listener, a trust profile and clients of its own, changes its mood all the time, and knows what it has truthfully said and
when. Every `allow` in the log must agree with that, and every tunnel of a client that was revoked must end soon. In the end
all are honest, and every good client must be let in again.
"""

import argparse
import calendar
import json
import os
import random
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "e2e")]

# pylint: disable=wrong-import-position
from hostile_publisher import HostilePublisher  # noqa: E402
from hostile_responder import HostileResponder  # noqa: E402
from measure import pss_bytes  # noqa: E402
from support import config as configs  # noqa: E402
from support.loops import LoopProbe  # noqa: E402
from support.origin import Origin, echo  # noqa: E402
from support.pki import Pki  # noqa: E402

ROUND_S = 10.0
PATIENCE_S = 120
LAST_PATIENCE_S = 400  # until all are let in: a certificate about which there was no answer is put off for up to 300 s
STALL_MAX_MS = 20.0  # of processor time in one pass of a loop
GROWTH_MAX = 1.10  # of PSS, from the second quarter of the run to the last
GROWTH_FLOOR = 2 * 1024 * 1024  # bytes; smaller ones are no growth
THREADS = 24  # of the clients of a part; many of them wait


class Failed(Exception):
    """Something that must be true is not."""


def check(truth, text):
    if not truth:
        raise Failed(text)


def seconds_of(stamp):
    """Unix seconds of a record's `ts`."""
    whole, fraction = stamp.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + int(fraction) / 1000


class Crowd:
    """Threads of clients of one part: they come, echo, and some of them stay for some seconds."""

    def __init__(self, part, address, target, rate, seed):
        self.part, self.address, self.target = part, address, target
        self.pause_s = THREADS / rate
        self.allowed = self.refused = 0
        self.is_over = threading.Event()
        self._random = random.Random(seed)
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(self._random.random()),), daemon=True)
            for _ in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self.is_over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            check(not thread.is_alive(), "a client waits for ever")

    def visit(self, member, resumes):
        """Comes once; the connection with its tunnel, or None."""
        tls = None
        raw = socket.create_connection(self.address, 30)
        try:
            session = member.session if resumes else None
            tls = member.context.wrap_socket(raw, session=session)
            tls.sendall(f"CONNECT {self.target} HTTP/1.1\r\nHost: {self.target}\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                piece = tls.recv(4096)
                if not piece:
                    raise ConnectionError("ended")
                head += piece
            if head.split(b" ", 2)[1] != b"200":
                raise ConnectionError("refused")
            self._echo(tls)
            member.session = tls.session
            return tls
        except OSError:
            (tls or raw).close()
            return None

    @staticmethod
    def _echo(tls):
        tls.sendall(b"x" * 100)
        left = 100
        while left > 0:
            piece = tls.recv(left)
            if not piece:
                raise ConnectionError("ended")
            left -= len(piece)

    def _run(self, chance):
        held = []
        while not self.is_over.is_set():
            tls = self.visit(chance.choice(self.part.members), chance.random() < 0.5)
            if tls is None:
                self.refused += 1
            else:
                self.allowed += 1
                stays_s = chance.uniform(1, 20) if chance.random() < 0.2 else 0
                held.append((time.monotonic() + stays_s, tls))
            now_s = time.monotonic()
            for until_s, one in held:
                if until_s <= now_s:
                    one.close()
            held = [(until_s, one) for until_s, one in held if until_s > now_s]
            self.is_over.wait(self.pause_s * chance.uniform(0.5, 1.5))
        for _, one in held:
            one.close()


class Log:
    """The audit log, judged as it grows: it is begun again each round, and what was read is removed."""

    def __init__(self, proxy, parts):
        self.proxy = proxy
        self.parts = {part.name: part for part in parts}
        self.path = str(proxy.folder / "audit.jsonl")
        self.open = {}  # id -> (part, serial, when)
        self.allows = self.refusals = self.closes = 0

    def judge(self):
        old = self.path + ".old"
        os.rename(self.path, old)
        self.proxy.send_signal(signal.SIGUSR1)
        until = time.monotonic() + PATIENCE_S
        while not os.path.exists(self.path):
            check(time.monotonic() < until, "the log is not begun again")
            time.sleep(0.02)
        with open(old, encoding="utf-8") as file:
            for line in file:
                self._judge(json.loads(line))
        os.remove(old)

    def _judge(self, record):
        event = record["event"]
        check(event != "records_lost", f"records were lost: {record}")
        if event == "handshake_refused":
            self.refusals += record["count"]
        elif event == "decision":
            self._judge_decision(record)
        elif event == "close" and record["id"] in self.open:
            part, serial, begun_s = self.open.pop(record["id"])
            self.closes += 1
            problem = part.lingered(serial, begun_s, seconds_of(record["ts"]))
            check(problem is None, f"a tunnel that should have ended: {problem}: {record}")

    def _judge_decision(self, record):
        if record["decision"]["action"] != "allow":
            self.refusals += 1
            return
        self.allows += 1
        part, serial = self.parts[record["listener"]], record["client"]["serial"]
        at_s = seconds_of(record["ts"])
        problem = part.problem_of(serial, at_s)
        check(problem is None, f"a wrong yes: {problem}: {record}")
        self.open[record["id"]] = (part, serial, at_s)


class Run:
    """The proxy, with a listener for each part, and the crowds."""

    def __init__(self, folder, options):
        from support.proxy import Proxy  # after SALLYPORT_BIN was set

        self.options = options
        self.pki = Pki(str(folder))
        self.origin = Origin(echo)
        chance = random.Random(options.seed)
        self.parts = [PARTS[name](self.pki, chance.random()) for name in options.part]
        self.probe = None if options.no_probe else LoopProbe(folder)
        work = folder / "proxy"
        work.mkdir()
        environment = self.probe.environment if self.probe else None
        self.proxy = Proxy(work, self._config(), self.pki, environment=environment).wait_ready()
        self.log = Log(self.proxy, self.parts)
        target = f"127.0.0.1:{self.origin.port}"
        self.crowds = [
            Crowd(part, self.proxy.addresses[part.name], target, options.rate, chance.random())
            for part in self.parts
        ]
        self.pss, self.stalls = [], []

    def _config(self):
        config = configs.base_config(self.pki, "127.0.0.1:9")
        site = config["listeners"][0]
        config["listeners"] = [{**site, "name": part.name, "trust": part.name} for part in self.parts]
        config["trust"] = {part.name: part.profile() for part in self.parts}
        rule = {"addresses": ["127.0.0.0/8"], "ports": ["any"]}
        config["clients"] = [
            configs.client(rule, name=part.name, match=({"any": True, "trust": part.name},)) for part in self.parts
        ]
        return config

    def _round(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for part in self.parts:
                part.step()
            time.sleep(0.5)
            check(self.proxy.process.poll() is None, f"it has died: {self.proxy.stderr.text()[-4000:]}")
        self.log.judge()
        self.pss.append(pss_bytes([self.proxy.pid]))

    def _note_stall(self, is_counted):
        if self.probe is None:
            return
        if is_counted:
            self.stalls.append(self.probe.worst_cpu_ms())
        self.probe.reset()

    def _say(self, number, count):
        stall = f", longest pass {self.stalls[-1]:.1f} ms" if self.stalls else ""
        print(
            f"round {number} of {count}: {self.log.allows} allowed, {self.log.refusals} refused, "
            f"{self.pss[-1] // 1024} KiB{stall}; {'; '.join(part.report() for part in self.parts)}",
            flush=True,
        )

    def _judge_growth(self):
        if self.options.no_probe or len(self.pss) < 8:
            return  # a sanitizer keeps what is freed
        quarter = len(self.pss) // 4
        first = statistics.median(self.pss[quarter : 2 * quarter])
        last = statistics.median(self.pss[-quarter:])
        check(
            last <= max(first * GROWTH_MAX, first + GROWTH_FLOOR),
            f"memory grows: {[each // 1024 for each in self.pss]} KiB",
        )

    def _wait_all_in(self):
        """In the end everybody is good again, and is let in."""
        for part, crowd in zip(self.parts, self.crowds):
            part.be_honest()
            until = time.monotonic() + LAST_PATIENCE_S
            left = list(part.members)
            while left:
                left = [member for member in left if not self._is_let_in(crowd, member)]
                check(time.monotonic() < until, f"{len(left)} good clients of {part.name} are refused")
                time.sleep(0.5)

    @staticmethod
    def _is_let_in(crowd, member):
        tls = crowd.visit(member, False)
        if tls is not None:
            tls.close()
        return tls is not None

    def run(self):
        count = max(2, round(self.options.minutes * 60 / ROUND_S))
        for number in range(1, count + 1):
            self._round(ROUND_S)
            self._note_stall(number > 1)  # the first one allocates what stays
            self._say(number, count)
        for crowd in self.crowds:
            crowd.stop()
        self._wait_all_in()
        self.log.judge()
        self._judge_growth()
        for crowd in self.crowds:
            check(crowd.allowed > 0 and crowd.refused > 0, f"nothing was tried: {crowd.allowed}, {crowd.refused}")
        self._stop()
        if self.stalls:
            check(max(self.stalls) <= STALL_MAX_MS, f"a pass of a loop took {max(self.stalls):.1f} ms")

    def _stop(self):
        self.proxy.send_signal(signal.SIGTERM)
        status = self.proxy.wait_exit()
        said = self.proxy.stderr.text()
        check(status in (0, 1), f"exit status {status}: {said[-4000:]}")
        check("Sanitizer" not in said and "runtime error" not in said, said[-8000:])

    def end(self):
        for crowd in self.crowds:
            crowd.is_over.set()
        if self.proxy.process.poll() is None:
            self.proxy.process.kill()
            self.proxy.process.wait()
        for part in self.parts:
            part.stop()
        self.origin.stop()


PARTS = {part.name: part for part in (HostilePublisher, HostileResponder)}


def parse(argv):
    parser = argparse.ArgumentParser(prog="tools/bench --hostile-revocation")
    parser.add_argument("minutes", nargs="?", type=float, default=60.0)
    parser.add_argument("--part", action="append", choices=sorted(PARTS), help="(default: all)")
    parser.add_argument("--rate", type=float, default=60, help="clients a second of each part (default 60)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument(
        "--no-probe", action="store_true", help="look neither at stalls nor at memory: for a sanitizer"
    )
    options = parser.parse_args(argv)
    options.part = options.part or sorted(PARTS)
    return options


def main(argv):
    """The command: 0 when all is well, 1 when not."""
    options = parse(argv)
    print(f"seed {options.seed}, parts: {', '.join(options.part)}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="sallyport-revocation."))
    run = None
    try:
        run = Run(folder, options)
        run.run()
    except Failed as problem:
        print(f"FAILED: {problem}")
        return 1
    finally:
        if run:
            run.end()
        shutil.rmtree(folder, ignore_errors=True)
    print("no wrong yes, no stall, nothing grew")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
