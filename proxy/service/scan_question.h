// scan_question: what an operator asks of every worker, read from the argument of a control command.
//
// Pure. Who asks, and what is done with the answer, is control.c's.
#pragma once

#include "proxy/session/scan.h"

// Each reads the argument of its command into a zeroed question. False with a sentence: it cannot be read.
bool scan_question_counts(const char *argument, struct scan *out, struct errinfo *info);
bool scan_question_tunnels(const char *argument, struct scan *out, struct errinfo *info);
bool scan_question_kill(const char *argument, struct scan *out, struct errinfo *info);
