"""Very many tunnels on few connections: each echoes, then the client is blocked, and all of them end at once."""

import select
import socket
import threading
import time

from support.config import base_config, client, reach
from support.control import CONTROL, Control
from support.http2 import Http2
from support.scale import PATIENCE


class EchoServer:
    """Echoes on ten thousand connections with one thread."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self._listener.getsockname()[1]
        self._poll = select.epoll()
        self._connections = {}
        self._poll.register(self._listener, select.EPOLLIN)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def live(self):
        return len(self._connections)

    def stop(self):
        self._over.set()
        self._thread.join(PATIENCE)
        for conn in list(self._connections.values()) + [self._listener]:
            conn.close()
        self._poll.close()

    def _run(self):
        while not self._over.is_set():
            for number, _ in self._poll.poll(0.2):
                if number == self._listener.fileno():
                    conn, _ = self._listener.accept()
                    self._connections[conn.fileno()] = conn
                    self._poll.register(conn, select.EPOLLIN)
                else:
                    self._echo(number)

    def _echo(self, number):
        conn = self._connections[number]
        try:
            data = conn.recv(65536)
            if data:
                conn.sendall(data)
                return
        except OSError:
            pass
        self._poll.unregister(number)
        del self._connections[number]
        conn.close()


def play(start, pki, dns, sessions, streams, patience=PATIENCE):
    """Opens, echoes, blocks, and checks the records; gives seconds of each, and how much memory was in use."""
    server = EchoServer()
    dns.addresses("good.test", "127.0.0.1")
    listener = base_config(pki, dns.endpoint)["listeners"][0]
    http2 = {"streams": max(streams, 16), "memory": f"{max(1, streams // 32)}MiB"}
    proxy = start(client(reach("good.test", server.port)), listeners=[{**listener, "http2": http2}], control=CONTROL)
    control, total = Control(proxy), sessions * streams
    target, before, taken = f"good.test:{server.port}", proxy.descriptors(), {}
    connections = [Http2(proxy.connect(alpn=("h2",))) for _ in range(sessions)]
    other = Http2(proxy.connect(pki.ca.leaf("another"), alpn=("h2",)))
    idle = proxy.resident()

    begin = time.monotonic()
    opened = [each.connect(target) for each in connections for _ in range(streams)]
    assert all(stream.status == 200 for stream in opened)
    taken["open"], taken["memory"] = time.monotonic() - begin, proxy.resident() - idle

    begin, cpu = time.monotonic(), proxy.cpu_seconds()
    for number, stream in enumerate(opened):
        stream.send(b"%64d" % number)
    for number, stream in enumerate(opened):
        assert stream.read(64) == b"%64d" % number
    taken["echo"], taken["echo_cpu"] = time.monotonic() - begin, proxy.cpu_seconds() - cpu
    status = control.status()
    assert status["http2"] == {"sessions": sessions + 1, "streams": total}
    assert len(control.ask(b"top 1000\n")[0]["tunnels"]) == min(total, 1000)

    begin, cpu = time.monotonic(), proxy.cpu_seconds()
    control.block(f"sha256:{pki.worker.sha256}")
    blocked = time.monotonic()
    while control.status()["requests"]["tunnel"] > 0:
        assert time.monotonic() - blocked < patience
    taken["block"], taken["gone"] = blocked - begin, time.monotonic() - begin
    taken["gone_cpu"] = proxy.cpu_seconds() - cpu
    closed = proxy.audit.wait_count(total, "close", reason="blocked")
    assert {each["id"] for each in closed} == {stream.fields["x-request-id"] for stream in opened}
    for each in connections:
        each.wait(lambda: False)
        assert each.goaway == 0
    assert {stream.reset for stream in opened} == {8}
    assert other.tunnel(target).status == 200
    for each in connections + [other]:
        each.client.close()
    proxy.wait_descriptors(before)
    server.stop()
    return taken
