internal import CDatapath

/// `service_counts`: the key is the service id, the value one of these for each possible CPU.
extension ServiceCounter {
    init(addingUp perCPU: [service_counter]) {
        self.init()
        for counter in perCPU { self += ServiceCounter(counter) }
    }

    private init(_ counter: service_counter) {
        self.init(forwarded: counter.forwarded)
        for reason in RefusalReason.allCases where counter[reason] > 0 { refusals[reason] = counter[reason] }
    }
}

extension service_counter {
    fileprivate subscript(reason: RefusalReason) -> UInt64 {
        switch reason {
        case .noEndpoints: refused_no_backend
        case .noLocalEndpoints: refused_no_local_backend
        case .source: refused_source
        case .other: refused_other
        }
    }
}
