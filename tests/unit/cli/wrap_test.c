// Lines that fit: they end where a reader expects it, and nothing is lost.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/cli/wrap.h"

static char memory[8192];

static const char *wrapped(const char *line, size_t columns, size_t indent)
{
    struct text text;
    text_init(&text, memory, sizeof memory);
    wrap_line(slice_of_string(line), columns, indent, &text);
    assert_false(text.is_cut);
    return memory;
}

static void a_line_ends_at_the_last_blank_that_fits(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *lines;
    } rows[] = {
        {"", "\n"},
        {"0123456789", "0123456789\n"},
        {"name  one two", "name  one\n    two\n"},
        {"name  one two three four", "name  one\n    two\n    three\n    four\n"},
        {"name  ab  ! ends soon", "name  ab\n    ! ends\n    soon\n"},
        {"01234567 ! x", "01234567\n    ! x\n"},
        {"CN=aaaaa,OU=b", "CN=aaaaa,\n    OU=b\n"},
        {"/etc/abc/defghi", "/etc/abc/\n    defghi\n"},
        {"0123456789abcdefgh", "0123456789\n    abcdef\n    gh\n"},
        {"    0123456789", "    012345\n    6789\n"},
        {"                x", "          \n    x\n"},
        {"ab 0, cd 0", "ab 0, cd 0\n"},
        {"ab 0, cde 0", "ab 0,\n    cde 0\n"},
        {"ab 0, cd 12, ef 3", "ab 0,\n    cd 12,\n    ef 3\n"},
        {"abcd 364 days", "abcd 364\n    days\n"},
        {"0123456789 ", "0123456789\n    \n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(rows[i].lines, wrapped(rows[i].line, 10, 4));
}

static void no_line_is_longer_and_no_character_is_lost(void **state)
{
    (void)state;
    static const char line[] =
        "certificate  anchor of clients: CN=Example \xC3\xBC CA,OU=\xE4\xB8\xAD\xE4\xB8\xAD\xE4\xB8\xAD,"
        "O=A Company With A Rather Long Name, 3649 days left  ! ends soon";
    for (size_t columns = 14; columns < 140; columns++) {
        const char *from = line;
        size_t used = 0;
        for (const char *at = wrapped(line, columns, 11); *at != '\0'; at++) {
            const unsigned char byte = (unsigned char)*at;
            used = byte == '\n' ? 0 : used + ((byte & 0xC0) != 0x80) + (byte == 0xE4);
            assert_true(used <= columns);
            if (byte == '\n' || byte == ' ')
                continue;
            from += strspn(from, " ");
            assert_int_equal(*from++, *at);
        }
        assert_int_equal(0, strlen(from));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_ends_at_the_last_blank_that_fits),
        cmocka_unit_test(no_line_is_longer_and_no_character_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
