"""The program under test: started, watched, stopped, and checked when it has ended."""

import contextlib
import os
import re
import resource
import signal
import subprocess
import threading

from support import config as configs
from support.audit import AuditLog, check_records
from support.http2_client import Http2Client
from support.scale import PATIENCE, eventually
from support.wire import Client, Ending, client_context, connect_head

BINARY = os.environ.get("SALLYPORT_BIN", "bazel-bin/proxy/sallyport")

SANITIZER = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer"
)


BY_SIGNAL = 128  # the exit status of a proxy whose serving process was ended by a signal is this and its number


def run(*arguments, patience=PATIENCE, program=BINARY, **options):
    """Runs the program to its end. Text in and out; no sanitizer may have complained."""
    options = {"capture_output": True, "text": True, "timeout": patience, **options}
    result = subprocess.run([program, *map(str, arguments)], check=False, **options)
    complaint = SANITIZER.search(result.stderr or "")
    assert not complaint, result.stderr
    assert 0 <= result.returncode < BY_SIGNAL, f"died by a signal ({result.returncode}): {result.stderr}"
    return result


def children(pid):
    """The processes that a process has started, the oldest first."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


class Lines:
    """The lines of a stream, gathered by a thread so that the writer never blocks."""

    def __init__(self, stream):
        self._stream = stream
        self._changed = threading.Condition()
        self._lines = []
        self._is_ended = False
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def text(self):
        return "".join(self._lines)

    def count(self):
        return len(self._lines)

    def wait(self, pattern, patience=PATIENCE, after=0):
        """The first match of `pattern` in a line, or None when the stream ended without.

        `after` lines are passed over: what count() gave before something was asked for.
        """
        found = None
        seen = after

        def search():
            nonlocal found, seen
            fresh, seen = self._lines[seen:], len(self._lines)
            found = next(filter(None, (re.search(pattern, line) for line in fresh)), None)
            return found or self._is_ended

        with self._changed:
            assert self._changed.wait_for(search, patience), f"no {pattern!r} in {self.text()!r}"
        return found

    def join(self):
        self._thread.join(PATIENCE)

    def _gather(self):
        for line in self._stream:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()


def cpu_seconds(pid):
    """The processor time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _prepare(limits, sockets, before):
    """In the new process, before the program."""
    if limits:
        resource.setrlimit(*limits)
    copies = [os.dup(each.fileno()) for each in sockets]
    for number, copy in enumerate(copies, 3):
        os.dup2(copy, number)
    if before:
        before()


class Door:
    """Where clients come in: an address by each name, and the certificates by which both sides know each other."""

    protocol = "h1"  # what clients speak; the fixture `protocol` sets it for a test

    def __init__(self, pki, addresses=None):
        self.pki = pki
        self.addresses = addresses or {}
        self._clients = []
        self._contexts = {}

    @property
    def address(self):
        return next(iter(self.addresses.values()))

    def context(self, identity, **options):
        key = (identity, tuple(sorted((name, str(value)) for name, value in options.items())))
        if key not in self._contexts:
            self._contexts[key] = client_context(self.pki.server_ca.path, identity, **options)
        return self._contexts[key]

    def dial(
        self,
        identity="worker",
        listener=None,
        source=None,
        server_name="proxy.test",
        session=None,
        protocol=None,
        **options,
    ):
        """A client connected by TCP, its handshake not begun. `identity` None: no certificate;
        `session`: one that it offers to resume, of a client with the same identity and options; `protocol`: that of the
        test where it is None. With `alpn` among the options it is a wire.Client, whatever the protocol."""
        speaks_http2 = (protocol or self.protocol) == "h2" and "alpn" not in options
        if speaks_http2:
            options["alpn"] = ("h2",)
        identity = self.pki.worker if identity == "worker" else identity
        address = self.addresses[listener] if listener else self.address
        context = self.context(identity, has_name=bool(server_name), **options)
        client = Client(address, context, server_name, source, session)
        if speaks_http2:
            client = Http2Client(client)
        self._clients.append(client)
        return client

    def forget(self, client):
        """Of one that is closed."""
        self._clients.remove(client)

    def connect(self, identity="worker", **options):
        """A client with its handshake done."""
        return self.dial(identity, **options).handshake()

    def ask(self, target, identity="worker", **options):
        """The answer to one CONNECT on a connection of its own, which is then closed."""
        client = self.connect(identity, **options)
        answer = client.ask(target)
        client.close()
        return answer

    def send_head(self, head, identity="worker"):
        """The answer to exactly these bytes, and what came after it."""
        client = self.connect(identity)
        client.send(head)
        answer = client.read_answer()
        return answer, client.read_to_end()

    def tunnel(self, target, identity="worker", **options):
        client = self.connect(identity, **options)
        client.id = client.tunnel(target).id
        return client

    def close_clients(self):
        while self._clients:
            self._clients.pop().close()


class Proxy(Door):
    """`sallyport serve` with one configuration in `folder`.

    `process` is the keeper, to which signals go; `pid` the number of the process that serves.
    """

    def __init__(
        self,
        folder,
        config,
        pki,
        environment=None,
        limits=None,
        stderr=None,
        stdout=None,
        is_piped=False,  # the configuration comes from stdin
        cwd=None,  # where it is started: the configuration is named from there
        program=BINARY,
        sockets=(),  # that a service manager has opened: they are descriptors 3 and following
        before=None,  # called in the new process, last of all
    ):
        super().__init__(pki)
        self.folder = folder
        self.config = config
        self.config_path = folder / "sallyport.yaml"
        configs.write_config(self.config_path, config)
        self.audit = AuditLog(folder / config["audit"]["file"])
        self.workers = config["workers"]
        self._is_checked = False
        self._pid = None
        self.reloads = 0
        self.is_audit_whole = True  # False: a test has taken records away from the file
        name = str(self.config_path) if cwd is None else os.path.relpath(self.config_path, cwd)
        self.process = subprocess.Popen(
            [os.path.abspath(program), "serve", "-c", "-" if is_piped else name],
            stdin=subprocess.PIPE if is_piped else subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=stderr or subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
            preexec_fn=(lambda: _prepare(limits, sockets, before)) if limits or sockets or before else None,
            pass_fds=range(3, 3 + len(sockets)),
            cwd=folder if is_piped else cwd,
        )
        if is_piped:
            self.process.stdin.write(self.config_path.read_text())
            self.process.stdin.close()
        self.stdout = Lines(self.process.stdout or ())
        self.stderr = Lines(self.process.stderr or ())

    @property
    def pid(self):
        """Of the process that serves: the first one that the keeper has started, until somebody says otherwise."""
        if self._pid is None:
            self._pid = eventually(lambda: children(self.process.pid), "the keeper to start a process")[0]
        return self._pid

    @pid.setter
    def pid(self, pid):
        self._pid = pid

    # -- life ---------------------------------------------------------------------------------

    def wait_ready(self):
        is_audit = self.config["audit"]["file"] == "-"
        ready = (self.stderr if is_audit else self.stdout).wait(r"^ready (.*)$")
        assert ready, f"ended before it was ready: {self.stderr.text()}"
        for item in ready.group(1).split():
            name, endpoint = item.split("=", 1)
            host, port = endpoint.rsplit(":", 1)
            self.addresses[name] = (host.strip("[]"), int(port))
        return self

    def send_signal(self, number):
        self.process.send_signal(number)

    def reload(self, *clients, **changes):
        """Another configuration, laid over the one in force; waits until every worker has it."""
        if clients:
            changes["clients"] = list(clients)
        self.config = configs.merge(self.config, changes)
        configs.write_config(self.config_path, self.config)
        self.reloads += 1
        said = self.stderr.count()
        self.send_signal(signal.SIGHUP)
        self.stderr.wait(rf"reloaded: .* generation {self.reloads}\b", after=said)

    def wait_exit(self):
        code = self.process.wait(PATIENCE)
        self.stdout.join()
        self.stderr.join()
        return code

    def stop(self, number=signal.SIGTERM, expected=0):
        """Ends it and checks everything that must be true of a run. Does nothing a second time.

        `expected` is the exit status; None: 0, or 1 for a drain that had to cut tunnels.
        """
        if self._is_checked:
            return
        self._is_checked = True
        self.close_clients()
        if self.process.poll() is None:
            self.send_signal(number)
        try:
            code = self.wait_exit()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end after {number.name}: {self.stderr.text()}") from None
        assert not SANITIZER.search(self.stderr.text()), self.stderr.text()
        allowed = (0, 1) if expected is None else (expected,)
        assert code in allowed, f"exit status {code}, not {expected}: {self.stderr.text()}"
        if self.audit.path.is_file():
            check_records(self.audit.records(), self.is_audit_whole)

    def crash(self):
        """Ends the process that serves as a fault of its own would, and waits for the keeper to end with it."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.process.wait(PATIENCE) == BY_SIGNAL + signal.SIGKILL

    def kill(self):
        """For a test that has failed already: leaves nothing behind."""
        if self.process.poll() is None:
            for pid in [*children(self.process.pid), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    # -- what it holds ------------------------------------------------------------------------

    def descriptors(self):
        """How many are open, but for the one to a DNS server that each worker may keep."""
        process = f"/proc/{self.pid}"
        datagram = set()
        for table in ("udp", "udp6"):
            with open(f"{process}/net/{table}", encoding="ascii") as file:
                datagram |= {f"socket:[{line.split()[9]}]" for line in file.readlines()[1:]}
        targets = []
        for name in os.listdir(f"{process}/fd"):
            with contextlib.suppress(FileNotFoundError):
                targets.append(os.readlink(f"{process}/fd/{name}"))
        return len(targets) - min(self.workers, len(datagram.intersection(targets)))

    def wait_descriptors(self, count):
        eventually(
            lambda: self.descriptors() <= count,
            lambda: f"{count} descriptors; it has {self.descriptors()}",
        )

    def loops(self):
        """The descriptors of its event loops."""
        process = f"/proc/{self.pid}/fd"
        found = set()
        for name in os.listdir(process):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(f"{process}/{name}") == "anon_inode:[eventpoll]":
                    found.add(int(name))
        return found

    def threads(self):
        """The numbers of its threads."""
        return set(os.listdir(f"/proc/{self.pid}/task"))

    def resident(self):
        """Bytes of memory in use."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def accepted(self):
        """The kernel's lines (proc(5), /proc/net/tcp) on the sockets of its listeners and of what came over these."""
        ports = {port for _, port in self.addresses.values()}
        with open(f"/proc/{self.pid}/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        return [row for row in rows if int(row[1].split(":")[1], 16) in ports]

    def connections_of_loops(self):
        """How many connections of clients each of its loops watches, where it watches any."""
        process, established = f"/proc/{self.pid}", "01"
        inodes = {row[9] for row in self.accepted() if row[3] == established}
        sockets = {f"socket:[{inode}]" for inode in inodes}
        found = []
        for loop in self.loops():
            with open(f"{process}/fdinfo/{loop}", encoding="ascii") as file:
                watched = [line.split()[1] for line in file if line.startswith("tfd:")]
            found.append(sum(os.readlink(f"{process}/fd/{fd}") in sockets for fd in watched))
        return [count for count in found if count > 0]

    def wait_read(self):
        """Until the proxy has read all that has been sent to its listeners."""
        eventually(lambda: all(int(row[4].split(":")[1], 16) == 0 for row in self.accepted()), "the proxy to read")

    def cpu_seconds(self):
        return cpu_seconds(self.pid)

    # -- records ------------------------------------------------------------------------------

    def requested(self, host, port, method="CONNECT"):
        """What the records of the first request on a connection say that was asked for."""
        request = {"protocol": self.protocol, "method": method, "host": host, "port": port}
        return {**request, "stream": 1} if self.protocol == "h2" else request

    def decision(self, id):
        return self.audit.wait("decision", id=id)

    def close_record(self, id):
        return self.audit.wait("close", id=id)

    def assert_refused(self, answer, status, reason, action="deny", rule=None):
        """The answer, its decision and its close all say so."""
        assert answer.status == status, answer
        decision = self.decision(answer.id)["decision"]
        assert (decision["action"], decision["reason"]) == (action, reason), decision
        assert decision["rule"] == rule, decision
        assert self.close_record(answer.id)["status"] == status
        self.assert_detail(answer)

    def assert_detail(self, answer):
        """The operator's records have the words about the reason that the client was told."""
        reason, *told = re.findall(r'details="([^"]*)"', answer.fields["proxy-status"])[-1].split("; ")
        told = told[1:] if told and told[0].startswith("rule ") else told
        if reason in ("not_valid_now", "outside_hours"):  # when it opens is in the configuration
            told = []
        records = [self.audit.wait(event, id=answer.id) for event in ("decision", "close")]
        is_late = records[0]["decision"]["action"] == "allow"
        detail = records[is_late].get("detail")
        assert detail == ("; ".join(told) or None), (told, records)
        assert is_late or "detail" not in records[1], records

    def assert_cut_off(self, waiting, target, reason):
        """A connection that waits, and whose client has lost its right: the next request is refused, or, over HTTP/2,
        the connection has ended with a GOAWAY."""
        if self.protocol == "h1":
            self.assert_refused(waiting.ask(target), 403, reason)
            return
        waiting.session.wait(lambda: waiting.session.ended)
        assert (waiting.session.goaway, waiting.client.ending) == (0, Ending.CLOSE_NOTIFY)

    def assert_closed(self, id, reason, status=200):
        close = self.close_record(id)
        assert (close["reason"], close["status"]) == (reason, status), close
        return close


__all__ = ["BINARY", "BY_SIGNAL", "Proxy", "children", "connect_head", "run"]
