"""Life as a service: starting, saying so, signals, draining, ending."""

import ctypes
import os
import re
import resource
import signal
import socket
import time

import pytest

from support.config import client, listener_of, reach
from support.origin import silence
from support.scale import PATIENCE, eventually
from support.wire import Ending, connect_head

DENIED = "nowhere.test:443"


def test_the_ready_line_names_each_listener_and_its_port(start, pki):
    proxy = start(listeners=[listener_of(pki, "one"), listener_of(pki, "two", "[::1]:0")])
    ready = proxy.stdout.text()
    assert re.fullmatch(r"ready one=127\.0\.0\.1:\d+ two=\[::1\]:\d+\n", ready), ready
    assert proxy.ask(DENIED, listener="one").status == 403
    answer = proxy.ask(DENIED, listener="two")
    assert proxy.decision(answer.id)["listener"] == "two"
    assert proxy.decision(answer.id)["client"]["address"] == "::1"


def test_stdout_carries_nothing_but_the_ready_line(start):
    proxy = start()
    proxy.ask(DENIED)
    proxy.stop()
    assert re.fullmatch(r"ready main=127\.0\.0\.1:\d+\n", proxy.stdout.text())


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_is_told_when_it_is_ready(start, tmp_path, kind):
    name = str(tmp_path / "notify") if kind == "path" else f"@sallyport-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind("\0" + name[1:] if name.startswith("@") else name)
        notify.settimeout(PATIENCE)
        start(process={"environment": {"NOTIFY_SOCKET": name}})
        assert "READY=1" in notify.recv(4096).decode().split("\n")


@pytest.fixture
def manager(tmp_path):
    """A service manager: the socket that it reads, and what a service is started with."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(name)
        notify.settimeout(PATIENCE)
        yield notify, {"NOTIFY_SOCKET": name}


def told(notify):
    """The next message, but for those of the watchdog, as a dictionary."""
    while True:
        lines = notify.recv(4096).decode().split("\n")
        if lines != ["WATCHDOG=1"]:
            return dict(line.split("=", 1) for line in lines)


def assert_reloaded(notify, after_us):
    begun = told(notify)
    assert set(begun) == {"RELOADING", "MONOTONIC_USEC"} and begun["RELOADING"] == "1"
    assert after_us <= int(begun["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert told(notify) == {"READY": "1"}


@pytest.mark.parametrize("is_good", [True, False])
def test_systemd_is_told_when_a_reload_begins_and_when_it_is_over(start, manager, is_good):
    notify, environment = manager
    proxy = start(process={"environment": environment})
    assert told(notify) == {"READY": "1"}
    if not is_good:
        proxy.config_path.write_text("version: 2\n")
    for _ in range(3):
        now_us = time.monotonic_ns() // 1000
        proxy.process.send_signal(signal.SIGHUP)
        assert_reloaded(notify, now_us)
    proxy.process.send_signal(signal.SIGTERM)
    assert told(notify) == {"STOPPING": "1"}


def test_the_watchdog_is_fed_while_every_worker_turns(start, manager):
    notify, environment = manager
    proxy = start(workers=2, process={"environment": {**environment, "WATCHDOG_USEC": "300000"}})
    assert told(notify) == {"READY": "1"}
    for _ in range(5):
        assert notify.recv(4096) == b"WATCHDOG=1"
    assert proxy.ask(DENIED).status == 403


def stop_thread(thread):
    """Stops one thread alone, as a debugger does; returns what lets it go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach, detach = 16, 17
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(attach, thread, None, None) != 0:
        pytest.skip(f"ptrace is not allowed here: {os.strerror(ctypes.get_errno())}")
    os.waitpid(thread, 0x40000000)  # __WALL
    return lambda: libc.ptrace(detach, thread, None, None)


def test_one_worker_that_hangs_starves_the_watchdog_until_it_turns_again(start, manager):
    """Not told apart by name: each thread is stopped in turn, and only a worker or main is missed."""
    notify, environment = manager
    proxy = start(workers=2, process={"environment": {**environment, "WATCHDOG_USEC": "30000"}})
    assert told(notify) == {"READY": "1"}
    missed = 0
    for thread in sorted(int(name) for name in os.listdir(f"/proc/{proxy.pid}/task")):
        go_on = stop_thread(thread)
        try:
            notify.settimeout(0.5)
            for _ in range(6):  # sent before, or one that was owed already
                notify.recv(4096)
        except TimeoutError:
            missed += 1
        finally:
            go_on()
        notify.settimeout(PATIENCE)
        assert notify.recv(4096) == b"WATCHDOG=1"
    assert missed == 3, "main and two workers"


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}])
def test_nothing_is_fed_where_nobody_has_asked_for_it(start, manager, more):
    notify, environment = manager
    proxy = start(process={"environment": {**environment, **more}})
    assert notify.recv(4096) == b"READY=1"
    proxy.process.send_signal(signal.SIGHUP)
    assert notify.recv(4096).startswith(b"RELOADING=1")
    assert notify.recv(4096) == b"READY=1"


def test_a_notify_socket_that_is_not_there_does_not_stop_it(start):
    proxy = start(process={"environment": {"NOTIFY_SOCKET": "/nonexistent/notify"}})
    assert proxy.ask(DENIED).status == 403


def test_a_second_instance_on_the_same_address_fails_and_says_so(start, pki):
    first = start()
    endpoint = f"127.0.0.1:{first.address[1]}"
    second = start(listeners=[listener_of(pki, address=endpoint)], is_ready=False)
    assert second.wait_exit() == 1
    assert endpoint in second.stderr.text() and "ready" not in second.stdout.text()
    second.stop(expected=1)
    assert first.ask(DENIED).status == 403


def test_a_second_instance_on_a_wildcard_of_the_same_port_fails_too(start, pki):
    first = start()
    endpoint = f"0.0.0.0:{first.address[1]}"
    second = start(listeners=[listener_of(pki, address=endpoint)], is_ready=False)
    assert second.wait_exit() == 1
    second.stop(expected=1)


def test_the_same_address_is_free_again_at_once_after_the_end(start, pki):
    first = start()
    tunnel = first.connect()
    endpoint = f"127.0.0.1:{first.address[1]}"
    assert tunnel.ask(DENIED).status == 403
    first.stop()
    second = start(listeners=[listener_of(pki, address=endpoint)])
    assert second.ask(DENIED).status == 403


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_an_error(start, pki, tmp_path, mode):
    key = tmp_path / "server.key"
    with open(pki.server.key, "rb") as file:
        key.write_bytes(file.read())
    key.chmod(mode)
    certificates = [{"chain": pki.server.chain, "key": str(key)}]
    proxy = start(is_ready=False, listeners=[listener_of(pki, certificates=certificates)])
    assert proxy.wait_exit() == 3
    assert str(key) in proxy.stderr.text()
    proxy.stop(expected=3)


def limits_of(proxy):
    with open(f"/proc/{proxy.pid}/limits", encoding="ascii") as file:
        return {line[:25].strip(): line[25:].split() for line in file}


def test_core_dumps_are_off(start):
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    proxy = start(process={"limits": (resource.RLIMIT_CORE, unlimited)})
    assert limits_of(proxy)["Max core file size"][:2] == ["0", "0"]


def test_the_soft_descriptor_limit_is_raised_to_the_hard_one(start):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    proxy = start(process={"limits": (resource.RLIMIT_NOFILE, (256, hard))})
    assert limits_of(proxy)["Max open files"][:2] == [str(hard), str(hard)]


def test_a_stderr_that_nobody_reads_any_more_does_not_end_it(start):
    """As in `sallyport serve 2>&1 | head -1`."""
    reader, writer = os.pipe()
    proxy = start(process={"stderr": writer})
    os.close(writer)
    os.close(reader)
    proxy.send_signal(signal.SIGHUP)
    proxy.send_signal(signal.SIGPIPE)
    assert proxy.ask(DENIED).status == 403


def is_listening(proxy):
    try:
        socket.create_connection(proxy.address, 1).close()
        return True
    except OSError:
        return False


@pytest.fixture
def with_tunnel(start, dns, origin):
    """A proxy with one live tunnel."""

    def make(**changes):
        server = origin()
        dns.addresses("origin.test", "127.0.0.1")
        proxy = start(client(reach("origin.test", server.port)), **changes)
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        tunnel.echo(b"before")
        return proxy, tunnel

    return make


def test_sigterm_lets_a_live_tunnel_finish(with_tunnel):
    proxy, tunnel = with_tunnel(timeouts={"drain": "60s"})
    proxy.send_signal(signal.SIGTERM)
    eventually(lambda: not is_listening(proxy), "the listener to be closed")
    tunnel.echo(b"during the drain")
    assert proxy.process.poll() is None
    tunnel.close()
    assert proxy.wait_exit() == 0
    proxy.stop()
    assert proxy.audit.records("close")[0]["reason"] == "client_closed"


def test_sigterm_cuts_a_tunnel_that_does_not_finish(with_tunnel):
    proxy, tunnel = with_tunnel(timeouts={"drain": "300ms"})
    proxy.send_signal(signal.SIGTERM)
    tunnel.read_to_end()
    assert proxy.wait_exit() == 1
    proxy.stop(expected=1)
    assert proxy.audit.records("close")[0]["reason"] == "drained"


def test_sigint_ends_at_once(with_tunnel):
    proxy, tunnel = with_tunnel(timeouts={"drain": "60s"})
    proxy.send_signal(signal.SIGINT)
    tunnel.read_to_end()
    assert proxy.wait_exit() == 0
    proxy.stop()
    assert proxy.audit.records("close")[0]["reason"] == "killed"


def test_sigint_during_a_drain_ends_it(with_tunnel):
    proxy, tunnel = with_tunnel(timeouts={"drain": "60s"})
    proxy.send_signal(signal.SIGTERM)
    eventually(lambda: not is_listening(proxy), "the drain")
    proxy.send_signal(signal.SIGINT)
    tunnel.read_to_end()
    proxy.stop(expected=proxy.wait_exit())
    assert proxy.process.returncode in (0, 1)


def test_a_drain_does_not_wait_for_clients_that_ask_for_nothing(start):
    proxy = start(timeouts={"drain": "60s", "keepalive": "60s", "request": "60s"})
    idle = proxy.connect()
    kept = proxy.connect()
    assert kept.ask(DENIED).status == 403
    proxy.send_signal(signal.SIGTERM)
    assert proxy.wait_exit() == 0
    assert idle.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    assert kept.read_to_end() == (b"", Ending.CLOSE_NOTIFY)


def test_a_request_under_way_when_the_drain_begins_gets_an_answer(start, dns, origin):
    server = origin()
    released = dns.hold("held.test", "127.0.0.1")
    proxy = start(client(reach("held.test", server.port)), timeouts={"drain": "60s"})
    requester = proxy.connect()
    requester.send(connect_head(f"held.test:{server.port}"))
    dns.wait_asked("held.test")
    proxy.send_signal(signal.SIGTERM)
    eventually(lambda: not is_listening(proxy), "the drain")
    released.set()
    answer = requester.read_answer()
    assert answer.status in (200, 503), answer
    requester.close()
    assert proxy.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_everything_in_flight_is_closed_and_recorded_at_the_end(start, dns, origin, number):
    server = origin(silence)
    dns.addresses("origin.test", "127.0.0.1")
    silent = f"{number.name.lower()}.test"
    dns.reply(f"*.{silent}", is_silent=True)
    rules = reach("origin.test", server.port), reach(f"*.{silent}", 443)
    proxy = start(client(*rules), timeouts={"drain": "300ms"})
    for turn in range(20):
        proxy.tunnel(f"origin.test:{server.port}")
        proxy.connect().send(connect_head(f"{turn}.{silent}:443"))
        proxy.connect().send(b"CONN")
        proxy.dial()
    dns.wait_asked(f"*.{silent}", 20)
    proxy.send_signal(number)
    code = proxy.wait_exit()
    proxy.stop(expected=1 if number is signal.SIGTERM else 0)
    assert code in (0, 1)
    reason = "drained" if number is signal.SIGTERM else "killed"
    assert len(proxy.audit.records("close", reason=reason)) >= 20


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_serves(start, workers):
    proxy = start(workers=workers)
    assert [proxy.ask(DENIED).status for _ in range(20)] == [403] * 20


def test_workers_share_the_load(start):
    """Each worker has its own sockets on the same address."""
    proxy = start(workers=2)
    for _ in range(64):
        assert proxy.ask(DENIED).status == 403
    ticks = [busy(proxy, task) for task in os.listdir(f"/proc/{proxy.pid}/task")]
    assert sum(1 for tick in ticks if tick) >= 2, ticks


def busy(proxy, task):
    with open(f"/proc/{proxy.pid}/task/{task}/schedstat", encoding="ascii") as file:
        nanoseconds = int(file.read().split()[0])
    return nanoseconds > 5_000_000
