// The first configuration. Its comments explain it to a new user.
#include "proxy/cli/starter_config.h"

#include "auth/target.h"

// parse_prefixes reads `CIDR[,CIDR]...`.
static enum err parse_prefixes(struct slice list, struct starter_allow *out, struct errinfo *info)
{
    for (;;) {
        const size_t comma = slice_find(list, ',');
        if (out->prefix_count == STARTER_MAX_PREFIXES)
            return errinfo_set(info, ERR_LIMIT, "more than %d ranges for one host",
                               STARTER_MAX_PREFIXES);
        TRY(ip_prefix_parse(slice_first(list, comma), &out->prefixes[out->prefix_count], info));
        out->prefix_count++;
        if (comma == list.len)
            return ERR_OK;
        list = slice_from(list, comma + 1);
    }
}

// parse_address reads the host as an address and tells whether it is one.
static bool parse_address(struct slice host, struct ip_addr *out)
{
    const bool has_brackets =
        host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    const struct slice inside = has_brackets ? slice_of(host.data + 1, host.len - 2) : host;
    return ip_addr_parse(inside, out) == ERR_OK && (out->family == IP_V6) == has_brackets;
}

// allow_address makes the rule of an address: its range is what was given, or itself alone.
static enum err allow_address(const struct ip_addr *addr, struct starter_allow *out,
                              struct errinfo *info)
{
    out->is_address = true;
    if (out->prefix_count == 0) {
        out->prefixes[out->prefix_count++] =
            (struct ip_prefix){.addr = *addr, .length = addr->family == IP_V4 ? 32 : 128};
        return ERR_OK;
    }
    for (size_t i = 0; i < out->prefix_count; i++) {
        if (ip_prefix_contains(&out->prefixes[i], addr))
            return ERR_OK;
    }
    char text[IP_TEXT_CAP];
    return errinfo_set(info, ERR_INPUT, "the address %s is in none of the ranges after the '='",
                       ip_addr_format(addr, text));
}

enum err starter_allow_parse(struct slice s, struct starter_allow *out, struct errinfo *info)
{
    *out = (struct starter_allow){0};
    const size_t equals = slice_find(s, '=');
    const struct slice authority = slice_first(s, equals);
    size_t colon = authority.len;
    while (colon > 0 && authority.data[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return errinfo_set(info, ERR_INPUT,
                           "'%.*s' has no port: write HOST:PORT, like "
                           "example.com:443",
                           (int)slice_first(s, 100).len, (const char *)s.data);
    if (port_parse(slice_from(authority, colon), &out->port) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "the port in '%.*s' is not a number from 1 to 65535",
                           (int)slice_first(s, 100).len, (const char *)s.data);
    if (equals < s.len)
        TRY(parse_prefixes(slice_from(s, equals + 1), out, info));
    const struct slice host = slice_first(authority, colon - 1);
    struct ip_addr addr;
    if (parse_address(host, &addr))
        return allow_address(&addr, out, info);
    return host_pattern_parse(host, &out->host, info);
}

void starter_allow_format(const struct starter_allow *allow, struct text *out)
{
    static const char *const before[] = {[HOST_PATTERN_EXACT] = "",
                                         [HOST_PATTERN_LABELS] = "",
                                         [HOST_PATTERN_SUFFIX] = "*.",
                                         [HOST_PATTERN_ANY] = "*"};
    text_append_string(out, "- {");
    if (!allow->is_address)
        text_append_format(out, "hosts: [\"%s%s\"], ", before[allow->host.kind],
                           allow->host.name.text);
    text_append_format(out, "ports: [%u]", (unsigned)allow->port);
    for (size_t i = 0; i < allow->prefix_count; i++) {
        char prefix[IP_PREFIX_TEXT_CAP];
        text_append_format(out, "%s\"%s\"", i == 0 ? ", addresses: [" : ", ",
                           ip_prefix_format(&allow->prefixes[i], prefix));
    }
    text_append_string(out, allow->prefix_count > 0 ? "]}" : "}");
}

// append_control writes the section `control`, as a comment where the path would be too long for a socket.
static void append_control(const struct starter_config *config, struct text *out)
{
    text_append_string(
        out,
        "\n"
        "# Where the running proxy is asked: sallyport status -c FILE, and top, tail, reload, drain,\n"
        "# kill and block. Only the user that runs the proxy, and root, may ask.\n");
    if (!config->has_control)
        text_append_string(
            out,
            "# The path of a socket has at most 107 bytes, and here it would have more: name one\n"
            "# in another folder.\n#");
    text_append_string(out, "control: {socket: " STARTER_SOCKET ", state: state.json}\n");
}

void starter_config_format(const struct starter_config *config, struct text *out)
{
    char address[ENDPOINT_TEXT_CAP];
    text_append_format(
        out,
        "# Made by `sallyport quickstart`; yours to change. After a change:\n"
        "#   sallyport check -c sallyport.yaml\n"
        "# Paths are relative to this file.\n"
        "version: 1\n"
        "\n"
        "# Where clients connect, always with TLS and always with a certificate of their own.\n"
        "# To be reached from other machines: \"0.0.0.0:8443\", and a server.crt for their name.\n"
        "listeners:\n"
        "  - name: main\n"
        "    address: \"%s\"\n"
        "    certificates:\n"
        "      - {chain: server.crt, key: server.key}\n"
        "    trust: clients\n"
        "\n"
        "# Whose certificates are believed. Once clients have theirs, ca.key belongs elsewhere.\n"
        "trust:\n"
        "  clients:\n"
        "    ca: [ca.crt]\n"
        "    # What `sallyport ca crl` writes. `keep`: goes by the list when it has expired, too.\n"
        "    crl: [ca.crl]\n"
        "    crl_expired: keep\n"
        "\n"
        "# Who may go where. The first client whose match fits decides; what no rule allows is\n"
        "# denied. A name is allowed at public addresses only, unless the rule names addresses.\n"
        "clients:\n"
        "  - name: demo\n"
        "    match:\n"
        "      - {uri: \"spiffe://%s/client\"}\n"
        "    # Records the name inside each tunnel; `require` would end those that name another host.\n"
        "    inner: {tls: observe}\n"
        "    allow:\n"
        "      - {hosts: [\"example.com\"], ports: [443]}\n",
        endpoint_format(&config->listen, address), config->trust_domain);
    for (size_t i = 0; i < config->allow_count; i++) {
        text_append_string(out, "      ");
        starter_allow_format(&config->allows[i], out);
        text_append_string(out, "\n");
    }
    if (config->reads_hosts_file)
        text_append_string(out, "\n"
                                "# Names of this file are not asked of DNS.\n"
                                "resolver: {hosts_file: /etc/hosts}\n");
    append_control(config, out);
    text_append_string(
        out,
        "\n"
        "# One line of JSON for each decision and for the end of each tunnel.\n"
        "audit: {file: audit.jsonl}\n"
        "# So that nobody can change it without a trace: sallyport audit keygen, and in the braces\n"
        "# chain: {key: audit-sign.key}. Keep audit-sign.key.pub on another machine.\n");
}
