// What a squid.conf becomes, and what is said about the lines that cannot be taken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/import/squid.h"
#include "tests/unit/import/sources.h"

#define ACLS                                                                                       \
    "acl scrapers user_cert CN scraper\n"                                                          \
    "acl builders user_cert CN builder\n"                                                          \
    "acl office src 10.0.0.0/8\n"                                                                  \
    "acl lab src 10.1.0.0/16\n"                                                                    \
    "acl sites dstdomain .example.com\n"                                                           \
    "acl bad dstdomain bad.example.com\n"                                                          \
    "acl repos dstdomain deb.example.org\n"                                                        \
    "acl private dst 10.2.0.0/16\n"                                                                \
    "acl secure port 443\n"                                                                        \
    "acl web port 80 443\n"                                                                        \
    "acl odd dstdom_regex ^x\n"                                                                    \
    "acl many maxconn 20\n"                                                                        \
    "acl lunch time MTWHF 12:00-13:00\n"

// row is lines after those acls; what the output has and has not; what is said, or with `!` in front is not.
struct row {
    const char *lines;
    const char *has[3];
    const char *has_not[2];
    const char *says[2];
};

static const struct row rows[] = {
    // the first line that fits
    {"http_access deny bad\nhttp_access allow scrapers sites\nhttp_access deny all\n",
     {"{cn: \"scraper\"}", "- {hosts: [\"example.com\", \"*.example.com\"], ports: [any]}",
      "deny:\n      - {hosts: [\"bad.example.com\"]}"},
     {"builder"},
     {NULL}},
    {"http_access allow scrapers sites\nhttp_access deny bad\n",
     {"scraper"},
     {"bad"},
     {"the last line denies"}},
    {"http_access allow scrapers sites\nhttp_access deny bad\nhttp_access allow scrapers repos\n",
     {"deb.example.org"},
     {"bad"},
     {NULL}},
    {"http_access allow scrapers repos\nhttp_access deny bad\nhttp_access allow scrapers sites\n",
     {"deny:\n      - {hosts: [\"bad"},
     {NULL},
     {NULL}},
    {"http_access allow scrapers bad\nhttp_access deny bad\nhttp_access allow scrapers sites\n",
     {"deny:\n      - {hosts: [\"bad"},
     {NULL},
     {"denies more than in Squid"}},
    // what a line denies that cannot be said is lost, and told of each line that it takes
    {"http_access deny odd\nhttp_access allow scrapers sites\nhttp_access allow builders repos\nhttp_access deny all\n"
     "http_access allow scrapers private\n",
     {"No client"},
     {"hosts"},
     {"squid.conf:15: `scrapers`: left out: squid.conf:14, before it, denies everything here",
      "squid.conf:16: `builders`: left out: squid.conf:14, before it"}},
    {"http_access deny all\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"!left out", "squid.conf:15: note: allows nothing: a line before it denies everything"}},
    // each line is in the output, or named
    {"acl firm user_cert O Acme\nhttp_access allow scrapers firm sites\nhttp_access deny all\n",
     {"No client"},
     {"hosts"},
     {"squid.conf:15: left out: it asks for two things of one certificate"}},
    {"acl others user_cert CN other\nhttp_access allow scrapers others sites\nhttp_access deny all\n",
     {"No client"},
     {"hosts"},
     {"squid.conf:15: left out: it asks for two things of one certificate"}},
    {"acl there src 10.3.0.0/16\nhttp_access allow scrapers lab sites\nhttp_access allow scrapers lab private\n"
     "http_access allow scrapers there repos\nhttp_access deny all\n",
     {"sources: [\"10.1.0.0/16\"]"},
     {"deb.example.org"},
     {"squid.conf:17: left out: a client has one list of `sources`"}},
    {"acl none user_cert CN\nhttp_access allow none sites\nhttp_access deny all\n",
     {"No client"},
     {"hosts"},
     {"squid.conf:15: left out: no client of this import fits it"}},
    {"acl named dst db.example.org\nhttp_access allow scrapers sites named\nhttp_access deny all\n",
     {"No client"},
     {"addresses"},
     {"squid.conf:14: acl named: `db.example.org` of dst is left out",
      "squid.conf:15: left out: no value of its lists"}},
    {"acl named dst db.example.org\nhttp_access allow scrapers named\nhttp_access deny all\n",
     {"No client"},
     {"addresses"},
     {"squid.conf:15: left out"}},
    {"http_access deny secure\nhttp_access allow scrapers sites secure\nhttp_access deny bad\nhttp_access deny all\n",
     {"No client"},
     {"hosts"},
     {"squid.conf:15: note: allows nothing: lines before it deny all of its ports",
      "squid.conf:16: note: not written: no rule allows anything"}},
    {"acl spare dstdomain spare.example\nhttp_access allow scrapers sites\nhttp_access deny all\n",
     {"{cn: \"scraper\"}"},
     {NULL},
     {"squid.conf:14: note: acl spare: no `http_access` names it", "!squid.conf:16"}},
    {"http_access deny odd\nhttp_access allow sites\n",
     {"No client"},
     {"hosts"},
     {"squid.conf:14: everybody: denies as if", "squid.conf:15: everybody: left out"}},
    // the same for several clients is said once
    {"http_access deny odd sites\nhttp_access allow scrapers repos\nhttp_access allow builders repos\nhttp_access allow sites\n",
     {"deb.example.org"},
     {NULL},
     {"squid.conf:14: `scrapers`, `builders`, everybody else: denies as if `odd`"}},
    // times are said by `hours`; options of an acl that nothing reads are its own
    {"http_access allow scrapers sites lunch\n",
     {"No client"},
     {NULL},
     {"`lunch` (time) fits is not read here: write the rule with `hours`"}},
    {"acl ads dstdom_regex -i ads\nhttp_access deny ads sites\nhttp_access allow scrapers repos\n",
     {"deb.example.org"},
     {NULL},
     {"denies as if `ads`", "!option"}},
    // ports
    {"http_access deny !web\nhttp_access allow scrapers sites\nhttp_access deny all\n",
     {"ports: [80, 443]"},
     {"deny"},
     {NULL}},
    {"http_access deny !web\nhttp_access deny CONNECT !secure\nhttp_access allow scrapers sites\n",
     {"ports: [443]"},
     {"80"},
     {"plain http:// requests to the ports"}},
    {"http_access deny sites !secure\nhttp_access allow scrapers sites\n",
     {"deny:\n      - {hosts: [\"example.com\", \"*.example.com\"], ports: [1-442, 444-65535]}"},
     {NULL},
     {NULL}},
    // negations
    {"http_access deny !sites\nhttp_access allow scrapers secure\n",
     {"hosts: [\"example.com\", \"*.example.com\"], ports: [443]"},
     {"deny"},
     {NULL}},
    {"http_access allow scrapers sites !bad\n",
     {"deny:\n      - {hosts: [\"bad.example.com\"], ports: [any]}"},
     {NULL},
     {NULL}},
    {"http_access allow !scrapers sites\n", {"No client"}, {"any: true"}, {"cannot be told"}},
    {"http_access deny !scrapers\nhttp_access allow sites\n",
     {"{cn: \"scraper\"}"},
     {"any: true"},
     {NULL}},
    // what is open
    {"http_access allow scrapers\n", {"No client"}, {"hosts"}, {"it allows every target"}},
    {"http_access allow all\n", {"No client"}, {"hosts"}, {"it allows every target"}},
    {"http_access allow scrapers secure\n", {"No client"}, {"hosts"}, {"it allows every target"}},
    {"http_access allow scrapers !bad\n", {"No client"}, {"hosts"}, {"it allows every target"}},
    {"http_access deny bad\n", {"No client"}, {"hosts"}, {"the last line denies"}},
    // what nothing here can say
    {"http_access allow scrapers odd\n", {"No client"}, {"hosts"}, {"`odd` (dstdom_regex)"}},
    {"http_access deny odd\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"denies as if `odd`"}},
    {"http_access allow builders repos\nhttp_access deny odd\nhttp_access allow scrapers sites\n",
     {"builder"},
     {"scraper"},
     {"denies as if `odd`"}},
    {"http_access deny scrapers many\nhttp_access allow scrapers sites\n",
     {"limits: {tunnels: 20}"},
     {NULL},
     {"becomes `limits"}},
    {"adapted_http_access deny bad\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"no client is written"}},
    {"ssl_bump splice all\nhttp_access allow scrapers sites\n", {"scraper"}, {NULL}, {NULL}},
    {"acl some dstdomain .example.com *.example.net\nhttp_access allow scrapers some\n",
     {"example.com"},
     {"example.net"},
     {"neither a host name"}},
    {"acl some dstdomain .example.com *.example.net\nhttp_access deny some\nhttp_access allow scrapers repos\n",
     {"No client"},
     {"hosts"},
     {"not understood"}},
    {"acl get method GET\nhttp_access allow get sites\n",
     {"No client"},
     {NULL},
     {"it allows no CONNECT"}},
    {"acl post method POST\nhttp_access deny post\nhttp_access allow scrapers sites\n",
     {"No client"},
     {NULL},
     {"denies as if `post`"}},
    // addresses
    {"http_access allow scrapers private\n",
     {"- {hosts: [\"*\"], addresses: [\"10.2.0.0/16\"], ports: [any]}",
      "- {addresses: [\"10.2.0.0/16\"], ports: [any]}"},
     {NULL},
     {NULL}},
    {"http_access allow scrapers sites private\n",
     {"\"*.example.com\"], addresses: [\"10.2.0.0/16\"]"},
     {"[\"*\"]"},
     {NULL}},
    {"http_access deny to_localhost\nhttp_access allow scrapers sites\n",
     {"scraper"},
     {"deny"},
     {NULL}},
    {"http_access allow scrapers sites\nhttp_access allow scrapers !private\n",
     {"scraper"},
     {"[\"*\"]"},
     {"it allows every target"}},
    // sources
    {"http_access allow scrapers office sites\n",
     {"{cn: \"scraper\"}", "sources: [\"10.0.0.0/8\"]"},
     {NULL},
     {NULL}},
    {"http_access allow office sites\n",
     {"spiffe://sallyport.internal/office", "sources: [\"10.0.0.0/8\"]"},
     {"any: true"},
     {"an address is no identity"}},
    {"http_access deny lab\nhttp_access allow office sites\n",
     {"No client"},
     {NULL},
     {"denies as if `lab`"}},
    {"http_access deny office\nhttp_access allow lab sites\n", {"No client"}, {NULL}, {NULL}},
    {"http_access allow sites\n", {"{any: true}"}, {NULL}, {NULL}},
    // who Squid sees in another way
    {"acl unit user_cert OU web\nhttp_access allow unit sites\n",
     {"No client"},
     {"ou:"},
     {"--one-ou"}},
    {"acl dn user_cert DN /CN=x\nhttp_access allow dn sites\n",
     {"No client"},
     {NULL},
     {"no key of `match`"}},
    // other directives
    {"cache_peer up.example.org parent 3128 0 no-query\nnever_direct allow all\nhttp_access allow scrapers sites\n",
     {"to: [\"http://up.example.org:3128\"]", "via: [\"up.example.org\"]"},
     {NULL},
     {"resolve: parent"}},
    {"never_direct allow all\nhttp_access allow scrapers sites\n",
     {"No client"},
     {NULL},
     {"nothing may go to the targets"}},
    {"cache_peer up.example.org parent 3128 0 login=a:b\nnever_direct allow all\nhttp_access allow scrapers sites\n",
     {"No client"},
     {NULL},
     {"nothing may go to the targets"}},
    {"connect_timeout 1 minute\ndns_nameservers 192.0.2.53\nworkers 2\n",
     {"connect: 60000ms", "servers: [\"192.0.2.53:53\"]", "workers: 2"},
     {NULL},
     {NULL}},
    {"cache_dir ufs /var/spool/squid 1 1 1\nfrobnicate on\n",
     {"version: 1"},
     {NULL},
     {"note: cache_dir", "frobnicate: not known"}},
    // a directive that is not known may restrict
    {"frobnicate on\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"no client is written"}},
    // Squid knows a directive and an action by their case, and passes over others
    {"HTTP_ACCESS allow scrapers sites\n", {"No client"}, {"hosts"}, {"HTTP_ACCESS: not known"}},
    {"https_port 8443 tls-cert=a.pem clientca=b.pem crlfile=c.pem sslflags=VERIFY_CRL tls-min-version=1.3\n",
     {"chain: \"a.pem\", key: \"a.pem\"", "crl: [\"c.pem\"]\n    crl_scope: leaf",
      "tls: {min: \"1.3\"}"},
     {NULL},
     {NULL}},
    // whom clients are verified against: cafile, or else clientca; nobody is asked without clientca
    {"https_port 8443 cert=a.pem clientca=shown.pem cafile=one.pem tls-cafile=two.pem\n",
     {"ca: [\"one.pem\", \"two.pem\"]"},
     {"shown.pem"},
     {"clients are verified by tls-cafile"}},
    {"https_port 8443 cert=a.pem tls-clientca=shown.pem\n",
     {"ca: [\"shown.pem\"]"},
     {NULL},
     {NULL}},
    {"https_port 8443 cert=a.pem cafile=one.pem\n",
     {"ca: [\"ca.crt\"]"},
     {"one.pem"},
     {"it asks no client"}},
    {"https_port 8443 cert=a.pem clientca=b.pem tls-crlfile=c.pem tls-flags=VERIFY_CRL\n",
     {"crl: [\"c.pem\"]\n    crl_scope: leaf"},
     {NULL},
     {NULL}},
    // revocations that nothing here names
    {"https_port 8443 cert=a.pem clientca=b.pem sslflags=VERIFY_CRL_ALL\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"crlfile="}},
    {"https_port 8443 cert=a.pem clientca=b.pem capath=d crlfile=c.pem\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"crlfile="}},
    {"https_port 8443 cert=a.pem clientca=b.pem capath=d\nhttp_access allow scrapers sites\n",
     {"{cn: \"scraper\"}", "ca: [\"b.pem\"]"},
     {NULL},
     {"`capath=d` is left out"}},
    // `dst -n` fits addresses that a client asks for, and no names
    {"acl near dst -n 10.2.0.0/16\nhttp_access allow scrapers near\n",
     {"No client"},
     {"hosts"},
     {"cannot be told"}},
    {"acl near dst -n 10.2.0.0/16\nhttp_access deny !near\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"denies as if `near`"}},
    {"acl near dst -n 93.184.0.0/16\nhttp_access deny near\nhttp_access allow scrapers sites\n",
     {"{cn: \"scraper\"}", "deny:\n      - {addresses: [\"93.184.0.0/16\"]}"},
     {NULL},
     {NULL}},
    // what Squid reads as `all` is IPv6, too
    {"acl every dst 0.0.0.0/0\nhttp_access deny every\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {NULL}},
    {"acl every src 0/0\nhttp_access deny every\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {NULL}},
    // some versions of Squid fit nothing with bits after the mask
    {"acl some dst 10.2.0.1/16\nhttp_access allow scrapers some\n",
     {"No client"},
     {"addresses"},
     {"bits after its length"}},
    // a method has a case
    {"acl open method connect\nhttp_access allow open scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"write CONNECT", "cannot be told"}},
    {"acl open method Connect\nhttp_access deny !open\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {NULL}},
    // Squid adds values to its own acls
    {"acl manager url_regex ^http://bad\nhttp_access deny manager\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"denies as if `manager`"}},
    {"acl manager proto HTTP\nhttp_access deny manager\nhttp_access allow scrapers sites\n",
     {"No client"},
     {"hosts"},
     {"denies as if `manager`"}},
    {"acl manager proto cache_object\nhttp_access deny manager\nhttp_access allow scrapers sites\n",
     {"{cn: \"scraper\"}"},
     {NULL},
     {NULL}},
    {"acl manager url_regex -i ^cache_object:// +i ^https?://[^/]+/squid-internal-mgr/\n"
     "http_access deny manager\nhttp_access allow scrapers sites\n",
     {"{cn: \"scraper\"}"},
     {NULL},
     {NULL}},
    {"http_port 127.0.0.1:3128\n",
     {"address: \"127.0.0.1:3128\""},
     {NULL},
     {"clients in the clear"}},
};

static bool is_said(const char *said, const char *words)
{
    return words[0] == '!' ? strstr(said, words + 1) == NULL : strstr(said, words) != NULL;
}

static void check_row(const struct row *row)
{
    char text[8192];
    const struct memory_file files[] = {{"squid.conf", text}, {NULL, NULL}};
    const struct import_sources sources = memory_sources(files);
    const struct squid_options options = {0};
    struct import_notes notes = {.arena = arena_create()};
    struct imported imported = {0};
    struct errinfo info = {.text = ""};
    (void)snprintf(text, sizeof text, "%s%s", ACLS, row->lines);
    assert_non_null(notes.arena);
    if (squid_import("squid.conf", &options, &sources, &notes, &imported, &info) != ERR_OK)
        fail_msg("%s%s", row->lines, info.text);
    char *yaml = imported_text(&imported);
    char *said = notes_text(&notes);
    for (size_t i = 0; i < 3; i++) {
        if (row->has[i] != NULL && strstr(yaml, row->has[i]) == NULL)
            fail_msg("%shas not %s\n%s%s", row->lines, row->has[i], yaml, said);
    }
    for (size_t i = 0; i < 2; i++) {
        if (row->has_not[i] != NULL && strstr(yaml, row->has_not[i]) != NULL)
            fail_msg("%shas %s\n%s%s", row->lines, row->has_not[i], yaml, said);
        if (row->says[i] != NULL && !is_said(said, row->says[i]))
            fail_msg("%sis not so: says %s\n%s", row->lines, row->says[i], said);
    }
    free(yaml);
    free(said);
    arena_destroy(notes.arena);
}

static void lines_become_rules_that_allow_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

static void each_directive_that_may_restrict_blocks_all_clients(void **state)
{
    static const char *const lines[] = {
        "icap_enable on",
        "icap_service s reqmod_precache icap://127.0.0.1:1344/filter",
        "icap_access s allow all",
        "ecap_enable on",
        "ecap_service s reqmod_precache ecap://filter",
        "loadable_modules /usr/lib/filter.so",
        "adaptation_access s allow all",
        "adaptation_service_set s a b",
        "adaptation_service_chain s a b",
        "url_rewrite_program /usr/bin/filter",
        "redirect_program /usr/bin/filter",
        "location_rewrite_program /usr/bin/filter",
        "url_rewrite_access deny bad",
        "ssl_bump peek all",
        "ssl_bump terminate bad",
        "sslproxy_cert_error deny all",
        "tls_outgoing_options cafile=ca.crt",
        "on_unsupported_protocol respond all",
        "host_verify_strict on",
        "request_header_access Cookie deny all",
        "request_header_replace User-Agent none",
        "request_header_add X-Restrict example.com",
        "reply_header_access Set-Cookie deny all",
        "header_access Cookie deny all",
        "http_access2 deny bad",
        "client_ip_max_connections 3",
        "request_body_max_size 1 MB",
        "cache_peer_access up deny bad",
        "neighbor_type_domain up sibling .example.com",
        "nonhierarchical_direct off",
        "proxy_protocol_access allow all",
        "tcp_outgoing_mark 1 all",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[200];
        (void)snprintf(text, sizeof text, "%s\nhttp_access allow scrapers sites\n", lines[i]);
        const struct row row = {
            text, {"No client"}, {"scraper", "hosts"}, {"so no client is written at all"}};
        check_row(&row);
    }
}

static void directives_that_restrict_nobody_leave_the_clients(void **state)
{
    static const char *const lines[] = {
        "icap_enable off",
        "ecap_enable off",
        "url_rewrite_program none",
        "ssl_bump none all",
        "http_reply_access allow all",
        "nonhierarchical_direct on",
        "request_header_access X-Forwarded-For deny all",
        "host_verify_strict off",
        "hierarchy_stoplist cgi-bin ?",
        "coredump_dir /var/spool/squid",
        "refresh_pattern ^ftp: 1440 20% 10080",
        "logfile_rotate 0",
        "cache_mem 256 MB",
        "cache deny all",
        "cache_mgr webmaster",
        "maximum_object_size_in_memory 512 KB",
        "forward_max_tries 25",
        "pconn_timeout 1 minute",
        "auth_param basic children 5",
        "external_acl_type users %LOGIN /usr/lib/squid/users",
        "delay_pools 1",
        "visible_hostname a",
        "dns_v4_first on",
        "shutdown_lifetime 3 seconds",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[200];
        (void)snprintf(text, sizeof text, "%s\nhttp_access allow scrapers sites\n", lines[i]);
        const struct row row = {text, {"{cn: \"scraper\"}"}, {"No client"}, {NULL}};
        check_row(&row);
    }
}

// A value that one acl above the bound has is not told from others that it stands together with.
static void more_acls_of_certificates_than_are_told_apart_allow_no_more(void **state)
{
    char text[6000];
    struct text lines;
    (void)state;
    text_init(&lines, text, sizeof text);
    text_append_string(&lines, "acl f0 user_cert CN good evil\n");
    for (unsigned i = 1; i < 64; i++)
        text_append_format(&lines, "acl f%u user_cert CN v%u\n", i, i);
    for (unsigned i = 0; i < 64; i++)
        text_append_format(&lines, "http_access allow f%u repos\n", i);
    text_append_string(&lines, "acl last user_cert CN evil\n"
                               "http_access deny last\nhttp_access allow f0 sites\n");
    assert_false(lines.is_cut);
    const struct row row = {text,
                            {"{cn: \"good\"}", "{cn: \"evil\"}", "deb.example.org"},
                            {"example.com"},
                            {"more than 64 acls", "denies as if `last`"}};
    check_row(&row);
}

// import_files imports the first of `files`.
static enum err import_files(const struct memory_file *files, char **yaml, struct errinfo *info)
{
    const struct import_sources sources = memory_sources(files);
    const struct squid_options options = {.has_one_ou = true};
    struct import_notes notes = {.arena = arena_create()};
    struct imported imported = {0};
    const enum err err = squid_import(files[0].path, &options, &sources, &notes, &imported, info);
    *yaml = err == ERR_OK ? imported_text(&imported) : NULL;
    arena_destroy(notes.arena);
    return err;
}

static void includes_lists_and_joined_lines_are_read(void **state)
{
    static const struct memory_file files[] = {
        {"squid.conf",
         "include conf.d/*.conf\nhttp_access allow units \\\n# in between\n\n   sites\n"},
        {"conf.d/1.conf",
         "acl sites dstdomain \"sites.txt\" .example.net # more\r\nacl units user_cert OU web\n"},
        {"sites.txt", "# names\n.example.com # all\n\nexample.org\n"},
        {NULL, NULL}};
    struct errinfo info;
    char *yaml = NULL;
    (void)state;
    assert_int_equal(import_files(files, &yaml, &info), ERR_OK);
    assert_non_null(strstr(yaml, "{ou: \"web\"}"));
    assert_non_null(strstr(
        yaml,
        "[\"example.com\", \"*.example.com\", \"example.org\", \"example.net\", \"*.example.net\"]"));
    free(yaml);
}

static void what_squid_would_not_start_with_is_an_error(void **state)
{
    static const char *const bad[][2] = {
        {"http_access allow nobody\n", "squid.conf:1: there is no acl"},
        {"\nacl a src 10.0.0.0/8\nacl a dst 10.0.0.0/8\n",
         "squid.conf:3: the acl is of another type"},
        {"acl a\n", "needs a name and a type"},
        {"http_access maybe all\n", "needs allow or deny"},
        {"http_access Allow all\n", "needs allow or deny"},
        {"http_access allow\n", "needs an acl"},
        {"acl a dstdomain \"missing.txt\"\n", "cannot open missing.txt"},
        {"acl a dstdomain \"missing\n", "a quote without its end"},
        {"include missing.conf\n", "there is no file"},
        {"include squid.conf\n", "inside one another"},
        {"if 1\nendif\n", "a conditional"},
        {"acl a src ${name}\n", "a macro"},
        {"acl a src 10.0.0.0/8\\\n", "ends after a backslash"},
        {"acl a src \x01\n", "a control character"},
        {"acl a src 10.0.0.0/8\rhttp_access allow all\n", "a control character"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct memory_file files[] = {{"squid.conf", bad[i][0]}, {NULL, NULL}};
        struct errinfo info = {.text = ""};
        char *yaml = NULL;
        assert_int_not_equal(import_files(files, &yaml, &info), ERR_OK);
        if (strstr(info.text, bad[i][1]) == NULL)
            fail_msg("%s%s", bad[i][0], info.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_rules_that_allow_no_more),
        cmocka_unit_test(each_directive_that_may_restrict_blocks_all_clients),
        cmocka_unit_test(directives_that_restrict_nobody_leave_the_clients),
        cmocka_unit_test(more_acls_of_certificates_than_are_told_apart_allow_no_more),
        cmocka_unit_test(includes_lists_and_joined_lines_are_read),
        cmocka_unit_test(what_squid_would_not_start_with_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
