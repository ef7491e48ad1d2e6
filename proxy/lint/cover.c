// Compares by asking the sets themselves: a wildcard is covered when a name that only a wildcard could match is.
#include "proxy/lint/cover.h"

static bool spend(struct budget *budget)
{
    if (budget->left == 0)
        return false;
    budget->left--;
    return true;
}

// ---- ports --------------------------------------------------------------------------------------

static const struct port_range ALL_PORTS = {1, UINT16_MAX};
static const struct port_range HTTPS_PORT = {443, 443};

// ports are the ranges of a rule, with what leaving them out means.
struct ports {
    const struct port_range *ranges;
    size_t count;
};

static struct ports ports_of(const struct rule *rule, const struct port_range *otherwise)
{
    if (rule->port_count == 0)
        return (struct ports){otherwise, 1};
    return (struct ports){rule->ports, rule->port_count};
}

// ports_cover: each range of `narrow` lies in one of `wide`.
static bool ports_cover(struct ports wide, struct ports narrow)
{
    for (size_t i = 0; i < narrow.count; i++) {
        bool is_inside = false;
        for (size_t j = 0; j < wide.count && !is_inside; j++)
            is_inside = wide.ranges[j].first <= narrow.ranges[i].first &&
                        wide.ranges[j].last >= narrow.ranges[i].last;
        if (!is_inside)
            return false;
    }
    return true;
}

static bool ports_meet(struct ports a, struct ports b)
{
    for (size_t i = 0; i < a.count; i++) {
        for (size_t j = 0; j < b.count; j++) {
            if (a.ranges[i].first <= b.ranges[j].last && b.ranges[j].first <= a.ranges[i].last)
                return true;
        }
    }
    return false;
}

// ---- hosts --------------------------------------------------------------------------------------

static bool sets_match(const struct host_sets *sets, struct slice text)
{
    struct hostname name;
    if (hostname_parse(text, &name) != ERR_OK)
        return false;
    for (size_t i = 0; i < sets->count; i++) {
        if (host_set_matches(sets->items[i], &name))
            return true;
    }
    return false;
}

// append_probed writes the probe in place of each label `*`.
static void append_probed(struct text *text, struct slice name, struct slice probe)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '*')
            text_append(text, probe);
        else
            text_append(text, slice_of(name.data + i, 1));
    }
}

// record_is_covered asks for a name that nobody writes down by itself: what matches it is a wildcard. A `*` inside the name
// of another one may be at the same place, or at none.
static bool record_is_covered(const struct host_sets *wide, const struct host_record *record)
{
    static const struct slice PROBE = {(const uint8_t *)"x--sallyport--probe", 19};
    char data[HOSTNAME_MAX_LEN + 1];
    struct text text;
    text_init(&text, data, sizeof data);
    if (record->kind == HOST_PATTERN_SUFFIX || record->kind == HOST_PATTERN_ANY)
        text_append(&text, PROBE);
    if (record->kind == HOST_PATTERN_SUFFIX)
        text_append_string(&text, ".");
    if (record->kind != HOST_PATTERN_ANY)
        append_probed(&text, record->name, PROBE);
    return !text.is_cut && sets_match(wide, text_slice(&text));
}

static bool hosts_cover(const struct host_sets *wide, const struct host_sets *narrow,
                        struct budget *budget)
{
    for (size_t i = 0; i < narrow->count; i++) {
        struct host_record record;
        size_t cursor = 0;
        while (host_set_next(narrow->items[i], &cursor, &record)) {
            if (!spend(budget) || !record_is_covered(wide, &record))
                return false;
        }
    }
    return true;
}

// ---- addresses ----------------------------------------------------------------------------------

static bool has_public(const struct ip_sets *sets)
{
    for (size_t i = 0; i < sets->count; i++) {
        if (ip_set_has_public(sets->items[i]))
            return true;
    }
    return false;
}

static int compare(const struct ip_addr *a, const struct ip_addr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

// set_holds_range tells whether one range of the set, or `public`, holds all from `first` to `last`.
static bool set_holds_range(const struct ip_set *set, const struct ip_addr *first,
                            const struct ip_addr *last, struct budget *budget)
{
    size_t low = 0;
    size_t high = ip_set_count(set);
    while (low < high) { // the last range that begins at or before `first`
        struct ip_addr begin;
        struct ip_addr end;
        const size_t middle = low + (high - low) / 2;
        if (!spend(budget))
            return false;
        ip_set_range(set, middle, &begin, &end);
        if (compare(&begin, first) > 0)
            high = middle;
        else if (compare(&end, first) < 0)
            low = middle + 1;
        else
            return compare(&end, last) >= 0;
    }
    return false;
}

// opens_both_ends: what is special is opened only by a prefix inside its range, so that a wide one holds without
// opening.
static bool opens_both_ends(const struct ip_set *set, const struct ip_addr *first,
                            const struct ip_addr *last)
{
    return ip_set_opens(set, first, ip_addr_classify(first)) &&
           ip_set_opens(set, last, ip_addr_classify(last));
}

// sets_cover_range; `opens`: read as an allow does.
static bool sets_cover_range(const struct ip_sets *wide, const struct ip_addr *first,
                             const struct ip_addr *last, bool opens, struct budget *budget)
{
    for (size_t i = 0; i < wide->count; i++) {
        if (set_holds_range(wide->items[i], first, last, budget) &&
            (!opens || opens_both_ends(wide->items[i], first, last)))
            return true;
    }
    return false;
}

static bool addresses_cover(const struct ip_sets *wide, const struct ip_sets *narrow, bool opens,
                            struct budget *budget)
{
    if (has_public(narrow) && !has_public(wide))
        return false;
    for (size_t i = 0; i < narrow->count; i++) {
        for (size_t j = 0; j < ip_set_count(narrow->items[i]); j++) {
            struct ip_addr first;
            struct ip_addr last;
            ip_set_range(narrow->items[i], j, &first, &last);
            if (!spend(budget) || !sets_cover_range(wide, &first, &last, opens, budget))
                return false;
        }
    }
    return true;
}

// ---- rules --------------------------------------------------------------------------------------

// times_cover tells whether one rule counts whenever the other one does.
static bool times_cover(const struct schedule *wide, const struct schedule *narrow)
{
    if (wide == NULL || narrow == NULL)
        return wide == NULL;
    const struct hours *a = &wide->hours;
    const struct hours *b = &narrow->hours;
    const bool has_same_hours = narrow->has_hours && a->days == b->days && a->from_s == b->from_s &&
                                a->to_s == b->to_s && a->zone == b->zone;
    return wide->from_s <= narrow->from_s && wide->until_s >= narrow->until_s &&
           (!wide->has_hours || has_same_hours);
}

bool allow_covers(const struct rule *wide, const struct rule *narrow, struct budget *budget)
{
    if (!times_cover(wide->schedule, narrow->schedule))
        return false;
    if (wide->has_hosts != narrow->has_hosts ||
        !ports_cover(ports_of(wide, &HTTPS_PORT), ports_of(narrow, &HTTPS_PORT)))
        return false;
    if (wide->has_addresses != narrow->has_addresses) // one of them stands for ordinary addresses
        return wide->has_addresses && has_public(&wide->addresses) &&
               hosts_cover(&wide->hosts, &narrow->hosts, budget);
    if (wide->has_addresses && !addresses_cover(&wide->addresses, &narrow->addresses, true, budget))
        return false;
    return !wide->has_hosts || hosts_cover(&wide->hosts, &narrow->hosts, budget);
}

// deny_reaches tells whether a denial denies these names, or none needed, and these addresses.
static bool deny_reaches(const struct rule *deny, const struct rule *other, struct budget *budget)
{
    if (deny->has_hosts && (!other->has_hosts || !hosts_cover(&deny->hosts, &other->hosts, budget)))
        return false;
    if (!deny->has_addresses)
        return true;
    return other->has_addresses &&
           addresses_cover(&deny->addresses, &other->addresses, false, budget);
}

bool deny_covers(const struct rule *wide, const struct rule *narrow, struct budget *budget)
{
    return ports_cover(ports_of(wide, &ALL_PORTS), ports_of(narrow, &ALL_PORTS)) &&
           deny_reaches(wide, narrow, budget);
}

bool deny_covers_allow(const struct rule *deny, const struct rule *allow, struct budget *budget)
{
    if (!ports_cover(ports_of(deny, &ALL_PORTS), ports_of(allow, &HTTPS_PORT)))
        return false;
    if (deny->has_addresses && !allow->has_addresses) // the allow stands for ordinary addresses
        return has_public(&deny->addresses) &&
               (!deny->has_hosts || hosts_cover(&deny->hosts, &allow->hosts, budget));
    return deny_reaches(deny, allow, budget);
}

bool deny_is_bypassed(const struct rule *deny, const struct rule *allow)
{
    return deny->has_hosts && !deny->has_addresses && !allow->has_hosts && allow->has_addresses &&
           ports_meet(ports_of(deny, &ALL_PORTS), ports_of(allow, &HTTPS_PORT));
}
