"""Clients in processes of their own: some that come, use a tunnel and go without a pause, and one that talks through the
same tunnel all the time."""

import json
import sys
import threading
import time
from types import SimpleNamespace

from support.apart import Apart


class Knocker(Apart):
    """One process; `count` clients that come and go, or one that stays where it is 0.

    It did: {"served": n, "resumed": n, "failures": [...]}, and one that stays {"echoes": n, "longest_ms": x}.
    """

    def __init__(self, proxy, identity, target, count):
        super().__init__("knock", proxy, identity, target=target, count=count)


def come_and_go(order, context, is_over, done):
    from support.wire import Client  # pylint: disable=import-outside-toplevel

    session = None
    while not is_over.is_set():
        client = Client(tuple(order["address"]), context, session=session if done["served"] % 10 else None)
        client.handshake()
        client.tunnel(order["target"])
        client.echo(b"knock")
        done["resumed"] += client.tls.session_reused
        session = client.tls.session
        client.close()
        done["served"] += 1


def stay(order, context, is_over, done):
    from support.wire import Client  # pylint: disable=import-outside-toplevel

    client = Client(tuple(order["address"]), context).handshake()
    client.tunnel(order["target"])
    done.update(echoes=0, longest_ms=0.0)
    while not is_over.is_set():
        begun = time.monotonic()
        client.echo(b"still there?")
        done["longest_ms"] = max(done["longest_ms"], (time.monotonic() - begun) * 1000)
        done["echoes"] += 1
    client.close()


def main():
    from support.wire import client_context  # pylint: disable=import-outside-toplevel

    order = json.loads(sys.argv[1])
    context = client_context(order["ca"], SimpleNamespace(chain=order["chain"], key=order["key"]))
    is_over = threading.Event()
    all_done = []
    failures = []

    def run(work):
        done = {"served": 0, "resumed": 0}
        all_done.append(done)
        try:
            work(order, context, is_over, done)
        except Exception as problem:  # pylint: disable=broad-except
            failures.append(repr(problem))

    works = [come_and_go] * order["count"] or [stay]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    print("running", flush=True)
    sys.stdin.read()
    is_over.set()
    for thread in threads:
        thread.join()
    sums = {name: sum(done[name] for done in all_done) for name in all_done[0]}
    print(json.dumps({**sums, "failures": failures}))


if __name__ == "__main__":
    main()
