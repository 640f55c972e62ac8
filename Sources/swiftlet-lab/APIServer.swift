import ArgumentParser
import FoundationEssentials
import NetworkLab
import LabAPIServer

struct APIServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apiserver",
        abstract: "Be a cluster's API server on 127.0.0.1, with objects that commands change.",
        discussion: """
            Prints one line when it listens: {"url", "authority", "certificate", "key"}; the last three are files, and null
            without --tls. Each line on standard input is a command, answered by one line of JSON:
              put JSON                        add or change an object
              delete RESOURCE NAMESPACE NAME  remove an object; the namespace of a Node is -
              put-slice N ADDRESS             change the first endpoint of a generated slice
              objects RESOURCE                {"items": […]}: what there is, Events included
              watches                         {"services": N, …}: the watches that are open
              down, up                        refuse connections and drop those there are; listen again
              drop                            drop connections
            The end of standard input ends it.

              swiftlet-lab apiserver --objects ./objects --node node-1 --address 192.0.2.1
              swiftlet-lab apiserver --generate 10000x10
            """)

    @Option(help: "Directory of JSON objects, one a file.")
    var objects: String?

    @Option(help: "Make so many Services, with so many endpoints each: 10000x10.")
    var generate: GeneratedCluster?

    @Option(help: "Name of a Node.")
    var node: String?

    @Option(help: "InternalIP of that Node.")
    var address = "127.0.0.1"

    @Flag(help: "TLS, and a client certificate is wanted.")
    var tls = false

    func run() async throws {
        let store = ObjectStore()
        if let node { store.put(ClusterObjects.node(node, address: address)) }
        if let objects { try store.putFiles(of: objects) }
        if let generate { generate.fill(store) }
        let certificates = tls ? try TestCertificates() : nil
        var options = LabAPIServer.Options()
        let client = try certificates?.make("client", serial: 2)
        options.certificate = try certificates?.make("localhost", serial: 1, names: ["IP:127.0.0.1"])
        options.clientAuthority = certificates?.authority
        try await LabAPIServer.with(options, store: store) { [generate] server in
            let hello = JSON.object([
                ("url", .string(server.url)), ("authority", .optional(certificates?.authority)),
                ("certificate", .optional(client?.certificate)), ("key", .optional(client?.key)),
            ])
            Output.line(hello.text)
            let commands = ClusterCommands(server: server, generated: generate)
            // Reading blocks: it has a thread of its own, which ends with the input.
            let (lines, input) = AsyncStream.makeStream(of: String.self)
            let reader = try LabThread.start {
                while let line = readLine() { input.yield(line) }
                input.finish()
            }
            for await line in lines { await commands.obey(line) }
            _ = consume reader
        }
        withExtendedLifetime(certificates) {}
    }
}

/// What the lines of standard input ask for.
private struct ClusterCommands {
    let server: LabAPIServer
    let generated: GeneratedCluster?

    func obey(_ line: String) async {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        let rest = words.count > 1 ? words[1] : ""
        do {
            Output.line(try await answer(words.first ?? "", rest))
        } catch {
            Output.line(JSON.object([("error", .string("cannot obey '\(line)': \(error)"))]).text)
        }
    }

    private func answer(_ command: String, _ rest: String) async throws -> String {
        let fields = rest.split(separator: " ").map(String.init)
        switch (command, fields.count) {
        case ("put", _): try server.store.put(parsing: rest)
        case ("delete", 3): server.store.delete(fields[0], fields[1] == "-" ? "" : fields[1], fields[2])
        case ("put-slice", 2): try putSlice(fields[0], fields[1])
        case ("objects", 1): return #"{"items":["# + server.store.texts(fields[0]).joined(separator: ",") + "]}"
        case ("watches", 0): return JSON.counts(server.observation.watches).text
        case ("down", 0): await server.stop()
        case ("up", 0): try await server.start()
        case ("drop", 0): await server.dropConnections()
        default: throw ValidationError("there is no such command; see swiftlet-lab apiserver --help")
        }
        return JSON.object([("version", .integer(Int(server.store.version)))]).text
    }

    private func putSlice(_ number: String, _ address: String) throws {
        guard let generated, let number = Int(number), (0..<generated.services).contains(number) else {
            throw ValidationError("no slice \(number) was generated")
        }
        server.store.put(generated.slice(number, first: address))
    }
}

extension ObjectStore {
    /// Takes the objects of all files of a directory, in the order of their names.
    fileprivate func putFiles(of directory: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: directory).sorted() {
            try put(parsing: String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8))
        }
    }
}
