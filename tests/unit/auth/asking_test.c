// Which addresses a request goes for, and what the authorizer is asked about.
#include "auth/asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 4 };

static void one_way_and_one_question_are_taken(void **state)
{
    (void)state;
    static const char one[] = "one";
    static const char two[] = "two";
    static const struct via paris = {.parents = {"paris"}, .count = 1};
    static const struct via same = {.parents = {"paris"}, .count = 1};
    static const struct via direct = {.count = 1};
    static const struct {
        struct candidate candidates[MOST];
        size_t count;
        size_t asking; // MOST: none
        bool is_dialled[MOST];
    } rows[] = {
        {{{.is_admitted = false, .asks = true}}, 1, MOST, {false}},
        {{{.is_admitted = true}, {.is_admitted = false}}, 2, MOST, {true, false}},
        {{{.is_admitted = true, .rule = one, .asks = true}}, 1, 0, {true}},
        {{{.is_admitted = true, .rule = one, .via = &paris},
          {.is_admitted = true, .rule = two, .asks = true},
          {.is_admitted = true, .rule = two, .asks = true, .via = &same}},
         3,
         2,
         {true, false, true}},
        {{{.is_admitted = true, .rule = one, .asks = true, .via = &direct},
          {.is_admitted = true, .rule = two, .asks = true},
          {.is_admitted = true, .rule = one, .asks = true},
          {.is_admitted = true, .rule = two, .via = &paris}},
         4,
         0,
         {true, false, true, false}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct candidate *all = rows[i].candidates;
        assert_ptr_equal(asking_find(all, rows[i].count),
                         rows[i].asking == MOST ? NULL : &all[rows[i].asking]);
        for (size_t j = 0; j < rows[i].count; j++)
            assert_int_equal(asking_is_dialled(all, rows[i].count, &all[j]), rows[i].is_dialled[j]);
    }
    assert_null(asking_find(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_way_and_one_question_are_taken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
