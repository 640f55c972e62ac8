import SystemPackage

/// The BPF objects that `make bpf` leaves in build/bpf.
package enum CompiledObject {
    package static func bytes(of name: String) throws -> [UInt8] {
        let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let descriptor = try FileDescriptor.open(root.appending("build/bpf/\(name)"), .readOnly)
        return try descriptor.closeAfter {
            let size = try descriptor.seek(offset: 0, from: .end)
            _ = try descriptor.seek(offset: 0, from: .start)
            return try [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
                count = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
            }
        }
    }
}
