// `sallyport top`: the busiest tunnels, once or again and again.
//
// The screen is opened with the first answer, and closed before anything else is said.
#include "proxy/cli/commands.h"

#include <stdio.h>
#include <time.h>

#include "proxy/admin/control_request.h"
#include "proxy/admin/top_request.h"
#include "proxy/cli/control_client.h"
#include "proxy/cli/status.h"
#include "proxy/cli/terminal.h"
#include "proxy/cli/top_view.h"

static const char usage[] =
    "usage: sallyport top (-c FILE | --control SOCKET) [--client NAME] [--interval TIME | --once]\n"
    "                     [--count N] [--json]\n"
    "\n"
    "Shows the live tunnels that move the most bytes. On a terminal it goes on until `q` or Ctrl-C, with\n"
    "what each moves a second; elsewhere it lists once those that have moved the most.\n"
    "\n" CONTROL_OPTIONS_HELP "      --client NAME      only the tunnels of this client\n"
    "      --interval TIME    how often, 100ms to 1m (default: 2s); also where stdout is no terminal\n"
    "      --once             once, also on a terminal\n"
    "      --count N          how many, 1 to 1000 (default: 20; on a terminal what fits)\n"
    "      --json             one object of JSON for each time; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 done, 1 refused, 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

enum { INTERVAL_MS = 2000 };

// top is one that goes on.
struct top {
    bool is_json;
    bool is_first;
    bool has_screen; // stdout is a terminal
    struct screen screen;
    struct top_view *view; // owned; with a screen
};

// is_live tells whether answers are asked for again and again.
static bool is_live(const struct control_options *options)
{
    return options->interval_ms != 0 ||
           (!options->is_once && !options->is_json && terminal_look().is_terminal);
}

// find_fault says what is wrong with the options; NULL: nothing.
static const char *find_fault(const struct control_options *options)
{
    if (options->is_once && options->interval_ms != 0)
        return "--interval goes on, and --once does not: give one of them";
    if (options->interval_ms != 0 &&
        (options->interval_ms < TOP_EVERY_MIN_MS || options->interval_ms > TOP_EVERY_MAX_MS))
        return "--interval: expected 100ms to 1m";
    return NULL;
}

// add_question adds what is asked for.
static void add_question(const struct control_options *options, bool has_screen,
                         struct text *request)
{
    text_append_string(request, "top");
    if (options->count != NULL)
        text_append_format(request, " %s", options->count);
    else if (has_screen)
        text_append_format(request, " %d", TOP_MAX);
    if (is_live(options))
        text_append_format(
            request, " every:%lldms",
            (long long)(options->interval_ms == 0 ? INTERVAL_MS : options->interval_ms));
    if (options->client != NULL)
        text_append_format(request, " client:%s", options->client);
}

static void draw(struct top *top)
{
    const struct terminal terminal = terminal_look();
    const struct canvas canvas = {.columns = terminal.columns,
                                  .rows = terminal.rows,
                                  .has_colour = terminal.has_colour,
                                  .line_end = "\x1b[K\n"};
    struct text out = cli_text_begin();
    text_append_string(&out, "\x1b[H");
    top_view_draw(top->view, &canvas, &out);
    text_append_string(&out, "\x1b[K\x1b[J");
    text_flush(&out);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool on_line(void *arg, struct slice line)
{
    struct top *top = arg;
    if (top->is_json) {
        (void)printf("%.*s\n", (int)line.len, (const char *)line.data);
        return true;
    }
    json_t *root = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL)
        return true;
    if (top->has_screen) {
        if (!top->screen.is_open)
            screen_open(&top->screen);
        top_view_take(top->view, root, now_ms());
        draw(top);
    } else {
        (void)printf("%s", top->is_first ? "" : "\n");
        status_print_top(NULL, root);
    }
    top->is_first = false;
    json_decref(root);
    return true;
}

static bool on_key(void *arg, char key)
{
    (void)arg;
    return key != 'q' && key != 'Q';
}

static void on_resize(void *arg)
{
    struct top *top = arg;
    if (top->screen.is_open)
        draw(top);
}

static void on_end(void *arg)
{
    struct top *top = arg;
    screen_close(&top->screen);
}

static int watch(const struct control_options *options, bool has_screen, const char *request)
{
    struct top top = {.is_json = options->is_json, .is_first = true, .has_screen = has_screen};
    if (has_screen)
        top.view = top_view_create(options->client);
    if (has_screen && top.view == NULL) {
        cli_say(options->command, "no memory");
        return CLI_FAILED;
    }
    const struct control_listener listener = {.on_line = on_line,
                                              .on_key = has_screen ? on_key : NULL,
                                              .on_resize = on_resize,
                                              .on_end = on_end,
                                              .arg = &top};
    const int exit_status = control_follow(options, request, &listener);
    top_view_destroy(top.view);
    return exit_status;
}

int top_command(int argc, char **argv)
{
    struct control_options options;
    struct text request;
    char data[CONTROL_LINE_MAX + 1];
    const struct cli_line line = control_options_read(
        usage, CONTROL_TAKES_JSON | CONTROL_TAKES_COUNT | CONTROL_TAKES_CLIENT | CONTROL_TAKES_LIVE,
        0, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    const char *fault = find_fault(&options);
    if (fault != NULL)
        return cli_fail_usage(argv[0], "%s", fault);
    const bool has_screen = is_live(&options) && !options.is_json && terminal_look().is_terminal;
    text_init(&request, data, sizeof data);
    add_question(&options, has_screen, &request);
    if (request.is_cut)
        return cli_fail_usage(argv[0], "that is too long");
    return is_live(&options) ? watch(&options, has_screen, data)
                             : control_ask(&options, data, false, status_print_top, NULL);
}
