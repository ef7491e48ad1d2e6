// The parts of a scan belong to the workers from worker_scan to on_part.
#include "proxy/service/survey.h"

#include <stdlib.h>

// on_part runs on a worker's thread.
static void on_part(void *arg)
{
    struct survey *survey = arg;
    (void)atomic_fetch_add(&survey->answered, 1);
    wakeup_send(&survey->done);
}

// finish puts the parts together and tells the one who has asked.
static void finish(struct survey *survey)
{
    const struct survey_question question = survey->line[0];
    struct scan sum = {0};
    question.ask(question.arg, &sum);
    for (uint32_t w = 0; w < survey->worker_count; w++) {
        scan_add(&sum, &survey->parts[w]);
        scan_deinit(&survey->parts[w]);
    }
    survey->others.collect(survey->others.arg, &sum);
    survey->asked_count = 0;
    survey->is_under_way = false;
    survey->line_len--;
    for (size_t i = 0; i < survey->line_len; i++)
        survey->line[i] = survey->line[i + 1];
    question.tell(question.arg, &sum);
    scan_deinit(&sum);
}

// begin asks every worker what the first in the line wants to know. One that has ended has only its counters to say, and
// when all have, it is the next one's turn.
static void begin(struct survey *survey)
{
    while (survey->line_len > 0 && !survey->is_under_way) {
        const struct survey_question *question = &survey->line[0];
        struct scan scan = {0};
        question->ask(question->arg, &scan);
        survey->is_under_way = true;
        survey->others_left = survey->others.ask(survey->others.arg, &scan);
        scan.on_done = on_part;
        scan.arg = survey;
        atomic_store(&survey->answered, 0);
        for (uint32_t w = 0; w < survey->worker_count; w++) {
            survey->parts[w] = scan;
            if (worker_scan(survey->workers[w], &survey->parts[w]))
                survey->asked_count++;
        }
        if (survey->asked_count == 0 && survey->others_left == 0)
            finish(survey);
    }
}

// go_on finishes what is under way, if all have answered.
static void go_on(struct survey *survey)
{
    if (!survey->is_under_way || survey->others_left > 0 ||
        atomic_load(&survey->answered) < survey->asked_count)
        return;
    finish(survey);
    begin(survey);
}

static void on_done(void *arg, uint32_t rung)
{
    (void)rung;
    go_on(arg);
}

void survey_note_other(struct survey *survey)
{
    if (survey->others_left == 0)
        return; // it was stopped meanwhile
    survey->others_left--;
    go_on(survey);
}

enum err survey_start(struct survey *survey, struct ev_loop *loop, struct worker *const *workers,
                      uint32_t worker_count, const struct survey_others *others,
                      struct errinfo *info)
{
    survey->others = *others;
    survey->workers = workers;
    survey->worker_count = worker_count;
    survey->parts = calloc(worker_count, sizeof *survey->parts);
    if (survey->parts == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to ask the workers for their numbers");
    if (!wakeup_start(&survey->done, loop, on_done, survey))
        return errinfo_set(info, ERR_SYSTEM, "cannot be told of the workers' numbers: %m");
    return ERR_OK;
}

void survey_stop(struct survey *survey)
{
    for (uint32_t w = 0; survey->parts != NULL && w < survey->worker_count; w++)
        scan_deinit(&survey->parts[w]);
    free(survey->parts);
    survey->parts = NULL;
    survey->line_len = 0;
    survey->asked_count = 0;
    survey->others_left = 0;
    survey->is_under_way = false;
    wakeup_stop(&survey->done);
}

void survey_ask(struct survey *survey, const struct survey_question *question)
{
    ASSERT(survey->line_len < SURVEY_QUESTIONS_MAX);
    survey->line[survey->line_len++] = *question;
    begin(survey);
}
