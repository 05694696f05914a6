import RegistryModel

/// A service's row: what ``ServiceRecord`` holds, in bytes.
///
/// Layout number, flags (1 external), five counts, last event, changed at, the policy's JSON, then the versions, each
/// with its count. Little-endian; texts behind their length.
enum ServiceRow {
    private static let layout: UInt8 = 1

    static func encode(_ service: ServiceRecord) -> [UInt8] {
        var row = ByteWriter()
        row.append(layout)
        row.append(UInt8(service.isExternal ? 1 : 0))
        for health in Health.allCases { row.append(service.counts[health]) }
        row.append(service.modified.rawValue)
        row.append(service.changedAt.rawValue)
        if let policy = service.policy {
            var json = JSONWriter()
            policy.write(to: &json)
            row.append(lengthPrefixed: json.bytes)
        } else {
            row.append(UInt32(0))
        }
        row.append(UInt32(clamping: service.versions.count))
        for version in service.versions {
            row.append(lengthPrefixed: version.version.utf8)
            row.append(version.count)
        }
        return row.bytes
    }

    static func decode(_ name: ServiceName, _ bytes: UnsafeRawBufferPointer) throws(ViewError) -> ServiceRecord {
        var reader = ByteReader(bytes)
        var service = ServiceRecord(name: name)
        guard try reader.next(as: UInt8.self) == layout else { throw .suspect("a row of services") }
        service.isExternal = try reader.next(as: UInt8.self) & 1 != 0
        for health in Health.allCases { service.counts[health] = try reader.next() }
        service.modified = SequenceNumber(try reader.next(as: UInt64.self))
        service.changedAt = Timestamp(rawValue: try reader.next())
        let policy = try reader.nextLengthPrefixed()
        if !policy.isEmpty {
            do {
                service.policy = try JSONReader.parse(policy) { (json) throws(RegistryModelError) in
                    try MeshPolicy(from: &json)
                }
            } catch {
                throw .suspect("a service's policy")
            }
        }
        for _ in 0..<(try reader.next(as: UInt32.self)) {
            let version = try reader.nextText()
            service.versions.append(VersionCount(version: version, count: try reader.next()))
        }
        return service
    }

    static func name(_ key: UnsafeRawBufferPointer) throws(ViewError) -> ServiceName {
        guard let name = ServiceName(utf8: key) else { throw .suspect("a key of services") }
        return name
    }
}
