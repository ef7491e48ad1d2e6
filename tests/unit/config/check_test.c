// The command line of `check`: what it answers with, and where it writes it.
#include "proxy/cli/commands.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/config/folder.h"

enum { OUTPUT_CAP = 65536, ARGUMENTS_MAX = 8 };

struct run {
    int status;
    char out[OUTPUT_CAP]; // what stdout got
    char err[OUTPUT_CAP]; // what stderr got
};

// redirect points `fd` to an empty file at `path` and gives the descriptor to go back to.
static int redirect(int fd, const char *path)
{
    const int saved = dup(fd);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && file >= 0);
    assert_true(dup2(file, fd) >= 0);
    assert_int_equal(close(file), 0);
    return saved;
}

static void restore(int fd, int saved)
{
    assert_true(dup2(saved, fd) >= 0);
    assert_int_equal(close(saved), 0);
}

static void read_back(const char *path, char out[OUTPUT_CAP])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    out[fread(out, 1, OUTPUT_CAP - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

// run_check runs the command with these arguments and keeps what it wrote.
static void run_check(const struct folder *folder, const char *const *arguments, struct run *out)
{
    char *argv[ARGUMENTS_MAX + 2] = {strdup("check")};
    char out_path[512];
    char err_path[512];
    int argc = 1;
    for (; arguments[argc - 1] != NULL; argc++) {
        assert_true(argc <= ARGUMENTS_MAX);
        argv[argc] = strdup(arguments[argc - 1]);
    }
    (void)snprintf(out_path, sizeof out_path, "%s/out", folder->path);
    (void)snprintf(err_path, sizeof err_path, "%s/err", folder->path);
    (void)fflush(NULL);
    const int saved_out = redirect(STDOUT_FILENO, out_path);
    const int saved_err = redirect(STDERR_FILENO, err_path);
    out->status = check_command(argc, argv);
    (void)fflush(NULL);
    restore(STDOUT_FILENO, saved_out);
    restore(STDERR_FILENO, saved_err);
    read_back(out_path, out->out);
    read_back(err_path, out->err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no `%s` in: %s", part, text);
}

static void write_config(const struct folder *folder, const char *text, char path[512])
{
    (void)snprintf(path, 512, "%s/c.yaml", folder->path);
    folder_write(folder, "c.yaml", slice_of_string(text), 0644);
}

static void says_how_it_is_used(void **state)
{
    static struct run run;
    static const char *const wrong[][4] = {
        {NULL}, {"-c", NULL}, {"--nope", NULL}, {"-c", "a", "extra", NULL}, {"--json", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        run_check(*state, wrong[i], &run);
        assert_int_equal(run.status, 2);
        assert_string_equal(run.out, "");
        assert_has(run.err, "sallyport check: ");
        assert_has(run.err, "Try 'sallyport check --help'.");
    }
    run_check(*state, (const char *const[]){"--help", NULL}, &run);
    assert_int_equal(run.status, 0);
    assert_has(run.out, "usage: sallyport check -c FILE");
    assert_string_equal(run.err, "");
}

static void tells_findings_on_stderr_and_exits_3(void **state)
{
    static struct run run;
    char path[512];
    write_config(*state,
                 "version: 1\nlisteners: []\ntrust: {a: {ca: [no.crt]}}\naudit: {file: a}\n", path);
    run_check(*state, (const char *const[]){"-c", path, NULL}, &run);
    assert_int_equal(run.status, 3);
    assert_string_equal(run.out, "");
    assert_has(run.err, "c.yaml:2:12: error: `listeners` is empty");
    assert_has(run.err, "2 errors");
}

static void tells_findings_as_json_on_stdout(void **state)
{
    static struct run run;
    char path[512];
    write_config(*state, "version: 1\n\"we\\\"ird\": []\n", path);
    run_check(*state, (const char *const[]){"--json", "-c", path, NULL}, &run);
    assert_int_equal(run.status, 3);
    assert_string_equal(run.err, "");
    assert_has(run.out, "{\"result\":\"bad\",\"findings\":[{\"severity\":\"");
    assert_has(run.out, "\"line\":2,\"column\":1,\"message\":\"unknown key `we\\\"ird`");
    assert_has(run.out, "\"errors\":4");
    assert_null(strstr(run.out, "summary"));
    assert_int_equal(run.out[strlen(run.out) - 1], '\n');
}

static void exits_3_when_there_is_no_file(void **state)
{
    static struct run run;
    run_check(*state, (const char *const[]){"--config=/nowhere/x.yaml", NULL}, &run);
    assert_int_equal(run.status, 3);
    assert_has(run.err, "/nowhere/x.yaml");
    assert_has(run.err, "No such file");
}

static const char good[] =
    "version: 1\nworkers: 2\nlisteners:\n- {name: main, address: '[::1]:8443', trust: staff, "
    "certificates: [{chain: tls/server.crt, key: tls/server.key}]}\n"
    "trust: {staff: {ca: [tls/clients-ca.crt]}}\naudit: {file: audit.jsonl}\n";

static void summarises_a_good_configuration(void **state)
{
    static struct run run;
    char path[512];
    char text[2048];
    (void)snprintf(text, sizeof text, "%s%s", good,
                   "clients: [{name: a, match: [{any: true}], allow: [{hosts: [x]}]}]\n");
    write_config(*state, text, path);
    run_check(*state, (const char *const[]){"-c", path, "--strict", NULL}, &run);
    assert_string_equal(run.err, "");
    assert_int_equal(run.status, 0);
    assert_has(run.out, "c.yaml is good");
    assert_has(run.out, "listener main on [::1]:8443, trust staff");
    assert_has(run.out, "trust.staff: anchor CN=Clients CA");
    assert_has(run.out, "no revocation by CRL: trust.staff has no crl");
    assert_has(run.out, "clients 1, rules 1");
    assert_has(run.out, "workers 2");
    assert_has(run.out, "audit.jsonl");
    run_check(*state, (const char *const[]){"-c", path, "--json", NULL}, &run);
    assert_int_equal(run.status, 0);
    assert_has(run.out, "{\"result\":\"good\"");
    assert_has(run.out, "\"listeners\":[{\"name\":\"main\",\"address\":\"[::1]:8443\"");
    assert_has(run.out, "\"clients\":1,\"rules\":1,\"workers\":2");
}

static void exits_1_for_warnings_only_when_strict(void **state)
{
    static struct run run;
    char path[512];
    write_config(*state, good, path); // without clients
    run_check(*state, (const char *const[]){"-c", path, NULL}, &run);
    assert_int_equal(run.status, 0);
    assert_has(run.err, "warning: there are no `clients`: every request will be denied");
    run_check(*state, (const char *const[]){"-c", path, "--strict", NULL}, &run);
    assert_int_equal(run.status, 1);
    assert_has(run.err, "1 warning, and --strict");
    run_check(*state, (const char *const[]){"-c", path, "--strict", "--json", NULL}, &run);
    assert_int_equal(run.status, 1);
    assert_has(run.out, "{\"result\":\"bad\"");
}

static int set_up(void **state)
{
    static struct folder folder;
    folder_create_at(&folder, (int64_t)time(NULL));
    *state = &folder;
    return 0;
}

static int tear_down(void **state)
{
    folder_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_how_it_is_used),
        cmocka_unit_test(tells_findings_on_stderr_and_exits_3),
        cmocka_unit_test(tells_findings_as_json_on_stdout),
        cmocka_unit_test(exits_3_when_there_is_no_file),
        cmocka_unit_test(summarises_a_good_configuration),
        cmocka_unit_test(exits_1_for_warnings_only_when_strict),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
