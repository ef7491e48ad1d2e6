// `ca` and `quickstart` as a user runs them: exit codes, what goes to stdout, what is on disk.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the first four
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/cli/commands.h"
#include "tests/unit/cert/scratch.h"

enum { OUTPUT_CAP = 8192 };

// run gives the exit status of a command and what it wrote to stdout.
static int run(int (*command)(int, char **), char *output, const char *const *words)
{
    char *argv[24] = {NULL};
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        assert_true(argc < 23);
        argv[argc] = strdup(words[argc]);
    }
    char *strings[24];
    for (int i = 0; i < argc; i++)
        strings[i] = argv[i]; // getopt moves argv round
    FILE *file = tmpfile();
    (void)fflush(stdout);
    const int saved = dup(STDOUT_FILENO);
    assert_true(file != NULL && saved >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    const int status = command(argc, argv);
    (void)fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    const size_t len = fread(output, 1, OUTPUT_CAP - 1, file);
    output[len] = '\0';
    (void)fclose(file);
    for (int i = 0; i < argc; i++)
        free(strings[i]);
    return status;
}

#define CA(output, ...) run(ca_command, output, (const char *const[]){"ca", __VA_ARGS__, NULL})
#define QUICKSTART(output, ...)                                                                    \
    run(quickstart_command, output, (const char *const[]){"quickstart", __VA_ARGS__, NULL})

static void ca_prints_the_paths_of_what_it_made(void **state)
{
    char output[OUTPUT_CAP];
    char expected[OUTPUT_CAP];
    const char *directory = *state;
    assert_int_equal(CA(output, "init", "--dir", directory), 0);
    (void)snprintf(expected, sizeof expected, "%s/ca.crt\n%s/ca.key\n", directory, directory);
    assert_string_equal(output, expected);
    assert_int_equal(CA(output, "issue", "alice", "--dir", directory), 0);
    (void)snprintf(expected, sizeof expected, "%s/alice.crt\n%s/alice.key\n%s/alice.pem\n",
                   directory, directory, directory);
    assert_string_equal(output, expected);
}

static void ca_fails_with_one_where_something_is_there(void **state)
{
    char output[OUTPUT_CAP];
    assert_int_equal(CA(output, "issue", "alice", "--dir", *state), 1);
    assert_int_equal(CA(output, "init", "--dir", *state), 0);
    assert_int_equal(CA(output, "init", "--dir", *state), 1);
    assert_string_equal(output, "");
    assert_int_equal(CA(output, "issue", "alice", "--dir", *state), 0);
    assert_int_equal(CA(output, "issue", "alice", "--dir", *state), 1);
    assert_string_equal(output, "");
}

static void ca_refuses_wrong_usage_with_two(void **state)
{
    static const char *const rows[][6] = {
        {"ca"},
        {"ca", "nonsense"},
        {"ca", "renew"},
        {"ca", "renew", "alice", "--before", "1/3"},
        {"ca", "renew", "--before", "third"},
        {"ca", "renew", "--before", "4/3"},
        {"ca", "renew", "--before", "0/3"},
        {"ca", "renew", "--before", "1/"},
        {"ca", "renew", "a", "b"},
        {"ca", "revoke"},
        {"ca", "revoke", "a", "b"},
        {"ca", "revoke", "a", "--reason", "spite"},
        {"ca", "revoke", "a", "--reason", "certificateHold"},
        {"ca", "revoke", "a", "--reason", "removeFromCRL"},
        {"ca", "crl", "x"},
        {"ca", "crl", "--ttl", "0d"},
        {"ca", "list", "x"},
        {"ca", "list", "--nonsense"},
        {"ca", "inspect"},
        {"ca", "inspect", "a", "b"},
        {"ca", "init", "--nonsense"},
        {"ca", "init", "--ttl"},
        {"ca", "init", "--ttl", "5"},
        {"ca", "init", "--ttl", "0d"},
        {"ca", "init", "extra"},
        {"ca", "init", "--trust-domain", "A b"},
        {"ca", "issue"},
        {"ca", "issue", "a", "b"},
        {"ca", "issue", "a", "--p12"},
        {"ca", "issue", "a", "--p12-passphrase-file", "x"},
        {"ca", "issue", "a", "--server"},
        {"ca", "issue", "a", "--dns", "*.example.org"},
        {"ca", "issue", "a", "--dns", "10.0.0.1"},
        {"ca", "issue", "a", "--ip", "example.org"},
        {"ca", "issue", "a", "--ip", "010.0.0.1"},
        {"ca", "issue", "a", "--uri", "no uri"},
        {"ca", "issue", "a", "--uri", "spiffe://example.org/*"},
        {"ca", "issue", "a", "--email", "a"},
    };
    char output[OUTPUT_CAP];
    assert_int_equal(chdir(*state), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (run(ca_command, output, rows[i]) != 2 || output[0] != '\0')
            fail_msg("row %zu", i);
    }
    assert_int_equal(CA(output, "issue", "a", "--uri", "spiffe://a/b", "--uri", "spiffe://a/c"), 2);
    assert_int_equal(CA(output, "init", "--help"), 0);
    assert_non_null(strstr(output, "usage: sallyport ca init"));
    assert_int_equal(scratch_mode(*state, "ca.key"), -1);
}

static void quickstart_makes_all_nine_files(void **state)
{
    static const struct {
        const char *name;
        int mode;
    } rows[] = {
        {"sallyport.yaml", 0644}, {"ca.crt", 0644},     {"ca.key", 0600},
        {"server.crt", 0644},     {"server.key", 0600}, {"client.crt", 0644},
        {"client.key", 0600},     {"ca.crl", 0644},     {"ca.index", 0644},
    };
    char output[OUTPUT_CAP];
    char expected[OUTPUT_CAP];
    const char *directory = *state;
    assert_int_equal(QUICKSTART(output, directory), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(scratch_mode(directory, rows[i].name), rows[i].mode);
    (void)snprintf(expected, sizeof expected,
                   "%s serve -c %s/sallyport.yaml\n"
                   "curl --proxy https://127.0.0.1:8443 --proxy-cacert %s/ca.crt --proxy-cert "
                   "%s/client.crt --proxy-key %s/client.key https://example.com/\n",
                   program_invocation_name, directory, directory, directory, directory);
    assert_string_equal(output, expected);
    char config[OUTPUT_CAP];
    scratch_read(directory, "sallyport.yaml", config, sizeof config);
    assert_non_null(strstr(config, "- {hosts: [\"example.com\"], ports: [443]}\n\n"));
}

static void quickstart_run_again_changes_nothing(void **state)
{
    static const char *const names[] = {"sallyport.yaml", "ca.crt",     "ca.key",
                                        "ca.crl",         "ca.index",   "server.crt",
                                        "server.key",     "client.crt", "client.key"};
    enum { COUNT = sizeof names / sizeof names[0] };
    char before[COUNT][OUTPUT_CAP / 2];
    char after[OUTPUT_CAP / 2];
    char first[OUTPUT_CAP];
    char output[OUTPUT_CAP];
    assert_int_equal(QUICKSTART(first, *state, "--listen", "[::1]:9443"), 0);
    assert_non_null(strstr(first, "https://[::1]:9443 "));
    for (size_t i = 0; i < COUNT; i++)
        scratch_read(*state, names[i], before[i], sizeof before[i]);
    assert_int_equal(QUICKSTART(output, *state, "--allow", "a.example:80"), 0);
    assert_string_equal(
        output,
        first); // the address too, though it was not said again; and still a target that is allowed
    for (size_t i = 0; i < COUNT; i++) {
        scratch_read(*state, names[i], after, sizeof after);
        assert_string_equal(after, before[i]);
    }
}

static void quickstart_makes_only_what_is_missing(void **state)
{
    char output[OUTPUT_CAP];
    char ca_before[OUTPUT_CAP];
    char ca_after[OUTPUT_CAP];
    assert_int_equal(CA(output, "init", "--dir", *state, "--trust-domain", "corp.example"), 0);
    scratch_read(*state, "ca.crt", ca_before, sizeof ca_before);
    assert_int_equal(QUICKSTART(output, *state), 0);
    scratch_read(*state, "ca.crt", ca_after, sizeof ca_after);
    assert_string_equal(ca_before, ca_after);
    char config[OUTPUT_CAP];
    scratch_read(*state, "sallyport.yaml", config, sizeof config);
    assert_non_null(strstr(config, "\"spiffe://corp.example/client\""));
    scratch_remove(*state, "client.crt");
    scratch_remove(*state, "client.key");
    assert_int_equal(QUICKSTART(output, *state), 0);
    scratch_remove(*state, "ca.key"); // kept elsewhere: nothing needs it now
    assert_int_equal(QUICKSTART(output, *state), 0);
}

static void quickstart_refuses_what_does_not_fit_together(void **state)
{
    static const char *const removed[] = {"ca.crt", "server.key", "client.crt", "server.crt"};
    char output[OUTPUT_CAP];
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        char directory[SCRATCH_PATH_CAP];
        const char name[] = {(char)('a' + i), '\0'};
        (void)scratch_path(*state, name, directory);
        assert_int_equal(QUICKSTART(output, directory), 0);
        scratch_remove(directory, removed[i]);
        assert_int_equal(QUICKSTART(output, directory), 1);
        assert_string_equal(output, "");
        assert_int_equal(scratch_mode(directory, removed[i]), -1);
    }
}

static void quickstart_refuses_strangers_among_its_files(void **state)
{
    char output[OUTPUT_CAP];
    char other[SCRATCH_PATH_CAP];
    char ours[SCRATCH_PATH_CAP];
    char text[OUTPUT_CAP];
    (void)scratch_path(*state, "other", other);
    (void)scratch_path(*state, "ours", ours);
    assert_int_equal(QUICKSTART(output, other), 0);
    assert_int_equal(QUICKSTART(output, ours), 0);
    scratch_read(other, "client.crt", text, sizeof text);
    scratch_write(ours, "client.crt", slice_of_string(text)); // not of the key
    assert_int_equal(QUICKSTART(output, ours), 1);
    scratch_read(other, "client.key", text, sizeof text);
    scratch_write(ours, "client.key", slice_of_string(text)); // the pair fits, but not the CA
    assert_int_equal(QUICKSTART(output, ours), 1);
    scratch_remove(ours, "client.crt");
    scratch_remove(ours, "client.key");
    assert_int_equal(QUICKSTART(output, ours), 0);
    scratch_write(ours, "sallyport.yaml", SLICE_LITERAL("version: 7\n"));
    assert_int_equal(QUICKSTART(output, ours), 1);
}

static void quickstart_quotes_a_directory_for_the_shell(void **state)
{
    char directory[SCRATCH_PATH_CAP];
    char output[OUTPUT_CAP];
    (void)scratch_path(*state, "it's $HOME", directory);
    assert_int_equal(QUICKSTART(output, directory, "--listen", "127.0.0.1:0"), 0);
    assert_non_null(strstr(output, "/it'\\''s $HOME/ca.crt' "));
    assert_non_null(strstr(output, "https://127.0.0.1:PORT "));
}

static void quickstart_refuses_wrong_usage_with_two(void **state)
{
    static const char *const rows[][4] = {
        {"--nonsense"},
        {"--allow"},
        {"--allow", "example.com"},
        {"--allow", "example.com:0"},
        {"--allow", "example.com:443=10.0.0.1/8"},
        {"--allow", "example.com:443="},
        {"--allow", "example.com:443=10.0.0.0/8,"},
        {"--allow", "192.0.2.1:443=10.0.0.0/8"},
        {"--allow", "[example.com]:443"},
        {"--allow", "2001:db8::1:443"},
        {"--allow", "0x7f.1:443"},
        {"--allow", "a b:443"},
        {"--allow", ":443"},
        {"--listen", "localhost:8443"},
        {"--listen", "127.0.0.1"},
        {"another"},
    };
    char output[OUTPUT_CAP];
    char directory[SCRATCH_PATH_CAP];
    (void)scratch_path(*state, "d", directory);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const words[] = {"quickstart", directory, rows[i][0], rows[i][1], NULL};
        if (run(quickstart_command, output, words) != 2 || output[0] != '\0')
            fail_msg("row %zu", i);
    }
    assert_int_equal(run(quickstart_command, output, (const char *const[]){"quickstart", NULL}), 2);
    assert_int_equal(QUICKSTART(output, "--help"), 0);
    assert_int_equal(scratch_mode(*state, "d"), -1);
}

static void quickstart_writes_a_rule_for_each_allow(void **state)
{
    char output[OUTPUT_CAP];
    char config[OUTPUT_CAP];
    assert_int_equal(QUICKSTART(output, *state, "--allow", "DB.internal.:5432=10.0.0.0/8,fd00::/8",
                                "--allow", "127.0.0.1:9000", "--allow", "[2001:db8::1]:443",
                                "--allow", "*.example.org:80", "--allow",
                                "192.0.2.1:1=192.0.2.0/24"),
                     0);
    scratch_read(*state, "sallyport.yaml", config, sizeof config);
    assert_non_null(strstr(config, "      - {hosts: [\"example.com\"], ports: [443]}\n"
                                   "      - {hosts: [\"db.internal\"], ports: [5432], addresses: "
                                   "[\"10.0.0.0/8\", \"fd00::/8\"]}\n"
                                   "      - {ports: [9000], addresses: [\"127.0.0.1/32\"]}\n"
                                   "      - {ports: [443], addresses: [\"2001:db8::1/128\"]}\n"
                                   "      - {hosts: [\"*.example.org\"], ports: [80]}\n"
                                   "      - {ports: [1], addresses: [\"192.0.2.0/24\"]}\n"));
    assert_int_equal(QUICKSTART(output, *state), 0); // the loader takes what was written
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_destroy)
    const struct CMUnitTest tests[] = {
        TEST(ca_prints_the_paths_of_what_it_made),
        TEST(ca_fails_with_one_where_something_is_there),
        TEST(ca_refuses_wrong_usage_with_two),
        TEST(quickstart_makes_all_nine_files),
        TEST(quickstart_run_again_changes_nothing),
        TEST(quickstart_makes_only_what_is_missing),
        TEST(quickstart_refuses_what_does_not_fit_together),
        TEST(quickstart_refuses_strangers_among_its_files),
        TEST(quickstart_quotes_a_directory_for_the_shell),
        TEST(quickstart_refuses_wrong_usage_with_two),
        TEST(quickstart_writes_a_rule_for_each_allow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
