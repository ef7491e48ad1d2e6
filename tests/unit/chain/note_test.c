// Signed notes: the example of the Go module `golang.org/x/mod/sumdb/note`, and everything that is no note. Keys and
// checkpoints, written and read.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/chain/checkpoint.h"

#define DASH    "\xe2\x80\x94"
#define PUBLIC  "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define PRIVATE "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define TEXT                                                                                       \
    "If you think cryptography is the answer to your problem,\n"                                   \
    "then you don't know what your problem is.\n"
#define SIGNATURE                                                                                    \
    DASH                                                                                             \
        " PeterNeumann "                                                                             \
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnA" \
        "M=\n"

static struct note_verifier verifier_of(const char *text)
{
    struct note_verifier verifier;
    assert_true(note_verifier_parse(slice_of_string(text), &verifier));
    return verifier;
}

static struct note_signer signer_of(const char *text)
{
    struct note_signer signer;
    assert_true(note_signer_parse(slice_of_string(text), &signer));
    return signer;
}

static void signs_as_the_reference_does(void **state)
{
    (void)state;
    char data[1024];
    struct text text;
    const struct note_signer signer = signer_of(PRIVATE "\n");
    text_init(&text, data, sizeof data);
    text_append_string(&text, TEXT);
    note_sign(&signer, &text);
    assert_string_equal(data, TEXT "\n" SIGNATURE);
}

static void keys_are_written_as_they_are_read(void **state)
{
    (void)state;
    char data[NOTE_KEY_CAP];
    struct text text;
    const struct note_signer signer = signer_of(PRIVATE);
    text_init(&text, data, sizeof data);
    note_signer_format(&signer, &text);
    assert_string_equal(data, PRIVATE);
    text_init(&text, data, sizeof data);
    note_verifier_format(&signer.verifier, &text);
    assert_string_equal(data, PUBLIC);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        (PUBLIC "\n\n"),
        (PUBLIC " "),
        (" " PUBLIC),
        "PeterNeumanm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // the hash is of the name
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T=",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // another kind
        "PeterNeumann+c7:4f:20:a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PRIVATE,
    };
    struct note_verifier verifier;
    struct note_signer signer;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(note_verifier_parse(slice_of_string(bad[i]), &verifier));
    assert_false(note_signer_parse(SLICE_LITERAL(PUBLIC), &signer));
    assert_false(note_signer_parse(SLICE_LITERAL("PRIVATE+KEY+PeterNeumann+c74f20a3+"
                                                 "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFy"),
                                   &signer));
}

static void opens_what_the_key_has_signed(void **state)
{
    (void)state;
    const struct note_verifier verifier = verifier_of(PUBLIC);
    static const char *const good[] = {
        TEXT "\n" SIGNATURE,
        TEXT "\n" DASH " witness AAAA\n" SIGNATURE,
        TEXT "\n" SIGNATURE DASH " witness AAAA\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct slice text;
        assert_int_equal(note_open(slice_of_string(good[i]), &verifier, &text), NOTE_GOOD);
        assert_true(slice_equal(text, SLICE_LITERAL(TEXT)));
    }
}

static void refuses_what_is_no_note_of_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *note;
        enum note_result result;
    } cases[] = {
        {"", NOTE_MALFORMED},
        {"\n", NOTE_MALFORMED},
        {"\n\n", NOTE_MALFORMED},
        {TEXT, NOTE_MALFORMED},
        {TEXT "\n", NOTE_MALFORMED},
        {TEXT SIGNATURE, NOTE_MALFORMED},
        {"\n\n" SIGNATURE, NOTE_MALFORMED},
        {"\n" SIGNATURE, NOTE_MALFORMED},
        {TEXT "\n" SIGNATURE "x\n", NOTE_MALFORMED},
        {TEXT "\n- PeterNeumann AAAA\n", NOTE_MALFORMED},
        {TEXT "\r\n\n" SIGNATURE, NOTE_MALFORMED},
        {TEXT "\n" DASH " witness AAAA\n", NOTE_UNSIGNED},
        {TEXT "\n" DASH " PeterNeumann AAAA\n", NOTE_UNSIGNED},
        {TEXT "more\n\n" SIGNATURE, NOTE_FORGED},
        {TEXT "\nmore\n\n" SIGNATURE, NOTE_FORGED},
    };
    const struct note_verifier verifier = verifier_of(PUBLIC);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice text;
        assert_int_equal(note_open(slice_of_string(cases[i].note), &verifier, &text),
                         cases[i].result);
        assert_int_equal(text.len, 0);
    }
}

static void a_signature_of_one_bit_less_is_forged(void **state)
{
    (void)state;
    char note[] = TEXT "\n" SIGNATURE;
    struct slice text;
    const struct note_verifier verifier = verifier_of(PUBLIC);
    for (size_t i = 0; i < sizeof TEXT - 2; i++) {
        note[i] ^= 1;
        assert_int_not_equal(note_open(slice_of_string(note), &verifier, &text), NOTE_GOOD);
        note[i] ^= 1;
    }
    assert_int_equal(note_open(slice_of_string(note), &verifier, &text), NOTE_GOOD);
}

static struct note_signer our_signer(void)
{
    struct note_signer signer;
    uint8_t seed[NOTE_SEED_LEN] = {7};
    assert_true(note_signer_init(SLICE_LITERAL("sallyport/gate-1"), seed, &signer));
    return signer;
}

static void checkpoints_are_read_as_they_are_written(void **state)
{
    (void)state;
    const struct note_signer signer = our_signer();
    for (int i = 0; i < 2; i++) {
        char data[CHECKPOINT_CAP];
        struct text note;
        struct checkpoint again;
        const struct checkpoint checkpoint = {
            .instance = 0x00c0ffee, .size = 20852163, .root = {{1, 2, 3}}, .is_end = i == 1};
        text_init(&note, data, sizeof data);
        checkpoint_format(&checkpoint, &signer, &note);
        assert_false(note.is_cut);
        assert_true(slice_starts_with(
            text_slice(&note), SLICE_LITERAL("sallyport/gate-1/00c0ffee\n20852163\n"
                                             "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")));
        assert_int_equal(checkpoint_open(text_slice(&note), &signer.verifier, &again), NOTE_GOOD);
        assert_int_equal(again.instance, checkpoint.instance);
        assert_int_equal(again.size, checkpoint.size);
        assert_int_equal(again.is_end, checkpoint.is_end);
        assert_true(merkle_hash_equal(&again.root, &checkpoint.root));
    }
}

static void a_signed_text_that_is_no_checkpoint_is_malformed(void **state)
{
    (void)state;
#define ROOT "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    static const char *const texts[] = {
        "hello\n",
        "sallyport/gate-1\n1\n" ROOT,
        "sallyport/gate-1/\n1\n" ROOT,
        "sallyport/gate-1/c0ffee\n1\n" ROOT,
        "sallyport/gate-1/00C0FFEE\n1\n" ROOT,
        "sallyport/gate-2/00c0ffee\n1\n" ROOT,
        "sallyport/gate-1/00c0ffee\n01\n" ROOT,
        "sallyport/gate-1/00c0ffee\n\n" ROOT,
        "sallyport/gate-1/00c0ffee\n-1\n" ROOT,
        "sallyport/gate-1/00c0ffee\n18446744073709551616\n" ROOT,
        "sallyport/gate-1/00c0ffee\n1\n",
        "sallyport/gate-1/00c0ffee\n1\nAQID\n",
        "sallyport/gate-1/00c0ffee\n1\n" ROOT "more\n",
        "sallyport/gate-1/00c0ffee\n1\n" ROOT "end\nend\n",
    };
#undef ROOT
    const struct note_signer signer = our_signer();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char data[1024];
        struct text note;
        struct checkpoint checkpoint;
        text_init(&note, data, sizeof data);
        text_append_string(&note, texts[i]);
        note_sign(&signer, &note);
        assert_int_equal(checkpoint_open(text_slice(&note), &signer.verifier, &checkpoint),
                         NOTE_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_the_reference_does),
        cmocka_unit_test(keys_are_written_as_they_are_read),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(opens_what_the_key_has_signed),
        cmocka_unit_test(refuses_what_is_no_note_of_the_key),
        cmocka_unit_test(a_signature_of_one_bit_less_is_forged),
        cmocka_unit_test(checkpoints_are_read_as_they_are_written),
        cmocka_unit_test(a_signed_text_that_is_no_checkpoint_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
