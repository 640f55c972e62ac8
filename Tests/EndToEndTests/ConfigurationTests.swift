import CDatapath
import Foundation
import NetworkLab
import Testing

/// The command line: what it refuses, and where settings come from.
@Suite("configuration", .tags(.endToEnd), .endToEnd, .serialized, .node(starts: false))
struct ConfigurationTests {
    /// Wrong usage, and a word that the answer must have.
    struct Mistake: Sendable, CustomTestStringConvertible {
        var arguments: String
        var word: String
        var testDescription: String { arguments }
    }

    @Test(
        "wrong usage ends with 2 and a line that helps",
        arguments: [
            Mistake(arguments: "frobnicate", word: "frobnicate"),
            Mistake(arguments: "run --nonsense", word: "--nonsense"),
            Mistake(arguments: "run", word: "--manifests"),
            Mistake(arguments: "run --kube-proxy-replacement=maybe --manifests /tmp", word: "maybe"),
            Mistake(arguments: "run --manifests /tmp --log-format xml", word: "xml"),
            Mistake(arguments: "run --manifests /tmp --max-slots many", word: "many"),
            Mistake(arguments: "run --manifests /tmp --max-services 4000000000", word: "from 1 to 16777216"),
            Mistake(arguments: "run --manifests /tmp --max-flows 2000000000", word: "from 0 to 4194304"),
            Mistake(arguments: "services -o toml", word: "toml"),
            Mistake(arguments: "compile --manifests /tmp", word: "--node"),
            Mistake(arguments: "compile --node here", word: "--manifests"),
            Mistake(arguments: "compile --manifests /tmp --node here -o wide", word: "wide"),
            Mistake(arguments: "compile --manifests /tmp --node here --node-address here", word: "IP address"),
            Mistake(arguments: "compile --manifests /tmp --node here --nodeport-addresses 10.0.0.0", word: "CIDR"),
            Mistake(arguments: "status too many", word: "many"),
        ])
    func refusesUsage(mistake: Mistake) throws {
        let outcome = try Programs.run([Programs.swiftlet] + mistake.arguments.split(separator: " ").map(String.init))
        #expect(outcome.status == .exited(2), "\(outcome)")
        #expect(outcome.output.contains(mistake.word), "\(outcome)")
    }

    @Test("help shows examples", arguments: ["", "run", "status", "services", "compile", "maps", "cleanup"])
    func helps(command: String) throws {
        let outcome = try Programs.run([Programs.swiftlet] + (command.isEmpty ? [] : [command]) + ["--help"])
        #expect(outcome.status == .exited(0))
        #expect(outcome.output.contains("Example"))
    }

    @Test("version")
    func tellsVersion() throws {
        let outcome = try Programs.run([Programs.swiftlet, "version"])
        #expect(outcome.status == .exited(0))
        #expect(outcome.output.contains("map layout v\(LB_MAP_VERSION)"))
    }

    @Test(
        "a configuration file that cannot be used ends with 1 and says why",
        arguments: [
            Mistake(arguments: "kubeProxyReplacment: true", word: "unknown key \"kubeProxyReplacment\""),
            Mistake(arguments: "maxSlots: lots", word: "maxSlots"),
            Mistake(arguments: "manifests: {a: b}", word: "manifests"),
            Mistake(arguments: "logLevel: loud", word: "loud"),
            Mistake(arguments: "nodePortAddresses: [10.0.0.0/99]", word: "10.0.0.0/99"),
            Mistake(arguments: "manifests: [", word: "config.yaml"),
        ])
    func refusesFile(mistake: Mistake) throws {
        let node = try TestNode.current
        let file = "\(node.directory)/config.yaml"
        try mistake.arguments.write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try Programs.run([Programs.swiftlet, "run", "--config", file])
        #expect(outcome.status == .exited(1), "\(outcome)")
        #expect(outcome.output.contains(mistake.word), "\(outcome)")
        #expect(!outcome.output.contains("DecodingError"), "\(outcome)")
    }

    @Test("a configuration file or directory that is not there")
    func missesFile() throws {
        let node = try TestNode.current
        let absent = "\(node.directory)/absent"
        for arguments in [["--config", absent], ["--manifests", absent, "--bpf-root", node.bpfRoot]] {
            let outcome = try Programs.run([Programs.swiftlet, "run"] + arguments)
            #expect(outcome.status == .exited(1), "\(outcome)")
            #expect(outcome.output.contains(absent), "\(outcome)")
        }
    }

    @Test("a cgroup that is none stops the start before anything is made", arguments: ["/absent", "/tmp"])
    func refusesCgroup(path: String) throws {
        let node = try TestNode.current
        let arguments = ["run", "--kube-proxy-replacement=true", "--manifests", node.manifests, "--cgroup-root", path]
        let outcome = try Programs.run([Programs.swiftlet] + arguments + ["--bpf-root", node.bpfRoot])
        #expect(outcome.status == .exited(1), "\(outcome)")
        #expect(outcome.output.contains("cgroup \(path)"), "\(outcome)")
        #expect(!FileManager.default.fileExists(atPath: node.bpfRoot))
    }

    @Test("settings come from the file, and flags win")
    func readsFile() throws {
        let node = try TestNode.current
        let file = "\(node.directory)/config.yaml"
        let text = """
            kubeProxyReplacement: true
            manifests: [\(node.manifests)]
            nodeName: from-the-file
            cgroupRoot: \(node.cgroup.path)
            bpfRoot: \(node.bpfRoot)
            nodePortAddresses: [192.0.2.0/24]
            bindProtection: false
            maxServices: 512
            maxBackends: 1024
            maxSlots: 2048
            logFormat: json
            logLevel: debug
            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try node.write(ServedManifests.web, to: "web.yaml")
        try node.start(with: ["run", "--config", file, "--node-name", "from-the-flag", "--max-slots", "4096"])
        let status = try node.status()
        #expect(status.degraded == [])
        #expect(status.daemon?.nodeName == "from-the-flag")
        #expect(status.daemon?.kubeProxyReplacement == true)
        #expect(status.daemon?.nodePortAddresses == ["192.0.2.1"])
        #expect(status.hooks.filter(\.isAttached).count == 9)
        let capacity = Dictionary(uniqueKeysWithValues: status.maps.map { ($0.name, $0.capacity) })
        #expect(capacity["services4"] == 512)
        #expect(capacity["backends4"] == 1024)
        #expect(capacity["slots4"] == 4096)
        for line in node.logText.split(separator: "\n") {
            #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
        }

        let pid = try #require(node.pid)
        let changed = text.replacing("maxServices: 512", with: "maxServices: 300").replacing("debug", with: "warning")
        try changed.write(toFile: file, atomically: true, encoding: .utf8)
        kill(pid, SIGHUP)
        #expect(try eventually { node.logText.contains("settings have changed that need a restart") })
        #expect(node.logText.contains("maxServices (--max-services)"))
        try "maxSlots: [".write(toFile: file, atomically: true, encoding: .utf8)
        kill(pid, SIGHUP)
        #expect(try eventually { node.logText.contains("cannot reload the configuration; nothing has changed") })
        #expect(try node.status().degraded == [])
        try node.stop()
    }
}
