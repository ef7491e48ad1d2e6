"""`top` and `tail` on a terminal: live, filtered, as wide as it is, and gone without a trace; elsewhere plain."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.origin import Origin, echo
from support.proxy import BINARY, Lines, run
from support.scale import PATIENCE, eventually

DENIED = "nowhere.test:443"
OPENED, CLOSED = "\x1b[?1049h", "\x1b[?1049l"
LAST = b"\x1b[0;0;0m"  # what the test writes after the program, to see that it has read all
COLOUR = re.compile(r"\x1b\[\d*m")


class Terminal:
    """A command on a terminal of its own, and everything that it has written there."""

    def __init__(self, *arguments, columns=80, rows=24, environment=None):
        self._master, slave = pty.openpty()
        self._slave = slave  # kept, so that its settings can be read to the end
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            [os.path.abspath(BINARY), *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**variables, "TERM": "xterm", **(environment or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._written = b""
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self):
        with contextlib.suppress(OSError):
            while more := os.read(self._master, 65536):
                self._written += more

    @property
    def written(self):
        return self._written.replace(LAST, b"").decode("utf-8", "replace").replace("\r\n", "\n")

    def frames(self):
        """What was drawn, each time from the top; the last one may be incomplete."""
        return [frame.replace("\x1b[K", "") for frame in self.written.split("\x1b[H")[1:]]

    def frame(self, *parts):
        """Waits for a frame with all of these in it, and gives it."""
        def find():
            return next((each for each in self.frames() if all(part in each for part in parts)), None)
        return eventually(find, lambda: f"{parts} in {self.written!r}")

    def wait(self, pattern):
        return eventually(lambda: re.search(pattern, self.written, re.M), lambda: f"{pattern} in {self.written!r}")

    def type(self, keys):
        os.write(self._master, keys)

    def resize(self, columns, rows=24):
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_exit(self):
        """The exit status, when all that was written has been read; the terminal is as it was."""
        code = self.process.wait(PATIENCE)
        os.write(self._slave, LAST)
        eventually(lambda: LAST in self._written, "the terminal to be read to its end")
        assert termios.tcgetattr(self._slave) == self.before
        if OPENED in self.written:
            eventually(lambda: self.written.count(CLOSED) == 1, "the screen to be closed")
            assert "\x1b[?25h" in self.written
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def terminal():
    with contextlib.ExitStack() as opened:
        def make(*arguments, **options):
            made = Terminal(*arguments, **options)
            opened.callback(made.close)
            return made
        yield make


@pytest.fixture(scope="module")
def rig(start_shared, dns):
    """A proxy with two clients, of which the tests are one."""
    server = Origin(echo)
    dns.addresses("origin.test", "127.0.0.1")
    workers = client(reach("origin.test", server.port))
    proxy = start_shared(client(name="others", match=[{"cn": "nobody"}]), workers, control=CONTROL)
    proxy.control = Control(proxy)
    proxy.target = f"origin.test:{server.port}"
    yield proxy
    server.stop()


def widths(frame):
    return [len(line) for line in COLOUR.sub("", frame).split("\x1b[J")[0].split("\n")]


@pytest.mark.parametrize("end", ["q", "ctrl-c", "SIGTERM", "SIGHUP"])
def test_top_goes_on_with_what_moves_now_and_leaves_the_terminal_as_it_was(rig, terminal, end):
    tunnel = rig.tunnel(rig.target)
    screen = terminal("top", "-c", rig.config_path, "--interval", "100ms")
    screen.frame(tunnel.id, "UP/s", "workers -> origin.test")
    tunnel.echo(b"x" * 100_000)
    screen.frame(tunnel.id, "iB")
    tunnel.close()
    screen.frame("0 tunnels")
    {
        "q": lambda: screen.type(b"q"),
        "ctrl-c": lambda: screen.type(b"\x03"),
        "SIGTERM": lambda: screen.process.send_signal(signal.SIGTERM),
        "SIGHUP": lambda: screen.process.send_signal(signal.SIGHUP),
    }[end]()
    assert screen.wait_exit() == 0
    assert "q" not in screen.written.split(CLOSED)[1]


def test_top_fits_the_terminal_also_when_its_size_changes(rig, terminal):
    with contextlib.closing(rig.tunnel(rig.target)) as tunnel:
        screen = terminal("top", "-c", rig.config_path, "--interval", "1m", columns=170)
        wide = screen.frame(tunnel.id, "SESSION", "127.0.0.1 -> 127.0.0.1", "\x1b[J")
        assert max(widths(wide)) <= 170
        screen.resize(40)
        narrow = eventually(
            lambda: next((each for each in screen.frames()[1:] if "\x1b[J" in each), None), "another frame"
        )  # at once, and not after a minute
        assert max(widths(narrow)) <= 40 and tunnel.id not in narrow, narrow
        screen.type(b"q")
        assert screen.wait_exit() == 0


def test_top_of_one_client_shows_no_other(rig, terminal):
    with contextlib.closing(rig.tunnel(rig.target)) as tunnel:
        ours = terminal("top", "-c", rig.config_path, "--client", "workers", "--interval", "100ms")
        ours.frame(tunnel.id, "1 tunnel of workers")
        theirs = terminal("top", "-c", rig.config_path, "--client", "others", "--interval", "100ms")
        theirs.frame("0 tunnels of others")
        assert tunnel.id not in theirs.written
        assert tunnel.id in rig.control.run("top", "--client", "workers").stdout
        assert tunnel.id not in rig.control.run("top", "--client", "others").stdout
    nobody = rig.control.run("top", "--client", "worker", expected=1).stderr
    assert "no client" in nobody and "`workers`" in nobody, nobody


def test_top_says_after_its_screen_that_the_proxy_has_ended(start, terminal):
    proxy = start(control=CONTROL)
    screen = terminal("top", "-c", proxy.config_path, "--interval", "100ms")
    screen.frame("0 tunnels")
    proxy.stop()
    assert screen.wait_exit() == 0
    refused = terminal("top", "-c", proxy.config_path)
    refused.wait("^sallyport top: ")
    assert refused.wait_exit() == 4 and OPENED not in refused.written


@pytest.mark.parametrize("arguments", [["--once"], ["--json"]])
def test_top_once_is_once_also_on_a_terminal(rig, terminal, arguments):
    with contextlib.closing(rig.tunnel(rig.target)) as tunnel:
        screen = terminal("top", "-c", rig.config_path, *arguments)
        assert screen.wait_exit() == 0
        screen.wait(tunnel.id)
        assert "\x1b" not in screen.written


def test_top_with_an_interval_goes_on_in_a_pipe_without_a_screen(rig):
    with contextlib.closing(rig.tunnel(rig.target)) as tunnel:
        records = len(rig.audit.records("admin", command="top"))
        for more in ["--json"], []:
            process = subprocess.Popen(
                [BINARY, "top", "-c", str(rig.config_path), "--interval", "100ms", *more],
                stdout=subprocess.PIPE,
                text=True,
            )
            lines = Lines(process.stdout)
            eventually(lambda: lines.text().count(tunnel.id) >= 3, "three answers")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
            lines.join()
            assert "\x1b" not in lines.text()
            if more:
                assert all(json.loads(line)["open"] >= 1 for line in lines.text().splitlines())
        rig.audit.wait_count(records + 2, "admin", command="top")  # one each, however often they were answered


def test_one_who_watches_and_does_not_read_holds_nobody_up_and_is_forgotten_when_gone(rig):
    watchers = [rig.control.connect(b"top 1000 every:100ms\n") for _ in range(20)]
    for _ in range(20):
        assert rig.control.status()["state"] == "serving"
    for watcher in watchers:
        watcher.close()
    for _ in range(3):
        more = [rig.control.connect(b"top every:100ms\n") for _ in range(20)]
        eventually(lambda: more[0].recv(1), "an answer")
        for watcher in more:
            watcher.close()


@pytest.mark.parametrize("arguments", [["--interval", "1ms"], ["--interval", "2m"], ["--once", "--interval", "1s"]])
def test_top_refuses_what_does_not_fit_together(rig, arguments):
    assert "--interval" in rig.control.run("top", *arguments, expected=2).stderr


# -- tail -------------------------------------------------------------------------------------


def listening(rig, terminal, *arguments, **options):
    """`tail` on a terminal that has begun to listen."""
    before = len(rig.audit.records("admin", command="tail"))
    screen = terminal("tail", "-c", rig.config_path, *arguments, **options)
    rig.audit.wait_count(before + 1, "admin", command="tail")
    return screen


def test_tail_prints_lines_for_people_on_a_terminal_as_wide_as_it_is(rig, terminal):
    screen = listening(rig, terminal, columns=60)
    rig.ask(DENIED)
    rig.tunnel(rig.target).close()
    screen.wait(r"^.*close.*workers.*origin\.test")
    screen.type(b"\x03")
    assert screen.wait_exit() == 0
    lines = COLOUR.sub("", screen.written).splitlines()
    assert all(len(line) <= 60 for line in lines), lines
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d deny     workers +nowhere\.test:443 no_rule *", line) for line in lines), lines
    assert "\x1b[31mdeny" in screen.written and "\x1b[32mallow" in screen.written
    assert screen.written.count("\x1b[") % 2 == 0, "each colour is ended"


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_there_are_no_colours_where_nobody_wants_them(rig, terminal, variables):
    tail = listening(rig, terminal, environment=variables)
    rig.ask(DENIED)
    tail.wait("deny")
    assert "\x1b" not in tail.written
    top = terminal("top", "-c", rig.config_path, environment=variables)
    top.frame("tunnels")
    assert not COLOUR.search(top.written)


def test_tail_of_a_client_knows_whose_end_it_is_and_shows_no_other(rig, terminal):
    ours = listening(rig, terminal, "--client", "workers", "--json")
    theirs = listening(rig, terminal, "--client", "others", "--json")
    denials = listening(rig, terminal, "--denied", "--json")
    unruly = listening(rig, terminal, "--reason", "no_rule", "--json")
    denied = rig.ask(DENIED)
    tunnel = rig.tunnel(rig.target)
    tunnel.close()
    rig.audit.wait("close", id=tunnel.id)
    for screen, seen in (ours, {denied.id: 2, tunnel.id: 2}), (denials, {denied.id: 1}), (unruly, {denied.id: 1}):
        for ident, times in seen.items():
            eventually(lambda: screen.written.count(ident) >= times, lambda: screen.written)
        screen.type(b"\x03")
        assert screen.wait_exit() == 0
        shown = [json.loads(line)["id"] for line in screen.written.splitlines() if line.startswith("{")]
        assert {ident: shown.count(ident) for ident in set(shown)} == seen, screen.written
    theirs.type(b"\x03")
    assert theirs.wait_exit() == 0 and "{" not in theirs.written


def test_a_reason_that_there_is_not_is_wrong_usage(rig):
    assert "`no_rules`" in rig.control.run("tail", "--reason", "no_rules", expected=2).stderr


# -- status -----------------------------------------------------------------------------------


def test_status_fits_a_hundred_columns_or_the_terminal_and_says_sizes_as_people_do(start, terminal, tmp_path):
    folder = tmp_path / ("a-folder-whose-name-is-longer-than-any-that-one-would-type-" * 3) / "\x1b[2J\nb"
    folder.mkdir(parents=True)
    socket = tmp_path / "control.sock"
    limits = {"memory": "8GiB", "tunnels": 500}
    proxy = start(folder=folder, limits=limits, control={"socket": str(socket), "state": "state.json"})
    proxy.reload()
    tunnel = proxy.connect()
    assert tunnel.ask(DENIED).status == 403
    said = run("status", "--control", socket).stdout
    assert max(map(len, said.splitlines())) <= 100 and "\x1b" not in said, said
    assert re.search(r"^limits       sessions 1, tunnels 0 of 500, memory [\d.]+ MiB of 8\.0 GiB, descriptors at", said, re.M)
    joined = re.sub(r"\s+", "", said)
    assert re.sub(r"\s+", "", str(folder)).replace("\x1b", r"\x1b") in joined.replace(r"\x0a", "")
    assert re.search(r"^counters     connections \d+, connections_closed ", said, re.M)
    narrow = terminal("status", "--control", socket, columns=60)
    assert narrow.wait_exit() == 0
    assert max(map(len, narrow.written.splitlines())) <= 60, narrow.written
