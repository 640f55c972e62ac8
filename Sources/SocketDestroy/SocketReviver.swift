package import BPFLoader
internal import CDatapath
internal import CRtnetlink
import Glibc
package import ServiceMaps
internal import ServiceModel
internal import SystemPackage

/// Connects UDP sockets anew, in the place of the programs that hold them: by the VIP that they were connected to, to
/// which the hooks choose a backend that serves.
///
/// A destroyed UDP socket says EDESTADDRREQ for ever, which a program that looks at no error never learns. Here it is
/// destroyed, so that a program that waits or looks is told as before, and connected again at once. Connected by hand, a socket
/// that waits at a VIP for an endpoint loses nothing at all.
package final class SocketReviver: Sendable {
    private let wayBack: WayBack
    private let paths: DatapathPaths
    private let leftCgroups: BPFMap

    /// Opens the maps of the datapath.
    package init(_ paths: DatapathPaths) throws(BPFError) {
        wayBack = try WayBack(pins: paths)
        self.paths = paths
        leftCgroups = try BPFMap(pinnedAt: paths.leftCgroups)
    }

    /// A socket that leads nowhere.
    struct Stuck: Sendable {
        let socket: ConnectedSocket
        /// The backend that is gone, or the frontend at which it waits.
        let place: RemovedBackend
        let proto: IPProtocol
        /// What its program asked for.
        let vip: (address: [UInt8], port: UInt16)
        /// Its program must be told: what it sent to that backend is lost.
        let wasServed: Bool
        /// It is not recorded to wait, and whom it has heard where it is may be somebody else.
        let mustBeSilent: Bool
        /// The frontend at which it is recorded to wait, if that leaves no socket to wait on: then it is ended where it
        /// cannot be connected anew, so that its program opens another one.
        let mayEndFor: AwakenedFrontend?
    }

    // MARK: Finding

    /// Those of a network namespace.
    func find(
        _ gone: [RemovedBackend], _ awakened: [AwakenedFrontend], in view: NamespaceView
    ) throws -> [Stuck] {
        let places = Places(gone, awakened)
        var served = try ServedCgroups(below: paths.cgroup, without: leftCgroups)
        var stuck: [Stuck] = []
        for proto in [IPProtocol.udp, .tcp] where places.concern(proto) {
            guard let transport = Transport(reviving: proto) else { continue }
            let diagnosis = try view.diagnosis()
            for socket in try diagnosis.connectedSockets(transport, storage: wayBack.spill) {
                guard places.include(socket, proto) else { continue }
                let records = [try wayBack.record(ofSocket: socket.cookie), socket.spilled].compactMap(\.self)
                guard let found = places.stuck(socket, proto, records) else { continue }
                // Without a record only its cgroup tells that the hooks would have led it.
                if found.wasServed || records.contains(where: { $0.names(found.place) })
                    || socket.cgroup.map({ served.contain($0) }) ?? !found.mustBeSilent
                {
                    stuck.append(found)
                }
            }
        }
        return stuck
    }

    /// Of sockets that waited and could not be connected anew, those that may be ended: their frontends lead somewhere
    /// still. An endpoint may have come and gone since they were roused, and then they wait rightly.
    func mayBeEnded(_ waiting: [Stuck]) -> [Stuck] {
        let leading = Set(waiting.compactMap(\.mayEndFor)).filter(paths.lead)
        return waiting.filter { $0.mayEndFor.map(leading.contains) ?? false }
    }

    // MARK: Reviving

    enum Outcome { case revived, destroyed, gone, failed }

    /// Leads a socket to a backend that serves; the calling thread is in its network namespace.
    func revive(_ stuck: Stuck, heldBy holders: SocketHolders) -> Outcome {
        guard let transport = Transport(reviving: stuck.proto), let diagnosis = try? SocketDiagnosis() else {
            return .failed
        }
        guard stuck.proto == .udp else {
            // A connect that waits for its answer cannot be led elsewhere. Programs at tc may have led its next SYN to a
            // backend since it was found.
            guard diagnosis.has(stuck.socket, in: transport) else { return .gone }
            return Outcome(diagnosis.destroy(stuck.socket, transport))
        }
        guard let copy = holders.copy(of: stuck.socket) else { return .failed }
        defer { try? copy.close() }
        if stuck.wasServed {
            guard case .destroyed = diagnosis.destroy(stuck.socket, transport) else { return .gone }
            // Its program was faster than we are, and has connected it by itself.
            if Self.isConnected(copy.rawValue) { return .destroyed }
            SocketSilence.begin(copy.rawValue)
        } else {
            if stuck.mustBeSilent, !SocketSilence.lasts(copy.rawValue) { return .gone }
            Self.freeSource(copy.rawValue)
        }
        let isConnected = Self.connect(copy.rawValue, to: stuck.vip, isV4: stuck.socket.family == UInt8(AF_INET))
        guard isConnected else { return stuck.wasServed ? .destroyed : .failed }
        return !stuck.wasServed && waitsOn(stuck.socket) ? .gone : .revived
    }

    /// Whether the hooks have led it nowhere once more.
    private func waitsOn(_ socket: ConnectedSocket) -> Bool {
        guard let record = (try? wayBack.record(ofSocket: socket.cookie)) ?? nil else { return false }
        return record.backend_id == 0
    }

    static func isConnected(_ socket: CInt) -> Bool {
        var peer = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(socket, $0, &length) == 0 }
        }
    }

    /// Lets the next connect choose the source, where the earlier one has chosen one that leads out of no node: a loopback
    /// address, by a frontend that is one. What its program was bound to stays.
    static func freeSource(_ socket: CInt) {
        var local = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isKnown = withUnsafeMutablePointer(to: &local) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) == 0 }
        }
        guard isKnown, local.isLoopback else { return }
        var nobody = sockaddr(sa_family: sa_family_t(AF_UNSPEC), sa_data: sockaddr().sa_data)
        _ = Glibc.connect(socket, &nobody, socklen_t(MemoryLayout<sockaddr>.size))
    }

    static func connect(_ socket: CInt, to vip: (address: [UInt8], port: UInt16), isV4: Bool) -> Bool {
        func call<Address>(_ address: inout Address) -> Bool {
            let length = socklen_t(MemoryLayout<Address>.size)
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket, $0, length) == 0 }
            }
        }
        if isV4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = vip.port.bigEndian
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: vip.address.suffix(4)) }
            return call(&address)
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = vip.port.bigEndian
        withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: vip.address) }
        return call(&address)
    }
}

/// Where sockets are stuck, by the address that the kernel has them connected to.
private struct Places {
    private struct Place: Hashable {
        var address: [UInt8]
        var port: UInt16
        var proto: IPProtocol
    }

    private var gone: [Place: [RemovedBackend]] = [:]
    private var awakened: [Place: AwakenedFrontend] = [:]

    init(_ gone: [RemovedBackend], _ awakened: [AwakenedFrontend]) {
        for backend in gone where backend.service.proto == .udp {
            self.gone[Place(address: backend.address.wide, port: backend.port, proto: .udp), default: []]
                .append(backend)
        }
        for frontend in awakened {
            let place = Place(address: frontend.address.wide, port: frontend.port, proto: frontend.service.proto)
            self.awakened[place] = frontend.joined(self.awakened[place])
        }
    }

    func concern(_ proto: IPProtocol) -> Bool {
        gone.keys.contains { $0.proto == proto } || awakened.keys.contains { $0.proto == proto }
    }

    func include(_ socket: ConnectedSocket, _ proto: IPProtocol) -> Bool {
        let place = Place(address: socket.peer, port: socket.peerPort, proto: proto)
        return gone[place] != nil || awakened[place] != nil
    }

    func stuck(_ socket: ConnectedSocket, _ proto: IPProtocol, _ records: [origin]) -> SocketReviver.Stuck? {
        let place = Place(address: socket.peer, port: socket.peerPort, proto: proto)
        for backend in gone[place] ?? [] {
            guard let record = records.first(where: { $0.names(backend) }) else { continue }
            let vip = (withUnsafeBytes(of: record.vip) { Array($0) }, record.vip_port)
            return SocketReviver.Stuck(
                socket: socket, place: backend, proto: proto, vip: vip, wasServed: true, mustBeSilent: false,
                mayEndFor: nil)
        }
        guard let frontend = awakened[place] else { return nil }
        let waiting = RemovedBackend(waitingAt: frontend)
        let isRecorded = records.contains { $0.names(waiting) }
        // A connect of TCP that has been given its answer, or has not asked twice, is none that waits for us.
        let isTaken =
            isRecorded || frontend.isClusterIP || (frontend.takesSilent && !records.contains { $0.leads(socket) })
        guard isTaken, proto == .udp || socket.repeats > 0 else { return nil }
        return SocketReviver.Stuck(
            socket: socket, place: waiting, proto: proto, vip: (place.address, place.port), wasServed: false,
            mustBeSilent: !isRecorded && !frontend.isClusterIP,
            mayEndFor: isRecorded && frontend.servesAll && proto == .udp ? frontend : nil)
    }
}

extension RemovedBackend {
    /// The way back of a socket that was connected to a VIP without backends.
    package init(waitingAt frontend: AwakenedFrontend) {
        self.init(
            id: BackendID(0), address: frontend.address, port: frontend.port, service: frontend.service)
    }

    /// Whether it stands for a backend that was waited for; no backend has this number.
    package var isAwaited: Bool { id == BackendID(0) }
}

extension AwakenedFrontend {
    /// One that was roused twice, for different sockets.
    fileprivate func joined(_ other: Self?) -> Self {
        guard let other else { return self }
        var both = self
        both.isClusterIP = isClusterIP || other.isClusterIP
        both.takesSilent = takesSilent || other.takesSilent
        both.servesAll = servesAll && other.servesAll
        return both
    }
}

extension sockaddr_storage {
    /// 127.0.0.0/8, ::1, or the former as an IPv6 socket has it.
    fileprivate var isLoopback: Bool {
        withUnsafeBytes(of: self) { bytes in
            switch CInt(ss_family) {
            case AF_INET: return bytes[4] == 127
            case AF_INET6:
                let address = Array(bytes[8..<24])
                let zeros = [UInt8](repeating: 0, count: 10)
                return address == zeros + [0, 0, 0, 0, 0, 1]
                    || (address.starts(with: zeros + [0xff, 0xff]) && address[12] == 127)
            default: return false
            }
        }
    }
}

extension origin {
    /// Whether it says how a socket came to where it is connected.
    fileprivate func leads(_ socket: ConnectedSocket) -> Bool {
        service_id != 0 && port == socket.peerPort
            && withUnsafeBytes(of: address) { $0.elementsEqual(socket.peer) }
    }
}

extension SocketReviver.Outcome {
    fileprivate init(_ ending: SocketDiagnosis.Ending) {
        switch ending {
        case .destroyed: self = .destroyed
        case .wasGone: self = .gone
        case .refused: self = .failed
        }
    }
}
