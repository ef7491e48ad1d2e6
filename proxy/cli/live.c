// One `status`, read for what concerns a question.
#include "proxy/cli/live.h"

#include <stdlib.h>

#include "proxy/cli/control_client.h"

static void take_blocks(struct live *live, const json_t *root)
{
    const json_t *list = json_object_get(root, "blocks");
    const size_t count = json_array_size(list);
    struct errinfo info;
    live->unlisted = member_number(root, "blocks_not_listed");
    struct block *blocks = calloc(count + 1, sizeof *blocks);
    char(*texts)[BLOCK_TEXT_CAP] = calloc(count + 1, sizeof *texts);
    bool is_read = blocks != NULL && texts != NULL;
    for (size_t i = 0; is_read && i < count; i++) {
        const char *text = member_text(json_array_get(list, i), "block");
        is_read = block_parse(slice_of_string(text), texts[i], &blocks[i], &info) == ERR_OK;
    }
    if (!is_read || blocklist_create(blocks, count, &live->blocks) != ERR_OK)
        live->is_unusable = true;
    free(texts);
    free(blocks);
}

static void take_client(struct live *live, const json_t *root)
{
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(json_object_get(root, "clients"), i, one)
    {
        if (live->client == NULL || strcmp(member_text(one, "name"), live->client) != 0)
            continue;
        live->is_counted = true;
        live->tunnels = member_number(one, "tunnels");
    }
    if (!live->is_counted) // those who are left out have no more than the last one that is there
        live->is_counted = live->client != NULL && member_number(root, "clients_not_listed") == 0;
}

static void on_line(void *arg, const json_t *root)
{
    struct live *live = arg;
    const char *id = member_text(json_object_get(root, "config"), "id");
    if (!string_copy(live->config, sizeof live->config, slice_of_string(id)))
        live->is_unusable = true;
    take_blocks(live, root);
    take_client(live, root);
}

int live_ask(const char *config_path, const char *client, struct live *out)
{
    const struct control_options options = {.command = "explain", .config_path = config_path};
    *out = (struct live){.client = client};
    const int status = control_ask(&options, "status", false, on_line, out);
    if (status == CLI_OK && !out->is_unusable)
        return CLI_OK;
    if (out->is_unusable)
        cli_say("explain", "the proxy's answer cannot be used");
    live_deinit(out);
    return status == CLI_OK ? CLI_UNLOADABLE : status;
}

void live_deinit(struct live *live)
{
    blocklist_unref(live->blocks);
    *live = (struct live){0};
}
