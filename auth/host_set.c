// Records of flags, length and name, one after the other; after eight of them a table.
//
//   1. A name is hashed from its end to its start. In front of each dot the hash so far is that of
//      a suffix, and is looked up only when the set holds a suffix of so many labels: a name of 127
//      labels costs no more than the set's own depth.
//   2. At the start of the name the hash is that of the whole name, looked up as an exact one.
//   3. A pattern with a `*` inside stands in the table as it is written. For each shape of the set the
//      labels of the name that it says are replaced by `*`, and what comes of that is looked up.
//   4. A slot holds half of the hash, so that nearly every miss ends in the table, and the place of
//      the record, which is then compared. A collision costs time and never an answer.
#include "auth/host_set.h"

#include <stdlib.h>

#include "auth/base/hash.h"

enum {
    FLAG_EXACT = 1,
    FLAG_SUFFIX = 2,
    FLAGS_MATCHING = FLAG_EXACT | FLAG_SUFFIX, // also of a later record with the same name
    FLAG_LISTED_SUFFIX = 4,                    // the record itself is a suffix
    FLAG_STARS = 8,                            // labels of its name are `*`
    RECORD_HEAD = 2,                           // bytes: flags and length
    FEW_RECORDS = 8,                           // up to here no table
    LABELS_WORDS = 2,
    LABELS_A_WORD = 64,
    LABELS_MAX = (HOSTNAME_MAX_LEN + 1) / 2,
};

struct slot {
    uint32_t tag;   // upper half of the hash
    uint32_t place; // offset of the record + 1; 0: free
};

struct host_table {
    uint64_t suffix_labels[LABELS_WORDS]; // bit n: some suffix has n labels
    size_t mask;                          // number of slots - 1
    struct slot slots[];
};

struct host_set {
    const uint8_t *records;         // arena
    const struct host_table *table; // arena; NULL when there are few records
    size_t len;                     // bytes of the records
    bool has_any;
    const struct host_shape *shapes; // arena
    size_t shape_count;
};

// ---- building -----------------------------------------------------------------------------------

static bool make_room(struct host_set_builder *builder, size_t len)
{
    if (builder->cap - builder->len >= len)
        return true;
    size_t cap = builder->cap == 0 ? 64 : builder->cap * 2;
    uint8_t *grown = realloc(builder->records, cap < builder->len + len ? builder->len + len : cap);
    if (grown == NULL)
        return false;
    builder->cap = cap < builder->len + len ? builder->len + len : cap;
    builder->records = grown;
    return true;
}

static struct host_shape shape_of(const struct host_pattern *pattern)
{
    struct host_shape out = {.labels = 1};
    size_t count = 0;
    for (size_t i = 0; i < pattern->name.len; i++) {
        out.labels = (uint8_t)(out.labels + (pattern->name.text[i] == '.'));
        if (pattern->name.text[i] != '*')
            continue;
        for (size_t k = count++; k < HOST_PATTERN_STARS_MAX; k++)
            out.stars[k] = (uint8_t)(out.labels - 1);
    }
    return out;
}

// note_shape keeps the shape of a pattern that has one; false for one too many.
static bool note_shape(struct host_set_builder *builder, const struct host_pattern *pattern)
{
    const struct host_shape shape = shape_of(pattern);
    if (pattern->star_count == 0)
        return true;
    for (size_t i = 0; i < builder->shape_count; i++) {
        if (memcmp(&builder->shapes[i], &shape, sizeof shape) == 0)
            return true;
    }
    if (builder->shape_count == HOST_SET_SHAPES_MAX)
        return false;
    builder->shapes[builder->shape_count++] = shape;
    return true;
}

static uint8_t flags_of(const struct host_pattern *pattern)
{
    const unsigned kind =
        pattern->kind == HOST_PATTERN_SUFFIX ? FLAG_SUFFIX | FLAG_LISTED_SUFFIX : FLAG_EXACT;
    return (uint8_t)(kind | (pattern->star_count > 0 ? FLAG_STARS : 0));
}

enum err host_set_builder_add(struct host_set_builder *builder, const struct host_pattern *pattern)
{
    const struct slice name = hostname_slice(&pattern->name);
    if (pattern->kind == HOST_PATTERN_ANY) {
        builder->has_any = true;
        return ERR_OK;
    }
    if (builder->len + RECORD_HEAD + name.len >= UINT32_MAX || !note_shape(builder, pattern))
        return ERR_LIMIT;
    if (!make_room(builder, RECORD_HEAD + name.len))
        return ERR_MEMORY;
    uint8_t *record = builder->records + builder->len;
    record[0] = flags_of(pattern);
    record[1] = pattern->name.len;
    (void)bytes_copy(record + RECORD_HEAD, builder->cap - builder->len - RECORD_HEAD, name);
    builder->len += RECORD_HEAD + name.len;
    builder->count++;
    return ERR_OK;
}

void host_set_builder_deinit(struct host_set_builder *builder)
{
    free(builder->records);
    *builder = (struct host_set_builder){0};
}

static struct slice record_name(const uint8_t *record)
{
    return slice_of(record + RECORD_HEAD, record[1]);
}

static uint64_t hash_of(struct slice name)
{
    uint64_t hash = hash_begin();
    for (size_t i = name.len; i-- > 0;)
        hash = hash_add(hash, name.data[i]);
    return hash_end(hash);
}

static size_t count_labels(struct slice name)
{
    size_t count = 1;
    for (size_t i = 0; i < name.len; i++)
        count += name.data[i] == '.';
    return count;
}

// find_slot gives the index of the slot of the record with this very name, or of the free one where it would stand.
static size_t find_slot(const struct host_table *table, const uint8_t *records, struct slice name,
                        uint64_t hash)
{
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        const struct slot *slot = &table->slots[i];
        if (slot->place == 0 || (slot->tag == (uint32_t)(hash >> 32) &&
                                 slice_equal(record_name(records + (slot->place - 1)), name)))
            return i;
    }
}

// put_record puts the record at `place` into the table; one of the same name takes its flags.
static void put_record(struct host_table *table, uint8_t *records, size_t place)
{
    const struct slice name = record_name(records + place);
    const uint64_t hash = hash_of(name);
    if ((records[place] & (FLAG_SUFFIX | FLAG_STARS)) == FLAG_SUFFIX) {
        const size_t labels = count_labels(name);
        table->suffix_labels[labels / LABELS_A_WORD] |= UINT64_C(1) << labels % LABELS_A_WORD;
    }
    struct slot *slot = &table->slots[find_slot(table, records, name, hash)];
    if (slot->place == 0)
        *slot = (struct slot){.tag = (uint32_t)(hash >> 32), .place = (uint32_t)place + 1};
    else
        records[slot->place - 1] |= records[place] & FLAGS_MATCHING;
}

static struct host_table *build_table(struct arena *arena, uint8_t *records, size_t len,
                                      size_t count)
{
    size_t slot_count = 16;
    while (slot_count / 4 * 3 < count)
        slot_count *= 2;
    const size_t size = sizeof(struct host_table) + slot_count * sizeof(struct slot);
    struct host_table *table = arena_alloc(arena, size, 1);
    if (table == NULL)
        return NULL;
    table->mask = slot_count - 1;
    for (size_t at = 0; at < len; at += RECORD_HEAD + (size_t)records[at + 1])
        put_record(table, records, at);
    return table;
}

const struct host_set *host_set_builder_finish(struct host_set_builder *builder,
                                               struct arena *arena)
{
    struct host_set *set = arena_alloc(arena, 1, sizeof *set);
    uint8_t *records = arena_alloc_bytes(arena, builder->len);
    struct host_shape *shapes = arena_alloc(arena, builder->shape_count, sizeof *shapes);
    bool is_good = set != NULL && records != NULL && shapes != NULL;
    if (is_good) {
        (void)bytes_copy(records, builder->len, slice_of(builder->records, builder->len));
        for (size_t i = 0; i < builder->shape_count; i++)
            shapes[i] = builder->shapes[i];
        *set = (struct host_set){.records = records,
                                 .len = builder->len,
                                 .has_any = builder->has_any,
                                 .shapes = shapes,
                                 .shape_count = builder->shape_count};
        if (builder->count > FEW_RECORDS) {
            set->table = build_table(arena, records, builder->len, builder->count);
            is_good = set->table != NULL;
        }
    }
    host_set_builder_deinit(builder);
    return is_good ? set : NULL;
}

// ---- asking -------------------------------------------------------------------------------------

// find_record gives the flags of the record with this very name; 0 when there is none.
static uint8_t find_record(const struct host_set *set, struct slice name, uint64_t hash)
{
    const struct host_table *table = set->table;
    const struct slot *slot = &table->slots[find_slot(table, set->records, name, hash)];
    return slot->place == 0 ? 0 : set->records[slot->place - 1];
}

// cut_labels gives where each label of the name begins, the first one first, and their number.
static size_t cut_labels(struct slice name, uint8_t starts[LABELS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (i == 0 || name.data[i - 1] == '.')
            starts[count++] = (uint8_t)i;
    }
    return count;
}

// put_stars writes the last labels of the name, those from `first` on, with `*` in the places of the shape.
static struct slice put_stars(struct slice name, const uint8_t *starts, size_t first, size_t count,
                              const struct host_shape *shape, uint8_t out[HOSTNAME_MAX_LEN])
{
    size_t len = 0;
    size_t at = starts[first]; // what is in front of it is written
    for (size_t i = 0; i < HOST_PATTERN_STARS_MAX; i++) {
        const size_t label = first + shape->stars[i];
        if (i > 0 && shape->stars[i] == shape->stars[i - 1])
            break;
        while (at < starts[label])
            out[len++] = name.data[at++];
        out[len++] = '*';
        at = label + 1 < count ? starts[label + 1] - 1U : name.len;
    }
    while (at < name.len)
        out[len++] = name.data[at++];
    return slice_of(out, len);
}

// shapes_match looks the name up once for each shape that it has room for.
static bool shapes_match(const struct host_set *set, struct slice name)
{
    uint8_t starts[LABELS_MAX];
    uint8_t buffer[HOSTNAME_MAX_LEN];
    const size_t count = cut_labels(name, starts);
    for (size_t i = 0; i < set->shape_count; i++) {
        const struct host_shape *shape = &set->shapes[i];
        if (shape->labels > count)
            continue;
        const struct slice starred =
            put_stars(name, starts, count - shape->labels, count, shape, buffer);
        const uint8_t flag = shape->labels == count ? FLAG_EXACT : FLAG_SUFFIX;
        if ((find_record(set, starred, hash_of(starred)) & flag) != 0)
            return true;
    }
    return false;
}

static bool table_matches(const struct host_set *set, struct slice name)
{
    uint64_t hash = hash_begin();
    size_t labels = 1; // of what stands after the byte at `i`
    for (size_t i = name.len; i-- > 0; hash = hash_add(hash, name.data[i])) {
        if (name.data[i] != '.')
            continue;
        const uint64_t word = set->table->suffix_labels[labels / LABELS_A_WORD];
        if ((word >> labels % LABELS_A_WORD & 1) != 0 &&
            (find_record(set, slice_from(name, i + 1), hash_end(hash)) & FLAG_SUFFIX) != 0)
            return true;
        labels++;
    }
    return (find_record(set, name, hash_end(hash)) & FLAG_EXACT) != 0 ||
           (set->shape_count > 0 && shapes_match(set, name));
}

static enum host_pattern_kind record_kind(const uint8_t *record)
{
    if ((record[0] & FLAG_LISTED_SUFFIX) != 0)
        return HOST_PATTERN_SUFFIX;
    return (record[0] & FLAG_STARS) != 0 ? HOST_PATTERN_LABELS : HOST_PATTERN_EXACT;
}

// record_matches compares one record of a set without a table, whose flags are its own.
static bool record_matches(const uint8_t *record, struct slice name)
{
    const struct slice wanted = record_name(record);
    switch (record_kind(record)) {
    case HOST_PATTERN_EXACT:
        return slice_equal(name, wanted);
    case HOST_PATTERN_LABELS:
        return host_labels_match(wanted, name);
    case HOST_PATTERN_SUFFIX:
        if ((record[0] & FLAG_STARS) != 0)
            return host_tail_matches(wanted, name);
        return name.len > wanted.len + 1 && name.data[name.len - wanted.len - 1] == '.' &&
               slice_ends_with(name, wanted);
    case HOST_PATTERN_ANY:
        break;
    }
    return false;
}

bool host_set_matches(const struct host_set *set, const struct hostname *name)
{
    const struct slice asked = hostname_slice(name);
    if (asked.len == 0)
        return false;
    if (set->has_any)
        return true;
    if (set->table != NULL)
        return table_matches(set, asked);
    for (size_t at = 0; at < set->len; at += RECORD_HEAD + (size_t)set->records[at + 1]) {
        if (record_matches(set->records + at, asked))
            return true;
    }
    return false;
}

bool host_set_next(const struct host_set *set, size_t *cursor, struct host_record *out)
{
    if (*cursor < set->len) {
        const uint8_t *record = set->records + *cursor;
        *out = (struct host_record){.kind = record_kind(record), .name = record_name(record)};
        *cursor += RECORD_HEAD + out->name.len;
        return true;
    }
    if (!set->has_any || *cursor > set->len)
        return false;
    *out = (struct host_record){.kind = HOST_PATTERN_ANY};
    *cursor = set->len + 1;
    return true;
}
