"""`check-cert` and a listener are one judgement: every chain of the suite is put through both, with the same
reason. Each chain has a profile of its own, which the server name chooses."""

import json
import ssl
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives import serialization

from support.chains import every_case, pem
from support.config import base_config, client
from support.proxy import run
from support.wire import Client, client_context

PROFILES = 50  # in one proxy

# TLS has no signature for these keys, so that a client shows no certificate at all. Refused either way.
NOT_SHOWN = {f"a leaf with {curve}" for curve in ("P-192", "P-224", "secp256k1")}

# What clients of OpenSSL 3.5 begin to show, and then break off.
BROKEN_OFF = {"a malformed key usage": "listener protocol, check-cert bad_certificate"}


@dataclass(frozen=True)
class Shown:
    """What a client shows."""

    chain: str
    key: str


def files_of(case, folder, spare):
    """`spare` is a CA beside those of the case, for a profile in which no other one is valid is no profile."""
    paths = {name: str(folder / name) for name in ("ca", "chain", "key")}
    with open(paths["ca"], "wb") as file:
        file.write(pem(*case.trusted))
        with open(spare.path, "rb") as other:
            file.write(other.read())
    with open(paths["chain"], "wb") as file:
        file.write(pem(case.leaf, *case.between))
    with open(paths["key"], "wb") as file:
        file.write(
            case.leaf.key.private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return paths


def by_check_cert(paths, *options):
    result = run(
        "check-cert", "--ca", paths["ca"], "--chain", paths["chain"], "--max-depth", 8, *options
    )
    return json.loads(result.stdout)


def config_of(pki, judged):
    """Listeners where the server name picks the profile of a chain."""
    names = {name: paths for name, (paths, _) in judged.items()}
    served = {"chain": pki.server.chain, "key": pki.server.key}
    sni = [{"names": [f"{name}.chains.test"], "trust": name} for name in names]
    return {
        "listeners": [
            {
                "name": "main",
                "address": "127.0.0.1:0",
                "certificates": [served],
                "trust": "staff",
                "max_chain": "64KiB",
                "sni": sni,
            }
        ],
        "trust": {name: {"ca": [paths["ca"]], "max_depth": 8} for name, paths in names.items()},
    }


def is_accepted(proxy, context, name, index):
    """From a source of its own: each refusal has a record of its own, and nobody waits for a summary."""
    source = f"127.0.{1 + index // 250}.{1 + index % 250}"
    client = Client(proxy.address, context, f"{name}.chains.test", source)
    try:
        client.handshake().ask("nowhere.test:443")
    except (ssl.SSLError, AssertionError, OSError):
        return False
    finally:
        client.close()
    return True


def put_through(proxy, pki, judged):
    """The names of the chains that OpenSSL's client can send, and the reasons of the listener in their order."""
    sent, reasons = [], []
    for index, (name, (paths, _)) in enumerate(judged.items()):
        try:
            shown = Shown(paths["chain"], paths["key"])
            context = client_context(pki.server_ca.path, shown, has_name=False)
        except ssl.SSLError:
            continue  # the client's library does not load it
        sent.append(name)
        if is_accepted(proxy, context, name, index):
            reasons.append("accepted")
            continue
        count = 1 + sum(reason != "accepted" for reason in reasons)
        proxy.audit.wait_count(count, "handshake_refused")
        reasons.append(proxy.audit.records("handshake_refused")[-1]["reason"])
    return sent, reasons


def test_every_chain_has_one_verdict_in_check_cert_and_in_a_listener(pki, start, tmp_path):
    cases, judged, unloadable = every_case(), {}, {}
    for index, case in enumerate(cases):
        folder = tmp_path / f"c{index}"
        folder.mkdir()
        paths = files_of(case, folder, pki.authority("Spare CA"))
        answer = by_check_cert(paths, "--max-chain", "64KiB")
        is_profile = answer["result"] != "error"
        (judged if is_profile else unloadable)[f"c{index}"] = (paths, answer["reason"])
    differing, sent_count = {}, 0
    names = list(judged)
    for first in range(0, len(names), PROFILES):
        part = {name: judged[name] for name in names[first : first + PROFILES]}
        proxy = start(**config_of(pki, part))
        sent, reasons = put_through(proxy, pki, part)
        sent_count += len(sent)
        for name, reason in zip(sent, reasons):
            if reason != part[name][1]:
                title = cases[int(name[1:])].name
                differing[title] = f"listener {reason}, check-cert {part[name][1]}"
    assert NOT_SHOWN <= set(differing) <= NOT_SHOWN | set(BROKEN_OFF), differing
    assert all(differing.get(title, said) == said for title, said in BROKEN_OFF.items()), differing
    assert sent_count > 200
    assert 0 < len(unloadable) < 20


def size_of(leaf):
    return len(leaf.certificate.public_bytes(serialization.Encoding.DER))


def leaf_of_size(pki, size):
    """A leaf of exactly so many bytes: a long name makes up for what is missing."""
    names = tuple(f"{i:03}.{'x' * 60}.test" for i in range(size // 72 - 20))
    length = 800
    for attempt in range(100, 300):
        leaf = pki.ca.leaf(f"long {attempt}", dns=names, uri=("u:" + "x" * length,), key="ed25519")
        if size_of(leaf) == size:
            return leaf
        length += size - size_of(leaf)
    raise AssertionError(f"no leaf has {size} bytes")


@pytest.mark.parametrize("max_chain", [None, "16KiB", "20KiB"])
def test_a_chain_of_any_size_has_one_verdict_in_check_cert_and_in_a_listener(start, pki, max_chain):
    most = (20 if max_chain == "20KiB" else 16) * 1024
    options = ["--max-chain", max_chain] if max_chain else []
    listener = base_config(pki, "127.0.0.1:9")["listeners"][0]
    proxy = start(client(), listeners=[{**listener, **({"max_chain": max_chain} if max_chain else {})}])
    for size in (most - 1, most, most + 1, most + 60, most + 1000):
        leaf = leaf_of_size(pki, size)
        paths = {"ca": pki.ca.path, "chain": leaf.chain}
        answer = by_check_cert(paths, *options)
        seen = len(proxy.audit.records("handshake_refused"))
        try:
            assert proxy.ask("nowhere.test:443", leaf).status == 403
            reason = "accepted"
        except (ssl.SSLError, AssertionError, OSError):
            reason = proxy.audit.wait_count(seen + 1, "handshake_refused")[-1]["reason"]
        assert (answer["reason"], reason) == (("accepted",) if size <= most else ("work_limit",)) * 2, size


def test_what_check_cert_calls_not_loadable_no_profile_takes(pki, tmp_path):
    checked = 0
    for index, case in enumerate(every_case()):
        folder = tmp_path / f"c{index}"
        folder.mkdir()
        paths = files_of(case, folder, pki.authority("Spare CA"))
        if by_check_cert(paths)["result"] != "error":
            continue
        config = base_config(pki, "127.0.0.1:53")
        config["trust"]["odd"] = {"ca": [paths["ca"]]}
        path = folder / "sallyport.yaml"
        path.write_text(json.dumps(config))
        assert run("check", "-c", path).returncode == 3, case.name
        checked += 1
    assert checked > 0
