/// Why a command failed: a stable word, and the anchor of docs/troubleshoot.md that says what to do.
///
/// The catalogue of failures: the command prints the code after the message, and `swiftlet help errors` prints all.
package enum FailureCode: String, Sendable, Hashable, CaseIterable {
    // What was asked for.
    case wrongUsage, wrongSettings, unusableManifests, notFound, outputNotWritten
    // The node.
    case missingRights, limitReached, alreadyRuns, noBPFFS, missingObject, attachRefused, kernelRefused
    case directoryUnusable
    case netlinkFailed, sandboxed
    // A datapath and its daemon.
    case noDatapath, otherVersion, daemonSilent, monitorTaken, namespacesFailed
    // The cluster.
    case kubeconfigUnusable, apiServerFailed
    // kube-proxy's rules.
    case takeoverRefused, takeoverUndone, nothingSaved, rulesUnusable
    // Anything else.
    case benchmarkFailed, unexpected
}

/// What the catalogue says of a failure.
package struct FailureEntry: Sendable {
    package var happened: String
    package var why: String
    package var remedy: String

    fileprivate init(_ happened: String, _ why: String, _ remedy: String) {
        self.happened = happened
        self.why = why
        self.remedy = remedy
    }
}

extension FailureCode {
    /// Where the documentation has it: the anchor is the code.
    package var docs: String { "docs/troubleshoot.md#\(rawValue)" }

    /// What to read after a message with this code.
    package var advice: String { "see \(docs), or `swiftlet help errors \(rawValue)`" }

    package var entry: FailureEntry {
        requestEntry ?? nodeEntry ?? daemonEntry
            ?? .init("something that no page describes", "a fault of swiftlet", "report it, with `swiftlet debuginfo`")
    }

    private var requestEntry: FailureEntry? {
        switch self {
        case .wrongUsage:
            .init(
                "the command line cannot be understood",
                "an unknown flag, a value out of its range, words that exclude each other",
                "correct what the message names; `swiftlet help COMMAND` lists the flags")
        case .wrongSettings:
            .init(
                "the settings cannot be used", "an unknown key, or settings that exclude each other",
                "correct the key or the flag that is named; `swiftlet help settings` lists them")
        case .unusableManifests:
            .init(
                "manifests or a file of settings cannot be read", "no such file, no right to read it, or no YAML",
                "correct the file or name another one")
        case .notFound:
            .init(
                "nothing has the name that was given", "a typing error, another namespace, or it is gone",
                "take the name that the message offers, or list them all")
        case .outputNotWritten:
            .init(
                "what was asked for could not be written to its end", "the disk is full, or the directory is not there",
                "make room, or name another file")
        case .benchmarkFailed:
            .init(
                "a benchmark could not be measured",
                "its network or its program could not be set up, or a signal ended it",
                "run as root on an idle node; everything that it made is removed")
        default: nil
        }
    }

    private var nodeEntry: FailureEntry? {
        switch self {
        case .missingRights:
            .init(
                "the kernel did not permit it", "not root, or a capability is missing",
                "run as root, or give the capabilities that are named: [Rights](security.md#rights)")
        case .limitReached:
            .init(
                "there is no room for more", "memory, open files, inotify instances, or a map is full",
                "raise the limit that is named: [Sizes](configure.md#sizes)")
        case .alreadyRuns:
            .init(
                "another swiftlet runs on the same maps", "one is enough for a node, and each needs its own --bpf-root",
                "stop that process, or choose another --bpf-root")
        case .noBPFFS:
            .init(
                "a program or map cannot be pinned or found", "no bpffs is mounted there, or pins were removed",
                "`mount -t bpf bpf /sys/fs/bpf`, or correct --bpf-root")
        case .missingObject:
            .init(
                "a cgroup, a device, a map or a program is not there", "it was removed, or a flag names another one",
                "correct --cgroup-root, --bpf-root or --devices, or restart `swiftlet run`")
        case .attachRefused:
            .init(
                "a program cannot be attached", "the cgroup is none of v2, or another program allows no second one",
                "correct --cgroup-root, or detach that program: `bpftool cgroup show CGROUP`")
        case .kernelRefused:
            .init(
                "the kernel refused a program, a map or a query", "it is older than 5.10, or was built without BPF",
                "look at the cause; --log-level debug has the verifier's whole log")
        case .directoryUnusable:
            .init(
                "a directory or socket of swiftlet cannot be made or opened",
                "it is another user's, read-only, or something else is in its place",
                "`swiftlet prepare --user USER` as root, and look that /run is writable")
        case .netlinkFailed:
            .init(
                "addresses, routes or devices cannot be read or set", "netlink is refused, often by a sandbox",
                "allow AF_NETLINK, and give CAP_NET_ADMIN")
        case .sandboxed:
            .init(
                "a process could not give up its rights, or ask for its filter", "a sandbox forbids capset or prctl",
                "allow these system calls to the unit or the container")
        default: nil
        }
    }

    private var daemonEntry: FailureEntry? {
        switch self {
        case .noDatapath:
            .init(
                "there are no maps to look at", "`swiftlet run` has not run here, or with another --bpf-root",
                "start `swiftlet run`, or name its --bpf-root")
        case .otherVersion:
            .init(
                "the maps are of another version of swiftlet", "this program is not the one that runs",
                "use the program that runs there, or start this one: it takes over")
        case .daemonSilent:
            .init(
                "no daemon answers", "it does not run, hangs, or cannot be asked by this user",
                "start `swiftlet run`; otherwise look at its log, and run the command as its user or root")
        case .monitorTaken:
            .init("there is room for one listener", "another `swiftlet monitor` listens", "end it first")
        case .namespacesFailed:
            .init(
                "`swiftlet namespaces` cannot serve", "its socket, or /proc, is not as it needs them",
                "run it as the user of `swiftlet run`, after `swiftlet prepare`, with the node's process ids")
        case .kubeconfigUnusable:
            .init(
                "the credentials for the API server cannot be used", "a file is missing, or says nothing of use",
                "correct the kubeconfig; `kubectl --kubeconfig FILE get services` tries it")
        case .apiServerFailed:
            .init(
                "the API server could not be asked", "it is away, or refuses: the cause says which",
                "look at the address, and at the rights of deploy/'s ClusterRole")
        case .takeoverRefused:
            .init(
                "kube-proxy's rules were left in place", "a check was BAD, or kube-proxy still runs",
                "mend what is listed, and run `swiftlet takeover` again")
        case .takeoverUndone:
            .init(
                "the rules were removed, and put back", "without them a Service no longer answered",
                "`swiftlet explain` that Service, then run `swiftlet takeover` again")
        case .nothingSaved:
            .init(
                "there are no rules to put back or to forget", "none were taken over, or it was finished",
                "start kube-proxy, which writes its rules anew")
        case .rulesUnusable:
            .init(
                "rules cannot be read, saved or changed",
                "iptables or nft is missing, or something else writes them at the same time",
                "install the tool that is named, stop what writes, and try again")
        default: nil
        }
    }

    /// The code of a refused system call: what is common to all, or else the given one.
    package init(errno: Int32, otherwise code: FailureCode) {
        self =
            switch errno {
            case 1, 13: .missingRights  // EPERM, EACCES
            case 7, 12, 23, 24, 28: .limitReached  // E2BIG, ENOMEM, ENFILE, EMFILE, ENOSPC
            default: code
            }
    }
}
