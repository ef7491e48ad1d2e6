// monitor_client: who shows a certificate at `admin`: how it is judged, and the record of one that is refused.
#pragma once

#include "proxy/monitor/monitor_server.h"

struct service;

// monitor_client_judge judges a chain by the profile of today, and by today's blocks. A monitor_judge_fn.
enum err monitor_client_judge(const struct service *service, const STACK_OF(CRYPTO_BUFFER) *chain,
                              struct trust_verdict *out, enum tls_alert *out_alert) MUST_USE;

// monitor_client_record writes, or counts, a refused handshake, as at a listener of the name `admin`.
void monitor_client_record(const struct service *service, const struct monitor_failure *failure);
