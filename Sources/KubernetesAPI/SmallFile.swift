import SystemCalls
import SystemPackage

/// Reads a small file: a token, a certificate, a key.
func readFile(
    _ path: String, as what: String, _ advice: String = "check that the file is there and may be read"
) throws(KubernetesError) -> [UInt8] {
    func unreadable(_ cause: String) -> KubernetesError {
        KubernetesError(.credentials, "read", "\(what) \(path)", cause: cause, advice: advice)
    }
    let largest = 1 << 20
    do throws(Errno) {
        let bytes = try SystemFile.bytes(of: FilePath(path), atMost: largest + 1)
        if bytes.count <= largest { return bytes }
    } catch {
        throw unreadable(error.plainText)
    }
    throw unreadable("it is larger than 1 MiB")
}
