// Real certificates, made with the program's own CA code.
#include "tests/unit/config/folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/pki/certificate.h"
#include "tests/unit/cert/forge_crl.h"

enum { DAY_S = 24 * 60 * 60 };

struct authority_pair {
    EVP_PKEY *key;
    X509 *cert;
};

void folder_write(const struct folder *folder, const char *name, struct slice bytes, unsigned mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
    assert_int_equal(fchmod(fd, (mode_t)mode), 0);
    assert_int_equal(close(fd), 0);
}

static void write_certificate(const struct folder *folder, const char *name, X509 *cert)
{
    struct pem pem = {0};
    assert_int_equal(certificate_format(&cert, 1, &pem), ERR_OK);
    folder_write(folder, name, pem_slice(&pem), 0644);
    pem_deinit(&pem);
}

static void write_key(const struct folder *folder, const char *name, EVP_PKEY *key, unsigned mode)
{
    struct pem pem = {0};
    assert_int_equal(keypair_format(key, (struct slice){0}, &pem), ERR_OK);
    folder_write(folder, name, pem_slice(&pem), mode);
    pem_deinit(&pem);
}

// make_authority makes a CA that ends `days` from now, and its file.
static struct authority_pair make_authority(const struct folder *folder, const char *file,
                                            const char *name, int days)
{
    struct authority_pair pair = {0};
    const struct certificate_plan plan = {.kind = CERTIFICATE_CA,
                                          .common_name = name,
                                          .not_before_s = folder->now_s - 200 * DAY_S,
                                          .not_after_s = folder->now_s + (int64_t)days * DAY_S};
    assert_int_equal(keypair_generate(&pair.key), ERR_OK);
    assert_int_equal(certificate_make(&plan, pair.key, NULL, pair.key, &pair.cert), ERR_OK);
    write_certificate(folder, file, pair.cert);
    return pair;
}

struct leaf_plan {
    const char *file;
    enum certificate_kind kind;
    int from_days;
    int to_days;
    bool has_name;
};

static void make_leaf(const struct folder *folder, const struct authority_pair *authority,
                      EVP_PKEY *key, const struct leaf_plan *leaf)
{
    const struct san san = {
        .kind = SAN_DNS, .is_usable = true, .value = SLICE_LITERAL("proxy.example.org")};
    const struct certificate_plan plan = {
        .kind = leaf->kind,
        .common_name = "proxy",
        .sans = &san,
        .san_count = leaf->has_name ? 1 : 0,
        .not_before_s = folder->now_s + (int64_t)leaf->from_days * DAY_S,
        .not_after_s = folder->now_s + (int64_t)leaf->to_days * DAY_S,
    };
    X509 *cert = NULL;
    assert_int_equal(certificate_make(&plan, key, authority->cert, authority->key, &cert), ERR_OK);
    write_certificate(folder, leaf->file, cert);
    X509_free(cert);
}

static void make_crls(const struct folder *folder, const struct authority_pair *authority)
{
    const struct forged issuer = {.cert = authority->cert, .key = authority->key};
    const struct {
        const char *file;
        int days;
        bool is_delta;
    } lists[] = {
        {"tls/clients.crl", 30, false},      {"tls/soon.crl", 6, false},
        {"tls/expired.crl", -1, false},      {"tls/delta.crl", 30, true},
        {"tls/crls/clients.crl", 30, false},
    };
    void *workshop = NULL;
    assert_int_equal(workshop_create(&workshop), 0);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const struct forge_crl_plan plan = {
            .issuer = &issuer,
            .number = 7,
            .serials = {4711, 4712},
            .is_delta = lists[i].is_delta,
            .this_update_s = folder->now_s - 30 * DAY_S,
            .next_update_s = folder->now_s + lists[i].days * DAY_S + 3600,
        };
        const struct slice der = forge_crl(workshop, &plan);
        folder_write(folder, lists[i].file, i == 1 ? der : forge_crl_pem(workshop, der), 0644);
    }
    (void)workshop_destroy(&workshop);
}

static void make_certificates(const struct folder *folder)
{
    static const struct leaf_plan leaves[] = {
        {"tls/server.crt", CERTIFICATE_SERVER, -1, 100, true},
        {"tls/soon.crt", CERTIFICATE_SERVER, -1, 9, true},
        {"tls/expired.crt", CERTIFICATE_SERVER, -30, -3, true},
        {"tls/future.crt", CERTIFICATE_SERVER, 3, 30, true},
        {"tls/client.crt", CERTIFICATE_CLIENT, -1, 100, true},
        {"tls/nameless.crt", CERTIFICATE_SERVER, -1, 100, false},
    };
    struct authority_pair authorities[] = {
        make_authority(folder, "tls/clients-ca.crt", "Clients CA", 100),
        make_authority(folder, "tls/partners-ca.crt", "Partners CA", 100),
        make_authority(folder, "tls/old-ca.crt", "Old CA", -1),
        make_authority(folder, "tls/soon-ca.crt", "Soon CA", 9),
    };
    make_crls(folder, &authorities[0]);
    EVP_PKEY *key = NULL;
    EVP_PKEY *other = NULL;
    assert_int_equal(keypair_generate(&key), ERR_OK);
    assert_int_equal(keypair_generate(&other), ERR_OK);
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        make_leaf(folder, &authorities[0], key, &leaves[i]);
    write_key(folder, "tls/server.key", key, 0600);
    write_key(folder, "tls/group.key", key, 0660);
    write_key(folder, "tls/world.key", key, 0604);
    write_key(folder, "tls/other.key", other, 0600);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    for (size_t i = 0; i < sizeof authorities / sizeof authorities[0]; i++) {
        X509_free(authorities[i].cert);
        EVP_PKEY_free(authorities[i].key);
    }
}

// make_path makes a path in the folder with `function` (mkdir, mkfifo).
static void make_path(const struct folder *folder, const char *name,
                      int (*function)(const char *, mode_t))
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    assert_int_equal(function(path, 0700), 0);
}

void folder_create(struct folder *folder)
{
    folder_create_at(folder, FOLDER_NOW_S);
}

void folder_create_at(struct folder *folder, int64_t now_s)
{
    folder->now_s = now_s;
    const char *parent = getenv("TEST_TMPDIR");
    (void)snprintf(folder->path, sizeof folder->path, "%s/sallyport-config-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    assert_non_null(mkdtemp(folder->path));
    make_path(folder, "tls", mkdir);
    make_path(folder, "tls/fifo", mkfifo);
    make_path(folder, "tls/crls", mkdir);
    make_path(folder, "tls/crls/..older", mkdir);
    make_path(folder, "tls/bare", mkdir);
    make_path(folder, "logs", mkdir);
    make_path(folder, "lists", mkdir);
    folder_write(folder, "lists/search.txt", SLICE_LITERAL("# found\nsearch.example\n"), 0644);
    make_certificates(folder);
    folder_write(folder, "tls/empty", SLICE_LITERAL(""), 0600);
    folder_write(folder, "tls/junk", SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n"), 0600);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void folder_remove(struct folder *folder)
{
    assert_int_equal(nftw(folder->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}
