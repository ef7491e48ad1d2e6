"""A DNS server on loopback, UDP and TCP, whose answers each test writes down.

A name that nobody wrote down does not exist. Every query is kept, so that tests can count them.
"""

import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field

from support.scale import PATIENCE

A, CNAME, SOA, AAAA, SRV = 1, 5, 6, 28, 33
TYPE_NAMES = {A: "A", CNAME: "CNAME", AAAA: "AAAA", SRV: "SRV"}
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


@dataclass(frozen=True)
class Query:
    name: str
    type: str
    transport: str
    length: int = 0  # of the message, in bytes


@dataclass
class Reply:
    """What one name gives. `records` are (owner, type, text or raw bytes); other types are empty."""

    records: list = field(default_factory=list)
    code: int = NOERROR
    ttl: int = 0  # a test that changes an answer sees the change at once
    soa: int = None  # how long "no" may be believed, in seconds; None: no SOA
    forged: object = None  # a function from the question's bytes to the whole answer
    breaks_tcp: str = None  # what comes by TCP instead: "nothing", "close", "half", "wrong_id"
    later: list = None  # the addresses of every answer but each type's first: rebinding
    only: str = None  # the type that is answered; the other one meets silence
    is_silent: bool = False
    is_truncated: bool = False  # over UDP: nothing but the bit that asks for TCP
    released: threading.Event = None  # the answer waits for this
    held: str = None  # the type whose answer waits; None: both
    noise: list = field(default_factory=list)  # functions from the true answer to datagrams before


def wrong_id(answer):
    return struct.pack("!H", struct.unpack("!H", answer[:2])[0] ^ 0xFFFF) + answer[2:]


def empty_datagram(_answer):
    return b""


def half_of_it(answer):
    return answer[: len(answer) // 2]


def encode_name(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def encode_record(owner, kind, text, ttl=60):
    if isinstance(text, bytes):
        data = text
    else:
        data = encode_name(text) if kind == CNAME else ipaddress.ip_address(text).packed
    return encode_name(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def encode_soa(minimum):
    data = b"\0\0" + struct.pack("!5I", 1, 2, 3, 4, minimum)
    return b"\0" + struct.pack("!HHIH", SOA, 1, 3600, len(data)) + data


def address_records(name, addresses):
    kinds = {4: A, 6: AAAA}
    return [(name, kinds[ipaddress.ip_address(a).version], a) for a in addresses]


def decode_question(message):
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("latin-1"))
        at += 1 + message[at]
    (kind,) = struct.unpack("!H", message[at + 1 : at + 3])
    return ".".join(labels).lower(), kind, message[12 : at + 5]


def encode_answer(message, reply, kind, over_udp):
    is_cut = reply.is_truncated and over_udp
    records = [] if is_cut else [r for r in reply.records if r[1] in (kind, CNAME)]
    flags = 0x8580 | reply.code | (0x0200 if is_cut else 0)
    question = decode_question(message)[2]
    authority = b"" if records or reply.soa is None else encode_soa(reply.soa)
    head = message[:2] + struct.pack("!HHHHH", flags, 1, len(records), bool(authority), 0)
    answers = b"".join(encode_record(*record, reply.ttl) for record in records)
    return head + question + answers + authority


def fits(pattern, name):
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def tls_context(leaf):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.chain, leaf.key)
    return context


def bind_both(address, port):
    """A UDP and a TCP socket on one port; what is free for the one need not be for the other."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, port))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()
            if port:
                raise


class DnsServer:
    """Serves from construction until `stop`."""

    def __init__(self, address="127.0.0.1", port=0, leaf=None, habit=None):
        """With `leaf` it speaks TLS by TCP; `habit` is what it does in place of answering: a function of the
        connection."""
        self.queries = []
        self.connections = 0
        self._tls = leaf and tls_context(leaf)
        self._habit = habit
        self._answered = []
        self._replies = {}
        self._changed = threading.Condition()
        self._held = []
        self.address = address
        self._udp, self._tcp = bind_both(address, port)
        self.port = self._udp.getsockname()[1]
        self._is_stopped = False
        for loop in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def reply(self, name, **options):
        """Gives `name` a Reply with these options; `*.name` all names below it."""
        self._replies[name] = Reply(**options)

    def addresses(self, name, *addresses, **options):
        """Gives `name` these addresses, IPv4 and IPv6 in any order."""
        self.reply(name, records=address_records(name, addresses), **options)

    def service(self, name, *places, **options):
        """Gives `name` these places: (target, port, priority, weight); the target `.` is none."""
        records = [(name, SRV, struct.pack("!HHH", *rest, port) + encode_name(target)) for target, port, *rest in places]
        self.reply(name, records=records, **options)

    def rebinds(self, name, first, then, **options):
        """Gives `name` one address for the first question of each type, and another from then on."""
        self.addresses(name, first, later=address_records(name, [then]), **options)

    def hold(self, name, *addresses, **options):
        """As `addresses`, but the answers wait until the returned event is set."""
        released = threading.Event()
        self._held.append(released)
        self.addresses(name, *addresses, released=released, **options)
        return released

    def aliases(self, *names, address):
        """A chain of CNAMEs from the first name to the last, which has the address."""
        links = [(name, CNAME, target) for name, target in zip(names, names[1:])]
        self.reply(names[0], records=links + [(names[-1], A, address)])

    def asked(self, name):
        """The queries for this name, or for those below it: `*.name`."""
        return [query for query in self.queries if fits(name, query.name)]

    def forget(self):
        """What was asked and answered so far, so that a test can be run again."""
        with self._changed:
            self.queries.clear()
            self._answered.clear()

    def wait_asked(self, name, count=1):
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.asked(name)) >= count, PATIENCE)
        assert done, f"the proxy never asked for {name}; it asked {self.queries}"

    def wait_answered(self, name, kind):
        """Until an answer of this type is sent whole: what is sent after it comes after it."""
        with self._changed:
            done = self._changed.wait_for(lambda: (name, kind) in self._answered, PATIENCE)
        assert done, f"no {TYPE_NAMES[kind]} of {name} was sent; {self.queries} were asked"

    def stop(self):
        self._is_stopped = True
        for event in self._held:
            event.set()
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", self._udp.getsockname())
        self._tcp.shutdown(socket.SHUT_RDWR)
        self._tcp.close()

    def _serve_udp(self):
        while True:
            message, peer = self._udp.recvfrom(4096)
            if self._is_stopped:
                self._udp.close()
                return
            self._handle(message, "udp", lambda data, to=peer: self._udp.sendto(data, to))

    def _serve_tcp(self):
        while True:
            try:
                conn, _ = self._tcp.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve_connection, args=(conn,), daemon=True).start()

    def _serve_connection(self, conn):
        with conn, contextlib.suppress(OSError):
            if self._tls:
                conn = self._tls.wrap_socket(conn, server_side=True)
            (self._habit or self._serve_stream)(conn)

    def _serve_stream(self, conn):
        writing = threading.Lock()  # answers that were held come from threads of their own

        def send_whole(data):
            with writing:
                conn.sendall(data)

        with conn, conn.makefile("rb") as file:
            while True:
                prefix = file.read(2)
                if len(prefix) < 2:
                    return
                message = file.read(struct.unpack("!H", prefix)[0])
                with contextlib.suppress(ConnectionAbortedError):
                    self._handle(
                        message,
                        "tls" if self._tls else "tcp",
                        lambda data: send_whole(struct.pack("!H", len(data)) + data),
                    )
                    continue
                return

    def _handle(self, message, transport, send):
        name, kind, _ = decode_question(message)
        with self._changed:
            self.queries.append(Query(name, TYPE_NAMES.get(kind, str(kind)), transport, len(message)))
            self._changed.notify_all()
        reply = self._replies.get(name) or self._replies.get("*." + name.partition(".")[2])
        reply = reply or Reply(code=NXDOMAIN)
        if reply.is_silent or (reply.only and reply.only != TYPE_NAMES.get(kind)):
            return
        if reply.later is not None and self._is_asked_again(name, kind):
            reply = Reply(records=reply.later, ttl=reply.ttl)
        if transport != "udp" and reply.breaks_tcp:
            self._break_tcp(message, reply, kind, send)
            return
        answer = encode_answer(message, reply, kind, transport == "udp")
        if reply.forged:
            answer = reply.forged(message)

        def deliver(data):
            send(data)
            with self._changed:
                self._answered.append((name, kind))
                self._changed.notify_all()

        if reply.released and reply.held in (None, TYPE_NAMES.get(kind)):
            waiter = threading.Thread(target=self._send_late, args=(reply, deliver, answer))
            waiter.daemon = True
            waiter.start()
            return
        for disturb in reply.noise:
            send(disturb(answer))
        deliver(answer)

    def _is_asked_again(self, name, kind):
        kind = TYPE_NAMES.get(kind, str(kind))
        return sum(query.type == kind for query in self.asked(name)) > 1

    @staticmethod
    def _break_tcp(message, reply, kind, send):
        answer = encode_answer(message, reply, kind, False)
        if reply.breaks_tcp == "half":
            send(half_of_it(answer))
        elif reply.breaks_tcp == "wrong_id":
            send(wrong_id(answer))
        if reply.breaks_tcp != "nothing":
            raise ConnectionAbortedError

    @staticmethod
    def _send_late(reply, send, answer):
        reply.released.wait()
        try:
            send(answer)
        except OSError:
            pass  # the asker, or this server, is gone
