"""Sallyport as the egress of an ambient mesh: the configuration of docs/HTTP2.md as it stands there, and a client that
sends what Istio's ztunnel sends (src/proxy/outbound.rs and src/proxy/h2/client.rs, August 2026)."""

import re
import signal
import ssl

import pytest
from cryptography import x509
from h2.settings import SettingCodes, Settings

from support.config import listener_of
from support.http2 import Http2
from support.inner import Canary, hello
from support.origin import echo, reset
from support.pages import PAGES
from support.pki import SERVER_AUTH, write_bundle
from support.wire import Client, client_context

[PAGE] = re.findall(r"^```yaml\n(.*?)^```", PAGES["docs/HTTP2.md"].read_text(encoding="utf-8"), re.M | re.S)
EGRESS = "spiffe://cluster.local/ns/egress/sa/sallyport"
GOOD = "127.0.0.2"  # where api.example.com leads
WRITTEN = "127.0.0.3"  # the address that a pod dials
CANCEL, CONNECT_ERROR = 8, 10
FIELDS = [
    (
        "baggage",
        "k8s.cluster.name=Kubernetes,k8s.namespace.name=scrapers,k8s.deployment.name=crawler,service.name=crawler,"
        "service.version=v1,cloud.region=r,cloud.availability_zone=z",
    ),
    ("forwarded", 'for="10.244.1.9:45678";host=api.example.com'),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
]


class Ztunnel(Http2):
    """One connection for one service account. TLS 1.3 without a server name; the server is known by its SPIFFE ID."""

    def __init__(self, address, mesh, identity):
        context = client_context(mesh.path, identity, ssl.TLSVersion.TLSv1_3, alpn=("h2",), has_name=False)
        client = Client(address, context, None).handshake()
        served = x509.load_der_x509_certificate(client.tls.getpeercert(binary_form=True))
        names = served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [EGRESS]
        super().__init__(client)

    def begin(self):
        """Streams of 4 MiB, a connection of 16 MiB, frames of 1 MiB."""
        values = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: 4 << 20,
            SettingCodes.MAX_FRAME_SIZE: 1 << 20,
            SettingCodes.MAX_HEADER_LIST_SIZE: 16 << 10,
        }
        self.h2.local_settings = Settings(client=True, initial_values=values)
        self.h2.max_inbound_frame_size = 1 << 20
        super().begin()
        self.h2.increment_flow_control_window((16 << 20) - 65535)

    def ask(self, target, *more):
        head = [(":method", "CONNECT"), (":authority", target), *FIELDS, *more]
        return self.request(head, end=False)

    def tunnel(self, target):
        stream = self.ask(target)
        assert stream.status == 200, stream.heads
        return stream


class Mesh:
    def __init__(self, start, pki, dns, origin, folder, habit):
        self.ca = pki.authority("Mesh CA")
        self.good = origin(habit, address=GOOD)
        self.bait = origin(address=WRITTEN, port=self.good.port)
        self.asked = f"{WRITTEN}:{self.good.port}"
        dns.addresses("api.example.com", GOOD)
        dns.addresses("evil.example", GOOD)
        self.folder = folder
        self.ztunnels = []
        write_bundle(folder / "bundle.json", self.ca)
        served = self.ca.leaf("sallyport", uri=(EGRESS,), usages=(SERVER_AUTH,))
        for name, path in (("egress.crt", served.chain), ("egress.key", served.key)):
            (folder / name).symlink_to(path)
        # the tests' origins are on loopback, at ports of the kernel's choice
        rule = f"{{name: apis, ports: [{self.good.port}], addresses: [127.0.0.0/8], hosts: [api.example.com,"
        text = PAGE
        for old, new in (('"[::]:15008"', '"127.0.0.1:0"'), ("{name: apis, hosts: [api.example.com,", rule)):
            assert old in text
            text = text.replace(old, new)
        text += f'workers: 2\nresolver: {{servers: ["{dns.endpoint}"]}}\n'
        listener = listener_of(pki, name="hbone")
        self.proxy = start(listeners=[listener], folder=folder)
        self.reload(text)

    def reload(self, text):
        self.proxy.config_path.write_text(text)
        self.proxy.reloads += 1
        self.proxy.send_signal(signal.SIGHUP)
        self.proxy.stderr.wait(f"reloaded: .* generation {self.proxy.reloads}$")

    def identity(self, account="crawler", namespace="scrapers", domain="cluster.local", **more):
        return self.ca.leaf(account, uri=(f"spiffe://{domain}/ns/{namespace}/sa/{account}",), ends=0.9, **more)

    def ztunnel(self, *arguments, **more):
        self.ztunnels.append(Ztunnel(self.proxy.address, self.ca, self.identity(*arguments, **more)))
        return self.ztunnels[-1]


@pytest.fixture
def mesh(start, pki, dns, origin, tmp_path):
    made = []

    def make(habit=echo):
        made.append(Mesh(start, pki, dns, origin, tmp_path, habit))
        return made[-1]

    yield make
    for ztunnel in made[0].ztunnels:
        ztunnel.client.close()


def test_a_pod_that_dials_an_address_goes_where_its_name_leads(mesh):
    canary = Canary()
    mesh = mesh(canary)
    stream = mesh.ztunnel().tunnel(mesh.asked)
    flight = hello("api.example.com")
    stream.send(flight, end=True)
    assert canary.ended.wait(10) and canary.got == flight  # and none of the fields
    record = mesh.proxy.decision(stream.fields["x-request-id"])
    assert (record["client"]["name"], record["client"]["entry"]) == (
        "scrapers.crawler",
        "{uri.path[1]}.{uri.path[3]}",
    )
    request = record["request"]
    assert (request["protocol"], request["host"], request["asked"]) == ("h2", "api.example.com", WRITTEN)
    assert mesh.bait.accepted == 0


def test_a_service_is_asked_for_by_its_name(mesh):
    mesh = mesh()
    stream = mesh.ztunnel().tunnel(f"api.example.com:{mesh.good.port}")
    flight = hello("api.example.com")
    stream.send(flight)
    assert stream.read(len(flight)) == flight


def test_a_name_that_no_rule_allows_is_cancelled_and_nothing_dialled(mesh):
    mesh = mesh()
    ztunnel = mesh.ztunnel()
    stream, other = ztunnel.tunnel(mesh.asked), ztunnel.tunnel(mesh.asked)
    stream.send(hello("evil.example"))
    assert stream.read_to_end()[1] == CANCEL
    mesh.proxy.assert_closed(stream.fields["x-request-id"], "no_rule")
    assert mesh.bait.accepted == mesh.good.accepted == 0
    other.send(hello("api.example.com"))
    assert other.read(1)


def test_a_hundred_pods_of_an_account_share_a_connection(mesh):
    mesh = mesh()
    ztunnel = mesh.ztunnel()
    streams = [ztunnel.ask(mesh.asked) for _ in range(100)]
    flight = hello("api.example.com")
    for stream in streams:
        assert stream.status == 200
        stream.send(flight)
    for stream in streams:
        assert stream.read(len(flight)) == flight
    ztunnel.h2.ping(b"opaque..")
    ztunnel.flush()
    ztunnel.wait(lambda: ztunnel.pongs)
    assert len({each["session"] for each in mesh.proxy.audit.wait_count(100, "decision")}) == 1


def test_bulk_comes_through_the_windows_of_a_ztunnel(mesh):
    mesh = mesh()
    stream = mesh.ztunnel().tunnel(mesh.asked)
    flight = hello("api.example.com")
    stream.send(flight)
    assert stream.read(len(flight)) == flight
    sent = bytes(range(256)) * 16384
    for at in range(0, len(sent), 1 << 20):
        stream.send(sent[at : at + (1 << 20)])
        assert stream.read(1 << 20) == sent[at : at + (1 << 20)]


def test_each_service_account_is_an_account_of_its_own(mesh):
    mesh = mesh()
    for account in ("crawler", "archiver"):
        stream = mesh.ztunnel(account).tunnel(mesh.asked)
        stream.send(hello("api.example.com"))
        record = mesh.proxy.decision(stream.fields["x-request-id"])
        assert record["client"]["name"] == f"scrapers.{account}"


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ({"namespace": "billing"}, "no_client"),
        ({"domain": "cluster.remote"}, "wrong_trust_domain"),
        ({"account": "a" * 40}, "bad_account"),
    ],
    ids=["another namespace", "another trust domain", "a name that is too long"],
)
def test_who_is_not_of_the_mesh_is_refused_whatever_its_fields_say(mesh, identity, reason):
    mesh = mesh()
    stream = mesh.ztunnel(**identity).ask(mesh.asked, ("x-forwarded-network", "network-1"))
    assert stream.status == 403
    assert reason in stream.fields["proxy-status"]
    assert mesh.bait.accepted == mesh.good.accepted == 0


def test_a_certificate_that_was_issued_for_longer_than_the_mesh_does_is_refused(mesh):
    mesh = mesh()
    client = Client(
        mesh.proxy.address,
        client_context(mesh.ca.path, mesh.ca.leaf("long", uri=("spiffe://cluster.local/ns/scrapers/sa/long",), ends=30),
                       alpn=("h2",), has_name=False),
        None,
    )  # fmt: skip
    assert client.refusal()
    mesh.proxy.audit.wait("handshake_refused")


def resets_after_a_flight(conn):
    conn.recv(65536)
    reset(conn)


def test_a_reset_of_the_target_is_a_connect_error(mesh):
    mesh = mesh(resets_after_a_flight)
    stream = mesh.ztunnel().tunnel(mesh.asked)
    stream.send(hello("api.example.com"))
    assert stream.read_to_end()[1] == CONNECT_ERROR


def test_a_ca_that_leaves_the_bundle_takes_its_tunnels_along(mesh, pki):
    mesh = mesh()
    ztunnel = mesh.ztunnel()
    streams = [ztunnel.tunnel(mesh.asked) for _ in range(3)]
    write_bundle(mesh.folder / "bundle.json", pki.authority("Next Mesh CA"))
    for stream in streams:
        assert stream.read_to_end()[1] != "end"
    for stream in streams:
        assert mesh.proxy.close_record(stream.fields["x-request-id"])["reason"] in ("policy_changed", "unknown_ca")
