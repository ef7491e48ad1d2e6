// Times are in milliseconds, with a unit as Squid reads it (src/cache_cf.cc, parseTimeLine).
#include "proxy/import/squid_settings.h"

#include "proxy/import/squid_harmless.h"
#include "proxy/import/squid_lines.h"

#define SECOND INT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

enum { SHOWN = 80, WORKERS_MAX = 256, SERVERS_MAX = 8 };

// times is which directive is which key of `timeouts`, and how long that may be.
static const struct {
    const char *directive;
    const char *key; // NULL: the age of each client's tunnels
    int64_t most;
} times[] = {
    {"connect_timeout", "connect", HOUR},  {"read_timeout", "idle", 30 * DAY},
    {"request_timeout", "request", HOUR},  {"client_idle_pconn_timeout", "keepalive", DAY},
    {"dns_timeout", "resolve", HOUR},      {"shutdown_lifetime", "drain", 30 * DAY},
    {"client_lifetime", NULL, 3650 * DAY},
};

static bool unit_of(struct slice word, int64_t *out)
{
    static const struct {
        const char *name;
        int64_t milliseconds;
    } units[] = {{"millisecond", 1}, {"second", SECOND}, {"minute", 60 * SECOND},
                 {"hour", HOUR},     {"day", DAY},       {"week", 7 * DAY}};
    const bool is_plural = word.len > 1 && word.data[word.len - 1] == 's';
    const struct slice one = slice_first(word, word.len - is_plural);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (squid_word_is(one, units[i].name)) {
            *out = units[i].milliseconds;
            return true;
        }
    }
    return false;
}

static bool read_time(struct slice rest, int64_t most, int64_t *out)
{
    struct slice word;
    uint64_t number = 0;
    int64_t unit = SECOND;
    if (!squid_word_next(&rest, &word) || !decimal_parse(word, UINT32_MAX, &number))
        return false;
    if (squid_word_next(&rest, &word) && !unit_of(word, &unit))
        return false;
    if (number == 0 || (int64_t)number > most / unit || squid_word_next(&rest, &word))
        return false;
    *out = (int64_t)number * unit;
    return true;
}

static bool take_time(struct squid_config *config, struct import_place place,
                      struct slice directive, struct slice rest)
{
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t milliseconds = 0;
        if (!slice_equal(directive, slice_of_string(times[i].directive)))
            continue;
        if (!read_time(rest, times[i].most, &milliseconds))
            import_say(config->notes, IMPORT_LEFT_OUT, place,
                       "%s: left out: write `%s` in docs/CONFIG.md's units and bounds",
                       times[i].directive, times[i].key == NULL ? "limits.age" : times[i].key);
        else if (times[i].key == NULL)
            config->imported->age_ms = milliseconds;
        else
            imported_set_time(config->notes, config->imported, times[i].key, milliseconds);
        return true;
    }
    return false;
}

static void take_resolvers(struct squid_config *config, struct import_place place,
                           struct slice rest)
{
    char buffer[SERVERS_MAX * (IP_TEXT_CAP + 12)];
    char address[IP_TEXT_CAP];
    struct text list;
    struct slice word;
    struct ip_addr addr;
    size_t count = 0;
    text_init(&list, buffer, sizeof buffer);
    while (squid_word_next(&rest, &word)) {
        if (count == SERVERS_MAX || ip_addr_parse(word, &addr) != ERR_OK)
            import_say(config->notes, IMPORT_LEFT_OUT, place,
                       "dns_nameservers: `%.*s` is left out: at most %d addresses",
                       (int)slice_first(word, SHOWN).len, (const char *)word.data, SERVERS_MAX);
        else
            text_append_format(&list, addr.family == IP_V6 ? "%s\"[%s]:53\"" : "%s\"%s:53\"",
                               count++ == 0 ? "" : ", ", ip_addr_format(&addr, address));
    }
    if (count > 0)
        config->imported->resolvers = import_copy(config->notes, text_slice(&list));
}

static void take_egress(struct squid_config *config, struct import_place place, struct slice rest)
{
    struct slice word = {0}, more;
    struct ip_prefix prefix;
    const bool has_address = squid_word_next(&rest, &word) && slice_find(word, '/') == word.len &&
                             import_prefix_parse(word, &prefix);
    if (has_address && !squid_word_next(&rest, &more) && config->imported->egress.count == 0)
        import_prefixes_add(config->notes, &config->imported->egress, &prefix);
    else
        import_say(
            config->notes, IMPORT_LEFT_OUT, place,
            "tcp_outgoing_address: left out: write `egress: {addresses: [...]}` for the clients that it is for");
}

static bool take_one(struct squid_config *config, struct import_place place, struct slice directive,
                     struct slice rest)
{
    struct slice word = {0};
    uint64_t number = 0;
    if (slice_equal(directive, SLICE_LITERAL("dns_nameservers"))) {
        take_resolvers(config, place, rest);
    } else if (slice_equal(directive, SLICE_LITERAL("tcp_outgoing_address"))) {
        take_egress(config, place, rest);
    } else if (slice_equal(directive, SLICE_LITERAL("hosts_file"))) {
        if (squid_word_next(&rest, &word) && !squid_word_is(word, "none"))
            config->imported->hosts_file = import_copy(config->notes, word);
    } else if (slice_equal(directive, SLICE_LITERAL("workers"))) {
        if (squid_word_next(&rest, &word) && decimal_parse(word, WORKERS_MAX, &number))
            config->imported->workers = number;
        else
            import_say(config->notes, IMPORT_LEFT_OUT, place, "workers: left out: at most %d",
                       WORKERS_MAX);
    } else {
        return false;
    }
    return true;
}

bool squid_take_setting(struct squid_config *config, struct import_place place,
                        struct slice directive, struct slice rest)
{
    return take_time(config, place, directive, rest) || take_one(config, place, directive, rest) ||
           squid_harmless_take(config->notes, place, directive);
}
