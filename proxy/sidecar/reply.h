// reply: what the sidecar itself says to a local client, in HTTP/1.1: why the proxy could not be used, what
// this port is, and the PAC file. Pure.
//
// As in the proxy's own answers, the reason phrase carries the cause, because many clients show nothing else
// (RFC 9112 4; Proxy-Status: RFC 9209). Nothing of the request gets into a reply.
#pragma once

#include "auth/base/text.h"
#include "proxy/uplink/cause.h"

enum { REPLY_CAP = 2048 }; // bytes that always suffice, with the NUL

// reply_failure appends the answer for a proxy that could not be used. `detail` is a few words or "";
// `alert` is the proxy's, or 0.
void reply_failure(enum cause cause, const char *detail, uint8_t alert, struct text *out);

// reply_refusal appends an answer that refuses a request: `what` and `why`, in a few words of ours, make the sentence, and
// `error` is of RFC 9209.
void reply_refusal(uint16_t status, const char *error, const char *what, const char *why,
                   struct text *out);

// reply_pac appends the PAC file: everything goes to `endpoint`, except what is for this machine itself. `has_body` is
// false for HEAD.
void reply_pac(const char *endpoint, bool has_body, struct text *out);

// reply_about appends the 404 for a client that takes this port for a web server's.
void reply_about(const char *endpoint, struct text *out);
