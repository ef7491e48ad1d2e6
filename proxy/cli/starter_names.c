// Looks in the hosts file first, then asks DNS, as the proxy would.
#include "proxy/cli/starter_names.h"

#include "proxy/cli/lookup.h"
#include "proxy/config/system_resolver.h"

enum { FOUND_MAX = 16, PATIENCE_MS = 3000, SENTENCE_CAP = 256 };

// add_range adds one address to the rule, once.
static void add_range(struct starter_allow *allow, const struct ip_addr *address)
{
    for (size_t i = 0; i < allow->prefix_count; i++) {
        if (ip_addr_equal(&allow->prefixes[i].addr, address))
            return;
    }
    if (allow->prefix_count < STARTER_MAX_PREFIXES)
        allow->prefixes[allow->prefix_count++] =
            (struct ip_prefix){.addr = *address, .length = address->family == IP_V4 ? 32 : 128};
}

enum err starter_names_judge(const struct starter_allow *allow, const struct ip_addr *found,
                             size_t count, struct errinfo *info)
{
    char buffer[SENTENCE_CAP];
    char address[IP_TEXT_CAP];
    struct text ranges;
    const struct ip_addr *special = NULL;
    text_init(&ranges, buffer, sizeof buffer);
    for (size_t i = 0; i < count; i++) {
        const enum ip_class ip_class = ip_addr_classify(&found[i]);
        if (ip_class == IP_CLASS_ORDINARY)
            return ERR_OK;
        if (ip_class != IP_CLASS_SPECIAL)
            continue;
        text_append_format(&ranges, "%s%s/%d", special == NULL ? "" : ",",
                           ip_addr_format(&found[i], address), found[i].family == IP_V4 ? 32 : 128);
        special = &found[i];
    }
    if (count == 0)
        return ERR_OK;
    const char *name = allow->host.name.text;
    if (special == NULL)
        return errinfo_set(info, ERR_INPUT,
                           "--allow %s:%u: the name leads to %s, where no rule lets anybody go",
                           name, (unsigned)allow->port, ip_addr_format(&found[0], address));
    const char *range = ip_addr_special_name(special);
    return errinfo_set(info, ERR_INPUT,
                       "--allow %s:%u: DNS says that the name is at %s (%s), and a name alone "
                       "reaches public addresses only. If this is intended: --allow %s:%u=%s",
                       name, (unsigned)allow->port, ip_addr_format(special, address),
                       range == NULL ? "special" : range, name, (unsigned)allow->port, buffer);
}

// settle_by_hosts takes what the machine itself knows of a name; false when that is nothing.
static bool settle_by_hosts(struct starter_allow *allow, const struct resolver_options *options,
                            bool *out_needs_hosts_file)
{
    // The proxy knows localhost without the file.
    const struct slice name = hostname_slice(&allow->host.name);
    const bool is_local = host_is_below_localhost(name);
    size_t count = 0;
    const struct host_entry *entries =
        host_table_find_known(is_local ? NULL : options->hosts, name, &count);
    for (size_t i = 0; i < count; i++) {
        if (ip_addr_classify(&entries[i].address) == IP_CLASS_SPECIAL)
            add_range(allow, &entries[i].address);
    }
    *out_needs_hosts_file |= count > 0 && !is_local;
    return count > 0;
}

static enum err settle(struct starter_allow *allows, size_t count,
                       const struct resolver_options *options, bool *out_needs_hosts_file,
                       struct errinfo *info)
{
    bool is_answered = true; // DNS that is silent is not waited for again
    for (size_t i = 0; i < count; i++) {
        struct starter_allow *allow = &allows[i];
        if (allow->is_address || allow->host.kind != HOST_PATTERN_EXACT ||
            allow->prefix_count > 0 || settle_by_hosts(allow, options, out_needs_hosts_file) ||
            !is_answered)
            continue;
        struct ip_addr found[FOUND_MAX];
        size_t found_count = 0;
        is_answered = lookup(options, PATIENCE_MS, hostname_slice(&allow->host.name), found,
                             FOUND_MAX, &found_count) == NULL;
        TRY(starter_names_judge(allow, found, found_count, info));
    }
    return ERR_OK;
}

enum err starter_names_settle(struct starter_allow *allows, size_t count,
                              bool *out_needs_hosts_file, struct errinfo *info)
{
    struct resolver_options options = {0};
    *out_needs_hosts_file = false;
    if (count == 0)
        return ERR_OK;
    if (system_resolver_fill(&options) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    const enum err error = settle(allows, count, &options, out_needs_hosts_file, info);
    host_table_unref(options.hosts);
    return error;
}
