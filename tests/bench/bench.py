#!/usr/bin/python3
"""Measures the proxies beside each other; called by tools/bench, in a network of its own.

Owns: rounds, their order, what is told on the way, and that everything that was started is ended.
Every proxy is started again for each scenario of each round; the order of the proxies turns with the
rounds, so that no one always has the quiet moment.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(os.path.dirname(FOLDER), "e2e")]

# pylint: disable=wrong-import-position
import peers as proxies  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402
import svg  # noqa: E402
from credentials import Credentials  # noqa: E402
from load import Origin  # noqa: E402

TIME_LIMIT_S = 3 * 3600
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"  # of the network that all of this runs in


class Timeout(Exception):
    """The whole run has taken too long."""


def talk(text):
    print(text, file=sys.stderr, flush=True)


def parse(argv):
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__.split("\n", 1)[0])
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO",
                        help="of: " + " ".join(scenarios.SCENARIOS) + "; with --http2 of: "
                        + " ".join(scenarios.HTTP2) + "; all when none is named")
    parser.add_argument("--quick", action="store_true",
                        help="one round, short windows, 3,000 tunnels for 9,000: some three minutes")
    parser.add_argument("--rounds", type=int, help="fresh processes and windows each (default 3)")
    parser.add_argument("--seconds", type=float, help="of a window (default 3)")
    parser.add_argument("--peers", help="comma-separated: "
                        + ",".join(peer.name for peer in proxies.PEERS) + "; with --http2: "
                        + ",".join(peer.name for peer in proxies.HTTP2))
    parser.add_argument("--growth", action="store_true",
                        help="how the cost grows with the number of connections, instead")
    parser.add_argument("--inner", action="store_true",
                        help="sallyport beside itself, with tunnels that begin with a ClientHello: "
                        "nobody looks at it, it is observed, it is required")
    parser.add_argument("--observed", action="store_true",
                        help="sallyport beside itself: nothing on, with a chain and metrics, and with sinks beside that")
    parser.add_argument("--busy-poll", action="store_true",
                        help="sallyport beside itself: with workers that sleep at once, and that look "
                        "for work before; scenarios of: latency handshake bulk")
    parser.add_argument("--keys", action="store_true",
                        help="sallyport beside itself: with its private key in the process that serves, and apart")
    parser.add_argument("--parents", action="store_true",
                        help="sallyport beside itself: without a parent, and through one; scenarios of: "
                        + " ".join(scenarios.PARENTS))
    parser.add_argument("--parents-beside", action="store_true",
                        help="sallyport through a parent over TLS, beside others that go through one; scenarios of: "
                        + " ".join(scenarios.BESIDE))
    parser.add_argument("--http2", action="store_true",
                        help="HTTP/2 of sallyport beside its HTTP/1.1, and others' HTTP/2")
    parser.add_argument("--against", metavar="BINARY",
                        help="another build of sallyport, measured as a peer of its own")
    parser.add_argument("--against-title", metavar="TEXT", default="other build", help="its column's")
    parser.add_argument("--first", action="store_true",
                        help="run before all other programs of the machine (root; nice -20): for "
                        "latencies on one that is not quiet")
    parser.add_argument("--congestion", metavar="NAME[,NAME]",
                        help="all of it with this congestion control of the kernel (reno, cubic, bbr), or once with each; "
                        "without, the machine's")
    parser.add_argument("--json", metavar="FILE", help="all samples")
    parser.add_argument("--svg", metavar="FILE", help="the table as a picture")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    options = parser.parse_args(argv)
    options.scenarios = (scenarios.PARENTS if options.parents else
                         scenarios.BESIDE if options.parents_beside else
                         scenarios.HTTP2 if options.http2 else scenarios.SCENARIOS)
    unknown = set(options.scenario) - set(options.scenarios)
    if unknown:
        parser.error("no such scenario: " + " ".join(sorted(unknown)))
    options.congestion = options.congestion.split(",") if options.congestion else [read_congestion()]
    if len(options.congestion) > 1 and (options.json or options.svg):
        parser.error("--json and --svg take one --congestion")
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1.0 if options.quick else 3.0)
    options.tunnels = 1000 if options.quick else 3000
    options.many = min(3000 if options.quick else 9000, most_tunnels())
    return options


def read_congestion():
    with open(CONGESTION, encoding="ascii") as file:
        return file.read().strip()


def set_congestion(name):
    """Connections that are made from now on have it, on both ends: the network is ours alone."""
    if name == read_congestion():
        return
    try:
        with open(CONGESTION, "w", encoding="ascii") as file:
            file.write(name)
    except OSError as error:
        raise SystemExit(f"bench: no congestion control {name!r} here: {error.strerror}; "
                         "`sysctl net.ipv4.tcp_available_congestion_control` names them, and root may take any") from error


def most_tunnels():
    """What one client gets: a tunnel has two descriptors, and one client at most half of them all."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return (descriptors - 200) // 4


def chosen_peers(options):
    wanted = options.peers.split(",") if options.peers else None
    if options.inner:
        return proxies.INNER
    if options.observed:
        return proxies.OBSERVED
    if options.keys:
        return proxies.KEYS
    if options.busy_poll:
        return proxies.BUSY_POLL
    if options.parents:
        return proxies.PARENTS
    known = (proxies.HTTP2 if options.http2 else
             proxies.BESIDE if options.parents_beside else proxies.PEERS)
    chosen = [peer for peer in known if wanted is None or peer.name in wanted]
    if options.against:
        chosen.insert(1, type("Against", (known[0],), {
            "name": report.AGAINST, "title": options.against_title, "binary": options.against}))
    return chosen


class Run:
    """One call of the program."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.binary = os.environ["BENCH_LOAD"]
        pki = os.path.join(folder, "pki")
        os.mkdir(pki)
        self.pki = Credentials(pki)
        self.results = report.Results()
        self.missing = set()
        self._count = 0

    def measure(self, peer_class, work):
        """Figures of work(stage) with a fresh proxy; {} where that is not there."""
        self._count += 1
        folder = os.path.join(self.folder, f"{self._count}-{peer_class.name}")
        os.mkdir(folder)
        origin = Origin(self.binary, peer_class.host)
        peer, stage = peer_class(folder, self.pki, origin), None
        try:
            peer.start()
            stage = scenarios.Stage(peer, origin, self.binary, self.pki.client, self.options)
            figures = work(stage)
            self.results.foreign += stage.foreign
            self.note(peer_class, stage)
            return figures
        except proxies.NotThere as reason:
            talk(f"  {peer_class.name}: left out: {reason}")
            self.missing.add(peer_class.name)
        except RuntimeError as reason:
            self.results.problems.append(f"{peer_class.name}: {reason}")
            talk(f"  {peer_class.name}: {reason}")
        finally:
            if stage:
                stage.stop()
            peer.stop()
            origin.stop()
            shutil.rmtree(folder, ignore_errors=True)
        return {}

    def note(self, peer_class, stage):
        if stage.failed:
            said = f"{peer_class.name}: {stage.failed} failed connections; the last one: {stage.failure or 'unknown'}"
            self.results.problems.append(said)
            talk(f"  {said}")

    def table(self, chosen):
        """All scenarios, interleaved."""
        names = self.options.scenario or list(self.options.scenarios)
        for turn in range(self.options.rounds):
            for name in names:
                order = chosen[turn % len(chosen):] + chosen[:turn % len(chosen)]
                talk(f"round {turn + 1} of {self.options.rounds}: {name}")
                for peer in order:
                    if peer.name in self.missing:
                        continue
                    figures = self.measure(peer, self.options.scenarios[name])
                    self.results.add(peer.name, figures)
                    told = ", ".join(f"{key} {report.number(value)}"
                                     for key, value in figures.items())
                    talk(f"  {peer.name}: {told}")
        return [peer for peer in chosen if peer.name not in self.missing]

    def growth(self, chosen):
        """Rows of scenario, size and peers' medians."""
        names = [name for name in self.options.scenario or scenarios.GROWTH
                 if name in scenarios.GROWTH]
        samples = {}
        for turn in range(self.options.rounds):
            for name in names:
                word, sizes, figures = scenarios.GROWTH[name]
                sizes = sorted({min(size, most_tunnels()) for size in sizes})
                for size in sizes:
                    for peer in chosen:
                        if peer.name in self.missing:
                            continue
                        talk(f"round {turn + 1}: {name}, {size} {word}: {peer.name}")
                        found = self.measure(
                            peer, lambda stage: scenarios.SCENARIOS[name](stage, size))
                        for figure in figures:
                            if figure in found:
                                samples.setdefault((figure, word, size), {}).setdefault(
                                    peer.name, []).append(found[figure])
        chosen = [peer for peer in chosen if peer.name not in self.missing]
        yield ["", "unit", "size", *[peer.title for peer in chosen]]
        for (figure, word, size), found in samples.items():
            meaning = scenarios.FIGURES[figure]
            cells = [report.number(report.median(found[peer.name])) if peer.name in found else "-"
                     for peer in chosen]
            # The title of the table has the size that is usual there.
            title = meaning.title.replace(", 8 tunnels", "").replace(" 1,000 half-open", " them")
            yield [title, meaning.unit, f"{size} {word}", *cells]


def library():
    """What Sallyport is built with, as it says itself."""
    said = subprocess.run([os.environ["SALLYPORT_BIN"], "version"], capture_output=True, text=True, check=True).stdout
    return next(line for line in said.splitlines() if line.startswith("BoringSSL"))


def about(options, run):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    foreign = sorted(run.results.foreign) or [float("nan")]  # no scenario that looks at CPU
    return {
        "cores": os.cpu_count(),
        "cpu": models[0] if models else "?",
        "kernel": platform.release(),
        "congestion": read_congestion(),
        "library": library(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "foreign_cores_median": foreign[len(foreign) // 2],
        "foreign_cores_max": foreign[-1],
        "date": time.strftime("%Y-%m-%d"),
    }


def finish(options, run, chosen):
    facts = about(options, run)
    rows = list(run.results.rows(chosen, is_relative=options.inner or options.observed or options.keys or options.busy_poll or options.parents
                                    or options.parents_beside or options.http2))
    print(report.as_markdown(rows) if options.markdown else report.as_text(rows), end="")
    print(f"\n{facts['cores']} cores, {facts['cpu']}, kernel {facts['kernel']}, {facts['congestion']}; {facts['library']}; "
          f"{facts['rounds']} rounds, {facts['seconds']} s a window; others used "
          f"{facts['foreign_cores_median']:.2f} cores (median; at most "
          f"{facts['foreign_cores_max']:.2f}) meanwhile")
    for problem in run.results.problems:
        print("problem: " + problem)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(run.results.as_json(facts), file, indent=1)
            file.write("\n")
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(svg.draw(run.results, chosen))


def go_first():
    """Before all others: by the group of this session where the kernel has such, and by itself."""
    if os.getsid(0) != os.getpid():  # or it is this process's own already
        os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write("-20")
    except OSError:
        pass  # no such groups here: the nice value alone counts


def on_alarm(_number, _frame):
    raise Timeout("the whole run has taken too long")


def measure(options, folder):
    """All that was asked for, once; what could not be measured."""
    run = Run(options, tempfile.mkdtemp(dir=folder))
    os.chmod(run.folder, 0o755)
    chosen = chosen_peers(options)
    if options.growth:
        print(report.as_text(run.growth(chosen)), end="")
    else:
        finish(options, run, run.table(chosen))
    return run.results.problems


def main(argv):
    """The command; 0, or 1 when something that was asked for could not be measured."""
    options = parse(argv)
    if options.first:
        go_first()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(TIME_LIMIT_S)
    folder = tempfile.mkdtemp(prefix="sallyport-bench.")
    os.chmod(folder, 0o755)
    try:
        problems = 0
        for name in options.congestion:
            set_congestion(name)
            problems += len(measure(options, folder))
        return 1 if problems else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
