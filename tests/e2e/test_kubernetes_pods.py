"""The pods of tools/deliver/kubernetes, run as their manifests say, with volumes that change as they do there: certificates, CAs, CRLs
and lists are taken up without a restart, and a pod that has to go says so first."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
from pathlib import Path

import pytest
import yaml

from support.config import client, reach
from support.container import Container, Image, built
from support.kubelet import AtomicFolder, Pod
from support.kubernetes import CHARTS, SEARCH, Chart
from support.origin import Origin, echo
from support.pages import PAGES
from support.pki import CLIENT_AUTH, SERVER_AUTH
from support.scale import PATIENCE, eventually
from support.wire import Client, client_context, connect_head

PROXY = "sallyport.sallyport.svc"


@pytest.fixture(scope="module")
def image():
    return Image(built("sallyport-image.tar"))


@pytest.fixture(scope="module")
def root(image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "root"
    image.unpack(folder)
    return folder


@pytest.fixture
def pods(image, root, tmp_path):
    """Starts containers of deployments."""
    started = []

    def start(deployment, container, objects, **options):
        folder = tmp_path / f"pod-{len(started)}"
        folder.mkdir()
        started.append(Pod(image, root, deployment, container, objects, folder, **options))
        return started[-1]

    yield start
    for each in started:
        each.main.kill()


def read(path):
    return Path(path).read_bytes()


def served(pki, serial):
    """A certificate of the proxy, by its serial, as cert-manager's Secret has it."""
    leaf = pki.server_ca.leaf(PROXY, dns=(PROXY, "proxy.test"), usages=(SERVER_AUTH,), serial=serial)
    return {"tls.crt": read(leaf.chain), "tls.key": read(leaf.key), "ca.crt": read(pki.server_ca.path)}


def rendered(chart, values, **options):
    """{kind: object} of a chart."""
    texts = Chart(CHARTS / chart, [values], **options).render().values()
    return {each["kind"]: each for text in texts for each in yaml.safe_load_all(text)}


class Service:
    """The proxy's pod with what it is given, and clients of it."""

    def __init__(self, pods, pki, dns, target):
        deny = [{"hosts": [{"file": "blocked.txt"}]}]
        match = [{"uri": "spiffe://example.test/worker/*"}]
        values = {
            "clients": [client(reach("origin.test", target.port), name="scrapers", match=match, deny=deny)],
            "teams": [{"configMap": {"name": "search", "optional": True, "items": [SEARCH]}}],
            "lists": {"blocked.txt": "other.test\n"},
            "config": {"resolver": {"servers": [dns.endpoint]}, "workers": 2},
            "clientsCa": {"crl": True},
            "admin": {"from": ["127.0.0.0/8"]},
            "drain": "5s",
            "lameDuck": "1s",
        }
        objects = rendered("sallyport", values)
        self.port = 8443
        self.pki, self.target = pki, f"origin.test:{target.port}"
        config = {key: text.encode() for key, text in objects["ConfigMap"]["data"].items()}
        self.objects = {
            ("ConfigMap", "sallyport"): config,
            ("ConfigMap", "sallyport-clients-ca"): {"ca.crt": read(pki.ca.path), "ca.crl": read(pki.ca.crl(number=1))},
            ("Secret", "sallyport-tls"): served(pki, 2001),
        }
        self.pod = pods(objects["Deployment"], "sallyport", self.objects)
        ready = self.pod.main.stderr.wait(r"ready main=")
        assert ready, self.pod.main.stderr.text()

    def change(self, kind, name, **data):
        self.objects[kind, name] = {**self.objects[kind, name], **data}
        self.pod.sync()

    def dial(self, identity=None, **options):
        context = client_context(self.pki.server_ca.path, identity or self.pki.worker, **options)
        return Client(("127.0.0.1", self.port), context, PROXY).handshake()

    def serial(self):
        """Of the certificate that is served now."""
        context = ssl.create_default_context(cafile=self.pki.server_ca.path)
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as conn:
            with context.wrap_socket(conn, server_hostname=PROXY) as tls:
                return int(tls.getpeercert()["serialNumber"], 16)

    def status(self, target, identity=None):
        """Of the answer to a CONNECT; None where the client itself is refused."""
        one = self.dial(identity)
        try:
            one.send(connect_head(target))
            first = one.read()
        finally:
            one.close()
        return int(first.split()[1]) if first else None


@pytest.fixture
def target(dns):
    dns.addresses("origin.test", "127.0.0.1")
    server = Origin(echo)
    yield server
    server.stop()


@pytest.fixture
def service(pods, pki, dns, target):
    return Service(pods, pki, dns, target)


def test_what_the_kubelet_swaps_is_taken_up_without_a_restart(service, pki):
    main, objects = service.pod.main, service.objects
    assert service.serial() == 2001
    said = main.stderr.text()
    assert "this is a build with a sanitizer" in said or "can be read by the process that serves" not in said
    assert (service.status(service.target), service.status("other.test:443")) == (200, 403)
    # A renewed certificate with another key.
    objects["Secret", "sallyport-tls"] = served(pki, 2002)
    service.pod.sync()
    eventually(lambda: service.serial() == 2002, "the renewed certificate")
    # A name that is blocked now: the tunnel to it ends.
    tunnel = service.dial()
    tunnel.tunnel(service.target)
    service.change("ConfigMap", "sallyport", **{"blocked.txt": b"origin.test\n"})
    assert tunnel.read_to_end()[1] is not None
    eventually(lambda: service.status(service.target) == 403, "the list")
    service.change("ConfigMap", "sallyport", **{"blocked.txt": b"other.test\n"})
    eventually(lambda: service.status(service.target) == 200, "the list as it was")
    # A CA beside the first one.
    other = pki.authority("Second CA")
    stranger = other.leaf("worker-2", uri=("spiffe://example.test/worker/2",))
    assert service.status(service.target, stranger) is None
    both = read(pki.ca.path) + read(other.path)
    lists = read(pki.ca.crl(number=2)) + read(other.crl(number=1))
    service.change("ConfigMap", "sallyport-clients-ca", **{"ca.crt": both, "ca.crl": lists})
    eventually(lambda: service.status(service.target, stranger) == 200, "the second CA")
    # A client that is revoked: its tunnel ends, and it does not come back.
    tunnel = service.dial()
    tunnel.tunnel(service.target)
    revoked = read(pki.ca.crl(pki.worker, number=3)) + read(other.crl(number=1))
    service.change("ConfigMap", "sallyport-clients-ca", **{"ca.crl": revoked})
    assert tunnel.read_to_end()[1] is not None
    assert service.status(service.target) is None
    assert service.status(service.target, stranger) == 200
    assert main.process.poll() is None


def test_the_config_map_of_a_team_is_in_force_without_a_reload_and_gone_with_it(service, pki, target):
    team = pki.ca.leaf("search-1", uri=("spiffe://example.test/search/1",))
    assert service.status(service.target, team) == 403
    clients = [client(reach("origin.test", target.port), name="search", match=[{"uri": "spiffe://example.test/search/*"}])]
    service.objects["ConfigMap", "search"] = {"clients.yaml": json.dumps({"clients": clients}).encode()}
    service.pod.sync()
    eventually(lambda: service.status(service.target, team) == 200, "the team's clients")
    assert service.status(service.target) == 200
    del service.objects["ConfigMap", "search"]
    service.pod.sync()
    eventually(lambda: service.status(service.target, team) == 403, "the team's clients to go")


def test_a_pod_that_has_to_go_is_not_ready_first_serves_meanwhile_and_ends_in_its_time(service):
    pod = service.pod
    assert [pod.probe(name) for name in ("startupProbe", "readinessProbe", "livenessProbe")] == [200, 200, 200]
    hook = pod.stop_begins()
    eventually(lambda: pod.probe("readinessProbe") == 503, "the pod to say that it is not ready")
    assert pod.probe("livenessProbe") == 200
    assert service.status(service.target) == 200
    assert hook.wait(PATIENCE) == 0, hook.stderr.text()
    assert pod.main.wait(PATIENCE) == 0, pod.main.stderr.text()
    assert pod.probe("readinessProbe") is None


def test_keys_that_others_could_read_are_refused(pods, pki, dns):
    """A volume without `fsGroup` whose files everybody may read, as somebody could write it."""
    values = {"clients": [], "config": {"resolver": {"servers": [dns.endpoint]}}}
    objects = rendered("sallyport", values)
    objects["Deployment"]["spec"]["template"]["spec"]["volumes"][0]["projected"]["defaultMode"] = 0o444
    config = {key: text.encode() for key, text in objects["ConfigMap"]["data"].items()}
    given = {
        ("ConfigMap", "sallyport"): config,
        ("ConfigMap", "sallyport-clients-ca"): {"ca.crt": read(pki.ca.path)},
        ("Secret", "sallyport-tls"): served(pki, 2003),
    }
    pod = pods(objects["Deployment"], "sallyport", given)
    assert pod.main.wait(PATIENCE) == 3
    assert "others have access" in pod.main.stderr.text()


# -- the sidecar of a fleet ---------------------------------------------------------------------


def by_csi(folder):
    """As cert-manager's driver writes: links, swapped at once."""
    atomic = AtomicFolder(folder)
    return lambda leaf: atomic.write({"tls.crt": read(leaf.chain), "tls.key": read(leaf.key)}, 0o440)


def by_vault(folder):
    """As Vault's agent writes: one file with key and certificate, made beside its place and renamed."""
    folder.mkdir()

    def write(leaf):
        new = folder / ".tls.pem.123"
        new.write_bytes(read(leaf.key) + read(leaf.chain))
        os.chmod(new, 0o600)
        os.rename(new, folder / "tls.pem")

    return write


def by_spiffe_helper(folder):
    """As spiffe-helper writes: in place, the certificate first, then its key."""
    folder.mkdir()

    def write(leaf):
        (folder / "tls.crt").write_bytes(read(leaf.chain))
        key = os.open(folder / "tls.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(key, "wb") as file:
            file.write(read(leaf.key))

    return write


def test_a_proxy_by_spiffe_takes_up_what_the_helper_writes(image, root, service, pki, tmp_path):
    """The configuration of the page: certificate, key and bundle, each written in place, one after the other."""
    text = PAGES["docs/KUBERNETES.md"].read_text(encoding="utf-8")
    config = re.search(r"^```yaml\n(listeners:.*?)^```", text, re.M | re.S)[1]
    assert '"[::]:8443"' in config
    config = config.replace('"[::]:8443"', '"127.0.0.1:0"') + 'version: 1\naudit: {file: "-"}\n'
    folder = tmp_path / "svid"
    put = by_spiffe_helper(folder)
    first, second = (pki.authority(f"SPIRE {number}") for number in (1, 2))

    def write(serial, *authorities):
        identity = {"uri": ("spiffe://example.org/proxy",), "usages": (SERVER_AUTH, CLIENT_AUTH)}
        put(pki.server_ca.leaf("svid", dns=(PROXY,), serial=serial, **identity))
        (folder / "bundle.pem").write_bytes(b"".join(read(each.path) for each in authorities))

    write(3001, first)
    proxy = Container(image, root, ["serve", "-c", "-"], [(folder, "/certificate", False)], stdin=config)
    try:
        ready = proxy.stderr.wait(r"ready main=127\.0\.0\.1:(\d+)")
        assert ready, proxy.stderr.text()
        service.port = int(ready[1])
        one, two = (each.leaf("scraper", uri=("spiffe://example.org/scraper",)) for each in (first, second))
        assert (service.serial(), service.status("other.test:443", one)) == (3001, 403)
        assert service.status("other.test:443", two) is None
        write(3002, first, second)
        eventually(lambda: service.serial() == 3002, "the renewed SVID")
        eventually(lambda: service.status("other.test:443", two) == 403, "the renewed bundle")
    finally:
        proxy.kill()


def whoami():
    """Who the proxy says that the sidecar is: its name in the certificate."""
    connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=PATIENCE)
    connection.request("GET", "http://sallyport.internal/whoami", headers={"Host": "sallyport.internal"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    return json.loads(text)["certificate"]["cn"]


@pytest.mark.parametrize(
    "write, values",
    [(by_csi, {}), (by_vault, {"certificate": {"from": "vault"}}), (by_spiffe_helper, {})],
    ids=["csi", "vault", "spiffe-helper"],
)
def test_the_sidecar_of_a_pod_goes_on_with_a_renewed_certificate(write, values, service, pods, pki, tmp_path):
    one, two = (pki.ca.leaf(f"pod-{number}", uri=(f"spiffe://example.org/scraper/{number}",)) for number in (1, 2))
    put = write(tmp_path / "certificate")
    put(one)
    objects = {("ConfigMap", "sallyport-ca"): {"ca.crt": read(pki.server_ca.path)}}
    pod = pods(
        rendered("sallyport-fleet", values, name="scrapers", namespace="scrapers")["Deployment"],
        "sallyport-connect",
        objects,
        given={"certificate": tmp_path / "certificate"},
        hosts=[PROXY],
    )
    assert pod.main.stdout.wait(r"ready connect=127\.0\.0\.1:3128"), pod.main.stderr.text()
    assert whoami() == "pod-1"
    put(two)
    assert pod.main.stderr.wait("renewed: ")
    assert whoami() == "pod-2"
    pod.main.signal(signal.SIGTERM)
    assert pod.main.wait(PATIENCE) == 0, pod.main.stderr.text()
