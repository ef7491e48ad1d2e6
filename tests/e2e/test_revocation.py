"""Who is refused although the chain is good: revoked, denied, issued for too long, or not known to
be none of these. Each with its alert and its record; and `check-cert`, which says the same."""

import json

import pytest

from support.config import base_config, client, merge, reach
from support.control import CONTROL, Control
from support.proxy import run
from support.scale import eventually

ORIGIN = "origin.test"
# The name of OpenSSL's for the alert; the others get a general one.
REVOKED = "SSLV3_ALERT_CERTIFICATE_REVOKED"
ANY = "ALERT"


@pytest.fixture(scope="module")
def middle(pki):
    return pki.authority("Revocation Middle CA", issuer=pki.ca)


@pytest.fixture(scope="module")
def leaf(middle):
    return middle.leaf("below-middle", sends=(middle,))


@pytest.fixture
def staff(start, dns, origin, pki, middle):
    """Starts a proxy whose profile `staff` knows both CAs, with these further keys."""
    server = origin()
    dns.addresses(ORIGIN, "127.0.0.1")

    def make(changes=None, **keys):
        trust = {"ca": [pki.ca.path], "intermediates": [middle.path], **keys}
        proxy = start(client(reach(ORIGIN, server.port)), trust={"staff": trust}, **(changes or {}))
        proxy.target = f"{ORIGIN}:{server.port}"
        return proxy

    return make


def assert_refused(proxy, leaf, reason, alert=ANY):
    assert alert in proxy.dial(leaf).refusal()
    record = proxy.audit.wait("handshake_refused", reason=reason)
    assert record["presented"]["serial"].lstrip("0") == leaf.serial.lstrip("0")


def test_a_good_certificate_opens_a_tunnel_when_every_ca_has_a_list(staff, pki, middle, leaf):
    proxy = staff(crl=[pki.ca.crl(middle.leaf("another")), middle.crl(pki.ca.leaf("yet-another"))])
    proxy.tunnel(proxy.target, leaf).echo(b"hello")


@pytest.mark.protocols("h1", "h2")
def test_a_revoked_leaf_is_refused(staff, pki, middle, leaf):
    other = middle.leaf("not-revoked", sends=(middle,))
    proxy = staff(crl=[pki.ca.crl(), middle.crl(leaf, number=2)])
    assert_refused(proxy, leaf, "revoked", REVOKED)
    proxy.tunnel(proxy.target, other).echo(b"hello")


def test_a_revoked_intermediate_is_refused(staff, pki, middle, leaf):
    proxy = staff(crl=[pki.ca.crl(middle, number=2), middle.crl()])
    assert_refused(proxy, leaf, "revoked", REVOKED)


def test_lists_in_a_folder_are_read(staff, pki, middle, leaf, tmp_path):
    folder = tmp_path / "crls"
    folder.mkdir()
    for number, path in enumerate([pki.ca.crl(), middle.crl(leaf, number=2)]):
        with open(path, "rb") as file:
            (folder / str(number)).write_bytes(file.read())
    assert_refused(staff(crl=[str(folder)]), leaf, "revoked", REVOKED)


def test_a_missing_list_of_one_ca_refuses(staff, pki, leaf):
    proxy = staff(crl=[pki.ca.crl()])
    assert_refused(proxy, leaf, "crl_missing")
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")  # directly below the CA with a list


def test_the_list_of_a_stranger_covers_nobody(staff, pki):
    proxy = staff(crl=[pki.authority("Other CA").crl()])
    assert_refused(proxy, pki.worker, "crl_missing")


@pytest.fixture
def check(pki, tmp_path):
    """`check` of a working configuration with some changes."""

    def command(**changes):
        path = tmp_path / "sallyport.yaml"
        path.write_text(json.dumps(merge(base_config(pki, "127.0.0.1:53"), changes), indent=1))
        return run("check", "-c", path)

    return command


# -- a list of a CA that only clients bring -----------------------------------------------------


@pytest.fixture
def usual(start, dns, origin, pki):
    """Starts a proxy whose profile `staff` knows the root alone: clients send the intermediate along."""
    server = origin()
    dns.addresses(ORIGIN, "127.0.0.1")

    def make(**keys):
        proxy = start(
            client(reach(ORIGIN, server.port)), trust={"staff": {"ca": [pki.ca.path], **keys}}
        )
        proxy.target = f"{ORIGIN}:{server.port}"
        return proxy

    return make


def test_the_list_of_an_intermediate_that_clients_send_counts(usual, pki, middle, leaf):
    revoked = middle.leaf("revoked-below-middle", sends=(middle,))
    proxy = usual(crl=[pki.ca.crl(), middle.crl(revoked, number=2)])
    proxy.tunnel(proxy.target, leaf).echo(b"hello")
    assert_refused(proxy, revoked, "revoked", REVOKED)
    proxy.tunnel(proxy.target, leaf).echo(b"again")


def test_the_list_of_a_namesake_of_an_intermediate_covers_nobody(usual, pki, leaf):
    namesake = pki.authority("Revocation Middle CA", label="Namesake of Middle")
    assert_refused(usual(crl=[pki.ca.crl(), namesake.crl()]), leaf, "crl_missing")


def test_check_says_which_list_waits_for_its_issuer(pki, middle, tmp_path, check):
    result = check(
        trust={"staff": {"ca": [pki.ca.path], "crl": [pki.ca.crl(), middle.crl(number=2)]}}
    )
    assert result.returncode == 0, result
    lines = [line for line in result.stdout.splitlines() if "CRL of CN=" in line]
    waiting = [line for line in lines if "waits for its issuer" in line]
    assert waiting and all("CN=Revocation Middle CA" in line for line in waiting), lines


@pytest.mark.protocols("h1", "h2")
def test_a_new_list_of_an_intermediate_ends_live_tunnels(usual, pki, middle, tmp_path):
    folder = tmp_path / "crls"
    folder.mkdir()
    bad, good = (middle.leaf(name, sends=(middle,)) for name in ("bad-below", "good-below"))

    def publish(name, crl):
        fresh = tmp_path / "fresh.crl"
        fresh.write_bytes(open(crl, "rb").read())
        fresh.rename(folder / name)

    publish("root", pki.ca.crl())
    publish("middle", middle.crl(number=5))
    proxy = usual(crl=[str(folder)])
    ending, staying = proxy.tunnel(proxy.target, bad), proxy.tunnel(proxy.target, good)
    publish("middle", middle.crl(bad, number=6))
    proxy.assert_closed(ending.id, "revoked")
    staying.echo(b"untouched")
    assert_refused(proxy, bad, "revoked", REVOKED)


def test_with_crl_scope_leaf_an_offline_root_needs_no_list(usual, pki, middle, leaf):
    bad = middle.leaf("revoked-below-an-offline-root", sends=(middle,))
    proxy = usual(crl=[middle.crl(bad, number=2)], crl_scope="leaf")
    proxy.tunnel(proxy.target, leaf).echo(b"hello")
    assert_refused(proxy, bad, "revoked", REVOKED)
    assert_refused(proxy, pki.worker, "crl_missing")  # directly below the root


# -- lists as real CAs publish them -------------------------------------------------------------


def test_a_complete_list_with_a_distribution_point_of_its_own_counts(staff, pki):
    bad = pki.ca.leaf("revoked-at-a-point")
    proxy = staff(crl=[pki.ca.crl(bad, point="http://pki.example.org/crl", label="-point")])
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")
    assert_refused(proxy, bad, "revoked", REVOKED)


def test_lists_of_two_distribution_points_cover_nobody_who_names_neither(staff, pki):
    bad = pki.ca.leaf("revoked-at-one-of-two-points")
    uris = [f"http://pki.example.org/{part}" for part in (1, 2)]
    first = pki.ca.crl(bad, point=uris[0], label="-part-1")
    proxy = staff(crl=[first, pki.ca.crl(point=uris[1], label="-part-2")])
    assert_refused(proxy, pki.worker, "crl_missing")
    assert_refused(proxy, bad, "revoked", REVOKED)


# -- CAs that are not valid, and CAs without a list ---------------------------------------------


@pytest.mark.parametrize("begins, ends", [(-20, -1), (1, 20)], ids=["expired", "not yet valid"])
def test_a_ca_that_is_not_valid_is_left_out_and_the_others_go_on(usual, pki, begins, ends):
    odd = pki.authority("Odd CA", label=f"Odd CA {begins}", begins=begins, ends=ends)
    proxy = usual(ca=[pki.ca.path, odd.path])
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")
    assert_refused(proxy, odd.leaf(f"below-an-odd-ca{begins}"), "unknown_ca")


def test_a_profile_with_no_valid_ca_stops_the_start(start, pki):
    old = pki.authority("Lonely expired CA", begins=-20, ends=-1)
    proxy = start(trust={"staff": {"ca": [old.path]}}, is_ready=False)
    assert proxy.wait_exit() == 3
    proxy.stop(expected=3)
    assert "Lonely expired CA has expired" in proxy.stderr.text()


def test_check_names_the_ca_that_has_no_list(pki, check):
    other = pki.authority("CA without a list")
    result = check(
        trust={"staff": {"ca": [pki.ca.path, other.path], "crl": [pki.ca.crl()]}}
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0 and "the CA CN=CA without a list has no CRL" in said
    assert "the CA CN=Clients CA has no CRL" not in said


def test_an_expired_list_refuses(staff, pki):
    proxy = staff(crl=[pki.ca.crl(begins=-5, ends=-1, label="-old")])
    assert_refused(proxy, pki.worker, "crl_expired")


def test_an_expired_list_can_be_kept(staff, pki):
    revoked = pki.ca.leaf("revoked-long-ago")
    old = pki.ca.crl(revoked, begins=-5, ends=-1, label="-kept")
    proxy = staff(crl=[old], crl_expired="keep")
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")
    assert_refused(proxy, revoked, "revoked", REVOKED)


def test_a_denied_digest_is_refused(staff, pki):
    denied = pki.ca.leaf("denied-by-digest")
    proxy = staff(denied=[{"sha256": denied.sha256}])
    assert_refused(proxy, denied, "denied_certificate")
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")


def test_a_denied_serial_is_refused(staff, pki):
    denied = pki.ca.leaf("denied-by-serial")
    proxy = staff(denied=[{"issuer": "CN=Clients CA", "serial": denied.serial}])
    assert_refused(proxy, denied, "denied_certificate")
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")


def test_a_denied_intermediate_is_refused(staff, middle, leaf):
    serial = f"{middle.certificate.serial_number:x}"
    proxy = staff(denied=[{"issuer": "CN=Clients CA", "serial": serial}])
    assert_refused(proxy, leaf, "denied_certificate")


def test_a_lifetime_that_is_too_long_is_refused(staff, pki):
    proxy = staff(max_lifetime="30d")
    assert_refused(proxy, pki.ca.leaf("long-lived", ends=60), "too_long_lived")


def cut(path):
    with open(path, "rb") as file:
        text = file.read()
    with open(path + ".cut", "wb") as file:
        file.write(text[: len(text) // 2])
    return path + ".cut"


NOT_LOADABLE = {
    "cut off": (lambda ca: cut(ca.crl(label="-whole")), "cut off"),
    "a delta": (lambda ca: ca.crl(is_delta=True, label="-delta"), "delta CRL"),
    "not there": (lambda ca: ca.crl() + ".gone", "No such file"),
    "a certificate": (lambda ca: ca.path, "only X509 CRL"),
}


@pytest.mark.parametrize("kind", NOT_LOADABLE)
def test_a_list_that_is_not_loadable_stops_the_start(start, pki, kind):
    make, words = NOT_LOADABLE[kind]
    proxy = start(trust={"staff": {"ca": [pki.ca.path], "crl": [make(pki.ca)]}}, is_ready=False)
    assert proxy.wait_exit() == 3
    proxy.stop(expected=3)
    assert words in proxy.stderr.text()


def check_cert(*arguments):
    result = run("check-cert", *arguments)
    lines = result.stdout.splitlines()
    assert len(lines) == 1, result
    answer = json.loads(lines[0])
    expected = {"accept": 0, "reject": 1, "error": 3}[answer["result"]]
    assert result.returncode == expected
    assert ("identity" in answer) == (expected == 0)
    return answer


def test_check_cert_says_what_the_listener_says(pki, middle, leaf, tmp_path):
    def lists(*paths):
        path = tmp_path / "lists.crl"
        path.write_bytes(b"".join(open(one, "rb").read() for one in paths))
        return ("--crl", str(path))

    base = ("--ca", pki.ca.path, "--chain", leaf.chain)
    answer = check_cert(*base)
    assert answer["result"] == "accept" and answer["depth"] == 1
    assert answer["identity"]["cn"] == "below-middle"
    assert answer["identity"]["sha256"] == answer["chain"][0] == leaf.sha256
    assert answer["identity"]["spki_sha256"] == leaf.spki_sha256
    assert check_cert(*base, *lists(pki.ca.crl(), middle.crl()))["result"] == "accept"
    assert check_cert(*base, *lists(pki.ca.crl()))["reason"] == "crl_missing"
    revoked = lists(pki.ca.crl(), middle.crl(leaf, number=3))
    assert check_cert(*base, *revoked)["reason"] == "revoked"
    assert check_cert(*base, "--max-depth", "0")["reason"] == "chain_too_long"
    assert check_cert(*base, "--at", "0")["result"] == "reject"
    assert check_cert("--ca", pki.ca.path + ".gone", "--chain", leaf.chain)["result"] == "error"


# -- while it runs ------------------------------------------------------------------------------


@pytest.fixture
def watched(staff, pki, tmp_path):
    """A proxy whose CRL is a file that the test changes, with the CA's first list in it."""
    path = tmp_path / "staff.crl"
    path.write_bytes(open(pki.ca.crl(number=5), "rb").read())
    proxy = staff(crl=[str(path)])

    def publish(crl):
        fresh = tmp_path / "fresh.crl"
        fresh.write_bytes(open(crl, "rb").read())
        fresh.rename(path)

    proxy.publish = publish
    return proxy


@pytest.mark.protocols("h1", "h2")
def test_a_revocation_ends_the_live_tunnels_of_that_certificate_alone(watched, pki):
    bad, good = pki.ca.leaf("to-be-revoked"), pki.ca.leaf("to-stay")
    ending = watched.tunnel(watched.target, bad)
    staying = [watched.tunnel(watched.target, good) for _ in range(20)]
    watched.publish(pki.ca.crl(bad, number=6))
    watched.assert_closed(ending.id, "revoked")
    for tunnel in staying:
        tunnel.echo(b"untouched")
    assert_refused(watched, bad, "revoked", REVOKED)


@pytest.mark.protocols("h1", "h2")
def test_a_revocation_is_told_to_a_connection_that_waits(watched, pki):
    bad = pki.ca.leaf("waiting-to-be-revoked")
    requester = watched.connect(bad)
    assert requester.ask("nowhere.test:443").status == 403
    watched.publish(pki.ca.crl(bad, number=6))
    watched.stderr.wait("generation 1$")
    watched.assert_cut_off(requester, watched.target, "revoked")


@pytest.mark.parametrize("spoil", ["an old list", "half of it", "nothing"])
def test_a_list_that_may_not_follow_leaves_the_old_one_in_force(watched, pki, tmp_path, spoil):
    bad = pki.ca.leaf("revoked-by-the-old-list")
    watched.publish(pki.ca.crl(bad, number=6))
    watched.stderr.wait("generation 1$")
    following = tmp_path / "following.crl"
    data = open(pki.ca.crl(number=4, begins=-2), "rb").read()
    following.write_bytes({"an old list": data, "half of it": data[:200], "nothing": b""}[spoil])
    watched.publish(following)
    watched.stderr.wait("reload failed, the old configuration")
    assert_refused(watched, bad, "revoked", REVOKED)
    watched.tunnel(watched.target, pki.ca.leaf("to-stay")).echo(b"hello")


def test_a_lower_number_of_a_later_date_is_taken_and_said_aloud(watched, pki):
    bad = pki.ca.leaf("revoked-after-a-restore")
    watched.publish(pki.ca.crl(bad, number=3, begins=-0.5))
    watched.stderr.wait("generation 1$")
    assert watched.stderr.wait("has number 3, lower than that of the one that it replaces")
    assert_refused(watched, bad, "revoked", REVOKED)


@pytest.mark.protocols("h1", "h2")
def test_a_list_that_expires_refuses_what_is_new_and_ends_nothing(watched, pki):
    leaf = pki.ca.leaf("of-a-list-that-expires")
    tunnel, requester = watched.tunnel(watched.target, leaf), watched.connect(leaf)
    watched.publish(pki.ca.crl(number=6, ends=4 / 86400))
    watched.stderr.wait("generation 1$")
    eventually(lambda: "ALERT" in refusal_of(watched, leaf), "the list to expire")
    assert watched.audit.wait("handshake_refused", reason="crl_expired")
    watched.assert_refused(requester.ask(watched.target), 403, "crl_expired")
    tunnel.echo(b"untouched")


@pytest.mark.parametrize(
    "keys, said",
    [
        ({}, "ERROR.*number 6. has expired: handshakes and requests below this CA are refused"),
        ({"crl_expired": "keep"}, "ERROR.*number 6. has expired and stays in use"),
    ],
    ids=["refuse", "keep"],
)
def test_a_list_that_expires_while_it_runs_is_said_aloud_and_once(staff, pki, keys, said):
    proxy = staff(crl=[pki.ca.crl(number=6, ends=3 / 86400, label="-soon")], **keys)
    assert proxy.stderr.wait(said.replace("ERROR", "(?i)error"))
    if keys:
        proxy.tunnel(proxy.target).echo(b"hello")
    assert proxy.stderr.text().count("has expired") == 1


def test_the_week_before_a_list_expires_is_said_when_it_begins(staff, pki):
    proxy = staff(crl=[pki.ca.crl(number=6, begins=-30, ends=7 + 3 / 86400, label="-week")])
    assert proxy.stderr.wait("the CRL of CN=Clients CA .number 6. expires in 167 hours")


def test_a_list_that_was_exchanged_in_time_is_not_said_to_expire(watched, pki):
    watched.publish(pki.ca.crl(number=6, ends=3 / 86400, label="-first"))
    watched.stderr.wait("generation 1$")
    watched.publish(pki.ca.crl(number=7, ends=4 / 86400, label="-second"))
    watched.stderr.wait("generation 2$")
    assert watched.stderr.wait("number 7. has expired")
    assert "number 6) has expired" not in watched.stderr.text()


def refusal_of(proxy, leaf):
    """What a handshake and one request meet: an alert, or nothing bad."""
    requester = proxy.dial(leaf)
    try:
        requester.handshake().ask("nowhere.test:443")
    except (AssertionError, OSError):
        return "ALERT"
    finally:
        requester.close()
    return ""


@pytest.mark.protocols("h1", "h2")
def test_a_denied_certificate_loses_its_tunnels_at_a_reload(staff, pki):
    leaf = pki.ca.leaf("to-be-denied")
    proxy = staff()
    ending = proxy.tunnel(proxy.target, leaf)
    proxy.reload(trust={"staff": {"denied": [{"sha256": leaf.sha256}]}})
    proxy.assert_closed(ending.id, "revoked")
    assert_refused(proxy, leaf, "denied_certificate")


@pytest.mark.protocols("h1", "h2")
def test_a_list_that_disappears_is_told_with_its_ca_and_counted(staff, pki, middle, leaf, tmp_path):
    folder = tmp_path / "crls"
    folder.mkdir()
    (folder / "top.crl").write_bytes(open(pki.ca.crl(), "rb").read())
    (folder / "middle.crl").write_bytes(open(middle.crl(), "rb").read())
    proxy = staff({"control": CONTROL}, crl=[str(folder)])
    tunnel = proxy.tunnel(proxy.target, leaf)
    assert Control(proxy).status()["counters"]["crl_missing"] == 0
    (folder / "middle.crl").unlink()
    proxy.stderr.wait("the CRL of CN=Revocation Middle CA is gone: those under this CA")
    proxy.stderr.wait("reloaded:")
    assert_refused(proxy, leaf, "crl_missing")
    status = Control(proxy).status()
    assert status["counters"]["crl_missing"] == 1
    assert any("is gone" in found["message"] for found in status["reloads"]["last"]["findings"])
    assert "CN=Clients CA is gone" not in proxy.stderr.text()
    tunnel.echo(b"untouched")
    proxy.tunnel(proxy.target, pki.worker).echo(b"hello")

def test_a_list_that_goes_with_its_ca_is_no_finding(start, pki):
    """The last step of moving to a new CA: the old one and its list are taken out together."""
    other = pki.authority("Other CA")
    proxy = start(trust={"staff": {"ca": [pki.ca.path, other.path], "crl": [pki.ca.crl(), other.crl()]}})
    proxy.reload(trust={"staff": {"ca": [pki.ca.path], "crl": [pki.ca.crl()]}})
    assert "is gone" not in proxy.stderr.text()
