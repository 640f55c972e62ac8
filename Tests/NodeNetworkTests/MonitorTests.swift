import Netlink
@testable import NodeNetwork
import Glibc
import NetworkLab
import ServiceModel
import SystemPackage
import TestKit
import Testing

extension NetworkTests {
    @Suite struct MonitorTests {
        @Test("the first snapshot is what is there")
        func first() async throws {
            let wire = try Wire()
            try wire.near.addAddress("10.1.0.1/24", to: "eth0")
            var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
            #expect(try await snapshots.next(isolation: nil) == wire.snapshot())
        }

        @Test("an address is seen when it comes and when it goes", arguments: ["10.1.0.1/24", "fd00::1/64"])
        func addresses(address: String) async throws {
            let wire = try Wire()
            var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
            try wire.near.addAddress(address, to: "eth0")
            #expect(try await snapshots.first { $0.addresses(of: "eth0") == [address] } != nil)
            try wire.near.ip("address", "delete", address, "dev", "eth0")
            #expect(try await snapshots.first { $0.addresses(of: "eth0").isEmpty } != nil)
        }

        @Test("a link is seen when it comes, goes down, is renamed and goes")
        func links() async throws {
            let wire = try Wire()
            var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
            try wire.near.connect("eth1", to: wire.far, "eth1")
            let born = try await snapshots.first { $0.link(named: "eth1")?.isUp == true }
            try wire.near.ip("link", "set", "eth1", "down")
            #expect(try await snapshots.first { $0.link(named: "eth1")?.isUp == false } != nil)
            try wire.near.ip("link", "set", "eth1", "name", "lan")
            let renamed = try await snapshots.first { $0.link(named: "lan") != nil }
            #expect(renamed?.link(named: "lan")?.index == born?.link(named: "eth1")?.index)
            #expect(renamed?.link(named: "eth1") == nil)
            try wire.near.ip("link", "delete", "lan")
            #expect(try await snapshots.first { $0.link(named: "lan") == nil } != nil)
        }

        @Test("default routes are seen when they come and go, of both families")
        func routes() async throws {
            let wire = try Wire()
            try wire.near.ip(lines: ["address add 10.1.0.1/24 dev eth0", "address add fd00::1/64 dev eth0 nodad"])
            var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
            try wire.near.ip("route", "add", "default", "via", "10.1.0.9")
            #expect(try await snapshots.first { $0.defaults == ["eth0 v4"] } != nil)
            try wire.near.ip("route", "add", "default", "via", "fd00::9")
            #expect(try await snapshots.first { $0.defaults == ["eth0 v4", "eth0 v6"] } != nil)
            try wire.near.ip("link", "set", "eth0", "down")
            #expect(try await snapshots.first { $0.defaults == [] } != nil)
        }

        @Test("an IPv6 address counts once its duplicate address detection has ended")
        func tentative() async throws {
            let wire = try Wire()
            var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
            try wire.near.ip("address", "add", "fd00::1/64", "dev", "eth0")
            let early = try await snapshots.first { snapshot in
                snapshot.addresses.contains { "\($0.address)" == "fd00::1" }
            }
            #expect(early?.addresses.first { "\($0.address)" == "fd00::1" }?.isTentative == true)
            #expect(early?.addresses(of: "eth0") == [])
            #expect(try await snapshots.first { $0.addresses(of: "eth0") == ["fd00::1/64"] } != nil)
        }

        @Test("a thousand quick changes end in what is there")
        func manyChanges() async throws {
            let wire = try Wire()
            var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
            var lines = (0..<500).flatMap { number in
                let address = "10.\(number / 250).\(number % 250).1/32"
                // Every second one stays.
                return ["address add \(address) dev eth0"]
                    + (number % 2 == 0 ? ["address delete \(address) dev eth0"] : [])
            }
            lines += (0..<250).map { "route add 192.0.2.\($0)/32 dev eth0" } + ["link set eth0 mtu 1300"]
            try wire.near.ip(lines: lines)
            let last = try await snapshots.first { $0.link(named: "eth0")?.mtu == 1300 }
            #expect(last?.addresses(of: "eth0").count == 250)
            #expect(try last == wire.snapshot())
        }

        @Test("lost notices cost a reading and nothing else")
        func lostNotices() async throws {
            let wire = try Wire()
            let (stream, continuation) = AsyncStream.makeStream(of: Result<NetworkSnapshot, NetworkError>.self)
            // Both hear the same and have the same room.
            let (follower, witness) = try wire.near.run {
                (try NetworkFollower(continuation), Witness(try NetlinkSocket(groups: 0x10)))
            }
            try wire.near.ip(
                lines: (0..<2_000).map { "address add 10.\($0 / 250).\($0 % 250).1/32 dev eth0" })
            #expect(witness.hasLost())
            follower.hear()
            for await result in stream {
                if try result.get().addresses(of: "eth0").count == 2_000 { break }
            }
        }

        @Test("the stream ends with stop, and with the task that reads it")
        func end() async throws {
            let wire = try Wire()
            let before = openDescriptors()
            let monitor = try wire.monitor()
            let task = Task {
                for try await _ in monitor.snapshots() {}
            }
            monitor.stop()
            try await task.value
            #expect(eventually { openDescriptors() <= before })
            let other = try wire.monitor()
            let cancelled = Task {
                for try await _ in other.snapshots() {}
            }
            cancelled.cancel()
            try await cancelled.value
            // The monitor lives, and follows nothing.
            #expect(eventually { openDescriptors() <= before })
            withExtendedLifetime(other) {}
        }

        @Test("an error is the last that is told")
        func error() async throws {
            let wire = try Wire()
            let (stream, continuation) = AsyncStream.makeStream(of: Result<NetworkSnapshot, NetworkError>.self)
            let follower = try wire.near.run { try NetworkFollower(continuation) }
            // What the follower listens to is no socket any more.
            let file = open("/dev/null", O_RDONLY | O_CLOEXEC)
            dup2(file, follower.notices.descriptor)
            close(file)
            follower.hear()
            var results = stream.makeAsyncIterator()
            #expect(try await results.next()?.get() != nil)
            #expect(await results.next() == .failure(NetworkError(.follow, "the network", .notSocket)))
            #expect(await results.next() == nil)
        }

        @Test("a monitor that is dropped leaves no descriptor open")
        func descriptors() async throws {
            let wire = try Wire()
            func follow() async throws {
                var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
                #expect(try await snapshots.next(isolation: nil) != nil)
            }
            try await follow()
            // Dispatch closes in its own time.
            let before = openDescriptors()
            for _ in 0..<20 { try await follow() }
            #expect(eventually { openDescriptors() <= before })
        }
    }
}

/// A socket with notices that nobody takes; a class, for it comes out of a thread in a tuple.
private final class Witness: Sendable {
    private let socket: NetlinkSocket

    init(_ socket: consuming NetlinkSocket) { self.socket = socket }

    func hasLost() -> Bool {
        while true {
            switch socket.receive(flags: Int32(MSG_DONTWAIT)) {
            case .success: continue
            case .failure(let cause): return cause == .noBufferSpace
            }
        }
    }
}

private func openDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
}
