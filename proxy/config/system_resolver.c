// What this machine has in /etc/hosts and /etc/resolv.conf, as resolver_options.
#include "proxy/config/system_resolver.h"

#include "auth/iprange.h"
#include "proxy/config/file.h"
#include "proxy/config/host_list.h"
#include "proxy/config/system_text.h"

enum {
    SYSTEM_FILE_MAX = 16 * 1024 * 1024, // bytes
    DNS_PORT = 53,
    TIMEOUT_MS = 1500,
    TRIES = 2,
};

struct gathering {
    struct host_list list;
    bool has_localhost;
};

static bool on_hosts_line(void *arg, const struct ip_addr *address, const struct hostname *name)
{
    struct gathering *gathering = arg;
    gathering->has_localhost |= slice_equal(hostname_slice(name), SLICE_LITERAL("localhost"));
    return host_list_add(&gathering->list, address, name);
}

// add_localhost adds what every machine knows (RFC 6761 6.3), where its file does not say otherwise.
static void add_localhost(struct gathering *gathering)
{
    static const struct ip_addr loopback[] = {{.family = IP_V6, .bytes = {[15] = 1}},
                                              {.family = IP_V4, .bytes = {127, 0, 0, 1}}};
    struct hostname name;
    if (gathering->has_localhost || hostname_parse(SLICE_LITERAL("localhost"), &name) != ERR_OK)
        return;
    for (size_t i = 0; i < 2; i++)
        (void)host_list_add(&gathering->list, &loopback[i], &name);
}

static enum err fill_hosts(struct resolver_options *options)
{
    struct gathering gathering = {0};
    struct file_content content = {0};
    struct errinfo info;
    if (file_read("/etc/hosts", SYSTEM_FILE_MAX, FILE_PUBLIC, &content, &info) == ERR_OK)
        (void)hosts_text_parse(content.bytes, on_hosts_line, &gathering);
    add_localhost(&gathering);
    if (gathering.list.error != ERR_MEMORY)
        options->hosts = host_table_create(gathering.list.entries, gathering.list.count);
    host_list_deinit(&gathering.list);
    file_content_deinit(&content);
    return options->hosts == NULL ? ERR_MEMORY : ERR_OK;
}

size_t system_servers_add(struct resolver_options *options, struct slice text)
{
    struct ip_addr found[DNS_MAX_SERVERS];
    size_t skipped = 0;
    const size_t count = resolv_conf_parse(text, found, DNS_MAX_SERVERS, &skipped);
    for (size_t i = 0; i < count; i++) {
        if (ip_addr_classify(&found[i]) == IP_CLASS_CLOSED)
            skipped++;
        else
            options->servers[options->server_count++] =
                (struct dns_server){.address = found[i], .port = DNS_PORT};
    }
    return skipped;
}

bool system_servers_default(struct resolver_options *options)
{
    if (options->server_count > 0)
        return false;
    options->servers[options->server_count++] = (struct dns_server){
        .address = {.family = IP_V4, .bytes = {127, 0, 0, 1}}, .port = DNS_PORT};
    return true;
}

static void fill_servers(struct resolver_options *options)
{
    struct file_content content = {0};
    struct errinfo info;
    if (file_read("/etc/resolv.conf", SYSTEM_FILE_MAX, FILE_PUBLIC, &content, &info) == ERR_OK)
        (void)system_servers_add(options, content.bytes);
    file_content_deinit(&content);
    (void)system_servers_default(options);
}

enum err system_resolver_fill(struct resolver_options *options)
{
    if (options->server_count == 0)
        fill_servers(options);
    options->timeout_ms = TIMEOUT_MS;
    options->tries = TRIES;
    options->family = RESOLVER_ANY;
    return fill_hosts(options);
}
