package import Logging
import NIOCore

/// Answers questions over UDP and TCP. An address that cannot be had is told and tried again.
package struct NameServer: Sendable {
    /// TCP connections that are open at one time, at each address; a quarter of them may be one client's.
    static let mostConnections = 128
    /// A connection that says nothing is closed (RFC 7766 6.2.3).
    static let idleTime = TimeAmount.seconds(10)

    let settings: NameServerSettings
    let table: NameTable
    let admission: Admission
    let board: NameServerBoard
    let upstream: @Sendable () -> [NameServerSettings.Address]
    let log: Logger
    let idleTime: TimeAmount

    /// - Parameters:
    ///   - board: told of what was answered, and of each address that is not listened on.
    ///   - upstream: the servers for other names, read again from time to time.
    package init(
        _ settings: NameServerSettings, table: NameTable, admission: Admission, board: NameServerBoard,
        upstream: @escaping @Sendable () -> [NameServerSettings.Address], log: Logger
    ) {
        self.init(
            settings, table: table, admission: admission, board: board, upstream: upstream, log: log,
            idleTime: Self.idleTime)
    }

    init(
        _ settings: NameServerSettings, table: NameTable, admission: Admission, board: NameServerBoard,
        upstream: @escaping @Sendable () -> [NameServerSettings.Address], log: Logger, idleTime: TimeAmount
    ) {
        self.settings = settings
        self.table = table
        self.admission = admission
        self.board = board
        self.upstream = upstream
        self.log = log
        self.idleTime = idleTime
    }

    /// Answers from now on, on a thread of its own; what is returned keeps it so when it runs.
    package func start() async -> StartedNameServer {
        let server = StartedNameServer(self)
        await server.begin()
        return server
    }
}
