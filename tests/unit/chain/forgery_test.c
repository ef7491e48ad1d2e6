// What somebody writes who can write the log but has no key: chains of lines that hold together and that nobody has
// signed, empty lines, and more instances than there can be.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/chain/log_maker.h"

enum { FORGED = 3 }; // lines of a forged instance

// forger writes lines and has them checked at once.
struct forger {
    struct note_signer signer;
    struct sealer real;
    struct chain_check *check;
    const char *path;
    size_t number;
    size_t line_count; // of the close records, for their ids
    bool is_cut;       // what is written is not in the log
    size_t faults;
    struct chain_finding last; // fault; without its text
    char text[512];
};

static void on_finding(void *arg, const struct chain_finding *finding)
{
    struct forger *forger = arg;
    if (finding->kind == CHAIN_NOTE)
        return;
    forger->faults++;
    forger->last = *finding;
    (void)string_copy(forger->text, sizeof forger->text, slice_of_string(finding->text));
}

static struct forger *begin_rotated(bool is_rotated)
{
    static const uint8_t seed[NOTE_SEED_LEN] = {1, 2, 3};
    struct forger *forger = calloc(1, sizeof *forger);
    assert_non_null(forger);
    assert_true(note_signer_init(SLICE_LITERAL("sallyport/test"), seed, &forger->signer));
    const struct chain_check_options options = {.keys = &forger->signer.verifier,
                                                .key_count = 1,
                                                .may_lack_head = is_rotated,
                                                .on_finding = on_finding,
                                                .arg = forger};
    forger->check = chain_check_create(&options);
    assert_non_null(forger->check);
    forger->path = "audit.jsonl";
    return forger;
}

static struct forger *begin(void)
{
    return begin_rotated(false);
}

static void destroy(struct forger *forger)
{
    chain_check_destroy(forger->check);
    sealer_deinit(&forger->real);
    free(forger);
}

static void on_line(void *arg, const struct log_line *line)
{
    assert_true(chain_check_line(arg, line));
}

static void write_line(struct forger *forger, struct slice line)
{
    if (!forger->is_cut)
        log_line_read(forger->path, ++forger->number, line, on_line, forger->check);
}

// write_record writes a record with this seal and gives the hash of its line.
static struct merkle_hash write_record(struct forger *forger, const struct seal *seal)
{
    char data[1024];
    struct text text;
    text_init(&text, data, sizeof data);
    text_append_format(&text,
                       "{\"v\":1,\"ts\":\"2026-11-29T10:00:00.000Z\",\"event\":\"close\","
                       "\"id\":\"%016zx\"",
                       forger->line_count++);
    seal_append(seal, &text);
    const struct slice line = slice_first(text_slice(&text), text.len - 1);
    write_line(forger, line);
    return merkle_hash_of(line);
}

// start begins an instance that has the key, after what the last one wrote.
static void start_after(struct forger *forger, struct seal_link after)
{
    struct chain_settings *chain =
        chain_settings_create(checkpoint_signer_create(&forger->signer), 1000);
    assert_non_null(chain);
    sealer_begin(&forger->real, after, chain, 0);
}

static void start(struct forger *forger)
{
    struct seal_link after = {.kind = SEAL_LINK_NONE};
    if (forger->real.seq > 0)
        after = sealer_link(&forger->real, after);
    sealer_deinit(&forger->real);
    start_after(forger, after);
}

// swap goes on with the other instance that runs beside this one.
static void swap(struct forger *forger, struct sealer *other)
{
    const struct sealer now = forger->real;
    forger->real = *other;
    *other = now;
}

static void write_sealed(struct forger *forger, struct slice body)
{
    char data[4096];
    struct text text;
    struct seal_text end;
    sealer_seal(&forger->real, body, &end);
    text_init(&text, data, sizeof data);
    text_append(&text, body);
    text_append(&text, slice_of(end.data, end.len - 1));
    assert_false(text.is_cut);
    write_line(forger, text_slice(&text));
}

static void write_real(struct forger *forger, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char data[256];
        struct text text;
        text_init(&text, data, sizeof data);
        text_append_format(&text,
                           "{\"v\":1,\"ts\":\"2026-11-29T10:00:00.000Z\",\"event\":\"close\","
                           "\"id\":\"%016zx\"",
                           forger->line_count++);
        write_sealed(forger, text_slice(&text));
    }
}

static void sign(struct forger *forger, bool is_end)
{
    struct audit_record *record = sealer_checkpoint(&forger->real, 1000, 0, is_end);
    assert_non_null(record);
    write_sealed(forger, slice_of(record->data, record->len - 2));
    audit_record_destroy(record);
}

// forge writes an instance that nobody has signed, and gives the link to its last line.
static struct seal_link forge(struct forger *forger, uint32_t id, const struct seal_link *after)
{
    struct seal seal = {.instance = id, .is_chained = true, .after = *after};
    for (seal.seq = 0; seal.seq < FORGED; seal.seq++)
        seal.prev = write_record(forger, &seal);
    return (struct seal_link){
        .kind = SEAL_LINK_RECORD, .instance = id, .seq = FORGED - 1, .hash = seal.prev};
}

// expect_added finishes, and wants the forged lines at `number` to be named.
static void expect_added(struct forger *forger, size_t number)
{
    chain_check_finish(forger->check);
    if (forger->faults == 0)
        fail_msg("nothing was found");
    assert_int_equal(forger->last.place.number, number);
    assert_non_null(strstr(forger->text, "may have been added"));
    destroy(forger);
}

static const struct seal_link none = {.kind = SEAL_LINK_NONE};

static void forged_instances_that_name_each_other_are_found(void **state)
{
    (void)state;
    const struct seal_link later = {.kind = SEAL_LINK_RECORD, .instance = 0xb, .seq = 0};
    struct forger *forger = begin();
    start(forger);
    write_real(forger, 4);
    sign(forger, true);
    const struct seal_link link = forge(forger, 0xa, &later);
    (void)forge(forger, 0xb, &link);
    start(forger);
    write_real(forger, 4);
    sign(forger, true);
    expect_added(forger, 5 + FORGED + 1);
}

static void a_forged_instance_that_a_forged_one_at_the_end_has_found_is_found(void **state)
{
    (void)state;
    struct forger *forger = begin();
    start(forger);
    write_real(forger, 4);
    sign(forger, true);
    const struct seal_link link = forge(forger, 0xa, &none);
    start(forger);
    write_real(forger, 4);
    sign(forger, true);
    (void)forge(forger, 0xb, &link);
    expect_added(forger, 6);
}

static void a_forged_instance_among_the_lines_of_the_last_one_is_found(void **state)
{
    (void)state;
    struct forger *forger = begin();
    start(forger);
    write_real(forger, 4);
    (void)forge(forger, 0xa, &none);
    for (size_t i = 0; i < 20; i++) {
        write_real(forger, 2);
        sign(forger, i == 19);
    }
    expect_added(forger, 5);
}

static void forged_lines_that_go_on_with_an_instance_that_was_killed_are_found(void **state)
{
    (void)state;
    struct forger *forger = begin();
    start(forger);
    write_real(forger, 4);
    sign(forger, false);
    struct seal seal = {.instance = forger->real.instance,
                        .seq = forger->real.seq,
                        .is_chained = true,
                        .prev = forger->real.last};
    start(forger);
    write_real(forger, 2);
    (void)write_record(forger, &seal);
    for (size_t i = 0; i < 20; i++) {
        write_real(forger, 2);
        sign(forger, i == 19);
    }
    expect_added(forger, 8);
}

static void two_processes_that_write_at_once_and_have_not_signed_yet_are_no_fault(void **state)
{
    (void)state;
    struct forger *forger = begin();
    start(forger);
    write_real(forger, 4);
    (void)forge(forger, 0xa, &none); // as one does that was started a moment ago
    for (size_t i = 0; i < 3; i++) {
        write_real(forger, 2);
        sign(forger, false);
    }
    chain_check_finish(forger->check);
    assert_int_equal(forger->faults, 0);
    destroy(forger);
}

static void a_log_without_a_good_checkpoint_proves_nothing_and_that_is_a_fault(void **state)
{
    (void)state;
    struct forger *forger = begin();
    const struct seal_link link = forge(forger, 0xa, &none);
    (void)forge(forger, 0xb, &link);
    chain_check_finish(forger->check);
    assert_int_equal(forger->faults, 1);
    assert_non_null(strstr(forger->text, "nothing is proved"));
    destroy(forger);
    forger = begin(); // nor does an empty one
    chain_check_finish(forger->check);
    assert_int_equal(forger->faults, 1);
    destroy(forger);
}

static void an_empty_line_is_found(void **state)
{
    (void)state;
    struct forger *forger = begin();
    start(forger);
    write_real(forger, 2);
    write_line(forger, (struct slice){0});
    write_real(forger, 2);
    sign(forger, true);
    chain_check_finish(forger->check);
    assert_int_equal(forger->faults, 1);
    assert_int_equal(forger->last.place.number, 3);
    assert_non_null(strstr(forger->text, "empty"));
    destroy(forger);
}

static void lines_that_end_with_cr_lf_are_said_to(void **state)
{
    (void)state;
    struct forger *forger = begin();
    write_line(forger, SLICE_LITERAL("{\"v\":1,\"event\":\"x\"}\r"));
    assert_int_equal(forger->faults, 1);
    assert_non_null(strstr(forger->text, "CR LF"));
    write_line(forger, SLICE_LITERAL("{\"v\":1,\"event\":\"y\"}\r"));
    assert_int_equal(forger->faults, 1);
    destroy(forger);
}

static void more_instances_than_can_be_are_a_fault_and_cost_no_more(void **state)
{
    (void)state;
    struct forger *forger = begin();
    for (uint32_t id = 0; id <= 16384; id++) {
        const struct seal seal = {.instance = id, .is_chained = true};
        (void)write_record(forger, &seal);
    }
    assert_int_equal(forger->faults, 1);
    assert_int_equal(forger->last.place.number, 16385);
    chain_check_finish(forger->check);
    assert_int_equal(chain_check_sum(forger->check).instances, 16384);
    destroy(forger);
}

static void lines_without_a_chain_are_not_covered_by_the_instance_that_found_them(void **state)
{
    (void)state;
    struct forger *forger = begin();
    struct seal seal = {.instance = 0xa};
    struct seal_link link = {.kind = SEAL_LINK_RECORD, .instance = 0xa, .seq = 2};
    for (seal.seq = 0; seal.seq < 3; seal.seq++)
        link.hash = write_record(forger, &seal);
    start(forger);
    forger->real.after = link;
    write_real(forger, 2);
    sign(forger, true);
    chain_check_finish(forger->check);
    assert_int_equal(forger->faults, 1);
    assert_non_null(strstr(forger->text, "not chained"));
    assert_int_equal(chain_check_sum(forger->check).uncovered, 3);
    destroy(forger);
}

// The file that is the oldest one at hand may begin in the middle of a process, and of no other one.
static void
the_beginning_of_a_process_is_missed_though_it_ran_beside_one_that_lacks_its_own(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 3; cut++) {
        struct forger *forger = begin_rotated(true);
        struct sealer other = {0};
        forger->is_cut = true; // in an older file
        start(forger);
        write_real(forger, 2);
        forger->is_cut = false;
        write_real(forger, 2);
        sign(forger, false);
        const struct seal_link found =
            sealer_link(&forger->real, (struct seal_link){.kind = SEAL_LINK_NONE});
        swap(forger, &other);
        start_after(forger, found);
        forger->is_cut = true;
        write_real(forger, cut);
        forger->is_cut = false;
        write_real(forger, 4 - cut);
        swap(forger, &other);
        write_real(forger, 2);
        sign(forger, true);
        swap(forger, &other);
        sign(forger, true);
        chain_check_finish(forger->check);
        assert_int_equal(forger->faults, cut > 0);
        if (cut > 0) {
            assert_int_equal(forger->last.kind, CHAIN_REMOVED);
            assert_int_equal(forger->last.place.number, 4);
        }
        sealer_deinit(&other);
        destroy(forger);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forged_instances_that_name_each_other_are_found),
        cmocka_unit_test(a_forged_instance_that_a_forged_one_at_the_end_has_found_is_found),
        cmocka_unit_test(a_forged_instance_among_the_lines_of_the_last_one_is_found),
        cmocka_unit_test(forged_lines_that_go_on_with_an_instance_that_was_killed_are_found),
        cmocka_unit_test(two_processes_that_write_at_once_and_have_not_signed_yet_are_no_fault),
        cmocka_unit_test(a_log_without_a_good_checkpoint_proves_nothing_and_that_is_a_fault),
        cmocka_unit_test(lines_without_a_chain_are_not_covered_by_the_instance_that_found_them),
        cmocka_unit_test(
            the_beginning_of_a_process_is_missed_though_it_ran_beside_one_that_lacks_its_own),
        cmocka_unit_test(an_empty_line_is_found),
        cmocka_unit_test(lines_that_end_with_cr_lf_are_said_to),
        cmocka_unit_test(more_instances_than_can_be_are_a_fault_and_cost_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
