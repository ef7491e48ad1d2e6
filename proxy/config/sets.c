// One tree of shared lists, found by `@NAME` or by path. A rule that uses one borrows its compiled sets.
#include "proxy/config/sets.h"

#include <search.h>
#include <stdlib.h>

#include "auth/base/text.h"
#include "auth/base/array.h"
#include "proxy/config/file.h"
#include "proxy/config/spelling.h"

enum { HINT_NAMES_MAX = 1000 }; // set names that a hint is looked for among

static const struct key sets_keys[] = {
    KEY_KNOWN("hosts", KEY_OPTIONAL),
    KEY_KNOWN("addresses", KEY_OPTIONAL),
};

struct list_file {
    const char *path;
    bool may_be_empty;
};

static const struct key file_keys[] = {
    KEY_ROW("file", KEY_PATH, struct list_file, path, .support = KEY_REQUIRED),
    KEY_ROW("allow_empty", KEY_BOOL, struct list_file, may_be_empty),
};

const struct section sets_section = SECTION("`sets`", sets_keys);
const struct section list_file_section = SECTION("a list from a file", file_keys);

// set is a compiled one, of either kind. An array of them is also one of pointers of either kind.
union set {
    const struct host_set *hosts;
    const struct ip_set *addresses;
};

_Static_assert(sizeof(union set) == sizeof(const void *), "an array of sets is one of pointers");

// shared is a list that more than one rule may use: a named set, or a file named in a rule.
struct shared {
    enum list_kind kind;
    const char *key;         // name with its `@`, or path; arena
    const struct node *name; // of a named set, where it stands; NULL for a file
    const union set *items;  // arena
    size_t count;
    struct list_facts facts;
    struct shared *next; // the one that came after it
    bool is_bad;         // reported; it has no sets
    bool is_used;
    bool is_reported; // its odd prefixes
};

void sets_deinit(struct sets *sets)
{
    tdestroy(sets->tree, free);
}

// ---- shared lists -------------------------------------------------------------------------------

static int compare_shared(const void *left, const void *right)
{
    const struct shared *a = left;
    const struct shared *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->key, b->key);
}

static struct shared *find_shared(const struct sets *sets, enum list_kind kind, const char *key)
{
    const struct shared probe = {.kind = kind, .key = key};
    struct shared *const *found = tfind(&probe, &sets->tree, compare_shared);
    return found == NULL ? NULL : *found;
}

// add_shared makes an empty list with this key, which is not there yet.
static struct shared *add_shared(struct sets *sets, enum list_kind kind, const char *key)
{
    struct shared *shared = calloc(1, sizeof *shared);
    const char *copy = reader_copy(sets->reader, slice_of_string(key));
    if (shared != NULL)
        *shared = (struct shared){.kind = kind, .key = copy};
    if (shared == NULL || copy == NULL || tsearch(shared, &sets->tree, compare_shared) == NULL) {
        free(shared);
        reader_no_memory(sets->reader);
        return NULL;
    }
    *(sets->last == NULL ? &sets->first : &sets->last->next) = shared;
    sets->last = shared;
    return shared;
}

// finish compiles the builder into one set.
static bool finish(struct sets *sets, struct list_builder *builder, union set *out)
{
    struct arena *arena = sets->reader->arena;
    const bool is_hosts = builder->kind == LIST_HOSTS;
    if (is_hosts)
        out->hosts = host_set_builder_finish(&builder->hosts, arena);
    else
        out->addresses = ip_set_builder_finish(&builder->addresses, arena);
    const bool is_made = is_hosts ? out->hosts != NULL : out->addresses != NULL;
    return is_made || reader_no_memory(sets->reader);
}

// ---- files --------------------------------------------------------------------------------------

// build_file makes the set of a list file from its text.
static bool build_file(struct sets *sets, struct slice text, struct shared *shared)
{
    struct reader *reader = sets->reader;
    struct list_builder builder = {.kind = shared->kind};
    union set *set = reader_alloc(reader, 1, sizeof *set);
    if (set == NULL)
        return false;
    const size_t before = reader->diagnostics->error_count;
    list_builder_add_lines(&builder, reader, shared->key, text);
    shared->facts = builder.facts;
    shared->items = set;
    shared->count = 1;
    const bool is_good = reader->diagnostics->error_count == before && finish(sets, &builder, set);
    list_builder_deinit(&builder);
    return is_good;
}

// keep keeps the text of a list file that is good.
static bool keep(struct sets *sets, const struct shared *shared, struct slice text, bool is_former)
{
    struct reader *reader = sets->reader;
    struct kept_list *kept = reader_alloc(reader, 1, sizeof *kept);
    const char *copy = kept == NULL ? NULL : reader_copy(reader, text);
    if (copy == NULL)
        return false;
    *kept = (struct kept_list){.path = shared->key,
                               .kind = (int)shared->kind,
                               .text = slice_of(copy, text.len),
                               .is_former = is_former,
                               .next = reader->keeper->kept};
    reader->keeper->kept = kept;
    return true;
}

// take_former makes the set of what a list file said when it was good last.
static bool take_former(struct sets *sets, struct shared *shared)
{
    const struct kept_list *former = sets->reader->keeper->former;
    while (former != NULL &&
           (former->kind != (int)shared->kind || strcmp(former->path, shared->key) != 0))
        former = former->next;
    return former != NULL && build_file(sets, former->text, shared) &&
           keep(sets, shared, former->text, true);
}

// load_file reads the list file `shared`, which `node` names.
static bool load_file(struct sets *sets, const struct node *node, struct shared *shared)
{
    struct reader *reader = sets->reader;
    struct file_content content = {0};
    if (!reader->read_list(reader, node, shared->key, &content))
        return false;
    const bool is_good = build_file(sets, content.bytes, shared) &&
                         (reader->keeper == NULL || keep(sets, shared, content.bytes, false));
    file_content_deinit(&content);
    return is_good;
}

// load_or_keep reads a list file, and where it is no good, or empty and may not be, takes what it said before.
static bool load_or_keep(struct sets *sets, const struct node *node, bool may_be_empty,
                         struct shared *shared)
{
    struct reader *reader = sets->reader;
    struct diagnostics *diagnostics = reader->diagnostics;
    struct diagnostics findings;
    if (reader->keeper == NULL)
        return load_file(sets, node, shared);
    const struct kept_list *before = reader->keeper->kept;
    diagnostics_init(&findings);
    reader->diagnostics = &findings;
    const bool is_good =
        load_file(sets, node, shared) && (shared->facts.entry_count > 0 || may_be_empty);
    reader->diagnostics = diagnostics;
    if (!is_good)
        reader->keeper->kept = before;
    const bool is_there = is_good || (!reader->is_out_of_memory && take_former(sets, shared));
    if (!is_there)
        diagnostics_append(diagnostics, &findings, SIZE_MAX);
    diagnostics_deinit(&findings);
    return is_there;
}

// file_list reads `{file: PATH, allow_empty: true}`, the file only when it is new. NULL when it is
// no good; that has been reported.
static struct shared *file_list(struct sets *sets, const struct node *node, enum list_kind kind)
{
    struct reader *reader = sets->reader;
    struct list_file list = {0};
    const struct node *file = node_get(node, "file");
    const size_t before = reader->diagnostics->error_count;
    if (file == NULL) {
        reader_error(reader, node,
                     "a map without `file` among the entries of `%s`"
                     "\nan entry is a text, or {file: PATH}",
                     list_kind_name(kind));
        return NULL;
    }
    if (reader->read_list == NULL) {
        reader_error(reader, file, "a list from a file cannot be read here");
        return NULL;
    }
    (void)section_read(reader, node, &list_file_section, &list);
    if (list.path == NULL || reader->diagnostics->error_count != before)
        return NULL;
    struct shared *shared = find_shared(sets, kind, list.path);
    if (shared == NULL) {
        shared = add_shared(sets, kind, list.path);
        if (shared == NULL)
            return NULL;
        shared->is_bad = !load_or_keep(sets, file, list.may_be_empty, shared);
    }
    if (shared->is_bad)
        return NULL;
    if (shared->facts.entry_count == 0 && !list.may_be_empty) {
        reader_error(reader, file,
                     "the list %s is empty\nif it may be, write {file: ..., allow_empty: true}",
                     list.path);
        return NULL;
    }
    return shared;
}

// ---- lists --------------------------------------------------------------------------------------

// add_names adds the names of the sets of a kind.
static void add_names(const struct sets *sets, enum list_kind kind,
                      const char *names[HINT_NAMES_MAX], size_t *count)
{
    for (const struct shared *set = sets->first; set != NULL && *count < HINT_NAMES_MAX;
         set = set->next) {
        if (set->kind == kind && set->name != NULL)
            names[(*count)++] = set->key;
    }
}

// report_unknown says that there is no such set, and what was perhaps meant.
static void report_unknown(struct sets *sets, const struct node *node, enum list_kind kind)
{
    struct text text;
    const char *names[HINT_NAMES_MAX];
    const char *section = list_kind_name(kind);
    const enum list_kind other = kind == LIST_HOSTS ? LIST_ADDRESSES : LIST_HOSTS;
    size_t count = 0;
    for (const struct sets *each = sets; each != NULL; each = each->outer)
        add_names(each, kind, names, &count);
    const size_t nearest = spelling_nearest(node->text, names, count);
    text_init(&text, sets->reader->hint, sizeof sets->reader->hint);
    if (find_shared(sets, other, (const char *)node->text.data) != NULL)
        text_append_format(&text, "there is one under `sets.%s`, which is for other lists",
                           list_kind_name(other));
    else if (nearest < count)
        text_append_format(&text, "did you mean `%s`?", names[nearest]);
    else
        text_append_format(&text, "add `sets: {%s: {%.*s: [...]}}`", section,
                           (int)(node->text.len - 1 < 32 ? node->text.len - 1 : 32),
                           (const char *)node->text.data + 1);
    reader_error(sets->reader, node, "there is no set `%s` under `sets.%s`\n%s",
                 reader_quote(sets->reader, node->text), section, sets->reader->hint);
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
        reader_error(sets->reader, node,
                     "a set cannot contain another set"
                     "\nname both where they are used: [\"%s\", \"@...\"]",
                     inside->key);
        return NULL;
    }
    struct shared *shared = find_shared(sets, kind, (const char *)node->text.data);
    if (shared == NULL && sets->outer != NULL)
        shared = find_shared(sets->outer, kind, (const char *)node->text.data);
    if (shared == NULL || shared->name == NULL) {
        report_unknown(sets, node, kind);
        return NULL;
    }
    shared->is_used = true;
    return shared->is_bad ? NULL : shared;
}

// list is one while it is read: plain entries in a builder, and the sets and facts of shared lists that it names.
struct list {
    struct list_builder plain;
    union set *items; // owned
    size_t count;
    size_t cap;
    size_t shared_count;
    const struct shared *last; // shared list
    struct list_facts facts;
};

// add_shared_sets adds those of a shared list, whose odd prefixes are reported once where an allow uses them.
static void add_shared_sets(struct sets *sets, struct list *list, struct shared *shared,
                            bool is_allow)
{
    for (size_t i = 0; i < shared->count; i++) {
        union set *items = array_make_room(list->items, list->count, &list->cap, sizeof *items);
        if (items == NULL) {
            reader_no_memory(sets->reader);
            return;
        }
        list->items = items;
        items[list->count++] = shared->items[i];
    }
    list->shared_count++;
    list->last = shared;
    list_facts_add(&list->facts, &shared->facts);
    if (is_allow && !shared->is_reported)
        list_facts_report(sets->reader, &shared->facts);
    shared->is_reported |= is_allow;
}

// list_finish gives `out` the set of the plain entries, where there are any, and those of the shared lists.
static bool list_finish(struct sets *sets, struct list *list, struct shared *out)
{
    const size_t plain_count = list->plain.facts.entry_count > 0;
    if (plain_count == 0 && list->shared_count == 1) {
        out->items = list->last->items;
        out->count = list->last->count;
        return true;
    }
    union set *items = reader_alloc(sets->reader, plain_count + list->count, sizeof *items);
    if (items == NULL || (plain_count > 0 && !finish(sets, &list->plain, &items[0])))
        return false;
    for (size_t i = 0; i < list->count; i++)
        items[plain_count + i] = list->items[i];
    out->items = items;
    out->count = plain_count + list->count;
    return true;
}

// list_read reads the whole list `node` into the sets and facts of `out`, whose kind is set.
static bool list_read(struct sets *sets, const struct node *node, const char *what,
                      const struct shared *inside, bool is_allow, struct shared *out)
{
    struct list list = {.plain = {.kind = out->kind}};
    if (!reader_list(sets->reader, node, what, 1, LIST_ENTRIES_MAX))
        return false;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (entry->kind != NODE_MAP && !is_set_name(entry)) {
            (void)list_builder_add(&list.plain, sets->reader, entry);
            continue;
        }
        struct shared *shared = part_read(sets, entry, out->kind, inside);
        if (shared != NULL)
            add_shared_sets(sets, &list, shared, is_allow);
    }
    if (is_allow)
        list_facts_report(sets->reader, &list.plain.facts);
    out->facts = list.plain.facts;
    list_facts_add(&out->facts, &list.facts);
    const bool is_good = list_finish(sets, &list, out);
    list_builder_deinit(&list.plain);
    free(list.items);
    return is_good;
}

void sets_read_hosts(struct sets *sets, const struct node *node, const char *what,
                     struct host_sets *out, struct list_facts *facts)
{
    struct shared list = {.kind = LIST_HOSTS};
    (void)list_read(sets, node, what, NULL, false, &list);
    *out = (struct host_sets){.items = (const struct host_set *const *)list.items,
                              .count = list.count};
    *facts = list.facts;
}

void sets_read_addresses(struct sets *sets, const struct node *node, const char *what,
                         bool is_allow, struct ip_sets *out, struct list_facts *facts)
{
    struct shared list = {.kind = LIST_ADDRESSES};
    (void)list_read(sets, node, what, NULL, is_allow, &list);
    *out = (struct ip_sets){.items = (const struct ip_set *const *)list.items, .count = list.count};
    *facts = list.facts;
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
    if (sets->outer != NULL && find_shared(sets->outer, kind, key) != NULL) {
        reader_error(sets->reader, node->key,
                     "the main file has a set `%s`, which this file can use"
                     "\ngive this one another name",
                     key);
        return;
    }
    struct shared *shared = add_shared(sets, kind, key);
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
        reader_error(sets->reader, node, "`%s` is %s: expected a map\nwrite `%s: {NAME: [...]}`",
                     list_kind_name(kind), node_kind_name(node->kind), list_kind_name(kind));
        return;
    }
    for (const struct node *set = node->child; set != NULL; set = set->next)
        set_read(sets, set, kind);
}

void sets_read(struct sets *sets, const struct node *node)
{
    if (!section_read(sets->reader, node, &sets_section, NULL))
        return;
    kind_read(sets, node_get(node, "hosts"), LIST_HOSTS);
    kind_read(sets, node_get(node, "addresses"), LIST_ADDRESSES);
}

void sets_warn_unused(struct sets *sets)
{
    for (const struct shared *set = sets->first; set != NULL; set = set->next) {
        if (set->name != NULL && !set->is_used)
            reader_warning(sets->reader, set->name,
                           "no rule uses the set `%s`\nuse it as \"%s\", or remove it", set->key,
                           set->key);
    }
}
