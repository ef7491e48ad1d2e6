// The JSON lines. Order and names of the members are the contract of docs/AUDIT.md.
#include "proxy/audit/record.h"

#include <stdlib.h>

#include "auth/audit_event.h"
#include "auth/base/date.h"
#include "auth/base/json.h"
#include "auth/base/base64.h"

enum {
    METHOD_TEXT_MAX = 32,
    DETAIL_TEXT_MAX = 200,
    ADMIN_TEXT_MAX = 1024,
    CONSENT_TEXT_MAX = 80, // plain text: no byte is escaped
    NOTE_TEXT_MAX = 1024,
    TREE_NODE_CAP = 48,       // base64 of a hash, with quotation marks and a comma
    AUDIT_REQUESTS_CAP = 640, // the name of a client needs no escape
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

struct audit_record *audit_record_shrink(struct audit_record *record, size_t cap)
{
    ASSERT(cap <= record->cap && record->len == 0);
    struct audit_record *smaller = realloc(record, sizeof *record + cap);
    if (smaller == NULL)
        return record;
    smaller->cap = (uint32_t)cap;
    return smaller;
}

void audit_record_destroy(struct audit_record *record)
{
    free(record);
}

// begin starts the text of a record with what all of them have.
static struct text begin(struct audit_record *record, int64_t now_ms, enum audit_event event)
{
    struct text text;
    char date[DATE_TEXT_CAP];
    text_init(&text, record->data, record->cap);
    json_begin_object(&text, NULL);
    json_add_number(&text, "v", 1);
    json_add_string(&text, "ts", date_format_ms(now_ms, date));
    json_add_string(&text, "event", audit_event_name(event));
    return text;
}

// finish ends the line. Every format function is called with enough room: a cut line is a mistake in
// the program, and would not be JSON.
static void finish(struct audit_record *record, struct text *text)
{
    json_end_object(text);
    text_append_string(text, "\n");
    ASSERT(!text->is_cut);
    record->len = (uint32_t)text->len;
}

// add_capped adds a string that may come from a client: at most `max_len` bytes of it. null for NULL.
static void add_capped(struct text *text, const char *name, const char *value, size_t max_len)
{
    if (value == NULL)
        json_add_null(text, name);
    else
        json_add_bytes(text, name, slice_of_string(value), max_len);
}

static void add_member(struct text *text, const char *name, const char *value)
{
    add_capped(text, name, value, DETAIL_TEXT_MAX);
}

// add_detail adds the few words about a reason that the client was told, too.
static void add_detail(struct text *text, const char *detail)
{
    if (detail != NULL)
        add_capped(text, "detail", detail, AUDIT_DETAIL_MAX);
}

static void add_address(struct text *text, const struct ip_addr *address, uint16_t port)
{
    char ip[IP_TEXT_CAP];
    json_add_string(text, "address", ip_addr_format(address, ip));
    json_add_count(text, "port", port);
}

// add_via tells through which balancer the connection came.
static void add_via(struct text *text, const struct ip_addr *via, bool is_unannounced)
{
    char ip[IP_TEXT_CAP];
    if (via->family == IP_NONE)
        return;
    json_add_string(text, "via", ip_addr_format(via, ip));
    if (is_unannounced)
        json_add_bool(text, "announced", false);
}

void audit_client_format(const struct audit_client *client, struct text *out)
{
    json_begin_object(out, NULL);
    add_address(out, &client->address, client->port);
    add_via(out, &client->via, client->is_unannounced);
    add_member(out, "name", client->name);
    if (client->entry != NULL)
        add_member(out, "entry", client->entry);
    add_member(out, "trust", client->trust);
    if (client->ocsp != NULL)
        add_member(out, "ocsp", client->ocsp);
    if (client->identity != NULL) {
        identity_append_json(client->identity, out);
        identity_append_extensions(client->identity, client->extensions, out);
    } else {
        text_append_string(out, ",\"subject\":null,\"cn\":null,\"san_uri\":[],\"serial\":null,"
                                "\"issuer\":null,\"sha256\":null,\"not_after\":null");
    }
    json_end_object(out);
}

static void add_request(struct text *text, const struct audit_decision *decision)
{
    char host[TARGET_TEXT_CAP];
    json_begin_object(text, "request");
    json_add_string(text, "protocol", decision->is_http2 ? "h2" : "h1");
    if (decision->stream != 0)
        json_add_count(text, "stream", decision->stream);
    if (decision->method.len == 0)
        json_add_null(text, "method");
    else
        json_add_bytes(text, "method", decision->method, METHOD_TEXT_MAX);
    const struct target *ported = decision->target == NULL ? decision->asked : decision->target;
    json_add_string(text, "host",
                    decision->target == NULL ? NULL : target_format_host(decision->target, host));
    if (ported == NULL)
        json_add_null(text, "port");
    else
        json_add_count(text, "port", ported->port);
    if (decision->asked != NULL)
        json_add_string(text, "asked", target_format_host(decision->asked, host));
    json_end_object(text);
}

static void add_addresses(struct text *text, const struct candidate *judged, size_t count)
{
    if (judged == NULL) {
        json_add_null(text, "addresses");
        return;
    }
    json_begin_array(text, "addresses");
    for (size_t i = 0; i < count && i < AUDIT_MAX_ADDRESSES; i++) {
        char ip[IP_TEXT_CAP];
        json_add_string(text, NULL, ip_addr_format(&judged[i].address, ip));
    }
    json_end_array(text);
}

static void add_aliases(struct text *text, struct slice aliases)
{
    json_begin_array(text, "aliases");
    aliases = slice_first(aliases, AUDIT_ALIASES_MAX);
    while (aliases.len > 0) {
        const struct slice name = slice_first(aliases, slice_find(aliases, '\0'));
        json_add_bytes(text, NULL, name, AUDIT_ALIASES_MAX);
        aliases = slice_from(aliases, name.len + 1);
    }
    json_end_array(text);
}

// add_consent tells what the authorizer has said, where it was asked.
static void add_consent(struct text *text, const struct audit_consent *consent)
{
    if (consent == NULL)
        return;
    json_begin_object(text, "authorizer");
    json_add_string(text, "answer", authorizer_answer_name(consent->answer));
    json_add_string(text, "from", authorizer_origin_name(consent->origin));
    json_add_number(text, "ms", consent->took_ms);
    if (consent->answer == AUTHORIZER_YES)
        json_add_number(text, "ttl", consent->ttl_s);
    if (consent->answer == AUTHORIZER_NONE)
        json_add_bytes(text, "why", slice_of_string(consent->why), CONSENT_TEXT_MAX);
    json_end_object(text);
}

// add_presented adds what a certificate claims, if that is not too much: rather nothing than half.
static void add_presented(const struct identity *identity, struct text *out)
{
    char data[AUDIT_PRESENTED_MAX];
    struct text presented;
    text_init(&presented, data, sizeof data);
    identity_append_json(identity, &presented);
    if (presented.is_cut || presented.len == 0)
        return;
    json_begin_object(out, "presented");
    text_append(out, text_slice(&presented));
    json_end_object(out);
}

void audit_decision_format(const struct audit_decision *decision, struct audit_record *out)
{
    struct text text = begin(out, decision->now_ms, AUDIT_EVENT_DECISION);
    add_member(&text, "id", decision->id);
    add_member(&text, "listener", decision->listener);
    add_member(&text, "session", decision->session);
    json_add_raw(&text, "client", decision->client_json);
    if (decision->via_client_json.len > 0)
        json_add_raw(&text, "via_client", decision->via_client_json);
    if (decision->presented != NULL)
        add_presented(decision->presented, &text);
    if (decision->is_passed_on)
        json_add_bool(&text, "passed_on", true);
    json_begin_object(&text, "tls");
    json_add_bool(&text, "resumed", decision->is_resumed);
    add_member(&text, "version", decision->tls_version);
    add_member(&text, "cipher", decision->tls_cipher);
    add_member(&text, "group", decision->tls_group);
    json_end_object(&text);
    add_request(&text, decision);
    decision_append_json(decision->decision, &text);
    add_detail(&text, decision->detail);
    add_addresses(&text, decision->judged, decision->judged_count);
    add_aliases(&text, decision->aliases);
    via_append_json(decision->via, &text);
    add_consent(&text, decision->consent);
    add_member(&text, "config", decision->config);
    finish(out, &text);
}

// add_parent tells through which proxy it went, or was to go.
static void add_parent(const struct audit_close *close, struct text *text)
{
    char host[TARGET_TEXT_CAP];
    json_begin_object(text, "parent");
    json_add_string(text, "name", close->parent);
    json_add_string(text, "host",
                    close->proxy == NULL ? NULL : target_format_host(close->proxy, host));
    if (close->proxy != NULL) {
        json_add_count(text, "port", close->proxy->port);
        json_add_string(text, "protocol", close->is_proxy_http2 ? "h2" : "h1");
    }
    if (close->answered != 0)
        json_add_count(text, "answered", close->answered);
    json_end_object(text);
}

void audit_close_format(const struct audit_close *close, struct audit_record *out)
{
    struct text text = begin(out, close->now_ms, AUDIT_EVENT_CLOSE);
    add_member(&text, "id", close->id);
    if (close->upstream == NULL) {
        json_add_null(&text, "upstream");
    } else {
        json_begin_object(&text, "upstream");
        add_address(&text, close->upstream, close->upstream_port);
        json_add_count(&text, "attempts", close->attempts);
        json_end_object(&text);
    }
    if (close->status == 0)
        json_add_null(&text, "status");
    else
        json_add_count(&text, "status", close->status);
    json_begin_object(&text, "bytes");
    json_add_count(&text, "up", close->bytes_up);
    json_add_count(&text, "down", close->bytes_down);
    json_end_object(&text);
    json_begin_object(&text, "ms");
    json_add_number(&text, "resolve", close->resolve_ms);
    json_add_number(&text, "connect", close->connect_ms);
    json_add_number(&text, "total", close->total_ms);
    json_end_object(&text);
    add_member(&text, "reason", reason_name(close->reason));
    add_detail(&text, close->detail);
    if (close->parent != NULL)
        add_parent(close, &text);
    if (close->inner != NULL)
        inner_append_json(close->inner, close->target, close->would_end, &text);
    finish(out, &text);
}

static void add_refusal(struct text *text, const struct audit_refusal *refusal,
                        struct slice presented)
{
    add_member(text, "id", refusal->id);
    add_member(text, "listener", refusal->listener);
    json_begin_object(text, "client");
    add_address(text, &refusal->address, refusal->port);
    add_via(text, &refusal->via, refusal->is_unannounced);
    json_end_object(text);
    json_begin_object(text, "tls");
    json_add_bool(text, "resumed", false);
    add_member(text, "version", refusal->tls_version);
    json_end_object(text);
    add_member(text, "reason", reason_name(refusal->reason));
    add_member(text, "detail", refusal->detail);
    if (refusal->code != NULL)
        add_member(text, "code", refusal->code);
    json_add_count(text, "count", refusal->count);
    if (presented.len > 0) {
        json_begin_object(text, "presented");
        text_append(text, presented);
        json_end_object(text);
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
    add_refusal(&text, refusal, text_slice(&presented));
    finish(record, &text);
    return record;
}

struct audit_record *audit_requests_create(const struct audit_requests *requests)
{
    char source[IP_TEXT_CAP];
    struct audit_record *record = audit_record_create(AUDIT_REQUESTS_CAP);
    if (record == NULL)
        return NULL;
    struct text text = begin(record, requests->now_ms, AUDIT_EVENT_REQUESTS_REFUSED);
    add_member(&text, "client", requests->client);
    add_member(&text, "source",
               requests->source == NULL ? NULL : ip_addr_format(requests->source, source));
    add_member(&text, "reason", reason_name(requests->reason));
    json_add_count(&text, "count", requests->count);
    finish(record, &text);
    return record;
}

// add_by says who asked.
static void add_by(struct text *text, const struct audit_admin *admin)
{
    if (admin->count != 0) {
        json_add_null(text, "by");
        json_add_count(text, "count", admin->count);
        return;
    }
    json_begin_object(text, "by");
    json_add_count(text, "uid", admin->uid);
    if (admin->instance == NULL)
        json_add_number(text, "pid", admin->pid);
    else
        json_add_string(text, "instance", admin->instance);
    json_end_object(text);
}

struct audit_record *audit_admin_create(const struct audit_admin *admin)
{
    struct audit_record *record = audit_record_create(AUDIT_ADMIN_CAP);
    if (record == NULL)
        return NULL;
    struct text text = begin(record, admin->now_ms, AUDIT_EVENT_ADMIN);
    add_member(&text, "command", admin->command);
    add_capped(&text, "argument", admin->argument, ADMIN_TEXT_MAX);
    add_by(&text, admin);
    if (admin->order != NULL)
        json_add_string(&text, "order", admin->order);
    add_member(&text, "result", admin->result);
    add_capped(&text, "detail", admin->detail, ADMIN_TEXT_MAX);
    finish(record, &text);
    return record;
}

// add_tree adds the subtrees, the largest first.
static void add_tree(struct text *text, const struct merkle *tree)
{
    json_begin_array(text, "tree");
    for (size_t i = 0; i < merkle_node_count(tree->size); i++) {
        char node_data[TREE_NODE_CAP];
        struct text node;
        text_init(&node, node_data, sizeof node_data);
        base64_append(&node, merkle_hash_slice(&tree->nodes[i]));
        json_add_string(text, NULL, node_data);
    }
    json_end_array(text);
}

struct audit_record *audit_checkpoint_create(int64_t now_ms, struct slice note,
                                             const struct merkle *tree)
{
    struct audit_record *record =
        audit_record_create(AUDIT_LOST_CAP + NOTE_TEXT_MAX + TREE_NODE_CAP * MERKLE_NODES_MAX);
    if (record == NULL)
        return NULL;
    struct text text = begin(record, now_ms, AUDIT_EVENT_CHECKPOINT);
    json_add_bytes(&text, "note", note, NOTE_TEXT_MAX);
    add_tree(&text, tree);
    finish(record, &text);
    return record;
}

void audit_lost_format(int64_t now_ms, uint64_t count, struct audit_record *out)
{
    struct text text = begin(out, now_ms, AUDIT_EVENT_RECORDS_LOST);
    json_add_count(&text, "count", count);
    finish(out, &text);
}

struct audit_record *audit_sink_lost_create(int64_t now_ms, const char *sink, uint64_t count)
{
    struct audit_record *record = audit_record_create(AUDIT_LOST_CAP + 6 * DETAIL_TEXT_MAX);
    if (record == NULL)
        return NULL;
    struct text text = begin(record, now_ms, AUDIT_EVENT_SINK_LOST);
    add_member(&text, "sink", sink);
    json_add_count(&text, "count", count);
    finish(record, &text);
    return record;
}
