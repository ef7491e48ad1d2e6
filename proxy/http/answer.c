// Status lines, and the fields and short body after them.
#include "proxy/http/answer.h"

#include <stdio.h>

// wording is what an answer with this status, for this reason, says.
struct wording {
    uint16_t status;    // 0: any
    enum reason reason; // REASON_NONE: any
    const char *words;  // begin the reason phrase
    const char *error;  // the error type of RFC 9209 2.3 that fits best
};

// The first row that fits is taken.
static const struct wording wordings[] = {
    {400, REASON_NONE, "Bad request", "http_request_error"},
    {403, REASON_OWN_LISTENER, "Denied", "proxy_loop_detected"},
    {403, REASON_SPECIAL_RANGE, "Denied", "destination_ip_prohibited"},
    {403, REASON_METADATA, "Denied", "destination_ip_prohibited"},
    {403, REASON_PARENT_REFUSED, "Denied by a parent", "http_request_denied"},
    {403, REASON_NOT_AUTHORIZED, "Denied by the authorizer", "http_request_denied"},
    {403, REASON_NONE, "Denied", "http_request_denied"},
    {404, REASON_NONE, "Not found", "http_request_error"},
    {405, REASON_NONE, "Method not allowed", "http_request_error"},
    {408, REASON_NONE, "Request timeout", "http_request_error"},
    {417, REASON_NONE, "Expectation failed", "http_request_error"},
    {429, REASON_NONE, "Too many requests", "connection_limit_reached"},
    {431, REASON_NONE, "Request head too large", "http_request_error"},
    {502, REASON_DNS_FAILED, "Bad gateway", "dns_error"},
    {502, REASON_EGRESS_UNAVAILABLE, "Bad gateway", "proxy_configuration_error"},
    {502, REASON_BAD_RESPONSE, "Bad gateway", "http_protocol_error"},
    {502, REASON_UPSTREAM_CLOSED, "Bad gateway", "connection_terminated"},
    {502, REASON_UPSTREAM_RESET, "Bad gateway", "connection_terminated"},
    {502, REASON_UPSTREAM_TRUNCATED, "Bad gateway", "connection_terminated"},
    {502, REASON_PARENT_UNREACHABLE, "Bad gateway", "destination_unavailable"},
    {502, REASON_PARENT_UNTRUSTED, "Bad gateway", "tls_certificate_error"},
    {502, REASON_PARENT_BAD_ANSWER, "Bad gateway", "http_protocol_error"},
    {502, REASON_PARENT_REFUSED, "Bad gateway", "destination_unavailable"},
    {502, REASON_NONE, "Bad gateway", "connection_refused"},
    {503, REASON_PARENT_REFUSED, "Service unavailable", "destination_unavailable"},
    {503, REASON_AUTHORIZER_FAILED, "No answer of the authorizer", "proxy_internal_error"},
    {503, REASON_STORE_LOST, "Not known now", "proxy_internal_error"},
    {503, REASON_NONE, "Service unavailable", "proxy_internal_error"},
    {504, REASON_DNS_FAILED, "Gateway timeout", "dns_timeout"},
    {504, REASON_NONE, "Gateway timeout", "connection_timeout"},
    {508, REASON_NONE, "Loop detected", "proxy_loop_detected"},
    {0, REASON_NONE, "Refused", "http_request_error"},
};

static const struct wording *find_wording(const struct answer *answer)
{
    const struct wording *row = wordings;
    while ((row->status != 0 && row->status != answer->status) ||
           (row->reason != REASON_NONE && row->reason != answer->reason))
        row++;
    return row;
}

// or_empty gives a text that may be NULL.
static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

// append_phrase writes the reason phrase; what explains gives way so that the id is never cut.
static void append_phrase(const struct answer *answer, const char *start, struct text *out)
{
    char id[40];
    const int id_len = snprintf(id, sizeof id, " (id %.16s)", answer->id);
    char words[ANSWER_REASON_PHRASE_MAX + 1];
    const size_t room = ANSWER_REASON_PHRASE_MAX - (size_t)id_len;
    // A rule that asks allows: somebody else denies.
    const bool is_asked =
        answer->reason == REASON_NOT_AUTHORIZED || answer->reason == REASON_AUTHORIZER_FAILED;
    if (answer->rule != NULL)
        (void)snprintf(words, room + 1, "%s %s rule %s", start, is_asked ? "for" : "by",
                       answer->rule);
    else
        (void)snprintf(words, room + 1, "%s: %s%s%s%s%s", start, reason_name(answer->reason),
                       answer->client == NULL ? "" : " for ", or_empty(answer->client),
                       answer->detail == NULL ? "" : ", ", or_empty(answer->detail));
    text_append_string(out, words);
    text_append_string(out, id);
}

// append_members begins Proxy-Status with the members of those further on: each proxy adds its own at the end
// (RFC 9209 2).
static void append_members(const struct answer *answer, struct text *out)
{
    const char *passed_on = or_empty(answer->passed_on);
    text_append_format(out, "Proxy-Status: %s%ssallyport", passed_on,
                       passed_on[0] == '\0' ? "" : ", ");
}

void answer_format(const struct answer *answer, struct text *out)
{
    if (answer->status == 200) {
        text_append_string(out, "HTTP/1.1 200 Connection established\r\n");
        append_members(answer, out);
        text_append_format(out, "\r\nX-Request-Id: %s\r\n\r\n", answer->id);
        return;
    }
    const struct wording *wording = find_wording(answer);
    char phrase_data[ANSWER_REASON_PHRASE_MAX + 1];
    struct text phrase;
    text_init(&phrase, phrase_data, sizeof phrase_data);
    append_phrase(answer, wording->words, &phrase);
    text_append_format(out, "HTTP/1.1 %u %s\r\n", answer->status, phrase.data);
    append_members(answer, out);
    text_append_format(out, "; error=%s", wording->error);
    if (answer->received != 0)
        text_append_format(out, "; received-status=%u", answer->received);
    text_append_format(out, "; details=\"%s%s%s%s%s\"\r\n", reason_name(answer->reason),
                       answer->rule == NULL ? "" : "; rule ", or_empty(answer->rule),
                       answer->detail == NULL ? "" : "; ", or_empty(answer->detail));
    text_append_format(out, "X-Request-Id: %s\r\n", answer->id);
    if (answer->status == 405)
        text_append_string(out, "Allow: GET, HEAD\r\n");
    if (answer->status == 429 || answer->retry_after_s > 0)
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
