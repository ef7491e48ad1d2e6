"""agent-substrate's egress contract, met by the configuration of docs/SUBSTRATE.md as it stands there."""

import json
import os
import re
import signal

import pytest

from support.config import listener_of
from support.inner import Canary, hello
from support.pages import PAGES
from support.pki import SERVER_AUTH
from support.scale import eventually
from support.wire import Ending

[PAGE] = re.findall(r"^```yaml\n(.*?)^```", PAGES["docs/SUBSTRATE.md"].read_text(encoding="utf-8"), re.M | re.S)
HOUR = 1 / 24
WRITTEN = "127.0.0.3"  # the address that an actor dials
ACTOR_IDENTITY = "1.3.6.1.4.1.11129.2.12.2"
GOOD = "127.0.0.2"  # where api.example.com leads


def write_bundle(path, leaf):
    """A credential bundle as the kubelet writes it: the key first, renamed into place."""
    new = path.with_suffix(".new")
    new.write_bytes(open(leaf.key, "rb").read() + open(leaf.chain, "rb").read())
    new.chmod(0o400)
    os.rename(new, path)


def identity(**changes):
    """The value of an ActorIdentity extension, as substrate writes it: JSON, without DER round it."""
    said = {"Atespace": "demo", "ActorName": "crawler", "ActorUid": "0f0e", "Purpose": "atunnel", **changes}
    return json.dumps(said, separators=(",", ":"))


class Gateway:
    def __init__(self, start, pki, dns, origin, folder):
        self.pki, self.folder = pki, folder
        self.actors = pki.authority("Actor Identity CA")
        self.canary = Canary()
        self.good = origin(self.canary, address=GOOD)
        self.bait = origin(address=WRITTEN, port=self.good.port)
        self.asked = f"{WRITTEN}:{self.good.port}"
        dns.addresses("api.example.com", GOOD)
        dns.addresses("evil.example", GOOD)
        write_bundle(folder / "credential-bundle.pem", pki.server)
        (folder / "actor-ca.crt").write_bytes(open(self.actors.path, "rb").read())
        text = PAGE
        for old, new in (
            ('"[::]:15008"', '"127.0.0.1:0"'),
            # the tests' origins are on loopback, at ports of the kernel's choice
            (
                "{name: apis, hosts: [api.example.com,",
                f"{{name: apis, ports: [{self.good.port}], addresses: [127.0.0.0/8], hosts: [api.example.com,",
            ),
        ):
            assert old in text
            text = text.replace(old, new)
        text += f'workers: 2\nresolver: {{servers: ["{dns.endpoint}"]}}\n'
        listener = listener_of(pki, name="egress")
        self.proxy = start(listeners=[listener], folder=folder)
        self.proxy.config_path.write_text(text)
        self.proxy.reloads += 1
        self.proxy.send_signal(signal.SIGHUP)
        self.proxy.stderr.wait("reloaded: .* generation 1$")

    def actor(self, name="crawler", atespace="demo", domain="substrate-actor.local", ends=HOUR, by=None, said=None):
        """`said`: the values of its ActorIdentity extensions; None: one that agrees with the URI."""
        uri = f"spiffe://{domain}/atespace/{atespace}/actor/{name}"
        said = [identity(Atespace=atespace, ActorName=name)] if said is None else said
        extensions = tuple((ACTOR_IDENTITY, one.encode(), False) for one in said)
        return (by or self.actors).leaf(name, uri=(uri,), ends=ends, extensions=extensions)

    def ask(self, identity):
        return self.proxy.ask(self.asked, identity)


@pytest.fixture
def gateway(start, pki, dns, origin, tmp_path):
    return Gateway(start, pki, dns, origin, tmp_path)


def test_an_actor_that_dials_an_address_goes_where_its_name_leads(gateway):
    tunnel = gateway.proxy.tunnel(gateway.asked, gateway.actor())
    flight = hello("api.example.com")
    tunnel.send(flight)
    tunnel.half_close()
    assert gateway.canary.ended.wait(10) and gateway.canary.got == flight
    record = gateway.proxy.decision(tunnel.id)
    assert record["request"]["host"] == "api.example.com" and record["request"]["asked"] == WRITTEN
    assert record["client"]["name"] == "demo-actors"
    assert record["client"]["san_uri"] == ["spiffe://substrate-actor.local/atespace/demo/actor/crawler"]
    tunnel.close()
    assert gateway.bait.accepted == 0


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (hello("evil.example"), "no_rule"),
        (hello(None), "inner_no_name"),
        (b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "inner_not_tls"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "inner_not_tls"),
    ],
    ids=["another name", "no name", "HTTP", "SSH"],
)
def test_what_names_no_allowed_host_goes_nowhere(gateway, said, reason):
    tunnel = gateway.proxy.tunnel(gateway.asked, gateway.actor())
    tunnel.send(said)
    assert tunnel.read_to_end()[1] is Ending.RESET
    gateway.proxy.assert_closed(tunnel.id, reason)
    assert gateway.bait.accepted == 0 and gateway.good.accepted == 0


@pytest.mark.parametrize(
    "said",
    [
        [],
        [identity(ActorName="other")],
        [identity(Atespace="prod")],
        [identity(Purpose="actor")],
        [identity(ActorUid="")],
        ['{"Atespace":"demo","ActorName":"crawler","Purpose":"atunnel"}'],
        [identity()[:-1] + ',"Purpose":"atunnel"}'],
        ["\x0c\x05hello"],
    ],
    ids=["none", "name", "atespace", "purpose", "empty UID", "no UID", "a member twice", "no JSON"],
)
def test_an_extension_that_does_not_agree_gets_no_200(gateway, said):
    gateway.proxy.assert_refused(gateway.ask(gateway.actor(said=said)), 403, "no_client")


def test_an_actor_of_another_atespace_gets_no_200(gateway):
    gateway.proxy.assert_refused(gateway.ask(gateway.actor(atespace="prod")), 403, "no_client")


def test_an_id_of_another_trust_domain_gets_no_200(gateway):
    answer = gateway.ask(gateway.actor(domain="substrate-actor.evil"))
    assert answer.status == 403 and "wrong_trust_domain" in answer.reason


def test_a_certificate_that_lives_too_long_or_is_of_another_ca_is_refused(gateway, pki):
    for identity, reason in (
        (gateway.actor(ends=3 * HOUR), "too_long_lived"),
        (gateway.actor(by=pki.authority("Another CA")), "unknown_ca"),
        (None, "no_certificate"),
    ):
        assert "ALERT" in gateway.proxy.dial(identity).refusal()
        gateway.proxy.audit.wait("handshake_refused", reason=reason)


def served(gateway):
    tls = gateway.proxy.connect(gateway.actor()).tls
    return int(tls.getpeercert()["serialNumber"], 16) if tls.getpeercert() else None


def test_a_new_credential_bundle_is_served(gateway, pki):
    new = pki.server_ca.leaf("renewed", dns=("proxy.test",), usages=(SERVER_AUTH,))
    write_bundle(gateway.folder / "credential-bundle.pem", new)
    eventually(lambda: served(gateway) == new.certificate.serial_number, "the new certificate")
    assert gateway.ask(gateway.actor(atespace="prod")).status == 403
