// Four words. One that could never count is an error: it would look like a rule.
#include "proxy/config/inner_rules.h"

static const char *const tls_words[] = {
    [INNER_ANY] = "any", [INNER_OBSERVE] = "observe", [INNER_REQUIRE] = "require", NULL};
static const char *const names_words[] = {
    [INNER_SAME] = "same", [INNER_LISTED] = "listed", [INNER_NAMES_ANY] = "any", NULL};
static const char *const plain_words[] = {[INNER_PLAIN_ALLOW] = "allow",
                                          [INNER_PLAIN_CHECK] = "check",
                                          [INNER_PLAIN_DENY] = "deny",
                                          NULL};
static const char *const ech_words[] = {"allow", "deny", NULL};

static const struct key keys[] = {
    KEY_ROW("tls", KEY_CHOICE, struct inner, tls, .words = tls_words),
    KEY_ROW("names", KEY_CHOICE, struct inner, names, .words = names_words),
    KEY_ROW("ech", KEY_CHOICE, struct inner, denies_ech, .words = ech_words),
    KEY_ROW("plain", KEY_CHOICE, struct inner, plain, .words = plain_words),
};

const struct section inner_section = SECTION("`inner`", keys);

const struct inner *inner_rules_read(struct reader *reader, const struct node *node)
{
    const struct node *names = node_get(node, "names");
    const struct node *ech = node_get(node, "ech");
    struct inner *inner = node == NULL ? NULL : reader_alloc(reader, 1, sizeof *inner);
    if (inner == NULL || !section_read(reader, node, &inner_section, inner))
        return NULL;
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
