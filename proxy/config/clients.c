// A client is a name, a match, and its rules; order in the file is order in the policy.
#include "proxy/config/clients.h"

#include "auth/name_template.h"
#include "proxy/config/inner_rules.h"
#include "proxy/config/limits.h"
#include "proxy/config/rules.h"
#include "proxy/config/schedules.h"
#include "proxy/net/sockaddr.h"

static const char *const mode_words[] = {
    [POLICY_ENFORCE] = "enforce", [POLICY_REPORT] = "report", [POLICY_OPEN] = "open", NULL};

// name_read reads a plain name, or keeps a template as it is written.
static void name_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct slice text = {0};
    const char **out = field;
    const char *name = NULL;
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return;
    if (slice_find(text, '{') == text.len && slice_find(text, '}') == text.len)
        (void)reader_name(reader, node, what, &name);
    else if (text.len > CLIENT_NAME_MAX)
        (void)reader_refuse(reader, node, what, "longer than 64 bytes", "");
    else
        name = reader_copy(reader, text);
    if (name != NULL)
        *out = name;
}

static const struct key keys[] = {
    KEY_ROW("name", KEY_READ, struct client, name, .read = name_read, .support = KEY_REQUIRED,
            .label = "client name"),
    KEY_ROW("accounts", KEY_NUMBER, struct client, accounts, .min = 1, .max = ACCOUNTS_MAX),
    KEY_KNOWN("match", KEY_REQUIRED),
    KEY_KNOWN("sources", KEY_OPTIONAL),
    KEY_ROW("mode", KEY_CHOICE, struct client, mode, .words = mode_words),
    KEY_KNOWN("allow", KEY_OPTIONAL),
    KEY_KNOWN("deny", KEY_OPTIONAL),
    KEY_KNOWN("egress", KEY_OPTIONAL),
    KEY_KNOWN("via", KEY_OPTIONAL),
    KEY_KNOWN("limits", KEY_OPTIONAL),
    KEY_KNOWN("inner", KEY_OPTIONAL),
    KEY_KNOWN("valid", KEY_OPTIONAL),
    KEY_KNOWN("hours", KEY_OPTIONAL),
    KEY_KNOWN("speaks_for", KEY_OPTIONAL),
};

const struct section client_section = SECTION("a client", keys);

// literal_len gives the number of bytes of a template that no certificate changes.
static size_t literal_len(const struct name_template *template)
{
    size_t len = template->head.len;
    for (size_t i = 0; i < template->part_count; i++)
        len += template->parts[i].after.len;
    return len;
}

// template_read reads a name that certificates complete.
static void template_read(struct reader *reader, const struct node *node, struct client *client)
{
    const struct node *name = node_get(node, "name");
    const struct slice text = slice_of_string(client->name);
    struct errinfo info = {0};
    if (slice_find(text, '{') == text.len && slice_find(text, '}') == text.len) {
        if (client->accounts != 0)
            reader_error(reader, node_get(node, "accounts"),
                         "`accounts` bounds the accounts of a name that certificates complete, and "
                         "`%s` is one account"
                         "\nname the client like `agent-{uri.path[2]}`, or remove `accounts`",
                         client->name);
        return;
    }
    struct name_template *template = reader_alloc(reader, 1, sizeof *template);
    if (template == NULL)
        return;
    if (name_template_parse(text, NAME_ALPHABET_ACCOUNT, template, &info) != ERR_OK) {
        reader_refuse(reader, name, "client name", info.text, "");
        return;
    }
    if (literal_len(template) + template->part_count > CONFIG_NAME_MAX)
        reader_refuse(reader, name, "client name",
                      "no certificate completes it to a name of 32 characters or less", "");
    client->name_template = template;
    if (client->accounts == 0)
        client->accounts = ACCOUNTS_DEFAULT;
}

// check_one_trust refuses a name that two trust profiles could give: a name stands for one identity.
static void check_one_trust(struct reader *reader, const struct node *matches,
                            const struct client *client)
{
    for (size_t i = 0; i < client->match_count; i++) {
        const char *trust = client->matches[i].trust;
        const char *first = client->matches[0].trust;
        if (trust != NULL && strcmp(trust, first) == 0)
            continue;
        reader_error(reader, matches,
                     "client `%s` is named from certificates: match[%zu] must name the same trust "
                     "profile as all its entries, or two CAs could give one name"
                     "\nadd `trust: %s` to each entry, or make one client for each profile",
                     client->name, i, first == NULL ? "NAME" : first);
        return;
    }
}

// check_one_extension refuses {extension} in a name where it could mean several: each entry names the same one.
static void check_one_extension(struct reader *reader, const struct node *matches,
                                const struct client *client)
{
    const struct extension_match *first =
        client->match_count == 0 ? NULL : client->matches[0].extension;
    for (size_t i = 0; i < client->match_count; i++) {
        const struct extension_match *named = client->matches[i].extension;
        if (first != NULL && named != NULL && slice_equal(first->oid, named->oid))
            continue;
        reader_error(
            reader, matches,
            "client `%s` is named from an extension: match[%zu] must have `extension` with "
            "the same `oid` as all its entries"
            "\nadd `extension: {oid: ..., text: ...}` to each entry",
            client->name, i);
        return;
    }
}

// address_read reads one address that a connection can come from.
static bool address_read(struct reader *reader, const struct node *node, void *item, void *arg)
{
    struct ip_addr *out = item;
    (void)arg;
    struct slice text = {0};
    if (!reader_text(reader, node, "egress address", CONFIG_TEXT_MAX, &text))
        return false;
    if (ip_addr_parse(text, out) != ERR_OK)
        return reader_refuse(reader, node, "egress address", "not an address",
                             "one address of this machine, without a prefix length");
    const struct ip_addr canonical = ip_addr_canonical(out);
    if (ip_addr_classify(out) == IP_CLASS_CLOSED || canonical.family != out->family)
        return reader_refuse(reader, node, "egress address", "nothing can come from there", "");
    if (!address_is_local(out))
        reader_warning(
            reader, node,
            "egress address `%s` is not on this machine now"
            "\nip address add %s dev INTERFACE; until then requests that need it are refused",
            reader_quote(reader, text), reader->quoted);
    return true;
}

static const struct key egress_keys[] = {KEY_KNOWN("addresses", KEY_REQUIRED)};

const struct section egress_section = SECTION("`egress`", egress_keys);

// egress_read reads the addresses of this machine that the client's connections go out from. One that is not on this machine
// is a warning: it may come later, and until then requests that need it are refused.
static void egress_read(struct reader *reader, const struct node *node, struct client *client)
{
    static const struct items addresses = {.what = "`addresses`",
                                           .min = 1,
                                           .max = EGRESS_MAX_ADDRESSES,
                                           .size = sizeof(struct ip_addr),
                                           .read = address_read};
    if (section_read(reader, node, &egress_section, NULL))
        client->egress =
            reader_items(reader, node_get(node, "addresses"), &addresses, &client->egress_count);
}

static const struct key speaks_for_keys[] = {KEY_KNOWN("trust", KEY_REQUIRED)};

const struct section speaks_for_section = SECTION("`speaks_for`", speaks_for_keys);

// speaks_for_read reads by which profile the certificates are judged that the client passes on. Nobody speaks for others who
// has not shown a certificate.
static void speaks_for_read(struct reader *reader, const struct node *node,
                            const struct name_list *trusts, struct client *client)
{
    size_t index = 0;
    if (!section_read(reader, node, &speaks_for_section, NULL))
        return;
    if (trust_reference_read(reader, node_get(node, "trust"), trusts, &index))
        client->speaks_for = trusts->names[index];
    for (size_t i = 0; i < client->match_count; i++) {
        if (client->matches[i].anonymous)
            reader_error(reader, node,
                         "`speaks_for` of a client without certificate: everybody would be believed"
                         "\nname the proxy by its certificate in `match`");
    }
}

// reading is what the clients of a file share while they are read.
struct reading {
    const struct client_scope *scope;
    struct client_part *part;
};

// has_parent tells whether a request may leave this way through another proxy.
static bool has_parent(const struct via *via)
{
    return !via_equal(via, NULL);
}

static bool goes_by_name(const struct via *via)
{
    return via != NULL && via->by_name;
}

// limits_read reads the limits, and refuses those of a fleet where nothing is shared.
static void limits_read(struct reader *reader, const struct node *limits,
                        const struct client_scope *scope, struct client *client)
{
    client_limits_read(reader, limits, &client->limits);
    if (client->limits.scope == LIMIT_FLEET && !scope->is_shared)
        reader_error(
            reader, node_get(limits, "scope"),
            "`scope: fleet` needs a store that the proxies share"
            "\nname it: `shared: {valkey: \"127.0.0.1:6379\", key_file: fleet.key}`, or leave "
            "`scope` out");
}

// check_via refuses what only a target that we connect to ourselves could see.
static void check_via(struct reader *reader, const struct node *node, const struct client *client)
{
    const struct node *allow = node_get(node, "allow");
    const struct node *entry = allow == NULL ? NULL : allow->child;
    bool has_parents = has_parent(client->via);
    for (size_t i = 0; i < client->allow_count && entry != NULL; i++, entry = entry->next) {
        const struct rule *rule = &client->allow[i];
        const bool goes_through = has_parent(rule->via != NULL ? rule->via : client->via);
        has_parents = has_parents || goes_through;
        if (rule->sends_proxy && goes_through)
            reader_error(reader, node_get(entry, "send_proxy"),
                         "`send_proxy` and `via`: a parent makes the connection to the target, and "
                         "would have to send the header"
                         "\nwrite `via: direct` in this rule, or remove `send_proxy`");
        if (rule->asks && goes_by_name(rule->via != NULL ? rule->via : client->via))
            reader_error(reader, node_get(entry, "ask"),
                         "`ask` and a parent with `resolve: parent`: the authorizer is told the "
                         "addresses, which only the parent knows"
                         "\nwrite another `via` in this rule, or remove `ask`");
    }
    if (has_parents && client->egress_count > 0)
        reader_warning(reader, node_get(node, "egress"),
                       "`egress` counts only for requests that go to the target itself; those "
                       "`via` a parent leave from an address that the kernel chooses"
                       "\nno change is needed if that is meant");
}

static bool client_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct client *client = out;
    const struct reading *reading = arg;
    const struct client_scope *scope = reading->scope;
    struct client_part *part = reading->part;
    struct list_facts facts = {0};
    const struct node *sources = node_get(node, "sources");
    const struct node *allow = node_get(node, "allow");
    client->file = part->file;
    client->line = node->line;
    client->name = "?"; // for the names of rules, when there is no good one
    if (!section_read(reader, node, &client_section, client))
        return true;
    if (client->name[0] != '?')
        reader_note_name(reader, &part->client_names, client->name, node_get(node, "name"));
    template_read(reader, node, client);
    matches_read(reader, node_get(node, "match"), scope->trusts, &client->matches,
                 &client->match_count);
    if (client->name_template != NULL)
        check_one_trust(reader, node_get(node, "match"), client);
    if (client->name_template != NULL &&
        name_template_has(client->name_template, NAME_PART_EXTENSION))
        check_one_extension(reader, node_get(node, "match"), client);
    client->has_sources = sources != NULL;
    sets_read_addresses(&part->sets, sources, "`sources`", false, &client->sources, &facts);
    if (client->mode != POLICY_ENFORCE)
        reader_warning(reader, node_get(node, "mode"),
                       "mode `%s` lets requests through that no rule allows"
                       "\n`mode: enforce` once the rules are complete",
                       mode_words[client->mode]);
    egress_read(reader, node_get(node, "egress"), client);
    client->via = via_read(reader, node_get(node, "via"), scope->parents);
    rules_read(reader, &part->sets, scope->parents, allow, RULE_ALLOW, client->name,
               &part->rule_names, &client->allow, &client->allow_count);
    rules_read(reader, &part->sets, NULL, node_get(node, "deny"), RULE_DENY, client->name,
               &part->rule_names, &client->deny, &client->deny_count);
    speaks_for_read(reader, node_get(node, "speaks_for"), scope->trusts, client);
    client->schedule = schedule_read(reader, node);
    client->has_times = client->schedule != NULL;
    for (size_t i = 0; i < client->allow_count; i++) {
        client->sends_proxy = client->sends_proxy || client->allow[i].sends_proxy;
        client->has_times = client->has_times || client->allow[i].schedule != NULL;
        client->asks = client->asks || client->allow[i].asks;
        client->has_names = client->has_names || goes_by_name(client->allow[i].via);
    }
    client->has_names = client->has_names || goes_by_name(client->via);
    check_via(reader, node, client);
    client->inner = inner_rules_read(reader, node_get(node, "inner"), true);
    limits_read(reader, node_get(node, "limits"), scope, client);
    if (client->mode == POLICY_ENFORCE && client->speaks_for == NULL &&
        (allow == NULL || allow->child == NULL))
        reader_warning(reader, node,
                       "client `%s` has no `allow`: each of its requests will be denied"
                       "\nadd `allow: [{hosts: [api.example.com]}]`",
                       client->name);
    if (scope->ownership != NULL)
        ownership_check(reader, scope->ownership, node, client);
    return true;
}

// add_unkept adds the names of the denials that need an address.
static void add_unkept(const struct rule *denials, size_t count, struct text *out)
{
    for (size_t i = 0; i < count; i++) {
        if (denials[i].has_addresses)
            text_append_format(out, ", `%s`", denials[i].name);
    }
}

// warn_of_names says which rules nobody keeps for names that parents resolve. `everybody` are the main file's denials.
static void warn_of_names(struct reader *reader, const struct node *clients,
                          const struct client_part *part, const struct client_part *everybody)
{
    const struct node *entry = clients == NULL ? NULL : clients->child;
    for (size_t i = 0; i < part->client_count && entry != NULL; i++, entry = entry->next) {
        const struct client *client = &part->clients[i];
        char data[512];
        struct text denials;
        if (!client->has_names)
            continue;
        text_init(&denials, data, sizeof data);
        text_append_string(&denials, "");
        add_unkept(everybody->deny, everybody->deny_count, &denials);
        add_unkept(part->file->deny, part->file->deny_count, &denials);
        add_unkept(client->deny, client->deny_count, &denials);
        reader_warning(reader, entry,
                       "client `%s`: a parent resolves names itself (`resolve: parent`), so what "
                       "needs an address is not kept for them: the ranges that are always closed, "
                       "special ranges%s%s"
                       "\nthe parent's own rules must keep it; rules with `addresses` speak about "
                       "no such name",
                       client->name, data, denials.is_cut ? " and more" : "");
    }
}

static void clients_list_read(struct reader *reader, const struct node *clients,
                              const struct client_scope *scope, struct client_part *part)
{
    struct reading reading = {.scope = scope, .part = part};
    if (clients == NULL || (clients->kind == NODE_LIST && clients->child == NULL))
        return;
    const struct items entries = {.what = "`clients`",
                                  .max = CLIENTS_MAX,
                                  .size = sizeof(struct client),
                                  .read = client_read,
                                  .arg = &reading};
    part->clients = reader_items(reader, clients, &entries, &part->client_count);
}

// file_name gives the last part of a path.
static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

// deny_read reads `deny` of the whole file: of the main file for everybody, of another one for its own clients. Their names
// begin with `file:`, as no client's name does.
static void deny_read(struct reader *reader, const struct node *node,
                      const struct client_scope *scope, struct client_file *file,
                      struct client_part *part)
{
    char owner[CLIENT_NAME_MAX + 8] = "";
    struct text text;
    text_init(&text, owner, sizeof owner);
    if (scope->ownership != NULL)
        text_append_format(&text, "file:%.64s", file_name(file->name));
    rules_read(reader, &part->sets, NULL, node, RULE_DENY, owner, &part->rule_names,
               scope->ownership == NULL ? &part->deny : &file->deny,
               scope->ownership == NULL ? &part->deny_count : &file->deny_count);
}

void client_part_read(struct reader *reader, const struct node *root,
                      const struct client_scope *scope, struct client_part *out)
{
    const struct node *clients = node_get(root, "clients");
    struct client_file *file = reader_alloc(reader, 1, sizeof *file);
    *out = (struct client_part){
        .file = file,
        .sets = {.reader = reader, .outer = scope->main == NULL ? NULL : &scope->main->sets}};
    if (file == NULL)
        return;
    file->name = reader_copy(reader, slice_of_string(reader->file));
    if (file->name == NULL)
        return;
    sets_read(&out->sets, node_get(root, "sets"));
    clients_list_read(reader, clients, scope, out);
    deny_read(reader, node_get(root, "deny"), scope, file, out);
    warn_of_names(reader, clients, out, scope->main == NULL ? out : scope->main);
    reader_check_unique(reader, "client name", &out->client_names);
    reader_check_unique(reader, "rule name", &out->rule_names);
}

void client_part_deinit(struct client_part *part)
{
    named_places_deinit(&part->client_names);
    named_places_deinit(&part->rule_names);
    sets_deinit(&part->sets);
    *part = (struct client_part){0};
}
