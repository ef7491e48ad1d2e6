"""Real servers as readers of requests: each passes on what it reads to a strict origin, which tells how it was read."""

import os
import re
import shutil
import socket
import subprocess

from support.plain import Reader, StrictOrigin, ok
from support.scale import PATIENCE, eventually

NGINX = """
daemon off; master_process off; user root root; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
        location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1;
                      proxy_set_header Connection ""; }}
    }}
}}
"""

APACHE = """
ServerRoot {folder}
ServerName origin.test
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
DefaultRuntimeDir {folder}
AllowEncodedSlashes NoDecode
KeepAlive On
ProxyPass / http://127.0.0.1:{upstream}/ nocanon
"""

HAPROXY = """
defaults
    mode http
    timeout connect 20s
    timeout client 20s
    timeout server 20s
listen reader
    bind 127.0.0.1:{port}
    server origin 127.0.0.1:{upstream}
"""


def command_of(kind, config):
    return {
        "nginx": ["/usr/sbin/nginx", "-c", config, "-e", "/dev/null"],
        "apache": ["/usr/sbin/apache2", "-f", config, "-DFOREGROUND"],
        "haproxy": ["/usr/sbin/haproxy", "-db", "-f", config],
    }[kind]


CONFIGS = {"nginx": NGINX, "apache": APACHE, "haproxy": HAPROXY}
# haproxy is asked where it is installed; the others always.
KINDS = [kind for kind in CONFIGS if kind != "haproxy" or shutil.which("/usr/sbin/haproxy")]


class Lenient(Reader):
    """Takes the spellings that these servers write for what they have read."""

    CHUNK = re.compile(rb"[0-9a-fA-F]{1,16}")


def free_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class RealServer:
    """One such server with its origin after it."""

    def __init__(self, kind, folder):
        self.origin = StrictOrigin(lambda request: ok(), reader=Lenient)
        self.port = free_port()
        config = folder / f"{kind}.conf"
        config.write_text(
            CONFIGS[kind].format(
                folder=folder,
                port=self.port,
                upstream=self.origin.port,
                modules="/usr/lib/apache2/modules",
            )
        )
        with open(folder / f"{kind}.out", "wb") as output:
            self.process = subprocess.Popen(
                command_of(kind, str(config)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"]},
            )
        self._folder = folder
        eventually(
            lambda: answers(self.port) or self.process.poll() is not None,
            lambda: f"{kind} to listen",
        )
        assert self.process.poll() is None, (folder / f"{kind}.out").read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.origin.stop()

    def read(self, raw, methods):
        """What the server takes `raw` for: the requests it passed on, and the statuses it answered.

        `methods` are those of the requests, so that its answers can be told apart.
        """
        before = len(self.origin.requests)
        statuses = []
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.settimeout(PATIENCE)
            sock.sendall(raw)
            reader = Reader(lambda: receive(sock))
            for method in methods:
                try:
                    statuses.append(reader.response(method).status)
                except EOFError:
                    break
            while reader.fill():
                pass
        seen = [
            (each.method, each.target, each.body) for each in self.origin.requests[before:]
        ]
        return seen, statuses, reader.data


def receive(sock):
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""
