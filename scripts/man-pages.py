#!/usr/bin/env python3
"""Writes swiftlet(8), a page for each command, and swiftlet.yaml(5), from what the program says of itself.

man-pages.py PROGRAM DIRECTORY   into DIRECTORY/man8 and DIRECTORY/man5

The keys of the file and their defaults are those of the table in docs/reference.md; what each does is the help of its flag.
"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def escaped(text):
    """Text as roff reads it: no line of it is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\n".join("\\&" + line if line.startswith(".") else line for line in text.split("\n"))


def discussion(text):
    """Paragraphs; what is indented is an example and stays as it is."""
    lines, verbatim = [], False
    for line in text.strip("\n").split("\n"):
        is_example = line.startswith("  ")
        if is_example and not verbatim:
            lines.append(".nf")
        if verbatim and not is_example:
            lines.append(".fi")
        verbatim = is_example
        lines.append(escaped(line) if line.strip() else ".PP")
    if verbatim:
        lines.append(".fi")
    # A paragraph needs something before and after it.
    kept = []
    for line in lines:
        if line == ".PP" and (not kept or kept[-1] == ".PP"):
            continue
        kept.append(line)
    while kept and kept[-1] == ".PP":
        kept.pop()
    return kept


def names(argument):
    return [("--" if name["kind"] == "long" else "-") + name["name"] for name in argument.get("names", [])]


def option(argument):
    if argument["kind"] == "positional":
        head = "\\fI" + escaped(argument["valueName"]) + "\\fR"
    else:
        head = ", ".join("\\fB" + escaped(name) + "\\fR" for name in names(argument))
        if argument["kind"] == "option":
            head += " \\fI" + escaped(argument.get("valueName", "value")) + "\\fR"
    text = argument.get("abstract", "")
    if argument.get("discussion"):
        text += "\n" + argument["discussion"]
    default = argument.get("defaultValue")
    if default:
        text += f" (default: {default})"
    body = escaped(re.sub(r"\s*\n\s*", "\n", text.strip())) or "No description."
    return [".TP", head, body]


def options(arguments):
    """By section, in the order in which sections appear."""
    sections = {}
    for argument in arguments:
        if argument.get("shouldDisplay", True):
            sections.setdefault(argument.get("sectionTitle") or "", []).append(argument)
    lines = []
    for title, members in sections.items():
        lines += [".SS " + escaped(title)] if title else []
        for argument in members:
            lines += option(argument)
    return lines


def plain(cell):
    """A cell of a table without marks of Markdown."""
    cell = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell).replace("`", "").replace("\\|", "|").strip()
    return "" if cell == "–" else cell


def settings():
    """Rows of the table of settings that have a key: flags, keys, fields of a KubeProxyConfiguration, default."""
    with open(os.path.join(ROOT, "docs/reference.md"), encoding="utf-8") as file:
        table = file.read().split("## Settings")[1].split("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.split("\n") if line.startswith("| `--")]
    # Flags that do something once have no key, and a table of their own.
    return [row for row in rows if len(row) == 4 and plain(row[1])]


def file_page(run, version):
    """swiftlet.yaml(5)."""
    help_of = {name: argument for argument in run["arguments"] for name in names(argument)}
    same = {name.replace("-", ""): name for name in help_of}
    lines = [
        '.\\" Made by scripts/man-pages.py from the program and docs/reference.md.',
        f'.TH "SWIFTLET.YAML" 5 "" "swiftlet {version}" "swiftlet"', ".nh", ".ad l",
        ".SH NAME", "swiftlet.yaml \\- configuration file of swiftlet run",
        ".SH SYNOPSIS", "\\fBswiftlet run \\-\\-config\\fR \\fIFILE\\fR", ".PP",
        "\\fI/etc/swiftlet/config.yaml\\fR is the file of the service.",
        ".SH DESCRIPTION",
        "The file is YAML: a map of the keys below. Flags win over it, and it wins over defaults. A key that is not known is an",
        "error. Times are like 30s, 2m or 1h30m.",
        ".PP",
        "A \\fIKubeProxyConfiguration\\fR (kubeproxy.config.k8s.io/v1alpha1) is understood as well. It has fields of its own for some",
        "of the keys, which are named below; the others go below its key \\fIswiftlet\\fR.",
        ".SH KEYS",
    ]
    for flags, keys, fields, default in settings():
        row_flags = [name for name in re.findall(r"--[a-z0-9-]+", flags) if name in help_of]
        lists = {key for key, _ in re.findall(r"`(\w+)` \((list|map)\)", keys)}
        for key in re.findall(r"`(\w+)`", keys):
            flag = same.get(key.lower()) or row_flags[0]
            kind = " \\fI(list)\\fR" if key in lists else ""
            text = help_of[flag].get("abstract", "")
            lines += [".TP", f"\\fB{escaped(key)}\\fR{kind}", escaped(re.sub(r"\s*\n\s*", " ", text)), ".br",
                      f"Flag: {escaped(flag)}."]
            if plain(fields):
                lines[-1] += f" In a KubeProxyConfiguration: {escaped(plain(fields))}."
            if "(default:" not in text:
                lines[-1] += f" Default: {escaped(plain(default).split('; names')[0])}."
    lines += [
        ".SH EXAMPLES", ".nf", "kubeProxyReplacement: true", "manifests: [/etc/swiftlet/manifests]",
        "nodePortAddresses: [192.168.0.0/16]", ".fi", ".PP",
        "The settings in force, as a file: \\fBswiftlet run \\-\\-config\\fR \\fIFILE\\fR "
        "\\fB\\-\\-write\\-config\\-to\\fR \\fI/dev/stdout\\fR.",
        ".SH SEE ALSO", "\\fBswiftlet\\fR(8), \\fBswiftlet\\-run\\fR(8)"]
    return "\n".join(lines) + "\n"


def page(command, path, version):
    title = "-".join(path)
    lines = [
        '.\\" Made by scripts/man-pages.py from the program.',
        f'.TH "{title.upper()}" 8 "" "swiftlet {version}" "swiftlet"', ".nh", ".ad l",
        ".SH NAME", f"{escaped(title)} \\- {escaped(command.get('abstract', '').rstrip('.'))}",
        ".SH SYNOPSIS",
    ]
    synopsis = "\\fB" + escaped(" ".join(path)) + "\\fR"
    shown = [c for c in command.get("subcommands", []) if c.get("shouldDisplay", True) and c["commandName"] != "help"]
    arguments = [a for a in command.get("arguments", []) if a.get("shouldDisplay", True)]
    synopsis += " \\fICOMMAND\\fR" if shown else ""
    synopsis += " [\\fIOPTIONS\\fR]" if any(a["kind"] != "positional" for a in arguments) else ""
    for argument in arguments:
        if argument["kind"] == "positional":
            text = "\\fI" + escaped(argument["valueName"]) + "\\fR"
            synopsis += " [" + text + "]" if argument["isOptional"] else " " + text
    lines.append(synopsis)
    if command.get("discussion"):
        lines += [".SH DESCRIPTION"] + discussion(command["discussion"])
    if shown:
        lines.append(".SH COMMANDS")
        for sub in shown:
            name = title + "-" + sub["commandName"]
            lines += [".TP", f"\\fB{escaped(name)}\\fR(8)", escaped(sub.get("abstract", "")) or "No description."]
    if arguments:
        lines += [".SH OPTIONS"] + options(arguments)
    lines += [".SH SEE ALSO", "\\fBswiftlet\\fR(8), \\fBbpftool\\fR(8), \\fBtc\\fR(8)" if len(path) > 1
              else "\\fBswiftlet.yaml\\fR(5), \\fBbpftool\\fR(8), \\fBtc\\fR(8)"]
    return "\n".join(lines) + "\n", shown


def write(command, path, version, directory):
    text, shown = page(command, path, version)
    with open(os.path.join(directory, "-".join(path) + ".8"), "w", encoding="utf-8") as file:
        file.write(text)
    for sub in shown:
        write(sub, path + [sub["commandName"]], version, directory)


def main():
    program, directory = sys.argv[1:]
    commands, files = os.path.join(directory, "man8"), os.path.join(directory, "man5")
    os.makedirs(commands, exist_ok=True)
    os.makedirs(files, exist_ok=True)
    said = subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True).stdout
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    root = json.loads(said)["command"]
    write(root, ["swiftlet"], version, commands)
    run = next(command for command in root["subcommands"] if command["commandName"] == "run")
    with open(os.path.join(files, "swiftlet.yaml.5"), "w", encoding="utf-8") as file:
        file.write(file_page(run, version))


main()
