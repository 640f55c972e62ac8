import CNetworkLab
import Glibc

extension NetworkNamespace {
    /// Makes the kernel write full checksums into what it sends through a device, and send no packet that is larger than
    /// the device's MTU. A veth device would pass unfinished packets on, and a test that looks at them would see nothing wrong.
    package func completeChecksums(of device: String) throws { try setOffload(false, of: device) }

    /// Leaves checksums and the cutting of large packets to a device, or not.
    package func setOffload(_ isOn: Bool, of device: String) throws {
        try run {
            try Self.set(0x17, isOn, of: device)  // ETHTOOL_STXCSUM
            try Self.set(0x1f, isOn, of: device)  // ETHTOOL_STSO
            try Self.set(0x24, isOn, of: device)  // ETHTOOL_SGSO
        }
    }

    /// Switches what a device can do on or off, in the namespace of the calling thread.
    private static func set(_ command: UInt32, _ isOn: Bool, of device: String) throws(LabError) {
        let descriptor = Descriptor(adopting: socket(AF_INET, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        var value = (command: command, data: UInt32(isOn ? 1 : 0))
        let status = withUnsafeMutablePointer(to: &value) { value in
            var request = [UInt8](repeating: 0, count: 40)  // struct ifreq: a name, and a pointer at 16
            return request.withUnsafeMutableBytes { bytes in
                bytes.copyBytes(from: Array(device.utf8.prefix(15)))
                bytes.storeBytes(of: UInt(bitPattern: value), toByteOffset: 16, as: UInt.self)
                return lab_ioctl(descriptor.rawValue, 0x8946, bytes.baseAddress)  // SIOCETHTOOL
            }
        }
        guard status == 0 else { throw LabError("switch \(isOn ? "on" : "off")", "offload of \(device)") }
    }
}
