// A chained log of two instances in three files, and what a person with write access does to it: a thousand random edits
// of each kind that the page names. Every one is found, and said to be where it is.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/chain/log_maker.h"
#include "tests/unit/proxy/random.h"

enum { EDITS = 1000, FOUND_MAX = 4096, NEAR = 2 };

struct found {
    size_t faults;
    size_t notes;
    struct {
        const char *path;
        size_t number;
        enum chain_finding_kind kind;
    } places[FOUND_MAX];
    char text[512]; // of the last one
};

static void on_finding(void *arg, const struct chain_finding *finding)
{
    struct found *found = arg;
    if (finding->kind == CHAIN_NOTE) {
        found->notes++;
        return;
    }
    if (getenv("SHOW_FINDINGS") != NULL)
        (void)printf("%s:%zu: %s\n", finding->place.path, finding->place.number, finding->text);
    if (found->faults < FOUND_MAX) {
        found->places[found->faults].path = finding->place.path;
        found->places[found->faults].number = finding->place.number;
        found->places[found->faults].kind = finding->kind;
    }
    found->faults++;
    (void)string_copy(found->text, sizeof found->text, slice_of_string(finding->text));
}

// look checks the log, with the checkpoint `kept` that is somewhere else, or NULL.
static void look(const struct made_log *log, const struct checkpoint *kept, struct found *found)
{
    const struct chain_check_options options = {
        .keys = &log->signer.verifier, .key_count = 1, .on_finding = on_finding, .arg = found};
    struct chain_check *check = chain_check_create(&options);
    assert_non_null(check);
    *found = (struct found){0};
    if (kept != NULL)
        assert_true(chain_check_keep(check, kept));
    made_log_check(log, check);
    chain_check_destroy(check);
}

// make_log makes two instances in three files; the second one's last checkpoint is not its end.
static struct made_log *make_log(size_t size)
{
    struct made_log *log = made_log_begin();
    made_log_start(log, true);
    for (size_t i = 0; i < 3; i++) {
        made_log_add(log, 7 + i, size);
        made_log_sign(log, false);
        if (i == 1)
            made_log_rotate(log);
    }
    made_log_add(log, 4, size);
    made_log_sign(log, true);
    made_log_start(log, true);
    for (size_t i = 0; i < 4; i++) {
        made_log_add(log, 5 + i, size);
        made_log_sign(log, i == 3);
        if (i == 1)
            made_log_rotate(log);
    }
    return log;
}

static struct made_log *copy_of(const struct made_log *log)
{
    struct made_log *copy = malloc(sizeof *copy);
    assert_non_null(copy);
    *copy = *log;
    copy->sealer = (struct sealer){0};
    return copy;
}

// remove_lines takes lines away.
static void remove_lines(struct made_log *log, size_t at, size_t count)
{
    for (size_t i = at; i + count < log->count; i++)
        log->lines[i] = log->lines[i + count];
    log->count -= count;
}

// insert_line puts a line in front of another, in its file.
static void insert_line(struct made_log *log, size_t at, const struct made_line *line)
{
    const struct made_line copy = *line;
    const size_t file = log->lines[at < log->count ? at : log->count - 1].file;
    assert_true(log->count < MAKER_LINES);
    for (size_t i = log->count; i > at; i--)
        log->lines[i] = log->lines[i - 1];
    log->lines[at] = copy;
    log->lines[at].file = file;
    log->count++;
}

// number_of gives the number of a line in its file.
static size_t number_of(const struct made_log *log, size_t index)
{
    size_t number = 1;
    for (; index > 0 && log->lines[index - 1].file == log->lines[index].file; index--)
        number++;
    return number;
}

// is_located tells whether a fault was said to be near a line of the edited log.
static bool is_located(const struct made_log *log, size_t index, const struct found *found)
{
    if (index >= log->count)
        index = log->count - 1;
    for (size_t i = 0; i < found->faults && i < FOUND_MAX; i++) {
        for (size_t j = index < NEAR ? 0 : index - NEAR; j <= index + NEAR && j < log->count; j++) {
            if (found->places[i].path == made_path(log->lines[j].file) &&
                found->places[i].number == number_of(log, j))
                return true;
        }
    }
    return false;
}

static void a_log_that_nobody_has_touched_has_no_fault(void **state)
{
    (void)state;
    struct found found;
    struct made_log *log = make_log(200);
    look(log, &log->last, &found);
    assert_int_equal(found.faults, 0);
    assert_int_equal(found.notes, 0);
    log->count--; // without its end it says so, and is no fault
    look(log, NULL, &found);
    assert_int_equal(found.faults, 0);
    assert_true(found.notes > 0);
    made_log_destroy(log);
}

enum edit {
    EDIT_DROP,
    EDIT_DROP_SOME,
    EDIT_SWAP,
    EDIT_MOVE,
    EDIT_CHANGE,
    EDIT_COPY,
    EDIT_FORGE,
    EDIT_HEAD,
    EDIT_TAIL,
    EDIT_SPLICE,
    EDITS_OF_A_KIND,
};

// change alters one byte of a line to another one that may stand there.
static void change(struct made_line *line, struct random *random)
{
    char *byte = &line->text[random_below(random, line->len)];
    const char before = *byte;
    while (*byte == before)
        *byte = (char)(' ' + random_below(random, 95));
}

// edit does one edit and gives the index of the line where it is; `*out_kept` is the checkpoint that a witness has.
static size_t edit(struct made_log *log, const struct made_log *other, enum edit kind,
                   struct random *random, const struct checkpoint **out_kept, size_t *out_end)
{
    const size_t at = random_below(random, log->count - 4) + 1;
    const size_t to = random_below(random, log->count - 1);
    *out_kept = NULL;
    *out_end = at;
    switch (kind) {
    case EDIT_DROP:
        remove_lines(log, at, 1);
        return at;
    case EDIT_DROP_SOME:
        remove_lines(log, at, 1 + random_below(random, log->count - at - 1));
        *out_kept = &log->last;
        return at;
    case EDIT_SWAP: {
        const struct made_line line = log->lines[at];
        const size_t with = at + 1 + random_below(random, log->count - at - 1);
        const size_t files[] = {log->lines[at].file, log->lines[with].file};
        log->lines[at] = log->lines[with];
        log->lines[with] = line;
        log->lines[at].file = files[0];
        log->lines[with].file = files[1];
        *out_end = with;
        return at;
    }
    case EDIT_MOVE: {
        const struct made_line line = log->lines[at];
        remove_lines(log, at, 1);
        insert_line(log, to == at ? to + 1 : to, &line);
        return to == at ? to + 1 : to;
    }
    case EDIT_CHANGE:
        change(&log->lines[at], random);
        return at;
    case EDIT_COPY: {
        const struct made_line line = log->lines[at];
        insert_line(log, to, &line);
        return to;
    }
    case EDIT_FORGE: {
        struct made_line line = log->lines[at];
        change(&line, random);
        insert_line(log, at, &line);
        return at;
    }
    case EDIT_HEAD:
        remove_lines(log, 0, at);
        return 0;
    case EDIT_TAIL: {
        *out_kept = &log->last;
        log->count = at + 1;
        return at;
    }
    case EDIT_SPLICE:
        for (size_t i = at; i < log->count; i++)
            log->lines[i] = other->lines[i];
        return at;
    case EDITS_OF_A_KIND:
        break;
    }
    return 0;
}

static void each_random_edit_is_found_and_located(void **state)
{
    (void)state;
    static const char *const names[] = {"drop", "drop some", "swap", "move", "change",
                                        "copy", "forge",     "head", "tail", "splice"};
    struct random random = {.state = 0x5a11};
    struct made_log *log = make_log(200);
    struct made_log *other = make_log(200);
    static struct found found;
    for (size_t i = 0; i < EDITS; i++) {
        const enum edit kind = (enum edit)(i % EDITS_OF_A_KIND);
        const struct checkpoint *kept = NULL;
        size_t end = 0; // the other end of a swap, or where a line was moved away
        struct made_log *edited = copy_of(log);
        const size_t where = edit(edited, other, kind, &random, &kept, &end);
        look(edited, kept, &found);
        if (found.faults == 0 ||
            !(is_located(edited, where, &found) || is_located(edited, end, &found)))
            fail_msg(
                "edit %zu (%s at line %zu of %zu): %zu faults, not located; the last: %s:%zu: %s",
                i, names[kind], where, edited->count, found.faults,
                found.faults == 0 ? "" : found.places[found.faults - 1].path,
                found.faults == 0 ? 0 : found.places[found.faults - 1].number, found.text);
        free(edited);
    }
    made_log_destroy(log);
    made_log_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_nobody_has_touched_has_no_fault),
        cmocka_unit_test(each_random_edit_is_found_and_located),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
