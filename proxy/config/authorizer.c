// A question tells which client wants to go where, and its answer opens the way: beyond this machine it goes by TLS, unless the
// configuration says otherwise.
#include "proxy/config/authorizer.h"

#include <openssl/sha.h>

#include "proxy/config/authorizer_settings.h"
#include "proxy/config/server_files.h"
#include "proxy/config/snapshot.h"

// authorizer is what the table fills.
struct authorizer {
    struct authorizer_settings settings;
    bool is_clear;
    bool has_system_cas;
};

static void url_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct slice text = {0};
    struct errinfo info;
    if (reader_text(reader, node, what, CONFIG_TEXT_MAX, &text) &&
        http_url_parse(text, field, &info) != ERR_OK)
        (void)reader_refuse(reader, node, what, info.text,
                            "write http://127.0.0.1:8181/v1/data/PACKAGE/RULE");
}

static const struct key keys[] = {
    KEY_ROW("url", KEY_READ, struct authorizer, settings.url, .support = KEY_REQUIRED,
            .read = url_read),
    KEY_ROW("timeout", KEY_DURATION, struct authorizer, settings.timeout_ms, .min = 1,
            .max = 10 * SECOND_MS, .fallback = 200),
    KEY_ROW("ttl_max", KEY_DURATION, struct authorizer, settings.ttl_max_ms, .min = SECOND_MS,
            .max = DAY_MS, .fallback = 5 * MINUTE_MS),
    KEY_KNOWN("ca", KEY_OPTIONAL),
    KEY_ROW("system_cas", KEY_BOOL, struct authorizer, has_system_cas),
    KEY_KNOWN("certificate", KEY_OPTIONAL),
    KEY_ROW("clear", KEY_BOOL, struct authorizer, is_clear),
};

static const struct key certificate_keys[] = {
    KEY_KNOWN("chain", KEY_REQUIRED),
    KEY_KNOWN("key", KEY_REQUIRED),
};

const struct section authorizer_section = SECTION("`authorizer`", keys);
const struct section authorizer_certificate_section =
    SECTION("the `certificate` of `authorizer`", certificate_keys);

static bool is_localhost(const struct target *target)
{
    return target->kind == TARGET_NAME &&
           slice_equal(hostname_slice(&target->name), SLICE_LITERAL("localhost"));
}

// check_clear judges questions that go out in the clear.
static void check_clear(struct reader *reader, const struct node *node,
                        const struct authorizer *authorizer)
{
    if (target_is_loopback(&authorizer->settings.url.target))
        return;
    if (authorizer->is_clear)
        reader_warning(reader, node_get(node, "url"),
                       "the authorizer is asked over http://: everybody on the way reads who goes "
                       "where, and may answer yes"
                       "\nwrite https:// and `ca`");
    else if (is_localhost(&authorizer->settings.url.target))
        reader_error(
            reader, node_get(node, "url"),
            "the authorizer is asked over http://, and `localhost` is a name: what it means is for DNS to say"
            "\nwrite http://127.0.0.1, or http://[::1], in its place");
    else
        reader_error(reader, node_get(node, "url"),
                     "the authorizer is not an address of this machine, and would be asked in the "
                     "clear: everybody on the way could answer yes"
                     "\nwrite https:// and `ca`, or `clear: true`");
}

// take_digest notes who is asked: a server is who its CAs say it is.
static void take_digest(struct authorizer_settings *settings, struct slice ca)
{
    SHA256_CTX hash;
    (void)SHA256_Init(&hash);
    (void)SHA256_Update(&hash, settings->url.text, settings->url.len + sizeof "");
    (void)SHA256_Update(&hash, &settings->ttl_max_ms, sizeof settings->ttl_max_ms);
    (void)SHA256_Update(&hash, ca.data, ca.len);
    (void)SHA256_Final(settings->digest, &hash);
}

// tls_read makes what an https:// URL needs.
static void tls_read(struct reader *reader, const struct node *node, bool has_system_cas,
                     struct authorizer_settings *settings)
{
    struct server_files files = {0};
    const struct node *ca = node_get(node, "ca");
    if (ca == NULL && !has_system_cas)
        reader_error(reader, node,
                     "`authorizer` with https:// needs `ca`, the file of the CAs that its "
                     "certificate is checked against, or `system_cas: true`");
    else if (ca != NULL && has_system_cas)
        reader_error(reader, ca, "`authorizer` has `ca` or `system_cas: true`, and not both");
    else if (server_files_read(reader, node, &authorizer_certificate_section, has_system_cas,
                               &files)) {
        take_digest(settings, files.ca.bytes);
        settings->has_system_cas = has_system_cas;
        (void)server_files_make(reader, node, &files, NULL, "authorizer", &settings->tls);
    }
    server_files_deinit(&files);
}

// refuse_tls refuses what has no meaning in the clear.
static void refuse_tls(struct reader *reader, const struct node *node)
{
    static const char *const only_tls[] = {"ca", "system_cas", "certificate"};
    for (size_t i = 0; i < sizeof only_tls / sizeof *only_tls; i++) {
        const struct node *given = node_get(node, only_tls[i]);
        if (given != NULL)
            reader_error(reader, given,
                         "`%s` has no meaning with http://: nobody shows a certificate there"
                         "\nwrite https:// in `url`, or remove it",
                         only_tls[i]);
    }
}

void authorizer_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    struct authorizer authorizer = {.is_clear = false};
    if (node == NULL || !section_read(reader, node, &authorizer_section, &authorizer) ||
        authorizer.settings.url.len == 0)
        return;
    snapshot->authorizer = reader_alloc(reader, 1, sizeof *snapshot->authorizer);
    if (snapshot->authorizer == NULL)
        return;
    *snapshot->authorizer = authorizer.settings;
    if (authorizer.settings.url.is_https) {
        if (authorizer.is_clear)
            reader_error(reader, node_get(node, "clear"),
                         "`clear: true` has no meaning with https://\nremove it");
        tls_read(reader, node, authorizer.has_system_cas, snapshot->authorizer);
    } else {
        take_digest(snapshot->authorizer, (struct slice){0});
        refuse_tls(reader, node);
        check_clear(reader, node, &authorizer);
    }
}

// first_asking gives the first rule that asks, or NULL.
static const struct rule *first_asking(const struct policy *policy)
{
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        for (size_t j = 0; j < client->allow_count; j++) {
            if (client->allow[j].asks)
                return &client->allow[j];
        }
    }
    return NULL;
}

void authorizer_check(struct reader *reader, const struct node *root,
                      const struct snapshot *snapshot)
{
    const struct rule *rule = first_asking(snapshot->policy);
    const struct node *node = node_get(root, "authorizer");
    if (rule != NULL && node == NULL)
        reader_error(reader, node_get(root, "clients"),
                     "rule `%s` says `ask: true`, but there is no `authorizer` to ask"
                     "\nadd `authorizer: {url: \"http://127.0.0.1:8181/v1/data/PACKAGE/RULE\"}`",
                     rule->name);
    if (rule == NULL && node != NULL)
        reader_warning(reader, node,
                       "`authorizer` is never asked: no rule says `ask: true`"
                       "\nadd it to the `allow` rules that it is to judge, or remove this section");
}
