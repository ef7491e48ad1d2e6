// client_hello: the first flight of a TLS client, as it passes through a tunnel: which server does it name?
//
// Pure, and never a party to the handshake: it reads what a server would read, and refuses what two servers could read
// in two ways. What it does not know (versions, extensions, suites, GREASE of RFC 8701) is read past. RFC 8446 4.1.2 and
// 5.1, RFC 6066 3, RFC 7301 3.1, RFC 9849.
#pragma once

#include "auth/hostname.h"

// Bytes of the stream, record headers included, that a first flight may have.
enum { CLIENT_HELLO_MAX_LEN = 32 * 1024 };

// Bytes with the NUL of the first protocol of ALPN.
enum { ALPN_TEXT_CAP = 32 };

enum client_hello_status {
    CLIENT_HELLO_PARTIAL, // more bytes are needed
    CLIENT_HELLO_READ,    // read whole
    CLIENT_HELLO_NOT_TLS, // something else: the first bytes are no handshake record
    CLIENT_HELLO_BAD, // TLS that no server should take, or that two servers could read in two ways
    CLIENT_HELLO_TOO_LARGE, // longer than CLIENT_HELLO_MAX_LEN
};

enum client_hello_name {
    CLIENT_HELLO_NO_NAME,    // no server_name extension
    CLIENT_HELLO_NAMED,      // `name`
    CLIENT_HELLO_WRONG_NAME, // a server_name that is no host name: an address, or other bytes
};

struct client_hello {
    size_t
        needed; // with PARTIAL: bytes of the stream without which asking again gives PARTIAL again
    size_t len; // with READ: bytes of the stream, up to the end of the last record of the message
    enum client_hello_name naming;
    struct hostname name; // the outer name where ECH is offered
    uint16_t
        version; // the highest that is offered, as on the wire; 0x0303 is TLS 1.2, 0x0304 is TLS 1.3
    bool has_ech;        // an encrypted_client_hello extension, real or GREASE: they look the same
    bool has_early_data; // 0-RTT data may follow
    char alpn
        [ALPN_TEXT_CAP]; // the first protocol without GREASE; empty: none, or not printable, or too long
};

// client_hello_read reads the first flight at the beginning of `stream`. The answer for a longer stream is the same once
// it is not PARTIAL. `scratch` takes the message where it comes in several records. `*out` is fully written.
enum client_hello_status client_hello_read(struct slice stream,
                                           uint8_t scratch[CLIENT_HELLO_MAX_LEN],
                                           struct client_hello *out);

// client_hello_version_text gives `1.3`, `1.2`, ... of a version on the wire; "unknown" for others. Static memory.
const char *client_hello_version_text(uint16_t version);
