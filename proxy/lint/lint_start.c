// Checks what `serve` would find on this machine, run by the same user. A file that cannot be written is an error,
// because `serve` would end there. What lets others take over or exhaust the proxy is a warning.
#include "proxy/lint/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/net/sockaddr.h"

enum { PATH_CAP = 4096 };

static const struct node *root_of(const struct lint *lint)
{
    return lint->places.root;
}

// folder_of gives the folder of a path.
static const char *folder_of(const char *path, char out[PATH_CAP])
{
    const char *slash = strrchr(path, '/');
    const struct slice name = slash == NULL   ? SLICE_LITERAL(".")
                              : slash == path ? SLICE_LITERAL("/")
                                              : slice_of(path, (size_t)(slash - path));
    (void)string_copy(out, PATH_CAP, name);
    return out;
}

// may tells whether this user has this access to what exists.
static bool may(const char *path, int access)
{
    return faccessat(AT_FDCWD, path, access, AT_EACCESS) == 0;
}

// may_open tells whether this user may read and write the file, or make it in its folder.
static bool may_open(const char *path)
{
    char folder[PATH_CAP];
    return may(path, R_OK | W_OK) || (errno == ENOENT && may(folder_of(path, folder), W_OK | X_OK));
}

// look_at_audit looks for what `serve` would meet when it opens the audit log; a running proxy has opened its own.
static void look_at_audit(struct lint *lint)
{
    const char *path = lint->snapshot->audit_path;
    const struct node *node = node_get(node_get(root_of(lint), "audit"), "file");
    char folder[PATH_CAP];
    struct stat status;
    if (strcmp(path, "-") == 0) // stdout, which `serve` has in any case
        return;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        lint_find(lint, SEVERITY_ERROR, node, "the audit log %s is a directory: expected a file",
                  path);
    else if (stat(folder_of(path, folder), &status) != 0 && errno == ENOENT)
        lint_find(lint, SEVERITY_ERROR, node,
                  "the folder of the audit log %s does not exist; `serve` would end with that"
                  "\nrun: mkdir -p %s",
                  path, folder);
    else if (!may_open(path))
        lint_find(lint, SEVERITY_ERROR, node,
                  "the audit log %s cannot be written by user %u: %m; `serve` would end with that"
                  "\nlet that user write it, or run this as the user of the proxy",
                  path, (unsigned)geteuid());
}

// look_at_state looks for what `serve` would meet when it writes the blocks beside the old ones.
static void look_at_state(struct lint *lint)
{
    const char *path = lint->snapshot->state_path;
    const struct node *node = node_get(node_get(root_of(lint), "control"), "state");
    char folder[PATH_CAP];
    if (path == NULL)
        return;
    if (!may(folder_of(path, folder), F_OK) && errno == ENOENT)
        lint_find(lint, SEVERITY_ERROR, node,
                  "the folder of the file of blocks %s does not exist; `serve` would end with that"
                  "\nrun: mkdir -p %s",
                  path, folder);
    else if (!may_open(path) || !may(folder, W_OK | X_OK))
        lint_find(lint, SEVERITY_ERROR, node,
                  "the file of blocks %s, or its folder, cannot be written by user %u: %m; `serve` "
                  "would end with that, or the first block"
                  "\nlet that user write it, or run this as the user of the proxy",
                  path, (unsigned)geteuid());
}

// is_made_at_start tells whether a folder is perhaps made just before each start: what is below /run is gone after a boot.
static bool is_made_at_start(const char *folder)
{
    return strncmp(folder, "/run/", 5) == 0 || strncmp(folder, "/var/run/", 9) == 0;
}

// look_at_socket looks for what `serve` would meet when it makes a Unix socket. NULL: there is none.
static void look_at_socket(struct lint *lint, const struct node *node, const char *what,
                           const char *path)
{
    char folder[PATH_CAP];
    if (path == NULL || may(folder_of(path, folder), W_OK | X_OK))
        return;
    if (errno == ENOENT)
        lint_find(lint, is_made_at_start(folder) ? SEVERITY_WARNING : SEVERITY_ERROR, node,
                  "the folder of %s %s does not exist; `serve` would end with that"
                  "\nrun: mkdir -m 700 -p %s; with systemd: RuntimeDirectory=",
                  what, path, folder);
    else
        lint_find(lint, SEVERITY_ERROR, node,
                  "no %s can be made in %s by user %u: %m; `serve` would end with that"
                  "\nlet that user write it, or run this as the user of the proxy",
                  what, folder, (unsigned)geteuid());
}

static void look_at_sockets(struct lint *lint)
{
    const struct snapshot *snapshot = lint->snapshot;
    look_at_socket(lint, node_get(node_get(root_of(lint), "control"), "socket"), "control socket",
                   snapshot->control_path);
    look_at_socket(lint, node_get(node_get(root_of(lint), "admin"), "address"), "socket of `admin`",
                   snapshot->admin == NULL ? NULL : snapshot->admin->socket_path);
}

// others_write tells who else may change what has this status; NULL for nobody. A group of the owner's own (the number
// of the user is that of the group) is nobody else. In a sticky folder nobody can take another one's file away; with
// `counts_new` a new file there counts, too.
static const char *others_write(const struct stat *status, bool counts_new)
{
    if (S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX) != 0 && !counts_new)
        return NULL;
    if ((status->st_mode & S_IWOTH) != 0)
        return "everybody";
    if ((status->st_mode & S_IWGRP) != 0 && status->st_gid != status->st_uid)
        return "its group";
    return NULL;
}

// is_included tells whether a path is that of an included file, which may be its group's: a team's.
static bool is_included(const struct snapshot *snapshot, const char *path)
{
    for (size_t i = 0; i < snapshot->included.count; i++) {
        if (strcmp(snapshot->included.items[i].path, path) == 0)
            return true;
    }
    return false;
}

// has_said tells whether a finding says this of a place already: many files have one folder.
static bool has_said(const struct lint *lint, const char *place, const char *words)
{
    char begin[PATH_CAP + 64];
    (void)snprintf(begin, sizeof begin, "%s %s", place, words);
    for (size_t i = 0; i < lint->diagnostics->count; i++) {
        if (slice_starts_with(slice_of_string(lint->diagnostics->items[i].message),
                              slice_of_string(begin)))
            return true;
    }
    return false;
}

// look_at_writers finds a file, or its folder, that others can change.
static void look_at_writers(struct lint *lint, const char *path)
{
    char folder[PATH_CAP];
    const char *const places[] = {path, folder_of(path, folder)};
    const bool is_of_include = is_included(lint->snapshot, path);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct stat status;
        const bool is_there = stat(places[i], &status) == 0;
        // A folder of `include` or `crl` counts with whatever comes into it.
        const bool counts_new = is_of_include || (i == 0 && is_there && S_ISDIR(status.st_mode));
        const char *who = is_there ? others_write(&status, counts_new) : NULL;
        if (who == NULL || (i == 0 && (status.st_mode & S_IWOTH) == 0 && is_of_include))
            continue;
        if (has_said(lint, places[i], "can be written by"))
            return;
        lint_find(
            lint, SEVERITY_WARNING, NULL,
            "%s can be written by %s (mode %04o): anybody who can do that decides who may go where"
            "\nrun: chmod go-w %s",
            places[i], who, (unsigned)(status.st_mode & 07777), places[i]);
        return;
    }
}

// look_for_ca_keys finds the key of a CA beside a file of the configuration.
static void look_for_ca_keys(struct lint *lint, const char *path)
{
    static const char *const names[] = {"ca.key", "root.key"};
    char folder[PATH_CAP];
    char key[PATH_CAP];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(key, sizeof key, "%s/%s", folder_of(path, folder), names[i]);
        if (!may(key, R_OK) || has_said(lint, key, "can be read here"))
            continue;
        lint_find(
            lint, SEVERITY_WARNING, NULL,
            "%s can be read here: an attacker who takes over the proxy can then make certificates for any name"
            "\nonce the certificates are made, keep it on another machine: only `sallyport ca` "
            "needs it",
            key);
    }
}

static void look_at_files(struct lint *lint)
{
    const struct snapshot *snapshot = lint->snapshot;
    look_for_ca_keys(lint, snapshot->path);
    look_at_writers(lint, snapshot->path);
    for (const struct snapshot_file *file = snapshot->files; file != NULL; file = file->next) {
        look_for_ca_keys(lint, file->path);
        look_at_writers(lint, file->path);
    }
}

// has_limits tells whether anything is limited by the configuration itself.
static bool has_limits(const struct lint *lint)
{
    bool is_found = node_get(root_of(lint), "limits") != NULL;
    for (size_t i = 0; i < lint->snapshot->policy->client_count && !is_found; i++)
        is_found = node_get(lint->places.clients[i], "limits") != NULL;
    return is_found;
}

static void look_at_open_listeners(struct lint *lint)
{
    const struct node *list = node_get(root_of(lint), "listeners");
    for (size_t i = 0; i < lint->snapshot->listener_count && !has_limits(lint); i++) {
        const struct listener_config *listener = &lint->snapshot->listeners[i];
        if (!ip_addr_is_any(&listener->address.address))
            continue;
        lint_find(lint, SEVERITY_WARNING, node_get(places_item(list, i), "address"),
                  "listener %s listens on every address, and there are no `limits`: one client can "
                  "use up the whole machine"
                  "\nset `limits` for the proxy and for each client: docs/CONFIG.md",
                  listener->name);
        return;
    }
}

// look_at_addresses finds listeners that `serve` could not bind now.
static void look_at_addresses(struct lint *lint)
{
    const struct node *list = node_get(root_of(lint), "listeners");
    for (size_t i = 0; i < lint->snapshot->listener_count; i++) {
        const struct endpoint *endpoint = &lint->snapshot->listeners[i].address;
        char text[IP_TEXT_CAP];
        if (ip_addr_is_any(&endpoint->address) || address_is_local(&endpoint->address))
            continue;
        lint_find(lint, SEVERITY_WARNING, node_get(places_item(list, i), "address"),
                  "%s is not an address of this machine now; `serve` would fail"
                  "\n`ip address` shows those of this machine; 0.0.0.0 and [::] are all",
                  ip_addr_format(&endpoint->address, text));
    }
}

// leads_to tells whether somebody who connects to `to` comes to what listens at `own`.
static bool leads_to(const struct endpoint *own, const struct endpoint *to)
{
    if (own->port == 0 || own->port != to->port)
        return false;
    return ip_addr_is_any(&own->address) ? address_is_local(&to->address)
                                         : ip_addr_equal(&own->address, &to->address);
}

static bool is_same_path(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

// own_place names what the proxy itself listens with where the sink leads to; NULL: it leads to somebody else.
static const char *own_place(const struct snapshot *snapshot, const struct outlet_settings *sink)
{
    const struct admin_settings *admin = snapshot->admin;
    if (sink->unix_path != NULL) {
        if (is_same_path(sink->unix_path, snapshot->control_path))
            return "control socket";
        return admin != NULL && is_same_path(sink->unix_path, admin->socket_path) ? "`admin`"
                                                                                  : NULL;
    }
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (leads_to(&snapshot->listeners[i].address, &sink->endpoint))
            return "listener";
    }
    return admin != NULL && admin->socket_path == NULL && leads_to(&admin->address, &sink->endpoint)
               ? "`admin`"
               : NULL;
}

// look_at_sinks finds those that would send the records to the proxy itself, which would take each connection for a client's.
static void look_at_sinks(struct lint *lint)
{
    const struct node *also = node_get(node_get(root_of(lint), "audit"), "also");
    for (size_t i = 0; i < lint->snapshot->audit_outlet_count; i++) {
        const struct outlet_settings *sink = &lint->snapshot->audit_outlets[i];
        const char *place = own_place(lint->snapshot, sink);
        if (place != NULL)
            lint_find(lint, SEVERITY_WARNING, places_item(also, i),
                      "the sink %s is the proxy's own %s: no record arrives there"
                      "\ngive the address of a receiver",
                      sink->label, place);
    }
}

void lint_start(struct lint *lint)
{
    look_at_audit(lint);
    look_at_state(lint);
    look_at_sockets(lint);
    look_at_files(lint);
    look_at_open_listeners(lint);
    look_at_addresses(lint);
    look_at_sinks(lint);
    if (geteuid() == 0)
        lint_find(
            lint, SEVERITY_NOTE, NULL,
            "checked as root, without its capabilities, as `serve` by root is: `serve` as another user may fail where this does not"
            "\nstart the proxy as a separate user, and `check` as that user, or as root with `process: {user: NAME}`");
}
