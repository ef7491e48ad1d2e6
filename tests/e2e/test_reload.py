"""A new configuration while it runs: whole or not at all, and nothing judged under the old one
becomes a tunnel."""

import re
import signal
import socket

import pytest

from support.config import client, listener_of, reach, write_config
from support.origin import full_queue
from support.scale import count, eventually
from support.wire import Ending, connect_head

pytestmark = pytest.mark.protocols("h1", "h2")

DENIED = "nowhere.test:443"


@pytest.fixture
def server(dns, origin):
    """An echoing origin that origin.test and other.test lead to."""
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("other.test", "127.0.0.1")
    return origin()


def rule(server, host="origin.test"):
    return reach(host, server.port)


def place(server, host="origin.test"):
    return f"{host}:{server.port}"


def break_config(proxy, text):
    """Writes a configuration that cannot be loaded and asks for it."""
    proxy.config_path.write_text(text)
    proxy.send_signal(signal.SIGHUP)
    proxy.stderr.wait("reload failed, the old configuration")


def test_a_finding_and_its_hint_are_one_line_of_the_log(start):
    proxy = start()
    proxy.reload(workers=proxy.workers, clients=[])
    finding = r"^20\d\d-\S+Z warning reload: \S+: there are no `clients`.*; hint: add `clients:` with "
    assert len(re.findall(finding, proxy.stderr.text(), re.M)) == 1, proxy.stderr.text()


def test_a_new_rule_is_in_force_for_the_next_request_of_an_open_connection(start, server):
    proxy = start(client(rule(server, "other.test")))
    requester = proxy.connect()
    assert requester.ask(place(server)).status == 403
    proxy.reload(client(rule(server)))
    requester.tunnel(place(server))
    requester.echo(b"hello")


def test_a_rule_that_is_gone_denies_the_next_request_of_an_open_connection(start, server):
    proxy = start(client(rule(server)))
    requester = proxy.connect()
    assert requester.ask(DENIED).status == 403
    proxy.reload(client(rule(server, "other.test")))
    proxy.assert_refused(requester.ask(place(server)), 403, "no_rule")


def test_records_name_the_configuration_that_decided(start, server):
    proxy = start(client(rule(server)))
    first = proxy.decision(proxy.ask(DENIED).id)["config"]
    proxy.reload(client(rule(server, "other.test")))
    second = proxy.decision(proxy.ask(DENIED).id)["config"]
    assert first != second


def test_a_client_that_is_renamed_is_recorded_under_its_new_name(start, server):
    proxy = start(client(rule(server), name="before"))
    requester = proxy.connect()
    assert proxy.decision(requester.ask(DENIED).id)["client"]["name"] == "before"
    proxy.reload(client(rule(server), name="after"))
    assert proxy.decision(requester.ask(DENIED).id)["client"]["name"] == "after"


@pytest.mark.parametrize("text", ["version: 2\n", "[", "", "version: 1\nlisteners: 5\n"])
def test_a_configuration_that_cannot_be_loaded_changes_nothing(start, server, text):
    proxy = start(client(rule(server)))
    tunnel = proxy.tunnel(place(server))
    break_config(proxy, text)
    tunnel.echo(b"still here")
    proxy.tunnel(place(server)).echo(b"and open for others")


def test_a_listener_that_cannot_be_bound_changes_nothing(start, server):
    proxy = start(client(rule(server)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = dict(proxy.config["listeners"][0], name="second")
        listener["address"] = f"127.0.0.1:{taken.getsockname()[1]}"
        config = dict(proxy.config, listeners=[proxy.config["listeners"][0], listener])
        config["clients"] = [client(rule(server, "other.test"))]
        write_config(proxy.config_path, config)
        proxy.send_signal(signal.SIGHUP)
        proxy.stderr.wait("reload failed, the old configuration.*cannot listen on")
    proxy.tunnel(place(server)).echo(b"the old rules")


@pytest.mark.parametrize("wide", ["0.0.0.0", "[::]"])
def test_a_listener_that_would_take_the_place_of_another_one_is_told_which(upgradable, wide):
    made = upgradable()
    proxy = made.proxy
    main = proxy.config["listeners"][0]
    port = proxy.address[1]
    wider = dict(main, name="wide", address=f"{wide}:{port}")
    write_config(proxy.config_path, dict(proxy.config, listeners=[wider]))
    told = f"cannot listen on {wide}:{port}: listener `main` of this proxy has 127.0.0.1:{port}"
    for said in (made.control.run("reload", expected=3).stderr, made.control.run("upgrade", expected=1).stderr):
        assert told in said and "move it to another port first" in said
    tunnel = proxy.tunnel(upgradable.target)
    tunnel.echo(b"as before")
    for listener in (dict(main, name="wide", address="127.0.0.1:0"), wider):
        write_config(proxy.config_path, dict(proxy.config, listeners=[listener]))
        made.control.run("reload")
    proxy.tunnel(upgradable.target).echo(b"by way of another port")


def test_an_audit_file_that_cannot_be_opened_changes_nothing(start, server):
    proxy = start(client(rule(server)))
    config = dict(proxy.config, audit={"file": str(proxy.folder / "nowhere" / "audit.jsonl")})
    write_config(proxy.config_path, config)
    proxy.send_signal(signal.SIGHUP)
    proxy.stderr.wait("reload failed, the old configuration.*cannot open the audit log.*make its folder first")
    answer = proxy.ask(DENIED)
    assert proxy.decision(answer.id)


def test_a_reload_asks_for_no_folder_of_an_audit_log_that_is_open(start, server, tmp_path):
    (tmp_path / "logs").mkdir()
    proxy = start(client(rule(server)), folder=tmp_path, audit={"file": "logs/audit.jsonl"})
    (tmp_path / "logs").rename(tmp_path / "kept")
    proxy.audit.path = tmp_path / "kept" / "audit.jsonl"
    proxy.reload(client(rule(server, "other.test")))
    proxy.assert_refused(proxy.ask(place(server)), 403, "no_rule")
    (tmp_path / "logs").write_text("a file\n")
    proxy.reload(client(rule(server)))
    proxy.tunnel(place(server)).echo(b"hello")


def test_a_change_of_workers_is_said_and_not_made(start, server):
    proxy = start(client(rule(server)))
    proxy.reload(workers=5)
    proxy.stderr.wait("`workers` cannot change")
    proxy.tunnel(place(server)).echo(b"hello")


def test_tunnels_that_are_still_allowed_go_on_untouched(start, server):
    proxy = start(client(rule(server), rule(server, "other.test")))
    tunnels = [proxy.tunnel(place(server)) for _ in range(10)]
    for round_number in range(5):
        proxy.reload(client(rule(server), name=f"round-{round_number}"))
        for tunnel in tunnels:
            tunnel.echo(b"round %d" % round_number)


def test_a_tunnel_that_would_not_be_opened_today_ends(start, server):
    proxy = start(client(rule(server), rule(server, "other.test")))
    ending, staying = proxy.tunnel(place(server)), proxy.tunnel(place(server, "other.test"))
    proxy.reload(client(rule(server, "other.test")))
    proxy.assert_closed(ending.id, "policy_changed")
    assert ending.read_to_end() == (b"", Ending.RESET)
    staying.echo(b"untouched")


@pytest.mark.parametrize(
    "change",
    [
        {"deny": [{"addresses": ["127.0.0.0/8"]}]},
        {"clients": []},
        {"clients": [client(name="others", match=[{"cn": "somebody-else"}])]},
    ],
    ids=["a new deny", "no clients", "another match"],
)
def test_a_tunnel_ends_whatever_took_its_right(start, server, change):
    proxy = start(client(rule(server)))
    tunnel = proxy.tunnel(place(server))
    proxy.reload(**change)
    proxy.assert_closed(tunnel.id, "policy_changed")


def test_a_source_that_is_closed_ends_the_tunnel(start, server):
    proxy = start(client(rule(server)))
    tunnel = proxy.tunnel(place(server))
    proxy.reload(client(rule(server), sources=["127.0.0.9/32"]))
    proxy.assert_closed(tunnel.id, "policy_changed")


def test_a_ca_that_is_gone_ends_the_tunnels_of_its_clients(start, server, pki):
    other = pki.authority("Second CA")
    proxy = start(client(rule(server)), trust={"staff": {"ca": [pki.ca.path, other.path]}})
    staying = proxy.tunnel(place(server))
    ending = proxy.tunnel(place(server), other.leaf("guest"))
    proxy.reload(trust={"staff": {"ca": [pki.ca.path]}})
    proxy.assert_closed(ending.id, "policy_changed")
    staying.echo(b"untouched")


def test_a_connection_whose_ca_is_gone_is_told_at_its_next_request(start, server, pki):
    other = pki.authority("Second CA")
    proxy = start(client(rule(server)), trust={"staff": {"ca": [pki.ca.path, other.path]}})
    guest = proxy.connect(other.leaf("guest"))
    assert guest.ask(DENIED).status == 403
    proxy.reload(trust={"staff": {"ca": [pki.ca.path]}})
    proxy.assert_cut_off(guest, place(server), "unknown_ca")
    assert guest.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    assert server.accepted == 0


def test_a_listener_that_gets_another_profile_makes_its_clients_others(start, server, pki):
    """The same name from another profile is another client, on connections that are open too."""
    profiles = {"staff": {"ca": [pki.ca.path]}, "partners": {"ca": [pki.ca.path]}}
    match = {profile: [{"any": True, "trust": profile}] for profile in profiles}
    clients = [
        client(rule(server), name="staff", match=match["staff"]),
        client(name="partners", match=match["partners"]),
    ]
    proxy = start(*clients, trust=profiles)
    requester, tunnel = proxy.connect(), proxy.tunnel(place(server))
    assert proxy.decision(requester.ask(DENIED).id)["client"]["name"] == "staff"
    proxy.reload(listeners=[dict(proxy.config["listeners"][0], trust="partners")])
    proxy.assert_closed(tunnel.id, "policy_changed")
    proxy.assert_refused(requester.ask(place(server)), 403, "no_rule")


@pytest.fixture
def doors(start, server, pki):
    """Two listeners, `left` for clients of one CA and `right` for those of another, with a tunnel over each."""
    other = pki.authority("Other CA")
    profiles = {"staff": {"ca": [pki.ca.path]}, "others": {"ca": [other.path]}}
    clients = client(rule(server), match=[{"any": True, "trust": name} for name in profiles])
    proxy = start(clients, trust=profiles, listeners=[door(pki, "left", 1, "staff"), door(pki, "right", 2, "others")])
    left = proxy.tunnel(place(server), listener="left")
    right = proxy.tunnel(place(server), other.leaf("worker-1"), listener="right")
    return proxy, left, right


def door(pki, name, number, trust):
    return listener_of(pki, name, f"127.0.7.{number}:8443", trust=trust)


def test_a_connection_stays_with_its_address_when_names_of_listeners_change(doors, pki):
    proxy, left, right = doors
    requester = proxy.connect(listener="left")
    assert proxy.decision(requester.ask(DENIED).id)["listener"] == "left"
    proxy.reload(listeners=[door(pki, "right", 1, "staff"), door(pki, "fresh", 2, "others")])
    assert proxy.decision(requester.ask(DENIED).id)["listener"] == "right"
    for tunnel in (left, right):
        tunnel.echo(b"neither its address nor its trust has changed")


def test_a_connection_is_judged_by_what_stands_for_its_address_wherever_the_name_is(doors, pki):
    proxy, left, right = doors
    proxy.reload(listeners=[door(pki, "right", 1, "others"), door(pki, "left", 2, "staff")])
    for tunnel in (left, right):
        proxy.assert_closed(tunnel.id, "policy_changed")


def test_a_listener_that_moves_to_another_address_keeps_its_connections(doors, pki):
    proxy, left, right = doors
    proxy.reload(listeners=[door(pki, "left", 3, "staff"), door(pki, "right", 2, "others")])
    for tunnel in (left, right):
        tunnel.echo(b"it is the same listener")


def test_a_handshake_held_open_over_a_reload_is_judged_anew(start, server, pki):
    other = pki.authority("Second CA")
    proxy = start(client(rule(server)), trust={"staff": {"ca": [pki.ca.path, other.path]}}, workers=1)
    guest = proxy.dial(other.leaf("guest"))
    proxy.connect()  # it is accepted after the guest
    proxy.reload(trust={"staff": {"ca": [pki.ca.path]}})
    guest.handshake()
    assert guest.ask(place(server)).status == 403
    assert server.accepted == 0


def test_a_dns_answer_held_open_over_a_reload_opens_nothing(start, server, dns):
    released = dns.hold("slow.test", "127.0.0.1")
    proxy = start(client(rule(server, "slow.test")))
    requester = proxy.connect()
    requester.send(connect_head(place(server, "slow.test")))
    dns.wait_asked("slow.test")
    proxy.reload(client(rule(server, "other.test")))
    released.set()
    proxy.assert_refused(requester.read_answer(), 403, "no_rule")
    assert server.accepted == 0


def test_a_dns_answer_held_open_over_a_reload_that_allows_it_still_opens_a_tunnel(
    start, server, dns
):
    released = dns.hold("patient.test", "127.0.0.1")
    proxy = start(client(rule(server, "patient.test")))
    requester = proxy.connect()
    requester.send(connect_head(place(server, "patient.test")))
    dns.wait_asked("patient.test")
    proxy.reload(client(rule(server, "patient.test"), name="renamed"))
    released.set()
    assert requester.read_answer().status == 200
    requester.echo(b"hello")


def test_a_connect_held_open_over_a_reload_opens_nothing(start, dns):
    dns.addresses("hole.test", "127.0.0.1")
    with full_queue() as hole:
        port = hole.getsockname()[1]
        proxy = start(client(reach("hole.test", port)), timeouts={"attempt": "10s"})
        requester = proxy.connect()
        requester.send(connect_head(f"hole.test:{port}"))
        decision = proxy.audit.wait("decision")
        proxy.reload(client(reach("hole.test", 1)))
        hole.listen(64)  # room for the next retransmission
        answer = requester.read_answer()
        assert answer.status == 403 and "policy_changed" in answer.reason
        proxy.assert_closed(decision["id"], "policy_changed", status=403)


def test_a_new_listener_is_served_and_a_gone_one_is_closed(start, server):
    proxy = start(client(rule(server)))
    old = proxy.address
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    main = dict(proxy.config["listeners"][0], name="next", address=f"127.0.0.1:{port}")
    proxy.reload(listeners=[main])
    proxy.addresses = {"next": ("127.0.0.1", port)}
    proxy.tunnel(place(server)).echo(b"hello")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(old, 5).close()


def test_the_proxys_own_new_listener_is_no_target(start, dns):
    dns.addresses("self.test", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    proxy = start(client(reach("self.test", port)))
    second = dict(proxy.config["listeners"][0], name="second", address=f"127.0.0.1:{port}")
    proxy.reload(listeners=[proxy.config["listeners"][0], second])
    proxy.assert_refused(proxy.ask(f"self.test:{port}"), 403, "own_listener")


def test_another_audit_file_is_written_from_then_on(start, server):
    proxy = start(client(rule(server)))
    proxy.reload(audit={"file": "second.jsonl"})
    answer = proxy.ask(DENIED)
    second = proxy.folder / "second.jsonl"
    eventually(lambda: second.exists() and answer.id in second.read_text(), "the record")


def test_another_resolver_is_asked_from_then_on(start, server, dns):
    proxy = start(client(rule(server)), resolver={"servers": ["127.0.0.1:1"], "timeout": "100ms"})
    assert proxy.ask(place(server)).status in (502, 504)
    proxy.reload(resolver={"servers": [dns.endpoint], "timeout": "2s"})
    proxy.tunnel(place(server)).echo(b"hello")


def test_reloads_under_load_fail_no_request_and_leave_nothing(start, server):
    proxy = start(client(rule(server)))
    proxy.tunnel(place(server)).close()
    before = proxy.descriptors()
    for number in range(count(100, 20)):
        tunnel = proxy.tunnel(place(server))
        proxy.reload(client(rule(server), name=f"n-{number % 7}"))
        tunnel.echo(b"hello")
        tunnel.close()
    proxy.wait_descriptors(before)


def test_a_tunnel_ends_with_its_certificate(start, server, pki):
    proxy = start(client(rule(server)))
    brief = pki.ca.leaf(f"short-lived-{proxy.protocol}", ends=3 / 86400)
    ending, staying = proxy.tunnel(place(server), brief), proxy.tunnel(place(server))
    proxy.assert_closed(ending.id, "expired")
    assert ending.read_to_end() == (b"", Ending.RESET)
    staying.echo(b"untouched")
