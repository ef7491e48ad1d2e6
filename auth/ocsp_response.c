// Answers taken apart with cursors; nothing is believed before the signature was looked at.
#include "auth/ocsp_response.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/time.h>
#include <time.h>

#include "auth/cert_id.h"
#include "auth/ocsp_signer.h"

#define TAGGED(number)       ((CBS_ASN1_TAG)(CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | (number)))
#define TAGGED_PLAIN(number) ((CBS_ASN1_TAG)(CBS_ASN1_CONTEXT_SPECIFIC | (number)))

static const uint8_t BASIC_OID[] = {0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};

// judging is what is known while an answer is read.
struct judging {
    const struct ocsp_subject *subject;
    struct ocsp_signed parts;
    struct slice nonce; // of the answer; empty: none
    int64_t produced_s;
    bool has_single;           // about the certificate
    struct ocsp_answer single; // the worst of them
};

static struct slice slice_of_cbs(CBS cbs)
{
    return slice_of(CBS_data(&cbs), CBS_len(&cbs));
}

static bool get_time(CBS *cbs, int64_t *out_s)
{
    CBS content;
    struct tm tm;
    return CBS_get_asn1(cbs, &content, CBS_ASN1_GENERALIZEDTIME) &&
           CBS_parse_generalized_time(&content, &tm, 0) && OPENSSL_tm_to_posix(&tm, out_s);
}

// get_inner takes an explicitly tagged element, if it is there.
static bool get_inner(CBS *cbs, CBS *out, bool *out_is_there, CBS_ASN1_TAG tag)
{
    int is_there = 0;
    const bool is_good = CBS_get_optional_asn1(cbs, out, &is_there, tag) != 0;
    *out_is_there = is_there != 0;
    return is_good;
}

// ---- extensions ----------------------------------------------------------------------------------

// is_harmless tells whether an extension may be critical: it takes nothing away from what the answer says. These are the
// archive cutoff, references to lists, extended revocation and the nonce (RFC 6960 4.4), and the invalidity date.
static bool is_harmless(struct slice oid)
{
    static const uint8_t arc[] = {0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01};
    static const uint8_t invalidity_date[] = {0x55, 0x1D, 0x18};
    if (slice_equal(oid, slice_of(invalidity_date, sizeof invalidity_date)))
        return true;
    if (oid.len != sizeof arc + 1 || !slice_starts_with(oid, slice_of(arc, sizeof arc)))
        return false;
    const uint8_t last = oid.data[sizeof arc];
    return last == 2 || last == 3 || last == 6 || last == 9;
}

static bool is_nonce(struct slice oid)
{
    return oid.len == sizeof BASIC_OID && oid.data[oid.len - 1] == 2 && is_harmless(oid);
}

static enum ocsp_fault read_nonce(CBS value, struct slice *nonce)
{
    CBS content;
    if (nonce->len > 0 || !CBS_get_asn1(&value, &content, CBS_ASN1_OCTETSTRING) ||
        CBS_len(&value) != 0 || CBS_len(&content) == 0)
        return OCSP_FAULT_MALFORMED;
    *nonce = slice_of_cbs(content);
    return OCSP_FAULT_NONE;
}

// read_extension reads one of a list. `nonce` is NULL where none belongs.
static enum ocsp_fault read_extension(CBS *list, struct slice *nonce)
{
    CBS sequence;
    CBS oid;
    CBS value;
    int is_critical = 0;
    if (!CBS_get_asn1(list, &sequence, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&sequence, &oid, CBS_ASN1_OBJECT) ||
        (CBS_peek_asn1_tag(&sequence, CBS_ASN1_BOOLEAN) &&
         !CBS_get_asn1_bool(&sequence, &is_critical)) ||
        !CBS_get_asn1(&sequence, &value, CBS_ASN1_OCTETSTRING) || CBS_len(&sequence) != 0)
        return OCSP_FAULT_MALFORMED;
    if (is_critical && !is_harmless(slice_of_cbs(oid)))
        return OCSP_FAULT_CRITICAL;
    return nonce != NULL && is_nonce(slice_of_cbs(oid)) ? read_nonce(value, nonce)
                                                        : OCSP_FAULT_NONE;
}

// read_extensions reads what is in the tagged element that ends a structure, if it is there.
static enum ocsp_fault read_extensions(CBS *cbs, struct slice *nonce)
{
    CBS tagged;
    CBS list;
    bool is_there = false;
    if (!get_inner(cbs, &tagged, &is_there, TAGGED(1)) || CBS_len(cbs) != 0)
        return OCSP_FAULT_MALFORMED;
    if (!is_there)
        return OCSP_FAULT_NONE;
    if (!CBS_get_asn1(&tagged, &list, CBS_ASN1_SEQUENCE) || CBS_len(&tagged) != 0)
        return OCSP_FAULT_MALFORMED;
    enum ocsp_fault fault = OCSP_FAULT_NONE;
    while (CBS_len(&list) > 0 && fault == OCSP_FAULT_NONE)
        fault = read_extension(&list, nonce);
    return fault;
}

// ---- one certificate's status --------------------------------------------------------------------

static const EVP_MD *hash_of(CBS *algorithm)
{
    CBS oid;
    CBS null;
    if (!CBS_get_asn1(algorithm, &oid, CBS_ASN1_OBJECT) ||
        (CBS_len(algorithm) != 0 && !CBS_get_asn1(algorithm, &null, CBS_ASN1_NULL)))
        return NULL;
    switch (OBJ_cbs2nid(&oid)) {
    case NID_sha1:
        return EVP_sha1();
    case NID_sha256:
        return EVP_sha256();
    case NID_sha384:
        return EVP_sha384();
    case NID_sha512:
        return EVP_sha512();
    default: // a number from outside, no enum of ours
        return NULL;
    }
}

static bool is_hash_of(CBS hash, const EVP_MD *md, struct slice bytes)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    return CBS_len(&hash) == EVP_MD_size(md) &&
           EVP_Digest(bytes.data, bytes.len, digest, &len, md, NULL) == 1 &&
           slice_equal(slice_of_cbs(hash), slice_of(digest, len));
}

// read_id reads a CertID, and tells in `*out` whether it is the certificate's.
static bool read_id(CBS *cbs, const struct ocsp_subject *subject, bool *out)
{
    CBS id;
    CBS algorithm;
    CBS name;
    CBS key;
    CBS serial;
    struct slice key_bits;
    int is_negative = 0;
    *out = false;
    if (!CBS_get_asn1(cbs, &id, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&id, &algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&id, &name, CBS_ASN1_OCTETSTRING) ||
        !CBS_get_asn1(&id, &key, CBS_ASN1_OCTETSTRING) ||
        !CBS_get_asn1(&id, &serial, CBS_ASN1_INTEGER) || CBS_len(&id) != 0 ||
        !CBS_is_valid_asn1_integer(&serial, &is_negative))
        return false;
    if (is_negative || !slice_equal(cert_id_trim_serial(slice_of_cbs(serial)), subject->serial))
        return true;
    const EVP_MD *md = hash_of(&algorithm);
    *out = md != NULL && ocsp_key_bits(subject->issuer_key, &key_bits) &&
           is_hash_of(name, md, subject->issuer_name) && is_hash_of(key, md, key_bits);
    return true;
}

// read_revoked reads RevokedInfo. Every reason counts: who is on hold is out, too.
static bool read_revoked(CBS info)
{
    CBS tagged;
    CBS reason;
    bool has_reason = false;
    int64_t since_s = 0;
    return get_time(&info, &since_s) && get_inner(&info, &tagged, &has_reason, TAGGED(0)) &&
           CBS_len(&info) == 0 &&
           (!has_reason || (CBS_get_asn1(&tagged, &reason, CBS_ASN1_ENUMERATED) &&
                            CBS_len(&reason) == 1 && CBS_len(&tagged) == 0));
}

static bool read_status(CBS *cbs, enum ocsp_status *out)
{
    CBS content;
    CBS_ASN1_TAG tag = 0;
    if (!CBS_get_any_asn1(cbs, &content, &tag))
        return false;
    if (tag == TAGGED(1)) {
        *out = OCSP_REVOKED;
        return read_revoked(content);
    }
    *out = tag == TAGGED_PLAIN(0) ? OCSP_GOOD : OCSP_UNKNOWN;
    return CBS_len(&content) == 0 && (tag == TAGGED_PLAIN(0) || tag == TAGGED_PLAIN(2));
}

// is_worse tells whether an answer is to be taken in the place of another one about the same certificate.
static bool is_worse(const struct ocsp_answer *answer, const struct ocsp_answer *other)
{
    return answer->status != other->status ? answer->status > other->status
                                           : answer->next_update_s < other->next_update_s;
}

// read_single reads one SingleResponse and keeps it, if it is about the certificate.
static enum ocsp_fault read_single(CBS *list, struct judging *judging)
{
    CBS cbs;
    CBS tagged;
    bool is_it = false;
    struct ocsp_answer answer = {.produced_s = judging->produced_s};
    if (!CBS_get_asn1(list, &cbs, CBS_ASN1_SEQUENCE) || !read_id(&cbs, judging->subject, &is_it) ||
        !read_status(&cbs, &answer.status) || !get_time(&cbs, &answer.this_update_s) ||
        !get_inner(&cbs, &tagged, &answer.is_dated, TAGGED(0)) ||
        (answer.is_dated && (!get_time(&tagged, &answer.next_update_s) || CBS_len(&tagged) != 0 ||
                             answer.next_update_s < answer.this_update_s)))
        return OCSP_FAULT_MALFORMED;
    if (!answer.is_dated)
        answer.next_update_s = answer.this_update_s + OCSP_UNDATED_LIFE_S;
    const enum ocsp_fault fault = read_extensions(&cbs, NULL);
    if (fault == OCSP_FAULT_CRITICAL && !is_it)
        return OCSP_FAULT_NONE; // what it means concerns others
    if (fault != OCSP_FAULT_NONE || !is_it)
        return fault;
    if (!judging->has_single || is_worse(&answer, &judging->single))
        judging->single = answer;
    judging->has_single = true;
    return OCSP_FAULT_NONE;
}

// ---- the whole -----------------------------------------------------------------------------------

static bool read_responder(CBS *cbs, struct ocsp_signed *parts)
{
    parts->is_by_name = CBS_peek_asn1_tag(cbs, TAGGED(1)) != 0;
    return CBS_get_asn1(cbs, &parts->responder, parts->is_by_name ? TAGGED(1) : TAGGED(2));
}

// read_data reads ResponseData.
static enum ocsp_fault read_data(CBS data, struct judging *judging)
{
    CBS cbs;
    CBS singles;
    uint64_t version = 0;
    if (!CBS_get_asn1(&data, &cbs, CBS_ASN1_SEQUENCE) ||
        !CBS_get_optional_asn1_uint64(&cbs, &version, TAGGED(0), 0) || version != 0 ||
        !read_responder(&cbs, &judging->parts) || !get_time(&cbs, &judging->produced_s) ||
        !CBS_get_asn1(&cbs, &singles, CBS_ASN1_SEQUENCE))
        return OCSP_FAULT_MALFORMED;
    enum ocsp_fault fault = OCSP_FAULT_NONE;
    for (size_t count = 0; CBS_len(&singles) > 0 && fault == OCSP_FAULT_NONE; count++)
        fault = count == OCSP_MAX_SINGLES ? OCSP_FAULT_TOO_LARGE : read_single(&singles, judging);
    if (fault == OCSP_FAULT_NONE)
        fault = read_extensions(&cbs, &judging->nonce);
    if (fault == OCSP_FAULT_NONE && !judging->has_single)
        fault = OCSP_FAULT_OTHER_CERTIFICATE;
    return fault;
}

// read_basic reads BasicOCSPResponse.
static enum ocsp_fault read_basic(CBS basic, struct judging *judging)
{
    CBS cbs;
    CBS tagged;
    bool has_certificates = false;
    struct ocsp_signed *parts = &judging->parts;
    CBS_init(&parts->certificates, NULL, 0);
    if (!CBS_get_asn1(&basic, &cbs, CBS_ASN1_SEQUENCE) || CBS_len(&basic) != 0 ||
        !CBS_get_asn1_element(&cbs, &parts->data, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&cbs, &parts->algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&cbs, &parts->signature, CBS_ASN1_BITSTRING) ||
        !get_inner(&cbs, &tagged, &has_certificates, TAGGED(0)) || CBS_len(&cbs) != 0 ||
        (has_certificates && (!CBS_get_asn1(&tagged, &parts->certificates, CBS_ASN1_SEQUENCE) ||
                              CBS_len(&tagged) != 0)))
        return OCSP_FAULT_MALFORMED;
    return read_data(parts->data, judging);
}

static enum ocsp_fault fault_of(uint8_t response_status)
{
    static const enum ocsp_fault faults[] = {
        OCSP_FAULT_NONE,         OCSP_FAULT_MALFORMED_REQUEST, OCSP_FAULT_INTERNAL_ERROR,
        OCSP_FAULT_TRY_LATER,    OCSP_FAULT_MALFORMED, // 4 is not used
        OCSP_FAULT_SIG_REQUIRED, OCSP_FAULT_UNAUTHORIZED};
    return response_status < sizeof faults / sizeof faults[0] ? faults[response_status]
                                                              : OCSP_FAULT_MALFORMED;
}

// read_response reads OCSPResponse.
static enum ocsp_fault read_response(struct slice der, struct judging *judging)
{
    CBS all;
    CBS cbs;
    CBS tagged;
    CBS bytes;
    CBS oid;
    CBS basic;
    CBS status;
    CBS_init(&all, der.data, der.len);
    if (!CBS_get_asn1(&all, &cbs, CBS_ASN1_SEQUENCE) || CBS_len(&all) != 0 ||
        !CBS_get_asn1(&cbs, &status, CBS_ASN1_ENUMERATED) || CBS_len(&status) != 1)
        return OCSP_FAULT_MALFORMED;
    const enum ocsp_fault fault = fault_of(CBS_data(&status)[0]);
    if (fault != OCSP_FAULT_NONE)
        return fault;
    if (!CBS_get_asn1(&cbs, &tagged, TAGGED(0)) || CBS_len(&cbs) != 0 ||
        !CBS_get_asn1(&tagged, &bytes, CBS_ASN1_SEQUENCE) || CBS_len(&tagged) != 0 ||
        !CBS_get_asn1(&bytes, &oid, CBS_ASN1_OBJECT) ||
        !CBS_get_asn1(&bytes, &basic, CBS_ASN1_OCTETSTRING) || CBS_len(&bytes) != 0)
        return OCSP_FAULT_MALFORMED;
    if (!slice_equal(slice_of_cbs(oid), slice_of(BASIC_OID, sizeof BASIC_OID)))
        return OCSP_FAULT_OTHER_TYPE;
    return read_basic(basic, judging);
}

// judge_times looks at the times of a verified answer.
static enum ocsp_fault judge_times(const struct ocsp_answer *answer, int64_t now_s)
{
    if (answer->this_update_s > now_s + OCSP_SKEW_S || answer->produced_s > now_s + OCSP_SKEW_S)
        return OCSP_FAULT_FUTURE;
    return now_s > answer->next_update_s ? OCSP_FAULT_EXPIRED : OCSP_FAULT_NONE;
}

static enum ocsp_fault judge(struct slice der, const struct ocsp_subject *subject,
                             struct slice nonce, int64_t now_s, struct ocsp_answer *out)
{
    struct judging judging = {.subject = subject};
    int64_t until_s = 0;
    enum ocsp_fault fault = read_response(der, &judging);
    if (fault == OCSP_FAULT_NONE)
        fault =
            ocsp_signer_judge(&judging.parts, subject, now_s, &until_s, &judging.single.delegate);
    if (fault != OCSP_FAULT_NONE)
        return fault;
    struct ocsp_answer *answer = &judging.single;
    if (until_s < answer->next_update_s)
        answer->next_update_s = until_s;
    fault = judge_times(answer, now_s);
    if (fault == OCSP_FAULT_NONE && nonce.len > 0 && !slice_equal(nonce, judging.nonce))
        fault = OCSP_FAULT_NONCE;
    if (fault == OCSP_FAULT_NONE)
        *out = *answer;
    return fault;
}

enum ocsp_fault ocsp_response_judge(struct slice der, const struct ocsp_subject *subject,
                                    struct slice nonce, int64_t now_s, struct ocsp_answer *out)
{
    *out = (struct ocsp_answer){.status = OCSP_GOOD};
    if (der.len > OCSP_RESPONSE_MAX)
        return OCSP_FAULT_TOO_LARGE;
    const enum ocsp_fault fault = judge(der, subject, nonce, now_s, out);
    ERR_clear_error(); // nobody may take it for an error of a TLS session
    return fault;
}
