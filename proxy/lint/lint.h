// lint: finds what is valid and probably not intended: rules that never apply, clients that match nobody, rules that
// allow more than they seem to, and problems that a start would have on this machine. For `sallyport check`; `serve` does
// not use it.
#pragma once

#include "proxy/config/snapshot.h"

// lint_policy adds its findings, each with its place in the configuration and a way out, to `diagnostics`: warnings,
// notes for what is usual and still worth a look, and errors for what would end `serve` by this user at its start.
// Blocking: looks at files. ERR_INPUT when there was such an error; ERR_MEMORY.
enum err lint_policy(const struct snapshot *snapshot, struct diagnostics *diagnostics) MUST_USE;
