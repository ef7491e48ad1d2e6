"""How long the program's threads are busy between two waits: loop_probe.c built, loaded, read.

Not together with a sanitizer, which wants to be loaded first.
"""

import mmap
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROW = struct.Struct("4Q")
ROW_COUNT = 64


@dataclass(frozen=True)
class Passes:
    """What the busiest thread did since the last reset."""

    count: int
    longest_cpu_ms: float
    longest_clock_ms: float
    total_cpu_ms: float


class LoopProbe:
    """Builds the probe in `folder`; `environment` is for the program that is to be watched."""

    def __init__(self, folder):
        library, rows = Path(folder) / "loop_probe.so", Path(folder) / "loop_probe.rows"
        command = ["cc", "-std=gnu17", "-O2", "-shared", "-fPIC", "-Wall", "-Werror"]
        subprocess.run(
            [*command, "-o", library, HERE / "loop_probe.c", "-ldl", "-pthread"], check=True
        )
        rows.write_bytes(bytes(ROW_COUNT * ROW.size))
        with open(rows, "r+b") as file:
            self._rows = mmap.mmap(file.fileno(), 0)
        self.environment = {"LD_PRELOAD": str(library), "SALLYPORT_LOOP_PROBE": str(rows)}

    def reset(self):
        self._rows[:] = bytes(len(self._rows))

    def worst_cpu_ms(self):
        """The longest pass of any thread."""
        every = [ROW.unpack_from(self._rows, at * ROW.size) for at in range(ROW_COUNT)]
        return max(cpu for _, cpu, _, _ in every) / 1e6

    def read(self):
        """The thread that was busiest: with one worker, that worker."""
        every = [ROW.unpack_from(self._rows, at * ROW.size) for at in range(ROW_COUNT)]
        passes, cpu, clock, total = max(every, key=lambda row: row[3])
        return Passes(passes, cpu / 1e6, clock / 1e6, total / 1e6)
