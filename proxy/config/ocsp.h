// ocsp: `ocsp` of a trust profile.
#pragma once

#include "auth/ocsp_settings.h"
#include "proxy/config/section.h"

extern const struct section ocsp_section;

// ocsp_read reads the map `node` (NULL: there is none); a handshake has `handshake_ms` for all. The caller owns the reference
// that it gives; NULL where nobody is asked, or after an error.
struct ocsp_settings *ocsp_read(struct reader *reader, const struct node *node,
                                int64_t handshake_ms);
