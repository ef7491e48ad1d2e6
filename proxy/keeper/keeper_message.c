// Format, kind, six zeros, pid, number, text, each at its place; numbers in big endian.
#include "proxy/keeper/keeper_message.h"

#include "auth/ipaddr.h"

enum { AT_KIND = 1, AT_ZEROS = 2, AT_PID = 8, AT_NUMBER = 16, AT_TEXT = 24 };

_Static_assert(AT_TEXT + KEEPER_TEXT_CAP == KEEPER_MESSAGE_LEN, "the text fills the datagram");

static void put_number(uint8_t *out, int64_t number)
{
    for (size_t i = 0; i < sizeof number; i++)
        out[i] = (uint8_t)((uint64_t)number >> (8 * (sizeof number - 1 - i)));
}

// get_number reads a number that is not negative. False: it is.
static bool get_number(const uint8_t *data, int64_t *out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | data[i];
    *out = (int64_t)number;
    return number <= INT64_MAX;
}

// is_filled_with_zeros tells whether nothing is hidden in bytes that have no meaning.
static bool is_filled_with_zeros(struct slice bytes)
{
    uint8_t all = 0;
    for (size_t i = 0; i < bytes.len; i++)
        all |= bytes.data[i];
    return all == 0;
}

// is_notice tells whether a text is one of those that the service manager may be told: none that would have it do something
// else, such as to take another process for the main one.
static bool is_notice(struct slice text)
{
    static const char *const known[] = {"READY=1", "STOPPING=1", "WATCHDOG=1"};
    const struct slice reloading = SLICE_LITERAL("RELOADING=1\nMONOTONIC_USEC=");
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (slice_equal(text, slice_of_string(known[i])))
            return true;
    }
    return slice_starts_with(text, reloading) &&
           decimal_parse(slice_from(text, reloading.len), INT64_MAX, &number);
}

enum err keeper_message_parse(struct slice datagram, struct keeper_message *out,
                              struct errinfo *info)
{
    *out = (struct keeper_message){0};
    if (datagram.len != KEEPER_MESSAGE_LEN)
        return errinfo_set(info, ERR_INPUT, "a message of %zu bytes instead of %d", datagram.len,
                           (int)KEEPER_MESSAGE_LEN);
    const uint8_t *data = datagram.data;
    if (data[0] != KEEPER_FORMAT)
        return errinfo_set(info, ERR_INPUT, "a message in format %d, and this version knows %d",
                           (int)data[0], (int)KEEPER_FORMAT);
    if (data[AT_KIND] >= KEEPER_KIND_COUNT)
        return errinfo_set(info, ERR_INPUT, "a message that this version does not know (%d)",
                           (int)data[AT_KIND]);
    out->kind = (enum keeper_kind)data[AT_KIND];
    const struct slice room = slice_from(datagram, AT_TEXT);
    const size_t text_len = slice_find(room, '\0');
    if (!get_number(data + AT_PID, &out->pid) || !get_number(data + AT_NUMBER, &out->number) ||
        !string_copy(out->text, sizeof out->text, slice_first(room, text_len)) ||
        !is_filled_with_zeros(slice_from(room, text_len)) ||
        !is_filled_with_zeros(slice_of(data + AT_ZEROS, AT_PID - AT_ZEROS)))
        return errinfo_set(info, ERR_INPUT, "a malformed message");
    if (out->kind == KEEPER_NOTIFY && !is_notice(slice_of_string(out->text)))
        return errinfo_set(info, ERR_INPUT, "a notice that the service manager does not get");
    return ERR_OK;
}

void keeper_message_format(const struct keeper_message *message, uint8_t *out)
{
    const size_t text_len = slice_find(slice_of(message->text, sizeof message->text - 1), '\0');
    for (size_t i = 0; i < KEEPER_MESSAGE_LEN; i++)
        out[i] = 0;
    out[0] = KEEPER_FORMAT;
    out[AT_KIND] = (uint8_t)message->kind;
    put_number(out + AT_PID, message->pid);
    put_number(out + AT_NUMBER, message->number);
    (void)bytes_copy(out + AT_TEXT, KEEPER_TEXT_CAP, slice_of(message->text, text_len));
}
