"""Fixtures of the end-to-end tests. What they are made of is in support/."""

import os
import pathlib
import resource
import shutil
import subprocess

import pytest

pytest.register_assert_rewrite("support.proxy", "support.wire", "support.audit", "support.plain")

# ruff: noqa: E402 - the rewriting has to be announced first
from support import config as configs
from support.audit import check_inside
from support.dns import DnsServer
from support.fleet import mark_known
from support.origin import Origin, echo
from support.pki import Pki
from support.proxy import BINARY, Proxy
from support.scale import IS_SMALL
from support.upgrades import start_upgradable


@pytest.fixture(scope="session", autouse=True)
def _environment():
    """The program is there, nobody can be reached but this machine by its loopback, and this side
    may hold as many descriptors as the machine allows."""
    up = subprocess.run(["ip", "-o", "link", "show", "up"], check=True, capture_output=True).stdout
    if len(up.splitlines()) != 1:
        pytest.exit("needs a network that has only `lo`: see docs/DEVELOPING.md", returncode=2)
    if not shutil.which(BINARY):
        pytest.exit(f"no program at {BINARY}: set SALLYPORT_BIN", returncode=2)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def dns():
    server = DnsServer()
    yield server
    server.stop()


@pytest.fixture
def origin():
    """Makes origins: `origin()` echoes, `origin(habit)` has that habit."""
    made = []

    def make(habit=echo, **options):
        made.append(Origin(habit, **options))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def pytest_configure(config):
    config.addinivalue_line("markers", "protocols(*names, repeats=why): what the clients of a test speak: h1, h2")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Of a file that Bazel runs in several shards beside each other (`shard_count`), each runs every so manieth test."""
    shards = int(os.environ.get("TEST_TOTAL_SHARDS", "1"))
    if shards == 1:
        return
    pathlib.Path(os.environ["TEST_SHARD_STATUS_FILE"]).touch()
    index = int(os.environ["TEST_SHARD_INDEX"])
    mine = items[index::shards]
    config.is_left_to_others = bool(items) and not mine
    config.hook.pytest_deselected(items=[each for each in items if each not in mine])
    items[:] = mine


def pytest_sessionfinish(session):
    """A shard for which `-k` has left no test is no failure, where it left one for another."""
    if getattr(session.config, "is_left_to_others", False) and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def pytest_generate_tests(metafunc):
    """A test runs once for each protocol that its mark names, or the mark of its file.

    Where the mark has `repeats`, the program runs the same lines over HTTP/2, and the test only asks whether they do
    the same: not under sanitizers, which look at the lines. Between threads nothing differs: the thread sanitizer sees
    the first protocol, and the second one in the tests of HTTP/2 itself.
    """
    mark = metafunc.definition.get_closest_marker("protocols")
    if mark:
        is_first_only = (IS_SMALL and "repeats" in mark.kwargs) or "TSAN_OPTIONS" in os.environ
        protocols = mark.args[:1] if is_first_only else mark.args
        metafunc.parametrize("protocol", protocols, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def protocol(request):
    """What clients of the proxies speak."""
    Proxy.protocol = getattr(request, "param", "h1")
    yield Proxy.protocol
    Proxy.protocol = "h1"


def _starter(pki, dns, tmp_path_factory):
    started = []

    def start(*clients, is_ready=True, folder=None, process=None, cage=None, is_known=True, **changes):
        """Starts a proxy with these clients; `changes` are laid over the base configuration, and so is `cage` as its `process`.

        `process` holds what Proxy takes beside: environment, limits, stderr. `is_known`: where it shares a store, its file of state
        says that it has read it before, so that it waits for nobody where the store is empty.
        """
        config = configs.base_config(pki, dns.endpoint)
        if clients:
            config["clients"] = list(clients)
        if "LD_PRELOAD" in (process or {}).get("environment", {}):  # a probe of ours, which opens files of its own
            cage = {"sandbox": "off", **(cage or {})}
        config = configs.merge(config, {**changes, "process": cage} if cage else changes)
        folder = folder or tmp_path_factory.mktemp("proxy")
        if is_known and "shared" in config and "state" in config.get("control", {}):
            mark_known(folder / config["control"]["state"], config["shared"])
        proxy = Proxy(folder, config, pki, **(process or {}))
        started.append(proxy)
        return proxy.wait_ready() if is_ready else proxy

    yield start
    try:
        for proxy in reversed(started):
            proxy.stop()
    finally:
        for proxy in started:
            proxy.kill()


@pytest.fixture
def start(pki, dns, tmp_path_factory):
    """Starts proxies; at the end of the test each is stopped and its whole run checked."""
    dns.forget()
    yield from _starter(pki, dns, tmp_path_factory)


@pytest.fixture
def start_strict(start):
    """As `start`, for programs that do as they say: their tunnels may carry the name that was asked for, and no other,
    and at the end of the test each has."""
    started = []

    def strict(*clients, **changes):
        started.append(start(*({**each, "inner": configs.STRICT} for each in clients), **changes))
        started[-1].is_honest = True  # False: a client of the test does otherwise
        return started[-1]

    yield strict
    for proxy in filter(lambda each: each.is_honest, started):
        proxy.stop()
        check_inside(proxy.audit.records("close"))


@pytest.fixture(scope="module")
def start_shared(pki, dns, tmp_path_factory):
    """As `start`, for a proxy that serves a whole table of cases."""
    yield from _starter(pki, dns, tmp_path_factory)


@pytest.fixture(scope="session")
def local_address():
    """Gives this network namespace an address, such as an ordinary one.

    It stays: connections that use it may still be ending when the test is over.
    """
    added = set()

    def add(address):
        if address in added:
            return address
        prefix = f"{address}/{128 if ':' in address else 32}"
        options = ["nodad"] if ":" in address else []
        command = ["ip", "address", "add", prefix, "dev", "lo", *options]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("may not add addresses to lo here")
        added.add(address)
        return address

    return add


@pytest.fixture
def upgradable(start, server, tmp_path):
    """Starts a proxy whose program can be changed, with a client that reaches `server`, which the file of the tests has."""
    made = []

    def make(*clients, **changes):
        given = clients or (configs.client(configs.reach("origin.test", server.port)),)
        made.append(start_upgradable(start, tmp_path, *given, **changes))
        return made[-1]

    make.target = f"origin.test:{server.port}"
    yield make
    for each in made:
        each.proxy.stop(expected=None)
        each.kill()


@pytest.fixture
def scripted():
    """Makes parents that answer as a test wants, and stops them."""
    from support.parents import ScriptedParent  # few tests need what it needs

    made = []

    def make(*arguments, **options):
        made.append(ScriptedParent(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()
