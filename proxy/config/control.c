// One table; and the same document read for nothing but the socket.
#include "proxy/config/control.h"

#include <sys/un.h>

#include "auth/base/text.h"
#include "proxy/config/named_files.h"
#include "proxy/config/section_text.h"
#include "proxy/config/source.h"

enum { SECTION_TRIES = 32 };

enum { SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1 };

static const struct key keys[] = {
    KEY_ROW("socket", KEY_PATH, struct snapshot, control_path, .support = KEY_REQUIRED),
    KEY_ROW("state", KEY_PATH, struct snapshot, state_path, .support = KEY_REQUIRED),
};

const struct section control_section = SECTION("`control`", keys);

void control_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    const struct node *socket = node_get(node, "socket");
    if (!section_read(reader, node, &control_section, snapshot) || snapshot->control_path == NULL ||
        snapshot->state_path == NULL)
        return;
    const char *path = snapshot->control_path;
    if (strlen(path) > SOCKET_PATH_MAX)
        reader_error(reader, socket,
                     "`socket`: the path of a Unix socket has at most %d bytes, and this has %zu: "
                     "%s"
                     "\na separate folder under /run is the usual place",
                     (int)SOCKET_PATH_MAX, strlen(path), path);
    if (strcmp(path, snapshot->state_path) == 0)
        reader_error(reader, node, "`socket` and `state` are the same path");
}

static enum err find_path(const struct node *root, const char *config_path, char *out, size_t cap,
                          struct errinfo *info)
{
    const struct node *control = node_get(root, "control");
    const struct node *socket = node_get(control, "socket");
    if (socket == NULL || socket->kind != NODE_SCALAR || socket->text.len == 0)
        return errinfo_set(info, ERR_INPUT,
                           "%.200s has no control socket, so nothing can be asked: add `control: "
                           "{socket: control.sock, state: state.json}` and start the proxy again",
                           config_path);
    const char *slash = strrchr(config_path, '/');
    struct text path;
    text_init(&path, out, cap);
    if (socket->text.data[0] != '/' && slash != NULL)
        text_append(&path, slice_of(config_path, (size_t)(slash - config_path) + 1));
    text_append(&path, socket->text);
    return path.is_cut ? errinfo_set(info, ERR_INPUT, "the path of the control socket is too long")
                       : ERR_OK;
}

// parse_section parses the `control` of a text that is no YAML as a whole. NULL: it cannot be found, or cannot be read either. The mistake
// may be in the lines after it, which look like its own.
static struct yaml_document *parse_section(struct slice text, const char *config_path)
{
    struct yaml_document *document = NULL;
    struct slice section = section_text_find(text, "control");
    for (int tries = 0; tries < SECTION_TRIES && document == NULL && section.len > 0; tries++) {
        struct diagnostics unused;
        diagnostics_init(&unused);
        if (yaml_document_parse(section, config_path, &unused, &document) != ERR_OK)
            document = NULL;
        diagnostics_deinit(&unused);
        section = section_text_shorten(section);
    }
    return document;
}

// add_way_out says how the proxy can be asked without its configuration.
static void add_way_out(struct errinfo *info)
{
    const struct errinfo why = *info;
    (void)errinfo_set(info, ERR_INPUT, "%.440s; the proxy can be asked without: --control SOCKET",
                      why.text);
}

enum err control_find_socket(const char *config_path, char *out, size_t cap, bool *out_is_broken,
                             struct errinfo *info)
{
    struct file_content content = {0};
    struct yaml_document *document = NULL;
    struct diagnostics diagnostics;
    *out_is_broken = false;
    diagnostics_init(&diagnostics);
    enum err error = source_read(config_path, YAML_MAX_BYTES, &content, info);
    if (error == ERR_OK &&
        yaml_document_parse(content.bytes, config_path, &diagnostics, &document) != ERR_OK) {
        *out_is_broken = true;
        document = parse_section(content.bytes, config_path);
        if (document == NULL)
            error = errinfo_set(info, ERR_INPUT,
                                "%.200s cannot be read, nor its `control`; `sallyport check` says "
                                "why",
                                config_path);
    }
    if (error != ERR_OK)
        add_way_out(info);
    if (error == ERR_OK)
        error = find_path(yaml_document_root(document), config_path, out, cap, info);
    yaml_document_destroy(document);
    file_content_deinit(&content);
    diagnostics_deinit(&diagnostics);
    return error;
}
