// The table of questions is short: is it TLS, is ECH allowed, is there a name, is it the right one.
#include "auth/inner.h"

#include "auth/base/json.h"

const char *const inner_tls_words[] = {
    [INNER_ANY] = "any", [INNER_OBSERVE] = "observe", [INNER_REQUIRE] = "require", NULL};
const char *const inner_names_words[] = {
    [INNER_SAME] = "same", [INNER_LISTED] = "listed", [INNER_NAMES_ANY] = "any", NULL};
const char *const inner_ech_words[] = {"allow", "deny", NULL};
const char *const inner_plain_words[] = {[INNER_PLAIN_ALLOW] = "allow",
                                         [INNER_PLAIN_CHECK] = "check",
                                         [INNER_PLAIN_DENY] = "deny",
                                         NULL};

const char *inner_kind_name(enum inner_kind kind)
{
    static const char *const names[] = {
        [INNER_NOTHING] = "none",        [INNER_TLS] = "tls",   [INNER_BAD_TLS] = "bad_tls",
        [INNER_TOO_LARGE] = "too_large", [INNER_HTTP] = "http", [INNER_OTHER] = "other",
    };
    return names[kind];
}

struct inner inner_to_find_name(const struct inner *inner)
{
    struct inner out = *inner;
    out.denies_ech = false;
    return out;
}

struct inner inner_of_named(const struct inner *inner)
{
    struct inner out = *inner;
    out.tls = INNER_REQUIRE;
    out.names = INNER_SAME;
    return out;
}

bool inner_looks(const struct inner *inner)
{
    return inner->tls != INNER_ANY || inner->plain != INNER_PLAIN_ALLOW;
}

bool inner_holds_up(const struct inner *inner)
{
    return inner->tls == INNER_REQUIRE || inner->plain != INNER_PLAIN_ALLOW;
}

bool inner_holds_down(const struct inner *inner)
{
    return inner->tls == INNER_REQUIRE;
}

static struct inner_verdict pass(void)
{
    return (struct inner_verdict){.step = INNER_PASS};
}

static struct inner_verdict end(enum reason reason)
{
    return (struct inner_verdict){.step = INNER_END, .reason = reason};
}

static struct inner_verdict ask(enum inner_step step, const struct hostname *name,
                                enum reason reason)
{
    return (struct inner_verdict){.step = step, .reason = reason, .name = name};
}

static bool is_asked_for(const struct target *asked, const struct hostname *name)
{
    return asked->kind == TARGET_NAME &&
           slice_equal(hostname_slice(&asked->name), hostname_slice(name));
}

// judge_name judges a name that stands inside, whatever protocol it was in.
static struct inner_verdict judge_name(const struct inner *inner, const struct target *asked,
                                       const struct hostname *name, enum reason mismatch)
{
    if (inner->names == INNER_NAMES_ANY || is_asked_for(asked, name))
        return pass();
    if (asked->kind == TARGET_ADDRESS)
        return ask(INNER_ASK_DNS, name, mismatch);
    return inner->names == INNER_LISTED ? ask(INNER_ASK_POLICY, name, mismatch) : end(mismatch);
}

static struct inner_verdict judge_hello(const struct inner *inner, const struct target *asked,
                                        const struct client_hello *hello)
{
    if (hello->has_ech && inner->denies_ech)
        return end(REASON_INNER_ECH);
    if (inner->names == INNER_NAMES_ANY)
        return pass();
    switch (hello->naming) {
    case CLIENT_HELLO_NAMED:
        return judge_name(inner, asked, &hello->name, REASON_INNER_MISMATCH);
    case CLIENT_HELLO_NO_NAME:
        return end(REASON_INNER_NO_NAME);
    case CLIENT_HELLO_WRONG_NAME:
        break;
    }
    return end(REASON_INNER_MISMATCH);
}

// judge_plain judges a request in the clear; under `check` its Host is held to what a server name would be.
static struct inner_verdict judge_plain(const struct inner *inner, const struct target *asked,
                                        const struct inner_seen *seen)
{
    if (inner->plain == INNER_PLAIN_ALLOW)
        return inner->tls == INNER_REQUIRE ? end(REASON_INNER_NOT_TLS) : pass();
    if (inner->plain == INNER_PLAIN_DENY || !seen->has_host)
        return end(REASON_INNER_PLAIN);
    if (seen->host.kind == TARGET_NAME)
        return judge_name(inner, asked, &seen->host.name, REASON_INNER_PLAIN);
    return target_equal_host(asked, &seen->host) ? pass() : end(REASON_INNER_PLAIN);
}

struct inner_verdict inner_judge(const struct inner *inner, const struct target *asked,
                                 const struct inner_seen *seen)
{
    if (seen->kind == INNER_HTTP)
        return judge_plain(inner, asked, seen);
    if (inner->tls != INNER_REQUIRE)
        return pass();
    if (seen->kind == INNER_TLS)
        return judge_hello(inner, asked, &seen->hello);
    return end(seen->kind == INNER_TOO_LARGE ? REASON_INNER_TOO_LARGE : REASON_INNER_NOT_TLS);
}

struct inner_verdict inner_judge_again(const struct inner *inner, const struct client_hello *first,
                                       const struct client_hello *second)
{
    if (inner->tls != INNER_REQUIRE)
        return pass();
    if (second->has_ech && inner->denies_ech)
        return end(REASON_INNER_ECH);
    if (first->naming != second->naming ||
        (first->naming == CLIENT_HELLO_NAMED &&
         !slice_equal(hostname_slice(&first->name), hostname_slice(&second->name))))
        return end(REASON_INNER_MISMATCH);
    return pass();
}

void inner_rule(const struct policy *policy, const struct client *client,
                const struct ip_addr *source, int64_t now_s, const struct target *asked,
                const struct candidate *dialled, const struct inner_seen *seen,
                struct inner_ruling *out)
{
    static const struct inner anything = {0};
    const struct inner *inner = dialled->inner == NULL ? &anything : dialled->inner;
    const struct inner_verdict verdict = inner_judge(inner, asked, seen);
    *out =
        (struct inner_ruling){.step = verdict.step, .reason = verdict.reason, .name = verdict.name};
    if (verdict.name == NULL)
        return;
    const struct target named = {.kind = TARGET_NAME, .port = asked->port, .name = *verdict.name};
    struct candidate candidate = *dialled;
    policy_decide_addresses(policy, client, source, now_s, &named, &candidate, 1, NULL,
                            &out->named);
    out->asks = out->named.action == ACTION_ALLOW && candidate.asks;
    if (out->named.action != ACTION_ALLOW || out->asks)
        out->step = INNER_END;
    else if (verdict.step == INNER_ASK_POLICY)
        out->step = INNER_PASS;
}

// words is the rules in their words; NULL: it does not count with the others.
struct words {
    const char *tls;
    const char *names;
    const char *ech;
    const char *plain;
    const char *route;
};

static struct words words_of(const struct inner *inner)
{
    const bool is_required = inner->tls == INNER_REQUIRE;
    const bool holds_names = is_required || inner->plain == INNER_PLAIN_CHECK;
    return (struct words){
        .tls = inner_tls_words[inner->tls],
        .names = holds_names ? inner_names_words[inner->names] : NULL,
        .ech = is_required ? inner_ech_words[inner->denies_ech] : NULL,
        .plain = inner_looks(inner) ? inner_plain_words[inner->plain] : NULL,
        .route = inner->routes_by_name ? "name" : NULL,
    };
}

static void append_word(struct text *out, const char *key, const char *word)
{
    if (word != NULL)
        text_append_format(out, ", %s: %s", key, word);
}

const char *inner_format(const struct inner *inner, char out[INNER_TEXT_CAP])
{
    static const struct inner anything = {0};
    const struct words words = words_of(inner == NULL ? &anything : inner);
    struct text text;
    text_init(&text, out, INNER_TEXT_CAP);
    text_append_format(&text, "{tls: %s", words.tls);
    append_word(&text, "names", words.names);
    append_word(&text, "ech", words.ech);
    append_word(&text, "plain", words.plain);
    append_word(&text, "route", words.route);
    text_append_string(&text, "}");
    return out;
}

void inner_rules_append_json(const struct inner *inner, const char *name, struct text *out)
{
    static const struct inner anything = {0};
    const struct words words = words_of(inner == NULL ? &anything : inner);
    json_begin_object(out, name);
    json_add_string(out, "tls", words.tls);
    if (words.names != NULL)
        json_add_string(out, "names", words.names);
    if (words.ech != NULL)
        json_add_string(out, "ech", words.ech);
    if (words.plain != NULL)
        json_add_string(out, "plain", words.plain);
    if (words.route != NULL)
        json_add_string(out, "route", words.route);
    json_end_object(out);
}

void inner_append_json(const struct inner_seen *seen, const struct target *asked,
                       enum reason would_end, struct text *out)
{
    const bool is_hello = seen->kind == INNER_TLS;
    const bool is_named = is_hello && seen->hello.naming == CLIENT_HELLO_NAMED;
    char host[TARGET_TEXT_CAP];
    json_begin_object(out, "inner");
    json_add_string(out, "tls", inner_kind_name(seen->kind));
    json_add_string(out, "sni", is_named ? seen->hello.name.text : NULL);
    json_add_string(out, "host", seen->has_host ? target_format_host(&seen->host, host) : NULL);
    json_add_string(out, "alpn", is_hello && seen->hello.alpn[0] != '\0' ? seen->hello.alpn : NULL);
    json_add_string(out, "version",
                    is_hello ? client_hello_version_text(seen->hello.version) : NULL);
    json_add_bool(out, "ech", is_hello && seen->hello.has_ech);
    json_add_bool(out, "matches",
                  (is_named && is_asked_for(asked, &seen->hello.name)) ||
                      (seen->has_host && target_equal_host(asked, &seen->host)));
    if (would_end != REASON_NONE)
        json_add_string(out, "would_end", reason_name(would_end));
    json_end_object(out);
}
