// Handshakes with a real client: who is let in, what the others are told, and who is no offender.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/unit/proxy/tls_rig.h"

static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
enum { VERSION_COUNT = 2 };

static void the_chain_is_judged_once_leaf_first(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_begin(rig, versions[i], versions[i]);
        assert_true(SSL_add1_chain_cert(rig->ssl, rig->server.cert));
        assert_int_equal(tls_rig_handshake(rig), ERR_OK);
        assert_int_equal(rig->verify_count, 1);
        assert_int_equal(rig->chain_count, 2);
        assert_true(rig->saw_client_leaf);
    }
}

struct alert_case {
    enum tls_alert alert;
    int code;
};

static void a_refused_chain_is_answered_with_the_chosen_alert(void **state)
{
    static const struct alert_case cases[] = {
        {TLS_ALERT_BAD_CERTIFICATE, 42},     {TLS_ALERT_UNSUPPORTED_CERTIFICATE, 43},
        {TLS_ALERT_CERTIFICATE_REVOKED, 44}, {TLS_ALERT_CERTIFICATE_EXPIRED, 45},
        {TLS_ALERT_UNKNOWN_CA, 48},          {TLS_ALERT_INTERNAL_ERROR, 80},
    };
    static const enum err verdicts[] = {ERR_DENIED, ERR_MEMORY, ERR_INPUT};
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT * 6; i++) {
        rig->verdict = verdicts[i % 3];
        rig->alert = cases[i / 2].alert;
        tls_rig_begin(rig, versions[i % 2], versions[i % 2]);
        assert_int_equal(tls_rig_handshake(rig), ERR_DENIED);
        assert_int_equal(rig->tls->failure, TLS_FAILURE_REFUSED);
        assert_string_equal(rig->tls->failure_detail, "certificate_refused");
        assert_int_equal(rig->verify_count, 1);
        assert_int_equal(stream_flush(rig->stream), ERR_OK);
        assert_int_equal(rig->pool.buffers.lent_count, 0);
        assert_int_equal(tls_rig_alert(rig), cases[i / 2].code);
    }
}

static void a_client_without_certificate_is_refused_and_never_verified(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_begin(rig, versions[i], versions[i]);
        SSL_certs_clear(rig->ssl);
        assert_int_equal(tls_rig_handshake(rig), ERR_DENIED);
        assert_int_equal(rig->tls->failure, TLS_FAILURE_NO_CERTIFICATE);
        assert_int_equal(rig->verify_count, 0);
        assert_int_equal(tls_rig_alert(rig), versions[i] == TLS1_3_VERSION ? 116 : 40);
    }
}

static void versions_before_1_2_are_refused(void **state)
{
    static const uint16_t old[] = {TLS1_VERSION, TLS1_1_VERSION};
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < 2; i++) {
        tls_rig_begin(rig, TLS1_VERSION, old[i]);
        assert_int_equal(tls_rig_handshake(rig), ERR_DENIED);
        assert_int_equal(rig->tls->failure, TLS_FAILURE_PROTOCOL);
        assert_string_equal(rig->tls->failure_detail, "UNSUPPORTED_PROTOCOL");
        assert_int_equal(rig->verify_count, 0);
        assert_int_equal(tls_rig_alert(rig), 70);
    }
}

struct alpn_case {
    struct slice offered;
    bool is_taken;
};

static void alpn_is_http_1_1_or_nothing(void **state)
{
    static const struct alpn_case cases[] = {
        {SLICE_LITERAL("\x08http/1.1"), true},  {SLICE_LITERAL("\x02h2\x08http/1.1"), true},
        {SLICE_LITERAL("\x02h2"), false},       {SLICE_LITERAL("\x08http/1.0"), false},
        {SLICE_LITERAL("\x08HTTP/1.1"), false}, {SLICE_LITERAL("\x09http/1.1x\x07http/1."), false},
    };
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < 6 * VERSION_COUNT; i++) {
        const struct alpn_case *row = &cases[i / 2];
        tls_rig_begin(rig, versions[i % 2], versions[i % 2]);
        assert_int_equal(SSL_set_alpn_protos(rig->ssl, row->offered.data, row->offered.len), 0);
        assert_int_equal(tls_rig_handshake(rig), row->is_taken ? ERR_OK : ERR_DENIED);
        if (row->is_taken) {
            const uint8_t *chosen = NULL;
            unsigned len = 0;
            SSL_get0_alpn_selected(rig->ssl, &chosen, &len);
            assert_true(slice_equal(slice_of(chosen, len), SLICE_LITERAL("http/1.1")));
            continue;
        }
        assert_int_equal(rig->tls->failure, TLS_FAILURE_PROTOCOL);
        assert_int_equal(tls_rig_alert(rig), 120);
    }
}

struct junk_case {
    struct slice bytes;
    enum tls_failure failure;
};

static void what_is_not_tls_is_told_apart_by_its_first_bytes(void **state)
{
    static const struct junk_case cases[] = {
        {SLICE_LITERAL("GET / HTTP/1.1\r\n"), TLS_FAILURE_PLAIN_HTTP},
        {SLICE_LITERAL("CONNECT a:443 HTTP/1.1\r\n\r\n"), TLS_FAILURE_PLAIN_HTTP},
        {SLICE_LITERAL("C"), TLS_FAILURE_PLAIN_HTTP},
        {SLICE_LITERAL("SSH-2.0-OpenSSH_9.2\r\n"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("get / http/1.1\r\n"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\0"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\r\n\r\n\0\r\nQUIT\n\x21\x11"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\n"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\x80\x2e\x01\x03\x01"), TLS_FAILURE_PROTOCOL}, // SSLv2
        {SLICE_LITERAL("\x15\x03\x01\x00\x02\x02\x28"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\x17\x03\x03\x00\x01x"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\xFF\xFF\xFF"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\x16\x02\x00\x00\x05junk!"), TLS_FAILURE_PROTOCOL},
        {SLICE_LITERAL("\x16\x03\x01\x00\x05junk!"), TLS_FAILURE_TOO_LONG},
        {SLICE_LITERAL("\x16\x03\x01\xFF\xFFjunk!"), TLS_FAILURE_PROTOCOL},
    };
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tls_rig_begin(rig, TLS1_2_VERSION, TLS1_3_VERSION);
        fake_stream_feed(rig->below, cases[i].bytes);
        assert_int_equal(tls_stream_handshake(rig->tls), ERR_DENIED);
        if (rig->tls->failure != cases[i].failure)
            fail_msg("row %zu: %d", i, rig->tls->failure);
        assert_true(rig->tls->has_begun);
        assert_int_equal(stream_flush(rig->stream), ERR_OK);
        // Nothing of TLS goes to those who do not speak it.
        if (cases[i].bytes.data[0] != 22)
            assert_int_equal(rig->below->out_len, 0);
    }
}

static void a_client_that_leaves_is_not_an_offender(void **state)
{
    struct tls_rig *rig = *state;
    tls_rig_begin(rig, TLS1_2_VERSION, TLS1_3_VERSION);
    rig->below->has_end = true;
    assert_int_equal(tls_stream_handshake(rig->tls), ERR_DENIED);
    assert_int_equal(rig->tls->failure, TLS_FAILURE_ABORTED);
    assert_false(rig->tls->has_begun); // sent no byte

    tls_rig_begin(rig, TLS1_2_VERSION, TLS1_3_VERSION);
    (void)SSL_do_handshake(rig->ssl);
    ERR_clear_error();
    tls_rig_carry(rig);
    assert_int_equal(tls_stream_handshake(rig->tls), ERR_AGAIN);
    rig->below->read_failure = ERR_SYSTEM;
    assert_int_equal(tls_stream_handshake(rig->tls), ERR_DENIED);
    assert_int_equal(rig->tls->failure, TLS_FAILURE_ABORTED);
    assert_true(rig->tls->has_begun);
}

static enum ssl_verify_result_t refuse_server(SSL *ssl, uint8_t *out_alert)
{
    (void)ssl;
    *out_alert = SSL_AD_UNKNOWN_CA;
    return ssl_verify_invalid;
}

static void a_client_that_refuses_us_has_aborted(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_begin(rig, versions[i], versions[i]);
        SSL_set_custom_verify(rig->ssl, SSL_VERIFY_PEER, refuse_server);
        assert_int_equal(tls_rig_handshake(rig), ERR_DENIED);
        assert_int_equal(rig->tls->failure, TLS_FAILURE_ABORTED);
        assert_string_equal(rig->tls->failure_detail, "TLSV1_ALERT_UNKNOWN_CA");
        assert_int_equal(rig->verify_count, 0);
    }
}

static void a_handshake_survives_any_fragmentation(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_begin(rig, versions[i], versions[i]);
        rig->below->read_max = 1;
        rig->below->write_max = 1;
        enum err error = ERR_AGAIN;
        for (size_t steps = 0; error == ERR_AGAIN; steps++) {
            assert_true(steps < 10000);
            (void)SSL_do_handshake(rig->ssl);
            ERR_clear_error();
            rig->below->room = steps % 2 == 0 ? 100 : 0;
            error = tls_stream_handshake(rig->tls);
            stream_want(rig->stream, true, false);
            assert_int_equal(rig->below->wants_write, rig->pool.buffers.lent_count > 0);
            tls_rig_carry(rig);
        }
        assert_int_equal(error, ERR_OK);
    }
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, tls_rig_create, tls_rig_destroy)
    const struct CMUnitTest tests[] = {
        WITH_RIG(the_chain_is_judged_once_leaf_first),
        WITH_RIG(a_refused_chain_is_answered_with_the_chosen_alert),
        WITH_RIG(a_client_without_certificate_is_refused_and_never_verified),
        WITH_RIG(versions_before_1_2_are_refused),
        WITH_RIG(alpn_is_http_1_1_or_nothing),
        WITH_RIG(what_is_not_tls_is_told_apart_by_its_first_bytes),
        WITH_RIG(a_client_that_leaves_is_not_an_offender),
        WITH_RIG(a_client_that_refuses_us_has_aborted),
        WITH_RIG(a_handshake_survives_any_fragmentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
