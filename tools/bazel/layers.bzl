"""The rule of layers: what a folder may include.

Owns: the one table of it. Bazel makes the dependencies of a folder's library from its row (cc.bzl), and
tools/lint.py checks every #include against it, down to the header where a row names one.
A row: our own folders and headers; headers of libraries. A folder may always include itself. A file that no row
covers (proxy/main.c) may include everything. lint.py reads the table as Python.
"""

LAYERS = {
    "auth/base": ([], []),
    "auth": (
        ["auth/base/"],
        ["openssl/", "jansson.h"],
    ),
    "proxy/admin": (["auth/", "proxy/config/"], ["ev.h", "jansson.h"]),
    "proxy/audit": (["auth/", "proxy/clock/"], ["pthread.h"]),
    "proxy/cli": (
        [
            "auth/",
            "proxy/admin/",
            "proxy/audit/",
            "proxy/config/",
            "proxy/explain/",
            "proxy/history/",
            "proxy/lint/",
            "proxy/log/",
            "proxy/net/",
            "proxy/pki/",
            "proxy/service/",
            "proxy/sidecar/",
            "proxy/tls/",
            "proxy/version.h",
        ],
        ["openssl/", "ev.h", "ares_version.h", "jansson.h"],
    ),
    "proxy/clock": ([], []),
    "proxy/config": (
        ["auth/", "proxy/http2/http2_options.h", "proxy/log/log_options.h", "proxy/tls/", "proxy/net/host_table.h", "proxy/net/resolver_options.h", "proxy/net/sockaddr.h"],
        ["openssl/", "yaml.h", "idn2.h"],
    ),
    "proxy/explain": (["auth/"], []),
    "proxy/handover": (["auth/"], ["ev.h", "openssl/mem.h"]),
    "proxy/history": (["auth/", "proxy/net/sockaddr.h"], ["jansson.h"]),
    "proxy/http": (["auth/"], []),
    "proxy/http2": (
        ["auth/base/", "auth/ipaddr.h", "proxy/http/", "proxy/net/stream.h", "proxy/net/buffer.h"],
        ["nghttp2/"],
    ),
    "proxy/limits": (
        ["auth/", "proxy/net/pace.h"],
        ["openssl/siphash.h", "openssl/rand.h", "pthread.h"],
    ),
    "proxy/lint": (
        ["auth/", "proxy/config/", "proxy/net/host_table.h", "proxy/net/sockaddr.h"],
        ["libpsl.h"],
    ),
    "proxy/log": (["auth/base/", "proxy/clock/"], []),
    "proxy/loop": (["auth/base/", "proxy/clock/", "proxy/log/"], ["ev.h", "pthread.h"]),
    "proxy/metrics": (["auth/base/"], []),
    "proxy/monitor": (
        ["auth/", "proxy/config/admin_settings.h", "proxy/http/", "proxy/net/"],
        ["ev.h"],
    ),
    "proxy/net": (
        ["auth/base/", "auth/ipaddr.h", "auth/iprange.h", "proxy/clock/", "proxy/loop/", "proxy/metrics/histogram.h"],
        ["ev.h", "ares.h", "openssl/bytestring.h", "openssl/rand.h", "openssl/siphash.h"],
    ),
    "proxy/pki": (["auth/", "proxy/config/file.h"], ["openssl/"]),
    "proxy/process": (["auth/base/", "proxy/clock/"], ["ev.h", "pthread.h"]),
    "proxy/service": (
        [
            "auth/",
            "proxy/admin/",
            "proxy/audit/",
            "proxy/clock/",
            "proxy/config/",
            "proxy/handover/",
            "proxy/limits/",
            "proxy/log/",
            "proxy/loop/",
            "proxy/metrics/",
            "proxy/monitor/",
            "proxy/net/",
            "proxy/process/",
            "proxy/session/",
            "proxy/tls/",
            "proxy/version.h",
            "proxy/worker/",
        ],
        ["ev.h", "openssl/mem.h", "pthread.h"],
    ),
    "proxy/session": (
        [
            "auth/",
            "proxy/audit/",
            "proxy/clock/",
            "proxy/config/",
            "proxy/http/",
            "proxy/http2/",
            "proxy/limits/",
            "proxy/log/",
            "proxy/loop/",
            "proxy/metrics/",
            "proxy/net/",
            "proxy/tls/",
        ],
        ["openssl/", "ev.h"],
    ),
    "proxy/sidecar": (
        [
            "auth/",
            "proxy/clock/",
            "proxy/config/endpoint_text.h",
            "proxy/config/file.h",
            "proxy/config/system_resolver.h",
            "proxy/http/",
            "proxy/http2/",
            "proxy/log/",
            "proxy/loop/",
            "proxy/net/",
            "proxy/process/",
            "proxy/tls/",
        ],
        ["openssl/", "ev.h", "jansson.h"],
    ),
    "proxy/tls": (
        ["auth/base/", "auth/hostname.h", "auth/pem.h", "proxy/net/stream.h", "proxy/net/buffer.h"],
        ["openssl/", "pthread.h"],
    ),
    "proxy/worker": (
        [
            "auth/",
            "proxy/audit/",
            "proxy/clock/",
            "proxy/config/snapshot.h",
            "proxy/limits/",
            "proxy/log/",
            "proxy/loop/",
            "proxy/net/",
            "proxy/session/",
        ],
        ["ev.h", "pthread.h"],
    ),
}
