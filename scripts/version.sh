#!/usr/bin/env bash
# Prints the version, which is written in Sources/SwiftletDaemon/Version.swift and nowhere else.
set -euo pipefail
cd "$(dirname "$0")/.."
sed -n 's/.*static let swiftlet = "\(.*\)"/\1/p' Sources/SwiftletDaemon/Version.swift
