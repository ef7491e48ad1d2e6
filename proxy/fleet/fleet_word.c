// Strict JSON: each member once, none that is not known.
#include "proxy/fleet/fleet_word.h"

#include "auth/base/hex.h"
#include "auth/base/json.h"
#include "proxy/fleet/fleet_text.h"

enum {
    WORD_V,
    WORD_BLOCK,
    WORD_OP,
    WORD_VERSION,
    WORD_SINCE,
    WORD_UID,
    WORD_BY,
    WORD_AFTER,
    WORD_AFTER_BY,
    WORD_COUNT
};
static const struct json_member members[WORD_COUNT] = {
    [WORD_V] = FLEET_TEXT_V,
    [WORD_BLOCK] = {"block", JSON_STRING, "a string"},
    [WORD_OP] = {"op", JSON_STRING, "a string"},
    [WORD_VERSION] = {"version", JSON_INTEGER, "a whole number"},
    [WORD_SINCE] = {"since", JSON_INTEGER, "a whole number"},
    [WORD_UID] = {"uid", JSON_INTEGER, "a whole number"},
    [WORD_BY] = {"by", JSON_STRING, "a string"},
    [WORD_AFTER] = {"after", JSON_INTEGER, "a whole number"},
    [WORD_AFTER_BY] = {"after_by", JSON_STRING, "a string"},
};

static const char *const op_names[] = {[FLEET_BLOCK] = "block", [FLEET_UNBLOCK] = "unblock"};

const char *fleet_op_name(enum fleet_op op)
{
    return op_names[op];
}

bool fleet_op_parse(struct slice name, enum fleet_op *out)
{
    *out = slice_equal(name, SLICE_LITERAL("unblock")) ? FLEET_UNBLOCK : FLEET_BLOCK;
    return slice_equal(name, slice_of_string(op_names[*out]));
}

bool fleet_instance_is(struct slice name)
{
    return name.len == FLEET_INSTANCE_CAP - 1 && hex_is_lower(name);
}

void fleet_word_format(const struct fleet_word *word, struct text *out)
{
    json_begin_object(out, NULL);
    json_add_number(out, "v", FLEET_TEXT_FORMAT);
    json_add_string(out, "block", word->block.text);
    json_add_string(out, "op", fleet_op_name(word->op));
    json_add_count(out, "version", word->version);
    json_add_number(out, "since", word->block.since_s);
    json_add_count(out, "uid", word->block.uid);
    json_add_string(out, "by", word->by);
    json_add_count(out, "after", word->after);
    json_add_string(out, "after_by", word->after_by);
    json_end_object(out);
}

// read takes the members that are there.
static enum err read(json_t *const *found, char text[BLOCK_TEXT_CAP], struct fleet_word *out,
                     struct errinfo *info)
{
    const json_int_t version = json_integer_value(found[WORD_VERSION]);
    const json_int_t after = json_integer_value(found[WORD_AFTER]);
    const json_int_t since_s = json_integer_value(found[WORD_SINCE]);
    const json_int_t uid = json_integer_value(found[WORD_UID]);
    const struct slice by = json_members_slice(found[WORD_BY]);
    const struct slice after_by = json_members_slice(found[WORD_AFTER_BY]);
    const struct slice spelling = json_members_slice(found[WORD_BLOCK]);
    if (version < 1 || (uint64_t)version > FLEET_VERSION_MAX)
        return errinfo_set(info, ERR_INPUT, "`version` is out of range");
    if (after < 0 || after >= version)
        return errinfo_set(info, ERR_INPUT, "`after` is not below `version`");
    if (since_s < 0 || since_s > INT64_MAX / 1000 || uid < 0 || uid > UINT32_MAX)
        return errinfo_set(info, ERR_INPUT, "`since` or `uid` is out of range");
    if ((by.len != 0 && !fleet_instance_is(by)) ||
        (after_by.len != 0 && !fleet_instance_is(after_by)))
        return errinfo_set(info, ERR_INPUT, "`by` or `after_by` is no instance");
    if (!fleet_op_parse(json_members_slice(found[WORD_OP]), &out->op))
        return errinfo_set(info, ERR_INPUT, "`op` is neither block nor unblock");
    TRY(block_parse(spelling, text, &out->block, info));
    if (!slice_equal(spelling, slice_of_string(text)))
        return errinfo_set(info, ERR_INPUT, "`block` is not spelled in the one way");
    out->block.since_s = since_s;
    out->block.uid = (uint32_t)uid;
    out->version = (uint64_t)version;
    out->after = (uint64_t)after;
    (void)string_copy(out->by, sizeof out->by, by);
    (void)string_copy(out->after_by, sizeof out->after_by, after_by);
    return ERR_OK;
}

enum err fleet_word_parse(struct slice bytes, char text[BLOCK_TEXT_CAP], struct fleet_word *out,
                          struct errinfo *info)
{
    json_t *root = NULL;
    json_t *found[WORD_COUNT];
    *out = (struct fleet_word){0};
    text[0] = '\0';
    TRY(fleet_text_read(bytes, FLEET_WORD_MAX, members, WORD_COUNT, found, &root, info));
    const enum err error = read(found, text, out, info);
    json_decref(root);
    return error;
}
