"""The guides of docs/migrate: the configurations on them load in both programs, and give the same answers to the table there.

What is fixed on the pages is made true here: the files of certificates, names of DNS, targets at public addresses on `lo`.
Squid, HAProxy and nginx are installed; Smokescreen, Envoy and Ghostunnel are asked where SMOKESCREEN_BIN, ENVOY_BIN and
GHOSTUNNEL_BIN name a program.
"""

import contextlib
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import warnings
from pathlib import Path

import pytest

from support.origin import Origin, echo, take_head
from support.proxy import BINARY, Lines, run
from support.scale import PATIENCE, eventually

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "migrate"
NAMES = {
    "www.example.com": "93.184.215.1", "example.com": "93.184.215.2", "example.org": "93.184.215.3",
    "www.example.org": "93.184.215.4", "admin.example.com": "93.184.215.5", "deb.example.net": "93.184.215.6",
    "time.example.org": "93.184.215.7", "paste.example.net": "93.184.215.8", "db.example.org": "10.2.0.7",
}
PORTS = (22, 80, 443, 5432)
DNS = "192.0.2.53:53"  # on the pages
SBIN = os.environ["PATH"] + ":/usr/sbin"


class Guide:
    """A page: its fenced blocks by language, its table, and the answers in it."""

    def __init__(self, name):
        text = (GUIDES / f"{name}.md").read_text(encoding="utf-8")
        self.blocks = {}
        for language, block in re.findall(r"^```(\S+)\n(.*?)^```$", text, re.M | re.S):
            self.blocks.setdefault(language, block)
        table = text.split("## The same answers", 1)[1].split("\n## ", 1)[0]
        rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if line.startswith("|")]
        self.rows = rows[2:]
        assert len(self.rows) > 4 and {row[-1] for row in self.rows} == {"yes", "no"}, rows


class Place:
    """A folder with the files that the pages name, and what is listening for them."""

    def __init__(self, folder, pki, dns):
        self.folder = folder
        self.pki = pki
        self.dns = dns
        shutil.copy(pki.server.chain, folder / "server.crt")
        shutil.copy(pki.server.key, folder / "server.key")
        shutil.copy(pki.ca.path, folder / "clients-ca.crt")
        (folder / "server.pem").write_text(Path(pki.server.chain).read_text() + Path(pki.server.key).read_text())
        for name in ("server.key", "server.pem"):
            (folder / name).chmod(0o600)
        (folder / "hosts").write_text("".join(f"{address} {name}\n" for name, address in NAMES.items()))

    def local(self, text):
        """A text of a page, with this folder and this DNS in it."""
        text = re.sub(r"/etc/[a-z]+/(?=[\w-]+\.(?:crt|key|pem|yaml)\b)", f"{self.folder}/", text)
        return text.replace(DNS, self.dns.endpoint).replace(DNS[:-3], self.dns.endpoint)

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return str(self.folder / name)


@pytest.fixture(scope="module", autouse=True)
def targets(dns):
    """An echo at each port of each name."""
    with contextlib.ExitStack() as stack:
        for name, address in NAMES.items():
            subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
            dns.addresses(name, address)
            for port in PORTS:
                stack.callback(Origin(echo, address=address, port=port).stop)
        yield


@pytest.fixture
def place(tmp_path, pki, dns):
    return Place(tmp_path, pki, dns)


@contextlib.contextmanager
def running(name, command, port, **options):
    """A program that listens at a port until the end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options) as process:
        lines = Lines(process.stderr)

        def is_ready():
            with socket.socket() as probe:
                return process.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            eventually(is_ready, lambda: f"{name}: {lines.text()}")
            assert process.poll() is None, f"{name}: {lines.text()}"
            yield lines
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextlib.contextmanager
def ours(place, guide):
    """Sallyport with the page's configuration, which `check` takes."""
    text = place.local(guide.blocks["yaml"])
    if "resolver:" not in text:
        text += f'resolver: {{servers: ["{place.dns.endpoint}"]}}\n'
    path = place.write("sallyport.yaml", text)
    checked = run("check", "-c", path, cwd=place.folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with running("sallyport", [os.path.abspath(BINARY), "serve", "-c", path], 8443, cwd=place.folder) as lines:
        asked = run("status", "-c", path, cwd=place.folder)
        assert asked.returncode == 0, asked.stderr
        yield lines


def connection(place, subject, port):
    """TLS with a certificate of this subject, `CN=NAME` or `OU=NAME`; `none` has none."""
    context = ssl.create_default_context(cafile=place.pki.server_ca.path)
    context.check_hostname = False
    if subject != "none":
        leaf = leaf_of(place.pki, subject)
        context.load_cert_chain(leaf.chain, leaf.key)
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    return context.wrap_socket(plain, server_hostname="localhost")


def leaf_of(pki, subject):
    kind, _, name = subject.partition("=")
    assert kind == "CN", subject
    return pki.ca.leaf(name)


def passes(conn):
    """Whether bytes come back through what has been opened."""
    conn.sendall(b"ping")
    return conn.recv(4) == b"ping"


def asks(place, subject, target, port=8443):
    """yes: a CONNECT has opened a tunnel."""
    try:
        with connection(place, subject, port) as conn:
            conn.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            head, _ = take_head(conn)
            return "yes" if head and head.split()[1] == b"200" and passes(conn) else "no"
    except (ssl.SSLError, ConnectionError):
        return "no"


def reaches(place, subject, port):
    """yes: what is sent to this port comes back."""
    try:
        with connection(place, subject, port) as conn:
            return "yes" if passes(conn) else "no"
    except (ssl.SSLError, ConnectionError):
        return "no"


def answers_of(place, rows):
    return [[*row[:-1], asks(place, row[0], row[1])] for row in rows]


# -- the other programs ---------------------------------------------------------------------------


@contextlib.contextmanager
def squid(place, guide):
    program = shutil.which("squid", path=SBIN)
    assert program, "no squid here: see PACKAGES_CLIENTS in tools/lib.sh"
    config = place.write("squid.conf", place.local(guide.blocks["squid"]) + (
        f"hosts_file {place.folder}/hosts\npid_filename none\ncache_log {place.folder}/cache.log\naccess_log none\n"
        f"coredump_dir {place.folder}\nshutdown_lifetime 1 seconds\nvisible_hostname squid.test\nnetdb_filename none\n"
        "logfile_rotate 0\nmax_filedescriptors 1024\ncache deny all\npinger_enable off\n"))
    place.folder.chmod(0o755)
    # Not as root: it would change its user, which a namespace of the tests does not allow.
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", program, "-N", "-f", config]
    with running("Squid", command, 8443):
        yield


@contextlib.contextmanager
def smokescreen(place, guide):
    config = place.write("config.yaml", place.local(guide.blocks["smokescreen"]))
    place.write("acl.yaml", guide.blocks["smokescreen-acl"])
    with running("Smokescreen", [os.environ["SMOKESCREEN_BIN"], "--config-file", config, "--resolver-address", place.dns.endpoint],
                 8443, cwd=place.folder):
        yield


def given(variable, theirs):
    """The other program, where this variable names it. Where it does not, only ours is asked, and pytest says so."""
    if os.environ.get(variable):
        return theirs
    warnings.warn(f"{variable} names no program: only ours was asked")
    return None


def same_answers(place, guide, theirs):
    """Both programs, or ours where the other is not here, answer as the table says."""
    if theirs:
        with theirs(place, guide):
            assert answers_of(place, guide.rows) == guide.rows
    with ours(place, guide):
        assert answers_of(place, guide.rows) == guide.rows


def test_squid_and_this_program_give_the_same_answers(place):
    guide = Guide("squid")
    config = place.write("source.conf", guide.blocks["squid"])
    assert run("import", "squid", config).stdout == guide.blocks["yaml"]
    same_answers(place, guide, squid)


def test_smokescreen_and_this_program_give_the_same_answers(place):
    guide = Guide("smokescreen")
    place.write("config.yaml", guide.blocks["smokescreen"])
    place.write("acl.yaml", guide.blocks["smokescreen-acl"])
    assert run("import", "smokescreen", "config.yaml", cwd=place.folder).stdout == guide.blocks["yaml"]
    same_answers(place, guide, given("SMOKESCREEN_BIN", smokescreen))


def plain_proxy(conn):
    """What stands after HAProxy: connects to whatever a CONNECT asks for, by the names here."""
    head, _ = take_head(conn)
    host, _, port = head.split()[1].decode().rpartition(":")
    with socket.create_connection((NAMES[host], int(port)), timeout=PATIENCE) as far:
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        far.sendall(conn.recv(4096))
        conn.sendall(far.recv(4096))


@contextlib.contextmanager
def haproxy(place, guide):
    program = shutil.which("haproxy", path=SBIN)
    assert program, "no haproxy here: see PACKAGES_TEST in tools/lib.sh"
    config = place.write("haproxy.cfg", place.local(guide.blocks["haproxy"]))
    after = Origin(plain_proxy, port=3128)
    try:
        with running("HAProxy", [program, "-db", "-f", config], 8443):
            yield
    finally:
        after.stop()


@contextlib.contextmanager
def nginx(place, guide):
    program = shutil.which("nginx", path=SBIN)
    assert program, "no nginx here: see PACKAGES_TEST in tools/lib.sh"
    config = place.write("nginx.conf", (
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
        f"daemon off; master_process off; user root root; pid {place.folder}/nginx.pid;\n"
        f"error_log {place.folder}/error.log crit;\nevents {{ worker_connections 64; }}\n"
    ) + place.local(guide.blocks["nginx"]))
    with running("nginx", [program, "-c", config, "-e", "/dev/null"], 9001):
        yield


@contextlib.contextmanager
def envoy(place, guide):
    text = place.local(guide.blocks["envoy"])
    host, _, port = place.dns.endpoint.rpartition(":")
    text = text.replace(f"{place.dns.endpoint}, port_value: 53", f"{host}, port_value: {port}")
    with running("Envoy", [os.environ["ENVOY_BIN"], "-c", place.write("envoy.yaml", text)], 8443):
        yield


@contextlib.contextmanager
def ghostunnel(place, guide):
    with contextlib.ExitStack() as stack:
        for line in place.local(guide.blocks["ghostunnel"]).splitlines():
            words = shlex.split(line)
            at = words.index("--target") + 1
            host, _, port = words[at].partition(":")
            words[at] = f"{NAMES[host]}:{port}"
            words[0] = os.environ["GHOSTUNNEL_BIN"]
            stack.enter_context(running("Ghostunnel", words, int(words[words.index("--listen") + 1].rpartition(":")[2])))
        yield


def same_answers_by_port(place, guide, theirs):
    """A program that has a port for each target, and ours, answer as the table says."""
    if theirs:
        with theirs(place, guide):
            assert [[*row[:-1], reaches(place, row[0], int(row[1]))] for row in guide.rows] == guide.rows
    with ours(place, guide):
        assert [[*row[:-1], asks(place, row[0], row[2])] for row in guide.rows] == guide.rows


def test_haproxy_and_this_program_give_the_same_answers(place):
    same_answers(place, Guide("haproxy"), haproxy)


def test_nginx_and_this_program_give_the_same_answers(place):
    same_answers_by_port(place, Guide("nginx"), nginx)


def test_ghostunnel_and_this_program_give_the_same_answers(place):
    same_answers_by_port(place, Guide("ghostunnel"), given("GHOSTUNNEL_BIN", ghostunnel))


def test_envoy_and_this_program_give_the_same_answers(place):
    same_answers(place, Guide("envoy"), given("ENVOY_BIN", envoy))


def test_every_guide_is_tried_here():
    assert {path.stem for path in GUIDES.glob("*.md")} == {"squid", "smokescreen", "haproxy", "nginx", "envoy", "ghostunnel"}
