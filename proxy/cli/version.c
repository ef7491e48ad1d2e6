// `sallyport version`: a few lines for people, one JSON object for scripts.
#include "proxy/cli/commands.h"

#include <stdio.h>
#include <time.h>

#include <ares_version.h>
#include <ev.h>
#include <hiredis/hiredis.h>
#include <nghttp2/nghttp2ver.h>

#include "auth/base/date.h"
#include "auth/base/json.h"
#include "proxy/cli/options.h"
#include "proxy/tls/library.h"
#include "proxy/version.h"

static const char usage[] =
    "usage: sallyport version [--json]\n"
    "\n"
    "Prints the versions of the program and of the libraries in it, and warns on stderr where BoringSSL is\n"
    "older than two years.\n"
    "\n"
    "      --json   one JSON object\n"
    "  -h, --help   this text\n";

static void print_json(const struct tls_library *library, bool is_old)
{
    char libev[32];
    char hiredis[32];
    char date[DATE_TEXT_CAP];
    (void)snprintf(libev, sizeof libev, "%d.%d", EV_VERSION_MAJOR, EV_VERSION_MINOR);
    (void)snprintf(hiredis, sizeof hiredis, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR,
                   HIREDIS_PATCH);
    struct text out = cli_json_begin();
    json_add_string(&out, "version", SALLYPORT_VERSION);
    json_add_number(&out, "boringssl_api", library->api);
    json_begin_object(&out, "boringssl");
    json_add_string(&out, "name", library->name);
    json_add_string(&out, "commit", library->commit[0] == '\0' ? NULL : library->commit);
    json_add_string(&out, "date",
                    library->date_s == 0 ? NULL : date_format(library->date_s, DATE_DAY, date));
    json_add_bool(&out, "old", is_old);
    json_add_bool(&out, "vaes", library->has_vaes);
    json_add_bool(&out, "ml_kem", library->has_ml_kem);
    json_end_object(&out);
    json_add_string(&out, "libev", libev);
    json_add_string(&out, "c_ares", ARES_VERSION_STR);
    json_add_string(&out, "nghttp2", NGHTTP2_VERSION);
    json_add_string(&out, "hiredis", hiredis);
    cli_json_end(&out);
}

static void print_text(const struct tls_library *library, bool is_old)
{
    char data[TLS_LIBRARY_ADVICE_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    tls_library_append(library, &text);
    (void)printf("sallyport %s (libev %d.%d, c-ares %s, nghttp2 %s, hiredis %d.%d.%d)\n%s\n",
                 SALLYPORT_VERSION, EV_VERSION_MAJOR, EV_VERSION_MINOR, ARES_VERSION_STR,
                 NGHTTP2_VERSION, HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH, text.data);
    if (!is_old)
        return;
    text_init(&text, data, sizeof data);
    tls_library_append_advice(library, &text);
    (void)fprintf(stderr, "warning: %s\n", text.data);
}

int version_command(int argc, char **argv)
{
    bool is_json = false;
    const struct cli_option options[] = {
        {"json", .flag = &is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "version", .usage = usage, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    const struct tls_library library = tls_library_describe();
    const bool is_old = tls_library_is_old(&library, (int64_t)time(NULL));
    if (is_json)
        print_json(&library, is_old);
    else
        print_text(&library, is_old);
    return cli_finish("version");
}
