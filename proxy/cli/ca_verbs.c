// What the verbs of `sallyport ca` share.
#include "proxy/cli/ca_verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/pki/new_file.h"

enum { PASSPHRASE_MAX = 255 };

int ca_fail(const char *command, enum err error, const struct errinfo *info)
{
    if (error == ERR_INPUT)
        return cli_fail_usage(command, "%s", info->text);
    cli_say(command, "%s", info->text);
    return CLI_FAILED;
}

int ca_fail_opening(const char *command, const struct errinfo *info)
{
    cli_say(command, "%s", info->text);
    cli_say(command, "--dir says where the CA is; `sallyport ca init` makes one");
    return CLI_FAILED;
}

enum err passphrase_load(const char *path, struct passphrase *out, struct errinfo *info)
{
    *out = (struct passphrase){0};
    if (path == NULL)
        return ERR_OK;
    TRY(new_file_read(path, true, &out->file, info));
    const struct slice bytes = pem_slice(&out->file);
    struct slice line = slice_first(bytes, slice_find(bytes, '\n'));
    if (slice_ends_with(line, SLICE_LITERAL("\r")))
        line = slice_first(line, line.len - 1);
    out->text = line;
    if (line.len > 0 && line.len <= PASSPHRASE_MAX && slice_find(line, 0) == line.len)
        return ERR_OK;
    passphrase_deinit(out);
    return errinfo_set(info, ERR_INPUT, "%s: its first line must be the passphrase, 1 to %d bytes",
                       path, PASSPHRASE_MAX);
}

void passphrase_deinit(struct passphrase *passphrase)
{
    pem_deinit(&passphrase->file);
    *passphrase = (struct passphrase){0};
}

// print_pair writes the paths of a certificate and its key to stdout.
static int print_pair(const char *command, const char *directory, const char *name)
{
    char *cert_path = path_join(directory, name, ".crt");
    char *key_path = path_join(directory, name, ".key");
    int status = CLI_FAILED;
    if (cert_path != NULL && key_path != NULL) {
        (void)printf("%s\n%s\n", cert_path, key_path);
        status = cli_finish(command);
    }
    free(cert_path);
    free(key_path);
    return status;
}

int ca_print_paths(const char *command, const char *directory, bool has_root)
{
    const int status = print_pair(command, directory, "ca");
    return status == CLI_OK && has_root ? print_pair(command, directory, "root") : status;
}
