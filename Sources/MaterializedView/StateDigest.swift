public import OpenSSLCrypto
public import RegistryModel

/// Version 1 of the state digest: SHA-256 over the 1,024 digests of slots, each SHA-256 over the slot's records in order.
///
/// A slot's records: for each service in order of names its own record, then its instances in order of ids; then, in
/// ``HashSlot/registry``, certificates in order of serial numbers, revocations (of certificates in order of serial
/// numbers, then of services in order of names), and the guard's state. Orders are those of UTF-8 bytes.
///
/// Slots are remembered, so that the next digest hashes only those in which something changed.
public struct StateDigest {
    private let hasher: SHA256Hasher
    private var slots: [SHA256Digest]

    public init() throws(OpenSSLError) {
        hasher = try SHA256Hasher()
        slots = [SHA256Digest](repeating: hasher.finalize(), count: HashSlot.count)
    }

    /// Replaces a slot's digest by that of the records that `body` shows, many at a time.
    public mutating func rehash(
        _ slot: HashSlot,
        _ body: (_ show: (UnsafeRawBufferPointer) -> Void) throws -> Void
    ) rethrows {
        defer { slots[slot.index] = hasher.finalize() }
        try body { hasher.update($0) }
    }

    public var value: SHA256Digest {
        for slot in slots { hasher.update(slot) }
        return hasher.finalize()
    }
}

/// The state digest of a view, kept from one time to the next. What changed is found by the services' own sequences: every
/// event that touches a service or its instances moves them, and one that is gone is missed by number.
///
/// Not thread safe: one owner.
public struct ViewDigest {
    private struct Mark: Equatable {
        var services = 0
        var modified = SequenceNumber.none
    }

    private var digest: StateDigest
    private var marks = [Mark](repeating: Mark(), count: HashSlot.count)

    public init() throws(OpenSSLError) {
        digest = try StateDigest()
    }

    /// The digest of what the view shows.
    public mutating func update(_ snapshot: borrowing ViewSnapshot) throws -> SHA256Digest {
        var found = [Mark](repeating: Mark(), count: HashSlot.count)
        try snapshot.forEachService(after: nil, limit: .max) { service in
            let slot = HashSlot(service.name).index
            found[slot].services += 1
            found[slot].modified = max(found[slot].modified, service.modified)
        }
        var touched = [[ServiceRecord]?](repeating: nil, count: HashSlot.count)
        for index in 0..<HashSlot.count where found[index] != marks[index] { touched[index] = [] }
        // Certificates, revocations, tokens and the guard have no sequence of their own.
        touched[HashSlot.registry.index] = []
        try snapshot.forEachService(after: nil, limit: .max) { service in
            touched[HashSlot(service.name).index]?.append(service)
        }
        var records = CanonicalRecords()
        for slot in HashSlot.all {
            guard let services = touched[slot.index] else { continue }
            records.removeAll()
            for service in services {
                records.append(service)
                try snapshot.forEachInstance(of: service.name) { records.append($0, $1) }
            }
            if slot == .registry { try Self.append(snapshot, to: &records) }
            digest.rehash(slot) { records.withUnsafeBytes($0) }
        }
        marks = found
        return digest.value
    }

    /// The registry's own records.
    private static func append(_ snapshot: borrowing ViewSnapshot, to records: inout CanonicalRecords) throws {
        try snapshot.forEachCertificate { records.append($0) }
        for revocation in try snapshot.revocations() { records.append(revocation) }
        for token in try snapshot.tokens() { records.append(token) }
        if let protection = try snapshot.registry.protection { records.append(protection) }
    }
}
