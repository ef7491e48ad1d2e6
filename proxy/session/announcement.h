// announcement: tells a target whose connection it gets, where a rule says `send_proxy`: the first bytes on it are a PROXY
// header with the client's address, what is known of its TLS, and the id of the request.
//
// The connection is that of one request: no other is ever sent over it.
#pragma once

#include "proxy/session/exchange_parts.h"

// announcement_is_wanted tells whether the rule that admits the address that was dialled says so today.
bool announcement_is_wanted(const struct exchange *exchange);

// announcement_send sends the header over the connection that the search has found. ERR_SYSTEM: the target takes none.
enum err announcement_send(struct exchange *exchange) MUST_USE;
