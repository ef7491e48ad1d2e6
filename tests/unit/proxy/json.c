// A recursive-descent reader; each function takes one production off the front.
#include "tests/unit/proxy/json.h"

#include <string.h>

enum { DEPTH_MAX = 8, MEMBERS_MAX = 32 };

static bool take_value(struct slice *rest, int depth);

static bool take_byte(struct slice *rest, char byte)
{
    if (rest->len == 0 || rest->data[0] != (uint8_t)byte)
        return false;
    *rest = slice_from(*rest, 1);
    return true;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool take_digits(struct slice *rest)
{
    const size_t before = rest->len;
    while (rest->len > 0 && is_digit(rest->data[0]))
        *rest = slice_from(*rest, 1);
    return rest->len < before;
}

// take_number takes an integer; the audit has no others.
static bool take_number(struct slice *rest)
{
    (void)take_byte(rest, '-');
    if (take_byte(rest, '0'))
        return rest->len == 0 || !is_digit(rest->data[0]);
    return take_digits(rest);
}

static bool take_escape(struct slice *rest)
{
    if (rest->len > 0 && strchr("\"\\/bfnrt", rest->data[0]) != NULL && rest->data[0] != '\0') {
        *rest = slice_from(*rest, 1);
        return true;
    }
    if (!take_byte(rest, 'u') || rest->len < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        const uint8_t digit = ascii_lower(rest->data[i]);
        if (!is_digit(digit) && (digit < 'a' || digit > 'f'))
            return false;
    }
    *rest = slice_from(*rest, 4);
    return true;
}

// take_character takes one UTF-8 character and refuses overlong forms, surrogates, controls and the
// two Unicode line ends.
static bool take_character(struct slice *rest)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t lead = rest->data[0];
    const size_t len = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (len == 0 || lead > 0xF4 || rest->len < len)
        return false;
    uint32_t code = len == 1 ? lead : lead & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((rest->data[i] & 0xC0) != 0x80)
            return false;
        code = code << 6 | (rest->data[i] & 0x3Fu);
    }
    *rest = slice_from(*rest, len);
    return code >= least[len] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF) &&
           code >= 0x20 && (code < 0x7F || code > 0x9F) && code != 0x2028 && code != 0x2029;
}

static bool take_string(struct slice *rest)
{
    if (!take_byte(rest, '"'))
        return false;
    while (rest->len > 0) {
        if (take_byte(rest, '"'))
            return true;
        if (take_byte(rest, '\\') ? !take_escape(rest) : !take_character(rest))
            return false;
    }
    return false;
}

static bool take_word(struct slice *rest, const char *word)
{
    if (!slice_starts_with(*rest, slice_of_string(word)))
        return false;
    *rest = slice_from(*rest, strlen(word));
    return true;
}

static bool take_array(struct slice *rest, int depth)
{
    if (!take_byte(rest, '['))
        return false;
    if (take_byte(rest, ']'))
        return true;
    do {
        if (!take_value(rest, depth + 1))
            return false;
    } while (take_byte(rest, ','));
    return take_byte(rest, ']');
}

// take_name takes `"name":` and gives the name with its quotes.
static bool take_name(struct slice *rest, struct slice *out)
{
    const struct slice before = *rest;
    if (!take_string(rest))
        return false;
    *out = slice_first(before, before.len - rest->len);
    return take_byte(rest, ':');
}

static bool is_known(const struct slice *names, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(names[i], name))
            return true;
    }
    return false;
}

static bool take_object(struct slice *rest, int depth)
{
    struct slice names[MEMBERS_MAX];
    size_t count = 0;
    if (!take_byte(rest, '{'))
        return false;
    if (take_byte(rest, '}'))
        return true;
    do {
        if (count == MEMBERS_MAX || !take_name(rest, &names[count]) ||
            is_known(names, count, names[count]) || !take_value(rest, depth + 1))
            return false;
        count++;
    } while (take_byte(rest, ','));
    return take_byte(rest, '}');
}

static bool take_value(struct slice *rest, int depth)
{
    if (rest->len == 0 || depth > DEPTH_MAX)
        return false;
    switch (rest->data[0]) {
    case '{':
        return take_object(rest, depth);
    case '[':
        return take_array(rest, depth);
    case '"':
        return take_string(rest);
    case 't':
        return take_word(rest, "true");
    case 'f':
        return take_word(rest, "false");
    case 'n':
        return take_word(rest, "null");
    default:
        return take_number(rest);
    }
}

bool json_is_line(struct slice text)
{
    struct slice rest = text;
    return take_object(&rest, 0) && slice_equal(rest, SLICE_LITERAL("\n"));
}

// find_member gives the value of one member of an object.
static struct slice find_member(struct slice object, struct slice name)
{
    struct slice rest = slice_from(object, 1);
    struct slice quoted;
    while (take_name(&rest, &quoted)) {
        const struct slice before = rest;
        if (!take_value(&rest, 0))
            break;
        if (slice_equal(slice_first(slice_from(quoted, 1), quoted.len - 2), name))
            return slice_first(before, before.len - rest.len);
        if (!take_byte(&rest, ','))
            break;
    }
    return (struct slice){0};
}

struct slice json_find(struct slice object, const char *path)
{
    struct slice rest = slice_of_string(path);
    struct slice value = object;
    while (rest.len > 0 && value.len > 0 && value.data[0] == '{') {
        const size_t dot = slice_find(rest, '.');
        value = find_member(value, slice_first(rest, dot));
        rest = slice_from(rest, dot + 1);
    }
    return rest.len == 0 ? value : (struct slice){0};
}
