// trial: a handshake in memory. It finds out whether a context can finish a handshake before any client does.
//
// Private to proxy/tls. Knows no socket and no policy: the trial's client shows no certificate and trusts every server.
#pragma once

#include "proxy/tls/certificate.h"

// trial_run has a client with every ability finish a handshake with `server`, which serves `certificate`, in some version
// from `min` to `max` (BoringSSL's numbers). ERR_INPUT with the sentence in `info` when it fails in each version;
// ERR_MEMORY.
enum err trial_run(SSL_CTX *server, const struct certificate *certificate, uint16_t min,
                   uint16_t max, struct errinfo *info) MUST_USE;
