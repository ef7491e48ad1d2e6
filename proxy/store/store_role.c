// What is not exactly the answer that is expected means no.
#include "proxy/store/store_role.h"

bool store_role_is_master(const struct resp *answer)
{
    return answer->kind == RESP_ARRAY && answer->count >= 1 &&
           answer->items[0].kind == RESP_STRING &&
           slice_equal(answer->items[0].text, SLICE_LITERAL("master"));
}

// parse_host reads a host as Sentinels write it: IPv6 without brackets.
static enum err parse_host(struct slice text, struct target *out)
{
    *out = (struct target){.kind = TARGET_ADDRESS};
    if (ip_addr_parse(text, &out->address) == ERR_OK)
        return ERR_OK;
    return target_host_parse(text, out);
}

bool store_role_read_master(const struct resp *answer, struct target *out)
{
    uint16_t port = 0;
    if (answer->kind != RESP_ARRAY || answer->count != 2 || answer->items[0].kind != RESP_STRING ||
        answer->items[1].kind != RESP_STRING || parse_host(answer->items[0].text, out) != ERR_OK ||
        port_parse(answer->items[1].text, &port) != ERR_OK)
        return false;
    out->port = port;
    return true;
}
