// `sallyport ca renew`: renews one certificate by its name, or all that expire soon, and runs a command after each. For the
// CA itself it makes a new one in another directory.
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/base/date.h"
#include "proxy/cli/ca_verbs.h"

static const char COMMAND[] = "ca renew";

static const char USAGE[] =
    "usage: sallyport ca renew (NAME | --before 1/3) [--dir DIR] [--out DIR] [--ttl TTL]\n"
    "                          [--under DIR] [--keep-key] [--exec CMD]\n"
    "                          [--passphrase-file FILE] [--p12-passphrase-file FILE]\n"
    "       sallyport ca renew ca --out DIR [--dir DIR] [--ttl TTL] [--passphrase-file FILE]\n"
    "\n"
    "Makes a new key and a certificate with the names and the kind of NAME.crt, and replaces the\n"
    "old files, NAME.pem too if there is one. Prints the names of what was\n"
    "renewed. `ca renew ca` makes a new CA in another directory, with the name, the trust domain\n"
    "and the kind of the one in --dir, which is not changed. Prints the paths of its files.\n"
    "\n"
    "  --before N/M     every certificate with less than N/M of its lifetime left\n"
    "  --dir DIR        the authority's directory (default: the current directory)\n"
    "  --out DIR        where NAME.crt is (default: the authority's directory)\n"
    "  --under DIR      the CA in DIR issues the new ones; the CA in --dir issued the old ones\n"
    "  --ttl TTL        how long the new one is valid (default: as long as the old one)\n"
    "  --keep-key       for the same key; needed if the key is kept elsewhere (--csr)\n"
    "  --exec CMD       run `/bin/sh -c CMD` after each, with its NAME in the environment; what\n"
    "                   it prints goes to stderr\n"
    "  --passphrase-file FILE      the passphrase of the ca.key that signs, in the first line of\n"
    "                              FILE; a new CA's key is encrypted with the same one\n"
    "  --p12-passphrase-file FILE  write NAME.p12 too, encrypted with this passphrase\n"
    "  --help           this text\n";

struct renew_arguments {
    const char *ca_directory;
    const char *under_directory; // NULL: the CA in ca_directory renews what it has issued
    const char *exec;
    const char *passphrase_path;
    const char *p12_passphrase_path;
    struct renew_options options;
    unsigned numerator; // 0: one certificate, by its name
    unsigned denominator;
};

// take_fraction reads `1/3`: more than 0, at most 1.
static enum err take_fraction(void *arg, const char *value, struct errinfo *info)
{
    enum { FIRST_CAP = 32, LARGEST = 10000 };
    struct renew_arguments *out = arg;
    char first[FIRST_CAP];
    uint64_t parts[2] = {0, 0};
    const struct slice all = slice_of_string(value);
    const size_t slash = slice_find(all, '/');
    if (slash == all.len || !string_copy(first, sizeof first, slice_first(all, slash)) ||
        cli_parse_number(first, 1, LARGEST, &parts[0], info) != ERR_OK ||
        cli_parse_number(value + slash + 1, parts[0], LARGEST, &parts[1], info) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "'%.40s' is not a part of a life such as 1/3", value);
    out->numerator = (unsigned)parts[0];
    out->denominator = (unsigned)parts[1];
    return ERR_OK;
}

static bool renews_ca(const struct renew_arguments *arguments)
{
    return arguments->options.name != NULL && strcmp(arguments->options.name, "ca") == 0;
}

static struct cli_line read_line(int argc, char **argv, struct renew_arguments *out)
{
    *out = (struct renew_arguments){.ca_directory = "."};
    const struct cli_option options[] = {
        {"dir", .text = &out->ca_directory},
        {"out", .text = &out->options.directory},
        {"under", .text = &out->under_directory},
        {"ttl", .seconds = &out->options.ttl_s},
        {"before", .take = take_fraction, .arg = out},
        {"exec", .text = &out->exec},
        {"keep-key", .flag = &out->options.keeps_key},
        {"passphrase-file", .text = &out->passphrase_path},
        {"p12-passphrase-file", .text = &out->p12_passphrase_path},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {
        .command = COMMAND, .usage = USAGE, .options = options, .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line;
    if ((line.argument_count > 0) == (out->numerator > 0))
        return cli_end(cli_fail_usage(COMMAND, "give either a NAME or --before 1/3"));
    if (line.argument_count > 0)
        out->options.name = line.arguments[0];
    if (renews_ca(out) && (out->options.directory == NULL || out->under_directory != NULL ||
                           out->options.keeps_key || out->exec != NULL))
        return cli_end(cli_fail_usage(
            COMMAND,
            "a new CA is made beside the old one, in a separate directory: `ca renew ca --out DIR`"));
    if (out->options.directory == NULL)
        out->options.directory = out->ca_directory;
    return line;
}

// run_command runs CMD for one name and tells whether it succeeded.
static bool run_command(const char *command, const char *name)
{
    char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = -1;
    if (setenv("NAME", name, 1) != 0 || posix_spawn_file_actions_init(&actions) != 0)
        return false;
    const bool is_done =
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO) == 0 &&
        posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ) == 0 &&
        waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    if (!is_done)
        cli_say(COMMAND, "--exec failed for %s: %s", name, command);
    return is_done;
}

// warn_of_leftover says that a .p12 still holds the old certificate.
static void warn_of_leftover(const struct renew_options *options, const struct issued *issued)
{
    char path[PATH_CAP];
    (void)path_join(options->directory, options->name, ".p12", path);
    if (issued->paths[ISSUED_P12][0] == '\0' && access(path, F_OK) == 0)
        cli_say(COMMAND, "%s still holds the old certificate: give --p12-passphrase-file", path);
}

// renew_one renews one certificate, prints its name and runs the command.
static int renew_one(const struct authority *authority, const struct renew_arguments *arguments,
                     struct renew_options options)
{
    struct errinfo info;
    struct issued issued;
    char date[DATE_TEXT_CAP];
    const enum err error =
        authority_renew(authority, &options, (int64_t)time(NULL), &issued, &info);
    if (error != ERR_OK)
        return cli_fail(COMMAND, &info);
    cli_say(COMMAND, "%s, valid until %s%s", issued.paths[ISSUED_CHAIN],
            date_format(issued.not_after_s, DATE_MINUTE, date),
            issued.is_cut ? ": cut short, for the CA itself ends then" : "");
    warn_of_leftover(&options, &issued);
    (void)printf("%s\n", options.name);
    const int status = cli_finish(COMMAND);
    return arguments->exec == NULL || run_command(arguments->exec, options.name) ? status
                                                                                 : CLI_FAILED;
}

// renew_due renews all that end soon; one that fails does not keep the others from it.
static int renew_due(const struct authority *authority, const struct renew_arguments *arguments,
                     struct renew_options options)
{
    struct errinfo info;
    struct index_entry *due = NULL;
    size_t count = 0;
    int status = CLI_OK;
    if (authority_find_due(options.old != NULL ? options.old : authority, options.directory,
                           arguments->numerator, arguments->denominator, (int64_t)time(NULL), &due,
                           &count, &info) != ERR_OK) {
        cli_say(COMMAND, "%s", info.text);
        status = CLI_FAILED;
    } else if (count == 0) {
        cli_say(COMMAND, "nothing to do: none has less than %u/%u of its life left",
                arguments->numerator, arguments->denominator);
    }
    for (size_t i = 0; i < count; i++) {
        options.name = due[i].name;
        if (renew_one(authority, arguments, options) != CLI_OK)
            status = CLI_FAILED;
    }
    free(due);
    return status;
}

// renew_ca makes a new CA and prints its paths.
static int renew_ca(const struct ca *old, const struct renew_arguments *arguments)
{
    struct errinfo info;
    const struct renew_options *options = &arguments->options;
    const enum err error = authority_init_like(&old->authority, options->directory, options->ttl_s,
                                               old->passphrase.text, (int64_t)time(NULL), &info);
    if (error != ERR_OK)
        return ca_fail(COMMAND, error, &info);
    cli_say(
        COMMAND,
        "a new CA in %s; the one in %s is as it was. Trust both (`ca` and `crl` of the profile), "
        "then give the certificates to the new one: ca renew --before 1/1 --dir %s --under %s",
        options->directory, arguments->ca_directory, arguments->ca_directory, options->directory);
    return ca_print_paths(COMMAND, options->directory, old->authority.has_root);
}

// renew_leaves renews what the command names. With --under another CA issues than the one that issued before.
static int renew_leaves(const struct ca *ca, const struct renew_arguments *arguments)
{
    struct errinfo info;
    struct authority old = {0};
    struct renew_options options = arguments->options;
    options.p12_passphrase = ca->p12_passphrase.text;
    if (arguments->under_directory != NULL) {
        if (authority_load(arguments->ca_directory, AUTHORITY_ISSUING, (int64_t)time(NULL), &old,
                           &info) != ERR_OK)
            return ca_fail_opening(COMMAND, arguments->ca_directory, &info);
        options.old = &old;
    }
    const int status = arguments->numerator > 0 ? renew_due(&ca->authority, arguments, options)
                                                : renew_one(&ca->authority, arguments, options);
    authority_deinit(&old);
    return status;
}

int ca_renew_command(int argc, char **argv)
{
    struct renew_arguments arguments;
    struct ca ca;
    const struct cli_line line = read_line(argc, argv, &arguments);
    if (line.is_over)
        return line.exit_status;
    int status = ca_open(COMMAND,
                         arguments.under_directory != NULL ? arguments.under_directory
                                                           : arguments.ca_directory,
                         arguments.passphrase_path, arguments.p12_passphrase_path, &ca);
    if (status == CLI_OK)
        status = renews_ca(&arguments) ? renew_ca(&ca, &arguments) : renew_leaves(&ca, &arguments);
    ca_close(&ca);
    return status;
}
