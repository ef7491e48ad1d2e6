// RFC 8941 4.2: an Item is parsed for Client-Cert, a List of Items for its chain.
#include "proxy/http/client_cert.h"

#include "auth/base/base64.h"
#include "proxy/http/field.h"

#define LEAF_NAME  "client-cert"
#define CHAIN_NAME "client-cert-chain"

// is_spelled tells whether `name` is `dashed` once underscores are taken for dashes.
static bool is_spelled(struct slice name, struct slice dashed)
{
    if (name.len != dashed.len)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t byte = name.data[i] == '_' ? (uint8_t)'-' : ascii_lower(name.data[i]);
        if (byte != dashed.data[i])
            return false;
    }
    return true;
}

bool client_cert_is_field(struct slice name)
{
    return is_spelled(name, SLICE_LITERAL(LEAF_NAME)) ||
           is_spelled(name, SLICE_LITERAL(CHAIN_NAME));
}

// take keeps a value that may stand once.
static bool take(struct slice value, struct slice *out, bool *out_has)
{
    const bool is_first = !*out_has;
    *out = value;
    *out_has = true;
    return is_first;
}

enum client_cert_result client_cert_find(struct slice fields, struct client_cert *out,
                                         const char **out_why)
{
    struct field field;
    *out = (struct client_cert){0};
    while (field_next(&fields, &field)) {
        if (!client_cert_is_field(field.name))
            continue;
        *out_why = "an underscore in the name of Client-Cert";
        if (slice_find(field.name, '_') < field.name.len)
            return CLIENT_CERT_BAD;
        *out_why = "several Client-Cert fields";
        const bool is_leaf = is_spelled(field.name, SLICE_LITERAL(LEAF_NAME));
        if (!(is_leaf ? take(field.value, &out->leaf, &out->has_leaf)
                      : take(field.value, &out->chain, &out->has_chain)))
            return CLIENT_CERT_BAD;
    }
    *out_why = "Client-Cert-Chain without Client-Cert";
    if (out->has_chain && !out->has_leaf)
        return CLIENT_CERT_BAD;
    return out->has_leaf ? CLIENT_CERT_FOUND : CLIENT_CERT_NONE;
}

// ---- reading ------------------------------------------------------------------------------------

// take_sequence takes what is between two colons off `*rest`.
static bool take_sequence(struct slice *rest, struct slice *out)
{
    if (rest->len == 0 || rest->data[0] != ':')
        return false;
    const struct slice after = slice_from(*rest, 1);
    const size_t len = slice_find(after, ':');
    if (len == after.len)
        return false;
    *out = slice_first(after, len);
    *rest = slice_from(after, len + 1);
    return true;
}

static void skip_blanks(struct slice *rest)
{
    while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        *rest = slice_from(*rest, 1);
}

// take_comma goes on to the next item of a list, where there is one. False: what follows is none.
static bool take_comma(struct slice *rest)
{
    skip_blanks(rest);
    if (rest->len == 0)
        return true;
    if (rest->data[0] != ',')
        return false;
    *rest = slice_from(*rest, 1);
    skip_blanks(rest);
    return rest->len > 0;
}

enum err client_cert_next(struct client_cert *rest, uint8_t *out, size_t cap, size_t *out_len)
{
    struct slice text;
    *out_len = 0;
    if (rest->count > 0 && !rest->has_chain)
        return ERR_EOF;
    if (rest->count == CLIENT_CERT_MAX)
        return ERR_LIMIT;
    if (rest->count++ == 0) {
        if (!take_sequence(&rest->leaf, &text) || rest->leaf.len > 0)
            return ERR_INPUT;
    } else {
        if (!take_sequence(&rest->chain, &text) || !take_comma(&rest->chain))
            return ERR_INPUT;
        rest->has_chain = rest->chain.len > 0;
    }
    return base64_parse(text, out, cap, out_len);
}

// ---- writing ------------------------------------------------------------------------------------

size_t client_cert_text_len(size_t len)
{
    return base64_text_len(len) + 2;
}

void client_cert_append(struct slice der, struct text *out)
{
    text_append_string(out, ":");
    base64_append(out, der);
    text_append_string(out, ":");
}
