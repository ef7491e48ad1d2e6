// What the parts of the import share.
#include "proxy/import/smokescreen_state.h"

#include <stdarg.h>
#include <stdio.h>

enum err smokescreen_refuse(const struct smokescreen *state, const struct node *node,
                            struct errinfo *info, const char *format, ...)
{
    char text[sizeof info->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return errinfo_set(info, ERR_INPUT, "%s:%u: %s", state->file,
                       node == NULL ? 1U : (unsigned)node->line, text);
}

struct import_place smokescreen_place(const struct smokescreen *state, const struct node *node)
{
    return (struct import_place){.file = state->file, .line = node->line};
}

bool smokescreen_is_true(const struct node *node)
{
    static const char *const words[] = {"true", "yes", "on", "y"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (node->kind == NODE_SCALAR &&
            slice_equal_ignore_case(node->text, slice_of_string(words[i])))
            return true;
    }
    return false;
}
