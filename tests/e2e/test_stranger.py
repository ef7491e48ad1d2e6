"""What a stranger can make the proxy keep: every message of a handshake that may be begun, and never ended."""

import itertools
import ssl

import pytest

from support.config import client, listener_of
from support.rawtls import (
    CERTIFICATE,
    CERTIFICATE_VERIFY,
    CLIENT_HELLO,
    CLIENT_KEY_EXCHANGE,
    FINISHED,
    RawClient,
    RawClient13,
)
from support.scale import IS_SMALL
from support.wire import Client, client_context

DENIED = "nowhere.test:443"
LEAST, MOST = 16 * 1024, 64 * 1024
FRAMING = 84  # lengths round the certificates of the longest chain
PADDING = 16_000  # bytes of a ClientHello
JUNK = bytes(15_000)  # in the place of an intermediate

# Bytes that are kept for one connection: what docs/THREAT-MODEL.md says.
KEPT = 48 * 1024
KEPT_AFTER_LONGEST = 88 * 1024
LONGEST = "CertificateVerify after the longest of all"


class Stranger:
    """Makes connections that have come as far as the message that is to be begun."""

    def __init__(self, proxy, folder):
        self.proxy = proxy
        with open(proxy.pki.worker.chain, encoding="ascii") as file:
            self.chain = [ssl.PEM_cert_to_DER_cert(file.read())]
        self.folder = folder
        self.numbers = itertools.count()

    def tls12(self, **options):
        return RawClient(self.proxy.address, **options)

    def tls13(self):
        keylog = self.folder / f"keys-{next(self.numbers)}"
        context = client_context(self.proxy.pki.server_ca.path, minimum=ssl.TLSVersion.TLSv1_3)
        context.keylog_filename = str(keylog)
        return RawClient13(Client(self.proxy.address, context), keylog)


MOMENTS = {
    "ClientHello": (CLIENT_HELLO, lambda who: who.tls12(is_silent=True)),
    "ClientHello after a retry": (CLIENT_HELLO, lambda who: who.tls12(is_1_3=True).read_retry()),
    "Certificate of 1.2": (CERTIFICATE, lambda who: who.tls12().read_server_hello()),
    "ClientKeyExchange": (
        CLIENT_KEY_EXCHANGE,
        lambda who: who.tls12().read_server_hello().show(*who.chain),
    ),
    "CertificateVerify of 1.2": (
        CERTIFICATE_VERIFY,
        lambda who: who.tls12().read_server_hello().show(*who.chain).exchange_keys(),
    ),
    "Certificate of 1.3": (CERTIFICATE, lambda who: who.tls13()),
    "CertificateVerify of 1.3": (CERTIFICATE_VERIFY, lambda who: who.tls13().show(*who.chain)),
    "Finished without a certificate": (FINISHED, lambda who: who.tls13().show()),
    LONGEST: (
        CERTIFICATE_VERIFY,
        lambda who: who.tls12(padding=PADDING).read_server_hello().show(*who.chain, JUNK).exchange_keys(),
    ),
}
MOMENT = pytest.mark.parametrize("moment", MOMENTS)


@pytest.fixture
def stranger(start, pki, tmp_path):
    """Starts a proxy with this `max_chain` (None: not said), which lets those without certificate in, too."""

    def make(max_chain=None):
        listener = listener_of(pki, client_certificate="optional", refuse_with="http", **({"max_chain": max_chain} if max_chain else {}))
        return Stranger(start(client(), listeners=[listener]), tmp_path)

    return make


@pytest.mark.parametrize("max_chain, size", [(None, LEAST), ("20KiB", 20 * 1024), ("64KiB", MOST)])
@MOMENT
def test_no_message_of_a_handshake_may_be_longer_than_the_chain(stranger, moment, max_chain, size):
    who = stranger(max_chain)
    kind, come_to = MOMENTS[moment]
    for length, reason in {size + FRAMING: "client_aborted", size + FRAMING + 1: "work_limit"}.items():
        seen = len(who.proxy.audit.records("handshake_refused"))
        raw = come_to(who)
        raw.say_length(kind, length)
        if reason == "work_limit":
            raw.wait_end()
        raw.close()
        record = who.proxy.audit.wait_count(seen + 1, "handshake_refused")[-1]
        assert record["reason"] == reason, record
        assert ("max_chain" in record["detail"]) == (reason == "work_limit")
    assert who.proxy.ask(DENIED).status == 403


@pytest.mark.skipif(IS_SMALL, reason="sanitizers keep memory of their own")
@MOMENT
def test_memory_is_bounded_for_a_message_that_never_ends(stranger, moment):
    who = stranger()
    kind, come_to = MOMENTS[moment]
    crowd = [come_to(who).begin(kind, LEAST)]  # with what is there once for all
    who.proxy.wait_read()
    before, count = who.proxy.resident(), 100
    crowd += [come_to(who).begin(kind, LEAST) for _ in range(count)]
    who.proxy.wait_read()
    kept = (who.proxy.resident() - before) / count
    assert who.proxy.audit.records("handshake_refused") == []
    most = KEPT_AFTER_LONGEST if moment == LONGEST else KEPT
    assert kept <= most, f"{kept / 1024:.1f} KiB"
    for raw in crowd:
        raw.close()


def test_a_chain_as_long_as_the_limit_opens_a_connection(start, pki):
    """16.7 KiB of names: too many for the default, few for the most."""
    big = pki.ca.leaf("big", dns=tuple(f"{i:03}.{'x' * 60}.test" for i in range(250)))
    small = start(client())
    assert small.dial(big).refusal()
    small.audit.wait("handshake_refused", reason="work_limit")
    wide = start(client(), listeners=[{**small.config["listeners"][0], "max_chain": "64KiB"}])
    assert wide.ask(DENIED, big).status == 403
