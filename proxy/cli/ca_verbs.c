// What the verbs of `sallyport ca` share: errors, passphrases, opening a CA.
#include "proxy/cli/ca_verbs.h"

#include <stdio.h>

enum { PASSPHRASE_MAX = 255 };

int ca_fail(const char *command, enum err error, const struct errinfo *info)
{
    if (error == ERR_INPUT)
        return cli_fail_usage(command, "%s", info->text);
    return cli_fail(command, info);
}

int ca_fail_opening(const char *command, const char *directory, const struct errinfo *info)
{
    char crt[PATH_CAP];
    char key[PATH_CAP];
    const bool has_crt = file_is_there(path_join(directory, "ca", ".crt", crt));
    const bool has_key = file_is_there(path_join(directory, "ca", ".key", key));
    cli_say(command, "%s", info->text);
    if (has_crt && !has_key)
        cli_say(command,
                "%s is the certificate of a CA: bring the key of it back for as long as this takes",
                crt);
    else if (!has_crt)
        cli_say(command, "--dir says where the CA is; `sallyport ca init` makes one");
    return CLI_FAILED;
}

int ca_open_index(const char *command, const char *directory, bool is_writing, struct index *out,
                  int64_t *out_ca_end_s)
{
    struct errinfo info;
    struct authority authority;
    if (authority_load(directory, AUTHORITY_ISSUING, (int64_t)time(NULL), &authority, &info) !=
        ERR_OK)
        return ca_fail_opening(command, directory, &info);
    *out_ca_end_s = certificate_not_after_s(authority.cert);
    const enum err error = authority_read_index(&authority, is_writing, out, &info);
    authority_deinit(&authority);
    return error == ERR_OK ? CLI_OK : cli_fail(command, &info);
}

enum err passphrase_load(const char *path, struct passphrase *out, struct errinfo *info)
{
    *out = (struct passphrase){0};
    if (path == NULL)
        return ERR_OK;
    TRY(file_read(path, PEM_FILE_MAX, FILE_PRIVATE, &out->file, info));
    const struct slice bytes = out->file.bytes;
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
    file_content_deinit(&passphrase->file);
    *passphrase = (struct passphrase){0};
}

int ca_print_paths(const char *command, const char *directory, bool has_root)
{
    static const char *const names[] = {"ca.crt", "ca.key", "root.crt", "root.key"};
    for (size_t i = 0; i < (has_root ? 4 : 2); i++) {
        char path[PATH_CAP];
        (void)puts(path_join(directory, names[i], "", path));
    }
    return cli_finish(command);
}

int ca_open(const char *command, const char *directory, const char *passphrase_path,
            const char *p12_passphrase_path, struct ca *out)
{
    struct errinfo info;
    *out = (struct ca){0};
    enum err error = passphrase_load(passphrase_path, &out->passphrase, &info);
    if (error == ERR_OK)
        error = passphrase_load(p12_passphrase_path, &out->p12_passphrase, &info);
    if (error == ERR_OK && !ascii_is_printable(out->p12_passphrase.text))
        error = errinfo_set(&info, ERR_INPUT,
                            "%s: programs disagree on how other characters than ASCII go into a "
                            ".p12: choose an ASCII passphrase",
                            p12_passphrase_path);
    if (error != ERR_OK)
        return ca_fail(command, error, &info);
    if (authority_load(directory, AUTHORITY_ISSUING, (int64_t)time(NULL), &out->authority, &info) !=
            ERR_OK ||
        authority_load_key(&out->authority, out->passphrase.text, &info) != ERR_OK)
        return ca_fail_opening(command, directory, &info);
    return CLI_OK;
}

void ca_close(struct ca *ca)
{
    authority_deinit(&ca->authority);
    passphrase_deinit(&ca->passphrase);
    passphrase_deinit(&ca->p12_passphrase);
}
