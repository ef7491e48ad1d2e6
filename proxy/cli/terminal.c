// The sequences are those that every terminal of today knows (xterm's alternate screen, ECMA-48).
#include "proxy/cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct terminal terminal_look(void)
{
    struct terminal terminal = {
        .is_terminal = isatty(STDOUT_FILENO) == 1, .columns = 80, .rows = 24};
    const char *no_colour = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    struct winsize size;
    terminal.has_colour = terminal.is_terminal && (no_colour == NULL || no_colour[0] == '\0') &&
                          (kind == NULL || strcmp(kind, "dumb") != 0);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        terminal.columns = size.ws_col;
        terminal.rows = size.ws_row;
    }
    return terminal;
}

void screen_open(struct screen *screen)
{
    *screen = (struct screen){.is_open = true};
    if (tcgetattr(STDIN_FILENO, &screen->saved) == 0) {
        struct termios keys = screen->saved;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VSUSP] = _POSIX_VDISABLE; // who stops us would be left with our screen
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        screen->has_keys = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
    }
    (void)fputs("\x1b[?1049h\x1b[?25l", stdout);
    (void)fflush(stdout);
}

void screen_close(struct screen *screen)
{
    if (!screen->is_open)
        return;
    (void)fputs("\x1b[0m\x1b[?25h\x1b[?1049l", stdout);
    (void)fflush(stdout);
    if (screen->has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen->saved);
    *screen = (struct screen){0};
}
