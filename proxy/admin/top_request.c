// Word by word; each has its place.
#include "proxy/admin/top_request.h"

#include "auth/ipaddr.h"
#include "proxy/config/units.h"

// take_word takes the next word off, if it begins with `label`, and gives what follows that.
static bool take_word(struct slice *left, struct slice label, struct slice *out)
{
    if (left->len == 0 || !slice_starts_with(*left, label))
        return false;
    const size_t len = slice_find(*left, ' ');
    *out = slice_from(slice_first(*left, len), label.len);
    *left = slice_from(*left, len + 1 < left->len ? len + 1 : left->len);
    return true;
}

static enum err read_count(struct slice word, struct top_request *out, struct errinfo *info)
{
    uint64_t count = 0;
    if (!decimal_parse(word, TOP_MAX, &count) || count == 0)
        return errinfo_set(info, ERR_INPUT, "expected a number from 1 to %d", TOP_MAX);
    out->count = (size_t)count;
    return ERR_OK;
}

static enum err read_every(struct slice word, struct top_request *out, struct errinfo *info)
{
    TRY(quantity_parse(QUANTITY_DURATION, word, &out->every_ms, info));
    if (out->every_ms < TOP_EVERY_MIN_MS || out->every_ms > TOP_EVERY_MAX_MS)
        return errinfo_set(info, ERR_INPUT, "`every:` is from 100ms to 1m");
    return ERR_OK;
}

enum err top_request_parse(struct slice argument, struct top_request *out, struct errinfo *info)
{
    struct slice left = argument;
    struct slice word;
    *out = (struct top_request){.count = TOP_DEFAULT};
    if (argument.len > 0 && argument.data[argument.len - 1] == ' ')
        return errinfo_set(info, ERR_INPUT, "single spaces between words, and none at the end");
    if (left.len > 0 && left.data[0] >= '0' && left.data[0] <= '9' &&
        take_word(&left, SLICE_LITERAL(""), &word))
        TRY(read_count(word, out, info));
    if (take_word(&left, SLICE_LITERAL("every:"), &word))
        TRY(read_every(word, out, info));
    if (take_word(&left, SLICE_LITERAL("client:"), &word) &&
        (word.len == 0 || !string_copy(out->client, sizeof out->client, word)))
        return errinfo_set(info, ERR_INPUT, "`client:` needs a name of at most %d bytes",
                           CLIENT_NAME_MAX);
    if (left.len > 0)
        return errinfo_set(info, ERR_INPUT,
                           "expected a number from 1 to %d, then `every:DURATION`, then "
                           "`client:NAME`, each once or not at all",
                           TOP_MAX);
    return ERR_OK;
}
