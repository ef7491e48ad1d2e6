// health: whether the proxy can do its work now, and why not: for those who decide whether to send clients here.
#pragma once

#include "auth/base/text.h"
#include "proxy/service/state.h"

// health_is_ready tells whether new clients can be served at `now_s` (Unix seconds), and adds a line to `out` for each
// reason why not: it drains, the audit refuses, a listener has no usable certificate, a CRL has expired where that refuses, the store was not reached where that matters.
bool health_is_ready(const struct service *service, int64_t now_s, struct text *out);
