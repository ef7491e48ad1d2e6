"""A fleet on several hosts: proxies after HAProxy, which passes clients' addresses on, a store beyond them that is reached over TLS, an
origin, and a host that the clients come from. Each has its own network (support/hosts.py)."""

import csv
import io
import os
import secrets
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.config import client, reach
from support.control import CONTROL
from support.dns import DnsServer
from support.fleet import Redis, fleet_of, state_of
from support.hosts import Network
from support.origin import Origin, echo
from support.pki import SERVER_AUTH
from support.proxy import Door
from support.scale import PATIENCE, eventually
from support.store import free_port
from support.upgrades import start_upgradable
from support.wire import connect_head

PORT, ADMIN = 8443, 9443
LIMITED = "limited"  # the client whose tunnels are counted over the fleet

HAPROXY = """
global
    maxconn 9000
    stats socket {folder}/haproxy.sock mode 600 level admin
defaults
    mode tcp
    maxconn 8000
    retries 3
    option redispatch 1
    timeout connect 2s
    timeout queue 30s
    timeout check 2s
    timeout client 10m
    timeout server 10m
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
listen front
    bind {address}:{port}
    balance roundrobin
    default-server send-proxy-v2 check port {admin} inter 200ms fall 3 rise 2
{servers}
"""


class RemoteStore(Redis):
    """A store on a host of its own: proxies reach it over TLS."""

    def __init__(self, folder, host, pki):
        leaf = pki.server_ca.leaf("store", dns=("store.test",), usages=(SERVER_AUTH,))
        self.host = host
        with host:
            super().__init__(
                folder,
                **{
                    "bind": f"127.0.0.1|{host.address}",
                    "protected-mode": "no",
                    "tls-cert-file": leaf.chain,
                    "tls-key-file": leaf.key,
                    "tls-ca-cert-file": pki.ca.path,
                    "tls-auth-clients": "no",
                },
            )
            self.options["tls-port"] = free_port()

    @property
    def address(self):
        return f"{self.host.address}:{self.options['tls-port']}"

    def start(self, *before):
        with self.host:
            return super().start(*before)

    def ask(self, *words):
        with self.host:
            return super().ask(*words)


class Balancer:
    """HAProxy in front of the proxies."""

    def __init__(self, folder, host, proxies):
        self._socket = str(folder / "haproxy.sock")
        self.address = (host.address, PORT)
        servers = "\n".join(f"    server {each.name} {each.address}:{PORT}" for each in proxies)
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(folder=folder, address=host.address, port=PORT, admin=ADMIN, servers=servers))
        with host, open(folder / "haproxy.out", "wb") as output:
            self._process = subprocess.Popen(
                ["/usr/sbin/haproxy", "-db", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        eventually(lambda: os.path.exists(self._socket) or self._process.poll() is not None, "HAProxy to listen")
        assert self._process.poll() is None, (folder / "haproxy.out").read_text()

    def states(self):
        """What it thinks of each server: UP, DOWN, or on the way."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(self._socket)
            asking.sendall(b"show stat\n")
            with asking.makefile("r", encoding="ascii") as said:
                rows = list(csv.DictReader(io.StringIO(said.read())))
        return {row["svname"]: row["status"] for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")}

    def wait(self, state, *names):
        eventually(lambda: all(self.states()[name].startswith(state) for name in names), f"HAProxy to see {names} {state}")

    def stop(self):
        self._process.terminate()
        self._process.wait(PATIENCE)


class Crowd:
    """Clients of one limit: what they have open, and what they were answered."""

    def __init__(self, site):
        self._site = site
        self._leaf = site.limited
        self.open = []

    def attempt(self, count, door=None, at_once=16):
        """Connects so many clients, has all of them ask at once, and gives how many got which status."""
        door = door or self._site.front
        with ThreadPoolExecutor(at_once) as pool:
            comers = list(pool.map(lambda _: door.connect(self._leaf), range(count)))
        for comer in comers:
            comer.send(connect_head(self._site.counted))
        got = {}
        for comer in comers:
            status = comer.read_answer().status
            got[status] = got.get(status, 0) + 1
            if status == 200:
                self.open.append(comer)
            else:
                comer.close()
                door.forget(comer)
        assert set(got) <= {200, 429, 503}, got
        return got

    def fill(self, limit, door=None):
        """Until all places are taken: what is idle on one proxy goes to the others after one was refused."""

        def is_full():
            missing = limit - len(self.open)
            self.attempt(missing if limit < self._site.tunnels else max(missing, 3), door)
            assert len(self.open) <= limit, f"{len(self.open)} of {limit}: {self._site.limits()}"
            return len(self.open) == limit

        eventually(is_full, lambda: f"{limit} tunnels; there are {len(self.open)}: {self._site.limits()}")

    def exhaust(self, door):
        """Until one proxy refuses; how many it gave."""
        before, got = len(self.open), {}
        eventually(lambda: got.update(self.attempt(1, door)) or 429 in got, "a refusal")
        return len(self.open) - before

    def leave(self, count=None):
        for _ in range(len(self.open) if count is None else count):
            self.open.pop().close()


class Site:
    """All of it. At the start each proxy knows the others. Tests are at the host `client`."""

    def __init__(self, start, pki, folder, tunnels, count=3):
        self.tunnels = tunnels  # the limit of the client LIMITED
        self.folder, self._start, self._pki = folder, start, pki
        self.network = Network()
        self.client, balancer, store, self.beyond = map(self.network.host, ("client", "balancer", "store", "beyond"))
        self.hosts = [self.network.host(f"proxy-{number}") for number in range(1, count + 1)]
        self.guest, self.limited = pki.ca.leaf("guest"), pki.ca.leaf(LIMITED)
        self.store = RemoteStore(folder, store, pki).start()
        with self.beyond:
            self.dns = DnsServer(self.beyond.address)
            self.origin, self.counting = Origin(echo, self.beyond.address), Origin(echo, self.beyond.address)
        self.dns.addresses("origin.test", self.beyond.address, ttl=300)
        self.target = f"origin.test:{self.origin.port}"
        self.counted = f"origin.test:{self.counting.port}"
        self._key = folder / "fleet.key"
        self._key.write_text(secrets.token_hex(32) + "\n")
        self._key.chmod(0o600)
        self._balancer_address = balancer.address
        self.upgrades = [self.start_proxy(host) for host in self.hosts]
        self.proxies = [each.proxy for each in self.upgrades]
        self.past = []  # proxies that have ended
        self.balancer = Balancer(folder, balancer, self.hosts)
        self.front = Door(pki, {"front": self.balancer.address})
        for proxy in self.proxies:
            self.wait_together(proxy)

    def start_proxy(self, host, **more):
        folder = self.folder / host.name
        folder.mkdir(exist_ok=True)
        with host:
            made = start_upgradable(self._start, folder, *self._clients(), folder=folder, **{**self._config(host), **more})
        made.proxy.control, made.proxy.host = made.control, host
        return made

    def replace(self, number):
        """A proxy that has ended is started again on its host: another process, with what is kept there."""
        self.past.append(self.proxies[number])
        self.upgrades[number] = self.start_proxy(self.hosts[number])
        self.proxies[number] = self.upgrades[number].proxy
        self.wait_together(self.proxies[number])

    def _clients(self):
        where = (f"{self.beyond.address}/32",)
        rule = reach("origin.test", self.origin.port, addresses=where)
        counted = reach("origin.test", self.counting.port, addresses=where)
        limits = {"scope": "fleet", "tunnels": self.tunnels}
        return (
            client(rule, name="guests", match=[{"cn": "guest"}]),
            client(counted, name=LIMITED, match=[{"cn": LIMITED}], limits=limits),
            client(rule),
        )

    def _config(self, host):
        listener = {
            "name": "main",
            "address": f"{host.address}:{PORT}",
            "certificates": [{"chain": self._pki.server.chain, "key": self._pki.server.key}],
            "trust": "staff",
            "proxy_protocol": {"from": [self._balancer_address]},
        }
        tls = {"ca": self._pki.server_ca.path, "name": "store.test"}
        return {
            "listeners": [listener],
            "resolver": {"servers": [self.dns.endpoint], "timeout": "10s"},
            "control": CONTROL,
            # Clients that ask at once wait for each other, and this server of names for a busy machine.
            "timeouts": {"request": "2m", "resolve": "30s"},
            "admin": {
                "address": f"{host.address}:{ADMIN}",
                "open": ["readyz", "metrics"],
                "from": [self._balancer_address, host.address],
            },
            "shared": {"valkey": self.store.address, "key_file": str(self._key), "tls": tls},
        }

    # -- what is asked of all -----------------------------------------------------------------

    def wait_together(self, proxy):
        """Until a proxy has compared its blocks, may give places, shares tickets and knows all others."""

        def is_together():
            fleet, count = fleet_of(proxy), len(self.proxies)
            known = fleet["members_count"] >= count and fleet["limits"]["members"] >= count  # old processes, too
            return known and fleet["limits"]["asks"] and fleet["blocks"]["compared"] and fleet["tickets"]["shared"]

        eventually(is_together, lambda: f"{proxy.host.name} to be one of all: {fleet_of(proxy)}")
        eventually(lambda: state_of(proxy)["v"] == 2 and state_of(proxy)["store"], "its file to say so")

    def wait_apart(self, *proxies):
        for proxy in proxies:
            eventually(lambda: not fleet_of(proxy)["limits"]["asks"], f"{proxy.host.name} to have lost the store")

    def limits(self):
        """What each proxy says of limits."""
        return {proxy.host.name: fleet_of(proxy)["limits"] for proxy in self.proxies}

    def decided(self, id):
        """The proxy that had the request, and its decision."""

        def find():
            found = [(proxy, record) for proxy in self.proxies for record in proxy.audit.records("decision", id=id)]
            return found and found[0]

        return eventually(find, f"a decision about {id}")

    def check_recorded(self, ids):
        """Each has one decision and one end, in the log of the same proxy, and ended as its client wanted; all proxies had some."""
        wanted, logs = set(ids), {proxy: proxy.audit for proxy in self.proxies}
        assert len(wanted) == len(ids)

        def find(event):
            return [(r["id"], proxy, r) for proxy, log in logs.items() for r in log.records(event) if r["id"] in wanted]

        eventually(lambda: len(find("close")) >= len(wanted), lambda: f"{len(wanted)} ends, there are {len(find('close'))}")
        closes = find("close")
        assert {(id, proxy) for id, proxy, _ in find("decision")} == {(id, proxy) for id, proxy, _ in closes}
        assert len(closes) == len(find("decision")) == len(wanted)
        assert {record["reason"] for _, _, record in closes} == {"client_closed"}
        assert {proxy for _, proxy, _ in closes} == set(self.proxies)

    def tunnel(self, proxy, identity="worker"):
        """A tunnel through one proxy, not by way of the balancer."""
        return proxy.tunnel(self.target, identity)

    def enter(self, identity="worker"):
        """A tunnel by way of the balancer."""
        return self.front.tunnel(self.target, identity)

    def leave(self):
        """All clients go, and all that they had is closed beyond the proxies too."""
        for door in (self.front, *self.proxies):
            door.close_clients()
        for origin in self.origin, self.counting:
            origin.wait_idle()

    # -- faults -------------------------------------------------------------------------------

    def cut_off(self, *proxies):
        """They do not reach the store any more; clients reach them."""
        self.store.host.lose(*(f"ip saddr {proxy.host.address}" for proxy in proxies))

    def mend(self):
        self.store.host.lose_nothing()
        self.network.plug(*self.network.hosts)

    def close(self):
        self.front.close_clients()
        self.mend()
        for each in self.upgrades:
            each.proxy.stop(expected=None)
        self.balancer.stop()
        self.store.kill()
        with self.beyond:
            self.dns.stop()
        for origin in self.origin, self.counting:
            origin.stop()
        self.kill()

    def kill(self):
        """For one whose end has failed, too."""
        for each in self.upgrades:
            each.kill()
        self.network.close()


@pytest.fixture(scope="module")
def site(request, start_shared, pki, tmp_path_factory):
    """One for all tests of a module, which says how many PLACES its client has."""
    made = Site(start_shared, pki, tmp_path_factory.mktemp("site"), request.module.PLACES)
    try:
        yield made
        made.close()
    finally:
        made.kill()


@pytest.fixture(autouse=True)
def at_the_client(site):
    """Tests run on the clients' host, and leave the site as it was."""
    with site.client:
        yield
        site.mend()
        site.leave()


@pytest.fixture
def crowd(site):
    return Crowd(site)
