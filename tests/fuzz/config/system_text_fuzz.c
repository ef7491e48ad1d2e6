// Fuzzes the readers of hosts(5) and resolv.conf(5): names and addresses that come out are canonical, counts are
// bounded by the lines, and nothing is read beyond the end.
#include <stdlib.h>

#include "proxy/config/system_text.h"

enum { INPUT_MAX = 65536, SERVERS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check_line(void *arg, const struct ip_addr *address, const struct hostname *name)
{
    size_t *names = arg;
    struct hostname again;
    struct ip_addr same;
    char ip[IP_TEXT_CAP];
    ASSERT(hostname_parse(hostname_slice(name), &again) == ERR_OK);
    ASSERT(slice_equal(hostname_slice(&again), hostname_slice(name)));
    ASSERT(ip_addr_parse(slice_of_string(ip_addr_format(address, ip)), &same) == ERR_OK);
    ASSERT(ip_addr_equal(&same, address));
    return --*names > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t len = size < INPUT_MAX ? size : INPUT_MAX;
    uint8_t *copy = malloc(len + 1);
    size_t names = 1000;
    size_t lines = 1;
    size_t skipped = 0;
    struct ip_addr servers[SERVERS];
    if (copy == NULL)
        return 0;
    const struct slice text = slice_of(copy, len);
    (void)bytes_copy(copy, len, slice_of(data, len));
    for (size_t i = 0; i < len; i++)
        lines += copy[i] == '\n';
    const struct hosts_text seen = hosts_text_parse(text, check_line, &names);
    ASSERT(seen.skipped <= seen.line && seen.line <= lines);
    ASSERT(seen.first_skipped <= seen.line && (seen.first_skipped == 0) == (seen.skipped == 0));
    const size_t count = resolv_conf_parse(text, servers, SERVERS, &skipped);
    ASSERT(count <= SERVERS && count + skipped <= lines);
    for (size_t i = 0; i < count; i++)
        ASSERT(servers[i].family == IP_V4 || servers[i].family == IP_V6);
    free(copy);
    return 0;
}
