// Steps of a chained line L after the line before it:
//   1. Its number says whether it is the next line. A larger number leaves a gap; the line after L tells whether lines
//      are gone or L itself does not belong there. A smaller one is a stray, which may fill a gap.
//   2. `prev` of L is the hash of the line before, or one of both was changed. The line after L tells which: if it knows
//      the hash of L, then L is good. So the tree lacks the last line, or the last two.
//   3. In the tree a changed line counts with the hash that its successor knows. So one change does not spoil what comes
//      after it.
//   4. A checkpoint has the root of all lines before it. It also has the subtrees, so that after a gap the tree goes on.
#include "proxy/history/chain_walk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proxy/history/chain_record.h"
#include "proxy/history/chain_words.h"

enum { SENTENCE_CAP = 512 };

void chain_tell(const struct chain_view *view, enum chain_finding_kind kind,
                const struct chain_place *place, const char *format, ...)
{
    char text[SENTENCE_CAP];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct chain_finding finding = {.kind = kind, .place = *place, .text = text};
    view->options.on_finding(view->options.arg, &finding);
}

// append adds a line to the tree, where it is known, and compares it with checkpoints that were kept.
static void append(const struct chain_view *view, struct chain_instance *instance,
                   const struct merkle_hash *hash, const struct chain_place *place)
{
    struct merkle *tree = &instance->now.tree;
    if (!instance->now.is_synced)
        return;
    const struct merkle_hash leaf = merkle_leaf(merkle_hash_slice(hash));
    merkle_append(tree, &leaf);
    for (size_t i = 0; i < view->kept_count; i++) {
        const struct checkpoint *kept = &view->kept[i];
        if (kept->instance != instance->id || kept->size != tree->size)
            continue;
        const struct merkle_hash root = merkle_root(tree);
        if (!merkle_hash_equal(&root, &kept->root))
            chain_tell(view, CHAIN_CHANGED, place,
                       "the first %s of instance %08" PRIx32
                       " are not as the checkpoint that was kept says",
                       chain_words_count(kept->size).text, instance->id);
    }
}

static void tell_changed(const struct chain_view *view, const struct chain_instance *instance,
                         const struct chain_at *line)
{
    chain_tell(view, CHAIN_CHANGED, &line->place,
               "this line was changed: record %" PRIu64 " of instance %08" PRIx32
               " had another hash when the next one was written",
               line->seq, instance->id);
}

// leave_doubt takes the doubted line into the tree, with the hash that it has, or with the one that was claimed.
static void leave_doubt(const struct chain_view *view, struct chain_instance *instance,
                        const struct merkle_hash *hash)
{
    append(view, instance, hash, &instance->now.doubted.place);
    instance->now.has_doubt = false;
}

// follow takes the last line into the tree, or doubts it; `prev` is what the next line says of it.
static void follow(const struct chain_view *view, struct chain_instance *instance,
                   const struct merkle_hash *prev)
{
    struct chain_progress *now = &instance->now;
    const bool fits = merkle_hash_equal(prev, &now->last.hash);
    struct chain_run *original = fits ? NULL : chain_instance_true_line(instance, prev);
    if (original != NULL) { // the line with this number that belongs here stands somewhere else
        chain_tell(view, CHAIN_ADDED, &now->last.place,
                   "this line was added: it claims to be record %" PRIu64 " of instance %08" PRIx32
                   ", which is in line %zu of %s",
                   now->last.seq, instance->id, original->place.number, original->place.path);
        original->is_settled = true;
        if (now->has_doubt)
            leave_doubt(view, instance, &now->doubted.hash);
        append(view, instance, prev, &now->last.place);
    } else if (now->has_doubt) {
        tell_changed(view, instance, fits ? &now->doubted : &now->last);
        leave_doubt(view, instance, fits ? &now->claimed : &now->doubted.hash);
        append(view, instance, prev, &now->last.place);
    } else if (fits) {
        append(view, instance, prev, &now->last.place);
    } else {
        now->has_doubt = true;
        now->doubted = now->last;
        now->claimed = *prev;
    }
}

// confirm says that lines are missing where the instance jumped.
static bool confirm(const struct chain_view *view, struct chain_instance *instance)
{
    const struct chain_progress *before = &instance->before_jump;
    instance->has_jump = false;
    if (before->has_doubt)
        chain_tell(view, CHAIN_CHANGED, &before->doubted.place,
                   "this line or the next one of instance %08" PRIx32 " was changed", instance->id);
    if (view->options.is_live)
        chain_tell(view, CHAIN_REMOVED, &instance->jump.at,
                   "%s before this one: %s of instance %08" PRIx32,
                   chain_words_missing(instance->jump.to - instance->jump.from).text,
                   chain_words_range(instance->jump.from, instance->jump.to - 1).text,
                   instance->id);
    return view->options.is_live || chain_instance_gap(instance, &instance->jump);
}

// accept makes the line the last one.
static bool accept(const struct chain_view *view, struct chain_instance *instance,
                   const struct seal *seal, const struct chain_at *line)
{
    struct chain_progress *now = &instance->now;
    if (now->has_last && instance->is_chained)
        follow(view, instance, &seal->prev);
    if (instance->last_end != 0 && instance->last_end == line->seq)
        chain_tell(view, CHAIN_ADDED, &line->place,
                   "instance %08" PRIx32 " ended with the line before this one", instance->id);
    now->last = *line;
    now->has_last = true;
    now->next = line->seq + 1;
    instance->recent[line->seq % CHAIN_RECENT] = *line;
    return !instance->has_jump || confirm(view, instance);
}

// jump goes on after numbers that are not there. The last missing line is known by its hash.
static void jump(const struct chain_view *view, struct chain_instance *instance,
                 const struct seal *seal, const struct chain_at *line)
{
    struct chain_progress *now = &instance->now;
    instance->before_jump = *now;
    instance->has_jump = true;
    instance->jump = (struct chain_gap){.from = now->next,
                                        .to = line->seq,
                                        .before = now->last.place,
                                        .at = line->place,
                                        .before_hash = now->last.hash,
                                        .claim = seal->prev};
    now->is_synced = now->is_synced && !now->has_doubt && line->seq - now->next == 1;
    now->has_doubt = false;
    if (now->has_last)
        append(view, instance, &now->last.hash, &now->last.place);
    append(view, instance, &seal->prev, &line->place);
    now->last = *line;
    now->has_last = true;
    now->next = line->seq + 1;
}

static bool stray(const struct chain_view *view, struct chain_instance *instance,
                  const struct seal *seal, const struct chain_at *line)
{
    if (!view->options.is_live && instance->stray_count < CHAIN_STRAYS_MAX)
        return chain_instance_stray(instance, line, &seal->prev);
    chain_tell(view, CHAIN_ADDED, &line->place,
               "this line does not belong here: it has the number %" PRIu64
               " of instance %08" PRIx32 ", which is past",
               line->seq, instance->id);
    return true;
}

// take_back makes the line that jumped a stray.
static bool take_back(const struct chain_view *view, struct chain_instance *instance)
{
    const struct seal jumped = {.prev = instance->jump.claim};
    const struct chain_at line = instance->now.last;
    instance->now = instance->before_jump;
    instance->has_jump = false;
    return stray(view, instance, &jumped, &line);
}

bool chain_walk_line(const struct chain_view *view, struct chain_instance *instance,
                     const struct seal *seal, const struct chain_at *line, bool *out_is_next)
{
    *out_is_next = true;
    instance->lines++;
    instance->signed_before = view->signed_count;
    // A number that the jump has left out: what jumped does not belong there.
    if (instance->has_jump && seal->seq < instance->now.next &&
        seal->seq >= instance->before_jump.next && !take_back(view, instance))
        return false;
    if (instance->has_jump && seal->seq > instance->now.next && !confirm(view, instance))
        return false;
    if (seal->seq == instance->now.next)
        return accept(view, instance, seal, line);
    if (seal->seq > instance->now.next) {
        jump(view, instance, seal, line);
        return true;
    }
    *out_is_next = false;
    return stray(view, instance, seal, line);
}

// has_root tells whether the tree and one line more, or none, give the root.
static bool has_root(const struct merkle *tree, const struct merkle_hash *line,
                     const struct merkle_hash *root)
{
    struct merkle with = *tree;
    if (line != NULL) {
        const struct merkle_hash leaf = merkle_leaf(merkle_hash_slice(line));
        merkle_append(&with, &leaf);
    }
    const struct merkle_hash found = merkle_root(&with);
    return merkle_hash_equal(&found, root);
}

// fits_root tells whether the lines so far give the root of a checkpoint, which also decides a doubt about the line
// before it.
static bool fits_root(const struct chain_view *view, struct chain_instance *instance,
                      const struct merkle_hash *root)
{
    struct chain_progress *now = &instance->now;
    if (!now->has_doubt)
        return has_root(&now->tree, NULL, root);
    const bool was_good = has_root(&now->tree, &now->doubted.hash, root);
    if (!was_good && !has_root(&now->tree, &now->claimed, root))
        return false;
    tell_changed(view, instance, was_good ? &now->last : &now->doubted);
    leave_doubt(view, instance, was_good ? &now->doubted.hash : &now->claimed);
    return true;
}

void chain_walk_checkpoint(struct chain_view *view, struct chain_instance *instance,
                           const struct history_entry *entry)
{
    static const char *const faults[] = {
        [NOTE_GOOD] = "",
        [NOTE_MALFORMED] = "this checkpoint cannot be read",
        [NOTE_UNSIGNED] = "this checkpoint is signed with another key",
        [NOTE_FORGED] = "the signature of this checkpoint is not good",
    };
    struct chain_progress *now = &instance->now;
    const struct chain_place *place = &now->last.place;
    struct checkpoint checkpoint;
    struct merkle tree;
    if (view->options.key_count == 0)
        return;
    const enum note_result result = chain_checkpoint_open(
        entry, view->options.keys, view->options.key_count, &checkpoint, &tree);
    if (result != NOTE_GOOD) {
        chain_tell(view, CHAIN_UNPROVED, place, "%s", faults[result]);
        return;
    }
    if (checkpoint.instance != instance->id || checkpoint.size != now->last.seq) {
        chain_tell(view, CHAIN_CHANGED, place, "this checkpoint was signed for another place");
        return;
    }
    const bool was_synced = now->is_synced;
    const bool is_good = was_synced && fits_root(view, instance, &checkpoint.root);
    if (was_synced && !is_good)
        chain_tell(
            view, CHAIN_CHANGED, place,
            "lines before this checkpoint were changed and chained again: in %s of instance %08" PRIx32
            " is something else than what was signed",
            chain_words_range(instance->covered, now->last.seq - 1).text, instance->id);
    if (!is_good) {
        now->is_synced = tree.size == now->last.seq && now->last.seq > 0;
        now->tree = tree;
        now->has_doubt = now->has_doubt && !now->is_synced;
    }
    if (is_good) {
        instance->covered = now->last.seq;
        instance->signed_before = ++view->signed_count;
    }
    instance->last_good = now->next;
    if (checkpoint.is_end)
        instance->last_end = now->next;
}

// tell_gap says which lines are missing.
static void tell_gap(const struct chain_view *view, const struct chain_instance *instance,
                     const struct chain_gap *gap, bool may_lack_head)
{
    const bool is_head = gap->from == 0;
    if (gap->from == gap->to)
        return;
    chain_tell(view, is_head && may_lack_head ? CHAIN_NOTE : CHAIN_REMOVED, &gap->at,
               "%s before this one: %s of instance %08" PRIx32 "%s",
               chain_words_missing(gap->to - gap->from).text,
               chain_words_range(gap->from, gap->to - 1).text, instance->id,
               is_head ? ", its beginning" : "");
}

static void tell_stray(const struct chain_view *view, const struct chain_instance *instance,
                       const struct chain_run *run, bool is_moved, const struct chain_place *before)
{
    const bool is_one = run->first == run->last;
    const struct chain_words what = chain_words_range(run->first, run->last);
    if (is_moved && before->path != NULL)
        chain_tell(view, CHAIN_MOVED, &run->place,
                   "this line%s moved: %s of instance %08" PRIx32 " belong%s after line %zu of %s",
                   is_one ? " was" : " and others were", what.text, instance->id, is_one ? "s" : "",
                   before->number, before->path);
    else if (is_moved)
        chain_tell(view, CHAIN_MOVED, &run->place,
                   "this line%s moved: %s of instance %08" PRIx32 " belong%s before the others",
                   is_one ? " was" : " and others were", what.text, instance->id,
                   is_one ? "s" : "");
    else
        chain_tell(view, CHAIN_ADDED, &run->place,
                   "this line%s added: %s of instance %08" PRIx32 " stand%s in %s already",
                   is_one ? " was" : " and others were", what.text, instance->id, is_one ? "s" : "",
                   is_one ? "its place" : "their places");
}

bool chain_walk_end(const struct chain_view *view, struct chain_instance *instance,
                    bool may_lack_head)
{
    const struct chain_progress *now = &instance->now;
    if (instance->has_jump && !confirm(view, instance))
        return false;
    if (now->has_doubt)
        chain_tell(view, CHAIN_CHANGED, &now->doubted.place,
                   "this line or the next one of instance %08" PRIx32
                   " (line %zu of %s) was changed",
                   instance->id, now->last.place.number, now->last.place.path);
    for (size_t i = 0; i < instance->stray_count; i++) {
        struct chain_place before = {0};
        const struct chain_run run = instance->strays[i];
        if (!run.is_settled)
            tell_stray(view, instance, &run, chain_instance_settle(instance, &run, &before),
                       &before);
    }
    for (size_t i = 0; i < instance->gap_count; i++)
        tell_gap(view, instance, &instance->gaps[i], may_lack_head);
    return true;
}
