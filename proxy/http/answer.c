// Status lines, and the fields and short body after them.
#include "proxy/http/answer.h"

#include <stdio.h>

static const char *status_words(uint16_t status)
{
    switch (status) {
    case 200:
        return "Connection established";
    case 400:
        return "Bad request";
    case 403:
        return "Denied";
    case 404:
        return "Not found";
    case 405:
        return "Method not allowed";
    case 408:
        return "Request timeout";
    case 417:
        return "Expectation failed";
    case 429:
        return "Too many requests";
    case 431:
        return "Request head too large";
    case 502:
        return "Bad gateway";
    case 503:
        return "Service unavailable";
    case 504:
        return "Gateway timeout";
    default:
        return "Refused";
    }
}

static const char *bad_gateway_error(enum reason reason)
{
    if (reason == REASON_DNS_FAILED)
        return "dns_error";
    if (reason == REASON_EGRESS_UNAVAILABLE)
        return "proxy_configuration_error";
    if (reason == REASON_BAD_RESPONSE)
        return "http_protocol_error";
    if (reason == REASON_UPSTREAM_CLOSED || reason == REASON_UPSTREAM_RESET)
        return "connection_terminated";
    return "connection_refused";
}

// proxy_status_error gives the error type of RFC 9209 2.3 that fits best.
static const char *proxy_status_error(const struct answer *answer)
{
    switch (answer->status) {
    case 403:
        if (answer->reason == REASON_OWN_LISTENER)
            return "proxy_loop_detected";
        if (answer->reason == REASON_SPECIAL_RANGE || answer->reason == REASON_METADATA)
            return "destination_ip_prohibited";
        return "http_request_denied";
    case 429:
        return "connection_limit_reached";
    case 502:
        return bad_gateway_error(answer->reason);
    case 503:
        return "proxy_internal_error";
    case 504:
        return answer->reason == REASON_DNS_FAILED ? "dns_timeout" : "connection_timeout";
    default:
        return "http_request_error";
    }
}

// append_phrase writes the reason phrase; what explains gives way so that the id is never cut.
static void append_phrase(const struct answer *answer, struct text *out)
{
    char id[40];
    const int id_len = snprintf(id, sizeof id, " (id %.16s)", answer->id);
    char words[ANSWER_REASON_PHRASE_MAX + 1];
    const size_t room = ANSWER_REASON_PHRASE_MAX - (size_t)id_len;
    if (answer->rule != NULL)
        (void)snprintf(words, room + 1, "%s by rule %s", status_words(answer->status),
                       answer->rule);
    else
        (void)snprintf(words, room + 1, "%s: %s%s%s%s%s", status_words(answer->status),
                       reason_name(answer->reason), answer->client == NULL ? "" : " for ",
                       answer->client == NULL ? "" : answer->client,
                       answer->detail == NULL ? "" : ", ",
                       answer->detail == NULL ? "" : answer->detail);
    text_append_string(out, words);
    text_append_string(out, id);
}

static void append_proxy_status(const struct answer *answer, struct text *out)
{
    text_append_format(out, "Proxy-Status: sallyport; error=%s; details=\"%s%s%s%s%s\"\r\n",
                       proxy_status_error(answer), reason_name(answer->reason),
                       answer->rule == NULL ? "" : "; rule ",
                       answer->rule == NULL ? "" : answer->rule, answer->detail == NULL ? "" : "; ",
                       answer->detail == NULL ? "" : answer->detail);
}

static void append_tunnel(const struct answer *answer, struct text *out)
{
    text_append_format(out,
                       "HTTP/1.1 200 %s\r\nProxy-Status: sallyport\r\nX-Request-Id: %s\r\n\r\n",
                       status_words(200), answer->id);
}

void answer_format(const struct answer *answer, struct text *out)
{
    if (answer->status == 200) {
        append_tunnel(answer, out);
        return;
    }
    char phrase_data[ANSWER_REASON_PHRASE_MAX + 1];
    struct text phrase;
    text_init(&phrase, phrase_data, sizeof phrase_data);
    append_phrase(answer, &phrase);
    text_append_format(out, "HTTP/1.1 %u %s\r\n", answer->status, phrase.data);
    append_proxy_status(answer, out);
    text_append_format(out, "X-Request-Id: %s\r\n", answer->id);
    if (answer->status == 405)
        text_append_string(out, "Allow: GET, HEAD\r\n");
    if (answer->status == 429)
        text_append_format(out, "Retry-After: %u\r\n", answer->retry_after_s);
    if (!answer->is_persistent)
        text_append_string(out, "Connection: close\r\n");
    const size_t help_len = answer->help == NULL ? 0 : strlen(answer->help) + 1;
    text_append_format(out,
                       "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                       phrase.len + 1 + help_len);
    if (answer->is_for_head)
        return;
    text_append_format(out, "%s\n", phrase.data);
    if (answer->help != NULL)
        text_append_format(out, "%s\n", answer->help);
}

void answer_format_json(const struct answer *answer, struct slice json, struct text *out)
{
    text_append_format(out,
                       "HTTP/1.1 200 OK\r\nProxy-Status: sallyport\r\nX-Request-Id: %s\r\n%s"
                       "Cache-Control: no-store\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       answer->id, answer->is_persistent ? "" : "Connection: close\r\n", json.len);
    if (!answer->is_for_head)
        text_append(out, json);
}

void answer_plain_http(struct text *out)
{
    static const char phrase[] = "This port speaks TLS - use https:// in the proxy URL";
    text_append_format(out,
                       "HTTP/1.1 400 %s\r\nProxy-Status: sallyport; error=http_request_error; "
                       "details=\"plain_http\"\r\nConnection: close\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s\n",
                       phrase, sizeof phrase, phrase);
}
