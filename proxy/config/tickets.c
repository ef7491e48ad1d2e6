// A table, and a file of secrets.
#include "proxy/config/tickets.h"

#include "proxy/config/named_files.h"
#include "proxy/config/secret_lines.h"

static const struct key keys[] = {
    KEY_KNOWN("file", KEY_OPTIONAL),
    KEY_ROW("rotate", KEY_SECONDS, struct ticket_settings, rotate_s, .min = SECOND_MS,
            .max = 7 * DAY_MS, .fallback = 12 * HOUR_MS),
};

const struct section tickets_section = SECTION("`tickets`", keys);

_Static_assert((int)TICKET_SECRET_LEN == (int)SECRET_LEN &&
                   (int)TICKET_SECRETS_MAX == (int)SECRET_LINES_MAX,
               "the file's form");

static void secrets_file_read(struct reader *reader, const struct node *node, struct tickets *out)
{
    struct file_content content = {0};
    if (!reader_file(reader, node, "`file`", SECRET_LINES_FILE_MAX, FILE_SECRET, &out->path,
                     &content))
        return;
    out->settings.secret_count = secret_lines_read(content.bytes, out->settings.secrets);
    if (out->settings.secret_count == 0)
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
