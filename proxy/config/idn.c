// libidn2 in one function.
#include "proxy/config/idn.h"

#include <idn2.h>

enum { U_LABELS_MAX = 1024 }; // bytes of a name in UTF-8 that is looked at

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80)
            return false;
    }
    return true;
}

static size_t count_stars(struct slice s)
{
    size_t out = 0;
    for (size_t i = 0; i < s.len; i++)
        out += s.data[i] == '*';
    return out;
}

enum err idn_to_ascii(struct slice s, char out[IDN_CAP], struct errinfo *info)
{
    if (is_ascii(s)) {
        if (!string_copy(out, IDN_CAP, s))
            return errinfo_set(info, ERR_INPUT, "a host name is longer than 253 bytes");
        return ERR_OK;
    }
    char name[U_LABELS_MAX];
    if (!string_copy(name, sizeof name, s))
        return errinfo_set(info, ERR_INPUT, "a host name is longer than 253 bytes");
    uint8_t *ascii = NULL;
    const int status =
        idn2_lookup_u8((const uint8_t *)name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (status == IDN2_MALLOC)
        return errinfo_set(info, ERR_MEMORY, "no memory to convert a host name");
    if (status != IDN2_OK)
        return errinfo_set(info, ERR_INPUT, "not a valid international host name: %s",
                           idn2_strerror(status));
    const struct slice converted = slice_of_string((const char *)ascii);
    const bool fits = string_copy(out, IDN_CAP, converted);
    // U+FF0A becomes `*`, which would make a wildcard out of something else.
    const bool has_more_stars = count_stars(converted) != count_stars(s);
    idn2_free(ascii);
    if (has_more_stars)
        return errinfo_set(info, ERR_INPUT, "a `*` in a host name is written in ASCII");
    if (!fits)
        return errinfo_set(info, ERR_INPUT, "a host name is longer than 253 bytes");
    return ERR_OK;
}
