"""Revocation lists that are fetched from a server: they come into force by themselves, survive a restart without it, and
what a server says wrong changes nothing."""

import contextlib
import hashlib
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from support import admin
from support.pki import SERVER_AUTH
from support.config import base_config, client, merge, reach, write_config
from support.control import CONTROL, Control
from support.proxy import run
from support.publisher import Publisher, answer
from support.scale import eventually

ORIGIN = "origin.test"
REVOKED = "SSLV3_ALERT_CERTIFICATE_REVOKED"


@pytest.fixture
def publisher(dns):
    made = Publisher()
    dns.addresses("pki.test", "127.0.0.1")
    yield made
    made.close()


@pytest.fixture
def authority(pki, request):
    """A CA of the test's own, since what it has issued last counts."""
    return pki.authority(f"CA of {request.node.name}"[:60])


@pytest.fixture
def server(origin):
    return origin()


@pytest.fixture
def settings(authority, publisher, dns, server, tmp_path):
    """What a proxy is started with that fetches the list of the authority."""
    dns.addresses(ORIGIN, "127.0.0.1")
    cache = tmp_path / "crl-cache"
    cache.mkdir()
    profile = {
        "ca": [authority.path],
        "crl": [{"url": publisher.url, "every": "1s"}],
        "crl_cache": str(cache),
    }
    return {
        "clients": [client(reach(ORIGIN, server.port))],
        "trust": {"staff": profile},
        "control": CONTROL,
        "admin": {"address": "unix:admin.sock"},
        "target": f"{ORIGIN}:{server.port}",
        "cache": cache,
    }


@pytest.fixture
def fetching(start, settings):
    def make(**changes):
        more = {key: settings[key] for key in ("trust", "control", "admin")}
        proxy = start(*settings["clients"], **{**more, **changes})
        proxy.target = settings["target"]
        proxy.control = Control(proxy)
        return proxy

    return make


def fetches(proxy):
    return proxy.control.status()["crl_fetches"][0]


def wait_fetch(proxy, is_so, what):
    eventually(lambda: is_so(fetches(proxy)), lambda: f"{what}: {fetches(proxy)}")


def wait_in_force(proxy, *wanted):
    def numbers():
        return {int(each["number"]) for each in proxy.control.status()["crls"]}

    eventually(lambda: numbers() == set(wanted), lambda: f"lists {wanted} in force: {numbers()}")


def wait_marked(cache, name):
    """Waits until it is remembered who has signed a list, and nothing half is there."""

    def hidden():
        return [path.name for path in cache.glob(".*")]

    eventually(lambda: hidden() == [f".{name}.signer"], lambda: f"one mark: {hidden()}")


def ready(proxy):
    return admin.get(proxy.folder / "admin.sock", "/readyz")


def der(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_crl(file.read()).public_bytes(serialization.Encoding.DER)


def test_a_fetched_list_comes_into_force_ends_a_live_tunnel_and_survives_a_restart(
    fetching, publisher, authority, settings, pki
):
    leaf, other = authority.leaf("worker-7"), authority.leaf("other")
    publisher.said = b"HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n"
    proxy = fetching()
    # Nobody is let in, and nobody is sent here, before the first list is there.
    wait_fetch(proxy, lambda state: "503" in (state["warning"] or ""), "the failure to show")
    assert "ALERT" in proxy.dial(leaf).refusal()
    proxy.audit.wait("handshake_refused", reason="crl_missing")
    assert ready(proxy).status == 503 and "no CRL of" in ready(proxy).body
    # What somebody puts there first, in the name of nobody known, gives way to the true one.
    publisher.publish(pki.authority("First Stranger CA").crl(number=9))
    wait_fetch(proxy, lambda state: state["fetched"] == 1, "the list of a stranger")
    publisher.publish(authority.crl(number=1), tag='"one"')
    wait_in_force(proxy, 1)
    assert ready(proxy).status == 200
    # The same list again is a 304, and changes nothing.
    generation = proxy.control.status()["config"]["generation"]
    before = fetches(proxy)["unchanged"]
    wait_fetch(proxy, lambda state: state["unchanged"] > before, "an unchanged list")
    assert 'If-None-Match: "one"' in publisher.requests[-1]
    assert proxy.control.status()["config"]["generation"] == generation
    revoked = proxy.tunnel(proxy.target, leaf)
    kept = proxy.tunnel(proxy.target, other)
    publisher.publish(authority.crl(leaf, number=2))
    revoked.read_to_end()
    proxy.assert_closed(revoked.id, "revoked")
    kept.echo(b"still here")
    assert REVOKED in proxy.dial(leaf).refusal()
    samples = admin.read_metrics(admin.get(proxy.folder / "admin.sock", "/metrics").body)
    of = {"of": "staff", "url": publisher.url}
    assert admin.value(samples, "sallyport_crl_fetches_total", result="fetched", **of) == 3
    assert admin.value(samples, "sallyport_crl_fetches_total", result="failed", **of) >= 1
    proxy.stop()
    # Without the server: what is on the disk is in force from the first moment.
    publisher.close()
    again = fetching()
    assert REVOKED in again.dial(leaf).refusal()
    again.tunnel(again.target, other).echo(b"hello")
    wait_fetch(again, lambda state: state["warning"] is not None, "the failure to show")
    again.stderr.wait("crl_fetch_failed|nobody accepts the connection")


HUGE = 128 * 1024  # twice the `max_size` of the test below


def drip(conn):
    """Says a head, and a byte now and then, for as long as somebody listens."""
    conn.settimeout(0.3)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        conn.sendall(b"x")
        with contextlib.suppress(TimeoutError):
            if not conn.recv(1):
                return


def test_what_servers_say_wrong_changes_nothing_and_is_said(
    fetching, publisher, authority, settings, pki
):
    leaf = authority.leaf("worker-7")
    forged = bytearray(der(authority.crl(leaf, number=9, begins=0)))
    forged[-1] ^= 1
    stranger = pki.authority("Publishing Stranger CA")
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(HUGE)
    cases = {  # by path, all at once: what is said, and what the proxy says about it
        "login": (answer(b"<html>Sign in to the guest network</html>\n"), "no CRL in it"),
        "redirect": (answer(b"", "302 Found", Location="http://other.test/x"), "redirects are not followed"),
        "error": (answer(b"", "500 Oops"), "status 500"),
        "forged": (answer(bytes(forged)), "sign"),
        "stranger": (answer(stranger.crl(leaf, number=9)), "Publishing Stranger CA"),
        "back": (answer(authority.crl(leaf, number=4, begins=-2)), "older"),
        "shard": (answer(authority.crl(number=9, begins=0, point="http://pki.test/2.crl")), "other certificates"),
        "expired": (answer(authority.crl(leaf, number=8, begins=-0.9, ends=-0.8)), "has expired"),
        "future": (answer(authority.crl(leaf, number=8, begins=1)), "begins in the future"),
        "closed": (b"", "closed"),
        "huge": (answer(bytes(HUGE)), "too_large"),
        "endless": (endless, "too_large"),
        "slow": (drip, "timeout"),
        "silent": (None, "timeout"),
        "down": (None, "nobody accepts the connection"),
    }
    secret = Publisher(leaf=pki.server_ca.leaf("pki.test", dns=("pki.test",), usages=(SERVER_AUTH,)))
    urls = {name: publisher.url_of(name) for name in cases}
    urls["down"] = "http://pki.test:1/crl/down"
    urls["tls"] = secret.url_of("tls")
    publisher.said = secret.said = answer(authority.crl(number=5, begins=-1))
    entries = [{"url": url, "every": "1s", "max_size": "64KiB"} for url in urls.values()]
    entries[-1]["ca"] = pki.server_ca.path
    entries.append({"url": secret.url_of("misbelieved"), "every": "1s", "ca": authority.path})
    settings["trust"]["staff"]["crl"] = entries
    proxy = fetching()

    def states():
        return {each["url"]: each for each in proxy.control.status()["crl_fetches"]}

    good = [url for name, url in urls.items() if name != "down"]
    eventually(lambda: all(states()[url]["good_at"] for url in good), lambda: states())
    tunnel = proxy.tunnel(proxy.target, leaf)
    publisher.said_at = {f"/crl/{name}": said for name, (said, _) in cases.items()}

    def missing():
        now = states()
        wanted = {urls[name]: words for name, (_, words) in cases.items()}
        wanted[entries[-1]["url"]] = "(untrusted)"
        return [url for url, words in wanted.items() if words not in (now[url]["warning"] or "")]

    eventually(lambda: not missing(), lambda: [(url, states()[url]) for url in missing()])
    now = states()
    assert all(now[url]["failing_since"] for url in urls.values() if url != urls["tls"])
    assert states()[urls["tls"]]["fetched"] + states()[urls["tls"]]["unchanged"] > 0
    for name, (_, words) in cases.items():
        proxy.stderr.wait(f"/crl/{name}: .*{words}")
    samples = admin.read_metrics(admin.get(proxy.folder / "admin.sock", "/metrics").body)
    for url in (url for url in urls.values() if url != urls["tls"]):
        assert admin.value(samples, "sallyport_crl_fetches_total", result="failed", of="staff", url=url)
    tunnel.echo(b"still here")
    assert {each["number"] for each in proxy.control.status()["crls"]} == {"5"}
    # One server of many that tells the truth is enough: DER is as good as PEM, and takes the right away.
    publisher.said_at["/crl/login"] = answer(der(authority.crl(leaf, number=6, begins=0)))
    tunnel.read_to_end()
    proxy.assert_closed(tunnel.id, "revoked")
    eventually(lambda: states()[urls["login"]]["failing_since"] is None, "the end of the failure")
    secret.close()


def test_a_fetched_list_counts_although_the_files_on_the_disk_are_rejected(
    fetching, publisher, authority, settings
):
    leaf = authority.leaf("worker-7")
    extra = settings["cache"] / "extra.crl"
    extra.write_bytes(der(authority.crl(number=1, label="-extra")))
    settings["trust"]["staff"]["crl"].append(str(extra))
    publisher.said = answer(authority.crl(number=1))
    proxy = fetching()
    wait_in_force(proxy, 1)
    wait_fetch(proxy, lambda state: state["good_at"], "the first fetch")
    tunnel = proxy.tunnel(proxy.target, leaf)
    extra.write_text("no list any more")
    proxy.stderr.wait("reload failed")
    publisher.publish(authority.crl(leaf, number=2))
    tunnel.read_to_end()
    proxy.assert_closed(tunnel.id, "revoked")


def test_a_spoiled_file_in_the_cache_lets_nobody_in_and_is_fetched_again(
    fetching, publisher, authority, settings
):
    leaf = authority.leaf("worker-7")
    publisher.said = answer(authority.crl(number=1))
    proxy = fetching()
    wait_in_force(proxy, 1)
    proxy.stop()
    (kept,) = settings["cache"].glob("*.crl")
    kept.write_bytes(kept.read_bytes()[:100])
    publisher.said = b""
    again = fetching()
    again.stderr.wait("the list that was fetched is left out")
    assert "ALERT" in again.dial(leaf).refusal()
    again.audit.wait("handshake_refused", reason="crl_missing")
    publisher.publish(authority.crl(number=2))
    wait_in_force(again, 2)
    again.tunnel(again.target, leaf).echo(b"hello")
    wait_marked(settings["cache"], kept.name)


def test_check_says_what_is_kept_and_asks_nobody(fetching, publisher, authority, settings):
    publisher.said = answer(authority.crl(number=1))
    proxy = fetching()
    wait_in_force(proxy, 1)
    proxy.stop()
    count = len(publisher.requests)
    said = run("check", "-c", proxy.config_path).stdout
    assert f"CRL from {publisher.url} every 1s, kept in" in said
    (kept,) = settings["cache"].glob("*.crl")
    kept.unlink()
    result = run("check", "-c", proxy.config_path)
    assert "not there yet; to be kept in" in result.stdout
    assert len(publisher.requests) == count


KEPT_MAX = 256  # lists that certificates have named, of one profile; see CONFIG.md


def names(url):
    """The extension of a certificate whose list is published there."""
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    value = x509.CRLDistributionPoints([point])
    return ((value.oid.dotted_string, value.public_bytes(), False),)


def test_the_lists_that_verified_certificates_name_are_fetched_under_the_listed_prefixes(
    fetching, publisher, authority, settings, pki
):
    prefix = f"http://pki.test:{publisher.port}/crl/"
    settings["trust"]["staff"]["crl"] = [{"from": "cdp", "under": [prefix], "every": "1s"}]
    publisher.said = answer(authority.crl(number=1))
    leaf = authority.leaf("worker-7", extensions=names(prefix + "ca.crl"))
    # As many lists are kept as may be, of which nobody knows who has signed them.
    forged = der(pki.authority("Naming Stranger CA").crl(number=7))
    for number in range(KEPT_MAX):
        (settings["cache"] / f"staff.cdp.{number:064x}.crl").write_bytes(forged)
    proxy = fetching()
    assert ready(proxy).status == 200  # nobody knows yet what will be named
    others = [
        authority.leaf("elsewhere", extensions=names(f"http://pki.test:{publisher.port}/x.crl")),
        authority.leaf("encoded", extensions=names(prefix + "..%2fx.crl")),
        authority.leaf("forged", extensions=names(prefix + "forged.crl"), tampered=True),
        pki.authority("Naming Stranger CA").leaf("s", extensions=names(prefix + "stranger.crl")),
    ]
    for other in others:
        assert "ALERT" in proxy.dial(other).refusal()
    assert "ALERT" in proxy.dial(leaf).refusal()
    proxy.audit.wait("handshake_refused", reason="crl_missing")
    digest = hashlib.sha256((prefix + "ca.crl").encode()).hexdigest()
    wait_marked(settings["cache"], f"staff.cdp.{digest}.crl")
    assert len(list(settings["cache"].glob("staff.cdp.*.crl"))) == KEPT_MAX
    wait_in_force(proxy, 7, 1)
    tunnel = proxy.tunnel(proxy.target, leaf)
    # A reload goes on with what was named before.
    proxy.control.run("reload")
    publisher.publish(authority.crl(leaf, number=2))
    tunnel.read_to_end()
    proxy.assert_closed(tunnel.id, "revoked")
    assert {head.split()[1] for head in publisher.requests} == {"/crl/ca.crl"}
    unlisted = f"http://pki.test:{publisher.port}/x.crl"
    encoded = prefix + "..%2Fx.crl"
    assert {each["url"] for each in proxy.control.status()["crl_unlisted"]} == {unlisted, encoded}
    assert proxy.stderr.text().count(f"names the list {unlisted}, which is below no prefix") == 1
    assert fetches(proxy)["url"] == prefix + "ca.crl"
    proxy.stop()
    publisher.close()
    again = fetching()
    assert REVOKED in again.dial(leaf).refusal()


def test_after_an_upgrade_one_process_fetches_and_the_old_one_obeys(
    upgradable, publisher, authority, settings
):
    leaf = authority.leaf("worker-7")
    publisher.said = answer(authority.crl(number=1))
    made = upgradable(trust=settings["trust"])
    made.proxy.control = made.control
    wait_in_force(made.proxy, 1)
    tunnel = made.proxy.tunnel(upgradable.target, leaf)
    made.upgrade()
    publisher.publish(authority.crl(leaf, number=2))
    tunnel.read_to_end()
    made.proxy.assert_closed(tunnel.id, "revoked")
    wait_in_force(made.proxy, 2)
    assert REVOKED in made.proxy.dial(leaf).refusal()


def test_an_entry_that_cannot_be_meant_is_an_error(settings, pki, tmp_path):
    cases = [
        ({"url": "https://pki.test/ca.crl", "ca": "none.crt"}, "none.crt"),
        ({"url": "http://pki.test/ca.crl", "ca": pki.ca.path}, "no meaning with http://"),
        ({"url": "http://u@pki.test/ca.crl"}, "user name"),
        ({"url": "http://pki.test/../ca.crl"}, "`..`"),
        ({"every": "1h"}, "has a `url`"),
        ({"from": "cdp"}, "`from` and `under`"),
        ({"from": "aia", "under": ["http://pki.test/"]}, "cdp"),
        ({"from": "cdp", "under": ["http://pki.test/crl"]}, "ends in `/`"),
        ({"from": "cdp", "under": []}, "`under`"),
        ({"from": "cdp", "under": ["http://pki.test/"], "url": "http://pki.test/x"}, "or has"),
        ({"url": "http://pki.test/ca.crl", "every": "8d"}, "`every`"),
        ({"url": "http://pki.test/ca.crl", "max_size": "1GiB"}, "`max_size`"),
        ({"url": "http://pki.test/..;/ca.crl"}, "`..`"),
        ({"url": "http://pki.test/ca.crl", "other": "x"}, "other"),
    ]
    path = tmp_path / "sallyport.yaml"
    for entry, words in cases:
        settings["trust"]["staff"]["crl"] = [entry]
        write_config(path, merge(base_config(pki, "127.0.0.1:53"), {"trust": settings["trust"]}))
        result = run("check", "-c", path)
        assert result.returncode == 3 and words in result.stderr, (entry, result.stderr)
    learned = {"from": "cdp", "under": ["http://pki.test/"]}
    settings["trust"]["staff"]["crl"] = [learned, learned]
    write_config(path, merge(base_config(pki, "127.0.0.1:53"), {"trust": settings["trust"]}))
    result = run("check", "-c", path)
    assert result.returncode == 3 and "two entries with `from`" in result.stderr
    for entry in ({"url": "https://pki.test/ca.crl"}, {"from": "cdp", "under": ["https://pki.test/"]}):
        settings["trust"]["staff"]["crl"] = [{**entry, "ca": pki.ca.path}]
        write_config(path, merge(base_config(pki, "127.0.0.1:53"), {"trust": settings["trust"]}))
        assert run("check", "-c", path).returncode == 0
    settings["trust"]["staff"]["crl"] = [{"url": "http://pki.test/ca.crl"}]
    del settings["trust"]["staff"]["crl_cache"]
    write_config(path, merge(base_config(pki, "127.0.0.1:53"), {"trust": settings["trust"]}))
    result = run("check", "-c", path)
    assert result.returncode == 3 and "no `crl_cache`" in result.stderr
