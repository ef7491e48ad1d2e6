// audit_proof: the proofs of single records, as `audit prove` writes them.
#pragma once

#include "proxy/cli/audit_keys.h"

// audit_proof_verify checks each line of the file at `path`, `-` for stdin, with one of the keys, and prints what it
// proves. Gives the exit status.
int audit_proof_verify(const char *command, const char *path, const struct audit_keys *keys);
