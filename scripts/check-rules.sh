#!/usr/bin/env bash
# Every rule that code, tests or docs cite by its number ("spec 14", "spec 12 to 16", "spec 31, 32") is in docs/rules.md.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.swift' '*.c' '*.h' '*.md' '*.sh' '*.yaml' Makefile | grep -v '^scripts/check-rules.sh$' |
	xargs grep -noHE '\bspec [0-9]+[a-e]?(( to |-|–|, | and )[0-9]+[a-e]?)*' |
	awk -F: '
		BEGIN { while ((getline row < "docs/rules.md") > 0) if (match(row, /^\| [0-9]+ \|/)) known[substr(row, 3) + 0] = 1 }
		{
			text = $3; sub(/^spec /, "", text); gsub(/ to |–/, "-", text); gsub(/[a-e]/, "", text); gsub(/ n /, ",", text)
			count = split(text, part, /, ?/)
			for (i = 1; i <= count; i++) {
				ends = split(part[i], range, "-")
				for (n = range[1] + 0; n <= range[ends] + 0; n++)
					if (!(n in known)) { print $1 ":" $2 ": spec " n " is not in docs/rules.md" > "/dev/stderr"; broken = 1 }
			}
		}
		END { exit broken }'
