"""Another wall clock for one program: clock_probe.c built, loaded, and set.

Not together with a sanitizer, which wants to be loaded first.
"""

import mmap
import os
import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
OFFSET = struct.Struct("q")


class Clock:
    """`environment` is for the program whose clock it is."""

    def __init__(self, folder):
        library, offset = Path(folder) / "clock_probe.so", Path(folder) / "clock.offset"
        self._jumps = Path(folder) / "clock.jumps"
        command = ["cc", "-std=gnu17", "-O2", "-shared", "-fPIC", "-Wall", "-Werror"]
        subprocess.run([*command, "-o", library, HERE / "clock_probe.c"], check=True)
        offset.write_bytes(OFFSET.pack(0))
        os.mkfifo(self._jumps)
        with open(offset, "r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "SALLYPORT_CLOCK_PROBE": str(offset),
            "SALLYPORT_CLOCK_JUMPS": str(self._jumps),
        }

    def jump(self, seconds):
        """Sets the program's clock `seconds` further, and lets its kernel say so."""
        self._offset[:] = OFFSET.pack(OFFSET.unpack(self._offset[:])[0] + int(seconds))
        with open(self._jumps, "wb", buffering=0) as jumps:
            jumps.write(b".")
