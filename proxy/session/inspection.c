// Shows the gate all of a first flight: from the buffer of the way up, or from a copy where it only observes.
#include "proxy/session/inspection.h"

#include <stdlib.h>

void inspection_set_rules(struct inspection *inspection, const struct inner *rules, bool is_report)
{
    inspection->gate.rules = *rules;
    inspection->only_observes = is_report || !inner_holds_up(rules);
}

struct inspection *inspection_create(const struct inner *rules, const struct target *asked,
                                     bool is_report)
{
    struct inspection *inspection = calloc(1, sizeof *inspection);
    if (inspection == NULL)
        return NULL;
    inspection_set_rules(inspection, rules, is_report);
    inspection->asked = asked;
    return inspection;
}

void inspection_answer(struct inspection *inspection, bool is_allowed)
{
    const struct inner_verdict *verdict = &inspection->gate.verdict;
    inspection->is_asking = false;
    inspection->is_named = is_allowed && verdict->step != INNER_END;
    if (!is_allowed)
        inspection->would_end = verdict->reason;
}

// begin_asking makes the gate's verdict known to the owner. Without memory there is nothing to ask: it is a no.
static void begin_asking(struct inspection *inspection)
{
    struct inner_verdict *verdict = &inspection->gate.verdict;
    inspection->is_asking = true;
    if (verdict->step == INNER_END)
        return;
    if (inspection->named == NULL)
        inspection->named = malloc(sizeof *inspection->named);
    if (inspection->named == NULL)
        *verdict = (struct inner_verdict){.step = INNER_END, .reason = REASON_NO_MEMORY};
    else
        *inspection->named = (struct target){
            .kind = TARGET_NAME, .port = inspection->asked->port, .name = *verdict->name};
}

void inspection_close(struct inspection *inspection, struct buffer_pool *pool)
{
    if (inspection != NULL)
        buffer_pool_give(pool, &inspection->passed);
}

void inspection_destroy(struct inspection *inspection)
{
    if (inspection != NULL)
        free(inspection->named);
    free(inspection);
}

bool inspection_is_over(const struct inspection *inspection)
{
    return inspection->gate.state == GATE_OPEN &&
           (inspection->only_observes || !inspection->is_asking);
}

// keep keeps the begin of a flight that goes on before it is whole.
static bool keep(struct inspection *inspection, struct buffer_pool *pool, struct slice bytes)
{
    if (inspection->passed == NULL)
        inspection->passed = buffer_pool_take(pool);
    return inspection->passed != NULL && buffer_append(inspection->passed, bytes);
}

enum gate_step inspection_find_name(struct inspection *inspection, struct slice bytes, bool has_end,
                                    struct buffer_pool *pool)
{
    struct buffer *scratch = buffer_pool_take(pool);
    if (scratch == NULL)
        return GATE_HOLDS;
    const enum gate_step step =
        gate_look(&inspection->gate, bytes, has_end, inspection->asked, scratch->data);
    buffer_pool_give(pool, &scratch);
    return step;
}

static enum gate_step look(struct inspection *inspection, const struct flow *up, struct slice bytes)
{
    return inspection_find_name(inspection, bytes, up->has_end, up->pool);
}

// observe looks at bytes that go on whatever they are.
static void observe(struct inspection *inspection, const struct flow *up, struct slice fresh)
{
    struct slice bytes = fresh;
    bool is_kept = true;
    if (inspection->passed != NULL) {
        is_kept = keep(inspection, up->pool, fresh);
        bytes = buffer_unread(inspection->passed);
    }
    const enum gate_step step = look(inspection, up, bytes);
    if (step == GATE_HOLDS && inspection->passed == NULL)
        is_kept = keep(inspection, up->pool, fresh);
    if (step == GATE_HOLDS && is_kept)
        return;
    if (step == GATE_JUDGES)
        begin_asking(inspection);
    if (step != GATE_PASSES || up->has_end)
        inspection->gate.state = GATE_OPEN;
    buffer_pool_give(up->pool, &inspection->passed);
}

bool inspection_passes(struct inspection *inspection, struct flow *up)
{
    const struct slice bytes = buffer_unread(up->buffer);
    if (inspection->only_observes) {
        observe(inspection, up, bytes);
        return true;
    }
    const enum gate_step step = look(inspection, up, bytes);
    if (step == GATE_JUDGES)
        begin_asking(inspection);
    return step == GATE_PASSES;
}
