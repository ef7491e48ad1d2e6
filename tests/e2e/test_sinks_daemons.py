"""Real syslog daemons that receive the audit log over TLS: rsyslog, by OpenSSL and by GnuTLS, and syslog-ng."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from support.scale import PATIENCE, eventually

DENIED = "nowhere.test:443"

RSYSLOG = """
global(maxMessageSize="64k" workDirectory="{folder}" defaultNetstreamDriver="{driver}"
    defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{chain}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" port="{port}" address="127.0.0.1" maxFrameSize="64000")
template(name="raw" type="string" string="%msg%\\n")
*.* action(type="omfile" file="{folder}/messages" template="raw" asyncWriting="off")
"""

SYSLOG_NG = """
@version: 3.38
options {{ log_msg_size(65536); keep_hostname(yes); stats_freq(0); }};
source s_tls {{
    syslog(ip("127.0.0.1") port({port}) transport("tls") flags(no-multi-line)
        tls(key-file("{key}") cert-file("{chain}") ca-file("{ca}") peer-verify(required-trusted)));
}};
destination d_file {{ file("{folder}/messages" template("$MSG\\n")); }};
log {{ source(s_tls); destination(d_file); }};
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start_rsyslog(folder, driver, files):
    (folder / "conf").write_text(RSYSLOG.format(folder=folder, driver=driver, **files))
    program = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    return [program, "-n", "-f", folder / "conf", "-i", folder / "pid"], None


def start_syslog_ng(folder, files):
    """From where tools/test has unpacked it: Debian installs no second syslog daemon beside rsyslog."""
    (folder / "conf").write_text(SYSLOG_NG.format(folder=folder, **files))
    root = Path(os.environ["SALLYPORT_BESIDE"])
    libraries = root / "usr/lib/syslog-ng"
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{root}/usr/lib/x86_64-linux-gnu"}
    own = [f"--{name}={folder}/{name}" for name in ("persist-file", "pidfile", "control")]
    modules = f"--module-path={libraries}/3.38"
    return [root / "usr/sbin/syslog-ng", "-F", "--no-caps", "-f", folder / "conf", modules, *own], environment


@pytest.fixture(params=["ossl", "gtls", "syslog-ng"])
def daemon(request, pki, tmp_path):
    """A daemon that takes records of those with a certificate of the clients' CA; gives its port and its file."""
    folder = tmp_path / "syslog"
    folder.mkdir()
    shutil.copy(pki.ca.path, folder / "ca")
    port = free_port()
    files = {"port": port, "ca": folder / "ca", "chain": pki.server.chain, "key": pki.server.key}
    starts = start_syslog_ng if request.param == "syslog-ng" else start_rsyslog
    driver = () if request.param == "syslog-ng" else (request.param,)
    command, environment = starts(folder, *driver, files)
    with (folder / "talk").open("wb") as talk:
        process = subprocess.Popen(command, stdout=talk, stderr=talk, env=environment)
    try:
        eventually(lambda: is_listening(port), lambda: f"{command[0]}: {(folder / 'talk').read_text()}")
        yield port, folder / "messages", folder / "talk"
    finally:
        process.kill()
        process.wait(PATIENCE)


def is_listening(port):
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(each[1].endswith(f":{port:04X}") and each[3] == "0A" for each in sockets)


def test_a_daemon_gets_each_record_as_it_is_in_the_file(start, pki, daemon):
    port, messages, talk = daemon
    own = {"chain": pki.worker.chain, "key": pki.worker.key}
    tls = {"ca": pki.server_ca.path, "certificate": own}
    sink = {"syslog": f"tcp:127.0.0.1:{port}", "tls": tls, "required": True}
    proxy = start(audit={"also": [sink]})
    for _ in range(20):
        proxy.close_record(proxy.ask(DENIED).id)
    proxy.stop()
    written = proxy.audit.lines()
    eventually(
        lambda: messages.exists() and len(messages.read_bytes().splitlines()) == len(written),
        lambda: f"{len(written)} messages; {talk.read_text()}",
    )
    assert messages.read_bytes().splitlines() == written


def test_a_daemon_refuses_a_client_that_it_does_not_know_and_gets_nothing(start, pki, daemon):
    port, messages, _ = daemon
    place = f"tcp:127.0.0.1:{port}"
    proxy = start(audit={"also": [{"syslog": place, "tls": {"ca": pki.server_ca.path}}]})
    proxy.close_record(proxy.ask(DENIED).id)
    proxy.stderr.wait(rf"sink {place} of the audit log: ")
    proxy.stop()
    assert not messages.exists() or not messages.read_bytes()
