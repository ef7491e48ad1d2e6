// Records in the form of a close; the sealer's random instance is what the writer takes too.
#include "tests/unit/chain/log_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/chain/checkpoint.h"

struct made_log *made_log_begin(void)
{
    static const uint8_t seed[NOTE_SEED_LEN] = {1, 2, 3};
    struct made_log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    assert_true(note_signer_init(SLICE_LITERAL("sallyport/test"), seed, &log->signer));
    return log;
}

void made_log_destroy(struct made_log *log)
{
    sealer_deinit(&log->sealer);
    free(log);
}

// last_link names the last line of the present file.
static struct seal_link last_link(const struct made_log *log)
{
    struct seal seal;
    struct seal_link link = {.kind = SEAL_LINK_NONE};
    if (log->count == 0 || log->lines[log->count - 1].file != log->file)
        return link;
    const struct made_line *line = &log->lines[log->count - 1];
    const struct slice bytes = slice_of(line->text, line->len);
    link.hash = merkle_hash_of(bytes);
    link.kind = SEAL_LINK_LINE;
    if (seal_parse(bytes, &seal)) {
        link.kind = SEAL_LINK_RECORD;
        link.instance = seal.instance;
        link.seq = seal.seq;
    }
    return link;
}

void made_log_start(struct made_log *log, bool is_chained)
{
    struct chain_settings *chain =
        is_chained ? chain_settings_create(checkpoint_signer_create(&log->signer), 1000) : NULL;
    sealer_deinit(&log->sealer);
    sealer_begin(&log->sealer, last_link(log), chain, 0);
}

static void add_line(struct made_log *log, struct slice body)
{
    struct seal_text end;
    assert_true(log->count < MAKER_LINES);
    struct made_line *line = &log->lines[log->count++];
    sealer_seal(&log->sealer, body, &end);
    line->file = log->file;
    line->len = body.len + end.len - 1;
    assert_true(bytes_copy(line->text, sizeof line->text, body));
    assert_true(bytes_copy(line->text + body.len, sizeof line->text - body.len,
                           slice_of(end.data, end.len - 1)));
}

void made_log_add(struct made_log *log, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        char data[MAKER_LINE_CAP - SEAL_CAP];
        struct text text;
        text_init(&text, data, sizeof data);
        text_append_format(&text,
                           "{\"v\":1,\"ts\":\"2026-11-29T10:00:00.%03zuZ\",\"event\":\"close\","
                           "\"id\":\"%016zx\",\"pad\":\"",
                           log->count % 1000, log->count);
        while (text.len + 1 < size)
            text_append_string(&text, "x");
        text_append_string(&text, "\"");
        add_line(log, text_slice(&text));
    }
}

void made_log_sign(struct made_log *log, bool is_end)
{
    struct merkle tree;
    struct history_entry entry;
    struct errinfo info;
    struct audit_record *record = sealer_checkpoint(&log->sealer, 1000, 0, is_end);
    assert_non_null(record);
    add_line(log, slice_of(record->data, record->len - 2));
    audit_record_destroy(record);
    const struct made_line *line = &log->lines[log->count - 1];
    assert_int_equal(history_entry_read(slice_of(line->text, line->len), &entry, &info), ERR_OK);
    assert_int_equal(chain_checkpoint_open(&entry, &log->signer.verifier, 1, &log->last, &tree),
                     NOTE_GOOD);
    assert_int_equal(tree.size, log->last.size);
    history_entry_deinit(&entry);
}

void made_log_rotate(struct made_log *log)
{
    log->file++;
    assert_true(log->file < MAKER_FILES);
}

const char *made_path(size_t file)
{
    static const char *const paths[MAKER_FILES] = {"a.1", "a.2", "a.3"};
    return paths[file];
}

static void on_line(void *arg, const struct log_line *line)
{
    assert_true(chain_check_line(arg, line));
}

void made_log_check(const struct made_log *log, struct chain_check *check)
{
    size_t number = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct made_line *line = &log->lines[i];
        number = i > 0 && log->lines[i - 1].file == line->file ? number + 1 : 1;
        log_line_read(made_path(line->file), number, slice_of(line->text, line->len), on_line,
                      check);
    }
    chain_check_finish(check);
}
