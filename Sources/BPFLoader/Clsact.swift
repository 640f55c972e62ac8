import CLibbpf
import CRtnetlink
import Glibc
import Netlink
import SystemPackage

/// The place where tc filters of a device hang, for kernels without tcx: the queueing discipline "clsact".
///
/// It belongs to the device, not to the program that made it. Others may rely on it, so it is created only where it lacks.
enum Clsact {
    /// The kind of the discipline that has the place; "ingress" is the old one, without a way for egress.
    static func discipline(of device: NetworkDevice) throws(BPFError) -> String? {
        var kind: String?
        let subject = "queueing disciplines of \(device.name)"
        try list(RTM_GETQDISC, RTM_NEWQDISC, of: device, parent: 0, subject) { message, attributes in
            if message.tcm_ifindex == device.kernelIndex, message.tcm_parent == TC_H_INGRESS {
                kind = attributes.text(TCA_KIND)
            }
        }
        return kind
    }

    /// Makes sure that filters can be attached: true if this call had to create the place.
    static func create(on device: NetworkDevice) throws(BPFError) -> Bool {
        switch try discipline(of: device) {
        case "clsact": return false
        case .some(let kind):
            throw BPFError(
                .create, "clsact on \(device.name)", .fileExists,
                detail: "another discipline, \(kind), is in its place",
                advice: "tc qdisc del dev \(device.name) ingress, or leave this device out")
        case nil: break
        }
        var hook = self.hook(device, BPF_TC_INGRESS)
        let (status, _) = LibbpfLog.collecting { bpf_tc_hook_create(&hook) }
        // Another process was faster.
        if status == -EEXIST { return false }
        let isAbsent = status == -ENOENT
        guard !isAbsent else {
            throw BPFError(
                .create, "clsact on \(device.name)", .noSuchFileOrDirectory,
                detail: "this kernel has no such discipline",
                advice: "load the modules sch_ingress and cls_bpf")
        }
        try checked(status, .create, "clsact on \(device.name)")
        return true
    }

    /// Removes the discipline if nothing hangs on it: true if it is gone.
    static func removeIfEmpty(from device: NetworkDevice) throws(BPFError) -> Bool {
        guard try discipline(of: device) == "clsact" else { return true }
        for direction in TrafficDirection.allCases {
            guard try !hasFilters(device, direction) else { return false }
        }
        // Both points at once stand for the discipline itself.
        var hook = self.hook(device, bpf_tc_attach_point(BPF_TC_INGRESS.rawValue | BPF_TC_EGRESS.rawValue))
        let (status, _) = LibbpfLog.collecting { bpf_tc_hook_destroy(&hook) }
        try checked(status, .delete, "clsact on \(device.name)")
        return true
    }

    /// The filters of a direction, in the order in which they run.
    static func filters(
        on device: NetworkDevice, _ direction: TrafficDirection
    ) throws(BPFError) -> [DeviceProgram] {
        var filters: [DeviceProgram] = []
        try listFilters(of: device, direction) { message, attributes in
            // Those without a handle stand for a priority as a whole.
            guard message.tcm_handle != 0 else { return }
            let kind = attributes.text(TCA_KIND)
            let options = kind == "bpf" ? attributes.nested(TCA_OPTIONS) : nil
            let id = options?.value(TCA_BPF_ID, UInt32.self)
            // Without CAP_SYS_ADMIN a program cannot be looked at by its number. The filter has a label too, which begins
            // with the program's name if it was attached by libbpf.
            let label = options?.text(TCA_BPF_NAME)?.split(separator: ":").first.map(String.init)
            filters.append(
                DeviceProgram(
                    id: id, name: id.map { BPFProgram.name(of: $0) ?? label } ?? kind,
                    place: .filter(priority: UInt16(message.tcm_info >> 16), handle: message.tcm_handle)))
        }
        return filters
    }

    private static func hasFilters(_ device: NetworkDevice, _ direction: TrafficDirection) throws(BPFError) -> Bool {
        var hasFilters = false
        try listFilters(of: device, direction) { _, _ in hasFilters = true }
        return hasFilters
    }

    private static func listFilters(
        of device: NetworkDevice, _ direction: TrafficDirection, _ body: (tcmsg, NetlinkAttributes) -> Void
    ) throws(BPFError) {
        guard try discipline(of: device) != nil else { return }
        try list(
            RTM_GETTFILTER, RTM_NEWTFILTER, of: device, parent: direction.filterParent,
            "filters at \(direction) of \(device.name)", body)
    }

    private static func list(
        _ question: Int, _ answer: Int, of device: NetworkDevice, parent: UInt32, _ subject: String,
        _ body: (tcmsg, NetlinkAttributes) -> Void
    ) throws(BPFError) {
        var head = tcmsg()
        head.tcm_ifindex = device.kernelIndex
        head.tcm_parent = parent
        do throws(NetworkError) {
            // Whole or not: what changes meanwhile may be seen or not.
            let request = NetlinkRequest(question, flags: NLM_F_ROOT | NLM_F_MATCH, head)
            _ = try NetlinkSocket().ask(request, for: subject) { message in
                guard message.type == answer, let (head, attributes) = message.parts(tcmsg.self) else { return }
                body(head, attributes)
            }
        } catch {
            throw BPFError(.query, subject, error.cause, advice: error.advice)
        }
    }

    static func hook(_ device: NetworkDevice, _ point: bpf_tc_attach_point) -> bpf_tc_hook {
        var hook = bpf_tc_hook()
        hook.sz = Int(SWL_TC_HOOK_SIZE)
        hook.ifindex = device.kernelIndex
        hook.attach_point = point
        return hook
    }
}

extension NetworkDevice {
    fileprivate var kernelIndex: Int32 { Int32(bitPattern: index) }
}

extension TrafficDirection {
    /// The half of clsact that filters of this direction hang on.
    fileprivate var filterParent: UInt32 {
        let half =
            switch self {
            case .ingress: TC_H_MIN_INGRESS
            case .egress: TC_H_MIN_EGRESS
            }
        return TC_H_INGRESS & 0xffff_0000 | UInt32(half)
    }

    var attachPoint: bpf_tc_attach_point {
        switch self {
        case .ingress: BPF_TC_INGRESS
        case .egress: BPF_TC_EGRESS
        }
    }
}
