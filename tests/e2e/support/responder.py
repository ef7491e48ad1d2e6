"""An OCSP responder over HTTP that answers as the test wants it to, and remembers what it was asked."""

import datetime
import http.server
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from support.pki import now

GOOD = ocsp.OCSPCertStatus.GOOD
REVOKED = ocsp.OCSPCertStatus.REVOKED
UNKNOWN = ocsp.OCSPCertStatus.UNKNOWN
TRY_LATER = ocsp.OCSPResponseStatus.TRY_LATER
UNAUTHORIZED = ocsp.OCSPResponseStatus.UNAUTHORIZED


def seconds(number):
    return datetime.timedelta(seconds=number)


def unsuccessful(status):
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(
        serialization.Encoding.DER
    )


class Responder:
    """Answers for the CA `issuer`, whose certificates are `known` once they were told.

    `habit`, if set, makes the answer: it gets the responder, the question and the HTTP handler, and returns DER, or
    None where it has answered itself. `signer` is (certificate, key) and `certificates` come along.
    """

    def __init__(self, issuer):
        self.issuer = issuer
        self.known = {}
        self.statuses = {}
        self.habit = None
        self.signer = (issuer.certificate, issuer.key)
        self.certificates = []
        self.life = 3600
        self.questions = []
        self.gate = threading.Event()
        self.gate.set()
        self.changed = threading.Condition()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def knows(self, *leaves):
        """From now on these are good."""
        for leaf in leaves:
            self.known[leaf.certificate.serial_number] = leaf.certificate
        return self

    def revoke(self, leaf):
        self.statuses[leaf.certificate.serial_number] = REVOKED

    def answer(self, question, age=0, life=None, serial=None, signer=None, nonce=True):
        """The answer to a question, in DER: `age` seconds old, good for `life` seconds from then on."""
        serial = serial or question.serial_number
        certificate = self.known.get(serial)
        status = self.statuses.get(serial, GOOD if certificate else UNKNOWN)
        begins = now() - seconds(age)
        life = self.life if life is None else life
        who, key = signer or self.signer
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=certificate or self._stand_in(serial),
            issuer=self.issuer.certificate,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=begins,
            next_update=begins + seconds(life) if life else None,
            revocation_time=begins if status == REVOKED else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, who)
        if self.certificates:
            builder = builder.certificates(self.certificates)
        for extension in question.extensions if nonce else ():
            builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _stand_in(self, serial):
        """A certificate with that serial: the builder wants one."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.issuer.name)
            .issuer_name(self.issuer.name)
            .public_key(self.issuer.key.public_key())
            .serial_number(serial)
            .not_valid_before(now())
            .not_valid_after(now() + seconds(3600))
        )
        return builder.sign(self.issuer.key, hashes.SHA256())

    def note(self, question):
        with self.changed:
            self.questions.append(question.serial_number)
            self.changed.notify_all()

    def asked(self, leaf):
        """How often it was asked about this certificate."""
        return self.questions.count(leaf.certificate.serial_number)

    def wait_asked(self, leaf, count=1, patience=20):
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked(leaf) >= count, patience)

    def stop(self):
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(responder):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            assert self.headers["Content-Type"] == "application/ocsp-request"
            length = int(self.headers["Content-Length"])
            question = ocsp.load_der_ocsp_request(self.rfile.read(length))
            responder.note(question)
            responder.gate.wait(60)
            answer = responder.answer(question) if responder.habit is None else None
            if answer is None:
                answer = responder.habit(responder, question, self)
            if answer is not None:
                self.say(answer)

        def say(self, body, status=200, kind="application/ocsp-response"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

    return Handler
