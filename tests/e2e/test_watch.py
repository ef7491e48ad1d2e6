"""Certificates, keys and CAs that change while it runs are picked up without a signal, in every way
that people and tools change files; the configuration file itself is not."""

import os
import shutil
import socket
import ssl

import pytest

from support.config import client, reach, write_config
from support.pki import SERVER_AUTH
from support.scale import PATIENCE, eventually

DENIED = "nowhere.test:443"


def renewed(pki, serial):
    """A certificate for the proxy that can be told by its serial."""
    return pki.server_ca.leaf(
        "proxy.test",
        dns=("proxy.test", "localhost"),
        ip=("127.0.0.1",),
        usages=(SERVER_AUTH,),
        serial=serial,
    )


def served_serial(proxy):
    """The serial of the certificate that the proxy shows now."""
    context = ssl.create_default_context(cafile=proxy.pki.server_ca.path)
    with socket.create_connection(proxy.address, 10) as conn:
        with context.wrap_socket(conn, server_hostname="proxy.test") as tls:
            return int(tls.getpeercert()["serialNumber"], 16)


def wait_served(proxy, serial):
    eventually(
        lambda: served_serial(proxy) == serial,
        lambda: f"serial {serial} to be served: {proxy.stderr.text()}",
    )


def copy_into(folder, leaf):
    folder.mkdir(exist_ok=True)
    shutil.copy(leaf.chain, folder / "tls.crt")
    shutil.copy(leaf.key, folder / "tls.key")
    return folder


def start_with(start, chain, key, **changes):
    certificates = [{"chain": str(chain), "key": str(key)}]
    listeners = [
        {"name": "main", "address": "127.0.0.1:0", "certificates": certificates, "trust": "staff"}
    ]
    return start(listeners=listeners, **changes)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tls"


def in_place(folder, leaf):
    copy_into(folder, leaf)


def renamed_over(folder, leaf):
    for name, source in (("tls.crt", leaf.chain), ("tls.key", leaf.key)):
        shutil.copy(source, folder / (name + ".new"))
        os.rename(folder / (name + ".new"), folder / name)


@pytest.mark.parametrize("write", [in_place, renamed_over])
def test_a_renewed_server_certificate_is_served(start, pki, folder, write):
    copy_into(folder, renewed(pki, 1001))
    proxy = start_with(start, folder / "tls.crt", folder / "tls.key")
    assert served_serial(proxy) == 1001
    for serial in (1002, 1003):
        write(folder, renewed(pki, serial))
        wait_served(proxy, serial)


def test_a_kubernetes_swap_of_its_data_link_is_seen(start, pki, folder, tmp_path):
    folder.mkdir()
    copy_into(folder / "..2026_1", renewed(pki, 1004))
    os.symlink("..2026_1", folder / "..data")
    for name in ("tls.crt", "tls.key"):
        os.symlink(f"..data/{name}", folder / name)
    proxy = start_with(start, folder / "tls.crt", folder / "tls.key")
    for number, serial in ((2, 1005), (3, 1006)):
        copy_into(folder / f"..2026_{number}", renewed(pki, serial))
        os.symlink(f"..2026_{number}", folder / "..data_tmp")
        os.rename(folder / "..data_tmp", folder / "..data")
        wait_served(proxy, serial)
        shutil.rmtree(folder / f"..2026_{number - 1}")


def test_a_swap_of_a_link_above_the_folder_is_seen(start, pki, tmp_path):
    copy_into(tmp_path / "gen1", renewed(pki, 1007))
    copy_into(tmp_path / "gen2", renewed(pki, 1008))
    os.symlink("gen1", tmp_path / "live")
    proxy = start_with(start, tmp_path / "live" / "tls.crt", tmp_path / "live" / "tls.key")
    assert served_serial(proxy) == 1007
    os.symlink(tmp_path / "gen2", tmp_path / "next")
    os.rename(tmp_path / "next", tmp_path / "live")
    wait_served(proxy, 1008)


def test_a_half_written_pair_serves_the_old_one_until_it_is_whole(start, pki, folder):
    copy_into(folder, renewed(pki, 1009))
    proxy = start_with(start, folder / "tls.crt", folder / "tls.key")
    leaf = renewed(pki, 1010)
    shutil.copy(leaf.chain, folder / "tls.crt")
    for _ in range(20):
        assert served_serial(proxy) == 1009
    shutil.copy(leaf.key, folder / "tls.key")
    wait_served(proxy, 1010)


def test_a_new_client_ca_lets_its_clients_in(start, pki, tmp_path):
    bundle = tmp_path / "clients.crt"
    shutil.copy(pki.ca.path, bundle)
    other = pki.authority("Second CA")
    proxy = start(client(), trust={"staff": {"ca": [str(bundle)]}})
    assert "UNKNOWN_CA" in proxy.dial(other.leaf("guest")).refusal()
    with open(bundle, "ab") as file, open(other.path, "rb") as added:
        file.write(added.read())
    proxy.stderr.wait("reloaded: .* generation 1$")
    assert proxy.ask(DENIED, other.leaf("guest")).status == 403


@pytest.mark.protocols("h1", "h2")
def test_a_client_ca_that_goes_ends_the_tunnels_of_its_clients(start, pki, dns, origin, tmp_path):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    other = pki.authority("Second CA")
    bundle = tmp_path / "clients.crt"
    bundle.write_bytes(open(pki.ca.path, "rb").read() + open(other.path, "rb").read())
    proxy = start(client(reach("origin.test", server.port)), trust={"staff": {"ca": [str(bundle)]}})
    ending = proxy.tunnel(f"origin.test:{server.port}", other.leaf("guest"))
    staying = proxy.tunnel(f"origin.test:{server.port}")
    shutil.copy(pki.ca.path, bundle)
    proxy.assert_closed(ending.id, "policy_changed")
    staying.echo(b"untouched")


def test_an_edit_of_the_configuration_waits_for_a_signal(start, pki, folder):
    copy_into(folder, renewed(pki, 1011))
    proxy = start_with(start, folder / "tls.crt", folder / "tls.key")
    config = dict(proxy.config, clients=[client(name="edited")])
    write_config(proxy.config_path, config)
    copy_into(folder, renewed(pki, 1012))
    wait_served(proxy, 1012)
    assert proxy.decision(proxy.ask(DENIED).id)["decision"]["reason"] == "no_client"


def test_a_broken_file_keeps_the_old_state_and_says_so(start, pki, tmp_path):
    bundle = tmp_path / "clients.crt"
    shutil.copy(pki.ca.path, bundle)
    proxy = start(client(), trust={"staff": {"ca": [str(bundle)]}})
    bundle.write_text("")
    proxy.stderr.wait("reload failed, the old configuration")
    assert proxy.ask(DENIED).status == 403


def test_the_audit_log_beside_a_certificate_wakes_nobody(start, pki, folder):
    copy_into(folder, renewed(pki, 1013))
    audit = {"file": str(folder / "audit.jsonl")}
    proxy = start_with(start, folder / "tls.crt", folder / "tls.key", audit=audit)
    for _ in range(20):
        proxy.ask(DENIED)
    copy_into(folder, renewed(pki, 1014))
    wait_served(proxy, 1014)
    proxy.stderr.wait("generation 1$")
    assert "generation 2" not in proxy.stderr.text()


def lists(pki, dns, origin, path, **entry):
    """What makes a proxy whose only client may reach the names in the list file `path`."""
    server = origin()
    for name in ("one.test", "two.test"):
        dns.addresses(name, "127.0.0.1")
    rule = reach({"file": str(path), **entry}, server.port)
    return server, client(rule)


@pytest.mark.protocols("h1", "h2")
def test_a_list_file_that_changes_changes_the_rules(start, pki, dns, origin, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("# who may be reached\r\none.test\r\n")
    server, who = lists(pki, dns, origin, path)
    proxy = start(who)
    staying = proxy.tunnel(f"one.test:{server.port}")
    denied = proxy.ask(f"two.test:{server.port}")
    assert proxy.decision(denied.id)["decision"]["reason"] == "no_rule"
    path.write_text("one.test\ntwo.test\n")
    proxy.stderr.wait("reloaded: .* generation 1$")
    ending = proxy.tunnel(f"two.test:{server.port}")
    staying.echo(b"untouched")
    path.write_text("one.test\n")
    proxy.stderr.wait("reloaded: .* generation 2$")
    proxy.assert_closed(ending.id, "policy_changed")
    staying.echo(b"still there")


def test_an_emptied_list_keeps_the_old_one_unless_it_may_be_empty(start, pki, dns, origin, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("one.test\n")
    server, who = lists(pki, dns, origin, path)
    proxy = start(who)
    path.write_text("")
    proxy.stderr.wait("is empty")
    proxy.stderr.wait("reload failed, the old configuration")
    proxy.tunnel(f"one.test:{server.port}").echo(b"as before")
    lenient = start(
        lists(pki, dns, origin, path, allow_empty=True)[1], listeners=proxy.config["listeners"]
    )
    assert lenient.decision(lenient.ask("one.test:443").id)["decision"]["reason"] == "no_rule"


def test_a_bad_line_in_a_list_keeps_the_old_one_and_names_its_place(
    start, pki, dns, origin, tmp_path
):
    path = tmp_path / "names.txt"
    path.write_text("one.test\n")
    server, who = lists(pki, dns, origin, path)
    proxy = start(who)
    path.write_text("one.test\nhttps://two.test/\n")
    # Only a half-written pair of certificate and key is waited for, ten seconds.
    proxy.stderr.wait(r"names\.txt:2:1: ", patience=PATIENCE * 0.4)
    proxy.stderr.wait("reload failed, the old configuration")
    proxy.tunnel(f"one.test:{server.port}").echo(b"as before")
