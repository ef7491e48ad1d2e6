// A table, and lines of digits.
#include "proxy/config/tickets.h"

#include "auth/base/hex.h"
#include "proxy/config/named_files.h"

enum { TICKETS_FILE_MAX = 4096, HEX_LEN = 2 * TICKET_SECRET_LEN };

static const struct key keys[] = {
    KEY_KNOWN("file", KEY_OPTIONAL),
    KEY_ROW("rotate", KEY_SECONDS, struct ticket_settings, rotate_s, .min = SECOND_MS,
            .max = 7 * DAY_MS, .fallback = 12 * HOUR_MS),
};

const struct section tickets_section = SECTION("`tickets`", keys);

static bool secret_read(struct slice line, uint8_t out[TICKET_SECRET_LEN])
{
    size_t digits = 0;
    return line.len == HEX_LEN && hex_read(line, out, TICKET_SECRET_LEN, &digits) &&
           digits == HEX_LEN;
}

// secrets_read reads one to three lines of 64 hexadecimal digits, and nothing else.
static bool secrets_read(struct slice text, struct ticket_settings *out)
{
    out->secret_count = 0;
    while (text.len > 0) {
        const struct slice line = slice_first(text, slice_find(text, '\n'));
        if (out->secret_count == TICKET_SECRETS_MAX ||
            !secret_read(line, out->secrets[out->secret_count]))
            return false;
        out->secret_count++;
        text = slice_from(text, line.len + 1);
    }
    return out->secret_count > 0;
}

static void secrets_file_read(struct reader *reader, const struct node *node, struct tickets *out)
{
    struct file_content content = {0};
    if (!reader_file(reader, node, "`file`", TICKETS_FILE_MAX, FILE_SECRET, &out->path, &content))
        return;
    if (!secrets_read(content.bytes, &out->settings))
        reader_error(
            reader, node,
            "%s is not a file of ticket keys: expected one to three lines of 64 hexadecimal "
            "digits"
            "\nmake one with: (umask 077; openssl rand -hex 32 > %s)",
            out->path, out->path);
    file_content_deinit(&content);
}

static bool is_same_path(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void tickets_read(struct reader *reader, const struct node *node, struct tickets *tickets)
{
    struct tickets own = {.is_set = true};
    if (!section_read(reader, node, &tickets_section, &own.settings))
        return;
    secrets_file_read(reader, node_get(node, "file"), &own);
    if (tickets->is_set && (!is_same_path(own.path, tickets->path) ||
                            own.settings.rotate_s != tickets->settings.rotate_s))
        reader_error(reader, node,
                     "`tickets` differs from that of another listener: the keys are the process's"
                     "\nwrite the same at each listener, or only at one");
    *tickets = own;
}
