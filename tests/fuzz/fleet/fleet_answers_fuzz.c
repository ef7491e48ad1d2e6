// Fuzzes what is read from the store's answers to scripts: beats, pages of a hash, and orders. What is taken is within its bounds.
#include "proxy/fleet/fleet_beat.h"
#include "proxy/fleet/fleet_order_list.h"
#include "proxy/fleet/fleet_page.h"
#include "proxy/fleet/fleet_scripts.h"

enum { INPUT_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_beat(const struct resp *answer)
{
    struct fleet_beat beat;
    if (fleet_beat_parse(answer, &beat) != ERR_OK) {
        ASSERT(beat.members == 0 && beat.scarce_count == 0);
        return;
    }
    ASSERT(beat.members >= 1 && beat.members <= FLEET_MEMBERS_MAX);
    ASSERT(beat.now_ms >= 0 && beat.revision >= 0 && beat.orders >= 0 && beat.blocks >= 0 &&
           beat.mended >= 0);
    ASSERT(beat.scarce_count <= FLEET_SCARCE_MAX);
    (void)fleet_beat_names(&beat, "alice");
    for (size_t i = 0; i < beat.scarce_count; i++)
        ASSERT(beat.scarce[i].kind == RESP_STRING);
}

static void check_page(const struct resp *answer)
{
    struct fleet_page page;
    if (fleet_page_parse(answer, &page) != ERR_OK) {
        ASSERT(page.pairs == NULL && page.pair_count == 0);
        return;
    }
    ASSERT(page.cursor.len > 0 && page.mended <= INT32_MAX);
    ASSERT(page.is_last == slice_equal(page.cursor, SLICE_LITERAL("0")));
    ASSERT(2 * page.pair_count + 2 == answer->count);
    for (size_t i = 0; i < 2 * page.pair_count; i++)
        ASSERT(page.pairs[i].kind == RESP_STRING);
}

static void check_orders(const struct resp *answer)
{
    struct fleet_order_list list;
    if (fleet_order_list_parse(answer, &list) != ERR_OK) {
        ASSERT(list.items == NULL && list.count == 0);
        return;
    }
    ASSERT(list.given >= 0 && list.given <= list.last && list.count <= FLEET_ORDERS_KEPT);
    for (size_t i = 0; i < list.count; i++)
        ASSERT(list.items[i].kind == RESP_STRING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resp_reader *reader = resp_reader_create();
    struct resp *answer = NULL;
    const char *why = NULL;
    if (reader == NULL)
        return 0;
    resp_reader_feed(reader, slice_first(slice_of(data, size), INPUT_MAX));
    while (resp_reader_next(reader, &answer, &why) == RESP_OK) {
        check_beat(answer);
        check_page(answer);
        check_orders(answer);
        resp_free(answer);
        answer = NULL;
    }
    resp_reader_destroy(reader);
    return 0;
}
