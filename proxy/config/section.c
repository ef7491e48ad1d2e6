// A walk over the map for unknown keys, and a walk over the table for values.
#include "proxy/config/section.h"

#include <inttypes.h>

#include "auth/base/text.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/units.h"

enum {
    KEYS_MAX = 32, // in any table
    WHAT_CAP = CONFIG_NAME_MAX + 3,
};

// ---- keys ---------------------------------------------------------------------------------------

static const struct key *find_key(struct slice name, const struct section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        if (slice_equal(name, slice_of_string(section->keys[i].name)))
            return &section->keys[i];
    }
    return NULL;
}

static void report_unknown(struct reader *reader, const struct node *key,
                           const struct section *section)
{
    const char *words[KEYS_MAX];
    const bool is_full = diagnostics_is_full(reader->diagnostics);
    for (size_t i = 0; i < section->count; i++)
        words[i] = section->keys[i].name;
    reader_error(
        reader, key, "unknown key `%s` in %s\n%s", reader_quote(reader, key->text), section->what,
        is_full ? "" : reader_words(reader, key->text, words, section->count)); // it is costly
}

static void check_keys(struct reader *reader, const struct node *node,
                       const struct section *section)
{
    ASSERT(section->count <= KEYS_MAX);
    for (const struct node *value = node->child; value != NULL; value = value->next) {
        const struct key *known = find_key(value->key->text, section);
        if (known == NULL)
            report_unknown(reader, value->key, section);
        else if (known->support == KEY_NOT_YET)
            reader_error(reader, value->key,
                         "`%s` is not supported yet by this version"
                         "\nremove it: nothing would enforce it",
                         known->name);
    }
    for (size_t i = 0; i < section->count; i++) {
        const struct key *key = &section->keys[i];
        if (key->support == KEY_REQUIRED && node_get(node, key->name) == NULL)
            reader_error(reader, node, "%s has no `%s`, which is required", section->what,
                         key->name);
    }
}

// ---- values -------------------------------------------------------------------------------------

// store puts what was read, milliseconds of a KEY_SECONDS too, into its field.
static void store(void *field, const struct key *key, int64_t value)
{
    if (key->kind == KEY_SECONDS)
        value /= SECOND_MS;
    if (key->size == sizeof(bool))
        *(bool *)field = value != 0;
    else if (key->size == sizeof(uint32_t))
        *(uint32_t *)field = (uint32_t)value;
    else
        *(int64_t *)field = value;
}

int64_t key_value(const struct key *key, const void *from)
{
    const void *field = (const uint8_t *)from + key->offset;
    if (key->kind == KEY_BY_HAND || key->kind >= KEY_NAME)
        return 0;
    if (key->size == sizeof(bool))
        return *(const bool *)field;
    return key->size == sizeof(uint32_t) ? *(const uint32_t *)field : *(const int64_t *)field;
}

static size_t word_count(const struct key *key)
{
    size_t count = 0;
    while (key->words[count] != NULL)
        count++;
    return count;
}

static const enum quantity quantities[] = {
    [KEY_DURATION] = QUANTITY_DURATION,   [KEY_SECONDS] = QUANTITY_DURATION,
    [KEY_SIZE] = QUANTITY_SIZE,           [KEY_RATE] = QUANTITY_RATE,
    [KEY_BANDWIDTH] = QUANTITY_BANDWIDTH, [KEY_MOMENT] = QUANTITY_MOMENT,
};

const char *key_format_value(const struct key *key, int64_t value, char out[KEY_VALUE_CAP])
{
    struct text text;
    text_init(&text, out, KEY_VALUE_CAP);
    if (key->kind == KEY_BOOL)
        text_append_string(&text, value != 0 ? "true" : "false");
    else if (key->kind == KEY_CHOICE)
        text_append_string(&text, key->words[value]);
    else if (key->kind == KEY_NUMBER)
        text_append_format(&text, "%" PRId64, value);
    else
        (void)quantity_format(quantities[key->kind], value, out);
    return out;
}

static bool quantity_read(struct reader *reader, const struct node *node, const char *what,
                          const struct key *key, int64_t *out)
{
    struct slice text = {0};
    struct errinfo info = {0};
    char least[KEY_VALUE_CAP];
    char most[KEY_VALUE_CAP];
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    if (quantity_parse(quantities[key->kind], text, out, &info) != ERR_OK)
        return reader_error(reader, node, "%s: %s", what, info.text);
    if (*out >= key->min && (key->max == 0 || *out <= key->max))
        return true;
    const char *quoted = reader_quote(reader, text);
    (void)key_format_value(key, key->min, least);
    if (key->max != 0)
        reader_error(reader, node, "%s is `%s`: expected %s to %s", what, quoted, least,
                     key_format_value(key, key->max, most));
    else
        reader_error(reader, node,
                     "%s is `%s`: expected at least %s"
                     "\nfor no limit leave it out, or write `none` where there is a default",
                     what, quoted, least);
    return false;
}

static bool is_none(const struct key *key, const struct node *node)
{
    return key->takes_none && node->kind == NODE_SCALAR &&
           slice_equal(node->text, SLICE_LITERAL("none"));
}

// integer_read reads whatever is stored as an integer.
static bool integer_read(struct reader *reader, const struct node *node, const char *what,
                         const struct key *key, int64_t *out)
{
    size_t index = 0;
    bool is_true = false;
    if (is_none(key, node))
        return true; // 0
    if (key->kind == KEY_NUMBER)
        return reader_integer(reader, node, what, key->min, key->max, out);
    if (key->kind == KEY_BOOL) {
        const bool is_good = reader_boolean(reader, node, what, &is_true);
        *out = is_true;
        return is_good;
    }
    if (key->kind == KEY_CHOICE) {
        const bool is_good = reader_choice(reader, node, what, key->words, word_count(key), &index);
        *out = (int64_t)index;
        return is_good;
    }
    if (!quantity_read(reader, node, what, key, out))
        return false;
    if (key->kind == KEY_SECONDS && *out % SECOND_MS != 0)
        return reader_error(reader, node, "%s: expected whole seconds", what);
    return true;
}

static void address_read(struct reader *reader, const struct node *node, const char *what,
                         struct endpoint *out)
{
    struct slice text = {0};
    struct errinfo info = {0};
    if (reader_text(reader, node, what, CONFIG_TEXT_MAX, &text) &&
        endpoint_parse(text, out, &info) != ERR_OK)
        reader_refuse(reader, node, what, info.text, "");
}

static void value_read(struct reader *reader, const struct node *node, const struct key *key,
                       void *field)
{
    char buffer[WHAT_CAP];
    struct text what;
    int64_t value = 0;
    text_init(&what, buffer, sizeof buffer);
    text_append_format(&what, key->label == NULL ? "`%s`" : "%s",
                       key->label == NULL ? key->name : key->label);
    if (key->kind == KEY_NAME)
        (void)reader_name(reader, node, buffer, field);
    else if (key->kind == KEY_PATH)
        (void)reader_path(reader, node, buffer, field);
    else if (key->kind == KEY_READ)
        key->read(reader, node, buffer, field);
    else if (key->kind == KEY_ADDRESS)
        address_read(reader, node, buffer, field);
    else if (integer_read(reader, node, buffer, key, &value))
        store(field, key, value);
}

bool section_read(struct reader *reader, const struct node *node, const struct section *section,
                  void *out)
{
    const bool is_map = reader_expect(reader, node, NODE_MAP, section->what);
    if (is_map)
        check_keys(reader, node, section);
    for (size_t i = 0; i < section->count; i++) {
        const struct key *key = &section->keys[i];
        if (key->kind == KEY_BY_HAND)
            continue;
        void *field = (uint8_t *)out + key->offset;
        const struct node *value = is_map ? node_get(node, key->name) : NULL;
        if (key->kind < KEY_NAME)
            store(field, key, key->fallback);
        if (key->kind == KEY_SECTION) // also without a value: its fields have defaults
            (void)section_read(reader, value, key->section, field);
        else if (value != NULL)
            value_read(reader, value, key, field);
    }
    return is_map;
}
