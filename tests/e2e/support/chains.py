"""Chains of clients, each with one peculiarity: the case list of the x509-limbo suite where it makes
sense for a client's leaf, and more. Written again, from what the cases are about.

A case says what RFC 5280 says of it (`is_valid`), not what any program does.
"""

import base64
from dataclasses import dataclass

from support import der
from support.der import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_AGREEMENT,
    KEY_CERT_SIGN,
    NOW,
    ca,
    constraints,
    directory,
    dns,
    email,
    extension,
    ip,
    key_usage,
    leaf,
    name,
    new_key,
    root,
    seq,
    uri,
    usages,
)

DAY = 86400


@dataclass(frozen=True)
class Case:
    name: str
    is_valid: bool  # by RFC 5280, for a client
    trusted: tuple
    leaf: der.Certificate
    between: tuple = ()
    at: int = NOW


class Cases:
    """The list while it is written."""

    def __init__(self):
        self.all = []

    def add(self, title, is_valid, trusted, last, *between, at=NOW):
        trusted = trusted if isinstance(trusted, (list, tuple)) else [trusted]
        assert title not in [case.name for case in self.all], title
        self.all.append(Case(title, is_valid, tuple(trusted), last, between, at))

    def direct(self, title, is_valid, at=NOW, above=None, **below):
        """A leaf right under a root; `above` changes the root, the rest the leaf."""
        top = root(**(above or {}))
        self.add(title, is_valid, top, leaf(top, **below), at=at)

    def middle(self, title, is_valid, at=NOW, above=None, below=None, **changes):
        """A leaf under an intermediate that `changes` change."""
        top = root(**(above or {}))
        between = ca(top, **changes)
        self.add(title, is_valid, top, leaf(between, **(below or {})), between, at=at)

    def constrained(self, title, is_valid, names, subject="leaf", critical=True, **trees):
        """A leaf with these names under an intermediate with these name constraints."""
        below = {"names": der.alternatives(*names) if names else None}
        if not isinstance(subject, str):
            below["subject"] = subject
        self.middle(
            "nc: " + title,
            is_valid,
            constrained=constraints(**trees, critical=critical),
            below=below,
        )


def pem(*certificates):
    """Certificates as PEM."""
    parts = [base64.encodebytes(certificate.der) for certificate in certificates]
    frame = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
    return b"".join(frame % part for part in parts)


def every_case():
    cases = Cases()
    for write in (
        sound,
        fields,
        extensions,
        identifiers,
        authorities,
        pathlens,
        purposes,
        validity,
        keys,
        signatures,
        names,
        constraints_of_names,
        constraints_of_addresses,
        constraints_of_mail,
        constraints_of_uris,
        constraints_of_directories,
        constraints_over_paths,
        graphs,
    ):
        write(cases)
    return cases.all


def sound(cases):
    cases.direct("a leaf under a root", True)
    cases.middle("a leaf under an intermediate", True)
    top = root()
    first = ca(top, "First")
    second = ca(first, "Second")
    cases.add("two intermediates, out of order", True, top, leaf(second), first, second)
    cases.direct("no subject, critical names", True, subject=seq(), names=_critical("example.com"))
    cases.direct("no other names", True, names=None)
    cases.direct("no key usage", True, usage=None)
    cases.direct("basicConstraints CA:FALSE", True, more=[der.basic_constraints(False)])
    cases.direct("basicConstraints not critical, CA:FALSE", True, more=[_soft_leaf_basic()])
    cases.direct("an unknown extension", True, more=[extension(der.UNKNOWN, b"\x05\x00")])
    cases.direct("an AIA", True, more=[_aia()])
    cases.direct(
        "a Netscape comment", True, more=[extension("2.16.840.1.113730.1.13", b"\x16\x01x")]
    )
    cases.direct("a certificate policy", True, more=[_policies("1.3.6.1.4.1.55738.666.9")])
    cases.direct("a serial of 20 bytes", True, serial=(1 << 158) + 1)


def _critical(text):
    return der.alternatives(dns(text), critical=True)


def _soft_leaf_basic():
    return der.basic_constraints(False, critical=False)


def _aia(critical=False, value=None):
    value = value or seq(seq(der.oid("1.3.6.1.5.5.7.48.2"), uri("http://ca.test/ca.crt")))
    return extension("1.3.6.1.5.5.7.1.1", value, critical)


def _policies(*kinds, critical=False):
    return extension("2.5.29.32", seq(*(seq(der.oid(kind)) for kind in kinds)), critical)


def fields(cases):
    cases.direct("version 1 with extensions", False, version=0)
    cases.direct("version 2 with extensions", False, version=1)
    cases.direct("version 5", False, version=4)
    top = root()
    v1 = der.certificate(name("leaf"), top, version=0)
    cases.add("version 1 without extensions", False, top, v1)
    cases.direct("a serial of zero", False, serial=0)
    cases.direct("a negative serial", False, serial=-5)
    cases.direct("a serial of 21 bytes", False, serial=1 << 167)
    cases.direct("a serial of 20 bytes and a sign byte", False, serial=(1 << 160) - 1)
    cases.direct("an empty issuer", False, issuer_name=seq(), above={"subject": seq()})
    cases.direct("a root without name", False, above={"subject": seq()})
    cases.direct("a unique identifier", False, extra=der.tlv(0x82, b"\x00\x01"))
    cases.direct("another algorithm inside", False, inner_algorithm=der.RSA_SHA256)
    cases.direct(
        "algorithm parameters inside",
        False,
        inner_algorithm=seq(der.oid("1.2.840.10045.4.3.2"), b"\x05\x00"),
    )
    cases.direct("UTCTime without seconds", False, begins=der.utc_time(NOW - DAY, "%y%m%d%H%MZ"))
    cases.direct(
        "UTCTime with an offset", False, begins=der.utc_time(NOW - DAY, "%y%m%d%H%M%S+0000")
    )
    cases.direct("GeneralizedTime before 2050", False, begins=der.generalized_time(NOW - DAY))
    cases.direct(
        "GeneralizedTime with a fraction",
        False,
        ends=der.generalized_time(NOW, "20510101000000.5Z"),
    )
    cases.direct("ends in 2051", True, ends=2556144000)
    cases.direct("no known end", True, ends=der.tlv(0x18, b"99991231235959Z"))
    cases.direct("ends before it begins", False, begins=NOW + DAY, ends=NOW - DAY)


def extensions(cases):
    critical = extension(der.UNKNOWN, b"\x05\x00", critical=True)
    cases.direct("an unknown critical extension in the leaf", False, more=[critical])
    cases.middle("an unknown critical extension in the intermediate", False, more=[critical])
    cases.direct("an unknown critical extension in the root", False, above={"more": [critical]})
    again = der.alternatives(dns("example.com"))
    cases.direct("the other names twice", False, more=[again])
    twice = extension(der.UNKNOWN, b"\x05\x00")
    cases.direct("an unknown extension twice", False, more=[twice, twice])
    cases.middle("an unknown extension twice in the intermediate", False, more=[twice, twice])
    cases.direct("a critical AIA", False, more=[_aia(critical=True)])
    cases.direct("a malformed AIA", False, more=[_aia(value=b"malformed")])
    cases.direct("a malformed key usage", False, usage=extension("2.5.29.15", b"malformed"))
    cases.direct("malformed other names", False, names=extension("2.5.29.17", b"example.com"))
    cases.direct("no names in the other names", False, names=extension("2.5.29.17", seq()))
    cases.direct("other names not critical without a subject", False, subject=seq())
    cases.direct("neither subject nor other names", False, subject=seq(), names=None)
    cases.direct(
        "keyCertSign in the leaf", False, usage=key_usage(DIGITAL_SIGNATURE, KEY_CERT_SIGN)
    )
    cases.direct(
        "keyCertSign in a leaf with CA:FALSE",
        False,
        usage=key_usage(DIGITAL_SIGNATURE, KEY_CERT_SIGN),
        more=[der.basic_constraints(False)],
    )
    trees = {"permitted": [dns("example.com")]}
    cases.direct("name constraints in the leaf", False, more=[constraints(**trees, critical=False)])
    cases.direct("critical name constraints in the leaf", False, more=[constraints(**trees)])
    cases.direct("a pathlen in the leaf", False, more=[der.basic_constraints(False, 0)])
    cases.direct("an empty key usage in the leaf", False, usage=key_usage())
    cases.direct("key usage not critical", True, usage=key_usage(DIGITAL_SIGNATURE, critical=False))
    policy = extension("2.5.29.36", seq(der.tlv(0x80, b"\x03")))
    cases.middle("policy constraints not critical", False, more=[policy])
    cases.middle("an empty policy constraint", False, more=[extension("2.5.29.36", seq(), True)])
    cases.middle(
        "inhibitAnyPolicy not critical", False, more=[extension("2.5.29.54", der.integer(0))]
    )
    explicit = extension("2.5.29.36", seq(der.tlv(0x80, b"\x00")), True)
    cases.middle("an explicit policy that is not there", False, more=[explicit])
    policy = _policies("1.3.6.1.4.1.55738.666.9")
    cases.middle(
        "an explicit policy that is there", True, more=[explicit, policy], below={"more": [policy]}
    )
    cases.direct("a CRL point", True, more=[_crl_point()])
    cases.direct("a critical unknown policy", True, more=[_policies("1.2.3.4", critical=True)])


def _crl_point():
    point = der.tlv(0xA0, der.tlv(0xA0, uri("http://ca.test/ca.crl")))
    return extension("2.5.29.31", seq(seq(point)))


def identifiers(cases):
    top = root()
    cases.add(
        "a critical AKI in the leaf", False, top, leaf(top, aki=der.authority_key_id(top.key, True))
    )
    cases.add("no AKI in the leaf", False, top, leaf(top, aki=None))
    cases.middle("no AKI in the intermediate", False, aki=None)
    key = new_key()
    top = root(key=key, aki=der.authority_key_id(key))
    cases.add("an AKI in the root", True, top, leaf(top))
    top = root(key=key, aki=der.authority_key_id(key, critical=True))
    cases.add("a critical AKI in the root", False, top, leaf(top))
    other = root("Other root")
    crossed = ca(other, "Crossed", aki=None)
    cases.add("a cross-signed anchor without AKI", False, crossed, leaf(crossed))
    cases.direct("no SKI in the leaf", True, ski=None)
    cases.direct("a critical SKI in the leaf", False, ski=der.subject_key_id(new_key(), True))
    cases.direct("no SKI in the root", False, above={"ski": None}, aki=None)
    cases.middle("no SKI in the intermediate", False, ski=None)
    cases.middle(
        "a critical SKI in the intermediate",
        False,
        ski=der.subject_key_id(new_key(), True),
        below={"aki": None},
    )
    top = root()
    wrong = der.authority_key_id(new_key())
    cases.add("an AKI of somebody else's", False, top, leaf(top, aki=wrong))
    empty = extension("2.5.29.35", seq())
    cases.direct("an empty AKI", False, aki=empty)
    serial = extension(
        "2.5.29.35",
        seq(der.tlv(0x80, top.key.id), der.tlv(0xA1, directory("Root")), der.tlv(0x82, b"\x05")),
    )
    cases.add("an AKI with another serial", False, top, leaf(top, aki=serial))


def authorities(cases):
    cases.middle("an intermediate with CA:FALSE", False, basic=der.basic_constraints(False))
    cases.middle("an intermediate without basicConstraints", False, basic=None)
    cases.middle(
        "an intermediate with soft basicConstraints",
        False,
        basic=der.basic_constraints(True, critical=False),
    )
    cases.middle("an intermediate without keyCertSign", False, usage=key_usage(CRL_SIGN))
    cases.middle("an intermediate without key usage", False, usage=None)
    cases.middle(
        "an intermediate with a soft key usage",
        True,
        usage=key_usage(KEY_CERT_SIGN, critical=False),
    )
    cases.middle("an intermediate of version 1", False, version=0, more=[])
    cases.direct("a root with CA:FALSE", False, above={"basic": der.basic_constraints(False)})
    cases.direct("a root without basicConstraints", False, above={"basic": None})
    cases.direct(
        "a root with soft basicConstraints",
        False,
        above={"basic": der.basic_constraints(True, critical=False)},
    )
    cases.direct("a root without keyCertSign", False, above={"usage": key_usage(CRL_SIGN)})
    cases.direct("a root without key usage", False, above={"usage": None})
    cases.direct(
        "a CA in the place of the leaf, fit for a client",
        True,
        more=[der.basic_constraints(True)],
        usage=key_usage(DIGITAL_SIGNATURE, KEY_CERT_SIGN),
    )
    cases.direct(
        "CA:TRUE without keyCertSign in the place of the leaf",
        False,
        more=[der.basic_constraints(True)],
    )
    top = root()
    cases.add("a CA in the place of the leaf", False, top, ca(top))
    own = der.certificate(name("self"), extensions=[key_usage(DIGITAL_SIGNATURE)])
    cases.add("a leaf that signed itself", False, top, own)
    cases.add("signed by a leaf", False, top, leaf(leaf(top, "other")), leaf(top, "other"))


def pathlens(cases):
    for length in (0, 1, 2):
        cases.middle(
            f"pathlen {length} above the leaf", True, basic=der.basic_constraints(True, length)
        )
    top = root()
    first = ca(top, "First", basic=der.basic_constraints(True, 0))
    second = ca(first, "Second", basic=der.basic_constraints(True, 0))
    cases.add("pathlen 0 above an intermediate", False, top, leaf(second), first, second)
    first = ca(top, "First", basic=der.basic_constraints(True, 1))
    second = ca(first, "Second", basic=der.basic_constraints(True, 2))
    cases.add("a pathlen that rises", True, top, leaf(second), first, second)
    second = ca(first, "Second", basic=der.basic_constraints(True, 0))
    third = ca(second, "Third", basic=der.basic_constraints(True, 0))
    cases.add("a pathlen two levels up", False, top, leaf(third), first, second, third)
    again = ca(first, "First", basic=der.basic_constraints(True, 1))
    last = ca(again, "Last", basic=der.basic_constraints(True, 0))
    cases.add("a self-issued one does not count", True, top, leaf(last), first, again, last)
    tight = root(basic=der.basic_constraints(True, 0))
    between = ca(tight)
    cases.add("pathlen 0 in the root", False, tight, leaf(between), between)
    cases.middle("a negative pathlen", False, basic=der.basic_constraints(True, -1))
    cases.middle("a pathlen that is huge", True, basic=der.basic_constraints(True, 2**31 - 1))
    cases.middle("a pathlen beyond 64 bits", True, basic=der.basic_constraints(True, 1 << 70))


def purposes(cases):
    cases.direct("no extended key usage", True, purpose=None)
    cases.direct("serverAuth only", False, purpose=usages(der.SERVER_AUTH))
    cases.direct(
        "clientAuth and serverAuth", True, purpose=usages(der.CLIENT_AUTH, der.SERVER_AUTH)
    )
    cases.direct("anyExtendedKeyUsage only", True, purpose=usages(der.ANY_USAGE))
    cases.direct(
        "anyExtendedKeyUsage and clientAuth", True, purpose=usages(der.ANY_USAGE, der.CLIENT_AUTH)
    )
    cases.direct("a critical clientAuth", True, purpose=usages(der.CLIENT_AUTH, critical=True))
    cases.direct("an empty extended key usage", False, purpose=usages())
    cases.direct("keyAgreement only", True, usage=key_usage(KEY_AGREEMENT))
    cases.direct("keyEncipherment only", False, usage=key_usage(2))
    cases.middle("an intermediate for clients", True, purpose=usages(der.CLIENT_AUTH))
    cases.middle("an intermediate for servers", False, purpose=usages(der.SERVER_AUTH))
    cases.middle("an intermediate for anything", True, purpose=usages(der.ANY_USAGE))
    cases.direct("a root for clients", True, above={"purpose": usages(der.CLIENT_AUTH)})
    cases.direct("a root for servers", False, above={"purpose": usages(der.SERVER_AUTH)})


def validity(cases):
    past = {"begins": NOW - 9 * DAY, "ends": NOW - DAY}
    future = {"begins": NOW + DAY, "ends": NOW + 9 * DAY}
    cases.direct("an expired leaf", False, **past)
    cases.direct("a leaf of tomorrow", False, **future)
    cases.middle("an expired intermediate", False, **past)
    cases.middle("an intermediate of tomorrow", False, **future)
    cases.direct("an expired root", False, above=past)
    cases.direct("a root of tomorrow", False, above=future)
    cases.direct("the first second", True, begins=NOW)
    cases.direct("the second before the first", False, begins=NOW + 1)
    cases.direct("the last second", True, ends=NOW)
    cases.direct("the second after the last", False, ends=NOW - 1)
    cases.middle("the last second of the intermediate", True, ends=NOW)
    cases.direct("the only second", True, begins=NOW, ends=NOW)


def keys(cases):
    cases.direct("a leaf with Ed25519", True, key=der.ed25519_key())
    cases.direct("a leaf with RSA 2048", True, key=der.rsa_key(2048))
    cases.direct("a leaf with RSA 1024", False, key=der.rsa_key(1024))
    cases.direct("a leaf with P-384", True, key=new_key(der.ec.SECP384R1))
    cases.direct("a leaf with P-224", False, key=new_key(der.ec.SECP224R1))
    cases.direct("a leaf with P-192", False, key=new_key(der.ec.SECP192R1))
    cases.direct("a leaf with secp256k1", False, key=new_key(der.ec.SECP256K1))
    broken = seq(seq(der.oid("1.2.840.113549.1.1.1"), b"\x05\x00"), der.bits(b""))
    cases.direct("a leaf with an empty RSA key", False, key_info=broken)
    cases.middle("an intermediate with an empty RSA key", False, key_info=broken)
    weak = der.rsa_key(1024)
    cases.middle("an intermediate with RSA 1024", False, key=weak)
    cases.direct("a root with RSA 1024", False, above={"key": weak})
    info = new_key().info
    cases.direct("a point off the curve", False, key_info=info[:-1] + bytes([info[-1] ^ 1]))


def signatures(cases):
    cases.direct("a spoiled signature of the leaf", False, is_spoiled=True)
    cases.middle("a spoiled signature of the intermediate", False, is_spoiled=True)
    cases.direct("a spoiled signature of the root", True, above={"is_spoiled": True})
    cases.direct("SHA-1 on the leaf", False, algorithm=der.ECDSA_SHA1)
    cases.middle("SHA-1 on the intermediate", False, algorithm=der.ECDSA_SHA1)
    cases.direct("SHA-1 on the root", True, above={"algorithm": der.ECDSA_SHA1})
    cases.direct("signed with RSA", True, above={"key": der.rsa_key(2048)})
    cases.direct("signed with Ed25519", True, above={"key": der.ed25519_key()})


def names(cases):
    def with_names(title, is_valid, *given):
        cases.direct(title, is_valid, names=der.alternatives(*given))

    with_names("a wildcard", True, dns("*.example.com"))
    with_names("an underscore", True, dns("under_score.example.com"))
    with_names("an empty dNSName", False, dns(""))
    with_names("a dNSName with a leading dot", False, dns(".example.com"))
    with_names("a dNSName of a blank", False, dns(" "))
    with_names("a dNSName with a NUL", False, dns(b"example.com\0.evil.test"))
    with_names("a dNSName beyond ASCII", False, dns("\U0001f61c.example.com"))
    with_names("an address of five bytes", False, ip(b"\x01\x02\x03\x04\x05"))
    with_names("a range for an address", False, ip("192.0.2.0/24"))
    with_names("an e-mail address with two at signs", False, email("a@b@example.com"))
    with_names("an e-mail address without at sign", False, email("example.com"))
    with_names("an otherName", True, dns("example.com"), der.other_name())
    with_names("a registered identifier", True, der.registered("1.2.3.4"))
    with_names("a URI", True, uri("spiffe://example.test/a"))
    cases.direct("a CN of two", True, subject=name("one", "two"))
    cases.direct(
        "a CN that is no UTF-8", True, subject=name((der.COMMON_NAME, der.tlv(0x0C, b"\xff\xfe")))
    )
    cases.direct("a CN with a NUL", True, subject=name((der.COMMON_NAME, der.utf8("a\0b"))))


def constraints_of_names(cases):
    def given(title, is_valid, names_, **trees):
        cases.constrained(title, is_valid, names_, **trees)

    one, other, below = dns("example.com"), dns("other.test"), dns("a.b.example.com")
    given("a permitted name", True, [one], permitted=[dns("example.com")])
    given("a name below a permitted one", True, [below], permitted=[dns("example.com")])
    given("another name", False, [other], permitted=[dns("example.com")])
    given(
        "a name that only ends alike",
        False,
        [dns("not-example.com")],
        permitted=[dns("example.com")],
    )
    given("an excluded name", False, [one], excluded=[dns("example.com")])
    given("a name below an excluded one", False, [below], excluded=[dns("example.com")])
    given("the second is excluded", False, [one, other], excluded=[other])
    given(
        "permitted and excluded",
        False,
        [one],
        permitted=[dns("example.com")],
        excluded=[dns("example.com")],
    )
    given("other case", True, [dns("EXAMPLE.com")], permitted=[dns("example.COM")])
    given("other case, excluded", False, [dns("EXAMPLE.com")], excluded=[dns("example.COM")])
    given(
        "a wildcard in a permitted name",
        True,
        [dns("*.example.com")],
        permitted=[dns("example.com")],
    )
    given(
        "a wildcard around an excluded name",
        False,
        [dns("*.example.com")],
        permitted=[dns("example.com")],
        excluded=[dns("bar.example.com")],
    )
    given(
        "a wildcard around a permitted name",
        False,
        [dns("*.example.com")],
        permitted=[dns("foo.example.com")],
    )
    given(
        "a wildcard in a constraint",
        False,
        [dns("foo.example.com")],
        permitted=[dns("*.example.com")],
    )
    given(
        "a leading dot in a constraint",
        False,
        [dns("foo.example.com")],
        permitted=[dns(".example.com")],
    )
    given(
        "a malformed name",
        False,
        [dns(".example.com"), dns("foo.example.com")],
        permitted=[dns("example.com")],
    )
    given("nothing permitted, written as empty", True, [one], permitted=[dns("")])
    given("everything excluded, written as empty", False, [one], excluded=[dns("")])
    given("a constraint of another type", True, [one], permitted=[email("example.com")])
    given("a constraint of another type, excluded", True, [one], excluded=[uri("example.com")])
    given("no other names at all", True, None, permitted=[dns("example.com")])
    given("not critical", False, [one], permitted=[dns("example.com")], critical=False)
    given(
        "an otherName excluded",
        False,
        [one, der.other_name()],
        permitted=[dns("example.com")],
        excluded=[der.other_name()],
    )
    given(
        "an otherName excluded that is not there",
        True,
        [one],
        permitted=[dns("example.com")],
        excluded=[der.other_name()],
    )
    given(
        "a registered identifier excluded",
        False,
        [one, der.registered("1.2.3")],
        excluded=[der.registered("1.2.3")],
    )
    host = name("host.other.test")
    given(
        "a CN like a host name, none permitted",
        True,
        None,
        subject=host,
        permitted=[dns("example.com")],
    )
    given("a CN like an excluded host name", True, None, subject=host, excluded=[dns("other.test")])
    empty = extension("2.5.29.30", seq(), True)
    cases.middle("nc: nothing in it", False, constrained=empty)
    cases.middle("nc: malformed", False, constrained=extension("2.5.29.30", b"malformed", True))
    ranged = tlv_constraint(seq(dns("example.com"), der.tlv(0x80, b"\x01")))
    cases.middle("nc: a minimum", False, constrained=ranged)
    cases.direct(
        "nc: of the root, permitted",
        True,
        above={"constrained": constraints(permitted=[dns("example.com")])},
    )
    cases.direct(
        "nc: of the root, another name",
        False,
        above={"constrained": constraints(permitted=[other])},
    )


def tlv_constraint(subtree):
    return extension("2.5.29.30", seq(der.tlv(0xA0, subtree)), True)


def constraints_of_addresses(cases):
    def given(title, is_valid, names_, **trees):
        cases.constrained("address " + title, is_valid, names_, **trees)

    net4, net6 = ip("192.0.2.0/24"), ip("2001:db8::/32")
    given("permitted, v4", True, [ip("192.0.2.1")], permitted=[net4])
    given("permitted, v6", True, [ip("2001:db8::1")], permitted=[net6])
    given("outside, v4", False, [ip("192.0.3.1")], permitted=[net4])
    given("outside, v6", False, [ip("2001:db9::1")], permitted=[net6])
    given("excluded, v4", False, [ip("192.0.2.1")], excluded=[net4])
    given("excluded, v6", False, [ip("2001:db8::1")], excluded=[net6])
    given("not excluded", True, [ip("192.0.3.1")], excluded=[net4])
    given("of the other family than permitted", False, [ip("2001:db8::1")], permitted=[net4])
    given("of the other family than excluded", True, [ip("2001:db8::1")], excluded=[net4])
    given(
        "permitted and excluded",
        False,
        [ip("192.0.2.1")],
        permitted=[net4],
        excluded=[ip("192.0.2.0/28")],
    )
    given("the second outside", False, [ip("192.0.2.1"), ip("192.0.3.1")], permitted=[net4])
    given(
        "the second permitted",
        True,
        [ip("192.0.2.1"), ip("198.51.100.1")],
        permitted=[net4, ip("198.51.100.0/24")],
    )
    given("all permitted", True, [ip("198.51.100.7")], permitted=[ip("0.0.0.0/0")])
    given("all excluded", False, [ip("198.51.100.7")], excluded=[ip("0.0.0.0/0")])
    given("with a name beside it", True, [ip("192.0.2.1"), dns("example.com")], permitted=[net4])
    given("constraint and only a name", True, [dns("example.com")], permitted=[net4])
    given("exclusion and only a name", True, [dns("example.com")], excluded=[net4])
    given(
        "and name, both constrained",
        True,
        [ip("192.0.2.1"), dns("example.com")],
        permitted=[net4, dns("example.com")],
    )
    given(
        "permitted, the name is not",
        False,
        [ip("192.0.2.1"), dns("other.test")],
        permitted=[net4, dns("example.com")],
    )
    given("constraint without a mask", False, [ip("127.0.0.1")], permitted=[ip("127.0.0.1")])
    given("constraint without a mask, v6", False, [ip("::1")], permitted=[ip("::1")])
    given(
        "constraint of five bytes",
        False,
        [ip("192.0.2.1")],
        permitted=[ip(b"\xc0\x00\x02\x00\xff")],
    )
    given(
        "constraint with holes in its mask",
        False,
        [ip("192.0.2.1")],
        permitted=[ip(b"\xc0\x00\x02\x00\xff\x00\xff\x00")],
    )
    given("that is a range", False, [ip("192.0.2.0/24"), ip("192.0.2.1")], permitted=[net4])
    given("of five bytes", False, [ip(b"\xc0\x00\x02\x01\x00")], permitted=[net4])
    top = root(constrained=constraints(permitted=[net4]))
    between = ca(top)
    good, bad = (der.alternatives(ip(f"192.0.{net}.1")) for net in (2, 3))
    cases.add("nc: address permitted by the root", True, top, leaf(between, names=good), between)
    cases.add("nc: address outside the root's", False, top, leaf(between, names=bad), between)
    inner = ca(top, constrained=constraints(permitted=[ip("192.0.0.0/16")]))
    cases.add("nc: address in the wider one below only", False, top, leaf(inner, names=bad), inner)


def constraints_of_mail(cases):
    def given(title, is_valid, names_, **trees):
        cases.constrained("mail " + title, is_valid, names_, **trees)

    given("of a permitted host", True, [email("a@example.com")], permitted=[email("example.com")])
    given(
        "of a permitted mailbox", True, [email("a@example.com")], permitted=[email("a@example.com")]
    )
    given("of another mailbox", False, [email("b@example.com")], permitted=[email("a@example.com")])
    given("of another host", False, [email("a@other.test")], permitted=[email("example.com")])
    given(
        "below a permitted host",
        False,
        [email("a@b.example.com")],
        permitted=[email("example.com")],
    )
    given(
        "below a permitted domain",
        True,
        [email("a@b.example.com")],
        permitted=[email(".example.com")],
    )
    given("of an excluded host", False, [email("a@example.com")], excluded=[email("example.com")])
    given(
        "constraint with two at signs",
        False,
        [email("a@example.com")],
        permitted=[email("a@b@example.com")],
    )
    given(
        "with two at signs",
        False,
        [email("a@example.com"), email("a@b@example.com")],
        permitted=[email("example.com")],
    )
    given(
        "in the subject, permitted",
        True,
        None,
        subject=name("leaf", (der.EMAIL, der.tlv(0x16, b"a@example.com"))),
        permitted=[email("example.com")],
    )
    given(
        "in the subject, another host",
        False,
        None,
        subject=name("leaf", (der.EMAIL, der.tlv(0x16, b"a@other.test"))),
        permitted=[email("example.com")],
    )


def constraints_of_uris(cases):
    def given(title, is_valid, names_, **trees):
        cases.constrained("URI " + title, is_valid, names_, **trees)

    given(
        "of a permitted host", True, [uri("spiffe://example.com/a")], permitted=[uri("example.com")]
    )
    given("of another host", False, [uri("spiffe://other.test/a")], permitted=[uri("example.com")])
    given(
        "below a permitted host",
        False,
        [uri("spiffe://a.example.com/a")],
        permitted=[uri("example.com")],
    )
    given(
        "below a permitted domain",
        True,
        [uri("spiffe://a.example.com/a")],
        permitted=[uri(".example.com")],
    )
    given(
        "of an excluded host", False, [uri("spiffe://example.com/a")], excluded=[uri("example.com")]
    )
    given("without a host", False, [uri("urn:example:a")], permitted=[uri("example.com")])


def constraints_of_directories(cases):
    def given(title, is_valid, names_, subject, **trees):
        cases.constrained("directory " + title, is_valid, names_, subject=subject, **trees)

    foo, bar = name("foo"), name("bar")
    given("permitted", True, [directory("foo")], foo, permitted=[directory("foo")])
    given("outside", False, [directory("bar")], bar, permitted=[directory("foo")])
    given("excluded", False, [directory("foo")], foo, excluded=[directory("foo")])
    given("subject outside", False, [directory("foo")], bar, permitted=[directory("foo")])
    given("subject excluded", False, [directory("bar")], foo, excluded=[directory("foo")])
    given("of another type only", True, [dns("example.com")], foo, permitted=[dns("example.com")])
    organization = (der.ORGANIZATION, der.utf8("Ours"))
    given(
        "below a permitted one",
        True,
        None,
        name(organization, "x"),
        permitted=[directory(organization)],
    )
    given(
        "above a permitted one",
        False,
        None,
        name(organization),
        permitted=[directory(organization, "x")],
    )


def constraints_over_paths(cases):
    top = root()
    forbids = constraints(permitted=[dns("permitted.test")], excluded=[dns("forbidden.test")])
    good, bad = (der.alternatives(dns(text)) for text in ("permitted.test", "forbidden.test"))
    first = ca(top, "First", constrained=forbids)
    second = ca(first, "Second", names=bad)
    cases.add(
        "nc: an intermediate's own name is excluded",
        False,
        top,
        leaf(second, names=good),
        first,
        second,
    )
    own = root(constrained=forbids)
    first = ca(own, "First")
    second = ca(first, "Second", names=bad)
    cases.add(
        "nc: an intermediate's own name, by the root",
        False,
        own,
        leaf(second, names=good),
        first,
        second,
    )
    wide = constraints(permitted=[dns("foo.test"), dns("bar.test")])
    narrow = constraints(permitted=[dns("bar.test")])
    foo = der.alternatives(dns("foo.test"))
    for title, upper, lower in (("narrows", wide, narrow), ("widens", narrow, wide)):
        first = ca(top, "First", constrained=upper)
        second = ca(first, "Second", constrained=lower)
        cases.add(f"nc: the lower one {title}", False, top, leaf(second, names=foo), first, second)
    strange = der.alternatives(dns("not-example.com"))
    top = root("Same", constrained=constraints(permitted=[dns("example.com")]))
    between = ca(top, "Same", names=strange)
    cases.add("nc: a self-issued intermediate is left out", True, top, leaf(between), between)
    between = ca(top, "Between")
    own = leaf(between, "Between", names=strange)
    cases.add("nc: a self-issued leaf is not", False, top, own, between)
    many = [dns(f"n{number}.test") for number in range(1100)]
    top = root()
    between = ca(
        top, constrained=constraints(excluded=[dns(f"x{number}.test") for number in range(1100)])
    )
    cases.add(
        "nc: a million comparisons",
        False,
        top,
        leaf(between, names=der.alternatives(*many)),
        between,
    )


def graphs(cases):
    top = root()
    unknown = root("Unknown")
    between = ca(unknown)
    cases.add("under an unknown root", False, top, leaf(between), between)
    cases.add("under an unknown root that is sent", False, top, leaf(between), between, unknown)
    between = ca(top)
    cases.add("no intermediate", False, top, leaf(between))
    cases.add("an intermediate is the anchor, the root is sent", True, between, leaf(between), top)
    same = root()  # of the same name
    cases.add("two roots of one name", True, [same, top], leaf(top))
    expired = ca(root("Root two"), "Root", key=top.key, begins=NOW - 9 * DAY, ends=NOW - DAY)
    cases.add("an expired cross-sign beside the root", True, top, leaf(top), expired)
    one, two = new_key(), new_key()
    for title, names_ in (("two", ("Cycle A", "Cycle B")), ("one name", ("Cycle", "Cycle"))):
        a, b = (der.Certificate(b"", key, name(text)) for key, text in zip((one, two), names_))
        first = ca(b, names_[0], key=one)
        second = ca(a, names_[1], key=two)
        cases.add(f"a cycle of {title}", False, top, leaf(first), first, second)
    crossed = {}
    tops = {text: root(text) for text in "ABC"}
    for text in "ABC":
        for by in "ABC":
            if text != by:
                crossed[text + by] = ca(tops[by], text, key=tops[text].key)
    below = ca(tops["A"], "A1")
    cases.add(
        "three roots that sign each other", True, tops["A"], leaf(below), below, *crossed.values()
    )
    forbidden = der.alternatives(dns("forbidden.test"))
    key = new_key()
    lost, narrow = root("Lost"), ca(
        top, "Narrow", constrained=constraints(excluded=[dns("forbidden.test")])
    )
    one, two = ca(lost, "Twin", key=key, names=forbidden), ca(narrow, "Twin", key=key)
    cases.add("a twin that leads nowhere", True, top, leaf(one), narrow, one, two)
    open_ = root("Open")
    one, two = ca(narrow, "Twin", key=key, names=forbidden), ca(open_, "Twin", key=key)
    cases.add("a twin whose name is forbidden", True, [top, open_], leaf(one), narrow, one, two)
