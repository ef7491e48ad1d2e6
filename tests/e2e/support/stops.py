"""A process that stops before it says a certain word to another one: stop_probe.c built, loaded, and told the word.

Not together with a sanitizer, which wants to be loaded first.
"""

import mmap
import struct
import subprocess
from pathlib import Path

from support.scale import eventually
from support.upgrades import Version

HERE = Path(__file__).resolve().parent
WANTED = struct.Struct("IIII")  # length of the datagram, place and value of the byte that says its kind, the process

# What a new process says until it serves, in its order; the numbers are those of the protocols.
READY = (1, 0, 27)  # HANDOVER_READY
KEEPER_SERVING = (256, 1, 0)
SERVING = (1, 0, 12)  # HANDOVER_SERVING


class Stops:
    """`environment` is for the proxy."""

    def __init__(self, folder):
        library, wanted = Path(folder) / "stop_probe.so", Path(folder) / "stop.wanted"
        command = ["cc", "-std=gnu17", "-O2", "-shared", "-fPIC", "-Wall", "-Werror"]
        subprocess.run([*command, "-o", library, HERE / "stop_probe.c"], check=True)
        wanted.write_bytes(bytes(WANTED.size))
        with open(wanted, "r+b") as file:
            self._wanted = mmap.mmap(file.fileno(), 0)
        self.environment = {"LD_PRELOAD": str(library), "SALLYPORT_STOP": str(wanted)}

    def stop_before(self, word):
        """The next process that is about to say this stops."""
        self._wanted[:] = WANTED.pack(*word, 0)

    def wait(self):
        """The process that has stopped."""
        eventually(lambda: self._pid() and _is_stopped(self._pid()), "the process to come so far")
        return Version(self._pid())

    def _pid(self):
        return WANTED.unpack(self._wanted[:])[3]


def _is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"
