"""Clients in a process of their own: Python's one lock would otherwise slow down the test that they run beside, and the
other way round."""

import json
import os
import subprocess
import sys

E2E = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Apart:
    """A module of this folder, started with one JSON argument: it says that it runs, works until its stdin ends, and then
    prints what it did and everything that went otherwise than it must, as JSON."""

    def __init__(self, module, proxy, identity, **order):
        order.update(
            address=proxy.address,
            ca=proxy.pki.server_ca.path,
            chain=identity.chain,
            key=identity.key,
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"support.{module}", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": E2E},
        )
        assert self._process.stdout.readline() == "running\n"

    def stop(self, patience):
        """What it did."""
        said, _ = self._process.communicate(timeout=patience)
        assert self._process.returncode == 0
        return json.loads(said)

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
