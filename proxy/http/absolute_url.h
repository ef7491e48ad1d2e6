// absolute_url: the absolute-form of a request target (RFC 9112 3.2.2) as values, read strictly.
//
// Pure. auth/target reads the authority, as for a CONNECT.
#pragma once

#include "auth/target.h"

enum url_kind {
    URL_HTTP,      // http:// (or ws://): `target` and `path` are set
    URL_HTTPS,     // https:// or wss://: for CONNECT
    URL_OTHER,     // another scheme
    URL_ORIGIN,    // origin-form, asterisk-form: meant for the proxy itself
    URL_AUTHORITY, // no scheme and no slash
    URL_BAD,       // http, but not one that could be asked for
};

struct absolute_url {
    enum url_kind kind;
    bool is_websocket; // ws://, which only a request to upgrade may use
    struct target target;
    // from the first `/` on, with the query; empty: the URL has neither path nor query
    struct slice path;
};

// absolute_url_parse reads the target of a request that is no CONNECT. A left-out port is 80. Userinfo,
// a fragment, an empty host, and whatever target_parse refuses are URL_BAD; `*out_why` then is a few words in
// static memory.
void absolute_url_parse(struct slice text, struct absolute_url *out, const char **out_why);
