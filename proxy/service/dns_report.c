// There are at most DNS_MAX_SERVERS, and so many labels. Knows no questions and no names.
#include "proxy/service/dns_report.h"

#include "auth/base/json.h"
#include "proxy/config/endpoint_text.h"

enum { SERVER_CAP = sizeof "tls://" + ENDPOINT_TEXT_CAP };

// server_format writes a server as the configuration has it, without the name.
static const char *server_format(const struct dns_server *server, char out[SERVER_CAP])
{
    const struct endpoint endpoint = {.address = server->address, .port = server->port};
    char address[ENDPOINT_TEXT_CAP];
    struct text text;
    text_init(&text, out, SERVER_CAP);
    text_append_string(&text, server->guard != NULL ? "tls://" : "");
    text_append_string(&text, endpoint_format(&endpoint, address));
    return out;
}

void dns_report_status(const struct resolver_options *resolver, struct text *out)
{
    json_begin_array(out, "dns");
    for (size_t i = 0; i < resolver->server_count; i++) {
        struct dns_standing_view view;
        char server[SERVER_CAP];
        dns_standing_look(resolver->servers[i].standing, &view);
        const char *problem = view.problem[0] == '\0' ? NULL : view.problem;
        json_begin_object(out, NULL);
        json_add_string(out, "server", server_format(&resolver->servers[i], server));
        json_add_count(out, "asked", view.asked);
        json_add_count(out, "answered", view.answered);
        json_add_count(out, "failed", view.failed);
        json_add_string(out, "last_error", problem);
        json_add_time(out, "last_error_at", problem == NULL ? INT64_MIN : view.problem_s);
        json_add_string(out, "warning", view.is_down ? problem : NULL);
        json_end_object(out);
    }
    json_end_array(out);
}

void dns_report_metrics(const struct resolver_options *resolver, struct exposition *out)
{
    static const struct family questions = {
        "sallyport_dns_server_questions", FAMILY_COUNTER, NULL,
        "Questions put to a DNS server, by what came of them; `asked` are all."};
    static const struct family ups = {"sallyport_dns_server_up", FAMILY_GAUGE, NULL,
                                      "0 if the last question to a DNS server met silence."};
    exposition_add_family(out, &questions);
    for (size_t i = 0; i < resolver->server_count; i++) {
        struct dns_standing_view view;
        char server[SERVER_CAP];
        dns_standing_look(resolver->servers[i].standing, &view);
        (void)server_format(&resolver->servers[i], server);
        const struct label asked[] = {{"server", server}, {"result", "asked"}};
        const struct label answered[] = {{"server", server}, {"result", "answered"}};
        const struct label failed[] = {{"server", server}, {"result", "failed"}};
        exposition_add_count(out, asked, 2, view.asked);
        exposition_add_count(out, answered, 2, view.answered);
        exposition_add_count(out, failed, 2, view.failed);
    }
    exposition_add_family(out, &ups);
    for (size_t i = 0; i < resolver->server_count; i++) {
        struct dns_standing_view view;
        char server[SERVER_CAP];
        dns_standing_look(resolver->servers[i].standing, &view);
        const struct label label = {"server", server_format(&resolver->servers[i], server)};
        exposition_add_count(out, &label, 1, view.is_down ? 0 : 1);
    }
}
