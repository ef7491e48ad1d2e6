"""The listener for metrics and health as tests use it: exact bytes in, the answer taken apart; and a strict reader of
Prometheus's text format, which refuses what Prometheus would."""

import contextlib
import re
import socket
from typing import NamedTuple

from support.scale import PATIENCE

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.]+|\+Inf|NaN)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)')


class Page(NamedTuple):
    status: int
    fields: dict
    body: str


def exchange(place, request, context=None):
    """All that is answered to these bytes, at (host, port) or at the path of a Unix socket. `context`: over TLS."""
    family = socket.AF_INET if isinstance(place, tuple) else socket.AF_UNIX
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(socket.socket(family))
        client.settimeout(PATIENCE)
        client.connect(place if isinstance(place, tuple) else str(place))
        if context:
            client = stack.enter_context(context.wrap_socket(client, server_hostname="proxy.test"))
        client.sendall(request)
        data = b""
        while more := client.recv(65536):
            data += more
    return data


def get(place, path, method="GET", host="localhost", context=None, **fields):
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    request = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"
    return parse(exchange(place, request.encode(), context))


def parse(data):
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    if method_has_body := len(body) > 0:
        assert int(fields["Content-Length"]) == len(body) and method_has_body
    return Page(int(status.split()[1]), fields, body.decode())


def read_metrics(text):
    """{(name, frozenset of labels): value} of a text in Prometheus's format, read as strictly as it can be."""
    types, samples = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            assert line.split(" ", 3)[2] not in types, f"twice: {line}"
        elif line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert kind in ("counter", "gauge", "histogram"), line
            types[name] = kind
        else:
            found = SAMPLE.match(line)
            assert found, f"no sample: {line!r}"
            labels = LABEL.findall(found[2] or "")
            assert LABEL.sub("", found[2] or "") == "", f"labels: {line!r}"
            key = (found[1], frozenset(labels))
            assert key not in samples, f"twice: {line}"
            base = re.sub(r"_(bucket|sum|count)$", "", found[1])
            assert found[1] in types or types.get(base) == "histogram", f"of no family: {line}"
            samples[key] = float(found[3])
    return samples


def value(samples, name, **labels):
    return samples.get((name, frozenset(labels.items())), 0)
