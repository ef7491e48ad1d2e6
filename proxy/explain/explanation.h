// explanation: why a request is, or would be, allowed or denied: each thing that the policy looks at, in its
// order, and what it found. The deciding code tells (auth/policy_trace.h); nothing is decided here.
//
// Made in two steps, as a request is decided: before DNS, and with the addresses. What comes out is JSON, which
// explanation_print writes for people. No sockets, no files.
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "auth/policy.h"
#include "auth/policy_trace.h"

// question is what is asked about.
struct question {
    const struct identity *identity; // borrowed; NULL: a client without certificate
    struct ip_addr source;           // family IP_NONE: not said
    struct target target;
};

struct explanation;

// explanation_create asks about client, source and target. `policy` and `question` are borrowed until destroy.
// NULL without memory.
struct explanation *explanation_create(const struct policy *policy,
                                       const struct question *question) MUST_USE;

// explanation_destroy frees it. NULL is allowed.
void explanation_destroy(struct explanation *explanation);

// explanation_lacks_source tells that the client has `sources`, and that the question does not say where it comes
// from: there is no answer.
bool explanation_lacks_source(const struct explanation *explanation);

// explanation_lacks_addresses tells that nothing is decided yet: the addresses of the target decide.
bool explanation_lacks_addresses(const struct explanation *explanation);

// explanation_judge goes on with the addresses; `origin` says where they are from (`dns`, `given`, `target`), static
// memory. Only where they are lacking.
void explanation_judge(struct explanation *explanation, struct candidate *candidates, size_t count,
                       const char *origin);

// explanation_fail ends it where DNS has no answer; `why` is the resolver's word.
void explanation_fail(struct explanation *explanation, const char *why);

// explanation_override takes the final word away from the policy, for what only a running proxy knows: `why` is told
// as `live`. The advice for it is the caller's, or NULL.
void explanation_override(struct explanation *explanation, enum action action, enum reason reason,
                          const char *why, const char *advice);

// explanation_decision gives the final word.
const struct decision *explanation_decision(const struct explanation *explanation);

// explanation_client gives the client that it is about, or NULL.
const struct client *explanation_client(const struct explanation *explanation);

// explanation_take_json completes the object and hands it over (json_decref); NULL without memory. Once.
json_t *explanation_take_json(struct explanation *explanation) MUST_USE;

// explanation_print writes such an object for people.
void explanation_print(const json_t *explanation, FILE *out);
