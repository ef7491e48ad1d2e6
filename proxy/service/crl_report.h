// crl_report: what status, metrics and health say about the revocation lists that are fetched.
#pragma once

#include "auth/base/text.h"
#include "proxy/metrics/exposition.h"
#include "proxy/service/crl_fetches.h"

// crl_report_status adds the array `crl_fetches` to an object.
void crl_report_status(const struct crl_fetches *fetches, struct text *out);

// crl_report_unlisted adds the array `crl_unlisted`: what certificates have named below no prefix.
void crl_report_unlisted(const struct snapshot *snapshot, struct text *out);

// crl_report_metrics adds the families about fetching.
void crl_report_metrics(const struct crl_fetches *fetches, struct exposition *out);

// crl_report_health adds a line for each CA whose list is to be fetched and is not there, so that its clients are refused.
// True: there is none.
bool crl_report_health(const struct snapshot *snapshot, struct text *out);
