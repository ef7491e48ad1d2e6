// The entries of `listeners`: where to listen, with which certificate, for which trust profile.
#include "proxy/config/loader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proxy/config/clients.h"
#include "proxy/config/endpoint_text.h"

enum { LISTENERS_MAX = 64 };

// refuse_unless reports every word but the one that this version does.
static void refuse_unless(struct reader *reader, const struct node *node, const char *key,
                          const char *const words[2])
{
    size_t index = 0;
    struct errinfo what = {0};
    if (node == NULL || !reader_choice(reader, node, key, words, 2, &index) || index == 0)
        return;
    (void)snprintf(what.text, sizeof what.text, "`%s: %s`", key, words[index]);
    reader_not_yet(reader, node, what.text);
}

static void versions_read(struct reader *reader, const struct node *node,
                          struct tls_context_options *options)
{
    static const struct key keys[] = {
        {"min", KEY_OPTIONAL}, {"max", KEY_OPTIONAL}, {"tickets", KEY_NOT_YET}};
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
    options->min = versions[min];
    options->max = versions[max];
}

// check_served judges the certificate that clients will see: nobody can connect to a listener with
// one that is out of date, so that is an error and not left to be found out by them.
static void check_served(struct loader *loader, const struct node *node, const char *path,
                         const struct tls_context *context)
{
    struct reader *reader = loader->reader;
    struct tls_context_info info;
    char date[DATE_TEXT_CAP];
    tls_context_describe(context, &info);
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

// certificate_read loads chain and key and makes the TLS context of `listener`.
static void certificate_read(struct loader *loader, const struct node *node,
                             struct tls_context_options *options, struct listener_config *listener)
{
    static const struct key keys[] = {{"chain", KEY_REQUIRED}, {"key", KEY_REQUIRED}};
    struct reader *reader = loader->reader;
    struct file_content chain = {0};
    struct file_content key = {0};
    struct errinfo info = {0};
    const char *key_path = NULL;
    if (!reader_map(reader, node, "a certificate", keys, 2))
        return;
    const bool has_chain =
        loader_file(loader, node_get(node, "chain"), "`chain`", CERTIFICATE_FILE_MAX, FILE_PUBLIC,
                    &listener->chain_path, &chain);
    const bool has_key = loader_file(loader, node_get(node, "key"), "`key`", CERTIFICATE_FILE_MAX,
                                     FILE_SECRET, &key_path, &key);
    if (has_chain && has_key) {
        options->chain_pem = chain.bytes;
        options->key_pem = key.bytes;
        if (listener->trust != NULL)
            options->client_ca_names = trust_client_ca_names(listener->trust);
        if (tls_context_create(options, &listener->tls, &info) != ERR_OK)
            (void)reader_error(reader, node, "chain %s, key %s: %s", listener->chain_path, key_path,
                               info.text);
        else
            check_served(loader, node_get(node, "chain"), listener->chain_path, listener->tls);
    }
    file_content_deinit(&chain);
    file_content_deinit(&key);
}

static void certificates_read(struct loader *loader, const struct node *node,
                              struct tls_context_options *options, struct listener_config *listener)
{
    if (!reader_list(loader->reader, node, "`certificates`", 1, 64))
        return;
    if (node->child->next != NULL)
        reader_not_yet(loader->reader, node->child->next, "a second certificate, chosen by SNI,");
    certificate_read(loader, node->child, options, listener);
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
        {"name", KEY_REQUIRED},          {"address", KEY_REQUIRED},
        {"certificates", KEY_REQUIRED},  {"tls", KEY_OPTIONAL},
        {"trust", KEY_REQUIRED},         {"client_certificate", KEY_OPTIONAL},
        {"refuse_with", KEY_OPTIONAL},   {"sni", KEY_NOT_YET},
        {"proxy_protocol", KEY_NOT_YET},
    };
    static const char *const certificate_words[2] = {"required", "optional"};
    static const char *const refuse_words[2] = {"alert", "http"};
    struct reader *reader = loader->reader;
    struct tls_context_options options = {0};
    size_t trust = 0;
    if (!reader_map(reader, node, "a listener", keys, sizeof keys / sizeof keys[0]))
        return;
    (void)reader_name(reader, node_get(node, "name"), "listener name", &listener->name);
    address_read(reader, node_get(node, "address"), &listener->address);
    if (node_get(node, "trust") != NULL &&
        trust_reference_read(reader, node_get(node, "trust"), trusts, &trust)) {
        listener->trust = loader->snapshot->trusts[trust];
        listener->trust_name = trusts->names[trust];
    }
    versions_read(reader, node_get(node, "tls"), &options);
    refuse_unless(reader, node_get(node, "client_certificate"), "client_certificate",
                  certificate_words);
    refuse_unless(reader, node_get(node, "refuse_with"), "refuse_with", refuse_words);
    certificates_read(loader, node_get(node, "certificates"), &options, listener);
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

static void check_unused(struct reader *reader, const struct node *list,
                         const struct name_list *trusts, const struct snapshot *snapshot)
{
    for (size_t i = 0; i < trusts->count; i++) {
        bool is_used = false;
        for (size_t j = 0; j < snapshot->listener_count; j++)
            is_used |= snapshot->listeners[j].trust_name == trusts->names[i];
        if (!is_used)
            (void)reader_warning(reader, list, "the trust profile `%s` is used by no listener",
                                 trusts->names[i]);
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
    snapshot->listeners = listeners;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        listener_read(loader, entry, &trusts, &listeners[snapshot->listener_count++]);
    check_names(reader, node, listeners);
    check_addresses(reader, node, listeners);
    check_unused(reader, node, &trusts, snapshot);
}
