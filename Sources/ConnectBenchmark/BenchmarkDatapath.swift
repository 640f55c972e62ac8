package import NetworkLab

/// The datapath that is measured: how the benchmark, which knows no Service, has services programmed.
///
/// One conformer loads the real programs; the protocol is the seam to the kernel.
package protocol BenchmarkDatapath {
    /// Path of the cgroup2 directory that the hooks are attached to; the process is moved into it while it measures.
    var cgroup: String { get }

    /// The kernel's number of the attached connect4 program, for its run statistics.
    var connect4: UInt32 { get }

    /// The same of sendmsg4.
    var sendmsg4: UInt32 { get }

    /// Programs this many services with these backends each, in place of what was programmed before.
    ///
    /// - Parameter kind: TCP or UDP.
    /// - Returns: one frontend for each service, in order.
    func program(services: Int, backends: [SocketAddress], _ kind: Socket.Kind) throws -> [SocketAddress]

    /// Runs a body while something listens to the programs' events.
    ///
    /// - Returns: false, without a run, where there are none to listen to.
    func listening(_ body: () throws -> Void) throws -> Bool
}

extension BenchmarkDatapath {
    package func listening(_ body: () throws -> Void) throws -> Bool { false }
}
