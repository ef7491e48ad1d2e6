"""The load generator's processes: the origin, and clients that take commands.

Owns: how they are started, asked and ended. What they do is in load/*.c.
"""

import json
import os
import subprocess


class Origin:
    """The servers behind the proxy: a process for echoes, and one for all that moves many bytes, so
    that a small message never waits in the origin for a large one. `host`: where clients look for them."""

    def __init__(self, binary, host="127.0.0.1"):
        self.host = host
        self._processes = [
            subprocess.Popen(
                [binary, "origin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        small, large = map(self._read_ports, self._processes)
        self.ports = {**large, **{name: port for name, port in small.items() if name.startswith("echo")}}
        # Echoes of many bytes, next to small ones.
        self.ports["bulk_echo"] = large["echo"]

    @staticmethod
    def _read_ports(process):
        words = process.stdout.readline().split()
        if not words or words[0] != "ready":
            raise RuntimeError("the origin does not start")
        return {name: int(port) for name, port in (word.split("=") for word in words[1:])}

    @property
    def pids(self):
        return [process.pid for process in self._processes]

    def target(self, kind):
        return f"{self.host}:{self.ports[kind]}"

    def echoes(self):
        """All that echo small messages: for more connections a second than one port of a target takes in its stride."""
        names = sorted(name for name in self.ports if name.startswith("echo"))
        return ",".join(map(self.target, names))

    def stop(self):
        for process in self._processes:
            process.stdin.close()
            process.wait(30)


class Clients:
    """One client process. Commands may be begun here and waited for later: several at once."""

    def __init__(self, binary, port, leaf=None, mode=""):
        """`mode`: of a leaf "hello", or "h2=" and the most streams on a connection; of none "direct" or "plain"."""
        identity = [leaf.chain, leaf.key] if leaf else []
        identity += [mode] if mode else []
        self.process = subprocess.Popen(
            [binary, "client", str(port), *identity],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
        )

    @property
    def pid(self):
        return self.process.pid

    def begin(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator has died")
        return json.loads(line)

    def ask(self, *words):
        self.begin(*words)
        return self.answer()

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
