// Lines are cut into words; a line with a word that cannot be read is skipped and counted.
#include "proxy/config/system_text.h"

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

// take_line cuts the next line off `text`.
static struct slice take_line(struct slice *text)
{
    const struct slice line = slice_first(*text, slice_find(*text, '\n'));
    *text = slice_from(*text, line.len + 1);
    return line;
}

// take_word cuts the next word off `line`; empty when there is none left.
static struct slice take_word(struct slice *line)
{
    size_t start = 0;
    while (start < line->len && is_blank(line->data[start]))
        start++;
    const struct slice rest = slice_from(*line, start);
    size_t len = 0;
    while (len < rest.len && !is_blank(rest.data[len]))
        len++;
    *line = slice_from(rest, len);
    return slice_first(rest, len);
}

struct hosts_text hosts_text_parse(struct slice text, hosts_text_line line, void *arg)
{
    struct hosts_text seen = {0};
    while (text.len > 0) {
        struct slice rest = take_line(&text);
        seen.line++;
        rest = slice_first(rest, slice_find(rest, '#'));
        const struct slice first = take_word(&rest);
        struct ip_addr address;
        if (first.len == 0)
            continue;
        bool is_whole = ip_addr_parse(first, &address) == ERR_OK;
        for (struct slice word = take_word(&rest); is_whole && word.len > 0;
             word = take_word(&rest)) {
            struct hostname name;
            is_whole = hostname_parse(word, &name) == ERR_OK;
            if (is_whole && !line(arg, &address, &name))
                return seen;
        }
        if (!is_whole && seen.skipped++ == 0)
            seen.first_skipped = seen.line;
    }
    return seen;
}

size_t resolv_conf_parse(struct slice text, struct ip_addr *out, size_t cap, size_t *out_skipped)
{
    size_t count = 0;
    *out_skipped = 0;
    while (text.len > 0) {
        struct slice rest = take_line(&text);
        if (!slice_equal(take_word(&rest), SLICE_LITERAL("nameserver")))
            continue;
        struct ip_addr address;
        if (ip_addr_parse(take_word(&rest), &address) != ERR_OK || count == cap) {
            (*out_skipped)++;
            continue;
        }
        out[count++] = address;
    }
    return count;
}
