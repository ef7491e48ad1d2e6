// Compared by what they say. `control` and `process` are texts of a snapshot's arena, and are copied into the next one's.
#include "proxy/service/constants.h"

#include <inttypes.h>
#include <string.h>

#define NEEDS_START "cannot change in a reload: `sallyport upgrade`, or restart the proxy"

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_list(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    bool is_same = a_count == b_count;
    for (size_t i = 0; i < a_count && is_same; i++)
        is_same = strcmp(a[i], b[i]) == 0;
    return is_same;
}

static const char *sandbox_word(enum process_sandbox sandbox)
{
    switch (sandbox) {
    case SANDBOX_AUTO:
        return "auto";
    case SANDBOX_ON:
        return "on";
    case SANDBOX_OFF:
        return "off";
    }
    return "";
}

static void warn_of_process(const struct snapshot *now, const struct snapshot *next,
                            struct diagnostics *findings)
{
    const struct process_settings *old = &now->process;
    const struct process_settings *new = &next->process;
    if (new->keys != old->keys)
        (void)diagnostics_add(findings, SEVERITY_WARNING, next->path, 0, 0,
                              "`process.keys` " NEEDS_START "; keys stay %s",
                              old->keys == KEYS_APART ? "apart" : "here");
    if (!is_same_text(new->user, old->user))
        (void)diagnostics_add(findings, SEVERITY_WARNING, next->path, 0, 0,
                              "`process.user` " NEEDS_START "; it stays %s",
                              old->user == NULL ? "unset" : old->user);
    if (new->sandbox != old->sandbox)
        (void)diagnostics_add(findings, SEVERITY_WARNING, next->path, 0, 0,
                              "`process.sandbox` " NEEDS_START "; it stays %s",
                              sandbox_word(old->sandbox));
    if (!is_same_list(new->paths, new->path_count, old->paths, old->path_count))
        (void)diagnostics_add(findings, SEVERITY_WARNING, next->path, 0, 0,
                              "`process.paths` " NEEDS_START "; what was opened stays as it is");
    if (!is_same_list(new->key_paths, new->key_path_count, old->key_paths, old->key_path_count))
        (void)diagnostics_add(findings, SEVERITY_WARNING, next->path, 0, 0,
                              "`process.key_paths` " NEEDS_START
                              "; what was opened stays as it is");
}

void constants_warn(const struct snapshot *now, uint32_t worker_count, const struct snapshot *next,
                    struct diagnostics *findings)
{
    if (next->workers != worker_count)
        (void)diagnostics_add(findings, SEVERITY_WARNING, next->path, 0, 0,
                              "`workers` " NEEDS_START "; it stays %" PRIu32, worker_count);
    if (!is_same_text(next->control_path, now->control_path) ||
        !is_same_text(next->state_path, now->state_path))
        (void)diagnostics_add(findings, SEVERITY_WARNING, next->path, 0, 0,
                              "`control` cannot change without a restart; it stays %s",
                              now->control_path == NULL ? "off" : now->control_path);
    warn_of_process(now, next, findings);
}

// keep_text copies a text, or that there is none.
static void keep_text(struct arena *arena, const char *from, const char **to)
{
    const char *copy = from == NULL ? NULL : arena_copy_string(arena, slice_of_string(from));
    if (copy != NULL || from == NULL)
        *to = copy;
}

static void keep_list(struct arena *arena, const char **from, size_t count, const char ***to,
                      size_t *to_count)
{
    const char **copies = arena_alloc(arena, count, sizeof *copies);
    bool is_whole = copies != NULL || count == 0;
    for (size_t i = 0; i < count && is_whole; i++) {
        copies[i] = arena_copy_string(arena, slice_of_string(from[i]));
        is_whole = copies[i] != NULL;
    }
    if (!is_whole)
        return;
    *to = copies;
    *to_count = count;
}

// keep_control keeps both paths, or none.
static void keep_control(const struct snapshot *now, struct snapshot *next)
{
    const char *path = NULL;
    const char *state = NULL;
    keep_text(next->arena, now->control_path, &path);
    keep_text(next->arena, now->state_path, &state);
    if ((path == NULL) != (now->control_path == NULL) ||
        (state == NULL) != (now->state_path == NULL))
        return;
    next->control_path = path;
    next->state_path = state;
}

void constants_keep(const struct snapshot *now, struct snapshot *next)
{
    const struct process_settings *old = &now->process;
    struct process_settings *new = &next->process;
    keep_control(now, next);
    new->keys = old->keys;
    new->sandbox = old->sandbox;
    keep_text(next->arena, old->user, &new->user);
    keep_list(next->arena, old->paths, old->path_count, &new->paths, &new->path_count);
    keep_list(next->arena, old->key_paths, old->key_path_count, &new->key_paths,
              &new->key_path_count);
}
