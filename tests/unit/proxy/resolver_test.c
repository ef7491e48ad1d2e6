// The resolver against DNS servers of a few lines on the same loop.
//
// Their answers hang on the first label: `both` has an A and an AAAA record, `many` twenty of each, `twice` one A
// record two times, `v4` only A; `none` does not exist, `brief` for a second only, `fleeting` has a TTL of zero,
// `broken`, `refused` and `silent` are what they say, `half` never answers about AAAA, `late` keeps it back until it is
// released; `empty` sends an empty datagram, `forged` wrong ids and questions before the answer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/dns_channel.h"
#include "proxy/net/resolver.h"
#include "proxy/net/sockaddr.h"
#include "tests/unit/proxy/dns_message.h"
#include "tests/unit/proxy/loop_rig.h"

enum {
    PACKET_CAP = 4096,
    SERVERS = 2,
    TIMEOUT_MS = 150,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_REFUSED = 5,
};

struct server {
    ev_io io;
    struct dns_server place;
    bool is_dead;
    size_t question_count;
    char last_name[256]; // of a question, dotted
    bool saw_other_name; // a question differed from the one before
    // The answer that is kept back.
    struct dns_message *held;
    struct socket_address held_for;
};

struct bench {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct resolver_options options;
    struct server servers[SERVERS];
    struct dns_message message;
};

// asker is somebody who waits for an answer.
struct asker {
    struct resolver_query *query;
    size_t calls;
    bool is_done;
    struct resolver_answer answer;
};

static size_t read_name(const uint8_t *data, size_t len, char out[256])
{
    size_t at = 12;
    size_t used = 0;
    while (at < len && data[at] != 0) {
        const size_t label = data[at++];
        assert_true(at + label < len && used + label + 2 < 256);
        for (size_t i = 0; i < label; i++)
            out[used++] = (char)data[at++];
        out[used++] = '.';
    }
    out[used] = '\0';
    if (used > 0)
        out[used - 1] = '\0';
    return at + 1;
}

static bool begins(const char *name, const char *word)
{
    return slice_starts_with(slice_of_string(name), slice_of_string(word));
}

static unsigned rcode_of(const char *name)
{
    if (begins(name, "broken"))
        return RCODE_SERVFAIL;
    if (begins(name, "refused"))
        return RCODE_REFUSED;
    return begins(name, "none") || begins(name, "brief") ? RCODE_NXDOMAIN : 0;
}

// answer_put writes the answer; the id is the asker's.
static void answer_put(struct dns_message *message, const uint8_t *question, const char *name,
                       unsigned type)
{
    const unsigned rcode = rcode_of(name);
    dns_begin(message, name, type, 0x8180 | rcode);
    message->data[0] = question[0];
    message->data[1] = question[1];
    const unsigned count = rcode != 0 || begins(name, "nodata") ? 0 : begins(name, "many") ? 20 : 1;
    const uint32_t ttl_s = begins(name, "fleeting") ? 0 : 60;
    for (unsigned i = 1; i <= count; i++) {
        if (type == DNS_TYPE_A)
            dns_put_a(message, name, ttl_s, i);
        else if (!begins(name, "v4") && !begins(name, "twice"))
            dns_put_aaaa(message, name, ttl_s, i);
    }
    if (type == DNS_TYPE_A && begins(name, "twice"))
        dns_put_a(message, name, ttl_s, 1);
    if (message->data[7] == 0)
        dns_put_soa(message, 60, begins(name, "brief") ? 1 : 60);
}

static void reply(const struct server *server, const struct dns_message *message,
                  const struct socket_address *to)
{
    assert_int_equal(sendto(server->io.fd, message->data, message->len, 0,
                            (const struct sockaddr *)&to->storage, to->len),
                     message->len);
}

static void forge(const struct server *server, struct dns_message *message,
                  const struct socket_address *to)
{
    message->data[0] ^= 0xFF;
    message->data[message->len - 1] = 66;
    for (size_t i = 0; i < 10; i++)
        reply(server, message, to);
    message->data[0] ^= 0xFF;
    message->data[13] ^= 1; // another name in the question
    reply(server, message, to);
    message->data[13] ^= 1;
    message->data[message->len - 1] = 1;
}

static void on_question(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct server *server = io->data;
    uint8_t question[PACKET_CAP];
    struct socket_address from = {.len = sizeof from.storage};
    const ssize_t len =
        recvfrom(io->fd, question, sizeof question, 0, (struct sockaddr *)&from.storage, &from.len);
    assert_true(len > 16);
    char name[256];
    const size_t end = read_name(question, (size_t)len, name);
    const unsigned type = question[end + 1];
    server->saw_other_name |= server->question_count > 0 && strcmp(name, server->last_name) != 0;
    server->question_count++;
    assert_true(string_copy(server->last_name, sizeof server->last_name, slice_of_string(name)));
    if (server->is_dead || begins(name, "silent") ||
        (begins(name, "half") && type == DNS_TYPE_AAAA))
        return;
    static struct dns_message message;
    answer_put(&message, question, name, type);
    if (begins(name, "late") && type == DNS_TYPE_AAAA) {
        *server->held = message;
        server->held_for = from;
        return;
    }
    if (begins(name, "empty"))
        assert_int_equal(sendto(io->fd, "", 0, 0, (const struct sockaddr *)&from.storage, from.len),
                         0);
    if (begins(name, "forged"))
        forge(server, &message, &from);
    reply(server, &message, &from);
}

static void server_open(struct bench *bench, struct server *server)
{
    struct socket_address name;
    struct ip_addr bound;
    server->place.address = loop_rig_ip("127.0.0.1");
    socket_address_make(&server->place.address, 0, &name);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name.storage, name.len), 0);
    assert_true(socket_name(fd, SOCKET_LOCAL, &bound, &server->place.port));
    ev_io_init(&server->io, on_question, fd, EV_READ);
    server->io.data = server;
    server->held = calloc(1, sizeof *server->held);
    assert_non_null(server->held);
    ev_io_start(bench->loop, &server->io);
}

// remake makes the resolver again, with what the options say now.
static void remake(struct bench *bench)
{
    struct errinfo info;
    resolver_destroy(bench->resolver);
    assert_int_equal(resolver_create(bench->loop, &bench->options, &bench->resolver, &info),
                     ERR_OK);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    bench->options = (struct resolver_options){
        .server_count = 1,
        .timeout_ms = TIMEOUT_MS,
        .tries = 2,
        .cache_entries = 100,
        .cache_bytes = 100 * 512,
        .max_ttl_ms = 3600 * 1000,
    };
    for (size_t i = 0; i < SERVERS; i++) {
        server_open(bench, &bench->servers[i]);
        bench->options.servers[i] = bench->servers[i].place;
    }
    assert_int_equal(dns_channel_global_init(), ERR_OK);
    remake(bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    resolver_destroy(bench->resolver);
    host_table_unref(bench->options.hosts);
    dns_channel_global_deinit();
    for (size_t i = 0; i < SERVERS; i++) {
        ev_io_stop(bench->loop, &bench->servers[i].io);
        (void)close(bench->servers[i].io.fd);
        free(bench->servers[i].held);
    }
    ev_loop_destroy(bench->loop);
    free(bench);
    return 0;
}

static void on_more(void *arg)
{
    struct asker *asker = arg;
    asker->calls++;
    resolver_query_read(asker->query, &asker->answer);
    asker->is_done = asker->answer.is_complete;
}

static void ask(struct bench *bench, struct asker *asker, const char *name)
{
    *asker = (struct asker){0};
    ev_now_update(bench->loop);
    asker->query = resolver_submit(bench->resolver, slice_of_string(name), 0, on_more, asker);
    assert_non_null(asker->query);
    assert_int_equal(asker->calls, 0); // never from within
    resolver_query_read(asker->query, &asker->answer);
    asker->is_done = asker->answer.is_complete;
}

static void await(struct bench *bench, struct asker *asker)
{
    loop_rig_run(bench->loop, &asker->is_done);
    resolver_cancel(asker->query);
    asker->query = NULL;
}

// resolve asks and waits for everything; gives how many questions that took.
static size_t resolve(struct bench *bench, const char *name, struct asker *out)
{
    const uint64_t before = resolver_questions(bench->resolver);
    bench->servers[0].question_count = 0;
    bench->servers[0].saw_other_name = false;
    ask(bench, out, name);
    await(bench, out);
    assert_true(resolver_is_idle(bench->resolver));
    return (size_t)(resolver_questions(bench->resolver) - before);
}

static void assert_address(const struct asker *asker, size_t index, const char *text)
{
    const struct ip_addr addr = loop_rig_ip(text);
    assert_true(index < asker->answer.count);
    assert_true(ip_addr_equal(&asker->answer.addresses[index], &addr));
}

static void gives_both_families_the_preferred_one_first(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    assert_int_equal(resolve(bench, "both.example", &asker), 2);
    assert_int_equal(asker.answer.result, RESOLVE_OK);
    assert_int_equal(asker.answer.count, 2);
    assert_address(&asker, 0, "2001::1");
    assert_address(&asker, 1, "192.0.0.1");
    bench->options.family = RESOLVER_PREFER_IPV4;
    remake(bench);
    assert_int_equal(resolve(bench, "both.example", &asker), 2);
    assert_address(&asker, 0, "192.0.0.1");
    assert_address(&asker, 1, "2001::1");
}

static void asks_for_no_family_that_is_not_wanted(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    bench->options.family = RESOLVER_IPV4;
    remake(bench);
    assert_int_equal(resolve(bench, "both.example", &asker), 1);
    assert_int_equal(asker.answer.count, 1);
    assert_true(asker.answer.has_preferred);
    assert_address(&asker, 0, "192.0.0.1");
    bench->options.family = RESOLVER_IPV6;
    remake(bench);
    assert_int_equal(resolve(bench, "both.example", &asker), 1);
    assert_int_equal(asker.answer.count, 1);
    assert_true(asker.answer.has_preferred);
    assert_address(&asker, 0, "2001::1");
    assert_int_equal(resolve(bench, "v4.example", &asker), 1);
    assert_int_equal(asker.answer.result, RESOLVE_NO_DATA);
}

static void the_families_take_turns_and_the_rest_is_cut(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    (void)resolve(bench, "many.example", &asker);
    assert_int_equal(asker.answer.count, RESOLVER_MAX_ADDRESSES);
    for (size_t i = 0; i < RESOLVER_MAX_ADDRESSES; i++)
        assert_int_equal(asker.answer.addresses[i].family, i % 2 == 0 ? IP_V6 : IP_V4);
}

static void an_address_stands_once(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    (void)resolve(bench, "twice.example", &asker);
    assert_int_equal(asker.answer.count, 1);
    assert_address(&asker, 0, "192.0.0.1");
}

static void each_family_is_told_when_it_is_there(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    ask(bench, &asker, "late.example");
    while (asker.calls == 0)
        (void)ev_run(bench->loop, EVRUN_ONCE);
    assert_int_equal(asker.answer.result, RESOLVE_OK);
    assert_false(asker.answer.is_complete);
    assert_false(asker.answer.has_preferred);
    assert_int_equal(asker.answer.count, 1);
    assert_address(&asker, 0, "192.0.0.1");
    reply(&bench->servers[0], bench->servers[0].held, &bench->servers[0].held_for);
    await(bench, &asker);
    assert_int_equal(asker.calls, 2);
    assert_true(asker.answer.has_preferred);
    assert_int_equal(asker.answer.count, 2);
    assert_address(&asker, 0, "2001::1");
}

static void on_release(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    const struct server *server = timer->data;
    reply(server, server->held, &server->held_for);
}

// A library that measures a server would give up after a quarter of a second.
static void a_quick_server_may_take_its_time_for_once(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    static const char *const quick[] = {"both.a", "both.b", "both.c", "both.d"};
    bench->options.timeout_ms = 60 * 1000;
    bench->options.tries = 1;
    remake(bench);
    for (size_t i = 0; i < 4; i++)
        (void)resolve(bench, quick[i], &asker);
    ev_timer release;
    ev_timer_init(&release, on_release, 0.8, 0.);
    release.data = &bench->servers[0];
    ask(bench, &asker, "late.example");
    ev_timer_start(bench->loop, &release);
    await(bench, &asker);
    assert_int_equal(asker.answer.result, RESOLVE_OK);
    assert_int_equal(asker.answer.count, 2);
}

static void one_family_is_enough_when_the_other_fails(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    (void)resolve(bench, "half.example", &asker);
    assert_int_equal(asker.answer.result, RESOLVE_OK);
    assert_int_equal(asker.answer.count, 1);
}

static void the_name_is_asked_as_it_is_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    // One label, and some that do not exist: a search list would show.
    static const char *const names[] = {"both", "none.short", "none.example.com", "localhost.com",
                                        "alocalhost"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(resolve(bench, names[i], &asker), 2);
        assert_false(bench->servers[0].saw_other_name);
        assert_string_equal(bench->servers[0].last_name, names[i]);
    }
}

static void localhost_is_loopback_without_a_question(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    static const char *const names[] = {"localhost", "a.localhost"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(resolve(bench, names[i], &asker), 0);
        assert_int_equal(asker.answer.result, RESOLVE_OK);
        assert_int_equal(asker.answer.count, 2);
        assert_int_equal(asker.answer.addresses[0].family, IP_V6);
        assert_int_equal(asker.answer.addresses[1].family, IP_V4);
        assert_int_equal(asker.answer.addresses[1].bytes[0], 127);
    }
}

struct failure {
    const char *name;
    enum resolve_result result;
    size_t sent; // questions that the one server got
};

static void failures_are_told_apart(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    static const struct failure failures[] = {
        {"none.example", RESOLVE_NOT_FOUND, 2},   {"nodata.example", RESOLVE_NO_DATA, 2},
        {"broken.example", RESOLVE_FAILED, 2},    {"refused.example", RESOLVE_FAILED, 2},
        {"silent.example", RESOLVE_TIMED_OUT, 4}, // each tried twice
    };
    for (size_t i = 0; i < 5; i++) {
        (void)resolve(bench, failures[i].name, &asker);
        assert_int_equal(asker.answer.result, failures[i].result);
        assert_int_equal(asker.answer.count, 0);
        assert_int_equal(bench->servers[0].question_count, failures[i].sent);
    }
}

static void noise_before_the_answer_ends_nothing(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    static const char *const names[] = {"empty.example", "forged.example"};
    for (size_t i = 0; i < 2; i++) {
        (void)resolve(bench, names[i], &asker);
        assert_int_equal(asker.answer.result, RESOLVE_OK);
        assert_int_equal(asker.answer.count, 2);
        assert_address(&asker, 0, "2001::1");
        assert_address(&asker, 1, "192.0.0.1");
    }
}

static void what_is_known_is_not_asked_again(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    static const char *const names[] = {"both.example", "v4.example", "none.example",
                                        "broken.example"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(resolve(bench, names[i], &asker), 2);
        const struct resolver_answer first = asker.answer;
        assert_int_equal(resolve(bench, names[i], &asker), 0);
        assert_int_equal(asker.calls, 0); // it was there at once
        assert_int_equal(asker.answer.result, first.result);
        assert_int_equal(asker.answer.count, first.count);
    }
}

static void what_may_not_be_kept_is_asked_again(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    assert_int_equal(resolve(bench, "fleeting.example", &asker), 2);
    assert_int_equal(resolve(bench, "fleeting.example", &asker), 2);
    bench->options.min_ttl_ms = 60 * 1000;
    remake(bench);
    assert_int_equal(resolve(bench, "fleeting.example", &asker), 2);
    assert_int_equal(resolve(bench, "fleeting.example", &asker), 0);
    bench->options.cache_entries = 0;
    remake(bench);
    assert_int_equal(resolve(bench, "both.example", &asker), 2);
    assert_int_equal(resolve(bench, "both.example", &asker), 2);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    *(bool *)timer->data = true;
}

static void let_pass(struct bench *bench, double seconds)
{
    bool is_over = false;
    ev_timer tick;
    ev_timer_init(&tick, on_tick, seconds, 0.);
    tick.data = &is_over;
    ev_now_update(bench->loop);
    ev_timer_start(bench->loop, &tick);
    loop_rig_run(bench->loop, &is_over);
}

static void an_answer_ends_with_its_time(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    bench->options.max_ttl_ms = 200;
    remake(bench);
    assert_int_equal(resolve(bench, "both.example", &asker), 2);
    assert_int_equal(resolve(bench, "brief.example", &asker), 2);
    let_pass(bench, 0.25);
    assert_int_equal(resolve(bench, "both.example", &asker), 2);
    assert_int_equal(resolve(bench, "brief.example", &asker), 0); // its SOA says a second
    let_pass(bench, 1.1);
    assert_int_equal(resolve(bench, "brief.example", &asker), 2);
}

static void questions_under_way_are_joined(void **state)
{
    struct bench *bench = *state;
    enum { ASKERS = 20 };
    struct asker askers[ASKERS];
    for (size_t i = 0; i < ASKERS; i++)
        ask(bench, &askers[i], "fleeting.example");
    resolver_cancel(askers[3].query); // one that leaves takes nothing from the others
    assert_int_equal(resolver_questions(bench->resolver), 2);
    for (size_t i = 0; i < ASKERS; i++) {
        if (i == 3)
            continue;
        await(bench, &askers[i]);
        assert_int_equal(askers[i].answer.count, 2);
    }
    assert_int_equal(askers[3].calls, 0);
    assert_int_equal(resolver_questions(bench->resolver), 2);
    assert_int_equal(bench->servers[0].question_count, 2);
}

static void on_more_of_retired(void *arg)
{
    struct asker *asker = arg;
    on_more(asker);
    if (asker->is_done)
        resolver_cancel(asker->query); // the last one: from within the resolver that it frees
}

static void a_retired_resolver_answers_what_was_asked_and_frees_itself(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    struct asker other = {0};
    ask(bench, &asker, "both.example");
    other.query = resolver_submit(bench->resolver, SLICE_LITERAL("fleeting.example"), 0,
                                  on_more_of_retired, &other);
    assert_non_null(other.query);
    resolver_retire(bench->resolver);
    await(bench, &asker);
    assert_int_equal(asker.answer.count, 2);
    if (!other.is_done)
        loop_rig_run(bench->loop, &other.is_done);
    assert_int_equal(other.answer.count, 2);
    bench->resolver = NULL;
    remake(bench);
    resolver_retire(bench->resolver); // one of which nothing is asked goes at once
    bench->resolver = NULL;
    remake(bench);
    assert_int_equal(resolve(bench, "both.example", &asker), 2);
}

static void a_silent_server_is_asked_last_from_then_on(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    bench->options.server_count = 2;
    remake(bench);
    bench->servers[0].is_dead = true;
    (void)resolve(bench, "both.example", &asker);
    assert_int_equal(asker.answer.count, 2);
    assert_int_equal(bench->servers[0].question_count, 2);
    assert_int_equal(bench->servers[1].question_count, 2);
    (void)resolve(bench, "v4.example", &asker);
    assert_int_equal(bench->servers[0].question_count, 0); // resolve() counts again
    assert_int_equal(bench->servers[1].question_count, 4);
    bench->servers[0].is_dead = false;
    bench->servers[1].is_dead = true; // the other one is still there, last
    (void)resolve(bench, "many.example", &asker);
    assert_int_equal(asker.answer.count, RESOLVER_MAX_ADDRESSES);
    assert_int_equal(bench->servers[0].question_count, 2);
}

static void a_server_that_fails_is_followed_by_the_next(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    bench->options.server_count = 2;
    bench->options.tries = 3;
    remake(bench);
    (void)resolve(bench, "broken.example", &asker);
    assert_int_equal(asker.answer.result, RESOLVE_FAILED);
    assert_int_equal(bench->servers[0].question_count, 2); // and is not asked again about it
    assert_int_equal(bench->servers[1].question_count, 2);
}

static void names_of_the_table_are_not_asked(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    const struct host_entry entries[] = {
        {"db.example", {.family = IP_V4, .bytes = {10, 2, 0, 7}}},
        {"db.example", {.family = IP_V6, .bytes = {0xFD, [15] = 7}}},
        {"one.example", {.family = IP_V4, .bytes = {10, 2, 0, 8}}},
    };
    bench->options.hosts = host_table_create(entries, 3);
    remake(bench);
    assert_int_equal(resolve(bench, "db.example", &asker), 0);
    assert_int_equal(asker.calls, 0);
    assert_int_equal(asker.answer.count, 2);
    assert_address(&asker, 0, "fd00::7");
    assert_address(&asker, 1, "10.2.0.7");
    assert_int_equal(resolve(bench, "one.example", &asker), 0);
    assert_int_equal(asker.answer.count, 1);
    assert_int_equal(resolve(bench, "v4.one.example", &asker), 2);
    bench->options.family = RESOLVER_IPV6;
    remake(bench);
    assert_int_equal(resolve(bench, "one.example", &asker),
                     0); // and what it lacks is not asked either
    assert_int_equal(asker.answer.result, RESOLVE_NO_DATA);
}

static void a_cancelled_query_calls_nobody(void **state)
{
    struct bench *bench = *state;
    static const char *const names[] = {"both.example", "one.example", "silent.example"};
    struct asker others[3];
    struct asker asker;
    for (size_t i = 0; i < 3; i++) {
        ask(bench, &others[i], names[i]);
        resolver_cancel(others[i].query);
    }
    resolver_cancel(NULL);
    assert_true(resolver_is_idle(bench->resolver));
    (void)resolve(bench, "silent.example", &asker); // the others have come and gone meanwhile
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(others[i].calls, 0);
    assert_int_equal(resolve(bench, "both.example", &asker), 0); // but the answer was worth keeping
}

// A query that cancels another one, and itself, when it is told.
struct rival {
    struct asker *own;
    struct asker *other;
};

static void on_more_cancel_all(void *arg)
{
    struct rival *rival = arg;
    rival->own->calls++;
    resolver_cancel(rival->own->query);
    resolver_cancel(rival->other->query);
    rival->own->query = rival->other->query = NULL;
    rival->own->is_done = true;
}

static void queries_may_be_cancelled_by_whom_they_tell(void **state)
{
    struct bench *bench = *state;
    struct asker own = {0};
    struct asker other = {0};
    struct rival rival = {&own, &other};
    const struct slice name = SLICE_LITERAL("v4.example");
    own.query = resolver_submit(bench->resolver, name, 0, on_more_cancel_all, &rival);
    other.query = resolver_submit(bench->resolver, name, 0, on_more, &other);
    loop_rig_run(bench->loop, &own.is_done);
    let_pass(bench, 0.05);
    assert_int_equal(own.calls, 1);
    assert_int_equal(other.calls, 0);
    assert_true(resolver_is_idle(bench->resolver));
}

static void destroying_drops_what_is_under_way(void **state)
{
    struct bench *bench = *state;
    struct asker asker;
    static const char *const names[] = {"both.example", "silent.example"};
    for (size_t i = 0; i < 2; i++) {
        ask(bench, &asker, names[i]);
        resolver_cancel(asker.query);
    }
    resolver_destroy(bench->resolver);
    bench->resolver = NULL;
    resolver_destroy(NULL);
}

// ask_for asks on behalf of `who` and leaves at once; false when the question was not put.
static bool ask_for(struct bench *bench, uint64_t who, unsigned number)
{
    char name[64];
    struct resolver_answer answer;
    (void)snprintf(name, sizeof name, "silent%u.of%u.example", number, (unsigned)who);
    struct resolver_query *query =
        resolver_submit(bench->resolver, slice_of_string(name), who, on_more, bench);
    assert_non_null(query);
    resolver_query_read(query, &answer);
    resolver_cancel(query);
    if (answer.is_complete)
        assert_int_equal(answer.result, RESOLVE_TOO_MANY);
    return !answer.is_complete;
}

static void an_asker_that_has_more_questions_than_are_free_puts_no_more(void **state)
{
    struct bench *bench = *state;
    bench->servers[0].is_dead = true;
    unsigned asked = 0;
    while (ask_for(bench, 1, asked))
        asked++;
    assert_int_equal(asked, RESOLVER_MAX_QUESTIONS / 2 / 2); // two questions each
    for (uint64_t who = 2; who < 10; who++) {
        unsigned count = 0;
        while (ask_for(bench, who, count))
            count++;
        assert_true(count > 0);
        assert_true(count < asked);
        asked = count;
    }
    assert_false(ask_for(bench, 1, RESOLVER_MAX_QUESTIONS));
}

// latecomer asks while many wait in vain. Its answer is given again and again, for it may be asked again.
struct latecomer {
    struct bench *bench;
    struct asker asker;
    ev_timer come;
    ev_timer release;
};

static void on_come(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct latecomer *late = timer->data;
    ask(late->bench, &late->asker, "late.example");
    ev_timer_start(loop, &late->release);
}

static void what_many_are_given_up_for_does_not_harm_the_others(void **state)
{
    struct bench *bench = *state;
    bench->options.timeout_ms = 1000;
    bench->options.tries = 10; // datagrams may be lost among so many
    remake(bench);
    for (unsigned i = 0; i < 600; i++)
        assert_true(ask_for(bench, 1, i));
    struct latecomer late = {.bench = bench};
    ev_timer_init(&late.come, on_come, 0.7, 0.);
    late.come.data = &late;
    ev_timer_init(&late.release, on_release, 0.15,
                  0.02); // the first of the many are given up by then
    late.release.data = &bench->servers[0];
    ev_timer_start(bench->loop, &late.come);
    loop_rig_run(bench->loop, &late.asker.is_done);
    ev_timer_stop(bench->loop, &late.release);
    assert_int_equal(late.asker.answer.result, RESOLVE_OK);
    assert_int_equal(late.asker.answer.count, 2);
    resolver_cancel(late.asker.query);
}

static void a_name_beyond_all_bounds_is_not_asked(void **state)
{
    struct bench *bench = *state;
    char name[300];
    memset(name, 'a', sizeof name);
    assert_null(resolver_submit(bench->resolver, slice_of(name, sizeof name), 0, on_more, bench));
    assert_null(resolver_submit(bench->resolver, slice_of(name, 254), 0, on_more, bench));
    assert_null(resolver_submit(bench->resolver, slice_of(name, 0), 0, on_more, bench));
    assert_true(resolver_is_idle(bench->resolver));
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(gives_both_families_the_preferred_one_first),
        WITH_BENCH(asks_for_no_family_that_is_not_wanted),
        WITH_BENCH(the_families_take_turns_and_the_rest_is_cut),
        WITH_BENCH(an_address_stands_once),
        WITH_BENCH(each_family_is_told_when_it_is_there),
        WITH_BENCH(a_quick_server_may_take_its_time_for_once),
        WITH_BENCH(one_family_is_enough_when_the_other_fails),
        WITH_BENCH(the_name_is_asked_as_it_is_and_nothing_else),
        WITH_BENCH(localhost_is_loopback_without_a_question),
        WITH_BENCH(failures_are_told_apart),
        WITH_BENCH(noise_before_the_answer_ends_nothing),
        WITH_BENCH(what_is_known_is_not_asked_again),
        WITH_BENCH(what_may_not_be_kept_is_asked_again),
        WITH_BENCH(an_answer_ends_with_its_time),
        WITH_BENCH(questions_under_way_are_joined),
        WITH_BENCH(a_retired_resolver_answers_what_was_asked_and_frees_itself),
        WITH_BENCH(a_silent_server_is_asked_last_from_then_on),
        WITH_BENCH(a_server_that_fails_is_followed_by_the_next),
        WITH_BENCH(names_of_the_table_are_not_asked),
        WITH_BENCH(a_cancelled_query_calls_nobody),
        WITH_BENCH(queries_may_be_cancelled_by_whom_they_tell),
        WITH_BENCH(destroying_drops_what_is_under_way),
        WITH_BENCH(an_asker_that_has_more_questions_than_are_free_puts_no_more),
        WITH_BENCH(what_many_are_given_up_for_does_not_harm_the_others),
        WITH_BENCH(a_name_beyond_all_bounds_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
