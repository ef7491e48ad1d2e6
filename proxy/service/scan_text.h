// scan_text: a question to all workers, and what they have answered, as text for another process: the one that serves asks
// the old ones. Pure.
//
// An answer is lines: a word and what belongs to it, in which a name that may have spaces comes last. A word that is not known
// is passed over, for the other process may be another version; a line that is malformed is an error. What only ever rises
// (counters, bytes of clients) is left out: it would fall when an old process ends.
#pragma once

#include "auth/base/text.h"
#include "proxy/session/scan.h"

enum { SCAN_QUESTION_CAP = 512, SCAN_ANSWER_MAX = 4 * 1024 * 1024 }; // bytes

// scan_question_format writes the question of `scan`, of at most SCAN_QUESTION_CAP bytes.
void scan_question_format(const struct scan *scan, struct text *out);

// scan_question_parse reads it into a zeroed scan. ERR_INPUT.
enum err scan_question_parse(struct slice text, struct scan *out) MUST_USE;

// scan_answer_format appends the answer.
void scan_answer_format(const struct scan *scan, struct text *out);

// scan_answer_parse adds an answer to `sum`, which has its question. ERR_INPUT: it is malformed, and part of it was added.
enum err scan_answer_parse(struct slice text, struct scan *sum) MUST_USE;
