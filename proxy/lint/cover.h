// cover: does one rule, or one entry of `match`, stand for everything that another one stands for? Pure.
//
// In doubt the answer is no: a finding that is wrong costs more than one that is missing.
#pragma once

#include "auth/match.h"

// budget bounds the work: what looks at a pattern or a range takes one. Once it is used up every answer is no.
struct budget {
    size_t left;
};

// entry_covers tells whether `wide` fits every client that `narrow` fits.
bool entry_covers(const struct match_entry *wide, const struct match_entry *narrow);

// allow_covers tells whether the allow `wide` admits all that the allow `narrow` admits.
bool allow_covers(const struct rule *wide, const struct rule *narrow, struct budget *budget);

// deny_covers tells whether the denial `wide` denies all that the denial `narrow` denies.
bool deny_covers(const struct rule *wide, const struct rule *narrow, struct budget *budget);

// deny_closes tells whether the denial denies all that the allow admits.
bool deny_closes(const struct rule *deny, const struct rule *allow, struct budget *budget);

// deny_is_walked_round tells whether the denial is of names alone, while the allow admits written addresses at one of
// its ports: the same server by its address.
bool deny_is_walked_round(const struct rule *deny, const struct rule *allow);
