/// One event of a stream of Server-Sent Events.
public struct ServerSentEvent: Sendable, Equatable {
    public var name: String
    /// Lines of `data:` joined by newlines.
    public var data: [UInt8]
    /// The last `id:` so far; nil before the first.
    public var id: String?

    public init(name: String, data: [UInt8], id: String? = nil) {
        self.name = name
        self.data = data
        self.id = id
    }
}

/// Takes a stream of Server-Sent Events apart (WHATWG HTML §9.2.6), however its bytes arrive.
public struct EventStreamParser: Sendable {
    /// Bytes of an event: the largest service, whole.
    public static let maximumEventBytes = 64 * 1_024 * 1_024

    public struct TooLarge: Error {}

    private var line: [UInt8] = []
    private var name = ""
    private var data: [UInt8] = []
    private var hasData = false
    private var id: String?
    private var lastWasReturn = false

    public init() {}

    /// Takes bytes and shows each event that they complete.
    ///
    /// - Throws: ``TooLarge`` where an event is over ``maximumEventBytes``; the stream is of no use then.
    public mutating func feed(
        _ bytes: some Sequence<UInt8>,
        _ body: (ServerSentEvent) throws -> Void
    ) throws {
        for byte in bytes {
            defer { lastWasReturn = byte == UInt8(ascii: "\r") }
            if byte == UInt8(ascii: "\n"), lastWasReturn { continue }
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                try endLine(body)
            } else {
                guard line.count + data.count < Self.maximumEventBytes else { throw TooLarge() }
                line.append(byte)
            }
        }
    }

    private mutating func endLine(_ body: (ServerSentEvent) throws -> Void) throws {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else { return try dispatch(body) }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        var value = line.dropFirst(colon + 1)
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": name = String(decoding: value, as: UTF8.self)
        case "data":
            if hasData { data.append(UInt8(ascii: "\n")) }
            data.append(contentsOf: value)
            hasData = true
        case "id": if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
        default: break
        }
    }

    private mutating func dispatch(_ body: (ServerSentEvent) throws -> Void) throws {
        defer {
            name = ""
            data.removeAll(keepingCapacity: true)
            hasData = false
        }
        guard hasData else { return }
        try body(ServerSentEvent(name: name.isEmpty ? "message" : name, data: data, id: id))
    }
}
