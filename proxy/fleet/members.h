// members: the proxies of a fleet, as each of them says of itself, and where their configurations differ.
//
// What a proxy says stands sealed in a store, so that nobody else can say it in its name; `number` counts up, so that what it
// said earlier is known as that. Pure; for one thread. Knows no store and no clock.
#pragma once

#include "auth/base/text.h"
#include "proxy/fleet/fleet_blocks.h"

enum {
    MEMBERS_MAX = 4096,
    MEMBER_TEXT_MAX = 1024, // bytes of what one says
    MEMBER_HOST_CAP = 65,
    MEMBER_VERSION_CAP = 33,
    MEMBER_CONFIG_CAP = 65,
    MEMBER_AUDIT_CAP = 9,
    MEMBER_ADDRESS_CAP = 65,
    MEMBERS_DIFFER_MS = 60000, // configurations may differ for so long
    MEMBERS_SILENT_MS = 10000, // who has said nothing new for so long is silent
};

#define MEMBER_STATE_TABLE(X)                                                                      \
    X(MEMBER_SERVES, "serves")                                                                     \
    X(MEMBER_LAME_DUCK, "lame_duck") /* it serves, but says that it is not ready */                \
    X(MEMBER_DRAINS, "drains")                                                                     \
    X(MEMBER_RETIRED, "retired") /* another process of the same proxy serves since an upgrade */

enum member_state {
#define X(symbol, name) symbol,
    MEMBER_STATE_TABLE(X)
#undef X
};

const char *member_state_name(enum member_state state);

// member is what one says of itself.
struct member {
    char instance[FLEET_INSTANCE_CAP];
    uint64_t number; // of what it says; counts up
    int64_t pid;
    char host[MEMBER_HOST_CAP];       // "": not known
    char address[MEMBER_ADDRESS_CAP]; // of its first listener; "": not known
    char version[MEMBER_VERSION_CAP]; // of the program
    char config[MEMBER_CONFIG_CAP];   // hash of the configuration in force
    char audit[MEMBER_AUDIT_CAP];     // how its records call it
    uint64_t generation;
    int64_t since_s;            // Unix seconds, like the next two; when it began to serve
    int64_t now_s;              // its clock when it said this
    int64_t certificate_ends_s; // the first of its listeners' certificates; 0: it has none
    uint64_t sessions;
    uint64_t tunnels;
    uint64_t blocks;
    enum member_state state;
    int64_t heard_ms; // monotonic; when this was heard. Not a part of the text
};

// member_format adds what `member` says of itself to `out`.
void member_format(const struct member *member, struct text *out);

// member_parse reads it. ERR_INPUT, ERR_LIMIT or ERR_MEMORY with a sentence in `info`.
enum err member_parse(struct slice bytes, struct member *out, struct errinfo *info) MUST_USE;

struct members;

// members_create makes an empty list; NULL without memory. NULL is allowed for _destroy.
struct members *members_create(void) MUST_USE;
void members_destroy(struct members *members);

// members_begin begins a reading of all; members_end drops those that were not met.
void members_begin(struct members *members);
void members_end(struct members *members);

enum member_finding {
    MEMBER_NEW,
    MEMBER_KNOWN,
    MEMBER_REPLAYED, // it has said something later already, which stays
    MEMBER_NO_ROOM,  // MEMBERS_MAX are known, or there is no memory
};

// members_meet takes what one says; its strings are copied. What was said before keeps its `heard_ms`.
enum member_finding members_meet(struct members *members, const struct member *member);

size_t members_count(const struct members *members);

// members_count_proxies tells how many there are without old processes after an upgrade.
size_t members_count_proxies(const struct members *members);

// members_at gives one, in the order of host, process number and instance; borrowed until the next members_meet.
const struct member *members_at(const struct members *members, size_t index);

// members_find gives the one whose instance begins with `prefix`, at least 4 bytes; NULL: none, or more than one.
const struct member *members_find(const struct members *members, struct slice prefix);

// members_compare looks whether those that serve have different configurations at `now_ms` (monotonic), and notes since when.
// Gives how many different ones there are.
size_t members_compare(struct members *members, int64_t now_ms);

// members_count_differing tells how many proxies there were at the last comparison in which they differed; 0: they never did.
size_t members_count_differing(const struct members *members);

// members_differ tells whether they have differed for longer than MEMBERS_DIFFER_MS.
bool members_differ(const struct members *members, int64_t now_ms);
