"""The manifests and charts of tools/deliver/kubernetes: what they say is what Kubernetes knows, they fit together, and a broken one is
refused."""

import copy
import functools
import importlib.machinery
import importlib.util
import json
import re
import shutil
import subprocess

import pytest

from support.kubernetes import CHARTS, KUBERNETES, MANIFESTS, VARIANTS, Chart, Mistake, faults, objects
from support.pages import PAGES, blocks
from support.proxy import run
from support.scale import IS_SMALL


def renderer():
    """tools/deliver/kubernetes/render as a module."""
    loader = importlib.machinery.SourceFileLoader("render", str(KUBERNETES / "render"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("render", loader))
    loader.exec_module(module)
    return module


@functools.lru_cache(maxsize=None)
def made(variant):
    chart, values = VARIANTS[variant]
    return objects(Chart(CHARTS / chart, [values]).render().values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_chart_gives_objects_without_a_fault(variant):
    assert faults(made(variant)) == []


def test_the_plain_manifests_are_what_the_charts_give():
    there = {str(path.relative_to(MANIFESTS)): path.read_text(encoding="utf-8") for path in MANIFESTS.rglob("*.yaml")}
    assert there == renderer().plain(), "tools/deliver/kubernetes/render --plain"


@pytest.mark.parametrize("folder", ["proxy", "fleet-csi", "fleet-vault"])
def test_a_folder_of_plain_manifests_has_no_fault_and_its_kustomization_names_all_of_it(folder):
    texts = {path.name: path.read_text(encoding="utf-8") for path in (MANIFESTS / folder).glob("*.yaml")}
    [kustomization] = objects([texts["kustomization.yaml"]])
    assert sorted(kustomization["resources"]) == sorted(set(texts) - {"kustomization.yaml"})
    assert faults(objects(texts.values())) == []


def find(things, kind):
    return next(each for each in things if each["kind"] == kind)


def deployment(things):
    return find(things, "Deployment")["spec"]["template"]["spec"]


def container(things):
    return deployment(things)["containers"][0]


# What somebody could write by mistake, and a word of what is said about it.
BROKEN = {
    "a field that nobody knows": (lambda all: container(all).update(privilege=True), "privilege"),
    "a field in the wrong place": (lambda all: deployment(all).update(readOnlyRootFilesystem=True), "readOnlyRootFilesystem"),
    "a kind that is not delivered": (lambda all: all.append({"apiVersion": "v1", "kind": "Pod"}), "kind Pod"),
    "an old version of a kind": (lambda all: find(all, "PodDisruptionBudget").update(apiVersion="policy/v1beta1"), "policy/v1"),
    "a number as text": (lambda all: find(all, "Deployment")["spec"].update(replicas="3"), "'3' is not of type"),
    "text that is a number": (lambda all: container(all).update(args=["serve", 1]), "1 is not of type"),
    "a port that is none": (lambda all: container(all)["ports"][0].update(containerPort=70000), "70000"),
    "a name of a port that is too long": (lambda all: container(all)["ports"][0].update(name="a-name-of-sixteen"), "too long"),
    "a volume of two kinds": (lambda all: deployment(all)["volumes"][1].update(configMap={"name": "x"}), "valid under each"),
    "a mode as text": (lambda all: deployment(all)["volumes"][0]["projected"].update(defaultMode="0440"), "'0440'"),
    "a probe of two kinds": (lambda all: container(all)["livenessProbe"].update(exec={"command": ["x"]}), "valid under each"),
    "a budget with both bounds": (lambda all: find(all, "PodDisruptionBudget")["spec"].update(minAvailable=1), "valid under each"),
    "a quantity that is none": (lambda all: container(all)["resources"]["limits"].update(memory="1GB"), "1GB"),
    "a label that is none": (lambda all: find(all, "Service")["metadata"]["labels"].update(a="b c"), "b c"),
    "a peer that is a block and a pod": (
        lambda all: find(all, "NetworkPolicy")["spec"]["egress"][-1]["to"][0].update(podSelector={}),
        "should not be valid",
    ),
    "a selector that selects nothing": (lambda all: find(all, "Service")["spec"]["selector"].update(app="other"), "selects nothing"),
    "a policy for nobody": (
        lambda all: find(all, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].update(app="other"),
        "selects nothing",
    ),
    "a monitor of a port that is not there": (
        lambda all: find(all, "ServiceMonitor")["spec"]["endpoints"][0].update(port="other"),
        "port other",
    ),
    "a probe of a port that is not there": (lambda all: container(all)["livenessProbe"]["httpGet"].update(port="other"), "other"),
    "a mount of nothing": (lambda all: container(all)["volumeMounts"][0].update(name="other"), "no volume other"),
    "a root that can be written": (
        lambda all: container(all)["securityContext"].update(readOnlyRootFilesystem=False),
        "readOnlyRootFilesystem",
    ),
    "a container that may get rights": (
        lambda all: container(all)["securityContext"].pop("allowPrivilegeEscalation"),
        "allowPrivilegeEscalation",
    ),
    "a capability": (lambda all: container(all)["securityContext"].update(capabilities={"drop": []}), "[]"),
    "a pod of root": (lambda all: deployment(all)["securityContext"].update(runAsUser=0), "0 is less than"),
    "no profile of seccomp": (lambda all: deployment(all)["securityContext"].pop("seccompProfile"), "seccompProfile"),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_broken_manifest_is_refused(mistake):
    things = copy.deepcopy(made("proxy, much of it"))
    spoil, word = BROKEN[mistake]
    spoil(things)
    found = faults(things)
    assert any(word in fault for fault in found), found


# What is no template, or none that is known here: Helm would render some of these, and nobody would have tried it.
STRANGE = {
    "a value that is not there": ("a: {{ .Values.imagine }}", "there is no .Values.imagine"),
    "a function": ("a: {{ upper .Values.proxy }}", "not known here"),
    "a stage": ("a: {{ .Values.proxy | upper }}", "not known here"),
    "a condition": ("{{ if and .Values.proxy .Values.proxy }}{{ end }}", "not known here"),
    "a loop": ("{{ range .Values.proxy }}{{ end }}", "not known here"),
    "an if without its end": ("{{ if .Values.proxy }}", "without its `end`"),
    "an end without its if": ("{{ end }}", "not known here"),
    "braces that do not close": ("a: {{ .Values.proxy }", "do not close"),
    "a map where text is wanted": ("a: {{ .Values.image }}", "is no text"),
}


@pytest.mark.parametrize("mistake", STRANGE)
def test_a_template_that_is_not_understood_is_refused(mistake):
    text, word = STRANGE[mistake]
    with pytest.raises(Mistake, match=re.escape(word)):
        Chart(CHARTS / "sallyport-fleet").expand(text)


# Values that somebody could write by mistake, and what is said about them.
WRONG_VALUES = {
    "one that the chart does not know": ("sallyport", {"replica": 5}, "'replica' was unexpected"),
    "one below another": ("sallyport", {"certificate": {"names": [], "dnsNames": []}}, "'dnsNames' was unexpected"),
    "text for a boolean": ("sallyport", {"clientsCa": {"crl": "yes"}}, "clientsCa.crl: 'yes' is not of type 'boolean'"),
    "a number for a duration": ("sallyport", {"drain": 300}, "drain: 300"),
    "a section that the chart writes itself": ("sallyport", {"config": {"limits": {"tunnels": 5}}}, "config: "),
    "a limit that the chart writes itself": ("sallyport", {"limits": {"memory": "1GiB"}}, "limits: "),
    "a key file of the fleet that the chart mounts": (
        *("sallyport", {"shared": {"secret": "a", "options": {"key_file": "b"}}}, "shared.options: "),
    ),
    "a fleet without a store": ("sallyport", {"shared": {"secret": "a"}}, "shared: 'options' is a dependency of 'secret'"),
    "a key of a Service that it has already": ("sallyport", {"service": {"options": {"ports": []}}}, "service.options: "),
    "clients as a map": ("sallyport", {"clients": {"name": "scrapers"}}, "clients: "),
    "a certificate from nowhere": ("sallyport-fleet", {"certificate": {"from": "thin air"}}, "certificate.from: 'thin air'"),
    "a proxy in the clear": ("sallyport-fleet", {"proxy": "http://proxy:8443"}, "proxy: "),
    "an identity that another one begins with": ("sallyport-fleet", {"identity": "spiffe://example.org/scraper"}, "identity: "),
}


@pytest.mark.parametrize("mistake", WRONG_VALUES)
def test_values_that_the_chart_does_not_know_are_refused(mistake):
    chart, values, words = WRONG_VALUES[mistake]
    with pytest.raises(Mistake, match=re.escape(words)):
        Chart(CHARTS / chart, [values])


def test_what_a_template_says_is_written():
    text = '{{- if eq .Values.certificate.from "csi" }}\na: {{ .Values.proxy | quote }}\n{{- else }}\nb: {{ .Values.no }}\n{{- end }}\n'
    chart = Chart(CHARTS / "sallyport-fleet", [{"proxy": 'https://"p"'}])
    assert chart.expand(text) == '\na: "https://\\"p\\""\n'
    assert chart.expand("a:\n  {{- toYaml .Values.proxyCa | nindent 2 }}\n") == "a:\n  configMap: sallyport-ca\n"
    other = '{{ if .Values.app.args }}x{{ else }}{{ .Values.replicas }}{{ end }} {{ .Release.Namespace }}'
    assert chart.expand(other) == "2 sallyport"


@pytest.mark.parametrize("variant", [each for each in VARIANTS if each.startswith("proxy")])
def test_the_configuration_of_a_chart_is_a_good_one(variant, pki, tmp_path):
    things = made(variant)
    config, keys, state, shared = (tmp_path / name for name in ("config", "keys", "state", "shared"))
    for folder in (config, keys, state, shared):
        folder.mkdir()
    for name, text in (("fleet.key", "ab" * 32), ("valkey.password", "secret")):
        (shared / name).write_text(text)
        (shared / name).chmod(0o600)
    for name, text in find(things, "ConfigMap")["data"].items():
        (config / name).write_text(text)
    for place, path in (
        *((keys / "tls.crt", pki.server.chain), (keys / "tls.key", pki.server.key)),
        *((config / "clients-ca.crt", pki.ca.path), (config / "clients-ca.crl", pki.ca.crl())),
    ):
        shutil.copy(path, place)
    (config / "clients.d").mkdir()  # of a team that has no clients yet
    text = (config / "sallyport.yaml").read_text()
    for folder, there, count in (("/run/sallyport/", state, 1), ("/var/lib/sallyport/", state, 1), ("/etc/sallyport-keys/", keys, 2), ("/etc/sallyport-shared/", shared, 2 * ("much" in variant))):
        assert text.count(folder) == count, text
        text = text.replace(folder, f"{there}/")
    (config / "sallyport.yaml").write_text(text)
    result = run("check", "-c", config / "sallyport.yaml", "--json")
    warnings = [each["message"] for each in json.loads(result.stdout)["findings"] if each["severity"] == "warning"]
    if IS_SMALL:  # without a sandbox a sanitizer's build can read the key
        warnings = [each for each in warnings if "can be read by the process that serves" not in each]
    expected = ["there are no `clients`"] if "little" in variant else []
    assert result.returncode == 0, result.stdout
    assert [each[: len(expected[0])] if expected else each for each in warnings] == expected, warnings


def test_the_page_shows_values_of_which_the_chart_makes_something_without_a_fault():
    text = re.search(r"^```yaml\n(image:.*?)^```", PAGES["docs/KUBERNETES.md"].read_text(encoding="utf-8"), re.M | re.S)[1]
    things = objects(Chart(CHARTS / "sallyport", objects([text])).render().values())
    assert faults(things) == []
    assert "blocked.txt" in find(things, "ConfigMap")["data"]


def test_the_renderer_prints_and_makes_a_folder_as_the_page_says(tmp_path):
    [command] = blocks("docs/KUBERNETES.md")
    program, chart, option, file = command.split()
    assert (program, chart) == ("tools/deliver/kubernetes/render", "tools/deliver/kubernetes/charts/sallyport")
    (tmp_path / file).write_text("replicas: 7\n")
    render = ["/usr/bin/python3", KUBERNETES / "render", CHARTS / "sallyport", option, tmp_path / file]
    printed = subprocess.run(render, capture_output=True, text=True, check=True).stdout
    assert faults(objects([printed])) == [] and find(objects([printed]), "Deployment")["spec"]["replicas"] == 7
    subprocess.run([*render, "--folder", tmp_path / "made"], check=True)
    texts = [path.read_text() for path in sorted((tmp_path / "made").glob("*.yaml"))]
    assert faults(objects(texts)) == []
    (tmp_path / file).write_text("replicas: [")
    broken = subprocess.run(render, capture_output=True, text=True, check=False)
    assert broken.returncode == 1 and broken.stderr.startswith("render: "), broken.stderr
