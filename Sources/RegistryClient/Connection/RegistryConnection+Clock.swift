import NIOHTTP1
public import RegistryModel

extension RegistryConnection {
    /// What whoever answers at the address says the time is, to a second. Nobody's certificate is looked at, so that a wrong
    /// clock, which makes every certificate look wrong, can be told; nothing else of the answer may be believed.
    ///
    /// - Throws: `unreachable`, `interrupted`; `malformed-answer` where it says no time.
    public static func claimedTime(at address: RegistryAddress) async throws -> Timestamp {
        let transport: RegistryTransport = address.isTLS ? .unverified : .plain
        return try await withConnection(to: address, over: transport) { connection in
            guard let time = try await connection.send(.GET, "/healthz").date.flatMap(Timestamp.init(httpDate:)) else {
                throw RegistryClientError(.malformedAnswer, "\(address) answers without a Date")
            }
            return time
        }
    }
}

extension Timestamp {
    private static let months = [
        "Jan": "01", "Feb": "02", "Mar": "03", "Apr": "04", "May": "05", "Jun": "06", "Jul": "07", "Aug": "08",
        "Sep": "09",
        "Oct": "10", "Nov": "11", "Dec": "12",
    ]

    /// An `IMF-fixdate` (RFC 9110 §5.6.7): `Tue, 24 Nov 2026 14:05:12 GMT`.
    init?(httpDate text: String) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[5] == "GMT", let month = Self.months[String(parts[2])] else { return nil }
        self.init(rfc3339: "\(parts[3])-\(month)-\(parts[1])T\(parts[4])Z")
    }
}
