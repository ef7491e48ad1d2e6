// Commas count as ends of entries only outside of comments and quoted strings.
#include "proxy/http/via.h"

// count_entries counts the entries of a list that are not empty. What is left open at the end counts as it stands.
static size_t count_entries(struct slice list)
{
    size_t count = 0;
    size_t depth = 0; // of comments
    bool is_quoted = false;
    bool is_entry = false;
    for (size_t i = 0; i < list.len; i++) {
        const uint8_t byte = list.data[i];
        const bool is_inside = is_quoted || depth > 0;
        if (byte == '\\' && is_inside)
            i++;
        else if (byte == '"' && depth == 0)
            is_quoted = !is_quoted;
        else if (byte == '(' && !is_quoted)
            depth++;
        else if (byte == ')' && !is_quoted && depth > 0)
            depth--;
        if (byte == ',' && !is_inside) {
            count += is_entry ? 1 : 0;
            is_entry = false;
        } else if (byte != ' ' && byte != '\t') {
            is_entry = true;
        }
    }
    return count + (is_entry ? 1 : 0);
}

// keep adds a field's value to the line.
static void keep(struct via_trail *trail, struct slice value)
{
    const struct slice comma = SLICE_LITERAL(", ");
    const size_t before = trail->len == 0 ? 0 : comma.len;
    if (before + value.len > sizeof trail->text - trail->len) {
        trail->is_too_long = true;
        return;
    }
    (void)bytes_copy(trail->text + trail->len, sizeof trail->text - trail->len,
                     slice_first(comma, before));
    trail->len += before;
    (void)bytes_copy(trail->text + trail->len, sizeof trail->text - trail->len, value);
    trail->len += value.len;
}

void via_collect(struct slice fields, struct via_trail *out)
{
    struct field field;
    *out = (struct via_trail){.len = 0};
    while (field_next(&fields, &field)) {
        if (!slice_equal_ignore_case(field.name, SLICE_LITERAL("via")) || field.value.len == 0)
            continue;
        out->hops += count_entries(field.value);
        keep(out, field.value);
    }
}

bool via_is_loop(const struct via_trail *trail, const char *token)
{
    const struct slice mark = slice_of_string(token);
    return trail->is_too_long || trail->hops >= VIA_HOPS_MAX ||
           (mark.len > 0 && slice_contains(slice_of(trail->text, trail->len), mark));
}

void via_append(const struct via_trail *trail, uint8_t minor_version, const char *token,
                struct text *out)
{
    text_append_string(out, "Via: ");
    text_append(out, slice_of(trail->text, trail->len));
    text_append_format(out, "%s1.%u sallyport-%s\r\n", trail->len == 0 ? "" : ", ", minor_version,
                       token);
}
