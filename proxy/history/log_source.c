// zlib's own reader of files passes over what follows the last member without a word. So its inflate is used, and the members
// are counted here.
#include "proxy/history/log_source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "auth/base/slice.h"

enum {
    PACKED_CAP = 64 * 1024,
    WINDOW_BITS = 15 + 16, // of gzip, and of nothing else
    MAGIC_LEN = 2,
};

struct log_source {
    int fd;            // owned
    bool is_known;     // `is_packed` is right
    bool is_packed;    // by gzip
    bool is_in_member; // some of it was read, and not its end
    z_stream inflate;
    uint64_t taken; // bytes of the file in front of `at`
    size_t at;      // in `data`: the next byte
    size_t len;
    unsigned char data[PACKED_CAP]; // of the file
};

struct log_source *log_source_create(int fd)
{
    struct log_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    if (inflateInit2(&source->inflate, WINDOW_BITS) != Z_OK) {
        free(source);
        return NULL;
    }
    source->fd = fd;
    return source;
}

void log_source_destroy(struct log_source *source)
{
    if (source == NULL)
        return;
    (void)inflateEnd(&source->inflate);
    (void)close(source->fd);
    free(source);
}

static size_t left_of(const struct log_source *source)
{
    return source->len - source->at;
}

static void take(struct log_source *source, size_t count)
{
    source->at += count;
    source->taken += count;
}

// fill reads on until `min` bytes are there, or the file has ended.
static enum err fill(struct log_source *source, size_t min, struct errinfo *info)
{
    if (left_of(source) >= min)
        return ERR_OK;
    bytes_drop_front(source->data, source->len, source->at);
    source->len -= source->at;
    source->at = 0;
    while (source->len < min) {
        const ssize_t count =
            read(source->fd, source->data + source->len, sizeof source->data - source->len);
        if (count == 0)
            return ERR_OK;
        if (count < 0 && errno != EINTR)
            return errinfo_set(info, ERR_SYSTEM, "cannot be read: %s", strerror(errno));
        source->len += count > 0 ? (size_t)count : 0;
    }
    return ERR_OK;
}

// has_member tells whether the next bytes are the beginning of a member.
static bool has_member(const struct log_source *source)
{
    const unsigned char *next = source->data + source->at;
    return left_of(source) >= MAGIC_LEN && next[0] == 0x1f && next[1] == 0x8b;
}

// begin_member begins with the next one. `*out_is_end`: there is none.
static enum err begin_member(struct log_source *source, bool *out_is_end, struct errinfo *info)
{
    TRY(fill(source, MAGIC_LEN, info));
    *out_is_end = left_of(source) == 0;
    if (*out_is_end)
        return ERR_OK;
    if (!has_member(source))
        return errinfo_set(
            info, ERR_SYSTEM,
            "something follows what gzip has compressed, from byte %" PRIu64
            " on, which is not read: look what it is, and give it as a file of its own",
            source->taken + 1);
    (void)inflateReset(&source->inflate);
    source->is_in_member = true;
    return ERR_OK;
}

// unpack gives what the bytes at hand stand for.
static enum err unpack(struct log_source *source, char *out, size_t cap, size_t *out_len,
                       struct errinfo *info)
{
    TRY(fill(source, 1, info));
    z_stream *inflater = &source->inflate;
    inflater->next_in = source->data + source->at;
    inflater->avail_in = (uInt)left_of(source);
    inflater->next_out = (unsigned char *)out;
    inflater->avail_out = (uInt)cap;
    if (inflater->avail_in == 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot be uncompressed: unexpected end of file");
    const int code = inflate(inflater, Z_NO_FLUSH);
    take(source, left_of(source) - inflater->avail_in);
    *out_len = cap - inflater->avail_out;
    source->is_in_member = code != Z_STREAM_END;
    if (code == Z_OK || code == Z_STREAM_END)
        return ERR_OK;
    return errinfo_set(info, ERR_SYSTEM, "cannot be uncompressed: %s",
                       inflater->msg == NULL ? "no memory, or it is damaged" : inflater->msg);
}

static enum err read_packed(struct log_source *source, char *out, size_t cap, size_t *out_len,
                            struct errinfo *info)
{
    bool is_end = false;
    while (*out_len == 0) {
        if (!source->is_in_member)
            TRY(begin_member(source, &is_end, info));
        if (is_end)
            return ERR_OK;
        TRY(unpack(source, out, cap, out_len, info));
    }
    return ERR_OK;
}

static enum err read_plain(struct log_source *source, char *out, size_t cap, size_t *out_len,
                           struct errinfo *info)
{
    TRY(fill(source, 1, info));
    const size_t count = left_of(source) < cap ? left_of(source) : cap;
    (void)bytes_copy(out, cap, slice_of((char *)source->data + source->at, count));
    take(source, count);
    *out_len = count;
    return ERR_OK;
}

enum err log_source_read(struct log_source *source, char *out, size_t cap, size_t *out_len,
                         struct errinfo *info)
{
    *out_len = 0;
    if (!source->is_known) {
        TRY(fill(source, MAGIC_LEN, info));
        source->is_packed = has_member(source);
        source->is_known = true;
    }
    return source->is_packed ? read_packed(source, out, cap, out_len, info)
                             : read_plain(source, out, cap, out_len, info);
}
