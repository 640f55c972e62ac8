#!/usr/bin/env python3
"""Every relative link in the documentation leads to a file that is there, and to a heading or an anchor in it."""
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def text(path):
    """Of a page, without its examples: `# a comment` in one is no heading."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return re.sub(r"^```.*?^```$", "", file.read(), flags=re.M | re.S)


def anchors(page):
    """As GitHub makes them from headings, and those that are written."""
    found, seen = set(re.findall(r'<a id="([^"]+)">', page)), {}
    for heading in re.findall(r"^#+ (.*)$", page, re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def main():
    pages = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    broken = 0
    for page in pages:
        for link in re.findall(r"\]\(([^)\s]+)\)", text(page)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            there = os.path.exists(os.path.join(ROOT, target))
            if not there or anchor and target.endswith(".md") and anchor not in anchors(text(target)):
                print(f"{page}: broken link to {link}", file=sys.stderr)
                broken = 1
    sys.exit(broken)


main()
