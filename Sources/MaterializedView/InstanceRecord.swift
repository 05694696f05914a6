import RegistryModel

/// An instance's row: a header of fixed size, the health's detail, and its JSON, ready to be joined into an answer.
///
/// | offset | bytes | what |
/// | --- | --- | --- |
/// | 0 | 1 | layout, 1 |
/// | 1 | 1 | health |
/// | 2 | 1 | cause |
/// | 3 | 1 | flags: 1 external, 2 never expires |
/// | 4 | 4 | length of the JSON's stable head |
/// | 8 | 8 | handle |
/// | 16 | 8 | last event that changed it |
/// | 24 | 8 | since, Unix nanoseconds |
/// | 32 | 8 | registered at, Unix nanoseconds |
/// | 40 | 8 | its own ttl in ms, 0: none |
/// | 48 | 2+2 | offset and length of the version's JSON string in the head |
/// | 52 | 2+2 | the same of the zone's, 0 where it has none |
/// | 56 | 2+2 | the same of the tags' array |
/// | 60 | 2 | length of the detail |
/// | 62 | 2 | zero |
/// | 64 | | detail, then the JSON object |
///
/// All numbers little-endian. The stable head is what the instance registered, behind `{`; a change of health copies it.
struct InstanceRecord {
    static let headerBytes = 64
    static let layout: UInt8 = 1

    private enum Flag {
        static let external: UInt8 = 1
        static let permanent: UInt8 = 2
    }

    /// The row as LMDB shows it: valid as long as its transaction and until the next write.
    let bytes: UnsafeRawBufferPointer
    private let detailBytes: Int
    private let headBytes: Int

    /// - Throws: `suspect` where the bytes can't be such a row.
    init(_ bytes: UnsafeRawBufferPointer) throws(ViewError) {
        guard bytes.count > Self.headerBytes, bytes[0] == Self.layout else {
            throw .suspect("a row of instances has no header")
        }
        self.bytes = bytes
        headBytes = Int(Self.load(bytes, 4, as: UInt32.self))
        detailBytes = Int(Self.load(bytes, 60, as: UInt16.self))
        guard Self.headerBytes + detailBytes + headBytes < bytes.count, Health(rawValue: bytes[1]) != nil,
            TransitionCause(rawValue: bytes[2]) != nil
        else { throw .suspect("a row of instances does not hold together") }
    }

    // MARK: Parts

    /// The whole JSON object.
    var fragment: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[(Self.headerBytes + detailBytes)...])
    }

    /// `{` and the members that the instance registered.
    var head: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: fragment[..<headBytes])
    }

    var healthByte: UInt8 {
        bytes[1]
    }

    func state() throws(ViewError) -> InstanceState {
        guard let health = Health(rawValue: bytes[1]), let cause = TransitionCause(rawValue: bytes[2]) else {
            throw .suspect("a row of instances has no health")
        }
        let detail = bytes[Self.headerBytes..<Self.headerBytes + detailBytes]
        return InstanceState(
            handle: InstanceHandle(Self.load(bytes, 8, as: UInt64.self)),
            health: health,
            cause: cause,
            detail: String(decoding: detail, as: UTF8.self),
            since: Timestamp(rawValue: Self.load(bytes, 24, as: Int64.self)),
            registeredAt: Timestamp(rawValue: Self.load(bytes, 32, as: Int64.self)),
            modified: SequenceNumber(Self.load(bytes, 16, as: UInt64.self))
        )
    }

    var lease: Instance.Lease {
        if bytes[3] & Flag.permanent != 0 { return .permanent }
        let ttl = Self.load(bytes, 40, as: UInt64.self)
        return ttl == 0 ? .inherited : .ttl(milliseconds: ttl)
    }

    /// Parsed from the stable head: for decisions that need all of it.
    func instance(_ key: InstanceKey) throws(ViewError) -> Instance {
        do {
            return try Self.parse(head, key)
        } catch {
            throw .suspect("a row of instances: \(error.message)")
        }
    }

    /// The version, without the rest of what the instance registered.
    func versionText() throws(ViewError) -> String {
        let json = version
        guard !json.isEmpty else { return "" }
        do {
            return try JSONReader.parse(json) { (reader) throws(RegistryModelError) in try reader.string() }
        } catch {
            throw .suspect("a row of instances has no version: \(error.message)")
        }
    }

    // MARK: Filters

    /// The version as a JSON string, quotation marks and all.
    var version: UnsafeRawBufferPointer { part(at: 48) }
    var zone: UnsafeRawBufferPointer { part(at: 52) }
    var tags: UnsafeRawBufferPointer { part(at: 56) }

    private func part(at field: Int) -> UnsafeRawBufferPointer {
        let offset = Int(Self.load(bytes, field, as: UInt16.self))
        let length = Int(Self.load(bytes, field + 2, as: UInt16.self))
        guard offset + length <= headBytes else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: head[offset..<offset + length])
    }

    // MARK: Writing

    /// A row of a fresh registration.
    static func encode(_ instance: Instance, _ state: InstanceState) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 320)
        json.beginObject()
        instance.writeMembers(to: &json)
        let head = json.bytes
        var row = header(state, headBytes: head.count)
        head.withUnsafeBytes { bytes in
            setPart(48, find("\"version\":", in: bytes, from: 0), bytes, &row)
            if !instance.zone.isEmpty { setPart(52, find("\"zone\":", in: bytes, from: 0), bytes, &row) }
            if !instance.tags.isEmpty { setPart(56, find("\"tags\":", in: bytes, from: 0), bytes, &row) }
        }
        if instance.externalURL != nil { row[3] |= Flag.external }
        switch instance.lease {
        case .inherited: break
        case .ttl(let milliseconds): store(milliseconds, at: 40, in: &row)
        case .permanent: row[3] |= Flag.permanent
        }
        appendJSON(head: head, state, to: &row)
        return row
    }

    /// The same row with another state: the head and what was found in it stay.
    func replacing(_ state: InstanceState) -> [UInt8] {
        var row = Self.header(state, headBytes: headBytes)
        row[3] = bytes[3]
        for offset in 40..<60 { row[offset] = bytes[offset] }
        Self.appendJSON(head: Array(head), state, to: &row)
        return row
    }

    private static func header(_ state: InstanceState, headBytes: Int) -> [UInt8] {
        var row = [UInt8](repeating: 0, count: headerBytes)
        row.reserveCapacity(headerBytes + headBytes + 224)
        row[0] = layout
        row[1] = state.health.rawValue
        row[2] = state.cause.rawValue
        store(UInt32(clamping: headBytes), at: 4, in: &row)
        store(state.handle.rawValue, at: 8, in: &row)
        store(state.modified.rawValue, at: 16, in: &row)
        store(state.since.rawValue, at: 24, in: &row)
        store(state.registeredAt.rawValue, at: 32, in: &row)
        let detail = state.detail.utf8
        store(UInt16(clamping: min(detail.count, Instance.Limits.detail)), at: 60, in: &row)
        row.append(contentsOf: detail.prefix(Instance.Limits.detail))
        return row
    }

    private static func appendJSON(head: [UInt8], _ state: InstanceState, to row: inout [UInt8]) {
        var tail = JSONWriter(reservingCapacity: 224)
        tail.beginObject()
        tail.member("handle", state.handle.rawValue)
        tail.member("status", state.health.description)
        tail.member("cause", state.cause.description)
        if !state.detail.isEmpty { tail.member("detail", state.detail) }
        tail.member("since", state.since)
        tail.member("registeredAt", state.registeredAt)
        tail.member("sequence", state.modified.rawValue)
        tail.endObject()
        row.append(contentsOf: head)
        row.append(UInt8(ascii: ","))
        row.append(contentsOf: tail.bytes.dropFirst())
    }

    // MARK: Bytes

    /// Behind the first `key` from `start` on, where it is an object's own: a quotation mark inside a string is escaped,
    /// so none of a string's content can look like a key.
    private static func find(_ key: StaticString, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let length = key.utf8CodeUnitCount
        let pattern = UnsafeRawBufferPointer(start: key.utf8Start, count: length)
        var index = start
        while index + length <= bytes.count {
            let isInString = index > 0 && bytes[index - 1] == UInt8(ascii: "\\")
            if !isInString, bytes[index..<index + length].elementsEqual(pattern) {
                return index + length
            }
            index += 1
        }
        return nil
    }

    private static func setPart(_ field: Int, _ start: Int?, _ head: UnsafeRawBufferPointer, _ row: inout [UInt8]) {
        guard let start, let end = valueEnd(head, start) else { return }
        store(UInt16(clamping: start), at: field, in: &row)
        store(UInt16(clamping: end - start), at: field + 2, in: &row)
    }

    /// The end of the string or array of strings that begins at `start`.
    private static func valueEnd(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int? {
        guard start < bytes.count else { return nil }
        let isArray = bytes[start] == UInt8(ascii: "[")
        var isInString = false
        var index = start
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\\") where isInString: index += 1
            case UInt8(ascii: "\""):
                isInString.toggle()
                if !isInString, !isArray { return index + 1 }
            case UInt8(ascii: "]") where !isInString: return index + 1
            default: break
            }
            index += 1
        }
        return nil
    }

    private static func load<I: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _ offset: Int, as: I.Type) -> I {
        I(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self))
    }

    private static func store(_ value: some FixedWidthInteger, at offset: Int, in row: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes in
            for (index, byte) in bytes.enumerated() { row[offset + index] = byte }
        }
    }

    private static func parse(
        _ head: UnsafeRawBufferPointer,
        _ key: InstanceKey
    ) throws(RegistryModelError) -> Instance {
        // The head is an object without its closing brace.
        var object = [UInt8](head)
        object.append(UInt8(ascii: "}"))
        return try JSONReader.parse(object) { (reader) throws(RegistryModelError) in
            var host = ""
            var port: UInt16 = 0
            var read: Instance?
            try reader.object { (reader, name) throws(RegistryModelError) in
                switch name {
                case "id": _ = try reader.string()
                case "ip": host = try reader.string()
                case "port":
                    port = try reader.integer()
                    read = Instance(key: key, endpoint: try Endpoint(host: host, port: port))
                default:
                    guard try read?.readMember(name, from: &reader) == true else {
                        throw RegistryModelError(.unknownField, "unknown member \(name)")
                    }
                }
            }
            guard let read else { throw RegistryModelError(.missingField, "no address") }
            return read
        }
    }
}
