"""Whose request it is, passed on from proxy to proxy: `identity: client_cert` of a parent, and `speaks_for` of a client."""

import base64

import pytest

from cryptography.hazmat.primitives.serialization import Encoding

from support.config import base_config, client, reach
from support.origin import echo
from support.parents import ScriptedParent, parent
from support.pki import SERVER_AUTH


@pytest.fixture(autouse=True)
def names(dns):
    dns.addresses("origin.test", "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


def sequence(*certificates):
    """A list of byte sequences (RFC 8941)."""
    return ", ".join(f":{base64.b64encode(each.public_bytes(Encoding.DER)).decode()}:" for each in certificates)


def fields_of(head):
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


def telling(pki, *ports, **more):
    return parent(pki, *ports, **{"identity": None, **more}) | {"identity": "client_cert"}


def test_a_parent_is_told_the_certificates_of_the_client(start, pki, server):
    scripted = ScriptedParent(leaf=pki.server_ca.leaf("p.test", ip=("127.0.0.1",), usages=(SERVER_AUTH,)), ca=pki.ca.path)
    lower = pki.authority("Lower CA", issuer=pki.ca)
    guest = lower.leaf("guest", sends=(lower,))
    listeners = [{**base_config(pki, "127.0.0.1:53")["listeners"][0], "client_certificate": "optional", "max_chain": "64KiB"}]
    rule = reach("origin.test", server.port)
    plain = telling(pki, scripted.port)
    nobody = client(rule, name="nobody", match=[{"anonymous": True}], via=["paris", "direct"])
    proxy = start(client(rule, via=["paris"]), nobody, parents=[plain], listeners=listeners)
    target = f"origin.test:{server.port}"
    proxy.tunnel(target).close()
    proxy.tunnel(target, guest).close()
    own, with_chain = (fields_of(head) for head in scripted.asked)
    assert own["Client-Cert"] == sequence(pki.worker.certificate) and "Client-Cert-Chain" not in own, own
    assert with_chain["Client-Cert"] == sequence(guest.certificate), with_chain
    assert with_chain["Client-Cert-Chain"] == sequence(lower.certificate), with_chain
    large = lower.leaf("large", sends=(lower,) * 15, dns=tuple(f"{n}.{'x' * 60}.{'y' * 60}.test" for n in range(250)))
    for who in (None, large):
        answer = proxy.ask(target, who)
        assert answer.status == 403, answer
        assert proxy.audit.wait("close", id=answer.id)["reason"] == "identity_untold"
    proxy.reload(parents=[plain | {"identity": "none"}])
    proxy.tunnel(target, None).close()
    assert "Client-Cert" not in fields_of(scripted.asked[2]) and len(scripted.asked) == 3, scripted.asked
    scripted.stop()
    assert server.accepted == 0
