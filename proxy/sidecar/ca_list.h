// ca_list: would a server that asks for certificates of these CAs accept this chain? This is what names alone tell; the
// server's own answer counts more.
//
// Pure: DER in, a finding and text out.
#pragma once

#include <openssl/pool.h>
#include <openssl/stack.h>

#include "auth/base/text.h"

enum ca_list_finding {
    CA_LIST_SILENT,             // it names no CA
    CA_LIST_FITS,               // the chain comes to a CA of the list
    CA_LIST_LACKS_INTERMEDIATE, // it ends below one: its issuer is known here, or is akin
    CA_LIST_UNKNOWN,            // it ends elsewhere
    CA_LIST_UNREADABLE,         // a certificate of the chain cannot be read
};

// ca_list_check follows the issuers' names from the leaf of `chain` to one of `names` (DER Names). `known_pem` has more CA
// certificates: with them it tells a missing intermediate from an unknown CA.
enum ca_list_finding ca_list_check(const STACK_OF(CRYPTO_BUFFER) *chain,
                                   const STACK_OF(CRYPTO_BUFFER) *names, struct slice known_pem);

// ca_list_wire_len gives the number of bytes that the names take in a handshake.
size_t ca_list_wire_len(const STACK_OF(CRYPTO_BUFFER) *names);

// ca_list_append appends the names as text, at most a few of them.
void ca_list_append(const STACK_OF(CRYPTO_BUFFER) *names, struct text *out);
