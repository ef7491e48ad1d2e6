// Merging words on blocks: what is newer holds everywhere, in any order; what is forged, older or missing changes nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proxy/fleet/fleet_blocks.h"
#include "proxy/fleet/fleet_word.h"

enum { NOW = 1800000000 };
#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"

struct spoken {
    struct fleet_word word;
    char text[BLOCK_TEXT_CAP];
    char name[FLEET_NAME_CAP];
};

static struct spoken *say(const char *block, enum fleet_op op, uint64_t version, const char *by)
{
    static struct spoken ring[8];
    static size_t next;
    struct spoken *spoken = &ring[next++ % 8];
    struct errinfo info;
    *spoken = (struct spoken){0};
    assert_int_equal(ERR_OK,
                     block_parse(slice_of_string(block), spoken->text, &spoken->word.block, &info));
    spoken->word.op = op;
    spoken->word.version = version;
    spoken->word.block.since_s = NOW;
    (void)string_copy(spoken->word.by, sizeof spoken->word.by, slice_of_string(by));
    fleet_blocks_name(spoken->text, spoken->name);
    return spoken;
}

// after says which word of the store another one comes after.
static struct spoken *after(struct spoken *spoken, uint64_t version, const char *by)
{
    spoken->word.after = version;
    (void)string_copy(spoken->word.after_by, sizeof spoken->word.after_by, slice_of_string(by));
    return spoken;
}

static const uint8_t seal[FLEET_SEAL_LEN] = {1};

static enum fleet_finding meet(struct fleet_blocks *blocks, const struct spoken *spoken)
{
    return fleet_blocks_meet(blocks, slice_of_string(spoken->name), &spoken->word, seal, NOW);
}

static struct fleet_blocks *make(void)
{
    struct fleet_blocks *blocks = fleet_blocks_create();
    assert_non_null(blocks);
    return blocks;
}

static size_t count_due(const struct fleet_blocks *blocks)
{
    struct fleet_due due;
    size_t cursor = 0;
    size_t count = 0;
    while (fleet_blocks_due(blocks, &cursor, &due))
        count++;
    return count;
}

static bool is_blocked(const struct fleet_blocks *blocks, const char *text)
{
    const struct fleet_word *word = fleet_blocks_find(blocks, text);
    return word != NULL && word->op == FLEET_BLOCK;
}

static void put(struct fleet_blocks *blocks, const struct spoken *spoken)
{
    assert_int_equal(ERR_OK, fleet_blocks_put(blocks, &spoken->word));
}

static void a_word_of_the_store_is_taken_once(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_TAKEN, meet(blocks, say("client:a", FLEET_BLOCK, 5, A)));
    assert_int_equal(0, fleet_blocks_end(blocks, NOW));
    assert_true(is_blocked(blocks, "client:a"));
    assert_int_equal(6, fleet_blocks_next(blocks, 0));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_SAME, meet(blocks, say("client:a", FLEET_BLOCK, 5, A)));
    assert_int_equal(0, fleet_blocks_end(blocks, NOW));
    assert_int_equal(0, count_due(blocks));
    fleet_blocks_destroy(blocks);
}

static void an_end_with_a_higher_version_unblocks_and_is_kept(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    put(blocks, say("client:a", FLEET_BLOCK, 5, A));
    assert_true(fleet_blocks_note_shared(blocks, "client:a", 5));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_TAKEN, meet(blocks, after(say("client:a", FLEET_UNBLOCK, 6, B), 5, A)));
    assert_false(is_blocked(blocks, "client:a"));
    assert_int_equal(1, fleet_blocks_count(blocks));
    assert_int_equal(0, fleet_blocks_block_count(blocks));
    fleet_blocks_destroy(blocks);
}

static void of_the_same_version_the_block_wins_in_any_order(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct fleet_blocks *blocks = make();
        const enum fleet_op first = order == 0 ? FLEET_BLOCK : FLEET_UNBLOCK;
        const enum fleet_op second = order == 0 ? FLEET_UNBLOCK : FLEET_BLOCK;
        put(blocks, say("client:a", first, 5, A));
        fleet_blocks_begin(blocks);
        (void)meet(blocks, say("client:a", second, 5, B));
        assert_true(is_blocked(blocks, "client:a"));
        fleet_blocks_destroy(blocks);
    }
}

static void what_was_made_while_the_store_was_away_is_due_and_has_not_vanished(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    put(blocks, say("client:mine", FLEET_BLOCK, 3, A));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_TAKEN, meet(blocks, say("client:theirs", FLEET_BLOCK, 3, B)));
    assert_int_equal(0, fleet_blocks_end(blocks, NOW));
    assert_int_equal(1, count_due(blocks));
    assert_true(fleet_blocks_note_shared(blocks, "client:mine", 3));
    assert_false(fleet_blocks_note_shared(blocks, "client:mine", 3));
    assert_false(fleet_blocks_note_shared(blocks, "client:mine", 4));
    assert_int_equal(0, count_due(blocks));
    assert_int_equal(2, fleet_blocks_block_count(blocks));
    fleet_blocks_destroy(blocks);
}

static void what_is_due_stays_due_while_a_comparison_does_not_come_to_its_end(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    put(blocks, say("client:mine", FLEET_BLOCK, 3, A));
    for (int i = 0; i < 2; i++) {
        fleet_blocks_begin(blocks);
        assert_int_equal(FLEET_TAKEN - i, meet(blocks, say("client:theirs", FLEET_BLOCK, 3, B)));
        assert_int_equal(1, count_due(blocks));
    }
    // The store has it now, where the comparison has been already.
    assert_true(fleet_blocks_note_shared(blocks, "client:mine", 3));
    assert_int_equal(0, count_due(blocks));
    put(blocks, say("client:late", FLEET_BLOCK, 4, A));
    assert_int_equal(0, fleet_blocks_end(blocks, NOW));
    assert_int_equal(1, count_due(blocks));
    fleet_blocks_destroy(blocks);
}

static void what_a_store_has_had_is_due_when_a_comparison_has_missed_it(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    struct spoken *kept = say("client:kept", FLEET_BLOCK, 3, A);
    kept->word.is_shared = true;
    put(blocks, kept);
    assert_int_equal(0, count_due(blocks));
    fleet_blocks_begin(blocks);
    assert_int_equal(0, count_due(blocks));
    assert_int_equal(1, fleet_blocks_end(blocks, NOW));
    assert_int_equal(1, count_due(blocks));
    fleet_blocks_destroy(blocks);
}

static void what_vanished_is_named_kept_and_due(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    fleet_blocks_begin(blocks);
    (void)meet(blocks, say("client:a", FLEET_BLOCK, 5, A));
    (void)meet(blocks, say("client:b", FLEET_UNBLOCK, 6, A));
    (void)fleet_blocks_end(blocks, NOW);
    fleet_blocks_begin(blocks);
    assert_int_equal(2, fleet_blocks_end(blocks, NOW));
    assert_true(is_blocked(blocks, "client:a"));
    assert_int_equal(2, count_due(blocks));
    struct fleet_due due;
    size_t cursor = 0;
    while (fleet_blocks_due(blocks, &cursor, &due))
        assert_false(due.has_seal);
    fleet_blocks_destroy(blocks);
}

static void what_is_older_changes_nothing_and_is_due(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    fleet_blocks_begin(blocks);
    (void)meet(blocks, say("client:a", FLEET_BLOCK, 5, A));
    (void)fleet_blocks_end(blocks, NOW);
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_ROLLED_BACK, meet(blocks, say("client:a", FLEET_UNBLOCK, 4, A)));
    (void)fleet_blocks_end(blocks, NOW);
    assert_true(is_blocked(blocks, "client:a"));
    struct fleet_due due;
    size_t cursor = 0;
    assert_true(fleet_blocks_due(blocks, &cursor, &due));
    assert_int_equal(5, due.word->version);
    assert_true(due.has_seal);
    assert_memory_equal(seal, due.seal, sizeof seal);
    fleet_blocks_destroy(blocks);
}

static void a_store_that_is_behind_is_no_alarm(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    put(blocks, say("client:a", FLEET_BLOCK, 5, A));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_BEHIND, meet(blocks, say("client:a", FLEET_UNBLOCK, 4, B)));
    assert_true(is_blocked(blocks, "client:a"));
    fleet_blocks_destroy(blocks);
}

static void a_block_that_the_store_never_had_outdoes_an_end_of_any_version(void **state)
{
    (void)state;
    const uint64_t versions[] = {9, (uint64_t)NOW * 1000 + FLEET_VERSION_STEP};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct fleet_blocks *blocks = make();
        struct fleet_blocks *others = make();
        const struct spoken *end = say("client:a", FLEET_UNBLOCK, versions[i], B);
        put(others, end);
        put(blocks, say("client:a", FLEET_BLOCK, 6, A));
        fleet_blocks_begin(blocks);
        assert_int_equal(FLEET_BEHIND, meet(blocks, end));
        assert_int_equal(0, fleet_blocks_end(blocks, NOW));
        assert_true(is_blocked(blocks, "client:a"));
        struct fleet_due due;
        size_t cursor = 0;
        assert_true(fleet_blocks_due(blocks, &cursor, &due));
        assert_true(due.has_seal);
        const struct fleet_word word = *due.word;
        assert_in_range(word.version, versions[i], FLEET_VERSION_MAX);
        assert_true(fleet_blocks_next(blocks, 0) > word.version);
        char name[FLEET_NAME_CAP];
        fleet_blocks_name("client:a", name);
        fleet_blocks_begin(others);
        assert_int_equal(FLEET_TAKEN,
                         fleet_blocks_meet(others, slice_of_string(name), &word, seal, NOW));
        assert_true(is_blocked(others, "client:a"));
        fleet_blocks_destroy(others);
        fleet_blocks_destroy(blocks);
    }
}

static void a_block_is_ended_only_by_an_end_that_knew_of_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t version; // of the block, which A gave
        const char *after_by;
        uint64_t after;
        bool is_ended;
    } rows[] = {
        {6, A, 6, true},  {6, A, 8, true},  {6, B, 7, true},
        {6, B, 6, false}, {6, A, 5, false}, {6, "", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct spoken *block = say("client:a", FLEET_BLOCK, rows[i].version, A);
        const struct spoken *end =
            after(say("client:a", FLEET_UNBLOCK, 9, B), rows[i].after, rows[i].after_by);
        // The block is here, and the end in the store.
        struct fleet_blocks *blocks = make();
        put(blocks, block);
        assert_true(fleet_blocks_note_shared(blocks, "client:a", 6));
        fleet_blocks_begin(blocks);
        assert_int_equal(rows[i].is_ended ? FLEET_TAKEN : FLEET_BEHIND, meet(blocks, end));
        assert_int_equal(!rows[i].is_ended, is_blocked(blocks, "client:a"));
        assert_int_equal(rows[i].is_ended ? 9 : 10, fleet_blocks_find(blocks, "client:a")->version);
        assert_int_equal(!rows[i].is_ended, count_due(blocks));
        fleet_blocks_destroy(blocks);
        // The end is here, and the block in the store.
        blocks = make();
        put(blocks, end);
        fleet_blocks_begin(blocks);
        assert_int_equal(rows[i].is_ended ? FLEET_BEHIND : FLEET_TAKEN, meet(blocks, block));
        assert_int_equal(!rows[i].is_ended, is_blocked(blocks, "client:a"));
        assert_int_equal(rows[i].is_ended, count_due(blocks));
        fleet_blocks_destroy(blocks);
    }
}

static void whoever_ends_his_own_block_knew_of_it(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    put(blocks, say("client:a", FLEET_BLOCK, 6, A));
    put(blocks, say("client:a", FLEET_UNBLOCK, 7, A));
    fleet_blocks_begin(blocks);
    // The store has had it, which nobody here was told.
    assert_int_equal(FLEET_BEHIND, meet(blocks, say("client:a", FLEET_BLOCK, 6, A)));
    assert_false(is_blocked(blocks, "client:a"));
    fleet_blocks_destroy(blocks);
}

static void an_end_comes_after_the_word_of_the_store_that_it_ends(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_TAKEN, meet(blocks, say("client:a", FLEET_BLOCK, 6, B)));
    put(blocks, say("client:a", FLEET_BLOCK, 7, A)); // which no store has had
    put(blocks, say("client:a", FLEET_UNBLOCK, 8, A));
    const struct fleet_word *word = fleet_blocks_find(blocks, "client:a");
    assert_int_equal(6, word->after);
    assert_string_equal(B, word->after_by);
    fleet_blocks_localize(blocks);
    assert_int_equal(0, fleet_blocks_count(blocks));
    fleet_blocks_destroy(blocks);
}

static void of_two_blocks_that_do_not_know_of_each_other_the_second_becomes_newer(void **state)
{
    (void)state;
    const uint64_t versions[] = {5, 6, 7};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct fleet_blocks *blocks = make();
        put(blocks, say("client:a", FLEET_BLOCK, 6, A));
        fleet_blocks_begin(blocks);
        assert_int_equal(FLEET_BEHIND, meet(blocks, say("client:a", FLEET_BLOCK, versions[i], B)));
        const struct fleet_word *word = fleet_blocks_find(blocks, "client:a");
        assert_string_equal(A, word->by);
        assert_true(word->version > 6 && word->version > versions[i]);
        assert_int_equal(1, count_due(blocks));
        fleet_blocks_destroy(blocks);
    }
}

static void what_does_not_open_changes_nothing(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    const struct spoken *known = say("client:a", FLEET_BLOCK, 5, A);
    const struct spoken *unknown = say("client:b", FLEET_BLOCK, 5, A);
    fleet_blocks_begin(blocks);
    (void)meet(blocks, known);
    (void)fleet_blocks_end(blocks, NOW);
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_FORGED,
                     fleet_blocks_meet(blocks, slice_of_string(known->name), NULL, seal, NOW));
    assert_int_equal(FLEET_FORGED,
                     fleet_blocks_meet(blocks, slice_of_string(unknown->name), NULL, seal, NOW));
    assert_int_equal(0, fleet_blocks_end(blocks, NOW));
    assert_true(is_blocked(blocks, "client:a"));
    assert_int_equal(1, fleet_blocks_count(blocks));
    assert_int_equal(1, count_due(blocks));
    fleet_blocks_destroy(blocks);
}

static void a_word_under_another_name_or_with_an_impossible_version_is_forged(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    const struct spoken *other = say("client:b", FLEET_BLOCK, 5, A);
    struct spoken *word = say("client:a", FLEET_BLOCK, 5, A);
    char upper[FLEET_NAME_CAP];
    const char *const names[] = {other->name, "", "abc", "client:a", upper};
    (void)string_copy(upper, sizeof upper, slice_of_string(word->name));
    for (size_t i = 0; upper[i] != '\0'; i++)
        upper[i] = upper[i] >= 'a' ? (char)(upper[i] - 32) : upper[i];
    fleet_blocks_begin(blocks);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(FLEET_FORGED, fleet_blocks_meet(blocks, slice_of_string(names[i]),
                                                         &word->word, seal, NOW));
    word->word.version = 0;
    assert_int_equal(FLEET_FORGED, meet(blocks, word));
    word->word.version = FLEET_VERSION_MAX + 1;
    assert_int_equal(FLEET_FORGED, meet(blocks, word));
    assert_int_equal(0, fleet_blocks_count(blocks));
    assert_int_equal(1, fleet_blocks_next(blocks, 0));
    fleet_blocks_destroy(blocks);
}

// version_at gives the version that the time alone gives.
static uint64_t version_at(int64_t now_s)
{
    return (uint64_t)now_s * 1000;
}

static void an_end_by_a_clock_that_is_far_behind_is_taken(void **state)
{
    (void)state;
    const int64_t behind_s = NOW - FLEET_END_KEPT_S - 24 * 3600;
    struct fleet_blocks *author = make();
    struct fleet_blocks *reader = make();
    const struct spoken *block = say("client:a", FLEET_BLOCK, version_at(NOW), A);
    put(reader, block);
    assert_true(fleet_blocks_note_shared(reader, "client:a", version_at(NOW)));
    put(author, block);
    struct spoken *end = after(
        say("client:a", FLEET_UNBLOCK, fleet_blocks_next(author, behind_s), B), version_at(NOW), A);
    end->word.block.since_s = behind_s;
    fleet_blocks_begin(reader);
    assert_int_equal(FLEET_TAKEN, meet(reader, end));
    assert_int_equal(0, fleet_blocks_end(reader, NOW));
    assert_int_equal(0, fleet_blocks_expire(reader, NOW));
    assert_int_equal(0, count_due(reader));
    assert_false(is_blocked(reader, "client:a"));
    fleet_blocks_destroy(author);
    fleet_blocks_destroy(reader);
}

static void a_clock_that_is_far_ahead_makes_no_end_old(void **state)
{
    (void)state;
    const int64_t ahead_s = NOW + FLEET_END_KEPT_S + 24 * 3600;
    struct fleet_blocks *blocks = make();
    put(blocks, say("client:a", FLEET_BLOCK, version_at(NOW - 10), A));
    assert_true(fleet_blocks_note_shared(blocks, "client:a", version_at(NOW - 10)));
    const struct spoken *end =
        after(say("client:a", FLEET_UNBLOCK, version_at(NOW), B), version_at(NOW - 10), A);
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_TAKEN, fleet_blocks_meet(blocks, slice_of_string(end->name), &end->word,
                                                    seal, ahead_s));
    assert_int_equal(0, fleet_blocks_expire(blocks, ahead_s));
    assert_false(is_blocked(blocks, "client:a"));
    fleet_blocks_begin(blocks); // it is missing there, and not for its age
    assert_int_equal(1, fleet_blocks_end(blocks, ahead_s));
    assert_int_equal(1, count_due(blocks));
    fleet_blocks_destroy(blocks);
}

static void old_ends_go_and_are_not_taken_again(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    const uint64_t oldest = version_at(NOW - FLEET_END_KEPT_S);
    const struct spoken *old = say("client:a", FLEET_UNBLOCK, oldest - 1, A);
    put(blocks, old);
    put(blocks, say("client:b", FLEET_UNBLOCK, oldest, A));
    put(blocks, say("client:c", FLEET_BLOCK, version_at(NOW - 10 * FLEET_END_KEPT_S), A));
    assert_int_equal(0, fleet_blocks_expire(blocks, NOW)); // nothing newer was said
    put(blocks, say("client:d", FLEET_BLOCK, version_at(NOW), A));
    assert_int_equal(0, fleet_blocks_expire(blocks, NOW - 1));
    assert_int_equal(1, fleet_blocks_expire(blocks, NOW));
    assert_null(fleet_blocks_find(blocks, "client:a"));
    assert_true(is_blocked(blocks, "client:c"));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_OLD, meet(blocks, old));
    assert_int_equal(3, fleet_blocks_count(blocks));
    fleet_blocks_destroy(blocks);
}

static void an_end_that_nobody_keeps_lifts_nothing(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    const uint64_t old = version_at(NOW - FLEET_END_KEPT_S) - 1;
    put(blocks, say("client:a", FLEET_BLOCK, old - 3, A));
    put(blocks, say("client:b", FLEET_BLOCK, version_at(NOW), A));
    assert_true(fleet_blocks_note_shared(blocks, "client:a", old - 3));
    assert_true(fleet_blocks_note_shared(blocks, "client:b", version_at(NOW)));
    const struct spoken *end = after(say("client:a", FLEET_UNBLOCK, old, B), old - 1, B);
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_OLD, meet(blocks, end));
    assert_int_equal(FLEET_SAME, meet(blocks, say("client:b", FLEET_BLOCK, version_at(NOW), A)));
    assert_int_equal(0, fleet_blocks_end(blocks, NOW));
    assert_true(is_blocked(blocks, "client:a"));
    assert_int_equal(1, count_due(blocks));
    fleet_blocks_destroy(blocks);
}

static void one_who_has_forgotten_an_end_is_not_overruled_by_it(void **state)
{
    (void)state;
    const struct spoken *end = after(say("client:a", FLEET_UNBLOCK, 9, B), 8, B);
    for (int how = 0; how < 3; how++) {
        struct fleet_blocks *blocks = make();
        int64_t now_s = 0;
        put(blocks, end);
        if (how == 0) {
            fleet_blocks_localize(blocks);
            put(blocks, say("client:a", FLEET_BLOCK, 0, ""));
            fleet_blocks_version_all(blocks, A, now_s);
        } else if (how == 1) {
            fleet_blocks_note_newest(blocks, version_at(NOW));
            assert_int_equal(1, fleet_blocks_expire(blocks, NOW));
            put(blocks, say("client:a", FLEET_BLOCK, fleet_blocks_next(blocks, now_s), A));
        } else { // it has lost everything, and knows the time
            fleet_blocks_destroy(blocks);
            blocks = make();
            now_s = NOW;
            put(blocks, say("client:a", FLEET_BLOCK, fleet_blocks_next(blocks, now_s), A));
        }
        const uint64_t version = fleet_blocks_find(blocks, "client:a")->version;
        assert_true(fleet_blocks_note_shared(blocks, "client:a", version)); // the end was hidden
        fleet_blocks_begin(blocks);
        assert_int_equal(FLEET_ROLLED_BACK, meet(blocks, end));
        assert_true(is_blocked(blocks, "client:a"));
        fleet_blocks_destroy(blocks);
    }
}

static void a_version_that_nobody_has_counted_to_is_not_taken_and_none_goes_beyond(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    const uint64_t most = (uint64_t)NOW * 1000 + FLEET_VERSION_STEP;
    put(blocks, say("client:b", FLEET_BLOCK, 3, A));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_FORGED, meet(blocks, say("client:a", FLEET_BLOCK, most + 1, B)));
    assert_int_equal(FLEET_FORGED,
                     meet(blocks, say("client:b", FLEET_UNBLOCK, FLEET_VERSION_MAX, B)));
    assert_int_equal(0, fleet_blocks_end(blocks, NOW));
    assert_false(is_blocked(blocks, "client:a"));
    assert_true(is_blocked(blocks, "client:b"));
    assert_int_equal(0, count_due(blocks)); // its author would write it again at once
    assert_int_equal((uint64_t)NOW * 1000, fleet_blocks_next(blocks, NOW));
    assert_int_equal(FLEET_TAKEN, meet(blocks, say("client:c", FLEET_BLOCK, most, B)));
    put(blocks, say("client:d", FLEET_BLOCK, FLEET_VERSION_MAX, A));
    assert_int_equal(FLEET_VERSION_MAX, fleet_blocks_next(blocks, NOW));
    fleet_blocks_destroy(blocks);
}

static void what_was_newer_and_does_not_fit_is_not_written_over(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    char text[64];
    put(blocks, say("client:more", FLEET_UNBLOCK, 1, A));
    for (int i = 0; i < BLOCKS_MAX; i++) {
        (void)snprintf(text, sizeof text, "client:c%d", i);
        put(blocks, say(text, FLEET_BLOCK, 1, A));
        (void)fleet_blocks_note_shared(blocks, text, 1);
    }
    assert_true(fleet_blocks_note_shared(blocks, "client:more", 1));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_NO_ROOM, meet(blocks, say("client:more", FLEET_BLOCK, 2, B)));
    assert_int_equal(BLOCKS_MAX, fleet_blocks_end(blocks, NOW));
    assert_int_equal(BLOCKS_MAX, count_due(blocks));
    fleet_blocks_destroy(blocks);
}

static void beyond_the_most_the_oldest_ends_go_and_blocks_stay(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    char text[64];
    for (int i = 0; i < FLEET_ENDS_MAX + 5; i++) {
        (void)snprintf(text, sizeof text, "client:c%d", i);
        put(blocks, say(text, FLEET_UNBLOCK, (uint64_t)i + 1, A));
    }
    put(blocks, say("client:b", FLEET_BLOCK, 1, A));
    assert_int_equal(5, fleet_blocks_expire(blocks, NOW));
    assert_null(fleet_blocks_find(blocks, "client:c4"));
    assert_non_null(fleet_blocks_find(blocks, "client:c5"));
    assert_true(is_blocked(blocks, "client:b"));
    fleet_blocks_destroy(blocks);
}

static void of_ends_of_the_same_version_no_more_are_kept_than_fit(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    char text[64];
    for (int i = 0; i < FLEET_ENDS_MAX + 5; i++) {
        (void)snprintf(text, sizeof text, "client:c%d", i);
        put(blocks, say(text, FLEET_UNBLOCK, i < 100 ? 2 : 1, A));
    }
    assert_int_equal(5, fleet_blocks_expire(blocks, NOW));
    assert_int_equal(FLEET_ENDS_MAX, fleet_blocks_count(blocks));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof text, "client:c%d", i);
        assert_non_null(fleet_blocks_find(blocks, text));
    }
    fleet_blocks_destroy(blocks);
}

static void one_block_more_than_fits_is_refused_and_ours_stay(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    char text[64];
    for (int i = 0; i < BLOCKS_MAX; i++) {
        (void)snprintf(text, sizeof text, "client:c%d", i);
        put(blocks, say(text, FLEET_BLOCK, 1, A));
    }
    struct spoken *more = say("client:more", FLEET_BLOCK, 2, A);
    assert_int_equal(ERR_LIMIT, fleet_blocks_put(blocks, &more->word));
    fleet_blocks_begin(blocks);
    assert_int_equal(FLEET_NO_ROOM, meet(blocks, more));
    assert_int_equal(BLOCKS_MAX, fleet_blocks_block_count(blocks));
    put(blocks, say("client:c0", FLEET_UNBLOCK, 2, A));
    assert_int_equal(FLEET_TAKEN, meet(blocks, more));
    struct blocklist *list = NULL;
    assert_int_equal(ERR_OK, fleet_blocks_list(blocks, &list));
    assert_int_equal(BLOCKS_MAX, blocklist_count(list));
    blocklist_unref(list);
    fleet_blocks_destroy(blocks);
}

static void words_without_a_version_get_one_before_they_are_shared(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    put(blocks, say("client:a", FLEET_BLOCK, 0, ""));
    assert_int_equal(0, count_due(blocks));
    fleet_blocks_version_all(blocks, A, 0);
    assert_int_equal(1, count_due(blocks));
    assert_int_equal(1, fleet_blocks_find(blocks, "client:a")->version);
    assert_string_equal(A, fleet_blocks_find(blocks, "client:a")->by);
    assert_int_equal(2, fleet_blocks_next(blocks, 0));
    fleet_blocks_destroy(blocks);
}

static void without_a_store_blocks_stay_and_ends_go(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    struct fleet_word word = say("client:a", FLEET_BLOCK, 5, A)->word;
    word.is_shared = true;
    assert_int_equal(ERR_OK, fleet_blocks_put(blocks, &word));
    put(blocks, say("client:b", FLEET_UNBLOCK, 6, A));
    fleet_blocks_localize(blocks);
    assert_int_equal(1, fleet_blocks_count(blocks));
    assert_true(is_blocked(blocks, "client:a"));
    assert_int_equal(0, fleet_blocks_find(blocks, "client:a")->version);
    assert_false(fleet_blocks_find(blocks, "client:a")->is_shared);
    assert_int_equal(7,
                     fleet_blocks_next(blocks, 0)); // a later word is newer than what is forgotten
    fleet_blocks_destroy(blocks);
}

// shelf is a store of some words.
struct shelf {
    struct spoken words[8];
    size_t count;
};

static struct spoken *find_on(struct shelf *shelf, const char *name)
{
    for (size_t i = 0; i < shelf->count; i++) {
        if (strcmp(shelf->words[i].name, name) == 0)
            return &shelf->words[i];
    }
    return &shelf->words[shelf->count++];
}

// visit lets a set meet the words on a shelf, and puts there what is due.
static void visit(struct fleet_blocks *blocks, struct shelf *shelf)
{
    struct fleet_due due;
    size_t cursor = 0;
    fleet_blocks_begin(blocks);
    for (size_t i = 0; i < shelf->count; i++)
        (void)meet(blocks, &shelf->words[i]);
    (void)fleet_blocks_end(blocks, NOW);
    while (fleet_blocks_due(blocks, &cursor, &due)) {
        struct spoken *spoken = find_on(shelf, due.name);
        spoken->word = *due.word;
        (void)string_copy(spoken->name, sizeof spoken->name, slice_of_string(due.name));
        (void)string_copy(spoken->text, sizeof spoken->text, slice_of_string(due.word->block.text));
        spoken->word.block.text = spoken->text;
        (void)fleet_blocks_note_shared(blocks, due.word->block.text, due.word->version);
    }
}

static void sets_that_met_each_other_are_equal_whatever_the_order(void **state)
{
    (void)state;
    unsigned seed = 4711;
    for (int round = 0; round < 200; round++) {
        struct fleet_blocks *sets[3] = {make(), make(), make()};
        for (int i = 0; i < 12; i++) {
            char text[32];
            struct fleet_blocks *set = sets[rand_r(&seed) % 3];
            (void)snprintf(text, sizeof text, "client:c%d", rand_r(&seed) % 4);
            const uint64_t version = rand_r(&seed) % 2 == 0 ? fleet_blocks_next(set, 0) : 3;
            struct spoken *word = say(text, rand_r(&seed) % 2 == 0 ? FLEET_BLOCK : FLEET_UNBLOCK,
                                      version, rand_r(&seed) % 2 == 0 ? A : B);
            word->word.block.uid = (uint32_t)(rand_r(&seed) % 2);
            put(set, word);
        }
        struct shelf shelf = {0};
        for (int i = 0; i < 6; i++)
            visit(sets[(i + round) % 3], &shelf);
        for (int i = 1; i < 3; i++) {
            assert_int_equal(fleet_blocks_count(sets[0]), fleet_blocks_count(sets[i]));
            for (size_t w = 0; w < fleet_blocks_count(sets[0]); w++) {
                const struct fleet_word *one = fleet_blocks_at(sets[0], w);
                const struct fleet_word *other = fleet_blocks_at(sets[i], w);
                assert_string_equal(one->block.text, other->block.text);
                assert_int_equal(one->version, other->version);
                assert_int_equal(one->op, other->op);
                assert_string_equal(one->by, other->by);
                assert_int_equal(one->block.uid, other->block.uid);
            }
        }
        for (int i = 0; i < 3; i++)
            fleet_blocks_destroy(sets[i]);
    }
}

static void a_word_of_a_proxy_that_shares_nothing_comes_after_nothing(void **state)
{
    (void)state;
    struct fleet_blocks *blocks = make();
    assert_int_equal(FLEET_TAKEN, meet(blocks, say("client:x", FLEET_UNBLOCK, 7, B)));
    assert_int_equal(ERR_OK, fleet_blocks_put(blocks, &say("client:x", FLEET_BLOCK, 0, "")->word));
    const struct fleet_word *word = fleet_blocks_find(blocks, "client:x");
    assert_non_null(word);
    assert_int_equal(0, word->after); // or the file of state could not be read again
    assert_string_equal("", word->after_by);
    fleet_blocks_destroy(blocks);
}

static void a_clock_that_is_too_far_ahead_makes_no_word_that_others_do_not_take(void **state)
{
    (void)state;
    const int64_t ahead_s = (int64_t)71 * 365 * 24 * 3600;
    struct fleet_blocks *blocks = make();
    struct fleet_blocks *others = make();
    const uint64_t newest = (uint64_t)NOW * 1000;
    fleet_blocks_note_newest(blocks, newest);
    assert_int_equal(newest + 1, fleet_blocks_next(blocks, NOW + ahead_s));
    assert_int_equal(newest + 60000, fleet_blocks_next(blocks, NOW + 60));
    const uint64_t version = fleet_blocks_next(blocks, NOW + ahead_s);
    assert_int_equal(FLEET_TAKEN, meet(others, say("client:x", FLEET_BLOCK, version, B)));
    fleet_blocks_destroy(blocks);
    fleet_blocks_destroy(others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_is_too_far_ahead_makes_no_word_that_others_do_not_take),
        cmocka_unit_test(a_word_of_a_proxy_that_shares_nothing_comes_after_nothing),
        cmocka_unit_test(a_word_of_the_store_is_taken_once),
        cmocka_unit_test(an_end_with_a_higher_version_unblocks_and_is_kept),
        cmocka_unit_test(of_the_same_version_the_block_wins_in_any_order),
        cmocka_unit_test(what_was_made_while_the_store_was_away_is_due_and_has_not_vanished),
        cmocka_unit_test(what_is_due_stays_due_while_a_comparison_does_not_come_to_its_end),
        cmocka_unit_test(what_a_store_has_had_is_due_when_a_comparison_has_missed_it),
        cmocka_unit_test(what_vanished_is_named_kept_and_due),
        cmocka_unit_test(what_is_older_changes_nothing_and_is_due),
        cmocka_unit_test(a_store_that_is_behind_is_no_alarm),
        cmocka_unit_test(a_block_that_the_store_never_had_outdoes_an_end_of_any_version),
        cmocka_unit_test(a_block_is_ended_only_by_an_end_that_knew_of_it),
        cmocka_unit_test(whoever_ends_his_own_block_knew_of_it),
        cmocka_unit_test(an_end_comes_after_the_word_of_the_store_that_it_ends),
        cmocka_unit_test(of_two_blocks_that_do_not_know_of_each_other_the_second_becomes_newer),
        cmocka_unit_test(what_does_not_open_changes_nothing),
        cmocka_unit_test(a_word_under_another_name_or_with_an_impossible_version_is_forged),
        cmocka_unit_test(an_end_by_a_clock_that_is_far_behind_is_taken),
        cmocka_unit_test(a_clock_that_is_far_ahead_makes_no_end_old),
        cmocka_unit_test(old_ends_go_and_are_not_taken_again),
        cmocka_unit_test(an_end_that_nobody_keeps_lifts_nothing),
        cmocka_unit_test(one_who_has_forgotten_an_end_is_not_overruled_by_it),
        cmocka_unit_test(a_version_that_nobody_has_counted_to_is_not_taken_and_none_goes_beyond),
        cmocka_unit_test(what_was_newer_and_does_not_fit_is_not_written_over),
        cmocka_unit_test(beyond_the_most_the_oldest_ends_go_and_blocks_stay),
        cmocka_unit_test(of_ends_of_the_same_version_no_more_are_kept_than_fit),
        cmocka_unit_test(one_block_more_than_fits_is_refused_and_ours_stay),
        cmocka_unit_test(words_without_a_version_get_one_before_they_are_shared),
        cmocka_unit_test(without_a_store_blocks_stay_and_ends_go),
        cmocka_unit_test(sets_that_met_each_other_are_equal_whatever_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
