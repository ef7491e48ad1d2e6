"""What takes trust away is in force at once, whatever else is wrong; what gives waits until all of it is good."""

import base64
import shutil
import signal

import pytest

from support import der
from support.clocks import Clock
from support.config import client, reach, write_config
from support.pki import SERVER_AUTH
from support.scale import IS_SMALL

ORIGIN, OTHER = "origin.test", "other.test"
TAKEN, NOTHING_TAKEN = "in force all the same", "no further trust is taken away"


def put(path, data):
    """Writes a whole file over another one, as a good tool does."""
    fresh = path.parent.parent / (path.name + ".fresh")
    fresh.write_bytes(data if isinstance(data, bytes) else data.encode())
    fresh.rename(path)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class House:
    """A proxy with everything in files that can go wrong, and the names of those files."""

    def __init__(self, start, pki, port, folder):
        self.pki, self.folder, self.start, self.port = pki, folder, start, port
        for name in ("crls", "cas", "lists", "server", "sni"):
            (folder / name).mkdir()
        self.ca, self.gone = pki.ca, pki.authority("CA that goes")
        self.crls, self.bundle = folder / "crls", folder / "cas" / "staff.crt"
        self.other_bundle = folder / "cas" / "guests.crt"
        self.allowed, self.denied = folder / "lists" / "allowed", folder / "lists" / "denied"
        self.publish(number=5)
        put(self.crls / "gone.crl", read(self.gone.crl(number=1)))
        put(self.bundle, read(pki.ca.path) + read(self.gone.path))
        put(self.other_bundle, read(pki.authority("Guests CA").path))
        put(self.allowed, f"{ORIGIN}\n{OTHER}\n")
        put(self.denied, "never.test\n")
        self.serve("server", pki.server)
        self.serve("sni", self.sni_leaf(ends=30))
        self.proxy = start(self.rules(), folder=folder, **self.config())
        self.target = f"{ORIGIN}:{port}"

    def rules(self):
        rule = reach(ORIGIN, self.port)
        rule["hosts"] = [{"file": str(self.allowed)}]
        trust = [{"any": True, "trust": "staff"}]
        return client(rule, match=trust, deny=[{"hosts": [{"file": str(self.denied)}]}])

    def config(self):
        def pair(name):
            return {"chain": str(self.folder / name / "tls.crt"), "key": str(self.folder / name / "tls.key")}

        return {
            "listeners": [
                {
                    "name": "main",
                    "address": "127.0.0.1:0",
                    "certificates": [pair("server")],
                    "trust": "staff",
                    "sni": [{"names": ["guests.test"], "trust": "guests", "certificates": [pair("sni")]}],
                }
            ],
            "trust": {
                "staff": {"ca": [str(self.bundle)], "crl": [str(self.crls)]},
                "guests": {"ca": [str(self.other_bundle)]},
            },
        }

    def sni_leaf(self, **life):
        return self.pki.server_ca.leaf("guests.test", dns=("guests.test",), usages=(SERVER_AUTH,), **life)

    def serve(self, name, leaf):
        shutil.copy(leaf.chain, self.folder / name / "tls.crt")
        shutil.copy(leaf.key, self.folder / name / "tls.key")

    def publish(self, *revoked, number):
        put(self.crls / "staff.crl", read(self.ca.crl(*revoked, number=number)))

    def assert_ended(self, tunnel, reason, said):
        """It has ended, and every worker knows why: a new connection may come to another worker. `said`: the lines of
        stderr before the change."""
        self.proxy.assert_closed(tunnel.id, reason)
        self.proxy.stderr.wait(f"{TAKEN}|reloaded: config", after=said)

    def expired_ca(self):
        old = der.root("CA that has expired", ends=der.NOW - der.YEAR // 2, begins=der.NOW - der.YEAR)
        return to_pem(old.der)

    def reload_refused(self, config):
        write_config(self.proxy.config_path, config)
        self.proxy.send_signal(signal.SIGHUP)


def to_pem(data):
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n".encode()


@pytest.fixture
def furnish(dns, origin, pki, tmp_path):
    """Makes a house with the proxy that `start` starts."""

    def furnish(start):
        server = origin()
        dns.addresses(ORIGIN, "127.0.0.1")
        dns.addresses(OTHER, "127.0.0.1")
        folder = tmp_path / "house"
        folder.mkdir()
        return House(start, pki, server.port, folder)

    return furnish


@pytest.fixture
def house(furnish, start):
    return furnish(start)


needs_clock = pytest.mark.skipif(IS_SMALL, reason="the probe and a sanitizer both want to be loaded first")


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture
def timed_house(furnish, start, clock):
    """A house whose proxy has a clock that can be set."""

    def start_timed(*clients, **changes):
        return start(*clients, process={"environment": clock.environment}, **changes)

    return furnish(start_timed)


# What goes wrong, and whether the whole of it is refused.
FAULTS = {
    "an expired CA in the bundle": lambda h: put(h.bundle, read(h.bundle) + h.expired_ca()),
    "an expired CA in another profile's bundle": lambda h: put(
        h.other_bundle, read(h.other_bundle) + h.expired_ca()
    ),
    "an expired certificate of an entry of `sni`": lambda h: h.serve(
        "sni", h.sni_leaf(begins=-20, ends=-10)
    ),
    "a key that does not fit its chain": lambda h: shutil.copy(
        h.sni_leaf(ends=9).key, h.folder / "server" / "tls.key"
    ),
    "a garbage file in the folder of lists": lambda h: put(h.crls / "a-note.txt", "not a list\n"),
    "a typo in a host list": lambda h: put(h.allowed, f"{ORIGIN}\nno host name!\n"),
    "an emptied host list": lambda h: put(h.allowed, ""),
    "a deleted host list": lambda h: h.allowed.unlink(),
    "an older list of another CA": lambda h: put(
        h.crls / "gone.crl", read(h.gone.crl(number=0, begins=-9))
    ),
    "a list of the day after tomorrow": lambda h: put(
        h.crls / "zzz.crl", read(h.gone.crl(number=9, begins=2, label="-future"))
    ),
}
TAKEN_IN = ("an expired CA in the bundle", "an expired CA in another profile's bundle")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_revocation_is_in_force_at_once_in_spite_of(house, pki, fault):
    bad, good = pki.ca.leaf(f"to-be-revoked in spite of {fault}"[:60]), pki.worker
    ending, staying = (house.proxy.tunnel(house.target, leaf) for leaf in (bad, good))
    FAULTS[fault](house)
    if fault not in TAKEN_IN:
        house.proxy.stderr.wait(f"{TAKEN}|{NOTHING_TAKEN}|reload failed")
    said = house.proxy.stderr.count()
    house.publish(bad, number=6)
    house.assert_ended(ending, "revoked", said)
    assert "REVOKED" in house.proxy.dial(bad).refusal()
    staying.echo(b"untouched")
    house.proxy.tunnel(house.target, good).echo(b"hello")


def test_a_revocation_reaches_a_proxy_that_drains(house, pki):
    bad = pki.ca.leaf("to-be-revoked in a drain")
    house.proxy.reload(timeouts={"drain": "1h"})
    ending, staying = (house.proxy.tunnel(house.target, leaf) for leaf in (bad, pki.worker))
    house.proxy.send_signal(signal.SIGTERM)
    house.proxy.stderr.wait("draining")
    house.publish(bad, number=6)
    house.proxy.assert_closed(ending.id, "revoked")
    house.proxy.stderr.wait(f"the proxy drains, and reloads nothing any more; .* {TAKEN}")
    staying.echo(b"for an hour yet")
    staying.close()
    house.proxy.stop()


def test_what_the_configuration_denies_reaches_a_proxy_that_drains(house, pki):
    bad = pki.ca.leaf("to-be-denied in a drain")
    house.proxy.reload(timeouts={"drain": "1h"})
    ending, staying = (house.proxy.tunnel(house.target, leaf) for leaf in (bad, pki.worker))
    house.proxy.send_signal(signal.SIGTERM)
    house.proxy.stderr.wait("draining")
    config = house.proxy.config
    staff = {**config["trust"]["staff"], "denied": [{"sha256": bad.sha256}]}
    house.reload_refused({**config, "trust": {**config["trust"], "staff": staff}})
    house.proxy.assert_closed(ending.id, "revoked")
    staying.echo(b"for an hour yet")
    staying.close()
    house.proxy.stop()


@pytest.mark.parametrize(
    "fault, words",
    [
        ("a typo in a host list", "rejected as a whole, see above"),
        ("a key that does not fit its chain", "not whole yet, and is read again"),
    ],
)
def test_the_log_says_whether_it_waits_or_refuses(house, fault, words):
    FAULTS[fault](house)
    assert house.proxy.stderr.wait(f"{words}.*{NOTHING_TAKEN}")
    assert TAKEN not in house.proxy.stderr.text()
    house.publish(number=6)
    # On a busy machine it is taken beside the reload that will be refused.
    assert house.proxy.stderr.wait(f"({words}|is still being read).*{TAKEN}")


@pytest.mark.parametrize("fault", TAKEN_IN)
def test_a_restart_with_it_serves_those_of_the_other_cas(house, pki, fault):
    FAULTS[fault](house)
    house.proxy.stop()
    again = house.start(house.rules(), folder=house.folder / "server", **house.config())
    again.tunnel(house.target, pki.worker).echo(b"hello")
    assert "it has expired and is left out" in again.stderr.text()


def break_list(house):
    put(house.allowed, f"{ORIGIN}\nno host name!\n")
    house.proxy.stderr.wait(NOTHING_TAKEN)


@pytest.mark.protocols("h1", "h2")
def test_a_ca_that_is_gone_from_its_bundle_is_gone_at_once(house, pki):
    leaf = house.gone.leaf("of-the-ca-that-goes")
    ending, staying = (house.proxy.tunnel(house.target, one) for one in (leaf, pki.worker))
    break_list(house)
    said = house.proxy.stderr.count()
    put(house.bundle, read(pki.ca.path))
    house.assert_ended(ending, "policy_changed", said)
    assert "UNKNOWN_CA" in house.proxy.dial(leaf).refusal()
    staying.echo(b"untouched")


@pytest.mark.protocols("h1", "h2")
def test_the_last_ca_of_a_profile_may_go_too(house, pki):
    ending = house.proxy.tunnel(house.target, pki.worker)
    break_list(house)
    said = house.proxy.stderr.count()
    put(house.bundle, read(pki.authority("CA that comes").path))
    house.assert_ended(ending, "policy_changed", said)
    assert "UNKNOWN_CA" in house.proxy.dial(pki.worker).refusal()
    comes = pki.authority("CA that comes").leaf("comes")
    assert "UNKNOWN_CA" in house.proxy.dial(comes).refusal()


def test_a_bundle_that_cannot_be_read_takes_no_ca_away(house, pki):
    tunnel = house.proxy.tunnel(house.target, pki.worker)
    put(house.bundle, "nothing\n")
    house.proxy.stderr.wait(NOTHING_TAKEN)
    tunnel.echo(b"untouched")
    house.proxy.tunnel(house.target, pki.worker).echo(b"hello")


def test_a_ca_that_comes_waits_until_all_is_good(house, pki):
    comes = pki.authority("CA that comes")
    break_list(house)
    said = house.proxy.stderr.count()
    put(house.crls / "comes.crl", read(comes.crl()))
    put(house.bundle, read(house.bundle) + read(comes.path))
    house.proxy.stderr.wait(TAKEN, after=said)
    assert "UNKNOWN_CA" in house.proxy.dial(comes.leaf("comes")).refusal()
    put(house.allowed, f"{ORIGIN}\n")
    house.proxy.stderr.wait("reloaded:")
    house.proxy.tunnel(house.target, comes.leaf("comes")).echo(b"hello")


def test_a_ca_that_was_issued_again_stays(house, pki):
    tunnel = house.proxy.tunnel(house.target, pki.worker)
    break_list(house)
    said = house.proxy.stderr.count()
    put(house.bundle, read(pki.ca.issued_again("taking")) + read(house.gone.path))
    house.proxy.stderr.wait(NOTHING_TAKEN, after=said)
    tunnel.echo(b"untouched")
    house.proxy.tunnel(house.target, pki.worker).echo(b"hello")


@pytest.mark.protocols("h1", "h2")
def test_a_list_of_a_deny_counts_at_once_and_takes_nothing_back(house, pki):
    ending, staying = (house.proxy.tunnel(f"{host}:{house.port}") for host in (OTHER, ORIGIN))
    break_list(house)
    said = house.proxy.stderr.count()
    put(house.denied, f"never.test\n{OTHER}\n")
    house.assert_ended(ending, "policy_changed", said)
    requester = house.proxy.connect()
    house.proxy.assert_refused(requester.ask(f"{OTHER}:{house.port}"), 403, "denied_by_rule", rule="workers.deny[0]")
    said = house.proxy.stderr.count()
    put(house.denied, "again no host name!\n")
    house.proxy.stderr.wait(NOTHING_TAKEN, after=said)
    house.proxy.assert_refused(requester.ask(f"{OTHER}:{house.port}"), 403, "denied_by_rule", rule="workers.deny[0]")
    staying.echo(b"untouched")


@pytest.mark.parametrize("beside", ["nonsense: 1", "an unreadable list"])
@pytest.mark.protocols("h1", "h2")
def test_what_the_new_configuration_denies_is_denied_though_it_is_refused(house, pki, beside):
    bad = pki.ca.leaf(f"to-be-denied beside {beside}")
    ending, staying = (house.proxy.tunnel(house.target, leaf) for leaf in (bad, pki.worker))
    config = dict(house.proxy.config)
    if beside == "nonsense: 1":
        config["nonsense"] = 1
    else:
        house.allowed.unlink()
    staff = {**config["trust"]["staff"], "denied": [{"sha256": bad.sha256}]}
    said = house.proxy.stderr.count()
    house.reload_refused({**config, "trust": {**config["trust"], "staff": staff}})
    house.assert_ended(ending, "revoked", said)
    assert house.proxy.audit.wait("close", id=ending.id)
    house.proxy.dial(bad).refusal()
    assert house.proxy.audit.wait("handshake_refused", reason="denied_certificate")
    staying.echo(b"untouched")


def test_a_new_file_that_is_good_does_not_let_in_again_what_a_refused_configuration_denies(house, pki):
    bad = pki.ca.leaf("to-be-denied-for-good")
    config = dict(house.proxy.config)
    staff = {**config["trust"]["staff"], "denied": [{"sha256": bad.sha256}]}
    house.reload_refused({**config, "nonsense": 1, "trust": {**config["trust"], "staff": staff}})
    house.proxy.stderr.wait(TAKEN)
    said = house.proxy.stderr.count()
    house.publish(number=7)
    house.proxy.stderr.wait("reloaded:", after=said)
    house.proxy.dial(bad).refusal()
    assert house.proxy.audit.wait("handshake_refused", reason="denied_certificate")


def deny_in_refused(house, *sha256s, name="nonsense"):
    """Has a configuration refused that denies these certificates, and waits until they are denied."""
    config, said = dict(house.proxy.config), house.proxy.stderr.count()
    staff = {**config["trust"]["staff"], "denied": [{"sha256": one} for one in sha256s]}
    house.reload_refused({**config, name: 1, "trust": {**config["trust"], "staff": staff}})
    house.proxy.stderr.wait(f"{TAKEN}|{NOTHING_TAKEN}|not everything that was revoked", after=said)


def test_what_a_refused_configuration_denied_stays_denied_though_its_file_has_changed_since(house, pki):
    bad = pki.ca.leaf("denied-by-a-file-that-has-changed")
    deny_in_refused(house, bad.sha256)
    house.proxy.config_path.write_text("trust: {staff: {denied: [\n")
    said = house.proxy.stderr.count()
    house.publish(number=7)
    house.proxy.stderr.wait("reloaded:", after=said)
    house.proxy.dial(bad).refusal()
    assert house.proxy.audit.wait("handshake_refused", reason="denied_certificate")
    said = house.proxy.stderr.count()
    write_config(house.proxy.config_path, house.proxy.config)
    house.proxy.send_signal(signal.SIGHUP)
    house.proxy.stderr.wait("reloaded:", after=said)
    house.proxy.tunnel(house.target, bad).echo(b"let in again by a whole reload")


def test_a_long_list_of_denied_certificates_is_taken_by_one_refused_reload_after_another(house, pki):
    many = [f"{number:064x}" for number in range(40_000)]
    for attempt in range(3):
        deny_in_refused(house, *many, name=f"nonsense-{attempt}")
    bad = pki.ca.leaf("denied-after-many-refusals")
    deny_in_refused(house, *many, bad.sha256)
    house.proxy.dial(bad).refusal()
    assert house.proxy.audit.wait("handshake_refused", reason="denied_certificate")


@pytest.mark.protocols("h1", "h2")
def test_a_lower_number_of_a_later_date_is_taken_and_said_aloud(house, pki):
    bad, said = pki.ca.leaf("revoked-and-then-forgotten"), house.proxy.stderr.count()
    house.publish(bad, number=9)
    house.proxy.stderr.wait("reloaded:", after=said)
    break_list(house)
    said = house.proxy.stderr.count()
    put(house.crls / "staff.crl", read(pki.ca.crl(number=7, begins=-0.5, label="-restored")))
    house.proxy.stderr.wait(TAKEN, after=said)
    assert "number 7, lower than" in house.proxy.stderr.text()
    house.proxy.tunnel(house.target, bad).echo(b"let in again, as by a reload that is good")


def reload_refused_once_more(house):
    """Asks for a reload, and waits until it was refused."""
    said = house.proxy.stderr.count()
    house.proxy.send_signal(signal.SIGHUP)
    house.proxy.stderr.wait("reload failed, the old", after=said)


@needs_clock
def test_a_list_of_the_future_is_in_force_at_the_first_refused_reload_after_its_beginning(timed_house, clock, pki):
    bad = pki.ca.leaf("revoked-by-a-list-of-the-future")
    break_list(timed_house)
    said = timed_house.proxy.stderr.count()
    put(timed_house.crls / "staff.crl", read(pki.ca.crl(bad, number=9, begins=0.02, label="-future")))
    timed_house.proxy.stderr.wait(NOTHING_TAKEN, after=said)
    reload_refused_once_more(timed_house)
    tunnel = timed_house.proxy.tunnel(timed_house.target, bad)
    clock.jump(3600)
    said = timed_house.proxy.stderr.count()
    reload_refused_once_more(timed_house)
    timed_house.assert_ended(tunnel, "revoked", said)
    assert "REVOKED" in timed_house.proxy.dial(bad).refusal()


@needs_clock
def test_a_clock_that_was_set_back_keeps_no_revocation_by_another_ca_out(timed_house, clock, pki):
    bad, said = timed_house.gone.leaf("revoked-when-the-clock-was-set-back"), timed_house.proxy.stderr.count()
    put(timed_house.crls / "staff.crl", read(pki.ca.crl(number=9, begins=0, label="-now")))
    timed_house.proxy.stderr.wait("reloaded:", after=said)
    clock.jump(-600)
    timed_house.proxy.stderr.wait("the machine's clock was set")
    tunnel = timed_house.proxy.tunnel(timed_house.target, bad)
    said = timed_house.proxy.stderr.count()
    put(timed_house.crls / "gone.crl", read(timed_house.gone.crl(bad, number=9, begins=-0.5)))
    timed_house.assert_ended(tunnel, "revoked", said)
    assert "REVOKED" in timed_house.proxy.dial(bad).refusal()
    timed_house.proxy.dial(pki.worker).refusal()  # its list has not begun: nobody knows


def test_a_configuration_that_is_no_yaml_denies_nobody(house, pki):
    tunnel = house.proxy.tunnel(house.target, pki.worker)
    house.proxy.config_path.write_text("trust: {staff: {denied: [\n")
    house.proxy.send_signal(signal.SIGHUP)
    house.proxy.stderr.wait("reload failed")
    tunnel.echo(b"untouched")
