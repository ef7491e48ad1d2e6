// From a head to what is to be done about it, or a refusal that says what would have been right.
#include "proxy/session/request.h"

static const char malformed_host[] = "malformed Host";

static const char what_this_is[] =
    "This is Sallyport, a forward proxy: set it as the proxy of your client, which then sends "
    "CONNECT host:port, or http:// URLs. http://sallyport.internal/whoami says who you are.";

// is_good_host: a Host field, where there is one, is a host with or without a port. What it names does not count: the
// request-target is what is judged, and what the target of a plain request reads in Host is written from that
// (RFC 9112 3.2.2).
static bool is_good_host(const struct message_head *head)
{
    struct target host;
    return !head->has_host || target_host_parse(head->host, &host) == ERR_OK ||
           target_parse(head->host, &host) == ERR_OK;
}

static struct verdict bad(const char *detail)
{
    return verdict_error(400, REASON_BAD_REQUEST, detail);
}

static struct verdict take_connect(struct request *request, const struct message_head *head)
{
    request->has_target = target_parse(head->target, &request->url.target) == ERR_OK;
    if (!request->has_target)
        return verdict_error(400, REASON_BAD_TARGET, "expected host:port");
    return is_good_host(head) ? (struct verdict){.kind = VERDICT_GO} : bad(malformed_host);
}

// take_plain looks at a request whose URL can be asked for.
static struct verdict take_plain(struct request *request)
{
    const struct message_head *head = &request->head;
    const bool has_body = head->body != BODY_NONE;
    request->has_target = true;
    if (head->minor_version == 1 && !head->has_host)
        return bad("no Host field"); // RFC 9112 3.2
    if (!is_good_host(head))
        return bad(malformed_host);
    if (request->url.is_websocket && !head->is_websocket)
        return bad("ws:// without an upgrade");
    if (head->is_websocket && has_body)
        return bad("an upgrade with a body");
    if (has_body && slice_equal(request->method, SLICE_LITERAL("TRACE")))
        return bad("TRACE with a body"); // RFC 9110 9.3.8
    if (head->has_max_forwards && head->max_forwards == 0)
        return verdict_error(405, REASON_BAD_REQUEST, "Max-Forwards is 0");
    if (head->expects_other)
        return verdict_error(417, REASON_BAD_REQUEST, "unknown Expect");
    return (struct verdict){.kind = VERDICT_GO};
}

static struct verdict take_other(struct request *request)
{
    static const struct {
        enum reason reason;
        const char *detail;
        const char *help;
    } refusals[] = {
        [URL_HTTPS] = {REASON_BAD_REQUEST, "use CONNECT for https",
                       "For an https:// URL a client asks its proxy to CONNECT host:443, and "
                       "speaks TLS through the tunnel."},
        [URL_OTHER] = {REASON_BAD_REQUEST, "only http:// URLs", what_this_is},
        [URL_ORIGIN] = {REASON_BAD_REQUEST, "this is a proxy", what_this_is},
        [URL_AUTHORITY] = {REASON_BAD_TARGET, "expected an http:// URL", what_this_is},
    };
    const char *why = NULL;
    absolute_url_parse(request->head.target, &request->url, &why);
    const enum url_kind kind = request->url.kind;
    request->is_plain = kind == URL_HTTP;
    if (kind == URL_HTTP)
        return take_plain(request);
    if (kind == URL_BAD)
        return verdict_error(400, REASON_BAD_TARGET, why);
    struct verdict verdict = verdict_error(400, refusals[kind].reason, refusals[kind].detail);
    verdict.help = refusals[kind].help;
    return verdict;
}

struct verdict request_take(struct request *request, const struct message_head *head)
{
    request->head = *head;
    via_collect(head->fields, &request->trail);
    if (bytes_copy(request->method_data, sizeof request->method_data, head->method_text))
        request->method = slice_of(request->method_data, head->method_text.len);
    request->is_for_head = slice_equal(head->method_text, SLICE_LITERAL("HEAD"));
    return head->method == METHOD_CONNECT ? take_connect(request, head) : take_other(request);
}

void request_route(struct request *request)
{
    request->is_routed = true;
    request->has_target = false;
    request->asked = request->url.target.address;
}

void request_take_name(struct request *request, const struct hostname *name)
{
    request->has_target = true;
    request->url.target =
        (struct target){.kind = TARGET_NAME, .port = request->url.target.port, .name = *name};
}

bool request_is_repeatable(const struct request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "PUT"};
    if (!request->is_plain || request->head.body != BODY_NONE)
        return false;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (slice_equal(request->method, slice_of_string(methods[i])))
            return true;
    }
    return false;
}
