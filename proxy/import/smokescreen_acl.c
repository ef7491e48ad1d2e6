// Ports are not asked for: each rule is for all of them. Addresses that the configuration opens are open to every name that a
// service may reach, so each rule has another one beside it with these addresses.
#include "proxy/import/smokescreen_acl.h"

#include "auth/iprange.h"

enum { SERVICES_MAX = 10000, SHOWN = 80 };
#define HOSTS_MAX 4000000 // names written, in all rules together

enum action { ACTION_IS_OPEN, ACTION_IS_REPORT, ACTION_IS_ENFORCE };

// domains is a list of hosts: names, and addresses that are asked for as such.
struct domains {
    struct import_hosts hosts;
    struct import_prefixes literals;
};

struct acl {
    struct smokescreen *state;
    struct errinfo *info;
    struct domains denied;  // global_deny_list
    struct domains allowed; // global_allow_list
    uint64_t host_count;
    bool has_project;      // it was said
    bool is_denied_needed; // some client has denials of global_deny_list
};

static const char *const action_words[] = {"open", "report", "enforce"};

// read_action reads `action`, which everybody must have.
static enum err read_action(struct acl *acl, const struct node *rule, enum action *out)
{
    const struct node *node = node_get(rule, "action");
    for (size_t i = 0; node != NULL && i < sizeof action_words / sizeof *action_words; i++) {
        if (slice_equal(node->text, slice_of_string(action_words[i]))) {
            *out = (enum action)i;
            return ERR_OK;
        }
    }
    return smokescreen_refuse(acl->state, node == NULL ? rule : node, acl->info,
                              "`action` is open, report or enforce");
}

// read_domain reads `example.com`, `*.example.com`, or an address.
static enum err read_domain(struct acl *acl, const struct node *node, struct domains *out)
{
    const bool is_suffix =
        node->kind == NODE_SCALAR && slice_starts_with(node->text, SLICE_LITERAL("*."));
    const struct slice text = slice_from(node->text, is_suffix ? 2 : 0);
    struct hostname name;
    struct ip_addr addr;
    if (node->kind == NODE_SCALAR && hostname_parse(text, &name) == ERR_OK) {
        import_hosts_add(acl->state->notes, &out->hosts, hostname_slice(&name), is_suffix);
        return ERR_OK;
    }
    if (node->kind != NODE_SCALAR || is_suffix || ip_addr_parse(text, &addr) != ERR_OK)
        return smokescreen_refuse(
            acl->state, node, acl->info, "`%.*s` is no domain, and no `*.` in front of one",
            (int)slice_first(node->text, SHOWN).len, (const char *)node->text.data);
    const struct ip_prefix prefix = {.addr = addr, .length = addr.family == IP_V4 ? 32 : 128};
    import_prefixes_add(acl->state->notes, &out->literals, &prefix);
    return ERR_OK;
}

static enum err read_domains(struct acl *acl, const struct node *map, const char *key,
                             struct domains *out)
{
    const struct node *list = node_get(map, key);
    if (list == NULL || (list->kind == NODE_SCALAR && list->text.len == 0))
        return ERR_OK;
    if (list->kind != NODE_LIST)
        return smokescreen_refuse(acl->state, list, acl->info, "`%s` is a list", key);
    for (const struct node *item = list->child; item != NULL; item = item->next)
        TRY(read_domain(acl, item, out));
    return ERR_OK;
}

static struct imported_rule *add_rule(struct acl *acl, struct imported_rule **list,
                                      struct import_place place, const struct import_hosts *hosts,
                                      uint16_t port)
{
    struct imported_rule *rule = import_alloc(acl->state->notes, 1, sizeof *rule);
    if (rule == NULL)
        return NULL;
    *rule =
        (struct imported_rule){.place = place, .has_hosts = hosts != NULL, .has_ports = port != 0};
    if (hosts != NULL)
        rule->hosts = *hosts;
    if (port == 0)
        import_ports_fill(&rule->ports);
    else
        import_ports_add(&rule->ports, port, port);
    acl->host_count += hosts == NULL ? 1 : hosts->count + 1;
    imported_add_rule(list, rule);
    return rule;
}

// is_open tells whether an address may be reached: it is ordinary, or the configuration opens it at every port.
static bool is_open(const struct acl *acl, const struct ip_prefix *literal)
{
    if (ip_addr_classify(&literal->addr) == IP_CLASS_ORDINARY)
        return true;
    for (const struct smokescreen_range *range = acl->state->allowed; range != NULL;
         range = range->next) {
        if (range->port == 0 && ip_prefix_covers(&range->prefix, literal))
            return true;
    }
    return false;
}

static void allow_literals(struct acl *acl, struct imported_client *client,
                           struct import_place place, const struct import_prefixes *literals)
{
    struct imported_rule *rule = NULL;
    for (size_t i = 0; i < literals->count; i++) {
        if (!is_open(acl, &literals->items[i])) {
            import_say(
                acl->state->notes, IMPORT_LEFT_OUT, place,
                "for `%s`: an address in its list is left out: no `allow_ranges` opens it at every port",
                client->name);
            continue;
        }
        if (rule == NULL)
            rule = add_rule(acl, &client->allow, place, NULL, 0);
        if (rule == NULL)
            return;
        rule->has_addresses = true;
        import_prefixes_add(acl->state->notes, &rule->addresses, &literals->items[i]);
    }
}

// allow writes the rules of a list: at public addresses, and at those that the configuration opens.
static void allow(struct acl *acl, struct imported_client *client, struct import_place place,
                  const struct domains *domains)
{
    struct imported_rule *opened = NULL;
    uint16_t port = 0;
    if (domains->hosts.count > 0) {
        (void)add_rule(acl, &client->allow, place, &domains->hosts, 0);
        for (const struct smokescreen_range *range = acl->state->allowed; range != NULL;
             range = range->next) {
            if (opened == NULL || range->port != port)
                opened = add_rule(acl, &client->allow, place, &domains->hosts, range->port);
            port = range->port;
            if (opened == NULL)
                return;
            opened->has_addresses = true;
            import_prefixes_add(acl->state->notes, &opened->addresses, &range->prefix);
        }
    }
    allow_literals(acl, client, place, &domains->literals);
}

static bool overlap(const struct domains *a, const struct domains *b)
{
    return import_hosts_overlap(&a->hosts, &b->hosts) ||
           import_prefixes_overlap(&a->literals, &b->literals);
}

static void add_denials(struct acl *acl, struct imported_client *client, struct import_place place,
                        const struct domains *domains)
{
    if (domains->hosts.count > 0)
        (void)add_rule(acl, &client->deny, place, &domains->hosts, 0);
    struct imported_rule *rule =
        domains->literals.count > 0 ? add_rule(acl, &client->deny, place, NULL, 0) : NULL;
    if (rule == NULL)
        return;
    rule->has_addresses = true;
    rule->addresses = domains->literals;
}

// deny writes global_deny_list for a client that it can touch, without what allowed_domains of the client takes back.
static void deny(struct acl *acl, struct imported_client *client, const struct domains *own,
                 bool is_all)
{
    struct import_notes *notes = acl->state->notes;
    struct domains left = {0};
    if (!is_all && !overlap(&acl->denied, &acl->allowed))
        return;
    import_hosts_drop(notes, &acl->denied.hosts, &own->hosts, &left.hosts);
    for (size_t i = 0; i < acl->denied.literals.count; i++) {
        const struct import_prefixes one = {.items = &acl->denied.literals.items[i], .count = 1};
        if (!import_prefixes_overlap(&one, &own->literals))
            import_prefixes_add(notes, &left.literals, &one.items[0]);
    }
    if (overlap(&left, own))
        import_say(
            notes, IMPORT_LEFT_OUT, client->place,
            "for `%s`: some of its allowed_domains are below names of global_deny_list: here a denial always wins, so they "
            "are denied. Write a `deny` without them",
            client->name);
    acl->is_denied_needed |= left.hosts.count + left.literals.count > 0;
    add_denials(acl, client, client->place, &left);
}

static void say_action(struct acl *acl, struct imported_client *client, enum action action)
{
    if (action == ACTION_IS_OPEN)
        import_say(
            acl->state->notes, IMPORT_LEFT_OUT, client->place,
            "for `%s`: `action: open` is left out: an import opens nothing. It may reach what is listed. If everything is "
            "meant, write `mode: open`",
            client->name);
    if (action != ACTION_IS_REPORT)
        return;
    client->mode = "report";
    import_say(
        acl->state->notes, IMPORT_REMARK, client->place,
        "for `%s`: `mode: report` lets through what no rule allows, to public addresses only, and records it, as "
        "`action: report` does",
        client->name);
}

// take_mitm denies the names to whose requests Smokescreen adds headers: here nobody would.
static enum err take_mitm(struct acl *acl, struct imported_client *client, const struct node *list)
{
    struct domains changed = {0};
    if (list == NULL)
        return ERR_OK;
    const struct import_place place = smokescreen_place(acl->state, list);
    import_say(acl->state->notes, IMPORT_LEFT_OUT, place,
               "mitm_domains: left out: nothing is decrypted here, so nothing in it is logged");
    if (list->kind == NODE_SCALAR && list->text.len == 0)
        return ERR_OK;
    if (list->kind != NODE_LIST)
        return smokescreen_refuse(acl->state, list, acl->info, "`mitm_domains` is a list");
    for (const struct node *item = list->child; item != NULL; item = item->next) {
        const struct node *domain = node_get(item, "domain");
        if (domain == NULL)
            return smokescreen_refuse(acl->state, item, acl->info, "expected a `domain`");
        if (node_get(item, "add_headers") != NULL)
            TRY(read_domain(acl, domain, &changed));
    }
    if (changed.hosts.count + changed.literals.count == 0)
        return ERR_OK;
    import_say(
        acl->state->notes, IMPORT_LEFT_OUT, place,
        "mitm_domains: for `%s`: nobody adds headers here (`add_headers`), so these names are denied",
        client->name);
    add_denials(acl, client, place, &changed);
    return ERR_OK;
}

// say_unknown says which keys of a map nothing reads. Smokescreen passes over them, too.
static void say_unknown(struct acl *acl, const struct node *map, const char *const *known)
{
    for (const struct node *node = map->child; node != NULL; node = node->next) {
        const char *const *name = known;
        while (*name != NULL && !slice_equal(node->key->text, slice_of_string(*name)))
            name++;
        if (*name == NULL)
            import_say(acl->state->notes, IMPORT_LEFT_OUT, smokescreen_place(acl->state, node),
                       "%.*s: not known here, so nothing is taken from it",
                       (int)slice_first(node->key->text, SHOWN).len,
                       (const char *)node->key->text.data);
    }
}

static void say_extras(struct acl *acl, const struct node *rule)
{
    static const char *const known[] = {
        "name",         "project", "action", "allowed_domains", "allowed_external_proxies",
        "mitm_domains", NULL};
    const struct node *proxies = node_get(rule, "allowed_external_proxies");
    say_unknown(acl, rule, known);
    if (proxies != NULL)
        import_say(acl->state->notes, IMPORT_LEFT_OUT, smokescreen_place(acl->state, proxies),
                   "allowed_external_proxies: left out: a client cannot choose the next proxy: "
                   "`parents` and `via` do");
    const struct node *project = node_get(rule, "project");
    if (project != NULL && !acl->has_project)
        import_say(acl->state->notes, IMPORT_REMARK, smokescreen_place(acl->state, project),
                   "project: not needed: it allows nothing; write it as a comment");
    acl->has_project = acl->has_project || project != NULL;
}

// add_client adds a service, or, without a name, the default rule.
static enum err add_client(struct acl *acl, const struct node *rule, const struct node *name)
{
    struct domains own = {0};
    enum action action = ACTION_IS_ENFORCE;
    struct imported_client *client = import_alloc(acl->state->notes, 1, sizeof *client);
    if (client == NULL)
        return errinfo_set(acl->info, ERR_MEMORY, "no memory");
    if (rule->kind != NODE_MAP)
        return smokescreen_refuse(acl->state, rule, acl->info, "expected a map");
    TRY(read_action(acl, rule, &action));
    TRY(read_domains(acl, rule, "allowed_domains", &own));
    *client = (struct imported_client){.place = smokescreen_place(acl->state, rule)};
    imported_name(acl->state->imported, name == NULL ? SLICE_LITERAL("default") : name->text,
                  client->name);
    if (name == NULL)
        imported_add_match(acl->state->notes, client, "any", (struct slice){0});
    else
        imported_add_match(acl->state->notes, client, acl->state->is_role_ou ? "ou" : "cn",
                           name->text);
    say_action(acl, client, action);
    say_extras(acl, rule);
    TRY(take_mitm(acl, client, node_get(rule, "mitm_domains")));
    allow(acl, client, client->place, &own);
    allow(acl, client, client->place, &acl->allowed);
    deny(acl, client, &own, action == ACTION_IS_REPORT);
    imported_add_client(acl->state->imported, client);
    if (acl->host_count > HOSTS_MAX)
        return smokescreen_refuse(acl->state, rule, acl->info,
                                  "the rules have more than %d names together", HOSTS_MAX);
    return ERR_OK;
}

// is_known tells whether a service stands there already.
static bool is_known(const struct node *services, const struct node *until, struct slice name)
{
    for (const struct node *rule = services->child; rule != until; rule = rule->next) {
        const struct node *other = node_get(rule, "name");
        if (other != NULL && slice_equal(other->text, name))
            return true;
    }
    return false;
}

// add_ranges closes what the configuration closes, for all clients.
static void add_ranges(struct acl *acl)
{
    struct imported_rule *rule = NULL;
    uint16_t port = 0;
    for (const struct smokescreen_range *range = acl->state->denied; range != NULL;
         range = range->next) {
        if (rule == NULL || range->port != port)
            rule = add_rule(acl, &acl->state->imported->deny, range->place, NULL, range->port);
        port = range->port;
        if (rule == NULL)
            return;
        rule->has_addresses = true;
        import_prefixes_add(acl->state->notes, &rule->addresses, &range->prefix);
        for (const struct smokescreen_range *opened = acl->state->allowed; opened != NULL;
             opened = opened->next) {
            if (ip_prefix_covers(&opened->prefix, &range->prefix) ||
                ip_prefix_covers(&range->prefix, &opened->prefix))
                import_say(
                    acl->state->notes, IMPORT_LEFT_OUT, range->place,
                    "denied here although the configuration opens some of it, too: a denial always wins. Write a `deny` "
                    "without these addresses");
        }
    }
}

// say_default says whom `default` is for. Smokescreen takes the last of several CNs; here such a certificate fits no service,
// which is no remark where the default may go where a service may not.
static void say_default(struct acl *acl, const struct node *fallback)
{
    const struct node *action = node_get(fallback, "action");
    const struct node *domains = node_get(fallback, "allowed_domains");
    const bool is_wide = !acl->state->is_role_ou &&
                         ((action != NULL && slice_equal(action->text, SLICE_LITERAL("report"))) ||
                          (domains != NULL && domains->child != NULL));
    import_say(
        acl->state->notes, is_wide ? IMPORT_LEFT_OUT : IMPORT_REMARK,
        smokescreen_place(acl->state, fallback),
        "default: for each certificate that fits no service before it%s%s",
        acl->state->is_role_ou ? "" : "; one with several CNs fits none",
        is_wide
            ? ", and may go where the service of its last CN may not: if your CA gives such certificates, remove the "
              "client `default`"
            : "");
}

enum err smokescreen_read_acl(struct smokescreen *state, const struct node *root,
                              struct errinfo *info)
{
    static const char *const known[] = {"version",          "services",          "default",
                                        "global_deny_list", "global_allow_list", NULL};
    struct acl acl = {.state = state, .info = info};
    const struct node *version = node_get(root, "version");
    const struct node *services = node_get(root, "services");
    const struct node *fallback = node_get(root, "default");
    if (version == NULL || !slice_equal(version->text, SLICE_LITERAL("v1")))
        return smokescreen_refuse(state, version, info, "expected version \"v1\"");
    if (services == NULL || services->kind != NODE_LIST || services->child_count > SERVICES_MAX)
        return smokescreen_refuse(state, services, info,
                                  "expected `services`, a list of at most %d", SERVICES_MAX);
    TRY(read_domains(&acl, root, "global_deny_list", &acl.denied));
    TRY(read_domains(&acl, root, "global_allow_list", &acl.allowed));
    say_unknown(&acl, root, known);
    add_ranges(&acl);
    for (const struct node *rule = services->child; rule != NULL; rule = rule->next) {
        const struct node *name = node_get(rule, "name");
        if (name == NULL || name->kind != NODE_SCALAR || name->text.len == 0)
            return smokescreen_refuse(state, rule, info, "a service needs a name");
        if (is_known(services, rule, name->text))
            return smokescreen_refuse(state, name, info, "rule already exists for this service");
        TRY(add_client(&acl, rule, name));
    }
    if (fallback != NULL && (fallback->kind != NODE_SCALAR || fallback->text.len > 0)) {
        say_default(&acl, fallback);
        TRY(add_client(&acl, fallback, NULL));
    }
    if (!acl.is_denied_needed && acl.denied.hosts.count + acl.denied.literals.count > 0)
        import_say(
            state->notes, IMPORT_REMARK,
            smokescreen_place(state, node_get(root, "global_deny_list")),
            "global_deny_list: not written: no rule allows these names but where its own service names them");
    return ERR_OK;
}
