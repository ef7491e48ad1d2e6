"""The proxies that are measured: how each is configured and started for the same task.

The task: TLS with a client certificate that is required, one client that may reach the origin's ports
on 127.0.0.1 and nothing else, CONNECT only, a line of log a request. TLS 1.3 with AES-128-GCM, two
workers (there are two cores), no cache. Owns: the configurations. Each peer runs in the foreground,
in a folder of its own, and is ended by its process id.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import receivers
from measure import tree
from support.unit_calls import restriction

UNIT = Path(__file__).resolve().parents[2] / "tools/deliver/systemd/sallyport.service"

TUNNELS = 10000


class NotThere(Exception):
    """The peer is not installed."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin")
    if path is None:
        raise NotThere(f"{name} is not installed (tools/bench --install)")
    return path


class Peer:
    """A proxy under test. Subclasses write its configuration and say how it is started."""

    name = ""
    title = ""
    refused = "127.0.0.1:1"  # a target that its rules refuse
    streams = 0  # the most that clients open on a connection of HTTP/2; 0: they speak HTTP/1.1
    host = "127.0.0.1"  # of the targets
    counts_all = True  # False: what it hands its requests on to is not its cost
    sidecar = ""  # what a sidecar before it says to --http2; "": it has none

    def __init__(self, folder, pki, origin):
        self.folder = folder
        self.pki = pki
        self.origin = origin
        self.port = free_port()
        self.processes = []
        os.chmod(folder, 0o777)  # some give up being root

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def pem(self):
        """The server's chain and key in one file."""
        text = ""
        for path in (self.pki.server.chain, self.pki.server.key):
            with open(path, encoding="ascii") as file:
                text += file.read()
        return self.write("server.pem", text)

    def ports(self):
        return sorted(self.origin.ports.values())

    def launch(self, *arguments, **options):
        log = open(self.path("output"), "ab")  # pylint: disable=consider-using-with
        self.processes.append(
            subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **options,
            )
        )
        log.close()

    def configure(self):
        """Writes the files and launches the processes."""
        raise NotImplementedError

    def start(self):
        self.configure()
        self.wait_port(self.port)
        return self

    def wait_port(self, port):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if any(process.poll() is not None for process in self.processes):
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        with open(self.path("output"), encoding="utf-8", errors="replace") as file:
            said = file.read()[-2000:]
        self.stop()
        raise RuntimeError(f"{self.name} does not start: {said}")

    def pids(self):
        """Of what is measured."""
        return self._all_pids(self.processes if self.counts_all else self.processes[-1:])

    def helpers(self):
        """Of what is not measured: what its requests are handed on to."""
        return [] if self.counts_all else self._all_pids(self.processes[:-1])

    @staticmethod
    def _all_pids(processes):
        return [pid for process in processes for pid in tree(process.pid)]

    def stop(self):
        pids = self._all_pids(self.processes)
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        for pid in pids:  # workers whose master did not take them along
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in self.processes:
            process.wait()


class Sallyport(Peer):
    name = "sallyport"
    title = "Sallyport"
    binary = os.environ.get("SALLYPORT_BIN", "")
    inner = ""  # of its client: what it holds the inside of tunnels to
    observed = ""  # further keys of `audit`, and `admin`
    process = ""

    def text(self, port, log="audit.jsonl", listener="", way="", parents=""):
        """A configuration."""
        ports = ", ".join(map(str, self.ports()))
        return f"""version: 1
workers: 2
listeners:
  - name: main
    address: "127.0.0.1:{port}"
    certificates: [{{chain: {self.pki.server.chain}, key: {self.pki.server.key}}}]
    trust: staff{listener}
trust:
  staff: {{ca: [{self.pki.ca.path}]}}{parents}
clients:
  - name: bench
    match: [{{cn: bench}}]{self.inner}{way}
    allow: [{{addresses: [127.0.0.1/32], ports: [{ports}], name: origin}}]
timeouts: {{handshake: 60s, idle: 10m}}
limits: {{refused_requests: none, source: {{failed_handshakes: none, half_open: none}}}}
audit:
  file: {log}{self.observed}
{self.process}"""

    def configure(self):
        self.config = self.write("sallyport.yaml", self.text(self.port))
        self.launch(self.binary, "serve", "-c", self.config)

    def launch_sidecar(self):
        """The port of one; from now on it is part of what is measured."""
        port = free_port()
        self.launch(self.binary, "connect", "--proxy", f"https://127.0.0.1:{self.port}",
                    "--cert", self.pki.client.chain, "--key", self.pki.client.key,
                    "--ca", self.pki.server_ca.path, "--listen", f"127.0.0.1:{port}",
                    "--http2", self.sidecar)
        self.wait_port(port)
        return port

    def said(self):
        with open(self.path("output"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def reload(self):
        """Seconds until every worker has the new configuration."""
        before = self.said().count("reloaded:")
        begun = time.monotonic()
        self.processes[0].send_signal(signal.SIGHUP)
        while self.said().count("reloaded:") == before:
            if time.monotonic() - begun > 30:
                raise RuntimeError("the reload does not end")
            time.sleep(0.002)
        return time.monotonic() - begun


class Any(Sallyport):
    title = "`any`"


class Observe(Sallyport):
    name = "observe"
    title = "`observe`"
    inner = "\n    inner: {tls: observe}"


class Require(Sallyport):
    """The targets are addresses, without DNS: so the name in the hello is read, and any will do."""

    name = "require"
    title = "`require`"
    inner = "\n    inner: {tls: require, names: any}"


# The same program, by what it looks at inside tunnels.
INNER = [Any, Observe, Require]


class Off(Sallyport):
    title = "nothing on"


class Chained(Sallyport):
    """With a log that proves itself, and metrics that are asked for once a second."""

    name = "chained"
    title = "chain, metrics"
    sinks = ""

    def configure(self):
        admin = self.path("admin.sock")
        subprocess.run([self.binary, "audit", "keygen", self.path("audit.key")], check=True, capture_output=True)
        self.observed = (
            f"\n  chain: {{key: audit.key, every: 1s}}{self.sinks}\nadmin: {{address: \"unix:{admin}\"}}"
        )
        super().configure()
        self.watcher = receivers.Watcher(admin)

    def stop(self):
        super().stop()
        if hasattr(self, "watcher"):
            self.watcher.stop()


class Observed(Chained):
    """With two receivers of records beside that, one over TLS."""

    name = "observed"
    title = "chain, metrics, 2 sinks"

    def configure(self):
        self.taker = receivers.Taker(self.path("sink.sock"), self.pki.server)
        self.sinks = f"""
  also:
    - syslog: "unix:{self.path('sink.sock')}"
    - lines: "tcp:127.0.0.1:{self.taker.port}"
      tls: {{ca: {self.pki.server_ca.path}}}"""
        super().configure()

    def stop(self):
        super().stop()
        if hasattr(self, "taker"):
            self.taker.stop()


# The same program, by who watches it.
OBSERVED = [Off, Chained, Observed]


class Here(Sallyport):
    title = "keys here"


class KeysApart(Sallyport):
    """With the private key in a process of its own."""

    name = "apart"
    title = "keys apart"
    process = "process: {keys: apart}\n"


class KeysApartInUnit(KeysApart):
    """With the system calls of the shipped unit: who signs cannot choose its processor."""

    name = "unit"
    title = "keys apart, in the unit"

    def launch(self, *arguments, **options):
        super().launch(*arguments, preexec_fn=restriction(UNIT.read_text(encoding="utf-8")), **options)


KEYS = [Here, KeysApart, KeysApartInUnit]


class Sleeping(Sallyport):
    title = "sleeps at once"


class Looking(Sallyport):
    """Its workers look for work before they sleep."""

    name = "looking"
    title = "busy_poll: 50us"
    process = "busy_poll: 50us\n"


BUSY_POLL = [Sleeping, Looking]


class SallyportHttp2(Sallyport):
    """The first of its comparison: it has the name that the table sets the others against."""

    title = "Sallyport, HTTP/2"
    streams = 200
    sidecar = "auto"


class SallyportHttp1(Sallyport):
    name = "http1"
    title = "Sallyport, HTTP/1.1"
    sidecar = "off"


class Alone(SallyportHttp2):
    title = "without a parent"


class Pooled(SallyportHttp2):
    """Through another one, which is not counted; tunnels share connections to it."""

    name = "pooled"
    title = "parent, HTTP/2"
    counts_all = False
    listener = ""  # further keys of the parent's

    def configure(self):
        above = free_port()
        text = self.text(above, log="above.jsonl", listener=self.listener)
        self.launch(self.binary, "serve", "-c", self.write("above.yaml", text))
        self.wait_port(above)
        self.config = self.write("sallyport.yaml", self.through(above))
        self.launch(self.binary, "serve", "-c", self.config)


    def through(self, above):
        """A configuration with this parent."""
        shown = f"{{chain: {self.pki.client.chain}, key: {self.pki.client.key}}}"
        parents = (
            f"\nparents: [{{name: above, to: [\"https://127.0.0.1:{above}\"], "
            f"ca: [{self.pki.server_ca.path}], certificate: {shown}}}]"
        )
        return self.text(self.port, way="\n    via: [above]", parents=parents)


class Each(Pooled):
    """Likewise, with a connection for each tunnel, whose TLS session is resumed."""

    name = "each"
    title = "parent, HTTP/1.1"
    listener = "\n    http2: false"


class Full(Pooled):
    """Likewise, and no session is resumed: each tunnel costs a whole handshake with the parent."""

    name = "full"
    title = "parent, HTTP/1.1, full TLS"

    def configure(self):
        above = launch_above(self)
        self.config = self.write("sallyport.yaml", self.through(above))
        self.launch(self.binary, "serve", "-c", self.config)


# The same program, by what it goes through.
PARENTS = [Alone, Pooled, Each, Full]


def launch_above(peer):
    """The port of a parent for everybody: it wants a certificate, speaks HTTP/1.1, and resumes no session."""
    inner, above = launch_tinyproxy(peer), free_port()
    peer.write("above.cfg", f"""global
    nbthread 2
    maxconn 9900
    tune.ssl.cachesize 0
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
    ssl-default-bind-options no-tls-tickets
defaults
    mode tcp
    timeout client 600s
    timeout server 600s
    timeout connect 10s
frontend main
    bind 127.0.0.1:{above} ssl crt {peer.pem()} ca-file {peer.pki.ca.path} verify required
    default_backend inner
backend inner
    server tinyproxy 127.0.0.1:{inner}
""")
    peer.launch(find("haproxy"), "-db", "-f", peer.path("above.cfg"))
    peer.wait_port(above)
    return above


def launch_tinyproxy(peer):
    """The port of a tinyproxy."""
    inner = free_port()
    peer.write("tinyproxy.conf", "\n".join([
        f"Port {inner}", "Listen 127.0.0.1", f"MaxClients {TUNNELS}", "Timeout 600",
        "Allow 127.0.0.1", f'LogFile "{peer.path("tinyproxy.log")}"', "LogLevel Connect",
        "DisableViaHeader Yes", *[f"ConnectPort {port}" for port in peer.ports()], ""]))
    peer.launch(find("tinyproxy"), "-d", "-c", peer.path("tinyproxy.conf"))
    peer.wait_port(inner)
    return inner


class Squid(Peer):
    name = "squid"
    title = "Squid"

    def way(self):
        """Further lines of its configuration, which say how it goes on."""
        return ""

    def configure(self):
        way = self.way()
        program = find("squid")
        allowed = " ".join(map(str, self.ports()))
        config = self.write("squid.conf", f"""workers 2
https_port 127.0.0.1:{self.port} tls-cert={self.pem()} clientca={self.pki.ca.path} \
sslcontext=bench options=NO_SSLv3
acl bench user_cert CN bench
acl origin dst 127.0.0.1/32
acl allowed port {allowed}
acl connect method CONNECT
http_access allow bench connect origin allowed
http_access deny all
cache deny all
cache_mem 8 MB
memory_pools on
max_filedescriptors 20000
shutdown_lifetime 0 seconds
access_log stdio:{self.path("access.log")}
cache_log {self.path("cache.log")}
cache_store_log none
pid_filename {self.path("squid.pid")}
coredump_dir {self.folder}
pinger_enable off
visible_hostname bench
dns_nameservers 127.0.0.1
client_request_buffer_max_size 512 KB
{way}""")
        os.makedirs("/run/squid", exist_ok=True)
        shutil.chown("/run/squid", "proxy")
        service = f"b{self.port}"  # its shared memory is named after it
        self.launch(program, "--foreground", "-n", service, "-f", config)
        self.wait_log()

    def wait_log(self):
        """Both workers listen on one inherited socket: the second one may come later."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                with open(self.path("cache.log"), encoding="utf-8", errors="replace") as file:
                    if file.read().count("Accepting ") >= 2:
                        return
            except FileNotFoundError:
                pass
            time.sleep(0.1)


class TrafficServer(Peer):
    name = "ats"
    title = "Traffic Server"

    def way(self):
        """What it goes on by: further settings, and the lines of parent.config."""
        return {}, ""

    def configure(self):
        further, parents = self.way()
        program = find("traffic_server")
        for name in ("etc", "log", "run", "cache"):
            os.makedirs(self.path(name), exist_ok=True)
            os.chmod(self.path(name), 0o777)
        self.pem()
        settings = {
            "exec_thread.autoconfig": "INT 0",
            "exec_thread.limit": "INT 2",
            "accept_threads": "INT 0",
            "admin.user_id": "STRING #-1",
            "http.server_ports": f"STRING {self.port}:ssl:ip-in=127.0.0.1",
            "http.connect_ports": "STRING " + " ".join(map(str, self.ports())),
            "http.cache.http": "INT 0",
            "http.insert_request_via_str": "INT 0",
            "url_remap.remap_required": "INT 0",
            "reverse_proxy.enabled": "INT 0",
            "ssl.client.certification_level": "INT 2",
            "ssl.CA.cert.path": "STRING " + os.path.dirname(self.pki.ca.path),
            "ssl.CA.cert.filename": "STRING " + os.path.basename(self.pki.ca.path),
            "ssl.server.cert.path": "STRING " + self.folder,
            "ssl.server.private_key.path": "STRING " + self.folder,
            "ssl.server.TLSv1_3.cipher_suites": "STRING TLS_AES_128_GCM_SHA256",
            "net.connections_throttle": "INT 30000",
            "net.max_connections_in": "INT 30000",
            "http.connect_attempts_timeout": "INT 10",
            "log.logging_enabled": "INT 3",
            "log.logfile_dir": "STRING " + self.path("log"),
            "local_state_dir": "STRING " + self.path("run"),
            "diags.debug.enabled": "INT 0",
            "ssl.server.multicert.filename": "STRING ssl_multicert.config",
            **further,
        }
        self.write("etc/records.config", "".join(
            f"CONFIG proxy.config.{key} {value}\n" for key, value in settings.items()))
        self.write("etc/ssl_multicert.config",
                   "dest_ip=* ssl_cert_name=server.pem ssl_key_name=server.pem\n")
        self.write("etc/ip_allow.yaml", """ip_allow:
  - {apply: in, ip_addrs: 127.0.0.1, action: allow, methods: [CONNECT]}
""")
        self.write("etc/storage.config", f"{self.path('cache')} 64M\n")
        self.write("etc/logging.yaml", """logging:
  formats: [{name: line, format: "%<cqtq> %<chi> %<cqhm> %<cquuc> %<pssc> %<psql>"}]
  logs: [{filename: access, format: line, mode: ascii}]
""")
        for name in ("remap.config", "plugin.config", "cache.config", "hosting.config",
                     "volume.config", "splitdns.config"):
            self.write("etc/" + name, "")
        self.write("etc/parent.config", parents)
        self.write("runroot.yaml", "\n".join([
            f"prefix: {self.folder}", "exec_prefix: /usr", "bindir: /usr/bin", "sbindir: /usr/sbin",
            f"sysconfdir: {self.path('etc')}", f"datadir: {self.path('cache')}",
            f"localstatedir: {self.path('run')}", f"runtimedir: {self.path('run')}",
            f"logdir: {self.path('log')}", f"cachedir: {self.path('cache')}",
            "libexecdir: /usr/lib/trafficserver/modules", ""]))
        self.launch(program, "--run-root=" + self.path("runroot.yaml"))


class HaproxyTinyproxy(Peer):
    """It opens no tunnels itself: tinyproxy does."""

    name = "haproxy"
    title = "HAProxy + tinyproxy"

    def configure(self):
        haproxy, inner = find("haproxy"), launch_tinyproxy(self)
        allowed = "|".join(map(str, self.ports()))
        alpn = " alpn h2" if self.streams else ""
        self.write("haproxy.cfg", f"""global
    nbthread 2
    maxconn 9900
    tune.ssl.default-dh-param 2048
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
    log stdout format raw local0 info
defaults
    mode http
    log global
    option httplog
    timeout client 600s
    timeout server 600s
    timeout connect 10s
    timeout tunnel 600s
frontend main
    bind 127.0.0.1:{self.port} ssl crt {self.pem()} ca-file {self.pki.ca.path} verify required{alpn}
    http-request deny unless {{ ssl_c_s_dn(cn) -m str bench }}
    http-request deny unless METH_CONNECT
    acl allowed url_reg ^127\\.0\\.0\\.1:({allowed})$
    http-request deny unless allowed
    default_backend inner
backend inner
    server tinyproxy 127.0.0.1:{inner}
""")
        self.launch(haproxy, "-db", "-f", self.path("haproxy.cfg"))


class HaproxyHttp2(HaproxyTinyproxy):
    title = "HAProxy, HTTP/2"
    streams = 100  # its default
    counts_all = False


class Nghttpx(Peer):
    """It opens no tunnels itself: tinyproxy does. It knows no rules either: every client of the CA may do what
    tinyproxy lets everybody."""

    name = "nghttpx"
    title = "nghttpx + tinyproxy"

    def configure(self):
        nghttpx, inner = find("nghttpx"), launch_tinyproxy(self)
        self.launch(
            nghttpx, "--conf=/dev/null", "--http2-proxy", "--workers=2",
            f"--frontend=127.0.0.1,{self.port}", f"--backend=127.0.0.1,{inner}",
            "--verify-client", f"--verify-client-cacert={self.pki.ca.path}",
            "--tls-min-proto-version=TLSv1.3", "--no-ocsp", f"--accesslog-file={self.path('access.log')}",
            f"--errorlog-file={self.path('error.log')}", "--no-via",
            "--frontend-http2-max-concurrent-streams=256", "--backend-connections-per-host=20000",
            "--worker-frontend-connections=0", "--backend-read-timeout=10m",
            "--backend-write-timeout=10m", "--frontend-http2-read-timeout=10m",
            "--stream-read-timeout=10m", "--stream-write-timeout=10m",
            self.pki.server.key, self.pki.server.chain)


class NghttpxHttp2(Nghttpx):
    title = "nghttpx, HTTP/2"
    streams = 200
    counts_all = False


class Smokescreen(Peer):
    """Stripe's proxy, which nobody packages: the program is given in SMOKESCREEN_BIN. Its rules are about hosts, so any port of
    the origin's address may be reached, and it refuses another address."""

    name = "smokescreen"
    title = "Smokescreen"
    refused = "127.0.0.2:1"

    def configure(self):
        program = os.environ.get("SMOKESCREEN_BIN")
        if not program:
            raise NotThere("SMOKESCREEN_BIN names no program")
        self.write("acl.yaml", """version: v1
services:
  - {name: bench, project: bench, action: enforce, allowed_domains: ["127.0.0.1"]}
default: {project: none, action: enforce, allowed_domains: []}
""")
        self.launch(
            program, "--listen-ip", "127.0.0.1", "--listen-port", str(self.port),
            "--tls-server-bundle-file", self.pem(), "--tls-client-ca-file", self.pki.ca.path,
            "--egress-acl-file", self.path("acl.yaml"), "--allow-range", "127.0.0.0/8",
            env={**os.environ, "GOMAXPROCS": "2"})


class SallyportPooled(Pooled):
    """Clients with HTTP/1.1, as the others have them; the first of its comparison."""

    name = "sallyport"
    title = "Sallyport, parent HTTP/2"
    streams = 0


class SallyportFull(Full):
    title = "Sallyport, full TLS"
    streams = 0


class SquidBelow(Squid):
    title = "Squid, full TLS"
    counts_all = False

    def way(self):
        above = launch_above(self)
        return (
            f"cache_peer 127.0.0.1 parent {above} 0 no-query no-digest no-netdb-exchange default name=above tls ssldomain=proxy.bench "
            f"sslcert={self.pki.client.chain} sslkey={self.pki.client.key} sslcafile={self.pki.server_ca.path}\n"
            "never_direct allow all\nnonhierarchical_direct off\n"
        )


class TrafficServerBelow(TrafficServer):
    """9.2 sends a CONNECT to a parent in the clear, whatever its settings for TLS, and none for 127.0.0.1. So it does less
    than the others."""

    title = "Traffic Server, in the clear"
    counts_all = False
    host = "127.0.0.2"

    def way(self):
        above = launch_tinyproxy(self)
        settings = {
            "http.parent_proxy.self_detect": "INT 0",
            "http.no_dns_just_forward_to_parent": "INT 1",
        }
        line = f'dest_domain=. parent="127.0.0.1:{above}" round_robin=false go_direct=false parent_is_proxy=true\n'
        return settings, line


# Tunnels through a parent that is reached over TLS with a certificate, beside others that can do the same.
BESIDE = [SallyportPooled, SallyportFull, SquidBelow, TrafficServerBelow]

PEERS = [Sallyport, Squid, TrafficServer, HaproxyTinyproxy, Nghttpx, Smokescreen]

# What takes CONNECT over HTTP/2, beside HTTP/1.1 of ours. Traffic Server 9.2 calls it malformed; Squid 5 and Smokescreen
# have no HTTP/2 for their clients.
HTTP2 = [SallyportHttp2, SallyportHttp1, NghttpxHttp2, HaproxyHttp2]
