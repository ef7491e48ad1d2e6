// 1. A stretch is where an instance begins in a file. All stretches together are sorted by instance and number.
// 2. Two neighbours of one instance in different files are a tie: the first file is older.
// 3. The next file is always one in front of which no tie leaves another; of several the one with the earliest time.
#include "proxy/history/log_order.h"

#include <stdlib.h>

#include "proxy/chain/seal.h"

static bool has_stretch(const struct log_contents *contents, uint32_t instance)
{
    for (size_t i = contents->count; i > 0; i--) {
        if (contents->stretches[i - 1].instance == instance)
            return true;
    }
    return false;
}

static void add_stretch(struct log_contents *contents, const struct log_stretch *stretch)
{
    if (contents->count < LOG_ORDER_INSTANCES && !has_stretch(contents, stretch->instance))
        contents->stretches[contents->count++] = *stretch;
}

void log_contents_take(struct log_contents *contents, struct slice line)
{
    struct seal seal;
    if (!seal_parse(line, &seal))
        return;
    if (seal.seq == 0 && seal.after.kind == SEAL_LINK_RECORD)
        add_stretch(contents, &(struct log_stretch){.instance = seal.after.instance,
                                                    .seq = seal.after.seq,
                                                    .is_found = true});
    add_stretch(contents, &(struct log_stretch){.instance = seal.instance, .seq = seal.seq});
}

struct placed_stretch {
    struct log_stretch stretch;
    size_t file;
};

// compare_stretches: a line stands in its file before another file names it.
static int compare_stretches(const void *a, const void *b)
{
    const struct placed_stretch *left = a;
    const struct placed_stretch *right = b;
    if (left->stretch.instance != right->stretch.instance)
        return left->stretch.instance < right->stretch.instance ? -1 : 1;
    if (left->stretch.seq != right->stretch.seq)
        return left->stretch.seq < right->stretch.seq ? -1 : 1;
    if (left->stretch.is_found != right->stretch.is_found)
        return left->stretch.is_found ? 1 : -1;
    return (left->file > right->file) - (left->file < right->file);
}

struct ordering {
    const struct log_contents *files;
    size_t file_count;
    struct placed_stretch *stretches; // owned
    size_t stretch_count;
    struct file_place {
        size_t before; // ties to files that are still to come
        bool is_done;
    } * places; // owned
};

// tie_at tells whether the stretch and the next one are a tie.
static bool tie_at(const struct ordering *ordering, size_t index)
{
    const struct placed_stretch *at = &ordering->stretches[index];
    return at[0].stretch.instance == at[1].stretch.instance && at[0].file != at[1].file;
}

static void tie(struct ordering *ordering)
{
    for (size_t i = 0; i < ordering->file_count; i++) {
        for (size_t k = 0; k < ordering->files[i].count; k++)
            ordering->stretches[ordering->stretch_count++] =
                (struct placed_stretch){.stretch = ordering->files[i].stretches[k], .file = i};
    }
    qsort(ordering->stretches, ordering->stretch_count, sizeof *ordering->stretches,
          compare_stretches);
    for (size_t i = 0; i + 1 < ordering->stretch_count; i++) {
        if (tie_at(ordering, i))
            ordering->places[ordering->stretches[i + 1].file].before++;
    }
}

// next_file picks the one that comes next.
static size_t next_file(const struct ordering *ordering)
{
    size_t best = ordering->file_count;
    for (size_t i = 0; i < ordering->file_count; i++) {
        const struct file_place *place = &ordering->places[i];
        if (place->is_done)
            continue;
        const bool is_free = place->before == 0;
        const bool is_best_free = best < ordering->file_count && ordering->places[best].before == 0;
        const bool is_earlier = best == ordering->file_count ||
                                strcmp(ordering->files[i].ts, ordering->files[best].ts) < 0;
        if (is_free == is_best_free ? is_earlier : is_free)
            best = i;
    }
    return best;
}

static void finish_file(struct ordering *ordering, size_t file)
{
    ordering->places[file].is_done = true;
    for (size_t i = 0; i + 1 < ordering->stretch_count; i++) {
        if (ordering->stretches[i].file == file && tie_at(ordering, i))
            ordering->places[ordering->stretches[i + 1].file].before--;
    }
}

bool log_order_find(const struct log_contents *files, size_t count, size_t *out)
{
    size_t total = 1; // so that there is something to allocate
    for (size_t i = 0; i < count; i++)
        total += files[i].count;
    struct ordering ordering = {.files = files,
                                .file_count = count,
                                .stretches = calloc(total, sizeof *ordering.stretches),
                                .places = calloc(count + 1, sizeof *ordering.places)};
    const bool has_memory = ordering.stretches != NULL && ordering.places != NULL;
    if (has_memory)
        tie(&ordering);
    for (size_t i = 0; i < count && has_memory; i++) {
        out[i] = next_file(&ordering);
        finish_file(&ordering, out[i]);
    }
    free(ordering.stretches);
    free(ordering.places);
    return has_memory;
}
