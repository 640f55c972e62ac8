import DatapathInstall
import Foundation
import SystemPackage
import Testing

@Suite("The lock of the bpf root")
struct RootLockTests {
    @Test("is held as long as its object lives, however often it is asked about")
    func held() throws {
        let root = FilePath(NSTemporaryDirectory()).appending("swl-\(getpid())-root-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: root.string, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root.string) }
        let directory = RunDirectory(bpfRoot: root)
        try {
            let lock = try RootLock(directory, bpfRoot: root)
            // None of these is accepted: each takes a place in the holder's queue.
            for _ in 0..<40 { #expect(RootLock.holder(of: root) == getpid()) }
            #expect(throws: InstallError.self) { _ = try RootLock(directory, bpfRoot: root) }
            _ = consume lock
        }()
        #expect(RootLock.holder(of: root) == nil)
    }
}
