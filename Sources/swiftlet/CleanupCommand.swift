import ArgumentParser
import DatapathInstall
import SystemPackage

struct CleanupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cleanup",
        abstract: "Remove swiftlet's programs and maps from the kernel, and nothing else.",
        discussion: """
            Services stop being translated; connections that exist go on. Refuses while `swiftlet run` runs.

            Example:
              swiftlet cleanup
            """)

    @OptionGroup var pins: PinOptions

    func run() throws { try Self.run(bpfRoot: FilePath(pins.bpfRoot)) }

    /// Also what `swiftlet run --cleanup` does.
    static func run(bpfRoot: FilePath) throws {
        let report = try Cleanup(bpfRoot: bpfRoot).run()
        if report.removedLinks.isEmpty && report.removedMaps.isEmpty {
            print("nothing of swiftlet is pinned below \(bpfRoot)")
        } else {
            print("removed \(report.removedLinks.count) links and \(report.removedMaps.count) maps below \(bpfRoot)")
        }
        for path in report.foreign { print("left alone, not swiftlet's: \(path)") }
    }
}
