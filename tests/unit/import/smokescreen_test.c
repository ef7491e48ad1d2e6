// What a configuration and an ACL of Smokescreen become, and what is said about what cannot be taken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/import/smokescreen.h"
#include "tests/unit/import/sources.h"

#define CONFIG                                                                                     \
    "port: 8443\ntls: {cert_file: a.pem, client_ca_files: [ca.pem, more.pem]}\nacl_file: acl.yaml\n"
#define ACL                                                                                        \
    "version: v1\nservices:\n  - {name: web, project: p, action: enforce, allowed_domains: [example.com, \"*.example.org\"]}\n"

// row is a configuration, its ACL, and what comes of them.
struct row {
    const char *config;
    const char *acl;
    const char *has[3];
    const char *has_not;
    const char *says;
};

static const struct row rows[] = {
    {CONFIG,
     ACL,
     {"- {cn: \"web\"}", "hosts: [\"example.com\", \"*.example.org\"], ports: [any]",
      "address: \"[::]:8443\""},
     "mode",
     "note: project"},
    {CONFIG,
     ACL,
     {"chain: \"a.pem\", key: \"a.pem\"", "ca: [\"ca.pem\", \"more.pem\"]", NULL},
     "deny",
     NULL},
    // actions
    {CONFIG,
     "version: v1\nservices: [{name: a, action: open}]\n",
     {"cn: \"a\""},
     "mode",
     "`action: open` is left out"},
    {CONFIG,
     "version: v1\nservices: [{name: a, action: report}]\n",
     {"mode: report"},
     "mode: open",
     "note: for `a`: `mode: report`"},
    {CONFIG,
     "version: v1\nservices: []\ndefault: {action: enforce, allowed_domains: [a.example]}\n",
     {"{any: true}", "a.example"},
     "cn:",
     "one with several CNs"},
    // lists for all
    {CONFIG,
     ACL "global_allow_list: [all.example]\n",
     {"hosts: [\"all.example\"], ports: [any]"},
     "deny",
     NULL},
    {CONFIG,
     ACL "global_deny_list: [bad.example]\n",
     {"web"},
     "bad.example",
     "note: global_deny_list: not written"},
    {"tls: {cert_file: a.pem, client_ca_files: [ca.pem], min_version: \"1.3\"}\nacl_file: acl.yaml\n",
     ACL,
     {"web"},
     NULL,
     "tls: min_version: left out: it is not known here"},
    {CONFIG,
     ACL "global_deny_list: [bad.example]\nglobal_allow_list: [\"*.example\"]\n",
     {"deny:\n      - {hosts: [\"bad.example\"]}"},
     NULL,
     NULL},
    {CONFIG,
     ACL "global_deny_list: [example.com, bad.example]\nglobal_allow_list: [bad.example]\n",
     {"deny:\n      - {hosts: [\"bad.example\"]}"},
     "deny:\n      - {hosts: [\"example.com\"",
     NULL},
    {CONFIG,
     "version: v1\nservices: [{name: a, action: report, allowed_domains: [x.bad.example]}]\nglobal_deny_list: [\"*.bad.example\"]\n",
     {"deny:\n      - {hosts: [\"*.bad.example\"]}"},
     NULL,
     "a denial always wins"},
    // addresses
    {CONFIG "allow_ranges: [10.2.0.0/16]\n",
     ACL,
     {"hosts: [\"example.com\", \"*.example.org\"], ports: [any]",
      "addresses: [\"10.2.0.0/16\"], ports: [any]"},
     NULL,
     NULL},
    {CONFIG "allow_addresses: [\"10.2.0.1:5432\"]\n",
     ACL,
     {"addresses: [\"10.2.0.1/32\"], ports: [5432]"},
     NULL,
     NULL},
    {CONFIG "deny_ranges: [192.0.2.0/24]\ndeny_addresses: [\"198.51.100.1:25\"]\n",
     ACL,
     {"deny:\n  - {addresses: [\"192.0.2.0/24\"]}",
      "  - {addresses: [\"198.51.100.1/32\"], ports: [25]}"},
     NULL,
     NULL},
    {CONFIG "allow_ranges: [10.2.0.0/16]\ndeny_ranges: [10.0.0.0/8]\n",
     ACL,
     {"deny:"},
     NULL,
     "a denial always wins"},
    {CONFIG "unsafe_allow_private_ranges: true\n", ACL, {"10.0.0.0/8"}, NULL, NULL},
    {CONFIG,
     "version: v1\nservices: [{name: a, action: enforce, allowed_domains: [10.0.0.1, 8.8.8.8]}]\n",
     {"- {addresses: [\"8.8.8.8/32\"], ports: [any]}"},
     "10.0.0.1",
     "an address in its list is left out"},
    // other keys
    {CONFIG
     "network: ip4\nresolver_addresses: [\"192.0.2.53:53\"]\nidle_timeout: 1m30s\nmax_concurrent_connect_tunnels: 9\n",
     ACL,
     {"servers: [\"192.0.2.53:53\"]\n  family: ipv4", "idle: 90000ms", "limits: {tunnels: 9}"},
     NULL,
     NULL},
    {CONFIG "allow_missing_role: true\n",
     ACL,
     {"cn: \"web\""},
     "optional",
     "clients without a certificate are refused"},
    {CONFIG "support_proxy_protocol: true\n",
     ACL,
     {"cn: \"web\""},
     "proxy_protocol",
     "name the balancers"},
    {CONFIG "mitm_ca_cert_file: x\n", ACL, {"cn: \"web\""}, NULL, "nothing is decrypted"},
    // a certificate with several CNs is the `default`, which must not be wider without a word
    {CONFIG,
     ACL "default: {action: report}\n",
     {"{any: true}", "mode: report"},
     NULL,
     "acl.yaml:4: default: for each certificate that fits no service before it"},
    {CONFIG,
     ACL "default: {action: enforce, allowed_domains: [a.example]}\n",
     {"{any: true}"},
     NULL,
     "acl.yaml:4: default: for each certificate that fits no service before it"},
    {CONFIG, ACL "default: {action: enforce}\n", {"{any: true}"}, NULL, "note: default: for each"},
    // names whose requests get headers are not opened without them
    {CONFIG,
     "version: v1\nservices:\n  - name: a\n    action: enforce\n    allowed_domains: [\"*.example\"]\n"
     "    mitm_domains: [{domain: api.example, add_headers: {X-Only: us}}, {domain: log.example, detailed_http_logs: true}]\n",
     {"deny:\n      - {hosts: [\"api.example\"]}"},
     "log.example",
     "so these names are denied"},
    {CONFIG,
     ACL "frobnicate: 1\n",
     {"cn: \"web\""},
     NULL,
     "acl.yaml:4: frobnicate: not known here"},
    {CONFIG,
     "version: v1\nservices: [{name: a, action: enforce, frobnicate: 1}]\n",
     {"cn: \"a\""},
     NULL,
     "acl.yaml:2: frobnicate: not known here"},
    {"port: 1\n", ACL, {"No client"}, NULL, "lets everybody go everywhere"},
    {ACL, "", {"cn: \"web\"", "127.0.0.1:8443"}, NULL, NULL},
};

static enum err import_row(const char *config, const char *acl, struct import_notes *notes,
                           struct imported *imported, struct errinfo *info)
{
    const struct memory_file files[] = {{"config.yaml", config}, {"acl.yaml", acl}, {NULL, NULL}};
    const struct import_sources sources = memory_sources(files);
    const struct smokescreen_options options = {0};
    return smokescreen_import("config.yaml", &options, &sources, notes, imported, info);
}

static void check_row(const struct row *row)
{
    struct import_notes notes = {.arena = arena_create()};
    struct imported imported = {0};
    struct errinfo info = {.text = ""};
    assert_non_null(notes.arena);
    if (import_row(row->config, row->acl, &notes, &imported, &info) != ERR_OK)
        fail_msg("%s%s%s", row->config, row->acl, info.text);
    char *yaml = imported_text(&imported);
    char *said = notes_text(&notes);
    for (size_t i = 0; i < 3; i++) {
        if (row->has[i] != NULL && strstr(yaml, row->has[i]) == NULL)
            fail_msg("%s%shas not %s\n%s%s", row->config, row->acl, row->has[i], yaml, said);
    }
    if (row->has_not != NULL && strstr(yaml, row->has_not) != NULL)
        fail_msg("%s%shas %s\n%s%s", row->config, row->acl, row->has_not, yaml, said);
    if (row->says != NULL && strstr(said, row->says) == NULL)
        fail_msg("%s%sdoes not say %s\n%s", row->config, row->acl, row->says, said);
    free(yaml);
    free(said);
    arena_destroy(notes.arena);
}

static void services_become_clients_that_may_do_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

static void what_smokescreen_would_not_start_with_is_an_error(void **state)
{
    static const char *const bad[][3] = {
        {CONFIG, "services: []\n", "acl.yaml:1: expected version"},
        {CONFIG, "version: v1\n", "expected `services`"},
        {CONFIG, ACL "  - {name: web, action: enforce}\n", "rule already exists"},
        {CONFIG, "version: v1\nservices:\n  - {name: a, action: maybe}\n",
         "acl.yaml:3: `action` is"},
        {CONFIG, "version: v1\nservices:\n  - {name: a}\n", "acl.yaml:3: `action` is"},
        {CONFIG, "version: v1\nservices:\n  - {action: open}\n", "needs a name"},
        {CONFIG,
         "version: v1\nservices:\n  - {name: a, action: enforce, allowed_domains: [\"*\"]}\n",
         "`*` is no domain"},
        {CONFIG,
         "version: v1\nservices:\n  - {name: a, action: enforce, allowed_domains: [\"a.*.example\"]}\n",
         "is no domain"},
        {CONFIG, "version: v1\nservices:\n  - {name: a, action: enforce, allowed_domains: 1}\n",
         "is a list"},
        {"acl_file: none.yaml\n", "", "cannot open none.yaml"},
        {"tls: {key_file: a}\n", "", "requires 'cert_file'"},
        {"tls: {cert_file: a.pem, client_ca_files: ca.pem}\n", "", "expected a list of files"},
        {"tls: {cert_file: a.pem, crl_files: [[a]]}\n", "", "expected a path"},
        {"resolver_addresses: \"192.0.2.53:53\"\n", "", "expected a list"},
        {"port: 99999\n", "", "expected a port"},
        {"statsd_address: x\nfrobnicate: 1\n", "", "config.yaml:2: `frobnicate` is not known here"},
        {"network: udp\n", "", "expected ip, ip4 or ip6"},
        {"allow_ranges: [10.0.0.0/33]\n", "", "this is no ADDRESS/LENGTH"},
        {"deny_addresses: [host]\n", "", "this is no ADDRESS"},
        {"- a\n", "", "expected a map"},
        {"a: [\n", "", "config.yaml:"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct import_notes notes = {.arena = arena_create()};
        struct imported imported = {0};
        struct errinfo info = {.text = ""};
        if (import_row(bad[i][0], bad[i][1], &notes, &imported, &info) == ERR_OK ||
            strstr(info.text, bad[i][2]) == NULL)
            fail_msg("%s%s%s", bad[i][0], bad[i][1], info.text);
        arena_destroy(notes.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_become_clients_that_may_do_no_more),
        cmocka_unit_test(what_smokescreen_would_not_start_with_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
