import SystemCalls
import SystemPackage

/// The whole text of a small file, as those in /proc are.
func readText(_ path: FilePath) throws(BPFError) -> String {
    do throws(Errno) {
        return try SystemFile.text(of: path)
    } catch {
        throw BPFError(.read, "\(path)", error)
    }
}

/// The text of a fixed C array of characters, up to its NUL.
func text<Characters: BitwiseCopyable>(of characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

/// What is in a directory; nothing if there is no such directory.
func entries(of path: FilePath) throws(BPFError) -> [String] {
    do throws(Errno) {
        return try SystemFile.names(in: path)
    } catch {
        if error == .noSuchFileOrDirectory { return [] }
        throw BPFError(.read, "\(path)", error)
    }
}
