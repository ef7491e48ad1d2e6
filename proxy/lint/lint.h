// lint: what is written correctly and is probably not meant: rules that can never count, clients that nobody is, doors
// wider than they look; and what a start would meet on this machine. For `sallyport check`; a proxy starts without it.
#pragma once

#include "proxy/config/snapshot.h"

// lint_policy adds its findings, each with its place in the configuration and a way out, to `diagnostics`: warnings,
// notes for what is usual and still worth a look, and errors for what would end `serve` by this user at its start.
// Blocking: looks at files. ERR_INPUT when there was such an error; ERR_MEMORY.
enum err lint_policy(const struct snapshot *snapshot, struct diagnostics *diagnostics) MUST_USE;
