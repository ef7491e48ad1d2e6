// crc32c: the checksum of RFC 3720, appendix B.4 (Castagnoli), as the PROXY protocol uses it. Pure.
#pragma once

#include "auth/base/slice.h"

// crc32c_add goes on with a checksum, 0 at first, over further bytes.
uint32_t crc32c_add(uint32_t crc, struct slice bytes);
