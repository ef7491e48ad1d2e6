"""Configurations of other programs: what they become is one that `check` takes, and what is left out is said."""

import os
import subprocess

import pytest

from support.proxy import BINARY, Lines, run
from support.scale import PATIENCE

SQUID = """https_port 8443 tls-cert=server.crt tls-key=server.key clientca=ca.crt
acl scrapers user_cert CN scraper
acl sites dstdomain .example.com
acl bad dstdomain "bad.txt"
acl safe port 80 443
include conf.d/*.conf
http_access deny !safe
http_access deny bad
http_access allow scrapers sites
http_access deny all
cache_dir ufs /var/spool/squid 100 16 256
"""


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """A folder with the files of `quickstart`, and Squid's."""
    folder = tmp_path_factory.mktemp("import") / "gate"
    assert run("quickstart", folder).returncode == 0
    (folder / "squid.conf").write_text(SQUID)
    (folder / "bad.txt").write_text("bad.example.com # not this one\n")
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "one.conf").write_text("acl lab src 10.0.0.0/8\nhttp_access allow lab sites\nvisible_hostname a\n")
    return folder


def imported(gate, *arguments, **options):
    result = run("import", *arguments, cwd=gate, **options)
    return result.returncode, result.stdout, result.stderr


def checked(gate, text):
    """What `check` says of a configuration."""
    (gate / "imported.yaml").write_text(text)
    result = run("check", "-c", "imported.yaml", cwd=gate)
    return result.returncode, result.stdout + result.stderr


def test_what_becomes_of_a_squid_conf_passes_check(gate):
    status, text, said = imported(gate, "squid", "squid.conf")
    assert status == 1, said
    assert "conf.d/one.conf:3: note: visible_hostname: not needed" in said
    assert "squid.conf:11: note: cache_dir: not needed: nothing is cached here" in said
    assert "conf.d/one.conf:1: acl lab: an address is no identity here" in said
    assert "not everything was taken" in said
    assert '{hosts: ["bad.example.com"]}    # line 8' in text
    status, said = checked(gate, text)
    assert status == 0, said


def test_the_proxy_that_it_describes_can_be_asked_and_told(gate):
    lines = [line for line in SQUID.splitlines(True) if not line.startswith("include")]
    (gate / "whole.conf").write_text("".join(lines).replace("https_port 8443", "https_port 127.0.0.1:8443"))
    (gate / "imported.yaml").write_text(imported(gate, "squid", "whole.conf")[1])
    process = subprocess.Popen([os.path.abspath(BINARY), "serve", "-c", "imported.yaml"], cwd=gate, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    stdout, stderr = Lines(process.stdout), Lines(process.stderr)
    try:
        assert stdout.wait("^ready "), stderr.text()
        for command in (["status"], ["block", "scrapers"], ["unblock", "scrapers"]):
            said = run(*command, "-c", "imported.yaml", cwd=gate)
            assert said.returncode == 0, said.stderr
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0, stderr.text()


def test_a_file_that_is_taken_whole_says_so(gate):
    lines = [line for line in SQUID.splitlines(True) if not line.startswith("include")]
    (gate / "whole.conf").write_text("".join(lines))
    status, text, said = imported(gate, "squid", "whole.conf")
    assert (status, all(": note: " in line for line in said.splitlines())) == (0, True), said
    assert checked(gate, text)[0] == 0
    piped = imported(gate, "squid", "-", input="".join(lines))
    assert piped[:2] == (0, text)


@pytest.mark.parametrize("text, words", [
    ("http_access allow nobody\n", "bad.conf:1: there is no acl `nobody`"),
    ("include none/*.conf\n", "bad.conf:1: include: there is no file none/*.conf"),
    ("acl a dstdomain \"none.txt\"\n", "none.txt"),
])
def test_what_squid_would_not_start_with_is_not_imported(gate, text, words):
    (gate / "bad.conf").write_text(text)
    status, written, said = imported(gate, "squid", "bad.conf")
    assert (status, written) == (3, "") and words in said, said


def test_nothing_open_becomes_open(gate):
    (gate / "open.conf").write_text("http_access allow all\n")
    status, text, said = imported(gate, "squid", "open.conf")
    assert status == 1 and "left out: it allows every target" in said and "no client is left" in said
    assert "clients:\n  - name" not in text
    status, said = checked(gate, text)
    assert status == 0 and "every request will be denied" in said, said


SMOKESCREEN = """port: 8443
tls: {cert_file: server.crt, key_file: server.key, client_ca_files: [ca.crt]}
acl_file: acl.yaml
allow_ranges: [10.2.0.0/16]
statsd_address: "127.0.0.1:8200"
"""
ACL = """version: v1
services:
  - {name: web, project: shop, action: enforce, allowed_domains: [example.com, "*.example.org"]}
  - {name: old, project: shop, action: ACTION}
global_deny_list: [bad.example]
"""


@pytest.mark.parametrize("action, status", [("enforce", 0), ("report", 0), ("open", 1)])
def test_what_becomes_of_smokescreen_passes_check(gate, action, status):
    (gate / "smokescreen.yaml").write_text(SMOKESCREEN)
    (gate / "acl.yaml").write_text(ACL.replace("ACTION", action))
    result = imported(gate, "smokescreen", "smokescreen.yaml")
    assert result[0] == status, result[2]
    assert "smokescreen.yaml:5: note: statsd_address: not needed" in result[2]
    assert ("mode: report" in result[1]) == (action == "report") and "mode: open" not in result[1]
    assert ("import opens nothing" in result[2]) == (action == "open")
    checks, said = checked(gate, result[1])
    assert checks == 0, said
    alone = imported(gate, "smokescreen", "acl.yaml")
    assert alone[0] == status and '{cn: "web"}' in alone[1]
    assert checked(gate, alone[1])[0] == 0


def test_smokescreens_own_errors_end_the_import(gate):
    (gate / "acl.yaml").write_text(ACL.replace("ACTION", "maybe"))
    assert imported(gate, "smokescreen", "acl.yaml") == (
        3, "", "sallyport import smokescreen: acl.yaml:4: `action` is open, report or enforce\n")
