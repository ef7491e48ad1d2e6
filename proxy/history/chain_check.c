// 1. Each line goes to its instance (chain_walk). A line without a seal belongs to none.
// 2. At the end of the log: what each instance says that it found when it began is compared with what is there, so that
//    a whole instance, or the end of one, does not vanish without a trace.
// 3. A line is covered by the checkpoints of its instance, and by an instance that is covered itself and has found it.
//    Those that nothing covers may be the end of the log, which is still written. Anywhere else they are a fault: who can
//    write the log, but has no key, can add them.
#include "proxy/history/chain_check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proxy/history/chain_walk.h"
#include "proxy/history/chain_words.h"

enum {
    INSTANCES_MAX = 16384,
    SIGNED_MANY = 16, // checkpoints of others, in which time every process has signed what it wrote
};

struct chain_check {
    struct chain_view view;
    uint32_t ids[INSTANCES_MAX];                     // of the instances, to find one fast
    struct chain_instance *instances[INSTANCES_MAX]; // owned; in the order in which they begin
    size_t count;
    bool has_too_many;        // instances; it is said
    bool has_carriage_return; // at the end of a line; it is said
    uint64_t unsealed;
    struct chain_place first_unsealed;
    struct chain_place last;      // line
    bool has_seal;                // a line of that file has one
    struct merkle_hash last_hash; // of the last line
    bool was_unsealed;            // the last line has none
    bool has_sealed; // `sealed_id` is the instance of the last line with a seal, in this file
    uint32_t sealed_id;
    struct chain_place torn; // after that line; path NULL: none
};

struct chain_check *chain_check_create(const struct chain_check_options *options)
{
    struct chain_check *check = calloc(1, sizeof *check);
    if (check != NULL)
        check->view.options = *options;
    return check;
}

void chain_check_destroy(struct chain_check *check)
{
    if (check == NULL)
        return;
    for (size_t i = 0; i < check->count; i++) {
        chain_instance_deinit(check->instances[i]);
        free(check->instances[i]);
    }
    free(check);
}

bool chain_check_keep(struct chain_check *check, const struct checkpoint *kept)
{
    if (check->view.kept_count == CHAIN_KEPT_MAX)
        return false;
    check->view.kept[check->view.kept_count++] = *kept;
    return true;
}

static struct chain_instance *find(const struct chain_check *check, uint32_t id)
{
    for (size_t i = check->count; i > 0; i--) {
        if (check->ids[i - 1] == id)
            return check->instances[i - 1];
    }
    return NULL;
}

// add begins with an instance, for which there is room; NULL: no memory.
static struct chain_instance *add(struct chain_check *check, const struct seal *seal,
                                  const struct chain_place *place)
{
    struct chain_instance *instance = calloc(1, sizeof *instance);
    if (instance == NULL)
        return NULL;
    instance->id = seal->instance;
    instance->is_chained = seal->is_chained;
    instance->first = *place;
    instance->now.is_synced = true;
    check->ids[check->count] = seal->instance;
    check->instances[check->count++] = instance;
    return instance;
}

// look_back compares the line that an instance has found with what is there.
static void look_back(const struct chain_check *check, const struct seal_link *after,
                      const struct chain_place *place)
{
    const struct chain_instance *named =
        after->kind == SEAL_LINK_RECORD ? find(check, after->instance) : NULL;
    const struct chain_at *line =
        named == NULL ? NULL : chain_instance_find_recent(named, after->seq);
    if (line != NULL && !merkle_hash_equal(&line->hash, &after->hash))
        chain_tell(
            &check->view, CHAIN_CHANGED, &line->place,
            "this line was changed, or line %zu of %s was: the instance that begins there found it with another hash",
            place->number, place->path);
    if (after->kind == SEAL_LINK_LINE && check->was_unsealed &&
        !merkle_hash_equal(&check->last_hash, &after->hash))
        chain_tell(
            &check->view, CHAIN_CHANGED, place,
            "the line before this one was changed, or this one was: the instance that begins here found it with another hash");
}

static void on_unsealed(struct chain_check *check, const struct log_line *line,
                        const struct chain_place *place)
{
    if (slice_ends_with(line->bytes, SLICE_LITERAL("}\r"))) {
        if (!check->has_carriage_return)
            chain_tell(
                &check->view, CHAIN_CHANGED, place,
                "this line was changed: it ends with CR LF, as other programs write it; give "
                "the file that the proxy has written");
        check->has_carriage_return = true;
        return;
    }
    if (check->has_seal) {
        chain_tell(
            &check->view, CHAIN_ADDED, place,
            "this line was added, or changed: it has no instance and no number, and others before it have");
        return;
    }
    if (check->unsealed++ == 0)
        check->first_unsealed = *place;
}

// on_too_many looks at a line of an instance for which there is no room.
static void on_too_many(struct chain_check *check, const struct chain_place *place)
{
    if (!check->has_too_many)
        chain_tell(&check->view, CHAIN_UNPROVED, place,
                   "%d instances begin before this one, and those from here on are not looked at: "
                   "give fewer files at once, or lines were added",
                   INSTANCES_MAX);
    check->has_too_many = true;
}

static bool on_sealed(struct chain_check *check, const struct log_line *line,
                      const struct seal *seal, const struct chain_at *at)
{
    struct chain_instance *instance = find(check, seal->instance);
    if (instance == NULL && check->count == INSTANCES_MAX) {
        on_too_many(check, &at->place);
        return true;
    }
    if (instance == NULL)
        instance = add(check, seal, &at->place);
    if (instance == NULL)
        return false;
    bool is_next = false;
    if (!chain_walk_line(&check->view, instance, seal, at, &is_next))
        return false;
    if (seal->is_chained != instance->is_chained)
        chain_tell(&check->view, CHAIN_CHANGED, &at->place,
                   "this line was changed: it %s `prev`, and others of its instance %s",
                   seal->is_chained ? "has" : "has no", seal->is_chained ? "do not" : "do");
    if (seal->seq == 0 && is_next) {
        const struct chain_instance *named = find(check, seal->after.instance);
        instance->after = seal->after;
        instance->is_early = seal->after.kind == SEAL_LINK_RECORD && named != NULL &&
                             named->now.next <= seal->after.seq;
        look_back(check, &seal->after, &at->place);
    }
    if (is_next && line->entry != NULL && line->entry->event == AUDIT_EVENT_CHECKPOINT)
        chain_walk_checkpoint(&check->view, instance, line->entry);
    return true;
}

// on_torn_before looks at a torn line that this one follows: a writer that goes on leaves none.
static void on_torn_before(struct chain_check *check, const struct seal *seal)
{
    const bool goes_on = check->has_sealed ? check->sealed_id == seal->instance : seal->seq != 0;
    if (check->torn.path != NULL && goes_on)
        chain_tell(
            &check->view, CHAIN_ADDED, &check->torn,
            "this line was added, or changed: it is torn, and the same instance went on after it");
    check->torn.path = NULL;
    check->has_sealed = true;
    check->sealed_id = seal->instance;
}

// on_empty_before looks at empty lines in front of this one, which nobody has told us of: the writer leaves none.
static void on_empty_before(const struct chain_check *check, const struct chain_place *place)
{
    const struct chain_place empty = {.path = place->path, .number = check->last.number + 1};
    if (place->number > empty.number && check->has_seal)
        chain_tell(&check->view, CHAIN_ADDED, &empty, "this line was added: it is empty");
}

bool chain_check_line(struct chain_check *check, const struct log_line *line)
{
    struct seal seal;
    struct chain_at at = {.place = {.path = line->path, .number = line->number}};
    if (check->last.path == NULL || strcmp(check->last.path, line->path) != 0) {
        check->has_seal = false;
        check->was_unsealed = false;
        check->has_sealed = false;
        check->torn.path = NULL;
        check->last.number = 0;
    }
    on_empty_before(check, &at.place);
    check->last = at.place;
    if (line->is_torn) {
        check->torn = at.place;
        return true;
    }
    const bool is_sealed = seal_parse(line->bytes, &seal);
    bool has_memory = true;
    at.hash = merkle_hash_of(line->bytes);
    at.seq = seal.seq;
    if (is_sealed)
        on_torn_before(check, &seal);
    if (is_sealed)
        has_memory = on_sealed(check, line, &seal, &at);
    else
        on_unsealed(check, line, &at.place);
    check->has_seal |= is_sealed;
    check->was_unsealed = !is_sealed;
    check->last_hash = at.hash;
    return has_memory;
}

// tell_early says that an instance stands before what it has found: `found`, or NULL where that is not at hand.
static void tell_early(const struct chain_check *check, const struct chain_instance *instance,
                       const struct chain_at *found)
{
    chain_tell(&check->view, CHAIN_MOVED, &instance->first,
               "this line, or one that it has found, was moved: it stands before record %" PRIu64
               " of instance %08" PRIx32 ", which was there when it was written",
               instance->after.seq, instance->after.instance);
    if (found != NULL)
        chain_tell(
            &check->view, CHAIN_MOVED, &found->place,
            "this line, or line %zu of %s, was moved: the instance that begins there has found it",
            instance->first.number, instance->first.path);
}

// check_link looks for what an instance says that it found.
static void check_link(const struct chain_check *check, const struct chain_instance *instance,
                       bool is_oldest)
{
    const struct seal_link *after = &instance->after;
    if (after->kind != SEAL_LINK_RECORD)
        return;
    const struct chain_instance *named = find(check, after->instance);
    const bool may_lack =
        is_oldest && (check->view.options.may_lack_head || check->view.options.key_count == 0);
    if (named == NULL)
        chain_tell(&check->view, may_lack ? CHAIN_NOTE : CHAIN_REMOVED, &instance->first,
                   "instance %08" PRIx32
                   " is not here: when the instance of this line began, it found record %" PRIu64
                   " of it",
                   after->instance, after->seq);
    else if (named->now.next <= after->seq)
        chain_tell(&check->view, CHAIN_REMOVED, &named->now.last.place,
                   "%s after this one: instance %08" PRIx32 " found record %" PRIu64
                   " of instance %08" PRIx32 " when it began",
                   chain_words_missing(after->seq + 1 - named->now.next).text, instance->id,
                   after->seq, named->id);
    else if (instance->is_early)
        tell_early(check, instance, chain_instance_find_recent(named, after->seq));
}

// check_kept looks whether the log is as long as the checkpoints that were kept.
static void check_kept(const struct chain_check *check)
{
    for (size_t i = 0; i < check->view.kept_count; i++) {
        const struct checkpoint *kept = &check->view.kept[i];
        const struct chain_instance *instance = find(check, kept->instance);
        if (instance == NULL)
            chain_tell(&check->view, CHAIN_REMOVED, &check->last,
                       "after this line, or before all, instance %08" PRIx32
                       " is missing: there is a checkpoint of %s of it",
                       kept->instance, chain_words_count(kept->size).text);
        else if (instance->now.next < kept->size)
            chain_tell(&check->view, CHAIN_REMOVED, &instance->now.last.place,
                       "%s after this one: there is a checkpoint of %s of instance %08" PRIx32,
                       chain_words_missing(kept->size - instance->now.next).text,
                       chain_words_count(kept->size).text, instance->id);
    }
}

// uncovered counts the lines at the end of an instance that nothing proves. The last checkpoint proves itself.
static uint64_t uncovered(const struct chain_instance *instance)
{
    if (instance->last_good == instance->now.next && instance->covered + 1 == instance->now.next)
        return 0;
    const uint64_t count =
        instance->now.next > instance->covered ? instance->now.next - instance->covered : 0;
    return count < instance->lines ? count : instance->lines; // what is in older files is not here
}

// is_at_end tells whether what nothing covers of an instance may be the end of the log, which is still written: others have
// not signed often after it, and the last one that has signed at all, `last_covered`, did not begin later.
static bool is_at_end(const struct chain_check *check, size_t index, size_t last_covered)
{
    const struct chain_instance *instance = check->instances[index];
    return check->view.signed_count - instance->signed_before <= SIGNED_MANY &&
           (instance->covered > 0 || index >= last_covered);
}

static void check_cover(const struct chain_check *check, size_t index, size_t last_covered)
{
    const struct chain_instance *instance = check->instances[index];
    const uint64_t count = uncovered(instance);
    const struct chain_place *end = &instance->now.last.place;
    const bool is_last = index + 1 == check->count;
    if (!instance->is_chained)
        chain_tell(&check->view, CHAIN_UNPROVED, &instance->first,
                   "instance %08" PRIx32 " is not chained: nothing proves its %s", instance->id,
                   chain_words_count(instance->lines).text);
    else if (count > 0 && !is_at_end(check, index, last_covered))
        chain_tell(
            &check->view, CHAIN_UNPROVED, instance->covered == 0 ? &instance->first : end,
            "the last %s of instance %08" PRIx32
            " may have been added: no checkpoint covers the end of it, and there are checkpoints "
            "after that; or its process was killed beside another one",
            chain_words_count(count).text, instance->id);
    else if (count > 0)
        chain_tell(&check->view, CHAIN_NOTE, end,
                   "no checkpoint covers the last %s of instance %08" PRIx32 " up to this one",
                   chain_words_count(count).text, instance->id);
    if (instance->is_chained && is_last && instance->last_end != instance->now.next)
        chain_tell(&check->view, CHAIN_NOTE, end,
                   "instance %08" PRIx32
                   " has not ended with this line: it runs, was killed, or its end was cut off",
                   instance->id);
}

// spread_cover lets an instance cover the one that it has found, the latest first.
static void spread_cover(const struct chain_check *check)
{
    for (size_t i = check->count; i > 0; i--) {
        const struct chain_instance *instance = check->instances[i - 1];
        const struct seal_link *after = &instance->after;
        struct chain_instance *named = after->kind == SEAL_LINK_RECORD && instance->covered > 0
                                           ? find(check, after->instance)
                                           : NULL;
        if (named != NULL && named->is_chained && named->covered <= after->seq &&
            named->now.next > after->seq)
            named->covered = after->seq + 1;
    }
}

// check_covers looks at what the checkpoints cover. Where they cover nothing at all, anybody can have written all of it.
static void check_covers(const struct chain_check *check)
{
    size_t last_covered = 0;
    bool has_cover = false;
    spread_cover(check);
    for (size_t i = 0; i < check->count; i++) {
        if (check->instances[i]->covered == 0)
            continue;
        last_covered = i;
        has_cover = true;
    }
    for (size_t i = 0; i < check->count; i++)
        check_cover(check, i, last_covered);
    if (!has_cover)
        chain_tell(
            &check->view, CHAIN_UNPROVED, &check->last,
            "there is no good checkpoint up to the end: nothing is proved. %s",
            check->view.options.may_lack_head
                ? "A log that begins in the middle of a process needs two: give the file before it, "
                  "too, or wait for the next"
                : "A proxy that has just begun writes one after `every`");
}

// may_lack_head tells whether older files, which are not here, explain that the beginning of an instance is not here. With a
// key only the first one may lack it: where a line stands is signed by nobody, so that of a later instance anybody could have
// cut the beginning. Without a key also those may that ran beside it: `*reach` is the line of the first file up to which such
// instances run.
static bool may_lack_head(const struct chain_check *check, size_t index, size_t *reach)
{
    const struct chain_place *first = &check->instances[index]->first;
    const struct chain_place *last = &check->instances[index]->now.last.place;
    const char *oldest = check->instances[0]->first.path;
    if (check->view.options.key_count > 0)
        return index == 0 && check->view.options.may_lack_head;
    if (index > 0 && (strcmp(first->path, oldest) != 0 || first->number > *reach))
        return false;
    const size_t end =
        last->path == NULL || strcmp(last->path, oldest) != 0 ? SIZE_MAX : last->number;
    *reach = end > *reach ? end : *reach;
    return true;
}

void chain_check_finish(struct chain_check *check)
{
    const bool has_key = check->view.options.key_count > 0;
    bool has_memory = true;
    size_t reach = 0;
    for (size_t i = 0; i < check->count; i++)
        has_memory =
            chain_walk_end(&check->view, check->instances[i], may_lack_head(check, i, &reach)) &&
            has_memory;
    for (size_t i = 0; i < check->count; i++)
        check_link(check, check->instances[i], i == 0);
    check_kept(check);
    if (has_key)
        check_covers(check);
    if (check->unsealed > 0 && has_key)
        chain_tell(&check->view, CHAIN_UNPROVED, &check->first_unsealed,
                   "%s without instance and number, from this one on: nothing proves them",
                   chain_words_count(check->unsealed).text);
    if (!has_memory)
        chain_tell(&check->view, CHAIN_UNPROVED, &check->first_unsealed,
                   "no memory for all faults");
}

struct chain_sums chain_check_sum(const struct chain_check *check)
{
    struct chain_sums sums = {.instances = check->count, .unsealed = check->unsealed};
    for (size_t i = 0; i < check->count; i++) {
        sums.sealed += check->instances[i]->lines;
        sums.uncovered += uncovered(check->instances[i]);
    }
    return sums;
}
