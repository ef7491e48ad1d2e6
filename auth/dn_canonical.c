// Canonical names: written attribute by attribute, and taken apart again.
#include "auth/dn_canonical.h"

#include <openssl/bytestring.h>

#include "auth/base/text.h"
#include "auth/base/utf8.h"

// The writing side.

enum err dn_put(struct dn *dn, struct slice bytes)
{
    if (!bytes_copy(dn->bytes + dn->len, DN_CANONICAL_MAX - dn->len, bytes))
        return ERR_LIMIT;
    dn->len += bytes.len;
    return ERR_OK;
}

static enum err put_u8(struct dn *dn, uint8_t value)
{
    return dn_put(dn, slice_of(&value, 1));
}

// set_length writes the length of what stands after the two bytes at `at`.
static void set_length(struct dn *dn, size_t at)
{
    const size_t len = dn->len - at - 2;
    dn->bytes[at] = (uint8_t)(len >> 8);
    dn->bytes[at + 1] = (uint8_t)len;
}

static enum err put_code_point(struct dn *dn, uint32_t code)
{
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return ERR_INPUT;
    static const uint8_t leads[] = {[1] = 0, [2] = 0xC0, [3] = 0xE0, [4] = 0xF0}; // by length
    uint8_t utf8[4];
    const size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; code >>= 6)
        utf8[i] = (uint8_t)(0x80 | (code & 0x3F));
    utf8[0] = (uint8_t)(leads[len] | code);
    return dn_put(dn, slice_of(utf8, len));
}

bool utf8_next(struct slice *s, uint32_t *out)
{
    const size_t len = utf8_length(*s);
    if (len == 0)
        return false;
    *out = utf8_code_point(slice_first(*s, len));
    *s = slice_from(*s, len);
    return true;
}

static bool utf8_is_valid(struct slice s)
{
    uint32_t code = 0;
    while (s.len > 0) {
        if (!utf8_next(&s, &code))
            return false;
    }
    return true;
}

// put_wide writes big-endian characters of `width` bytes each as UTF-8.
static enum err put_wide(struct dn *dn, struct slice value, size_t width)
{
    if (value.len % width != 0)
        return ERR_INPUT;
    for (size_t at = 0; at < value.len; at += width) {
        uint32_t code = 0;
        for (size_t i = 0; i < width; i++)
            code = code << 8 | value.data[at + i];
        TRY(put_code_point(dn, code));
    }
    return ERR_OK;
}

static enum err put_ascii(struct dn *dn, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] >= 0x80)
            return ERR_INPUT;
    }
    return dn_put(dn, value);
}

static bool is_text_tag(CBS_ASN1_TAG tag)
{
    return tag == CBS_ASN1_UTF8STRING || tag == CBS_ASN1_PRINTABLESTRING ||
           tag == CBS_ASN1_IA5STRING || tag == CBS_ASN1_NUMERICSTRING ||
           tag == CBS_ASN1_VISIBLESTRING || tag == CBS_ASN1_T61STRING ||
           tag == CBS_ASN1_BMPSTRING || tag == CBS_ASN1_UNIVERSALSTRING;
}

static enum err put_string(struct dn *dn, CBS_ASN1_TAG tag, struct slice value)
{
    if (tag == CBS_ASN1_UTF8STRING)
        return utf8_is_valid(value) ? dn_put(dn, value) : ERR_INPUT;
    if (tag == CBS_ASN1_T61STRING)
        return put_wide(dn, value, 1);
    if (tag == CBS_ASN1_BMPSTRING)
        return put_wide(dn, value, 2);
    if (tag == CBS_ASN1_UNIVERSALSTRING)
        return put_wide(dn, value, 4);
    return put_ascii(dn, value);
}

enum err dn_put_text(struct dn *dn, struct slice utf8)
{
    if (!utf8_is_valid(utf8))
        return ERR_INPUT;
    TRY(put_u8(dn, DN_VALUE_TEXT));
    const size_t at = dn->len;
    TRY(dn_put(dn, SLICE_LITERAL("\0\0")));
    TRY(dn_put(dn, utf8));
    set_length(dn, at);
    return ERR_OK;
}

enum err dn_put_element(struct dn *dn, struct slice element)
{
    CBS cbs;
    CBS contents;
    CBS_ASN1_TAG tag = 0;
    CBS_init(&cbs, element.data, element.len);
    if (!CBS_get_any_asn1(&cbs, &contents, &tag) || CBS_len(&cbs) != 0)
        return ERR_INPUT;
    const bool is_text = is_text_tag(tag);
    TRY(put_u8(dn, is_text ? DN_VALUE_TEXT : DN_VALUE_DER));
    const size_t at = dn->len;
    TRY(dn_put(dn, SLICE_LITERAL("\0\0")));
    if (is_text)
        TRY(put_string(dn, tag, slice_of(CBS_data(&contents), CBS_len(&contents))));
    else
        TRY(dn_put(dn, element));
    set_length(dn, at);
    return ERR_OK;
}

bool oid_next(struct slice *oid, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < oid->len; i++) {
        const uint8_t byte = oid->data[i];
        if ((i == 0 && byte == 0x80) || value >> 56 != 0)
            return false;
        value = value << 7 | (byte & 0x7F);
        if ((byte & 0x80) == 0) {
            *oid = slice_from(*oid, i + 1);
            *out = value;
            return true;
        }
    }
    return false;
}

static bool oid_is_valid(struct slice oid)
{
    if (oid.len == 0 || oid.len > DN_OID_MAX_LEN)
        return false;
    uint64_t number = 0;
    while (oid.len > 0) {
        if (!oid_next(&oid, &number))
            return false;
    }
    return true;
}

enum err dn_put_type(struct dn *dn, struct slice oid)
{
    if (!oid_is_valid(oid))
        return ERR_INPUT;
    TRY(put_u8(dn, (uint8_t)oid.len));
    return dn_put(dn, oid);
}

enum err dn_rdn_begin(struct dn_rdn *rdn, struct dn *dn)
{
    *rdn = (struct dn_rdn){.start = dn->len};
    return dn_put(dn, SLICE_LITERAL("\0\0"));
}

enum err dn_rdn_begin_attribute(struct dn_rdn *rdn, const struct dn *dn)
{
    if (rdn->count == DN_MAX_RDN_ATTRIBUTES)
        return ERR_LIMIT;
    rdn->offsets[rdn->count++] = dn->len;
    return ERR_OK;
}

static int slice_compare(struct slice a, struct slice b)
{
    const int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

void dn_rdn_end(struct dn_rdn *rdn, struct dn *dn)
{
    set_length(dn, rdn->start);
    if (rdn->count < 2)
        return;
    struct dn copy = *dn;
    rdn->offsets[rdn->count] = dn->len;
    struct slice sorted[DN_MAX_RDN_ATTRIBUTES];
    for (size_t i = 0; i < rdn->count; i++) {
        const struct slice attribute =
            slice_of(copy.bytes + rdn->offsets[i], rdn->offsets[i + 1] - rdn->offsets[i]);
        size_t at = i;
        for (; at > 0 && slice_compare(sorted[at - 1], attribute) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = attribute;
    }
    dn->len = rdn->start + 2;
    for (size_t i = 0; i < rdn->count; i++) {
        const enum err error = dn_put(dn, sorted[i]);
        ASSERT(error == ERR_OK);
    }
}

// The reading side: canonical bytes are our own, so that a broken length is a broken program.

static struct slice take(struct slice *from, size_t len)
{
    ASSERT(from->len >= len);
    const struct slice taken = slice_first(*from, len);
    *from = slice_from(*from, len);
    return taken;
}

static struct slice take_u16_prefixed(struct slice *from)
{
    const struct slice len = take(from, 2);
    return take(from, (size_t)len.data[0] << 8 | len.data[1]);
}

struct slice dn_take_rdn(struct slice *rest)
{
    return take_u16_prefixed(rest);
}

struct dn_attribute dn_take_attribute(struct slice *rdn)
{
    struct dn_attribute attribute;
    attribute.type = take(rdn, take(rdn, 1).data[0]);
    attribute.kind = take(rdn, 1).data[0] == DN_VALUE_TEXT ? DN_VALUE_TEXT : DN_VALUE_DER;
    attribute.value = take_u16_prefixed(rdn);
    return attribute;
}

struct slice dn_slice(const struct dn *dn)
{
    return slice_of(dn->bytes, dn->len);
}
