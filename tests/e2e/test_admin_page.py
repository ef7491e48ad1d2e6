"""The page of `admin`: what it shows is true, and nothing that a client chooses is more than text on it."""

import base64
import contextlib
import hashlib
import re
import subprocess

import pytest

from support.admin import get
from support.config import client, reach
from support.page import read_page
from support.pki import common_names
from support.proxy import BINARY
from support.scale import eventually

MARKUP = "<script>alert(1)</script>&\"'"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def watched(start, server):
    def make(*clients, **changes):
        given = clients or (client(reach("origin.test", server.port)),)
        proxy = start(*given, **{"admin": {"address": "unix:admin.sock"}, **changes})
        proxy.admin = str(proxy.folder / "admin.sock")
        proxy.target = f"origin.test:{server.port}"
        return proxy

    return make


def look(proxy):
    answer = get(proxy.admin, "/")
    assert answer.status == 200 and answer.fields["Content-Type"] == "text/html; charset=utf-8"
    assert len(answer.body) < 200 * 1024
    return read_page(answer.body)


def test_the_page_shows_what_happens(watched):
    proxy = watched()
    tunnel = proxy.tunnel(proxy.target)
    tunnel.echo(b"x" * 5000)
    denied = [proxy.ask("nowhere.test:443") for _ in range(3)]
    page = look(proxy)
    assert "ready" in page.text and "Open tunnels1" in page.text
    row = next(row for row in page.tables["denials"] if row[1] == "nowhere.test:443")
    assert row[0] == "workers" and row[2] == "no_rule" and row[3] == "3"
    client_row = next(row for row in page.tables["clients"] if row[0] == "workers")
    assert client_row[1:7] == ["1", "1", "4.8 KiB", "4.8 KiB", "1", "3"]
    assert next(row for row in page.tables["targets"] if row[0] == proxy.target)[1:3] == ["1", "0"]
    assert len(page.tables["ends"]) == 3
    # The command beside a denial says why, as it stands there.
    command = row[5].replace("sallyport ", f"{BINARY} ", 1)
    proxy.decision(denied[-1].id)
    explained = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert explained.returncode in (0, 1) and "nowhere.test" in explained.stdout, (command, explained)
    tunnel.close()


def test_nothing_that_a_client_chooses_is_more_than_text(watched, pki):
    proxy = watched(client({"hosts": ["origin.test"]}, match=[{"cn": "nobody"}]), trust={"staff": {"denied": []}})
    odd = pki.authority(MARKUP, label="markup-ca").leaf("markup", subject=common_names(MARKUP))
    stranger = proxy.dial(odd)
    with contextlib.suppress(OSError):
        stranger.handshake()
    proxy.audit.wait("handshake_refused", reason="unknown_ca")
    known = pki.ca.leaf("odd", subject=common_names("\u202eevil" + MARKUP))
    assert proxy.ask("<b>.test:443", known).status == 400
    assert proxy.ask("xn--nowhere.test:443", known).status == 403
    page = look(proxy)
    assert any("script\\>alert(1)" in row[2] for row in page.tables["refused"]), page.tables["refused"]
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1 and "b" in tags and "\u202e" not in page.text


def test_the_policy_lets_a_browser_use_what_is_on_the_page_and_nothing_else(watched):
    proxy = watched()
    answer = get(proxy.admin, "/")
    policy = dict(part.strip().split(" ", 1) for part in answer.fields["Content-Security-Policy"].split(";"))
    for kind in ("style", "script"):
        [inside] = re.findall(rf"<{kind}>(.*?)</{kind}>", answer.body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert policy[f"{kind}-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'"
    assert answer.fields["Cache-Control"] == "no-store"
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", answer.body)


def test_a_page_full_of_everything_stays_small(watched, server):
    many = [client({"hosts": [f"host-{n}.test"]}, name="c" * 25 + str(n), match=[{"cn": str(n)}]) for n in range(50)]
    proxy = watched(*many, client({"hosts": ["*.test"]}, name="last"))
    tunnel = proxy.connect()
    for number in range(60):
        host = ("x" * 50 + f"{number}.") * 4 + "example"
        assert tunnel.ask(f"{host}:443").status == 403
    page = look(proxy)
    assert len(page.tables["denials"]) == 33 and len(page.tables["clients"]) == 16


def test_the_last_reload_is_told(watched):
    proxy = watched()
    proxy.reload(client(name="other"))
    assert "Last reload good" in look(proxy).text
    proxy.config_path.write_text("nonsense")
    proxy.send_signal(1)
    proxy.stderr.wait("reload failed")
    assert "Last reload refused" in look(proxy).text


def test_rates_come_with_the_second_sample(watched):
    proxy = watched()
    assert "Ratesin 10 s" in look(proxy).text
    proxy.ask("nowhere.test:443")
    eventually(lambda: "New tunnels" in look(proxy).text, "the second sample", patience=60)
    page = look(proxy)
    assert sum(tag == "polygon" for tag, _ in page.tags) == 9
