// Places are filled one after the other, and counted after that: who has seen the count may read the places.
#include "auth/crl_wishes.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "auth/crl_points.h"

struct crl_wishes {
    atomic_size_t refs;
    atomic_bool is_busy; // somebody writes
    atomic_size_t count;
    size_t prefix_count;
    struct http_url prefixes[CRL_WISHES_MAX_PREFIXES];
    struct http_url urls[CRL_WISHES_MAX];
};

struct crl_wishes *crl_wishes_create(const struct http_url *prefixes, size_t count)
{
    ASSERT(count <= CRL_WISHES_MAX_PREFIXES);
    struct crl_wishes *wishes = calloc(1, sizeof *wishes);
    if (wishes == NULL)
        return NULL;
    atomic_init(&wishes->refs, 1);
    atomic_init(&wishes->is_busy, false);
    atomic_init(&wishes->count, 0);
    for (size_t i = 0; i < count; i++)
        wishes->prefixes[i] = prefixes[i];
    wishes->prefix_count = count;
    return wishes;
}

struct crl_wishes *crl_wishes_ref(struct crl_wishes *wishes)
{
    if (wishes != NULL)
        (void)atomic_fetch_add_explicit(&wishes->refs, 1, memory_order_relaxed);
    return wishes;
}

void crl_wishes_unref(struct crl_wishes *wishes)
{
    if (wishes != NULL && atomic_fetch_sub_explicit(&wishes->refs, 1, memory_order_acq_rel) == 1)
        free(wishes);
}

static bool is_allowed(const struct crl_wishes *wishes, const struct http_url *url)
{
    size_t i = 0;
    while (i < wishes->prefix_count && !http_url_is_under(url, &wishes->prefixes[i]))
        i++;
    return !url->is_https && i < wishes->prefix_count;
}

static bool is_known(const struct crl_wishes *wishes, const struct http_url *url, size_t count)
{
    size_t i = 0;
    while (i < count && !http_url_equal(url, &wishes->urls[i]))
        i++;
    return i < count;
}

static void note_uri(void *arg, struct slice uri)
{
    struct crl_wishes *wishes = arg;
    struct http_url url;
    struct errinfo info;
    const size_t seen = atomic_load_explicit(&wishes->count, memory_order_acquire);
    if (http_url_parse(uri, &url, &info) != ERR_OK || !is_allowed(wishes, &url) ||
        is_known(wishes, &url, seen) || seen == CRL_WISHES_MAX)
        return;
    if (atomic_exchange_explicit(&wishes->is_busy, true, memory_order_acquire))
        return; // the next handshake notes it
    const size_t count = atomic_load_explicit(&wishes->count, memory_order_relaxed);
    if (count < CRL_WISHES_MAX && !is_known(wishes, &url, count)) {
        wishes->urls[count] = url;
        atomic_store_explicit(&wishes->count, count + 1, memory_order_release);
    }
    atomic_store_explicit(&wishes->is_busy, false, memory_order_release);
}

void crl_wishes_note(struct crl_wishes *wishes, const X509 *cert)
{
    if (wishes != NULL)
        crl_points_visit(cert, note_uri, wishes);
}

const struct http_url *crl_wishes_at(const struct crl_wishes *wishes, size_t index)
{
    if (wishes == NULL || index >= atomic_load_explicit(&wishes->count, memory_order_acquire))
        return NULL;
    return &wishes->urls[index];
}
