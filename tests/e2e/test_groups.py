"""The groups of the key exchange: who may come in with which, and where one reads what was agreed.

The hybrid X25519MLKEM768 needs a build whose BoringSSL has it; its tests say so where they are skipped.
"""

import json
import os
import re
import shutil
import subprocess

import pytest

from support.admin import get, read_metrics, value
from support.config import client, reach, write_config
from support.proxy import run
from support.scale import PATIENCE
from support.sidecar import Sidecar

HYBRID = "X25519MLKEM768"
WHOAMI = b"GET http://sallyport.internal/whoami HTTP/1.1\r\nHost: sallyport.internal\r\nConnection: close\r\n\r\n"


def library():
    """What `sallyport version` says of the BoringSSL in this build."""
    return json.loads(run("version", "--json").stdout)["boringssl"]


def openssl_with_hybrid():
    """An OpenSSL of 3.5 or later: that of the system, or the one that SALLYPORT_OPENSSL names."""
    for program in (os.environ.get("SALLYPORT_OPENSSL"), shutil.which("openssl")):
        if program:
            listed = subprocess.run([program, "list", "-tls-groups"], capture_output=True, text=True, check=False)
            if HYBRID in listed.stdout:
                return program
    return None


@pytest.fixture
def has_hybrid():
    if not library()["ml_kem"]:
        pytest.skip(f"the BoringSSL of this build has no {HYBRID}: see docs/DEVELOPING.md for a build with one that has")


@pytest.fixture
def listen(start, pki, dns, origin):
    """Starts a proxy with a listener for each key of `listeners`, whose value is its `tls`."""

    def make(**listeners):
        server = origin()
        dns.addresses("origin.test", "127.0.0.1")
        pairs = [{"chain": pki.server.chain, "key": pki.server.key}]
        common = {"address": "127.0.0.1:0", "certificates": pairs, "trust": "staff"}
        proxy = start(
            client(reach("origin.test", server.port)),
            listeners=[{**common, "name": name, "tls": tls} for name, tls in listeners.items()],
            admin={"address": "unix:admin.sock"},
        )
        proxy.target = f"origin.test:{server.port}"
        proxy.pki = pki
        return proxy

    return make


def s_client(proxy, listener, *options, program="openssl", version="-tls1_3"):
    """What OpenSSL's own client is told by /whoami of its connection, or None where there is none."""
    worker, (host, port) = proxy.pki.worker, proxy.addresses[listener]
    command = [
        *(program, "s_client", "-quiet", "-connect", f"{host}:{port}", "-servername", "proxy.test", version),
        *("-cert", worker.chain, "-key", worker.key, "-CAfile", proxy.pki.server_ca.path, "-verify_return_error"),
        *options,
    ]
    done = subprocess.run(command, input=WHOAMI, capture_output=True, timeout=PATIENCE, check=False)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    return json.loads(body)["tls"] if head.startswith(b"HTTP/1.1 200 ") else None


def counted(proxy, group):
    metrics = read_metrics(get(proxy.folder / "admin.sock", "/metrics").body)
    return value(metrics, "sallyport_handshakes_group_total", group=group)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_listener_agrees_on_its_groups_only_and_in_its_order(listen, version):
    proxy = listen(usual={}, some={"groups": ["P-384", "P-256"]})
    ways = [
        # listener, what the client offers, what is agreed
        ("usual", "X25519:P-256:P-384", "X25519"),
        ("usual", "P-256:X25519", "X25519"),
        ("usual", "P-384:P-256", "P-256"),
        ("usual", "P-384:P-521", None),
        ("some", "X25519:P-256:P-384", "P-384"),
        ("some", "P-521:P-256", "P-256"),
        ("some", "X25519:P-521", None),
    ]
    for listener, offered, agreed in ways:
        told = s_client(proxy, listener, "-groups", offered, version=version)
        assert (told and told["group"]) == agreed, (listener, offered, told)
    for listener in ("usual", "some"):
        proxy.audit.wait("handshake_refused", reason="protocol", listener=listener)
    agreed = [way[2] for way in ways]
    for group in ("X25519", "P-256", "P-384", "P-521", HYBRID, "other"):
        assert counted(proxy, group) == agreed.count(group), group


def test_the_record_of_a_tunnel_has_its_group(listen):
    proxy = listen(main={"groups": ["P-384"]})
    tunnel = proxy.tunnel(proxy.target)
    tunnel.echo(b"hello")
    assert proxy.decision(tunnel.id)["tls"]["group"] == "P-384"


def test_a_reload_changes_the_groups_of_new_connections(listen):
    proxy = listen(main={"groups": ["P-384"]})
    assert s_client(proxy, "main", "-groups", "X25519") is None
    open_before = proxy.tunnel(proxy.target)
    proxy.reload(listeners=[{**proxy.config["listeners"][0], "tls": {"groups": ["X25519"]}}])
    assert s_client(proxy, "main", "-groups", "X25519")["group"] == "X25519"
    assert s_client(proxy, "main", "-groups", "P-384") is None
    open_before.echo(b"still here")


def test_a_group_that_this_build_lacks_is_an_error_with_its_line(listen):
    proxy = listen(main={"groups": ["X25519"]})
    listener = {**proxy.config["listeners"][0], "tls": {"min": "1.3", "groups": ["X25519", HYBRID]}}
    write_config(proxy.config_path, {**proxy.config, "listeners": [listener]})
    lines = proxy.config_path.read_text().splitlines()
    number = next(at for at, line in enumerate(lines, 1) if HYBRID in line)
    checked = run("check", "-c", proxy.config_path)
    text = checked.stdout + checked.stderr
    said = re.search(rf":{number}:\d+: error: `groups`: the BoringSSL in this build has no {HYBRID}", text)
    assert bool(said) != library()["ml_kem"], text
    assert bool(said) == (checked.returncode != 0), text


def test_openssl_agrees_on_the_hybrid(has_hybrid, listen):
    program = openssl_with_hybrid()
    if program is None:
        pytest.skip("no OpenSSL of 3.5 or later is installed, and SALLYPORT_OPENSSL names none")
    proxy = listen(usual={}, only={"min": "1.3", "groups": [HYBRID]})
    for listener in ("usual", "only"):
        # By default it offers the hybrid with a key share, and with this it has to be asked for one.
        for options in ((), ("-groups", f"X25519:{HYBRID}")):
            assert s_client(proxy, listener, *options, program=program)["group"] == HYBRID, (listener, options)
    assert s_client(proxy, "only", "-groups", "X25519", program=program) is None
    assert counted(proxy, HYBRID) == 4


def test_our_own_client_agrees_on_the_best_that_the_build_has(listen, pki, dns):
    best = HYBRID if library()["ml_kem"] else "X25519"
    proxy = listen(main={})
    dns.addresses("proxy.test", "127.0.0.1")
    options = ("--resolver", dns.endpoint, "--http2", "off")
    sidecar = Sidecar(pki, f"https://proxy.test:{proxy.address[1]}", options=options).wait_ready()
    try:
        with sidecar.tunnel(proxy.target) as tunnel:
            tunnel.sendall(b"there and back")
            assert tunnel.recv(100) == b"there and back"
        sidecar.stop()
    finally:
        sidecar.kill()
    assert proxy.audit.wait("decision")["tls"]["group"] == best
    assert counted(proxy, best) == 1
