// What takes trust away, read while memory fails at each call in turn: all of it is read, or none of it and the
// caller is told, so that it tries again. A file that memory failed for is never taken for a bad one.
#include "proxy/config/taking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pool.h>

#include "proxy/config/loader.h"
#include "proxy/pki/certificate.h"
#include "tests/unit/cert/forge_crl.h"
#include "tests/unit/config/findings.h"
#include "tests/unit/config/folder.h"

enum { DAY_S = 24 * 60 * 60, PEM_CAP = 4096, CALLS_MAX = 100000 };

// The linker's --wrap puts these in front of libc's.
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *piece, size_t size);
void *__real_reallocarray(void *piece, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *piece, size_t size);
void *__wrap_reallocarray(void *piece, size_t count, size_t size);

// BoringSSL, from 2025 on, does not look whether it has got these bytes, the two forms of a name (x509_name_get_cache): without
// them the process ends.
enum { NAME_FORMS_LEN = 32 };

static size_t calls_left; // until one fails; 0: none fails

static bool fails(void)
{
    return calls_left > 0 && --calls_left == 0;
}

void *__wrap_malloc(size_t size)
{
    return size != NAME_FORMS_LEN && fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *piece, size_t size)
{
    return fails() ? NULL : __real_realloc(piece, size);
}

void *__wrap_reallocarray(void *piece, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(piece, count, size);
}

// house is a configuration in force, and what changes after it was loaded.
struct house {
    struct folder folder;
    void *workshop; // as cmocka's fixtures have it
    struct forged ca;
    struct diagnostics diagnostics;
    struct snapshot *snapshot;
};

static void write_crl(struct house *house, int64_t number)
{
    const struct forge_crl_plan plan = {
        .issuer = &house->ca,
        .number = number,
        .serials = {4711},
        .this_update_s = FOLDER_NOW_S - (20 - number) * DAY_S,
        .next_update_s = FOLDER_NOW_S + 30 * DAY_S,
    };
    folder_write(&house->folder, "list.crl", forge_crl(house->workshop, &plan), 0644);
}

static void make_ca(struct house *house)
{
    const struct certificate_plan plan = {.kind = CERTIFICATE_CA,
                                          .common_name = "House CA",
                                          .not_before_s = FOLDER_NOW_S - DAY_S,
                                          .not_after_s = FOLDER_NOW_S + 100 * DAY_S};
    struct pem pem = {0};
    assert_int_equal(keypair_generate(&house->ca.key), ERR_OK);
    assert_int_equal(certificate_make(&plan, house->ca.key, NULL, house->ca.key, &house->ca.cert),
                     ERR_OK);
    assert_int_equal(certificate_format(&house->ca.cert, 1, &pem), ERR_OK);
    folder_write(&house->folder, "house.crt", pem_slice(&pem), 0644);
    pem_deinit(&pem);
}

static void write_from(const struct house *house, const char *to, const char *from)
{
    char path[512];
    char text[PEM_CAP];
    (void)snprintf(path, sizeof path, "%s/%s", house->folder.path, from);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t len = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    folder_write(&house->folder, to, slice_of(text, len), 0644);
}

static const char CONFIG[] =
    "version: 1\n"
    "listeners: [{name: main, address: '127.0.0.1:8443', trust: staff,\n"
    "             certificates: [{chain: tls/server.crt, key: tls/server.key}]}]\n"
    "trust: {staff: {ca: [house.crt, other.crt], crl: [list.crl], crl_scope: leaf}}\n"
    "include: ['lists/*.yaml']\n"
    "sets: {hosts: {bad: [{file: list.txt}]}}\n"
    "clients: [{name: a, match: [{cn: a}], allow: [{hosts: [x]}],\n"
    "           deny: [{hosts: [{file: list.txt}]}, {hosts: [{file: more.txt}]}]}]\n"
    "audit: {file: audit.jsonl}\n";

// Two included files: one denies by a list of the main file, the other one goes.
static const char STAYING[] = "clients: [{name: b, match: [{cn: b}], allow: [{hosts: [x]}]}]\n"
                              "deny: [{hosts: ['@bad']}]\n";
static const char GOING[] = "clients: [{name: c, match: [{cn: c}], allow: [{hosts: [x]}]}]\n";

static const char DENYING[] =
    "trust: {staff: {denied: [{sha256: "
    "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}]}}\n";

static void set_up(struct house *house)
{
    char path[512];
    *house = (struct house){0};
    folder_create(&house->folder);
    assert_int_equal(workshop_create(&house->workshop), 0);
    make_ca(house);
    write_crl(house, 1);
    write_from(house, "other.crt", "tls/partners-ca.crt");
    folder_write(&house->folder, "list.txt", SLICE_LITERAL("a.example\n"), 0644);
    folder_write(&house->folder, "more.txt", SLICE_LITERAL("m.example\n"), 0644);
    folder_write(&house->folder, "t.yaml", SLICE_LITERAL(CONFIG), 0644);
    folder_write(&house->folder, "lists/b.yaml", SLICE_LITERAL(STAYING), 0644);
    folder_write(&house->folder, "lists/c.yaml", SLICE_LITERAL(GOING), 0644);
    (void)snprintf(path, sizeof path, "%s/t.yaml", house->folder.path);
    diagnostics_init(&house->diagnostics);
    (void)!snapshot_load(path, &(struct load_options){.now_s = FOLDER_NOW_S}, &house->diagnostics,
                         &house->snapshot);
    assert_no_errors(&house->diagnostics);
}

static void tear_down(struct house *house)
{
    snapshot_unref(house->snapshot);
    diagnostics_deinit(&house->diagnostics);
    X509_free(house->ca.cert);
    EVP_PKEY_free(house->ca.key);
    (void)workshop_destroy(&house->workshop);
    folder_remove(&house->folder);
}

// assert_whole looks for everything that has been taken away.
static void assert_whole(const struct taking *taking, size_t call)
{
    assert_non_null(taking);
    const struct trust *trust = taking->trusts[0];
    if (strcmp(trust_crl_at(trust, 0).number, "2") != 0)
        fail_msg("call %zu: the new CRL is left out", call);
    STACK_OF(CRYPTO_BUFFER) *names = trust_client_ca_names(trust);
    const size_t count = sk_CRYPTO_BUFFER_num(names);
    sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
    if (count != 1)
        fail_msg("call %zu: the CA that is gone is still there", call);
    if (taking->denials == NULL || taking->denials->policy->clients[0].deny_count != 4)
        fail_msg("call %zu: the deny list is left out", call);
    const struct client *clients = taking->denials->policy->clients;
    if (clients[1].file->deny_count != 2 || clients[1].allow_count != 1)
        fail_msg("call %zu: the deny list is left out in an included file", call);
    if (taking->denials->policy->client_count != 3 || clients[2].allow_count != 0)
        fail_msg("call %zu: an included file that is gone still allows", call);
}

// remove_file removes one.
static void remove_file(const struct house *house, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", house->folder.path, name);
    assert_int_equal(unlink(path), 0);
}

static void memory_that_fails_is_never_taken_for_a_bad_file(void **state)
{
    (void)state;
    struct house house;
    bool has_failed = true;
    size_t call = 0;
    set_up(&house);
    write_crl(&house, 2);
    write_from(&house, "other.crt", "house.crt"); // the partners' CA is gone
    folder_write(&house.folder, "list.txt", SLICE_LITERAL("b.example\n"), 0644);
    remove_file(&house, "lists/c.yaml");
    while (has_failed && call < CALLS_MAX) {
        struct taking *taking = NULL;
        calls_left = ++call;
        const enum err error =
            taking_read(house.snapshot, SLICE_LITERAL(DENYING), FOLDER_NOW_S, &taking);
        has_failed = calls_left == 0;
        calls_left = 0;
        if (error == ERR_OK) {
            assert_whole(taking, call);
        } else {
            assert_int_equal(error, ERR_MEMORY);
            assert_null(taking);
        }
        taking_unref(taking);
    }
    assert_true(call > 100 && call < CALLS_MAX);
    tear_down(&house);
}

static void publish_crl(struct house *house)
{
    write_crl(house, 2);
}

static void drop_ca(struct house *house)
{
    write_from(house, "other.crt", "house.crt");
}

static void deny_more(struct house *house)
{
    folder_write(&house->folder, "list.txt", SLICE_LITERAL("b.example\n"), 0644);
}

static void damage_crl(struct house *house)
{
    folder_write(&house->folder, "list.crl", SLICE_LITERAL("nothing\n"), 0644);
}

static void damage_bundle(struct house *house)
{
    folder_write(&house->folder, "other.crt", SLICE_LITERAL("nothing\n"), 0644);
}

static void lose_file(struct house *house)
{
    remove_file(house, "lists/c.yaml");
}

static void damage_file(struct house *house)
{
    folder_write(&house->folder, "lists/c.yaml", SLICE_LITERAL("clients: ["), 0644);
}

static void write_same(struct house *house)
{
    write_crl(house, 1);
    write_from(house, "other.crt", "tls/partners-ca.crt");
}

static void it_is_known_whether_any_trust_is_taken_away(void **state)
{
    static const struct {
        void (*change)(struct house *house);
        const char *refused;
        bool takes_more;
    } rows[] = {
        {publish_crl, "", true}, {drop_ca, "", true},
        {deny_more, "", true},   {write_same, DENYING, true},
        {write_same, "", false}, {write_same, "nonsense: 1\n", false},
        {damage_crl, "", false}, {damage_bundle, "", false},
        {lose_file, "", true},   {damage_file, "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct house house;
        struct taking *taking = NULL;
        struct snapshot *revision = NULL;
        set_up(&house);
        rows[i].change(&house);
        assert_int_equal(
            taking_read(house.snapshot, slice_of_string(rows[i].refused), FOLDER_NOW_S, &taking),
            ERR_OK);
        assert_int_equal(taking->takes_more, rows[i].takes_more);
        assert_int_equal(snapshot_revise(house.snapshot, NULL, taking, &revision), ERR_OK);
        taking_unref(taking);
        // Another configuration that is refused, and the same files: all of it is in force by now.
        assert_int_equal(
            taking_read(revision, SLICE_LITERAL("nonsense: 2\n"), FOLDER_NOW_S, &taking), ERR_OK);
        assert_false(taking->takes_more);
        taking_unref(taking);
        snapshot_unref(revision);
        tear_down(&house);
    }
}

// take reads what takes trust away from `*revision` now, and lets it count.
static const struct policy *take(struct snapshot **revision)
{
    struct taking *taking = NULL;
    struct snapshot *next = NULL;
    assert_int_equal(taking_read(*revision, SLICE_LITERAL("nonsense: 1"), FOLDER_NOW_S, &taking),
                     ERR_OK);
    assert_non_null(taking);
    assert_int_equal(snapshot_revise(*revision, NULL, taking, &next), ERR_OK);
    taking_unref(taking);
    snapshot_unref(*revision);
    *revision = next;
    return next->taking->denials->policy;
}

// denies tells whether a `deny` of the client has this host.
static bool denies(const struct client *client, const char *name)
{
    struct hostname host;
    bool has = false;
    assert_int_equal(hostname_parse(slice_of_string(name), &host), ERR_OK);
    for (size_t i = 0; i < client->deny_count; i++) {
        for (size_t j = 0; j < client->deny[i].hosts.count; j++)
            has |= host_set_matches(client->deny[i].hosts.items[j], &host);
    }
    return has;
}

// Two lists, of which one is no good for a time: what either has said stays, and what the other one says now counts.
static void a_list_that_is_no_good_holds_no_other_one_up(void **state)
{
    static const char *const bad[] = {"not a host!\n", ""};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct house house;
        set_up(&house);
        struct snapshot *revision = snapshot_ref(house.snapshot);
        folder_write(&house.folder, "list.txt", SLICE_LITERAL("b.example\n"), 0644);
        folder_write(&house.folder, "more.txt", SLICE_LITERAL("x.example\n"), 0644);
        const struct policy *policy = take(&revision);
        assert_true(denies(&policy->clients[0], "b.example"));
        folder_write(&house.folder, "list.txt", slice_of_string(bad[i]), 0644);
        folder_write(&house.folder, "more.txt", SLICE_LITERAL("y.example\n"), 0644);
        policy = take(&revision);
        assert_true(denies(&policy->clients[0], "a.example"));
        assert_true(denies(&policy->clients[0], "b.example"));
        assert_true(denies(&policy->clients[0], "y.example"));
        remove_file(&house, "lists/c.yaml");
        policy = take(&revision);
        assert_int_equal(policy->clients[2].allow_count, 0);
        assert_true(denies(&policy->clients[0], "b.example"));
        assert_true(denies(&policy->clients[0], "y.example"));
        snapshot_unref(revision);
        tear_down(&house);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_fails_is_never_taken_for_a_bad_file),
        cmocka_unit_test(it_is_known_whether_any_trust_is_taken_away),
        cmocka_unit_test(a_list_that_is_no_good_holds_no_other_one_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
