// 1. The file is read. 2. Classes of clients are made. 3. Each is judged by all lines, and becomes a client if it may go anywhere.
#include "proxy/import/squid.h"

#include <stdio.h>

#include "proxy/import/squid_access.h"
#include "proxy/import/squid_config.h"
#include "proxy/import/squid_lines.h"
#include "proxy/import/squid_ports.h"
#include "proxy/import/squid_rest.h"

enum { CLASSES_MAX = 200, SIGNATURE_ACLS = 64, NAME_SHOWN = 60 };

#define DOMAIN "spiffe://sallyport.internal/"

// builder is what is needed while the clients are made.
struct builder {
    struct squid_config *config;
    const struct squid_options *options;
    const struct squid_acl *identities[SIGNATURE_ACLS]; // user_cert in the access lines
    size_t identity_count;
    size_t class_count;
};

// group is values of one attribute that the same acls name.
struct group {
    const struct squid_acl *acl; // the first of them
    uint64_t signature;
    struct squid_value *values;
    struct squid_value **end;
    struct group *next;
};

// key_of gives the key of `match` that an attribute is; NULL where there is none that means the same.
static const char *key_of(const struct builder *builder, struct slice attribute)
{
    if (slice_equal(attribute, SLICE_LITERAL("CN")))
        return "cn";
    if (slice_equal(attribute, SLICE_LITERAL("O")))
        return "o";
    if (slice_equal(attribute, SLICE_LITERAL("OU")) && builder->options->has_one_ou)
        return "ou";
    return NULL;
}

static void leave_identity(struct builder *builder, const struct squid_acl *acl)
{
    const bool is_ou = slice_equal(acl->attribute, SLICE_LITERAL("OU"));
    import_say(
        builder->config->notes, IMPORT_LEFT_OUT, acl->place,
        is_ou
            ? "user_cert OU: left out: Squid looks at the first OU, `ou` at any of them. If your CA gives each certificate "
              "one OU at most, say --one-ou"
            : "user_cert: left out: this attribute is no key of `match`; name the client by `cn`, `o`, `dns` or `uri`");
}

// note_identity numbers an acl. One above the bound is in no signature, so a group's values may differ in it.
static void note_identity(struct builder *builder, struct squid_acl *acl)
{
    if (acl->is_unnumbered)
        return;
    for (size_t i = 0; i < builder->identity_count; i++) {
        if (builder->identities[i] == acl)
            return;
    }
    if (key_of(builder, acl->attribute) == NULL) {
        leave_identity(builder, acl);
        return;
    }
    if (builder->identity_count < SIGNATURE_ACLS) {
        builder->identities[builder->identity_count++] = acl;
        return;
    }
    acl->is_unnumbered = true;
    import_say(
        builder->config->notes, IMPORT_LEFT_OUT, acl->place,
        "user_cert: left out: more than %d acls of certificates, so whom it fits is not known",
        SIGNATURE_ACLS);
}

static bool has_value(const struct squid_acl *acl, struct slice text)
{
    const struct squid_value *value = acl->values;
    while (value != NULL && !slice_equal(value->text, text))
        value = value->next;
    return value != NULL;
}

static uint64_t signature_of(const struct builder *builder, const struct squid_acl *acl,
                             struct slice text)
{
    uint64_t signature = 0;
    for (size_t i = 0; i < builder->identity_count; i++) {
        if (slice_equal(builder->identities[i]->attribute, acl->attribute) &&
            has_value(builder->identities[i], text))
            signature |= UINT64_C(1) << i;
    }
    return signature;
}

// group_value puts a value to those with the same acls. A value that an acl before has is there already.
static void group_value(struct builder *builder, struct group **groups, size_t index,
                        struct slice text)
{
    const struct squid_acl *acl = builder->identities[index];
    const uint64_t signature = signature_of(builder, acl, text);
    if ((signature & ((UINT64_C(1) << index) - 1)) != 0)
        return;
    while (*groups != NULL && (*groups)->signature != signature)
        groups = &(*groups)->next;
    if (*groups == NULL) {
        *groups = import_alloc(builder->config->notes, 1, sizeof **groups);
        if (*groups == NULL)
            return;
        **groups = (struct group){.acl = acl, .signature = signature};
        (*groups)->end = &(*groups)->values;
    }
    struct squid_value *value = import_alloc(builder->config->notes, 1, sizeof *value);
    if (value == NULL)
        return;
    *value = (struct squid_value){.text = text};
    *(*groups)->end = value;
    (*groups)->end = &value->next;
}

// may_add counts the classes.
static bool may_add(struct builder *builder)
{
    const struct import_place whole = {0};
    if (builder->class_count++ < CLASSES_MAX)
        return true;
    import_say(builder->config->notes, IMPORT_LEFT_OUT, whole,
               "left out: more than %d kinds of clients", CLASSES_MAX);
    return false;
}

// add_client makes a client of a class, unless it may go nowhere; NULL then.
static struct imported_client *add_client(struct builder *builder,
                                          const struct squid_class *clients, struct slice name,
                                          const struct import_prefixes *sources)
{
    struct squid_config *config = builder->config;
    struct squid_rules rules;
    squid_access_judge(config, clients, &rules);
    if (rules.allow == NULL || config->is_too_large)
        return NULL;
    struct imported_client *client = import_alloc(config->notes, 1, sizeof *client);
    if (client == NULL)
        return NULL;
    *client = (struct imported_client){
        .sources = sources, .tunnels = rules.tunnels, .allow = rules.allow, .deny = rules.deny};
    imported_name(config->imported, name, client->name);
    imported_add_client(config->imported, client);
    return client;
}

// score tells how many lines say exactly what they do in Squid, for a class that comes from `sources`.
static size_t score(struct builder *builder, struct squid_class clients)
{
    struct squid_rules rules;
    size_t narrowed = 0;
    clients.is_quiet = true;
    squid_access_judge(builder->config, &clients, &rules);
    for (const struct imported_rule *rule = rules.allow; rule != NULL && clients.sources != NULL;
         rule = rule->next) {
        const struct squid_access *line = builder->config->first;
        while (line->order != rule->order)
            line = line->next;
        narrowed += squid_access_find(line, SQUID_ACL_SRC) == NULL;
    }
    return rules.exact_count > narrowed ? rules.exact_count - narrowed : 0;
}

// choose_sources finds the source with which most lines say what they do in Squid. A client has one list of sources.
static void choose_sources(struct builder *builder, struct squid_class *clients)
{
    const struct squid_acl *tried = NULL;
    size_t best = score(builder, *clients);
    struct squid_class candidate = *clients;
    for (const struct squid_access *line = builder->config->first; line != NULL;
         line = line->next) {
        const struct squid_acl *source = squid_access_find(line, SQUID_ACL_SRC);
        if (!line->is_allow || source == NULL || source == tried || source->prefixes.count == 0 ||
            builder->config->is_too_large)
            continue;
        tried = source;
        candidate.sources = &source->prefixes;
        const size_t found = score(builder, candidate);
        if (found > best) {
            best = found;
            clients->sources = candidate.sources;
        }
    }
}

// say_sources says which rules reach less far than their lines, because the client has sources.
static void say_sources(struct builder *builder, const struct imported_client *client)
{
    for (const struct imported_rule *rule = client->allow; rule != NULL; rule = rule->next) {
        const struct squid_access *line = builder->config->first;
        while (line->order != rule->order)
            line = line->next;
        if (squid_access_find(line, SQUID_ACL_SRC) == NULL)
            import_say(
                builder->config->notes, IMPORT_LEFT_OUT, rule->place,
                "for `%s`: allowed from the client's `sources` only: a client has one list for all of its rules",
                client->name);
    }
}

// quoted writes a name as notes show it.
static const char *quoted(struct builder *builder, struct slice name)
{
    char text[NAME_SHOWN + 3];
    const struct slice first = slice_first(name, NAME_SHOWN);
    (void)snprintf(text, sizeof text, "`%.*s`", (int)first.len, (const char *)first.data);
    return import_copy(builder->config->notes, slice_of_string(text));
}

static void add_certified(struct builder *builder, const struct group *group)
{
    const char *key = key_of(builder, group->acl->attribute);
    struct squid_class clients = {.identity = group->acl,
                                  .value = group->values->text,
                                  .whom = quoted(builder, group->acl->name)};
    if (!may_add(builder))
        return;
    choose_sources(builder, &clients);
    struct imported_client *client =
        add_client(builder, &clients, group->acl->name, clients.sources);
    if (client == NULL)
        return;
    for (const struct squid_value *value = group->values; value != NULL; value = value->next)
        imported_add_match(builder->config->notes, client, key, value->text);
    if (clients.sources != NULL)
        say_sources(builder, client);
}

// add_machines makes a client of those who come from the addresses of an acl.
static void add_machines(struct builder *builder, const struct squid_acl *source)
{
    char uri[sizeof DOMAIN + IMPORTED_NAME_MAX];
    struct text text;
    const char *name = import_copy(builder->config->notes, source->name);
    const struct squid_class clients = {.sources = &source->prefixes,
                                        .whom = quoted(builder, source->name)};
    if (source->prefixes.count == 0 || !may_add(builder))
        return;
    struct imported_client *client = add_client(builder, &clients, source->name, clients.sources);
    if (client == NULL)
        return;
    text_init(&text, uri, sizeof uri);
    text_append_format(&text, DOMAIN "%s", client->name);
    imported_add_match(builder->config->notes, client, "uri", text_slice(&text));
    import_say(
        builder->config->notes, IMPORT_LEFT_OUT, source->place,
        "acl %s: an address is no identity here: the client `%s` comes from these addresses and has a certificate with %s, "
        "as `sallyport ca issue %s` makes it; or write the `match` of your own certificates",
        name, client->name, uri, client->name);
}

static bool is_for_all(const struct squid_access *line)
{
    return line->is_allow && squid_access_find(line, SQUID_ACL_USER_CERT) == NULL &&
           squid_access_find(line, SQUID_ACL_SRC) == NULL;
}

static void add_clients(struct builder *builder)
{
    struct squid_config *config = builder->config;
    struct group *groups = NULL;
    const struct squid_acl *tried[CLASSES_MAX];
    size_t tried_count = 0;
    bool has_everybody = false;
    for (size_t i = 0; i < builder->identity_count; i++) {
        for (const struct squid_value *value = builder->identities[i]->values; value != NULL;
             value = value->next)
            group_value(builder, &groups, i, value->text);
    }
    for (const struct group *group = groups; group != NULL && !config->notes->is_out_of_memory;
         group = group->next)
        add_certified(builder, group);
    for (const struct squid_access *line = config->first; line != NULL; line = line->next) {
        const struct squid_acl *source = squid_access_find(line, SQUID_ACL_SRC);
        size_t known = 0;
        while (known < tried_count && tried[known] != source)
            known++;
        has_everybody = has_everybody || is_for_all(line);
        if (!line->is_allow || source == NULL || known < tried_count ||
            tried_count == CLASSES_MAX || squid_access_find(line, SQUID_ACL_USER_CERT) != NULL)
            continue;
        tried[tried_count++] = source;
        add_machines(builder, source);
    }
    const struct squid_class everybody = {.whom = builder->class_count > 0 ? "everybody else"
                                                                           : "everybody"};
    struct imported_client *client =
        has_everybody ? add_client(builder, &everybody, SLICE_LITERAL("everybody"), NULL) : NULL;
    if (client != NULL)
        imported_add_match(config->notes, client, "any", (struct slice){0});
}

// say_end says what Squid allows where no line fits.
static void say_end(struct squid_config *config)
{
    const struct squid_access *last = config->last;
    if (last == NULL || last->is_allow)
        return;
    if (last->terms->next == NULL && last->terms->acl->has_all && !last->terms->is_negated)
        return;
    import_say(
        config->notes, IMPORT_LEFT_OUT, last->place,
        "the last line denies, so Squid allows what no line fits. That is left out: an import opens nothing. End the file "
        "with `http_access deny all`");
}

enum err squid_import(const char *path, const struct squid_options *options,
                      const struct import_sources *sources, struct import_notes *notes,
                      struct imported *out, struct errinfo *info)
{
    const struct import_place whole = {0};
    struct squid_config config = {
        .notes = notes, .sources = sources, .imported = out, .work_left = SQUID_WORK_MAX};
    struct builder builder = {.config = &config, .options = options};
    out->source = "Squid";
    TRY(squid_config_read(&config, path, info));
    squid_ports_finish(&config);
    for (const struct squid_access *line = config.first; line != NULL; line = line->next) {
        for (const struct squid_term *term = line->terms; term != NULL; term = term->next) {
            if (term->acl->kind == SQUID_ACL_USER_CERT)
                note_identity(&builder, term->acl);
        }
    }
    if (config.blocked.file == NULL && !config.is_way_unknown)
        add_clients(&builder);
    say_end(&config);
    if (config.blocked.file == NULL && !config.is_way_unknown)
        squid_rest_say(&config);
    if (out->clients != NULL)
        import_say(
            notes, IMPORT_REMARK, whole,
            "names reach public addresses only: a name with a private one needs a rule with `addresses`. A certificate that "
            "fits two clients is the first of them");
    if (config.is_too_large)
        return errinfo_set(info, ERR_LIMIT, "%s is too large to be judged", path);
    if (notes->is_out_of_memory)
        return errinfo_set(info, ERR_MEMORY, "no memory to import %s", path);
    return ERR_OK;
}
