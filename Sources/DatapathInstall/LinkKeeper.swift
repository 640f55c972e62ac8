import BPFLoader
import Logging
import SystemPackage
import SystemCalls

/// Keeps one link for each hook of a cgroup, pinned in our directory, whichever process made it.
struct LinkKeeper {
    enum Outcome {
        case attached
        /// In place: there was a program at every moment.
        case updated
    }

    let pins: DatapathPins
    /// Other versions of the maps, whose links we take over.
    let others: [DatapathPins]
    let cgroup: FilePath
    let cgroupID: UInt64
    let log: Logger?
    /// Told of each step that is done.
    let reached: @Sendable (String) -> Void

    /// Sees to it that a hook runs this program.
    func attach(_ program: borrowing BPFProgram, as hook: CgroupAttachType) throws(BPFError) -> Outcome {
        let path = pins.link(hook)
        if let link = try living(at: path, of: pins, hook) {
            try link.update(to: program)
            reached("updated \(hook)")
            try dropOthers(hook)
            return .updated
        }
        for other in others {
            guard let link = try living(at: other.link(hook), of: other, hook) else { continue }
            try link.update(to: program)
            reached("updated \(hook)")
            try unpin(path)
            try link.pin(at: path)
            reached("pinned \(hook)")
            try dropOthers(hook)
            return .updated
        }
        try unpin(path)
        let link = try CgroupLink.attach(program, to: cgroup, as: hook)
        try link.pin(at: path)
        try dropOthers(hook)
        return .attached
    }

    /// The same link under another pin, or one that would translate a second time.
    private func dropOthers(_ hook: CgroupAttachType) throws(BPFError) {
        for other in others where try unpin(other.link(hook)) { reached("let go of \(hook) of v\(other.number)") }
    }

    /// The link that is pinned there, if it attaches a program of ours to this hook of this cgroup.
    ///
    /// A pin that is something else is put aside: to update it would be to put our program in a stranger's place.
    private func living(
        at path: FilePath, of pins: DatapathPins, _ hook: CgroupAttachType
    ) throws(BPFError) -> CgroupLink? {
        guard path.exists else { return nil }
        if let cause = try strangeness(of: path, hook) {
            try StrangePins.setAside(path, of: pins, cause: cause, log: log)
            return nil
        }
        let link = try CgroupLink(pinnedAt: path)
        let info = try link.info
        guard info.cgroupID == cgroupID else {
            let other = info.isAttached ? "another cgroup" : "a cgroup that is gone"
            log?.notice("a link leads to \(other): attaching anew", metadata: ["file": "\(path)"])
            return nil
        }
        return link
    }

    /// Why a pin is not ours; nil if it is.
    private func strangeness(of path: FilePath, _ hook: CgroupAttachType) throws(BPFError) -> String? {
        do throws(BPFError) {
            let info = try CgroupLink(pinnedAt: path).info
            let name = BPFProgram.name(of: info.programID)
            if info.attachType == hook, name?.hasPrefix("swl_") != false { return nil }
            return "it is a link of \(name ?? "a program") to \(info.attachType.map { "\($0)" } ?? "another hook")"
        } catch {
            guard error.cause == .invalidArgument else { throw error }
            return "\(error)"
        }
    }
}
