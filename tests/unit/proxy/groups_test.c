// Groups: the table agrees with the library, lists are kept to by both ends, and what was agreed has its name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "proxy/tls/tls_client.h"
#include "proxy/tls/tls_server.h"
#include "tests/unit/proxy/tls_rig.h"

// with gives a list of one or two groups.
static struct tls_groups with(enum tls_group first, enum tls_group second)
{
    return (struct tls_groups){.list = {first, second}, .count = second == TLS_GROUP_COUNT ? 1 : 2};
}

// has_hybrid tells what the library's header says, beside what the library itself has answered.
static bool has_hybrid(void)
{
#ifdef SSL_GROUP_X25519_MLKEM768
    return true;
#else
    return false;
#endif
}

static void the_library_has_what_its_header_says(void **state)
{
    (void)state;
    for (enum tls_group group = TLS_GROUP_X25519; group < TLS_GROUP_COUNT; group++)
        assert_true(tls_group_is_there(group));
    assert_int_equal(tls_group_is_there(TLS_GROUP_X25519MLKEM768), has_hybrid());
    assert_int_equal(ERR_peek_error(), 0);
}

static void the_defaults_are_what_the_page_says(void **state)
{
    (void)state;
    const struct tls_groups server = tls_groups_of_server();
    const struct tls_groups client = tls_groups_of_client();
    const size_t more = has_hybrid() ? 1 : 0;
    assert_int_equal(server.count, 2 + more);
    assert_int_equal(client.count, 3 + more);
    assert_int_equal(tls_groups_of_library().count, 4 + more);
    assert_int_equal(server.list[0], has_hybrid() ? TLS_GROUP_X25519MLKEM768 : TLS_GROUP_X25519);
    assert_int_equal(server.list[more], TLS_GROUP_X25519);
    assert_int_equal(server.list[more + 1], TLS_GROUP_P256);
    assert_memory_equal(client.list, server.list, server.count * sizeof server.list[0]);
    assert_int_equal(client.list[more + 2], TLS_GROUP_P384);
    assert_true(tls_groups_has(&client, TLS_GROUP_P384));
    assert_false(tls_groups_has(&server, TLS_GROUP_P384));
}

// meet has a client with these groups (none: the library's default) meet a server with those, and gives what they have agreed
// on at both ends; TLS_GROUP_COUNT: the handshake has failed.
static enum tls_group meet(struct tls_rig *rig, const struct tls_groups *server,
                           const struct tls_groups *client, uint16_t version)
{
    assert_true(tls_groups_set(rig->client_ctx, client));
    rig->groups = *server;
    tls_rig_remake(rig);
    tls_rig_begin(rig, version, version);
    rig->verdict = ERR_OK;
    const enum err error = tls_rig_handshake(rig);
    const enum tls_group agreed = tls_stream_group(rig->tls);
    assert_int_equal(error == ERR_OK, agreed != TLS_GROUP_COUNT);
    if (error == ERR_OK)
        assert_int_equal(tls_group_of(rig->ssl), agreed);
    return agreed;
}

static void both_ends_keep_to_their_lists(void **state)
{
    struct tls_rig *rig = *state;
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    const struct tls_groups all = tls_groups_of_library();
    for (size_t v = 0; v < 2; v++) {
        for (enum tls_group group = TLS_GROUP_X25519; group < TLS_GROUP_COUNT; group++) {
            const struct tls_groups alone = with(group, TLS_GROUP_COUNT);
            assert_int_equal(meet(rig, &alone, &all, versions[v]), group);
            assert_string_equal(tls_stream_group_name(rig->tls), tls_group_names[group]);
            // What a client of TLS 1.2 offers is also which curves certificates may have: see below.
            if (versions[v] == TLS1_3_VERSION)
                assert_int_equal(meet(rig, &all, &alone, versions[v]), group);
        }
        const struct tls_groups some = with(TLS_GROUP_X25519, TLS_GROUP_P256);
        const struct tls_groups others = with(TLS_GROUP_P384, TLS_GROUP_P521);
        assert_int_equal(meet(rig, &some, &others, versions[v]), TLS_GROUP_COUNT);
        assert_null(tls_stream_group_name(rig->tls));
        assert_int_equal(rig->tls->failure, TLS_FAILURE_PROTOCOL);
    }
}

static void a_client_of_tls_1_2_has_to_offer_the_curve_of_the_servers_certificate(void **state)
{
    struct tls_rig *rig = *state;
    const struct tls_groups all = tls_groups_of_library();
    const struct tls_groups without = with(TLS_GROUP_X25519, TLS_GROUP_P384);
    const struct tls_groups one = with(TLS_GROUP_X25519, TLS_GROUP_P256);
    assert_int_equal(meet(rig, &all, &without, TLS1_2_VERSION), TLS_GROUP_COUNT);
    assert_int_equal(meet(rig, &all, &one, TLS1_2_VERSION), TLS_GROUP_X25519);
    assert_int_equal(meet(rig, &all, &without, TLS1_3_VERSION), TLS_GROUP_X25519);
}

static void the_servers_order_counts(void **state)
{
    struct tls_rig *rig = *state;
    const struct tls_groups one = with(TLS_GROUP_P384, TLS_GROUP_X25519);
    const struct tls_groups other = with(TLS_GROUP_X25519, TLS_GROUP_P384);
    assert_int_equal(meet(rig, &one, &other, TLS1_3_VERSION), TLS_GROUP_P384);
    assert_int_equal(meet(rig, &other, &one, TLS1_3_VERSION), TLS_GROUP_X25519);
}

static void by_default_the_best_is_agreed_that_both_have(void **state)
{
    struct tls_rig *rig = *state;
    const struct tls_groups none = {.count = 0};
    const struct tls_groups all = tls_groups_of_library();
    const struct tls_groups best = tls_groups_of_client();
    const enum tls_group expected = has_hybrid() ? TLS_GROUP_X25519MLKEM768 : TLS_GROUP_X25519;
    const struct tls_groups classical = with(TLS_GROUP_X25519, TLS_GROUP_P256);
    assert_int_equal(meet(rig, &none, &all, TLS1_3_VERSION), expected);
    assert_int_equal(meet(rig, &none, &best, TLS1_3_VERSION), expected);
    assert_int_equal(meet(rig, &none, &classical, TLS1_3_VERSION), TLS_GROUP_X25519);
    assert_int_equal(meet(rig, &none, &best, TLS1_2_VERSION), TLS_GROUP_X25519);
}

static void the_hybrid_alone_is_for_tls_1_3(void **state)
{
    struct tls_rig *rig = *state;
    const struct tls_groups hybrid = with(TLS_GROUP_X25519MLKEM768, TLS_GROUP_COUNT);
    const struct tls_groups all = tls_groups_of_library();
    if (!has_hybrid()) {
        assert_false(tls_groups_set(rig->client_ctx, &hybrid));
        ERR_clear_error();
        return;
    }
    assert_int_equal(meet(rig, &hybrid, &all, TLS1_3_VERSION), TLS_GROUP_X25519MLKEM768);
    assert_int_equal(meet(rig, &hybrid, &all, TLS1_2_VERSION), TLS_GROUP_COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tls_rig_create, tls_rig_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_has_what_its_header_says),
        cmocka_unit_test(the_defaults_are_what_the_page_says),
        TEST(both_ends_keep_to_their_lists),
        TEST(a_client_of_tls_1_2_has_to_offer_the_curve_of_the_servers_certificate),
        TEST(the_servers_order_counts),
        TEST(by_default_the_best_is_agreed_that_both_have),
        TEST(the_hybrid_alone_is_for_tls_1_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
