import ArgumentParser
import SwiftletDaemon

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version, and that of the map layout.")

    func run() {
        print("swiftlet \(Version.swiftlet), map layout v\(Version.mapABI)")
    }
}
