// Fuzzes what reads audit logs: a line is a record, or it is refused with a sentence; what it says of a request is
// bounded and canonical; and a suggestion made of it is rules and nothing else.
#include "proxy/history/suggestion.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_decision(const struct history_entry *entry)
{
    struct history_decision decision;
    struct errinfo info = {0};
    const enum err error = history_decision_read(entry, &decision, &info);
    ASSERT(error == ERR_OK || info.text[0] != '\0');
    if (error == ERR_OK) {
        char text[TARGET_TEXT_CAP];
        struct target again;
        ASSERT(decision.reason != NULL && !(decision.has_edge && decision.is_passed_on));
        ASSERT(decision.judged_count <= HISTORY_MAX_ADDRESSES);
        ASSERT(decision.client.is_whole || decision.client.identity == NULL);
        ASSERT(decision.has_edge || decision.edge.identity == NULL);
        if (decision.has_target) {
            (void)target_format_host(&decision.target, text);
            ASSERT(target_host_parse(slice_of_string(text), &again) == ERR_OK ||
                   decision.target.kind == TARGET_ADDRESS);
        }
    }
    history_decision_deinit(&decision);
}

static void check_suggestion(const struct history_entry *entry, const char *client)
{
    struct errinfo info = {0};
    struct history_decision decision;
    struct suggestion suggestion = {.client = client, .takes_denied = true};
    if (history_decision_read(entry, &decision, &info) == ERR_OK) {
        suggestion_add(&suggestion, entry, &decision);
        suggestion_join(&suggestion);
        ASSERT(!suggestion.has_failed);
        ASSERT(suggestion.count <= suggestion.allowed + suggestion.unresolved);
    }
    history_decision_deinit(&decision);
    suggestion_deinit(&suggestion);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history_entry entry;
    struct errinfo info = {0};
    struct ip_addr upstream;
    if (history_entry_read(slice_of(data, size), &entry, &info) != ERR_OK) {
        ASSERT(entry.root == NULL && info.text[0] != '\0');
        return 0;
    }
    ASSERT(history_text(entry.root, "ts") != NULL);
    if (entry.event == AUDIT_EVENT_DECISION) {
        check_decision(&entry);
        check_suggestion(&entry, "workers");
    }
    if (entry.event == AUDIT_EVENT_CLOSE && history_close_upstream(&entry, &upstream))
        ASSERT(upstream.family != IP_NONE);
    history_entry_deinit(&entry);
    return 0;
}
