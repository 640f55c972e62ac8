import ArgumentParser
import ConnectBenchmark
import Glibc
import NetworkLab
import ServiceModel
import SystemPackage

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure what a Service costs on this machine.",
        subcommands: [Connect.self, Send.self], defaultSubcommand: Connect.self)

    struct Send: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "send",
            abstract: "Time what a datagram of an unconnected UDP socket to a VIP runs.",
            discussion: """
                Everything happens in network namespaces, a cgroup and maps of its own, which are removed afterwards.

                Examples:
                  swiftlet bench send --services 10000
                """)

        @Option(help: ArgumentHelp("How many Services to program, from 1 to 200000.", valueName: "n"))
        var services = 1

        @Option(help: ArgumentHelp("How many datagrams of each kind to time.", valueName: "n"))
        var datagrams = 40_000

        @Option(name: .shortAndLong, help: "How to print.")
        var output: ReportFormat = .table

        private static let roundSize = 200

        func validate() throws {
            guard (1...200_000).contains(services) else {
                throw ValidationError("--services takes a number from 1 to 200000")
            }
            guard datagrams >= Self.roundSize * 4 else {
                throw ValidationError("--datagrams must be at least \(Self.roundSize * 4): fewer tell nothing")
            }
        }

        func run() throws {
            var options = BenchmarkOptions()
            options.services = services
            options.connects = Self.roundSize
            options.rounds = datagrams / Self.roundSize
            let benchmark = DatagramBenchmark(options, progress: ProgressLine.show)
            let result = try benchmark.run(try BenchDatapath(services: services))
            ProgressLine.clear()
            print(output == .json ? try result.json() : result.text)
        }
    }

    struct Connect: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "connect",
            abstract: "Time real TCP connects, straight to a backend and through a VIP, in the same rounds.",
            discussion: """
                Without --target everything happens in network namespaces, a cgroup and maps of its own, which are
                removed afterwards. With --target, the Services that work on this node are measured.

                Examples:
                  swiftlet bench connect
                  swiftlet bench connect --services 10000 --against nftables,iptables
                  swiftlet bench connect --target 10.96.0.15:80 --backend 10.244.0.11:8080
                """)

        @Option(help: ArgumentHelp("How many Services to program; a list makes a run of each.", valueName: "n,n"))
        var services = "1"

        @Option(help: ArgumentHelp("How many connects of each kind to time.", valueName: "n"))
        var connects = 40_000

        @Option(help: ArgumentHelp("Rule sets to measure beside: nftables, iptables or both.", valueName: "list"))
        var against = ""

        @Option(help: ArgumentHelp("A VIP and port that works on this node.", valueName: "address:port"))
        var target: String?

        @Option(help: ArgumentHelp("The backends behind --target; may be repeated.", valueName: "address:port"))
        var backend: [String] = []

        @Option(help: ArgumentHelp("Also write an SVG plot of all runs.", valueName: "file"), completion: .file())
        var plot: String?

        @Option(
            help: ArgumentHelp("Also write tables of all runs in Markdown.", valueName: "file"), completion: .file())
        var markdown: String?

        @Option(name: .shortAndLong, help: "How to print.")
        var output: ReportFormat = .table

        /// Connects of one kind before it is another one's turn.
        private static let roundSize = 200

        func validate() throws {
            _ = try serviceCounts()
            guard connects >= Self.roundSize * 4 else {
                throw ValidationError("--connects must be at least \(Self.roundSize * 4): fewer tell nothing")
            }
            guard (target == nil) == backend.isEmpty else {
                throw ValidationError("--target and --backend go together: the direct connect needs an address")
            }
        }

        func run() throws {
            var results: [BenchmarkResult] = []
            for count in try serviceCounts() {
                let report = try measure(count)
                ProgressLine.clear()
                results.append(report.result)
                print(
                    output == .json
                        ? try report.result.json()
                        : BenchmarkText(report, color: Terminal.hasColours).description)
            }
            if let plot { try write(BenchmarkPlot(results).svg, to: plot) }
            if let markdown { try write(BenchmarkMarkdown(results).description, to: markdown) }
        }

        private func measure(_ services: Int) throws -> BenchmarkReport {
            var options = BenchmarkOptions()
            options.services = services
            options.connects = Self.roundSize
            options.rounds = connects / Self.roundSize
            options.against = try ruleSets()
            let benchmark = ConnectBenchmark(options, progress: ProgressLine.show)
            guard let target else { return try benchmark.run(try BenchDatapath(services: services)) }
            return try benchmark.run(
                BenchmarkTarget(frontends: [try socketAddress(target)], backends: try backend.map(socketAddress)))
        }

        private func serviceCounts() throws -> [Int] {
            try services.split(separator: ",").map { text in
                guard let count = Int(text), (1...200_000).contains(count) else {
                    throw ValidationError("--services takes numbers from 1 to 200000, not \(text)")
                }
                return count
            }
        }

        private func ruleSets() throws -> [RuleSet] {
            try against.split(separator: ",").map { name in
                guard let rules = RuleSet(rawValue: String(name)) else {
                    throw ValidationError("--against knows nftables and iptables, not \(name)")
                }
                return rules
            }
        }

        private func write(_ text: String, to path: String) throws {
            do {
                let file = try FileDescriptor.open(
                    path, .writeOnly, options: [.create, .truncate], permissions: FilePermissions(rawValue: 0o644))
                _ = try file.closeAfter { try file.writeAll(text.utf8) }
            } catch {
                throw CommandError(.outputNotWritten, "cannot write \(path): \(error); name another file")
            }
        }

        private func socketAddress(_ text: String) throws -> SocketAddress {
            guard let address = SocketAddress(text) else {
                throw ValidationError("\(text) is not an address and port such as 10.96.0.15:80")
            }
            return address
        }
    }
}

extension ProgressLine {
    fileprivate static func show(_ progress: BenchmarkProgress) {
        let share = progress.share > 0 ? " \(Int((progress.share * 100).rounded())) %" : ""
        show("\(progress.phase)\(share)")
    }
}
