#!/usr/bin/python3
"""What `scope: fleet` costs, beside `scope: machine`: a request and a tunnel of a client with limits.

    tests/bench/fleet_limits.py [--seconds S] [--rounds N] [--bin PATH]

Plain requests, one after the other over one connection, take a tunnel, a request and a new tunnel of the client's limits each.
The rounds alternate. Printed are the round trips, the proxy's processor time for each, and how often the store was asked. Needs
redis-server, and a network namespace with `lo` (unshare -rn; ip link set lo up). docs/FLEET.md has the figures.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

# ruff: noqa: E402 - the path has to be set first
from support import config as configs
from support.control import CONTROL, Control
from support.fleet import Redis
from support.plain import PlainClient, StrictOrigin, url
from support.scale import eventually

LIMITS = {"tunnels": 1000, "new_tunnels": "100000/s", "burst": 100000, "requests": "100000/s", "requests_burst": 100000}


def config_of(pki, folder, port, store):
    key = folder / "fleet.key"
    key.write_text("7" * 64 + "\n")
    key.chmod(0o600)
    config = configs.base_config(pki, "127.0.0.1:9")
    config["control"] = CONTROL
    config["shared"] = {"valkey": store.address, "key_file": str(key)}
    config["clients"] = [
        {
            "name": scope,
            "match": [{"cn": scope}],
            "allow": [{"addresses": ["127.0.0.0/8"], "ports": [port]}],
            "limits": {"scope": scope, **LIMITS},
        }
        for scope in ("machine", "fleet")
    ]
    return config


def ask(proxy, control, requester, target, scope, seconds):
    asked = control.status()["fleet"]["limits"]["questions"]
    before, taken = proxy.cpu_seconds(), []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        assert requester.get(target).status == 200
        taken.append((time.perf_counter() - begun) * 1e6)
    cpu = (proxy.cpu_seconds() - before) * 1e6 / len(taken)
    asked = (control.status()["fleet"]["limits"]["questions"] - asked) / len(taken)
    taken.sort()
    at = [taken[int(len(taken) * share)] for share in (0.5, 0.99)]
    print(
        f"{scope:8} p50 {at[0]:5.0f} us  p99 {at[1]:5.0f} us  proxy {cpu:5.1f} us a request  "
        f"{asked:.4f} questions a request  {len(taken)} requests",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bin", default=str(ROOT / "bazel-bin" / "proxy" / "sallyport"))
    options = parser.parse_args()
    os.environ["SALLYPORT_BIN"] = options.bin
    from support.pki import Pki
    from support.proxy import Proxy

    with tempfile.TemporaryDirectory(prefix="sallyport-fleet.") as name:
        folder = Path(name) / "proxy"
        folder.mkdir()
        pki, server, store = Pki(name), StrictOrigin(), Redis(folder).start()
        proxy = Proxy(folder, config_of(pki, folder, server.port, store), pki).wait_ready()
        try:
            control = Control(proxy)
            eventually(lambda: control.status()["fleet"]["limits"]["asks"], "the proxy to ask the store")
            target = url(server, host="127.0.0.1")
            requesters = {scope: PlainClient(proxy.connect(pki.ca.leaf(scope))) for scope in ("machine", "fleet")}
            for _ in range(options.rounds):
                for scope, requester in requesters.items():
                    ask(proxy, control, requester, target, scope, options.seconds)
        finally:
            proxy.kill()
            store.stop()
            server.stop()


if __name__ == "__main__":
    main()
