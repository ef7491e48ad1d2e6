"""Certificates and chains made to hurt: to crash a parser, to be read in two ways, to cost time."""

from support import der
from support.der import (
    ca,
    constraints,
    dns,
    extension,
    ip,
    leaf,
    name,
    new_key,
    octets,
    root,
    seq,
    tlv,
)


def bad_leaves(top):
    """{title: (DER of a leaf below `top`, or of no certificate at all)}."""
    good = leaf(top).der
    names = {
        "a NUL in a dNSName": [dns(b"good.test\0.evil.test")],
        "a newline in a dNSName": [dns(b"good.test\n.evil.test")],
        "a dNSName beyond ASCII": [dns("\u0435vil.test")],
        "an empty URI": [der.uri("")],
        "an address of three bytes": [ip(b"\x01\x02\x03")],
        "no names": [],
        "a directory name that is no name": [tlv(0xA4, b"\x30\x03\x31\x01\x30")],
        "a name of no kind": [tlv(0x8A, b"x")],
    }
    subjects = {
        "a CN with a NUL": name((der.COMMON_NAME, der.utf8("root\0.evil"))),
        "a CN that is no UTF-8": name((der.COMMON_NAME, tlv(0x0C, b"\xff\xfe\xfd"))),
        "a CN with a surrogate": name((der.COMMON_NAME, tlv(0x0C, b"\xed\xa0\x80"))),
        "a CN in half a UTF-16": name((der.COMMON_NAME, tlv(0x1E, b"\x00a\x00"))),
        "a CN with a UTF-32 beyond": name((der.COMMON_NAME, tlv(0x1C, b"\x00\x11\x00\x00"))),
        "a CN that is a sequence": name((der.COMMON_NAME, seq(der.utf8("x")))),
        "an empty relative name": seq(tlv(0x31)),
        "a CN of 30,000 bytes": name("x" * 30000),
        "3,000 relative names": name(*(str(number) for number in range(3000))),
        "a type with a huge number": name((f"2.5.4.{1 << 4000}", der.utf8("x"))),
    }
    made = {title: leaf(top, names=der.alternatives(*given)).der for title, given in names.items()}
    made |= {title: leaf(top, subject=subject).der for title, subject in subjects.items()}
    made |= {title: key_leaf(top, info) for title, info in bad_keys().items()}
    made |= {
        "nothing": b"",
        "one byte": b"\x30",
        "a length of four gigabytes": b"\x30\x84\xff\xff\xff\xff" + good[4:],
        "an indefinite length": b"\x30\x80" + good[4:] + b"\0\0",
        "a length with a zero in front": b"\x30\x83\x00" + good[2:],
        "something after it": good + b"\0",
        "half of it": good[: len(good) // 2],
        "sequences 20,000 deep": nested(20000),
        "60,000 bytes of nothing": leaf(top, more=[extension(der.UNKNOWN, bytes(60000))]).der,
        "1,000 extensions": leaf(top, more=[_numbered(number) for number in range(1000)]).der,
        "4,000 names": leaf(top, names=der.alternatives(*many_names(4000))).der,
        "a serial of 4,000 bytes": leaf(top, serial=1 << 32000).der,
        "a date of letters": leaf(top, ends=tlv(0x17, b"abcdefghijklZ")).der,
        "a date of month 13": leaf(top, ends=tlv(0x17, b"271301000000Z")).der,
        "an AKI of 30,000 bytes": leaf(
            top, aki=extension("2.5.29.35", seq(tlv(0x80, bytes(30000))))
        ).der,
        "an algorithm nobody knows": leaf(top, algorithm=seq(der.oid("1.2.3.4"))).der,
        "a signature of no bits": _without_signature(good),
    }
    own = new_key()
    myself = der.authority_key_id(own)
    made["its own issuer by name, signed by itself"] = der.certificate(
        name("Root"), key=own, extensions=[myself, der.subject_key_id(own)]
    ).der
    made["its own issuer by key identifier"] = leaf(top, key=own, aki=myself).der
    return made


def _numbered(number):
    return extension(f"{der.UNKNOWN}.{number}", b"\x05\x00")


def _without_signature(good):
    at = good.rindex(b"\x03", 0, -60)
    return seq(good[4:at], b"\x03\x01\x00")


def nested(depth):
    """SEQUENCEs in each other; no certificate."""
    parts, size = [], 0
    for _ in range(depth):
        head = tlv(0x30, bytes(size))[: -size or None] if size else b"\x30\x00"
        parts.append(head)
        size += len(head)
    return b"".join(reversed(parts))


def key_leaf(top, info):
    return leaf(top, key_info=info).der


def bad_keys():
    """{title: a SubjectPublicKeyInfo}."""
    point = new_key().info[-65:]
    prime, order = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1, 1 << 255
    field = seq(der.oid("1.2.840.10045.1.1"), der.integer(prime))
    curve = seq(octets(bytes(32)), octets(bytes(31) + b"\x07"))
    explicit = seq(der.integer(1), field, curve, octets(point), der.integer(order), der.integer(1))
    ec_key, rsa_key = der.oid("1.2.840.10045.2.1"), seq(
        der.oid("1.2.840.113549.1.1.1"), b"\x05\x00"
    )

    def rsa(modulus, exponent):
        return seq(rsa_key, der.bits(seq(der.integer(modulus), der.integer(exponent))))

    odd = (1 << 2047) + 1
    return {
        "explicit curve parameters": seq(seq(ec_key, explicit), der.bits(point)),
        "no curve at all": seq(seq(ec_key, b"\x05\x00"), der.bits(point)),
        "a point at infinity": seq(seq(ec_key, der.oid("1.2.840.10045.3.1.7")), der.bits(b"\0")),
        "a point off the curve": new_key().info[:-65] + b"\x04" + bytes(63) + b"\x01",
        "a modulus of 16,384 bits": rsa((1 << 16383) + 1, 65537),
        "an even modulus": rsa(1 << 2047, 65537),
        "a negative modulus": rsa(-odd, 65537),
        "an exponent of one": rsa(odd, 1),
        "an exponent of 2,048 bits": rsa(odd, odd - 2),
        "a key of no kind": seq(seq(der.oid("1.2.3")), der.bits(b"x")),
    }


def many_names(count, prefix="n", tail="t"):
    return [dns(f"{prefix}{number}.{tail}") for number in range(count)]


def costly_chains():
    """{title: (anchors, chain)}: chains that keep the judge busy, within the bounds on size."""
    return {
        "sixteen intermediates of one name and other keys": _same_names(),
        "nine intermediates with P-521": _long_path(der.ec.SECP521R1),
        "nine intermediates with RSA 4096": _long_path_rsa(4096),
        "a leaf with 4,000 names": _names_alone(),
        "names under constraints, as many as may be": _constraints(220, 220, 90),
        "short names under constraints": _constraints(3000, 16, 0),
        "short names under constraints, and P-521": _constraints(3000, 16, 0, der.ec.SECP521R1),
        "names under constraints at every level": _constraints_everywhere(),
        "the same with P-521": _constraints_everywhere(der.ec.SECP521R1),
        "the same with P-521 and addresses": _constraints_everywhere(
            der.ec.SECP521R1, ip("192.0.2.0/24")
        ),
        "cycles among fourteen intermediates": _cycles(),
    }


def _same_names():
    """Nothing but a signature tells that none of them was issued by the CA."""
    top = root("Same", key=new_key(der.ec.SECP521R1))
    forger = der.Certificate(b"", new_key(der.ec.SECP521R1), top.subject)
    twins = [ca(forger, "Twin", ski=None, aki=None) for _ in range(14)]
    last = leaf(der.Certificate(b"", new_key(), name("Twin")), aki=None)
    return [top.der], [last.der, *(twin.der for twin in twins)]


def _long_path(curve):
    top = root(key=new_key(curve))
    path = [top]
    for number in range(8):
        path.append(ca(path[-1], f"Level {number}", key=new_key(curve)))
    return [top.der], [leaf(path[-1], key=new_key(curve)).der, *(one.der for one in path[1:])]


def _long_path_rsa(size):
    key = der.rsa_key(size)
    top = root(key=key)
    path = [top]
    for number in range(8):
        path.append(ca(path[-1], f"Level {number}", key=key))
    return [top.der], [leaf(path[-1], key=key).der, *(one.der for one in path[1:])]


def _names_alone():
    top = root()
    return [top.der], [leaf(top, names=der.alternatives(*many_names(4000))).der]


def _constraints(name_count, constraint_count, length, curve=None):
    """Names that differ from every constraint in the first byte only: each comparison goes all the way."""
    tail = "x" * length
    bases = [dns(f"a{tail}{number % 10}") for number in range(constraint_count - 1)]
    top = root(key=new_key(curve or der.ec.SECP256R1))
    path = [top]
    for number in range(8 if curve else 1):
        trees = None if number else constraints(excluded=[*bases, ip("192.0.2.0/24")])
        key = new_key(curve or der.ec.SECP256R1)
        path.append(ca(path[-1], f"Level {number}", key=key, constrained=trees))
    names = [dns(f"b{tail}{number % 10}") for number in range(name_count - 2)]
    key = new_key(curve or der.ec.SECP256R1)
    last = leaf(path[-1], key=key, names=der.alternatives(*names, ip("198.51.100.1")))
    return [top.der], [last.der, *(one.der for one in path[1:])]


def _constraints_everywhere(curve=der.ec.SECP256R1, *more):
    """The names differ from the constraints in their first byte, so that all of each is looked at."""
    top = root(key=new_key(curve))
    path = [top]
    same = "y" * 50 + "." + "y" * 40
    for number in range(8):
        trees = constraints(excluded=[*(dns(f"x{same}{level % 10}") for level in range(40)), *more])
        path.append(ca(path[-1], f"Level {number}", key=new_key(curve), constrained=trees))
    names = [dns(f"z{same}{number % 10}") for number in range(150)]
    addresses = [ip("198.51.100.1")] if more else []
    last = leaf(path[-1], key=new_key(curve), names=der.alternatives(*names, *addresses))
    return [top.der], [last.der, *(one.der for one in path[1:])]


def _cycles():
    top = root("Top")
    keys = [new_key() for _ in range(14)]
    ring = []
    for number, key in enumerate(keys):
        above = der.Certificate(b"", keys[(number + 1) % 14], name("Ring"))
        ring.append(ca(above, "Ring", key=key, ski=None, aki=None))
    ring[0] = ca(top, "Ring", key=keys[0], ski=None, aki=None)
    last = leaf(der.Certificate(b"", keys[7], name("Ring")), aki=None)
    return [top.der], [last.der, *(one.der for one in reversed(ring))]
