#!/usr/bin/env bash
# install-words.sh PROGRAM DIRECTORY [ZSH]: man pages and completions below DIRECTORY, such as /usr/share. They are the program's own
# words, so one of another machine cannot be asked. ZSH is where zsh looks for completions there.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1 share=$2 zsh=${3:-zsh/vendor-completions}

if ! "$program" version >/dev/null 2>&1 || ! command -v python3 >/dev/null; then
	echo "$program does not run here, or there is no python3: no man pages and completions" >&2
	exit 0
fi
scripts/man-pages.py "$program" "$share/man"
gzip -9nf "$share"/man/man8/swiftlet*.8 "$share"/man/man5/swiftlet*.5
install -d "$share/bash-completion/completions" "$share/$zsh" "$share/fish/vendor_completions.d"
# It is read by a shell, not run.
"$program" completion bash | sed '1{/^#!/d}' >"$share/bash-completion/completions/swiftlet"
"$program" completion zsh >"$share/$zsh/_swiftlet"
"$program" completion fish >"$share/fish/vendor_completions.d/swiftlet.fish"
