// terminal: what stdout is: its size, whether it takes colours; and a screen of its own for a command that goes on, which is
// gone without a trace when it ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
    bool is_terminal;
    bool has_colour; // also: NO_COLOR is not set, and TERM is not `dumb`
    size_t columns;  // 80 where nobody says
    size_t rows;     // 24 likewise
};

// terminal_look tells what stdout is now.
struct terminal terminal_look(void);

// Zeroed is no screen. Private to terminal.c.
struct screen {
    bool is_open;
    bool has_keys; // stdin gives keys, and no lines
    struct termios saved;
};

// screen_open gives the command a screen of its own, without a cursor, and keys as they are pressed, not shown. The keys
// that interrupt still do.
void screen_open(struct screen *screen);

// screen_close brings back what was there. A zeroed one is allowed.
void screen_close(struct screen *screen);
