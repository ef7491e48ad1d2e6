// `sallyport import`: reads the configuration of another program, prints ours on stdout, and what is left out on stderr.
#include "proxy/cli/commands.h"

#include <glob.h>
#include <stdlib.h>

#include "auth/base/array.h"
#include "proxy/cli/options.h"
#include "proxy/cli/verb.h"
#include "proxy/config/file.h"
#include "proxy/import/smokescreen.h"
#include "proxy/import/squid.h"

enum {
    FILE_MAX = 16 * 1024 * 1024, // bytes of a file
    ALL_MAX = 64 * 1024 * 1024,  // bytes of all of them
    WHOM_CAP = 800,              // of the clients that a note is about
};

// opened is the files that have been read, and the pattern that was asked for last.
struct opened {
    struct file_content *contents; // owned
    size_t count;
    size_t cap;
    size_t bytes;
    glob_t found;        // of `pattern`
    const char *pattern; // borrowed; NULL: none
};

static enum err read_content(const char *path, struct file_content *out, struct errinfo *info)
{
    if (strcmp(path, "-") != 0)
        return file_read(path, FILE_MAX, FILE_PUBLIC, out, info);
    const enum err err = file_read_open(0, "stdin", FILE_MAX, out, info);
    return err == ERR_LIMIT ? errinfo_set(info, err, "stdin: more than %d bytes", FILE_MAX) : err;
}

static enum err read_source(void *arg, const char *path, struct slice *out, struct errinfo *info)
{
    struct opened *opened = arg;
    struct file_content *contents =
        array_make_room(opened->contents, opened->count, &opened->cap, sizeof *contents);
    if (contents == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to read %s", path);
    opened->contents = contents;
    TRY(read_content(path, &contents[opened->count], info));
    *out = contents[opened->count++].bytes;
    opened->bytes += out->len;
    if (opened->bytes > ALL_MAX)
        return errinfo_set(info, ERR_LIMIT, "the files are more than %d bytes together", ALL_MAX);
    return ERR_OK;
}

static enum err match_source(void *arg, const char *pattern, size_t index, const char **out,
                             struct errinfo *info)
{
    struct opened *opened = arg;
    if (opened->pattern != pattern) {
        if (opened->pattern != NULL)
            globfree(&opened->found);
        opened->pattern = NULL;
        opened->found = (glob_t){0};
        const int status = glob(pattern, 0, NULL, &opened->found);
        if (status == GLOB_NOMATCH)
            return ERR_EOF;
        if (status != 0)
            return errinfo_set(info, ERR_SYSTEM, "cannot look for %s: %m", pattern);
        opened->pattern = pattern;
    }
    if (index >= opened->found.gl_pathc)
        return ERR_EOF;
    *out = opened->found.gl_pathv[index];
    return ERR_OK;
}

static void opened_deinit(struct opened *opened)
{
    for (size_t i = 0; i < opened->count; i++)
        file_content_deinit(&opened->contents[i]);
    free(opened->contents);
    if (opened->pattern != NULL)
        globfree(&opened->found);
}

// format_whom writes the clients that a note is about; "" where it is about none.
static void format_whom(const struct import_note *note, char out[WHOM_CAP])
{
    out[0] = '\0';
    if (note->whom != NULL && note->whom_count > IMPORT_WHOM_MAX)
        (void)snprintf(out, WHOM_CAP, "for %s and %zu more: ", note->whom,
                       note->whom_count - IMPORT_WHOM_MAX);
    else if (note->whom != NULL)
        (void)snprintf(out, WHOM_CAP, "for %s: ", note->whom);
}

// print_notes writes the notes as FILE:LINE: TEXT.
static void print_notes(const struct import_notes *notes, const char *path)
{
    for (const struct import_note *note = notes->first; note != NULL; note = note->next) {
        const char *mark = note->weight == IMPORT_REMARK ? "note: " : "";
        char whom[WHOM_CAP];
        format_whom(note, whom);
        if (note->place.file == NULL)
            cli_line("%s: %s%s%s", path, mark, whom, note->text);
        else
            cli_line("%s:%u: %s%s%s", note->place.file, (unsigned)note->place.line, mark, whom,
                     note->text);
    }
    if (notes->dropped_count > 0)
        cli_line("%s: and %zu more", path, notes->dropped_count);
}

// finish prints what an import came to, and gives the exit status.
static int finish(const char *command, const char *path, const struct import_notes *notes,
                  const struct imported *imported)
{
    struct text text = cli_text_begin();
    print_notes(notes, path);
    imported_format(imported, &text);
    text_flush(&text);
    if (text.is_cut) {
        cli_say(command, "a value in %s is too long", path);
        return CLI_UNLOADABLE;
    }
    const int status = cli_finish(command);
    if (status != CLI_OK)
        return status;
    if (imported->clients == NULL)
        cli_say(command, "no client is left: with this nobody may go anywhere");
    if (notes->left_out_count == 0)
        return CLI_OK;
    cli_say(command, "not everything was taken: %zu things to look at; `note:` needs nothing",
            notes->left_out_count);
    return CLI_FAILED;
}

static const char SQUID_USAGE[] =
    "usage: sallyport import squid FILE [--one-ou]\n"
    "\n"
    "Reads a squid.conf, the files that it includes and its lists. Prints a configuration for `sallyport serve` on\n"
    "stdout: it never allows more than the source. What is not in it is said on stderr, line by line, with what to\n"
    "write instead. FILE `-` is stdin. See docs/migrate/squid.md.\n"
    "\n"
    "  --one-ou   the CA gives each certificate one OU at most, so `user_cert OU` can be taken\n"
    "  --help     this text\n"
    "\n"
    "Exit status: 0 everything was taken, 1 not everything, 2 usage, 3 the file cannot be read.\n";

// importer is one kind of configuration.
typedef enum err import_fn(const char *path, const void *options,
                           const struct import_sources *sources, struct import_notes *notes,
                           struct imported *out, struct errinfo *info);

// import_file imports a file and gives the exit status.
static int import_file(const char *command, const char *path, import_fn *import,
                       const void *options)
{
    struct opened opened = {0};
    const struct import_sources sources = {
        .read = read_source, .match = match_source, .arg = &opened};
    struct import_notes notes = {.arena = arena_create()};
    struct imported imported = {0};
    struct errinfo info = {.text = ""};
    int status = CLI_UNLOADABLE;
    if (notes.arena == NULL)
        cli_say(command, "no memory");
    else if (import(path, options, &sources, &notes, &imported, &info) != ERR_OK)
        cli_say(command, "%s", info.text);
    else
        status = finish(command, path, &notes, &imported);
    arena_destroy(notes.arena);
    opened_deinit(&opened);
    return status;
}

static enum err from_squid(const char *path, const void *options,
                           const struct import_sources *sources, struct import_notes *notes,
                           struct imported *out, struct errinfo *info)
{
    return squid_import(path, options, sources, notes, out, info);
}

static enum err from_smokescreen(const char *path, const void *options,
                                 const struct import_sources *sources, struct import_notes *notes,
                                 struct imported *out, struct errinfo *info)
{
    return smokescreen_import(path, options, sources, notes, out, info);
}

static int import_squid(int argc, char **argv)
{
    struct squid_options options = {0};
    const struct cli_option table[] = {{"one-ou", .flag = &options.has_one_ou}, {0}};
    const struct cli_syntax syntax = {.command = "import squid",
                                      .usage = SQUID_USAGE,
                                      .options = table,
                                      .argument_missing = "which file? A squid.conf",
                                      .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    return import_file(syntax.command, line.arguments[0], from_squid, &options);
}

static const char SMOKESCREEN_USAGE[] =
    "usage: sallyport import smokescreen FILE [--role-ou]\n"
    "\n"
    "Reads a configuration of Smokescreen and the ACL that it names, or an ACL alone. Prints a configuration for\n"
    "`sallyport serve` on stdout: it never allows more than the source. What is not in it is said on stderr, line by\n"
    "line, with what to write instead. FILE `-` is stdin. See docs/migrate/smokescreen.md.\n"
    "\n"
    "  --role-ou  the role is not the CN but the OU, of which each certificate has one\n"
    "  --help     this text\n"
    "\n"
    "Exit status: 0 everything was taken, 1 not everything, 2 usage, 3 the file cannot be read.\n";

static int import_smokescreen(int argc, char **argv)
{
    struct smokescreen_options options = {0};
    const struct cli_option table[] = {{"role-ou", .flag = &options.is_role_ou}, {0}};
    const struct cli_syntax syntax = {.command = "import smokescreen",
                                      .usage = SMOKESCREEN_USAGE,
                                      .options = table,
                                      .argument_missing = "which file? A configuration, or an ACL",
                                      .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    return import_file(syntax.command, line.arguments[0], from_smokescreen, &options);
}

static const char usage[] =
    "usage: sallyport import VERB FILE\n"
    "\n"
    "  squid       FILE [--one-ou]            a squid.conf\n"
    "  smokescreen FILE [--role-ou]           a configuration of Smokescreen, or its ACL\n"
    "\n"
    "What another proxy's configuration says, as a configuration of this program. Nothing is opened that was not\n"
    "open, and what cannot be said is named line by line. `sallyport import VERB --help` describes each.\n";

int import_command(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {{"squid", import_squid},
                                            {"smokescreen", import_smokescreen}};
    return cli_run_verb(usage, verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
