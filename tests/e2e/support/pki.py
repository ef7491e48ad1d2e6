"""Certificate authorities and leaves, good ones and every kind of bad one.

Owns the files that they are written to. Everything is made on first use and kept for the session.
"""

import base64
import datetime
import functools
import hashlib
import ipaddress
import json
import os
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support import der

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH

KEYS = {
    "p224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "k256": lambda: ec.generate_private_key(ec.SECP256K1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
}


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def days(number):
    return datetime.timedelta(days=number)


def common_names(*names):
    """A subject with these common names, in this order."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def spki_digest(certificate):
    """The SHA-256 of its public key."""
    key = certificate.public_key()
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key.public_bytes(*form)).digest()


def pin_of(certificate):
    """The same as curl and the sidecar are told it."""
    return "sha256//" + base64.b64encode(spki_digest(certificate)).decode()


@dataclass(frozen=True)
class Leaf:
    """A certificate with its key, as files that clients and servers can be given."""

    chain: str  # path: leaf first, then what is sent with it
    key: str  # path, mode 0600
    certificate: x509.Certificate

    @property
    def sha256(self):
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def spki_sha256(self):
        return spki_digest(self.certificate).hex()

    @property
    def pin(self):
        return pin_of(self.certificate)

    @property
    def serial(self):
        text = f"{self.certificate.serial_number:x}"
        return text.zfill(len(text) + len(text) % 2)


def alternative_names(dns=(), uri=(), email=(), ip=()):
    names = [x509.DNSName(name) for name in dns]
    names += [x509.UniformResourceIdentifier(name) for name in uri]
    names += [x509.RFC822Name(name) for name in email]
    names += [x509.IPAddress(ipaddress.ip_address(name)) for name in ip]
    return names


def key_usage(**used):
    every = dict.fromkeys(
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only".split(),
        False,
    )
    return x509.KeyUsage(**{**every, **used})


def with_extensions(builder, extensions):
    """A certificate's builder with further extensions: of each the OID, the DER value, and whether it is critical."""
    for oid, value, critical in extensions:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(extension, critical)
    return builder


class Authority:
    """A CA with its files in `folder`. Without `issuer` it signs itself."""

    def __init__(
        self,
        folder,
        name,
        issuer=None,
        constraints=None,
        label=None,
        is_ca=True,
        subject=None,
        begins=-1000,
        ends=1000,
        extensions=(),
    ):
        self.folder = folder
        self.name = subject or common_names(name)
        self.key = KEYS["p256"]()
        self.issuer = issuer
        self.path = os.path.join(folder, f"{label or name}.ca.crt")
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name if issuer else self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() + days(begins))
            .not_valid_after(now() + days(ends))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .add_extension(
                key_usage(key_cert_sign=is_ca, crl_sign=is_ca, digital_signature=True), True
            )
            .add_extension(self._key_identifier(self.key), critical=False)
        )
        if constraints:
            builder = builder.add_extension(constraints, critical=True)
        builder = with_extensions(builder, extensions)
        self._builder = builder
        signer = issuer.key if issuer else self.key
        self.certificate = builder.sign(signer, hashes.SHA256())
        with open(self.path, "wb") as file:
            file.write(pem(self.certificate))

    def issued_again(self, label):
        """Another certificate of the same CA, same name and key, as a file. The path."""
        signer = self.issuer.key if self.issuer else self.key
        path = f"{self.path}-{label}.crt"
        with open(path, "wb") as file:
            file.write(pem(self._builder.sign(signer, hashes.SHA256())))
        return path

    def crl(self, *revoked, number=1, begins=-1, ends=30, is_delta=False, label="", point=None):
        """A revocation list as a file: certificates or leaves, and days from now; with `point`, a URI, that of
        one distribution point. The path."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(now() + days(begins))
            .next_update(now() + days(ends))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(self._authority_identifier(), critical=False)
        )
        if is_delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(number), critical=True)
        if point:
            name = [x509.UniformResourceIdentifier(point)]
            builder = builder.add_extension(
                x509.IssuingDistributionPoint(name, None, False, False, None, False, False), True
            )
        for one in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(one.certificate.serial_number)
                .revocation_date(now() + days(begins))
                .build()
            )
        path = f"{self.path}-{number}{label}.crl"
        with open(path, "wb") as file:
            list_ = builder.sign(self.key, hashes.SHA256())
            file.write(list_.public_bytes(serialization.Encoding.PEM))
        return path

    @staticmethod
    def _key_identifier(key):
        return x509.SubjectKeyIdentifier.from_public_key(key.public_key())

    @functools.lru_cache(maxsize=None)
    def leaf(
        self,
        name,
        subject=None,
        dns=(),
        uri=(),
        email=(),
        ip=(),
        usages=(CLIENT_AUTH,),
        key="p256",
        sha1=False,
        signs=True,
        begins=None,
        ends=None,
        sends=(),
        tampered=False,
        serial=None,
        extensions=(),
    ):
        """A leaf called `name` (also its common name unless `subject` says otherwise).

        `begins` and `ends` are days from now; `sends` are the authorities sent along; `signs` is
        the digitalSignature bit; `tampered` spoils the signature, `sha1` makes it one with SHA-1; `extensions`
        are further ones, of each the OID, the DER value and whether it is critical.
        """
        private = KEYS[key]()
        begins = -0.01 if begins is None else begins
        builder = (
            x509.CertificateBuilder()
            .subject_name(common_names(name) if subject is None else subject)
            .issuer_name(self.name)
            .public_key(private.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(now() + days(begins))
            .not_valid_after(now() + days(30 if ends is None else ends))
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(self._authority_identifier(), critical=False)
            .add_extension(key_usage(digital_signature=signs, key_agreement=not signs), True)
        )
        alternatives = alternative_names(dns, uri, email, ip)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = with_extensions(builder, extensions)
        certificate = builder.sign(self.key, hashes.SHA256())
        if sha1:
            certificate = signed_with_sha1(certificate, self.key)
        return self._write(name, certificate, private, sends, tampered)

    def _authority_identifier(self):
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())

    def _write(self, name, certificate, private, sends, tampered):
        handle = os.path.join(self.folder, f"{name}-{certificate.serial_number:x}")
        text = spoil(certificate) if tampered else pem(certificate)
        with open(handle + ".crt", "wb") as file:
            file.write(text + b"".join(pem(ca.certificate) for ca in sends))
        with open(handle + ".key", "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(
                private.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        return Leaf(handle + ".crt", handle + ".key", certificate)


def signed_with_sha1(certificate, key):
    """The same, signed so by its authority's P-256: newer libraries refuse to make one."""
    signed = certificate.tbs_certificate_bytes
    header = 2 + (signed[1] & 0x7F if signed[1] & 0x80 else 0)
    signed = der.seq(signed[header:].replace(der.ECDSA_SHA256, der.ECDSA_SHA1, 1))
    signature = der.bits(key.sign(signed, ec.ECDSA(hashes.SHA1())))
    return x509.load_der_x509_certificate(der.seq(signed, der.ECDSA_SHA1, signature))


def spoil(certificate):
    """The certificate as PEM with the last bit of its signature flipped."""
    spoilt = bytearray(certificate.public_bytes(serialization.Encoding.DER))
    spoilt[-1] ^= 1
    body = base64.encodebytes(bytes(spoilt))
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


class Pki:
    """The authorities of a test session, and the leaves that nearly every test needs."""

    def __init__(self, folder):
        self.folder = str(folder)

    @functools.lru_cache(maxsize=None)
    def authority(self, name, label=None, **options):
        return Authority(self.folder, name, label=label, **options)

    @property
    def ca(self):
        """Trusted by the proxy for its clients."""
        return self.authority("Clients CA")

    @property
    def server_ca(self):
        """Trusted by clients for the proxy and for the https origins."""
        return self.authority("Servers CA")

    @property
    def server(self):
        """What the proxy serves."""
        names = ("proxy.test", "localhost")
        ips = ("127.0.0.1", "::1")
        return self.server_ca.leaf("proxy.test", dns=names, ip=ips, usages=(SERVER_AUTH,))

    @property
    def origin(self):
        """What https origins serve."""
        return self.server_ca.leaf(
            "origin.test", dns=("origin.test", "*.origin.test"), usages=(SERVER_AUTH,)
        )

    @property
    def worker(self):
        """A good client."""
        return self.ca.leaf("worker-1", uri=("spiffe://example.test/worker/1",))


def write_bundle(path, *authorities):
    """A SPIFFE bundle as a SPIRE server shows it, renamed over what was there."""
    keys = [{"kty": "EC", "use": "jwt-svid", "kid": "a", "crv": "P-256", "x": "AA", "y": "AA"}]
    for authority in authorities:
        der = authority.certificate.public_bytes(serialization.Encoding.DER)
        keys.append({"kty": "EC", "use": "x509-svid", "x5c": [base64.b64encode(der).decode()]})
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"keys": keys, "spiffe_sequence": len(keys), "spiffe_refresh_hint": 300}, indent=2))
    os.rename(new, path)
    return str(path)
