// References, revisions, and what the process asks of a configuration.
#include "proxy/config/snapshot.h"

#include <openssl/mem.h>
#include <stdlib.h>

#include "proxy/config/endpoint_text.h"
#include "proxy/uplink/credentials.h"
#include "proxy/uplink/proxy_board.h"

struct denials *denials_ref(struct denials *denials)
{
    if (denials != NULL)
        (void)atomic_fetch_add_explicit(&denials->refs, 1, memory_order_relaxed);
    return denials;
}

void denials_unref(struct denials *denials)
{
    if (denials == NULL || atomic_fetch_sub_explicit(&denials->refs, 1, memory_order_acq_rel) != 1)
        return;
    policy_destroy(denials->policy);
    free(denials);
}

struct taking *taking_ref(struct taking *taking)
{
    if (taking != NULL)
        (void)atomic_fetch_add_explicit(&taking->refs, 1, memory_order_relaxed);
    return taking;
}

void taking_unref(struct taking *taking)
{
    if (taking == NULL || atomic_fetch_sub_explicit(&taking->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < taking->trust_count; i++)
        trust_destroy(taking->trusts[i]);
    denials_unref(taking->denials);
    arena_destroy(taking->arena);
    free(taking);
}

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
        for (size_t j = 0; j < listener->site_count; j++)
            tls_context_unref(listener->sites[j].tls);
    }
    for (size_t i = 0; i < snapshot->parent_count; i++) {
        credentials_unref(snapshot->parents[i].credentials);
        proxy_board_unref(snapshot->parents[i].board);
    }
    if (snapshot->authorizer != NULL)
        server_trust_unref(snapshot->authorizer->tls);
    if (snapshot->shared != NULL) {
        server_trust_unref(snapshot->shared->store.tls);
        OPENSSL_cleanse(snapshot->shared, sizeof *snapshot->shared);
    }
    if (snapshot->admin != NULL)
        tls_context_unref(snapshot->admin->tls);
    for (size_t i = 0; i < snapshot->audit_outlet_count; i++)
        server_trust_unref(snapshot->audit_outlets[i].tls);
    for (struct crl_source_entry *e = snapshot->crl_sources; e != NULL; e = e->next)
        server_trust_unref(e->tls);
    for (size_t i = 0; i < snapshot->trust_count; i++)
        trust_destroy(snapshot->trusts[i]);
    policy_destroy(snapshot->policy);
    host_table_unref(snapshot->resolver.hosts);
    for (size_t i = 0; i < snapshot->resolver.server_count; i++) {
        stream_guard_unref(snapshot->resolver.servers[i].guard);
        dns_standing_unref(snapshot->resolver.servers[i].standing);
    }
    chain_settings_destroy(snapshot->audit_chain);
    OPENSSL_cleanse(&snapshot->tickets, sizeof snapshot->tickets);
    arena_destroy(snapshot->arena);
    free(snapshot);
}

// revise puts what is not the base's into a revision.
static void revise(struct snapshot *revision, struct snapshot *base, struct blocklist *blocks,
                   struct taking *taking)
{
    revision->base = base;
    revision->blocks = blocks;
    revision->taking = taking;
    if (taking == NULL)
        return;
    revision->trusts = taking->trusts;
    revision->listeners = taking->listeners;
    if (taking->denials != NULL)
        revision->policy = taking->denials->policy;
}

// copy_rest copies everything but the count of references.
static void copy_rest(const struct snapshot *from, struct snapshot *to)
{
    const size_t after_refs = offsetof(struct snapshot, base);
    const struct slice rest =
        slice_of((const uint8_t *)from + after_refs, sizeof *from - after_refs);
    (void)bytes_copy((uint8_t *)to + after_refs, rest.len, rest);
}

enum err snapshot_revise(struct snapshot *snapshot, struct blocklist *blocks, struct taking *taking,
                         struct snapshot **out)
{
    struct snapshot *revision = calloc(1, sizeof *revision);
    *out = NULL;
    if (revision == NULL)
        return ERR_MEMORY;
    copy_rest(snapshot, revision);
    atomic_init(&revision->refs, 1);
    revise(revision, snapshot_ref(snapshot->base == NULL ? snapshot : snapshot->base),
           blocklist_ref(blocks), taking_ref(taking));
    *out = revision;
    return ERR_OK;
}

void snapshot_renew(struct snapshot *revision)
{
    struct snapshot *base = revision->base;
    struct blocklist *blocks = revision->blocks;
    struct taking *taking = revision->taking;
    copy_rest(base, revision);
    revise(revision, base, blocks, taking);
    revision->policy->own = base->policy->own;
    revision->policy->own_count = base->policy->own_count;
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

bool listener_config_is_same_place(const struct listener_config *a, const struct listener_config *b)
{
    return endpoint_equal(&a->address, &b->address) &&
           (a->address.port != 0 || strcmp(a->name, b->name) == 0);
}

const struct listener_config *snapshot_find_listener(const struct snapshot *snapshot,
                                                     const struct listener_config *like)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (listener_config_is_same_place(&snapshot->listeners[i], like))
            return &snapshot->listeners[i];
    }
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (strcmp(snapshot->listeners[i].name, like->name) == 0)
            return &snapshot->listeners[i];
    }
    return NULL;
}

bool listener_config_is_balancer(const struct listener_config *listener,
                                 const struct ip_addr *address)
{
    const struct ip_set *from = listener->proxy_protocol.from;
    return from != NULL && ip_set_holds(from, address, ip_addr_classify(address));
}

// site_fit tells how well a site fits: 0 not at all, and an exact name better than any `*.`.
static size_t site_fit(const struct site *site, const struct hostname *name)
{
    size_t best = 0;
    for (size_t i = 0; i < site->name_count; i++) {
        const struct host_pattern *pattern = &site->names[i];
        const bool is_exact = pattern->kind == HOST_PATTERN_EXACT;
        const size_t fit = is_exact ? HOSTNAME_MAX_LEN + 1u : pattern->name.len;
        if (host_pattern_matches(pattern, name) && fit > best)
            best = fit;
    }
    return best;
}

const struct site *listener_config_find_site(const struct listener_config *listener,
                                             const char *server_name)
{
    const struct site *site = &listener->sites[0];
    struct hostname name;
    size_t best = 0;
    if (server_name == NULL || hostname_parse(slice_of_string(server_name), &name) != ERR_OK)
        return site;
    for (size_t i = 1; i < listener->site_count; i++) {
        const size_t fit = site_fit(&listener->sites[i], &name);
        if (fit > best)
            site = &listener->sites[i];
        best = fit > best ? fit : best;
    }
    return site;
}

struct snapshot *snapshot_create(void)
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

bool snapshot_files_equal(const struct snapshot_file *a, const struct snapshot_file *b)
{
    while (a != NULL && b != NULL) {
        if (strcmp(a->path, b->path) != 0 || memcmp(a->sha256, b->sha256, sizeof a->sha256) != 0)
            return false;
        a = a->next;
        b = b->next;
    }
    return a == b;
}

bool snapshot_has_same_files(const struct snapshot *a, const struct snapshot *b)
{
    return slice_equal(a->source, b->source) && snapshot_files_equal(a->files, b->files) &&
           (a->included.problem == NULL) == (b->included.problem == NULL);
}

const struct trust *snapshot_find_trust(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->trust_count; i++) {
        if (strcmp(trust_name(snapshot->trusts[i]), name) == 0)
            return snapshot->trusts[i];
    }
    return NULL;
}

const struct parent_config *snapshot_find_parent(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->parent_count; i++) {
        if (strcmp(snapshot->parents[i].name, name) == 0)
            return &snapshot->parents[i];
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
            (void)diagnostics_add(
                diagnostics, SEVERITY_WARNING, next->path, 0, 0,
                "trust.%s: the new CRL of %s has number %s, lower than that of the one that it replaces: was the CA restored from a "
                "backup? Certificates that were revoked in between may be good again",
                trust_name(trust), crl.issuer, crl.number);
    }
}

void snapshot_keep_seen(struct snapshot *next, const struct snapshot *last)
{
    for (size_t i = 0; i < next->trust_count; i++) {
        const struct trust *before = snapshot_find_trust(last, trust_name(next->trusts[i]));
        if (before != NULL)
            trust_keep_seen(next->trusts[i], before);
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
        (void)diagnostics_add(diagnostics, SEVERITY_WARNING, next->path, 0, 0,
                              "trust.%s: the CRL of %.200s is gone: those under this CA whom no "
                              "other list covers are refused (`crl_missing`)"
                              "\nput its list back, or the CA's next one",
                              trust_name(trust), issuer);
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
