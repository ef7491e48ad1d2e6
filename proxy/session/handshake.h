// handshake: from the first byte to a judged client, or to a refusal that is told and recorded.
#pragma once

#include "proxy/session/session_parts.h"
#include "proxy/tls/tls_server.h"

// The questions of a TLS stream, answered from within the handshake; see tls_stream.h.
struct tls_context *session_on_select(void *arg, const char *server_name);
enum err session_on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                           enum tls_alert *out_alert);
enum err session_on_resume(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain);

// handshake_step goes on with the handshake.
enum session_step handshake_step(struct session *session);

// handshake_record_refusal writes, or counts, why the handshake came to nothing.
void handshake_record_refusal(struct session *session, enum reason reason);
