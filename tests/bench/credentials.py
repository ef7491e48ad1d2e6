"""The certificates of a run: P-256 leaf and intermediate on both sides, made again each time.

Owns: nothing but their shape; they are made by the end-to-end tests' own authority.
"""

import os

from support.pki import SERVER_AUTH, Authority


class Credentials:
    """`ca` is what proxies trust for clients, `server_ca` what clients trust; `client` and `server` have `chain` and `key`
    files."""

    def __init__(self, folder):
        self.ca = Authority(folder, "clients-root")
        clients = Authority(folder, "clients", issuer=self.ca)
        self.client = clients.leaf("bench", sends=(clients,))
        self.server_ca = Authority(folder, "servers-root")
        servers = Authority(folder, "servers", issuer=self.server_ca)
        self.server = servers.leaf(
            "proxy.bench", dns=("proxy.bench",), ip=("127.0.0.1",), usages=(SERVER_AUTH,),
            sends=(servers,)
        )
        for name in os.listdir(folder):
            os.chmod(os.path.join(folder, name), 0o600 if name.endswith(".key") else 0o644)
