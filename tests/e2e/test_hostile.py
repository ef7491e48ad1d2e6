"""Certificates made to hurt: each is refused with a reason or is harmless, by `check-cert` and on the
listener, which goes on serving."""

import base64
import json

import pytest

from support.config import base_config, client
from support.der import root
from support.hostile import bad_leaves, costly_chains
from support.proxy import run
from support.rawtls import RawClient
from support.scale import IS_SMALL

DENIED = "nowhere.test:443"

# Odd, and yet nothing that anybody could read in two ways; no rule can name what is odd in them.
HARMLESS = {
    "60,000 bytes of nothing",
    "a CN that is a sequence",
    "an address of three bytes",
    "an empty URI",
    "a NUL in a dNSName",
    "a newline in a dNSName",
    "a dNSName beyond ASCII",
    "a CN with a NUL",
}


def pem(*certificates):
    frame = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
    return b"".join(frame % base64.encodebytes(one) for one in certificates)


def wide_listener(pki):
    """One that looks at chains as long as can be."""
    return {**base_config(pki, "127.0.0.1:9")["listeners"][0], "max_chain": "64KiB"}


@pytest.fixture(scope="module")
def top():
    return root("Root")


@pytest.fixture(scope="module")
def leaves(top):
    return bad_leaves(top)


@pytest.fixture(scope="module")
def verdicts(top, leaves, tmp_path_factory):
    """What `check-cert` says of each."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "ca").write_bytes(pem(top.der))
    said = {}
    for title, der in leaves.items():
        (folder / "chain").write_bytes(pem(der))
        result = run("check-cert", "--ca", folder / "ca", "--chain", folder / "chain", "--max-chain", "64KiB")
        said[title] = json.loads(result.stdout)
        assert result.returncode == (said[title]["result"] == "reject"), (title, said[title])
        assert all(" " <= letter for letter in result.stdout.rstrip("\n")), title
    return said


def test_each_is_refused_with_a_reason_or_harmless(verdicts):
    accepted = {title for title, said in verdicts.items() if said["result"] == "accept"}
    assert accepted == HARMLESS
    reasons = {said["reason"] for said in verdicts.values() if said["result"] == "reject"}
    assert reasons == {"bad_certificate", "weak_key", "unknown_ca", "bad_signature", "work_limit"}


def test_the_listener_says_the_same_and_goes_on(start, top, leaves, verdicts, pki, tmp_path):
    (tmp_path / "clients.crt").write_bytes(pem(top.der))
    files = [str(tmp_path / "clients.crt"), pki.ca.path]
    proxy = start(client(), trust={"staff": {"ca": files}}, listeners=[wide_listener(pki)])
    for title, der in leaves.items():
        seen = len(proxy.audit.records("handshake_refused"))
        raw = RawClient(proxy.address).read_server_hello()
        raw.show(der)
        if verdicts[title]["result"] == "accept":
            raw.close()
        else:
            assert raw.read_alert() is not None, title
        raw.close()
        reason = proxy.audit.wait_count(seen + 1, "handshake_refused")[-1]["reason"]
        # Keys and framing are looked at by the library before anything is judged.
        expected = {verdicts[title]["reason"].replace("accepted", "client_aborted"), "protocol"}
        assert reason in expected, (title, reason)
    assert proxy.ask(DENIED).status == 403


@pytest.mark.skipif(IS_SMALL, reason="P-521 takes its time in a sanitizer")
def test_a_costly_chain_ends_in_a_verdict_and_the_listener_goes_on(start, pki, tmp_path):
    """How costly is measured by tests/bench/hostile.py."""
    chains = costly_chains()
    files = [pki.ca.path]
    for number, (anchors, _) in enumerate(chains.values()):
        files.append(str(tmp_path / f"{number}.crt"))
        (tmp_path / f"{number}.crt").write_bytes(pem(*anchors))
    profile = {"ca": files, "max_depth": 8}
    proxy = start(client(), trust={"staff": profile}, listeners=[wide_listener(pki)])
    for title, (_, chain) in chains.items():
        seen = len(proxy.audit.records("handshake_refused"))
        raw = RawClient(proxy.address).read_server_hello()
        raw.show(*chain)
        raw.close()
        record = proxy.audit.wait_count(seen + 1, "handshake_refused")[-1]
        allowed = "client_aborted bad_signature bad_certificate name_constraint work_limit".split()
        assert record["reason"] in allowed, title
    assert proxy.ask(DENIED).status == 403
