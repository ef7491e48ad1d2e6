// fetch: one question of the proxy itself to an HTTP/1.1 server, and its answer (RFC 9110, RFC 9112): a revocation list, an
// OCSP answer, the word of an authorizer.
//
// Everything is bounded: the URL (HTTP_URL_MAX_LEN), the head (FETCH_HEAD_MAX), interim responses (FETCH_MAX_INTERIM), the
// body and the time (fetch_request), questions at once (fetcher_options). A redirect is an answer like any other: it is not
// followed. An answer that is compressed although that was not asked for is malformed.
//
// A question goes out on a kept connection where there is one. If that has ended before a byte of the answer came, it is
// asked once more, on a new one: ask only what may be asked twice (RFC 9112 9.3.1).
#pragma once

#include "proxy/fetch/fetch_request.h"
#include "proxy/fetch/fetcher.h"

enum {
    FETCH_HEAD_MAX = PIECE_CAP, // bytes of the answer's head
    FETCH_MAX_INTERIM = 8,      // 1xx responses before the answer (RFC 9110 15.2)
};

// fetch_result is how it ended. Borrowed until fetch_destroy.
struct fetch_result {
    enum fetch_outcome outcome;
    const char *why; // a sentence for people, that does not repeat the URL; "" with FETCH_OK
    // With FETCH_OK only:
    uint16_t status;          // 200 to 599; of a server that does not follow the rules, too
    struct slice body;        // as long as it is
    const char *content_type; // these three are "" where the head has none, several, or one
    const char *etag;         // of FETCH_FIELD_CAP bytes or more
    const char *last_modified;
};

struct fetch;

// fetch_done_function is called once, from the loop, never from within fetch_start. It may destroy the fetch, which
// nobody else does.
typedef void fetch_done_function(void *arg, const struct fetch_result *result);

// fetch_start asks. `request` is copied. The caller owns the fetch until fetch_destroy. NULL without memory, or if the
// request is not sound (fetch_request_is_sound).
struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_request *request,
                          fetch_done_function *on_done, void *arg) MUST_USE;

// fetch_destroy ends the question, whatever it waits for, without calling back, and frees it. NULL is allowed.
void fetch_destroy(struct fetch *fetch);
