// rules: what holds for TLS in both roles: cipher suites, and the algorithms of signatures.
//
// Private to proxy/tls. Knows no context, no stream.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

// tls_set_common_rules sets both lists. False without memory.
bool tls_set_common_rules(SSL_CTX *ctx);
