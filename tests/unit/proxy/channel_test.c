// The inbox of a channel: what is read from a client before any flow takes it, and the head of the request under way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/client_hello.h"
#include "proxy/session/channel.h"
#include "tests/unit/proxy/fake_stream.h"

enum { HEAD_LIMIT = 32 * 1024 };

// The body of a client that sends on and on.
static const uint8_t body[4 * HEAD_LIMIT];

struct rig {
    struct snapshot snapshot;
    struct fake_stream *client;
    struct peer peer;
    struct channel channel;
};

static void rig_open(struct rig *rig)
{
    static char json[] = "{}";
    *rig = (struct rig){.snapshot.limits.head = HEAD_LIMIT, .client = fake_stream_create()};
    rig->peer = (struct peer){
        .snapshot = &rig->snapshot,
        .json = json,
        .json_len = sizeof json - 1,
    };
    channel_init(&rig->channel, &rig->peer, &rig->client->stream);
}

static void rig_close(struct rig *rig)
{
    channel_drop_head(&rig->channel);
    channel_empty(&rig->channel);
    fake_stream_destroy(rig->client);
}

// ask sends a POST whose head is `len` bytes long, reads it and takes it.
static void ask(struct rig *rig, size_t len, struct message_head *out)
{
    static const char front[] = "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\n"
                                "Content-Length: 999999\r\nX: ";
    const char *why = NULL;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, front, sizeof front - 1);
    memcpy(text + len - 4, "\r\n\r\n", 4);
    fake_stream_feed(rig->client, slice_of(text, len));
    fake_stream_feed(rig->client, slice_of(body, sizeof body));
    free(text);
    assert_int_equal(channel_fill(&rig->channel), ERR_OK);
    assert_int_equal(request_head_parse(channel_unread(&rig->channel), HEAD_LIMIT, out, &why),
                     HEAD_OK);
    assert_int_equal(out->len, len);
    assert_int_equal(channel_take_head(&rig->channel, out), ERR_OK);
}

static const size_t lengths[] = {100, 2048, 8000, HEAD_LIMIT / 2, HEAD_LIMIT - 1, HEAD_LIMIT};

static void head_and_inbox_together_have_no_more_than_a_head_may_have(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct rig rig;
        struct message_head head;
        rig_open(&rig);
        ask(&rig, lengths[i], &head);
        while (channel_fill(&rig.channel) == ERR_OK) {
        }
        assert_in_range(rig.channel.head_len + rig.channel.inbox_cap, lengths[i], HEAD_LIMIT);
        assert_int_equal(rig.channel.head_len + rig.channel.inbox_len, HEAD_LIMIT);
        assert_false(channel_has_room(&rig.channel));
        rig_close(&rig);
    }
}

static void without_the_head_the_inbox_has_all_of_the_room(void **state)
{
    (void)state;
    struct rig rig;
    struct message_head head;
    rig_open(&rig);
    ask(&rig, HEAD_LIMIT - 1, &head);
    channel_drop_head(&rig.channel);
    channel_drop_head(&rig.channel);
    assert_null(rig.channel.head);
    assert_true(channel_has_room(&rig.channel));
    assert_int_equal(channel_fill(&rig.channel), ERR_OK);
    assert_int_equal(rig.channel.inbox_len, HEAD_LIMIT);
    assert_int_equal(channel_fill(&rig.channel), ERR_LIMIT);
    rig_close(&rig);
}

static void what_is_said_first_inside_a_tunnel_has_the_room_of_a_first_flight(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    rig.channel.awaits_hello = true;
    for (size_t len = 0; len <= CLIENT_HELLO_MAX_LEN; len += sizeof body)
        fake_stream_feed(rig.client, slice_of(body, sizeof body));
    while (channel_fill(&rig.channel) == ERR_OK) {
    }
    assert_int_equal(rig.channel.inbox_len, CLIENT_HELLO_MAX_LEN);
    assert_false(channel_has_room(&rig.channel));
    rig_close(&rig);
}

static void a_taken_head_does_not_move_with_the_inbox(void **state)
{
    (void)state;
    struct rig rig;
    struct message_head head;
    rig_open(&rig);
    ask(&rig, 100, &head);
    assert_int_equal(channel_fill(&rig.channel), ERR_LIMIT);
    channel_empty(&rig.channel);
    assert_true(slice_equal(head.method_text, SLICE_LITERAL("POST")));
    assert_true(slice_equal(head.target, SLICE_LITERAL("http://a.example/")));
    assert_true(slice_equal(head.host, SLICE_LITERAL("a.example")));
    assert_true(slice_ends_with(head.fields, SLICE_LITERAL("xx\r\n")));
    rig_close(&rig);
}

static void a_limit_that_has_become_smaller_than_the_head_leaves_no_room(void **state)
{
    (void)state;
    struct rig rig;
    struct message_head head;
    rig_open(&rig);
    ask(&rig, 8000, &head);
    channel_empty(&rig.channel);
    rig.snapshot.limits.head = 4096;
    assert_false(channel_has_room(&rig.channel));
    assert_int_equal(channel_fill(&rig.channel), ERR_LIMIT);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_and_inbox_together_have_no_more_than_a_head_may_have),
        cmocka_unit_test(without_the_head_the_inbox_has_all_of_the_room),
        cmocka_unit_test(what_is_said_first_inside_a_tunnel_has_the_room_of_a_first_flight),
        cmocka_unit_test(a_taken_head_does_not_move_with_the_inbox),
        cmocka_unit_test(a_limit_that_has_become_smaller_than_the_head_leaves_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
