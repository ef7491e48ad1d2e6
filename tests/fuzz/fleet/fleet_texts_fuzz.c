// Fuzzes the plain texts of a fleet: words on blocks, members, orders, answers, ticket secrets. What is read is written again,
// and read from that the same.
#include "proxy/fleet/fleet_orders.h"
#include "proxy/fleet/fleet_word.h"
#include "proxy/fleet/members.h"
#include "proxy/fleet/ticket_set.h"

enum { INPUT_MAX = 16 * 1024, ROOM = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Each reads `bytes`, and where that is good writes it to `again`.
static bool word(struct slice bytes, struct text *again)
{
    char text[BLOCK_TEXT_CAP];
    struct fleet_word word;
    struct errinfo info = {0};
    const bool is_good = fleet_word_parse(bytes, text, &word, &info) == ERR_OK;
    ASSERT(is_good || info.text[0] != '\0');
    if (is_good)
        fleet_word_format(&word, again);
    return is_good;
}

static bool member(struct slice bytes, struct text *again)
{
    struct member member;
    struct errinfo info = {0};
    const bool is_good = member_parse(bytes, &member, &info) == ERR_OK;
    ASSERT(is_good || info.text[0] != '\0');
    if (is_good)
        member_format(&member, again);
    return is_good;
}

static bool order(struct slice bytes, struct text *again)
{
    struct fleet_order order;
    struct errinfo info = {0};
    const bool is_good = fleet_order_parse(bytes, &order, &info) == ERR_OK;
    ASSERT(is_good || info.text[0] != '\0');
    if (is_good) {
        fleet_order_format(&order, again);
        ASSERT(fleet_order_judge(&order, order.targets[0], true, order.issued_ms) ==
               FLEET_REPEATED);
    }
    fleet_order_deinit(&order);
    return is_good;
}

static bool answer(struct slice bytes, struct text *again)
{
    struct fleet_order_answer answer;
    struct errinfo info = {0};
    const bool is_good = fleet_order_answer_parse(bytes, &answer, &info) == ERR_OK;
    ASSERT(is_good || info.text[0] != '\0');
    if (is_good)
        fleet_order_answer_format(&answer, again);
    return is_good;
}

static bool tickets(struct slice bytes, struct text *again)
{
    struct ticket_set set;
    struct errinfo info = {0};
    const bool is_good = ticket_set_parse(bytes, &set, &info) == ERR_OK;
    ASSERT(is_good || info.text[0] != '\0');
    if (is_good)
        ticket_set_format(&set, again);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool (*const kinds[])(struct slice, struct text *) = {word, member, order, answer,
                                                                 tickets};
    const struct slice input = slice_first(slice_of(data, size), INPUT_MAX);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        static char first_data[ROOM];
        static char second_data[ROOM];
        struct text first;
        struct text second;
        text_init(&first, first_data, sizeof first_data);
        text_init(&second, second_data, sizeof second_data);
        if (!kinds[i](input, &first))
            continue;
        ASSERT(!first.is_cut);
        ASSERT(kinds[i](text_slice(&first), &second));
        ASSERT(slice_equal(text_slice(&first), text_slice(&second)));
    }
    return 0;
}
