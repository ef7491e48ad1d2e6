"""HTTPS origins that keep connections alive: a page, and git repositories."""

import http.server
import os
import random
import ssl
import subprocess
import threading

PAGE = b"the origin's own words\n"


def clean_environment(folder):
    """For client programs: nothing of the user's own configuration gets into a test."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def make_git(folder, size):
    """big.git in `folder`, with a commit of a file `blob` of so many bytes that do not compress."""
    random.seed(5)
    with open(folder / "blob", "wb") as file:
        for begin in range(0, size, 1024 * 1024):
            file.write(random.randbytes(min(1024 * 1024, size - begin)))
    script = """
        git init -q work && cd work && git config core.compression 0
        git config core.bigFileThreshold 4g && mv ../blob . && git add blob
        git -c user.name=n -c user.email=e@x.test commit -q -m first
        git clone -q --bare . ../big.git && mv blob .. && cd .. && rm -r work
    """
    subprocess.run(["sh", "-ec", script], cwd=folder, env=clean_environment(folder), check=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write a head, as real servers do it; what follows shares the segment where it fits.
    wbufsize = 64 * 1024

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        self.server.seen.append(self.path)
        if isinstance(self.connection, ssl.SSLSocket):
            self.server.shown.append(self.connection.getpeercert())
        if ".git" in self.path:
            self.serve_git(b"")
        else:
            kind, page = "text/plain", self.server.pages.get(self.path, PAGE)
            if page is None:
                self.reply(404, {}, b"")
                return
            if page.startswith(b"<html>"):
                kind = "text/html"
            self.reply(200, {"Content-Type": kind}, page)

    def do_POST(self):
        self.server.seen.append(self.path)
        self.serve_git(self.read_body())

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(self, status, fields, body):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve_git(self, body):
        """git http-backend as a CGI program (RFC 3875)."""
        path, _, query = self.path.partition("?")
        environment = {
            **clean_environment(self.server.repositories),
            "GIT_PROJECT_ROOT": self.server.repositories,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        output = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=True
        ).stdout
        head, content = output.split(b"\r\n\r\n", 1)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200 OK").split()[0])
        self.reply(status, fields, content)


class Website:
    """An https server on loopback with the origin's certificate, or a plain one; `seen` are the paths
    asked for."""

    def __init__(
        self,
        pki,
        repositories=None,
        address="127.0.0.1",
        pages=None,
        is_plain=False,
        identity=None,
        client_ca=None,
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        identity = identity or pki.origin
        context.load_cert_chain(identity.chain, identity.key)
        if client_ca:  # asks for certificates; `shown` has what came, for each request
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self._server.seen = self.seen = []
        self._server.shown = self.shown = []
        self._server.repositories = repositories
        # By path; everything else is PAGE, and what is None is not there.
        self._server.pages = self.pages = pages or {}
        if not is_plain:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
