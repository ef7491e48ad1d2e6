"""apt on a machine of its own: folders that are private to a test, and the packages that it fetches.

Nothing of the real system's apt is read or changed. What apt is told about the proxy is the recipe of
docs/CLIENTS.md, with this test's port and folder in the place of the page's.
"""

import hashlib
import random
import shutil
import subprocess

from support.recipes import recipes
from support.scale import PATIENCE
from support.web import clean_environment

CONTROL = """Package: {name}
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.test>
Description: bytes that do not compress
"""


def make_package(folder, name, size):
    """The bytes of a .deb that has `size` bytes of nothing in particular."""
    tree = folder / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(CONTROL.format(name=name))
    (tree / "blob").write_bytes(random.Random(name).randbytes(size))
    made = folder / f"{name}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return made.read_bytes()


def make_repository(folder, sizes):
    """Pages of a flat repository at /apt/, and its packages by name."""
    packages, index, pages = {}, "", {}
    for number, size in enumerate(sizes):
        name = f"blob{number}"
        packages[name] = data = make_package(folder, name, size)
        digest = hashlib.sha256(data).hexdigest()
        index += CONTROL.format(name=name)
        index += f"Filename: ./{name}_1.0_all.deb\nSize: {len(data)}\nSHA256: {digest}\n\n"
        pages[f"/apt/./{name}_1.0_all.deb"] = data
    release = f"SHA256:\n {hashlib.sha256(index.encode()).hexdigest()} {len(index)} Packages\n"
    pages["/apt/./Packages"] = index.encode()
    pages["/apt/./Release"] = release.encode()
    pages["/apt/./InRelease"] = pages["/apt/./Release.gpg"] = None  # it is not signed
    return pages, packages


class Apt:
    """One machine's apt, which knows one repository."""

    def __init__(self, kitchen, origin):
        self.folder = kitchen.folder / "apt"
        self._kitchen = kitchen
        for name in ("etc/apt.conf.d", "etc/preferences.d", "lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        (self.folder / "etc" / "sources.list").write_text(f"deb [trusted=yes] {origin}/apt/ ./\n")

    def run(self, *words, change=lambda text: text):
        """apt-get with the page's lines in its configuration, as changed."""
        _, recipe = recipes()["apt"]
        recipe = change(recipe)
        recipe = recipe.replace("https://localhost:8443", self._kitchen.proxy_url)
        recipe = recipe.replace("/etc/sallyport", str(self._kitchen.folder))
        (self.folder / "etc" / "apt.conf.d" / "proxy").write_text(recipe)
        (self.folder / "apt.conf").write_text(f"""
            Dir "{self.folder}";
            Dir::Etc "{self.folder}/etc";
            Dir::Etc::Parts "{self.folder}/etc/apt.conf.d";
            Dir::State "{self.folder}";
            Dir::State::Status "{self.folder}/status";
            Dir::Cache "{self.folder}/cache";
            APT::Sandbox::User "root";
            APT::Architecture "amd64";
            APT::Architectures {{ "amd64"; }};
            Acquire::Languages "none";
            Acquire::Retries "0";
            Acquire::https::origin.test::CaInfo "{self._kitchen.origin_ca}";
            Acquire::https::social.test::CaInfo "{self._kitchen.origin_ca}";
            """)
        environment = clean_environment(self.folder)
        environment["APT_CONFIG"] = str(self.folder / "apt.conf")
        result = subprocess.run(
            ["apt-get", "-q", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=3 * PATIENCE,
        )
        return result.returncode, result.stdout + result.stderr

    def fetch(self, packages):
        """Update and download from nothing; every package has to arrive as it is."""
        shutil.rmtree(self.folder / "lists")
        (self.folder / "lists" / "partial").mkdir(parents=True)
        status, said = self.run("update", "-o", "APT::Update::Error-Mode=any")
        assert status == 0, said
        status, said = self.run("download", *packages)
        assert status == 0, said
        for name, data in packages.items():
            file = self.folder / f"{name}_1.0_all.deb"
            assert file.read_bytes() == data
            file.unlink()
