// reply: what the sidecar itself says to a local client, in HTTP/1.1: why the proxy could not be used, what
// this port is, and the PAC file. Pure.
//
// As with the proxy's own answers, the reason phrase carries the cause, for many clients show nothing else
// (RFC 9112 4; Proxy-Status: RFC 9209). Nothing of the request gets into a reply.
#pragma once

#include "auth/base/text.h"
#include "proxy/sidecar/cause.h"

enum { REPLY_CAP = 2048 }; // bytes that always suffice, with the NUL

// reply_failure appends the answer for a proxy that could not be used. `detail` is a few words or "";
// `alert` is the proxy's, or 0.
void reply_failure(enum cause cause, const char *detail, uint8_t alert, struct text *out);

// reply_bad_request appends a 400 with a few words of ours, reply_too_large a 431.
void reply_bad_request(const char *why, struct text *out);
void reply_too_large(struct text *out);

// reply_late appends the 408 for a head that was begun and not finished.
void reply_late(struct text *out);

// reply_draining appends the 503 of a sidecar that is stopping, reply_full that of one with too many
// connections.
void reply_draining(struct text *out);
void reply_full(struct text *out);

// reply_pac appends the PAC file: everything but this machine itself goes to `endpoint`, and never around
// it. `has_body` is false for HEAD.
void reply_pac(const char *endpoint, bool has_body, struct text *out);

// reply_about appends the 404 for somebody who takes this port for a web server.
void reply_about(const char *endpoint, struct text *out);
