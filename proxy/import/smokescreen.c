// The ACL alone has `services`; the configuration names the file of its ACL.
#include "proxy/import/smokescreen.h"

#include "proxy/import/smokescreen_acl.h"
#include "proxy/import/smokescreen_settings.h"

// open_document reads a file as YAML. What is wrong is said with its place.
static enum err open_document(struct smokescreen *state, const struct import_sources *sources,
                              const char *path, struct yaml_document **out, struct errinfo *info)
{
    struct diagnostics diagnostics;
    struct slice bytes;
    char text[DIAGNOSTIC_TEXT_CAP];
    state->file = import_copy(state->notes, slice_of_string(path));
    TRY(sources->read(sources->arg, path, &bytes, info));
    diagnostics_init(&diagnostics);
    const enum err err = yaml_document_parse(bytes, state->file, &diagnostics, out);
    if (err != ERR_OK) {
        diagnostic_format(&diagnostics.items[0], text, sizeof text);
        (void)errinfo_set(info, err, "%s", text);
    }
    diagnostics_deinit(&diagnostics);
    return err;
}

static enum err read_acl(struct smokescreen *state, const struct import_sources *sources,
                         struct errinfo *info)
{
    struct yaml_document *document = NULL;
    if (state->acl_path == NULL) {
        import_say(
            state->notes, IMPORT_LEFT_OUT, (struct import_place){.file = state->file, .line = 1},
            "acl_file: there is none, so Smokescreen lets everybody go everywhere. That is left out: an import opens "
            "nothing. Write `clients`");
        return ERR_OK;
    }
    TRY(open_document(state, sources, state->acl_path, &document, info));
    const enum err err = smokescreen_read_acl(state, yaml_document_root(document), info);
    yaml_document_destroy(document);
    return err;
}

enum err smokescreen_import(const char *path, const struct smokescreen_options *options,
                            const struct import_sources *sources, struct import_notes *notes,
                            struct imported *out, struct errinfo *info)
{
    struct smokescreen state = {.notes = notes, .imported = out, .is_role_ou = options->is_role_ou};
    struct yaml_document *document = NULL;
    out->source = "Smokescreen";
    TRY(open_document(&state, sources, path, &document, info));
    const struct node *root = yaml_document_root(document);
    enum err err = ERR_OK;
    if (root->kind != NODE_MAP)
        err = smokescreen_refuse(&state, root, info,
                                 "expected a map: a configuration of Smokescreen, or its ACL");
    else if (node_get(root, "services") != NULL)
        err = smokescreen_read_acl(&state, root, info);
    else
        err = smokescreen_read_settings(&state, root, info);
    const bool is_settings = err == ERR_OK && node_get(root, "services") == NULL;
    yaml_document_destroy(document);
    if (is_settings)
        err = read_acl(&state, sources, info);
    if (err == ERR_OK && notes->is_out_of_memory)
        err = errinfo_set(info, ERR_MEMORY, "no memory to import %s", path);
    return err;
}
