// validity: how long certificates and lists are still valid, for findings.
#pragma once

#include "proxy/config/reader.h"

enum {
    CERTIFICATE_WARNING_DAYS = 14, // a certificate with so few left is a warning
    DATE_TEXT_CAP = 16,            // bytes, with the NUL
};

// date_format writes `2026-11-22` for Unix seconds, NUL-terminated, and returns `out`.
const char *date_format(int64_t time_s, char out[DATE_TEXT_CAP]);

// days_left returns the whole days from `now_s` to `not_after_s`; negative when it has passed.
int64_t days_left(int64_t now_s, int64_t not_after_s);

// validity_report notes how long the certificate `what` with `subject` is valid, or warns when that
// is not long.
void validity_report(struct reader *reader, const struct node *node, const char *what,
                     const char *subject, int64_t not_after_s);
