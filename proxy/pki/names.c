// Names are ASCII and hold no character that has a meaning in a path.
#include "proxy/pki/names.h"

#include <stdio.h>
#include <string.h>

#include "auth/base/text.h"

static bool is_name_byte(char byte)
{
    const uint8_t lower = ascii_lower((uint8_t)byte);
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '.' ||
           byte == '_' || byte == '-';
}

bool authority_name_is_valid(const char *name)
{
    const size_t len = strlen(name);
    if (len < 1 || len > AUTHORITY_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(name[i]))
            return false;
    }
    return true;
}

bool authority_trust_domain_is_valid(const char *domain)
{
    const size_t len = strlen(domain);
    if (len < 1 || len > AUTHORITY_TRUST_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(domain[i]) || (domain[i] >= 'A' && domain[i] <= 'Z'))
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
