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

static void put(struct block_state *state, const char *spelling, enum fleet_op op, uint64_t version)
{
    static uint32_t uid;
    char text[BLOCK_TEXT_CAP];
    struct errinfo info = {0};
    struct fleet_word word = {.op = op, .version = version};
    if (block_parse(slice_of_string(spelling), text, &word.block, &info) != ERR_OK)
        fail_msg("%s: %s", spelling, info.text);
    word.block.since_s = 1795335557 + (int64_t)uid;
    word.block.uid = uid++;
    if (version != 0)
        (void)string_copy(word.by, sizeof word.by, slice_of_string("0123456789abcdef"));
    if (version > 1) {
        word.after = version - 1;
        (void)string_copy(word.after_by, sizeof word.after_by, slice_of_string("fedcba9876543210"));
    }
    word.is_shared = version % 2 == 1;
    assert_int_equal(ERR_OK, fleet_blocks_put(state->words, &word));
}

// make_state makes one of a proxy that shares nothing, or of one that does.
static struct block_state make_state(bool is_shared)
{
    struct block_state state;
    assert_int_equal(ERR_OK, block_state_init(&state));
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++)
        put(&state, spellings[i], FLEET_BLOCK, is_shared ? i + 1 : 0);
    if (!is_shared)
        return state;
    put(&state, "client:free-again", FLEET_UNBLOCK, 9);
    state.tickets = 7;
    fleet_blocks_note_newest(state.words, 4711); // of what is not kept any more
    (void)string_copy(state.store, sizeof state.store,
                      slice_of_string("00112233445566778899aabbccddeeff"));
    return state;
}

static void what_was_written_is_read_again(void **state)
{
    const struct folder *folder = *state;
    for (int is_shared = 0; is_shared < 2; is_shared++) {
        struct block_state written = make_state(is_shared == 1);
        struct block_state again;
        struct errinfo info = {0};
        struct stat status;
        assert_int_equal(ERR_OK, block_state_save(folder->state, &written, &info));
        assert_int_equal(0, stat(folder->state, &status));
        assert_int_equal(0600, status.st_mode & 07777);
        if (block_state_load(folder->state, &again, &info) != ERR_OK)
            fail_msg("%s", info.text);
        assert_string_equal(written.store, again.store);
        assert_int_equal(written.tickets, again.tickets);
        assert_int_equal(fleet_blocks_newest(written.words), fleet_blocks_newest(again.words));
        assert_int_equal(fleet_blocks_count(written.words), fleet_blocks_count(again.words));
        for (size_t i = 0; i < fleet_blocks_count(written.words); i++) {
            const struct fleet_word *one = fleet_blocks_at(written.words, i);
            const struct fleet_word *other = fleet_blocks_at(again.words, i);
            assert_string_equal(one->block.text, other->block.text);
            assert_int_equal(one->block.since_s, other->block.since_s);
            assert_int_equal(one->block.uid, other->block.uid);
            assert_int_equal(one->op, other->op);
            assert_int_equal(one->version, other->version);
            assert_int_equal(one->is_shared, other->is_shared);
            assert_string_equal(one->by, other->by);
            assert_int_equal(one->after, other->after);
            assert_string_equal(one->after_by, other->after_by);
        }
        block_state_deinit(&written);
        block_state_deinit(&again);
    }
}

static void version_2_is_written_only_where_version_1_cannot_say_it(void **state)
{
    const struct folder *folder = *state;
    static const struct {
        enum fleet_op op;
        uint64_t version;
        const char *store;
        uint64_t tickets;
        char wanted;
    } rows[] = {
        {FLEET_BLOCK, 0, "", 0, '1'},
        {FLEET_BLOCK, 1, "", 0, '2'},
        {FLEET_UNBLOCK, 0, "", 0, '2'},
        {FLEET_BLOCK, 0, "00112233445566778899aabbccddeeff", 0, '2'},
        {FLEET_BLOCK, 0, "", 1, '2'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct block_state written;
        struct errinfo info = {0};
        char head[8] = "";
        assert_int_equal(ERR_OK, block_state_init(&written));
        put(&written, "client:a", rows[i].op, rows[i].version);
        (void)string_copy(written.store, sizeof written.store, slice_of_string(rows[i].store));
        written.tickets = rows[i].tickets;
        assert_int_equal(ERR_OK, block_state_save(folder->state, &written, &info));
        block_state_deinit(&written);
        FILE *file = fopen(folder->state, "r");
        assert_non_null(file);
        assert_int_equal(6, fread(head, 1, 6, file));
        (void)fclose(file);
        assert_int_equal(rows[i].wanted, head[5]);
    }
}

static void a_missing_file_is_made_and_holds_nobody(void **state)
{
    const struct folder *folder = *state;
    struct block_state made;
    struct errinfo info = {0};
    assert_int_equal(ERR_OK, block_state_load(folder->state, &made, &info));
    assert_int_equal(0, fleet_blocks_count(made.words));
    assert_int_equal(0, access(folder->state, R_OK));
    block_state_deinit(&made);
}

static void every_cut_of_it_is_an_error(void **state)
{
    const struct folder *folder = *state;
    static char data[8192];
    for (int is_shared = 0; is_shared < 2; is_shared++) {
        struct block_state written = make_state(is_shared == 1);
        struct block_state read;
        struct errinfo info = {0};
        assert_int_equal(ERR_OK, block_state_save(folder->state, &written, &info));
        block_state_deinit(&written);
        FILE *file = fopen(folder->state, "r");
        assert_non_null(file);
        const size_t len = fread(data, 1, sizeof data, file);
        (void)fclose(file);
        assert_true(len > 100 && len < sizeof data && data[len - 1] == '\n');
        for (size_t cut = 0; cut < len - 1; cut++) {
            if (block_state_parse(slice_of(data, cut), "state", &read, &info) == ERR_OK)
                fail_msg("cut after %zu bytes it is still a state", cut);
            assert_null(read.words);
        }
        assert_int_equal(ERR_OK, block_state_parse(slice_of(data, len), "state", &read, &info));
        block_state_deinit(&read);
    }
}

#define I                           "0123456789abcdef"
#define V2(op, version, by, shared) V2_AFTER(op, version, by, shared, "0", "")
#define V2_AFTER(op, version, by, shared, after, after_by)                                                          \
    "{\"v\":2,\"store\":\"\",\"tickets\":0,\"newest\":0,\"blocks\":[{\"block\":\"client:a\",\"since\":1,\"uid\":0," \
    "\"op\":\"" op "\",\"version\":" version ",\"by\":\"" by "\",\"shared\":" shared                                \
    ",\"after\":" after ",\"after_by\":\"" after_by "\"}]}"

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
        {"{\"v\":2,\"blocks\":[]}", "`store` is missing;"},
        {"{\"v\":3,\"blocks\":[]}", "`v` is neither 1 nor 2: a newer version"},
        {"{\"v\":1,\"store\":\"\",\"tickets\":0,\"blocks\":[]}", "unknown key `store`;"},
        {"{\"v\":2,\"store\":\"\",\"tickets\":-1,\"newest\":0,\"blocks\":[]}",
         "`tickets` is out of range;"},
        {"{\"v\":2,\"store\":\"\",\"tickets\":4503599627370497,\"newest\":0,\"blocks\":[]}",
         "`tickets` is out of range;"},
        {"{\"v\":2,\"store\":\"\",\"tickets\":0,\"newest\":-1,\"blocks\":[]}",
         "`newest` is out of range;"},
        {"{\"v\":2,\"store\":\"\",\"tickets\":0,\"newest\":4503599627370497,\"blocks\":[]}",
         "`newest` is out of range;"},
        {"{\"v\":2,\"store\":\"\",\"tickets\":0,\"blocks\":[]}", "`newest`"},
        {"{\"v\":2,\"store\":\"00\",\"tickets\":0,\"newest\":0,\"blocks\":[]}",
         "`store` is not 32"},
        {V2("block", "1", I, "2"), "`version` or `shared` is out of range;"},
        {V2("block", "-1", I, "1"), "`version` or `shared` is out of range;"},
        {V2("block", "4503599627370497", I, "1"), "`version` or `shared` is out of range;"},
        {V2("maybe", "1", I, "1"), "neither block nor unblock;"},
        {V2("block", "1", "me", "1"), "`by` or `after_by` is no instance;"},
        {V2_AFTER("block", "2", I, "1", "1", "me"), "`by` or `after_by` is no instance;"},
        {V2_AFTER("block", "2", I, "1", "2", I), "`after` is not below `version`;"},
        {V2_AFTER("block", "2", I, "1", "-1", I), "`after` is not below `version`;"},
        {"{\"v\":2,\"store\":\"\",\"tickets\":0,\"newest\":0,\"blocks\":[{\"block\":\"client:a\",\"since\":1,\"uid\":0}]}",
         "block 1: `op` is missing;"},
        {"{\"v\":1,\"blocks\":[{\"block\":\"client:a\",\"since\":1,\"uid\":0},{\"block\":\"client:a\",\"since\":1,\"uid\":0}]}",
         "block 2: it stands there twice;"},
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
        struct block_state read;
        struct errinfo info = {0};
        const enum err failed =
            block_state_parse(slice_of_string(rows[i].text), "state", &read, &info);
        assert_null(read.words);
        if (failed != ERR_INPUT || strstr(info.text, rows[i].said) == NULL)
            fail_msg("%s: %d %s", rows[i].text, (int)failed, info.text);
    }
}

static void a_folder_that_is_not_there_is_an_error_both_ways(void **state)
{
    (void)state;
    struct block_state written = make_state(false);
    struct block_state loaded;
    struct errinfo info = {0};
    assert_int_equal(ERR_SYSTEM, block_state_save("/nonexistent/state.json", &written, &info));
    assert_non_null(strstr(info.text, "/nonexistent/state.json"));
    assert_int_equal(ERR_INPUT, block_state_load("/nonexistent/state.json", &loaded, &info));
    assert_null(loaded.words);
    block_state_deinit(&written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(version_2_is_written_only_where_version_1_cannot_say_it,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_missing_file_is_made_and_holds_nobody, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_cut_of_it_is_an_error, make_folder, remove_folder),
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
