// in_force_text: what the process that serves asks an old one about its configuration, and what that one answers. Pure.
//
// The question is the id of the configuration that serves: `in_force ID`. The answer comes when the old process goes by the same,
// or cannot: `same`, or `other` and why. A process of a version that does not know the question has an empty answer.
#pragma once

#include "auth/base/text.h"

enum {
    IN_FORCE_ID_CAP = 17, // of a configuration, as in struct snapshot
    IN_FORCE_QUESTION_CAP = 32,
    IN_FORCE_WHY_CAP = 512, // bytes of a sentence; more is cut
};

enum in_force_verdict {
    IN_FORCE_UNSAID,  // there is no answer
    IN_FORCE_UNKNOWN, // there is one that is not understood
    IN_FORCE_SAME,
    IN_FORCE_OTHER,
};

// in_force_question_format writes the question about the configuration with this id.
void in_force_question_format(const char *id, struct text *out);

// in_force_question_parse reads it, and gives the id. False: it is another question.
bool in_force_question_parse(struct slice question, char out_id[IN_FORCE_ID_CAP]) MUST_USE;

// in_force_answer_format writes the answer; `why` is NULL where both go by the same.
void in_force_answer_format(const char *why, struct text *out);

// in_force_answer_parse reads it; `out_why` is "" unless the verdict is IN_FORCE_OTHER.
enum in_force_verdict in_force_answer_parse(struct slice answer, char out_why[IN_FORCE_WHY_CAP]);
