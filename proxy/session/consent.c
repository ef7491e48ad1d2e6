// The text of a question is made when it is asked, and not kept. Who else asks the same is the book's.
#include "proxy/session/consent.h"

#include <stdlib.h>
#include <string.h>

#include "auth/base/hash.h"
#include "proxy/session/consent_book.h"
#include "proxy/session/exchange_parts.h"

struct consent {
    struct channel *channel;  // borrowed; the owner of its stream is woken
    struct consent_wait wait; // in the book of the worker
    struct snapshot
        *snapshot;    // ref, up to the record of the decision: the search borrows from its policy
    bool is_answered; // the last question has an answer that nobody has looked at
    struct consent_answer answer;
    int64_t timeout_ms; // of the settings that were asked by
    int64_t asked_ms;   // monotonic, as all below
    int64_t took_ms;    // that the answer took
    int64_t due_ms;     // of the next question; INT64_MAX: none
    int64_t ends_ms;    // of the last yes
    char rule[VERDICT_RULE_CAP];
    uint8_t asked_by[AUTHORIZATION_DIGEST_LEN]; // of the settings of the last question
    // What the last question covers:
    uint8_t scope[AUTHORIZATION_DIGEST_LEN];
    struct ip_addr *addresses; // owned
    size_t address_count;
};

// spread gives a number below `bound` that differs between exchanges.
static int64_t spread(const struct exchange *exchange, int64_t bound)
{
    const uint64_t hash = hash_end(hash_add_slice(hash_begin(), slice_of_string(exchange->id)));
    return (int64_t)(hash % (uint64_t)bound);
}

static struct consent *consent_of(struct exchange *exchange)
{
    if (exchange->consent != NULL)
        return exchange->consent;
    struct consent *consent = calloc(1, sizeof *consent);
    if (consent == NULL)
        return NULL;
    consent->channel = exchange->channel;
    consent->due_ms = INT64_MAX;
    consent->ends_ms = INT64_MAX;
    exchange->consent = consent;
    return consent;
}

bool consent_is_needed(const struct exchange *exchange)
{
    const struct search *search = exchange->route.search;
    for (size_t i = 0; i < search->candidate_count; i++) {
        if (search->candidates[i].is_admitted && search->candidates[i].asks)
            return true;
    }
    return false;
}

// ---- what a yes covers --------------------------------------------------------------------------

// question_of gives what is asked because of `rule`, all but the addresses.
static struct authorization_question question_of(const struct exchange *exchange, const char *rule,
                                                 const struct target *target)
{
    const struct peer *peer = exchange->peer;
    return (struct authorization_question){
        .id = exchange->id,
        .session = peer->id,
        .listener = peer->listener->name,
        .client_json = slice_of(peer->json, peer->json_len),
        .via_client_json = peer->edge == NULL ? (struct slice){0}
                                              : slice_of(peer->edge->json, peer->edge->json_len),
        .is_http2 = exchange->channel->is_http2,
        .method = exchange->request == NULL ? SLICE_LITERAL("CONNECT") : exchange->request->method,
        .target = target,
        .rule = rule,
        .config = peer->snapshot->id,
        .is_again = exchange_is_open(exchange),
    };
}

// has_asked_for tells whether the last question was about this scope and address.
static bool has_asked_for(const struct consent *consent,
                          const uint8_t scope[AUTHORIZATION_DIGEST_LEN],
                          const struct ip_addr *address)
{
    if (memcmp(consent->scope, scope, sizeof consent->scope) != 0)
        return false;
    for (size_t i = 0; i < consent->address_count; i++) {
        if (ip_addr_equal(&consent->addresses[i], address))
            return true;
    }
    return false;
}

// needs tells whether the address needs a yes, and gives the rule that wants it and the scope.
static bool needs(const struct exchange *exchange, const struct admission *admission,
                  const struct ip_addr *address, char out_rule[VERDICT_RULE_CAP],
                  uint8_t out_scope[AUTHORIZATION_DIGEST_LEN])
{
    const struct target target = exchange_target(exchange);
    if (admission->client == NULL || !admission->client->asks ||
        !search_asks(admission, address, out_rule))
        return false;
    const struct authorization_question question = question_of(exchange, out_rule, &target);
    authorization_scope(&question, out_scope);
    return true;
}

bool consent_covers(const struct exchange *exchange, const struct admission *admission,
                    const struct ip_addr *address)
{
    char rule[VERDICT_RULE_CAP] = "";
    uint8_t scope[AUTHORIZATION_DIGEST_LEN];
    return !needs(exchange, admission, address, rule, scope) ||
           (exchange->consent != NULL && has_asked_for(exchange->consent, scope, address));
}

// cover keeps what the question is about that is asked next. False without memory.
static bool cover(struct consent *consent, const struct authorization_question *question)
{
    const size_t size = question->address_count * sizeof *question->addresses;
    struct ip_addr *addresses = malloc(size);
    if (addresses == NULL)
        return false;
    const bool fits = bytes_copy(addresses, size, slice_of(question->addresses, size));
    ASSERT(fits);
    free(consent->addresses);
    consent->addresses = addresses;
    consent->address_count = question->address_count;
    authorization_scope(question, consent->scope);
    return true;
}

// ---- one question -------------------------------------------------------------------------------

// keep_answer keeps an answer that is to be looked at.
static void keep_answer(struct consent *consent, const struct consent_answer *answer)
{
    consent->answer = *answer;
    consent->took_ms = monotonic_ms() - consent->asked_ms;
    consent->is_answered = true;
}

static void keep_no_answer(struct consent *consent, const char *why)
{
    const struct consent_answer none = {.answer = AUTHORIZER_NONE, .why = why};
    keep_answer(consent, &none);
}

static void on_answer(void *arg, const struct consent_answer *answer)
{
    struct consent *consent = arg;
    const struct stream *client = consent->channel->stream;
    keep_answer(consent, answer);
    client->on_ready(client->owner);
}

// drop_question waits no longer.
static void drop_question(struct consent *consent)
{
    consent_book_leave(consent->channel->peer->context->consents, &consent->wait);
}

// addresses_of gives what would be dialled, or what was.
static size_t addresses_of(const struct exchange *exchange,
                           struct ip_addr out[AUTHORIZATION_ADDRESSES_MAX])
{
    const struct search *search = exchange->route.search;
    size_t count = 0;
    if (exchange_is_open(exchange)) {
        out[0] = exchange->route.upstream;
        return 1;
    }
    for (size_t i = 0; i < search->candidate_count && count < AUTHORIZATION_ADDRESSES_MAX; i++) {
        if (search->candidates[i].is_admitted)
            out[count++] = search->candidates[i].address;
    }
    return count;
}

// book_of gives the worker's book, which is made with the first question. NULL without memory.
static struct consent_book *book_of(struct session_context *context)
{
    const struct consent_book_options options = {
        .path = {.loop = context->loop,
                 .resolver = context->resolver,
                 .buffers = &context->buffers},
        .counters = &context->counters,
        .generation = context->snapshot->generation,
    };
    if (context->consents == NULL)
        context->consents = consent_book_create(&options);
    return context->consents;
}

// put puts the question to the book. CONSENT_ANSWERED: the answer is kept.
static enum consent_step put(struct exchange *exchange, struct consent_book *book,
                             const struct authorizer_settings *settings)
{
    const struct peer *peer = exchange->peer;
    const size_t via_len = peer->edge == NULL ? 0 : peer->edge->json_len;
    const size_t cap = peer->json_len + via_len + AUTHORIZATION_EXTRA_CAP + 1;
    struct consent *consent = exchange->consent;
    const struct target target = exchange_target(exchange);
    struct ip_addr addresses[AUTHORIZATION_ADDRESSES_MAX];
    struct authorization_question question = question_of(exchange, consent->rule, &target);
    struct consent_request request = {.generation = exchange->peer->snapshot->generation,
                                      .account = exchange->route.quota.account->id,
                                      .settings = settings,
                                      .now_ms = consent->asked_ms};
    struct consent_answer answer;
    struct text text;
    question.addresses = addresses;
    question.address_count = addresses_of(exchange, addresses);
    char *data = cover(consent, &question) ? malloc(cap) : NULL;
    if (data == NULL) {
        keep_no_answer(consent, "no memory");
        return CONSENT_ANSWERED;
    }
    text_init(&text, data, cap);
    authorization_question_append(&question, &text);
    ASSERT(!text.is_cut);
    authorization_key(&question, request.key);
    authorization_scope(&question, request.scope);
    consent->wait = (struct consent_wait){.on_answer = on_answer, .arg = consent};
    request.content = text_slice(&text);
    const enum consent_step step = consent_book_ask(book, &request, &consent->wait, &answer);
    if (step == CONSENT_ANSWERED)
        keep_answer(consent, &answer);
    free(data);
    return step;
}

// ask asks now. False: the client has no place for one more question. Where it cannot be sent, that is its answer.
static bool ask(struct exchange *exchange)
{
    struct consent *consent = exchange->consent;
    const struct authorizer_settings *settings = exchange->peer->snapshot->authorizer;
    struct consent_book *book = book_of(exchange->peer->context);
    drop_question(consent);
    consent->is_answered = false;
    consent->asked_ms = monotonic_ms();
    if (settings == NULL || book == NULL) {
        keep_no_answer(consent, book == NULL ? "no memory" : "there is none");
        return true;
    }
    consent->timeout_ms = settings->timeout_ms;
    (void)bytes_copy(consent->asked_by, sizeof consent->asked_by,
                     slice_of(settings->digest, sizeof settings->digest));
    return put(exchange, book, settings) != CONSENT_CROWDED;
}

// ---- before the tunnel --------------------------------------------------------------------------

// choose_rule gives the rule that has the question asked: of the first address that it is about.
static void choose_rule(const struct exchange *exchange, char out_rule[VERDICT_RULE_CAP])
{
    const struct search *search = exchange->route.search;
    const struct admission admission = admission_of(exchange);
    for (size_t i = 0; i < search->candidate_count; i++) {
        const struct candidate *candidate = &search->candidates[i];
        if (candidate->is_admitted && candidate->asks &&
            search_asks(&admission, &candidate->address, out_rule))
            return;
    }
}

struct verdict consent_ask(struct exchange *exchange)
{
    static const struct limit_refusal crowded = {.reason = REASON_LIMIT_QUESTIONS,
                                                 .retry_after_s = 1};
    struct consent *consent = consent_of(exchange);
    if (consent == NULL)
        return verdict_error(503, REASON_NO_MEMORY, NULL);
    choose_rule(exchange, consent->rule);
    consent_settle(exchange);
    consent->snapshot = snapshot_ref(exchange->peer->snapshot);
    if (!ask(exchange))
        return verdict_limited(&crowded);
    return (struct verdict){.kind = VERDICT_GO};
}

// hold keeps a yes: until when it holds, and when it is asked for again.
static void hold(const struct exchange *exchange, struct consent *consent)
{
    const int64_t now_ms = exchange->peer->context->now_ms;
    const int64_t left_ms = consent->answer.ends_ms > now_ms ? consent->answer.ends_ms - now_ms : 0;
    consent->ends_ms = now_ms + left_ms;
    consent->due_ms = now_ms + left_ms / 2 + spread(exchange, left_ms / 4 + 1);
}

// refusal says no in the place of the allow that stands, because of the rule that has it asked.
static struct verdict refusal(const struct exchange *exchange, enum action action,
                              enum reason reason, uint16_t status, const char *detail)
{
    struct verdict verdict = exchange->verdict;
    verdict.kind = VERDICT_REFUSE;
    verdict.action = action;
    verdict.reason = reason;
    verdict.status = status;
    verdict.detail = detail;
    verdict.would_deny = false;
    (void)string_copy(verdict.rule, sizeof verdict.rule, slice_of_string(exchange->consent->rule));
    return verdict;
}

struct verdict consent_decide(struct exchange *exchange)
{
    struct consent *consent = exchange->consent;
    if (!consent->is_answered)
        return (struct verdict){.kind = VERDICT_WAIT};
    switch (consent->answer.answer) {
    case AUTHORIZER_YES:
        hold(exchange, consent);
        return (struct verdict){.kind = VERDICT_GO};
    case AUTHORIZER_NO:
        return refusal(exchange, ACTION_DENY, REASON_NOT_AUTHORIZED, 403, NULL);
    case AUTHORIZER_NONE:
        break;
    }
    return refusal(exchange, ACTION_ERROR, REASON_AUTHORIZER_FAILED, 503, "no usable answer");
}

bool consent_read(const struct exchange *exchange, struct audit_consent *out)
{
    const struct consent *consent = exchange->consent;
    if (consent == NULL || !consent->is_answered)
        return false;
    const struct consent_answer *answer = &consent->answer;
    *out = (struct audit_consent){
        .answer = answer->answer,
        .origin = answer->origin,
        .took_ms = consent->took_ms,
        .ttl_s = (answer->ends_ms - consent->asked_ms - consent->took_ms + 999) / 1000,
        .why = answer->why};
    return true;
}

void consent_settle(struct exchange *exchange)
{
    if (exchange->consent == NULL)
        return;
    snapshot_unref(exchange->consent->snapshot);
    exchange->consent->snapshot = NULL;
    exchange->consent->is_answered = false;
}

int64_t consent_ends_ms(const struct exchange *exchange)
{
    enum { SLACK_MS = 1000 }; // the question has its own deadline, which comes first
    const struct consent *consent = exchange->consent;
    return consent->asked_ms + consent->timeout_ms + SLACK_MS;
}

// ---- while the tunnel lives ---------------------------------------------------------------------

int64_t consent_due_ms(const struct exchange *exchange)
{
    const struct consent *consent = exchange->consent;
    if (consent == NULL)
        return INT64_MAX;
    if (consent->is_answered)
        return exchange->peer->context->now_ms;
    if (consent->wait.question != NULL || consent->ends_ms < consent->due_ms)
        return consent->ends_ms;
    return consent->due_ms;
}

enum reason consent_keep(struct exchange *exchange)
{
    struct consent *consent = exchange->consent;
    const int64_t now_ms = exchange->peer->context->now_ms;
    if (consent == NULL)
        return REASON_NONE;
    if (consent->is_answered) {
        consent->is_answered = false;
        if (consent->answer.answer == AUTHORIZER_NO)
            return REASON_NOT_AUTHORIZED;
        if (consent->answer.answer == AUTHORIZER_YES)
            hold(exchange, consent);
        else
            consent->due_ms = now_ms + CONSENT_RETRY_MS;
    }
    if (consent->ends_ms <= now_ms)
        return REASON_AUTHORIZER_FAILED;
    if (consent->wait.question == NULL && consent->due_ms <= now_ms) {
        consent->due_ms = now_ms + CONSENT_RETRY_MS;
        (void)ask(exchange); // without a place it is asked later
    }
    return REASON_NONE;
}

// is_asked_of tells whether the last question was put to whom is asked today.
static bool is_asked_of(const struct consent *consent, const struct snapshot *snapshot)
{
    const struct authorizer_settings *settings = snapshot->authorizer;
    return settings != NULL &&
           memcmp(consent->asked_by, settings->digest, sizeof consent->asked_by) == 0;
}

enum err consent_renew(struct exchange *exchange, const struct admission *admission,
                       const struct ip_addr *address)
{
    const int64_t now_ms = exchange->peer->context->now_ms;
    char rule[VERDICT_RULE_CAP] = "";
    uint8_t scope[AUTHORIZATION_DIGEST_LEN];
    if (!needs(exchange, admission, address, rule, scope)) {
        consent_end(exchange);
        return ERR_OK;
    }
    struct consent *consent = consent_of(exchange);
    if (consent == NULL)
        return ERR_MEMORY;
    if (has_asked_for(consent, scope, address) && is_asked_of(consent, exchange->peer->snapshot))
        return ERR_OK; // what it has stands, and so does what is under way
    (void)string_copy(consent->rule, sizeof consent->rule, slice_of_string(rule));
    drop_question(consent); // it was another one
    consent->is_answered = false;
    if (consent->ends_ms > now_ms + CONSENT_RELOAD_ENDS_MS)
        consent->ends_ms = now_ms + CONSENT_RELOAD_ENDS_MS;
    const int64_t due_ms = now_ms + spread(exchange, CONSENT_RELOAD_ASK_MS);
    consent->due_ms = consent->due_ms < due_ms ? consent->due_ms : due_ms;
    return ERR_OK;
}

void consent_end(struct exchange *exchange)
{
    struct consent *consent = exchange->consent;
    if (consent == NULL)
        return;
    drop_question(consent);
    snapshot_unref(consent->snapshot);
    free(consent->addresses);
    free(consent);
    exchange->consent = NULL;
}
