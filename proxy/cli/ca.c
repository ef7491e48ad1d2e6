// `sallyport ca`: finds the verb; and `ca init`. How certificates are made is in proxy/pki.
#include "proxy/cli/commands.h"

#include <stdio.h>

#include "proxy/cli/ca_verbs.h"
#include "proxy/cli/verb.h"

enum { CA_TTL_DAYS = 3650 };

static const char CA_USAGE[] =
    "usage: sallyport ca init          make a certificate authority: ca.crt, ca.key, ca.index\n"
    "       sallyport ca issue NAME    make a key and a certificate for a client or a server\n"
    "       sallyport ca renew NAME    make them again; --before 1/3: all that expire soon\n"
    "       sallyport ca revoke NAME   revoke certificates (or one, by its serial)\n"
    "       sallyport ca crl           write the list of revoked certificates\n"
    "       sallyport ca list          list what was issued\n"
    "       sallyport ca inspect FILE  show what is in a file of certificates or CRLs\n"
    "\n"
    "Each has its own --help.\n";

static const char INIT_USAGE[] =
    "usage: sallyport ca init [--dir DIR] [--name NAME] [--trust-domain DOMAIN] [--ttl 3650d]\n"
    "                         [--passphrase-file FILE] [--intermediate]\n"
    "\n"
    "Makes ca.key (mode 0600), ca.crt and the index ca.index in DIR. Never overwrites a file.\n"
    "Prints the paths of the certificates and keys.\n"
    "\n"
    "  --dir DIR              where to write (default: the current directory; made if missing)\n"
    "  --name NAME            the CN of the authority (default: Sallyport CA)\n"
    "  --trust-domain DOMAIN  of the clients' SPIFFE ids (default: sallyport.internal)\n"
    "  --ttl TTL              how long it is valid: 12h, 30d (default: 3650d)\n"
    "  --passphrase-file FILE encrypt the keys with the passphrase in FILE's first line\n"
    "                         (mode 0600); every verb that signs then needs it\n"
    "  --intermediate         two CAs: root.crt and root.key, to be kept offline and trusted by\n"
    "                         the proxy, and ca.crt and ca.key, which issue\n"
    "  --help                 this text\n";

int ca_init_command(int argc, char **argv)
{
    const char *directory = ".";
    const char *passphrase_path = NULL;
    struct authority_options authority = {
        .common_name = "Sallyport CA",
        .trust_domain = "sallyport.internal",
        .ttl_s = (int64_t)CA_TTL_DAYS * SECONDS_A_DAY,
    };
    const struct cli_option options[] = {
        {"dir", .text = &directory},
        {"name", .text = &authority.common_name},
        {"trust-domain", .text = &authority.trust_domain},
        {"ttl", .seconds = &authority.ttl_s},
        {"passphrase-file", .text = &passphrase_path},
        {"intermediate", .flag = &authority.has_root},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {
        .command = "ca init", .usage = INIT_USAGE, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    struct errinfo info;
    struct passphrase passphrase;
    enum err error = passphrase_load(passphrase_path, &passphrase, &info);
    authority.passphrase = passphrase.text;
    if (error == ERR_OK)
        error = authority_init(directory, &authority, (int64_t)time(NULL), &info);
    passphrase_deinit(&passphrase);
    if (error != ERR_OK)
        return ca_fail("ca init", error, &info);
    cli_say("ca init", "'%s' for the trust domain %s; keep ca.key secret, and off the proxy",
            authority.common_name, authority.trust_domain);
    if (authority.has_root)
        cli_say("ca init", "the proxy trusts root.crt (trust: ca: [root.crt]); keep root.key "
                           "offline: only `ca crl` needs it again");
    return ca_print_paths("ca init", directory, authority.has_root);
}

int ca_command(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        {"init", ca_init_command},       {"issue", ca_issue_command}, {"renew", ca_renew_command},
        {"revoke", ca_revoke_command},   {"crl", ca_crl_command},     {"list", ca_list_command},
        {"inspect", ca_inspect_command},
    };
    return cli_run_verb(CA_USAGE, verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
