@testable import BPFLoader
import CCapabilities
import Glibc
import NetworkLab
import SystemPackage
import TestKit
import Testing

extension KernelTests {
    /// With CAP_BPF and CAP_NET_ADMIN, and without CAP_SYS_ADMIN: programs cannot be looked at by their numbers.
    @Suite struct DeviceRightsTests {
        @Test("our programs are known again, replaced and removed", arguments: DeviceLab.kinds)
        func knowsOwn(kind: DeviceAttachments.Kind) throws {
            let lab = try DeviceLab()
            let device = try lab.device()
            try lab.near.run {
                try giveUpSystemAdministration()
                let refused = failure { () throws(BPFError) in _ = try BPFProgram(id: lab.ownFirst.id) }
                #expect(refused?.cause == .notPermitted)
                let attachments = lab.attachments(kind)
                #expect(try attachments.attach(lab.ownFirst, to: device, .ingress) == .attached)
                #expect(try attachments.attach(lab.ownFirst, to: device, .ingress) == .none)
                #expect(try attachments.attach(lab.ownSecond, to: device, .ingress) == .replaced)
                #expect(try attachments.attached(to: device, .ingress)?.id == lab.ownSecond.id)
            }
            #expect(try lab.programsThatCount() == ["own_second"])
            try lab.near.run {
                try giveUpSystemAdministration()
                try lab.attachments(kind).detachAll()
            }
            #expect(try lab.chain() == [])
        }

        @Test("a filter of somebody else in our very place is neither replaced nor removed")
        func knowsOthers() throws {
            let lab = try DeviceLab()
            try lab.tc(["qdisc", "add", "dev", "eth0", "clsact"])
            try lab.addFilter(lab.otherFirst, priority: Int(ClsactFilter.priority), handle: ClsactFilter.handle)
            let device = try lab.device()
            try lab.near.run {
                try giveUpSystemAdministration()
                let error = failure { () throws(BPFError) in
                    try lab.attachments(.clsact).attach(lab.ownFirst, to: device, .ingress)
                }
                #expect(error?.cause == .fileExists)
                try lab.attachments(.clsact).detachAll()
            }
            #expect(try lab.chain() == ["other_first"])
        }
    }
}

/// For the calling thread, which ends soon.
private func giveUpSystemAdministration() throws {
    let systemAdministration = UInt64(1) << 21
    var sets = swl_capabilities()
    try #require(swl_capabilities_get(&sets) == 0)
    sets.effective &= ~systemAdministration
    sets.permitted &= ~systemAdministration
    try #require(swl_capabilities_set(&sets) == 0)
}
