"""A real Prometheus: it finds nothing wrong with the metrics, scrapes them, and its alerts fire for what they are about."""

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from support.admin import get
from support.config import client, reach
from support.proxy import Lines
from support.scale import PATIENCE, eventually

PROMTOOL = shutil.which("promtool") or "promtool"
DELIVER = Path(__file__).parents[2] / "tools/deliver"
PROMETHEUS = shutil.which("prometheus") or "prometheus"


@pytest.fixture
def watched(start, dns, origin):
    """A proxy that has done a bit of everything; its `admin` is (host, port)."""
    dns.addresses("origin.test", "127.0.0.1")
    server = origin()
    proxy = start(
        client(reach("origin.test", server.port)),
        client(name="odd-{cn}", accounts=5, match=[{"cn": "nobody", "trust": "staff"}]),
        admin={"address": "127.0.0.1:0"},
        limits={"tunnels": 1000},
    )
    said = proxy.stderr.wait(r"metrics and health at http://(.*):(\d+)/")
    proxy.admin = (said[1], int(said[2]))
    proxy.tunnel(f"origin.test:{server.port}").echo(b"hello")
    assert proxy.ask("nowhere.test:443").status == 403
    return proxy


def test_promtool_finds_nothing(watched):
    text = get(watched.admin, "/metrics").body
    result = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def query(port, expression):
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return json.load(answer)["data"]["result"]


def test_prometheus_scrapes_it(watched, tmp_path):
    port = free_port()
    host, admin = watched.admin
    (tmp_path / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s"},
                "scrape_configs": [
                    {"job_name": "sallyport", "static_configs": [{"targets": [f"{host}:{admin}"]}]}
                ],
            }
        )
    )
    with subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            log = Lines(process.stderr)
            assert log.wait("Server is ready to receive web requests")
            eventually(lambda: query(port, 'up{job="sallyport"} == 1'), log.text)
            tunnels = query(port, 'sallyport_requests_open{state="tunnel"}')
            assert [row["value"][1] for row in tunnels] == ["1"]
            assert query(port, "histogram_quantile(0.9, sallyport_handshake_duration_seconds_bucket)")
            assert "error" not in log.text().lower()
        finally:
            process.terminate()
            process.wait(PATIENCE)
            log.join()


# -- what is delivered beside the program ------------------------------------------------------------

RULES = DELIVER / "prometheus/rules.yml"
RULES_TEST = DELIVER / "prometheus/rules_test.yml"
DASHBOARD = DELIVER / "grafana/sallyport.json"


def promtool(*arguments, folder):
    result = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_alerts_are_rules_and_each_has_a_test_that_it_fires_and_one_that_it_does_not():
    promtool("check", "rules", RULES.name, folder=RULES.parent)
    promtool("test", "rules", RULES_TEST.name, folder=RULES.parent)
    alerts = re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.MULTILINE)
    tests = re.findall(r"^  - name: (.*)$", RULES_TEST.read_text(), re.MULTILINE)
    assert sorted(tests) == sorted(f"{alert} {word}" for alert in alerts for word in ("fires", "does not fire"))
    for block in RULES_TEST.read_text().split("  - name: ")[1:]:
        assert ("exp_alerts: []" in block) == ("does not fire" in block.splitlines()[0])


def names_in(text):
    return set(re.findall(r"\b(?:sallyport|process)_[a-z0-9_]+", text)) - {"sallyport_requests"}


def expressions_of(part):
    """All of a dashboard, wherever they stand."""
    if isinstance(part, list):
        return [each for item in part for each in expressions_of(item)]
    if not isinstance(part, dict):
        return []
    own = [part["expr"]] if "expr" in part else []
    own += re.findall(r"^label_values\((.*), \w+\)$", part["query"]) if isinstance(part.get("query"), str) else []
    return own + expressions_of(list(part.values()))


def test_each_expression_of_the_dashboard_is_one_that_prometheus_reads(tmp_path):
    expressions = expressions_of(json.loads(DASHBOARD.read_text()))
    assert len(expressions) > 20
    rules = [
        {"record": f"dashboard:{number}", "expr": re.sub(r"\$(__\w+|\{__\w+\})", "5m", text).replace("$", "v")}
        for number, text in enumerate(expressions)
    ]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "rules.json", folder=tmp_path)


def test_rules_and_dashboard_name_metrics_that_there_are(watched):
    there = names_in(get(watched.admin, "/metrics").body)
    expressions = expressions_of(json.loads(DASHBOARD.read_text()))
    named = names_in("\n".join(expressions)) | names_in(RULES.read_text())
    assert len(named) > 20 and named <= there, named - there


def test_each_alert_is_on_the_page_for_operators():
    page = (Path(__file__).parents[2] / "docs/OPERATIONS.md").read_text()
    for alert in re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.MULTILINE):
        assert f"| `{alert}` |" in page, alert
