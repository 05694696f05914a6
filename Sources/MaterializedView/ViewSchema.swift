import RegistryModel

/// Every sub-database of the view, and how keys are made.
///
/// | sub-database | key | value |
/// | --- | --- | --- |
/// | `meta` | one of ``MetaKey`` | see ``ViewMeta`` |
/// | `services` | name | ``ServiceRow`` |
/// | `instances` | name, a zero byte, id | ``InstanceRecord`` |
/// | `identities` | see ``IdentityRow`` | ``IdentityRow`` |
///
/// A zero byte stands in no name, so the instances of `a` are a range of their own before those of `a-b`.
enum ViewSchema {
    /// Another number here makes every older view be rebuilt.
    static let version: UInt64 = 3
    static let databases: UInt32 = 8

    struct Databases: Sendable {
        var meta: LMDBDatabase
        var services: LMDBDatabase
        var instances: LMDBDatabase
        var identities: LMDBDatabase

        init(_ access: LMDBAccess, creating: Bool) throws(LMDBError) {
            meta = try access.open("meta", creating: creating)
            services = try access.open("services", creating: creating)
            instances = try access.open("instances", creating: creating)
            identities = try access.open("identities", creating: creating)
        }
    }

    enum MetaKey: String {
        case identity
        case totals
        case registry
    }

    static func withKey<R>(_ key: InstanceKey, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withKey(key.service, then: key.id.description, body)
    }

    /// The prefix of a service's instances.
    static func withKey<R>(
        _ service: ServiceName,
        then id: String,
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        try withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { bytes in
            var count = 0
            for byte in service.description.utf8 {
                bytes[count] = byte
                count += 1
            }
            bytes[count] = 0
            count += 1
            for byte in id.utf8 {
                bytes[count] = byte
                count += 1
            }
            return try body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
    }

    static func withKey<R>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        var text = text
        return try text.withUTF8 { try body(UnsafeRawBufferPointer($0)) }
    }

    /// - Throws: `suspect` where the bytes are no such key.
    static func instanceKey(_ bytes: UnsafeRawBufferPointer) throws(ViewError) -> InstanceKey {
        guard let end = bytes.firstIndex(of: 0),
            let service = ServiceName(utf8: UnsafeRawBufferPointer(rebasing: bytes[..<end])),
            let id = InstanceID(utf8: UnsafeRawBufferPointer(rebasing: bytes[(end + 1)...]))
        else { throw .suspect("a key of instances") }
        return InstanceKey(service: service, id: id)
    }
}
