"""Configurations as tests write them: a working one, and each test changes what it is about."""

import copy
import json


def reach(host, *ports, addresses=("127.0.0.0/8",), **more):
    """A rule that lets `host` be on loopback, where the tests' origins are."""
    rule = {"hosts": [host], "addresses": list(addresses), "ports": list(ports)}
    return {**rule, **more}


def client(*allow, name="workers", match=({"any": True},), **more):
    return {"name": name, "match": list(match), "allow": list(allow), **more}


# A client with it may carry nothing but what it has asked for, in TLS or in the clear.
STRICT = {"tls": "require", "names": "same", "plain": "check"}


def listener_of(pki, name="main", address="127.0.0.1:0", **more):
    """An entry of `listeners` with the server's certificate, for clients of `staff`."""
    certificates = [{"chain": pki.server.chain, "key": pki.server.key}]
    return {"name": name, "address": address, "certificates": certificates, "trust": "staff", **more}


def base_config(pki, dns_endpoint):
    """Everything that a proxy needs, without clients: every request is denied."""
    return {
        "version": 1,
        "workers": 2,
        "listeners": [listener_of(pki)],
        "trust": {"staff": {"ca": [pki.ca.path]}},
        "resolver": {"servers": [dns_endpoint], "timeout": "2s", "tries": 2},
        # A busy machine is no fault of whom waits for its turn.
        "timeouts": {"handshake": "60s", "drain": "5s"},
        # Tests ask, and are refused, faster than any honest fleet.
        "limits": {
            "refused_requests": "none",
            "source": {"failed_handshakes": "none", "half_open": "none"},
        },
        "audit": {"file": "audit.jsonl"},
    }


def merge(base, changes):
    """`base` with `changes` laid over it; dictionaries merge, everything else is replaced. `...`: left out."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is ...:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def write_config(path, config):
    """JSON is YAML too, and needs no library."""
    path.write_text(json.dumps(config, indent=2))
