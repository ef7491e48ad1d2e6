// `check-cert` as a script runs it: exit status, and one JSON object on one line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the first four
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "proxy/cli/commands.h"
#include "tests/unit/cert/forge_crl.h"
#include "tests/unit/cert/scratch.h"

enum { OUTPUT_CAP = 64 * 1024, WORDS_MAX = 24 };

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})

// bench is what every test here works with: a folder and certificates.
struct bench {
    void *folder;
    void *workshop;
    const struct forged *root;
    const struct forged *middle;
    const struct forged *leaf;
    char output[OUTPUT_CAP];
    char errors[OUTPUT_CAP];
};

static int bench_create(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    if (scratch_create(&bench->folder) != 0 || workshop_create(&bench->workshop) != 0)
        return 1;
    bench->root = forge(bench->workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    bench->middle =
        forge(bench->workshop,
              &(struct forge_plan){.cn = "Middle", .is_ca = true, .issuer = bench->root});
    bench->leaf = forge(bench->workshop,
                        &(struct forge_plan){.cn = "a\nb\x1b",
                                             .issuer = bench->middle,
                                             .serial = 0x4F01,
                                             .sans = {"uri:spiffe://example.org/a",
                                                      "dns:A.example.org", "email:Ann@Example.org",
                                                      "ip4:192.0.2.7", "dns:*.example.org"}});
    scratch_write(bench->folder, "ca", forge_pem(bench->workshop, LIST(bench->root)));
    scratch_write(bench->folder, "chain",
                  forge_pem(bench->workshop, LIST(bench->leaf, bench->middle)));
    return 0;
}

static int bench_destroy(void **state)
{
    struct bench *bench = *state;
    const int failed = scratch_destroy(&bench->folder) + workshop_destroy(&bench->workshop);
    free(bench);
    return failed;
}

// capture sends one of our outputs into a file and gives the descriptor that it was.
static int capture(FILE *stream, FILE *file)
{
    (void)fflush(stream);
    const int saved = dup(fileno(stream));
    assert_true(saved >= 0 && dup2(fileno(file), fileno(stream)) >= 0);
    return saved;
}

static void give_back(FILE *stream, FILE *file, int saved, char *out)
{
    (void)fflush(stream);
    assert_true(dup2(saved, fileno(stream)) >= 0);
    (void)close(saved);
    rewind(file);
    out[fread(out, 1, OUTPUT_CAP - 1, file)] = '\0';
    (void)fclose(file);
}

// run gives the exit status; a word that begins with @ is a file of the folder.
static int run(struct bench *bench, const char *const *words)
{
    char *argv[WORDS_MAX] = {strdup("check-cert")};
    char *strings[WORDS_MAX];
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++) {
        char path[SCRATCH_PATH_CAP];
        const char *word = words[argc - 1];
        assert_true(argc < WORDS_MAX - 1);
        argv[argc] = strdup(word[0] == '@' ? scratch_path(bench->folder, word + 1, path) : word);
    }
    for (int i = 0; i < argc; i++)
        strings[i] = argv[i]; // getopt moves argv round
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    const int saved_out = capture(stdout, out);
    const int saved_err = capture(stderr, err);
    const int status = check_cert_command(argc, argv);
    give_back(stdout, out, saved_out, bench->output);
    give_back(stderr, err, saved_err, bench->errors);
    for (int i = 0; i < argc; i++)
        free(strings[i]);
    return status;
}

#define NOW               "--at", "1800000000"
#define RUN(bench, ...)   run(bench, (const char *const[]){__VA_ARGS__, NULL})
#define CHECK(bench, ...) RUN(bench, "--ca", "@ca", "--chain", "@chain", NOW, __VA_ARGS__)

static void assert_has(const struct bench *bench, const char *words)
{
    if (strstr(bench->output, words) == NULL)
        fail_msg("no %s in %s%s", words, bench->output, bench->errors);
}

// assert_answer wants one line that begins with result and reason.
static void assert_answer(const struct bench *bench, const char *result, const char *reason)
{
    char expected[128];
    (void)snprintf(expected, sizeof expected, "{\"result\":\"%s\",\"reason\":\"%s\",", result,
                   reason);
    assert_has(bench, expected);
    const char *end = strchr(bench->output, '\n');
    assert_true(end != NULL && end[1] == '\0' && end[-1] == '}');
    for (const char *at = bench->output; at < end; at++)
        assert_true((unsigned char)*at >= ' ');
}

static void accepts_and_tells_who_it_is(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(CHECK(bench, "--strict"), 0);
    assert_answer(bench, "accept", "accepted");
    assert_has(bench, "\"depth\":1,\"identity\":{\"subject\":\"CN=a\\\\0ab\\\\1b\"");
    assert_has(bench, "\"cn\":\"a\\u000ab\\u001b\",\"san_uri\":[\"spiffe://example.org/a\"],"
                      "\"san_dns\":[\"A.example.org\",\"*.example.org\"],"
                      "\"san_email\":[\"Ann@Example.org\"],\"san_ip\":[\"192.0.2.7\"],"
                      "\"serial\":\"4f01\",\"issuer\":\"CN=Middle\",\"sha256\":\"");
    assert_has(bench, "\"not_after\":\"2027-01-16T08:00:00Z\"}");
    assert_string_equal(bench->errors, "");
}

static void rejects_with_the_reason_of_the_listener(void **state)
{
    struct bench *bench = *state;
    const struct {
        const char *words[4];
        const char *reason;
    } cases[] = {
        {{"--at", "1800086401"}, "unknown_ca"},
        {{"--at", "0"}, "unknown_ca"}, // not even the CA is valid then
        {{"--max-depth", "0"}, "chain_too_long"},
        {{"--peer", "dns:b.example.org"}, "peer_mismatch"},
        {{"--peer", "dns:*.example.org"}, "peer_mismatch"},
        {{"--peer", "uri:spiffe://example.org/A"}, "peer_mismatch"},
        {{"--peer", "email:ann@example.org"}, "peer_mismatch"},
        {{"--peer", "ip:192.0.2.8"}, "peer_mismatch"},
        {{"--peer", "dns:192.0.2.7"}, "peer_mismatch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(CHECK(bench, cases[i].words[0], cases[i].words[1]), 1);
        assert_answer(bench, "reject", cases[i].reason);
        assert_null(strstr(bench->output, "\"identity\""));
    }
}

static void accepts_the_exact_peer(void **state)
{
    struct bench *bench = *state;
    const char *const peers[] = {"dns:a.EXAMPLE.org", "uri:spiffe://example.org/a",
                                 "email:Ann@example.ORG", "ip:192.0.2.7"};
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        assert_int_equal(CHECK(bench, "--peer", peers[i]), 0);
        assert_answer(bench, "accept", "accepted");
    }
}

static void rejects_what_lists_revoke_or_do_not_cover(void **state)
{
    struct bench *bench = *state;
    void *workshop = bench->workshop;
    char both[OUTPUT_CAP];
    const struct slice root = forge_crl_pem(
        workshop, forge_crl(workshop, &(struct forge_crl_plan){.issuer = bench->root}));
    const struct forge_crl_plan plans[] = {
        {.issuer = bench->middle},
        {.issuer = bench->middle, .serials = {0x4F01}},
        {.issuer = bench->middle, .next_update_s = FORGE_NOW_S - 1},
        {.issuer = bench->root, .number = 2},
        {.issuer = bench->middle, .is_delta = true},
        {.issuer = bench->middle, .has_broken_signature = true},
        {.issuer = bench->middle,
         .this_update_s = FORGE_NOW_S + 3600,
         .next_update_s = FORGE_NOW_S + 7200},
    };
    const char *const reasons[] = {"accepted",    "revoked",     "crl_expired", "crl_missing",
                                   "crl_missing", "crl_missing", "crl_missing"};
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct text text;
        text_init(&text, both, sizeof both);
        text_append(&text, root);
        text_append(&text, forge_crl_pem(workshop, forge_crl(workshop, &plans[i])));
        scratch_write(bench->folder, "crl", text_slice(&text));
        assert_int_equal(CHECK(bench, "--crl", "@crl"), i == 0 ? 0 : 1);
        assert_answer(bench, i == 0 ? "accept" : "reject", reasons[i]);
    }
    scratch_write(bench->folder, "crl", SLICE_LITERAL("junk"));
    assert_int_equal(CHECK(bench, "--crl", "@crl"), 1);
    assert_answer(bench, "reject", "crl_missing");
}

static void rejects_a_chain_that_cannot_be_read(void **state)
{
    struct bench *bench = *state;
    const struct {
        struct slice text;
        const char *reason;
    } cases[] = {
        {SLICE_LITERAL(""), "no_certificate"},
        {SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n"), "bad_certificate"},
        {SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
         "bad_certificate"},
        {SLICE_LITERAL("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
         "bad_certificate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch_write(bench->folder, "chain", cases[i].text);
        assert_int_equal(RUN(bench, "--ca", "@ca", "--chain", "@chain", NOW), 1);
        assert_answer(bench, "reject", cases[i].reason);
    }
}

// What a profile does not load is no answer about a chain.
static void a_ca_that_no_profile_takes_is_an_error(void **state)
{
    struct bench *bench = *state;
    const struct forged *odd =
        forge(bench->workshop,
              &(struct forge_plan){.cn = "Odd", .is_ca = true, .has_unknown_critical = true});
    const struct forged *const *const cas[] = {LIST(bench->leaf), LIST(odd),
                                               LIST(bench->root, bench->leaf)};
    for (size_t i = 0; i < sizeof cas / sizeof cas[0]; i++) {
        scratch_write(bench->folder, "ca", forge_pem(bench->workshop, cas[i]));
        assert_int_equal(RUN(bench, "--ca", "@ca", "--chain", "@chain", NOW), 3);
        assert_answer(bench, "error", "not_loadable");
    }
}

static void takes_every_certificate_of_the_ca_file_for_an_anchor(void **state)
{
    struct bench *bench = *state;
    scratch_write(bench->folder, "ca",
                  forge_pem(bench->workshop, LIST(bench->root, bench->middle)));
    assert_int_equal(CHECK(bench, "--max-depth", "0"), 0);
    assert_has(bench, "\"depth\":0");
}

static void files_that_cannot_be_loaded_are_an_error(void **state)
{
    struct bench *bench = *state;
    scratch_write(bench->folder, "empty", SLICE_LITERAL(""));
    scratch_write(bench->folder, "junk", SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n"));
    assert_int_equal(RUN(bench, "--ca", "@gone", "--chain", "@chain"), 3);
    assert_answer(bench, "error", "not_loadable");
    assert_int_equal(RUN(bench, "--ca", "@empty", "--chain", "@chain"), 3);
    assert_answer(bench, "error", "not_loadable");
    assert_int_equal(RUN(bench, "--ca", "@junk", "--chain", "@chain"), 3);
    assert_int_equal(RUN(bench, "--ca", "@ca", "--chain", "@gone"), 3);
    assert_int_equal(CHECK(bench, "--crl", "@gone"), 3);
    assert_answer(bench, "error", "not_loadable");
}

static void bad_usage_exits_2_and_prints_nothing(void **state)
{
    struct bench *bench = *state;
    const char *const cases[][3] = {
        {"--peer", "a.example.org"},
        {"--peer", "dns:"},
        {"--peer", "ip:a"},
        {"--at", "-1"},
        {"--at", "now"},
        {"--at", "99999999999999999999"},
        {"--max-depth", "x"},
        {"--max-depth", " 1"},
        {"--unknown"},
        {"--at"},
        {"word"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(CHECK(bench, cases[i][0], cases[i][1]), 2);
        assert_string_equal(bench->output, "");
        assert_string_not_equal(bench->errors, "");
    }
    assert_int_equal(RUN(bench, "--ca", "@ca"), 2);
    assert_int_equal(RUN(bench, "--chain", "@chain"), 2);
    assert_int_equal(RUN(bench, "--help"), 0);
    assert_has(bench, "usage: sallyport check-cert");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_create, bench_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(accepts_and_tells_who_it_is),
        TEST(rejects_with_the_reason_of_the_listener),
        TEST(accepts_the_exact_peer),
        TEST(rejects_what_lists_revoke_or_do_not_cover),
        TEST(rejects_a_chain_that_cannot_be_read),
        TEST(a_ca_that_no_profile_takes_is_an_error),
        TEST(takes_every_certificate_of_the_ca_file_for_an_anchor),
        TEST(files_that_cannot_be_loaded_are_an_error),
        TEST(bad_usage_exits_2_and_prints_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
