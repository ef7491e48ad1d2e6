"""The manifests and charts that are delivered, and a judge of them: a schema that knows only what is used, how the objects refer to
each other, and Pod Security's level `restricted`."""

import functools
import sys
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "tools/deliver/kubernetes"
CHARTS = KUBERNETES / "charts"
MANIFESTS = KUBERNETES / "manifests"
sys.path.insert(0, str(KUBERNETES))

from template import Chart, Mistake  # noqa: E402 - the folder had to be named first

# A key of a team's ConfigMap, and where the proxy looks for it.
SEARCH = {"key": "clients.yaml", "path": "clients.d/search.yaml"}
# Further values: each chart in the other ways that it can be.
VARIANTS = {
    "proxy": ("sallyport", {}),
    "proxy, much of it": (
        "sallyport",
        {
            "clientsCa": {"crl": True, "options": {"max_depth": 1}},
            "lists": {"blocked.txt": "a.example.com\n"},
            "teams": [{"configMap": {"name": "search", "optional": True, "items": [SEARCH]}}],
            "config": {"resolver": {"servers": ["192.0.2.53:53"]}, "workers": 2},
            "limits": {"tunnels": 5000},
            "shared": {
                "secret": "sallyport-fleet",
                "options": {"valkey": "127.0.0.1:6379", "user": "sallyport", "password_file": "/etc/sallyport-shared/valkey.password"},
            },
            "networkPolicy": {"store": {"peers": [{"podSelector": {"matchLabels": {"app": "valkey"}}}], "ports": [{"port": 6379}]}},
            "timeouts": {"idle": "5m"},
            "imagePullSecrets": [{"name": "registry"}],
            "scheduling": {"nodeSelector": {"role": "egress"}, "tolerations": [{"key": "egress", "operator": "Exists"}]},
            "certificate": {"names": ["proxy.example.org"]},
            "service": {"type": "LoadBalancer", "annotations": {"example.org/internal": "true"}, "options": {"externalTrafficPolicy": "Local"}},
            "serviceMonitor": {"create": True, "labels": {"release": "prometheus"}},
        },
    ),
    "proxy, as little as can be": (
        "sallyport",
        {
            "clients": [],
            "certificate": {"create": False},
            "podDisruptionBudget": {"create": False},
            "networkPolicy": {"create": False},
        },
    ),
    "fleet, csi": ("sallyport-fleet", {"app": {"args": ["--fast"]}}),
    "fleet, vault": ("sallyport-fleet", {"certificate": {"from": "vault"}}),
    "fleet, without a policy": ("sallyport-fleet", {"networkPolicy": {"create": False}}),
}


@functools.lru_cache(maxsize=None)
def schema():
    return yaml.safe_load((ROOT / "tests/data/kubernetes.yaml").read_text(encoding="utf-8"))


def faults_of_form(thing):
    """What the schema says against one object, each with its place."""
    kind = thing.get("kind") if isinstance(thing, dict) else None
    if kind not in {each["$ref"].rpartition("/")[2] for each in schema()["oneOf"]}:
        return [f"kind {kind} is not delivered"]
    judge = jsonschema.Draft7Validator({"$ref": f"#/definitions/{kind}", "definitions": schema()["definitions"]})
    return [f"{kind}/{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in judge.iter_errors(thing)]


def pod_of(thing):
    return thing["spec"]["template"]["spec"]


def containers_of(pod):
    return pod.get("initContainers", []) + pod["containers"]


def faults_of_safety(pod):
    """What Pod Security's level `restricted` says against a pod, and a root that can be written, which it would allow."""
    whole = pod.get("securityContext", {})
    for each in containers_of(pod):
        own = each.get("securityContext", {})
        wanted = {
            "runAsNonRoot": {**whole, **own}.get("runAsNonRoot") is True,
            "seccompProfile": {**whole, **own}.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
        }
        yield from (f"{each['name']}: {name}" for name, is_good in wanted.items() if not is_good)
    for each in pod.get("volumes", []):
        [kind] = set(each) - {"name"}
        if kind not in ("configMap", "csi", "emptyDir", "projected", "secret"):
            yield f"{each['name']}: {kind}"


def faults_of_pod(pod):
    """Names in a pod that lead nowhere."""
    volumes = {each["name"]: each for each in pod.get("volumes", [])}
    used = set()
    for each in containers_of(pod):
        ports = {port["name"] for port in each.get("ports", [])}
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = each.get(name, {}).get("httpGet", {}).get("port")
            if port is not None and port not in ports:
                yield f"{each['name']}: {name} asks port {port}"
        for mount in each.get("volumeMounts", []):
            used.add(mount["name"])
            if mount["name"] not in volumes:
                yield f"{each['name']}: there is no volume {mount['name']}"
    yield from (f"nobody mounts {name}" for name in set(volumes) - used)


def faults_of_selectors(things):
    """Selectors that select nothing of what is delivered with them."""
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in things if each["kind"] == "Deployment"]
    ports = {
        port["name"]
        for each in things
        if each["kind"] == "Deployment"
        for container in containers_of(pod_of(each))
        for port in container.get("ports", [])
    }
    services = [each for each in things if each["kind"] == "Service"]

    def selects(labels, candidates):
        return any(labels.items() <= each.items() for each in candidates)

    for each in things:
        kind, spec = each["kind"], each.get("spec", {})
        name = f"{kind} {each.get('metadata', {}).get('name')}"
        if kind == "Service":
            labels, candidates = spec["selector"], pods
            yield from (f"{name}: port {port['targetPort']}" for port in spec["ports"] if port["targetPort"] not in ports)
        elif kind == "ServiceMonitor":
            labels, candidates = spec["selector"]["matchLabels"], [one["metadata"]["labels"] for one in services]
            known = {port["name"] for one in services for port in one["spec"]["ports"]}
            yield from (f"{name}: port {one['port']}" for one in spec["endpoints"] if one["port"] not in known)
        elif kind in ("Deployment", "PodDisruptionBudget"):
            labels, candidates = spec["selector"]["matchLabels"], pods
        elif kind == "NetworkPolicy":
            labels, candidates = spec["podSelector"]["matchLabels"], pods
            named = {port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]}
            yield from (f"{name}: port {port}" for port in named if isinstance(port, str) and port not in ports)
        else:
            continue
        if not selects(labels, candidates):
            yield f"{name} selects nothing"


def faults(things):
    """All that is wrong with objects that are delivered together."""
    found = [fault for each in things for fault in faults_of_form(each)]
    if found:
        return found
    found += faults_of_selectors(things)
    for each in things:
        if each["kind"] == "Deployment":
            found += [*faults_of_safety(pod_of(each)), *faults_of_pod(pod_of(each))]
    return found


def objects(texts):
    """What YAML texts say, documents in order."""
    return [each for text in texts for each in yaml.safe_load_all(text)]


__all__ = ["CHARTS", "Chart", "KUBERNETES", "MANIFESTS", "Mistake", "SEARCH", "VARIANTS", "faults", "objects", "schema"]
