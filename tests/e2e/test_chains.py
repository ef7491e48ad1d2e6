"""Some 270 chains with one peculiarity each, judged by `check-cert` and by `openssl verify`.

Without `--strict` a chain that others accept for a client is accepted, because internal PKIs are often
sloppy; with it never one that `openssl verify -x509_strict` refuses. What differs stands in a table,
with the reason. Go's verdicts are those of crypto/x509 of Go 1.19, taken down by hand.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from support.chains import every_case, pem
from support.proxy import run

# OpenSSL accepts, sallyport does not.
STRICTER = {
    # Go accepts these too.
    "version 1 with extensions": "who goes by the version sees no extension: two readings",
    "version 2 with extensions": "who goes by the version sees no extension: two readings",
    "a negative serial": "its digits are those of another, positive one; Go since 1.23 refuses it",
    "no names in the other names": "malformed (RFC 5280 4.2.1.6: one or more)",
    "keyCertSign in the leaf": "half a CA",
    "keyCertSign in a leaf with CA:FALSE": "half a CA",
    "name constraints in the leaf": "half a CA",
    "critical name constraints in the leaf": "half a CA",
    "a pathlen in the leaf": "malformed (RFC 5280 4.2.1.9)",
    "keyAgreement only": "the client signs the handshake, which takes digitalSignature",
    "a leaf with P-224": "below the floor",
    "nc: a wildcard in a permitted name": "which names it stands for is not written anywhere",
    "nc: a wildcard around an excluded name": "it stands for the excluded one too (CVE-2025-61727)",
    "nc: a malformed name": "a constraint and a rule could read it differently",
    "a root without name": "a CA has a name (RFC 5280 4.1.2.6)",
    "an empty issuer": "likewise",
    # Go does not.
    "version 5": "nobody knows what it means",
    "an empty policy constraint": "malformed (RFC 5280 4.2.1.11)",
    "an explicit policy that is not there": "the constraint counts (RFC 5280 6.1.5); OpenSSL looks with -policy_check only",
    "an intermediate of version 1": "it has extensions, as above",
    "a root without basicConstraints": "no CA",
    "a leaf with secp256k1": "below the floor",
    "nc: address constraint with holes in its mask": "no range of addresses",
    "nc: mail with two at signs": "malformed, and OpenSSL reads it as the last host only",
}

# Refused with `-x509_strict`, accepted with `--strict`.
LAXER = {
    "the last second": "belongs to the validity (RFC 5280 4.1.2.5: inclusive)",
    "the last second of the intermediate": "belongs to the validity",
    "the only second": "belongs to the validity",
    "a twin that leads nowhere": "OpenSSL tries one path only",
    "a twin whose name is forbidden": "OpenSSL tries one path only",
}

# Valid by RFC 5280, refused by OpenSSL and sallyport.
REFUSED_BY_BOTH = {
    "anyExtendedKeyUsage only": "it says no more than nothing, and clientAuth was left out",
    "an intermediate for anything": "likewise",
    "a CN that is no UTF-8": "it cannot be read at all",
    "nc: a CN like a host name, none permitted": "some take it for a host name",
    "nc: a CN like an excluded host name": "some take it for a host name",
}

OPENSSL = "openssl verify -purpose sslclient -partial_chain -auth_level 2 -no-CApath -no-CAstore"


@dataclass(frozen=True)
class Verdict:
    """Who accepts."""

    case: object
    ours: bool
    ours_strict: bool
    openssl: bool
    openssl_strict: bool

    @property
    def name(self):
        return self.case.name


def judge(case, folder):
    files = {
        "ca": pem(*case.trusted),
        "leaf": pem(case.leaf),
        "between": pem(*case.between),
        "chain": pem(case.leaf, *case.between),
    }
    for name, text in files.items():
        (folder / name).write_bytes(text)

    def ours(*options):
        arguments = ["--ca", folder / "ca", "--chain", folder / "chain", "--at", case.at]
        result = run("check-cert", *arguments, "--max-depth", 8, *options)
        answer = json.loads(result.stdout)
        assert result.returncode == {"accept": 0, "reject": 1, "error": 3}[answer["result"]]
        assert answer["reason"] and answer["detail"]
        return answer["result"] == "accept"

    def openssl(*options):
        command = [*OPENSSL.split(), "-attime", str(case.at), *options]
        command += ["-CAfile", folder / "ca"]
        command += ["-untrusted", folder / "between"] if case.between else []
        result = subprocess.run([*command, folder / "leaf"], capture_output=True, check=False)
        return result.returncode == 0

    return Verdict(case, ours(), ours("--strict"), openssl(), openssl("-x509_strict"))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    cases = every_case()
    folders = [tmp_path_factory.mktemp("chain") for _ in cases]
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(judge, cases, folders))


def names(verdicts, condition):
    return {verdict.name for verdict in verdicts if condition(verdict)}


def test_what_openssl_accepts_is_accepted_but_for_the_table(verdicts):
    assert names(verdicts, lambda v: v.openssl and not v.ours) == set(STRICTER)


def test_strict_accepts_less_than_openssls_strict_but_for_the_table(verdicts):
    assert names(verdicts, lambda v: v.ours_strict and not v.openssl_strict) == set(LAXER)


def test_strict_accepts_nothing_that_rfc_5280_forbids(verdicts):
    assert not names(verdicts, lambda v: v.ours_strict and not v.case.is_valid)


def test_strict_accepts_nothing_that_is_refused_without(verdicts):
    assert not names(verdicts, lambda v: v.ours_strict and not v.ours)


def test_what_rfc_5280_allows_is_accepted_even_by_strict_but_for_the_tables(verdicts):
    refused = names(verdicts, lambda v: v.case.is_valid and not v.ours_strict)
    assert refused - set(STRICTER) == set(REFUSED_BY_BOTH)


def test_nothing_bad_is_accepted_by_sallyport_alone(verdicts):
    assert not names(verdicts, lambda v: v.ours and not v.openssl and not v.case.is_valid)
