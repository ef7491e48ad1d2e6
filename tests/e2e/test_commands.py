"""The commands beside `serve`: what they write, what they say, and their exit statuses."""

import datetime
import json
import os
import re
import ssl
import stat
import struct
import subprocess

import pytest

from support import config as configs
from support.audit import AuditLog, check_records
from support.dns import DnsServer
from support.origin import silence
from support.pki import SERVER_AUTH
from support.proxy import BINARY, Lines, run
from support.scale import PATIENCE
from support.web import PAGE, Website, clean_environment
from support.wire import Client, client_context

FILES = "sallyport.yaml ca.crt ca.key ca.crl ca.index server.crt server.key client.crt client.key".split()


def openssl(*arguments):
    result = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout + result.stderr


def text_of(certificate):
    return openssl("x509", "-in", certificate, "-noout", "-text")[1]


# -- version, help, usage -----------------------------------------------------------------------


def test_version_tells_the_libraries_and_warns_of_an_old_boringssl():
    result = run("version")
    assert result.returncode == 0
    found = json.loads(run("version", "--json").stdout)
    library = found["boringssl"]
    versions = f"libev {found['libev']}, c-ares {found['c_ares']}, nghttp2 {found['nghttp2']}, hiredis {found['hiredis']}"
    first, second = result.stdout.splitlines()
    assert first == f"sallyport {found['version']} ({versions})"
    # A checkout that is none of git's has neither a commit nor a day.
    commit = f"commit {library['commit'][:12]} " if library["commit"] else ""
    options = [f"{'with' if library[key] else 'without'} {name}" for key, name in (("vaes", "VAES"), ("ml_kem", "X25519MLKEM768"))]
    told = ["BoringSSL: " + library["name"], f"{commit}of {library['date'] or 'an unknown day'}", f"API {found['boringssl_api']}", *options]
    assert second == ", ".join(told)
    made = library["date"] and datetime.date.fromisoformat(library["date"])
    assert library["old"] == (made is not None and (datetime.date.today() - made).days > 730)
    said = f"warning: the BoringSSL in this program is of {library['date']}, more than two years old"
    assert result.stderr.startswith(said) if library["old"] else result.stderr == ""


def test_check_warns_of_an_old_boringssl_and_counts_it_for_nothing(start):
    proxy = start(configs.client({"hosts": ["db.internal"], "addresses": ["10.1.2.3/32"]}))
    is_old = json.loads(run("version", "--json").stdout)["boringssl"]["old"]
    usual, strict = (run("check", "-c", proxy.config_path, *more) for more in ((), ("--strict",)))
    assert ("program: warning: the BoringSSL in this program is of" in usual.stdout) == is_old
    assert " is good (" in usual.stdout and (usual.returncode, strict.returncode) == (0, 0), usual.stdout + usual.stderr
    summary = json.loads(run("check", "-c", proxy.config_path, "--json").stdout)["summary"]
    assert summary["old_library"] == is_old


COMMANDS = (
    "serve check quickstart version check-cert explain connect doctor "
    "status top tail reload drain upgrade kill block unblock"
).split()
COMMANDS += [f"ca {verb}" for verb in "init issue renew revoke crl list inspect".split()]
COMMANDS += [f"audit {verb}" for verb in "verify prove keygen replay suggest".split()]
COMMANDS += ["import squid", "import smokescreen"]
COMMANDS_OF_VERBS = ["", "ca", "audit", "import"]
HAS_ARGUMENTS = {"quickstart": 1, "import squid": 1, "import smokescreen": 1, "kill": 2, "block": 1, "unblock": 1}
HAS_ARGUMENTS |= {"audit keygen": 1, "ca issue": 1, "ca renew": 1, "ca revoke": 1, "ca inspect": 1}
HAS_LOGS = [command for command in COMMANDS if command.startswith("audit ") and command != "audit keygen"]


def options_of(command):
    """The long options that --help lists, and whether each wants a value."""
    usage = run(*command.split(), "--help").stdout
    listed = re.findall(r"^ {2,6}(?:-\w, )?--([a-z][a-z0-9-]*)( [A-Z][A-Z0-9/-]*\b)?", usage, re.MULTILINE)
    return {name: value != "" for name, value in listed}


def assert_usage(result, command, complaint):
    """Status 2, nothing on stdout, one sentence that names the command, and where help is."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    said, hint = result.stderr.splitlines()
    assert said.startswith(f"sallyport {command}: ") and complaint in said, said
    assert hint == f"Try 'sallyport {command} --help'."


def test_every_command_of_help_is_tried_here():
    commands = re.findall(r"^  ([a-z-]+) ", run("--help").stdout, re.MULTILINE)
    tried = {command.split()[0] for command in COMMANDS}
    assert set(commands) == tried
    for command in COMMANDS_OF_VERBS[1:]:
        verbs = re.findall(rf"(?:{command} |^  )([a-z]+) ", run(command, "--help").stdout, re.M)
        assert {f"{command} {verb}" for verb in verbs} <= set(COMMANDS)
        assert sum(each.startswith(f"{command} ") for each in COMMANDS) <= len(set(verbs))


@pytest.mark.parametrize("command", [*COMMANDS_OF_VERBS, *COMMANDS])
@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_on_stdout_and_succeeds(command, word):
    result = run(*command.split(), word)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith(f"usage: sallyport {command}".rstrip())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_that_help_lists_is_one(command, tmp_path):
    options = options_of(command)
    assert "help" in options
    for option, has_value in options.items():
        if has_value:
            result = run(*command.split(), f"--{option}", cwd=tmp_path)
            assert_usage(result, command, f"option '--{option}' needs a value")
        else:
            result = run(*command.split(), f"--{option}=x", cwd=tmp_path)
            assert_usage(result, command, f"option '--{option}' takes no value")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("word", ["--no-such", "-x", "--no-such=value", "-xh"])
def test_an_unknown_option_is_named(command, word, tmp_path):
    complaint = f"unknown option '{word[:2] if word[1] == 'x' else '--no-such'}'"
    for arguments in ([word], ["a", word], [word, "a"]):
        assert_usage(run(*command.split(), *arguments, cwd=tmp_path), command, complaint)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in HAS_LOGS])
def test_one_argument_too_many_is_named(command, tmp_path):
    words = ["a"] * HAS_ARGUMENTS.get(command, 0) + ["extra"]
    for words in (words, ["--", *words, "more"]):
        result = run(*command.split(), *words, cwd=tmp_path)
        assert_usage(result, command, "unexpected argument 'extra'")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "command, complaint",
    [
        ("serve", "-c FILE"),
        ("check", "-c FILE"),
        ("explain", "-c FILE"),
        ("audit replay x", "-c FILE"),
        ("audit suggest x", "--client NAME"),
        ("audit verify", "which log?"),
        ("import squid", "which file?"),
        ("audit verify --kept x a", "which key?"),
        ("audit prove 0123456789abcdef a", "which key?"),
        ("audit replay -c x", "which log?"),
        ("status", "-c FILE"),
        ("quickstart", "DIR is missing"),
        ("quickstart --", "DIR is missing"),
        ("ca issue", "NAME is missing"),
        ("ca revoke", "NAME or SERIAL is missing"),
        ("ca renew", "a NAME or --before"),
        ("ca inspect", "FILE is missing"),
        ("ca", "which verb? init, issue,"),
        ("ca frob", "unknown verb 'frob': it is init, issue,"),
        ("audit", "which verb? verify, prove, keygen, replay or suggest"),
        ("audit --json", "unknown verb '--json'"),
        ("connect", "are needed"),
        ("doctor", "are needed"),
        ("check-cert", "are needed"),
    ],
)
def test_what_is_missing_is_said(command, complaint, tmp_path):
    name = " ".join(command.split()[: 2 if f"{command} ".startswith(("ca ", "audit ", "import ")) else 1])
    name = name if name in COMMANDS else name.split()[0]
    assert_usage(run(*command.split(), cwd=tmp_path), name, complaint)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "words, complaint",
    [
        ("--josn", "unknown option '--josn'; did you mean '--json'?"),
        ("--con", "option '--con' may be '--config' or '--control': write it out"),
        ("--con=x", "option '--con' may be '--config' or '--control': write it out"),
        ("--co", "option '--co' may be"),
        ("-c", "option '-c' needs a value"),
        ("--js=1", "option '--json' takes no value"),
        ("-- --json", "unexpected argument '--json'"),
        ("-c a --control b", "which proxy?"),
    ],
)
def test_what_may_be_meant_is_said(words, complaint):
    assert_usage(run("status", *words.split()), "status", complaint)


@pytest.mark.parametrize(
    "words, asked",
    [
        ("-c first -c second", "second"),
        ("-c first --config second", "second"),
        ("--config=first -csecond", "second"),
        ("--conf first", "first"),
        ("-c -- --json", "--"),
        ("--config --json", "--json"),
    ],
)
def test_the_last_value_counts_and_a_value_is_never_an_option(words, asked, tmp_path):
    result = run("check", *words.split(), cwd=tmp_path)
    text = result.stderr or json.loads(result.stdout)["findings"][0]["file"]
    assert result.returncode == 3 and text.startswith(asked), text


def test_options_may_stand_behind_arguments_until_two_hyphens(tmp_path):
    assert run("ca", "init", "--dir", tmp_path).returncode == 0
    last = run("ca", "inspect", tmp_path / "ca.crt", "--json")
    assert last.returncode == 0 and json.loads(last.stdout)["type"] == "certificate"
    name = run("ca", "inspect", "--json", "--", "--help", cwd=tmp_path)
    assert name.returncode == 1 and "--help" in name.stderr


WRONG = [
    "",
    "surve",
    "serve -c a b",
    "quickstart a b",
    "quickstart x --allow",
    "quickstart x --allow example.com",
    "quickstart x --allow example.com:0",
    "quickstart x --allow example.com:443=nonsense",
    "ca issue a b",
    "ca issue a --ttl 5",
]


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_exits_2_and_talks_on_stderr(line, tmp_path):
    result = run(*line.split(), cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert result.stdout == "" and result.stderr.strip()
    assert os.listdir(tmp_path) == []


# -- quickstart ---------------------------------------------------------------------------------


def test_quickstart_makes_everything_and_nothing_that_others_can_read(tmp_path):
    folder = tmp_path / "demo"
    result = run("quickstart", folder)
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(folder)) == sorted(FILES)
    for name in ("ca.key", "server.key", "client.key"):
        assert stat.S_IMODE(os.stat(folder / name).st_mode) == 0o600
    assert "--proxy-cert" in result.stdout + result.stderr
    assert run("check", "-c", folder / "sallyport.yaml").returncode == 0


def test_quickstart_keeps_keys_private_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        run("quickstart", tmp_path / "demo")
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(tmp_path / "demo" / "ca.key").st_mode) == 0o600


def test_quickstart_certificates_hold_before_openssl(tmp_path):
    run("quickstart", tmp_path)
    ca = tmp_path / "ca.crt"
    for name, purpose in (("client", "sslclient"), ("server", "sslserver")):
        code, said = openssl(
            "verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca, tmp_path / f"{name}.crt"
        )
        assert code == 0, said
    assert openssl("verify", "-purpose", "sslserver", "-CAfile", ca, tmp_path / "client.crt")[0]
    assert openssl("verify", "-purpose", "sslclient", "-CAfile", ca, tmp_path / "server.crt")[0]
    client = text_of(tmp_path / "client.crt")
    assert "URI:spiffe://" in client and "TLS Web Client Authentication" in client
    assert "TLS Web Server" not in client and "Digital Signature" in client
    server = text_of(tmp_path / "server.crt")
    assert "DNS:localhost" in server and "IP Address:127.0.0.1" in server


def test_quickstart_a_second_time_reuses_and_overwrites_nothing(tmp_path):
    run("quickstart", tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    again = run("quickstart", tmp_path)
    assert again.returncode == 0, again.stderr
    assert "nothing was changed" in again.stderr
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize("name", FILES)
def test_quickstart_never_overwrites_a_file_that_is_there(tmp_path, name):
    (tmp_path / name).write_text("mine")
    result = run("quickstart", tmp_path)
    assert result.returncode != 0 and name in result.stderr
    assert (tmp_path / name).read_text() == "mine"


def test_quickstart_allows_one_target_and_what_is_added(tmp_path):
    run("quickstart", tmp_path, "--allow", "origin.test:8443=127.0.0.0/8")
    text = (tmp_path / "sallyport.yaml").read_text()
    assert "example.com" in text and "origin.test" in text and "127.0.0.0/8" in text


def rules_of(folder):
    """The rules of the client, as the config has them."""
    text = (folder / "sallyport.yaml").read_text()
    return re.findall(r"^      - (\{(?:hosts|ports).*\})$", text, re.M)


@pytest.mark.parametrize("name", ["localhost", "api.localhost"])
def test_quickstart_gives_localhost_its_addresses(tmp_path, name):
    result = run("quickstart", tmp_path, "--allow", f"{name}:9443")
    assert result.returncode == 0, result.stderr
    [_, rule] = rules_of(tmp_path)
    assert name in rule and '"127.0.0.1/32"' in rule
    assert "resolver:" not in (tmp_path / "sallyport.yaml").read_text()


def on_a_machine(folder, *command, hosts="", servers=""):
    """Runs the program where /etc/hosts and /etc/resolv.conf say this."""
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + hosts)
    (folder / "resolv.conf").write_text(servers)
    mounts = "".join(
        f"mount --bind {folder}/{name} {os.path.realpath(f'/etc/{name}')} && " for name in ("hosts", "resolv.conf")
    )
    way = ["unshare", "-rm", "sh", "-c", mounts + 'exec "$@"', "sh"]
    if subprocess.run([*way, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount over /etc/hosts")
    return run(*way[1:], BINARY, *command, program=way[0])


def test_quickstart_gives_a_name_of_the_hosts_file_its_addresses_and_names_the_file(tmp_path):
    made = tmp_path / "made"
    hosts = "10.1.2.3 db.internal db\nfd00::7 db.internal\n"
    result = on_a_machine(tmp_path, "quickstart", made, "--allow", "db.internal:5432", hosts=hosts)
    assert result.returncode == 0, result.stderr
    [_, rule] = rules_of(made)
    assert '"10.1.2.3/32"' in rule and '"fd00::7/128"' in rule
    assert "resolver: {hosts_file: /etc/hosts}" in (made / "sallyport.yaml").read_text()
    assert run("check", "-c", made / "sallyport.yaml").returncode == 0


@pytest.fixture
def system_dns():
    """The server that resolv.conf names; a machine whose port 53 is taken has no test of it."""
    try:
        server = DnsServer(address="127.0.0.9", port=53)
    except OSError:
        pytest.skip("port 53 cannot be had")
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["10.1.2.3"], "db.internal:5432=10.1.2.3/32"),
        (["10.1.2.3", "fd00::7"], "=fd00::7/128,10.1.2.3/32"),
        (["169.254.169.254"], "no rule lets anybody go"),
    ],
)
def test_quickstart_asks_where_a_name_may_be_that_dns_leads_to_special_addresses(
    tmp_path, system_dns, addresses, words
):
    system_dns.addresses("db.internal", *addresses)
    made = tmp_path / "made"
    options = ["--allow", "db.internal:5432"]
    servers = "nameserver 127.0.0.9\n"
    result = on_a_machine(tmp_path, "quickstart", made, *options, servers=servers)
    assert result.returncode == 1 and result.stdout == ""
    assert words in result.stderr and addresses[0] in result.stderr
    assert not made.exists()


def test_quickstart_takes_a_name_that_has_a_public_address_too(tmp_path, system_dns):
    system_dns.addresses("both.test", "10.1.2.3", "93.184.216.34")
    made = tmp_path / "made"
    servers = "nameserver 127.0.0.9\n"
    result = on_a_machine(tmp_path, "quickstart", made, "--allow", "both.test:443", servers=servers)
    assert result.returncode == 0, result.stderr
    assert rules_of(made)[1] == '{hosts: ["both.test"], ports: [443]}'


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        (None, "https://example.com/"),
        ("localhost:9443", "https://localhost:9443/"),
        ("192.0.2.7:443", "https://192.0.2.7/"),
        ("[2001:db8::1]:8443", "'https://[2001:db8::1]:8443/'"),
        ("*.example.org:443", "https://example.com/"),
    ],
)
def test_quickstart_prints_a_target_that_is_allowed_the_second_time_too(tmp_path, allow, url):
    options = [] if allow is None else ["--allow", allow]
    first = run("quickstart", tmp_path, *options)
    assert first.stdout.endswith(f" {url}\n")
    assert run("quickstart", tmp_path).stdout == first.stdout


def test_quickstart_prints_its_own_name_so_that_a_shell_finds_it(tmp_path):
    assert run("quickstart", tmp_path).stdout.startswith(f"{BINARY} serve -c ")


def test_quickstart_in_a_deep_folder_says_that_there_is_no_socket_and_makes_the_rest(tmp_path):
    deep = tmp_path / ("d" * 100)
    result = run("quickstart", deep)
    assert result.returncode == 0 and "107 bytes" in result.stderr
    assert re.search(r"^#control: \{", (deep / "sallyport.yaml").read_text(), re.M)
    assert run("check", "-c", deep / "sallyport.yaml").returncode == 0


def test_quickstart_then_serve_then_curl(tmp_path, pki, dns):
    """The first five minutes of a stranger."""
    website = Website(pki)
    dns.addresses("origin.test", "127.0.0.1")
    run("quickstart", tmp_path, "--allow", f"origin.test:{website.port}=127.0.0.0/8")
    config = tmp_path / "sallyport.yaml"
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", config.read_text(), count=1)
    config.write_text(text + f'\nresolver: {{servers: ["{dns.endpoint}"]}}\n')
    process = subprocess.Popen(
        [BINARY, "serve", "-c", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stdout, stderr = Lines(process.stdout), Lines(process.stderr)
    try:
        ready = stdout.wait(r"^ready \S+=(\S+)")
        assert ready, stderr.text()
        allowed = f"https://origin.test:{website.port}/"
        for target, expected in ((allowed, PAGE), ("https://other.test/", b"")):
            result = subprocess.run(
                ["curl", "-sS", "-x", f"https://{ready.group(1)}", "--cacert", pki.server_ca.path]
                + ["--proxy-cacert", tmp_path / "ca.crt", "--proxy-cert", tmp_path / "client.crt"]
                + ["--proxy-key", tmp_path / "client.key", target],
                capture_output=True,
                check=False,
                env=clean_environment(tmp_path),
            )
            assert result.stdout == expected, result.stderr
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0, stderr.text()
        website.stop()
    audit = next(tmp_path.glob("*.jsonl"))
    records = AuditLog(audit).records()
    check_records(records)
    actions = [r["decision"]["action"] for r in records if r["event"] == "decision"]
    assert actions == ["allow", "deny"]


# -- keys that a group may read ------------------------------------------------------------------

A_USER = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]


def check_as_a_user(config):
    """`check` by a user who is not root, and owns the files, in a group that they belong to."""
    if subprocess.run([*A_USER, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine makes no user namespaces")
    return run(*A_USER[1:], BINARY, "check", "-c", config, program=A_USER[0])


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_key_may_be_readable_by_a_group_of_the_proxys_user(tmp_path, mode):
    run("quickstart", tmp_path)
    (tmp_path / "server.key").chmod(mode)
    result = check_as_a_user(tmp_path / "sallyport.yaml")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (0o660, "its group may write it"),
        (0o620, "its group may write it"),
        (0o644, "others have access"),
        (0o604, "others have access"),
    ],
)
def test_a_key_that_others_can_read_or_a_group_can_write_is_refused(tmp_path, mode, words):
    run("quickstart", tmp_path)
    (tmp_path / "server.key").chmod(mode)
    result = check_as_a_user(tmp_path / "sallyport.yaml")
    assert result.returncode == 3 and words in result.stderr and "chmod 600" in result.stderr


def test_a_key_with_an_access_control_list_is_refused(tmp_path):
    """The bits of the group are the mask of the list then: the group itself may have nothing."""
    run("quickstart", tmp_path)
    entries = [(1, 6, -1), (2, 4, 0), (4, 0, -1), (16, 4, -1), (32, 0, -1)]  # tag, rights, id
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(tmp_path / "server.key", "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this filesystem has no POSIX ACLs")
    assert stat.S_IMODE(os.stat(tmp_path / "server.key").st_mode) == 0o640
    result = check_as_a_user(tmp_path / "sallyport.yaml")
    assert result.returncode == 3 and "an access control list" in result.stderr


def test_the_key_of_a_ca_is_for_its_owner_alone(tmp_path):
    run("quickstart", tmp_path)
    (tmp_path / "ca.key").chmod(0o640)
    result = run(*A_USER[1:], BINARY, "ca", "issue", "x", "--dir", tmp_path, program=A_USER[0])
    assert result.returncode != 0 and "chmod 600" in result.stderr


# -- ca -----------------------------------------------------------------------------------------


@pytest.fixture
def ca(tmp_path):
    """A folder with a CA in it, and a function to run `ca` there."""
    folder = tmp_path / "ca"
    folder.mkdir()

    def command(*arguments):
        return run("ca", *arguments, cwd=folder)

    assert command("init", "--name", "Test CA", "--trust-domain", "example.test").returncode == 0
    command.folder = folder
    return command


def test_ca_init_makes_a_ca_that_signs_leaves_only(ca):
    text = text_of(ca.folder / "ca.crt")
    assert "CA:TRUE, pathlen:0" in text and "Test CA" in text
    assert stat.S_IMODE(os.stat(ca.folder / "ca.key").st_mode) == 0o600


def test_ca_init_never_overwrites(ca):
    before = (ca.folder / "ca.crt").read_bytes(), (ca.folder / "ca.key").read_bytes()
    again = ca("init")
    assert again.returncode == 1 and "ca." in again.stderr
    assert before == ((ca.folder / "ca.crt").read_bytes(), (ca.folder / "ca.key").read_bytes())


def test_ca_issue_makes_a_client(ca):
    assert ca("issue", "worker-7").returncode == 0
    leaf = ca.folder / "worker-7.crt"
    assert openssl("verify", "-purpose", "sslclient", "-CAfile", ca.folder / "ca.crt", leaf)[0] == 0
    text = text_of(leaf)
    assert "spiffe://example.test/worker-7" in text and "CN=worker-7" in text.replace(" = ", "=")
    assert "TLS Web Client Authentication" in text and "TLS Web Server" not in text
    assert "CA:FALSE" in text or "CA:TRUE" not in text
    assert stat.S_IMODE(os.stat(ca.folder / "worker-7.key").st_mode) == 0o600


def test_ca_issue_makes_a_server(ca):
    names = ["--dns", "proxy.test", "--ip", "192.0.2.7"]
    assert ca("issue", "proxy", "--server", *names).returncode == 0
    text = text_of(ca.folder / "proxy.crt")
    assert "DNS:proxy.test" in text and "IP Address:192.0.2.7" in text
    assert "TLS Web Server Authentication" in text and "TLS Web Client" not in text


def test_ca_issue_writes_what_it_is_told(ca):
    options = ["--uri", "spiffe://example.test/x/y", "--email", "a@example.test", "--ttl", "2d"]
    assert ca("issue", "x", *options, "--out", ca.folder).returncode == 0
    text = text_of(ca.folder / "x.crt")
    assert "spiffe://example.test/x/y" in text and "email:a@example.test" in text
    assert openssl("x509", "-in", ca.folder / "x.crt", "-noout", "-checkend", 3 * 86400)[0] == 1
    assert openssl("x509", "-in", ca.folder / "x.crt", "-noout", "-checkend", 86400)[0] == 0


def test_ca_issue_never_overwrites_and_serials_differ(ca):
    assert ca("issue", "one").returncode == 0
    before = (ca.folder / "one.crt").read_bytes()
    again = ca("issue", "one")
    assert again.returncode == 1 and "one." in again.stderr
    assert (ca.folder / "one.crt").read_bytes() == before
    assert ca("issue", "two").returncode == 0
    serials = {serial_of(ca.folder / f"{name}.crt") for name in ("one", "two")}
    assert len(serials) == 2
    assert all(len(serial) > 28 for serial in serials), "128 bits"


def serial_of(certificate):
    said = openssl("x509", "-in", certificate, "-noout", "-serial")[1]
    return said.strip().removeprefix("serial=")


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".", "..", "a\nb"])
def test_ca_issue_refuses_names_that_are_no_file_names(ca, name):
    before = sorted(os.listdir(ca.folder.parent))
    result = ca("issue", name)
    assert result.returncode in (1, 2), result.stdout
    assert sorted(os.listdir(ca.folder.parent)) == before


def test_ca_issue_without_a_ca_fails_and_says_what_to_do(tmp_path):
    result = run("ca", "issue", "x", cwd=tmp_path)
    assert result.returncode in (1, 3) and "ca init" in result.stderr
    assert os.listdir(tmp_path) == []


def test_an_issued_client_is_served(ca, start, pki):
    ca("issue", "worker-7")
    proxy = start(trust={"staff": {"ca": [str(ca.folder / "ca.crt")]}})
    context = client_context(pki.server_ca.path)
    context.load_cert_chain(ca.folder / "worker-7.crt", ca.folder / "worker-7.key")
    requester = Client(proxy.address, context).handshake()
    answer = requester.ask("nowhere.test:443")
    assert proxy.decision(answer.id)["client"]["san_uri"] == ["spiffe://example.test/worker-7"]
    requester.close()


# -- check --------------------------------------------------------------------------------------


@pytest.fixture
def check(tmp_path, pki):
    """Checks a working configuration with some changes; or a text as it is."""

    def command(text=None, options=(), **changes):
        path = tmp_path / "sallyport.yaml"
        if text is None:
            config = configs.merge(configs.base_config(pki, "127.0.0.1:53"), changes)
            text = json.dumps(config, indent=1)
        path.write_text(text)
        result = run("check", "-c", path, *options)
        command.place = re.search(re.escape(str(path)) + r":(\d+):(\d+)", result.stderr)
        return result

    return command


def test_check_of_a_good_config_says_how_long_certificates_last(check):
    result = check(clients=[configs.client(configs.reach("a.test", 443))])
    assert result.returncode == 0, result.stderr
    assert re.search(r"\d+ days", result.stdout + result.stderr)


def test_check_says_that_without_clients_everybody_is_denied(check):
    result = check()
    assert result.returncode == 0
    assert "every request will be denied" in result.stdout + result.stderr


BAD = {
    "an unknown key": ({"lisetners": []}, "listeners"),
    "a missing key": ({"clients": [{"match": [{"any": True}]}]}, "name"),
    "a wrong unit": ({"timeouts": {"idle": "5 parsecs"}}, "10s"),
    "a number for a duration": ({"timeouts": {"idle": 5}}, "5"),
    "a wrong version": ({"version": 2}, "version"),
    "too many workers": ({"workers": 100_000}, "workers"),
    "an address in hosts": ({"clients": [configs.client({"hosts": ["10.0.0.1"]})]}, "addresses"),
    "an allow with neither": ({"clients": [configs.client({"ports": [443]})]}, "hosts"),
    "bits after a prefix": (
        {"clients": [configs.client({"addresses": ["10.0.0.1/8"]})]},
        "10.0.0.0/8",
    ),
    "a mapped prefix": (
        {"clients": [configs.client({"addresses": ["::ffff:10.0.0.0/104"]})]},
        "IPv4",
    ),
    "a port 0": ({"clients": [configs.client({"hosts": ["a.test"], "ports": [0]})]}, "port"),
    "a star in the place of the last label": ({"clients": [configs.client({"hosts": ["a.test.*"]})]}, "*"),
    "a client without match": ({"clients": [{"name": "x"}]}, "match"),
    "an empty match": ({"clients": [configs.client(match=[{}])]}, "match"),
    "any: false": ({"clients": [configs.client(match=[{"any": False}])]}, "any"),
    "two clients of one name": ({"clients": [configs.client(), configs.client()]}, "workers"),
    "an unknown trust": ({"clients": [configs.client(match=[{"cn": "x", "trust": "y"}])]}, "y"),
    "a mode that is none": ({"clients": [configs.client(mode="lenient")]}, "enforce"),
    "a CA file that is not there": ({"trust": {"staff": {"ca": ["gone.crt"]}}}, "gone.crt"),
    "an on_full that is none": ({"audit": {"on_full": "panic"}}, "refuse"),
    "a CRL that is not there": ({"trust": {"staff": {"crl": ["x.crl"]}}}, "x.crl"),
    "a limit of nothing": ({"limits": {"tunnels": 0}}, "from 1 to"),
    "a control socket without state": ({"control": {"socket": "x"}}, "state"),
    "a control socket with a long path": (
        {"control": {"socket": "x" * 120, "state": "y"}},
        "at most 107 bytes",
    ),
    "an admin port for everybody": ({"admin": {"address": "0.0.0.0:1"}}, "nobody there may see anything"),
}


@pytest.mark.parametrize("kind", BAD)
def test_check_names_the_place_and_the_way_out(check, kind):
    changes, words = BAD[kind]
    result = check(**changes)
    assert result.returncode == 3, result.stderr
    assert check.place, result.stderr
    assert words in result.stderr, result.stderr


YAML = {
    "no YAML": "{",
    "nothing": "",
    "a list": "- 1\n",
    "a duplicate key": "version: 1\nversion: 1\n",
    "an anchor": "version: &v 1\nworkers: *v\n",
    "a tag": "version: !!int 1\n",
    "two documents": "version: 1\n---\nversion: 1\n",
    "a tab": "version:\t1\n\tlisteners: 1\n",
    "NUL": "version: 1\0\n",
    "deep nesting": "[" * 200_000,
    "deep mappings": "{a: " * 100_000,
    "no UTF-8": "version: \udcff",
}


@pytest.mark.parametrize("kind", YAML)
def test_odd_yaml_is_refused_quickly_with_its_place(tmp_path, kind):
    path = tmp_path / "odd.yaml"
    path.write_text(YAML[kind], encoding="utf-8", errors="surrogateescape")
    result = run("check", "-c", path, patience=10)
    assert result.returncode == 3
    assert re.search(re.escape(str(path)) + r":\d+:\d+: ", result.stderr), result.stderr


def test_check_refuses_a_key_of_another_certificate(check, pki):
    pair = {"chain": pki.server.chain, "key": pki.worker.key}
    listener = {"name": "a", "address": "127.0.0.1:0", "certificates": [pair], "trust": "staff"}
    result = check(listeners=[listener])
    assert result.returncode == 3 and pki.worker.key in result.stderr


def test_check_tells_the_purposes_that_are_chosen(check, pki):
    profile = {"ca": [pki.ca.path], "purposes": ["server_auth", "none"]}
    result = check(trust={"staff": profile})
    assert result.returncode == 0 and "trust.staff: purposes none server_auth" in result.stdout
    assert "trust.staff: purposes" not in check().stdout
    system = check(trust={"staff": {**profile, "system_cas": True}})
    assert "everybody with a web server's certificate" in system.stdout + system.stderr


def test_check_warns_of_an_expired_server_certificate(check, pki):
    late = pki.server_ca.leaf("late-server", dns=("x",), usages=(SERVER_AUTH,), begins=-9, ends=-1)
    pair = {"chain": late.chain, "key": late.key}
    listener = {"name": "a", "address": "127.0.0.1:0", "certificates": [pair], "trust": "staff"}
    result = check(listeners=[listener])
    assert "expired" in result.stdout + result.stderr


def test_check_strict_makes_warnings_count(check):
    wide = configs.client({"hosts": ["*"], "addresses": ["10.0.0.0/8"]})
    assert check(clients=[wide]).returncode == 0
    assert check(clients=[wide], options=["--strict"]).returncode == 1


def test_check_of_a_file_that_is_not_there_exits_3(tmp_path):
    result = run("check", "-c", tmp_path / "gone.yaml")
    assert result.returncode == 3 and "gone.yaml" in result.stderr


def test_serve_with_a_bad_config_exits_3_before_it_listens(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\n")
    result = run("serve", "-c", path)
    assert result.returncode == 3 and result.stdout == ""
    assert re.search(re.escape(str(path)) + r":\d+:\d+: ", result.stderr)


def test_serve_on_an_address_that_is_not_ours_exits_1(start, pki):
    pair = {"chain": pki.server.chain, "key": pki.server.key}
    listener = {"name": "a", "address": "192.0.2.1:0", "certificates": [pair], "trust": "staff"}
    proxy = start(listeners=[listener], is_ready=False)
    assert proxy.wait_exit() == 1
    assert "192.0.2.1" in proxy.stderr.text()
    proxy.stop(expected=1)


def test_the_default_tls_of_python_trusts_a_quickstart(tmp_path, origin):
    """The server certificate satisfies a client that checks everything."""
    run("quickstart", tmp_path)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")

    def serve(conn):
        with server.wrap_socket(conn, server_side=True) as tls:
            silence(tls)

    endpoint = origin(serve)
    Client((endpoint.address, endpoint.port), context, "localhost").handshake().close()
