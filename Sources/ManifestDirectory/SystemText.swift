import Glibc

/// The system's words for an error number, as the house writes them: lower case, no full stop.
func errorText(_ number: Int32) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    let words = String(cString: text)
    return words.prefix(1).lowercased() + words.dropFirst()
}

/// Gives free pages of the heap back to the system. The C library's module map leaves malloc.h out, hence the
/// look-up by name; a C library without this function has nothing to trim.
func trimHeap() {
    guard let symbol = dlsym(nil, "malloc_trim") else { return }
    _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> Int32).self)(0)
}
