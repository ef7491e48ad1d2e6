// Certificate policies and QC statements: values, paths, and what an entry asks of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>

#include "auth/base/json.h"
#include "auth/cert_policies.h"
#include "auth/claim.h"
#include "auth/match.h"

#define BYTES(text) SLICE_LITERAL(text)

// Elements of a list: the policies 1.2.3, 1.2.4, anyPolicy, and 1.2.3 with a qualifier.
#define A           "\x30\x04\x06\x02\x2A\x03"
#define B           "\x30\x04\x06\x02\x2A\x04"
#define ANY         "\x30\x06\x06\x04\x55\x1D\x20\x00"
#define A_QUALIFIED "\x30\x08\x06\x02\x2A\x03\x30\x02\x05\x00"

// The sets of these.
#define SET_A "\x02\x2A\x03"
#define SET_B "\x02\x2A\x04"

static void a_value_is_a_list_or_nothing_at_all(void **state)
{
    static const struct {
        const char *what;
        struct slice value;
        bool is_good;
        bool has_any;
        struct slice policies;
    } rows[] = {
        {"one", BYTES("\x30\x06" A), true, false, BYTES(SET_A)},
        {"two", BYTES("\x30\x0C" A B), true, false, BYTES(SET_A SET_B)},
        {"with a qualifier", BYTES("\x30\x0A" A_QUALIFIED), true, false, BYTES(SET_A)},
        {"anyPolicy is none", BYTES("\x30\x08" ANY), true, true, BYTES("")},
        {"anyPolicy and one", BYTES("\x30\x0E" ANY A), true, true, BYTES(SET_A)},
        {"nothing", BYTES(""), false, false, BYTES("")},
        {"an empty list", BYTES("\x30\x00"), false, false, BYTES("")},
        {"twice", BYTES("\x30\x0C" A A), false, false, BYTES("")},
        {"twice, once with a qualifier", BYTES("\x30\x10" A A_QUALIFIED), false, false, BYTES("")},
        {"anyPolicy twice", BYTES("\x30\x10" ANY ANY), false, false, BYTES("")},
        {"a byte after it", BYTES("\x30\x06" A "\x00"), false, false, BYTES("")},
        {"a list after it", BYTES("\x30\x06" A "\x30\x06" B), false, false, BYTES("")},
        {"too short", BYTES("\x30\x07" A), false, false, BYTES("")},
        {"an OID without SEQUENCE", BYTES("\x30\x04\x06\x02\x2A\x03"), false, false, BYTES("")},
        {"no list", BYTES(A), false, false, BYTES("")},
        {"a SET", BYTES("\x31\x06" A), false, false, BYTES("")},
        {"no OID", BYTES("\x30\x06\x30\x04\x04\x02\x2A\x03"), false, false, BYTES("")},
        {"an empty element", BYTES("\x30\x02\x30\x00"), false, false, BYTES("")},
        {"an empty OID", BYTES("\x30\x04\x30\x02\x06\x00"), false, false, BYTES("")},
        {"half an OID", BYTES("\x30\x06\x30\x04\x06\x02\x2A\x83"), false, false, BYTES("")},
        {"an OID with padding", BYTES("\x30\x07\x30\x05\x06\x03\x2A\x80\x03"), false, false,
         BYTES("")},
        {"a length in the long form", BYTES("\x30\x81\x06" A), false, false, BYTES("")},
        {"two qualifiers", BYTES("\x30\x0A\x30\x08\x06\x02\x2A\x03\x05\x00\x05\x00"), false, false,
         BYTES("")},
        {"a qualifier that is cut", BYTES("\x30\x08\x30\x06\x06\x02\x2A\x03\x05\x01"), false, false,
         BYTES("")},
        {"the second is bad", BYTES("\x30\x08" A "\x30\x00"), false, false, BYTES("")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oid_list list;
        struct oid_list statements;
        bool has_any = true;
        if (cert_policies_read(rows[i].value, &list, &has_any) != rows[i].is_good ||
            has_any != rows[i].has_any || !slice_equal(oid_list_slice(&list), rows[i].policies))
            fail_msg("%s: %zu bytes of policies", rows[i].what, list.len);
        // A QC statement is like a policy, but none stands for all.
        if (qc_statements_read(rows[i].value, &statements) != rows[i].is_good ||
            (statements.len > list.len) != rows[i].has_any)
            fail_msg("%s: %zu bytes of statements", rows[i].what, statements.len);
    }
}

// value_of writes a list of so many policies, 1.2.128 and those after it.
static struct slice value_of(uint8_t *at, size_t count)
{
    const size_t len = count * 7;
    at[0] = 0x30;
    at[1] = 0x81;
    at[2] = (uint8_t)len;
    for (size_t i = 0; i < count; i++)
        assert_true(
            bytes_copy(at + 3 + i * 7, 7,
                       slice_of((const uint8_t[]){0x30, 5, 6, 3, 0x2A, 0x81, (uint8_t)i}, 7)));
    return slice_of(at, 3 + len);
}

static void of_too_many_policies_none_counts(void **state)
{
    uint8_t data[512];
    struct oid_list list;
    bool has_any = false;
    (void)state;
    assert_true(cert_policies_read(value_of(data, CERT_POLICIES_MAX), &list, &has_any));
    assert_int_equal(list.len, CERT_POLICIES_MAX * 4);
    assert_false(cert_policies_read(value_of(data, CERT_POLICIES_MAX + 1), &list, &has_any));
    assert_int_equal(list.len, 0);
}

static void an_oid_that_no_config_can_name_is_left_out(void **state)
{
    uint8_t value[4 + 2 + EXTENSION_NAMED_OID_MAX + 1] = {0x30, EXTENSION_NAMED_OID_MAX + 5,
                                                          0x30, EXTENSION_NAMED_OID_MAX + 3,
                                                          6,    EXTENSION_NAMED_OID_MAX + 1};
    struct oid_list list;
    bool has_any = false;
    (void)state;
    memset(value + 6, 1, EXTENSION_NAMED_OID_MAX + 1);
    assert_true(cert_policies_read(slice_of(value, sizeof value), &list, &has_any));
    assert_int_equal(list.len, 0);
}

static void add_extension(X509 *cert, int nid, struct slice value)
{
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    assert_non_null(octets);
    assert_int_equal(1, ASN1_OCTET_STRING_set(octets, value.data, (int)value.len));
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, nid, 0, octets);
    assert_int_equal(1, X509_add_ext(cert, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
}

// certificate makes one with the policies of `what`: a, b, any (`*`), both a and b (`2`), malformed (`!`), twice the
// extension (`=`); and with policyMappings (`m`) or inhibitAnyPolicy (`i`). `-`: nothing.
static X509 *certificate(const char *what)
{
    X509 *cert = X509_new();
    assert_non_null(cert);
    for (; *what != '\0'; what++) {
        static const struct {
            char letter;
            int nid;
            struct slice value;
        } rows[] = {
            {'a', NID_certificate_policies, BYTES("\x30\x06" A)},
            {'b', NID_certificate_policies, BYTES("\x30\x06" B)},
            {'2', NID_certificate_policies, BYTES("\x30\x0C" A B)},
            {'*', NID_certificate_policies, BYTES("\x30\x08" ANY)},
            {'!', NID_certificate_policies, BYTES("\x30\x0C" A A)},
            {'=', NID_certificate_policies, BYTES("\x30\x06" A)},
            {'m', NID_policy_mappings, BYTES("\x30\x0A\x30\x08\x06\x02\x2A\x03\x06\x02\x2A\x04")},
            {'i', NID_inhibit_any_policy, BYTES("\x02\x01\x05")},
            {'e', NID_policy_constraints, BYTES("\x30\x03\x80\x01\x00")},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            if (*what == rows[i].letter)
                add_extension(cert, rows[i].nid, rows[i].value);
        }
    }
    return cert;
}

static void a_policy_counts_if_the_whole_path_has_it(void **state)
{
    static const struct {
        const char *path[4]; // leaf first, anchor last
        struct slice policies;
    } rows[] = {
        {{"a", "-"}, BYTES(SET_A)}, // the anchor need not have it
        {{"a", "b"}, BYTES(SET_A)},
        {{"a", "!"}, BYTES(SET_A)},
        {{"a"}, BYTES(SET_A)}, // leaf and anchor in one
        {{"2", "a", "-"}, BYTES(SET_A)},
        {{"2", "2", "b", "-"}, BYTES(SET_B)},
        {{"2", "*", "b", "-"}, BYTES(SET_B)},
        {{"2", "*", "*", "-"}, BYTES(SET_A SET_B)},
        {{"a", "ae", "-"}, BYTES(SET_A)}, // an explicit policy is required, and there
        {{"a", "ai", "-"}, BYTES(SET_A)}, // anyPolicy is not needed
        {{"-", "-"}, BYTES("")},
        {{"-", "a", "-"}, BYTES("")},
        {{"*", "-"}, BYTES("")},
        {{"*", "a", "-"}, BYTES("")},
        {{"a", "-", "-"}, BYTES("")},
        {{"a", "b", "-"}, BYTES("")},
        {{"a", "a", "b", "-"}, BYTES("")},
        {{"a", "b", "a", "-"}, BYTES("")},
        {{"a", "a", "-", "-"}, BYTES("")},
        {{"2", "a", "b", "-"}, BYTES("")},
        {{"a", "!", "-"}, BYTES("")},
        {{"a", "*!", "-"}, BYTES("")},
        {{"a", "a=", "-"}, BYTES("")},
        {{"a=", "a", "-"}, BYTES("")},
        {{"!", "-"}, BYTES("")},
        {{"am", "-"}, BYTES("")},
        {{"a", "am", "-"}, BYTES("")},
        {{"b", "*m", "-"}, BYTES("")},
        {{"a", "a", "m"}, BYTES("")}, // not even by the anchor
        {{"a", "*i", "-"}, BYTES("")},
        {{"a", "*", "*i", "-"}, BYTES("")},
        {{"a", "*", "i"}, BYTES("")},
        {{"ai", "*", "-"}, BYTES("")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        X509 *certs[4] = {0};
        struct oid_list list;
        size_t count = 0;
        while (count < 4 && rows[i].path[count] != NULL) {
            certs[count] = certificate(rows[i].path[count]);
            count++;
        }
        cert_policies_of_path(certs, count, &list);
        if (!slice_equal(oid_list_slice(&list), rows[i].policies))
            fail_msg("row %zu, leaf `%s`: %zu bytes", i, rows[i].path[0], list.len);
        for (size_t k = 0; k < count; k++)
            X509_free(certs[k]);
    }
}

static void statements_that_stand_twice_are_none(void **state)
{
    struct oid_list list;
    X509 *cert = X509_new();
    (void)state;
    qc_statements_of(cert, &list);
    assert_int_equal(list.len, 0);
    add_extension(cert, NID_certificate_policies, BYTES("\x30\x06" A));
    qc_statements_of(cert, &list);
    assert_int_equal(list.len, 0);
    add_extension(cert, NID_qcStatements, BYTES("\x30\x06" A));
    qc_statements_of(cert, &list);
    assert_true(slice_equal(oid_list_slice(&list), BYTES(SET_A)));
    add_extension(cert, NID_qcStatements, BYTES("\x30\x06" A));
    qc_statements_of(cert, &list);
    assert_int_equal(list.len, 0);
    X509_free(cert);
}

static void an_entry_fits_one_of_its_oids_of_its_own_kind(void **state)
{
    static const struct {
        struct slice wanted;
        struct slice policies;
        struct slice qc;
        enum entry_part misfit; // of an entry with `policies`
    } rows[] = {
        {BYTES(SET_A), BYTES(SET_A), BYTES(""), ENTRY_FITS},
        {BYTES(SET_A SET_B), BYTES(SET_B), BYTES(""), ENTRY_FITS},
        {BYTES(SET_B), BYTES(SET_A SET_B), BYTES(""), ENTRY_FITS},
        {BYTES(SET_A), BYTES(""), BYTES(""), ENTRY_POLICIES},
        {BYTES(SET_A), BYTES(SET_B), BYTES(""), ENTRY_POLICIES},
        {BYTES(SET_A), BYTES(""), BYTES(SET_A), ENTRY_POLICIES},
        {BYTES(SET_A), BYTES("\x01\x2A"), BYTES(""), ENTRY_POLICIES},
        {BYTES(SET_A), BYTES("\x03\x2A\x03\x01"), BYTES(""), ENTRY_POLICIES},
        {BYTES(""), BYTES(SET_A), BYTES(""), ENTRY_POLICIES},
        {BYTES(""), BYTES(""), BYTES(""), ENTRY_POLICIES},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        // The other way round it is the same with `qc`.
        const struct claim claims[] = {
            {.trust_name = "staff", .policies = rows[i].policies, .qc = rows[i].qc},
            {.trust_name = "staff", .policies = rows[i].qc, .qc = rows[i].policies}};
        const struct match_entry entries[] = {{.policies = rows[i].wanted}, {.qc = rows[i].wanted}};
        for (size_t k = 0; k < 2; k++) {
            struct identity *identity = NULL;
            struct errinfo info = {0};
            assert_int_equal(ERR_OK, claim_to_identity(&claims[k], &identity, &info));
            const enum entry_part expected =
                rows[i].misfit == ENTRY_POLICIES && k == 1 ? ENTRY_QC : rows[i].misfit;
            if (match_entry_misfit(&entries[k], identity) != expected)
                fail_msg("row %zu, entry %zu", i, k);
            identity_destroy(identity);
        }
    }
}

static void the_record_says_what_a_config_may_ask_for(void **state)
{
    const struct claim claim = {
        .trust_name = "staff", .policies = BYTES(SET_A SET_B), .qc = BYTES("")};
    struct identity *identity = NULL;
    struct errinfo info = {0};
    char data[1024];
    struct text text;
    (void)state;
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    text_init(&text, data, sizeof data);
    json_begin_object(&text, NULL);
    identity_append_extensions(identity,
                               BYTES("\x03\x55\x1D\x20"
                                     "\x02\x2A\x05"
                                     "\x08\x2B\x06\x01\x05\x05\x07\x01\x03"),
                               &text);
    json_end_object(&text);
    assert_string_equal(
        data,
        "{\"policies\":[\"1.2.3\",\"1.2.4\"],\"qc\":[],\"extensions\":[{\"oid\":\"1.2.5\"}]}");
    identity_destroy(identity);
}

static void a_record_of_the_longest_policies_keeps_its_bound(void **state)
{
    struct oid_list list = {0};
    struct identity *identity = NULL;
    struct errinfo info = {0};
    char data[IDENTITY_EXTENSIONS_JSON_CAP];
    struct text text;
    (void)state;
    for (size_t i = 0; i < CERT_POLICIES_MAX; i++) {
        uint8_t oid[EXTENSION_NAMED_OID_MAX];
        memset(oid, 0x7F, sizeof oid);
        oid[1] = (uint8_t)i;
        assert_true(oid_list_add(&list, slice_of(oid, sizeof oid)));
    }
    assert_false(oid_list_add(&list, BYTES("\x2A\x03")));
    const struct slice all = oid_list_slice(&list);
    const struct claim claim = {.trust_name = "staff", .policies = all, .qc = slice_first(all, 41)};
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    text_init(&text, data, sizeof data);
    identity_append_extensions(
        identity, BYTES("\x03\x55\x1D\x20\x08\x2B\x06\x01\x05\x05\x07\x01\x03"), &text);
    assert_false(text.is_cut);
    assert_non_null(strstr(data, "\"policies\":null,\"qc\":[\"2.47."));
    identity_destroy(identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_a_list_or_nothing_at_all),
        cmocka_unit_test(of_too_many_policies_none_counts),
        cmocka_unit_test(an_oid_that_no_config_can_name_is_left_out),
        cmocka_unit_test(a_policy_counts_if_the_whole_path_has_it),
        cmocka_unit_test(statements_that_stand_twice_are_none),
        cmocka_unit_test(an_entry_fits_one_of_its_oids_of_its_own_kind),
        cmocka_unit_test(the_record_says_what_a_config_may_ask_for),
        cmocka_unit_test(a_record_of_the_longest_policies_keeps_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
