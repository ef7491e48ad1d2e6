"""Certificates byte by byte: for what `cryptography` refuses to write, as any CA may have written it.

Owns: DER, and a certificate's fields with defaults that make a sound client leaf, CA or root; each
argument bends one thing. Knows no files.
"""

import datetime
import hashlib
import ipaddress
import itertools
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

NOW = 1_800_000_000  # Unix seconds; what is made here is valid a year either way
YEAR = 365 * 86400

# -- DER --------------------------------------------------------------------------------------


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


def seq(*parts):
    return tlv(0x30, *parts)


def integer(number):
    size = max(1, (number.bit_length() + 8) // 8)
    return tlv(0x02, number.to_bytes(size, "big", signed=True))


def oid(text):
    numbers = [int(number) for number in text.split(".")]
    encoded = b""
    for number in [numbers[0] * 40 + numbers[1], *numbers[2:]]:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(0x80 | number & 0x7F)
        encoded += bytes(reversed(septets))
    return tlv(0x06, encoded)


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\x00")


def octets(data):
    return tlv(0x04, data)


def bits(data, unused=0):
    return tlv(0x03, bytes([unused]), data)


def utf8(text):
    return tlv(0x0C, text.encode())


def utc_time(at, form="%y%m%d%H%M%SZ"):
    moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return tlv(0x17, moment.strftime(form).encode())


def generalized_time(at, form="%Y%m%d%H%M%SZ"):
    moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return tlv(0x18, moment.strftime(form).encode())


def time(at):
    return utc_time(at) if at < 2524608000 else generalized_time(at)


# -- names ------------------------------------------------------------------------------------

COMMON_NAME, COUNTRY, ORGANIZATION = "2.5.4.3", "2.5.4.6", "2.5.4.10"
EMAIL = "1.2.840.113549.1.9.1"


def name(*parts):
    """A Name; each part is text for a CN, or (attribute type, value in DER)."""
    pairs = [(COMMON_NAME, utf8(part)) if isinstance(part, str) else part for part in parts]
    return seq(*(tlv(0x31, seq(oid(kind), value)) for kind, value in pairs))


def dns(text):
    return tlv(0x82, text if isinstance(text, bytes) else text.encode())


def email(text):
    return tlv(0x81, text if isinstance(text, bytes) else text.encode())


def uri(text):
    return tlv(0x86, text if isinstance(text, bytes) else text.encode())


def ip(text):
    """An address, or as `address/prefix` the range that a constraint names; bytes as they are."""
    if isinstance(text, bytes):
        return tlv(0x87, text)
    if "/" not in text:
        return tlv(0x87, ipaddress.ip_address(text).packed)
    network = ipaddress.ip_network(text)
    return tlv(0x87, network.network_address.packed, network.netmask.packed)


def directory(*parts):
    return tlv(0xA4, name(*parts))


def other_name(kind="1.3.6.1.4.1.55738.666.3", value=b"\x05\x00"):
    return tlv(0xA0, oid(kind), tlv(0xA0, value))


def registered(kind):
    return tlv(0x88, oid(kind)[2:])


# -- extensions -------------------------------------------------------------------------------

UNKNOWN = "1.3.6.1.4.1.55738.666.1"
CLIENT_AUTH, SERVER_AUTH, ANY_USAGE = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
DIGITAL_SIGNATURE, KEY_AGREEMENT, KEY_CERT_SIGN, CRL_SIGN = 0, 4, 5, 6


def extension(kind, value, critical=False):
    return seq(oid(kind), boolean(True) if critical else b"", octets(value))


def basic_constraints(is_ca, pathlen=None, critical=True):
    inner = boolean(True) if is_ca else b""
    length = b"" if pathlen is None else integer(pathlen)
    return extension("2.5.29.19", seq(inner, length), critical)


def key_usage(*numbers, critical=True):
    value = sum(0x80 >> number for number in numbers)
    unused = 0 if not value else (value & -value).bit_length() - 1
    return extension("2.5.29.15", bits(bytes([value]) if value else b"", unused), critical)


def usages(*kinds, critical=False):
    return extension("2.5.29.37", seq(*map(oid, kinds)), critical)


def alternatives(*names, critical=False):
    return extension("2.5.29.17", seq(*names), critical)


def constraints(permitted=(), excluded=(), critical=True):
    parts = [
        tlv(tag, *(seq(base) for base in bases))
        for tag, bases in ((0xA0, permitted), (0xA1, excluded))
        if bases
    ]
    return extension("2.5.29.30", seq(*parts), critical)


def subject_key_id(key, critical=False):
    return extension("2.5.29.14", octets(key.id), critical)


def authority_key_id(key, critical=False):
    return extension("2.5.29.35", seq(tlv(0x80, key.id)), critical)


# -- keys -------------------------------------------------------------------------------------

ECDSA_SHA256 = seq(oid("1.2.840.10045.4.3.2"))
RSA_SHA256 = seq(oid("1.2.840.113549.1.1.11"), b"\x05\x00")
RSA_SHA1 = seq(oid("1.2.840.113549.1.1.5"), b"\x05\x00")
ECDSA_SHA1 = seq(oid("1.2.840.10045.4.1"))
ED25519 = seq(oid("1.3.101.112"))


class Key:
    """A key pair; `info` stands in a certificate for its public key."""

    def __init__(self, private):
        self.private = private
        public = private.public_key()
        self.info = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.id = hashlib.sha256(self.info).digest()[:20]

    def algorithm(self):
        if isinstance(self.private, rsa.RSAPrivateKey):
            return RSA_SHA256
        return ED25519 if isinstance(self.private, ed25519.Ed25519PrivateKey) else ECDSA_SHA256

    def sign(self, data, algorithm):
        digest = hashes.SHA1() if algorithm in (RSA_SHA1, ECDSA_SHA1) else hashes.SHA256()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), digest)
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        return self.private.sign(data, ec.ECDSA(digest))

    def pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def new_key(curve=ec.SECP256R1):
    return Key(ec.generate_private_key(curve()))


def rsa_key(size):
    return Key(rsa.generate_private_key(65537, size))


def ed25519_key():
    return Key(ed25519.Ed25519PrivateKey.generate())


# -- certificates -----------------------------------------------------------------------------

_serials = itertools.count(0x1001)


@dataclass(frozen=True)
class Certificate:
    der: bytes
    key: Key
    subject: bytes


def certificate(
    subject,
    issuer=None,
    key=None,
    extensions=(),
    version=2,
    serial=None,
    begins=None,
    ends=None,
    issuer_name=None,
    algorithm=None,
    inner_algorithm=None,
    key_info=None,
    is_spoiled=False,
    extra=b"",
):
    """One certificate; without `issuer` it signs itself. Times are Unix seconds, or DER."""
    key = key or new_key()
    signer = issuer.key if issuer else key
    algorithm = algorithm or signer.algorithm()
    begins = NOW - YEAR if begins is None else begins
    ends = NOW + YEAR if ends is None else ends
    serial = next(_serials) if serial is None else serial
    dates = [at if isinstance(at, bytes) else time(at) for at in (begins, ends)]
    body = seq(
        tlv(0xA0, integer(version)) if version else b"",
        serial if isinstance(serial, bytes) else integer(serial),
        inner_algorithm or algorithm,
        issuer_name or (issuer.subject if issuer else subject),
        seq(*dates),
        subject,
        key_info or key.info,
        extra,
        tlv(0xA3, seq(*extensions)) if extensions else b"",
    )
    signature = signer.sign(body, algorithm)
    if is_spoiled:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    return Certificate(seq(body, algorithm, bits(signature)), key, subject)


def _chosen(defaults, changes, more):
    """The extensions: the defaults in their order, with changes (None: left out), and more."""
    chosen = {**defaults, **{kind: value for kind, value in changes.items() if kind in defaults}}
    return [value for value in chosen.values() if value] + list(more)


KINDS = ("basic", "usage", "purpose", "names", "ski", "aki", "constrained")


def _split(changes):
    extensions = {kind: changes.pop(kind) for kind in KINDS if kind in changes}
    return extensions, changes


def root(text="Root", more=(), **changes):
    """A self-signed CA."""
    extensions, fields = _split(changes)
    key = fields.pop("key", None) or new_key()
    defaults = {
        "basic": basic_constraints(True),
        "usage": key_usage(KEY_CERT_SIGN, CRL_SIGN),
        "ski": subject_key_id(key),
        "aki": None,
        "purpose": None,
        "names": None,
        "constrained": None,
    }
    subject = fields.pop("subject", name(text))
    return certificate(subject, key=key, extensions=_chosen(defaults, extensions, more), **fields)


def ca(issuer, text="Middle", more=(), **changes):
    """An intermediate."""
    extensions, fields = _split(changes)
    key = fields.pop("key", None) or new_key()
    defaults = {
        "basic": basic_constraints(True),
        "usage": key_usage(KEY_CERT_SIGN, CRL_SIGN),
        "ski": subject_key_id(key),
        "aki": authority_key_id(issuer.key),
        "purpose": None,
        "names": None,
        "constrained": None,
    }
    subject = fields.pop("subject", name(text))
    return certificate(
        subject, issuer, key, extensions=_chosen(defaults, extensions, more), **fields
    )


def leaf(issuer, text="leaf", more=(), **changes):
    """A client's certificate."""
    extensions, fields = _split(changes)
    key = fields.pop("key", None) or new_key()
    defaults = {
        "basic": None,
        "usage": key_usage(DIGITAL_SIGNATURE),
        "purpose": usages(CLIENT_AUTH),
        "names": alternatives(dns("example.com")),
        "ski": subject_key_id(key),
        "aki": authority_key_id(issuer.key),
        "constrained": None,
    }
    subject = fields.pop("subject", name(text))
    return certificate(
        subject, issuer, key, extensions=_chosen(defaults, extensions, more), **fields
    )
