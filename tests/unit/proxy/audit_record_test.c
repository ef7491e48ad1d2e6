// Records: each is one line of valid JSON that says what happened, however long and hostile the names,
// and always fits in the memory that was set aside for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include "proxy/audit/record.h"
#include "tests/unit/proxy/json.h"

#define ID              "7f3a9c0e12b44d5a"
#define NAME_32         "abcdefghijklmnopqrstuvwxyz.-_089"
#define LONGEST_RULE    NAME_32 ".allow[18446744073709551615]"
#define LABEL_63        "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define LONGEST_ADDRESS "[ffff:eeee:dddd:cccc:bbbb:aaaa:9999:8888]"
#define HOST_253                                                                                   \
    LABEL_63 "." LABEL_63 "." LABEL_63 "."                                                         \
             "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"
#define LONGEST_CIPHER "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"

// What a session sets aside for the client's part; and what identity.h promises of its own.
enum { CLIENT_CAP = 8192, IDENTITY_MAX = 6 * 1024 };

static const struct ip_addr longest_address = {
    .family = IP_V6,
    .bytes = {0x2a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34,
              0x56, 0x78},
};

static struct slice record_text(const struct audit_record *record)
{
    return slice_of(record->data, record->len);
}

static void assert_member(const struct audit_record *record, const char *path, const char *expected)
{
    const struct slice value = json_find(record_text(record), path);
    if (!slice_equal(value, slice_of_string(expected)))
        fail_msg("%s is %.*s, not %s", path, (int)value.len, value.data, expected);
}

// Identities, hostile on purpose.

struct fill {
    struct slice unit; // repeated to make a value
    const char *name;
    bool is_latin; // in names a TeletexString: it is not UTF-8
};

static const struct fill fills[] = {
    {SLICE_LITERAL("a"), "plain", false},
    {SLICE_LITERAL("\""), "quotes", false},
    {SLICE_LITERAL("\\"), "backslashes", false},
    {SLICE_LITERAL("\n"), "line breaks", false},
    {SLICE_LITERAL("\x1B[2J"), "terminal codes", false},
    {SLICE_LITERAL("\0"), "NUL", false},
    {SLICE_LITERAL("\x7F"), "DEL", false},
    {SLICE_LITERAL("\xC2\x85"), "NEL", false},
    {SLICE_LITERAL("\xE2\x80\xA8"), "line separators", false},
    {SLICE_LITERAL("\xF0\x9F\x98\x80"), "four-byte characters", false},
    {SLICE_LITERAL(",+\"\\<>;"), "what RFC 4514 escapes", false},
    {SLICE_LITERAL("\xFF"), "not UTF-8", true},
    {SLICE_LITERAL("\x85"), "controls in Latin-1", true},
    {SLICE_LITERAL("\"}\n{\"v\":1,\"event\":\"admin\"}"), "a record of its own", false},
};
enum { FILL_COUNT = sizeof fills / sizeof *fills };

// fill_value repeats a unit up to `len` bytes.
static size_t fill_value(const struct fill *fill, size_t len, uint8_t out[4096])
{
    size_t at = 0;
    while (at + fill->unit.len <= len) {
        assert_true(bytes_copy(out + at, 4096 - at, fill->unit));
        at += fill->unit.len;
    }
    return at;
}

static void add_name(X509_NAME *name, const struct fill *fill, size_t len)
{
    uint8_t value[4096];
    const size_t value_len = fill_value(fill, len, value);
    const int type = fill->is_latin ? V_ASN1_T61STRING : V_ASN1_UTF8STRING;
    assert_true(
        X509_NAME_add_entry_by_txt(name, "CN", type, value, (ossl_ssize_t)value_len, -1, 0));
}

struct san_plan {
    CBS_ASN1_TAG tag; // of the GeneralName (RFC 5280 4.2.1.6): 1 e-mail, 2 DNS, 6 URI, 7 IP
    const char *prefix;
    size_t len;
    size_t count;
};

static void add_sans(X509 *leaf, const struct fill *fill, const struct san_plan *plan)
{
    CBB der;
    CBB sequence;
    CBB entry;
    uint8_t value[4096];
    assert_true(CBB_init(&der, 1024) && CBB_add_asn1(&der, &sequence, CBS_ASN1_SEQUENCE));
    const size_t value_len = fill_value(fill, plan->len, value);
    for (size_t i = 0; i < plan->count; i++) {
        assert_true(CBB_add_asn1(&sequence, &entry, CBS_ASN1_CONTEXT_SPECIFIC | plan->tag));
        assert_true(CBB_add_bytes(&entry, (const uint8_t *)plan->prefix, strlen(plan->prefix)));
        assert_true(CBB_add_bytes(&entry, value, plan->tag == 7 ? 16 : value_len));
        assert_true(CBB_flush(&sequence));
    }
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_true(CBB_finish(&der, &bytes, &len));
    ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
    assert_true(ASN1_OCTET_STRING_set(string, bytes, (int)len));
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, string);
    assert_true(X509_add_ext(leaf, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(string);
    OPENSSL_free(bytes);
}

static EVP_PKEY *make_key(void)
{
    static const uint8_t seed[32] = {1};
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    assert_non_null(key);
    return key;
}

// make_identity makes the largest identity that this fill allows, or NULL where it allows none.
static struct identity *make_identity(const struct fill *fill, size_t name_len,
                                      const struct san_plan *plan)
{
    static const uint8_t serial[] = {0x7F, 1,  2,  3,  4,  5,  6,  7,  8,  9,
                                     10,   11, 12, 13, 14, 15, 16, 17, 18, 19};
    X509 *leaf = X509_new();
    EVP_PKEY *key = make_key();
    assert_true(X509_set_version(leaf, X509_VERSION_3));
    assert_true(ASN1_STRING_set(X509_get_serialNumber(leaf), serial, sizeof serial));
    assert_true(ASN1_TIME_set(X509_getm_notBefore(leaf), 0) != NULL);
    assert_true(ASN1_TIME_set_posix(X509_getm_notAfter(leaf), INT64_C(253402300799)) != NULL);
    add_name(X509_get_subject_name(leaf), fill, name_len);
    add_name(X509_get_issuer_name(leaf), fill, name_len);
    if (plan->count > 0)
        add_sans(leaf, fill, plan);
    assert_true(X509_set_pubkey(leaf, key) && X509_sign(leaf, key, NULL));
    struct identity *identity = NULL;
    if (identity_create(leaf, NAME_32, &identity) != ERR_OK)
        identity = NULL;
    X509_free(leaf);
    EVP_PKEY_free(key);
    return identity;
}

static const struct san_plan san_plans[] = {
    {6, "https://a.example/", 2000, 64},
    {6, "spiffe://a/", 230, 64},
    {2, "", 253, 64},
    {2, "", 4000, 64},
    {1, "a@", 250, 64},
    {7, "", 16, 64},
    {6, "", 0, 0},
};
enum { SAN_PLAN_COUNT = sizeof san_plans / sizeof *san_plans };

// each_identity calls `check` with identities of every fill; returns how many there were.
static size_t each_identity(void (*check)(const struct identity *identity, const char *name))
{
    static const size_t name_lens[] = {1, 64, 300, 900, 1000};
    size_t count = 0;
    for (size_t i = 0; i < FILL_COUNT; i++) {
        for (size_t j = 0; j < SAN_PLAN_COUNT * 5; j++) {
            struct identity *identity =
                make_identity(&fills[i], name_lens[j % 5], &san_plans[j / 5]);
            if (identity == NULL)
                continue;
            check(identity, fills[i].name);
            identity_destroy(identity);
            count++;
        }
    }
    return count;
}

static struct text format_client(const struct identity *identity, char data[CLIENT_CAP])
{
    struct text text;
    text_init(&text, data, CLIENT_CAP);
    const struct audit_client client = {
        .address = longest_address,
        .port = 65535,
        .via = longest_address,
        .is_unannounced = true,
        .name = NAME_32,
        .trust = NAME_32,
        .identity = identity,
    };
    audit_client_format(&client, &text);
    assert_false(text.is_cut);
    return text;
}

#define DETAIL_24 "some words of a detail, "
#define DETAIL_96 DETAIL_24 DETAIL_24 DETAIL_24 DETAIL_24

// The longest that the authorizer's answer can be: `ttl` and `why` do not stand together.
static const struct audit_consent longest_consent = {
    .took_ms = INT64_MAX,
    .why =
        "`allow` is true, but `ttl` is no number of seconds, and some more words up to the bound of them",
};

// longest_decision formats a decision whose every part is as long as it can be.
static struct audit_record *longest_decision(struct slice client_json, struct slice method)
{
    struct target target;
    assert_int_equal(strlen(HOST_253), 253);
    assert_int_equal(target_parse(SLICE_LITERAL(HOST_253 ":65535"), &target), ERR_OK);
    struct target asked;
    assert_int_equal(target_parse(SLICE_LITERAL(LONGEST_ADDRESS ":65535"), &asked), ERR_OK);
    const struct decision verdict = {.action = ACTION_ALLOW,
                                     .reason = REASON_SOURCE_NOT_ALLOWED,
                                     .rule = LONGEST_RULE,
                                     .mode = POLICY_ENFORCE,
                                     .would_deny = false};
    static const struct via longest_via = {.parents = {NAME_32, NAME_32, NAME_32, NAME_32},
                                           .count = 4};
    const struct audit_decision decision = {
        .now_ms = INT64_C(253402300799999), // the end of the year 9999
        .id = ID,
        .listener = NAME_32,
        .client_json = client_json,
        .tls_version = "1.3",
        .tls_cipher = LONGEST_CIPHER,
        .tls_group = "X25519MLKEM768",
        .method = method,
        .target = &target,
        .asked = &asked,
        .is_passed_on = true,
        .decision = &verdict,
        .detail = DETAIL_96,
        .via = &longest_via,
        .consent = &longest_consent,
        .config = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + client_json.len);
    assert_non_null(record);
    audit_decision_format(&decision, record);
    return record;
}

static void a_decision_says_what_the_authorizer_has_said(void **state)
{
    (void)state;
    const struct decision verdict = {.action = ACTION_ALLOW, .reason = REASON_RULE};
    static const struct {
        struct audit_consent consent;
        const char *ttl;
        const char *why;
        const char *answer;
    } rows[] = {
        {{.answer = AUTHORIZER_YES, .took_ms = 7, .ttl_s = 60, .why = ""}, "60", NULL, "\"yes\""},
        {{.answer = AUTHORIZER_NO, .took_ms = 7, .ttl_s = 60, .why = ""}, NULL, NULL, "\"no\""},
        {{.took_ms = 7, .ttl_s = 60, .why = "timeout"}, NULL, "\"timeout\"", "\"none\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct audit_decision decision = {.id = ID,
                                                .client_json = SLICE_LITERAL("{}"),
                                                .decision = &verdict,
                                                .consent = &rows[i].consent};
        struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + 2);
        assert_non_null(record);
        audit_decision_format(&decision, record);
        assert_true(json_is_line(record_text(record)));
        assert_member(record, "authorizer.answer", rows[i].answer);
        assert_member(record, "authorizer.ms", "7");
        if (rows[i].ttl != NULL)
            assert_member(record, "authorizer.ttl", rows[i].ttl);
        if (rows[i].why != NULL)
            assert_member(record, "authorizer.why", rows[i].why);
        audit_record_destroy(record);
    }
}

static void check_decision(const struct identity *identity, const char *name)
{
    char data[CLIENT_CAP];
    const struct text client = format_client(identity, data);
    struct audit_record *record = longest_decision(text_slice(&client), SLICE_LITERAL("CONNECT"));
    if (!json_is_line(record_text(record)))
        fail_msg("with %s: %.*s", name, (int)record->len, record->data);
    assert_member(record, "client.name", "\"" NAME_32 "\"");
    assert_member(record, "client.serial", "\"7f0102030405060708090a0b0c0d0e0f10111213\"");
    assert_member(record, "client.not_after", "\"9999-12-31T23:59:59Z\"");
    assert_member(record, "decision.rule", "\"" LONGEST_RULE "\"");
    audit_record_destroy(record);
}

static void decisions_hold_any_certificate_that_can_be_verified(void **state)
{
    (void)state;
    assert_true(each_identity(check_decision) > 200);
}

static void check_identity_len(const struct identity *identity, const char *name)
{
    char data[2 * CLIENT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    identity_append_json(identity, &text);
    if (text.is_cut || text.len >= IDENTITY_MAX)
        fail_msg("with %s: %zu bytes", name, text.len);
}

static void the_part_of_a_certificate_stays_below_6_kib(void **state)
{
    (void)state;
    assert_true(each_identity(check_identity_len) > 200);
}

static void check_refusal(const struct identity *identity, const char *name)
{
    const struct audit_refusal refusal = {
        .now_ms = 0,
        .id = ID,
        .listener = NAME_32,
        .via = longest_address,
        .is_unannounced = true,
        .address = longest_address,
        .port = 65535,
        .tls_version = "1.3",
        .reason = REASON_MISSING_INTERMEDIATE,
        .detail = "a sentence that is as long as a sentence for people may reasonably be, with all "
                  "its clauses and a hint at the end of it about what to do next: renew the "
                  "certificate, or add its issuer, and then some more",
        .count = UINT32_MAX,
        .presented = identity,
    };
    struct audit_record *record = audit_refusal_create(&refusal);
    assert_non_null(record);
    if (!json_is_line(record_text(record)))
        fail_msg("with %s: %.*s", name, (int)record->len, record->data);
    assert_member(record, "presented.serial", "\"7f0102030405060708090a0b0c0d0e0f10111213\"");
    assert_int_equal(json_find(record_text(record), "client.subject").len, 0);
    audit_record_destroy(record);
}

static void refusals_hold_whatever_a_certificate_claims_and_not_under_client(void **state)
{
    (void)state;
    assert_true(each_identity(check_refusal) > 200);
}

static void a_decision_says_what_was_asked_and_decided(void **state)
{
    (void)state;
    struct target target;
    assert_int_equal(target_parse(SLICE_LITERAL("API.example.com:443"), &target), ERR_OK);
    const struct decision verdict = {
        .action = ACTION_DENY, .reason = REASON_NO_RULE, .mode = POLICY_REPORT, .would_deny = true};
    const struct audit_decision decision = {
        .now_ms = INT64_C(1000000000123),
        .id = ID,
        .listener = "main",
        .client_json = SLICE_LITERAL("{\"name\":null}"),
        .tls_version = "1.2",
        .tls_cipher = "C",
        .tls_group = "P-256",
        .method = SLICE_LITERAL("CONNECT"),
        .target = &target,
        .decision = &verdict,
        .config = "abc",
    };
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + 13);
    assert_non_null(record);
    audit_decision_format(&decision, record);
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "v", "1");
    assert_member(record, "ts", "\"2001-09-09T01:46:40.123Z\"");
    assert_member(record, "event", "\"decision\"");
    assert_member(record, "id", "\"" ID "\"");
    assert_member(record, "listener", "\"main\"");
    assert_member(record, "client.name", "null");
    assert_member(record, "tls.version", "\"1.2\"");
    assert_member(record, "tls.cipher", "\"C\"");
    assert_member(record, "tls.group", "\"P-256\"");
    assert_member(record, "tls.resumed", "false");
    assert_member(record, "request.method", "\"CONNECT\"");
    assert_member(record, "request.host", "\"api.example.com\"");
    assert_member(record, "request.port", "443");
    assert_member(record, "decision.action", "\"deny\"");
    assert_member(record, "decision.mode", "\"report\"");
    assert_member(record, "decision.would_deny", "true");
    assert_member(record, "decision.reason", "\"no_rule\"");
    assert_member(record, "decision.rule", "null");
    assert_member(record, "config", "\"abc\"");
    audit_record_destroy(record);
}

static void what_could_not_be_read_is_null(void **state)
{
    (void)state;
    const struct decision verdict = {.action = ACTION_ERROR, .reason = REASON_BAD_REQUEST};
    const struct audit_decision decision = {
        .id = ID,
        .listener = "main",
        .client_json = SLICE_LITERAL("{}"),
        .decision = &verdict,
        .config = "abc",
    };
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + 2);
    assert_non_null(record);
    audit_decision_format(&decision, record);
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "request.method", "null");
    assert_member(record, "request.host", "null");
    assert_member(record, "request.port", "null");
    assert_member(record, "tls.version", "null");
    assert_member(record, "decision.action", "\"error\"");
    audit_record_destroy(record);
}

static void a_record_without_a_text_may_be_made_smaller(void **state)
{
    (void)state;
    struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP + INNER_JSON_CAP);
    assert_non_null(record);
    record = audit_record_shrink(record, AUDIT_CLOSE_CAP);
    assert_int_equal(record->cap, AUDIT_CLOSE_CAP);
    memset(record->data, 'x', record->cap);
    audit_record_destroy(record);
}

static void a_tunnel_that_has_named_no_target_has_the_address_that_was_asked_for(void **state)
{
    (void)state;
    struct target asked;
    assert_int_equal(target_parse(SLICE_LITERAL("[2001:db8::7]:8443"), &asked), ERR_OK);
    const struct decision verdict = {.action = ACTION_DENY, .reason = REASON_INNER_NO_NAME};
    const struct audit_decision decision = {
        .id = ID,
        .listener = "main",
        .client_json = SLICE_LITERAL("{}"),
        .method = SLICE_LITERAL("CONNECT"),
        .asked = &asked,
        .decision = &verdict,
        .config = "abc",
    };
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + 2);
    assert_non_null(record);
    audit_decision_format(&decision, record);
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "request.host", "null");
    assert_member(record, "request.port", "8443");
    assert_member(record, "request.asked", "\"2001:db8::7\"");
    audit_record_destroy(record);
}

static void methods_are_capped_and_escaped(void **state)
{
    (void)state;
    uint8_t method[4096];
    for (size_t i = 0; i < FILL_COUNT; i++) {
        const size_t len = fill_value(&fills[i], sizeof method, method);
        struct audit_record *record = longest_decision(SLICE_LITERAL("{}"), slice_of(method, len));
        assert_true(json_is_line(record_text(record)));
        assert_true(json_find(record_text(record), "request.method").len <= 32 * 6 + 2);
        audit_record_destroy(record);
    }
}

static void an_anonymous_client_has_nulls_for_a_certificate(void **state)
{
    (void)state;
    char data[CLIENT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct audit_client client = {.address = {.family = IP_V4, .bytes = {10, 0, 3, 7}},
                                        .port = 51422};
    audit_client_format(&client, &text);
    assert_string_equal(
        data, "{\"address\":\"10.0.3.7\",\"port\":51422,\"name\":null,\"trust\":null,"
              "\"subject\":null,\"cn\":null,\"san_uri\":[],\"serial\":null,\"issuer\":null,"
              "\"sha256\":null,\"not_after\":null}");
}

static void a_client_that_a_balancer_passes_on_has_both_addresses(void **state)
{
    (void)state;
    char data[CLIENT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    struct audit_client client = {.address = {.family = IP_V4, .bytes = {192, 0, 2, 7}},
                                  .port = 51422,
                                  .via = {.family = IP_V4, .bytes = {10, 0, 3, 7}}};
    audit_client_format(&client, &text);
    assert_true(slice_starts_with(text_slice(&text),
                                  SLICE_LITERAL("{\"address\":\"192.0.2.7\",\"port\":51422,"
                                                "\"via\":\"10.0.3.7\",\"name\":null,")));
    text_init(&text, data, sizeof data);
    client.is_unannounced = true;
    audit_client_format(&client, &text);
    assert_true(slice_contains(text_slice(&text),
                               SLICE_LITERAL("\"via\":\"10.0.3.7\",\"announced\":false,")));
}

static void a_close_fits_with_the_largest_numbers(void **state)
{
    (void)state;
    const struct audit_close close = {
        .now_ms = INT64_C(253402300799999),
        .id = ID,
        .upstream = &longest_address,
        .upstream_port = 65535,
        .attempts = UINT32_MAX,
        .status = 65535,
        .bytes_up = UINT64_MAX,
        .bytes_down = UINT64_MAX,
        .resolve_ms = INT64_MIN,
        .connect_ms = INT64_MIN,
        .total_ms = INT64_MIN,
        .reason = REASON_MISSING_INTERMEDIATE,
    };
    struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP);
    assert_non_null(record);
    audit_close_format(&close, record);
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "event", "\"close\"");
    assert_member(record, "upstream.address", "\"2abc:def0:1234:5678:9abc:def0:1234:5678\"");
    assert_member(record, "upstream.port", "65535");
    assert_member(record, "upstream.attempts", "4294967295");
    assert_member(record, "status", "65535");
    assert_member(record, "bytes.up", "18446744073709551615");
    assert_member(record, "bytes.down", "18446744073709551615");
    assert_member(record, "ms.resolve", "-9223372036854775808");
    assert_member(record, "reason", "\"missing_intermediate\"");
    audit_record_destroy(record);
}

static void a_close_has_room_for_its_longest_text_and_no_more(void **state)
{
    (void)state;
    struct audit_close close = {
        .now_ms = INT64_C(253402300799999),
        .id = ID,
        .upstream = &longest_address,
        .upstream_port = UINT16_MAX,
        .attempts = UINT32_MAX,
        .status = UINT16_MAX,
        .bytes_up = UINT64_MAX,
        .bytes_down = UINT64_MAX,
        .resolve_ms = INT64_MIN,
        .connect_ms = INT64_MIN,
        .total_ms = INT64_MIN,
    };
    uint32_t longest = 0;
    for (close.reason = REASON_NONE; close.reason < REASON_COUNT; close.reason++) {
        struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP);
        assert_non_null(record);
        audit_close_format(&close, record);
        longest = record->len > longest ? record->len : longest;
        audit_record_destroy(record);
    }
    assert_int_equal(longest + 1, AUDIT_CLOSE_CAP);
}

static void a_close_has_room_for_a_parent_with_the_longest_name(void **state)
{
    (void)state;
    struct target proxy = {.kind = TARGET_NAME, .port = UINT16_MAX};
    memset(proxy.name.text, 'a', HOSTNAME_MAX_LEN);
    proxy.name.len = HOSTNAME_MAX_LEN;
    const struct audit_close close = {
        .now_ms = INT64_C(253402300799999),
        .id = ID,
        .upstream = &longest_address,
        .upstream_port = UINT16_MAX,
        .attempts = UINT32_MAX,
        .status = UINT16_MAX,
        .bytes_up = UINT64_MAX,
        .bytes_down = UINT64_MAX,
        .resolve_ms = INT64_MIN,
        .connect_ms = INT64_MIN,
        .total_ms = INT64_MIN,
        .reason = REASON_MISSING_INTERMEDIATE,
        .parent = NAME_32,
        .proxy = &proxy,
        .is_proxy_http2 = true,
        .answered = UINT16_MAX,
        .detail = DETAIL_96 "and more that is cut",
    };
    struct audit_record *record =
        audit_record_create(AUDIT_CLOSE_CAP + AUDIT_PARENT_CAP + AUDIT_DETAIL_CAP);
    assert_non_null(record);
    audit_close_format(&close, record);
    assert_member(record, "detail", "\"" DETAIL_96 "\"");
    assert_member(record, "parent.answered", "65535");
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "parent.name", "\"" NAME_32 "\"");
    assert_member(record, "parent.port", "65535");
    assert_member(record, "parent.protocol", "\"h2\"");
    audit_record_destroy(record);
}

static void a_parent_of_which_no_proxy_was_tried_has_no_host(void **state)
{
    (void)state;
    const struct audit_close close = {.id = ID, .reason = REASON_NO_MEMORY, .parent = "paris"};
    struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP + AUDIT_PARENT_CAP);
    assert_non_null(record);
    audit_close_format(&close, record);
    assert_member(record, "parent.host", "null");
    assert_int_equal(json_find(record_text(record), "parent.port").len, 0);
    audit_record_destroy(record);
}

static void a_close_without_upstream_or_answer_says_null(void **state)
{
    (void)state;
    const struct audit_close close = {.id = ID, .reason = REASON_CLIENT_RESET};
    struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP);
    assert_non_null(record);
    audit_close_format(&close, record);
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "ts", "\"1970-01-01T00:00:00.000Z\"");
    assert_member(record, "upstream", "null");
    assert_member(record, "status", "null");
    audit_record_destroy(record);
}

static void a_refusal_says_who_was_refused_why_and_how_often(void **state)
{
    (void)state;
    const struct audit_refusal refusal = {
        .now_ms = 1,
        .id = ID,
        .listener = "main",
        .address = {.family = IP_V4, .bytes = {192, 0, 2, 1}},
        .port = 1,
        .reason = REASON_EXPIRED,
        .detail = "",
        .count = 17,
    };
    struct audit_record *record = audit_refusal_create(&refusal);
    assert_non_null(record);
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "event", "\"handshake_refused\"");
    assert_member(record, "client.address", "\"192.0.2.1\"");
    assert_member(record, "client.port", "1");
    assert_member(record, "tls.version", "null");
    assert_member(record, "reason", "\"expired\"");
    assert_member(record, "count", "17");
    assert_int_equal(json_find(record_text(record), "presented").len, 0);
    audit_record_destroy(record);
}

static void lost_records_are_counted(void **state)
{
    (void)state;
    struct audit_record *record = audit_record_create(AUDIT_LOST_CAP);
    assert_non_null(record);
    audit_lost_format(0, UINT64_MAX, record);
    assert_true(json_is_line(record_text(record)));
    assert_member(record, "event", "\"records_lost\"");
    assert_member(record, "count", "18446744073709551615");
    audit_record_destroy(record);
}

static void a_record_beyond_all_bounds_is_not_made(void **state)
{
    (void)state;
    assert_null(audit_record_create(SIZE_MAX));
    assert_null(audit_record_create(UINT32_MAX));
    audit_record_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_hold_any_certificate_that_can_be_verified),
        cmocka_unit_test(a_decision_says_what_the_authorizer_has_said),
        cmocka_unit_test(the_part_of_a_certificate_stays_below_6_kib),
        cmocka_unit_test(refusals_hold_whatever_a_certificate_claims_and_not_under_client),
        cmocka_unit_test(a_decision_says_what_was_asked_and_decided),
        cmocka_unit_test(what_could_not_be_read_is_null),
        cmocka_unit_test(a_record_without_a_text_may_be_made_smaller),
        cmocka_unit_test(a_tunnel_that_has_named_no_target_has_the_address_that_was_asked_for),
        cmocka_unit_test(methods_are_capped_and_escaped),
        cmocka_unit_test(an_anonymous_client_has_nulls_for_a_certificate),
        cmocka_unit_test(a_client_that_a_balancer_passes_on_has_both_addresses),
        cmocka_unit_test(a_close_fits_with_the_largest_numbers),
        cmocka_unit_test(a_close_has_room_for_its_longest_text_and_no_more),
        cmocka_unit_test(a_close_has_room_for_a_parent_with_the_longest_name),
        cmocka_unit_test(a_parent_of_which_no_proxy_was_tried_has_no_host),
        cmocka_unit_test(a_close_without_upstream_or_answer_says_null),
        cmocka_unit_test(a_refusal_says_who_was_refused_why_and_how_often),
        cmocka_unit_test(lost_records_are_counted),
        cmocka_unit_test(a_record_beyond_all_bounds_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
