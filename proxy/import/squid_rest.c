// An `allow` of which nothing is left allows less than in Squid. A `deny` of which nothing is left denies what no rule allows.
#include "proxy/import/squid_rest.h"

enum { SHOWN = 60 };

// count_terms counts the acls of a kind in a line that are not negated.
static size_t count_terms(const struct squid_access *line, enum squid_acl_kind kind)
{
    size_t count = 0;
    for (const struct squid_term *term = line->terms; term != NULL; term = term->next)
        count += term->acl->kind == kind && !term->is_negated && !term->acl->has_all;
    return count;
}

static const char *why_strange(const struct squid_access *line)
{
    if (count_terms(line, SQUID_ACL_USER_CERT) > 1)
        return "it asks for two things of one certificate, and a client is made of one acl. Write a client "
               "with both: `match: [{cn: ..., o: ...}]`";
    if (count_terms(line, SQUID_ACL_USER_CERT) > 0 && count_terms(line, SQUID_ACL_SRC) > 0)
        return "a client has one list of `sources`, and this one's are those of another line. Write a client "
               "for these addresses";
    return "no client of this import fits it: its acls name nobody, or somebody whom no rule can say";
}

static void say_allow(struct squid_config *config, const struct squid_access *line)
{
    switch (line->fate) {
    case SQUID_FATE_STRANGE:
        import_say(config->notes, IMPORT_LEFT_OUT, line->place, "left out: %s", why_strange(line));
        return;
    case SQUID_FATE_EMPTY:
        import_say(
            config->notes, IMPORT_LEFT_OUT, line->place,
            "left out: no value of its lists could be read, or lines before it leave none of them");
        return;
    case SQUID_FATE_PASSED:
        import_say(config->notes, IMPORT_REMARK, line->place,
                   "allows nothing: a line before it denies everything");
        return;
    case SQUID_FATE_UNUSED:
        import_say(config->notes, IMPORT_REMARK, line->place,
                   "allows nothing: lines before it deny all of its ports");
        return;
    case SQUID_FATE_TAKEN:
        return;
    }
}

static void say_acls(const struct squid_config *config)
{
    for (const struct squid_acl *acl = config->acls.first; acl != NULL; acl = acl->next) {
        if (acl->place.file == NULL || acl->is_named || import_is_noted(config->notes, acl->place))
            continue;
        import_say(config->notes, IMPORT_REMARK, acl->place,
                   "acl %.*s: no `http_access` names it, so nothing is made of it",
                   (int)slice_first(acl->name, SHOWN).len, (const char *)acl->name.data);
    }
}

void squid_rest_say(struct squid_config *config)
{
    for (const struct squid_access *line = config->first; line != NULL; line = line->next) {
        if (line->fate == SQUID_FATE_TAKEN || import_is_noted(config->notes, line->place))
            continue;
        if (line->is_allow)
            say_allow(config, line);
        else
            import_say(config->notes, IMPORT_REMARK, line->place,
                       "not written: no rule allows anything of what it denies");
    }
    say_acls(config);
}
