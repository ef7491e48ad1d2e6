// The answer as a table for people. What needs attention stands first, marked with `!`.
#include "proxy/cli/status.h"

#include <stdio.h>
#include <string.h>

#include "auth/base/slice.h"
#include "proxy/cli/control_client.h"

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

// find finds the value at a path such as `config.id`, which ends before `path_len`; NULL: there is none.
static const json_t *find(const json_t *at, const char *path, size_t path_len)
{
    for (size_t taken = 0; taken < path_len; taken++) {
        const size_t len = slice_find(slice_of(path + taken, path_len - taken), '.');
        at = json_object_getn(at, path + taken, len);
        taken += len;
    }
    return at;
}

static void print_value(const json_t *value)
{
    if (json_is_string(value))
        (void)fputs(json_string_value(value), stdout);
    else if (json_is_integer(value))
        (void)printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_null(value))
        (void)fputs("null", stdout);
}

// print_row writes `format`, in which `{path}` stands for a member of `row`.
static void print_row(const json_t *row, const char *format)
{
    for (size_t len = 0; *format != '\0'; format += len) {
        len = strcspn(format, "{");
        (void)fwrite(format, 1, len, stdout);
        if (format[len] == '\0')
            return;
        format += len + 1;
        len = strcspn(format, "}");
        print_value(find(row, format, len));
        len++;
    }
}

// print_list writes a line for each element of a list, with its `warning`, if it has one.
static void print_list(const json_t *root, const char *name, const char *format)
{
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(json_object_get(root, name), i, row)
    {
        print_row(row, format);
        print_row(row, json_is_string(json_object_get(row, "warning")) ? "  ! {warning}\n" : "\n");
    }
}

static void print_reload(const json_t *root)
{
    const json_t *reloads = json_object_get(root, "reloads");
    const json_t *last = json_object_get(reloads, "last");
    if (!json_is_object(last)) {
        (void)printf("reloads      none\n");
        return;
    }
    print_row(reloads, "reloads      {good} good, {failed} failed; the last one at {last.at}");
    (void)printf("%s", is_true(last, "good") ? "" : "  ! failed");
    print_row(reloads, "\n             {last.message}\n");
    if (json_is_string(json_object_get(reloads, "failing_since")))
        print_row(reloads, "             ! what is on the disk is refused since {failing_since}\n");
}

static void print_process(const json_t *root)
{
    const long long up_s = member_number(root, "uptime_s");
    print_row(root, "sallyport {version}, pid {pid}, {state}");
    if (json_is_string(json_object_get(root, "draining_since")))
        print_row(root, " since {draining_since}");
    (void)printf(" for %lldd %02lld:%02lld:%02lld\n", up_s / 86400, up_s / 3600 % 24,
                 up_s / 60 % 60, up_s % 60);
    print_row(root,
              "config       {config.path} ({config.id}), generation {config.generation}, since "
              "{config.since}\n");
    print_reload(root);
    print_list(root, "listeners", "listener     {name} on {address}, trust {trust}");
}

// print_numbers writes `name n, name n, ...` of the member `what`.
static void print_numbers(const json_t *root, const char *what)
{
    const char *name = NULL;
    json_t *value = NULL;
    const char *separator = "";
    (void)printf("%-12s", what);
    json_object_foreach(json_object_get(root, what), name, value)
    {
        (void)printf("%s %s ", separator, name);
        print_value(value);
        separator = ",";
    }
    (void)printf("\n");
}

void status_print(void *arg, const json_t *root)
{
    const json_t *audit = json_object_get(root, "audit");
    (void)arg;
    print_process(root);
    print_numbers(root, "sessions");
    print_numbers(root, "requests");
    print_numbers(root, "http2");
    print_numbers(root, "counters");
    print_numbers(root, "limits");
    print_list(root, "clients", "client       {name}: tunnels {tunnels}, sessions {sessions}");
    if (member_number(root, "clients_not_listed") > 0)
        print_row(root, "             and {clients_not_listed} more clients\n");
    if (member_number(root, "sessions_of_no_client") > 0)
        print_row(root, "client       (none fits): sessions {sessions_of_no_client}\n");
    print_list(root, "certificates",
               "certificate  {kind} of {of}: {subject}, {days_left} days left");
    print_list(
        root, "crls",
        "crl          of {of}: {issuer}, number {number}, {entries} entries, {days_left} days left");
    print_list(root, "blocks", "block        {block} since {since} by uid {uid}");
    if (member_number(root, "blocks_not_listed") > 0)
        print_row(root, "             and {blocks_not_listed} more blocks\n");
    if (json_is_string(find(root, "control.problem", sizeof "control.problem" - 1)))
        print_row(root,
                  "state        ! blocks hold only until the next restart: {control.problem}\n");
    print_row(root, "audit        {audit.path}, {audit.queued} waiting, {audit.lost} lost");
    (void)printf("%s%s%s%s\n", is_true(audit, "failing") ? "  ! cannot be written" : "",
                 is_true(audit, "full") && !is_true(audit, "failing") ? "  ! full" : "",
                 member_number(audit, "lost") > 0 ? "  ! records are missing" : "",
                 member_number(audit, "removed") > 0 ? "  ! the file was removed" : "");
}

void status_print_top(void *arg, const json_t *root)
{
    const json_t *tunnels = json_object_get(root, "tunnels");
    size_t i = 0;
    json_t *at = NULL;
    (void)arg;
    print_row(root, "{open} tunnels open\n");
    if (json_array_size(tunnels) > 0)
        (void)printf("%-16s %-16s %15s %15s %8s  %s\n", "ID", "SESSION", "UP", "DOWN", "AGE s",
                     "CLIENT -> TARGET");
    json_array_foreach(tunnels, i, at)
    {
        const json_t *bytes = json_object_get(at, "bytes");
        (void)printf("%-16s %-16s %15lld %15lld %8lld  ", member_text(at, "id"),
                     member_text(at, "session"), member_number(bytes, "up"),
                     member_number(bytes, "down"), member_number(at, "age_ms") / 1000);
        print_row(at, "{client} ({source}) -> {host}:{port} ({upstream})\n");
    }
}
