// A table says which members a kind has; one function reads them by it, one writes them.
#include "proxy/handover/handover_message.h"

#include <stddef.h>

// What a datagram may have, in the order in which it stands there.
enum member {
    MEMBER_FORMAT = 1 << 0,
    MEMBER_NUMBER = 1 << 1,
    MEMBER_PATHS = 1 << 2,
    MEMBER_LISTENER = 1 << 3,
    MEMBER_TEXT = 1 << 4,
    MEMBER_BYTES = 1 << 5,
};

static const struct kind_row {
    const char *name;
    unsigned members;
    size_t fds_max;
    bool needs_fd;
} rows[HANDOVER_KIND_COUNT] = {
    [HANDOVER_HELLO] = {"hello", MEMBER_FORMAT | MEMBER_NUMBER | MEMBER_PATHS, 0, false},
    [HANDOVER_LISTENER] = {"listener", MEMBER_LISTENER, HANDOVER_FDS_MAX, true},
    [HANDOVER_CONTROL] = {"control", 0, 1, true},
    [HANDOVER_ADMIN] = {"admin", MEMBER_LISTENER, 1, true},
    [HANDOVER_ADMIN_FILE] = {"admin_file", MEMBER_TEXT, 1, true},
    [HANDOVER_BEGIN] = {"begin", 0, 0, false},
    [HANDOVER_PREPARED] = {"prepared", 0, 0, false},
    [HANDOVER_FAILED] = {"failed", MEMBER_TEXT, 0, false},
    [HANDOVER_BLOCKS] = {"blocks", MEMBER_NUMBER | MEMBER_BYTES, 0, false},
    [HANDOVER_TICKETS] = {"tickets", MEMBER_BYTES, 0, false},
    [HANDOVER_PREDECESSOR] = {"predecessor", MEMBER_NUMBER, 1, true},
    [HANDOVER_COMMIT] = {"commit", MEMBER_NUMBER, 0, false},
    [HANDOVER_SERVING] = {"serving", 0, 0, false},
    [HANDOVER_OBEY] = {"obey", MEMBER_NUMBER, 0, false},
    [HANDOVER_OBEYED] = {"obeyed", MEMBER_NUMBER, 0, false},
    [HANDOVER_FOLLOW] = {"follow", 0, 0, false},
    [HANDOVER_COUNTS] = {"counts", MEMBER_BYTES, 0, false},
    [HANDOVER_ASK] = {"ask", MEMBER_NUMBER | MEMBER_TEXT, 0, false},
    [HANDOVER_ANSWER] = {"answer", MEMBER_NUMBER | MEMBER_BYTES, 0, false},
    [HANDOVER_ANSWERED] = {"answered", MEMBER_NUMBER, 0, false},
    [HANDOVER_REOPEN] = {"reopen", 0, 0, false},
    [HANDOVER_RELOAD] = {"reload", 0, 0, false},
    [HANDOVER_DRAIN] = {"drain", 0, 0, false},
    [HANDOVER_STOP] = {"stop", 0, 0, false},
    [HANDOVER_ENDED] = {"ended", MEMBER_NUMBER, 0, false},
    [HANDOVER_OCSP] = {"ocsp", MEMBER_NUMBER | MEMBER_BYTES, 0, false},
    [HANDOVER_SECRETS] = {"secrets", MEMBER_BYTES, 0, false},
    [HANDOVER_READY] = {"ready", 0, 0, false},
    [HANDOVER_YOURS] = {"yours", 0, 0, false},
};

const char *handover_kind_name(enum handover_kind kind)
{
    ASSERT((size_t)kind < HANDOVER_KIND_COUNT);
    return rows[kind].name;
}

size_t handover_message_fds(enum handover_kind kind, bool *out_is_required)
{
    ASSERT((size_t)kind < HANDOVER_KIND_COUNT);
    *out_is_required = rows[kind].needs_fd;
    return rows[kind].fds_max;
}

// ---- reading ------------------------------------------------------------------------------------

// take_number takes a number of `len` bytes off the front.
static bool take_number(struct slice *left, size_t len, uint64_t *out)
{
    *out = 0;
    if (left->len < len)
        return false;
    for (size_t i = 0; i < len; i++)
        *out = *out << 8 | left->data[i];
    *left = slice_from(*left, len);
    return true;
}

// take_bytes takes bytes with their length before them.
static bool take_bytes(struct slice *left, size_t max, struct slice *out)
{
    uint64_t len = 0;
    if (!take_number(left, sizeof(uint16_t), &len) || len > max || len > left->len)
        return false;
    *out = slice_first(*left, (size_t)len);
    *left = slice_from(*left, (size_t)len);
    return true;
}

// take_text takes bytes without any NUL, so that they can become a string.
static bool take_text(struct slice *left, size_t max, struct slice *out)
{
    return take_bytes(left, max, out) && slice_find(*out, '\0') == out->len;
}

// take_place takes an address, the bytes of which are there for both families, and its port.
static bool take_place(struct slice *left, struct endpoint *out)
{
    uint64_t family = 0;
    uint64_t port = 0;
    struct slice bytes;
    if (!take_number(left, 1, &family) || !take_bytes(left, sizeof out->address.bytes, &bytes) ||
        !take_number(left, sizeof(uint16_t), &port))
        return false;
    out->address = (struct ip_addr){.family = family == 4 ? IP_V4 : IP_V6};
    out->port = (uint16_t)port;
    const size_t len = family == 4 ? 4 : 16;
    return (family == 4 || family == 6) && bytes.len == len &&
           bytes_copy(out->address.bytes, sizeof out->address.bytes, bytes);
}

static bool take_members(struct slice *left, unsigned members, struct handover_message *out)
{
    uint64_t format = 0;
    if ((members & MEMBER_FORMAT) != 0 && !take_number(left, sizeof out->format, &format))
        return false;
    out->format = (uint32_t)format;
    if ((members & MEMBER_NUMBER) != 0 && !take_number(left, sizeof out->number, &out->number))
        return false;
    if ((members & MEMBER_PATHS) != 0 && (!take_text(left, HANDOVER_TEXT_MAX, &out->control) ||
                                          !take_text(left, HANDOVER_TEXT_MAX, &out->state)))
        return false;
    if ((members & MEMBER_LISTENER) != 0 &&
        (!take_text(left, HANDOVER_NAME_MAX, &out->name) || out->name.len == 0 ||
         !take_place(left, &out->configured) || !take_place(left, &out->bound) ||
         out->bound.port == 0))
        return false;
    if ((members & MEMBER_TEXT) != 0 && !take_text(left, HANDOVER_TEXT_MAX, &out->text))
        return false;
    return (members & MEMBER_BYTES) == 0 || take_bytes(left, HANDOVER_BYTES_MAX, &out->bytes);
}

enum err handover_message_parse(struct slice datagram, struct handover_message *out,
                                struct errinfo *info)
{
    struct slice left = datagram;
    uint64_t kind = 0;
    *out = (struct handover_message){0};
    if (datagram.len > HANDOVER_MESSAGE_MAX)
        return errinfo_set(info, ERR_INPUT, "a message is longer than %d bytes",
                           (int)HANDOVER_MESSAGE_MAX);
    if (!take_number(&left, 1, &kind) || kind >= HANDOVER_KIND_COUNT)
        return errinfo_set(info, ERR_INPUT, "a message of a kind that this version does not know");
    out->kind = (enum handover_kind)kind;
    if (!take_members(&left, rows[kind].members, out) || left.len != 0)
        return errinfo_set(info, ERR_INPUT, "the message `%s` is malformed", rows[kind].name);
    return ERR_OK;
}

// ---- writing ------------------------------------------------------------------------------------

// output is a datagram under construction.
struct output {
    uint8_t *data; // borrowed; HANDOVER_MESSAGE_MAX bytes
    size_t len;
    bool is_bad; // something did not fit
};

static void put_number(struct output *out, size_t len, uint64_t number)
{
    if (out->len + len > HANDOVER_MESSAGE_MAX) {
        out->is_bad = true;
        return;
    }
    for (size_t i = 0; i < len; i++)
        out->data[out->len++] = (uint8_t)(number >> (8 * (len - 1 - i)));
}

static void put_bytes(struct output *out, size_t max, struct slice bytes)
{
    put_number(out, sizeof(uint16_t), bytes.len);
    if (bytes.len > max || out->is_bad ||
        !bytes_copy(out->data + out->len, HANDOVER_MESSAGE_MAX - out->len, bytes))
        out->is_bad = true;
    else
        out->len += bytes.len;
}

static void put_place(struct output *out, const struct endpoint *place)
{
    const bool is_v4 = place->address.family == IP_V4;
    put_number(out, 1, is_v4 ? 4 : 6);
    put_bytes(out, sizeof place->address.bytes, slice_of(place->address.bytes, is_v4 ? 4 : 16));
    put_number(out, sizeof(uint16_t), place->port);
}

size_t handover_message_format(const struct handover_message *message, uint8_t *out)
{
    struct output to = {.data = out};
    const unsigned members = rows[message->kind].members;
    put_number(&to, 1, message->kind);
    if ((members & MEMBER_FORMAT) != 0)
        put_number(&to, sizeof message->format, message->format);
    if ((members & MEMBER_NUMBER) != 0)
        put_number(&to, sizeof message->number, message->number);
    if ((members & MEMBER_PATHS) != 0) {
        put_bytes(&to, HANDOVER_TEXT_MAX, message->control);
        put_bytes(&to, HANDOVER_TEXT_MAX, message->state);
    }
    if ((members & MEMBER_LISTENER) != 0) {
        put_bytes(&to, HANDOVER_NAME_MAX, message->name);
        put_place(&to, &message->configured);
        put_place(&to, &message->bound);
    }
    if ((members & MEMBER_TEXT) != 0)
        put_bytes(&to, HANDOVER_TEXT_MAX, message->text);
    if ((members & MEMBER_BYTES) != 0)
        put_bytes(&to, HANDOVER_BYTES_MAX, message->bytes);
    return to.is_bad ? 0 : to.len;
}
