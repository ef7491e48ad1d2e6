// Scheme, authority, path: each ends at the first byte that may not be in it (RFC 3986 3).
#include "proxy/http/absolute_url.h"

static const uint16_t http_port = 80;

// scheme_len gives the length of a scheme that `://` follows, or 0.
static size_t scheme_len(struct slice text)
{
    const size_t colon = slice_find(text, ':');
    for (size_t i = 0; i < colon; i++) {
        const uint8_t byte = ascii_lower(text.data[i]);
        const bool is_letter = byte >= 'a' && byte <= 'z';
        const bool is_inner =
            (byte >= '0' && byte <= '9') || byte == '+' || byte == '-' || byte == '.';
        if (!is_letter && (i == 0 || !is_inner))
            return 0;
    }
    return slice_starts_with(slice_from(text, colon), SLICE_LITERAL("://")) ? colon : 0;
}

static bool is_scheme(struct slice scheme, const char *name)
{
    return slice_equal_ignore_case(scheme, slice_of_string(name));
}

// authority_len: up to the first `/`, `?` or `#`.
static size_t authority_len(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '/' && text.data[len] != '?' &&
           text.data[len] != '#')
        len++;
    return len;
}

// parse_authority reads host [ ":" port ]. A colon that no port follows is refused: is it 80, or a mistake?
static bool parse_authority(struct slice authority, struct target *out)
{
    if (target_host_parse(authority, out) == ERR_OK) {
        out->port = http_port;
        return true;
    }
    return target_parse(authority, out) == ERR_OK;
}

static void parse_http(struct slice rest, struct absolute_url *out, const char **out_why)
{
    const size_t len = authority_len(rest);
    const struct slice authority = slice_first(rest, len);
    out->path = slice_from(rest, len);
    out->kind = URL_BAD;
    *out_why = "userinfo in the URL";
    if (slice_find(authority, '@') < authority.len)
        return;
    *out_why = "a fragment in the URL";
    if (slice_find(rest, '#') < rest.len)
        return;
    *out_why = "the host in the URL";
    if (parse_authority(authority, &out->target))
        out->kind = URL_HTTP;
}

void absolute_url_parse(struct slice text, struct absolute_url *out, const char **out_why)
{
    *out = (struct absolute_url){0};
    const size_t len = scheme_len(text);
    const struct slice scheme = slice_first(text, len);
    out->is_websocket = is_scheme(scheme, "ws");
    if (text.len > 0 && (text.data[0] == '/' || text.data[0] == '*'))
        out->kind = URL_ORIGIN;
    else if (len == 0)
        out->kind = URL_AUTHORITY;
    else if (is_scheme(scheme, "http") || out->is_websocket)
        parse_http(slice_from(text, len + 3), out, out_why);
    else if (is_scheme(scheme, "https") || is_scheme(scheme, "wss"))
        out->kind = URL_HTTPS;
    else
        out->kind = URL_OTHER;
}
