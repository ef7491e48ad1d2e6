// squid_harmless: the directives of Squid that do not change who may reach what.
//
// A table, by exact name. A directive that is not in it, and that nothing else reads, may restrict: the import then writes no
// client. The names are those of Squid's src/cf.data.pre, of its versions 2.7 to 7.
#pragma once

#include "proxy/import/notes.h"

// squid_harmless_take tells whether a directive is one of these, and says at `place` what takes its place here.
bool squid_harmless_take(struct import_notes *notes, struct import_place place,
                         struct slice directive) MUST_USE;
