// Whom to ask:
//
//   1. A question goes to the best server that it has not used up: one that is not silent before one that is, then
//      the one tried less often, then the first.
//   2. An answer that can be read ends the question. A failure of the server (SERVFAIL, REFUSED, nonsense) means that
//      this one is not asked again; silence means that it is asked last, by this and by other questions.
//   3. When every server is used up the question has failed: timed out when all were silent.
#include "proxy/net/dns_client.h"

#include <stdlib.h>

#include "proxy/net/dns_channel.h"
#include "proxy/net/dns_link.h"

enum { DNS_CLIENT_MAGIC = 0xD45C11E7 };

// upstream is one server.
struct upstream {
    struct dns_channel *channel;   // owned; NULL where it has a link
    struct dns_link *link;         // owned
    int64_t silent_until_ms;       // loop time; 0: answers
    struct dns_standing *standing; // ref
};

struct dns_client {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    dns_answer_function *on_answer;
    uint32_t tries;
    size_t upstream_count;
    struct upstream upstreams[DNS_MAX_SERVERS];
};

static void ask_next(struct dns_question *question);

static int64_t now_ms(const struct dns_client *client)
{
    return (int64_t)(ev_now(client->loop) * 1000.);
}

// note_failure takes the server that was asked out of the question's list; a silent one has been tried once more.
static void note_failure(struct dns_question *question, enum dns_reply reply)
{
    struct upstream *upstream = question->asked;
    struct dns_client *client = question->client;
    uint8_t *tried = &question->tried[upstream - client->upstreams];
    question->has_lacked_memory |= reply == DNS_REPLY_NO_MEMORY;
    if (reply == DNS_REPLY_LATE) { // the name's fault: others do not pay for it
        (*tried)++;
        return;
    }
    if (reply != DNS_REPLY_SILENT)
        question->worst_result = RESOLVE_FAILED;
    if (reply == DNS_REPLY_SILENT || reply == DNS_REPLY_NOBODY) {
        upstream->silent_until_ms = now_ms(client) + DNS_SILENT_MS;
        (*tried)++;
        return;
    }
    *tried = (uint8_t)client->tries;
}

// is_answer tells whether a message is an answer to the question, and not the server's failure.
static bool is_answer(const struct dns_question *question, struct slice message,
                      struct srv_list *places, struct dns_answer *out)
{
    const struct slice name = slice_of_string(question->name);
    const enum err error = question->type == DNS_TYPE_SRV
                               ? srv_answer_parse(message, name, places, out)
                               : dns_answer_parse(message, name, question->type, out);
    return error == ERR_OK && out->result != RESOLVE_FAILED;
}

// count_failure counts what came of a question in place of an answer.
static void count_failure(const struct upstream *upstream, enum dns_reply reply,
                          struct slice message)
{
    struct dns_standing *standing = upstream->standing;
    switch (reply) {
    case DNS_REPLY_SILENT:
        dns_standing_note_failed(standing, "no_answer", true);
        break;
    case DNS_REPLY_LATE:
        dns_standing_note_failed(standing, "no_answer_about_one_name", false);
        break;
    case DNS_REPLY_NOBODY:
        dns_standing_note_failed(standing, "nobody_there", true);
        break;
    case DNS_REPLY_MESSAGE:
    case DNS_REPLY_BAD:
        dns_standing_note_failed(standing, dns_failure_name(message), false);
        break;
    case DNS_REPLY_NO_MEMORY: // that is ours
        break;
    }
}

static void on_reply(struct dns_question *question, enum dns_reply reply, struct slice message)
{
    struct dns_answer answer;
    struct srv_list places;
    ASSERT(question->client->magic == DNS_CLIENT_MAGIC);
    if (reply == DNS_REPLY_MESSAGE) {
        question->asked->silent_until_ms = 0;
        if (is_answer(question, message, &places, &answer)) {
            dns_standing_note_answered(question->asked->standing);
            question->client->on_answer(question, &answer);
            return;
        }
        reply = DNS_REPLY_BAD;
    }
    count_failure(question->asked, reply, message);
    note_failure(question, reply);
    ask_next(question);
}

// best_upstream gives the server to be asked next, or NULL when all are used up.
static struct upstream *best_upstream(const struct dns_question *question)
{
    struct dns_client *client = question->client;
    struct upstream *best = NULL;
    uint32_t best_rank = UINT32_MAX;
    for (size_t i = 0; i < client->upstream_count; i++) {
        const uint32_t tried = question->tried[i];
        const bool is_silent = client->upstreams[i].silent_until_ms > now_ms(client);
        const uint32_t rank = (is_silent ? UINT8_MAX + 1 : 0) + tried;
        if (tried < client->tries && rank < best_rank) {
            best = &client->upstreams[i];
            best_rank = rank;
        }
    }
    return best;
}

static void ask_next(struct dns_question *question)
{
    struct dns_client *client = question->client;
    struct upstream *upstream = best_upstream(question);
    if (upstream == NULL) {
        const struct dns_answer failure = {.result = question->worst_result,
                                           .is_local = question->has_lacked_memory};
        client->on_answer(question, &failure);
        return;
    }
    question->asked = upstream;
    dns_standing_note_asked(upstream->standing);
    if (upstream->link != NULL)
        dns_link_ask(upstream->link, question);
    else
        dns_channel_ask(upstream->channel, question);
}

void dns_client_ask(struct dns_client *client, struct dns_question *question)
{
    question->client = client;
    question->worst_result = RESOLVE_TIMED_OUT;
    ask_next(question);
}

static bool upstream_begin(struct dns_client *client, const struct resolver_options *options,
                           const struct dns_server *server)
{
    struct upstream *upstream = &client->upstreams[client->upstream_count++];
    upstream->standing = dns_standing_ref(server->standing);
    if (server->guard != NULL)
        upstream->link = dns_link_create(client->loop, server, options->timeout_ms, on_reply);
    else
        upstream->channel = dns_channel_create(client->loop, server, options->timeout_ms, on_reply);
    return upstream->link != NULL || upstream->channel != NULL;
}

enum err dns_client_create(struct ev_loop *loop, const struct resolver_options *options,
                           dns_answer_function *on_answer, struct dns_client **out,
                           struct errinfo *info)
{
    *out = NULL;
    ASSERT(options->server_count >= 1 && options->server_count <= DNS_MAX_SERVERS);
    struct dns_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a resolver");
    client->magic = DNS_CLIENT_MAGIC;
    client->loop = loop;
    client->on_answer = on_answer;
    client->tries = options->tries;
    for (size_t i = 0; i < options->server_count; i++) {
        if (upstream_begin(client, options, &options->servers[i]))
            continue;
        dns_client_destroy(client);
        return errinfo_set(info, ERR_SYSTEM, "cannot start the resolver for one of its servers");
    }
    *out = client;
    return ERR_OK;
}

void dns_client_destroy(struct dns_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->upstream_count; i++) {
        struct upstream *upstream = &client->upstreams[i];
        dns_channel_destroy(upstream->channel);
        dns_link_destroy(upstream->link);
        dns_standing_unref(upstream->standing);
    }
    client->magic = 0;
    free(client);
}
