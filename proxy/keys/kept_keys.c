// A private_key or a checkpoint_signer in front, what it is in the holder behind.
#include "proxy/keys/kept_keys.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>

#include "proxy/clock/clock.h"
#include "proxy/keys/key_line.h"
#include "proxy/keys/key_path.h"
#include "proxy/log/log.h"

// For a holder to be there that signs a checkpoint, but the last one: records wait meanwhile, and the next checkpoint covers what this
// one would.
enum { CHECKPOINT_MS = 500 };

enum { LOOK_MS = 20 }; // between two looks whether somebody else has his answer

struct tls_key_apart {
    struct private_key key; // first
    struct kept_key kept;
};

struct signer_apart {
    struct checkpoint_signer signer; // first
    struct kept_key kept;
};

// ---- ends ---------------------------------------------------------------------------------------

static void key_unref(struct kept_key *kept)
{
    if (atomic_fetch_sub_explicit(&kept->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct key_desk *desk = kept->desk;
    (void)pthread_mutex_lock(&desk->state);
    LIST_REMOVE(kept, link);
    LIST_INSERT_HEAD(&desk->closing, kept, link);
    desk->key_count--;
    (void)pthread_mutex_unlock(&desk->state);
    key_desk_wake(desk);
}

static void kept_free(struct kept_key *kept)
{
    void *all =
        kept->tls != NULL ? (void *)kept->tls : (void *)kept->signer; // what it is embedded in
    free(kept->path);
    if (kept->tls != NULL)
        EVP_PKEY_free(kept->tls->public_key);
    free(all);
}

static struct kept_key *take_closing(struct key_desk *desk)
{
    (void)pthread_mutex_lock(&desk->state);
    struct kept_key *kept = LIST_FIRST(&desk->closing);
    if (kept != NULL)
        LIST_REMOVE(kept, link);
    (void)pthread_mutex_unlock(&desk->state);
    return kept;
}

void kept_keys_close(struct key_desk *desk)
{
    struct kept_key *kept = NULL;
    while ((kept = take_closing(desk)) != NULL) {
        struct key_message request = {.kind = KEY_CLOSE};
        (void)bytes_copy(request.name, sizeof request.name,
                         slice_of(kept->name, sizeof kept->name));
        if (kept->generation == desk->generation && !kept->is_lost)
            key_call_tell(&desk->call, &request);
        kept_free(kept);
    }
}

// ---- keys of TLS --------------------------------------------------------------------------------

static struct tls_key_apart *tls_of(struct private_key *key)
{
    return (struct tls_key_apart *)key;
}

static void tls_ref(struct private_key *key)
{
    (void)atomic_fetch_add_explicit(&tls_of(key)->kept.refs, 1, memory_order_relaxed);
}

static void tls_unref(struct private_key *key)
{
    key_unref(&tls_of(key)->kept);
}

static struct signing *tls_begin(struct private_key *key, uint16_t algorithm, struct slice message,
                                 void (*on_done)(void *owner), void *owner)
{
    const struct kept_key *kept = &tls_of(key)->kept;
    const struct signing_question question = {
        .name = kept->name, .algorithm = algorithm, .message = message};
    return signing_begin(kept->desk, &question, on_done, owner);
}

static const struct private_key_ops tls_ops = {
    .ref = tls_ref,
    .unref = tls_unref,
    .begin = tls_begin,
    .look = signing_look,
    .end = signing_end,
};

// ---- keys that sign audit logs ------------------------------------------------------------------

static struct signer_apart *signer_of(struct checkpoint_signer *signer)
{
    return (struct signer_apart *)signer;
}

static void signer_ref(struct checkpoint_signer *signer)
{
    (void)atomic_fetch_add_explicit(&signer_of(signer)->kept.refs, 1, memory_order_relaxed);
}

static void signer_unref(struct checkpoint_signer *signer)
{
    key_unref(&signer_of(signer)->kept);
}

static bool signer_sign(struct checkpoint_signer *signer, const struct checkpoint *checkpoint,
                        struct text *out)
{
    const struct kept_key *kept = &signer_of(signer)->kept;
    struct key_message answer;
    struct errinfo info;
    struct key_message request = {.kind = KEY_CHECKPOINT,
                                  .instance = checkpoint->instance,
                                  .size = checkpoint->size,
                                  .is_end = checkpoint->is_end};
    (void)bytes_copy(request.name, sizeof request.name, slice_of(kept->name, sizeof kept->name));
    (void)bytes_copy(request.root, sizeof request.root, merkle_hash_slice(&checkpoint->root));
    const int64_t patience_ms = checkpoint->is_end ? KEY_PATIENCE_MS : CHECKPOINT_MS;
    const enum err error = key_desk_ask(kept->desk, &request, patience_ms, &answer, &info);
    const bool is_good = error == ERR_OK && answer.kind == KEY_ANSWER_SIGNATURE;
    if (is_good)
        text_append(out, answer.bytes);
    key_desk_done(kept->desk);
    (void)atomic_fetch_add(is_good ? &kept->desk->signatures : &kept->desk->failures, 1);
    return is_good && !out->is_cut;
}

static const struct checkpoint_signer_ops signer_ops = {
    .ref = signer_ref, .unref = signer_unref, .sign = signer_sign};

// ---- opening ------------------------------------------------------------------------------------

// ask_open asks for a file. What the answer borrows is there until key_desk_done, which follows in any case but where no
// holder could be started.
static enum err ask_open(struct key_desk *desk, enum key_use use, const char *path,
                         struct key_message *out, struct errinfo *info)
{
    struct key_message request = {
        .kind = KEY_OPEN, .what = (uint8_t)use, .bytes = slice_of_string(path)};
    TRY(key_desk_ask(desk, &request, KEY_PATIENCE_MS, out, info));
    if (out->kind != KEY_ANSWER_FAILED)
        return ERR_OK;
    return errinfo_set(info, (enum err)out->what, "%.*s", (int)out->bytes.len,
                       (const char *)out->bytes.data);
}

// keep fills in what every kept key has. False without memory.
static bool keep(struct key_desk *desk, struct kept_key *kept, enum key_use use, const char *path,
                 const struct key_message *answer)
{
    kept->desk = desk;
    kept->use = use;
    kept->generation = desk->generation;
    kept->path = strdup(path);
    atomic_init(&kept->refs, 1);
    (void)bytes_copy(kept->name, sizeof kept->name, slice_of(answer->name, sizeof answer->name));
    (void)pthread_mutex_lock(&desk->state);
    LIST_INSERT_HEAD(&desk->keys, kept, link);
    desk->key_count++;
    (void)pthread_mutex_unlock(&desk->state);
    return kept->path != NULL;
}

static enum err take_tls(struct key_desk *desk, const char *path, const struct key_message *answer,
                         struct key_content *out)
{
    CBS cbs;
    struct tls_key_apart *apart = calloc(1, sizeof *apart);
    CBS_init(&cbs, answer->bytes.data, answer->bytes.len);
    EVP_PKEY *public_key = apart == NULL ? NULL : EVP_parse_public_key(&cbs);
    ERR_clear_error();
    if (public_key == NULL) {
        free(apart);
        return ERR_MEMORY;
    }
    apart->key = (struct private_key){.ops = &tls_ops, .public_key = public_key};
    apart->kept.tls = &apart->key;
    (void)bytes_copy(apart->key.digest, sizeof apart->key.digest,
                     slice_of(answer->digest, sizeof answer->digest));
    out->tls = &apart->key;
    return keep(desk, &apart->kept, KEY_USE_TLS, path, answer) ? ERR_OK : ERR_MEMORY;
}

static enum err take_signer(struct key_desk *desk, const char *path,
                            const struct key_message *answer, struct key_content *out)
{
    struct signer_apart *apart = calloc(1, sizeof *apart);
    if (apart == NULL)
        return ERR_MEMORY;
    apart->signer.ops = &signer_ops;
    apart->kept.signer = &apart->signer;
    if (!note_verifier_parse(answer->bytes, &apart->signer.verifier)) {
        free(apart);
        return ERR_SYSTEM;
    }
    out->signer = &apart->signer;
    return keep(desk, &apart->kept, KEY_USE_SIGNER, path, answer) ? ERR_OK : ERR_MEMORY;
}

// drop gives back what was taken before memory was missing.
static void drop(struct key_content *content)
{
    private_key_unref(content->tls);
    checkpoint_signer_unref(content->signer);
    content->tls = NULL;
    content->signer = NULL;
}

static enum err read_content(struct key_source *source, enum key_use use, const char *path,
                             struct key_content *out, struct errinfo *info)
{
    struct key_desk *desk = (struct key_desk *)source;
    struct key_message answer;
    char whole[KEY_PATH_MAX + 1];
    TRY(key_path_whole(path, whole, info));
    TRY(key_desk_start(desk, info));
    enum err error = ask_open(desk, use, whole, &answer, info);
    if (error == ERR_OK) {
        (void)bytes_copy(out->sha256, sizeof out->sha256,
                         slice_of(answer.digest, sizeof answer.digest));
        if (answer.kind == KEY_ANSWER_UNUSABLE)
            (void)errinfo_set(&out->problem, ERR_INPUT, "%.*s", (int)answer.bytes.len,
                              (const char *)answer.bytes.data);
        else if (answer.kind == KEY_ANSWER_KEY && use == KEY_USE_TLS)
            error = take_tls(desk, whole, &answer, out);
        else if (answer.kind == KEY_ANSWER_KEY)
            error = take_signer(desk, whole, &answer, out);
        else
            error = errinfo_set(info, ERR_SYSTEM, "%s: the key holder makes no sense", path);
    }
    key_desk_done(desk);
    if (error != ERR_OK)
        drop(out);
    return error;
}

static enum err read_key(struct key_source *source, const char *path, struct key_content *out,
                         struct errinfo *info)
{
    return read_content(source, KEY_USE_TLS, path, out, info);
}

static enum err read_signer(struct key_source *source, const char *path, struct key_content *out,
                            struct errinfo *info)
{
    return read_content(source, KEY_USE_SIGNER, path, out, info);
}

static enum err read_chain(struct key_source *source, const char *path, struct chain_content *out,
                           struct errinfo *info)
{
    struct key_desk *desk = (struct key_desk *)source;
    struct key_message answer;
    char whole[KEY_PATH_MAX + 1];
    TRY(key_path_whole(path, whole, info));
    TRY(key_desk_start(desk, info));
    enum err error = ask_open(desk, KEY_USE_CHAIN, whole, &answer, info);
    if (error == ERR_OK && answer.kind == KEY_ANSWER_CHAIN) {
        uint8_t *copy = malloc(answer.bytes.len + 1);
        if (copy == NULL) {
            error = ERR_MEMORY;
        } else {
            (void)bytes_copy(copy, answer.bytes.len, answer.bytes);
            out->certificates =
                (struct file_content){.bytes = slice_of(copy, answer.bytes.len), .memory = copy};
            out->has_key = (answer.what & KEY_CHAIN_HAS_KEY) != 0;
            out->is_empty = (answer.what & KEY_CHAIN_IS_EMPTY) != 0;
            (void)bytes_copy(out->sha256, sizeof out->sha256,
                             slice_of(answer.digest, sizeof answer.digest));
        }
    } else if (error == ERR_OK) {
        error = errinfo_set(info, ERR_SYSTEM, "%s: the key holder makes no sense", path);
    }
    key_desk_done(desk);
    return error;
}

// take_calls locks `calls`, unless somebody waits for the holder until then. False: it is not locked.
static bool take_calls(struct key_desk *desk, int64_t until_ms)
{
    while (pthread_mutex_trylock(&desk->calls) != 0) {
        if (monotonic_ms() >= until_ms)
            return false;
        (void)poll(NULL, 0, LOOK_MS);
    }
    return true;
}

// answers asks for what a holder always does once it is sealed.
static bool answers(struct key_source *source, int64_t patience_ms)
{
    struct key_desk *desk = (struct key_desk *)source;
    struct key_message answer;
    struct key_message request = {.kind = KEY_SEAL};
    const int64_t until_ms = monotonic_ms() + patience_ms;
    if (!source->is_in_use)
        return true;
    if (!take_calls(desk, until_ms))
        return false;
    const bool is_good = key_call_try(&desk->call, &request, until_ms, &answer) == ERR_OK;
    (void)pthread_mutex_unlock(&desk->calls);
    return is_good;
}

const struct key_source_ops kept_keys_ops = {
    .read_chain = read_chain, .read_key = read_key, .read_signer = read_signer, .answers = answers};

// ---- another holder -----------------------------------------------------------------------------

// open_again has the holder open a key once more.
static enum err open_again(struct key_desk *desk, struct kept_key *kept, struct errinfo *info)
{
    struct key_message answer;
    struct key_message request = {
        .kind = KEY_OPEN, .what = (uint8_t)kept->use, .bytes = slice_of_string(kept->path)};
    if (key_call_ask(&desk->call, &request, -1, &answer) != ERR_OK)
        return errinfo_set(info, ERR_SYSTEM, "the process that holds the private keys has ended");
    kept->generation = desk->generation;
    kept->is_lost =
        answer.kind != KEY_ANSWER_KEY || memcmp(answer.name, kept->name, sizeof kept->name) != 0;
    if (!kept->is_lost)
        return ERR_OK;
    log_error(LOG_KEY_HOLDER,
              "%s: the key that is in use cannot be read again: %.*s; until a reload finds the key "
              "and its certificate, nothing is signed with it",
              kept->path, answer.kind == KEY_ANSWER_KEY ? 24 : (int)answer.bytes.len,
              answer.kind == KEY_ANSWER_KEY ? "the file has another one"
                                            : (const char *)answer.bytes.data);
    return ERR_OK;
}

// find_old gives a key that this holder was not asked for. NULL: there is none.
static struct kept_key *find_old(struct key_desk *desk)
{
    (void)pthread_mutex_lock(&desk->state);
    struct kept_key *kept = LIST_FIRST(&desk->keys);
    while (kept != NULL && kept->generation == desk->generation)
        kept = LIST_NEXT(kept, link);
    (void)pthread_mutex_unlock(&desk->state);
    return kept;
}

enum err kept_keys_open_again(struct key_desk *desk, struct errinfo *info)
{
    struct kept_key *kept = NULL;
    while ((kept = find_old(desk)) != NULL) // it is freed on this thread alone
        TRY(open_again(desk, kept, info));
    return ERR_OK;
}
