// cause: why the proxy cannot be used, from the client's side: one stable word for each cause, which side can fix it,
// and what a person can do about it. The sidecar answers with causes, the doctor reports them.
//
// Pure: alerts, verdicts, words of answers and times in, a cause out. An alert says less than the proxy knows. If our own certificate
// explains the rest (it has expired, it is not for clients), the cause says so.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/base/slice.h"
#include "auth/reason.h"

#define CAUSE_SIDE_TABLE(X)                                                                        \
    X(SIDE_NOBODY, "")                                                                             \
    X(SIDE_CLIENT, "client")   /* this machine: its files, its command line, its clock */          \
    X(SIDE_NETWORK, "network") /* between here and the proxy */                                    \
    X(SIDE_PROXY, "proxy")     /* the proxy, or the address that should be it */                   \
    X(SIDE_POLICY, "policy")   /* the proxy's rules */                                             \
    X(SIDE_TARGET, "target")   /* the target */

// cause_side is the side that can fix it.
enum cause_side {
#define X(symbol, name) symbol,
    CAUSE_SIDE_TABLE(X)
#undef X
};

#define EXAM_STEP_TABLE(X)                                                                         \
    X(EXAM_FILES, "files")                         /* certificate, key and CAs can be loaded */    \
    X(EXAM_OWN_CERTIFICATE, "own_certificate")     /* dates and purpose */                         \
    X(EXAM_NAME, "name")                           /* the proxy's name is resolved */              \
    X(EXAM_TCP, "tcp")                             /* the proxy's port accepts connections */      \
    X(EXAM_PROXY_CERTIFICATE, "proxy_certificate") /* chain, name and dates */                     \
    X(EXAM_HANDSHAKE, "handshake")                 /* TLS */                                       \
    X(EXAM_CA_LIST, "ca_list")                     /* would the CAs that it names accept us? */    \
    X(EXAM_ACCEPTED, "accepted")                   /* the proxy takes our certificate */           \
    X(EXAM_WHOAMI, "whoami")                       /* who we are to the proxy */                   \
    X(EXAM_CONNECT, "connect")                     /* a tunnel to the target */

// exam_step is a step of the way from this machine through the proxy, as the doctor examines it.
enum exam_step {
#define X(symbol, name) symbol,
    EXAM_STEP_TABLE(X)
#undef X
        EXAM_STEP_COUNT
};

// Symbol, word, side, the step at which it shows, HTTP status and error of RFC 9209 for the sidecar's answer, what it is,
// what to do.
#define CAUSE_TABLE(X)                                                                                                                                                          \
    X(CAUSE_NONE, "ok", NOBODY, FILES, 200, "", "all is well", "")                                                                                                              \
    X(CAUSE_CERT_FILE, "cert_file", CLIENT, FILES, 503, "proxy_configuration_error",                                                                                            \
      "your certificate cannot be loaded",                                                                                                                                      \
      "give --cert a PEM file: the certificate first, then its intermediates")                                                                                                  \
    X(CAUSE_KEY_FILE, "key_file", CLIENT, FILES, 503, "proxy_configuration_error",                                                                                              \
      "the private key cannot be loaded",                                                                                                                                       \
      "give --key a PEM file that only its owner can read: chmod 600")                                                                                                          \
    X(CAUSE_KEY_ENCRYPTED, "key_encrypted", CLIENT, FILES, 503, "proxy_configuration_error",                                                                                    \
      "the private key is encrypted",                                                                                                                                           \
      "no passphrase can be asked for here; decrypt it into a file that only its owner "                                                                                        \
      "can read: openssl pkey -in KEY -out NEW")                                                                                                                                \
    X(CAUSE_KEY_MISMATCH, "key_mismatch", CLIENT, FILES, 503, "proxy_configuration_error",                                                                                      \
      "the private key does not belong to the certificate",                                                                                                                     \
      "--cert and --key must be a pair, and your certificate must be the first one in --cert")                                                                                  \
    X(CAUSE_CA_FILE, "ca_file", CLIENT, FILES, 503, "proxy_configuration_error",                                                                                                \
      "the CA file cannot be loaded",                                                                                                                                           \
      "give --ca the PEM file of the CA that has issued the proxy's certificate")                                                                                               \
    X(CAUSE_TLS_TO_SIDECAR, "tls_to_sidecar", CLIENT, FILES, 400, "http_request_error",                                                                                         \
      "the sidecar's port speaks plain HTTP, not TLS",                                                                                                                          \
      "write http:// instead of https:// in the program's proxy URL: the TLS to the proxy is "                                                                                  \
      "the sidecar's")                                                                                                                                                          \
    X(CAUSE_DNS_NOT_FOUND, "dns_not_found", NETWORK, NAME, 502, "dns_error",                                                                                                    \
      "the proxy's name does not exist",                                                                                                                                        \
      "check the name in --proxy, and whether this network knows it")                                                                                                           \
    X(CAUSE_DNS_FAILED, "dns_failed", NETWORK, NAME, 502, "dns_error",                                                                                                          \
      "the proxy's name cannot be resolved",                                                                                                                                    \
      "check this machine's DNS (/etc/resolv.conf), or name a server with --resolver")                                                                                          \
    X(CAUSE_CONNECTION_REFUSED, "connection_refused", NETWORK, TCP, 502, "connection_refused",                                                                                  \
      "the proxy refuses connections",                                                                                                                                          \
      "check the port in --proxy; is the proxy running? Is there a firewall between?")                                                                                          \
    X(CAUSE_CONNECTION_TIMEOUT, "connection_timeout", NETWORK, TCP, 504, "connection_timeout",                                                                                  \
      "the proxy does not answer",                                                                                                                                              \
      "check the address in --proxy; a firewall between here and there may drop packets")                                                                                       \
    X(CAUSE_NO_RESOURCES, "no_resources", CLIENT, TCP, 503, "connection_limit_reached",                                                                                         \
      "out of descriptors or memory", "raise the limit of open files, or close something")                                                                                      \
    X(CAUSE_CLOSED, "closed", PROXY, HANDSHAKE, 502, "connection_terminated",                                                                                                   \
      "the proxy closed the connection",                                                                                                                                        \
      "is this the proxy's port? If so, the proxy's log says why; a proxy that names hundreds of trusted CAs needs `client_ca_names: none`")                                    \
    X(CAUSE_HANDSHAKE_TIMEOUT, "handshake_timeout", PROXY, HANDSHAKE, 504, "connection_timeout",                                                                                \
      "the proxy did not finish the TLS handshake",                                                                                                                             \
      "is this the proxy's port? Something accepts connections there and sends nothing")                                                                                        \
    X(CAUSE_PLAIN_HTTP, "plain_http", PROXY, HANDSHAKE, 502, "tls_protocol_error",                                                                                              \
      "that port speaks plain HTTP, not TLS",                                                                                                                                   \
      "this is another proxy's port, or a web server's: check the port in --proxy")                                                                                             \
    X(CAUSE_NOT_TLS, "not_tls", PROXY, HANDSHAKE, 502, "tls_protocol_error",                                                                                                    \
      "that port does not speak TLS", "check the port in --proxy")                                                                                                              \
    X(CAUSE_PROTOCOL, "protocol", PROXY, HANDSHAKE, 502, "tls_protocol_error",                                                                                                  \
      "no TLS version or cipher suite in common",                                                                                                                               \
      "the proxy must speak TLS 1.2 or 1.3 with ECDHE and an AEAD cipher")                                                                                                      \
    X(CAUSE_PROXY_UNKNOWN_CA, "proxy_unknown_ca", PROXY, PROXY_CERTIFICATE, 502,                                                                                                \
      "tls_certificate_error", "the proxy's certificate is not from a CA in --ca",                                                                                              \
      "give --ca the CA of the proxy's own certificate, which may differ from the CA of the clients")                                                                           \
    X(CAUSE_PROXY_MISSING_INTERMEDIATE, "proxy_missing_intermediate", PROXY, PROXY_CERTIFICATE,                                                                                 \
      502, "tls_certificate_error", "the proxy does not send its intermediate certificate",                                                                                     \
      "the proxy's `chain` file needs the intermediates after the leaf")                                                                                                        \
    X(CAUSE_PROXY_BAD_PURPOSE, "proxy_bad_purpose", PROXY, PROXY_CERTIFICATE, 502,                                                                                              \
      "tls_certificate_error", "the proxy's certificate is not for servers",                                                                                                    \
      "the proxy needs a certificate with the extended key usage serverAuth")                                                                                                   \
    X(CAUSE_PROXY_EXPIRED, "proxy_expired", PROXY, PROXY_CERTIFICATE, 502,                                                                                                      \
      "tls_certificate_error", "the proxy's certificate has expired",                                                                                                           \
      "the proxy's operator must renew it; is the clock of this machine right?")                                                                                                \
    X(CAUSE_PROXY_NOT_YET_VALID, "proxy_not_yet_valid", PROXY, PROXY_CERTIFICATE, 502,                                                                                          \
      "tls_certificate_error", "the proxy's certificate is not valid yet",                                                                                                      \
      "is the clock of this machine right?")                                                                                                                                    \
    X(CAUSE_PROXY_NAME_MISMATCH, "proxy_name_mismatch", PROXY, PROXY_CERTIFICATE, 502,                                                                                          \
      "tls_certificate_error", "the proxy's certificate is for another name",                                                                                                   \
      "use a name of the certificate in --proxy, or have this name added to its SAN")                                                                                           \
    X(CAUSE_PROXY_PIN_MISMATCH, "proxy_pin_mismatch", PROXY, PROXY_CERTIFICATE, 502,                                                                                            \
      "tls_certificate_error", "the proxy's key is not one of the pinned keys",                                                                                                 \
      "if the new key is intended, give its --pin (`sallyport doctor` shows it); if not, somebody else may answer there")                                                       \
    X(CAUSE_PROXY_BAD_CERTIFICATE, "proxy_bad_certificate", PROXY, PROXY_CERTIFICATE, 502,                                                                                      \
      "tls_certificate_error", "the proxy's certificate is not acceptable",                                                                                                     \
      "the proxy's operator must replace it")                                                                                                                                   \
    X(CAUSE_NO_CERTIFICATE_REQUESTED, "no_certificate_requested", PROXY, CA_LIST, 502,                                                                                          \
      "tls_protocol_error", "the server does not ask for a client certificate",                                                                                                 \
      "this is another server's port, or an origin's: check host and port in --proxy")                                                                                          \
    X(CAUSE_NO_CERTIFICATE, "no_certificate", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                      \
      "the proxy wants a client certificate and got none",                                                                                                                      \
      "give --cert and --key; with curl that is --proxy-cert and --proxy-key, because --cert and --key are for the origin")                                                     \
    X(CAUSE_EXPIRED, "expired", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                                    \
      "your certificate has expired",                                                                                                                                           \
      "renew it: sallyport ca renew, or ask the person who issued it")                                                                                                          \
    X(CAUSE_NOT_YET_VALID, "not_yet_valid", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                        \
      "your certificate is not valid yet", "are the clocks of both machines right?")                                                                                            \
    X(CAUSE_REVOKED, "revoked", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                                    \
      "your certificate is revoked", "ask the person who issued it for a new one")                                                                                              \
    X(CAUSE_UNKNOWN_CA, "unknown_ca", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                              \
      "the proxy does not know the CA of your certificate",                                                                                                                     \
      "use a certificate from a CA that the proxy trusts, and send its intermediates too: put them after the certificate in --cert")                                            \
    X(CAUSE_MISSING_INTERMEDIATE, "missing_intermediate", CLIENT, ACCEPTED, 502,                                                                                                \
      "tls_alert_received", "an intermediate certificate is missing",                                                                                                           \
      "put the certificate of the CA that issued yours after it in --cert")                                                                                                     \
    X(CAUSE_BAD_PURPOSE, "bad_purpose", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                            \
      "your certificate is not for clients",                                                                                                                                    \
      "use a certificate with the extended key usage clientAuth, and digitalSignature")                                                                                         \
    X(CAUSE_WEAK_KEY, "weak_key", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                                  \
      "your key or signature is too weak",                                                                                                                                      \
      "use RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519, signed with SHA-256")                                                                                      \
    X(CAUSE_WRONG_TRUST_DOMAIN, "wrong_trust_domain", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                              \
      "your SPIFFE ID is of another trust domain",                                                                                                                              \
      "use the certificate that your own trust domain has issued; the proxy's answer names the domain that it expects")                                                         \
    X(CAUSE_REFUSED, "refused", CLIENT, ACCEPTED, 502, "tls_alert_received",                                                                                                    \
      "the proxy refuses your certificate",                                                                                                                                     \
      "the proxy's audit log has the reason: event handshake_refused")                                                                                                          \
    X(CAUSE_NOT_A_PROXY, "not_a_proxy", PROXY, WHOAMI, 502, "http_protocol_error",                                                                                              \
      "what answers there is not Sallyport",                                                                                                                                    \
      "this is a web server, or another proxy: check host and port in --proxy")                                                                                                 \
    X(CAUSE_BLOCKED, "blocked", POLICY, ACCEPTED, 502, "tls_alert_received",                                                                                                    \
      "the proxy's operator has blocked you",                                                                                                                                   \
      "ask the proxy's operator: `sallyport status` there lists the blocks")                                                                                                    \
    X(CAUSE_REVOCATION_UNKNOWN, "revocation_unknown", PROXY, ACCEPTED, 502, "tls_alert_received",                                                                               \
      "the proxy cannot tell whether your certificate is revoked",                                                                                                              \
      "nothing is wrong here: the proxy's operator must look at its CRLs and OCSP responders; event handshake_refused of its audit log has the reason")                         \
    X(CAUSE_DENIED, "denied", POLICY, CONNECT, 403, "http_request_denied",                                                                                                      \
      "the proxy's rules say no",                                                                                                                                               \
      "ask the proxy's operator, with the id, which is in the audit log")                                                                                                       \
    X(CAUSE_NOT_AUTHORIZED, "not_authorized", POLICY, CONNECT, 403, "http_request_denied",                                                                                      \
      "the proxy's authorizer says no",                                                                                                                                         \
      "ask the proxy's operator, with the id, who runs the authorizer")                                                                                                         \
    X(CAUSE_OVER_LIMIT, "over_limit", POLICY, CONNECT, 429, "connection_limit_reached",                                                                                         \
      "you use as much of the proxy as its limits allow you",                                                                                                                   \
      "close tunnels, open fewer at once, or ask the proxy's operator for a higher limit")                                                                                      \
    X(CAUSE_BAD_TARGET, "bad_target", CLIENT, CONNECT, 400, "http_request_error",                                                                                               \
      "the proxy cannot use the target as it is written",                                                                                                                       \
      "give a plain host:port; the answer says what is wrong with it")                                                                                                          \
    X(CAUSE_IDENTITY_UNTOLD, "identity_untold", CLIENT, CONNECT, 403, "http_request_denied",                                                                                    \
      "a parent must be told your certificate: it is missing or too large",                                                                                                     \
      "give --cert and --key, with as few intermediates as possible")                                                                                                           \
    X(CAUSE_TARGET_NOT_FOUND, "target_not_found", TARGET, CONNECT, 502, "dns_error",                                                                                            \
      "the target's name has no address",                                                                                                                                       \
      "check the target's name; does the proxy's DNS know it?")                                                                                                                 \
    X(CAUSE_TARGET_FAILED, "target_failed", TARGET, CONNECT, 502, "http_response_incomplete",                                                                                   \
      "the proxy cannot reach the target",                                                                                                                                      \
      "check the target's port, and whether it answers the proxy's machine")                                                                                                    \
    X(CAUSE_PROXY_DNS_FAILED, "proxy_dns_failed", PROXY, CONNECT, 502, "dns_error",                                                                                             \
      "the proxy cannot resolve the target's name",                                                                                                                             \
      "the proxy's operator: its DNS servers do not answer, or answer with a failure; dns_server_failing in its log says which. If all are well, ask those who serve the name") \
    X(CAUSE_PARENT_FAILED, "parent_failed", PROXY, CONNECT, 502, "destination_unavailable",                                                                                     \
      "the proxy cannot use its parent, through which the request leads",                                                                                                       \
      "the proxy's operator: the reason and the word after it say what failed; `sallyport status` lists parents that have `health`")                                            \
    X(CAUSE_PARENT_REFUSED, "parent_refused", PROXY, CONNECT, 502, "destination_unavailable",                                                                                   \
      "a parent of the proxy has refused",                                                                                                                                      \
      "the proxy's operator: Proxy-Status has the words of the parent, whose own log knows more")                                                                               \
    X(CAUSE_AUTHORIZER_FAILED, "authorizer_failed", PROXY, CONNECT, 503, "proxy_internal_error",                                                                                \
      "the proxy's authorizer gives no answer",                                                                                                                                 \
      "the proxy's operator: look at the authorizer; `authorizer.why` of the record with the id says what was wrong")                                                           \
    X(CAUSE_STORE_LOST, "store_lost", PROXY, CONNECT, 503, "proxy_internal_error",                                                                                              \
      "the store that the proxy shares does not answer",                                                                                                                        \
      "try again in a second. The proxy's operator: `sallyport status` says what is wrong with the store; `shared.on_lost` whether limits go on without it")                    \
    X(CAUSE_NO_EGRESS, "no_egress", PROXY, CONNECT, 502, "proxy_configuration_error",                                                                                           \
      "the proxy has no address of its own from which to reach the target",                                                                                                     \
      "the proxy's operator: correct `egress`, or give the machine the address")                                                                                                \
    X(CAUSE_LOOP, "loop", PROXY, CONNECT, 502, "proxy_loop_detected",                                                                                                           \
      "the request came back to a proxy where it has been",                                                                                                                     \
      "the proxy's operator: two proxies are each other's parents")                                                                                                             \
    X(CAUSE_UNEXPLAINED, "unexplained", PROXY, CONNECT, 502, "http_response_incomplete",                                                                                        \
      "the proxy refuses for a reason that is not known here",                                                                                                                  \
      "the proxy may be newer than this program; ask its operator, with the id, which is in the audit log")                                                                     \
    X(CAUSE_UNAVAILABLE, "unavailable", PROXY, ACCEPTED, 503, "proxy_internal_error",                                                                                           \
      "the proxy accepts no requests now",                                                                                                                                      \
      "it is stopping, overloaded, or cannot write its audit")

enum cause {
#define X(symbol, name, side, step, status, error, phrase, advice) symbol,
    CAUSE_TABLE(X)
#undef X
        CAUSE_COUNT
};

// cause_info is a row of the table; the texts are static memory.
struct cause_info {
    const char *name;
    enum cause_side side;
    enum exam_step step;
    uint16_t status;
    const char *proxy_status; // the error of RFC 9209
    const char *phrase;
    const char *advice;
};

// cause_side_name gives the word for a side; static memory.
const char *cause_side_name(enum cause_side side);

// cause_info gives the row of a cause; static memory.
const struct cause_info *cause_info(enum cause cause);

// own_certificate is what we know about the certificate that we show.
struct own_certificate {
    bool is_shown;        // there is one
    bool is_for_clients;  // its key usage and extended key usage allow it
    int64_t not_before_s; // Unix seconds
    int64_t not_after_s;
};

// cause_of_alert tells what a fatal alert of the proxy (RFC 8446 6.2) means to a client that has shown `own`.
enum cause cause_of_alert(uint8_t alert, const struct own_certificate *own, int64_t now_s);

// cause_is_absence tells whether the proxy was not reached at all, so that another proxy, or the same one a moment
// later, may do. A server that answers and is not the proxy, or a proxy that refuses, is not absent.
bool cause_is_absence(enum cause cause);

// cause_of_verdict tells what our verdict on the proxy's certificate means.
enum cause cause_of_verdict(enum reason reason);

// cause_of_answer tells what the reason means with which a Sallyport has refused a request. `detail` is what follows it in
// `details` of Proxy-Status, or empty. CAUSE_UNEXPLAINED for a reason that no such answer should have.
enum cause cause_of_answer(enum reason reason, struct slice detail);
