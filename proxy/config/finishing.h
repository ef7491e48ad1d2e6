// finishing: the clients of an included file as they are in force: since when they are, and without what is another file's.
#pragma once

#include "proxy/config/standing.h"

// part_finish finishes `clients`, the copies of those of `part`, with what the file held (NULL: nothing) and what is new since
// `number`. A client with a name that another file had first may do nothing, under a name that nobody can choose; a rule with
// such a name goes by its place. What is made is in `arena`, which must be that of the part's clients. ERR_MEMORY.
enum err part_finish(const struct client_part *part, const struct standing *standing,
                     uint64_t number, struct arena *arena, struct client *clients) MUST_USE;
