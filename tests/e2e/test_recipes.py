"""The recipes of docs/CLIENTS.md for curl, requests and urllib3, as they stand there. git and apt have tests of their own
in test_clients.py; the others are in test_recipes_clients.py."""

import pytest

from support.recipe_cases import Cases, Recipe, kitchen, site  # noqa: F401 - fixtures
from support.recipes import recipes


TUNNEL = "Tunnel connection failed: "
EXPIRED = "CERTIFICATE_EXPIRED"
ROWS = [
    Recipe("curl", "CONNECT tunnel failed, response 403", "response 502", "certificate expired"),
    Recipe("requests", TUNNEL + "403 Denied by rule no-social", TUNNEL + "502", EXPIRED),
    Recipe("urllib3", TUNNEL + "403 Denied by rule no-social", TUNNEL + "502", EXPIRED),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def recipe(request):
    return request.param


class TestRecipes(Cases):
    pass


def test_every_recipe_of_the_page_has_a_test():
    elsewhere = {"git", "apt", "aiohttp", "httpx", "undici", "https-proxy-agent", "go", "wget", "pip"}
    assert recipes().keys() == {row.name for row in ROWS} | elsewhere
