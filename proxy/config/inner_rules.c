// Five words. One that could never count, or that contradicts another, is an error: it would look like a rule.
#include "proxy/config/inner_rules.h"

#include "auth/inner.h"

static const char *const route_words[] = {"asked", "name", NULL};

static const struct key keys[] = {
    KEY_ROW("tls", KEY_CHOICE, struct inner, tls, .words = inner_tls_words),
    KEY_ROW("names", KEY_CHOICE, struct inner, names, .words = inner_names_words),
    KEY_ROW("ech", KEY_CHOICE, struct inner, denies_ech, .words = inner_ech_words),
    KEY_ROW("plain", KEY_CHOICE, struct inner, plain, .words = inner_plain_words),
    KEY_ROW("route", KEY_CHOICE, struct inner, routes_by_name, .words = route_words),
};

const struct section inner_section = SECTION("`inner`", keys);

// route_read completes what `route` implies, and reports what contradicts it.
static void route_read(struct reader *reader, const struct node *node, bool of_client,
                       struct inner *inner)
{
    const struct node *route = node_get(node, "route");
    const struct node *tls = node_get(node, "tls");
    const struct node *names = node_get(node, "names");
    if (route != NULL && !of_client)
        reader_error(reader, route,
                     "`route` is of a client, not of a rule: no rule is known before the name is"
                     "\nwrite it under `inner` of the client");
    if (!inner->routes_by_name)
        return;
    if (tls != NULL && inner->tls != INNER_REQUIRE)
        reader_error(reader, tls,
                     "`route: name` needs the name inside TLS"
                     "\nwrite `tls: require`, or leave `tls` out");
    if (names != NULL && inner->names != INNER_SAME)
        reader_error(reader, names,
                     "with `route: name` the name inside is the target"
                     "\nwrite `names: same`, or leave `names` out");
    inner->tls = INNER_REQUIRE;
    inner->names = INNER_SAME;
}

const struct inner *inner_rules_read(struct reader *reader, const struct node *node, bool of_client)
{
    const struct node *names = node_get(node, "names");
    const struct node *ech = node_get(node, "ech");
    struct inner *inner = node == NULL ? NULL : reader_alloc(reader, 1, sizeof *inner);
    if (inner == NULL || !section_read(reader, node, &inner_section, inner))
        return NULL;
    route_read(reader, node, of_client, inner);
    if (names != NULL && inner->tls != INNER_REQUIRE && inner->plain != INNER_PLAIN_CHECK)
        reader_error(reader, names,
                     "`names` is held to only with `tls: require` or `plain: check`"
                     "\nadd one of them, or leave `names` out");
    if (ech != NULL && inner->tls != INNER_REQUIRE)
        reader_error(reader, ech,
                     "`ech` counts only with `tls: require`"
                     "\nadd it, or leave `ech` out");
    return inner;
}
