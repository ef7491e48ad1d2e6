"""A server of revocation lists that is slow, silent, resets, lies, is huge, garbled, redirects, or rolls back: a part of
hostile_revocation.py.

Owns: its moods, who is revoked, and which lists the CA has truthfully signed and when they went out. A list counts as known
to the proxy only if all of it went out at once: the proxy waits for no other.
"""

import contextlib
import datetime
import http.server
import os
import random
import socket
import struct
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hostile_part import Member, Part

CLIENTS = 120
LIFE_S = 30  # of a list
SIZE_MAX = 64 * 1024  # `max_size`
AT_ONCE_S = 0.8  # after the question
GRACE_S = 6.0  # until a list that went out is in force: two seconds are promised, of a machine that is not busy
TUNNEL_GRACE_S = 8.0  # until it has ended the live tunnels


class Truth:
    """A list that the CA has signed."""

    def __init__(self, number, revoked, der):
        self.number, self.revoked, self.der = number, revoked, der
        self.ends_s = int(time.time()) + LIFE_S
        self.out_s = None  # when it began to go out
        self.known_s = None  # when it was out, if that was at once


def silent(part, handler):
    handler.rfile.read(1)  # until the proxy has had enough


def resetting(part, handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def too_late(part, handler):
    part.is_over.wait(part.chance.uniform(0.5, 3))
    part.tell(handler)


def dripping(part, handler):
    handler.start(200, {"Content-Length": "1000"})
    while not part.is_over.wait(0.05):
        handler.wfile.write(b"0")


def for_ever(part, handler):
    handler.start(200, {"Transfer-Encoding": "chunked"})
    while True:
        handler.wfile.write(b"1000\r\n" + bytes(4096) + b"\r\n")


def garbled(part, handler):
    truth = part.sign()
    truth.out_s = time.time()  # what is damaged may be what nobody has signed
    answer = bytearray(truth.der)
    for _ in range(part.chance.randrange(1, 4)):
        answer[part.chance.randrange(len(answer))] ^= 1 << part.chance.randrange(8)
    handler.say(bytes(answer))


def cut(part, handler):
    handler.say(part.sign().der[: part.chance.randrange(200)])


def noise(part, handler):
    handler.say(part.chance.randbytes(part.chance.choice([1, 100, 65536])))


def huge(part, handler):
    handler.say(b"\x30\x84\x00\x0f\xff\xff" + bytes(1_000_000))


def redirecting(part, handler):
    handler.start(302, {"Location": "http://127.0.0.1:1/ca.crl", "Content-Length": "0"})


def status_500(part, handler):
    handler.say(b"", status=500)


def unchanged(part, handler):
    handler.start(304, {})


def of_another(part, handler):
    handler.say(part.make(10**6, (), signer=part.other, name=part.other.name))


def forged(part, handler):
    handler.say(part.make(10**6, (), signer=part.other))


def of_a_client(part, handler):
    handler.say(part.make(10**6, (), signer=part.insider))


def expired(part, handler):
    handler.say(part.make(10**6, (), age_s=7200, life_s=3600))


def of_the_future(part, handler):
    handler.say(part.make(10**6, (), age_s=-3600))


def rolling_back(part, handler):
    """What was true before, and whose end may not have come."""
    with part.lock:
        told = [truth for truth in part.truths if truth.out_s is not None]
    if told:
        handler.say(part.chance.choice(told[-20:]).der)
    else:
        part.tell(handler)


def honest(part, handler):
    part.tell(handler)


DEAD = [silent, resetting, garbled, cut, noise, huge, redirecting, status_500, for_ever, dripping]
LYING = [of_another, forged, of_a_client, expired, of_the_future, rolling_back, unchanged]
MOODS = {
    "honest": [honest] * 12 + [rolling_back],
    "mixed": [honest] * 14 + DEAD + LYING + [too_late],
    "lying": [honest] * 3 + LYING * 2,
    "slow": [too_late] * 3 + [honest] * 3 + [dripping],
    "dead": DEAD,
    "silent": [silent],
}


class HostilePublisher(Part):
    name = "crl"

    def __init__(self, pki, seed):
        self.chance = random.Random(seed)
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.ca = pki.authority("CA of a hostile publisher")
        self.other = pki.authority("CA of another publisher")
        self.insider = pki.authority("A client of that CA", issuer=self.ca, is_ca=False)
        leaves = [self.ca.leaf(f"listed-{number}") for number in range(CLIENTS)]
        self.members = [Member(leaf, pki.server_ca.path) for leaf in leaves]
        self.cache = os.path.join(pki.folder, "hostile-crl-cache")
        os.mkdir(self.cache)
        self.revoked, self.truths, self.asked = set(), [], 0
        self.mood, self.until_s = "honest", 0.0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler_class(part):  # pylint: disable=no-self-argument
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.asked_s = time.time()
                with part.lock:
                    part.asked += 1
                    habit = part.chance.choice(MOODS[part.mood]) if part.mood else honest
                with contextlib.suppress(OSError):
                    habit(part, self)

            def start(self, status, fields):
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.end_headers()

            def say(self, body, status=200, **fields):
                self.start(status, {"Content-Length": str(len(body)), **fields})
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_):
                pass

        return Handler

    def profile(self):
        url = f"http://127.0.0.1:{self._server.server_port}/ca.crl"
        entry = {"url": url, "every": "1s", "max_size": f"{SIZE_MAX // 1024}KiB"}
        return {"ca": [self.ca.path], "crl": [entry], "crl_cache": self.cache}

    # -- what it says -------------------------------------------------------------------------

    def make(self, number, revoked, age_s=0, life_s=LIFE_S, signer=None, name=None):
        begins = datetime.datetime.fromtimestamp(int(time.time()) - age_s, datetime.timezone.utc).replace(tzinfo=None)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(name or self.ca.name)
            .last_update(begins)
            .next_update(begins + datetime.timedelta(seconds=life_s))
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begins).build()
            )
        signed = builder.sign((signer or self.ca).key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.DER)

    def sign(self):
        """The truth of this moment."""
        with self.lock:
            revoked = frozenset(self.revoked)
            number = len(self.truths) + 1
            truth = Truth(number, revoked, self.make(number, sorted(revoked)))
            self.truths.append(truth)
            return truth

    def tell(self, handler):
        truth = self.sign()
        truth.out_s = time.time()
        handler.say(truth.der, ETag=f'"{truth.number}"')
        out_s = time.time()
        if out_s - handler.asked_s <= AT_ONCE_S:
            truth.known_s = out_s

    # -- what it does -------------------------------------------------------------------------

    def step(self):
        with self.lock:
            if self.mood is None:
                return
            for member in self.chance.sample(self.members, 2):
                self.revoked ^= {member.certificate.serial_number}
            if time.monotonic() >= self.until_s:
                self.mood = self.chance.choice(sorted(MOODS) + ["honest", "mixed"])
                self.until_s = time.monotonic() + self.chance.uniform(2, 8)

    def be_honest(self):
        with self.lock:
            self.revoked.clear()
            self.mood = None

    # -- what was right -----------------------------------------------------------------------

    def _told(self):
        with self.lock:
            return [truth for truth in self.truths if truth.out_s is not None]

    def problem_of(self, serial, at_s):
        told = [each for each in self._told() if each.out_s <= at_s + 0.1]
        least = max((each.number for each in told if each.known_s and each.known_s + GRACE_S <= at_s), default=0)
        # A list's last second is its own; the record's time is of another moment than the judgement's.
        possible = [each for each in told if each.number >= least and at_s <= each.ends_s + 1.5]
        if not possible:
            return f"no list that may be in force is of that time; {least} must be"
        if all(int(serial, 16) in each.revoked for each in possible):
            return f"every list from {possible[0].number} to {possible[-1].number} revokes it"
        return None

    def lingered(self, serial, begun_s, ended_s):
        told = self._told()
        number = int(serial, 16)
        for each in told:
            if number not in each.revoked or not each.known_s or not begun_s < each.known_s:
                continue
            until_s = each.known_s + TUNNEL_GRACE_S
            is_taken_back = any(
                other.number > each.number and number not in other.revoked and other.out_s <= until_s
                for other in told
            )
            if until_s < ended_s and not is_taken_back:
                return f"list {each.number} revoked it at {each.known_s}"
        return None

    def report(self):
        told = sum(1 for each in self._told() if each.known_s)
        return f"crl ({self.mood}): asked {self.asked}, told the truth {told}, {len(self.revoked)} revoked"

    def stop(self):
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
