// One table: the first word of an error, whether the connection ends, and the sentence for people.
#include "proxy/store/store_fault.h"

struct fault {
    const char *code;
    bool ends;
    const char *sentence;
};

// By the first word of the error (https://valkey.io/topics/protocol/).
static const struct fault faults[] = {
    {"READONLY", true,
     "it is a replica and takes no writes; name the master first in `shared.valkey`, or use `shared.sentinel`"},
    {"LOADING", true, "it still loads its data from disk; it is tried again"},
    {"MASTERDOWN", true,
     "it is a replica that has lost its master; promote one, or start the master"},
    {"NOAUTH", true, "it demands a password; give `shared.password_file`"},
    {"WRONGPASS", true,
     "it knows no such user and password; compare `shared.user` and `shared.password_file` with its ACL"},
    {"NOPERM", false,
     "its ACL does not let our user do that; allow it the command and the keys below `shared.prefix`"},
    {"NOSCRIPT", false, "it has forgotten a script; the script is sent again"},
    {"OOM", false,
     "its memory is full (maxmemory) and nothing may be evicted; give it more memory, or one of its own"},
    {"BUSY", false,
     "a script keeps it busy; find out which with its log, and end it with SCRIPT KILL"},
    {"MISCONF", false,
     "it cannot write to its disk and takes no writes; see its log, and make room there"},
    {"NOREPLICAS", false, "it has too few replicas to take writes (min-replicas-to-write)"},
    {"CLUSTERDOWN", true, "it is part of a cluster, which is not supported; use one of its own"},
    {"MOVED", true, "it is part of a cluster, which is not supported; use one of its own"},
};

enum { QUOTED_LEN = 100 }; // of what the server says

// An error inside a script has no word of its own (Redis 7.0).
static const char script_denied[] = "ERR The user executing the script can't ";

static const struct fault *find(const struct resp *error)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (resp_is_error(error, faults[i].code))
            return &faults[i];
    }
    return NULL;
}

bool store_fault_ends(const struct resp *error)
{
    const struct fault *fault = find(error);
    return fault != NULL && fault->ends;
}

bool store_fault_is_ours(const struct resp *error)
{
    return resp_is_error(error, "NOTALIVE");
}

void store_fault_append(struct text *out, const struct resp *error)
{
    const struct fault *fault = find(error);
    if (fault != NULL) {
        text_append_format(out, "%s: %s", fault->code, fault->sentence);
        return;
    }
    if (slice_starts_with(error->text, slice_of_string(script_denied)))
        text_append_string(out, "its ACL does not let our user do what a script does; give the "
                                "user the whole rule of docs/FLEET.md; ");
    text_append_string(out, "it answers with an error: ");
    text_append_printable(out, slice_first(error->text, QUOTED_LEN));
}
