// States in the order of client.h; each callback of the loop does one step of them.
#include "tests/bench/load/client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load/link.h"

enum { RECORD_MAX = 16384, CHAIN_MAX = 8 };

uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// -- credentials ------------------------------------------------------------------------------

// load_chain reads the certificates of a PEM file and gives their number.
static size_t load_chain(const char *path, CRYPTO_BUFFER **out_chain)
{
    size_t count = 0;
    BIO *file = BIO_new_file(path, "r");
    char *name = NULL;
    char *header = NULL;
    uint8_t *der = NULL;
    long len = 0;
    while (file != NULL && count < CHAIN_MAX &&
           PEM_read_bio(file, &name, &header, &der, &len) == 1) {
        out_chain[count++] = CRYPTO_BUFFER_new(der, (size_t)len, NULL);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    ERR_clear_error();
    BIO_free(file);
    return count;
}

static enum ssl_verify_result_t on_verify(SSL *ssl, uint8_t *out_alert)
{
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok; // see client.h
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *client = SSL_get_app_data(ssl);
    if (!client->wants_resumption)
        return 0;
    SSL_SESSION_free(client->session);
    client->session = session;
    return 1; // it is ours now
}

SSL_CTX *client_credentials(const char *chain_path, const char *key_path)
{
    CRYPTO_BUFFER *chain[CHAIN_MAX];
    const size_t count = load_chain(chain_path, chain);
    BIO *file = BIO_new_file(key_path, "r");
    EVP_PKEY *key = file == NULL ? NULL : PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_with_buffers_method());
    const bool is_good = ctx != NULL && key != NULL && count > 0 &&
                         SSL_CTX_set_chain_and_key(ctx, chain, count, key, NULL) == 1;
    for (size_t i = 0; i < count; i++)
        CRYPTO_BUFFER_free(chain[i]);
    EVP_PKEY_free(key);
    BIO_free(file);
    if (!is_good) {
        (void)fprintf(stderr, "load: cannot use %s with %s\n", chain_path, key_path);
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    return ctx;
}

bool client_make_hello(struct client_setup *setup)
{
    SSL *ssl = SSL_new(setup->ssl_ctx);
    BIO *written = BIO_new(BIO_s_mem());
    BIO *empty = BIO_new(BIO_s_mem());
    static const uint8_t alpn[] = "\x02h2\x08http/1.1";
    const uint8_t *bytes = NULL;
    size_t len = 0;
    const bool is_good = ssl != NULL && written != NULL && empty != NULL &&
                         SSL_set_tlsext_host_name(ssl, "bench.example.com") == 1 &&
                         SSL_set_alpn_protos(ssl, alpn, sizeof alpn - 1) == 0;
    if (is_good) {
        SSL_set_bio(ssl, empty, written); // which it owns now
        SSL_set_connect_state(ssl);
        (void)SSL_do_handshake(ssl);
        static const uint8_t finished[] = {23, 3, 3, 0, 1, 0}; // what follows in a handshake
        if (BIO_mem_contents(written, &bytes, &len) == 1 &&
            bytes_copy(setup->hello, sizeof setup->hello - sizeof finished, slice_of(bytes, len)) &&
            bytes_copy(setup->hello + len, sizeof finished, slice_of(finished, sizeof finished)))
            setup->hello_len = len + sizeof finished;
    }
    ERR_clear_error();
    SSL_free(ssl);
    return setup->hello_len > 0;
}

// -- ends -------------------------------------------------------------------------------------

static bool is_stream(const struct client *client)
{
    return client->setup->links != NULL && !client->is_link;
}

void client_close(struct client *client, bool is_reset)
{
    if (client->state == CLIENT_IDLE)
        return;
    if (is_stream(client)) {
        link_close(client, is_reset);
        return;
    }
    ev_io_stop(client->setup->loop, &client->io);
    if (is_reset) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(client->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    } else if (client->ssl != NULL && client->state == CLIENT_OPEN) {
        (void)SSL_shutdown(client->ssl);
    }
    (void)close(client->io.fd);
    SSL_free(client->ssl);
    ERR_clear_error();
    client->ssl = NULL;
    client->state = CLIENT_IDLE;
}

static void end(struct client *client, const char *why)
{
    client_close(client, false);
    client->handler->on_end(client, why);
}

void client_forget_session(struct client *client)
{
    SSL_SESSION_free(client->session);
    client->session = NULL;
}

// -- bytes ------------------------------------------------------------------------------------

static enum err ssl_error(const struct client *client, int result)
{
    const int kind = SSL_get_error(client->ssl, result);
    ERR_clear_error();
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        return ERR_AGAIN;
    if (kind == SSL_ERROR_ZERO_RETURN)
        return ERR_EOF;
    return kind == SSL_ERROR_SYSCALL ? ERR_SYSTEM : ERR_INPUT;
}

static enum err system_error(ssize_t count)
{
    if (count == 0)
        return ERR_EOF;
    return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
}

enum err client_read(struct client *client, void *out, size_t cap, size_t *out_len)
{
    *out_len = 0;
    if (is_stream(client))
        return link_read(client, out, cap, out_len);
    if (client->ssl == NULL) {
        const ssize_t count = recv(client->io.fd, out, cap, 0);
        if (count <= 0)
            return system_error(count);
        *out_len = (size_t)count;
        return ERR_OK;
    }
    const int result = SSL_read(client->ssl, out, (int)cap);
    if (result <= 0)
        return ssl_error(client, result);
    *out_len = (size_t)result;
    return ERR_OK;
}

enum err client_write(struct client *client, struct slice bytes, size_t *out_len)
{
    *out_len = 0;
    if (is_stream(client))
        return link_write(client, bytes, out_len);
    if (client->ssl == NULL) {
        const ssize_t count = send(client->io.fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (count <= 0)
            return system_error(count);
        *out_len = (size_t)count;
        return ERR_OK;
    }
    const struct slice piece = slice_first(bytes, RECORD_MAX);
    const int result = SSL_write(client->ssl, piece.data, (int)piece.len);
    if (result <= 0)
        return ssl_error(client, result);
    *out_len = (size_t)result;
    return ERR_OK;
}

void client_want(struct client *client, bool read, bool write)
{
    const int events = (read ? EV_READ : 0) | (write ? EV_WRITE : 0);
    if (is_stream(client)) {
        link_want(client, read, write);
        return;
    }
    if (client->state == CLIENT_IDLE || (client->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(client->setup->loop, &client->io);
    ev_io_set(&client->io, client->io.fd, events);
    if (events != 0)
        ev_io_start(client->setup->loop, &client->io);
}

// -- CONNECT ----------------------------------------------------------------------------------

void client_ask(struct client *client, const char *target)
{
    char request[512];
    size_t written = 0;
    if (is_stream(client)) { // another stream
        link_close(client, false);
        if (!link_start(client, target))
            client->handler->on_end(client, "no stream");
        return;
    }
    const int len = snprintf(request, sizeof request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n",
                             target, target);
    client->target = target;
    client->state = CLIENT_ANSWER;
    client->head_len = 0;
    client->body_left = 0;
    client->status = 0;
    client_want(client, true, false);
    // A new connection has room for a request.
    if (client_write(client, slice_of(request, (size_t)len), &written) != ERR_OK)
        end(client, "cannot send CONNECT");
}

// field_number gives the number after a header's name, or 0.
static size_t field_number(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);
    return found == NULL ? 0 : (size_t)strtoul(found + strlen(name), NULL, 10);
}

// read_answer gives ERR_OK when the answer is complete.
static enum err read_answer(struct client *client)
{
    for (;;) {
        size_t len = 0;
        if (client->status != 0) { // the body of a refusal
            char body[4096];
            if (client->body_left == 0)
                return ERR_OK;
            const size_t cap = client->body_left < sizeof body ? client->body_left : sizeof body;
            TRY(client_read(client, body, cap, &len));
            client->body_left -= len;
            continue;
        }
        const size_t room = sizeof client->head - 1 - client->head_len;
        if (room == 0)
            return ERR_LIMIT;
        TRY(client_read(client, client->head + client->head_len, room, &len));
        client->head_len += len;
        client->head[client->head_len] = '\0';
        const char *blank = strstr(client->head, "\r\n\r\n");
        if (blank == NULL)
            continue;
        const size_t behind = client->head_len - (size_t)(blank + 4 - client->head);
        client->status = (int)strtol(client->head + strlen("HTTP/1.x "), NULL, 10);
        client->early_len = client->status == 200 ? behind : 0;
        client->is_kept = strcasestr(client->head, "connection: close") == NULL;
        const size_t body = field_number(client->head, "content-length:");
        client->body_left = client->status == 200 || body < behind ? 0 : body - behind;
    }
}

static void step_answer(struct client *client)
{
    const enum err error = read_answer(client);
    if (error == ERR_AGAIN)
        return;
    if (error != ERR_OK) {
        end(client, "no whole answer to CONNECT");
        return;
    }
    const struct slice hello = slice_of(client->setup->hello, client->setup->hello_len);
    size_t written = 0;
    if (client->status == 200 && hello.len > 0 &&
        (client_write(client, hello, &written) != ERR_OK || written < hello.len)) {
        end(client, "cannot send a hello");
        return;
    }
    client->state = CLIENT_OPEN;
    client->handler->on_answer(client);
}

static void step_handshake(struct client *client)
{
    const int result = SSL_do_handshake(client->ssl);
    if (result == 1 && client->is_link) {
        client->state = CLIENT_OPEN;
        client->handler->on_answer(client);
        return;
    }
    if (result == 1) {
        client->is_resumed = SSL_session_reused(client->ssl) == 1;
        client_ask(client, client->target);
        return;
    }
    const int kind = SSL_get_error(client->ssl, result);
    ERR_clear_error();
    if (kind == SSL_ERROR_WANT_READ)
        client_want(client, true, false);
    else if (kind == SSL_ERROR_WANT_WRITE)
        client_want(client, true, true);
    else
        end(client, "handshake");
}

static void step_connecting(struct client *client)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)getsockopt(client->io.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        end(client, "connect");
        return;
    }
    if (client->setup->is_direct) {
        client->state = CLIENT_OPEN;
        client->status = 200;
        client_want(client, true, false);
        client->handler->on_answer(client);
        return;
    }
    if (client->ssl == NULL) {
        client_ask(client, client->target);
        return;
    }
    client->state = CLIENT_HANDSHAKE;
    client_want(client, true, false);
    step_handshake(client);
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct client *client = io->data;
    switch (client->state) {
    case CLIENT_CONNECTING:
        step_connecting(client);
        return;
    case CLIENT_HANDSHAKE:
        if (client->stays_half_open) {
            client->state = CLIENT_HALF_OPEN;
            client_want(client, false, false);
            client->handler->on_answer(client);
            return;
        }
        step_handshake(client);
        return;
    case CLIENT_ANSWER:
        step_answer(client);
        return;
    case CLIENT_OPEN:
        client->handler->on_ready(client);
        return;
    case CLIENT_HALF_OPEN:
    case CLIENT_IDLE:
        return;
    }
}

// start_tls gives false without memory.
static bool start_tls(struct client *client, int fd)
{
    static const uint8_t h2[] = "\x02h2";
    if (client->setup->ssl_ctx == NULL)
        return true;
    client->ssl = SSL_new(client->setup->ssl_ctx);
    if (client->ssl == NULL || SSL_set_fd(client->ssl, fd) != 1)
        return false;
    if (client->is_link && SSL_set_alpn_protos(client->ssl, h2, sizeof h2 - 1) != 0)
        return false;
    SSL_set_app_data(client->ssl, client);
    SSL_set_connect_state(client->ssl);
    if (client->stays_half_open) { // whatever comes, TLS never sees it
        BIO *nothing = BIO_new(BIO_s_mem());
        if (nothing == NULL)
            return false;
        (void)BIO_set_mem_eof_return(nothing, -1);
        SSL_set0_rbio(client->ssl, nothing);
    }
    if (client->wants_resumption && client->session != NULL) {
        (void)SSL_set_session(client->ssl, client->session);
        client_forget_session(client); // once each (RFC 8446 C.4)
    }
    return true;
}

bool client_start(struct client *client, const char *target)
{
    const struct client_setup *setup = client->setup;
    if (is_stream(client))
        return link_start(client, target);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!start_tls(client, fd)) {
        SSL_free(client->ssl);
        client->ssl = NULL;
        (void)close(fd);
        return false;
    }
    client->target = target;
    client->state = CLIENT_CONNECTING;
    client->status = 0;
    client->early_len = 0;
    client->begun_ns = now_ns();
    (void)connect(fd, (const struct sockaddr *)&setup->proxy, sizeof setup->proxy);
    ev_io_init(&client->io, on_event, fd, EV_WRITE); // a failed connect shows there too
    client->io.data = client;
    ev_io_start(setup->loop, &client->io);
    return true;
}
