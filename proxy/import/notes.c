// A list in an arena.
#include "proxy/import/notes.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 700 };

void *import_alloc(struct import_notes *notes, size_t count, size_t size)
{
    void *memory = arena_alloc(notes->arena, count, size);
    if (memory == NULL)
        notes->is_out_of_memory = true;
    return memory;
}

void *import_grow(struct import_notes *notes, void *items, size_t count, size_t *cap, size_t size)
{
    const size_t wanted = *cap == 0 ? 8 : *cap * 2;
    if (count < *cap)
        return items;
    void *grown = import_alloc(notes, wanted, size);
    if (grown == NULL || !bytes_copy(grown, wanted * size, slice_of(items, count * size)))
        return NULL;
    *cap = wanted;
    return grown;
}

const char *import_copy(struct import_notes *notes, struct slice text)
{
    const char *copy = arena_copy_string(notes->arena, text);
    if (copy == NULL)
        notes->is_out_of_memory = true;
    return copy == NULL ? "" : copy;
}

// find gives the note with this text at the place, if it is about clients, or about none; NULL where there is none.
static struct import_note *find(const struct import_notes *notes, struct import_place place,
                                const char *text, bool has_whom)
{
    struct import_note *note = notes->first;
    while (note != NULL && (note->place.line != place.line || note->place.file != place.file ||
                            (note->whom != NULL) != has_whom || strcmp(note->text, text) != 0))
        note = note->next;
    return note;
}

// add adds a note; NULL where there are too many, and without memory.
static struct import_note *add(struct import_notes *notes, enum import_weight weight,
                               struct import_place place, const char *text)
{
    notes->left_out_count += weight == IMPORT_LEFT_OUT;
    if (notes->count >= IMPORT_NOTES_MAX) {
        notes->dropped_count++;
        return NULL;
    }
    struct import_note *note = import_alloc(notes, 1, sizeof *note);
    if (note == NULL)
        return NULL;
    *note = (struct import_note){
        .weight = weight, .place = place, .text = import_copy(notes, slice_of_string(text))};
    if (notes->last == NULL)
        notes->first = note;
    else
        notes->last->next = note;
    notes->last = note;
    notes->count++;
    return note;
}

void import_say(struct import_notes *notes, enum import_weight weight, struct import_place place,
                const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (find(notes, place, text, false) == NULL)
        (void)add(notes, weight, place, text);
}

bool import_is_noted(const struct import_notes *notes, struct import_place place)
{
    const struct import_note *note = notes->first;
    while (note != NULL && (note->place.line != place.line || note->place.file != place.file))
        note = note->next;
    return note != NULL;
}

void import_tell(struct import_notes *notes, struct import_place place, const char *whom,
                 const char *text)
{
    char names[TEXT_MAX];
    struct import_note *note = find(notes, place, text, true);
    if (note == NULL) {
        note = add(notes, IMPORT_LEFT_OUT, place, text);
        if (note != NULL)
            *note = (struct import_note){.weight = note->weight,
                                         .place = place,
                                         .text = note->text,
                                         .whom = import_copy(notes, slice_of_string(whom)),
                                         .whom_count = 1};
        return;
    }
    if (note->whom_count++ >= IMPORT_WHOM_MAX)
        return;
    (void)snprintf(names, sizeof names, "%s, %s", note->whom, whom);
    note->whom = import_copy(notes, slice_of_string(names));
}
