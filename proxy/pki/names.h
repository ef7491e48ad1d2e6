// names: which names certificates and trust domains may have, and the paths of files. Knows no certificate.
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "auth/base/slice.h"

enum {
    AUTHORITY_NAME_MAX = 32,          // bytes of the name that a certificate is issued to
    AUTHORITY_TRUST_DOMAIN_MAX = 255, // bytes (SPIFFE ID 2.1)
    PATH_CAP = PATH_MAX + 1,          // bytes, with the NUL
    // bytes of a file that is read: a CRL of a million certificates
    PEM_FILE_MAX = 256 * 1024 * 1024,
};

// authority_name_is_valid tells whether `name` is [A-Za-z0-9._-]{1,32} and does not begin with a dot. A valid name is
// used as the name of files.
bool authority_name_is_valid(const char *name);

// authority_trust_domain_is_valid tells whether `domain` is [a-z0-9._-]{1,255} (SPIFFE ID 2.1).
bool authority_trust_domain_is_valid(const char *domain);

// ascii_is_printable tells whether `text` has only blanks and visible ASCII characters.
bool ascii_is_printable(struct slice text);

// path_join writes `directory`/`name``suffix` and returns `out`. A path that does not fit is cut to PATH_MAX bytes. The
// kernel refuses a path of that length (ENAMETOOLONG), so a cut path never names another file.
const char *path_join(const char *directory, const char *name, const char *suffix,
                      char out[PATH_CAP]);
