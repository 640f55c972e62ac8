import BPFLoader
import Glibc
import SystemPackage
import TestKit
import Testing

extension KernelTests {
    @Suite struct LinkTests {
        /// Both connect programs of the test object.
        struct Programs: ~Copyable {
            let first: BPFProgram
            let second: BPFProgram

            init() throws {
                let loaded = try loaderObject().load()
                let first = try loaded.program(named: "ldr_first4")
                let second = try loaded.program(named: "ldr_second4")
                self.first = first
                self.second = second
            }
        }

        func ids(on cgroup: borrowing ScratchCgroup) throws -> [UInt32] {
            try CgroupQuery.programs(on: cgroup.path, at: .connect4).map(\.id)
        }

        @Test("a link attaches while it lives")
        func attach() throws {
            let cgroup = try ScratchCgroup()
            let programs = try Programs()
            func attached() throws {
                let link = try CgroupLink.attach(programs.first, to: cgroup.path, as: .connect4)
                let info = try link.info
                #expect(info.programID == programs.first.id)
                #expect(info.cgroupID == (try CgroupFileSystem.id(of: cgroup.path)))
                #expect(info.attachType == .connect4)
                #expect(info.isAttached)
                #expect(try ids(on: cgroup) == [programs.first.id])
            }
            try attached()
            #expect(try ids(on: cgroup).isEmpty)
        }

        @Test("a pinned link stays, changes its program, and is detached")
        func pin() throws {
            let cgroup = try ScratchCgroup()
            let programs = try Programs()
            let directory = try PinDirectory()
            let path = directory.path.appending("connect4")
            func attachAndPin() throws {
                try CgroupLink.attach(programs.first, to: cgroup.path, as: .connect4).pin(at: path)
            }
            try attachAndPin()
            #expect(try ids(on: cgroup) == [programs.first.id])
            let link = try CgroupLink(pinnedAt: path)
            try link.update(to: programs.second)
            #expect(try ids(on: cgroup) == [programs.second.id])
            #expect(try link.info.programID == programs.second.id)
            try link.detach()
            #expect(try ids(on: cgroup).isEmpty)
            #expect(try !link.info.isAttached)
            try link.detach()
        }

        @Test("a link notices that its cgroup is gone")
        func cgroupGone() throws {
            let cgroup = try ScratchCgroup()
            let programs = try Programs()
            let link = try CgroupLink.attach(programs.first, to: cgroup.path, as: .connect4)
            cgroup.remove()
            #expect(try eventually { try !link.info.isAttached })
            #expect(try link.info.cgroupID == 0)
            let error = failure { () throws(BPFError) in try link.update(to: programs.second) }
            #expect(
                error?.description
                    == "cannot update link to ldr_second4: its cgroup is gone; unpin it and attach again")
        }

        @Test("the programs of others are shown by name, and inherited ones on request")
        func foreign() throws {
            let cgroup = try ScratchCgroup()
            let programs = try Programs()
            let child = cgroup.path.appending("child")
            try BPFFileSystem.makeDirectories(child)
            defer { _ = child.withPlatformString { rmdir($0) } }
            let parentLink = try CgroupLink.attach(programs.first, to: cgroup.path, as: .connect4)
            let childLink = try CgroupLink.attach(programs.second, to: child, as: .connect4)
            let own = try CgroupQuery.programs(on: child, at: .connect4)
            #expect(own.map(\.name) == ["ldr_second4"])
            let effective = try CgroupQuery.programs(on: child, at: .connect4, effective: true)
            // The child's own programs run first.
            #expect(effective.prefix(2).map(\.name) == ["ldr_second4", "ldr_first4"])
            try parentLink.detach()
            try childLink.detach()
        }

        @Test("a program of another hook, and a directory that is no cgroup, are refused")
        func refused() throws {
            let cgroup = try ScratchCgroup()
            let programs = try Programs()
            #expect(
                cause { () throws(BPFError) in
                    _ = try CgroupLink.attach(programs.first, to: cgroup.path, as: .connect6)
                } == .invalidArgument)
            #expect(
                failure { () throws(BPFError) in
                    _ = try CgroupLink.attach(programs.first, to: "/tmp", as: .connect4)
                }?.description == "cannot attach ldr_first4 to cgroup /tmp: not a cgroup v2 directory")
        }

        @Test("every hook finds its section and back", arguments: CgroupAttachType.allCases)
        func sections(type: CgroupAttachType) {
            #expect(CgroupAttachType(section: type.section) == type)
        }
    }
}
