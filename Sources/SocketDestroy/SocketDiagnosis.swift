internal import BPFLoader
internal import CDatapath
internal import CRtnetlink
import Glibc
internal import Netlink
internal import SystemPackage

/// A conversation with the kernel about the sockets of the calling thread's network namespace.
struct SocketDiagnosis: ~Copyable {
    private let netlink: NetlinkSocket

    init() throws(NetworkError) { netlink = try NetlinkSocket(protocol: NETLINK_SOCK_DIAG) }

    /// Goes on with a socket of NETLINK_SOCK_DIAG that another process has opened in a namespace.
    init(adopting descriptor: FileDescriptor) throws(NetworkError) {
        netlink = try NetlinkSocket(adopting: descriptor.rawValue)
    }

    /// The sockets that have a peer, of both families.
    ///
    /// - Parameter storage: the map whose value of each socket is wanted too.
    func connectedSockets(
        _ transport: Transport, storage: borrowing BPFMap
    ) throws(NetworkError) -> [ConnectedSocket] {
        var sockets: [ConnectedSocket] = []
        let map = storage.id
        for family in [AF_INET, AF_INET6] {
            var head = inet_diag_req_v2()
            head.sdiag_family = UInt8(family)
            head.sdiag_protocol = transport.number
            head.idiag_states = transport.states
            var request = NetlinkRequest(SOCK_DIAG_BY_FAMILY, flags: NLM_F_DUMP, head)
            let wanted = storage.withDescriptor { withUnsafeBytes(of: UInt32(bitPattern: $0)) { Array($0) } }
            request.append(
                Self.attribute(wanted, as: SK_DIAG_BPF_STORAGE_REQ_MAP_FD), as: INET_DIAG_REQ_SK_BPF_STORAGES)
            // What comes and goes meanwhile is looked at by a later walk.
            _ = try netlink.ask(request, for: "sockets") { message in
                guard let (head, attributes) = message.parts(inet_diag_msg.self) else { return }
                sockets.append(ConnectedSocket(head, attributes, map: map))
            }
        }
        return sockets
    }

    /// Whether a socket is still in one of the transport's states.
    func has(_ socket: ConnectedSocket, in transport: Transport) -> Bool {
        let head = Self.naming(socket, transport)
        var state: UInt8?
        _ = try? netlink.ask(NetlinkRequest(SOCK_DIAG_BY_FAMILY, flags: 0, head), for: "a socket") { message in
            state = message.parts(inet_diag_msg.self)?.0.idiag_state
        }
        return state.map { transport.states & (1 << UInt32($0)) != 0 } ?? false
    }

    enum Ending {
        case destroyed
        /// Closed, or connected elsewhere, since it was found.
        case wasGone
        case refused(Errno)
    }

    /// Destroys just this socket: the kernel compares its cookie.
    func destroy(_ socket: ConnectedSocket, _ transport: Transport) -> Ending {
        let head = Self.naming(socket, transport)
        do throws(NetworkError) {
            _ = try netlink.ask(NetlinkRequest(SOCK_DESTROY, flags: NLM_F_ACK, head), for: "a socket") { _ in }
            return .destroyed
        } catch {
            return error.cause == .noSuchFileOrDirectory ? .wasGone : .refused(error.cause)
        }
    }

    /// Just this socket: the kernel compares its cookie, and not the states, which are for lists.
    private static func naming(_ socket: ConnectedSocket, _ transport: Transport) -> inet_diag_req_v2 {
        var head = inet_diag_req_v2()
        head.sdiag_family = socket.family
        head.sdiag_protocol = transport.number
        head.idiag_states = transport.states
        head.id = socket.id
        return head
    }

    private static func attribute(_ value: [UInt8], as number: some BinaryInteger) -> [UInt8] {
        let header = rtattr(rta_len: UInt16(MemoryLayout<rtattr>.size + value.count), rta_type: UInt16(number))
        return withUnsafeBytes(of: header) { Array($0) } + value
    }
}

/// A socket that the kernel has connected to a peer.
struct ConnectedSocket {
    let family: UInt8
    /// Its addresses and ports, and its cookie: what names it to the kernel.
    let id: inet_diag_sockid
    /// Sixteen bytes: IPv4 as ::ffff:a.b.c.d.
    let peer: [UInt8]
    let peerPort: UInt16
    /// Its record in `sock_spill`.
    let spilled: origin?
    /// The number in `socket:[…]`, to which the descriptors of its owners lead.
    let inode: UInt32
    /// The number of the cgroup that it was made in; nil of a kernel that does not tell.
    let cgroup: UInt64?
    /// How often TCP has repeated what was not answered.
    let repeats: UInt8

    init(_ message: inet_diag_msg, _ attributes: NetlinkAttributes, map: UInt32) {
        family = message.idiag_family
        id = message.id
        peerPort = UInt16(bigEndian: message.id.idiag_dport)
        (inode, repeats) = (message.idiag_inode, message.idiag_retrans)
        cgroup = attributes.value(INET_DIAG_CGROUP_ID, UInt64.self)
        let bytes = withUnsafeBytes(of: message.id.idiag_dst) { Array($0) }
        peer =
            Int32(family) == AF_INET
            ? [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + bytes.prefix(4) : Array(bytes.prefix(16))
        let storage = attributes.nested(INET_DIAG_SK_BPF_STORAGES)?.nested(SK_DIAG_BPF_STORAGE)
        spilled =
            storage?.value(SK_DIAG_BPF_STORAGE_MAP_ID, UInt32.self) == map
            ? storage?.value(SK_DIAG_BPF_STORAGE_MAP_VALUE, origin.self) : nil
    }

    /// A UDP socket of this process that is connected to itself; the port as the kernel writes it.
    init(loopbackPort port: UInt16, cookie: UInt64) {
        family = UInt8(AF_INET)
        var id = inet_diag_sockid()
        let loopback = UInt32(0x7f00_0001).bigEndian
        (id.idiag_sport, id.idiag_dport) = (port, port)
        (id.idiag_src.0, id.idiag_dst.0) = (loopback, loopback)
        id.idiag_cookie = (UInt32(truncatingIfNeeded: cookie), UInt32(truncatingIfNeeded: cookie >> 32))
        self.id = id
        (peer, peerPort, spilled) = ([], UInt16(bigEndian: port), nil)
        (inode, repeats, cgroup) = (0, 0, nil)
    }

    /// The kernel's number for the socket, which the way back goes by.
    var cookie: UInt64 { UInt64(id.idiag_cookie.0) | UInt64(id.idiag_cookie.1) << 32 }
}
