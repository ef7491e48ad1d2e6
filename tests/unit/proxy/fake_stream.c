// The operations: what the fields say, and assertions on the caller.
#include "tests/unit/proxy/fake_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct fake_stream *fake_of(struct stream *stream)
{
    return (struct fake_stream *)stream;
}

// is_moody counts an operation and tells whether it is the one that says AGAIN for no reason.
static bool is_moody(struct fake_stream *fake)
{
    return ++fake->operations == fake->again_at;
}

static enum err fake_read(struct stream *stream, void *out, size_t cap, size_t *out_len)
{
    struct fake_stream *fake = fake_of(stream);
    *out_len = 0;
    assert_true(cap > 0);
    fake->read_count++;
    if (fake->is_closed)
        return ERR_SYSTEM;
    if (is_moody(fake))
        return ERR_AGAIN;
    struct slice taken = slice_of(fake->in + fake->in_taken, fake->in_len - fake->in_taken);
    if (taken.len == 0 && fake->read_failure != ERR_OK)
        return fake->read_failure;
    if (taken.len == 0)
        return fake->has_end ? ERR_EOF : ERR_AGAIN;
    taken = slice_first(taken, cap);
    if (fake->read_max != 0)
        taken = slice_first(taken, fake->read_max);
    assert_true(bytes_copy(out, cap, taken));
    fake->in_taken += taken.len;
    *out_len = taken.len;
    return ERR_OK;
}

static enum err fake_write(struct stream *stream, struct slice bytes, size_t *out_len)
{
    struct fake_stream *fake = fake_of(stream);
    *out_len = 0;
    assert_true(bytes.len > 0);
    assert_int_equal(fake->finish_count, 0);
    if (fake->is_closed)
        return ERR_SYSTEM;
    if (is_moody(fake))
        return ERR_AGAIN;
    if (fake->write_failure != ERR_OK)
        return fake->write_failure;
    struct slice taken = slice_first(bytes, fake->room);
    if (fake->write_max != 0)
        taken = slice_first(taken, fake->write_max);
    if (taken.len == 0)
        return ERR_AGAIN;
    assert_true(bytes_copy(fake->out + fake->out_len, FAKE_CAP - fake->out_len, taken));
    assert_true(fake->piece_count < FAKE_PIECES_MAX);
    fake->pieces[fake->piece_count++] = taken.len;
    fake->out_len += taken.len;
    fake->room -= taken.len;
    *out_len = taken.len;
    return ERR_OK;
}

static enum err fake_flush(struct stream *stream)
{
    struct fake_stream *fake = fake_of(stream);
    fake->flush_count++;
    if (fake->is_closed)
        return ERR_SYSTEM;
    if (fake->flush_failure != ERR_OK)
        return fake->flush_failure;
    return is_moody(fake) || fake->is_flush_blocked ? ERR_AGAIN : ERR_OK;
}

static enum err fake_finish(struct stream *stream)
{
    struct fake_stream *fake = fake_of(stream);
    if (fake->is_closed)
        return ERR_SYSTEM;
    if (fake->finish_failure != ERR_OK)
        return fake->finish_failure;
    if (is_moody(fake) || fake->is_flush_blocked || fake->is_finish_blocked)
        return ERR_AGAIN;
    if (fake->finish_count++ == 0)
        fake->out_len_at_finish = fake->out_len;
    return ERR_OK;
}

static void fake_want(struct stream *stream, bool read, bool write)
{
    struct fake_stream *fake = fake_of(stream);
    fake->wants_read = read;
    fake->wants_write = write;
}

static bool fake_is_truncated(const struct stream *stream)
{
    return ((const struct fake_stream *)stream)->is_truncated;
}

static void fake_close(struct stream *stream, bool is_reset)
{
    struct fake_stream *fake = fake_of(stream);
    if (fake->is_closed)
        return;
    fake->is_closed = true;
    fake->is_reset = is_reset;
}

static const struct stream_ops fake_ops = {
    .read = fake_read,
    .write = fake_write,
    .flush = fake_flush,
    .finish = fake_finish,
    .want = fake_want,
    .is_truncated = fake_is_truncated,
    .close = fake_close,
};

struct fake_stream *fake_stream_create(void)
{
    struct fake_stream *fake = calloc(1, sizeof *fake);
    assert_non_null(fake);
    fake->stream.ops = &fake_ops;
    fake->room = SIZE_MAX;
    return fake;
}

void fake_stream_destroy(struct fake_stream *fake)
{
    free(fake);
}

void fake_stream_feed(struct fake_stream *fake, struct slice bytes)
{
    assert_true(bytes_copy(fake->in + fake->in_len, FAKE_CAP - fake->in_len, bytes));
    fake->in_len += bytes.len;
}

struct slice fake_stream_written(const struct fake_stream *fake)
{
    return slice_of(fake->out, fake->out_len);
}
