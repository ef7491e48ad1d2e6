// The state of blocks: written and read again it is the same; cut anywhere it is nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/admin/block_state.h"

struct folder {
    char path[64];
    char state[96];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    if (folder == NULL)
        return 1;
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/sallyport-state-XXXXXX");
    if (mkdtemp(folder->path) == NULL)
        return 1;
    (void)snprintf(folder->state, sizeof folder->state, "%s/state.json", folder->path);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    (void)chmod(folder->path, 0700);
    (void)unlink(folder->state);
    (void)rmdir(folder->path);
    free(folder);
    return 0;
}

static const char *const spellings[] = {
    "client:scrapers",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "serial:4f01 issuer:CN=Clients CA",
    "serial:4f01 issuer:CN=M\xC3\xBCller \\\"quoted\\\"\\, and \\0A a line,O=a\\\\b",
};

static struct blocklist *make_list(void)
{
    enum { COUNT = sizeof spellings / sizeof spellings[0] };
    static char texts[COUNT][BLOCK_TEXT_CAP];
    struct block blocks[COUNT];
    struct blocklist *list = NULL;
    struct errinfo info = {0};
    for (size_t i = 0; i < COUNT; i++) {
        if (block_parse(slice_of_string(spellings[i]), texts[i], &blocks[i], &info) != ERR_OK)
            fail_msg("%s: %s", spellings[i], info.text);
        blocks[i].since_s = 1795335557 + (int64_t)i;
        blocks[i].uid = (uint32_t)i;
    }
    assert_int_equal(ERR_OK, blocklist_create(blocks, COUNT, &list));
    return list;
}

static void what_was_written_is_read_again(void **state)
{
    const struct folder *folder = *state;
    struct blocklist *list = make_list();
    struct blocklist *again = NULL;
    struct errinfo info = {0};
    struct stat status;
    assert_int_equal(ERR_OK, block_state_save(folder->state, list, &info));
    assert_int_equal(0, stat(folder->state, &status));
    assert_int_equal(0600, status.st_mode & 07777);
    if (block_state_load(folder->state, &again, &info) != ERR_OK)
        fail_msg("%s", info.text);
    assert_int_equal(blocklist_count(list), blocklist_count(again));
    for (size_t i = 0; i < blocklist_count(list); i++) {
        const struct block *one = blocklist_at(list, i);
        const struct block *other = blocklist_at(again, i);
        assert_string_equal(one->text, other->text);
        assert_memory_equal(one->digest, other->digest, sizeof one->digest);
        assert_int_equal(one->since_s, other->since_s);
        assert_int_equal(one->uid, other->uid);
    }
    blocklist_unref(list);
    blocklist_unref(again);
}

static void a_missing_file_is_made_and_holds_nobody(void **state)
{
    const struct folder *folder = *state;
    struct blocklist *list = NULL;
    struct errinfo info = {0};
    assert_int_equal(ERR_OK, block_state_load(folder->state, &list, &info));
    assert_int_equal(0, blocklist_count(list));
    assert_int_equal(0, access(folder->state, R_OK));
    blocklist_unref(list);
}

static void every_cut_of_it_is_an_error(void **state)
{
    const struct folder *folder = *state;
    static char data[4096];
    struct blocklist *list = make_list();
    struct errinfo info = {0};
    assert_int_equal(ERR_OK, block_state_save(folder->state, list, &info));
    blocklist_unref(list);
    FILE *file = fopen(folder->state, "r");
    assert_non_null(file);
    const size_t len = fread(data, 1, sizeof data, file);
    (void)fclose(file);
    assert_true(len > 100 && data[len - 1] == '\n');
    for (size_t cut = 0; cut < len - 1; cut++) {
        list = NULL;
        if (block_state_parse(slice_of(data, cut), "state", &list, &info) == ERR_OK)
            fail_msg("cut after %zu bytes it is still a state", cut);
        assert_null(list);
    }
    assert_int_equal(ERR_OK, block_state_parse(slice_of(data, len), "state", &list, &info));
    blocklist_unref(list);
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *said;
    } rows[] = {
        {"", "state: line 1, column 0: the text ends too early; it is not known who is blocked"},
        {"{\"v\":1,\n \"blocks\":[}", "line 2, column 12: not JSON;"},
        {"{\"v\":1,\"blocks\":[]} x", "something follows the object;"},
        {"{\"v\":1,\n\"v\":1,\"blocks\":[]}",
         "line 2, column 3: a key appears twice in an object;"},
        {"{\"v\":99999999999999999999,\"blocks\":[]}", "a number is too large;"},
        {"{\"v\":1,\"blocks\":[\"\xFF\"]}", "not UTF-8;"},
        {"{\"v\":1,\"blocks\":[\"\\u0000\"]}", "a string with a NUL;"},
        {"[]", "state: not an object;"},
        {"{\"blocks\":[]}", "`v` is missing;"},
        {"{\"v\":1}", "`blocks` is missing;"},
        {"{\"v\":1.0,\"blocks\":[]}", "`v` is not a whole number;"},
        {"{\"v\":2,\"blocks\":[]}", "`v` is not 1;"},
        {"{\"v\":1,\"blocks\":{}}", "`blocks` is not a list;"},
        {"{\"v\":1,\"blocks\":null}", "`blocks` is not a list;"},
        {"{\"v\":1,\"blocks\":[],\"more\":1}", "state: unknown key `more`;"},
        {"{\"v\":1,\"blocks\":[1]}", "block 1: not an object;"},
        {"{\"v\":1,\"blocks\":[{\"since\":1,\"uid\":0}]}", "block 1: `block` is missing;"},
        {"{\"v\":1,\"blocks\":[{\"block\":1,\"since\":1,\"uid\":0}]}", "`block` is not a string;"},
        {"{\"v\":1,\"blocks\":[{\"block\":\"client:a\",\"since\":\"1\",\"uid\":0}]}",
         "`since` is not a whole number;"},
        {"{\"v\":1,\"blocks\":[{\"block\":\"client:a\",\"since\":1}]}", "`uid` is missing;"},
        {"{\"v\":1,\"blocks\":[{\"block\":\"client:a\",\"since\":1,\"uid\":0,\"x\":0}]}",
         "block 1: unknown key `x`;"},
        {"{\"v\":1,\"blocks\":[{\"block\":\"client:a\",\"since\":-1,\"uid\":0}]}", "out of range;"},
        {"{\"v\":1,\"blocks\":[{\"block\":\"client:a\",\"since\":1,\"uid\":4294967296}]}",
         "out of range;"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct blocklist *list = NULL;
        struct errinfo info = {0};
        const enum err failed =
            block_state_parse(slice_of_string(rows[i].text), "state", &list, &info);
        assert_null(list);
        if (failed != ERR_INPUT || strstr(info.text, rows[i].said) == NULL)
            fail_msg("%s: %d %s", rows[i].text, (int)failed, info.text);
    }
}

static void a_folder_that_is_not_there_is_an_error_both_ways(void **state)
{
    (void)state;
    struct blocklist *list = make_list();
    struct blocklist *loaded = NULL;
    struct errinfo info = {0};
    assert_int_equal(ERR_SYSTEM, block_state_save("/nonexistent/state.json", list, &info));
    assert_non_null(strstr(info.text, "/nonexistent/state.json"));
    assert_int_equal(ERR_INPUT, block_state_load("/nonexistent/state.json", &loaded, &info));
    assert_null(loaded);
    blocklist_unref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_missing_file_is_made_and_holds_nobody, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_cut_of_it_is_an_error, make_folder, remove_folder),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
