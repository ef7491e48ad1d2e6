"""What is measured: each scenario drives one fresh proxy and gives figures.

Owns: the scenarios and their table. A figure is a number under a name; FIGURES says what it means.
CPU is the proxy's own, of all its processes, while the work was done. `Stage` is one fresh proxy with
the load generator in front of it and the origin after it.
"""

import os
import time
from collections import namedtuple

from load import Clients
from measure import Window, descriptors, pss_bytes

KIB = 1024
MIB = 1024 * KIB
SMALL_WINDOW = 64 * KIB  # what clients have that say nothing about it: RFC 9113 6.9.2, curl, nghttp2

# `best` is what a smaller or larger figure means: "less" or "more" is better; "" is only told.
Figure = namedtuple("Figure", "title unit best")

FIGURES = {
    "full": Figure("full handshake + CONNECT + close", "µs CPU", "less"),
    "full_rate": Figure("the same, generator on the same cores", "/s", "more"),
    "resumed": Figure("resumed handshake + CONNECT + close", "µs CPU", "less"),
    "resumed_rate": Figure("the same, generator on the same cores", "/s", "more"),
    "down": Figure("bulk down, 8 tunnels", "ns CPU/B", "less"),
    "up": Figure("bulk up, 8 tunnels", "ns CPU/B", "less"),
    "both": Figure("bulk both ways, 8 tunnels", "ns CPU/B", "less"),
    "records": Figure("bulk down, TLS inside, 8 tunnels", "ns CPU/B", "less"),
    "down_rate": Figure("bulk down, generator on the same cores", "GB/s", "more"),
    "direct_p50": Figure("64-byte round trip without a proxy, p50", "µs", ""),
    "added_p50": Figure("64-byte round trip, 1 tunnel: added p50", "µs", "less"),
    "ping_p99": Figure("64-byte round trip, 1 tunnel: p99", "µs", "less"),
    "ping_p999": Figure("64-byte round trip, 1 tunnel: p99.9", "µs", "less"),
    "ping_cpu": Figure("CPU of a round trip, 1 tunnel", "µs CPU", "less"),
    "ping32_cpu": Figure("CPU of a round trip, 32 tunnels", "µs CPU", "less"),
    "ping32_p50": Figure("64-byte round trip, 32 tunnels: p50", "µs", "less"),
    "ping32_p99": Figure("64-byte round trip, 32 tunnels: p99", "µs", "less"),
    "empty": Figure("empty process", "MiB PSS", "less"),
    "idle": Figure("idle tunnel", "KiB PSS", "less"),
    "used": Figure("idle tunnel after a message", "KiB PSS", "less"),
    "many_usable": Figure("idle tunnels that all echo", "", "more"),
    "many_idle": Figure("idle tunnel, many", "KiB PSS", "less"),
    "many_back": Figure("PSS after closing them, to before", "x", "less"),
    "halfopen": Figure("half-open handshake", "KiB PSS", "less"),
    "halfopen_effect": Figure("good handshake's CPU beside 1,000 half-open", "x", "less"),
    "refused": Figure("refused CONNECT, connection kept", "µs CPU", "less"),
    "refused_kept": Figure("share of refusals that keep the connection", "", ""),
    "reload_s": Figure("reload with many tunnels", "s", "less"),
    "reload_cpu": Figure("reload with many tunnels", "s CPU", "less"),
    "reload_max": Figure("longest echo during it", "ms", "less"),
    "reload_lost": Figure("tunnels lost by it", "", "less"),
    "beside_p50": Figure("64-byte echo beside 8 bulk tunnels: p50", "µs", "less"),
    "beside_p99": Figure("64-byte echo beside 8 bulk tunnels: p99", "µs", "less"),
    "beside_p999": Figure("64-byte echo beside 8 bulk tunnels: p99.9", "µs", "less"),
    "connect": Figure("CONNECT + close on a living session (HTTP/1.1: full handshake)", "µs CPU",
                      "less"),
    "sidecar": Figure("CONNECT + close through a sidecar, both programs (HTTP/1.1: resumed)", "µs CPU",
                      "less"),
    "session_p50": Figure("64-byte echo beside 8 bulk streams of the same session: p50", "µs",
                          "less"),
    "session_p99": Figure("64-byte echo beside 8 bulk streams of the same session: p99", "µs",
                          "less"),
    "resets_p50": Figure("64-byte echo beside 100,000 resets/s offered: p50", "µs", "less"),
    "resets_p99": Figure("64-byte echo beside 100,000 resets/s offered: p99", "µs", "less"),
    "resets_taken": Figure("resets written before the cuts", "/s", ""),
    "resets_after": Figure("CPU of the second after they were cut", "ms CPU", "less"),
    "storm_p50": Figure("64-byte echo beside 1,000 handshakes/s: p50", "µs", "less"),
    "storm_p99": Figure("64-byte echo beside 1,000 handshakes/s: p99", "µs", "less"),
    "storm_max": Figure("64-byte echo beside 1,000 handshakes/s: longest", "ms", "less"),
    "storm_rate": Figure("handshakes done of 1,000/s", "/s", "more"),
}


class Stage:
    """One fresh proxy, its origin, and its clients; all ended by stop()."""

    def __init__(self, peer, origin, binary, leaf, settings):
        self.peer = peer
        self.origin = origin
        self.settings = settings
        self.foreign = []
        self.failed = 0
        self.failure = ""  # the last one
        self._binary = binary
        self._leaf = leaf
        self._clients = []

    def clients(self, window=MIB):
        """Another client process. `window`: of a stream over HTTP/2."""
        mode = f"h2={self.peer.streams},{window}" if self.peer.streams else ""
        clients = Clients(self._binary, self.peer.port, self._leaf,
                          "hello" if self.settings.inner else mode)
        self._clients.append(clients)
        return clients

    def direct(self, kind):
        """A client process that goes past the proxy."""
        clients = Clients(self._binary, self.origin.ports[kind], mode="direct")
        self._clients.append(clients)
        return clients

    def programs(self):
        """A client process of a sidecar, whose programs speak plain HTTP; its cost counts as the proxy's."""
        clients = Clients(self._binary, self.peer.launch_sidecar(), mode="plain")
        self._clients.append(clients)
        return clients

    def window(self):
        ours = [os.getpid(), *self.origin.pids, *self.peer.helpers(), *(one.pid for one in self._clients)]
        return Window(self.peer.pids(), ours)

    def cpu(self, work):
        """Runs work() and gives (its answer, the proxy's CPU seconds)."""
        window = self.window()
        answer = work()
        cpu, foreign = window.end()
        self.foreign.append(foreign)
        self.failed += answer["failed"]
        self.failure = answer.get("failure") or self.failure
        return answer, cpu

    def pss(self):
        return pss_bytes(self.peer.pids())

    def descriptors(self):
        return descriptors(self.peer.pids())

    def stop(self):
        for clients in self._clients:
            clients.stop()


def _each(cpu, count, scale):
    if not count:
        raise RuntimeError("nothing was done")
    return cpu / count * scale


def _storm(stage, kind, at_once=None, clients=None):
    clients = clients or stage.clients()
    target = stage.origin.echoes()
    seconds = stage.settings.seconds
    at_once = at_once or 32
    clients.ask("storm", kind, target, min(0.5, seconds / 4), at_once, 0)
    answer, cpu = stage.cpu(lambda: clients.ask("storm", kind, target, seconds, at_once, 0))
    return _each(cpu, answer["done"], 1e6), answer["done"] / answer["seconds"]


def handshake(stage, at_once=None):
    """Connections that come, open a tunnel, and go."""
    full, full_rate = _storm(stage, "full", at_once)
    return {"full": full, "full_rate": full_rate}


def resumption(stage, at_once=None):
    """The same with a ticket of the connection before."""
    resumed, rate = _storm(stage, "resumed", at_once)
    return {"resumed": resumed, "resumed_rate": rate}


def _bulk(stage, kind, way, tunnels):
    clients = stage.clients()
    clients.ask("open", stage.origin.target(kind), tunnels)
    clients.ask("bulk", way, min(0.5, stage.settings.seconds / 4))
    answer, cpu = stage.cpu(lambda: clients.ask("bulk", way, stage.settings.seconds))
    clients.ask("close")
    moved = answer["down"] + answer["up"]
    return _each(cpu, moved, 1e9), moved / answer["seconds"] / 1e9


def bulk(stage, tunnels=8):
    """As many bytes as will go, one way and both ways."""
    down, rate = _bulk(stage, "source", "down", tunnels)
    return {
        "down": down,
        "down_rate": rate,
        "up": _bulk(stage, "sink", "up", tunnels)[0],
        "both": _bulk(stage, "bulk_echo", "both", tunnels)[0],
    }


def records(stage, tunnels=8):
    """Bytes that look like the records of TLS, whose borders a proxy may have to keep."""
    return {"records": _bulk(stage, "records", "down", tunnels)[0]}


def _ping(stage, tunnels):
    clients = stage.clients()
    clients.ask("open", stage.origin.target("echo"), tunnels)
    clients.ask("ping", 64, 0.2)
    answer, cpu = stage.cpu(lambda: clients.ask("ping", 64, stage.settings.seconds))
    clients.ask("close")
    return answer, _each(cpu, answer["done"], 1e6)


def latency(stage):
    """One small message there and back, again and again."""
    direct = stage.direct("echo")
    direct.ask("open", stage.origin.target("echo"), 1)
    direct.ask("ping", 64, 0.2)
    without = direct.ask("ping", 64, stage.settings.seconds / 2)
    direct.ask("close")
    one, one_cpu = _ping(stage, 1)
    many, many_cpu = _ping(stage, 32)
    return {
        "direct_p50": without["p50_us"],
        "added_p50": one["p50_us"] - without["p50_us"],
        "ping_p99": one["p99_us"],
        "ping_p999": one["p999_us"],
        "ping_cpu": one_cpu,
        "ping32_cpu": many_cpu,
        "ping32_p50": many["p50_us"],
        "ping32_p99": many["p99_us"],
    }


def ping32(stage):
    """Small messages in 32 tunnels."""
    answer, cpu = _ping(stage, 32)
    return {"ping32_cpu": cpu, "ping32_p50": answer["p50_us"], "ping32_p99": answer["p99_us"]}


def connect(stage):
    """Tunnels that are opened and closed at once: over HTTP/2 on one connection that stays."""
    return {"connect": _storm(stage, "full", 32)[0]}


def sidecar(stage):
    """Tunnels of local programs, opened and closed at once: both programs' CPU."""
    if not stage.peer.sidecar:
        return {}
    return {"sidecar": _storm(stage, "full", 32, stage.programs())[0]}


def idle(stage, tunnels=None):
    """Tunnels that are open and do nothing, before and after a message."""
    tunnels = tunnels or stage.settings.tunnels
    clients = stage.clients()
    target = stage.origin.target("echo")
    empty = stage.pss()
    clients.ask("open", target, 8)  # what is allocated once is not the tunnels'
    clients.ask("echo", 1000, 8)
    before = stage.pss()
    opened = clients.ask("open", target, tunnels)
    stage.failed += opened["failed"]
    idle_pss = stage.pss()
    clients.ask("echo", 1000, 64)
    used_pss = stage.pss()
    clients.ask("close")
    return {
        "empty": empty / KIB / KIB,
        "idle": (idle_pss - before) / KIB / tunnels,
        "used": (used_pss - before) / KIB / tunnels,
    }


def many(stage):
    """As many tunnels as one process may have: are they all usable, is the memory given back?"""
    tunnels = stage.settings.many
    clients = stage.clients()
    target = stage.origin.target("echo")
    clients.ask("open", target, 64)
    clients.ask("echo", 1000, 64)
    clients.ask("close")
    before = stage.pss()
    files = stage.descriptors()
    opened = clients.ask("open", target, tunnels)
    idle_pss = stage.pss()
    echoed = clients.ask("echo", 64, 64)
    clients.ask("close")
    wait_descriptors(stage, files)
    return {
        "many_usable": echoed["done"],
        "many_idle": (idle_pss - before) / KIB / max(1, opened["done"]),
        "many_back": stage.pss() / before,
    }


def wait_descriptors(stage, wanted, patience=15):
    """Waits until the proxy has closed what its clients have closed."""
    until = time.monotonic() + patience
    while stage.descriptors() > wanted and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(2.5)  # for memory that is given back a little later


def half_open(stage, count=1000):
    """Clients that say hello and then nothing, and what they do to good ones."""
    good = stage.clients()
    bad = stage.clients()
    target = stage.origin.target("echo")
    seconds = stage.settings.seconds / 2
    good.ask("storm", "full", target, 0.3, 16, 0)
    alone, alone_cpu = stage.cpu(lambda: good.ask("storm", "full", target, seconds, 16, 0))
    before = stage.pss()
    held = bad.ask("halfopen", count)
    pss = stage.pss()
    beside, beside_cpu = stage.cpu(lambda: good.ask("storm", "full", target, seconds, 16, 0))
    bad.ask("abort")
    return {
        "halfopen": (pss - before) / KIB / max(1, held["done"]),
        "halfopen_effect": _each(beside_cpu, beside["done"], 1)
        / _each(alone_cpu, alone["done"], 1),
    }


def refusal(stage):
    """A client that asks, again and again, for what it may not have."""
    clients = stage.clients()
    seconds = stage.settings.seconds
    target = stage.peer.refused
    clients.ask("storm", "refused", target, 0.2, 8, 0)
    answer, cpu = stage.cpu(lambda: clients.ask("storm", "refused", target, seconds, 8, 0))
    return {
        "refused": _each(cpu, answer["done"], 1e6),
        "refused_kept": answer["kept"] / answer["done"],
    }


def reload(stage):
    """A new configuration while many tunnels are open: each is judged again."""
    if not hasattr(stage.peer, "reload"):
        return {}
    tunnels = stage.settings.many
    holder, pinger = stage.clients(), stage.clients()
    target = stage.origin.target("echo")
    holder.ask("open", target, tunnels - 8)
    pinger.ask("open", target, 1)
    pinger.ask("ping", 64, 0.2)
    window = stage.window()  # with nothing but the reload and what follows from it
    stage.peer.reload()
    time.sleep(1)
    cpu, foreign = window.end()
    stage.foreign.append(foreign)
    pinger.begin("ping", 64, 2)
    seconds = stage.peer.reload()
    answer = pinger.answer()
    echoed = holder.ask("echo", 64, 64)
    return {
        "reload_s": seconds,
        "reload_cpu": cpu,
        "reload_max": answer["max_us"] / 1e3,
        "reload_lost": tunnels - 8 - echoed["done"],
    }


def beside_bulk(stage):
    """A small message beside tunnels that take all they can get."""
    mover, pinger = stage.clients(), stage.clients()
    mover.ask("open", stage.origin.target("source"), 8)
    pinger.ask("open", stage.origin.target("echo"), 1)
    seconds = stage.settings.seconds
    mover.begin("bulk", "down", seconds + 0.4)
    pinger.ask("ping", 64, 0.2)
    answer, _cpu = stage.cpu(lambda: pinger.ask("ping", 64, seconds))
    mover.answer()
    return {
        "beside_p50": answer["p50_us"],
        "beside_p99": answer["p99_us"],
        "beside_p999": answer["p999_us"],
    }


def beside_session(stage):
    """A small message beside tunnels of the same client process: over HTTP/2, of the same connection.

    The more a client lets come, the more stands before the small message in its own socket.
    """
    clients = stage.clients(SMALL_WINDOW)
    seconds = stage.settings.seconds
    clients.ask("open", stage.origin.target("source"), 8)
    clients.ask("open", stage.origin.target("echo"), 1)
    clients.ask("beside", 64, 0.4)
    answer, _cpu = stage.cpu(lambda: clients.ask("beside", 64, seconds))
    return {"session_p50": answer["p50_us"], "session_p99": answer["p99_us"]}


def resets(stage):
    """A small message of one client beside another that opens streams and resets them, and comes back when it is cut."""
    if not stage.peer.streams:
        return {}
    hostile, pinger = stage.clients(), stage.clients()
    seconds = stage.settings.seconds
    pinger.ask("open", stage.origin.target("echo"), 1)
    pinger.ask("ping", 64, 0.2)
    hostile.begin("resets", stage.origin.target("echo"), seconds + 0.4, 100000)
    time.sleep(0.2)
    answer, _cpu = stage.cpu(lambda: pinger.ask("ping", 64, seconds))
    taken = hostile.answer()
    window = stage.window()
    time.sleep(1)
    after, _foreign = window.end()
    return {
        "resets_p50": answer["p50_us"],
        "resets_p99": answer["p99_us"],
        "resets_taken": taken["done"] / taken["seconds"],
        "resets_after": after * 1e3,
    }


def storm(stage):
    """A small message beside a thousand handshakes a second."""
    comer, pinger = stage.clients(), stage.clients()
    target = stage.origin.target("echo")
    pinger.ask("open", target, 1)
    seconds = stage.settings.seconds
    comer.begin("storm", "full", target, seconds + 0.4, 400, 1000)
    pinger.ask("ping", 64, 0.2)
    answer, _cpu = stage.cpu(lambda: pinger.ask("ping", 64, seconds))
    came = comer.answer()
    return {
        "storm_p50": answer["p50_us"],
        "storm_p99": answer["p99_us"],
        "storm_max": answer["max_us"] / 1e3,
        "storm_rate": min(1000.0, came["done"] / (seconds + 0.4)),
    }


# In the order of the table. The second list costs more time, and runs when it is asked for.
SCENARIOS = {
    "handshake": handshake,
    "resumption": resumption,
    "bulk": bulk,
    "records": records,
    "latency": latency,
    "idle": idle,
    "many": many,
    "halfopen": half_open,
    "refusal": refusal,
    "reload": reload,
    "beside_bulk": beside_bulk,
    "storm": storm,
}

# Those of HTTP/2, beside HTTP/1.1.
HTTP2 = {
    "connect": connect,
    "sidecar": sidecar,
    "idle": idle,
    "bulk": bulk,
    "ping32": ping32,
    "beside_session": beside_session,
    "resets": resets,
}

# Those of a way through a parent.
PARENTS = {
    "connect": connect,
    "idle": idle,
    "bulk": bulk,
    "ping32": ping32,
}

# Likewise, beside others.
BESIDE = {
    "handshake": handshake,
    "bulk": bulk,
}

# How the cost grows: scenario, the sizes, and the figures to look at.
GROWTH = {
    "handshake": ("connections at once", (8, 32, 128), ("full",)),
    "resumption": ("connections at once", (8, 32, 128), ("resumed",)),
    "bulk": ("tunnels", (1, 8, 64), ("down", "up", "both")),
    "records": ("tunnels", (1, 8, 64), ("records",)),
    "idle": ("tunnels", (1000, 3000, 9000), ("idle", "used")),
    "halfopen": ("half-open", (500, 1000, 2000), ("halfopen", "halfopen_effect")),
}
