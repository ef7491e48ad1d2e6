// Whole configurations with real files: the sample, defaults, and a table of what is refused where.
#include "proxy/config/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/mem.h>
#include <openssl/pool.h>

#include "proxy/config/served_list.h"
#include "proxy/pki/certificate.h"
#include "tests/unit/config/findings.h"
#include "tests/unit/config/folder.h"

enum { TEXT_CAP = 16384 };

// Sections that are appended where a case does not have its own.
static const char *const sections[][2] = {
    {"version:", "version: 1\n"},
    {"listeners:", "listeners:\n- name: main\n  address: '127.0.0.1:8443'\n  certificates:\n"
                   "  - {chain: tls/server.crt, key: tls/server.key}\n  trust: staff\n"},
    {"trust:", "trust: {staff: {ca: [tls/clients-ca.crt]}}\n"},
    {"clients:", "clients: [{name: a, match: [{any: true}], allow: [{hosts: [x]}]}]\n"},
    {"audit:", "audit: {file: audit.jsonl}\n"},
};

struct loaded {
    struct diagnostics diagnostics;
    struct snapshot *snapshot;
    enum err error;
};

static bool has_section(const char *text, const char *key)
{
    const char *found = strstr(text, key);
    while (found != NULL && found != text && found[-1] != '\n')
        found = strstr(found + 1, key);
    return found != NULL;
}

static void load_path(const struct folder *folder, const char *name, struct loaded *out)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    *out = (struct loaded){0};
    diagnostics_init(&out->diagnostics);
    out->error = snapshot_load(path, &(struct load_options){.now_s = FOLDER_NOW_S},
                               &out->diagnostics, &out->snapshot);
    assert_int_equal(out->error == ERR_OK, out->snapshot != NULL);
    assert_int_equal(out->error == ERR_OK, out->diagnostics.error_count == 0);
}

// load completes `text` with good sections and loads it.
static void load(const struct folder *folder, const char *text, struct loaded *out)
{
    char whole[TEXT_CAP];
    int len = snprintf(whole, sizeof whole, "%s", text);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (!has_section(text, sections[i][0]))
            len += snprintf(whole + len, sizeof whole - (size_t)len, "%s", sections[i][1]);
    }
    assert_true(len > 0 && (size_t)len < sizeof whole);
    folder_write(folder, "t.yaml", slice_of(whole, (size_t)len), 0644);
    load_path(folder, "t.yaml", out);
}

static void unload(struct loaded *loaded)
{
    snapshot_unref(loaded->snapshot);
    diagnostics_deinit(&loaded->diagnostics);
}

static void loads_the_sample_of_the_interface(void **state)
{
    const struct folder *folder = *state;
    static char text[TEXT_CAP];
    FILE *file = fopen("tests/data/sample.yaml", "r");
    assert_non_null(file);
    const size_t len = fread(text, 1, sizeof text, file);
    assert_int_equal(fclose(file), 0);
    folder_write(folder, "sample.yaml", slice_of(text, len), 0644);
    struct loaded loaded;
    load_path(folder, "sample.yaml", &loaded);
    assert_no_errors(&loaded.diagnostics);
    const struct snapshot *snapshot = loaded.snapshot;
    assert_int_equal(strlen(snapshot->id), 16);
    assert_in_range(snapshot->workers, 1, 256);
    assert_int_equal(snapshot->listener_count, 1);
    const struct listener_config *listener = &snapshot->listeners[0];
    assert_string_equal(listener->name, "main");
    assert_string_equal(listener->sites[0].trust_name, "staff");
    assert_ptr_equal(listener->sites[0].trust, snapshot->trusts[0]);
    assert_non_null(listener->sites[0].tls);
    assert_int_equal(listener->address.port, 8443);
    assert_int_equal(listener->address.address.bytes[0], 127);
    assert_int_equal(snapshot->trust_count, 2);
    assert_string_equal(trust_name(snapshot->trusts[1]), "partners");
    assert_int_equal(snapshot->policy->client_count, 1);
    assert_int_equal(snapshot->policy->clients[0].allow_count, 3);
    assert_int_equal(snapshot->policy->deny_count, 1);
    assert_int_equal(snapshot->resolver.server_count, 1);
    assert_int_equal(snapshot->resolver.servers[0].port, 53);
    assert_int_equal(snapshot->audit_on_full, AUDIT_REFUSE);
    assert_finding(&loaded.diagnostics, SEVERITY_NOTE, 0, 0, "100 days left");
    assert_finding(&loaded.diagnostics, SEVERITY_NOTE, 0, 0, "trust.staff: CRL of CN=Clients CA");
    assert_finding(&loaded.diagnostics, SEVERITY_NOTE, 0, 0, "trust.partners has no `crl`");
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 0, 0,
                   "`partners` is used by no listener");
    unload(&loaded);
}

static void fills_in_the_defaults_of_the_interface(void **state)
{
    struct loaded loaded;
    load(*state, "", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_int_equal(loaded.diagnostics.warning_count, 0);
    const struct timeouts *timeouts = &loaded.snapshot->timeouts;
    assert_int_equal(timeouts->handshake_ms, 10000);
    assert_int_equal(timeouts->request_ms, 10000);
    assert_int_equal(timeouts->keepalive_ms, 60000);
    assert_int_equal(timeouts->resolve_ms, 5000);
    assert_int_equal(timeouts->attempt_ms, 3000);
    assert_int_equal(timeouts->connect_ms, 10000);
    assert_int_equal(timeouts->idle_ms, 300000);
    assert_int_equal(timeouts->body_ms, 60000);
    assert_int_equal(timeouts->half_closed_ms, 60000);
    assert_int_equal(timeouts->linger_ms, 2000);
    assert_int_equal(timeouts->drain_ms, 30000);
    assert_true(loaded.snapshot->resolver.server_count >= 1); // the system's
    assert_int_equal(loaded.snapshot->resolver.timeout_ms, 1500);
    assert_int_equal(loaded.snapshot->resolver.tries, 2);
    assert_int_equal(loaded.snapshot->audit_on_full, AUDIT_REFUSE);
    assert_int_equal(loaded.snapshot->policy->clients[0].mode, POLICY_ENFORCE);
    unload(&loaded);
}

static void takes_each_setting_from_its_own_key(void **state)
{
    struct loaded loaded;
    load(*state,
         "workers: 3\n"
         "timeouts: {handshake: 1ms, request: 2ms, keepalive: 3ms, resolve: 4ms, attempt: 5ms, "
         "connect: 6ms, idle: 7ms, half_closed: 8ms, linger: 9ms, drain: 10ms, body: 11ms}\n"
         "resolver: {servers: ['127.0.0.1:5353', '[::1]:53'], timeout: 2s, tries: 4, "
         "family: prefer_ipv4, cache: {entries: 7, min_ttl: 1s, max_ttl: 2s}, "
         "hosts: {DB.example.: [10.2.0.7, '::1'], b\u00fccher.example: [10.2.0.8]}, "
         "nat64: ['2001:db8:64::/96']}\n"
         "audit: {file: logs/a.jsonl, on_full: drop}\n",
         &loaded);
    assert_no_errors(&loaded.diagnostics);
    const struct snapshot *snapshot = loaded.snapshot;
    assert_int_equal(snapshot->workers, 3);
    const int64_t *values[] = {
        &snapshot->timeouts.handshake_ms, &snapshot->timeouts.request_ms,
        &snapshot->timeouts.keepalive_ms, &snapshot->timeouts.resolve_ms,
        &snapshot->timeouts.attempt_ms,   &snapshot->timeouts.connect_ms,
        &snapshot->timeouts.idle_ms,      &snapshot->timeouts.half_closed_ms,
        &snapshot->timeouts.linger_ms,    &snapshot->timeouts.drain_ms,
        &snapshot->timeouts.body_ms,
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_int_equal(*values[i], i + 1);
    assert_int_equal(snapshot->resolver.server_count, 2);
    assert_int_equal(snapshot->resolver.servers[0].port, 5353);
    assert_int_equal(snapshot->resolver.servers[1].address.family, IP_V6);
    assert_int_equal(snapshot->resolver.timeout_ms, 2000);
    assert_int_equal(snapshot->resolver.tries, 4);
    assert_int_equal(snapshot->resolver.family, RESOLVER_PREFER_IPV4);
    assert_int_equal(snapshot->resolver.cache_entries, 7);
    assert_int_equal(snapshot->resolver.min_ttl_ms, 1000);
    assert_int_equal(snapshot->resolver.max_ttl_ms, 2000);
    assert_int_equal(snapshot->policy->nat64.count, 1);
    size_t host_count = 0;
    const struct host_entry *hosts =
        host_table_find(snapshot->resolver.hosts, SLICE_LITERAL("db.example"), &host_count);
    assert_int_equal(host_count, 2);
    assert_int_equal(hosts[0].address.family, IP_V4);
    assert_int_equal(hosts[1].address.family, IP_V6);
    assert_non_null(host_table_find(snapshot->resolver.hosts,
                                    SLICE_LITERAL("xn--bcher-kva.example"), &host_count));
    assert_int_equal(snapshot->audit_on_full, AUDIT_DROP);
    const char *suffix = "/logs/a.jsonl";
    assert_string_equal(snapshot->audit_path + strlen(snapshot->audit_path) - strlen(suffix),
                        suffix);
    unload(&loaded);
}

static void loads_from_the_current_folder_by_a_bare_name(void **state)
{
    const struct folder *folder = *state;
    char before[512];
    assert_non_null(getcwd(before, sizeof before));
    struct loaded loaded;
    load(folder, "", &loaded); // writes t.yaml
    unload(&loaded);
    assert_int_equal(chdir(folder->path), 0);
    diagnostics_init(&loaded.diagnostics);
    loaded.error = snapshot_load("t.yaml", &(struct load_options){.now_s = FOLDER_NOW_S},
                                 &loaded.diagnostics, &loaded.snapshot);
    assert_int_equal(chdir(before), 0);
    assert_no_errors(&loaded.diagnostics);
    assert_string_equal(loaded.snapshot->audit_path, "audit.jsonl");
    assert_string_equal(loaded.snapshot->listeners[0].sites[0].chain_path, "tls/server.crt");
    unload(&loaded);
}

static void takes_several_listeners_with_ports_of_their_own(void **state)
{
    struct loaded loaded;
    load(*state,
         "listeners:\n"
         "- {name: a, address: '127.0.0.1:0', certificates: [{chain: tls/server.crt, key: "
         "tls/server.key}], trust: staff, tls: {min: '1.3'}}\n"
         "- {name: b, address: '127.0.0.1:0', certificates: [{chain: tls/server.crt, key: "
         "tls/server.key}], trust: partners, tls: {max: 1.2}}\n"
         "- {name: c, address: '[::]:8443', certificates: [{chain: tls/server.crt, key: "
         "tls/server.key}], trust: partners}\n"
         "trust: {staff: {ca: [tls/clients-ca.crt]}, partners: {ca: [tls/partners-ca.crt], "
         "max_depth: 0, max_lifetime: 1d}}\n"
         "clients: [{name: a, match: [{any: true, trust: staff}], allow: [{hosts: [x]}]}]\n",
         &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_int_equal(loaded.diagnostics.warning_count, 0);
    assert_int_equal(loaded.snapshot->listener_count, 3);
    assert_ptr_equal(loaded.snapshot->listeners[2].sites[0].trust, loaded.snapshot->trusts[1]);
    unload(&loaded);
}

static void what_a_name_inherits_is_served_once(void **state)
{
    struct loaded loaded;
    struct served_certificate served;
    size_t index = 0;
    load(*state,
         "listeners:\n"
         "- name: a\n"
         "  address: '127.0.0.1:0'\n"
         "  certificates: [{chain: tls/server.crt, key: tls/server.key}]\n"
         "  trust: staff\n"
         "  sni:\n"
         "  - {names: [a.test], trust: partners}\n"
         "  - {names: [b.test], certificates: [{chain: tls/server.crt, key: tls/server.key}]}\n"
         "  - {names: [c.test], trust: partners}\n"
         "trust: {staff: {ca: [tls/clients-ca.crt]}, partners: {ca: [tls/partners-ca.crt]}}\n"
         "clients: []\n",
         &loaded);
    assert_no_errors(&loaded.diagnostics);
    const struct listener_config *listener = &loaded.snapshot->listeners[0];
    assert_int_equal(listener->site_count, 4);
    for (size_t site = 0; site < 4; site += 2) { // the listener's own, and the one of b.test
        assert_true(served_list_next(listener, &index, &served));
        assert_ptr_equal(served.info, tls_context_describe(listener->sites[site].tls, 0));
        assert_ptr_equal(served.path, listener->sites[site].chain_path);
    }
    assert_false(served_list_next(listener, &index, &served));
    assert_int_equal(index, 2);
    unload(&loaded);
}

struct finding_case {
    const char *text;
    uint32_t line;
    uint32_t column;
    const char *part;
};

#define LISTENER     "listeners:\n- name: a\n  address: '127.0.0.1:8443'\n  trust: staff\n"
#define CERTIFICATES "  certificates: [{chain: tls/server.crt, key: tls/server.key}]\n"

static void assert_refused(const struct folder *folder, const struct finding_case *cases,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct loaded loaded;
        load(folder, cases[i].text, &loaded);
        assert_finding(&loaded.diagnostics, SEVERITY_ERROR, cases[i].line, cases[i].column,
                       cases[i].part);
        if (loaded.diagnostics.error_count != 1) {
            diagnostics_print(&loaded.diagnostics, stderr, SEVERITY_ERROR);
            fail_msg("one mistake is one error: %s", cases[i].text);
        }
        assert_null(loaded.snapshot);
        unload(&loaded);
    }
}

static void refuses_bad_settings_with_their_place(void **state)
{
    static const struct finding_case cases[] = {
        {"version: 2\n", 1, 10, "expected 1"},
        {"version: '1'\n", 1, 10, "without quotes"},
        {"version: 01\n", 1, 10, "whole number"},
        {"version: x\n", 1, 10, "whole number"},
        {"version:\n", 1, 9, "whole number"},
        {"workers: 0\n", 1, 10, "from 1 to 256"},
        {"workers: 257\n", 1, 10, "from 1 to 256"},
        {"workers: 99999999999999999999\n", 1, 10, "from 1 to 256"},
        {"workers: all\n", 1, 10, "auto"},
        {"workers: [1]\n", 1, 10, "expected a value"},
        {"workerz: 1\n", 1, 1, "did you mean `workers`"},
        {"sets: []\n", 1, 7, "expected a map"},
        {"limits: {tunnels: 0}\n", 1, 19, "from 1 to"},
        {"control: {state: s}\n", 1, 10, "no `socket`"},
        {"control: {socket: /run/c}\n", 1, 10, "no `state`"},
        {"control: c.sock\n", 1, 10, "expected a map"},
        {"control: {socket: /run/c, state: /run/c}\n", 1, 10, "the same path"},
        {"control: {socket: /run/c, state: s, mode: 1}\n", 1, 37, "unknown key"},
        {"admin: {}\n", 1, 8, "no `address`"},
        {"admin: '127.0.0.1:1'\n", 1, 8, "expected a map"},
        {"admin: {address: here}\n", 1, 18, "unix:PATH"},
        {"admin: {address: 'localhost:1'}\n", 1, 18, "IP address"},
        {"admin: {address: '10.0.0.1:1'}\n", 1, 18, "nobody there may see anything"},
        {"admin: {address: '[::]:1'}\n", 1, 18, "nobody there may see anything"},
        {"admin: {address: '10.0.0.1:1', open: [readyz]}\n", 1, 8, "both are needed"},
        {"admin: {address: '10.0.0.1:1', from: [10.0.0.0/8]}\n", 1, 8, "both are needed"},
        {"admin: {address: '10.0.0.1:1', open: [status.json], from: [10.0.0.0/8]}\n", 1, 39,
         "not known"},
        {"admin: {address: '127.0.0.1:1', open: [readyz], from: [10.0.0.1/8]}\n", 1, 56, "`from`"},
        {"admin: {address: '127.0.0.1:1', names: ['*.example.org']}\n", 1, 41, "not a host name"},
        {"admin: {address: '127.0.0.1:1', names: [127.0.0.1]}\n", 1, 41, "not a host name"},
        {"admin: {address: '127.0.0.1:1', metrics: {clients: 5}}\n", 1, 52, "true"},
        {"admin: {address: '127.0.0.1:1', metrics: {hosts: true}}\n", 1, 43, "unknown key"},
        {"admin: {address: '127.0.0.1:1', trust: staff}\n", 1, 8, "both are needed"},
        {"admin: {address: '127.0.0.1:1', certificates: [{chain: tls/server.crt, key: tls/server.key}]}\n",
         1, 8, "both are needed"},
        {"admin: {address: '127.0.0.1:1', certificates: [{chain: tls/server.crt, key: tls/server.key}], "
         "trust: nobody}\n",
         1, 102, "nobody"},
        {"admin: {address: 'unix:/run/a', certificates: [{chain: tls/server.crt, key: "
         "tls/server.key}], trust: staff}\n",
         1, 47, "needs no certificates"},
        {"admin: {address: 'unix:/run/a', open: [readyz], from: [10.0.0.0/8]}\n", 1, 8,
         "a Unix socket has none"},
        {"admin: {address: 'unix:/run/c'}\ncontrol: {socket: /run/c, state: s}\n", 1, 18,
         "the same socket"},
        {"clients: [{name: a, match: [{any: true}], allow: [{hosts: [x]}], limits: 5}]\n", 1, 74,
         "expected a map"},
        {"timeouts: []\n", 1, 11, "expected a map"},
        {"timeouts: {idle: 5}\n", 1, 18, "no unit"},
        {"timeouts: {idle: 5min}\n", 1, 18, "unit"},
        {"timeouts: {idle: 0s}\n", 1, 18, "1ms to 30d"},
        {"timeouts: {idle: 31d}\n", 1, 18, "1ms to 30d"},
        {"timeouts: {handshake: 2h}\n", 1, 23, "1ms to 1h"},
        {"timeouts: {idel: 5m}\n", 1, 12, "did you mean `idle`"},
        {"resolver: {servers: []}\n", 1, 21, "empty"},
        {"resolver: {servers: ['127.0.0.1']}\n", 1, 22, "port"},
        {"resolver: {servers: ['https://127.0.0.53/dns-query']}\n", 1, 22, "not supported"},
        {"resolver: {servers: ['HTTPS://127.0.0.53']}\n", 1, 22, "tls://192.0.2.53#"},
        {"resolver: {servers: ['tls:/127.0.0.53']}\n", 1, 22, "tls://ADDRESS#NAME"},
        {"resolver: {servers: ['udp://127.0.0.53:53']}\n", 1, 22, "ADDRESS:PORT"},
        {"resolver: {servers: ['TLS://127.0.0.53']}\n", 1, 22, "which name"},
        {"resolver: {servers: ['tls://dns.example.org']}\n", 1, 22, "write its address"},
        {"resolver: {servers: ['tls://dns.example.org#dns.example.org']}\n", 1, 22,
         "whose port is 853"},
        {"resolver: {servers: ['tls://dns.example.org:853#dns.example.org']}\n", 1, 22,
         "no IP address"},
        {"resolver: {servers: ['127.0.0.1:0']}\n", 1, 22, "no server"},
        {"resolver: {servers: ['0.0.0.0:53']}\n", 1, 22, "no server"},
        {"resolver: {servers: ['224.0.0.1:53']}\n", 1, 22, "no server"},
        {"resolver: {servers: ['::1:53']}\n", 1, 22, "DNS server"},
        {"resolver: {servers: [dns.example:53]}\n", 1, 22, "IP address"},
        {"resolver: {servers: ['127.0.0.1:053']}\n", 1, 22, "port"},
        {"resolver: {servers: ['1.1.1.1:53','1.1.1.1:53','1.1.1.1:53','1.1.1.1:53','1.1.1.1:53',"
         "'1.1.1.1:53','1.1.1.1:53','1.1.1.1:53','1.1.1.1:53']}\n",
         1, 21, "at most 8"},
        {"resolver: {timeout: 1}\n", 1, 21, "no unit"},
        {"resolver: {timeout: 5ms}\n", 1, 21, "10ms to 1m"},
        {"resolver: {tries: 0}\n", 1, 19, "from 1 to 10"},
        {"resolver: {family: ipx}\n", 1, 20, "not known"},
        {"resolver: {nat64: ['2001:db8::/95']}\n", 1, 20, "nat64"},
        {"resolver: {nat64: [10.0.0.0/8]}\n", 1, 20, "nat64"},
        {"resolver: {hosts: [a]}\n", 1, 19, "expected a map"},
        {"resolver: {hosts: {'*.a': [10.0.0.1]}}\n", 1, 20, "not a host name"},
        {"resolver: {hosts: {10.0.0.1: [10.0.0.1]}}\n", 1, 20, "not a host name"},
        {"resolver: {hosts: {a: 10.0.0.1}}\n", 1, 23, "expected a list"},
        {"resolver: {hosts: {a: []}}\n", 1, 23, "empty"},
        {"resolver: {hosts: {a: [010.0.0.1]}}\n", 1, 24, "not an address"},
        {"resolver: {hosts: {a: [10.0.0.0/8]}}\n", 1, 24, "not an address"},
        {"resolver: {hosts_file: nowhere}\n", 1, 24, "nowhere"},
        {"resolver: {resolv_conf: nowhere}\n", 1, 25, "nowhere"},
        {"resolver: {servers: ['127.0.0.1:53'], resolv_conf: a}\n", 1, 52, "one of them"},
        {"resolver: {cache: {entries: -1}}\n", 1, 29, "from 0 to 1000000"},
        {"resolver: {cache: {max_ttl: 2d}}\n", 1, 29, "to 1d"},
        {"resolver: {cache: {min_ttl: 2s, max_ttl: 1s}}\n", 1, 19, "longer than"},
        {"resolver: {cache: {ttl: 1s}}\n", 1, 20, "unknown key"},
        {"clients: [{name: a, match: [{any: true}], egress: {}}]\n", 1, 51, "no `addresses`"},
        {"clients: [{name: a, match: [{any: true}], egress: {addresses: []}}]\n", 1, 63, "empty"},
        {"clients: [{name: a, match: [{any: true}], egress: {addresses: [10.0.0.0/8]}}]\n", 1, 64,
         "not an address"},
        {"clients: [{name: a, match: [{any: true}], egress: {addresses: [0.0.0.0]}}]\n", 1, 64,
         "nothing can come from there"},
        {"clients: [{name: a, match: [{any: true}], egress: {addresses: ['::ffff:10.0.0.1']}}]\n",
         1, 64, "nothing can come from there"},
        {"audit: {}\n", 1, 8, "no `file`"},
        {"audit: audit.jsonl\n", 1, 8, "expected a map"},
        {"audit: {file: ''}\n", 1, 15, "empty"},
        {"audit: {file: a, on_full: block}\n", 1, 27, "refuse, drop"},
    };
    assert_refused(*state, cases, sizeof cases / sizeof cases[0]);
}

static void refuses_bad_listeners_with_their_place(void **state)
{
    static const struct finding_case cases[] = {
        {"listeners: []\n", 1, 12, "empty"},
        {"listeners: {}\n", 1, 12, "expected a list"},
        {"listeners:\n- x\n", 2, 3, "expected a map"},
        {"listeners:\n- address: '127.0.0.1:8443'\n  trust: staff\n" CERTIFICATES, 2, 3,
         "no `name`"},
        {"listeners:\n- name: a\n  trust: staff\n" CERTIFICATES, 2, 3, "no `address`"},
        {"listeners:\n- name: a\n  address: '127.0.0.1:8443'\n" CERTIFICATES, 2, 3, "no `trust`"},
        {LISTENER, 2, 3, "no `certificates`"},
        {LISTENER CERTIFICATES "  trsut: x\n", 6, 3, "did you mean `trust`"},
        {"listeners:\n- name: a b\n  address: '127.0.0.1:8443'\n  trust: staff\n" CERTIFICATES, 2,
         9, "not a name"},
        {"listeners:\n- name: a\n  address: localhost:8443\n  trust: staff\n" CERTIFICATES, 3, 12,
         "IP address"},
        {"listeners:\n- name: a\n  address: ':8443'\n  trust: staff\n" CERTIFICATES, 3, 12,
         "[::]:8443"},
        {"listeners:\n- name: a\n  address: 8443\n  trust: staff\n" CERTIFICATES, 3, 12,
         "the port is missing"},
        {"listeners:\n- name: a\n  address: 127.0.0.1\n  trust: staff\n" CERTIFICATES, 3, 12,
         "the port is missing"},
        {"listeners:\n- name: a\n  address: '::1'\n  trust: staff\n" CERTIFICATES, 3, 12,
         "the port is missing"},
        {"listeners:\n- name: a\n  address: '[::1]'\n  trust: staff\n" CERTIFICATES, 3, 12, "port"},
        {"listeners:\n- name: a\n  address: '::1:8443'\n  trust: staff\n" CERTIFICATES, 3, 12,
         "`address`"},
        {"listeners:\n- name: a\n  address: '[127.0.0.1]:8443'\n  trust: staff\n" CERTIFICATES, 3,
         12, "brackets"},
        {"listeners:\n- name: a\n  address: '[::ffff:127.0.0.1]:84'\n  trust: staff\n" CERTIFICATES,
         3, 12, "as IPv4"},
        {"listeners:\n- name: a\n  address: '127.0.0.1:65536'\n  trust: staff\n" CERTIFICATES, 3,
         12, "0 to 65535"},
        {"listeners:\n- name: a\n  address: '127.0.0.1:08443'\n  trust: staff\n" CERTIFICATES, 3,
         12, "0 to 65535"},
        {"listeners:\n- name: a\n  address: '127.1:8443'\n  trust: staff\n" CERTIFICATES, 3, 12,
         "IP address"},
        {"listeners:\n- name: a\n  address: '127.0.0.1:8443'\n  trust: stafff\n" CERTIFICATES, 4,
         10, "did you mean `staff`"},
        {LISTENER CERTIFICATES "  client_certificate: none\n", 6, 23, "required, optional"},
        {LISTENER CERTIFICATES "  refuse_with: html\n", 6, 16, "alert, http"},
        {LISTENER CERTIFICATES "  sni: [{trust: staff}]\n", 6, 9, "no `names`"},
        {LISTENER CERTIFICATES "  sni: [{names: [a.test, A.test.]}]\n", 6, 17, "appears twice"},
        {LISTENER CERTIFICATES "  sni: [{names: ['*'], trust: staff}]\n", 6, 18,
         "not a server name"},
        {LISTENER CERTIFICATES "  sni: [{names: ['a.*.b.test'], trust: staff}]\n", 6, 18,
         "no `*` inside"},
        {LISTENER CERTIFICATES "  proxy_protocol: {from: []}\n", 6, 26, "is empty"},
        {LISTENER CERTIFICATES "  proxy_protocol: {wait: 3s}\n", 6, 19, "no `from`"},
        {LISTENER CERTIFICATES "  proxy_protocol: {from: [10.0.0.1/8]}\n", 6, 27, "10.0.0.0/8"},
        {LISTENER CERTIFICATES "  proxy_protocol: {from: [balancer.test]}\n", 6, 27, "`from`"},
        {LISTENER CERTIFICATES "  proxy_protocol: {from: [10.0.0.1], wait: 2s}\n", 6, 44, "3s"},
        {LISTENER CERTIFICATES "  proxy_protocol: {from: [10.0.0.1], wait: 2m}\n", 6, 44, "1m"},
        {LISTENER CERTIFICATES "  proxy_protocol: true\n", 6, 19, "`proxy_protocol`"},
        {LISTENER CERTIFICATES "  tls: {tickets: {rotate: 8d}}\n", 6, 27, "`rotate`"},
        {LISTENER CERTIFICATES "  tls: {tickets: {file: tls/no.key}}\n", 6, 25, "No such file"},
        {LISTENER CERTIFICATES "  tls: {min: '1.1'}\n", 6, 14, "1.2, 1.3"},
        {LISTENER CERTIFICATES "  tls: {min: '1.3', max: '1.2'}\n", 6, 26, "below"},
        {LISTENER CERTIFICATES "  tls: {groups: []}\n", 6, 17, "empty"},
        {LISTENER CERTIFICATES "  tls: {groups: X25519}\n", 6, 17, "`groups`"},
        {LISTENER CERTIFICATES "  tls: {groups: [X25519, x25519]}\n", 6, 26,
         "X25519MLKEM768, X25519, P-256, P-384, P-521"},
        {LISTENER CERTIFICATES "  tls: {groups: [P-255]}\n", 6, 18, "did you mean `P-256`"},
        {LISTENER CERTIFICATES "  tls: {groups: [X25519Kyber768Draft00]}\n", 6, 18, "not known"},
        {LISTENER CERTIFICATES "  tls: {groups: [X25519:P-256]}\n", 6, 18, "not known"},
        {LISTENER CERTIFICATES "  tls: {groups: [P-256, X25519, P-256]}\n", 6, 33, "twice"},
        {LISTENER CERTIFICATES
         "  tls: {groups: [P-256, X25519, P-384, P-521, X25519MLKEM768, P-256]}\n",
         6, 17, "5"},
        {LISTENER CERTIFICATES
         "- name: b\n  address: '127.0.0.1:8443'\n  trust: staff\n" CERTIFICATES,
         7, 12, "used twice"},
        {"listeners:\n- name: a\n  address: '[::]:8443'\n  trust: staff\n" CERTIFICATES
         "- name: b\n  address: '0.0.0.0:8443'\n  trust: staff\n" CERTIFICATES,
         7, 12, "accepts IPv4 too"},
        {LISTENER CERTIFICATES
         "- name: b\n  address: '0.0.0.0:8443'\n  trust: staff\n" CERTIFICATES,
         7, 12, "listener `b` (0.0.0.0:8443) and listener `a` (127.0.0.1:8443)"},
        {LISTENER CERTIFICATES "- name: b\n  address: '[::]:8443'\n  trust: staff\n" CERTIFICATES,
         7, 12, "give it another port"},
        {LISTENER CERTIFICATES
         "- name: a\n  address: '127.0.0.1:8444'\n  trust: staff\n" CERTIFICATES,
         6, 9, "used twice"},
    };
    assert_refused(*state, cases, sizeof cases / sizeof cases[0]);
}

static void refuses_bad_certificates_of_listeners(void **state)
{
    static const struct finding_case cases[] = {
        {LISTENER "  certificates: []\n", 5, 17, "empty"},
        {LISTENER "  certificates: [{chain: tls/server.crt}]\n", 5, 18, "no `key`"},
        {LISTENER "  certificates: [{key: tls/server.key}]\n", 5, 18, "no `chain`"},
        {LISTENER
         "  certificates: [{chain: tls/server.crt, key: tls/server.key}, {chain: tls/server.crt, key: b}]\n",
         5, 93, "No such file"},
        {LISTENER "  certificates: [{chain: tls/no.crt, key: tls/server.key}]\n", 5, 26,
         "No such file"},
        {LISTENER "  certificates: [{chain: tls, key: tls/server.key}]\n", 5, 26, "is a directory"},
        {LISTENER "  certificates: [{chain: tls/fifo, key: tls/server.key}]\n", 5, 26,
         "not a regular file"},
        {LISTENER "  certificates: [{chain: /dev/zero, key: tls/server.key}]\n", 5, 26,
         "not a regular file"},
        {LISTENER "  certificates: [{chain: tls/large, key: tls/server.key}]\n", 5, 26,
         "larger than 1048576"},
        {LISTENER "  certificates: [{chain: tls/server.crt, key: tls/group.key}]\n", 5, 47,
         "chmod 600"},
        {LISTENER "  certificates: [{chain: tls/server.crt, key: tls/world.key}]\n", 5, 47,
         "chmod 600"},
        {LISTENER "  certificates: [{chain: tls/server.crt, key: tls/fifo}]\n", 5, 47,
         "not a regular file"},
        {LISTENER "  certificates: [{chain: tls/server.crt, key: tls/other.key}]\n", 5, 18,
         "tls/other.key"},
        {LISTENER "  certificates: [{chain: tls/server.crt, key: tls/empty}]\n", 5, 18,
         "tls/empty"},
        {LISTENER "  certificates: [{chain: tls/empty, key: tls/server.key}]\n", 5, 18,
         "tls/empty"},
        {LISTENER "  certificates: [{chain: tls/junk, key: tls/server.key}]\n", 5, 18, "tls/junk"},
        {LISTENER "  certificates: [{chain: tls/expired.crt, key: tls/server.key}]\n", 5, 26,
         "has expired on 2026-11-19"},
        {LISTENER "  certificates: [{chain: tls/future.crt, key: tls/server.key}]\n", 5, 26,
         "not valid before 2026-11-25"},
        {LISTENER "  certificates: [{chain: tls/client.crt, key: tls/server.key}]\n", 5, 26,
         "serverAuth"},
        {LISTENER "  certificates: [{chain: tls/server.crt, key: tls/server.key, ocsp: x}]\n", 5,
         63, "unknown key"},
    };
    assert_refused(*state, cases, sizeof cases / sizeof cases[0]);
}

static void refuses_bad_trust_profiles(void **state)
{
    static const struct finding_case cases[] = {
        {"trust: {staff: {}}\n", 1, 16, "no `ca`"},
        {"trust: {staff: x}\n", 1, 16, "expected a map"},
        {"trust: {staff: {ca: []}}\n", 1, 21, "empty"},
        {"trust: {staff: {ca: tls/clients-ca.crt}}\n", 1, 21, "in brackets"},
        {"trust: {staff: {ca: [tls/no.crt]}}\n", 1, 22, "No such file"},
        {"trust: {staff: {ca: [tls/empty]}}\n", 1, 22, "tls/empty"},
        {"trust: {staff: {ca: [tls/junk]}}\n", 1, 22, "tls/junk"},
        {"trust: {staff: {ca: [tls/server.crt]}}\n", 1, 22, "not a CA"},
        {"trust: {staff: {ca: [tls/old-ca.crt]}}\n", 1, 21, "trust.staff"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], intermediates: [tls/no.crt]}}\n", 1, 59,
         "No such file"},
        {"trust: {staff: {system_cas: false}}\n", 1, 16, "no `ca`"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], system_cas: x}}\n", 1, 55, "true or false"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], strict: 'false'}}\n", 1, 51, "true or false"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], max_depth: 9}}\n", 1, 54, "from 0 to 8"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], max_depth: -1}}\n", 1, 54, "from 0 to 8"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], max_lifetime: 90}}\n", 1, 57, "no unit"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], max_lifetime: 0d}}\n", 1, 57, "1s to"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], max_lifetime: 1500ms}}\n", 1, 57,
         "whole seconds"},
        {"trust: {staff: {ca: [tls/clients-ca.crt]}, 'a b': {ca: [tls/partners-ca.crt]}}\n", 1, 44,
         "not a name"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], spiffe: 'spiffe://example.org'}}\n", 1, 51,
         "the trust domain alone"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], spiffe: 'SPIFFE://example.org/a'}}\n", 1, 51,
         "the trust domain alone"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], spiffe: Example.org}}\n", 1, 51,
         "no SPIFFE trust domain"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], spiffe: 'example.org:443'}}\n", 1, 51,
         "no SPIFFE trust domain"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], spiffe: example.org/}}\n", 1, 51,
         "no SPIFFE trust domain"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], spiffe: ''}}\n", 1, 51, "empty"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], spiffe: [example.org]}}\n", 1, 51, "is a list"},
        {"trust: {staff: {ca: [tls/clients-ca.crt], maxdepth: 1}}\n", 1, 43,
         "did you mean `max_depth`"},
    };
    assert_refused(*state, cases, sizeof cases / sizeof cases[0]);
}

static void refuses_bad_revocation(void **state)
{
#define STAFF "trust: {staff: {ca: [tls/clients-ca.crt], "
    static const struct finding_case cases[] = {
        {STAFF "crl: []}}\n", 1, 48, "`crl` is empty"},
        {STAFF "crl: tls/clients.crl}}\n", 1, 48, "in brackets"},
        {STAFF "crl: [tls/no.crl]}}\n", 1, 49, "No such file"},
        {STAFF "crl: [tls/empty]}}\n", 1, 49, "no CRL in it"},
        {STAFF "crl: [tls/clients-ca.crt]}}\n", 1, 49, "only X509 CRL"},
        {STAFF "crl: [tls/delta.crl]}}\n", 1, 49, "delta CRL"},
        {STAFF "crl: [tls/clients.crl, tls/delta.crl]}}\n", 1, 66, "delta CRL"},
        {STAFF "crl: [tls/bare]}}\n", 1, 49, "there is no file in"},
        {STAFF "crl_expired: ignore}}\n", 1, 56, "refuse"},
        {STAFF "crl_scope: root}}\n", 1, 54, "leaf"},
        {STAFF "purposes: []}}\n", 1, 53, "empty"},
        {STAFF "ocsp: {}}}\n", 1, 49, "no `mode`"},
        {STAFF "ocsp: {mode: maybe}}}\n", 1, 56, "require"},
        {STAFF "ocsp: {mode: soft}}}\n", 1, 49, "who is asked"},
        {STAFF "ocsp: {mode: soft, responder: ocsp.example.org}}}\n", 1, 73, "`responder`"},
        {STAFF "ocsp: {mode: soft, responder: \"https://o.test/\"}}}\n", 1, 73, "http:// only"},
        {STAFF "ocsp: {mode: soft, aia: []}}}\n", 1, 67, "empty"},
        {STAFF "ocsp: {mode: soft, aia: [\"http://o.test/x\"]}}}\n", 1, 68, "ends with `/`"},
        {STAFF "ocsp: {mode: soft, aia: [\"http://o.test/\"], responder: \"http://o.test/\"}}}\n",
         1, 67, "one of them"},
        {"timeouts: {handshake: 4s}\n" STAFF
         "ocsp: {mode: soft, timeout: 4s, responder: \"http://o.test/\"}}}\n",
         2, 71, "ends it after 4000ms"},
        {"timeouts: {handshake: 2s}\n" STAFF
         "ocsp: {mode: require, responder: \"http://o.test/\"}}}\n",
         2, 49, "may wait 2000ms"},
        {STAFF "ocsp: {mode: soft, timeout: 99ms, responder: \"http://o.test/\"}}}\n", 1, 71,
         "100ms"},
        {STAFF "ocsp: {mode: soft, timeout: 11s, responder: \"http://o.test/\"}}}\n", 1, 71, "10s"},
        {STAFF "ocsp: {mode: soft, scope: root, responder: \"http://o.test/\"}}}\n", 1, 69, "leaf"},
        {STAFF "purposes: any}}\n", 1, 53, "in brackets"},
        {STAFF "purposes: [clientAuth]}}\n", 1, 54, "client_auth"},
        {STAFF "purposes: [any, any]}}\n", 1, 59, "appears twice"},
        {STAFF "denied: {}}}\n", 1, 51, "expected a list"},
        {STAFF "denied: [{}]}}\n", 1, 52, "names one certificate"},
        {STAFF "denied: [{serial: 4f}]}}\n", 1, 52, "names one certificate"},
        {STAFF "denied: [{issuer: CN=a}]}}\n", 1, 52, "names one certificate"},
        {STAFF "denied: [{sha256: ab}]}}\n", 1, 61, "64 hexadecimal"},
        {STAFF "denied: [{issuer: a, serial: 4f}]}}\n", 1, 61, "`issuer`"},
        {STAFF "denied: [{issuer: CN=a, serial: xy}]}}\n", 1, 75, "`serial`"},
        {STAFF "denied: [{cn: a, sha256: 9f86d081884c7d659a2feaa0c55ad015"
               "a3bf4f1b2b0b822cd15d6c15b0f00a08}]}}\n",
         1, 53, "`cn`"},
    };
    assert_refused(*state, cases, sizeof cases / sizeof cases[0]);
}

static void tells_of_each_list(void **state)
{
    struct loaded loaded;
    load(*state, STAFF "crl: [tls/clients.crl]}}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_NOTE, 1, 9,
                   "CRL of CN=Clients CA, number 7, 2 entries, 30 days left");
    assert_int_equal(loaded.diagnostics.warning_count, 0);
    unload(&loaded);
    load(*state, STAFF "crl: [tls/crls]}}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_int_equal(trust_crl_count(loaded.snapshot->trusts[0]), 1);
    unload(&loaded);
    load(*state, STAFF "crl: [tls/soon.crl]}}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 1, 9, "6 days left");
    unload(&loaded);
    load(*state, STAFF "crl: [tls/expired.crl]}}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 1, 9, "has expired on");
    unload(&loaded);
    load(*state, "trust: {staff: {ca: [tls/partners-ca.crt], crl: [tls/clients.crl]}}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_NOTE, 1, 9, "waits for its issuer");
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 1, 9, "the CA CN=Partners CA has no CRL");
    unload(&loaded);
}

static void refuses_a_file_without_trust_only_once(void **state)
{
    static const struct finding_case cases[] = {
        {"trust: {}\n", 1, 8, "1 to 64 profiles"},
        {"trust: []\n", 1, 8, "1 to 64 profiles"},
        {"trust:\n", 1, 7, "1 to 64 profiles"},
    };
    assert_refused(*state, cases, sizeof cases / sizeof cases[0]);
}

static void refuses_files_that_are_no_configuration(void **state)
{
    const struct folder *folder = *state;
    static const struct finding_case cases[] = {
        {"", 1, 1, "empty"},    {"x", 1, 1, "expected a map"}, {"[]", 1, 1, "expected a map"},
        {"a: [", 2, 1, "YAML"}, {"\xFF\xFE", 1, 1, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loaded loaded;
        folder_write(folder, "bad.yaml", slice_of_string(cases[i].text), 0644);
        load_path(folder, "bad.yaml", &loaded);
        assert_finding(&loaded.diagnostics, SEVERITY_ERROR, cases[i].line, cases[i].column,
                       cases[i].part);
        unload(&loaded);
    }
}

static void names_every_required_key_that_is_missing(void **state)
{
    const struct folder *folder = *state;
    struct loaded loaded;
    folder_write(folder, "bad.yaml", SLICE_LITERAL("workers: 1\n"), 0644);
    load_path(folder, "bad.yaml", &loaded);
    assert_finding(&loaded.diagnostics, SEVERITY_ERROR, 1, 1, "no `version`");
    assert_finding(&loaded.diagnostics, SEVERITY_ERROR, 1, 1, "no `listeners`");
    assert_finding(&loaded.diagnostics, SEVERITY_ERROR, 1, 1, "no `trust`");
    assert_finding(&loaded.diagnostics, SEVERITY_ERROR, 1, 1, "no `audit`");
    assert_int_equal(loaded.diagnostics.error_count, 4);
    unload(&loaded);
}

static void reports_a_file_that_cannot_be_opened(void **state)
{
    const struct folder *folder = *state;
    struct loaded loaded;
    load_path(folder, "missing.yaml", &loaded);
    assert_finding(&loaded.diagnostics, SEVERITY_ERROR, 0, 0, "No such file");
    unload(&loaded);
    load_path(folder, "tls", &loaded);
    assert_finding(&loaded.diagnostics, SEVERITY_ERROR, 0, 0, "directory");
    unload(&loaded);
    load_path(folder, "tls/fifo", &loaded);
    assert_finding(&loaded.diagnostics, SEVERITY_ERROR, 0, 0, "not a regular file");
    unload(&loaded);
}

static void shows_all_mistakes_of_a_file_in_one_run_and_in_order(void **state)
{
    struct loaded loaded;
    load(*state,
         "workers: many\n"
         "audit: {file: ''}\n"
         "trust: {staff: {ca: [no.crt]}}\n"
         "listeners:\n"
         "- {name: a, address: x, certificates: [{chain: no, key: no}], trust: nobody}\n"
         "clients: [{name: a, match: [{}]}]\n"
         "timeouts: {idle: 1}\n",
         &loaded);
    assert_int_equal(loaded.diagnostics.error_count, 9);
    for (size_t i = 1; i < loaded.diagnostics.count; i++)
        assert_true(loaded.diagnostics.items[i - 1].line <= loaded.diagnostics.items[i].line);
    unload(&loaded);
}

static void warns_of_certificates_that_end_soon_or_have_no_name(void **state)
{
    struct loaded loaded;
    load(*state, LISTENER "  certificates: [{chain: tls/soon.crt, key: tls/server.key}]\n",
         &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 5, 26, "9 days left");
    unload(&loaded);
    load(*state, LISTENER "  certificates: [{chain: tls/nameless.crt, key: tls/server.key}]\n",
         &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 5, 26, "subject alternative name");
    unload(&loaded);
    load(*state, "trust: {staff: {ca: [tls/soon-ca.crt]}}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 1, 9, "9 days left");
    unload(&loaded);
}

static void reads_who_sends_a_proxy_header(void **state)
{
    static const struct ip_addr balancer = {.family = IP_V4, .bytes = {10, 0, 0, 9}};
    struct loaded loaded;
    load(*state, LISTENER CERTIFICATES "  proxy_protocol: {from: [10.0.0.0/24, '2001:db8::/32']}\n",
         &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_int_equal(loaded.diagnostics.warning_count, 0);
    const struct proxy_protocol *read = &loaded.snapshot->listeners[0].proxy_protocol;
    assert_true(ip_set_holds(read->from, &balancer, ip_addr_classify(&balancer)));
    assert_int_equal(ip_set_count(read->from), 2);
    assert_int_equal(read->wait_ms, 3000);
    unload(&loaded);
    load(*state, LISTENER CERTIFICATES, &loaded);
    assert_null(loaded.snapshot->listeners[0].proxy_protocol.from);
    unload(&loaded);
}

static void warns_where_everybody_may_send_a_proxy_header(void **state)
{
    static const char *const lists[] = {"0.0.0.0/0", "10.0.0.1, '::/0'", "0.0.0.0/1, 128.0.0.0/1"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct loaded loaded;
        char text[512];
        (void)snprintf(text, sizeof text, LISTENER CERTIFICATES "  proxy_protocol: {from: [%s]}\n",
                       lists[i]);
        load(*state, text, &loaded);
        assert_no_errors(&loaded.diagnostics);
        assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 6, 26, "every address");
        unload(&loaded);
    }
}

static void warns_of_timeouts_that_cannot_be_reached(void **state)
{
    struct loaded loaded;
    load(*state, "timeouts: {attempt: 20s}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_finding(&loaded.diagnostics, SEVERITY_WARNING, 1, 11, "`attempt`");
    unload(&loaded);
}

static void identifies_a_file_by_its_bytes(void **state)
{
    struct loaded first;
    struct loaded second;
    load(*state, "workers: 1\n", &first);
    load(*state, "workers: 2\n", &second);
    assert_no_errors(&first.diagnostics);
    assert_string_not_equal(first.snapshot->id, second.snapshot->id);
    unload(&second);
    load(*state, "workers: 1\n", &second);
    assert_string_equal(first.snapshot->id, second.snapshot->id);
    unload(&first);
    unload(&second);
}

static void lives_until_the_last_reference_is_given_back(void **state)
{
    struct loaded loaded;
    load(*state, "", &loaded);
    assert_no_errors(&loaded.diagnostics);
    struct snapshot *second = snapshot_ref(loaded.snapshot);
    assert_ptr_equal(second, loaded.snapshot);
    unload(&loaded);
    assert_string_equal(second->listeners[0].name, "main");
    snapshot_unref(second);
    snapshot_unref(NULL);
}

static void reads_where_it_can_be_watched(void **state)
{
    struct loaded loaded;
    load(*state,
         "admin: {address: '10.0.0.1:9443', open: [readyz, metrics], from: [10.0.0.0/24, '::1'], "
         "names: [Proxy.Example.ORG.], metrics: {clients: false}}\n",
         &loaded);
    assert_no_errors(&loaded.diagnostics);
    const struct admin_settings *admin = loaded.snapshot->admin;
    assert_null(admin->socket_path);
    assert_int_equal(admin->address.port, 9443);
    assert_int_equal(admin->open, 1U << ADMIN_READYZ | 1U << ADMIN_METRICS);
    assert_int_equal(admin->from_count, 2);
    assert_int_equal(admin->from[1].length, 128);
    assert_int_equal(admin->name_count, 1);
    assert_string_equal(admin->names[0], "proxy.example.org");
    assert_false(admin->has_clients);
    assert_false(admin_settings_is_local(admin));
    unload(&loaded);
    load(*state, "admin: {address: 'unix:/run/a.sock'}\n", &loaded);
    assert_no_errors(&loaded.diagnostics);
    assert_true(admin_settings_is_local(loaded.snapshot->admin));
    assert_true(loaded.snapshot->admin->has_clients);
    assert_true(slice_ends_with(slice_of_string(loaded.snapshot->admin->socket_path),
                                SLICE_LITERAL("/a.sock")));
    unload(&loaded);
    load(*state, "", &loaded);
    assert_null(loaded.snapshot->admin);
    unload(&loaded);
}

static void keeps_the_endpoints_that_are_its_own(void **state)
{
    struct loaded loaded;
    load(*state, "", &loaded);
    assert_no_errors(&loaded.diagnostics);
    struct endpoint endpoints[2] = {loaded.snapshot->listeners[0].address,
                                    {.address = {.family = IP_V6}, .port = 9000}};
    assert_int_equal(snapshot_set_own_endpoints(loaded.snapshot, endpoints, 2), ERR_OK);
    endpoints[1].port = 1; // copied
    assert_int_equal(loaded.snapshot->policy->own_count, 2);
    assert_int_equal(loaded.snapshot->policy->own[1].port, 9000);
    assert_true(policy_is_own_port(loaded.snapshot->policy, 9000));
    unload(&loaded);
}

// judge verifies tls/client.crt, issued for 101 days, against the first profile.
static enum reason judge(const struct folder *folder, const struct snapshot *snapshot)
{
    char path[512];
    static char pem[8192];
    (void)snprintf(path, sizeof path, "%s/tls/client.crt", folder->path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t len = fread(pem, 1, sizeof pem, file);
    assert_int_equal(fclose(file), 0);
    X509 *cert = NULL;
    uint8_t *der = NULL;
    assert_int_equal(certificate_parse(slice_of(pem, len), &cert), ERR_OK);
    const int der_len = i2d_X509(cert, &der);
    assert_true(der_len > 0);
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_true(sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(der, (size_t)der_len, NULL)));
    struct trust_verdict verdict;
    const enum err error = trust_verify(snapshot->trusts[0], chain, FOLDER_NOW_S, &verdict);
    assert_int_equal(error == ERR_OK, verdict.reason == REASON_NONE);
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    OPENSSL_free(der);
    X509_free(cert);
    return verdict.reason;
}

static void gives_the_bounds_of_a_profile_to_its_verification(void **state)
{
    struct loaded loaded;
    load(*state, "", &loaded);
    assert_int_equal(judge(*state, loaded.snapshot), REASON_NONE);
    unload(&loaded);
    load(*state, "trust: {staff: {ca: [tls/clients-ca.crt], max_lifetime: 101d}}\n", &loaded);
    assert_int_equal(judge(*state, loaded.snapshot), REASON_NONE);
    unload(&loaded);
    load(*state, "trust: {staff: {ca: [tls/clients-ca.crt], max_lifetime: 100d}}\n", &loaded);
    assert_int_equal(judge(*state, loaded.snapshot), REASON_TOO_LONG_LIVED);
    unload(&loaded);
    load(*state, "trust: {staff: {ca: [tls/clients-ca.crt], spiffe: example.org}}\n", &loaded);
    assert_string_equal(trust_domain(loaded.snapshot->trusts[0]), "example.org");
    unload(&loaded);
    load(*state, "trust: {staff: {ca: [tls/partners-ca.crt]}}\n", &loaded);
    assert_int_equal(judge(*state, loaded.snapshot), REASON_UNKNOWN_CA);
    unload(&loaded);
}

static void gives_revocation_to_the_verification_of_a_profile(void **state)
{
    const struct {
        const char *text;
        enum reason reason;
    } cases[] = {
        {STAFF "crl: [tls/clients.crl]}}\n", REASON_NONE},
        {STAFF "crl: [tls/crls], strict: false, crl_expired: refuse}}\n", REASON_NONE},
        {STAFF "crl: [tls/expired.crl]}}\n", REASON_CRL_EXPIRED},
        {STAFF "crl: [tls/expired.crl], crl_expired: keep}}\n", REASON_NONE},
        {STAFF "denied: []}}\n", REASON_NONE},
        {STAFF "strict: true}}\n", REASON_NONE},
        {STAFF "system_cas: true}}\n", REASON_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loaded loaded;
        load(*state, cases[i].text, &loaded);
        assert_no_errors(&loaded.diagnostics);
        assert_int_equal(judge(*state, loaded.snapshot), cases[i].reason);
        unload(&loaded);
    }
}

static int set_up(void **state)
{
    static struct folder folder;
    static uint8_t large[1024 * 1024 + 1];
    folder_create(&folder);
    folder_write(&folder, "tls/large", slice_of(large, sizeof large), 0600);
    *state = &folder;
    return 0;
}

static int tear_down(void **state)
{
    folder_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_the_sample_of_the_interface),
        cmocka_unit_test(fills_in_the_defaults_of_the_interface),
        cmocka_unit_test(takes_each_setting_from_its_own_key),
        cmocka_unit_test(loads_from_the_current_folder_by_a_bare_name),
        cmocka_unit_test(what_a_name_inherits_is_served_once),
        cmocka_unit_test(takes_several_listeners_with_ports_of_their_own),
        cmocka_unit_test(refuses_bad_settings_with_their_place),
        cmocka_unit_test(refuses_bad_listeners_with_their_place),
        cmocka_unit_test(refuses_bad_certificates_of_listeners),
        cmocka_unit_test(refuses_bad_trust_profiles),
        cmocka_unit_test(refuses_bad_revocation),
        cmocka_unit_test(tells_of_each_list),
        cmocka_unit_test(gives_revocation_to_the_verification_of_a_profile),
        cmocka_unit_test(refuses_a_file_without_trust_only_once),
        cmocka_unit_test(refuses_files_that_are_no_configuration),
        cmocka_unit_test(names_every_required_key_that_is_missing),
        cmocka_unit_test(reports_a_file_that_cannot_be_opened),
        cmocka_unit_test(shows_all_mistakes_of_a_file_in_one_run_and_in_order),
        cmocka_unit_test(warns_of_certificates_that_end_soon_or_have_no_name),
        cmocka_unit_test(reads_who_sends_a_proxy_header),
        cmocka_unit_test(warns_where_everybody_may_send_a_proxy_header),
        cmocka_unit_test(warns_of_timeouts_that_cannot_be_reached),
        cmocka_unit_test(identifies_a_file_by_its_bytes),
        cmocka_unit_test(lives_until_the_last_reference_is_given_back),
        cmocka_unit_test(gives_the_bounds_of_a_profile_to_its_verification),
        cmocka_unit_test(reads_where_it_can_be_watched),
        cmocka_unit_test(keeps_the_endpoints_that_are_its_own),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
