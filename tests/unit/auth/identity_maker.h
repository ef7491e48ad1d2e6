// identity_maker: identities for tests, through a real certificate and the real identity.c.
//
// A certificate is described in one line, `cn=a dns=b.example uri=spiffe://c/d trust=staff`. Keys:
// cn, ou, o (may stand several times), dns, uri, email, ip, serial (hex), issuer (a CN), trust. The values
// hold no blanks.
#pragma once

#include "auth/identity.h"

// identity_make gives a new identity, owned by the caller; the test fails when it cannot.
struct identity *identity_make(const char *description);
