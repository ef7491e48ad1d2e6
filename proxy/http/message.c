// Start line, the fields that travel, then ours.
#include "proxy/http/message.h"

#include "proxy/http/field.h"
#include "proxy/http/hop.h"

// append_travelling passes on the fields that belong to the message and not to the connection, in order, but for
// `other`, if it is not NULL. `has_trailers`: fields may come after the body, so that Trailer says something true.
static void append_travelling(struct slice fields, bool has_trailers, const char *other,
                              struct text *out)
{
    struct hop_options options;
    struct field field;
    const bool fits = hop_options_read(fields, &options);
    ASSERT(fits); // or the head would have been refused
    while (field_next(&fields, &field)) {
        if (hop_is_by_hop(field.name, &options))
            continue;
        if (!has_trailers && slice_equal_ignore_case(field.name, SLICE_LITERAL("trailer")))
            continue;
        if (other != NULL && slice_equal_ignore_case(field.name, slice_of_string(other)))
            continue;
        field_append(&field, out);
    }
}

// append_host writes the host that was asked for, in its one canonical form (RFC 9110 7.2).
static void append_host(const struct target *target, struct text *out)
{
    char host[TARGET_TEXT_CAP];
    const bool is_v6 = target->kind == TARGET_ADDRESS && target->address.family == IP_V6;
    text_append_format(out, "Host: %s%s%s", is_v6 ? "[" : "", target_format_host(target, host),
                       is_v6 ? "]" : "");
    if (target->port != 80)
        text_append_format(out, ":%u", target->port);
    text_append_string(out, "\r\n");
}

// append_path writes a path with its query. Bytes above ASCII are percent-encoded: as they are, a reader that takes
// them for Latin-1 finds blanks among them (RFC 3986 2.1, RFC 9112 3.2).
static void append_path(struct slice path, struct text *out)
{
    while (path.len > 0) {
        size_t len = 0;
        while (len < path.len && path.data[len] < 0x80)
            len++;
        text_append(out, slice_first(path, len));
        path = slice_from(path, len);
        if (path.len > 0)
            text_append_format(out, "%%%02X", path.data[0]);
        path = slice_from(path, 1);
    }
}

// append_target writes origin-form, or `*` for an OPTIONS without a path (RFC 9112 3.2.4).
static void append_target(const struct request_out *request, struct text *out)
{
    const bool is_options = slice_equal(request->head->method_text, SLICE_LITERAL("OPTIONS"));
    if (request->url->path.len == 0)
        text_append_string(out, is_options ? "*" : "/");
    else if (request->url->path.data[0] == '?')
        text_append_string(out, "/");
    append_path(request->url->path, out);
}

// append_options writes what is asked of the target itself, and names it in Connection.
static void append_options(const struct request_out *request, struct text *out)
{
    const struct message_head *head = request->head;
    const bool is_upgrade = head->is_websocket;
    if (head->takes_trailers)
        text_append_string(out, "TE: trailers\r\nConnection: TE\r\n");
    if (is_upgrade)
        text_append_string(out, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    else if (request->is_last)
        text_append_string(out, "Connection: close\r\n");
}

static void append_framing(enum body_kind kind, bool has_length, uint64_t length, struct text *out)
{
    if (kind == BODY_CHUNKED)
        text_append_string(out, "Transfer-Encoding: chunked\r\n");
    else if (has_length)
        text_append_format(out, "Content-Length: %llu\r\n", (unsigned long long)length);
}

void message_append_request(const struct request_out *request, struct text *out)
{
    const struct message_head *head = request->head;
    text_append(out, head->method_text);
    text_append_string(out, " ");
    append_target(request, out);
    text_append_string(out, " HTTP/1.1\r\n");
    append_host(&request->url->target, out);
    append_travelling(head->fields, head->body == BODY_CHUNKED,
                      head->has_max_forwards ? "max-forwards" : NULL, out);
    if (head->max_forwards > 0)
        text_append_format(out, "Max-Forwards: %llu\r\n",
                           (unsigned long long)head->max_forwards - 1);
    append_framing(head->body, head->has_length, head->length, out);
    if (head->expects_continue)
        text_append_string(out, "Expect: 100-continue\r\n");
    text_append_format(out, "Via: 1.%u sallyport\r\n", head->minor_version);
    append_options(request, out);
    text_append_string(out, "\r\n");
}

// append_response_framing says how the body comes. Where there is none because it was a HEAD or a 304, the
// fields tell of the one that there would be.
static void append_response_framing(const struct response_out *response, struct text *out)
{
    const struct message_head *head = response->head;
    if (head->status < 200 || head->status == 204)
        return;
    if (response->body != BODY_NONE)
        append_framing(response->body, response->body == BODY_LENGTH, head->length, out);
    else if (head->has_length)
        append_framing(BODY_LENGTH, true, head->length, out);
    else if (head->is_chunked && head->status != 304 && response->for_minor_version == 1)
        append_framing(BODY_CHUNKED, false, 0, out);
}

void message_append_response(const struct response_out *response, struct text *out)
{
    const struct message_head *head = response->head;
    text_append_format(out, "HTTP/1.1 %u ", head->status);
    text_append(out, head->reason);
    text_append_string(out, "\r\n");
    append_travelling(head->fields, response->body == BODY_CHUNKED, NULL, out);
    append_response_framing(response, out);
    text_append_format(out, "Via: 1.%u sallyport\r\n", head->minor_version);
    if (head->status == 101)
        text_append_string(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    else if (head->status >= 200 && !response->is_persistent)
        text_append_string(out, "Connection: close\r\n");
    else if (head->status >= 200 && response->for_minor_version == 0)
        text_append_string(out, "Connection: keep-alive\r\n");
    text_append_string(out, "\r\n");
}
