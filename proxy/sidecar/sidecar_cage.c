// Landlock for files, seccomp for the rest.
#include "proxy/sidecar/sidecar_cage.h"

#include "proxy/cage/filter.h"
#include "proxy/cage/opening.h"
#include "proxy/cage/sandbox.h"
#include "proxy/log/log.h"

#define WIDE                                                                                       \
    "%s is directly in %s, all of which the sandbox opens for reading, so that a renewed file is " \
    "seen: give it a folder of its own"

enum { FILES = 3 };

static void name_files(const struct credential_paths *paths, struct place out[FILES])
{
    const char *const named[FILES] = {paths->cert, paths->key, paths->ca};
    for (size_t i = 0; i < FILES; i++)
        out[i] = (struct place){.path = named[i], .keeps_folder = true};
}

// judge_width warns of files for which too much is opened.
static enum err judge_width(const struct place *files, enum sidecar_sandbox wanted,
                            struct errinfo *info)
{
    char folder[PATH_MAX];
    for (size_t i = 0; i < FILES; i++) {
        if (!place_opens_wide(&files[i], folder))
            continue;
        if (wanted == SIDECAR_SANDBOX_ON)
            return errinfo_set(info, ERR_INPUT, WIDE, files[i].path, folder);
        log_warning(LOG_CAGE, WIDE, files[i].path, folder);
    }
    return ERR_OK;
}

static enum err restrict_files(const struct place *files, struct errinfo *info)
{
    static const char *const of_system[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                            "/dev/urandom"};
    struct ruleset ruleset;
    struct opening opening = {.ruleset = &ruleset};
    ruleset_open(&ruleset, true, info);
    if (ruleset.abi == 0)
        return ERR_SYSTEM;
    for (size_t i = 0; i < sizeof of_system / sizeof *of_system; i++)
        opening_allow_place(&opening, &(struct place){.path = of_system[i]});
    for (size_t i = 0; i < FILES; i++)
        opening_allow_place(&opening, &files[i]);
    const enum err error = opening.has_no_memory
                               ? errinfo_set(info, ERR_MEMORY, "no memory for the sandbox")
                               : ruleset_enter(&ruleset, info);
    ruleset_close(&ruleset);
    return error;
}

enum err sidecar_cage_enter(const struct sidecar_options *options, struct errinfo *info)
{
    struct sandbox sandbox;
    struct place files[FILES];
    if (options->sandbox == SIDECAR_SANDBOX_OFF)
        return ERR_OK;
    sandbox_find(&sandbox);
    if (sandbox.missing.text[0] != '\0' && options->sandbox == SIDECAR_SANDBOX_ON)
        return errinfo_set(info, ERR_SYSTEM,
                           "--sandbox is on, and cannot be had: %s; `auto` starts without",
                           sandbox.missing.text);
    if (sandbox.missing.text[0] != '\0')
        log_warning(LOG_CAGE, "no whole sandbox: %s", sandbox.missing.text);
    name_files(&options->way.paths, files);
    if (sandbox.landlock > 0) {
        TRY(judge_width(files, options->sandbox, info));
        TRY(restrict_files(files, info));
    }
    return sandbox.has_filter ? filter_enter(FILTER_CONNECTS, info) : ERR_OK;
}
