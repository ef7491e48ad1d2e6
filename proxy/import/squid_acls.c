// Types that mean what a rule of ours can mean have a kind. The others keep their name, for what is said about them.
#include "proxy/import/squid_acls.h"

#include "auth/base/text.h"
#include "proxy/import/squid_lines.h"

enum { SHOWN = 80 }; // bytes of a value in a note

static const struct {
    const char *type;
    enum squid_acl_kind kind;
} kinds[] = {
    {"src", SQUID_ACL_SRC},          {"dst", SQUID_ACL_DST},
    {"dstdomain", SQUID_ACL_DOMAIN}, {"port", SQUID_ACL_PORT},
    {"method", SQUID_ACL_METHOD},    {"user_cert", SQUID_ACL_USER_CERT},
    {"maxconn", SQUID_ACL_MAXCONN},
};

static enum squid_acl_kind kind_of(struct slice type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (squid_word_is(type, kinds[i].type))
            return kinds[i].kind;
    }
    return SQUID_ACL_OTHER;
}

struct squid_acl *squid_acls_find(const struct squid_acls *acls, struct slice name)
{
    struct squid_acl *acl = acls->first;
    while (acl != NULL && !slice_equal_ignore_case(acl->name, name))
        acl = acl->next;
    return acl;
}

static struct slice copy(struct import_notes *notes, struct slice text)
{
    return slice_of_string(import_copy(notes, text));
}

struct squid_acl *squid_acls_open(struct squid_acls *acls, struct import_notes *notes,
                                  struct slice name, struct slice type, struct import_place place,
                                  struct errinfo *info)
{
    struct squid_acl *acl = squid_acls_find(acls, name);
    const bool is_same = acl != NULL && slice_equal_ignore_case(acl->type, type);
    const bool is_manager =
        acl != NULL && acl->kind == SQUID_ACL_NEVER && squid_word_is(type, "proto");
    if (is_same || is_manager) // of old, the manager was a protocol
        return acl;
    if (acl != NULL)
        (void)errinfo_set(info, ERR_INPUT,
                          "the acl is of another type already: Squid does not start with this");
    else if (acls->count == SQUID_ACLS_MAX)
        (void)errinfo_set(info, ERR_LIMIT, "more than %d acls", SQUID_ACLS_MAX);
    if (acl != NULL || acls->count == SQUID_ACLS_MAX)
        return NULL;
    acl = import_alloc(notes, 1, sizeof *acl);
    struct import_ports *ports = import_alloc(notes, 1, sizeof *ports);
    if (acl == NULL || ports == NULL) {
        (void)errinfo_set(info, ERR_MEMORY, "no memory");
        return NULL;
    }
    *acl = (struct squid_acl){.name = copy(notes, name),
                              .type = copy(notes, type),
                              .kind = kind_of(type),
                              .place = place,
                              .ports = ports,
                              .index = acls->count++};
    *(acls->end == NULL ? &acls->first : acls->end) = acl;
    acls->end = &acl->next;
    return acl;
}

void squid_acls_define(struct squid_acls *acls, struct import_notes *notes)
{
    static const struct {
        const char *name;
        const char *type;
        const char *values[5];
    } own[] = {
        {"all", "src", {"all"}},
        {"localhost", "src", {"127.0.0.1/32", "::1"}},
        {"to_localhost", "dst", {"127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128"}},
        {"to_linklocal", "dst", {"169.254.0.0/16", "fe80::/10"}},
        {"CONNECT", "method", {"CONNECT"}},
        {"manager", "url_regex", {NULL}},
    };
    const struct import_place nowhere = {0};
    struct errinfo info;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct squid_acl *acl = squid_acls_open(acls, notes, slice_of_string(own[i].name),
                                                slice_of_string(own[i].type), nowhere, &info);
        if (acl == NULL)
            return;
        for (size_t k = 0; own[i].values[k] != NULL; k++) {
            if (!squid_acl_take(acls, acl, notes, nowhere, slice_of_string(own[i].values[k])))
                return;
        }
        if (own[i].values[0] == NULL)
            acl->kind = SQUID_ACL_NEVER;
    }
}

// doubt says that a value is not understood, and why.
static void doubt(struct squid_acl *acl, struct import_notes *notes, struct import_place place,
                  struct slice value, const char *why)
{
    acl->is_partial = true;
    import_say(notes, IMPORT_LEFT_OUT, place, "acl %.*s: `%.*s` of %.*s is left out: %s",
               (int)slice_first(acl->name, SHOWN).len, (const char *)acl->name.data,
               (int)slice_first(value, SHOWN).len, (const char *)value.data,
               (int)slice_first(acl->type, SHOWN).len, (const char *)acl->type.data, why);
}

// means_all tells whether Squid takes a value for every address of both families (src/acl/Ip.cc, parseGlobal).
static bool means_all(struct slice value)
{
    static const char *const words[] = {"all",
                                        "0/0",
                                        "0.0.0.0/0",
                                        "0.0.0.0/0.0.0.0",
                                        "0.0.0.0-255.255.255.255",
                                        "0.0.0.0-0.0.0.0/0"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (squid_word_is(value, words[i]))
            return true;
    }
    return false;
}

// has_host_bits tells whether an address has bits after its length. Versions of Squid differ in what that fits.
static bool has_host_bits(struct slice value, const struct ip_prefix *prefix)
{
    struct ip_addr addr;
    return ip_addr_parse(slice_first(value, slice_find(value, '/')), &addr) != ERR_OK ||
           !ip_addr_equal(&addr, &prefix->addr);
}

static void take_prefix(struct squid_acl *acl, struct import_notes *notes,
                        struct import_place place, struct slice value)
{
    struct ip_prefix prefix = {0};
    const bool is_all = means_all(value);
    if (is_all || squid_word_is(value, "ipv4")) {
        prefix.addr.family = IP_V4;
        import_prefixes_add(notes, &acl->prefixes, &prefix);
    }
    if (is_all || squid_word_is(value, "ipv6")) {
        prefix.addr.family = IP_V6;
        import_prefixes_add(notes, &acl->prefixes, &prefix);
    }
    acl->has_all = acl->has_all || is_all;
    if (prefix.addr.family != IP_NONE)
        return;
    if (import_prefix_parse(value, &prefix) && has_host_bits(value, &prefix))
        doubt(acl, notes, place, value, "the address has bits after its length");
    else if (import_prefix_parse(value, &prefix))
        import_prefixes_add(notes, &acl->prefixes, &prefix);
    else if (!import_range_add(notes, &acl->prefixes, value))
        doubt(acl, notes, place, value, "write it as ADDRESS/LENGTH; names are not read");
}

static void take_domain(struct squid_acl *acl, struct import_notes *notes,
                        struct import_place place, struct slice value)
{
    const bool has_dot = value.len > 1 && value.data[0] == '.';
    struct hostname name;
    struct ip_prefix address;
    if (hostname_parse(slice_from(value, has_dot), &name) == ERR_OK) {
        import_hosts_add(notes, &acl->hosts, hostname_slice(&name), false);
        if (has_dot)
            import_hosts_add(notes, &acl->hosts, hostname_slice(&name), true);
        return;
    }
    if (slice_find(value, '/') == value.len && import_prefix_parse(value, &address))
        import_prefixes_add(notes, &acl->prefixes, &address);
    else
        doubt(acl, notes, place, value, "it is neither a host name nor .DOMAIN");
}

static void take_port(struct squid_acl *acl, struct import_notes *notes, struct import_place place,
                      struct slice value)
{
    uint64_t first = 0, last = 0;
    const size_t dash = slice_find(value, '-');
    const bool is_range = dash < value.len;
    if (decimal_parse(slice_first(value, dash), UINT16_MAX, &first) &&
        (!is_range || decimal_parse(slice_from(value, dash + 1), UINT16_MAX, &last)) &&
        (!is_range || first <= last))
        import_ports_add(acl->ports, first == 0 ? 1 : (uint32_t)first,
                         (uint32_t)(is_range ? last : first));
    else
        doubt(acl, notes, place, value, "write a port or FIRST-LAST");
}

static void take_value(struct squid_acls *acls, struct squid_acl *acl, struct import_notes *notes,
                       struct import_place place, struct slice value)
{
    struct squid_value **end = &acl->values;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] >= 0x7f) {
            doubt(acl, notes, place, value, "it is not all ASCII");
            return;
        }
    }
    if (acls->name_count++ >= SQUID_NAMES_MAX) {
        doubt(acl, notes, place, value, "there are too many");
        return;
    }
    while (*end != NULL && !slice_equal((*end)->text, value))
        end = &(*end)->next;
    if (*end == NULL)
        *end = import_alloc(notes, 1, sizeof **end);
    if (*end != NULL && (*end)->text.data == NULL)
        **end = (struct squid_value){.text = copy(notes, value)};
}

// take_method: Squid reads a method in another case as one or the other, by its relaxed_header_parser.
static void take_method(struct squid_acl *acl, struct import_notes *notes,
                        struct import_place place, struct slice value)
{
    if (slice_equal(value, SLICE_LITERAL("CONNECT")))
        acl->has_connect = true;
    else if (squid_word_is(value, "CONNECT"))
        doubt(acl, notes, place, value, "write CONNECT");
    else if (!slice_equal(value, SLICE_LITERAL("PURGE")))
        acl->has_other_method = true;
}

// is_flag tells whether a value is an option of the acl; `-n` asks no DNS, as here nobody does for a name in a rule. A `dst`
// then fits no name.
static bool is_flag(struct squid_acl *acl, struct import_notes *notes, struct import_place place,
                    struct slice value)
{
    if (value.len < 2 || (value.data[0] != '-' && value.data[0] != '+'))
        return false;
    acl->is_literal_only = acl->is_literal_only ||
                           (acl->kind == SQUID_ACL_DST && slice_equal(value, SLICE_LITERAL("-n")));
    if (!squid_word_is(value, "-n") && !squid_word_is(value, "--"))
        doubt(acl, notes, place, value, "this option is not known here");
    return true;
}

// take_manager: Squid defines this acl itself, and adds what a line says. With anything but the manager's own URLs it may fit
// any target.
static void take_manager(struct squid_acl *acl, struct slice value)
{
    static const char *const own[] = {"-i", "+i", "cache_object", "^cache_object://",
                                      "^https?://[^/]+/squid-internal-mgr/"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (slice_equal(value, slice_of_string(own[i])))
            return;
    }
    acl->kind = SQUID_ACL_OTHER;
}

bool squid_acl_take(struct squid_acls *acls, struct squid_acl *acl, struct import_notes *notes,
                    struct import_place place, struct slice value)
{
    if (acls->value_count++ >= SQUID_VALUES_MAX)
        return false;
    if (acl->kind != SQUID_ACL_NEVER && acl->kind != SQUID_ACL_OTHER &&
        is_flag(acl, notes, place, value))
        return true;
    switch (acl->kind) {
    case SQUID_ACL_SRC:
    case SQUID_ACL_DST:
        take_prefix(acl, notes, place, value);
        break;
    case SQUID_ACL_DOMAIN:
        take_domain(acl, notes, place, value);
        break;
    case SQUID_ACL_PORT:
        take_port(acl, notes, place, value);
        break;
    case SQUID_ACL_METHOD:
        take_method(acl, notes, place, value);
        break;
    case SQUID_ACL_USER_CERT:
        take_value(acls, acl, notes, place, value);
        break;
    case SQUID_ACL_MAXCONN:
        if (!decimal_parse(value, UINT32_MAX, &acl->number))
            doubt(acl, notes, place, value, "it is no number");
        break;
    case SQUID_ACL_NEVER:
        take_manager(acl, value);
        break;
    case SQUID_ACL_OTHER:
        break;
    }
    return true;
}
