"""Clients that open tunnels without a pause, in a process of their own."""

import json
import sys
import threading
from collections import Counter
from types import SimpleNamespace

from support.apart import Apart


class Load(Apart):
    """`count` clients of `proxy` that reach `target`, and know that they may not reach `denied`.

    They did: {"opened": n, "denied": n, "resumed": n, "failures": [...]}.
    """

    def __init__(self, proxy, identity, target, denied, count):
        super().__init__("load", proxy, identity, target=target, denied=denied, count=count)


class Worker:
    """One of the clients: a refused request and a tunnel on one connection, again and again."""

    def __init__(self, order, context):
        self._order = order
        self._context = context
        self._session = None
        self.done = Counter()

    def run(self, is_over):
        from support.wire import Client  # pylint: disable=import-outside-toplevel

        turn = 0
        while not is_over.is_set():
            session = self._session if turn % 3 else None
            client = Client(tuple(self._order["address"]), self._context, session=session)
            try:
                self._turn(client, b"%d" % turn * 300)
            finally:
                client.close()
            turn += 1

    def _turn(self, client, data):
        client.handshake()
        refused = client.ask(self._order["denied"])
        assert refused.status == 403 and "no_rule" in refused.reason, refused
        self.done["denied"] += 1
        client.tunnel(self._order["target"])
        client.echo(data)
        self.done["opened"] += 1
        self.done["resumed"] += client.tls.session_reused
        self._session = client.tls.session


def main():
    from support.wire import client_context  # pylint: disable=import-outside-toplevel

    order = json.loads(sys.argv[1])
    identity = SimpleNamespace(chain=order["chain"], key=order["key"])
    context = client_context(order["ca"], identity)
    is_over = threading.Event()
    failures = []
    workers = [Worker(order, context) for _ in range(order["count"])]

    def run(worker):
        try:
            worker.run(is_over)
        except Exception as problem:  # pylint: disable=broad-except
            failures.append(repr(problem))

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    print("running", flush=True)
    sys.stdin.read()
    is_over.set()
    for thread in threads:
        thread.join()
    done = sum((worker.done for worker in workers), Counter())
    print(json.dumps({"opened": 0, "denied": 0, "resumed": 0, **done, "failures": failures}))


if __name__ == "__main__":
    main()
