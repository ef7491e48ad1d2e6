"""An OCSP responder that is slow, silent, resets, lies, is huge, garbled, old, or signs as somebody else: a part of
hostile_revocation.py.

Owns: its moods, who is revoked, and what it has truthfully signed and when that went out. An answer counts as known to the
proxy only if it went out at once: the proxy waits for no other.
"""

import calendar
import random
import socket
import struct
import threading
import time
from collections import deque

from cryptography.x509 import ocsp
from hostile_part import Member, Part
from support.responder import GOOD, REVOKED, TRY_LATER, Responder, unsuccessful

CLIENTS = 120
LIFE_S = 8  # of an answer
TIMEOUT_S = 3  # of the proxy
AT_ONCE_S = 0.8  # after the question
GRACE_S = 2.0  # until a revocation that went out is in force
TUNNEL_GRACE_S = 5.0  # until it has ended the live tunnels
KEPT = 64  # truths about one certificate


class Truth:
    """An answer that the issuer has signed."""

    def __init__(self, status, begins_s, der):
        self.status, self.begins_s, self.der = status, begins_s, der
        self.ends_s = begins_s + LIFE_S
        self.out_s = None  # when it began to go out
        self.known_s = None  # when it was out, if that was at once


def silent(part, question, handler):
    handler.rfile.read(1)  # until the proxy has had enough
    handler.close_connection = True


def resetting(part, question, handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def too_late(part, question, handler):
    part.is_over.wait(part.chance.uniform(0.5, TIMEOUT_S * 1.5))
    part.tell(question, handler)


def garbled(part, question, handler):
    truth = part.sign(question)
    truth.out_s = time.time()  # what is damaged may be what nobody has signed
    answer = bytearray(truth.der)
    for _ in range(part.chance.randrange(1, 4)):
        answer[part.chance.randrange(len(answer))] ^= 1 << part.chance.randrange(8)
    handler.say(bytes(answer))


def cut(part, question, handler):
    handler.say(part.sign(question).der[: part.chance.randrange(200)])


def noise(part, question, handler):
    handler.say(part.chance.randbytes(part.chance.choice([1, 100, 65536])))


def huge(part, question, handler):
    handler.say(b"\x30\x84\x00\x0f\xff\xff" + bytes(1_000_000))


def for_ever(part, question, handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while not part.is_over.wait(0.05):
        handler.wfile.write(b"1\r\n0\r\n")


def of_another(part, question, handler):
    handler.say(part.server.answer(question, signer=part.stranger))


def of_a_client(part, question, handler):
    handler.say(part.server.answer(question, signer=part.insider))


def about_another(part, question, handler):
    other = part.chance.choice(part.members).certificate.serial_number
    if other != question.serial_number:
        handler.say(part.server.answer(question, serial=other))


def old(part, question, handler):
    handler.say(part.server.answer(question, age=7200, life=3600))


def of_the_future(part, question, handler):
    handler.say(part.server.answer(question, age=-3600, life=7200))


def replaying(part, question, handler):
    """What was true before, and whose end may not have come."""
    with part.lock:
        told = [truth for truth in part.truths[question.serial_number] if truth.out_s is not None]
    if told:
        handler.say(part.chance.choice(told).der)
    else:
        part.tell(question, handler)


def try_later(part, question, handler):
    handler.say(unsuccessful(TRY_LATER))


def status_500(part, question, handler):
    handler.say(b"", status=500)


def honest(part, question, handler):
    part.tell(question, handler)


DEAD = [silent, resetting, garbled, cut, noise, huge, try_later, status_500]
LYING = [of_another, of_a_client, about_another, old, of_the_future, replaying]
MOODS = {
    "honest": [honest] * 12 + [replaying],
    "mixed": [honest] * 14 + DEAD + LYING + [too_late, for_ever],
    "lying": [honest] * 3 + LYING * 2,
    "slow": [too_late] * 3 + [honest] * 3 + [for_ever],
    "dead": DEAD + [for_ever],
    "silent": [silent],
}


class HostileResponder(Part):
    name = "ocsp"

    def __init__(self, pki, seed):
        self.chance = random.Random(seed)
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.ca = pki.authority("CA of a hostile responder")
        other = pki.authority("CA of a stranger")
        self.stranger = (other.certificate, other.key)
        insider = pki.authority("A client of the CA", issuer=self.ca, is_ca=False)
        self.insider = (insider.certificate, insider.key)
        leaves = [self.ca.leaf(f"asked-about-{number}") for number in range(CLIENTS)]
        self.members = [Member(leaf, pki.server_ca.path) for leaf in leaves]
        self.truths = {leaf.certificate.serial_number: deque(maxlen=KEPT) for leaf in leaves}
        self.server = Responder(self.ca)
        self.server.life = LIFE_S
        self.server.knows(*leaves)
        self.server.certificates = [insider.certificate]
        self.server.habit = self._answer
        self.mood, self.until_s = "honest", 0.0
        self.told = self.asked = 0

    def profile(self):
        asks = {"mode": "require", "responder": self.server.url, "timeout": f"{TIMEOUT_S}s"}
        return {"ca": [self.ca.path], "ocsp": asks}

    # -- what it says -------------------------------------------------------------------------

    def _answer(self, _server, question, handler):
        handler.asked_s = time.time()
        with self.lock:
            self.asked += 1
            habit = self.chance.choice(MOODS[self.mood])
        habit(self, question, handler)

    def sign(self, question):
        """The truth of this moment. Which of two of one second is the newer nobody could say."""
        with self.lock:
            serial = question.serial_number
            status = self.server.statuses.get(serial, GOOD)
            der = self.server.answer(question)
            begins = ocsp.load_der_ocsp_response(der).this_update  # UTC, without saying so
            truth = Truth(status, calendar.timegm(begins.timetuple()), der)
            self.truths[serial].append(truth)
            return truth

    def tell(self, question, handler):
        truth = self.sign(question)
        truth.out_s = time.time()
        handler.say(truth.der)
        handler.wfile.flush()
        out_s = time.time()
        self.told += 1
        if out_s - handler.asked_s <= AT_ONCE_S:
            truth.known_s = out_s

    # -- what it does -------------------------------------------------------------------------

    def step(self):
        with self.lock:
            for member in self.chance.sample(self.members, 2):
                serial = member.certificate.serial_number
                was_revoked = self.server.statuses.pop(serial, None) is not None
                if not was_revoked:
                    self.server.statuses[serial] = REVOKED
            if time.monotonic() >= self.until_s:
                self.mood = self.chance.choice(sorted(MOODS) + ["honest", "mixed"])
                self.until_s = time.monotonic() + self.chance.uniform(2, 8)

    def be_honest(self):
        with self.lock:
            self.server.statuses.clear()
        self.server.habit = lambda _server, question, handler: self._tell_honestly(question, handler)

    def _tell_honestly(self, question, handler):
        handler.asked_s = time.time()
        self.tell(question, handler)

    # -- what was right -----------------------------------------------------------------------

    def _told(self, serial, at_s):
        """(the newest that good clients could know, the newest revocation that the proxy must know)."""
        with self.lock:
            truths = list(self.truths[int(serial, 16)])
        goods = [each for each in truths if each.status == GOOD and each.out_s and each.out_s <= at_s + 0.1]
        # A whole second is allowed to be its last; the record's time is of another moment than the judgement's.
        goods = [each for each in goods if at_s <= each.ends_s + 1.5]
        known = [each for each in truths if each.status == REVOKED and each.known_s]
        known = [each for each in known if each.known_s + GRACE_S <= at_s]
        return max((g.begins_s for g in goods), default=None), max((r.begins_s for r in known), default=None)

    def problem_of(self, serial, at_s):
        good_s, revoked_s = self._told(serial, at_s)
        if good_s is None:
            return "nobody has said that it is good"
        if revoked_s is not None and revoked_s >= good_s:
            return f"it was said to be revoked at {revoked_s}, and to be good before, at {good_s}"
        return None

    def lingered(self, serial, begun_s, ended_s):
        with self.lock:
            truths = list(self.truths[int(serial, 16)])
        for each in truths:
            if each.status != REVOKED or not each.known_s or not begun_s < each.known_s < ended_s:
                continue
            is_over = each.known_s + TUNNEL_GRACE_S < ended_s
            is_taken_back = any(t.status == GOOD and t.out_s and t.begins_s >= each.begins_s for t in truths)
            if is_over and not is_taken_back:
                return f"it was said to be revoked at {each.known_s}"
        return None

    def report(self):
        revoked = len(self.server.statuses)
        return f"ocsp ({self.mood}): asked {self.asked}, told the truth {self.told}, {revoked} revoked"

    def stop(self):
        self.is_over.set()
        self.server.stop()
