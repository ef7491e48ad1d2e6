"""`sallyport doctor`: every way in which the way through a proxy can be shut is told apart."""

import base64
import json
import re
import shutil
import socket
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from support.config import client, reach
from support.dns import SERVFAIL
from support.origin import silence
from support.pki import CLIENT_AUTH, SERVER_AUTH, common_names
from support.proxy import run
from support.sidecar import TlsServer

ALLOW = client(reach("origin.test", "any"))
STEPS = "files own_certificate name tcp proxy_certificate handshake ca_list accepted whoami connect"


@pytest.fixture
def doctor(pki, dns):
    """Runs the doctor and gives what it says as JSON, with its exit status checked."""
    dns.addresses("proxy.test", "127.0.0.1")
    dns.addresses("origin.test", "127.0.0.1")

    def visit(proxy, identity="worker", expected=1, host="proxy.test", words=(), **changes):
        identity = pki.worker if identity == "worker" else identity
        port = proxy if isinstance(proxy, int) else proxy.address[1]
        values = {"ca": pki.server_ca.path, **changes}
        if identity:
            values = {"cert": identity.chain, "key": identity.key, **values}
        arguments = ["--proxy", f"https://{host}:{port}", "--resolver", dns.endpoint, *words]
        for name, value in values.items():
            arguments += [f"--{name}", value]
        result = run("doctor", "--json", *arguments)
        assert result.returncode == expected, result.stdout + result.stderr
        assert result.stdout.count("\n") == 1 and result.stderr == ""
        said = json.loads(result.stdout)
        assert [step["step"] for step in said["steps"]] == STEPS.split()
        assert (said["result"] == "ok") == (expected == 0)
        failed = [step["cause"] for step in said["steps"] if step["outcome"] == "failed"]
        assert said["cause"] == (failed[0] if failed else "ok")
        said["outcomes"] = {step["step"]: step["outcome"] for step in said["steps"]}
        said["details"] = {step["step"]: step["detail"] for step in said["steps"]}
        return said

    return visit


def assert_cause(said, cause, side, step):
    """The cause, whose matter it is, what to do, and that everything before it was well."""
    assert (said["cause"], said["side"]) == (cause, side), said
    assert said["outcomes"][step] == "failed", said
    assert said["advice"], said
    before = STEPS.split()[: STEPS.split().index(step)]
    assert not [name for name in before if said["outcomes"][name] == "failed"], said


# -- a pinned key -------------------------------------------------------------------------------


def test_a_pin_that_fails_is_named_with_the_key_that_is_there(pki, start, doctor):
    other = "sha256//" + base64.b64encode(bytes(32)).decode()
    said = doctor(start(ALLOW), words=["--pin", other, "--pin", "11" * 32])
    assert_cause(said, "proxy_pin_mismatch", "proxy", "proxy_certificate")
    second = "sha256//" + base64.b64encode(bytes([0x11] * 32)).decode()
    begins = f"its key is {pki.server.pin}, and --pin has {other}, {second}; CN=proxy.test"
    assert said["details"]["proxy_certificate"].startswith(begins), said


def test_the_pin_that_the_doctor_shows_is_the_one_to_give(start, doctor):
    proxy = start(ALLOW)
    shown = doctor(proxy, expected=0)["details"]["proxy_certificate"]
    pin = re.search(r"its key is (sha256//\S+)$", shown).group(1)
    doctor(proxy, expected=0, words=["--pin", pin])


def test_the_doctor_looks_at_one_proxy_at_a_time(pki):
    proxies = ["--proxy", "https://proxy.test:1", "--proxy", "https://proxy.test:2"]
    result = run("doctor", *proxies, "--ca", pki.server_ca.path)
    assert result.returncode == 2 and "one --proxy at a time" in result.stderr


# -- what is well -------------------------------------------------------------------------------


def test_an_answer_that_names_a_certificate_with_a_nul_is_read(start, doctor, pki):
    nul = pki.ca.leaf("nul", subject=common_names("a\0b"))
    said = doctor(start(ALLOW), nul, expected=0)
    assert said["outcomes"]["whoami"] == "ok", said
    assert json.loads(said["whoami"])["certificate"]["cn"] == "a\0b"


def test_a_healthy_way_is_ok_at_every_step(start, doctor, origin):
    target = origin(silence)
    said = doctor(start(ALLOW), expected=0, words=["--to", f"origin.test:{target.port}"])
    assert set(said["outcomes"].values()) == {"ok"}, said
    whoami = json.loads(said["whoami"])
    assert (whoami["client"], whoami["mode"]) == ("workers", "enforce")
    assert 'as client "workers", mode "enforce"' in said["details"]["whoami"]
    assert said["details"]["name"].startswith("proxy.test is 127.0.0.1")
    assert "CN=proxy.test, for proxy.test, localhost" in said["details"]["proxy_certificate"]
    assert "CN=worker-1" in said["details"]["own_certificate"]
    assert "days left" in said["details"]["own_certificate"]
    assert "TLS 1.3" in said["details"]["handshake"]
    assert "CN=Clients CA; this is one" in said["details"]["ca_list"]
    target.wait_accepted()


@pytest.mark.parametrize("is_on", [True, False])
def test_it_says_whether_tunnels_can_share_a_connection(start, doctor, is_on):
    proxy = start(ALLOW)
    proxy.reload(listeners=[{**proxy.config["listeners"][0], "http2": is_on}])
    said = doctor(proxy, expected=0)["details"]["handshake"]
    assert said.endswith("offers HTTP/2" if is_on else "HTTP/1.1 alone"), said


def test_the_lines_for_a_person_say_the_same(pki, dns, start, doctor):
    proxy = start(ALLOW)
    arguments = ["--proxy", f"https://proxy.test:{proxy.address[1]}", "--resolver", dns.endpoint]
    arguments += ["--cert", pki.worker.chain, "--key", pki.worker.key, "--ca", pki.server_ca.path]
    good = run("doctor", *arguments)
    assert good.returncode == 0 and good.stdout.endswith("all is well\n"), good.stdout
    bad = run("doctor", *arguments, "--to", "elsewhere.test:443")
    assert bad.returncode == 1
    assert "\ncause: denied: the proxy's rules say no\nside:  policy\ndo:    " in bad.stdout


def test_an_address_in_the_place_of_a_name_is_fine_if_the_certificate_has_it(start, doctor):
    said = doctor(start(ALLOW), host="127.0.0.1", expected=0)
    assert said["details"]["name"] == "127.0.0.1 is an address"


def test_a_certificate_that_ends_soon_is_a_warning(pki, start, doctor):
    said = doctor(start(ALLOW), pki.ca.leaf("ends-soon", ends=3), expected=0)
    assert said["outcomes"]["own_certificate"] == "warning"


def test_a_client_without_a_certificate_is_fine_where_it_is_optional(start, doctor):
    proxy = start(ALLOW)
    proxy.reload(
        client(reach("origin.test", "any"), match=[{"anonymous": True}]),
        listeners=[{**proxy.config["listeners"][0], "client_certificate": "optional"}],
    )
    assert doctor(proxy, None, expected=0)["outcomes"]["accepted"] == "ok"


# -- files --------------------------------------------------------------------------------------


def encrypted_key(pki, tmp_path, *form):
    path = tmp_path / "encrypted.key"
    command = ["openssl", *form, "-in", pki.worker.key, "-out", path, "-passout", "pass:secret"]
    subprocess.run(command, check=True, capture_output=True)
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    "form", [["pkcs8", "-topk8"], ["ec", "-aes256"]], ids=["pkcs8", "traditional"]
)
def test_an_encrypted_key_is_told(form, pki, doctor, tmp_path):
    said = doctor(443, expected=3, key=encrypted_key(pki, tmp_path, *form))
    assert_cause(said, "key_encrypted", "client", "files")


def test_a_key_of_another_certificate_is_told(pki, doctor):
    said = doctor(443, expected=3, key=pki.ca.leaf("someone-else").key)
    assert_cause(said, "key_mismatch", "client", "files")


@pytest.mark.parametrize("option", ["cert", "key", "ca"])
@pytest.mark.parametrize("content", [None, "", "junk", "-----BEGIN CERTIFICATE-----\nMIIB\n"])
def test_a_file_that_cannot_be_used_is_told(option, content, doctor, tmp_path):
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    said = doctor(443, expected=3, **{option: str(path)})
    assert_cause(said, f"{option}_file", "client", "files")
    assert "bad.pem" in said["details"]["files"]


def test_a_server_certificate_is_no_ca_file(pki, doctor):
    assert_cause(doctor(443, expected=3, ca=pki.server.chain), "ca_file", "client", "files")


# -- the network --------------------------------------------------------------------------------


def test_a_name_that_does_not_exist_is_told(doctor):
    said = doctor(443, host="nowhere.test", expected=4)
    assert_cause(said, "dns_not_found", "network", "name")


def test_a_silent_dns_server_is_told(doctor, dns):
    dns.reply("silent.test", is_silent=True)
    assert_cause(doctor(443, host="silent.test", expected=4), "dns_failed", "network", "name")


def test_a_port_on_which_nobody_listens_is_told(doctor):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        said = doctor(holder.getsockname()[1], expected=4)
    assert_cause(said, "connection_refused", "network", "tcp")


# -- somebody else's port -----------------------------------------------------------------------


def test_a_plain_http_port_is_told(doctor, origin):
    def answer_plainly(conn):
        conn.recv(1000)
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert_cause(doctor(origin(answer_plainly).port), "plain_http", "proxy", "handshake")


def test_a_port_that_speaks_something_else_is_told(doctor, origin):
    port = origin(lambda conn: conn.sendall(b"220 mail.test ESMTP\r\n")).port
    assert_cause(doctor(port), "not_tls", "proxy", "handshake")


def test_a_port_that_closes_at_once_is_told(doctor, origin):
    port = origin(lambda conn: conn.recv(1000)).port
    assert_cause(doctor(port), "closed", "proxy", "handshake")


def proxy_like(pki, **options):
    """A good certificate for the proxy's name."""
    leaf = pki.server_ca.leaf("web", dns=("proxy.test",), usages=(SERVER_AUTH,))
    return TlsServer(leaf, **options)


def test_a_web_server_that_asks_for_no_certificate_is_told(pki, doctor):
    server = proxy_like(pki, answer=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    said = doctor(server.port)
    assert_cause(said, "no_certificate_requested", "proxy", "ca_list")
    assert said["outcomes"]["whoami"] == "failed"
    server.stop()


def test_a_web_server_that_asks_for_certificates_is_no_proxy(pki, doctor):
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    server = proxy_like(pki, client_ca=pki.ca.path, answer=answer)
    said = doctor(server.port)
    assert_cause(said, "not_a_proxy", "proxy", "whoami")
    assert "404 Not Found" in said["details"]["whoami"]
    server.stop()


def test_a_server_with_old_tls_only_is_told(pki, doctor):
    server = proxy_like(pki, maximum=ssl.TLSVersion.TLSv1_1)
    assert_cause(doctor(server.port), "protocol", "proxy", "handshake")
    server.stop()


# -- the proxy's certificate --------------------------------------------------------------------

PROXY_FAULTS = {
    "proxy_unknown_ca": {"ca": "Other CA"},
    "proxy_expired": {"begins": -20, "ends": -10},
    "proxy_not_yet_valid": {"begins": 10},
    "proxy_bad_purpose": {"usages": (CLIENT_AUTH,)},
    "proxy_name_mismatch": {"dns": ("other.test",), "ip": ("192.0.2.1",)},
}


@pytest.mark.parametrize("cause", PROXY_FAULTS)
def test_a_fault_of_the_proxys_certificate_is_told(cause, pki, doctor):
    options = {"dns": ("proxy.test",), "usages": (SERVER_AUTH,), **PROXY_FAULTS[cause]}
    authority = pki.authority(options.pop("ca")) if "ca" in options else pki.server_ca
    server = TlsServer(authority.leaf("bad-server", **options), pki.ca.path)
    said = doctor(server.port)
    assert_cause(said, cause, "proxy", "proxy_certificate")
    assert "CN=bad-server" in said["details"]["proxy_certificate"]
    if cause == "proxy_name_mismatch":
        assert "other.test, 192.0.2.1" in said["details"]["proxy_certificate"]
    assert server.received == []
    server.stop()


def test_an_intermediate_that_the_proxy_does_not_send_is_told(pki, doctor):
    def name(common):  # O tells that they belong together, only the CN differs
        parts = [(NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, common)]
        return x509.Name([x509.NameAttribute(*part) for part in parts])

    root = pki.authority("Server root", subject=name("Server root"))
    middle = pki.authority("Server middle", issuer=root, label="middle", subject=name("middle"))
    leaf = middle.leaf("alone", dns=("proxy.test",), usages=(SERVER_AUTH,))
    server = TlsServer(leaf, pki.ca.path)
    said = doctor(server.port, ca=root.path)
    assert_cause(said, "proxy_missing_intermediate", "proxy", "proxy_certificate")
    server.stop()


# -- the own certificate ------------------------------------------------------------------------


def test_an_expired_certificate_is_told_before_and_by_the_proxy(pki, start, doctor):
    said = doctor(start(ALLOW), pki.ca.leaf("old", begins=-20, ends=-10))
    assert_cause(said, "expired", "client", "own_certificate")
    assert said["outcomes"]["accepted"] == "failed"


def test_a_certificate_of_the_future_is_told(pki, start, doctor):
    said = doctor(start(ALLOW), pki.ca.leaf("early", begins=10))
    assert_cause(said, "not_yet_valid", "client", "own_certificate")


def test_a_server_certificate_is_not_one_for_clients(pki, start, doctor):
    said = doctor(start(ALLOW), pki.ca.leaf("server-only", usages=(SERVER_AUTH,)))
    assert_cause(said, "bad_purpose", "client", "own_certificate")


def test_a_certificate_that_may_not_sign_is_not_one_for_clients(pki, doctor):
    said = doctor(443, pki.ca.leaf("agrees-only", signs=False), expected=3)
    assert_cause(said, "bad_purpose", "client", "files")
    assert "digitalSignature" in said["details"]["files"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_no_certificate_is_told_with_curls_option(version, pki, start, doctor):
    proxy = start(ALLOW)
    tls = {"min": version, "max": version}
    proxy.reload(listeners=[{**proxy.config["listeners"][0], "tls": tls}])
    said = doctor(proxy, None)
    assert_cause(said, "no_certificate", "client", "accepted")
    assert "--proxy-cert" in said["advice"]
    assert proxy.audit.wait("handshake_refused")["reason"] == "no_certificate"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_of_another_ca_is_told_with_the_cas_that_are_accepted(
    version, pki, start, doctor
):
    proxy = start(ALLOW)
    tls = {"min": version, "max": version}
    proxy.reload(listeners=[{**proxy.config["listeners"][0], "tls": tls}])
    said = doctor(proxy, pki.authority("Other CA").leaf("stranger"))
    assert_cause(said, "unknown_ca", "client", "accepted")
    assert said["outcomes"]["ca_list"] == "warning"
    assert "CN=Clients CA" in said["details"]["ca_list"]
    assert proxy.audit.wait("handshake_refused")["reason"] == "unknown_ca"


def test_an_intermediate_that_is_not_sent_is_told_where_the_ca_file_knows_it(
    pki, start, doctor, tmp_path
):
    middle = pki.authority("Middle CA", issuer=pki.ca)
    both = tmp_path / "cas.pem"
    both.write_bytes(
        b"".join(open(ca.path, "rb").read() for ca in (pki.server_ca, middle, pki.ca))
    )
    proxy = start(ALLOW)
    said = doctor(proxy, middle.leaf("alone-2"), ca=str(both))
    assert_cause(said, "missing_intermediate", "client", "accepted")
    assert doctor(proxy, middle.leaf("with-it", sends=(middle,)), expected=0)["result"] == "ok"


def test_a_revoked_certificate_is_told(pki, start, doctor):
    leaf = pki.ca.leaf("revoked-2")
    proxy = start(ALLOW, trust={"staff": {"crl": [pki.ca.crl(leaf, label="doctor")]}})
    assert_cause(doctor(proxy, leaf), "revoked", "client", "accepted")


def test_a_certificate_refused_for_a_reason_without_an_alert_leads_to_the_audit(
    pki, start, doctor
):
    leaf = pki.ca.leaf("denied-1")
    proxy = start(ALLOW, trust={"staff": {"denied": [{"sha256": leaf.sha256}]}})
    said = doctor(proxy, leaf)
    assert_cause(said, "refused", "client", "accepted")
    assert "audit log" in said["advice"]


@pytest.mark.parametrize("cause", ["no_certificate", "unknown_ca", "expired", "bad_purpose"])
def test_a_proxy_that_refuses_in_http_is_understood(cause, pki, start, doctor):
    proxy = start(ALLOW)
    proxy.reload(listeners=[{**proxy.config["listeners"][0], "refuse_with": "http"}])
    identity = {
        "no_certificate": None,
        "unknown_ca": pki.authority("Other CA").leaf("stranger"),
        "expired": pki.ca.leaf("old", begins=-20, ends=-10),
        "bad_purpose": pki.ca.leaf("server-only", usages=(SERVER_AUTH,)),
    }[cause]
    said = doctor(proxy, identity)
    assert said["cause"] == cause and said["side"] == "client", said
    assert said["outcomes"]["accepted"] == "failed"
    assert "403" in said["details"]["accepted"]


# -- behind the proxy ---------------------------------------------------------------------------


def test_a_target_that_no_rule_allows_is_told_with_reason_and_id(start, doctor):
    proxy = start(ALLOW)
    said = doctor(proxy, words=["--to", "elsewhere.test:443"])
    assert_cause(said, "denied", "policy", "connect")
    decision = proxy.audit.wait("decision", request__host="elsewhere.test")
    assert decision["decision"]["reason"] == "no_rule"
    assert f"(id {decision['id']})" in said["details"]["connect"]
    assert 'details="no_rule"' in said["details"]["connect"]


def test_a_certificate_that_fits_no_client_is_told_before_any_target(start, doctor):
    said = doctor(start(client(match=[{"cn": "somebody else"}])), words=["--to", "origin.test:443"])
    assert_cause(said, "denied", "policy", "connect")
    assert said["outcomes"]["whoami"] == "warning", said
    assert "no entry of its `clients` fits" in said["details"]["whoami"]
    assert json.loads(said["whoami"])["client"] is None


def test_a_target_that_a_rule_denies_is_told_with_the_rule(start, doctor):
    allow = client(reach("origin.test", "any"), deny=[{"hosts": ["origin.test"], "name": "closed"}])
    said = doctor(start(allow), words=["--to", "origin.test:443"])
    assert_cause(said, "denied", "policy", "connect")
    assert "rule closed" in said["details"]["connect"]


def test_a_target_that_does_not_resolve_is_the_targets_matter(start, doctor):
    said = doctor(start(client(reach("ghost.test", "any"))), words=["--to", "ghost.test:443"])
    assert_cause(said, "target_not_found", "target", "connect")
    assert "name_not_found" in said["details"]["connect"]


def test_a_target_that_refuses_is_the_targets_matter(start, doctor):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        said = doctor(start(ALLOW), words=["--to", f"origin.test:{holder.getsockname()[1]}"])
    assert_cause(said, "target_failed", "target", "connect")


def test_what_the_proxy_cannot_do_is_not_the_targets_matter(start, doctor, dns):
    """Its DNS, its parent, its authorizer, its egress: the reason in the answer says which, and its side is the proxy's."""
    dns.reply("sick.test", code=SERVFAIL)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        nobody = holder.getsockname()[1]
        proxy = start(
            client(
                reach("sick.test", "any"),
                reach("origin.test", 1, via=["away"]),
                {**reach("origin.test", 2), "ask": True},
            ),
            parents=[{"name": "away", "to": [f"http://127.0.0.1:{nobody}"]}],
            authorizer={"url": f"http://127.0.0.1:{nobody}/allow"},
        )
        for target, cause in (
            ("sick.test:443", "proxy_dns_failed"),
            ("origin.test:1", "parent_failed"),
            ("origin.test:2", "authorizer_failed"),
        ):
            said = doctor(proxy, words=["--to", target])
            assert_cause(said, cause, "proxy", "connect")
    assert "connection_refused" in doctor(proxy, words=["--to", "origin.test:1"])["details"]["connect"]


@pytest.mark.parametrize("how", ["alert", "http"])
def test_a_list_that_the_proxy_lacks_is_not_the_clients_matter(how, pki, start, doctor):
    other = pki.authority("Other CA")
    proxy = start(ALLOW, trust={"staff": {"crl": [other.crl()]}})
    proxy.reload(listeners=[{**proxy.config["listeners"][0], "refuse_with": how}])
    assert_cause(doctor(proxy), "revocation_unknown", "proxy", "accepted")
    assert proxy.audit.wait("handshake_refused")["reason"] == "crl_missing"


# -- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "--proxy and --ca are needed"),
        (["--proxy", "https://p.test:1"], "--proxy and --ca are needed"),
        (["--proxy", "p.test:1", "--ca", "x"], "begin with https://"),
        (["--proxy", "https://p.test", "--ca", "x"], "has no port"),
        (["--proxy", "https://p.test:1", "--ca", "x", "--cert", "y"], "needed together"),
        (["--proxy", "https://p.test:1", "--ca", "x", "--key", "y"], "needed together"),
        (["--proxy", "https://p.test:1", "--ca", "x", "--to", "nowhere"], "is not HOST:PORT"),
        (["--proxy", "https://p.test:1", "--ca", "x", "extra"], "unexpected argument"),
        (["--proxy-cert", "x"], "unknown option"),
    ],
)
def test_wrong_usage_exits_2(words, complaint):
    result = run("doctor", *words)
    assert result.returncode == 2 and complaint in result.stderr and result.stdout == ""


def test_a_bundle_of_certificate_and_key_will_do_for_both(pki, start, doctor, tmp_path):
    bundle = tmp_path / "me.pem"
    with open(bundle, "wb") as file:
        for part in (pki.worker.chain, pki.worker.key):
            with open(part, "rb") as source:
                shutil.copyfileobj(source, file)
    bundle.chmod(0o600)
    said = doctor(start(ALLOW), expected=0, cert=str(bundle), key=str(bundle))
    assert said["outcomes"]["accepted"] == "ok"
