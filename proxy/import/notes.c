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

// is_there tells whether a note with this text stands at the place already.
static bool is_there(const struct import_notes *notes, struct import_place place, const char *text)
{
    for (const struct import_note *note = notes->first; note != NULL; note = note->next) {
        if (note->place.line == place.line && note->place.file == place.file &&
            strcmp(note->text, text) == 0)
            return true;
    }
    return false;
}

void import_say(struct import_notes *notes, enum import_weight weight, struct import_place place,
                const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (notes->count >= IMPORT_NOTES_MAX || is_there(notes, place, text)) {
        notes->dropped_count += notes->count >= IMPORT_NOTES_MAX;
        notes->left_out_count += weight == IMPORT_LEFT_OUT;
        return;
    }
    struct import_note *note = import_alloc(notes, 1, sizeof *note);
    notes->left_out_count += weight == IMPORT_LEFT_OUT;
    if (note == NULL)
        return;
    *note = (struct import_note){
        .weight = weight, .place = place, .text = import_copy(notes, slice_of_string(text))};
    if (notes->last == NULL)
        notes->first = note;
    else
        notes->last->next = note;
    notes->last = note;
    notes->count++;
}
