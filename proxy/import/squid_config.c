// 1. Directives that are read have a function. 2. Those that restrict in a way of Squid's own block all clients, unless their
// words say that they do not. 3. Those that restrict nobody are remarked (squid_harmless). 4. What is in no table may restrict,
// and blocks. Squid knows names by their case.
#include "proxy/import/squid_config.h"

#include <stdlib.h>

#include "proxy/import/squid_lines.h"
#include "proxy/import/squid_ports.h"
#include "proxy/import/squid_settings.h"

enum { SHOWN = 100 };

static enum err read_file(struct squid_config *config, const char *path, unsigned depth,
                          struct errinfo *info);

// at_place puts file and line in front of what is wrong.
static enum err at_place(struct errinfo *info, struct import_place place, enum err err)
{
    struct errinfo inner = *info;
    return errinfo_set(info, err, "%s:%u: %s", place.file, (unsigned)place.line, inner.text);
}

static enum err count_file(struct squid_config *config, struct errinfo *info)
{
    return config->file_count++ < SQUID_FILES_MAX
               ? ERR_OK
               : errinfo_set(info, ERR_LIMIT, "more than %d files", SQUID_FILES_MAX);
}

// take_list takes the entries of the file that a quoted word names.
static enum err take_list(struct squid_config *config, struct squid_acl *acl, struct slice word,
                          struct errinfo *info)
{
    const uint8_t quote = word.data[0];
    struct slice bytes, entry;
    struct squid_text text;
    if (word.len < 3 || word.data[word.len - 1] != quote)
        return errinfo_set(info, ERR_INPUT,
                           "a quote without its end: the name of a list file has no blanks");
    const char *path = import_copy(config->notes, slice_of(word.data + 1, word.len - 2));
    TRY(count_file(config, info));
    TRY(config->sources->read(config->sources->arg, path, &bytes, info));
    squid_text_start(&text, bytes);
    struct import_place inside = {.file = path};
    for (;;) {
        const enum err err = squid_entry_next(&text, &entry, &inside.line, info);
        if (err == ERR_EOF)
            return ERR_OK;
        inside.line = text.line;
        if (err != ERR_OK)
            return at_place(info, inside, err);
        if (!squid_acl_take(&config->acls, acl, config->notes, inside, entry))
            return errinfo_set(info, ERR_LIMIT, "more than %d values", SQUID_VALUES_MAX);
    }
}

static enum err take_acl(struct squid_config *config, struct import_place place, struct slice rest,
                         struct errinfo *info)
{
    struct slice name, type, word;
    if (!squid_word_next(&rest, &name) || !squid_word_next(&rest, &type))
        return errinfo_set(info, ERR_INPUT, "an acl needs a name and a type");
    struct squid_acl *acl = squid_acls_open(&config->acls, config->notes, name, type, place, info);
    if (acl == NULL)
        return ERR_INPUT;
    if (acl->kind == SQUID_ACL_USER_CERT) {
        if (!squid_word_next(&rest, &word))
            return errinfo_set(info, ERR_INPUT, "user_cert needs an attribute");
        if (acl->attribute.len > 0 && !slice_equal(acl->attribute, word))
            return errinfo_set(info, ERR_INPUT, "user_cert has another attribute already");
        acl->attribute = slice_of_string(import_copy(config->notes, word));
    }
    while (squid_word_next(&rest, &word)) {
        if (word.data[0] == '"' || word.data[0] == '\'')
            TRY(take_list(config, acl, word, info));
        else if (!squid_acl_take(&config->acls, acl, config->notes, place, word))
            return errinfo_set(info, ERR_LIMIT, "more than %d values", SQUID_VALUES_MAX);
    }
    return ERR_OK;
}

static enum err take_access(struct squid_config *config, struct import_place place,
                            struct slice rest, struct errinfo *info)
{
    struct slice word = {0};
    const bool has_action = squid_word_next(&rest, &word);
    const bool is_allow = has_action && slice_equal(word, SLICE_LITERAL("allow"));
    if (!is_allow && !(has_action && slice_equal(word, SLICE_LITERAL("deny"))))
        return errinfo_set(info, ERR_INPUT, "http_access needs allow or deny");
    struct squid_access *line = import_alloc(config->notes, 1, sizeof *line);
    if (line == NULL || config->access_count++ >= SQUID_ACCESS_MAX)
        return errinfo_set(info, ERR_LIMIT, "more than %d lines of http_access", SQUID_ACCESS_MAX);
    *line =
        (struct squid_access){.place = place, .order = config->access_count, .is_allow = is_allow};
    struct squid_term **end = &line->terms;
    while (squid_word_next(&rest, &word)) {
        const bool is_negated = word.data[0] == '!';
        struct squid_acl *acl = squid_acls_find(&config->acls, slice_from(word, is_negated));
        if (acl == NULL)
            return errinfo_set(
                info, ERR_INPUT,
                "there is no acl `%.*s` above this line: Squid does not start with this",
                (int)slice_first(word, SHOWN).len, (const char *)word.data);
        *end = import_alloc(config->notes, 1, sizeof **end);
        if (*end == NULL || config->term_count++ >= SQUID_TERMS_MAX)
            return errinfo_set(info, ERR_LIMIT, "more than %d acls in http_access",
                               SQUID_TERMS_MAX);
        acl->is_named = true;
        **end = (struct squid_term){.acl = acl, .is_negated = is_negated};
        end = &(*end)->next;
    }
    if (line->terms == NULL)
        return errinfo_set(info, ERR_INPUT, "http_access needs an acl");
    if (config->last == NULL)
        config->first = line;
    else
        config->last->next = line;
    config->last = line;
    return ERR_OK;
}

// include_all reads the files that a pattern fits. What is wrong inside one of them names its own place.
static enum err include_all(struct squid_config *config, struct import_place place,
                            const char *pattern, unsigned depth, struct errinfo *info)
{
    for (size_t i = 0;; i++) {
        const char *path = NULL;
        enum err err = config->sources->match(config->sources->arg, pattern, i, &path, info);
        if (err == ERR_EOF && i > 0)
            return ERR_OK;
        if (err == ERR_EOF)
            err = errinfo_set(info, ERR_INPUT, "include: there is no file %.200s", pattern);
        if (err == ERR_OK)
            err = count_file(config, info);
        if (err != ERR_OK)
            return at_place(info, place, err);
        TRY(read_file(config, path, depth + 1, info));
    }
}

static enum err take_include(struct squid_config *config, struct import_place place,
                             struct slice rest, unsigned depth, struct errinfo *info)
{
    struct slice word;
    if (depth >= SQUID_INCLUDES_MAX)
        return at_place(info, place,
                        errinfo_set(info, ERR_LIMIT, "more than %d files inside one another",
                                    SQUID_INCLUDES_MAX));
    while (squid_word_next(&rest, &word))
        TRY(include_all(config, place, import_copy(config->notes, word), depth, info));
    return ERR_OK;
}

static void block(struct squid_config *config, struct import_place place, struct slice directive,
                  const char *why)
{
    import_say(
        config->notes, IMPORT_LEFT_OUT, place,
        "%.*s: %s, so no client is written at all. Remove the line from a copy of the file once you know what takes its "
        "place",
        (int)slice_first(directive, SHOWN).len, (const char *)directive.data, why);
    if (config->blocked.file == NULL)
        config->blocked = place;
}

enum { WORDS_MAX = 3 };

// blocking is the directives that restrict, and the words after them with which they do not.
static const struct {
    const char *name;
    const char *harmless[WORDS_MAX];
} blocking[] = {
    {"adapted_http_access", {"allow all"}},
    {"http_access2", {"allow all"}},
    {"http_reply_access", {"allow all"}},
    {"miss_access", {"allow all"}},
    {"follow_x_forwarded_for", {"deny all"}},
    {"ssl_bump", {"none all", "splice all"}},
    {"reply_body_max_size", {"none"}},
    {"cache_peer_access", {NULL}},
    {"cache_peer_domain", {NULL}},
    {"cache_host_domain", {NULL}},
    {"neighbor_type_domain", {NULL}},
    {"always_direct", {"deny all"}},
    {"nonhierarchical_direct", {"on"}},
    {"request_body_max_size", {"0 KB", "0"}},
    {"url_rewrite_program", {"none"}},
    {"redirect_program", {"none"}},
    {"location_rewrite_program", {"none"}},
    {"url_rewrite_access", {"deny all"}},
    {"redirector_access", {"deny all"}},
    {"location_rewrite_access", {"deny all"}},
    {"icap_enable", {"off"}},
    {"icap_service", {NULL}},
    {"icap_class", {NULL}},
    {"icap_access", {NULL}},
    {"ecap_enable", {"off"}},
    {"ecap_service", {NULL}},
    {"loadable_modules", {NULL}},
    {"adaptation_service_set", {NULL}},
    {"adaptation_service_chain", {NULL}},
    {"adaptation_access", {NULL}},
    {"request_header_access", {"X-Forwarded-For deny all", "Via deny all", "Forwarded deny all"}},
    {"request_header_replace", {NULL}},
    {"request_header_add", {NULL}},
    {"reply_header_access", {"X-Cache deny all", "X-Cache-Lookup deny all", "Via deny all"}},
    {"client_ip_max_connections", {"-1"}},
    {"acl_uses_indirect_client", {"off"}},
    {"host_verify_strict", {"off"}},
    {"on_unsupported_protocol", {"tunnel all"}},
    {"check_hostnames", {"off"}},
    {"allow_underscore", {"on"}},
};

// take_blocking tells whether the directive is one of them.
static bool take_blocking(struct squid_config *config, struct import_place place,
                          struct slice directive, struct slice rest)
{
    char joined[SHOWN];
    struct text words;
    struct slice word;
    text_init(&words, joined, sizeof joined);
    while (squid_word_next(&rest, &word)) {
        text_append_string(&words, words.len == 0 ? "" : " ");
        text_append(&words, word);
    }
    for (size_t i = 0; i < sizeof blocking / sizeof *blocking; i++) {
        if (!slice_equal(directive, slice_of_string(blocking[i].name)))
            continue;
        for (size_t k = 0; k < WORDS_MAX && !words.is_cut; k++) {
            const char *harmless = blocking[i].harmless[k];
            if (harmless != NULL &&
                slice_equal_ignore_case(text_slice(&words), slice_of_string(harmless)))
                return true;
        }
        block(config, place, directive, "restricts or changes requests as nothing here can say");
        return true;
    }
    return false;
}

typedef enum err take_fn(struct squid_config *config, struct import_place place, struct slice rest,
                         struct errinfo *info);

static enum err take_directive(struct squid_config *config, struct import_place place,
                               struct slice directive, struct slice rest, struct errinfo *info)
{
    static const struct {
        const char *name;
        take_fn *take;
    } taken[] = {
        {"acl", take_acl},
        {"http_access", take_access},
        {"http_port", squid_take_http_port},
        {"https_port", squid_take_https_port},
        {"cache_peer", squid_take_peer},
        {"never_direct", squid_take_never_direct},
    };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (slice_equal(directive, slice_of_string(taken[i].name)))
            return taken[i].take(config, place, rest, info);
    }
    if (slice_equal(directive, SLICE_LITERAL("if")) ||
        slice_equal(directive, SLICE_LITERAL("else")) ||
        slice_equal(directive, SLICE_LITERAL("endif")))
        return errinfo_set(info, ERR_INPUT, "a conditional: write the file without `if`");
    if (slice_equal(directive, SLICE_LITERAL("configuration_includes_quoted_values")))
        return errinfo_set(info, ERR_INPUT, "another way to read quotes, which is not known here");
    if (!take_blocking(config, place, directive, rest) &&
        !squid_take_setting(config, place, directive, rest))
        block(config, place, directive, "not known here: it may restrict");
    return ERR_OK;
}

static enum err read_file(struct squid_config *config, const char *path, unsigned depth,
                          struct errinfo *info)
{
    struct import_place place = {.file = import_copy(config->notes, slice_of_string(path))};
    struct slice bytes, line, directive;
    struct squid_text text;
    TRY(config->sources->read(config->sources->arg, path, &bytes, info));
    uint8_t *buffer = malloc(SQUID_JOINED_MAX);
    if (buffer == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to read %s", path);
    enum err err = ERR_OK;
    squid_text_start(&text, bytes);
    while (err == ERR_OK && !config->notes->is_out_of_memory) {
        err = squid_line_next(&text, buffer, &line, &place.line, info);
        if (err == ERR_EOF)
            break;
        if (err != ERR_OK) {
            place.line = text.line;
            err = at_place(info, place, err);
        } else if (squid_word_next(&line, &directive)) {
            if (slice_equal(directive, SLICE_LITERAL("include"))) {
                err = take_include(config, place, line, depth, info);
                continue;
            }
            err = take_directive(config, place, directive, line, info);
            if (err != ERR_OK)
                err = at_place(info, place, err);
        }
    }
    free(buffer);
    return err == ERR_EOF ? ERR_OK : err;
}

enum err squid_config_read(struct squid_config *config, const char *path, struct errinfo *info)
{
    squid_acls_define(&config->acls, config->notes);
    TRY(read_file(config, path, 0, info));
    if (config->notes->is_out_of_memory)
        return errinfo_set(info, ERR_MEMORY, "no memory to read %s", path);
    return ERR_OK;
}
