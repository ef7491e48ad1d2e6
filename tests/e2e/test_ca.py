"""`sallyport ca`: what it makes, takes back and renews, as openssl, NSS and curl see it."""

import concurrent.futures
import json
import os
import re
import shutil
import stat
import subprocess
from datetime import datetime

import pytest

from support.config import client, reach
from support.proxy import run
from support.web import PAGE, Website, clean_environment


def tool(*arguments, **options):
    """Runs a program; its exit status, and everything that it said."""
    result = subprocess.run(
        list(map(str, arguments)), capture_output=True, text=True, check=False, **options
    )
    return result.returncode, result.stdout + result.stderr


def openssl(*arguments):
    return tool("openssl", *arguments)


def serial_of(certificate):
    said = openssl("x509", "-in", certificate, "-noout", "-serial")[1]
    return said.strip().removeprefix("serial=").lower().lstrip("0")


class Authority:
    """A folder with a CA in it; called, it runs `ca` there."""

    def __init__(self, folder, *options):
        folder.mkdir()
        self.folder = folder
        self.passphrase = ()
        self.good("init", "--trust-domain", "example.test", *options)

    def __call__(self, *arguments):
        return run("ca", *arguments, cwd=self.folder)

    def good(self, *arguments):
        result = self(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def bad(self, words, *arguments, status=1):
        result = self(*arguments)
        assert result.returncode == status, result.stderr
        assert words in result.stderr, result.stderr
        assert result.stdout == ""

    def path(self, name):
        return self.folder / name

    def listed(self):
        return [json.loads(line) for line in self.good("list", "--json").splitlines()]

    def verify(self, name, *options, anchor="ca.crt"):
        chain = self.path(name)
        options = ["-CAfile", self.path(anchor), "-untrusted", chain, *options]
        return openssl("verify", "-x509_strict", "-purpose", "sslclient", *options, chain)


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def secret(tmp_path):
    """Makes a file with a passphrase in it."""

    def make(text, mode=0o600, name="secret"):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return make


def revoke_and_publish(ca, *arguments):
    ca.good("revoke", *arguments)
    ca.good("crl")


# -- issue --------------------------------------------------------------------------------------


def test_issue_writes_a_bundle_and_teaches_on_stderr(ca):
    result = ca("issue", "eu-1")
    assert result.stdout.split() == ["./eu-1.crt", "./eu-1.key", "./eu-1.pem"]
    for word in ("curl -x", "ProxyAgent", "LoadX509KeyPair", "proxy_ssl_context"):
        assert word in result.stderr
    bundle = ca.path("eu-1.pem").read_text()
    assert bundle == ca.path("eu-1.crt").read_text() + ca.path("eu-1.key").read_text()
    assert stat.S_IMODE(os.stat(ca.path("eu-1.pem")).st_mode) == 0o600
    assert ca.verify("eu-1.crt")[0] == 0


@pytest.mark.parametrize("suffix", ["crt", "key", "pem"])
def test_issue_overwrites_none_of_its_files(ca, suffix):
    ca.path(f"x.{suffix}").write_text("mine")
    ca.bad(f"x.{suffix}", "issue", "x")
    assert ca.path(f"x.{suffix}").read_text() == "mine"
    assert [name for name in os.listdir(ca.folder) if name.startswith("x.")] == [f"x.{suffix}"]


@pytest.mark.parametrize("name", ["ca", "root"])
def test_issue_leaves_the_names_of_the_ca_alone(ca, name):
    ca.bad(f"{name}.crt", "issue", name)


def test_an_intermediate_is_made_and_handed_out(tmp_path):
    ca = Authority(tmp_path / "ca", "--intermediate")
    ca.good("issue", "eu-1")
    assert ca.path("eu-1.crt").read_text().count("BEGIN CERTIFICATE") == 2
    assert ca.verify("eu-1.crt", anchor="root.crt")[0] == 0
    assert "pathlen:1" in openssl("x509", "-in", ca.path("root.crt"), "-noout", "-text")[1]
    assert "pathlen:0" in openssl("x509", "-in", ca.path("ca.crt"), "-noout", "-text")[1]
    ca.good("crl")
    crl = ["-crl_check_all", "-CRLfile", ca.path("ca.crl")]
    assert ca.verify("eu-1.crt", *crl, anchor="root.crt")[0] == 0
    ca.good("revoke", "ca", "--reason", "cACompromise")
    ca.good("crl")
    code, said = ca.verify("eu-1.crt", *crl, anchor="root.crt")
    assert code != 0 and "certificate revoked" in said


def test_the_name_of_the_root_has_to_fit_too(tmp_path):
    options = ("ca", "init", "--dir", tmp_path / "ca", "--intermediate", "--name")
    result = run(*options, "n" * 60)
    assert result.returncode == 2 and "1 to 59 printable" in result.stderr
    assert run(*options, "n" * 59).returncode == 0


def test_init_names_every_file_that_it_makes(tmp_path):
    said = run("ca", "init", "--dir", tmp_path, "--intermediate").stdout.split()
    assert said == [f"{tmp_path}/{name}" for name in ("ca.crt", "ca.key", "root.crt", "root.key")]
    assert run("ca", "init", "--dir", tmp_path / "one").stdout.split() == [
        f"{tmp_path}/one/{name}" for name in ("ca.crt", "ca.key")
    ]


def test_list_says_when_the_ca_itself_ends(ca):
    end = json.loads(ca.good("inspect", "ca.crt", "--json"))["not_after"]
    assert f"the CA itself expires at {end}" in ca("list").stderr


def test_the_root_key_may_be_away(tmp_path):
    ca = Authority(tmp_path / "ca", "--intermediate")
    ca.path("root.key").unlink()
    ca.good("issue", "eu-1")
    result = ca("crl")
    assert result.returncode == 0 and "root.key is not here" in result.stderr
    assert ca.path("ca.crl").read_text().count("BEGIN X509 CRL") == 1


# -- passphrase ---------------------------------------------------------------------------------


def test_a_key_under_a_passphrase_opens_with_it_alone(tmp_path, secret):
    good, wrong = secret("correct horse\n"), secret("battery\n", name="wrong")
    ca = Authority(tmp_path / "ca", "--passphrase-file", good)
    assert "ENCRYPTED" in ca.path("ca.key").read_text()
    assert openssl("pkey", "-in", ca.path("ca.key"), "-passin", f"file:{good}", "-noout")[0] == 0
    said = openssl("asn1parse", "-in", ca.path("ca.key"))[1]
    assert "hmacWithSHA256" in said and "aes-256-cbc" in said and ":0927C0" in said  # 600,000
    for verb in (["issue", "x"], ["crl"], ["renew", "x"]):
        ca.bad("--passphrase-file", *verb)
        ca.bad("not the one", *verb, "--passphrase-file", wrong)
    ca.good("issue", "x", "--passphrase-file", good)
    ca.good("renew", "x", "--passphrase-file", good)
    ca.good("crl", "--passphrase-file", good)
    ca.good("revoke", "x")
    assert "ENCRYPTED" not in ca.path("x.key").read_text()


@pytest.mark.parametrize("text, mode, words", [
    ("", 0o600, "first line"),
    ("\nx", 0o600, "first line"),
    ("x" * 256, 0o600, "255"),
    ("x", 0o644, "chmod 600"),
])
def test_a_passphrase_file_that_is_none_is_refused(tmp_path, secret, text, mode, words):
    result = run("ca", "init", "--dir", tmp_path, "--passphrase-file", secret(text, mode))
    assert result.returncode == 2 and words in result.stderr
    assert not (tmp_path / "ca.key").exists()


def test_a_key_that_was_moved_away_is_to_be_brought_back(tmp_path):
    for name, said in (("ca.crt", "`sallyport ca init` makes one"), ("ca.key", "bring the key of it back")):
        folder = tmp_path / name
        run("ca", "init", "--dir", folder)
        (folder / name).rename(tmp_path / "away")
        result = run("ca", "issue", "x", "--dir", folder)
        assert result.returncode == 1 and said in result.stderr, result.stderr
        assert result.stderr.count("ca init` makes one") == (name == "ca.crt")


# -- csr ----------------------------------------------------------------------------------------


def make_request(folder, *algorithm, subject="/CN=evil"):
    key, path = folder / "req.key", folder / "req.pem"
    made = openssl("req", "-new", "-nodes", *algorithm, "-keyout", key, "-out", path,
                   "-subj", subject, "-addext", "subjectAltName=URI:spiffe://evil/admin")
    assert made[0] == 0, made[1]
    return path


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def test_a_request_gives_its_key_and_no_name(ca, tmp_path):
    request = make_request(tmp_path, *EC)
    assert ca.good("issue", "x", "--csr", request).split() == ["./x.crt"]
    text = openssl("x509", "-in", ca.path("x.crt"), "-noout", "-text")[1]
    assert "evil" not in text and "spiffe://example.test/x" in text
    assert not ca.path("x.key").exists() and not ca.path("x.pem").exists()
    key = openssl("pkey", "-in", tmp_path / "req.key", "-pubout")[1]
    assert openssl("x509", "-in", ca.path("x.crt"), "-noout", "-pubkey")[1] == key
    ca.bad("--keep-key", "renew", "x")
    ca.good("renew", "x", "--keep-key")
    assert openssl("x509", "-in", ca.path("x.crt"), "-noout", "-pubkey")[1] == key


@pytest.mark.parametrize("algorithm, words", [
    (("-newkey", "rsa:1024"), "weak key"),
    (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-224"), "key"),
])
def test_a_weak_key_is_refused(ca, tmp_path, algorithm, words):
    request = make_request(tmp_path, *algorithm)
    ca.bad(words, "issue", "x", "--csr", request, status=2)
    assert not ca.path("x.crt").exists() and ca.listed() == []


def test_a_request_without_proof_of_possession_is_refused(ca, tmp_path):
    request = make_request(tmp_path, *EC, subject="/CN=aaaa")
    der = tmp_path / "req.der"
    openssl("req", "-in", request, "-outform", "DER", "-out", der)
    der.write_bytes(der.read_bytes().replace(b"aaaa", b"bbbb"))
    openssl("req", "-inform", "DER", "-in", der, "-out", request)
    ca.bad("not signed with its own key", "issue", "x", "--csr", request, status=2)


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\n"])
def test_a_request_that_is_none_is_refused(ca, tmp_path, text):
    path = tmp_path / "req.pem"
    path.write_text(text)
    ca.bad("no certificate request", "issue", "x", "--csr", path, status=2)


# -- p12 ----------------------------------------------------------------------------------------


def test_a_p12_opens_in_openssl_and_nss(tmp_path, secret):
    ca = Authority(tmp_path / "ca", "--intermediate")
    ca.good("issue", "x", "--p12", "--p12-passphrase-file", secret("p12pass\n"))
    path = ca.path("x.p12")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    code, said = openssl("pkcs12", "-in", path, "-passin", "pass:p12pass", "-nodes", "-info")
    assert code == 0, said
    assert "MAC: sha256" in said and "AES-256-CBC" in said and "hmacWithSHA256" in said
    assert said.count("BEGIN CERTIFICATE") == 2
    assert openssl("pkcs12", "-in", path, "-passin", "pass:wrong", "-nodes")[0] != 0
    if not shutil.which("pk12util"):
        pytest.skip("NSS's pk12util (libnss3-tools) is not installed")
    database = tmp_path / "nss"
    database.mkdir()
    assert tool("certutil", "-N", "-d", database, "--empty-password")[0] == 0
    code, said = tool("pk12util", "-i", path, "-d", database, "-W", "p12pass")
    assert code == 0, said
    assert " x\n" in tool("certutil", "-K", "-d", database)[1]


def test_a_p12_passphrase_beyond_ascii_is_refused(ca, secret):
    ca.bad("ASCII", "issue", "x", "--p12", "--p12-passphrase-file", secret("pass\u00e9"), status=2)
    ca.good("issue", "y")
    before = ca.path("y.crt").read_bytes()
    ca.bad("ASCII", "renew", "y", "--p12-passphrase-file", secret("pass\u00e9"), status=2)
    assert ca.path("y.crt").read_bytes() == before
    assert not ca.path("x.key").exists()


def test_curl_comes_in_with_the_pem_and_the_p12(ca, secret, start, pki, dns):
    website = Website(pki)
    dns.addresses("origin.test", "127.0.0.1")
    ca.good("issue", "x", "--p12", "--p12-passphrase-file", secret("p12pass"))
    proxy = start(
        client(reach("origin.test", website.port), match=[{"uri": "spiffe://example.test/x"}]),
        trust={"staff": {"ca": [str(ca.path("ca.crt"))]}},
    )
    ways = (
        ["--proxy-cert", ca.path("x.pem")],
        ["--proxy-cert", ca.path("x.crt"), "--proxy-key", ca.path("x.key")],
        ["--proxy-cert", f"{ca.path('x.p12')}:p12pass", "--proxy-cert-type", "P12"],
    )
    try:
        for way in ways:
            code, said = tool(
                "curl", "-sS", "-x", "https://{}:{}".format(*proxy.address), *way,
                "--proxy-cacert", pki.server_ca.path, "--cacert", pki.server_ca.path,
                f"https://origin.test:{website.port}/", env=clean_environment(ca.folder),
            )
            assert (code, said) == (0, PAGE.decode()), said
    finally:
        website.stop()


# A CONNECT by Node's own tls; what it prints is the status line. The options are one JSON argument.
NODE = """
const fs = require('fs'), tls = require('tls'), wanted = JSON.parse(process.argv[1]);
const read = (name) => wanted[name] && fs.readFileSync(wanted[name]);
const sock = tls.connect({host: wanted.host, port: wanted.port, servername: 'proxy.test',
    ca: read('ca'), cert: read('cert'), key: read('key'), pfx: read('pfx'),
    passphrase: wanted.passphrase}, () => sock.write(
        `CONNECT ${wanted.target} HTTP/1.1\\r\\nHost: ${wanted.target}\\r\\n\\r\\n`));
sock.on('data', (data) => { console.log(String(data).split('\\r\\n')[0]); process.exit(0); });
sock.on('error', (problem) => { console.log(String(problem)); process.exit(1); });
"""


@pytest.mark.parametrize("way", ["pem", "p12", "none"])
def test_node_comes_in_with_the_pem_and_the_p12(ca, secret, start, pki, dns, origin, way):
    if not shutil.which("node"):
        pytest.skip("Node (nodejs) is not installed")
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    ca.good("issue", "x", "--p12", "--p12-passphrase-file", secret("p12pass"))
    trust = {"staff": {"ca": [str(ca.path("ca.crt"))]}}
    proxy = start(client(reach("origin.test", server.port)), trust=trust)
    ways = {
        "pem": {"cert": str(ca.path("x.crt")), "key": str(ca.path("x.key"))},
        "p12": {"pfx": str(ca.path("x.p12")), "passphrase": "p12pass"},
        "none": {},
    }
    host, port = proxy.address
    target = f"origin.test:{server.port}"
    wanted = {"host": host, "port": port, "ca": pki.server_ca.path, "target": target, **ways[way]}
    code, said = tool("node", "-e", NODE, json.dumps(wanted), env=clean_environment(ca.folder))
    if way == "none":
        assert code == 1 and "certificate required" in said.lower(), said
    else:
        assert (code, said) == (0, "HTTP/1.1 200 Connection established\n"), said


def test_git_comes_in_with_the_pair(ca, start, pki, dns, tmp_path):
    """GnuTLS, in Debian's git. It asks for a repository that is not there: the origin is reached."""
    website = Website(pki, str(tmp_path))
    dns.addresses("origin.test", "127.0.0.1")
    ca.good("issue", "x")
    trust = {"staff": {"ca": [str(ca.path("ca.crt"))]}}
    proxy = start(client(reach("origin.test", website.port)), trust=trust)
    settings = {
        "http.proxy": "https://{}:{}".format(*proxy.address),
        "http.proxySSLCAInfo": pki.server_ca.path,
        "http.proxySSLCert": ca.path("x.crt"),
        "http.proxySSLKey": ca.path("x.key"),
        "http.sslCAInfo": pki.server_ca.path,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    try:
        url = f"https://origin.test:{website.port}/none.git"
        code, said = tool("git", *options, "ls-remote", url, env=clean_environment(ca.folder))
    finally:
        website.stop()
    assert code == 128 and "not found" in said, said
    assert website.seen and proxy.audit.wait("decision")["decision"]["action"] == "allow"


# -- revoke and crl -----------------------------------------------------------------------------


def check_crl(ca, name):
    return ca.verify(name, "-crl_check", "-CRLfile", ca.path("ca.crl"))


def test_a_revoked_certificate_is_refused_and_the_others_are_not(ca):
    ca.good("issue", "one")
    ca.good("issue", "two")
    ca.good("crl")
    assert check_crl(ca, "one.crt")[0] == 0
    revoke_and_publish(ca, "one", "--reason", "keyCompromise")
    code, said = check_crl(ca, "one.crt")
    assert code != 0 and "certificate revoked" in said
    assert check_crl(ca, "two.crt")[0] == 0
    code, said = openssl("crl", "-in", ca.path("ca.crl"), "-CAfile", ca.path("ca.crt"), "-noout",
                         "-verify", "-text")
    assert code == 0 and "verify OK" in said
    assert "Version 2" in said and "Key Compromise" in said and "Authority Key Identifier" in said


def number_of(ca):
    said = openssl("crl", "-in", ca.path("ca.crl"), "-noout", "-crlnumber")[1]
    return int(said.strip().removeprefix("crlNumber="), 16)


def test_the_crl_number_rises_though_the_crl_is_lost(ca):
    ca.good("crl")
    assert number_of(ca) == 1
    ca.path("ca.crl").unlink()
    ca.good("crl", "--ttl", "2d")
    assert number_of(ca) == 2


def test_revoking_a_name_takes_all_its_live_certificates(ca):
    ca.good("issue", "x")
    first = serial_of(ca.path("x.crt"))
    ca.good("renew", "x")
    second = serial_of(ca.path("x.crt"))
    assert sorted(ca.good("revoke", "x").split()) == sorted([first, second])
    assert {entry["state"] for entry in ca.listed()} == {"revoked"}
    ca.bad("no live certificate", "revoke", "x")


def test_revoking_by_serial_in_any_spelling(ca):
    ca.good("issue", "x")
    serial = serial_of(ca.path("x.crt"))
    padded = serial.upper().zfill(32)
    spelt = ":".join(re.findall("..", padded))
    assert ca.good("revoke", spelt).strip() == serial
    ca.bad("revoked already", "revoke", serial)


def test_a_reason_that_is_none_is_answered_with_those_that_are(ca):
    ca.good("issue", "x")
    for reason in ("keyCompromize", "certificateHold", ""):
        ca.bad("keyCompromise, cACompromise", "revoke", "x", "--reason", reason, status=2)
    assert {entry["state"] for entry in ca.listed()} == {"valid"}


def test_what_was_never_issued_is_revoked_only_on_demand(ca):
    ca.bad("nothing was issued", "revoke", "nobody")
    ca.bad("--unlisted", "revoke", "4f01")
    ca.good("revoke", "4f01", "--unlisted")
    ca.good("crl")
    assert "4F01" in openssl("crl", "-in", ca.path("ca.crl"), "-noout", "-text")[1]


def test_crl_replaces_a_crl_and_nothing_else(ca):
    before = ca.path("ca.key").read_bytes()
    ca.bad("is not a CRL", "crl", "--out", "ca.key")
    ca.bad("is not a CRL", "crl", "--out", "ca.crt")
    assert ca.path("ca.key").read_bytes() == before
    ca.good("crl", "--out", "x.crl")
    ca.good("crl", "--out", "x.crl")


def test_a_crl_of_more_than_a_mebibyte_is_replaced_and_shown(ca):
    ca.good("crl")
    with open(ca.path("ca.index"), "a", encoding="ascii") as index:
        for number in range(30_000):
            index.write(f"revoke {number + (1 << 120):x} keyCompromise 1767225600\n")
    ca.good("crl")
    assert ca.path("ca.crl").stat().st_size > 1 << 20
    ca.good("crl")
    seen = json.loads(ca.good("inspect", "ca.crl", "--json"))
    assert (seen["number"], seen["revoked"]) == ("3", "30000")


# -- the index ----------------------------------------------------------------------------------


def test_a_torn_index_is_repaired_and_nothing_is_lost(ca):
    ca.good("issue", "one")
    with open(ca.path("ca.index"), "a", encoding="ascii") as index:
        index.write("issue 4f01 client tw")
    assert [entry["name"] for entry in ca.listed()] == ["one"]
    ca.good("issue", "two")
    assert [entry["name"] for entry in ca.listed()] == ["one", "two"]


def test_a_spoilt_index_stops_what_would_add_to_it(ca):
    index = ca.path("ca.index")
    index.write_text(index.read_text() + "hello\n")
    for verb in (["issue", "x"], ["list"], ["revoke", "4f01"], ["crl"]):
        result = ca(*verb)
        assert result.returncode != 0 and "ca.index:2:" in result.stderr
    assert not ca.path("x.crt").exists()


def test_what_cannot_be_recorded_is_not_issued(ca):
    ca.path("ca.index").unlink()
    ca.path("ca.index").mkdir()
    result = ca("issue", "x")
    assert result.returncode != 0 and "ca.index" in result.stderr
    assert not [name for name in os.listdir(ca.folder) if name.startswith("x.")]


def test_what_is_issued_into_another_folder_is_known(ca, tmp_path):
    ca.good("issue", "x", "--out", tmp_path / "elsewhere")
    assert [entry["name"] for entry in ca.listed()] == ["x"]
    ca.good("renew", "x", "--out", tmp_path / "elsewhere")
    assert len(ca.listed()) == 2


def test_a_folder_without_an_index_is_taken_over(tmp_path):
    run("quickstart", tmp_path)
    (tmp_path / "ca.index").unlink()  # as a folder of an earlier version
    listed = run("ca", "list", "--dir", tmp_path)
    assert "no ca.index yet" in listed.stderr and "client" in listed.stdout
    assert not (tmp_path / "ca.index").exists()
    assert run("ca", "revoke", "client", "--dir", tmp_path).returncode == 0
    listed = run("ca", "list", "--json", "--dir", tmp_path).stdout.splitlines()
    states = {entry["name"]: entry["state"] for entry in map(json.loads, listed)}
    assert states == {"client": "revoked", "server": "valid"}


def test_verbs_at_the_same_time_wait_for_each_other(ca):
    names = [f"c{number}" for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        statuses = [result.returncode for result in pool.map(lambda n: ca("issue", n), names)]
    assert statuses == [0] * len(names)
    assert sorted(entry["name"] for entry in ca.listed()) == names


# -- renew --------------------------------------------------------------------------------------


def names_of(path):
    said = openssl("x509", "-in", path, "-noout", "-subject", "-ext", "subjectAltName")
    return said[1]


def test_renew_keeps_names_and_kind_and_changes_the_rest(ca):
    ca.good("issue", "p", "--server", "--dns", "p.test", "--ip", "192.0.2.7", "--ttl", "2d")
    path = ca.path("p.crt")
    names, serial, key = names_of(path), serial_of(path), ca.path("p.key").read_text()
    assert ca.good("renew", "p").split() == ["p"]
    assert names_of(path) == names and serial_of(path) != serial
    assert ca.path("p.key").read_text() != key
    assert "TLS Web Server" in openssl("x509", "-in", path, "-noout", "-text")[1]
    assert openssl("x509", "-in", path, "-noout", "-checkend", 3 * 86400)[0] == 1
    public = openssl("pkey", "-in", ca.path("p.key"), "-pubout")[1]
    assert openssl("x509", "-in", path, "-noout", "-pubkey")[1] == public
    assert ca.path("p.pem").read_text() == path.read_text() + ca.path("p.key").read_text()
    assert not [name for name in os.listdir(ca.folder) if name.endswith(".new")]
    key = ca.path("p.key").read_text()
    ca.good("renew", "p", "--keep-key")
    assert ca.path("p.key").read_text() == key


def test_a_certificate_names_where_to_ask_about_it_and_so_does_its_renewal(ca):
    crl, ocsp = "http://pki.example.org:8080/ca.crl", "http://ocsp.example.org/"
    ca.good("issue", "p", "--crl-url", crl, "--ocsp-url", ocsp)
    ca.good("issue", "silent")

    def said(name):
        fields = "crlDistributionPoints,authorityInfoAccess"
        return openssl("x509", "-in", ca.path(name), "-noout", "-ext", fields)[1]

    for _ in range(2):
        text = said("p.crt")
        assert f"URI:{crl}" in text and f"OCSP - URI:{ocsp}" in text, text
        assert ca.verify("p.crt")[0] == 0
        ca.good("renew", "p")
    assert "URI" not in said("silent.crt")
    for option, value, words in (
        ("--crl-url", "pki.example.org/ca.crl", "no URL"),
        ("--crl-url", "ldap://pki.example.org/ca.crl", "no URL"),
        ("--crl-url", "http://PKI.example.org/ca.crl", "write http://pki.example.org/ca.crl"),
        ("--ocsp-url", "https://ocsp.example.org/", "http:// only"),
    ):
        ca.bad(words, "issue", "q", option, value, status=2)


@pytest.mark.parametrize("before, after", [(0o600, 0o600), (0o640, 0o640), (0o664, 0o640), (0o400, 0o600)])
def test_a_key_that_a_group_reads_can_be_read_by_it_after_a_renewal(ca, before, after):
    ca.good("issue", "p")
    ca.path("p.key").chmod(before)
    ca.good("renew", "p")
    assert stat.S_IMODE(ca.path("p.key").stat().st_mode) == after
    assert stat.S_IMODE(ca.path("p.crt").stat().st_mode) == 0o644
    assert stat.S_IMODE(ca.path("p.pem").stat().st_mode) == 0o600


def test_a_renewal_that_was_cut_off_is_mended_by_the_next(ca):
    ca.good("issue", "x")
    ca.path("x.key").write_text("half")
    ca.path("x.key.new").write_text("left behind")
    ca.path("x.crt.new").write_text("left behind")
    ca.good("renew", "x")
    public = openssl("pkey", "-in", ca.path("x.key"), "-pubout")[1]
    assert openssl("x509", "-in", ca.path("x.crt"), "-noout", "-pubkey")[1] == public
    assert not [name for name in os.listdir(ca.folder) if name.endswith(".new")]
    ca.path("x.key").write_text("half")
    ca.bad("renew without --keep-key", "renew", "x", "--keep-key")


def life_of(path):
    """The seconds from a certificate's beginning to its end."""
    seen = json.loads(run("ca", "inspect", path, "--json").stdout)
    begins, ends = (datetime.fromisoformat(seen[key].rstrip("Z")) for key in ("not_before", "not_after"))
    return (ends - begins).total_seconds()


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("1s", 1), ("6m", 360), ("49m", 2940), ("1h", 3600), ("61m", 3660), ("90d", 90 * 86400)]
)
def test_the_life_asked_for_is_the_life_and_renewals_keep_it(ca, ttl, seconds):
    ca.good("issue", "x", "--ttl", ttl)
    lives = [life_of(ca.path("x.crt"))]
    for _ in range(3):
        ca.good("renew", "x")
        lives.append(life_of(ca.path("x.crt")))
    assert lives == [seconds] * 4


def test_a_short_certificate_is_good_as_soon_as_it_is_made(ca):
    ca.good("issue", "x", "--ttl", "6m")
    assert ca.verify("x.crt")[0] == 0


def test_the_life_of_a_new_ca_is_the_one_asked_for(tmp_path):
    short = Authority(tmp_path / "ca", "--intermediate", "--ttl", "1h")
    assert [life_of(short.path(name)) for name in ("ca.crt", "root.crt")] == [3600, 3600]


def test_a_certificate_of_an_hour_passes_a_max_lifetime_of_an_hour(ca, start, pki):
    proxy = start(trust={"staff": {"ca": [str(ca.path("ca.crt"))], "max_lifetime": "1h"}})

    def ask(name, ttl):
        ca.good("issue", name, "--ttl", ttl)
        return tool(
            "curl", "-sv", "-x", "https://{}:{}".format(*proxy.address), "--proxy-cacert", pki.server_ca.path,
            "--proxy-cert", ca.path(f"{name}.pem"), "https://denied.test/", env=clean_environment(ca.folder),
        )[1]

    assert "HTTP/1.1 403" in ask("hour", "1h")
    assert "HTTP/1.1 403" not in ask("longer", "3601s")
    proxy.audit.wait("handshake_refused", reason="too_long_lived")


def test_renew_takes_those_that_end_soon_and_runs_the_command(ca):
    ca.good("issue", "long")
    ca.good("issue", "short", "--ttl", "1s")
    ca.good("issue", "gone", "--ttl", "1s")
    ca.good("revoke", serial_of(ca.path("gone.crt")))
    before = serial_of(ca.path("long.crt"))
    command = ["renew", "--before", "1/3", "--exec", 'echo "did $NAME" | tee -a log']
    result = ca(*command)
    while "nothing to do" in result.stderr:  # until it is near its end
        result = ca(*command)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "short\n" and "did short" in result.stderr
    assert ca.path("log").read_text() == "did short\n"
    assert serial_of(ca.path("long.crt")) == before


def test_a_command_that_fails_is_said(ca):
    ca.good("issue", "x")
    result = ca("renew", "x", "--exec", "exit 3")
    assert result.returncode == 1 and "--exec failed for x" in result.stderr


def test_renew_refuses_what_is_not_its_own(ca, tmp_path):
    ca.good("issue", "x")
    before = ca.path("x.crt").read_bytes()
    other = Authority(tmp_path / "other")
    shutil.copy(ca.path("x.crt"), other.path("x.crt"))
    shutil.copy(ca.path("x.key"), other.path("x.key"))
    other.bad("not issued by this CA", "renew", "x")
    ca.bad("gone.crt", "renew", "gone")
    ca.bad("is not a name", "renew", "../x")
    ca.good("revoke", "x")
    ca.bad("is revoked", "renew", "x")
    assert ca.path("x.crt").read_bytes() == before


@pytest.mark.parametrize("name", ["ca", "root"])
def test_no_renewal_touches_the_ca_itself(ca, tmp_path, name):
    with_root = Authority(tmp_path / "with-root", "--intermediate")
    before = {path: path.read_bytes() for folder in (ca, with_root) for path in folder.folder.iterdir()}
    for folder in (ca, with_root):
        ca_itself = {"ca": ["beside the old one"], "root": ["is the CA itself"]}[name]
        folder.bad(*ca_itself, "renew", name, status=2 if name == "ca" else 1)
        folder.bad(*ca_itself, "renew", name, "--keep-key", status=2 if name == "ca" else 1)
        folder.bad("is there already", "renew", "ca", "--out", ".")
        folder.good("renew", "--before", "1/1")
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize("options", [[], ["--intermediate"]])
def test_a_new_ca_has_the_name_and_kind_of_the_old_one_and_another_key(tmp_path, options):
    old = Authority(tmp_path / "old", "--name", "Clients of Test", "--ttl", "9d", *options)
    paths = old.good("renew", "ca", "--out", "next").split()
    assert paths == [f"next/{path.name}" for path in sorted(old.folder.glob("*.*")) if path.suffix in (".crt", ".key")]
    for path in old.folder.glob("*.crt"):
        made = old.folder / "next" / path.name
        assert names_of(made) == names_of(path) and life_of(made) == life_of(path)
        assert serial_of(made) != serial_of(path)
        assert openssl("x509", "-in", made, "-noout", "-pubkey") != openssl("x509", "-in", path, "-noout", "-pubkey")


def test_a_new_ca_is_under_the_passphrase_of_the_old_one(tmp_path, secret):
    file = ["--passphrase-file", secret("of the ca")]
    old = Authority(tmp_path / "old", *file)
    old.bad("is under a passphrase", "renew", "ca", "--out", "next")
    old.good("renew", "ca", "--out", "next", *file)
    assert "ENCRYPTED" in old.path("next/ca.key").read_text()


def test_a_certificate_moves_to_the_new_ca_once_and_a_revoked_one_does_not(ca):
    for name in ("one", "two", "gone"):
        ca.good("issue", name)
    ca.good("revoke", "gone")
    ca.good("renew", "ca", "--out", "next")
    names, serial = names_of(ca.path("one.crt")), serial_of(ca.path("one.crt"))
    ca.bad("is revoked", "renew", "gone", "--under", "next")
    ca.bad("not issued by this CA", "renew", "one", "--dir", "next", "--out", ".")
    assert ca.good("renew", "--before", "1/1", "--under", "next").split() == ["one", "two"]
    assert names_of(ca.path("one.crt")) == names and serial_of(ca.path("one.crt")) != serial
    assert ca.verify("one.crt", anchor="next/ca.crt")[0] == 0 and ca.verify("one.crt")[0] != 0
    assert ca.verify("gone.crt")[0] == 0
    assert "nothing to do" in ca("renew", "--before", "1/1", "--under", "next").stderr
    assert [entry["serial"].lstrip("0") for entry in ca.listed()].count(serial) == 1
    listed = ca.good("list", "--json", "--dir", "next").splitlines()
    assert [json.loads(line)["name"] for line in listed] == ["one", "two"]
    assert ca.good("renew", "one", "--dir", "next", "--out", ".").split() == ["one"]


def test_renew_says_that_a_p12_is_left_behind(ca, secret):
    file = ["--p12-passphrase-file", secret("p12pass")]
    ca.good("issue", "x", "--p12", *file)
    before = ca.path("x.p12").read_bytes()
    assert "still holds the old" in ca("renew", "x").stderr
    assert ca.path("x.p12").read_bytes() == before
    ca.good("renew", "x", *file)
    assert ca.path("x.p12").read_bytes() != before


# -- inspect and help ---------------------------------------------------------------------------


def test_inspect_shows_certificates_and_crls(ca):
    ca.good("issue", "x", "--email", "a@example.test")
    seen = json.loads(ca.good("inspect", "x.crt", "--json"))
    assert seen["usage"] == "client" and seen["san_email"] == ["a@example.test"]
    assert seen["serial"].lstrip("0") == serial_of(ca.path("x.crt")) and seen["subject"] == "CN=x"
    assert "spiffe://example.test/x" in ca.good("inspect", "x.pem")
    revoke_and_publish(ca, "x")
    seen = json.loads(ca.good("inspect", "ca.crl", "--json"))
    assert (seen["type"], seen["number"], seen["revoked"]) == ("crl", "1", "1")


def test_inspect_refuses_what_holds_neither(ca):
    ca.bad("holds no certificate", "inspect", "ca.key")
    ca.bad("cannot open", "inspect", "gone.crt")


def test_inspect_shows_every_certificate_of_a_long_file(ca):
    ca.path("many.crt").write_text(101 * ca.path("ca.crt").read_text())
    assert len(ca.good("inspect", "many.crt", "--json").splitlines()) == 101


@pytest.mark.parametrize("verb", ["renew x", "revoke x", "crl", "list"])
def test_without_a_ca_each_verb_says_what_to_do(verb, tmp_path):
    result = run("ca", *verb.split(), cwd=tmp_path)
    assert result.returncode == 1 and "ca init" in result.stderr
    assert os.listdir(tmp_path) == []
