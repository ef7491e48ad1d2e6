// The CAs, and the pair.
#include "proxy/config/server_files.h"

#include "auth/base/date.h"
#include "proxy/config/named_files.h"
#include "proxy/config/system_cas.h"
#include "proxy/config/validity.h"

enum { CA_FILE_MAX = 16 * 1024 * 1024 }; // bytes

// cas_read reads the CAs.
static bool cas_read(struct reader *reader, const struct node *node, struct server_files *out)
{
    if (!out->is_system)
        return reader_file(reader, node_get(node, "ca"), "`ca`", CA_FILE_MAX, FILE_PUBLIC,
                           &out->ca_path, &out->ca);
    out->ca_path = SYSTEM_CAS_PATH;
    return system_cas_read(reader, node, "`system_cas`", &out->ca);
}

bool server_files_read(struct reader *reader, const struct node *node,
                       const struct section *certificate, bool is_system, struct server_files *out)
{
    const struct node *pair = node_get(node, "certificate");
    out->is_system = is_system;
    const bool has_ca = cas_read(reader, node, out);
    if (pair == NULL)
        return has_ca;
    if (!section_read(reader, pair, certificate, NULL))
        return false;
    const bool is_read = pair_files_read(reader, pair, &out->own);
    if (is_read && out->own.is_chain_empty)
        return reader_error(reader, pair, "chain %s: the file is empty", out->own.chain_path);
    return has_ca && is_read;
}

// report_own says how long the certificate that we show is good.
static void report_own(struct reader *reader, const struct node *node, const char *path,
                       const char *peer, const struct tls_context_info *info)
{
    char date[DATE_TEXT_CAP];
    if (info->not_before_s > reader->now_s)
        reader_warning(reader, node, "%s (%s) is not valid before %s", path, info->subject,
                       date_format(info->not_before_s, DATE_DAY, date));
    else
        validity_report(reader, node, path, info->subject, info->not_after_s);
    if (!info->has_client_auth)
        reader_warning(reader, node,
                       "%s (%s) is no client certificate: its extended key usage lacks clientAuth"
                       "\nthe %s will probably refuse it: issue one with clientAuth",
                       path, info->subject, peer);
}

// report_cas says how long the CAs are good, unless others look after them.
static void report_cas(struct reader *reader, const struct node *node,
                       const struct server_files *files, const struct trust *trust)
{
    for (size_t i = 0; !files->is_system && i < trust_certificate_count(trust); i++) {
        const struct trust_certificate ca = trust_certificate_at(trust, i);
        validity_report(reader, node, files->ca_path, ca.subject, ca.not_after_s);
    }
}

bool server_files_make(struct reader *reader, const struct node *node,
                       const struct server_files *files, const struct target *server,
                       const char *peer, struct server_trust **out)
{
    const struct node *ca = files->is_system ? node : node_get(node, "ca");
    const struct node *certificate = node_get(node, "certificate");
    const struct server_trust_options options = {.server = server,
                                                 .ca_pem = files->ca.bytes,
                                                 .is_system = files->is_system,
                                                 .chain_pem = files->own.chain.bytes,
                                                 .key = files->own.key,
                                                 .now_s = reader->now_s};
    enum server_trust_part part = SERVER_TRUST_CA;
    struct errinfo info = {0};
    const enum err error = server_trust_create(&options, out, &part, &info);
    if (error == ERR_OK) {
        report_cas(reader, ca, files, server_trust_profile(*out));
        if (certificate != NULL)
            report_own(reader, certificate, files->own.chain_path, peer, server_trust_own(*out));
        return true;
    }
    if (error == ERR_MEMORY)
        return reader_no_memory(reader);
    if (part == SERVER_TRUST_CA)
        return reader_error(reader, ca, "%s: %s", files->ca_path, info.text);
    reader->diagnostics->pair_count++;
    return reader_error(reader, certificate, "chain %s, key %s: %s", files->own.chain_path,
                        files->own.key_path, info.text);
}

void server_files_deinit(struct server_files *files)
{
    file_content_deinit(&files->ca);
    pair_files_deinit(&files->own);
}
