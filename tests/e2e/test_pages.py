"""The commands of README.md, docs/CA.md, docs/OPERATIONS.md and docs/CHAIN.md, run as they stand there, in the order in which a
stranger meets them."""

import contextlib
import os
import re
import shutil
import ssl
import subprocess
import threading
from fnmatch import fnmatch
from types import SimpleNamespace

import pytest

from support.audit import AuditLog
from support.flights import EVIL, hello
from support.pages import PAGES, ROOT, blocks, run_script
from support.proxy import BINARY, Lines
from support.scale import PATIENCE, eventually
from support.web import clean_environment
from support.wire import Client, client_context


class Shell:
    """A clone after its build: the program is in no PATH, and at bazel-bin/proxy/sallyport."""

    def __init__(self, folder):
        self.folder = folder
        program = folder / "bazel-bin" / "proxy" / "sallyport"
        program.parent.mkdir(parents=True)
        program.symlink_to(os.path.realpath(BINARY))
        self.environment = {**clean_environment(folder), "PWD": str(folder)}
        assert not shutil.which("sallyport", path=self.environment["PATH"])
        self.beginning = ""

    def start(self, block):
        """Runs a block whose last line goes on, in the background."""
        return subprocess.Popen(
            ["bash", "-c", self.beginning + re.sub(r"^(sallyport serve)", r"exec \1", block, flags=re.M)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, block):
        """Exit status of a block, and all that it said."""
        return run_script(["bash", "-c", self.beginning + block], self.folder, self.environment)

    def good(self, block):
        code, said = self.run("set -e\n" + block)
        assert code == 0, said
        return said


def block_with(page, *parts):
    """The one block of a page that has all of these in it."""
    [found] = [block for block in blocks(page) if all(part in block for part in parts)]
    return found


EXPORT = re.compile(r'^ *export PATH=.*\n', re.M)


@pytest.fixture
def shell(tmp_path):
    """What the commands of a page leave in the clone, keys of CAs among it, no commit may take up."""
    yield Shell(tmp_path)
    patterns = [line for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line.startswith("/")]
    of_tests = {"left", "early"}
    for path in tmp_path.iterdir():
        name = f"/{path.name}/" if path.is_dir() else f"/{path.name}"
        assert path.name in of_tests or any(fnmatch(name.rstrip("/"), line.rstrip("/")) for line in patterns), name


@pytest.fixture
def gate(shell):
    """The README's first proxy, serving, as its two commands leave it."""
    first = block_with("README.md", "sallyport quickstart gate", "sallyport serve")
    process = shell.start(first)
    stdout, stderr = Lines(process.stdout), Lines(process.stderr)
    assert stdout.wait(r"^ready main=127\.0\.0\.1:8443"), stderr.text()
    shell.beginning = EXPORT.search(first).group()
    shell.audit = AuditLog(shell.folder / "gate" / "audit.jsonl")
    yield shell
    process.terminate()
    assert process.wait(PATIENCE) == 0, stderr.text()


CURL = ("curl -x", "gate/client.crt")


def test_the_readmes_curl_gets_through_the_proxy_that_its_commands_made(gate):
    """This network has no DNS: the answer is that, and not a denial."""
    said = gate.run(block_with("README.md", *CURL))[1]
    assert "response 502" in said, said
    decision = gate.audit.wait("decision")
    assert decision["client"]["name"] == "demo" and decision["decision"]["action"] == "error"


def test_what_the_readme_does_not_allow_is_denied(gate):
    command = block_with("README.md", *CURL).replace("example.com", "example.org")
    assert "response 403" in gate.run(command)[1]


def test_the_readmes_second_client_is_issued(gate):
    gate.good(block_with("README.md", "ca issue eu-1 --dir gate"))
    assert (gate.folder / "gate" / "eu-1.pem").exists()


def test_the_readme_asks_the_running_proxy_and_gets_answers(gate):
    said = gate.good(block_with("README.md", "sallyport status", "sallyport reload"))
    assert "listener     main" in said and "reloaded" in said


@pytest.mark.parametrize("command", ["top --count 1", "block demo", "kill client demo", "drain"])
def test_every_control_command_works_with_the_first_config(gate, command):
    gate.good(f"sallyport {command} -c gate/sallyport.yaml")


def test_a_client_revoked_as_the_page_says_is_refused_and_the_next_one_is_not(gate):
    """The commands of docs/CA.md; nobody tells the proxy."""
    command = block_with("README.md", *CURL)
    assert "response 502" in gate.run(command)[1]
    gate.good(block_with("docs/CA.md", "ca revoke client --dir gate", "ca crl --dir gate"))
    eventually(lambda: "certificate revoked" in gate.run(command)[1], "the refusal")
    gate.audit.wait("handshake_refused", reason="revoked")
    other = block_with("README.md", "ca issue eu-1 --dir gate")
    gate.good(other)
    assert "response 403" in gate.run(command.replace("gate/client.", "gate/eu-1."))[1]


def test_the_verbs_of_the_ca_page_run_one_after_the_other(shell):
    first = block_with("docs/CA.md", "sallyport ca init --dir pki")
    said = shell.good(first)
    assert "revoked" in said and "proxy" in said
    shell.beginning = EXPORT.search(first).group()
    code, said = shell.run(block_with("docs/CA.md", "openssl verify"))
    assert code != 0 and "certificate revoked" in said and "verify OK" in said


class Traffic(threading.Thread):
    """Opens a tunnel, and ends it, again and again, until it is told to stop; what went wrong is in `problems`."""

    def __init__(self, gate, folder, cas):
        super().__init__(daemon=True)
        self.gate = gate
        self.identity = SimpleNamespace(chain=folder / "client.crt", key=folder / "client.key")
        self.cas = gate.folder / "gate" / cas
        self.rounds = 0
        self.problems = []
        self.is_stopped = False
        self.held = self.connect()
        self.held_id = self.held.tunnel(gate.target).id
        gate.traffic.append(self)
        self.start()

    def connect(self):
        return Client(self.gate.address, client_context(self.cas, self.identity), "localhost").handshake()

    def run(self):
        while not self.is_stopped:
            try:
                client = self.connect()
                client.tunnel(self.gate.target)
                client.close()
            except (AssertionError, OSError) as problem:
                self.problems.append(repr(problem))
            self.rounds += 1

    def check(self):
        """Two more rounds, the tunnel that is held, and not one refusal."""
        end = self.rounds + 2
        eventually(lambda: self.rounds >= end, "more tunnels")
        self.held.echo(b"still there")
        assert self.problems == []

    def pause(self):
        """Opens no more; the tunnel that is held stays."""
        self.is_stopped = True
        self.join(PATIENCE)

    def stop(self):
        self.pause()
        self.held.close()


@pytest.fixture
def rolling(shell, origin):
    """A folder of quickstart, serving, whose client may go to an origin on this machine."""
    port = origin().port
    shell.beginning = EXPORT.search(block_with("README.md", "sallyport quickstart gate", "sallyport serve")).group()
    shell.good(f"sallyport quickstart gate --listen 127.0.0.1:0 --allow localhost:{port}")
    shell.target = f"localhost:{port}"
    process = shell.start("sallyport serve -c gate/sallyport.yaml")
    stdout, stderr = Lines(process.stdout), Lines(process.stderr)
    ready = stdout.wait(r"^ready main=127\.0\.0\.1:(\d+)")
    assert ready, stderr.text()
    shell.address = ("127.0.0.1", int(ready.group(1)))
    shell.audit = AuditLog(shell.folder / "gate" / "audit.jsonl")
    shell.traffic = []
    yield shell
    for traffic in shell.traffic:
        traffic.stop()
    process.terminate()
    assert process.wait(PATIENCE) == 0, stderr.text()


def test_clients_move_to_a_new_ca_as_the_page_says_and_none_is_refused_on_the_way(rolling):
    steps = [
        block_with("docs/CA.md", *parts)
        for parts in (
            ("ca renew ca --dir gate",),
            ("sed ", "ca-2/ca.crt]|"),
            ("cat gate/ca.crt",),
            ("--under gate/ca-2",),
            ("sed ", "ca: [|"),
        )
    ]
    folder = rolling.folder / "gate"
    left = rolling.folder / "left"  # where nobody takes the new files to
    left.mkdir()
    for name in ("client.crt", "client.key"):
        shutil.copy(folder / name, left / name)
    old = Traffic(rolling, left, "ca.crt")
    rolling.good(steps[0])
    old.check()
    rolling.good(steps[1])
    old.check()
    rolling.good("sallyport ca issue client --dir gate/ca-2 --out early")
    new = Traffic(rolling, rolling.folder / "early", "ca.crt")
    rolling.good(steps[2])
    for traffic in (old, new):
        traffic.cas = folder / "both.crt"
        traffic.check()
    rolling.good(steps[3])
    moved = Traffic(rolling, folder, "both.crt")
    served = client_context(folder / "ca-2" / "ca.crt", moved.identity)
    eventually(lambda: shows(rolling.address, served), "the proxy's own certificate under the new CA")
    for traffic in (old, new, moved):
        traffic.check()
    old.pause()
    assert old.problems == []
    rolling.good(steps[4])
    assert rolling.audit.wait("close", id=old.held_id)["reason"] == "policy_changed"
    assert "UNKNOWN_CA" in old.connect().refusal()
    for traffic in (new, moved):
        traffic.check()


def shows(address, context):
    """Does the proxy show a certificate that this context believes?"""
    try:
        Client(address, context, "localhost").handshake().close()
    except ssl.SSLCertVerificationError:
        return False
    return True


@pytest.mark.parametrize("name", ["localhost", EVIL])
def test_tunnels_are_held_to_names_step_by_step_as_the_inner_page_says(rolling, name):
    folder = rolling.folder / "gate"
    identity = SimpleNamespace(chain=folder / "client.crt", key=folder / "client.key")

    def tunnel():
        made = Client(rolling.address, client_context(folder / "ca.crt", identity), "localhost").handshake()
        made.tunnel(rolling.target)
        made.send(hello(name))
        return made

    with contextlib.closing(tunnel()) as first:
        first.read_exactly(len(hello(name)))
    rolling.audit.wait("close")
    said = rolling.good(block_with("docs/INNER.md", "audit suggest"))
    assert ("inner: {tls: require}}" in said) == (name == "localhost"), said
    assert ("# ? localhost" in said) == (name == EVIL), said
    code, said = rolling.run("set -e\n" + block_with("docs/INNER.md", "sallyport check", "audit replay"))
    assert "1 decisions" in said and code == (name == EVIL), said
    assert (f"(inside: {EVIL})" in said) == (name == EVIL), said
    rolling.good(block_with("docs/INNER.md", "mv gate/new.yaml", "sallyport reload"))
    with contextlib.closing(tunnel()) as second:
        assert bool(second.read()) == (name == "localhost")


OPERATIONS = "docs/OPERATIONS.md"
# The blocks of the page, each by words that only it has; a test runs each of them.
WATCH, ROTATE, RENEW, CHANGE, BACK_UP, RESTORE = OPERATIONS_BLOCKS = (
    "top --once",
    "kill -USR1",
    "ca renew",
    "audit replay",
    "tar -C gate",
    "mkdir restored",
)


def test_every_command_of_the_operations_page_is_run_by_a_test():
    # How the program is installed needs a machine that systemd runs, and is left out.
    found = [b for b in blocks(OPERATIONS) if not EXPORT.fullmatch(b) and "systemctl enable" not in b]
    assert len(found) == len({block_with(OPERATIONS, words) for words in OPERATIONS_BLOCKS}), found


def test_the_log_is_rotated_and_the_configuration_changed_as_the_operations_page_says(gate):
    said = gate.good(block_with(OPERATIONS, WATCH))
    assert "listener     main" in said and "0 tunnels" in said
    denied = block_with("README.md", *CURL).replace("example.com", "example.org")
    assert "response 403" in gate.run(denied)[1]
    before = gate.audit.wait("close")["id"]
    gate.good(block_with(OPERATIONS, ROTATE))
    eventually(gate.audit.path.exists, "the new file")
    assert AuditLog(gate.folder / "gate" / "audit-1.jsonl").records("close", id=before)
    assert "response 403" in gate.run(denied)[1]
    assert gate.audit.wait("close")["id"] != before
    said = gate.good(block_with(OPERATIONS, CHANGE))
    assert "1 decisions" in said and "reloaded" in said, said
    assert not (gate.folder / "gate" / "next.yaml").exists()


def test_certificates_are_renewed_as_the_operations_page_says(gate):
    gate.good("sallyport ca issue brief --dir gate --ttl 1h")
    said = gate.good(block_with(OPERATIONS, RENEW))
    assert "ca.crl" in said, said


def test_the_ca_is_backed_up_and_restored_as_the_operations_page_says(gate):
    gate.good(block_with(OPERATIONS, BACK_UP))
    assert (gate.folder / "ca-backup.tgz").stat().st_mode & 0o077 == 0
    said = gate.good(block_with(OPERATIONS, RESTORE))
    assert "client" in said and "server" in said, said
    restored = gate.folder / "restored"
    gate.good("sallyport ca issue again --dir restored")
    assert (restored / "again.crt").exists()
    gate.good("cp restored/ca.crl gate/ca.crl; sallyport reload -c gate/sallyport.yaml")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_where_the_program_is_before_its_first_command(page):
    """Who pastes `sallyport ...` into a shell after the build finds no such command."""
    text = PAGES[page].read_text(encoding="utf-8")
    command = re.search(r"^(?:    )?(?:\$ )?sallyport [a-z]", text, re.M)
    where = text.find('export PATH="$PWD/bazel-bin/proxy:$PATH"')
    assert command is None or 0 <= where < command.start()


CHAIN = "docs/CHAIN.md"


def test_the_chain_of_three_works_as_its_page_says(shell):
    """This network has no DNS: the last one's answer is that, and not a denial."""
    *before, serve, ask, records, refuse, revoke = blocks(CHAIN)
    shell.beginning = EXPORT.search(before[0]).group()
    said = [shell.good(block) for block in before]
    checked = [shell.good(f"sallyport check -c chain/{name}.yaml") for name in ("first", "second", "last")]
    assert "trust domain" not in "".join(checked), checked
    assert "edge       edges, which speaks for clients of the profile staff" in said[-1], said
    assert "answer     allow: rule reader.allow[0]" in said[-1], said
    with contextlib.ExitStack() as stack:
        for line in serve.splitlines():
            process = shell.start(line)
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)
            stdout, stderr = Lines(process.stdout), Lines(process.stderr)
            assert stdout.wait("^ready "), stderr.text()
        assert "response 502" in shell.run(ask)[1]
        logs = [AuditLog(shell.folder / "chain" / f"{name}.jsonl") for name in ("first", "second", "last")]
        for log in logs:
            log.wait("close")
        told = shell.run(records)[1]  # explain exits with 1: without DNS nothing was allowed
        assert told.count('"name":"staff","trust":"staff","subject":"CN=client"') == 2, told
        assert told.count('"name":"edges","trust":"proxies"') == 2 and '"name":"reader"' in told, told
        assert "who        " not in told and "edge       edges" in told, told
        said = shell.run(refuse)[1]
        assert "response 403" in said and "no_rule" in said, said
        [members] = re.findall(r"^< Proxy-Status: (.*)$", said, re.M | re.I)
        reasons = re.findall(r'(?:^|, )sallyport; [^,]*details="([a-z_]+)', members)
        assert reasons == ["no_rule", "parent_refused", "parent_refused"], members
        shell.good(revoke)
        last = AuditLog(shell.folder / "chain" / "last.jsonl")

        def is_revoked():
            said = shell.run(ask)[1]
            return "response 403" in said and last.records("decision", **{"decision.reason": "revoked"})

        eventually(is_revoked, "the revocation")
