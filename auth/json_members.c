// One pass over the object for what is unknown, one over the rows for what is missing.
#include "auth/json_members.h"

enum err json_members_read(json_t *object, const struct json_member *members, size_t count,
                           json_t **out, struct errinfo *info)
{
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(object))
        return errinfo_set(info, ERR_INPUT, "not an object");
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (i < count && strcmp(members[i].name, key) != 0)
            i++;
        if (i == count)
            return errinfo_set(info, ERR_INPUT, "unknown key `%.60s`", key);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = json_object_get(object, members[i].name);
        if (out[i] == NULL)
            return errinfo_set(info, ERR_INPUT, "`%s` is missing", members[i].name);
        if (json_typeof(out[i]) != members[i].type)
            return errinfo_set(info, ERR_INPUT, "`%s` is not %s", members[i].name,
                               members[i].wanted);
    }
    return ERR_OK;
}

struct slice json_members_slice(const json_t *string)
{
    return slice_of(json_string_value(string), json_string_length(string));
}
