import BPFLoader
import Foundation
import NetworkLab
import SystemPackage
import Testing

/// Manifests that change while they are served.
@Suite(
    "manifests that change", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, manifests: ["web.yaml": ServedManifests.web]))
struct ManifestChangeTests {
    private static let target = "10.96.0.50:80"

    private static func manifest(_ name: String = "changing", _ address: String = "10.96.0.50", pods: [String])
        -> String
    {
        Manifest.file(Manifest.service(name, [address]), Manifest.slice(name, pods))
    }

    @Test("a change is in the maps at once, and no connect fails meanwhile")
    func isFast() throws {
        let node = try TestNode.current
        let pods = Manifest.pods4
        try node.write(Self.manifest(pods: pods), to: "changing.yaml")
        #expect(try eventually { try node.call(Self.target).results == ["ok"] })
        let load = try node.startLoad(Self.target, ["--rate", "500", "--seconds", "60"])
        var delays: [Int] = []
        for round in 0..<20 {
            let present = round % 2 == 0 ? [pods[0], pods[round / 2 % 2 + 1]] : pods
            try node.write(Self.manifest(pods: present), to: "changing.yaml")
            delays.append(try Self.delay(until: present, in: node))
        }
        let report = try node.finish(load: load, now: true)
        #expect(report.failed == [:], "\(report.failures)")
        delays.sort()
        print("a manifest is in the maps after \(delays[10]) ms (median of 20, slowest \(delays[19]) ms)")
        #expect(delays[10] < 500)
        try node.remove("changing.yaml")
    }

    /// Milliseconds until the backends at port 8080 of `changing` are these, by the kernel's own map.
    private static func delay(until addresses: [String], in node: TestNode) throws -> Int {
        let start = MonotonicClock.now
        let wanted = Set(addresses.compactMap { SocketAddress(host: $0, port: 0)?.address })
        let names = try BPFMap(pinnedAt: FilePath(node.map("service_ports"))).rawEntries()
        let id = names.first { String(decoding: $0.value, as: UTF8.self).contains("changing") }?.key ?? []
        let backends = try BPFMap(pinnedAt: FilePath(node.map("backends4")))
        let isThere = try eventually {
            // The value begins with the service id and the address.
            let values = try backends.rawEntries().map(\.value).filter { Array($0.prefix(4)) == id }
            return Set(values.map { Array($0[4..<8]) }) == wanted
        }
        #expect(isThere)
        return Int(MonotonicClock.now - start) / 1_000_000
    }

    @Test("a broken file keeps the last good version, and status says so until it is well")
    func keepsLastGood() throws {
        let node = try TestNode.current
        try node.write(Self.manifest(pods: Manifest.pods4), to: "changing.yaml")
        #expect(try eventually { try node.call(Self.target).results == ["ok"] })
        #expect(try node.swiftlet("status").status == .exited(0))

        try node.write("kind: [Service\n", to: "changing.yaml")
        #expect(try eventually { try node.status().degraded.contains { $0.contains("changing.yaml") } })
        let status = try node.swiftlet("status")
        #expect(status.status == .exited(3))
        #expect(status.output.contains("cannot parse"))
        #expect(try node.call(Self.target, "--count", "10").results == ["ok"])
        #expect(node.logText.contains("changing.yaml"))
        let kept = "kept from before: \(node.manifests)/changing.yaml cannot be parsed"
        for subject in ["changing", Self.target] {
            let answer = try node.swiftlet("explain", subject)
            #expect(answer.status == .exited(0) && answer.output.contains(kept), "\(answer)")
        }
        for command in [["services"], ["services", "changing"], ["status"]] {
            let said = try Programs.run(
                [Programs.swiftlet] + command + ["--bpf-root", node.bpfRoot], in: node.lab.node.path)
            #expect(said.output.contains(kept), "\(said)")
        }

        try node.write(Self.manifest(pods: [Manifest.pods4[2]]), to: "changing.yaml")
        #expect(try eventually { try node.swiftlet("status").status == .exited(0) })
        #expect(try node.call(Self.target, "--count", "10").pods == ["pod-3"])
        try node.remove("changing.yaml")
    }

    @Test(
        "an object that is not valid keeps its last good version, and the rest of the file is applied",
        arguments: [
            ("{port: 70000}", "spec.ports[0].port"), ("{port: 0}", "spec.ports[0].port"),
            ("{name: a}", "spec.ports[0].port"),
        ])
    func keepsLastGoodObject(port: String, field: String) throws {
        let node = try TestNode.current
        try node.write(Self.manifest(pods: Manifest.pods4), to: "changing.yaml")
        #expect(try eventually { try node.call(Self.target).results == ["ok"] })
        let broken = Manifest.file(
            Manifest.service("changing", ["10.96.0.50"], ports: [port]),
            Manifest.slice("changing", Manifest.pods4), Self.manifest("other", "10.96.0.51", pods: Manifest.pods4))
        try node.write(broken, to: "changing.yaml")
        #expect(try eventually { try node.call("10.96.0.51:80").results == ["ok"] })
        #expect(try node.call(Self.target).results == ["ok"])
        let problem = try node.status().degraded.first { $0.contains("changing.yaml") }
        #expect(problem?.contains(field) == true)
        #expect(problem?.contains("default/changing") == true)
        try node.remove("changing.yaml")
        #expect(try eventually { try node.status().degraded == [] })
    }

    @Test("a file that is removed takes its Services with it")
    func removes() throws {
        let node = try TestNode.current
        try node.write(Self.manifest(pods: Manifest.pods4), to: "changing.yaml")
        #expect(try eventually { try node.call(Self.target).results == ["ok"] })
        try node.remove("changing.yaml")
        #expect(try eventually { try node.call(Self.target).results == ["ENETUNREACH"] })
        #expect(try node.services()["changing"] == nil)
        #expect(try node.call("10.96.0.15:80").results == ["ok"])
    }

    @Test("a file written in place, piece by piece, is taken when it is whole")
    func writtenInPlace() throws {
        let node = try TestNode.current
        let text = Self.manifest(pods: [Manifest.pods4[0]])
        let path = "\(node.manifests)/changing.yaml"
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        let file = try #require(FileHandle(forWritingAtPath: path))
        for piece in [text.prefix(150), text.dropFirst(150)] {
            try file.write(contentsOf: Data(piece.utf8))
            usleep(50_000)
        }
        try file.close()
        #expect(try eventually { try node.call(Self.target).results == ["ok"] })
        try node.remove("changing.yaml")
    }

    /// As the kubelet does: the files are links through `..data`, which is swapped by renaming.
    @Test("a ConfigMap's symlink swap is one change")
    func swapsSymlinks() throws {
        let node = try TestNode.current
        let volume = "\(node.manifests)/volume"
        let files = FileManager.default
        func publish(_ version: String, pods: [String]) throws {
            try files.createDirectory(atPath: "\(volume)/..\(version)", withIntermediateDirectories: true)
            let text = Self.manifest(pods: pods)
            try text.write(toFile: "\(volume)/..\(version)/changing.yaml", atomically: false, encoding: .utf8)
            try files.createSymbolicLink(atPath: "\(volume)/..data_tmp", withDestinationPath: "..\(version)")
            #expect(rename("\(volume)/..data_tmp", "\(volume)/..data") == 0)
        }
        try publish("1", pods: [Manifest.pods4[0]])
        try files.createSymbolicLink(atPath: "\(volume)/changing.yaml", withDestinationPath: "..data/changing.yaml")
        #expect(try eventually { try node.call(Self.target).pods == ["pod-1"] })

        let load = try node.startLoad(Self.target, ["--rate", "300", "--seconds", "60"])
        for version in 2...5 {
            let pod = version % 3
            try publish("\(version)", pods: [Manifest.pods4[pod]])
            try files.removeItem(atPath: "\(volume)/..\(version - 1)")
            #expect(try eventually { try node.call(Self.target).pods == ["pod-\(pod + 1)"] })
        }
        #expect(try node.finish(load: load, now: true).failed == [:])
        #expect(try node.status().degraded == [])
        try files.removeItem(atPath: volume)
        #expect(try eventually { try node.services()["changing"] == nil })
    }
}
