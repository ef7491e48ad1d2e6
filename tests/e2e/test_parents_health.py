"""Checks of parents (`health`): who is down is passed by. And what lasts: a parent's death, a drain, an upgrade, an end."""

import contextlib
import os
import re
import signal
import threading

import pytest

from support.admin import get
from support.config import client, reach
from support.control import CONTROL, Control
from support.origin import dead_port, echo
from support.parents import parent
from support.proxy import run
from support.scale import eventually
from support.wire import Ending

HEALTH = {"every": "100ms", "fall": 2, "rise": 2}


@pytest.fixture(autouse=True)
def names(dns):
    dns.addresses("origin.test", "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


def states(control):
    return {each["url"]: each["state"] for each in control.status()["parents"]}


def wait_state(control, port, state, scheme="https"):
    url = f"{scheme}://127.0.0.1:{port}"
    eventually(lambda: states(control).get(url) == state, lambda: f"{url} to be {state}: {states(control)}")


def test_a_proxy_of_a_parent_that_is_down_is_passed_by_and_used_again(start, pki, server, scripted):
    first, second = (scripted(leaf=pki.server, ca=pki.ca.path) for _ in range(2))
    paris = parent(pki, first.port, second.port, health=HEALTH)
    proxy = start(client(reach("origin.test", server.port), via=["paris"]), parents=[paris], control=CONTROL, workers=1)
    control = Control(proxy)
    target = f"origin.test:{server.port}"
    wait_state(control, first.port, "up")
    wait_state(control, second.port, "up")
    kept = proxy.tunnel(target)
    first.is_silent = True  # it accepts, and says nothing: nobody but a check finds that out at once
    wait_state(control, first.port, "down")
    assert proxy.stderr.wait(f"parent paris: https://127.0.0.1:{first.port} is down")
    for _ in range(3):
        tunnel = proxy.tunnel(target)
        tunnel.echo(b"over the other one")
        tunnel.close()
        assert proxy.audit.wait("close", id=tunnel.id)["parent"]["port"] == second.port
    kept.echo(b"is left alone")
    said = control.run("status")
    assert f"parent       paris: https://127.0.0.1:{first.port} is down" in getattr(said, "stdout", said)
    first.is_silent = False
    wait_state(control, first.port, "up")
    kept.close()


def test_what_a_check_takes_for_an_answer(start, pki, server, scripted):
    with dead_port() as dead:
        cases = {
            scripted(b"HTTP/1.1 400 What\r\n\r\n").port: ("up", None),
            scripted(b"HTTP/1.0 200 OK\r\n\r\n").port: ("up", None),
            scripted(b"SSH-2.0-OpenSSH\r\n").port: ("down", "not_http"),
            scripted(b"HTTP").port: ("down", "no_answer"),
            scripted(None).port: ("down", "no_answer"),
            dead: ("down", "connection_refused"),
        }
        health = {**HEALTH, "fall": 1}
        parents = [parent(pki, port, name=f"p{port}", scheme="http", health=health) for port in cases]
        rules = [reach("origin.test", server.port, via=[each["name"]]) for each in parents]
        control = Control(start(client(*rules), parents=parents, control=CONTROL, workers=1))
        for port, (state, warning) in cases.items():
            wait_state(control, port, state, "http")
            row = next(each for each in control.status()["parents"] if each["url"].endswith(f":{port}"))
            assert row["warning"] == warning, row


def test_a_parent_whose_proxies_are_all_down_is_passed_by(start, pki, server, scripted):
    silent, living = scripted(leaf=pki.server, ca=pki.ca.path), scripted(leaf=pki.server, ca=pki.ca.path)
    silent.is_silent = True
    parents = [parent(pki, silent.port, health=HEALTH), parent(pki, living.port, name="rome", health=HEALTH)]
    rule = reach("origin.test", server.port)
    proxy = start(client(rule, via=["paris", "rome"]), parents=parents, control=CONTROL, workers=1)
    control = Control(proxy)
    wait_state(control, silent.port, "down")
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.close()
    assert proxy.audit.wait("close", id=tunnel.id)["parent"]["name"] == "rome"
    # A reload knows what was known, also where it changes something else.
    proxy.reload(client(rule, via=["paris", "rome"], limits={"tunnels": 7}), parents=parents)
    assert states(control)[f"https://127.0.0.1:{silent.port}"] == "down"
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.close()
    assert proxy.audit.wait("close", id=tunnel.id)["parent"]["name"] == "rome"
    # Without checks nothing is down: it is reached, and says nothing.
    proxy.reload(client(rule, via=["rome"]), parents=[parent(pki, living.port, name="rome")])
    assert states(control) == {}


def test_a_proxy_of_the_same_kind_answers_checks(start, pki, server):
    above = start(client({"addresses": ["127.0.0.0/8"], "ports": [server.port]}, name="edges"))
    paris = parent(pki, above.address[1], health=HEALTH)
    control = Control(start(client(reach("origin.test", server.port), via=["paris"]), parents=[paris], control=CONTROL))
    wait_state(control, above.address[1], "up")
    stranger = {**paris, "name": "rome", "health": {**HEALTH, "fall": 1}}
    other = pki.authority("Other CA").leaf("edge")
    stranger["certificate"] = {"chain": other.chain, "key": other.key}
    control = Control(start(client(reach("origin.test", server.port), via=["rome"]), parents=[stranger], control=CONTROL))
    wait_state(control, above.address[1], "down")
    assert control.status()["parents"][0]["warning"] == "unknown_ca"
    seen = above.audit.wait("decision")
    assert (seen["request"]["method"], seen["decision"]["reason"]) == ("OPTIONS", "bad_request"), seen


def upstairs(start, server):
    rule = {"addresses": ["127.0.0.0/8"], "ports": [server.port]}
    return start(client(rule, name="edges", match=[{"uri": "spiffe://example.test/edge"}]), workers=1)


class Load:
    """Clients that open tunnels one after the other, say something, and end them: `good` and `bad` count."""

    def __init__(self, proxy, target, clients=2):
        self.good = 0
        self.bad = 0
        self._is_over = False
        self._lock = threading.Lock()
        self._proxy, self._target = proxy, target
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for each in self._threads:
            each.start()

    def _run(self):
        while not self._is_over:
            is_good = False
            one = self._proxy.connect()
            with contextlib.suppress(AssertionError, OSError):  # it is cut off with its parent
                is_good = one.ask(self._target).status == 200
                if is_good:
                    one.echo(b"a word" * 100)
            one.close()
            self._proxy.forget(one)
            with self._lock:
                self.good += is_good
                self.bad += not is_good

    def wait_good(self, more=10):
        before = self.good
        eventually(lambda: self.good >= before + more, lambda: f"{more} more tunnels: {self.good} good, {self.bad} bad")

    def stop(self):
        self._is_over = True
        for each in self._threads:
            each.join()


def test_under_load_a_parent_that_hangs_and_dies_takes_only_its_own_tunnels_with_it(start, pki, server):
    first, second = upstairs(start, server), upstairs(start, server)
    paris = parent(pki, first.address[1], second.address[1], health=HEALTH)
    rome = parent(pki, second.address[1], name="rome")
    other = pki.ca.leaf("other")
    rule = reach("origin.test", server.port)
    clients = [client(rule, name="others", match=[{"cn": "other"}], via=["rome"]), client(rule, via=["paris"])]
    timeouts = {"attempt": "1s", "connect": "3s"}
    proxy = start(*clients, parents=[paris, rome], control=CONTROL, workers=1, timeouts=timeouts)
    control = Control(proxy)
    target = f"origin.test:{server.port}"
    wait_state(control, first.address[1], "up")
    lost = [proxy.tunnel(target) for _ in range(4)]
    kept = [proxy.tunnel(target, other) for _ in range(4)]
    load = Load(proxy, target)
    load.wait_good()
    url = f"https://127.0.0.1:{first.address[1]}"
    os.kill(first.pid, signal.SIGSTOP)  # it accepts no more, and says nothing

    def is_down():
        row = next(each for each in control.status()["parents"] if each["url"] == url)
        assert row["state"] == "down" or row["failed"] < HEALTH["fall"], row
        return row["state"] == "down"

    eventually(is_down, "so many failed checks")
    after = Load(proxy, target)  # of the first load, each may wait in a tunnel that hangs
    after.wait_good()
    first.crash()
    first._is_checked = True
    for tunnel in lost:
        assert tunnel.read_to_end()[1] in (Ending.RESET, Ending.FIN, Ending.ALERT)
        close = proxy.audit.wait("close", id=tunnel.id)
        assert close["reason"] in ("upstream_reset", "upstream_truncated"), close
        assert close["parent"]["port"] == first.address[1], close
    load.stop()
    after.wait_good()
    after.stop()
    assert after.bad == 0, "nothing fails once it is down"
    for tunnel in kept:
        tunnel.echo(b"of others")
        tunnel.close()
    closes = [each for each in proxy.audit.records() if each["event"] == "close"]
    hurt = {each["parent"]["port"] for each in closes if each["reason"] not in ("completed", "client_closed", "client_reset")}
    assert hurt == {first.address[1]}, closes


def both_kinds(pki, scripted, start, server):
    """A parent that shares connections, and one with a connection for each tunnel; the ways through them."""
    shared = upstairs(start, server)
    plain = scripted(leaf=pki.server, ca=pki.ca.path)
    return [parent(pki, shared.address[1], name="shared", health=HEALTH), parent(pki, plain.port, name="plain")]


def test_tunnels_through_parents_outlive_a_drain(start, pki, server, scripted):
    parents = both_kinds(pki, scripted, start, server)
    other = pki.ca.leaf("other")
    rule = reach("origin.test", server.port)
    clients = [client(rule, name="others", match=[{"cn": "other"}], via=["plain"]), client(rule, via=["shared"])]
    proxy = start(*clients, parents=parents, timeouts={"drain": "60s"})
    target = f"origin.test:{server.port}"
    tunnels = [proxy.tunnel(target), proxy.tunnel(target, other)]
    proxy.send_signal(signal.SIGTERM)
    proxy.stderr.wait("draining")
    for tunnel in tunnels:
        tunnel.echo(b"goes on" * 1000)
        tunnel.half_close()
        assert tunnel.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    assert proxy.wait_exit() == 0
    assert {each["parent"]["protocol"] for each in proxy.audit.records() if each["event"] == "close" and "parent" in each} == {"h1", "h2"}


def test_tunnels_through_parents_outlive_an_upgrade(upgradable, pki, server, scripted, start):
    parents = both_kinds(pki, scripted, start, server)
    other = pki.ca.leaf("other")
    rule = reach("origin.test", server.port)
    clients = [client(rule, name="others", match=[{"cn": "other"}], via=["plain"]), client(rule, via=["shared"])]
    made = upgradable(*clients, parents=parents)
    target = f"origin.test:{server.port}"
    old = [made.proxy.tunnel(target), made.proxy.tunnel(target, other)]
    made.upgrade()
    new = [made.proxy.tunnel(target), made.proxy.tunnel(target, other)]
    for tunnel in old + new:
        tunnel.echo(b"goes on" * 1000)
        tunnel.close()
    made.wait_old_ended()


def test_an_operator_sees_when_the_certificates_of_a_parent_end(start, pki, server):
    soon = pki.ca.leaf("soon", ends=3 + 6 / 86400)  # the word of this day comes once the proxy is up
    rule = reach("origin.test", server.port)
    proxy = start(client(rule, via=["paris"]), parents=[parent(pki, 1, identity=soon)], admin={"address": "127.0.0.1:0"})
    said = proxy.stderr.wait(r"metrics and health at http://(.*):(\d+)/")
    proxy.stderr.wait(r"parent paris: our certificate CN=soon expires in 7\d hours; renew it")
    place = (said[1], int(said[2]))
    metrics = get(place, "/metrics").body
    ends = re.findall(r'not_after_timestamp_seconds{kind="(parent\w*)",of="paris",.*subject="([^"]*)"}', metrics)
    assert ends == [("parent", "CN=soon"), ("parent_anchor", "CN=Servers CA")], ends
    assert '"kind":"parent","of":"paris","subject":"CN=soon"' in get(place, "/status.json").body.replace(": ", ":")
    assert "certificate shown to the parent" in get(place, "/").body
    assert "has 2 days left" in run("check", "-c", proxy.config_path).stderr
