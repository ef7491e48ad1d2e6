"""A fleet on several hosts, after a real balancer and with a real store between them: blocks, limits, tickets, networks that break, and
programs that are changed under load."""

from support import admin
from support.control import PERHAPS_ALONE
from support.fleet import fleet_of, wait_blocks
from support.scale import count, eventually
from support.site import ADMIN
from support.site import at_the_client, crowd, site  # noqa: F401 - fixtures
from support.upgrades import Knocking
from support.wire import Ending

PLACES = count(40, 20)
BLOCKS = ["first", "known", "second", "third"]
DENIED = "nowhere.test:443"


def metric(proxy, name):
    with proxy.host:
        samples = admin.read_metrics(admin.get((proxy.host.address, ADMIN), "/metrics").body)
    return next(value for (each, _), value in samples.items() if each == name)


def test_a_block_on_one_holds_on_all_and_each_sees_the_others(site):
    one, two, three = site.proxies
    tunnels = [site.tunnel(proxy, site.guest) for proxy in site.proxies]
    entered = site.enter(site.guest)
    other = site.enter()
    at = site.decided(entered.id)[1]["client"]
    assert (at["address"], at["via"]) == (site.client.address, site.balancer.address[0]), at
    two.control.block("guests")
    for proxy, tunnel in zip(site.proxies, tunnels):
        proxy.assert_closed(tunnel.id, "blocked")
    assert entered.read_to_end() == (b"", Ending.FIN)  # the balancer passes no reset on, and has no close_notify to say
    for _ in site.proxies:  # each in turn
        assert "ACCESS_DENIED" in site.front.dial(site.guest).refusal()
    other.echo(b"not meant")
    for proxy in site.proxies:
        said = proxy.control.run("status", "--fleet").stdout
        assert all(fleet_of(each)["instance"][:8] in said for each in site.proxies) and "3 proxies" in said, said
    three.control.unblock("guests")
    wait_blocks([], *site.proxies)
    site.enter(site.guest).echo(b"back again")


def test_of_four_times_as_many_at_once_exactly_as_many_get_in_as_may(site, crowd):
    got = crowd.attempt(4 * PLACES)
    assert 0 < got[200] <= PLACES, got  # on a busy machine others may hear that the store is late
    crowd.fill(PLACES)
    assert site.counting.peak == site.counting.live == PLACES
    for proxy in site.proxies:
        assert crowd.exhaust(proxy) == 0
    for tunnel in crowd.open:
        tunnel.echo(b"works")
    assert int(site.store.hash("t:limited")[b"+"]) == PLACES


def test_a_ticket_of_one_is_good_at_each_other(site):
    first = site.front.connect()
    served = {site.decided(first.ask(DENIED).id)[0]}
    session = first.tls.session
    first.close()
    while len(served) < len(site.proxies):  # each in turn
        again = site.front.dial(session=session).handshake()
        proxy, record = site.decided(again.ask(DENIED).id)
        assert record["tls"]["resumed"] is True
        served.add(proxy)
        again.close()


def test_with_one_away_and_another_cut_off_bounds_hold_and_nothing_is_lost(site, crowd):
    one, two, three = site.proxies
    crowd.fill(PLACES)
    held = sum(fleet_of(proxy)["limits"]["granted"] for proxy in (two, three))
    tunnels = [site.tunnel(proxy) for proxy in site.proxies]
    two.control.block("--force", "known")
    wait_blocks(["client:known"], *site.proxies)
    site.network.pull(three.host)
    site.cut_off(two)
    site.balancer.wait("DOWN", three.host.name)
    one.control.block("known")
    for proxy, block in (one, "first"), (two, "second"), (three, "third"):
        proxy.control.block("--force", block, expected=PERHAPS_ALONE)
    two.control.unblock("known", expected=PERHAPS_ALONE)  # where it is not known that it was said once more
    for proxy, blocks in (one, ["first", "known"]), (two, ["second"]), (three, ["known", "third"]):
        wait_blocks([f"client:{each}" for each in blocks], proxy)
    for _ in site.proxies:
        site.enter().echo(b"by those that are left")
    for proxy in two, three:
        proxy.stderr.wait("the store does not answer")
        assert metric(proxy, "sallyport_store_up") == 0
        assert metric(proxy, "sallyport_fleet_limits_asks") == 0
        assert "the store does not answer" in proxy.control.run("status", "--fleet", expected=1).stderr
        eventually(lambda: fleet_of(proxy)["limits"]["losses"] == 1, "its leases to end")
    share = -(-PLACES // len(site.proxies))
    crowd.exhaust(one)
    crowd.exhaust(two)
    assert len(crowd.open) <= PLACES + held + 2 * share
    for tunnel in tunnels[:2]:
        tunnel.echo(b"goes on")
    site.mend()
    for proxy in site.proxies:
        site.wait_together(proxy)
    wait_blocks([f"client:{block}" for block in BLOCKS], *site.proxies)
    for tunnel in tunnels:
        tunnel.echo(b"after all")
    assert_none_above(site, crowd)
    for proxy in site.proxies:
        assert fleet_of(proxy)["blocks"]["waiting"] == 0
    for block in BLOCKS:
        one.control.unblock(block)
    wait_blocks([], *site.proxies)


def assert_none_above(site, crowd):
    """Nobody gets a place while more are open than may be, and then exactly as many are."""
    site.balancer.wait("UP", *(host.name for host in site.hosts))
    if len(crowd.open) > PLACES:
        for proxy in site.proxies:
            assert crowd.exhaust(proxy) == 0
        crowd.leave(len(crowd.open) - PLACES)
    crowd.leave(3)
    crowd.fill(PLACES)


def test_the_programs_of_all_are_changed_under_load_without_a_lost_tunnel_or_record(site, crowd):
    crowd.fill(PLACES // 2)
    tunnels = [site.enter() for _ in range(6)]
    knocking = Knocking(site.front, site.target)
    for each in site.upgrades:
        knocking.wait_more()
        old = fleet_of(each.proxy)["instance"]
        each.upgrade()
        site.wait_together(each.proxy)
        assert fleet_of(each.proxy)["instance"] != old
        for tunnel in tunnels:
            tunnel.echo(b"after an upgrade")
    knocking.wait_more()
    knocking.stop()
    crowd.fill(PLACES)
    for tunnel in crowd.open:
        tunnel.echo(b"still there")
    crowd.leave()
    for tunnel in tunnels:
        tunnel.close()
    for each in site.upgrades:
        each.wait_old_ended()
    site.check_recorded([*knocking.ids, *(tunnel.id for tunnel in tunnels)])
