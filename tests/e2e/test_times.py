"""When clients and rules count: `valid` and `hours`. The wall clock of the proxy jumps; tunnels end with their time."""

from datetime import datetime, timedelta, timezone

import pytest

from support import config as configs
from support.clocks import Clock
from support.config import client, reach
from support.control import CONTROL
from support.plain import PlainClient, url
from support.proxy import run
from support.scale import IS_SMALL

HOUR_S, DAY_S = 3600, 86400
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

jumps = pytest.mark.skipif(IS_SMALL, reason="the probe and a sanitizer both want to be loaded first")


def in_days(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def hours_around_now():
    """A window of three whole hours, in whose second one it is now."""
    now = datetime.now(timezone.utc)
    return {"from": f"{(now - timedelta(hours=1)):%H}:00", "to": f"{(now + timedelta(hours=2)):%H}:00"}


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture
def server(dns, origin):
    server = origin()
    for host in ("begun.test", "ending.test", "daily.test", "both.test", "lasting.test"):
        dns.addresses(host, "127.0.0.1")
    return server


@pytest.fixture
def proxy(start, clock, server):
    ending = {"valid": {"until": in_days(1)}}
    proxy = start(
        client(
            reach("ending.test", server.port, name="ending", **ending),
            reach("begun.test", server.port, name="begun", valid={"from": in_days(-1)}),
            reach("daily.test", server.port, name="daily", hours=hours_around_now()),
            reach("both.test", server.port, name="first", **ending),
            reach("both.test", server.port, name="second"),
            reach("lasting.test", server.port),
        ),
        control=CONTROL,
        process={"environment": clock.environment},
    )
    proxy.place = lambda host: f"{host}:{server.port}"
    return proxy


@jumps
@pytest.mark.protocols("h1", "h2")
def test_tunnels_end_with_the_time_of_their_rule_and_no_others(proxy, clock):
    ending = [proxy.tunnel(proxy.place("ending.test")) for _ in range(4)]
    daily = proxy.tunnel(proxy.place("daily.test"))
    staying = [proxy.tunnel(proxy.place(host)) for host in ("both.test", "lasting.test")]
    clock.jump(4 * HOUR_S)
    proxy.assert_closed(daily.id, "outside_hours")
    for tunnel in [*ending, *staying]:
        tunnel.echo(b"untouched")
    clock.jump(DAY_S)
    for tunnel in ending:
        proxy.assert_closed(tunnel.id, "not_valid_now")
    for tunnel in staying:  # one of them goes on by its second rule
        tunnel.echo(b"untouched")
    assert proxy.decision(proxy.tunnel(proxy.place("both.test")).id)["decision"]["rule"] == "second"


@jumps
@pytest.mark.protocols("h1", "h2")
def test_a_tunnel_ends_when_its_time_comes_without_a_jump(proxy, clock):
    tunnel = proxy.tunnel(proxy.place("ending.test"))
    clock.jump(DAY_S - 4)
    proxy.stderr.wait("the machine's clock was set")
    tunnel.echo(b"still good")
    proxy.assert_closed(tunnel.id, "not_valid_now")


@jumps
@pytest.mark.protocols("h1", "h2")
def test_tunnels_end_when_the_clock_is_set_back_to_before_their_time(proxy, clock, pki):
    old = pki.ca.leaf("worker-for-long", begins=-10)
    hosts = ("begun.test", "daily.test", "both.test", "lasting.test")
    begun, daily, *staying = (proxy.tunnel(proxy.place(host), old) for host in hosts)
    clock.jump(-4 * HOUR_S)
    proxy.assert_closed(daily.id, "outside_hours")
    begun.echo(b"untouched")
    clock.jump(-2 * DAY_S)
    proxy.assert_closed(begun.id, "not_valid_now")
    for tunnel in staying:
        tunnel.echo(b"untouched")


@jumps
@pytest.mark.protocols("h1", "h2")
def test_each_request_of_a_connection_is_judged_at_its_time(proxy, clock, server):
    requester = PlainClient(proxy.connect())
    daily = url(server, "/", host="daily.test")
    assert requester.get(daily).status != 403
    clock.jump(4 * HOUR_S)
    refused = requester.get(daily)
    assert refused.status == 403
    assert refused.reason.startswith("Denied: outside_hours, allowed from 20")
    assert b"rule daily: allowed from 20" in refused.body
    clock.jump(20 * HOUR_S - 60)
    assert requester.get(daily).status != 403
    clock.jump(DAY_S)
    answer = proxy.ask(proxy.place("ending.test"))
    proxy.assert_refused(answer, 403, "not_valid_now", rule="ending")
    assert "its time is over" in answer.reason


@jumps
def test_a_client_outside_its_time_may_ask_for_nothing(start, clock, server):
    proxy = start(
        client(reach("lasting.test", server.port), valid={"until": in_days(1)}, mode="open"),
        process={"environment": clock.environment},
    )
    tunnel = proxy.tunnel(f"lasting.test:{server.port}")
    clock.jump(2 * DAY_S)
    proxy.assert_closed(tunnel.id, "not_valid_now")
    for target in (f"lasting.test:{server.port}", "8.8.8.8:443"):
        proxy.assert_refused(proxy.ask(target), 403, "not_valid_now")


# -- what the commands say ------------------------------------------------------------------------

ZURICH = {"hours": {"days": "mon-fri", "from": "08:00", "to": "18:00", "zone": "Europe/Zurich"}}


@pytest.fixture
def command(pki, tmp_path):
    def run_with(rule, name, *options):
        config = configs.merge(configs.base_config(pki, "127.0.0.1:53"), {"clients": [client(rule)]})
        configs.write_config(tmp_path / "sallyport.yaml", config)
        return run(name, "-c", tmp_path / "sallyport.yaml", *options)

    return run_with


@pytest.mark.parametrize(
    ("at", "answer", "more"),
    [
        ("2026-11-30T07:00", "allow: rule workers.allow[0]", "until 2026-11-30T17:00:00Z"),
        ("2026-11-30T06:59:59Z", "deny: outside_hours workers.allow[0]", "allowed from 2026-11-30T07:00:00Z"),
        ("2026-06-01T08:00:00+02:00", "allow: rule workers.allow[0]", "until 2026-06-01T16:00:00Z"),
        ("2027-01-04T12:00", "deny: not_valid_now workers.allow[0]", "its time is over"),
    ],
)
def test_explain_says_what_holds_at_another_time(command, at, answer, more):
    rule = {"hosts": ["a.example"], "valid": {"until": "2027-01-01"}, **ZURICH}
    options = ("--as", "cn:worker", "--to", "a.example:443", "--address", "9.9.9.9", "--at", at)
    result = command(rule, "explain", *options)
    assert f"answer     {answer}\n" in result.stdout and more in result.stdout, result.stdout
    assert result.returncode == (0 if answer.startswith("allow") else 1)


@pytest.mark.parametrize(
    ("times", "status", "words"),
    [
        ({"valid": {"until": "2020-01-01"}}, 0, "this time is over since 2020-01-01T00:00:00Z"),
        ({"hours": {"days": "mon", "zone": "Europe/Zuerich"}}, 3, "did you mean `Europe/Zurich`?"),
        ({"hours": {"days": "mon", "zone": "Europa/Zurich"}}, 3, "did you mean `Europe/Zurich`?"),
        ({"hours": {"days": "mon", "zone": "Europe/Nowhere"}}, 3, "no such time zone in /usr/share/zoneinfo/"),
        ({"hours": {"days": "mon", "zone": "tzdata.zi"}}, 3, "not the name of a time zone"),
        ({"valid": {"until": "2027-03-28T02:30", "zone": "Europe/Zurich"}}, 3, "or its offset: 2027-03-28T02:30:00+01:00 or 2027-03-28T02:30:00+02:00"),
        ({"valid": {"until": "2027-10-31T02:30", "zone": "Europe/Zurich"}}, 3, "show this time twice"),
        ({"valid": {"until": "2026-10-25T02:30", "zone": "Europe/Zurich"}}, 3, "offset: 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"),
        ({"valid": {"until": "2026-03-08T02:30", "zone": "America/St_Johns"}}, 3, "2026-03-08T02:30:00-03:30 or"),
    ],
)
def test_check_finds_times_that_are_over_or_are_none(command, times, status, words):
    result = command({"hosts": ["a.example"], **times}, "check")
    assert result.returncode == status
    assert words in result.stderr, result.stderr
