"""What the tests of the manifests go by, compared with others. Their schema: with the models of Kubernetes' Python client, which are made from
the published API (cert-manager, the Prometheus operator and kustomize are not in it). Their renderer: with Go's own templates."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from kubernetes import client as models

from support.kubernetes import CHARTS, VARIANTS, Chart, objects, schema

# Fields that are newer than the client of Debian 12 (Kubernetes 1.22).
NEWER = {("V1Container", "restartPolicy")}
# Where an object of the schema begins: {definition: model}.
BEGINNINGS = {
    "ConfigMap": "V1ConfigMap",
    "Deployment": "V1Deployment",
    "NetworkPolicy": "V1NetworkPolicy",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "Service": "V1Service",
    "ServiceAccount": "V1ServiceAccount",
}
TYPES = {"int": "integer", "str": "string", "bool": "boolean"}


def resolved(part):
    while "$ref" in part:
        part = schema()["definitions"][part["$ref"].rpartition("/")[2]]
    return part


def differences(part, kind):
    """What a part of the schema says otherwise than a model, `kind` as the models write types."""
    part = resolved(part)
    if kind.startswith("list["):
        if part.get("type") != "array":
            return [f"{kind}: {part}"]
        return differences(part["items"], kind[5:-1])
    if kind.startswith("dict("):
        value = part["additionalProperties"]
        return [] if part["type"] == "object" and (value is False or value["type"] == "string") else [f"{kind}: {part}"]
    if kind in TYPES:
        types = {type(each).__name__ for each in part.get("enum", [part.get("const")])}
        is_same = part.get("type") == TYPES[kind] or types == {kind}
        return [] if is_same or any(resolved(each).get("type") == TYPES[kind] for each in part.get("anyOf", [])) else [f"{kind}: {part}"]
    if kind == "object":  # a number or text
        return [] if "anyOf" in part else [f"{kind}: {part}"]
    return differences_of_model(part, kind)


def differences_of_model(part, kind):
    model = getattr(models, kind)
    names = {name: field for field, name in model.attribute_map.items()}
    found = []
    for name, value in part["properties"].items():
        if (kind, name) in NEWER:
            continue
        if name not in names:
            found.append(f"{kind} has no {name}")
        else:
            found += [f"{kind}.{name}: {each}" for each in differences(value, model.openapi_types[names[name]])]
    return found


@pytest.mark.parametrize("definition", BEGINNINGS)
def test_the_schema_says_what_the_published_api_says(definition):
    assert differences(schema()["definitions"][definition], BEGINNINGS[definition]) == []


def test_a_difference_would_be_seen():
    part = {"type": "object", "properties": {"replicas": {"type": "string"}, "replica": {"type": "integer"}}}
    assert differences(part, "V1DeploymentSpec") == ["V1DeploymentSpec.replicas: int: {'type': 'string'}", "V1DeploymentSpec has no replica"]


@pytest.fixture(scope="module")
def rendered_by_go(tmp_path_factory):
    """What Go's templates make of a chart: objects."""
    folder = tmp_path_factory.mktemp("go")
    cache = os.environ.get("SALLYPORT_GOCACHE", str(folder / "cache"))
    # Debian's packages are sources below one folder.
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": cache, "GOFLAGS": ""}
    source = Path(__file__).parent / "support/chart.go"
    subprocess.run(["go", "build", "-o", folder / "chart", source], check=True, env=environment)

    def render(chart, values):
        (folder / "values.yaml").write_text(json.dumps(values))
        command = [folder / "chart", CHARTS / chart, "some", "where", folder / "values.yaml"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [each for each in objects([text]) if each]

    return render


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_chart_says_the_same_to_go(variant, rendered_by_go):
    chart, values = VARIANTS[variant]
    assert rendered_by_go(chart, values) == objects(Chart(CHARTS / chart, [values], "some", "where").render().values())
