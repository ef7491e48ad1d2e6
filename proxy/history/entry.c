// Lines into values. Names and addresses are read by the parsers of auth, so that a log cannot say anything
// that a request could not.
#include "proxy/history/entry.h"

#include <stdlib.h>
#include <string.h>

#include "auth/base/hex.h"
#include "auth/claim.h"
#include "auth/schedule_text.h"

enum { ID_LEN = 16, VERSION = 1, UTF8_LEN_MAX = 4 };

// is_lower_hex: the log writes digits in one case and without colons, and other writers do not.
static bool is_lower_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdef")] == '\0';
}

bool history_id_parse(const char *text, uint64_t *out)
{
    *out = 0;
    if (strlen(text) != ID_LEN || !is_lower_hex(text))
        return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

// slice_of_json gives a string with its length: names in a certificate may contain a NUL. `data` is NULL for no string.
static struct slice slice_of_json(const json_t *value)
{
    return slice_of(json_string_value(value), json_string_length(value));
}

static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

const char *history_text(const json_t *object, const char *name)
{
    return text_of(json_object_get(object, name));
}

// optional_read reads a string that may be null or absent; false for anything else.
static bool optional_read(const json_t *object, const char *name, const char **out)
{
    const json_t *value = json_object_get(object, name);
    *out = text_of(value);
    return *out != NULL || value == NULL || json_is_null(value);
}

static enum err check(struct history_entry *entry, struct errinfo *info)
{
    const json_t *version = json_object_get(entry->root, "v");
    const char *event = history_text(entry->root, "event");
    if (!json_is_object(entry->root) || event == NULL || history_text(entry->root, "ts") == NULL)
        return errinfo_set(info, ERR_INPUT, "is not an audit record: `event` or `ts` is missing");
    if (!json_is_integer(version) || json_integer_value(version) != VERSION)
        return errinfo_set(info, ERR_INPUT, "is of a version that this program does not know");
    entry->event = audit_event_named(event);
    const char *id = history_text(entry->root, "id");
    entry->has_id = id != NULL && history_id_parse(id, &entry->id);
    if (entry->has_id || !audit_event_has_id(entry->event))
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "has no `id` of 16 hex digits");
}

// is_torn tells whether a line that is no JSON is the beginning of a record: it begins like all of them, and nothing
// is wrong with it before its end.
static bool is_torn(struct slice line, const json_error_t *error)
{
    static const char head[] = "{\"v\":1,\"ts\":\"";
    const size_t len = line.len < sizeof head - 1 ? line.len : sizeof head - 1;
    return slice_equal(slice_first(line, len), slice_of(head, len)) &&
           json_error_code(error) != json_error_end_of_input_expected &&
           (size_t)error->position + UTF8_LEN_MAX >= line.len;
}

enum err history_entry_read(struct slice line, struct history_entry *out, struct errinfo *info)
{
    json_error_t error;
    *out = (struct history_entry){0};
    if (line.len > HISTORY_LINE_MAX)
        return errinfo_set(info, ERR_LIMIT, "is longer than any record");
    out->root = json_loadb((const char *)line.data, line.len,
                           JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (out->root == NULL && is_torn(line, &error))
        return errinfo_set(info, ERR_EOF,
                           "is torn: the proxy was killed, the machine lost power, or the disk was "
                           "full, while this record was written");
    if (out->root == NULL)
        return errinfo_set(info, ERR_INPUT, "is not JSON: %s", error.text);
    const enum err result = check(out, info);
    if (result != ERR_OK)
        history_entry_deinit(out);
    return result;
}

void history_entry_deinit(struct history_entry *entry)
{
    json_decref(entry->root);
    *entry = (struct history_entry){0};
}

static enum err lacks(struct errinfo *info, const char *what)
{
    return errinfo_set(info, ERR_INPUT, "has no `%s` that could be read", what);
}

static bool address_read(const json_t *value, struct ip_addr *out)
{
    const char *text = text_of(value);
    return text != NULL && ip_addr_parse(slice_of_string(text), out) == ERR_OK;
}

// bytes_read reads whole bytes, at most `cap`; false for anything else.
static bool bytes_read(const char *text, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t digits = 0;
    if (text == NULL || !is_lower_hex(text) ||
        !hex_read(slice_of_string(text), out, cap, &digits) || digits % 2 != 0)
        return false;
    *out_len = digits / 2;
    return true;
}

// claimed is a claim with the memory that it points to.
struct claimed {
    struct claim claim;
    struct claimed_san sans[IDENTITY_MAX_SANS];
    struct extension extensions[EXTENSIONS_MAX];
    struct claimed_extension {
        uint8_t oid[DN_OID_MAX_LEN];
        uint8_t value[256];
    } extension_bytes[EXTENSIONS_MAX];
    struct oid_list policies;
    struct oid_list qc;
    uint8_t serial[IDENTITY_SERIAL_MAX];
    uint8_t sha256[IDENTITY_DIGEST_LEN];
    uint8_t spki_sha256[IDENTITY_DIGEST_LEN];
};

static bool sans_read(const json_t *client, const char *name, enum san_kind kind,
                      struct claimed *out)
{
    const json_t *list = json_object_get(client, name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct slice text = slice_of_json(json_array_get(list, i));
        if (text.data == NULL || out->claim.san_count == IDENTITY_MAX_SANS)
            return false;
        out->sans[out->claim.san_count++] = (struct claimed_san){.kind = kind, .text = text};
    }
    return list == NULL || json_is_array(list);
}

// oid_keep notes that the record says something about this extension, though it be that the certificate has none.
static bool oid_keep(struct slice oid, struct history_party *out)
{
    uint8_t *at = out->extension_oids + out->extension_oids_len;
    const size_t left = sizeof out->extension_oids - out->extension_oids_len;
    if (left == 0 || !bytes_copy(at + 1, left - 1, oid))
        return false;
    *at = (uint8_t)oid.len;
    out->extension_oids_len += 1 + oid.len;
    return true;
}

// extension_read reads one object of `extensions`.
static bool extension_read(const json_t *object, struct claimed *claimed, struct history_party *out)
{
    struct claimed_extension *kept = &claimed->extension_bytes[claimed->claim.extension_count];
    const struct slice oid = slice_of_json(json_object_get(object, "oid"));
    const char *der = history_text(object, "der");
    size_t oid_len = 0;
    size_t len = 0;
    if (oid.data == NULL || !oid_parse(oid, kept->oid, &oid_len) ||
        !oid_keep(slice_of(kept->oid, oid_len), out))
        return false;
    if (json_object_get(object, "cut") != NULL)
        out->is_whole = false;
    if (der == NULL)
        return true;
    if (der[0] != '\0' && !bytes_read(der, kept->value, sizeof kept->value, &len))
        return false;
    claimed->extensions[claimed->claim.extension_count++] = (struct extension){
        .oid = slice_of(kept->oid, oid_len), .value = slice_of(kept->value, len)};
    return true;
}

static bool extensions_read(const json_t *client, struct claimed *claimed,
                            struct history_party *out)
{
    const json_t *list = json_object_get(client, "extensions");
    if (json_array_size(list) > EXTENSIONS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!extension_read(json_array_get(list, i), claimed, out))
            return false;
    }
    return list == NULL || json_is_array(list);
}

// oids_read reads `policies` or `qc`; null is one that was too long for the record.
static bool oids_read(const json_t *client, const char *name, struct slice extension,
                      struct oid_list *list, struct history_party *out)
{
    const json_t *array = json_object_get(client, name);
    uint8_t oid[DN_OID_MAX_LEN];
    size_t len = 0;
    if (array == NULL)
        return true;
    if (json_is_null(array))
        out->is_whole = false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const struct slice text = slice_of_json(json_array_get(array, i));
        if (text.data == NULL || !oid_parse(text, oid, &len) ||
            !oid_list_add(list, slice_of(oid, len)))
            return false;
    }
    return (json_is_null(array) || json_is_array(array)) && oid_keep(extension, out);
}

static bool digest_read(const json_t *client, const char *name, uint8_t out[IDENTITY_DIGEST_LEN])
{
    size_t len = 0;
    return bytes_read(history_text(client, name), out, IDENTITY_DIGEST_LEN, &len) &&
           len == IDENTITY_DIGEST_LEN;
}

// identity_read makes the identity that the record's `client` describes.
static enum err identity_read(const json_t *client, struct history_party *out, struct errinfo *info)
{
    struct claimed claimed = {0};
    size_t serial_len = 0;
    const struct slice subject = slice_of_json(json_object_get(client, "subject"));
    const struct slice issuer = slice_of_json(json_object_get(client, "issuer"));
    const char *trust = NULL;
    const bool has_trust = optional_read(client, "trust", &trust);
    if (has_trust && subject.data == NULL && trust == NULL)
        return ERR_OK; // no certificate
    if (subject.data == NULL || issuer.data == NULL || trust == NULL)
        return lacks(info, "client.subject, client.issuer and client.trust");
    if (!sans_read(client, "san_uri", SAN_URI, &claimed) ||
        !sans_read(client, "san_dns", SAN_DNS, &claimed) ||
        !sans_read(client, "san_email", SAN_EMAIL, &claimed) ||
        !sans_read(client, "san_ip", SAN_IP, &claimed))
        return lacks(info, "client.san_*");
    if (!bytes_read(history_text(client, "serial"), claimed.serial, sizeof claimed.serial,
                    &serial_len) ||
        !digest_read(client, "sha256", claimed.sha256) ||
        !digest_read(client, "spki_sha256", claimed.spki_sha256))
        return lacks(info, "client.serial, client.sha256 and client.spki_sha256");
    out->is_whole = json_object_get(client, "cut") == NULL;
    if (!extensions_read(client, &claimed, out))
        return lacks(info, "client.extensions");
    if (!oids_read(client, "policies", CERT_POLICIES_OID, &claimed.policies, out) ||
        !oids_read(client, "qc", QC_STATEMENTS_OID, &claimed.qc, out))
        return lacks(info, "client.policies and client.qc");
    if (!out->is_whole)
        return ERR_OK;
    claimed.claim.trust_name = trust;
    claimed.claim.subject = subject;
    claimed.claim.issuer = issuer;
    claimed.claim.sans = claimed.sans;
    claimed.claim.extensions = claimed.extensions;
    claimed.claim.policies = oid_list_slice(&claimed.policies);
    claimed.claim.qc = oid_list_slice(&claimed.qc);
    claimed.claim.serial = slice_of(claimed.serial, serial_len);
    claimed.claim.sha256 = claimed.sha256;
    claimed.claim.spki_sha256 = claimed.spki_sha256;
    return claim_to_identity(&claimed.claim, &out->identity, info);
}

// party_read reads `client` or `via_client`, but for the address.
static enum err party_read(const json_t *object, struct history_party *out, struct errinfo *info)
{
    out->is_whole = true;
    if (!optional_read(object, "name", &out->name))
        return lacks(info, "client.name");
    if (!optional_read(object, "entry", &out->entry))
        return lacks(info, "client.entry");
    return identity_read(object, out, info);
}

static enum err client_read(const json_t *root, struct history_decision *out, struct errinfo *info)
{
    const json_t *client = json_object_get(root, "client");
    const json_t *edge = json_object_get(root, "via_client");
    out->has_edge = edge != NULL;
    out->is_passed_on = json_is_true(json_object_get(root, "passed_on"));
    if (!address_read(json_object_get(client, "address"), &out->source))
        return lacks(info, "client.address");
    if (json_is_false(json_object_get(client, "announced")))
        out->source = (struct ip_addr){0}; // the balancer's: in no `sources`
    if (out->has_edge && out->is_passed_on)
        return lacks(info, "via_client, or else passed_on,");
    if (out->has_edge)
        TRY(party_read(edge, &out->edge, info));
    return party_read(client, &out->client, info);
}

// host_read reads one of the hosts of a request, with its port. `*has` is false for none.
static bool host_read(const json_t *request, const char *name, bool *has, struct target *out)
{
    const char *host = NULL;
    const json_t *port = json_object_get(request, "port");
    *has = false;
    if (!json_is_object(request) || !optional_read(request, name, &host))
        return false;
    if (host == NULL)
        return true;
    char data[TARGET_TEXT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    text_append_format(&text, strchr(host, ':') == NULL ? "%s:%lld" : "[%s]:%lld", host,
                       (long long)json_integer_value(port));
    *has = !text.is_cut && target_parse(text_slice(&text), out) == ERR_OK;
    return *has;
}

static enum err target_read(const json_t *request, struct history_decision *out,
                            struct errinfo *info)
{
    const char *method = history_text(request, "method");
    out->is_tunnel = method != NULL && strcmp(method, "CONNECT") == 0;
    if (!host_read(request, "host", &out->has_target, &out->target))
        return lacks(info, "request.host and request.port");
    if (!host_read(request, "asked", &out->has_asked, &out->asked) ||
        (out->has_asked && (!out->is_tunnel || out->asked.kind != TARGET_ADDRESS)))
        return lacks(info, "request.asked");
    return ERR_OK;
}

static bool action_read(const char *name, enum action *out)
{
    static const enum action ACTIONS[] = {ACTION_ALLOW, ACTION_DENY, ACTION_ERROR};
    for (size_t i = 0; i < sizeof ACTIONS / sizeof *ACTIONS; i++) {
        *out = ACTIONS[i];
        if (name != NULL && strcmp(action_name(*out), name) == 0)
            return true;
    }
    return false;
}

static enum err addresses_read(const json_t *list, struct history_decision *out,
                               struct errinfo *info)
{
    if (json_array_size(list) > HISTORY_MAX_ADDRESSES)
        return lacks(info, "addresses");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!address_read(json_array_get(list, i), &out->judged[i].address))
            return lacks(info, "addresses");
        out->judged_count++;
    }
    return ERR_OK;
}

// via_read reads the way of the request, which few have.
static bool via_read(const json_t *list, char out[VIA_TEXT_CAP])
{
    struct text text;
    text_init(&text, out, VIA_TEXT_CAP);
    if (list == NULL)
        return true;
    if (json_array_size(list) == 0 || json_array_size(list) > VIA_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);
        const size_t len = json_string_length(name);
        if (len == 0 || len > PARENT_NAME_MAX || strlen(json_string_value(name)) != len)
            return false;
        text_append_format(&text, "%s%s", i == 0 ? "" : ", ", json_string_value(name));
    }
    return !text.is_cut;
}

// time_read reads `ts` as whole seconds: 2026-11-22T03:00:00.123Z.
static enum err time_read(const json_t *root, struct history_decision *out, struct errinfo *info)
{
    enum { SECONDS_LEN = sizeof "2026-11-22T03:00:00" - 1 };
    const struct slice ts = slice_of_string(history_text(root, "ts"));
    struct moment moment;
    if (ts.len <= SECONDS_LEN || ts.data[ts.len - 1] != 'Z' ||
        !moment_parse(slice_first(ts, SECONDS_LEN), &moment))
        return lacks(info, "ts");
    out->now_s = moment.wall_s;
    return ERR_OK;
}

enum err history_decision_read(const struct history_entry *entry, struct history_decision *out,
                               struct errinfo *info)
{
    *out = (struct history_decision){0};
    ASSERT(entry->event == AUDIT_EVENT_DECISION);
    const json_t *decision = json_object_get(entry->root, "decision");
    out->reason = history_text(decision, "reason");
    out->would_deny = json_is_true(json_object_get(decision, "would_deny"));
    out->was_put = json_is_object(json_object_get(entry->root, "authorizer"));
    if (out->reason == NULL || !optional_read(decision, "rule", &out->rule) ||
        !action_read(history_text(decision, "action"), &out->action))
        return lacks(info, "decision");
    TRY(time_read(entry->root, out, info));
    TRY(client_read(entry->root, out, info));
    TRY(target_read(json_object_get(entry->root, "request"), out, info));
    if (!via_read(json_object_get(entry->root, "via"), out->via))
        return lacks(info, "via");
    return addresses_read(json_object_get(entry->root, "addresses"), out, info);
}

bool history_decision_is_whole(const struct history_decision *decision)
{
    return decision->client.is_whole && (!decision->has_edge || decision->edge.is_whole);
}

static bool party_knows(const struct history_party *party, struct slice oids)
{
    const struct slice known = slice_of(party->extension_oids, party->extension_oids_len);
    struct slice oid = {0};
    bool knows = true;
    while (party->identity != NULL && oid_set_next(&oids, &oid))
        knows = knows && oid_set_has(known, oid);
    return knows;
}

bool history_decision_knows(const struct history_decision *decision, struct slice oids)
{
    return party_knows(&decision->client, oids) && party_knows(&decision->edge, oids);
}

void history_decision_deinit(struct history_decision *decision)
{
    identity_destroy(decision->client.identity);
    identity_destroy(decision->edge.identity);
    *decision = (struct history_decision){0};
}

bool history_close_upstream(const struct history_entry *entry, struct ip_addr *out)
{
    const json_t *upstream = json_object_get(entry->root, "upstream");
    const json_t *status = json_object_get(entry->root, "status");
    return json_integer_value(status) != 502 && json_integer_value(status) != 504 &&
           address_read(json_object_get(upstream, "address"), out);
}

static bool inner_kind_read(const char *name, enum inner_kind *out)
{
    for (enum inner_kind kind = INNER_NOTHING; name != NULL && kind <= INNER_OTHER; kind++) {
        *out = kind;
        if (strcmp(inner_kind_name(kind), name) == 0)
            return true;
    }
    return false;
}

// inner_read reads what was seen inside; false for what no proxy writes.
static bool inner_read(const json_t *inner, bool has_wrong_name, struct inner_seen *out)
{
    const char *sni = NULL;
    const char *host = NULL;
    struct client_hello *hello = &out->hello;
    if (!inner_kind_read(history_text(inner, "tls"), &out->kind) ||
        !optional_read(inner, "sni", &sni) || !optional_read(inner, "host", &host) ||
        (sni != NULL && out->kind != INNER_TLS) || (host != NULL && out->kind != INNER_HTTP))
        return false;
    hello->has_ech = json_is_true(json_object_get(inner, "ech"));
    hello->naming = has_wrong_name ? CLIENT_HELLO_WRONG_NAME : CLIENT_HELLO_NO_NAME;
    if (sni != NULL)
        hello->naming = CLIENT_HELLO_NAMED;
    out->has_host = host != NULL;
    return (sni == NULL || hostname_parse(slice_of_string(sni), &hello->name) == ERR_OK) &&
           (host == NULL || target_host_parse(slice_of_string(host), &out->host) == ERR_OK);
}

static bool is_word(const char *text, enum reason reason)
{
    return text != NULL && strcmp(text, reason_name(reason)) == 0;
}

void history_close_read(const struct history_entry *entry, struct history_close *out)
{
    static const char prefix[] = "inner_";
    *out = (struct history_close){0};
    ASSERT(entry->event == AUDIT_EVENT_CLOSE);
    const json_t *inner = json_object_get(entry->root, "inner");
    const json_t *bytes = json_object_get(entry->root, "bytes");
    const char *reason = history_text(entry->root, "reason");
    const char *would_end = history_text(inner, "would_end");
    if (reason != NULL && strncmp(reason, prefix, sizeof prefix - 1) == 0)
        out->ended = reason;
    out->has_upstream = history_close_upstream(entry, &out->upstream);
    out->has_answer = json_integer_value(json_object_get(bytes, "down")) > 0;
    out->has_timed_out =
        is_word(reason, REASON_INNER_TIMEOUT) || is_word(would_end, REASON_INNER_TIMEOUT);
    out->matches = json_is_true(json_object_get(inner, "matches"));
    out->has_inner = inner_read(
        inner, is_word(reason, REASON_INNER_MISMATCH) || is_word(would_end, REASON_INNER_MISMATCH),
        &out->inner);
}
