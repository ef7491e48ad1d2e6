// Lines that fit: cut to the width, in columns, with colours where there are some.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/cli/paint.h"

static char memory[8192];
static struct text text;

static struct painter painter_of(size_t columns, bool has_colour)
{
    text_init(&text, memory, sizeof memory);
    return (struct painter){.text = &text, .columns = columns, .has_colour = has_colour};
}

static void a_line_is_cut_where_the_terminal_ends(void **state)
{
    (void)state;
    static const struct {
        size_t columns;
        const char *line;
    } rows[] = {
        {0, "one two"}, {8, "one two"}, {7, "one two"}, {6, "one t~"},
        {4, "one~"},    {3, "one"},     {2, "o~"},      {1, "~"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct painter painter = painter_of(rows[i].columns, false);
        paint(&painter, COLOUR_RED, "one");
        paint(&painter, COLOUR_RED, " two");
        assert_string_equal(rows[i].line, memory);
        assert_true(rows[i].columns == 0 || painter.used <= rows[i].columns);
    }
}

static void a_cell_has_its_width_whatever_is_in_it(void **state)
{
    (void)state;
    struct painter painter = painter_of(20, false);
    paint_cell(&painter, COLOUR_PLAIN, "a", 4, false);
    paint_cell(&painter, COLOUR_PLAIN, "b", 3, true);
    paint_cell(&painter, COLOUR_PLAIN, "longer", 4, false);
    paint(&painter, COLOUR_PLAIN, "rest of it");
    assert_string_equal("a      b lon~ rest ~", memory);
    paint_end(&painter, "\n");
    paint(&painter, COLOUR_PLAIN, "next");
    assert_string_equal("a      b lon~ rest ~\nnext", memory);
}

static void a_narrow_line_cuts_its_cells(void **state)
{
    (void)state;
    struct painter painter = painter_of(6, false);
    paint_cell(&painter, COLOUR_PLAIN, "a", 4, false);
    paint_cell(&painter, COLOUR_PLAIN, "b", 3, true);
    paint_cell(&painter, COLOUR_PLAIN, "c", 3, true);
    assert_string_equal("a    b", memory);
}

static void colours_are_ended_and_take_no_room(void **state)
{
    (void)state;
    struct painter painter = painter_of(3, true);
    paint(&painter, COLOUR_RED, "abc");
    paint(&painter, COLOUR_GREEN, "d");
    assert_string_equal("\x1b[31mabc\x1b[0m", memory);
    painter = painter_of(5, true);
    paint_cell(&painter, COLOUR_BOLD, "a", 3, true);
    paint(&painter, COLOUR_PLAIN, "b");
    assert_string_equal("  \x1b[1ma\x1b[0m b", memory);
}

static void what_is_painted_cannot_speak_to_the_terminal(void **state)
{
    (void)state;
    struct painter painter = painter_of(0, true);
    paint(&painter, COLOUR_PLAIN, "a\x1b[2J\nb\xC2\x9B\xFF");
    assert_string_equal("a\\x1b[2J\\x0ab\\xc2\\x9b\\xff", memory);
    painter = painter_of(4, false);
    paint(&painter, COLOUR_PLAIN, "a\x1b[2J");
    assert_string_equal("a\\x~", memory);
}

static void wide_characters_are_not_cut_in_the_middle(void **state)
{
    (void)state;
    struct painter painter = painter_of(5, false);
    paint(&painter, COLOUR_PLAIN, "\xE4\xB8\xAD\xE4\xB8\xAD\xE4\xB8\xAD"); // two columns each
    assert_string_equal("\xE4\xB8\xAD\xE4\xB8\xAD~", memory);
    painter = painter_of(4, false);
    paint(&painter, COLOUR_PLAIN, "\xE4\xB8\xAD\xE4\xB8\xAD\xE4\xB8\xAD");
    assert_string_equal("\xE4\xB8\xAD~", memory);
    painter = painter_of(3, false);
    paint(&painter, COLOUR_PLAIN, "\xC3\xBC\xC3\xBC\xC3\xBC");
    assert_string_equal("\xC3\xBC\xC3\xBC\xC3\xBC", memory);
}

static void a_long_piece_is_cut_even_where_the_line_has_no_end(void **state)
{
    (void)state;
    static char piece[3000];
    struct painter painter = painter_of(0, false);
    memset(piece, 'x', sizeof piece - 1);
    paint(&painter, COLOUR_PLAIN, piece);
    assert_int_equal(1024, text.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_cut_where_the_terminal_ends),
        cmocka_unit_test(a_cell_has_its_width_whatever_is_in_it),
        cmocka_unit_test(a_narrow_line_cuts_its_cells),
        cmocka_unit_test(colours_are_ended_and_take_no_room),
        cmocka_unit_test(what_is_painted_cannot_speak_to_the_terminal),
        cmocka_unit_test(wide_characters_are_not_cut_in_the_middle),
        cmocka_unit_test(a_long_piece_is_cut_even_where_the_line_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
