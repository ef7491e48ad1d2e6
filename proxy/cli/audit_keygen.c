// `sallyport audit keygen`: the key that signs the checkpoints of an audit log.
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/chain/note.h"
#include "proxy/cli/audit_verbs.h"
#include "proxy/cli/options.h"
#include "proxy/pki/new_file.h"
#include "proxy/pki/names.h"

enum { HOST_NAME_CAP = 65 };

static const char usage[] =
    "usage: sallyport audit keygen [--name NAME] [FILE]\n"
    "\n"
    "Makes the key for `audit: {chain: {key: FILE}}`: FILE (mode 0600; default audit-sign.key), and FILE.pub, the public\n"
    "key for `audit verify --key`. Never overwrites a file. Keep FILE.pub on another machine than the log.\n"
    "\n"
    "  --name NAME   of the proxy, in each checkpoint: letters, digits, `.`, `_`, `-`, at most 32 (default: the name of\n"
    "                this machine)\n"
    "  -h, --help    this text\n"
    "\n"
    "Exit status: 0 both files are there, 1 they could not be made, 2 usage.\n";

// write_key makes both files.
static enum err write_key(const struct note_signer *signer, const char *path, struct errinfo *info)
{
    char public_path[PATH_CAP];
    char secret_data[NOTE_KEY_CAP];
    char public_data[NOTE_KEY_CAP];
    struct text secret;
    struct text public;
    text_init(&secret, secret_data, sizeof secret_data);
    text_init(&public, public_data, sizeof public_data);
    note_signer_format(signer, &secret);
    note_verifier_format(&signer->verifier, &public);
    text_append_string(&secret, "\n");
    text_append_string(&public, "\n");
    (void)snprintf(public_path, sizeof public_path, "%s.pub", path);
    const struct new_file files[] = {
        {.path = path, .bytes = text_slice(&secret), .mode = FILE_MODE_SECRET},
        {.path = public_path, .bytes = text_slice(&public), .mode = FILE_MODE_PUBLIC},
    };
    const enum err error = new_file_write_all(files, sizeof files / sizeof *files, info);
    OPENSSL_cleanse(secret_data, sizeof secret_data);
    if (error == ERR_OK)
        (void)printf("%s\n%s\n", path, public_path);
    return error;
}

// make_key makes a key of this name.
static enum err make_key(const char *name, const char *path, struct errinfo *info)
{
    char key_name[NOTE_NAME_MAX + 1];
    uint8_t seed[NOTE_SEED_LEN];
    struct note_signer signer;
    if (!authority_name_is_valid(name))
        return errinfo_set(info, ERR_INPUT,
                           "'%.64s' is no name for a key: letters, digits, `.`, `_`, `-`, at most "
                           "32; choose one with --name",
                           name);
    (void)snprintf(key_name, sizeof key_name, "sallyport/%s", name);
    (void)RAND_bytes(seed, sizeof seed);
    ASSERT(note_signer_init(slice_of_string(key_name), seed, &signer));
    const enum err error = write_key(&signer, path, info);
    OPENSSL_cleanse(seed, sizeof seed);
    OPENSSL_cleanse(&signer, sizeof signer);
    return error;
}

int audit_keygen(int argc, char **argv)
{
    char host[HOST_NAME_CAP] = "";
    const char *name = host;
    const struct cli_option options[] = {
        {"name", .text = &name},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {
        .command = "audit keygen", .usage = usage, .options = options, .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    struct errinfo info;
    if (line.is_over)
        return line.exit_status;
    (void)gethostname(host, sizeof host - 1);
    const char *path = line.argument_count == 0 ? "audit-sign.key" : line.arguments[0];
    if (strlen(path) + sizeof ".pub" > PATH_CAP)
        return cli_fail_usage("audit keygen", "the path is too long");
    if (make_key(name, path, &info) != ERR_OK)
        return cli_fail("audit keygen", &info);
    cli_say("audit keygen",
            "keep %s.pub where nobody who can write the log can write; the key signs, and only its "
            "public half is needed to verify",
            path);
    return cli_finish("audit keygen");
}
