// Random ACLs, read in Smokescreen's order as it is written down here, and as what the import makes of them: whatever the import
// allows Smokescreen allows, too.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/iprange.h"
#include "proxy/import/smokescreen.h"
#include "tests/unit/import/sources.h"
#include "tests/unit/proxy/random.h"

enum { CONFIGS = 10000, REQUESTS = 30, DOMAINS = 8, SERVICES = 3, ENTRIES_MAX = 3 };

static const char *const domains[DOMAINS] = {
    "example.com", "*.example.com", "bad.example.com", "*.bad.example.com",
    "example.org", "10.2.0.1",      "8.8.8.8",         "*.org"};

// globs is a list of entries of `domains`.
struct globs {
    size_t count;
    size_t items[ENTRIES_MAX];
};

enum action { OPEN, REPORT, ENFORCE };

struct acl {
    struct globs own[SERVICES + 1]; // the last is the default's
    enum action actions[SERVICES + 1];
    bool has_default;
    struct globs denied;
    struct globs allowed;
    bool opens;  // allow_ranges: [10.2.0.0/16]
    bool closes; // deny_ranges: [8.0.0.0/8]
};

struct request {
    size_t service; // SERVICES: one that has no rule
    const char *host;
    const char *address;
};

static bool glob_fits(const char *glob, const char *host)
{
    struct ip_addr address;
    const bool is_name = ip_addr_parse(slice_of_string(host), &address) != ERR_OK;
    if (strncmp(glob, "*.", 2) != 0)
        return strcmp(glob, host) == 0;
    return is_name && strlen(host) > strlen(glob + 1) &&
           slice_ends_with(slice_of_string(host), slice_of_string(glob + 1));
}

static bool globs_fit(const struct globs *globs, const char *host)
{
    for (size_t i = 0; i < globs->count; i++) {
        if (glob_fits(domains[globs->items[i]], host))
            return true;
    }
    return false;
}

static bool is_in(const char *address, const char *prefix)
{
    struct ip_prefix range;
    struct ip_addr addr;
    ASSERT(import_prefix_parse(slice_of_string(prefix), &range));
    ASSERT(ip_addr_parse(slice_of_string(address), &addr) == ERR_OK);
    return ip_prefix_contains(&range, &addr);
}

// smokescreen_allows is ACL.Decide and classifyAddr.
static bool smokescreen_allows(const struct acl *acl, const struct request *request)
{
    struct ip_addr address;
    const size_t rule = request->service;
    ASSERT(ip_addr_parse(slice_of_string(request->address), &address) == ERR_OK);
    if (rule == SERVICES && !acl->has_default)
        return false;
    const bool is_allowed =
        globs_fit(&acl->own[rule], request->host) ||
        (!globs_fit(&acl->denied, request->host) &&
         (globs_fit(&acl->allowed, request->host) || acl->actions[rule] != ENFORCE));
    if (!is_allowed)
        return false;
    if (acl->opens && is_in(request->address, "10.2.0.0/16"))
        return true;
    return !(acl->closes && is_in(request->address, "8.0.0.0/8")) &&
           ip_addr_classify(&address) == IP_CLASS_ORDINARY;
}

static bool host_is(const struct imported_rule *rule, const char *host)
{
    for (size_t i = 0; i < rule->hosts.count; i++) {
        char glob[300];
        (void)snprintf(glob, sizeof glob, "%s%.*s", rule->hosts.items[i].is_suffix ? "*." : "",
                       (int)rule->hosts.items[i].name.len,
                       (const char *)rule->hosts.items[i].name.data);
        if (glob_fits(glob, host))
            return true;
    }
    return false;
}

// rule_fits is what docs/CONFIG.md says about an entry of `allow` or `deny`.
static bool rule_fits(const struct imported_rule *rule, const struct request *request,
                      bool is_allow)
{
    struct ip_addr literal, address;
    const bool is_literal = ip_addr_parse(slice_of_string(request->host), &literal) == ERR_OK;
    ASSERT(ip_addr_parse(slice_of_string(request->address), &address) == ERR_OK);
    if (rule->has_hosts && (is_literal || !host_is(rule, request->host)))
        return false;
    if (is_allow && !rule->has_hosts && !is_literal)
        return false;
    for (size_t i = 0; rule->has_addresses && i < rule->addresses.count; i++) {
        if (ip_prefix_contains(&rule->addresses.items[i], &address))
            return true;
    }
    return !rule->has_addresses && (!is_allow || ip_addr_classify(&address) == IP_CLASS_ORDINARY);
}

static bool is_client(const struct imported_client *client, const struct request *request)
{
    const char name[] = {(char)('a' + request->service), '\0'};
    return strcmp(client->matches->key, "any") == 0 || strcmp(client->matches->value, name) == 0;
}

static bool any_fits(const struct imported_rule *rules, const struct request *request,
                     bool is_allow)
{
    while (rules != NULL && !rule_fits(rules, request, is_allow))
        rules = rules->next;
    return rules != NULL;
}

static bool import_allows(const struct imported *imported, const struct request *request)
{
    struct ip_addr address;
    const struct imported_client *client = imported->clients;
    ASSERT(ip_addr_parse(slice_of_string(request->address), &address) == ERR_OK);
    while (client != NULL && !is_client(client, request))
        client = client->next;
    if (client == NULL || any_fits(imported->deny, request, false) ||
        any_fits(client->deny, request, false))
        return false;
    return any_fits(client->allow, request, true) ||
           (client->mode != NULL && ip_addr_classify(&address) == IP_CLASS_ORDINARY);
}

static void make_globs(struct random *random, struct globs *globs, struct text *text,
                       const char *key)
{
    globs->count = random_below(random, ENTRIES_MAX + 1);
    text_append_format(text, "%s: [", key);
    for (size_t i = 0; i < globs->count; i++) {
        globs->items[i] = random_below(random, DOMAINS);
        text_append_format(text, "%s\"%s\"", i == 0 ? "" : ", ", domains[globs->items[i]]);
    }
    text_append_string(text, "]");
}

static void make_acl(struct random *random, struct acl *acl, struct text *text)
{
    static const char *const words[] = {"open", "report", "enforce"};
    text_append_string(text, "version: v1\nservices:\n");
    acl->has_default = random_below(random, 2) == 0;
    for (size_t i = 0; i <= SERVICES; i++) {
        acl->actions[i] = (enum action)random_below(random, 3);
        if (i == SERVICES && !acl->has_default)
            break;
        text_append_format(text,
                           i == SERVICES ? "default: {name: %c, action: %s, "
                                         : "  - {name: %c, action: %s, ",
                           (char)('a' + i), words[acl->actions[i]]);
        make_globs(random, &acl->own[i], text, "allowed_domains");
        text_append_string(text, "}\n");
    }
    make_globs(random, &acl->denied, text, "global_deny_list");
    text_append_string(text, "\n");
    make_globs(random, &acl->allowed, text, "global_allow_list");
    text_append_string(text, "\n");
    ASSERT(!text->is_cut);
}

static struct request make_request(struct random *random)
{
    static const char *const hosts[][2] = {
        {"example.com", "8.8.8.9"},     {"www.example.com", "10.2.0.9"},
        {"bad.example.com", "9.9.9.9"}, {"x.bad.example.com", "9.9.9.8"},
        {"example.org", "10.2.0.8"},    {"www.example.org", "8.8.8.8"},
        {"example.net", "9.9.9.7"},     {"10.2.0.1", "10.2.0.1"},
        {"8.8.8.8", "8.8.8.8"},         {"9.9.9.9", "9.9.9.9"},
        {"www.example.net", "10.3.0.1"}};
    const size_t host = random_below(random, sizeof hosts / sizeof *hosts);
    return (struct request){.service = random_below(random, SERVICES + 1),
                            .host = hosts[host][0],
                            .address = hosts[host][1]};
}

// check_acl gives how many requests the import allows.
static size_t check_acl(struct random *random)
{
    struct acl acl = {.opens = random_below(random, 2) == 0,
                      .closes = random_below(random, 2) == 0};
    char buffer[2048], config[256];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    make_acl(random, &acl, &text);
    (void)snprintf(config, sizeof config, "acl_file: acl.yaml\n%s%s",
                   acl.opens ? "allow_ranges: [10.2.0.0/16]\n" : "",
                   acl.closes ? "deny_ranges: [8.0.0.0/8]\n" : "");
    const struct memory_file files[] = {
        {"config.yaml", config}, {"acl.yaml", buffer}, {NULL, NULL}};
    const struct import_sources sources = memory_sources(files);
    const struct smokescreen_options options = {0};
    struct import_notes notes = {.arena = arena_create()};
    struct imported imported = {0};
    struct errinfo info = {.text = ""};
    size_t allowed = 0;
    if (smokescreen_import("config.yaml", &options, &sources, &notes, &imported, &info) != ERR_OK)
        fail_msg("%s%s", buffer, info.text);
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct request request = make_request(random);
        if (!import_allows(&imported, &request))
            continue;
        allowed++;
        if (!smokescreen_allows(&acl, &request)) {
            char *yaml = imported_text(&imported);
            (void)fprintf(stderr, "%s%s%s", config, buffer, yaml);
            fail_msg("%zu to %s (%s)", request.service, request.host, request.address);
        }
    }
    arena_destroy(notes.arena);
    return allowed;
}

static void what_an_import_allows_smokescreen_allows(void **state)
{
    struct random random = {.state = 20262};
    size_t allowed = 0;
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++)
        allowed += check_acl(&random);
    assert_true(allowed > CONFIGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_import_allows_smokescreen_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
