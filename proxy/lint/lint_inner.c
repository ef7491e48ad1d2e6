// Checks `inner`: tunnels that nobody looks into, protocols that it would end, and keys that never count.
#include "auth/inner.h"
#include "proxy/lint/parts.h"

// roll is a list of names for one finding, and the place of the first one.
struct roll {
    size_t count;
    const struct node *first;
    char names[256]; // as many as there is room for
};

enum { ROLL_MAX = 5 }; // names that a finding tells

static void roll_add(struct roll *roll, const char *name, const struct node *node)
{
    const size_t used = strlen(roll->names);
    if (roll->count == 0)
        roll->first = node;
    if (roll->count++ < ROLL_MAX)
        (void)snprintf(roll->names + used, sizeof roll->names - used, "%s`%s`",
                       used == 0 ? "" : ", ", name);
}

// roll_end closes the list: it says how many names are left out.
static void roll_end(struct roll *roll)
{
    const size_t used = strlen(roll->names);
    if (roll->count > ROLL_MAX)
        (void)snprintf(roll->names + used, sizeof roll->names - used, " and %zu more",
                       roll->count - ROLL_MAX);
}

// inner_of gives what holds for the tunnels of a rule; NULL: nothing is written.
static const struct inner *inner_of(const struct client *client, const struct rule *rule)
{
    return rule->inner != NULL ? rule->inner : client->inner;
}

// needs_inner tells whether a client may have tunnels for which its own `inner` counts: no rule's does, or the name that
// finds the rule is read first.
static bool needs_inner(const struct client *client)
{
    bool needs = client->mode != POLICY_ENFORCE || // such a mode lets tunnels pass without a rule
                 (client->inner != NULL && client->inner->routes_by_name);
    for (size_t i = 0; i < client->allow_count && !needs; i++)
        needs = client->allow[i].inner == NULL;
    return needs;
}

static const struct node *place_of(const struct lint *lint, size_t client, size_t rule)
{
    return places_item(node_get(lint->places.clients[client], "allow"), rule);
}

// ---- tunnels that nobody looks into -------------------------------------------------------------

static void look_for_silence(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    struct roll roll = {0};
    for (size_t i = 0; i < policy->client_count; i++) {
        if (policy->clients[i].inner == NULL && needs_inner(&policy->clients[i]))
            roll_add(&roll, policy->clients[i].name, lint->places.clients[i]);
    }
    roll_end(&roll);
    if (roll.count > 0)
        lint_find(
            lint, SEVERITY_NOTE, roll.first,
            "nobody looks at the name inside the tunnels of client%s %s: they may lead anywhere that a host "
            "serves"
            "\nwrite `inner: {tls: observe}` into the client to record the name, `{tls: require}` to hold "
            "tunnels to it, or `{tls: any}` to leave it so",
            roll.count == 1 ? "" : "s", roll.names);
}

// ---- what is ended ------------------------------------------------------------------------------

// opening is how the protocol of a port begins, where it does not begin with TLS.
struct opening {
    uint16_t port;
    const char *protocol;
    bool is_servers; // the server speaks first, and the client waits for it
};

static const struct opening openings[] = {
    {21, "FTP", true},    {22, "SSH", true},    {25, "SMTP", true},    {110, "POP3", true},
    {119, "NNTP", true},  {143, "IMAP", true},  {389, "LDAP", false},  {587, "SMTP", true},
    {1433, "TDS", false}, {2525, "SMTP", true}, {3306, "MySQL", true}, {5432, "PostgreSQL", false},
    {5900, "VNC", true},  {9418, "git", false},
};

static bool names_port(const struct rule *rule, uint16_t port)
{
    for (size_t i = 0; i < rule->port_count; i++) {
        if (rule->ports[i].first == port && rule->ports[i].last == port)
            return true;
    }
    return false;
}

// look_at_ports finds a port of a protocol that never satisfies `tls: require`.
static void look_at_ports(struct lint *lint, const struct rule *rule, const struct node *node)
{
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        const struct opening *opening = &openings[i];
        if (!names_port(rule, opening->port))
            continue;
        lint_find(lint, SEVERITY_WARNING, node,
                  "rule `%s`: `tls: require` ends every tunnel to port %u with `%s`: in %s %s"
                  "\nput the port into a rule of its own with `inner: {tls: any}`",
                  rule->name, (unsigned)opening->port,
                  reason_name(opening->is_servers ? REASON_INNER_TIMEOUT : REASON_INNER_NOT_TLS),
                  opening->protocol,
                  opening->is_servers ? "the server speaks first" : "TLS does not come first");
        return;
    }
}

// look_at_plain finds a rule for HTTP in the clear whose tunnels may not carry it. Plain requests pass in any case.
static void look_at_plain(struct lint *lint, const struct inner *inner, const struct rule *rule,
                          const struct node *node)
{
    const bool is_denied = inner->plain == INNER_PLAIN_DENY;
    const bool needs_tls = inner->tls == INNER_REQUIRE && inner->plain == INNER_PLAIN_ALLOW;
    if ((is_denied || needs_tls) && names_port(rule, 80))
        lint_find(
            lint, SEVERITY_NOTE, node,
            "rule `%s` names port 80, and `%s` ends a tunnel there that carries HTTP in the clear"
            "\na request without CONNECT still passes; for tunnels write `plain: check`, which holds them to "
            "their Host",
            rule->name, is_denied ? "plain: deny" : "tls: require");
}

static bool has_names(const struct client *client)
{
    bool has = false;
    for (size_t i = 0; i < client->allow_count && !has; i++)
        has = client->allow[i].has_hosts;
    return has;
}

// look_at_addresses finds a rule for written addresses whose tunnels need a name that no rule allows.
static void look_at_addresses(struct lint *lint, const struct client *client,
                              const struct inner *inner, const struct rule *rule,
                              const struct node *node)
{
    const bool is_routed = client->inner != NULL && client->inner->routes_by_name;
    if (inner->tls == INNER_REQUIRE && inner->names != INNER_NAMES_ANY && !rule->has_hosts &&
        client->mode == POLICY_ENFORCE && !has_names(client))
        lint_find(
            lint, SEVERITY_WARNING, node,
            "rule `%s` admits addresses, and `tls: require` ends every tunnel to them: it needs a name that "
            "a rule of client `%s` allows, and none has `hosts`"
            "\n%s",
            rule->name, client->name,
            is_routed
                ? "add a rule with the `hosts` that the tunnels name"
                : "add a rule with the `hosts`, or write `inner: {tls: require, names: any}`");
}

static void look_at_rules(struct lint *lint, size_t index)
{
    const struct client *client = &lint->snapshot->policy->clients[index];
    for (size_t i = 0; i < client->allow_count; i++) {
        const struct rule *rule = &client->allow[i];
        const struct inner *inner = inner_of(client, rule);
        const struct node *node = place_of(lint, index, i);
        if (inner == NULL)
            continue;
        if (inner->tls == INNER_REQUIRE)
            look_at_ports(lint, rule, node);
        look_at_plain(lint, inner, rule, node);
        look_at_addresses(lint, client, inner, rule, node);
    }
}

// look_for_ech finds who refuses browsers.
static void look_for_ech(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    struct roll roll = {0};
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        if (client->inner != NULL && client->inner->denies_ech)
            roll_add(&roll, client->name, lint->places.clients[i]);
        for (size_t j = 0; j < client->allow_count; j++) {
            if (client->allow[j].inner != NULL && client->allow[j].inner->denies_ech)
                roll_add(&roll, client->allow[j].name, place_of(lint, i, j));
        }
    }
    roll_end(&roll);
    if (roll.count > 0)
        lint_find(
            lint, SEVERITY_NOTE, roll.first,
            "`ech: deny` of %s refuses Chromium and Firefox: they send an encrypted_client_hello extension in "
            "every hello"
            "\nit is for fleets of programs; where people browse leave it out",
            roll.names);
}

// ---- what never counts --------------------------------------------------------------------------

// requires tells whether any first flight is waited for.
static bool requires(const struct policy *policy)
{
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        if (client->inner != NULL && inner_holds_down(client->inner))
            return true;
        for (size_t j = 0; j < client->allow_count; j++) {
            if (client->allow[j].inner != NULL && inner_holds_down(client->allow[j].inner))
                return true;
        }
    }
    return false;
}

static void look_for_unused(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    const struct node *timeouts = node_get(lint->places.root, "timeouts");
    const struct node *timeout = node_get(timeouts, "inner");
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        if (client->inner != NULL && client->allow_count > 0 && !needs_inner(client))
            lint_find(lint, SEVERITY_WARNING, node_get(lint->places.clients[i], "inner"),
                      "`inner` of client `%s` never counts: each of its rules has its own"
                      "\nremove it, or that of a rule",
                      client->name);
    }
    if (timeout != NULL && !requires(policy))
        lint_find(lint, SEVERITY_WARNING, timeout,
                  "`timeouts.inner` never counts: no `inner` has `tls: require`"
                  "\nremove it, or add `inner: {tls: require}` to a client or rule");
}

void lint_inner(struct lint *lint)
{
    look_for_silence(lint);
    look_for_ech(lint);
    look_for_unused(lint);
    for (size_t i = 0; i < lint->snapshot->policy->client_count; i++)
        look_at_rules(lint, i);
}
