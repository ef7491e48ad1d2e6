// proxy_status: the last member of a list counts, whatever stands in the quotes of those before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/proxy_status.h"

static void the_last_member_is_of_the_proxy_that_was_asked(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *name;
        const char *details;
    } rows[] = {
        {"sallyport", "sallyport", ""},
        {"sallyport; error=dns_error; details=\"dns_failed; dns_error\"", "sallyport",
         "dns_failed; dns_error"},
        {"sallyport;details=\"a\"", "sallyport", "a"},
        {"squid; details=\"no, not me\", sallyport; error=x; details=\"parent_refused\"",
         "sallyport", "parent_refused"},
        {"sallyport; details=\"no_rule\", sallyport; received-status=403; details=\"parent_refused\"",
         "sallyport", "parent_refused"},
        {"sallyport; details=\"no_rule\", squid", "squid", ""},
        {"a; details=\"say \\\", b; details=\\\"x\"", "a", "say \\\", b; details=\\\"x"},
        {" sallyport ; details=word", "sallyport", ""},
        {"sallyport; other-details=\"a\"", "sallyport", ""},
        // malformed: nothing is believed
        {"", "", ""},
        {"sallyport; details=\"open", "", ""},
        {"sallyport, x\"", "", ""},
        {"sallyport, ", "", ""},
        {"sallyport; details=\"", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct proxy_status_member member = proxy_status_last(slice_of_string(rows[i].value));
        assert_true(slice_equal(member.name, slice_of_string(rows[i].name)));
        assert_true(slice_equal(member.details, slice_of_string(rows[i].details)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_member_is_of_the_proxy_that_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
