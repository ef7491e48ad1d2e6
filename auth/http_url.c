// Scheme, authority, path, query: each ends at the first byte that may not be in it (RFC 3986 3). Then each part is written
// again from what was read.
#include "auth/http_url.h"

#include "auth/base/text.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

// is_unreserved: RFC 3986 2.3; these need no `%XX`.
static bool is_unreserved(uint8_t byte)
{
    const uint8_t lower = ascii_lower(byte);
    return (lower >= 'a' && lower <= 'z') || is_digit(byte) || byte == '-' || byte == '.' ||
           byte == '_' || byte == '~';
}

// is_plain tells whether the byte may stand in a path, or after the `?` in a query, as it is (RFC 3986 3.3 and 3.4).
static bool is_plain(uint8_t byte)
{
    return is_unreserved(byte) || (byte != 0 && strchr("!$&'()*+,;=:@/", byte) != NULL);
}

// hex_value gives the value of a hexadecimal digit, or 16.
static uint8_t hex_value(uint8_t byte)
{
    const uint8_t lower = ascii_lower(byte);
    if (is_digit(byte))
        return (uint8_t)(byte - '0');
    return lower >= 'a' && lower <= 'f' ? (uint8_t)(lower - 'a' + 10) : 16;
}

// append_encoded copies one `%XX` from the start of `rest`.
static enum err append_encoded(struct slice rest, struct text *out, struct errinfo *info)
{
    const uint8_t high = rest.len >= 3 ? hex_value(rest.data[1]) : 16;
    const uint8_t low = rest.len >= 3 ? hex_value(rest.data[2]) : 16;
    const unsigned byte = high * 16U + low;
    if (high > 15 || low > 15)
        return errinfo_set(info, ERR_INPUT,
                           "a %% in the URL that two hexadecimal digits do not follow");
    if (byte < 0x20 || byte == 0x7F)
        return errinfo_set(info, ERR_INPUT, "%%%02X, a control byte, in the URL", byte);
    if (is_unreserved((uint8_t)byte))
        return errinfo_set(info, ERR_INPUT, "%%%02X in the URL: write it as it is, `%c`", byte,
                           (int)byte);
    text_append_format(out, "%%%02X", byte);
    return ERR_OK;
}

// append_path copies path and query, each byte checked.
static enum err append_path(struct slice path, struct text *out, struct errinfo *info)
{
    bool is_query = false;
    for (size_t i = 0; i < path.len; i++) {
        const uint8_t byte = path.data[i];
        if (byte == '%') {
            TRY(append_encoded(slice_from(path, i), out, info));
            i += 2;
            continue;
        }
        if (byte == '#')
            return errinfo_set(info, ERR_INPUT, "a fragment (`#`) in the URL");
        is_query = is_query || byte == '?';
        if (byte != '?' && !is_plain(byte))
            return errinfo_set(info, ERR_INPUT,
                               "the byte 0x%02X in the URL, which must be written as %%%02X", byte,
                               byte);
        text_append(out, slice_of(&byte, 1));
    }
    return ERR_OK;
}

// has_dots tells whether a segment of the path is `.` or `..`, or is up to the first `end`: some servers take the parameters
// (`;`) or what is encoded (`%`) away, and then it is.
static bool has_dots(struct slice path, uint8_t end)
{
    path = slice_first(path, slice_find(path, '?'));
    while (path.len > 0) {
        path = slice_from(path, 1);
        const struct slice segment = slice_first(path, slice_find(path, '/'));
        const struct slice name = slice_first(segment, slice_find(segment, end));
        if (slice_equal(name, SLICE_LITERAL(".")) || slice_equal(name, SLICE_LITERAL("..")))
            return true;
        path = slice_from(path, segment.len);
    }
    return false;
}

// is_clear tells whether a server that decodes the path, be it twice, finds no further `/`, `.`, `\`, `;` or `%` in it.
static bool is_clear(struct slice path)
{
    return !slice_contains(path, SLICE_LITERAL("%2F")) &&
           !slice_contains(path, SLICE_LITERAL("%5C")) &&
           !slice_contains(path, SLICE_LITERAL("%3B")) &&
           !slice_contains(path, SLICE_LITERAL("%25")) && !has_dots(path, '%');
}

static enum err parse_scheme(struct slice *rest, struct http_url *out, struct errinfo *info)
{
    const struct slice http = slice_first(*rest, strlen("http://"));
    const struct slice https = slice_first(*rest, strlen("https://"));
    if (slice_equal_ignore_case(http, SLICE_LITERAL("http://"))) {
        *rest = slice_from(*rest, http.len);
        return ERR_OK;
    }
    out->is_https = slice_equal_ignore_case(https, SLICE_LITERAL("https://"));
    if (!out->is_https)
        return errinfo_set(info, ERR_INPUT, "the URL must begin with http:// or https://");
    *rest = slice_from(*rest, https.len);
    return ERR_OK;
}

static enum err parse_authority(struct slice authority, struct http_url *out, struct errinfo *info)
{
    if (slice_find(authority, '@') < authority.len)
        return errinfo_set(info, ERR_INPUT, "a user name or password (`@`) in the URL");
    if (target_host_parse(authority, &out->target) == ERR_OK) {
        out->target.port = out->is_https ? HTTPS_PORT : HTTP_PORT;
        return ERR_OK;
    }
    if (target_parse(authority, &out->target) == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "the host of the URL: a name or an address, [IPv6] in brackets, and where "
                       "there is a colon after it, a port from 1 to 65535");
}

static void append_authority(const struct http_url *url, struct text *out)
{
    char host[TARGET_TEXT_CAP];
    const struct target *target = &url->target;
    const bool needs_brackets = target->kind == TARGET_ADDRESS && target->address.family == IP_V6;
    text_append_format(out, needs_brackets ? "[%s]" : "%s", target_format_host(target, host));
    if (target->port != (url->is_https ? HTTPS_PORT : HTTP_PORT))
        text_append_format(out, ":%u", target->port);
}

static enum err parse(struct slice text, struct http_url *out, struct errinfo *info)
{
    struct text canonical;
    if (text.len > HTTP_URL_MAX_LEN)
        return errinfo_set(info, ERR_INPUT, "the URL is longer than %d bytes", HTTP_URL_MAX_LEN);
    TRY(parse_scheme(&text, out, info));
    size_t len = 0;
    while (len < text.len && strchr("/?#", text.data[len]) == NULL)
        len++;
    TRY(parse_authority(slice_first(text, len), out, info));
    const struct slice path = slice_from(text, len);
    text_init(&canonical, out->text, sizeof out->text);
    text_append_string(&canonical, out->is_https ? "https://" : "http://");
    append_authority(out, &canonical);
    out->path_at = (uint16_t)canonical.len;
    if (path.len == 0 || path.data[0] != '/')
        text_append_string(&canonical, "/");
    TRY(append_path(path, &canonical, info));
    out->len = (uint16_t)canonical.len;
    if (canonical.is_cut)
        return errinfo_set(info, ERR_INPUT, "the URL is longer than %d bytes", HTTP_URL_MAX_LEN);
    if (has_dots(http_url_path(out), ';'))
        return errinfo_set(info, ERR_INPUT, "`.` or `..` in the path of the URL");
    return ERR_OK;
}

enum err http_url_parse(struct slice text, struct http_url *out, struct errinfo *info)
{
    *out = (struct http_url){0};
    const enum err error = parse(text, out, info);
    if (error != ERR_OK)
        *out = (struct http_url){0};
    return error;
}

struct slice http_url_authority(const struct http_url *url)
{
    const size_t from = url->is_https ? strlen("https://") : strlen("http://");
    return slice_of(url->text + from, url->path_at - from);
}

struct slice http_url_path(const struct http_url *url)
{
    return slice_of(url->text + url->path_at, (size_t)url->len - url->path_at);
}

bool http_url_equal(const struct http_url *a, const struct http_url *b)
{
    return slice_equal(slice_of(a->text, a->len), slice_of(b->text, b->len));
}

bool http_url_is_prefix(const struct http_url *url)
{
    const struct slice path = http_url_path(url);
    return slice_ends_with(path, SLICE_LITERAL("/")) && slice_find(path, '?') == path.len;
}

bool http_url_is_under(const struct http_url *url, const struct http_url *prefix)
{
    const struct slice whole = http_url_path(url);
    const struct slice path = slice_first(whole, slice_find(whole, '?'));
    return http_url_is_prefix(prefix) &&
           slice_starts_with(slice_of(url->text, url->len), slice_of(prefix->text, prefix->len)) &&
           is_clear(path);
}

bool http_url_is_under_any(const struct http_url *url, const struct http_url *prefixes,
                           size_t count)
{
    size_t i = 0;
    while (i < count && !http_url_is_under(url, &prefixes[i]))
        i++;
    return i < count;
}
