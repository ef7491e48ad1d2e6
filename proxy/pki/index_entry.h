// index_entry: makes the entry of a certificate for the index. Knows no files.
#pragma once

#include <openssl/x509.h>

#include "proxy/pki/index.h"

// index_entry_of makes an entry from a certificate and the name of its files. False when the index cannot hold it.
bool index_entry_of(X509 *cert, const char *name, struct index_entry *out);
