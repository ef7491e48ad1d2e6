// Main changes the list under the lock, and what can fail comes first. The lock is held for no wait.
#include "proxy/outlet/outlet_list.h"

static const struct outlet_patience at_end = {.up_ms = 5000, .down_ms = 500};
static const struct outlet_patience when_removed = {.up_ms = 5000, .down_ms = 2000};
static const struct outlet_patience none = {0};

void outlet_list_init(struct outlet_list *list, outlet_event_fn on_event)
{
    *list = (struct outlet_list){.on_event = on_event};
    (void)pthread_mutex_init(&list->mutex, NULL);
}

void outlet_list_deinit(struct outlet_list *list)
{
    (void)pthread_mutex_destroy(&list->mutex);
}

// find gives the receiver of this place; NULL: there is none.
static struct outlet *find(const struct outlet_list *list, const struct outlet_settings *settings)
{
    for (size_t i = 0; i < list->count; i++) {
        if (outlet_is_for(list->items[i], settings))
            return list->items[i];
    }
    return NULL;
}

// next_list is what the list will be.
struct next_list {
    struct outlet *items[OUTLETS_MAX];
    bool is_new[OUTLETS_MAX];
    size_t count;
};

static bool has(const struct next_list *next, const struct outlet *outlet)
{
    for (size_t i = 0; i < next->count; i++) {
        if (next->items[i] == outlet)
            return true;
    }
    return false;
}

// open_new finds the receivers of the settings, and opens those that are not there.
static enum err open_new(const struct outlet_list *list, const struct outlet_settings *settings,
                         size_t count, struct next_list *out, struct errinfo *info)
{
    for (size_t i = 0; i < count; i++) {
        struct outlet *outlet = find(list, &settings[i]);
        out->is_new[i] = outlet == NULL;
        if (outlet == NULL)
            TRY(outlet_open(&settings[i], list->on_event, &outlet, info));
        out->items[out->count++] = outlet;
    }
    size_t gone = 0;
    for (size_t i = 0; i < list->count; i++)
        gone += (size_t)!has(out, list->items[i]);
    if (list->leaving_count + gone <= OUTLETS_LEAVING_MAX)
        return ERR_OK;
    return errinfo_set(
        info, ERR_LIMIT,
        "`audit.also`: sinks that were removed before still send what they have: try "
        "again in five seconds");
}

// close_new ends what was opened in vain.
static void close_new(struct next_list *next)
{
    for (size_t i = 0; i < next->count; i++) {
        if (!next->is_new[i])
            continue;
        outlet_stop(next->items[i], none);
        (void)outlet_close(next->items[i]);
    }
}

enum err outlet_list_change(struct outlet_list *list, const struct outlet_settings *settings,
                            size_t count, struct errinfo *info)
{
    struct next_list next = {0};
    (void)pthread_mutex_lock(&list->mutex);
    const enum err error = open_new(list, settings, count, &next, info);
    for (size_t i = 0; error == ERR_OK && i < list->count; i++) {
        if (has(&next, list->items[i]))
            continue;
        outlet_stop(list->items[i], when_removed);
        list->leaving[list->leaving_count++] = list->items[i];
    }
    for (size_t i = 0; error == ERR_OK && i < next.count; i++) {
        if (!next.is_new[i])
            outlet_adapt(next.items[i], &settings[i]);
        list->items[i] = next.items[i];
    }
    if (error == ERR_OK)
        list->count = next.count;
    (void)pthread_mutex_unlock(&list->mutex);
    if (error != ERR_OK)
        close_new(&next);
    return error;
}

void outlet_list_offer(struct outlet_list *list, struct slice body, struct slice end)
{
    (void)pthread_mutex_lock(&list->mutex);
    for (size_t i = 0; i < list->count; i++)
        outlet_offer(list->items[i], body, end);
    (void)pthread_mutex_unlock(&list->mutex);
}

void outlet_list_flush(struct outlet_list *list)
{
    (void)pthread_mutex_lock(&list->mutex);
    for (size_t i = 0; i < list->count; i++)
        outlet_flush(list->items[i]);
    (void)pthread_mutex_unlock(&list->mutex);
}

size_t outlet_list_statuses(struct outlet_list *list, struct outlet_status out[OUTLETS_MAX])
{
    (void)pthread_mutex_lock(&list->mutex);
    const size_t count = list->count;
    for (size_t i = 0; i < count; i++)
        outlet_look(list->items[i], &out[i]);
    (void)pthread_mutex_unlock(&list->mutex);
    return count;
}

// bury takes the losses of those that have left, and frees them.
static void bury(struct outlet_list *list, outlet_loss_fn on_loss, void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->leaving_count; i++) {
        struct outlet *outlet = list->leaving[i];
        if (!outlet_has_ended(outlet)) {
            list->leaving[kept++] = outlet;
            continue;
        }
        const uint64_t unsent = outlet_count_unsent(outlet);
        if (unsent > 0)
            on_loss(arg, outlet_label(outlet), unsent);
        (void)outlet_close(outlet);
    }
    list->leaving_count = kept;
}

void outlet_list_look(struct outlet_list *list, outlet_loss_fn on_loss, void *arg)
{
    bool is_failing = false;
    (void)pthread_mutex_lock(&list->mutex);
    for (size_t i = 0; i < list->count; i++) {
        const uint64_t lost = outlet_take_lost(list->items[i]);
        if (lost > 0)
            on_loss(arg, outlet_label(list->items[i]), lost);
        is_failing |= outlet_is_failing(list->items[i]);
    }
    bury(list, on_loss, arg);
    (void)pthread_mutex_unlock(&list->mutex);
    atomic_store_explicit(&list->is_failing, is_failing, memory_order_relaxed);
}

bool outlet_list_is_failing(const struct outlet_list *list)
{
    return atomic_load_explicit(&list->is_failing, memory_order_relaxed);
}

// end_all closes the outlets after outlet_stop; gives what required ones did not get.
static uint64_t end_all(struct outlet **items, size_t count)
{
    uint64_t owed = 0;
    for (size_t i = 0; i < count; i++) {
        const bool is_required = outlet_is_required(items[i]);
        const uint64_t unsent = outlet_close(items[i]);
        owed += is_required ? unsent : 0;
    }
    return owed;
}

uint64_t outlet_list_close(struct outlet_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        outlet_stop(list->items[i], at_end);
    for (size_t i = 0; i < list->leaving_count; i++)
        outlet_stop(list->leaving[i], at_end);
    const uint64_t owed =
        end_all(list->items, list->count) + end_all(list->leaving, list->leaving_count);
    list->count = 0;
    list->leaving_count = 0;
    return owed;
}
