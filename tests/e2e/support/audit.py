"""The proxy's audit file as a test reads it, and what must be true of any such file."""

import json
import os
import re
import threading
from collections import Counter

from support.scale import PATIENCE, eventually

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ID = r"[0-9a-f]{16}"

HANDSHAKE_REASONS = set(
    "no_certificate expired not_yet_valid unknown_ca missing_intermediate bad_purpose "
    "bad_signature bad_certificate weak_key "
    "too_long_lived chain_too_long name_constraint wrong_trust_domain work_limit "
    "denied_certificate revoked crl_missing crl_expired ocsp_unknown ocsp_unavailable blocked "
    "client_aborted timeout plain_http protocol proxy_header_bad proxy_header_timeout limit_proxy_headers no_memory "
    "limit_sessions limit_memory limit_half_open limit_failed_handshakes".split()
)
DECISION_REASONS = set(
    "rule no_client bad_account not_spoken_for source_not_allowed not_valid_now outside_hours no_rule denied_by_rule special_range metadata own_listener "
    "bad_request bad_target dns_failed egress_unavailable not_authorized authorizer_failed store_lost audit_full draining no_memory timeout "
    "policy_changed whoami not_found loop "
    "limit_accounts limit_tunnels limit_new_tunnels limit_requests limit_proxy_tunnels limit_streams limit_questions limit_memory "
    "inner_plain inner_mismatch inner_not_tls inner_no_name inner_too_large inner_timeout".split()
) | (  # a certificate that was good at the handshake and is not any more
    HANDSHAKE_REASONS
    - set(
        "client_aborted plain_http protocol proxy_header_bad proxy_header_timeout limit_proxy_headers".split()
    )
)
CLOSE_REASONS = set(
    "client_closed upstream_closed client_reset upstream_reset client_truncated upstream_truncated idle age killed "
    "blocked drained refused connect_failed timeout policy_changed expired revoked "
    "completed bad_response bad_request no_memory inner_plain inner_mismatch inner_not_tls inner_no_name "
    "inner_ech inner_too_large inner_timeout h2_flood limit_streams not_valid_now outside_hours "
    "not_authorized authorizer_failed "
    "parent_unreachable parent_untrusted parent_refused parent_bad_answer identity_untold".split()
)
# Of a request that was over before anything could be decided about it.
UNDECIDED_REASONS = set(
    "client_closed client_reset client_truncated killed drained no_memory h2_flood".split()
)


def look_up(record, path):
    """record["a"]["b"] for "a.b"; None where something on the way is missing."""
    for key in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


class AuditLog:
    """Reads what is new in the file each time; a line counts once it has ended.

    Another file in its place, or one that was cut, is read from its beginning.
    """

    def __init__(self, path):
        self.path = path
        self._lock = threading.Lock()
        self._forget()

    def _forget(self):
        self._lines = []
        self._parsed = []  # for each line its record, once somebody has asked for it
        self._inode, self._end, self._last = None, 0, b""

    def _read(self):
        try:
            with open(self.path, "rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                file.seek(max(self._end - len(self._last), 0))
                text = file.read()
                if inode != self._inode or not text.startswith(self._last):
                    self._forget()
                    file.seek(0)
                    text = file.read()
                self._inode = inode
        except FileNotFoundError:
            self._forget()
            return
        *lines, _ = text[len(self._last) :].split(b"\n")
        if lines:
            self._lines += lines
            self._parsed += [None] * len(lines)
            self._end += sum(map(len, lines)) + len(lines)
            self._last = lines[-1] + b"\n"

    def lines(self):
        with self._lock:
            self._read()
            return list(self._lines)

    def _record(self, index):
        if self._parsed[index] is None:
            self._parsed[index] = json.loads(self._lines[index])
        return self._parsed[index]

    def records(self, event=None, after=0, **wanted):
        """All records of `event` after so many lines in which each path (`__` for a dot) has the wanted value."""
        paths = {path.replace("__", "."): value for path, value in wanted.items()}
        part = wanted.get("id", "").encode()  # most lines need no reading
        with self._lock:
            self._read()
            return [
                record
                for record in (self._record(i) for i, line in enumerate(self._lines) if i >= after and part in line)
                if (event is None or record["event"] == event)
                and all(look_up(record, path) == value for path, value in paths.items())
            ]

    def wait(self, event, patience=PATIENCE, **wanted):
        """The first such record, as soon as there is one."""
        found = eventually(
            lambda: self.records(event, **wanted),
            lambda: f"a {event} record with {wanted} among {self.tail()}",
            patience,
        )
        return found[0]

    def wait_count(self, count, event, **wanted):
        """Waits for exactly `count` such records."""
        eventually(
            lambda: len(self.records(event, **wanted)) >= count,
            lambda: f"{count} {event} records; {len(self.records(event, **wanted))} are there",
        )
        found = self.records(event, **wanted)
        assert len(found) == count, f"{len(found)} {event} records with {wanted}, not {count}"
        return found

    def tail(self):
        return "\n".join(line.decode("utf-8", "replace") for line in self.lines()[-8:])


def check_records(records, is_complete=True):
    """What holds for the audit of a proxy that has ended: every decision has its one close."""
    for record in records:
        check_record(record)
    if is_complete:
        check_numbers(records)
    given = ("decision", "handshake_refused")
    ids = Counter(record["id"] for record in records if record["event"] in given)
    assert not [id for id, count in ids.items() if count > 1], "an id was given twice"
    decided = Counter(record["id"] for record in records if record["event"] == "decision")
    closed = Counter(record["id"] for record in records if record["event"] == "close")
    if is_complete:
        assert decided == closed, f"without close or twice: {decided - closed}, {closed - decided}"
    seen = set()
    for record in records:
        if record["event"] == "decision":
            seen.add(record["id"])
        elif record["event"] == "close" and is_complete:
            assert record["id"] in seen, f"closed before it was decided: {record}"


def check_numbers(records):
    """The records of each instance of the writer stand in order, and none is missing between them."""
    last = {}
    for record in records:
        instance, seq = record["instance"], record["seq"]
        assert re.fullmatch(r"[0-9a-f]{8}", instance), record
        assert last.get(instance, seq - 1) == seq - 1, f"after number {last[instance]}: {record}"
        assert (seq == 0) == ("after" in record), record
        last[instance] = seq


def check_inside(records):
    """What holds under config.STRICT where no client cheats: each tunnel carried the name that was asked for.

    A client may also go away before it has said anything.
    """
    for record in records:
        inner = record.get("inner")
        assert not record["reason"].startswith("inner_"), record
        assert inner is None or inner["matches"] or inner["tls"] == "none", record


def check_record(record):
    assert record["v"] == 1, record
    assert re.fullmatch(TIME, record["ts"]), record
    check = CHECKS[record["event"]]
    check(record)


def check_client_address(record):
    client = record["client"]
    assert client["address"] and 0 < client["port"] < 65536, record


def check_handshake_refused(record):
    assert re.fullmatch(ID, record["id"]), record
    assert record["listener"], record
    check_client_address(record)
    assert set(record["client"]) - {"via", "announced"} == {"address", "port"}, "unverified claims stand under `presented`"
    assert record["reason"] in HANDSHAKE_REASONS, record
    assert record["count"] >= 1, record
    assert "tls" in record, record


def check_decision(record):
    assert re.fullmatch(ID, record["id"]), record
    assert record["listener"], record
    check_client_address(record)
    for key in "name trust subject cn san_uri serial issuer sha256 not_after".split():
        assert key in record["client"], f"client.{key} is missing: {record}"
    assert record["tls"]["version"] in ("1.2", "1.3"), record
    assert record["tls"]["cipher"] and record["tls"]["resumed"] in (True, False), record
    assert set(record["request"]) - {"asked", "stream"} == {"protocol", "method", "host", "port"}, record
    assert re.fullmatch(ID, record["session"]), record
    decision = record["decision"]
    assert decision["action"] in ("allow", "deny", "error"), record
    is_error = decision["action"] == "error"
    allowed = DECISION_REASONS | UNDECIDED_REASONS if is_error else DECISION_REASONS
    assert decision["reason"] in allowed, record
    assert isinstance(decision["would_deny"], bool), record
    assert "rule" in decision and "mode" in decision, record
    assert re.fullmatch(r"[0-9a-f]+", record["config"]), record


def check_close(record):
    assert re.fullmatch(ID, record["id"]), record
    assert record["status"] is None or 100 < record["status"] < 600, record
    assert record["bytes"]["up"] >= 0 and record["bytes"]["down"] >= 0, record
    assert {"resolve", "connect", "total"} <= set(record["ms"]), record
    # After the 200 of a tunnel that is routed by name a refusal is an end, with its own word.
    is_routed = record["status"] == 200 and "inner" in record and record["bytes"]["up"] == 0
    # After an allow a request is judged again where its way has failed and the configuration is another one by then.
    allowed = CLOSE_REASONS | DECISION_REASONS if is_routed or record["status"] == 403 else CLOSE_REASONS
    assert record["reason"] in allowed, record
    upstream = record["upstream"]
    assert upstream is None or {"address", "port", "attempts"} == set(upstream), record


def check_requests_refused(record):
    assert "id" not in record, record
    assert "client" in record and "source" in record, record
    assert record["reason"] in DECISION_REASONS | UNDECIDED_REASONS, record
    assert record["count"] >= 1, record


def check_admin(record):
    assert record["result"] in ("ok", "failed", "refused"), record
    if record["by"] is None:  # of many that were given elsewhere
        assert record["count"] >= 1 and record["argument"] is None, record
    else:
        assert set(record["by"]) in ({"uid", "instance"}, {"uid", "pid"}), record
        assert "instance" in record["by"] or "order" not in record, record
    assert record["command"] or record["result"] == "refused", record
    assert "argument" in record and "detail" in record, record


def check_sink_lost(record):
    assert record["sink"] and record["count"] >= 1, record


def check_checkpoint(record):
    assert "id" not in record, record
    origin, size, _ = record["note"].split("\n", 2)
    assert origin.endswith(record["instance"]) and int(size) == record["seq"], record
    assert len(record["tree"]) == bin(record["seq"]).count("1"), record


CHECKS = {
    "checkpoint": check_checkpoint,
    "sink_lost": check_sink_lost,
    "handshake_refused": check_handshake_refused,
    "decision": check_decision,
    "close": check_close,
    "requests_refused": check_requests_refused,
    "records_lost": lambda record: None,
    "admin": check_admin,
}
