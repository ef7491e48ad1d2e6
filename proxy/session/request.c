// From a head to what is to be done about it: a CONNECT, a plain request, a question to the proxy itself, or a
// refusal that says what would have been right.
#include "proxy/session/exchange_internal.h"

// is_good_host: a Host field, where there is one, is a host with or without a port. What it names does not count: the
// request-target is what is judged, and what the target of a plain request reads in Host is written from that
// (RFC 9112 3.2.2).
static bool is_good_host(const struct request_head *head)
{
    struct target host;
    return !head->has_host || target_host_parse(head->host, &host) == ERR_OK ||
           target_parse(head->host, &host) == ERR_OK;
}

static const char malformed_host[] = "malformed Host";

static void refuse_bad(struct exchange *exchange, const char *detail, const char *help)
{
    exchange->help = help;
    exchange_refuse_error(exchange, 400, REASON_BAD_REQUEST, detail);
}

// go_on asks the policy, and then for a way to the target.
static void go_on(struct exchange *exchange, const struct request_head *head)
{
    exchange->may_keep = head->is_persistent;
    if (whoami_is_for(exchange->target))
        exchange_answer_whoami(exchange, head);
    else if (exchange_is_admitted(exchange))
        exchange_seek_upstream(exchange);
}

static void take_connect(struct exchange *exchange, const struct request_head *head)
{
    exchange->has_target = target_parse(head->target, exchange->target) == ERR_OK;
    if (!exchange->has_target) {
        exchange_refuse_error(exchange, 400, REASON_BAD_TARGET, "expected host:port");
        return;
    }
    if (!is_good_host(head))
        refuse_bad(exchange, malformed_host, NULL);
    else
        go_on(exchange, head);
}

// take_plain looks at a request whose URL can be asked for.
static void take_plain(struct exchange *exchange, const struct request_head *head,
                       const struct absolute_url *url)
{
    *exchange->target = url->target;
    exchange->has_target = true;
    exchange->is_plain = true;
    exchange->body = head->body;
    exchange->body_len = head->length;
    if (head->minor_version == 1 && !head->has_host)
        refuse_bad(exchange, "no Host field", NULL); // RFC 9112 3.2
    else if (!is_good_host(head))
        refuse_bad(exchange, malformed_host, NULL);
    else if (url->is_websocket && !head->wants_websocket)
        refuse_bad(exchange, "ws:// without an upgrade", NULL);
    else if (head->wants_websocket && head->body != BODY_NONE)
        refuse_bad(exchange, "an upgrade with a body", NULL);
    else if (exchange->body != BODY_NONE && slice_equal(exchange->method, SLICE_LITERAL("TRACE")))
        refuse_bad(exchange, "TRACE with a body", NULL); // RFC 9110 9.3.8
    else if (head->has_max_forwards && head->max_forwards == 0)
        exchange_refuse_error(exchange, 405, REASON_BAD_REQUEST, "Max-Forwards is 0");
    else if (head->expects_other)
        exchange_refuse_error(exchange, 417, REASON_BAD_REQUEST, "unknown Expect");
    else
        go_on(exchange, head);
}

static const char what_this_is[] =
    "This is Sallyport, a forward proxy: set it as the proxy of your client, which then sends "
    "CONNECT host:port, or http:// URLs. http://sallyport.internal/whoami says who you are.";

static void take_other(struct exchange *exchange, const struct request_head *head)
{
    struct absolute_url url;
    const char *why = NULL;
    absolute_url_parse(head->target, &url, &why);
    switch (url.kind) {
    case URL_HTTP:
        take_plain(exchange, head, &url);
        return;
    case URL_HTTPS:
        refuse_bad(
            exchange, "use CONNECT for https",
            "For an https:// URL a client asks its proxy to CONNECT host:443, and speaks TLS "
            "through the tunnel.");
        return;
    case URL_OTHER:
        refuse_bad(exchange, "only http:// URLs", what_this_is);
        return;
    case URL_ORIGIN:
        refuse_bad(exchange, "this is a proxy", what_this_is);
        return;
    case URL_AUTHORITY:
        exchange->help = what_this_is;
        exchange_refuse_error(exchange, 400, REASON_BAD_TARGET, "expected an http:// URL");
        return;
    case URL_BAD:
        exchange_refuse_error(exchange, 400, REASON_BAD_TARGET, why);
        return;
    }
}

void exchange_take_request(struct exchange *exchange, const struct request_head *head)
{
    exchange->head_len = head->len;
    exchange->request_len = head->len;
    exchange_note_method(exchange, head->method_text);
    if (head->method == METHOD_CONNECT)
        take_connect(exchange, head);
    else
        take_other(exchange, head);
}

void exchange_note_method(struct exchange *exchange, struct slice method)
{
    if (bytes_copy(exchange->method_data, sizeof exchange->method_data, method))
        exchange->method = slice_of(exchange->method_data, method.len);
    exchange->is_for_head = slice_equal(method, SLICE_LITERAL("HEAD"));
}
