"""The recipes of docs/CLIENTS.md for programs that take much to install. Part of `tools/test --clients`. wget and pip, which go
through the sidecar, are in test_sidecar_clients.py."""

import pytest

from support.recipe_cases import Cases, Recipe, kitchen, site  # noqa: F401 - fixtures

ROWS = [
    Recipe("aiohttp", "Denied by rule no-social", "502", "CERTIFICATE_EXPIRED"),
    Recipe("httpx", "403 Denied by rule no-social", "502", "CERTIFICATE_EXPIRED"),
    Recipe("undici", "Proxy response (403)", "Proxy response (502)", ""),
    Recipe("https-proxy-agent", "no-social", "dns_failed", "certificate expired"),
    Recipe("go", "Denied by rule no-social", "dns_failed", "expired certificate"),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def recipe(request):
    return request.param


class TestRecipes(Cases):
    pass
