// The numbers are atomic; only words need the mutex, and words come only of failures.
#include "proxy/net/dns_standing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct dns_standing {
    atomic_size_t refs;
    atomic_uint_fast64_t asked;
    atomic_uint_fast64_t answered;
    atomic_uint_fast64_t failed;
    atomic_bool is_down;
    atomic_bool has_said; // dns_standing_say, since the last answer
    pthread_mutex_t mutex;
    char problem[DNS_PROBLEM_CAP];
    int64_t problem_s;
};

struct dns_standing *dns_standing_create(void)
{
    struct dns_standing *standing = calloc(1, sizeof *standing);
    if (standing == NULL)
        return NULL;
    atomic_init(&standing->refs, 1);
    (void)pthread_mutex_init(&standing->mutex, NULL);
    return standing;
}

struct dns_standing *dns_standing_ref(struct dns_standing *standing)
{
    if (standing != NULL)
        atomic_fetch_add_explicit(&standing->refs, 1, memory_order_relaxed);
    return standing;
}

void dns_standing_unref(struct dns_standing *standing)
{
    if (standing == NULL ||
        atomic_fetch_sub_explicit(&standing->refs, 1, memory_order_acq_rel) != 1)
        return;
    (void)pthread_mutex_destroy(&standing->mutex);
    free(standing);
}

void dns_standing_note_asked(struct dns_standing *standing)
{
    if (standing != NULL)
        atomic_fetch_add_explicit(&standing->asked, 1, memory_order_relaxed);
}

void dns_standing_note_answered(struct dns_standing *standing)
{
    if (standing == NULL)
        return;
    atomic_fetch_add_explicit(&standing->answered, 1, memory_order_relaxed);
    if (atomic_load_explicit(&standing->is_down, memory_order_relaxed))
        atomic_store_explicit(&standing->is_down, false, memory_order_relaxed);
    if (atomic_load_explicit(&standing->has_said, memory_order_relaxed))
        atomic_store_explicit(&standing->has_said, false, memory_order_relaxed);
}

static void keep(struct dns_standing *standing, const char *problem)
{
    struct slice text = slice_of_string(problem);
    (void)pthread_mutex_lock(&standing->mutex);
    (void)string_copy(
        standing->problem, sizeof standing->problem,
        slice_first(text, text.len < DNS_PROBLEM_CAP - 1 ? text.len : DNS_PROBLEM_CAP - 1));
    standing->problem_s = (int64_t)time(NULL);
    (void)pthread_mutex_unlock(&standing->mutex);
}

void dns_standing_note_failed(struct dns_standing *standing, const char *problem, bool is_down)
{
    if (standing == NULL)
        return;
    atomic_fetch_add_explicit(&standing->failed, 1, memory_order_relaxed);
    if (is_down)
        atomic_store_explicit(&standing->is_down, true, memory_order_relaxed);
    if (!atomic_load_explicit(&standing->has_said, memory_order_relaxed))
        keep(standing, problem);
}

void dns_standing_say(struct dns_standing *standing, const char *problem)
{
    if (standing == NULL)
        return;
    atomic_store_explicit(&standing->has_said, true, memory_order_relaxed);
    keep(standing, problem);
}

void dns_standing_look(struct dns_standing *standing, struct dns_standing_view *out)
{
    *out = (struct dns_standing_view){0};
    if (standing == NULL)
        return;
    out->asked = atomic_load_explicit(&standing->asked, memory_order_relaxed);
    out->answered = atomic_load_explicit(&standing->answered, memory_order_relaxed);
    out->failed = atomic_load_explicit(&standing->failed, memory_order_relaxed);
    out->is_down = atomic_load_explicit(&standing->is_down, memory_order_relaxed);
    (void)pthread_mutex_lock(&standing->mutex);
    (void)string_copy(out->problem, sizeof out->problem, slice_of_string(standing->problem));
    out->problem_s = standing->problem_s;
    (void)pthread_mutex_unlock(&standing->mutex);
}
