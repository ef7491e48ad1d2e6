// One pass checks a whole value, so that the walk over its texts cannot fail.
#include "auth/extension.h"

#include <openssl/bytestring.h>

#include "auth/base/text.h"
#include "auth/dn_canonical.h"

static bool is_text(struct slice value)
{
    if (value.len == 0)
        return false;
    while (value.len > 0) {
        uint32_t code = 0;
        if (!utf8_next(&value, &code) || code < 0x20 || (code >= 0x7F && code < 0xA0) ||
            code == '*' || code == 0x2028 || code == 0x2029)
            return false;
    }
    return true;
}

// is_in_charset tells whether the text is what its type says (X.680 41).
static bool is_in_charset(CBS_ASN1_TAG tag, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t byte = value.data[i];
        const uint8_t lower = ascii_lower(byte);
        const bool is_printable = (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') ||
                                  (byte != 0 && strchr(" '()+,-./:=?", byte) != NULL);
        if ((tag == CBS_ASN1_IA5STRING && byte >= 0x80) ||
            (tag == CBS_ASN1_PRINTABLESTRING && !is_printable))
            return false;
    }
    return true;
}

// take_text takes one text off the front.
static bool take_text(CBS *cbs, struct slice *out)
{
    CBS contents;
    CBS_ASN1_TAG tag = 0;
    if (!CBS_get_any_asn1(cbs, &contents, &tag) ||
        (tag != CBS_ASN1_UTF8STRING && tag != CBS_ASN1_IA5STRING &&
         tag != CBS_ASN1_PRINTABLESTRING && tag != CBS_ASN1_OCTETSTRING))
        return false;
    *out = slice_of(CBS_data(&contents), CBS_len(&contents));
    return is_text(*out) && is_in_charset(tag, *out);
}

bool extension_texts_of(struct slice value, struct extension_texts *out)
{
    CBS all;
    CBS list;
    struct slice text = {0};
    CBS_init(&all, value.data, value.len);
    *out = (struct extension_texts){.rest = value};
    if (!CBS_peek_asn1_tag(&all, CBS_ASN1_SEQUENCE))
        return take_text(&all, &text) && CBS_len(&all) == 0;
    if (!CBS_get_asn1(&all, &list, CBS_ASN1_SEQUENCE) || CBS_len(&all) != 0 || CBS_len(&list) == 0)
        return false;
    out->rest = slice_of(CBS_data(&list), CBS_len(&list));
    for (size_t count = 0; CBS_len(&list) > 0; count++) {
        if (count == EXTENSION_TEXTS_MAX || !take_text(&list, &text))
            return false;
    }
    return true;
}

bool extension_texts_next(struct extension_texts *texts, struct slice *out)
{
    CBS cbs;
    CBS_init(&cbs, texts->rest.data, texts->rest.len);
    if (CBS_len(&cbs) == 0 || !take_text(&cbs, out))
        return false;
    texts->rest = slice_of(CBS_data(&cbs), CBS_len(&cbs));
    return true;
}

struct slice extension_only_text(struct slice value)
{
    struct extension_texts texts;
    struct slice text = {0};
    const bool has_one = extension_texts_of(value, &texts) && extension_texts_next(&texts, &text);
    return has_one && texts.rest.len == 0 ? text : (struct slice){0};
}

bool extension_is_own(struct slice oid)
{
    return slice_starts_with(oid, SLICE_LITERAL("\x55\x1D")) ||
           slice_starts_with(oid, SLICE_LITERAL("\x2B\x06\x01\x05\x05\x07\x01"));
}

bool oid_set_put(uint8_t *bytes, size_t cap, size_t *len, struct slice oid)
{
    const size_t left = cap - *len;
    uint8_t *at = bytes + *len;
    if (oid.len > UINT8_MAX || left == 0 || !bytes_copy(at + 1, left - 1, oid))
        return false;
    *at = (uint8_t)oid.len;
    *len += 1 + oid.len;
    return true;
}

bool oid_set_next(struct slice *rest, struct slice *out)
{
    if (rest->len == 0)
        return false;
    *out = slice_first(slice_from(*rest, 1), rest->data[0]);
    *rest = slice_from(*rest, (size_t)rest->data[0] + 1);
    return true;
}

bool oid_set_has(struct slice set, struct slice oid)
{
    struct slice one = {0};
    while (oid_set_next(&set, &one)) {
        if (slice_equal(one, oid))
            return true;
    }
    return false;
}
