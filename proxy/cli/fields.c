// Fields of a certificate, the same for people and for JSON.
#include "proxy/cli/fields.h"

#include "auth/base/date.h"
#include "auth/base/json.h"
#include "auth/ipaddr.h"

const struct san_name SAN_NAMES[SAN_NAME_COUNT] = {
    {"san_uri", SAN_URI},
    {"san_dns", SAN_DNS},
    {"san_email", SAN_EMAIL},
    {"san_ip", SAN_IP},
};

bool san_kind_parse(struct slice name, enum san_kind *out)
{
    for (size_t i = 0; i < SAN_NAME_COUNT; i++) {
        *out = SAN_NAMES[i].kind;
        if (slice_equal(name, slice_of_string(SAN_NAMES[i].key + sizeof "san_" - 1)))
            return true;
    }
    return false;
}

void fields_add(struct fields *out, const char *key, struct slice value)
{
    if (out->is_json) {
        json_add_bytes(out->text, key, value, out->value_max);
        return;
    }
    text_append_format(out->text, "%-14s ", key);
    text_append_json(out->text, value, out->value_max);
    text_append_string(out->text, "\n");
}

void fields_add_hex(struct fields *out, const char *key, struct slice bytes)
{
    char buffer[2 * IDENTITY_SERIAL_MAX + 1];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_append_hex(&text, bytes);
    fields_add(out, key, text_slice(&text));
}

void fields_add_dn(struct fields *out, const char *key, const struct dn *dn)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    dn_format(dn, &text);
    fields_add(out, key, text_slice(&text));
}

// add_sans adds the names of one kind.
static void add_sans(struct fields *out, const struct san_name *name,
                     const struct identity *identity)
{
    if (out->is_json)
        json_begin_array(out->text, name->key);
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        if (san->kind != name->kind)
            continue;
        struct slice value = san->value;
        struct ip_addr addr = {.family = value.len == 4 ? IP_V4 : IP_V6};
        char ip[IP_TEXT_CAP];
        if (name->kind == SAN_IP && san->is_usable &&
            bytes_copy(addr.bytes, sizeof addr.bytes, value))
            value = slice_of_string(ip_addr_format(&addr, ip));
        fields_add(out, out->is_json ? NULL : name->key, value);
    }
    if (out->is_json)
        json_end_array(out->text);
}

void fields_add_sans(struct fields *out, const struct identity *identity)
{
    for (size_t i = 0; i < SAN_NAME_COUNT; i++)
        add_sans(out, &SAN_NAMES[i], identity);
}
