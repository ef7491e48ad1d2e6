// Each section reads its part, in the order in which they need each other.
#include "proxy/config/loader.h"

#include <openssl/sha.h>

#include "auth/base/text.h"
#include "proxy/config/admin.h"
#include "proxy/config/authorizer.h"
#include "proxy/config/assembly.h"
#include "proxy/config/control.h"
#include "proxy/config/included_record.h"
#include "proxy/config/listeners.h"
#include "proxy/config/named_files.h"
#include "proxy/config/parents.h"
#include "proxy/config/process.h"
#include "proxy/config/resolving.h"
#include "proxy/config/settings.h"
#include "proxy/config/shared.h"
#include "proxy/config/source.h"
#include "proxy/config/trust_profiles.h"

_Static_assert((int)NAME_MAX_LEN == (int)CONFIG_NAME_MAX, "one length of names");

static bool has_anonymous(const struct client *client)
{
    for (size_t i = 0; i < client->match_count; i++) {
        if (client->matches[i].anonymous)
            return true;
    }
    return false;
}

// check_anonymous warns of clients without certificate whom no listener lets in.
static void check_anonymous(struct reader *reader, const struct node *clients,
                            const struct snapshot *snapshot)
{
    bool is_optional = false;
    for (size_t i = 0; i < snapshot->listener_count; i++)
        is_optional |= snapshot->listeners[i].is_certificate_optional;
    for (size_t i = 0; i < snapshot->policy->client_count && !is_optional; i++) {
        const struct client *client = &snapshot->policy->clients[i];
        if (has_anonymous(client))
            reader_warning(
                reader, clients,
                "the client `%s` matches `anonymous: true`, but every listener requires a certificate: no client is ever anonymous"
                "\nset `client_certificate: optional` on a listener, or remove the entry",
                client->name);
    }
}

// give_meaning tells a profile which critical extensions its entries of `match` give a meaning. Those of other profiles give
// them none here: another CA may mean something else. ERR_LIMIT, as policy_seal, ERR_MEMORY.
static enum err give_meaning(struct trust *trust, const struct policy *policy)
{
    uint8_t set[POLICY_EXTENSIONS_CAP];
    size_t len = 0;
    TRY(policy_name_extensions(policy, trust_name(trust), set, &len));
    return trust_understand(trust, slice_of(set, len));
}

// load is what a snapshot is made with, beside the text.
struct load {
    const struct snapshot *in_force; // made from the same text, or NULL
    const struct included_parts
        *included; // what included files say that is in force; NULL: see their record
    const struct load_options *options;
};

// policy_read reads who may go where, from all files.
static void policy_read(struct reader *reader, const struct node *root, const struct load *load,
                        const struct name_list *trusts, struct snapshot *snapshot)
{
    bool is_used[PARENTS_MAX] = {false};
    const struct parent_names parents = {
        .parents = snapshot->parents, .count = snapshot->parent_count, .is_used = is_used};
    const struct node *include = node_get(root, "include");
    struct include_list included;
    struct included_parts recorded = {0};
    if (load->included == NULL && include != NULL)
        included_record_read(reader, include, snapshot->state_path, &recorded);
    const struct included_parts *in_force = load->included == NULL ? &recorded : load->included;
    struct assembly assembly = {.trusts = trusts,
                                .parents = &parents,
                                .included = &included,
                                .in_force = in_force,
                                .arena = snapshot->arena};
    include_read(reader, include, in_force, &included);
    reader->arena = snapshot->policy->arena; // the policy owns what it is made of
    assembly_read(reader, root, &assembly, snapshot->policy);
    snapshot->included = assembly.parts;
    include_list_deinit(&included);
    parent_names_warn_unused(reader, node_get(root, "parents"), &parents);
}

// sections_read reads every section of the document; what is wrong goes to the diagnostics.
static void sections_read(struct reader *reader, const struct node *root, const struct load *load,
                          struct snapshot *snapshot)
{
    struct name_list trusts;
    process_read(reader, node_get(root, "process"), snapshot); // before any key is read
    if (!settings_read(reader, root, snapshot))
        return;
    resolver_read(reader, node_get(root, "resolver"), snapshot);
    control_read(reader, node_get(root, "control"), snapshot);
    trust_profiles_read(reader, node_get(root, "trust"), load->in_force, snapshot, &trusts);
    listeners_read(reader, node_get(root, "listeners"), &trusts, snapshot);
    admin_read(reader, node_get(root, "admin"), &trusts, snapshot);
    parents_read(reader, node_get(root, "parents"), snapshot);
    authorizer_read(reader, node_get(root, "authorizer"), snapshot);
    shared_read(reader, node_get(root, "shared"), snapshot);
    policy_read(reader, root, load, &trusts, snapshot);
    listeners_check_trusts(reader, node_get(root, "listeners"), &trusts, snapshot);
    authorizer_check(reader, root, snapshot);
    for (size_t i = 0; i < snapshot->trust_count; i++) {
        if (snapshot->trusts[i] != NULL &&
            give_meaning(snapshot->trusts[i], snapshot->policy) == ERR_MEMORY)
            (void)reader_no_memory(reader);
    }
    check_anonymous(reader, node_get(root, "clients"), snapshot);
}

// identify makes the id: of the text alone, or of it and what counts of the included files.
static void identify(struct snapshot *snapshot)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct text id;
    (void)SHA256(snapshot->source.data, snapshot->source.len, digest);
    for (size_t i = 0; i < snapshot->included.count; i++) {
        const struct included_part *part = &snapshot->included.items[i];
        const char *slash = strrchr(part->path, '/');
        const char *name = slash == NULL ? part->path : slash + 1;
        uint8_t text[SHA256_DIGEST_LENGTH];
        SHA256_CTX all;
        if (part->text.data == NULL)
            continue;
        (void)SHA256(part->text.data, part->text.len, text);
        (void)SHA256_Init(&all);
        (void)SHA256_Update(&all, digest, sizeof digest);
        (void)SHA256_Update(&all, name, strlen(name) + 1);
        (void)SHA256_Update(&all, text, sizeof text);
        (void)SHA256_Final(digest, &all);
    }
    text_init(&id, snapshot->id, sizeof snapshot->id);
    text_append_hex(&id, slice_of(digest, (sizeof snapshot->id - 1) / 2));
}

// set_identity keeps the path, the folder and the text of the file.
static bool set_identity(struct snapshot *snapshot, const char *path, struct slice bytes,
                         const char **out_folder)
{
    snapshot->path = arena_copy_string(snapshot->arena, slice_of_string(path));
    *out_folder = folder_of(snapshot->arena, path);
    const char *source = arena_copy_string(snapshot->arena, bytes);
    snapshot->source = slice_of(source, source == NULL ? 0 : bytes.len);
    return snapshot->path != NULL && *out_folder != NULL && source != NULL;
}

static enum err snapshot_fill(struct snapshot *snapshot, struct slice bytes, const char *path,
                              const struct load *load, struct diagnostics *diagnostics)
{
    struct reader reader = {
        .diagnostics = diagnostics,
        .file = source_label(path),
        .arena = snapshot->arena,
        .files_arena = snapshot->arena,
        .read_list = reader_list_file,
        .now_s = load->options->now_s,
        .process_hook = load->options->hook,
        .keys = load->options->keys,
    };
    struct yaml_document *document = NULL;
    TRY(yaml_document_parse(bytes, reader.file, diagnostics, &document));
    if (set_identity(snapshot, path, bytes, &reader.folder))
        sections_read(&reader, yaml_document_root(document), load, snapshot);
    else
        reader_no_memory(&reader);
    yaml_document_destroy(document);
    snapshot->files = reader.files;
    if (reader.is_out_of_memory)
        return ERR_MEMORY;
    identify(snapshot);
    return diagnostics->error_count == diagnostics->included_count ? ERR_OK : ERR_INPUT;
}

// load_source makes a snapshot of a configuration's text.
static enum err load_source(struct slice source, const char *path, const struct load *load,
                            struct diagnostics *diagnostics, struct snapshot **out)
{
    enum err error = ERR_OK;
    struct snapshot *snapshot = snapshot_create();
    if (snapshot == NULL) {
        (void)diagnostics_add(diagnostics, SEVERITY_ERROR, path, 0, 0,
                              "no memory to load the configuration");
        error = ERR_MEMORY;
    } else {
        error = snapshot_fill(snapshot, source, path, load, diagnostics);
    }
    diagnostics_sort(diagnostics);
    if (error == ERR_OK)
        *out = snapshot;
    else
        snapshot_unref(snapshot);
    return error;
}

// load_file makes a snapshot of a configuration file.
static enum err load_file(const char *path, const struct load *load,
                          struct diagnostics *diagnostics, struct snapshot **out)
{
    struct file_content content = {0};
    struct errinfo info = {0};
    *out = NULL;
    enum err error = source_read(path, YAML_MAX_BYTES, &content, &info);
    if (error == ERR_OK)
        error = load_source(content.bytes, path, load, diagnostics, out);
    else
        (void)diagnostics_add(diagnostics, SEVERITY_ERROR, source_label(path), 0, 0, "%s",
                              info.text);
    file_content_deinit(&content);
    return error;
}

enum err snapshot_load(const char *path, const struct load_options *options,
                       struct diagnostics *diagnostics, struct snapshot **out)
{
    const struct load load = {.options = options};
    return load_file(path, &load, diagnostics, out);
}

// known_files gives what `current` knows of included files, if that is to count.
static const struct included_parts *known_files(const struct snapshot *current,
                                                const struct load_options *options)
{
    return options->is_afresh ? NULL : &current->included;
}

enum err snapshot_reload(const struct snapshot *current, const struct load_options *options,
                         struct diagnostics *diagnostics, struct snapshot **out)
{
    const struct load load = {.included = known_files(current, options), .options = options};
    return load_file(current->path, &load, diagnostics, out);
}

enum err snapshot_load_again(const struct snapshot *like, const struct load_options *options,
                             struct diagnostics *diagnostics, struct snapshot **out)
{
    const struct load load = {
        .in_force = like, .included = known_files(like, options), .options = options};
    *out = NULL;
    return load_source(like->source, like->path, &load, diagnostics, out);
}
