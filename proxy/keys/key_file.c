// One function for each use of a file.
#include "proxy/keys/key_file.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <unistd.h>

#include "auth/pem.h"
#include "proxy/config/file.h"
#include "proxy/tls/private_key.h"

enum {
    FILE_MAX = 1024 * 1024, // bytes
    SIGNER_MAX = 1024,
};

static void set_failed(struct key_file *out, enum err error)
{
    out->answer.kind = KEY_ANSWER_FAILED;
    out->answer.what = (uint8_t)error;
    out->answer.bytes = slice_of_string(out->info.text);
}

static void set_unusable(struct key_file *out)
{
    out->answer.kind = KEY_ANSWER_UNUSABLE;
    out->answer.bytes = slice_of_string(out->info.text);
}

// finish_key tells the public half, if the table has taken the key.
static void finish_key(struct key_file *out, enum err error, struct slice public_half)
{
    if (error != ERR_OK) {
        set_failed(out, error);
        return;
    }
    out->answer.kind = KEY_ANSWER_KEY;
    out->answer.bytes = public_half;
}

static void read_tls_key(struct key_table *table, struct slice pem, struct key_file *out)
{
    EVP_PKEY *key = NULL;
    CBB cbb;
    size_t len = 0;
    if (private_key_parse(pem, &key, &out->info) != ERR_OK) {
        set_unusable(out);
        return;
    }
    if (!CBB_init(&cbb, 512) || !EVP_marshal_public_key(&cbb, key) ||
        !CBB_finish(&cbb, &out->memory, &len)) {
        CBB_cleanup(&cbb);
        EVP_PKEY_free(key);
        set_failed(out, errinfo_set(&out->info, ERR_MEMORY, "no memory for a private key"));
        return;
    }
    finish_key(out, key_table_add_tls(table, key, out->answer.name, &out->info),
               slice_of(out->memory, len));
}

static void read_signer(struct key_table *table, struct slice content, struct key_file *out)
{
    struct note_signer signer;
    if (!note_signer_parse(content, &signer)) {
        set_unusable(out);
        return;
    }
    out->memory = OPENSSL_malloc(NOTE_KEY_CAP);
    if (out->memory == NULL) {
        set_failed(out, errinfo_set(&out->info, ERR_MEMORY, "no memory for a private key"));
    } else {
        struct text text;
        text_init(&text, (char *)out->memory, NOTE_KEY_CAP);
        note_verifier_format(&signer.verifier, &text);
        finish_key(out, key_table_add_signer(table, &signer, out->answer.name, &out->info),
                   text_slice(&text));
    }
    OPENSSL_cleanse(&signer, sizeof signer);
}

// certificate_len gives how much of a block is a certificate's; 0: it is another kind of block.
static size_t certificate_len(struct slice block)
{
    static const char *const kinds[] = {"CERTIFICATE-----", "X509 CERTIFICATE-----"};
    const struct slice dashes = SLICE_LITERAL("-----BEGIN ");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct slice kind = slice_of_string(kinds[i]);
        char end[48];
        struct text text;
        if (!slice_starts_with(slice_from(block, dashes.len), kind))
            continue;
        text_init(&text, end, sizeof end);
        text_append_format(&text, "\n-----END %s", kinds[i]);
        const uint8_t *found = memmem(block.data, block.len, end, text.len);
        return found == NULL ? slice_find(block, '\n') : (size_t)(found - block.data) + text.len;
    }
    return 0;
}

size_t key_file_take_certificates(struct slice pem, uint8_t *out)
{
    struct pem_cursor cursor = {.rest = pem};
    struct slice block;
    uint32_t line = 0;
    size_t len = 0;
    while (pem_next_block(&cursor, &block, &line)) {
        const size_t kept = certificate_len(block);
        if (kept == 0)
            continue;
        (void)bytes_copy(out + len, pem.len + 1 - len, slice_first(block, kept));
        len += kept;
        out[len++] = '\n';
        if (len > pem.len) // the file ends without a line break
            len = pem.len;
    }
    return len;
}

static void read_chain(struct slice content, const char *path, struct key_file *out)
{
    out->memory = OPENSSL_malloc(content.len + 1);
    if (out->memory == NULL) {
        set_failed(out, errinfo_set(&out->info, ERR_MEMORY, "no memory for certificates"));
        return;
    }
    const size_t len = key_file_take_certificates(content, out->memory);
    if (len > KEY_BYTES_MAX) {
        set_failed(out,
                   errinfo_set(&out->info, ERR_LIMIT, "%s has more than %d KiB of certificates",
                               path, KEY_BYTES_MAX / 1024));
        return;
    }
    const bool has_key = slice_contains(content, SLICE_LITERAL("PRIVATE KEY-----"));
    out->answer.kind = KEY_ANSWER_CHAIN;
    out->answer.what =
        (uint8_t)((has_key ? KEY_CHAIN_HAS_KEY : 0) | (content.len == 0 ? KEY_CHAIN_IS_EMPTY : 0));
    out->answer.bytes = slice_of(out->memory, len);
}

// read_file reads what is allowed and has the right mode.
static enum err read_file(struct key_folders *folders, const char *path, enum key_use use,
                          struct file_content *out, struct errinfo *info)
{
    int fd = -1;
    TRY(key_folders_open(folders, path, &fd, info));
    const enum err error =
        file_read_at(fd, path, use == KEY_USE_SIGNER ? SIGNER_MAX : FILE_MAX,
                     use == KEY_USE_CHAIN ? FILE_PUBLIC : FILE_SECRET, out, info);
    (void)close(fd);
    return error;
}

static void make_digest(const struct key_folders *folders, struct slice content, uint8_t out[32])
{
    SHA256_CTX hash;
    (void)SHA256_Init(&hash);
    (void)SHA256_Update(&hash, folders->secret, sizeof folders->secret);
    (void)SHA256_Update(&hash, content.data, content.len);
    (void)SHA256_Final(out, &hash);
    OPENSSL_cleanse(&hash, sizeof hash);
}

void key_file_open(struct key_folders *folders, struct key_table *table,
                   const struct key_message *request, struct key_file *out)
{
    char path[KEY_PATH_MAX + 1];
    struct file_content content = {0};
    *out = (struct key_file){.answer = {.number = request->number}};
    const enum key_use use = (enum key_use)request->what;
    (void)string_copy(path, sizeof path, request->bytes);
    const enum err error = read_file(folders, path, use, &content, &out->info);
    if (error != ERR_OK) {
        set_failed(out, error);
        return;
    }
    make_digest(folders, content.bytes, out->answer.digest);
    switch (use) {
    case KEY_USE_TLS:
        read_tls_key(table, content.bytes, out);
        break;
    case KEY_USE_SIGNER:
        read_signer(table, content.bytes, out);
        break;
    case KEY_USE_CHAIN:
        read_chain(content.bytes, path, out);
        break;
    case KEY_USE_COUNT:
        break;
    }
    file_content_deinit(&content);
}

void key_file_deinit(struct key_file *file)
{
    OPENSSL_free(file->memory);
    *file = (struct key_file){.memory = NULL};
}
