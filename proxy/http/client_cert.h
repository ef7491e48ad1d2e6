// client_cert: the fields in which one proxy tells the next one whose request it is: Client-Cert, the certificate of the
// client, and Client-Cert-Chain, what came with it (RFC 9440).
//
// Pure. There is one spelling of a certificate: a Byte Sequence (RFC 8941 3.3.5) without parameters, in base64 with its
// padding and no bit to spare. Whether it is a certificate, and whether anybody believes it, is for others.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/base/text.h"

enum {
    CLIENT_CERT_MAX = 16, // certificates of both fields, as of a handshake (auth/chain.h)
    // bytes of the lines of both fields, beside their values
    CLIENT_CERT_FIELDS_LEN = sizeof "Client-Cert: \r\nClient-Cert-Chain: \r\n" - 1,
};

enum client_cert_result {
    CLIENT_CERT_NONE,
    CLIENT_CERT_FOUND,
    CLIENT_CERT_BAD, // two readers could find two clients in it
};

// client_cert is the two values. Zeroed: there is none. Borrowed from the head. Private to client_cert.c.
struct client_cert {
    struct slice leaf;
    struct slice chain;
    size_t count; // certificates that have been read
    bool has_leaf;
    bool has_chain;
};

// client_cert_is_field tells whether a field of this name says whose request it is, also where an underscore stands for a
// dash, which programs behind CGI and WSGI do not tell apart.
bool client_cert_is_field(struct slice name);

// client_cert_find looks for them among the field lines of a head. CLIENT_CERT_BAD: one comes twice, has an underscore, or is
// a chain without a client; `*out_why` is a few words then, static memory.
enum client_cert_result client_cert_find(struct slice fields, struct client_cert *out,
                                         const char **out_why);

// client_cert_next reads the next certificate, the client's own first, into `out`. ERR_EOF: there are no more; ERR_LIMIT: it
// has more than `cap` bytes, or there are more than CLIENT_CERT_MAX; ERR_INPUT: it is malformed.
enum err client_cert_next(struct client_cert *rest, uint8_t *out, size_t cap,
                          size_t *out_len) MUST_USE;

// client_cert_text_len gives the bytes that client_cert_append appends for `len` bytes.
size_t client_cert_text_len(size_t len);

// client_cert_append appends a certificate as a Byte Sequence.
void client_cert_append(struct slice der, struct text *out);
