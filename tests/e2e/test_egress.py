"""A client with `egress` goes out from those addresses, or not at all."""

import pytest

from support.config import client, reach
from support.origin import Origin

pytestmark = pytest.mark.protocols("h1", "h2", repeats="names and addresses")

GONE = "203.0.113.99"


def tell_peer(conn):
    """Says which address the connection comes from."""
    conn.sendall(f"{conn.getpeername()[0]}\n".encode())
    conn.recv(1)


@pytest.fixture(scope="module")
def teller():
    server = Origin(tell_peer)
    yield server
    server.stop()


def going_out(server, *addresses, targets=("127.0.0.0/8", "::1/128"), **more):
    rules = [
        {"addresses": list(targets), "ports": [server.port]},
        reach("*", server.port, addresses=targets),
    ]
    return client(*rules, egress={"addresses": list(addresses)}, **more)


def seen_from(proxy, server, target="127.0.0.1"):
    tunnel = proxy.tunnel(f"{target}:{server.port}")
    source = b""
    while not source.endswith(b"\n"):
        source += tunnel.read()
    tunnel.close()
    return source.decode().strip()


def test_a_client_goes_out_from_its_own_address(start, teller):
    proxy = start(going_out(teller, "127.0.7.7"))
    assert seen_from(proxy, teller) == "127.0.7.7"


def test_each_client_has_its_own(start, teller, pki):
    proxy = start(
        going_out(teller, "127.0.7.1", name="one", match=[{"cn": "worker-1"}]),
        going_out(teller, "127.0.7.2", name="two", match=[{"cn": "second"}]),
        client({"addresses": ["127.0.0.0/8"], "ports": [teller.port]}, name="others"),
    )
    second, third = pki.ca.leaf("second"), pki.ca.leaf("third")
    seen = [
        proxy.tunnel(f"127.0.0.1:{teller.port}", identity).read().decode().strip()
        for identity in (pki.worker, second, third)
    ]
    assert seen == ["127.0.7.1", "127.0.7.2", "127.0.0.1"]


def test_several_take_turns(start, teller):
    proxy = start(going_out(teller, "127.0.7.1", "127.0.7.2", "127.0.7.3"), workers=1)
    seen = [seen_from(proxy, teller) for _ in range(9)]
    assert {seen.count(f"127.0.7.{n}") for n in (1, 2, 3)} == {3}, seen


def test_one_that_is_not_on_the_machine_is_passed_over(start, teller):
    proxy = start(going_out(teller, GONE, "127.0.7.4"), workers=1)
    assert {seen_from(proxy, teller) for _ in range(4)} == {"127.0.7.4"}


def test_when_none_is_on_the_machine_nothing_goes_out(start, dns, teller):
    proxy = start(going_out(teller, GONE))
    dns.addresses("far.test", "127.0.0.1")
    before = teller.accepted
    for target in ("127.0.0.1", "far.test"):
        answer = proxy.ask(f"{target}:{teller.port}")
        proxy.assert_refused(answer, 502, "egress_unavailable", action="error")
        assert proxy.close_record(answer.id)["upstream"] is None
        assert f"(id {answer.id})" in answer.reason and "egress_unavailable" in answer.reason
    assert teller.accepted == before


def test_an_address_of_the_other_family_is_no_way_out(start, dns, teller):
    six = Origin(tell_peer, address="::1", port=teller.port)
    proxy = start(going_out(teller, "127.0.7.5"))
    answer = proxy.ask(f"[::1]:{teller.port}")
    proxy.assert_refused(answer, 502, "egress_unavailable", action="error")
    dns.addresses("both.test", "::1", "127.0.0.1")
    for _ in range(3):  # of a name the other family is used, whichever comes first
        assert seen_from(proxy, teller, "both.test") == "127.0.7.5"
    assert six.accepted == 0
    six.stop()


def test_ipv6_goes_out_from_ipv6(start, local_address):
    local_address("fd00:77::5")
    six = Origin(tell_peer, address="::1")
    proxy = start(going_out(six, "fd00:77::5", "127.0.7.6"))
    assert seen_from(proxy, six, "[::1]") == "fd00:77::5"
    six.stop()


def test_what_policy_denies_is_denied_before_the_egress_is_looked_at(start, teller):
    proxy = start(going_out(teller, GONE))
    proxy.assert_refused(proxy.ask(f"10.0.0.1:{teller.port}"), 403, "special_range")
    proxy.assert_refused(proxy.ask("127.0.0.1:1"), 403, "no_rule")


def test_another_egress_takes_effect_at_a_reload(start, teller):
    proxy = start(going_out(teller, "127.0.7.1"))
    tunnel = proxy.tunnel(f"127.0.0.1:{teller.port}")
    proxy.reload(going_out(teller, "127.0.7.2"))
    assert seen_from(proxy, teller) == "127.0.7.2"
    proxy.reload(going_out(teller, GONE))
    assert proxy.ask(f"127.0.0.1:{teller.port}").status == 502
    assert tunnel.read() == b"127.0.7.1\n"  # what is open is not judged by it


def test_an_address_that_is_not_here_is_a_warning(start, teller):
    proxy = start(going_out(teller, GONE, "127.0.7.1"))
    assert proxy.stderr.wait(rf"warning \S+: egress address `{GONE}` is not on this machine")
    assert "127.0.7.1" not in proxy.stderr.text()
