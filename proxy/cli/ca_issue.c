// `sallyport ca issue`: makes a certificate, prints the paths of its files, and shows how clients use them.
#include <stdio.h>

#include "auth/base/date.h"
#include "auth/hostname.h"
#include "auth/http_url.h"
#include "auth/ipaddr.h"
#include "proxy/cli/ca_verbs.h"

enum { LEAF_TTL_DAYS = 90 };

static const char ISSUE_USAGE[] =
    "usage: sallyport ca issue NAME [--dir DIR] [--server] [--dns NAME]... [--ip ADDRESS]...\n"
    "                          [--uri URI] [--email ADDRESS]... [--ttl 90d] [--out DIR]\n"
    "                          [--csr FILE | --p12 --p12-passphrase-file FILE]\n"
    "                          [--crl-url URL] [--ocsp-url URL]\n"
    "                          [--passphrase-file FILE]\n"
    "\n"
    "Makes NAME.crt (with the intermediate, if there is one), NAME.key (mode 0600) and NAME.pem\n"
    "(both in one, mode 0600). Never overwrites a file. Prints the paths in this order, and on\n"
    "stderr how clients use them. Without --server it is a client's certificate, with the SPIFFE\n"
    "id spiffe://TRUST-DOMAIN/NAME.\n"
    "\n"
    "  --dir DIR        the authority's directory (default: the current directory)\n"
    "  --server         a server's certificate; needs --dns or --ip\n"
    "  --dns NAME       a host name in it; may be given again\n"
    "  --ip ADDRESS     an IP address in it; may be given again\n"
    "  --uri URI        this URI in place of the SPIFFE id\n"
    "  --email ADDRESS  an e-mail address in it; may be given again\n"
    "  --crl-url URL    where the list of `ca crl` is published, for `crl: [{from: cdp, ...}]`\n"
    "  --ocsp-url URL   who answers for it by OCSP, for `ocsp: {aia: [...]}`; http:// only\n"
    "  --ttl TTL        how long it is valid: 12h, 30d (default: 90d; not longer than the CA)\n"
    "  --out DIR        where to write (default: the authority's directory; made if missing)\n"
    "  --csr FILE       for the public key of this request; its names are ignored, those\n"
    "                   of this command line count; no NAME.key is made\n"
    "  --p12            NAME.p12 too (PKCS#12: AES-256, HMAC-SHA-256)\n"
    "  --p12-passphrase-file FILE  its passphrase (ASCII), in the first line of FILE\n"
    "  --passphrase-file FILE      the passphrase of ca.key\n"
    "  --help           this text\n";

struct issue_arguments {
    const char *ca_directory;
    struct issue_options options;
    struct san sans[AUTHORITY_MAX_SANS]; // values point into argv, `hosts` and `addresses`
    struct hostname hosts[AUTHORITY_MAX_SANS];
    struct ip_addr addresses[AUTHORITY_MAX_SANS];
    size_t count;
    struct http_url crl_url;
    struct http_url ocsp_url;
    bool has_uri;
    bool has_server_name;
    const char *passphrase_path;
    const char *p12_passphrase_path;
    bool wants_p12;
};

// add_san adds one name; `wanted` says what it should be. `value` stays where it is.
static enum err add_san(struct issue_arguments *arguments, enum san_kind kind, struct slice value,
                        const char *wanted, const char *text, struct errinfo *info)
{
    if (!san_is_strict(kind, value))
        return errinfo_set(info, ERR_INPUT, "'%.100s' is not %s", text, wanted);
    if (arguments->count + 1 == AUTHORITY_MAX_SANS)
        return errinfo_set(info, ERR_LIMIT, "more than %d names for one certificate",
                           AUTHORITY_MAX_SANS - 1);
    arguments->sans[arguments->count++] =
        (struct san){.kind = kind, .is_usable = true, .value = value};
    return ERR_OK;
}

static enum err take_dns(void *arg, const char *value, struct errinfo *info)
{
    struct issue_arguments *out = arg;
    struct hostname *host = &out->hosts[out->count];
    struct slice name = {0};
    out->has_server_name = true;
    if (hostname_parse(slice_of_string(value), host) == ERR_OK)
        name = hostname_slice(host);
    return add_san(out, SAN_DNS, name, "a host name", value, info);
}

static enum err take_ip(void *arg, const char *value, struct errinfo *info)
{
    struct issue_arguments *out = arg;
    struct ip_addr *addr = &out->addresses[out->count];
    struct slice bytes = {0};
    out->has_server_name = true;
    if (ip_addr_parse(slice_of_string(value), addr) == ERR_OK)
        bytes = slice_of(addr->bytes, addr->family == IP_V4 ? 4 : 16);
    return add_san(out, SAN_IP, bytes, "an IP address", value, info);
}

static enum err take_uri(void *arg, const char *value, struct errinfo *info)
{
    struct issue_arguments *out = arg;
    if (out->has_uri)
        return errinfo_set(info, ERR_INPUT, "one only, because with two it would identify nobody");
    out->has_uri = true;
    return add_san(out, SAN_URI, slice_of_string(value), "a URI such as spiffe://example.org/name",
                   value, info);
}

static enum err take_email(void *arg, const char *value, struct errinfo *info)
{
    return add_san(arg, SAN_EMAIL, slice_of_string(value), "an address such as a@example.org",
                   value, info);
}

// take_url reads a URL that certificates name, which must be canonical: prefixes are compared byte by byte.
static enum err take_url(const char *value, struct http_url *url, const char **out,
                         struct errinfo *info)
{
    struct errinfo why;
    if (http_url_parse(slice_of_string(value), url, &why) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "'%.100s' is no URL that can be asked: %.300s", value,
                           why.text);
    if (strcmp(value, url->text) != 0)
        return errinfo_set(info, ERR_INPUT, "'%.100s' has more than one spelling: write %.300s",
                           value, url->text);
    *out = url->text;
    return ERR_OK;
}

static enum err take_crl_url(void *arg, const char *value, struct errinfo *info)
{
    struct issue_arguments *out = arg;
    return take_url(value, &out->crl_url, &out->options.crl_url, info);
}

static enum err take_ocsp_url(void *arg, const char *value, struct errinfo *info)
{
    struct issue_arguments *out = arg;
    TRY(take_url(value, &out->ocsp_url, &out->options.ocsp_url, info));
    return out->ocsp_url.is_https
               ? errinfo_set(info, ERR_INPUT, "http:// only: the answers are signed")
               : ERR_OK;
}

// issue_check looks at the arguments together. CLI_OK, or the exit status.
static int issue_check(const struct issue_arguments *arguments)
{
    if (arguments->options.is_server && !arguments->has_server_name)
        return cli_fail_usage("ca issue", "a server needs a name that clients connect to: give "
                                          "--dns or --ip");
    if (arguments->wants_p12 != (arguments->p12_passphrase_path != NULL))
        return cli_fail_usage("ca issue", "--p12 and --p12-passphrase-file belong together");
    if (arguments->wants_p12 && arguments->options.csr_path != NULL)
        return cli_fail_usage("ca issue", "--p12 holds the key, which is not here with --csr");
    return CLI_OK;
}

static struct cli_line issue_read(int argc, char **argv, struct issue_arguments *out)
{
    struct issue_options *issue = &out->options;
    *out = (struct issue_arguments){
        .ca_directory = ".",
        .options = {.ttl_s = (int64_t)LEAF_TTL_DAYS * SECONDS_A_DAY, .wants_bundle = true},
    };
    const struct cli_option options[] = {
        {"dir", .text = &out->ca_directory},
        {"server", .flag = &issue->is_server},
        {"dns", .take = take_dns, .arg = out},
        {"ip", .take = take_ip, .arg = out},
        {"uri", .take = take_uri, .arg = out},
        {"email", .take = take_email, .arg = out},
        {"crl-url", .take = take_crl_url, .arg = out},
        {"ocsp-url", .take = take_ocsp_url, .arg = out},
        {"ttl", .seconds = &issue->ttl_s},
        {"out", .text = &issue->directory},
        {"csr", .text = &issue->csr_path},
        {"p12", .flag = &out->wants_p12},
        {"passphrase-file", .text = &out->passphrase_path},
        {"p12-passphrase-file", .text = &out->p12_passphrase_path},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "ca issue",
                                      .usage = ISSUE_USAGE,
                                      .options = options,
                                      .argument_missing = "whose certificate? NAME is missing",
                                      .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line;
    const int status = issue_check(out);
    issue->name = line.arguments[0];
    issue->sans = out->sans;
    issue->san_count = out->count;
    if (issue->directory == NULL)
        issue->directory = out->ca_directory;
    return status == CLI_OK ? line : cli_end(status);
}

// issue_tell says on stderr what was made, and how the proxy gets to know it.
static void issue_tell(const struct issue_arguments *arguments, const struct authority *authority,
                       const struct issued *issued)
{
    const struct issue_options *options = &arguments->options;
    char date[DATE_TEXT_CAP];
    cli_say("ca issue", "%s '%s', valid until %s%s", options->is_server ? "server" : "client",
            options->name, date_format(issued->not_after_s, DATE_MINUTE, date),
            issued->is_cut ? ": cut short, for the CA itself ends then" : "");
    if (!options->is_server && !arguments->has_uri)
        cli_say("ca issue", "to let it in: match: [{uri: \"spiffe://%s/%s\"}]",
                authority->trust_domain, options->name);
}

// issue_teach shows on stderr how clients use what was made.
static void issue_teach(const struct issue_arguments *arguments, const struct issued *issued)
{
    const char *cert = issued->paths[ISSUED_CHAIN];
    const char *key = issued->paths[ISSUED_KEY];
    if (arguments->options.is_server || key[0] == '\0')
        return;
    (void)fprintf(stderr,
                  "\n# curl (PROXY is the proxy's HOST:PORT, PROXY-CA.crt the CA of its own "
                  "certificate)\n"
                  "curl -x https://PROXY --proxy-cacert PROXY-CA.crt \\\n"
                  "     --proxy-cert '%s' --proxy-key '%s' https://example.com/\n",
                  cert, key);
    (void)fprintf(stderr,
                  "\n# Python, requests\n"
                  "context = ssl.create_default_context(cafile=\"PROXY-CA.crt\")\n"
                  "context.load_cert_chain(\"%s\", \"%s\")\n"
                  "class Tunnel(requests.adapters.HTTPAdapter):\n"
                  "    def proxy_manager_for(self, proxy, **kw):\n"
                  "        return super().proxy_manager_for(proxy, proxy_ssl_context=context, **kw)"
                  "\n"
                  "session = requests.Session(); session.mount(\"https://\", Tunnel())\n"
                  "session.proxies = {\"https\": \"https://PROXY\"}\n",
                  cert, key);
    (void)fprintf(stderr,
                  "\n// Go: the certificate is for the proxy alone, and never shown to an origin\n"
                  "pair, err := tls.LoadX509KeyPair(\"%s\", \"%s\")\n"
                  "toProxy := &tls.Dialer{Config: &tls.Config{RootCAs: poolWithProxyCA,\n"
                  "    Certificates: []tls.Certificate{pair}}}\n"
                  "transport := &http.Transport{DialContext: toProxy.DialContext,\n"
                  "    Proxy: http.ProxyURL(&url.URL{Scheme: \"http\", Host: \"PROXY\"})}\n",
                  cert, key);
    (void)fprintf(stderr,
                  "\n// Node, undici\n"
                  "new ProxyAgent({uri: 'https://PROXY', proxyTls: {\n"
                  "  cert: fs.readFileSync('%s'), key: fs.readFileSync('%s'),\n"
                  "  ca: fs.readFileSync('PROXY-CA.crt')}})\n",
                  cert, key);
}

static int issue_run(const struct issue_arguments *arguments, const struct ca *ca)
{
    struct errinfo info;
    struct issued issued;
    struct issue_options options = arguments->options;
    options.p12_passphrase = ca->p12_passphrase.text;
    const enum err error =
        authority_issue(&ca->authority, &options, (int64_t)time(NULL), &issued, &info);
    if (error != ERR_OK)
        return ca_fail("ca issue", error, &info);
    issue_tell(arguments, &ca->authority, &issued);
    issue_teach(arguments, &issued);
    for (size_t i = 0; i < ISSUED_FILES; i++) {
        if (issued.paths[i][0] != '\0')
            (void)puts(issued.paths[i]);
    }
    return cli_finish("ca issue");
}

int ca_issue_command(int argc, char **argv)
{
    struct issue_arguments arguments;
    struct ca ca;
    const struct cli_line line = issue_read(argc, argv, &arguments);
    if (line.is_over)
        return line.exit_status;
    int status = ca_open("ca issue", arguments.ca_directory, arguments.passphrase_path,
                         arguments.p12_passphrase_path, &ca);
    if (status == CLI_OK)
        status = issue_run(&arguments, &ca);
    ca_close(&ca);
    return status;
}
