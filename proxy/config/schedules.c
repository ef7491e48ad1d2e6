// Two maps. A time without an offset is of the zone that stands beside it.
#include "proxy/config/schedules.h"

#include "auth/base/date.h"
#include "auth/schedule_text.h"
#include "auth/tzif.h"
#include "proxy/config/named_files.h"
#include "proxy/config/zone_names.h"

enum { ZONE_NAME_MAX = 64 };

// known_zone is a zone that has been read, in a list in the arena.
struct known_zone {
    const char *name;
    const struct time_zone *zone;
    struct known_zone *next;
};

// ---- zones --------------------------------------------------------------------------------------

// is_zone_name tells whether a text is a name below the folder, and nothing else: `Europe/Zurich`, `Etc/GMT+5`.
static bool is_zone_name(struct slice s)
{
    if (s.len == 0 || s.len > ZONE_NAME_MAX || slice_contains(s, SLICE_LITERAL("//")) ||
        s.data[0] == '/' || s.data[s.len - 1] == '/')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        const uint8_t byte = s.data[i];
        const bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        if (!is_letter && !(byte >= '0' && byte <= '9') && byte != '/' && byte != '_' &&
            byte != '-' && byte != '+')
            return false;
    }
    return true;
}

// zone_load reads the file of a zone.
static bool zone_load(struct reader *reader, const struct node *node, struct known_zone *known)
{
    char path[sizeof ZONE_FOLDER + ZONE_NAME_MAX];
    char hint[ZONE_HINT_CAP];
    struct file_content content;
    struct errinfo info = {0};
    struct time_zone *zone = reader_alloc(reader, 1, sizeof *zone);
    const struct known_zone *at = reader->zones;
    while (at != NULL && strcmp(at->name, known->name) != 0)
        at = at->next;
    if (at != NULL) {
        known->zone = at->zone;
        return true;
    }
    (void)snprintf(path, sizeof path, ZONE_FOLDER "%s", known->name);
    if (reader->read_list == NULL)
        return reader_error(reader, node, "`zone`: a zone cannot be read here");
    if (!file_is_there(path))
        return reader_refuse(reader, node, "`zone`", "there is no such time zone in " ZONE_FOLDER,
                             zone_hint(known->name, hint));
    if (zone == NULL ||
        !reader_file_at(reader, node, "`zone`", path, TZIF_MAX_LEN, FILE_PUBLIC, &content))
        return false;
    const enum err err = tzif_parse(content.bytes, reader->arena, zone, &info);
    file_content_deinit(&content);
    if (err == ERR_MEMORY)
        return reader_no_memory(reader);
    if (err != ERR_OK)
        return reader_error(reader, node,
                            "`zone`: %s: %s"
                            "\ninstall the package tzdata again, or name another zone",
                            path, info.text);
    known->zone = zone;
    known->next = reader->zones;
    reader->zones = known;
    return true;
}

// zone_read reads the name of a zone; NULL, and `*out` NULL, is UTC.
static bool zone_read(struct reader *reader, const struct node *node, const struct time_zone **out)
{
    struct slice text = {0};
    *out = NULL;
    if (node == NULL)
        return true;
    if (!reader_text(reader, node, "`zone`", CONFIG_TEXT_MAX, &text))
        return false;
    if (slice_equal(text, SLICE_LITERAL("UTC")))
        return true;
    if (!is_zone_name(text))
        return reader_refuse(reader, node, "`zone`", "not the name of a time zone",
                             "write it like Europe/Zurich, or UTC");
    struct known_zone *known = reader_alloc(reader, 1, sizeof *known);
    if (known == NULL)
        return false;
    known->name = reader_copy(reader, text);
    if (known->name == NULL || !zone_load(reader, node, known))
        return false;
    *out = known->zone;
    return true;
}

// ---- valid --------------------------------------------------------------------------------------

static const struct key valid_keys[] = {
    KEY_KNOWN("from", KEY_OPTIONAL),
    KEY_KNOWN("until", KEY_OPTIONAL),
    KEY_KNOWN("zone", KEY_OPTIONAL),
};

const struct section valid_section = SECTION("`valid`", valid_keys);

enum { OFFSETS_CAP = 160, DAY_S = 24 * 60 * 60 };

// offset_append appends a time of a wall clock with how far that is ahead of UTC.
static void offset_append(int64_t wall_s, int32_t ahead_s, struct text *out)
{
    char date[DATE_TEXT_CAP];
    const int32_t minutes = (ahead_s < 0 ? -ahead_s : ahead_s) / 60;
    const size_t seconds_end = sizeof "2026-03-29T02:30:00" - 1; // without the Z
    text_append(out,
                slice_first(slice_of_string(date_format(wall_s, DATE_SECOND, date)), seconds_end));
    text_append_format(out, "%c%02d:%02d", ahead_s < 0 ? '-' : '+', (int)(minutes / 60),
                       (int)(minutes % 60));
}

// offsets_format gives a hint: the time with the offsets that its zone has a day before and after.
static const char *offsets_format(const struct time_zone *zone, int64_t wall_s, const char *start,
                                  char out[OFFSETS_CAP])
{
    int64_t until_s = 0;
    struct text text;
    text_init(&text, out, OFFSETS_CAP);
    text_append_format(&text, "%s: ", start);
    offset_append(wall_s, time_zone_ahead_s(zone, wall_s - DAY_S, &until_s), &text);
    text_append_string(&text, " or ");
    offset_append(wall_s, time_zone_ahead_s(zone, wall_s + DAY_S, &until_s), &text);
    return out;
}

// moment_read reads a time as Unix seconds.
static bool moment_read(struct reader *reader, const struct node *node, const char *what,
                        const struct time_zone *zone, int64_t *out)
{
    struct slice text = {0};
    struct moment moment;
    if (node == NULL)
        return true;
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    if (!moment_parse(text, &moment))
        return reader_refuse(
            reader, node, what, "not a date, or date and time, of the years 1970 to 9999",
            "write it like 2027-01-01, 2027-01-01T08:00 or 2027-01-01T08:00:00+01:00");
    if (moment.has_offset) {
        *out = moment.wall_s - moment.ahead_s;
        return true;
    }
    char hint[OFFSETS_CAP];
    switch (time_zone_find(zone, moment.wall_s, out)) {
    case WALL_ONCE:
        return true;
    case WALL_NEVER:
        return reader_refuse(
            reader, node, what, "the clocks of its zone skip this time",
            offsets_format(zone, moment.wall_s, "write another one, or its offset", hint));
    case WALL_TWICE:
        break;
    }
    return reader_refuse(reader, node, what, "the clocks of its zone show this time twice",
                         offsets_format(zone, moment.wall_s, "write its offset", hint));
}

static bool valid_read(struct reader *reader, const struct node *node, struct schedule *out)
{
    const struct node *from = node_get(node, "from");
    const struct node *until = node_get(node, "until");
    const struct time_zone *zone = NULL;
    if (node == NULL)
        return true;
    if (!section_read(reader, node, &valid_section, NULL))
        return false;
    if (from == NULL && until == NULL)
        return reader_error(reader, node, "`valid` needs `from`, `until` or both");
    if (!zone_read(reader, node_get(node, "zone"), &zone))
        return false;
    const bool has_from = moment_read(reader, from, "`from`", zone, &out->from_s);
    return moment_read(reader, until, "`until`", zone, &out->until_s) && has_from;
}

// ---- hours --------------------------------------------------------------------------------------

static const struct key hours_keys[] = {
    KEY_KNOWN("days", KEY_OPTIONAL),
    KEY_KNOWN("from", KEY_OPTIONAL),
    KEY_KNOWN("to", KEY_OPTIONAL),
    KEY_KNOWN("zone", KEY_OPTIONAL),
};

const struct section hours_section = SECTION("`hours`", hours_keys);

static bool days_text_read(struct reader *reader, const struct node *node, uint8_t *days)
{
    struct slice text = {0};
    uint8_t added = 0;
    if (!reader_text(reader, node, "`days`", CONFIG_TEXT_MAX, &text))
        return false;
    if (!days_parse(text, &added))
        return reader_refuse(reader, node, "`days`", "not days of the week",
                             "write them like mon-fri, \"sat,sun\" or [mon, wed, fri-sun]");
    *days |= added;
    return true;
}

// days_read reads a text, or a list of texts.
static bool days_read(struct reader *reader, const struct node *node, uint8_t *days)
{
    *days = node == NULL ? SCHEDULE_ALL_DAYS : 0;
    if (node == NULL)
        return true;
    if (node->kind != NODE_LIST)
        return days_text_read(reader, node, days);
    bool is_good = reader_list(reader, node, "`days`", 1, 7);
    for (const struct node *at = is_good ? node->child : NULL; at != NULL; at = at->next)
        is_good = days_text_read(reader, at, days) && is_good;
    return is_good;
}

static bool clock_read(struct reader *reader, const struct node *node, const char *what,
                       int32_t *out)
{
    struct slice text = {0};
    return reader_text(reader, node, what, CONFIG_TEXT_MAX, &text) &&
           (clock_parse(text, out) ||
            reader_refuse(reader, node, what, "not a time of day", "write it like \"08:00\""));
}

// window_read reads `from` and `to`, which come together.
static bool window_read(struct reader *reader, const struct node *node, struct hours *hours)
{
    const struct node *from = node_get(node, "from");
    const struct node *to = node_get(node, "to");
    hours->to_s = SCHEDULE_DAY_S;
    if (from == NULL && to == NULL)
        return true;
    if (from == NULL || to == NULL)
        return reader_error(reader, node, "`hours` needs `from` and `to`, or neither");
    if (!clock_read(reader, from, "`from`", &hours->from_s) ||
        !clock_read(reader, to, "`to`", &hours->to_s))
        return false;
    if (hours->from_s == hours->to_s || hours->from_s == SCHEDULE_DAY_S)
        return reader_error(reader, from,
                            "`hours`: a window has a begin and an end"
                            "\nfor whole days leave `from` and `to` out");
    return true;
}

static bool hours_read(struct reader *reader, const struct node *node, struct schedule *out)
{
    if (node == NULL)
        return true;
    if (!section_read(reader, node, &hours_section, NULL))
        return false;
    if (node_get(node, "days") == NULL && node_get(node, "from") == NULL &&
        node_get(node, "to") == NULL)
        return reader_error(reader, node, "`hours` needs `days`, or `from` and `to`");
    out->has_hours = true;
    const bool has_days = days_read(reader, node_get(node, "days"), &out->hours.days);
    const bool has_window = window_read(reader, node, &out->hours);
    return zone_read(reader, node_get(node, "zone"), &out->hours.zone) && has_days && has_window;
}

// ---- both ---------------------------------------------------------------------------------------

// is_ever_open tells whether a schedule has any moment at which it is open.
static bool is_ever_open(const struct schedule *schedule)
{
    int64_t opens_s = 0;
    if (schedule->from_s >= schedule->until_s)
        return false;
    if (schedule->from_s == INT64_MIN)
        return true; // there was a week before it ends
    return schedule_judge(schedule, schedule->from_s, &opens_s) == SCHEDULE_OPEN ||
           opens_s != INT64_MAX;
}

const struct schedule *schedule_read(struct reader *reader, const struct node *owner)
{
    const struct node *valid = node_get(owner, "valid");
    const struct node *hours = node_get(owner, "hours");
    if (valid == NULL && hours == NULL)
        return NULL;
    struct schedule *schedule = reader_alloc(reader, 1, sizeof *schedule);
    if (schedule == NULL)
        return NULL;
    *schedule = (struct schedule){.from_s = INT64_MIN, .until_s = INT64_MAX};
    const bool is_good = valid_read(reader, valid, schedule);
    if (!hours_read(reader, hours, schedule) || !is_good)
        return NULL;
    if (!is_ever_open(schedule)) {
        reader_error(reader, valid,
                     "this time never comes: %s"
                     "\n`from` must be before `until`, with `hours` between them",
                     schedule->from_s >= schedule->until_s ? "it ends before it begins"
                                                           : "none of its `hours` is in it");
        return NULL;
    }
    if (schedule->until_s <= reader->now_s) {
        char date[DATE_TEXT_CAP];
        reader_warning(reader, valid,
                       "this time is over since %s: nothing is allowed by it any more"
                       "\nremove what it belongs to, or give it a later `until`",
                       date_format(schedule->until_s, DATE_SECOND, date));
    }
    return schedule;
}

void schedule_refuse(struct reader *reader, const struct node *owner, const char *hint)
{
    static const char *const names[] = {"valid", "hours"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct node *node = node_get(owner, names[i]);
        if (node != NULL)
            reader_error(reader, node, "a `deny` rule has no `%s`\n%s", names[i], hint);
    }
}
