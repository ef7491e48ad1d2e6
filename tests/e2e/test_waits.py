"""Each wait of a request, and each thing that can happen meanwhile: what the client gets to see, and
what the records say. One cell is one wait held open, one event, and then what was waited for."""

import contextlib
import os
import signal
import ssl
from dataclasses import dataclass

import pytest

from support.config import client, reach
from support.scale import IS_SMALL
from support.waits import WAITS, Stage, held_client
from support.wire import Ending

UNASKED = ("handshake", "head")  # nothing is asked for yet
ASKED = ("dns", "second_family")  # nothing is decided yet
DIALLED = ("dial",)
FORWARDED = ("response", "body_up", "body_down")
TUNNELS = ("tunnel", "upload", "download")
OPEN = FORWARDED + TUNNELS


@dataclass(frozen=True)
class Outcome:
    """What has to come of one cell."""

    answer: int = None  # the status that comes after the event; None: none
    ending: Ending = None  # how the connection ends; None: it can be used on, to a natural end
    decision: tuple = ("allow", "rule")  # None: there is no decision and no close
    close: str = None
    refused: str = None  # the reason of a refused handshake
    rule: str = "before"  # of an allow; the client has the same name
    is_at_once: bool = False  # it ends without what it waits for
    is_left: bool = False  # the client is not there any more to see anything


def served(rule="before", close="client_closed"):
    """As if nothing had happened."""
    return Outcome(200, close=close, rule=rule)


def refused(reason, status=403, action="deny", ending=None):
    """No, once what was waited for has come."""
    return Outcome(status, ending, (action, reason), "refused")


def shut(reason, **more):
    """As `refused`, and the connection with it."""
    return refused(reason, ending=Ending.CLOSE_NOTIFY, **more)


def taken_back(close, status=403, ending=None, is_at_once=False):
    """No, after an allow that was recorded."""
    return Outcome(status, ending, close=close, is_at_once=is_at_once)


def cut(close, decision=("allow", "rule")):
    """Broken off at once."""
    return Outcome(None, Ending.RESET, decision, close, is_at_once=True)


def left(close, decision=("allow", "rule")):
    """The client has gone."""
    return Outcome(None, None, decision, close, is_at_once=True, is_left=True)


def no_handshake(reason, **more):
    return Outcome(None, Ending.ALERT, None, refused=reason, **more)


def table(*lines):
    """From (waits, outcome) to an outcome for each wait; what is left out is no case."""
    return {wait: outcome for waits, outcome in lines for wait in waits}


def all_served(*lines, **options):
    """Nobody notices, but for what `lines` say. A download is the target's to end."""
    return table(
        (UNASKED + ASKED + DIALLED + TUNNELS, served(**options)),
        (FORWARDED, served(close="completed")),
        (("download",), served(close=options.get("close", "upstream_closed"))),
        *lines,
    )


def right_lost(reason, close, handshake):
    """The right to be served is gone: no before there is anything, and an end for what there is."""
    return table(
        (("handshake",), handshake),
        (("head",) + ASKED, shut(reason)),
        (DIALLED, taken_back(close, ending=Ending.CLOSE_NOTIFY)),
        (OPEN, cut(close)),
    )


def ended(reason, handshake):
    """All that has begun is broken off."""
    return table(
        (("handshake",), handshake),
        (("head",) + ASKED, cut(reason, ("error", reason))),
        (DIALLED + OPEN, cut(reason)),
    )


# A handshake goes on with the trust that it began with; the request is asked for today's.
EXPECTED = {
    "renamed": all_served((UNASKED + ASKED, served(rule="after"))),
    "taken_away": table(
        (UNASKED + ASKED, refused("no_rule")),
        (DIALLED, taken_back("policy_changed", ending=Ending.CLOSE_NOTIFY)),
        (OPEN, cut("policy_changed")),
    ),
    "denied": right_lost("denied_certificate", "revoked", shut("denied_certificate")),
    "ca_gone": right_lost("unknown_ca", "policy_changed", shut("unknown_ca")),
    "listener_gone": right_lost("policy_changed", "policy_changed", shut("policy_changed")),
    "blocked": right_lost("blocked", "blocked", no_handshake("blocked")),
    "killed": ended("killed", served()),
    "client_reset": table(
        (("handshake",), no_handshake("client_aborted", is_at_once=True, is_left=True)),
        (("head",) + ASKED, left("client_reset", ("error", "client_reset"))),
        (DIALLED + OPEN, left("client_reset")),
    ),
    "client_fin": table(
        (("handshake",), no_handshake("client_aborted", is_at_once=True, is_left=True)),
        (("head",), left("client_truncated", ("error", "client_truncated"))),
        (ASKED + DIALLED + TUNNELS, served(close="client_truncated")),
        (("response", "body_down"), served(close="completed")),
        (("body_up",), left("client_truncated")),
    ),
    "client_end": table(  # nobody who cannot write can say that it ends
        (("head",), left("client_closed", ("error", "client_closed"))),
        (ASKED + DIALLED + ("tunnel", "download"), served()),
        (("response", "body_down"), served(close="completed")),
        (("body_up",), left("client_closed")),
    ),
    "target_reset": table(
        (DIALLED, taken_back("connect_failed", 502)),
        (("response",), taken_back("upstream_reset", 502, is_at_once=True)),
        (("body_up",), taken_back("upstream_reset", 502, Ending.CLOSE_NOTIFY, is_at_once=True)),
        (("body_down",) + TUNNELS, cut("upstream_reset")),
    ),
    "disk_full": all_served((UNASKED, refused("audit_full", 503, "error"))),
    "draining": all_served((UNASKED, shut("draining", status=503, action="error"))),
    "drained": ended("drained", Outcome(None, Ending.RESET, None, is_at_once=True)),
    "stopped": ended("killed", Outcome(None, Ending.RESET, None, is_at_once=True)),
}


class Events:
    """What can happen to a wait; the names are those of the table."""

    def __init__(self, stage, wait):
        self.stage = stage
        self.wait = wait

    def renamed(self):
        self.stage.configure(held_client("after", "after", reach("other.test", 1)))

    def taken_away(self):
        self.stage.configure(client(reach("other.test", 1), name="before"))

    def denied(self):
        self._trust(denied=[{"sha256": self.wait.leaf.sha256}])

    def ca_gone(self):
        self._trust(ca=[self.stage.proxy.pki.authority("Waits CA").path])

    def listener_gone(self):
        listener = dict(self.stage.config["listeners"][0], name="other")
        self.stage.configure(listeners=[listener])

    def blocked(self):
        self.stage.control.block("before")

    def killed(self):
        killed = self.stage.control.ask(b"kill client:before\n")[0]
        assert killed == {"killed": 0 if is_handshake(self.wait) else 1}

    def client_reset(self):
        self.wait.client.reset()

    def client_fin(self):
        self.wait.end(is_truncated=True)

    def client_end(self):
        self.wait.end()

    def target_reset(self):
        self.wait.reset_target()

    def disk_full(self):
        self.stage.fill_disk()

    def draining(self):
        self.stage.proxy.send_signal(signal.SIGTERM)
        self.stage.proxy.stderr.wait("draining")
        self.stage.settle()

    def drained(self):
        self.stage.configure(timeouts={"drain": "1ms"})
        self.stage.proxy.send_signal(signal.SIGTERM)

    def stopped(self):
        self.stage.proxy.send_signal(signal.SIGINT)

    def _trust(self, **changes):
        self.stage.configure(trust={"staff": changes})


ENDING = ("draining", "drained", "stopped")  # events by which the proxy ends

NOT_NOTICED = "a client that is not read from and not written to is not watched"
KNOWN = {("download", "target_reset"): NOT_NOTICED}
CELLS = [("h1", wait, event) for event, outcomes in EXPECTED.items() for wait in WAITS if wait in outcomes]
# Where a stream goes another way than a connection. The end of its connection is in test_http2.py.
OVER_HTTP2 = {
    "taken_away": ("dns", "dial", "response", "upload", "download"),
    "blocked": ("dns", "dial", "body_up", "tunnel"),
    "killed": ("dns", "dial", "upload", "download"),
    "client_reset": ("dns", "dial", "response", "upload"),
    "target_reset": ("dial", "response", "body_down", "upload"),
    "draining": ("tunnel", "body_down"),
    "drained": ("dns", "upload", "download"),
}
if IS_SMALL:  # a half of them under each sanitizer
    CELLS = CELLS["TSAN_OPTIONS" in os.environ :: 2]
else:
    CELLS += [("h2", wait, event) for event, waits in OVER_HTTP2.items() for wait in waits]


def marked(protocol, wait, event):
    reason = KNOWN.get((wait, event)) if protocol == "h1" else None
    marks = [pytest.mark.xfail(run=False, reason=reason)] if reason else []  # it would wait in full
    return pytest.param(protocol, wait, event, marks=marks, id=f"{protocol}-{wait}-{event}")


def is_handshake(wait):
    return isinstance(wait, WAITS["handshake"])


def wait_ended(proxy, leaf, outcome):
    """What ends at once needs nothing of what it waits for."""
    if outcome.refused:
        proxy.audit.wait("handshake_refused", reason=outcome.refused)
    elif outcome.close:
        proxy.close_record(proxy.audit.wait("decision", client__sha256=leaf.sha256)["id"])


def see(wait, outcome):
    """What the client sees of it, when what it waits for has come."""
    if outcome.is_left:
        return
    if not outcome.is_at_once:
        try:
            wait.release()
        except ssl.SSLError as problem:
            assert outcome.ending is Ending.ALERT, problem
            return
    if outcome.answer == 200:
        wait.finish()
    elif outcome.answer is not None:
        wait.read_answer()
        assert wait.status == outcome.answer, wait.answer
    if outcome.ending is not None:
        assert wait.read_end() is outcome.ending


def check_records(proxy, leaf, outcome, status):
    if outcome.refused:
        assert proxy.audit.wait("handshake_refused", reason=outcome.refused)["count"] == 1
    if outcome.decision is None:
        assert not proxy.audit.records("decision", client__sha256=leaf.sha256)
        return
    decision = proxy.audit.wait("decision", client__sha256=leaf.sha256)
    is_allowed = outcome.decision == ("allow", "rule")
    said = decision["decision"]
    assert (said["action"], said["reason"]) == outcome.decision
    assert said["rule"] == (outcome.rule if is_allowed else None)
    assert decision["client"]["name"] == outcome.rule or not is_allowed
    close = proxy.assert_closed(decision["id"], outcome.close, status)
    assert (close["upstream"] is not None) == is_allowed, close


@pytest.fixture
def stage(start, dns, tmp_path):
    made = Stage(start, dns, tmp_path)
    yield made
    made.stop()


@pytest.mark.parametrize(
    "protocol, wait, event", [marked(*cell) for cell in CELLS], indirect=["protocol"], scope="module"
)
def test_what_comes_of_a_wait(stage, pki, wait, event):
    proxy, outcome = stage.proxy, EXPECTED[event][wait]
    before = proxy.descriptors()
    leaf = pki.ca.leaf(f"waits-{wait}-{event}")
    held = WAITS[wait](stage, leaf)
    held.begin()
    getattr(Events(stage, held), event)()
    if outcome.is_at_once:
        wait_ended(proxy, leaf, outcome)
    if outcome.is_at_once and event in ENDING:
        proxy.wait_exit()  # reading would go on with a handshake that is still there
    see(held, outcome)
    held.client.close()
    if event == "disk_full":
        stage.disk.empty(proxy)
    expected = int(event == "drained" and not is_handshake(held))
    if event in ENDING:
        assert proxy.wait_exit() == expected
    check_records(proxy, leaf, outcome, held.status)
    if event not in ENDING:
        proxy.wait_descriptors(before)
        stage.wait_closed()
    proxy.stop(expected=expected)


def test_a_response_without_length_that_a_reset_cuts_never_looks_whole(stage, pki):
    """The write that finds the reset is told so; the read after it must not take it for the end."""
    proxy = stage.proxy
    held = WAITS["body_up"](stage, pki.ca.leaf("waits-cut-response"))
    held.begin_large_upload()
    held.conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
    assert held.client.read_exactly(4) == b"HTTP"
    held.reset_target()
    with contextlib.suppress(ConnectionError):
        assert not held.client.read_to_end()[0].endswith(b"0\r\n\r\n"), "the last chunk was sent"
    proxy.audit.wait("close", reason="upstream_reset")
