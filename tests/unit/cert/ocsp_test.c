// OCSP: the question as bytes, and what an answer is worth.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>

#include "auth/ocsp_request.h"
#include "auth/ocsp_response.h"
#include "auth/ocsp_urls.h"
#include "tests/unit/cert/forge_ocsp.h"

enum { SERIAL = 4711 };

// cast has everybody who can sign an answer.
struct cast {
    const struct forged *issuer;
    const struct forged *other_ca;
    const struct forged *namesake; // a CA of the issuer's name, with another key
    const struct forged *delegate;
};

static const struct forged *make_delegate(struct workshop *workshop, const struct forged *issuer,
                                          struct forge_plan plan)
{
    plan.issuer = issuer;
    if (plan.cn == NULL)
        plan.cn = "Responder";
    if (plan.purpose_nid == 0 && !plan.has_no_purpose)
        plan.purpose_nid = NID_OCSP_sign;
    return forge(workshop, &plan);
}

static struct cast make_cast(struct workshop *workshop)
{
    struct cast cast = {
        .issuer = forge(workshop, &(struct forge_plan){.cn = "Issuer", .is_ca = true}),
        .other_ca = forge(workshop, &(struct forge_plan){.cn = "Other", .is_ca = true}),
        .namesake = forge(workshop, &(struct forge_plan){.cn = "Issuer", .is_ca = true}),
    };
    cast.delegate = make_delegate(workshop, cast.issuer, (struct forge_plan){0});
    return cast;
}

static enum ocsp_fault judge_at(struct workshop *workshop, const struct forged *issuer,
                                const struct forge_ocsp_plan *bent, int64_t now_s,
                                struct ocsp_answer *out)
{
    uint8_t *key = NULL;
    struct forge_ocsp_plan plan = *bent;
    struct ocsp_subject subject = {.serial = SLICE_LITERAL("\x12\x67")}; // SERIAL
    const int key_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(issuer->cert), &key);
    subject.issuer_key = slice_of(key, (size_t)key_len);
    assert_true(X509_NAME_get0_der(X509_get_subject_name(issuer->cert), &subject.issuer_name.data,
                                   &subject.issuer_name.len));
    plan.issuer = plan.issuer == NULL ? issuer : plan.issuer;
    plan.serial = plan.serial == 0 ? SERIAL : plan.serial;
    const enum ocsp_fault fault =
        ocsp_response_judge(forge_ocsp(workshop, &plan), &subject, (struct slice){0}, now_s, out);
    OPENSSL_free(key);
    assert_int_equal(ERR_peek_error(), 0);
    return fault;
}

static void expect(struct workshop *workshop, const struct cast *cast,
                   const struct forge_ocsp_plan *plan, enum ocsp_fault expected)
{
    struct ocsp_answer answer;
    const enum ocsp_fault fault = judge_at(workshop, cast->issuer, plan, FORGE_NOW_S, &answer);
    if (fault != expected)
        fail_msg("expected %s, and it was %s", ocsp_fault_name(expected), ocsp_fault_name(fault));
}

// ---- the question --------------------------------------------------------------------------------

static void a_question_has_the_bytes_that_openssl_asks_with(void **state)
{
    // openssl ocsp -issuer CA -serial 0x80 -no_nonce -reqout: the frame is the same for every issuer.
    const struct cast cast = make_cast(*state);
    const struct ocsp_subject subject = forge_ocsp_subject(*state, cast.issuer, 0x80);
    uint8_t out[OCSP_REQUEST_CAP];
    size_t len = 0;
    assert_int_equal(ocsp_request_format(&subject, (struct slice){0}, out, &len), ERR_OK);
    static const uint8_t frame[] = {0x30, 0x43, 0x30, 0x41, 0x30, 0x3F, 0x30, 0x3D,
                                    0x30, 0x3B, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E,
                                    0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14};
    assert_int_equal(len, 69);
    assert_memory_equal(out, frame, sizeof frame);
    assert_memory_equal(out + len - 4, "\x02\x02\x00\x80", 4);
}

static void a_nonce_and_the_serial_zero_can_be_asked_with(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct ocsp_subject subject = forge_ocsp_subject(*state, cast.issuer, 0);
    uint8_t out[OCSP_REQUEST_CAP];
    size_t len = 0;
    assert_int_equal(subject.serial.len, 0);
    assert_int_equal(ocsp_request_format(&subject, SLICE_LITERAL("0123456789abcdef"), out, &len),
                     ERR_OK);
    assert_true(slice_contains(slice_of(out, len), SLICE_LITERAL("\x02\x01\x00")));
    assert_true(slice_ends_with(slice_of(out, len), SLICE_LITERAL("\x04\x12\x04\x10"
                                                                  "0123456789abcdef")));
}

static void a_question_that_cannot_be_asked_is_an_error(void **state)
{
    const struct cast cast = make_cast(*state);
    struct ocsp_subject subject = forge_ocsp_subject(*state, cast.issuer, SERIAL);
    const uint8_t long_bytes[OCSP_SERIAL_MAX_LEN + 1] = {1};
    uint8_t out[OCSP_REQUEST_CAP];
    size_t len = 0;
    assert_int_equal(
        ocsp_request_format(&subject, slice_of(long_bytes, sizeof long_bytes), out, &len),
        ERR_LIMIT);
    subject.serial = slice_of(long_bytes, sizeof long_bytes);
    assert_int_equal(ocsp_request_format(&subject, (struct slice){0}, out, &len), ERR_LIMIT);
    subject.serial = slice_of(long_bytes, OCSP_SERIAL_MAX_LEN);
    assert_int_equal(
        ocsp_request_format(&subject, slice_of(long_bytes, OCSP_NONCE_MAX_LEN), out, &len), ERR_OK);
    subject.issuer_key = SLICE_LITERAL("\x30\x00");
    assert_int_equal(ocsp_request_format(&subject, (struct slice){0}, out, &len), ERR_INPUT);
    assert_int_equal(len, 0);
}

// ---- answers -------------------------------------------------------------------------------------

static void answers_that_are_only_unusual_are_taken(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct forged *rsa =
        make_delegate(*state, cast.issuer, (struct forge_plan){.key = FORGE_RSA_2048});
    const struct forged *edwards =
        make_delegate(*state, cast.issuer, (struct forge_plan){.key = FORGE_ED25519});
    const struct forge_ocsp_plan plans[] = {
        {0},
        {.is_by_key = true},
        {.signer = cast.delegate, .certs = {cast.delegate}},
        {.signer = cast.delegate, .certs = {cast.other_ca, cast.delegate}, .is_by_key = true},
        {.signer = rsa, .certs = {rsa}},
        {.signer = edwards, .certs = {edwards}},
        {.hash_nid = NID_sha256},
        {.hash_nid = NID_sha384},
        {.hash_nid = NID_sha512},
        {.has_written_version = true},
        {.has_archive_cutoff = true},
        {.has_soft_extension = true},
        {.has_critical_other = true, .other_serials = {7}},
        {.other_serials = {1, 2, 3}},
        {.nonce = SLICE_LITERAL("of somebody else")}, // none was sent
        {.filler_count = 200},
        {.produced_s = FORGE_NOW_S + OCSP_SKEW_S, .this_update_s = FORGE_NOW_S + OCSP_SKEW_S},
        {.next_update_s = FORGE_NOW_S},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct ocsp_answer answer;
        const enum ocsp_fault fault =
            judge_at(*state, cast.issuer, &plans[i], FORGE_NOW_S, &answer);
        if (fault != OCSP_FAULT_NONE)
            fail_msg("plan %zu: %s", i, ocsp_fault_name(fault));
        assert_int_equal(answer.status, OCSP_GOOD);
        assert_int_equal(answer.delegate.is_there, plans[i].signer != NULL);
        if (plans[i].signer != NULL) {
            uint8_t digest[CERT_DIGEST_LEN];
            assert_int_equal(X509_digest(plans[i].signer->cert, EVP_sha256(), digest, NULL), 1);
            assert_memory_equal(answer.delegate.sha256, digest, sizeof digest);
        }
        assert_true(answer.is_dated);
    }
}

static void an_answer_says_what_it_says_about_this_certificate(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct {
        struct forge_ocsp_plan plan;
        enum ocsp_status status;
    } cases[] = {
        {{.status = OCSP_REVOKED}, OCSP_REVOKED},
        {{.status = OCSP_REVOKED, .reason = 6}, OCSP_REVOKED}, // on hold
        {{.status = OCSP_UNKNOWN}, OCSP_UNKNOWN},
        {{.status = OCSP_REVOKED, .other_serials = {1, 2}}, OCSP_REVOKED},
        {{.has_second = true, .second_status = OCSP_REVOKED}, OCSP_REVOKED},
        {{.status = OCSP_REVOKED, .has_second = true}, OCSP_REVOKED},
        {{.has_second = true, .second_status = OCSP_UNKNOWN}, OCSP_UNKNOWN},
        {{.status = OCSP_REVOKED, .has_second = true, .second_status = OCSP_UNKNOWN}, OCSP_REVOKED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ocsp_answer answer;
        assert_int_equal(judge_at(*state, cast.issuer, &cases[i].plan, FORGE_NOW_S, &answer),
                         OCSP_FAULT_NONE);
        assert_int_equal(answer.status, cases[i].status);
    }
}

static void an_answer_has_its_times_and_ends_with_its_signers_certificate(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct forged *brief =
        make_delegate(*state, cast.issuer, (struct forge_plan){.not_after_s = FORGE_NOW_S + 60});
    struct ocsp_answer answer;
    assert_int_equal(
        judge_at(*state, cast.issuer, &(struct forge_ocsp_plan){0}, FORGE_NOW_S, &answer),
        OCSP_FAULT_NONE);
    assert_int_equal(answer.this_update_s, FORGE_NOW_S - 3600);
    assert_int_equal(answer.produced_s, FORGE_NOW_S - 3600);
    assert_int_equal(answer.next_update_s, FORGE_NOW_S + 3600);
    const struct forge_ocsp_plan delegated = {.signer = brief, .certs = {brief}};
    assert_int_equal(judge_at(*state, cast.issuer, &delegated, FORGE_NOW_S, &answer),
                     OCSP_FAULT_NONE);
    assert_int_equal(answer.next_update_s, FORGE_NOW_S + 60);
    const struct forge_ocsp_plan undated = {.has_no_next_update = true,
                                            .this_update_s = FORGE_NOW_S - 100};
    assert_int_equal(judge_at(*state, cast.issuer, &undated, FORGE_NOW_S, &answer),
                     OCSP_FAULT_NONE);
    assert_false(answer.is_dated);
    assert_int_equal(answer.next_update_s, FORGE_NOW_S - 100 + OCSP_UNDATED_LIFE_S);
}

static void what_is_no_answer_says_why(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct forged *elsewhere = forge(
        *state, &(struct forge_plan){.cn = "Elsewhere", .is_ca = true, .key_of = cast.issuer});
    const struct {
        struct forge_ocsp_plan plan;
        enum ocsp_fault fault;
    } cases[] = {
        {{.response_status = 1, .has_no_bytes = true}, OCSP_FAULT_MALFORMED_REQUEST},
        {{.response_status = 2, .has_no_bytes = true}, OCSP_FAULT_INTERNAL_ERROR},
        {{.response_status = 3, .has_no_bytes = true}, OCSP_FAULT_TRY_LATER},
        {{.response_status = 3}, OCSP_FAULT_TRY_LATER}, // with a good answer inside
        {{.response_status = 4, .has_no_bytes = true}, OCSP_FAULT_MALFORMED},
        {{.response_status = 5, .has_no_bytes = true}, OCSP_FAULT_SIG_REQUIRED},
        {{.response_status = 6, .has_no_bytes = true}, OCSP_FAULT_UNAUTHORIZED},
        {{.response_status = 7, .has_no_bytes = true}, OCSP_FAULT_MALFORMED},
        {{.response_status = 0, .has_no_bytes = true}, OCSP_FAULT_MALFORMED},
        {{.is_other_type = true}, OCSP_FAULT_OTHER_TYPE},
        {{.is_version_2 = true}, OCSP_FAULT_MALFORMED},
        {{.has_tail = true}, OCSP_FAULT_MALFORMED},
        {{.has_inner_tail = true}, OCSP_FAULT_MALFORMED},
        {{.has_wrong_status_tag = true}, OCSP_FAULT_MALFORMED},
        {{.has_fraction = true}, OCSP_FAULT_MALFORMED},
        {{.is_utc_time = true}, OCSP_FAULT_MALFORMED},
        {{.next_update_s = FORGE_NOW_S - 7200}, OCSP_FAULT_MALFORMED}, // before thisUpdate
        {{.nonce = SLICE_LITERAL("n"), .has_nonce_twice = true}, OCSP_FAULT_MALFORMED},
        {{.has_unknown_critical = true}, OCSP_FAULT_CRITICAL},
        {{.has_critical_single = true}, OCSP_FAULT_CRITICAL},
        {{.serial = SERIAL + 1}, OCSP_FAULT_OTHER_CERTIFICATE},
        {{.serial = -SERIAL}, OCSP_FAULT_OTHER_CERTIFICATE},
        {{.is_empty = true}, OCSP_FAULT_OTHER_CERTIFICATE},
        {{.id_issuer = cast.other_ca}, OCSP_FAULT_OTHER_CERTIFICATE},
        {{.id_issuer = cast.namesake}, OCSP_FAULT_OTHER_CERTIFICATE},
        {{.id_issuer = elsewhere}, OCSP_FAULT_OTHER_CERTIFICATE},
        {{.hash_nid = NID_md5}, OCSP_FAULT_OTHER_CERTIFICATE},
        {{.filler_count = OCSP_MAX_SINGLES}, OCSP_FAULT_TOO_LARGE},
        {{.this_update_s = FORGE_NOW_S + OCSP_SKEW_S + 1}, OCSP_FAULT_FUTURE},
        {{.produced_s = FORGE_NOW_S + OCSP_SKEW_S + 1}, OCSP_FAULT_FUTURE},
        {{.next_update_s = FORGE_NOW_S - 1}, OCSP_FAULT_EXPIRED},
        {{.status = OCSP_REVOKED, .next_update_s = FORGE_NOW_S - 1}, OCSP_FAULT_EXPIRED},
        {{.has_no_next_update = true, .this_update_s = FORGE_NOW_S - OCSP_UNDATED_LIFE_S - 1},
         OCSP_FAULT_EXPIRED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("case %zu\n", i);
        expect(*state, &cast, &cases[i].plan, cases[i].fault);
    }
}

static void an_answer_that_others_have_signed_is_none(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct forged *below = // a CA of the issuer's, which may delegate only for itself
        forge(*state, &(struct forge_plan){.cn = "Below", .is_ca = true, .issuer = cast.issuer});
    const struct forged *self =
        forge(*state, &(struct forge_plan){.cn = "Issuer", .purpose_nid = NID_OCSP_sign});
    const struct forged *of_other = make_delegate(*state, cast.other_ca, (struct forge_plan){0});
    const struct forged *of_namesake = make_delegate(*state, cast.namesake, (struct forge_plan){0});
    const struct forged *of_below = make_delegate(*state, below, (struct forge_plan){0});
    const struct forged *of_delegate = make_delegate(*state, cast.delegate, (struct forge_plan){0});
    const struct forged *a_client =
        make_delegate(*state, cast.issuer, (struct forge_plan){.purpose_nid = NID_client_auth});
    const struct forged *for_any = make_delegate(
        *state, cast.issuer, (struct forge_plan){.purpose_nid = NID_anyExtendedKeyUsage});
    const struct forged *for_nothing =
        make_delegate(*state, cast.issuer, (struct forge_plan){.has_no_purpose = true});
    const struct forged *no_signing =
        make_delegate(*state, cast.issuer, (struct forge_plan){.key_usage = 1 << 2});
    const struct forged *odd =
        make_delegate(*state, cast.issuer, (struct forge_plan){.has_unknown_critical = true});
    const struct forged *forged =
        make_delegate(*state, cast.issuer, (struct forge_plan){.has_broken_signature = true});
    const struct forged *wrongs[] = {cast.other_ca, cast.namesake, below,       self,     of_other,
                                     of_namesake,   of_below,      of_delegate, a_client, for_any,
                                     for_nothing,   no_signing,    odd,         forged};
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        for (int is_by_key = 0; is_by_key < 2; is_by_key++) {
            const struct forge_ocsp_plan plan = {
                .signer = wrongs[i], .certs = {wrongs[i], cast.delegate}, .is_by_key = is_by_key};
            struct ocsp_answer answer;
            const enum ocsp_fault fault =
                judge_at(*state, cast.issuer, &plan, FORGE_NOW_S, &answer);
            if (fault != OCSP_FAULT_SIGNER && fault != OCSP_FAULT_SIGNATURE)
                fail_msg("signer %zu, by key %d: %s", i, is_by_key, ocsp_fault_name(fault));
        }
    }
}

static void a_signature_that_is_not_of_whom_it_names_is_refused(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct forged *weak_key =
        make_delegate(*state, cast.issuer, (struct forge_plan){.key = FORGE_RSA_1024});
    const struct forged *weak_cert =
        make_delegate(*state, cast.issuer, (struct forge_plan){.is_sha1 = true});
    const struct forged *ended =
        make_delegate(*state, cast.issuer, (struct forge_plan){.not_after_s = FORGE_NOW_S - 1});
    const struct forged *early = make_delegate(
        *state, cast.issuer, (struct forge_plan){.not_before_s = FORGE_NOW_S + OCSP_SKEW_S + 1});
    const struct {
        struct forge_ocsp_plan plan;
        enum ocsp_fault fault;
    } cases[] = {
        {{.has_broken_signature = true}, OCSP_FAULT_SIGNATURE},
        {{.signer = cast.delegate, .certs = {cast.delegate}, .has_broken_signature = true},
         OCSP_FAULT_SIGNATURE},
        {{.signer = cast.delegate, .named = cast.issuer, .certs = {cast.delegate}},
         OCSP_FAULT_SIGNATURE},
        {{.signer = cast.issuer, .named = cast.delegate, .certs = {cast.delegate}},
         OCSP_FAULT_SIGNATURE},
        {{.signer = cast.other_ca, .named = cast.issuer}, OCSP_FAULT_SIGNATURE},
        {{.signer = cast.delegate}, OCSP_FAULT_SIGNER}, // its certificate is not there
        {{.is_sha1 = true}, OCSP_FAULT_WEAK},
        {{.signer = weak_key, .certs = {weak_key}}, OCSP_FAULT_WEAK},
        {{.signer = weak_cert, .certs = {weak_cert}}, OCSP_FAULT_WEAK},
        {{.signer = ended, .certs = {ended}}, OCSP_FAULT_SIGNER_EXPIRED},
        {{.signer = early, .certs = {early}}, OCSP_FAULT_SIGNER_EXPIRED},
        {{.signer = cast.delegate, .has_bad_cert = true, .certs = {cast.delegate}},
         OCSP_FAULT_MALFORMED},
        {{.signer = cast.delegate,
          .certs = {cast.other_ca, cast.other_ca, cast.other_ca, cast.other_ca, cast.other_ca,
                    cast.other_ca, cast.other_ca, cast.other_ca, cast.delegate}},
         OCSP_FAULT_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("case %zu\n", i);
        expect(*state, &cast, &cases[i].plan, cases[i].fault);
    }
}

static void an_answer_to_another_question_has_another_nonce(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct ocsp_subject subject = forge_ocsp_subject(*state, cast.issuer, SERIAL);
    const struct slice mine = SLICE_LITERAL("0123456789abcdef");
    const struct {
        struct slice nonce;
        enum ocsp_fault fault;
    } cases[] = {{mine, OCSP_FAULT_NONE},
                 {SLICE_LITERAL("0123456789abcdeF"), OCSP_FAULT_NONCE},
                 {SLICE_LITERAL("0"), OCSP_FAULT_NONCE},
                 {{0}, OCSP_FAULT_NONCE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct forge_ocsp_plan plan = {
            .issuer = cast.issuer, .serial = SERIAL, .nonce = cases[i].nonce};
        struct ocsp_answer answer;
        assert_int_equal(
            ocsp_response_judge(forge_ocsp(*state, &plan), &subject, mine, FORGE_NOW_S, &answer),
            cases[i].fault);
    }
}

static void every_cut_and_every_changed_byte_is_no_good_answer(void **state)
{
    const struct cast cast = make_cast(*state);
    const struct ocsp_subject subject = forge_ocsp_subject(*state, cast.issuer, SERIAL);
    const struct forge_ocsp_plan plan = {.issuer = cast.issuer,
                                         .serial = SERIAL,
                                         .status = OCSP_REVOKED,
                                         .signer = cast.delegate,
                                         .certs = {cast.delegate}};
    const struct slice der = forge_ocsp(*state, &plan);
    struct ocsp_answer answer;
    for (size_t len = 0; len < der.len; len++) {
        assert_int_not_equal(ocsp_response_judge(slice_first(der, len), &subject, (struct slice){0},
                                                 FORGE_NOW_S, &answer),
                             OCSP_FAULT_NONE);
    }
    uint8_t bytes[4096];
    const struct slice bent = slice_of(bytes, der.len);
    for (size_t i = 0; i < der.len; i++) {
        assert_true(bytes_copy(bytes, sizeof bytes, der));
        bytes[i] ^= 0x01;
        const enum ocsp_fault fault =
            ocsp_response_judge(bent, &subject, (struct slice){0}, FORGE_NOW_S, &answer);
        assert_true(fault != OCSP_FAULT_NONE || answer.status == OCSP_REVOKED);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void too_many_bytes_are_no_answer(void **state)
{
    static const uint8_t zeros[OCSP_RESPONSE_MAX + 1];
    const struct cast cast = make_cast(*state);
    const struct ocsp_subject subject = forge_ocsp_subject(*state, cast.issuer, SERIAL);
    struct ocsp_answer answer;
    assert_int_equal(ocsp_response_judge(slice_of(zeros, sizeof zeros), &subject, (struct slice){0},
                                         FORGE_NOW_S, &answer),
                     OCSP_FAULT_TOO_LARGE);
    assert_int_equal(ocsp_response_judge(SLICE_LITERAL("<html>OCSP</html>"), &subject,
                                         (struct slice){0}, FORGE_NOW_S, &answer),
                     OCSP_FAULT_MALFORMED);
}

// ---- whom a certificate names --------------------------------------------------------------------

#define OCSP_URI(len, text)  "\x06\x08\x2B\x06\x01\x05\x05\x07\x30\x01\x86" len text
#define OTHER_URI(len, text) "\x06\x08\x2B\x06\x01\x05\x05\x07\x30\x02\x86" len text

static void a_certificate_names_responders_by_plain_urls_only(void **state)
{
    (void)state;
    static const struct {
        struct slice extension;
        struct slice urls;
    } cases[] = {
        {SLICE_LITERAL("\x30\x18\x30\x16" OCSP_URI("\x0A", "http://a/1")),
         SLICE_LITERAL("http://a/1\0")},
        {SLICE_LITERAL("\x30\x30\x30\x16" OCSP_URI("\x0A", "http://a/1") "\x30\x16" OCSP_URI(
             "\x0A", "HTTP://b/2")),
         SLICE_LITERAL("http://a/1\0HTTP://b/2\0")},
        {SLICE_LITERAL("\x30\x18\x30\x16" OTHER_URI("\x0A", "http://a/1")), {0}},
        {SLICE_LITERAL("\x30\x18\x30\x16" OCSP_URI("\x0A", "ldap://a/1")), {0}},
        {SLICE_LITERAL("\x30\x18\x30\x16" OCSP_URI("\x0A", "http://a\0b")), {0}},
        {SLICE_LITERAL("\x30\x18\x30\x16" OCSP_URI("\x0A", "http://a b")), {0}},
        {SLICE_LITERAL("\x30\x18\x30\x16" OCSP_URI("\x0B", "http://a/1")), {0}}, // cut
        {SLICE_LITERAL("\x30\x18\x30\x16" OCSP_URI("\x0A", "http://a/1") "\x00"), {0}},
        {SLICE_LITERAL("\x30\x00"), {0}},
        {SLICE_LITERAL("\x05\x00"), {0}},
        {{0}, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[OCSP_URLS_CAP];
        X509 *cert = X509_new();
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        assert_true(
            ASN1_OCTET_STRING_set(value, cases[i].extension.data, (int)cases[i].extension.len));
        X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, NID_info_access, 0, value);
        assert_true(X509_add_ext(cert, extension, -1));
        const size_t len = ocsp_urls_read(cert, out);
        assert_true(slice_equal(slice_of(out, len), cases[i].urls));
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(value);
        X509_free(cert);
    }
}

static void every_fault_has_its_word_and_its_sentence(void **state)
{
    (void)state;
    for (size_t i = OCSP_FAULT_NONE + 1; i < OCSP_FAULT_COUNT; i++) {
        assert_true(strlen(ocsp_fault_name((enum ocsp_fault)i)) > 3);
        assert_true(strlen(ocsp_fault_sentence((enum ocsp_fault)i)) > 10);
    }
    assert_string_equal(ocsp_status_name(OCSP_REVOKED), "revoked");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_question_has_the_bytes_that_openssl_asks_with),
        TEST(a_nonce_and_the_serial_zero_can_be_asked_with),
        TEST(a_question_that_cannot_be_asked_is_an_error),
        TEST(answers_that_are_only_unusual_are_taken),
        TEST(an_answer_says_what_it_says_about_this_certificate),
        TEST(an_answer_has_its_times_and_ends_with_its_signers_certificate),
        TEST(what_is_no_answer_says_why),
        TEST(an_answer_that_others_have_signed_is_none),
        TEST(a_signature_that_is_not_of_whom_it_names_is_refused),
        TEST(an_answer_to_another_question_has_another_nonce),
        TEST(every_cut_and_every_changed_byte_is_no_good_answer),
        TEST(too_many_bytes_are_no_answer),
        TEST(a_certificate_names_responders_by_plain_urls_only),
        TEST(every_fault_has_its_word_and_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
