// Loads a configuration, with the same messages for every command.
#include "proxy/cli/configuration.h"

#include <stdio.h>
#include <time.h>

#include "proxy/cli/options.h"
#include "proxy/config/loader.h"
#include "proxy/config/source.h"

int cli_load_snapshot(const char *command, const char *path, enum severity least,
                      struct snapshot **out)
{
    struct diagnostics diagnostics;
    *out = NULL;
    diagnostics_init(&diagnostics);
    const enum err error = snapshot_load(path, &(struct load_options){.now_s = (int64_t)time(NULL)},
                                         &diagnostics, out);
    diagnostics_print(&diagnostics, stderr, least);
    diagnostics_deinit(&diagnostics);
    if (error == ERR_OK)
        return CLI_OK;
    cli_say(command, "%s cannot be loaded; `sallyport check -c %s` says more", source_label(path),
            path);
    return CLI_UNLOADABLE;
}
