// Fuzzes distinguished names. After a first byte `d`: DER; after any other: RFC 4514 text. Whatever
// is read is written as text, read again, and must be the same name.
#include "auth/dn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct dn *dn)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    struct dn again;
    struct errinfo info;
    text_init(&text, buffer, sizeof buffer);
    dn_format(dn, &text);
    ASSERT(!text.is_cut);
    for (size_t i = 0; i < text.len; i++)
        ASSERT((uint8_t)buffer[i] >= ' ' && (uint8_t)buffer[i] != 0x7F);
    const enum err error = dn_parse(text_slice(&text), &again, &info);
    if (dn->len == 0) {
        ASSERT(error == ERR_INPUT); // the empty name has no text
        return;
    }
    ASSERT(error == ERR_OK && dn_equal(dn, &again));
    ASSERT(slice_equal(dn_common_name(dn), dn_common_name(&again)));
    (void)dn_equal_but_common_name(dn, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct dn dn;
    struct errinfo info;
    const struct slice input = slice_of(data + 1, size - 1);
    const enum err error = data[0] == 'd' ? dn_from_der(input, &dn) : dn_parse(input, &dn, &info);
    if (error == ERR_OK)
        check_round_trip(&dn);
    return 0;
}
