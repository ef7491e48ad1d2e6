"""Checks of parents (`health`): who is down is passed by."""

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.origin import dead_port, echo
from support.parents import ScriptedParent, parent
from support.scale import eventually

HEALTH = {"every": "100ms", "fall": 2, "rise": 2}


@pytest.fixture(autouse=True)
def names(dns):
    dns.addresses("origin.test", "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


@pytest.fixture
def scripted():
    made = []

    def make(*arguments, **options):
        made.append(ScriptedParent(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


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
