import Glibc
package import SystemPackage
import SystemCalls

extension DeviceAttachments {
    /// Takes over what another version of us keeps in a directory of its own: the same links under our pins, and its
    /// notes of disciplines. Its programs run on until `attach` puts ours in their place.
    ///
    /// May be cut off anywhere and called again.
    ///
    /// - Parameter reached: told of each step that is done.
    /// - Returns: what is in that directory and no link of a program of ours; it is left there.
    package func adopt(
        from other: FilePath, reached: (String) -> Void = { _ in }
    ) throws(BPFError) -> [FilePath] {
        let source = DeviceAttachments(directory: other, kind: kind, prefix: prefix)
        var strange: [FilePath] = []
        for record in try source.records() {
            guard let name = record.path.lastComponent else { continue }
            let own = directory.appending(name)
            try BPFFileSystem.makeDirectories(directory)
            if record.isNote {
                try BPFFileSystem.makeDirectories(own)
                reached("noted \(own)")
                _ = record.path.withPlatformString { rmdir($0) }
            } else {
                guard let link = try? TCXLink(pinnedAt: record.path), let info = try? link.info,
                    BPFProgram.name(of: info.programID)?.hasPrefix(prefix) != false
                else {
                    strange.append(record.path)
                    continue
                }
                if !own.exists { try link.pin(at: own) }
                reached("pinned \(own)")
                try unpin(record.path)
            }
            reached("let go of \(record.path)")
        }
        return strange
    }
}
