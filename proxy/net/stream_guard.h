// stream_guard: puts a secured stream, such as TLS, over another one, for users that know no TLS. Above them somebody makes
// the guard; tls_guard.h does.
//
// A guard is immutable, counted, and may be used on any thread. What it makes belongs to one thread.
#pragma once

#include "proxy/net/buffer.h"
#include "proxy/net/stream.h"

struct stream_guard;
struct guarded; // one secured stream

struct stream_guard_ops {
    void (*ref)(struct stream_guard *guard);
    void (*unref)(struct stream_guard *guard); // the last one frees
    bool (*equal)(const struct stream_guard *a, const struct stream_guard *b);
    struct guarded *(*begin)(struct stream_guard *guard, struct stream *below,
                             struct buffer_pool *pool);
    enum err (*agree)(struct guarded *guarded, struct errinfo *info);
    struct stream *(*stream)(struct guarded *guarded);
    void (*end)(struct guarded *guarded);
};

struct stream_guard {
    const struct stream_guard_ops *ops; // static memory
};

// stream_guard_ref takes another reference, stream_guard_unref gives one back. NULL is allowed.
static inline struct stream_guard *stream_guard_ref(struct stream_guard *guard)
{
    if (guard != NULL)
        guard->ops->ref(guard);
    return guard;
}

static inline void stream_guard_unref(struct stream_guard *guard)
{
    if (guard != NULL)
        guard->ops->unref(guard);
}

// stream_guard_equal tells whether both secure alike: they trust the same, and demand the same of the peer. NULL is equal
// to NULL alone.
static inline bool stream_guard_equal(const struct stream_guard *a, const struct stream_guard *b)
{
    if (a == NULL || b == NULL || a->ops != b->ops)
        return a == b;
    return a->ops->equal(a, b);
}
