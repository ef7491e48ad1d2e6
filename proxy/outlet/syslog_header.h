// syslog_header: what stands in front of a record in a syslog message (RFC 5424, 6). Pure.
#pragma once

#include "auth/base/text.h"

enum { SYSLOG_HEADER_CAP = 512, SYSLOG_HOST_MAX = 255 };

// syslog_header_append writes facility `log audit` and severity `informational`, the time and the event of the record
// (`-` where it has none), the host (printable ASCII of 1 to SYSLOG_HOST_MAX bytes, or it is `-`), the name of this program
// and the process id, with the blank before the message.
void syslog_header_append(struct text *out, struct slice record, const char *host, int pid);
