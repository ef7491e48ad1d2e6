// What ends first comes first: the program gathers what is there, sorts it, and shows the first few.
#include "proxy/service/page_ends.h"

#include <stdlib.h>

#include "auth/base/date.h"
#include "proxy/config/served_list.h"
#include "proxy/config/server_list.h"
#include "proxy/page/html.h"

enum { ENDINGS_MAX = 256, ENDINGS_SHOWN = 20, DAY_S = 24 * 60 * 60 };

struct ending {
    const char *what; // static memory
    const char *of;   // borrowed from the snapshot, like the next
    const char *subject;
    int64_t end_s;
};

struct endings {
    struct ending items[ENDINGS_MAX];
    size_t count;
};

// add keeps one; where there are too many, the one that ends last makes room.
static void add(struct endings *endings, const struct ending *ending)
{
    size_t at = endings->count;
    if (at == ENDINGS_MAX) {
        at = 0;
        for (size_t i = 1; i < ENDINGS_MAX; i++)
            at = endings->items[i].end_s > endings->items[at].end_s ? i : at;
        if (endings->items[at].end_s <= ending->end_s)
            return;
    } else {
        endings->count++;
    }
    endings->items[at] = *ending;
}

static void gather_served(struct endings *endings, const struct listener_config *listener)
{
    struct served_certificate served;
    for (size_t i = 0; served_list_next(listener, &i, &served);)
        add(endings, &(struct ending){"certificate of the listener", listener->name,
                                      served.info->subject, served.info->not_after_s});
}

static void gather_trust(struct endings *endings, const struct trust *trust)
{
    for (size_t i = 0; i < trust_certificate_count(trust); i++) {
        const struct trust_certificate ca = trust_certificate_at(trust, i);
        if (!ca.is_left_out)
            add(endings,
                &(struct ending){ca.is_anchor ? "CA of the profile" : "helper of the profile",
                                 trust_name(trust), ca.subject, ca.not_after_s});
    }
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        if (crl.state != TRUST_CRL_IDLE)
            add(endings, &(struct ending){"CRL of the profile", trust_name(trust), crl.issuer,
                                          crl.next_update_s});
    }
}

static void gather_server(struct endings *endings, const struct listed_server *server)
{
    static const char *const own_of[] = {
        [SERVER_SINK] = "certificate shown to the sink",
        [SERVER_PARENT] = "certificate shown to the parent",
        [SERVER_AUTHORIZER] = "certificate shown to the",
        [SERVER_STORE] = "certificate shown to the",
    };
    static const char *const ca_of[] = {[SERVER_SINK] = "CA of the sink",
                                        [SERVER_PARENT] = "CA of the parent",
                                        [SERVER_AUTHORIZER] = "CA of the",
                                        [SERVER_STORE] = "CA of the"};
    if (server->own != NULL)
        add(endings, &(struct ending){own_of[server->kind], server->name, server->own->subject,
                                      server->own->not_after_s});
    for (size_t i = 0; server->trust != NULL && i < trust_certificate_count(server->trust); i++) {
        const struct trust_certificate ca = trust_certificate_at(server->trust, i);
        if (!ca.is_left_out)
            add(endings,
                &(struct ending){ca_of[server->kind], server->name, ca.subject, ca.not_after_s});
    }
}

static int ends_sooner(const void *a, const void *b)
{
    const struct ending *left = a;
    const struct ending *right = b;
    return left->end_s == right->end_s ? 0 : left->end_s < right->end_s ? -1 : 1;
}

void page_ends_append_left(struct text *out, int64_t left_s)
{
    const char *level = left_s < DAY_S ? "bad" : left_s < 7 * DAY_S ? "warn" : "soft";
    text_append_format(out, "<span class=\"%s\">", level);
    if (left_s < 0)
        text_append_string(out, "has ended");
    else
        html_append_span(out, left_s);
    text_append_string(out, "</span>");
}

static void add_row(struct text *out, const struct ending *ending, int64_t now_s)
{
    char date[DATE_TEXT_CAP];
    text_append_format(out, "<tr><td>%s ", ending->what);
    html_append(out, ending->of);
    text_append_string(out, "</td><td>");
    html_append(out, ending->subject);
    text_append_format(out, "</td><td class=\"n\">%s</td><td class=\"n\">",
                       date_format(ending->end_s, DATE_SECOND, date));
    page_ends_append_left(out, ending->end_s - now_s);
    text_append_string(out, "</td></tr>\n");
}

static void add_seen(const uint64_t ends[ENDS_COUNT], struct text *out)
{
    text_append_string(out, "<p class=\"soft\">Handshakes by how long the client's certificate was "
                            "still good: less than a day ");
    html_append_count(out, ends[0]);
    text_append_string(out, ", less than 7 days ");
    html_append_count(out, ends[1]);
    text_append_string(out, ", less than 30 days ");
    html_append_count(out, ends[2]);
    text_append_string(out, ", longer ");
    html_append_count(out, ends[3]);
    text_append_string(out, ".</p>\n");
}

void page_ends_write(const struct snapshot *snapshot, const uint64_t ends[ENDS_COUNT],
                     int64_t now_s, struct text *out)
{
    struct endings *endings = calloc(1, sizeof *endings);
    text_append_string(out, "<h2 id=\"ends\">What ends next</h2><div class=\"scroll\" "
                            "role=\"region\" aria-labelledby=\"ends\" tabindex=\"0\"><table><thead>"
                            "<tr><th>what</th><th>of</th><th class=\"n\">ends</th>"
                            "<th class=\"n\">in</th></tr></thead><tbody>\n");
    if (endings != NULL) {
        for (size_t l = 0; l < snapshot->listener_count; l++)
            gather_served(endings, &snapshot->listeners[l]);
        for (size_t t = 0; t < snapshot->trust_count; t++)
            gather_trust(endings, snapshot->trusts[t]);
        struct listed_server server;
        for (size_t i = 0; server_list_next(snapshot, &i, &server);)
            gather_server(endings, &server);
        qsort(endings->items, endings->count, sizeof endings->items[0], ends_sooner);
        for (size_t i = 0; i < endings->count && i < ENDINGS_SHOWN; i++)
            add_row(out, &endings->items[i], now_s);
    }
    text_append_string(out, "</tbody></table></div>\n");
    add_seen(ends, out);
    free(endings);
}
