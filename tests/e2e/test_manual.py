"""The manual and the completions that the build makes: pages without a fault, and shells in which somebody types TAB."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pexpect
import pytest

from support.proxy import BINARY

ROOT = Path(__file__).parents[2]
KEYS = {"TAB": "\t", "SHOW": "\x14", "CLEAR": "\x15"}
BASH = r"""PS1='ready> '
bind 'set show-all-if-ambiguous on' 'set enable-bracketed-paste off' 2>/dev/null
bind 'set show-all-if-ambiguous on'
bind 'set enable-bracketed-paste off'
bind -x '"\C-t": printf "[%s]\n" "$READLINE_LINE"'
. share/bash-completion/completions/sallyport
"""
ZSH = r"""PS1='ready> '
unsetopt zle_bracketed_paste prompt_cr prompt_sp
fpath=($PWD/share/zsh/vendor-completions $fpath)
autoload -Uz compinit && compinit -u -D
show-line() { zle -I; print -r -- "[$BUFFER]" }
zle -N show-line
bindkey -e
bindkey '^t' show-line
"""


def made():
    """The tar of the build, also where pytest runs without Bazel."""
    for folder in ("", "bazel-bin"):
        path = ROOT / folder / "tools/deliver/manual/manual.tar"
        if path.exists():
            return path
    raise FileNotFoundError("manual.tar: bazel build -c opt //tools/deliver/manual")


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual") / "share"
    with tarfile.open(made()) as tar:
        tar.extractall(folder)
    return folder


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(request, share):
    """A shell in a folder with two files and a folder, that has read the completions."""
    home = share.parent
    for name in ("gate.yaml", "gate.crt"):
        (home / name).touch()
    (home / "gatehouse").mkdir(exist_ok=True)
    start = home / "start"
    start.write_text(BASH if request.param == "bash" else ZSH)
    program, *arguments = {"bash": ["bash", "--noprofile", "--rcfile", "start"], "zsh": ["zsh", "-f"]}[request.param]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "LANG": "C.UTF-8"}
    child = pexpect.spawn(program, arguments, cwd=home, env=environment, encoding="utf-8", timeout=30, dimensions=(60, 200))
    if request.param == "zsh":
        child.sendline(". ./start; print -r -- read-$((40 + 2))")
        child.expect_exact("read-42")
    child.expect_exact("ready> ")
    yield child
    child.close(force=True)


def typed(child, text):
    """What stands on the line after `text` was typed, in which <TAB> is the key."""
    child.send(KEYS["CLEAR"] + text.replace("<TAB>", KEYS["TAB"]) + KEYS["SHOW"])
    child.expect(r"\[(sallyport[^]\r\n]*)\]\r*\n")
    return child.match.group(1)


def listed(child, text):
    """The words that are offered after `text` and TAB."""
    child.send(KEYS["CLEAR"] + text + KEYS["TAB"] + KEYS["TAB"] + KEYS["SHOW"])
    child.expect(r"\[(sallyport[^]\r\n]*)\]\r*\n")
    return child.before


@pytest.mark.parametrize("before, after", [
    ("sallyport quick<TAB>", "sallyport quickstart "),
    ("sallyport ca rev<TAB>", "sallyport ca revoke "),
    ("sallyport ca revoke --re<TAB>", "sallyport ca revoke --reason "),
    ("sallyport ca revoke --reason keyC<TAB>", "sallyport ca revoke --reason keyCompromise "),
    ("sallyport serve -c gate.y<TAB>", "sallyport serve -c gate.yaml "),
    ("sallyport serve --con<TAB>gate.y<TAB>", "sallyport serve --config gate.yaml "),
    ("sallyport ca list --dir gat<TAB>", "sallyport ca list --dir gatehouse/"),
    ("sallyport audit verify gate.c<TAB>", "sallyport audit verify gate.crt "),
    ("sallyport connect --http2 o<TAB>", "sallyport connect --http2 off "),
    ("sallyport help unb<TAB>", "sallyport help unblock "),
    ("sallyport import squ<TAB>", "sallyport import squid "),
    ("sallyport import squid --one<TAB>gate.y<TAB>", "sallyport import squid --one-ou gate.yaml "),
    ("sallyport status -c gate.yaml --js<TAB>", "sallyport status -c gate.yaml --json "),
])
def test_tab_completes_what_is_unique(shell, before, after):
    assert typed(shell, before) == after


@pytest.mark.parametrize("before, words", [
    ("sallyport ca re", {"renew", "revoke"}),
    ("sallyport audit ", {"verify", "prove", "keygen", "replay", "suggest"}),
    ("sallyport drain --", {"--config", "--control", "--wait", "--lame-duck"}),
])
def test_tab_lists_what_is_not(shell, before, words):
    said = listed(shell, before)
    assert words <= set(re.findall(r"[\w-]+", said)), said


@pytest.mark.parametrize("before, words", [
    ("sallyport ca re", {"renew", "revoke"}),
    ("sallyport ca revoke --reason key", {"keyCompromise"}),
    ("sallyport serve -c gate.c", {"gate.crt"}),
    ("sallyport help unb", {"unblock"}),
    ("sallyport drain --la", {"--lame-duck"}),
])
def test_fish_completes_them_too(share, before, words):
    (share.parent / "gate.crt").touch()
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source share/fish/vendor_completions.d/sallyport.fish; complete -C '{before}'"],
        cwd=share.parent, env={"PATH": os.environ["PATH"], "HOME": str(share.parent)},
        check=True, stdout=subprocess.PIPE, text=True)
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == words


def test_the_pages_have_no_fault(share):
    pages = sorted(map(str, (share / "man").rglob("*.[15]")))
    assert len(pages) > 30
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_each_command_and_verb_has_a_page_with_its_options(share):
    helps = [[]]
    for command in re.findall(r"^  ([a-z-]+) ", subprocess.check_output([BINARY, "--help"], text=True), re.MULTILINE):
        said = subprocess.run([BINARY, command], stderr=subprocess.PIPE, text=True, check=False).stderr
        verbs = re.search(r"which verb\? (.*)", said)
        helps += [[command]] + [[command, verb] for verb in re.split(", | or ", verbs.group(1) if verbs else "") if verb]
    for words in helps:
        text = subprocess.check_output([BINARY, "help", *words], text=True)
        page = share / f"man/man1/{'-'.join(['sallyport', *words])}.1"
        shown = subprocess.check_output(["mandoc", "-T", "utf8", "-O", "width=100", page], text=True)
        shown = re.sub(".\b", "", shown).replace("\u2010", "-")
        options = set(re.findall(r"^ {2,6}(?:-\w, )?(--[\w-]+)", text, re.MULTILINE))
        assert options <= set(re.findall(r"--[\w-]+", shown)), words
        assert words == [] or options or len(words) == 1, words


def test_the_manual_has_the_keys_and_records_of_the_pages(share):
    shown = {page: re.sub(".\b", "", subprocess.check_output(["mandoc", share / "man/man5" / page], text=True))
             for page in ("sallyport.yaml.5", "sallyport-audit.5")}
    assert re.search(r"^ +crl_cache\n", shown["sallyport.yaml.5"], re.MULTILINE)
    assert "TOP LEVEL" in shown["sallyport.yaml.5"] and "bazel" not in shown["sallyport.yaml.5"]
    assert re.search(r"^ +client\.serial, client\.sha256", shown["sallyport-audit.5"], re.MULTILINE)


def test_the_tar_says_nothing_of_when_it_was_made():
    with tarfile.open(made()) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}


def test_help_takes_a_command_and_a_verb():
    for words in (["ca", "issue"], ["serve"]):
        assert subprocess.check_output([BINARY, "help", *words]) == subprocess.check_output([BINARY, *words, "--help"])
    done = subprocess.run([BINARY, "help", "a", "b", "c"], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "a verb of it" in done.stderr
    done = subprocess.run([BINARY, "help", "serv"], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "did you mean `serve`" in done.stderr


def test_the_shells_are_there():
    missing = [name for name in ("bash", "zsh", "fish", "mandoc") if shutil.which(name) is None]
    assert not missing, "tools/install test installs them"
