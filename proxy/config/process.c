// One table.
#include "proxy/config/process.h"

#include <errno.h>

#include "proxy/config/file.h"

enum { USER_NAME_MAX = 32 }; // as useradd has it

// user_read reads the name of a user. It cannot be a number: groups belong to a name.
static void user_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    const char **out = field;
    struct slice name = {0};
    if (reader_text(reader, node, what, USER_NAME_MAX, &name))
        *out = reader_copy(reader, name);
}

// path_read reads a path that later files may be at or below: what is not there when the process starts opens nothing.
static bool path_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    const char **path = out;
    const char *what = arg;
    if (!reader_path(reader, node, what, path))
        return false;
    if (!file_is_there(*path) && (errno == ENOENT || errno == ENOTDIR))
        reader_warning(reader, node,
                       "%s: there is no %s, and what is not there at the start opens nothing"
                       "\nmake it first, then `sallyport upgrade`, or restart the proxy",
                       what, *path);
    return true;
}

static void paths_read(struct reader *reader, const struct node *node, struct process_settings *out)
{
    static char what[] = "`paths`";
    const struct items items = {.what = what,
                                .max = PROCESS_PATHS_MAX,
                                .size = sizeof *out->paths,
                                .read = path_read,
                                .arg = what};
    if (node != NULL)
        out->paths = reader_items(reader, node, &items, &out->path_count);
}

static void key_paths_read(struct reader *reader, const struct node *node,
                           struct process_settings *out)
{
    static char what[] = "`key_paths`";
    const struct items items = {.what = what,
                                .max = PROCESS_PATHS_MAX,
                                .size = sizeof *out->key_paths,
                                .read = path_read,
                                .arg = what};
    if (node != NULL && out->keys != KEYS_APART)
        reader_error(reader, node,
                     "`key_paths` is for keys that are apart\nadd `keys: apart`, or leave it out");
    else if (node != NULL)
        out->key_paths = reader_items(reader, node, &items, &out->key_path_count);
}

static const char *const sandbox_words[] = {
    [SANDBOX_AUTO] = "auto", [SANDBOX_ON] = "on", [SANDBOX_OFF] = "off", NULL};

static const char *const keys_words[] = {[KEYS_HERE] = "here", [KEYS_APART] = "apart", NULL};

static const struct key keys[] = {
    KEY_OF("user", user_read, struct process_settings, user),
    KEY_ROW("sandbox", KEY_CHOICE, struct process_settings, sandbox, .words = sandbox_words,
            .fallback = SANDBOX_AUTO),
    KEY_ROW("keys", KEY_CHOICE, struct process_settings, keys, .words = keys_words,
            .fallback = KEYS_HERE),
    KEY_KNOWN("paths", KEY_OPTIONAL),
    KEY_KNOWN("key_paths", KEY_OPTIONAL),
};

const struct section process_section = SECTION("`process`", keys);

void process_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    const struct process_hook *hook = reader->process_hook;
    const struct key_source *source = reader->keys;
    struct errinfo info;
    const bool is_read =
        node == NULL || section_read(reader, node, &process_section, &snapshot->process);
    paths_read(reader, node_get(node, "paths"), &snapshot->process);
    key_paths_read(reader, node_get(node, "key_paths"), &snapshot->process);
    reader->has_keys_apart = snapshot->process.keys == KEYS_APART;
    if (source != NULL && !source->is_in_use && snapshot->process.keys == KEYS_HERE)
        reader->keys = NULL;
    if (is_read && hook != NULL && hook->begin(hook->arg, &snapshot->process, &info) != ERR_OK)
        reader_error(reader, node, "%s", info.text);
}
