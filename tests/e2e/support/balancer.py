"""Balancers in front of the proxy: their headers as bytes, good and hostile, and HAProxy and nginx as they are."""

import os
import socket
import struct
import subprocess

from support.readers import answers, free_port
from support.scale import PATIENCE, eventually

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
NONE, TCP4, TCP6, UNIX = 0x00, 0x11, 0x21, 0x31

UNKNOWN = b"PROXY UNKNOWN\r\n"


def v1(source, port=40000, family="TCP4"):
    target = "198.51.100.1" if family == "TCP4" else "2001:db8::1"
    return f"PROXY {family} {source} {target} {port} 8443\r\n".encode()


def part(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(source=None, *parts, port=40000, command=PROXY, family=None):
    """A header of version 2; without `source` it has no addresses."""
    body = b""
    if source:
        is_v6 = ":" in source
        target = "2001:db8::1" if is_v6 else "198.51.100.1"
        kind = socket.AF_INET6 if is_v6 else socket.AF_INET
        family = family or (TCP6 if is_v6 else TCP4)
        body = socket.inet_pton(kind, source) + socket.inet_pton(kind, target) + struct.pack("!HH", port, 8443)
    body += b"".join(parts)
    return SIGNATURE + struct.pack("!BBH", command, family or NONE, len(body)) + body


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def summed(source, *parts):
    """A header of version 2 with its checksum."""
    header = v2(source, *parts, part(0x03, bytes(4)))
    return header[:-4] + struct.pack("!I", crc32c(header))


def spoiled(header, at):
    return header[:at] + bytes([header[at] ^ 0x40]) + header[at + 1 :]


# Sent by who may send a header: each is refused, those that are not whole once the wait is over.
HOSTILE = [
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/1.1\r\nHost: proxy.test\r\n\r\n",
    b"CONNECT origin.test:443 HTTP/1.1\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\0",
    b"\xff" * 300,
    b"PROXY\r\n",
    b"PROXY \r\n",
    b"PROXY\tTCP4 192.0.2.1 198.51.100.1 1 2\r\n",
    b"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP4 192.0.2.1\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
    b"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\0\r\n",
    b"PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 192.0.513 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 3221225985 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 0xc0000201 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 client.test 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 00001 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 -1 2\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1e3 2\r\n",
    b"PROXY TCP4 0.0.0.0 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 255.255.255.255 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 239.1.2.3 198.51.100.1 1 2\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::8 1 2\r\n",
    b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
    b"PROXY TCP6 fe80::1%lo 2001:db8::8 1 2\r\n",
    b"PROXY TCP6 :: 2001:db8::8 1 2\r\n",
    b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
    b"PROXY UNKNOWNS\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    b"PROXY TCP4 " + b"1" * 5000,
    spoiled(v2("192.0.2.1"), 11),
    v2("192.0.2.1", command=0x22),
    v2("192.0.2.1", command=0x11),
    v2("192.0.2.1", command=0x30),
    v2("192.0.2.1", family=0x12),
    v2("192.0.2.1", family=0x10),
    v2("192.0.2.1", family=0x22),
    v2(None, bytes(216), family=UNIX),
    v2("192.0.2.1", family=TCP6),
    v2(None, bytes(11), family=TCP4),
    v2(None, bytes(35), family=TCP6),
    v2("0.0.0.0"),
    v2("::ffff:224.0.0.1"),
    v2("192.0.2.1", b"\x04"),
    v2("192.0.2.1", b"\x04\0\x05ab"),
    v2("192.0.2.1", b"\x20\xff\xff"),
    v2("192.0.2.1", part(0x03, bytes(4))),
    v2("192.0.2.1", part(0x03, bytes(3))),
    spoiled(summed("192.0.2.1", part(0x05, b"id")), 17),
    v2("192.0.2.1", part(0xEA, bytes(5000))),
    SIGNATURE + struct.pack("!BBH", PROXY, TCP4, 0xFFFF) + bytes(3000),
]
# Not whole: what is missing never comes.
UNFINISHED = [
    b"",
    b"P",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r",
    b"PROXY UNKNOWN",
    SIGNATURE[:4],
    SIGNATURE,
    v2("192.0.2.1")[:-1],
    v2("192.0.2.1", part(0xEA, bytes(3000)))[:-1],
]


# -- reading them -------------------------------------------------------------------------------


def take(conn, size):
    data = b""
    while len(data) < size:
        more = conn.recv(size - len(data))
        assert more, f"only {data!r} of {size} bytes"
        data += more
    return data


def parts_of(data):
    """The parts of a header, by kind; one that stands twice is a mistake."""
    found = {}
    while data:
        kind, size = struct.unpack("!BH", data[:3])
        assert kind not in found and len(data) >= 3 + size, data
        found[kind], data = data[3 : 3 + size], data[3 + size :]
    return found


def read_v2(conn):
    """The header of version 2 at the front of a connection, and not a byte more."""
    fixed = take(conn, 16)
    assert fixed[:13] == SIGNATURE + bytes([PROXY]), fixed
    family, size = fixed[13], struct.unpack("!H", fixed[14:])[0]
    data = take(conn, size)
    said = {"source": None, "target": None}
    if family != NONE:
        kind, width = {TCP4: (socket.AF_INET, 4), TCP6: (socket.AF_INET6, 16)}[family]
        ports = struct.unpack("!HH", data[2 * width : 2 * width + 4])
        for at, name in enumerate(("source", "target")):
            said[name] = (socket.inet_ntop(kind, data[at * width : (at + 1) * width]), ports[at])
        data = data[2 * width + 4 :]
    parts = parts_of(data)
    tls = parts.pop(0x20)
    said |= {"id": parts.pop(0x05).decode(), "flags": tls[0], "verify": int.from_bytes(tls[1:5], "big")}
    inside = {kind: value.decode() for kind, value in parts_of(tls[5:]).items()}
    assert not parts and set(inside) <= {0x21, 0x22, 0x23}, (parts, inside)
    return said | {"version": inside[0x21], "cn": inside.get(0x22), "cipher": inside[0x23]}


HAPROXY = """
global
    maxconn 200
defaults
    mode tcp
    timeout connect 20s
    timeout client 120s
    timeout server 120s
listen front
    bind 127.0.0.1:{port} {bind}
    server proxy {host}:{upstream} {send} source {source}
"""

NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; user root root; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections 64; }}
stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass {host}:{upstream}; proxy_bind {source}; proxy_protocol on; }} }}
"""


class Balancer:
    """HAProxy, or nginx where `send` is None, that passes connections on from `source`."""

    def __init__(self, folder, address, source, send=None, bind=""):
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        config = folder / f"balancer-{self.port}.conf"
        config.write_text(
            (HAPROXY if send else NGINX).format(
                folder=folder,
                port=self.port,
                host=address[0],
                upstream=address[1],
                source=source,
                send=send,
                bind=bind,
            )
        )
        command = ["/usr/sbin/haproxy", "-db", "-f"] if send else ["/usr/sbin/nginx", "-e", "/dev/null", "-c"]
        with open(folder / f"balancer-{self.port}.out", "wb") as output:
            self.process = subprocess.Popen(
                [*command, str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.environ["PATH"]},
            )
        eventually(lambda: answers(self.port) or self.process.poll() is not None, "the balancer to listen")
        assert self.process.poll() is None, (folder / f"balancer-{self.port}.out").read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
