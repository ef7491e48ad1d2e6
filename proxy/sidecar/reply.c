// Status lines, the fields after them, and short bodies.
#include "proxy/sidecar/reply.h"

enum { PHRASE_MAX = 80, PHRASE_CAP = PHRASE_MAX + 1, BODY_CAP = 1024 };

static void append(struct text *out, uint16_t status, const char *phrase, const char *proxy_status,
                   const char *type, const char *body)
{
    text_append_format(out, "HTTP/1.1 %u %.*s\r\n", status, PHRASE_MAX, phrase);
    if (proxy_status != NULL)
        text_append_format(out, "Proxy-Status: sallyport-connect; error=%s\r\n", proxy_status);
    text_append_format(out,
                       "Connection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                       type, slice_of_string(body).len, body);
}

static void append_plain(struct text *out, uint16_t status, const char *phrase,
                         const char *proxy_status)
{
    char data[BODY_CAP];
    struct text body;
    text_init(&body, data, sizeof data);
    text_append_format(&body, "%s\n", phrase);
    append(out, status, phrase, proxy_status, "text/plain; charset=utf-8", body.data);
}

void reply_failure(enum cause cause, const char *detail, uint8_t alert, struct text *out)
{
    char phrase_data[PHRASE_CAP];
    char status_data[BODY_CAP];
    char body_data[BODY_CAP];
    struct text phrase;
    struct text status;
    struct text body;
    text_init(&phrase, phrase_data, sizeof phrase_data);
    text_init(&status, status_data, sizeof status_data);
    text_init(&body, body_data, sizeof body_data);
    text_append_format(&phrase, "Sidecar: %s", cause_phrase(cause));
    text_append_format(&phrase, " (%s)",
                       cause_name(cause)); // dropped as a whole if there is no room
    text_append_string(&status, cause_proxy_status(cause));
    if (alert != 0)
        text_append_format(&status, "; alert-id=%u; alert-message=\"%s\"", alert, detail);
    text_append_format(&status, "; details=\"%s\"", cause_name(cause));
    text_append_format(&body, "%s\n", phrase.data);
    if (detail[0] != '\0')
        text_append_format(&body, "It says: %s.\n", detail);
    text_append_format(&body, "What to do: %s.\n", cause_advice(cause));
    text_append_string(&body, "`sallyport doctor` with the same options says more.\n");
    append(out, cause_status(cause), phrase.data, status.data, "text/plain; charset=utf-8",
           body.data);
}

void reply_bad_request(const char *why, struct text *out)
{
    char data[PHRASE_CAP];
    struct text phrase;
    text_init(&phrase, data, sizeof data);
    text_append_format(&phrase, "Sidecar: bad request, %s", why);
    append_plain(out, 400, phrase.data, "http_request_error");
}

void reply_too_large(struct text *out)
{
    append_plain(out, 431, "Sidecar: request head too large", "http_request_error");
}

void reply_late(struct text *out)
{
    append_plain(out, 408, "Sidecar: the request head did not arrive in time",
                 "http_request_error");
}

void reply_draining(struct text *out)
{
    append_plain(out, 503, "Sidecar: stopping", "proxy_internal_error");
}

void reply_full(struct text *out)
{
    append_plain(out, 503, "Sidecar: too many connections", "connection_limit_reached");
}

void reply_pac(const char *endpoint, bool has_body, struct text *out)
{
    char data[BODY_CAP];
    struct text body;
    text_init(&body, data, sizeof data);
    text_append_format(&body,
                       "function FindProxyForURL(url, host) {\n"
                       "  if (host === \"localhost\" || host.endsWith(\".localhost\") ||\n"
                       "      host === \"127.0.0.1\" || host === \"[::1]\" || host === \"::1\")\n"
                       "    return \"DIRECT\";\n"
                       "  return \"PROXY %s\";\n"
                       "}\n",
                       endpoint);
    text_append_format(out,
                       "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n"
                       "Content-Type: application/x-ns-proxy-autoconfig\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       body.len, has_body ? body.data : "");
}

void reply_about(const char *endpoint, struct text *out)
{
    char data[BODY_CAP];
    struct text body;
    text_init(&body, data, sizeof data);
    text_append_format(&body,
                       "This is a proxy, no web server: sallyport connect.\n"
                       "Use it with http_proxy=http://%s and https_proxy=http://%s,\n"
                       "or with the PAC file at http://%s/proxy.pac.\n",
                       endpoint, endpoint, endpoint);
    append(out, 404, "Sidecar: this is a proxy, no web server", NULL, "text/plain; charset=utf-8",
           body.data);
}
