// Receivers beside the audit file: who reads gets every line in order; one who does not read costs a bounded queue, and
// what it could not take is counted; one who goes away and comes back goes on.
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/outlet/outlet.h"
#include "proxy/outlet/syslog_header.h"

enum { PATIENCE_MS = 30000, LONG = 60000, MANY = 500 };

// listen_at makes a listener on loopback; `*port` 0 picks one.
static int listen_at(uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    const int one = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static int accept_one(int listener)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    const int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

// read_number reads to the next line break, and gives the number that the line begins with.
static uint64_t read_number(FILE *stream)
{
    static char line[LONG + 64];
    assert_non_null(fgets(line, sizeof line, stream));
    return strtoull(line, NULL, 10);
}

static atomic_int told; // records that were not sent

static void on_event(const char *label, enum outlet_event event, const char *problem)
{
    assert_string_equal(label, "tcp:test");
    if (event == OUTLET_LOSES)
        atomic_fetch_add(&told, (int)strtol(problem, NULL, 10));
}

static struct outlet *open_to(uint16_t port, enum outlet_form form, bool is_required)
{
    const struct outlet_settings settings = {
        .form = form,
        .label = "tcp:test",
        .endpoint = {.address = {.family = IP_V4, .bytes = {127, 0, 0, 1}}, .port = port},
        .is_required = is_required,
    };
    struct outlet *outlet = NULL;
    struct errinfo info;
    assert_int_equal(outlet_open(&settings, on_event, &outlet, &info), ERR_OK);
    return outlet;
}

static uint64_t end(struct outlet *outlet)
{
    outlet_stop(outlet, (struct outlet_patience){.up_ms = PATIENCE_MS, .down_ms = 500});
    return outlet_close(outlet);
}

static void offer(struct outlet *outlet, uint64_t number, size_t len)
{
    static char data[LONG];
    const int begin = snprintf(data, sizeof data, "%llu ", (unsigned long long)number);
    for (size_t i = (size_t)begin; i < len; i++)
        data[i] = 'x';
    outlet_offer(outlet, slice_of(data, len), SLICE_LITERAL("end"));
    outlet_flush(outlet);
}

static void a_reader_gets_every_line_in_order(void **state)
{
    (void)state;
    uint16_t port = 0;
    const int listener = listen_at(&port);
    struct outlet *outlet = open_to(port, OUTLET_LINES, false);
    for (uint64_t i = 0; i < MANY; i++)
        offer(outlet, i, 100 + i);
    FILE *stream = fdopen(accept_one(listener), "r");
    assert_non_null(stream);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(read_number(stream), i);
    assert_int_equal(end(outlet), 0);
    assert_int_equal(fgetc(stream), EOF);
    (void)fclose(stream);
    (void)close(listener);
}

static void syslog_counts_its_bytes(void **state)
{
    (void)state;
    uint16_t port = 0;
    const int listener = listen_at(&port);
    struct outlet *outlet = open_to(port, OUTLET_SYSLOG, false);
    const struct slice line =
        SLICE_LITERAL("{\"v\":1,\"ts\":\"2026-11-29T10:00:00.000Z\",\"event\":"
                      "\"close\",\"a\":1");
    outlet_offer(outlet, line, SLICE_LITERAL("}"));
    outlet_offer(outlet, line, SLICE_LITERAL("}"));
    outlet_flush(outlet);
    FILE *stream = fdopen(accept_one(listener), "r");
    assert_non_null(stream);
    for (int i = 0; i < 2; i++) {
        char text[4096] = "";
        size_t len = 0;
        assert_int_equal(fscanf(stream, "%zu", &len), 1);
        assert_int_equal(fgetc(stream), ' ');
        assert_true(len < sizeof text);
        assert_int_equal(fread(text, 1, len, stream), len);
        assert_non_null(strstr(text, "<110>1 2026-11-29T10:00:00.000Z "));
        assert_non_null(strstr(text, " sallyport "));
        assert_non_null(strstr(text, " close - {\"v\":1,"));
        assert_int_equal(text[len - 1], '}');
    }
    assert_int_equal(end(outlet), 0);
    (void)fclose(stream);
    (void)close(listener);
}

static void one_who_does_not_read_loses_a_counted_number(void **state)
{
    (void)state;
    uint16_t port = 0;
    const int listener = listen_at(&port);
    struct outlet *outlet = open_to(port, OUTLET_LINES, true);
    const int fd = accept_one(listener);
    for (uint64_t i = 0; i < MANY; i++) // 30 MB at once, of which a half fits
        offer(outlet, i, LONG - 1);
    assert_true(outlet_is_failing(outlet));
    const uint64_t lost = outlet_take_lost(outlet);
    assert_true(lost > 0 && lost < MANY);
    FILE *stream = fdopen(fd, "r");
    assert_non_null(stream);
    uint64_t before = 0;
    for (uint64_t i = 0; i < MANY - lost; i++) {
        const uint64_t number = read_number(stream);
        assert_true(i == 0 || number > before);
        before = number;
    }
    assert_int_equal(end(outlet), 0);
    assert_int_equal(fgetc(stream), EOF);
    (void)fclose(stream);
    (void)close(listener);
}

static void one_who_comes_back_gets_the_rest(void **state)
{
    (void)state;
    uint16_t port = 0;
    (void)close(listen_at(&port)); // nobody is there
    struct outlet *outlet = open_to(port, OUTLET_LINES, true);
    offer(outlet, 1, 100);
    assert_int_equal(outlet_take_lost(outlet), 0);
    for (int i = 0; i < PATIENCE_MS && !outlet_is_failing(outlet); i++)
        (void)poll(NULL, 0, 1);
    assert_true(outlet_is_failing(outlet));
    int listener = listen_at(&port);
    FILE *stream = fdopen(accept_one(listener), "r");
    assert_non_null(stream);
    assert_int_equal(read_number(stream), 1);
    assert_false(outlet_is_failing(outlet));
    (void)fclose(stream); // and is gone again
    offer(outlet, 2, 100);
    stream = fdopen(accept_one(listener), "r");
    assert_non_null(stream);
    offer(outlet, 3, 100);
    uint64_t number = read_number(stream); // 2 may have gone into the connection that was ended
    assert_true(number == 2 || number == 3);
    assert_int_equal(end(outlet), 0);
    (void)fclose(stream);
    (void)close(listener);
}

// Each new connection has room in the kernels for some lines; that is no sign that somebody reads. What comes meanwhile, and
// goes on coming, does not count.
static void one_who_accepts_and_never_reads_is_away_until_it_has_read_what_waited(void **state)
{
    (void)state;
    enum { LINES = 60 };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct outlet_settings settings = {.form = OUTLET_LINES,
                                             .label = "tcp:test",
                                             .unix_path = address.sun_path,
                                             .is_required = true};
    struct outlet *outlet = NULL;
    struct errinfo info;
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/tmp/outlet-%d", (int)getpid());
    (void)unlink(address.sun_path); // of a run that failed
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(outlet_open(&settings, on_event, &outlet, &info), ERR_OK);
    const int silent = accept_one(listener);
    for (uint64_t i = 0; i < LINES; i++) // 3.6 MB
        offer(outlet, i, LONG - 1);
    FILE *stream = fdopen(accept_one(listener), "r"); // it has given up, and is back
    for (uint64_t i = LINES; i < 2 * LINES; i++) // less than half of the queue with those before
        offer(outlet, i, LONG - 1);
    assert_non_null(stream);
    for (int i = 0; i < PATIENCE_MS && !outlet_is_failing(outlet); i++)
        (void)poll(NULL, 0, 1);
    assert_true(outlet_is_failing(outlet));
    while (read_number(stream) < LINES + 1) { // it looks at what has arrived before each line
    }
    assert_false(outlet_is_failing(outlet));
    while (read_number(stream) < 2 * LINES - 1) {
    }
    assert_int_equal(end(outlet), 0);
    assert_int_equal(unlink(address.sun_path), 0);
    (void)close(silent);
    (void)fclose(stream);
    (void)close(listener);
}

static void what_did_not_arrive_is_sent_again(void **state)
{
    (void)state;
    uint16_t port = 0;
    const int listener = listen_at(&port);
    const int room = 2 * LONG; // of which the kernel makes the double
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    struct outlet *outlet = open_to(port, OUTLET_LINES, false);
    const int fd = accept_one(listener);
    for (uint64_t i = 0; i < 100; i++) // 6 MB, of which the sender's kernel takes a part
        offer(outlet, i, LONG - 1);
    struct pollfd arrived = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&arrived, 1, PATIENCE_MS), 1);
    (void)close(fd); // with something unread: a reset
    FILE *stream = fdopen(accept_one(listener), "r");
    assert_non_null(stream);
    uint64_t number = read_number(stream);
    assert_true(number <= 4);
    while (number < 99)
        number = read_number(stream);
    assert_int_equal(end(outlet), 0);
    (void)fclose(stream);
    (void)close(listener);
}

static void what_was_not_sent_is_told(void **state)
{
    (void)state;
    uint16_t port = 0;
    (void)close(listen_at(&port));
    struct outlet *outlet = open_to(port, OUTLET_LINES, true);
    offer(outlet, 1, 100);
    offer(outlet, 2, 100);
    assert_int_equal(end(outlet), 2);
    assert_int_equal(told, 2);
}

static void one_that_was_told_to_end_ends_with_its_queue(void **state)
{
    (void)state;
    uint16_t port = 0;
    const int listener = listen_at(&port);
    struct outlet *outlet = open_to(port, OUTLET_LINES, false);
    const int fd = accept_one(listener);
    for (uint64_t i = 0; i < MANY; i++) // more than sockets hold
        offer(outlet, i, LONG / 4);
    outlet_stop(outlet, (struct outlet_patience){.up_ms = PATIENCE_MS, .down_ms = 0});
    assert_false(outlet_has_ended(outlet));
    FILE *stream = fdopen(fd, "r");
    assert_non_null(stream);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(read_number(stream), i);
    assert_int_equal(fgetc(stream), EOF);
    for (int i = 0; i < PATIENCE_MS && !outlet_has_ended(outlet); i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(outlet_count_unsent(outlet), 0);
    assert_int_equal(outlet_close(outlet), 0);
    (void)fclose(stream);
    (void)close(listener);
}

static void a_receiver_that_takes_nothing_holds_up_no_end(void **state)
{
    (void)state;
    uint16_t port = 0;
    const int listener = listen_at(&port);
    struct outlet *outlet = open_to(port, OUTLET_LINES, false);
    const int fd = accept_one(listener);
    for (uint64_t i = 0; i < MANY / 2; i++) // 15 MB, more than sockets hold
        offer(outlet, i, LONG - 1);
    outlet_stop(outlet, (struct outlet_patience){.up_ms = PATIENCE_MS, .down_ms = PATIENCE_MS});
    outlet_stop(outlet, (struct outlet_patience){0}); // the process is in a hurry
    assert_true(outlet_close(outlet) > 0);
    (void)close(fd);
    (void)close(listener);
}

static void a_header_has_nothing_that_a_header_may_not_have(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        const char *host;
        const char *header;
    } cases[] = {
        {"{\"v\":1,\"ts\":\"T\",\"event\":\"close\"", "gate", "<110>1 T gate sallyport 7 close - "},
        {"{}", "gate", "<110>1 - gate sallyport 7 - - "},
        {"", "", "<110>1 - - sallyport 7 - - "},
        {"{\"ts\":\"a b\",\"event\":\"\"", "a b", "<110>1 - - sallyport 7 - - "},
        {"{\"ts\":\"\xc3\xa9\",\"event\":\"no end", "\xc3\xa9", "<110>1 - - sallyport 7 - - "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[SYSLOG_HEADER_CAP];
        struct text text;
        text_init(&text, data, sizeof data);
        syslog_header_append(&text, slice_of_string(cases[i].record), cases[i].host, 7);
        assert_string_equal(data, cases[i].header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_gets_every_line_in_order),
        cmocka_unit_test(syslog_counts_its_bytes),
        cmocka_unit_test(one_who_does_not_read_loses_a_counted_number),
        cmocka_unit_test(one_who_comes_back_gets_the_rest),
        cmocka_unit_test(one_who_accepts_and_never_reads_is_away_until_it_has_read_what_waited),
        cmocka_unit_test(what_did_not_arrive_is_sent_again),
        cmocka_unit_test(what_was_not_sent_is_told),
        cmocka_unit_test(one_that_was_told_to_end_ends_with_its_queue),
        cmocka_unit_test(a_receiver_that_takes_nothing_holds_up_no_end),
        cmocka_unit_test(a_header_has_nothing_that_a_header_may_not_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
