// Reads the file, lets each section read its part, and gives out the whole or nothing.
#include "proxy/config/snapshot.h"

#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/base/text.h"
#include "proxy/config/clients.h"
#include "proxy/config/loader.h"
#include "proxy/config/settings.h"
#include "proxy/config/source.h"
#include "proxy/config/taking.h"

_Static_assert((int)NAME_MAX_LEN == (int)CONFIG_NAME_MAX, "one length of names");

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    (void)atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1)
        return;
    blocklist_unref(snapshot->blocks);
    taking_unref(snapshot->taking);
    if (snapshot->base != NULL) {
        snapshot_unref(snapshot->base);
        free(snapshot);
        return;
    }
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];
        tls_context_unref(listener->tls);
        for (size_t j = 0; j < listener->sni_count; j++)
            tls_context_unref(listener->sni[j].tls);
    }
    for (size_t i = 0; i < snapshot->trust_count; i++)
        trust_destroy(snapshot->trusts[i]);
    policy_destroy(snapshot->policy);
    host_table_unref(snapshot->resolver.hosts);
    OPENSSL_cleanse(&snapshot->tickets, sizeof snapshot->tickets);
    arena_destroy(snapshot->arena);
    free(snapshot);
}

enum err snapshot_revise(struct snapshot *snapshot, struct blocklist *blocks, struct taking *taking,
                         struct snapshot **out)
{
    const size_t behind_refs = offsetof(struct snapshot, base);
    struct snapshot *revision = calloc(1, sizeof *revision);
    *out = NULL;
    if (revision == NULL)
        return ERR_MEMORY;
    const struct slice rest =
        slice_of((const uint8_t *)snapshot + behind_refs, sizeof *snapshot - behind_refs);
    (void)bytes_copy((uint8_t *)revision + behind_refs, rest.len, rest);
    atomic_init(&revision->refs, 1);
    revision->base = snapshot_ref(snapshot->base == NULL ? snapshot : snapshot->base);
    revision->blocks = blocklist_ref(blocks);
    revision->taking = taking_ref(taking);
    if (taking != NULL)
        taking_apply(taking, revision);
    *out = revision;
    return ERR_OK;
}

enum err snapshot_set_own_endpoints(struct snapshot *snapshot, const struct endpoint *endpoints,
                                    size_t count)
{
    struct endpoint *own = arena_alloc(snapshot->policy->arena, count, sizeof *own);
    if (own == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        own[i] = endpoints[i];
    snapshot->policy->own = own;
    snapshot->policy->own_count = count;
    return ERR_OK;
}

static bool is_same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && ip_addr_equal(&a->address, &b->address);
}

bool listener_config_is_same_place(const struct listener_config *a, const struct listener_config *b)
{
    return is_same_endpoint(&a->address, &b->address) &&
           (a->address.port != 0 || strcmp(a->name, b->name) == 0);
}

const struct listener_config *snapshot_find_listener(const struct snapshot *snapshot,
                                                     const struct listener_config *like)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (strcmp(snapshot->listeners[i].name, like->name) == 0)
            return &snapshot->listeners[i];
    }
    return NULL;
}

// sni_fit tells how well an entry fits: 0 not at all, and an exact name better than any `*.`.
static size_t sni_fit(const struct sni_config *sni, const struct hostname *name)
{
    size_t best = 0;
    for (size_t i = 0; i < sni->name_count; i++) {
        const struct host_pattern *pattern = &sni->names[i];
        const bool is_exact = pattern->kind == HOST_PATTERN_EXACT;
        const size_t fit = is_exact ? HOSTNAME_MAX_LEN + 1u : pattern->name.len;
        if (host_pattern_matches(pattern, name) && fit > best)
            best = fit;
    }
    return best;
}

struct site listener_config_find_site(const struct listener_config *listener,
                                      const char *server_name)
{
    struct site site = {.tls = listener->tls, .trust = listener->trust};
    struct hostname name;
    size_t best = 0;
    if (server_name == NULL || hostname_parse(slice_of_string(server_name), &name) != ERR_OK)
        return site;
    for (size_t i = 0; i < listener->sni_count; i++) {
        const size_t fit = sni_fit(&listener->sni[i], &name);
        if (fit <= best)
            continue;
        best = fit;
        site = (struct site){.tls = listener->sni[i].tls, .trust = listener->sni[i].trust};
    }
    return site;
}

// snapshot_create makes an empty snapshot with one reference.
static struct snapshot *snapshot_create(void)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return NULL;
    atomic_init(&snapshot->refs, 1);
    snapshot->arena = arena_create();
    snapshot->policy = policy_create();
    if (snapshot->arena != NULL && snapshot->policy != NULL)
        return snapshot;
    snapshot_unref(snapshot);
    return NULL;
}

static void audit_read(struct loader *loader, const struct node *node)
{
    static const struct key keys[] = {{"file", KEY_REQUIRED}, {"on_full", KEY_OPTIONAL}};
    static const char *const words[] = {"refuse", "drop"};
    static const enum audit_on_full values[] = {AUDIT_REFUSE, AUDIT_DROP};
    struct snapshot *snapshot = loader->snapshot;
    size_t index = 0;
    if (!reader_map(loader->reader, node, "`audit`", keys, 2))
        return;
    const struct node *file = node_get(node, "file");
    if (file != NULL && slice_equal(file->text, SLICE_LITERAL("-")))
        snapshot->audit_path = "-";
    else
        (void)loader_path(loader, file, "`file`", &snapshot->audit_path);
    if (node_get(node, "on_full") != NULL)
        (void)reader_choice(loader->reader, node_get(node, "on_full"), "on_full", words, 2, &index);
    snapshot->audit_on_full = values[index];
}

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
            diagnostic_set_hint(
                reader_warning(reader, clients,
                               "the client `%s` matches `anonymous: true`, and every listener "
                               "requires a certificate: nobody is ever anonymous",
                               client->name),
                "set `client_certificate: optional` on a listener, or take the entry out");
    }
}

// sections_read reads every section of the document; what is wrong goes to the diagnostics.
static void sections_read(struct loader *loader, const struct node *root)
{
    struct reader *reader = loader->reader;
    struct snapshot *snapshot = loader->snapshot;
    struct name_list trusts = {0};
    if (!settings_read(reader, root, snapshot))
        return;
    resolver_read(loader, node_get(root, "resolver"));
    audit_read(loader, node_get(root, "audit"));
    control_read(loader, node_get(root, "control"));
    trust_profiles_read(loader, node_get(root, "trust"), &trusts.names, &trusts.count);
    listeners_read(loader, node_get(root, "listeners"), trusts.names, trusts.count);
    // The policy owns what it is made of.
    reader->arena = snapshot->policy->arena;
    const struct list_files files = loader_list_files(loader);
    clients_read(reader, root, &trusts, &files, snapshot->policy);
    check_anonymous(reader, node_get(root, "clients"), snapshot);
    reader->arena = snapshot->arena;
}

// set_identity keeps the path, the folder, the text and the digest of the file.
static bool set_identity(struct snapshot *snapshot, const char *path, struct slice bytes,
                         const char **out_folder)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct text id;
    (void)SHA256(bytes.data, bytes.len, digest);
    text_init(&id, snapshot->id, sizeof snapshot->id);
    text_append_hex(&id, slice_of(digest, (sizeof snapshot->id - 1) / 2));
    snapshot->path = arena_copy_string(snapshot->arena, slice_of_string(path));
    *out_folder = loader_folder(snapshot->arena, path);
    const char *source = arena_copy_string(snapshot->arena, bytes);
    snapshot->source = slice_of(source, source == NULL ? 0 : bytes.len);
    return snapshot->path != NULL && *out_folder != NULL && source != NULL;
}

static enum err snapshot_fill(struct snapshot *snapshot, struct slice bytes, const char *path,
                              const struct snapshot *in_force, int64_t now_s,
                              struct diagnostics *diagnostics)
{
    const char *label = source_label(path);
    struct reader reader = {.diagnostics = diagnostics, .file = label, .arena = snapshot->arena};
    struct loader loader = {
        .reader = &reader, .snapshot = snapshot, .now_s = now_s, .in_force = in_force};
    struct yaml_document *document = NULL;
    TRY(yaml_document_parse(bytes, label, diagnostics, &document));
    if (set_identity(snapshot, path, bytes, &loader.folder))
        sections_read(&loader, yaml_document_root(document));
    else
        (void)reader_no_memory(&reader);
    yaml_document_destroy(document);
    if (reader.is_out_of_memory)
        return ERR_MEMORY;
    return diagnostics->error_count == 0 ? ERR_OK : ERR_INPUT;
}

// load_source makes a snapshot of a configuration's text; `in_force` was made from the same one, or is NULL.
static enum err load_source(struct slice source, const char *path, const struct snapshot *in_force,
                            int64_t now_s, struct diagnostics *diagnostics, struct snapshot **out)
{
    enum err error = ERR_OK;
    struct snapshot *snapshot = snapshot_create();
    if (snapshot == NULL) {
        (void)diagnostics_add(diagnostics, SEVERITY_ERROR, path, 0, 0,
                              "no memory to load the configuration");
        error = ERR_MEMORY;
    } else {
        error = snapshot_fill(snapshot, source, path, in_force, now_s, diagnostics);
    }
    diagnostics_sort(diagnostics);
    if (error == ERR_OK)
        *out = snapshot;
    else
        snapshot_unref(snapshot);
    return error;
}

enum err snapshot_load(const char *path, int64_t now_s, struct diagnostics *diagnostics,
                       struct snapshot **out)
{
    struct file_content content = {0};
    struct errinfo info = {0};
    *out = NULL;
    enum err error = source_read(path, YAML_MAX_BYTES, &content, &info);
    if (error == ERR_OK)
        error = load_source(content.bytes, path, NULL, now_s, diagnostics, out);
    else
        (void)diagnostics_add(diagnostics, SEVERITY_ERROR, source_label(path), 0, 0, "%s",
                              info.text);
    file_content_deinit(&content);
    return error;
}

enum err snapshot_load_again(const struct snapshot *like, int64_t now_s,
                             struct diagnostics *diagnostics, struct snapshot **out)
{
    *out = NULL;
    return load_source(like->source, like->path, like, now_s, diagnostics, out);
}

bool snapshot_has_same_files(const struct snapshot *a, const struct snapshot *b)
{
    if (!slice_equal(a->source, b->source))
        return false;
    const struct snapshot_file *file_a = a->files;
    const struct snapshot_file *file_b = b->files;
    while (file_a != NULL && file_b != NULL) {
        if (strcmp(file_a->path, file_b->path) != 0 ||
            !slice_equal(slice_of(file_a->sha256, sizeof file_a->sha256),
                         slice_of(file_b->sha256, sizeof file_b->sha256)))
            return false;
        file_a = file_a->next;
        file_b = file_b->next;
    }
    return file_a == NULL && file_b == NULL;
}

const struct trust *snapshot_find_trust(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->trust_count; i++) {
        if (strcmp(trust_name(snapshot->trusts[i]), name) == 0)
            return snapshot->trusts[i];
    }
    return NULL;
}

// warn_of_lower_numbers says which lists look like those of a CA that was restored from a backup.
static void warn_of_lower_numbers(const struct snapshot *next, const struct trust *trust,
                                  const struct trust *before, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        if (trust_crl_succession(trust, i, before) == TRUST_SUCCESSION_LOWER)
            (void)diagnostics_add(diagnostics, SEVERITY_WARNING, next->path, 0, 0,
                                  "trust.%s: the new CRL of %s has number %s, lower than that of "
                                  "the one that it takes the place of: was the CA restored from a "
                                  "backup? Certificates that were revoked in between may be good "
                                  "again",
                                  trust_name(trust), crl.issuer, crl.number);
    }
}

enum err snapshot_may_follow(const struct snapshot *next, const struct snapshot *last,
                             struct errinfo *info)
{
    for (size_t i = 0; i < next->trust_count; i++) {
        const struct trust *trust = next->trusts[i];
        const struct trust *before = snapshot_find_trust(last, trust_name(trust));
        if (before != NULL)
            TRY(trust_check_crls_succeed(trust, before, info));
    }
    return ERR_OK;
}

// warn_of_lost says which CAs had a list before.
static void warn_of_lost(const struct snapshot *next, const struct trust *trust,
                         const struct trust *before, struct diagnostics *diagnostics)
{
    const char *issuer = NULL;
    size_t index = 0;
    while ((issuer = trust_lost_crl(trust, before, &index)) != NULL)
        diagnostic_set_hint(
            diagnostics_add(diagnostics, SEVERITY_WARNING, next->path, 0, 0,
                            "trust.%s: the CRL of %.200s is gone: those under this CA whom no "
                            "other list covers are refused (`crl_missing`)",
                            trust_name(trust), issuer),
            "put its list back, or the CA's next one");
}

void snapshot_warn_of_lists(const struct snapshot *next, const struct snapshot *last,
                            struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < next->trust_count; i++) {
        const struct trust *trust = next->trusts[i];
        const struct trust *before = snapshot_find_trust(last, trust_name(trust));
        if (before == NULL)
            continue;
        warn_of_lower_numbers(next, trust, before, diagnostics);
        warn_of_lost(next, trust, before, diagnostics);
    }
}
