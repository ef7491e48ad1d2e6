// One table of shared lists, found by `@NAME` or by path. What uses one borrows its compiled sets.
#include "proxy/config/sets.h"

#include <stdlib.h>

#include "auth/base/hash.h"
#include "auth/base/text.h"
#include "proxy/config/spelling.h"

enum { HINT_NAMES_MAX = 1000 }; // set names that a hint is looked for among

// shared is a list that more than one rule may use: a named set, or a file named in a rule.
struct shared {
    enum list_kind kind;
    const char *key;         // name with its `@`, or path; arena
    const struct node *name; // of a named set, where it stands; NULL for a file
    struct host_sets hosts;  // of kind LIST_HOSTS
    struct ip_sets addresses;
    struct list_facts facts;
    bool is_bad; // reported; it has no sets
    bool is_used;
    bool is_reported; // its odd prefixes
};

struct sets {
    struct reader *reader;          // borrowed
    const struct list_files *files; // borrowed; NULL: none
    struct shared **slots;          // owned: a hash table; free slots are NULL
    size_t slot_count;              // a power of 2
    struct shared **order;          // owned: as they came; owns what it points to
    size_t count;
    size_t cap;
};

struct sets *sets_create(struct reader *reader, const struct list_files *files)
{
    struct sets *sets = calloc(1, sizeof *sets);
    if (sets == NULL)
        return NULL;
    sets->reader = reader;
    sets->files = files;
    return sets;
}

void sets_destroy(struct sets *sets)
{
    if (sets == NULL)
        return;
    for (size_t i = 0; i < sets->count; i++)
        free(sets->order[i]);
    free(sets->order);
    free(sets->slots);
    free(sets);
}

// ---- the table ----------------------------------------------------------------------------------

static size_t hash_key(enum list_kind kind, struct slice key)
{
    uint64_t hash = hash_add(hash_begin(), (uint8_t)kind);
    for (size_t i = 0; i < key.len; i++)
        hash = hash_add(hash, key.data[i]);
    return (size_t)hash_end(hash);
}

// slot_for gives the slot of the list with this key, or the free one where it would go.
static struct shared **slot_for(const struct sets *sets, enum list_kind kind, struct slice key)
{
    size_t i = hash_key(kind, key);
    for (;; i++) {
        struct shared **slot = &sets->slots[i & (sets->slot_count - 1)];
        if (*slot == NULL ||
            ((*slot)->kind == kind && slice_equal(slice_of_string((*slot)->key), key)))
            return slot;
    }
}

static struct shared *find_shared(const struct sets *sets, enum list_kind kind, struct slice key)
{
    return sets->slot_count == 0 ? NULL : *slot_for(sets, kind, key);
}

// grow makes room for one more: a table at most half full, and the list in order.
static bool grow(struct sets *sets)
{
    if (sets->count < sets->cap)
        return true;
    const size_t cap = sets->cap == 0 ? 16 : sets->cap * 2;
    struct shared **order = reallocarray(sets->order, cap, sizeof *order);
    struct shared **slots = calloc(cap * 2, sizeof *slots);
    if (order != NULL)
        sets->order = order;
    if (order == NULL || slots == NULL) {
        free(slots);
        return false;
    }
    free(sets->slots);
    sets->slots = slots;
    sets->slot_count = cap * 2;
    sets->cap = cap;
    for (size_t i = 0; i < sets->count; i++)
        *slot_for(sets, order[i]->kind, slice_of_string(order[i]->key)) = order[i];
    return true;
}

// add_shared makes an empty list with this key, which is not there yet.
static struct shared *add_shared(struct sets *sets, enum list_kind kind, struct slice key)
{
    struct shared *shared = calloc(1, sizeof *shared);
    const char *copy = reader_copy(sets->reader, key);
    if (shared == NULL || copy == NULL || !grow(sets)) {
        free(shared);
        (void)reader_no_memory(sets->reader);
        return NULL;
    }
    shared->kind = kind;
    shared->key = copy;
    *slot_for(sets, kind, key) = shared;
    sets->order[sets->count++] = shared;
    return shared;
}

// ---- from builders to sets ----------------------------------------------------------------------

// finish compiles the builder into the one set of `out`.
static bool finish(struct sets *sets, struct list_builder *builder, struct host_sets *hosts,
                   struct ip_sets *addresses)
{
    struct arena *arena = sets->reader->arena;
    if (builder->kind == LIST_HOSTS) {
        const struct host_set **items = arena_alloc(arena, 1, sizeof *items);
        const struct host_set *set = host_set_builder_finish(&builder->hosts, arena);
        if (items == NULL || set == NULL)
            return reader_no_memory(sets->reader);
        items[0] = set;
        *hosts = (struct host_sets){.items = items, .count = 1};
        return true;
    }
    const struct ip_set **items = arena_alloc(arena, 1, sizeof *items);
    const struct ip_set *set = ip_set_builder_finish(&builder->addresses, arena);
    if (items == NULL || set == NULL)
        return reader_no_memory(sets->reader);
    items[0] = set;
    *addresses = (struct ip_sets){.items = items, .count = 1};
    return true;
}

// ---- files --------------------------------------------------------------------------------------

struct file_taker {
    struct sets *sets;
    struct shared *shared;
};

static void take_file(void *taker, struct slice bytes)
{
    struct file_taker *file = taker;
    struct shared *shared = file->shared;
    struct reader *reader = file->sets->reader;
    struct list_builder builder = {.kind = shared->kind};
    const size_t before = reader->diagnostics->error_count;
    list_builder_add_lines(&builder, reader, shared->key, bytes);
    shared->facts = builder.facts;
    shared->is_bad = reader->diagnostics->error_count != before ||
                     !finish(file->sets, &builder, &shared->hosts, &shared->addresses);
    list_builder_deinit(&builder);
}

// file_list reads `{file: PATH, allow_empty: true}`, the file only when it is new. NULL when it is
// no good; that has been reported.
static struct shared *file_list(struct sets *sets, const struct node *node, enum list_kind kind)
{
    static const struct key keys[] = {{"file", KEY_REQUIRED}, {"allow_empty", KEY_OPTIONAL}};
    struct reader *reader = sets->reader;
    const char *path = NULL;
    bool may_be_empty = false;
    const struct node *file = node_get(node, "file");
    const struct node *allow_empty = node_get(node, "allow_empty");
    if (file == NULL) {
        diagnostic_set_hint(reader_error(reader, node,
                                         "a map without `file` among the entries of "
                                         "`%s`",
                                         list_kind_name(kind)),
                            "an entry is a text, or {file: PATH}");
        return NULL;
    }
    if (!reader_map(reader, node, "a list from a file", keys, 2) ||
        (allow_empty != NULL &&
         !reader_boolean(reader, allow_empty, "`allow_empty`", &may_be_empty)))
        return NULL;
    if (sets->files == NULL) {
        (void)reader_error(reader, file, "a list from a file cannot be read here");
        return NULL;
    }
    if (!sets->files->resolve(sets->files->arg, file, &path))
        return NULL;
    struct shared *shared = find_shared(sets, kind, slice_of_string(path));
    if (shared == NULL) {
        shared = add_shared(sets, kind, slice_of_string(path));
        if (shared == NULL)
            return NULL;
        struct file_taker taker = {.sets = sets, .shared = shared};
        if (!sets->files->read(sets->files->arg, file, shared->key, take_file, &taker))
            shared->is_bad = true;
    }
    if (shared->is_bad)
        return NULL;
    if (shared->facts.entry_count == 0 && !may_be_empty) {
        diagnostic_set_hint(reader_error(reader, file, "the list %s is empty", path),
                            "if it may be, write {file: ..., allow_empty: true}");
        return NULL;
    }
    return shared;
}

// ---- lists --------------------------------------------------------------------------------------

// part_list is the shared lists that one list is made of, besides its plain entries.
struct part_list {
    struct shared **items; // owned
    size_t count;
    size_t cap;
};

static bool add_part(struct sets *sets, struct part_list *parts, struct shared *shared)
{
    if (parts->count == parts->cap) {
        const size_t cap = parts->cap == 0 ? 4 : parts->cap * 2;
        struct shared **grown = reallocarray(parts->items, cap, sizeof *grown);
        if (grown == NULL)
            return reader_no_memory(sets->reader);
        parts->items = grown;
        parts->cap = cap;
    }
    parts->items[parts->count++] = shared;
    return true;
}

// report_unknown says that there is no such set, and what was perhaps meant.
static void report_unknown(struct sets *sets, const struct node *node, enum list_kind kind)
{
    char quoted[CONFIG_QUOTE_CAP];
    const char *names[HINT_NAMES_MAX];
    const enum list_kind other = kind == LIST_HOSTS ? LIST_ADDRESSES : LIST_HOSTS;
    size_t count = 0;
    struct diagnostic *found =
        reader_error(sets->reader, node, "there is no set `%s` under `sets.%s`",
                     reader_quote(node->text, quoted), list_kind_name(kind));
    if (find_shared(sets, other, node->text) != NULL) {
        diagnostic_set_hint(found, "there is one under `sets.%s`, which is for other lists",
                            list_kind_name(other));
        return;
    }
    for (size_t i = 0; i < sets->count && count < HINT_NAMES_MAX; i++) {
        if (sets->order[i]->kind == kind && sets->order[i]->name != NULL)
            names[count++] = sets->order[i]->key;
    }
    const size_t nearest = spelling_nearest(node->text, names, count);
    if (nearest < count)
        diagnostic_set_hint(found, "did you mean `%s`?", names[nearest]);
    else
        diagnostic_set_hint(found, "add `sets: {%s: {%.*s: [...]}}`", list_kind_name(kind),
                            (int)(node->text.len - 1 < 32 ? node->text.len - 1 : 32),
                            (const char *)node->text.data + 1);
}

static bool is_set_name(const struct node *node)
{
    return node->kind == NODE_SCALAR && node->text.len > 0 && node->text.data[0] == '@';
}

// part_read reads an entry that names a set or a file; `inside` is the set that is being read.
static struct shared *part_read(struct sets *sets, const struct node *node, enum list_kind kind,
                                const struct shared *inside)
{
    if (node->kind == NODE_MAP)
        return file_list(sets, node, kind);
    if (inside != NULL) {
        diagnostic_set_hint(reader_error(sets->reader, node, "a set does not hold another set"),
                            "name both where they are used: [\"%s\", \"@...\"]", inside->key);
        return NULL;
    }
    struct shared *shared = find_shared(sets, kind, node->text);
    if (shared == NULL || shared->name == NULL) {
        report_unknown(sets, node, kind);
        return NULL;
    }
    shared->is_used = true;
    return shared->is_bad ? NULL : shared;
}

// entries_read sorts the entries of `node` into plain ones and parts.
static void entries_read(struct sets *sets, const struct node *node, const struct shared *inside,
                         struct list_builder *builder, struct part_list *parts)
{
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (entry->kind != NODE_MAP && !is_set_name(entry)) {
            (void)list_builder_add(builder, sets->reader, entry);
            continue;
        }
        struct shared *shared = part_read(sets, entry, builder->kind, inside);
        if (shared != NULL)
            (void)add_part(sets, parts, shared);
    }
}

// combine_hosts and combine_addresses give the sets of the plain entries and of all parts.
static bool combine_hosts(struct sets *sets, const struct host_sets *plain,
                          const struct part_list *parts, struct host_sets *out)
{
    size_t count = plain->count;
    if (plain->count == 0 && parts->count == 1) {
        *out = parts->items[0]->hosts;
        return true;
    }
    for (size_t i = 0; i < parts->count; i++)
        count += parts->items[i]->hosts.count;
    const struct host_set **items = reader_alloc(sets->reader, count, sizeof *items);
    if (items == NULL)
        return false;
    *out = (struct host_sets){.items = items};
    for (size_t i = 0; i < plain->count; i++)
        items[out->count++] = plain->items[i];
    for (size_t i = 0; i < parts->count; i++) {
        for (size_t k = 0; k < parts->items[i]->hosts.count; k++)
            items[out->count++] = parts->items[i]->hosts.items[k];
    }
    return true;
}

static bool combine_addresses(struct sets *sets, const struct ip_sets *plain,
                              const struct part_list *parts, struct ip_sets *out)
{
    size_t count = plain->count;
    if (plain->count == 0 && parts->count == 1) {
        *out = parts->items[0]->addresses;
        return true;
    }
    for (size_t i = 0; i < parts->count; i++)
        count += parts->items[i]->addresses.count;
    const struct ip_set **items = reader_alloc(sets->reader, count, sizeof *items);
    if (items == NULL)
        return false;
    *out = (struct ip_sets){.items = items};
    for (size_t i = 0; i < plain->count; i++)
        items[out->count++] = plain->items[i];
    for (size_t i = 0; i < parts->count; i++) {
        for (size_t k = 0; k < parts->items[i]->addresses.count; k++)
            items[out->count++] = parts->items[i]->addresses.items[k];
    }
    return true;
}

static void report_odd(struct sets *sets, const struct list_facts *plain,
                       const struct part_list *parts)
{
    list_facts_report(sets->reader, plain);
    for (size_t i = 0; i < parts->count; i++) {
        struct shared *shared = parts->items[i];
        if (!shared->is_reported)
            list_facts_report(sets->reader, &shared->facts);
        shared->is_reported = true;
    }
}

// list_read reads the whole list `node` into the sets and facts of `out`, whose kind is set.
static bool list_read(struct sets *sets, const struct node *node, const char *what,
                      const struct shared *inside, bool is_allow, struct shared *out)
{
    struct list_builder builder = {.kind = out->kind};
    struct part_list parts = {0};
    struct host_sets hosts = {0};
    struct ip_sets addresses = {0};
    if (!reader_list(sets->reader, node, what, 1, LIST_ENTRIES_MAX))
        return false;
    entries_read(sets, node, inside, &builder, &parts);
    out->facts = builder.facts;
    bool is_good = builder.facts.entry_count == 0 || finish(sets, &builder, &hosts, &addresses);
    if (is_good)
        is_good = out->kind == LIST_HOSTS
                      ? combine_hosts(sets, &hosts, &parts, &out->hosts)
                      : combine_addresses(sets, &addresses, &parts, &out->addresses);
    if (is_allow)
        report_odd(sets, &builder.facts, &parts);
    for (size_t i = 0; i < parts.count; i++)
        list_facts_add(&out->facts, &parts.items[i]->facts);
    list_builder_deinit(&builder);
    free(parts.items);
    return is_good;
}

bool sets_read_hosts(struct sets *sets, const struct node *node, const char *what,
                     struct host_sets *out, struct list_facts *facts)
{
    struct shared list = {.kind = LIST_HOSTS};
    const bool is_good = list_read(sets, node, what, NULL, false, &list);
    *out = list.hosts;
    *facts = list.facts;
    return is_good;
}

bool sets_read_addresses(struct sets *sets, const struct node *node, const char *what,
                         bool is_allow, struct ip_sets *out, struct list_facts *facts)
{
    struct shared list = {.kind = LIST_ADDRESSES};
    const bool is_good = list_read(sets, node, what, NULL, is_allow, &list);
    *out = list.addresses;
    *facts = list.facts;
    return is_good;
}

// ---- the section --------------------------------------------------------------------------------

static void set_read(struct sets *sets, const struct node *node, enum list_kind kind)
{
    char key[CONFIG_NAME_MAX + 2] = "@";
    char what[CONFIG_NAME_MAX + 16];
    struct text text;
    if (!reader_check_name(sets->reader, node->key, "set name"))
        return;
    (void)string_copy(key + 1, sizeof key - 1, node->key->text);
    text_init(&text, what, sizeof what);
    text_append_format(&text, "the set `%s`", key);
    struct shared *shared = add_shared(sets, kind, slice_of_string(key));
    if (shared == NULL)
        return;
    shared->name = node->key;
    const size_t before = sets->reader->diagnostics->error_count;
    shared->is_bad = !list_read(sets, node, what, shared, false, shared) ||
                     sets->reader->diagnostics->error_count != before;
}

static void kind_read(struct sets *sets, const struct node *node, enum list_kind kind)
{
    if (node == NULL)
        return;
    if (node->kind != NODE_MAP) {
        diagnostic_set_hint(reader_error(sets->reader, node, "`%s` is %s: expected a map",
                                         list_kind_name(kind), node_kind_name(node->kind)),
                            "write `%s: {NAME: [...]}`", list_kind_name(kind));
        return;
    }
    for (const struct node *set = node->child; set != NULL; set = set->next)
        set_read(sets, set, kind);
}

void sets_read(struct sets *sets, const struct node *node)
{
    static const struct key keys[] = {{"hosts", KEY_OPTIONAL}, {"addresses", KEY_OPTIONAL}};
    if (!reader_map(sets->reader, node, "`sets`", keys, 2))
        return;
    kind_read(sets, node_get(node, "hosts"), LIST_HOSTS);
    kind_read(sets, node_get(node, "addresses"), LIST_ADDRESSES);
}

bool sets_uses_bad(const struct sets *sets)
{
    for (size_t i = 0; i < sets->count; i++) {
        if (sets->order[i]->is_used && sets->order[i]->is_bad)
            return true;
    }
    return false;
}

void sets_warn_unused(struct sets *sets)
{
    for (size_t i = 0; i < sets->count; i++) {
        const struct shared *shared = sets->order[i];
        if (shared->name == NULL || shared->is_used)
            continue;
        diagnostic_set_hint(
            reader_warning(sets->reader, shared->name, "no rule uses the set `%s`", shared->key),
            "use it as \"%s\", or take it out", shared->key);
    }
}
