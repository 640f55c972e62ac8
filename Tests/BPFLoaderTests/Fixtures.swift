import BPFLoader
import CDatapath
import Glibc
import SystemPackage
import TestKit
import Testing

/// Everything that touches the kernel, one test at a time: descriptors are counted, and pins have names.
@Suite(.tags(.kernel), .serialized, .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
enum KernelTests {}

/// The object of bpf/tests/loader.bpf.c.
func loaderObject() throws -> BPFObject { try testObject("loader.bpf.o") }

/// What `make bpf` made of a source in bpf/tests.
func testObject(_ name: String, _ file: String = #filePath) throws -> BPFObject {
    let root = FilePath(file).removingLastComponent().removingLastComponent().removingLastComponent()
    let descriptor = try FileDescriptor.open(root.appending("build/bpf/\(name)"), .readOnly)
    let bytes = try descriptor.closeAfter {
        let size = try descriptor.seek(offset: 0, from: .end)
        _ = try descriptor.seek(offset: 0, from: .start)
        return try [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            count = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }
    return try BPFObject(name: name, bytes: bytes)
}

/// A directory on bpffs; it goes with all its pins.
struct PinDirectory: ~Copyable {
    let path: FilePath

    init() throws {
        let path = FilePath("/sys/fs/bpf/swl-loader-\(getpid())-\(UInt32.random(in: 0...999_999))")
        try BPFFileSystem.mount(at: "/sys/fs/bpf")
        try BPFFileSystem.makeDirectories(path)
        self.path = path
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: FilePath) {
        for name in names(in: path) { remove(path.appending(name)) }
        _ = path.withPlatformString { Glibc.remove($0) }
    }
}

/// An empty cgroup below the root of the hierarchy.
struct ScratchCgroup: ~Copyable {
    let path: FilePath

    init() throws {
        let name = "swl-loader-\(getpid())-\(UInt32.random(in: 0...999_999))"
        let path = try CgroupFileSystem.root().appending(name)
        try BPFFileSystem.makeDirectories(path)
        self.path = path
    }

    func remove() { _ = path.withPlatformString { rmdir($0) } }

    deinit { remove() }
}

/// What is in a directory, without "." and "..".
func names(in path: FilePath) -> [String] {
    guard let directory = path.withPlatformString({ opendir($0) }) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

/// How many descriptors this process has.
func openDescriptors() -> Int { names(in: "/proc/self/fd").count }

/// Asks again for up to two seconds, for what the kernel does later.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<200 {
        if try condition() { return true }
        usleep(10_000)
    }
    return false
}

/// What a call throws, nil if it does not throw.
func failure(_ body: () throws(BPFError) -> Void) -> BPFError? {
    do throws(BPFError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// The errno of what a call throws, nil if it does not throw.
func cause(_ body: () throws(BPFError) -> Void) -> Errno? { failure(body)?.cause }

/// Why an object cannot be loaded, nil if it can.
func loadFailure(_ object: consuming BPFObject) -> BPFError? {
    do throws(BPFError) {
        _ = try object.load()
        return nil
    } catch {
        return error
    }
}
