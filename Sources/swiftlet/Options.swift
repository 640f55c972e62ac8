import ArgumentParser
import DatapathInstall
import FoundationEssentials
import KubernetesObjects
import Reporting
import Settings
import SwiftletDaemon
import SystemPackage

/// How a command prints.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case wide
    case json
    case yaml
    /// Names alone, one a line, as other commands take them.
    case name

    /// For programs.
    var isData: Bool { self == .json || self == .yaml }
}

/// How a report is printed that has no rows with names.
enum ReportFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}

struct OutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "How to print.")
    var output: OutputFormat = .table

    /// Prints a report for programs: JSON, or the same as YAML.
    func printData(_ value: some Encodable) throws {
        if output == .yaml {
            let json = try ReportCoding.encoder().encode(value)
            print(try JSONReader.document(Array(json)).yaml, terminator: "")
        } else {
            try printJSON(value)
        }
    }

    /// Prints a table, which a terminal does not wrap: only `-o wide` shows all of it there.
    func printTable(_ table: Table) {
        print(table.text(fitting: output == .wide ? nil : Terminal.width))
    }
}

/// Which datapath a command looks at.
struct PinOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Directory on bpffs where swiftlet pins its maps and links.", valueName: "dir"),
        completion: .directory)
    var bpfRoot: String = Configuration.defaultBPFRoot.string

    var pins: DatapathPins { DatapathPins(root: FilePath(bpfRoot)) }
    var runDirectory: RunDirectory { RunDirectory(bpfRoot: FilePath(bpfRoot)) }
}

extension ExitCode {
    /// `status`: works, but not as it should.
    static let degraded = ExitCode(3)
}
