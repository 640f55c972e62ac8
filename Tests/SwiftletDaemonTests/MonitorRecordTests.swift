import CDatapath
import FoundationEssentials
import Glibc
import KubernetesObjects
import ServiceModel
import Testing

@testable import ServiceMaps
@testable import SwiftletDaemon

@Suite("monitor: lines, words and pods")
struct MonitorRecordTests {
    @Test("every counter has words, for monitor and for the status page")
    func words() {
        for counter in 0..<UInt32(COUNT_MAX.rawValue) {
            guard let name = lb_counter_name(counter).map({ String(cString: $0).lowercased() }) else {
                Issue.record("counter \(counter) has no name")
                continue
            }
            #expect(EventWords.text(of: name) != name)
        }
    }

    private func record(_ fields: String) throws -> EventRecord {
        let json = """
            {"time": "2026-11-28T07:12:41.53Z", "protocol": "TCP", "vip": "10.96.0.15:80", \(fields)}
            """
        return try ReportCoding.decoder().decode(EventRecord.self, from: Data(json.utf8))
    }

    @Test("a connect is a line with its process, its Service and its endpoint")
    func connectLine() throws {
        let record = try record(
            """
            "kind": "connect", "process": {"pid": 411, "command": "curl"}, "pod": "default/shell", "refused": false,
            "service": "default/my-api", "servicePort": "http", "backend": "10.244.0.11:8080", "reason": "forward",
            "text": "forwarded"
            """)
        #expect(
            record.line
                == "07:12:41.530 connect curl (411) of default/shell 10.96.0.15:80/TCP → 10.244.0.11:8080 default/my-api:http"
        )
    }

    @Test("a refused packet is a line with its client, its device and the reason's words")
    func refusalLine() throws {
        let record = try record(
            """
            "kind": "packet", "client": "192.0.2.7:40000", "device": 4, "refused": true, "service": "default/my-api",
            "servicePort": "", "reason": "refuse_source", "text": "the client is not in loadBalancerSourceRanges"
            """)
        #expect(
            record.line == "07:12:41.530 packet  192.0.2.7:40000 at device 4 10.96.0.15:80/TCP default/my-api "
                + "refused: the client is not in loadBalancerSourceRanges")
    }

    @Test("a flow is a line with its client, the device's name and its endpoint")
    func flowLine() throws {
        let flow = """
            "kind": "flow", "client": "198.51.100.7:40000", "device": 4, "deviceName": "eth0", "refused": false,
            "service": "default/my-api", "servicePort": "http", "backend": "10.244.0.11:8080"
            """
        let begun = try record(flow + #", "reason": "flow_begun", "text": "forwarded packet by packet""#)
        #expect(
            begun.line == "07:12:41.530 flow    198.51.100.7:40000 at eth0 10.96.0.15:80/TCP → 10.244.0.11:8080 "
                + "default/my-api:http")
        let renamed = try record(flow + #", "reason": "flow_renamed", "text": "with another source port""#)
        #expect(renamed.line == begun.line + " (with another source port)")
    }

    @Test(
        "a process's pod is told by its cgroup and by kubelet's directories of logs",
        arguments: [
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0b5e1c7a_1111_2222_3333_444455556666.slice",
            "kubepods/burstable/pod0b5e1c7a-1111-2222-3333-444455556666",
        ])
    func pods(path: String) throws {
        let root = temporaryDirectory() + "/swiftlet-pods-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let container = "\(root)/cgroup/\(path)/cri-containerd-12.scope"
        let logs = "\(root)/logs/shop_web-7f_0b5e1c7a-1111-2222-3333-444455556666"
        for directory in [container, logs] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        var pods = PodCgroups(logs: "\(root)/logs", cgroups: "\(root)/cgroup")
        #expect(pods.canTellPods)
        #expect(pods.pod(of: try inode(container)) == ObjectName(namespace: "shop", name: "web-7f"))
        #expect(pods.pod(of: try inode("\(root)/cgroup")) == nil)
        #expect(!PodCgroups(logs: "\(root)/none", cgroups: "\(root)/cgroup").canTellPods)
        #expect(!PodCgroups(logs: "\(root)/logs", cgroups: "").canTellPods)
    }

    @Test("each filter lets through what it names, and all of them together")
    func filters() throws {
        func decoded(_ change: (inout event) -> Void) throws -> DatapathEvent {
            var event = event()
            (event.kind, event.`protocol`, event.reason, event.pid) = (EVENT_CONNECT, TCP, COUNT_FORWARD.rawValue, 411)
            change(&event)
            return try #require(DatapathEvent(event))
        }
        let connect = try decoded { _ in }
        let refusal = try decoded { $0.reason = COUNT_REFUSE_SOURCE.rawValue }
        let packet = try decoded { ($0.kind, $0.pid, $0.reason) = (EVENT_PACKET, 0, COUNT_REFUSE_SOURCE.rawValue) }
        let flows = try [COUNT_FLOW_BEGUN, COUNT_FLOW_RENAMED, COUNT_ANSWER_EXPIRED].map { reason in
            try decoded { ($0.kind, $0.pid, $0.reason) = (EVENT_FLOW, 0, reason.rawValue) }
        }
        #expect(flows.map(\.isRefusal) == [false, false, true])
        let (web, other) = (ObjectName(namespace: "default", name: "web"), ObjectName(namespace: "shop", name: "web"))
        var filter = EventFilter()
        #expect([connect, refusal, packet].allSatisfy(filter.passes) && filter.passes(pod: nil, service: nil))
        filter.refusedOnly = true
        #expect([connect, refusal, packet].map(filter.passes) == [false, true, true])
        filter.pid = 411
        #expect([connect, refusal, packet].map(filter.passes) == [false, true, false])
        filter.pid = 412
        #expect(!filter.passes(refusal))
        filter.service = web
        #expect([web, other, nil].map { filter.passes(pod: other, service: $0) } == [true, false, false])
        filter.pod = other
        #expect([web, other, nil].map { filter.passes(pod: $0, service: web) } == [false, true, false])
    }

    @Test("a packet of an unconnected socket has no VIP, and is a line with its endpoint")
    func packetLine() throws {
        let json = """
            {"time": "2026-11-28T07:12:41.53Z", "protocol": "UDP", "kind": "packet", "client": "10.244.0.11:40000",
             "pod": "default/shell", "device": 2, "backend": "10.244.0.12:8080", "refused": true, "reason": "refuse_source",
             "service": "default/gated", "servicePort": "echo", "text": "the client is not in loadBalancerSourceRanges"}
            """
        let record = try ReportCoding.decoder().decode(EventRecord.self, from: Data(json.utf8))
        #expect(
            record.line == "07:12:41.530 packet  10.244.0.11:40000 of default/shell at device 2 → 10.244.0.12:8080/UDP "
                + "default/gated:echo refused: the client is not in loadBalancerSourceRanges")
    }

    private func inode(_ path: String) throws -> UInt64 {
        var status = stat()
        try #require(stat(path, &status) == 0)
        return UInt64(status.st_ino)
    }
}

private func temporaryDirectory() -> String {
    getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
}
