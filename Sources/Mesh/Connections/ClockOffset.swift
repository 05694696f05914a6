import RegistryModel

/// How far this machine's clock is from the registry's, which stamps every certificate.
struct ClockOffset: Sendable, Equatable {
    /// Beyond this certificates may look ended, or not yet valid, that are neither.
    static let limit = Duration.seconds(30)

    /// Negative: behind.
    var amount = Duration.zero

    init() {}

    /// - Parameters:
    ///   - registry: the time that its answer says.
    ///   - asked, answered: by this machine's clock; the registry's word is taken to be of the middle (RFC 5905 §8).
    init(registry: Timestamp, asked: Timestamp, answered: Timestamp) {
        amount = asked.since(registry) + answered.since(asked) / 2
    }

    /// nil where no failure can be blamed on it: `this machine is 4m32s behind the registry`
    var words: String? {
        let size = amount < .zero ? .zero - amount : amount
        guard size > Self.limit else { return nil }
        return "this machine is \(Self.text(size)) \(amount < .zero ? "behind" : "ahead of") the registry"
    }

    /// The two largest units.
    private static func text(_ size: Duration) -> String {
        let seconds = (size + .milliseconds(500)).components.seconds
        let parts = [
            (seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"),
        ]
        return parts.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }
}
