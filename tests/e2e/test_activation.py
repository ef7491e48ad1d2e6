"""Listening sockets that the service manager has opened: by the name of the listener, over restarts and upgrades."""

import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from support.config import listener_of
from support.control import CONTROL
from support.proxy import BINARY
from support.upgrades import Upgrades

DENIED = "nowhere.test:443"
ROOT = Path(__file__).parents[2]


def listening(count=1):
    made = []
    for _ in range(count):
        one = socket.socket()
        one.bind(("127.0.0.1", made[0].getsockname()[1] if made else 0))
        one.listen(64)
        made.append(one)
    return made


@pytest.fixture
def activated(start, pki, tmp_path):
    """Starts a proxy as systemd does: with sockets, of these names."""

    def make(sockets, names, is_ready=True, address=None, **changes):
        program = tmp_path / "activated"
        real = tmp_path / "sallyport"
        shutil.copy(BINARY, real)
        program.write_text(
            f"#!/bin/sh\nLISTEN_PID=$$ LISTEN_FDS={len(sockets)} LISTEN_FDNAMES='{names}' exec {real} \"$@\"\n"
        )
        program.chmod(0o755)
        address = address or f"127.0.0.1:{sockets[0].getsockname()[1]}"
        listener = listener_of(pki, address=address)
        process = {"program": str(program), "sockets": sockets}
        proxy = start(process=process, is_ready=is_ready, listeners=[listener], **changes)
        proxy.real = real
        return proxy

    return make


@pytest.mark.parametrize("workers", [1, 3])
def test_it_serves_at_the_socket_of_the_listeners_name(activated, workers):
    sockets = listening()
    proxy = activated(sockets, "main", workers=workers)
    assert proxy.address == sockets[0].getsockname()
    assert [proxy.ask(DENIED).status for _ in range(10)] == [403] * 10
    proxy.stop()
    waiting = socket.create_connection(sockets[0].getsockname())  # the manager's socket listens on
    again = activated(sockets, "main", workers=workers)
    assert again.ask(DENIED).status == 403
    waiting.close()


def test_an_upgrade_goes_on_with_the_socket(activated):
    sockets = listening()
    proxy = activated(sockets, "main", control=CONTROL)
    made = Upgrades(proxy, proxy.real)
    tunnelless = proxy.connect()
    made.upgrade()
    assert proxy.ask(DENIED).status == 403
    assert tunnelless.ask(DENIED).status == 403
    made.wait_old_ended()
    proxy.stop()


def test_variables_for_another_process_mean_nothing(start):
    environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "main"}
    proxy = start(process={"environment": environment})
    assert proxy.ask(DENIED).status == 403


@pytest.mark.parametrize(
    "names, address, said",
    [
        ("sallyport.socket", None, "no listener is called so"),
        ("main", "127.0.0.1:1", "and the configuration says 127.0.0.1:1"),
        ("main:second", None, "more names than"),
    ],
)
def test_a_socket_that_fits_no_listener_stops_the_start(activated, names, address, said):
    proxy = activated(listening(), names, is_ready=False, address=address)
    assert proxy.wait_exit() == 3
    assert said in proxy.stderr.text()
    proxy.stop(expected=3)


def test_what_does_not_listen_stops_the_start(activated):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        proxy = activated([one], "main", is_ready=False)
        assert proxy.wait_exit() == 3
        assert "no TCP socket that listens" in proxy.stderr.text()
        proxy.stop(expected=3)


def test_the_units_of_the_page_are_those_that_are_delivered():
    units = ROOT / "tools/deliver/systemd"
    shown = re.findall(r"^```ini\n(.*?)^```$", (ROOT / "docs/OPERATIONS.md").read_text(), re.MULTILINE | re.DOTALL)
    delivered = [(units / f"sallyport.{kind}").read_text() for kind in ("service", "socket")]
    assert shown == delivered
    service, sockets = delivered
    assert "Type=notify\n" in service and "NotifyAccess" not in service  # main, which changes in an upgrade
    assert "FileDescriptorName=main\n" in sockets and "Accept=" not in sockets
