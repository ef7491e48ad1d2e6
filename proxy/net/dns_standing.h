// dns_standing: what became of the questions to one DNS server, of all threads that ask it.
//
// Numbers only rise. Counted by references, for it outlives a reload that keeps the server. Any thread. NULL is allowed everywhere:
// then nobody wants to know. Knows no server.
#pragma once

#include "auth/base/slice.h"

enum { DNS_PROBLEM_CAP = 96 }; // bytes, with the NUL; a longer one is cut

struct dns_standing;

// dns_standing_create makes one with one reference. NULL without memory.
struct dns_standing *dns_standing_create(void);

// dns_standing_ref takes another reference and returns its argument, dns_standing_unref gives one back; the last one frees.
struct dns_standing *dns_standing_ref(struct dns_standing *standing);
void dns_standing_unref(struct dns_standing *standing);

// dns_standing_note_asked counts a question that is put, dns_standing_note_answered one that was answered.
void dns_standing_note_asked(struct dns_standing *standing);
void dns_standing_note_answered(struct dns_standing *standing);

// dns_standing_note_failed counts one that was not. `is_down`: the server itself is at fault, and not the name.
void dns_standing_note_failed(struct dns_standing *standing, const char *problem, bool is_down);

// dns_standing_say keeps more words about what is wrong, until the next answer in place of what dns_standing_note_failed says.
void dns_standing_say(struct dns_standing *standing, const char *problem);

struct dns_standing_view {
    uint64_t asked;
    uint64_t answered;
    uint64_t failed;
    bool is_down;                  // by the last question that says something about it
    char problem[DNS_PROBLEM_CAP]; // the last one; empty: none yet
    int64_t problem_s;             // Unix seconds; when that was
};

// dns_standing_look tells how it is. Zeroed for NULL.
void dns_standing_look(struct dns_standing *standing, struct dns_standing_view *out);
