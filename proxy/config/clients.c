// A client is a name, a match, and its rules; order in the file is order in the policy.
#include "proxy/config/clients.h"

#include "proxy/config/inner_rules.h"
#include "proxy/config/limits.h"
#include "proxy/config/rules.h"
#include "proxy/net/sockaddr.h"

static const char *const mode_words[] = {
    [POLICY_ENFORCE] = "enforce", [POLICY_REPORT] = "report", [POLICY_OPEN] = "open", NULL};

static const struct key keys[] = {
    KEY_ROW("name", KEY_NAME, struct client, name, .support = KEY_REQUIRED, .label = "client name"),
    KEY_KNOWN("match", KEY_REQUIRED),
    KEY_KNOWN("sources", KEY_OPTIONAL),
    KEY_ROW("mode", KEY_CHOICE, struct client, mode, .words = mode_words),
    KEY_KNOWN("allow", KEY_OPTIONAL),
    KEY_KNOWN("deny", KEY_OPTIONAL),
    KEY_KNOWN("egress", KEY_OPTIONAL),
    KEY_KNOWN("limits", KEY_OPTIONAL),
    KEY_KNOWN("inner", KEY_OPTIONAL),
};

const struct section client_section = SECTION("a client", keys);

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

// scope is what all clients share while they are read.
struct scope {
    const struct name_list *trusts;
    struct sets *sets;
    struct named_places client_names;
    struct named_places rule_names;
};

static bool client_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct client *client = out;
    struct scope *scope = arg;
    struct list_facts facts = {0};
    const struct node *sources = node_get(node, "sources");
    const struct node *allow = node_get(node, "allow");
    client->name = "?"; // for the names of rules, when there is no good one
    if (!section_read(reader, node, &client_section, client))
        return true;
    if (client->name[0] != '?')
        reader_note_name(reader, &scope->client_names, client->name, node_get(node, "name"));
    matches_read(reader, node_get(node, "match"), scope->trusts, &client->matches,
                 &client->match_count);
    client->has_sources = sources != NULL;
    sets_read_addresses(scope->sets, sources, "`sources`", false, &client->sources, &facts);
    if (client->mode != POLICY_ENFORCE)
        reader_warning(reader, node_get(node, "mode"),
                       "mode `%s` lets requests through that no rule allows"
                       "\n`mode: enforce` once the rules are complete",
                       mode_words[client->mode]);
    egress_read(reader, node_get(node, "egress"), client);
    rules_read(reader, scope->sets, allow, RULE_ALLOW, client->name, &scope->rule_names,
               &client->allow, &client->allow_count);
    rules_read(reader, scope->sets, node_get(node, "deny"), RULE_DENY, client->name,
               &scope->rule_names, &client->deny, &client->deny_count);
    client->inner = inner_rules_read(reader, node_get(node, "inner"), true);
    client_limits_read(reader, node_get(node, "limits"), &client->limits);
    if (client->mode == POLICY_ENFORCE && (allow == NULL || allow->child == NULL))
        reader_warning(reader, node,
                       "client `%s` has no `allow`: each of its requests will be denied"
                       "\nadd `allow: [{hosts: [api.example.com]}]`",
                       client->name);
    return true;
}

static void clients_list_read(struct reader *reader, const struct node *clients,
                              struct scope *scope, struct policy *policy)
{
    if (clients == NULL || (clients->kind == NODE_LIST && clients->child == NULL)) {
        reader_warning(reader, clients,
                       "there are no `clients`: every request will be denied"
                       "\nadd `clients:` with a name, a match and an allow");
        return;
    }
    const struct items entries = {.what = "`clients`",
                                  .max = CLIENTS_MAX,
                                  .size = sizeof(struct client),
                                  .read = client_read,
                                  .arg = scope};
    policy->clients = reader_items(reader, clients, &entries, &policy->client_count);
    reader_unique(reader, "client name", &scope->client_names);
}

void clients_read(struct reader *reader, const struct node *root, const struct name_list *trusts,
                  struct policy *policy)
{
    struct sets sets = {.reader = reader};
    struct scope scope = {.trusts = trusts, .sets = &sets};
    sets_read(scope.sets, node_get(root, "sets"));
    clients_list_read(reader, node_get(root, "clients"), &scope, policy);
    rules_read(reader, scope.sets, node_get(root, "deny"), RULE_DENY, "", &scope.rule_names,
               &policy->deny, &policy->deny_count);
    if (!reader->is_out_of_memory && policy_seal(policy) != ERR_OK)
        reader_no_memory(reader);
    sets_warn_unused(scope.sets);
    reader_unique(reader, "rule name", &scope.rule_names);
    sets_deinit(scope.sets);
}
