// cover: does one rule include everything that another one includes? Pure.
//
// When in doubt the answer is no: a wrong finding costs more than a missing one.
#pragma once

#include "auth/rules.h"

// budget bounds the work. Each pattern or range that is looked at costs one. When it is used up, every answer is no.
struct budget {
    size_t left;
};

// allow_covers tells whether the allow `wide` admits all that the allow `narrow` admits.
bool allow_covers(const struct rule *wide, const struct rule *narrow, struct budget *budget);

// deny_covers tells whether the denial `wide` denies all that the denial `narrow` denies.
bool deny_covers(const struct rule *wide, const struct rule *narrow, struct budget *budget);

// deny_covers_allow tells whether the denial denies all that the allow admits.
bool deny_covers_allow(const struct rule *deny, const struct rule *allow, struct budget *budget);

// deny_is_bypassed tells whether the denial names hosts only and the allow admits literal addresses at one of its ports.
// Then the same server can be reached by its address.
bool deny_is_bypassed(const struct rule *deny, const struct rule *allow);
