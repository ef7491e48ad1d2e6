// The worst standing decides.
#include "auth/ocsp_verdict.h"

const char *ocsp_mode_name(enum ocsp_mode mode)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = name,
        OCSP_MODE_TABLE(X)
#undef X
    };
    return names[mode];
}

#define NOBODY_HAS_SAID                                                                            \
    "no OCSP responder has said whether a certificate of the chain has been revoked: "

// why_of tells why a certificate has no answer.
static const struct ocsp_why *why_of(const struct ocsp_view *view)
{
    static const struct ocsp_why unplaced = {"nobody_to_ask", NOBODY_HAS_SAID
                                             "there is none that may be asked about it"};
    static const struct ocsp_why crowded = {
        "no_room", NOBODY_HAS_SAID "so many are asked that there is no room for another one"};
    static const struct ocsp_why unheard = {"no_answer_yet",
                                            NOBODY_HAS_SAID "it has not answered in time"};
    static const struct ocsp_why faults[OCSP_FAULT_COUNT] = {
#define X(symbol, name, sentence) [symbol] = {name, NOBODY_HAS_SAID sentence},
        OCSP_FAULT_TABLE(X)
#undef X
    };
    if (view->standing == OCSP_STANDS_UNPLACED)
        return &unplaced;
    if (view->standing == OCSP_STANDS_CROWDED)
        return &crowded;
    return view->fault == OCSP_FAULT_NONE ? &unheard : &faults[view->fault];
}

// without_answer is for a chain of which one certificate has no answer.
static struct ocsp_verdict without_answer(enum ocsp_mode mode, const struct ocsp_view *view)
{
    const struct ocsp_why *why = why_of(view);
    if (mode == OCSP_SOFT)
        return (struct ocsp_verdict){.reason = REASON_NONE, .detail = "", .why = why};
    return (struct ocsp_verdict){
        .reason = REASON_OCSP_UNAVAILABLE, .detail = why->sentence, .why = why};
}

// is_worse tells whether `view` says more than `other` about why a chain is not let in.
static bool is_worse(const struct ocsp_view *view, const struct ocsp_view *other)
{
    if (view->standing != other->standing)
        return view->standing > other->standing;
    return other->fault == OCSP_FAULT_NONE && view->fault != OCSP_FAULT_NONE;
}

struct ocsp_verdict ocsp_decide(enum ocsp_mode mode, const struct ocsp_view *views, size_t count)
{
    static const struct ocsp_view good = {.standing = OCSP_STANDS_GOOD};
    const struct ocsp_view *worst = &good;
    bool is_unasked = false;
    for (size_t i = 0; i < count && mode != OCSP_OFF; i++) {
        worst = is_worse(&views[i], worst) ? &views[i] : worst;
        is_unasked |= views[i].standing == OCSP_STANDS_UNASKED;
    }
    struct ocsp_verdict verdict = {.reason = REASON_NONE, .detail = ""};
    switch (worst->standing) {
    case OCSP_STANDS_GOOD:
        break;
    case OCSP_STANDS_UNASKED:
    case OCSP_STANDS_SILENT:
    case OCSP_STANDS_CROWDED:
    case OCSP_STANDS_UNPLACED:
        verdict = without_answer(mode, worst);
        verdict.waits = is_unasked;
        break;
    case OCSP_STANDS_UNKNOWN:
        verdict.reason = REASON_OCSP_UNKNOWN;
        verdict.detail = "the OCSP responder does not know a certificate of the chain";
        break;
    case OCSP_STANDS_REVOKED:
        verdict.reason = REASON_REVOKED;
        verdict.detail = views[0].standing == OCSP_STANDS_REVOKED
                             ? "the client's certificate has been revoked (OCSP)"
                             : "a CA certificate of the chain has been revoked (OCSP)";
        break;
    }
    return verdict;
}
