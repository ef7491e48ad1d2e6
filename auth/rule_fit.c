// Allow and denial side by side: the same parts, read in opposite directions.
#include "auth/rule_fit.h"

const char *rule_part_name(enum rule_part part)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        RULE_PART_TABLE(X)
#undef X
    };
    return names[part];
}

// ---- an address and the addresses in it ---------------------------------------------------------

void forms_of(const struct ip_addr *addr, struct nat64_list nat64, struct forms *out)
{
    out->addrs[0] = *addr;
    out->count = 1 + ip_addr_embedded(addr, nat64, out->addrs + 1);
    for (size_t i = 0; i < out->count; i++)
        out->classes[i] = ip_addr_classify(&out->addrs[i]);
}

const struct ip_addr *forms_find_class(const struct forms *forms, enum ip_class ip_class)
{
    for (size_t i = 0; i < forms->count; i++) {
        if (forms->classes[i] == ip_class)
            return &forms->addrs[i];
    }
    return NULL;
}

const struct ip_addr *forms_find_special(const struct forms *forms)
{
    for (size_t i = 0; i < forms->count; i++) {
        if (forms->classes[i] != IP_CLASS_ORDINARY)
            return &forms->addrs[i];
    }
    return NULL;
}

// ---- sets ---------------------------------------------------------------------------------------

bool ip_sets_hold(const struct ip_sets *sets, const struct ip_addr *addr, enum ip_class ip_class)
{
    for (size_t i = 0; i < sets->count; i++) {
        if (ip_set_holds(sets->items[i], addr, ip_class))
            return true;
    }
    return false;
}

static bool ip_sets_open(const struct ip_sets *sets, const struct ip_addr *addr,
                         enum ip_class ip_class)
{
    for (size_t i = 0; i < sets->count; i++) {
        if (ip_set_opens(sets->items[i], addr, ip_class))
            return true;
    }
    return false;
}

static bool ports_hold(const struct rule *rule, uint16_t port)
{
    for (size_t i = 0; i < rule->port_count; i++) {
        if (port >= rule->ports[i].first && port <= rule->ports[i].last)
            return true;
    }
    return false;
}

// hosts_misfit compares the target with `hosts`, which the rule has. A written address is never a
// name, not even for `*`.
static enum rule_part hosts_misfit(const struct rule *rule, const struct target *target)
{
    if (target->kind != TARGET_NAME)
        return RULE_FOR_NAMES;
    for (size_t i = 0; i < rule->hosts.count; i++) {
        if (host_set_matches(rule->hosts.items[i], &target->name))
            return RULE_FITS;
    }
    return RULE_HOSTS;
}

// ---- a rule and a target ------------------------------------------------------------------------

enum rule_part allow_misfit(const struct rule *rule, const struct target *target)
{
    if (rule->port_count == 0 ? target->port != DEFAULT_ALLOW_PORT
                              : !ports_hold(rule, target->port))
        return RULE_PORTS;
    if (rule->has_hosts)
        return hosts_misfit(rule, target);
    return rule->has_addresses && target->kind == TARGET_ADDRESS ? RULE_FITS : RULE_FOR_ADDRESSES;
}

enum rule_part deny_misfit(const struct rule *rule, const struct target *target)
{
    if (rule->port_count != 0 && !ports_hold(rule, target->port))
        return RULE_PORTS;
    return rule->has_hosts ? hosts_misfit(rule, target) : RULE_FITS;
}

// ---- a rule and an address ----------------------------------------------------------------------

const struct ip_addr *allow_find_closed(const struct rule *rule, const struct forms *forms)
{
    if (!rule->has_addresses)
        return forms_find_special(forms);
    for (size_t i = 0; i < forms->count; i++) {
        if (!ip_sets_open(&rule->addresses, &forms->addrs[i], forms->classes[i]))
            return &forms->addrs[i];
    }
    return NULL;
}

const struct ip_addr *deny_find_hit(const struct rule *rule, const struct forms *forms)
{
    if (!rule->has_addresses)
        return &forms->addrs[0];
    for (size_t i = 0; i < forms->count; i++) {
        if (ip_sets_hold(&rule->addresses, &forms->addrs[i], forms->classes[i]))
            return &forms->addrs[i];
    }
    return NULL;
}
