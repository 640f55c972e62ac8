@testable import BPFLoader
import CLibbpf
import Glibc
import SystemPackage
import TestKit
import Testing

extension KernelTests {
    @Suite struct SystemTests {
        @Test("the features agree with what the kernel does")
        func features() throws {
            let features = try KernelFeatures.probe()
            #expect(features.release == kernelRelease())
            #expect(features.present.count + features.missing.count == KernelFeature.allCases.count)
            // The floor, 5.10, has these; so has every kernel that the tests run on.
            for feature in [KernelFeature.networkNamespaceCookie, .socketStorage, .batchOperations, .ringBuffer] {
                #expect(features.has(feature), "\(feature.name)")
            }
            #expect(try (NetworkNamespace.cookie() != nil) == features.has(.networkNamespaceCookieOfSocket))
        }

        @Test("a helper that a program type does not have is not found")
        func absentHelper() {
            // Sending a packet to a neighbour is not for sockets, in any kernel.
            #expect(
                cause { () throws(BPFError) in
                    _ = try BPFProgram.load(
                        "absent", BPF_PROG_TYPE_CGROUP_SOCK, for: BPF_CGROUP_INET4_POST_BIND,
                        [.call(BPF_FUNC_redirect_neigh), .set(0, to: 1), .exit])
                } == .invalidArgument)
        }

        @Test("ticks tell the kernel's clock, whenever they are compared")
        func ticks() throws {
            let first = try TickClock.measure()
            usleep(100_000)
            let later = try TickClock.measure()
            #expect(later.length == first.length)
            #expect(UInt64(abs(Int64(bitPattern: later.start &- first.start))) < 2 * UInt64(first.length))
        }

        @Test("a grace period ends, in both ways of waiting")
        func gracePeriod() throws {
            try RCU.synchronize()
            try RCU.synchronizeByMapOfMaps()
        }

        @Test("bpffs is told from other file systems")
        func bpffs() throws {
            #expect(try !BPFFileSystem.mount(at: "/sys/fs/bpf"))
            #expect(try BPFFileSystem.contains("/sys/fs/bpf"))
            #expect(try !BPFFileSystem.contains("/tmp"))
        }

        @Test("directories are for root alone")
        func directories() throws {
            let directory = try PinDirectory()
            var status = stat()
            #expect(directory.path.withPlatformString { stat($0, &status) } == 0)
            #expect(status.st_mode & 0o777 == 0o700)
            try BPFFileSystem.makeDirectories(directory.path)
        }

        @Test("the root of the hierarchy is a cgroup with members")
        func cgroupRoot() throws {
            let root = try CgroupFileSystem.root()
            #expect(try CgroupFileSystem.id(of: root) > 0)
            #expect(names(in: root).contains("cgroup.procs"))
        }

        @Test("nothing keeps a descriptor that nobody owns")
        func descriptors() throws {
            func everything() throws {
                let cgroup = try ScratchCgroup()
                let directory = try PinDirectory()
                let loaded = try loaderObject().load()
                let program = try loaded.program(named: "ldr_first4")
                let link = try CgroupLink.attach(program, to: cgroup.path, as: .connect4)
                try link.pin(at: directory.path.appending("link"))
                try loaded.map(named: "numbers").pin(at: directory.path.appending("map"))
                _ = try BPFMap(pinnedAt: directory.path.appending("map")).info
                _ = try CgroupQuery.programs(on: cgroup.path, at: .connect4)
                _ = failure { () throws(BPFError) in _ = try BPFMap(pinnedAt: directory.path.appending("link")) }
                _ = failure { () throws(BPFError) in _ = try loaded.program(named: "nothing") }
                let rejected = try loaderObject()
                try rejected.setAutoload(of: "ldr_rejected", to: true)
                _ = loadFailure(rejected)
                _ = try RunStatistics.enable()
                _ = try KernelFeatures.probe()
                _ = try NetworkNamespace.cookie()
                try RCU.synchronizeByMapOfMaps()
                try CgroupLink(pinnedAt: directory.path.appending("link")).detach()
            }
            try everything()
            let before = openDescriptors()
            for _ in 0..<5 { try everything() }
            #expect(openDescriptors() == before)
        }
    }
}
