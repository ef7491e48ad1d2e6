// constraints: what the library leaves undone of name constraints (RFC 5280 4.2.1.10), and how much
// work they are. Private to auth.
//
// The library applies constraints of host names, e-mail addresses, URIs and directory names. It refuses a
// certificate with an address under a constraint of addresses, and one without other names whose CN might
// be a host name. chain.c lets these two errors pass and asks constraints_check_rest instead, which
// judges the path again: with the addresses by itself, with the rest by the library.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

// constraints_count_comparisons gives how many times a name has to be compared with a constraint, for all
// certificates of a path and all that stand above them. Stops counting soon above `limit`.
size_t constraints_count_comparisons(X509 *const *certs, size_t count, size_t limit);

// constraints_is_left tells whether an error of X509_verify_cert (X509_V_ERR_...) is one that
// constraints_check_rest judges.
bool constraints_is_left(int error);

// constraints_check_rest judges a path, leaf first, that the library has found good but for the errors of
// constraints_is_left. X509_V_OK, or an X509_V_ERR of name constraints.
int constraints_check_rest(X509 *const *certs, size_t count);
