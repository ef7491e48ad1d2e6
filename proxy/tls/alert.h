// alert: the alerts of TLS (RFC 8446 6) that have a meaning here, with their numbers and names.
//
// One table for both directions: what we tell a peer whose certificate is refused, and what a peer has told us. Pure.
#pragma once

#include <stdint.h>

#define TLS_ALERT_TABLE(X)                                                                         \
    X(TLS_ALERT_UNEXPECTED_MESSAGE, 10, "unexpected_message")                                      \
    X(TLS_ALERT_BAD_RECORD_MAC, 20, "bad_record_mac")                                              \
    X(TLS_ALERT_RECORD_OVERFLOW, 22, "record_overflow")                                            \
    X(TLS_ALERT_HANDSHAKE_FAILURE, 40, "handshake_failure")                                        \
    X(TLS_ALERT_BAD_CERTIFICATE, 42, "bad_certificate")                                            \
    X(TLS_ALERT_UNSUPPORTED_CERTIFICATE, 43, "unsupported_certificate")                            \
    X(TLS_ALERT_CERTIFICATE_REVOKED, 44, "certificate_revoked")                                    \
    X(TLS_ALERT_CERTIFICATE_EXPIRED, 45, "certificate_expired")                                    \
    X(TLS_ALERT_CERTIFICATE_UNKNOWN, 46, "certificate_unknown")                                    \
    X(TLS_ALERT_ILLEGAL_PARAMETER, 47, "illegal_parameter")                                        \
    X(TLS_ALERT_UNKNOWN_CA, 48, "unknown_ca")                                                      \
    X(TLS_ALERT_ACCESS_DENIED, 49, "access_denied")                                                \
    X(TLS_ALERT_DECODE_ERROR, 50, "decode_error")                                                  \
    X(TLS_ALERT_DECRYPT_ERROR, 51, "decrypt_error")                                                \
    X(TLS_ALERT_PROTOCOL_VERSION, 70, "protocol_version")                                          \
    X(TLS_ALERT_INSUFFICIENT_SECURITY, 71, "insufficient_security")                                \
    X(TLS_ALERT_INTERNAL_ERROR, 80, "internal_error")                                              \
    X(TLS_ALERT_USER_CANCELED, 90, "user_canceled")                                                \
    X(TLS_ALERT_MISSING_EXTENSION, 109, "missing_extension")                                       \
    X(TLS_ALERT_UNRECOGNIZED_NAME, 112, "unrecognized_name")                                       \
    X(TLS_ALERT_CERTIFICATE_REQUIRED, 116, "certificate_required")                                 \
    X(TLS_ALERT_NO_APPLICATION_PROTOCOL, 120, "no_application_protocol")

enum tls_alert {
#define X(symbol, number, name) symbol = number,
    TLS_ALERT_TABLE(X)
#undef X
};

// tls_alert_name gives the name of an alert in the RFCs, such as `certificate_expired`; `unknown` for a number that the
// table does not have. Static memory.
const char *tls_alert_name(uint8_t alert);
