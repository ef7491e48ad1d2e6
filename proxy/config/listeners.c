// The entries of `listeners`: where to listen, with which certificate, for which trust profile.
#include "proxy/config/loader.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "proxy/config/clients.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/limits.h"

enum { LISTENERS_MAX = 64, CERTIFICATES_MAX = 64, SNI_ENTRIES_MAX = 256, SNI_NAMES_MAX = 256 };

// choice_read tells whether the second of two words is written; the first is the default.
static bool choice_read(struct reader *reader, const struct node *node, const char *key,
                        const char *const words[2])
{
    size_t index = 0;
    return node != NULL && reader_choice(reader, node, key, words, 2, &index) && index == 1;
}

static void versions_read(struct reader *reader, const struct node *node,
                          struct tls_context_options *options)
{
    static const struct key keys[] = {
        {"min", KEY_OPTIONAL}, {"max", KEY_OPTIONAL}, {"tickets", KEY_OPTIONAL}};
    static const char *const words[] = {"1.2", "1.3"};
    static const enum tls_version versions[] = {TLS_VERSION_1_2, TLS_VERSION_1_3};
    size_t min = 0;
    size_t max = 1;
    options->min = TLS_VERSION_1_2;
    options->max = TLS_VERSION_1_3;
    if (node == NULL || !reader_map(reader, node, "`tls`", keys, sizeof keys / sizeof keys[0]))
        return;
    if (node_get(node, "min") != NULL)
        (void)reader_choice(reader, node_get(node, "min"), "TLS version", words, 2, &min);
    if (node_get(node, "max") != NULL)
        (void)reader_choice(reader, node_get(node, "max"), "TLS version", words, 2, &max);
    if (min > max)
        (void)reader_error(reader, node_get(node, "max"), "`max` is below `min`");
    // One mistake is one error: the context that is made all the same has a range.
    options->min = versions[min < max ? min : max];
    options->max = versions[max];
}

// check_served judges the certificate that was added last and that clients will see: nobody can connect to a listener with
// one that is out of date, so that is an error and not left to be found out by them.
static void check_served(struct loader *loader, const struct node *node, const char *path,
                         const struct tls_context *context)
{
    struct reader *reader = loader->reader;
    struct tls_context_info info;
    char date[DATE_TEXT_CAP];
    tls_context_describe_at(context, tls_context_certificate_count(context) - 1, &info);
    if (info.not_after_s < loader->now_s)
        diagnostic_set_hint(reader_error(reader, node, "%s (%s) has expired on %s", path,
                                         info.subject, date_format(info.not_after_s, date)),
                            "every client would refuse it: renew it");
    else if (info.not_before_s > loader->now_s)
        diagnostic_set_hint(reader_error(reader, node, "%s (%s) is not valid before %s", path,
                                         info.subject, date_format(info.not_before_s, date)),
                            "every client would refuse it: is the clock of this machine right?");
    else
        loader_validity(loader, node, path, info.subject, info.not_after_s);
    if (!info.has_server_auth)
        diagnostic_set_hint(reader_error(reader, node,
                                         "%s (%s) is no server certificate: its extended key usage "
                                         "is without serverAuth",
                                         path, info.subject),
                            "every client would refuse it: issue one with serverAuth");
    if (info.san_count == 0)
        diagnostic_set_hint(reader_warning(reader, node,
                                           "%s (%s) has no DNS or IP subject alternative name: "
                                           "most clients refuse such a certificate",
                                           path, info.subject),
                            "issue one with the name or address that clients use");
}

// server is what `listeners` and `sni` entries have in common while they are read.
struct server {
    struct tls_context *tls; // ref, once there is a certificate
    const struct trust *trust;
    const char *trust_name;
    const char *chain_path;
    enum ca_names ca_names;
};

// certificate_add makes the TLS context of `server` with this certificate, or adds it.
static enum err certificate_add(struct tls_context_options *options, struct slice chain,
                                struct slice key, struct server *server, struct errinfo *info)
{
    if (server->tls != NULL)
        return tls_context_add_certificate(server->tls, chain, key, info);
    options->chain_pem = chain;
    options->key_pem = key;
    options->client_ca_names =
        server->trust == NULL ? NULL : ca_names_choose(server->ca_names, server->trust);
    return tls_context_create(options, &server->tls, info);
}

// is_key_alone tells whether a PEM file has a private key and nothing else.
static bool is_key_alone(struct slice pem)
{
    return slice_contains(pem, SLICE_LITERAL("PRIVATE KEY-----")) &&
           !slice_contains(pem, SLICE_LITERAL("BEGIN CERTIFICATE"));
}

// certificate_read loads chain and key and adds them. `is_inherited`: its findings are there already.
static void certificate_read(struct loader *loader, const struct node *node, bool is_inherited,
                             struct tls_context_options *options, struct server *server)
{
    static const struct key keys[] = {{"chain", KEY_REQUIRED}, {"key", KEY_REQUIRED}};
    struct reader *reader = loader->reader;
    struct file_content chain = {0};
    struct file_content key = {0};
    struct errinfo info = {0};
    const char *chain_path = NULL;
    const char *key_path = NULL;
    if (!reader_map(reader, node, "a certificate", keys, 2))
        return;
    const bool has_chain = loader_file(loader, node_get(node, "chain"), "`chain`",
                                       CERTIFICATE_FILE_MAX, FILE_PUBLIC, &chain_path, &chain);
    const bool has_key = loader_file(loader, node_get(node, "key"), "`key`", CERTIFICATE_FILE_MAX,
                                     FILE_SECRET, &key_path, &key);
    if (server->chain_path == NULL)
        server->chain_path = chain_path;
    reader->diagnostics->pair_count += (size_t)!has_chain + (size_t)!has_key;
    if (has_chain && is_key_alone(chain.bytes)) {
        diagnostic_set_hint(reader_error(reader, node_get(node, "chain"),
                                         "%s holds a private key and no certificate", chain_path),
                            "are `chain` and `key` swapped?");
        reader->diagnostics->pair_count++;
    } else if (has_chain && has_key) {
        if (certificate_add(options, chain.bytes, key.bytes, server, &info) != ERR_OK) {
            (void)reader_error(reader, node, "chain %s, key %s: %s", chain_path, key_path,
                               info.text);
            reader->diagnostics->pair_count++;
        } else if (!is_inherited) {
            check_served(loader, node_get(node, "chain"), chain_path, server->tls);
        }
    }
    file_content_deinit(&chain);
    file_content_deinit(&key);
}

static void certificates_read(struct loader *loader, const struct node *node, bool is_inherited,
                              struct tls_context_options *options, struct server *server)
{
    if (!reader_list(loader->reader, node, "`certificates`", 1, CERTIFICATES_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        certificate_read(loader, entry, is_inherited, options, server);
}

// bind_tickets works out what tickets are good for: this listener, this entry of `sni`, this profile.
static void bind_tickets(const char *listener, const struct host_pattern *sni, const char *trust,
                         uint8_t out[TICKET_BINDING_LEN])
{
    const bool is_wildcard = sni != NULL && sni->kind == HOST_PATTERN_SUFFIX;
    const char *parts[] = {"sallyport tickets 1", listener, is_wildcard ? "*" : "",
                           sni == NULL ? "" : sni->name.text, trust};
    SHA256_CTX hash;
    (void)SHA256_Init(&hash);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *part = parts[i] == NULL ? "" : parts[i];
        (void)SHA256_Update(&hash, part, strlen(part) + 1); // the NUL keeps them apart
    }
    (void)SHA256_Final(out, &hash);
}

static void trust_read(struct loader *loader, const struct node *node,
                       const struct name_list *trusts, struct server *server)
{
    size_t trust = 0;
    if (node == NULL || !trust_reference_read(loader->reader, node, trusts, &trust))
        return;
    server->trust = loader->snapshot->trusts[trust];
    server->trust_name = trusts->names[trust];
}

static void sni_names_read(struct reader *reader, const struct node *node, struct sni_config *sni)
{
    if (!reader_list(reader, node, "`names`", 1, SNI_NAMES_MAX))
        return;
    struct host_pattern *names = reader_alloc(reader, node->child_count, sizeof *names);
    if (names == NULL)
        return;
    sni->names = names;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct slice text = {0};
        struct errinfo info = {0};
        if (!reader_text(reader, entry, "a name", CONFIG_TEXT_MAX, &text))
            continue;
        if (host_pattern_parse(text, &names[sni->name_count], &info) != ERR_OK)
            (void)reader_error(reader, entry, "%s", info.text);
        else if (names[sni->name_count].kind == HOST_PATTERN_ANY)
            diagnostic_set_hint(reader_error(reader, entry, "`*` is no server name"),
                                "every other name gets what the listener itself has");
        else
            sni->name_count++;
    }
}

// sni_entry_read reads one entry; what it leaves out is the listener's, whose node is `listener`.
static void sni_entry_read(struct loader *loader, const struct node *node,
                           const struct node *listener, const char *listener_name,
                           const struct name_list *trusts, struct tls_context_options options,
                           struct sni_config *sni)
{
    static const struct key keys[] = {
        {"names", KEY_REQUIRED}, {"trust", KEY_OPTIONAL}, {"certificates", KEY_OPTIONAL}};
    struct reader *reader = loader->reader;
    struct server server = {0};
    uint8_t binding[TICKET_BINDING_LEN];
    ca_names_read(loader, node_get(listener, "client_ca_names"), &server.ca_names);
    if (!reader_map(reader, node, "an entry of `sni`", keys, sizeof keys / sizeof keys[0]))
        return;
    const bool has_trust = node_get(node, "trust") != NULL;
    const bool has_own = node_get(node, "certificates") != NULL;
    if (!has_trust && !has_own)
        (void)reader_warning(reader, node,
                             "an entry of `sni` without `trust` and `certificates` "
                             "changes nothing");
    sni_names_read(reader, node_get(node, "names"), sni);
    trust_read(loader, node_get(has_trust ? node : listener, "trust"), trusts, &server);
    if (has_trust && server.trust != NULL)
        ca_names_report(loader, node_get(node, "trust"), server.ca_names, server.trust);
    bind_tickets(listener_name, sni->name_count == 0 ? NULL : &sni->names[0], server.trust_name,
                 binding);
    options.binding = binding;
    certificates_read(loader, node_get(has_own ? node : listener, "certificates"), !has_own,
                      &options, &server);
    sni->tls = server.tls;
    sni->trust = server.trust;
    sni->trust_name = server.trust_name;
    sni->chain_path = server.chain_path;
}

// check_sni_names reports a name that stands twice on a listener.
static void check_sni_names(struct reader *reader, const struct node *list,
                            const struct listener_config *listener)
{
    const struct node *entry = list->child;
    for (size_t i = 0; i < listener->sni_count; i++, entry = entry->next) {
        for (size_t n = 0; n < listener->sni[i].name_count; n++) {
            const struct host_pattern *name = &listener->sni[i].names[n];
            bool is_twice = false;
            for (size_t j = 0; j <= i; j++) {
                const size_t end = j == i ? n : listener->sni[j].name_count;
                for (size_t m = 0; m < end; m++)
                    is_twice |= listener->sni[j].names[m].kind == name->kind &&
                                strcmp(listener->sni[j].names[m].name.text, name->name.text) == 0;
            }
            if (is_twice)
                (void)reader_error(reader, node_get(entry, "names"),
                                   "the name %s%s stands twice on this listener",
                                   name->kind == HOST_PATTERN_EXACT ? "" : "*.", name->name.text);
        }
    }
}

static void sni_read(struct loader *loader, const struct node *listener_node,
                     const struct name_list *trusts, const struct tls_context_options *options,
                     struct listener_config *listener)
{
    const struct node *node = node_get(listener_node, "sni");
    if (node == NULL || !reader_list(loader->reader, node, "`sni`", 0, SNI_ENTRIES_MAX))
        return;
    if (node->child_count == 0)
        return;
    listener->sni = reader_alloc(loader->reader, node->child_count, sizeof *listener->sni);
    if (listener->sni == NULL)
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        sni_entry_read(loader, entry, listener_node, listener->name, trusts, *options,
                       &listener->sni[listener->sni_count++]);
    check_sni_names(loader->reader, node, listener);
}

static void address_read(struct reader *reader, const struct node *node, struct endpoint *out)
{
    char quoted[CONFIG_QUOTE_CAP];
    struct slice text = {0};
    struct errinfo info = {0};
    if (reader_text(reader, node, "`address`", CONFIG_TEXT_MAX, &text) &&
        endpoint_parse(text, out, &info) != ERR_OK)
        (void)reader_error(reader, node, "`address` `%s`: %s", reader_quote(text, quoted),
                           info.text);
}

static void listener_read(struct loader *loader, const struct node *node,
                          const struct name_list *trusts, struct listener_config *listener)
{
    static const struct key keys[] = {
        {"name", KEY_REQUIRED},
        {"address", KEY_REQUIRED},
        {"certificates", KEY_REQUIRED},
        {"tls", KEY_OPTIONAL},
        {"trust", KEY_REQUIRED},
        {"client_certificate", KEY_OPTIONAL},
        {"refuse_with", KEY_OPTIONAL},
        {"sni", KEY_OPTIONAL},
        {"max_chain", KEY_OPTIONAL},
        {"proxy_protocol", KEY_NOT_YET},
        {"client_ca_names", KEY_OPTIONAL},
    };
    static const char *const certificate_words[2] = {"required", "optional"};
    static const char *const refuse_words[2] = {"alert", "http"};
    struct reader *reader = loader->reader;
    struct tls_context_options options = {.max_chain = TLS_MAX_CHAIN_LEAST};
    struct server server = {0};
    uint8_t binding[TICKET_BINDING_LEN];
    if (!reader_map(reader, node, "a listener", keys, sizeof keys / sizeof keys[0]))
        return;
    (void)reader_name(reader, node_get(node, "name"), "listener name", &listener->name);
    address_read(reader, node_get(node, "address"), &listener->address);
    trust_read(loader, node_get(node, "trust"), trusts, &server);
    const struct node *ca_names = node_get(node, "client_ca_names");
    ca_names_read(loader, ca_names, &server.ca_names);
    if (server.trust != NULL)
        ca_names_report(loader, ca_names == NULL ? node_get(node, "trust") : ca_names,
                        server.ca_names, server.trust);
    versions_read(reader, node_get(node, "tls"), &options);
    tickets_read(loader, node_get(node_get(node, "tls"), "tickets"));
    bind_tickets(listener->name, NULL, server.trust_name, binding);
    options.binding = binding;
    listener->is_certificate_optional = choice_read(reader, node_get(node, "client_certificate"),
                                                    "client_certificate", certificate_words);
    listener->refuses_in_http =
        choice_read(reader, node_get(node, "refuse_with"), "refuse_with", refuse_words);
    bounded_size_read(reader, node_get(node, "max_chain"), "`max_chain`", TLS_MAX_CHAIN_LEAST,
                      TLS_MAX_CHAIN_MOST, &options.max_chain);
    listener->max_chain = options.max_chain;
    options.is_certificate_optional =
        listener->is_certificate_optional || listener->refuses_in_http;
    certificates_read(loader, node_get(node, "certificates"), false, &options, &server);
    listener->tls = server.tls;
    listener->trust = server.trust;
    listener->trust_name = server.trust_name;
    listener->chain_path = server.chain_path;
    sni_read(loader, node, trusts, &options, listener);
}

// is_taken tells whether `b` cannot be bound beside `a`. [::] takes IPv4 too.
static bool is_taken(const struct endpoint *a, const struct endpoint *b)
{
    if (a->port != b->port || a->port == 0)
        return false;
    return ip_addr_equal(&a->address, &b->address) ||
           (endpoint_is_any_address(a) && endpoint_is_any_address(b));
}

// check_addresses and check_names report what two listeners share and must not.
static void check_addresses(struct reader *reader, const struct node *list,
                            const struct listener_config *listeners)
{
    size_t index = 0;
    for (const struct node *entry = list->child; entry != NULL; entry = entry->next, index++) {
        const struct node *other = list->child;
        char text[ENDPOINT_TEXT_CAP];
        for (size_t i = 0; i < index; i++, other = other->next) {
            if (listeners[index].address.address.family == IP_NONE ||
                listeners[i].address.address.family == IP_NONE ||
                !is_taken(&listeners[i].address, &listeners[index].address))
                continue;
            diagnostic_set_hint(
                reader_error(reader, node_get(entry, "address"), "the address %s is used twice",
                             endpoint_format(&listeners[index].address, text)),
                "the other listener is at line %" PRIu32 "; [::] takes IPv4 too", other->line);
            break;
        }
    }
}

static void check_names(struct reader *reader, const struct node *list,
                        const struct listener_config *listeners)
{
    struct named_place places[LISTENERS_MAX];
    size_t count = 0;
    size_t index = 0;
    for (const struct node *entry = list->child; entry != NULL; entry = entry->next, index++) {
        if (listeners[index].name != NULL)
            places[count++] = (struct named_place){listeners[index].name, node_get(entry, "name")};
    }
    reader_unique(reader, "listener name", places, count);
}

static bool uses_trust(const struct listener_config *listener, const char *name)
{
    bool is_used = listener->trust_name == name;
    for (size_t i = 0; i < listener->sni_count; i++)
        is_used |= listener->sni[i].trust_name == name;
    return is_used;
}

static void check_unused(struct reader *reader, const struct node *list,
                         const struct name_list *trusts, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < trusts->count; i++) {
        bool is_used = false;
        for (size_t j = 0; j < snapshot->listener_count; j++)
            is_used |= uses_trust(&snapshot->listeners[j], trusts->names[i]);
        if (!is_used)
            diagnostic_set_hint(reader_warning(reader, list,
                                               "the trust profile `%s` is used by no listener",
                                               trusts->names[i]),
                                "name it in a listener, or remove it");
    }
}

void listeners_read(struct loader *loader, const struct node *node, const char *const *trust_names,
                    size_t trust_count)
{
    struct reader *reader = loader->reader;
    const struct name_list trusts = {.names = trust_names, .count = trust_count};
    if (!reader_list(reader, node, "`listeners`", 1, LISTENERS_MAX))
        return;
    struct listener_config *listeners = reader_alloc(reader, node->child_count, sizeof *listeners);
    if (listeners == NULL)
        return;
    struct snapshot *snapshot = loader->snapshot;
    tickets_init(snapshot);
    snapshot->listeners = listeners;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        listener_read(loader, entry, &trusts, &listeners[snapshot->listener_count++]);
    check_names(reader, node, listeners);
    check_addresses(reader, node, listeners);
    check_unused(reader, node, &trusts, snapshot);
}
