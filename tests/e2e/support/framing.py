"""The tables of hostile and odd requests: REFUSED, and FORWARDED with what the origin is to see of each.

PORT stands for the origin's port. Each comes from an advisory or a paper on request smuggling, from RFC 9112's own
warnings, or from what servers are known to read differently.
"""

from dataclasses import dataclass, field

URL = b"http://origin.test:PORT/x"
HOST = b"Host: origin.test:PORT\r\n"
GET = b"GET " + URL + b" HTTP/1.1\r\n" + HOST
POST = b"POST " + URL + b" HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = b"5\r\nhello\r\n0\r\n\r\n"


def fill_in(text, port):
    return text.replace(b"PORT", str(port).encode())


@dataclass
class Forwarded:
    sent: bytes
    seen: list  # (method, target, body)
    absent: set = field(default_factory=set)  # fields that are not passed on
    present: dict = field(default_factory=dict)  # name: values


REFUSED = {}  # name: (bytes, statuses)
FORWARDED = {}


def refuse(name, sent, *statuses):
    assert name not in REFUSED, name
    REFUSED[name] = (sent, statuses or (400,))


def forward(name, sent, *seen, absent=(), **present):
    assert name not in FORWARDED, name
    names = {key.replace("_", "-"): value for key, value in present.items()}
    FORWARDED[name] = Forwarded(sent, list(seen) or [("GET", "/x", b"")], set(absent), names)


def lengths():
    """Content-Length: one, of digits."""
    for value in (
        b"", b" ", b"+5", b"-5", b"- 5", b"5 5", b"5,5", b"5, 5", b"5,6", b"5,", b",5", b"5;", b"5;a=b",
        b"05", b"005", b"0x5", b"5h", b"5a", b"a5", b"5.0", b"5e0", b"5_0", b"\"5\"", b"'5'", b"5\x0b", b"\x0c5",
        b"5\x00", b"5\r", b"\xef\xbc\x95", b"9223372036854775808", b"18446744073709551616",
        b"18446744073709551621", b"99999999999999999999999999", b"4294967301 ,", b"NaN", b"chunked", b"5 chunked",
    ):  # fmt: skip
        refuse(f"length {value!r}", POST + b"Content-Length: " + value + b"\r\n\r\nhello")
    two = (
        (b"5", b"5"), (b"5", b"6"), (b"6", b"5"), (b"0", b"5"), (b"5", b"0"), (b"0", b"0"), (b"", b"5"), (b"5", b""),
    )  # fmt: skip
    for first, second in two:
        fields = b"Content-Length: " + first + b"\r\nCONTENT-LENGTH: " + second + b"\r\n\r\nhello"
        refuse(f"lengths {first!r} and {second!r}", POST + fields)
    far = b"Content-Length: 5\r\n" + b"A: b\r\n" * 50 + b"content-length: 6\r\n\r\nhello!"
    refuse("lengths far apart", POST + far)


def codings():
    """Transfer-Encoding: chunked, once, alone."""
    for value in (
        b"", b"identity", b"gzip", b"deflate", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip",
        b"chunked, identity", b"identity, chunked", b"chunked,", b",chunked", b"chunked;", b"chunked;a=b",
        b"chunked ; q=1", b"\"chunked\"", b"'chunked'", b"xchunked", b"chunkedx", b"chunked x", b"x chunked",
        b"chunk", b"chunked\x0b", b"\x0bchunked", b"\x0cchunked", b"chunked\x00", b"\x00chunked", b"chunked\xa0",
        b"\xc2\xa0chunked", b"chunked\x7f", b"c\xe1\x8e\x88unked", b"chunked\r", b"cow", b"chunked-false",
        b"ch\xc3\xbcnked", b"[chunked]", b"(chunked)", b"chunked\\", b"x, chunked", b"trailers", b"close",
    ):  # fmt: skip
        refuse(f"coding {value!r}", POST + b"Transfer-Encoding: " + value + b"\r\n\r\n" + WHOLE)
    for name in (
        b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"\tTransfer-Encoding",
        b"Transfer_Encoding", b"TRANSFER_ENCODING", b"Transfer-Encoding\x00", b"Transfer-Encoding\x0b",
        b"\x0bTransfer-Encoding", b"Transfer-Encoding\xa0", b"Transfer Encoding", b"Transfer-Encod\xefng",
        b"Transfer-Encoding,", b"Transfer-Encoding;", b"(Transfer-Encoding)", b"\"Transfer-Encoding\"",
        b"Transfer-Encoding\r", b"Transfer\\Encoding", b"X: y\nTransfer-Encoding", b"X: y\rTransfer-Encoding",
    ):  # fmt: skip
        refuse(f"coding's name {name!r}", POST + name + b": chunked\r\n\r\n" + WHOLE)
    for name in (b"Content_Length", b"CONTENT_LENGTH", b"Content-Length ", b"Content-Length\t", b"Content Length"):
        refuse(f"length's name {name!r}", POST + name + b": 5\r\n\r\nhello")
    twice = b"Transfer-Encoding: chunked\r\n"
    refuse("two codings", POST + twice + twice + b"\r\n" + WHOLE)
    refuse("two codings, one unknown", POST + twice + b"Transfer-Encoding: x\r\n\r\n" + WHOLE)
    refuse("two codings, one empty", POST + b"Transfer-Encoding:\r\n" + twice + b"\r\n" + WHOLE)
    refuse("a folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + WHOLE)
    refuse("a folded coding, tab", POST + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n" + WHOLE)
    refuse("a coding that a fold goes on", POST + b"Transfer-Encoding: chunked\r\n x\r\n\r\n" + WHOLE)
    old = b"POST " + URL + b" HTTP/1.0\r\n" + HOST
    refuse("a coding in HTTP/1.0", old + twice + b"\r\n" + WHOLE)
    refuse("a coding and a length in HTTP/1.0", old + b"Content-Length: 15\r\n" + twice + b"\r\n" + WHOLE)
    for length in (b"0", b"4", b"5", b"15", b"1000"):
        field_ = b"Content-Length: " + length + b"\r\n"
        refuse(f"length {length!r}, then coding", POST + field_ + twice + b"\r\n" + WHOLE)
        refuse(f"coding, then length {length!r}", POST + twice + field_ + b"\r\n" + WHOLE)
    refuse("coding and an unreadable length", POST + twice + b"Content-Length: x\r\n\r\n" + WHOLE)
    refuse("length and an unknown coding", POST + b"Content-Length: 5\r\nTransfer-Encoding: x\r\n\r\nhello")


def chunks():
    """Chunk sizes are hexadecimal digits, lines end in CRLF, data is as long as it says."""
    for line in (
        b"", b" 5", b"5 ", b"\t5", b"5\t", b"+5", b"-5", b"0x5", b"0X5", b"5h", b"x5", b"5,", b"5.0", b"5_0", b"5 5",
        b"\"5\"", b"5;", b"5:a", b"5 ;a", b"5\x00", b"\x005", b"5\x0b", b"5;a\x00", b"5;a\x7f", b"5\r", b"5;\ra",
        b"5;a\nb", b"5\n5", b"8000000000000000", b"ffffffffffffffff", b"fffffffffffffffb",
        b"10000000000000005", b"00000000000000005", b"100000000000000000000000000000005", b"\xef\xbc\x95",
        b"five", b"5;" + b"a" * 2000, b"5#", b"5\\", b"-0", b"5-",
    ):  # fmt: skip
        refuse(f"chunk line {line[:40]!r}", CHUNKED + line + b"\r\nhello\r\n0\r\n\r\n")
    for name, text in {
        "a bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
        "a bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
        "LF CR after the size": b"5\n\rhello\r\n0\r\n\r\n",
        "a bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
        "a bare CR after the data": b"5\r\nhello\r0\r\n\r\n",
        "nothing after the data": b"5\r\nhello0\r\n\r\n",
        "two CRLF after the data": b"5\r\nhello\r\n\r\n0\r\n\r\n",
        "a blank after the data": b"5\r\nhello \r\n0\r\n\r\n",
        "too much data": b"5\r\nhello!\r\n0\r\n\r\n",
        "too little data": b"6\r\nhello\r\n0\r\n\r\n",
        "a bare LF after the last size": b"5\r\nhello\r\n0\n\r\n",
        "a bare LF at the end": b"5\r\nhello\r\n0\r\n\n",
        "a bare CR at the end": b"5\r\nhello\r\n0\r\n\rX: y\r\n\r\n",
        "a last size with a blank": b"5\r\nhello\r\n0 \r\n\r\n",
        "a negative last size": b"5\r\nhello\r\n-0\r\n\r\n",
        "a request for a trailer": b"0\r\nGET /canary HTTP/1.1\r\n\r\n",
        "a trailer without a colon": b"0\r\nX\r\n\r\n",
        "a trailer with an empty name": b"0\r\n: y\r\n\r\n",
        "a trailer with a blank before the colon": b"0\r\nX : y\r\n\r\n",
        "a folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
        "a trailer that begins folded": b"0\r\n X: y\r\n\r\n",
        "a trailer with NUL": b"0\r\nX: \x00\r\n\r\n",
        "a trailer with a bare LF": b"0\r\nX: y\n\r\n",
        "a trailer with a bare CR": b"0\r\nX: y\rZ: z\r\n\r\n",
        "a trailer that is too long": b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
        "too many trailers": b"0\r\n" + b"X: y\r\n" * 33 + b"\r\n",
        "too many extensions": b"1;" + b"a" * 900 + b"\r\nx\r\n",
    }.items():
        repeat = 25 if name == "too many extensions" else 1
        refuse(name, CHUNKED + text * repeat)


def heads():
    """What a line of a head may hold, and how it ends."""
    line = b"GET " + URL + b" HTTP/1.1\r\n"
    for name, text in {
        "a bare LF after the request line": line[:-2] + b"\n" + HOST + b"\r\n",
        "bare LFs": line[:-2] + b"\n" + HOST[:-2] + b"\n\n",
        "a bare LF after a field": GET + b"A: b\n\r\n",
        "a bare LF for the end": GET + b"A: b\r\n\n",
        "LF CR": GET + b"A: b\n\r\r\n",
        "a bare CR in a value": GET + b"A: b\rC: d\r\n\r\n",
        "a bare CR before CRLF": GET + b"A: b\r\r\n\r\n",
        "a blank line with a blank": GET + b" \r\n\r\n",
        "NUL in a value": GET + b"A: b\x00c\r\n\r\n",
        "NUL in a name": GET + b"A\x00: b\r\n\r\n",
        "a control in a value": GET + b"A: \x01\r\n\r\n",
        "an escape in a value": GET + b"A: \x1b[2J\r\n\r\n",
        "DEL in a value": GET + b"A: \x7f\r\n\r\n",
        "a vertical tab in a value": GET + b"A: \x0b\r\n\r\n",
        "a blank before a colon": GET + b"A : b\r\n\r\n",
        "a tab before a colon": GET + b"A\t: b\r\n\r\n",
        "an empty name": GET + b": b\r\n\r\n",
        "no colon": GET + b"A\r\n\r\n",
        "a blank in a name": GET + b"A B: c\r\n\r\n",
        "a bracket in a name": GET + b"A[b]: c\r\n\r\n",
        "an @ in a name": GET + b"A@b: c\r\n\r\n",
        "obs-text in a name": GET + b"A\x80: c\r\n\r\n",
        "a folded field": GET + b"A: b\r\n c\r\n\r\n",
        "a folded field, tab": GET + b"A: b\r\n\tc\r\n\r\n",
        "a folded first field": line + b" " + HOST + b"\r\n",
        "a second request line": GET + b"GET http://origin.test/ HTTP/1.1\r\n\r\n",
        "two blanks after the method": b"GET  " + URL + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        "two blanks before the version": b"GET " + URL + b"  HTTP/1.1\r\n" + HOST + b"\r\n",
        "a tab after the method": b"GET\t" + URL + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        "a blank after the version": b"GET " + URL + b" HTTP/1.1 \r\n" + HOST + b"\r\n",
        "a blank in front": b" GET " + URL + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        "two empty lines in front": b"\r\n\r\n" + GET + b"\r\n",
        "a bare LF in front": b"\n" + GET + b"\r\n",
        "a bare CR in front": b"\r" + GET + b"\r\n",
        "no version": b"GET " + URL + b"\r\n" + HOST + b"\r\n",
        "version 0.9": b"GET " + URL + b" HTTP/0.9\r\n" + HOST + b"\r\n",
        "version 1.2": b"GET " + URL + b" HTTP/1.2\r\n" + HOST + b"\r\n",
        "version 1.01": b"GET " + URL + b" HTTP/1.01\r\n" + HOST + b"\r\n",
        "version 11": b"GET " + URL + b" HTTP/11\r\n" + HOST + b"\r\n",
        "version 2.0": b"GET " + URL + b" HTTP/2.0\r\n" + HOST + b"\r\n",
        "version in lower case": b"GET " + URL + b" http/1.1\r\n" + HOST + b"\r\n",
        "version with a suffix": b"GET " + URL + b" HTTP/1.1x\r\n" + HOST + b"\r\n",
        "a version with a vertical tab": b"GET " + URL + b"\x0bHTTP/1.1\r\n" + HOST + b"\r\n",
        "a method that is no token": b"G(T " + URL + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        "a method of 33 bytes": b"G" * 33 + b" " + URL + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        "two Hosts": GET + HOST + b"\r\n",
        "two different Hosts": GET + b"Host: evil.test\r\n\r\n",
        "a Host with two ports": line + b"Host: origin.test:PORT:80\r\n\r\n",
        "a Host that is a URL": line + b"Host: http://origin.test\r\n\r\n",
        "a Host with userinfo": line + b"Host: a@origin.test:PORT\r\n\r\n",
        "a Host with a path": line + b"Host: origin.test:PORT/\r\n\r\n",
        "a Host list": line + b"Host: origin.test:PORT, evil.test\r\n\r\n",
        "an empty Host": line + b"Host:\r\n\r\n",
        "no Host": line + b"\r\n",
        "Connection that is no list of tokens": GET + b"Connection: a b\r\n\r\n",
        "Connection with too many options": GET + b"Connection: " + b"a," * 33 + b"\r\n\r\n",
        "TRACE with a body": (
            b"TRACE " + URL + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
        ),
        "an upgrade with a body": (
            POST + b"Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\nhello"
        ),
        "ws:// without an upgrade": (
            b"GET ws://origin.test:PORT/ HTTP/1.1\r\n" + HOST + b"\r\n"
        ),
    }.items():
        refuse(name, text)
    refuse("another Expect", POST + b"Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417)
    refuse("two Expects", POST + b"Expect: 100-continue\r\nExpect: x\r\nContent-Length: 5\r\n\r\nhello", 417)
    options = b"OPTIONS " + URL + b" HTTP/1.1\r\n" + HOST
    refuse("Max-Forwards that is used up", options + b"Max-Forwards: 0\r\n\r\n", 405)
    refuse("Max-Forwards that is no number", options + b"Max-Forwards: x\r\n\r\n")
    refuse("two Max-Forwards", options + b"Max-Forwards: 5\r\nMax-Forwards: 6\r\n\r\n")
    refuse("a long line", GET + b"A: " + b"b" * 33_000 + b"\r\n\r\n", 431)
    refuse("a long URL", b"GET " + URL + b"a" * 33_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431)
    refuse("a long head", GET + (b"A: " + b"b" * 4000 + b"\r\n") * 9 + b"\r\n", 431)
    refuse("too many fields", GET + b"A: b\r\n" * 257 + b"\r\n", 431)
    refuse("a name without end", GET + b"A" * 33_000, 431)


def targets():
    """URLs that name no target, or more than one."""
    for target in (
        b"/x", b"*", b"//origin.test:PORT/x", b"origin.test:PORT", b"origin.test", b"http:/origin.test:PORT/x",
        b"http:origin.test", b"http:///x", b"http://", b"http://?x", b"https://origin.test:PORT/x",
        b"ftp://origin.test:PORT/x", b"file:///x", b"gopher://origin.test:PORT/x", b"wss://origin.test:PORT/x",
        b"http://u@origin.test:PORT/x", b"http://u:p@origin.test:PORT/x", b"http://@origin.test:PORT/x",
        b"http://evil.test\\@origin.test:PORT/x", b"http://origin.test:PORT\\x", b"http://origin.test:PORT#/x",
        b"http://origin.test:PORT/x#", b"http://origin.test:PORT/x#y", b"http://origin.test:/x",
        b"http://origin.test:0PORT/x", b"http://origin.test:+PORT/x", b"http://origin.test:PORT:PORT/x",
        b"http://origin.test:99999/x", b"http://origin..test:PORT/x", b"http://.origin.test:PORT/x",
        b"http://origin.test..:PORT/x", b"http://origin%2etest:PORT/x", b"http://origin.test%00:PORT/x",
        b"http://[origin.test]:PORT/x", b"http://[::1:PORT/x", b"http://[::ffff:127.0.0.1]:PORT/x",
        b"http://127.1:PORT/x", b"http://2130706433:PORT/x", b"http://0x7f.1:PORT/x", b"http://0177.0.0.1:PORT/x",
        b"http://origin.test,evil.test:PORT/x", b"http://origin.test;evil.test:PORT/x", b"ht\x00tp://origin.test/x",
        b"http://origin.test:PORT/\x00", b"http://origin.test:PORT/\x80", b"http://origin.test:PORT/\x7f",
        b"http://origin.test:PORT/\xc3", b"http://origin.test:PORT/\xc0\xaf", b"http://origin.test:PORT/\xed\xa0\x80",
        b"http://origin.test:PORT/\xf4\x90\x80\x80", b"http://\xc3\xb6rigin.test:PORT/x", b"http://\xc3\xa9@origin.test/x",
        b"http://origin.test\xef\xbc\x9aPORT/x", b"http://origin\xe3\x80\x82test:PORT/x", b"http\xef\xbc\x9a//origin.test/x",
    ):  # fmt: skip
        refuse(f"target {target!r}", b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")


def plainly():
    """What is odd, but says one thing only."""
    one = ("GET", "/x", b"")
    posted = ("POST", "/x", b"hello")
    canary = b"GET http://origin.test:PORT/second HTTP/1.1\r\n" + HOST + b"\r\n"
    second = ("GET", "/second", b"")
    forward("an empty line in front", b"\r\n" + GET + b"\r\n")
    forward("no blank after a colon", GET + b"A:b\r\n\r\n", a=["b"])
    forward("blanks round a value", GET + b"A: \t b \t\r\n\r\n", a=["b"])
    forward("an empty value", GET + b"A:\r\n\r\n", a=[""])
    forward("obs-text in a value", GET + b"A: \xc3\xa9\xff\r\n\r\n", a=["\xc3\xa9\xff"])
    forward("a tab in a value", GET + b"A: b\tc\r\n\r\n", a=["b\tc"])
    forward("a colon in a value", GET + b"A: b: c\r\n\r\n", a=["b: c"])
    forward("a field twice", GET + b"A: b\r\nA: c\r\n\r\n", a=["b", "c"])
    forward("a name of 300 bytes", GET + b"n" * 300 + b": v\r\n\r\n")
    forward("every byte of a token", GET + b"!#$%&'*+-.^_`|~09azAZ: v\r\n\r\n")
    forward("a hundred fields", GET + b"A: b\r\n" * 99 + b"\r\n")
    forward("two requests", GET + b"\r\n" + canary, one, second)
    forward("an empty line between two", GET + b"\r\n\r\n" + canary, one, second)
    forward("a length", POST + b"Content-Length: 5\r\n\r\nhello" + canary, posted, second)
    forward("a length of nothing", POST + b"Content-Length: 0\r\n\r\n" + canary, ("POST", "/x", b""), second)
    forward("neither length nor coding", POST + b"\r\n" + canary, ("POST", "/x", b""), second)
    forward("chunks", CHUNKED + WHOLE + canary, posted, second)
    forward("chunks in capitals", POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + WHOLE + canary, posted, second)
    forward("many chunks", CHUNKED + b"1\r\nx\r\n" * 500 + b"0\r\n\r\n" + canary, ("POST", "/x", b"x" * 500), second)
    forward("zeros in front of a size", CHUNKED + b"0000000005\r\nhello\r\n00\r\n\r\n" + canary, posted, second)
    forward("a size in capitals", CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", ("POST", "/x", b"0123456789"))
    forward("extensions", CHUNKED + b"5;a=b;c=\"d;e\"\r\nhello\r\n0;f\r\n\r\n" + canary, posted, second)
    forward("a trailer", CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n" + canary, posted, second)
    trailers = b"Content-Length: 99\r\nTransfer-Encoding: x\r\nHost: evil.test\r\n"
    forward("trailers that would frame", CHUNKED + b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n" + canary, posted, second)
    forward("chunks that look like an end", CHUNKED + b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", ("POST", "/x", b"0\r\n\r\n"))
    inner = b"GET /inner HTTP/1.1\r\n\r\n"
    forward(
        "a body that looks like a request",
        POST + b"Content-Length: %d\r\n\r\n" % len(inner) + inner + canary,
        ("POST", "/x", inner), second,
    )  # fmt: skip
    forward(
        "GET with a body", GET + b"Content-Length: 5\r\n\r\nhello" + canary, ("GET", "/x", b"hello"), second
    )
    forward("GET with chunks", GET + b"Transfer-Encoding: chunked\r\n\r\n" + WHOLE, ("GET", "/x", b"hello"))
    forward("a length beside Connection: Content-Length",
            POST + b"Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello" + canary, posted, second)  # fmt: skip
    forward("a coding beside Connection: Transfer-Encoding",
            POST + b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n" + WHOLE + canary,
            posted, second)  # fmt: skip
    forward("Connection: Host", GET + b"Connection: Host\r\n\r\n")
    forward("Connection names a field", GET + b"Connection: X-Own\r\nX-Own: y\r\n\r\n", absent=["x-own", "connection"])
    forward("Connection names a field that comes first", GET + b"X-Own: y\r\nConnection: x-own\r\n\r\n", absent=["x-own"])
    forward("two Connections", GET + b"Connection: a\r\nConnection: b\r\nA: 1\r\nB: 2\r\n\r\n", absent=["a", "b"])
    forward("Connection with empty items", GET + b"Connection: ,, a ,\r\nA: 1\r\n\r\n", absent=["a"])
    hops = ("Keep-Alive: 5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic Zm9v", "TE: gzip",
            "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Proxy-Authenticate: Basic",
            "Upgrade: websocket", "Trailer: X")  # fmt: skip
    for hop in hops:
        forward(hop, GET + hop.encode() + b"\r\n\r\n", absent=[hop.split(":")[0].lower()])
    forward("h2c", GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
            absent=["upgrade", "http2-settings", "connection"])  # fmt: skip
    options = b"OPTIONS " + URL + b" HTTP/1.1\r\n" + HOST + b"Max-Forwards: 7\r\n\r\n"
    forward("Max-Forwards", options, ("OPTIONS", "/x", b""), max_forwards=["6"])
    forward("Max-Forwards of GET", GET + b"Max-Forwards: 0\r\n\r\n", max_forwards=["0"])
    forward("Via of somebody else", GET + b"Via: 1.1 other\r\n\r\n", via=["1.1 other", "1.1 sallyport"])
    forward("names that nearly frame", GET + b"Content-Lengths: 5\r\nX-Transfer-Encoding: chunked\r\n\r\n")
    forward("X-Forwarded-For is nobody's business", GET + b"X-Forwarded-For: 127.0.0.1\r\n\r\n")
    for method in ("HEAD", "OPTIONS", "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "get", "CONNECTX"):
        line = method.encode() + b" " + URL + b" HTTP/1.1\r\n" + HOST + b"\r\n"
        forward(f"method {method}", line + canary, (method, "/x", b""), second)
    for target, seen in {
        b"http://origin.test:PORT": "/",
        b"http://origin.test:PORT?q": "/?q",
        b"HTTP://ORIGIN.test.:PORT/A": "/A",
        b"http://origin.test:PORT//": "//",
        b"http://origin.test:PORT/../x": "/../x",
        b"http://origin.test:PORT/%00%0d%0a": "/%00%0d%0a",
        b"http://origin.test:PORT/x?http://evil.test/": "/x?http://evil.test/",
        b"http://origin.test:PORT/x@y": "/x@y",
        b"http://origin.test:PORT/a\\b|c{d}\"e": "/a\\b|c{d}\"e",
        b"http://127.0.0.1:PORT/x": "/x",
        b"http://origin.test:PORT/caf\xc3\xa9": "/caf%C3%A9",
        b"http://origin.test:PORT?\xe6\x97\xa5=\xf0\x9f\x98\x80": "/?%E6%97%A5=%F0%9F%98%80",
        # A reader that takes the line for Latin-1 finds a blank in it, and a second version.
        b"http://origin.test:PORT/\xc3\xa0HTTP/1.1": "/%C3%A0HTTP/1.1",
        b"http://origin.test:PORT/\xc2\x85HTTP/1.1": "/%C2%85HTTP/1.1",
    }.items():  # fmt: skip
        host = b"127.0.0.1" if b"127" in target else b"origin.test"
        text = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b":PORT\r\n\r\n"
        forward(f"target {target!r}", text, ("GET", seen, b""))
    forward("OPTIONS of the whole server", b"OPTIONS http://origin.test:PORT HTTP/1.1\r\n" + HOST + b"\r\n",
            ("OPTIONS", "*", b""))  # fmt: skip
    forward("a Host without the port", b"GET " + URL + b" HTTP/1.1\r\nHost: origin.test\r\n\r\n")
    for host in (b"evil.test", b"origin.test:1", b"evil.test:PORT", b"127.0.0.1:8443", b"[::1]:8443"):
        forward(f"a Host of its own, {host!r}", b"GET " + URL + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    old = b"GET " + URL + b" HTTP/1.0\r\n"
    forward("HTTP/1.0 without Host", old + b"\r\n", via=["1.0 sallyport"])
    forward("HTTP/1.0 that stays open", old + b"Connection: keep-alive\r\n\r\n" + canary, one, second)
    forward("HTTP/1.0 with a length", b"POST " + URL + b" HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", posted)
    forward("HTTP/1.0 that expects", b"POST " + URL + b" HTTP/1.0\r\nExpect: x\r\nContent-Length: 5\r\n\r\nhello",
            posted, absent=["expect"])  # fmt: skip


for table in (lengths, codings, chunks, heads, targets, plainly):
    table()
