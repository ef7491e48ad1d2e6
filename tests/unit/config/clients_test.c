// Clients, matches and rules from text to policy: what they become, and every way to be wrong.
#include "proxy/config/assembly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/base/text.h"
#include "tests/unit/config/findings.h"

static const char *const one_profile[] = {"staff"};
static const char *const two_profiles[] = {"staff", "partners"};

struct fixture {
    struct diagnostics diagnostics;
    struct yaml_document *document;
    struct policy *policy;
};

// fixture_read reads the top-level keys `sets`, `clients` and `deny` of `text`.
static void fixture_read(struct fixture *fixture, const char *text, const char *const *trusts,
                         size_t trust_count)
{
    *fixture = (struct fixture){0};
    diagnostics_init(&fixture->diagnostics);
    fixture->policy = policy_create();
    assert_non_null(fixture->policy);
    if (yaml_document_parse(slice_of_string(text), "t.yaml", &fixture->diagnostics,
                            &fixture->document) != ERR_OK) {
        assert_no_errors(&fixture->diagnostics);
        fail();
    }
    struct reader reader = {
        .diagnostics = &fixture->diagnostics, .file = "t.yaml", .arena = fixture->policy->arena};
    const struct name_list names = {.names = trusts, .count = trust_count};
    const struct node *root = yaml_document_root(fixture->document);
    clients_read(&reader, root, &names, &(const struct parent_names){0}, fixture->policy);
    // The policy must not need the document any more.
    yaml_document_destroy(fixture->document);
    fixture->document = NULL;
}

static void fixture_deinit(struct fixture *fixture)
{
    policy_destroy(fixture->policy);
    diagnostics_deinit(&fixture->diagnostics);
}

static void reads_every_key_of_a_match(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_read(
        &fixture,
        "clients:\n"
        "  - name: a\n"
        "    match:\n"
        "      - {uri: 'spiffe://example.org/x/*', trust: partners}\n"
        "      - {dns: '*.B\xC3\xBC"
        "cher.example.', trust: staff}\n"
        "      - {email: Joe@Example.ORG, trust: staff}\n"
        "      - {ip: '2001:DB8::1', trust: staff}\n"
        "      - {cn: 'J\xC3\xBCrgen X', trust: staff}\n"
        "      - {subject: 'CN=a,O=b', issuer: 'CN=c', serial: '00:4F:01', trust: staff}\n"
        "      - {sha256: '0102030405060708091011121314151617181920212223242526272829303132'}\n"
        "      - {spki_sha256: 'FF:02:03:04:05:06:07:08:09:10:11:12:13:14:15:16:17:18:19:20"
        ":21:22:23:24:25:26:27:28:29:30:31:32'}\n"
        "      - {any: true, trust: staff}\n"
        "      - {serial: 0, trust: staff}\n"
        "      - {serial: f01, trust: staff}\n"
        "      - {ou: Search Team, o: Example, trust: staff}\n"
        "      - {extension: {oid: 1.3.6.1.4.1.99999.1, text: 'team/*'}, trust: staff}\n"
        "      - {extension: {oid: 1.3.6.1.4.1.99999.1, der: '0C:01:61'}, trust: staff}\n"
        "      - {extension: {oid: 1.2.840.1, equals: '{cn}'}, trust: staff}\n"
        "      - {policies: [1.2.3, 0.4.0.194112.1.4], trust: staff}\n"
        "      - {qc: [1.2.4], trust: staff}\n"
        "    allow: [{hosts: [x]}]\n",
        two_profiles, 2);
    assert_no_errors(&fixture.diagnostics);
    assert_int_equal(fixture.diagnostics.warning_count, 0);
    assert_int_equal(fixture.policy->client_count, 1);
    const struct client *client = &fixture.policy->clients[0];
    assert_string_equal(client->name, "a");
    assert_int_equal(client->match_count, 17);
    const struct match_entry *entries = client->matches;
    assert_string_equal(entries[0].uri, "spiffe://example.org/x/*");
    assert_string_equal(entries[0].trust, "partners");
    assert_string_equal(entries[1].dns, "*.xn--bcher-kva.example");
    assert_null(entries[1].uri);
    assert_string_equal(entries[2].email, "Joe@Example.ORG");
    assert_int_equal(entries[3].ip->family, IP_V6);
    assert_string_equal(entries[4].cn, "J\xC3\xBCrgen X");
    assert_non_null(entries[5].subject.data);
    assert_non_null(entries[5].issuer.data);
    assert_false(slice_equal(entries[5].subject, entries[5].issuer));
    assert_true(slice_equal(entries[5].serial, SLICE_LITERAL("\x4F\x01")));
    assert_int_equal(entries[6].sha256[31], 0x32);
    assert_null(entries[6].trust);
    assert_int_equal(entries[7].spki_sha256[0], 0xFF);
    assert_true(entries[8].any);
    assert_int_equal(entries[9].serial.len, 0);
    assert_non_null(entries[9].serial.data);
    assert_true(slice_equal(entries[10].serial, SLICE_LITERAL("\x0F\x01")));
    assert_string_equal(entries[11].ou, "Search Team");
    assert_string_equal(entries[11].o, "Example");
    assert_true(slice_equal(entries[12].extension->value, SLICE_LITERAL("team/*")));
    assert_int_equal(entries[12].extension->kind, EXTENSION_TEXT);
    assert_true(slice_equal(entries[13].extension->value, SLICE_LITERAL("\x0C\x01\x61")));
    assert_int_equal(entries[14].extension->equals.part_count, 1);
    assert_true(slice_equal(entries[15].policies,
                            SLICE_LITERAL("\x02\x2A\x03\x07\x04\x00\x8B\xEC\x40\x01\x04")));
    assert_null(entries[15].qc.data);
    assert_true(slice_equal(entries[16].qc, SLICE_LITERAL("\x02\x2A\x04")));
    assert_true(slice_equal(fixture.policy->extensions,
                            SLICE_LITERAL("\x09\x2B\x06\x01\x04\x01\x86\x8D\x1F\x01"
                                          "\x04\x2A\x86\x48\x01"
                                          "\x03\x55\x1D\x20"
                                          "\x08\x2B\x06\x01\x05\x05\x07\x01\x03")));
    assert_null(entries[0].serial.data);
    fixture_deinit(&fixture);
}

// assert_hosts compares the patterns of a rule, a blank after each.
static void assert_hosts(const struct rule *rule, const char *expected)
{
    char buffer[512];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    for (size_t i = 0; i < rule->hosts.count; i++) {
        struct host_record record;
        for (size_t cursor = 0; host_set_next(rule->hosts.items[i], &cursor, &record);) {
            static const char *const marks[] = {[HOST_PATTERN_EXACT] = "",
                                                [HOST_PATTERN_LABELS] = "",
                                                [HOST_PATTERN_SUFFIX] = "*.",
                                                [HOST_PATTERN_ANY] = "*"};
            text_append_string(&text, marks[record.kind]);
            text_append(&text, record.name);
            text_append_string(&text, " ");
        }
    }
    assert_string_equal(buffer, expected);
}

static void reads_rules_with_what_was_left_out(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_read(
        &fixture,
        "clients:\n"
        "  - name: a\n"
        "    match: [{any: true}]\n"
        "    sources: [10.0.0.0/8, '::1', public]\n"
        "    mode: report\n"
        "    allow:\n"
        "      - {hosts: [Example.COM., '*.b.example', '*'], ports: [443, 8000-8999], name: web}\n"
        "      - {addresses: [203.0.113.7, public]}\n"
        "      - {hosts: [\"m\xC3\xBCnchen.example\"], addresses: [10.1.0.0/16], ports: any}\n"
        "      - {hosts: [x], ports: [any]}\n"
        "      - {hosts: ['EC2.*.Example', \"m\xC3\xBCnchen.*.example\", '*.a.*.b'], name: stars}\n"
        "    deny:\n"
        "      - {ports: [25]}\n"
        "      - {hosts: [admin.example], name: no-admin}\n"
        "deny:\n"
        "  - {addresses: [198.51.100.0/24]}\n",
        one_profile, 1);
    assert_no_errors(&fixture.diagnostics);
    assert_finding(&fixture.diagnostics, SEVERITY_WARNING, 5, 11, "report");
    assert_finding(&fixture.diagnostics, SEVERITY_WARNING, 7, 17, "every host name");
    const struct client *client = &fixture.policy->clients[0];
    assert_int_equal(client->mode, POLICY_REPORT);
    assert_true(client->has_sources);
    assert_int_equal(client->sources.count, 1);
    const struct ip_set *sources = client->sources.items[0];
    struct ip_addr first;
    struct ip_addr last;
    assert_true(ip_set_has_public(sources));
    assert_int_equal(ip_set_count(sources), 2);
    ip_set_range(sources, 1, &first, &last);
    assert_true(ip_addr_equal(&first, &last));
    assert_int_equal(client->allow_count, 5);
    const struct rule *allow = client->allow;
    assert_string_equal(allow[0].name, "web");
    assert_true(allow[0].has_hosts);
    assert_false(allow[0].has_addresses);
    assert_hosts(&allow[0], "example.com *.b.example * ");
    assert_int_equal(allow[0].port_count, 2);
    assert_int_equal(allow[0].ports[1].first, 8000);
    assert_int_equal(allow[0].ports[1].last, 8999);
    assert_string_equal(allow[1].name, "a.allow[1]");
    assert_false(allow[1].has_hosts);
    assert_true(allow[1].has_addresses);
    assert_true(ip_set_has_public(allow[1].addresses.items[0]));
    assert_int_equal(ip_set_count(allow[1].addresses.items[0]), 1);
    assert_int_equal(allow[1].port_count, 0);
    assert_hosts(&allow[2], "xn--mnchen-3ya.example ");
    assert_hosts(&allow[4], "ec2.*.example xn--mnchen-3ya.*.example *.a.*.b ");
    assert_int_equal(allow[2].port_count, 1);
    assert_int_equal(allow[2].ports[0].first, 1);
    assert_int_equal(allow[2].ports[0].last, 65535);
    assert_int_equal(allow[3].ports[0].last, 65535);
    assert_int_equal(client->deny_count, 2);
    assert_string_equal(client->deny[0].name, "a.deny[0]");
    assert_string_equal(client->deny[1].name, "no-admin");
    assert_int_equal(fixture.policy->deny_count, 1);
    assert_string_equal(fixture.policy->deny[0].name, "deny[0]");
    fixture_deinit(&fixture);
}

static void warns_when_every_request_will_be_denied(void **state)
{
    (void)state;
    static const char *const texts[] = {"x: 1\n", "clients: []\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fixture fixture;
        fixture_read(&fixture, texts[i], one_profile, 1);
        assert_no_errors(&fixture.diagnostics);
        assert_finding(&fixture.diagnostics, SEVERITY_WARNING, 0, 0,
                       "every request will be denied");
        assert_int_equal(fixture.policy->client_count, 0);
        fixture_deinit(&fixture);
    }
}

struct finding_case {
    const char *text;
    uint32_t line;
    uint32_t column;
    const char *part;
};

static void assert_cases(const struct finding_case *cases, size_t count, enum severity severity,
                         const char *before, const char *after, const char *const *trusts,
                         size_t trust_count)
{
    for (size_t i = 0; i < count; i++) {
        struct fixture fixture;
        char text[2048];
        const int len = snprintf(text, sizeof text, "%s%s%s", before, cases[i].text, after);
        assert_true(len > 0 && (size_t)len < sizeof text);
        fixture_read(&fixture, text, trusts, trust_count);
        assert_finding(&fixture.diagnostics, severity, cases[i].line, cases[i].column,
                       cases[i].part);
        if (severity == SEVERITY_ERROR && fixture.diagnostics.error_count != 1) {
            diagnostics_print(&fixture.diagnostics, stderr, SEVERITY_ERROR);
            fail_msg("one mistake is one error: %s", text);
        }
        fixture_deinit(&fixture);
    }
}

// The entry begins at column 11 of line 3.
static const char match_before[] = "clients:\n- name: a\n  match: [";
static const char match_after[] = "]\n  allow: [{hosts: [x]}]\n";

static void refuses_matches_that_mean_nothing_or_too_much(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"", 3, 10, "`match` is empty"},
        {"x", 3, 11, "expected a map"},
        {"{}", 3, 11, "says nothing"},
        {"{trust: staff}", 3, 11, "`any: true`"},
        {"{any: true, trsut: staff}", 3, 23, "did you mean `trust`"},
        {"{any: false}", 3, 17, "only `true`"},
        {"{any: 'true'}", 3, 17, "expected true or false"},
        {"{any: yes}", 3, 17, "expected true or false"},
        {"{any: true, cn: x}", 3, 11, "must be alone"},
        {"{anonymous: true, any: true}", 3, 11, "must be alone"},
        {"{anonymous: true, cn: a}", 3, 11, "must be alone"},
        {"{anonymous: true, trust: staff}", 3, 11, "must be alone"},
        {"{anonymous: false}", 3, 23, "only `true`"},
        {"{extension: {text: a}}", 3, 23, "`oid`"},
        {"{extension: {oid: 1.2.3.4}}", 3, 23, "exactly one of"},
        {"{extension: {oid: 1.2.3.4, text: a, der: '05'}}", 3, 23, "exactly one of"},
        {"{extension: {oid: 1.2.3.4, text: ''}}", 3, 44, "empty"},
        {"{extension: {oid: 1.2.3.4, text: 'a*'}}", 3, 44, "only at the end"},
        {"{extension: {oid: 1.2.3.4, text: '/*'}}", 3, 44, "only at the end"},
        {"{extension: {oid: 1.2.3.4, text: 'a/*/b'}}", 3, 44, "only at the end"},
        {"{extension: {oid: 1.2.3.4, text: 'spiffe://*'}}", 3, 44, "only at the end"},
        {"{extension: {oid: 1.2.3.4, json: {}}}", 3, 44, "1 to 16 members"},
        {"{extension: {oid: 1.2.3.4, json: a}}", 3, 44, "1 to 16 members"},
        {"{extension: {oid: 1.2.3.4, json: [a]}}", 3, 44, "1 to 16 members"},
        {"{extension: {oid: 1.2.3.4, json: {a: ''}}}", 3, 48, "empty"},
        {"{extension: {oid: 1.2.3.4, json: {a: [b]}}}", 3, 48, "is a list"},
        {"{extension: {oid: 1.2.3.4, json: {a: '{ou}'}}}", 3, 48, "is one of"},
        {"{extension: {oid: 1.2.3.4, json: {a: '{extension}'}}}", 3, 48, "a part of the same"},
        {"{extension: {oid: 1.2.3.4, json: {a: b}, text: a}}", 3, 23, "exactly one of"},
        {"{extension: {oid: 1.2.3.4, der: '0'}}", 3, 43, "pairs of hexadecimal"},
        {"{extension: {oid: 1.2.3.4, der: xx}}", 3, 43, "pairs of hexadecimal"},
        {"{extension: {oid: 1.2.3.4, equals: fixed}}", 3, 46, "a part of the same certificate"},
        {"{extension: {oid: 1.2.3.4, equals: '{ou}'}}", 3, 46, "is one of"},
        {"{extension: {oid: 1.2.3.4, equals: '{extension}'}}", 3, 46, "a part of the same"},
        {"{extension: {oid: subjectAltName, text: a}}", 3, 29, "not an OID"},
        {"{extension: {oid: 1.2..3, text: a}}", 3, 29, "not an OID"},
        {"{extension: {oid: 2.5.29.17, text: a}}", 3, 29, "use `uri`"},
        {"{extension: {oid: 1.3.6.1.5.5.7.1.3, text: a}}", 3, 29, "reads this extension itself"},
        {"{any: true, extension: {oid: 1.2.3.4, text: a}}", 3, 11, "must be alone"},
        {"{policies: []}", 3, 22, "is empty"},
        {"{policies: 1.2.3}", 3, 22, "list"},
        {"{policies: [1.2.3, 1.2.3]}", 3, 30, "stands there twice"},
        {"{policies: [2.5.29.32.0]}", 3, 23, "anyPolicy says nothing"},
        {"{policies: [anyPolicy]}", 3, 23, "not an OID"},
        {"{policies: ['']}", 3, 23, "empty"},
        {"{policies: [1.2.1, 1.2.2, 1.2.3, 1.2.4, 1.2.5, 1.2.6, 1.2.7, 1.2.8, 1.2.9]}", 3, 22, "8"},
        {"{qc: [1.2, 1.02]}", 3, 22, "not an OID"},
        {"{qc: [1.2.3], any: true}", 3, 11, "must be alone"},
        {"{cn: }", 3, 16, "empty"},
        {"{ou: ''}", 3, 16, "empty"},
        {"{o: [a]}", 3, 15, "expected a value"},
        {"{any: true, ou: x}", 3, 11, "must be alone"},
        {"{cn: ''}", 3, 16, "empty"},
        {"{cn: false}", 3, 16, "expected a text"},
        {"{cn: null}", 3, 16, "expected a text"},
        {"{cn: ~}", 3, 16, "expected a text"},
        {"{cn: [a]}", 3, 16, "expected a value"},
        {"{cn: \"a\\nb\"}", 3, 16, "control character"},
        {"{dns: '*'}", 3, 17, "any: true"},
        {"{dns: 'a.*.b'}", 3, 17, "may stand for the first labels only"},
        {"{dns: '*.a.*.b'}", 3, 17, "may stand for the first labels only"},
        {"{dns: 10.0.0.1}", 3, 17, "not a host name"},
        {"{dns: 'a b'}", 3, 17, "not a host name"},
        {"{email: joe}", 3, 19, "NAME@DOMAIN"},
        {"{email: '@example.org'}", 3, 19, "NAME@DOMAIN"},
        {"{email: 'joe@'}", 3, 19, "NAME@DOMAIN"},
        {"{email: 'a@b@example.org'}", 3, 19, "NAME@DOMAIN"},
        {"{email: '*@example.org'}", 3, 19, "NAME@DOMAIN"},
        {"{ip: 10.0.0.0/8}", 3, 16, "one address"},
        {"{ip: 010.0.0.1}", 3, 16, "without leading zeros"},
        {"{ip: '::ffff:10.0.0.1'}", 3, 16, "plain IPv4"},
        {"{ip: localhost}", 3, 16, "not an address"},
        {"{subject: 'no equals'}", 3, 21, "`subject`"},
        {"{issuer: 'CN'}", 3, 20, "`issuer`"},
        {"{sha256: 9f}", 3, 20, "64 hexadecimal digits"},
        {"{sha256: '010203040506070809101112131415161718192021222324252627282930313'}", 3, 20,
         "64 hexadecimal digits"},
        {"{sha256: '01020304050607080910111213141516171819202122232425262728293031zz'}", 3, 20,
         "64 hexadecimal digits"},
        {"{spki_sha256: ''}", 3, 25, "empty"},
        {"{serial: xyz}", 3, 20, "hexadecimal"},
        {"{serial: ':'}", 3, 20, "hexadecimal"},
        {"{serial: '0x10'}", 3, 20, "hexadecimal"},
        {"{cn: a, trust: stff}", 3, 26, "did you mean `staff`"},
        {"{uri: 'spiffe://example.org/a*'}", 3, 17, "after a `/`"},
        {"{uri: 'spiffe://*'}", 3, 17, "after a `/`"},
        {"{uri: 'spiffe:///*'}", 3, 17, "after a `/`"},
        {"{uri: 'spiffe://example.org/*/a'}", 3, 17, "after a `/`"},
        {"{uri: 'spiffe://example.org/*/*'}", 3, 17, "after a `/`"},
        {"{uri: 'urn:a/*'}", 3, 17, "after a `/`"},
        {"{uri: '*'}", 3, 17, "scheme"},
        {"{uri: 'example.org/a'}", 3, 17, "scheme"},
        {"{uri: 'spiffe://example.org/\xC3\xA4'}", 3, 17, "ASCII"},
        {"{uri: 'spiffe://example.org/a b'}", 3, 17, "ASCII"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, match_before, match_after,
                 one_profile, 1);
}

static void wants_a_profile_named_when_there_are_several(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"{cn: a}", 3, 11, "has no `trust`"},
        {"{any: true}", 3, 11, "has no `trust`"},
        {"{serial: 4f01, issuer: 'CN=a'}", 3, 11, "has no `trust`"},
        {"{cn: a, trust: other}", 3, 26, "staff, partners"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, match_before, match_after,
                 two_profiles, 2);
}

// The value begins at column 10 of line 4.
static const char inner_before[] = "clients:\n- name: a\n  match: [{any: true}]\n  inner: ";
static const char inner_after[] = "\n  allow: [{hosts: [x]}]\n";

static void refuses_inner_rules_that_could_never_count(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"{tls: some}", 4, 16, "`tls`"},
        {"{names: listed}", 4, 18, "`names` is held to only with"},
        {"{tls: observe, names: same}", 4, 32, "`names` is held to only with"},
        {"{tls: observe, ech: deny}", 4, 30, "`ech` counts only with"},
        {"{route: here}", 4, 18, "`route`"},
        {"{route: name, tls: any}", 4, 29, "needs the name inside TLS"},
        {"{route: name, tls: observe}", 4, 29, "needs the name inside TLS"},
        {"{route: name, names: listed}", 4, 31, "the name inside is the target"},
        {"{route: name, tls: require, names: any}", 4, 45, "the name inside is the target"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, inner_before, inner_after,
                 one_profile, 1);
}

static const char rule_inner_before[] =
    "clients:\n- name: a\n  match: [{any: true}]\n  allow: [{hosts: [x], inner: ";
static const char rule_inner_after[] = "}]\n";

static const char told_before[] = "clients:\n- name: a\n  match: [{any: true}]\n  ";
static const char told_after[] = "}]\n";

static void refuses_a_proxy_header_that_means_nothing(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"allow: [{hosts: [x], send_proxy: v1", 4, 36, "is not known"},
        {"allow: [{hosts: [x], send_proxy: true", 4, 36, "expected a text"},
        {"allow: [{hosts: [x]}]\n  deny: [{hosts: [y], send_proxy: v2", 5, 35, "no `send_proxy`"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, told_before, told_after,
                 one_profile, 1);
}

static void refuses_an_ask_that_means_nothing(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"allow: [{hosts: [x], ask: yes", 4, 29, "expected"},
        {"allow: [{hosts: [x], ask: \"true\"", 4, 29, "expected"},
        {"allow: [{hosts: [x]}]\n  deny: [{hosts: [y], ask: true", 5, 28, "no `ask`"},
        {"allow: [{hosts: [x]}]\n  deny: [{hosts: [y], ask: false", 5, 28, "no `ask`"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, told_before, told_after,
                 one_profile, 1);
}

static void refuses_a_route_in_a_rule(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"{route: name}", 4, 39, "`route` is of a client"},
        {"{route: asked, tls: require}", 4, 39, "`route` is of a client"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, rule_inner_before,
                 rule_inner_after, one_profile, 1);
}

static void a_route_by_name_implies_what_it_needs(void **state)
{
    (void)state;
    static const char *const texts[] = {"{route: name}", "{route: name, tls: require}",
                                        "{route: name, names: same, ech: deny}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fixture fixture;
        char text[2048];
        const int len = snprintf(text, sizeof text, "%s%s%s", inner_before, texts[i], inner_after);
        assert_true(len > 0 && (size_t)len < sizeof text);
        fixture_read(&fixture, text, one_profile, 1);
        assert_no_errors(&fixture.diagnostics);
        const struct inner *inner = fixture.policy->clients[0].inner;
        assert_true(inner->routes_by_name);
        assert_int_equal(inner->tls, INNER_REQUIRE);
        assert_int_equal(inner->names, INNER_SAME);
        assert_int_equal(inner->denies_ech, i == 2);
        fixture_deinit(&fixture);
    }
}

// The entry begins at column 11 of line 4.
static const char allow_before[] = "clients:\n- name: a\n  match: [{any: true}]\n  allow: [";
static const char rule_after[] = "]\n";

static void refuses_rules_that_could_be_misread(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"{}", 4, 11, "needs `hosts`, `addresses` or both"},
        {"{ports: [443]}", 4, 11, "needs `hosts`, `addresses` or both"},
        {"{hosts: []}", 4, 19, "`hosts` is empty"},
        {"{hosts: a}", 4, 19, "in brackets"},
        {"{hosts: }", 4, 19, "`hosts` is empty"},
        {"{hosts: [10.0.0.1]}", 4, 20, "under `addresses`"},
        {"{hosts: [10.0.0.0/8]}", 4, 20, "under `addresses`"},
        {"{hosts: ['::1']}", 4, 20, "under `addresses`"},
        {"{hosts: ['[::1]']}", 4, 20, "under `addresses`"},
        {"{hosts: [\"\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.0.0.1\"]}", 4, 20, "under `addresses`"},
        {"{hosts: ['127.1']}", 4, 20, "not a host name"},
        {"{hosts: ['0x7f000001']}", 4, 20, "not a host name"},
        {"{hosts: ['2130706433']}", 4, 20, "not a host name"},
        {"{hosts: ['a..b']}", 4, 20, "not a host name"},
        {"{hosts: ['a.b..']}", 4, 20, "not a host name"},
        {"{hosts: ['*.*.b']}", 4, 20, "not a host name"},
        {"{hosts: ['a*.b']}", 4, 20, "not a host name"},
        {"{hosts: ['a.*']}", 4, 20, "not a host name"},
        {"{hosts: ['a.*.*.*.b']}", 4, 20, "not a host name"},
        {"{hosts: [\"a.\xEF\xBC\x8A.b\"]}", 4, 20, "written in ASCII"},
        {"{hosts: [\"*.a.\xEF\xBC\x8A.b\"]}", 4, 20, "written in ASCII"},
        {"{hosts: ['*.']}", 4, 20, "not a host name"},
        {"{hosts: ['example.com:443']}", 4, 20, "host"},
        {"{hosts: ['https://example.com']}", 4, 20, "host"},
        {"{hosts: [\"a\xE2\x80\x8B\xC3\xBC\xE3\x80\x82\xE3\x80\x82\"]}", 4, 20, "host"},
        {"{hosts: [\"\xEF\xBC\x8A.example\"]}", 4, 20, "written in ASCII"},
        {"{hosts: [\"\xEF\xBC\x8A\"]}", 4, 20, "written in ASCII"},
        {"{hosts: ['@search']}", 4, 20, "there is no set"},
        {"{hosts: [{file: x}]}", 4, 27, "cannot be read here"},
        {"{hosts: [{name: x}]}", 4, 20, "without `file`"},
        {"{addresses: []}", 4, 23, "`addresses` is empty"},
        {"{addresses: ['@office']}", 4, 24, "there is no set"},
        {"{addresses: [{file: x}]}", 4, 31, "cannot be read here"},
        {"{addresses: [10.0.0.1/8]}", 4, 24, "write `10.0.0.0/8`"},
        {"{addresses: [10.0.0.0/33]}", 4, 24, "prefix length"},
        {"{addresses: [10.0.0.0/08]}", 4, 24, "prefix length"},
        {"{addresses: [010.0.0.0/8]}", 4, 24, "address"},
        {"{addresses: ['::ffff:10.0.0.0/104']}", 4, 24, "`10.0.0.0/8`"},
        {"{addresses: [example.com]}", 4, 24, "address"},
        {"{addresses: [Public]}", 4, 24, "address"},
        {"{addresses: ['fe80::1%eth0']}", 4, 24, "address"},
        {"{hosts: [a], ports: []}", 4, 31, "`ports` is empty"},
        {"{hosts: [a], ports: 443}", 4, 31, "in brackets"},
        {"{hosts: [a], ports: [0]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [65536]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [0443]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [+443]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [-443]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [443-]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [9000-8000]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [1-2-3]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: ['80 - 90']}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [https]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], ports: [4294967739]}", 4, 32, "1 to 65535"},
        {"{hosts: [a], name: 'a b'}", 4, 30, "not a name"},
        {"{hosts: [a], name: 'x[0]'}", 4, 30, "not a name"},
        {"{hosts: [a], name: abcdefghijklmnopqrstuvwxyz0123456}", 4, 30, "not a name"},
        {"{hosts: [a], name: x}, {hosts: [b], name: x}", 4, 53, "used twice"},
        {"{hosts: [a], port: [443]}", 4, 24, "did you mean `ports`"},
        {"{hosts: [a], valid: {}}", 4, 31, "needs `from`, `until` or both"},
        {"{hosts: [a], valid: 2027-01-01}", 4, 31, "map"},
        {"{hosts: [a], valid: {until: 2027-02-30}}", 4, 39, "not a date"},
        {"{hosts: [a], valid: {until: tomorrow}}", 4, 39, "not a date"},
        {"{hosts: [a], valid: {from: 2026-01-01, to: 2027-01-01}}", 4, 50, "did you mean `until`"},
        {"{hosts: [a], hours: {days: mon, until: '18:00'}}", 4, 43, "did you mean `to`"},
        {"{hosts: [a], parent: up}", 4, 24, "did you mean `via`"},
        {"{hosts: [a], valid: {from: 2027-01-01, until: 2027-01-01}}", 4, 31, "never comes"},
        {"{hosts: [a], valid: {from: 2027-01-02, until: 2027-01-04}, hours: {days: mon}}", 4, 31,
         "none of its `hours` is in it"},
        {"{hosts: [a], hours: {}}", 4, 31, "needs `days`, or `from` and `to`"},
        {"{hosts: [a], hours: {zone: UTC}}", 4, 31, "needs `days`, or `from` and `to`"},
        {"{hosts: [a], hours: {days: weekdays}}", 4, 38, "not days of the week"},
        {"{hosts: [a], hours: {days: []}}", 4, 38, "`days` is empty"},
        {"{hosts: [a], hours: {days: [mon, all]}}", 4, 44, "not days of the week"},
        {"{hosts: [a], hours: {from: '08:00'}}", 4, 31, "needs `from` and `to`"},
        {"{hosts: [a], hours: {from: '8:00', to: '18:00'}}", 4, 38, "not a time of day"},
        {"{hosts: [a], hours: {from: '08:00', to: '08:00'}}", 4, 38, "a begin and an end"},
        {"{hosts: [a], hours: {from: '24:00', to: '08:00'}}", 4, 38, "a begin and an end"},
        {"{hosts: [a], hours: {days: mon, zone: ../etc/passwd}}", 4, 49,
         "not the name of a time zone"},
        {"{hosts: [a], hours: {days: mon, zone: /etc/localtime}}", 4, 49, "not the name"},
        {"{hosts: [a], hours: {days: mon, zone: 'Europe//Zurich'}}", 4, 49, "not the name"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, allow_before, rule_after,
                 one_profile, 1);
}

static void refuses_texts_that_are_too_long(void **state)
{
    (void)state;
    char text[8192];
    static const struct {
        const char *key;
        int len;
        bool is_good;
    } cases[] = {{"cn", 256, true},    {"cn", 257, false},   {"ou", 256, true},
                 {"ou", 257, false},   {"o", 257, false},    {"uri", 2048, true},
                 {"uri", 2049, false}, {"dns", 4096, false}, {"dns", 4097, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture;
        (void)snprintf(text, sizeof text, "%s{%s: '%s%0*d'}%s", match_before, cases[i].key,
                       cases[i].key[0] == 'u' ? "a://" : "",
                       cases[i].len - (cases[i].key[0] == 'u' ? 4 : 0), 1, match_after);
        fixture_read(&fixture, text, one_profile, 1);
        assert_int_equal(fixture.diagnostics.error_count == 0, cases[i].is_good);
        fixture_deinit(&fixture);
    }
}

static void reports_an_unknown_key_and_what_is_then_missing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_read(&fixture, "clients:\n- name: a\n  match: [{any: true}]\n  allow: [{host: [a]}]\n",
                 one_profile, 1);
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 4, 12, "did you mean `hosts`");
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 4, 11, "needs `hosts`");
    assert_int_equal(fixture.diagnostics.error_count, 2);
    fixture_deinit(&fixture);
}

static void refuses_denies_that_name_nothing(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"deny: [{}]\n", 1, 8, "needs `hosts`, `addresses` or `ports`"},
        {"deny: [{name: x}]\n", 1, 8, "needs `hosts`, `addresses` or `ports`"},
        {"deny: {hosts: [a]}\n", 1, 7, "expected a list"},
        {"deny: [{hosts: ['@bad']}]\n", 1, 17, "there is no set"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, "", "", one_profile, 1);
}

static void refuses_clients_that_are_not_whole(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"clients: {a: 1}\n", 1, 10, "expected a list"},
        {"clients: x\n", 1, 10, "expected a list"},
        {"clients:\n- x\n", 2, 3, "expected a map"},
        {"clients:\n- {match: [{any: true}]}\n", 2, 3, "no `name`"},
        {"clients:\n- {name: a}\n", 2, 3, "no `match`"},
        {"clients:\n- {name: '', match: [{any: true}]}\n", 2, 10, "empty"},
        {"clients:\n- {name: 'a b', match: [{any: true}]}\n", 2, 10, "not a name"},
        {"clients:\n- {name: \"\xC3\xA4\", match: [{any: true}]}\n", 2, 10, "not a name"},
        {"clients:\n- {name: a, match: {any: true}}\n", 2, 20, "expected a list"},
        {"clients:\n- {name: a, match: [{any: true}], mode: Open}\n", 2, 41, "did you mean `open`"},
        {"clients:\n- {name: a, match: [{any: true}], sources: []}\n", 2, 44, "empty"},
        {"clients:\n- {name: a, match: [{any: true}], sources: [10.0.0.1/8]}\n", 2, 45,
         "10.0.0.0/8"},
        {"clients:\n- {name: a, match: [{any: true}], sources: ['@office']}\n", 2, 45,
         "there is no set"},
        {"clients:\n- {name: a, match: [{any: true}], egress: {}}\n", 2, 43, "no `addresses`"},
        {"clients:\n- {name: a, match: [{any: true}], limits: {burst: 5}}\n", 2, 51, "new_tunnels"},
        {"clients:\n- {name: a, match: [{any: true}], allowed: []}\n", 2, 35,
         "did you mean `allow`"},
        {"clients:\n- {name: a, match: [{any: true}]}\n- {name: b, match: [{any: true}]}\n"
         "- {name: a, match: [{any: true}]}\n",
         4, 10, "line 2"},
        {"clients:\n- {name: a, match: [{any: true}], deny: [{hosts: [x], name: n}]}\n"
         "deny: [{hosts: [y], name: n}]\n",
         3, 27, "line 2"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR, "", "", one_profile, 1);
}

static void warns_of_rules_that_do_other_than_they_seem(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"{hosts: ['*']}", 4, 19, "every host name"},
        {"{hosts: ['*.a.example'], addresses: [10.0.0.0/8]}", 4, 19, "the owner of that DNS"},
        {"{hosts: ['*'], addresses: [127.0.0.1]}", 4, 19, "the owner of that DNS may be anybody"},
        {"{addresses: [0.0.0.0/0]}", 4, 24, "wider than a special range"},
        {"{addresses: ['::/0']}", 4, 24, "wider than a special range"},
        {"{addresses: [10.0.0.0/7]}", 4, 24, "wider than a special range"},
        {"{addresses: [169.254.169.254]}", 4, 24, "never reachable"},
        {"{addresses: [255.255.255.255]}", 4, 24, "never reachable"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_WARNING, allow_before, rule_after,
                 one_profile, 1);
}

static void does_not_warn_of_ordinary_rules(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_read(&fixture,
                 "clients:\n- name: a\n  match: [{any: true}]\n  allow:\n"
                 "  - {hosts: ['*.a.example', b], addresses: [public]}\n"
                 "  - {hosts: [db.example], addresses: [10.2.0.0/16, 'fd00::/8']}\n"
                 "  - {addresses: [203.0.113.7/32, 8.8.8.0/24]}\n",
                 one_profile, 1);
    assert_no_errors(&fixture.diagnostics);
    assert_int_equal(fixture.diagnostics.warning_count, 0);
    fixture_deinit(&fixture);
}

static void goes_on_after_mistakes_and_keeps_the_first_fifty(void **state)
{
    (void)state;
    enum { CLIENTS = 300 };
    char *text = malloc(CLIENTS * 64 + 64);
    assert_non_null(text);
    int len = snprintf(text, 16, "clients:\n");
    for (int i = 0; i < CLIENTS; i++)
        len += snprintf(text + len, 64, "- {name: c%d, match: [{nope: 1, any: true}]}\n", i);
    struct fixture fixture;
    fixture_read(&fixture, text, one_profile, 1);
    assert_int_equal(fixture.diagnostics.count, DIAGNOSTICS_MAX);
    assert_int_equal(fixture.diagnostics.error_count, CLIENTS);
    fixture_deinit(&fixture);
    free(text);
}

static void reads_the_times_of_clients_and_rules(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_read(
        &fixture,
        "clients:\n"
        "  - name: a\n"
        "    match: [{any: true}]\n"
        "    valid: {until: '2027-01-01'}\n"
        "    allow:\n"
        "      - {hosts: [a], valid: {from: 2026-06-01T08:00+02:00, until: 2026-07-01, zone: UTC}}\n"
        "      - {hosts: [b], hours: {days: mon-fri, from: 22:00, to: 06:00}}\n"
        "      - {hosts: [c], hours: {days: [sat, sun-mon]}}\n"
        "      - {hosts: [d]}\n"
        "  - {name: b, match: [{any: true}], allow: [{hosts: [x]}]}\n",
        one_profile, 1);
    assert_no_errors(&fixture.diagnostics);
    const struct client *client = &fixture.policy->clients[0];
    const struct rule *allow = client->allow;
    assert_true(client->has_times && !fixture.policy->clients[1].has_times);
    assert_int_equal(client->schedule->until_s, 1798761600);
    assert_true(client->schedule->from_s == INT64_MIN && !client->schedule->has_hours);
    assert_int_equal(allow[0].schedule->from_s, 1780293600);
    assert_int_equal(allow[0].schedule->until_s, 1782864000);
    assert_int_equal(allow[1].schedule->hours.days, 0x1F);
    assert_int_equal(allow[1].schedule->hours.from_s, 22 * 3600);
    assert_int_equal(allow[1].schedule->hours.to_s, 6 * 3600);
    assert_int_equal(allow[2].schedule->hours.days, 0x61);
    assert_int_equal(allow[2].schedule->hours.to_s, 86400);
    assert_null(allow[2].schedule->hours.zone);
    assert_null(allow[3].schedule);
    fixture_deinit(&fixture);
}

static void refuses_times_of_a_denial(void **state)
{
    (void)state;
    static const struct finding_case cases[] = {
        {"{hosts: [a], valid: {until: 2027-01-01}}", 4, 30, "a `deny` rule has no `valid`"},
        {"{hosts: [a], hours: {days: mon}}", 4, 30, "a `deny` rule has no `hours`"},
    };
    assert_cases(cases, sizeof cases / sizeof cases[0], SEVERITY_ERROR,
                 "clients:\n- name: a\n  match: [{any: true}]\n  deny: [", rule_after, one_profile,
                 1);
}

static void refuses_stars_at_too_many_different_places(void **state)
{
    (void)state;
    char text[4096] = "clients:\n- name: a\n  match: [{any: true}]\n  allow:\n  - hosts:\n";
    char name[256] = "a.*";
    struct fixture fixture;
    for (int i = 0; i <= HOST_SET_SHAPES_MAX; i++) {
        (void)snprintf(name + strlen(name), sizeof name - strlen(name), ".b");
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "    - %s\n", name);
    }
    fixture_read(&fixture, text, one_profile, 1);
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 6 + HOST_SET_SHAPES_MAX, 7,
                   "at more than 32 different places");
    assert_int_equal(fixture.diagnostics.error_count, 1);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_stars_at_too_many_different_places),
        cmocka_unit_test(reads_the_times_of_clients_and_rules),
        cmocka_unit_test(refuses_times_of_a_denial),
        cmocka_unit_test(reads_every_key_of_a_match),
        cmocka_unit_test(reads_rules_with_what_was_left_out),
        cmocka_unit_test(warns_when_every_request_will_be_denied),
        cmocka_unit_test(refuses_matches_that_mean_nothing_or_too_much),
        cmocka_unit_test(wants_a_profile_named_when_there_are_several),
        cmocka_unit_test(refuses_rules_that_could_be_misread),
        cmocka_unit_test(refuses_texts_that_are_too_long),
        cmocka_unit_test(reports_an_unknown_key_and_what_is_then_missing),
        cmocka_unit_test(refuses_denies_that_name_nothing),
        cmocka_unit_test(refuses_clients_that_are_not_whole),
        cmocka_unit_test(warns_of_rules_that_do_other_than_they_seem),
        cmocka_unit_test(does_not_warn_of_ordinary_rules),
        cmocka_unit_test(refuses_inner_rules_that_could_never_count),
        cmocka_unit_test(refuses_a_proxy_header_that_means_nothing),
        cmocka_unit_test(refuses_an_ask_that_means_nothing),
        cmocka_unit_test(refuses_a_route_in_a_rule),
        cmocka_unit_test(a_route_by_name_implies_what_it_needs),
        cmocka_unit_test(goes_on_after_mistakes_and_keeps_the_first_fifty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
