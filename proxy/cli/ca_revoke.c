// `sallyport ca revoke` records revocations in the index; `ca crl` writes the list that the proxy reads.
#include <inttypes.h>
#include <stdio.h>

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

// revoke_name revokes every valid certificate of a name.
static enum err revoke_name(struct index *index, const struct revoke_arguments *arguments,
                            int64_t now_s, struct errinfo *info)
{
    bool has_valid = false;
    for (size_t i = 0; i < index->count; i++) {
        const struct index_entry *entry = &index->entries[i];
        if (strcmp(entry->name, arguments->target) != 0 || entry->is_revoked ||
            entry->not_after_s < now_s)
            continue;
        has_valid = true;
        TRY(index_add_revocation(index, entry->serial, arguments->reason, now_s, info));
        (void)puts(index->entries[i].serial);
    }
    if (has_valid)
        return ERR_OK;
    return errinfo_set(info, ERR_DENIED, "'%s' has no live certificate: all are revoked or expired",
                       arguments->target);
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
                           REVOCATIONS[entry->reason].name);
    TRY(index_add_revocation(index, serial, arguments->reason, now_s, info));
    (void)printf("%s\n", serial);
    return ERR_OK;
}

static enum err revoke(struct index *index, const struct revoke_arguments *arguments, int64_t now_s,
                       struct errinfo *info)
{
    char serial[INDEX_SERIAL_CAP];
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
    if (is_name)
        return revoke_name(index, arguments, now_s, info);
    return errinfo_set(info, ERR_DENIED,
                       "nothing was issued to '%.100s': `ca list` shows the names; a certificate "
                       "that is not listed is revoked by its serial, with --unlisted",
                       arguments->target);
}

static int revoke_run(const struct revoke_arguments *arguments)
{
    struct errinfo info;
    struct index index;
    int64_t ca_end_s = 0;
    const int status = ca_open_index("ca revoke", arguments->directory, true, &index, &ca_end_s);
    if (status != CLI_OK)
        return status;
    const enum err error = revoke(&index, arguments, (int64_t)time(NULL), &info);
    index_deinit(&index);
    if (error != ERR_OK)
        return cli_fail("ca revoke", &info);
    cli_say("ca revoke",
            "noted; `sallyport ca crl` writes the list; --out says to which file, if the proxy "
            "reads another one than ca.crl");
    return cli_finish("ca revoke");
}

int ca_revoke_command(int argc, char **argv)
{
    struct revoke_arguments arguments = {.directory = "."};
    const struct cli_option options[] = {
        {"dir", .text = &arguments.directory},
        {"reason", .take = take_reason, .arg = &arguments.reason},
        {"unlisted", .flag = &arguments.may_be_unlisted},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "ca revoke",
                                      .usage = REVOKE_USAGE,
                                      .options = options,
                                      .argument_missing = "whose? NAME or SERIAL is missing",
                                      .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    arguments.target = line.arguments[0];
    return revoke_run(&arguments);
}

// open_root opens the root if its key is here. Otherwise `out` stays zeroed.
static enum err open_root(const struct ca *ca, int64_t now_s, struct authority *out,
                          struct errinfo *info)
{
    char key_path[PATH_CAP];
    const char *directory = ca->authority.directory;
    if (new_file_exists(path_join(directory, "root", ".key", key_path))) {
        TRY(authority_load(directory, AUTHORITY_ROOT, now_s, out, info));
        return authority_load_key(out, ca->passphrase.text, info);
    }
    cli_say("ca crl", "root.key is not here: the root's CRL, which the proxy needs for ca.crt, "
                      "is not in this file; run it where root.key is, too");
    return ERR_OK;
}

// publish puts the CRLs in place and says how long they are valid.
static enum err publish(const struct ca *ca, const char *path, int64_t ttl_s, struct errinfo *info)
{
    struct authority root = {0};
    struct index index;
    uint64_t number = 0;
    char date[DATE_TEXT_CAP];
    const int64_t now_s = (int64_t)time(NULL);
    enum err error = ca->authority.has_root ? open_root(ca, now_s, &root, info) : ERR_OK;
    if (error == ERR_OK)
        error = authority_read_index(&ca->authority, true, &index, info);
    if (error == ERR_OK) {
        error = authority_publish_crl(&ca->authority, root.key == NULL ? NULL : &root, &index, path,
                                      now_s, ttl_s, &number, info);
        index_deinit(&index);
    }
    authority_deinit(&root);
    if (error == ERR_OK)
        cli_say("ca crl", "number %" PRIu64 ", valid until %s; make the next one before that",
                number, date_format(now_s + ttl_s, DATE_MINUTE, date));
    return error;
}

static int crl_run(const struct ca *ca, const char *path, int64_t ttl_s)
{
    struct errinfo info;
    if (publish(ca, path, ttl_s, &info) != ERR_OK)
        return cli_fail("ca crl", &info);
    (void)puts(path);
    return cli_finish("ca crl");
}

int ca_crl_command(int argc, char **argv)
{
    const char *directory = ".";
    const char *path = NULL;
    const char *passphrase_path = NULL;
    int64_t ttl_s = (int64_t)CRL_TTL_DAYS * SECONDS_A_DAY;
    const struct cli_option options[] = {
        {"dir", .text = &directory},
        {"out", .text = &path},
        {"ttl", .seconds = &ttl_s},
        {"passphrase-file", .text = &passphrase_path},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "ca crl", .usage = CRL_USAGE, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    struct ca ca;
    char own_path[PATH_CAP];
    if (path == NULL)
        path = path_join(directory, "ca", ".crl", own_path);
    int status = ca_open("ca crl", directory, passphrase_path, NULL, &ca);
    if (status == CLI_OK)
        status = crl_run(&ca, path, ttl_s);
    ca_close(&ca);
    return status;
}
