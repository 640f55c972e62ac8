extension BPFMap {
    /// The map's descriptor, for requests that name a map by it and are no calls of BPF.
    package func withDescriptor<Value, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try body(descriptor.rawValue)
    }
}
