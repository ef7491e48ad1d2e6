"""A proxy whose program is changed while it runs: which of its processes serves, and how the others end."""

import contextlib
import os
import re
import select
import shutil
import signal
import threading

from support.control import CONTROL, Control
from support.proxy import BINARY
from support.scale import PATIENCE, eventually

class Version:
    """A process that serves, or has served; the keeper has started it, and sees its end."""

    def __init__(self, pid):
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def send_signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    def wait_end(self):
        assert select.select([self._fd], [], [], PATIENCE)[0], f"process {self.pid} goes on"


def is_alive(pid):
    """Whether there is such a process that has not ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before it is opened, or before it is read
        return False


def listens(pid):
    """Whether a process has a listening socket open."""
    listening = set()
    for table in ("tcp", "tcp6"):
        try:
            file = open(f"/proc/{pid}/net/{table}", encoding="ascii")  # of its own network
        except OSError:  # it has ended
            return False
        with file:
            file.readline()
            for line in file:
                row = line.split()
                if row[3] != "0A":
                    break  # those that listen come first; of the others there may be ten thousands
                listening.add(f"socket:[{row[9]}]")
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it has ended
        return False
    for name in names:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{name}") in listening:
                return True
    return False


def open_files(pid):
    """The numbers of the files that a process has open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.stat(f"/proc/{pid}/fd/{name}").st_ino)
    return found


class Upgrades:
    """A started proxy, its program and its processes."""

    def __init__(self, proxy, program):
        self.proxy = proxy
        self.program = program
        self.control = Control(proxy)
        self.now = Version(proxy.pid)  # that serves
        self.old = []  # that have served, the oldest first

    def change_program(self, path=BINARY, mode=0o755):
        """Another file in the place of the program's, as an installation puts it there."""
        new = self.program.with_suffix(".new")
        shutil.copy(path, new)
        new.chmod(mode)
        new.rename(self.program)

    def write_program(self, text, mode=0o755):
        new = self.program.with_suffix(".new")
        new.write_text(text)
        new.chmod(mode)
        new.rename(self.program)

    def follow(self, text):
        """The process that serves now, by what is said about it; who comes from now on is served by it."""
        pid = int(re.search(r"process (\d+) serves now", text).group(1))
        self.note(pid)
        old = self.old[-1].pid
        eventually(lambda: not (is_alive(old) and listens(old)), "the old process to listen no more")
        return pid

    def note(self, pid):
        """That another process serves now."""
        self.old.append(self.now)
        self.now = Version(pid)
        self.proxy.pid = pid

    def upgrade(self, *options):
        """By the command; returns when the new process serves."""
        self.change_program()
        return self.follow(self.control.run("upgrade", *options).stderr)

    def fail(self, *options):
        """An upgrade that does not come about; what the command says."""
        before = self.proxy.pid
        said = self.control.run("upgrade", *options, expected=1).stderr
        assert self.control.status()["pid"] == before
        return said

    def wait_old_ended(self, count=None):
        """Until the oldest `count` of the old processes have ended; all by default."""
        for process in self.old[:count]:
            process.wait_end()

    def kill(self):
        for process in [*self.old, self.now]:
            process.send_signal(signal.SIGKILL)


def start_upgradable(start, where, /, *clients, **changes):
    """A proxy that runs from a file of its own, with a control socket."""
    program = where / "sallyport"
    shutil.copy(BINARY, program)
    process = {"program": str(program), **changes.pop("process", {})}
    proxy = start(*clients, **{"control": CONTROL, **changes, "process": process})
    return Upgrades(proxy, program)


class Knocking:
    """Clients that come one after the other until they are told to stop: each asks for a tunnel, uses it and goes."""

    def __init__(self, proxy, target, count=2):
        self.proxy = proxy
        self.target = target
        self.served = 0
        self.ids = []  # of their tunnels
        self.problems = []
        self._must_stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def wait_more(self, count=20):
        wanted = self.served + count
        eventually(lambda: self.served >= wanted or self.problems, "more clients to be served")

    def stop(self):
        self._must_stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not self.problems, self.problems[:3]

    def _run(self):
        while not self._must_stop.is_set():
            try:
                client = self.proxy.tunnel(self.target)
                client.echo(b"knock")
                client.close()
                self.proxy.forget(client)
                self.ids.append(client.id)
                self.served += 1
            except Exception as problem:  # every one counts
                self.problems.append(repr(problem))
                return
