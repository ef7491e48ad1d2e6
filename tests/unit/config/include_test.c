// Which patterns an `include` may have, and which names they fit.
#include "proxy/config/include.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void patterns_have_wildcards_in_the_last_part_alone(void **state)
{
    static const char *const good[] = {"*.yaml", "clients.d/*.yaml", "/etc/x/a-*_b.yml", "a.json",
                                       "../c/**.yaml"};
    static const char *const bad[] = {
        "",
        "*",
        "clients.d",
        "clients.d/",
        "*/a.yaml",
        "a*/b.yaml",
        "x/.*.yaml",
        "x/.hidden.yaml",
        "clients.d/*.txt",
        "x/*.yaml~",
        "x/a b.yaml",
        "x/?.yaml",
        "x/[a-c].yaml",
        "x/{a,b}.yaml",
        "x/\xC3\xA4.yaml",
        "x/.yaml",
        "x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.yaml"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (include_pattern_check(slice_of_string(good[i])) != NULL)
            fail_msg("%s is refused", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (include_pattern_check(slice_of_string(bad[i])) == NULL)
            fail_msg("%s is accepted", bad[i]);
    }
}

static void a_star_stands_for_any_bytes_of_a_name_that_is_not_hidden(void **state)
{
    static const struct {
        const char *pattern;
        const char *name;
        bool fits;
    } cases[] = {
        {"*.yaml", "a.yaml", true},
        {"*.yaml", "a.b.yaml", true},
        {"*.yaml", ".yaml", false},
        {"*.yaml", ".a.yaml", false},
        {"*.yaml", ".#a.yaml", false},
        {"*.yaml", "..data", false},
        {"*.yaml", "a.yaml~", false},
        {"*.yaml", "a.yaml.swp", false},
        {"*.yaml", "a.yml", false},
        {"*.yaml", "A.YAML", false},
        {"a.yaml", "a.yaml", true},
        {"a.yaml", "axyaml", false},
        {"a.yaml", "a.yam", false},
        {"a.yaml", "a.yaml.yaml", false},
        {"a*b*.yaml", "ab.yaml", true},
        {"a*b*.yaml", "axxbyy.yaml", true},
        {"a*b*.yaml", "axx.yaml", false},
        {"**.yaml", "x.yaml", true},
        {"*a*a*a*.yaml", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (include_name_fits(slice_of_string(cases[i].pattern), slice_of_string(cases[i].name)) !=
            cases[i].fits)
            fail_msg("%s and %s", cases[i].pattern, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_have_wildcards_in_the_last_part_alone),
        cmocka_unit_test(a_star_stands_for_any_bytes_of_a_name_that_is_not_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
