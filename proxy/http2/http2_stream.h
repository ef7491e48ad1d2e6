// http2_stream: the operations of a request's stream over HTTP/2: it reads and writes HTTP/1.1. See http2_session.h.
#pragma once

#include "proxy/net/stream.h"

extern const struct stream_ops http2_stream_ops;
