import NIOHTTP1
public import RegistryModel

/// A snapshot that the registry took or keeps.
public struct SnapshotSummary: Sendable, Equatable {
    public var file = ""
    public var bytes: UInt64 = 0
    public var sequence = SequenceNumber.none
    public var time = Timestamp(rawValue: 0)
    public var instances: UInt64 = 0

    init(from json: inout JSONReader) throws(RegistryModelError) {
        var summary = SnapshotSummary()
        try json.object { (json, key) throws(RegistryModelError) in
            switch key {
            case "file": summary.file = try json.string()
            case "bytes": summary.bytes = try json.integer()
            case "sequence": summary.sequence = SequenceNumber(try json.integer(as: UInt64.self))
            case "time":
                let text = try json.string()
                guard let time = Timestamp(rfc3339: text) else { throw json.malformed("a time is not RFC 3339") }
                summary.time = time
            case "instances": summary.instances = try json.integer()
            default: try json.skip()
            }
        }
        self = summary
    }

    private init() {}
}

extension RegistryConnection {
    /// Has the registry take a snapshot, verify it and put it on record.
    ///
    /// - Parameter file: an absolute path on the registry's machine; nil: where it keeps its own.
    public func takeSnapshot(_ file: String?) async throws(RegistryClientError) -> SnapshotSummary {
        var body: [UInt8]?
        if let file {
            var json = JSONWriter()
            json.beginObject()
            json.member("file", file)
            json.endObject()
            body = json.bytes
        }
        return try await send(.POST, "/v1/snapshots", body: body ?? []).read { (json) throws(RegistryModelError) in
            try SnapshotSummary(from: &json)
        }
    }

    /// Those that the registry keeps, the oldest first.
    public func snapshots() async throws(RegistryClientError) -> [SnapshotSummary] {
        try await send(.GET, "/v1/snapshots").read { (json) throws(RegistryModelError) in
            var found: [SnapshotSummary] = []
            try json.object { (json, key) throws(RegistryModelError) in
                guard key == "snapshots" else { return try json.skip() }
                try json.array { (json) throws(RegistryModelError) in found.append(try SnapshotSummary(from: &json)) }
            }
            return found
        }
    }
}
