#!/usr/bin/env python3
"""Writes swiftlet(8), and a page for each command, from what the program says of itself.

man-pages.py PROGRAM DIRECTORY
"""
import json
import os
import re
import subprocess
import sys


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
              else "\\fBbpftool\\fR(8), \\fBtc\\fR(8)"]
    return "\n".join(lines) + "\n", shown


def write(command, path, version, directory):
    text, shown = page(command, path, version)
    with open(os.path.join(directory, "-".join(path) + ".8"), "w", encoding="utf-8") as file:
        file.write(text)
    for sub in shown:
        write(sub, path + [sub["commandName"]], version, directory)


def main():
    program, directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    said = subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True).stdout
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    write(json.loads(said)["command"], ["swiftlet"], version, directory)


main()
