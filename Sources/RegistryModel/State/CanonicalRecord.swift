/// Records as the state digest hashes them: meaning, not bytes of any store.
///
/// Each is its length (4 bytes), then a byte for its kind, then its fields in a fixed order. Numbers are little-endian
/// and of fixed width; texts, byte strings and lists stand behind their length (4 bytes); what may be absent stands
/// behind a byte 0 or 1. Version 1 never changes: the field list is in `docs/state-digest.md`.
public struct CanonicalRecord: Sendable {
    public static let version: UInt32 = 1

    /// The record, its length in front.
    public let bytes: [UInt8]

    fileprivate init(bytes: [UInt8]) {
        self.bytes = bytes
    }
}

/// Canonical records one behind the other, as a digest takes them.
public struct CanonicalRecords: Sendable {
    private enum Kind: UInt8 {
        case service = 1
        case instance = 2
        case certificate = 3
        case revocation = 4
        case protection = 5
        case token = 6
    }

    private static let lengthBytes = 4

    /// As long as ever needed and doubled when it is not enough: a field costs a store, not the growing of an array.
    private var storage: [UInt8] = []
    private var count = 0
    /// Where the record begins that is being written.
    private var start = 0

    public init() {}

    /// What was written before.
    public init(copying bytes: UnsafeRawBufferPointer) {
        storage = [UInt8](bytes)
        count = bytes.count
    }

    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try storage.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    public var bytes: [UInt8] {
        Array(storage[..<count])
    }

    /// Begins anew, in the memory that there is.
    public mutating func removeAll() {
        count = 0
    }

    /// Each by itself.
    public func split() -> [CanonicalRecord] {
        withUnsafeBytes { bytes in
            var records: [CanonicalRecord] = []
            var offset = 0
            while bytes.count - offset >= Self.lengthBytes {
                let length = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                let end = min(bytes.count, offset + Self.lengthBytes + Int(length))
                records.append(CanonicalRecord(bytes: [UInt8](bytes[offset..<end])))
                offset = end
            }
            return records
        }
    }

    // MARK: Records

    /// A service's policy, and whether it is external. Counts and versions follow from its instances.
    public mutating func append(_ service: ServiceRecord) {
        begin(.service)
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
    public mutating func append(_ instance: Instance, _ state: InstanceState) {
        begin(.instance)
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

    public mutating func append(_ certificate: CertificateRecord) {
        begin(.certificate)
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

    public mutating func append(_ token: TokenRecord) {
        begin(.token)
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

    public mutating func append(_ revocation: Revocation) {
        begin(.revocation)
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
    public mutating func append(_ protection: RegistryRecord.Protection) {
        begin(.protection)
        append(protection.since.rawValue)
        append(protection.isHeld)
        append(protection.report.expected)
        append(protection.report.seen)
        append(protection.report.why)
        close()
    }

    // MARK: Fields

    private mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        let offset = room(for: MemoryLayout<Value>.size)
        storage.withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self) }
    }

    private mutating func append(_ value: Bool) {
        append(UInt8(value ? 1 : 0))
    }

    private mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    private mutating func append(_ value: [UInt8]) {
        value.withUnsafeBytes { append($0) }
    }

    /// Behind their length.
    private mutating func append(_ value: UnsafeRawBufferPointer) {
        append(UInt32(clamping: value.count))
        let offset = room(for: value.count)
        storage.withUnsafeMutableBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]).copyMemory(from: value)
        }
    }

    /// Counts so many more as written.
    ///
    /// - Returns: where they begin.
    private mutating func room(for more: Int) -> Int {
        let offset = count
        count += more
        if count > storage.count {
            storage += [UInt8](repeating: 0, count: max(more, storage.count, 1_024))
        }
        return offset
    }

    private mutating func append<Value>(
        optional value: Value?,
        _ appendValue: (inout CanonicalRecords, Value) -> Void
    ) {
        append(value != nil)
        if let value { appendValue(&self, value) }
    }

    private mutating func begin(_ kind: Kind) {
        start = count
        append(UInt32(0))
        append(kind.rawValue)
    }

    /// The record's length goes in front of it.
    private mutating func close() {
        let offset = start
        let length = UInt32(clamping: count - start - Self.lengthBytes)
        storage.withUnsafeMutableBytes {
            $0.storeBytes(of: length.littleEndian, toByteOffset: offset, as: UInt32.self)
        }
    }
}
