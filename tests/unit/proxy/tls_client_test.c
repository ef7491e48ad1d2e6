// tls_client: both ends are ours, over streams in memory; what one writes the other gets when the test
// says so.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "proxy/pki/certificate.h"
#include "proxy/tls/tls_client.h"
#include "proxy/tls/tls_server.h"
#include "tests/unit/proxy/fake_stream.h"

struct party {
    EVP_PKEY *key;
    X509 *cert;
    struct pem key_pem;
    struct pem cert_pem;
};

struct rig {
    struct party server_party;
    struct party client_party;
    struct tls_context *context;
    struct tls_context *client;
    struct ticket_keys *keys;
    struct tls_sessions sessions;
    struct buffer_pool pool;
    struct fake_stream *server_below;
    struct fake_stream *client_below;
    struct tls_stream *server;
    struct tls_stream *user; // the client's stream
    enum err client_verdict;
    enum err server_verdict;
    enum tls_alert server_alert;
    size_t judged_by_client;
    size_t judged_by_server;
    size_t request_count;
    size_t ca_name_count;
};

static void make_party(struct party *party, enum certificate_kind kind, const char *name)
{
    const struct certificate_plan plan = {
        .kind = kind, .common_name = name, .not_before_s = 1700000000, .not_after_s = 2000000000};
    assert_int_equal(keypair_generate(&party->key), ERR_OK);
    assert_int_equal(certificate_make(&plan, party->key, NULL, party->key, &party->cert), ERR_OK);
    assert_int_equal(certificate_format(&party->cert, 1, &party->cert_pem), ERR_OK);
    assert_int_equal(keypair_format(party->key, (struct slice){0}, &party->key_pem), ERR_OK);
}

static void drop_party(struct party *party)
{
    X509_free(party->cert);
    EVP_PKEY_free(party->key);
    pem_deinit(&party->cert_pem);
    pem_deinit(&party->key_pem);
}

static STACK_OF(CRYPTO_BUFFER) *two_names(void)
{
    STACK_OF(CRYPTO_BUFFER) *names = sk_CRYPTO_BUFFER_new_null();
    static const uint8_t empty_name[] = {0x30, 0x00};
    for (int i = 0; i < 2; i++)
        assert_true(
            sk_CRYPTO_BUFFER_push(names, CRYPTO_BUFFER_new(empty_name, sizeof empty_name, NULL)));
    return names;
}

static struct tls_context *make_client(const struct party *party)
{
    struct tls_context *client = NULL;
    struct errinfo info;
    assert_int_equal(tls_client_create(pem_slice(&party->cert_pem),
                                       &(struct tls_key){.pem = pem_slice(&party->key_pem)},
                                       &client, &info),
                     ERR_OK);
    return client;
}

static int create(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct errinfo info;
    assert_non_null(rig);
    make_party(&rig->server_party, CERTIFICATE_SERVER, "proxy");
    make_party(&rig->client_party, CERTIFICATE_CLIENT, "laptop");
    const struct tls_context_options options = {
        .chain_pem = pem_slice(&rig->server_party.cert_pem),
        .key = {.pem = pem_slice(&rig->server_party.key_pem)},
        .min = TLS_VERSION_1_2,
        .max = TLS_VERSION_1_3,
        .client_ca_names = two_names(),
    };
    assert_int_equal(tls_context_create(&options, &rig->context, &info), ERR_OK);
    rig->client = make_client(&rig->client_party);
    const struct ticket_settings settings = {.rotate_s = 3600};
    rig->keys = ticket_keys_create(&settings);
    assert_non_null(rig->keys);
    *state = rig;
    return 0;
}

static void drop_ends(struct rig *rig)
{
    tls_stream_destroy(rig->server);
    tls_stream_destroy(rig->user);
    fake_stream_destroy(rig->server_below);
    fake_stream_destroy(rig->client_below);
    rig->server = NULL;
    rig->user = NULL;
    rig->server_below = NULL;
    rig->client_below = NULL;
    assert_int_equal(rig->pool.buffers.lent_count, 0);
}

static int destroy(void **state)
{
    struct rig *rig = *state;
    drop_ends(rig);
    tls_sessions_drop(&rig->sessions);
    tls_context_unref(rig->client);
    tls_context_unref(rig->context);
    ticket_keys_destroy(rig->keys);
    buffer_pool_deinit(&rig->pool);
    drop_party(&rig->server_party);
    drop_party(&rig->client_party);
    free(rig);
    return 0;
}

static enum err judge_client(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                             enum tls_alert *out_alert)
{
    struct rig *rig = arg;
    rig->judged_by_server += sk_CRYPTO_BUFFER_num(chain);
    *out_alert = rig->server_alert;
    return rig->server_verdict;
}

static enum err judge_resumed(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain)
{
    (void)arg;
    return chain == NULL ? ERR_DENIED : ERR_OK;
}

static enum err judge_server(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                             enum tls_alert *out_alert)
{
    struct rig *rig = arg;
    rig->judged_by_client += sk_CRYPTO_BUFFER_num(chain);
    *out_alert = TLS_ALERT_UNKNOWN_CA;
    return rig->client_verdict;
}

static void on_request(void *arg, const STACK_OF(CRYPTO_BUFFER) *ca_names)
{
    struct rig *rig = arg;
    rig->request_count++;
    rig->ca_name_count = sk_CRYPTO_BUFFER_num(ca_names);
}

static void begin(struct rig *rig, struct tls_context *client)
{
    drop_ends(rig);
    rig->judged_by_client = 0;
    rig->judged_by_server = 0;
    rig->server_below = fake_stream_create();
    rig->client_below = fake_stream_create();
    rig->server =
        tls_stream_create(rig->context, &rig->server_below->stream, &rig->pool, judge_client, rig);
    rig->user = tls_client_stream_create(client, &rig->sessions, "proxy.test",
                                         &rig->client_below->stream, &rig->pool, judge_server, rig);
    assert_true(rig->server != NULL && rig->user != NULL);
    tls_stream_allow_resumption(rig->server, rig->keys, judge_resumed);
    rig->user->on_request = on_request;
}

static void carry_one(struct fake_stream *from, struct fake_stream *to)
{
    fake_stream_feed(to, slice_of(from->out, from->out_len));
    from->out_len = 0;
    from->piece_count = 0;
}

static void carry(struct rig *rig)
{
    carry_one(rig->client_below, rig->server_below);
    carry_one(rig->server_below, rig->client_below);
}

// meet drives both ends until neither moves, and gives the client's result.
static enum err meet(struct rig *rig)
{
    enum err at_client = ERR_AGAIN;
    enum err at_server = ERR_AGAIN;
    for (int i = 0; i < 10; i++) {
        if (at_client == ERR_AGAIN)
            at_client = tls_stream_handshake(rig->user);
        carry(rig);
        if (at_server == ERR_AGAIN)
            at_server = tls_stream_handshake(rig->server);
        carry(rig);
    }
    return at_client;
}

// hear reads what has come to the client.
static enum err hear(struct rig *rig)
{
    uint8_t bytes[64];
    size_t len = 0;
    return stream_read(&rig->user->stream, bytes, sizeof bytes, &len);
}

static void shows_its_certificate_and_sees_the_servers(void **state)
{
    struct rig *rig = *state;
    begin(rig, rig->client);
    assert_int_equal(meet(rig), ERR_OK);
    assert_int_equal(rig->judged_by_client, 1);
    assert_int_equal(rig->judged_by_server, 1);
    assert_string_equal(tls_stream_version_name(rig->user), "1.3");
    assert_string_equal(tls_stream_server_name(rig->server), "proxy.test");
    assert_int_equal(rig->request_count, 1);
    assert_int_equal(rig->ca_name_count, 2);
}

static void carries_bytes_both_ways(void **state)
{
    struct rig *rig = *state;
    uint8_t got[8];
    size_t len = 0;
    begin(rig, rig->client);
    assert_int_equal(meet(rig), ERR_OK);
    struct stream *user = &rig->user->stream;
    struct stream *server = &rig->server->stream;
    assert_int_equal(stream_write(user, SLICE_LITERAL("up"), &len), ERR_OK);
    assert_int_equal(stream_flush(user), ERR_OK);
    carry(rig);
    assert_int_equal(stream_read(server, got, sizeof got, &len), ERR_OK);
    assert_memory_equal(got, "up", 2);
    assert_int_equal(stream_write(server, SLICE_LITERAL("down"), &len), ERR_OK);
    assert_int_equal(stream_finish(server), ERR_OK);
    carry(rig);
    assert_int_equal(stream_read(user, got, sizeof got, &len), ERR_OK);
    assert_int_equal(len, 4);
    assert_int_equal(hear(rig), ERR_EOF);
    assert_false(stream_is_truncated(user));
}

static void refuses_a_server_that_it_does_not_trust(void **state)
{
    struct rig *rig = *state;
    rig->client_verdict = ERR_DENIED;
    begin(rig, rig->client);
    assert_int_equal(meet(rig), ERR_DENIED);
    assert_int_equal(rig->user->failure, TLS_FAILURE_REFUSED);
    assert_int_equal(rig->judged_by_server, 0); // it never got our certificate
}

static void tells_the_alert_that_refuses_its_certificate(void **state)
{
    struct rig *rig = *state;
    rig->server_verdict = ERR_DENIED;
    rig->server_alert = TLS_ALERT_CERTIFICATE_EXPIRED;
    begin(rig, rig->client);
    assert_int_equal(meet(rig), ERR_OK); // TLS 1.3: our side was done before
    assert_false(rig->user->has_alert);
    assert_int_not_equal(hear(rig), ERR_EOF);
    assert_true(rig->user->has_alert);
    assert_string_equal(tls_alert_name(rig->user->alert), "certificate_expired");
}

static void hear_this(struct rig *rig, struct slice bytes)
{
    begin(rig, rig->client);
    assert_int_equal(tls_stream_handshake(rig->user), ERR_AGAIN);
    fake_stream_feed(rig->client_below, bytes);
    assert_int_equal(tls_stream_handshake(rig->user), ERR_DENIED);
}

static void tells_plain_http_from_other_junk(void **state)
{
    struct rig *rig = *state;
    hear_this(rig, SLICE_LITERAL("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert_int_equal(rig->user->failure, TLS_FAILURE_PLAIN_HTTP);
    hear_this(rig, SLICE_LITERAL("SSH-2.0-OpenSSH_9.2\r\n"));
    assert_int_equal(rig->user->failure, TLS_FAILURE_PROTOCOL);
    assert_string_equal(rig->user->failure_detail, "not_tls");
}

static void a_server_that_only_sends_an_alert_speaks_tls(void **state)
{
    struct rig *rig = *state;
    hear_this(rig, SLICE_LITERAL("\x15\x03\x01\x00\x02\x02\x46"));
    assert_int_equal(rig->user->failure, TLS_FAILURE_ABORTED);
    assert_true(rig->user->has_alert);
    assert_string_equal(tls_alert_name(rig->user->alert), "protocol_version");
}

// visit makes one connection on which the client hears the server, whose ticket comes with what it says
// first.
static bool visit(struct rig *rig, struct tls_context *client)
{
    size_t len = 0;
    begin(rig, client);
    assert_int_equal(meet(rig), ERR_OK);
    assert_int_equal(stream_write(&rig->server->stream, SLICE_LITERAL("hi"), &len), ERR_OK);
    assert_int_equal(stream_flush(&rig->server->stream), ERR_OK);
    carry(rig);
    assert_int_equal(hear(rig), ERR_OK);
    return tls_stream_is_resumed(rig->user);
}

static void resumes_and_judges_the_server_again(void **state)
{
    struct rig *rig = *state;
    assert_false(visit(rig, rig->client));
    assert_true(visit(rig, rig->client));
    assert_int_equal(rig->judged_by_client, 1);
    rig->client_verdict = ERR_DENIED;
    begin(rig, rig->client);
    assert_int_equal(meet(rig), ERR_DENIED);
    assert_int_equal(rig->user->failure, TLS_FAILURE_REFUSED);
}

static void another_certificate_resumes_nothing_of_the_former(void **state)
{
    struct rig *rig = *state;
    assert_false(visit(rig, rig->client));
    struct tls_context *renewed = make_client(&rig->client_party);
    assert_false(visit(rig, renewed));
    assert_true(visit(rig, renewed));
    assert_false(visit(rig, rig->client));
    drop_ends(rig);
    tls_context_unref(renewed);
}

static void keeps_a_bounded_number_of_sessions(void **state)
{
    struct rig *rig = *state;
    size_t resumed = 0;
    tls_sessions_drop(&rig->sessions);
    for (int i = 0; i < 40; i++)
        (void)visit(rig, rig->client); // each takes one and gets one
    for (int i = 0; i < 3; i++)
        resumed += visit(rig, rig->client) ? 1 : 0;
    assert_int_equal(resumed, 3);
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct rig *rig = *state;
    struct tls_context *client = NULL;
    struct errinfo info;
    assert_int_equal(
        tls_client_create(pem_slice(&rig->client_party.cert_pem),
                          &(struct tls_key){.pem = pem_slice(&rig->server_party.key_pem)}, &client,
                          &info),
        ERR_INPUT);
    assert_null(client);
    assert_non_null(strstr(info.text, "does not belong"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)
    const struct CMUnitTest tests[] = {
        TEST(shows_its_certificate_and_sees_the_servers),
        TEST(carries_bytes_both_ways),
        TEST(refuses_a_server_that_it_does_not_trust),
        TEST(tells_the_alert_that_refuses_its_certificate),
        TEST(tells_plain_http_from_other_junk),
        TEST(a_server_that_only_sends_an_alert_speaks_tls),
        TEST(resumes_and_judges_the_server_again),
        TEST(another_certificate_resumes_nothing_of_the_former),
        TEST(keeps_a_bounded_number_of_sessions),
        TEST(a_key_of_another_certificate_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
