"""Completions for bash, zsh and fish.

Owns: how each shell is told of commands, verbs, options and their values. Each script stands alone: it needs no framework
and asks the program nothing.
Must never know: how a help text is read.
"""

import re

FOLDER_WORDS = {"DIR"}
FILE_WORDS = {"FILE", "SOCKET", "LOG"}
HEAD = "made by the build from `sallyport COMMAND --help`"


def leaves(commands):
    """Commands without verbs, and verbs."""
    return [leaf for command in commands for leaf in command.verbs or [command]]


def options(leaf):
    """The options of a command, each once."""
    return list({option.name: option for option in reversed(leaf.options())}.values())[::-1]


def kind(option):
    """What the value of an option is: "folders", "files", "none", or its words."""
    if option.value in FOLDER_WORDS:
        return "folders"
    return "files" if option.value in FILE_WORDS else " ".join(option.choices()) or "none"


def bash_leaf(leaf):
    """The case of one command: its options, and what is completed after each."""
    names = [f"--{option.name}" for option in options(leaf)] + ([] if has_help(leaf) else ["--help"])
    lines = [f"    '{leaf.name()}')", f"        options='{' '.join(names)}'", f"        operand={leaf.operand()}"]
    kinds = {}
    for option in options(leaf):
        if option.value:
            words = [f"-{option.letter}"] if option.letter else []
            kinds.setdefault(kind(option), []).extend(words + [f"--{option.name}"])
    if kinds:
        lines.append("        case $previous in")
        lines += [f"        {' | '.join(names)}) value='{what}' ;;" for what, names in kinds.items()]
        lines.append("        esac")
    return lines + ["        ;;"]


def has_help(leaf):
    """Tells whether --help is among the options, as it is where the text names it."""
    return any(option.name == "help" for option in options(leaf))


def bash(commands):
    """The script for bash."""
    groups = [command for command in commands if command.verbs]
    names = " ".join(command.name() for command in commands)
    lines = [f"# Completion of sallyport for bash, {HEAD}.", "_sallyport()", "{",
             "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}",
             "    local at=1 command options='' operand=words value=''",
             "    COMPREPLY=()",
             "    [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}",
             "    [[ $word == = ]] && word=''",
             "    [[ ${COMP_WORDS[1]} == help ]] && at=2",
             "    command=${COMP_WORDS[at]}",
             "    if ((COMP_CWORD <= at)); then",
             f"        mapfile -t COMPREPLY < <(compgen -W 'help {names}' -- \"$word\")",
             "        return",
             "    fi",
             "    case $command in"]
    for group in groups:
        verbs = " ".join(verb.words[-1] for verb in group.verbs)
        lines += [f"    {group.name()})", "        if ((COMP_CWORD == at + 1)); then",
                  f"            mapfile -t COMPREPLY < <(compgen -W '{verbs}' -- \"$word\")",
                  "            return", "        fi",
                  "        command+=\" ${COMP_WORDS[at + 1]}\"", "        ;;"]
    lines += ["    esac", "    ((at == 1)) || return", "    case $command in"]
    for leaf in leaves(commands):
        lines += bash_leaf(leaf)
    lines += ["    *) return ;;", "    esac",
              "    if [[ -z $value && $word == -* ]]; then",
              "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")",
              "        return",
              "    fi",
              "    case ${value:-$operand} in",
              "    none | words) ;;",
              "    files)",
              "        compopt -o filenames",
              "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")",
              "        ;;",
              "    folders)",
              "        compopt -o filenames",
              "        mapfile -t COMPREPLY < <(compgen -d -- \"$word\")",
              "        ;;",
              "    *) mapfile -t COMPREPLY < <(compgen -W \"$value\" -- \"$word\") ;;",
              "    esac", "}", "complete -F _sallyport sallyport"]
    return "\n".join(lines) + "\n"


def quoted(text):
    """Text in single quotes, for zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_action(what):
    """What zsh completes."""
    return {"folders": "_files -/", "files": "_files", "none": "()", "words": "()"}.get(what, f"({what})")


def zsh_leaf(leaf):
    """The words for _arguments."""
    words = []
    for option in options(leaf):
        text = re.sub(r"([\[\]:\\])", r"\\\1", option.brief())
        value = f":{option.value.replace(':', chr(92) + ':')}:{zsh_action(kind(option))}" if option.value else ""
        rest = quoted(f"[{text}]{value}")
        if option.letter:
            words.append(quoted(f"(-{option.letter} --{option.name})") + f"{{-{option.letter},--{option.name}}}" + rest)
        else:
            words.append(quoted(f"*--{option.name}") + rest)
    if not has_help(leaf):
        words.append("'--help[this text]'")
    return words + [quoted(f"*:{leaf.operand()}:{zsh_action(leaf.operand())}")]


def zsh_list(commands):
    """Lines for _describe."""
    return ["        " + quoted(f"{command.words[-1]}:{command.summary.replace('`', '')}") for command in commands]


def zsh(commands):
    """The script for zsh."""
    lines = ["#compdef sallyport", f"# Completion of sallyport for zsh, {HEAD}.", "",
             "_sallyport_command() {", "    local -a commands=("] + zsh_list(commands)
    lines += ["    )", "    _describe command commands", "}", ""]
    for group in commands:
        if group.verbs:
            lines += [f"_sallyport_{group.name()}_verb() {{", "    local -a verbs=("] + zsh_list(group.verbs)
            lines += ["    )", "    _describe verb verbs", "}", ""]
    lines += ["_sallyport() {", "    local curcontext=$curcontext state line what", "    typeset -A opt_args",
              "    _arguments -C '1:command:_sallyport_command' '*::argument:->arguments' && return",
              "    what=$words[1]", "    case $what in",
              "    help)", "        (( CURRENT == 2 )) && _sallyport_command", "        return", "        ;;"]
    for group in commands:
        if group.verbs:
            lines += [f"    {group.name()})",
                      "        if (( CURRENT == 2 )); then", f"            _sallyport_{group.name()}_verb",
                      "            return", "        fi",
                      "        what+=\" $words[2]\"", "        shift words", "        (( CURRENT-- ))", "        ;;"]
    lines += ["    esac", "    case $what in"]
    for leaf in leaves(commands):
        lines += [f"    {quoted(leaf.name())})", "        _arguments -s -S \\"]
        lines += ["            " + " \\\n            ".join(zsh_leaf(leaf)), "        ;;"]
    return "\n".join(lines + ["    esac", "}", "", "_sallyport \"$@\""]) + "\n"


def fish(commands):
    """The script for fish."""
    lines = [f"# Completion of sallyport for fish, {HEAD}.",
             "function __sallyport_at --description 'is this the command, and its verb?'",
             "    set -l words (commandline -opc)[2..]",
             "    test (count $words) -ge (count $argv); and test \"$words[1..\"(count $argv)\"]\" = \"$argv\"",
             "end",
             "function __sallyport_awaits --description 'is this all there is, before a command or verb?'",
             "    set -l words (commandline -opc)[2..]",
             "    test \"$words\" = \"$argv\"",
             "end",
             "complete -c sallyport -f"]

    def offer(condition, listed):
        for command in listed:
            lines.append(f"complete -c sallyport -n '{condition}' -a {command.words[-1]} "
                         f"-d {fish_quoted(command.summary.replace('`', ''))}")

    offer("__sallyport_awaits", commands)
    offer("__sallyport_awaits help", commands)
    for group in commands:
        if group.verbs:
            offer(f"__sallyport_awaits {group.name()}", group.verbs)
    for leaf in leaves(commands):
        at = f"complete -c sallyport -n '__sallyport_at {leaf.name()}'"
        for option in options(leaf):
            what = kind(option)
            value = {"files": " -rF", "folders": " -xa '(__fish_complete_directories)'", "none": " -x"}.get(what, f" -xa '{what}'")
            letter = f" -s {option.letter}" if option.letter else ""
            lines.append(f"{at}{letter} -l {option.name}{value if option.value else ''} -d {fish_quoted(option.brief())}")
        if leaf.operand() != "words":
            lines.append(at + (" -F" if leaf.operand() == "files" else " -a '(__fish_complete_directories)'"))
    return "\n".join(lines) + "\n"


def fish_quoted(text):
    """Text in single quotes, for fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
