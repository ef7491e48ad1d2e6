"""The configuration from stdin, and the audit on stdout, as in a container."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from support.audit import check_records
from support.config import base_config, client, reach
from support.control import CONTROL, Control
from support.proxy import BINARY, run
from support.scale import PATIENCE, count, eventually

DENIED = "nowhere.test:443"
PIPED = {"is_piped": True}
STDOUT = {"file": "-"}


def as_text(config):
    return json.dumps(config, indent=2)


# -- a configuration from stdin -----------------------------------------------------------------


def test_paths_of_a_configuration_from_stdin_start_at_the_working_directory(start, pki, tmp_path):
    shutil.copy(pki.server.chain, tmp_path / "server.crt")
    shutil.copy(pki.server.key, tmp_path / "server.key")
    shutil.copy(pki.ca.path, tmp_path / "clients.crt")
    place = {"name": "main", "address": "127.0.0.1:0", "trust": "staff"}
    pair = {"chain": "server.crt", "key": "server.key"}
    proxy = start(
        folder=tmp_path,
        process=PIPED,
        listeners=[{**place, "certificates": [pair]}],
        trust={"staff": {"ca": ["clients.crt"]}},
    )
    proxy.decision(proxy.ask(DENIED).id)
    assert (tmp_path / "audit.jsonl").exists()
    assert proxy.stderr.wait(r"config stdin \([0-9a-f]{16}\)$")


def test_a_configuration_from_stdin_is_not_reloaded_and_that_is_said(start):
    proxy = start(process=PIPED, control=CONTROL)
    proxy.send_signal(signal.SIGHUP)
    assert proxy.stderr.wait(r"warning SIGHUP: the configuration came from stdin \(-c -\)")
    result = run("reload", "--control", Control(proxy).path)
    assert result.returncode == 1 and "came from stdin (-c -)" in result.stderr
    status = Control(proxy).status()
    assert (status["config"]["generation"], status["reloads"]["failed"]) == (0, 0)
    assert proxy.ask(DENIED).status == 403


def test_files_that_it_names_are_still_watched(start, origin, dns, tmp_path):
    dns.addresses("origin.test", "127.0.0.1")
    target = origin()
    (tmp_path / "hosts.txt").write_text("other.test\n")
    rule = {**reach("x", target.port), "hosts": [{"file": "hosts.txt"}]}
    proxy = start(client(rule), folder=tmp_path, process=PIPED)
    place = f"origin.test:{target.port}"
    assert proxy.ask(place).status == 403
    (tmp_path / "hosts.txt").write_text("origin.test\n")
    proxy.stderr.wait("reloaded: config ")
    proxy.tunnel(place).echo(b"hello")


BAD_SOURCES = {
    "nothing": ("", "stdin is empty"),
    "no YAML": ("[", "stdin:"),
    "a mistake": ("version: 2\n", "stdin:1:10: error: "),
    "too much": ("#" * ((64 << 20) + 1), "stdin has more than"),
}


@pytest.mark.parametrize("kind", BAD_SOURCES)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_bad_configuration_from_stdin_is_exit_3_with_its_place(command, kind):
    text, words = BAD_SOURCES[kind]
    result = run(command, "-c", "-", input=text)
    assert result.returncode == 3 and words in result.stderr, result.stderr[-500:]


def test_a_stdin_that_is_closed_is_exit_3():
    command = f"exec {os.path.abspath(BINARY)} serve -c - <&-"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 3 and "stdin" in result.stderr


def test_check_and_the_control_commands_read_stdin_too(start, pki, dns):
    proxy = start(control=CONTROL)
    text = as_text({**base_config(pki, dns.endpoint), "control": CONTROL, "audit": STDOUT})
    result = run("check", "-c", "-", input=text)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("stdin can be used, with 1 warning (")
    assert "audit stdout (" in result.stdout and "stdin: warning: there are no `clients`" in result.stderr
    asked = run("status", "-c", "-", input=text, cwd=proxy.folder, program=os.path.abspath(BINARY))
    assert asked.returncode == 0 and f"pid {proxy.pid}," in asked.stdout, asked.stderr


def test_a_variable_is_not_replaced(start, tmp_path):
    (tmp_path / "${HOME}").mkdir()
    proxy = start(folder=tmp_path, audit={"file": "${HOME}/audit.jsonl"})
    proxy.decision(proxy.ask(DENIED).id)
    assert (tmp_path / "${HOME}" / "audit.jsonl").exists()


# -- the audit on stdout ------------------------------------------------------------------------


def records_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_stdout_has_every_record_and_nothing_else(start):
    proxy = start(audit=STDOUT)
    asked = {proxy.ask(DENIED).id for _ in range(count(200, 40))}
    proxy.stop()
    records = records_of(proxy.stdout.text())
    check_records(records)
    assert {each["id"] for each in records if each["event"] == "decision"} == asked
    assert re.search(r"^ready main=127\.0\.0\.1:\d+$", proxy.stderr.text(), re.M)


def test_a_container_needs_no_file_but_those_of_its_certificates(start):
    proxy = start(process=PIPED, audit=STDOUT)
    asked = proxy.ask(DENIED).id
    assert proxy.stdout.wait(f'"event":"close".*{asked}')
    assert os.listdir(proxy.folder) == ["sallyport.yaml"]  # the test's own


class Pipe:
    """A stdout whose reader can stop reading, and that is full when the proxy begins."""

    def __init__(self, kind):
        if kind == "pipe":
            self.read_fd, self.write_fd = os.pipe()
        elif kind == "socket":
            ours, theirs = socket.socketpair()
            self.read_fd, self.write_fd = ours.detach(), theirs.detach()
        else:
            self.read_fd, self.write_fd = pty.openpty()
        self.data = b""
        os.set_blocking(self.write_fd, False)
        while select.select([], [self.write_fd], [], 0.2)[1]:  # a terminal makes room for a while
            with contextlib.suppress(BlockingIOError):
                os.write(self.write_fd, b"#" * 1023 + b"\n")
        os.set_blocking(self.write_fd, True)

    def begin_reading(self):
        def read():
            try:
                while more := os.read(self.read_fd, 65536):
                    self.data += more
            except OSError:  # how the end of a terminal looks
                pass

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()

    def stop_reading(self):
        os.close(self.read_fd)
        self.read_fd = None

    def records(self):
        """What has come after the marks that have filled it."""
        text = self.data.decode().replace("\r\n", "\n")
        return records_of(text.replace("#", "").lstrip("\n"))

    def close(self):
        for fd in (self.read_fd, self.write_fd):
            if fd is not None:
                os.close(fd)


@pytest.fixture(params=["pipe", "socket", "terminal"])
def full_stdout(request):
    pipe = Pipe(request.param)
    yield pipe
    pipe.close()


def test_a_stdout_that_nobody_reads_counts_as_full_until_somebody_does(start, full_stdout):
    proxy = start(audit=STDOUT, process={"stdout": full_stdout.write_fd})
    early = proxy.ask(DENIED)
    assert early.status == 403  # it waits in the queue
    assert proxy.stderr.wait("error audit log stdout: nobody reads it; it is tried twice a second")
    refused = proxy.ask(DENIED)
    assert refused.status == 503 and "audit_full" in refused.reason
    full_stdout.begin_reading()
    assert proxy.stderr.wait("audit log stdout: writing works again")
    late = proxy.ask(DENIED)
    assert late.status == 403
    proxy.stop()
    os.close(full_stdout.write_fd)
    full_stdout.write_fd = None
    full_stdout.reader.join(PATIENCE)
    found = full_stdout.records()
    check_records(found)
    assert {early.id, late.id} <= {each["id"] for each in found if each["event"] == "decision"}


def test_with_drop_a_stdout_that_nobody_reads_stops_no_request(start, full_stdout):
    proxy = start(audit={**STDOUT, "on_full": "drop"}, process={"stdout": full_stdout.write_fd})
    assert proxy.ask(DENIED).status == 403
    assert proxy.stderr.wait("nobody reads it")
    assert {proxy.ask(DENIED).status for _ in range(20)} == {403}
    proxy.stop(expected=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_does_not_wait_for_who_does_not_read(start, full_stdout, number):
    proxy = start(audit=STDOUT, process={"stdout": full_stdout.write_fd})
    assert proxy.ask(DENIED).status == 403
    proxy.stop(number, expected=1)
    assert "2 audit records could not be written" in proxy.stderr.text()


def test_a_reader_who_has_gone_is_told_and_nothing_is_let_through_unseen(start):
    pipe = Pipe("pipe")
    pipe.stop_reading()
    proxy = start(audit=STDOUT, process={"stdout": pipe.write_fd})
    eventually(lambda: proxy.ask(DENIED).status == 503, "a 503")
    assert proxy.stderr.wait("audit log stdout: Broken pipe; it is tried twice a second")
    proxy.stop(expected=1)
    pipe.close()


def test_a_named_pipe_that_nobody_reads_does_not_hang_it_either(start, tmp_path):
    path = tmp_path / "audit.pipe"
    os.mkfifo(path)
    holder = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(holder, b"#" * 4096)
    proxy = start(audit={"file": str(path)})
    assert proxy.ask(DENIED).status == 403
    assert proxy.stderr.wait("nobody reads it")
    assert proxy.ask(DENIED).status == 503
    proxy.stop(expected=1)
    os.close(holder)


def test_there_is_nothing_to_reopen_and_nothing_to_follow_and_both_are_said(start):
    proxy = start(audit=STDOUT, control=CONTROL)
    proxy.send_signal(signal.SIGUSR1)
    assert proxy.stderr.wait("SIGUSR1: the audit goes to stdout")
    tail = run("tail", "--control", Control(proxy).path)
    assert tail.returncode == 1 and 'audit.file is "-"' in tail.stderr
    assert Control(proxy).status()["audit"]["path"] == "-"


def test_a_reload_moves_the_audit_to_stdout_and_back(start):
    proxy = start()
    proxy.reload(audit=STDOUT)
    shown = proxy.ask(DENIED).id
    assert proxy.stdout.wait(f'"event":"close".*{shown}')
    proxy.reload(audit={"file": "second.jsonl"})
    hidden = proxy.ask(DENIED).id
    eventually(lambda: hidden in (proxy.folder / "second.jsonl").read_text(), "the record")
    assert hidden not in proxy.stdout.text()


def test_a_file_of_that_name_can_still_be_meant(start, tmp_path):
    proxy = start(folder=tmp_path, audit={"file": "./-"})
    proxy.decision(proxy.ask(DENIED).id)
    assert (tmp_path / "-").exists()


def test_a_stdout_that_is_closed_stops_the_start(pki, dns):
    text = as_text({**base_config(pki, dns.endpoint), "audit": STDOUT})
    command = f"exec {os.path.abspath(BINARY)} serve -c - >&-"
    options = {"capture_output": True, "text": True, "timeout": PATIENCE}
    result = subprocess.run(["sh", "-c", command], input=text, check=False, **options)
    assert result.returncode == 3, result.stderr
    assert "cannot open the audit log stdout: Bad file descriptor" in result.stderr
