// status: describes the process in JSON, from what main knows and what the workers have answered.
#pragma once

#include "auth/base/text.h"
#include "proxy/service/state.h"
#include "proxy/session/scan.h"

// status_write adds the line of `status` to `out`, status_write_top the line of `top`.
void status_write(const struct service *service, const struct scan *scan, struct text *out);
void status_write_top(const struct scan *scan, struct text *out);
