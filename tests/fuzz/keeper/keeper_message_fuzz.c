// Fuzzes keeper_message_parse: what is accepted is the datagram again when it is written.
#include "proxy/keeper/keeper_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keeper_message message;
    struct errinfo info = {.text = ""};
    uint8_t again[KEEPER_MESSAGE_LEN];
    if (keeper_message_parse(slice_of(data, size), &message, &info) != ERR_OK) {
        ASSERT(info.text[0] != '\0');
        return 0;
    }
    ASSERT(message.kind < KEEPER_KIND_COUNT && message.pid >= 0 && message.number >= 0);
    keeper_message_format(&message, again);
    ASSERT(slice_equal(slice_of(data, size), slice_of(again, sizeof again)));
    return 0;
}
