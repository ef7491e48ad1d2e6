// Distinguished names as RFC 4514 text: written from canonical bytes, and read into them.
#include "auth/dn.h"

#include <openssl/bytestring.h>

#include "auth/base/hex.h"
#include "auth/base/utf8.h"

// short_name is an attribute type that has a name of its own in the text form.
struct short_name {
    const char *name;
    struct slice oid; // DER contents
};

// The names of RFC 4514, section 3, and those that certificate tools write most.
static const struct short_name SHORT_NAMES[] = {
    {"CN", {(const uint8_t *)"\x55\x04\x03", 3}},
    {"C", {(const uint8_t *)"\x55\x04\x06", 3}},
    {"L", {(const uint8_t *)"\x55\x04\x07", 3}},
    {"ST", {(const uint8_t *)"\x55\x04\x08", 3}},
    {"STREET", {(const uint8_t *)"\x55\x04\x09", 3}},
    {"O", {(const uint8_t *)"\x55\x04\x0a", 3}},
    {"OU", {(const uint8_t *)"\x55\x04\x0b", 3}},
    {"DC", {(const uint8_t *)"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", 10}},
    {"UID", {(const uint8_t *)"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", 10}},
    {"SN", {(const uint8_t *)"\x55\x04\x04", 3}},
    {"serialNumber", {(const uint8_t *)"\x55\x04\x05", 3}},
    {"title", {(const uint8_t *)"\x55\x04\x0c", 3}},
    {"GN", {(const uint8_t *)"\x55\x04\x2a", 3}},
    {"initials", {(const uint8_t *)"\x55\x04\x2b", 3}},
    {"dnQualifier", {(const uint8_t *)"\x55\x04\x2e", 3}},
    {"pseudonym", {(const uint8_t *)"\x55\x04\x41", 3}},
    {"organizationIdentifier", {(const uint8_t *)"\x55\x04\x61", 3}},
    {"emailAddress", {(const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 9}},
};
enum { SHORT_NAME_COUNT = sizeof SHORT_NAMES / sizeof SHORT_NAMES[0] };

static const struct short_name *short_name_of_oid(struct slice oid)
{
    for (size_t i = 0; i < SHORT_NAME_COUNT; i++) {
        if (slice_equal(SHORT_NAMES[i].oid, oid))
            return &SHORT_NAMES[i];
    }
    return NULL;
}

void oid_format(struct slice oid, struct text *out)
{
    uint64_t number = 0;
    for (bool is_first = true; oid.len > 0 && oid_next(&oid, &number); is_first = false) {
        if (!is_first) {
            text_append_format(out, ".%llu", (unsigned long long)number);
            continue;
        }
        const uint64_t root = number < 80 ? number / 40 : 2;
        text_append_format(out, "%llu.%llu", (unsigned long long)root,
                           (unsigned long long)(number - root * 40));
    }
}

// format_text escapes what RFC 4514, 2.4 says, and what nobody sees, as hex pairs.
static void format_text(struct slice value, struct text *out)
{
    struct slice rest = value;
    while (rest.len > 0) {
        const struct slice before = rest;
        uint32_t code = 0;
        const bool is_valid = utf8_next(&rest, &code);
        ASSERT(is_valid);
        const struct slice character = slice_first(before, before.len - rest.len);
        const bool is_edge_blank = code == ' ' && (before.len == value.len || rest.len == 0);
        const bool is_first_hash = code == '#' && before.len == value.len;
        if (utf8_is_unseen(character)) {
            for (size_t i = 0; i < character.len; i++) {
                text_append_string(out, "\\");
                text_append_hex(out, slice_of(character.data + i, 1));
            }
            continue;
        }
        if (is_edge_blank || is_first_hash || (code < 0x80 && strchr("\"+,;<>\\", (int)code)))
            text_append_string(out, "\\");
        text_append(out, character);
    }
}

// format_hex writes `#` and the DER of the value; text becomes a UTF8String.
static void format_hex(const struct dn_attribute *attribute, struct text *out)
{
    text_append_string(out, "#");
    if (attribute->kind == DN_VALUE_TEXT) {
        const size_t len = attribute->value.len;
        text_append_string(out, "0c");
        if (len >= 0x100)
            text_append_format(out, "82%04zx", len);
        else
            text_append_format(out, len >= 0x80 ? "81%02zx" : "%02zx", len);
    }
    text_append_hex(out, attribute->value);
}

static void format_rdn(struct slice rdn, struct text *out)
{
    for (bool is_first = true; rdn.len > 0; is_first = false) {
        const struct dn_attribute attribute = dn_take_attribute(&rdn);
        const struct short_name *known = short_name_of_oid(attribute.type);
        if (!is_first)
            text_append_string(out, "+");
        if (known == NULL)
            oid_format(attribute.type, out);
        else
            text_append_string(out, known->name);
        text_append_string(out, "=");
        if (known == NULL || attribute.kind == DN_VALUE_DER)
            format_hex(&attribute, out);
        else
            format_text(attribute.value, out);
    }
}

void dn_format(const struct dn *dn, struct text *out)
{
    struct slice rdns[DN_MAX_RDNS];
    size_t count = 0;
    struct slice rest = dn_slice(dn);
    while (rest.len > 0) {
        ASSERT(count < DN_MAX_RDNS);
        rdns[count++] = dn_take_rdn(&rest);
    }
    for (size_t i = count; i > 0; i--) {
        format_rdn(rdns[i - 1], out);
        if (i > 1)
            text_append_string(out, ",");
    }
}

// parser is the state of reading a text: what is left of it, and where to complain.
struct parser {
    struct slice all;
    struct slice rest;
    struct errinfo *info;
};

static enum err parser_fail(const struct parser *parser, const char *what)
{
    const size_t at = parser->all.len - parser->rest.len + 1;
    const struct slice shown = slice_first(parser->all, 100);
    return errinfo_set(parser->info, ERR_INPUT,
                       "'%.*s' is not a distinguished name as RFC 4514 writes it: %s, at "
                       "character %zu; write it like 'CN=alice,OU=build,O=Example'",
                       (int)shown.len, (const char *)shown.data, what, at);
}

static void parser_skip_blanks(struct parser *parser)
{
    while (parser->rest.len > 0 && parser->rest.data[0] == ' ')
        parser->rest = slice_from(parser->rest, 1);
}

// parser_hex_pair takes two hex digits off the front.
static bool parser_hex_pair(struct parser *parser, uint8_t *out)
{
    if (parser->rest.len < 2)
        return false;
    const int high = hex_digit(parser->rest.data[0]);
    const int low = hex_digit(parser->rest.data[1]);
    if (high < 0 || low < 0)
        return false;
    *out = (uint8_t)(high << 4 | low);
    parser->rest = slice_from(parser->rest, 2);
    return true;
}

bool oid_parse(struct slice text, uint8_t out[DN_OID_MAX_LEN], size_t *out_len)
{
    CBB cbb;
    *out_len = 0;
    return CBB_init_fixed(&cbb, out, DN_OID_MAX_LEN) &&
           CBB_add_asn1_oid_from_text(&cbb, (const char *)text.data, text.len) &&
           CBB_finish(&cbb, NULL, out_len) && *out_len > 0;
}

static enum err parse_type(struct parser *parser, struct dn *out)
{
    const size_t end = slice_find(parser->rest, '=');
    struct slice name = slice_first(parser->rest, end);
    while (name.len > 0 && name.data[name.len - 1] == ' ')
        name.len--;
    if (end == parser->rest.len || name.len == 0)
        return parser_fail(parser, "an attribute type and '=' are missing");
    for (size_t i = 0; i < SHORT_NAME_COUNT; i++) {
        if (slice_equal_ignore_case(name, slice_of_string(SHORT_NAMES[i].name))) {
            parser->rest = slice_from(parser->rest, end + 1);
            return dn_put_type(out, SHORT_NAMES[i].oid);
        }
    }
    uint8_t oid[DN_OID_MAX_LEN];
    size_t oid_len = 0;
    if (!oid_parse(name, oid, &oid_len))
        return parser_fail(parser, "unknown attribute type (use its dotted OID)");
    parser->rest = slice_from(parser->rest, end + 1);
    return dn_put_type(out, slice_of(oid, oid_len));
}

static bool is_separator(const struct parser *parser)
{
    return parser->rest.len == 0 || parser->rest.data[0] == ',' || parser->rest.data[0] == '+';
}

static enum err parse_hex_value(struct parser *parser, struct dn *out)
{
    const struct parser start = *parser;
    uint8_t der[DN_CANONICAL_MAX];
    size_t len = 0;
    parser->rest = slice_from(parser->rest, 1);
    while (len < sizeof der && parser_hex_pair(parser, &der[len]))
        len++;
    parser_skip_blanks(parser);
    if (!is_separator(parser))
        return parser_fail(parser, "a '#' value is hexadecimal digits only");
    const enum err error = dn_put_element(out, slice_of(der, len));
    return error == ERR_INPUT ? parser_fail(&start, "the '#' value is not the DER of one value")
                              : error;
}

// parse_escaped takes one escape off the front: a special character itself, or a hex pair.
static enum err parse_escaped(struct parser *parser, uint8_t *out)
{
    const struct parser start = *parser;
    parser->rest = slice_from(parser->rest, 1);
    if (parser_hex_pair(parser, out))
        return ERR_OK;
    if (parser->rest.len == 0 || parser->rest.data[0] == '\0' ||
        strchr("\"+,;<>\\ #=", parser->rest.data[0]) == NULL)
        return parser_fail(&start,
                           "a backslash may only precede a special character or two hex digits");
    *out = parser->rest.data[0];
    parser->rest = slice_from(parser->rest, 1);
    return ERR_OK;
}

static enum err parse_string_value(struct parser *parser, struct dn *out)
{
    const struct parser start = *parser;
    uint8_t value[DN_CANONICAL_MAX];
    size_t len = 0;
    size_t trimmed_len = 0; // without the unescaped blanks at the end
    while (!is_separator(parser)) {
        if (len == sizeof value)
            return ERR_LIMIT;
        const uint8_t byte = parser->rest.data[0];
        if (byte == '\0' || strchr("\";<>", byte) != NULL)
            return parser_fail(parser, "this character needs a backslash in front");
        if (byte == '\\') {
            TRY(parse_escaped(parser, &value[len]));
            trimmed_len = ++len;
            continue;
        }
        value[len++] = byte;
        if (byte != ' ')
            trimmed_len = len;
        parser->rest = slice_from(parser->rest, 1);
    }
    const enum err error = dn_put_text(out, slice_of(value, trimmed_len));
    return error == ERR_INPUT ? parser_fail(&start, "the value is not UTF-8") : error;
}

// parse_rdn reads one RDN with what separates it from the next.
static enum err parse_rdn(struct parser *parser, struct dn *out)
{
    struct dn_rdn rdn;
    TRY(dn_rdn_begin(&rdn, out));
    for (;;) {
        parser_skip_blanks(parser);
        TRY(dn_rdn_begin_attribute(&rdn, out));
        TRY(parse_type(parser, out));
        parser_skip_blanks(parser);
        if (parser->rest.len > 0 && parser->rest.data[0] == '#')
            TRY(parse_hex_value(parser, out));
        else
            TRY(parse_string_value(parser, out));
        if (parser->rest.len == 0 || parser->rest.data[0] == ',')
            break;
        parser->rest = slice_from(parser->rest, 1);
    }
    dn_rdn_end(&rdn, out);
    return ERR_OK;
}

static enum err parse_all(struct parser *parser, struct dn *out)
{
    struct dn backwards = {0};
    for (;;) {
        TRY(parse_rdn(parser, &backwards));
        if (parser->rest.len == 0)
            break;
        parser->rest = slice_from(parser->rest, 1);
    }
    struct slice rdns[DN_MAX_RDNS];
    size_t count = 0;
    for (struct slice rest = dn_slice(&backwards); rest.len > 0; count++) {
        const struct slice before = rest;
        ASSERT(count < DN_MAX_RDNS);
        (void)dn_take_rdn(&rest);
        rdns[count] = slice_first(before, before.len - rest.len);
    }
    for (; count > 0; count--)
        TRY(dn_put(out, rdns[count - 1]));
    return ERR_OK;
}

enum err dn_parse(struct slice text, struct dn *out, struct errinfo *info)
{
    struct parser parser = {.all = text, .rest = text, .info = info};
    out->len = 0;
    const enum err error = parse_all(&parser, out);
    if (error == ERR_LIMIT)
        return errinfo_set(info, ERR_LIMIT, "the distinguished name is longer than %d bytes",
                           DN_CANONICAL_MAX);
    return error;
}
