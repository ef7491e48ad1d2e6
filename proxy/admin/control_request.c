// One pass for what may not be in a line at all, then word by word.
#include "proxy/admin/control_request.h"

#include "auth/base/hex.h"

struct command_row {
    const char *name;
    enum control_command command;
    enum control_argument argument;
};

static const struct command_row rows[] = {
#define X(symbol, name, argument) {name, symbol, argument},
    CONTROL_COMMAND_TABLE(X)
#undef X
};

const char *control_command_name(enum control_command command)
{
    ASSERT((size_t)command < sizeof rows / sizeof *rows);
    return rows[command].name;
}

static bool has_control(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] < 0x20 || line.data[i] == 0x7F)
            return true;
    }
    return false;
}

static const struct command_row *find_row(struct slice word)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (slice_equal(word, slice_of_string(rows[i].name)))
            return &rows[i];
    }
    return NULL;
}

// take_word takes the first word off the line, with the space after it.
static struct slice take_word(struct slice *line)
{
    const size_t space = slice_find(*line, ' ');
    const struct slice word = slice_first(*line, space);
    *line = slice_from(*line, space + 1);
    return word;
}

// take_instance copies the first digits of an instance.
static bool take_instance(struct slice digits, char out[CONTROL_INSTANCE_MAX + 1])
{
    return digits.len > 0 && hex_is_lower(digits) &&
           string_copy(out, CONTROL_INSTANCE_MAX + 1, digits);
}

// take_fleet takes the word off the rest that says which proxies are meant.
static enum err take_fleet(enum control_command command, struct slice *rest,
                           struct control_request *out, struct errinfo *info)
{
    const bool may_be_one = command == CONTROL_KILL || command == CONTROL_DRAIN;
    const struct slice word = slice_first(*rest, slice_find(*rest, ' '));
    const bool is_on = may_be_one && slice_starts_with(word, SLICE_LITERAL("on:"));
    out->is_fleet =
        (may_be_one || command == CONTROL_STATUS) && slice_equal(word, SLICE_LITERAL("fleet"));
    if (is_on && !take_instance(slice_from(word, 3), out->on))
        return errinfo_set(
            info, ERR_INPUT,
            "on: is followed by an instance, or how it begins: digits and a to f, at most %d",
            (int)CONTROL_INSTANCE_MAX);
    if (is_on || out->is_fleet)
        (void)take_word(rest);
    return ERR_OK;
}

enum err control_request_parse(struct slice line, struct control_request *out, struct errinfo *info)
{
    static const struct slice force = {(const uint8_t *)"force ", 6};
    out->is_forced = false;
    out->is_fleet = false;
    out->on[0] = '\0';
    out->argument[0] = '\0';
    if (line.len > CONTROL_LINE_MAX)
        return errinfo_set(info, ERR_LIMIT, "a request has at most %d bytes", CONTROL_LINE_MAX);
    if (has_control(line))
        return errinfo_set(info, ERR_INPUT, "a request is one line without control characters");
    if (line.len == 0 || line.data[line.len - 1] == ' ')
        return errinfo_set(info, ERR_INPUT, "a request is COMMAND [ARGUMENT], single spaces");
    struct slice rest = line;
    const struct command_row *row = find_row(take_word(&rest));
    if (row == NULL)
        return errinfo_set(info, ERR_INPUT,
                           "no such command; this version knows status, top, tail, reload, drain, "
                           "kill, block, unblock, upgrade");
    out->command = row->command;
    out->is_forced = slice_starts_with(rest, force);
    if (out->is_forced)
        rest = slice_from(rest, force.len);
    if (out->is_forced && row->command != CONTROL_BLOCK)
        return errinfo_set(info, ERR_INPUT, "only `block` can be forced");
    TRY(take_fleet(row->command, &rest, out, info));
    if (rest.len > 0 && (row->argument == CONTROL_ARGUMENT_NONE || rest.data[0] == ' '))
        return errinfo_set(info, ERR_INPUT, "`%s`: too much text after it", row->name);
    if (rest.len == 0 && row->argument == CONTROL_ARGUMENT_REQUIRED)
        return errinfo_set(info, ERR_INPUT, "`%s` of what?", row->name);
    (void)string_copy(out->argument, sizeof out->argument, rest);
    return ERR_OK;
}
