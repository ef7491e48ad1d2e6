"""What each hostile source of revocations has, and its clients: see hostile_revocation.py."""

import ssl


class Member:
    """A client: its certificate, and the TLS session of the last time."""

    def __init__(self, leaf, server_ca):
        self.serial = leaf.serial
        self.certificate = leaf.certificate
        self.session = None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(server_ca)
        self.context.load_cert_chain(leaf.chain, leaf.key)


class Part:
    """What a hostile source of revocations has. The methods without a body must be there."""

    name = ""  # of its listener and its trust profile
    members = ()

    def profile(self):
        """Its trust profile, for the configuration."""
        raise NotImplementedError

    def step(self):
        """Twice a second: it may change its mood, and who is revoked."""
        raise NotImplementedError

    def be_honest(self):
        """From now on it tells the truth at once, and everybody is good."""
        raise NotImplementedError

    def problem_of(self, serial, at_s):
        """Why it was wrong to let this client in at that time; None: it was right."""
        raise NotImplementedError

    def lingered(self, serial, begun_s, ended_s):
        """Why a tunnel should have ended before; None: it was right."""
        raise NotImplementedError

    def report(self):
        """What it has done, in a line."""
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError
