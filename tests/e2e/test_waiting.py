"""Requests that wait while the configuration changes under them: what was decided stays what it was, and what is
still to be decided is decided by what holds then."""

import hashlib

import pytest

from support.config import client, reach
from support.dns import AAAA
from support.origin import blackhole, silence
from support.plain import head, url
from support.wire import connect_head

BOTH = ["127.0.0.1", "::1"]
pytestmark = pytest.mark.protocols("h1", "h2")

RELOADS = 4  # every place that holds a snapshot has let go of the first one


def digest_of(proxy):
    return hashlib.sha256(proxy.config_path.read_bytes()).hexdigest()


def denying(*rules, turn=0, **more):
    """A client whose first denial has another name in each turn."""
    return client(*rules, deny=[{"name": f"no-loopback-{turn}", "addresses": ["::1/128"]}], **more)


def ask_and_wait_for_the_second_family(proxy, dns, name):
    """A client whose first family has come and was denied; the other one is still waited for."""
    dns.hold(name, *BOTH, held="A")
    requester = proxy.connect().send(connect_head(f"{name}:443"))
    dns.wait_answered(name, AAAA)
    dns.wait_asked(name, count=2)
    return requester


def test_a_request_whose_first_family_was_denied_outlives_the_rule_that_denied_it(start, dns):
    rule = reach("*.second.test", 443, addresses=["127.0.0.0/8", "::1/128"])
    proxy = start(denying(rule), workers=1)
    requester = ask_and_wait_for_the_second_family(proxy, dns, "reset.second.test")
    for turn in range(1, RELOADS):
        proxy.reload(denying(rule, turn=turn, name=f"turn-{turn}"))
    requester.reset()
    closed = proxy.audit.wait("close", reason="client_reset")
    decision = proxy.decision(closed["id"])
    # Nothing was decided: the other family could have been allowed.
    assert decision["decision"]["action"] == "error", decision
    assert decision["decision"]["rule"] is None, decision
    assert digest_of(proxy).startswith(decision["config"]), decision
    assert decision["client"]["name"] == f"turn-{RELOADS - 1}"


def test_what_comes_after_reloads_is_denied_by_the_rule_of_today(start, dns):
    rule = reach("late.second.test", 443, addresses=["::1/128"])
    proxy = start(denying(rule), workers=1)
    released = dns.hold("late.second.test", *BOTH, held="A")
    requester = proxy.connect().send(connect_head("late.second.test:443"))
    dns.wait_answered("late.second.test", AAAA)
    for turn in range(1, RELOADS):
        proxy.reload(denying(rule, turn=turn))
    released.set()
    answer = requester.read_answer()
    proxy.assert_refused(answer, 403, "denied_by_rule", rule=f"no-loopback-{RELOADS - 1}")


def begin_body(proxy, server):
    """A plain request of which half the body has come."""
    requester = proxy.connect()
    requester.send(head("POST", url(server), "Content-Length: 20"))
    return requester.send(b"half a bod")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_storm_of_reloads_leaves_every_wait_its_own_end(start, dns, origin, workers):
    """The names of clients and rules are other ones after each reload."""
    server = origin(silence)
    dns.addresses("origin.test", "127.0.0.1")
    dns.reply("*.silent.test", is_silent=True)
    with blackhole() as hole:
        rules = [
            reach("origin.test", server.port),
            reach("hole.test", hole),
            reach("*.silent.test", 443),
            reach("*.second.test", 443, addresses=["127.0.0.0/8", "::1/128"]),
        ]
        dns.addresses("hole.test", "127.0.0.1")

        def state(turn):
            named = [{**rule, "name": f"rule-{number}-{turn}"} for number, rule in enumerate(rules)]
            return denying(*named, turn=turn, name=f"client-{turn}")

        proxy = start(state(0), workers=workers, timeouts={"resolve": "60s", "connect": "60s"})
        before = proxy.descriptors()
        waiting = []
        for number in range(4):
            name = f"{workers}-{number}.second.test"
            waiting.append(ask_and_wait_for_the_second_family(proxy, dns, name))
            silent = f"{workers}-{number}.silent.test"
            waiting.append(proxy.connect().send(connect_head(f"{silent}:443")))
            dns.wait_asked(silent)
            waiting.append(proxy.connect().send(connect_head(f"hole.test:{hole}")))
            waiting.append(proxy.connect().send(connect_head("origin.test:1")[:20]))
            waiting.append(proxy.tunnel(f"origin.test:{server.port}"))
            waiting.append(begin_body(proxy, server))
        proxy.audit.wait_count(12, "decision", decision__action="allow")
        for turn in range(1, 10):
            proxy.reload(state(turn))
        for requester in waiting:
            requester.reset()
        proxy.wait_descriptors(before)
        proxy.audit.wait_count(24, "close")
        assert {record["reason"] for record in proxy.audit.records("close")} == {"client_reset"}
        proxy.stop()
