import ArgumentParser
import DatapathInstall
import Settings
import SwiftletDaemon
import SystemPackage

struct PrepareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Do as root what `swiftlet run` needs and may not do itself when it runs as another user.",
        discussion: """
            Mounts bpffs if it is not there, and makes the directories of pins, run-time files and state that user's. May be
            repeated; refuses while `swiftlet run` runs.

            Example:
              swiftlet prepare --user swiftlet
            """)

    @OptionGroup var pins: PinOptions

    @Option(
        help: ArgumentHelp("Where `run` keeps its state; empty: nowhere.", valueName: "dir"), completion: .directory)
    var stateDir: String = Configuration.defaultStateDirectory.string

    @Option(help: ArgumentHelp("User that `run` runs as: a name, or UID:GID.", valueName: "user"))
    var user: String = "0:0"

    @Flag(help: "Change the kernel's settings that are in the way of forwarding.")
    var setSysctls = false

    func run() throws {
        let preparation = Preparation(
            bpfRoot: FilePath(pins.bpfRoot), stateDirectory: stateDir.isEmpty ? nil : FilePath(stateDir),
            owner: try Owner(user))
        var done = try preparation.run()
        if setSysctls { done += try ForwardingPreparation.run() }
        print(done.isEmpty ? "all is prepared" : done.joined(separator: "\n"))
    }
}
