// Two lists of names, and a look through the Connection fields.
#include "proxy/http/hop.h"

#include "proxy/http/client_cert.h"
#include "proxy/http/field.h"

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_ignore_case(name, slice_of_string(names[i])))
            return true;
    }
    return false;
}

static const char *const always[] = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "proxy-authenticate",
    "upgrade",
    "proxy-authentication-info",
    "host",
    "transfer-encoding",
    "expect",
    "content-length",
    "http2-settings",
};

static const char *const not_after_body[] = {
    "trailer",
    "content-encoding",
    "content-type",
    "content-range",
    "content-location",
    "authorization",
    "cookie",
    "set-cookie",
    "cache-control",
    "max-forwards",
    "pragma",
    "range",
    "www-authenticate",
    "age",
    "date",
    "expires",
    "location",
    "retry-after",
    "vary",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "proxy-status",
};

bool hop_options_read(struct slice fields, struct hop_options *out)
{
    struct field field;
    out->count = 0;
    while (field_next(&fields, &field)) {
        struct slice option;
        if (!slice_equal_ignore_case(field.name, SLICE_LITERAL("connection")))
            continue;
        while (list_next(&field.value, &option)) {
            if (out->count == HOP_MAX_OPTIONS || !is_token(option))
                return false;
            out->items[out->count++] = option;
        }
    }
    return true;
}

bool hop_options_have(const struct hop_options *options, struct slice option)
{
    for (size_t i = 0; i < options->count; i++) {
        if (slice_equal_ignore_case(options->items[i], option))
            return true;
    }
    return false;
}

bool hop_is_by_hop(struct slice name, const struct hop_options *options)
{
    return is_one_of(name, always, sizeof always / sizeof always[0]) ||
           client_cert_is_field(name) || hop_options_have(options, name);
}

bool hop_is_forbidden_trailer(struct slice name)
{
    return is_one_of(name, always, sizeof always / sizeof always[0]) ||
           client_cert_is_field(name) ||
           is_one_of(name, not_after_body, sizeof not_after_body / sizeof not_after_body[0]);
}
