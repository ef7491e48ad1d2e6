"""What a process tree costs: CPU, memory, descriptors; and what the rest of the machine is doing.

Owns: the reading of /proc. Everything is read from outside, so that it is the same for every proxy.
"""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat after the name, from `state` on."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        return file.read().rsplit(")", 1)[1].split()


def tree(root):
    """The process and all that descend from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(_stat(name)[1]), []).append(int(name))
            except OSError:
                pass  # it has just ended
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(pids):
    """User and system time of the processes, their threads, and their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = _stat(pid)
        except OSError:
            continue
        ticks += sum(int(fields[at]) for at in (11, 12, 13, 14))
    return ticks / TICK


def pss_bytes(pids):
    """Proportional set size: shared pages are divided among those who share them."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                for line in file:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def descriptors(pids):
    """Open descriptors of the processes."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def busy_seconds():
    """CPU time that all cores of the machine have spent on anything, since it was started."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(number) for number in file.readline().split()[1:]]
    user, nice, system, _idle, _wait, irq, soft, steal = fields[:8]
    return (user + nice + system + irq + soft + steal) / TICK


class Window:
    """CPU of a proxy between two moments, and the load that was not ours in the same time."""

    def __init__(self, pids, our_pids):
        self._pids = pids
        self._ours = our_pids
        self._begun = self._now()

    def _now(self):
        return (time.monotonic(), cpu_seconds(self._pids), cpu_seconds(self._ours), busy_seconds())

    def end(self):
        """(CPU seconds of the proxy, cores that others have used meanwhile)."""
        wall, proxy, ours, busy = (
            after - before for before, after in zip(self._begun, self._now())
        )
        foreign = max(0.0, busy - proxy - ours) / wall if wall > 0 else 0.0
        return proxy, foreign
