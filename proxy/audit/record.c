// The JSON lines. Order and names of the members are the contract of docs/AUDIT.md.
#include "proxy/audit/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "auth/audit_event.h"

enum {
    METHOD_TEXT_MAX = 32,
    DETAIL_TEXT_MAX = 200,
    ADMIN_TEXT_MAX = 1024,
    AUDIT_ADMIN_CAP = 2 * 6 * ADMIN_TEXT_MAX + 512, // escaped, a byte takes six at most
};

struct audit_record *audit_record_create(size_t cap)
{
    if (cap > UINT32_MAX - sizeof(struct audit_record))
        return NULL;
    struct audit_record *record = malloc(sizeof *record + cap);
    if (record == NULL)
        return NULL;
    *record = (struct audit_record){.cap = (uint32_t)cap};
    return record;
}

void audit_record_destroy(struct audit_record *record)
{
    free(record);
}

// begin starts the text of a record with what all of them have.
static struct text begin(struct audit_record *record, int64_t now_ms, enum audit_event event)
{
    struct text text;
    text_init(&text, record->data, record->cap);
    const time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    char stamp[32];
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    text_append_format(&text, "{\"v\":1,\"ts\":\"%s.%03dZ\",\"event\":\"%s\"", stamp,
                       (int)(now_ms % 1000), audit_event_name(event));
    return text;
}

// finish ends the line. Every format function is called with enough room: a cut line is a mistake in
// the program, and would not be JSON.
static void finish(struct audit_record *record, struct text *text)
{
    text_append_string(text, "}\n");
    ASSERT(!text->is_cut);
    record->len = (uint32_t)text->len;
}

// append_member adds `,"name":"value"`, with null for NULL.
static void append_member(struct text *text, const char *name, const char *value)
{
    text_append_format(text, ",\"%s\":", name);
    if (value == NULL)
        text_append_string(text, "null");
    else
        text_append_json(text, slice_of_string(value), DETAIL_TEXT_MAX);
}

static void append_address(struct text *text, const struct ip_addr *address, uint16_t port)
{
    char ip[IP_TEXT_CAP];
    text_append_format(text, "\"address\":\"%s\",\"port\":%u", ip_addr_format(address, ip), port);
}

void audit_client_format(const struct audit_client *client, struct text *out)
{
    text_append_string(out, "{");
    append_address(out, &client->address, client->port);
    append_member(out, "name", client->name);
    append_member(out, "trust", client->trust);
    if (client->identity != NULL) {
        text_append_string(out, ",");
        identity_append_json(client->identity, out);
    } else {
        text_append_string(out, ",\"subject\":null,\"cn\":null,\"san_uri\":[],\"serial\":null,"
                                "\"issuer\":null,\"sha256\":null,\"not_after\":null");
    }
    text_append_string(out, "}");
}

static void append_request(struct text *text, const struct audit_decision *decision)
{
    text_append_string(text, ",\"request\":{\"method\":");
    if (decision->method.len == 0)
        text_append_string(text, "null");
    else
        text_append_json(text, decision->method, METHOD_TEXT_MAX);
    if (decision->target == NULL) {
        text_append_string(text, ",\"host\":null,\"port\":null}");
        return;
    }
    char host[TARGET_TEXT_CAP];
    text_append_format(text, ",\"host\":\"%s\",\"port\":%u}",
                       target_format_host(decision->target, host), decision->target->port);
}

static void append_addresses(struct text *text, const struct candidate *judged, size_t count)
{
    if (judged == NULL) {
        text_append_string(text, ",\"addresses\":null");
        return;
    }
    text_append_string(text, ",\"addresses\":[");
    for (size_t i = 0; i < count && i < AUDIT_MAX_ADDRESSES; i++) {
        char ip[IP_TEXT_CAP];
        text_append_format(text, "%s\"%s\"", i == 0 ? "" : ",",
                           ip_addr_format(&judged[i].address, ip));
    }
    text_append_string(text, "]");
}

static void append_aliases(struct text *text, struct slice aliases)
{
    text_append_string(text, ",\"aliases\":[");
    aliases = slice_first(aliases, AUDIT_ALIASES_MAX);
    for (bool is_first = true; aliases.len > 0; is_first = false) {
        const struct slice name = slice_first(aliases, slice_find(aliases, '\0'));
        text_append_string(text, is_first ? "" : ",");
        text_append_json(text, name, AUDIT_ALIASES_MAX);
        aliases = slice_from(aliases, name.len + 1);
    }
    text_append_string(text, "]");
}

static void append_verdict(struct text *text, const struct decision *decision)
{
    text_append_format(text, ",\"decision\":{\"action\":\"%s\",\"mode\":\"%s\",\"would_deny\":%s",
                       action_name(decision->action), policy_mode_name(decision->mode),
                       decision->would_deny ? "true" : "false");
    append_member(text, "reason", reason_name(decision->reason));
    append_member(text, "rule", decision->rule);
    text_append_string(text, "}");
}

void audit_decision_format(const struct audit_decision *decision, struct audit_record *out)
{
    struct text text = begin(out, decision->now_ms, AUDIT_EVENT_DECISION);
    append_member(&text, "id", decision->id);
    append_member(&text, "listener", decision->listener);
    text_append_string(&text, ",\"client\":");
    text_append(&text, decision->client_json);
    text_append_format(&text, ",\"tls\":{\"resumed\":%s", decision->is_resumed ? "true" : "false");
    append_member(&text, "version", decision->tls_version);
    append_member(&text, "cipher", decision->tls_cipher);
    text_append_string(&text, "}");
    append_request(&text, decision);
    append_verdict(&text, decision->decision);
    append_addresses(&text, decision->judged, decision->judged_count);
    append_aliases(&text, decision->aliases);
    append_member(&text, "config", decision->config);
    finish(out, &text);
}

void audit_close_format(const struct audit_close *close, struct audit_record *out)
{
    struct text text = begin(out, close->now_ms, AUDIT_EVENT_CLOSE);
    append_member(&text, "id", close->id);
    text_append_string(&text, ",\"upstream\":");
    if (close->upstream == NULL) {
        text_append_string(&text, "null");
    } else {
        text_append_string(&text, "{");
        append_address(&text, close->upstream, close->upstream_port);
        text_append_format(&text, ",\"attempts\":%" PRIu32 "}", close->attempts);
    }
    if (close->status == 0)
        text_append_string(&text, ",\"status\":null");
    else
        text_append_format(&text, ",\"status\":%u", close->status);
    text_append_format(&text, ",\"bytes\":{\"up\":%" PRIu64 ",\"down\":%" PRIu64 "}",
                       close->bytes_up, close->bytes_down);
    text_append_format(
        &text, ",\"ms\":{\"resolve\":%" PRId64 ",\"connect\":%" PRId64 ",\"total\":%" PRId64 "}",
        close->resolve_ms, close->connect_ms, close->total_ms);
    append_member(&text, "reason", reason_name(close->reason));
    finish(out, &text);
}

static void append_refusal(struct text *text, const struct audit_refusal *refusal,
                           struct slice presented)
{
    append_member(text, "id", refusal->id);
    append_member(text, "listener", refusal->listener);
    text_append_string(text, ",\"client\":{");
    append_address(text, &refusal->address, refusal->port);
    text_append_string(text, "},\"tls\":{\"resumed\":false");
    append_member(text, "version", refusal->tls_version);
    text_append_string(text, "}");
    append_member(text, "reason", reason_name(refusal->reason));
    append_member(text, "detail", refusal->detail);
    if (refusal->code != NULL)
        append_member(text, "code", refusal->code);
    text_append_format(text, ",\"count\":%" PRIu32, refusal->count);
    if (presented.len > 0) {
        text_append_string(text, ",\"presented\":{");
        text_append(text, presented);
        text_append_string(text, "}");
    }
}

struct audit_record *audit_refusal_create(const struct audit_refusal *refusal)
{
    char presented_data[AUDIT_PRESENTED_MAX];
    struct text presented;
    text_init(&presented, presented_data, sizeof presented_data);
    if (refusal->presented != NULL)
        identity_append_json(refusal->presented, &presented);
    if (presented.is_cut)
        text_init(&presented, presented_data, sizeof presented_data); // rather nothing than half
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + presented.len);
    if (record == NULL)
        return NULL;
    struct text text = begin(record, refusal->now_ms, AUDIT_EVENT_HANDSHAKE_REFUSED);
    append_refusal(&text, refusal, text_slice(&presented));
    finish(record, &text);
    return record;
}

struct audit_record *audit_requests_create(const struct audit_requests *requests)
{
    char source[IP_TEXT_CAP];
    struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP);
    if (record == NULL)
        return NULL;
    struct text text = begin(record, requests->now_ms, AUDIT_EVENT_REQUESTS_REFUSED);
    append_member(&text, "client", requests->client);
    append_member(&text, "source",
                  requests->source == NULL ? NULL : ip_addr_format(requests->source, source));
    append_member(&text, "reason", reason_name(requests->reason));
    text_append_format(&text, ",\"count\":%" PRIu32, requests->count);
    finish(record, &text);
    return record;
}

struct audit_record *audit_admin_create(const struct audit_admin *admin)
{
    struct audit_record *record = audit_record_create(AUDIT_ADMIN_CAP);
    if (record == NULL)
        return NULL;
    struct text text = begin(record, admin->now_ms, AUDIT_EVENT_ADMIN);
    append_member(&text, "command", admin->command);
    text_append_string(&text, ",\"argument\":");
    if (admin->argument == NULL)
        text_append_string(&text, "null");
    else
        text_append_json(&text, slice_of_string(admin->argument), ADMIN_TEXT_MAX);
    text_append_format(&text, ",\"by\":{\"uid\":%" PRIu32 ",\"pid\":%" PRId32 "}", admin->uid,
                       admin->pid);
    append_member(&text, "result", admin->result);
    text_append_string(&text, ",\"detail\":");
    text_append_json(&text, slice_of_string(admin->detail), ADMIN_TEXT_MAX);
    finish(record, &text);
    return record;
}

void audit_lost_format(int64_t now_ms, uint64_t count, struct audit_record *out)
{
    struct text text = begin(out, now_ms, AUDIT_EVENT_RECORDS_LOST);
    text_append_format(&text, ",\"count\":%" PRIu64, count);
    finish(out, &text);
}
