"""The control socket as tests use it: through the commands, and byte for byte."""

import json
import socket

from support.proxy import run
from support.scale import PATIENCE

PERHAPS_ALONE = (0, 1)  # of a block, where the proxy may know that no other hears of it
CONTROL = {"socket": "control.sock", "state": "state.json"}


class Control:
    """The control socket of a proxy whose configuration has CONTROL."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.path = proxy.folder / CONTROL["socket"]
        self.state_path = proxy.folder / CONTROL["state"]

    def run(self, command, *arguments, expected=0, **options):
        """The command line; `expected` is its exit status, or those that it may have."""
        result = run(command, "-c", self.proxy.config_path, *arguments, **options)
        assert result.returncode in (expected if isinstance(expected, tuple) else (expected,)), f"{result.returncode}: {result.stderr}"
        return result

    def ask(self, line):
        """The lines of the answer to these bytes, as objects."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.path))
            client.sendall(line)
            return read_lines(client)

    def connect(self, line):
        """A connection that has sent these bytes; the caller closes it."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.path))  # waits for room among those that wait
        client.settimeout(PATIENCE)
        client.sendall(line)
        return client

    def status(self):
        return self.ask(b"status\n")[0]

    def block(self, *who, **options):
        return self.run("block", *who, **options)

    def unblock(self, *who, **options):
        return self.run("unblock", *who, **options)

    def state(self):
        return json.loads(self.state_path.read_text())

    def admin(self, command, **wanted):
        return self.proxy.audit.wait("admin", command=command, **wanted)


def read_lines(client):
    """Everything up to the end of the connection."""
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return [json.loads(line) for line in data.split(b"\n") if line]
