// written: what an import has made is a configuration: its clients are read without an error. And files in memory: the parts
// of an input between lines `%`.
#pragma once

#include <stdlib.h>

#include "proxy/config/assembly.h"
#include "proxy/import/imported.h"
#include "proxy/import/sources.h"

enum { INPUT_MAX = 64 * 1024, WRITTEN_MAX = 4 * 1024 * 1024 };

// part_next takes the next part.
static inline struct slice part_next(struct slice *rest)
{
    static const char mark[] = "\n%\n";
    const uint8_t *found =
        rest->len == 0 ? NULL : memmem(rest->data, rest->len, mark, sizeof mark - 1);
    const struct slice part =
        slice_first(*rest, found == NULL ? rest->len : (size_t)(found - rest->data));
    *rest = slice_from(*rest, part.len + sizeof mark - 1);
    return part;
}

// read_part: a path is the number of a part, from 0; each other one is part 1.
static inline enum err read_part(void *arg, const char *path, struct slice *out,
                                 struct errinfo *info)
{
    struct slice rest = *(const struct slice *)arg;
    const size_t index = path[0] >= '0' && path[0] <= '9' ? (size_t)(path[0] - '0') : 1;
    for (size_t i = 0; i <= index; i++) {
        if (rest.len == 0)
            return errinfo_set(info, ERR_SYSTEM, "no such file");
        *out = part_next(&rest);
    }
    return ERR_OK;
}

static inline enum err match_part(void *arg, const char *pattern, size_t index, const char **out,
                                  struct errinfo *info)
{
    (void)arg;
    (void)info;
    *out = pattern;
    return index == 0 ? ERR_OK : ERR_EOF;
}

// check_written reads the clients of what was written.
static inline void check_written(const struct imported *imported)
{
    static const char *const trusts[] = {"clients"};
    const struct name_list names = {.names = trusts, .count = 1};
    struct parent_config known[8];
    bool is_used[8] = {false};
    struct parent_names parents = {.parents = known, .is_used = is_used};
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    struct text text;
    char *data = malloc(WRITTEN_MAX);
    struct policy *policy = policy_create();
    ASSERT(data != NULL && policy != NULL);
    text_init(&text, data, WRITTEN_MAX);
    imported_format(imported, &text);
    for (const struct imported_parent *parent = imported->parents; parent != NULL;
         parent = parent->next)
        known[parents.count++] = (struct parent_config){.name = parent->name};
    diagnostics_init(&diagnostics);
    if (!text.is_cut) {
        const enum err err =
            yaml_document_parse(text_slice(&text), "written.yaml", &diagnostics, &document);
        if (err == ERR_OK) {
            struct reader reader = {
                .diagnostics = &diagnostics, .file = "written.yaml", .arena = policy->arena};
            clients_read(&reader, yaml_document_root(document), &names, &parents, policy);
        }
        if (diagnostics.error_count > 0)
            diagnostics_print(&diagnostics, stderr, SEVERITY_ERROR);
        ASSERT(diagnostics.error_count == 0);
    }
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
    policy_destroy(policy);
    free(data);
}
