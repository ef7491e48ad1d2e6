// The section `shared`: every key, every way to be wrong.
#include "proxy/config/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/config/server_list.h"
#include "proxy/config/shared_settings.h"
#include "proxy/config/snapshot.h"
#include "tests/unit/config/findings.h"
#include "tests/unit/config/folder.h"

#define KEY_LINE "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n"

static struct folder folder;

static void write_file(const char *name, const char *text, unsigned mode)
{
    folder_write(&folder, name, slice_of_string(text), mode);
}

static int set_up(void **state)
{
    (void)state;
    folder_create(&folder);
    write_file("fleet.key", KEY_LINE KEY_LINE, 0600);
    write_file("password", "pass word\n", 0600);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

// read_text reads `text` as `shared` of a snapshot, which the caller gives back.
static struct snapshot *read_text(const char *text, struct diagnostics *diagnostics)
{
    struct yaml_document *document = NULL;
    struct snapshot *snapshot = snapshot_create();
    assert_non_null(snapshot);
    diagnostics_init(diagnostics);
    assert_int_equal(yaml_document_parse(slice_of_string(text), "t.yaml", diagnostics, &document),
                     ERR_OK);
    struct reader reader = {.diagnostics = diagnostics,
                            .file = "t.yaml",
                            .arena = snapshot->arena,
                            .files_arena = snapshot->arena,
                            .folder = folder.path,
                            .now_s = FOLDER_NOW_S};
    shared_read(&reader, yaml_document_root(document), snapshot);
    snapshot->files = reader.files;
    yaml_document_destroy(document);
    return snapshot;
}

static void nothing_is_shared_unless_it_is_written(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct snapshot *snapshot = snapshot_create();
    struct reader reader = {.diagnostics = &diagnostics, .arena = snapshot->arena};
    diagnostics_init(&diagnostics);
    shared_read(&reader, NULL, snapshot);
    assert_null(snapshot->shared);
    assert_no_errors(&diagnostics);
    snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
}

static void the_shortest_one_has_defaults(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct snapshot *snapshot =
        read_text("{valkey: \"127.0.0.1:6379\", key_file: fleet.key}", &diagnostics);
    assert_no_errors(&diagnostics);
    assert_int_equal(diagnostics.count, 0);
    const struct shared_settings *shared = snapshot->shared;
    assert_int_equal(shared->store.place_count, 1);
    assert_int_equal(shared->store.places[0].port, 6379);
    assert_string_equal(shared->store.prefix, "sallyport:");
    assert_string_equal(shared->store.user, "");
    assert_string_equal(shared->store.password, "");
    assert_string_equal(shared->store.master, "");
    assert_false(shared->store.is_tls);
    assert_int_equal(shared->on_lost, SHARED_LOCAL);
    assert_int_equal(shared->secrets.count, 2);
    assert_int_equal(shared->secrets.secrets[0][1], 0x11);
    assert_non_null(snapshot->files); // the key file is watched
    snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
}

static void every_key_is_read(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct snapshot *snapshot = read_text(
        "{valkey: [\"a.example.org:6379\", \"[2001:db8::1]:6380\"], key_file: fleet.key, user: us,"
        " password_file: password, prefix: \"our-fleet.1:\", on_lost: refuse,"
        " tls: {ca: tls/clients-ca.crt, name: store.example.org}}",
        &diagnostics);
    assert_no_errors(&diagnostics);
    const struct shared_settings *shared = snapshot->shared;
    assert_int_equal(shared->store.place_count, 2);
    assert_int_equal(shared->store.places[1].address.family, IP_V6);
    assert_string_equal(shared->store.user, "us");
    assert_string_equal(shared->store.password, "pass word");
    assert_string_equal(shared->store.prefix, "our-fleet.1:");
    assert_int_equal(shared->on_lost, SHARED_REFUSE);
    assert_true(shared->store.is_tls && shared->store.has_tls_name);
    assert_non_null(shared->store.tls);
    size_t index = 0;
    struct listed_server server;
    assert_true(server_list_next(snapshot, &index, &server));
    assert_string_equal(server_kind_name(server.kind), "store");
    assert_non_null(server.trust);
    assert_false(server_list_next(snapshot, &index, &server));
    snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
}

static void sentinels_are_read(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct snapshot *snapshot =
        read_text("{sentinel: {name: mine, addresses: [\"127.0.0.1:26379\", \"127.0.0.1:26380\"]},"
                  " key_file: fleet.key, clear: true}",
                  &diagnostics);
    assert_no_errors(&diagnostics);
    assert_finding(&diagnostics, SEVERITY_WARNING, 1, 12, "reached in the clear");
    assert_string_equal(snapshot->shared->store.master, "mine");
    assert_int_equal(snapshot->shared->store.place_count, 2);
    snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
}

static void beyond_this_machine_clear_is_a_warning(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct snapshot *snapshot =
        read_text("{valkey: \"192.0.2.1:6379\", key_file: fleet.key, clear: true}", &diagnostics);
    assert_no_errors(&diagnostics);
    assert_finding(&diagnostics, SEVERITY_WARNING, 1, 10, "in the clear");
    snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
}

static void every_mistake_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } rows[] = {
        {"[]", "expected a map"},
        {"{key_file: fleet.key}", "either `valkey`"},
        {"{valkey: \"127.0.0.1:1\", sentinel: {name: a, addresses: [\"127.0.0.1:1\"]},"
         " key_file: fleet.key, clear: true}",
         "either `valkey`"},
        {"{valkey: \"127.0.0.1:6379\"}", "key_file"},
        {"{valkey: \"127.0.0.1\", key_file: fleet.key}", "no host and port"},
        {"{valkey: \"127.0.0.1:0\", key_file: fleet.key}", "no host and port"},
        {"{valkey: \"redis://127.0.0.1:6379\", key_file: fleet.key}", "no host and port"},
        {"{valkey: \"us@127.0.0.1:6379\", key_file: fleet.key}", "no host and port"},
        {"{valkey: {}, key_file: fleet.key}", "`valkey`"},
        {"{valkey: [], key_file: fleet.key}", "`valkey`"},
        {"{valkey: [\"127.0.0.1:1\", \"127.0.0.1:1\"], key_file: fleet.key}", "named twice"},
        {"{valkey: [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\", \"127.0.0.1:4\","
         " \"127.0.0.1:5\", \"127.0.0.1:6\", \"127.0.0.1:7\", \"127.0.0.1:8\", \"127.0.0.1:9\"],"
         " key_file: fleet.key}",
         "`valkey`"},
        {"{valkey: \"192.0.2.1:6379\", key_file: fleet.key}", "in the clear"},
        {"{valkey: [\"127.0.0.1:1\", \"192.0.2.1:1\"], key_file: fleet.key}", "in the clear"},
        {"{valkey: \"localhost:6379\", key_file: fleet.key}", "not a name"},
        {"{sentinel: {name: a, addresses: [\"127.0.0.1:1\"]}, key_file: fleet.key}",
         "in the clear"},
        {"{sentinel: {addresses: [\"127.0.0.1:1\"]}, key_file: fleet.key, clear: true}", "name"},
        {"{sentinel: {name: a}, key_file: fleet.key, clear: true}", "addresses"},
        {"{sentinel: {name: \"a b\", addresses: [\"127.0.0.1:1\"]}, key_file: fleet.key,"
         " clear: true}",
         "without blanks"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, user: us}", "needs `password_file`"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, user: \"u s\", password_file: password}",
         "without blanks"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, prefix: \"a b\"}", "`prefix`"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, prefix: \"{a}\"}", "`prefix`"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, prefix: \"*\"}", "`prefix`"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, prefix: \"\"}", "`prefix`"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, on_lost: open}", "on_lost"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, tls: {}}", "needs `ca`"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, tls: {ca: tls/clients-ca.crt,"
         " system_cas: true}}",
         "not both"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, tls: {ca: none.crt}}", "none.crt"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, tls: {ca: tls/clients-ca.crt,"
         " name: \"a b\"}}",
         "neither a host name"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, clear: true,"
         " tls: {ca: tls/clients-ca.crt}}",
         "not both"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, redis: 1}", "redis"},
        {"{valkey: \"127.0.0.1:1\", key_file: none.key}", "none.key"},
        {"{valkey: \"127.0.0.1:1\", key_file: fleet.key, password_file: none}", "none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct diagnostics diagnostics;
        struct snapshot *snapshot = read_text(rows[i].text, &diagnostics);
        assert_finding(&diagnostics, SEVERITY_ERROR, 0, 0, rows[i].part);
        snapshot_unref(snapshot);
        diagnostics_deinit(&diagnostics);
    }
}

static void only_a_good_file_of_keys_is_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned mode;
        const char *part;
    } rows[] = {
        {"", 0600, "make one with"},
        {"\n", 0600, "make one with"},
        {"0011\n", 0600, "make one with"},
        {KEY_LINE "\n", 0600, "make one with"},
        {"x" KEY_LINE, 0600, "make one with"},
        {KEY_LINE KEY_LINE KEY_LINE KEY_LINE, 0600, "make one with"},
        {KEY_LINE, 0644, "others"},
        {KEY_LINE, 0666, "others"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[32];
        char text[128];
        struct diagnostics diagnostics;
        (void)snprintf(name, sizeof name, "fleet%zu.key", i);
        write_file(name, rows[i].text, rows[i].mode);
        (void)snprintf(text, sizeof text, "{valkey: \"127.0.0.1:1\", key_file: %s}", name);
        struct snapshot *snapshot = read_text(text, &diagnostics);
        assert_finding(&diagnostics, SEVERITY_ERROR, 0, 0, rows[i].part);
        snapshot_unref(snapshot);
        diagnostics_deinit(&diagnostics);
    }
}

static void only_a_good_file_of_a_password_is_one(void **state)
{
    (void)state;
    char text[128];
    char long_line[STORE_PASSWORD_CAP + 1];
    static const struct {
        const char *text;
        unsigned mode;
    } rows[] = {{"", 0600},       {"\n", 0600},    {"a\nb\n", 0600}, {"a\n\n", 0600},
                {"a\tb\n", 0600}, {"a\r\n", 0600}, {NULL, 0600},     {"good\n", 0644}};
    memset(long_line, 'p', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[32];
        struct diagnostics diagnostics;
        (void)snprintf(name, sizeof name, "password%zu", i);
        write_file(name, rows[i].text == NULL ? long_line : rows[i].text, rows[i].mode);
        (void)snprintf(text, sizeof text,
                       "{valkey: \"127.0.0.1:1\", key_file: fleet.key, password_file: %s}", name);
        struct snapshot *snapshot = read_text(text, &diagnostics);
        assert_finding(&diagnostics, SEVERITY_ERROR, 0, 0, name);
        snapshot_unref(snapshot);
        diagnostics_deinit(&diagnostics);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_shared_unless_it_is_written),
        cmocka_unit_test(the_shortest_one_has_defaults),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(sentinels_are_read),
        cmocka_unit_test(beyond_this_machine_clear_is_a_warning),
        cmocka_unit_test(every_mistake_is_found),
        cmocka_unit_test(only_a_good_file_of_keys_is_one),
        cmocka_unit_test(only_a_good_file_of_a_password_is_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
