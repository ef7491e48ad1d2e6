// Tables, and a few sentences.
#include "proxy/session/handshake_failure.h"

enum reason handshake_failure_reason(const struct tls_stream *tls,
                                     const struct handshake_judgement *judgement)
{
    static const enum reason reasons[] = {
        [TLS_FAILURE_NONE] = REASON_TIMEOUT,
        [TLS_FAILURE_NO_CERTIFICATE] = REASON_NO_CERTIFICATE,
        [TLS_FAILURE_KEY_USAGE] = REASON_BAD_PURPOSE,
        [TLS_FAILURE_ABORTED] = REASON_CLIENT_ABORTED,
        [TLS_FAILURE_PLAIN_HTTP] = REASON_PLAIN_HTTP,
        [TLS_FAILURE_TOO_LONG] = REASON_WORK_LIMIT,
        [TLS_FAILURE_PROTOCOL] = REASON_PROTOCOL,
    };
    return tls->failure == TLS_FAILURE_REFUSED ? judgement->reason : reasons[tls->failure];
}

const char *handshake_failure_detail(const struct tls_stream *tls, enum reason reason,
                                     const struct handshake_judgement *judgement)
{
    const char *word = tls->failure_detail;
    if (judgement->reason == reason && judgement->detail != NULL)
        return judgement->detail;
    if (reason == REASON_NO_CERTIFICATE)
        return "the client sent no certificate (with curl: --proxy-cert, not --cert)";
    if (reason == REASON_WORK_LIMIT)
        return "a message of the handshake is longer than the listener's max_chain";
    if (reason == REASON_TIMEOUT)
        return "the handshake took longer than timeouts.handshake";
    if (reason == REASON_CLIENT_ABORTED && word[0] == '\0')
        return "the client ended the connection during the handshake";
    return word[0] == '\0' ? "" : failure_sentence(word);
}

const char *handshake_failure_code(const struct tls_stream *tls, char out[FAILURE_CODE_CAP])
{
    const char *word = tls->failure_detail;
    const bool is_judged = tls->failure == TLS_FAILURE_REFUSED;
    return is_judged || word[0] == '\0' ? NULL : failure_code(word, out);
}

enum tls_alert handshake_alert(enum reason reason)
{
    static const enum tls_alert alerts[REASON_COUNT] = {
        [REASON_EXPIRED] = TLS_ALERT_CERTIFICATE_EXPIRED,
        [REASON_NOT_YET_VALID] = TLS_ALERT_CERTIFICATE_EXPIRED,
        [REASON_UNKNOWN_CA] = TLS_ALERT_UNKNOWN_CA,
        [REASON_MISSING_INTERMEDIATE] = TLS_ALERT_UNKNOWN_CA,
        [REASON_BAD_PURPOSE] = TLS_ALERT_UNSUPPORTED_CERTIFICATE,
        [REASON_WEAK_KEY] = TLS_ALERT_UNSUPPORTED_CERTIFICATE,
        [REASON_TOO_LONG_LIVED] = TLS_ALERT_UNSUPPORTED_CERTIFICATE,
        [REASON_REVOKED] = TLS_ALERT_CERTIFICATE_REVOKED,
        [REASON_CRL_MISSING] = TLS_ALERT_CERTIFICATE_UNKNOWN,
        [REASON_CRL_EXPIRED] = TLS_ALERT_CERTIFICATE_UNKNOWN,
        [REASON_OCSP_UNKNOWN] = TLS_ALERT_CERTIFICATE_UNKNOWN,
        [REASON_OCSP_UNAVAILABLE] = TLS_ALERT_CERTIFICATE_UNKNOWN,
        [REASON_BLOCKED] = TLS_ALERT_ACCESS_DENIED,
        [REASON_NO_MEMORY] = TLS_ALERT_INTERNAL_ERROR,
    };
    return alerts[reason] == 0 ? TLS_ALERT_BAD_CERTIFICATE : alerts[reason];
}
