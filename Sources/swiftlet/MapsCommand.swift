import ArgumentParser
import DatapathInstall
import FoundationEssentials
import Reporting
import ServiceMaps
import ServiceModel
import SwiftletDaemon

struct MapsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maps",
        abstract: "Show the pinned maps.",
        discussion: """
            Examples:
              swiftlet maps
              swiftlet maps dump
              bpftool map dump pinned /sys/fs/bpf/swiftlet/v\(Version.mapABI)/maps/backends4
            """,
        subcommands: [List.self, Dump.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the maps: what they are for, and how full they are.")

        @OptionGroup var pins: PinOptions
        @OptionGroup var format: OutputOptions

        func run() throws {
            try pins.requireDatapath()
            let fill = try MapInspection.fill(of: pins.pins)
            if format.output.isData { return try format.printData(MapReport(maps: fill)) }
            if format.output == .name { return fill.forEach { print($0.name) } }
            var table =
                format.output == .wide
                ? Table("NAME", "TYPE", "KEY", "VALUE", "ENTRIES", "CAPACITY", "MEMORY", "WRITTEN BY", "PURPOSE")
                : Table("NAME", "TYPE", "ENTRIES", "CAPACITY", "MEMORY", "PURPOSE")
            for map in fill {
                guard let known = ServiceMap(rawValue: map.name) else { continue }
                let about = MapCatalog.description(of: known)
                let (entries, capacity) = (String(map.entries), String(map.capacity))
                let memory = bytesText(map.memory)
                if format.output == .wide {
                    table.add(
                        map.name, about.type, about.key, about.value, entries, capacity, memory, about.words.writer,
                        about.words.purpose)
                } else {
                    table.add(map.name, about.type, entries, capacity, memory, about.words.purpose)
                }
            }
            format.printTable(table)
        }
    }

    /// What `-o json` prints.
    private struct MapReport: Encodable {
        /// Raised by a change that could surprise a reader.
        let schema = 1
        let maps: [StatusReport.MapFill]
    }

    struct Dump: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print what the maps say, joined and sorted, one fact a line.")

        @OptionGroup var pins: PinOptions

        func run() throws {
            try pins.requireDatapath()
            print(try ProgrammedState.read(from: BPFMapStore(pins: pins.pins)).dump, terminator: "")
        }
    }
}

extension PinOptions {
    /// Says clearly that there is nothing to look at.
    func requireDatapath() throws {
        guard try !pins.isLoaded else { return }
        let others = try DatapathPins.versions(at: pins.root).filter { try $0.isLoaded }.map { "v\($0.number)" }
        guard others.isEmpty else {
            throw CommandError(
                .otherVersion,
                "the maps below \(bpfRoot) are of version \(others.joined(separator: ", ")), and this swiftlet reads "
                    + "v\(Version.mapABI); use the one that runs there, or start this one, which takes over")
        }
        if let daemon = DaemonReport.ask(pins), !daemon.kubeProxyReplacement {
            throw CommandError(
                .noDatapath,
                "process \(daemon.pid) only observes and has loaded nothing below \(bpfRoot); start it with "
                    + "--kube-proxy-replacement=true, or see what it would program with `swiftlet compile`")
        }
        throw CommandError(
            .noDatapath,
            "nothing is loaded below \(bpfRoot); start `swiftlet run --kube-proxy-replacement=true --manifests DIR`, "
                + "or name another --bpf-root")
    }
}

func printJSON(_ value: some Encodable) throws {
    print(String(decoding: try ReportCoding.encoder(pretty: true).encode(value), as: UTF8.self))
}

/// 4194304 → "4.0 MiB".
func bytesText(_ bytes: Int) -> String {
    guard bytes >= 1024 else { return "\(bytes) B" }
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20)]
    let (unit, size) = units.first { bytes >= $0.1 } ?? ("KiB", 1 << 10)
    let tenths = (bytes * 10 + size / 2) / size
    return "\(tenths / 10).\(tenths % 10) \(unit)"
}
