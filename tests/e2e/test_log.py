"""The log on stderr: levels, JSON, the journal's priorities, and one line for each thing that is said."""

import json
import os
import re
import signal
import subprocess

import pytest

from support.control import CONTROL, Control
from support.proxy import BINARY, Lines
from support.scale import PATIENCE

TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
DENIED = "nowhere.test:443"


def events(proxy):
    """What the log has said so far, each line as an object."""
    return [json.loads(line) for line in proxy.stderr.text().splitlines()]


def rejected_reload(proxy):
    proxy.config_path.write_text("version: 2\n")
    proxy.send_signal(signal.SIGHUP)
    proxy.stderr.wait("reload failed, the old configuration")


def test_json_has_a_time_a_level_an_event_and_a_sentence_in_each_line_from_the_first_to_the_last(start, pki):
    certificate = {"chain": pki.server.chain, "key": pki.server.key}
    listeners = [{"name": "main", "address": "127.0.0.1:0", "certificates": [certificate], "trust": "staff"}]
    proxy = start(listeners=listeners, clients=[], control=CONTROL, log={"format": "json"})
    proxy.stderr.wait('"event":"serving"')
    proxy.reload(clients=[])
    Control(proxy).block("sha256:" + "00" * 32)
    rejected_reload(proxy)
    proxy.stderr.wait("no further trust is taken away")
    proxy.stop()
    said = events(proxy)
    for line in said:
        assert list(line) == ["ts", "level", "event", "detail"], line
        assert re.fullmatch(TIME, line["ts"]) and line["detail"], line
    levels = {line["event"]: line["level"] for line in said if line["event"] != "cage"}  # who runs it as root is warned
    assert levels == {
        "finding": "error",  # the last one, after the warnings that there are no clients
        "serving": "info",
        "reloading": "info",
        "reloaded": "info",
        "admin": "info",
        "reload_failed": "error",
        "trust_taken": "warning",
        "draining": "info",
        "stopped": "info",
    }
    assert said[0]["event"] == "finding" and "there are no `clients`" in said[0]["detail"], said[0]
    assert "hint: add `clients:`" in said[0]["detail"], said[0]


def test_a_reload_changes_level_and_format(start):
    proxy = start(log={"level": "error"})
    assert proxy.ask(DENIED).status == 403
    proxy.reload(log={"level": "info"})  # it waits for the line that says so
    said = proxy.stderr.text().splitlines()
    assert len(said) == 1 and re.match(TIME + " info reloaded: ", said[0]), said
    proxy.reload(log={"format": "json"})
    assert json.loads(proxy.stderr.text().splitlines()[-1])["event"] == "reloaded", proxy.stderr.text()


def test_what_is_less_urgent_than_the_level_is_left_out(start):
    proxy = start(log={"level": "warning", "format": "json"}, clients=[])
    rejected_reload(proxy)
    proxy.stop()
    assert {line["level"] for line in events(proxy)} == {"warning", "error"}


@pytest.fixture
def journal():
    """A pipe that is called the journal, as systemd does: its writing end, and the variable that names it."""
    reader, writer = os.pipe()
    status = os.fstat(writer)
    yield Lines(os.fdopen(reader, errors="replace")), writer, f"{status.st_dev}:{status.st_ino}"


def start_in_journal(start, journal, name=None, **changes):
    """`name`: another than the pipe's own."""
    lines, writer, own_name = journal
    proxy = start(process={"stderr": writer, "environment": {"JOURNAL_STREAM": own_name if name is None else name}}, **changes)
    os.close(writer)
    proxy.stderr = lines
    return proxy


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_journal_gets_the_priority_of_each_line(start, journal, form):
    proxy = start_in_journal(start, journal, clients=[], log={"format": form})
    rejected_reload(proxy)
    proxy.stop()
    priorities = set()
    for line in proxy.stderr.text().splitlines():
        number, rest = re.fullmatch(r"<(\d)>(.*)", line).groups()
        level = json.loads(rest)["level"] if form == "json" else rest.split()[1]
        priorities.add((level, number))
    assert priorities == {("info", "6"), ("warning", "4"), ("error", "3")}


def test_a_configuration_that_cannot_be_loaded_is_an_error_in_the_journal(start, journal):
    proxy = start_in_journal(start, journal, is_ready=False, version=2)
    assert proxy.wait_exit() == 3
    proxy.stderr.join()
    said = [line for line in proxy.stderr.text().splitlines() if line.startswith("<3>")]
    assert len(said) == 2, proxy.stderr.text()
    assert "`version` 2 is not known" in said[0] and "cannot be loaded" in said[1], said
    proxy.stop(expected=3)


def test_the_sidecar_tells_the_journal_its_priorities_too(pki, journal):
    lines, writer, name = journal
    process = subprocess.Popen(
        [
            *(BINARY, "connect", "--listen", "127.0.0.1:0", "--proxy", "https://127.0.0.1:1"),
            *("--cert", pki.worker.chain, "--key", pki.worker.key, "--ca", pki.server_ca.path),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writer,
        env={**os.environ, "JOURNAL_STREAM": name},
    )
    os.close(writer)
    try:
        lines.wait(f"^<6>{TIME} info serving local clients")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        lines.join()
        said = [line for line in lines.text().splitlines() if "this is a build with a sanitizer" not in line]
        assert said and all(line.startswith("<6>") for line in said), lines.text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["1:2", "x", ""])
def test_a_journal_that_is_not_stderr_gets_no_priorities(start, journal, name):
    proxy = start_in_journal(start, journal, name)
    proxy.stop()
    assert all(re.match(TIME, line) for line in proxy.stderr.text().splitlines()), proxy.stderr.text()


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_in_a_message_makes_another_line_or_speaks_to_a_terminal(start, tmp_path, form):
    folder = tmp_path / "a\nb\x1b[31m\u009bm\u2028c"
    folder.mkdir()
    proxy = start(folder=folder, log={"format": form})
    proxy.send_signal(signal.SIGHUP)
    proxy.stderr.wait("reloaded: config")
    proxy.stop()
    said = proxy.stderr.text()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", said), said
    for line in said.splitlines():
        assert re.match(TIME if form == "text" else "{", line), line
    shown = r"a\x0ab\x1b[31m\xc2\x9bm\xe2\x80\xa8c" if form == "text" else r"a\nb\u001b[31m\u009bm\u2028c"
    assert shown.replace(r"\n", r"\u000a") in said, said
