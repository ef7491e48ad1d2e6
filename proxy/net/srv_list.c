// The order within a priority is that of RFC 2782 ("Weight"):
//
//   1. Those that are left stand in a row, those of weight 0 first.
//   2. A number from 0 to the sum of their weights is drawn.
//   3. The first one at which the running sum of weights reaches that number is next.
#include "proxy/net/srv_list.h"

#include <string.h>

#include "auth/base/err.h"

// compare puts the place first that is tried first, then the one that is more often, then by name.
static int compare(const struct srv_place *a, const struct srv_place *b)
{
    if (a->rank.priority != b->rank.priority)
        return a->rank.priority < b->rank.priority ? -1 : 1;
    if (a->rank.weight != b->rank.weight)
        return a->rank.weight > b->rank.weight ? -1 : 1;
    const int names = strcmp(a->target.name.text, b->target.name.text);
    return names != 0 ? names : (int)a->target.port - (int)b->target.port;
}

// remove_at takes a place out.
static void remove_at(struct srv_list *list, size_t at)
{
    list->count--;
    for (size_t i = at; i < list->count; i++)
        list->places[i] = list->places[i + 1];
}

void srv_list_add(struct srv_list *list, const struct srv_place *place)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!target_equal(&list->places[i].target, &place->target))
            continue;
        if (compare(&list->places[i], place) <= 0)
            return;
        remove_at(list, i);
        break;
    }
    size_t at = 0;
    while (at < list->count && compare(&list->places[at], place) <= 0)
        at++;
    if (at == SRV_PLACES_MAX)
        return;
    list->count += list->count < SRV_PLACES_MAX ? 1 : 0;
    for (size_t i = list->count - 1; i > at; i--)
        list->places[i] = list->places[i - 1];
    list->places[at] = *place;
}

// has_place tells whether a list has this place.
static bool has_place(const struct srv_list *list, const struct target *target)
{
    for (size_t i = 0; i < list->count; i++) {
        if (target_equal(&list->places[i].target, target))
            return true;
    }
    return false;
}

bool srv_list_equal_places(const struct srv_list *a, const struct srv_list *b)
{
    bool is_equal = a->count == b->count && a->is_unavailable == b->is_unavailable;
    for (size_t i = 0; is_equal && i < a->count; i++) // no place stands twice in a list
        is_equal = has_place(b, &a->places[i].target);
    return is_equal;
}

// is_before tells whether a place stands before another one in the row from which one is drawn.
static bool is_before(const struct srv_rank *a, const struct srv_rank *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return a->weight == 0 && b->weight > 0;
}

// draw gives the position of the next one among those of one priority, at `first` to `end` of the row.
static size_t draw(const struct srv_rank *ranks, const uint8_t *row, size_t first, size_t end,
                   uint32_t random)
{
    uint32_t sum = 0; // of at most 8 numbers of 16 bits
    for (size_t i = first; i < end; i++)
        sum += ranks[row[i]].weight;
    const uint32_t drawn = random % (sum + 1);
    uint32_t running = 0;
    for (size_t i = first; i < end; i++) {
        running += ranks[row[i]].weight;
        if (running >= drawn)
            return i;
    }
    return first;
}

void srv_order(const struct srv_rank *ranks, size_t count, const uint32_t *random,
               uint8_t out[SRV_PLACES_MAX])
{
    ASSERT(count <= SRV_PLACES_MAX);
    for (size_t i = 0; i < count; i++) { // in the row
        size_t at = i;
        for (; at > 0 && is_before(&ranks[i], &ranks[out[at - 1]]); at--)
            out[at] = out[at - 1];
        out[at] = (uint8_t)i;
    }
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1;
        while (end < count && ranks[out[end]].priority == ranks[out[i]].priority)
            end++;
        const size_t drawn = draw(ranks, out, i, end, random[i]);
        const uint8_t next = out[drawn];
        for (size_t at = drawn; at > i; at--)
            out[at] = out[at - 1];
        out[i] = next;
    }
}
