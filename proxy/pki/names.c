// Names are ASCII and hold no character that has a meaning in a path.
#include "proxy/pki/names.h"

#include <stdio.h>
#include <string.h>

#define LOWER_BYTES "abcdefghijklmnopqrstuvwxyz0123456789._-"

static bool is_made_of(const char *name, size_t max, const char *bytes)
{
    const size_t len = strlen(name);
    return len >= 1 && len <= max && strspn(name, bytes) == len;
}

bool authority_name_is_valid(const char *name)
{
    return name[0] != '.' &&
           is_made_of(name, AUTHORITY_NAME_MAX, LOWER_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

bool authority_trust_domain_is_valid(const char *domain)
{
    return is_made_of(domain, AUTHORITY_TRUST_DOMAIN_MAX, LOWER_BYTES);
}

bool ascii_is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    }
    return true;
}

const char *path_join(const char *directory, const char *name, const char *suffix,
                      char out[PATH_CAP])
{
    const size_t len = strlen(directory);
    const char *separator = len > 0 && directory[len - 1] == '/' ? "" : "/";
    (void)snprintf(out, PATH_CAP, "%s%s%s%s", directory, separator, name, suffix);
    return out;
}
