// examination: the way from this machine through the proxy, step by step, as `sallyport doctor` shows it: what works, what
// does not, who can fix it and how.
//
// It goes on as far as it can, so that one run tells as much as possible. Blocking; for commands only.
#pragma once

#include "proxy/sidecar/credential_files.h"

enum exam_outcome { EXAM_SKIPPED, EXAM_OK, EXAM_WARNING, EXAM_FAILED };

enum { EXAM_DETAIL_CAP = 640, EXAM_WHOAMI_CAP = 16 * 1024 };

struct exam_finding {
    enum exam_outcome outcome;
    enum cause cause;             // with EXAM_FAILED
    char detail[EXAM_DETAIL_CAP]; // one line for a person; no control bytes
};

struct examination {
    struct exam_finding steps[EXAM_STEP_COUNT];
    enum cause cause;             // of the first step that has failed
    char whoami[EXAM_WHOAMI_CAP]; // the proxy's JSON, or ""
};

// exam_step_name and exam_outcome_name give stable words; static memory.
const char *exam_step_name(enum exam_step step);
const char *exam_outcome_name(enum exam_outcome outcome);

// examination_run goes through the steps to the one proxy of `way`, whose resolver it fills in, and tries a tunnel to
// `to`; NULL: it tries none. ERR_MEMORY; ERR_SYSTEM when there is no event loop or no resolver.
enum err examination_run(struct proxy_way *way, const struct target *to,
                         struct examination *out) MUST_USE;
