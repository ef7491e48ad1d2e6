// A question names the client, connection or request that it is about.
#include "proxy/service/scan_question.h"

#include <string.h>

#include "proxy/admin/top_request.h"

// parse_kill reads `id:HEX`, `session:HEX` or `client:NAME` into the question.
static bool parse_kill(const char *argument, struct scan *out)
{
    const struct slice text = slice_of_string(argument);
    const struct slice value = slice_from(text, slice_find(text, ':') + 1);
    const bool is_session = slice_starts_with(text, SLICE_LITERAL("session:"));
    if (is_session || slice_starts_with(text, SLICE_LITERAL("id:"))) {
        out->kind = is_session ? SCAN_KILL_SESSION : SCAN_KILL_ID;
        return string_copy(out->id, sizeof out->id, value) && strlen(out->id) == sizeof out->id - 1;
    }
    out->kind = SCAN_KILL_CLIENT;
    return slice_starts_with(text, SLICE_LITERAL("client:")) &&
           string_copy(out->client, sizeof out->client, value) && out->client[0] != '\0';
}

bool scan_question_counts(const char *argument, struct scan *out, struct errinfo *info)
{
    (void)argument;
    (void)info;
    out->kind = SCAN_COUNT;
    return true;
}

bool scan_question_tunnels(const char *argument, struct scan *out, struct errinfo *info)
{
    struct top_request request;
    if (top_request_parse(slice_of_string(argument), &request, info) != ERR_OK)
        return false;
    out->kind = SCAN_TUNNELS;
    out->max_tunnels = request.count;
    return string_copy(out->client, sizeof out->client, slice_of_string(request.client));
}

bool scan_question_kill(const char *argument, struct scan *out, struct errinfo *info)
{
    if (parse_kill(argument, out))
        return true;
    (void)errinfo_set(info, ERR_INPUT,
                      "`%.64s` is neither an id (16 hexadecimal digits) nor session:ID nor "
                      "client:NAME",
                      argument + (out->kind == SCAN_KILL_ID ? 3 : 0));
    return false;
}
