// `sallyport ca`: arguments in, files and paths out. What a certificate looks like is in proxy/pki.
#include "proxy/cli/ca.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/hostname.h"
#include "auth/ipaddr.h"
#include "proxy/cli/options.h"
#include "proxy/pki/authority.h"

enum { SECONDS_A_DAY = 24 * 60 * 60 };
enum { CA_TTL_DAYS = 3650, LEAF_TTL_DAYS = 90 };

static const char CA_USAGE[] =
    "usage: sallyport ca init        make a certificate authority: ca.crt and ca.key\n"
    "       sallyport ca issue NAME  make a key and a certificate for a client or a server\n"
    "\n"
    "Each has its own --help. Not supported yet: renew, revoke, crl, list, inspect.\n";

static const char INIT_USAGE[] =
    "usage: sallyport ca init [--dir DIR] [--name NAME] [--trust-domain DOMAIN] [--ttl 3650d]\n"
    "\n"
    "Makes ca.key (mode 0600) and ca.crt in DIR. Never overwrites a file. Prints both paths.\n"
    "\n"
    "  --dir DIR              where to (default: the current directory; made if missing)\n"
    "  --name NAME            the CN of the authority (default: Sallyport CA)\n"
    "  --trust-domain DOMAIN  of the clients' SPIFFE ids (default: sallyport.internal)\n"
    "  --ttl TTL              how long it is valid: 12h, 30d (default: 3650d)\n"
    "  --help                 this text\n"
    "\n"
    "Not supported yet: --passphrase-file, --intermediate.\n";

static const char ISSUE_USAGE[] =
    "usage: sallyport ca issue NAME [--dir DIR] [--server] [--dns NAME]... [--ip ADDRESS]...\n"
    "                          [--uri URI] [--email ADDRESS]... [--ttl 90d] [--out DIR]\n"
    "\n"
    "Makes NAME.key (mode 0600) and NAME.crt. Never overwrites a file. Prints both paths,\n"
    "the certificate's first. Without --server it is a client's certificate, with the SPIFFE\n"
    "id spiffe://TRUST-DOMAIN/NAME.\n"
    "\n"
    "  --dir DIR        the authority's directory (default: the current directory)\n"
    "  --server         a server's certificate; needs --dns or --ip\n"
    "  --dns NAME       a host name in it; may be given again\n"
    "  --ip ADDRESS     an IP address in it; may be given again\n"
    "  --uri URI        this URI in place of the SPIFFE id\n"
    "  --email ADDRESS  an e-mail address in it; may be given again\n"
    "  --ttl TTL        how long it is valid: 12h, 30d (default: 90d; not longer than the CA)\n"
    "  --out DIR        where to (default: the authority's directory; made if missing)\n"
    "  --help           this text\n"
    "\n"
    "Not supported yet: --csr, --p12.\n";

static int fail_unsupported(const char *command, const char *what)
{
    return cli_fail_usage(command, "%s is not supported yet", what);
}

static int fail(const char *command, const struct errinfo *info)
{
    cli_say(command, "%s", info->text);
    return CLI_FAILED;
}

// print_paths writes the two paths that were made to stdout.
static int print_paths(const char *command, const char *first, const char *second)
{
    (void)printf("%s\n%s\n", first, second);
    return cli_finish(command);
}

struct init_arguments {
    const char *directory;
    struct authority_options options;
    bool wants_help;
};

// init_parse reads the arguments of `ca init`; CLI_OK when they can be used.
static int init_parse(int argc, char **argv, struct init_arguments *out)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'},
        {"name", required_argument, NULL, 'n'},
        {"trust-domain", required_argument, NULL, 't'},
        {"ttl", required_argument, NULL, 'l'},
        {"passphrase-file", required_argument, NULL, 'x'},
        {"intermediate", no_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *out = (struct init_arguments){
        .directory = ".",
        .options = {.common_name = "Sallyport CA",
                    .trust_domain = "sallyport.internal",
                    .ttl_s = (int64_t)CA_TTL_DAYS * SECONDS_A_DAY},
    };
    struct errinfo info;
    int index = 0;
    int found = 0;
    optind = 0; // glibc: start anew
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", options, &index)) != -1) {
        if (found == 'd')
            out->directory = optarg;
        else if (found == 'n')
            out->options.common_name = optarg;
        else if (found == 't')
            out->options.trust_domain = optarg;
        else if (found == 'l' && cli_parse_ttl(optarg, &out->options.ttl_s, &info) != ERR_OK)
            return cli_fail_usage("ca init", "--ttl: %s", info.text);
        else if (found == 'x')
            return fail_unsupported("ca init", options[index].name);
        else if (found == 'h')
            out->wants_help = true;
        else if (found != 'l')
            return cli_fail_option("ca init", found, argv);
    }
    if (optind < argc)
        return cli_fail_usage("ca init", "unexpected argument '%s'", argv[optind]);
    return CLI_OK;
}

static int init_run(const struct init_arguments *arguments)
{
    struct errinfo info;
    const int64_t now_s = (int64_t)time(NULL);
    const enum err error = authority_init(arguments->directory, &arguments->options, now_s, &info);
    if (error == ERR_INPUT)
        return cli_fail_usage("ca init", "%s", info.text);
    if (error != ERR_OK)
        return fail("ca init", &info);
    cli_say("ca init", "'%s' for the trust domain %s; keep ca.key secret, and off the proxy",
            arguments->options.common_name, arguments->options.trust_domain);
    char *cert_path = path_join(arguments->directory, "ca", ".crt");
    char *key_path = path_join(arguments->directory, "ca", ".key");
    int status = CLI_FAILED;
    if (cert_path != NULL && key_path != NULL)
        status = print_paths("ca init", cert_path, key_path);
    free(cert_path);
    free(key_path);
    return status;
}

static int init_command(int argc, char **argv)
{
    struct init_arguments arguments;
    const int status = init_parse(argc, argv, &arguments);
    if (status != CLI_OK)
        return status;
    if (arguments.wants_help) {
        (void)fputs(INIT_USAGE, stdout);
        return cli_finish("ca init");
    }
    return init_run(&arguments);
}

struct issue_arguments {
    const char *ca_directory;
    struct issue_options options;
    struct san sans[AUTHORITY_MAX_SANS]; // values point into argv, `hosts` and `addresses`
    struct hostname hosts[AUTHORITY_MAX_SANS];
    struct ip_addr addresses[AUTHORITY_MAX_SANS];
    size_t count;
    bool has_uri;
    bool has_server_name;
    bool wants_help;
};

// add_san reads one value of --dns, --ip, --uri or --email.
static enum err add_san(struct issue_arguments *arguments, enum san_kind kind, const char *text,
                        struct errinfo *info)
{
    const size_t at = arguments->count;
    if (at + 1 >= AUTHORITY_MAX_SANS)
        return errinfo_set(info, ERR_LIMIT, "more than %d names for one certificate",
                           AUTHORITY_MAX_SANS - 1);
    struct slice value = slice_of_string(text);
    if (kind == SAN_DNS) {
        if (hostname_parse(value, &arguments->hosts[at]) != ERR_OK)
            return errinfo_set(info, ERR_INPUT, "--dns: '%.100s' is not a host name", text);
        value = hostname_slice(&arguments->hosts[at]);
    } else if (kind == SAN_IP) {
        struct ip_addr *addr = &arguments->addresses[at];
        if (ip_addr_parse(value, addr) != ERR_OK)
            return errinfo_set(info, ERR_INPUT, "--ip: '%.100s' is not an IP address", text);
        value = slice_of(addr->bytes, addr->family == IP_V4 ? 4 : 16);
    } else if (kind == SAN_URI && arguments->has_uri) {
        return errinfo_set(info, ERR_INPUT, "--uri: one only, for two would make it nobody's id");
    }
    if (!san_is_strict(kind, value))
        return errinfo_set(info, ERR_INPUT, "'%.100s' cannot stand in a certificate: %s", text,
                           kind == SAN_URI ? "--uri takes a URI such as spiffe://example.org/name"
                                           : "--email takes an address such as a@example.org");
    arguments->has_uri |= kind == SAN_URI;
    arguments->has_server_name |= kind == SAN_DNS || kind == SAN_IP;
    arguments->sans[at] = (struct san){.kind = kind, .is_usable = true, .value = value};
    arguments->count++;
    return ERR_OK;
}

// issue_take takes one option that getopt found; false when it is none of these.
static bool issue_take(struct issue_arguments *out, int found, enum err *out_error,
                       struct errinfo *info)
{
    *out_error = ERR_OK;
    switch (found) {
    case 'd':
        out->ca_directory = optarg;
        return true;
    case 'o':
        out->options.directory = optarg;
        return true;
    case 's':
        out->options.is_server = true;
        return true;
    case 'h':
        out->wants_help = true;
        return true;
    case 'l':
        *out_error = cli_parse_ttl(optarg, &out->options.ttl_s, info);
        return true;
    case 'D':
        *out_error = add_san(out, SAN_DNS, optarg, info);
        return true;
    case 'I':
        *out_error = add_san(out, SAN_IP, optarg, info);
        return true;
    case 'U':
        *out_error = add_san(out, SAN_URI, optarg, info);
        return true;
    case 'E':
        *out_error = add_san(out, SAN_EMAIL, optarg, info);
        return true;
    default: // a number of getopt's, no enum of ours
        return false;
    }
}

// issue_check looks at the arguments together.
static int issue_check(int argc, char **argv, struct issue_arguments *out)
{
    if (out->wants_help)
        return CLI_OK;
    if (optind >= argc)
        return cli_fail_usage("ca issue", "whose certificate? NAME is missing");
    if (optind + 1 < argc)
        return cli_fail_usage("ca issue", "unexpected argument '%s'", argv[optind + 1]);
    out->options.name = argv[optind];
    if (out->options.is_server && !out->has_server_name)
        return cli_fail_usage("ca issue", "a server needs a name that clients connect to: give "
                                          "--dns or --ip");
    out->options.sans = out->sans;
    out->options.san_count = out->count;
    if (out->options.directory == NULL)
        out->options.directory = out->ca_directory;
    return CLI_OK;
}

static int issue_parse(int argc, char **argv, struct issue_arguments *out)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'}, {"server", no_argument, NULL, 's'},
        {"dns", required_argument, NULL, 'D'}, {"ip", required_argument, NULL, 'I'},
        {"uri", required_argument, NULL, 'U'}, {"email", required_argument, NULL, 'E'},
        {"ttl", required_argument, NULL, 'l'}, {"out", required_argument, NULL, 'o'},
        {"csr", required_argument, NULL, 'x'}, {"p12", no_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0},
    };
    *out = (struct issue_arguments){
        .ca_directory = ".",
        .options = {.ttl_s = (int64_t)LEAF_TTL_DAYS * SECONDS_A_DAY},
    };
    int index = 0;
    int found = 0;
    optind = 0; // glibc: start anew
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", options, &index)) != -1) {
        struct errinfo info;
        enum err error = ERR_OK;
        if (found == 'x')
            return fail_unsupported("ca issue", options[index].name);
        if (!issue_take(out, found, &error, &info))
            return cli_fail_option("ca issue", found, argv);
        if (error != ERR_OK)
            return cli_fail_usage("ca issue", "%s", info.text);
    }
    return issue_check(argc, argv, out);
}

// issue_tell says on stderr what was made, and how the proxy gets to know it.
static void issue_tell(const struct issue_arguments *arguments, const struct authority *authority,
                       const struct issued *issued)
{
    const struct issue_options *options = &arguments->options;
    char date[CLI_DATE_CAP];
    cli_say("ca issue", "%s '%s', valid until %s%s", options->is_server ? "server" : "client",
            options->name, cli_format_date(issued->not_after_s, date),
            issued->is_cut ? ": cut short, for the CA itself ends then" : "");
    if (!options->is_server && !arguments->has_uri)
        cli_say("ca issue", "to let it in: match: [{uri: \"spiffe://%s/%s\"}]",
                authority_trust_domain(authority), options->name);
}

static int issue_run(const struct issue_arguments *arguments)
{
    struct errinfo info;
    struct authority *authority = NULL;
    const int64_t now_s = (int64_t)time(NULL);
    if (authority_load(arguments->ca_directory, true, now_s, &authority, &info) != ERR_OK) {
        cli_say("ca issue", "%s", info.text);
        cli_say("ca issue", "--dir says where the CA is; `sallyport ca init` makes one");
        return CLI_FAILED;
    }
    struct issued issued = {0};
    const enum err error = authority_issue(authority, &arguments->options, now_s, &issued, &info);
    int status = CLI_FAILED;
    if (error == ERR_INPUT) {
        status = cli_fail_usage("ca issue", "%s", info.text);
    } else if (error != ERR_OK) {
        status = fail("ca issue", &info);
    } else {
        issue_tell(arguments, authority, &issued);
        status = print_paths("ca issue", issued.chain_path, issued.key_path);
    }
    issued_deinit(&issued);
    authority_destroy(authority);
    return status;
}

static int issue_command(int argc, char **argv)
{
    struct issue_arguments arguments;
    const int status = issue_parse(argc, argv, &arguments);
    if (status != CLI_OK)
        return status;
    if (arguments.wants_help) {
        (void)fputs(ISSUE_USAGE, stdout);
        return cli_finish("ca issue");
    }
    return issue_run(&arguments);
}

int ca_command(int argc, char **argv)
{
    static const char *const unsupported[] = {"renew", "revoke", "crl", "list", "inspect"};
    if (argc < 2)
        return cli_fail_usage("ca", "what? init or issue");
    const struct slice verb = slice_of_string(argv[1]);
    if (slice_equal(verb, SLICE_LITERAL("--help")) || slice_equal(verb, SLICE_LITERAL("-h"))) {
        (void)fputs(CA_USAGE, stdout);
        return cli_finish("ca");
    }
    if (slice_equal(verb, SLICE_LITERAL("init")))
        return init_command(argc - 1, argv + 1);
    if (slice_equal(verb, SLICE_LITERAL("issue")))
        return issue_command(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        if (slice_equal(verb, slice_of_string(unsupported[i])))
            return fail_unsupported("ca", unsupported[i]);
    }
    return cli_fail_usage("ca", "unknown verb '%s'", argv[1]);
}
