"""`check` says what `serve` would do on this machine, by the user who asks; and what others could do to the proxy."""

import json
import os
import re
import subprocess

import pytest

from support.proxy import BINARY, Lines, run
from support.scale import PATIENCE, eventually

# A user who is not root, and owns what the test made.
A_USER = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]


@pytest.fixture
def gate(tmp_path):
    """A folder that quickstart has made, with any free port, and the CA's key elsewhere."""
    folder = tmp_path / "gate"
    run("quickstart", folder, "--listen", "127.0.0.1:0")
    (folder / "ca.key").rename(tmp_path / "ca.key")
    for name in ("log", "run", "state"):
        (folder / name).mkdir()
    yield folder
    for name in ("log", "run", "state"):
        (folder / name).chmod(0o700)


def change(folder, old, new):
    config = folder / "sallyport.yaml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def check(folder, *options, by=()):
    command = [*by, BINARY, "check", "-c", folder / "sallyport.yaml", *options]
    return run(*command[1:], program=command[0])


def findings(folder, severity="warning"):
    found = json.loads(check(folder, "--json").stdout)["findings"]
    return [one["message"] for one in found if one["severity"] == severity]


def serves(folder):
    """Does `serve` by that user start?"""
    process = subprocess.Popen(
        [*A_USER, BINARY, "serve", "-c", folder / "sallyport.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    is_ready = Lines(process.stdout).wait("^ready") is not None
    stderr = Lines(process.stderr)
    process.terminate()
    process.wait(PATIENCE)
    assert is_ready == (process.returncode == 0), stderr.text()
    return is_ready


@pytest.fixture
def a_user():
    if subprocess.run([*A_USER, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine makes no user namespaces")


def spoil_nothing(folder):
    pass


def spoil_audit_folder(folder):
    (folder / "log").chmod(0o500)


def spoil_audit_file(folder):
    (folder / "log" / "audit.jsonl").touch(0o400)


def spoil_socket_folder(folder):
    (folder / "run").chmod(0o500)


def spoil_state_folder(folder):
    (folder / "state").chmod(0o500)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_nothing, None),
        (spoil_audit_folder, "the audit log"),
        (spoil_audit_file, "the audit log"),
        (spoil_socket_folder, "no control socket can be made"),
        (spoil_state_folder, "the file of blocks"),
    ],
)
def test_check_and_serve_agree_on_what_this_user_can_write(gate, a_user, spoil, words):
    change(gate, "{file: audit.jsonl}", "{file: log/audit.jsonl}")
    change(gate, "{socket: control.sock, state: state.json}", "{socket: run/c.sock, state: state/s.json}")
    spoil(gate)
    result = check(gate, by=A_USER)
    assert result.returncode == (0 if words is None else 3), result.stderr
    assert "looked at as user 1000\n" in result.stdout or words
    assert words is None or (words in result.stderr and "user 1000" in result.stderr)
    assert re.search(r"^sallyport check: 1 error$", result.stderr, re.M) or words is None
    assert "is good" not in result.stdout or words is None
    assert serves(gate) == (words is None)


@pytest.mark.parametrize(("word", "is_refused"), [("refuse", True), ("keep", False)])
def test_check_says_who_is_refused_once_a_crl_has_expired(gate, word, is_refused):
    change(gate, "crl_expired: keep", f"crl_expired: {word}")
    assert "is good" in check(gate).stdout
    (gate.parent / "ca.key").rename(gate / "ca.key")
    run("ca", "crl", "--dir", gate, "--ttl", "1s")
    (gate / "ca.key").unlink()
    eventually(lambda: "has expired" in check(gate).stderr, "the end of the list")
    result = check(gate)
    assert result.returncode == 0 and "can be used, with 1 warning (" in result.stdout
    assert ("everybody under this CA is refused" in result.stderr) == is_refused
    assert check(gate, "--strict").returncode == 1


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ('    address: "', '   address: "', "10:4", "the indent does not fit what begins at 9:3"),
        ('    address: "', '     address: "', "10:13", "indented too far"),
        ('    address: "', '\taddress: "', "10:1", "blanks, not with tabs"),
        ('"127.0.0.1:0"', "[::]:8443", "10:15", 'needs quotes: "[::]:8443"'),
        ('"127.0.0.1:0"', "[2001:db8::1]:8443", "10:27", "needs quotes"),
        ("key: server.key}", "key: server.key", "13:10", "the `{` at 12:9 is not closed"),
        ("ca: [ca.crt]", "ca: [ca.crt", "20:5", "the `[` at 18:9 is not closed"),
        ('["example.com"]', '["example.com]', None, "the quote at"),
        ("trust: clients", "trust:clients", None, "with a blank after the colon"),
        ("ports: [443]", "ports: [9000-8000]", None, "begins with its lower port"),
    ],
)
def test_a_mistake_that_people_make_has_a_hint(gate, old, new, place, words):
    change(gate, old, new)
    result = check(gate)
    assert result.returncode == 3
    assert place is None or f"sallyport.yaml:{place}: error: " in result.stderr
    [hint] = re.findall(r"^    hint: (.*)$", result.stderr, re.M)
    assert words in hint
    assert result.stderr.endswith("sallyport check: 1 error\n")


def test_check_by_root_says_so(gate):
    assert os.geteuid() == 0
    assert "looked at as user 0 (root)" in check(gate).stdout
    assert any("looked as root" in one for one in findings(gate, "note"))


def test_the_key_of_a_ca_beside_the_config_is_a_warning(gate):
    assert not findings(gate)
    (gate.parent / "ca.key").rename(gate / "ca.key")
    [found] = findings(gate)
    assert "ca.key can be read here" in found


@pytest.mark.parametrize("name", ["sallyport.yaml", "names.txt", "ca.crl", "."])
@pytest.mark.parametrize(("mode", "who"), [(0o706, "everybody"), (0o702, "everybody")])
def test_what_others_can_write_is_a_warning(gate, name, mode, who):
    (gate / "names.txt").write_text("example.com\n")
    change(gate, 'hosts: ["example.com"]', "hosts: [{file: names.txt}]")
    assert not findings(gate)
    (gate / name).chmod(mode)
    found = findings(gate)
    assert found and all(f"can be written by {who}" in one for one in found)


@pytest.mark.parametrize(
    ("address", "more", "is_found"),
    [
        ("0.0.0.0:0", "", True),
        ("[::]:0", "", True),
        ("127.0.0.1:0", "", False),
        ("0.0.0.0:0", "limits: {sessions: 1000}\n", False),
    ],
)
def test_a_listener_for_everybody_without_limits_is_a_warning(gate, address, more, is_found):
    change(gate, '"127.0.0.1:0"', f'"{address}"')
    change(gate, "audit: {", more + "audit: {")
    found = [one for one in findings(gate) if "there are no `limits`" in one]
    assert bool(found) == is_found


def test_a_client_with_limits_is_limited_on_every_address(gate):
    change(gate, '"127.0.0.1:0"', '"0.0.0.0:0"')
    change(gate, "    allow:", "    limits: {tunnels: 100}\n    allow:")
    assert not findings(gate)
