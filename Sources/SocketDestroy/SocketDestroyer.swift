package import ServiceMaps
package import ServiceModel

/// Finds and destroys the sockets that are connected to backends which are gone, in one network namespace.
///
/// It never touches a socket that swiftlet did not translate: a socket must have a way back that names the backend, and
/// the kernel must have it connected there still.
package protocol SocketDestroyer: Sendable {
    /// How it does it.
    var mechanism: DestroyMechanism { get }

    /// Goes over all sockets once. No backends: nothing is looked at.
    ///
    /// A TCP socket is looked at if its backend's Service port is one of TCP; whether that is wanted is for the caller to
    /// know.
    /// - Returns: what was found of each backend that has sockets here.
    func walk(
        _ gone: [RemovedBackend], _ order: DestroyOrder, in view: NamespaceView
    ) throws -> [RemovedBackend: SocketCounts]

    /// Ends sockets that wait: connects of TCP without an answer, and sockets of UDP that are recorded as waiting at a VIP.
    ///
    /// - Parameter cookies: the kernel's numbers for them.
    /// - Returns: how many it has ended; nil if it needs to know more than that.
    func endWaiting(_ cookies: [UInt64], of proto: IPProtocol, in view: NamespaceView) throws -> Int?
}

extension SocketDestroyer {
    package func endWaiting(_ cookies: [UInt64], of proto: IPProtocol, in view: NamespaceView) -> Int? { nil }

    /// In the network namespace of the calling thread.
    package func walk(_ gone: [RemovedBackend], _ order: DestroyOrder) throws -> [RemovedBackend: SocketCounts] {
        try walk(gone, order, in: .thread)
    }
}

/// The kernel's ways to destroy another process's socket.
package enum DestroyMechanism: String, Sendable, CaseIterable {
    /// An iterator over sockets that calls `bpf_sock_destroy`: kernel 6.5.
    case bpf
    /// A request of type SOCK_DESTROY for each socket: a kernel with CONFIG_INET_DIAG_DESTROY.
    case netlink
}

/// What a walk over the sockets is to do.
package enum DestroyOrder: Sendable, Hashable {
    /// Counts what would be destroyed.
    case count
    /// Destroys so many sockets, and counts the others as postponed.
    case destroy(permits: Int)
}

/// What a walk found.
package struct SocketCounts: Sendable, Hashable {
    /// Sockets that are connected to a backend that is gone.
    package var found = 0
    package var destroyed = 0
    /// UDP sockets that go on with another backend, destroyed before or not.
    package var revived = 0
    /// The kernel would not destroy them.
    package var refused = 0
    /// There was no permit left.
    package var postponed = 0

    package init(found: Int = 0, destroyed: Int = 0, revived: Int = 0, refused: Int = 0, postponed: Int = 0) {
        self.found = found
        self.destroyed = destroyed
        self.revived = revived
        self.refused = refused
        self.postponed = postponed
    }

    package static func += (left: inout SocketCounts, right: SocketCounts) { left = left + right }

    package static func + (left: SocketCounts, right: SocketCounts) -> SocketCounts {
        SocketCounts(
            found: left.found + right.found, destroyed: left.destroyed + right.destroyed,
            revived: left.revived + right.revived, refused: left.refused + right.refused,
            postponed: left.postponed + right.postponed)
    }
}

extension [RemovedBackend: SocketCounts] {
    /// All of it together.
    package var total: SocketCounts { values.reduce(SocketCounts(), +) }
}
