// Random access lists, read by Squid's rules as they are written down here, and as what the import makes of them: whatever the
// import allows Squid allows, too.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/iprange.h"
#include "proxy/import/squid.h"
#include "tests/unit/import/sources.h"
#include "tests/unit/proxy/random.h"

enum { CONFIGS = 3000, LINES_MAX = 7, TERMS_MAX = 3, REQUESTS = 40 };

// request is a CONNECT of a client. A name has one address.
struct request {
    const char *cn;
    const char *source;
    const char *host; // a name, or the address itself
    const char *address;
    uint16_t port;
    bool oracle; // what the acl says that nobody can tell
};

static const char ACLS[] = "acl c1 user_cert CN a b\n"
                           "acl c2 user_cert CN b c\n"
                           "acl o1 user_cert O x\n"
                           "acl s1 src 10.0.0.0/8\n"
                           "acl s2 src 10.1.0.0/16\n"
                           "acl s3 src 192.168.0.0/16\n"
                           "acl d1 dstdomain .example.com\n"
                           "acl d2 dstdomain bad.example.com 93.184.216.34\n"
                           "acl d3 dstdomain example.org .example.com\n"
                           "acl t1 dst 10.2.0.0/16\n"
                           "acl t2 dst 93.184.0.0/16\n"
                           "acl p1 port 443\n"
                           "acl p2 port 80 443 8000-8010\n"
                           "acl r1 dstdom_regex x\n";

static const char *const names[] = {"c1", "c2", "o1", "s1", "s2", "s3", "d1",  "d2",
                                    "d3", "t1", "t2", "p1", "p2", "r1", "all", "CONNECT"};
enum { NAMES = sizeof names / sizeof *names };

static bool is_one_of(const char *text, const char *a, const char *b)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

static bool is_in(const char *address, const char *prefix)
{
    struct ip_prefix range;
    struct ip_addr addr;
    ASSERT(import_prefix_parse(slice_of_string(prefix), &range));
    ASSERT(ip_addr_parse(slice_of_string(address), &addr) == ERR_OK);
    return ip_prefix_contains(&range, &addr);
}

static bool is_under(const char *host, const char *domain)
{
    const size_t length = strlen(host), tail = strlen(domain);
    return strcmp(host, domain) == 0 || (length > tail && host[length - tail - 1] == '.' &&
                                         strcmp(host + length - tail, domain) == 0);
}

// is_found: for an address Squid asks DNS for its name, and a dstdomain may fit that.
static bool is_found(const struct request *request)
{
    return strcmp(request->host, request->address) == 0 && request->oracle;
}

// acl_fits is what Squid's documentation says about each of the acls above.
static bool acl_fits(size_t acl, const struct request *request)
{
    switch (acl) {
    case 0:
        return is_one_of(request->cn, "a", "b");
    case 1:
        return is_one_of(request->cn, "b", "c");
    case 2:
        return request->oracle; // the certificate has another attribute, too
    case 3:
        return is_in(request->source, "10.0.0.0/8");
    case 4:
        return is_in(request->source, "10.1.0.0/16");
    case 5:
        return is_in(request->source, "192.168.0.0/16");
    case 6:
        return is_under(request->host, "example.com") || is_found(request);
    case 7:
        return is_one_of(request->host, "bad.example.com", "93.184.216.34") || is_found(request);
    case 8:
        return strcmp(request->host, "example.org") == 0 ||
               is_under(request->host, "example.com") || is_found(request);
    case 9:
        return is_in(request->address, "10.2.0.0/16");
    case 10:
        return is_in(request->address, "93.184.0.0/16");
    case 11:
        return request->port == 443;
    case 12:
        return request->port == 80 || request->port == 443 ||
               (request->port >= 8000 && request->port <= 8010);
    case 13:
        return request->oracle;
    default:
        return true;
    }
}

struct line {
    bool is_allow;
    size_t count;
    size_t acls[TERMS_MAX];
    bool negated[TERMS_MAX];
};

static bool squid_allows(const struct line *lines, size_t count, const struct request *request)
{
    for (size_t i = 0; i < count; i++) {
        bool fits = true;
        for (size_t k = 0; k < lines[i].count; k++)
            fits = fits && acl_fits(lines[i].acls[k], request) != lines[i].negated[k];
        if (fits)
            return lines[i].is_allow;
    }
    return !lines[count - 1].is_allow;
}

static bool host_is(const struct imported_rule *rule, struct slice host)
{
    if (rule->has_any_host)
        return true;
    for (size_t i = 0; i < rule->hosts.count; i++) {
        const struct import_host *item = &rule->hosts.items[i];
        if (item->is_suffix ? host.len > item->name.len + 1 && slice_ends_with(host, item->name) &&
                                  host.data[host.len - item->name.len - 1] == '.'
                            : slice_equal(host, item->name))
            return true;
    }
    return false;
}

static bool address_is(const struct imported_rule *rule, const struct ip_addr *address)
{
    for (size_t i = 0; i < rule->addresses.count; i++) {
        if (ip_prefix_contains(&rule->addresses.items[i], address))
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
    if ((is_allow || rule->has_ports) && !import_ports_has(&rule->ports, request->port))
        return false;
    if (rule->has_hosts && (is_literal || !host_is(rule, slice_of_string(request->host))))
        return false;
    if (is_allow && !rule->has_hosts && !is_literal)
        return false;
    if (rule->has_addresses)
        return address_is(rule, &address);
    return !is_allow || ip_addr_classify(&address) == IP_CLASS_ORDINARY;
}

static bool is_from(const struct imported_client *client, const char *source)
{
    struct ip_addr address;
    ASSERT(ip_addr_parse(slice_of_string(source), &address) == ERR_OK);
    for (size_t i = 0; client->sources != NULL && i < client->sources->count; i++) {
        if (ip_prefix_contains(&client->sources->items[i], &address))
            return true;
    }
    return client->sources == NULL;
}

// client_allows: the certificate has a CN, and any URI and O that help.
static bool client_allows(const struct imported_client *client, const struct request *request)
{
    bool is_allowed = false;
    bool is_client = false;
    for (const struct imported_match *match = client->matches; match != NULL; match = match->next)
        is_client =
            is_client || strcmp(match->key, "cn") != 0 || strcmp(match->value, request->cn) == 0;
    for (const struct imported_match *match = client->matches; match != NULL; match = match->next)
        is_client = is_client && (strcmp(match->key, "o") != 0 || request->oracle);
    if (!is_client || !is_from(client, request->source))
        return false;
    for (const struct imported_rule *rule = client->allow; rule != NULL; rule = rule->next)
        is_allowed = is_allowed || rule_fits(rule, request, true);
    for (const struct imported_rule *rule = client->deny; rule != NULL; rule = rule->next)
        is_allowed = is_allowed && !rule_fits(rule, request, false);
    return is_allowed;
}

static struct request make_request(struct random *random)
{
    static const char *const cns[] = {"a", "b", "c", "d"};
    static const char *const sources[] = {"10.0.0.1", "10.1.0.1", "192.168.0.1", "172.16.0.1"};
    static const char *const hosts[][2] = {
        {"example.com", "93.184.0.1"},      {"www.example.com", "8.8.8.8"},
        {"bad.example.com", "10.2.0.1"},    {"example.org", "93.184.216.34"},
        {"example.net", "10.2.0.2"},        {"www.example.org", "8.8.8.9"},
        {"93.184.216.34", "93.184.216.34"}, {"10.2.0.3", "10.2.0.3"}};
    static const uint16_t ports[] = {80, 443, 8005, 22};
    const size_t host = random_below(random, 8);
    return (struct request){.cn = cns[random_below(random, 4)],
                            .source = sources[random_below(random, 4)],
                            .host = hosts[host][0],
                            .address = hosts[host][1],
                            .port = ports[random_below(random, 4)],
                            .oracle = random_below(random, 2) == 0};
}

static size_t make_lines(struct random *random, struct line *lines, struct text *text)
{
    const size_t count = 1 + random_below(random, LINES_MAX);
    text_append_string(text, ACLS);
    for (size_t i = 0; i < count; i++) {
        lines[i] = (struct line){.is_allow = random_below(random, 2) == 0,
                                 .count = 1 + random_below(random, TERMS_MAX)};
        text_append_format(text, "http_access %s", lines[i].is_allow ? "allow" : "deny");
        for (size_t k = 0; k < lines[i].count; k++) {
            lines[i].acls[k] = random_below(random, NAMES);
            lines[i].negated[k] = random_below(random, 4) == 0;
            text_append_format(text, " %s%s", lines[i].negated[k] ? "!" : "",
                               names[lines[i].acls[k]]);
        }
        text_append_string(text, "\n");
    }
    ASSERT(!text->is_cut);
    return count;
}

// check_config gives how many requests the import allows.
static size_t check_config(struct random *random)
{
    char buffer[4096];
    struct text text;
    struct line lines[LINES_MAX];
    text_init(&text, buffer, sizeof buffer);
    const size_t count = make_lines(random, lines, &text);
    const struct memory_file files[] = {{"squid.conf", buffer}, {NULL, NULL}};
    const struct import_sources sources = memory_sources(files);
    const struct squid_options options = {0};
    struct import_notes notes = {.arena = arena_create()};
    struct imported imported = {0};
    struct errinfo info;
    size_t allowed = 0;
    assert_int_equal(squid_import("squid.conf", &options, &sources, &notes, &imported, &info),
                     ERR_OK);
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct request request = make_request(random);
        for (const struct imported_client *client = imported.clients; client != NULL;
             client = client->next) {
            if (!client_allows(client, &request))
                continue;
            allowed++;
            if (!squid_allows(lines, count, &request)) {
                char *yaml = imported_text(&imported);
                (void)fprintf(stderr, "%s\n%s", buffer, yaml);
                fail_msg("%s from %s to %s (%s):%u (%d)", request.cn, request.source, request.host,
                         request.address, request.port, request.oracle);
            }
        }
    }
    arena_destroy(notes.arena);
    return allowed;
}

static void what_an_import_allows_squid_allows(void **state)
{
    struct random random = {.state = 20261};
    size_t allowed = 0;
    (void)state;
    for (size_t i = 0; i < CONFIGS; i++)
        allowed += check_config(&random);
    assert_true(allowed > CONFIGS / 10); // they do allow something
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_import_allows_squid_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
