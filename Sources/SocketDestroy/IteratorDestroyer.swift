package import BPFLoader
internal import CDatapath
package import ServiceMaps
package import ServiceModel
import Synchronization

/// Destroys sockets by an iterator of BPF: the kernel walks its sockets itself.
package final class IteratorDestroyer: SocketDestroyer {
    package let mechanism = DestroyMechanism.bpf
    private let udp: BPFIterator
    private let tcp: BPFIterator
    private let gone: BPFMap
    private let waiting: BPFMap
    /// Counts connections of TCP: an iterator takes three times as long for the kernel's table of them.
    private let lister: NetlinkDestroyer
    /// One walk at a time: the list and the order are those of the walk.
    private let order: Mutex<OrderMap>

    private struct OrderMap: ~Copyable {
        let map: BPFMap
    }

    /// Whether the kernel has what the program calls (6.5).
    package static var isPossible: Bool { KernelFunction.exists("bpf_sock_destroy") }

    /// Loads the program onto the maps of the datapath.
    package init(_ paths: DatapathPaths) throws(BPFError) {
        let bytes = swiftlet_destroy_object()
        let object = try BPFObject(
            name: "destroy.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        let used = ["sock_origin", "sock_spill", "gone_backends", "destroy_order", "waiting_sockets"]
        for map in object.mapNames where !used.contains(map) { try object.leaveOut(map: map) }
        try object.reuse(BPFMap(pinnedAt: paths.origin), as: "sock_origin")
        try object.reuse(BPFMap(pinnedAt: paths.spill), as: "sock_spill")
        let loaded = try object.load()
        let udp = try BPFIterator(loaded.program(named: "swl_visit_udp"))
        let tcp = try BPFIterator(loaded.program(named: "swl_visit_tcp"))
        let gone = try loaded.map(named: "gone_backends")
        let order = try loaded.map(named: "destroy_order")
        let waiting = try loaded.map(named: "waiting_sockets")
        lister = try NetlinkDestroyer(paths)
        self.udp = udp
        self.tcp = tcp
        self.gone = gone
        self.waiting = waiting
        self.order = Mutex(OrderMap(map: order))
    }

    package func walk(
        _ backends: [RemovedBackend], _ order: DestroyOrder, in view: NamespaceView
    ) throws(BPFError) -> [RemovedBackend: SocketCounts] {
        if order == .count {
            let connections = backends.filter { $0.service.proto == .tcp }
            // A kernel may have no tcp_diag.
            if !connections.isEmpty, let counts = try? lister.walk(connections, .count, in: view) {
                let others = backends.filter { $0.service.proto != .tcp }
                return try iterate(others, .count, in: view).merging(counts) { $1 }
            }
        }
        return try iterate(backends, order, in: view)
    }

    private func iterate(
        _ backends: [RemovedBackend], _ order: DestroyOrder, in view: NamespaceView
    ) throws(BPFError) -> [RemovedBackend: SocketCounts] {
        var counts: [RemovedBackend: SocketCounts] = [:]
        var left = order
        var rest = backends[...]
        while !rest.isEmpty {
            let part = rest.prefix(Int(LB_GONE_BACKENDS))
            rest = rest.dropFirst(part.count)
            let found = try walk(part: Array(part), left, view)
            counts.merge(found) { $1 }
            if case .destroy(let permits) = left { left = .destroy(permits: max(0, permits - found.total.destroyed)) }
        }
        return counts
    }

    private func walk(
        part backends: [RemovedBackend], _ wanted: DestroyOrder, _ view: NamespaceView
    ) throws(BPFError) -> [RemovedBackend: SocketCounts] {
        let keys = backends.map { gone_backend($0) }
        let result = order.withLock { order -> Result<[RemovedBackend: SocketCounts], BPFError> in
            do throws(BPFError) {
                // Harmless before anything else: the list of an earlier walk means nothing now.
                try order.map.update(UInt32(0), to: destroy_order())
                try clear()
                try gone.updateBatch(keys: keys, values: keys.map { _ in gone_sockets() }).check()
                try order.map.update(UInt32(0), to: destroy_order(wanted))
                if backends.contains(where: { $0.service.proto == .udp }) { try view.run(udp) }
                if backends.contains(where: { $0.service.proto == .tcp }) { try view.run(tcp) }
                try order.map.update(UInt32(0), to: destroy_order())
                return .success(try read(backends, keys))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// For which `waiting_sockets` has room.
    private static let mostWaiting = 1_024

    package func endWaiting(
        _ cookies: [UInt64], of proto: IPProtocol, in view: NamespaceView
    ) throws(BPFError) -> Int? {
        var (ended, rest) = (0, cookies[...])
        while !rest.isEmpty {
            let part = Array(rest.prefix(Self.mostWaiting))
            rest = rest.dropFirst(part.count)
            ended += try end(part, of: proto, view)
        }
        return ended
    }

    private func end(
        _ cookies: [UInt64], of proto: IPProtocol, _ view: NamespaceView
    ) throws(BPFError) -> Int {
        let result = order.withLock { order -> Result<Int, BPFError> in
            do throws(BPFError) {
                // The same walk looks for backends that are gone.
                try order.map.update(UInt32(0), to: destroy_order())
                defer { _ = waiting.deleteBatch(keys: cookies) }
                try waiting.updateBatch(keys: cookies, values: cookies.map { _ in UInt64(0) }).check()
                switch proto {
                case .udp: try view.run(udp)
                case .tcp: try view.run(tcp)
                case .sctp: break
                }
                var ended = 0
                for cookie in cookies where try waiting.lookup(cookie) == UInt64(1) { ended += 1 }
                return .success(ended)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func clear() throws(BPFError) {
        let keys = try gone.entries(key: gone_backend.self, value: gone_sockets.self).map(\.key)
        try gone.deleteBatch(keys: keys).check()
    }

    private func read(
        _ backends: [RemovedBackend], _ keys: [gone_backend]
    ) throws(BPFError) -> [RemovedBackend: SocketCounts] {
        var counts: [RemovedBackend: SocketCounts] = [:]
        for (backend, key) in zip(backends, keys) {
            guard let value: gone_sockets = try gone.lookup(key), value.found > 0 else { continue }
            counts[backend] = SocketCounts(
                found: Int(value.found), destroyed: Int(value.destroyed), refused: Int(value.refused),
                postponed: Int(value.postponed))
        }
        return counts
    }
}

extension gone_backend {
    fileprivate init(_ backend: RemovedBackend) {
        self.init()
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: backend.address.wide) }
        backend_id = backend.id.number
        port = backend.port
        `protocol` = ip_protocol(backend.service.proto)
    }
}

extension destroy_order {
    fileprivate init(_ order: DestroyOrder) {
        self.init()
        switch order {
        case .count: mode = DESTROY_COUNT
        case .destroy(let count):
            mode = DESTROY_SOCKETS
            permits = UInt32(clamping: count)
        }
    }
}
