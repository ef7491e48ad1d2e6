"""Receivers of the audit log beside its file: syslog and lines, dead and required ones."""

import os
import shutil
import socket
import subprocess

import pytest

from support import config as configs
from support.proxy import run
from support.receivers import Receiver
from support.scale import PATIENCE, eventually

DENIED = "nowhere.test:443"

RSYSLOG = """
global(maxMessageSize="64k" workDirectory="{folder}")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/log" CreatePath="off" UseSpecialParser="off")
input(type="imtcp" port="0" address="127.0.0.1" listenPortFileName="{folder}/port" maxFrameSize="64000")
template(name="raw" type="string" string="%msg%\\n")
template(name="heads" type="string" string="%pri% %app-name% %msgid% %inputname%\\n")
*.* action(type="omfile" file="{folder}/messages" template="raw" asyncWriting="off")
*.* action(type="omfile" file="{folder}/heads" template="heads" asyncWriting="off")
"""


def ask(proxy, count):
    for _ in range(count):
        proxy.close_record(proxy.ask(DENIED).id)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def rsyslog(tmp_path):
    folder = tmp_path / "syslog"
    folder.mkdir()
    (folder / "conf").write_text(RSYSLOG.format(folder=folder))
    program = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    with (folder / "talk").open("wb") as talk:
        process = subprocess.Popen(
            [program, "-n", "-f", folder / "conf", "-i", folder / "pid"], stdout=talk, stderr=talk
        )
    try:
        eventually(
            lambda: (folder / "port").exists() and (folder / "log").exists(),
            lambda: f"rsyslog: {(folder / 'talk').read_text()}",
        )
        yield folder
    finally:
        process.kill()
        process.wait(PATIENCE)


def test_rsyslog_gets_each_record_as_it_is_in_the_file(start, rsyslog):
    """Over a Unix datagram socket, and over TCP with octet counting."""
    port = (rsyslog / "port").read_text().strip()
    places = [{"syslog": f"unix:{rsyslog}/log"}, {"syslog": f"tcp:127.0.0.1:{port}"}]
    proxy = start(audit={"also": places})
    ask(proxy, 5)
    proxy.stop()
    written = proxy.audit.lines()
    messages = rsyslog / "messages"
    eventually(
        lambda: messages.exists() and len(messages.read_bytes().splitlines()) == 2 * len(written),
        lambda: f"{2 * len(written)} messages; {(rsyslog / 'talk').read_text()}",
    )
    assert sorted(messages.read_bytes().splitlines()) == sorted(2 * written)
    heads = set((rsyslog / "heads").read_text().splitlines())
    assert heads == {
        f"110 sallyport {event} {way}" for event in ("decision", "close") for way in ("imuxsock", "imtcp")
    }


def test_receivers_of_lines_get_what_the_file_gets(start, tmp_path):
    places = [Receiver(), Receiver(path=tmp_path / "lines.sock")]
    proxy = start(audit={"also": [{"lines": each.place} for each in places]})
    ask(proxy, 5)
    proxy.stop()
    for each in places:
        eventually(lambda each=each: each.lines() == proxy.audit.lines(), "the lines")


def test_a_receiver_that_comes_late_gets_all_and_nobody_has_waited_for_it(start):
    port = free_port()
    proxy = start(audit={"also": [{"lines": f"tcp:127.0.0.1:{port}"}]})
    ask(proxy, 5)
    proxy.stderr.wait(f"sink tcp:127.0.0.1:{port} of the audit log: Connection refused")
    late = Receiver(port=port)
    eventually(lambda: len(late.lines()) == 10, "the lines", 4 * PATIENCE)
    proxy.stderr.wait("it takes records again")
    proxy.stop()
    assert late.lines() == proxy.audit.lines()


def test_without_a_required_receiver_nothing_new_is_begun(start):
    port = free_port()
    also = [{"lines": f"tcp:127.0.0.1:{port}", "required": True}]
    proxy = start(audit={"also": also})
    eventually(lambda: proxy.ask(DENIED).status == 503, "a 503")
    assert "audit_full" in proxy.ask(DENIED).reason
    late = Receiver(port=port)
    eventually(lambda: proxy.ask(DENIED).status == 403, "a 403", 4 * PATIENCE)
    proxy.stop()
    eventually(lambda: late.lines() == proxy.audit.lines(), "the lines")


def test_what_a_required_receiver_did_not_get_makes_the_end_no_success(start):
    also = [{"lines": f"tcp:127.0.0.1:{free_port()}", "required": True}]
    proxy = start(audit={"also": also, "on_full": "drop"})
    ask(proxy, 1)
    proxy.stop(expected=1)
    assert "2 audit records could not be written" in proxy.stderr.text()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"lines": "tcp:192.0.2.1:514"}, "say with `tls: {ca: FILE}` which CA"),
        ({"syslog": "tcp:[2001:db8::1]:514"}, "say with `tls: {ca: FILE}` which CA"),
        ({"syslog": "tcp:127.0.0.1:0"}, "nothing receives at"),
        ({"syslog": "tcp:0.0.0.0:514"}, "nothing receives at"),
        ({"syslog": "tcp:localhost:514"}, "no IP address before the port"),
        ({"syslog": "udp:127.0.0.1:514"}, "expected `unix:PATH` or `tcp:ADDRESS:PORT`"),
        ({"syslog": "unix:" + "x" * 200}, "at most 107 bytes"),
        ({"syslog": "unix:/dev/log", "lines": "unix:/x"}, "either `syslog` or `lines`"),
        ({"required": True}, "either `syslog` or `lines`"),
        ({"lines": "tcp:127.0.0.1:514", "tls": {}}, "`ca`"),
    ],
)
def test_a_sink_that_cannot_be_is_an_error_that_says_so(start, entry, words):
    proxy = start(is_ready=False, audit={"also": [entry]})
    assert proxy.wait_exit() == 3
    assert words in proxy.stderr.text()
    proxy.stop(expected=3)


def test_records_leave_the_machine_in_the_clear_only_if_that_is_said_and_with_a_warning(start, tmp_path):
    proxy = start()
    audit = {"file": "audit.jsonl", "also": [{"lines": "tcp:192.0.2.1:514", "clear": True}]}
    path = tmp_path / "clear.yaml"
    configs.write_config(path, {**proxy.config, "audit": audit})
    result = run("check", "-c", path)
    assert result.returncode == 0 and "everybody on the way can read and change them" in result.stderr


def test_check_warns_of_a_sink_that_is_the_proxy_itself(start_shared, tmp_path):
    config = start_shared().config
    (listener,) = config["listeners"]
    path = tmp_path / "config.yaml"
    control = {"socket": str(tmp_path / "control.sock"), "state": str(tmp_path / "state")}
    rows = [
        ("127.0.0.1:8443", "tcp:127.0.0.1:8443", "listener"),
        ("0.0.0.0:8443", "tcp:127.0.0.1:8443", "listener"),
        ("127.0.0.1:8443", "tcp:127.0.0.1:9443", "`admin`"),
        ("127.0.0.1:8443", f"unix:{control['socket']}", "control socket"),
        ("127.0.0.1:8443", "tcp:127.0.0.2:8443", None),
        ("0.0.0.0:8443", "tcp:127.0.0.1:8444", None),
        ("127.0.0.1:8443", f"unix:{tmp_path}/other.sock", None),
    ]
    for address, sink, place in rows:
        changes = {"listeners": [{**listener, "address": address}], "audit": {"file": str(tmp_path / "audit"), "also": [{"lines": sink}]}}
        admin = {"address": "127.0.0.1:9443"}
        configs.write_config(path, {**config, "control": control, "admin": admin, **changes})
        result = run("check", "-c", path)
        assert result.returncode == 0, result.stderr
        warns = f"the sink {sink} is the proxy's own {place}: " in result.stderr
        assert warns if place else "is the proxy's own" not in result.stderr, (sink, result.stderr)
