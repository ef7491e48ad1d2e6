// outlet_list: the receivers of one audit log: those that get each record, and those that were removed and still send what
// they have.
//
// Two threads use it, that of main and the writer's; it has a lock.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "proxy/outlet/outlet.h"

enum { OUTLETS_LEAVING_MAX = 2 * OUTLETS_MAX };

// Private to outlet_list.c.
struct outlet_list {
    outlet_event_fn on_event;
    pthread_mutex_t mutex;             // of what follows, but for `is_failing`
    struct outlet *items[OUTLETS_MAX]; // owned
    size_t count;
    struct outlet *leaving[OUTLETS_LEAVING_MAX]; // owned
    size_t leaving_count;
    atomic_bool is_failing;
};

// outlet_list_init makes an empty list; outlet_list_deinit is for one that outlet_list_close has emptied, or that is empty.
void outlet_list_init(struct outlet_list *list, outlet_event_fn on_event);
void outlet_list_deinit(struct outlet_list *list);

// outlet_list_change goes on with the receivers of these settings (at most OUTLETS_MAX, no place twice). One for a place that
// is there already keeps its queue; one that is not there any more has five seconds for what waits, two where it cannot be reached. An error with a sentence
// in `info`: then nothing has changed. ERR_LIMIT: too many are leaving.
enum err outlet_list_change(struct outlet_list *list, const struct outlet_settings *settings,
                            size_t count, struct errinfo *info) MUST_USE;

// outlet_list_offer gives a line to each of them, as outlet_offer does.
void outlet_list_offer(struct outlet_list *list, struct slice body, struct slice end);

// outlet_list_flush makes sure that what was offered is sent, as outlet_flush does.
void outlet_list_flush(struct outlet_list *list);

// outlet_list_statuses tells how each of them is; gives how many there are. The labels are good until outlet_list_change or
// outlet_list_close is called next.
size_t outlet_list_statuses(struct outlet_list *list, struct outlet_status out[OUTLETS_MAX]);

// outlet_loss_fn is told what a receiver did not get. `label` is borrowed for the call.
typedef void (*outlet_loss_fn)(void *arg, const char *label, uint64_t count);

// outlet_list_look tells of what was lost since it was called last, and frees receivers that have left.
void outlet_list_look(struct outlet_list *list, outlet_loss_fn on_loss, void *arg);

// outlet_list_is_failing tells whether a required one was failing when outlet_list_look was called last. Any thread.
bool outlet_list_is_failing(const struct outlet_list *list);

// outlet_list_close gives all of them five seconds for what waits, half a second where a receiver cannot be reached, and frees
// them. Gives how many lines required ones did not get.
uint64_t outlet_list_close(struct outlet_list *list);
