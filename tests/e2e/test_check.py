"""`check` says what `serve` would do on this machine, by the user who asks; and what others could do to the proxy."""

import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from support.proxy import BINARY, Lines, run
from support.scale import PATIENCE, eventually

# A user who is not root, and owns what the test made.
A_USER = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]
IN_A_GROUP = ["unshare", "-U", "--map-user=1000", "--map-group=1001"]

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"


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


def findings(folder, severity="warning", by=()):
    found = json.loads(check(folder, "--json", by=by).stdout)["findings"]
    return [one["message"] for one in found if one["severity"] == severity]


def serves(folder, by=A_USER):
    """Does `serve` by that user start?"""
    process = subprocess.Popen(
        [*by, BINARY, "serve", "-c", folder / "sallyport.yaml"],
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
    for by, user in ((A_USER, "user 1000"), ((), "user 0")):  # root has given up what lets it write everywhere
        result = check(gate, by=by)
        assert result.returncode == (0 if words is None else 3), result.stderr
        assert f"looked at as {user}" in result.stdout or words
        assert words is None or (words in result.stderr and user in result.stderr)
        assert re.search(r"^sallyport check: 1 error$", result.stderr, re.M) or words is None
        assert "is good" not in result.stdout or words is None
        assert serves(gate, by=by) == (words is None)


def test_check_by_root_says_what_a_reload_will_not_be_able_to_read(gate):
    (gate / "server.key").chmod(0)
    [found] = findings(gate)
    assert found.startswith(f"{gate}/server.key cannot be read by user root")


@pytest.mark.parametrize(
    ("path", "words", "said_by_serve"),
    [
        ("gone/audit.jsonl", "hint: run: mkdir -p {}/gone\n", "make its folder first"),
        ("log", "is a directory: expected a file", "Is a directory"),
        ("sallyport.yaml/audit.jsonl", "cannot be written", "Not a directory"),
    ],
)
def test_an_audit_log_that_can_never_be_opened_stops_check_and_serve(gate, path, words, said_by_serve):
    change(gate, "{file: audit.jsonl}", f"{{file: {path}}}")
    result = check(gate)
    assert result.returncode == 3 and words.format(gate) in result.stderr
    assert re.search(r"sallyport\.yaml:\d+:15: error: ", result.stderr), result.stderr
    result = run("serve", "-c", gate / "sallyport.yaml")
    assert result.returncode == 3 and said_by_serve in result.stderr


def test_a_file_of_blocks_that_can_never_be_written_stops_check_and_serve(gate):
    change(gate, "state: state.json", "state: gone/state.json")
    result = check(gate)
    assert result.returncode == 3 and f"hint: run: mkdir -p {gate}/gone\n" in result.stderr
    result = run("serve", "-c", gate / "sallyport.yaml")
    assert result.returncode == 3 and "gone/state.json" in result.stderr


def test_a_folder_for_a_socket_that_can_never_be_made_stops_check_and_serve(gate):
    change(gate, "socket: control.sock", "socket: gone/control.sock")
    result = check(gate)
    assert result.returncode == 3 and f"hint: run: mkdir -m 700 -p {gate}/gone" in result.stderr
    result = run("serve", "-c", gate / "sallyport.yaml")
    assert result.returncode == 1 and "gone/control.sock: its folder does not exist" in result.stderr
    change(gate, "socket: gone/control.sock", "socket: /run/sallyport-that-is-not-here/control.sock")
    result = check(gate)  # the service manager may make it
    assert result.returncode == 0 and "the folder of control socket /run/sallyport-that" in result.stderr


def test_paths_and_patterns_that_lead_nowhere_are_warnings(gate):
    folder = gate / "clients.d"
    folder.mkdir(mode=0o755)
    change(gate, "\nclients:\n", "\ninclude: [clients.d/*.yaml]\nprocess: {paths: [later]}\nclients:\n")
    [found] = findings(gate)
    assert f"`paths`: there is no {gate}/later, and what is not there at the start opens nothing" in found
    (gate / "later").mkdir()
    assert not findings(gate)
    (folder / "README").write_text("")
    (folder / ".hidden.yml").write_text("")
    assert not findings(gate)
    team = "clients: [{name: a, match: [{cn: a}], allow: [{hosts: [a.example]}]}]\n"
    (folder / "a.yml").write_text(team)
    [found] = findings(gate)
    assert f"`include`: no file fits {folder}/*.yaml, and a.yml beside it fits no pattern" in found
    change(gate, "[clients.d/*.yaml]", "[clients.d/*.yaml, clients.d/*.yml]")
    assert not findings(gate)
    change(gate, "[clients.d/*.yaml, ", "[clients.d/b.yaml, ")
    [found] = findings(gate)
    assert f"`include`: there is no file {folder}/b.yaml" in found


def test_a_file_directly_in_a_wide_folder_is_a_warning_where_there_is_a_sandbox(gate, tmp_path):
    if "sandbox: Landlock 0" in check(gate).stdout:
        pytest.skip("this kernel, or this build, has no Landlock")
    with tempfile.NamedTemporaryFile("w", dir="/tmp", suffix=".txt") as names:
        os.fchmod(names.fileno(), 0o644)
        print("example.com", file=names, flush=True)
        change(gate, 'hosts: ["example.com"]', f"hosts: [{{file: {names.name}}}]")
        [found] = findings(gate)
        assert f"{names.name} is directly in /tmp, of which the sandbox opens no other file" in found
        change(gate, "\nclients:\n", "\nprocess: {paths: [/tmp]}\nclients:\n")
        assert not findings(gate)


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
        ("file: audit.jsonl", "file: ${HOME}/audit.jsonl", None, "`${` is not expanded here"),
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


@pytest.mark.parametrize("path", ["~/ca.crt", "${HOME}/ca.crt", "$(pwd)/ca.crt"])
def test_a_path_that_a_shell_would_expand_is_a_warning(gate, path):
    change(gate, "ca: [ca.crt]", f'ca: ["{path}"]')
    result = check(gate)
    assert result.returncode == 3
    assert f"sallyport.yaml:18:10: warning: `ca` `{path}`: nothing in a configuration is expanded" in result.stderr


def test_an_address_of_another_machine_is_a_warning(gate):
    change(gate, '"127.0.0.1:0"', '"192.0.2.7:8443"')
    result = check(gate)
    assert "sallyport.yaml:10:14: warning: 192.0.2.7 is not an address of this machine now" in result.stderr
    change(gate, '"192.0.2.7:8443"', '"[::]:8443"')
    assert "not an address of this machine" not in check(gate).stderr


def test_a_chain_and_a_key_that_are_swapped_are_said_to_be(gate):
    change(gate, "chain: server.crt, key: server.key", "chain: server.key, key: server.crt")
    result = check(gate)
    assert result.returncode == 3
    assert "server.key holds a private key and no certificate" in result.stderr and "swapped" in result.stderr
    assert "server.crt is" not in result.stderr and "1 error\n" in result.stderr
    change(gate, "chain: server.key, key: server.crt", "chain: server.crt, key: server.key")
    old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    for begin in ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", old):
        (gate / "server.key").write_text(begin + "AAAA\n-----END PRIVATE KEY-----\n")
        result = check(gate)
        assert result.returncode == 3 and "the private key in it is encrypted" in result.stderr
        assert "openssl pkey -in FILE -out NEW" in result.stderr


def test_what_is_no_configuration_at_all_has_a_hint(gate):
    result = run("check", "-c", gate / "server.crt")
    assert result.returncode == 3 and "begins with `version: 1`" in result.stderr


def test_a_first_config_observes_and_an_older_one_has_a_note_that_people_see(gate):
    note = "nobody looks at the name inside the tunnels of client `demo`"
    assert note not in check(gate).stdout
    change(gate, "    inner: {tls: observe}\n", "")
    result = check(gate, "--strict")
    assert result.returncode == 0 and not result.stderr
    assert result.stdout.count(note) == 1 and "hint: write `inner: {tls: observe}`" in result.stdout
    assert [one for one in findings(gate, "note") if note in one]
    change(gate, "    allow:\n", "    inner: {tls: any}\n    allow:\n")
    assert note not in check(gate).stdout


def test_check_by_root_says_so(gate):
    assert os.geteuid() == 0
    assert "looked at as user 0 (root)" in check(gate).stdout
    assert any("checked as root" in one for one in findings(gate, "note"))


def test_the_key_of_a_ca_beside_the_config_is_a_warning(gate):
    assert not findings(gate)
    (gate.parent / "ca.key").rename(gate / "ca.key")
    [found] = findings(gate)
    assert "ca.key can be read here" in found
    other = gate.parent / "other"
    other.mkdir()
    for name in ("ca.crt", "ca.key"):
        shutil.copy(gate / name, other / name)
    change(gate, "ca: [ca.crt]", f"ca: [ca.crt, {other}/ca.crt]")
    assert len([found for found in findings(gate) if "ca.key can be read here" in found]) == 2


@pytest.mark.parametrize("name", ["sallyport.yaml", "names.txt", "ca.crl", "."])
@pytest.mark.parametrize(("mode", "who"), [(0o706, "everybody"), (0o702, "everybody")])
def test_what_others_can_write_is_a_warning(gate, name, mode, who):
    (gate / "names.txt").write_text("example.com\n")
    change(gate, 'hosts: ["example.com"]', "hosts: [{file: names.txt}]")
    assert not findings(gate)
    (gate / name).chmod(mode)
    found = findings(gate)
    assert found and all(f"can be written by {who}" in one for one in found)


@pytest.mark.parametrize("name", ["sallyport.yaml", "names.txt", "ca.crl", "."])
@pytest.mark.parametrize(
    ("mode", "by", "is_found"),
    [(0o720, IN_A_GROUP, True), (0o770, IN_A_GROUP, True), (0o750, IN_A_GROUP, False), (0o720, A_USER, False)],
)
def test_what_a_group_of_others_can_write_is_a_warning(gate, a_user, name, mode, by, is_found):
    """A group of the owner's own, with the number of the user, is nobody else."""
    (gate / "names.txt").write_text("example.com\n")
    change(gate, 'hosts: ["example.com"]', "hosts: [{file: names.txt}]")
    (gate / name).chmod(mode)
    found = findings(gate, by=by)
    assert bool(found) == is_found
    assert all(f"can be written by its group (mode {mode:04o})" in one for one in found)


def test_a_sticky_folder_of_included_files_is_a_warning(gate):
    """Nobody can replace another one's file there, and everybody can add one."""
    folder = gate / "clients.d"
    folder.mkdir(mode=0o755)
    change(gate, "\nclients:\n", "\ninclude: [clients.d/*.yaml]\nclients:\n")
    assert not findings(gate)
    folder.chmod(0o1777)
    [found] = findings(gate)
    assert "clients.d can be written by everybody (mode 1777)" in found
    (folder / "a.yaml").write_text("clients: [{name: a, match: [{cn: a}], allow: [{hosts: [a.example]}]}]\n")
    assert any("clients.d can be written by everybody (mode 1777)" in one for one in findings(gate))


def test_a_folder_where_each_may_replace_only_his_own_is_no_warning(gate, a_user):
    gate.chmod(0o1777)
    assert not findings(gate) and not findings(gate, by=IN_A_GROUP)
    gate.chmod(0o777)
    assert len(findings(gate)) == 1 and findings(gate, by=IN_A_GROUP)


def test_a_line_of_a_hosts_file_that_cannot_be_read_is_named(gate):
    hosts = gate / "hosts"
    change(gate, "audit: {", "resolver: {hosts_file: hosts}\naudit: {")
    hosts.write_text("# ours\n10.2.0.7 db.example.org\n")
    assert not findings(gate)
    hosts.write_text("# ours\n10.2.0.7 db.example.org\nfe80::1%eth0 a\n10.1 b\n")
    result = check(gate)
    assert f"{hosts}:3:1: warning: `hosts_file`: this line cannot be read" in result.stderr
    assert "(2 in this file)" in result.stderr and result.returncode == 0
    hosts.write_text("10.0.0.1 a\n" + "".join(f"10.0.0.1 n{i}\n" for i in range(100_000)))
    result = check(gate)
    assert result.returncode == 3 and f"{hosts}:100001:1: error: `hosts_file`: more than" in result.stderr


def in_place_of_the_systems(bundle):
    """What runs a program that finds this file where the system has its CAs."""
    if not os.path.exists(SYSTEM_CAS):
        pytest.skip("this machine has no bundle of CAs")
    return ["unshare", "-rm", "sh", "-c", f'mount --bind "{bundle}" {SYSTEM_CAS} && exec "$@"', "sh"]


def test_what_has_expired_in_the_systems_bundle_is_no_warning(gate):
    change(gate, "    crl: [ca.crl]\n    crl_expired: keep\n", "    system_cas: true\n")
    run("ca", "init", "--dir", gate / "old", "--ttl", "1s", "--name", "Old CA")
    bundle = gate / "bundle.pem"
    bundle.write_text((gate / "old" / "ca.crt").read_text())
    by = in_place_of_the_systems(bundle)
    change(gate, "ca: [ca.crt]", "ca: [ca.crt, old/ca.crt]")
    eventually(lambda: any("has expired" in one for one in findings(gate)), "the end of the CA")
    change(gate, "ca: [ca.crt, old/ca.crt]", "ca: [ca.crt]")
    assert not findings(gate, by=by)


DAMAGE = {
    "bad letters": ("-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n", True),
    "no certificate inside": ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", True),
    "cut off": ("-----BEGIN CERTIFICATE-----\nMIIB\n", True),
    "another kind": ("-----BEGIN X509 CRL-----\naGVsbG8=\n-----END X509 CRL-----\n", True),
    "text between blocks": ("# made by hand\n", False),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_in_the_systems_bundle_is_left_out_and_named(gate, kind):
    damage, is_found = DAMAGE[kind]
    bundle = gate / "bundle.pem"
    with_bundle = in_place_of_the_systems(bundle)
    change(gate, "    crl: [ca.crl]\n    crl_expired: keep\n", "    system_cas: true\n")
    run("ca", "init", "--dir", gate / "one", "--name", "First CA")
    run("ca", "init", "--dir", gate / "two", "--name", "Last CA")
    first, last = ((gate / name / "ca.crt").read_text() for name in ("one", "two"))
    bundle.write_text(first + damage + last)
    result = check(gate, by=with_bundle)
    assert result.returncode == 0, result.stderr
    assert "anchor CN=First CA" in result.stdout and "anchor CN=Last CA" in result.stdout
    place = f"{SYSTEM_CAS}:{first.count(chr(10)) + 1}:1: warning: `system_cas`: this block is damaged"
    assert (place in result.stderr) == is_found
    assert ("is left out (1 in this file)" in result.stderr) == is_found
    bundle.write_text(damage)
    result = check(gate, by=with_bundle)
    assert result.returncode == 3 and "there is no certificate in it" in result.stderr


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


@pytest.mark.parametrize("is_on", [True, False])
def test_it_says_which_listeners_offer_http_2(gate, is_on):
    if not is_on:
        change(gate, "listeners:\n  - name: ", "listeners:\n  - http2: false\n    name: ")
    assert ("days left), offers HTTP/2\n" if is_on else "days left), HTTP/1.1 alone\n") in check(gate).stdout
    [listener] = json.loads(check(gate, "--json").stdout)["summary"]["listeners"]
    assert listener["http2"] is is_on


def test_it_says_whom_the_proxy_speaks_with_beside_clients_and_targets(gate):
    change(gate, "trust: clients\n\n", "trust: clients\n    proxy_protocol: {from: [127.0.0.5]}\n\n")
    change(gate, "crl_expired: keep\n", "crl_expired: keep\n    ocsp: {mode: soft, responder: 'http://127.0.0.1:1/'}\n")
    change(gate, "{file: audit.jsonl}", "{file: audit.jsonl, also: [{lines: 'tcp:127.0.0.1:2', required: true, tls: {ca: ca.crt}}, {syslog: 'unix:/no'}]}")
    more = """\
admin: {address: "127.0.0.1:3"}
resolver: {servers: ["tls://127.0.0.1:4#dns.test", "tls://127.0.0.2#dns.test"], ca: [ca.crt]}
parents:
  - {name: far, to: ["https://a.test:5", "https://b.test:6"], ca: [ca.crt]}
"""
    change(gate, "control: {", more + "control: {")
    said = check(gate)
    assert said.returncode == 0, said.stderr
    for line in (
        "offers HTTP/2, awaits PROXY headers",
        "trust.clients: OCSP (soft), asks http://127.0.0.1:1/",
        "resolver 127.0.0.1:4 over TLS",
        "resolver 127.0.0.2:853 over TLS",
        "parent far over https: a.test port 5, b.test port 6",
        "audit also to tcp:127.0.0.1:2 as lines, over TLS, required",
        "audit also to unix:/no as syslog",
        "admin at http://127.0.0.1:3/",
    ):
        assert f"{line}\n" in said.stdout, said.stdout
