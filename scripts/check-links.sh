#!/usr/bin/env bash
# Every relative link in the documentation leads to a file that is there.
set -euo pipefail
cd "$(dirname "$0")/.."
broken=0
while IFS=: read -r file link; do
	target=${link%%#*}
	[ -z "$target" ] || [ -e "$(dirname "$file")/$target" ] || { echo "$file: broken link to $link" >&2; broken=1; }
done < <(git ls-files '*.md' | xargs -r grep -oHE '\]\([^)]+\)' | sed -E 's/\]\(([^)]*)\)$/\1/' | grep -vE ':(https?:|mailto:)')
exit $broken
