// validity: how long certificates and lists are still valid, for findings.
#pragma once

#include "proxy/config/reader.h"

enum { CERTIFICATE_WARNING_DAYS = 14 }; // a certificate with so few left is a warning

// validity_report notes how long the certificate `what` with `subject` is valid, or warns when that
// is not long.
void validity_report(struct reader *reader, const struct node *node, const char *what,
                     const char *subject, int64_t not_after_s);
