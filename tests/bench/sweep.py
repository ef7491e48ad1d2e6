#!/usr/bin/python3
"""How long one worker is busy at a time while thousands of live tunnels are judged again.

    tests/bench/sweep.py [--tunnels N] [--rounds N] [--bin PATH]

Opens N tunnels (10,000, or as many as the descriptors allow) through one worker, and reloads in
several ways. Owns: the measurement; the parts come from tests/e2e/support. Prints; fails when somebody
loses a tunnel who should not, or when the worker is busy for more than 10 ms at a time. Needs a network namespace of its own with
`lo` (unshare -rn; ip link set lo up). docs/PERFORMANCE.md has the figures.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

# ruff: noqa: E402 - the path has to be set first
from support.loops import LoopProbe

RESERVE = 200  # descriptors for everything that is no tunnel
PER_PROCESS = 2500
STALL_MS = 10.0  # the most that a worker may be busy at a time


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tunnels", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bin", default=str(ROOT / "bazel-bin" / "proxy" / "sallyport"))
    parser.add_argument("--holder", nargs=6, help=argparse.SUPPRESS)
    parser.add_argument("--origin", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


# -- the other processes ----------------------------------------------------------------------


def serve_echo():
    """A process that sends back what comes, for any number of connections; prints its port."""

    async def echo(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                writer.write(data)
        writer.close()

    async def serve():
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
            print(listener.getsockname()[1], flush=True)
            await (await asyncio.start_server(echo, sock=listener)).serve_forever()

    asyncio.run(serve())


def start_self(*arguments):
    """Another process of this file, that one can talk with."""
    return subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def hold(address, ca, chain, key, target, count):
    """A process that holds tunnels; answers `check` and `ended` on stdin with a number each."""
    from types import SimpleNamespace

    from support.wire import Client, client_context

    host, port = address.rsplit(":", 1)
    context = client_context(ca, SimpleNamespace(chain=chain, key=key))
    tunnels = []
    for _ in range(int(count)):
        tunnel = Client((host, int(port)), context)
        tunnel.handshake().tunnel(target)
        tunnels.append(tunnel)
    print(len(tunnels), flush=True)
    poll = select.poll()
    for tunnel in tunnels:
        poll.register(tunnel.sock, select.POLLIN)
    for line in sys.stdin:
        if line == "check\n":
            for tunnel in tunnels:
                tunnel.echo(b"still here")
            print(len(tunnels), flush=True)
        else:
            print(len(poll.poll(0)), flush=True)


class Holders:
    """The processes that hold the tunnels."""

    def __init__(self, proxy, identity, target, count):
        arguments = ["{}:{}".format(*proxy.address), proxy.pki.server_ca.path]
        arguments += [identity.chain, identity.key, target]
        self._processes = []
        while count > 0:
            part = min(count, PER_PROCESS)
            count -= part
            self._processes.append(start_self("--holder", *arguments, str(part)))
        self.count = self._gather()

    def _gather(self):
        return sum(int(process.stdout.readline()) for process in self._processes)

    def ask(self, word):
        for process in self._processes:
            process.stdin.write(word + "\n")
            process.stdin.flush()
        return self._gather()

    def stop(self):
        for process in self._processes:
            process.stdin.close()
            process.wait()


# -- the measurement --------------------------------------------------------------------------


def processor_s(proxy):
    """Processor time of all threads of the program."""
    tasks = Path(f"/proc/{proxy.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def wait_settled(proxy):
    """Waits until the program does nothing any more."""
    last, quiet = processor_s(proxy), 0
    while quiet < 3:
        time.sleep(0.1)
        now = processor_s(proxy)
        quiet = quiet + 1 if now - last < 0.005 else 0
        last = now


class Bench:
    """One proxy with its tunnels."""

    def __init__(self, folder, options):
        from support import config as configs
        from support.pki import Pki
        from support.proxy import Proxy

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.count = min(options.tunnels, (limit - RESERVE) // 2)
        self.longest_ms = 0.0
        self.pki = Pki(folder)
        self.many = self.pki.ca.leaf("many")
        self.leaving_ca = self.pki.authority("Leaving CA")
        self.leaving = self.pki.ca.leaf("leaving")
        self.origin = start_self("--origin")
        self.target = f"127.0.0.1:{int(self.origin.stdout.readline())}"
        config = configs.base_config(self.pki, "127.0.0.1:9")
        config["workers"] = 1
        config["timeouts"] = {"idle": "1h", "drain": "1s"}
        config["limits"] = {"sessions": 2 * self.count + RESERVE}  # one client may have half
        config["trust"] = {"staff": self.trust(1)}
        config["clients"] = [self.client("many")]
        (Path(folder) / "proxy").mkdir()
        self.probe = LoopProbe(folder)
        self.proxy = Proxy(
            Path(folder) / "proxy", config, self.pki, environment=self.probe.environment
        ).wait_ready()
        self.holders = None

    def open(self):
        self.holders = Holders(self.proxy, self.many, self.target, self.count)

    def client(self, name):
        port = int(self.target.rsplit(":", 1)[1])
        return {
            "name": name,
            "match": [{"any": True}],
            "allow": [{"addresses": ["127.0.0.0/8"], "ports": [port]}],
        }

    def trust(self, number, *revoked):
        return {"ca": [self.pki.ca.path], "crl": [self.pki.ca.crl(*revoked, number=number)]}

    def watch(self, title, act, rounds=1):
        """Prints how long the worker was busy at a time while it did what `act` brings about."""
        longest = []
        for turn in range(rounds):
            wait_settled(self.proxy)
            self.probe.reset()
            act(turn)
            wait_settled(self.proxy)
            longest.append(self.probe.read())
        busy = max(passes.longest_cpu_ms for passes in longest)
        self.longest_ms = max(self.longest_ms, busy)
        clock = ", ".join(f"{passes.longest_clock_ms:.1f}" for passes in longest)
        total = max(passes.total_cpu_ms for passes in longest)
        print(f"{title}: busy for {busy:.1f} ms at a time (on the clock: {clock}),", end="")
        print(f" {total:.0f} ms in all", flush=True)


def measure(bench, rounds):
    proxy, count = bench.proxy, bench.holders.count
    print(f"{count} live tunnels of one worker", flush=True)
    bench.watch("a thousand echoes each way", lambda turn: bench.holders.ask("check"))

    def same(turn):
        proxy.reload(trust={"staff": bench.trust(2 + turn)})

    bench.watch("another list, nobody on it", same, rounds)

    def renamed(turn):
        proxy.reload(bench.client(f"renamed-{turn}"))

    bench.watch("the client gets another name", renamed, rounds)

    def reissued(turn):
        again = bench.pki.ca.issued_again(f"again-{turn}")
        proxy.reload(trust={"staff": {"ca": [again, bench.leaving_ca.path]}})

    bench.watch("the CA is issued again, every chain is verified again", reissued, rounds)
    leaving = proxy.tunnel(bench.target, bench.leaving)
    trust = bench.trust(100, bench.leaving)
    began = time.monotonic()
    proxy.reload(trust={"staff": trust})
    leaving.read_to_end()
    ended_ms = (time.monotonic() - began) * 1e3
    proxy.assert_closed(leaving.id, "revoked")
    print(f"one of them is revoked: gone {ended_ms:.0f} ms after the signal")
    assert bench.holders.ask("ended") == 0 and bench.holders.ask("check") == count
    print(f"the other {count} are there and echo", flush=True)

    def gone(_turn):
        proxy.reload(trust={"staff": bench.trust(101, bench.many)})

    bench.watch("every tunnel is revoked", gone)
    assert bench.holders.ask("ended") == count
    assert bench.longest_ms < STALL_MS, f"busy for {bench.longest_ms:.1f} ms at a time"


def main():
    options = parse_arguments()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if options.holder:
        hold(*options.holder)
        return
    if options.origin:
        serve_echo()
        return
    os.environ["SALLYPORT_BIN"] = options.bin
    with tempfile.TemporaryDirectory(prefix="sallyport-sweep.") as folder:
        bench = Bench(folder, options)
        try:
            bench.open()
            measure(bench, options.rounds)
            bench.holders.stop()
            bench.proxy.stop(expected=None)
        finally:
            bench.proxy.kill()
            bench.origin.kill()


if __name__ == "__main__":
    main()
