// names: what a certificate may be issued to, SPIFFE trust domains, and the paths of files. Knows no certificate.
#pragma once

#include <stdbool.h>

#include "auth/base/err.h"

enum {
    AUTHORITY_NAME_MAX = 32,          // bytes of what a certificate is issued to
    AUTHORITY_TRUST_DOMAIN_MAX = 255, // bytes (SPIFFE ID 2.1)
};

// authority_name_is_valid tells whether `name` is [A-Za-z0-9._-]{1,32} and begins with no dot: it becomes a
// file's name.
bool authority_name_is_valid(const char *name);

// authority_trust_domain_is_valid tells whether `domain` is [a-z0-9._-]{1,255} (SPIFFE ID 2.1).
bool authority_trust_domain_is_valid(const char *domain);

// path_join gives `directory`/`name``suffix` on the heap; NULL without memory.
char *path_join(const char *directory, const char *name, const char *suffix) MUST_USE;
