// One function for each event.
#include "proxy/cli/tail_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/rules.h"
#include "auth/target.h"
#include "proxy/cli/control_client.h"
#include "proxy/cli/figures.h"

enum {
    REMEMBERED = 4096, // decisions; a power of two
    WORD_COLUMNS = 8,
    CLIENT_COLUMNS = 16,
    PLACE_CAP = TARGET_TEXT_CAP + 16,
    TIME_AT = 11, // in an RFC 3339 time
    TIME_LEN = 8,
    INSTANCE_SHOWN = 8, // as in `status --fleet`
};

// asked is what a decision was about.
struct asked {
    uint64_t id;
    bool is_taken;
    char client[CLIENT_NAME_MAX + 1];
    char entry[CLIENT_NAME_MAX + 1];
    char place[PLACE_CAP];
};

struct tail_view {
    struct tail_filter filter;
    struct asked
        asked[REMEMBERED]; // by the end of the id; a later one takes the place of an earlier one
};

struct tail_view *tail_view_create(const struct tail_filter *filter)
{
    struct tail_view *view = calloc(1, sizeof *view);
    if (view != NULL)
        view->filter = *filter;
    return view;
}

void tail_view_destroy(struct tail_view *view)
{
    free(view);
}

static struct asked *place_of(struct tail_view *view, uint64_t id)
{
    return &view->asked[id % REMEMBERED];
}

// asked_of gives what a `close` is about; NULL: it is not known.
static const struct asked *asked_of(const struct tail_view *view, const struct history_entry *entry)
{
    const struct asked *asked = &view->asked[entry->id % REMEMBERED];
    return asked->is_taken && asked->id == entry->id ? asked : NULL;
}

// write_place writes what a request asks for.
static void write_place(const json_t *request, char out[PLACE_CAP])
{
    const char *method = member_text(request, "method");
    const bool is_connect = strcmp(method, "CONNECT") == 0;
    if (json_is_string(json_object_get(request, "host")))
        (void)snprintf(out, PLACE_CAP, "%s%s%s:%lld", is_connect ? "" : method,
                       is_connect ? "" : " ", member_text(request, "host"),
                       member_number(request, "port"));
    else
        (void)snprintf(out, PLACE_CAP, "-");
}

static void remember(struct tail_view *view, const struct history_entry *entry)
{
    const json_t *client = json_object_get(entry->root, "client");
    struct asked *asked = place_of(view, entry->id);
    *asked = (struct asked){.id = entry->id, .is_taken = true};
    (void)string_copy(asked->client, sizeof asked->client,
                      slice_of_string(member_text(client, "name")));
    (void)string_copy(asked->entry, sizeof asked->entry,
                      slice_of_string(member_text(client, "entry")));
    write_place(json_object_get(entry->root, "request"), asked->place);
}

static const json_t *decision_of(const struct history_entry *entry)
{
    return json_object_get(entry->root, "decision");
}

static const char *reason_of(const struct history_entry *entry)
{
    return member_text(entry->event == AUDIT_EVENT_DECISION ? decision_of(entry) : entry->root,
                       "reason");
}

static bool is_denied(const struct history_entry *entry)
{
    if (entry->event == AUDIT_EVENT_DECISION)
        return strcmp(member_text(decision_of(entry), "action"), "deny") == 0;
    return entry->event == AUDIT_EVENT_HANDSHAKE_REFUSED ||
           entry->event == AUDIT_EVENT_REQUESTS_REFUSED;
}

static bool is_of_client(const struct tail_view *view, const struct history_entry *entry,
                         const char *name)
{
    const struct asked *asked = asked_of(view, entry);
    if (entry->event == AUDIT_EVENT_DECISION || entry->event == AUDIT_EVENT_CLOSE)
        return asked != NULL &&
               (strcmp(asked->client, name) == 0 || strcmp(asked->entry, name) == 0);
    return entry->event == AUDIT_EVENT_REQUESTS_REFUSED &&
           strcmp(member_text(entry->root, "client"), name) == 0;
}

bool tail_view_wants(struct tail_view *view, const struct history_entry *entry)
{
    const struct tail_filter *filter = &view->filter;
    if (entry->event == AUDIT_EVENT_DECISION)
        remember(view, entry);
    return (filter->client == NULL || is_of_client(view, entry, filter->client)) &&
           (filter->reason == NULL || strcmp(reason_of(entry), filter->reason) == 0) &&
           (!filter->is_denied || is_denied(entry));
}

static void paint_word(struct painter *painter, enum colour colour, const char *word)
{
    paint_cell(painter, colour, word, WORD_COLUMNS, false);
}

static void paint_client(struct painter *painter, const char *client)
{
    paint_cell(painter, COLOUR_PLAIN, client[0] == '\0' ? "-" : client, CLIENT_COLUMNS, false);
}

// paint_more adds a blank and a piece, if there is something in it.
static void paint_more(struct painter *painter, enum colour colour, const char *piece)
{
    if (piece[0] == '\0')
        return;
    paint(painter, COLOUR_PLAIN, " ");
    paint(painter, colour, piece);
}

static void paint_decision(const struct history_entry *entry, struct painter *painter)
{
    const json_t *decision = decision_of(entry);
    const char *action = member_text(decision, "action");
    char place[PLACE_CAP];
    const bool is_allowed = strcmp(action, "allow") == 0;
    const bool would_deny = json_is_true(json_object_get(decision, "would_deny"));
    write_place(json_object_get(entry->root, "request"), place);
    paint_word(painter,
               would_deny                    ? COLOUR_YELLOW
               : is_allowed                  ? COLOUR_GREEN
               : strcmp(action, "deny") == 0 ? COLOUR_RED
                                             : COLOUR_YELLOW,
               action);
    paint_client(painter, member_text(json_object_get(entry->root, "client"), "name"));
    paint(painter, COLOUR_PLAIN, place);
    paint_more(painter, COLOUR_PLAIN, member_text(decision, "reason"));
    paint_more(painter, COLOUR_DIM, member_text(decision, "rule"));
    paint_more(painter, COLOUR_YELLOW, would_deny ? "(would be denied)" : "");
}

static void paint_close(const struct tail_view *view, const struct history_entry *entry,
                        struct painter *painter)
{
    const struct asked *asked = asked_of(view, entry);
    const json_t *bytes = json_object_get(entry->root, "bytes");
    const int64_t total_ms = member_number(json_object_get(entry->root, "ms"), "total");
    char up[FIGURE_CAP];
    char down[FIGURE_CAP];
    char age[FIGURE_CAP];
    char moved[4 * FIGURE_CAP];
    paint_word(painter, COLOUR_DIM, "close");
    paint_client(painter, asked == NULL ? "" : asked->client);
    paint(painter, COLOUR_PLAIN, asked == NULL ? member_text(entry->root, "id") : asked->place);
    paint_more(painter, COLOUR_PLAIN, reason_of(entry));
    (void)snprintf(moved, sizeof moved, "up %s, down %s, %s",
                   figure_bytes((uint64_t)member_number(bytes, "up"), up),
                   figure_bytes((uint64_t)member_number(bytes, "down"), down),
                   figure_age(total_ms / 1000, age));
    paint_more(painter, COLOUR_DIM, moved);
}

// write_count writes ` x 12` for more than one.
static const char *write_count(const json_t *root, char out[FIGURE_CAP])
{
    const long long count = member_number(root, "count");
    out[0] = '\0';
    if (count > 1)
        (void)snprintf(out, FIGURE_CAP, "x %lld", count);
    return out;
}

static void paint_handshake(const struct history_entry *entry, struct painter *painter)
{
    char count[FIGURE_CAP];
    paint_word(painter, COLOUR_RED, "refused");
    paint_client(painter, member_text(json_object_get(entry->root, "client"), "address"));
    paint(painter, COLOUR_PLAIN, reason_of(entry));
    paint_more(painter, COLOUR_PLAIN, write_count(entry->root, count));
    paint_more(painter, COLOUR_PLAIN,
               member_text(json_object_get(entry->root, "presented"), "subject"));
    paint_more(painter, COLOUR_DIM, member_text(entry->root, "detail"));
}

static void paint_refused(const struct history_entry *entry, struct painter *painter)
{
    char count[FIGURE_CAP];
    paint_word(painter, COLOUR_RED, "refused");
    paint_client(painter, member_text(entry->root, "client"));
    paint(painter, COLOUR_PLAIN, reason_of(entry));
    paint_more(painter, COLOUR_PLAIN, write_count(entry->root, count));
    paint_more(painter, COLOUR_DIM, member_text(entry->root, "source"));
}

static void paint_admin(const struct history_entry *entry, struct painter *painter)
{
    const char *result = member_text(entry->root, "result");
    const json_t *who = json_object_get(entry->root, "by");
    const char *instance = member_text(who, "instance");
    char by[48];
    char count[FIGURE_CAP];
    (void)snprintf(by, sizeof by, "uid %lld%s%.*s", member_number(who, "uid"),
                   instance[0] == '\0' ? "" : "@", INSTANCE_SHOWN, instance);
    if (!json_is_object(who)) // a record that stands for many
        (void)snprintf(by, sizeof by, "others");
    paint_word(painter, COLOUR_BOLD, "admin");
    paint_client(painter, by);
    paint(painter, COLOUR_PLAIN, member_text(entry->root, "command"));
    paint_more(painter, COLOUR_PLAIN, write_count(entry->root, count));
    paint_more(painter, COLOUR_PLAIN, member_text(entry->root, "argument"));
    paint_more(painter, strcmp(result, "ok") == 0 ? COLOUR_PLAIN : COLOUR_RED, result);
    paint_more(painter, COLOUR_DIM, member_text(entry->root, "detail"));
}

static void paint_lost(const struct history_entry *entry, struct painter *painter)
{
    char count[64];
    (void)snprintf(count, sizeof count, "%lld records could not be written",
                   member_number(entry->root, "count"));
    paint_word(painter, COLOUR_RED, "lost");
    paint(painter, COLOUR_RED, count);
}

static void paint_sink_lost(const struct history_entry *entry, struct painter *painter)
{
    char count[64];
    (void)snprintf(count, sizeof count, "%lld records", member_number(entry->root, "count"));
    paint_word(painter, COLOUR_RED, "not sent");
    paint(painter, COLOUR_RED, member_text(entry->root, "sink"));
    paint_more(painter, COLOUR_RED, count);
}

static void paint_checkpoint(const struct history_entry *entry, struct painter *painter)
{
    char lines[64];
    (void)snprintf(lines, sizeof lines, "%lld lines of instance %.8s",
                   member_number(entry->root, "seq"), member_text(entry->root, "instance"));
    paint_word(painter, COLOUR_DIM, "signed");
    paint(painter, COLOUR_DIM, lines);
}

void tail_view_paint(const struct tail_view *view, const struct history_entry *entry,
                     struct painter *painter)
{
    const char *ts = member_text(entry->root, "ts");
    char at[TIME_LEN + 1] = "";
    if (strlen(ts) >= TIME_AT + TIME_LEN)
        (void)string_copy(at, sizeof at, slice_of(ts + TIME_AT, TIME_LEN));
    paint_cell(painter, COLOUR_DIM, at, TIME_LEN, false);
    switch (entry->event) {
    case AUDIT_EVENT_DECISION:
        paint_decision(entry, painter);
        break;
    case AUDIT_EVENT_CLOSE:
        paint_close(view, entry, painter);
        break;
    case AUDIT_EVENT_HANDSHAKE_REFUSED:
        paint_handshake(entry, painter);
        break;
    case AUDIT_EVENT_REQUESTS_REFUSED:
        paint_refused(entry, painter);
        break;
    case AUDIT_EVENT_ADMIN:
        paint_admin(entry, painter);
        break;
    case AUDIT_EVENT_RECORDS_LOST:
        paint_lost(entry, painter);
        break;
    case AUDIT_EVENT_SINK_LOST:
        paint_sink_lost(entry, painter);
        break;
    case AUDIT_EVENT_CHECKPOINT:
        paint_checkpoint(entry, painter);
        break;
    case AUDIT_EVENT_OTHER:
        paint(painter, COLOUR_PLAIN, member_text(entry->root, "event"));
        break;
    }
}
