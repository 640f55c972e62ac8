import CLibbpf
import Glibc
import SystemPackage

/// The programs that are attached to a device by tcx, ours and others'.
struct TCXChain: Hashable {
    /// In the order in which they run.
    var programs: [DeviceProgram]
    /// Counts the changes of this chain.
    var revision: UInt64
}

enum TCXQuery {
    /// BPF_MPROG_MAX: no chain is longer.
    private static let longest = 64

    /// Reads a chain of a device of the calling thread's network namespace.
    static func chain(
        on index: UInt32, _ direction: TrafficDirection, subject: @autoclosure () -> String
    ) throws(BPFError) -> TCXChain {
        var programs = [UInt32](repeating: 0, count: longest)
        var links = programs
        var query = swl_tcx_query()
        query.ifindex = index
        query.attach_type = direction.tcxType
        query.count = UInt32(longest)
        let status = programs.withUnsafeMutableBufferPointer { programs in
            links.withUnsafeMutableBufferPointer { links in
                query.prog_ids = UInt64(UInt(bitPattern: programs.baseAddress))
                query.link_ids = UInt64(UInt(bitPattern: links.baseAddress))
                return swl_tcx_query(&query)
            }
        }
        try checked(status, .query, subject())
        let attached = zip(programs, links).prefix(Int(query.count)).map { program, link in
            DeviceProgram(id: program, name: BPFProgram.name(of: program), place: .tcx(linkID: link == 0 ? nil : link))
        }
        return TCXChain(programs: attached, revision: query.revision)
    }
}
