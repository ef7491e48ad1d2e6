#!/usr/bin/python3
"""A small real HTTPS server on the loopback, for tools/quickstart.

    demo_origin.py CERTIFICATE KEY PORT

Owns: the page that the demonstration fetches through the proxy. Binds 127.0.0.1 only (port 0 picks
a free one), prints `ready 127.0.0.1:PORT` once it listens, then one line a request, and goes on
until it is ended. Python's standard library, nothing else.
"""

import http.server
import ssl
import sys


class Page(http.server.BaseHTTPRequestHandler):
    """Answers every GET with who asked, as the origin sees it: the proxy, not the client."""

    protocol_version = "HTTP/1.1"
    server_version = "sallyport-demo-origin"
    timeout = 30

    def do_GET(self):  # pylint: disable=invalid-name
        """The one page."""
        body = ("Hello from the demo origin.\n"
                "You asked for https://%s%s; the connection came from %s.\n"
                % (self.headers.get("Host", "?"), self.path, self.client_address[0])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """One line a request, on stdout."""
        print("origin: " + format % args, flush=True)


class Server(http.server.ThreadingHTTPServer):
    """A thread for each connection, the TLS handshake included: a silent client holds up nobody."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, context):
        super().__init__(address, Page)
        self.context = context

    def finish_request(self, request, client_address):
        request.settimeout(30)
        try:
            with self.context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        except OSError as error:
            print("origin: %s: %s" % (client_address[0], error), flush=True)


def main(argv):
    """The command."""
    if len(argv) != 4 or not argv[3].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(argv[1], argv[2])
    try:
        server = Server(("127.0.0.1", int(argv[3])), context)
    except OSError as error:
        print("demo_origin: 127.0.0.1:%s: %s" % (argv[3], error.strerror), file=sys.stderr)
        return 1
    print("ready 127.0.0.1:%d" % server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
