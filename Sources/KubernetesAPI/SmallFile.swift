import Glibc

/// Reads a small file: a token, a certificate, a key.
func readFile(
    _ path: String, as what: String, _ advice: String = "check that the file is there and may be read"
) throws(KubernetesError) -> [UInt8] {
    let largest = 1 << 20
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(path, what, String(cString: strerror(errno)), advice) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw unreadable(path, what, String(cString: strerror(errno)), advice) }
        if count == 0 { return bytes }
        bytes += chunk[..<count]
        guard bytes.count <= largest else { throw unreadable(path, what, "it is larger than 1 MiB", advice) }
    }
}

private func unreadable(_ path: String, _ what: String, _ cause: String, _ advice: String) -> KubernetesError {
    KubernetesError(.credentials, "read", "\(what) \(path)", cause: cause, advice: advice)
}
