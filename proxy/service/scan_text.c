// Tables of words, and one reader of fields.
#include "proxy/service/scan_text.h"

#include <inttypes.h>

static const char *const kinds[] = {
    [SCAN_TOTALS] = "totals",
    [SCAN_COUNT] = "count",
    [SCAN_METRICS] = "metrics",
    [SCAN_TUNNELS] = "tunnels",
    [SCAN_PAGE] = "page",
    [SCAN_KILL_ID] = "kill_id",
    [SCAN_KILL_SESSION] = "kill_session",
    [SCAN_KILL_CLIENT] = "kill_client",
};

static const char *const session_states[] = {
#define X(symbol, name) [symbol] = name,
    SESSION_STATE_TABLE(X)
#undef X
};

static const char *const exchange_states[] = {
#define X(symbol, name) [symbol] = name,
    EXCHANGE_STATE_TABLE(X)
#undef X
};

enum { TUNNELS_MAX = 1000 };

// find gives the index of a word in a table, or `count`.
static size_t find(const char *const *words, size_t count, struct slice word)
{
    size_t i = 0;
    while (i < count && !slice_equal(word, slice_of_string(words[i])))
        i++;
    return i;
}

// take_word takes what stands before the next space, or all.
static struct slice take_word(struct slice *line)
{
    const size_t len = slice_find(*line, ' ');
    const struct slice word = slice_first(*line, len);
    *line = slice_from(*line, len + 1);
    return word;
}

static bool take_number(struct slice *line, uint64_t max, uint64_t *out)
{
    return decimal_parse(take_word(line), max, out);
}

// take_id takes an id of 16 characters, or none for `-`.
static bool take_id(struct slice *line, char out[17])
{
    const struct slice word = take_word(line);
    return word.len == 16 && string_copy(out, 17, word);
}

// ---- the question -------------------------------------------------------------------------------

void scan_question_format(const struct scan *scan, struct text *out)
{
    text_append_format(out, "%s %zu %s %s", kinds[scan->kind], scan->max_tunnels,
                       scan->id[0] == '\0' ? "-" : scan->id, scan->client);
}

enum err scan_question_parse(struct slice text, struct scan *out)
{
    uint64_t max = 0;
    if (slice_find(text, '\0') < text.len)
        return ERR_INPUT;
    const size_t kind = find(kinds, sizeof kinds / sizeof *kinds, take_word(&text));
    if (kind == sizeof kinds / sizeof *kinds || !take_number(&text, TUNNELS_MAX, &max))
        return ERR_INPUT;
    const struct slice id = take_word(&text);
    out->kind = (enum scan_kind)kind;
    out->max_tunnels = (size_t)max;
    if (!slice_equal(id, SLICE_LITERAL("-")) &&
        (id.len != sizeof out->id - 1 || !string_copy(out->id, sizeof out->id, id)))
        return ERR_INPUT;
    return string_copy(out->client, sizeof out->client, text) ? ERR_OK : ERR_INPUT;
}

// ---- the answer: writing ------------------------------------------------------------------------

static void add_number(struct text *out, const char *word, uint64_t number)
{
    if (number > 0)
        text_append_format(out, "%s %" PRIu64 "\n", word, number);
}

static void add_tunnel(struct text *out, const struct scan_tunnel *tunnel)
{
    char upstream[IP_TEXT_CAP] = "-";
    char source[IP_TEXT_CAP] = "-";
    if (tunnel->upstream.family != IP_NONE)
        (void)ip_addr_format(&tunnel->upstream, upstream);
    if (tunnel->source.family != IP_NONE)
        (void)ip_addr_format(&tunnel->source, source);
    text_append_format(
        out, "tunnel %s %s %" PRIu32 " %u %" PRIu64 " %" PRIu64 " %" PRId64 " %s %s %s %s\n",
        tunnel->id, tunnel->session, tunnel->stream_id, tunnel->port, tunnel->bytes_up,
        tunnel->bytes_down, tunnel->age_ms, upstream, source, tunnel->host, tunnel->client);
}

void scan_answer_format(const struct scan *scan, struct text *out)
{
    for (size_t i = 0; i < SESSION_STATE_COUNT; i++) {
        if (scan->sessions[i] > 0)
            text_append_format(out, "session %s %" PRIu64 "\n", session_states[i],
                               scan->sessions[i]);
    }
    for (size_t i = 0; i < EXCHANGE_STATE_COUNT; i++) {
        if (scan->exchanges[i] > 0)
            text_append_format(out, "exchange %s %" PRIu64 "\n", exchange_states[i],
                               scan->exchanges[i]);
    }
    for (size_t i = 0; i < scan->client_cap; i++) {
        const struct scan_client *client = &scan->clients[i];
        if (client->name[0] != '\0')
            text_append_format(out, "client %" PRIu64 " %" PRIu64 " %s\n", client->sessions,
                               client->tunnels, client->name);
    }
    for (size_t i = 0; i < scan->tunnel_count; i++)
        add_tunnel(out, &scan->tunnels[i]);
    add_number(out, "http2_sessions", scan->http2_sessions);
    add_number(out, "http2_streams", scan->http2_streams);
    add_number(out, "nobody_sessions", scan->nobody_sessions);
    add_number(out, "open", scan->open_count);
    add_number(out, "killed", scan->killed);
    add_number(out, "found", scan->is_found);
    add_number(out, "partial", scan->is_partial);
}

// ---- the answer: reading ------------------------------------------------------------------------

// read_state adds to the number of a state, if it is known here.
static bool read_state(struct slice line, const char *const *words, size_t count, uint64_t *numbers)
{
    uint64_t number = 0;
    const size_t state = find(words, count, take_word(&line));
    if (!take_number(&line, UINT32_MAX, &number) || line.len > 0)
        return false;
    if (state < count)
        numbers[state] += number;
    return true;
}

static bool read_client(struct slice line, struct scan *sum)
{
    struct scan_client client = {0};
    if (!take_number(&line, UINT32_MAX, &client.sessions) ||
        !take_number(&line, UINT32_MAX, &client.tunnels) || line.len == 0 ||
        !string_copy(client.name, sizeof client.name, line))
        return false;
    scan_add_client(sum, &client);
    return true;
}

// take_address takes an address, or none for `-`.
static bool take_address(struct slice *line, struct ip_addr *out)
{
    const struct slice word = take_word(line);
    return slice_equal(word, SLICE_LITERAL("-")) || ip_addr_parse(word, out) == ERR_OK;
}

static bool read_tunnel(struct slice line, struct scan *sum)
{
    struct scan_tunnel tunnel = {0};
    uint64_t stream_id = 0;
    uint64_t port = 0;
    uint64_t age_ms = 0;
    if (!take_id(&line, tunnel.id) || !take_id(&line, tunnel.session) ||
        !take_number(&line, UINT32_MAX, &stream_id) || !take_number(&line, UINT16_MAX, &port) ||
        !take_number(&line, UINT64_MAX / 4, &tunnel.bytes_up) ||
        !take_number(&line, UINT64_MAX / 4, &tunnel.bytes_down) ||
        !take_number(&line, INT64_MAX, &age_ms) || !take_address(&line, &tunnel.upstream) ||
        !take_address(&line, &tunnel.source) ||
        !string_copy(tunnel.host, sizeof tunnel.host, take_word(&line)) ||
        !string_copy(tunnel.client, sizeof tunnel.client, line))
        return false;
    tunnel.stream_id = (uint32_t)stream_id;
    tunnel.port = (uint16_t)port;
    tunnel.age_ms = (int64_t)age_ms;
    scan_add_tunnel(sum, &tunnel);
    return true;
}

// read_number adds a number that stands alone. A word that is not known is good.
static bool read_number(struct slice word, struct slice line, struct scan *sum)
{
    static const char *const words[] = {
        "http2_sessions", "http2_streams", "nobody_sessions", "open", "killed", "found", "partial"};
    uint64_t number = 0;
    uint64_t found = 0;
    uint64_t partial = 0;
    uint64_t *const numbers[] = {&sum->http2_sessions,
                                 &sum->http2_streams,
                                 &sum->nobody_sessions,
                                 &sum->open_count,
                                 &sum->killed,
                                 &found,
                                 &partial};
    const size_t at = find(words, sizeof words / sizeof *words, word);
    if (at == sizeof words / sizeof *words)
        return true;
    if (!take_number(&line, UINT32_MAX, &number) || line.len > 0)
        return false;
    *numbers[at] += number;
    sum->is_found |= found > 0;
    sum->is_partial |= partial > 0;
    return true;
}

static bool read_line(struct slice line, struct scan *sum)
{
    if (slice_find(line, '\0') < line.len)
        return false;
    const struct slice word = take_word(&line);
    if (slice_equal(word, SLICE_LITERAL("session")))
        return read_state(line, session_states, SESSION_STATE_COUNT, sum->sessions);
    if (slice_equal(word, SLICE_LITERAL("exchange")))
        return read_state(line, exchange_states, EXCHANGE_STATE_COUNT, sum->exchanges);
    if (slice_equal(word, SLICE_LITERAL("client")))
        return read_client(line, sum);
    if (slice_equal(word, SLICE_LITERAL("tunnel")))
        return read_tunnel(line, sum);
    return read_number(word, line, sum);
}

enum err scan_answer_parse(struct slice text, struct scan *sum)
{
    while (text.len > 0) {
        const size_t len = slice_find(text, '\n');
        if (len == text.len || !read_line(slice_first(text, len), sum))
            return ERR_INPUT;
        text = slice_from(text, len + 1);
    }
    return ERR_OK;
}
