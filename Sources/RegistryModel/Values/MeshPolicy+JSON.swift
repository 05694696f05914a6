extension MeshPolicy {
    private static let memberNames = ["retries", "timeoutMs", "perTryTimeoutMs", "ttlMs", "deregisterAfterMs"]

    /// Bounds of what a policy may say.
    public enum Limits {
        public static let retries: UInt32 = 10
        public static let timeoutMilliseconds: ClosedRange<UInt64> = 1...3_600_000
        public static let ttlMilliseconds: ClosedRange<UInt64> = 1_000...86_400_000
        public static let deregisterAfterMilliseconds: ClosedRange<UInt64> = 1_000...2_592_000_000
    }

    /// `{"retries":2,"timeoutMs":800}`: what is nil is left out.
    public func write(to json: inout JSONWriter) {
        json.beginObject()
        if let retries { json.member("retries", retries) }
        if let timeoutMilliseconds { json.member("timeoutMs", timeoutMilliseconds) }
        if let perTryTimeoutMilliseconds { json.member("perTryTimeoutMs", perTryTimeoutMilliseconds) }
        if let ttlMilliseconds { json.member("ttlMs", ttlMilliseconds) }
        if let deregisterAfterMilliseconds { json.member("deregisterAfterMs", deregisterAfterMilliseconds) }
        json.endObject()
    }

    /// Takes an object of the same form; `null` is as good as leaving a member out.
    public init(from json: inout JSONReader) throws(RegistryModelError) {
        var policy = MeshPolicy()
        try json.object { (reader, name) throws(RegistryModelError) in
            guard Self.memberNames.contains(name) else {
                throw Registration.unknownMember(name, among: Self.memberNames)
            }
            guard !reader.takeNull() else { return }
            let value: UInt64 = try reader.integer()
            switch name {
            case "retries":
                guard value <= UInt64(Limits.retries) else {
                    throw RegistryModelError(.invalidField, "retries \(value) is over \(Limits.retries)")
                }
                policy.retries = UInt32(value)
            case "timeoutMs":
                policy.timeoutMilliseconds = try bounded(value, Limits.timeoutMilliseconds, name)
            case "perTryTimeoutMs":
                policy.perTryTimeoutMilliseconds = try bounded(value, Limits.timeoutMilliseconds, name)
            case "ttlMs":
                policy.ttlMilliseconds = try bounded(value, Limits.ttlMilliseconds, name)
            default:
                policy.deregisterAfterMilliseconds = try bounded(value, Limits.deregisterAfterMilliseconds, name)
            }
        }
        self = policy
    }
}

private func bounded(
    _ value: UInt64,
    _ range: ClosedRange<UInt64>,
    _ name: String
) throws(RegistryModelError) -> UInt64 {
    guard range.contains(value) else {
        throw RegistryModelError(
            .invalidField,
            "\(name) \(value) is outside \(range.lowerBound) to \(range.upperBound)"
        )
    }
    return value
}
