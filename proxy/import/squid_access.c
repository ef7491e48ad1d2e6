// 1. Each line is asked whether it fits the class. Its acls about targets are kept: names, addresses, ports.
// 2. A denial of ports, or of everything but some names, narrows the lines after it. One of names or addresses is kept beside
//    the lines after it that it can touch.
// 3. A denial that touches a line before it, too, denies more here than in Squid: a note says so.
#include "proxy/import/squid_access.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/iprange.h"
#include "proxy/import/squid_lines.h"

enum { SHOWN = 60, TEXT_MAX = 600, WORK_LEAST = 2000 };

enum truth { TRUTH_NO, TRUTH_YES, TRUTH_UNKNOWN };

// targets is what a line says about the target.
struct targets {
    bool has_hosts;
    bool has_addresses;
    bool has_ports;
    bool has_narrow_negation; // `!dstdomain`, `!dst`
    bool is_partial;          // an acl without `!` that says more than what is understood
    bool is_negation_partial; // one with `!`
    struct import_hosts hosts;
    struct import_prefixes addresses;
    struct import_ports ports;
    struct import_hosts not_hosts;
    struct import_prefixes not_addresses;
    struct import_prefixes literals; // addresses that stand in a dstdomain
    bool is_too_much;
    bool has_connect; // it depends on the method
};

// judgement is how far the lines have been read for a class.
struct judgement {
    struct squid_config *config;
    const struct squid_class *clients;
    struct squid_rules *out;
    struct import_ports ports; // those that no line has denied
    bool has_hosts;            // only these names are left
    bool has_addresses;        // only these addresses are left
    struct import_hosts hosts;
    struct import_prefixes addresses;
    struct imported_rule *denials;  // in their order
    bool has_ended;                 // a line has decided about everything
    const struct squid_access *end; // that line, where it decides less in Squid; else NULL
};

const struct squid_acl *squid_access_find(const struct squid_access *line, enum squid_acl_kind kind)
{
    for (const struct squid_term *term = line->terms; term != NULL; term = term->next) {
        if (term->acl->kind == kind && !term->is_negated && !term->acl->has_all)
            return term->acl;
    }
    return NULL;
}

static enum truth judge_source(const struct squid_class *clients, const struct squid_acl *acl)
{
    if (acl->has_all)
        return TRUTH_YES;
    if (clients->sources == NULL)
        return TRUTH_UNKNOWN;
    if (import_prefixes_cover(&acl->prefixes, clients->sources))
        return TRUTH_YES;
    return acl->is_partial || import_prefixes_overlap(&acl->prefixes, clients->sources)
               ? TRUTH_UNKNOWN
               : TRUTH_NO;
}

static enum truth judge_identity(const struct squid_class *clients, const struct squid_acl *acl)
{
    if (acl->is_unnumbered || clients->identity == NULL ||
        !slice_equal(clients->identity->attribute, acl->attribute))
        return TRUTH_UNKNOWN;
    for (const struct squid_value *value = acl->values; value != NULL; value = value->next) {
        if (slice_equal(value->text, clients->value))
            return TRUTH_YES;
    }
    return acl->is_partial ? TRUTH_UNKNOWN : TRUTH_NO;
}

// judge_method: a denial of other methods than CONNECT cannot be said, and an `allow` of them allows no CONNECT.
static enum truth judge_method(const struct squid_acl *acl, bool is_allow)
{
    if (acl->has_connect)
        return TRUTH_YES;
    if (acl->is_partial)
        return TRUTH_UNKNOWN;
    return acl->has_other_method && !is_allow ? TRUTH_UNKNOWN : TRUTH_NO;
}

// is_about_target tells whether an acl is about the target, which the rules say.
static bool is_about_target(const struct squid_acl *acl)
{
    return acl->kind == SQUID_ACL_DOMAIN || acl->kind == SQUID_ACL_PORT ||
           (acl->kind == SQUID_ACL_DST && !acl->has_all);
}

// is_unsaid tells whether no rule says a term about the target: what fits addresses that are asked for as such, and no names,
// can only be denied.
static bool is_unsaid(const struct squid_term *term, bool is_allow)
{
    return term->acl->is_literal_only && is_allow != term->is_negated;
}

// judge_target: the rest is about the target, which the rules say.
static enum truth judge_target(const struct squid_term *term, bool is_allow)
{
    if (is_unsaid(term, is_allow))
        return TRUTH_UNKNOWN;
    return term->acl->has_all && term->is_negated ? TRUTH_NO : TRUTH_YES;
}

static enum truth judge_term(const struct squid_class *clients, const struct squid_term *term,
                             bool is_allow)
{
    enum truth truth = TRUTH_UNKNOWN;
    switch (term->acl->kind) {
    case SQUID_ACL_SRC:
        truth = judge_source(clients, term->acl);
        break;
    case SQUID_ACL_USER_CERT:
        truth = judge_identity(clients, term->acl);
        break;
    case SQUID_ACL_METHOD:
        truth = judge_method(term->acl, is_allow != term->is_negated);
        break;
    case SQUID_ACL_NEVER:
        truth = TRUTH_NO;
        break;
    case SQUID_ACL_DST:
    case SQUID_ACL_DOMAIN:
    case SQUID_ACL_PORT:
        return judge_target(term, is_allow);
    case SQUID_ACL_OTHER:
    case SQUID_ACL_MAXCONN:
        return TRUTH_UNKNOWN;
    }
    if (!term->is_negated || truth == TRUTH_UNKNOWN)
        return truth;
    return truth == TRUTH_YES ? TRUTH_NO : TRUTH_YES;
}

// judge_line tells whether a line fits the class, whatever the target. `*doubt` is the first term that cannot be told; or, of a
// line that fits no CONNECT for its method alone, that term.
static enum truth judge_line(const struct squid_class *clients, const struct squid_access *line,
                             const struct squid_term **doubt)
{
    const struct squid_term *method = NULL;
    *doubt = NULL;
    for (const struct squid_term *term = line->terms; term != NULL; term = term->next) {
        const enum truth truth = judge_term(clients, term, line->is_allow);
        if (truth == TRUTH_NO && term->acl->kind != SQUID_ACL_METHOD) {
            *doubt = NULL;
            return TRUTH_NO;
        }
        if (truth == TRUTH_NO)
            method = term;
        if (truth == TRUTH_UNKNOWN && *doubt == NULL)
            *doubt = term;
    }
    if (method == NULL)
        return *doubt == NULL ? TRUTH_YES : TRUTH_UNKNOWN;
    *doubt = method;
    return TRUTH_NO;
}

static void meet_hosts(struct import_notes *notes, struct targets *targets,
                       const struct import_hosts *hosts)
{
    struct import_hosts both = {0};
    if (!targets->has_hosts)
        both = *hosts;
    else if (!import_hosts_meet(notes, &targets->hosts, hosts, &both))
        targets->is_too_much = true;
    targets->hosts = both;
    targets->has_hosts = true;
}

static void add_prefixes(struct import_notes *notes, struct import_prefixes *out,
                         const struct import_prefixes *prefixes)
{
    for (size_t i = 0; i < prefixes->count; i++)
        import_prefixes_add(notes, out, &prefixes->items[i]);
}

static void gather_positive(struct import_notes *notes, const struct squid_acl *acl,
                            struct targets *targets)
{
    targets->is_partial = targets->is_partial || acl->is_partial;
    if (acl->kind == SQUID_ACL_DOMAIN) {
        targets->is_too_much =
            targets->is_too_much ||
            (targets->has_hosts && targets->literals.count + acl->prefixes.count > 0);
        meet_hosts(notes, targets, &acl->hosts);
        add_prefixes(notes, &targets->literals, &acl->prefixes);
    } else if (acl->kind == SQUID_ACL_DST) {
        targets->is_too_much = targets->is_too_much || targets->has_addresses;
        targets->has_addresses = true;
        add_prefixes(notes, &targets->addresses, &acl->prefixes);
    } else {
        if (!targets->has_ports)
            import_ports_fill(&targets->ports);
        targets->has_ports = true;
        import_ports_keep(&targets->ports, acl->ports);
    }
}

static void gather_negative(struct import_notes *notes, const struct squid_acl *acl,
                            struct targets *targets)
{
    targets->is_negation_partial = targets->is_negation_partial || acl->is_partial;
    if (acl->kind == SQUID_ACL_PORT) {
        if (!targets->has_ports)
            import_ports_fill(&targets->ports);
        targets->has_ports = true;
        import_ports_drop(&targets->ports, acl->ports);
        return;
    }
    targets->is_too_much = targets->is_too_much || targets->has_narrow_negation;
    targets->has_narrow_negation = true;
    targets->not_hosts = acl->hosts;
    add_prefixes(notes, &targets->not_addresses, &acl->prefixes);
}

static void gather(struct import_notes *notes, const struct squid_access *line, struct targets *out)
{
    *out = (struct targets){0};
    for (const struct squid_term *term = line->terms; term != NULL; term = term->next) {
        out->has_connect = out->has_connect || term->acl->kind == SQUID_ACL_METHOD;
        if (!is_about_target(term->acl) || is_unsaid(term, line->is_allow))
            continue;
        if (term->is_negated)
            gather_negative(notes, term->acl, out);
        else
            gather_positive(notes, term->acl, out);
    }
}

// tell adds a note for the class about a line.
static PRINTF_LIKE(3, 4) void tell(const struct judgement *judgement,
                                   const struct squid_access *line, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    if (judgement->clients->is_quiet)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    import_tell(judgement->config->notes, line->place, judgement->clients->whom, text);
}

static struct imported_rule *add_rule(struct judgement *judgement, struct imported_rule **list,
                                      const struct squid_access *line)
{
    struct imported_rule *rule = import_alloc(judgement->config->notes, 1, sizeof *rule);
    if (rule == NULL)
        return NULL;
    *rule = (struct imported_rule){
        .place = line->place, .order = line->order, .is_within = line->is_allow};
    imported_add_rule(list, rule);
    return rule;
}

// deny keeps a denial for the lines after this one, or, where it stands in an `allow`, for that line.
static void deny(struct judgement *judgement, const struct squid_access *line,
                 const struct import_hosts *hosts, const struct import_prefixes *addresses,
                 const struct import_ports *ports)
{
    struct imported_rule *rule = add_rule(judgement, &judgement->denials, line);
    if (rule == NULL)
        return;
    rule->has_hosts = hosts != NULL;
    rule->has_addresses = addresses != NULL;
    rule->has_ports = ports != NULL;
    if (hosts != NULL)
        rule->hosts = *hosts;
    if (addresses != NULL)
        rule->addresses = *addresses;
    if (ports != NULL)
        rule->ports = *ports;
}

static void allow(struct judgement *judgement, const struct squid_access *line,
                  const struct import_hosts *hosts, const struct import_prefixes *addresses,
                  const struct import_ports *ports)
{
    struct imported_rule *rule = add_rule(judgement, &judgement->out->allow, line);
    if (rule == NULL)
        return;
    rule->has_hosts = hosts != NULL;
    rule->has_addresses = addresses != NULL;
    if (hosts != NULL)
        rule->hosts = *hosts;
    rule->has_any_host = hosts != NULL && hosts->count == 0;
    if (addresses != NULL)
        rule->addresses = *addresses;
    rule->ports = *ports;
}

static int shown(struct slice text)
{
    return (int)slice_first(text, SHOWN).len;
}

// is_elsewhere tells whether the line belongs to another class: it asks for a certificate, or for a source, that has one.
static bool is_elsewhere(const struct squid_class *clients, const struct squid_term *doubt)
{
    if (doubt->is_negated)
        return false;
    return doubt->acl->kind == SQUID_ACL_USER_CERT ||
           (doubt->acl->kind == SQUID_ACL_SRC && clients->identity == NULL);
}

// narrow takes what lines before have denied from the targets of an `allow`; false where that cannot be said.
static bool narrow(struct judgement *judgement, struct targets *targets)
{
    if (targets->is_too_much || targets->is_negation_partial ||
        (judgement->has_addresses && targets->has_addresses))
        return false;
    if (!targets->has_ports)
        import_ports_fill(&targets->ports);
    import_ports_keep(&targets->ports, &judgement->ports);
    if (judgement->has_hosts) {
        meet_hosts(judgement->config->notes, targets, &judgement->hosts);
        targets->literals = (struct import_prefixes){0};
    }
    if (judgement->has_addresses) {
        targets->has_addresses = true;
        targets->addresses = judgement->addresses;
    }
    return !targets->is_too_much;
}

// refuse_open says that an `allow` of every target is not written.
static void refuse_open(struct judgement *judgement, const struct squid_access *line,
                        const struct targets *targets)
{
    judgement->out->narrowed_count++;
    tell(judgement, line,
         "left out: it allows every target, and an import opens nothing. Name targets: "
         "`- {hosts: [...], ports: [...]}`; `mode: report` finds out which");
    judgement->has_ended = !targets->has_ports && !targets->has_narrow_negation;
}

// are_names_denied tells whether the line, or one before it, denies names. Squid compares these with the name of an address,
// too, which it asks DNS for. Nothing here does that, so an address that a client asks for cannot be told from a denied one.
static bool are_names_denied(const struct judgement *judgement, const struct targets *targets)
{
    const struct imported_rule *denial = judgement->denials;
    while (denial != NULL && (denial->is_within || !denial->has_hosts))
        denial = denial->next;
    return denial != NULL || targets->not_hosts.count > 0;
}

// allow_literals allows addresses that a client asks for itself.
static void allow_literals(struct judgement *judgement, const struct squid_access *line,
                           const struct targets *targets, const struct import_prefixes *addresses)
{
    if (!are_names_denied(judgement, targets)) {
        allow(judgement, line, NULL, addresses, &targets->ports);
        return;
    }
    judgement->out->narrowed_count++;
    tell(
        judgement, line,
        "addresses that a client asks for are left out: %s. For those that are meant, write `- {addresses: [...]}`",
        "names are denied, and Squid looks for the names of addresses");
}

// is_empty tells whether nothing is left that an `allow` allows: no value of a list could be read.
static bool is_empty(const struct targets *targets)
{
    const bool has_addresses = targets->has_addresses && targets->addresses.count > 0;
    if (targets->has_addresses && !has_addresses)
        return true;
    return targets->has_hosts && targets->hosts.count == 0 &&
           (targets->literals.count == 0 || has_addresses);
}

static void write_allow(struct judgement *judgement, const struct squid_access *line,
                        const struct targets *targets)
{
    const struct import_prefixes *addresses = targets->has_addresses ? &targets->addresses : NULL;
    const struct import_hosts any = {0};
    if (targets->has_hosts && targets->hosts.count > 0)
        allow(judgement, line, &targets->hosts, addresses, &targets->ports);
    if (!targets->has_hosts && addresses != NULL && addresses->count > 0) {
        allow(judgement, line, &any, addresses, &targets->ports);
        allow_literals(judgement, line, targets, addresses);
    }
    if (targets->literals.count > 0 && addresses == NULL)
        allow_literals(judgement, line, targets, &targets->literals);
    if (targets->not_hosts.count > 0)
        deny(judgement, line, &targets->not_hosts, NULL, &targets->ports);
    if (targets->not_addresses.count > 0)
        deny(judgement, line, NULL, &targets->not_addresses, &targets->ports);
    judgement->out->exact_count++;
}

// is_time: what it says is read by nobody here, though a rule can say it.
static bool is_time(const struct squid_acl *acl)
{
    return squid_word_is(acl->type, "time");
}

static enum squid_fate judge_allow(struct judgement *judgement, const struct squid_access *line,
                                   const struct squid_term *doubt)
{
    struct targets targets;
    if (doubt != NULL && is_elsewhere(judgement->clients, doubt))
        return SQUID_FATE_STRANGE;
    if (doubt != NULL) {
        judgement->out->narrowed_count++;
        tell(judgement, line, "left out: whether `%.*s` (%.*s) fits %s", shown(doubt->acl->name),
             (const char *)doubt->acl->name.data, shown(doubt->acl->type),
             (const char *)doubt->acl->type.data,
             is_time(doubt->acl) ? "is not read here: write the rule with `hours` and a time zone"
                                 : "cannot be told by a rule here");
        return SQUID_FATE_STRANGE;
    }
    gather(judgement->config->notes, line, &targets);
    const bool has_target = targets.has_hosts || targets.has_addresses || judgement->has_hosts ||
                            judgement->has_addresses;
    if (!has_target || import_prefixes_are_wide(&targets.addresses)) {
        refuse_open(judgement, line, &targets);
        return SQUID_FATE_STRANGE;
    }
    if (!narrow(judgement, &targets)) {
        judgement->out->narrowed_count++;
        tell(
            judgement, line,
            "left out: its lists of targets together, or with lines before it, are more than a rule says. %s",
            "Write it as lines of one list each");
        return SQUID_FATE_STRANGE;
    }
    if (is_empty(&targets))
        return SQUID_FATE_EMPTY;
    if (import_ports_are_empty(&targets.ports))
        return SQUID_FATE_UNUSED;
    if (targets.has_connect && !judgement->clients->is_quiet)
        import_say(
            judgement->config->notes, IMPORT_REMARK, line->place,
            "a rule is for tunnels, and for plain http:// requests to the same port: they reach nothing that a tunnel "
            "does not");
    write_allow(judgement, line, &targets);
    return SQUID_FATE_TAKEN;
}

// deny_ports denies ports, or everything, for the lines that follow.
static void deny_ports(struct judgement *judgement, const struct squid_access *line,
                       const struct targets *targets)
{
    const bool takes =
        !targets->has_ports || import_ports_overlap(&judgement->ports, &targets->ports);
    if (targets->has_connect && takes)
        tell(
            judgement, line,
            "plain http:// requests to the ports that it denies to CONNECT are left out: %s",
            "here a port is open for both or none. To allow them, add the port to `ports` of a rule; tunnels to it are "
            "then allowed, too");
    if (targets->has_ports)
        import_ports_drop(&judgement->ports, &targets->ports);
    else
        judgement->has_ended = true;
}

// deny_others denies everything but some targets; false where that cannot be said, and nothing is done.
static bool deny_others(struct judgement *judgement, const struct targets *targets)
{
    struct targets left = {.has_hosts = judgement->has_hosts, .hosts = judgement->hosts};
    if (targets->has_hosts || targets->has_addresses || targets->has_ports ||
        targets->literals.count > 0)
        return false;
    if (targets->not_hosts.count > 0) {
        meet_hosts(judgement->config->notes, &left, &targets->not_hosts);
        if (left.is_too_much)
            return false;
        judgement->has_hosts = true;
        judgement->hosts = left.hosts;
        return true;
    }
    if (targets->not_addresses.count == 0 || judgement->has_addresses)
        return false;
    judgement->has_addresses = true;
    judgement->addresses = targets->not_addresses;
    return true;
}

static void write_denial(struct judgement *judgement, const struct squid_access *line,
                         const struct targets *targets)
{
    const struct import_ports *ports = targets->has_ports ? &targets->ports : NULL;
    const struct import_prefixes *addresses = targets->has_addresses ? &targets->addresses : NULL;
    if (targets->has_hosts && targets->hosts.count > 0)
        deny(judgement, line, &targets->hosts, addresses, ports);
    if (!targets->has_hosts && addresses != NULL && addresses->count > 0)
        deny(judgement, line, NULL, addresses, ports);
    if (targets->literals.count > 0)
        deny(judgement, line, NULL, &targets->literals, ports);
}

// is_only_limit tells whether a line denies nothing but connections above a number.
static bool is_only_limit(const struct squid_access *line, const struct squid_term *doubt,
                          const struct targets *targets)
{
    for (const struct squid_term *term = line->terms; term != NULL; term = term->next) {
        if (term != doubt && term->acl->kind != SQUID_ACL_SRC &&
            term->acl->kind != SQUID_ACL_USER_CERT)
            return false;
    }
    return doubt->acl->kind == SQUID_ACL_MAXCONN && !doubt->is_negated && doubt->acl->number > 0 &&
           !targets->has_connect;
}

// doubt_denial says that a line denies more here than in Squid; true where it was a limit, and is done.
static bool doubt_denial(struct judgement *judgement, const struct squid_access *line,
                         const struct squid_term *doubt, const struct targets *targets)
{
    uint64_t *tunnels = &judgement->out->tunnels;
    judgement->out->narrowed_count++;
    if (is_only_limit(line, doubt, targets)) {
        *tunnels = *tunnels == 0 || doubt->acl->number < *tunnels ? doubt->acl->number : *tunnels;
        tell(
            judgement, line,
            "becomes `limits: {tunnels: %ju}`, which counts the tunnels of the client in all, not the "
            "connections of an address",
            (uintmax_t)doubt->acl->number);
        return true;
    }
    tell(
        judgement, line,
        "denies as if `%.*s` (%.*s) always fitted, because %s. If that is too much, remove the line from a "
        "copy of the file once you know what takes its place",
        shown(doubt->acl->name), (const char *)doubt->acl->name.data, shown(doubt->acl->type),
        (const char *)doubt->acl->type.data,
        is_time(doubt->acl) ? "times are not read here, which `hours` of a rule can say"
                            : "no rule here can say it");
    return false;
}

static enum squid_fate judge_deny(struct judgement *judgement, const struct squid_access *line,
                                  const struct squid_term *doubt)
{
    struct targets targets;
    gather(judgement->config->notes, line, &targets);
    if (doubt != NULL && doubt_denial(judgement, line, doubt, &targets))
        return SQUID_FATE_TAKEN;
    if (targets.is_partial || targets.is_too_much) {
        judgement->out->narrowed_count++;
        tell(judgement, line, "denies everything that no line before it allows: %s",
             "a list in it is not understood, or there are more lists than a rule says");
        judgement->has_ended = true;
        judgement->end = line;
        return SQUID_FATE_TAKEN;
    }
    if (targets.has_narrow_negation) {
        if (deny_others(judgement, &targets))
            return SQUID_FATE_TAKEN;
        judgement->out->narrowed_count++;
        tell(judgement, line, "denies more than in Squid: a rule here cannot say `%s`",
             "but not these");
    }
    if (targets.has_hosts || targets.has_addresses) {
        write_denial(judgement, line, &targets);
        return SQUID_FATE_UNUSED; // until a rule needs it
    }
    const bool takes =
        !targets.has_ports || import_ports_overlap(&judgement->ports, &targets.ports);
    deny_ports(judgement, line, &targets);
    if (judgement->has_ended && (doubt != NULL || targets.has_narrow_negation))
        judgement->end = line;
    return takes ? SQUID_FATE_TAKEN : SQUID_FATE_UNUSED;
}

// is_closed_anyway tells whether no name reaches any of these addresses: special ranges need a rule that names them.
static bool is_closed_anyway(const struct import_prefixes *prefixes)
{
    for (size_t i = 0; i < prefixes->count; i++) {
        const struct ip_prefix *prefix = &prefixes->items[i];
        const size_t bits = prefix->addr.family == IP_V4 ? 32 : 128;
        if (!ip_prefix_opens_special(prefix) &&
            (prefix->length != bits || ip_addr_classify(&prefix->addr) == IP_CLASS_ORDINARY))
            return false;
    }
    return true;
}

// spend counts work, and tells whether there was enough left.
static bool spend(struct squid_config *config, int64_t work)
{
    config->work_left -= work;
    config->is_too_large = config->is_too_large || config->work_left < 0;
    return !config->is_too_large;
}

// touches tells whether a denial denies anything that a rule allows.
static bool touches(const struct imported_rule *denial, const struct imported_rule *rule)
{
    if (denial->has_ports && !import_ports_overlap(&denial->ports, &rule->ports))
        return false;
    if (denial->has_hosts &&
        (!rule->has_hosts ||
         (!rule->has_any_host && !import_hosts_overlap(&denial->hosts, &rule->hosts))))
        return false;
    if (!denial->has_addresses)
        return true;
    return rule->has_addresses ? import_prefixes_overlap(&denial->addresses, &rule->addresses)
                               : !is_closed_anyway(&denial->addresses);
}

// raise_fate notes what has become of a line for the class.
static void raise_fate(const struct judgement *judgement, struct squid_access *line,
                       enum squid_fate fate)
{
    if (!judgement->clients->is_quiet && fate > line->fate)
        line->fate = fate;
}

// keep_denials writes the denials that rules need, and says which of them deny more than their lines do.
static void keep_denials(struct judgement *judgement)
{
    struct squid_access *source = judgement->config->first;
    struct imported_rule *next = NULL;
    for (struct imported_rule *denial = judgement->denials; denial != NULL; denial = next) {
        const struct squid_access line = {.place = denial->place};
        const struct imported_rule *harmed = NULL;
        bool is_needed = false;
        next = denial->next;
        for (const struct imported_rule *rule = judgement->out->allow; rule != NULL;
             rule = rule->next) {
            const int64_t pairs = (int64_t)denial->hosts.count * (int64_t)rule->hosts.count +
                                  (int64_t)denial->addresses.count * (int64_t)rule->addresses.count;
            if (!spend(judgement->config, WORK_LEAST + pairs))
                return;
            if (!touches(denial, rule))
                continue;
            if (denial->is_within ? rule->order == denial->order : rule->order > denial->order)
                is_needed = true;
            else
                harmed = rule;
        }
        if (!is_needed)
            continue;
        while (source->order != denial->order)
            source = source->next;
        raise_fate(judgement, source, SQUID_FATE_TAKEN);
        denial->next = NULL;
        imported_add_rule(&judgement->out->deny, denial);
        if (harmed != NULL)
            tell(
                judgement, &line,
                "denies more than in Squid: a denial always wins here, also over what line %u allows",
                (unsigned)harmed->place.line);
        if (denial->has_addresses)
            tell(
                judgement, &line, "denies these addresses. %s",
                "Squid denies a name that has one of them among others; here the other addresses of such a name are reached");
    }
}

static enum squid_fate judge_one(struct judgement *judgement, const struct squid_access *line)
{
    const struct squid_term *doubt = NULL;
    const enum truth truth = judge_line(judgement->clients, line, &doubt);
    if (truth == TRUTH_NO && doubt != NULL)
        tell(
            judgement, line, "%s",
            line->is_allow
                ? "left out: it allows no CONNECT, and a rule here cannot allow plain requests alone"
                : "not denied apart: plain http:// requests go where tunnels may go, and reach nothing else");
    if (truth == TRUTH_NO)
        return SQUID_FATE_STRANGE;
    return line->is_allow ? judge_allow(judgement, line, doubt)
                          : judge_deny(judgement, line, doubt);
}

// say_lost says that a line allows nothing, because one before it denies all here, but not in Squid. It tells whether others
// after it can be lost, too.
static bool say_lost(struct judgement *judgement, const struct squid_access *line)
{
    const struct squid_term *doubt = NULL;
    const struct squid_term *term = line->terms;
    const enum truth truth = judge_line(judgement->clients, line, &doubt);
    while (term != NULL && !is_about_target(term->acl))
        term = term->next;
    if (!line->is_allow)
        return truth != TRUTH_YES || term != NULL;
    if (truth == TRUTH_NO || (doubt != NULL && is_elsewhere(judgement->clients, doubt)))
        return true;
    judgement->out->narrowed_count++;
    tell(judgement, line, "left out: %s:%u, before it, denies everything here",
         judgement->end->place.file, (unsigned)judgement->end->place.line);
    return true;
}

void squid_access_judge(struct squid_config *config, const struct squid_class *clients,
                        struct squid_rules *out)
{
    struct judgement judgement = {.config = config, .clients = clients, .out = out};
    *out = (struct squid_rules){0};
    import_ports_fill(&judgement.ports);
    bool goes_on = true;
    for (struct squid_access *line = config->first; line != NULL; line = line->next) {
        const int64_t hosts = (int64_t)judgement.hosts.count + 1;
        if (!spend(config, WORK_LEAST * hosts))
            return;
        if (!judgement.has_ended) {
            raise_fate(&judgement, line, judge_one(&judgement, line));
            continue;
        }
        goes_on = goes_on && judgement.end != NULL && !clients->is_quiet;
        goes_on = goes_on && say_lost(&judgement, line);
        raise_fate(&judgement, line, SQUID_FATE_PASSED);
    }
    keep_denials(&judgement);
}
