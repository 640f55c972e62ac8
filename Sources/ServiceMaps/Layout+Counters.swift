internal import CDatapath

/// `service_counts`: the key is the service id, the value one of these for each possible CPU.
extension ServiceCounter {
    init(addingUp perCPU: [service_counter]) {
        self.init()
        for counter in perCPU {
            forwarded &+= counter.forwarded
            refused &+= counter.refused
        }
    }
}
