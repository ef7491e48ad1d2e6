"""`client_ca_names`: whether clients are told which CAs they are trusted by, when these are many. And nothing is
taken into force under which no handshake could succeed."""

import base64
import json

import pytest

from support import der
from support.config import client, listener_of, reach, write_config
from support.pki import SERVER_AUTH
from support.proxy import run

ORIGIN = "origin.test"
SOME, MANY, TOO_MANY = 260, 520, 1000  # CAs whose names have 20, 40 and 78 KiB


@pytest.fixture(scope="module")
def bundle(pki, tmp_path_factory):
    """Gives the file of a bundle of so many CAs, that of the tests' clients first."""
    folder, key = tmp_path_factory.mktemp("bundles"), der.new_key()
    made = []

    def make(count):
        while len(made) < count:
            text = f"{len(made):05} {'of the many CAs ' * 3}{'x' * 9}"
            made.append(to_pem(der.root(text, key=key).der))
        path = folder / f"{count}.crt"
        with open(pki.ca.path, "rb") as first:
            path.write_bytes(first.read() + b"".join(made[:count]))
        return str(path)

    return make


@pytest.fixture
def listen(start, dns, origin, pki):
    """Starts a proxy with such a profile and value of the key."""
    server = origin()
    dns.addresses(ORIGIN, "127.0.0.1")

    def make(ca, mode=None, **options):
        main = listener_of(pki, **({"client_ca_names": mode} if mode else {}))
        proxy = start(
            client(reach(ORIGIN, server.port)),
            trust={"staff": {"ca": [ca]}},
            listeners=[main],
            **options,
        )
        proxy.target = f"{ORIGIN}:{server.port}"
        return proxy

    return make


def to_pem(data):
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n".encode()


def check(proxy):
    return run("check", "-c", proxy.config_path)


def ca_list(proxy, pki):
    """What the doctor says of the names that it is told."""
    words = ["--proxy", f"https://127.0.0.1:{proxy.address[1]}", "--ca", pki.server_ca.path]
    words += ["--cert", pki.worker.chain, "--key", pki.worker.key]
    said = json.loads(run("doctor", "--json", *words).stdout)
    return next(step for step in said["steps"] if step["step"] == "ca_list")


def test_few_names_are_told(listen, pki):
    proxy = listen(pki.ca.path)
    assert "CN=Clients CA" in ca_list(proxy, pki)["detail"]
    assert "client_ca_names" not in check(proxy).stderr + check(proxy).stdout


@pytest.mark.parametrize("count", [SOME, TOO_MANY])
def test_by_default_many_names_are_not_told_and_clients_come_in(listen, pki, bundle, count):
    proxy = listen(bundle(count))
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")
    assert "does not say which CAs" in ca_list(proxy, pki)["detail"]
    found = check(proxy)
    assert found.returncode == 0
    assert "clients are not told them" in found.stdout + found.stderr


def test_none_tells_no_name(listen, pki):
    proxy = listen(pki.ca.path, "none")
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")
    assert "does not say which CAs" in ca_list(proxy, pki)["detail"]


def test_send_tells_what_java_does_not_read_and_says_so(listen, pki, bundle):
    proxy = listen(bundle(MANY), "send")
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")
    found = check(proxy)
    assert found.returncode == 0 and "Java reads no more" in found.stderr + found.stdout
    said = ca_list(proxy, pki)
    assert said["outcome"] == "warning" and "Java reads no more" in said["detail"]


def test_names_that_no_handshake_has_room_for_stop_the_start(listen, bundle):
    proxy = listen(bundle(TOO_MANY), "send", is_ready=False)
    assert proxy.wait_exit() == 3
    proxy.stop(expected=3)
    assert "a TLS handshake has room for" in proxy.stderr.text()
    assert "client_ca_names: none" in proxy.stderr.text()


@pytest.mark.parametrize("mode, words", [("send", "reload failed"), ("auto", "reloaded:")])
def test_a_bundle_that_grows_takes_nobody_down(listen, pki, bundle, tmp_path, mode, words):
    path, fresh = tmp_path / "grows.crt", tmp_path / "fresh.crt"
    with open(pki.ca.path, "rb") as first:
        path.write_bytes(first.read())
    proxy = listen(str(path), mode)
    with open(bundle(TOO_MANY), "rb") as grown:
        fresh.write_bytes(grown.read())
    fresh.rename(path)
    proxy.stderr.wait(words)
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")


def test_a_certificate_that_no_handshake_succeeds_with_is_an_error(pki, dns, tmp_path):
    many = tuple(f"n{number}.{'x' * 60}.{'y' * 60}.{'z' * 40}.test" for number in range(900))
    useless = pki.server_ca.leaf("proxy.test-of-many-names", dns=many, usages=(SERVER_AUTH,))
    config = {
        "version": 1,
        "listeners": [
            {
                "name": "main",
                "address": "127.0.0.1:0",
                "certificates": [{"chain": useless.chain, "key": useless.key}],
                "trust": "staff",
            }
        ],
        "trust": {"staff": {"ca": [pki.ca.path]}},
        "clients": [],
        "audit": {"file": "audit.jsonl"},
    }
    write_config(tmp_path / "sallyport.yaml", config)
    found = run("check", "-c", tmp_path / "sallyport.yaml")
    assert found.returncode == 3
    assert "no handshake can succeed with it" in found.stderr + found.stdout
