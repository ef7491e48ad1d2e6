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

static const char *detail_of(enum ocsp_standing worst)
{
    if (worst == OCSP_STANDS_UNPLACED)
        return "there is no OCSP responder that may be asked about a certificate of the chain, so "
               "nobody knows whether it has been revoked";
    if (worst == OCSP_STANDS_CROWDED)
        return "so many other responders are asked that there is no room for the one of a "
               "certificate of the chain";
    return "no OCSP responder has said whether a certificate of the chain has been revoked";
}

// without_answer is for a chain of which one certificate has no answer.
static struct ocsp_verdict without_answer(enum ocsp_mode mode, enum ocsp_standing worst)
{
    if (mode == OCSP_SOFT)
        return (struct ocsp_verdict){.reason = REASON_NONE, .detail = "", .is_unanswered = true};
    return (struct ocsp_verdict){.reason = REASON_OCSP_UNAVAILABLE, .detail = detail_of(worst)};
}

struct ocsp_verdict ocsp_decide(enum ocsp_mode mode, const enum ocsp_standing *standings,
                                size_t count)
{
    enum ocsp_standing worst = OCSP_STANDS_GOOD;
    bool is_unasked = false;
    for (size_t i = 0; i < count && mode != OCSP_OFF; i++) {
        worst = standings[i] > worst ? standings[i] : worst;
        is_unasked |= standings[i] == OCSP_STANDS_UNASKED;
    }
    struct ocsp_verdict verdict = {.reason = REASON_NONE, .detail = ""};
    switch (worst) {
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
        verdict.detail = standings[0] == OCSP_STANDS_REVOKED
                             ? "the client's certificate has been revoked (OCSP)"
                             : "a CA certificate of the chain has been revoked (OCSP)";
        break;
    }
    return verdict;
}
