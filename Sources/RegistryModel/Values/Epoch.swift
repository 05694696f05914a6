/// One unbroken life of a log: a random 64-bit id in every segment header, cursor and ETag.
///
/// A restore begins a new one, so that nothing issued before it can be mistaken for a place in the history after it.
public struct Epoch: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Sixteen lower-case hexadecimal digits.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 16, let value = UInt64(text, radix: 16) else { return nil }
        // The one way to write it: no sign, no upper case.
        guard text == paddedHex(value) else { return nil }
        self.rawValue = value
    }

    public var description: String {
        paddedHex(rawValue)
    }
}

/// The registry's own id, random, made with its first segment and kept for ever.
public struct RegistryID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    public var description: String {
        paddedHex(rawValue)
    }

    /// The first eight digits: what people are shown.
    public var short: String {
        String(description.prefix(8))
    }
}

/// 16 digits.
package func paddedHex(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}
