// Strict JSON. What each member may hold is for the texts themselves to say.
#include "proxy/fleet/fleet_text.h"

static enum err read(json_t *root, const struct json_member *rows, size_t count, json_t **found,
                     struct errinfo *info)
{
    TRY(json_members_read(root, rows, count, found, info));
    if (json_integer_value(found[0]) != FLEET_TEXT_FORMAT)
        return errinfo_set(info, ERR_INPUT, "`v` is not %d", (int)FLEET_TEXT_FORMAT);
    return ERR_OK;
}

enum err fleet_text_read(struct slice bytes, size_t max, const struct json_member *rows,
                         size_t count, json_t **found, json_t **out_root, struct errinfo *info)
{
    *out_root = NULL;
    if (bytes.len > max)
        return errinfo_set(info, ERR_LIMIT, "longer than %zu bytes", max);
    TRY(json_text_read(bytes, out_root, info));
    const enum err error = read(*out_root, rows, count, found, info);
    if (error != ERR_OK) {
        json_decref(*out_root);
        *out_root = NULL;
    }
    return error;
}

enum err fleet_text_choose(const json_t *string, const char *name, const char *const *names,
                           size_t count, size_t *out, struct errinfo *info)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(json_members_slice(string), slice_of_string(names[i]))) {
            *out = i;
            return ERR_OK;
        }
    }
    return errinfo_set(info, ERR_INPUT, "`%s` is not known", name);
}
