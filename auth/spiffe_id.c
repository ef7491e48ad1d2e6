// One strict reading: what two readers could read in two ways is no SPIFFE ID.
#include "auth/spiffe_id.h"

// is_name_byte tells whether a byte may be in a trust domain or, with `has_upper`, in a segment of a path.
static bool is_name_byte(uint8_t byte, bool has_upper)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '.' ||
           byte == '-' || byte == '_' || (has_upper && byte >= 'A' && byte <= 'Z');
}

static bool is_made_of_name_bytes(struct slice text, bool has_upper)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_name_byte(text.data[i], has_upper))
            return false;
    }
    return text.len > 0;
}

bool spiffe_domain_is_valid(struct slice domain)
{
    return domain.len <= SPIFFE_DOMAIN_MAX && is_made_of_name_bytes(domain, false);
}

static bool segment_is_valid(struct slice segment)
{
    return is_made_of_name_bytes(segment, true) && !slice_equal(segment, SLICE_LITERAL(".")) &&
           !slice_equal(segment, SLICE_LITERAL(".."));
}

// path_is_valid looks at what comes after the trust domain: one segment or more, each after a `/`.
static bool path_is_valid(struct slice path)
{
    bool is_valid = path.len > 0;
    while (is_valid && path.len > 0) {
        const struct slice rest = slice_from(path, 1); // after the `/`
        const struct slice segment = slice_first(rest, slice_find(rest, '/'));
        is_valid = segment_is_valid(segment);
        path = slice_from(rest, segment.len);
    }
    return is_valid;
}

bool spiffe_id_parse(struct slice uri, struct slice *out_domain)
{
    const struct slice scheme = SLICE_LITERAL("spiffe://");
    const struct slice rest = slice_from(uri, scheme.len);
    const struct slice domain = slice_first(rest, slice_find(rest, '/'));
    *out_domain = domain;
    return uri.len <= SPIFFE_ID_MAX && slice_starts_with(uri, scheme) &&
           spiffe_domain_is_valid(domain) && path_is_valid(slice_from(rest, domain.len));
}

static bool has_spiffe_scheme(struct slice uri)
{
    const struct slice scheme = SLICE_LITERAL("spiffe:");
    return slice_equal_ignore_case(slice_first(uri, scheme.len), scheme);
}

bool spiffe_names_fit_domain(const struct identity *identity, struct slice domain)
{
    size_t uri_count = 0;
    bool has_id = false;
    bool is_of_domain = false;
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        struct slice found = {0};
        if (san->kind != SAN_URI)
            continue;
        uri_count++;
        has_id = has_id || has_spiffe_scheme(san->value);
        is_of_domain = spiffe_id_parse(san->value, &found) && slice_equal(found, domain);
    }
    return !has_id || (uri_count == 1 && is_of_domain);
}
