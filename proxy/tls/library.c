// The only file that includes what the build says about BoringSSL.
#include "proxy/tls/library.h"

#include <boringssl_origin.h>
#include <openssl/base.h>

#include "auth/base/date.h"
#include "proxy/tls/groups.h"

#ifdef __x86_64__
enum { HAS_VAES = BORINGSSL_ORIGIN_HAS_VAES };
#else
enum { HAS_VAES = 0 }; // it is in the sources, and not in the program
#endif

enum { OLD_S = 2 * 36525 * 864, COMMIT_SHOWN = 12 }; // two years of 365.25 days

struct tls_library tls_library_describe(void)
{
    return (struct tls_library){.name = BORINGSSL_ORIGIN_NAME,
                                .commit = BORINGSSL_ORIGIN_COMMIT,
                                .date_s = BORINGSSL_ORIGIN_DATE_S,
                                .api = BORINGSSL_API_VERSION,
                                .has_vaes = HAS_VAES,
                                .has_ml_kem = tls_group_is_there(TLS_GROUP_X25519MLKEM768)};
}

bool tls_library_is_old(const struct tls_library *library, int64_t now_s)
{
    return library->date_s != 0 && now_s - library->date_s > OLD_S;
}

static void append_date(const struct tls_library *library, struct text *out)
{
    char date[DATE_TEXT_CAP];
    text_append_string(out, library->date_s == 0 ? "an unknown day"
                                                 : date_format(library->date_s, DATE_DAY, date));
}

void tls_library_append(const struct tls_library *library, struct text *out)
{
    text_append_format(out, "BoringSSL: %s, ", library->name);
    if (library->commit[0] != '\0')
        text_append_format(out, "commit %.*s ", (int)COMMIT_SHOWN, library->commit);
    text_append_string(out, "of ");
    append_date(library, out);
    text_append_format(out, ", API %u, %s VAES, %s X25519MLKEM768", (unsigned)library->api,
                       library->has_vaes ? "with" : "without",
                       library->has_ml_kem ? "with" : "without");
}

void tls_library_append_advice(const struct tls_library *library, struct text *out)
{
    text_append_string(out, "the BoringSSL in this program is of ");
    append_date(library, out);
    text_append_string(out, ", more than two years old: what was mended since may not be in it");
    if (!library->has_ml_kem)
        text_append_string(out, ", clients cannot agree on X25519MLKEM768");
    if (!library->has_vaes)
        text_append_string(out, ", and processors with VAES spend more on each byte");
    text_append_string(out, ". Use a release, or build with --config=upstream: "
                            "docs/DEVELOPING.md, \"BoringSSL\"");
}
