// Three tables and four counts.
#include "proxy/session/session_tops.h"

void session_tops_note_end(struct session_tops *tops, int64_t left_s)
{
    static const int64_t days[ENDS_COUNT - 1] = {1, 7, 30};
    size_t i = 0;
    while (i < ENDS_COUNT - 1 && left_s >= days[i] * 24 * 60 * 60)
        i++;
    tops->ends[i]++;
}

void session_tops_add(struct session_tops *sum, const struct session_tops *part)
{
    tops_add(&sum->denials, &part->denials);
    tops_add(&sum->refused, &part->refused);
    tops_add(&sum->targets, &part->targets);
    for (size_t i = 0; i < ENDS_COUNT; i++)
        sum->ends[i] += part->ends[i];
}
