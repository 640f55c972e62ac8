import CLibbpf
import SystemPackage

/// What a run over packets gave.
package struct PacketRun: Sendable {
    /// What the program returned: a TC_ACT_… or XDP_… number.
    package let result: UInt32
    /// The packet as the program left it.
    package let packet: [UInt8]
    /// The packet's control block (`cb`) as the program left it.
    package let controlBlock: PacketControlBlock
    /// The mean time of one run.
    package let duration: Duration
}

/// Five words that a tc program may keep with a packet.
package typealias PacketControlBlock = (UInt32, UInt32, UInt32, UInt32, UInt32)

// The kernel runs a program on demand: `SEC("syscall")` on a context struct, tc and XDP on a packet. Programs of
// cgroup sockets cannot be run like this.
extension BPFProgram {
    /// Runs a `SEC("syscall")` program on a context, which it may change, and returns what it returned.
    package func run<Context: BitwiseCopyable>(context: inout Context) throws(BPFError) -> UInt32 {
        var options = bpf_test_run_opts()
        options.sz = MemoryLayout<bpf_test_run_opts>.size
        let status = withUnsafeMutablePointer(to: &context) { context in
            options.ctx_in = UnsafeRawPointer(context)
            options.ctx_size_in = UInt32(MemoryLayout<Context>.size)
            return bpf_prog_test_run_opts(descriptor.rawValue, &options)
        }
        try checked(status, .run, name)
        return options.retval
    }

    /// Runs a `SEC("syscall")` program that takes no context.
    package func run() throws(BPFError) -> UInt32 {
        var options = bpf_test_run_opts()
        options.sz = MemoryLayout<bpf_test_run_opts>.size
        try checked(bpf_prog_test_run_opts(descriptor.rawValue, &options), .run, name)
        return options.retval
    }

    /// Runs a tc or XDP program on a packet, `repetitions` times for a duration that means something.
    ///
    /// A packet that the program changes is not restored between repetitions.
    ///
    /// - Parameters:
    ///   - device: the number of a device in the calling thread's network namespace which the packet is on; 0 for the
    ///     namespace's loopback. Only for tc.
    ///   - arrival: the device by which a departing packet came; 0 for the node's own. Only for tc.
    ///   - mark: what the packet is marked with (`SO_MARK`). Only for tc.
    ///   - controlBlock: what the packet's control block holds. Only for tc.
    package func run(
        packet: [UInt8], repetitions: Int = 1, device: UInt32 = 0, arrival: UInt32 = 0, mark: UInt32 = 0,
        controlBlock: PacketControlBlock = (0, 0, 0, 0, 0)
    ) throws(BPFError) -> PacketRun {
        var context = __sk_buff()
        (context.ifindex, context.ingress_ifindex, context.mark) = (device, arrival, mark)
        context.cb = controlBlock
        let isGiven = device != 0 || arrival != 0 || mark != 0 || controlBlock != (0, 0, 0, 0, 0)
        return try withUnsafeMutableBytes(of: &context) { context throws(BPFError) in
            try run(packet, repetitions, isGiven ? context : UnsafeMutableRawBufferPointer(start: nil, count: 0))
        }
    }

    private func run(
        _ packet: [UInt8], _ repetitions: Int, _ context: UnsafeMutableRawBufferPointer
    ) throws(BPFError) -> PacketRun {
        var options = bpf_test_run_opts()
        options.sz = MemoryLayout<bpf_test_run_opts>.size
        options.ctx_in = UnsafeRawPointer(context.baseAddress)
        options.ctx_size_in = UInt32(context.count)
        options.ctx_out = context.baseAddress
        options.ctx_size_out = UInt32(context.count)
        options.repeat = Int32(clamping: repetitions)
        // A program may make the packet longer, by a tunnel header for example.
        var output = [UInt8](repeating: 0, count: packet.count + 256)
        let status = packet.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { output in
                options.data_in = input.baseAddress
                options.data_size_in = UInt32(input.count)
                options.data_out = output.baseAddress
                options.data_size_out = UInt32(output.count)
                return bpf_prog_test_run_opts(descriptor.rawValue, &options)
            }
        }
        try checked(status, .run, name)
        output.removeLast(output.count - min(output.count, Int(options.data_size_out)))
        return PacketRun(
            result: options.retval, packet: output,
            controlBlock: context.isEmpty ? (0, 0, 0, 0, 0) : context.load(as: __sk_buff.self).cb,
            duration: .nanoseconds(Int64(options.duration)))
    }
}
