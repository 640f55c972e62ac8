import ArgumentParser
import SwiftletDaemon
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

    func run() throws {
        let report = try Cleanup(bpfRoot: FilePath(pins.bpfRoot)).run()
        if report.removedLinks.isEmpty && report.removedMaps.isEmpty {
            print("nothing of swiftlet is pinned below \(pins.bpfRoot)")
        } else {
            print(
                "removed \(report.removedLinks.count) links and \(report.removedMaps.count) maps below \(pins.bpfRoot)")
        }
        for path in report.foreign { print("left alone, not swiftlet's: \(path)") }
    }
}
