// trial: a handshake in memory, to find out before any client does whether a context can finish one.
//
// Private to proxy/tls. Knows no socket, no policy: the client of the trial shows no certificate and believes
// every server.
#pragma once

#include "proxy/tls/certificate.h"

// trial_run finishes a handshake with `certificate` served by `server`, in some version from `min` to `max`
// (BoringSSL's numbers), as a client does that lacks nothing. ERR_INPUT with the sentence in `info` when it
// fails in each of them; ERR_MEMORY.
enum err trial_run(SSL_CTX *server, const struct certificate *certificate, uint16_t min,
                   uint16_t max, struct errinfo *info) MUST_USE;
