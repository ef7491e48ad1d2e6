// An explanation for people: a paragraph for each question that was asked, the answer last.
#include "proxy/explain/explanation.h"

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value == NULL ? "" : value;
}

static json_int_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

// meaning puts a result's word into a person's.
static const char *meaning(const char *word)
{
    static const struct {
        const char *word;
        const char *meaning;
    } WORDS[] = {
        {"fits", "speaks about this target"},
        {"ports", "is about other ports"},
        {"hosts", "is about other names"},
        {"for_names", "is about names, and this is an address"},
        {"for_addresses", "is about written addresses, and this is a name"},
        {"needs_address", "waits for the addresses"},
        {"empty", "says nothing"},
        {"anonymous", "is for clients without certificate"},
        {"certificate", "wants a certificate"},
        {"unverified", "wants a certificate that a trust profile has verified"},
    };
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (strcmp(WORDS[i].word, word) == 0)
            return WORDS[i].meaning;
    }
    return NULL;
}

static void print_misfits(const json_t *explanation, FILE *out)
{
    const json_t *misfits = json_object_get(explanation, "misfits");
    for (size_t i = 0; i < json_array_size(misfits); i++) {
        const json_t *entry = json_array_get(misfits, i);
        const char *word = text(entry, "misfit");
        (void)fprintf(out,
                      "           not %s, match[%" JSON_INTEGER_FORMAT "]: ", text(entry, "client"),
                      number(entry, "entry"));
        if (meaning(word) == NULL)
            (void)fprintf(out, "its `%s` does not fit\n", word);
        else
            (void)fprintf(out, "it %s\n", meaning(word));
    }
    if (number(explanation, "misfits_not_shown") > 0)
        (void)fprintf(out, "           nor %" JSON_INTEGER_FORMAT " more\n",
                      number(explanation, "misfits_not_shown"));
}

static void print_client(const json_t *explanation, FILE *out)
{
    const json_t *certificate = json_object_get(explanation, "certificate");
    const json_t *client = json_object_get(explanation, "client");
    if (certificate != NULL)
        (void)fprintf(out, "who        %s\n", text(certificate, "summary"));
    if (json_is_object(client))
        (void)fprintf(out,
                      "client     %s: its match[%" JSON_INTEGER_FORMAT
                      "] is the first that fits; mode %s\n",
                      text(client, "name"), number(client, "entry"), text(client, "mode"));
    else
        (void)fprintf(out, "client     none: no entry of `clients` fits\n");
    print_misfits(explanation, out);
    const json_t *source = json_object_get(explanation, "source");
    if (source != NULL)
        (void)fprintf(out, "source     %s is %s its `sources`\n", text(source, "address"),
                      json_is_true(json_object_get(source, "fits")) ? "in" : "not in");
}

static void print_rules(const json_t *explanation, FILE *out)
{
    const json_t *rules = json_object_get(explanation, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        (void)fprintf(out, "%-10s %s (%s) %s\n", i == 0 ? "rules" : "", text(rule, "rule"),
                      text(rule, "list"), meaning(text(rule, "result")));
    }
    if (number(explanation, "rules_not_shown") > 0)
        (void)fprintf(
            out, "           and %" JSON_INTEGER_FORMAT " more that are about something else\n",
            number(explanation, "rules_not_shown"));
}

static void print_address(const json_t *address, FILE *out)
{
    const char *range = text(address, "range");
    const char *embedded = text(address, "embedded");
    const json_t *rules = json_object_get(address, "rules");
    (void)fprintf(out, "           %s%s%s%s%s%s: %s, %s%s%s\n", text(address, "address"),
                  range[0] == '\0' ? "" : " (", range, range[0] == '\0' ? "" : ")",
                  embedded[0] == '\0' ? "" : " for ", embedded,
                  json_is_true(json_object_get(address, "admitted")) ? "may be dialled"
                                                                     : "may not be dialled",
                  text(address, "reason"), text(address, "rule")[0] == '\0' ? "" : " ",
                  text(address, "rule"));
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        const char *form = text(rule, "embedded");
        (void)fprintf(out, "             %s %s it%s%s\n", text(rule, "rule"), text(rule, "result"),
                      form[0] == '\0' ? "" : ", for ", form);
    }
}

static void print_addresses(const json_t *explanation, FILE *out)
{
    const json_t *addresses = json_object_get(explanation, "addresses");
    const char *dns = text(explanation, "dns");
    if (dns[0] != '\0')
        (void)fprintf(out, "addresses  none: DNS says %s\n", dns);
    if (addresses == NULL)
        return;
    const char *origin = text(explanation, "addresses_from");
    (void)fprintf(out, "addresses  %zu%s\n", json_array_size(addresses),
                  strcmp(origin, "dns") == 0     ? " from DNS"
                  : strcmp(origin, "given") == 0 ? " as given"
                                                 : ", as written");
    for (size_t i = 0; i < json_array_size(addresses); i++)
        print_address(json_array_get(addresses, i), out);
}

static void print_limits(const json_t *explanation, FILE *out)
{
    json_t *limits = json_object_get(explanation, "limits");
    const char *live = text(explanation, "live");
    const char *name = NULL;
    json_t *value = NULL;
    bool is_first = true;
    json_object_foreach(limits, name, value)
    {
        (void)fprintf(out, "%-10s %s %" JSON_INTEGER_FORMAT "\n", is_first ? "limits" : "", name,
                      json_integer_value(value));
        is_first = false;
    }
    if (live[0] != '\0')
        (void)fprintf(out, "live       %s\n", live);
}

void explanation_print(const json_t *explanation, FILE *out)
{
    const json_t *target = json_object_get(explanation, "target");
    const json_t *decision = json_object_get(explanation, "decision");
    const char *rule = text(decision, "rule");
    const char *advice = text(explanation, "advice");
    (void)fprintf(out, "target     %s port %" JSON_INTEGER_FORMAT "\n", text(target, "host"),
                  number(target, "port"));
    print_client(explanation, out);
    print_rules(explanation, out);
    print_addresses(explanation, out);
    print_limits(explanation, out);
    (void)fprintf(out, "answer     %s: %s%s%s%s\n", text(decision, "action"),
                  text(decision, "reason"), rule[0] == '\0' ? "" : " ", rule,
                  json_is_true(json_object_get(decision, "would_deny"))
                      ? " (allowed only because the mode is report)"
                      : "");
    if (advice[0] != '\0')
        (void)fprintf(out, "           %s\n", advice);
}
