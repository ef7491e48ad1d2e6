// One goes at a time, until there is room.
#include "proxy/service/crl_room.h"

// The order in which they go.
enum turn {
    TURN_UNVERIFIED, // and not named
    TURN_EXPIRED,    // likewise
    TURN_UNVERIFIED_NAMED,
    TURN_SHARE, // of the CA that has most, and not named
    TURN_SHARE_NAMED,
    TURN_NEVER
};

// room is what stays.
struct room {
    struct crl_room_list *lists;
    size_t count;
    const struct crl_room_list *more;
    size_t kept_count;
    size_t kept_bytes;
};

bool crl_room_fits(size_t count, size_t bytes, size_t more_bytes)
{
    return count < CRL_ROOM_LISTS && more_bytes <= CRL_ROOM_BYTES &&
           bytes <= CRL_ROOM_BYTES - more_bytes;
}

static bool is_by_same(const struct crl_room_list *a, const struct crl_room_list *b)
{
    return a->has_signer && b->has_signer && memcmp(a->signer, b->signer, CERT_DIGEST_LEN) == 0;
}

// share_of measures what the signer of `list` has, with the list that comes, by what is short.
static size_t share_of(const struct room *room, const struct crl_room_list *list)
{
    const bool is_by_number = room->kept_count >= CRL_ROOM_LISTS;
    size_t share = 0;
    if (is_by_same(list, room->more))
        share = is_by_number ? 1 : room->more->bytes;
    for (size_t i = 0; i < room->count; i++) {
        const struct crl_room_list *other = &room->lists[i];
        if (!other->goes && is_by_same(list, other))
            share += is_by_number ? 1 : other->bytes;
    }
    return share;
}

// find_giver gives a list of the signer that has most; of equals the one of the list that comes.
static const struct crl_room_list *find_giver(const struct room *room)
{
    const struct crl_room_list *giver = room->more;
    size_t most = share_of(room, giver);
    for (size_t i = 0; i < room->count; i++) {
        if (room->lists[i].goes || !room->lists[i].has_signer)
            continue;
        const size_t share = share_of(room, &room->lists[i]);
        if (share > most) {
            most = share;
            giver = &room->lists[i];
        }
    }
    return giver;
}

static enum turn turn_of(const struct room *room, const struct crl_room_list *list,
                         const struct crl_room_list *giver)
{
    if (!list->is_named && (!list->has_signer || list->is_expired))
        return list->has_signer ? TURN_EXPIRED : TURN_UNVERIFIED;
    if (!room->more->has_signer)
        return TURN_NEVER;
    if (!list->has_signer)
        return TURN_UNVERIFIED_NAMED;
    if (!is_by_same(list, giver))
        return TURN_NEVER;
    if (!list->is_named)
        return TURN_SHARE;
    return is_by_same(list, room->more) ? TURN_NEVER : TURN_SHARE_NAMED;
}

// find_next gives the one that goes next; NULL: none may.
static struct crl_room_list *find_next(const struct room *room)
{
    const struct crl_room_list *giver = find_giver(room);
    struct crl_room_list *found = NULL;
    enum turn first = TURN_NEVER;
    for (size_t i = 0; i < room->count; i++) {
        struct crl_room_list *list = &room->lists[i];
        const enum turn turn = list->goes ? TURN_NEVER : turn_of(room, list, giver);
        if (turn < first || (found != NULL && turn == first && list->kept_s < found->kept_s)) {
            found = list;
            first = turn;
        }
    }
    return found;
}

bool crl_room_make(struct crl_room_list *lists, size_t count, const struct crl_room_list *more)
{
    struct room room = {.lists = lists, .count = count, .more = more, .kept_count = count};
    for (size_t i = 0; i < count; i++) {
        lists[i].goes = false;
        room.kept_bytes += lists[i].bytes;
    }
    while (!crl_room_fits(room.kept_count, room.kept_bytes, more->bytes)) {
        struct crl_room_list *next = find_next(&room);
        if (next == NULL)
            return false;
        next->goes = true;
        room.kept_count--;
        room.kept_bytes -= next->bytes;
    }
    return true;
}
