"""Old processes that cannot read what the process that serves has in force: they would judge their tunnels by what is right no more."""

import json
import os
import signal
import socket

import pytest

from support.config import client, merge, reach, write_config
from support.scale import eventually
from support.upgrades import is_alive


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


class Clients:
    """Those that reach the server, and others who do by a list."""

    def __init__(self, server):
        self._rule = reach("origin.test", server.port)
        self.guests = client(self._rule, name="guests", match=[{"cn": "guest"}])
        self.workers = client(self._rule, match=[{"cn": "worker-1"}])

    def others(self, path):
        return client({**self._rule, "hosts": [{"file": str(path)}]}, name="others", match=[{"cn": "other"}])


class Far(Clients):
    """The list is in a folder that only a process opens that was started with a configuration that names it."""

    def __init__(self, folder, server):
        super().__init__(server)
        self.folder = folder
        path = folder / "hosts"
        path.write_text("origin.test\n")
        self.listed = self.others(path)


@pytest.fixture
def far(tmp_path_factory, server):
    return Far(tmp_path_factory.mktemp("far"), server)


@pytest.fixture
def caged(upgradable, far):
    """A proxy in a sandbox; there is none in builds with a sanitizer, or where the kernel has none."""

    def make(**changes):
        made = upgradable(far.guests, far.workers, **changes)
        missing = made.control.status()["sandbox"]["missing"]
        if missing is not None:
            pytest.skip(missing)
        return made

    return make


def configure(made, *clients, **changes):
    made.proxy.config = merge(made.proxy.config, {**changes, "clients": list(clients)} if clients else changes)
    write_config(made.proxy.config_path, made.proxy.config)


def test_an_old_process_that_cannot_read_what_is_in_force_drains_and_says_why(caged, far, pki, upgradable):
    made = caged(timeouts={"drain": "300ms"})
    guest = made.proxy.tunnel(upgradable.target, pki.ca.leaf("guest"))
    configure(made, far.workers, far.listed)
    said = made.control.run("upgrade").stderr
    assert "cannot read the configuration, and so drains" in said and "has not opened it" in said
    made.follow(said)
    made.wait_old_ended()
    made.proxy.assert_closed(guest.id, "drained")
    made.proxy.stderr.wait(f"old process {made.old[0].pid} does not go by the configuration in force.*has not opened it")


def test_as_long_as_it_drains_status_has_it_and_blocks_reach_it(caged, far, pki, upgradable):
    made = caged(timeouts={"drain": "1h"})
    guest = made.proxy.tunnel(upgradable.target, pki.ca.leaf("guest"))
    worker = made.proxy.tunnel(upgradable.target)
    configure(made, far.workers, far.listed)
    made.upgrade()
    behind = eventually(lambda: made.control.status()["old_behind"], "the old process to say what it cannot read")
    assert [each["pid"] for each in behind] == [made.old[0].pid]
    assert "has not opened it" in behind[0]["why"]
    shown = made.control.run("status").stdout
    assert f"! process {made.old[0].pid} does not go by this configuration" in shown
    made.control.block("guests", "--force")
    made.proxy.assert_closed(guest.id, "blocked")
    worker.echo(b"for an hour yet")
    worker.close()
    made.wait_old_ended()
    eventually(lambda: not made.control.status()["old_behind"], "nobody to be behind")


def denied(made, leaf):
    """What a configuration says that denies a certificate."""
    return {"trust": {"staff": {**made.proxy.config["trust"]["staff"], "denied": [{"sha256": leaf.sha256}]}}}


def test_as_long_as_it_drains_what_the_configuration_denies_reaches_it(caged, far, pki, upgradable):
    made = caged(timeouts={"drain": "1h"})
    leaf = pki.ca.leaf("guest")
    guest, worker = made.proxy.tunnel(upgradable.target, leaf), made.proxy.tunnel(upgradable.target)
    configure(made, far.workers, far.listed)
    made.upgrade()
    eventually(lambda: made.control.status()["old_behind"], "the old process to drain")
    configure(made, far.workers, far.listed, **denied(made, leaf))
    made.control.run("reload")
    made.proxy.assert_closed(guest.id, "revoked")
    worker.echo(b"for an hour yet")
    worker.close()
    made.wait_old_ended()


class Teams:
    """A proxy with a file for each of two teams, one of whom makes a mistake in it."""

    def __init__(self, upgradable, server, tmp_path):
        self.rule = reach("origin.test", server.port)
        self.folder = tmp_path / "clients.d"
        self.folder.mkdir()
        for name in ("alpha", "beta", "gamma"):
            self.claim(name, name)
        boss = client(self.rule, name="boss", match=[{"cn": "boss"}])
        self.made = upgradable(boss, include=[f"{self.folder}/*.yaml"], timeouts={"drain": "300ms"})

    def write(self, name, text):
        (self.folder / "new").write_text(text)
        os.rename(self.folder / "new", self.folder / f"{name}.yaml")

    def claim(self, name, *cns):
        """A file whose one client is whom these names fit."""
        match = [{"cn": cn} for cn in cns]
        self.write(name, json.dumps({"clients": [client(self.rule, name=name, match=match)]}))

    def wait(self, alpha):
        def state():
            rows = self.made.control.status()["config"]["included"]
            return {os.path.basename(row["file"]): row["state"] for row in rows}["alpha.yaml"]

        eventually(lambda: state() == alpha, lambda: f"{alpha}, not {state()}: {self.made.proxy.stderr.text()}")


def test_a_refused_file_of_one_team_ends_no_tunnel_of_another_over_an_upgrade(upgradable, server, tmp_path, pki):
    teams = Teams(upgradable, server, tmp_path)
    made = teams.made
    alpha, beta = (made.proxy.tunnel(upgradable.target, pki.ca.leaf(name)) for name in ("alpha", "beta"))
    teams.write("alpha", "clients: [")
    teams.wait("held")
    made.upgrade()
    teams.wait("refused")  # its clients may do nothing in the new process
    made.proxy.assert_closed(alpha.id, "policy_changed")
    assert made.control.status()["old_behind"] == []
    beta.echo(b"nothing to do with it")
    # What comes into force afterwards comes into force there, too.
    teams.write("beta", json.dumps({"clients": []}))
    made.proxy.assert_closed(beta.id, "policy_changed")
    made.wait_old_ended()


def test_files_that_want_the_same_end_no_tunnel_of_another_though_nobody_knows_any_more_who_was_first(
    upgradable, server, tmp_path, pki
):
    teams = Teams(upgradable, server, tmp_path)
    made = teams.made
    beta, gamma = (made.proxy.tunnel(upgradable.target, pki.ca.leaf(name)) for name in ("beta", "gamma"))
    teams.claim("alpha", "alpha", "beta")
    teams.wait("contested")
    (made.proxy.folder / "state.json.included").unlink()  # as without `control`
    made.upgrade()
    teams.wait("refused")  # and so is the other one
    made.proxy.assert_closed(beta.id, "policy_changed")
    assert made.control.status()["old_behind"] == []
    gamma.echo(b"nothing to do with them")
    gamma.close()
    made.proxy.assert_closed(gamma.id, "client_closed")
    made.wait_old_ended()


def test_what_the_process_that_serves_refuses_is_not_in_force_in_an_old_one(upgradable, server, pki):
    clients = Clients(server)
    made = upgradable(clients.guests, clients.workers, timeouts={"drain": "300ms"})
    leaf = pki.ca.leaf("guest", dns=("denied.test",))
    lost, guest = made.proxy.tunnel(upgradable.target, leaf), made.proxy.tunnel(upgradable.target, pki.ca.leaf("guest"))
    worker = made.proxy.tunnel(upgradable.target)
    made.upgrade()
    good = made.proxy.config
    with socket.create_server(("127.0.0.1", 0)) as other:
        # Only who serves has to listen there. What it takes away is taken all the same.
        second = {**good["listeners"][0], "name": "second", "address": f"127.0.0.1:{other.getsockname()[1]}"}
        configure(made, clients.workers, listeners=[*good["listeners"], second], **denied(made, leaf))
        made.control.run("reload", expected=3)
        made.proxy.assert_closed(lost.id, "revoked")
    made.proxy.config = good
    configure(made, clients.guests)
    made.control.run("reload")
    made.proxy.assert_closed(worker.id, "policy_changed")
    guest.echo(b"allowed by all that was ever in force")
    assert made.control.status()["old_behind"] == []
    guest.close()
    made.proxy.assert_closed(guest.id, "client_closed")
    made.wait_old_ended()


def test_a_reload_that_only_the_process_that_serves_can_read_ends_what_is_older_than_its_folders(caged, far, upgradable):
    made = caged(timeouts={"drain": "300ms"})
    first = made.proxy.tunnel(upgradable.target)
    configure(made, process={"paths": [str(far.folder)]})
    made.upgrade()
    second = made.proxy.tunnel(upgradable.target)
    made.upgrade()
    configure(made, far.guests, far.workers, far.listed)
    made.control.run("reload")
    made.proxy.assert_closed(first.id, "drained")
    made.wait_old_ended(1)
    second.echo(b"this one has the folder")
    assert made.control.status()["old_behind"] == []
    second.close()


def test_a_file_that_is_away_for_a_moment_is_read_when_it_is_back(upgradable, server, pki):
    """It is away when the old process reads it, and was there when the process that serves did."""
    clients = Clients(server)
    made = upgradable(clients.guests, clients.workers, timeouts={"drain": "300ms"})
    guest, worker = made.proxy.tunnel(upgradable.target, pki.ca.leaf("guest")), made.proxy.tunnel(upgradable.target)
    made.upgrade()
    made.old[0].send_signal(signal.SIGSTOP)
    path = made.proxy.config_path.with_name("hosts")
    path.write_text("origin.test\n")
    configure(made, clients.workers, clients.others("hosts"))
    made.control.run("reload")
    away = path.rename(path.with_name("away"))
    made.proxy.stderr.wait("reload failed")  # the process that serves has noticed
    made.old[0].send_signal(signal.SIGCONT)
    eventually(lambda: made.proxy.stderr.text().count("reload failed") >= 2, "the old process to miss it")
    away.rename(path)
    made.proxy.assert_closed(guest.id, "policy_changed")
    worker.echo(b"no harm done")
    assert made.control.status()["old_behind"] == []
    worker.close()
    made.proxy.assert_closed(worker.id, "client_closed")
    made.wait_old_ended()


def test_a_reload_that_the_process_that_serves_rejects_ends_nothing_in_old_ones_but_what_it_denies(upgradable, pki):
    made = upgradable(timeouts={"drain": "300ms"})
    leaf = pki.ca.leaf("denied by what is rejected")
    tunnel, lost = made.proxy.tunnel(upgradable.target), made.proxy.tunnel(upgradable.target, leaf)
    made.upgrade()
    good = made.proxy.config
    configure(made, nonsense=1, **denied(made, leaf))
    made.control.run("reload", expected=3)
    made.proxy.assert_closed(lost.id, "revoked")
    tunnel.echo(b"as before, though the file is still wrong")
    made.proxy.config = good
    configure(made)
    made.control.run("reload")
    assert is_alive(made.old[0].pid)
    assert made.control.status()["old_behind"] == []
    tunnel.echo(b"as before")
    tunnel.close()
    made.proxy.assert_closed(tunnel.id, "client_closed")
    made.wait_old_ended()
