// What needs attention has a mark with `!`.
#include "proxy/cli/fleet_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/cli/control_client.h"
#include "proxy/cli/fields.h"

enum {
    CLOCKS_DIFFER_S = 30, // as for orders; proxies say it every 2 s
    INSTANCE_SHOWN = 8,
    LINE_CAP = 1024, // bytes of a line
};

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static void say_line(struct text *out, const char *format, ...) PRINTF_LIKE(2, 3);

// say_line adds a line.
static void say_line(struct text *out, const char *format, ...)
{
    char line[LINE_CAP];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text_append_printable(out, slice_of_string(line));
    text_append_string(out, "\n");
}

// print_limits tells of the limits that hold over all proxies: what is held here, and what holds without the store.
static void print_limits(struct text *out, const json_t *fleet)
{
    const json_t *limits = json_object_get(fleet, "limits");
    const long long members = member_number(limits, "members");
    const char *on_lost = member_text(limits, "on_lost");
    const bool is_refusing = strcmp(on_lost, "refuse") == 0 || members == 0;
    if (on_lost[0] == '\0') // an older proxy
        return;
    say_line(out, "fleet limits places held here %lld, clients %lld; without the store: on_lost %s",
             member_number(limits, "granted"), member_number(limits, "accounts"), on_lost);
    if (!is_true(limits, "asks") && is_refusing)
        say_line(
            out,
            "             ! the store is lost: new requests of clients with `scope: fleet` are "
            "refused (503 store_lost)");
    else if (!is_true(limits, "asks"))
        say_line(out, "             ! the store is lost: this proxy has a share of 1 in %lld",
                 members);
    if (member_number(limits, "unheard") > 0)
        say_line(out,
                 "             ! of %lld clients the store says nothing but errors: on_lost counts "
                 "for them",
                 member_number(limits, "unheard"));
}

static void print_store(struct text *out, const json_t *fleet)
{
    const json_t *store = json_object_get(fleet, "store");
    const json_t *blocks = json_object_get(fleet, "blocks");
    const char *problem = member_text(store, "problem");
    const bool is_ready = strcmp(member_text(store, "state"), "ready") == 0;
    say_line(out, "fleet        store %s is %s since %s; instance %s; %lld proxies",
             member_text(store, "place"), member_text(store, "state"), member_text(store, "since"),
             member_text(fleet, "instance"), member_number(fleet, "proxies_count"));
    if (!is_ready || problem[0] != '\0')
        say_line(out, "             ! %s",
                 problem[0] == '\0' ? "the store does not answer" : problem);
    if (!is_true(blocks, "known"))
        say_line(out, "             ! it is not known who is blocked: every request is refused");
    if (member_text(blocks, "problem")[0] != '\0')
        say_line(out, "             ! %s", member_text(blocks, "problem"));
    if (member_number(blocks, "waiting") > 0)
        say_line(out, "             ! %lld changes of blocks wait for the store",
                 member_number(blocks, "waiting"));
    if (is_true(fleet, "configs_differ"))
        say_line(out, "             ! %lld different configurations for more than a minute",
                 member_number(fleet, "configs"));
    else if (member_number(fleet, "configs") > 1)
        say_line(
            out,
            "             ! %lld different configurations, for less than a minute yet, as while "
            "one is rolled out",
            member_number(fleet, "configs"));
    print_limits(out, fleet);
}

// print_counts tells how much one has. An old process's part is in the counts of the one that serves.
static void print_counts(struct text *out, const json_t *member)
{
    const char *ends = member_text(member, "certificate_ends");
    if (strcmp(member_text(member, "state"), "retired") == 0)
        say_line(out,
                 "            since an upgrade another process serves, which counts its tunnels");
    else
        say_line(out, "            sessions %lld, tunnels %lld, blocks %lld; certificate until %s",
                 member_number(member, "sessions"), member_number(member, "tunnels"),
                 member_number(member, "blocks"), ends[0] == '\0' ? "(none)" : ends);
}

static void print_member(struct text *out, const json_t *fleet, const json_t *member)
{
    const long long skew_s = member_number(member, "clock_s") - (long long)time(NULL);
    const long long silent_s = member_number(member, "silent_s");
    say_line(out, "%c %.*s  %s %s pid %lld, %s, version %s", is_true(member, "self") ? '*' : ' ',
             (int)INSTANCE_SHOWN, member_text(member, "instance"), member_text(member, "host"),
             member_text(member, "address"), member_number(member, "pid"),
             member_text(member, "state"), member_text(member, "version"));
    say_line(out, "            %sconfig %s, generation %lld, since %s",
             member_number(fleet, "configs") > 1 ? "! " : "", member_text(member, "config"),
             member_number(member, "generation"), member_text(member, "since"));
    print_counts(out, member);
    if (silent_s > 0)
        say_line(
            out,
            "            ! it lives, and has said nothing for %lld s: this is how it was then. "
            "Its log says why; has it another key_file?",
            silent_s);
    else if (llabs(skew_s) > CLOCKS_DIFFER_S)
        say_line(
            out,
            "            ! its clock differs from this one's by %lld s: it obeys no orders from here",
            skew_s);
}

static void print_answers(struct text *out, const json_t *answers)
{
    size_t i = 0;
    json_t *answer = NULL;
    json_array_foreach(answers, i, answer)
    {
        const char *result = member_text(answer, "result");
        const bool is_fine = strcmp(result, "ok") == 0 || strcmp(result, "nobody") == 0;
        say_line(out, "%s%.*s  %s  %s%s%s", is_fine ? "  " : "! ", (int)INSTANCE_SHOWN,
                 member_text(answer, "instance"), member_text(answer, "host"), result,
                 member_text(answer, "message")[0] == '\0' ? "" : ": ",
                 member_text(answer, "message"));
    }
}

void fleet_view_print_part(const json_t *root)
{
    const json_t *fleet = json_object_get(root, "fleet");
    struct text out = cli_text_begin();
    if (json_is_object(fleet))
        print_store(&out, fleet);
    text_flush(&out);
}

void fleet_view_print(void *arg, const json_t *root)
{
    const json_t *fleet = json_object_get(root, "fleet");
    size_t i = 0;
    json_t *member = NULL;
    (void)arg;
    fleet_view_print_part(root);
    struct text out = cli_text_begin();
    json_array_foreach(json_object_get(fleet, "members"), i, member)
    {
        print_member(&out, fleet, member);
    }
    if (member_number(fleet, "members_not_listed") > 0)
        say_line(&out, "and %lld more proxies", member_number(fleet, "members_not_listed"));
    print_answers(&out, json_object_get(root, "answers"));
    text_flush(&out);
}
