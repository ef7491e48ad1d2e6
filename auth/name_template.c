// Reads templates, and completes them with the parts of one identity. A part that could be read in two ways gives no name.
#include "auth/name_template.h"

static bool is_letter_or_digit(uint8_t byte)
{
    const uint8_t lower = ascii_lower(byte);
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9');
}

static bool is_in_alphabet(enum name_alphabet alphabet, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = text.data[i];
        const bool is_account_byte =
            is_letter_or_digit(byte) || byte == '.' || byte == '_' || byte == '-';
        if (byte <= ' ' || byte > '~' || (alphabet == NAME_ALPHABET_ACCOUNT && !is_account_byte))
            return false;
    }
    return true;
}

// ---- parsing ------------------------------------------------------------------------------------

// parse_segment reads the number of `uri.path[N]`.
static bool parse_segment(struct slice part, size_t *out)
{
    const struct slice begin = SLICE_LITERAL("uri.path[");
    if (!slice_starts_with(part, begin) || !slice_ends_with(part, SLICE_LITERAL("]")))
        return false;
    const struct slice digits = slice_first(slice_from(part, begin.len), part.len - begin.len - 1);
    if (digits.len == 0 || digits.len > 2 || (digits.len == 2 && digits.data[0] == '0'))
        return false;
    *out = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        *out = *out * 10 + (digits.data[i] - '0');
    }
    return *out <= NAME_TEMPLATE_MAX_SEGMENT;
}

static bool parse_part(struct slice part, struct name_part *out)
{
    static const struct {
        const char *text;
        enum name_part_kind kind;
    } words[] = {
        {"dns[0]", NAME_PART_DNS}, {"cn", NAME_PART_CN}, {"extension", NAME_PART_EXTENSION}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(part, slice_of_string(words[i].text))) {
            out->kind = words[i].kind;
            return true;
        }
    }
    out->kind = NAME_PART_URI_PATH;
    return parse_segment(part, &out->segment);
}

static enum err fail(struct errinfo *info, const char *problem)
{
    return errinfo_set(info, ERR_INPUT, "%s; write it like `agent-{uri.path[2]}`", problem);
}

// take_text takes the text up to the next part off the front of `*rest`.
static enum err take_text(struct slice *rest, enum name_alphabet alphabet, struct slice *out,
                          struct errinfo *info)
{
    *out = slice_first(*rest, slice_find(*rest, '{'));
    *rest = slice_from(*rest, out->len);
    if (slice_find(*out, '}') < out->len)
        return fail(info, "a `}` without its `{`");
    if (!is_in_alphabet(alphabet, *out))
        return fail(info, alphabet == NAME_ALPHABET_ACCOUNT
                              ? "the text round the parts may hold only A-Z a-z 0-9 . _ -"
                              : "the text round the parts may hold only visible ASCII");
    return ERR_OK;
}

enum err name_template_parse(struct slice text, enum name_alphabet alphabet,
                             struct name_template *out, struct errinfo *info)
{
    *out = (struct name_template){.alphabet = alphabet};
    struct slice rest = text;
    TRY(take_text(&rest, alphabet, &out->head, info));
    while (rest.len > 0) {
        const size_t end = slice_find(rest, '}');
        if (out->part_count == NAME_TEMPLATE_MAX_PARTS)
            return fail(info, "more than 4 parts in `{}`");
        struct name_part *part = &out->parts[out->part_count++];
        if (end == rest.len)
            return fail(info, "a `{` without its `}`");
        if (!parse_part(slice_first(slice_from(rest, 1), end - 1), part))
            return fail(info, "a part in `{}` is one of {uri.path[N]} (N from 0 to 31), {dns[0]}, "
                              "{cn} and {extension}");
        rest = slice_from(rest, end + 1);
        TRY(take_text(&rest, alphabet, &part->after, info));
        if (part->after.len == 0 && rest.len > 0)
            return fail(info, "two parts need text between them");
    }
    return ERR_OK;
}

bool name_template_has(const struct name_template *name, enum name_part_kind kind)
{
    for (size_t i = 0; i < name->part_count; i++) {
        if (name->parts[i].kind == kind)
            return true;
    }
    return false;
}

// ---- evaluation ---------------------------------------------------------------------------------

// find_only_san gives the one SAN of its kind; a second one counts even if it is unusable.
static enum name_result find_only_san(const struct identity *identity, enum san_kind kind,
                                      struct slice *out)
{
    const struct san *only = NULL;
    for (size_t i = 0; i < identity->san_count; i++) {
        if (identity->sans[i].kind != kind)
            continue;
        if (only != NULL)
            return NAME_AMBIGUOUS;
        only = &identity->sans[i];
    }
    if (only == NULL)
        return NAME_ABSENT;
    *out = only->value;
    return only->is_usable ? NAME_OK : NAME_BAD_CHARACTER;
}

// is_canonical tells whether a path can be split at its slashes in one way only (RFC 3986 3.3): no query, fragment,
// percent sign or backslash, and no segment that is empty, `.` or `..`, which some readers remove.
static bool is_canonical(struct slice path)
{
    for (const char *byte = "?#%\\"; *byte != '\0'; byte++) {
        if (slice_find(path, (uint8_t)*byte) < path.len)
            return false;
    }
    for (;;) {
        const struct slice segment = slice_first(path, slice_find(path, '/'));
        if (segment.len == 0 || slice_equal(segment, SLICE_LITERAL(".")) ||
            slice_equal(segment, SLICE_LITERAL("..")))
            return false;
        if (segment.len == path.len)
            return true;
        if (segment.len + 1 == path.len)
            return false; // it ends in a slash
        path = slice_from(path, segment.len + 1);
    }
}

static enum name_result find_segment(const struct identity *identity, size_t number,
                                     struct slice *out)
{
    struct slice uri = {0};
    const enum name_result result = find_only_san(identity, SAN_URI, &uri);
    if (result != NAME_OK)
        return result;
    struct slice rest = slice_from(uri, slice_find(uri, ':') + 1);
    if (!slice_starts_with(rest, SLICE_LITERAL("//")))
        return NAME_ABSENT; // no authority, and so no path that begins after one
    rest = slice_from(rest, 2);
    const size_t authority_len = slice_find(rest, '/');
    if (authority_len == 0)
        return NAME_ABSENT;
    rest = slice_from(rest, authority_len + 1);
    if (rest.len == 0)
        return NAME_ABSENT;
    if (!is_canonical(rest))
        return NAME_BAD_CHARACTER;
    for (; number > 0; number--)
        rest = slice_from(rest, slice_find(rest, '/') + 1);
    *out = slice_first(rest, slice_find(rest, '/'));
    return NAME_OK;
}

static enum name_result find_common_name(const struct identity *identity, struct slice *out)
{
    struct dn_values values = dn_values_of(&identity->subject, DN_COMMON_NAME);
    struct slice second = {0};
    if (!dn_values_next(&values, out))
        return NAME_ABSENT;
    if (dn_values_next(&values, &second))
        return NAME_AMBIGUOUS;
    return NAME_OK;
}

static enum name_result find_part(const struct name_part *part, const struct identity *identity,
                                  struct slice extension, struct slice *out)
{
    switch (part->kind) {
    case NAME_PART_URI_PATH:
        return find_segment(identity, part->segment, out);
    case NAME_PART_DNS:
        return find_only_san(identity, SAN_DNS, out);
    case NAME_PART_CN:
        return find_common_name(identity, out);
    case NAME_PART_EXTENSION:
        *out = extension;
        return NAME_OK;
    }
    return NAME_ABSENT;
}

// ignores_case tells whether values that differ in case only are one: DNS names (RFC 4343), in names of accounts.
static bool ignores_case(const struct name_template *name, const struct name_part *part)
{
    return part->kind == NAME_PART_DNS && name->alphabet == NAME_ALPHABET_ACCOUNT;
}

static bool holds(struct slice value, uint8_t byte, bool ignores_case)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == byte || (ignores_case && ascii_lower(value.data[i]) == byte))
            return true;
    }
    return false;
}

static void append_value(struct text *out, struct slice value, bool ignores_case)
{
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t lower = ascii_lower(value.data[i]);
        text_append(out, slice_of(ignores_case ? &lower : value.data + i, 1));
    }
}

static bool is_lower(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] != ascii_lower(value.data[i]))
            return false;
    }
    return true;
}

enum name_result name_template_format(const struct name_template *name,
                                      const struct identity *identity, struct slice extension,
                                      struct text *out)
{
    text_append(out, name->head);
    for (size_t i = 0; i < name->part_count; i++) {
        const struct name_part *part = &name->parts[i];
        struct slice value = {0};
        const enum name_result result = find_part(part, identity, extension, &value);
        if (result != NAME_OK)
            return result;
        if (value.len == 0)
            return NAME_ABSENT;
        if (!is_in_alphabet(name->alphabet, value))
            return NAME_BAD_CHARACTER;
        // With another part after it, a value ends where the text after it begins: else `a-b` and `c` would be `a` and `b-c`.
        if (i + 1 < name->part_count && holds(value, part->after.data[0], ignores_case(name, part)))
            return NAME_AMBIGUOUS;
        append_value(out, value, ignores_case(name, part));
        text_append(out, part->after);
    }
    return out->is_cut ? NAME_TOO_LONG : NAME_OK;
}

bool name_template_can_give(const struct name_template *name, struct slice text)
{
    if (!is_in_alphabet(name->alphabet, text) || !slice_starts_with(text, name->head))
        return false;
    struct slice rest = slice_from(text, name->head.len);
    for (size_t i = 0; i < name->part_count; i++) {
        const struct name_part *part = &name->parts[i];
        const struct slice after = part->after;
        const bool is_last = i + 1 == name->part_count;
        if (is_last && !slice_ends_with(rest, after))
            return false;
        const size_t len = is_last ? rest.len - after.len : slice_find(rest, after.data[0]);
        if (len == 0 || !slice_starts_with(slice_from(rest, len), after) ||
            (ignores_case(name, part) && !is_lower(slice_first(rest, len))))
            return false;
        rest = slice_from(rest, len + after.len);
    }
    return rest.len == 0;
}

bool name_template_may_agree(const struct name_template *a, const struct name_template *b)
{
    const struct slice a_end = a->parts[a->part_count - 1].after;
    const struct slice b_end = b->parts[b->part_count - 1].after;
    return (slice_starts_with(a->head, b->head) || slice_starts_with(b->head, a->head)) &&
           (slice_ends_with(a_end, b_end) || slice_ends_with(b_end, a_end));
}

const char *name_result_text(enum name_result result)
{
    static const char *const sentences[] = {
        [NAME_OK] = "the certificate has every part of the name",
        [NAME_ABSENT] = "the certificate lacks a part of the name",
        [NAME_AMBIGUOUS] = "a part of the name is in the certificate twice, or holds its separator",
        [NAME_BAD_CHARACTER] = "a part of the name holds a character that is not allowed",
        [NAME_TOO_LONG] = "the name is too long",
    };
    return sentences[result];
}
