import ArgumentParser
import DatapathInstall
import Settings
import SystemPackage

/// How a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case wide
    case json
}

struct OutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "How to print.")
    var output: OutputFormat = .table
}

/// Which datapath a command looks at.
struct PinOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Directory on bpffs where swiftlet pins its maps and links.", valueName: "dir"))
    var bpfRoot: String = Configuration.defaultBPFRoot.string

    var pins: DatapathPins { DatapathPins(root: FilePath(bpfRoot)) }
    var runDirectory: RunDirectory { RunDirectory(bpfRoot: FilePath(bpfRoot)) }
}

extension ExitCode {
    /// `status`: works, but not as it should.
    static let degraded = ExitCode(3)
}
