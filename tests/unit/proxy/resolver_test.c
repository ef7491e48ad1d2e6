// The resolver against a DNS server of a few lines on the same loop.
//
// The server's answers hang on the first label: `both` has an A and an AAAA record, `many` forty,
// `twice` one A record two times, `v4` only A; `none`, `broken` and `silent` are what they say, and
// `empty` sends an empty datagram before its answer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/resolver.h"
#include "proxy/net/sockaddr.h"
#include "tests/unit/proxy/loop_rig.h"

enum { PACKET_CAP = 2048, TYPE_A = 1, TYPE_AAAA = 28, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

struct bench {
    struct ev_loop *loop;
    struct resolver *resolver;
    ev_io server;
    size_t question_count;
    char last_name[256]; // of a question, dotted
    bool saw_other_name; // a question differed from the one before
    // What the callback got.
    size_t calls;
    bool is_done;
    enum resolve_result result;
    size_t count;
    struct ip_addr addresses[RESOLVER_MAX_ADDRESSES];
};

struct packet {
    uint8_t data[PACKET_CAP];
    size_t len;
};

// read_name reads the question's name as dotted text; returns where it ends.
static size_t read_name(const struct packet *packet, char out[256])
{
    size_t at = 12;
    size_t len = 0;
    while (at < packet->len && packet->data[at] != 0) {
        const size_t label = packet->data[at++];
        assert_true(at + label < packet->len && len + label + 2 < 256);
        for (size_t i = 0; i < label; i++)
            out[len++] = (char)packet->data[at++];
        out[len++] = '.';
    }
    out[len] = '\0';
    return at + 1;
}

// add_record adds an answer for the name of the question.
static void add_record(struct packet *packet, uint16_t type, uint8_t last)
{
    const uint8_t head[] = {0xC0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, 0};
    const uint8_t len = type == TYPE_A ? 4 : 16;
    uint8_t address[16] = {192, 0, 2, last};
    if (type == TYPE_AAAA) {
        memset(address, 0, sizeof address);
        address[0] = 0x20;
        address[1] = 0x01;
        address[15] = last;
    }
    assert_true(packet->len + 28 <= PACKET_CAP);
    (void)bytes_copy(packet->data + packet->len, 11, slice_of(head, 11));
    packet->data[packet->len + 11] = len;
    (void)bytes_copy(packet->data + packet->len + 12, 16, slice_of(address, len));
    packet->len += 12u + len;
    packet->data[7]++; // ANCOUNT
}

// answer turns a question into its answer; false for silence.
static bool answer(struct packet *packet, const char *name, size_t end)
{
    const uint16_t type = (uint16_t)(packet->data[end] << 8 | packet->data[end + 1]);
    packet->data[2] |= 0x80; // a response
    packet->data[3] = 0x80;
    packet->data[6] = packet->data[7] = 0;
    packet->data[8] = packet->data[9] = 0;
    packet->data[10] = packet->data[11] = 0; // without the question's EDNS record
    packet->len = end + 4;
    if (strncmp(name, "silent.", 7) == 0)
        return false;
    if (strncmp(name, "broken.", 7) == 0)
        packet->data[3] |= RCODE_SERVFAIL;
    if (strncmp(name, "none.", 5) == 0)
        packet->data[3] |= RCODE_NXDOMAIN;
    const size_t count = strncmp(name, "many.", 5) == 0 ? 20 : 1;
    const bool has_v4 = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") > 0 &&
                        strncmp(name, "nodata.", 7) != 0 && (packet->data[3] & 15) == 0;
    const bool has_v6 = has_v4 && strncmp(name, "v4.", 3) != 0 && strncmp(name, "twice.", 6) != 0;
    for (size_t i = 0; i < count; i++) {
        if ((type == TYPE_A && has_v4) || (type == TYPE_AAAA && has_v6))
            add_record(packet, type, (uint8_t)(i + 1));
    }
    if (type == TYPE_A && strncmp(name, "twice.", 6) == 0)
        add_record(packet, type, 1);
    return true;
}

static void on_question(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct bench *bench = io->data;
    struct packet packet;
    struct socket_address from = {.len = sizeof from.storage};
    const ssize_t count = recvfrom(io->fd, packet.data, sizeof packet.data, 0,
                                   (struct sockaddr *)&from.storage, &from.len);
    assert_true(count > 16);
    packet.len = (size_t)count;
    char name[256];
    const size_t end = read_name(&packet, name);
    bench->saw_other_name |= bench->question_count > 0 && strcmp(name, bench->last_name) != 0;
    bench->question_count++;
    assert_true(string_copy(bench->last_name, sizeof bench->last_name, slice_of_string(name)));
    const struct sockaddr *to = (const struct sockaddr *)&from.storage;
    if (strncmp(name, "empty.", 6) == 0)
        assert_int_equal(sendto(io->fd, "", 0, 0, to, from.len), 0);
    if (answer(&packet, name, end))
        assert_int_equal(sendto(io->fd, packet.data, packet.len, 0, to, from.len), packet.len);
}

static void on_result(void *arg, enum resolve_result result, const struct ip_addr *addresses,
                      size_t count)
{
    struct bench *bench = arg;
    bench->calls++;
    bench->is_done = true;
    bench->result = result;
    bench->count = count;
    assert_true(count <= RESOLVER_MAX_ADDRESSES);
    for (size_t i = 0; i < count; i++)
        bench->addresses[i] = addresses[i];
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    struct resolver_server server = {.address = loop_rig_ip("127.0.0.1")};
    struct socket_address name;
    struct ip_addr bound;
    socket_address_make(&server.address, 0, &name);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name.storage, name.len), 0);
    assert_true(socket_local_name(fd, &bound, &server.port));
    ev_io_init(&bench->server, on_question, fd, EV_READ);
    bench->server.data = bench;
    ev_io_start(bench->loop, &bench->server);
    const struct resolver_options options = {
        .servers = &server, .server_count = 1, .timeout_ms = 400, .tries = 2};
    struct errinfo info;
    assert_int_equal(resolver_global_init(), ERR_OK);
    assert_int_equal(resolver_create(bench->loop, &options, &bench->resolver, &info), ERR_OK);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    resolver_destroy(bench->resolver);
    resolver_global_deinit();
    ev_io_stop(bench->loop, &bench->server);
    (void)close(bench->server.fd);
    ev_loop_destroy(bench->loop);
    free(bench);
    return 0;
}

static void resolve(struct bench *bench, const char *name)
{
    const size_t calls = bench->calls;
    bench->is_done = false;
    bench->question_count = 0;
    bench->saw_other_name = false;
    ev_now_update(bench->loop);
    assert_non_null(resolver_submit(bench->resolver, slice_of_string(name), on_result, bench));
    assert_int_equal(bench->calls, calls); // never from within
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->calls, calls + 1);
}

static void assert_address(const struct bench *bench, size_t index, const char *text)
{
    const struct ip_addr addr = loop_rig_ip(text);
    assert_true(index < bench->count);
    assert_true(ip_addr_equal(&bench->addresses[index], &addr));
}

static void gives_both_families_ipv6_first(void **state)
{
    struct bench *bench = *state;
    resolve(bench, "both.example");
    assert_int_equal(bench->result, RESOLVE_OK);
    assert_int_equal(bench->count, 2);
    assert_address(bench, 0, "2001::1");
    assert_address(bench, 1, "192.0.2.1");
}

static void the_families_take_turns_and_the_rest_is_cut(void **state)
{
    struct bench *bench = *state;
    resolve(bench, "many.example");
    assert_int_equal(bench->count, RESOLVER_MAX_ADDRESSES);
    for (size_t i = 0; i < RESOLVER_MAX_ADDRESSES; i++)
        assert_int_equal(bench->addresses[i].family, i % 2 == 0 ? IP_V6 : IP_V4);
}

static void an_address_stands_once(void **state)
{
    struct bench *bench = *state;
    resolve(bench, "twice.example");
    assert_int_equal(bench->count, 1);
    assert_address(bench, 0, "192.0.2.1");
}

static void one_family_is_enough(void **state)
{
    struct bench *bench = *state;
    resolve(bench, "v4.example");
    assert_int_equal(bench->result, RESOLVE_OK);
    assert_int_equal(bench->count, 1);
}

static void the_name_is_asked_as_it_is_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    // One label, and one that does not exist: a search list would show.
    static const char *const names[] = {"both", "none.short", "none.example.com"};
    for (size_t i = 0; i < 3; i++) {
        resolve(bench, names[i]);
        assert_false(bench->saw_other_name);
        assert_int_equal(strncmp(bench->last_name, names[i], strlen(names[i])), 0);
        assert_int_equal(strlen(bench->last_name), strlen(names[i]) + 1);
    }
}

struct failure {
    const char *name;
    enum resolve_result result;
};

static void failures_are_told_apart(void **state)
{
    struct bench *bench = *state;
    static const struct failure failures[] = {
        {"none.example", RESOLVE_NOT_FOUND},
        {"nodata.example", RESOLVE_NO_DATA},
        {"broken.example", RESOLVE_FAILED},
        {"silent.example", RESOLVE_TIMED_OUT},
    };
    for (size_t i = 0; i < 4; i++) {
        resolve(bench, failures[i].name);
        assert_int_equal(bench->result, failures[i].result);
        assert_int_equal(bench->count, 0);
    }
    assert_true(bench->question_count >= 2); // it was tried again
}

static void an_empty_datagram_ends_nothing(void **state)
{
    struct bench *bench = *state;
    resolve(bench, "empty.example");
    assert_int_equal(bench->result, RESOLVE_OK);
    assert_int_equal(bench->count, 2);
}

static void localhost_is_loopback_without_a_question(void **state)
{
    struct bench *bench = *state;
    static const char *const names[] = {"localhost", "a.localhost"};
    for (size_t i = 0; i < 2; i++) {
        resolve(bench, names[i]);
        assert_int_equal(bench->question_count, 0);
        assert_int_equal(bench->count, 2);
        assert_address(bench, 0, "::1");
        assert_address(bench, 1, "127.0.0.1");
    }
    resolve(bench, "notlocalhost");
    assert_true(bench->question_count > 0);
}

static void a_cancelled_question_calls_nobody(void **state)
{
    struct bench *bench = *state;
    struct bench other = {0};
    static const char *const names[] = {"both.example", "localhost", "silent.example"};
    for (size_t i = 0; i < 3; i++) {
        struct resolver_query *query =
            resolver_submit(bench->resolver, slice_of_string(names[i]), on_result, &other);
        assert_non_null(query);
        resolver_cancel(query);
    }
    resolver_cancel(NULL);
    resolve(bench, "silent.example"); // the others have come and gone meanwhile
    assert_int_equal(other.calls, 0);
}

static void destroying_calls_nobody(void **state)
{
    struct bench *bench = *state;
    static const char *const names[] = {"both.example", "localhost", "silent.example"};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(
            resolver_submit(bench->resolver, slice_of_string(names[i]), on_result, bench));
    resolver_destroy(bench->resolver);
    bench->resolver = NULL;
    assert_int_equal(bench->calls, 0);
}

static void a_name_beyond_all_bounds_is_not_asked(void **state)
{
    struct bench *bench = *state;
    char name[300];
    memset(name, 'a', sizeof name);
    assert_null(resolver_submit(bench->resolver, slice_of(name, sizeof name), on_result, bench));
    assert_null(resolver_submit(bench->resolver, slice_of(name, 255), on_result, bench));
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(gives_both_families_ipv6_first),
        WITH_BENCH(the_families_take_turns_and_the_rest_is_cut),
        WITH_BENCH(an_address_stands_once),
        WITH_BENCH(one_family_is_enough),
        WITH_BENCH(the_name_is_asked_as_it_is_and_nothing_else),
        WITH_BENCH(failures_are_told_apart),
        WITH_BENCH(an_empty_datagram_ends_nothing),
        WITH_BENCH(localhost_is_loopback_without_a_question),
        WITH_BENCH(a_cancelled_question_calls_nobody),
        WITH_BENCH(destroying_calls_nobody),
        WITH_BENCH(a_name_beyond_all_bounds_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
