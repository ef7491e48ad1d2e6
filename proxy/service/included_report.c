// A sentence for people, and a list for programs.
#include "proxy/service/included_report.h"

#include "auth/base/json.h"

enum { NAMED_MAX = 3 }; // files that the sentence names

bool included_is_whole(const struct snapshot *snapshot)
{
    const struct included_parts *parts = &snapshot->included;
    return parts->problem == NULL && included_parts_count(parts, INCLUDED_GOOD) == parts->count;
}

void included_format(const struct snapshot *snapshot, struct text *out)
{
    size_t count = 0;
    if (snapshot->included.problem != NULL)
        text_append_format(
            out, "not all included files are known: %.300s%s", snapshot->included.problem,
            included_parts_count(&snapshot->included, INCLUDED_GOOD) < snapshot->included.count
                ? "; "
                : "");
    for (size_t i = 0; i < snapshot->included.count; i++) {
        const struct included_part *part = &snapshot->included.items[i];
        if (part->state == INCLUDED_GOOD || ++count > NAMED_MAX)
            continue;
        text_append_format(
            out, "%s%.100s %s", count == 1 ? "" : ", ", part->path,
            part->state == INCLUDED_CONTESTED ? "is in force, but for what another file had first"
            : part->state == INCLUDED_HELD    ? "is refused and stays as it was"
                                              : "is refused: its clients may do nothing");
    }
    if (count > NAMED_MAX)
        text_append_format(out, ", and %zu more files are not good", count - NAMED_MAX);
}

void included_append_json(const struct snapshot *snapshot, struct text *out)
{
    json_begin_array(out, "included");
    for (size_t i = 0; i < snapshot->included.count; i++) {
        const struct included_part *part = &snapshot->included.items[i];
        json_begin_object(out, NULL);
        json_add_string(out, "file", part->path);
        json_add_string(out, "state", included_state_name(part->state));
        json_add_count(out, "clients", part->client_count);
        json_end_object(out);
    }
    json_end_array(out);
    json_add_string(out, "included_problem", snapshot->included.problem);
}
