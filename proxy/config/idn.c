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

enum err idn_to_ascii(struct slice s, char out[IDN_CAP], struct errinfo *info)
{
    const struct slice wildcard = SLICE_LITERAL("*.");
    if (is_ascii(s)) {
        if (!string_copy(out, IDN_CAP, s))
            return errinfo_set(info, ERR_INPUT, "a host name is longer than 253 bytes");
        return ERR_OK;
    }
    const size_t kept_len = slice_starts_with(s, wildcard) ? wildcard.len : 0;
    char name[U_LABELS_MAX];
    if (!string_copy(name, sizeof name, slice_from(s, kept_len)))
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
    const bool fits = string_copy(out, IDN_CAP, slice_first(s, kept_len)) &&
                      string_copy(out + kept_len, IDN_CAP - kept_len, converted);
    // U+FF0A becomes `*`, which would make a wildcard out of something else.
    const bool has_star = slice_find(converted, '*') != converted.len;
    idn2_free(ascii);
    if (has_star)
        return errinfo_set(info, ERR_INPUT, "a `*` in a host name is written in ASCII");
    if (!fits)
        return errinfo_set(info, ERR_INPUT, "a host name is longer than 253 bytes");
    return ERR_OK;
}
