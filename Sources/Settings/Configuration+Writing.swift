package import SystemPackage

extension Configuration {
    /// Writes the effective configuration as a file that `--config` reads.
    package func write(to path: FilePath) throws(ConfigurationError) {
        do {
            let file = try FileDescriptor.open(
                path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
            _ = try file.closeAfter { try file.writeAll(fileText.utf8) }
        } catch {
            throw ConfigurationError(
                "cannot write configuration \(path): \(error); name a file in a directory that exists")
        }
    }
}
