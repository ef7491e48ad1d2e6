// A line of a list file is read by the code that reads an entry of the configuration: it becomes a
// node whose place is in that file.
#include "proxy/config/lists.h"

const char *list_kind_name(enum list_kind kind)
{
    return kind == LIST_HOSTS ? "hosts" : "addresses";
}

void list_builder_deinit(struct list_builder *builder)
{
    host_set_builder_deinit(&builder->hosts);
    ip_set_builder_deinit(&builder->addresses);
}

// ---- one entry ----------------------------------------------------------------------------------

bool host_pattern_read(struct reader *reader, const struct node *node, const char *what,
                       char ascii[IDN_CAP], struct host_pattern *out)
{
    struct slice text = {0};
    struct errinfo info = {0};
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    if (idn_to_ascii(text, ascii, &info) != ERR_OK)
        return reader_refuse(reader, node, what, info.text, "");
    return host_pattern_parse(slice_of_string(ascii), out, &info) == ERR_OK ||
           reader_error(reader, node, "%s: %s", what, info.text); // which repeats the name
}

static bool host_add(struct list_builder *builder, struct reader *reader, const struct node *node)
{
    char ascii[IDN_CAP];
    struct host_pattern pattern;
    if (!host_pattern_read(reader, node, "host", ascii, &pattern))
        return false;
    builder->facts.has_any |= pattern.kind == HOST_PATTERN_ANY;
    builder->facts.has_wildcard |= pattern.kind != HOST_PATTERN_EXACT;
    const enum err err = host_set_builder_add(&builder->hosts, &pattern);
    if (err == ERR_LIMIT)
        return reader_error(
            reader, node,
            "host: this list has a `*` inside its names at more than %d different places, "
            "or more than 4 GiB of names\ndivide it into two sets",
            HOST_SET_SHAPES_MAX);
    return err == ERR_OK || reader_no_memory(reader);
}

static bool is_never_reachable(const struct ip_prefix *prefix)
{
    const enum ip_class first = ip_addr_classify(&prefix->addr);
    return prefix->length == (prefix->addr.family == IP_V4 ? 32 : 128) &&
           (first == IP_CLASS_CLOSED || first == IP_CLASS_METADATA);
}

// is_too_wide tells whether a prefix begins in a special range and ends outside: in an allow it
// opens nothing of that range.
static bool is_too_wide(const struct ip_prefix *prefix)
{
    return prefix->length != (prefix->addr.family == IP_V4 ? 32 : 128) &&
           ip_addr_classify(&prefix->addr) != IP_CLASS_ORDINARY && !ip_prefix_opens_special(prefix);
}

static void note_prefix(struct list_facts *facts, const struct reader *reader,
                        const struct node *node, const struct ip_prefix *prefix)
{
    const bool is_single = prefix->length == (prefix->addr.family == IP_V4 ? 32 : 128);
    facts->opens_special |= ip_prefix_opens_special(prefix);
    facts->opens_range |= !is_single && ip_prefix_opens_special(prefix);
    if (facts->odd_count == LIST_ODD_MAX || !(is_never_reachable(prefix) || is_too_wide(prefix)))
        return;
    facts->odd[facts->odd_count++] = (struct odd_prefix){
        .prefix = *prefix, .file = reader->file, .line = node->line, .column = node->column};
}

static bool address_add(struct list_builder *builder, struct reader *reader,
                        const struct node *node)
{
    struct slice text = {0};
    struct ip_prefix prefix;
    struct errinfo info;
    if (!reader_text(reader, node, "address", CONFIG_TEXT_MAX, &text))
        return false;
    if (slice_equal(text, SLICE_LITERAL("public"))) {
        builder->addresses.has_public = true;
        return true;
    }
    if (ip_prefix_parse(text, &prefix, &info) != ERR_OK) {
        reader_error(reader, node, "address: %s", info.text); // which repeats it
        return false;
    }
    note_prefix(&builder->facts, reader, node, &prefix);
    return ip_set_builder_add(&builder->addresses, &prefix) == ERR_OK || reader_no_memory(reader);
}

bool list_builder_add(struct list_builder *builder, struct reader *reader, const struct node *node)
{
    if (builder->facts.entry_count == LIST_ENTRIES_MAX)
        return reader_error(reader, node, "this list has more than %d entries", LIST_ENTRIES_MAX);
    builder->facts.entry_count++;
    return builder->kind == LIST_HOSTS ? host_add(builder, reader, node)
                                       : address_add(builder, reader, node);
}

// ---- lines --------------------------------------------------------------------------------------

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

// strip_comment cuts a line at a `#` in front of which there is nothing or a blank.
static struct slice strip_comment(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] == '#' && (i == 0 || is_blank(line.data[i - 1])))
            return slice_first(line, i);
    }
    return line;
}

// line_read gives the entry of a line as a node, whose column is set; false when there is none.
static bool line_read(struct slice line, struct node *out)
{
    size_t start = 0;
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    line = strip_comment(line);
    while (start < line.len && is_blank(line.data[start]))
        start++;
    while (line.len > start && is_blank(line.data[line.len - 1]))
        line.len--;
    out->text = slice_from(line, start);
    out->column = (uint32_t)start + 1;
    return start < line.len;
}

void list_builder_add_lines(struct list_builder *builder, struct reader *reader, const char *path,
                            struct slice bytes)
{
    struct reader lines = *reader;
    struct node node = {.kind = NODE_SCALAR, .is_quoted = true};
    const size_t before = reader->diagnostics->error_count;
    lines.file = path;
    if (slice_starts_with(bytes, SLICE_LITERAL("\xEF\xBB\xBF")))
        bytes = slice_from(bytes, 3);
    while (bytes.len > 0 && !lines.is_out_of_memory) {
        const size_t end = slice_find(bytes, '\n');
        node.line++;
        if (line_read(slice_first(bytes, end), &node))
            (void)list_builder_add(builder, &lines, &node);
        bytes = slice_from(bytes, end + 1);
        if (reader->diagnostics->error_count - before > DIAGNOSTICS_MAX)
            break; // no list at all, it seems
    }
    reader->is_out_of_memory |= lines.is_out_of_memory;
}

// ---- facts --------------------------------------------------------------------------------------

void list_facts_add(struct list_facts *facts, const struct list_facts *other)
{
    facts->entry_count += other->entry_count;
    facts->has_any |= other->has_any;
    facts->has_wildcard |= other->has_wildcard;
    facts->opens_special |= other->opens_special;
    facts->opens_range |= other->opens_range;
}

void list_facts_report(struct reader *reader, const struct list_facts *facts)
{
    for (size_t i = 0; i < facts->odd_count; i++) {
        const struct odd_prefix *odd = &facts->odd[i];
        const struct node place = {.line = odd->line, .column = odd->column};
        struct reader there = *reader;
        char text[IP_PREFIX_TEXT_CAP];
        (void)ip_prefix_format(&odd->prefix, text);
        there.file = odd->file;
        if (is_never_reachable(&odd->prefix))
            reader_warning(&there, &place,
                           "`%s` is never reachable, whatever a rule says\ntake it out", text);
        else
            reader_warning(
                &there, &place,
                "`%s` is wider than a special range: it opens only the ordinary addresses in it"
                "\nwrite `public` for all ordinary addresses, and each special range by itself",
                text);
    }
}
