"""Files that teams own, included by the main file: what they may say, what a broken one changes, and what takes effect."""

import json
import os
import re
import shutil
import threading

import pytest

from support.admin import get, read_metrics, value
from support.config import client, reach, write_config
from support.control import CONTROL, Control
from support.proxy import run
from support.scale import PATIENCE, count, eventually

DENIED = "nowhere.test:443"


def team(name, port, host="origin.test", **more):
    """A client whom certificates with this CN fit."""
    return client(reach(host, port), name=name, match=[{"cn": name}], **more)


class Teams:
    """A proxy with a main client `boss`, the folder of the files of its teams, and a file of its CA."""

    def __init__(self, start, dns, origin, pki, tmp_path, files):
        self.pki = pki
        self.folder = tmp_path / "clients.d"
        self.folder.mkdir()
        self.server = origin()
        for name in ("origin.test", "other.test"):
            dns.addresses(name, "127.0.0.1")
        for name, content in files(self).items():
            self.write(name, content)
        self.ca = tmp_path / "ca.crt"
        shutil.copy(pki.ca.path, self.ca)
        self.proxy = start(
            team("boss", self.server.port),
            include=[f"{self.folder}/*.yaml"],
            control=CONTROL,
            trust={"staff": {"ca": [str(self.ca)]}},
        )
        self.control = Control(self.proxy)

    def client(self, cn, **more):
        return team(cn, self.server.port) | more

    def write(self, name, content):
        """Renamed over, so that nobody sees half of it."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.folder / (name + ".new")).write_text(text)
        os.rename(self.folder / (name + ".new"), self.folder / name)

    def states(self):
        included = self.control.status()["config"]["included"]
        return {os.path.basename(row["file"]): row["state"] for row in included}

    def wait(self, **states):
        """Until each file is in this state, and no other file is there."""
        wanted = {name + ".yaml": state for name, state in states.items()}
        eventually(
            lambda: self.states() == wanted,
            lambda: f"{wanted}, not {self.states()}: {self.proxy.stderr.text()}",
        )

    def restart(self, start, meanwhile=lambda: None):
        """The same proxy after its end, in the same folder."""
        self.proxy.stop()
        meanwhile()
        kept = {key: self.proxy.config[key] for key in ("include", "control", "trust")}
        self.proxy = start(*self.proxy.config["clients"], folder=self.proxy.folder, **kept)
        self.control = Control(self.proxy)

    def ask(self, name, host="origin.test"):
        return self.proxy.ask(f"{host}:{self.server.port}", self.leaf(name))

    def leaf(self, name):
        return self.pki.ca.leaf(name)

    def tunnel(self, name):
        return self.proxy.tunnel(f"origin.test:{self.server.port}", self.leaf(name))

    def reason(self, name, **more):
        return self.proxy.decision(self.ask(name, **more).id)["decision"]["reason"]


@pytest.fixture
def teams(start, dns, origin, pki, tmp_path):
    return lambda files: Teams(start, dns, origin, pki, tmp_path, files)


def test_each_file_has_its_own_clients_and_denials(teams):
    t = teams(
        lambda t: {
            "b.yaml": {
                "clients": [t.client("beta"), t.client("gamma")],
                "deny": [{"hosts": ["other.test"]}],
            },
            "a.yaml": {
                "sets": {"hosts": {"mine": ["origin.test", "other.test"]}},
                "clients": [team("alpha", t.server.port, host="@mine")],
            },
            "c.yaml~": "no YAML: [",
            ".c.yaml": "no YAML: [",
        }
    )
    assert t.states() == {"a.yaml": "good", "b.yaml": "good"}
    for name in ("boss", "alpha", "beta", "gamma"):
        t.tunnel(name).echo(name.encode())
    assert t.reason("beta", host="other.test") == "denied_by_rule"
    denied = t.proxy.decision(t.ask("gamma", host="other.test").id)
    assert denied["decision"]["rule"] == "file:b.yaml.deny[0]"
    assert t.ask("alpha", host="other.test").status == 200  # which b.yaml cannot deny
    told = run(
        "explain", "-c", t.proxy.config_path, "--cert", t.leaf("beta").chain, "--from", "127.0.0.1", "--address", "127.0.0.1", "--to", "other.test:443"
    ).stdout
    assert "b.yaml:" in told, told


def test_a_broken_file_keeps_what_it_said_and_all_else_takes_effect(teams):
    t = teams(lambda t: {"a.yaml": {"clients": [t.client("alpha")]}, "b.yaml": {"clients": [t.client("beta")]}})
    alpha, beta = t.tunnel("alpha"), t.tunnel("beta")
    t.write("a.yaml", "clients:\n  - name: alpha\n    mach: []\n")
    t.wait(a="held", b="good")
    alpha.echo(b"as before")
    t.tunnel("alpha").echo(b"as before")
    t.proxy.stderr.wait(r"clients.d/a.yaml:3:5: .*`mach`")
    # The other file and the main file change all the same, and say that this one does not.
    t.write("b.yaml", {"clients": []})
    t.proxy.assert_closed(beta.id, "policy_changed")
    assert t.reason("beta") == "no_client"
    config = dict(t.proxy.config, clients=[team("chief", t.server.port)])
    write_config(t.proxy.config_path, config)
    told = t.control.run("reload", expected=3)
    assert "a.yaml is refused and stays as it was" in told.stderr + told.stdout
    t.tunnel("chief").echo(b"new")
    assert t.reason("boss") == "no_client"
    alpha.echo(b"still")
    status = " ".join(t.control.run("status").stdout.split())
    assert "a.yaml is refused: what it said before is in force" in status, status
    # Mended, it counts; gone, its clients are gone.
    t.write("a.yaml", {"clients": [t.client("alpha"), t.client("delta")]})
    t.wait(a="good", b="good")
    t.tunnel("delta").echo(b"new")
    assert t.control.status()["reloads"]["failing_since"] is None
    os.unlink(t.folder / "a.yaml")
    t.proxy.assert_closed(alpha.id, "policy_changed")
    t.wait(b="good")
    assert t.reason("delta") == "no_client"
    t.write("new.yaml", {"clients": [t.client("delta")]})
    t.wait(b="good", new="good")
    delta = t.tunnel("delta")
    delta.echo(b"new file")
    # What is gone is gone, also while something else is refused.
    t.ca.write_text("")
    t.proxy.stderr.wait("reload failed, the old configuration")
    os.unlink(t.folder / "new.yaml")
    t.proxy.assert_closed(delta.id, "policy_changed")
    assert t.reason("delta") == "no_rule"
    t.tunnel("chief").echo(b"untouched")


def test_a_file_takes_nothing_from_another_one(teams):
    t = teams(lambda t: {"b.yaml": {"clients": [t.client("beta")]}})
    beta = t.tunnel("beta")
    for stolen in ({"cn": "beta"}, {"cn": "boss", "o": "Example"}):
        t.write("a.yaml", {"clients": [t.client("alpha") | {"match": [stolen]}]})
        t.wait(a="refused", b="good")
        beta.echo(b"untouched")
        assert t.proxy.decision(t.ask("beta").id)["client"]["name"] == "beta"
        os.unlink(t.folder / "a.yaml")
        t.wait(b="good")
    # Two that come at once and say the same: neither is believed.
    for name in ("c", "d"):
        t.write(f"{name}.yaml", {"clients": [t.client("gamma", name=name)]})
    t.control.run("reload", expected=3)
    t.wait(b="good", c="refused", d="refused")
    assert t.reason("gamma") == "no_client"
    os.unlink(t.folder / "c.yaml")
    t.wait(b="good", d="good")
    t.tunnel("gamma").echo(b"now it is one")


def test_findings_show_nothing_of_what_a_link_out_of_the_folder_leads_to(teams):
    t = teams(lambda t: {"a.yaml": {"clients": [t.client("alpha")]}})
    secret = t.folder.parent / "secret.yaml"
    secret.write_text("hunter2: x\n")
    os.symlink("../secret.yaml", t.folder / "b.yaml")
    t.wait(a="good", b="refused")
    told = t.control.run("reload", expected=3).stderr + t.proxy.stderr.text()
    checked = run("check", "-c", t.proxy.config_path)
    told += checked.stdout + checked.stderr
    assert "b.yaml" in told and "is a link out of its folder" in told, told
    assert "hunter2" not in told
    os.rename(secret, t.folder / "b.yaml")
    assert "hunter2" in t.control.run("reload", expected=3).stderr
    t.write("b.yaml", {"clients": [t.client("beta")]})
    t.wait(a="good", b="good")


def upgrade(t):
    said = t.control.run("upgrade").stderr
    t.proxy.pid = int(re.search(r"process (\d+) serves now", said).group(1))


def test_what_a_file_held_stays_its_own_over_edits_renames_upgrades_and_restarts(teams, start):
    t = teams(lambda t: {f"{name[0]}.yaml": {"clients": [t.client(name)]} for name in ("alpha", "beta", "gamma")})
    t.write("a.yaml", {"clients": [t.client("alpha") | {"match": [{"cn": "beta"}, {"cn": "gamma"}]}]})
    t.wait(a="contested", b="good", g="good")
    t.proxy.stderr.wait("can fit certificates of the client `beta` of another file")
    upgrade(t)
    t.wait(a="contested", b="good", g="good")
    t.tunnel("beta").echo(b"after the upgrade")
    # The other team edits and renames while somebody claims its clients, and takes a right away.
    beta = t.tunnel("beta")
    t.write("b.yaml", {"clients": [t.client("beta", allow=[])]})
    t.proxy.assert_closed(beta.id, "policy_changed")
    assert t.reason("beta") == "no_rule"
    t.write("b.yaml", {"clients": [t.client("beta")], "deny": [{"ports": [25]}]})
    os.rename(t.folder / "b.yaml", t.folder / "z.yaml")
    t.wait(a="contested", z="good", g="good")
    t.tunnel("beta").echo(b"under another name")
    # Edited while the proxy is down, one of them to a mistake: then its clients may do nothing, and nobody else has them.
    def edit():
        t.write("z.yaml", {"clients": [t.client("beta"), t.client("delta")]})
        t.write("g.yaml", "clients: [")

    t.restart(start, edit)
    t.wait(a="contested", z="good", g="refused")
    t.tunnel("beta").echo(b"after the restart")
    assert t.proxy.decision(t.ask("gamma").id)["client"]["name"] == "gamma"
    assert t.reason("gamma") == "no_rule"
    t.write("g.yaml", {"clients": [t.client("gamma")]})
    t.wait(a="contested", z="good", g="good")
    # What cannot be read is no history: nobody is right.
    record = t.proxy.folder / "state.json.included"
    t.restart(start, lambda: record.write_text("sallyport included 2\nno holdings\n"))
    t.wait(a="refused", z="refused", g="refused")
    t.proxy.stderr.wait("is not known.*state.json.included")
    t.write("a.yaml", {"clients": [t.client("alpha")]})
    t.wait(a="good", z="good", g="good")


def test_a_certificate_belongs_to_the_file_that_had_it_first_by_whatever_it_is_named(teams):
    t = teams(lambda t: {"b.yaml": {"clients": [t.client("beta")]}})
    place = t.proxy.folder / "admin.sock"
    write_config(t.proxy.config_path, dict(t.proxy.config, admin={"address": f"unix:{place}"}))
    t.control.run("reload")
    beta = t.tunnel("beta")
    leaf = t.leaf("beta")

    def contested():
        return value(read_metrics(get(place, "/metrics").body), "sallyport_certificates_contested_total")

    assert contested() == 0
    for named in ({"sha256": leaf.sha256}, {"serial": leaf.serial}, {"spki_sha256": leaf.spki_sha256}):
        t.write("a.yaml", {"clients": [t.client("alpha", match=[named])]})
        t.control.run("reload")
        t.wait(a="good", b="good")
        beta.echo(b"untouched")
        assert t.proxy.decision(t.ask("beta").id)["client"]["name"] == "beta"
    said = rf"{leaf.sha256} fits client `beta` \({t.folder}/b.yaml:\d+\) and client `alpha` of another file \({t.folder}/a.yaml:\d+\)"
    t.proxy.stderr.wait(said)
    assert contested() >= 3 and len(re.findall("it belongs to the file", t.proxy.stderr.text())) == 1
    told = run("explain", "-c", t.proxy.config_path, "--cert", leaf.chain, "--from", "127.0.0.1", "--address", "127.0.0.1", "--to", "origin.test:443").stdout
    assert "beta: its match[0]" in told, told
    # Given up, it is the other one's.
    t.write("a.yaml", {"clients": [t.client("alpha", match=[{"sha256": leaf.sha256}])]})
    t.write("b.yaml", {"clients": [t.client("beta", match=[{"cn": "other"}])]})
    t.control.run("reload")
    assert t.proxy.decision(t.ask("beta").id)["client"]["name"] == "alpha"
    t.write("b.yaml", {"clients": [t.client("beta")]})
    t.control.run("reload")
    t.wait(a="good", b="good")
    assert t.proxy.decision(t.ask("beta").id)["client"]["name"] == "alpha"
    told = run("explain", "-c", t.proxy.config_path, "--cert", leaf.chain, "--from", "127.0.0.1", "--address", "127.0.0.1", "--to", "origin.test:443").stdout
    assert "client `beta` of another file" in told, told


def publish_crl(path, pki, *revoked, number):
    shutil.copy(pki.ca.crl(*revoked, number=number), f"{path}.new")
    os.rename(f"{path}.new", path)


def test_a_large_file_that_changes_all_the_time_holds_up_no_revocation(teams, pki):
    t = teams(lambda t: {"beta.yaml": {"clients": [t.client("beta", allow=[]), t.client("gamma")]}})
    crl = t.folder.parent / "staff.crl"
    publish_crl(crl, pki, number=1)
    trust = {"staff": {"ca": [str(t.ca)], "crl": [str(crl)]}}
    write_config(t.proxy.config_path, dict(t.proxy.config, trust=trust))
    t.control.run("reload")
    tunnels = {name: t.tunnel(name) for name in ("boss", "gamma")}
    match = "[{cn: c%d}, {dns: d%d.example}, {serial: %d}]"
    large = "".join(f"  - {{name: c{i}, match: {match % (i, i, i + 1)}}}\n" for i in range(count(40_000, 10_000)))
    stop = threading.Event()

    def churn():
        version = 0
        while not stop.is_set():
            version += 1
            t.write("large.yaml", f"clients:\n{large}# {version}\n")
            stop.wait(0.1)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        eventually(lambda: t.states().get("large.yaml") == "good", "the large file")
        said = t.proxy.stderr.count()
        publish_crl(crl, pki, t.leaf("boss"), number=2)
        t.proxy.assert_closed(tunnels["boss"].id, "revoked")
        t.proxy.stderr.wait("what else has changed is still being read; .*in force all the same", after=said)
        t.write("beta.yaml", {"clients": [t.client("beta"), t.client("gamma")]})
        # It waits for two readings of the large file.
        eventually(lambda: t.ask("beta").status == 200, "another team's change", 6 * PATIENCE)
        assert "REVOKED" in t.proxy.dial(t.leaf("boss")).refusal()  # what was read before gives nothing back
        tunnels["gamma"].echo(b"untouched")
    finally:
        stop.set()
        thread.join()
    assert "reload failed" not in t.proxy.stderr.text()


def test_a_folder_that_cannot_be_read_is_as_loud_as_a_file(teams):
    t = teams(lambda t: {"a.yaml": {"clients": [t.client("alpha")]}})
    locked = t.folder.parent / "locked"
    locked.mkdir(mode=0)
    write_config(t.proxy.config_path, dict(t.proxy.config, include=[f"{t.folder}/*.yaml", f"{locked}/*.yaml"]))
    told = t.control.run("reload", expected=3).stderr
    assert f"reloaded in part: config {t.proxy.config_path}" in told and f"cannot read {locked}: Permission denied" in told
    config, reloads = (t.control.status()[key] for key in ("config", "reloads"))
    assert f"cannot read {locked}" in config["included_problem"]
    assert (reloads["failed"], reloads["last"]["good"], reloads["last"]["partial"]) == (0, False, True)
    shown = " ".join(t.control.run("status").stdout.split())
    assert "1 good, 0 failed" in shown and "! in part" in shown and "! failed" not in shown
    assert "! not all are known: cannot read" in shown
    t.tunnel("alpha").echo(b"as before")
    locked.chmod(0o755)
    assert "reloaded: config" in t.control.run("reload").stderr
    assert t.control.status()["config"]["included_problem"] is None


def test_a_block_of_a_name_that_a_files_owner_can_change_warns(teams):
    t = teams(lambda t: {"a.yaml": {"clients": [t.client("alpha")]}})
    told = t.control.block("alpha").stderr
    assert "a.yaml chooses this name" in told, told
    assert "chooses this name" in t.control.block("alpha").stderr
    assert "WARNING" not in t.control.block("boss").stderr


def test_a_start_with_a_broken_file_serves_all_others(start, dns, origin, pki, tmp_path):
    folder = tmp_path / "clients.d"
    folder.mkdir()
    (folder / "a.yaml").write_text("clients: [{name: a")
    os.mkdir(folder / "dir.yaml")
    data = folder / "..data"
    os.mkdir(folder / "..1")
    (folder / "..1" / "k.yaml").write_text(json.dumps({"clients": [team("kate", 1)]}))
    os.symlink("..1", data)
    os.symlink("..data/k.yaml", folder / "k.yaml")
    proxy = start(include=[f"{folder}/*.yaml"], control=CONTROL)
    control = Control(proxy)

    def states():
        return [row["state"] for row in control.status()["config"]["included"]]

    assert states() == ["refused", "refused", "good"]
    assert control.status()["reloads"]["failing_since"] is not None
    assert proxy.decision(proxy.ask(DENIED, pki.ca.leaf("kate")).id)["client"]["name"] == "kate"
    checked = run("check", "-c", proxy.config_path)
    assert checked.returncode == 1 and "a.yaml:2:1: error" in checked.stderr, checked.stderr
    assert "dir.yaml is a directory" in checked.stderr
    assert run("check", "--main", "-c", proxy.config_path).returncode == 0
    karl = pki.ca.leaf("karl")
    assert proxy.decision(proxy.ask(DENIED, karl).id)["decision"]["reason"] == "no_client"
    # As the kubelet does it.
    os.mkdir(folder / "..2")
    (folder / "..2" / "k.yaml").write_text(json.dumps({"clients": [team("karl", 1)]}))
    os.symlink("..2", folder / "..data_tmp")
    os.rename(folder / "..data_tmp", data)
    eventually(
        lambda: proxy.decision(proxy.ask(DENIED, karl).id)["decision"]["reason"] == "no_rule",
        lambda: proxy.stderr.text(),
    )
