internal import CHeap

/// The memory of this process that is allocated and given back piece by piece.
package enum Heap {
    /// One heap for all threads, whose free pieces serve every one of them, and large pieces that go back to the system
    /// when they are freed. Called before there are other threads.
    package static func keepSmall() { heap_keep_small() }

    /// Gives its free pages back to the system: after a large load most of what was needed is free.
    package static func trim() { heap_trim() }
}
