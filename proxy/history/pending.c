// A tree by id and a list by age, so that the oldest can make room.
#include "proxy/history/pending.h"

#include <search.h>
#include <stdlib.h>

static int compare_ids(const void *a, const void *b)
{
    const uint64_t left = ((const struct pending_request *)a)->id;
    const uint64_t right = ((const struct pending_request *)b)->id;
    return (left > right) - (left < right);
}

// text_keep copies a text that may be NULL; false: it is too long.
static bool text_keep(const char **text, char copy[PENDING_TEXT_CAP])
{
    if (*text == NULL)
        return true;
    const bool fits = string_copy(copy, PENDING_TEXT_CAP, slice_of_string(*text));
    *text = copy;
    return fits;
}

// keep makes a request independent of the record that it comes from.
static bool keep(struct pending_request *request)
{
    struct account_name *account = &request->replay.account;
    request->past.client.identity = NULL;
    request->past.edge = (struct history_party){0};
    if (account->text != NULL && account->made[0] != '\0')
        account->text = account->made;
    return text_keep(&request->past.client.name, request->client) &&
           text_keep(&request->past.client.entry, request->entry) &&
           text_keep(&request->past.reason, request->reason) &&
           text_keep(&request->past.rule, request->rule);
}

static void append(struct pending *pending, struct pending_request *request)
{
    request->older = pending->newest;
    if (pending->newest != NULL)
        pending->newest->newer = request;
    else
        pending->oldest = request;
    pending->newest = request;
    pending->count++;
}

enum err pending_add(struct pending *pending, uint64_t id, const struct history_decision *past,
                     const struct replay *replay)
{
    if (pending->count == PENDING_MAX)
        return ERR_LIMIT;
    if (pending_find(pending, id) != NULL)
        return ERR_INPUT;
    struct pending_request *request = malloc(sizeof *request);
    if (request == NULL)
        return ERR_MEMORY;
    *request = (struct pending_request){.id = id, .past = *past, .replay = *replay};
    if (!keep(request)) {
        free(request);
        return ERR_INPUT;
    }
    if (tsearch(request, &pending->by_id, compare_ids) == NULL) {
        free(request);
        return ERR_MEMORY;
    }
    append(pending, request);
    return ERR_OK;
}

struct pending_request *pending_find(const struct pending *pending, uint64_t id)
{
    const struct pending_request like = {.id = id};
    struct pending_request *const *found = tfind(&like, &pending->by_id, compare_ids);
    return found == NULL ? NULL : *found;
}

void pending_remove(struct pending *pending, struct pending_request *request)
{
    (void)tdelete(request, &pending->by_id, compare_ids);
    *(request->older == NULL ? &pending->oldest : &request->older->newer) = request->newer;
    *(request->newer == NULL ? &pending->newest : &request->newer->older) = request->older;
    pending->count--;
    free(request);
}
