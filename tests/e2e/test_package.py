"""What the Debian package brings, in a folder of this test: its first CA, certificate and list, its configuration and its timer, and the
commands of docs/INSTALL.md. tools/release --try has the same in a real installation."""

import os
import re
import shutil
import subprocess

import pytest

from support.audit import AuditLog
from support.pages import ROOT, run_script
from support.proxy import BINARY, Lines
from support.scale import PATIENCE, eventually
from support.web import clean_environment

DELIVER = ROOT / "tools/deliver"
ETC = "/etc/sallyport"
PLACES = ("/var/log/sallyport", "/var/lib/sallyport", "/run/sallyport")


def commands(*parts):
    """The one block of INSTALL.md that has all of these in it, as root runs it."""
    page = (ROOT / "docs/INSTALL.md").read_text(encoding="utf-8")
    [found] = [block for block in re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S) if all(part in block for part in parts)]
    return found.replace("sudo ", "")


class Installed:
    """A machine with the package, as far as one folder can be one."""

    def __init__(self, folder):
        self.folder = folder
        self.etc = folder / "etc"
        self.config = self.etc / "sallyport.yaml"
        for name in ("etc", "bin", *(place.strip("/").replace("/", "-") for place in PLACES)):
            (folder / name).mkdir()
        (folder / "bin" / "sallyport").symlink_to(os.path.realpath(BINARY))
        self.environment = clean_environment(folder)
        self.environment["PATH"] = f"{folder}/bin:{self.environment['PATH']}"
        self.config.write_text(self.local((DELIVER / "etc/sallyport.yaml").read_text(encoding="utf-8")))
        self.audit = AuditLog(folder / "var-log-sallyport" / "audit.jsonl")

    def local(self, text):
        """A text of the package or of the page, with the places of this folder."""
        for place in PLACES:
            text = text.replace(place, f"{self.folder}/{place.strip('/').replace('/', '-')}")
        return text.replace(ETC, str(self.etc)).replace("{user: sallyport}", "{}")  # users are the installation's

    def run(self, text):
        """Exit status of a script, and all that it said."""
        return run_script(["sh", "-ec", self.local(text)], self.folder, self.environment)

    def good(self, text):
        code, said = self.run(text)
        assert code == 0, said
        return said

    def configure(self):
        """Runs what the package does when it is configured; users are the installation's, a service nobody has here."""
        script = (DELIVER / "debian/sallyport.postinst").read_text(encoding="utf-8")
        script = script.replace("systemd-sysusers sallyport.conf", ":").replace("#DEBHELPER#", "")
        script = script.replace("chgrp sallyport", f"chgrp {os.getgid()}").replace("chmod 0640", "chmod 0600")
        script = script.replace("dpkg-statoverride --list", "test -z")
        return self.good(f"set -- configure\n{script}")

    def renew(self):
        """Runs what the timer starts for the folder of the CA."""
        unit = (DELIVER / "systemd/sallyport-ca-renew@.service").read_text(encoding="utf-8")
        starts = re.findall(r"^ExecStart=/usr/local/bin/(.*)$", unit, re.M)
        assert len(starts) == 2 and "EnvironmentFile=-%f/renew.conf" in unit
        lines = [". ./etc/ca/renew.conf"] + [start.replace("%f", f"{ETC}/ca") for start in starts]
        # Where systemd reads it there is no shell: what follows the equal sign is quoted words.
        options = (self.etc / "ca" / "renew.conf").read_text(encoding="utf-8").splitlines()
        assert all(re.fullmatch(r'[A-Z_]+="[^"$`\\]*"', line) for line in options), options
        return self.good("\n".join(lines))

    def list_number(self):
        said = self.good(f"openssl crl -in {ETC}/clients-ca.crl -noout -crlnumber")
        return int(said.strip().partition("=")[2], 16)


@pytest.fixture
def installed(tmp_path):
    made = Installed(tmp_path)
    made.configure()
    return made


@pytest.fixture
def serving(installed):
    """The service, as it is after the installation."""
    process = subprocess.Popen(
        ["sallyport", "serve", "-c", str(installed.config)],
        env=installed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stdout, stderr = Lines(process.stdout), Lines(process.stderr)
    assert stdout.wait(r"^ready main=127\.0\.0\.1:8443"), stderr.text()
    yield installed
    process.terminate()
    assert process.wait(PATIENCE) == 0, stderr.text()


def test_a_certificate_is_issued_used_and_taken_back_as_the_installation_page_says(serving):
    """This network has no DNS: the answer to what is allowed is that, and not a denial."""
    first = commands("ca issue laptop", "systemctl reload")
    first = re.sub(r"^sudoedit .*$", f"sed -i '/^#clients:/,/^#    allow/s/^#//' {ETC}/sallyport.yaml", first, flags=re.M)
    reload = f"sallyport reload -c {ETC}/sallyport.yaml"
    serving.good(first.replace("systemctl reload sallyport", reload))
    ask = commands("curl --proxy")
    assert "response 502" in serving.run(ask)[1]
    serving.audit.wait("decision", **{"client.name": "laptop"})
    serving.good(commands("ca revoke laptop"))
    serving.good(reload)
    eventually(lambda: "certificate revoked" in serving.run(ask)[1], "the refusal")
    serving.audit.wait("handshake_refused", reason="revoked")


def test_what_is_installed_passes_check_and_needs_no_more_than_the_page_says(installed):
    said = installed.good(f"sallyport check -c {ETC}/sallyport.yaml")
    assert "no revocation" not in said, said
    made = {path.name for path in installed.etc.iterdir()}
    assert made == {"sallyport.yaml", "ca", "server.crt", "server.key", "clients-ca.crt", "clients-ca.crl"}


def test_a_purge_leaves_nothing_of_what_the_installation_has_made(installed):
    script = (DELIVER / "debian/sallyport.postrm").read_text(encoding="utf-8").replace("#DEBHELPER#", "")
    for place in ("/etc/systemd/system", "/var/lib/systemd", "/etc/sallyport-connect"):
        script = script.replace(place, str(installed.folder / place.strip("/")))
    assert "systemd/system/timers.target.wants" in script
    timer = installed.folder / "etc/systemd/system/timers.target.wants/sallyport-ca-renew@etc-sallyport-ca.timer"
    stamp = installed.folder / "var/lib/systemd/timers/stamp-sallyport-ca-renew@etc-sallyport-ca.timer"
    for path in (timer, stamp):
        path.parent.mkdir(parents=True)
        path.touch()
    installed.config.unlink()  # dpkg's
    installed.good("set -- purge\nuserdel() { :; }\n" + script)
    assert not timer.exists() and not stamp.exists()
    left = [path for path in installed.folder.rglob("*") if not path.is_dir() and "bin" not in path.parts]
    assert left == []


def test_the_timer_renews_the_list_that_the_configuration_names(installed):
    before = installed.list_number()
    said = installed.renew()
    assert f"{installed.etc}/clients-ca.crl" in said, said
    assert installed.list_number() == before + 1
    assert not (installed.etc / "ca" / "ca.crl").exists()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages as the package has them, and what they name."""
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run([DELIVER / "pages", ROOT, folder / "all"], check=True)
    subprocess.run([DELIVER / "pages", ROOT, folder / "some", "docs/SIDECAR.md", "docs/DOCTOR.md", "docs/CLIENTS.md"], check=True)
    return folder


@pytest.mark.parametrize("name", ["all", "some"])
def test_every_link_on_a_packaged_page_leads_to_a_file_of_the_package(pages, name):
    links = 0
    for page in (pages / name).rglob("*.md"):
        for target in re.findall(r"\]\(([^()\s#:]+)(?:#[^()\s]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page, target)
            links += 1
    assert links > (100 if name == "all" else 2)


@pytest.mark.parametrize("page", ["OPERATIONS", "KUBERNETES"])
def test_what_operators_are_sent_to_is_in_the_package(pages, page):
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"tools/deliver/[\w/.-]*\w", text))
    assert len(named) >= 4
    for path in named:
        there, here = pages / "all" / path, ROOT / path
        assert there.exists() and os.access(there, os.X_OK) == os.access(here, os.X_OK), path


def test_the_packaged_renderer_renders_and_leaves_nothing_behind(pages):
    deliver = pages / "all/tools/deliver"
    before = sorted(deliver.rglob("*"))
    said = subprocess.run([deliver / "kubernetes/render", deliver / "kubernetes/charts/sallyport"], check=True, capture_output=True, text=True)
    assert "kind: Deployment" in said.stdout
    assert sorted(deliver.rglob("*")) == before


def test_an_installation_that_had_no_list_gets_one_and_its_timer_knows_it(installed):
    (installed.etc / "clients-ca.crl").unlink()
    (installed.etc / "ca" / "renew.conf").write_text('RENEW_OPTIONS="--out /etc/sallyport"\n')
    installed.configure()
    assert installed.list_number() == 2
    assert "CRL_OPTIONS=" in (installed.etc / "ca" / "renew.conf").read_text()


def test_whoever_trusts_another_ca_is_left_alone(installed):
    (installed.etc / "clients-ca.crl").unlink()
    shutil.copy(installed.etc / "server.crt", installed.etc / "clients-ca.crt")
    installed.configure()
    assert not (installed.etc / "clients-ca.crl").exists()
