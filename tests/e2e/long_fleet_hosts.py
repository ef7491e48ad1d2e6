"""A fleet on several hosts for longer: 2,000 clients at once for 500 places, how soon a block holds, what a store's end costs, and networks
that break in every way again and again while programs are changed.

Not part of CI for its time: `tools/test --long` runs it. test_fleet_hosts.py is the small one. It prints its seed and the figures of
docs/FLEET.md, which depend on the machine; SALLYPORT_LONG_SEED repeats what the seed chooses.
"""

import os
import random
import select
import statistics
import time

from support.control import PERHAPS_ALONE
from support.fleet import blocks_of, fleet_of, wait_blocks
from support.scale import eventually
from support.site import at_the_client, crowd, site  # noqa: F401 - fixtures
from support.upgrades import Knocking

PLACES, ATTEMPTS = 500, 2000
BLOCKS = 40
ENDS = 10
ROUNDS = int(os.environ.get("SALLYPORT_LONG_TIMES", "12"))
HOLDS_S = 2.0
SEED = int(os.environ.get("SALLYPORT_LONG_SEED", time.time_ns() % 1_000_000))


def tell(what, seconds):
    seconds = sorted(seconds)
    print(f"\n{what}: median {statistics.median(seconds):.3f} s, longest {seconds[-1]:.3f} s of {len(seconds)}")


def test_two_thousand_at_once_get_five_hundred_places(site, crowd):
    begun = time.monotonic()
    got = crowd.attempt(ATTEMPTS)
    took = time.monotonic() - begun
    print(f"\n{ATTEMPTS} at once, {PLACES} places: {got} in {took:.1f} s")
    assert got[200] <= PLACES, got
    crowd.fill(PLACES)
    assert site.counting.peak == site.counting.live == PLACES
    for proxy in site.proxies:
        assert crowd.exhaust(proxy) == 0
    crowd.leave(100)
    crowd.fill(PLACES)
    questions = sum(fleet_of(proxy)["limits"]["questions"] for proxy in site.proxies)
    print(f"questions to the store: {questions}, for {ATTEMPTS + 100} attempts")
    assert int(site.store.hash("t:limited")[b"+"]) == PLACES


def test_how_soon_a_block_holds_everywhere(site):
    dice = random.Random(SEED)
    print(f"\nseed {SEED}")
    there = []
    for _ in range(BLOCKS):
        given = dice.choice(site.proxies)
        tunnels = [site.tunnel(proxy, site.guest) for proxy in site.proxies if proxy is not given]
        time.sleep(dice.random() / 2)  # anywhere between two beats
        begun = time.monotonic()
        given.control.block("guests")
        for tunnel in tunnels:
            assert select.select([tunnel.sock], [], [], 20)[0]
        there.append(time.monotonic() - begun)
        given.control.unblock("guests")
        wait_blocks([], *site.proxies)
    tell("until a block on one of three has ended the tunnels on both others", there)
    assert max(there) <= HOLDS_S


def test_what_the_end_of_the_store_costs(site):
    ready, merged = [], []
    for number in range(ENDS):
        one, two, three = site.proxies
        site.store.kill()
        site.wait_apart(*site.proxies)
        one.control.block("--force", f"one-{number}", expected=PERHAPS_ALONE)
        three.control.block("--force", f"three-{number}", expected=PERHAPS_ALONE)
        time.sleep(6 if number % 2 else 0)  # proxies try again after ever longer pauses
        begun = time.monotonic()
        site.store.start()  # it has lost everything
        waiting = set(site.proxies)
        while waiting:
            waiting -= {proxy for proxy in waiting if fleet_of(proxy)["limits"]["asks"]}
        ready.append(time.monotonic() - begun)
        wait_blocks([f"client:{name}-{number}" for name in ("one", "three")], *site.proxies)
        merged.append(time.monotonic() - begun)
        one.control.unblock(f"one-{number}")
        two.control.unblock(f"three-{number}")
        wait_blocks([], *site.proxies)
    tell("from the store's start, after kill -9, until all three have places to give", ready)
    tell("likewise until blocks that were made on two meanwhile hold on all", merged)


class Faults:
    """Ways in which the network breaks: what it is called, and who does not reach the store then."""

    def __init__(self, site, dice):
        self.site, self.dice = site, dice
        self.kinds = [self.one_cable, self.one_cut_off, self.two_cut_off, self.store_cable, self.all_cut_off, self.both, self.flaps]

    def one_cable(self):
        proxy = self.dice.choice(self.site.proxies)
        self.site.network.pull(proxy.host)
        return [proxy]

    def one_cut_off(self):
        proxy = self.dice.choice(self.site.proxies)
        self.site.cut_off(proxy)
        return [proxy]

    def two_cut_off(self):
        proxies = self.dice.sample(self.site.proxies, 2)
        self.site.cut_off(*proxies)
        return proxies

    def store_cable(self):
        self.site.network.pull(self.site.store.host)
        return self.site.proxies

    def all_cut_off(self):
        self.site.cut_off(*self.site.proxies)
        return self.site.proxies

    def both(self):
        """A proxy has lost everything, and the others the store."""
        self.site.network.pull(self.dice.choice(self.site.proxies).host)
        return self.all_cut_off()

    def flaps(self):
        """It comes and goes, faster than anybody can tell."""
        for _ in range(6):
            proxy = self.dice.choice(self.site.proxies)
            self.site.cut_off(proxy)
            time.sleep(self.dice.random())
            self.site.mend()
            time.sleep(self.dice.random() / 2)
        return self.one_cut_off()


def test_networks_that_break_in_every_way_lose_nothing(site, crowd):
    dice = random.Random(SEED + 1)
    print(f"\nseed {SEED}")
    faults, standing, back = Faults(site, dice), set(), []
    for number in range(ROUNDS):
        fault = faults.kinds[number % len(faults.kinds)]
        crowd.fill(PLACES)
        tunnels = [site.tunnel(proxy) for proxy in site.proxies]
        held = {proxy: fleet_of(proxy)["limits"]["granted"] for proxy in site.proxies}
        cut = fault()
        site.wait_apart(*cut)
        # Something new on each, and, on one that is cut off, the end of something that all know.
        for proxy in site.proxies:
            name = f"{number}-{proxy.host.name}"
            proxy.control.block("--force", name, expected=PERHAPS_ALONE)
            standing.add(f"client:{name}")
        if known := sorted(set(blocks_of(cut[0])) & standing - {f"client:{number}-{cut[0].host.name}"}):
            gone = dice.choice(known)
            cut[0].control.unblock(gone.removeprefix("client:"), expected=PERHAPS_ALONE)
            standing.discard(gone)
        for proxy in site.proxies:
            if fault not in (faults.one_cable, faults.both):  # clients reach all of them
                crowd.exhaust(proxy)
        share = -(-PLACES // len(site.proxies))
        bound = PLACES + sum(held[proxy] + share for proxy in cut)
        assert len(crowd.open) <= bound, f"{fault.__name__}: {len(crowd.open)} of {bound}"
        pause = dice.choice((0, 2, 8))  # leases end after five seconds, and who is away is taken for dead after seven
        time.sleep(pause)
        left = [proxy for proxy in site.proxies if proxy not in cut]
        if pause == 8 and fault is not faults.both:
            for proxy in left:
                eventually(lambda: fleet_of(proxy)["members_count"] == len(left), "those that are left to know it")
        site.mend()
        begun = time.monotonic()
        wait_blocks(standing, *site.proxies)
        back.append(time.monotonic() - begun)
        for proxy in site.proxies:
            site.wait_together(proxy)
        for tunnel in tunnels:
            tunnel.echo(b"after all")
            tunnel.close()
        open_then = len(crowd.open)
        if open_then > PLACES:
            assert crowd.exhaust(dice.choice(site.proxies)) == 0
            crowd.leave(open_then - PLACES)
        crowd.leave(50)
        print(f"{fault.__name__}: {open_then} tunnels of {bound}; blocks were merged after {back[-1]:.2f} s")
    crowd.fill(PLACES)
    tell("from the mending of the network until all proxies know the same blocks", back)
    for block in blocks_of(site.proxies[0]):
        site.proxies[0].control.unblock(block.removeprefix("client:"))
    wait_blocks([], *site.proxies)


def test_programs_are_changed_three_times_around_under_load(site, crowd):
    crowd.fill(PLACES // 2)
    tunnels = [site.enter() for _ in range(100)]
    knocking = Knocking(site.front, site.target, count=4)
    for _ in range(3):
        for each in site.upgrades:
            knocking.wait_more(50)
            each.upgrade()
            site.wait_together(each.proxy)
            for tunnel in tunnels:
                tunnel.echo(b"after an upgrade")
    knocking.stop()
    crowd.fill(PLACES)
    for tunnel in (*crowd.open, *tunnels):
        tunnel.echo(b"still there")
        tunnel.close()
    for each in site.upgrades:
        each.wait_old_ended()
    site.check_recorded([*knocking.ids, *(tunnel.id for tunnel in tunnels)])
    print(f"\n9 upgrades: {knocking.served} clients came meanwhile, {len(tunnels) + PLACES} tunnels went on")


def test_hosts_are_drained_and_started_again_one_after_the_other_under_load(site):
    """Clients that come by way of the balancer never see it: it tries another proxy."""
    knocking = Knocking(site.front, site.target, count=4)
    for number, host in enumerate(site.hosts):
        knocking.wait_more(50)
        before = site.upgrades[number]
        before.control.run("drain", "--wait", "--lame-duck", "3s", patience=60)
        before.proxy.stop()
        site.replace(number)
        site.balancer.wait("UP", host.name)
    knocking.wait_more(50)
    knocking.stop()
    site.check_recorded(knocking.ids)
    print(f"\n3 hosts were drained and started again: {knocking.served} clients came meanwhile")
