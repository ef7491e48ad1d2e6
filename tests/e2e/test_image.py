"""The container image: what is in it, and that what the quickstart does works in it, with nothing but mounts and streams."""

import json
import re
import shutil
import signal
import subprocess
from types import SimpleNamespace

import pytest

from support.container import Container, Image, built
from support.scale import PATIENCE
from support.web import PAGE, Website

MOST = 25 << 20


@pytest.fixture(scope="module")
def image():
    return Image(built("sallyport-image.tar"))


@pytest.fixture(scope="module")
def bill():
    return json.loads(built("sallyport-image.spdx.json").read_text())


@pytest.fixture(scope="module")
def root(image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "root"
    image.unpack(folder)
    return folder


@pytest.fixture
def run(image, root):
    """Starts containers; none outlives its test."""
    started = []

    def start(*arguments, **options):
        started.append(Container(image, root, arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def finish(run):
    """Runs a container to its end: exit status, stdout, stderr."""

    def end(*arguments, **options):
        container = run(*arguments, **options)
        code = container.wait(PATIENCE)
        return code, container.stdout.text(), container.stderr.text()

    return end


@pytest.fixture
def folders(tmp_path):
    """What is mounted into a container that serves: (here, there, may be written)."""
    for name in ("gate", "run", "state"):
        (tmp_path / name).mkdir()
    return {
        "gate": tmp_path / "gate",
        "serving": [
            (tmp_path / "gate", "/etc/sallyport", False),
            (tmp_path / "run", "/run/sallyport", True),
            (tmp_path / "state", "/var/lib/sallyport", True),
        ],
        "making": [(tmp_path / "gate", "/etc/sallyport", True)],
    }


def test_the_image_is_small_and_has_what_it_is_started_with(image):
    entries = {each.name: each for each in image.entries()}
    assert sum(each.size for each in entries.values()) < MOST
    assert image.command == ["/usr/bin/sallyport", "serve", "-c", "/etc/sallyport/sallyport.yaml"]
    config = image.config["config"]
    assert config["User"] == "65532:65532"
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/sallyport", "status", *image.command[2:]]
    assert config["Labels"]["org.opencontainers.image.version"] == image.config["history"][1]["created_by"].split()[1]
    for path in ("usr/bin/sallyport", "etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Zurich"):
        assert entries[path].isreg() and entries[path].size > 0
    for path in (volume[1:] for volume in config["Volumes"]):
        assert entries[path].isdir() and entries[path].uid == entries[path].gid == 65532
    folder = entries["etc/sallyport"]
    assert folder.isdir() and (folder.uid, folder.gid, folder.mode) == (0, 0, 0o755)
    written = {each.name for each in entries.values() if each.uid or each.gid or (each.mode & 0o022 and not each.issym())}
    assert written == {"tmp", *(volume[1:] for volume in config["Volumes"])}


def test_the_image_has_no_shell_nothing_with_rights_of_its_own_and_nothing_that_others_may_write(image):
    for each in image.entries():
        assert not each.mode & 0o6000, each.name
        if each.isreg():
            assert (each.uid, each.gid, each.mode & 0o022) == (0, 0, 0), each.name
            is_run = each.mode & 0o111 and ".so" not in each.name
            assert each.name == "usr/bin/sallyport" or not is_run, each.name
        else:
            assert each.isdir() or each.issym(), each.name


def test_the_bill_of_materials_names_every_package_that_the_image_has_files_of(image, bill):
    assert bill["spdxVersion"] == "SPDX-2.3"
    parts = {each["SPDXID"]: each for each in bill["packages"]}
    [whole] = [each for each in parts.values() if each["primaryPackagePurpose"] == "CONTAINER"]
    assert "sha256:" + whole["checksums"][0]["checksumValue"] == image.digest
    places = {each.name for each in image.entries()}
    recorded = {name.rpartition("/")[2] for name in places if name.startswith("var/lib/dpkg/status.d/")}
    named = {part["name"][4:] for part in parts.values() if part["name"].startswith("deb-")}
    assert named == recorded and "libc6" in named and "tzdata" in named
    for part in parts.values():
        if part["name"].startswith("deb-"):
            assert re.search(r"its copyright: /(\S+)", part["comment"])[1] in places, part["name"]
    static = {each["relatedSpdxElement"] for each in bill["relationships"] if each["relationshipType"] == "STATIC_LINK"}
    assert {"SPDXRef-static-boringssl", "SPDXRef-static-nghttp2"} <= static
    for each in bill["relationships"]:
        assert each["relatedSpdxElement"] in parts and each["spdxElementId"] in {*parts, "SPDXRef-DOCUMENT"}


@pytest.fixture
def site(finish, folders):
    """An https server with a certificate of a CA that a container has made."""
    ca = ("--dir", "/etc/sallyport")
    issue = ("ca", "issue", "origin", "--server", "--dns", "localhost", *ca, "--out", "/etc/sallyport/origin")
    for command in (("ca", "init", *ca), issue):
        code, _, said = finish(*command, mounts=folders["making"])
        assert code == 0, said
    place = folders["gate"] / "origin"
    made = Website(None, identity=SimpleNamespace(chain=place / "origin.crt", key=place / "origin.key"))
    yield made
    made.stop()


def test_the_quickstart_works_in_a_container_with_a_read_only_root_and_no_rights(finish, run, folders, image, site):
    gate = folders["gate"]
    allow = ("--listen", "127.0.0.1:0", "--allow", f"localhost:{site.port}=127.0.0.0/8")
    code, _, said = finish("quickstart", "/etc/sallyport", *allow, mounts=folders["making"])
    assert code == 0, said
    served_on_stdout(gate)
    proxy = run(mounts=folders["serving"])
    address = proxy.stderr.wait(r"ready main=(\S+)")
    assert address, proxy.stderr.text()
    assert_caged(proxy.pid)
    assert finish("status", *image.command[2:], mounts=folders["serving"])[0] == 0
    curl = [
        *("curl", "-qsS", "--noproxy", "", "-x", f"https://{address[1]}", "--proxy-cacert", gate / "ca.crt"),
        *("--proxy-cert", gate / "client.crt", "--proxy-key", gate / "client.key", "--cacert", gate / "ca.crt"),
    ]
    result = subprocess.run([*curl, f"https://localhost:{site.port}/"], capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (0, PAGE), result.stderr
    refused = subprocess.run([*curl, "https://other.test/"], capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and "403" in refused.stderr, refused.stderr
    proxy.signal(signal.SIGTERM)
    assert proxy.wait(PATIENCE) == 0, proxy.stderr.text()
    records = [json.loads(line) for line in proxy.stdout.text().splitlines()]
    decided = [each["decision"]["action"] for each in records if each["event"] == "decision"]
    assert decided == ["allow", "deny"], records
    assert finish("status", *image.command[2:], mounts=folders["serving"])[0] == 4


def served_on_stdout(gate):
    """The quickstart's configuration with the image's places for what is written."""
    path = gate / "sallyport.yaml"
    text, count = re.subn(r"(?m)^audit:.*(\n +.*)*", 'audit: {file: "-"}', path.read_text())
    assert count == 1, text
    text, count = re.subn(
        r"(?m)^control:.*(\n +.*)*", "control: {socket: /run/sallyport/control.sock, state: /var/lib/sallyport/state.json}", text
    )
    assert count == 1, text
    path.write_text(text)


def assert_caged(pid):
    """What the kernel says of a process: no capability, now or by a program that it runs, and a root that is read-only."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, (name, status[name])
    assert status["NoNewPrivs"] == "1"
    assert status["NSpid"].split()[-1] == "1"
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        mounts = {line.split()[4]: line.split()[5].split(",") for line in file}
    assert "ro" in mounts["/"] and "ro" in mounts["/etc/sallyport"] and "rw" in mounts["/run/sallyport"]


def test_nothing_can_be_written_to_the_image_itself(finish):
    code, _, said = finish("ca", "init", "--dir", "/usr/ca")
    assert code != 0 and "Read-only file system" in said, said


def test_a_container_without_a_configuration_says_which_file_it_wants(finish):
    code, _, said = finish()
    assert code == 3 and "/etc/sallyport/sallyport.yaml" in said, said


def test_a_configuration_comes_by_stdin_and_keys_by_a_mount(run, folders, pki):
    for name, path in (("server.crt", pki.server.chain), ("server.key", pki.server.key), ("ca.crt", pki.ca.path)):
        shutil.copy(path, folders["gate"] / name)
    pair = {"chain": "/etc/sallyport/server.crt", "key": "/etc/sallyport/server.key"}
    config = {
        "version": 1,
        "listeners": [{"name": "main", "address": "127.0.0.1:0", "certificates": [pair], "trust": "staff"}],
        "trust": {"staff": {"ca": ["/etc/sallyport/ca.crt"]}},
        "audit": {"file": "-"},
    }
    proxy = run("serve", "-c", "-", mounts=folders["serving"][:1], stdin=json.dumps(config))
    assert proxy.stderr.wait(r"ready main="), proxy.stderr.text()
    proxy.signal(signal.SIGTERM)
    assert proxy.wait(PATIENCE) == 0


def test_time_zones_and_public_suffixes_are_those_of_the_image(finish, folders, pki):
    shutil.copy(pki.server.chain, folders["gate"] / "server.crt")
    shutil.copy(pki.server.key, folders["gate"] / "server.key")
    shutil.copy(pki.ca.path, folders["gate"] / "ca.crt")

    def check(zone):
        hours = {"days": "mon-fri", "from": "08:00", "to": "18:00", "zone": zone}
        rule = {"hosts": ["*.co.uk"], "hours": hours}
        pair = {"chain": "server.crt", "key": "server.key"}
        config = {
            "version": 1,
            "listeners": [{"name": "main", "address": "127.0.0.1:0", "certificates": [pair], "trust": "staff"}],
            "trust": {"staff": {"ca": ["ca.crt"]}},
            "clients": [{"name": "workers", "match": [{"any": True}], "allow": [rule]}],
            "audit": {"file": "-"},
        }
        (folders["gate"] / "sallyport.yaml").write_text(json.dumps(config))
        return finish("check", "-c", "/etc/sallyport/sallyport.yaml", mounts=folders["serving"])

    code, _, said = check("Europe/Zurich")
    assert code == 0 and "co.uk" in said and "publicsuffix" not in said, said
    code, _, said = check("Europe/Nowhere")
    assert code == 3 and "Europe/Nowhere" in said, said
