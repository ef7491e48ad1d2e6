// The words of answers and faults.
#include "auth/ocsp_answer.h"

const char *ocsp_status_name(enum ocsp_status status)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = name,
        OCSP_STATUS_TABLE(X)
#undef X
    };
    return names[status];
}

const char *ocsp_fault_name(enum ocsp_fault fault)
{
    static const char *const names[OCSP_FAULT_COUNT] = {
#define X(symbol, name, sentence) [symbol] = name,
        OCSP_FAULT_TABLE(X)
#undef X
    };
    return names[fault];
}

const char *ocsp_fault_sentence(enum ocsp_fault fault)
{
    static const char *const sentences[OCSP_FAULT_COUNT] = {
#define X(symbol, name, sentence) [symbol] = sentence,
        OCSP_FAULT_TABLE(X)
#undef X
    };
    return sentences[fault];
}
