/// A process that has a port which the daemon wants, and that the daemon may not look at. A reader of the daemon's
/// complaint as root may.
package enum UnseenHolder {
    static let text = "a process that the daemon may not look at"

    /// The same complaint with the process named, if it is about one, and if the caller may look at it.
    package static func named(in complaint: String) -> String {
        // "cannot listen on ADDRESS for PURPOSE: address already in use by …"
        let words = complaint.split(separator: " ")
        guard complaint.contains(text), words.count > 3,
            let address = (try? ListenAddress.parse(String(words[3]), defaultPort: 0)) ?? nil,
            case .process(let holder) = PortHolder.find(address)
        else { return complaint }
        return complaint.replacing(text, with: "\(holder)")
    }
}
