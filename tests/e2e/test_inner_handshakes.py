"""Real TLS in tunnels whose name is required: every way in which honest libraries begin goes through, and what does not
ends where its user can see why. The programs are OpenSSL's, curl and Node."""

import re
import ssl
import subprocess
import threading

import pytest

from support.config import STRICT, client, reach
from support.origin import Origin, pattern, reset
from support.proxy import Lines
from support.scale import PATIENCE
from support.sidecar import Sidecar
from support.web import PAGE, Website, clean_environment
from support.wire import Ending, client_context, connect_head

pytestmark = pytest.mark.protocols("h1", "h2")

NAME = "origin.test"
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


class OpensslServer:
    """`openssl s_server`, which answers with a page about the connection; with -early_data, which it cannot do beside
    that, it shows what has come and hangs up when it has a whole line."""

    def __init__(self, pki, *options):
        is_early = "-early_data" in options
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", *([] if is_early else ["-www"])]
        command += ["-cert", pki.origin.chain, "-key", pki.origin.key, *options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines = Lines(self._process.stdout)
        self.port = int(self.lines.wait(r"^ACCEPT 127\.0\.0\.1:(\d+)").group(1))
        if is_early:
            threading.Thread(target=self._hang_up, daemon=True).start()

    def _hang_up(self):
        seen = self._pass("^GET / HTTP/1.0", 0)
        while seen:
            self._process.stdin.write("q\n")
            self._process.stdin.flush()
            seen = self._pass("^ACCEPT|^CONNECTION CLOSED", seen)
            seen = self._pass("^GET / HTTP/1.0", seen)

    def _pass(self, pattern, seen):
        """How many lines there are up to the next one with `pattern`: more may have come meanwhile. None: it has ended."""
        if seen is None or not self.lines.wait(pattern, after=seen):
            return None
        fresh = self.lines.text().splitlines()[seen:]
        return seen + 1 + next(at for at, line in enumerate(fresh) if re.search(pattern, line))

    def stop(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(pki):
    """Makes `openssl s_server`s."""
    made = []

    def make(*options):
        made.append(OpensslServer(pki, *options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def through(start_strict, dns, pki, tmp_path):
    """Gives an `openssl s_client` that comes by a sidecar and a proxy that let it reach these ports."""
    sidecars = []

    def make(*ports):
        dns.addresses(NAME, "127.0.0.1")
        proxy = start_strict(client(reach(NAME, *ports)))
        dns.addresses("proxy.test", "127.0.0.1")
        url = f"https://proxy.test:{proxy.address[1]}"
        sidecars.append(Sidecar(pki, url, None, ["--resolver", dns.endpoint]).wait_ready())

        def command_for(port, *options):
            command = ["openssl", "s_client", "-proxy", f"127.0.0.1:{sidecars[-1].port}"]
            command += ["-connect", f"{NAME}:{port}", "-servername", NAME, "-CAfile", pki.server_ca.path]
            return [*command, "-verify_return_error", *options]

        def ask(port, *options):
            result = subprocess.run(
                command_for(port, "-ign_eof", *options),
                input=REQUEST,
                capture_output=True,
                check=False,
                cwd=tmp_path,
                timeout=PATIENCE,
            )
            return (result.stdout + result.stderr).decode(errors="replace")

        ask.proxy, ask.command = proxy, command_for
        return ask

    yield make
    for each in sidecars:
        each.stop()


GOOD = "HTTP/1.0 200 ok"
VERSIONS = {"-tls1_3": ("TLSv1.3", "1.3"), "-tls1_2": ("TLSv1.2", "1.2")}


@pytest.mark.parametrize("option", VERSIONS)
@pytest.mark.parametrize("side", ["server", "client"])
def test_one_version_only_passes(server, through, side, option):
    origin = server(*([option] if side == "server" else []))
    ask = through(origin.port)
    said = ask(origin.port, *([option] if side == "client" else []))
    cipher, version = VERSIONS[option]
    assert GOOD in said and f"{cipher}, Cipher is" in said, said
    close = ask.proxy.audit.wait("close")
    assert close["inner"]["version"] == (version if side == "client" else "1.3")


def hellos(said):
    return len(re.findall(r">>> .*ClientHello", said))


def test_a_second_hello_after_a_hello_retry_request_passes(server, through):
    origin = server("-groups", "P-384")
    ask = through(origin.port)
    said = ask(origin.port, "-msg")
    assert GOOD in said and hellos(said) == 2, said


def test_a_session_is_resumed_and_early_data_arrives(server, through, tmp_path):
    origin = server("-early_data", "-max_early_data", "8192")
    ask = through(origin.port)
    ask(origin.port, "-sess_out", "session")
    (tmp_path / "early").write_bytes(REQUEST)
    said = ask(origin.port, "-sess_in", "session", "-early_data", "early")
    assert "Reused, TLSv1.3" in said and "Early data was accepted" in said, said


def test_early_data_before_a_hello_retry_request_passes(server, through, tmp_path):
    """The server throws away what was sent too early, and asks for another hello."""
    before = server("-early_data", "-max_early_data", "8192")
    after = server("-early_data", "-groups", "P-384")
    ask = through(before.port, after.port)
    ask(before.port, "-sess_out", "session")
    (tmp_path / "early").write_bytes(REQUEST * 100)
    said = ask(after.port, "-sess_in", "session", "-early_data", "early", "-msg")
    assert "Early data was rejected" in said and hellos(said) == 2, said
    assert "Verify return code: 0 (ok)" in said, said


def test_tls_1_2_resumes_by_ticket(server, through):
    origin = server("-tls1_2")
    ask = through(origin.port)
    assert GOOD in ask(origin.port, "-sess_out", "session")
    assert "Reused, TLSv1.2" in ask(origin.port, "-sess_in", "session")


def test_renegotiation_in_tls_1_2_is_opaque_and_passes(server, through):
    """Its hello is encrypted: nobody can see which name it has."""
    origin = server("-tls1_2", "-client_renegotiation")
    ask = through(origin.port)
    command = ask.command(origin.port, "-msg")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    asker = subprocess.Popen(command, text=True, **pipes)
    try:
        lines = Lines(asker.stdout)
        for words, expected in [("R\n", "^RENEGOTIATING"), (REQUEST.decode(), GOOD)]:
            assert lines.wait("^---$"), lines.text()
            asker.stdin.write(words)
            asker.stdin.flush()
            assert lines.wait(expected), lines.text()
        assert hellos(lines.text()) == 2, lines.text()
    finally:
        asker.kill()
        asker.wait()


# -- curl and Node --------------------------------------------------------------------------------


@pytest.fixture
def curl(start_strict, start, dns, pki, tmp_path):
    """Gives a curl that comes by a proxy with this client."""

    def make(*rules, is_honest=True):
        dns.addresses(NAME, "127.0.0.1")
        if is_honest:
            proxy = start_strict(client(*rules))
        else:
            proxy = start(client(*rules, inner=STRICT))
        command = ["curl", "-q", "-sS", "--max-time", str(PATIENCE), "--cacert", pki.server_ca.path]
        command += ["-x", f"https://localhost:{proxy.address[1]}", "--proxy-cacert", pki.server_ca.path]
        command += ["--proxy-cert", pki.worker.chain, "--proxy-key", pki.worker.key]

        def run(*arguments):
            return subprocess.run(
                [*command, *arguments],
                capture_output=True,
                check=False,
                env=clean_environment(tmp_path),
            )

        run.proxy = proxy
        return run

    return make


HTTP2_SERVER = """
const fs = require("fs");
const [cert, key] = process.argv.slice(1).map((path) => fs.readFileSync(path));
const server = require("http2").createSecureServer({ cert, key });
server.on("stream", (stream) => stream.end("hello over " + stream.session.alpnProtocol));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def test_http_2_inside_passes(curl, pki):
    command = ["node", "-e", HTTP2_SERVER, pki.origin.chain, pki.origin.key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            run = curl(reach(NAME, port))
            result = run("--http2", f"https://{NAME}:{port}/")
            assert result.stdout == b"hello over h2", result.stderr
            assert run.proxy.audit.wait("close")["inner"]["alpn"] == "h2"
        finally:
            server.kill()


@pytest.fixture
def website(pki):
    site = Website(pki)
    yield site
    site.stop()


def test_curl_that_asks_for_an_address_has_no_name_inside(curl, website):
    """curl puts no server name into the hello for an address (RFC 6066 3): `names: any` lets it go on."""
    url = f"https://127.0.0.1:{website.port}/"
    rule = {"addresses": ["127.0.0.1/32"], "ports": [website.port]}
    run = curl(rule, is_honest=False)
    result = run("-k", url)
    assert (result.returncode, result.stdout) == (35, b"") and website.seen == []
    assert b"Connection reset by peer" in result.stderr
    assert run.proxy.audit.wait("close")["reason"] == "inner_no_name"
    run = curl({**rule, "inner": {"tls": "require", "names": "any"}}, is_honest=False)
    assert run("-k", url).stdout == PAGE


def test_curl_that_hides_a_name_in_a_tunnel_to_another_is_reset(curl, website, dns):
    dns.addresses("front.test", "127.0.0.1")
    run = curl(reach("front.test", website.port), is_honest=False)
    url = f"https://{NAME}:{website.port}/"
    result = run("--connect-to", f"::front.test:{website.port}", url)
    assert (result.returncode, result.stdout) == (35, b"") and website.seen == []
    assert b"Connection reset by peer" in result.stderr
    close = run.proxy.audit.wait("close")
    assert (close["reason"], close["inner"]["sni"]) == ("inner_mismatch", NAME)


# -- ways in which a flight comes, and a connection goes ------------------------------------------


class Inside:
    """TLS to an origin in a tunnel, byte by byte."""

    def __init__(self, pki, tunnel, **options):
        self._tunnel = tunnel
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context(pki.server_ca.path, **options)
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=NAME)

    def run(self, step, *arguments):
        """One operation, with what it has to send and to read."""
        while True:
            try:
                result = step(*arguments)
                self._tunnel.send(self._out.read())
                return result
            except ssl.SSLWantReadError:
                self._tunnel.send(self._out.read())
                data = self._tunnel.read()
                assert data, self._tunnel.ending
                self._in.write(data)

    def first_flight(self):
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    def get(self):
        self.run(self._tls.do_handshake)
        self.run(self._tls.write, REQUEST)
        page = b""
        while not page.endswith(PAGE):
            page += self.run(self._tls.read, 65536)
        return page


@pytest.fixture
def inside(start_strict, dns, pki, website):
    """A proxy that lets its client reach the website by name."""
    dns.addresses(NAME, "127.0.0.1")
    return start_strict(client(reach(NAME, website.port)))


@pytest.mark.parametrize("early", [1, 5, 300, None])
def test_a_hello_in_one_packet_with_the_request_passes(inside, pki, website, early):
    """Whole, or its beginning: the rest comes after the answer."""
    asker = inside.connect()
    tls = Inside(pki, asker)
    flight = tls.first_flight()
    asker.send(connect_head(f"{NAME}:{website.port}") + flight[:early])
    assert asker.read_answer().status == 200
    if early:
        asker.send(flight[early:])
    assert PAGE in tls.get()


def test_a_hello_that_comes_while_the_name_is_looked_up_passes(start_strict, dns, pki, website):
    released = dns.hold(NAME, "127.0.0.1")
    proxy = start_strict(client(reach(NAME, website.port)))
    asker = proxy.connect()
    tls = Inside(pki, asker)
    asker.send(connect_head(f"{NAME}:{website.port}"))
    dns.wait_asked(NAME)
    asker.send(tls.first_flight())
    proxy.wait_read()
    released.set()
    assert asker.read_answer().status == 200
    assert PAGE in tls.get()


def test_a_client_that_ends_its_side_still_gets_what_the_origin_sends(start_strict, dns, pki):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.origin.chain, pki.origin.key)
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF  # the client ends TCP, not TLS: the origin still answers

    def serve(conn):
        with context.wrap_socket(conn, server_side=True) as tls:
            while tls.recv(65536):
                pass
            tls.sendall(b"".join(pattern(1_000_000)))

    origin = Origin(serve)
    dns.addresses(NAME, "127.0.0.1")
    proxy = start_strict(client(reach(NAME, origin.port)))
    asker = proxy.tunnel(f"{NAME}:{origin.port}")
    tls = Inside(pki, asker, maximum=ssl.TLSVersion.TLSv1_2)  # with 1.3 it could read no more
    tls.run(tls._tls.do_handshake)
    asker.half_close()
    data, _ = asker.read_to_end()
    origin.stop()
    assert len(data) > 1_000_000


@pytest.mark.parametrize("habit", [reset, lambda conn: conn.close()], ids=["resets", "closes"])
def test_an_origin_that_goes_before_it_is_asked_ends_the_tunnel_at_once(start_strict, dns, pki, origin, habit):
    is_open = threading.Event()

    def leave(conn):  # not before the proxy knows that it is connected
        assert is_open.wait(PATIENCE)
        habit(conn)

    server = origin(leave)
    dns.addresses(NAME, "127.0.0.1")
    proxy = start_strict(client(reach(NAME, server.port)))
    asker = proxy.tunnel(f"{NAME}:{server.port}")
    is_open.set()
    server.wait_idle()
    asker.send(Inside(pki, asker).first_flight())
    data, ending = asker.read_to_end()
    assert data == b"" and ending in (Ending.RESET, Ending.CLOSE_NOTIFY)
    asker.close()
    # A tunnel of which a half is left may end by the client, too.
    by_client = ("client_reset",) if ending is Ending.CLOSE_NOTIFY else ()
    assert proxy.close_record(asker.id)["reason"] in ("upstream_closed", "upstream_reset", *by_client)
