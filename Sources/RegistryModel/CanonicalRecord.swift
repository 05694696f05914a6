/// Records as the state digest hashes them: meaning, not bytes of any store.
///
/// Each is its length (4 bytes), then a byte for its kind, then its fields in a fixed order. Numbers are little-endian
/// and of fixed width; texts, byte strings and lists stand behind their length (4 bytes); what may be absent stands
/// behind a byte 0 or 1. Version 1 never changes: the field list is in `docs/state-digest.md`.
public struct CanonicalRecord: Sendable {
    public static let version: UInt32 = 1

    enum Kind: UInt8 {
        case service = 1
        case instance = 2
        case certificate = 3
        case revocation = 4
        case protection = 5
        case token = 6
    }

    /// The record, its length in front.
    public private(set) var bytes: [UInt8]

    private init(_ kind: Kind) {
        bytes = [0, 0, 0, 0, kind.rawValue]
        bytes.reserveCapacity(256)
    }

    /// A service's policy, and whether it is external. Counts and versions follow from its instances.
    public init(_ service: ServiceRecord) {
        self.init(.service)
        append(service.name.description)
        append(service.isExternal)
        append(optional: service.policy) { record, policy in
            record.append(optional: policy.retries.map { UInt64($0) }) { $0.append($1) }
            record.append(optional: policy.timeoutMilliseconds) { $0.append($1) }
            record.append(optional: policy.perTryTimeoutMilliseconds) { $0.append($1) }
            record.append(optional: policy.ttlMilliseconds) { $0.append($1) }
            record.append(optional: policy.deregisterAfterMilliseconds) { $0.append($1) }
        }
        close()
    }

    /// What an instance registered, its health, cause and times; not the words beside its health.
    public init(_ instance: Instance, _ state: InstanceState) {
        self.init(.instance)
        append(instance.key.service.description)
        append(instance.key.id.description)
        append(instance.endpoint.host)
        append(instance.endpoint.port)
        append(instance.appPort ?? 0)
        append(instance.version)
        append(instance.zone)
        append(UInt32(clamping: instance.tags.count))
        for tag in instance.tags { append(tag) }
        append(UInt32(clamping: instance.metadata.count))
        for entry in instance.metadata {
            append(entry.key)
            append(entry.value)
        }
        append(instance.weight)
        append(instance.applicationProtocol)
        switch instance.lease {
        case .inherited: append(UInt8(0))
        case .ttl(let milliseconds):
            append(UInt8(1))
            append(milliseconds)
        case .permanent: append(UInt8(2))
        }
        append(UInt32(clamping: instance.repeatable.count))
        for route in instance.repeatable { append(route) }
        append(instance.keyLineage)
        append(instance.tlsCert)
        append(instance.startID)
        append(optional: instance.externalURL) { $0.append($1) }
        append(state.handle.rawValue)
        append(state.health.rawValue)
        append(state.cause.rawValue)
        append(state.since.rawValue)
        append(state.registeredAt.rawValue)
        close()
    }

    public init(_ certificate: CertificateRecord) {
        self.init(.certificate)
        append(certificate.serial)
        append(certificate.spiffeID)
        append(certificate.keyHash)
        append(certificate.lineage)
        append(certificate.notAfter.rawValue)
        append(certificate.role?.rawValue ?? 0)
        append(certificate.grounds.rawValue)
        append(certificate.previous)
        append(certificate.isSpent)
        close()
    }

    public init(_ token: TokenRecord) {
        self.init(.token)
        append(token.hash)
        switch token.subject {
        case .service(let name):
            append(UInt8(1))
            append(name.description)
        case .person(let role):
            append(UInt8(2))
            append(role.description)
        }
        append(token.uses)
        append(token.used)
        append(token.expires.rawValue)
        append(token.from)
        append(token.isRevoked)
        close()
    }

    public init(_ revocation: Revocation) {
        self.init(.revocation)
        switch revocation.subject {
        case .serial(let serial):
            append(UInt8(1))
            append(serial)
        case .service(let name):
            append(UInt8(2))
            append(name.description)
        }
        append(revocation.before.rawValue)
        append(revocation.until.rawValue)
        close()
    }

    /// The guard's state. There is no such record while nothing is protected.
    public init(_ protection: RegistryRecord.Protection) {
        self.init(.protection)
        append(protection.since.rawValue)
        append(protection.isHeld)
        append(protection.report.expected)
        append(protection.report.seen)
        append(protection.report.why)
        close()
    }

    // MARK: Fields

    private mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private mutating func append(_ value: Bool) {
        bytes.append(value ? 1 : 0)
    }

    private mutating func append(_ text: String) {
        append(UInt32(clamping: text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func append(_ value: [UInt8]) {
        append(UInt32(clamping: value.count))
        bytes.append(contentsOf: value)
    }

    private mutating func append<Value>(
        optional value: Value?,
        _ appendValue: (inout CanonicalRecord, Value) -> Void
    ) {
        append(value != nil)
        if let value { appendValue(&self, value) }
    }

    private mutating func close() {
        let count = UInt32(clamping: bytes.count - 4)
        withUnsafeBytes(of: count.littleEndian) { length in
            for (index, byte) in length.enumerated() { bytes[index] = byte }
        }
    }
}
