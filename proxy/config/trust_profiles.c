// The entries of `trust`: names, files of certificates, and bounds, into profiles of auth/trust.
#include "proxy/config/loader.h"

#include <inttypes.h>

#include "proxy/config/matches.h"

enum {
    TRUST_PROFILES_MAX = 64,
    TRUST_FILES_MAX = 64, // in one `ca` or `intermediates`
    TRUST_NOTES_MAX = 4,  // a profile with more certificates gets one note
    DENIED_MAX = 100000,
};

static const char SYSTEM_CAS[] = "/etc/ssl/certs/ca-certificates.crt";

typedef enum err trust_add_function(struct trust *trust, struct slice pem, struct errinfo *info);

// files_add gives every file of the list `node` to `add`.
static void files_add(struct loader *loader, const struct node *node, const char *what, size_t min,
                      trust_add_function *add, struct trust *trust)
{
    struct reader *reader = loader->reader;
    if (!reader_list(reader, node, what, min, TRUST_FILES_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct file_content content = {0};
        struct errinfo info = {0};
        const char *path = NULL;
        if (!loader_file(loader, entry, what, CA_FILE_MAX, FILE_PUBLIC, &path, &content))
            continue;
        if (add(trust, content.bytes, &info) != ERR_OK)
            (void)reader_error(reader, entry, "%s: %s: %s", what, path, info.text);
        file_content_deinit(&content);
    }
}

// warn_of_damage says where the system's bundle has what cannot be read.
static void warn_of_damage(struct loader *loader, const struct pem_left_out *left_out)
{
    if (left_out->count == 0)
        return;
    diagnostic_set_hint(
        diagnostics_add(loader->reader->diagnostics, SEVERITY_WARNING, SYSTEM_CAS,
                        left_out->first_line, 1,
                        "`system_cas`: this block is damaged, or no certificate, and is left out "
                        "(%zu in this file): nobody is accepted under it",
                        left_out->count),
        "run: update-ca-certificates --fresh");
}

// system_add gives the system's bundle to the profile.
static void system_add(struct loader *loader, const struct node *node, struct trust *trust)
{
    struct file_content content = {0};
    struct errinfo info = {0};
    struct pem_left_out left_out = {0};
    enum err error = file_read(SYSTEM_CAS, CA_FILE_MAX, FILE_PUBLIC, &content, &info);
    if (error == ERR_OK)
        loader_note_file(loader, SYSTEM_CAS, content.bytes);
    if (error == ERR_OK)
        error = trust_add_system_cas(trust, content.bytes, &left_out, &info);
    warn_of_damage(loader, &left_out);
    if (error != ERR_OK)
        diagnostic_set_hint(
            reader_error(loader->reader, node, "`system_cas`: %s: %s", SYSTEM_CAS, info.text),
            "install the package ca-certificates, or name the CAs under `ca`");
    file_content_deinit(&content);
}

static enum err deny_serial(struct trust *trust, struct slice issuer, struct slice serial)
{
    struct dn name = {.len = issuer.len};
    if (!bytes_copy(name.bytes, sizeof name.bytes, issuer))
        return ERR_LIMIT;
    return trust_deny_serial(trust, &name, serial);
}

static void deny(struct reader *reader, const struct node *node, struct trust *trust)
{
    static const struct key keys[] = {
        {"sha256", KEY_OPTIONAL}, {"issuer", KEY_OPTIONAL}, {"serial", KEY_OPTIONAL}};
    const uint8_t *sha256 = NULL;
    struct slice issuer = {0};
    struct slice serial = {0};
    if (!reader_map(reader, node, "an entry of `denied`", keys, sizeof keys / sizeof keys[0]))
        return;
    const bool has_digest = node_get(node, "sha256") != NULL;
    const bool has_issuer = node_get(node, "issuer") != NULL;
    const bool has_serial = node_get(node, "serial") != NULL;
    if (has_issuer != has_serial || has_digest == has_issuer) {
        diagnostic_set_hint(reader_error(reader, node,
                                         "an entry of `denied` names one certificate: "
                                         "by `sha256`, or by `issuer` and `serial`"),
                            "write {sha256: \"9f...\"} or {issuer: \"CN=Clients CA\", serial: "
                            "\"4f01\"}");
        return;
    }
    match_read_digest(reader, node_get(node, "sha256"), "`sha256`", &sha256);
    match_read_name(reader, node_get(node, "issuer"), "`issuer`", &issuer);
    match_read_serial(reader, node_get(node, "serial"), &serial);
    enum err error = ERR_OK;
    if (sha256 != NULL)
        error = trust_deny_sha256(trust, sha256);
    else if (issuer.data != NULL && serial.data != NULL)
        error = deny_serial(trust, issuer, serial);
    if (error == ERR_LIMIT)
        (void)reader_error(reader, node, "`denied`: too many, together with those in force");
    else if (error != ERR_OK)
        (void)reader_no_memory(reader);
}

// denied_keep takes over what the profile denies that is in force: a refused configuration may have added to it.
static void denied_keep(struct loader *loader, struct trust *trust)
{
    const struct snapshot *in_force = loader->in_force;
    const struct trust *before =
        in_force == NULL ? NULL : snapshot_find_trust(in_force, trust_name(trust));
    if (before != NULL && trust_keep_denied(trust, before) != ERR_OK)
        (void)reader_no_memory(loader->reader);
}

static void denied_read(struct reader *reader, const struct node *node, struct trust *trust)
{
    if (node == NULL || !reader_list(reader, node, "`denied`", 0, DENIED_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        deny(reader, entry, trust);
}

// purposes_read reads the list `purposes`. What is wider than by default lets certificates in that were not made
// for clients, which is a warning where others decide who gets one.
static void purposes_read(struct reader *reader, const struct node *node, bool has_system_cas,
                          struct trust_options *options)
{
    const char *words[TRUST_USAGES];
    if (node == NULL || !reader_list(reader, node, "`purposes`", 1, TRUST_USAGES))
        return;
    for (size_t i = 0; i < TRUST_USAGES; i++)
        words[i] = trust_usage_name(i);
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        size_t number = 0;
        if (!reader_choice(reader, entry, "`purposes`", words, TRUST_USAGES, &number))
            continue;
        const uint32_t usage = UINT32_C(1) << number;
        if ((options->usages & usage) != 0)
            (void)reader_error(reader, entry, "`purposes`: `%s` stands twice", words[number]);
        options->usages |= usage;
    }
    if (has_system_cas && (options->usages & (TRUST_USAGE_ANY | TRUST_USAGE_SERVER_AUTH)) != 0)
        diagnostic_set_hint(
            reader_warning(
                reader, node,
                "`purposes` with `any` or `server_auth`, and `system_cas`: everybody with "
                "a web server's certificate of a public CA passes the handshake"),
            "name the CAs under `ca`, and let `clients` match exact names only");
}

static void options_read(struct reader *reader, const struct node *node,
                         struct trust_options *options)
{
    static const char *const expired_words[] = {"refuse", "keep"};
    static const char *const scope_words[] = {"chain", "leaf"};
    size_t expired = 0;
    size_t scope = 0;
    if (node_get(node, "strict") != NULL)
        (void)reader_boolean(reader, node_get(node, "strict"), "`strict`", &options->is_strict);
    if (node_get(node, "crl_expired") != NULL) {
        (void)reader_choice(reader, node_get(node, "crl_expired"), "`crl_expired`", expired_words,
                            2, &expired);
        if (node_get(node, "crl") == NULL)
            (void)reader_warning(reader, node_get(node, "crl_expired"),
                                 "`crl_expired` does nothing without `crl`");
    }
    options->keeps_expired_crls = expired == 1;
    if (node_get(node, "crl_scope") != NULL) {
        (void)reader_choice(reader, node_get(node, "crl_scope"), "`crl_scope`", scope_words, 2,
                            &scope);
        if (node_get(node, "crl") == NULL)
            (void)reader_warning(reader, node_get(node, "crl_scope"),
                                 "`crl_scope` does nothing without `crl`");
    }
    options->is_crl_for_leaves = scope == 1;
    int64_t depth = TRUST_DEFAULT_MAX_DEPTH;
    int64_t lifetime_ms = 0;
    const struct node *max_lifetime = node_get(node, "max_lifetime");
    if (node_get(node, "max_depth") != NULL)
        (void)reader_integer(reader, node_get(node, "max_depth"), "`max_depth`", 0, TRUST_MAX_DEPTH,
                             &depth);
    if (max_lifetime != NULL)
        (void)reader_duration(reader, max_lifetime, "`max_lifetime`", 1000,
                              INT64_C(36500) * 24 * 60 * 60 * 1000, &lifetime_ms);
    options->max_depth = (uint32_t)depth;
    options->max_lifetime_s = lifetime_ms / 1000;
    if (lifetime_ms % 1000 != 0)
        (void)reader_error(reader, max_lifetime, "`max_lifetime`: expected whole seconds");
}

// describe notes what a finished profile holds.
static void describe(struct loader *loader, const struct node *node, const struct trust *trust)
{
    struct reader *reader = loader->reader;
    const size_t count = trust_certificate_count(trust);
    size_t anchors = 0;
    int64_t earliest_s = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct trust_certificate found = trust_certificate_at(trust, i);
        const char *what = found.is_anchor ? "the anchor" : "the helper";
        anchors += found.is_anchor;
        if (found.not_after_s < earliest_s)
            earliest_s = found.not_after_s;
        if (found.warning != NULL)
            (void)reader_warning(reader, node, "trust.%s: %s (%s): %s", trust_name(trust), what,
                                 found.subject, found.warning);
        else if (found.is_left_out)
            continue; // of a bundle that others keep
        if (count <= TRUST_NOTES_MAX ||
            days_left(loader->now_s, found.not_after_s) <= CERTIFICATE_WARNING_DAYS)
            loader_validity(loader, node, what, found.subject, found.not_after_s);
    }
    if (count > TRUST_NOTES_MAX)
        (void)reader_note(reader, node,
                          "trust.%s: %zu anchors and %zu helpers, the first of them expires in "
                          "%" PRId64 " days",
                          trust_name(trust), anchors, count - anchors,
                          days_left(loader->now_s, earliest_s));
    crls_describe(loader, node, trust);
}

static void profile_read(struct loader *loader, const struct node *node, const char *name,
                         struct trust **out)
{
    static const struct key keys[] = {
        {"ca", KEY_OPTIONAL},     {"intermediates", KEY_OPTIONAL}, {"system_cas", KEY_OPTIONAL},
        {"crl", KEY_OPTIONAL},    {"crl_expired", KEY_OPTIONAL},   {"crl_scope", KEY_OPTIONAL},
        {"strict", KEY_OPTIONAL}, {"max_lifetime", KEY_OPTIONAL},  {"max_depth", KEY_OPTIONAL},
        {"denied", KEY_OPTIONAL}, {"purposes", KEY_OPTIONAL},
    };
    const struct node *ca = node_get(node, "ca");
    const struct node *system_cas = node_get(node, "system_cas");
    bool has_system_cas = false;
    struct reader *reader = loader->reader;
    struct trust_options options = {.name = name};
    struct errinfo info = {0};
    if (!reader_map(reader, node, "a trust profile", keys, sizeof keys / sizeof keys[0]))
        return;
    if (system_cas != NULL)
        (void)reader_boolean(reader, system_cas, "`system_cas`", &has_system_cas);
    if (ca == NULL && !has_system_cas)
        (void)reader_error(reader, node, "a trust profile has no `ca`, which is required");
    options_read(reader, node, &options);
    purposes_read(reader, node_get(node, "purposes"), has_system_cas, &options);
    if (trust_create(&options, out) != ERR_OK) {
        (void)reader_no_memory(reader);
        return;
    }
    const size_t errors_before = reader->diagnostics->error_count;
    files_add(loader, ca, "`ca`", 1, trust_add_ca, *out);
    if (has_system_cas)
        system_add(loader, system_cas, *out);
    files_add(loader, node_get(node, "intermediates"), "`intermediates`", 0,
              trust_add_intermediates, *out);
    denied_keep(loader, *out);
    denied_read(reader, node_get(node, "denied"), *out);
    if (reader->diagnostics->error_count == errors_before)
        crls_read(loader, node_get(node, "crl"), *out);
    if ((ca == NULL && !has_system_cas) || reader->diagnostics->error_count != errors_before)
        return; // what is missing would only be reported again
    if (trust_finish(*out, loader->now_s, &info) != ERR_OK)
        (void)reader_error(reader, ca != NULL ? ca : system_cas, "trust.%s: %s", name, info.text);
    else
        describe(loader, node->key, *out);
}

// trust_finish_like finishes a revision of `base` for today, or, where no anchor is valid today, for the time of
// `base`: then every chain has ended by its dates.
static enum err trust_finish_like(const struct loader *loader, const struct trust *base,
                                  struct trust **revision)
{
    struct errinfo info;
    if (trust_finish(*revision, loader->now_s, &info) == ERR_OK)
        return ERR_OK;
    trust_destroy(*revision);
    *revision = NULL;
    TRY(trust_revise(base, revision));
    return trust_finish(*revision, trust_finished_s(base), &info);
}

void trust_replace(struct loader *loader, struct trust *revision, struct trust **trust)
{
    struct errinfo info;
    if (trust_finish(revision, loader->now_s, &info) != ERR_OK) {
        trust_destroy(revision);
        loader->is_early = true;
        return;
    }
    trust_destroy(*trust);
    *trust = revision;
}

// anchors_take takes away the CAs that are gone from the profile's files. Where one of these cannot be read it
// takes nothing.
static void anchors_take(struct loader *loader, const struct node *node, struct trust **trust)
{
    const struct trust_options options = {.name = trust_name(*trust)};
    struct reader *reader = loader->reader;
    struct trust *present = NULL;
    struct trust *revision = NULL;
    bool has_system_cas = false;
    const size_t errors_before = reader->diagnostics->error_count;
    const struct node *ca = node_get(node, "ca");
    const struct node *system_cas = node_get(node, "system_cas");
    if (system_cas != NULL)
        (void)reader_boolean(reader, system_cas, "`system_cas`", &has_system_cas);
    if (trust_create(&options, &present) != ERR_OK || trust_revise(*trust, &revision) != ERR_OK) {
        (void)reader_no_memory(reader);
    } else {
        files_add(loader, ca, "`ca`", 1, trust_add_ca, present);
        if (has_system_cas)
            system_add(loader, system_cas, present);
        if (reader->diagnostics->error_count == errors_before &&
            trust_drop_absent(revision, present) == ERR_OK) {
            trust_replace(loader, revision, trust);
            revision = NULL;
        }
    }
    trust_destroy(present);
    trust_destroy(revision);
}

// denied_take denies what `next` denies, where all of its list is good.
static void denied_take(struct loader *loader, const struct node *next, struct trust **trust)
{
    struct reader *reader = loader->reader;
    const struct node *denied = node_get(next, "denied");
    const size_t errors_before = reader->diagnostics->error_count;
    struct trust *revision = NULL;
    if (denied == NULL)
        return;
    if (trust_revise(*trust, &revision) != ERR_OK) {
        (void)reader_no_memory(reader);
        return;
    }
    denied_read(reader, denied, revision);
    if (reader->diagnostics->error_count == errors_before)
        trust_replace(loader, revision, trust);
    else
        trust_destroy(revision);
}

enum err trust_profile_take(struct loader *loader, const struct node *node, const struct node *next,
                            const struct trust *current, struct trust **out)
{
    *out = NULL;
    TRY(trust_revise(current, out));
    if (trust_finish_like(loader, current, out) != ERR_OK) {
        trust_destroy(*out);
        *out = NULL;
        return ERR_MEMORY;
    }
    crls_take(loader, node_get(node, "crl"), out);
    anchors_take(loader, node, out);
    denied_take(loader, next, out);
    return ERR_OK;
}

void trust_profiles_read(struct loader *loader, const struct node *node,
                         const char *const **out_names, size_t *out_count)
{
    struct reader *reader = loader->reader;
    *out_names = NULL;
    *out_count = 0;
    if (node == NULL)
        return;
    if (node->kind != NODE_MAP || node->child == NULL || node->child_count > TRUST_PROFILES_MAX) {
        diagnostic_set_hint(reader_error(reader, node,
                                         "`trust` is no map of 1 to %d profiles by name",
                                         TRUST_PROFILES_MAX),
                            "write `trust: {staff: {ca: [clients-ca.crt]}}`");
        return;
    }
    const char **names = reader_alloc(reader, node->child_count, sizeof *names);
    struct trust **trusts = reader_alloc(reader, node->child_count, sizeof *trusts);
    if (names == NULL || trusts == NULL)
        return;
    loader->snapshot->trusts = trusts;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (!reader_check_name(reader, entry->key, "trust profile"))
            continue;
        names[*out_count] = reader_copy(reader, entry->key->text);
        if (names[*out_count] == NULL)
            return;
        loader->snapshot->trust_count = *out_count + 1;
        profile_read(loader, entry, names[*out_count], &trusts[*out_count]);
        (*out_count)++;
    }
    *out_names = names;
}
