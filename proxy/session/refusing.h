// refusing: tells a client that was not let in why, in HTTP: the same 403 for whatever it asks, over HTTP/1.1 or HTTP/2.
//
// Its requests are not read beyond their heads, make no exchange and no record: the refused handshake has one.
#pragma once

#include "proxy/session/session_parts.h"

// refusing_step waits for a request, and answers. Over HTTP/2 all requests that have come are answered, then GOAWAY says
// that no further one is taken.
enum session_step refusing_step(struct session *session);

// refusing_deinit frees what refusing_step has made.
void refusing_deinit(struct session *session);
