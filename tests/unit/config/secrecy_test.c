// Who may read a private key: a table of owners, modes and processes.
#include "proxy/config/secrecy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROOT = 0, US = 1000, STRANGER = 1001, POD = 2000, ELSE = 2001 };

static const gid_t GROUPS[] = {US, POD};
static const gid_t ROOTS_GROUPS[] = {ROOT, POD};

struct secrecy_case {
    const char *name;
    uid_t uid;
    gid_t gid;
    mode_t mode;
    bool has_acl;
    enum secrecy expected;
};

static void check(const struct secrecy_case *cases, size_t count,
                  const struct process_owner *process)
{
    for (size_t i = 0; i < count; i++) {
        const struct file_owner file = {cases[i].uid, cases[i].gid, cases[i].mode,
                                        cases[i].has_acl};
        if (secrecy_judge(&file, process) != cases[i].expected)
            fail_msg("%s: got %d", cases[i].name, (int)secrecy_judge(&file, process));
    }
}

#define CHECK(cases, process) check(cases, sizeof(cases) / sizeof *(cases), process)

static void a_group_of_the_process_may_read_and_nobody_else(void **state)
{
    (void)state;
    static const struct secrecy_case cases[] = {
        {"our own", US, US, 0600, false, SECRECY_KEPT},
        {"our own, read-only", US, US, 0400, false, SECRECY_KEPT},
        {"of root, for nobody else", ROOT, ROOT, 0600, false, SECRECY_KEPT},
        {"mounted for the pod's group", ROOT, POD, 0440, false, SECRECY_KEPT},
        {"mounted for the pod's group, mode 0640", ROOT, POD, 0640, false, SECRECY_KEPT},
        {"ours, for our group", US, US, 0640, false, SECRECY_KEPT},
        {"of another group", ROOT, ELSE, 0440, false, SECRECY_GROUP},
        {"of the group root", ROOT, ROOT, 0640, false, SECRECY_GROUP},
        {"of a stranger, for our group", STRANGER, POD, 0640, false, SECRECY_OWNER},
        {"of a stranger, for nobody else", STRANGER, STRANGER, 0600, false, SECRECY_KEPT},
        {"the group may write", ROOT, POD, 0660, false, SECRECY_GROUP_WRITES},
        {"the group may only write", ROOT, POD, 0620, false, SECRECY_GROUP_WRITES},
        {"the group may execute", ROOT, POD, 0650, false, SECRECY_GROUP_WRITES},
        {"all may read", ROOT, POD, 0444, false, SECRECY_OTHERS},
        {"others may read, the group not", US, US, 0604, false, SECRECY_OTHERS},
        {"others may write", US, US, 0602, false, SECRECY_OTHERS},
        {"others may execute", US, US, 0601, false, SECRECY_OTHERS},
        {"a list after the group's bits", ROOT, POD, 0640, true, SECRECY_ACL},
        {"a list that lets nobody in", US, US, 0600, true, SECRECY_KEPT},
    };
    CHECK(cases, (&(struct process_owner){US, GROUPS, 2}));
}

static void the_group_root_is_not_one_of_a_process_of_root(void **state)
{
    (void)state;
    static const struct secrecy_case cases[] = {
        {"of the group root", ROOT, ROOT, 0640, false, SECRECY_GROUP},
        {"of the pod's group", ROOT, POD, 0440, false, SECRECY_KEPT},
        {"of another group", ROOT, ELSE, 0440, false, SECRECY_GROUP},
        {"of a user", US, POD, 0440, false, SECRECY_OWNER},
    };
    CHECK(cases, (&(struct process_owner){ROOT, ROOTS_GROUPS, 2}));
}

static void a_user_in_the_group_root_may_have_its_files(void **state)
{
    (void)state;
    static const struct secrecy_case cases[] = {
        {"of the group root", ROOT, ROOT, 0440, false, SECRECY_KEPT}};
    CHECK(cases, (&(struct process_owner){US, ROOTS_GROUPS, 1}));
}

static void a_process_without_groups_is_in_none(void **state)
{
    (void)state;
    static const struct secrecy_case cases[] = {
        {"of a group", ROOT, POD, 0440, false, SECRECY_GROUP}};
    CHECK(cases, (&(struct process_owner){US, NULL, 0}));
}

static void every_fault_has_its_words(void **state)
{
    (void)state;
    assert_string_equal(secrecy_fault(SECRECY_KEPT), "");
    for (enum secrecy secrecy = SECRECY_OTHERS; secrecy <= SECRECY_GROUP; secrecy++)
        assert_true(secrecy_fault(secrecy)[0] != '\0');
}

static void what_is_advised_leaves_the_key_to_who_reads_it(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct file_owner file;
        bool is_root;
        const char *expected;
    } rows[] = {
        {"ours", {US, US, 0644, false}, false, "run: chmod 600 k"},
        {"ours, of another group", {US, ELSE, 0640, false}, false, "run: chmod 600 k"},
        {"of root, for our group and all",
         {ROOT, POD, 0644, false},
         false,
         "run as root: chmod 640 k"},
        {"of root, for all",
         {ROOT, ROOT, 0644, false},
         false,
         "run as root: chgrp 1000 k, chmod 640 k"},
        {"of a stranger, for our group",
         {STRANGER, POD, 0640, false},
         false,
         "run as root: chown root k, chmod 640 k"},
        {"of a stranger, for all",
         {STRANGER, STRANGER, 0644, false},
         false,
         "run as root: chown root k, chgrp 1000 k, chmod 640 k"},
        {"a list", {ROOT, POD, 0640, true}, false, "setfacl -b k, then run as root: chmod 640 k"},
        {"root looks at root's", {ROOT, ROOT, 0640, false}, true, "run: chmod 600 k"},
        {"root looks at a user's", {US, US, 0640, false}, true, "run: chmod 600 k"},
        {"root looks at what its group reads", {ROOT, POD, 0644, false}, true, "run: chmod 600 k"},
        {"root looks at what the proxy's group reads",
         {ROOT, ELSE, 0640, false},
         true,
         "if a user in group 2001 runs the proxy, name that user (`process: {user: USER}`), or let "
         "it ask (runuser -u USER -- sallyport check -c FILE); if root does, chmod 600 k"},
        {"root looks at what all read",
         {ROOT, ELSE, 0644, false},
         true,
         "if a user in group 2001 runs the proxy, chmod 640 k, and name that user (`process: {user: "
         "USER}`), or let it ask (runuser -u USER -- sallyport check -c FILE); if root does, chmod 600 k"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct process_owner process = {rows[i].is_root ? ROOT : US,
                                              rows[i].is_root ? ROOTS_GROUPS : GROUPS, 2};
        char data[320];
        struct text text;
        text_init(&text, data, sizeof data);
        assert_int_not_equal(secrecy_judge(&rows[i].file, &process), SECRECY_KEPT);
        secrecy_remedy_append(&text, &rows[i].file, &process, "k");
        if (strcmp(data, rows[i].expected) != 0)
            fail_msg("%s: got %s", rows[i].name, data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_of_the_process_may_read_and_nobody_else),
        cmocka_unit_test(the_group_root_is_not_one_of_a_process_of_root),
        cmocka_unit_test(a_user_in_the_group_root_may_have_its_files),
        cmocka_unit_test(a_process_without_groups_is_in_none),
        cmocka_unit_test(every_fault_has_its_words),
        cmocka_unit_test(what_is_advised_leaves_the_key_to_who_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
