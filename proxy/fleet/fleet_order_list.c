// Two numbers and strings.
#include "proxy/fleet/fleet_order_list.h"

enum { HEAD = 2 };

enum err fleet_order_list_parse(const struct resp *answer, struct fleet_order_list *out)
{
    int64_t given = 0, last = 0;
    *out = (struct fleet_order_list){0};
    if (answer->kind != RESP_ARRAY || answer->count < HEAD ||
        answer->count > HEAD + FLEET_ORDERS_KEPT || !resp_read_integer(&answer->items[0], &given) ||
        !resp_read_integer(&answer->items[1], &last) || given < 0 || given > last)
        return ERR_INPUT;
    for (size_t i = HEAD; i < answer->count; i++) {
        if (answer->items[i].kind != RESP_STRING)
            return ERR_INPUT;
    }
    *out = (struct fleet_order_list){
        .given = given, .last = last, .items = &answer->items[HEAD], .count = answer->count - HEAD};
    return ERR_OK;
}
