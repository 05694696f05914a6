import NIOHTTP1
public import RegistryModel

/// A segment of the registry's log.
public struct LogSegmentSummary: Sendable, Equatable {
    public var first = SequenceNumber.none
    /// So many bytes of it are whole and durable.
    public var bytes: UInt64 = 0
}

extension RegistryConnection {
    /// What befell a service, or one instance of it: the newest thousand events.
    public func historyDocument(
        _ service: ServiceName,
        _ instance: InstanceID?
    ) async throws(RegistryClientError) -> Answer {
        try await send(.GET, "/v1/services/\(service)/history" + (instance.map { "?instance=\($0)" } ?? ""))
    }

    /// Segments of the registry's log, in order.
    public func logSegments() async throws(RegistryClientError) -> [LogSegmentSummary] {
        try await send(.GET, "/v1/log").read { (json) throws(RegistryModelError) in
            var found: [LogSegmentSummary] = []
            try json.object { (json, key) throws(RegistryModelError) in
                guard key == "segments" else { return try json.skip() }
                try json.array { (json) throws(RegistryModelError) in
                    var segment = LogSegmentSummary()
                    try json.object { (json, key) throws(RegistryModelError) in
                        switch key {
                        case "first": segment.first = SequenceNumber(try json.integer(as: UInt64.self))
                        case "bytes": segment.bytes = try json.integer()
                        default: try json.skip()
                        }
                    }
                    found.append(segment)
                }
            }
            return found
        }
    }

    /// A piece of a segment's file; empty at its end.
    public func logBytes(
        of first: SequenceNumber,
        at offset: UInt64
    ) async throws(RegistryClientError) -> [UInt8] {
        try await send(.GET, "/v1/log/\(first)?offset=\(offset)").body
    }

    /// The newest checkpoint; nil where none was signed yet.
    public func checkpoint() async throws(RegistryClientError) -> String? {
        do {
            return String(decoding: try await send(.GET, "/v1/checkpoint").body, as: UTF8.self)
        } catch {
            guard error.status == 404 else { throw error }
            return nil
        }
    }
}
