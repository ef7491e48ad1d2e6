// reply: answers of the proxy's own: a refusal, its page about the client, or the 200 before there is a target. The decision is recorded first, then the
// answer is sent whole, and the connection is kept only where what stands after the request can be nothing but the next
// one.
#pragma once

#include "proxy/session/exchange_parts.h"

// reply_refuse records the decision and puts the answer to the exchange's verdict on its way. ERR_MEMORY: nothing is
// recorded, here and below.
enum err reply_refuse(struct exchange *exchange, const struct verdict *verdict) MUST_USE;

// reply_json puts a 200 with `json` on its way.
enum err reply_json(struct exchange *exchange, struct slice json) MUST_USE;

// reply_open_tunnel puts the 200 to a CONNECT on its way, where the target is found inside the tunnel; nothing is recorded.
enum err reply_open_tunnel(struct exchange *exchange) MUST_USE;

// reply_step sends what can be sent: ERR_OK when all is out, ERR_AGAIN, or the stream's error.
enum err reply_step(struct exchange *exchange) MUST_USE;

// reply_update_interest sets what the client's stream waits for.
void reply_update_interest(struct exchange *exchange);

// reply_is_held_back tells whether the answer is still to wait.
bool reply_is_held_back(const struct exchange *exchange);
