public import RegistryModel

/// An instance as the registry gives it.
public struct RegisteredInstance: Sendable, Equatable {
    public var instance: Instance
    public var handle: InstanceHandle
    public var health: Health
    /// As the registry names it: a later version may have more of them.
    public var cause: String
    public var detail: String
    public var since: Timestamp
    public var registeredAt: Timestamp
    public var sequence: SequenceNumber
    /// How long ago it last beat; nil where that is not told, or it never expires.
    public var lastBeat: Duration?

    /// Takes one instance object; keys that this version does not know are passed over.
    public init(service: ServiceName, from json: inout JSONReader) throws(RegistryModelError) {
        var id: InstanceID?
        var host: String?
        var port: UInt16?
        var members: [(String, UnsafeRawBufferPointer)] = []
        var handle: UInt64 = 0
        var sequence: UInt64 = 0
        var health: Health?
        var cause = ""
        var detail = ""
        var since = Timestamp(rawValue: 0)
        var registeredAt = Timestamp(rawValue: 0)
        var lastBeat: Duration?
        try json.object { (reader, name) throws(RegistryModelError) in
            switch name {
            case "id": id = try InstanceID(try reader.string())
            case "ip": host = try reader.string()
            case "port": port = try reader.integer()
            case "handle": handle = try reader.integer()
            case "sequence": sequence = try reader.integer()
            case "status":
                let text = try reader.string()
                health = Health(text)
            case "cause": cause = try reader.string()
            case "detail": detail = try reader.string()
            case "since": since = try reader.timestamp()
            case "registeredAt": registeredAt = try reader.timestamp()
            case "lastBeatMs": lastBeat = .milliseconds(try reader.integer(as: Int64.self))
            default: members.append((name, try reader.raw()))
            }
        }
        guard let id, let host, let port, let health else {
            throw RegistryModelError(.missingField, "an instance without id, ip, port or a known status")
        }
        var read = Instance(
            key: InstanceKey(service: service, id: id),
            endpoint: try Endpoint(host: host, port: port)
        )
        for (name, bytes) in members {
            try JSONReader.parse(bytes) { (reader) throws(RegistryModelError) in
                if try !read.readMember(name, from: &reader) { try reader.skip() }
            }
        }
        instance = read
        self.handle = InstanceHandle(handle)
        self.health = health
        self.cause = cause
        self.detail = detail
        self.since = since
        self.registeredAt = registeredAt
        self.sequence = SequenceNumber(sequence)
        self.lastBeat = lastBeat
    }
}
