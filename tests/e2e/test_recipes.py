"""The recipes of docs/CLIENTS.md for curl, requests and urllib3, as they stand there. Those for git and apt are in
test_recipes_git_apt.py, the others in test_recipes_clients.py."""

import pytest

from support.recipe_cases import Cases, Recipe, kitchen, plain_site, site  # noqa: F401 - fixtures
from support.recipes import recipes


TUNNEL = "Tunnel connection failed: "
EXPIRED = "CERTIFICATE_EXPIRED"
REQUIRED = "CERTIFICATE_REQUIRED"
ROWS = [
    Recipe(
        *("curl", "CONNECT tunnel failed, response 403", "response 502"),
        *("certificate expired", "certificate required"),
        again=('"$URL"', "$URL"),
    ),
    Recipe(
        *("requests", TUNNEL + "403 Denied by rule no-social", TUNNEL + "502", EXPIRED, REQUIRED),
        again=(
            'print(session.get(os.environ["URL"]',
            'for url in os.environ["URL"].split():\n    print(session.get(url',
        ),
    ),
    Recipe(
        *("urllib3", TUNNEL + "403 Denied by rule no-social", TUNNEL + "502", EXPIRED, REQUIRED),
        plain=(" ssl_context=to_origin", " ssl_context=to_proxy"),
    ),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def recipe(request):
    return request.param


class TestRecipes(Cases):
    pass


def test_every_recipe_of_the_page_has_a_test():
    git_apt = {"git", "apt"}
    node = {"undici", "https-proxy-agent", "axios", "got"}
    clients = {"aiohttp", "httpx", "go", "sidecar", "wget", "pip"}
    browser = {"chromium", "chromium-policy"}
    assert recipes().keys() == {row.name for row in ROWS} | git_apt | node | clients | browser
