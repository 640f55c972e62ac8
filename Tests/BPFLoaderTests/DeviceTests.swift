@testable import BPFLoader
import Glibc
import NetworkLab
import SystemPackage
import TestKit
import Testing

extension KernelTests {
    @Suite struct DeviceTests {
        typealias Kind = DeviceAttachments.Kind

        @Test("a program is attached, left alone when it is there, and replaced", arguments: DeviceLab.kinds)
        func attach(kind: Kind) throws {
            let lab = try DeviceLab()
            let device = try lab.device()
            // Each round stands for a process of its own.
            func round(_ program: borrowing BPFProgram) throws -> DeviceAttachments.Change {
                try lab.near.run {
                    let changes = try TrafficDirection.allCases.map {
                        try lab.attachments(kind).attach(program, to: device, $0)
                    }
                    #expect(Set(changes).count == 1)
                    #expect(try lab.attachments(kind).attached(to: device, .egress)?.id == program.id)
                    return try #require(changes.first)
                }
            }
            #expect(try lab.near.run { try lab.attachments(kind).attached(to: device, .ingress) } == nil)
            #expect(try round(lab.ownFirst) == .attached)
            #expect(try lab.programsThatCount() == ["own_first"])
            #expect(try round(lab.ownFirst) == .none)
            #expect(try round(lab.ownSecond) == .replaced)
            #expect(try lab.programsThatCount() == ["own_second"])
            #expect(try lab.chain(.ingress) == ["own_second"])
            #expect(try lab.chain(.egress) == ["own_second"])
        }

        @Test("tc filters of others run before and behind ours by their priority, and stay", arguments: DeviceLab.kinds)
        func foreignFilters(kind: Kind) throws {
            let lab = try DeviceLab()
            try lab.tc(["qdisc", "add", "dev", "eth0", "clsact"])
            try lab.addFilter(lab.otherFirst, priority: 1)
            // Our very priority, but not our handle.
            try lab.addFilter(lab.otherSecond, priority: Int(ClsactFilter.priority))
            let device = try lab.device()
            let (before, behind) = try lab.near.run {
                try lab.attachments(kind).attach(lab.ownFirst, to: device, .ingress)
                let chain = try DeviceQuery.programs(on: device, .ingress)
                let around = try #require(chain.around(lab.ownFirst.id))
                return (around.before.map(\.name), around.behind.map(\.name))
            }
            switch kind {
            case .tcx:
                #expect(before == [])
                #expect(behind == ["other_first", "other_second"])
            case .clsact:
                #expect(before == ["other_first"])
                #expect(behind == ["other_second"])
            }
            #expect(try lab.programsThatCount() == ["other_first", "own_first", "other_second"])
            try lab.near.run {
                try lab.attachments(kind).attach(lab.ownSecond, to: device, .ingress)
                try lab.attachments(kind).detachAll()
            }
            #expect(try lab.chain() == ["other_first", "other_second"])
            #expect(try lab.programsThatCount() == ["other_first", "other_second"])
            #expect(try lab.hasDiscipline())
        }

        @Test(
            "links of others keep their order round ours, which takes the last place or the first",
            .enabled(if: DeviceLab.hasTCX, "this kernel has no tcx"))
        func foreignLinks() throws {
            let lab = try DeviceLab()
            let device = try lab.device()
            try lab.near.run {
                let early = try TCXLink.attach(lab.otherFirst, to: device, .ingress)
                try lab.attachments(.tcx).attach(lab.ownFirst, to: device, .ingress)
                let revision = try TCXQuery.chain(on: device.index, .ingress, subject: "").revision
                let late = try TCXLink.attach(lab.otherSecond, to: device, .ingress)
                #expect(try TCXQuery.chain(on: device.index, .ingress, subject: "").revision > revision)
                #expect(try lab.chain() == ["other_first", "own_first", "other_second"])
                try lab.attachments(.tcx).attach(lab.ownSecond, to: device, .ingress)
                let chain = try DeviceQuery.programs(on: device, .ingress)
                #expect(chain.map(\.name) == ["other_first", "own_second", "other_second"])
                #expect(try chain.first?.place == .tcx(linkID: early.info.id))
                #expect(try lab.programsThatCount() == ["other_first", "own_second", "other_second"])
                try lab.attachments(.tcx).detachAll()
                #expect(try lab.chain() == ["other_first", "other_second"])
                try lab.attachments(.tcx).attach(lab.ownFirst, to: device, .ingress, .first)
                #expect(try lab.chain() == ["own_first", "other_first", "other_second"])
                try late.detach()
            }
        }

        @Test("a filter of somebody else in our very place is neither replaced nor removed")
        func occupied() throws {
            let lab = try DeviceLab()
            try lab.tc(["qdisc", "add", "dev", "eth0", "clsact"])
            try lab.addFilter(lab.otherFirst, priority: Int(ClsactFilter.priority), handle: ClsactFilter.handle)
            let device = try lab.device()
            let error = try lab.near.run {
                failure { () throws(BPFError) in
                    try lab.attachments(.clsact).attach(lab.ownFirst, to: device, .ingress)
                }
            }
            #expect(
                error?.description
                    == """
                    cannot attach own_first to ingress of eth0: another program, other_first, has priority 50 and our \
                    handle; remove that filter, or leave this device out
                    """)
            try lab.near.run { try lab.attachments(.clsact).detachAll() }
            #expect(try lab.chain() == ["other_first"])
        }

        @Test(
            "the discipline goes with our last filter if it was our work and nobody uses it", arguments: [true, false])
        func discipline(isUsed: Bool) throws {
            let lab = try DeviceLab()
            let device = try lab.device()
            #expect(try !lab.hasDiscipline())
            _ = try lab.near.run { try lab.attachments(.clsact).attach(lab.ownFirst, to: device, .egress) }
            #expect(try lab.hasDiscipline())
            if isUsed { try lab.addFilter(lab.otherFirst, .ingress, priority: 7) }
            try lab.near.run { try lab.attachments(.clsact).detach(from: device) }
            #expect(try lab.hasDiscipline() == isUsed)
            #expect(try lab.chain() == (isUsed ? ["other_first"] : []))
            #expect(names(in: lab.directory).isEmpty)
        }

        @Test("a discipline that was there stays, even without a filter")
        func foreignDiscipline() throws {
            let lab = try DeviceLab()
            try lab.tc(["qdisc", "add", "dev", "eth0", "clsact"])
            let device = try lab.device()
            try lab.near.run {
                try lab.attachments(.clsact).attach(lab.ownFirst, to: device, .ingress)
                try lab.attachments(.clsact).detachAll()
            }
            #expect(try lab.hasDiscipline())
        }

        @Test("the old ingress discipline in the place of clsact is refused and stays")
        func oldDiscipline() throws {
            let lab = try DeviceLab()
            try lab.tc(["qdisc", "add", "dev", "eth0", "ingress"])
            let device = try lab.device()
            let error = try lab.near.run {
                failure { () throws(BPFError) in
                    try lab.attachments(.clsact).attach(lab.ownFirst, to: device, .ingress)
                }
            }
            #expect(
                error?.description
                    == """
                    cannot create clsact on eth0: another discipline, ingress, is in its place; tc qdisc del dev \
                    eth0 ingress, or leave this device out
                    """)
            #expect(try lab.hasDiscipline("ingress"))
            #expect(names(in: lab.directory).isEmpty)
        }

        @Test(
            "what is pinned for a device that went away is told from a living link and forgotten",
            .enabled(if: DeviceLab.hasTCX, "this kernel has no tcx"))
        func vanished() throws {
            let lab = try DeviceLab()
            let device = try lab.device()
            _ = try lab.near.run { try lab.attachments(.tcx).attach(lab.ownFirst, to: device, .ingress) }
            let link = try TCXLink(pinnedAt: lab.directory.appending("\(device.index)-ingress"))
            #expect(try link.info.isAttached)
            #expect(try link.info.direction == .ingress)
            try lab.near.ip("link", "delete", "eth0")
            #expect(try !link.info.isAttached)
            #expect(
                failure { () throws(BPFError) in try link.update(to: lab.ownSecond) }?.description
                    == "cannot update link to own_second: its device is gone; unpin it and attach again")
            try link.detach()
            try lab.near.run { try lab.attachments(.tcx).forgetVanished() }
            #expect(names(in: lab.directory).isEmpty)
        }

        @Test("a new device with the number of one that went away gets its own program", arguments: DeviceLab.kinds)
        func reused(kind: Kind) throws {
            let lab = try DeviceLab()
            let device = try lab.device()
            _ = try lab.near.run { try lab.attachments(kind).attach(lab.ownFirst, to: device, .ingress) }
            try lab.near.ip("link", "delete", "eth0")
            try lab.near.ip("link", "add", "eth0", "index", "\(device.index)", "type", "veth", "peer", "name", "eth1")
            #expect(try lab.device().index == device.index)
            try lab.near.run {
                #expect(try lab.attachments(kind).attached(to: device, .ingress) == nil)
                try lab.attachments(kind).forgetVanished()
                #expect(kind == .clsact || names(in: lab.directory).isEmpty)
                #expect(try lab.attachments(kind).attach(lab.ownFirst, to: device, .ingress) == .attached)
            }
            #expect(try lab.chain() == ["own_first"])
        }

        @Test("a device that is not there is named", arguments: DeviceLab.kinds)
        func absent(kind: Kind) throws {
            let lab = try DeviceLab()
            try lab.near.run {
                let error = failure { () throws(BPFError) in
                    let device = NetworkDevice(index: 4_711, name: "eth9")
                    try lab.attachments(kind).attach(lab.ownFirst, to: device, .ingress)
                }
                #expect(error?.description.contains("eth9: no such device") == true, "\(String(describing: error))")
                #expect(
                    failure { () throws(BPFError) in _ = try NetworkDevice(named: "eth9") }?.description
                        == "cannot find device eth9: no such device")
            }
            #expect(names(in: lab.directory).isEmpty)
        }

        @Test("cleaning up takes what either way has attached, on all devices", arguments: DeviceLab.kinds)
        func detachAll(kind: Kind) throws {
            let lab = try DeviceLab()
            try lab.near.connect("eth1", to: lab.far, "eth1")
            try lab.near.run {
                for name in ["eth0", "eth1"] {
                    for direction in TrafficDirection.allCases {
                        try lab.attachments(kind).attach(lab.ownFirst, to: NetworkDevice(named: name), direction)
                    }
                }
                try lab.attachments(.clsact).detachAll()
                for device in try NetworkDevice.all() {
                    #expect(try DeviceQuery.programs(on: device, .ingress).isEmpty)
                    #expect(try DeviceQuery.programs(on: device, .egress).isEmpty)
                }
                // There is nothing to do the second time.
                try lab.attachments(kind).detachAll()
            }
            #expect(try !lab.hasDiscipline())
            #expect(!names(in: lab.pins.path).contains("devices"))
        }

        @Test("bpftool shows our filter where we say it is")
        func bpftool() throws {
            let lab = try DeviceLab()
            let device = try lab.device()
            _ = try lab.near.run { try lab.attachments(.clsact).attach(lab.ownFirst, to: device, .ingress) }
            let shown = try Command.run(["bpftool", "net", "show", "dev", "eth0"], in: lab.near.path)
            let line = try #require(shown.split(separator: "\n").first { $0.contains("clsact/ingress") })
            #expect(line.hasPrefix("eth0(\(device.index)) clsact/ingress own_first"))
            #expect(line.contains("id \(lab.ownFirst.id)"))
        }
    }
}
