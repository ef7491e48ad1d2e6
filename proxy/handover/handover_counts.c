// One line at a time; a table has the words.
#include "proxy/handover/handover_counts.h"

#include <inttypes.h>

#include "auth/ipaddr.h"

static const struct count_row {
    const char *word;
    uint64_t max;
    bool has_name;
} rows[] = {
    [HANDOVER_COUNT_SESSIONS] = {"sessions", UINT32_MAX, false},
    [HANDOVER_COUNT_MEMORY] = {"memory", UINT64_MAX / 16, false},
    [HANDOVER_COUNT_TUNNELS] = {"tunnels", UINT32_MAX, true},
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

// take_word takes what stands before the next space, or all.
static struct slice take_word(struct slice *line)
{
    const size_t len = slice_find(*line, ' ');
    const struct slice word = slice_first(*line, len);
    *line = slice_from(*line, len + 1);
    return word;
}

enum err handover_counts_next(struct slice *left, struct handover_count *out)
{
    if (left->len == 0)
        return ERR_EOF;
    const size_t len = slice_find(*left, '\n');
    struct slice line = slice_first(*left, len);
    if (len == left->len || line.len == 0 || line.data[line.len - 1] == ' ')
        return ERR_INPUT;
    *left = slice_from(*left, len + 1);
    const struct slice word = take_word(&line);
    size_t kind = 0;
    while (kind < ROW_COUNT && !slice_equal(word, slice_of_string(rows[kind].word)))
        kind++;
    if (kind == ROW_COUNT || !decimal_parse(take_word(&line), rows[kind].max, &out->number))
        return ERR_INPUT;
    out->kind = (enum handover_count_kind)kind;
    out->name = line;
    if (rows[kind].has_name != (line.len > 0) || line.len > HANDOVER_ACCOUNT_MAX ||
        slice_find(line, '\0') < line.len)
        return ERR_INPUT;
    return ERR_OK;
}

void handover_counts_add(struct text *out, const struct handover_count *count)
{
    text_append_format(out, "%s %" PRIu64, rows[count->kind].word, count->number);
    if (rows[count->kind].has_name)
        text_append_format(out, " %.*s", (int)count->name.len, (const char *)count->name.data);
    text_append_string(out, "\n");
}
