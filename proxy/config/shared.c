// A store says who is blocked and counts who may do what: beyond this machine it is reached by TLS, unless the configuration
// says otherwise. What is sealed there is so under the keys of a file that all proxies of the fleet have.
#include "proxy/config/shared.h"

#include <errno.h>
#include <unistd.h>

#include "proxy/config/listeners.h"
#include "proxy/config/named_files.h"
#include "proxy/config/secret_lines.h"
#include "proxy/config/server_files.h"
#include "proxy/config/shared_settings.h"
#include "proxy/config/snapshot.h"

_Static_assert((int)FLEET_SECRET_LEN == (int)SECRET_LEN &&
                   (int)FLEET_SECRETS_MAX == (int)SECRET_LINES_MAX,
               "the file's form");

// shared is what the table fills.
struct shared {
    struct shared_settings settings;
    bool is_clear;
};

static const char *const on_lost_words[] = {
    [SHARED_LOCAL] = "local", [SHARED_REFUSE] = "refuse", NULL};

static const struct key keys[] = {
    KEY_KNOWN("valkey", KEY_OPTIONAL),
    KEY_KNOWN("sentinel", KEY_OPTIONAL),
    KEY_KNOWN("key_file", KEY_REQUIRED),
    KEY_KNOWN("user", KEY_OPTIONAL),
    KEY_KNOWN("password_file", KEY_OPTIONAL),
    KEY_KNOWN("prefix", KEY_OPTIONAL),
    KEY_KNOWN("tls", KEY_OPTIONAL),
    KEY_ROW("clear", KEY_BOOL, struct shared, is_clear),
    KEY_ROW("on_lost", KEY_CHOICE, struct shared, settings.on_lost, .words = on_lost_words),
};

static const struct key sentinel_keys[] = {
    KEY_KNOWN("name", KEY_REQUIRED),
    KEY_KNOWN("addresses", KEY_REQUIRED),
};

// tls_entry is `tls` as it is written.
struct tls_entry {
    bool has_system_cas;
};

static const struct key tls_keys[] = {
    KEY_KNOWN("ca", KEY_OPTIONAL),
    KEY_ROW("system_cas", KEY_BOOL, struct tls_entry, has_system_cas),
    KEY_KNOWN("name", KEY_OPTIONAL),
    KEY_KNOWN("certificate", KEY_OPTIONAL),
};

const struct section shared_section = SECTION("`shared`", keys);
const struct section shared_sentinel_section = SECTION("`sentinel`", sentinel_keys);
const struct section shared_tls_section = SECTION("`tls` of `shared`", tls_keys);

// -- where it is

static bool place_read(struct reader *reader, const struct node *node, struct target *out)
{
    struct slice text;
    if (!reader_text(reader, node, "the address of a store", CONFIG_TEXT_MAX, &text))
        return false;
    return target_parse(text, out) == ERR_OK ||
           reader_refuse(reader, node, "store", "it is no host and port",
                         "write it as \"192.0.2.1:6379\", \"[2001:db8::1]:6379\" or "
                         "\"valkey.example.org:6379\"");
}

// add_place adds one, which must not be there yet.
static void add_place(struct reader *reader, const struct node *node, struct store_settings *out)
{
    struct target place;
    if (!place_read(reader, node, &place))
        return;
    for (size_t i = 0; i < out->place_count; i++) {
        if (target_equal(&out->places[i], &place)) {
            (void)reader_refuse(reader, node, "store", "it is named twice", "name each once");
            return;
        }
    }
    out->places[out->place_count++] = place;
}

// places_read reads one address, or a list of them.
static void places_read(struct reader *reader, const struct node *node, const char *what,
                        struct store_settings *out)
{
    if (node == NULL)
        return;
    if (node->kind == NODE_SCALAR) {
        add_place(reader, node, out);
        return;
    }
    if (!reader_list(reader, node, what, 1, STORE_MAX_PLACES))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        add_place(reader, entry, out);
}

// word_read reads a text without blanks and control characters.
static bool word_read(struct reader *reader, const struct node *node, const char *what, char *out,
                      size_t cap)
{
    struct slice text;
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    bool is_good = text.len < cap;
    for (size_t i = 0; is_good && i < text.len; i++)
        is_good = text.data[i] > ' ' && text.data[i] < 0x7F;
    if (!is_good) {
        reader_error(reader, node, "%s is 1 to %zu characters of ASCII without blanks", what,
                     cap - 1);
        return false;
    }
    return string_copy(out, cap, text);
}

static void sentinel_read(struct reader *reader, const struct node *node,
                          struct store_settings *out)
{
    if (!section_read(reader, node, &shared_sentinel_section, NULL))
        return;
    if (node_get(node, "name") != NULL)
        (void)word_read(reader, node_get(node, "name"), "`name` of `sentinel`", out->master,
                        sizeof out->master);
    places_read(reader, node_get(node, "addresses"), "`addresses`", out);
}

// prefix_read reads what all keys begin with.
static void prefix_read(struct reader *reader, const struct node *node, struct store_settings *out)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    struct slice text = SLICE_LITERAL("sallyport:");
    if (node != NULL && !reader_text(reader, node, "`prefix`", CONFIG_TEXT_MAX, &text))
        return;
    bool is_good = text.len < sizeof out->prefix;
    for (size_t i = 0; is_good && i < text.len; i++)
        is_good = memchr(allowed, text.data[i], sizeof allowed - 1) != NULL;
    if (is_good)
        (void)string_copy(out->prefix, sizeof out->prefix, text);
    else
        reader_error(reader, node, "`prefix` is 1 to %zu of the characters A-Z a-z 0-9 . _ : -",
                     sizeof out->prefix - 1);
}

// -- secrets

static void key_file_read(struct reader *reader, const struct node *node, struct fleet_secrets *out)
{
    struct file_content content = {0};
    const char *path = NULL;
    if (!reader_path(reader, node, "`key_file`", &path))
        return;
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        reader_error(reader, node,
                     "`key_file`: there is no %s"
                     "\nmake one with: (umask 077; openssl rand -hex 32 > %s), and copy it to all "
                     "proxies of the fleet",
                     path, path);
        return;
    }
    if (!reader_file_at(reader, node, "`key_file`", path, SECRET_LINES_FILE_MAX, FILE_SECRET,
                        &content))
        return;
    out->count = secret_lines_read(content.bytes, out->secrets);
    if (out->count == 0)
        reader_error(
            reader, node,
            "%s is not a file of a fleet's keys: expected one to three lines of 64 hexadecimal digits"
            "\nmake one with: (umask 077; openssl rand -hex 32 > %s), and give it to all proxies "
            "of the fleet",
            path, path);
    file_content_deinit(&content);
}

// password_read reads the one line of the file.
static void password_read(struct reader *reader, const struct node *node,
                          struct store_settings *out)
{
    struct file_content content = {0};
    const char *path = NULL;
    if (node == NULL || !reader_file(reader, node, "`password_file`", SECRET_LINES_FILE_MAX,
                                     FILE_SECRET, &path, &content))
        return;
    struct slice line = content.bytes;
    if (slice_ends_with(line, SLICE_LITERAL("\n")))
        line = slice_first(line, line.len - 1);
    bool is_good = line.len > 0 && line.len < sizeof out->password;
    for (size_t i = 0; is_good && i < line.len; i++)
        is_good = line.data[i] >= ' ' && line.data[i] != 0x7F;
    if (is_good)
        (void)string_copy(out->password, sizeof out->password, line);
    else
        reader_error(reader, node,
                     "%s is not a file with a password: expected one line of 1 to %zu bytes "
                     "without control characters",
                     path, sizeof out->password - 1);
    file_content_deinit(&content);
}

// -- the way

// leaves_machine tells whether what is said may go beyond this machine. Sentinels name a store that may be anywhere.
static bool leaves_machine(const struct store_settings *store)
{
    for (size_t i = 0; i < store->place_count; i++) {
        if (!target_is_loopback(&store->places[i]))
            return true;
    }
    return store->master[0] != '\0';
}

// check_clear judges a store that is reached in the clear.
static void check_clear(struct reader *reader, const struct node *node, const struct shared *shared)
{
    const struct node *place = node_get(node, "valkey");
    if (place == NULL)
        place = node_get(node, "sentinel");
    if (!leaves_machine(&shared->settings.store))
        return;
    if (shared->is_clear)
        reader_warning(reader, place,
                       "the store is reached in the clear: everybody on the way reads the names of "
                       "clients, how much they use, and the password, and can change the counts of "
                       "limits"
                       "\nadd `tls: {ca: FILE}`");
    else
        reader_error(
            reader, place,
            "the store may be beyond this machine, and would be reached in the clear"
            "\nsay with `tls: {ca: FILE}` which CA its certificate is of, or `clear: true`; a "
            "store on this machine is 127.0.0.1 or [::1], not a name");
}

// name_read reads the name that the store's certificate must have.
static void name_read(struct reader *reader, const struct node *node, struct store_settings *out)
{
    struct slice text;
    if (node == NULL || !reader_text(reader, node, "`name`", CONFIG_TEXT_MAX, &text))
        return;
    out->has_tls_name = target_host_parse(text, &out->tls_name) == ERR_OK;
    if (!out->has_tls_name)
        (void)reader_refuse(reader, node, "`name`:", "it is neither a host name nor an address",
                            "it is what the store's certificate is for");
}

static void tls_read(struct reader *reader, const struct node *node, struct shared_settings *out)
{
    struct server_files files = {0};
    struct tls_entry entry = {0};
    const struct node *ca = node_get(node, "ca");
    if (!section_read(reader, node, &shared_tls_section, &entry))
        return;
    name_read(reader, node_get(node, "name"), &out->store);
    if (ca == NULL && !entry.has_system_cas)
        reader_error(reader, node,
                     "`tls` of `shared` needs `ca`, the file of the CAs that the store's "
                     "certificate is checked against, or `system_cas: true`");
    else if (ca != NULL && entry.has_system_cas)
        reader_error(reader, ca, "`tls` of `shared` has `ca` or `system_cas: true`, and not both");
    else if (server_files_read(reader, node, &certificate_section, entry.has_system_cas, &files)) {
        out->has_system_cas = entry.has_system_cas;
        (void)server_files_make(reader, node, &files, NULL, "store", &out->store.tls);
    }
    server_files_deinit(&files);
    out->store.is_tls = true;
}

// check_whole reports what only shows in several keys together.
static void check_whole(struct reader *reader, const struct node *node, const struct shared *shared)
{
    const struct node *user = node_get(node, "user");
    if ((node_get(node, "valkey") == NULL) == (node_get(node, "sentinel") == NULL))
        reader_error(
            reader, node,
            "`shared` has either `valkey`, the address of the store, or `sentinel`"
            "\nwrite `valkey: \"127.0.0.1:6379\"`, or `sentinel: {name: NAME, addresses: [...]}`");
    if (user != NULL && node_get(node, "password_file") == NULL)
        reader_error(reader, user,
                     "`user` needs `password_file`: the store lets nobody in by name alone");
    if (shared->is_clear && node_get(node, "tls") != NULL)
        reader_error(reader, node_get(node, "clear"),
                     "`shared` has `tls` or `clear: true`, and not both");
}

void shared_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    struct shared shared = {.is_clear = false};
    struct store_settings *store = &shared.settings.store;
    if (node == NULL || !section_read(reader, node, &shared_section, &shared))
        return;
    places_read(reader, node_get(node, "valkey"), "`valkey`", store);
    if (node_get(node, "sentinel") != NULL)
        sentinel_read(reader, node_get(node, "sentinel"), store);
    if (node_get(node, "user") != NULL)
        (void)word_read(reader, node_get(node, "user"), "`user`", store->user, sizeof store->user);
    password_read(reader, node_get(node, "password_file"), store);
    prefix_read(reader, node_get(node, "prefix"), store);
    key_file_read(reader, node_get(node, "key_file"), &shared.settings.secrets);
    if (node_get(node, "tls") != NULL)
        tls_read(reader, node_get(node, "tls"), &shared.settings);
    else
        check_clear(reader, node, &shared);
    check_whole(reader, node, &shared);
    snapshot->shared = reader_alloc(reader, 1, sizeof *snapshot->shared);
    if (snapshot->shared != NULL)
        *snapshot->shared = shared.settings;
    else
        server_trust_unref(store->tls);
}
