// The one normaliser of host names, for rules and requests alike. Knows no DNS and no Unicode: what
// is not ASCII is refused, never mapped.
#include "auth/hostname.h"

#include "auth/ipaddr.h"

enum { LABEL_MAX_LEN = 63 };

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

// is_name_byte tells whether a canonical label may hold `byte`. Underscores are no host names by
// RFC 1123, but stand in real ones, and no resolver reads them in two ways.
static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || is_digit(byte) || byte == '-' || byte == '_';
}

static bool label_is_good(const char *label, size_t len)
{
    if (len < 1 || len > LABEL_MAX_LEN || label[0] == '-' || label[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(label[i]))
            return false;
    }
    return true;
}

// label_is_number tells whether a last label could make some resolver read the whole name as an
// IPv4 address: `127.1`, `0x7f000001`, `1.2.3.0x4` (WHATWG URL 3.5, "ends in a number").
static bool label_is_number(const char *label, size_t len)
{
    if (len >= 2 && label[0] == '0' && label[1] == 'x')
        return true;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(label[i]))
            return false;
    }
    return true;
}

enum err hostname_parse(struct slice s, struct hostname *out)
{
    *out = (struct hostname){0};
    if (s.len > 0 && s.data[s.len - 1] == '.')
        s.len--;
    if (s.len < 1 || s.len > HOSTNAME_MAX_LEN)
        return ERR_INPUT;
    struct hostname name = {.len = (uint8_t)s.len};
    for (size_t i = 0; i < s.len; i++)
        name.text[i] = (char)ascii_lower(s.data[i]);
    size_t start = 0;
    for (;;) {
        const struct slice rest = slice_from(hostname_slice(&name), start);
        const size_t len = slice_find(rest, '.');
        if (!label_is_good(name.text + start, len))
            return ERR_INPUT;
        if (len == rest.len) {
            if (label_is_number(name.text + start, len))
                return ERR_INPUT;
            *out = name;
            return ERR_OK;
        }
        start += len + 1;
    }
}

struct slice hostname_slice(const struct hostname *name)
{
    return slice_of(name->text, name->len);
}

// looks_like_address tells whether `s` is an address or a range, bracketed or not.
static bool looks_like_address(struct slice s)
{
    if (s.len >= 2 && s.data[0] == '[' && s.data[s.len - 1] == ']')
        s = slice_of(s.data + 1, s.len - 2);
    struct ip_addr addr;
    return ip_addr_parse(slice_first(s, slice_find(s, '/')), &addr) == ERR_OK;
}

static bool holds_non_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80)
            return true;
    }
    return false;
}

// refuse_pattern finds the sentence for what is no pattern.
static enum err refuse_pattern(struct slice s, struct errinfo *info)
{
    const int len = (int)(s.len < 100 ? s.len : 100);
    const char *hint = "write it like example.com or *.example.com";
    if (looks_like_address(s))
        hint = "addresses are written under `addresses`";
    else if (holds_non_ascii(s))
        hint = "write the name in its ASCII form (xn--...)";
    else if (slice_find(s, '/') != s.len || slice_find(s, ':') != s.len)
        hint = "leave out scheme, port and path: ports are written under `ports`";
    else if (slice_find(s, '*') != s.len)
        hint =
            "`*` must be alone, or a whole label: the first (*.example.com), or one of at most two "
            "inside the name, neither next to the first nor at the end (ec2.*.amazonaws.com)";
    return errinfo_set(info, ERR_INPUT, "`%.*s` is not a host name: %s", len,
                       s.len == 0 ? "" : (const char *)s.data, hint);
}

static bool is_edge(struct slice s, size_t at)
{
    return at >= s.len || s.data[at] == '.';
}

// labels_parse reads a name in which labels may be `*`: it is read with `x` in their place, which changes nothing else.
static enum err labels_parse(struct slice s, struct host_pattern *out)
{
    char plain[HOSTNAME_MAX_LEN + 2]; // a final dot, NUL
    uint8_t stars[HOST_PATTERN_STARS_MAX];
    size_t count = 0;
    if (!string_copy(plain, sizeof plain, s))
        return ERR_INPUT;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != '*')
            continue;
        if (i == 0 || !is_edge(s, i - 1) || !is_edge(s, i + 1) || i + 2 >= s.len ||
            count == HOST_PATTERN_STARS_MAX)
            return ERR_INPUT;
        stars[count++] = (uint8_t)i;
        plain[i] = 'x';
    }
    TRY(hostname_parse(slice_of(plain, s.len), &out->name));
    for (size_t i = 0; i < count; i++)
        out->name.text[stars[i]] = '*';
    out->star_count = (uint8_t)count;
    return ERR_OK;
}

enum err host_pattern_parse(struct slice s, struct host_pattern *out, struct errinfo *info)
{
    *out = (struct host_pattern){.kind = HOST_PATTERN_EXACT};
    struct host_pattern pattern = *out;
    struct slice name = s;
    if (slice_equal(s, SLICE_LITERAL("*"))) {
        out->kind = HOST_PATTERN_ANY;
        return ERR_OK;
    }
    if (slice_starts_with(s, SLICE_LITERAL("*."))) {
        pattern.kind = HOST_PATTERN_SUFFIX;
        name = slice_from(s, 2);
    }
    if (labels_parse(name, &pattern) != ERR_OK)
        return refuse_pattern(s, info);
    // The shortest name that could match has to be possible: one label and a dot in front.
    if (pattern.kind == HOST_PATTERN_SUFFIX && pattern.name.len > HOSTNAME_MAX_LEN - 2)
        return errinfo_set(info, ERR_INPUT, "`%.60s...` is too long: no name could match it",
                           pattern.name.text);
    if (pattern.kind == HOST_PATTERN_EXACT && pattern.star_count > 0)
        pattern.kind = HOST_PATTERN_LABELS;
    *out = pattern;
    return ERR_OK;
}

bool host_labels_match(struct slice labels, struct slice name)
{
    size_t i = 0;
    size_t j = 0;
    while (i < labels.len && j < name.len) {
        if (labels.data[i] == '*') {
            while (j < name.len && name.data[j] != '.')
                j++;
            i++;
        } else if (labels.data[i++] != name.data[j++]) {
            return false;
        }
    }
    return i == labels.len && j == name.len;
}

bool host_tail_matches(struct slice labels, struct slice name)
{
    size_t dots = 1; // in front of the tail, and in it
    size_t at = name.len;
    for (size_t i = 0; i < labels.len; i++)
        dots += labels.data[i] == '.';
    // A canonical name has no empty label, so what is in front of the tail's dot is a whole label.
    while (at > 0 && dots > 0)
        dots -= name.data[--at] == '.';
    return dots == 0 && host_labels_match(labels, slice_from(name, at + 1));
}

bool host_pattern_matches(const struct host_pattern *pattern, const struct hostname *name)
{
    const struct slice wanted = hostname_slice(&pattern->name);
    const struct slice asked = hostname_slice(name);
    switch (pattern->kind) {
    case HOST_PATTERN_EXACT:
        return asked.len != 0 && slice_equal(asked, wanted);
    case HOST_PATTERN_LABELS:
        return asked.len != 0 && host_labels_match(wanted, asked);
    case HOST_PATTERN_SUFFIX:
        return wanted.len != 0 && host_tail_matches(wanted, asked);
    case HOST_PATTERN_ANY:
        return asked.len != 0;
    }
    return false;
}
