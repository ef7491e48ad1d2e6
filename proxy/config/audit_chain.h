// audit_chain: `audit.chain`: the key that signs the audit log, and how often.
#pragma once

#include "proxy/config/section.h"

extern const struct section audit_chain_section;

// audit_chain_read is the key_read of `chain`; its field is a pointer to a struct chain_settings, which the snapshot owns.
key_read audit_chain_read;
