// Word by word; each has its place.
#include "proxy/admin/drain_request.h"

#include "proxy/config/units.h"

static enum err read_lame_duck(struct slice word, struct drain_request *out, struct errinfo *info)
{
    TRY(quantity_parse(QUANTITY_DURATION, word, &out->lame_duck_ms, info));
    if (out->lame_duck_ms < 1 || out->lame_duck_ms > LAME_DUCK_MAX_MS)
        return errinfo_set(info, ERR_INPUT, "`lame_duck:` is from 1ms to 1h");
    return ERR_OK;
}

enum err drain_request_parse(struct slice argument, struct drain_request *out, struct errinfo *info)
{
    static const struct slice wait = {(const uint8_t *)"wait", 4};
    static const struct slice lame_duck = {(const uint8_t *)"lame_duck:", 10};
    struct slice left = argument;
    *out = (struct drain_request){0};
    if (slice_equal(left, wait) || slice_starts_with(left, SLICE_LITERAL("wait "))) {
        out->is_waiting = true;
        left = slice_from(left, wait.len);
        if (left.len == 0)
            return ERR_OK;
        left = slice_from(left, 1);
    } else if (left.len == 0) {
        return ERR_OK;
    }
    if (slice_starts_with(left, lame_duck) && slice_find(left, ' ') == left.len)
        return read_lame_duck(slice_from(left, lame_duck.len), out, info);
    return errinfo_set(info, ERR_INPUT,
                       "expected `wait`, then `lame_duck:DURATION`, each once or not at all");
}
