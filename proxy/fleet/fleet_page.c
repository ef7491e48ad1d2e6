// A flat array.
#include "proxy/fleet/fleet_page.h"

enum { HEAD = 2 };

enum err fleet_page_parse(const struct resp *answer, struct fleet_page *out)
{
    int64_t mended = 0;
    *out = (struct fleet_page){0};
    if (answer->kind != RESP_ARRAY || answer->count < HEAD || answer->count % 2 != 0 ||
        answer->items[0].kind != RESP_STRING || answer->items[0].text.len == 0 ||
        !resp_read_integer(&answer->items[1], &mended) || mended < 0 || mended > INT32_MAX)
        return ERR_INPUT;
    for (size_t i = HEAD; i < answer->count; i++) {
        if (answer->items[i].kind != RESP_STRING)
            return ERR_INPUT;
    }
    *out = (struct fleet_page){.cursor = answer->items[0].text,
                               .is_last = slice_equal(answer->items[0].text, SLICE_LITERAL("0")),
                               .mended = (size_t)mended,
                               .pairs = &answer->items[HEAD],
                               .pair_count = (answer->count - HEAD) / 2};
    return ERR_OK;
}
