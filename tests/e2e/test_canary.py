"""Canaries on every special range that this kernel lets us have: no form of any forbidden target reaches one, over
literals and over DNS answers, with the widest rules that open nothing; and each one sings when a rule opens it."""

import ipaddress
import itertools
import socket
import subprocess
import threading

import pytest

from support import dns as servers
from support.config import client
from support.scale import PATIENCE, count, eventually

pytestmark = pytest.mark.protocols("h1", "h2")

PORT = 8123
ORDINARY = ("93.184.216.34", "2a00:1450::34")  # on the machine too, and allowed

CLOSED_FOR_GOOD = """0.0.0.0 255.255.255.255 224.0.0.1 239.255.255.250 169.254.169.254 169.254.170.2 169.254.170.23
    169.254.42.42 168.63.129.16 100.100.100.200 192.0.0.192 :: ff02::1 ff05::2 fd00:ec2::254 fd00:ec2::23
    fd20:ce::254""".split()
SPECIAL4 = """127.0.0.1 127.1.2.3 127.255.255.254 10.0.0.1 10.255.255.254 172.16.0.1 172.31.255.254 192.168.0.1
    192.168.255.254 169.254.1.1 100.64.0.1 100.127.255.254 192.0.0.8 192.0.2.1 198.18.0.1 198.19.255.254
    198.51.100.1 203.0.113.1 240.0.0.1 0.1.2.3""".split()
SPECIAL6 = """::1 fe80::1 fec0::1 fc00::1 fdff:ffff::1 2001:db8::1 100::1 2001:2::1 2001:10::1 3fff::1
    5f00::1 64:ff9b:1::1""".split()


# The first needs a zone, which no target can have; the second hides IPv4 addresses, which are to be opened too.
NOT_BY_ITSELF = ("fe80::1", "64:ff9b:1::1")


def quad_forms(text):
    """An IPv4 address as people, browsers and attackers write it."""
    a, b, c, d = (int(part) for part in text.split("."))
    number = int(ipaddress.ip_address(text))
    yield text
    yield text + "."
    yield f"[{text}]"
    yield str(number)
    yield hex(number)
    yield hex(number).upper()
    yield f"0{number:o}"
    yield f"{number + 2**32}"
    yield f"{a}.{number & 0xFFFFFF}"
    yield f"{a}.{b}.{number & 0xFFFF}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a:03}.{b:03}.{c:03}.{d:03}"
    yield f"{a}.{b}.{c}.{d:#x}"
    yield f"{a + 256}.{b}.{c}.{d}"
    yield f"{a}.{b}.{c}.{d}.0"
    yield f"{a}.{b}.{c}.%3{d % 10}"
    yield "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in text)
    yield text.replace(".", "\u3002")
    yield f"user@{text}"
    yield f" {text}"
    yield f"{text}\x00.example"


def hidden_in(text):
    """The IPv6 addresses that hide an IPv4 address."""
    number = int(ipaddress.ip_address(text))
    low = f"{number >> 16:x}:{number & 0xFFFF:x}"
    flipped = f"{(number ^ 0xFFFFFFFF) >> 16:x}:{(number ^ 0xFFFFFFFF) & 0xFFFF:x}"
    return [
        f"::ffff:{text}",
        f"::ffff:{low}",
        f"::{low}" if number >= 2**16 else f"::{text}",
        f"::ffff:0:{low}",
        f"64:ff9b::{low}",
        f"64:ff9b:1::{low}",
        f"64:ff9b:1:{low}::",
        f"2002:{low}::1",
        f"2001:0:4136:e378:8000:63bf:{flipped}",
        f"2a00:1450::5efe:{low}",
        f"2a00:1450::200:5efe:{low}",
    ]


def bracket_forms(text):
    """An IPv6 address in brackets, short, long, with zones, and without brackets."""
    address = ipaddress.ip_address(text)
    yield f"[{text}]"
    yield f"[{address.exploded}]"
    yield f"[{address.exploded.upper()}]"
    yield f"[{text}%lo]"
    yield f"[{text}%251]"
    yield text
    yield f"[{text}"
    yield f"[[{text}]]"


def literals():
    for text in itertools.chain(SPECIAL4, (a for a in CLOSED_FOR_GOOD if "." in a)):
        yield from quad_forms(text)
        for hidden in hidden_in(text):
            yield f"[{hidden}]"
    for text in itertools.chain(SPECIAL6, (a for a in CLOSED_FOR_GOOD if ":" in a)):
        yield from bracket_forms(text)


class Canaries:
    """Everything that comes to one port, at whatever address of this machine."""

    def __init__(self):
        self.seen = []
        self.listeners = [
            socket.create_server(("0.0.0.0", PORT), backlog=1024),
            socket.create_server(("::", PORT), family=socket.AF_INET6, backlog=1024),
        ]
        for listener in self.listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            self.seen.append(conn.getsockname()[0].removeprefix("::ffff:"))
            conn.close()

    def take(self):
        """Who has sung since the last time. A connection of our own comes last, so that none is missed."""
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, PORT), PATIENCE) as conn:
                conn.recv(1)
        eventually(lambda: {"127.0.0.1", "::1"} <= set(self.seen), "our own connections")
        seen, self.seen = self.seen, []
        seen.remove("127.0.0.1")
        seen.remove("::1")
        return seen

    def stop(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@pytest.fixture(scope="module")
def nest(local_address):
    """The addresses that the machine now has."""
    local_address(ORDINARY[0])
    wanted = [*SPECIAL4, *SPECIAL6, *CLOSED_FOR_GOOD, *ORDINARY]
    lines = [f"address add {a}/{128 if ':' in a else 32} dev lo" for a in wanted]
    lines = [f"{line} nodad" if ":" in line.split("/")[0] else line for line in lines]
    command = ["ip", "-force", "-batch", "-"]
    subprocess.run(command, input="\n".join(lines), text=True, check=False, capture_output=True)
    return [address for address in wanted if is_ours(address)]


def is_ours(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return not ipaddress.ip_address(address).is_unspecified


@pytest.fixture(scope="module")
def canaries(nest):
    canaries = Canaries()
    yield canaries
    canaries.stop()


@pytest.fixture(scope="module")
def proxy(start_shared, nest):
    """Everything is allowed, as far as a config can say so without naming a special range."""
    wide = {"addresses": ["public", "0.0.0.0/0", "::/0", "10.0.0.0/7", "fc00::/6"], "ports": "any"}
    return start_shared(
        client({"hosts": ["*"], "ports": "any"}, wide, {"hosts": ["*"], **wide}, mode="open"),
        resolver={"timeout": "2s", "tries": 2},
    )


class Asker:
    """Asks one target after the other, on one connection for as long as the proxy keeps it."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.requester = None

    def ask(self, target):
        head = f"CONNECT {target} HTTP/1.1\r\n\r\n".encode("utf-8", "surrogateescape")
        self.requester = self.requester or self.proxy.connect()
        self.requester.send(head)
        answer = self.requester.read_answer()
        is_kept = answer.status == 403 and answer.fields.get("connection") != "close"
        if not is_kept:
            self.requester.close()
            self.requester = None
        return answer


def closes(proxy):
    return {record["id"]: record for record in proxy.audit.records("close")}


def assert_nobody_sang(proxy, canaries, answers, reasons):
    """Each answer is a refusal, its record says why, and no canary saw a connection."""
    assert canaries.take() == []
    open_ones = {target: answer for target, answer in answers.items() if answer.status == 200}
    assert not open_ones
    ids = {answer.id: target for target, answer in answers.items()}
    eventually(lambda: ids.keys() <= closes(proxy).keys(), "every close")
    closed = closes(proxy)
    found = {}
    for record in proxy.audit.records("decision"):
        if record["id"] not in ids:
            continue
        decision = record["decision"]
        assert decision["action"] in ("deny", "error"), record
        assert decision["reason"] in reasons, (ids[record["id"]], decision)
        assert closed[record["id"]]["upstream"] is None
        found[record["id"]] = decision["reason"]
    assert set(found) == set(ids)
    return found


def test_no_form_of_a_literal_reaches_a_canary(proxy, canaries):
    asker = Asker(proxy)
    targets = dict.fromkeys(f"{form}:{PORT}" for form in literals())
    assert len(targets) > 600
    targets = list(targets)[:: count(1, 3)]
    answers = {target: asker.ask(target) for target in targets}
    found = assert_nobody_sang(
        proxy, canaries, answers, {"special_range", "metadata", "bad_target", "bad_request"}
    )
    used = set(found.values())
    assert {"special_range", "metadata", "bad_target"} <= used, used
    for text in SPECIAL4:
        answer = answers.get(f"{text}:{PORT}")
        assert answer is None or found[answer.id] == "special_range", text


def answers_of_dns():
    """(name, records) for every forbidden address, plain, hidden, after an alias, and among others."""
    number = itertools.count()
    for text in [*SPECIAL4, *SPECIAL6, *CLOSED_FOR_GOOD]:
        forms = [text, *(hidden_in(text) if "." in text else [])]
        for form in forms:
            name = f"d{next(number)}.canary.test"
            yield name, servers.address_records(name, [form])
        name = f"d{next(number)}.canary.test"
        alias = [(name, servers.CNAME, "harmless.test")]
        yield name, alias + servers.address_records("harmless.test", [text, "10.0.0.1", "::1"])


def test_no_answer_of_dns_leads_to_a_canary(proxy, dns, canaries):
    asker = Asker(proxy)
    cases = dict(answers_of_dns())
    assert len(cases) > 300
    cases = dict(list(cases.items())[:: count(1, 3)])
    for name, records in cases.items():
        dns.reply(name, records=records, soa=60)
    answers = {name: asker.ask(f"{name}:{PORT}") for name in cases}
    found = assert_nobody_sang(proxy, canaries, answers, {"special_range", "metadata"})
    assert set(found.values()) == {"special_range", "metadata"}


def test_a_name_that_rebinds_between_two_look_ups_leads_to_no_canary(proxy, dns, canaries):
    """Public first, and dialled; then, with a TTL of zero, whatever the attacker wants."""
    asker = Asker(proxy)
    first_answers, answers = {}, {}
    for index, text in enumerate([*SPECIAL4, *CLOSED_FOR_GOOD[:4], *SPECIAL6]):
        name = f"{proxy.protocol}-r{index}.canary.test"
        first = ORDINARY[":" in text]
        dns.rebinds(name, first, text, ttl=0)
        answer = asker.ask(f"{name}:{PORT}")
        assert answer.status == 200
        first_answers[answer.id] = [first]
        answers[name] = asker.ask(f"{name}:{PORT}")
    eventually(lambda: len(canaries.seen) >= len(answers), "the ordinary connections")
    assert set(canaries.seen) == set(ORDINARY)
    canaries.seen.clear()
    assert_nobody_sang(proxy, canaries, answers, {"special_range", "metadata"})
    judged = {record["id"]: record["addresses"] for record in proxy.audit.records("decision")}
    assert first_answers.items() <= judged.items()


def test_among_ordinary_addresses_only_these_are_dialled(proxy, dns, canaries):
    for index, text in enumerate([*SPECIAL4, *SPECIAL6, *CLOSED_FOR_GOOD]):
        name = f"m{index}.canary.test"
        dns.addresses(name, text, *ORDINARY)
        assert proxy.ask(f"{name}:{PORT}").status == 200
    assert set(canaries.take()) <= set(ORDINARY)


def test_each_canary_sings_when_a_rule_opens_it(start, nest, canaries):
    """Otherwise the silence above would say nothing."""
    special = [address for address in nest if address in SPECIAL4 + SPECIAL6]
    assert len(special) >= 25, f"this kernel lets us have only {special}"
    closed = [address for address in nest if address in CLOSED_FOR_GOOD]
    assert "169.254.169.254" in closed and "fd00:ec2::254" in closed
    rules = [
        {"addresses": [f"{address}/{128 if ':' in address else 32}"], "ports": [PORT]}
        for address in [*special, *closed]
    ]
    proxy = start(client(*rules))
    for address in special:
        target = f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"
        answer = proxy.ask(target)
        if address in NOT_BY_ITSELF:
            assert answer.status in (403, 502) and canaries.take() == []
            continue
        assert (answer.status, canaries.take()) == (200, [address]), target
    for address in closed:
        target = f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"
        proxy.assert_refused(proxy.ask(target), 403, reason_of(address))
    assert canaries.take() == []


def reason_of(address):
    is_metadata = address not in ("0.0.0.0", "255.255.255.255", "::")
    return "metadata" if is_metadata and not is_multicast(address) else "special_range"


def is_multicast(address):
    return ipaddress.ip_address(address).is_multicast
