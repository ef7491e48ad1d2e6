#!/usr/bin/python3
"""What a client at its limits costs the others: round trips of one client beside another that wants more.

    tests/bench/limits.py [--seconds S] [--bin PATH]

One client echoes 64 bytes over one tunnel, first alone, then while another one, of its own process, is
held at its limits: bulk over 20 tunnels that share 10 MB/s, or as many requests for a tunnel as it can
send, which are answered 429. Printed are the round trips and the proxy's processor time. Needs a
network namespace with `lo` (unshare -rn; ip link set lo up). docs/PERFORMANCE.md has the figures.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

# ruff: noqa: E402 - the path has to be set first
from support import config as configs
from support.origin import Origin, echo, source
from support.wire import Client, client_context

BULK_TUNNELS = 20
HELD = {
    "bandwidth_down: 10MB/s, 20 tunnels of bulk": ("bulk", {"bandwidth_down": "10MB/s"}),
    "tunnels: 1, requests without a pause": ("ask", {"tunnels": 1}),
    "new_tunnels: 1/s, requests without a pause": ("ask", {"new_tunnels": "1/s", "burst": 1}),
    "no limit, 20 tunnels of bulk": ("bulk", {}),
}


def greedy(kind, address, target, ca, *identity):
    """The process of the client that wants more; runs until it is ended."""
    context = client_context(ca, SimpleNamespace(chain=identity[0], key=identity[1]))
    clients = []
    for _ in range(BULK_TUNNELS if kind == "bulk" else 2):
        clients.append(Client(address, context).handshake())
        clients[-1].ask(target)
    print("ready", flush=True)
    if kind == "bulk":
        import select

        while True:
            for sock in select.select([client.sock for client in clients], [], [])[0]:
                sock.recv(1 << 18)
    while True:
        if clients[1].ask(target).status == 200:  # the rate has let one through
            clients[1].close()
            clients[1] = Client(address, context).handshake()


def echoes(client, seconds):
    """Round trips of 64 bytes for so long, sorted, in microseconds."""
    taken = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        client.echo(b"x" * 64)
        taken.append((time.perf_counter() - begun) * 1e6)
    return sorted(taken)


def tell(title, proxy, taken, cpu):
    at = [taken[int(len(taken) * share)] for share in (0.5, 0.99)]
    busy = 100 * cpu / (sum(taken) / 1e6)
    print(f"p50 {at[0]:7.0f} us  p99 {at[1]:7.0f} us  proxy {busy:4.0f} % of a core  {title}", flush=True)


def config_of(pki, port, bulk_port, limits):
    config = configs.base_config(pki, "127.0.0.1:9")
    config["clients"] = [
        {
            "name": name,
            "match": [{"cn": name}],
            "allow": [{"addresses": ["127.0.0.0/8"], "ports": [port, bulk_port]}],
            "limits": held,
        }
        for name, held in (("greedy", limits), ("modest", {}))
    ]
    return config


def measure(folder, pki, title, kind, limits, seconds):
    from support.proxy import Proxy

    server, bulk = Origin(echo), Origin(source(1 << 40))
    proxy = Proxy(folder, config_of(pki, server.port, bulk.port, limits), pki).wait_ready()
    load = None
    try:
        modest = proxy.connect(pki.ca.leaf("modest"))
        modest.tunnel(f"127.0.0.1:{server.port}")
        if kind is not None:
            target = f"127.0.0.1:{bulk.port if kind == 'bulk' else server.port}"
            leaf = pki.ca.leaf("greedy")
            order = (kind, proxy.address, target, pki.server_ca.path, leaf.chain, leaf.key)
            load = subprocess.Popen([__file__, "--greedy"], stdin=-1, stdout=-1)
            pickle.dump(order, load.stdin)
            load.stdin.close()
            assert load.stdout.readline() == b"ready\n"
        before = proxy.cpu_seconds()
        taken = echoes(modest, seconds)
        tell(title, proxy, taken, proxy.cpu_seconds() - before)
    finally:
        if load is not None:
            load.kill()
            load.wait()
        bulk.stop()
        server.stop()
        proxy.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--bin", default=str(ROOT / "bazel-bin" / "proxy" / "sallyport"))
    parser.add_argument("--greedy", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.greedy:
        greedy(*pickle.load(sys.stdin.buffer))
    os.environ["SALLYPORT_BIN"] = options.bin
    from support.pki import Pki

    with tempfile.TemporaryDirectory(prefix="sallyport-limits.") as name:
        pki = Pki(name)
        rounds = {"alone": (None, {}), **HELD}
        for number, (title, (kind, limits)) in enumerate(rounds.items()):
            folder = Path(name) / str(number)
            folder.mkdir()
            measure(folder, pki, title, kind, limits, options.seconds)


if __name__ == "__main__":
    main()
