// squid: a squid.conf becomes a configuration of ours.
//
// Clients come from certificates (`user_cert`), each combination of acls one client; from sources (`src`), for which a certificate
// with a name is assumed; and what is left is for every certificate. Pure but for the caller's sources.
#pragma once

#include "proxy/import/imported.h"
#include "proxy/import/sources.h"

struct squid_options {
    bool
        has_one_ou; // the CA gives each certificate one OU at most: then `user_cert OU` means what `ou` does
};

// squid_import reads the file at `path` and fills `out`, whose strings are of the arena of `notes`. ERR_INPUT and the like, with file
// and line in `info`, for a file that Squid would not start with, or that is too large; then `out` is of no use.
enum err squid_import(const char *path, const struct squid_options *options,
                      const struct import_sources *sources, struct import_notes *notes,
                      struct imported *out, struct errinfo *info) MUST_USE;
