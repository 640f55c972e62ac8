import ArgumentParser
import DatapathInstall
import NetworkLab
import Reporting
import ServiceModel
import SwiftletDaemon
import Takeover

struct TakeoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "takeover",
        abstract: "Remove kube-proxy's rules once swiftlet is seen to serve in their place; put them back.",
        discussion: """
            Needs a running `swiftlet run` and a kube-proxy that has ended. A socket is connected to a frontend of every
            kind, IP family and protocol; no packet is sent. What is not well keeps all rules where they are, and the exit
            code is 1. Connections that kube-proxy translated go on, both ways.

            Examples:
              swiftlet takeover --dry-run
              swiftlet takeover
              swiftlet takeover --rollback
              swiftlet takeover --finish
            """)

    @OptionGroup var pins: PinOptions

    @Flag(help: "Show what would be done, and touch nothing.")
    var dryRun = false

    @Flag(help: "With --dry-run: also the scripts that remove the rules and put them back.")
    var showScripts = false

    @Flag(help: "Put back the rules that were removed.")
    var rollback = false

    @Flag(help: "Forget the rules that were removed, and the connections that they had translated.")
    var finish = false

    @Flag(help: "Remove rules also for Services that swiftlet does not serve, because they are gone.")
    var acceptUnserved = false

    func validate() throws {
        if [dryRun, rollback, finish].count(where: { $0 }) > 1 {
            throw ValidationError("--dry-run, --rollback and --finish exclude each other")
        }
        if showScripts && !dryRun { throw ValidationError("--show-scripts needs --dry-run") }
    }

    private var takeover: KubeProxyTakeover {
        KubeProxyTakeover(pins: pins.pins, acceptsUnserved: acceptUnserved) { step in
            if let step { ProgressLine.show(step) } else { ProgressLine.clear() }
        }
    }

    func run() throws {
        ToolRun.tellOfWaiting { tool, seconds in
            Terminal.write(error: "waiting for \(tool) … (at most \(seconds) seconds more)")
        }
        if rollback { return try putBack() }
        if finish { return try forget() }
        let plan = try takeover.plan()
        printTraces(plan.traces)
        guard !plan.traces.rules.isEmpty || !plan.obstacles.isEmpty else {
            guard plan.traces.isWhole else {
                print(
                    "\nthere are no rules of kube-proxy in the places that could be looked at; run it on the node itself, with "
                        + "the tools that are missing\n  \(FailureCode.rulesUnusable.advice)")
                throw ExitCode.failure
            }
            print("\nnothing to take over: there are no rules of kube-proxy")
            return
        }
        printChecks(plan.checks)
        if showScripts { printScripts(plan.traces.rules) }
        guard plan.mayRemove else {
            print("\n\(Terminal.styled("nothing was removed:", .bad))")
            for obstacle in plan.obstacles { print("  - \(obstacle)") }
            for check in plan.checks where !check.isGood { print("  - \(check.subject): \(check.finding)") }
            print("  \(FailureCode.takeoverRefused.advice)")
            throw ExitCode.failure
        }
        let places = plan.traces.rules.map { "\($0.place)" }.joined(separator: " and ")
        if dryRun {
            print("\nwould remove the rules in \(places); touched nothing")
            return
        }
        try takeover.remove(plan)
        print("\n\(Terminal.styled("removed", .good)) the rules in \(places), and asked all again: all is well")
        print("they are saved in \(pins.runDirectory.archive.directory); `swiftlet takeover --rollback` puts them back")
    }

    private func putBack() throws {
        let archive = pins.runDirectory.archive
        for (place, outcome) in try takeover.rollback().sorted(by: { "\($0.key)" < "\($1.key)" }) {
            switch outcome {
            case .putBack: print("put back the rules in \(place)")
            case .wereThere:
                print(
                    "rules of kube-proxy are in \(place) already: left as they are; those that were removed stay saved in "
                        + "\(archive.file(of: place)), until `swiftlet takeover --finish`")
            }
        }
        print("swiftlet goes on to serve; stop it, and run `swiftlet cleanup`, to leave Services to kube-proxy")
    }

    private func forget() throws {
        for place in try takeover.finish() { print("forgot the rules that were in \(place)") }
    }

    private func printTraces(_ traces: KubeProxyTraces) {
        var table = Table("RULES OF KUBE-PROXY", "WHAT", "FRONTENDS")
        for found in traces.rules {
            table.add("\(found.place)", found.summary.joined(separator: "; "), "\(found.frontends.count)")
        }
        if !traces.rules.isEmpty { print(table.text) }
        for kept in traces.rules.flatMap(\.kept) { print("stays: \(kept)") }
        for unseen in traces.unseen + traces.closed { print("cannot be looked at: \(unseen)") }
    }

    private func printChecks(_ checks: [TakeoverCheck]) {
        guard !checks.isEmpty else { return }
        var table = Table("CHECK", "RESULT", "SEEN")
        for check in checks { table.add(check.subject, check.isGood ? "good" : "BAD", check.finding) }
        print("\n\(table.text)")
    }

    private func printScripts(_ rules: [FoundRules]) {
        for found in rules {
            print("\n# removes the rules in \(found.place)\n\(found.removal)", terminator: "")
            print("\n# puts them back\n\(found.restoration)", terminator: "")
        }
    }
}
