// What a large policy costs: loading, memory, and time for a decision and for finding a client.
//
//     bazel run -c opt //tests/bench:policy_scale [MOST-CLIENTS]
//
// Grows by tens up to 100,000 clients, a million host patterns and a million networks: half of them
// in list files that a set names, half of the hosts denied, half allowed. Times are of this thread's
// processor, so that other programs matter less; memory is what the kernel says. Owns: the
// measurement. docs/PERFORMANCE.md has the figures.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proxy/config/assembly.h"
#include "proxy/config/file.h"
#include "tests/unit/auth/identity_maker.h"
#include "tests/unit/proxy/random.h"

enum { QUESTIONS = 4096, ROUNDS = 50, IDENTITIES = 64, PATH_CAP = 256 };

// ---- time and memory ----------------------------------------------------------------------------

static double now_s(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// memory_mib gives a line of /proc/self/status: VmRSS now, VmHWM at most so far.
static double memory_mib(const char *key)
{
    char line[256];
    double out = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (slice_starts_with(slice_of_string(line), slice_of_string(key)))
            out = strtod(line + strlen(key) + 1, NULL) / 1024;
    }
    if (status != NULL)
        (void)fclose(status);
    return out;
}

// ---- a large configuration ----------------------------------------------------------------------

struct size {
    size_t clients;
    size_t hosts;    // in list files
    size_t networks; // likewise
};

static void write_hosts(const char *folder, const char *name, size_t first, size_t count)
{
    char path[PATH_CAP];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    ASSERT(file != NULL);
    for (size_t i = first; i < first + count; i++)
        (void)fprintf(file, "%sh%zu%s.%zu.example\n", i % 4 == 0 ? "*." : "", i,
                      i % 16 == 1 ? ".*" : "", i % 1000);
    ASSERT(fclose(file) == 0);
}

// network gives the text of a network: most IPv4, a quarter IPv6, none of them touching the next.
static void network(size_t i, char out[IP_PREFIX_TEXT_CAP])
{
    const uint32_t v4 = UINT32_C(0x10000000) + (uint32_t)i * 512;
    if (i % 4 == 0)
        (void)snprintf(out, IP_PREFIX_TEXT_CAP, "2a00:%zx:%zx::/48", i >> 16, i & 0xFFFF);
    else
        (void)snprintf(out, IP_PREFIX_TEXT_CAP, "%u.%u.%u.0/24", v4 >> 24, v4 >> 16 & 0xFF,
                       v4 >> 8 & 0xFF);
}

static void write_networks(const char *folder, const char *name, size_t first, size_t count)
{
    char path[PATH_CAP];
    char text[IP_PREFIX_TEXT_CAP];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    ASSERT(file != NULL);
    for (size_t i = first; i < first + count; i++) {
        network(i, text);
        (void)fprintf(file, "%s\n", text);
    }
    ASSERT(fclose(file) == 0);
}

static void write_config(const char *folder, const struct size *size)
{
    char path[PATH_CAP];
    (void)snprintf(path, sizeof path, "%s/sallyport.yaml", folder);
    FILE *file = fopen(path, "we");
    ASSERT(file != NULL);
    (void)fprintf(file,
                  "sets:\n"
                  "  hosts: {allowed: [{file: allowed.txt}], blocked: [{file: blocked.txt}]}\n"
                  "  addresses: {partners: [{file: partners.txt}], bad: [{file: bad.txt}]}\n"
                  "deny:\n"
                  "  - {hosts: ['@blocked']}\n"
                  "  - {addresses: ['@bad']}\n"
                  "clients:\n");
    for (size_t i = 0; i < size->clients; i++)
        (void)fprintf(file,
                      "  - name: client-%zu\n"
                      "    match: [{uri: 'spiffe://example.org/team-%zu/client-%zu'}]\n"
                      "    allow:\n"
                      "      - {hosts: ['@allowed'], ports: [443, 80]}\n"
                      "      - {hosts: [own-%zu.example.org], addresses: [10.0.0.0/8]}\n"
                      "      - {addresses: ['@partners'], ports: any}\n",
                      i, i % 100, i, i);
    ASSERT(fclose(file) == 0);
    write_hosts(folder, "allowed.txt", 0, size->hosts / 2);
    write_hosts(folder, "blocked.txt", size->hosts / 2, size->hosts / 2);
    write_networks(folder, "partners.txt", 0, size->networks / 2);
    write_networks(folder, "bad.txt", size->networks / 2, size->networks / 2);
}

// ---- loading ------------------------------------------------------------------------------------

static bool read_list(struct reader *reader, const struct node *node, const char *path,
                      struct file_content *out)
{
    struct errinfo info;
    (void)reader;
    (void)node;
    return file_read(path, 1 << 28, FILE_PUBLIC, out, &info) == ERR_OK;
}

// load reads the configuration in `folder` as the proxy does, but for the sections that name
// certificates.
static struct policy *load_policy(const char *folder)
{
    static const char *const trusts[] = {"staff"};
    const struct name_list names = {.names = trusts, .count = 1};
    char path[PATH_CAP];
    struct file_content content;
    struct errinfo info;
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    struct policy *policy = policy_create();
    (void)snprintf(path, sizeof path, "%s/sallyport.yaml", folder);
    ASSERT(policy != NULL && file_read(path, 1 << 28, FILE_PUBLIC, &content, &info) == ERR_OK);
    diagnostics_init(&diagnostics);
    struct reader reader = {
        .diagnostics = &diagnostics,
        .file = path,
        .arena = policy->arena,
        .folder = folder,
        .read_list = read_list,
    };
    ASSERT(yaml_document_parse(content.bytes, path, &diagnostics, &document) == ERR_OK);
    clients_read(&reader, yaml_document_root(document), &names, &(const struct parent_names){0},
                 policy);
    diagnostics_print(&diagnostics, stderr, SEVERITY_WARNING);
    ASSERT(diagnostics.error_count == 0);
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
    file_content_deinit(&content);
    return policy;
}

// ---- asking -------------------------------------------------------------------------------------

struct question {
    const struct client *client;
    struct target target;
    struct ip_addr address;
};

// kinds of questions, by what should come of them
enum kind { KIND_ALLOWED, KIND_UNKNOWN_NAME, KIND_BLOCKED_NAME, KIND_BAD_ADDRESS, KIND_LITERAL };

static void ask_about(const struct policy *policy, const struct size *size, enum kind kind,
                      struct random *random, struct question *out)
{
    const size_t half = size->hosts / 2;
    const size_t networks = size->networks / 2;
    char text[HOSTNAME_MAX_LEN];
    struct ip_prefix prefix;
    struct errinfo info;
    size_t i = random_below(random, half);
    *out = (struct question){.client = &policy->clients[random_below(random, size->clients)],
                             .target = {.kind = TARGET_NAME, .port = 443},
                             .address = {.family = IP_V4, .bytes = {1, 1, 1, 1}}};
    i += kind == KIND_UNKNOWN_NAME ? 2 * half : kind == KIND_BLOCKED_NAME ? half : 0;
    (void)snprintf(text, sizeof text, "%sh%zu%s.%zu.example", i % 4 == 0 ? "www." : "", i,
                   i % 16 == 1 ? ".eu" : "", i % 1000);
    ASSERT(hostname_parse(slice_of_string(text), &out->target.name) == ERR_OK);
    if (kind != KIND_BAD_ADDRESS && kind != KIND_LITERAL)
        return;
    network(random_below(random, networks) + (kind == KIND_BAD_ADDRESS ? networks : 0), text);
    ASSERT(ip_prefix_parse(slice_of_string(text), &prefix, &info) == ERR_OK);
    out->address = prefix.addr;
    out->address.bytes[prefix.length / 8] = 7;
    if (kind == KIND_LITERAL)
        out->target =
            (struct target){.kind = TARGET_ADDRESS, .address = out->address, .port = 8000};
}

// decide gives the verdict, in both steps as a session takes them.
static enum reason decide(const struct policy *policy, const struct question *question)
{
    struct candidate candidate = {.address = question->address};
    struct decision decision;
    policy_decide_target(policy, question->client, &question->address, 0, &question->target, NULL,
                         &decision);
    if (decision.action == ACTION_ALLOW)
        policy_decide_addresses(policy, question->client, &question->address, 0, &question->target,
                                &candidate, 1, NULL, &decision);
    return decision.reason;
}

// time_decision gives nanoseconds a decision of a kind, and checks what comes of it.
static double time_decision(const struct policy *policy, const struct size *size, enum kind kind)
{
    static const enum reason expected[] = {REASON_RULE, REASON_NO_RULE, REASON_DENIED_BY_RULE,
                                           REASON_DENIED_BY_RULE, REASON_RULE};
    struct random random = {.state = 1 + (uint64_t)kind};
    struct question *questions = calloc(QUESTIONS, sizeof *questions);
    double best = 1e9;
    ASSERT(questions != NULL);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < QUESTIONS; i++)
            ask_about(policy, size, kind, &random, &questions[i]);
        const double began = now_s(CLOCK_THREAD_CPUTIME_ID);
        for (size_t i = 0; i < QUESTIONS; i++)
            ASSERT(decide(policy, &questions[i]) == expected[kind]);
        const double each = (now_s(CLOCK_THREAD_CPUTIME_ID) - began) / QUESTIONS;
        best = each < best ? each : best;
    }
    free(questions);
    return best * 1e9;
}

// time_client gives nanoseconds that finding the client of a certificate takes.
static double time_client(const struct policy *policy, const struct size *size, bool is_known)
{
    struct identity *identities[IDENTITIES];
    struct random random = {.state = 9};
    double best = 1e9;
    for (size_t i = 0; i < IDENTITIES; i++) {
        char text[256];
        const size_t number = random_below(&random, size->clients) + (is_known ? 0 : size->clients);
        (void)snprintf(text, sizeof text,
                       "cn=client uri=spiffe://example.org/team-%zu/client-%zu trust=staff",
                       number % 100, number);
        identities[i] = identity_make(text);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        const double began = now_s(CLOCK_THREAD_CPUTIME_ID);
        for (size_t i = 0; i < IDENTITIES; i++)
            ASSERT((policy_find_client(policy, identities[i], NULL) != NULL) == is_known);
        const double each = (now_s(CLOCK_THREAD_CPUTIME_ID) - began) / IDENTITIES;
        best = each < best ? each : best;
    }
    for (size_t i = 0; i < IDENTITIES; i++)
        identity_destroy(identities[i]);
    return best * 1e9;
}

// ---- one line of the table ----------------------------------------------------------------------

static void measure(const struct size *size)
{
    char folder[] = "/tmp/policy-scale-XXXXXX";
    static const char *const names[] = {"sallyport.yaml", "allowed.txt", "blocked.txt",
                                        "partners.txt", "bad.txt"};
    ASSERT(mkdtemp(folder) != NULL);
    write_config(folder, size);
    const double empty = memory_mib("VmRSS:");
    const double began = now_s(CLOCK_THREAD_CPUTIME_ID);
    struct policy *policy = load_policy(folder);
    const double load = now_s(CLOCK_THREAD_CPUTIME_ID) - began;
    const double one = memory_mib("VmRSS:") - empty;
    struct policy *next = load_policy(folder); // a reload: both live until the new one is in force
    const double peak = memory_mib("VmHWM:");
    policy_destroy(policy);
    const size_t entries = size->clients + size->hosts + size->networks;
    (void)printf("| %zu | %zu | %zu | %.2f | %.0f | %.0f | %.0f", size->clients, size->hosts,
                 size->networks, load, (double)arena_size(next->arena) / (double)entries, one,
                 peak);
    for (enum kind kind = KIND_ALLOWED; kind <= KIND_LITERAL; kind++)
        (void)printf(" | %.0f", time_decision(next, size, kind));
    (void)printf(" | %.0f | %.0f", time_client(next, size, true), time_client(next, size, false));
    policy_destroy(next);
    (void)printf(" | %.0f |\n", memory_mib("VmRSS:") - empty);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_CAP];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

int main(int argc, char **argv)
{
    const size_t most = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 100000;
    (void)printf("| clients | hosts | networks | load s | bytes an entry | MiB | MiB at a reload | "
                 "allowed ns | unknown name | blocked name | bad address | literal | client found "
                 "ns | not found | MiB after |\n|");
    for (size_t i = 0; i < 15; i++)
        (void)printf("--:|");
    (void)printf("\n");
    (void)fflush(stdout);
    for (size_t clients = 100; clients <= most; clients *= 10) {
        const struct size size = {
            .clients = clients, .hosts = clients * 10, .networks = clients * 10};
        const pid_t child = fork(); // each with a memory of its own
        ASSERT(child >= 0);
        if (child == 0) {
            measure(&size);
            (void)fflush(stdout);
            _exit(0);
        }
        int status = 0;
        ASSERT(waitpid(child, &status, 0) == child);
        if (status != 0)
            return 1;
    }
    return 0;
}
