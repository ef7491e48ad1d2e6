// Parts of a match entry that the tables (tests/data/identities.eval) cannot write down: names by
// value, digests, serials, and leaves that are odd.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/match.h"
#include "auth/policy.h"
#include "tests/unit/auth/identity_maker.h"

static const char leaf_text[] = "cn=bot issuer=Staff-CA serial=4f01 uri=spiffe://a.example/x "
                                "dns=bot.example trust=staff";

// fits tells whether `entry` fits the leaf that `description` makes.
static bool fits(const struct match_entry *entry, const char *description)
{
    struct identity *identity = identity_make(description);
    const bool out = match_entry_fits(entry, identity);
    identity_destroy(identity);
    return out;
}

// name gives the bytes of a dn, valid until the fourth call after this one.
static struct slice name(const char *text)
{
    static struct dn kept[4];
    static size_t next;
    struct dn *out = &kept[next++ % 4];
    struct errinfo info;
    if (dn_parse(slice_of_string(text), out, &info) != ERR_OK)
        fail_msg("%s: %s", text, info.text);
    return slice_of(out->bytes, out->len);
}

static void subject_and_issuer_are_compared_by_value(void **state)
{
    (void)state;
    const struct slice bot = name("CN=bot");
    const struct slice other = name("CN=Staff-CA");
    const struct slice longer = name("CN=bot,O=x");
    assert_true(fits(&(struct match_entry){.subject = bot}, leaf_text));
    assert_true(fits(&(struct match_entry){.issuer = other}, leaf_text));
    assert_true(fits(&(struct match_entry){.subject = bot, .issuer = other}, leaf_text));
    assert_false(fits(&(struct match_entry){.subject = other}, leaf_text));
    assert_false(fits(&(struct match_entry){.issuer = bot}, leaf_text));
    assert_false(fits(&(struct match_entry){.subject = longer}, leaf_text));
    assert_false(fits(&(struct match_entry){.subject = bot, .issuer = bot}, leaf_text));
}

static void digests_fit_the_certificate_and_its_key_only(void **state)
{
    (void)state;
    struct identity *identity = identity_make(leaf_text);
    uint8_t digest[IDENTITY_DIGEST_LEN];
    const uint8_t *sha256 = identity->sha256;
    const uint8_t *spki = identity->spki_sha256;
    assert_true(match_entry_fits(&(struct match_entry){.sha256 = sha256}, identity));
    assert_true(match_entry_fits(&(struct match_entry){.spki_sha256 = spki}, identity));
    assert_false(match_entry_fits(&(struct match_entry){.sha256 = spki}, identity));
    assert_false(match_entry_fits(&(struct match_entry){.spki_sha256 = sha256}, identity));
    for (size_t i = 0; i < sizeof digest; i++) {
        assert_true(bytes_copy(digest, sizeof digest, slice_of(sha256, IDENTITY_DIGEST_LEN)));
        digest[i] ^= 1;
        assert_false(match_entry_fits(&(struct match_entry){.sha256 = digest}, identity));
    }
    // Another certificate of the same key shares the key's digest only.
    assert_false(fits(&(struct match_entry){.sha256 = sha256}, "cn=other trust=staff"));
    assert_true(fits(&(struct match_entry){.spki_sha256 = spki}, "cn=other trust=staff"));
    identity_destroy(identity);
}

static void units_and_organizations_are_compared_byte_by_byte(void **state)
{
    (void)state;
    static const struct {
        struct match_entry entry;
        const char *leaf;
        bool fits;
    } rows[] = {
        {{.ou = "search"}, "ou=search trust=staff", true},
        {{.ou = "search"}, "cn=a ou=build ou=search o=x trust=staff", true},
        {{.o = "Example"}, "o=Example ou=a trust=staff", true},
        {{.o = "Example", .ou = "a"}, "o=Example ou=a ou=b trust=staff", true},
        {{.ou = "search"}, "ou=Search trust=staff", false},
        {{.ou = "search"}, "ou=search2 trust=staff", false},
        {{.ou = "search"}, "ou=searc trust=staff", false},
        {{.ou = "search"}, "cn=search o=search dns=search trust=staff", false},
        {{.ou = "search"}, "cn=OU=search trust=staff", false},
        {{.ou = "search"}, "issuer=search trust=staff", false},
        {{.ou = "search"}, "ou=search", false}, // only presented
        {{.ou = ""}, "ou=search trust=staff", false},
        {{.ou = ""}, "cn=a trust=staff", false},
        {{.o = ""}, "cn=a trust=staff", false},
        {{.o = "Example"}, "ou=Example trust=staff", false},
        {{.o = "Example"}, "o=example trust=staff", false},
        {{.o = "Example"}, "o=Example o=Other trust=staff", false}, // one of two
        {{.o = "Example"}, "o=Other o=Example trust=staff", false},
        {{.o = "Example"}, "o=Example o=Example trust=staff", false},
        {{.o = "Example", .ou = "c"}, "o=Example ou=a ou=b trust=staff", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (fits(&rows[i].entry, rows[i].leaf) != rows[i].fits)
            fail_msg("row %zu, `%s`", i, rows[i].leaf);
    }
}

static void serials_are_whole_numbers(void **state)
{
    (void)state;
    static const uint8_t serial[] = {0x4F, 0x01, 0x00};
    const struct match_entry same = {.serial = slice_of(serial, 2)};
    const struct match_entry shorter = {.serial = slice_of(serial, 1)};
    const struct match_entry longer = {.serial = slice_of(serial, 3)};
    const struct match_entry zero = {.serial = slice_of(serial, 0)};
    assert_true(fits(&same, leaf_text));
    assert_true(fits(&same, "cn=x serial=004f01 trust=staff"));
    assert_false(fits(&shorter, leaf_text));
    assert_false(fits(&longer, leaf_text));
    assert_false(fits(&zero, leaf_text));
    assert_false(fits(&same, "cn=x serial=4f02 trust=staff"));
}

static void every_part_has_to_fit(void **state)
{
    (void)state;
    const struct slice issuer = name("CN=Staff-CA");
    const struct match_entry good = {.trust = "staff",
                                     .uri = "spiffe://a.example/*",
                                     .dns = "*.example",
                                     .cn = "bot",
                                     .issuer = issuer};
    assert_true(fits(&good, leaf_text));
    struct match_entry bad = good;
    bad.trust = "partners";
    assert_false(fits(&bad, leaf_text));
    bad = good;
    bad.uri = "spiffe://b.example/*";
    assert_false(fits(&bad, leaf_text));
    bad = good;
    bad.dns = "*.example.org";
    assert_false(fits(&bad, leaf_text));
    bad = good;
    bad.cn = "Bot";
    assert_false(fits(&bad, leaf_text));
    bad = good;
    bad.email = "bot@example";
    assert_false(fits(&bad, leaf_text));
    const struct ip_addr ip = {.family = IP_V4, .bytes = {1, 2, 3, 4}};
    bad = good;
    bad.ip = &ip;
    assert_false(fits(&bad, leaf_text));
    bad = good;
    bad.anonymous = true;
    assert_false(fits(&bad, leaf_text));
}

static void empty_values_fit_nothing(void **state)
{
    (void)state;
    static const char *const leaves[] = {"trust=staff", "cn=a cn=b trust=staff", "dns= trust=staff",
                                         "uri= trust=staff", "email= trust=staff"};
    const struct ip_addr nothing = {0};
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        assert_false(fits(&(struct match_entry){0}, leaves[i]));
        assert_false(fits(&(struct match_entry){.cn = ""}, leaves[i]));
        assert_false(fits(&(struct match_entry){.dns = ""}, leaves[i]));
        assert_false(fits(&(struct match_entry){.uri = ""}, leaves[i]));
        assert_false(fits(&(struct match_entry){.email = ""}, leaves[i]));
        assert_false(fits(&(struct match_entry){.trust = ""}, leaves[i]));
        assert_false(fits(&(struct match_entry){.ip = &nothing}, leaves[i]));
    }
}

static void patterns_begin_behind_a_name_of_their_own(void **state)
{
    (void)state;
    static const char *const uris[] = {"spiffe://x/*", "spiffe://x/t/*", "a://x/*"};
    static const char *const none[] = {"",         "/*",        "spiffe://*",  "spiffe://x*",
                                       "://x/*",   "urn:x:y/*", "urn:abc/z/*", "spiffe:///*",
                                       "urn:/x/*", "x/y/z/*",   "spiffe://x/", "spiffe:/x/y/*"};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++)
        assert_true(match_is_uri_pattern(slice_of_string(uris[i])));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        if (match_is_uri_pattern(slice_of_string(none[i])))
            fail_msg("%s was taken for a pattern", none[i]);
    }
    assert_true(fits(&(struct match_entry){.dns = "*.a"}, "dns=x.a trust=staff"));
    assert_true(fits(&(struct match_entry){.dns = "*.a"}, "dns=y.x.A trust=staff"));
    assert_false(fits(&(struct match_entry){.dns = "*.a"}, "dns=a trust=staff"));
    assert_false(fits(&(struct match_entry){.dns = "*.a"}, "dns=.a trust=staff"));
    assert_false(fits(&(struct match_entry){.dns = "*.a"}, "dns=xa trust=staff"));
    assert_false(fits(&(struct match_entry){.dns = "*."}, "dns=x. trust=staff"));
    assert_false(fits(&(struct match_entry){.dns = "*."}, "dns=x trust=staff"));
}

static void email_needs_both_sides_of_its_last_at(void **state)
{
    (void)state;
    const struct match_entry jane = {.email = "jane@a.example"};
    assert_true(fits(&jane, "email=jane@A.Example trust=staff"));
    assert_false(fits(&jane, "email=jane trust=staff"));
    assert_false(fits(&jane, "email=@a.example trust=staff"));
    assert_false(fits(&jane, "email=xjane@a.example trust=staff"));
    assert_false(fits(&jane, "email=jane@a.example.org trust=staff"));
    assert_false(fits(&jane, "email=jane@x@a.example trust=staff"));
    assert_false(fits(&jane, "email=Jane@a.example trust=staff"));
    assert_false(fits(&jane, "email=jane@b.example trust=staff"));
    assert_false(fits(&jane, "email=jan@a.example trust=staff"));
    assert_false(fits(&jane, "email=jane@a.exampl trust=staff"));
    assert_false(fits(&(struct match_entry){.email = "jane@x@a.example"},
                      "email=jane@x@a.example trust=staff"));
    assert_false(fits(&(struct match_entry){.email = "a.example"}, "email=a.example trust=staff"));
    assert_false(
        fits(&(struct match_entry){.email = "@a.example"}, "email=j@a.example trust=staff"));
    assert_false(fits(&(struct match_entry){.email = "jane@"}, "email=jane@ trust=staff"));
}

static void a_second_spiffe_id_after_many_sans_fits_no_uri(void **state)
{
    (void)state;
    char memory[4096];
    struct text text;
    text_init(&text, memory, sizeof memory);
    text_append_string(&text, "trust=staff uri=spiffe://a.example/x");
    for (size_t i = 1; i < 100; i++)
        text_append_format(&text, " dns=h%zu.example", i);
    const struct match_entry by_uri = {.uri = "spiffe://a.example/x"};
    const struct match_entry by_dns = {.dns = "h1.example"};
    const struct match_entry by_last_dns = {.dns = "h99.example"};
    assert_true(fits(&by_uri, memory));
    assert_true(fits(&by_dns, memory) && fits(&by_last_dns, memory));
    text_append_string(&text, " uri=spiffe://a.example/y");
    assert_false(text.is_cut);
    assert_false(fits(&by_uri, memory));
    assert_true(fits(&by_dns, memory) && fits(&by_last_dns, memory));
}

static void bytes_beyond_ascii_make_a_san_fit_nothing(void **state)
{
    (void)state;
    assert_false(fits(&(struct match_entry){.dns = "b\xC3\xBC.example"},
                      "dns=b\xC3\xBC.example trust=staff"));
    assert_false(fits(&(struct match_entry){.uri = "spiffe://a.example/b\xC3\xBC"},
                      "uri=spiffe://a.example/b\xC3\xBC trust=staff"));
    assert_false(fits(&(struct match_entry){.uri = "spiffe://a.example/*"},
                      "uri=spiffe://a.example/b\xC3\xBC trust=staff"));
}

static void the_first_client_that_fits_is_found(void **state)
{
    (void)state;
    const struct match_entry nobody[] = {{.cn = "nobody"}, {0}};
    const struct match_entry bot[] = {{.cn = "nobody"}, {.cn = "bot"}};
    const struct match_entry any = {.any = true};
    const struct match_entry anonymous = {.anonymous = true};
    const struct client clients[] = {
        {.name = "empty"},
        {.name = "nobody", .matches = nobody, .match_count = 2},
        {.name = "bot", .matches = bot, .match_count = 2},
        {.name = "any", .matches = &any, .match_count = 1},
        {.name = "again", .matches = &any, .match_count = 1},
        {.name = "anonymous", .matches = &anonymous, .match_count = 1},
    };
    const struct policy policy = {.clients = clients, .client_count = 6};
    struct identity *identity = identity_make(leaf_text);
    assert_ptr_equal(&clients[2], policy_find_client(&policy, identity, NULL));
    identity_destroy(identity);
    identity = identity_make("cn=other trust=staff");
    assert_ptr_equal(&clients[3], policy_find_client(&policy, identity, NULL));
    identity_destroy(identity);
    identity = identity_make("cn=bot"); // only presented
    assert_null(policy_find_client(&policy, identity, NULL));
    identity_destroy(identity);
    assert_ptr_equal(&clients[5], policy_find_client(&policy, NULL, NULL));
    const struct policy empty = {0};
    assert_null(policy_find_client(&empty, NULL, NULL));
}

// extension_of makes what an entry asks of the extension 1.2.3: a text, with its key.
static struct extension_match extension_of(const char *text, char key[32])
{
    const int len = snprintf(key, 32, "\x02\x2A\x03%c%s", 0, text);
    return (struct extension_match){.oid = SLICE_LITERAL("\x2A\x03"),
                                    .kind = EXTENSION_TEXT,
                                    .value = slice_of_string(text),
                                    .key = slice_of(key, (size_t)len)};
}

static void entries_meet_where_one_certificate_could_fit_both(void **state)
{
    static const uint8_t digests[2][IDENTITY_DIGEST_LEN] = {{1}, {2}};
    static const struct ip_addr addresses[2] = {{.family = IP_V4, .bytes = {1}},
                                                {.family = IP_V4, .bytes = {2}}};
    char keys[4][32];
    const struct extension_match wide = extension_of("team/*", keys[0]);
    const struct extension_match narrow = extension_of("team/a", keys[1]);
    const struct extension_match beside = extension_of("team/b", keys[2]);
    struct extension_match der = extension_of("\x0C\x06team/a", keys[3]);
    der.kind = EXTENSION_DER;
    const struct {
        struct match_entry a;
        struct match_entry b;
        bool a_covers;
        bool b_covers;
        bool meet;
    } rows[] = {
        // One covers the other.
        {{.cn = "x"}, {.cn = "x"}, true, true, true},
        {{.cn = "x"}, {.cn = "x", .ou = "o"}, true, false, true},
        {{.cn = "x"}, {.cn = "X"}, false, false, false},
        {{.any = true}, {.cn = "x"}, true, false, true},
        {{.trust = "staff"}, {.cn = "x", .trust = "staff"}, true, false, true},
        {{.trust = "staff"}, {.cn = "x", .trust = "other"}, false, false, false},
        {{.o = "o"}, {.cn = "x", .o = "o"}, true, false, true},
        {{.o = "o"}, {.cn = "x"}, false, false, false},
        {{.uri = "a://b/*"}, {.uri = "a://b/c/*"}, true, false, true},
        {{.uri = "a://b/*"}, {.uri = "a://b/c"}, true, false, true},
        {{.uri = "a://b/*"}, {.uri = "a://bc/d"}, false, false, false},
        {{.dns = "*.x"}, {.dns = "*.y.x"}, true, false, true},
        {{.dns = "a.X"}, {.dns = "A.x"}, true, true, true},
        {{.extension = &wide}, {.extension = &narrow}, true, false, true},
        // Neither covers the other.
        {{.cn = "x", .o = "p"}, {.cn = "x", .ou = "q"}, false, false, true},
        {{.cn = "x", .o = "p"}, {.cn = "x", .o = "q"}, false, false, false},
        {{.cn = "x", .trust = "p"}, {.cn = "x", .trust = "q"}, false, false, false},
        {{.cn = "x", .dns = "*.x"}, {.dns = "a.x", .ou = "o"}, false, false, true},
        {{.dns = "a.x", .ou = "o"}, {.cn = "x", .dns = "*.x"}, false, false, true},
        {{.sha256 = digests[0], .cn = "x"}, {.sha256 = digests[0], .o = "o"}, false, false, true},
        {{.sha256 = digests[0], .cn = "x"}, {.sha256 = digests[1], .cn = "x"}, false, false, false},
        {{.ip = &addresses[0], .cn = "x"}, {.ip = &addresses[0], .o = "o"}, false, false, true},
        {{.ip = &addresses[0]}, {.ip = &addresses[1]}, false, false, false},
        // What many have in common is not enough.
        {{.cn = "x", .o = "p"}, {.uri = "a://b/c", .o = "p"}, false, false, false},
        {{.cn = "x", .trust = "p"}, {.uri = "a://b/c", .trust = "p"}, false, false, false},
        {{.cn = "x", .ou = "p"}, {.dns = "a", .ou = "p"}, false, false, false},
        {{.cn = "x", .issuer = SLICE_LITERAL("i")},
         {.dns = "a", .issuer = SLICE_LITERAL("i")},
         false,
         false,
         false},
        {{.cn = "x"}, {.dns = "x"}, false, false, false},
        // Policies and QC statements: sets of OIDs.
        {{.cn = "x", .policies = SLICE_LITERAL("\1p\1q"), .ou = "o"},
         {.cn = "x", .policies = SLICE_LITERAL("\1r\1q"), .o = "o"},
         false,
         false,
         true},
        {{.cn = "x", .policies = SLICE_LITERAL("\1p")},
         {.cn = "x", .policies = SLICE_LITERAL("\1q")},
         false,
         false,
         true},
        {{.cn = "x", .qc = SLICE_LITERAL("\1p")},
         {.cn = "x", .qc = SLICE_LITERAL("\1q")},
         false,
         false,
         true},
        {{.dns = "x", .qc = SLICE_LITERAL("\1p")},
         {.cn = "x", .qc = SLICE_LITERAL("\1p")},
         false,
         false,
         false},
        {{.dns = "x", .policies = SLICE_LITERAL("\1p")},
         {.cn = "x", .policies = SLICE_LITERAL("\1p")},
         false,
         false,
         false},
        // A certificate can have both of two such values, so that these tell nobody apart.
        {{.cn = "x", .ou = "p"}, {.cn = "x", .ou = "q"}, false, false, true},
        {{.cn = "x", .dns = "p"}, {.cn = "x", .dns = "q"}, false, false, true},
        {{.cn = "x", .dns = "*.p.e"}, {.cn = "x", .dns = "*.q.e"}, false, false, true},
        {{.cn = "x", .email = "p@e"}, {.cn = "x", .email = "q@e"}, false, false, true},
        {{.cn = "x", .ip = &addresses[0]}, {.cn = "x", .ip = &addresses[1]}, false, false, true},
        {{.cn = "x", .uri = "a://p/c"}, {.cn = "x", .uri = "a://q/c"}, false, false, true},
        {{.cn = "x", .uri = "spiffe://p/c"}, {.cn = "x", .uri = "a://q/c"}, false, false, true},
        {{.dns = "x", .ou = "p", .o = "r"}, {.dns = "x", .ou = "q"}, false, false, true},
        {{.cn = "x", .extension = &narrow}, {.cn = "x", .extension = &beside}, false, false, true},
        {{.cn = "x", .extension = &der}, {.cn = "x", .extension = &beside}, false, false, false},
        // Two SPIFFE ids are not in one, and what differs is no name in common.
        {{.cn = "x", .uri = "spiffe://p/c"},
         {.cn = "x", .uri = "spiffe://q/c"},
         false,
         false,
         false},
        {{.cn = "x", .uri = "spiffe://p/c/*"},
         {.cn = "x", .uri = "spiffe://p/d/*"},
         false,
         false,
         false},
        {{.cn = "x", .ou = "p", .o = "r"}, {.cn = "x", .ou = "q", .o = "s"}, false, false, false},
        {{.cn = "x", .dns = "p"}, {.cn = "y", .dns = "p"}, false, false, false},
        {{.dns = "p"}, {.dns = "q"}, false, false, false},
        {{.dns = "p", .o = "r"}, {.dns = "q", .o = "r"}, false, false, false},
        {{.uri = "a://p/c"}, {.uri = "a://q/c"}, false, false, false},
        {{.extension = &narrow}, {.extension = &beside}, false, false, false},
        // Without a certificate.
        {{.anonymous = true}, {.anonymous = true}, true, true, true},
        {{.anonymous = true}, {.cn = "x"}, false, false, false},
        {{.any = true}, {.anonymous = true}, false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct match_entry *a = &rows[i].a;
        const struct match_entry *b = &rows[i].b;
        if (match_entry_covers(a, b) != rows[i].a_covers ||
            match_entry_covers(b, a) != rows[i].b_covers)
            fail_msg("row %zu: which covers which", i);
        if (match_entry_meets(a, b) != rows[i].meet || match_entry_meets(b, a) != rows[i].meet)
            fail_msg("row %zu: whether they meet", i);
    }
}

// subject_of gives the bytes of a name, which are in `dn`.
static struct slice subject_of(const char *text, struct dn *dn)
{
    struct errinfo info;
    assert_int_equal(dn_parse(slice_of_string(text), dn, &info), ERR_OK);
    return slice_of(dn->bytes, dn->len);
}

static void an_entry_names_somebody_by_what_few_have(void **state)
{
    static const uint8_t digest[IDENTITY_DIGEST_LEN] = {1};
    static const struct ip_addr address = {.family = IP_V4};
    char key[32];
    const struct extension_match text = extension_of("t", key);
    struct extension_match der = text;
    struct extension_match equals = text;
    struct extension_match json = text;
    struct extension_member members[] = {
        {.is_any = true}, {.equals = {.part_count = 1}}, {.is_any = false}};
    static struct dn person;
    static struct dn fleet;
    der.kind = EXTENSION_DER;
    equals.kind = EXTENSION_EQUALS;
    json.kind = EXTENSION_JSON;
    json.members = members;
    const struct match_entry yes[] = {
        {.cn = "x"},         {.uri = "u"},
        {.dns = "d"},        {.email = "e"},
        {.ip = &address},    {.subject = subject_of("CN=s,O=o", &person)},
        {.sha256 = digest},  {.spki_sha256 = digest},
        {.extension = &der}, {.serial = SLICE_LITERAL("n"), .issuer = SLICE_LITERAL("i")},
        {.extension = &text}};
    const struct match_entry no[] = {{0},
                                     {.any = true},
                                     {.anonymous = true},
                                     {.trust = "t"},
                                     {.issuer = SLICE_LITERAL("i")},
                                     {.subject = subject_of("O=SPIRE,C=US", &fleet)},
                                     {.ou = "u", .o = "o"},
                                     {.policies = SLICE_LITERAL("\1p")},
                                     {.qc = SLICE_LITERAL("\1p")},
                                     {.extension = &equals}};
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (!match_entry_names(&yes[i]))
            fail_msg("row %zu names nobody", i);
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        if (match_entry_names(&no[i]))
            fail_msg("row %zu names somebody", i);
    }
    for (json.member_count = 0; json.member_count <= 3; json.member_count++) {
        const struct match_entry entry = {.extension = &json};
        assert_int_equal(match_entry_names(&entry), json.member_count == 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subject_and_issuer_are_compared_by_value),
        cmocka_unit_test(digests_fit_the_certificate_and_its_key_only),
        cmocka_unit_test(units_and_organizations_are_compared_byte_by_byte),
        cmocka_unit_test(serials_are_whole_numbers),
        cmocka_unit_test(every_part_has_to_fit),
        cmocka_unit_test(empty_values_fit_nothing),
        cmocka_unit_test(patterns_begin_behind_a_name_of_their_own),
        cmocka_unit_test(email_needs_both_sides_of_its_last_at),
        cmocka_unit_test(a_second_spiffe_id_after_many_sans_fits_no_uri),
        cmocka_unit_test(bytes_beyond_ascii_make_a_san_fit_nothing),
        cmocka_unit_test(the_first_client_that_fits_is_found),
        cmocka_unit_test(entries_meet_where_one_certificate_could_fit_both),
        cmocka_unit_test(an_entry_names_somebody_by_what_few_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
