// One pass over the members, each taken off the front; every question reads the whole object.
#include "auth/flat_json.h"

// skip drops the white space of JSON (RFC 8259 2).
static struct slice skip(struct slice rest)
{
    while (rest.len > 0 && (rest.data[0] == ' ' || rest.data[0] == '\t' || rest.data[0] == '\n' ||
                            rest.data[0] == '\r'))
        rest = slice_from(rest, 1);
    return rest;
}

// take drops one byte, with the white space before it.
static bool take(struct slice *rest, uint8_t byte)
{
    const struct slice found = skip(*rest);
    if (found.len == 0 || found.data[0] != byte)
        return false;
    *rest = slice_from(found, 1);
    return true;
}

static bool take_text(struct slice *rest, struct slice *out)
{
    if (!take(rest, '"'))
        return false;
    *out = slice_first(*rest, slice_find(*rest, '"'));
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] < ' ' || out->data[i] > '~' || out->data[i] == '\\')
            return false;
    }
    *rest = slice_from(*rest, out->len);
    return take(rest, '"');
}

// members is what one pass finds.
struct members {
    struct slice names[FLAT_JSON_MAX_MEMBERS];
    struct slice values[FLAT_JSON_MAX_MEMBERS];
    size_t count;
};

static bool has(const struct members *members, struct slice name)
{
    for (size_t i = 0; i < members->count; i++) {
        if (slice_equal(members->names[i], name))
            return true;
    }
    return false;
}

static bool take_member(struct slice *rest, struct members *out)
{
    struct slice name = {0};
    struct slice value = {0};
    if (out->count == FLAT_JSON_MAX_MEMBERS || !take_text(rest, &name) || !take(rest, ':') ||
        !take_text(rest, &value) || has(out, name))
        return false;
    out->names[out->count] = name;
    out->values[out->count++] = value;
    return true;
}

static bool read_object(struct slice json, struct members *out)
{
    out->count = 0;
    if (!take(&json, '{') || !take_member(&json, out))
        return false;
    while (take(&json, ',')) {
        if (!take_member(&json, out))
            return false;
    }
    return take(&json, '}') && skip(json).len == 0;
}

bool flat_json_find(struct slice json, struct slice name, struct slice *out)
{
    struct members members;
    if (!read_object(json, &members))
        return false;
    for (size_t i = 0; i < members.count; i++) {
        if (slice_equal(members.names[i], name)) {
            *out = members.values[i];
            return true;
        }
    }
    return false;
}

bool flat_json_at(struct slice json, size_t index, struct slice *out_name, struct slice *out_value)
{
    struct members members;
    if (!read_object(json, &members) || index >= members.count)
        return false;
    *out_name = members.names[index];
    *out_value = members.values[index];
    return true;
}
