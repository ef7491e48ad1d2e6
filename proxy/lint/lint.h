// lint: finds what is valid but probably not intended: rules that never apply, clients that never match, rules that
// allow more than they seem to, and problems that `serve` would have on this machine. Only `sallyport check` uses it.
#pragma once

#include "proxy/config/snapshot.h"

// lint_policy adds its findings to `diagnostics`, each with its place in the configuration and a hint. Notes are common
// and still worth a look. Errors would end `serve` at its start, run by this user. Blocking: looks at files. ERR_INPUT
// when there was such an error; ERR_MEMORY.
enum err lint_policy(const struct snapshot *snapshot, struct diagnostics *diagnostics) MUST_USE;
