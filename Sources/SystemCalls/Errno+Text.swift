import Glibc
package import SystemPackage

extension Errno {
    /// The kernel's internal ENOTSUPP, which escapes from BPF commands and which the C library cannot name.
    package static let notSupportedByKernel = Errno(rawValue: 524)

    /// The C library's text in the middle of a sentence: "operation not permitted".
    package var plainText: String {
        self == .notSupportedByKernel ? "not supported by this kernel" : description.uncapitalized
    }

    /// What to do where the number alone tells it; otherwise what the caller knows.
    package func remedy(or usual: String) -> String {
        switch self {
        case .tooManyOpenFiles: "raise the limit of open files"
        case .tooManyOpenFilesInSystem: "raise fs.file-max"
        default: usual
        }
    }

    /// The reason of the C library call that just failed.
    package static var last: Errno { Errno(rawValue: errno) }
}

extension String {
    /// A sentence of the system's in the middle of another one.
    package var uncapitalized: String { prefix(1).lowercased() + dropFirst() }
}
