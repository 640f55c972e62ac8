import Glibc

/// The memory of this process that is allocated and given back piece by piece.
package enum Heap {
    /// Gives its free pages back to the system: after a large load most of what was needed is free.
    ///
    /// The C library's module map leaves malloc.h out, hence the look-up by name; a C library without this function
    /// has nothing to trim.
    package static func trim() {
        guard let symbol = dlsym(nil, "malloc_trim") else { return }
        _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> Int32).self)(0)
    }
}
