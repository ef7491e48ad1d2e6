"""What a configuration's rules mean, written a second time from docs/CONFIG.md and not from the code.

Slow and plain on purpose. `decide` says what the proxy has to say about one request. It knows the special
ranges that the tests use, and no others.
"""

import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

METADATA = ["169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128"]
CLOSED = ["0.0.0.0/32", "224.0.0.0/4", "255.255.255.255/32", "ff00::/8", "::/128"]
SPECIAL = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("240.0.0.0/4", "::1/128", "fc00::/7", "fe80::/10", "2001:db8::/32", "64:ff9b::/96"),
    *("2002::/16", "2001::/32"),
]


def networks(texts):
    return [ipaddress.ip_network(text) for text in texts]


METADATA, CLOSED, SPECIAL = networks(METADATA), networks(CLOSED), networks(SPECIAL)


def inside(address, ranges):
    return [net for net in ranges if net.version == address.version and address in net]


def forms(address):
    """The address, and the IPv4 addresses that it carries."""
    found = [address]
    if address.version == 6:
        packed = address.packed
        if packed[:12] == ipaddress.ip_address("64:ff9b::").packed[:12]:
            found.append(ipaddress.ip_address(packed[12:]))
        if packed[:2] == b"\x20\x02":
            found.append(ipaddress.ip_address(packed[2:6]))
    return found


def is_ordinary(address):
    return not any(inside(form, METADATA + CLOSED + SPECIAL) for form in forms(address))


def opens_address(entry, address):
    """Whether `addresses: [entry]` of an allow opens this one form of an address."""
    special = inside(address, SPECIAL)
    if entry == "public":
        return not special
    prefix = ipaddress.ip_network(entry)
    if prefix.version != address.version or address not in prefix:
        return False
    narrowest = max(special, key=lambda net: net.prefixlen, default=None)
    return narrowest is None or prefix.subnet_of(narrowest)


def contains(entry, address):
    """Whether a deny's or a source's entry holds this form."""
    if entry == "public":
        return not inside(address, SPECIAL + CLOSED + METADATA)
    prefix = ipaddress.ip_network(entry)
    return prefix.version == address.version and address in prefix


def port_fits(rule, port, otherwise):
    if "ports" not in rule:
        return otherwise
    for entry in rule["ports"]:
        first, _, last = str(entry).partition("-")
        if entry == "any" or int(first) <= port <= int(last or first):
            return True
    return False


def host_fits(pattern, host):
    if pattern == "*":
        return True
    wanted, labels = pattern.split("."), host.split(".")
    if wanted[0] == "*":  # one or more labels
        wanted = wanted[1:]
        if len(labels) <= len(wanted):
            return False
        labels = labels[-len(wanted):]
    return len(labels) == len(wanted) and all(a in ("*", b) for a, b in zip(wanted, labels))


@dataclass
class Verdict:
    action: str
    reason: str
    rule: str = None
    would_deny: bool = False
    via: tuple = ("direct",)  # the way of what is allowed
    asked: str = None  # the rule that has the authorizer asked about it
    dialled: tuple = ()  # the addresses of the question


def entry_fits(entry, identity):
    tests = {
        "any": lambda value: True,
        "uri": lambda value: any(
            uri == value or (value.endswith("/*") and uri.startswith(value[:-1]) and len(uri) >= len(value))
            for uri in identity["uri"]
        ),
        "dns": lambda value: any(
            name == value or (value.startswith("*.") and name.endswith(value[1:]))
            for name in identity["dns"]
        ),
        "cn": lambda value: identity["cn"] == value,
    }
    return all(tests[key](value) for key, value in entry.items())


def allow_fits(rule, host, port):
    if not port_fits(rule, port, port == 443):
        return False
    if host is None:
        return "hosts" not in rule
    return any(host_fits(pattern, host) for pattern in rule.get("hosts", []))


def deny_fits(rule, host, port):
    if not port_fits(rule, port, True):
        return False
    if "hosts" not in rule:
        return True
    return host is not None and any(host_fits(pattern, host) for pattern in rule["hosts"])


def admits(rule, address):
    if "addresses" not in rule:
        return is_ordinary(address)
    return all(any(opens_address(entry, form) for entry in rule["addresses"]) for form in forms(address))


def hits(rule, address):
    return "addresses" not in rule or any(
        contains(entry, form) for entry in rule["addresses"] for form in forms(address)
    )


DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def moment(text):
    """A date at midnight UTC: the tests write no others."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def is_inside(hours, now):
    local = now.astimezone(ZoneInfo(hours.get("zone", "UTC"))).replace(tzinfo=None)
    for back in (0, 1):  # a window that began today, or yesterday and goes past midnight
        day = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=back)
        first, last = (int(hours.get(key, other)[:2]) for key, other in (("from", "00:00"), ("to", "24:00")))
        begin, end = day + timedelta(hours=first), day + timedelta(hours=last, days=first > last)
        if DAYS[day.weekday()] in hours.get("days", DAYS) and begin <= local < end:
            return True
    return False


KNOWN = {}  # (function, owner's identity, hour) -> owner, answer


def hourly(function):
    """What is asked again for the same owner in the same hour has the same answer: all windows of the tests are of whole hours."""

    def ask(owner, now):
        now = now.replace(minute=0, second=0, microsecond=0)
        key = (function, id(owner), now)
        if key not in KNOWN or KNOWN[key][0] is not owner:
            KNOWN[key] = owner, function(owner, now)
        return KNOWN[key][1]

    return ask


@hourly
def closed(owner, now):
    """Why a client or rule does not count now; None where it does."""
    valid = owner.get("valid", {})
    if "until" in valid and now >= moment(valid["until"]):
        return "not_valid_now"
    if "from" in valid and now < moment(valid["from"]):
        return "not_valid_now"
    return None if "hours" not in owner or is_inside(owner["hours"], now) else "outside_hours"


@hourly
def opens(owner, now):
    """When one that is closed counts again."""
    start = now
    if "from" in owner.get("valid", {}):
        start = max(start, moment(owner["valid"]["from"]))
    later = (start + timedelta(hours=hour) for hour in range(24 * 8 + 2))
    return next((at.timestamp() for at in later if at > now and not closed(owner, at)), math.inf)


def first_to_open(allows, now):
    """Of allows outside their time the one that opens first: its place, reason and label."""
    late = [(opens(rule, now), i) for i, (_, rule) in enumerate(allows) if closed(rule, now)]
    if not late:
        return None
    label, rule = allows[min(late)[1]]
    return closed(rule, now), label


def named(rules, prefix):
    return [(rule.get("name", f"{prefix}[{index}]"), rule) for index, rule in enumerate(rules)]


def find_client(config, identity):
    return next((c for c in config["clients"] if any(entry_fits(e, identity) for e in c["match"])), None)


def may_ask(client, source, now):
    """Why a client may not ask here and now; None where it may."""
    source = ipaddress.ip_address(source)
    if "sources" in client and not any(contains(entry, source) for entry in client["sources"]):
        return "source_not_allowed"
    return closed(client, now)


def speak(config, speaker, guest, source, now):
    """Why one may not pass on the certificate of another; None where it may. `guest` None: nobody knows whose it was."""
    edge = find_client(config, speaker)
    if edge is None or "speaks_for" not in edge:
        return Verdict("error", "bad_request")
    if may_ask(edge, source, now):
        return Verdict("deny", may_ask(edge, source, now))
    client = guest and find_client(config, guest)
    return Verdict("deny", "not_spoken_for") if client and "speaks_for" in client else None


def decide(config, identity, source, host, port, addresses, now, speaker=None):
    """`host` is None for a written address, which is then the one in `addresses`. `now` is a datetime. `speaker` passes the
    certificate of `identity` on; None: it is connected itself."""
    refused = speaker and speak(config, speaker, identity, source, now)
    if refused:
        return refused
    client = find_client(config, identity)
    if client is None:
        return Verdict("deny", "no_client")
    if may_ask(client, source, now):
        return Verdict("deny", may_ask(client, source, now))
    name = client["name"]
    denials = named(config.get("deny", []), "deny") + named(client.get("deny", []), f"{name}.deny")
    allows = named(client.get("allow", []), f"{name}.allow")
    denials = [(label, rule) for label, rule in denials if deny_fits(rule, host, port)]
    allows = [(label, rule) for label, rule in allows if allow_fits(rule, host, port)]
    late = allows
    allows = [(label, rule) for label, rule in allows if not closed(rule, now)]
    lifted = client.get("mode", "enforce") != "enforce"
    if host is not None:
        by_name = [label for label, rule in denials if "addresses" not in rule]
        if by_name:
            return Verdict("deny", "denied_by_rule", by_name[0])
        if not allows and not lifted:
            return Verdict("deny", *(first_to_open(late, now) or ("no_rule",)))
        if not addresses:
            return Verdict("error", "dns_failed")
    addresses = [ipaddress.ip_address(a) for a in addresses]
    return judge(client, addresses, denials, allows, lifted, late, now)


def way(client, rule=None):
    return tuple((rule or {}).get("via", client.get("via", ["direct"])))


def allow(client, addresses, open_to):
    """The first address that a rule admits gives rule and way; those of that way go on, and of the rules that ask one asks."""
    label, first = open_to[min(open_to)]
    taken = [(i, *open_to[i]) for i in sorted(open_to) if way(client, open_to[i][1]) == way(client, first)]
    asked = next((label for _, label, rule in taken if rule.get("ask")), None)
    dialled = [addresses[i] for i, label, rule in taken if label == asked or not rule.get("ask")]
    return Verdict("allow", "rule", label, False, way(client, first), asked, tuple(map(str, dialled)))


def answered(verdict, answer):
    """What becomes of it with this answer of the authorizer."""
    if verdict.asked is None or answer == "yes":
        return verdict
    if answer == "no":
        return Verdict("deny", "not_authorized", verdict.asked)
    return Verdict("error", "authorizer_failed", verdict.asked)


def judge(client, addresses, denials, allows, lifted, late, now):
    refused = []  # (what comes first, which address, reason, rule)
    open_to = {}  # index -> label and rule
    left = []
    for index, address in enumerate(addresses):
        denial = next((i for i, (_, rule) in enumerate(denials) if hits(rule, address)), None)
        rule = next((each for each in allows if admits(each[1], address)), None)
        if any(inside(form, METADATA) for form in forms(address)):
            refused.append((0, index, "metadata", None))
        elif any(inside(form, CLOSED) for form in forms(address)):
            refused.append((1, index, "special_range", None))
        elif denial is not None:
            refused.append((2 + denial, index, "denied_by_rule", denials[denial][0]))
        elif rule is not None:
            open_to[index] = rule
        else:
            left.append(index)
    if open_to:
        return allow(client, addresses, open_to)
    last = 2 + len(denials)
    for index in left:
        address = addresses[index]
        other = first_to_open([(label, rule) for label, rule in late if admits(rule, address)], now)
        if other and not (lifted and is_ordinary(address)):
            refused.append((last, index, *other))
        elif not is_ordinary(address) and (lifted or allows):
            refused.append((last + 1, index, "special_range", None))
        elif lifted:
            return Verdict("allow", "no_rule", None, client["mode"] == "report", way(client))
        else:
            refused.append((last + 2, index, "no_rule", None))
    _, _, reason, rule = min(refused)
    return Verdict("deny", reason, rule)
