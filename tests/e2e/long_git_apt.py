"""git and apt over https from an origin that keeps its connections alive, fifty times each, without one stall.

Not part of CI for its time: `tools/test --long` runs it. test_recipes_git_apt.py is the short one.
"""

import os
import time

import pytest

from support.apt import Apt, make_repository
from support.config import client, reach
from support.recipe_cases import said
from support.recipes import Kitchen
from support.web import Website, make_git

MIB = 1024 * 1024
TIMES = int(os.environ.get("SALLYPORT_LONG_TIMES", "50"))
PATIENCE = 300.0  # seconds for one clone; a stall would last for ever


@pytest.fixture
def kitchen(start_strict, dns, pki, tmp_path):
    """What gives a kitchen with an origin of these pages and repositories."""
    sites = []
    dns.addresses("origin.test", "127.0.0.1")

    def make(**content):
        site = Website(pki, **content)
        sites.append(site)
        proxy = start_strict(client(reach("origin.test", site.port)))
        made = Kitchen(tmp_path, proxy, pki.server_ca.path)
        made.proxy = proxy
        made.origin = f"https://origin.test:{site.port}"
        return made

    yield make
    for site in sites:
        site.stop()


def repeat(what, once):
    took = []
    for number in range(TIMES):
        began = time.monotonic()
        once()
        took.append(time.monotonic() - began)
        print(f"{what} {number + 1} of {TIMES}: {took[-1]:.1f} s", flush=True)
    print(f"{what}: {TIMES} of {TIMES}, {min(took):.1f} to {max(took):.1f} s each")


def test_fifty_clones_of_200_mib(kitchen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repositories")
    make_git(folder, 200 * MIB)
    made = kitchen(repositories=str(folder))
    expected = (folder / "blob").read_bytes()

    def clone():
        result = made.cook("git", made.origin + "/big.git", patience=PATIENCE)
        assert result.returncode == 0, said(result)
        assert (made.folder / "copy" / "blob").read_bytes() == expected

    repeat("git clone", clone)
    carried = made.proxy.audit.wait_count(TIMES, "close")
    assert all(close["bytes"]["down"] > 200 * MIB for close in carried)


def test_fifty_updates_and_downloads(kitchen, tmp_path_factory):
    pages, packages = make_repository(tmp_path_factory.mktemp("debs"), [1, 100_000, 3 * MIB, 30 * MIB])
    made = kitchen(pages=pages)
    machine = Apt(made, made.origin)
    repeat("apt update and download", lambda: machine.fetch(packages))
    assert {each["decision"]["action"] for each in made.proxy.audit.records("decision")} == {"allow"}
