"""The store that proxies share: reached as the configuration says, found again, and not believed when it says nonsense."""

import itertools
import secrets

import pytest

from support.config import client, merge, reach, write_config
from support.control import CONTROL, Control, read_lines
from support.pages import PAGES
from support.pki import SERVER_AUTH
from support.proxy import run
from support.scale import count, eventually
from support.store import Meddler, Store, free_port

MIB = 1024 * 1024


@pytest.fixture
def stores(tmp_path):
    """Makes stores, and ends them."""
    made = []

    def make(**options):
        folder = tmp_path / f"store{len(made)}"
        folder.mkdir()
        made.append(Store(folder, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def key_file(tmp_path):
    return secret_file(tmp_path / "fleet.key", secrets.token_hex(32))


def secret_file(path, text):
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def sharing(start, origin, dns, key_file):
    """Starts a proxy that shares a store."""
    dns.addresses("origin.test", "127.0.0.1")
    server = origin()

    def begin(address, is_connected=True, **more):
        shared = {"key_file": key_file, **({"valkey": address} if address else {}), **more}
        proxy = start(client(reach("origin.test", server.port)), control=CONTROL, shared=shared)
        proxy.control = Control(proxy)
        proxy.target = f"origin.test:{server.port}"
        if is_connected:
            wait_ready(proxy)
        return proxy

    return begin


def store_of(proxy):
    return proxy.control.status()["fleet"]["store"]


def wait_ready(proxy, address=None):
    eventually(
        lambda: store_of(proxy)["state"] == "ready" and address in (None, store_of(proxy)["place"]),
        lambda: f"the store to be ready; it is {store_of(proxy)}",
    )


def wait_problem(proxy, pattern):
    """Until the log has this sentence about the store, after what was said before."""
    return proxy.stderr.wait(rf"the store does not answer: .*{pattern}")


def acl_rule():
    """The line for the store's ACL that FLEET.md gives."""
    text = PAGES["docs/FLEET.md"].read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("user sallyport "))
    return line.split()


def test_the_rule_of_the_page_is_enough_and_a_wrong_password_is_mended_by_its_file(stores, sharing, tmp_path):
    store = stores().start()
    rule = acl_rule()
    assert ">PASSWORD" in rule
    store.ask("ACL", "SETUSER", rule[1], *(">se cret" if word == ">PASSWORD" else word for word in rule[2:]))
    store.ask("ACL", "SETUSER", "default", "off")
    password = tmp_path / "password"
    secret_file(password, "wrong")
    proxy = sharing(store.address, is_connected=False, user="sallyport", password_file=str(password))
    wait_problem(proxy, "WRONGPASS: it knows no such user and password")
    assert "shared.password_file" in store_of(proxy)["problem"]
    secret_file(password, "se cret")  # it is watched
    wait_ready(proxy)
    proxy.control.block("--force", "somebody")
    proxy.control.unblock("somebody")
    tunnel = proxy.tunnel(proxy.target)
    tunnel.echo(b"through")
    proxy.control.run("kill", "--fleet", "client:workers")
    proxy.assert_closed(tunnel.id, "killed")
    store.kill()
    before = proxy.stderr.count()
    store.start()
    store.ask("ACL", "SETUSER", rule[1], *(">se cret" if word == ">PASSWORD" else word for word in rule[2:]))
    proxy.stderr.wait("the store at .* answers", after=before)
    assert [each for each in store.ask("ACL", "LOG") if b"sallyport" in each and b"auth" not in each] == []


def test_the_list_is_tried_in_order_and_no_replica_is_used(stores, sharing):
    first, second = stores().start(), stores().start()
    second.ask("REPLICAOF", "127.0.0.1", first.port)
    proxy = sharing([first.address, second.address])
    assert store_of(proxy)["place"] == first.address
    first.kill()
    wait_problem(proxy, "")
    eventually(lambda: "it is no master" in (store_of(proxy)["problem"] or ""), "the replica to be told apart")
    second.ask("REPLICAOF", "NO", "ONE")
    wait_ready(proxy, second.address)
    # Now the other way round, while the connection stays.
    first.start()
    second.ask("REPLICAOF", "127.0.0.1", first.port)
    wait_ready(proxy, first.address)
    proxy.tunnel(proxy.target).echo(b"all the while")


def test_sentinels_are_asked_where_the_master_is_and_a_fall_over_is_followed(stores, sharing, tmp_path):
    first, second = stores().start(), stores().start()
    second.ask("REPLICAOF", "127.0.0.1", first.port)
    sentinel = stores()
    settings = tmp_path / "sentinel.conf"
    settings.write_text(
        f"sentinel monitor mine 127.0.0.1 {first.port} 1\n"
        "sentinel down-after-milliseconds mine 300\n"
        "sentinel failover-timeout mine 3000\n"
    )
    sentinel.start(str(settings), "--sentinel")
    proxy = sharing(None, sentinel={"name": "mine", "addresses": [f"127.0.0.1:{free_port()}", sentinel.address]}, clear=True)
    assert store_of(proxy)["place"] == first.address
    eventually(lambda: sentinel.ask("SENTINEL", "replicas", "mine"), "the Sentinel to know the replica")
    first.kill()
    wait_ready(proxy, second.address)
    proxy.reload(shared={"sentinel": {"name": "nobody", "addresses": [sentinel.address]}})
    wait_problem(proxy, "the Sentinel at .* names no master")


def test_over_tls_the_store_must_have_the_name_and_is_shown_a_certificate(stores, sharing, pki):
    server = pki.server_ca.leaf("store", dns=("store.test",), usages=(SERVER_AUTH,))
    files = {"tls-cert-file": server.chain, "tls-key-file": server.key, "tls-ca-cert-file": pki.ca.path}
    store = stores(**files)
    store.options.update({"tls-port": free_port(), "tls-auth-clients": "yes"})
    store.start()
    address = f"127.0.0.1:{store.options['tls-port']}"
    good = {"ca": pki.server_ca.path, "name": "store.test", "certificate": {"chain": pki.worker.chain, "key": pki.worker.key}}
    proxy = sharing(address, tls=good)
    kinds = {each["kind"] for each in proxy.control.status()["certificates"] if each["of"] == "store"}
    assert kinds == {"store", "store_anchor"}
    for wrong, sentence in (
        ({"name": ...}, "127.0.0.1"),  # which its certificate does not have
        ({"ca": pki.ca.path}, "is its CA in"),
        ({"certificate": ...}, "certificate required|ended the connection"),
    ):
        said = proxy.stderr.count()
        proxy.reload(shared={"tls": {**good, **wrong}})
        proxy.stderr.wait("the store does not answer: ", after=said)  # also where it was lost before
        eventually(lambda: store_of(proxy)["state"] == "lost", lambda: f"{wrong} to be refused: {store_of(proxy)}")
        assert any(each in store_of(proxy)["problem"] for each in sentence.split("|")), store_of(proxy)["problem"]
    # One side speaks TLS, and the other does not.
    proxy.reload(shared={"valkey": store.address, "tls": good})
    wait_problem(proxy, "the proxy speaks TLS, and this port may not: name its port with TLS in `shared.valkey`")
    proxy.reload(shared={"valkey": address, "tls": ...})
    wait_problem(proxy, "it speaks TLS, and the proxy does not|it may want TLS")
    proxy.reload(shared={"tls": good})
    wait_ready(proxy)


def test_a_store_that_hangs_is_lost_after_a_second_and_used_again_when_it_answers(stores, sharing):
    store = stores().start()
    proxy = sharing(store.address)
    store.hold()
    wait_problem(proxy, "it has not answered for a second")
    proxy.tunnel(proxy.target).echo(b"nobody waits for the store")
    store.release()
    wait_ready(proxy)


def endless(piece):
    return lambda words, raw: itertools.repeat(piece)


# What is said in the place of an answer, and the word for it in the log. tests/unit/store has more of this.
NONSENSE = {
    "http": (lambda words, raw: b"HTTP/1.1 400 Bad Request\r\n\r\n", "no answer of a Redis"),
    "a string without end": (
        lambda words, raw: itertools.chain([b"$536870912\r\n"], itertools.repeat(b"y" * 65536)),
        "longer than may be",
    ),
    "many small arrays": (endless(b"*4000\r\n"), "announced that is longer|more than four"),
    "answers without end": (endless(b":1\r\n" * 1000), "what nobody has asked|is none to PING"),
    "silence": (lambda words, raw: None, "not answered for a second"),
    "READONLY": (lambda words, raw: b"-READONLY You can't write against a read only replica.\r\n", "READONLY: it is a replica"),
}

BIGGEST = 9223372036854775807


def beat(now=1_795_311_600_000, known=1, members=1, others=0, scarce=b"*0\r\n"):
    """What the store says to a beat: its time, whether it has known the proxy, how many there are, and four numbers besides."""
    return b"*8\r\n" + b"".join(b":%d\r\n" % each for each in (now, known, members, *[others] * 4)) + scarce


NO_BEAT = "the store's answer to a beat makes no sense"

# What is an answer, but none to this question, and what is said of it: nothing is believed, and the proxy goes on.
WRONG = {
    "another type": (b"+OK\r\n", NO_BEAT),
    "nothing": (b"$-1\r\n", NO_BEAT),
    "an empty array": (b"*0\r\n", NO_BEAT),
    "numbers below nothing": (beat(others=-1), NO_BEAT),
    "numbers beyond all": (beat(now=BIGGEST, others=BIGGEST), ""),  # as far as it knows the store has counted so far
    "more members than there can be": (beat(members=BIGGEST), NO_BEAT),
    "nobody": (beat(members=0), NO_BEAT),
    "scarce numbers": (beat(scarce=b"*1\r\n:1\r\n"), NO_BEAT),
    "bytes": (b"*8\r\n" + b"$3\r\n\x00\xff\n\r\n" * 8, NO_BEAT),
    "an error": (b"-ERR \x1b[31m\x00\r\n", r"answers with an error: ERR \x1b[31m\x00"),
    "OOM": (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM: its memory is full"),
    "NOSCRIPT": (b"-NOSCRIPT No matching script.\r\n", "NOSCRIPT: it has forgotten a script"),
    "NOPERM": (b"-NOPERM this user has no permissions\r\n", "NOPERM: its ACL does not let our user do that"),
}


def test_nonsense_ends_the_connection_is_said_and_does_no_harm(stores, sharing):
    store = stores().start()
    meddler = Meddler(store)
    proxy = sharing(meddler.address_and_port)
    live = proxy.tunnel(proxy.target)
    before = proxy.resident()
    for name, (spoil, sentence) in NONSENSE.items():
        said = proxy.stderr.count()
        meddler.spoil = spoil
        line = proxy.stderr.wait("the store does not answer: (.*)", after=said)[1]
        assert any(each in line for each in sentence.split("|")), (name, line)
        live.echo(name.encode())
        meddler.spoil = None
        wait_ready(proxy)
    assert proxy.resident() < before + count(16 * MIB, 512 * MIB)  # a sanitizer keeps what was freed
    meddler.stop()


def test_answers_to_other_questions_are_not_believed(stores, sharing):
    store = stores().start()
    meddler = Meddler(store)
    proxy = sharing(meddler.address_and_port)
    live = proxy.tunnel(proxy.target)
    blocked, commands = [], []
    for name, (wrong, problem) in WRONG.items():
        seen = []

        def spoil(words, raw, wrong=wrong, seen=seen):
            # On a busy machine a connection may be lost: the next one begins as any does.
            if words[0] in (b"PING", b"ROLE", b"AUTH") or b"sallyport:fresh" in words:
                return raw
            seen.append(words)
            return wrong

        meddler.spoil = spoil
        blocked.append(f"client:{name.replace(' ', '-')}")
        commands.append(proxy.control.connect(b"block force %s\n" % blocked[-1].encode()))  # is written to the store at once
        eventually(lambda: any(b"sallyport:scarce" in words for words in seen), f"a beat that is answered with {name}")
        eventually(lambda: len(seen) >= 2, f"two questions that are answered with {name}")
        live.echo(name.encode())
        eventually(lambda: problem in (store_of(proxy)["problem"] or ""), lambda: f"{name} to be said: {store_of(proxy)}")
        assert sorted(each["block"] for each in proxy.control.status()["blocks"]) == sorted(blocked), name
    for name, command in zip(WRONG, commands):
        said = read_lines(command)[-1]
        command.close()
        assert said["exit"] == 1 and "but on this proxy alone: the store" in said["message"], (name, said)
    meddler.spoil = None
    eventually(lambda: store.ask("HLEN", "sallyport:blocks") == len(blocked), "the store to have all blocks")
    assert sorted(each["block"] for each in proxy.control.status()["blocks"]) == sorted(blocked)
    meddler.stop()


def test_an_error_of_the_store_is_said_with_what_to_do(stores, sharing):
    store = stores().start()
    proxy = sharing(store.address)
    store.ask("CONFIG", "SET", "maxmemory", "1")
    proxy.stderr.wait("OOM: its memory is full")
    assert "give it more memory" in store_of(proxy)["problem"]
    assert "OOM" in proxy.control.block("--force", "nobody", expected=1).stderr
    store.ask("CONFIG", "SET", "maxmemory", "0")
    proxy.control.block("--force", "somebody")
    assert store.ask("HLEN", "sallyport:blocks") == 2
    eventually(lambda: store_of(proxy)["problem"] is None, "it not to be said any more")


def test_under_the_cage_a_reload_leads_to_another_store_and_another_key(stores, sharing, tmp_path):
    first, second = stores().start(), stores().start()
    proxy = sharing(first.address)
    other = secret_file(tmp_path / "other.key", secrets.token_hex(32))
    password = secret_file(tmp_path / "password", "for nobody")
    second.ask("CONFIG", "SET", "requirepass", "for nobody")
    proxy.reload(shared={"valkey": second.address, "key_file": other, "password_file": password})
    wait_ready(proxy, second.address)
    proxy.reload(shared={"valkey": first.address, "password_file": ...})
    wait_ready(proxy, first.address)


def test_check_says_what_is_shared_and_what_is_wrong_with_it(sharing, stores, tmp_path):
    store = stores().start()
    proxy = sharing(store.address)
    said = run("check", "-c", proxy.config_path).stdout
    assert f"shares sallyport:* in the clear, by a store at: 127.0.0.1 port {store.port}" in said
    loose = tmp_path / "loose.key"
    loose.write_text(secrets.token_hex(32) + "\n")
    loose.chmod(0o644)
    for change, sentence in (
        ({"valkey": "192.0.2.1:6379"}, "would be reached in the clear"),
        ({"key_file": str(loose)}, "others have access"),
        ({"key_file": "none.key"}, "openssl rand -hex 32 > "),
        ({"on_lost": "open"}, "on_lost"),
    ):
        path = proxy.folder / "changed.yaml"
        write_config(path, merge(proxy.config, {"shared": change}))
        refused = run("check", "-c", path)
        assert refused.returncode == 3 and sentence in refused.stderr + refused.stdout, refused
