// Fuzzes handover_message_parse: what is accepted is the datagram again when it is written, byte for byte.
#include "proxy/handover/handover_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[HANDOVER_MESSAGE_MAX];
    struct handover_message message;
    struct errinfo info = {.text = ""};
    const struct slice datagram = slice_of(data, size);
    if (handover_message_parse(datagram, &message, &info) != ERR_OK) {
        ASSERT(info.text[0] != '\0');
        return 0;
    }
    ASSERT(slice_find(message.name, '\0') == message.name.len);
    ASSERT(slice_find(message.text, '\0') == message.text.len);
    const size_t len = handover_message_format(&message, again);
    ASSERT(slice_equal(datagram, slice_of(again, len)));
    return 0;
}
