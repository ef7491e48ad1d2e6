// Arguments in, the examination, its findings out: lines for a person, or one JSON object on one line.
#include "proxy/cli/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/base/json.h"
#include "proxy/cli/client_options.h"
#include "proxy/cli/options.h"
#include "proxy/sidecar/examination.h"

static const char usage[] =
    "usage: sallyport doctor --proxy https://HOST:PORT [--cert FILE --key FILE] --ca FILE\n"
    "                        [--to HOST:PORT] [--json]\n"
    "\n"
    "Checks the way from this machine through the proxy, step by step, and says what is wrong, who\n"
    "can fix it, and what to do.\n"
    "\n"
    "  --proxy URL           the proxy: https://HOST:PORT\n"
    "  --cert FILE           PEM: your certificate, then its intermediates (curl's\n"
    "                        --proxy-cert)\n"
    "  --key FILE            PEM: its private key (curl's --proxy-key)\n"
    "  --ca FILE             PEM: the CAs for the proxy's certificate (curl's --proxy-cacert)\n"
    "  --pin SHA256          also, the proxy's key must be this one (curl's --proxy-pinnedpubkey);\n"
    "                        up to 16 times, one of them must fit\n"
    "  --to HOST:PORT        also try a tunnel to this target\n"
    "  --resolver ADDR:PORT  ask this DNS server for the proxy's name (default: the system's, and\n"
    "                        the hosts file)\n"
    "  --json                one JSON object on one line\n"
    "  --help                this text\n"
    "\n"
    "Exit: 0 all is well, 1 something is wrong, 2 usage, 3 a file cannot be loaded, 4 the proxy\n"
    "cannot be reached.\n";

struct arguments {
    struct proxy_way way;
    struct target to;
    bool has_to;
    bool is_json;
};

static enum err take_to(void *arg, const char *value, struct errinfo *info)
{
    struct arguments *out = arg;
    out->has_to = true;
    if (target_parse(slice_of_string(value), &out->to) == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "'%.100s' is not HOST:PORT", value);
}

static struct cli_line read_line(int argc, char **argv, struct arguments *out)
{
    *out = (struct arguments){0};
    const struct cli_option options[] = {
        {"to", .take = take_to, .arg = out},
        {"json", .flag = &out->is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "doctor", .usage = usage, .options = options};
    const struct cli_line line = client_options_read(&syntax, argc, argv, &out->way);
    const struct credential_paths *paths = &out->way.paths;
    if (line.is_over)
        return line;
    if (out->way.route.proxy_count == 0 || paths->ca == NULL)
        return cli_end(cli_fail_usage("doctor", "--proxy and --ca are needed"));
    if (out->way.route.proxy_count > 1)
        return cli_end(cli_fail_usage("doctor", "one --proxy at a time: run it for each"));
    if ((paths->cert == NULL) != (paths->key == NULL))
        return cli_end(cli_fail_usage("doctor", "--cert and --key are needed together"));
    return line;
}

static void print_lines(const struct examination *examination)
{
    const enum cause cause = examination->cause;
    const struct cause_info *info = cause_info(cause);
    for (size_t i = 0; i < EXAM_STEP_COUNT; i++) {
        const struct exam_finding *finding = &examination->steps[i];
        const char *word = exam_outcome_name(finding->outcome);
        const char *step = exam_step_name((enum exam_step)i);
        if (finding->outcome == EXAM_FAILED)
            (void)printf("%-8s %-18s %s%s%s\n", word, step, cause_info(finding->cause)->phrase,
                         finding->detail[0] == '\0' ? "" : ": ", finding->detail);
        else
            (void)printf("%-8s %-18s %s\n", word, step, finding->detail);
    }
    if (cause == CAUSE_NONE) {
        (void)printf("\nall is well\n");
        return;
    }
    (void)printf("\ncause: %s: %s\n", info->name, info->phrase);
    (void)printf("side:  %s\n", cause_side_name(info->side));
    (void)printf("do:    %s\n", info->advice);
}

static void print_json(const struct examination *examination)
{
    const enum cause cause = examination->cause;
    const struct cause_info *info = cause_info(cause);
    struct text out = cli_json_begin();
    json_add_string(&out, "result", cause == CAUSE_NONE ? "ok" : "failed");
    json_add_string(&out, "cause", info->name);
    json_add_string(&out, "side", cause_side_name(info->side));
    json_add_string(&out, "detail", info->phrase);
    json_add_string(&out, "advice", info->advice);
    json_begin_array(&out, "steps");
    for (size_t i = 0; i < EXAM_STEP_COUNT; i++) {
        const struct exam_finding *finding = &examination->steps[i];
        json_begin_object(&out, NULL);
        json_add_string(&out, "step", exam_step_name((enum exam_step)i));
        json_add_string(&out, "outcome", exam_outcome_name(finding->outcome));
        json_add_string(&out, "cause", cause_info(finding->cause)->name);
        json_add_string(&out, "detail", finding->detail);
        json_end_object(&out);
    }
    json_end_array(&out);
    json_add_string(&out, "whoami", examination->whoami);
    cli_json_end(&out);
}

static int exit_status(const struct examination *examination)
{
    if (examination->cause == CAUSE_NONE)
        return CLI_OK;
    if (examination->steps[EXAM_FILES].outcome == EXAM_FAILED)
        return CLI_UNLOADABLE;
    return cause_info(examination->cause)->side == SIDE_NETWORK ? CLI_UNREACHABLE : CLI_FAILED;
}

int doctor_command(int argc, char **argv)
{
    struct arguments arguments;
    const struct cli_line line = read_line(argc, argv, &arguments);
    if (line.is_over)
        return line.exit_status;
    const struct target *to = arguments.has_to ? &arguments.to : NULL;
    struct examination *examination = calloc(1, sizeof *examination);
    if (examination == NULL || examination_run(&arguments.way, to, examination) != ERR_OK) {
        cli_say("doctor", "no memory, or no event loop to be had");
        free(examination);
        return CLI_FAILED;
    }
    if (arguments.is_json)
        print_json(examination);
    else
        print_lines(examination);
    const int found = exit_status(examination);
    free(examination);
    const int written = cli_finish("doctor");
    return written == CLI_OK ? found : written;
}
