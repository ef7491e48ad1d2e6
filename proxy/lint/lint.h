// lint: what is written correctly and is probably not meant: rules that can never count, clients that nobody is, doors
// wider than they look. For `sallyport check`; a proxy starts without it.
#pragma once

#include "proxy/config/snapshot.h"

// lint_policy adds its findings, each with its place in the configuration and a way out, to `diagnostics`: warnings,
// and notes for what is usual and still worth a look. ERR_MEMORY.
enum err lint_policy(const struct snapshot *snapshot, struct diagnostics *diagnostics) MUST_USE;
