package import BPFLoader
internal import CDatapath
internal import CRtnetlink
import Glibc
internal import Netlink
package import ServiceMaps
internal import ServiceModel
internal import SystemPackage

/// Destroys sockets one by one, by requests over netlink: for kernels whose BPF cannot.
package final class NetlinkDestroyer: SocketDestroyer {
    package let mechanism = DestroyMechanism.netlink
    private let wayBack: WayBack

    /// Opens the maps of the datapath.
    package init(_ paths: DatapathPaths) throws(BPFError) { wayBack = try WayBack(pins: paths) }

    package func walk(
        _ gone: [RemovedBackend], _ order: DestroyOrder, in view: NamespaceView
    ) throws -> [RemovedBackend: SocketCounts] {
        var counts: [RemovedBackend: SocketCounts] = [:]
        var permits = 0
        if case .destroy(let count) = order { permits = count }
        for (proto, backends) in Dictionary(grouping: gone, by: \.service.proto).sorted(by: { $0.key < $1.key }) {
            guard let transport = Transport(proto) else { continue }
            let diagnosis = try view.diagnosis()
            for found in try sockets(on: backends, transport, diagnosis) {
                counts[found.backend, default: .init()].found += 1
                guard order != .count else { continue }
                guard permits > 0 else {
                    counts[found.backend, default: .init()].postponed += 1
                    continue
                }
                switch diagnosis.destroy(found.socket, transport) {
                case .destroyed:
                    permits -= 1
                    counts[found.backend, default: .init()].destroyed += 1
                case .wasGone: break
                case .refused: counts[found.backend, default: .init()].refused += 1
                }
            }
        }
        return counts
    }

    private func sockets(
        on backends: [RemovedBackend], _ transport: Transport, _ diagnosis: borrowing SocketDiagnosis
    ) throws -> [(socket: ConnectedSocket, backend: RemovedBackend)] {
        struct Place: Hashable {
            var address: [UInt8]
            var port: UInt16
        }
        let known = Dictionary(grouping: backends) { Place(address: $0.address.wide, port: $0.port) }
        var found: [(socket: ConnectedSocket, backend: RemovedBackend)] = []
        for socket in try diagnosis.connectedSockets(transport, storage: wayBack.spill) {
            guard let candidates = known[Place(address: socket.peer, port: socket.peerPort)] else { continue }
            // The place first, as the hooks do; storage is for sockets whose place was taken.
            let records = [try wayBack.record(ofSocket: socket.cookie), socket.spilled].compactMap(\.self)
            let backend = candidates.first { backend in records.contains { $0.names(backend) } }
            if let backend { found.append((socket, backend)) }
        }
        return found
    }
}

/// A protocol whose sockets can be asked for.
struct Transport {
    let number: UInt8
    /// Bits of the states in which a socket has a connection that can be ended.
    let states: UInt32

    init?(_ proto: IPProtocol) {
        switch proto {
        // UDP calls a connected socket established.
        case .udp: states = 1 << 1
        // Neither TIME_WAIT, CLOSE, LISTEN nor what is not accepted yet.
        case .tcp: states = (1 << 1) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 9) | (1 << 11)
        case .sctp: return nil
        }
        number = proto.rawValue
    }

    /// Those that can be led elsewhere: of TCP, those that wait for the answer to their SYN.
    init?(reviving proto: IPProtocol) {
        switch proto {
        case .udp: states = 1 << 1
        case .tcp: states = 1 << 2
        case .sctp: return nil
        }
        number = proto.rawValue
    }
}
