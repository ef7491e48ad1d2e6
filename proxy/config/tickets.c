// `tls.tickets` of the listeners: how long ticket keys live, and the file of those that are shared.
#include "auth/base/hex.h"
#include "proxy/config/loader.h"

enum { TICKETS_FILE_MAX = 4096, HEX_LEN = 2 * TICKET_SECRET_LEN };

static const int64_t rotate_default_s = 12 * 60 * 60;
static const int64_t rotate_max_ms = INT64_C(7) * 24 * 60 * 60 * 1000;

void tickets_init(struct snapshot *snapshot)
{
    snapshot->tickets.rotate_s = rotate_default_s;
}

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
        const uint8_t *end = memchr(text.data, '\n', text.len);
        const size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        if (out->secret_count == TICKET_SECRETS_MAX ||
            !secret_read(slice_first(text, len), out->secrets[out->secret_count]))
            return false;
        out->secret_count++;
        text = slice_from(text, end == NULL ? len : len + 1);
    }
    return out->secret_count > 0;
}

static const char *file_read_secrets(struct loader *loader, const struct node *node,
                                     struct ticket_settings *out)
{
    struct file_content content = {0};
    const char *path = NULL;
    if (!loader_file(loader, node, "`file`", TICKETS_FILE_MAX, FILE_SECRET, &path, &content))
        return NULL;
    if (!secrets_read(content.bytes, out))
        diagnostic_set_hint(reader_error(loader->reader, node,
                                         "%s is no file of ticket keys: expected one to three "
                                         "lines of 64 hexadecimal digits",
                                         path),
                            "make one with: (umask 077; openssl rand -hex 32 > %s)", path);
    file_content_deinit(&content);
    return path;
}

static bool is_same_path(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void tickets_read(struct loader *loader, const struct node *node)
{
    static const struct key keys[] = {{"file", KEY_OPTIONAL}, {"rotate", KEY_OPTIONAL}};
    struct reader *reader = loader->reader;
    struct snapshot *snapshot = loader->snapshot;
    struct ticket_settings settings = {.rotate_s = rotate_default_s};
    int64_t rotate_ms = rotate_default_s * 1000;
    const char *path = NULL;
    if (node == NULL || !reader_map(reader, node, "`tickets`", keys, 2))
        return;
    const struct node *rotate = node_get(node, "rotate");
    if (rotate != NULL &&
        reader_duration(reader, rotate, "`rotate`", 1000, rotate_max_ms, &rotate_ms) &&
        rotate_ms % 1000 != 0)
        (void)reader_error(reader, rotate, "`rotate`: expected whole seconds");
    settings.rotate_s = rotate_ms / 1000;
    if (node_get(node, "file") != NULL)
        path = file_read_secrets(loader, node_get(node, "file"), &settings);
    const bool differs = snapshot->has_tickets && (!is_same_path(path, snapshot->tickets_path) ||
                                                   settings.rotate_s != snapshot->tickets.rotate_s);
    if (differs)
        diagnostic_set_hint(reader_error(reader, node,
                                         "`tickets` differs from that of another "
                                         "listener: the keys are the process's"),
                            "write the same at each listener, or only at one");
    snapshot->has_tickets = true;
    snapshot->tickets = settings;
    snapshot->tickets_path = path;
}
