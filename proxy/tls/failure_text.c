// One row a word. BoringSSL's are in upper case; those that begin with TLSV1_ALERT or SSLV3_ALERT are alerts that the
// client has sent (RFC 8446 6.2).
#include "proxy/tls/failure_text.h"

#include <stddef.h>

#include "auth/base/slice.h"

struct row {
    const char *word;
    const char *sentence;
};

static const struct row rows[] = {
    {"plain_http", "the client speaks plain HTTP: the proxy's URL must begin with https://"},
    {"proxy_header",
     "a PROXY header, from an address that may send none, or a second one (proxy_protocol.from)"},
    {"not_tls", "the first bytes are not TLS: the other side speaks another protocol on this port"},
    {"no_signature",
     "the process that holds the private keys (process.keys) has not signed for this proxy: see its log"},
    {"UNSUPPORTED_PROTOCOL",
     "the client offers no TLS version that this listener allows (tls.min, tls.max)"},
    {"WRONG_VERSION_NUMBER", "the client's record has a version that is not a TLS version"},
    {"INAPPROPRIATE_FALLBACK",
     "the client retries with an older TLS version although a newer one would work"},
    {"NO_SHARED_CIPHER",
     "the client offers no cipher suite that is allowed here (AEAD with forward secrecy)"},
    {"NO_SHARED_GROUP",
     "the client offers no group for the key exchange that is allowed here (tls.groups)"},
    {"WRONG_CURVE", "the client of TLS 1.2 does not offer the curve that the proxy's key is on"},
    {"MISSING_KEY_SHARE",
     "the client sent no key share for the key exchange that it was asked for"},
    {"NO_COMMON_SIGNATURE_ALGORITHMS",
     "the client accepts no signature that this key can make with SHA-256 or better"},
    {"WRONG_SIGNATURE_TYPE", "the client signed with an algorithm that is not allowed here"},
    {"BAD_SIGNATURE",
     "the client's signature does not match its certificate: is it the right key?"},
    {"KEY_USAGE_BIT_INCORRECT",
     "the client's certificate may not sign: its key usage leaves out digitalSignature"},
    {"NO_APPLICATION_PROTOCOL",
     "the client offers by ALPN no protocol that is spoken here (http/1.1)"},
    {"DIGEST_CHECK_FAILED",
     "the handshake was changed on its way, or the client computes it differently"},
    {"DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
     "a record of the client cannot be decrypted: it was changed on its way"},
    {"BAD_PACKET_LENGTH",
     "a record of the client is too short to be encrypted: OpenSSL clients of TLS 1.3 report in this unencrypted form that they do not accept the proxy's certificate (with curl: --proxy-cacert)"},
    {"UNEXPECTED_MESSAGE", "the client sent a handshake message that does not belong there"},
    {"UNEXPECTED_RECORD", "the client sent a record that does not belong there"},
    {"DECODE_ERROR", "a message of the client cannot be read"},
    {"PARSE_TLSEXT", "an extension in the client's hello cannot be read"},
    {"CLIENTHELLO_PARSE_FAILED", "the client's hello cannot be read"},
    {"BAD_ALERT", "the client sent an alert that cannot be read"},
    {"TOO_MANY_WARNING_ALERTS", "the client sends nothing but warnings"},
    {"TOO_MANY_EMPTY_FRAGMENTS", "the client sends nothing but empty records"},
    {"TLSV1_ALERT_UNKNOWN_CA",
     "the client does not know the CA of the proxy's certificate (with curl: --proxy-cacert)"},
    {"SSLV3_ALERT_BAD_CERTIFICATE",
     "the client refuses the proxy's certificate: is it for the name in the proxy's URL?"},
    {"SSLV3_ALERT_CERTIFICATE_UNKNOWN",
     "the client refuses the proxy's certificate: does it know the CA, and is it for the "
     "name in the proxy's URL?"},
    {"SSLV3_ALERT_CERTIFICATE_EXPIRED",
     "the client thinks that the proxy's certificate has expired: is its clock right?"},
    {"SSLV3_ALERT_CERTIFICATE_REVOKED",
     "the client thinks that the proxy's certificate is revoked"},
    {"SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "the client cannot use a certificate of this kind"},
    {"SSLV3_ALERT_HANDSHAKE_FAILURE", "the client found nothing that both sides allow"},
    {"TLSV1_ALERT_PROTOCOL_VERSION", "the client does not allow this TLS version"},
    {"TLSV1_ALERT_DECRYPT_ERROR", "the client could not verify the handshake"},
    {"TLSV1_ALERT_DECODE_ERROR", "the client could not read a message of ours"},
    {"TLSV1_ALERT_ACCESS_DENIED", "the client refuses the connection"},
    {"TLSV1_ALERT_INTERNAL_ERROR", "the client failed in itself"},
    {"TLSV1_ALERT_USER_CANCELLED", "the client's user ended the handshake"},
    {"TLSV1_ALERT_NO_RENEGOTIATION", "the client refuses to go on"},
};

const char *failure_sentence(const char *word)
{
    const struct slice wanted = slice_of_string(word);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (slice_equal(slice_of_string(rows[i].word), wanted))
            return rows[i].sentence;
    }
    if (slice_starts_with(wanted, SLICE_LITERAL("TLSV1_ALERT_")) ||
        slice_starts_with(wanted, SLICE_LITERAL("SSLV3_ALERT_")))
        return "the client ended the handshake with an alert, see `code`";
    return "the client broke the rules of TLS, see `code`";
}

const char *failure_code(const char *word, char out[FAILURE_CODE_CAP])
{
    size_t len = 0;
    for (; word[len] != '\0' && len + 1 < FAILURE_CODE_CAP; len++)
        out[len] = (char)(word[len] >= 'A' && word[len] <= 'Z' ? word[len] - 'A' + 'a' : word[len]);
    out[len] = '\0';
    return out;
}
