import Glibc
import Logging
import ServiceLifecycle
import ServiceNames
import SystemPackage
import SystemCalls

/// Keeps the names in a file of the run directory, by which the next process answers before it has read the Services. It is
/// gone with the machine's memory, as the maps are.
struct NameMemory: ServiceLifecycle.Service {
    let names: DaemonNames
    let file: FilePath
    /// See `ZoneImage.origin`.
    let origin: String
    let log: Logger
    /// However many changes there are, a write comes no more often.
    private static let pause = Duration.seconds(2)
    /// More than this is no file of ours, bytes.
    private static let mostBytes = 256 << 20

    /// Answers by what the process before has left; nothing if it has left nothing that is ours.
    func recall() {
        guard let bytes = try? read(), let image = ZoneImage(bytes), image.origin == origin else { return }
        names.recall(image)
        log.info("answering names as they were last", metadata: ["services": "\(image.entries.count)"])
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var written: DaemonNames.Version.Mark?
            var told: Errno?
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.pause)
                // At the end once more: the next process may start at once.
                guard let version = names.version, version.mark != written else { continue }
                let failure = write(version)
                if let failure, failure != told {
                    log.warning(
                        "cannot keep names for the next start",
                        metadata: ["file": "\(file)", "cause": "\(failure)"])
                }
                told = failure
                if failure == nil { written = version.mark }
            }
        }
    }

    /// Takes the place of what was written before, or leaves it.
    func write(_ version: DaemonNames.Version) -> Errno? {
        let draft = FilePath("\(file).draft")
        do {
            let bytes = version.image(origin).bytes
            _ = draft.withPlatformString { unlink($0) }
            let descriptor = try FileDescriptor.open(
                draft, .writeOnly, options: [.create, .exclusiveCreate, .noFollow], permissions: [.ownerReadWrite])
            _ = try descriptor.closeAfter { try descriptor.writeAll(bytes) }
            let status = draft.withPlatformString { from in file.withPlatformString { rename(from, $0) } }
            guard status == 0 else { throw Errno.last }
            return nil
        } catch {
            _ = draft.withPlatformString { unlink($0) }
            return error as? Errno ?? .ioError
        }
    }

    private func read() throws -> [UInt8] {
        let descriptor = try FileDescriptor.open(file, .readOnly, options: [.noFollow])
        return try descriptor.closeAfter {
            let size = Int(try descriptor.seek(offset: 0, from: .end))
            guard size <= Self.mostBytes else { throw Errno.fileTooLarge }
            return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                while count < size {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
                    let read = try descriptor.read(fromAbsoluteOffset: Int64(count), into: rest)
                    guard read > 0 else { return }
                    count += read
                }
            }
        }
    }
}
