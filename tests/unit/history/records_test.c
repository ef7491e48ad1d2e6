// Every event and every reason word, as the proxy writes them and as the commands read them back; and the
// beginnings of records that a kill leaves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/claim.h"
#include "proxy/audit/record.h"
#include "proxy/history/entry.h"

static const char id[] = "7f3a9c0e12b44d5a";

static const struct ip_addr source = {.family = IP_V4, .bytes = {192, 0, 2, 1}};

static struct audit_record *decision_of(enum reason reason)
{
    char data[512];
    struct text client;
    struct target target;
    text_init(&client, data, sizeof data);
    const struct audit_client anonymous = {.address = source, .port = 5, .name = "b\xc3\xbcro"};
    audit_client_format(&anonymous, &client);
    assert_int_equal(target_parse(SLICE_LITERAL("api.example.com:443"), &target), ERR_OK);
    const struct decision verdict = {
        .action = ACTION_DENY, .reason = reason, .rule = "deny[0]", .would_deny = true};
    static const struct via way = {.parents = {"paris", NULL}, .count = 2};
    const struct audit_decision decision = {
        .now_ms = 1700000000123,
        .id = id,
        .listener = "main",
        .client_json = text_slice(&client),
        .tls_version = "1.3",
        .tls_cipher = "TLS_AES_128_GCM_SHA256",
        .method = SLICE_LITERAL("CONNECT"),
        .target = &target,
        .decision = &verdict,
        .aliases = SLICE_LITERAL("a\\032b\0c"),
        .via = &way,
        .config = "0388829c440a6ca1",
    };
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + client.len);
    assert_non_null(record);
    audit_decision_format(&decision, record);
    return record;
}

// identity_with makes the identity of a certificate with this one name.
static struct identity *identity_with(enum san_kind kind, struct slice name)
{
    const struct claimed_san san = {.kind = kind, .text = name};
    const struct claim claim = {
        .subject = SLICE_LITERAL("CN=a\\00b"),
        .issuer = SLICE_LITERAL("CN=ca\\00.evil"),
        .sans = &san,
        .san_count = 1,
        .serial = SLICE_LITERAL("\x01"),
    };
    struct identity *identity = NULL;
    struct errinfo info = {0};
    assert_int_equal(claim_to_identity(&claim, &identity, &info), ERR_OK);
    return identity;
}

// decision_with makes a decision whose `client` is this JSON.
static struct audit_record *decision_with(struct slice client)
{
    const struct decision verdict = {.action = ACTION_DENY, .reason = REASON_NO_RULE};
    const struct audit_decision decision = {
        .id = id, .client_json = client, .decision = &verdict, .listener = "main"};
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + client.len);
    assert_non_null(record);
    audit_decision_format(&decision, record);
    return record;
}

static struct audit_record *close_of(enum reason reason)
{
    const struct audit_close close = {.id = id, .status = 403, .reason = reason};
    struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP);
    assert_non_null(record);
    audit_close_format(&close, record);
    return record;
}

static struct audit_record *handshake_of(enum reason reason)
{
    const struct audit_refusal refusal = {.id = id,
                                          .listener = "main",
                                          .address = source,
                                          .reason = reason,
                                          .detail = "",
                                          .count = 3};
    return audit_refusal_create(&refusal);
}

static struct audit_record *requests_of(enum reason reason)
{
    const struct audit_requests requests = {.source = &source, .reason = reason, .count = 3};
    return audit_requests_create(&requests);
}

static struct audit_record *admin_of(enum reason reason)
{
    const struct audit_admin admin = {.result = "ok", .detail = reason_name(reason)};
    return audit_admin_create(&admin);
}

static struct audit_record *lost_of(enum reason reason)
{
    struct audit_record *record = audit_record_create(AUDIT_LOST_CAP);
    assert_non_null(record);
    audit_lost_format(1700000000123, reason + 1, record);
    return record;
}

static struct audit_record *checkpoint_of(enum reason reason)
{
    struct merkle tree = {0};
    const struct merkle_hash leaf = merkle_leaf(slice_of_string(reason_name(reason)));
    for (int i = 0; i < 7; i++)
        merkle_append(&tree, &leaf);
    return audit_checkpoint_create(1700000000123, SLICE_LITERAL("sallyport/a/00000001\n7\n"),
                                   &tree);
}

// record_of makes a record of an event; NULL for one that this test does not know yet.
static struct audit_record *record_of(enum audit_event event, enum reason reason)
{
    switch (event) {
    case AUDIT_EVENT_DECISION:
        return decision_of(reason);
    case AUDIT_EVENT_CLOSE:
        return close_of(reason);
    case AUDIT_EVENT_HANDSHAKE_REFUSED:
        return handshake_of(reason);
    case AUDIT_EVENT_REQUESTS_REFUSED:
        return requests_of(reason);
    case AUDIT_EVENT_ADMIN:
        return admin_of(reason);
    case AUDIT_EVENT_RECORDS_LOST:
        return lost_of(reason);
    case AUDIT_EVENT_SINK_LOST:
        return audit_sink_lost_create(1700000000123, reason_name(reason), reason + 1);
    case AUDIT_EVENT_CHECKPOINT:
        return checkpoint_of(reason);
    case AUDIT_EVENT_OTHER:
        break;
    }
    return NULL;
}

// line_of gives the record's line without its line break.
static struct slice line_of(const struct audit_record *record)
{
    return slice_of(record->data, record->len - 1);
}

static void assert_read(enum audit_event event, enum reason reason)
{
    struct audit_record *record = record_of(event, reason);
    struct history_entry entry;
    struct history_decision decision;
    struct errinfo info = {0};
    assert_non_null(record);
    if (history_entry_read(line_of(record), &entry, &info) != ERR_OK)
        fail_msg("%s with %s: %s", audit_event_name(event), reason_name(reason), info.text);
    assert_int_equal(entry.event, event);
    assert_int_equal(entry.has_id, audit_event_has_id(event));
    if (event == AUDIT_EVENT_DECISION) {
        assert_int_equal(history_decision_read(&entry, &decision, &info), ERR_OK);
        assert_string_equal(decision.reason, reason_name(reason));
        assert_string_equal(decision.via, "paris, direct");
        history_decision_deinit(&decision);
    }
    history_entry_deinit(&entry);
    audit_record_destroy(record);
}

static const enum audit_event events[] = {
#define X(symbol, name, has_id) symbol,
    AUDIT_EVENT_TABLE(X)
#undef X
};

enum { EVENT_COUNT = sizeof events / sizeof events[0] };

static void what_the_proxy_writes_is_read_with_every_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        for (int reason = 0; reason < REASON_COUNT; reason++)
            assert_read(events[i], (enum reason)reason);
    }
}

static void every_beginning_of_a_record_is_torn_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        struct audit_record *record = record_of(events[i], REASON_NO_RULE);
        const struct slice line = line_of(record);
        struct history_entry entry;
        struct errinfo info;
        for (size_t len = 1; len < line.len; len++) {
            const enum err error = history_entry_read(slice_first(line, len), &entry, &info);
            if (error != ERR_EOF)
                fail_msg("%.*s: %s", (int)len, line.data, info.text);
        }
        audit_record_destroy(record);
    }
}

static void what_is_wrong_before_its_end_is_no_torn_record(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"v\":1,\"ts\":\"2026-11-22T05:44:28.601Z\",\"event\":\"admin\"}x",
        "{\"v\":1,\"ts\":\"2026-11-22T05:44:28.601Z\",\"event\":\"admin\"}{\"v\":1,\"ts\":\"",
        "{\"v\":1,\"ts\":\"2026-11-22T05:44:28.601Z\",\"ev\001ent\":\"admin\",\"detail\":\"abc",
        "{\"v\":1,\"ts\":\"2026-11-22T05:44:28.601Z\",event:\"admin\",\"detail\":\"abc\"",
        "{\"v\":2,\"ts\":\"2026-11-22T05:44:28.601Z\",\"event\":\"adm",
        "{\"ts\":\"2026-11-22T05:44:28.601Z\",\"v\":1,\"event\":\"adm",
        "[\"v\"",
        "junk",
        " ",
        "5",
        "{}",
        "{\"v\":1,\"ts\":\"x\"}",
        "{\"v\":1,\"ts\":\"x\",\"event\":\"close\"}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct history_entry entry;
        struct errinfo info;
        const enum err error = history_entry_read(slice_of_string(lines[i]), &entry, &info);
        if (error != ERR_INPUT)
            fail_msg("%s: error %d", lines[i], (int)error);
    }
}

static void an_event_of_a_later_version_is_no_fault(void **state)
{
    (void)state;
    struct history_entry entry;
    struct errinfo info;
    assert_int_equal(
        history_entry_read(SLICE_LITERAL("{\"v\":1,\"ts\":\"x\",\"event\":\"sealed\"}"), &entry,
                           &info),
        ERR_OK);
    assert_int_equal(entry.event, AUDIT_EVENT_OTHER);
    history_entry_deinit(&entry);
}

static void a_name_with_a_nul_is_read_whole(void **state)
{
    (void)state;
    static const enum san_kind kinds[] = {SAN_URI, SAN_DNS, SAN_EMAIL};
    const struct slice name = SLICE_LITERAL("a\0b");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char data[2048];
        struct text client;
        struct history_entry entry;
        struct history_decision decision;
        struct errinfo info = {0};
        struct identity *identity = identity_with(kinds[i], name);
        const struct audit_client who = {.address = source, .trust = "t", .identity = identity};
        text_init(&client, data, sizeof data);
        audit_client_format(&who, &client);
        struct audit_record *record = decision_with(text_slice(&client));
        if (history_entry_read(line_of(record), &entry, &info) != ERR_OK ||
            history_decision_read(&entry, &decision, &info) != ERR_OK)
            fail_msg("%.*s: %s", (int)record->len, record->data, info.text);
        assert_int_equal(decision.client.identity->san_count, 1);
        assert_true(slice_equal(decision.client.identity->sans[0].value, name));
        assert_false(decision.client.identity->sans[0].is_usable);
        assert_true(dn_equal(&decision.client.identity->subject, &identity->subject));
        assert_true(dn_equal(&decision.client.identity->issuer, &identity->issuer));
        history_decision_deinit(&decision);
        history_entry_deinit(&entry);
        audit_record_destroy(record);
        identity_destroy(identity);
    }
}

static void a_proxy_that_speaks_for_a_client_is_read_beside_it(void **state)
{
    (void)state;
    struct identity *edge = identity_with(SAN_DNS, SLICE_LITERAL("edge.test"));
    struct identity *guest = identity_with(SAN_DNS, SLICE_LITERAL("guest.test"));
    struct identity *const identities[] = {guest, edge};
    char data[2][2048];
    struct text parties[2];
    for (size_t i = 0; i < 2; i++) {
        const struct audit_client who = {
            .address = source, .name = i == 0 ? "g" : "e", .trust = "t", .identity = identities[i]};
        text_init(&parties[i], data[i], sizeof data[i]);
        audit_client_format(&who, &parties[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        const bool has_edge = i % 2 == 1;
        const bool is_passed_on = i / 2 == 1;
        const struct decision verdict = {.action = ACTION_DENY, .reason = REASON_NO_RULE};
        const struct audit_decision written = {.id = id,
                                               .client_json = text_slice(&parties[0]),
                                               .via_client_json = has_edge ? text_slice(&parties[1])
                                                                           : (struct slice){0},
                                               .is_passed_on = is_passed_on,
                                               .decision = &verdict};
        struct audit_record *record =
            audit_record_create(AUDIT_DECISION_EXTRA_CAP + AUDIT_VIA_CLIENT_EXTRA + sizeof data);
        struct history_entry entry;
        struct history_decision read;
        struct errinfo info = {0};
        assert_non_null(record);
        audit_decision_format(&written, record);
        assert_int_equal(history_entry_read(line_of(record), &entry, &info), ERR_OK);
        assert_int_equal(history_decision_read(&entry, &read, &info),
                         has_edge && is_passed_on ? ERR_INPUT : ERR_OK);
        assert_int_equal(read.has_edge, has_edge);
        assert_int_equal(read.is_passed_on, is_passed_on);
        if (has_edge && !is_passed_on) {
            assert_string_equal(read.edge.name, "e");
            assert_true(slice_equal(read.edge.identity->sans[0].value, SLICE_LITERAL("edge.test")));
            assert_string_equal(read.client.name, "g");
        }
        history_decision_deinit(&read);
        history_entry_deinit(&entry);
        audit_record_destroy(record);
    }
    identity_destroy(edge);
    identity_destroy(guest);
}

static void a_refused_certificate_with_a_nul_in_its_names_is_a_record(void **state)
{
    (void)state;
    struct history_entry entry;
    struct errinfo info = {0};
    struct identity *identity = identity_with(SAN_DNS, SLICE_LITERAL("a\0b"));
    const struct audit_refusal refusal = {
        .id = id, .address = source, .detail = "", .count = 1, .presented = identity};
    struct audit_record *record = audit_refusal_create(&refusal);
    assert_non_null(record);
    if (history_entry_read(line_of(record), &entry, &info) != ERR_OK)
        fail_msg("%s", info.text);
    assert_int_equal(entry.event, AUDIT_EVENT_HANDSHAKE_REFUSED);
    history_entry_deinit(&entry);
    audit_record_destroy(record);
    identity_destroy(identity);
}

// The proxy never writes a NUL into these. Each would be another word if it were read up to its NUL.
static void a_nul_in_any_other_member_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"id\":\"7f3a9c0e12b44d5a",
        "\"event\":\"decision",
        "\"ts\":\"2023-11-14T22:13:20.123Z",
        "\"action\":\"deny",
        "\"reason\":\"no_rule",
        "\"rule\":\"deny[0]",
        "\"via\":[\"paris",
        "\"host\":\"api.example.com",
        "\"name\":\"b\xc3\xbcro",
        "\"address\":\"192.0.2.1",
    };
    struct audit_record *record = decision_of(REASON_NO_RULE);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char data[2048];
        struct text changed;
        struct history_entry entry;
        struct history_decision decision = {0};
        struct errinfo info = {0};
        const char *found = memmem(record->data, record->len, texts[i], strlen(texts[i]));
        assert_non_null(found);
        const size_t end = (size_t)(found - record->data) + strlen(texts[i]);
        text_init(&changed, data, sizeof data);
        text_append(&changed, slice_first(line_of(record), end));
        text_append_string(&changed, "\\u0000x");
        text_append(&changed, slice_from(line_of(record), end));
        enum err error = history_entry_read(text_slice(&changed), &entry, &info);
        if (error == ERR_OK && entry.event == AUDIT_EVENT_DECISION)
            error = history_decision_read(&entry, &decision, &info);
        if (error != ERR_INPUT)
            fail_msg("%s: error %d", data, (int)error);
        history_decision_deinit(&decision);
        history_entry_deinit(&entry);
    }
    audit_record_destroy(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_proxy_writes_is_read_with_every_reason),
        cmocka_unit_test(every_beginning_of_a_record_is_torn_and_nothing_else),
        cmocka_unit_test(what_is_wrong_before_its_end_is_no_torn_record),
        cmocka_unit_test(an_event_of_a_later_version_is_no_fault),
        cmocka_unit_test(a_name_with_a_nul_is_read_whole),
        cmocka_unit_test(a_proxy_that_speaks_for_a_client_is_read_beside_it),
        cmocka_unit_test(a_refused_certificate_with_a_nul_in_its_names_is_a_record),
        cmocka_unit_test(a_nul_in_any_other_member_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
