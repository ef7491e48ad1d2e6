// TLS over a stream, whatever the role in the handshake (RFC 8446, RFC 5246): tls_server.c and
// tls_client.c make the streams.
//
// BoringSSL reads and writes through a BIO of ours:
//   1. Reading: the BIO reads as much ciphertext as the socket has, at most a buffer full, and
//      BoringSSL takes headers and bodies out of it. When it asks for more than there is, the
//      buffer is empty, and goes back to the pool.
//   2. Writing: the BIO gathers records in a buffer; after each operation of ours the buffer goes
//      out in one system call. What the socket does not take stays, and no plaintext is accepted
//      until there is room for a whole record.
// So a stream with nothing in flight holds no buffer.
#include "proxy/tls/tls_stream.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "proxy/tls/context_internal.h"

enum {
    TLS_STREAM_MAGIC = 0x715571EA,
    RECORD_PLAIN_MAX = 16384,
    RECORD_TYPE_ALERT = 21,
    RECORD_TYPE_HANDSHAKE = 22
};

static struct tls_stream *tls_of(const struct stream *stream)
{
    struct tls_stream *tls = (struct tls_stream *)(uintptr_t)stream;
    ASSERT(tls->magic == TLS_STREAM_MAGIC);
    return tls;
}

// fill_input reads ciphertext into the empty `in`. The result stands in `read_error`, too.
static enum err fill_input(struct tls_stream *tls)
{
    if (tls->read_error != ERR_OK)
        return tls->read_error;
    if (tls->in == NULL) {
        tls->in = buffer_pool_take(tls->pool);
        if (tls->in == NULL)
            return tls->read_error = ERR_MEMORY;
    }
    size_t len = 0;
    const enum err error = stream_read(tls->below, tls->in->data, BUFFER_CAP, &len);
    if (error == ERR_OK) {
        buffer_produce(tls->in, len);
        return ERR_OK;
    }
    buffer_pool_give(tls->pool, &tls->in);
    if (error != ERR_AGAIN)
        tls->read_error = error;
    return error;
}

// is_plain_http tells HTTP in the clear from other junk: of a client a request line, which begins with a
// method in capitals, of a server the version of its answer, as far as it has come.
static bool is_plain_http(struct slice first, bool is_from_server)
{
    size_t len = 0;
    if (is_from_server)
        return slice_starts_with(first, SLICE_LITERAL("HTTP/"));
    while (len < first.len && first.data[len] >= 'A' && first.data[len] <= 'Z')
        len++;
    return len > 0 && (len == first.len || first.data[len] == ' ');
}

// is_proxy_header tells whether it begins as a PROXY header does, of either version.
static bool is_proxy_header(struct slice first)
{
    return slice_starts_with(first, SLICE_LITERAL("PROXY ")) ||
           slice_starts_with(first, SLICE_LITERAL("\r\n\r\n\0\r\nQUIT\n"));
}

// check_first_bytes looks at what the peer sends first: only TLS starts with a handshake record, or, from
// a server, with an alert.
static bool check_first_bytes(struct tls_stream *tls)
{
    if (tls->has_begun)
        return true;
    tls->has_begun = true;
    const struct slice first = buffer_unread(tls->in);
    const bool is_from_server = !SSL_is_server(tls->ssl);
    if (first.data[0] == RECORD_TYPE_HANDSHAKE ||
        (is_from_server && first.data[0] == RECORD_TYPE_ALERT))
        return true;
    const bool is_header = is_proxy_header(first);
    const bool is_http = !is_header && is_plain_http(first, is_from_server);
    tls->failure = is_http ? TLS_FAILURE_PLAIN_HTTP : TLS_FAILURE_PROTOCOL;
    tls->failure_detail = is_http ? "plain_http" : is_header ? "proxy_header" : "not_tls";
    return false;
}

static int bio_read(BIO *bio, char *out, int len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    if (buffer_len(tls->in) == 0) {
        const enum err error = fill_input(tls);
        if (error == ERR_AGAIN)
            BIO_set_retry_read(bio);
        if (error != ERR_OK)
            return error == ERR_EOF ? 0 : -1;
        if (!check_first_bytes(tls))
            return -1;
    }
    const struct slice taken = slice_first(buffer_unread(tls->in), (size_t)len);
    (void)bytes_copy(out, (size_t)len, taken);
    buffer_consume(tls->in, taken.len);
    return (int)taken.len;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    if (tls->write_error != ERR_OK)
        return -1;
    if (tls->out == NULL) {
        tls->out = buffer_pool_take(tls->pool);
        if (tls->out == NULL) {
            tls->write_error = ERR_MEMORY;
            return -1;
        }
    }
    const struct slice all = slice_of(bytes, (size_t)len);
    const struct slice fitting = slice_first(all, buffer_room(tls->out));
    if (fitting.len == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    (void)buffer_append(tls->out, fitting);
    return (int)fitting.len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *make_bio_method(void)
{
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sallyport stream");
    if (method != NULL && BIO_meth_set_read(method, bio_read) &&
        BIO_meth_set_write(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl))
        return method;
    BIO_meth_free(method);
    return NULL;
}

// bio_method gives the one method of all streams, which lives as long as the process. The first that needs it makes it. NULL
// without memory; the next one tries again.
static const BIO_METHOD *bio_method(void)
{
    static _Atomic(BIO_METHOD *) shared;
    BIO_METHOD *method = atomic_load_explicit(&shared, memory_order_acquire);
    if (method != NULL)
        return method;
    BIO_METHOD *made = make_bio_method();
    if (made == NULL || atomic_compare_exchange_strong(&shared, &method, made))
        return made;
    BIO_meth_free(made);
    return method;
}

// push_output hands the gathered records to the stream below.
static enum err push_output(struct tls_stream *tls)
{
    while (buffer_len(tls->out) != 0) {
        if (tls->write_error != ERR_OK)
            return tls->write_error;
        size_t len = 0;
        const enum err error = stream_write(tls->below, buffer_unread(tls->out), &len);
        if (error == ERR_AGAIN)
            return ERR_AGAIN;
        if (error != ERR_OK)
            return tls->write_error = error;
        buffer_consume(tls->out, len);
    }
    buffer_pool_give_if_empty(tls->pool, &tls->out);
    return tls->write_error;
}

// release_input gives the input buffer back where nothing in it waits to be read; once reading is over,
// whatever the peer has sent after the end goes with it.
static void release_input(struct tls_stream *tls, bool is_over)
{
    if (is_over)
        buffer_pool_give(tls->pool, &tls->in);
    else
        buffer_pool_give_if_empty(tls->pool, &tls->in);
}

// protocol_error tells the kinds of failure apart that BoringSSL reports through one return value.
static enum err protocol_error(struct tls_stream *tls)
{
    ERR_clear_error();
    if (tls->read_error != ERR_OK && tls->read_error != ERR_EOF)
        return tls->read_error;
    if (tls->write_error != ERR_OK)
        return tls->write_error;
    return ERR_INPUT;
}

static enum err read_record(struct tls_stream *tls, uint8_t *out, size_t cap, size_t *out_len)
{
    const int len = (int)(cap < RECORD_PLAIN_MAX ? cap : RECORD_PLAIN_MAX);
    const int result = SSL_read(tls->ssl, out, len);
    if (result > 0) {
        *out_len = (size_t)result;
        return ERR_OK;
    }
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return ERR_AGAIN;
    case SSL_ERROR_WANT_WRITE: // an answer to a post-handshake message waits for room
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        tls->saw_close_notify = true;
        return ERR_EOF;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return tls->read_error != ERR_OK ? tls->read_error : ERR_SYSTEM;
    default:
        if (tls->read_error == ERR_EOF) { // a FIN in the middle of a record
            ERR_clear_error();
            return ERR_EOF;
        }
        return protocol_error(tls);
    }
}

static enum err tls_read(struct stream *stream, void *out, size_t cap, size_t *out_len)
{
    struct tls_stream *tls = tls_of(stream);
    uint8_t *at = out;
    size_t total = 0;
    enum err error = ERR_OK;
    while (total < cap) {
        size_t len = 0;
        error = read_record(tls, at + total, cap - total, &len);
        if (error != ERR_OK)
            break;
        total += len;
    }
    const bool is_over = error != ERR_OK && error != ERR_AGAIN;
    if (is_over && tls->read_error == ERR_OK) // BoringSSL would go on after a lack of memory
        tls->read_error = error;
    release_input(tls, is_over);
    (void)push_output(tls); // an alert or a key update; its failure shows at the next write
    *out_len = total;
    return total > 0 ? ERR_OK : error;
}

// has_room_for tells whether a record of `len` bytes fits after what is gathered already.
static bool has_room_for(const struct tls_stream *tls, size_t len)
{
    return tls->out == NULL || buffer_room(tls->out) >= len + SSL_max_seal_overhead(tls->ssl);
}

static enum err tls_write(struct stream *stream, struct slice bytes, size_t *out_len)
{
    struct tls_stream *tls = tls_of(stream);
    *out_len = 0;
    if (tls->is_shut || tls->write_error != ERR_OK)
        return ERR_SYSTEM;
    while (bytes.len > *out_len) {
        const struct slice piece = slice_first(slice_from(bytes, *out_len), RECORD_PLAIN_MAX);
        if (!has_room_for(tls, piece.len))
            break;
        const int result = SSL_write(tls->ssl, piece.data, (int)piece.len);
        if (result <= 0) {
            const int kind = SSL_get_error(tls->ssl, result);
            return kind == SSL_ERROR_WANT_WRITE ? ERR_AGAIN : protocol_error(tls);
        }
        *out_len += (size_t)result;
    }
    return *out_len > 0 ? ERR_OK : ERR_AGAIN;
}

static enum err tls_flush(struct stream *stream)
{
    return push_output(tls_of(stream));
}

static enum err tls_finish(struct stream *stream)
{
    struct tls_stream *tls = tls_of(stream);
    TRY(push_output(tls));
    if (!tls->is_shut) {
        tls->is_shut = true;
        if (SSL_is_init_finished(tls->ssl))
            (void)SSL_shutdown(tls->ssl); // writes close_notify; that of the peer comes as EOF
        ERR_clear_error();
    }
    TRY(push_output(tls));
    return stream_finish(tls->below);
}

static void tls_want(struct stream *stream, bool read, bool write)
{
    struct tls_stream *tls = tls_of(stream);
    const bool may_read = !tls_stream_is_signing(tls) || tls_stream_may_look(tls);
    stream_want(tls->below, read && may_read, write || buffer_len(tls->out) != 0);
}

static bool tls_is_truncated(const struct stream *stream)
{
    const struct tls_stream *tls = tls_of(stream);
    return tls->read_error == ERR_EOF && !tls->saw_close_notify;
}

static void tls_close(struct stream *stream, bool is_reset)
{
    struct tls_stream *tls = tls_of(stream);
    signature_end(&tls->signature);
    buffer_pool_give(tls->pool, &tls->in);
    buffer_pool_give(tls->pool, &tls->out);
    if (tls->read_error == ERR_OK)
        tls->read_error = ERR_SYSTEM;
    if (tls->write_error == ERR_OK)
        tls->write_error = ERR_SYSTEM;
    stream_close(tls->below, is_reset);
}

static const struct stream_ops tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .flush = tls_flush,
    .finish = tls_finish,
    .want = tls_want,
    .is_truncated = tls_is_truncated,
    .close = tls_close,
};

struct tls_stream *tls_stream_of(const SSL *ssl)
{
    const struct signature *signature = SSL_get_app_data(ssl);
    return signature == NULL ? NULL : signature->stream;
}

enum ssl_verify_result_t tls_stream_on_verify(SSL *ssl, uint8_t *out_alert)
{
    struct tls_stream *tls = tls_stream_of(ssl);
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
    enum tls_alert alert = TLS_ALERT_INTERNAL_ERROR;
    enum err error = ERR_DENIED;
    if (chain != NULL && sk_CRYPTO_BUFFER_num(chain) > 0)
        error = tls->verify(tls->verify_arg, chain, &alert);
    if (error == ERR_OK || error == ERR_AGAIN)
        return error == ERR_OK ? ssl_verify_ok : ssl_verify_retry;
    tls->failure = TLS_FAILURE_REFUSED;
    tls->failure_detail = "certificate_refused";
    *out_alert = (uint8_t)alert;
    return ssl_verify_invalid;
}

// on_signed has the owner of the stream go on with the handshake.
static void on_signed(void *stream)
{
    struct tls_stream *tls = stream;
    tls->below->on_ready(tls->below->owner);
}

struct tls_stream *tls_stream_make(struct tls_context *context, struct stream *below,
                                   struct buffer_pool *pool, tls_verify_fn verify, void *verify_arg)
{
    struct tls_stream *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return NULL;
    *tls = (struct tls_stream){
        .stream = {.ops = &tls_ops},
        .magic = TLS_STREAM_MAGIC,
        .context = tls_context_ref(context),
        .below = below,
        .pool = pool,
        .verify = verify,
        .verify_arg = verify_arg,
        .failure_detail = "",
        .signature = {.stream = tls, .on_signed = on_signed},
    };
    tls->ssl = SSL_new(context->ssl_ctx);
    const BIO_METHOD *method = bio_method();
    BIO *bio = method == NULL ? NULL : BIO_new(method);
    if (tls->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        tls_stream_destroy(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_shed_handshake_config(tls->ssl, 1);
    if (SSL_set_app_data(tls->ssl, &tls->signature))
        return tls;
    tls_stream_destroy(tls);
    return NULL;
}

void tls_stream_destroy(struct tls_stream *tls)
{
    if (tls == NULL)
        return;
    buffer_pool_give(tls->pool, &tls->in);
    buffer_pool_give(tls->pool, &tls->out);
    signature_end(&tls->signature);
    SSL_free(tls->ssl);
    tls_context_unref(tls->selected);
    tls_context_unref(tls->context);
    tls->magic = 0;
    free(tls);
}

bool tls_stream_is_resumed(const struct tls_stream *tls)
{
    return SSL_session_reused(tls->ssl);
}

bool tls_stream_is_peer_unanswered(const struct tls_stream *tls)
{
    return SSL_version(tls->ssl) == TLS1_3_VERSION || SSL_session_reused(tls->ssl);
}

// note_failure turns BoringSSL's error into one of ours, unless somebody knew better before.
static void note_failure(struct tls_stream *tls)
{
    const uint32_t code = ERR_peek_error();
    const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    const char *text = code == 0 ? NULL : ERR_reason_error_string(code);
    if (tls->failure == TLS_FAILURE_NONE && tls->signature.has_failed) {
        tls->failure = TLS_FAILURE_PROTOCOL;
        tls->failure_detail = "no_signature";
    } else if (tls->failure == TLS_FAILURE_NONE) {
        if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
            tls->failure = TLS_FAILURE_NO_CERTIFICATE;
        else if (reason == SSL_R_KEY_USAGE_BIT_INCORRECT)
            tls->failure = TLS_FAILURE_KEY_USAGE;
        else if (reason == SSL_R_EXCESSIVE_MESSAGE_SIZE)
            tls->failure = TLS_FAILURE_TOO_LONG;
        else if (tls->read_error != ERR_OK || tls->write_error != ERR_OK ||
                 reason >= SSL_AD_REASON_OFFSET)
            tls->failure = TLS_FAILURE_ABORTED;
        else
            tls->failure = TLS_FAILURE_PROTOCOL;
        tls->failure_detail = text == NULL ? "" : text;
    }
    ERR_clear_error();
}

static enum err step_handshake(struct tls_stream *tls)
{
    for (;;) {
        const int result = SSL_do_handshake(tls->ssl);
        const int kind = result == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, result);
        const bool is_waiting = kind == SSL_ERROR_WANT_CERTIFICATE_VERIFY ||
                                kind == SSL_ERROR_WANT_PRIVATE_KEY_OPERATION;
        if (kind != SSL_ERROR_NONE && kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE &&
            !is_waiting) {
            note_failure(tls);
            (void)push_output(tls); // the alert; what is left goes with stream_flush
            return ERR_DENIED;
        }
        const enum err error = push_output(tls);
        if (error != ERR_OK && error != ERR_AGAIN) {
            note_failure(tls);
            return ERR_DENIED;
        }
        if (kind == SSL_ERROR_NONE)
            return ERR_OK;
        if (kind == SSL_ERROR_WANT_READ || is_waiting || error == ERR_AGAIN)
            return ERR_AGAIN;
    }
}

bool tls_stream_is_signing(const struct tls_stream *tls)
{
    return tls->signature.signing != NULL;
}

// has_left tells whether the peer is gone while we sign: BoringSSL does not read then.
static bool has_left(struct tls_stream *tls)
{
    if (!tls_stream_is_signing(tls) || tls_stream_look(tls))
        return false;
    tls->failure = TLS_FAILURE_ABORTED;
    tls->failure_detail = "";
    return true;
}

enum err tls_stream_handshake(struct tls_stream *tls)
{
    const enum err error = has_left(tls) ? ERR_DENIED : step_handshake(tls);
    release_input(tls, error != ERR_OK && error != ERR_AGAIN);
    return error;
}

bool tls_stream_is_waiting(const struct tls_stream *tls)
{
    return SSL_want(tls->ssl) == SSL_ERROR_WANT_CERTIFICATE_VERIFY;
}

bool tls_stream_may_look(const struct tls_stream *tls)
{
    return tls->read_error == ERR_OK && (tls->in == NULL || buffer_room(tls->in) > 0);
}

bool tls_stream_look(struct tls_stream *tls)
{
    enum err error = ERR_OK;
    while (error == ERR_OK && tls_stream_may_look(tls)) {
        if (buffer_len(tls->in) == 0) {
            error = fill_input(tls);
            continue;
        }
        size_t len = 0;
        error = stream_read(tls->below, tls->in->data + tls->in->end, buffer_room(tls->in), &len);
        if (error == ERR_OK)
            buffer_produce(tls->in, len);
        else if (error != ERR_AGAIN)
            tls->read_error = error;
    }
    const bool is_over = tls->read_error != ERR_OK && tls->read_error != ERR_AGAIN;
    return !is_over || (tls->read_error == ERR_EOF && buffer_len(tls->in) > 0);
}

const STACK_OF(CRYPTO_BUFFER) *tls_stream_peer_chain(const struct tls_stream *tls)
{
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(tls->ssl);
    return chain == NULL || sk_CRYPTO_BUFFER_num(chain) == 0 ? NULL : chain;
}

const char *tls_stream_version_name(const struct tls_stream *tls)
{
    if (!SSL_is_init_finished(tls->ssl) && SSL_get_current_cipher(tls->ssl) == NULL)
        return NULL;
    switch (SSL_version(tls->ssl)) {
    case TLS1_3_VERSION:
        return "1.3";
    case TLS1_2_VERSION:
        return "1.2";
    default:
        return NULL;
    }
}

enum tls_group tls_stream_group(const struct tls_stream *tls)
{
    return SSL_is_init_finished(tls->ssl) ? tls_group_of(tls->ssl) : TLS_GROUP_COUNT;
}

const char *tls_stream_group_name(const struct tls_stream *tls)
{
    return tls_group_names[tls_stream_group(tls)];
}

const char *tls_stream_cipher_name(const struct tls_stream *tls)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    return cipher == NULL ? NULL : SSL_CIPHER_standard_name(cipher);
}

bool tls_stream_is_http2(const struct tls_stream *tls)
{
    const uint8_t *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return slice_equal(slice_of(name, len), SLICE_LITERAL("h2"));
}

const char *tls_stream_server_name(const struct tls_stream *tls)
{
    return SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
}
