// ca_verbs: the verbs of `sallyport ca` and what they share. Private to this command.
#pragma once

#include "proxy/cli/options.h"
#include "proxy/config/file.h"
#include "proxy/pki/authority.h"

enum { SECONDS_A_DAY = 24 * 60 * 60 };

// Each function runs one verb (`argv[0]` is the verb) and returns the exit status.
int ca_init_command(int argc, char **argv);
int ca_issue_command(int argc, char **argv);
int ca_renew_command(int argc, char **argv);
int ca_revoke_command(int argc, char **argv);
int ca_crl_command(int argc, char **argv);
int ca_list_command(int argc, char **argv);
int ca_inspect_command(int argc, char **argv);

// ca_fail prints the error and returns the exit status: CLI_USAGE for ERR_INPUT, which an option has caused, otherwise
// CLI_FAILED.
int ca_fail(const char *command, enum err error, const struct errinfo *info);

// ca_fail_opening prints the error of a CA that could not be opened, and what to do. Returns CLI_FAILED.
int ca_fail_opening(const char *command, const char *directory, const struct errinfo *info);

// ca_open_index reads the index of the CA in `directory`, with `is_writing` under its lock (see authority_read_index), and
// gives the end of the CA itself in Unix seconds. CLI_OK, and then the caller calls index_deinit; or CLI_FAILED, and the
// error has been printed.
int ca_open_index(const char *command, const char *directory, bool is_writing, struct index *out,
                  int64_t *out_ca_end_s);

// ca_print_paths prints the paths of a new CA's files, and of its root's, on stdout. Returns the exit status.
int ca_print_paths(const char *command, const char *directory, bool has_root);

// passphrase is the first line of a file, wiped when freed.
struct passphrase {
    struct file_content file; // owned
    struct slice text;        // borrowed from `file`; empty without a file
};

// passphrase_load reads the file at `path`, which others must not be able to read. With NULL the passphrase is empty.
// ERR_INPUT when the first line is empty or longer than 255 bytes; or the errors of file_read.
enum err passphrase_load(const char *path, struct passphrase *out, struct errinfo *info) MUST_USE;
void passphrase_deinit(struct passphrase *passphrase);

// ca is what a verb that signs needs: the CA with its key, and the passphrases. All owned.
struct ca {
    struct authority authority;
    struct passphrase passphrase;
    struct passphrase p12_passphrase;
};

// ca_open opens the CA in `directory` with its key; either path may be NULL. CLI_OK, or the exit status of the error,
// which has been printed. The caller calls ca_close in any case.
int ca_open(const char *command, const char *directory, const char *passphrase_path,
            const char *p12_passphrase_path, struct ca *out);
void ca_close(struct ca *ca);
