// docs/CONFIG.md against the tables of keys: each key stands on the page and each key on the page is in a table, with
// the same default, bounds and words.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/base/text.h"
#include "proxy/config/admin.h"
#include "proxy/config/audit_chain.h"
#include "proxy/config/authorizer.h"
#include "proxy/config/clients.h"
#include "proxy/config/control.h"
#include "proxy/config/crl_sources.h"
#include "proxy/config/http2.h"
#include "proxy/config/limits.h"
#include "proxy/config/ocsp.h"
#include "proxy/config/outlets.h"
#include "proxy/config/listeners.h"
#include "proxy/config/parent_places.h"
#include "proxy/config/parents.h"
#include "proxy/config/proxy_protocol.h"
#include "proxy/config/resolving.h"
#include "proxy/config/rules.h"
#include "proxy/config/process.h"
#include "proxy/config/settings.h"
#include "proxy/config/shared.h"
#include "proxy/config/tickets.h"
#include "proxy/config/trust_profiles.h"
#include "proxy/config/units.h"

enum { PAGE_CAP = 256 * 1024, TOKEN_CAP = 64 };

// place is where the page has a section: in the table with this number under a heading, one row a key; or all of
// it in one row of that table.
struct place {
    const struct section *section;
    const char *heading;
    size_t table;             // from 0
    const char *row;          // the key whose row has all of it; NULL: one row each
    const char *prefix;       // in front of each key on the page
    const char *elsewhere[2]; // keys that are described in other words, each with its reason below
};

static const struct place places[] = {
    {.section = &top_section, .heading = "## Top level"},
    {.section = &control_section, .heading = "## Top level", .row = "control"},
    {.section = &listener_section, .heading = "## `listeners`"},
    {.section = &tls_section, .heading = "## `listeners`", .row = "tls"},
    {.section = &certificate_section, .heading = "## `listeners`", .row = "certificates"},
    {.section = &http2_section, .heading = "## `listeners`", .table = 1},
    {.section = &proxy_protocol_section, .heading = "## `listeners`", .table = 2},
    {.section = &tickets_section, .heading = "## `listeners`", .table = 3},
    {.section = &profile_section, .heading = "## `trust`"},
    {.section = &ocsp_section, .heading = "### `ocsp`"},
    {.section = &denied_section, .heading = "## `trust`", .row = "denied"},
    {.section = &crl_source_section, .heading = "### Fetched lists"},
    {.section = &client_section, .heading = "## `clients`"},
    {.section = &egress_section, .heading = "## `clients`", .row = "egress"},
    {.section = &speaks_for_section, .heading = "## `clients`", .row = "speaks_for"},
    // `anonymous: true` has a paragraph of its own.
    {.section = &extension_section, .heading = "#### Extensions"},
    {.section = &match_section, .heading = "### `match`", .elsewhere = {"anonymous"}},
    {.section = &rule_section, .heading = "### Rules"},
    {.section = &parent_section, .heading = "## `parents`"},
    {.section = &parent_certificate_section, .heading = "## `parents`", .row = "certificate"},
    {.section = &parent_srv_section, .heading = "## `parents`", .row = "to"},
    {.section = &parent_health_section, .heading = "## `parents`", .row = "health"},
    {.section = &authorizer_section, .heading = "## `authorizer`"},
    {.section = &authorizer_certificate_section,
     .heading = "## `authorizer`",
     .row = "certificate"},
    {.section = &shared_section, .heading = "## `shared`"},
    {.section = &shared_sentinel_section, .heading = "## `shared`", .row = "sentinel"},
    {.section = &shared_tls_section, .heading = "## `shared`", .row = "tls"},
    {.section = &resolver_section, .heading = "## `resolver`"},
    {.section = &cache_section, .heading = "## `resolver`", .row = "cache"},
    {.section = &timeouts_section, .heading = "## `timeouts`"},
    {.section = &client_limits_section, .heading = "## `limits`"},
    // `source` is a map whose keys have rows.
    {.section = &proxy_limits_section,
     .heading = "## `limits`",
     .table = 1,
     .elsewhere = {"source", "source."}},
    {.section = &source_limits_section, .heading = "## `limits`", .table = 1, .prefix = "source."},
    {.section = &audit_section, .heading = "## `audit`"},
    {.section = &admin_section, .heading = "## `admin`"},
    {.section = &admin_metrics_section, .heading = "## `admin`", .row = "metrics"},
    {.section = &log_section, .heading = "## `log`"},
    {.section = &process_section, .heading = "## `process`"},
    {.section = &outlet_section, .heading = "### Sinks"},
    {.section = &outlet_tls_section, .heading = "### Sinks", .row = "tls"},
    {.section = &audit_chain_section, .heading = "## `audit`", .row = "chain"},
};

static char page[PAGE_CAP];

// ---- the page -----------------------------------------------------------------------------------

static struct slice take_line(struct slice *text)
{
    const struct slice line = slice_first(*text, slice_find(*text, '\n'));
    *text = slice_from(*text, line.len + 1);
    return line;
}

// under gives the text from a heading to the next one of any level.
static struct slice under(const char *heading)
{
    struct slice rest = slice_of_string(page);
    while (rest.len > 0 && !slice_equal(take_line(&rest), slice_of_string(heading)))
        continue;
    struct slice end = rest;
    while (end.len > 0) {
        const struct slice at = end;
        if (slice_starts_with(take_line(&end), SLICE_LITERAL("##")))
            return slice_first(rest, rest.len - at.len);
    }
    return rest;
}

// table_at gives the rows of a table, without its head.
static struct slice table_at(struct slice text, size_t number)
{
    while (text.len > 0) {
        const struct slice line = take_line(&text);
        if (!slice_starts_with(line, SLICE_LITERAL("|---")) || number-- > 0)
            continue;
        struct slice end = text;
        while (slice_starts_with(end, SLICE_LITERAL("|")))
            (void)take_line(&end);
        return slice_first(text, text.len - end.len);
    }
    return (struct slice){0};
}

// take_key cuts the next key off the first cell of a row: what stands in backquotes, without a value. Empty: no more.
static struct slice take_key(struct slice *cell)
{
    *cell = slice_from(*cell, slice_find(*cell, '`') + 1);
    const struct slice quoted = slice_first(*cell, slice_find(*cell, '`'));
    *cell = slice_from(*cell, quoted.len + 1);
    return slice_first(quoted, slice_find(quoted, ':'));
}

static struct slice first_cell(struct slice row)
{
    const struct slice rest = slice_from(row, 1);
    return slice_first(rest, slice_find(rest, '|'));
}

// last_cells gives what follows the second cell: defaults and bounds.
static struct slice last_cells(struct slice row)
{
    for (size_t i = 0; i < 3; i++)
        row = slice_from(row, slice_find(row, '|') + 1);
    return row;
}

static struct slice find_row(struct slice table, const char *name)
{
    while (table.len > 0) {
        const struct slice row = take_line(&table);
        struct slice cell = first_cell(row);
        for (struct slice key = take_key(&cell); key.len > 0; key = take_key(&cell)) {
            if (slice_equal(key, slice_of_string(name)))
                return row;
        }
    }
    return (struct slice){0};
}

// ---- values -------------------------------------------------------------------------------------

static bool is_token_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (ascii_lower(byte) >= 'a' && ascii_lower(byte) <= 'z') ||
           byte == '/' || byte == ',' || byte == '.';
}

// token_value reads a word as a value of this kind.
static bool token_value(enum key_kind kind, const char *token, int64_t *out)
{
    static const enum quantity quantities[] = {
        [KEY_DURATION] = QUANTITY_DURATION,   [KEY_SECONDS] = QUANTITY_DURATION,
        [KEY_SIZE] = QUANTITY_SIZE,           [KEY_RATE] = QUANTITY_RATE,
        [KEY_BANDWIDTH] = QUANTITY_BANDWIDTH, [KEY_MOMENT] = QUANTITY_MOMENT,
    };
    struct errinfo info;
    char *end = NULL;
    if (kind >= KEY_DURATION && kind <= KEY_BANDWIDTH)
        return quantity_parse(quantities[kind], slice_of_string(token), out, &info) == ERR_OK;
    *out = (int64_t)strtoull(token, &end, 10);
    return end != token && *end == '\0';
}

// has_value tells whether one of the words of `text` has this value.
static bool has_value(struct slice text, enum key_kind kind, int64_t value)
{
    while (text.len > 0) {
        char token[TOKEN_CAP] = "";
        size_t len = 0;
        size_t at = 0;
        for (; at < text.len && is_token_byte(text.data[at]); at++) {
            if (text.data[at] != ',' && len + 1 < sizeof token)
                token[len++] = (char)text.data[at];
        }
        if (len > 0 && token[len - 1] == '.')
            token[len - 1] = '\0';
        int64_t found = 0;
        if (token_value(kind, token, &found) && found == value)
            return true;
        text = slice_from(text, at + 1);
    }
    return false;
}

static size_t wrong_count;

static void say_wrong(const struct place *place, const char *key, const char *what,
                      const char *value)
{
    print_error("docs/CONFIG.md, %s: `%s%s`: %s%s\n", place->heading,
                place->prefix == NULL ? "" : place->prefix, key, what, value);
    wrong_count++;
}

static void check_choice(const struct place *place, const struct key *key, struct slice row)
{
    for (size_t i = 0; key->words[i] != NULL; i++) {
        if (!slice_contains(row, slice_of_string(key->words[i])))
            say_wrong(place, key->name, "its row lacks the word ", key->words[i]);
    }
    if (!slice_contains(last_cells(row), slice_of_string(key->words[key->fallback])))
        say_wrong(place, key->name, "its row lacks the default ", key->words[key->fallback]);
}

static void check_integer(const struct place *place, const struct key *key, struct slice row,
                          struct slice text)
{
    char value[KEY_VALUE_CAP];
    if (key->fallback != 0 && !has_value(last_cells(row), key->kind, key->fallback))
        say_wrong(place, key->name, "its row lacks the default ",
                  key_format_value(key, key->fallback, value));
    if (!has_value(row, key->kind, key->min) && !has_value(text, key->kind, key->min))
        say_wrong(place, key->name, "the page lacks the least value ",
                  key_format_value(key, key->min, value));
    if (key->max != 0 && !has_value(row, key->kind, key->max))
        say_wrong(place, key->name, "its row lacks the largest value ",
                  key_format_value(key, key->max, value));
    if (key->takes_none && !slice_contains(row, SLICE_LITERAL("`none`")))
        say_wrong(place, key->name, "its row lacks ", "`none`");
}

static void check_key(const struct place *place, const struct key *key, struct slice row,
                      struct slice text)
{
    if (key->support == KEY_REQUIRED && place->row == NULL &&
        !slice_contains(row, SLICE_LITERAL("required")))
        say_wrong(place, key->name, "its row does not say that it is required", "");
    if (key->kind == KEY_CHOICE)
        check_choice(place, key, row);
    else if (key->kind == KEY_BOOL && place->row == NULL &&
             !slice_contains(last_cells(row), SLICE_LITERAL("`false`")))
        say_wrong(place, key->name, "its row lacks the default ", "`false`");
    else if (key->kind >= KEY_NUMBER && key->kind <= KEY_BANDWIDTH)
        check_integer(place, key, row, text);
}

static bool is_elsewhere(const struct place *place, struct slice key)
{
    for (size_t i = 0; i < 2 && place->elsewhere[i] != NULL; i++) {
        const struct slice name = slice_of_string(place->elsewhere[i]);
        if (slice_equal(key, name) ||
            (slice_ends_with(name, SLICE_LITERAL(".")) && slice_starts_with(key, name)))
            return true;
    }
    return false;
}

static void each_key_of_the_tables_is_on_the_page(void **state)
{
    (void)state;
    wrong_count = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct place *place = &places[i];
        const struct slice text = under(place->heading);
        const struct slice table = table_at(text, place->table);
        for (size_t k = 0; k < place->section->count; k++) {
            const struct key *key = &place->section->keys[k];
            char name[TOKEN_CAP];
            (void)snprintf(name, sizeof name, "%s%s", place->prefix == NULL ? "" : place->prefix,
                           key->name);
            const struct slice row = find_row(table, place->row != NULL ? place->row : name);
            const bool is_named = row.len > 0 && slice_contains(row, slice_of_string(name));
            if (key->support == KEY_NOT_YET && !slice_contains(text, slice_of_string(name)))
                say_wrong(place, key->name, "it is not said to be unsupported", "");
            if (key->support == KEY_NOT_YET || is_elsewhere(place, slice_of_string(key->name)))
                continue;
            if (is_named)
                check_key(place, key, row, text);
            else
                say_wrong(place, key->name, "it has no row", "");
        }
    }
    assert_int_equal(wrong_count, 0);
}

static bool is_known(const struct place *place, struct slice name)
{
    for (size_t i = 0; i < place->section->count; i++) {
        if (slice_equal(name, slice_of_string(place->section->keys[i].name)))
            return true;
    }
    return is_elsewhere(place, name);
}

static void each_key_on_the_page_is_in_a_table(void **state)
{
    (void)state;
    wrong_count = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct place *place = &places[i];
        struct slice table = table_at(under(place->heading), place->table);
        assert_true(table.len > 0);
        if (place->row != NULL || place->prefix != NULL)
            continue;
        while (table.len > 0) {
            struct slice cell = first_cell(take_line(&table));
            for (struct slice key = take_key(&cell); key.len > 0; key = take_key(&cell)) {
                char name[TOKEN_CAP];
                (void)string_copy(name, sizeof name, key);
                if (!is_known(place, key))
                    say_wrong(place, name, "there is no such key", "");
            }
        }
    }
    assert_int_equal(wrong_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_of_the_tables_is_on_the_page),
        cmocka_unit_test(each_key_on_the_page_is_in_a_table),
    };
    FILE *file = fopen("docs/CONFIG.md", "r");
    if (file == NULL || fread(page, 1, sizeof page - 1, file) == 0)
        return EXIT_FAILURE;
    (void)fclose(file);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
