// rule_fit: one rule against one target, and against one address in all its forms. Internal to auth.
//
// What is left out of a rule is read the other way round in an allow and in a denial; that lives
// here, for each kind side by side. Knows one rule at a time, no order and no client.
#pragma once

#include "auth/rules.h"
#include "auth/target.h"

// Why a rule does not speak about a target.
#define RULE_PART_TABLE(X)                                                                         \
    X(RULE_FITS, "fits")                                                                           \
    X(RULE_PORTS, "ports")                 /* another port */                                      \
    X(RULE_HOSTS, "hosts")                 /* another name */                                      \
    X(RULE_FOR_NAMES, "for_names")         /* it has `hosts`, the target is an address */          \
    X(RULE_FOR_ADDRESSES, "for_addresses") /* an allow without `hosts`, the target is a name */    \
    X(RULE_NEEDS_ADDRESS, "needs_address") /* a denial that waits for what DNS says */             \
    X(RULE_NOT_NOW, "not_now")             /* an allow that fits, outside its time */

enum rule_part {
#define X(symbol, name) symbol,
    RULE_PART_TABLE(X)
#undef X
};

// rule_part_name gives the stable name.
const char *rule_part_name(enum rule_part part);

enum { FORMS_MAX = 1 + IP_EMBEDDED_MAX };

// forms is an address and every IPv4 address inside it, each with its class.
struct forms {
    struct ip_addr addrs[FORMS_MAX]; // the address itself first
    enum ip_class classes[FORMS_MAX];
    size_t count;
};

// forms_of works them out; forms_find_class gives one that has the class, or NULL.
void forms_of(const struct ip_addr *addr, struct nat64_list nat64, struct forms *out);
const struct ip_addr *forms_find_class(const struct forms *forms, enum ip_class ip_class);

// forms_find_special gives a form that is not ordinary, or NULL when all are.
const struct ip_addr *forms_find_special(const struct forms *forms);

// ip_sets_hold tells whether any set holds the address, special or not.
bool ip_sets_hold(const struct ip_sets *sets, const struct ip_addr *addr, enum ip_class ip_class);

enum { DEFAULT_ALLOW_PORT = 443 };

// allow_misfit tells why an allow does not speak about this target: names through `hosts` only,
// written addresses through `addresses` only; without `ports`, 443.
enum rule_part allow_misfit(const struct rule *rule, const struct target *target);

// deny_misfit tells why a denial does not; what is left out denies more.
enum rule_part deny_misfit(const struct rule *rule, const struct target *target);

// allow_find_closed gives a form that an allow, which fits the target, does not admit; NULL when it
// admits them all.
const struct ip_addr *allow_find_closed(const struct rule *rule, const struct forms *forms);

// deny_find_hit gives a form that a denial, which fits the target, denies; NULL when it denies none.
const struct ip_addr *deny_find_hit(const struct rule *rule, const struct forms *forms);
