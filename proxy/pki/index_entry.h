// index_entry: what the index says about a certificate, taken from the certificate itself. Knows no files.
#pragma once

#include <openssl/x509.h>

#include "proxy/pki/index.h"

// index_entry_of fills an entry from a certificate and the name of its files. False when an index cannot hold it.
bool index_entry_of(X509 *cert, const char *name, struct index_entry *out);
