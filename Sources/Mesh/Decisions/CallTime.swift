import NIOCore

/// How a call's time is told from hop to hop: `x-hms-timeout-ms: 800`, and gRPC's own `grpc-timeout: 800m` (gRPC over HTTP/2,
/// "Timeout").
extension TimeAmount {
    /// Longer than any call: what a header may ask for at most, so that no sum overflows.
    private static let longestTimeout = TimeAmount.hours(24 * 365)

    /// From `x-hms-timeout-ms`: 1 to 12 digits; nil where it is anything else.
    init?(timeoutHeader text: some StringProtocol) {
        guard let count = Self.digits(text.utf8, atMost: 12) else { return nil }
        self = min(.milliseconds(count), Self.longestTimeout)
    }

    /// Whole milliseconds, rounded down: the next hop must not have more time than there is.
    var timeoutField: UInt64 {
        UInt64(max(1, nanoseconds / 1_000_000))
    }

    /// From `grpc-timeout`: 1 to 8 digits and a unit of `HMSmun`; nil where it is anything else.
    init?(grpcTimeout text: some StringProtocol) {
        let text = String(text)
        guard let unit = text.utf8.last, let count = Self.digits(text.utf8.dropLast(), atMost: 8) else { return nil }
        let amount: TimeAmount
        switch unit {
        case UInt8(ascii: "H"): amount = .hours(count)
        case UInt8(ascii: "M"): amount = .minutes(count)
        case UInt8(ascii: "S"): amount = .seconds(count)
        case UInt8(ascii: "m"): amount = .milliseconds(count)
        case UInt8(ascii: "u"): amount = .microseconds(count)
        case UInt8(ascii: "n"): amount = .nanoseconds(count)
        default: return nil
        }
        self = min(amount, Self.longestTimeout)
    }

    private static func digits(_ bytes: some Collection<UInt8>, atMost limit: Int) -> Int64? {
        guard (1...limit).contains(bytes.count) else { return nil }
        var value: Int64 = 0
        for byte in bytes {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
