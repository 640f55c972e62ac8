import CDatapath
import Foundation
import NetworkLab

/// The daemon as two builds of it: this one, and one of the next version of the map layout.
enum Build: CaseIterable {
    case this
    case other

    var version: Int { Int(LB_MAP_VERSION) + (self == .this ? 0 : 1) }
    var opposite: Build { self == .this ? .other : .this }
}

extension TestNode {
    var stepsFile: String { "\(directory)/steps" }

    /// The command line of `swiftlet-lab other-build` on this node.
    func arguments(of build: Build, _ further: [String]) -> [String] {
        [
            "other-build", "--manifests", manifests, "--cgroup-root", cgroup.path, "--bpf-root", bpfRoot, "--node-name",
            Manifest.nodeName,
        ] + (build == .other ? ["--objects", Programs.otherObjects] : []) + further
    }

    /// Starts a build and waits until it is ready.
    func start(_ build: Build) throws { try start(Programs.lab, with: arguments(of: build, [])) }

    /// Starts a build and notes what it does to take over.
    func startCountingSteps(_ build: Build) throws -> [String] {
        try? FileManager.default.removeItem(atPath: stepsFile)
        try start(Programs.lab, with: arguments(of: build, ["--steps", stepsFile]))
        return try String(contentsOfFile: stepsFile, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    /// Starts a build that is killed after so many steps.
    func launchAndLose(_ build: Build, after steps: Int) throws {
        let process = try launch(Programs.lab, arguments(of: build, ["--kill-after", "\(steps)"]))
        let status = try process.wait(within: 30_000)
        guard status == .killed(signal: SIGKILL) else { throw TestFailure("not killed, but \(status): \(logText)") }
    }

    /// Whether the daemon that was started with `--kill-after` came so far.
    func waitForKill() throws -> Bool {
        try waitForEnd(within: 20_000) == .killed(signal: SIGKILL)
    }

    /// The versions of the map layout that are pinned.
    var pinnedVersions: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: bpfRoot)) ?? []).sorted()
    }

    /// A map of a version's directory, by the kernel's number for it.
    func mapID(_ name: String, of build: Build) throws -> Int {
        struct Map: Decodable { var id: Int }
        let path = "\(bpfRoot)/v\(build.version)/maps/\(name)"
        return try Programs.decode(Map.self, from: ["bpftool", "-j", "map", "show", "pinned", path]).id
    }
}
