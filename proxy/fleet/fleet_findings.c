// The first names of each kind are kept, and no others.
#include "proxy/fleet/fleet_findings.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN_BYTES_MAX = FLEET_NAME_CAP - 1 }; // of a name, before it is escaped

const char *fleet_shown_name(struct slice name, char out[FLEET_SHOWN_CAP])
{
    static const char cut[] = "...";
    struct text text;
    text_init(&text, out, FLEET_SHOWN_CAP - (sizeof cut - 1));
    text_append_printable(&text, slice_first(name, SHOWN_BYTES_MAX));
    if (!text.is_cut && name.len <= SHOWN_BYTES_MAX)
        return out;
    (void)string_copy(out + text.len, FLEET_SHOWN_CAP - text.len, slice_of_string(cut));
    return out;
}

void fleet_findings_begin(struct fleet_findings *findings)
{
    memset(findings->found, 0, sizeof findings->found);
    findings->forged.count = 0;
    findings->rolled_back.count = 0;
}

void fleet_findings_end(struct fleet_findings *findings)
{
    for (size_t i = 0; i < FLEET_FINDING_COUNT; i++)
        findings->totals[i] += findings->found[i];
}

static void add_name(struct fleet_named_entries *entries, struct slice name)
{
    if (entries->count < FLEET_NAMED_MAX)
        (void)fleet_shown_name(name, entries->shown[entries->count++]);
}

void fleet_findings_note(struct fleet_findings *findings, enum fleet_finding finding,
                         struct slice name)
{
    findings->found[finding]++;
    if (finding == FLEET_FORGED)
        add_name(&findings->forged, name);
    else if (finding == FLEET_ROLLED_BACK)
        add_name(&findings->rolled_back, name);
}

// append_names adds names in brackets, of `found` entries.
static void append_names(const struct fleet_named_entries *entries, uint64_t found,
                         struct text *out)
{
    for (size_t i = 0; i < entries->count; i++)
        text_append_format(out, "%s%s", i == 0 ? " (" : ", ", entries->shown[i]);
    if (entries->count > 0)
        text_append_string(out, found > entries->count ? ", ...)" : ")");
}

void fleet_findings_name_forged(const struct fleet_findings *findings, struct text *out)
{
    append_names(&findings->forged, findings->found[FLEET_FORGED], out);
}

void fleet_findings_alarm(const struct fleet_findings *findings, char *out)
{
    const uint64_t forged = findings->found[FLEET_FORGED];
    const uint64_t vanished = findings->found[FLEET_VANISHED];
    const uint64_t older = findings->found[FLEET_ROLLED_BACK];
    const uint64_t unfit = findings->found[FLEET_NO_ROOM];
    struct text text;
    text_init(&text, out, FLEET_ALARM_CAP);
    if (forged + vanished + older != 0) {
        text_append_format(&text, "the store's blocks: %" PRIu64 " forged", forged);
        append_names(&findings->forged, forged, &text);
        text_append_format(&text, ", %" PRIu64 " vanished, %" PRIu64 " rolled back", vanished,
                           older);
        append_names(&findings->rolled_back, older, &text);
        text_append_format(&text,
                           "; nothing changes here, and what is known here is written again: "
                           "%sfind out who else writes to the store",
                           forged == 0 ? "if the store was restarted, emptied or restored, there "
                                         "is nothing to do; otherwise "
                                       : "");
    }
    if (unfit != 0)
        text_append_format(&text,
                           "%s%" PRIu64
                           " blocks of others do not fit (%d are the most): they do NOT hold here",
                           text.len == 0 ? "" : "; ", unfit, (int)BLOCKS_MAX);
}
