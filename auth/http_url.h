// http_url: an absolute `http://` or `https://` URL of a server that the proxy itself asks, as values, canonical (RFC 3986,
// RFC 9110 4.2).
//
// Pure. URLs come from the config and from certificates. Canonical: scheme and host in lower case, no port where it is the
// scheme's own, a path always, hexadecimal digits of `%XX` in upper case. What two readers could read in two ways is refused:
// userinfo, a fragment, an empty host, a colon without a port, other spellings of an address, `.` and `..` as a segment (`..;` too),
// `%XX` of a byte that needs none or of a control byte, and bytes that may not be in a URL. So two URLs mean the same if and
// only if their texts are equal, as far as one can tell without asking the server.
#pragma once

#include "auth/target.h"

enum { HTTP_URL_MAX_LEN = 1024 }; // bytes of the text

struct http_url {
    bool is_https;
    struct target target;            // its port is always set
    uint16_t len;                    // bytes of the text
    uint16_t path_at;                // where in the text the path begins, which a query may follow
    char text[HTTP_URL_MAX_LEN + 1]; // canonical, NUL-terminated
};

// http_url_parse reads a URL that fills `text`. ERR_INPUT with the reason in `info`, which does not repeat the URL.
enum err http_url_parse(struct slice text, struct http_url *out, struct errinfo *info) MUST_USE;

// http_url_authority gives the host, with the port where it is not the scheme's own: the value of a Host field. Borrowed.
struct slice http_url_authority(const struct http_url *url);

// http_url_path gives the path and the query: what is asked for. Borrowed.
struct slice http_url_path(const struct http_url *url);

// http_url_equal tells whether both are the same URL.
bool http_url_equal(const struct http_url *a, const struct http_url *b);

// http_url_is_prefix tells whether the URL may stand for everything below it: its path ends in `/`, and there is no query.
bool http_url_is_prefix(const struct http_url *url);

// http_url_is_under tells whether `url` has scheme, host and port of `prefix`, and a path that begins with that of the
// prefix. False where `prefix` is none, and where the path has an encoded `/`, `\`, `;` or `%`, or a segment that begins like
// `..%`, which a server may decode, be it twice.
bool http_url_is_under(const struct http_url *url, const struct http_url *prefix);

// http_url_is_under_any tells whether `url` is under one of the prefixes.
bool http_url_is_under_any(const struct http_url *url, const struct http_url *prefixes,
                           size_t count);
