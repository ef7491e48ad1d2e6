// sallyport: finds the command and hands over. The commands are in proxy/cli.
#include <stdbool.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/cli/commands.h"
#include "proxy/config/spelling.h"
#include "proxy/keeper/keeper_holder.h"
#include "proxy/keys/key_holder.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
#define X(name, function, help) {name, function},
    COMMAND_TABLE(X)
#undef X
};

static const char usage[] = "usage: sallyport COMMAND [OPTIONS]\n"
                            "\n"
                            "A forward HTTPS proxy that knows its clients by their certificates.\n"
                            "\n"
#define X(name, function, help) help
    COMMAND_TABLE(X)
#undef X
        "\n"
        "`sallyport COMMAND --help` describes each, and so does `sallyport help COMMAND`.\n";

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

// no_such_command says so, and which one may have been meant.
static int no_such_command(const char *name)
{
    enum { COUNT = sizeof commands / sizeof *commands };
    const char *names[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        names[i] = commands[i].name;
    const size_t nearest = spelling_nearest(slice_of_string(name), names, COUNT);
    if (nearest < COUNT)
        (void)fprintf(stderr, "sallyport: no command `%s`; did you mean `%s`?\n", name,
                      names[nearest]);
    else
        (void)fprintf(stderr, "sallyport: no command `%s`; `sallyport --help` lists them\n", name);
    return EXIT_USAGE;
}

static bool is_one_of(const char *word, const char *first, const char *second)
{
    return strcmp(word, first) == 0 || strcmp(word, second) == 0;
}

// keep_standard_streams sees to it that no socket or file gets the number of a stream that the process was started
// without: what is meant for people would be written into it. Reading from such a stream ends, writing to it fails.
static void keep_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        const int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", flags); // the lowest number that is free: this one
    }
}

// run_command runs the command that argv[0] names.
static int run_command(int argc, char **argv)
{
    const char *name = strcmp(argv[0], "--version") == 0 ? "version" : argv[0];
    const struct command *command = find_command(name);
    if (command == NULL)
        return no_such_command(name);
    return command->run(argc, argv);
}

// print_help prints all commands, or what the words after `help` say: a command, and a verb of it.
static int print_help(int argc, char **argv)
{
    enum { WORDS_MAX = 2 };
    static char option[] = "--help";
    char *words[WORDS_MAX + 2] = {NULL};
    if (argc == 0)
        return fputs(usage, stdout) < 0 ? EXIT_FAILED : 0;
    if (argc > WORDS_MAX) {
        (void)fputs("sallyport: `help` takes a command, and a verb of it\n", stderr);
        return EXIT_USAGE;
    }
    for (int i = 0; i < argc; i++)
        words[i] = argv[i];
    words[argc] = option;
    return run_command(argc + 1, words);
}

int main(int argc, char **argv)
{
    keep_standard_streams();
    if (argc < 2) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], KEY_HOLDER_COMMAND) == 0) // no command for people: the keeper starts it
        return key_holder_run();
    if (is_one_of(argv[1], "--help", "-h"))
        return print_help(0, argv);
    if (strcmp(argv[1], "help") == 0)
        return print_help(argc - 2, argv + 2);
    return run_command(argc - 1, argv + 1);
}
