// `sallyport ca revoke` and `ca crl`: taking certificates back, and telling the proxy.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/date.h"
#include "proxy/cli/ca_verbs.h"
#include "proxy/pki/new_file.h"

enum { CRL_TTL_DAYS = 30 };

static const char REVOKE_USAGE[] =
    "usage: sallyport ca revoke (NAME | SERIAL) [--reason REASON] [--unlisted] [--dir DIR]\n"
    "\n"
    "Notes in ca.index that all valid certificates of NAME, or the one with this serial (hex,\n"
    "colons allowed), are revoked permanently. Prints the serials. Then run `ca crl`.\n"
    "\n"
    "  --reason REASON  unspecified (default), keyCompromise, cACompromise, affiliationChanged,\n"
    "                   superseded, cessationOfOperation, privilegeWithdrawn, aACompromise\n"
    "  --unlisted       revoke the serial although the index does not know it\n"
    "  --dir DIR        the authority's directory (default: the current directory)\n"
    "  --help           this text\n";

static const char CRL_USAGE[] =
    "usage: sallyport ca crl [--out FILE] [--ttl 30d] [--dir DIR] [--passphrase-file FILE]\n"
    "\n"
    "Writes the CRL of everything revoked, in PEM, replacing the old one, and prints\n"
    "its path. With an intermediate the root's CRL follows it. Run it again before --ttl\n"
    "has passed: the proxy refuses every client after that.\n"
    "\n"
    "  --out FILE              where to write (default: ca.crl in the authority's directory)\n"
    "  --ttl TTL               until its nextUpdate (default: 30d)\n"
    "  --dir DIR               the authority's directory (default: the current directory)\n"
    "  --passphrase-file FILE  the passphrase of the keys, in the first line of FILE\n"
    "  --help                  this text\n";

struct revoke_arguments {
    const char *directory;
    const char *target;
    enum revocation reason;
    bool may_be_unlisted;
};

// The words of REVOCATION_TABLE.
#define REASONS                                                                                    \
    "unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, "                   \
    "cessationOfOperation, privilegeWithdrawn, aACompromise"

static enum err take_reason(void *arg, const char *value, struct errinfo *info)
{
    if (revocation_parse(slice_of_string(value), arg))
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "'%.40s' is none of " REASONS " (RFC 5280; a hold could not be lifted here)",
                       value);
}

static struct cli_line revoke_read(int argc, char **argv, struct revoke_arguments *out)
{
    *out = (struct revoke_arguments){.directory = "."};
    const struct cli_option options[] = {
        {"dir", .text = &out->directory},
        {"reason", .take = take_reason, .arg = &out->reason},
        {"unlisted", .flag = &out->may_be_unlisted},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "ca revoke",
                                      .usage = REVOKE_USAGE,
                                      .options = options,
                                      .argument_missing = "whose? NAME or SERIAL is missing",
                                      .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (!line.is_over)
        out->target = line.arguments[0];
    return line;
}

// revoke_name revokes every live certificate of a name; `*out_known` tells how many it ever had.
static enum err revoke_name(struct index *index, const struct revoke_arguments *arguments,
                            int64_t now_s, size_t *out_known, size_t *out_revoked,
                            struct errinfo *info)
{
    *out_known = 0;
    *out_revoked = 0;
    for (size_t i = 0; i < index->count; i++) {
        const struct index_entry *entry = &index->entries[i];
        if (strcmp(entry->name, arguments->target) != 0)
            continue;
        ++*out_known;
        if (entry->is_revoked || entry->not_after_s < now_s)
            continue;
        TRY(index_add_revocation(index, entry->serial, arguments->reason, now_s, info));
        (void)printf("%s\n", index->entries[i].serial);
        ++*out_revoked;
    }
    return ERR_OK;
}

static enum err revoke_serial(struct index *index, const struct revoke_arguments *arguments,
                              const char *serial, int64_t now_s, struct errinfo *info)
{
    const struct index_entry *entry = index_find(index, serial);
    if (entry == NULL && !arguments->may_be_unlisted)
        return errinfo_set(info, ERR_DENIED,
                           "no certificate with the serial %s is known here: `ca list` shows those "
                           "that are; --unlisted revokes it anyway",
                           serial);
    if (entry != NULL && entry->is_revoked)
        return errinfo_set(info, ERR_DENIED, "%s is revoked already (%s)", serial,
                           revocation_name(entry->reason));
    TRY(index_add_revocation(index, serial, arguments->reason, now_s, info));
    (void)printf("%s\n", serial);
    return ERR_OK;
}

static enum err revoke(struct index *index, const struct revoke_arguments *arguments, int64_t now_s,
                       struct errinfo *info)
{
    char serial[INDEX_SERIAL_CAP];
    size_t known = 0;
    size_t revoked = 0;
    const bool is_serial = index_parse_serial(arguments->target, serial);
    bool is_name = false;
    for (size_t i = 0; i < index->count; i++)
        is_name |= strcmp(index->entries[i].name, arguments->target) == 0;
    if (is_name && is_serial && index_find(index, serial) != NULL)
        return errinfo_set(info, ERR_DENIED,
                           "'%s' is a name and a serial: write the serial with colons, or revoke "
                           "the name's certificates by their serials",
                           arguments->target);
    if (!is_name && is_serial)
        return revoke_serial(index, arguments, serial, now_s, info);
    TRY(revoke_name(index, arguments, now_s, &known, &revoked, info));
    if (known == 0)
        return errinfo_set(info, ERR_DENIED,
                           "nothing was issued to '%.100s': `ca list` shows the names; a "
                           "certificate that is not listed is revoked by its serial, with "
                           "--unlisted",
                           arguments->target);
    if (revoked == 0)
        return errinfo_set(info, ERR_DENIED,
                           "'%s' has no live certificate: all are revoked or expired",
                           arguments->target);
    return ERR_OK;
}

static int revoke_run(const struct revoke_arguments *arguments)
{
    struct errinfo info;
    struct index index;
    struct authority *authority = NULL;
    const int64_t now_s = (int64_t)time(NULL);
    if (authority_load(arguments->directory, false, now_s, &authority, &info) != ERR_OK)
        return ca_fail_opening("ca revoke", &info);
    enum err error = authority_read_index(authority, true, &index, &info);
    if (error == ERR_OK) {
        error = revoke(&index, arguments, now_s, &info);
        index_deinit(&index);
    }
    authority_destroy(authority);
    if (error != ERR_OK) {
        cli_say("ca revoke", "%s", info.text);
        return CLI_FAILED;
    }
    cli_say("ca revoke", "noted; `sallyport ca crl` writes the list that the proxy reads");
    return cli_finish("ca revoke");
}

int ca_revoke_command(int argc, char **argv)
{
    struct revoke_arguments arguments;
    const struct cli_line line = revoke_read(argc, argv, &arguments);
    return line.is_over ? line.exit_status : revoke_run(&arguments);
}

struct crl_arguments {
    const char *directory;
    const char *path;
    const char *passphrase_path;
    int64_t ttl_s;
};

static struct cli_line crl_read(int argc, char **argv, struct crl_arguments *out)
{
    *out = (struct crl_arguments){
        .directory = ".",
        .ttl_s = (int64_t)CRL_TTL_DAYS * SECONDS_A_DAY,
    };
    const struct cli_option options[] = {
        {"dir", .text = &out->directory},
        {"out", .text = &out->path},
        {"ttl", .take = cli_take_ttl, .arg = &out->ttl_s},
        {"passphrase-file", .text = &out->passphrase_path},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "ca crl", .usage = CRL_USAGE, .options = options};
    return cli_read(&syntax, argc, argv);
}

// open_root opens the root, when its key is here; `*out` is NULL otherwise.
static enum err open_root(const struct crl_arguments *arguments, struct slice passphrase,
                          int64_t now_s, struct authority **out, struct errinfo *info)
{
    *out = NULL;
    char *key_path = path_join(arguments->directory, "root", ".key");
    const bool has_key = key_path == NULL || new_file_exists(key_path);
    free(key_path);
    if (has_key)
        return authority_open(arguments->directory, AUTHORITY_ROOT, passphrase, now_s, out, info);
    cli_say("ca crl", "root.key is not here: the root's CRL, which the proxy needs for ca.crt, "
                      "is not in this file; run it where root.key is, too");
    return ERR_OK;
}

// publish puts the CRLs in place and says until when they are good.
static enum err publish(const struct authority *authority, const struct crl_arguments *arguments,
                        struct slice passphrase, const char *path, struct errinfo *info)
{
    struct authority *root = NULL;
    struct index index;
    uint64_t number = 0;
    char date[DATE_TEXT_CAP];
    const int64_t now_s = (int64_t)time(NULL);
    if (authority_has_root(authority))
        TRY(open_root(arguments, passphrase, now_s, &root, info));
    enum err error = authority_read_index(authority, true, &index, info);
    if (error == ERR_OK) {
        error = authority_publish_crl(authority, root, &index, path, now_s, arguments->ttl_s,
                                      &number, info);
        index_deinit(&index);
    }
    authority_destroy(root);
    if (error == ERR_OK)
        cli_say("ca crl", "number %" PRIu64 ", valid until %s; make the next one before that",
                number, date_format(now_s + arguments->ttl_s, DATE_MINUTE, date));
    return error;
}

static int crl_with(const struct crl_arguments *arguments, struct slice passphrase)
{
    struct errinfo info;
    struct authority *authority = NULL;
    if (authority_open(arguments->directory, AUTHORITY_ISSUING, passphrase, (int64_t)time(NULL),
                       &authority, &info) != ERR_OK)
        return ca_fail_opening("ca crl", &info);
    char *path = arguments->path == NULL ? path_join(arguments->directory, "ca", ".crl")
                                         : strdup(arguments->path);
    const enum err error = path == NULL ? errinfo_set(&info, ERR_MEMORY, "no memory")
                                        : publish(authority, arguments, passphrase, path, &info);
    authority_destroy(authority);
    if (error == ERR_OK)
        (void)printf("%s\n", path);
    else
        cli_say("ca crl", "%s", info.text);
    free(path);
    return error == ERR_OK ? cli_finish("ca crl") : CLI_FAILED;
}

int ca_crl_command(int argc, char **argv)
{
    struct crl_arguments arguments;
    struct passphrase passphrase;
    struct errinfo info;
    const struct cli_line line = crl_read(argc, argv, &arguments);
    if (line.is_over)
        return line.exit_status;
    const enum err error = passphrase_load(arguments.passphrase_path, &passphrase, &info);
    if (error != ERR_OK)
        return ca_fail("ca crl", error, &info);
    const int result = crl_with(&arguments, passphrase.text);
    passphrase_deinit(&passphrase);
    return result;
}
