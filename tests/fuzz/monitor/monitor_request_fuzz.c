// A request to the listener for metrics and health. Nobody in from sees more than what is open, and no answer is to a Host
// with a name that is not ours.
#include "proxy/monitor/monitor_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *names[] = {"proxy.example.org"};
    static struct ip_prefix anybody = {{IP_V4, {0}}, 0};
    static const struct ip_addr address = {IP_V4, {10, 0, 0, 1}};
    const struct admin_settings settings = {
        .address = {.address = {IP_V4, {size % 2 == 0 ? 127 : 10, 0, 0, 1}}, .port = 1},
        .open = 1U << ADMIN_READYZ,
        .from = &anybody,
        .from_count = 1,
        .names = names,
        .name_count = 1,
    };
    const struct monitor_source source = monitor_source_of(&settings, &address);
    struct message_head head;
    struct monitor_request request;
    const char *why = "";
    if (request_head_parse(slice_of(data, size), MONITOR_HEAD_MAX, &head, &why) != HEAD_OK)
        return 0;
    const struct monitor_refusal refusal =
        monitor_request_decide(&settings, &source, &head, &request);
    if (refusal.status != 0)
        return 0;
    ASSERT(source.is_trusted || request.page == ADMIN_READYZ);
    ASSERT(head.body == BODY_NONE && request.page < ADMIN_PAGE_COUNT);
    ASSERT(!slice_contains(head.host, SLICE_LITERAL("evil")));
    return 0;
}
