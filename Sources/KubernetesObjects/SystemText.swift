import Glibc

/// The system's words for an error number, as the house writes them: lower case, no full stop.
package func errorText(_ number: Int32) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    let words = String(cString: text)
    return words.prefix(1).lowercased() + words.dropFirst()
}
