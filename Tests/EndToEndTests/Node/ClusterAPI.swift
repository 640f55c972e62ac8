import Foundation
import NetworkLab
import LabAPIServer
import TestKit

/// `swiftlet-lab apiserver`, on 127.0.0.1 of a node's namespace.
struct ClusterAPI {
    struct Hello: Decodable {
        var url: String
        var authority: String?
        var certificate: String?
        var key: String?
    }

    private struct Reply: Decodable {
        var version: Int?
        var error: String?
    }

    struct Event: Decodable {
        struct Regarding: Decodable {
            var kind: String
            var name: String
        }

        var reason: String
        var note: String
        var regarding: Regarding
        var reportingInstance: String
    }

    private struct Listed<Item: Decodable>: Decodable {
        var items: [Item]
    }

    let hello: Hello
    private let process: RunningProcess

    init(on node: TestNode, _ objects: [JSON] = [], options: [String] = []) throws {
        process = try RunningProcess([Programs.lab, "apiserver"] + options, in: node.lab.node.path, input: .pipe)
        hello = try process.decode(Hello.self)
        for object in objects { try put(object) }
    }

    func put(_ objects: JSON...) throws {
        for object in objects { try obey("put " + String(decoding: object.bytes, as: UTF8.self)) }
    }

    func delete(_ resource: String, _ name: String) throws {
        try obey("delete \(resource) \(resource == "nodes" ? "-" : "default") \(name)")
    }

    func goDown() throws { try obey("down") }
    func comeBack() throws { try obey("up") }

    /// Lets it end by itself, with the files that it made.
    func end() throws {
        process.closeInput()
        _ = try process.wait()
    }

    /// The Events that were written.
    func events() throws -> [Event] {
        try process.write("objects events\n")
        return try process.decode(Listed<Event>.self).items
    }

    private func obey(_ command: String) throws {
        try process.write(command + "\n")
        if let error = try process.decode(Reply.self).error { throw TestFailure(error) }
    }
}

/// The objects of the cluster tests: Services whose one port is named http, and slices of the lab's pods.
enum ClusterManifest {
    static let node = ClusterObjects.node(Manifest.nodeName, address: "192.0.2.1")

    static func service(_ name: String, _ ip: String, _ change: (inout JSON) -> Void = { _ in }) -> JSON {
        var service = ClusterObjects.service(name, ip: ip)
        change(&service)
        return service
    }

    /// At these pods of the lab, by their numbers.
    static func slice(_ service: String, pods: [Int], endpoint: (Int) -> JSON = { _ in [:] }) -> JSON {
        var slice = ClusterObjects.slice("\(service)-1", of: service, addresses: [])
        slice["endpoints"] = .list(
            pods.map { pod in
                var object: JSON = ["nodeName": .text(Manifest.nodeName)]
                if case .map(let members) = endpoint(pod) {
                    for (key, value) in members { object[key] = value }
                }
                object["addresses"] = [.text(Manifest.pods4[pod - 1])]
                return object
            })
        return slice
    }
}

extension TestNode {
    /// Runs the body beside an API server; whatever it starts is gone afterwards, with its maps and its state.
    func withAPI(_ objects: [JSON], options: [String] = [], _ body: (ClusterAPI) throws -> Void) throws {
        let api = try ClusterAPI(on: self, objects, options: options)
        defer {
            forget()
            _ = try? api.end()
        }
        try body(api)
    }

    private func forget() {
        _ = try? stop()
        _ = try? swiftlet("cleanup")
        try? FileManager.default.removeItem(atPath: stateDirectory)
    }

    /// Starts the daemon on a cluster and waits until it is ready.
    func start(following api: ClusterAPI, _ flags: String...) throws {
        try start(with: Array(runArguments(from: ["--apiserver", api.hello.url]).dropFirst()) + flags)
    }

    /// Starts the daemon on a cluster that may not answer, and waits until the hooks are attached.
    func startAlone(following api: ClusterAPI, _ flags: String...) throws {
        let process = try launch(
            Programs.swiftlet,
            Array(runArguments(from: ["--apiserver", api.hello.url]).dropFirst()) + flags)
        let isAttached = try eventually(within: 30_000) {
            logText.contains("attached the hooks") || !process.isRunning
        }
        guard isAttached, process.isRunning else { throw TestFailure("the daemon did not start: \(logText)") }
    }

    /// An HTTP request from the node itself.
    func get(_ path: String, port: UInt16, at host: String = "127.0.0.1") throws -> HTTPReply {
        try LabThread.run {
            try LabThread.enterNamespace(lab.node.path)
            return try HTTPExchange.askHere(path, at: host, port: port)
        }
    }
}
