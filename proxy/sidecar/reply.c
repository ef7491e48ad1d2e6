// Status lines, the fields after them, and short bodies.
#include "proxy/sidecar/reply.h"

#include <stdio.h>

enum { PHRASE_MAX = 80, PHRASE_CAP = PHRASE_MAX + 1, BODY_CAP = 1024 };

// append appends an answer with a body of plain text; `proxy_status` is the error of RFC 9209, or NULL.
static void append(struct text *out, uint16_t status, const char *phrase, const char *proxy_status,
                   const char *body)
{
    text_append_format(out, "HTTP/1.1 %u %.*s\r\n", status, PHRASE_MAX, phrase);
    if (proxy_status != NULL)
        text_append_format(out, "Proxy-Status: sallyport-connect; error=%s\r\n", proxy_status);
    text_append_format(out,
                       "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       slice_of_string(body).len, body);
}

void reply_failure(enum cause cause, const char *detail, uint8_t alert, struct text *out)
{
    const struct cause_info *info = cause_info(cause);
    char phrase_data[PHRASE_CAP];
    char status_data[BODY_CAP];
    char body_data[BODY_CAP];
    struct text phrase;
    struct text status;
    struct text body;
    text_init(&phrase, phrase_data, sizeof phrase_data);
    text_init(&status, status_data, sizeof status_data);
    text_init(&body, body_data, sizeof body_data);
    text_append_format(&phrase, "Sidecar: %s", info->phrase);
    text_append_format(&phrase, " (%s)", info->name); // dropped as a whole if there is no room
    text_append_string(&status, info->proxy_status);
    if (alert != 0)
        text_append_format(&status, "; alert-id=%u; alert-message=\"%s\"", alert, detail);
    text_append_format(&status, "; details=\"%s\"", info->name);
    text_append_format(&body, "%s\n", phrase.data);
    if (detail[0] != '\0')
        text_append_format(&body, "It says: %s.\n", detail);
    text_append_format(&body, "What to do: %s\n", info->advice);
    text_append_string(&body, "`sallyport doctor` with the same options says more.\n");
    append(out, info->status, phrase.data, status.data, body.data);
}

void reply_refusal(uint16_t status, const char *error, const char *what, const char *why,
                   struct text *out)
{
    char phrase_data[PHRASE_CAP];
    char body[PHRASE_CAP + 1];
    struct text phrase;
    text_init(&phrase, phrase_data, sizeof phrase_data);
    text_append_format(&phrase, "Sidecar: %s%s", what, why);
    (void)snprintf(body, sizeof body, "%s\n", phrase.data);
    append(out, status, phrase.data, error, body);
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
    append(out, 404, "Sidecar: this is a proxy, no web server", NULL, body.data);
}
