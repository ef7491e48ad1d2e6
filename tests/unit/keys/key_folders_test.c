// Where files may be opened, and what is told of them.
#include "proxy/cage/wide.h"
#include "proxy/keys/key_folders.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/keys/key_file.h"

enum { PATH_CAP = 512 };

struct bench {
    char root[PATH_CAP];
    struct key_folders folders;
    struct errinfo info;
};

static void path_of(const struct bench *bench, const char *name, char out[PATH_CAP + 64])
{
    (void)snprintf(out, PATH_CAP + 64, "%s/%s", bench->root, name);
}

static void make_file(const struct bench *bench, const char *name)
{
    char path[PATH_CAP + 64];
    path_of(bench, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    const char *parent = getenv("TEST_TMPDIR");
    struct bench *bench = calloc(1, sizeof *bench);
    char path[PATH_CAP + 64];
    assert_non_null(bench);
    (void)snprintf(bench->root, sizeof bench->root, "%s/keys-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    assert_non_null(mkdtemp(bench->root));
    path_of(bench, "keys", path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(bench, "keys2", path);
    assert_int_equal(mkdir(path, 0700), 0);
    make_file(bench, "keys/a.key");
    make_file(bench, "keys2/b.key");
    key_folders_init(&bench->folders);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    key_folders_deinit(&bench->folders);
    free(bench);
    return 0;
}

static enum err try_to_open(struct bench *bench, const char *name)
{
    char path[PATH_CAP + 64];
    int fd = -1;
    path_of(bench, name, path);
    const enum err error = key_folders_open(&bench->folders, path, &fd, &bench->info);
    if (error == ERR_OK)
        (void)close(fd);
    return error;
}

static void until_the_seal_each_file_adds_its_folder(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(try_to_open(bench, "keys/a.key"), ERR_OK);
    bench->folders.is_sealed = true;
    make_file(bench, "keys/new.key");
    assert_int_equal(try_to_open(bench, "keys/new.key"), ERR_OK);
    assert_int_equal(try_to_open(bench, "keys2/b.key"), ERR_DENIED); // the name begins alike
    assert_int_equal(try_to_open(bench, "keys/none.key"), ERR_SYSTEM);
    assert_int_equal(try_to_open(bench, "keys/../keys2/b.key"), ERR_DENIED);
}

static void no_link_leads_out_of_the_folders(void **state)
{
    struct bench *bench = *state;
    char link[PATH_CAP + 64];
    assert_int_equal(try_to_open(bench, "keys/a.key"), ERR_OK);
    bench->folders.is_sealed = true;
    path_of(bench, "keys/link.key", link);
    assert_int_equal(symlink("../keys2/b.key", link), 0);
    assert_int_equal(try_to_open(bench, "keys/link.key"), ERR_DENIED);
    path_of(bench, "keys/folder", link);
    assert_int_equal(symlink("../keys2", link), 0);
    assert_int_equal(try_to_open(bench, "keys/folder/b.key"), ERR_DENIED);
}

static void a_link_at_the_start_opens_both_folders(void **state)
{
    struct bench *bench = *state;
    char link[PATH_CAP + 64];
    path_of(bench, "keys/link.key", link);
    assert_int_equal(symlink("../keys2/b.key", link), 0);
    assert_int_equal(try_to_open(bench, "keys/link.key"), ERR_OK);
    bench->folders.is_sealed = true;
    make_file(bench, "keys2/c.key");
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("../keys2/c.key", link), 0); // as a renewal does it
    assert_int_equal(try_to_open(bench, "keys/link.key"), ERR_OK);
    assert_int_equal(try_to_open(bench, "keys/a.key"), ERR_OK);
}

static void what_lies_elsewhere_and_what_is_not_there_look_alike(void **state)
{
    struct bench *bench = *state;
    struct errinfo there;
    assert_int_equal(try_to_open(bench, "keys/a.key"), ERR_OK);
    bench->folders.is_sealed = true;
    for (size_t i = 0; i < 2; i++) {
        static const char *const pairs[][2] = {{"keys2/b.key", "keys2/x.key"},
                                               {"keys/../keys2/b.key", "keys/../keys2/x.key"}};
        assert_int_equal(try_to_open(bench, pairs[i][0]), ERR_DENIED);
        there = bench->info;
        assert_int_equal(try_to_open(bench, pairs[i][1]), ERR_DENIED);
        const char *missing = strstr(bench->info.text, ": private keys");
        assert_non_null(missing);
        assert_string_equal(strstr(there.text, ": private keys"), missing);
    }
    assert_int_equal(try_to_open(bench, "none/x.key"), ERR_DENIED);
    assert_int_equal(try_to_open(bench, "keys/x.key"), ERR_SYSTEM);
}

static void a_key_in_a_wide_folder_opens_itself_alone(void **state)
{
    (void)state;
    struct key_folders folders = {.paths = {(char *)(uintptr_t) "/etc/proxy.key"}, .count = 1};
    assert_true(wide_folder("/etc"));
    assert_true(wide_folder("/etc/ssl"));
    assert_true(wide_folder("/home"
                            "/me"));
    assert_true(wide_folder(""));
    assert_false(wide_folder("/etc/sallyport"));
    assert_false(wide_folder("/home"
                             "/me/tls"));
    assert_false(wide_folder("/homes"));
    assert_true(key_folders_hold(&folders, "/etc/proxy.key"));
    assert_false(key_folders_hold(&folders, "/etc/ca.key"));
    assert_false(key_folders_hold(&folders, "/etc/proxy.key2"));
}

static void the_digest_of_a_file_tells_nobody_what_is_in_it(void **state)
{
    struct bench *bench = *state;
    char path[PATH_CAP + 64];
    uint8_t plain[32];
    uint8_t digests[3][32];
    struct key_folders others;
    struct key_table table;
    assert_true(key_table_init(&table, NULL));
    key_folders_init(&others);
    path_of(bench, "keys/a.key", path);
    const struct key_message request = {.what = KEY_USE_CHAIN, .bytes = slice_of_string(path)};
    struct key_folders *const all[] = {&bench->folders, &bench->folders, &others};
    for (size_t i = 0; i < 3; i++) {
        struct key_file file;
        key_file_open(all[i], &table, &request, &file);
        assert_int_equal(file.answer.kind, KEY_ANSWER_CHAIN);
        memcpy(digests[i], file.answer.digest, sizeof digests[i]);
        key_file_deinit(&file);
    }
    (void)SHA256((const uint8_t *)"", 0, plain); // the file is empty
    assert_memory_equal(digests[0], digests[1], sizeof plain);
    assert_memory_not_equal(digests[0], digests[2], sizeof plain);
    assert_memory_not_equal(digests[0], plain, sizeof plain);
    key_folders_deinit(&others);
    key_table_deinit(&table);
}

static void later_holders_have_the_folders_of_the_first(void **state)
{
    struct bench *bench = *state;
    const struct key_groups told = {.ids = {100, 100, 65534}, .count = 3};
    struct key_groups groups;
    struct key_folders next = {.count = 0};
    const int fd = memfd_create("notes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_false(key_folders_load(&next, &groups, fd)); // nobody has written it
    assert_int_equal(try_to_open(bench, "keys/a.key"), ERR_OK);
    assert_true(key_folders_save(&bench->folders, &told, fd));
    assert_true(key_folders_load(&next, &groups, fd));
    assert_int_equal(groups.count, told.count);
    assert_memory_equal(groups.ids, told.ids, sizeof told.ids);
    assert_true(next.is_sealed);
    assert_int_equal(next.count, bench->folders.count);
    assert_string_equal(next.paths[0], bench->folders.paths[0]);
    assert_memory_equal(next.secret, bench->folders.secret, sizeof next.secret);
    assert_int_equal(pwrite(fd, "/", 1, 0), -1); // nobody changes it
    key_folders_deinit(&next);
    (void)close(fd);
}

static void nothing_but_certificates_leaves_a_chain_file(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *told;
    } cases[] = {
        {"", ""},
        {"PRIVATE+KEY+gate+01020304+AAAA\n", ""},
        {"-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n", ""},
        {"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n",
         "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"},
        {"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----",
         "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"},
        {"secret\n-----BEGIN EC PRIVATE KEY-----\nMIG\n-----END EC PRIVATE KEY-----\nsecret\n"
         "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\nsecret\n"
         "-----BEGIN X509 CERTIFICATE-----\nBB\n-----END X509 CERTIFICATE-----\nsecret",
         "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"
         "-----BEGIN X509 CERTIFICATE-----\nBB\n-----END X509 CERTIFICATE-----\n"},
        {"-----BEGIN CERTIFICATE-----\nsecret", "-----BEGIN CERTIFICATE-----\n"},
        {"-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[512];
        const size_t len = key_file_take_certificates(slice_of_string(cases[i].file), out);
        assert_int_equal(len, strlen(cases[i].told));
        assert_memory_equal(out, cases[i].told, len);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(until_the_seal_each_file_adds_its_folder),
        TEST(no_link_leads_out_of_the_folders),
        TEST(a_link_at_the_start_opens_both_folders),
        TEST(what_lies_elsewhere_and_what_is_not_there_look_alike),
        TEST(a_key_in_a_wide_folder_opens_itself_alone),
        TEST(the_digest_of_a_file_tells_nobody_what_is_in_it),
        TEST(later_holders_have_the_folders_of_the_first),
        cmocka_unit_test(nothing_but_certificates_leaves_a_chain_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
