// In this order: method, body, Host, page, right. A source that may see little learns of no page that it may not see.
#include "proxy/monitor/monitor_request.h"

#include "auth/hostname.h"
#include "proxy/http/field.h"

struct monitor_source monitor_source_of(const struct admin_settings *settings,
                                        const struct ip_addr *address)
{
    return (struct monitor_source){.address = *address,
                                   .is_trusted = admin_settings_trusts_all(settings)};
}

// is_in_from tells whether the source is one of those that `open` is for.
static bool is_in_from(const struct admin_settings *settings, const struct monitor_source *source)
{
    for (size_t i = 0; i < settings->from_count; i++) {
        if (ip_prefix_contains(&settings->from[i], &source->address))
            return true;
    }
    return false;
}

bool monitor_may_speak(const struct admin_settings *settings, const struct monitor_source *source)
{
    return source->is_trusted || settings->tls != NULL || is_in_from(settings, source);
}

// cut_port takes `:PORT` off the end of a Host, and the brackets off an IPv6 address. False: neither form.
static bool cut_port(struct slice host, struct slice *out)
{
    const bool has_brackets = slice_starts_with(host, SLICE_LITERAL("["));
    const size_t end = has_brackets ? slice_find(host, ']') : slice_find(host, ':');
    const struct slice after = slice_from(host, has_brackets ? end + 1 : end);
    uint64_t port = 0;
    *out = has_brackets ? slice_from(slice_first(host, end), 1) : slice_first(host, end);
    if (has_brackets && end == host.len)
        return false;
    return after.len == 0 ||
           (after.data[0] == ':' && decimal_parse(slice_from(after, 1), UINT16_MAX, &port));
}

// is_ours tells whether a Host is one that somebody on purpose has asked for: an address, localhost, or one of `names`.
static bool is_ours(const struct admin_settings *settings, struct slice host)
{
    struct slice text;
    struct ip_addr address;
    struct hostname name;
    if (!cut_port(host, &text))
        return false;
    const bool has_brackets = slice_starts_with(host, SLICE_LITERAL("["));
    if (ip_addr_parse(text, &address) == ERR_OK)
        return has_brackets == (address.family == IP_V6);
    if (has_brackets || hostname_parse(text, &name) != ERR_OK)
        return false;
    if (slice_equal(hostname_slice(&name), SLICE_LITERAL("localhost")))
        return true;
    for (size_t i = 0; i < settings->name_count; i++) {
        if (slice_equal(hostname_slice(&name), slice_of_string(settings->names[i])))
            return true;
    }
    return false;
}

// find_page reads the path, without its query.
static bool find_page(struct slice target, enum admin_page *out)
{
    static const char *const paths[] = {
#define X(symbol, name) [symbol] = "/" name,
        ADMIN_PAGE_TABLE(X)
#undef X
    };
    const struct slice path = slice_first(target, slice_find(target, '?'));
    for (size_t i = 0; i < ADMIN_PAGE_COUNT; i++) {
        if (slice_equal(path, slice_of_string(paths[i]))) {
            *out = (enum admin_page)i;
            return true;
        }
    }
    return false;
}

static struct slice find_accept(struct slice fields)
{
    struct field field;
    while (field_next(&fields, &field)) {
        if (slice_equal_ignore_case(field.name, SLICE_LITERAL("accept")))
            return field.value;
    }
    return (struct slice){0};
}

static struct monitor_refusal refuse(uint16_t status, const char *why)
{
    return (struct monitor_refusal){.status = status, .why = why};
}

struct monitor_refusal monitor_request_decide(const struct admin_settings *settings,
                                              const struct monitor_source *source,
                                              const struct message_head *head,
                                              struct monitor_request *out)
{
    const bool is_get = slice_equal(head->method_text, SLICE_LITERAL("GET"));
    const bool is_head = slice_equal(head->method_text, SLICE_LITERAL("HEAD"));
    enum admin_page page = ADMIN_HEALTHZ;
    if (!is_get && !is_head)
        return refuse(405, "GET and HEAD only: nothing can be changed here");
    if (head->body != BODY_NONE)
        return refuse(400, "a body is of no use here");
    if (head->minor_version == 1 && !head->has_host)
        return refuse(400, "the Host field is missing");
    if (settings->socket_path == NULL && head->has_host && !is_ours(settings, head->host))
        return refuse(403, "this Host is not one of the proxy's own: an address, localhost, or a "
                           "name of `admin.names`");
    const bool is_found = find_page(head->target, &page);
    const bool is_open = is_found && (settings->open & 1U << page) != 0;
    if (!source->is_trusted && (!is_open || !is_in_from(settings, source)))
        return refuse(403, "this is not for you to see; `admin.open` and `admin.from` say what is");
    if (!is_found)
        return refuse(404, "there are /, /healthz, /readyz, /metrics and /status.json");
    *out = (struct monitor_request){
        .page = page, .is_head = is_head, .accept = find_accept(head->fields)};
    return refuse(0, "");
}
