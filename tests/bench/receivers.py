"""Those who watch a proxy that is measured: receivers of its audit log, and somebody who asks for metrics.

Owns: processes of their own, so that their work is not the generator's. They count as other programs do.
"""

import multiprocessing
import os
import signal
import socket
import ssl
import threading

EVERY_S = 1
CAP = 256 * 1024


class Process:
    """Runs `self.work()` until it is ended."""

    def begin(self):
        self.process = multiprocessing.get_context("fork").Process(target=self._run, daemon=True)
        self.process.start()

    def _run(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        self.work()
        os._exit(0)

    def stop(self):
        self.process.kill()
        self.process.join()


class Taker(Process):
    """Takes records and throws them away: datagrams at `path`, and streams over TLS."""

    def __init__(self, path, leaf):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(leaf.chain, leaf.key)
        self.datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagrams.bind(path)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.begin()

    def work(self):
        threading.Thread(target=self._take_datagrams, daemon=True).start()
        while True:
            connection, _ = self.listener.accept()
            with self.context.wrap_socket(connection, server_side=True) as stream:
                while stream.recv(CAP):
                    pass

    def _take_datagrams(self):
        while self.datagrams.recv(CAP):
            pass

    def stop(self):
        super().stop()
        self.datagrams.close()
        self.listener.close()


class Watcher(Process):
    """Asks for metrics once a second."""

    def __init__(self, path):
        self.path = path
        self.begin()

    def work(self):
        while True:
            threading.Event().wait(EVERY_S)
            with socket.socket(socket.AF_UNIX) as asking:
                if asking.connect_ex(self.path) != 0:
                    continue
                asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                while asking.recv(CAP):
                    pass
