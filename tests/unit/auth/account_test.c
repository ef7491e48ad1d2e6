// The name of an account: which certificate gives which, and to whom a name belongs.
#include "auth/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/name_template.h"
#include "auth/policy.h"
#include "tests/unit/auth/identity_maker.h"

enum { CLIENTS_MOST = 5 };

struct world {
    struct client clients[CLIENTS_MOST];
    struct name_template templates[CLIENTS_MOST];
    struct policy *policy;
};

// build makes a sealed policy of clients with these names; the last one is NULL.
static void build(struct world *world, const char *const names[])
{
    size_t count = 0;
    *world = (struct world){.policy = policy_create()};
    assert_non_null(world->policy);
    for (; names[count] != NULL; count++) {
        struct errinfo info;
        assert_true(count < CLIENTS_MOST);
        world->clients[count].name = names[count];
        if (strchr(names[count], '{') == NULL)
            continue;
        assert_int_equal(name_template_parse(slice_of_string(names[count]), NAME_ALPHABET_ACCOUNT,
                                             &world->templates[count], &info),
                         ERR_OK);
        world->clients[count].name_template = &world->templates[count];
    }
    world->policy->clients = world->clients;
    world->policy->client_count = count;
    assert_int_equal(policy_seal(world->policy), ERR_OK);
}

// assert_name asks for the account of a client with this certificate; `wanted` NULL: it has none.
static void assert_name(const struct world *world, size_t client, const char *certificate,
                        const char *wanted)
{
    struct account_name name;
    struct identity *identity = certificate == NULL ? NULL : identity_make(certificate);
    const enum reason reason =
        account_name_decide(world->policy, &world->clients[client], identity, &name);
    if (wanted == NULL) {
        assert_int_equal(reason, REASON_BAD_ACCOUNT);
        assert_null(name.text);
        assert_non_null(name.why);
    } else {
        assert_int_equal(reason, REASON_NONE);
        assert_string_equal(name.text, wanted);
        assert_null(name.why);
    }
    identity_destroy(identity);
}

static void a_plain_client_is_one_account_and_nothing_is_copied(void **state)
{
    (void)state;
    struct world world;
    struct account_name name;
    build(&world, (const char *const[]){"plain", "agent-{cn}", NULL});
    assert_name(&world, 0, "cn=x trust=staff", "plain");
    assert_name(&world, 0, NULL, "plain");
    assert_int_equal(account_name_decide(world.policy, &world.clients[0], NULL, &name),
                     REASON_NONE);
    assert_ptr_equal(name.text, world.clients[0].name);
    assert_int_equal(account_name_decide(world.policy, NULL, NULL, &name), REASON_NONE);
    assert_null(name.text);
    policy_destroy(world.policy);
}

static void a_certificate_completes_the_name_or_gives_none(void **state)
{
    (void)state;
    static const struct {
        const char *certificate;
        const char *wanted;
    } cases[] = {
        {"uri=spiffe://a.example/ns/x/7 trust=staff", "agent-7"},
        {"uri=spiffe://a.example/ns/x/7/more trust=staff", "agent-7"},
        {"uri=spiffe://a.example/ns/x/abcdefghijklmnopqrstuvwxyz trust=staff",
         "agent-abcdefghijklmnopqrstuvwxyz"},
        {"uri=spiffe://a.example/ns/x/abcdefghijklmnopqrstuvwxyz0 trust=staff", NULL},
        {"uri=spiffe://a.example/ns/x trust=staff", NULL},
        {"uri=spiffe://a.example/ns/x/ trust=staff", NULL},
        {"uri=spiffe://a.example/ns//x trust=staff", NULL},
        {"uri=spiffe://a.example/ns/x/.. trust=staff", NULL},
        {"uri=spiffe://a.example/ns/x/a~b trust=staff", NULL},
        {"uri=spiffe://a.example/ns/x/a%41 trust=staff", NULL},
        {"uri=spiffe://a.example/ns/x/7 uri=https://b.example/ns/x/8 trust=staff", NULL},
        {"uri=https://b.example/ns/x/8 uri=https://b.example/ns/x/8 trust=staff", NULL},
        {"cn=7 trust=staff", NULL},
        {"dns=7.example trust=staff", NULL},
        {NULL, NULL},
    };
    struct world world;
    build(&world, (const char *const[]){"agent-{uri.path[2]}", NULL});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_name(&world, 0, cases[i].certificate, cases[i].wanted);
    policy_destroy(world.policy);
}

static void a_name_of_another_client_is_nobodys_wherever_that_stands(void **state)
{
    (void)state;
    struct world world;
    build(&world,
          (const char *const[]){"agent-a", "agent-{cn}", "agent-b", "{cn}", "{cn}-x", NULL});
    assert_name(&world, 1, "cn=a trust=staff", NULL);
    assert_name(&world, 1, "cn=b trust=staff", NULL);
    assert_name(&world, 1, "cn=c trust=staff", "agent-c");
    assert_name(&world, 1, "cn=A trust=staff", "agent-A"); // names are told apart by their bytes
    assert_name(&world, 3, "cn=agent-a trust=staff", NULL);
    assert_name(&world, 3, "cn=agent-c trust=staff", NULL); // the earlier template can give it
    assert_name(&world, 3, "cn=agent- trust=staff", "agent-");
    assert_name(&world, 3, "cn=other trust=staff", "other");
    assert_name(&world, 4, "cn=other trust=staff", NULL);
    policy_destroy(world.policy);
}

static void a_name_belongs_to_one_client(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int client; // -1: nobody
    } cases[] = {
        {"agent-a", 0},  {"agent-x-y", 1}, {"agent-x-y-z", 1}, {"agent-x-", -1},   {"agent--y", -1},
        {"agent-x", -1}, {"bot", -1},      {"a.bot", 2},       {"a.b.bot", 2},     {".bot", -1},
        {"a/.bot", -1},  {"", -1},         {"{cn}.bot", 2},    {"agent-{cn}", -1},
    };
    struct world world;
    build(&world, (const char *const[]){"agent-a", "agent-{cn}-{dns[0]}", "{cn}.bot", NULL});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct client *wanted = cases[i].client < 0 ? NULL : &world.clients[cases[i].client];
        assert_ptr_equal(account_find_client(world.policy, cases[i].name), wanted);
    }
    policy_destroy(world.policy);
    build(&world, (const char *const[]){"one", "two", NULL});
    assert_null(world.policy->account_index);
    assert_ptr_equal(account_find_client(world.policy, "two"), &world.clients[1]);
    assert_null(account_find_client(world.policy, "three"));
    policy_destroy(world.policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_client_is_one_account_and_nothing_is_copied),
        cmocka_unit_test(a_certificate_completes_the_name_or_gives_none),
        cmocka_unit_test(a_name_of_another_client_is_nobodys_wherever_that_stands),
        cmocka_unit_test(a_name_belongs_to_one_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
