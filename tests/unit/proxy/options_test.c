// The reader of command lines, and of numbers on them. What it says is asserted for every command in
// tests/e2e/test_commands.py.
#include "proxy/cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/base/slice.h"

enum { WORDS_MAX = 8, GATHERED_MAX = 2 };

struct read {
    struct cli_line line;
    bool is_json;
    const char *config;
    const char *gathered[GATHERED_MAX];
    size_t count;
    int64_t ttl_s;
};

static enum err gather(void *arg, const char *value, struct errinfo *info)
{
    struct read *read = arg;
    if (read->count == GATHERED_MAX)
        return errinfo_set(info, ERR_LIMIT, "no more than %d", GATHERED_MAX);
    read->gathered[read->count++] = value;
    return ERR_OK;
}

// read_words reads the words after the command's name; NULL ends them.
static void read_words(const char *const words[WORDS_MAX], struct read *out)
{
    static const char usage[] = "--config --json --name --ttl\n";
    char *argv[WORDS_MAX + 2] = {(char *)(uintptr_t) "test"};
    int argc = 1;
    *out = (struct read){.ttl_s = -1};
    for (; argc <= WORDS_MAX && words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    const struct cli_option options[] = {
        {"config", .letter = 'c', .text = &out->config},
        {"json", .letter = 'j', .flag = &out->is_json},
        {"name", .take = gather, .arg = out},
        {"ttl", .seconds = &out->ttl_s},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "test",
                                      .usage = usage,
                                      .options = options,
                                      .argument_missing = "what?",
                                      .argument_max = 2};
    out->line = cli_read(&syntax, argc, argv);
    if (out->line.is_over)
        return;
    // The words were in `argv`, which ends here: only what is in them can be looked at later.
    assert_true(out->line.arguments >= argv + 1);
    assert_ptr_equal(out->line.arguments + out->line.argument_count, argv + argc);
    for (int i = 0; i < out->line.argument_count; i++)
        assert_string_equal(out->line.arguments[i], i == 0 ? "one" : "-");
    out->line.arguments = NULL;
}

static void options_are_understood_wherever_they_stand(void **state)
{
    static const char *const rows[][WORDS_MAX] = {
        {"-c", "x", "-j", "one", "-"},    {"one", "-", "-cx", "--json"},
        {"one", "--config=x", "-", "-j"}, {"-jcx", "one", "-"},
        {"-jc", "x", "one", "-"},         {"--conf", "x", "--j", "--", "one", "-"},
        {"one", "-jcx", "--", "-"},       {"-cy", "--config", "x", "-jj", "one", "-"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct read read;
        read_words(rows[i], &read);
        assert_false(read.line.is_over);
        assert_int_equal(read.line.argument_count, 2);
        assert_true(read.is_json);
        assert_string_equal(read.config, "x");
    }
}

static void what_nobody_asked_for_stays_as_it_was(void **state)
{
    struct read read;
    (void)state;
    read_words((const char *const[WORDS_MAX]){"one"}, &read);
    assert_false(read.line.is_over);
    assert_int_equal(read.line.argument_count, 1);
    assert_null(read.config);
    assert_false(read.is_json);
    assert_int_equal(read.ttl_s, -1);
}

static void values_are_gathered_or_the_last_counts(void **state)
{
    struct read read;
    (void)state;
    read_words(
        (const char *const[WORDS_MAX]){"one", "--name", "a", "--name=", "--ttl=1h", "--ttl=1500ms"},
        &read);
    assert_false(read.line.is_over);
    assert_int_equal(read.count, 2);
    assert_string_equal(read.gathered[0], "a");
    assert_string_equal(read.gathered[1], "");
    assert_int_equal(read.ttl_s, 1);
}

static void what_is_wrong_ends_the_command_with_two(void **state)
{
    static const char *const rows[][WORDS_MAX] = {
        {NULL},                  // an argument is missing
        {"--"},                  // likewise
        {"-j"},                  // likewise
        {"one", "-", "three"},   // one too many
        {"one", "-x"},           // unknown
        {"one", "-jx"},          // unknown
        {"one", "--jsonx"},      // unknown
        {"one", "--json=yes"},   // has no value
        {"one", "--json="},      // likewise
        {"one", "-j=yes"},       // likewise
        {"one", "-c"},           // has one
        {"one", "-jc"},          // likewise
        {"one", "--config"},     // likewise
        {"one", "--=x"},         // the beginning of each
        {"one", "--ttl", "5"},   // the value cannot be read
        {"one", "--ttl=999ms"},  // shorter than a second
        {"one", "--ttl", "-1s"}, // a value, though it begins with a hyphen
        {"one", "--name=a", "--name=b", "--name=c"},
        {"one", "-x", "--help"}, // in their order
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct read read;
        read_words(rows[i], &read);
        if (!read.line.is_over || read.line.exit_status != CLI_USAGE)
            fail_msg("row %zu", i);
    }
}

static void help_ends_the_command_with_nothing_read_behind_it(void **state)
{
    static const char *const rows[][WORDS_MAX] = {
        {"--help"},       {"-h"},        {"--h"},
        {"-jh"},          {"one", "-h"}, {"a", "b", "c", "--help"},
        {"--help", "-x"}, {"-hx"},       {"-j", "--help", "--ttl=x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct read read;
        read_words(rows[i], &read);
        if (!read.line.is_over || read.line.exit_status != CLI_OK)
            fail_msg("row %zu", i);
    }
}

static void numbers_are_digits_within_their_bounds(void **state)
{
    static const struct {
        const char *text;
        uint64_t min;
        uint64_t max;
        bool is_good;
        uint64_t value;
    } rows[] = {
        {"0", 0, 9, true, 0},
        {"9", 0, 9, true, 9},
        {"009", 1, 9, true, 9},
        {"18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, false, 0},
        {"99999999999999999999999", 0, UINT64_MAX, false, 0},
        {"0", 1, 9, false, 0},
        {"10", 1, 9, false, 0},
        {"", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {"-1", 0, UINT64_MAX, false, 0},
        {"0x1", 0, 9, false, 0},
        {"1e1", 0, 99, false, 0},
        {"one", 0, 9, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct errinfo info = {0};
        uint64_t value = 0;
        const enum err error =
            cli_parse_number(rows[i].text, rows[i].min, rows[i].max, &value, &info);
        if (error != (rows[i].is_good ? ERR_OK : ERR_INPUT))
            fail_msg("row %zu", i);
        if (error == ERR_OK)
            assert_int_equal(value, rows[i].value);
        else
            assert_non_null(strstr(info.text, rows[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_understood_wherever_they_stand),
        cmocka_unit_test(what_nobody_asked_for_stays_as_it_was),
        cmocka_unit_test(values_are_gathered_or_the_last_counts),
        cmocka_unit_test(what_is_wrong_ends_the_command_with_two),
        cmocka_unit_test(help_ends_the_command_with_nothing_read_behind_it),
        cmocka_unit_test(numbers_are_digits_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
