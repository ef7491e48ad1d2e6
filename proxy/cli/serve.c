// `sallyport serve`: the keeper, or, where that has started it, the process that serves: loads the configuration, and runs the
// service with it or says what is wrong.
#include "proxy/cli/commands.h"

#include <stdio.h>
#include <time.h>

#include "proxy/cli/options.h"
#include "proxy/config/loader.h"
#include "proxy/config/source.h"
#include "proxy/keeper/keeper.h"
#include "proxy/keeper/keeper_link.h"
#include "proxy/keys/key_store.h"
#include "proxy/log/log.h"
#include "proxy/service/caging.h"
#include "proxy/service/findings.h"
#include "proxy/service/service.h"

static const char usage[] =
    "usage: sallyport serve -c FILE\n"
    "\n"
    "Runs the proxy. When every listener is bound, prints `ready NAME=ADDRESS:PORT ...` on stdout,\n"
    "or on stderr where the audit goes to stdout (audit.file is \"-\").\n"
    "\n"
    "  -c, --config FILE   the configuration; see `sallyport check`. `-` is stdin: paths in it start\n"
    "                      at the working directory, and it cannot be reloaded\n"
    "  -h, --help          this text\n"
    "\n"
    "It starts a second process, which serves, and looks after it; signals to the first one reach that.\n"
    "Signals: SIGTERM drains and exits, SIGINT exits, SIGHUP reloads the configuration,\n"
    "SIGUSR1 reopens the audit log, SIGUSR2 upgrades to what the program's file is by now.\n"
    "Exit: 0 stopped, 1 failed or tunnels had to be cut, 2 usage, 3 not loadable; 128 and the number of the\n"
    "signal if one has ended the process that serves.\n";

// refuse_place tells the process whose place this one should take, if there is one, the first thing that is wrong.
static void refuse_place(struct inheritance *inheritance, const char *path,
                         const struct diagnostics *findings)
{
    char data[600];
    struct text text;
    size_t at = 0;
    text_init(&text, data, sizeof data);
    text_append_format(&text, "%.200s cannot be loaded", source_label(path));
    while (at < findings->count && findings->items[at].severity != SEVERITY_ERROR)
        at++;
    if (at < findings->count)
        text_append_format(&text, ": line %" PRIu32 ": %.280s", findings->items[at].line,
                           findings->items[at].message);
    inheritance_refuse(inheritance, text.data);
    inheritance_deinit(inheritance);
}

// refuse says what is wrong with a configuration: to a person as `check` does, to the journal with the priority of each
// line.
static int refuse(const char *path, const struct diagnostics *findings,
                  struct inheritance *inheritance)
{
    refuse_place(inheritance, path, findings);
    if (log_goes_to_journal()) {
        findings_log(findings, "");
        log_error(LOG_START_FAILED, "%s cannot be loaded; `sallyport check -c %s` says more",
                  source_label(path), path);
        return CLI_UNLOADABLE;
    }
    diagnostics_print(findings, stderr, SEVERITY_WARNING);
    cli_say("serve", "%s cannot be loaded; `sallyport check -c %s` says more", source_label(path),
            path);
    return CLI_UNLOADABLE;
}

// begin_process is a process_hook: what the user may read counts for this process, and for the one that has the keys.
static enum err begin_process(void *arg, const struct process_settings *settings,
                              struct errinfo *info)
{
    TRY(caging_begin(NULL, settings, info));
    return key_store_set_user(arg, settings->user, info);
}

int serve_command(int argc, char **argv)
{
    const char *path = NULL;
    struct snapshot *snapshot = NULL;
    struct diagnostics findings;
    const struct cli_option options[] = {
        {"config", .letter = 'c', .text = &path},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "serve", .usage = usage, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (path == NULL)
        return cli_fail_usage("serve", "which configuration? -c FILE is required");
    const int keeper_fd = keeper_link_find();
    if (keeper_fd < 0)
        return keeper_run(path);
    struct inheritance inheritance;
    struct errinfo info;
    if (inheritance_find(&inheritance, &info) != ERR_OK)
        return cli_fail("serve", &info);
    log_configure(&(struct log_options){.level = LOG_LEVEL_INFO});
    diagnostics_init(&findings);
    struct key_store *keys = key_store_create(keeper_fd);
    if (keys == NULL)
        return cli_fail("serve", &(struct errinfo){.text = "no memory for private keys"});
    const struct process_hook hook = {.begin = begin_process, .arg = keys};
    const struct load_options load = {
        .now_s = (int64_t)time(NULL), .hook = &hook, .keys = key_store_source(keys)};
    const enum err error = snapshot_load(path, &load, &findings, &snapshot);
    const int status = error == ERR_OK
                           ? service_run(snapshot, &findings, &inheritance, keeper_fd, keys)
                           : refuse(path, &findings, &inheritance);
    key_store_destroy(keys);
    diagnostics_deinit(&findings);
    return status;
}
