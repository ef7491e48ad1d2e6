// A listener, its certificates, and the server names on it that have their own.
#include "proxy/config/listeners.h"

#include <inttypes.h>
#include <openssl/sha.h>

#include "auth/base/date.h"
#include "proxy/config/ca_names.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/groups.h"
#include "proxy/config/http2.h"
#include "proxy/config/named_files.h"
#include "proxy/config/pair_files.h"
#include "proxy/config/proxy_protocol.h"
#include "proxy/config/tickets.h"
#include "proxy/config/validity.h"
#include "proxy/tls/tls_server.h"

enum {
    LISTENERS_MAX = 64,
    CERTIFICATES_MAX = 64,
    SNI_ENTRIES_MAX = 256,
    SNI_NAMES_MAX = 256,
    CERTIFICATE_FILE_MAX = 1024 * 1024, // bytes of a chain or key
};

static const char *const certificate_words[] = {"required", "optional", NULL};
static const char *const refuse_words[] = {"alert", "http", NULL};
static const char *const version_words[] = {
    [TLS_VERSION_1_2] = "1.2", [TLS_VERSION_1_3] = "1.3", NULL};
static const char *const ca_names_words[] = {
    [CA_NAMES_AUTO] = "auto", [CA_NAMES_SEND] = "send", [CA_NAMES_NONE] = "none", NULL};

#define LISTENER(key, kind, field, ...)                                                            \
    KEY_ROW(key, kind, struct listener_config, field, __VA_ARGS__)

static const struct key listener_keys[] = {
    LISTENER("name", KEY_NAME, name, .support = KEY_REQUIRED, .label = "listener name"),
    LISTENER("address", KEY_ADDRESS, address, .support = KEY_REQUIRED),
    KEY_KNOWN("certificates", KEY_REQUIRED),
    KEY_KNOWN("tls", KEY_OPTIONAL),
    KEY_KNOWN("trust", KEY_REQUIRED),
    LISTENER("client_certificate", KEY_CHOICE, is_certificate_optional, .words = certificate_words),
    LISTENER("refuse_with", KEY_CHOICE, refuses_in_http, .words = refuse_words),
    KEY_KNOWN("sni", KEY_OPTIONAL),
    LISTENER("max_chain", KEY_SIZE, max_chain, .min = TLS_MAX_CHAIN_LEAST,
             .max = TLS_MAX_CHAIN_MOST, .fallback = TLS_MAX_CHAIN_LEAST),
    KEY_KNOWN("http2", KEY_OPTIONAL),
    KEY_KNOWN("proxy_protocol", KEY_OPTIONAL),
    LISTENER("client_ca_names", KEY_CHOICE, ca_names, .words = ca_names_words),
};

static const struct key tls_keys[] = {
    KEY_ROW("min", KEY_CHOICE, struct tls_context_options, min, .words = version_words,
            .fallback = TLS_VERSION_1_2),
    KEY_ROW("max", KEY_CHOICE, struct tls_context_options, max, .words = version_words,
            .fallback = TLS_VERSION_1_3),
    KEY_OF("groups", groups_read, struct tls_context_options, groups),
    KEY_KNOWN("tickets", KEY_OPTIONAL),
};

static const struct key certificate_keys[] = {
    KEY_KNOWN("chain", KEY_REQUIRED),
    KEY_KNOWN("key", KEY_REQUIRED),
};

static const struct key sni_keys[] = {
    KEY_KNOWN("names", KEY_REQUIRED),
    KEY_KNOWN("trust", KEY_OPTIONAL),
    KEY_KNOWN("certificates", KEY_OPTIONAL),
};

const struct section listener_section = SECTION("a listener", listener_keys);
const struct section tls_section = SECTION("`tls`", tls_keys);
const struct section certificate_section = SECTION("a certificate", certificate_keys);
const struct section sni_section = SECTION("an entry of `sni`", sni_keys);

// listening is what is known while one listener and the names on it are read.
struct listening {
    struct snapshot *snapshot;
    const struct name_list *trusts;
    struct named_places *names; // of the listeners
    const struct node *node;    // of the listener
    struct listener_config *listener;
    struct tls_context_options options;
};

static void versions_read(struct reader *reader, const struct node *node,
                          struct tls_context_options *options)
{
    (void)section_read(reader, node, &tls_section, options);
    if (options->min <= options->max) {
        groups_check(reader, node_get(node, "groups"), options);
        return;
    }
    reader_error(reader, node_get(node, "max"), "`max` is below `min`");
    // One mistake is one error: the context that is made all the same has a range.
    options->min = options->max;
}

// check_served judges the certificate that was added last and that clients will see: nobody can connect to
// a listener with one that is out of date, so that is an error and not left to be found out by them.
static void check_served(struct reader *reader, const struct node *node, const char *path,
                         const struct tls_context *context)
{
    const struct tls_context_info *info =
        tls_context_describe(context, tls_context_certificate_count(context) - 1);
    char date[DATE_TEXT_CAP];
    if (info->not_after_s < reader->now_s)
        reader_error(reader, node,
                     "%s (%s) has expired on %s\nevery client would refuse it: renew it", path,
                     info->subject, date_format(info->not_after_s, DATE_DAY, date));
    else if (info->not_before_s > reader->now_s)
        reader_error(reader, node,
                     "%s (%s) is not valid before %s"
                     "\nevery client would refuse it: is the clock of this machine right?",
                     path, info->subject, date_format(info->not_before_s, DATE_DAY, date));
    else
        validity_report(reader, node, path, info->subject, info->not_after_s);
    if (!info->has_server_auth)
        reader_error(reader, node,
                     "%s (%s) is not a server certificate: its extended key usage lacks serverAuth"
                     "\nevery client would refuse it: issue one with serverAuth",
                     path, info->subject);
    if (info->san_count == 0)
        reader_warning(reader, node,
                       "%s (%s) has no DNS or IP subject alternative name: most clients refuse "
                       "such a certificate"
                       "\nissue one with the name or address that clients use",
                       path, info->subject);
}

// certificate_add makes the TLS context of `site` with this certificate, or adds it.
static enum err certificate_add(const struct listening *listening, struct slice chain,
                                const struct tls_key *key, struct site *site, struct errinfo *info)
{
    struct tls_context_options options = listening->options;
    if (site->tls != NULL)
        return tls_context_add(site->tls, chain, key, true, info);
    options.chain_pem = chain;
    options.key = *key;
    if (site->trust != NULL)
        options.client_ca_names = ca_names_choose(listening->listener->ca_names, site->trust);
    return tls_context_create(&options, &site->tls, info);
}

// certificate_read loads chain and key and adds them. The findings of what is inherited are there already.
static void certificate_read(struct reader *reader, const struct node *node,
                             const struct listening *listening, struct site *site)
{
    const struct node *chain_node = node_get(node, "chain");
    struct pair_files pair = {.chain_path = NULL};
    struct errinfo info = {0};
    size_t *pair_count = &reader->diagnostics->pair_count;
    if (!section_read(reader, node, &certificate_section, NULL))
        return;
    const bool is_read = pair_files_read(reader, node, &pair);
    if (site->chain_path == NULL)
        site->chain_path = pair.chain_path;
    if (is_read) {
        if (certificate_add(listening, pair.chain.bytes, &pair.key, site, &info) != ERR_OK) {
            reader_error(reader, node, "chain %s, key %s: %s", pair.chain_path, pair.key_path,
                         info.text);
            (*pair_count)++;
        } else if (!site->is_inherited) {
            check_served(reader, chain_node, pair.chain_path, site->tls);
        }
    }
    pair_files_deinit(&pair);
}

static void certificates_read(struct reader *reader, const struct node *node,
                              const struct listening *listening, struct site *site)
{
    if (!reader_list(reader, node, "`certificates`", 1, CERTIFICATES_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        certificate_read(reader, entry, listening, site);
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

static void trust_read(struct reader *reader, const struct node *node,
                       const struct listening *listening, struct site *site)
{
    size_t trust = 0;
    if (node == NULL || !trust_reference_read(reader, node, listening->trusts, &trust))
        return;
    site->trust = listening->snapshot->trusts[trust];
    site->trust_name = listening->trusts->names[trust];
}

static bool sni_name_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct host_pattern *name = out;
    struct slice text = {0};
    struct errinfo info = {0};
    (void)arg;
    if (!reader_text(reader, node, "a name", CONFIG_TEXT_MAX, &text))
        return false;
    if (host_pattern_parse(text, name, &info) != ERR_OK)
        return reader_error(reader, node, "%s", info.text);
    if (name->kind == HOST_PATTERN_ANY)
        reader_error(reader, node,
                     "`*` is not a server name"
                     "\nevery other name gets what the listener itself has");
    else if (name->star_count > 0)
        reader_error(reader, node,
                     "`%.*s`: a server name has no `*` inside"
                     "\nwrite the names, or `*.` in front of what they end in",
                     (int)text.len, (const char *)text.data);
    return name->kind != HOST_PATTERN_ANY && name->star_count == 0;
}

// sni_entry_read reads one entry; what it leaves out is the listener's.
static void sni_entry_read(struct reader *reader, const struct node *node,
                           struct listening listening, struct site *site)
{
    static const struct items names = {.what = "`names`",
                                       .min = 1,
                                       .max = SNI_NAMES_MAX,
                                       .size = sizeof(struct host_pattern),
                                       .read = sni_name_read};
    uint8_t binding[TICKET_BINDING_LEN];
    const struct node *trust = node_get(node, "trust");
    const struct node *own = node_get(node, "certificates");
    if (!section_read(reader, node, &sni_section, NULL))
        return;
    if (trust == NULL && own == NULL)
        reader_warning(reader, node,
                       "an entry of `sni` without `trust` and `certificates` changes nothing");
    site->names = reader_items(reader, node_get(node, "names"), &names, &site->name_count);
    trust_read(reader, trust != NULL ? trust : node_get(listening.node, "trust"), &listening, site);
    if (trust != NULL && site->trust != NULL)
        ca_names_report(reader, trust, listening.listener->ca_names, site->trust);
    bind_tickets(listening.listener->name, site->name_count == 0 ? NULL : &site->names[0],
                 site->trust_name, binding);
    listening.options.binding = binding;
    site->is_inherited = own == NULL;
    certificates_read(reader, own != NULL ? own : node_get(listening.node, "certificates"),
                      &listening, site);
}

// stands_before tells whether name `n` of site `s` stands earlier on the listener.
static bool stands_before(const struct listener_config *listener, size_t s, size_t n)
{
    const struct host_pattern *name = &listener->sites[s].names[n];
    for (size_t i = 1; i <= s; i++) {
        const struct site *site = &listener->sites[i];
        for (size_t j = 0; j < (i == s ? n : site->name_count); j++) {
            if (site->names[j].kind == name->kind &&
                strcmp(site->names[j].name.text, name->name.text) == 0)
                return true;
        }
    }
    return false;
}

// sites_read reads `sni` into the sites after the listener's own.
static void sites_read(struct reader *reader, const struct node *list,
                       const struct listening *listening)
{
    struct listener_config *listener = listening->listener;
    for (const struct node *entry = list->child; entry != NULL; entry = entry->next) {
        const size_t s = listener->site_count++;
        const struct site *site = &listener->sites[s];
        sni_entry_read(reader, entry, *listening, &listener->sites[s]);
        for (size_t n = 0; n < site->name_count; n++) {
            if (stands_before(listener, s, n))
                reader_error(reader, node_get(entry, "names"),
                             "the name %s%s appears twice on this listener",
                             site->names[n].kind == HOST_PATTERN_EXACT ? "" : "*.",
                             site->names[n].name.text);
        }
    }
}

static bool listener_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct listening listening = *(const struct listening *)arg;
    struct listener_config *listener = listening.listener = out;
    struct tls_context_options *options = &listening.options;
    uint8_t binding[TICKET_BINDING_LEN];
    const struct node *tls = node_get(node, "tls");
    const struct node *ca_names = node_get(node, "client_ca_names");
    const struct node *sni = node_get(node, "sni");
    listening.node = node;
    if (!section_read(reader, node, &listener_section, listener))
        return true;
    const bool has_sni = reader_list(reader, sni, "`sni`", 0, SNI_ENTRIES_MAX);
    size_t site_count = 1;
    if (has_sni) // not by `?:`: docs/DEVELOPING.md, "Compilers"
        site_count += sni->child_count;
    struct site *own = reader_alloc(reader, site_count, sizeof *own);
    if (own == NULL)
        return true;
    listener->sites = own;
    listener->site_count = 1;
    if (listener->name != NULL)
        reader_note_name(reader, listening.names, listener->name, node_get(node, "name"));
    trust_read(reader, node_get(node, "trust"), &listening, own);
    if (own->trust != NULL)
        ca_names_report(reader, ca_names == NULL ? node_get(node, "trust") : ca_names,
                        listener->ca_names, own->trust);
    versions_read(reader, tls, options);
    tickets_read(reader, node_get(tls, "tickets"), &listening.snapshot->tickets);
    bind_tickets(listener->name, NULL, own->trust_name, binding);
    options->binding = binding;
    options->max_chain = listener->max_chain;
    http2_read(reader, node_get(node, "http2"), &listener->http2);
    proxy_protocol_read(reader, node_get(node, "proxy_protocol"), &listener->proxy_protocol);
    options->offers_http2 = listener->http2.streams > 0;
    options->is_certificate_optional =
        listener->is_certificate_optional || listener->refuses_in_http;
    certificates_read(reader, node_get(node, "certificates"), &listening, own);
    if (has_sni)
        sites_read(reader, sni, &listening);
    return true;
}

// report_address reports that `listener`, at the node of its address, cannot be bound beside `other`.
static void report_address(struct reader *reader, const struct node *node,
                           const struct listener_config *listener,
                           const struct listener_config *other, uint32_t other_line)
{
    char text[ENDPOINT_TEXT_CAP];
    char other_text[ENDPOINT_TEXT_CAP];
    (void)endpoint_format(&listener->address, text);
    (void)endpoint_format(&other->address, other_text);
    if (endpoint_equal(&listener->address, &other->address))
        reader_error(reader, node,
                     "the address %s is used twice"
                     "\nthe other listener is at line %" PRIu32,
                     text, other_line);
    else
        reader_error(
            reader, node,
            "listener `%s` (%s) and listener `%s` (%s) cannot both have this port"
            "\n0.0.0.0 is every IPv4 address of the machine, [::] every address, and accepts "
            "IPv4 too: leave one of the two out, or give it another port; the other one is at "
            "line %" PRIu32,
            listener->name, text, other->name, other_text, other_line);
}

// check_addresses reports an address that two listeners share.
static void check_addresses(struct reader *reader, const struct node *list,
                            const struct listener_config *listeners)
{
    size_t index = 0;
    for (const struct node *entry = list->child; entry != NULL; entry = entry->next, index++) {
        const struct node *other = list->child;
        for (size_t i = 0; i < index; i++, other = other->next) {
            if (listeners[index].address.address.family == IP_NONE ||
                listeners[i].address.address.family == IP_NONE ||
                !endpoint_is_taken(&listeners[i].address, &listeners[index].address))
                continue;
            report_address(reader, node_get(entry, "address"), &listeners[index], &listeners[i],
                           other->line);
            break;
        }
    }
}

// is_for_guests tells whether some client passes on certificates of the profile.
static bool is_for_guests(const struct policy *policy, const char *name)
{
    bool is_used = false;
    for (size_t i = 0; i < policy->client_count; i++)
        is_used |= policy->clients[i].speaks_for == name;
    return is_used;
}

static bool uses_trust(const struct listener_config *listener, const char *name)
{
    bool is_used = false;
    for (size_t i = 0; i < listener->site_count; i++)
        is_used |= listener->sites[i].trust_name == name;
    return is_used;
}

void listeners_check_trusts(struct reader *reader, const struct node *list,
                            const struct name_list *trusts, const struct snapshot *snapshot)
{
    const char *admin = snapshot->admin == NULL ? NULL : snapshot->admin->trust_name;
    for (size_t i = 0; i < trusts->count && list != NULL && snapshot->listeners != NULL; i++) {
        bool is_used =
            admin == trusts->names[i] || is_for_guests(snapshot->policy, trusts->names[i]);
        for (size_t j = 0; j < snapshot->listener_count; j++)
            is_used |= uses_trust(&snapshot->listeners[j], trusts->names[i]);
        if (!is_used)
            reader_warning(reader, list,
                           "the trust profile `%s` is used by no listener, and in no `speaks_for`"
                           "\nname it in a listener, or remove it",
                           trusts->names[i]);
    }
}

void listeners_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                    struct snapshot *snapshot)
{
    struct named_places names = {0};
    struct listening listening = {.snapshot = snapshot, .trusts = trusts, .names = &names};
    const struct items entries = {.what = "`listeners`",
                                  .min = 1,
                                  .max = LISTENERS_MAX,
                                  .size = sizeof(struct listener_config),
                                  .read = listener_read,
                                  .arg = &listening};
    (void)section_read(reader, NULL, &tickets_section, &snapshot->tickets.settings); // defaults
    snapshot->listeners = reader_items(reader, node, &entries, &snapshot->listener_count);
    reader_unique(reader, "listener name", &names);
    if (snapshot->listeners == NULL)
        return;
    check_addresses(reader, node, snapshot->listeners);
}

void listeners_read_site(struct reader *reader, const struct node *node,
                         const struct name_list *trusts, struct snapshot *snapshot,
                         bool is_certificate_optional, struct site *out)
{
    struct listener_config listener = {.ca_names = CA_NAMES_AUTO, .max_chain = TLS_MAX_CHAIN_LEAST};
    struct listening listening = {.snapshot = snapshot,
                                  .trusts = trusts,
                                  .node = node,
                                  .listener = &listener,
                                  .options = {.min = TLS_VERSION_1_2,
                                              .max = TLS_VERSION_1_3,
                                              .max_chain = TLS_MAX_CHAIN_LEAST,
                                              .is_certificate_optional = is_certificate_optional}};
    trust_read(reader, node_get(node, "trust"), &listening, out);
    certificates_read(reader, node_get(node, "certificates"), &listening, out);
}
