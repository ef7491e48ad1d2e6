// Lines to policies and rows to questions. What a line says is checked strictly: an unknown word is
// a failure, for a row that nobody understood would otherwise hold for ever.
#include "tests/unit/auth/eval.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/policy.h"
#include "auth/schedule_text.h"
#include "tests/unit/auth/identity_maker.h"

enum {
    LIST_MAX = 24,
    CANDIDATES_MAX = 16,
    COLUMNS = 6,
    LINE_CAP = 1024,
};

struct eval {
    const char *path;
    size_t line;
    char heading[LINE_CAP]; // the sentence that the rows below are about
    struct policy *policy;  // owned; NULL before the first `policy` line
    struct client *clients; // those of the policy, still writable
    struct rule *deny;      // likewise
    struct endpoint *own;   // likewise
    struct eval_result result;
};

static void failed(struct eval *eval, const char *format, ...) PRINTF_LIKE(2, 3);

static void failed(struct eval *eval, const char *format, ...)
{
    char text[LINE_CAP];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fprintf(stderr, "%s:%zu: %s\n    under: %s\n", eval->path, eval->line, text,
                  eval->heading);
    eval->result.failure_count++;
}

// ---- words --------------------------------------------------------------------------------------

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\r'))
        s.len--;
    return s;
}

// take gives what stands before the next `separator`, trimmed, and moves `*rest` after it.
static struct slice take(struct slice *rest, uint8_t separator)
{
    const size_t end = slice_find(*rest, separator);
    const struct slice out = trim(slice_first(*rest, end));
    *rest = trim(slice_from(*rest, end + 1));
    return out;
}

static bool is_word(struct slice s, const char *word)
{
    return slice_equal(s, slice_of_string(word));
}

static void *room_for(struct eval *eval, size_t count, size_t size)
{
    void *out = arena_alloc(eval->policy->arena, count, size);
    ASSERT(out != NULL);
    return out;
}

static const char *keep(struct eval *eval, struct slice s)
{
    const char *out = arena_copy_string(eval->policy->arena, s);
    ASSERT(out != NULL);
    return out;
}

// ---- values -------------------------------------------------------------------------------------

static void read_addresses(struct eval *eval, struct slice list, struct ip_sets *out)
{
    struct ip_set_builder builder = {0};
    while (list.len > 0) {
        const struct slice value = take(&list, ',');
        struct ip_prefix prefix;
        struct errinfo info;
        if (is_word(value, "public"))
            builder.has_public = true;
        else if (ip_prefix_parse(value, &prefix, &info) == ERR_OK)
            ASSERT(ip_set_builder_add(&builder, &prefix) == ERR_OK);
        else
            failed(eval, "%s", info.text);
    }
    const struct ip_set **items = room_for(eval, 1, sizeof *items);
    items[0] = ip_set_builder_finish(&builder, eval->policy->arena);
    ASSERT(items[0] != NULL);
    *out = (struct ip_sets){.items = items, .count = 1};
}

static void read_hosts(struct eval *eval, struct slice list, struct rule *rule)
{
    struct host_set_builder builder = {0};
    while (list.len > 0) {
        struct host_pattern pattern;
        struct errinfo info;
        if (host_pattern_parse(take(&list, ','), &pattern, &info) == ERR_OK)
            ASSERT(host_set_builder_add(&builder, &pattern) == ERR_OK);
        else
            failed(eval, "%s", info.text);
    }
    const struct host_set **items = room_for(eval, 1, sizeof *items);
    items[0] = host_set_builder_finish(&builder, eval->policy->arena);
    ASSERT(items[0] != NULL);
    rule->hosts = (struct host_sets){.items = items, .count = 1};
    rule->has_hosts = true;
}

static bool parse_ports(struct slice value, struct port_range *out)
{
    if (is_word(value, "any")) {
        *out = (struct port_range){1, UINT16_MAX};
        return true;
    }
    const struct slice first = take(&value, '-');
    return port_parse(first, &out->first) == ERR_OK &&
           port_parse(value.len == 0 ? first : value, &out->last) == ERR_OK &&
           out->first <= out->last;
}

static void read_ports(struct eval *eval, struct slice list, struct rule *rule)
{
    struct port_range *ports = room_for(eval, LIST_MAX, sizeof *ports);
    rule->ports = ports;
    while (list.len > 0) {
        ASSERT(rule->port_count < LIST_MAX);
        if (parse_ports(take(&list, ','), &ports[rule->port_count]))
            rule->port_count++;
        else
            failed(eval, "not a port or a range of ports");
    }
}

static bool take_pair(struct slice *rest, struct slice *out_key, struct slice *out_value)
{
    if (rest->len == 0)
        return false;
    *out_value = take(rest, ' ');
    *out_key = take(out_value, '=');
    return true;
}

// read_moment reads a time in UTC; nothing is `otherwise`.
static int64_t read_moment(struct eval *eval, struct slice value, int64_t otherwise)
{
    struct moment moment;
    if (value.len == 0)
        return otherwise;
    if (!moment_parse(value, &moment))
        failed(eval, "not a time: %.*s", (int)value.len, (const char *)value.data);
    return moment.wall_s - moment.ahead_s;
}

// schedule_of gives the schedule of a client or a rule, which it may have already.
static struct schedule *schedule_of(struct eval *eval, const struct schedule **kept)
{
    struct schedule *schedule = room_for(eval, 1, sizeof *schedule);
    *schedule =
        *kept != NULL ? **kept : (struct schedule){.from_s = INT64_MIN, .until_s = INT64_MAX};
    *kept = schedule;
    return schedule;
}

// read_valid reads `FROM..UNTIL`, either of which may be left out.
static void read_valid(struct eval *eval, struct slice value, const struct schedule **out)
{
    struct schedule *schedule = schedule_of(eval, out);
    size_t dots = 0;
    while (dots < value.len && !slice_starts_with(slice_from(value, dots), SLICE_LITERAL("..")))
        dots++;
    schedule->from_s = read_moment(eval, slice_first(value, dots), INT64_MIN);
    schedule->until_s = read_moment(eval, slice_from(value, dots + 2), INT64_MAX);
}

// read_hours reads `DAYS@FROM-TO`, in UTC.
static void read_hours(struct eval *eval, struct slice value, const struct schedule **out)
{
    struct schedule *schedule = schedule_of(eval, out);
    const struct slice days = take(&value, '@');
    const struct slice from = take(&value, '-');
    schedule->has_hours = true;
    if (!days_parse(days, &schedule->hours.days) || !clock_parse(from, &schedule->hours.from_s) ||
        !clock_parse(value, &schedule->hours.to_s))
        failed(eval, "not hours");
}

// read_rule reads `hosts=.. addresses=.. ports=.. name=..`.
static void read_rule(struct eval *eval, struct slice rest, const char *owner, const char *list,
                      size_t index, struct rule *out)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s%s%s[%zu]", owner, owner[0] == '\0' ? "" : ".", list,
                   index);
    out->name = keep(eval, slice_of_string(name));
    struct slice key;
    struct slice value;
    while (take_pair(&rest, &key, &value)) {
        if (is_word(key, "hosts")) {
            read_hosts(eval, value, out);
        } else if (is_word(key, "addresses")) {
            out->has_addresses = true;
            read_addresses(eval, value, &out->addresses);
        } else if (is_word(key, "ports")) {
            read_ports(eval, value, out);
        } else if (is_word(key, "name")) {
            out->name = keep(eval, value);
        } else if (is_word(key, "valid")) {
            read_valid(eval, value, &out->schedule);
        } else if (is_word(key, "hours")) {
            read_hours(eval, value, &out->schedule);
        } else {
            failed(eval, "no such key in a rule: %.*s", (int)key.len, (const char *)key.data);
        }
    }
}

// ---- the lines of a policy ----------------------------------------------------------------------

static void start_policy(struct eval *eval)
{
    policy_destroy(eval->policy);
    eval->policy = policy_create();
    ASSERT(eval->policy != NULL);
    eval->clients = room_for(eval, LIST_MAX, sizeof *eval->clients);
    eval->deny = room_for(eval, LIST_MAX, sizeof *eval->deny);
    eval->own = room_for(eval, LIST_MAX, sizeof *eval->own);
    eval->policy->clients = eval->clients;
    eval->policy->deny = eval->deny;
    eval->policy->own = eval->own;
}

static enum policy_mode parse_mode(struct eval *eval, struct slice value)
{
    static const enum policy_mode modes[] = {POLICY_ENFORCE, POLICY_REPORT, POLICY_OPEN};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (is_word(value, policy_mode_name(modes[i])))
            return modes[i];
    }
    failed(eval, "no such mode");
    return POLICY_ENFORCE;
}

static void add_client(struct eval *eval, struct slice rest)
{
    ASSERT(eval->policy->client_count < LIST_MAX);
    struct client *client = &eval->clients[eval->policy->client_count++];
    client->name = keep(eval, take(&rest, ' '));
    client->matches = room_for(eval, LIST_MAX, sizeof *client->matches);
    client->allow = room_for(eval, LIST_MAX, sizeof *client->allow);
    client->deny = room_for(eval, LIST_MAX, sizeof *client->deny);
    struct slice key;
    struct slice value;
    while (take_pair(&rest, &key, &value)) {
        if (is_word(key, "mode")) {
            client->mode = parse_mode(eval, value);
        } else if (is_word(key, "sources")) {
            client->has_sources = true;
            read_addresses(eval, value, &client->sources);
        } else if (is_word(key, "valid")) {
            read_valid(eval, value, &client->schedule);
        } else if (is_word(key, "hours")) {
            read_hours(eval, value, &client->schedule);
        } else {
            failed(eval, "no such key in a client: %.*s", (int)key.len, (const char *)key.data);
        }
    }
}

static void read_match(struct eval *eval, struct slice rest, struct match_entry *out)
{
    struct slice key;
    struct slice value;
    while (take_pair(&rest, &key, &value)) {
        const char *text = keep(eval, value);
        if (is_word(key, "uri")) {
            out->uri = text;
        } else if (is_word(key, "dns")) {
            out->dns = text;
        } else if (is_word(key, "email")) {
            out->email = text;
        } else if (is_word(key, "cn")) {
            out->cn = text;
        } else if (is_word(key, "trust")) {
            out->trust = text;
        } else if (is_word(key, "ip")) {
            struct ip_addr *addr = room_for(eval, 1, sizeof *addr);
            if (ip_addr_parse(value, addr) != ERR_OK)
                failed(eval, "not an address");
            out->ip = addr;
        } else if (is_word(key, "any")) {
            out->any = is_word(value, "true");
        } else if (is_word(key, "anonymous")) {
            out->anonymous = is_word(value, "true");
        } else {
            failed(eval, "no such key in a match: %.*s", (int)key.len, (const char *)key.data);
        }
    }
}

static struct client *last_client(struct eval *eval)
{
    const size_t count = eval->policy->client_count;
    return count == 0 ? NULL : &eval->clients[count - 1];
}

// add_rule adds a rule to the last client, or a denial for everybody before the first one. The
// arrays are the arena's and were made writable; only policy.h sees them as const.
static void add_rule(struct eval *eval, struct slice rest, bool is_allow)
{
    struct client *client = last_client(eval);
    struct rule rule = {0};
    if (client == NULL && is_allow) {
        failed(eval, "an allow needs a client above it");
    } else if (client == NULL) {
        read_rule(eval, rest, "", "deny", eval->policy->deny_count, &rule);
        eval->deny[eval->policy->deny_count++] = rule;
    } else if (is_allow) {
        read_rule(eval, rest, client->name, "allow", client->allow_count, &rule);
        ((struct rule *)client->allow)[client->allow_count++] = rule;
        client->has_times = client->has_times || rule.schedule != NULL;
    } else {
        read_rule(eval, rest, client->name, "deny", client->deny_count, &rule);
        ((struct rule *)client->deny)[client->deny_count++] = rule;
    }
}

static void add_listener(struct eval *eval, struct slice rest)
{
    struct target target;
    if (target_parse(rest, &target) != ERR_OK || target.kind != TARGET_ADDRESS)
        failed(eval, "not the address of a listener");
    eval->own[eval->policy->own_count++] = (struct endpoint){target.address, target.port};
}

// add_nat64 adds a prefix under which the site's translator puts IPv4 addresses.
static void add_nat64(struct eval *eval, struct slice rest)
{
    struct nat64_list *list = &eval->policy->nat64;
    struct ip_prefix *prefixes = room_for(eval, list->count + 1, sizeof *prefixes);
    struct errinfo info;
    for (size_t i = 0; i < list->count; i++)
        prefixes[i] = list->prefixes[i];
    if (nat64_prefix_parse(rest, &prefixes[list->count], &info) != ERR_OK)
        failed(eval, "%s", info.text);
    *list = (struct nat64_list){.prefixes = prefixes, .count = list->count + 1};
}

// expect_bad checks that each of `hosts=..`, `addresses=..`, `ports=..` is refused when it is
// loaded.
static void expect_bad(struct eval *eval, struct slice rest)
{
    struct slice key;
    struct slice value;
    while (take_pair(&rest, &key, &value)) {
        struct errinfo info = {.text = ""};
        struct host_pattern pattern;
        struct ip_prefix prefix;
        struct port_range ports;
        bool is_refused = false;
        if (is_word(key, "hosts"))
            is_refused = host_pattern_parse(value, &pattern, &info) != ERR_OK && info.text[0] != 0;
        else if (is_word(key, "addresses"))
            is_refused = ip_prefix_parse(value, &prefix, &info) != ERR_OK && info.text[0] != 0;
        else if (is_word(key, "ports"))
            is_refused = !parse_ports(value, &ports);
        eval->result.row_count++;
        if (!is_refused)
            failed(eval, "should have been refused: %.*s", (int)value.len,
                   (const char *)value.data);
    }
}

static void read_policy_line(struct eval *eval, struct slice line)
{
    struct slice rest = line;
    const struct slice word = take(&rest, ' ');
    if (is_word(word, "policy") && rest.len == 0) {
        start_policy(eval);
    } else if (is_word(word, "refused")) {
        expect_bad(eval, rest);
    } else if (eval->policy == NULL) {
        failed(eval, "a `policy` line comes first");
    } else if (is_word(word, "client")) {
        add_client(eval, rest);
    } else if (is_word(word, "allow") || is_word(word, "deny")) {
        add_rule(eval, rest, is_word(word, "allow"));
    } else if (is_word(word, "listener")) {
        add_listener(eval, rest);
    } else if (is_word(word, "nat64")) {
        add_nat64(eval, rest);
    } else if (is_word(word, "match") && last_client(eval) != NULL) {
        struct client *client = last_client(eval);
        read_match(eval, rest, &((struct match_entry *)client->matches)[client->match_count++]);
    } else {
        failed(eval, "not understood: %.*s", (int)line.len, (const char *)line.data);
    }
}

// ---- rows ---------------------------------------------------------------------------------------

// question is one row, read.
struct question {
    const struct client *client; // NULL: no client fits
    struct ip_addr source;
    int64_t now_s;
    struct target target;
    bool is_target_bad;
    bool stops_before_dns; // the addresses column is `-`
    struct candidate candidates[CANDIDATES_MAX];
    size_t count;
};

static const struct client *find_client(struct eval *eval, struct slice who)
{
    if (is_word(who, "anonymous"))
        return policy_find_client(eval->policy, NULL, NULL);
    if (slice_find(who, '=') != who.len) {
        struct identity *identity = identity_make(keep(eval, who));
        const struct client *client = policy_find_client(eval->policy, identity, NULL);
        identity_destroy(identity);
        return client;
    }
    for (size_t i = 0; i < eval->policy->client_count; i++) {
        if (is_word(who, eval->clients[i].name))
            return &eval->clients[i];
    }
    if (!is_word(who, "nobody"))
        failed(eval, "no such client: %.*s", (int)who.len, (const char *)who.data);
    return NULL;
}

static bool read_candidates(struct slice list, struct question *out)
{
    static const struct slice here = {(const uint8_t *)"(here)", 6};
    if (is_word(list, "-")) {
        out->stops_before_dns = true;
        return true;
    }
    if (is_word(list, "written")) {
        out->candidates[out->count++].address = out->target.address;
        return out->target.kind == TARGET_ADDRESS;
    }
    if (is_word(list, "none"))
        return true;
    while (list.len > 0 && out->count < CANDIDATES_MAX) {
        struct slice value = take(&list, ',');
        struct candidate *candidate = &out->candidates[out->count++];
        candidate->is_local = slice_ends_with(value, here);
        if (candidate->is_local)
            value = trim(slice_first(value, value.len - here.len));
        if (ip_addr_parse(value, &candidate->address) != ERR_OK)
            return false;
    }
    return list.len == 0;
}

// answer asks the policy as the proxy does; with a bad target nothing is asked.
static void answer(struct eval *eval, struct question *question, struct decision *out)
{
    memset(out, 0xA5, sizeof *out); // every member has to be written
    if (question->is_target_bad) {
        *out = (struct decision){.action = ACTION_ERROR, .reason = REASON_BAD_TARGET};
        return;
    }
    policy_decide_target(eval->policy, question->client, &question->source, question->now_s,
                         &question->target, NULL, out);
    if (question->stops_before_dns) {
        if (out->action == ACTION_ALLOW)
            failed(eval, "was not decided before DNS");
        return;
    }
    if (out->action != ACTION_ALLOW) {
        failed(eval, "was decided before DNS: %s %s", action_name(out->action),
               reason_name(out->reason));
        return;
    }
    if (out->reason != REASON_NONE || out->rule != NULL || out->would_deny)
        failed(eval, "the first step says more than it knows");
    memset(out, 0xA5, sizeof *out);
    policy_decide_addresses(eval->policy, question->client, &question->source, question->now_s,
                            &question->target, question->candidates, question->count, NULL, out);
}

// describe writes a decision as the fifth column has it.
static void describe(const struct decision *decision, struct text *out)
{
    text_append_format(out, "%s %s %s%s", action_name(decision->action),
                       reason_name(decision->reason), decision->rule == NULL ? "-" : decision->rule,
                       decision->would_deny ? " would_deny" : "");
}

static void describe_admitted(const struct question *question, struct text *out)
{
    for (size_t i = 0; i < question->count; i++) {
        char addr[IP_TEXT_CAP];
        if (question->candidates[i].is_admitted)
            text_append_format(out, "%s%s", out->len == 0 ? "" : ", ",
                               ip_addr_format(&question->candidates[i].address, addr));
    }
    if (out->len == 0)
        text_append_string(out, "-");
}

// check_invariants holds for every row, whatever it expects.
static void check_invariants(struct eval *eval, const struct question *question,
                             const struct decision *decision)
{
    size_t admitted = 0;
    for (size_t i = 0; i < question->count; i++) {
        const struct candidate *candidate = &question->candidates[i];
        const enum ip_class ip_class = ip_addr_classify(&candidate->address);
        admitted += candidate->is_admitted;
        if (candidate->reason == REASON_NONE)
            failed(eval, "candidate %zu has no reason", i);
        if (candidate->is_admitted &&
            (ip_class == IP_CLASS_CLOSED || ip_class == IP_CLASS_METADATA))
            failed(eval, "candidate %zu is always closed, and was admitted", i);
        if (candidate->is_admitted && candidate->reason != REASON_RULE &&
            (ip_class != IP_CLASS_ORDINARY || decision->mode == POLICY_ENFORCE))
            failed(eval, "candidate %zu was admitted by nothing", i);
    }
    if ((decision->action == ACTION_ALLOW) != (admitted != 0))
        failed(eval, "the verdict and the admitted addresses disagree");
    if (decision->mode != (question->client == NULL ? POLICY_ENFORCE : question->client->mode))
        failed(eval, "the mode is not the client's");
}

// check_second_step: what the first step denies stays denied when somebody forgets the first step.
static void check_second_step(struct eval *eval, const struct question *question,
                              const struct decision *first)
{
    struct candidate candidate = {0};
    struct decision second;
    if (question->is_target_bad || !question->stops_before_dns)
        return;
    ASSERT(ip_addr_parse(SLICE_LITERAL("9.9.9.9"), &candidate.address) == ERR_OK);
    policy_decide_addresses(eval->policy, question->client, &question->source, question->now_s,
                            &question->target, &candidate, 1, NULL, &second);
    if (second.action != first->action || second.reason != first->reason ||
        second.rule != first->rule || candidate.is_admitted)
        failed(eval, "the second step forgets what the first one denied");
}

static void judge_row_once(struct eval *eval, const struct slice columns[COLUMNS])
{
    struct question question = {.client = find_client(eval, columns[0])};
    struct slice now = columns[1];
    const struct slice source = take(&now, '@');
    question.now_s = read_moment(eval, now, 0);
    if (ip_addr_parse(source, &question.source) != ERR_OK)
        failed(eval, "the source is no address");
    question.is_target_bad = target_parse(columns[2], &question.target) != ERR_OK;
    if (!read_candidates(columns[3], &question))
        failed(eval, "the addresses are not understood");
    struct decision decision = {0};
    answer(eval, &question, &decision);
    if (!question.is_target_bad)
        check_invariants(eval, &question, &decision);
    check_second_step(eval, &question, &decision);

    char text[LINE_CAP];
    struct text got;
    text_init(&got, text, sizeof text);
    describe(&decision, &got);
    if (!slice_equal(text_slice(&got), columns[4]))
        failed(eval, "expected `%.*s`, got `%s`", (int)columns[4].len,
               (const char *)columns[4].data, text);
    text_init(&got, text, sizeof text);
    describe_admitted(&question, &got);
    if (!slice_equal(text_slice(&got), columns[5]))
        failed(eval, "expected to dial `%.*s`, got `%s`", (int)columns[5].len,
               (const char *)columns[5].data, text);
}

// judge_row judges it twice: without the indexes, and with them.
static void judge_row(struct eval *eval, struct slice columns[COLUMNS])
{
    struct policy *policy = eval->policy;
    judge_row_once(eval, columns);
    if (policy_seal(policy) != ERR_OK)
        failed(eval, "no memory to seal the policy");
    judge_row_once(eval, columns);
    policy->client_index = NULL; // more lines may follow
}

static void read_row(struct eval *eval, struct slice line)
{
    struct slice columns[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++)
        columns[i] = take(&line, '|');
    eval->result.row_count++;
    if (columns[COLUMNS - 1].len == 0 || line.len != 0)
        failed(eval, "a row has six columns");
    else if (eval->policy == NULL)
        failed(eval, "a row needs a policy above it");
    else
        judge_row(eval, columns);
}

static void read_line(struct eval *eval, struct slice line)
{
    if (line.len == 0 || line.data[0] == '#')
        return;
    if (slice_starts_with(line, SLICE_LITERAL("== ")))
        (void)string_copy(eval->heading, sizeof eval->heading, slice_from(line, 3));
    else if (slice_find(line, '|') != line.len)
        read_row(eval, line);
    else
        read_policy_line(eval, line);
}

struct eval_result eval_run_file(const char *path)
{
    struct eval eval = {.path = path};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        failed(&eval, "cannot be opened");
        return eval.result;
    }
    char line[LINE_CAP];
    while (fgets(line, sizeof line, file) != NULL) {
        eval.line++;
        struct slice s = slice_of_string(line);
        if (s.len == 0 || s.data[s.len - 1] != '\n')
            failed(&eval, "the line is too long or does not end");
        else
            read_line(&eval, trim(slice_first(s, s.len - 1)));
    }
    (void)fclose(file);
    policy_destroy(eval.policy);
    return eval.result;
}
