// One certificate and its files: NAME.crt, NAME.key, NAME.pem, NAME.p12.
#include "proxy/pki/leaf.h"

#include "proxy/pki/index_entry.h"
#include "proxy/pki/pkcs12.h"

void leaf_choose(const char *directory, const char *name, bool has_key, bool has_bundle,
                 bool has_p12, struct issued *out)
{
    const struct {
        const char *suffix;
        bool is_wanted;
    } files[ISSUED_FILES] = {
        [ISSUED_CHAIN] = {".crt", true},
        [ISSUED_KEY] = {".key", has_key},
        [ISSUED_BUNDLE] = {".pem", has_key && has_bundle},
        [ISSUED_P12] = {".p12", has_key && has_p12},
    };
    for (size_t i = 0; i < ISSUED_FILES; i++) {
        if (files[i].is_wanted)
            (void)path_join(directory, name, files[i].suffix, out->paths[i]);
    }
}

// join makes one text of two.
static enum err join(struct slice first, struct slice second, struct pem *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const bool is_written = bio != NULL && BIO_write_all(bio, first.data, first.len) &&
                            BIO_write_all(bio, second.data, second.len);
    return pem_take(bio, is_written, out);
}

// make_texts makes the contents of the wanted files. The chain has the intermediate, if there is one.
static enum err make_texts(const struct authority *authority, struct slice p12_passphrase,
                           const char *name, const struct issued *issued, struct leaf *leaf)
{
    X509 *const chain[] = {leaf->cert, authority->cert};
    const size_t count = authority->has_root ? 2 : 1;
    struct pem *texts = leaf->texts;
    TRY(certificate_format(chain, count, &texts[ISSUED_CHAIN]));
    if (leaf->has_key_file)
        TRY(keypair_format(leaf->key, (struct slice){0}, &texts[ISSUED_KEY]));
    if (issued->paths[ISSUED_BUNDLE][0] != '\0')
        TRY(join(pem_slice(&texts[ISSUED_CHAIN]), pem_slice(&texts[ISSUED_KEY]),
                 &texts[ISSUED_BUNDLE]));
    if (issued->paths[ISSUED_P12][0] != '\0')
        TRY(pkcs12_format(leaf->key, chain, count, name, p12_passphrase, &texts[ISSUED_P12]));
    return ERR_OK;
}

enum err leaf_make(const struct authority *authority, struct certificate_plan *plan, int64_t ttl_s,
                   int64_t now_s, struct slice p12_passphrase, const char *name, struct leaf *leaf,
                   struct issued *out)
{
    const struct validity validity =
        certificate_validity(now_s, ttl_s, certificate_not_after_s(authority->cert));
    out->not_after_s = plan->not_after_s = validity.not_after_s;
    out->is_cut = validity.is_cut;
    plan->not_before_s = validity.not_before_s;
    TRY(certificate_make(plan, leaf->key, authority->cert, authority->key, &leaf->cert));
    TRY(make_texts(authority, p12_passphrase, name, out, leaf));
    return index_entry_of(leaf->cert, name, &leaf->entry) ? ERR_OK : ERR_MEMORY;
}

size_t leaf_list(const struct leaf *leaf, const struct issued *issued,
                 struct new_file out[ISSUED_FILES])
{
    size_t count = 0;
    for (size_t i = ISSUED_FILES; i-- > 0;) {
        if (issued->paths[i][0] != '\0')
            out[count++] = (struct new_file){
                .path = issued->paths[i],
                .bytes = pem_slice(&leaf->texts[i]),
                .mode = i == ISSUED_CHAIN ? FILE_MODE_PUBLIC : FILE_MODE_SECRET,
            };
    }
    return count;
}

enum err leaf_end(struct leaf *leaf, enum err error, struct errinfo *info)
{
    for (size_t i = 0; i < ISSUED_FILES; i++)
        pem_deinit(&leaf->texts[i]);
    X509_free(leaf->cert);
    EVP_PKEY_free(leaf->key);
    return error == ERR_MEMORY ? errinfo_set(info, error, "no memory") : error;
}
