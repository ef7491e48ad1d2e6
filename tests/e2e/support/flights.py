"""First flights of TLS clients, byte by byte: what libraries send, what none sends yet, and what none should.

A flight is made for a name, so that the same table serves every target. The tables say what becomes of a flight where
`inner` says `tls: require, names: same`, and what is recorded about it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from support.inner import hello as library_hello
from support.rawtls import ALERT, CLIENT_HELLO, FINISHED, HANDSHAKE, RECORD, SERVER_HELLO
from support.rawtls import extension, vector

CHANGE_CIPHER_SPEC, APPLICATION_DATA, HEARTBEAT = 20, 23, 24
SERVER_NAME, GROUPS, ALPN, PADDING, TICKET, EARLY_DATA, VERSIONS, KEY_SHARE, ECH = (
    0, 10, 16, 21, 35, 42, 43, 51, 0xFE0D,
)  # fmt: skip
GREASE = 0x5A5A
EVIL = "evil.example"
MAX = 32 * 1024  # bytes of a first flight


# -- building ---------------------------------------------------------------------------------


def as_bytes(name):
    return name if isinstance(name, bytes) else name.encode()


def host(name, kind=0):
    """An entry of a server_name list."""
    return bytes([kind]) + vector(2, as_bytes(name))


def server_name(*names):
    return extension(SERVER_NAME, vector(2, *map(host, names)))


def alpn(*protocols):
    return extension(ALPN, vector(2, *(vector(1, as_bytes(protocol)) for protocol in protocols)))


def words(*values):
    return struct.pack(f"!{len(values)}H", *values)


def versions(*values):
    return extension(VERSIONS, vector(1, words(*values)))


def key_share(group=0x001D, size=32):
    key = (bytes(range(1, 256)) * (size // 255 + 1))[:size]
    return extension(KEY_SHARE, vector(2, words(group), vector(2, key)))


def usual():
    """What most clients send beside the name."""
    schemes = extension(13, vector(2, words(0x0403, 0x0804, 0x0401)))
    return [
        alpn("h2", "http/1.1"),
        extension(GROUPS, vector(2, words(0x001D, 0x0017))),
        schemes,
        versions(0x0304, 0x0303),
        key_share(),
    ]


def message(
    *extensions,
    kind=CLIENT_HELLO,
    version=0x0303,
    session=bytes(range(32)),
    suites=(0x1301, 0x1302, 0xC02F),
    compressions=b"\0",
    has_block=True,
):
    """A handshake message with these extensions. `has_block` False: without the block of extensions."""
    block = vector(2, *extensions) if has_block else b""
    parts = [vector(1, session), vector(2, words(*suites)), vector(1, compressions), block]
    return bytes([kind]) + vector(3, words(version), b"\x5c" * 32, *parts)


def record(body, kind=HANDSHAKE, version=0x0301):
    return struct.pack("!BH", kind, version) + vector(2, body)


def records(data, piece=RECORD, version=0x0301):
    """`data` in handshake records of at most `piece` bytes."""
    return b"".join(record(data[at : at + piece], version=version) for at in range(0, len(data), piece))


def hello(name, *more, piece=RECORD, record_version=0x0301, **options):
    """The usual hello for `name`, None: without one, with `more` extensions."""
    named = [] if name is None else [server_name(name)]
    return records(message(*named, *usual(), *more, **options), piece, record_version)


def request(*fields, line="GET / HTTP/1.1"):
    """A request in the clear."""
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


def early_hello(name):
    """A hello after which data may come before the server has answered."""
    return hello(name, extension(EARLY_DATA, b""))


# -- the tables -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flight:
    """`build(name)` makes it for a target. `reason`: why it ends under `require`, None: it passes."""

    build: Callable
    reason: str | None = None
    kind: str = "tls"  # what is recorded as `tls`
    sni: Callable = lambda name: name  # what is recorded as `sni`
    piece: int = 0  # bytes of each write; 0: one write
    ends: bool = False  # the client ends its direction: otherwise the flight would be waited for


def nobody(_):
    return None


def misnamed(said, sni=nobody):
    """A hello with another name than the target's: `said(name)`."""
    return Flight(lambda name: hello(said(name)), "inner_mismatch", sni=sni)


def named_evil(build, **options):
    return Flight(build, "inner_mismatch", sni=lambda _: EVIL, **options)


def bad(build, **options):
    """TLS that no server should take, or that two could read in two ways."""
    return Flight(build, "inner_not_tls", kind="bad_tls", sni=nobody, **options)


def other(data, kind="other", **options):
    return Flight(lambda _: data, "inner_not_tls", kind=kind, sni=nobody, **options)


def too_large(build):
    return Flight(build, "inner_too_large", kind="too_large", sni=nobody)


def flip_case(name):
    return "".join(c.upper() if i % 2 else c for i, c in enumerate(name))


NAMES = {
    "another name": named_evil(lambda _: hello(EVIL)),
    "another name of a library": named_evil(lambda _: library_hello(EVIL)),
    "another name byte by byte": named_evil(lambda _: hello(EVIL), piece=1),
    "another name in records of one byte": named_evil(lambda _: hello(EVIL, piece=1)),
    "another name with mixed case": named_evil(lambda _: hello(flip_case(EVIL))),
    "another name after 20,000 bytes": named_evil(
        lambda _: records(message(*usual(), extension(PADDING, bytes(20000)), server_name(EVIL)))
    ),
    "another name and early data": named_evil(
        lambda _: early_hello(EVIL) + record(b"x", APPLICATION_DATA)
    ),
    "another name, then the right one": named_evil(lambda name: hello(EVIL) + hello(name)),
    "the right name as ALPN only": named_evil(lambda name: records(message(server_name(EVIL), alpn(name)))),
    "a subdomain": misnamed(lambda name: f"sub.{name}", lambda name: f"sub.{name}"),
    "the parent domain": misnamed(lambda name: name.split(".", 1)[1], lambda name: name.split(".", 1)[1]),
    "a name that ends in it": misnamed(lambda name: f"not{name}", lambda name: f"not{name}"),
    "a name that begins with it": misnamed(lambda name: f"{name}.evil", lambda name: f"{name}.evil"),
    "an underscore for the dot": misnamed(lambda name: name.replace(".", "_"), lambda name: name.replace(".", "_")),
    "a hyphen for the dot": misnamed(lambda name: name.replace(".", "-"), lambda name: name.replace(".", "-")),
    "the name without its dots": misnamed(lambda name: name.replace(".", ""), lambda name: name.replace(".", "")),
    "an A-label that looks like it": misnamed(lambda name: f"xn--{name}", lambda name: f"xn--{name}"),
    "an A-label of it": misnamed(lambda name: "xn--gd-fkab." + name, lambda name: "xn--gd-fkab." + name),
    "two final dots": misnamed(lambda name: name + ".."),
    "a dot in front": misnamed(lambda name: "." + name),
    "an empty label": misnamed(lambda name: name.replace(".", "..")),
    "one dot": misnamed(lambda _: "."),
    "a NUL at its end": misnamed(lambda name: name + "\0"),
    "a NUL and another name": misnamed(lambda name: f"{name}\0.{EVIL}"),
    "another name, a NUL, and it": misnamed(lambda name: f"{EVIL}\0{name}"),
    "a NUL alone": misnamed(lambda _: "\0"),
    "a wildcard": misnamed(lambda name: "*." + name),
    "a wildcard alone": misnamed(lambda _: "*"),
    "a wildcard for a label": misnamed(lambda name: "*." + name.split(".", 1)[1]),
    "a port": misnamed(lambda name: name + ":443"),
    "a URL": misnamed(lambda name: f"https://{name}/"),
    "a user": misnamed(lambda name: "user@" + name),
    "a path": misnamed(lambda name: name + "/"),
    "a blank at its end": misnamed(lambda name: name + " "),
    "a blank in front": misnamed(lambda name: " " + name),
    "a tab": misnamed(lambda name: name + "\t"),
    "a newline": misnamed(lambda name: name + "\n"),
    "a comma and another": misnamed(lambda name: f"{name},{EVIL}"),
    "percent-encoded": misnamed(lambda name: f"%{ord(name[0]):02x}{name[1:]}"),
    "a letter beyond ASCII": misnamed(lambda name: name.replace("e", "\u0435")),
    "letters of full width": misnamed(lambda name: name.replace("e", "\uff45")),
    "a dot of full width": misnamed(lambda name: name.replace(".", "\uff0e")),
    "a soft hyphen": misnamed(lambda name: "\u00ad" + name),
    "a letter with its high bit": misnamed(lambda name: bytes([ord(name[0]) | 0x80]) + name[1:].encode()),
    "bytes of no text": misnamed(lambda _: b"\xff\xfe\xfd"),
    "a hyphen at the edge of a label": misnamed(lambda name: f"-.{name}"),
    "a label of 64 bytes": misnamed(lambda name: "a" * 64 + "." + name),
    "a name of 254 bytes": misnamed(lambda _: "a." * 126 + "aa"),
    "a name of 256 bytes": misnamed(lambda _: "a." * 127 + "aa"),
    "a name of 12,000 bytes": misnamed(lambda _: "a" * 12000),
    "an address": misnamed(lambda _: "127.0.0.1"),
    "an address of version 6": misnamed(lambda _: "::1"),
    "an address in brackets": misnamed(lambda _: "[::1]"),
    "an address as a number": misnamed(lambda _: "2130706433"),
    "an address in hex": misnamed(lambda _: "0x7f.1"),
    "four bytes of an address": misnamed(lambda _: b"\x7f\0\0\1"),
    "no name": Flight(lambda _: hello(None), "inner_no_name", sni=nobody),
    "no name of a library": Flight(lambda _: library_hello(None), "inner_no_name", sni=nobody),
    "no extensions": Flight(
        lambda _: records(message(has_block=False, suites=(0xC02F,))), "inner_no_name", sni=nobody
    ),
    "an empty block of extensions": Flight(lambda _: records(message()), "inner_no_name", sni=nobody),
    "nothing but GREASE": Flight(
        lambda _: records(message(extension(GREASE, b""), suites=(GREASE, 0x1301))), "inner_no_name", sni=nobody
    ),
    "the name in an extension of another number": Flight(
        lambda name: records(message(extension(1, vector(2, host(name))))), "inner_no_name", sni=nobody
    ),
}


def with_name_extension(body):
    """A hello whose server_name extension has these bytes, `body(name)`."""
    return bad(lambda name: records(message(*usual(), extension(SERVER_NAME, body(name)))))


AMBIGUOUS = {
    "the name twice": bad(lambda name: hello(name, server_name(name))),
    "two names, the right one first": bad(lambda name: hello(name, server_name(EVIL))),
    "two names, the right one last": bad(lambda name: hello(EVIL, server_name(name))),
    "a second name after 10,000 bytes": bad(
        lambda name: hello(name, extension(PADDING, bytes(10000)), server_name(EVIL))
    ),
    "a name and an empty extension": bad(lambda name: hello(name, extension(SERVER_NAME, b""))),
    "two names in a list": with_name_extension(lambda name: vector(2, host(name), host(EVIL))),
    "a name and one of another type": with_name_extension(lambda name: vector(2, host(name), host(EVIL, 1))),
    "a name of another type and a name": with_name_extension(lambda name: vector(2, host(EVIL, 1), host(name))),
    "a name of type 1": with_name_extension(lambda name: vector(2, host(name, 1))),
    "a name of type 255": with_name_extension(lambda name: vector(2, host(name, 255))),
    "no list of names": with_name_extension(lambda _: b""),
    "an empty list of names": with_name_extension(lambda _: vector(2)),
    "an empty name": with_name_extension(lambda _: vector(2, host(""))),
    "an empty name after the name": with_name_extension(lambda name: vector(2, host(name), host(""))),
    "half an entry": with_name_extension(lambda _: vector(2, b"\0\0")),
    "an entry without a type": with_name_extension(lambda name: vector(2, vector(2, name.encode()))),
    "a byte after the list": with_name_extension(lambda name: vector(2, host(name)) + b"\0"),
    "a byte after the entry": with_name_extension(lambda name: vector(2, host(name) + b"\0")),
    "a name without a list": with_name_extension(lambda name: name.encode()),
    "ALPN twice": bad(lambda name: hello(name, alpn("h2"))),
    "versions twice": bad(lambda name: hello(name, versions(0x0303))),
    "ECH twice": bad(lambda name: hello(name, *[extension(ECH, b"\0")] * 2)),
    "early data twice": bad(lambda name: hello(name, *[extension(EARLY_DATA, b"")] * 2)),
    "an empty ALPN": bad(lambda name: records(message(server_name(name), alpn()))),
    "an empty protocol": bad(lambda name: records(message(server_name(name), alpn("")))),
    "no versions": bad(lambda name: records(message(server_name(name), versions()))),
    "half a version": bad(
        lambda name: records(message(server_name(name), extension(VERSIONS, vector(1, b"\3\4\3"))))
    ),
    "no suites": bad(lambda name: hello(name, suites=())),
    "no compressions": bad(lambda name: hello(name, compressions=b"")),
    "a session ID of 33 bytes": bad(lambda name: hello(name, session=bytes(33))),
    "a byte after the extensions": bad(
        lambda name: records(bytes([CLIENT_HELLO]) + vector(3, message(server_name(name))[4:], b"\0"))
    ),
    "half an extension at the end": bad(lambda name: hello(name, b"\0\x17")),
}

# Where the lengths of a hello for a name are: how many bytes each has, and where. The hello ends in its server_name.
SESSION_AT = 5 + 4 + 2 + 32


def length_fields(name):
    name_at = len(lying(name)) - len(name)
    suites_at = SESSION_AT + 1 + 32
    return {
        "record": (3, 2),
        "message": (6, 3),
        "session ID": (SESSION_AT, 1),
        "suites": (suites_at, 2),
        "compressions": (suites_at + 8, 1),
        "extension block": (suites_at + 10, 2),
        "ALPN extension": (suites_at + 14, 2),
        "ALPN list": (suites_at + 16, 2),
        "protocol": (suites_at + 18, 1),
        "name extension": (name_at - 7, 2),
        "name list": (name_at - 5, 2),
        "name": (name_at - 2, 2),
    }


def lying(name, field=None, change=0):
    """A hello in which a length is larger by `change` than what follows."""
    data = records(message(*usual(), server_name(name)))
    if field:
        at, size = length_fields(name)[field]
        length = (int.from_bytes(data[at : at + size], "big") + change) % (1 << 8 * size)
        data = data[:at] + length.to_bytes(size, "big") + data[at + size :]
    return data


def lie(field, change):
    is_short = change > 0 and field in ("record", "message")
    return bad(lambda name: lying(name, field, change), ends=is_short)


LENGTHS = {
    f"the length of the {field}, {change:+}": lie(field, change)
    for field in length_fields("x")
    for change in (-1, 1)
} | {
    f"the length of the {field}, far too long": bad(lambda name, field=field: lying(name, field, 0x3000))
    for field in ("suites", "extension block", "ALPN extension", "ALPN list", "name extension", "name list", "name")
}  # fmt: skip


def interrupted(body, kind, at=60):
    """A hello with a record of another kind, or none, between two of its pieces."""

    def build(name):
        data = message(server_name(name), *usual())
        return record(data[:at]) + record(body, kind) + record(data[at:])

    return bad(build)


def of_record(version):
    return other(hello("good.example", record_version=version))


FRAMING = {
    "an alert in the middle": interrupted(b"\1\0", ALERT),
    "a ChangeCipherSpec in the middle": interrupted(b"\1", CHANGE_CIPHER_SPEC),
    "data in the middle": interrupted(b"x", APPLICATION_DATA),
    "a heartbeat in the middle": interrupted(b"\1\0\0", HEARTBEAT),
    "a record of an unknown type in the middle": interrupted(b"x", 99),
    "an empty record in the middle": interrupted(b"", HANDSHAKE),
    "an empty record at the front": bad(lambda name: record(b"") + hello(name)),
    "an empty record after the message's header": interrupted(b"", HANDSHAKE, 4),
    "a record of 16 KiB and a byte": bad(
        lambda name: record(message(server_name(name), extension(PADDING, bytes(RECORD)))[: RECORD + 1])
    ),
    "a record of 65,535 bytes": bad(lambda name: hello(name)[:3] + b"\xff\xff" + bytes(100)),
    "a record of another version in the middle": bad(
        lambda name: record(message(server_name(name))[:50]) + record(message(server_name(name))[50:], version=0x0203)
    ),
    "a message after it in its record": bad(
        lambda name: record(message(server_name(name)) + bytes([FINISHED]) + vector(3, bytes(12)))
    ),
    "a second hello in its record": bad(lambda name: record(message(server_name(name)) + message(server_name(EVIL)))),
    "one byte after it in its record": bad(lambda name: record(message(server_name(name)) + b"\0")),
    "one byte after it in its last record": bad(
        lambda name: records(message(server_name(name)) + b"\0", len(message(server_name(name))) - 10)
    ),
    "a message of 16 MiB": too_large(lambda _: record(bytes([CLIENT_HELLO]) + b"\xff\xff\xff")),
    "a message of 32 KiB": too_large(lambda _: record(bytes([CLIENT_HELLO]) + (MAX - 3).to_bytes(3, "big"))),
    "40 KiB": too_large(lambda name: hello(name, extension(PADDING, bytes(40 * 1024)))),
    "40 KiB in records of one byte": too_large(lambda name: hello(name, extension(PADDING, bytes(7000)), piece=1)),
    "HelloRequest": bad(lambda _: record(b"\0\0\0\0")),
    "ServerHello": bad(lambda name: hello(name, kind=SERVER_HELLO)),
    "Finished": bad(lambda _: record(bytes([FINISHED]) + vector(3, bytes(12)))),
    "a message of an unknown type": bad(lambda name: hello(name, kind=254)),
    "records of version 2": of_record(0x0200),
    "records of version 4": of_record(0x0400),
    "records of DTLS": of_record(0xFEFF),
    "data first": other(record(b"GET / HTTP/1.1\r\n", APPLICATION_DATA)),
    "data first, then a hello": Flight(
        lambda name: record(b"x", APPLICATION_DATA) + hello(name), "inner_not_tls", kind="other", sni=nobody
    ),
    "a ChangeCipherSpec first, then a hello": Flight(
        lambda name: record(b"\1", CHANGE_CIPHER_SPEC) + hello(name), "inner_not_tls", kind="other", sni=nobody
    ),
    "an alert first, then a hello": Flight(
        lambda name: record(b"\1\0", ALERT) + hello(name), "inner_not_tls", kind="other", sni=nobody
    ),
    "a heartbeat first": other(record(b"\1\0\0", HEARTBEAT)),
    "the first byte of a record, then the end": bad(lambda _: b"\x16", ends=True),
    "a record's header, then the end": bad(lambda name: hello(name)[:5], ends=True),
    "a message's header, then the end": bad(lambda name: hello(name)[:9], ends=True),
    "a hello but for its last byte, then the end": bad(lambda name: hello(name)[:-1], ends=True),
    "half a hello, then the end": bad(lambda name: hello(name)[:100], ends=True),
    "one record of two, then the end": bad(lambda name: record(message(server_name(name))[:50]), ends=True),
}

SSLV2 = vector(2, b"\1\3\1\0\3\0\0\0\x10" + b"\0\0\x2f" + bytes(16))

OTHERS = {
    "a hello of SSL 2": other(bytes([SSLV2[0] | 0x80]) + SSLV2[1:]),
    "a hello of SSL 2 with padding": other(b"\x00\x1f\x00" + SSLV2[2:]),
    "SSH": other(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "SSH with a comment": other(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    "HTTP": other(request("Host: good.example"), kind="http"),
    "HTTP/2 in the clear": other(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", kind="http"),
    "SMTP": other(b"EHLO client.example\r\n"),
    "zeros": other(bytes(64)),
    "ones": other(b"\xff" * 64),
    "noise": other(bytes((7 + 73 * i) % 251 for i in range(600))),
    "one byte, then the end": other(b"\0", ends=True),
    "SOCKS 5": other(b"\x05\x01\x00"),
    "SOCKS 4": other(b"\x04\x01\x01\xbb\x7f\0\0\1\0"),
    "RDP": other(b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\3\0\0\0"),
    "a request of PostgreSQL for TLS": other(b"\0\0\0\x08\x04\xd2\x16\x2f"),
    "BitTorrent": other(b"\x13BitTorrent protocol" + bytes(48)),
    "Redis": other(b"*1\r\n$4\r\nPING\r\n"),
    "a NUL, then a hello": Flight(lambda name: b"\0" + hello(name), "inner_not_tls", kind="other", sni=nobody),
    "a hello without its first byte": Flight(lambda name: hello(name)[1:], "inner_not_tls", kind="other", sni=nobody),
    "a message without a record": Flight(
        lambda name: message(server_name(name)), "inner_not_tls", kind="other", sni=nobody
    ),
    "the header of a PROXY protocol, then a hello": Flight(
        lambda name: b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + hello(name),
        "inner_not_tls",
        kind="other",
        sni=nobody,
    ),
}

HOSTILE = NAMES | AMBIGUOUS | LENGTHS | FRAMING | OTHERS


def honest(build, **options):
    return Flight(build, **options)


def filled(name, size):
    """A hello whose flight has exactly `size` bytes."""
    ticket = 0
    while (missing := size - len(hello(name, extension(TICKET, bytes(ticket))))) != 0:
        ticket += missing
    return hello(name, extension(TICKET, bytes(ticket)))


ODD = {
    "that of a library": honest(lambda name: library_hello(name, ["h2", "http/1.1"])),
    "byte by byte": honest(hello, piece=1),
    "in writes of seven bytes": honest(hello, piece=7),
    "in records of one byte": honest(lambda name: hello(name, piece=1)),
    "in records of one byte, byte by byte": honest(
        lambda name: records(message(server_name(name)), 1), piece=1
    ),
    "in two records": honest(lambda name: hello(name, piece=100)),
    "in records that cut every field": honest(lambda name: hello(name, piece=3)),
    "in many records, in writes across them": honest(lambda name: hello(name, piece=20), piece=33),
    "with mixed case": honest(lambda name: hello(flip_case(name))),
    "in capitals": honest(lambda name: hello(name.upper())),
    "with a final dot": honest(lambda name: hello(name + ".")),
    "with GREASE everywhere": honest(
        lambda name: records(
            message(
                extension(GREASE, b""),
                server_name(name),
                alpn(b"\x0a\x0a", "h2"),
                extension(GROUPS, vector(2, words(GREASE, 0x001D))),
                versions(GREASE, 0x0304, 0x0303),
                extension(KEY_SHARE, vector(2, words(GREASE), vector(2, b"\0"), words(0x001D), vector(2, bytes(32)))),
                extension(45, vector(1, b"\x0b\x01")),
                extension(0xFAFA, b"\0"),
                suites=(GREASE, 0x1301),
            )
        )
    ),
    "with every GREASE extension": honest(
        lambda name: hello(name, *(extension(0x0A0A + 0x1010 * i, bytes(i)) for i in range(16)))
    ),
    "with extensions that nobody knows": honest(
        lambda name: hello(name, extension(0xABCD, b"\xff" * 40), extension(0xFF01, b"\0"), extension(65000, b""))
    ),
    "with 300 extensions": honest(lambda name: hello(name, *(extension(1000 + i, b"x") for i in range(300)))),
    "with an unknown extension twice": honest(lambda name: hello(name, *[extension(0xABCD, b"")] * 2)),
    "of TLS 1.4": honest(lambda name: records(message(server_name(name), versions(0x0305, 0x0304)))),
    "of a draft": honest(lambda name: records(message(server_name(name), versions(0x7F1C, 0x0304)))),
    "of a version far away": honest(lambda name: records(message(server_name(name), versions(0xFEFE)))),
    "with an old version of an odd number": honest(lambda name: hello(name, version=0x0399)),
    "with 120 versions": honest(lambda name: records(message(server_name(name), versions(*range(0x300, 0x378))))),
    "with suites that nobody knows": honest(lambda name: hello(name, suites=range(0x6000, 0x6100))),
    "with compressions that nobody knows": honest(lambda name: hello(name, compressions=b"\x40\x01\x00")),
    "with a key share of ML-KEM": honest(
        lambda name: records(message(server_name(name), versions(0x0304), key_share(0x11EC, 1216)))
    ),
    "with a key share of ML-KEM, in two segments": honest(
        lambda name: records(message(server_name(name), versions(0x0304), key_share(0x11EC, 1216))), piece=1200
    ),
    "with a key share of 10,000 bytes": honest(
        lambda name: records(message(server_name(name), versions(0x0304), key_share(0x7777, 10000)))
    ),
    "with a ticket of 16 KiB": honest(lambda name: hello(name, extension(TICKET, bytes(16 * 1024)))),
    "with a ticket of 16 KiB, in writes of 1,000 bytes": honest(
        lambda name: hello(name, extension(TICKET, bytes(16 * 1024))), piece=1000
    ),
    "in a record of 16 KiB": honest(lambda name: filled(name, RECORD + 5)),
    "of 32 KiB": honest(lambda name: filled(name, MAX)),
    "of nearly 32 KiB": honest(lambda name: filled(name, MAX - 1), piece=5000),
    "with its name last": honest(lambda name: records(message(*usual(), server_name(name)))),
    "with its name last, after 20,000 bytes": honest(
        lambda name: records(message(*usual(), extension(PADDING, bytes(20000)), server_name(name)))
    ),
    "with its extensions in reverse": honest(
        lambda name: records(message(*reversed([server_name(name), *usual()])))
    ),
    "with nothing but its name": honest(lambda name: records(message(server_name(name)))),
    "with padding to 512 bytes": honest(lambda name: filled_with_padding(name, 512)),
    "of TLS 1.2": honest(
        lambda name: records(
            message(server_name(name), alpn("http/1.1"), extension(23, b""), suites=(0xC02F, 0x00FF), session=b"")
        )
    ),
    "of TLS 1.0": honest(
        lambda name: records(message(server_name(name), version=0x0301, suites=(0x002F, 0x0035), session=b""))
    ),
    "of SSL 3 with a name": honest(lambda name: hello(name, version=0x0300, record_version=0x0300)),
    "in records of version 3.3": honest(lambda name: hello(name, record_version=0x0303)),
    "in records of version 3.4": honest(lambda name: hello(name, record_version=0x0304)),
    "in records of version 3.255": honest(lambda name: hello(name, record_version=0x03FF)),
    "with ECH of GREASE": honest(lambda name: hello(name, ech_grease())),
    "with ECH of a kind that nobody knows": honest(lambda name: hello(name, extension(ECH, b"\x77" * 9))),
    "with early data in the same write": honest(
        lambda name: early_hello(name) + record(bytes(1000), APPLICATION_DATA)
    ),
    "with early data of 60,000 bytes": honest(
        lambda name: early_hello(name) + record(bytes(15000), APPLICATION_DATA) * 4, piece=15000
    ),
    "with an early data extension that has a body": honest(lambda name: hello(name, extension(EARLY_DATA, bytes(4)))),
    "with ALPN of 255 bytes": honest(lambda name: records(message(server_name(name), alpn("x" * 255, "h2")))),
    "with ALPN beyond ASCII": honest(lambda name: records(message(server_name(name), alpn(b"\xff\0\"\\"), *usual()[1:]))),
    "with half of what follows": honest(lambda name: hello(name) + record(bytes(50), APPLICATION_DATA)[:20], ends=True),
    "then a ChangeCipherSpec": honest(lambda name: hello(name) + record(b"\1", CHANGE_CIPHER_SPEC)),
    "then a key exchange": honest(lambda name: hello(name) + record(b"\x10" + vector(3, bytes(66)))),
    "then an alert": honest(lambda name: hello(name) + record(b"\2\x28", ALERT)),
    "then bytes of no record": honest(lambda name: hello(name) + b"\xee" * 5000),
    "then a record of an unknown type": honest(lambda name: hello(name) + record(b"x" * 100, 77)),
    "twice": honest(lambda name: hello(name) * 2),
    "twice, byte by byte": honest(lambda name: records(message(server_name(name))) * 2, piece=1),
    "twice in records of one byte": honest(lambda name: records(message(server_name(name)), 1) * 2),
    "twice with early data between": honest(
        lambda name: early_hello(name) + record(bytes(9000), APPLICATION_DATA) * 2 + hello(name)
    ),
}  # fmt: skip


def ech_grease():
    """An encrypted_client_hello as browsers make one up."""
    return extension(ECH, b"\0\0\1\0\1\x8e" + vector(2, bytes(32)) + vector(2, bytes(176)))


def filled_with_padding(name, size):
    return hello(name, extension(PADDING, bytes(size - len(hello(name, extension(PADDING, b""))))))


# -- a second hello, as after a HelloRetryRequest ---------------------------------------------


@dataclass(frozen=True)
class Second:
    """What a client says after its first hello, which was good. `passes`: how much of it goes on."""

    build: Callable
    reason: str | None = "inner_mismatch"
    first: Callable = hello
    passes: int = 0
    piece: int = 0
    ends: bool = False


CCS = record(b"\1", CHANGE_CIPHER_SPEC)

SECONDS = {
    "another name": Second(lambda _: hello(EVIL)),
    "another name byte by byte": Second(lambda _: hello(EVIL), piece=1),
    "another name in records of one byte": Second(lambda _: hello(EVIL, piece=1)),
    "a subdomain": Second(lambda name: hello("sub." + name)),
    "no name": Second(lambda _: hello(None)),
    "an address": Second(lambda _: hello("127.0.0.1")),
    "a name with a NUL": Second(lambda name: hello(name + "\0")),
    "no extensions": Second(lambda _: records(message(has_block=False))),
    "another name after a ChangeCipherSpec": Second(lambda _: CCS + hello(EVIL), passes=6, piece=6),
    "another name after ten of them": Second(lambda _: CCS * 10 + hello(EVIL), passes=60, piece=6),
    "another name after an alert": Second(lambda _: record(b"\1\0", ALERT) + hello(EVIL), passes=7, piece=7),
    "another name after a record of an unknown type": Second(
        lambda _: record(b"x", 77) + hello(EVIL), passes=6, piece=6
    ),
    "another name after a heartbeat": Second(lambda _: record(b"x", HEARTBEAT) + hello(EVIL), passes=6, piece=6),
    "another name after early data": Second(
        lambda _: record(b"x", APPLICATION_DATA) + hello(EVIL), first=early_hello, passes=6, piece=6
    ),
    "another name after empty early data": Second(
        lambda _: record(b"", APPLICATION_DATA) + hello(EVIL), first=early_hello, passes=5, piece=5
    ),
    "another name after all that in one write": Second(
        lambda _: CCS + record(bytes(5000), APPLICATION_DATA) + CCS + hello(EVIL), first=early_hello
    ),
    "the name twice": Second(lambda name: hello(name, server_name(name)), "inner_not_tls"),
    "two names": Second(lambda name: hello(name, server_name(EVIL)), "inner_not_tls"),
    "an empty record, then another name": Second(lambda _: record(b"") + hello(EVIL), "inner_not_tls"),
    "HelloRequest, then another name": Second(lambda _: record(b"\0\0\0\0") + hello(EVIL), "inner_not_tls"),
    "an alert in its middle": Second(
        lambda name: hello(name, piece=90)[:95] + record(b"\1\0", ALERT) + hello(name, piece=90)[95:], "inner_not_tls"
    ),
    "data after it in its record": Second(lambda name: record(message(server_name(name)) + b"\0"), "inner_not_tls"),
    "a length that lies": Second(lambda name: lying(name, "name", -1), "inner_not_tls"),
    "40 KiB": Second(lambda name: hello(name, extension(PADDING, bytes(40 * 1024))), "inner_too_large"),
    "half of one, then the end": Second(lambda name: hello(name)[:60], "inner_not_tls", ends=True),
    "a record too large": Second(lambda _: b"\x16\3\3\xff\xff\1" + bytes(50), "inner_not_tls"),
    "a record of another version": Second(lambda _: hello(EVIL, record_version=0x0200), "inner_not_tls"),
}


# -- HTTP in the clear ------------------------------------------------------------------------


@dataclass(frozen=True)
class Clear:
    """A request under `plain: check`; `is_http` False: it is none, and passes under `deny` too."""

    build: Callable
    passes: bool = False
    piece: int = 0
    ends: bool = False
    is_http: bool = True


def asking(*lines, **options):
    """A request with these lines, in which NAME is the target's."""
    return Clear(lambda name: request(*lines[1:], line=lines[0]).replace(b"NAME", name.encode()), **options)


GET = "GET / HTTP/1.1"
CLEAR = {
    "its Host": asking(GET, "Host: NAME", passes=True),
    "its Host byte by byte": asking(GET, "Host: NAME", passes=True, piece=1),
    "its Host with a port": asking(GET, "Host: NAME:80", passes=True),
    "its Host in capitals, with a final dot": Clear(
        lambda name: request(f"HOST: {name.upper()}."), passes=True
    ),
    "its Host last": asking(GET, "Accept: */*", "Cookie: a=b", "Host:NAME", passes=True),
    "its Host and a body": asking("POST / HTTP/1.1", "Host: NAME", "Content-Length: 0", passes=True),
    "its Host in HTTP/1.0": asking("GET / HTTP/1.0", "Host: NAME", passes=True),
    "its Host and a method of its own": asking("BREW /pot HTTP/1.1", "Host: NAME", passes=True),
    "its Host and a method with a hyphen": asking("M-SEARCH * HTTP/1.1", "Host: NAME", passes=True),
    "its Host, and its own URL": asking("GET http://NAME/ HTTP/1.1", "Host: NAME", passes=True),
    "its Host after an empty line": Clear(
        lambda name: b"\r\n" + request(f"Host: {name}"), passes=True
    ),
    "another Host": asking(GET, f"Host: {EVIL}"),
    "another Host byte by byte": asking(GET, f"Host: {EVIL}", piece=1),
    "another Host with its port": asking(GET, f"Host: {EVIL}:443"),
    "another Host and a method in small letters": asking("get / HTTP/1.1", f"Host: {EVIL}"),
    "another Host and a method with a hyphen": asking("VERSION-CONTROL / HTTP/1.1", f"Host: {EVIL}"),
    "another Host and a long method": asking("X" * 100 + " / HTTP/1.1", f"Host: {EVIL}"),
    "another Host and a method with an underscore": asking("MY_GET / HTTP/1.1", f"Host: {EVIL}"),
    "another Host after an empty line": Clear(lambda _: b"\r\n" + request(f"Host: {EVIL}")),
    "another Host after a bare newline": Clear(lambda _: b"\n" + request(f"Host: {EVIL}")),
    "another Host after 40 empty lines": Clear(lambda _: b"\r\n" * 40 + request(f"Host: {EVIL}")),
    "two Hosts, the right one first": asking(GET, "Host: NAME", f"Host: {EVIL}"),
    "two Hosts, the right one last": asking(GET, f"Host: {EVIL}", "Host: NAME"),
    "its Host twice": asking(GET, "Host: NAME", "Host: NAME"),
    "two names in a Host": asking(GET, f"Host: NAME, {EVIL}"),
    "an empty Host": asking(GET, "Host:"),
    "an address": asking(GET, "Host: 127.0.0.1"),
    "a Host with a path": asking(GET, "Host: NAME/"),
    "a Host with a user": asking(GET, f"Host: NAME@{EVIL}"),
    "a Host with a NUL": asking(GET, "Host: NAME\0"),
    "a folded Host": asking(GET, "Host: NAME", f" {EVIL}"),
    "a Host on a line of its own": asking(GET, "Host:", " NAME"),
    "a blank before the colon": asking(GET, f"Host : {EVIL}", "Host: NAME"),
    "a bare newline": Clear(lambda name: f"GET / HTTP/1.1\nHost: {name}\n\n".encode()),
    "a bare CR in a field": asking(GET, f"X: a\rHost: {EVIL}", "Host: NAME"),
    "no Host": asking(GET),
    "no Host in HTTP/1.0": asking("GET / HTTP/1.0"),
    "HTTP/0.9": Clear(lambda _: b"GET /\r\n"),
    "another URL with its Host": asking(f"GET http://{EVIL}/ HTTP/1.1", "Host: NAME"),
    "another URL in capitals with its Host": asking(f"GET HTTP://{EVIL}/ HTTP/1.1", "Host: NAME"),
    "another https URL with its Host": asking(f"GET https://{EVIL}/ HTTP/1.1", "Host: NAME"),
    "its URL with another Host": asking("GET http://NAME/ HTTP/1.1", f"Host: {EVIL}"),
    "a URL with a user": asking(f"GET http://NAME@{EVIL}/ HTTP/1.1", "Host: NAME"),
    "CONNECT to another": asking(f"CONNECT {EVIL}:443 HTTP/1.1", "Host: NAME"),
    "CONNECT to itself": asking("CONNECT NAME:443 HTTP/1.1", "Host: NAME"),
    "a name in the place of a path": asking(f"GET {EVIL} HTTP/1.1", "Host: NAME"),
    "HTTP/2": Clear(lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    "HTTP/3.0 in a line": asking("GET / HTTP/3.0", "Host: NAME"),
    "a version in small letters": asking("GET / http/1.1", f"Host: {EVIL}"),
    "two blanks": asking("GET  /  HTTP/1.1", f"Host: {EVIL}"),
    "a tab": asking("GET\t/\tHTTP/1.1", f"Host: {EVIL}"),
    "half a head, then the end": Clear(lambda name: f"GET / HTTP/1.1\r\nHost: {name}\r\n".encode(), ends=True),
    "half a line, then the end": Clear(lambda _: b"GET / HT", ends=True),
    "a head without an end": Clear(lambda name: request(f"Host: {name}", "X: " + "x" * 200_000)),
    "SSH with a comment": Clear(lambda _: b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", True, is_http=False),
    "SMTP": Clear(lambda _: b"EHLO client.example\r\n", True, is_http=False),
    "Redis": Clear(lambda _: b"*1\r\n$4\r\nPING\r\n", True, is_http=False),
    "noise": Clear(lambda _: bytes(range(128, 256)), True, is_http=False),
    "a hello of another name": Clear(lambda _: hello(EVIL), True, is_http=False),
}
