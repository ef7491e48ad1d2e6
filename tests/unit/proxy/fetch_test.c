// fetch: questions to good servers and to hostile ones, which say what a test tells them, on loopback.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/identity.h"
#include "proxy/clock/clock.h"
#include "proxy/fetch/fetch.h"
#include "proxy/net/dns_channel.h"
#include "proxy/pki/certificate.h"
#include "tests/unit/proxy/http_peer.h"
#include "tests/unit/proxy/loop_rig.h"

enum { PATIENT_MS = 15000, IMPATIENT_MS = 60, MAX_BODY = 100000, AT_ONCE = 2 };

#define OK_HEAD   "HTTP/1.1 200 OK\r\n"
#define PLAIN_YES OK_HEAD "Content-Length: 3\r\n\r\nyes"

struct bench {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct buffer_pool pool;
    struct fetcher *fetcher;
    struct http_peer peer;
    struct fetch *fetch;
    struct server_trust *tls;
    struct http_url url;
    struct fetch_request request;
    // What came:
    size_t calls;
    bool is_done;
    enum fetch_outcome outcome;
    uint16_t status;
    char why[512];
    char etag[FETCH_FIELD_CAP];
    char last_modified[FETCH_FIELD_CAP];
    char content_type[FETCH_FIELD_CAP];
    uint8_t body[MAX_BODY];
    size_t body_len;
};

static void aim(struct bench *bench, const char *format)
{
    char text[256];
    struct errinfo info;
    (void)snprintf(text, sizeof text, "%s:%u/x", format, bench->peer.port);
    assert_int_equal(http_url_parse(slice_of_string(text), &bench->url, &info), ERR_OK);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct errinfo info;
    assert_non_null(bench);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(bench->loop);
    assert_int_equal(dns_channel_global_init(), ERR_OK);
    const struct resolver_options options = {
        .servers = {{.address = loop_rig_ip("127.0.0.1"), .port = 9}},
        .server_count = 1,
        .timeout_ms = 50,
        .tries = 1,
    };
    assert_int_equal(resolver_create(bench->loop, &options, &bench->resolver, &info), ERR_OK);
    const struct fetcher_options fetcher = {
        .path = {.loop = bench->loop, .resolver = bench->resolver, .buffers = &bench->pool},
        .max_at_once = AT_ONCE,
        .max_kept = 1,
    };
    bench->fetcher = fetcher_create(&fetcher);
    assert_non_null(bench->fetcher);
    http_peer_start(&bench->peer, bench->loop);
    bench->request =
        (struct fetch_request){.url = &bench->url, .max_body = MAX_BODY, .timeout_ms = PATIENT_MS};
    aim(bench, "http://127.0.0.1");
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    fetch_destroy(bench->fetch);
    assert_int_equal(fetcher_live(bench->fetcher), 0);
    fetcher_destroy(bench->fetcher);
    http_peer_stop(&bench->peer);
    resolver_destroy(bench->resolver);
    server_trust_unref(bench->tls);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    assert_int_equal(bench->pool.pieces.lent_count, 0);
    buffer_pool_deinit(&bench->pool);
    dns_channel_global_deinit();
    ev_loop_destroy(bench->loop);
    free(bench);
    return 0;
}

static void on_done(void *arg, const struct fetch_result *result)
{
    struct bench *bench = arg;
    bench->calls++;
    bench->outcome = result->outcome;
    bench->status = result->status;
    assert_true((result->outcome == FETCH_OK) == (result->why[0] == '\0'));
    assert_true(string_copy(bench->why, sizeof bench->why, slice_of_string(result->why)));
    assert_true(string_copy(bench->etag, sizeof bench->etag, slice_of_string(result->etag)));
    assert_true(string_copy(bench->last_modified, sizeof bench->last_modified,
                            slice_of_string(result->last_modified)));
    assert_true(string_copy(bench->content_type, sizeof bench->content_type,
                            slice_of_string(result->content_type)));
    assert_true(bytes_copy(bench->body, sizeof bench->body, result->body));
    bench->body_len = result->body.len;
    fetch_destroy(bench->fetch);
    bench->fetch = NULL;
    bench->is_done = true;
}

static void ask(struct bench *bench)
{
    bench->calls = 0;
    bench->is_done = false;
    bench->fetch = fetch_start(bench->fetcher, &bench->request, on_done, bench);
    assert_non_null(bench->fetch);
    assert_int_equal(bench->calls, 0); // never from within
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->calls, 1);
}

static void expect(struct bench *bench, enum fetch_outcome outcome)
{
    if (bench->outcome != outcome)
        fail_msg("%s, not %s: %s", fetch_outcome_name(bench->outcome), fetch_outcome_name(outcome),
                 bench->why);
}

static void expect_body(struct bench *bench, const char *body)
{
    expect(bench, FETCH_OK);
    assert_true(slice_equal(slice_of(bench->body, bench->body_len), slice_of_string(body)));
}

static void a_get_says_no_more_than_it_must(void **state)
{
    struct bench *bench = *state;
    char wanted[512];
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    ask(bench);
    expect_body(bench, "yes");
    assert_int_equal(bench->status, 200);
    (void)snprintf(wanted, sizeof wanted,
                   "GET /x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: sallyport\r\n"
                   "Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
                   bench->peer.port);
    assert_string_equal(bench->peer.request, wanted);
}

static void a_conditional_question_brings_back_what_the_server_said(void **state)
{
    struct bench *bench = *state;
    (void)http_peer_say(&bench->peer,
                        SLICE_LITERAL("HTTP/1.1 304 Not Modified\r\nETag: \"b\"\r\n"
                                      "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n"));
    bench->request.etag = "\"a\"";
    bench->request.last_modified = "Sun, 31 Dec 2023 00:00:00 GMT";
    bench->request.accept = "application/pkix-crl";
    ask(bench);
    expect_body(bench, "");
    assert_int_equal(bench->status, 304);
    assert_string_equal(bench->etag, "\"b\"");
    assert_string_equal(bench->last_modified, "Mon, 01 Jan 2024 00:00:00 GMT");
    assert_non_null(strstr(bench->peer.request, "\r\nIf-None-Match: \"a\"\r\n"));
    assert_non_null(
        strstr(bench->peer.request, "\r\nIf-Modified-Since: Sun, 31 Dec 2023 00:00:00 GMT\r\n"));
    assert_non_null(strstr(bench->peer.request, "\r\nAccept: application/pkix-crl\r\n"));
}

static void a_post_carries_its_content(void **state)
{
    struct bench *bench = *state;
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(OK_HEAD "Content-Type: text/x\r\n"
                                                            "Transfer-Encoding: chunked\r\n\r\n"
                                                            "2\r\nye\r\n1;a=b\r\ns\r\n0\r\n\r\n"));
    bench->request.content_type = "application/json";
    bench->request.content = SLICE_LITERAL("{\"a\": 1}");
    ask(bench);
    expect_body(bench, "yes");
    assert_string_equal(bench->content_type, "text/x");
    assert_true(slice_starts_with(slice_of_string(bench->peer.request), SLICE_LITERAL("POST /x ")));
    assert_non_null(strstr(bench->peer.request, "\r\nContent-Type: application/json\r\n"
                                                "Content-Length: 8\r\n\r\n{\"a\": 1}"));
}

static void what_cannot_be_asked_is_not_begun(void **state)
{
    struct bench *bench = *state;
    char huge[FETCH_FIELD_CAP + 1];
    memset(huge, 'a', sizeof huge);
    huge[FETCH_FIELD_CAP] = '\0';
    bench->request.etag = "\"a\"\r\nX: y";
    assert_null(fetch_start(bench->fetcher, &bench->request, on_done, bench));
    bench->request.etag = huge;
    assert_null(fetch_start(bench->fetcher, &bench->request, on_done, bench));
    bench->request.etag = NULL;
    bench->request.content = slice_of(huge, FETCH_MAX_POST + 1);
    assert_null(fetch_start(bench->fetcher, &bench->request, on_done, bench));
    assert_int_equal(fetcher_live(bench->fetcher), 0);
}

static void every_answer_is_judged_alike_byte_by_byte(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *bytes;
        enum fetch_outcome outcome; // the server ends the connection after the bytes
        const char *body;           // with FETCH_OK
    } cases[] = {
        {PLAIN_YES, FETCH_OK, "yes"},
        {"HTTP/1.1 200 OK\r\n\r\nyes", FETCH_OK, "yes"},
        {"HTTP/1.0 200 OK\r\n\r\nyes", FETCH_OK, "yes"},
        {"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", FETCH_OK, "no"},
        {"HTTP/1.1 302 Found\r\nLocation: http://other.test/\r\nContent-Length: 0\r\n\r\n",
         FETCH_OK, ""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" PLAIN_YES, FETCH_OK,
         "yes"},
        {"HTTP/1.1 204 No Content\r\n\r\nyes", FETCH_OK, ""},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nyes", FETCH_OK, ""},
        {PLAIN_YES "junk", FETCH_OK, "yes"},
        {OK_HEAD "Content-Encoding: identity\r\nContent-Length: 3\r\n\r\nyes", FETCH_OK, "yes"},
        {"", FETCH_CLOSED, NULL},
        {"HTTP/1.1 200 O", FETCH_CLOSED, NULL},
        {OK_HEAD "Content-Length: 4\r\n\r\nyes", FETCH_CLOSED, NULL},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n", FETCH_CLOSED, NULL},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\nyes\r\n0\r\n\r\n", FETCH_MALFORMED, NULL},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\nyes\r\n", FETCH_MALFORMED, NULL},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nyes\r\n", FETCH_MALFORMED,
         NULL},
        {OK_HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nyes", FETCH_MALFORMED, NULL},
        {OK_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nyes", FETCH_MALFORMED, NULL},
        {OK_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n",
         FETCH_MALFORMED, NULL},
        {OK_HEAD "Content-Length: +3\r\n\r\nyes", FETCH_MALFORMED, NULL},
        {OK_HEAD "Content-Length: 18446744073709551616\r\n\r\nyes", FETCH_MALFORMED, NULL},
        {OK_HEAD "Content-Length: 100001\r\n\r\nyes", FETCH_TOO_LARGE, NULL},
        {OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nyes", FETCH_MALFORMED, NULL},
        {OK_HEAD "a b: c\r\n\r\n", FETCH_MALFORMED, NULL},
        {"HTTP/1.1 200 OK\n\nyes", FETCH_MALFORMED, NULL},
        {"HTTP/2 200 OK\r\n\r\n", FETCH_MALFORMED, NULL},
        {"HTTP/1.1 99 OK\r\n\r\n", FETCH_MALFORMED, NULL},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
         FETCH_MALFORMED, NULL},
        {"<html>\r\n", FETCH_MALFORMED, NULL},
        {"\x16\x03\x01\n", FETCH_MALFORMED, NULL},
        {"\x16\x03\x01", FETCH_CLOSED, NULL},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const size_t at = i / 2;
        bench->peer.answer_count = 0;
        struct http_peer_answer *answer =
            http_peer_say(&bench->peer, slice_of_string(cases[at].bytes));
        answer->ends = true;
        answer->is_slow = i % 2 == 1;
        ask(bench);
        if (bench->outcome != cases[at].outcome ||
            (cases[at].body != NULL &&
             !slice_equal(slice_of(bench->body, bench->body_len), slice_of_string(cases[at].body))))
            fail_msg("%s: %s, %zu bytes: %s", cases[at].bytes, fetch_outcome_name(bench->outcome),
                     bench->body_len, bench->why);
    }
}

static void a_field_that_stands_twice_is_none(void **state)
{
    struct bench *bench = *state;
    (void)http_peer_say(&bench->peer,
                        SLICE_LITERAL(OK_HEAD "ETag: a\r\nETag: b\r\nContent-Length: 0\r\n\r\n"));
    ask(bench);
    expect_body(bench, "");
    assert_string_equal(bench->etag, "");
}

static void floods_are_cut_off(void **state)
{
    struct bench *bench = *state;
    // A head without end; interim responses without end; bodies without end, with and without chunks.
    static const struct {
        const char *first;
        const char *flood;
        enum fetch_outcome outcome;
    } cases[] = {
        {"", "HTTP/1.1 100 Continue\r\n\r\n", FETCH_MALFORMED},
        {OK_HEAD "\r\n", "0123456789abcdef", FETCH_TOO_LARGE},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", "4\r\nabcd\r\n", FETCH_TOO_LARGE},
        {OK_HEAD, "a: b\r\n", FETCH_TOO_LARGE},
        {OK_HEAD "a: ", "aaaaaaaaaaaaaaa", FETCH_TOO_LARGE},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n", FETCH_MALFORMED},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1;", "aaaaaaaaaaaaa", FETCH_MALFORMED},
    };
    static char flood[64 * 1024];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i].first);
        bench->peer.answer_count = 0;
        assert_true(bytes_copy(flood, sizeof flood, slice_of_string(cases[i].first)));
        while (bytes_copy(flood + len, sizeof flood - len, slice_of_string(cases[i].flood)))
            len += strlen(cases[i].flood);
        // What repeats begins again in the middle, which is past the bound for all but bodies.
        struct http_peer_answer *answer = http_peer_say(&bench->peer, slice_of(flood, len));
        answer->repeats = i == 1 ? 1000 : 0;
        bench->request.max_body = i == 2 ? 1000 : MAX_BODY;
        ask(bench);
        if (bench->outcome != cases[i].outcome)
            fail_msg("%s: %s: %s", cases[i].flood, fetch_outcome_name(bench->outcome), bench->why);
        http_peer_hang_up(&bench->peer);
    }
}

static void a_large_body_arrives_whole(void **state)
{
    struct bench *bench = *state;
    static char answer[MAX_BODY + 100];
    const size_t head =
        (size_t)snprintf(answer, sizeof answer, OK_HEAD "Content-Length: %d\r\n\r\n", MAX_BODY);
    for (size_t i = 0; i < MAX_BODY; i++)
        answer[head + i] = (char)(i % 251);
    (void)http_peer_say(&bench->peer, slice_of(answer, head + MAX_BODY));
    ask(bench);
    expect(bench, FETCH_OK);
    assert_int_equal(bench->body_len, MAX_BODY);
    assert_memory_equal(bench->body, answer + head, MAX_BODY);
}

static void an_answer_before_the_question_is_taken_and_the_connection_is_not_kept(void **state)
{
    struct bench *bench = *state;
    static char content[FETCH_MAX_POST];
    http_peer_say(&bench->peer, SLICE_LITERAL("HTTP/1.1 413 Too Large\r\n"
                                              "Content-Length: 0\r\n\r\n"))
        ->is_eager = true;
    bench->peer.answers[0].ends = true;
    memset(content, 'a', sizeof content);
    bench->request.content_type = "text/plain";
    bench->request.content = slice_of(content, sizeof content);
    bench->request.keeps = true;
    ask(bench);
    // The server may have reset the connection before its answer was read.
    assert_true((bench->outcome == FETCH_OK && bench->status == 413) ||
                bench->outcome == FETCH_CLOSED);
}

static void time_bounds_everything(void **state)
{
    struct bench *bench = *state;
    bench->request.timeout_ms = IMPATIENT_MS;
    // No answer at all, half of one, and one that never ends.
    static const char *const answers[] = {"", "HTTP/1.1 200 OK\r\nContent-Le",
                                          OK_HEAD "Content-Length: 9\r\n\r\nyes"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        bench->peer.answer_count = 0;
        (void)http_peer_say(&bench->peer, slice_of_string(answers[i]));
        ask(bench);
        expect(bench, FETCH_TIMEOUT);
    }
    // Nobody accepts: DNS is silent, or the TLS server says nothing.
    aim(bench, "http://silent.test");
    ask(bench);
    assert_true(bench->outcome == FETCH_TIMEOUT || bench->outcome == FETCH_DNS);
}

static void a_name_without_an_address_and_a_closed_port_have_their_outcomes(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    uint16_t port = 0;
    char text[64];
    struct errinfo info;
    aim(bench, "http://nowhere.test");
    ask(bench);
    expect(bench, FETCH_DNS);
    assert_int_equal(close(loop_rig_listen(&addr, &port, 1)), 0);
    (void)snprintf(text, sizeof text, "http://127.0.0.1:%u/", port);
    assert_int_equal(http_url_parse(slice_of_string(text), &bench->url, &info), ERR_OK);
    ask(bench);
    expect(bench, FETCH_REFUSED);
}

static void a_kept_connection_serves_again(void **state)
{
    struct bench *bench = *state;
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    bench->request.keeps = true;
    for (size_t i = 0; i < 3; i++) {
        ask(bench);
        expect_body(bench, "yes");
    }
    assert_int_equal(bench->peer.accept_count, 1);
    assert_int_equal(bench->peer.request_count, 3);
    fetcher_close_kept(bench->fetcher);
    ask(bench);
    expect_body(bench, "yes");
    assert_int_equal(bench->peer.accept_count, 2);
}

static void what_may_not_be_kept_is_not(void **state)
{
    struct bench *bench = *state;
    static const char *const answers[] = {
        OK_HEAD "Connection: close\r\nContent-Length: 3\r\n\r\nyes",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes",
        PLAIN_YES "junk",
        "HTTP/1.1 204 No Content\r\n\r\nyes",
    };
    bench->request.keeps = true;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        bench->peer.answer_count = 0;
        (void)http_peer_say(&bench->peer, slice_of_string(answers[i]));
        ask(bench);
        expect(bench, FETCH_OK);
    }
    assert_int_equal(bench->peer.accept_count, sizeof answers / sizeof *answers);
}

static void a_dead_kept_connection_costs_nothing(void **state)
{
    struct bench *bench = *state;
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    bench->request.keeps = true;
    ask(bench);
    http_peer_hang_up(&bench->peer);
    ask(bench);
    expect_body(bench, "yes");
    assert_int_equal(bench->peer.accept_count, 2);
    // It ends when the question is already on its way, once: then on a new one the server does so again.
    bench->peer.answer_count = 0;
    bench->peer.request_count = 0;
    http_peer_say(&bench->peer, SLICE_LITERAL(""))->resets = true;
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    ask(bench);
    expect_body(bench, "yes");
    assert_int_equal(bench->peer.accept_count, 3);
    assert_int_equal(bench->peer.request_count, 2);
    bench->peer.answer_count = 0;
    http_peer_say(&bench->peer, SLICE_LITERAL(""))->ends = true;
    bench->peer.request_count = 0;
    ask(bench);
    expect(bench, FETCH_CLOSED);
    assert_int_equal(bench->peer.request_count, 2);
}

static void half_an_answer_is_not_asked_for_again(void **state)
{
    struct bench *bench = *state;
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    http_peer_say(&bench->peer, SLICE_LITERAL("HTTP/1.1"))->ends = true;
    bench->request.keeps = true;
    ask(bench);
    ask(bench);
    expect(bench, FETCH_CLOSED);
    assert_int_equal(bench->peer.request_count, 2);
}

static void count_call(void *arg, const struct fetch_result *result)
{
    struct bench *bench = arg;
    bench->calls++;
    bench->outcome = result->outcome;
    bench->is_done = bench->calls == 1;
}

static void so_many_are_asked_at_once_and_each_can_be_cancelled(void **state)
{
    struct bench *bench = *state;
    struct fetch *fetches[AT_ONCE + 1];
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(""));
    for (size_t i = 0; i < AT_ONCE + 1; i++) {
        fetches[i] = fetch_start(bench->fetcher, &bench->request, count_call, bench);
        assert_non_null(fetches[i]);
    }
    assert_int_equal(bench->calls, 0);
    loop_rig_run(bench->loop, &bench->is_done);
    expect(bench, FETCH_TOO_MANY);
    assert_int_equal(fetcher_live(bench->fetcher), AT_ONCE);
    for (size_t i = 0; i < AT_ONCE + 1; i++)
        fetch_destroy(fetches[i]);
    assert_int_equal(fetcher_live(bench->fetcher), 0);
    assert_int_equal(bench->calls, 1);
    bench->peer.answer_count = 0;
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    ask(bench);
    expect_body(bench, "yes");
}

// serve_tls gives the server a certificate for `name` of a new CA, which the bench believes.
static void serve_tls(struct bench *bench, const char *name)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    struct pem key_pem = {0};
    struct pem cert_pem = {0};
    struct errinfo info;
    const int64_t now_s = wall_clock_ms() / 1000;
    const struct san san = {.kind = SAN_DNS, .value = slice_of_string(name)};
    const struct certificate_plan ca_plan = {.kind = CERTIFICATE_CA,
                                             .common_name = "ca",
                                             .not_before_s = now_s - 60,
                                             .not_after_s = now_s + 3600};
    const struct certificate_plan plan = {.kind = CERTIFICATE_SERVER,
                                          .common_name = "server",
                                          .sans = &san,
                                          .san_count = 1,
                                          .not_before_s = now_s - 60,
                                          .not_after_s = now_s + 3600};
    EVP_PKEY *ca_key = NULL;
    X509 *ca = NULL;
    struct pem ca_pem = {0};
    assert_int_equal(keypair_generate(&ca_key), ERR_OK);
    assert_int_equal(certificate_make(&ca_plan, ca_key, NULL, ca_key, &ca), ERR_OK);
    assert_int_equal(keypair_generate(&key), ERR_OK);
    assert_int_equal(certificate_make(&plan, key, ca, ca_key, &cert), ERR_OK);
    assert_int_equal(certificate_format(&cert, 1, &cert_pem), ERR_OK);
    assert_int_equal(certificate_format(&ca, 1, &ca_pem), ERR_OK);
    assert_int_equal(keypair_format(key, (struct slice){0}, &key_pem), ERR_OK);
    const struct tls_context_options options = {.chain_pem = pem_slice(&cert_pem),
                                                .key = {.pem = pem_slice(&key_pem)},
                                                .min = TLS_VERSION_1_2,
                                                .max = TLS_VERSION_1_3,
                                                .is_certificate_optional = true};
    assert_int_equal(tls_context_create(&options, &bench->peer.tls, &info), ERR_OK);
    const struct server_trust_options wanted = {.ca_pem = pem_slice(&ca_pem), .now_s = now_s};
    assert_int_equal(server_trust_create(&wanted, &bench->tls, NULL, &info), ERR_OK);
    bench->request.tls = bench->tls;
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    pem_deinit(&cert_pem);
    pem_deinit(&ca_pem);
    pem_deinit(&key_pem);
}

static void https_believes_the_given_cas_and_the_name(void **state)
{
    struct bench *bench = *state;
    serve_tls(bench, "localhost");
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    bench->request.keeps = true;
    aim(bench, "https://localhost");
    for (size_t i = 0; i < 2; i++) {
        ask(bench);
        expect_body(bench, "yes");
    }
    assert_int_equal(bench->peer.accept_count, 1);
    aim(bench, "https://127.0.0.1");
    ask(bench);
    expect(bench, FETCH_UNTRUSTED);
    assert_non_null(strstr(bench->why, "name"));
    bench->request.tls = NULL;
    ask(bench);
    expect(bench, FETCH_TLS);
}

static void https_refuses_another_ca_and_a_server_without_tls(void **state)
{
    struct bench *bench = *state;
    serve_tls(bench, "localhost");
    struct tls_context *good = bench->peer.tls;
    struct server_trust *believed = bench->tls;
    serve_tls(bench, "localhost"); // by another CA
    bench->request.tls = believed;
    (void)http_peer_say(&bench->peer, SLICE_LITERAL(PLAIN_YES));
    aim(bench, "https://localhost");
    ask(bench);
    expect(bench, FETCH_UNTRUSTED);
    assert_non_null(strstr(bench->why, "unknown_ca"));
    assert_int_equal(bench->peer.request_count, 0);
    tls_context_unref(good);
    server_trust_unref(believed);
    tls_context_unref(bench->peer.tls);
    bench->peer.tls = NULL;
    bench->request.tls = bench->tls;
    bench->peer.answers[0].is_eager = true;
    bench->peer.answers[0].ends = true;
    ask(bench);
    expect(bench, FETCH_TLS);
}

static void tls_that_is_cut_off_is_no_end(void **state)
{
    struct bench *bench = *state;
    serve_tls(bench, "localhost");
    http_peer_say(&bench->peer, SLICE_LITERAL("HTTP/1.1 200 OK\r\n\r\nyes"))->ends = true;
    aim(bench, "https://localhost");
    ask(bench);
    expect_body(bench, "yes"); // the server has said close_notify
    bench->peer.answers[0].ends = false;
    bench->peer.answers[0].resets = true;
    ask(bench);
    expect(bench, FETCH_CLOSED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_get_says_no_more_than_it_must),
        TEST(a_conditional_question_brings_back_what_the_server_said),
        TEST(a_post_carries_its_content),
        TEST(what_cannot_be_asked_is_not_begun),
        TEST(every_answer_is_judged_alike_byte_by_byte),
        TEST(a_field_that_stands_twice_is_none),
        TEST(floods_are_cut_off),
        TEST(a_large_body_arrives_whole),
        TEST(an_answer_before_the_question_is_taken_and_the_connection_is_not_kept),
        TEST(time_bounds_everything),
        TEST(a_name_without_an_address_and_a_closed_port_have_their_outcomes),
        TEST(a_kept_connection_serves_again),
        TEST(what_may_not_be_kept_is_not),
        TEST(a_dead_kept_connection_costs_nothing),
        TEST(half_an_answer_is_not_asked_for_again),
        TEST(so_many_are_asked_at_once_and_each_can_be_cancelled),
        TEST(https_believes_the_given_cas_and_the_name),
        TEST(https_refuses_another_ca_and_a_server_without_tls),
        TEST(tls_that_is_cut_off_is_no_end),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
