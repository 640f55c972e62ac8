import BPFLoader
import Glibc
import Logging
import SystemPackage
import SystemCalls

/// Pins with a name of ours that are not what the name says.
enum StrangePins {
    /// Moves a pin out of the way. What it holds may be in use, so it lives on; `status` shows it until it is removed.
    static func setAside(_ path: FilePath, of pins: DatapathPins, cause: String, log: Logger?) throws(BPFError) {
        try BPFFileSystem.makeDirectories(pins.strange)
        let directory = path.removingLastComponent().lastComponent?.string ?? ""
        let name = "\(directory)-\(path.lastComponent?.string ?? "")"
        var place = pins.strange.appending(name)
        var number = 2
        while place.exists {
            place = pins.strange.appending("\(name)-\(number)")
            number += 1
        }
        let status = path.withPlatformString { old in place.withPlatformString { rename(old, $0) } }
        guard status == 0 else {
            throw BPFError(
                .open, "\(path)", Errno.last, detail: "it is not ours (\(cause)) and cannot be moved",
                advice: "remove it")
        }
        log?.warning(
            "a pin with a name of ours is not ours: put aside",
            metadata: ["file": "\(path)", "now": "\(place)", "cause": "\(cause)"])
    }
}
