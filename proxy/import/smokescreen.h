// smokescreen: the configuration of Smokescreen, or its ACL alone, becomes a configuration of ours.
//
// Each service of the ACL is a client, which is known by the CN of its certificate, as Smokescreen's own program knows it; the
// default rule is a last client for every other certificate. Pure but for the caller's sources.
#pragma once

#include "proxy/import/imported.h"
#include "proxy/import/sources.h"

struct smokescreen_options {
    bool
        is_role_ou; // a program built with a role of its own: the OU, of which each certificate has one
};

// smokescreen_import reads the file at `path`, and the ACL that it names, and fills `out`, whose strings are of the arena of
// `notes`. ERR_INPUT and the like, with file and line in `info`, for a file that Smokescreen would not start with.
enum err smokescreen_import(const char *path, const struct smokescreen_options *options,
                            const struct import_sources *sources, struct import_notes *notes,
                            struct imported *out, struct errinfo *info) MUST_USE;
