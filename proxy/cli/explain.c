// `sallyport explain`: puts the question together from the command line, or from an audit log, and has it answered by
// the code that decides in the proxy.
#include "proxy/cli/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/schedule_text.h"
#include "proxy/cli/requester.h"
#include "proxy/cli/configuration.h"
#include "proxy/cli/live.h"
#include "proxy/cli/lookup.h"
#include "proxy/cli/options.h"
#include "proxy/explain/explanation.h"
#include "proxy/history/log_file.h"
#include "proxy/history/replay.h"

static const char usage[] =
    "usage: sallyport explain -c FILE (--cert FILE | --as KIND:VALUE... ) [--trust NAME] [--from ADDRESS]\n"
    "                         [--for FILE | --for-as KIND:VALUE... ] --to HOST:PORT [--address ADDRESS]...\n"
    "                         [--inner-sni NAME | --inner-host HOST] [--answer ANSWER] [--at TIME] [--live] [--json]\n"
    "       sallyport explain -c FILE --log AUDIT.jsonl [--id ID] [--json]\n"
    "\n"
    "Says why a request would be allowed or denied: the client and why it matches, each rule and whether it applies\n"
    "to the target, each address and its verdict, and the final verdict.\n"
    "\n"
    "  -c, --config FILE the configuration\n"
    "  --cert FILE       who asks: a certificate (PEM, with its intermediates), judged as the listener would\n"
    "  --as KIND:VALUE   who asks: uri, dns, email, ip, cn, ou, o, subject, issuer, serial, sha256 or spki_sha256, as\n"
    "                    in `match`; extension:OID=TEXT; policy:OID; qc:OID; may be repeated; --as anonymous is a client without certificate\n"
    "  --trust NAME      the trust profile, if there is more than one\n"
    "  --for FILE        who asks is a proxy with `speaks_for`, which passes on this certificate (PEM) of its client\n"
    "  --for-as K:V      likewise, a certificate of which this is said, as in --as; may be repeated\n"
    "  --from ADDRESS    where the client comes from; needed if it has `sources`\n"
    "  --to HOST:PORT    where it wants to go\n"
    "  --address A       use this as DNS's answer; may be repeated. Without it DNS is asked, as the proxy would. If\n"
    "                    --to is an address, it is the answer for the name inside the tunnel\n"
    "  --inner-sni NAME  the tunnel carries TLS with this server name; `-` for one without\n"
    "  --inner-host HOST the tunnel carries HTTP in the clear with this Host; `-` for none\n"
    "  --answer ANSWER   what the authorizer says where a rule asks it: yes, no, or none. Without it nobody is asked, and\n"
    "                    the answer is that of the policy alone\n"
    "  --at TIME         as if it were then: 2027-01-01T08:00 (UTC), or with an offset such as +01:00\n"
    "  --live            ask the running proxy, over its control socket, for blocks and for what is in use\n"
    "  --log FILE        explain the requests of an audit log, with the addresses of then\n"
    "  --id ID           only the one with this id in the log\n"
    "  --json            JSON, one object a line\n"
    "  -h, --help        this text\n"
    "\n"
    "Exit status: 0 allowed, 1 denied, 2 usage, 3 the configuration, the certificate or the log cannot be read, or\n"
    "--live cannot tell, 4 --live and there is no proxy.\n";

enum { ADDRESSES_MAX = HISTORY_MAX_ADDRESSES };

struct explain_run {
    const char *config;
    const char *to;
    const char *log;
    bool is_json;
    bool is_live;
    bool has_id;
    uint64_t id;
    struct requester_options requester;
    struct requester_options guest; // whose certificate the requester passes on
    struct ip_addr source;          // IP_NONE: not said
    bool has_time;
    int64_t now_s; // with has_time
    bool has_answer;
    enum authorizer_answer answer; // with has_answer
    size_t address_count;
    struct candidate addresses[ADDRESSES_MAX];
    struct candidate written;  // the target, where it is an address
    struct snapshot *snapshot; // owned
    bool has_inside;
    struct inner_seen inside; // what the tunnel carries
    size_t found;             // records of the log that were explained
    int status;
};

static bool has_requester(const struct requester_options *options)
{
    return options->chain_path != NULL || options->claim_count > 0;
}

// print writes the finished explanation, and gives the exit status.
static int print(const struct explain_run *run, const struct explanation *explanation)
{
    if (explanation->is_spoilt) {
        cli_say("explain", "no memory");
        return CLI_UNLOADABLE;
    }
    if (run->is_json) {
        struct text out = cli_text_begin();
        explanation_append_json(explanation, &out);
        text_flush(&out);
    } else {
        explanation_print(explanation, stdout);
    }
    return explanation->decision.action == ACTION_ALLOW ? CLI_OK : CLI_FAILED;
}

// resolve asks DNS, as far as the command line does not have its answer. NULL, or why there is none.
static const char *resolve(struct explain_run *run, const struct hostname *name)
{
    struct ip_addr found[ADDRESSES_MAX];
    if (run->address_count > 0)
        return NULL;
    const char *why = lookup(&run->snapshot->resolver, run->snapshot->timeouts.resolve_ms,
                             hostname_slice(name), found, ADDRESSES_MAX, &run->address_count);
    for (size_t i = 0; i < run->address_count; i++)
        run->addresses[i] = (struct candidate){.address = found[i]};
    return why;
}

// judge finds the addresses, and goes on with them.
static void judge(struct explain_run *run, struct explanation *explanation,
                  const struct target *target)
{
    if (target->kind == TARGET_ADDRESS) {
        run->written = (struct candidate){.address = target->address};
        replay_mark_local(run->snapshot->policy, target->port, &run->written, 1);
        explanation_judge(explanation, &run->written, 1, "target");
        return;
    }
    const struct question *question = explanation->question;
    if (policy_goes_by_name(run->snapshot->policy, explanation->client, &question->source,
                            question->now_s, target)) {
        run->written = (struct candidate){.address = {.family = IP_NONE}};
        explanation_judge(explanation, &run->written, 1, "parent");
        return;
    }
    const char *origin = run->address_count > 0 ? "given" : "dns";
    const char *why = resolve(run, &target->name);
    if (why != NULL) {
        explanation_fail(explanation, why);
        return;
    }
    replay_mark_local(run->snapshot->policy, target->port, run->addresses, run->address_count);
    explanation_judge(explanation, run->addresses, run->address_count, origin);
}

// judge_inside finds the addresses of the name inside a tunnel to an address, and goes on with them.
static void judge_inside(struct explain_run *run, struct explanation *explanation)
{
    struct ip_addr found[ADDRESSES_MAX];
    (void)resolve(run, explanation_lacks_inside(explanation));
    for (size_t i = 0; i < run->address_count; i++)
        found[i] = run->addresses[i].address;
    explanation_judge_inside(explanation, found, run->address_count);
}

static const struct block *find_block(const struct live *live, const char *name,
                                      const struct identity *identity)
{
    return blocklist_judge(live->blocks, name, identity == NULL ? NULL : identity->record);
}

// override_by_live lets the running proxy have the last word: who is blocked there, and what is used up.
static void override_by_live(const struct live *live, struct explanation *explanation)
{
    const struct client *client = explanation->client;
    const struct edge *edge = explanation->question->edge;
    const struct block *block = find_block(live, live->client, explanation->question->identity);
    if (edge != NULL && find_block(live, explanation->speaker.account.text, edge->identity) != NULL)
        block = find_block(live, explanation->speaker.account.text, edge->identity);
    if (block != NULL)
        explanation_override(explanation, ACTION_DENY, REASON_BLOCKED, block->text,
                             "`sallyport unblock` takes the block away");
    else if (client != NULL && client->limits.tunnels > 0 && live->is_counted &&
             live->tunnels >= (long long)client->limits.tunnels &&
             explanation->decision.action == ACTION_ALLOW)
        explanation_override(explanation, ACTION_ERROR, REASON_LIMIT_TUNNELS,
                             "all of the client's tunnels are in use",
                             "wait, or raise `limits.tunnels` of the client");
}

// go_by_live asks the running proxy. CLI_OK, or an exit status that has been explained.
static int go_by_live(const struct explain_run *run, struct explanation *explanation)
{
    struct live live;
    const char *name = explanation->account.text;
    int status = live_ask(run->config, name, &live);
    if (status != CLI_OK)
        return status;
    override_by_live(&live, explanation);
    if (strcmp(live.config, run->snapshot->id) != 0) {
        cli_say("explain", "the proxy uses configuration %s, and this is %s: reload it first",
                live.config, run->snapshot->id);
        status = CLI_UNLOADABLE;
    } else if (live.unlisted > 0 && explanation->decision.action == ACTION_ALLOW) {
        cli_say(
            "explain",
            "unknown: the configuration allows this, but the proxy has %lld block%s that it does "
            "not list, and one may be of this client or certificate: look into %s",
            live.unlisted, live.unlisted == 1 ? "" : "s", run->snapshot->state_path);
        status = CLI_UNLOADABLE;
    }
    live_deinit(&live);
    return status;
}

// check_question tells what a question has to say beside what it says.
static int check_question(const struct explanation *explanation)
{
    const struct client *client =
        explanation->client == NULL ? explanation->speaker.client : explanation->client;
    if (explanation->lacks_source)
        return cli_fail_usage("explain",
                              "client `%s` has `sources`: say where it comes from with --from",
                              client->name);
    if (explanation->lacks_name)
        return cli_fail_usage("explain",
                              "client `%s` has `route: name`: say with --inner-sni, or "
                              "--inner-host, what the tunnel carries",
                              client->name);
    if (!explanation->lacks_client)
        return CLI_OK;
    cli_say("explain",
            "unknown: client `%s` may speak for others here and now, and the record does not say "
            "for whom it did",
            client->name);
    return CLI_FAILED;
}

// answer explains one question; the addresses are in `run`, where they are known.
static int answer(struct explain_run *run, const struct question *question)
{
    struct explanation explanation;
    explanation_init(&explanation, run->snapshot->policy, question);
    int status = check_question(&explanation);
    if (status == CLI_OK && explanation_lacks_addresses(&explanation))
        judge(run, &explanation, &explanation.target);
    if (explanation_lacks_inside(&explanation) != NULL)
        judge_inside(run, &explanation);
    if (status == CLI_OK && run->is_live)
        status = go_by_live(run, &explanation);
    if (status == CLI_OK)
        status = print(run, &explanation);
    explanation_deinit(&explanation);
    return status;
}

// ---- a question from the command line -----------------------------------------------------------

// load_guest reads whose certificate is passed on, and has it judged by the profile that the entry of the one who does that
// names. Where that is one who speaks for nobody, nobody looks at it.
static enum err load_guest(struct explain_run *run, const struct identity *speaker,
                           struct requester *out, struct errinfo *info)
{
    const struct client *client = policy_find_client(run->snapshot->policy, speaker, NULL);
    if (client == NULL || client->speaks_for == NULL)
        return ERR_OK;
    run->guest.trust = client->speaks_for;
    return requester_load(&run->guest, run->snapshot, (int64_t)time(NULL), out, info);
}

// ask_for answers for a client whose certificate the requester passes on.
static int ask_for(struct explain_run *run, const struct requester *speaker,
                   struct question *question)
{
    struct requester guest = {0};
    struct errinfo info = {0};
    if (load_guest(run, speaker->identity, &guest, &info) != ERR_OK) {
        cli_say("explain", "%s", info.text);
        return CLI_UNLOADABLE;
    }
    const struct edge edge = {.identity = speaker->identity,
                              .who = speaker->summary,
                              .refusal = guest.is_refused ? guest.reason : REASON_NONE};
    question->edge = &edge;
    question->identity = guest.identity;
    question->who = guest.is_refused ? guest.refusal : guest.summary;
    const int status = answer(run, question);
    requester_deinit(&guest);
    return status;
}

static int ask_once(struct explain_run *run)
{
    struct question question = {.source = run->source,
                                .now_s = run->has_time ? run->now_s : (int64_t)time(NULL),
                                .inside = run->has_inside ? &run->inside : NULL,
                                .has_answer = run->has_answer,
                                .answer = run->answer};
    struct requester requester;
    struct errinfo info = {0};
    if (target_parse(slice_of_string(run->to), &question.target) != ERR_OK)
        return cli_fail_usage(
            "explain",
            "--to: `%.100s` is not HOST:PORT as a request has it, such as example.com:443",
            run->to);
    if (requester_load(&run->requester, run->snapshot, (int64_t)time(NULL), &requester, &info) !=
        ERR_OK) {
        cli_say("explain", "%s", info.text);
        return CLI_UNLOADABLE;
    }
    int status = CLI_FAILED;
    question.identity = requester.identity;
    question.who = requester.summary;
    if (!requester.is_refused && has_requester(&run->guest))
        status = ask_for(run, &requester, &question);
    else if (!requester.is_refused)
        status = answer(run, &question);
    else if (run->is_json)
        (void)printf("%s\n", requester.refusal);
    else
        (void)printf("answer     the handshake would be refused: %s\n", requester.refusal);
    requester_deinit(&requester);
    return status;
}

// ---- questions from an audit log ----------------------------------------------------------------

static void explain_record(struct explain_run *run, const struct history_entry *entry,
                           struct history_decision *past)
{
    const char *id = history_text(entry->root, "id");
    const struct recorded recorded = {
        .action = past->action, .reason = past->reason, .rule = past->rule};
    const struct history_party *connected = past->has_edge ? &past->edge : &past->client;
    const struct edge edge = {.identity = connected->identity,
                              .is_plain = !past->is_tunnel,
                              .is_for_unknown = past->is_passed_on};
    const struct question question = {.identity = past->client.identity,
                                      .edge = past->has_edge || past->is_passed_on ? &edge : NULL,
                                      .id = id,
                                      .recorded = &recorded,
                                      .source = past->source,
                                      .is_unannounced = past->source.family == IP_NONE,
                                      .now_s = past->now_s,
                                      .target = past->target};
    run->found++;
    const char *problem = NULL;
    if (!past->has_target)
        problem = "the record has no target";
    else if (!history_decision_is_whole(past))
        problem = "the names of its certificate were too long for the record";
    else if (!history_decision_knows(past, run->snapshot->policy->extensions))
        problem = "the record does not say whether its certificate has an extension that `match` "
                  "names";
    if (problem != NULL) {
        cli_say("explain", "id %s: %s; its reason is %s, and docs/AUDIT.md says what to do", id,
                problem, past->reason);
        run->status = CLI_FAILED;
        return;
    }
    run->address_count = past->judged_count;
    for (size_t i = 0; i < past->judged_count; i++)
        run->addresses[i] = past->judged[i];
    if (!run->is_json && run->found > 1)
        (void)putchar('\n');
    if (!run->is_json)
        (void)printf("id         %s\n", id);
    const int status = answer(run, &question);
    if (status != CLI_OK)
        run->status = status;
}

// explain_handshake tells what a record says of a client that came to no request.
static void explain_handshake(struct explain_run *run, const struct history_entry *entry)
{
    const char *reason = history_text(entry->root, "reason");
    const char *detail = history_text(entry->root, "detail");
    run->found++;
    run->status = CLI_FAILED;
    cli_say("explain",
            "refused in the handshake: %s, %s; there was no request. docs/AUDIT.md says "
            "what to do, `presented` in the record who it claimed to be",
            reason == NULL ? "?" : reason, detail == NULL ? "no detail" : detail);
}

// explain_close tells what no policy can: how the request ended, and the name that its tunnel carried.
static void explain_close(const struct history_entry *entry)
{
    const char *reason = history_text(entry->root, "reason");
    const json_t *inner = json_object_get(entry->root, "inner");
    const char *sni = history_text(inner, "sni");
    const char *name = sni != NULL ? sni : history_text(inner, "host");
    const char *detail = history_text(entry->root, "detail");
    if (reason != NULL && strcmp(reason, "refused") != 0)
        cli_say("explain", "it ended with %s%s%s%s%s; docs/AUDIT.md says what to do", reason,
                detail == NULL ? "" : ": ", detail == NULL ? "" : detail,
                name == NULL ? "" : ", and what it carried named ", name == NULL ? "" : name);
}

static void on_line(void *arg, const struct log_line *line)
{
    struct explain_run *run = arg;
    const struct history_entry *entry = line->entry;
    const bool is_meant = entry == NULL || !run->has_id || entry->id == run->id;
    if (is_meant && line->problem != NULL)
        cli_say("explain", "%s:%zu: %s", line->path, line->number, line->problem);
    else if (is_meant && line->decision != NULL)
        explain_record(run, entry, line->decision);
    else if (is_meant && run->has_id && entry->event == AUDIT_EVENT_HANDSHAKE_REFUSED)
        explain_handshake(run, entry);
    else if (is_meant && run->has_id && entry->event == AUDIT_EVENT_CLOSE)
        explain_close(entry);
}

static int ask_log(struct explain_run *run)
{
    struct errinfo info = {0};
    run->status = CLI_OK;
    if (log_file_read(run->log, on_line, run, &info) != ERR_OK) {
        cli_say("explain", "%s", info.text);
        return CLI_UNLOADABLE;
    }
    if (run->found == 0) {
        cli_say("explain",
                "%s: no decision has this id. Look into rotated files too; a request that "
                "`requests_refused` counts has no record of its own",
                run->log);
        return CLI_UNLOADABLE;
    }
    return run->status;
}

// ---- the command --------------------------------------------------------------------------------

static enum err take_ip(void *arg, const char *value, struct errinfo *info)
{
    if (ip_addr_parse(slice_of_string(value), arg) == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "`%.60s` is not an address", value);
}

static enum err take_address(void *arg, const char *value, struct errinfo *info)
{
    struct explain_run *run = arg;
    if (run->address_count == ADDRESSES_MAX)
        return errinfo_set(info, ERR_LIMIT, "no more than %d", (int)ADDRESSES_MAX);
    return take_ip(&run->addresses[run->address_count++].address, value, info);
}

// take_sni reads what a ClientHello in the tunnel names.
static enum err take_sni(void *arg, const char *value, struct errinfo *info)
{
    struct explain_run *run = arg;
    struct client_hello *hello = &run->inside.hello;
    if (run->has_inside)
        return errinfo_set(info, ERR_INPUT, "a tunnel begins once");
    run->has_inside = true;
    run->inside.kind = INNER_TLS;
    hello->naming = strcmp(value, "-") == 0 ? CLIENT_HELLO_NO_NAME : CLIENT_HELLO_NAMED;
    if (hello->naming == CLIENT_HELLO_NO_NAME ||
        hostname_parse(slice_of_string(value), &hello->name) == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "`%.60s` is no host name", value);
}

// take_inner_host reads what a request in the clear names.
static enum err take_inner_host(void *arg, const char *value, struct errinfo *info)
{
    struct explain_run *run = arg;
    if (run->has_inside)
        return errinfo_set(info, ERR_INPUT, "a tunnel begins once");
    run->has_inside = true;
    run->inside.kind = INNER_HTTP;
    run->inside.has_host = strcmp(value, "-") != 0;
    if (!run->inside.has_host ||
        target_host_parse(slice_of_string(value), &run->inside.host) == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "`%.60s` is no host without port", value);
}

static enum err take_time(void *arg, const char *value, struct errinfo *info)
{
    struct explain_run *run = arg;
    struct moment moment;
    if (!moment_parse(slice_of_string(value), &moment))
        return errinfo_set(info, ERR_INPUT, "`%.60s` is no time such as 2027-01-01T08:00", value);
    run->has_time = true;
    run->now_s = moment.wall_s - moment.ahead_s;
    return ERR_OK;
}

static enum err take_answer(void *arg, const char *value, struct errinfo *info)
{
    struct explain_run *run = arg;
    for (size_t i = AUTHORIZER_NONE; i <= AUTHORIZER_YES; i++) {
        run->answer = (enum authorizer_answer)i;
        run->has_answer = strcmp(value, authorizer_answer_name(run->answer)) == 0;
        if (run->has_answer)
            return ERR_OK;
    }
    return errinfo_set(info, ERR_INPUT, "`%.40s` is not yes, no or none", value);
}

static enum err take_claim(void *arg, const char *value, struct errinfo *info)
{
    struct requester_options *requester = arg;
    if (requester->claim_count == REQUESTER_CLAIMS_MAX)
        return errinfo_set(info, ERR_LIMIT, "no more than %d", (int)REQUESTER_CLAIMS_MAX);
    requester->claims[requester->claim_count++] = value;
    return ERR_OK;
}

static enum err take_id(void *arg, const char *value, struct errinfo *info)
{
    struct explain_run *run = arg;
    run->has_id = history_id_parse(value, &run->id);
    return run->has_id ? ERR_OK
                       : errinfo_set(info, ERR_INPUT, "`%.40s` is not 16 hex digits", value);
}

// check_options tells what is missing, or too much.
static int check_options(const struct explain_run *run)
{
    const bool has_guest = has_requester(&run->guest);
    if (run->config == NULL)
        return cli_fail_usage("explain", "which configuration? -c FILE is required");
    if (run->log != NULL)
        return has_requester(&run->requester) || has_guest || run->to != NULL ||
                       run->address_count > 0 || run->is_live || run->has_inside || run->has_time ||
                       run->has_answer
                   ? cli_fail_usage("explain", "--log has the questions: leave the others out")
                   : CLI_OK;
    if (run->has_id)
        return cli_fail_usage("explain", "--id is one of a --log");
    if (!has_requester(&run->requester) ||
        (run->requester.chain_path != NULL && run->requester.claim_count > 0))
        return cli_fail_usage("explain", "who asks? --cert FILE, or --as KIND:VALUE");
    if (run->guest.chain_path != NULL && run->guest.claim_count > 0)
        return cli_fail_usage("explain", "for whom? --for FILE, or --for-as KIND:VALUE");
    if (requester_is_anonymous(&run->guest))
        return cli_fail_usage("explain",
                              "--for-as: nobody speaks for a client without certificate");
    if (run->to == NULL)
        return cli_fail_usage("explain", "where to? --to HOST:PORT is required");
    return CLI_OK;
}

static int run_loaded(struct explain_run *run)
{
    int status = cli_load_snapshot("explain", run->config, SEVERITY_ERROR, &run->snapshot);
    if (status != CLI_OK)
        return status;
    status = run->log == NULL ? ask_once(run) : ask_log(run);
    return cli_finish("explain") == CLI_OK ? status : CLI_UNLOADABLE;
}

int explain_command(int argc, char **argv)
{
    struct explain_run run = {.requester.option = "--as", .guest.option = "--for-as"};
    const struct cli_option options[] = {
        {"config", .letter = 'c', .text = &run.config},
        {"cert", .text = &run.requester.chain_path},
        {"as", .take = take_claim, .arg = &run.requester},
        {"trust", .text = &run.requester.trust},
        {"for", .text = &run.guest.chain_path},
        {"for-as", .take = take_claim, .arg = &run.guest},
        {"from", .take = take_ip, .arg = &run.source},
        {"to", .text = &run.to},
        {"address", .take = take_address, .arg = &run},
        {"inner-sni", .take = take_sni, .arg = &run},
        {"inner-host", .take = take_inner_host, .arg = &run},
        {"answer", .take = take_answer, .arg = &run},
        {"at", .take = take_time, .arg = &run},
        {"log", .text = &run.log},
        {"id", .take = take_id, .arg = &run},
        {"json", .flag = &run.is_json},
        {"live", .flag = &run.is_live},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "explain", .usage = usage, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    int status = check_options(&run);
    if (status == CLI_OK)
        status = run_loaded(&run);
    snapshot_unref(run.snapshot);
    return status;
}
