// `sallyport quickstart`: checks what exists, makes what is missing, and overwrites nothing.
//
//   1. Stop if a key is there without its certificate, or a certificate without its key or without the CA that must
//      have issued it. The message names the file and says what to do.
//   2. The CA: load it, or make it if none of its files exists. Its key is needed only to issue something.
//   3. server and client: check them against their keys, the CA and the clock, or issue them.
//   4. The names of --allow: ask this machine and DNS about them. Write the first CRL, which the configuration
//      names, and sallyport.yaml, unless it exists. Load it as `serve` would.
//   5. Print the next steps: commands that work as printed, with a target that is allowed.
#include "proxy/cli/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/date.h"
#include "proxy/cli/options.h"
#include "proxy/cli/starter_config.h"
#include "proxy/cli/starter_names.h"
#include "proxy/config/file.h"
#include "proxy/config/loader.h"
#include "proxy/pki/authority.h"
#include "proxy/pki/new_file.h"

enum { DEFAULT_PORT = 8443, HTTPS_PORT = 443, SECONDS_A_DAY = 24 * 60 * 60 };
enum { CA_TTL_DAYS = 3650, LEAF_TTL_DAYS = 365, CRL_TTL_DAYS = 30 };
enum { SERVER_MAX_NAMES = 5, URL_CAP = HOSTNAME_MAX_LEN + 32 };

static const char COMMAND[] = "quickstart";

static const char USAGE[] =
    "usage: sallyport quickstart DIR [--allow HOST:PORT[=CIDR[,CIDR]...]]...\n"
    "                                [--listen ADDRESS:PORT]\n"
    "\n"
    "Makes in DIR a CA and its CRL, a server's and a client's certificate, and a configuration\n"
    "that lets this client go to example.com:443. Prints how to start and how to use it. A second\n"
    "run checks what is there and makes what is missing; it never overwrites.\n"
    "\n"
    "  --allow HOST:PORT       one more target: a name, *.name, or an address ([IPv6]:PORT).\n"
    "                          localhost and names in /etc/hosts get their addresses automatically\n"
    "  --allow HOST:PORT=CIDR  the same at these addresses: a private name needs this\n"
    "  --listen ADDRESS:PORT   where the proxy listens (default: 127.0.0.1:8443; port 0: any)\n"
    "  --help                  this text\n";

struct quickstart {
    const char *directory;
    int64_t now_s;
    struct endpoint listen;
    bool has_listen;
    struct starter_allow allows[STARTER_MAX_ALLOWS];
    size_t allow_count;
    struct authority authority; // owned
    char config_path[PATH_CAP];
    bool needs_hosts_file; // a name of --allow is known by /etc/hosts
    char url[URL_CAP];     // a target that is allowed
    size_t made_count;     // things made in this run
};

// program_name gives what a shell finds this program by: the path that it was called by, or its name.
static const char *program_name(void)
{
    return strchr(program_invocation_name, '/') == NULL ? "sallyport" : program_invocation_name;
}

static bool has_file(const struct quickstart *quickstart, const char *name, const char *suffix)
{
    char path[PATH_CAP];
    return new_file_exists(path_join(quickstart->directory, name, suffix, path));
}

// check_pair refuses one half of a pair without the other.
static enum err check_pair(const struct quickstart *quickstart, const char *name,
                           struct errinfo *info)
{
    const bool has_cert = has_file(quickstart, name, ".crt");
    const bool has_key = has_file(quickstart, name, ".key");
    if (has_cert == has_key)
        return ERR_OK;
    return errinfo_set(
        info, ERR_INPUT,
        "%s/%s.%s is there without its %s.%s: restore the missing one, or remove this one, so that a new pair is made",
        quickstart->directory, name, has_cert ? "crt" : "key", name, has_cert ? "key" : "crt");
}

// check_presence looks at which files are there before anything is made.
static enum err check_presence(const struct quickstart *quickstart, struct errinfo *info)
{
    static const char *const leaves[] = {"server", "client"};
    const bool has_ca_cert = has_file(quickstart, "ca", ".crt");
    const bool has_ca_key = has_file(quickstart, "ca", ".key");
    bool must_issue = false;
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        TRY(check_pair(quickstart, leaves[i], info));
        const bool has_leaf = has_file(quickstart, leaves[i], ".crt");
        if (has_leaf && !has_ca_cert)
            return errinfo_set(info, ERR_INPUT,
                               "%s/%s.crt is there without the ca.crt that it belongs to: put "
                               "ca.crt back, or remove %s.crt and %s.key",
                               quickstart->directory, leaves[i], leaves[i], leaves[i]);
        must_issue |= !has_leaf;
    }
    must_issue |=
        !has_file(quickstart, "sallyport", ".yaml") && !has_file(quickstart, "ca", ".crl");
    if (has_ca_key && !has_ca_cert)
        return errinfo_set(info, ERR_INPUT,
                           "%s/ca.key is there without its ca.crt: put it back, or remove ca.key, "
                           "so that a new CA is made",
                           quickstart->directory);
    if (has_ca_cert && !has_ca_key && must_issue)
        return errinfo_set(info, ERR_INPUT,
                           "%s/ca.crt is there without its ca.key, which is needed to issue what "
                           "is missing: put ca.key back, or start in another directory",
                           quickstart->directory);
    return ERR_OK;
}

static enum err open_authority(struct quickstart *quickstart, struct errinfo *info)
{
    static const struct authority_options options = {
        .common_name = "Sallyport CA",
        .trust_domain = "sallyport.internal",
        .ttl_s = (int64_t)CA_TTL_DAYS * SECONDS_A_DAY,
    };
    if (!has_file(quickstart, "ca", ".crt")) {
        TRY(authority_init(quickstart->directory, &options, quickstart->now_s, info));
        cli_say(COMMAND, "made %s/ca.crt and ca.key", quickstart->directory);
        quickstart->made_count++;
    }
    struct authority *authority = &quickstart->authority;
    TRY(authority_load(quickstart->directory, AUTHORITY_ISSUING, quickstart->now_s, authority,
                       info));
    if (has_file(quickstart, "ca", ".key"))
        TRY(authority_load_key(authority, (struct slice){0}, info));
    if (authority->trust_domain[0] == '\0')
        return errinfo_set(info, ERR_INPUT,
                           "%s/ca.crt names no trust domain (a URI spiffe://DOMAIN): it was not "
                           "made by sallyport; start in another directory",
                           quickstart->directory);
    return ERR_OK;
}

// check_leaf checks a certificate that exists: its key, its issuer, its validity.
static enum err check_leaf(const struct quickstart *quickstart, const char *name,
                           struct errinfo *info)
{
    char cert_path[PATH_CAP];
    char key_path[PATH_CAP];
    struct file_content cert_pem = {0};
    struct file_content key_pem = {0};
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    enum err error = file_read(path_join(quickstart->directory, name, ".crt", cert_path),
                               PEM_FILE_MAX, FILE_PUBLIC, &cert_pem, info);
    if (error == ERR_OK)
        error = file_read(path_join(quickstart->directory, name, ".key", key_path), PEM_FILE_MAX,
                          FILE_PRIVATE, &key_pem, info);
    if (error != ERR_OK)
        goto out;
    const char *wrong = NULL;
    if (certificate_parse(cert_pem.bytes, &cert) != ERR_OK)
        wrong = "is not a certificate in PEM";
    else if (keypair_parse(key_pem.bytes, (struct slice){0}, &key) != ERR_OK ||
             X509_check_private_key(cert, key) != 1)
        wrong = "does not match the key beside it";
    else if (!authority_has_issued(&quickstart->authority, cert))
        wrong = "was not issued by the ca.crt beside it";
    else if (certificate_not_after_s(cert) < quickstart->now_s)
        wrong = "has expired";
    if (wrong != NULL)
        error = errinfo_set(info, ERR_INPUT,
                            "%s %s: remove it and its .key, so that a new pair is made", cert_path,
                            wrong);
out:
    X509_free(cert);
    EVP_PKEY_free(key);
    file_content_deinit(&cert_pem);
    file_content_deinit(&key_pem);
    return error;
}

// server_names is what the server's certificate is for: this machine, by its usual names.
struct server_names {
    struct san sans[SERVER_MAX_NAMES];
    size_t count;
    struct hostname host;
};

static void add_name(struct server_names *names, enum san_kind kind, struct slice value)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->sans[i].kind == kind && slice_equal(names->sans[i].value, value))
            return;
    }
    ASSERT(names->count < SERVER_MAX_NAMES);
    names->sans[names->count++] = (struct san){.kind = kind, .is_usable = true, .value = value};
}

static void collect_names(const struct quickstart *quickstart, struct server_names *out)
{
    *out = (struct server_names){0};
    add_name(out, SAN_DNS, SLICE_LITERAL("localhost"));
    char machine[HOSTNAME_MAX_LEN + 2] = {0};
    if (gethostname(machine, sizeof machine - 1) == 0 &&
        hostname_parse(slice_of_string(machine), &out->host) == ERR_OK)
        add_name(out, SAN_DNS, hostname_slice(&out->host));
    add_name(out, SAN_IP, SLICE_LITERAL("\x7f\0\0\x01"));
    add_name(out, SAN_IP, SLICE_LITERAL("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"));
    const struct ip_addr *addr = &quickstart->listen.address;
    if (!ip_addr_is_any(&quickstart->listen.address))
        add_name(out, SAN_IP, slice_of(addr->bytes, addr->family == IP_V4 ? 4 : 16));
}

// ensure_leaf checks the certificate that is there, or issues one.
static enum err ensure_leaf(struct quickstart *quickstart, const char *name, bool is_server,
                            struct errinfo *info)
{
    if (has_file(quickstart, name, ".crt"))
        return check_leaf(quickstart, name, info);
    struct server_names names;
    collect_names(quickstart, &names);
    const struct issue_options options = {
        .name = name,
        .is_server = is_server,
        .sans = names.sans,
        .san_count = is_server ? names.count : 0,
        .ttl_s = (int64_t)LEAF_TTL_DAYS * SECONDS_A_DAY,
        .directory = quickstart->directory,
    };
    struct issued issued;
    TRY(authority_issue(&quickstart->authority, &options, quickstart->now_s, &issued, info));
    char date[DATE_TEXT_CAP];
    cli_say(COMMAND, "made %s and its key, valid until %s", issued.paths[ISSUED_CHAIN],
            date_format(issued.not_after_s, DATE_MINUTE, date));
    quickstart->made_count++;
    return ERR_OK;
}

// tell_about_arguments says that a configuration that is there was left alone, and what to write
// into it.
static void tell_about_arguments(const struct quickstart *quickstart)
{
    if (quickstart->has_listen)
        cli_say(COMMAND, "--listen changes nothing: %s is there already; its listeners say where",
                quickstart->config_path);
    if (quickstart->allow_count == 0)
        return;
    cli_say(COMMAND, "%s was left alone; to allow more, add to the allow list of a client:",
            quickstart->config_path);
    for (size_t i = 0; i < quickstart->allow_count; i++) {
        char buffer[STARTER_TEXT_CAP / STARTER_MAX_ALLOWS];
        struct text text;
        text_init(&text, buffer, sizeof buffer);
        starter_allow_format(&quickstart->allows[i], &text);
        (void)fprintf(stderr, "      %s\n", buffer);
    }
}

// add_url makes the URL of a rule that names a host, or one address; false where it does not.
static bool add_url(const struct rule *rule, struct text *out)
{
    const unsigned port = rule->port_count == 0 ? HTTPS_PORT : rule->ports[0].first;
    struct host_record record;
    struct ip_addr first;
    struct ip_addr last;
    size_t cursor = 0;
    if (rule->has_hosts) {
        if (rule->hosts.count == 0 || !host_set_next(rule->hosts.items[0], &cursor, &record) ||
            record.kind != HOST_PATTERN_EXACT)
            return false;
        text_append_format(out, "https://%.*s", (int)record.name.len,
                           (const char *)record.name.data);
    } else {
        char address[IP_TEXT_CAP];
        if (rule->addresses.count == 0 || ip_set_count(rule->addresses.items[0]) == 0)
            return false;
        ip_set_range(rule->addresses.items[0], 0, &first, &last);
        if (!ip_addr_equal(&first, &last))
            return false;
        text_append_format(out, first.family == IP_V6 ? "https://[%s]" : "https://%s",
                           ip_addr_format(&first, address));
    }
    if (port != HTTPS_PORT)
        text_append_format(out, ":%u", port);
    text_append_string(out, "/");
    return true;
}

// find_url takes the last rule of the first client that names one target: what was asked for stands
// there, and example.com otherwise.
static void find_url(const struct policy *policy, char out[URL_CAP])
{
    struct text text;
    size_t i = policy->client_count == 0 ? 0 : policy->clients[0].allow_count;
    for (text_init(&text, out, URL_CAP); i > 0; i--) {
        if (add_url(&policy->clients[0].allow[i - 1], &text))
            return;
    }
    text_append_string(&text, "https://example.com/");
}

// read_config loads the configuration: for its validity, its address, and a target.
static enum err read_config(struct quickstart *quickstart, struct errinfo *info)
{
    struct diagnostics diagnostics;
    struct snapshot *snapshot = NULL;
    diagnostics_init(&diagnostics);
    const enum err error =
        snapshot_load(quickstart->config_path, &(struct load_options){.now_s = quickstart->now_s},
                      &diagnostics, &snapshot);
    if (error == ERR_OK) {
        quickstart->listen = snapshot->listeners[0].address;
        find_url(snapshot->policy, quickstart->url);
        snapshot_unref(snapshot);
    } else {
        diagnostics_print(&diagnostics, stderr, SEVERITY_ERROR);
    }
    diagnostics_deinit(&diagnostics);
    if (error == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, error,
                       "%s is there and cannot be used; mend it, then run: %s check -c %s",
                       quickstart->config_path, program_name(), quickstart->config_path);
}

// ensure_crl makes the first, empty CRL of the CA, which the new configuration names.
static enum err ensure_crl(struct quickstart *quickstart, struct errinfo *info)
{
    if (has_file(quickstart, "ca", ".crl"))
        return ERR_OK;
    struct index index;
    uint64_t number = 0;
    char date[DATE_TEXT_CAP];
    const int64_t ttl_s = (int64_t)CRL_TTL_DAYS * SECONDS_A_DAY;
    char path[PATH_CAP];
    (void)path_join(quickstart->directory, "ca", ".crl", path);
    TRY(authority_read_index(&quickstart->authority, true, &index, info));
    const enum err error = authority_publish_crl(&quickstart->authority, NULL, &index, path,
                                                 quickstart->now_s, ttl_s, &number, info);
    index_deinit(&index);
    if (error == ERR_OK)
        cli_say(COMMAND, "made %s, the list of revoked certificates (none yet), valid until %s",
                path, date_format(quickstart->now_s + ttl_s, DATE_MINUTE, date));
    return error;
}

// can_have_socket tells whether the control socket beside the configuration has a path that a socket may have,
// from wherever the proxy is started.
static bool can_have_socket(const struct quickstart *quickstart)
{
    char real[PATH_MAX];
    const size_t room = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    return realpath(quickstart->directory, real) != NULL &&
           strlen(real) + sizeof "/" STARTER_SOCKET - 1 <= room;
}

static enum err write_config(struct quickstart *quickstart, struct errinfo *info)
{
    char *buffer = malloc(STARTER_TEXT_CAP);
    if (buffer == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    struct text text;
    text_init(&text, buffer, STARTER_TEXT_CAP);
    const struct starter_config config = {
        .trust_domain = quickstart->authority.trust_domain,
        .listen = quickstart->listen,
        .allows = quickstart->allows,
        .allow_count = quickstart->allow_count,
        .has_control = can_have_socket(quickstart),
        .reads_hosts_file = quickstart->needs_hosts_file,
    };
    starter_config_format(&config, &text);
    ASSERT(!text.is_cut);
    const enum err error =
        new_file_write(quickstart->config_path, text_slice(&text), FILE_MODE_PUBLIC, info);
    free(buffer);
    if (error != ERR_OK)
        return error;
    cli_say(COMMAND, "made %s", quickstart->config_path);
    if (!config.has_control)
        cli_say(COMMAND,
                "without a control socket, because its path would have more than 107 bytes: "
                "choose one under `control` in %s",
                quickstart->config_path);
    quickstart->made_count++;
    return ERR_OK;
}

static enum err ensure_config(struct quickstart *quickstart, bool is_there, struct errinfo *info)
{
    if (!is_there) {
        TRY(ensure_crl(quickstart, info));
        TRY(write_config(quickstart, info));
    }
    TRY(read_config(quickstart, info));
    if (is_there)
        tell_about_arguments(quickstart);
    return ERR_OK;
}

// print_word writes a word for a shell, in quotes where it needs them.
static void print_word(const char *word)
{
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,@%:";
    if (word[0] != '-' && strspn(word, plain) == strlen(word)) {
        (void)fputs(word, stdout);
        return;
    }
    (void)fputs(word[0] == '-' ? "'./" : "'", stdout);
    for (const char *at = word; *at != '\0'; at++) {
        if (*at == '\'')
            (void)fputs("'\\''", stdout);
        else
            (void)fputc(*at, stdout);
    }
    (void)fputc('\'', stdout);
}

static void print_path(const struct quickstart *quickstart, const char *name)
{
    char path[PATH_CAP];
    print_word(path_join(quickstart->directory, name, "", path));
}

// print_proxy writes the URL that a client on this machine uses.
static void print_proxy(const struct endpoint *listen)
{
    char address[IP_TEXT_CAP] = "localhost";
    if (!ip_addr_is_any(&listen->address))
        (void)ip_addr_format(&listen->address, address);
    const bool needs_brackets = strchr(address, ':') != NULL;
    (void)printf("https://%s%s%s:", needs_brackets ? "[" : "", address, needs_brackets ? "]" : "");
    if (listen->port == 0)
        (void)printf("PORT");
    else
        (void)printf("%u", (unsigned)listen->port);
}

static int print_next_steps(const struct quickstart *quickstart)
{
    print_word(program_name());
    (void)printf(" serve -c ");
    print_path(quickstart, "sallyport.yaml");
    (void)printf("\ncurl --proxy ");
    print_proxy(&quickstart->listen);
    (void)printf(" --proxy-cacert ");
    print_path(quickstart, "ca.crt");
    (void)printf(" --proxy-cert ");
    print_path(quickstart, "client.crt");
    (void)printf(" --proxy-key ");
    print_path(quickstart, "client.key");
    (void)putchar(' ');
    print_word(quickstart->url);
    (void)putchar('\n');
    if (quickstart->listen.port == 0)
        cli_say(COMMAND, "PORT is in the line `ready main=ADDRESS:PORT` that serve prints");
    return cli_finish(COMMAND);
}

static enum err run(struct quickstart *quickstart, struct errinfo *info)
{
    (void)path_join(quickstart->directory, "sallyport", ".yaml", quickstart->config_path);
    const bool has_config = new_file_exists(quickstart->config_path);
    if (!has_config)
        TRY(starter_names_settle(quickstart->allows, quickstart->allow_count,
                                 &quickstart->needs_hosts_file, info));
    TRY(new_file_make_directory(quickstart->directory, info));
    TRY(check_presence(quickstart, info));
    TRY(open_authority(quickstart, info));
    TRY(ensure_leaf(quickstart, "server", true, info));
    TRY(ensure_leaf(quickstart, "client", false, info));
    return ensure_config(quickstart, has_config, info);
}

static enum err take_allow(void *arg, const char *value, struct errinfo *info)
{
    struct quickstart *quickstart = arg;
    if (quickstart->allow_count == STARTER_MAX_ALLOWS)
        return errinfo_set(info, ERR_LIMIT, "more than %d; write them into the configuration",
                           STARTER_MAX_ALLOWS);
    TRY(starter_allow_parse(slice_of_string(value), &quickstart->allows[quickstart->allow_count],
                            info));
    quickstart->allow_count++;
    return ERR_OK;
}

static enum err take_listen(void *arg, const char *value, struct errinfo *info)
{
    struct quickstart *quickstart = arg;
    quickstart->has_listen = true;
    return endpoint_parse(slice_of_string(value), &quickstart->listen, info);
}

static struct cli_line read_line(int argc, char **argv, struct quickstart *out)
{
    static const char missing[] = "which directory? DIR is missing";
    const struct cli_option options[] = {
        {"allow", .take = take_allow, .arg = out},
        {"listen", .take = take_listen, .arg = out},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = COMMAND,
                                      .usage = USAGE,
                                      .options = options,
                                      .argument_missing = missing,
                                      .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line;
    out->directory = line.arguments[0];
    return out->directory[0] == '\0' ? cli_end(cli_fail_usage(COMMAND, "%s", missing)) : line;
}

static int run_and_tell(struct quickstart *quickstart)
{
    struct errinfo info;
    const enum err error = run(quickstart, &info);
    if (error != ERR_OK)
        cli_say(COMMAND, "%s", info.text);
    else if (quickstart->made_count == 0)
        cli_say(COMMAND, "%s is complete and good: reused, nothing was changed",
                quickstart->directory);
    const int status = error == ERR_OK ? print_next_steps(quickstart) : CLI_FAILED;
    authority_deinit(&quickstart->authority);
    return status;
}

int quickstart_command(int argc, char **argv)
{
    struct quickstart *quickstart = calloc(1, sizeof *quickstart);
    if (quickstart == NULL) {
        cli_say(COMMAND, "no memory");
        return CLI_FAILED;
    }
    quickstart->now_s = (int64_t)time(NULL);
    quickstart->listen = (struct endpoint){
        .address = {.family = IP_V4, .bytes = {127, 0, 0, 1}},
        .port = DEFAULT_PORT,
    };
    const struct cli_line line = read_line(argc, argv, quickstart);
    const int status = line.is_over ? line.exit_status : run_and_tell(quickstart);
    free(quickstart);
    return status;
}
