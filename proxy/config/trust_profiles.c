// Options by table; certificates, `denied`, `purposes` and lists by hand.
#include "proxy/config/trust_profiles.h"

#include <inttypes.h>
#include <unistd.h>

#include "auth/base/date.h"
#include "auth/spiffe_id.h"
#include "proxy/config/crl_servers.h"
#include "proxy/config/crls.h"
#include "proxy/config/named_files.h"
#include "proxy/config/ocsp.h"
#include "proxy/config/system_cas.h"
#include "proxy/config/validity.h"

enum {
    TRUST_PROFILES_MAX = 64,
    TRUST_FILES_MAX = 64, // in one `ca` or `intermediates`
    TRUST_NOTES_MAX = 4,  // a profile with more certificates gets one note
    DENIED_MAX = 100000,
    CA_FILE_MAX = 16 * 1024 * 1024, // bytes of a bundle of CAs
};

// profile is what the table fills.
struct profile {
    struct trust_options options;
    bool has_system_cas;
};

static const char *const expired_words[] = {"refuse", "keep", NULL};
static const char *const scope_words[] = {"chain", "leaf", NULL};

// domain_read reads the trust domain of a profile.
static void domain_read(struct reader *reader, const struct node *node, const char *what,
                        void *field)
{
    const char **out = field;
    const struct slice scheme = SLICE_LITERAL("spiffe://");
    struct slice text = {0};
    if (!reader_text(reader, node, what, SPIFFE_ID_MAX, &text))
        return;
    if (slice_equal_ignore_case(slice_first(text, scheme.len), scheme))
        reader_error(
            reader, node,
            "%s: expected the trust domain alone, not a SPIFFE ID"
            "\nwrite what stands between `spiffe://` and the next `/`, such as example.org",
            what);
    else if (spiffe_domain_is_valid(text))
        *out = reader_copy(reader, text);
    else
        (void)reader_refuse(reader, node, what,
                            "no SPIFFE trust domain: it has 1 to 255 of a-z 0-9 . _ -",
                            "write it in lower case, without port and path, such as example.org");
}

#define PROFILE(key, kind, field, ...) KEY_ROW(key, kind, struct profile, field, __VA_ARGS__)

static const struct key profile_keys[] = {
    KEY_KNOWN("ca", KEY_OPTIONAL),
    KEY_KNOWN("intermediates", KEY_OPTIONAL),
    PROFILE("system_cas", KEY_BOOL, has_system_cas, .fallback = false),
    KEY_KNOWN("crl", KEY_OPTIONAL),
    KEY_KNOWN("crl_cache", KEY_OPTIONAL),
    PROFILE("crl_expired", KEY_CHOICE, options.keeps_expired_crls, .words = expired_words),
    PROFILE("crl_scope", KEY_CHOICE, options.is_crl_for_leaves, .words = scope_words),
    PROFILE("strict", KEY_BOOL, options.is_strict, .fallback = false),
    PROFILE("max_lifetime", KEY_SECONDS, options.max_lifetime_s, .min = SECOND_MS,
            .max = 36500 * DAY_MS),
    PROFILE("max_depth", KEY_NUMBER, options.max_depth, .max = TRUST_MAX_DEPTH,
            .fallback = TRUST_DEFAULT_MAX_DEPTH),
    PROFILE("spiffe", KEY_READ, options.trust_domain, .read = domain_read),
    KEY_KNOWN("ocsp", KEY_OPTIONAL),
    KEY_KNOWN("denied", KEY_OPTIONAL),
    KEY_KNOWN("purposes", KEY_OPTIONAL),
};

// denied is one entry of `denied`.
struct denied {
    const uint8_t *sha256;
    struct slice issuer;
    struct slice serial;
};

static const struct key denied_keys[] = {
    KEY_OF("sha256", match_read_digest, struct denied, sha256),
    KEY_OF("issuer", match_read_name, struct denied, issuer),
    KEY_OF("serial", match_read_serial, struct denied, serial),
};

const struct section profile_section = SECTION("a trust profile", profile_keys);
const struct section denied_section = SECTION("an entry of `denied`", denied_keys);

typedef enum err trust_add_function(struct trust *trust, struct slice pem, struct errinfo *info);

// files_add gives every file of the list `node` to `add`.
static void files_add(struct reader *reader, const struct node *node, const char *what, size_t min,
                      trust_add_function *add, struct trust *trust)
{
    if (!reader_list(reader, node, what, min, TRUST_FILES_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct file_content content = {0};
        struct errinfo info = {0};
        const char *path = NULL;
        if (!reader_file(reader, entry, what, CA_FILE_MAX, FILE_PUBLIC, &path, &content))
            continue;
        const enum err error = add(trust, content.bytes, &info);
        if (error == ERR_MEMORY)
            reader_no_memory(reader);
        else if (error != ERR_OK)
            reader_error(reader, entry, "%s: %s: %s", what, path, info.text);
        file_content_deinit(&content);
    }
}

// warn_of_damage says where the system's bundle has what cannot be read.
static void warn_of_damage(struct reader *reader, const struct pem_left_out *left_out)
{
    if (left_out->count == 0)
        return;
    (void)diagnostics_add(
        reader->diagnostics, SEVERITY_WARNING, SYSTEM_CAS_PATH, left_out->first_line, 1,
        "`system_cas`: this block is damaged, or not a certificate, and is left out (%zu in this "
        "file): nobody is accepted under it"
        "\nrun: update-ca-certificates --fresh",
        left_out->count);
}

void profile_add_system_cas(struct reader *reader, const struct node *node, struct trust *trust)
{
    struct file_content content = {0};
    struct errinfo info = {0};
    struct pem_left_out left_out = {0};
    enum err error = ERR_OK;
    if (system_cas_read(reader, node, "`system_cas`", &content))
        error = trust_add_system_cas(trust, content.bytes, &left_out, &info);
    warn_of_damage(reader, &left_out);
    if (error == ERR_MEMORY)
        reader_no_memory(reader);
    else if (error != ERR_OK)
        reader_error(reader, node, "`system_cas`: %s: %s", SYSTEM_CAS_PATH, info.text);
    file_content_deinit(&content);
}

void profile_add_cas(struct reader *reader, const struct node *node, struct trust *trust)
{
    const struct node *system_cas = node_get(node, "system_cas");
    files_add(reader, node_get(node, "ca"), "`ca`", 1, trust_add_ca, trust);
    if (system_cas != NULL && slice_equal(system_cas->text, SLICE_LITERAL("true")))
        profile_add_system_cas(reader, system_cas, trust);
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
    struct denied denied = {0};
    if (!section_read(reader, node, &denied_section, &denied))
        return;
    const bool has_digest = node_get(node, "sha256") != NULL;
    const bool has_issuer = node_get(node, "issuer") != NULL;
    const bool has_serial = node_get(node, "serial") != NULL;
    if (has_issuer != has_serial || has_digest == has_issuer) {
        reader_error(reader, node,
                     "an entry of `denied` names one certificate: by `sha256`, or by `issuer` and "
                     "`serial`"
                     "\nwrite {sha256: \"9f...\"} or {issuer: \"CN=Clients CA\", serial: "
                     "\"4f01\"}");
        return;
    }
    enum err error = ERR_OK;
    if (denied.sha256 != NULL)
        error = trust_deny_sha256(trust, denied.sha256);
    else if (denied.issuer.data != NULL && denied.serial.data != NULL)
        error = deny_serial(trust, denied.issuer, denied.serial);
    if (error == ERR_LIMIT)
        reader_error(reader, node, "`denied`: too many, together with those in force");
    else if (error != ERR_OK)
        reader_no_memory(reader);
}

// denied_keep takes over what the profile denies that is in force: a refused configuration may have added to it.
static void denied_keep(struct reader *reader, const struct snapshot *in_force, struct trust *trust)
{
    const struct trust *before =
        in_force == NULL ? NULL : snapshot_find_trust(in_force, trust_name(trust));
    if (before != NULL && trust_keep_denied(trust, before) != ERR_OK)
        reader_no_memory(reader);
}

void profile_read_denied(struct reader *reader, const struct node *node, struct trust *trust)
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
    const char *words[USAGE_COUNT];
    if (node == NULL || !reader_list(reader, node, "`purposes`", 1, USAGE_COUNT))
        return;
    for (size_t i = 0; i < USAGE_COUNT; i++)
        words[i] = usage_name(i);
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        size_t number = 0;
        if (!reader_choice(reader, entry, "`purposes`", words, USAGE_COUNT, &number))
            continue;
        const uint32_t usage = UINT32_C(1) << number;
        if ((options->usages & usage) != 0)
            reader_error(reader, entry, "`purposes`: `%s` appears twice", words[number]);
        options->usages |= usage;
    }
    if (has_system_cas && (options->usages & (USAGE_ANY | USAGE_SERVER_AUTH)) != 0)
        reader_warning(reader, node,
                       "`purposes` with `any` or `server_auth`, and `system_cas`: everybody with a "
                       "web server's certificate of a public CA passes the handshake"
                       "\nname the CAs under `ca`, and let `clients` match exact names only");
}

// check_needs_crl warns of a key that says something about lists where there are none.
static void check_needs_crl(struct reader *reader, const struct node *profile, const char *key)
{
    const struct node *node = node_get(profile, key);
    if (node != NULL && node_get(profile, "crl") == NULL)
        reader_warning(reader, node, "`%s` does nothing without `crl`", key);
}

// describe notes what a finished profile holds.
static void describe(struct reader *reader, const struct node *node, const struct trust *trust)
{
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
            reader_warning(reader, node, "trust.%s: %s (%s): %s", trust_name(trust), what,
                           found.subject, found.warning);
        else if (found.is_left_out)
            continue; // of a bundle that others keep
        if (count <= TRUST_NOTES_MAX ||
            date_days_left(reader->now_s, found.not_after_s) <= CERTIFICATE_WARNING_DAYS)
            validity_report(reader, node, what, found.subject, found.not_after_s);
    }
    if (count > TRUST_NOTES_MAX)
        reader_note(reader, node,
                    "trust.%s: %zu anchors and %zu helpers, the first of them expires in "
                    "%" PRId64 " days",
                    trust_name(trust), anchors, count - anchors,
                    date_days_left(reader->now_s, earliest_s));
    crls_describe(reader, node, trust);
}

// lists is where the lists of a profile go.
struct lists {
    struct trust *trust;
    struct snapshot *snapshot;
};

// add_crl adds a list. A bad one that was fetched, and spoiled since, is left out, and fetched again.
static void add_crl(struct reader *reader, const struct node *node, const char *path,
                    struct slice bytes, void *arg)
{
    const struct lists *lists = arg;
    struct errinfo info = {0};
    const enum err error = crl_add(lists->trust, node, bytes, &info);
    if (error != ERR_OK)
        trust_await_crl(lists->trust);
    if (error == ERR_MEMORY)
        reader_no_memory(reader);
    else if (error != ERR_OK && node->kind == NODE_MAP)
        reader_warning(reader, node,
                       "`crl`: the list that was fetched is left out: %s: %s"
                       "\nit is fetched again; remove the file if that does not help",
                       path, info.text);
    else if (error != ERR_OK)
        reader_error(reader, node, "`crl`: %s: %s", path, info.text);
}

// has_learned tells whether the profile of this name has an entry with `from` already.
static bool has_learned(const struct snapshot *snapshot, const char *trust)
{
    const struct crl_source_entry *entry = snapshot->crl_sources;
    while (entry != NULL &&
           !(entry->source->is_learned && strcmp(entry->source->trust, trust) == 0))
        entry = entry->next;
    return entry != NULL;
}

// note_source keeps who is to be asked for a list.
static void note_source(struct reader *reader, const struct node *node,
                        const struct crl_source *source, void *arg)
{
    const struct lists *lists = arg;
    struct crl_source_entry *entry = reader_alloc(reader, 1, sizeof *entry);
    if (entry == NULL)
        return;
    if (source->is_learned && has_learned(lists->snapshot, source->trust)) {
        reader_error(reader, node,
                     "`crl` has two entries with `from`"
                     "\nwrite one, with all prefixes in its `under`");
        return;
    }
    if (source->is_learned &&
        trust_allow_wishes(lists->trust, source->prefixes, source->prefix_count) != ERR_OK)
        (void)reader_no_memory(reader);
    if (!source->is_learned && access(source->path, R_OK) != 0)
        trust_await_crl(lists->trust);
    crl_server_read(reader, node, source, &entry->tls);
    entry->source = source;
    entry->next = lists->snapshot->crl_sources;
    lists->snapshot->crl_sources = entry;
}

static void add_ocsp(struct reader *reader, const struct node *node, int64_t handshake_ms,
                     struct trust *trust)
{
    struct ocsp_settings *settings = ocsp_read(reader, node, handshake_ms);
    trust_set_ocsp(trust, settings);
    ocsp_settings_unref(settings);
}

static void profile_read(struct reader *reader, const struct node *node, const char *name,
                         const struct snapshot *in_force, struct snapshot *snapshot,
                         struct trust **out)
{
    const struct node *ca = node_get(node, "ca");
    struct profile profile = {.options = {.name = name, .requires_crls = crl_sources_has(node)}};
    struct errinfo info = {0};
    if (!section_read(reader, node, &profile_section, &profile))
        return;
    if (ca == NULL && !profile.has_system_cas)
        reader_error(reader, node, "a trust profile has no `ca`, which is required");
    check_needs_crl(reader, node, "crl_expired");
    check_needs_crl(reader, node, "crl_scope");
    crl_sources_check(reader, node);
    purposes_read(reader, node_get(node, "purposes"), profile.has_system_cas, &profile.options);
    if (trust_create(&profile.options, out) != ERR_OK) {
        reader_no_memory(reader);
        return;
    }
    struct lists lists = {.trust = *out, .snapshot = snapshot};
    const struct crl_visitor visitor = {.take = add_crl, .note = note_source, .arg = &lists};
    const size_t errors_before = reader->diagnostics->error_count;
    add_ocsp(reader, node_get(node, "ocsp"), snapshot->timeouts.handshake_ms, *out);
    profile_add_cas(reader, node, *out);
    files_add(reader, node_get(node, "intermediates"), "`intermediates`", 0,
              trust_add_intermediates, *out);
    denied_keep(reader, in_force, *out);
    profile_read_denied(reader, node_get(node, "denied"), *out);
    if (reader->diagnostics->error_count == errors_before)
        crls_walk(reader, node, &visitor);
    if ((ca == NULL && !profile.has_system_cas) ||
        reader->diagnostics->error_count != errors_before)
        return; // what is missing would only be reported again
    if (trust_finish(*out, reader->now_s, &info) != ERR_OK)
        reader_error(reader, ca != NULL ? ca : node_get(node, "system_cas"), "trust.%s: %s", name,
                     info.text);
    else
        describe(reader, node->key, *out);
}

void trust_profiles_read(struct reader *reader, const struct node *node,
                         const struct snapshot *in_force, struct snapshot *snapshot,
                         struct name_list *out_names)
{
    *out_names = (struct name_list){0};
    if (node == NULL)
        return;
    if (node->kind != NODE_MAP || node->child == NULL || node->child_count > TRUST_PROFILES_MAX) {
        reader_error(reader, node,
                     "`trust` is not a map of 1 to %d profiles by name"
                     "\nwrite `trust: {staff: {ca: [clients-ca.crt]}}`",
                     TRUST_PROFILES_MAX);
        return;
    }
    const char **names = reader_alloc(reader, node->child_count, sizeof *names);
    struct trust **trusts = reader_alloc(reader, node->child_count, sizeof *trusts);
    if (names == NULL || trusts == NULL)
        return;
    out_names->names = names;
    snapshot->trusts = trusts;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        const size_t index = out_names->count;
        if (!reader_name(reader, entry->key, "trust profile", &names[index]))
            continue;
        snapshot->trust_count = ++out_names->count;
        profile_read(reader, entry, names[index], in_force, snapshot, &trusts[index]);
    }
}
